"""Warm step workers, kept by environment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from treadle.domain.errors import StepCancelled
from treadle.engines.local.step_worker import StepWorker, WorkerForm

IDLE_SECONDS = 300.0
LOOK_SECONDS = 5.0


@dataclass
class Leased:
    """A worker, the environment that it runs in, and the code that it ran last."""

    worker: StepWorker
    environment: str
    code: str
    steps: int = 0
    idle_since: float = 0.0


class WorkerPool:
    """At most ``idle`` workers wait for work, each at most ``seconds`` long; one that is busy belongs to its step.

    Safe for several threads.
    """

    def __init__(self, *, idle: int, seconds: float = IDLE_SECONDS) -> None:
        self._limit, self._seconds = idle, seconds
        self._idle: list[Leased] = []
        self._leased: dict[int, Leased] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._keep, name="step-workers", daemon=True).start()

    def take(self, environment: str, code: str, form: Callable[[], WorkerForm]) -> Leased:
        """A worker of the environment, best one that ran the same code before; a new one where none waits.

        Raises StepCancelled once the pool is closed, and what ``form`` raises.
        """
        while True:
            found = self._waiting(environment, code)
            if found is None:
                break
            if found.worker.alive:
                return self._lend(found, code)
            found.worker.kill()
        if self._closed.is_set():
            raise StepCancelled("the engine is closed")
        return self._lend(Leased(StepWorker(form()), environment, code), code)

    def give_back(self, leased: Leased) -> None:
        """Let a worker wait for its next step."""
        leased.idle_since = time.monotonic()
        leased.steps += 1
        with self._lock:
            self._leased.pop(id(leased), None)
            self._idle.append(leased)
        self._retire()

    def discard(self, leased: Leased) -> None:
        """Kill a worker, whatever it does."""
        with self._lock:
            self._leased.pop(id(leased), None)
        leased.worker.kill()

    @property
    def busy(self) -> int:
        """How many workers do a step."""
        with self._lock:
            return len(self._leased)

    def pids(self) -> list[int]:
        """The processes of all workers."""
        with self._lock:
            return [leased.worker.pid for leased in (*self._idle, *self._leased.values())]

    def close(self) -> None:
        """Kill all workers, idle and busy ones."""
        self._closed.set()
        with self._lock:
            gone = [*self._idle, *self._leased.values()]
            self._idle.clear()
            self._leased.clear()
        for leased in gone:
            leased.worker.kill()

    def _lend(self, leased: Leased, code: str) -> Leased:
        leased.code = code
        with self._lock:
            self._leased[id(leased)] = leased
        return leased

    def _waiting(self, environment: str, code: str) -> Leased | None:
        with self._lock:
            fitting = [leased for leased in self._idle if leased.environment == environment]
            if not fitting:
                return None
            best = max(fitting, key=lambda leased: (leased.code == code, leased.idle_since))
            self._idle.remove(best)
            return best

    def _retire(self) -> None:
        now = time.monotonic()
        with self._lock:
            self._idle.sort(key=lambda leased: leased.idle_since)
            young = [leased for leased in self._idle if now - leased.idle_since < self._seconds]
            kept = [] if self._closed.is_set() else young[-self._limit :] if self._limit else []
            gone = [leased for leased in self._idle if leased not in kept]
            self._idle = kept
        for leased in gone:
            leased.worker.kill()

    def _keep(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            self._retire()
