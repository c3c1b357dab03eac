"""What each door pulls in: processes stay light, and doubles need no test framework."""

import subprocess
import sys

import pytest

HEAVY = {"sqlalchemy", "alembic", "polars", "obstore", "pytest", "pandas", "numpy", "fastapi"}


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split()) & HEAVY


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import treadle.storage.predictions.wal", set()),
        ("import treadle.storage.routing", set()),
        ("import treadle.storage.sql.store", {"sqlalchemy"}),
        ("import treadle.storage.blobs.obstore_blobs", {"obstore"}),
        ("import treadle.testing, treadle.testing.samples", set()),
        ("import treadle.testing.memory", {"polars"}),
    ],
)
def test_imports(code, allowed):
    assert modules_after(code) <= allowed


def test_a_migrated_database_needs_no_migration_tool(tmp_path):
    url = f"sqlite:///{tmp_path / 'treadle.db'}"
    code = f"from treadle.storage.sql.store import SqlStore; SqlStore({url!r}).close()"
    assert modules_after(code) == {"sqlalchemy", "alembic"}
    assert modules_after(code) == {"sqlalchemy"}


def test_without_pytest_the_contract_suites_say_so():
    code = """
import sys
sys.modules["pytest"] = None
from treadle.domain.errors import TreadleError
try:
    import treadle.testing.contracts
except TreadleError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "need pytest" in done.stdout
    assert "pip install pytest" in done.stdout
