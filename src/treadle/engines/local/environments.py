"""Locked Python environments of models, made by uv and shared by equal locks."""

from __future__ import annotations

import contextlib
import fcntl
import platform
import re
import secrets
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

from treadle.domain import codec
from treadle.domain.errors import EnvironmentFailed, InvalidInput, NotFound
from treadle.domain.models import EnvironmentLock
from treadle.engines.local.pythons import parse_version, satisfies
from treadle.engines.local.uv_command import Uv, find_uv
from treadle.ports.steps import LogLine

_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_OWN = "treadle"
_MEND = "mend the dependencies at the head of the model file"


class UvEnvironments:
    """Fulfils the ports Environments and DerivesEnvironments below the folder ``home``.

    ``home/locks`` keeps locks, so that equal requirements resolve once (delete a lock to take newer releases);
    ``home/envs/<digest>`` holds environments, each whole or not there. Several processes may share a home. ``python``
    is the interpreter that models run on where it fits their ``requires-python``.
    """

    def __init__(self, home: Path, *, uv: str | None = None, python: str = sys.executable) -> None:
        self._locks, self._envs = home / "locks", home / "envs"
        for folder in (self._locks, self._envs):
            folder.mkdir(parents=True, exist_ok=True)
        self._uv = Uv(uv or find_uv(), home.resolve())
        self._python = python

    def lock(self, requirements: Sequence[str], requires_python: str | None = None) -> EnvironmentLock:
        """Resolve requirements to a lock with hashes; at once where equal ones were locked before.

        Treadle itself is left out: it is put beside every environment. Raises EnvironmentFailed with uv's own words.
        """
        wanted = sorted({r.strip() for r in requirements if _name(r) != _OWN})
        return self._resolve(wanted, self._choose(requires_python), "requirements cannot be locked")

    def derive(self, lock: EnvironmentLock, extras: Sequence[str]) -> EnvironmentLock:
        """A lock with the same versions as ``lock`` plus ``extras``. Raises EnvironmentFailed."""
        pins = [
            line.rstrip("\\ ") for line in lock.requirements.splitlines() if line and not line.startswith((" ", "#"))
        ]
        what = f"{', '.join(extras)} cannot be added to environment {lock.digest[:12]}"
        return self._resolve([*pins, *sorted(extras)], self._interpreter_of(lock.python), what)

    def build(self, lock: EnvironmentLock, *, log: LogLine | None = None) -> str:
        """Make the environment unless it is there; return its digest. Raises EnvironmentFailed."""
        if self._python_of(lock.digest).exists():
            return lock.digest
        with self._alone(lock.digest):
            if not self._python_of(lock.digest).exists():
                self._make(lock, log)
        return lock.digest

    def interpreter(self, digest: str) -> str:
        """The absolute path of the environment's interpreter. Raises NotFound before :meth:`build`."""
        python = self._python_of(digest)
        if not python.exists():
            raise NotFound(f"environment {digest[:12]} is not built on this machine", hint="apply the model again")
        return str(python.absolute())

    def _python_of(self, digest: str) -> Path:
        if not digest.isalnum():
            raise InvalidInput(f"{digest!r} is no digest of an environment")
        return self._envs / digest / "bin" / "python"

    def _make(self, lock: EnvironmentLock, log: LogLine | None) -> None:
        target, building = self._envs / lock.digest, self._envs / f".building-{lock.digest}-{secrets.token_hex(4)}"
        # What a killed process left: its uv may still be at work there, so the name is never used again.
        for left in (*self._envs.glob(f".building-{lock.digest}*"), target):
            shutil.rmtree(left, ignore_errors=True)
        try:
            base = self._interpreter_of(lock.python)
            self._uv.run("venv", "--quiet", "--relocatable", "--python", base, str(building))
            if lock.requirements.strip():
                requirements = building / "requirements.txt"
                requirements.write_text(lock.requirements, encoding="utf-8")
                python = str(building / "bin" / "python")
                self._uv.run("pip", "sync", "--require-hashes", "--python", python, str(requirements), log=log)
            building.rename(target)
        except EnvironmentFailed as error:
            raise EnvironmentFailed(
                f"environment {lock.digest[:12]} cannot be built: {error.message}", hint=error.hint or _MEND
            ) from error
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def _resolve(self, requirements: Sequence[str], python: str, what: str) -> EnvironmentLock:
        version = self._version(python)
        key = codec.digest({"requirements": list(requirements), "python": version, "platform": _platform()})
        kept = self._locks / f"{key}.json"
        if kept.exists():
            return codec.loads(EnvironmentLock, kept.read_text(encoding="utf-8"))
        text = ""
        if requirements:
            arguments = ("--quiet", "--generate-hashes", "--no-header", "--no-annotate", "--python", python, "-")
            try:
                text = self._uv.run("pip", "compile", *arguments, text="\n".join(requirements) + "\n")
            except EnvironmentFailed as error:
                raise EnvironmentFailed(f"{what}: {error.message}", hint=error.hint or _MEND) from error
        minor = ".".join(version.split(".")[:2])
        lock = EnvironmentLock(text, minor, codec.digest({"requirements": text, "python": minor}))
        part = kept.with_suffix(f".{codec.digest(text)[:8]}.part")
        part.write_text(codec.dumps(lock), encoding="utf-8")
        part.replace(kept)
        return lock

    def _choose(self, requires_python: str | None) -> str:
        """An interpreter that fits: the usual one before others of this machine."""
        usual = self._version(self._python)
        if satisfies(parse_version(usual), requires_python):
            return self._python
        return self._find(requires_python or "", f"requires-python is {requires_python}")

    def _interpreter_of(self, minor: str) -> str:
        """An interpreter of the version that a lock was made for."""
        if self._version(self._python).startswith(f"{minor}."):
            return self._python
        return self._find(minor, f"the lock was made for Python {minor}")

    def _find(self, request: str, why: str) -> str:
        try:
            found = self._uv.run("python", "find", "--no-project", "--system", request).strip()
        except EnvironmentFailed as error:
            raise EnvironmentFailed(
                f"no interpreter fits: {why}; this machine has {', '.join(self._installed()) or 'none'}",
                hint="install one that fits, or relax requires-python at the head of the model file",
            ) from error
        return found

    def _installed(self) -> list[str]:
        shown = self._uv.run("python", "list", "--only-installed", "--output-format", "json")
        versions = set(re.findall(r'"version":\s*"([^"]+)"', shown)) | {self._version(self._python)}
        return sorted(versions, key=parse_version)

    def _version(self, python: str) -> str:
        if python == sys.executable:
            return platform.python_version()
        shown = self._uv.run("python", "find", "--no-project", "--show-version", python)
        return shown.strip()

    @contextlib.contextmanager
    def _alone(self, digest: str) -> Iterator[None]:
        """Hold this machine's only right to build an environment."""
        with (self._envs / f".{digest}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _platform() -> str:
    return sysconfig.get_platform()


def _name(requirement: str) -> str:
    match = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", match[1]).lower() if match else ""
