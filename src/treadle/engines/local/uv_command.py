"""Calling uv."""

from __future__ import annotations

import functools
import importlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from treadle.domain.errors import EnvironmentFailed

_DROPPED = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "UV_PYTHON", "UV_PROJECT_ENVIRONMENT")
TIMEOUT_SECONDS = 1800
CHECK_NETWORK = "see that this machine reaches its package index, or that UV_INDEX_URL or a uv.toml names one"
_NETWORK = ("failed to fetch", "error sending request", "dns error", "connection refused", "timed out")


@functools.cache
def find_uv() -> str:
    """The uv that came with Treadle, else the one on the path. Raises EnvironmentFailed."""
    try:
        return str(importlib.import_module("uv").find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise EnvironmentFailed("uv is not there, which makes the environments of models", hint="pip install uv")
    return found


@dataclass(frozen=True)
class Uv:
    """One uv, working in ``folder``; its cache is put there where the usual one lies on another filesystem."""

    binary: str
    folder: Path

    def run(self, *arguments: str, text: str = "", log: Callable[[str], None] | None = None) -> str:
        """Run uv with ``text`` as its input; return what it prints. Raises EnvironmentFailed with its own words."""
        done = self._call(arguments, text)
        if log is not None:
            for line in done.stderr.splitlines():
                log(line)
        if done.returncode != 0:
            words = _words(done.stderr) or f"uv ended with exit code {done.returncode}"
            network = any(sign in words.lower() for sign in _NETWORK)
            raise EnvironmentFailed(words, hint=CHECK_NETWORK if network else "")
        return done.stdout

    def _call(self, arguments: Sequence[str], text: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [self.binary, *arguments],
                input=text,
                capture_output=True,
                text=True,
                cwd=self.folder,
                env=self._environment,
                timeout=TIMEOUT_SECONDS,
                check=False,
                start_new_session=True,
            )
        except OSError as error:
            raise EnvironmentFailed(f"uv cannot be started: {error}", hint="pip install uv") from error
        except subprocess.TimeoutExpired as error:
            what = " ".join(arguments[:2])
            raise EnvironmentFailed(
                f"uv {what} did not end within {TIMEOUT_SECONDS // 60} minutes", hint=CHECK_NETWORK
            ) from error

    @functools.cached_property
    def _environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if name not in _DROPPED}
        environment |= {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
        shown = subprocess.run(
            [self.binary, "cache", "dir"], capture_output=True, text=True, env=environment, check=False, timeout=60
        )
        usual = Path(shown.stdout.strip()) if shown.returncode == 0 else Path("/nonexistent")
        if _device(usual) != _device(self.folder):
            environment["UV_CACHE_DIR"] = str(self.folder / "uv-cache")
        return environment


def _words(stderr: str) -> str:
    """The error that uv tells of, without the warnings before it."""
    _, found, rest = stderr.partition("error: ")
    return (rest if found else stderr).strip()


def _device(path: Path) -> int | None:
    """The filesystem that a path lies on, or would."""
    for place in (path, *path.parents):
        if place.exists():
            return place.stat().st_dev
    return None
