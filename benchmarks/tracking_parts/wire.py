"""The least of a client: one keep-alive connection over which prepared requests go."""

from __future__ import annotations

import json
import socket
from typing import Any

API = "/api/2.0/mlflow/"


class Refused(Exception):
    """An answer other than 200."""


class Client:
    """Asks a server on loopback, one request after the other."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=600)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""

    def close(self) -> None:
        """Let go of the connection."""
        self.socket.close()

    def post(self, name: str, **body: Any) -> Any:
        """The answer to a request that is made on the spot."""
        return json.loads(self.send(prepared(name, body)))

    def get(self, name: str) -> Any:
        """The answer to a request without a body."""
        return json.loads(self.send(f"GET {API}{name} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()))

    def send(self, request: bytes) -> bytes:
        """The body of the answer. Raises Refused for a status other than 200."""
        self.socket.sendall(request)
        while (end := self.pending.find(b"\r\n\r\n")) < 0:
            self._more()
        head, self.pending = self.pending[:end].lower(), self.pending[end + 4 :]
        at = head.find(b"content-length:")
        body = self._exactly(int(head[at + 15 :].split(b"\r", 1)[0])) if at >= 0 else self._chunks()
        if not head.startswith(b"http/1.1 200"):
            raise Refused(head[:40].decode() + " " + body[:500].decode(errors="replace"))
        return body

    def _exactly(self, size: int) -> bytes:
        parts, have = [self.pending], len(self.pending)
        while have < size:
            part = self._received()
            parts.append(part)
            have += len(part)
        whole = b"".join(parts)
        self.pending = whole[size:]
        return whole[:size]

    def _chunks(self) -> bytes:
        parts = []
        while True:
            while (end := self.pending.find(b"\r\n")) < 0:
                self._more()
            size = int(self.pending[:end], 16)
            self.pending = self.pending[end + 2 :]
            parts.append(self._exactly(size))
            self._exactly(2)
            if size == 0:
                return b"".join(parts)

    def _more(self) -> None:
        self.pending += self._received()

    def _received(self) -> bytes:
        part = self.socket.recv(1 << 20)
        if not part:
            raise Refused("the server closed the connection")
        return part


def prepared(name: str, body: Any) -> bytes:
    """A POST as bytes."""
    content = json.dumps(body, separators=(",", ":")).encode()
    head = f"POST {API}{name} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content
