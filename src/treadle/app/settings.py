"""Where Treadle keeps its state and listens: the few settings there are.

Environment variables: ``TREADLE_HOME`` (the home directory, default ``.treadle`` in the working directory),
``TREADLE_URL`` (the server that the command line and the SDK talk to), ``TREADLE_DATABASE`` (the metadata's database,
where it is not the home's SQLite file) and ``TREADLE_WEBHOOK_PRIVATE`` (1 lets webhooks call private addresses, and by
http).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from treadle.domain.errors import InvalidInput

HOME_VARIABLE = "TREADLE_HOME"
URL_VARIABLE = "TREADLE_URL"
DATABASE_VARIABLE = "TREADLE_DATABASE"
WEBHOOK_VARIABLE = "TREADLE_WEBHOOK_PRIVATE"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Settings:
    """One server's settings. Ports follow from ``port``: control and UI there, inference over REST at the next."""

    home: Path
    host: str = "127.0.0.1"
    port: int = 8700
    webhook_private: bool = False
    database: str | None = None

    @property
    def gateway_port(self) -> int:
        """Where inference over REST is answered."""
        return self.port + 1

    @property
    def control_url(self) -> str:
        """The control plane's address."""
        return f"http://{self.host}:{self.port}"

    @property
    def gateway_url(self) -> str:
        """The gateway's address."""
        return f"http://{self.host}:{self.gateway_port}"

    @property
    def database_url(self) -> str:
        """The metadata database: the one that was given, else a file in the home."""
        return self.database or f"sqlite:///{self.home / 'treadle.db'}"

    @property
    def run_folder(self) -> Path:
        """Where Unix sockets lie: a short path, since the system allows about 100 characters."""
        name = hashlib.sha256(str(self.home).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"treadle-{os.getuid()}" / name

    @property
    def loop_socket(self) -> Path:
        """Where the loop process listens."""
        return self.run_folder / "loop.sock"


def resolve_home(given: str | Path | None = None) -> Path:
    """The home directory, absolute: what was given, else ``$TREADLE_HOME``, else ``./.treadle``."""
    return Path(given or os.environ.get(HOME_VARIABLE) or ".treadle").expanduser().resolve()


def settings(home: str | Path | None = None, *, host: str = "127.0.0.1", port: int = 8700) -> Settings:
    """Settings checked: a port in range, a loopback host. Raises InvalidInput."""
    if not 1 <= port <= 65533:
        raise InvalidInput(f"port {port} cannot be used", hint="give one from 1 to 65533; the next one is used as well")
    if host not in LOOPBACK:
        raise InvalidInput(
            f"host {host} is not this machine alone, and this release has no authentication",
            hint="bind to 127.0.0.1 and put a proxy that authenticates in front",
        )
    database = os.environ.get(DATABASE_VARIABLE) or None
    return Settings(resolve_home(home), host, port, webhook_private=_switch(WEBHOOK_VARIABLE), database=database)


def _switch(variable: str) -> bool:
    """Whether a variable is set to 1. Raises InvalidInput for anything but 0, 1 and nothing."""
    value = os.environ.get(variable, "")
    if value not in ("", "0", "1"):
        raise InvalidInput(f"${variable} is {value!r}", hint="set it to 1 or to 0")
    return value == "1"


def prepare_folders(where: Settings) -> None:
    """Make the home and the run folder, which its owner alone may enter. Raises InvalidInput where they cannot be."""
    try:
        where.home.mkdir(parents=True, exist_ok=True)
        where.run_folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        where.run_folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"cannot make {where.home}: {error.strerror}", hint=f"choose another with --home or ${HOME_VARIABLE}"
        ) from error
    if where.run_folder.parent.stat().st_uid != os.getuid():
        raise InvalidInput(
            f"{where.run_folder.parent} belongs to somebody else", hint="set TMPDIR to a folder of yours"
        )
