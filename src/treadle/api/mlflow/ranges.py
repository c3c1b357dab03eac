"""Which bytes of a file a request asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re

_ONE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)
_DIGITS = 18


class NotSatisfiable(Exception):
    """No byte of the file is in the range."""


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last; ``None`` where the whole file is to be sent.

    That is so for what is not a single range of bytes too, as the RFC allows. Raises NotSatisfiable.
    """
    match = _ONE.fullmatch(header)
    if match is None or not any(match.groups()) or any(len(digits) > _DIGITS for digits in match.groups()):
        return None
    first, last = match.groups()
    if not first:
        count = int(last)
        if count == 0 or size == 0:
            raise NotSatisfiable
        return max(size - count, 0), size
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise NotSatisfiable
    return start, min(int(last) + 1, size) if last else size
