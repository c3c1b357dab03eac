"""Pages of lists; a cursor is the place where the next page begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from treadle.domain.tracking import Found
from treadle.domain.tracking_errors import bad_cursor

T = TypeVar("T")


def paged(items: Sequence[T], limit: int, cursor: str | None) -> Found[T]:
    """One page. Raises InvalidInput for a cursor that is none."""
    if cursor is not None and not cursor.isdecimal():
        raise bad_cursor(cursor)
    start = int(cursor or 0)
    end = start + limit
    return Found(items[start:end], str(end) if end < len(items) else None)
