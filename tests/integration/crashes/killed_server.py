"""A real server whose processes can be killed."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from treadle.app.supervisor import workers_of
from treadle.storage.routing import FileRouting

PATIENCE = 120.0
TREADLE = [sys.executable, "-c", "from treadle.cli.main import main; main()"]
SUPERVISOR = "supervisor"
KINDS = ("control", "loop", "gateway", "worker", "step")
MARKS = {
    "control": "treadle.app.control",
    "loop": "treadle.app.loop",
    "gateway": "treadle.app.gateway",
    "worker": "treadle.runner worker",
    "step": "treadle.runner steps",
}


class Server:
    """``treadle up`` on a home, with a virtual clock."""

    def __init__(self, home: Path, since: datetime) -> None:
        self.home = home
        self.since = since
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def control(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.port + 1}"

    def command(self) -> list[str]:
        options = ["--home", str(self.home), "--port", str(self.port), "--virtual-clock", self.since.isoformat()]
        return [*TREADLE, "up", *options]

    def up(self) -> None:
        """Start it and wait until it is ready."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "up.log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=subprocess.STDOUT)
        until(self._ready, "the server to be ready", self._ended)

    def down(self) -> None:
        """Stop it as a person does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(PATIENCE)

    def processes(self) -> dict[str, list[int]]:
        """Its processes by kind, the supervisor's own left out."""
        found: dict[str, list[int]] = {kind: [] for kind in KINDS}
        if self.process is None:
            return found
        for pid, line in descendants(self.process.pid).items():
            for kind, mark in MARKS.items():
                if mark in line:
                    found[kind].append(pid)
        return found

    def kill(self, kind: str, chance: random.Random) -> bool:
        """End one process of a kind, as a power cut would; whether there was one."""
        pids = self.processes()[kind]
        if not pids:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(pids), signal.SIGKILL)
        return True

    def is_whole(self) -> bool:
        """Whether every worker listens that the routing table asks for, also those that only listen as shadows."""
        try:
            for version in workers_of(FileRouting(self.home).read()):
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(str(version.worker_socket))
        except OSError:
            return False
        return True

    @contextlib.contextmanager
    def full_disk(self) -> Iterator[None]:
        """No process of it can make any file longer, nor can those that are started meanwhile."""
        self._limit_files(0)
        try:
            yield
        finally:
            self._limit_files(resource.RLIM_INFINITY)

    def _limit_files(self, size: int) -> None:
        if self.process is not None:
            for _ in range(2):  # once more, for what was started between being seen and the limit of its parent
                for pid in (self.process.pid, *descendants(self.process.pid)):
                    with contextlib.suppress(ProcessLookupError):
                        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def lose_supervisor(self) -> None:
        """Kill the supervisor, see that everything ends with it, and start anew on the same home."""
        if self.process is None:
            return
        below = descendants(self.process.pid)
        self.process.kill()
        self.process.wait()
        until(lambda: not any(alive(pid) for pid in below), f"the end of {below}")
        self.up()

    def _ready(self) -> bool:
        try:
            return all(httpx.get(url + "/health").status_code == 200 for url in (self.control, self.gateway))
        except httpx.HTTPError:
            return False

    def _ended(self) -> str:
        if self.process is not None and self.process.poll() is not None:
            return f"the server ended: {(self.home / 'up.log').read_text()[-2000:]}"
        return ""


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def descendants(root: int) -> dict[int, str]:
    """Command lines of all processes below one, by id."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(entry.name)] = int(parent)
    below = {root}
    while grown := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= grown
    found = {}
    for pid in below - {root}:
        with contextlib.suppress(OSError):
            found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return found


def free_port() -> int:
    """A port whose next one is free too; none of those that clients get, one of which might take it meanwhile."""
    while True:
        port = 20_000 + 2 * secrets.randbelow(5_000)
        with contextlib.suppress(OSError):
            for one in (port, port + 1):
                socket.create_server(("127.0.0.1", one)).close()
            return port


def until(happens: Any, what: str, hindered: Any = lambda: "") -> None:
    """Wait for something."""
    deadline = time.monotonic() + PATIENCE
    while not happens():
        assert not hindered(), hindered()
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s for {what}"
        time.sleep(0.05)


def lend_environments(source: Path, target: Path) -> None:
    """Spare another home the making of environments: files are linked, since nothing writes to them."""
    target.mkdir(parents=True, exist_ok=True)
    for name in ("envs", "locks"):
        shutil.copytree(source / name, target / name, symlinks=True, copy_function=os.link)
