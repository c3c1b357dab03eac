"""Logged models on the wire."""

from __future__ import annotations

from msgspec import Struct

from treadle.wire.mlflow.fields import Number, Pair, PairOut, Whole


class Create(Struct, frozen=True):
    """``logged-models``. ``model_id`` is Treadle's own: what is imported keeps its id."""

    model_id: str | None = None
    experiment_id: str | None = None
    name: str | None = None
    model_type: str | None = None
    source_run_id: str | None = None
    params: list[Pair] | None = None
    tags: list[Pair] | None = None


class Params(Struct, frozen=True):
    """``logged-models/<id>/params``."""

    params: list[Pair] | None = None


class Finalize(Struct, frozen=True):
    """``PATCH logged-models/<id>``."""

    status: str | int | None = None


class Tags(Struct, frozen=True):
    """``PATCH logged-models/<id>/tags``."""

    tags: list[Pair] | None = None


class Asked(Struct, frozen=True):
    """``GET logged-models/<id>``."""

    allow_deleted: str = "false"


class Dataset(Struct, frozen=True):
    """A data set whose measurements are searched."""

    dataset_name: str | None = None
    dataset_digest: str | None = None


class OrderBy(Struct, frozen=True):
    """A term of an order."""

    field_name: str | None = None
    ascending: bool | None = True
    dataset_name: str | None = None
    dataset_digest: str | None = None


class Search(Struct, frozen=True):
    """``logged-models/search``."""

    experiment_ids: list[str] | None = None
    filter: str | None = None
    datasets: list[Dataset] | None = None
    max_results: Whole | None = None
    order_by: list[OrderBy] | None = None
    page_token: str | None = None


class Registration(Struct, frozen=True):
    """A version that was made of a model."""

    name: str
    version: str


class MetricOut(Struct, frozen=True, omit_defaults=True):
    """A point that was measured of a model."""

    key: str
    value: Number
    timestamp: int
    step: int
    model_id: str
    run_id: str
    dataset_name: str | None = None
    dataset_digest: str | None = None


class Info(Struct, frozen=True, omit_defaults=True):
    """What a model is."""

    model_id: str
    experiment_id: str
    name: str
    creation_timestamp_ms: int
    last_updated_timestamp_ms: int
    artifact_uri: str
    status: str
    model_type: str | None = None
    source_run_id: str | None = None
    status_message: str | None = None
    tags: list[PairOut] = []
    registrations: list[Registration] = []


class Data(Struct, frozen=True, omit_defaults=True):
    """What was logged of it."""

    params: list[PairOut] = []
    metrics: list[MetricOut] = []


class Model(Struct, frozen=True):
    """A logged model."""

    info: Info
    data: Data


class One(Struct, frozen=True):
    """The answer with one."""

    model: Model


class Several(Struct, frozen=True, omit_defaults=True):
    """The answer with a page of them."""

    models: list[Model] = []
    next_page_token: str | None = None
