"""Registered models and their versions on the wire. ``reason`` is Treadle's own: why something is changed."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from treadle.wire.mlflow.fields import Pair, PairOut, Whole


class CreateModel(Struct, frozen=True):
    """``registered-models/create``."""

    name: str | None = None
    tags: list[Pair] | None = None
    description: str | None = None
    reason: str | None = None


class ModelNamed(Struct, frozen=True):
    """``registered-models/get``, ``delete``."""

    name: str | None = None
    reason: str | None = None


class RenameModel(Struct, frozen=True):
    """``registered-models/rename``."""

    name: str | None = None
    new_name: str | None = None
    reason: str | None = None


class DescribeModel(Struct, frozen=True):
    """``registered-models/update``."""

    name: str | None = None
    description: str | None = None


class Search(Struct, frozen=True):
    """``registered-models/search``, ``model-versions/search``."""

    filter: str | None = None
    max_results: Whole | None = None
    order_by: list[str] | None = None
    page_token: str | None = None


class LatestVersions(Struct, frozen=True):
    """``registered-models/get-latest-versions``."""

    name: str | None = None
    stages: list[str] | None = None


class ModelTag(Struct, frozen=True):
    """``registered-models/set-tag``, ``delete-tag``."""

    name: str | None = None
    key: str | None = None
    value: str | None = None


class Alias(Struct, frozen=True):
    """``registered-models/alias``."""

    name: str | None = None
    alias: str | None = None
    version: str | int | None = None
    reason: str | None = None


class CreateVersion(Struct, frozen=True):
    """``model-versions/create``."""

    name: str | None = None
    source: str | None = None
    run_id: str | None = None
    tags: list[Pair] | None = None
    run_link: str | None = None
    description: str | None = None
    model_id: str | None = None
    reason: str | None = None


class VersionNamed(Struct, frozen=True):
    """``model-versions/get``, ``delete``, ``get-download-uri``."""

    name: str | None = None
    version: str | int | None = None
    reason: str | None = None


class DescribeVersion(Struct, frozen=True):
    """``model-versions/update``."""

    name: str | None = None
    version: str | int | None = None
    description: str | UnsetType | None = UNSET


class MoveStage(Struct, frozen=True):
    """``model-versions/transition-stage``."""

    name: str | None = None
    version: str | int | None = None
    stage: str | None = None
    archive_existing_versions: bool | None = None
    reason: str | None = None


class VersionTag(Struct, frozen=True):
    """``model-versions/set-tag``, ``delete-tag``."""

    name: str | None = None
    version: str | int | None = None
    key: str | None = None
    value: str | None = None


class VersionOut(Struct, frozen=True, omit_defaults=True):
    """A version."""

    name: str
    version: str
    creation_timestamp: int
    last_updated_timestamp: int
    current_stage: str
    source: str
    status: str
    description: str | None = None
    user_id: str | None = None
    run_id: str | None = None
    run_link: str | None = None
    tags: list[PairOut] = []
    aliases: list[str] = []
    model_id: str | None = None


class AliasOut(Struct, frozen=True):
    """An alias of a model."""

    alias: str
    version: str


class ModelOut(Struct, frozen=True, omit_defaults=True):
    """A registered model."""

    name: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str | None = None
    latest_versions: list[VersionOut] = []
    tags: list[PairOut] = []
    aliases: list[AliasOut] = []


class OneModel(Struct, frozen=True):
    """The answer with one."""

    registered_model: ModelOut


class Models(Struct, frozen=True, omit_defaults=True):
    """The answer with a page of them."""

    registered_models: list[ModelOut] = []
    next_page_token: str | None = None


class OneVersion(Struct, frozen=True):
    """The answer with one version."""

    model_version: VersionOut


class Versions(Struct, frozen=True, omit_defaults=True):
    """The answer with versions."""

    model_versions: list[VersionOut] = []
    next_page_token: str | None = None


class DownloadUri(Struct, frozen=True):
    """Where a version's files lie."""

    artifact_uri: str
