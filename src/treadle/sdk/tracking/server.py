"""The tracking server over HTTP: one connection that is kept, and answers in three kinds.

Done; refused, which trying again does not change; away, when trying again later may help.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import ssl
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

API = "/api/2.0/mlflow/"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"
CONNECT_PATIENCE, READ_PATIENCE = 5.0, 60.0
COPY_BYTES = 1024 * 1024
BUSY = frozenset({408, 425, 429})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class AwayError(Exception):
    """The server cannot be reached, or cannot answer now."""


class StrangerError(AwayError):
    """Something answers that does not speak the protocol, or not this part of it."""


class RefusedError(Exception):
    """The server does not take the request, now or later. ``code`` is the protocol's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class TrackingServer:
    """Calls to one server, with the credentials of its URL, or ``credentials``. For one thread at a time."""

    def __init__(self, url: str, credentials: Mapping[str, str] | None = None) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (443 if self._secure else 80)
        self._base = parts.path.rstrip("/")
        self._headers = _basic(parts.username, parts.password) or dict(credentials or {})
        self._connection: http.client.HTTPConnection | None = None

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One call of the protocol; of a GET ``body`` are the parameters. Raises AwayError, RefusedError.

        ``path`` is below ``/api/2.0/mlflow/``, unless it begins with a slash.

        A kept connection may turn out closed; then the call is sent again, as all of them may be.
        """
        if method == "GET":
            target = f"{_below(path)}?{urlencode(body or {}, doseq=True)}"
            return self._decoded(self._send(method, target, None, {}))
        data = json.dumps(body or {}, separators=(",", ":")).encode()
        return self._decoded(self._send(method, _below(path), data, {"Content-Type": "application/json"}))

    def call_once(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A POST that is sent at most once."""
        self.close()
        return self.call("POST", path, body)

    def upload(self, place: str, path: str, file: Path) -> None:
        """Put a file below an artifact root such as ``mlflow-artifacts:/1/abc/artifacts``.

        Raises AwayError, RefusedError (also for a root that is not the server's to keep).
        """
        parts = urlsplit(place)
        if parts.scheme != "mlflow-artifacts":
            raise RefusedError("INVALID_STATE", f"the run keeps its artifacts at {place}, out of the server's reach")
        target = ARTIFACTS + quote(f"{parts.path.strip('/')}/{path}".lstrip("/"))
        size = str(file.stat().st_size)
        with file.open("rb") as data:
            self._send("PUT", target, data, {"Content-Length": size, "Content-Type": "application/octet-stream"})

    def download(self, target: str, parameters: Mapping[str, str], into: Path) -> None:
        """Write what a GET answers to a file. ``target`` is a whole path. Raises AwayError, RefusedError."""
        try:
            connection = self._connection or self._connect()
            connection.request("GET", f"{self._base}{target}?{urlencode(parameters)}", headers=self._headers)
            answer = connection.getresponse()
            if answer.status >= 300:
                code, message = _told(answer.read(), answer.status)
                if answer.status < 500:
                    raise RefusedError(code or str(answer.status), message)
                raise AwayError(f"{self.url} answered {answer.status}: {message}")
            with into.open("wb") as file:
                shutil.copyfileobj(answer, file, COPY_BYTES)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise AwayError(f"{self.url} does not answer: {str(error) or type(error).__name__}") from error

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, method: str, target: str, body: Any, headers: Mapping[str, str]) -> bytes:
        try:
            status, data = self._once(method, target, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise AwayError(f"{self.url} does not answer: {str(error) or type(error).__name__}") from error
        if status < 300:
            return data
        code, message = _told(data, status)
        if status >= 500 or status in BUSY or code is None:
            kind = StrangerError if code is None and status in {404, 405} else AwayError
            raise kind(f"{self.url} answered {status}: {message}")
        raise RefusedError(code, message)

    def _once(self, method: str, target: str, body: Any, headers: Mapping[str, str]) -> tuple[int, bytes]:
        for fresh in (self._connection is None, True):
            connection = self._connection or self._connect()
            try:
                connection.request(method, self._base + target, body, {**self._headers, **headers})
                answer = connection.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                self.close()
                if fresh:
                    raise
                if hasattr(body, "seek"):  # a kept connection was closed meanwhile
                    body.seek(0)
        raise AssertionError("unreachable")

    def _connect(self) -> http.client.HTTPConnection:
        proxy = None if self._host in LOOPBACK else _proxy("https" if self._secure else "http", self._host)
        host, port = proxy or (self._host, self._port)
        if self._secure:
            made: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=CONNECT_PATIENCE, context=ssl.create_default_context()
            )
        else:
            made = http.client.HTTPConnection(host, port, timeout=CONNECT_PATIENCE)
        if proxy is not None:
            made.set_tunnel(self._host, self._port)
        made.connect()
        made.sock.settimeout(READ_PATIENCE)
        self._connection = made
        return made

    def _decoded(self, data: bytes) -> dict[str, Any]:
        try:
            plain = json.loads(data or b"{}")
        except ValueError as error:
            raise AwayError(f"{self.url} answered something else than JSON: is a Treadle server there?") from error
        if not isinstance(plain, dict):
            raise AwayError(f"{self.url} answered something else than an object: is a Treadle server there?")
        return plain


def _below(path: str) -> str:
    return path if path.startswith("/") else API + path


def _told(data: bytes, status: int) -> tuple[str | None, str]:
    """Code and message of an error; no code where it is not the protocol that answers."""
    try:
        plain = json.loads(data)
        return str(plain["error_code"]), str(plain.get("message", ""))
    except (ValueError, KeyError, TypeError):
        return None, data[:300].decode(errors="replace").strip() or http.client.responses.get(status, "")


def mlflow_credentials(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What MLflow's clients send: a name and a password, or ``MLFLOW_TRACKING_TOKEN``."""
    environ = os.environ if environ is None else environ
    token = environ.get("MLFLOW_TRACKING_TOKEN")
    named = _basic(environ.get("MLFLOW_TRACKING_USERNAME"), environ.get("MLFLOW_TRACKING_PASSWORD"))
    return named or ({"Authorization": f"Bearer {token}"} if token else {})


def _basic(user: str | None, password: str | None) -> dict[str, str]:
    if not (user and password):
        return {}
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def _proxy(scheme: str, host: str) -> tuple[str, int] | None:
    found = urllib.request.getproxies().get(scheme)
    if not found or urllib.request.proxy_bypass(host):
        return None
    parts = urlsplit(found if "//" in found else f"//{found}")
    return (parts.hostname, parts.port or 80) if parts.hostname else None
