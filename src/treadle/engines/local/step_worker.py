"""A warm process in a model's environment, seen from the engine."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from treadle.domain.errors import CorruptData, EnvironmentFailed, TreadleError, WorkerUnavailable
from treadle.runner.protocol import Channel, Message

START_SECONDS = 60.0
TICK_SECONDS = 0.05
MESSAGE_SECONDS = 30.0
LONGEST_LINE = 64 * 1024
DRAIN_BYTES = 4 * 1024 * 1024
_READ = 64 * 1024
_DROPPED = ("PYTHON", "VIRTUAL_ENV", "CONDA_", "TREADLE_", "PYTEST_", "COV_")


class WorkerCrashed(Exception):
    """The process ended by itself; the text says how."""


class Stopped(Exception):
    """The step was stopped; ``timed_out`` or cancelled."""

    def __init__(self, timed_out: bool) -> None:
        super().__init__("timed out" if timed_out else "cancelled")
        self.timed_out = timed_out


@dataclass(frozen=True)
class WorkerForm:
    """How processes of one environment are started; ``memory`` bounds their address space, in bytes."""

    interpreter: str
    runtime: Path
    memory: int | None = None
    threads: int | None = None

    def command(self, connection: int, lifeline: int) -> list[str]:
        """The command line of a process that serves an inherited connection and dies with an inherited lifeline."""
        memory = [] if self.memory is None else ["--memory", str(self.memory)]
        inherited = ["--fd", str(connection), "--lifeline", str(lifeline)]
        return [self.interpreter, "-P", "-s", "-m", "treadle.runner", "steps", *inherited, *memory]

    def environment(self) -> dict[str, str]:
        """The variables it sees: this process's, without what belongs to this process's Python and server."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
        kept |= {
            "PATH": f"{Path(self.interpreter).parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
            "PYTHONPATH": str(self.runtime),
            "PYTHONUNBUFFERED": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONFAULTHANDLER": "1",
            "MPLBACKEND": "Agg",
            # Threads that wait for others by spinning make a busy machine slower by an order of magnitude.
            "OMP_WAIT_POLICY": kept.get("OMP_WAIT_POLICY", "PASSIVE"),
        }
        if self.threads is not None:
            names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
            kept |= dict.fromkeys(names, str(self.threads))
        return kept


@dataclass(frozen=True)
class Watch:
    """Who follows a step, and how many ``seconds`` it may take."""

    line: Callable[[str], None]
    report: Callable[[int, float], bool]
    is_cancelled: Callable[[], bool]
    seconds: float


class StepWorker:
    """One process, the leader of its own process group, that dies with this one. For one thread at a time."""

    def __init__(self, form: WorkerForm) -> None:
        mine, its = socket.socketpair()
        self._lifeline, held = socket.socketpair()
        reading, writing = os.pipe()
        try:
            self._process = subprocess.Popen(
                form.command(its.fileno(), held.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                pass_fds=(its.fileno(), held.fileno()),
                env=form.environment(),
                start_new_session=True,
            )
        except OSError as error:
            mine.close()
            self._lifeline.close()
            os.close(reading)
            raise EnvironmentFailed(
                f"{form.interpreter} cannot be started: {error}", hint="remove that environment; it will be built anew"
            ) from error
        finally:
            its.close()
            held.close()
            os.close(writing)
        os.set_blocking(reading, False)
        mine.settimeout(MESSAGE_SECONDS)
        self._channel, self._output = Channel(mine), reading
        self._poller = select.poll()
        self._poller.register(mine.fileno(), select.POLLIN)
        self._poller.register(reading, select.POLLIN)
        self._partial = b""
        self._ready = self._closed = False

    @property
    def pid(self) -> int:
        """The process's id, and its group's."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process is there and has not closed its connection."""
        if self._closed or self._process.poll() is not None:
            return False
        watched = self._channel.fileno()
        return not any(fd == watched for fd, _ in self._poller.poll(0)) or not self._ready

    def run(self, header: Mapping[str, Any], watch: Watch) -> Message:
        """Do a step; the message that ended it (``done`` or ``failed``).

        Raises WorkerCrashed where the process ended, Stopped where the step was cancelled or timed out. After either,
        and after an error of a callback, the worker must be killed.
        """
        if not self._ready:
            self._start(watch)
        self._drain(None)
        try:
            self._channel.send(header)
        except (WorkerUnavailable, TimeoutError) as error:
            raise WorkerCrashed(self._end()) from error
        return self._await(watch, ("done", "failed"))

    def kill(self) -> None:
        """End the process and all that it started; they are gone when this returns."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._channel.close()
        self._lifeline.close()
        os.close(self._output)

    def _start(self, watch: Watch) -> None:
        try:
            self._await(replace(watch, seconds=START_SECONDS), ("ready",))
        except Stopped as stopped:
            if stopped.timed_out:
                raise WorkerCrashed(f"its process was not ready within {START_SECONDS:.0f} seconds") from None
            raise
        self._ready = True

    def _await(self, watch: Watch, ends: Sequence[str]) -> Message:
        watched, deadline = self._channel.fileno(), time.monotonic() + watch.seconds
        while True:
            left = deadline - time.monotonic()
            if watch.is_cancelled():
                raise Stopped(timed_out=False)
            if left <= 0:
                raise Stopped(timed_out=True)
            found = dict(self._poller.poll(1000 * min(left, TICK_SECONDS)))
            if self._output in found and not self._read_output(watch.line):
                self._poller.unregister(self._output)
            if watched not in found:
                continue
            message = self._receive(watch.line)
            kind = message.header.get("type")
            if kind == "report":
                self._drain(watch.line)
                self._answer(watch.report(int(message.header["step"]), float(message.header["value"])))
            elif kind in ends:
                self._drain(watch.line)
                self._emit(b"\n" if self._partial else b"", watch.line)
                return message

    def _receive(self, line: Callable[[str], None]) -> Message:
        try:
            message = self._channel.receive()
        except (TreadleError, TimeoutError) as error:
            if isinstance(error, CorruptData):
                raise WorkerCrashed(error.message) from error
            message = None
        if message is None:
            self._drain(line)
            self._emit(b"\n" if self._partial else b"", line)
            raise WorkerCrashed(self._end())
        return message

    def _answer(self, stop: bool) -> None:
        try:
            self._channel.send({"type": "answer", "stop": stop})
        except (WorkerUnavailable, TimeoutError) as error:
            raise WorkerCrashed(self._end()) from error

    def _read_output(self, line: Callable[[str], None] | None) -> int:
        """Read what was printed; the number of bytes, 0 at the end, -1 where there is nothing now."""
        try:
            data = os.read(self._output, _READ)
        except BlockingIOError:
            return -1
        self._emit(data, line)
        return len(data)

    def _drain(self, line: Callable[[str], None] | None) -> None:
        """Take all that was printed so far; without ``line`` it is let go."""
        total = 0
        while total < DRAIN_BYTES:
            count = self._read_output(line)
            if count <= 0:
                break
            total += count
        if line is None:
            self._partial = b""

    def _emit(self, data: bytes, line: Callable[[str], None] | None) -> None:
        *whole, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > LONGEST_LINE:
            whole.append(self._partial)
            self._partial = b""
        if line is not None:
            for text in whole:
                line(text.decode("utf-8", "replace").rstrip("\r"))

    def _end(self) -> str:
        """How the process ended."""
        try:
            code = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return "its process closed the connection"
        if code >= 0:
            return f"its process ended with exit code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        memory = "; the system may have run out of memory" if name == "SIGKILL" else ""
        return f"its process was ended by signal {name}{memory}"
