"""Environments of real clients, built by uv from pinned requirements, shared by sessions and by their processes."""

from __future__ import annotations

import ast
import fcntl
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
CHECKS = Path(__file__).with_name("clients")
BUILT = "built"


def client_python(name: str) -> Path:
    """The interpreter of the environment that ``requirements/<name>.txt`` pins, built where it is not there yet."""
    pins = ROOT / "requirements" / f"{name}.txt"
    digest = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = ROOT / ".clients" / f"{name}-{digest}"
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / BUILT).exists():
            uv = Path(sys.executable).with_name("uv")
            python = str(folder / "bin" / "python")
            subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
            subprocess.run(
                [uv, "pip", "install", "--quiet", "--python", python, "--no-deps", "--require-hashes", "-r", pins],
                check=True,
            )
            (folder / BUILT).touch()
    return folder / "bin" / "python"


def checks_of(module: str) -> list[str]:
    """The names of a module's checks, without importing it."""
    tree = ast.parse((CHECKS / f"{module}.py").read_text())
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("check_")]


def outcome(python: Path, address: str, module: str, where: Path) -> dict[str, str]:
    """What became of each check of a module."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PYTHON"))}
    done = subprocess.run(
        [python, CHECKS / "run_checks.py", address, module],
        env={**kept, "MPLBACKEND": "Agg", "HOME": str(where)},
        cwd=where,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stderr[-4000:])
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])["checks"]
    return found
