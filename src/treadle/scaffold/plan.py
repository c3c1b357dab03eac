"""What is to be written, decided: pure data between the guesses and the text of the model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from treadle.scaffold.leakage import Suspect
from treadle.scaffold.profile import TableFacts
from treadle.scaffold.recipes import Recipe
from treadle.scaffold.targets import Label
from treadle.scaffold.thresholds import FirstGate
from treadle.scaffold.when import Time


class Role(Enum):
    """What a column of the row is for."""

    FEATURE = "feature"
    KEY = "key"
    TIME = "time"
    LABEL = "label"


@dataclass(frozen=True)
class PlannedColumn:
    """A column of the row class.

    ``name`` is its name in the file, None where it is derived from the time. ``recipe`` reads it; a derived one has
    none but the time, and is what ``asked`` says of it. ``category`` tells text, to be encoded, from numbers.
    """

    name: str | None
    attribute: str
    type: str
    role: Role
    recipe: Recipe | None
    nullable: bool = False
    rules: Mapping[str, object] = field(default_factory=dict)
    comment: str = ""
    category: bool = False
    asked: str = ""


@dataclass(frozen=True)
class Decision:
    """One thing that was guessed or said: what, how it was decided, and why."""

    subject: str
    choice: str
    reason: str


@dataclass(frozen=True)
class LeftOut:
    """A column of the file that the model does not have, and why."""

    column: str
    reason: str


@dataclass(frozen=True, eq=False)
class ModelPlan:
    """Everything that a model file says. ``split`` has the shares for validation and test."""

    name: str
    table: TableFacts
    label: Label
    columns: tuple[PlannedColumn, ...]
    left_out: tuple[LeftOut, ...]
    suspects: tuple[Suspect, ...]
    decisions: tuple[Decision, ...]
    notes: tuple[str, ...]
    gate: FirstGate
    candidate: str
    split: tuple[float, float]
    parts: tuple[int, int, int]
    time: Time | None = None
    known_after: timedelta = timedelta(days=1)
    known_after_reason: str = ""

    def of(self, role: Role) -> PlannedColumn | None:
        """The first column of a role."""
        return next((column for column in self.columns if column.role is role), None)

    @property
    def features(self) -> tuple[PlannedColumn, ...]:
        """The columns that the model learns from, in order."""
        return tuple(column for column in self.columns if column.role is Role.FEATURE)

    @property
    def renamed(self) -> dict[str, str]:
        """Attributes by the names in the file that cannot be one."""
        return {c.name: c.attribute for c in self.columns if c.name is not None and c.name != c.attribute}
