"""The registry that clients of MLflow see: registered models, their versions, stages and aliases.

Versions that Treadle's loop trained are registered versions too (``owned``): docs/decisions/0005-one-registry.md. Times
are milliseconds since 1970 in UTC.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from treadle.domain.gates import GateReport
from treadle.domain.versions import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
OWNED_ALIASES = (CHAMPION, CHALLENGER)
"""The aliases that the loop moves, on models that it trains."""

PROMPT_TAG = "mlflow.prompt.is_prompt"
"""The tag of a registered model that is a prompt; searches leave prompts out unless they ask for them."""


class Stage(enum.Enum):
    """Where a version is on its way; older clients ask for models by it."""

    NONE = "None"
    STAGING = "Staging"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"


@dataclass(frozen=True)
class Change:
    """When something is changed, by whom, and why."""

    at: datetime
    actor: str
    reason: str = ""

    @property
    def millis(self) -> int:
        """The time in milliseconds since 1970."""
        return round(self.at.timestamp() * 1000)


@dataclass(frozen=True)
class NewVersion:
    """A version before it has a number. ``location`` is where its files lie, once ``source`` is resolved."""

    source: str
    location: str
    run: str | None = None
    run_link: str | None = None
    description: str | None = None
    user: str | None = None
    model_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of a registered model; ``number`` counts from 1 within it and is never given twice.

    ``owned``: Treadle's loop trained it, and moves its stage. The ``location`` of an owned version is that of its run.
    """

    name: str
    number: int
    created: int
    updated: int
    source: str
    location: str
    stage: Stage = Stage.NONE
    run: str | None = None
    run_link: str | None = None
    description: str | None = None
    user: str | None = None
    model_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Sequence[str] = ()
    owned: bool = False


@dataclass(frozen=True)
class RegisteredModel:
    """A name with versions. ``latest`` is the newest version of each stage, by number.

    ``owned``: Treadle's loop trains versions of it.
    """

    name: str
    created: int
    updated: int
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    latest: Sequence[RegisteredVersion] = ()
    owned: bool = False


def owned_source(version: ModelVersion) -> str:
    """Where the registry says that a version of the loop's came from."""
    return f"runs:/{version.run}"


def owned_tags(version: ModelVersion) -> dict[str, str]:
    """What the registry tells of a version of the loop's."""
    tags = {
        "treadle.attempt": version.attempt,
        "treadle.recipe": version.recipe_digest,
        "treadle.artifact": version.artifact_digest,
        "treadle.runtime": version.compilation.runtime,
    }
    return tags if version.gates is None else {**tags, **dict([verdict_tag(version.gates)])}


def verdict_tag(report: GateReport) -> tuple[str, str]:
    """The tag that tells what the gates found: ``pass``, ``fail`` or ``not_enough_data``."""
    return "treadle.gates", report.verdict.value


def owned_stage(number: int, before: Stage, champion: int | None, challenger: int | None) -> Stage:
    """The stage of an owned version, by where the loop's aliases point now."""
    if number == champion:
        return Stage.PRODUCTION
    if number == challenger:
        return Stage.STAGING
    if before is Stage.PRODUCTION or before is Stage.ARCHIVED:
        return Stage.ARCHIVED
    return Stage.NONE
