"""A model's declaration as pure data: hashable by digest, JSON both ways, printable.

``ModelSpec`` is what leaves the model's environment; the server never imports user code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from treadle.domain import codec
from treadle.domain.errors import NotFound
from treadle.spec.expressions import Expression, RolloutStep, Trigger


@dataclass(frozen=True)
class ColumnSpec:
    """One column of the row.

    ``type`` is one of ``str, int, float, bool, datetime, date``. Bounds are inclusive for ``ge`` and ``le``. ``nulls``
    is the largest allowed share of missing values, 0 to 1 (0 unless ``nullable``; None with ``nullable`` means any).
    ``zone`` names the zone of naive times. ``slice`` marks the columns whose values metrics are reported by.
    """

    name: str
    type: str
    nullable: bool = False
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    one_of: tuple[str | int | float | bool, ...] | None = None
    nulls: float | None = None
    unique: bool = False
    slice: bool = False
    zone: str | None = None
    doc: str = ""


@dataclass(frozen=True)
class ParamSpec:
    """One field of the params class. ``type`` is ``float, int, str, bool``; a fixed one has no range and no choices."""

    name: str
    type: str
    default: float | int | str | bool
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[str | int | float | bool, ...] | None = None

    @property
    def tunable(self) -> bool:
        """Whether tuning may change it."""
        return self.low is not None or self.choices is not None


@dataclass(frozen=True)
class SplitSpec:
    """By time: the oldest rows train, then ``validation``, the newest part is ``test``, for gates alone.

    Each part is a share of the rows' time span (0 to 1), or a number of seconds where ``in_seconds``.
    """

    validation: float = 0.15
    test: float = 0.25
    in_seconds: bool = False


@dataclass(frozen=True)
class ResourceSpec:
    """What one step or worker may use. ``memory`` is in bytes; None means no limit of its own."""

    cpus: float | None = None
    memory: int | None = None
    gpus: float = 0


@dataclass(frozen=True)
class FunctionSpec:
    """A function of the user's: its name in the file, and the frame its rows come in (polars, pandas, pyarrow, rows).

    ``wants`` lists the optional parameters it takes (``params``, ``trial``, ``validation``, ``seed``).
    """

    name: str
    frame: str = "polars"
    wants: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelSpec:
    """The whole declaration.

    ``task`` is ``binary``, ``multiclass`` or ``regression``, from the label's type. ``threshold`` is a number,
    ``"worth"`` or None. ``window`` is the length of history to train on, None for all. ``probation`` is how long after
    its promotion a version that breaks a gate is rolled back. ``objective`` is the metric that tuning improves.
    ``poll`` is how often outcomes are pulled; ``spacing`` the least time between trainings that live quality asks for.
    """

    name: str
    doc: str
    row: str
    columns: tuple[ColumnSpec, ...]
    label: str
    task: str
    key: str | None = None
    time: str | None = None
    horizon: timedelta | None = None
    threshold: float | str | None = None
    window: timedelta | None = None
    probation: timedelta = timedelta(days=14)
    poll: timedelta = timedelta(days=1)
    spacing: timedelta = timedelta(days=7)
    objective: str | None = None
    seed: int = 0
    params_class: str | None = None
    params: tuple[ParamSpec, ...] = ()
    source: FunctionSpec | None = None
    outcomes: FunctionSpec | None = None
    features: FunctionSpec | None = None
    train: FunctionSpec | None = None
    predict: FunctionSpec | None = None
    worth: FunctionSpec | None = None
    checks: tuple[FunctionSpec, ...] = ()
    gates: tuple[Expression, ...] = ()
    rollout: tuple[RolloutStep, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    split: SplitSpec = field(default_factory=SplitSpec)
    resources: ResourceSpec = field(default_factory=ResourceSpec)
    requirements: tuple[str, ...] = ()
    requires_python: str | None = None

    @property
    def digest(self) -> str:
        """The sha256 of the declaration."""
        return codec.digest(self)

    def to_json(self) -> str:
        """Canonical JSON."""
        return codec.dumps(self)

    @staticmethod
    def from_json(text: str | bytes) -> ModelSpec:
        """The inverse of :meth:`to_json`."""
        return codec.loads(ModelSpec, text)

    def column(self, name: str) -> ColumnSpec:
        """A column by name. Raises NotFound."""
        for column in self.columns:
            if column.name == name:
                return column
        raise NotFound(
            f"model {self.name!r} has no column {name!r}",
            hint="its columns are " + ", ".join(c.name for c in self.columns),
        )

    @property
    def features_in(self) -> tuple[ColumnSpec, ...]:
        """The columns of a request: the schema without the label."""
        return tuple(c for c in self.columns if c.name != self.label)

    @property
    def slices(self) -> tuple[str, ...]:
        """The columns declared with ``slice=True``."""
        return tuple(c.name for c in self.columns if c.slice)

    def default_params(self) -> dict[str, float | int | str | bool]:
        """The params class's defaults by name."""
        return {p.name: p.default for p in self.params}
