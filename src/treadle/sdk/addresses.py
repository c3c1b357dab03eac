"""Where the server is: what was given, else the environment, else the home directory's own word, else the default."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from treadle.domain.errors import InvalidInput

URL_VARIABLE = "TREADLE_URL"
HOME_VARIABLE = "TREADLE_HOME"
DEFAULT_PORT = 8700
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"


@dataclass(frozen=True)
class Address:
    """The control plane's URL and the gateway's, without a slash at the end."""

    control: str
    gateway: str

    @property
    def local(self) -> bool:
        """Whether both are on this machine."""
        return all(urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1") for url in (self.control, self.gateway))


def find_server(
    url: str | None = None, gateway_url: str | None = None, environ: Mapping[str, str] | None = None
) -> Address:
    """The server's address.

    ``url`` wins over ``$TREADLE_URL``, that over ``server.json`` in ``$TREADLE_HOME`` or ``./.treadle``, that over
    ``http://127.0.0.1:8700``. A gateway that is named nowhere listens at the port after the control plane's. Raises
    InvalidInput for what is no URL.
    """
    environ = os.environ if environ is None else environ
    announced = _announced(Path(environ.get(HOME_VARIABLE) or ".treadle"))
    chosen = url or environ.get(URL_VARIABLE) or (announced.control if announced else DEFAULT_URL)
    control = _checked(chosen)
    if gateway_url is not None:
        return Address(control, _checked(gateway_url))
    if announced is not None and announced.control == control:
        return announced
    return Address(control, _next_port(control))


def _announced(home: Path) -> Address | None:
    try:
        told = json.loads((home.expanduser() / "server.json").read_bytes())
        return Address(_checked(told["control"]), _checked(told["gateway"]))
    except (OSError, ValueError, KeyError, TypeError, InvalidInput):
        return None


def _checked(url: str) -> str:
    hint = f"give one such as {DEFAULT_URL}"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except (ValueError, AttributeError) as error:
        raise InvalidInput(f"{url!r} is no URL: {error}", hint=hint) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(f"{url!r} is no URL of a server", hint=hint)
    return url.rstrip("/")


def _next_port(control: str) -> str:
    parts = urlsplit(control)
    port = parts.port or {"https": 443}.get(parts.scheme, 80)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{port + 1}"
