"""Turns the wheel: reads events, decides, has commands carried out, and moves a virtual clock when told to.

One driver runs per home. Commands run in threads (their heavy work is in other processes or releases the GIL); a
lane of a model holds one at a time. Carrying one out ends in events, which is all that the next turn sees.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from treadle.domain.errors import InvalidInput, TreadleError, WorkerUnavailable
from treadle.loop.decide import Command, command_id, decide, next_due
from treadle.loop.state import LoopState, ModelState
from treadle.ports.clock import Clock
from treadle.ports.events import Events
from treadle.spec.model_spec import ModelSpec

logger = logging.getLogger("treadle.loop")

READ = 1000
RETRY_FIRST, RETRY_MOST = 1.0, 60.0
PATIENT_TRIES = 3
"""A virtual clock waits for a failing command until it has failed so often; then time goes on without it."""


class Executor(Protocol):
    """Carries commands out. Ends in events appended to the store; may be called twice for the same command."""

    def execute(self, command: Command) -> None:
        """Do it. Expected failures end in events; whatever is raised is tried again later."""
        ...

    def failed(self, command: Command, error: BaseException, tries: int) -> None:
        """Told of each unexpected failure, to make it visible."""
        ...


@runtime_checkable
class VirtualClock(Clock, Protocol):
    """A clock that stands still until it is set."""

    def set(self, at: datetime) -> None:
        """Move to a time; never backwards."""
        ...


@dataclass(frozen=True)
class Setback:
    """A command that failed unexpectedly: how often, and when (monotonic seconds) it may be tried again."""

    tries: int
    retry_at: float


class Driver:
    """See the module. ``specs`` gives a model's declaration by name and revision."""

    def __init__(
        self,
        events: Events,
        specs: Callable[[str, int], ModelSpec],
        executor: Executor,
        clock: Clock,
        *,
        threads: int = 4,
    ) -> None:
        self._events = events
        self._specs = specs
        self._executor = executor
        self._clock = clock
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="command")
        self._changed = threading.Condition()
        self._turn = threading.Lock()
        self._state = LoopState()
        self._spec_cache: dict[tuple[str, int], ModelSpec] = {}
        self._running: dict[tuple[str, str], Future[None]] = {}
        self._setbacks: dict[str, Setback] = {}
        self._held_back: dict[tuple[str, str], Setback] = {}
        self._done: dict[tuple[str, str], tuple[str, ModelState]] = {}
        self._ended: set[tuple[str, str]] = set()
        self._dirty: set[str] = set()
        self._due: list[tuple[datetime, str]] = []
        self._stopping = False
        self._poked = False

    @property
    def state(self) -> LoopState:
        """What the driver knows at present."""
        return self._state

    @property
    def busy(self) -> list[str]:
        """The commands that are being carried out now, as ``model:lane``."""
        with self._changed:
            return [f"{model}:{lane}" for model, lane in self._running]

    def poke(self) -> None:
        """Look again at once: something was written to the store."""
        with self._changed:
            self._poked = True
            self._changed.notify_all()

    def turn(self) -> int:
        """Take in new events and start every command that is due; return how many are running."""
        return self._take_turn()[0]

    def _take_turn(self) -> tuple[int, bool]:
        """As :meth:`turn`; besides, whether all is at rest: nothing runs, nothing is to be looked at or tried soon."""
        with self._turn:
            with self._changed:
                self._ended.clear()
            self._take_in()
            now = self._clock.now()
            while self._due and self._due[0][0] <= now:
                self._mark(heapq.heappop(self._due)[1])
            with self._changed:
                dirty, self._dirty = sorted(self._dirty), set()
            try:
                while dirty:
                    self._start(self._state.models[dirty[0]], now)
                    dirty.pop(0)
            finally:
                with self._changed:
                    self._dirty.update(dirty)
            with self._changed:
                soon = any(setback.tries < PATIENT_TRIES for setback in self._held_back.values())
                return len(self._running), not self._running and not self._dirty and not soon

    def settle(self, give_up: Callable[[], bool] = lambda: False) -> None:
        """Turn until nothing runs and nothing is due. Commands that fail over and over are set aside."""
        while not self._stopping and not give_up():
            with self._changed:
                self._poked = False
            if self._take_turn()[1]:
                return
            with self._changed:
                if not self._poked and not self._dirty:
                    self._changed.wait(1.0)

    def advance(
        self, to: datetime, told: Callable[[datetime], None] = lambda _: None, *, resumed: bool = False
    ) -> None:
        """Move a virtual clock to ``to``, stopping at every time at which something is due, at rest each time.

        Raises InvalidInput on a wall clock, or for a time that has passed, unless this is ``resumed``: asked for once
        more by somebody whose first request was lost on the way. Raises WorkerUnavailable where the driver is stopped
        on the way: the clock stands where it was at rest last.
        """
        clock = self._clock
        if not isinstance(clock, VirtualClock):
            raise InvalidInput("this server runs on the wall clock", hint="start it with --virtual-clock to move time")
        if to < clock.now() and not resumed:
            raise InvalidInput(
                f"{to.isoformat()} has passed", hint=f"it is {clock.now().isoformat()}; time only goes on"
            )
        self.settle()
        while not self._stopping:
            due = self._due[0][0] if self._due else None
            if due is None or due > to:
                break
            clock.set(max(due, clock.now()))
            told(clock.now())
            self.settle()
        if self._stopping:
            raise WorkerUnavailable("the loop is being stopped", hint="ask again when it is back")
        clock.set(max(to, clock.now()))
        self.settle()
        told(clock.now())

    def run(self, every: float = 0.5) -> None:
        """Keep turning until :meth:`stop`; at least once in ``every`` seconds, and at once when poked."""
        while not self._stopping:
            self.turn()
            with self._changed:
                if not self._poked:
                    self._changed.wait(every)
                self._poked = False

    def stop(self) -> None:
        """Start nothing more; commands under way are left to their executor's cancellation."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._changed:
            self._running = {lane: future for lane, future in self._running.items() if not future.cancelled()}

    def join(self, timeout: float) -> bool:
        """Wait until no command is under way, at most ``timeout`` seconds; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, timeout)

    def _take_in(self) -> None:
        self._events.seal()
        while True:
            sealed = self._events.read(self._state.position, limit=READ)
            if not sealed:
                return
            self._state = self._state.fold(sealed)
            for item in sealed:
                self._mark(item.event.model)

    def _mark(self, model: str) -> None:
        with self._changed:
            self._dirty.add(model)

    def _spec(self, state: ModelState) -> ModelSpec:
        key = (state.name, state.revision)
        if key not in self._spec_cache:
            self._spec_cache[key] = self._specs(*key)
        return self._spec_cache[key]

    def _start(self, state: ModelState, now: datetime) -> None:
        if state.revision == 0 or self._stopping:
            return
        spec = self._spec(state)
        for lane in [lane for lane in self._held_back if lane[0] == state.name]:
            del self._held_back[lane]
        for command in decide(state, spec, now):
            lane = (state.name, command.lane)
            with self._changed:
                if lane in self._ended:  # it ended after its model's state was read: look again
                    self._dirty.add(state.name)
                    continue
                if lane in self._running or self._stopping:
                    continue
            self._look_back(command, lane, state)
            setback = self._setbacks.get(command_id(command))
            with self._changed:
                if setback is not None and time.monotonic() < setback.retry_at:
                    self._held_back[lane] = setback
                elif not self._stopping:
                    self._running[lane] = self._pool.submit(self._carry_out, command, lane, state)
        due = next_due(state, spec, now)
        if due is not None and (due, state.name) not in self._due:
            heapq.heappush(self._due, (due, state.name))

    def _look_back(self, command: Command, lane: tuple[str, str], state: ModelState) -> None:
        """See what came of the lane's last command: nothing, where the same is decided on in the same state.

        Such a command would be carried out for ever; it is treated as one that failed.
        """
        if lane not in self._done:
            return
        name, before = self._done.pop(lane)
        if before != state:
            self._setbacks.pop(name, None)
        elif name == command_id(command):
            self._fail(command, TreadleError(f"{name} was carried out, and nothing came of it"))

    def _carry_out(self, command: Command, lane: tuple[str, str], state: ModelState) -> None:
        try:
            self._executor.execute(command)
            self._done[lane] = (command_id(command), state)
        except Exception as error:  # noqa: BLE001  whatever it is, it is tried again
            self._fail(command, error)
        finally:
            with self._changed:
                self._running.pop(lane, None)
                self._ended.add(lane)
                self._dirty.add(command.model)
                self._changed.notify_all()

    def _fail(self, command: Command, error: Exception) -> None:
        """Set a command aside for a while, which doubles each time, and make it known."""
        name = command_id(command)
        tries = self._setbacks[name].tries + 1 if name in self._setbacks else 1
        wait = min(RETRY_FIRST * 2 ** (tries - 1), RETRY_MOST)
        self._setbacks[name] = Setback(tries, time.monotonic() + wait)
        unforeseen = not isinstance(error, TreadleError)
        level = logging.ERROR if unforeseen else logging.WARNING
        logger.log(level, "%s failed (try %d): %s", name, tries, error, exc_info=error if unforeseen else None)
        timer = threading.Timer(wait, self._retry, [command.model])
        timer.daemon = True
        timer.start()
        try:
            self._executor.failed(command, error, tries)
        except Exception:  # what made the command fail may keep the incident from being written too
            logger.exception("the failure of %s cannot be recorded", name)

    def _retry(self, model: str) -> None:
        with self._changed:
            if not self._stopping:
                self._dirty.add(model)
                self._poked = True
                self._changed.notify_all()
