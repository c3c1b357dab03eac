"""A warm process that does one step after the other, as the engine sends them.

Messages (header's ``type``): the server says ``ready``; the engine sends ``step``; the server may ask ``report``, which
the engine answers with ``answer``; the server ends the step with ``done`` or ``failed``. Where the engine closes the
connection the server ends. What a step prints goes to the descriptors 1 and 2, which the engine reads.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from treadle.domain import codec
from treadle.domain.errors import WorkerUnavailable
from treadle.domain.steps import StepKind
from treadle.runner import steps
from treadle.runner.errors import describe_error
from treadle.runner.loading import CodeLoader
from treadle.runner.processes import die_with_parent, end_group, limit_memory
from treadle.runner.protocol import Channel
from treadle.runner.tracking import logging_to


class StepServer:
    """Serves one connection."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._loader = CodeLoader()

    def serve(self) -> None:
        """Say that it is ready, then do steps until the connection closes."""
        self._channel.send({"type": "ready", "pid": os.getpid(), "python": sys.version.split()[0]})
        while True:
            message = self._channel.receive()
            if message is None:
                return
            if message.header.get("type") == "step":
                self._channel.send(self._answer(message.header))

    def _answer(self, header: Mapping[str, Any]) -> dict[str, Any]:
        started = time.perf_counter()
        work = Path(header["work"])
        given = {path.name for path in work.iterdir()}
        try:
            value = codec.to_plain(self._run(header, work))
        except WorkerUnavailable:
            end_group()
            raise
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - users' code raises anything
            _flush()
            return {"type": "failed", "error": describe_error(error)}
        _flush()
        made = sorted(path.name for path in work.iterdir() if path.name not in given)
        return {"type": "done", "value": value, "outputs": made, "seconds": time.perf_counter() - started}

    def _run(self, header: Mapping[str, Any], work: Path) -> Any:
        folder, entry = Path(header["folder"]), str(header["entry"])
        os.chdir((folder / entry).parent)
        steps.seed_everything(int(header["seed"]))
        loaded = self._loader.load(str(header["code"]), folder, entry)
        step = steps.Step(loaded, work, header["arguments"], int(header["seed"]), self._ask)
        with logging_to(header.get("variables") or {}):
            return steps.run(StepKind(header["kind"]), step)

    def _ask(self, step: int, value: float) -> bool:
        _flush()
        self._channel.send({"type": "report", "step": step, "value": value})
        answer = self._channel.receive()
        if answer is None:
            raise WorkerUnavailable("the engine is gone")
        return bool(answer.header.get("stop"))


def serve(connection: int, lifeline: int | None = None, memory: int | None = None) -> None:
    """Serve the connection (a descriptor that this process inherited) until it is closed.

    The process dies with the other end of ``lifeline``; ``memory`` bounds its address space, in bytes.
    """
    if lifeline is not None:
        die_with_parent(lifeline)
    limit_memory(memory)
    _serve(socket.socket(fileno=connection))


def serve_at(path: str, memory: int | None = None) -> None:
    """Connect to the engine that listens at the Unix socket ``path``, and serve it."""
    limit_memory(memory)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(path)
    _serve(connection)


def _serve(connection: socket.socket) -> None:
    with contextlib.suppress(WorkerUnavailable):
        StepServer(Channel(connection)).serve()


def _flush() -> None:
    """Let everything printed so far, by C libraries too, reach the engine before the next message does."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)
