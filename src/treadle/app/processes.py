"""Child processes that are kept alive, and do not outlive their parent."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from treadle.domain.errors import Conflict, InvalidInput

logger = logging.getLogger("treadle.supervisor")

BACKOFF_FIRST, BACKOFF_MOST, STEADY = 0.2, 10.0, 10.0
PR_SET_PDEATHSIG = 1
PARENT = "TREADLE_PARENT"
"""The variable that tells a child which process started it."""
LOOK = 0.5
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """End this process by SIGTERM when its parent dies; each process of a server calls it as it starts.

    Without effect in a process that :class:`Child` did not start.
    """
    parent = os.environ.get(PARENT)
    if parent is None:
        return
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    else:
        threading.Thread(target=_watch, args=(int(parent),), name="parent", daemon=True).start()
    if os.getppid() != int(parent):
        raise SystemExit("the supervisor is gone")


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK)
    os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def alone(lock: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold a lock among processes; it goes with its process.

    Raises Conflict where another holds it for too long, InvalidInput where its folder cannot be made or written to.
    """
    with _locked(lock, fcntl.LOCK_EX, patience):
        yield


@contextlib.contextmanager
def together(lock: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold a lock that many may hold, as long as nobody holds it alone. Raises Conflict where somebody does."""
    with _locked(lock, fcntl.LOCK_SH, patience):
        yield


@contextlib.contextmanager
def _locked(lock: Path, how: int, patience: float) -> Iterator[None]:
    deadline = time.monotonic() + patience
    with _opened(lock) as file:
        while True:
            try:
                fcntl.flock(file, how | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise Conflict(
                        f"another process holds {lock}", hint="wait until it has ended, or end it"
                    ) from error
                time.sleep(0.05)
            else:
                break
        yield


def _opened(lock: Path) -> IO[str]:
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        return lock.open("a+")
    except OSError as error:
        raise InvalidInput(
            f"{lock.parent} cannot be written to: {error.strerror}",
            hint="choose another with --home or $TREADLE_HOME",
        ) from error


@dataclass
class Child:
    """One process by name: its command, where its output goes, and how its restarts stand."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restarts: int = 0
    retry_at: float = 0.0

    def start(self) -> None:
        """Start it; its output is appended to the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, PARENT: str(os.getpid()), **self.environment},
                start_new_session=True,
            )
        self.started = time.monotonic()

    def tend(self) -> None:
        """Start it again when it has ended, or could not be started, after a wait that doubles while it ends early."""
        if self.process is not None and self.process.poll() is None:
            return
        now = time.monotonic()
        if self.process is not None:
            lived = now - self.started
            self.restarts = 0 if lived > STEADY else self.restarts + 1
            wait = min(BACKOFF_FIRST * 2 ** min(self.restarts, 10), BACKOFF_MOST)
            logger.warning("%s ended with %s; starting it again in %.1f s", self.name, self.process.returncode, wait)
            self.process = None
            self.retry_at = now + wait
        if now >= self.retry_at:
            try:
                self.start()
            except OSError as error:  # no room for its log, no process or memory left
                self.restarts += 1
                wait = min(BACKOFF_FIRST * 2 ** min(self.restarts, 10), BACKOFF_MOST)
                logger.error("%s cannot be started: %s; trying again in %.1f s", self.name, error, wait)
                self.retry_at = now + wait

    def ask_to_end(self) -> None:
        """Send it SIGTERM and do not wait; a thread sees to it that nothing of it stays."""
        threading.Thread(target=self.end, args=(30.0,), name=f"end-{self.name}", daemon=True).start()

    def end(self, patience: float = 10.0) -> None:
        """Ask it to end, then make it."""
        process = self.process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""
