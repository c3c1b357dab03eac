"""What holds for all tests: no test asserts time, so Hypothesis sets no deadline; a Postgres of the tests' own.

There is one cluster for a session, and one database for a test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("treadle", deadline=None)
settings.load_profile("treadle")

SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "log_min_messages": "fatal",
}


@dataclass
class Postgres:
    """A cluster behind a socket in a folder."""

    folder: Path
    numbers: Iterator[int] = field(default_factory=count)

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def run(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(dbname="postgres", user="postgres", host=str(self.folder), autocommit=True) as connection:
            connection.execute(statement.encode())

    def empty(self) -> str:
        """The address of a new database without tables."""
        name = f"empty_{next(self.numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def database(self) -> str:
        """The address of a new database, migrated."""
        name = f"test_{next(self.numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE migrated")
        return self.url(name)


def binaries() -> Path:
    """Where Debian, or whoever installed it, put the server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    assert initdb, "the tests need a Postgres: apt-get install postgresql"
    return Path(initdb).parent


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running cluster; it ends with the tests, however they end."""
    folder = Path(tempfile.mkdtemp(prefix="treadle-pg-", dir="/tmp"))
    as_user = ["setpriv", "--pdeathsig", "QUIT"]
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        as_user += ["--reuid", "postgres", "--regid", "postgres", "--init-groups"]
    data = folder / "data"
    make = [*as_user, binaries() / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "--locale=C.UTF-8"]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd="/")
    options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    server = subprocess.Popen(
        [*as_user, binaries() / "postgres", "-D", data, "-k", folder, *options], cwd="/", stderr=subprocess.DEVNULL
    )
    found = Postgres(folder)
    try:
        until_it_answers(found, server)
        found.run("CREATE DATABASE migrated")
        from treadle.storage.sql.store import SqlStore

        SqlStore(found.url("migrated")).close()
        yield found
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(folder)


def until_it_answers(found: Postgres, server: subprocess.Popen[bytes]) -> None:
    from psycopg import OperationalError

    deadline = time.monotonic() + 60
    while True:
        try:
            found.run("SELECT 1")
        except OperationalError:
            assert server.poll() is None, "the Postgres of the tests has ended"
            assert time.monotonic() < deadline, "the Postgres of the tests does not answer"
            time.sleep(0.05)
        else:
            return
