"""Runs the quick tests on every other supported interpreter that this machine has, each in a venv of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SUPPORTED = ("3.11", "3.12", "3.13")
QUICK = ["tests/unit", "tests/contract/test_storage_backends.py", "tests/contract/test_tracking_stores.py"]
"""What an interpreter can change: laws and the database server are the same for all."""


def version_of(interpreter: str) -> str | None:
    """The interpreter's version as ``3.12``, or None where it does not run."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=False, timeout=20)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def interpreters() -> dict[str, str]:
    """Supported interpreters by version: those on the path, and those of a pyenv."""
    found: dict[str, str] = {}
    shim = shutil.which("pyenv")
    roots = [os.environ.get("PYENV_ROOT"), str(Path(shim).parent.parent) if shim else None, str(Path.home() / ".pyenv")]
    roots += [str(Path(part).parent) for part in os.environ["PATH"].split(":") if part.endswith("/shims")]
    folders = [version / "bin" for root in roots if root for version in sorted(Path(root, "versions").glob("3.*"))]
    for wanted in SUPPORTED:
        names = [shutil.which(f"python{wanted}"), *(str(folder / f"python{wanted}") for folder in folders)]
        for name in names:
            if name and version_of(name) == wanted:
                found[wanted] = name
                break
    return found


def main() -> int:
    """0 when all pass."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    others = {version: path for version, path in interpreters().items() if version != own}
    print(f"this is Python {own}; others here: {', '.join(others) or 'none'}", flush=True)
    uv = str(ROOT / ".venv/bin/uv")
    for version, path in others.items():
        venv = ROOT / f".venv-{version}"
        python = str(venv / "bin/python")
        if not venv.exists():
            subprocess.run([uv, "venv", "--quiet", "--python", path, str(venv)], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", python]
        subprocess.run([*install, "--require-hashes", "-r", "requirements/test.txt"], check=True, cwd=ROOT)
        subprocess.run([*install, "--no-deps", "--no-build-isolation", "--editable", "."], check=True, cwd=ROOT)
        print(f"Python {version}", flush=True)
        tests = [python, "-m", "pytest", *QUICK, "-n", "2", "-q", "-m", "not soak", "-p", "no:cacheprovider"]
        if subprocess.run(tests, check=False, cwd=ROOT).returncode != 0:
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
