"""Domain records on the wire of the control plane, field by field as :mod:`treadle.domain.codec` writes them.

Clients read them back with it: times are ISO 8601 in UTC, and a float that is no number is one of the texts ``NaN``,
``Infinity`` and ``-Infinity``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Number = float | Literal["NaN", "Infinity", "-Infinity"]
Plain = bool | int | float | str


class Answer(BaseModel):
    """Base of everything that is answered."""

    model_config = ConfigDict(frozen=True)


Verdict = Literal["pass", "fail", "not_enough_data"]


class CodeTree(Answer):
    """The files of a model's code, by digest."""

    entry: str
    files: dict[str, str]
    digest: str
    root: str
    commit: str | None = None
    dirty: bool = False


class EnvironmentLock(Answer):
    """Locked requirements."""

    requirements: str
    python: str
    digest: str


class AppliedModel(Answer):
    """One revision of a model; ``spec_json`` is its declaration as canonical JSON text."""

    name: str
    revision: int
    spec_json: str
    spec_digest: str
    code: CodeTree
    environment: EnvironmentLock
    applied_at: datetime


class Route(Answer):
    """A version's part in answering, in percent."""

    version: int
    weight: float
    shadow: bool = False


class Rollout(Answer):
    """A challenger's way towards all traffic."""

    version: int
    previous: int | None
    state: Literal["running", "paused", "promoted", "aborted", "rolled_back"]
    step: int
    started_at: datetime
    step_started_at: datetime
    reason: str = ""


class Deployment(Answer):
    """The desired serving state of a model."""

    model: str
    revision: int
    champion: int | None
    previous: int | None
    promoted_at: datetime | None
    routes: list[Route] = []
    rollout: Rollout | None = None


class SliceValue(Answer):
    """A metric on one slice."""

    slice: str
    value: Number | None
    low: Number | None
    high: Number | None
    rows: int


class GateResult(Answer):
    """One gate with its numbers."""

    expression: str
    verdict: Verdict
    value: Number | None = None
    low: Number | None = None
    high: Number | None = None
    threshold: Number | None = None
    confidence: float | None = None
    rows: int = 0
    blocks: int | None = None
    rows_needed: int | None = None
    note: str = ""
    slices: list[SliceValue] = []
    parts: list[GateResult] = []


class GateReport(Answer):
    """All gates of one version."""

    verdict: Verdict
    results: list[GateResult]
    rows: int


class Bin(Answer):
    """A histogram's bin."""

    low: Number
    high: Number
    count: int


class ColumnProfile(Answer):
    """What is known of one column."""

    name: str
    kind: str
    count: int
    nulls: int
    mean: Number | None = None
    variance: Number | None = None
    minimum: Number | None = None
    maximum: Number | None = None
    histogram: list[Bin] = []
    top: dict[str, int] = {}
    other: int = 0
    distinct: int | None = None


class Profile(Answer):
    """Column profiles of one set of rows."""

    rows: int
    columns: dict[str, ColumnProfile]


class SnapshotChunk(Answer):
    """One partition of a snapshot."""

    partition: str
    rows: int
    content_digest: str
    blob: str


class Snapshot(Answer):
    """Immutable rows as they were known at ``as_of``."""

    digest: str
    model: str
    rows: int
    labelled: int
    start: datetime | None
    until: datetime
    as_of: datetime
    schema_: dict[str, str] = Field(alias="schema")
    chunks: list[SnapshotChunk]
    profile: Profile
    code_digest: str


class Recipe(Answer):
    """Everything that a training depends on."""

    spec_digest: str
    code_digest: str
    snapshot_digest: str
    environment_digest: str
    params: dict[str, Plain]
    seed: int


class Compilation(Answer):
    """How the version is served, and why."""

    runtime: str
    reason: str = ""
    rows: int = 0
    difference: Number | None = None
    tolerance: Number | None = None
    onnx_us: Number | None = None
    python_us: Number | None = None
    onnx_p99_us: Number | None = None
    python_p99_us: Number | None = None
    size: int | None = None


class ModelVersion(Answer):
    """One trained model with everything known of it, and its aliases."""

    model: str
    number: int
    created_at: datetime
    as_of: datetime
    run: str
    attempt: str
    recipe: Recipe
    recipe_digest: str
    artifacts: dict[str, str]
    artifact_digest: str
    threshold: Number | None
    compilation: Compilation
    spec_json: str
    code_entry: str
    code_root: str
    parent: int | None = None
    metrics: dict[str, Number] = {}
    gates: GateReport | None = None
    profile: Profile | None = None
    score_profile: Profile | None = None
    classes: list[str] = []
    aliases: list[str] = []


class Candidate(Answer):
    """A line of a leaderboard."""

    name: str
    params: dict[str, Plain]
    metrics: dict[str, Number]
    objective: Number | None
    seconds: Number
    state: str = "complete"
    chosen: bool = False


class Run(Answer):
    """One training."""

    id: str
    model: str
    status: Literal["running", "finished", "failed", "cancelled"]
    started_at: datetime
    ended_at: datetime | None = None
    parent: str | None = None
    params: dict[str, Plain] = {}
    metrics: dict[str, Number] = {}
    tags: dict[str, str] = {}
    artifacts: dict[str, str] = {}
    snapshot: str | None = None
    leaderboard: list[Candidate] = []
    error: str | None = None


class MetricPoint(Answer):
    """One value of a run's metric."""

    key: str
    value: Number
    step: int
    at: datetime


class Measured(Answer):
    """A metric with its interval at 95 %."""

    value: Number | None
    low: Number | None = None
    high: Number | None = None


class Evaluation(Answer):
    """Realised quality over one cohort of predictions."""

    model: str
    version: int | None
    since: datetime
    until: datetime
    at: datetime
    maturity: Literal["estimated", "partial", "final"]
    predictions: int
    labelled: int
    censored: int
    metrics: dict[str, Measured] = {}


class ColumnDrift(Answer):
    """How far one column has moved."""

    column: str
    measure: str
    effect: Number
    low: Number
    threshold: Number
    p_value: Number
    alert: bool
    expected: str = ""
    seen: str = ""


class DriftReport(Answer):
    """All columns of one window against the training profile."""

    model: str
    version: int
    since: datetime
    until: datetime
    rows: int
    columns: list[ColumnDrift]


class ServiceHealth(Answer):
    """How the gateway fared in a window."""

    model: str
    since: datetime
    until: datetime
    requests: int
    predictions: int
    errors: int
    latency_p50: Number | None
    latency_p99: Number | None


class Incident(Answer):
    """Something that needs attention, with the numbers behind it."""

    id: str
    model: str
    kind: str
    fingerprint: str
    title: str
    detail: str
    opened_at: datetime
    numbers: dict[str, Number | int | str | None] = {}
    version: int | None = None
    resolved_at: datetime | None = None


class Event(Answer):
    """One thing that happened. ``payload`` has a ``kind`` and that kind's fields."""

    model: str
    at: datetime
    payload: dict[str, Any]
    actor: str
    once: str | None = None


class SealedEvent(Answer):
    """An event with its place in the hash chain."""

    position: int
    event: Event
    previous_hash: str
    hash: str
