"""Times in rows that come from outside: ISO 8601 text, aware, or naive in a declared zone."""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from treadle.domain.errors import InvalidInput

_SAFE_YEARS = range(2, 9999)


@functools.cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError) as error:
        raise InvalidInput(
            f"there is no time zone {name!r}", hint="use an IANA name such as America/New_York"
        ) from error


def parse_datetime(text: str, zone: str | None) -> datetime:
    """A time in UTC from ISO 8601 text; ``zone`` (an IANA name) is that of naive text.

    Raises InvalidInput for text that is no time, for naive text without a declared zone, and for times outside the
    years that UTC can hold.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is not a time", hint="write ISO 8601, such as 2013-03-01T09:30:00Z") from error
    if parsed.tzinfo is None:
        if zone is None:
            raise InvalidInput(f"the time {text!r} has no zone", hint="end it with Z or an offset such as -05:00")
        parsed = parsed.replace(tzinfo=_zone(zone))
    try:
        return parsed.astimezone(UTC)
    except OverflowError as error:
        raise InvalidInput(f"the time {text!r} is out of range", hint="years 1 to 9999 can be stored") from error


def check_datetime(text: str, zone: str | None) -> None:
    """Raise what :func:`parse_datetime` would raise, without working out the time where that is not needed."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        parse_datetime(text, zone)
        return
    if (parsed.tzinfo is None and zone is None) or parsed.year not in _SAFE_YEARS:
        parse_datetime(text, zone)


def parse_date(text: str) -> date:
    """A day from ISO 8601 text. Raises InvalidInput."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is not a day", hint="write ISO 8601, such as 2013-03-01") from error
