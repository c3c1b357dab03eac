from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from treadle import Window
from treadle.domain.errors import InvalidInput

NOON = datetime(2013, 6, 1, 12, tzinfo=UTC)


def test_times_are_in_utc() -> None:
    west = timezone(timedelta(hours=-5))
    window = Window(None, NOON.astimezone(west), NOON)
    assert window == Window(None, NOON, NOON)
    assert window.until.tzinfo is UTC


def test_naive_times_are_refused() -> None:
    with pytest.raises(InvalidInput, match="start=2013-06-01 12:00:00 of a window has no zone"):
        Window(NOON.replace(tzinfo=None), NOON, NOON)


def test_a_window_ends_after_it_starts() -> None:
    with pytest.raises(InvalidInput, match="ends before"):
        Window(NOON, NOON - timedelta(days=1), NOON)
