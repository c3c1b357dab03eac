"""Data sets and models that runs use and make, on the wire."""

from __future__ import annotations

from msgspec import Struct

from treadle.wire.mlflow.fields import Whole


class TagIn(Struct, frozen=True):
    """A tag of an input."""

    key: str | None = None
    value: str | None = None


class DatasetIn(Struct, frozen=True):
    """A data set."""

    name: str | None = None
    digest: str | None = None
    source_type: str | None = None
    source: str | None = None
    schema: str | None = None
    profile: str | None = None


class DatasetInputIn(Struct, frozen=True):
    """A data set that is used."""

    dataset: DatasetIn | None = None
    tags: list[TagIn] | None = None


class ModelIn(Struct, frozen=True):
    """A logged model that is used, or made at a step."""

    model_id: str
    step: Whole = 0


class LogInputs(Struct, frozen=True):
    """``runs/log-inputs``."""

    run_id: str | None = None
    datasets: list[DatasetInputIn] | None = None
    models: list[ModelIn] | None = None


class LogOutputs(Struct, frozen=True):
    """``runs/outputs``."""

    run_id: str | None = None
    models: list[ModelIn] | None = None


class SearchDatasets(Struct, frozen=True):
    """``experiments/search-datasets``."""

    experiment_ids: list[str] | None = None


class DatasetSummaryOut(Struct, frozen=True, omit_defaults=True):
    """A data set of an experiment."""

    experiment_id: str
    name: str
    digest: str
    context: str | None = None


class Datasets(Struct, frozen=True, omit_defaults=True):
    """The answer."""

    dataset_summaries: list[DatasetSummaryOut] = []
