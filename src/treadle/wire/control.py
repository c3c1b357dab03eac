"""What requests to the control plane and its answers look like on the wire; the source of the OpenAPI document.

Answers hold the records of :mod:`treadle.wire.records`. Requests with a field that does not exist are refused.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from treadle.wire.records import Answer, AppliedModel, Deployment, Evaluation, Incident, Number, Rollout, Verdict

MAX_FILES = 200
MAX_CODE_BYTES = 5_000_000
MAX_OUTCOMES = 100_000
TAKEN = frozenset({"joined", "late", "waiting", "revised", "duplicate"})

T = TypeVar("T")


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Actor = Annotated[str, Field(default="api", min_length=1, max_length=200, description="who asks, for the audit log")]


class BundleFile(_Request):
    """One file's content: ``text`` (UTF-8) or ``base64``, exactly one of them."""

    text: str | None = None
    base64: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> BundleFile:
        if (self.text is None) == (self.base64 is None):
            raise ValueError("a file has text or base64, one of them")
        return self

    def content(self) -> bytes:
        """The file's bytes. Raises ValueError for what is no base64."""
        if self.text is not None:
            return self.text.encode()
        try:
            return base64.b64decode(self.base64 or "", validate=True)
        except binascii.Error as error:
            raise ValueError(f"no base64: {error}") from error


class BundleRequest(_Request):
    """A model's code. ``files`` maps paths relative to the model file's folder to their content; ``entry`` is the
    model file among them; ``root`` the folder on the server's machine where data files beside the code lie."""

    entry: str = Field(min_length=1, max_length=500)
    files: dict[str, BundleFile] = Field(min_length=1, max_length=MAX_FILES)
    root: str = Field(default="", max_length=4096)
    commit: str | None = Field(default=None, max_length=64)
    dirty: bool = False


class ApplyRequest(BundleRequest):
    """A bundle that is to become the desired state. ``expected`` is the digest of the plan that was looked at."""

    expected: str | None = None
    actor: Actor


class PromoteRequest(_Request):
    """Give ``version`` all traffic at once."""

    version: int = Field(ge=1)
    reason: str = Field(default="asked for", max_length=2000)
    actor: Actor


class RollbackRequest(_Request):
    """Let the version before the champion answer again, or the version ``to``."""

    to: int | None = Field(default=None, ge=1)
    reason: str = Field(default="asked for", max_length=2000)
    actor: Actor


class TrainRequest(_Request):
    """Ask for a new version of what is known now; ``tune`` is how many sets of parameters to try (0: the defaults)."""

    reason: str = Field(default="asked for", max_length=2000)
    tune: int = Field(default=0, ge=0, le=10_000)
    actor: Actor


class OutcomeRequest(_Request):
    """What became of one prediction, named by ``prediction_id``, or by its row: the model's ``key``, and where it has
    none the ``time`` of the event, which may stand beside a key too.

    A ``time`` without a zone is in that of its column. ``observed_at`` is when the label became known, with its zone;
    now, unless given.
    """

    prediction_id: str | None = Field(default=None, min_length=1, max_length=200)
    key: str | int | None = None
    time: datetime | None = None
    label: bool | int | float | str
    observed_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> OutcomeRequest:
        if (self.prediction_id is None) == (self.key is None and self.time is None):
            raise ValueError("an outcome has a prediction_id, or a key or time, one of them")
        return self


class AdvanceRequest(_Request):
    """Move the virtual clock on to ``to``."""

    to: AwareDatetime


class ErrorDetail(Answer):
    """What is wrong and what to do. ``traceback`` is that of a model's own code, ``findings`` the broken data rules."""

    type: str
    message: str
    hint: str = ""
    traceback: str | None = None
    findings: list[dict[str, Any]] | None = None


class ErrorAnswer(Answer):
    """The body of every answer with a status of 400 or more."""

    error: ErrorDetail


class HealthAnswer(Answer):
    """``status`` is ``ok``, or ``starting`` (with status 503) while ``waiting_for`` is not empty."""

    status: Literal["ok", "starting"]
    version: str
    waiting_for: list[str]


class VersionAnswer(Answer):
    """The server's release."""

    version: str


class ChangeAnswer(Answer):
    """One thing that would change; None: not there."""

    path: str
    before: Any = None
    after: Any = None


class PlanAnswer(Answer):
    """What applying would do. ``digest`` goes into ``expected`` of the apply."""

    model: str
    base: int
    changes: list[ChangeAnswer]
    effects: list[str]
    digest: str
    spec: dict[str, Any]


class AppliedAnswer(Answer):
    """What applying did; ``changed`` is false where the bundle was the desired state already."""

    model: str
    revision: int
    changed: bool
    plan: PlanAnswer


class ModelSummary(Answer):
    """A line of the list of models."""

    name: str
    revision: int
    task: str
    doc: str
    applied_at: datetime
    champion: int | None = None
    challenger: int | None = None
    versions: int = 0


class ModelDetail(Answer):
    """A model with its aliases and where it stands in serving."""

    applied: AppliedModel
    aliases: dict[str, int]
    deployment: Deployment | None = None


class VersionSummary(Answer):
    """A line of the list of versions. ``reason`` says which gates did not pass, with their numbers."""

    model: str
    number: int
    created_at: datetime
    as_of: datetime
    run: str
    parent: int | None
    threshold: Number | None
    metrics: dict[str, Number]
    runtime: str
    recipe_digest: str
    artifact_digest: str
    verdict: Verdict | None = None
    reason: str = ""
    aliases: list[str]


class Doing(Answer):
    """One command that the loop carries out now, and for how many ``seconds`` already. ``share`` is how far it is, 0 to
    1, where that is known."""

    model: str
    lane: str
    what: str
    detail: str = ""
    share: float | None = None
    seconds: float = 0.0


class ModelStatus(Answer):
    """Where one model stands. ``training`` names the attempt under way, ``candidate`` the version at the gates,
    ``realised`` the last evaluation with labels, ``incidents`` are the open ones."""

    name: str
    revision: int
    champion: int | None = None
    challenger: int | None = None
    previous: int | None = None
    promoted_at: datetime | None = None
    training: str | None = None
    candidate: int | None = None
    rollout: Rollout | None = None
    realised: Evaluation | None = None
    incidents: list[Incident]


class StatusAnswer(Answer):
    """The whole server at a glance. ``loop`` is ``running`` or ``away`` (then it is being restarted)."""

    version: str
    home: str
    now: datetime
    virtual: bool
    loop: Literal["running", "away"]
    doing: list[Doing]
    gateways: list[dict[str, Any]]
    models: list[ModelStatus]


class TrainAnswer(Answer):
    """The attempt that was asked for, and what it may know."""

    model: str
    attempt: str
    as_of: datetime


class OutcomeAnswer(Answer):
    """What became of the record at ``index`` of the request.

    It was taken where ``status`` is ``joined``, ``waiting`` (for its prediction), ``revised`` or ``duplicate``; else
    ``message`` says why not.
    """

    index: int
    status: Literal["joined", "waiting", "revised", "duplicate", "conflicting", "unknown", "invalid"]
    message: str = ""


class OutcomesAnswer(Answer):
    """One answer a record, in their order."""

    accepted: int
    rejected: int
    results: list[OutcomeAnswer]


class ClockAnswer(Answer):
    """What time it is to the loop."""

    now: datetime
    virtual: bool


class Listed(Answer, Generic[T]):
    """A list that may grow fields beside it."""

    items: list[T]
