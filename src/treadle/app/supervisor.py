"""``treadle up``: starts control, loop, gateway and workers, keeps them alive, and ends them together."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from treadle.app.clocks import VirtualClock
from treadle.app.processes import Child, alone
from treadle.app.settings import Settings, prepare_folders
from treadle.domain.deployments import RoutingTable, ServedVersion
from treadle.domain.errors import Conflict, InvalidInput, TreadleError
from treadle.storage.routing import FileRouting

logger = logging.getLogger("treadle.supervisor")

READY_WITHIN = 60.0
ENDING_WITHIN = 30.0
LOOK, LOOK_AGAIN = 0.1, 1.0
"""How often the processes are looked at, and how soon again after something went wrong with that."""


class Supervisor:
    """All processes of one home. ``start`` returns when the server is ready; ``run`` tends it until told to stop."""

    def __init__(self, settings: Settings, *, virtual_start: datetime | None = None) -> None:
        self._settings = settings
        self._virtual_start = virtual_start
        self._children: dict[str, Child] = {}
        self._workers: dict[str, Child] = {}
        self._retiring: list[tuple[int, Child]] = []
        self._stop = threading.Event()
        self._routing = FileRouting(settings.home)

    def start(self, told: Callable[[str], None] = lambda _: None) -> None:
        """Start everything and wait until it answers. Raises Conflict for a port or home in use, TreadleError."""
        where = self._settings
        prepare_folders(where)
        # After a supervisor that was killed, its children need a moment to end.
        patience = ENDING_WITHIN if (where.home / "server.json").exists() else 0.0
        for port in (where.port, where.gateway_port):
            _check_port(where.host, port, patience)
        if self._virtual_start is not None:
            clock = VirtualClock(where.home / "clock")
            if clock.now() < self._virtual_start:
                clock.set(self._virtual_start)
        told("starting control, loop and gateway")
        common = ["--home", str(where.home), "--host", where.host, "--port", str(where.port)]
        modules = {
            "loop": ["-m", "treadle.app.loop", *common],
            "control": ["-m", "treadle.app.control", *common],
            "gateway": [
                "-m", "treadle.app.gateway", "--home", str(where.home), "--host", where.host,
                "--port", str(where.gateway_port), "--id", "gateway-1",
            ],
        }  # fmt: skip
        _migrate(where)
        for name, arguments in modules.items():
            child = Child(name, [sys.executable, *arguments], where.home / "logs" / f"{name}.log")
            child.start()
            self._children[name] = child
        self._wait_ready()
        self._announce()

    def run(self) -> None:
        """Keep every process alive until :meth:`stop`, whatever the disk and the routing table are like."""
        seen: tuple[int, int] | None = None
        pause = LOOK
        while not self._stop.wait(pause):
            for child in [*self._children.values(), *self._workers.values()]:
                child.tend()
            try:
                seen, pause = self._tend_workers(seen), LOOK
                self._retire_workers()
            except (OSError, TreadleError) as error:
                logger.error("the workers cannot be tended: %s", error)
                seen, pause = None, LOOK_AGAIN

    def stop(self) -> None:
        """Make :meth:`run` return."""
        self._stop.set()

    def close(self) -> None:
        """End all processes: first the door, then what stands behind it."""
        for name in ("gateway", "control", "loop"):
            if name in self._children:
                self._children[name].end()
        for worker in [*self._workers.values(), *(worker for _, worker in self._retiring)]:
            worker.end(2.0)
        (self._settings.home / "server.json").unlink(missing_ok=True)

    def _tend_workers(self, seen: tuple[int, int] | None) -> tuple[int, int] | None:
        try:
            status = (self._settings.home / "routing.json").stat()
        except FileNotFoundError:
            return None
        mark = (status.st_ino, status.st_mtime_ns)
        if mark == seen:
            return seen
        table = self._routing.read()
        wanted = {v.worker_socket: v for v in workers_of(table) if v.worker_socket}
        for path, version in wanted.items():
            if path not in self._workers:
                name = f"worker-{Path(path).stem}"
                log = self._settings.home / "logs" / f"{name}.log"
                self._workers[path] = Child(name, worker_command(version), log, self._worker_environment())
                self._workers[path].tend()
        for path in set(self._workers) - set(wanted):
            self._retiring.append((table.revision, self._workers.pop(path)))
        return mark

    def _retire_workers(self) -> None:
        """Ask workers to end that no gateway sends anything to any more; they answer what they have first."""
        still = []
        for revision, worker in self._retiring:
            if self._routing.wait_for(revision, 0):
                worker.ask_to_end()
            else:
                still.append((revision, worker))
        self._retiring = still

    def _worker_environment(self) -> dict[str, str]:
        from treadle.engines.local.runtime_tree import runtime_tree

        return {"PYTHONPATH": str(runtime_tree(self._settings.home)), "OMP_NUM_THREADS": "1"}

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        waiting = {"control": self._settings.control_url, "gateway": self._settings.gateway_url}
        while waiting:
            for name, url in list(waiting.items()):
                if answers(url + "/health"):
                    del waiting[name]
            for child in self._children.values():
                if child.process is not None and child.process.poll() is not None:
                    tail = child.tail()
                    self.close()
                    raise TreadleError(f"{child.name} ended while starting:\n{tail}", hint=f"see {child.log}")
            if waiting and time.monotonic() > deadline:
                names = ", ".join(waiting)
                self.close()
                raise TreadleError(f"{names} did not answer in time", hint=f"see {self._settings.home / 'logs'}")
            time.sleep(0.02)

    def _announce(self) -> None:
        about = {"control": self._settings.control_url, "gateway": self._settings.gateway_url, "pid": os.getpid()}
        path = self._settings.home / "server.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(about))
        fresh.replace(path)


def workers_of(table: RoutingTable) -> list[ServedVersion]:
    """The versions of a routing table that need a worker of their own."""
    return [version for model in table.models for version in model.versions if version.runtime == "python"]


def worker_command(version: ServedVersion) -> list[str]:
    """How a version's worker is started. Raises InvalidInput where the table is incomplete."""
    parts = (version.interpreter, version.worker_socket, version.code_folder, version.code_entry, version.model_path)
    if any(part is None for part in parts):
        raise InvalidInput(f"version {version.version} lacks what its worker needs", hint="deploy it again")
    interpreter, socket_path, folder, entry, model = (str(part) for part in parts)
    return [
        interpreter, "-P", "-m", "treadle.runner", "worker", "--socket", socket_path,
        "--code-folder", folder, "--entry", entry, "--model", model,
    ]  # fmt: skip


