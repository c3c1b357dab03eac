"""The routing table as one file, and the gateways' word that they serve it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from treadle.domain import codec
from treadle.domain.deployments import RoutingTable
from treadle.domain.errors import CorruptData, InvalidInput

LOOK_SECONDS = 0.005


class FileRouting:
    """``ports.Routing`` over a home: ``routing.json``, and ``gateways/<id>.json`` with id, pid and revision.

    A gateway writes its file when it starts (revision 0) and again after each table that it has loaded. Files of
    gateways whose process is gone are removed.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / "routing.json"
        self._gateways = home / "gateways"

    def publish(self, table: RoutingTable) -> None:
        """Replace the table; it is on the disk then, and readers see the old one or the new one whole."""
        self._home.mkdir(parents=True, exist_ok=True)
        fresh = self._home / f".routing.json.{secrets.token_hex(4)}.new"
        try:
            with fresh.open("x", encoding="utf-8") as file:
                file.write(codec.dumps(table))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        finally:
            fresh.unlink(missing_ok=True)

    def read(self) -> RoutingTable:
        """The present table; an empty one of revision 0 before the first. Raises CorruptData."""
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return RoutingTable(0)
        try:
            return codec.loads(RoutingTable, text)
        except (ValueError, TypeError, InvalidInput) as error:
            raise CorruptData(
                f"{self._path} is no routing table: {error}", hint="delete it and promote again"
            ) from error

    def wait_for(self, revision: int, timeout: float) -> bool:
        """Wait until every running gateway serves at least ``revision``; False after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while any(served < revision for served in self._served()):
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_SECONDS)
        return True

    def _served(self) -> Iterator[int]:
        for path in self._gateways.glob("*.json"):
            try:
                told = json.loads(path.read_text(encoding="utf-8"))
                pid, revision = int(told["pid"]), int(told["revision"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
            if _lives(pid):
                yield revision
            else:
                with contextlib.suppress(OSError):
                    path.unlink()


def _lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for yet does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True
