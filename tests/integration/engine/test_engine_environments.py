from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from treadle.domain.errors import EnvironmentFailed, InvalidInput, NotFound
from treadle.engines.local.environments import UvEnvironments


def test_a_lock_has_hashes_and_no_address(home: Path) -> None:
    lock = UvEnvironments(home).lock(["numpy"])
    assert "numpy==" in lock.requirements
    assert "--hash=sha256:" in lock.requirements
    assert "://" not in lock.requirements
    assert "#" not in lock.requirements


def test_equal_requirements_resolve_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = UvEnvironments(home).lock(["polars", "numpy"])
    broken = UvEnvironments(home, uv="/nonexistent/uv")
    assert broken.lock([" numpy", "polars", "numpy"]) == first
    assert broken.lock(["numpy", "treadle", "polars", "Treadle[all]>=0.1"]) == first
    with pytest.raises(EnvironmentFailed, match="cannot be started"):
        broken.lock(["numpy", "polars<2"])


def test_the_resolvers_own_words_are_told(home: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="polars<1 and polars>1") as caught:
        UvEnvironments(home).lock(["polars<1", "polars>1"])
    assert "dependencies at the head of the model file" in caught.value.hint
    with pytest.raises(EnvironmentFailed, match="no such comparison operator"):
        UvEnvironments(home).lock(["numpy =>2"])


def test_no_interpreter_fits(home: Path) -> None:
    with pytest.raises(
        EnvironmentFailed, match=r"no interpreter fits: requires-python is >=3\.99; this machine has 3\."
    ):
        UvEnvironments(home).lock([], ">=3.99")
    with pytest.raises(EnvironmentFailed, match="no version specifier"):
        UvEnvironments(home).lock([], "3.11 or so")


def test_environments_are_built_once_and_have_no_treadle(home: Path) -> None:
    environments = UvEnvironments(home)
    lock = environments.lock(["numpy"], ">=3.11")
    with pytest.raises(NotFound, match="not built"):
        UvEnvironments(home / "elsewhere").interpreter(lock.digest)
    threads = [threading.Thread(target=lambda: UvEnvironments(home).build(lock)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    python = environments.interpreter(environments.build(lock))
    code = "import numpy, sys; print(numpy.__file__)\ntry:\n  import treadle\nexcept ImportError: print('apart')"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    shown = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, env=clean).stdout
    assert f"{home}/envs/{lock.digest}/lib" in shown
    assert "apart" in shown
    assert not [path for path in (home / "envs").iterdir() if path.name.startswith(".building")]


def test_an_empty_environment(home: Path) -> None:
    environments = UvEnvironments(home)
    lock = environments.lock([])
    assert lock.requirements == ""
    assert Path(environments.interpreter(environments.build(lock))).exists()


def test_derived_locks_keep_the_versions(home: Path) -> None:
    environments = UvEnvironments(home)
    lock = environments.lock(["numpy<2.4"])
    derived = environments.derive(lock, ["packaging"])
    pins = {line.split(" ")[0] for line in lock.requirements.splitlines() if "==" in line}
    assert pins < {line.split(" ")[0] for line in derived.requirements.splitlines() if "==" in line}
    assert derived.digest != lock.digest
    with pytest.raises(EnvironmentFailed, match="cannot be added"):
        environments.derive(lock, ["numpy>=2.4"])


def test_a_tampered_lock_is_refused(home: Path) -> None:
    from dataclasses import replace

    environments = UvEnvironments(home)
    lock = environments.lock(["packaging"])
    name, _, _ = lock.requirements.partition("--hash")
    wrong = replace(lock, requirements=name + "--hash=sha256:" + "0" * 64 + "\n", digest="f" * 64)
    with pytest.raises(EnvironmentFailed, match=r"cannot be built.*(?s:.*)[Hh]ash"):
        environments.build(wrong)
    with pytest.raises(NotFound):
        environments.interpreter("f" * 64)
    with pytest.raises(InvalidInput):
        environments.interpreter("../..")