@contextlib.contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the home's lock. Raises Conflict where another server holds it."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(alone(home / "server.lock"))
        except Conflict as error:
            raise Conflict(
                f"a server already runs on {home}", hint="use it, stop it, or choose another home with --home"
            ) from error
        yield


def up(
    settings: Settings,
    *,
    virtual_start: datetime | None = None,
    told: Callable[[str], None] = print,
    ready: Callable[[], None] | None = None,
) -> None:
    """Run a server until SIGINT or SIGTERM. ``ready`` is called once it answers."""
    supervisor = Supervisor(settings, virtual_start=virtual_start)
    with only_one(settings.home):
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: supervisor.stop())
        try:
            supervisor.start(told)
            told(f"control and API  {settings.control_url}")
            told(f"inference        {settings.gateway_url}")
            told(f"home             {settings.home}")
            if ready is not None:
                ready()
            supervisor.run()
        finally:
            supervisor.close()


def _migrate(settings: Settings) -> None:
    from treadle.storage.sql.store import SqlStore

    SqlStore(settings.database_url).close()


def _check_port(host: str, port: int, patience: float) -> None:
    """Raises Conflict where a port is still in use after ``patience`` seconds."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = time.monotonic() + patience
    while True:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise Conflict(
                        f"port {port} is in use", hint="give another with --port; the next one is used as well"
                    ) from error
            else:
                return
        time.sleep(0.1)


def answers(url: str) -> bool:
    """Whether a process of a server is ready at this address."""
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310  our own loopback address
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):
        return False
