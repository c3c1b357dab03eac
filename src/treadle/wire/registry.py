"""The registry as the control plane tells it: what clients of MLflow registered, and what Treadle trained."""

from __future__ import annotations

from datetime import datetime

from treadle.wire.records import Answer


class RegistryVersion(Answer):
    """A version of a registered model. ``owned``: Treadle trained it, and it can be served."""

    name: str
    number: int
    created_at: datetime
    updated_at: datetime
    source: str
    stage: str
    run: str | None = None
    description: str | None = None
    user: str | None = None
    logged_model: str | None = None
    tags: dict[str, str]
    aliases: list[str]
    owned: bool


class RegistryModel(Answer):
    """A registered model; ``latest`` is the newest version of each stage. ``owned``: Treadle trains versions of it."""

    name: str
    created_at: datetime
    updated_at: datetime
    description: str | None = None
    tags: dict[str, str]
    aliases: dict[str, int]
    owned: bool
    latest: list[RegistryVersion]


class RegistryDetail(RegistryModel):
    """A registered model with all its versions, newest first."""

    versions: list[RegistryVersion]
