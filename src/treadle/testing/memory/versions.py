"""Model versions in dictionaries."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from treadle.domain import codec
from treadle.domain.errors import Conflict, NotFound
from treadle.domain.events import Event
from treadle.domain.gates import GateReport
from treadle.domain.versions import ModelVersion
from treadle.testing.memory.events import MemoryEvents
from treadle.testing.memory.registered import MemoryRegistered


class MemoryVersions:
    """``ports.Versions``."""

    def __init__(self, events: MemoryEvents | None = None, registered: MemoryRegistered | None = None) -> None:
        self._events = events or MemoryEvents()
        self._registered = registered or MemoryRegistered(self._events)
        self._versions: dict[tuple[str, int], ModelVersion] = {}
        self._aliases: dict[str, dict[str, int]] = {}

    def register(self, version: ModelVersion, *events: Event) -> None:
        """Store a version; the same again is no change.

        Raises Conflict where the number is taken by another attempt, or the attempt ended in another number.
        """
        copy = codec.loads(ModelVersion, codec.dumps(version))

        def change() -> bool:
            for known in self.list(version.model):
                same = (known.number == version.number, known.attempt == version.attempt)
                if all(same):
                    return False
                if any(same):
                    raise Conflict(
                        f"version {known.number} of {version.model!r} came of attempt {known.attempt!r}; "
                        f"attempt {version.attempt!r} cannot become version {version.number}"
                    )
            self._registered.check_free(version.model, version.number)
            self._versions[version.model, version.number] = copy
            self._registered.show(copy)
            return True

        self._events.with_change(events, change)

    def next_number(self, model: str) -> int:
        """The number that the next version of this model gets, from 1."""
        mine = max((version.number for version in self.list(model)), default=0)
        return max(mine, self._registered.last_number(model)) + 1

    def judge(self, model: str, number: int, report: GateReport, *events: Event) -> None:
        """Record what the gates found. Raises NotFound."""

        def change() -> None:
            self._versions[model, number] = dataclasses.replace(self.get(model, number), gates=report)
            self._registered.show(self._versions[model, number])

        self._events.with_change(events, change)

    def get(self, model: str, number: int) -> ModelVersion:
        """A version. Raises NotFound."""
        if (model, number) not in self._versions:
            raise NotFound(f"there is no version {number} of model {model!r}")
        return self._versions[model, number]

    def by_attempt(self, model: str, attempt: str) -> ModelVersion | None:
        """The version that an attempt ended in, if it did."""
        return next((version for version in self.list(model) if version.attempt == attempt), None)

    def list(self, model: str) -> Sequence[ModelVersion]:
        """All versions of a model, newest first."""
        found = [version for version in tuple(self._versions.values()) if version.model == model]
        return sorted(found, key=lambda version: -version.number)

    def using_snapshot(self, snapshot: str) -> Sequence[ModelVersion]:
        """Versions of any model that were trained on a snapshot, newest first."""
        found = [v for v in tuple(self._versions.values()) if v.recipe.snapshot_digest == snapshot]
        found.sort(key=lambda version: (version.model, -version.number))
        return sorted(found, key=lambda version: version.created_at, reverse=True)

    def set_alias(self, model: str, alias: str, number: int | None, *events: Event) -> None:
        """Point an alias at a version, or remove it. Raises NotFound for a version that is not there."""

        def change() -> None:
            names = dict(self._aliases.get(model, {}))
            names.pop(alias, None)
            if number is not None:
                names[alias] = self.get(model, number).number
            self._aliases[model] = names
            self._registered.show_alias(model, alias, number)

        self._events.with_change(events, change)

    def aliases(self, model: str) -> dict[str, int]:
        """The aliases of a model, for example ``{"champion": 3}``."""
        return dict(sorted(self._aliases.get(model, {}).items()))
