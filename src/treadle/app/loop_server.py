"""The loop process's door: JSON lines over a Unix socket, one request a connection, any number of answers.

A request is ``{"op": ..., ...}``. Answers to ``advance`` are progress lines; the last line has ``"done": true`` or
``"error": {"type", "message", "hint"}``.
"""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from treadle.domain.errors import InvalidInput, TreadleError, WorkerUnavailable

logger = logging.getLogger("treadle.loop")

Operation = Callable[[dict[str, Any]], Iterator[dict[str, Any]]]
"""Answers a request, line by line."""

LINE = 64 * 1024 * 1024


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        line = self.rfile.readline(LINE)
        if not line:
            return
        try:
            for answer in cast("LoopServer", self.server).answer(line):
                self.wfile.write(json.dumps(answer).encode() + b"\n")
                self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            return


class LoopServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves the operations by name until closed."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: Path, operations: dict[str, Operation]) -> None:
        path.unlink(missing_ok=True)
        super().__init__(str(path), _Handler)
        self._operations = operations

    def start(self) -> None:
        """Serve from a thread of its own."""
        threading.Thread(target=self.serve_forever, name="loop-server", daemon=True).start()

    def answer(self, line: bytes) -> Iterator[dict[str, Any]]:
        """The lines that answer one request; errors become the last line.

        A loop that is being stopped breaks off without one, as one that is killed does: the next one will be asked.
        """
        try:
            request = json.loads(line)
            operation = self._operations.get(request.get("op"))
            if operation is None:
                raise InvalidInput(f"the loop knows no {request.get('op')!r}", hint="upgrade both ends to one release")
            yield from operation(request)
            yield {"done": True}
        except WorkerUnavailable as error:
            logger.info("breaking off: %s", error.message)
        except TreadleError as error:
            yield {"error": {"type": type(error).__name__, "message": error.message, "hint": error.hint}}
        except Exception as error:
            logger.exception("request failed")
            yield {"error": {"type": "TreadleError", "message": f"{type(error).__name__}: {error}", "hint": ""}}


def ask(path: Path, request: dict[str, Any], *, timeout: float = 30.0) -> list[dict[str, Any]]:
    """Send one request and read all answers; for processes that are not asynchronous.

    Raises OSError where no loop listens.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as lines:
            return [json.loads(line) for line in lines]
