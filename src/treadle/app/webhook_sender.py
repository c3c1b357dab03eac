"""Messages over HTTP, to addresses that were checked."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence

from treadle.domain.errors import InvalidInput
from treadle.domain.webhooks import Target, is_public
from treadle.ports.webhooks import Reply

TIMEOUT = 20.0
"""Seconds for the connection and for each part of an answer."""
LONGEST_WAIT = 60.0
"""Seconds for all of an exchange: who answers a byte at a time is cut off."""
LONGEST = 64 * 1024
"""Bytes of an answer that are read."""

Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host. Raises OSError for an unknown one."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host!r} is no name of a host") from error
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class HttpSender:
    """``ports.Sender``: every connection is new, to an address that was resolved and checked just then.

    A name that means another address a moment later (DNS rebinding) therefore changes nothing. ``private`` allows
    addresses that are not of the open net.
    """

    def __init__(self, *, private: bool = False, resolver: Resolve = resolve, timeout: float = TIMEOUT) -> None:
        self._private = private
        self._resolve = resolver
        self._timeout = timeout
        self._tls = ssl.create_default_context()

    def send(self, to: Target, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Post it. Raises InvalidInput for an address that is not allowed, OSError where nobody answers in time."""
        connection = http.client.HTTPConnection(to.host, to.port, timeout=self._timeout)
        connection.sock = self._connected(to)
        late = threading.Timer(LONGEST_WAIT, _cut, (connection.sock,))
        late.start()
        try:
            connection.request("POST", to.path, body, {"Host": to.header, "User-Agent": "Treadle", **headers})
            answer = connection.getresponse()
            text = answer.read(LONGEST).decode("utf-8", "replace")
            return Reply(answer.status, text, _seconds(answer.headers.get("Retry-After")))
        except http.client.HTTPException as error:
            raise OSError(f"{type(error).__name__}: the answer is not HTTP") from error
        finally:
            late.cancel()
            connection.close()

    def check(self, to: Target) -> None:
        """Raises InvalidInput for a name that is unknown, or means an address that is not allowed."""
        try:
            self._allowed(to)
        except OSError as error:
            raise InvalidInput(
                f"Cannot resolve hostname {to.host!r} of the webhook URL", hint="give a host that is known"
            ) from error

    def _connected(self, to: Target) -> socket.socket:
        failure: OSError | None = None
        for address in self._allowed(to):
            try:
                plain = socket.create_connection((address, to.port), timeout=self._timeout)
            except OSError as error:
                failure = error
                continue
            with contextlib.ExitStack() as undo:
                undo.callback(plain.close)
                found = self._tls.wrap_socket(plain, server_hostname=to.host) if to.secure else plain
                undo.pop_all()
            return found
        raise failure or OSError(f"{to.host} has no address")

    def _allowed(self, to: Target) -> Sequence[str]:
        found = self._resolve(to.host, to.port)
        if not self._private:
            for address in found:
                if not is_public(address):
                    raise InvalidInput(
                        f"Webhook URL is refused: {to.host} is {address}, which is not a public IP address",
                        hint="TREADLE_WEBHOOK_PRIVATE=1 allows private addresses",
                    )
        return found


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _seconds(text: str | None) -> float | None:
    """Retry-After as a number; dates are not looked at."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 9 else None
