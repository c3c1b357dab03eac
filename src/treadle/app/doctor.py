"""``treadle doctor``: what this machine offers, what is missing, and what to do about it."""

from __future__ import annotations

import contextlib
import enum
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from treadle.app.settings import DATABASE_VARIABLE, HOME_VARIABLE, Settings, settings
from treadle.domain.errors import TreadleError

OLDEST_PYTHON = (3, 11)
FREE_LEAST, FREE_ENOUGH = 1_000_000_000, 5_000_000_000
PATIENCE = 10.0


class State(enum.Enum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found, and what to do about it."""

    subject: str
    state: State
    found: str
    remedy: str = ""

    @property
    def failed(self) -> bool:
        """Whether Treadle cannot work like this."""
        return self.state is State.FAIL


def examine(home: str | Path | None = None, *, port: int = 8700) -> list[Finding]:
    """Look at everything; nothing is changed but for a file that is written to the home and removed.

    Raises InvalidInput for a port that cannot be used.
    """
    where = settings(home, port=port)
    server = _running(where)
    looks: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("python", _python),
        ("uv", _uv),
        ("home", lambda: _home(where.home)),
        ("disk", lambda: _disk(where.home)),
        ("schema", lambda: _schema(where)),
        ("control port", lambda: _port(where, where.port, server)),
        ("gateway port", lambda: _port(where, where.gateway_port, server)),
    )
    return [_looked(subject, look) for subject, look in looks]


def _looked(subject: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except TreadleError as error:
        return Finding(subject, State.FAIL, error.message, error.hint)
    except (OSError, subprocess.SubprocessError, sqlite3.Error) as error:
        return Finding(subject, State.FAIL, f"cannot be looked at: {error}", "mend that and look again")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding("python", State.FAIL, version, "use Python 3.11 or later")
    return Finding("python", State.OK, f"{version} at {sys.executable}")


def _uv() -> Finding:
    from treadle.engines.local.uv_command import find_uv

    path = find_uv()
    done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode != 0:
        return Finding(
            "uv", State.FAIL, f"{path} does not run: {done.stderr.strip()}", "install it anew: pip install uv"
        )
    return Finding("uv", State.OK, f"{done.stdout.strip()} at {path}")


def _home(home: Path) -> Finding:
    remedy = f"choose another with --home or ${HOME_VARIABLE}"
    standing = _standing(home)
    if not standing.is_dir():
        return Finding("home", State.FAIL, f"{standing} is no folder", remedy)
    try:
        with tempfile.TemporaryFile(dir=standing):
            pass
    except OSError as error:
        return Finding("home", State.FAIL, f"{standing} cannot be written to: {error.strerror}", remedy)
    return Finding("home", State.OK, str(home) if standing == home else f"{home}, to be made")


def _disk(home: Path) -> Finding:
    free = shutil.disk_usage(_standing(home)).free
    found = f"{free / 1e9:.1f} GB free"
    if free < FREE_LEAST:
        return Finding("disk", State.FAIL, found, "free some: environments alone take a gigabyte")
    if free < FREE_ENOUGH:
        return Finding("disk", State.WARN, found, "an environment takes up to a gigabyte, and the prediction log grows")
    return Finding("disk", State.OK, found)


def _schema(where: Settings) -> Finding:
    from treadle.storage.sql.migrating import HEAD

    if where.database is not None:
        from treadle.storage.sql.store import SqlStore

        SqlStore(where.database).close()
        return Finding("schema", State.OK, f"{HEAD}, in the database of ${DATABASE_VARIABLE}")
    database = where.home / "treadle.db"
    if not database.exists():
        return Finding("schema", State.OK, "no database yet; the first start makes it")
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=PATIENCE)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            row = None
    if row is None:
        return Finding(
            "schema", State.FAIL, f"{database} is no database of Treadle's", "choose another home, or remove it"
        )
    if row[0] < HEAD:
        return Finding(
            "schema", State.WARN, f"{row[0]}, this release has {HEAD}", "back it up; the next start migrates it"
        )
    if row[0] > HEAD:
        return Finding(
            "schema", State.WARN, f"{row[0]}, this release knows {HEAD}", "a newer Treadle used it; upgrade this"
        )
    return Finding("schema", State.OK, str(row[0]))


def _port(where: Settings, port: int, server: int | None) -> Finding:
    subject = "control port" if port == where.port else "gateway port"
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((where.host, port))
        except OSError:
            if server is not None:
                return Finding(subject, State.OK, f"{port}, used by this home's server (process {server})")
            return Finding(subject, State.WARN, f"{port} is in use by another program", "give another with --port")
    return Finding(subject, State.OK, f"{port} is free")


def _running(where: Settings) -> int | None:
    """The process id of this home's server, where it runs on this port."""
    try:
        told = json.loads((where.home / "server.json").read_bytes())
        process = int(told["pid"])
        os.kill(process, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return process if told.get("control") == where.control_url else None


def _standing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(place for place in (path, *path.parents) if place.exists())
