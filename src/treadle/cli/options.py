"""Options that several commands share, and the reading of times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from treadle.domain.errors import InvalidInput

if TYPE_CHECKING:
    from treadle.sdk.client import Client

Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="The server. Default: $TREADLE_URL, else the one that runs on the home."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Home = Annotated[
    str | None,
    typer.Option("--home", metavar="FOLDER", help="Where state is. Default: $TREADLE_HOME or ./.treadle"),
]
Port = Annotated[int, typer.Option("--port", help="Control and API listen here, inference at the next one.")]


def open_client(url: str | None) -> Client:
    """A client of the server that was named, or found."""
    from treadle.sdk.client import Client

    return Client(url)


def parse_time(text: str | None, option: str) -> datetime | None:
    """A day (its first moment) or a time; UTC unless it names a zone. Raises InvalidInput naming the option."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(
            f"{option} {text!r} is no time", hint="write a day such as 2013-03-01 or a time such as 2013-03-01T12:00Z"
        ) from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
