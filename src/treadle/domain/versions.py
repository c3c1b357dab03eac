"""Model versions: a recipe, what came of it, and how it may be served."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from treadle.domain import codec
from treadle.domain.data import Profile
from treadle.domain.gates import GateReport


@dataclass(frozen=True)
class Recipe:
    """Everything that a training depends on; equal digests mean an equal training."""

    spec_digest: str
    code_digest: str
    snapshot_digest: str
    environment_digest: str
    params: dict[str, float | int | str | bool]
    seed: int

    @property
    def digest(self) -> str:
        """The sha256 of the recipe."""
        return codec.digest(self)


@dataclass(frozen=True)
class Compilation:
    """Whether the model could be compiled to ONNX, and what that brought.

    ``runtime`` is ``onnx`` where the answers agreed on held-out rows within ``tolerance``, else ``python`` with
    the ``reason``. ``difference`` is the largest absolute difference of scores over ``rows`` rows. Times are
    microseconds of a call with one row: the median, and the 99th percentile as ``p99``.
    """

    runtime: str
    reason: str = ""
    rows: int = 0
    difference: float | None = None
    tolerance: float | None = None
    onnx_us: float | None = None
    python_us: float | None = None
    onnx_p99_us: float | None = None
    python_p99_us: float | None = None
    size: int | None = None


@dataclass(frozen=True)
class ModelVersion:
    """One trained model. ``number`` counts from 1 within its model.

    ``artifacts`` maps a name (``model.pkl``, ``model.onnx``) to a blob digest; ``artifact_digest`` covers all of
    them. ``threshold`` turns a score into a decision (binary models). ``profile`` describes the training rows and
    ``score_profile`` the scores on held-out rows. ``snapshot``, ``run`` and ``parent`` (the champion it was compared
    with) are its lineage.
    """

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
    threshold: float | None
    compilation: Compilation
    spec_json: str
    code_entry: str
    code_root: str
    parent: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    gates: GateReport | None = None
    profile: Profile | None = None
    score_profile: Profile | None = None
    classes: tuple[str, ...] = ()
