"""What the client answers where no domain record fits: summaries, plans, the server at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from treadle.domain.deployments import Deployment, Rollout
from treadle.domain.gates import Verdict
from treadle.domain.models import AppliedModel
from treadle.domain.monitoring import Evaluation, Incident


@dataclass(frozen=True)
class Change:
    """One thing that would change: where, from what, to what (None: not there)."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Plan:
    """What applying would do. ``base`` is the revision it was made against (0: a new model)."""

    model: str
    base: int
    changes: tuple[Change, ...]
    effects: tuple[str, ...]
    digest: str
    spec: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Applied:
    """What applying did; ``changed`` is false where the code was the desired state already."""

    model: str
    revision: int
    changed: bool
    plan: Plan


@dataclass(frozen=True)
class ModelSummary:
    """A line of the list of models."""

    name: str
    revision: int
    task: str
    doc: str
    applied_at: datetime
    champion: int | None
    challenger: int | None
    versions: int


@dataclass(frozen=True)
class ModelDetail:
    """A model's newest revision with its aliases and where it stands in serving."""

    applied: AppliedModel
    aliases: dict[str, int]
    deployment: Deployment | None


@dataclass(frozen=True)
class VersionSummary:
    """A line of the list of versions. ``reason`` says which gates did not pass, with their numbers."""

    model: str
    number: int
    created_at: datetime
    as_of: datetime
    run: str
    parent: int | None
    threshold: float | None
    metrics: dict[str, float]
    runtime: str
    recipe_digest: str
    artifact_digest: str
    verdict: Verdict | None
    reason: str
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class RegistryVersion:
    """A version of a registered model, whoever made it. ``owned``: Treadle trained it, and it can be served."""

    name: str
    number: int
    created_at: datetime
    updated_at: datetime
    source: str
    stage: str
    run: str | None
    description: str | None
    user: str | None
    logged_model: str | None
    tags: dict[str, str]
    aliases: tuple[str, ...]
    owned: bool


@dataclass(frozen=True)
class RegistryModel:
    """A registered model, whoever made it; ``versions`` are newest first."""

    name: str
    created_at: datetime
    updated_at: datetime
    description: str | None
    tags: dict[str, str]
    aliases: dict[str, int]
    owned: bool
    versions: tuple[RegistryVersion, ...]


@dataclass(frozen=True)
class Doing:
    """One command that the loop carries out now, for how many seconds already, and how far it is (0 to 1)."""

    model: str
    lane: str
    what: str
    detail: str
    share: float | None
    seconds: float


@dataclass(frozen=True)
class ModelStatus:
    """Where one model stands. ``training`` names the attempt under way, ``candidate`` the version at the gates,
    ``realised`` the last evaluation with labels; ``incidents`` are the open ones."""

    name: str
    revision: int
    champion: int | None
    challenger: int | None
    previous: int | None
    promoted_at: datetime | None
    training: str | None
    candidate: int | None
    rollout: Rollout | None
    realised: Evaluation | None
    incidents: tuple[Incident, ...]


@dataclass(frozen=True)
class Status:
    """The whole server at a glance. ``loop`` is ``running`` or ``away``."""

    version: str
    home: str
    now: datetime
    virtual: bool
    loop: str
    doing: tuple[Doing, ...]
    gateways: tuple[dict[str, Any], ...]
    models: tuple[ModelStatus, ...]


@dataclass(frozen=True)
class Asked:
    """A training that was asked for, and what it may know."""

    model: str
    attempt: str
    as_of: datetime


@dataclass(frozen=True)
class OutcomeAnswer:
    """What became of the outcome at ``index``: ``joined``, ``late``, ``waiting``, ``revised`` and ``duplicate`` ones
    were taken, ``conflicting``, ``unknown`` and ``invalid`` ones not, and ``message`` says why."""

    index: int
    status: str
    message: str


@dataclass(frozen=True)
class OutcomesAnswer:
    """One answer an outcome, in their order."""

    accepted: int
    rejected: int
    results: tuple[OutcomeAnswer, ...]


@dataclass(frozen=True)
class ClockReading:
    """What time it is to the loop, and whether that is a virtual clock's."""

    now: datetime
    virtual: bool


@dataclass(frozen=True)
class Prediction:
    """One row's answer: the id to send its outcome with, the score, the decision, and a class's probability each."""

    id: str
    score: float | None
    decision: bool | str | float | None
    scores: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Predictions:
    """What a model's version answered, a prediction a row."""

    model: str
    version: int
    predictions: tuple[Prediction, ...]
