"""Builds the wheel, installs it alone into a clean environment, and uses what was installed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
UV = str(ROOT / ".venv/bin/uv")

TRY = """
import pathlib, subprocess, sys
import treadle
assert "site-packages" in treadle.__file__, treadle.__file__
assert (pathlib.Path(treadle.__file__).parent / "py.typed").exists()
from treadle import Col, Model, Row, col, metrics
from treadle.storage.sql.store import SqlStore
store = SqlStore("sqlite:///" + sys.argv[1])
assert store.models.all() == []
store.close()
print("the installed wheel works")
"""


def main() -> int:
    """0 when the wheel holds what it should and works."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        (wheel,) = out.glob("*.whl")
        names = zipfile.ZipFile(wheel).namelist()
        strangers = [n for n in names if not n.startswith(("treadle/", "treadle-"))]
        assert not strangers, strangers
        subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, str(out / "venv")], check=True)
        python = str(out / "venv/bin/python")
        install = [UV, "pip", "install", "--quiet", "--python", python]
        subprocess.run([*install, "--require-hashes", "-r", "requirements/run.txt"], check=True, cwd=ROOT)
        subprocess.run([*install, "--no-deps", str(wheel)], check=True)
        subprocess.run([python, "-c", TRY, str(out / "home.db")], check=True, cwd=out)
        subprocess.run([str(out / "venv/bin/treadle"), "--help"], check=True, cwd=out, stdout=subprocess.DEVNULL)
        subprocess.run([str(out / "venv/bin/treadle"), "doctor"], check=True, cwd=out)
    print(f"{wheel.name}: {len(names)} files")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
