"""Large bodies straight from their connection.

Through an ASGI server every byte of a body is copied some six times on the way to a handler. A handler that wants a
large body takes the connection instead: a thread of its own reads from the socket into one buffer and writes that.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION = "treadle.connection"
BUFFER = 1024 * 1024
IDLE = 120.0
"""Seconds that a sender may be silent."""


class TakenProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, whose connections can be taken by what answers them."""

    def on_message_begin(self) -> None:
        """Offer the connection to the handler of the request that begins."""
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)["extensions"] = {EXTENSION: self}

    def take(self, scope: Scope) -> Taken | None:
        """The rest of a request's body, from now on the taker's; the connection ends with the answer.

        None where that cannot be: the body is whole already, the connection is encrypted or gone.
        """
        cycle = self.cycle
        if cycle.scope is not scope or not cycle.more_body or cycle.disconnected:
            return None
        if self.transport.get_extra_info("sslcontext") is not None or self.transport.is_closing():
            return None
        self.flow.pause_reading()
        first, cycle.body, cycle.keep_alive = bytes(cycle.body), bytearray(), False
        descriptor = os.dup(self.transport.get_extra_info("socket").fileno())
        return Taken(first, socket.socket(fileno=descriptor))


def taker(scope: Scope) -> Callable[[], Taken | None]:
    """What takes the connection of a request, where the server offers it."""
    offered = scope.get("extensions", {}).get(EXTENSION)
    return (lambda: offered.take(scope)) if isinstance(offered, TakenProtocol) else lambda: None


@dataclass(frozen=True, eq=False)
class Taken:
    """``first`` was read already; ``rest`` is the socket that what follows comes from."""

    first: bytes
    rest: socket.socket

    def pour(self, size: int, write: Callable[[bytes | memoryview], None]) -> None:
        """Write ``size`` bytes, those read already first; blocks. Raises ConnectionError, TimeoutError."""
        if self.first:
            write(self.first[:size])
        left = size - len(self.first)
        view = memoryview(bytearray(min(BUFFER, max(left, 0))))
        ready = select.poll()
        ready.register(self.rest, select.POLLIN)
        while left > 0:
            try:
                count = self.rest.recv_into(view[:left])
            except BlockingIOError:
                if not ready.poll(IDLE * 1000):
                    raise TimeoutError("the sender is silent") from None
                continue
            if count == 0:
                raise ConnectionError("the sender is gone")
            write(view[:count])
            left -= count

    def end(self) -> None:
        """Wake up a thread that reads: it finds the sender gone."""
        with contextlib.suppress(OSError):
            self.rest.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the socket; the connection itself stays the server's."""
        self.rest.close()
