"""A control process of its own home, and requests that say exactly what they mean."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 60


@dataclass(frozen=True)
class Said:
    """What the server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as plain data."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Control:
    """A running control process."""

    home: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, target: str, body: bytes | None = None, **headers: str) -> Said:
        """One request whose target goes out as it is written here."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.putrequest(method, target, skip_host="Host" in headers, skip_accept_encoding=True)
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            if body is not None and "Content-Length" not in given:
                given["Content-Length"] = str(len(body))
            for name, value in given.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return Said(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post(self, target: str, **fields: Any) -> Said:
        """A JSON request."""
        return self.ask("POST", target, json.dumps(fields).encode(), Content_Type="application/json")

    def memory(self, field: str = "VmRSS") -> int:
        """Bytes of memory that the process holds."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
        raise AssertionError(field)


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def control_server(home: Path, **environment: str) -> Iterator[Control]:
    """Run one until the block ends."""
    port = free_port()
    with (home.parent / f"{home.name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "treadle.app.control", "--home", str(home), "--port", str(port)],
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
        )
    control = Control(home, port, process)
    try:
        _await(control)
        yield control
    finally:
        process.terminate()
        process.wait(30)


def _await(control: Control) -> None:
    limit = time.monotonic() + PATIENCE
    while True:
        try:
            if control.ask("GET", "/version").status == 200:
                return
        except OSError:
            if control.process.poll() is not None or time.monotonic() > limit:
                raise
            time.sleep(0.05)
