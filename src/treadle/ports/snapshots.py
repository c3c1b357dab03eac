"""Snapshots' records; their rows are blobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from treadle.domain.data import Snapshot


class Snapshots(Protocol):
    """Immutable records by digest."""

    def put(self, snapshot: Snapshot) -> None:
        """Store a snapshot's record; the same digest and as_of again is no change."""
        ...

    def get(self, digest: str) -> Snapshot:
        """The record (of the earliest as_of, where two have the same rows). Raises NotFound."""
        ...

    def list(self, model: str) -> Sequence[Snapshot]:
        """Snapshots of a model, newest first."""
        ...
