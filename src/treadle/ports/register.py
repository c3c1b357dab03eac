"""A few named values that processes share: a virtual clock's target, the time when something is due next."""

from __future__ import annotations

from typing import Protocol


class Register(Protocol):
    """Text by name. Not for anything that has a history: that is an event."""

    def get(self, name: str) -> str | None:
        """The value, or None where none was put."""
        ...

    def put(self, name: str, value: str) -> None:
        """Set the value, whatever it was."""
        ...

    def replace(self, name: str, expected: str | None, value: str) -> bool:
        """Set the value if it is ``expected`` now (None: not there yet); whether it was set. Atomic."""
        ...
