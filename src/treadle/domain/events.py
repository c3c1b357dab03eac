"""Everything that can happen, as records. Events are the audit log, the timeline and the loop's input.

An :class:`Event` is what a service appends; the store's one sealer gives it a position and chains it by hash to
the one before, which makes it a :class:`SealedEvent`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from treadle.domain import codec
from treadle.domain.errors import InvalidInput
from treadle.domain.gates import GateReport, GateResult
from treadle.domain.monitoring import Evaluation, Incident


@dataclass(frozen=True)
class ModelApplied:
    """A model's declaration became the desired state."""

    kind: ClassVar[str] = "model_applied"
    revision: int
    spec_digest: str
    code_digest: str
    environment_digest: str


@dataclass(frozen=True)
class TrainingRequested:
    """A trigger, or a person, asked for a new version. ``as_of`` bounds what may be known to it."""

    kind: ClassVar[str] = "training_requested"
    attempt: str
    trigger: str
    reason: str
    as_of: datetime
    revision: int
    tune: int = 0


@dataclass(frozen=True)
class TrainingFailed:
    """An attempt ended without a version: data refused, a step failed, or it was cancelled."""

    kind: ClassVar[str] = "training_failed"
    attempt: str
    cause: str  # data, step, environment, cancelled
    message: str


@dataclass(frozen=True)
class VersionRegistered:
    """An attempt ended in a version."""

    kind: ClassVar[str] = "version_registered"
    attempt: str
    version: int
    run: str
    recipe_digest: str
    artifact_digest: str


@dataclass(frozen=True)
class GatesEvaluated:
    """A version was held against its gates."""

    kind: ClassVar[str] = "gates_evaluated"
    version: int
    against: int | None
    report: GateReport


@dataclass(frozen=True)
class VersionRefused:
    """A challenger will not be rolled out."""

    kind: ClassVar[str] = "version_refused"
    version: int
    reason: str


@dataclass(frozen=True)
class RolloutStarted:
    """A version begins its way towards all traffic."""

    kind: ClassVar[str] = "rollout_started"
    version: int
    previous: int | None
    reason: str = ""


@dataclass(frozen=True)
class RolloutStepped:
    """A rollout moved on, held or was aborted; ``step`` is the one that it is at now.

    ``report`` is the evidence that it was decided by, where there was any.
    """

    kind: ClassVar[str] = "rollout_stepped"
    version: int
    step: int
    action: str  # advanced, held, aborted, paused, resumed
    reason: str
    report: GateReport | None = None


@dataclass(frozen=True)
class RolloutExamined:
    """What the matured requests of a rollout, answered in ``[since, until)``, say of its version.

    With ``shadow`` they are mirrored ones, paired with the answers that were given; else those it answered itself.
    """

    kind: ClassVar[str] = "rollout_examined"
    version: int
    step: int
    shadow: bool
    since: datetime
    until: datetime
    report: GateReport


@dataclass(frozen=True)
class VersionPromoted:
    """A version became champion and takes all traffic."""

    kind: ClassVar[str] = "version_promoted"
    version: int
    previous: int | None
    reason: str


@dataclass(frozen=True)
class VersionRolledBack:
    """The champion was taken back and an earlier version answers again."""

    kind: ClassVar[str] = "version_rolled_back"
    version: int
    to: int
    reason: str


@dataclass(frozen=True)
class RoutingChanged:
    """A new routing table was given to the gateways."""

    kind: ClassVar[str] = "routing_changed"
    revision: int
    champion: int


@dataclass(frozen=True)
class OutcomesCollected:
    """Outcomes up to ``until`` were taken in; ``joined`` of them met their prediction."""

    kind: ClassVar[str] = "outcomes_collected"
    until: datetime
    received: int
    joined: int


@dataclass(frozen=True)
class CohortEvaluated:
    """Realised quality was measured; the gates, and the triggers' expressions, were held against it.

    A result among ``triggers`` that passes says that its condition is true.
    """

    kind: ClassVar[str] = "cohort_evaluated"
    evaluation: Evaluation
    report: GateReport | None
    triggers: tuple[GateResult, ...] = ()


@dataclass(frozen=True)
class IncidentOpened:
    """Something needs attention."""

    kind: ClassVar[str] = "incident_opened"
    incident: Incident


@dataclass(frozen=True)
class IncidentResolved:
    """It does not any more."""

    kind: ClassVar[str] = "incident_resolved"
    incident: str
    reason: str


@dataclass(frozen=True)
class RegistryChanged:
    """A registered model or one of its versions came, went, or was renamed; not by the loop.

    ``detail`` is the other name of a renamed model (the new one for ``renamed``, the old one for ``renamed_from``), or
    where a version came from.
    """

    kind: ClassVar[str] = "registry_changed"
    action: str  # created, renamed, renamed_from, deleted, version_created, version_deleted
    version: int | None = None
    detail: str = ""
    reason: str = ""


@dataclass(frozen=True)
class AliasMoved:
    """Somebody, not the loop, pointed an alias at a version; without one, it was removed."""

    kind: ClassVar[str] = "alias_moved"
    alias: str
    version: int | None
    previous: int | None
    reason: str = ""


@dataclass(frozen=True)
class StageMoved:
    """Somebody moved a registered version to another stage."""

    kind: ClassVar[str] = "stage_moved"
    version: int
    stage: str
    previous: str
    reason: str = ""


Payload = (
    ModelApplied
    | TrainingRequested
    | TrainingFailed
    | VersionRegistered
    | GatesEvaluated
    | VersionRefused
    | RolloutStarted
    | RolloutStepped
    | RolloutExamined
    | VersionPromoted
    | VersionRolledBack
    | RoutingChanged
    | OutcomesCollected
    | CohortEvaluated
    | IncidentOpened
    | IncidentResolved
    | RegistryChanged
    | AliasMoved
    | StageMoved
)

KINDS: dict[str, type[Any]] = {cls.kind: cls for cls in Payload.__args__}


@dataclass(frozen=True)
class Event:
    """One thing that happened to ``model`` at ``at`` (the clock's time), caused by ``actor``.

    ``once`` makes an event idempotent: a second one with the same value for the same model is not recorded.
    """

    model: str
    at: datetime
    payload: Payload
    actor: str = "loop"
    once: str | None = None


@dataclass(frozen=True)
class SealedEvent:
    """An event with its place in the chain: positions count from 1 without a gap."""

    position: int
    event: Event
    previous_hash: str
    hash: str


GENESIS = "0" * 64


def encode(event: Event) -> str:
    """The canonical JSON of an event, which the chain's hashes cover."""
    return codec.dumps(event)


def decode(text: str) -> Event:
    """The inverse of :func:`encode`. Raises InvalidInput for a kind that this release does not know."""
    event = codec.loads(Event, text)
    if not dataclass_kind(event.payload):
        raise InvalidInput("unknown event", hint="a newer Treadle wrote it; upgrade this one")
    return event


def dataclass_kind(payload: object) -> str | None:
    """The kind of a payload, or None for something else."""
    kind = getattr(type(payload), "kind", None)
    return kind if isinstance(kind, str) and kind in KINDS else None


def chain_hash(previous_hash: str, position: int, encoded: str) -> str:
    """The hash that binds an event to its position and to all before it."""
    return hashlib.sha256(f"{previous_hash}\n{position}\n{encoded}".encode()).hexdigest()
