"""Model versions and their aliases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from treadle.domain.events import Event
from treadle.domain.gates import GateReport
from treadle.domain.versions import ModelVersion


class Versions(Protocol):
    """Versions are immutable but for their gate report and their aliases."""

    def register(self, version: ModelVersion, *events: Event) -> None:
        """Store a version; the same again is no change. Raises Conflict where another attempt has the number."""
        ...

    def next_number(self, model: str) -> int:
        """The number that the next version of this model gets, from 1."""
        ...

    def judge(self, model: str, number: int, report: GateReport, *events: Event) -> None:
        """Record what the gates found. Raises NotFound."""
        ...

    def get(self, model: str, number: int) -> ModelVersion:
        """A version. Raises NotFound."""
        ...

    def by_attempt(self, model: str, attempt: str) -> ModelVersion | None:
        """The version that an attempt ended in, if it did."""
        ...

    def list(self, model: str) -> Sequence[ModelVersion]:
        """All versions of a model, newest first."""
        ...

    def using_snapshot(self, snapshot: str) -> Sequence[ModelVersion]:
        """Versions that were trained on a snapshot: lineage the other way."""
        ...

    def set_alias(self, model: str, alias: str, number: int | None, *events: Event) -> None:
        """Point an alias at a version, or remove it. Raises NotFound."""
        ...

    def aliases(self, model: str) -> dict[str, int]:
        """The aliases of a model, for example ``{"champion": 3}``."""
        ...
