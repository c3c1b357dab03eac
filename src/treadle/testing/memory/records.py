"""Applied models, snapshots, step results and named values in dictionaries."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from treadle.domain import codec
from treadle.domain.data import Snapshot
from treadle.domain.errors import Conflict, NotFound
from treadle.domain.events import Event
from treadle.domain.models import AppliedModel
from treadle.domain.steps import StepResult
from treadle.testing.memory.events import MemoryEvents


class MemoryModels:
    """``ports.Models``."""

    def __init__(self, events: MemoryEvents | None = None) -> None:
        self._events = events or MemoryEvents()
        self._revisions: dict[str, list[AppliedModel]] = {}

    def apply(self, model: AppliedModel, *events: Event) -> None:
        """Store the next revision. Raises Conflict unless ``model.revision`` is one more than the stored one."""

        def change() -> None:
            known = self._revisions.get(model.name, [])
            if model.revision != len(known) + 1:
                raise Conflict(f"revision {model.revision} of model {model.name!r} cannot follow {len(known)}")
            self._revisions[model.name] = [*known, model]

        self._events.with_change(events, change)

    def get(self, name: str, revision: int | None = None) -> AppliedModel:
        """A revision, or the newest. Raises NotFound."""
        known = self._revisions.get(name, [])
        wanted = len(known) if revision is None else revision
        if not 1 <= wanted <= len(known):
            raise NotFound(
                f"there is no model {name!r}" if revision is None else f"{name!r} has no revision {revision}"
            )
        return known[wanted - 1]

    def all(self) -> Sequence[AppliedModel]:
        """The newest revision of every model, by name."""
        return [self._revisions[name][-1] for name in sorted(self._revisions)]


class MemorySnapshots:
    """``ports.Snapshots``."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], Snapshot] = {}

    def put(self, snapshot: Snapshot) -> None:
        """Store a snapshot's record; the same digest and as_of again is no change."""
        self._kept.setdefault((snapshot.digest, snapshot.model, codec.to_plain(snapshot.as_of)), snapshot)

    def get(self, digest: str) -> Snapshot:
        """The record (of the earliest as_of, where two have the same rows). Raises NotFound."""
        found = [snapshot for snapshot in self._kept.values() if snapshot.digest == digest]
        if not found:
            raise NotFound(f"there is no snapshot {digest}")
        return min(found, key=lambda snapshot: snapshot.as_of)

    def list(self, model: str) -> Sequence[Snapshot]:
        """Snapshots of a model, newest first."""
        found = [snapshot for snapshot in self._kept.values() if snapshot.model == model]
        return sorted(found, key=lambda snapshot: snapshot.as_of, reverse=True)


class MemoryStepCache:
    """``ports.StepCache``."""

    def __init__(self) -> None:
        self._results: dict[str, str] = {}

    def get(self, key: str) -> StepResult | None:
        """What an equal step made, if one ran before."""
        body = self._results.get(key)
        return None if body is None else codec.loads(StepResult, body)

    def put(self, result: StepResult) -> None:
        """Keep a result; an equal key again is no change."""
        self._results.setdefault(result.key, codec.dumps(result))


class MemoryRegister:
    """``ports.Register``."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> str | None:
        """The value, or None where none was put."""
        return self._values.get(name)

    def put(self, name: str, value: str) -> None:
        """Set the value, whatever it was."""
        with self._lock:
            self._values[name] = value

    def replace(self, name: str, expected: str | None, value: str) -> bool:
        """Set the value if it is ``expected`` now (None: not there yet); whether it was set. Atomic."""
        with self._lock:
            if self._values.get(name) != expected:
                return False
            self._values[name] = value
        return True
