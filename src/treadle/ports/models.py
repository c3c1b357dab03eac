"""Applied models: the desired state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from treadle.domain.events import Event
from treadle.domain.models import AppliedModel


class Models(Protocol):
    """Every applied revision is kept."""

    def apply(self, model: AppliedModel, *events: Event) -> None:
        """Store the next revision. Raises Conflict unless ``model.revision`` is one more than the stored one."""
        ...

    def get(self, name: str, revision: int | None = None) -> AppliedModel:
        """A revision, or the newest. Raises NotFound."""
        ...

    def all(self) -> Sequence[AppliedModel]:
        """The newest revision of every model, by name."""
        ...
