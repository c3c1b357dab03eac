"""Experiments on the wire."""

from __future__ import annotations

from msgspec import Struct

from treadle.wire.mlflow.fields import Pair, PairOut, Whole


class CreateExperiment(Struct, frozen=True):
    """``experiments/create``."""

    name: str | None = None
    artifact_location: str | None = None
    tags: list[Pair] | None = None


class CreatedExperiment(Struct, frozen=True):
    """The answer to it."""

    experiment_id: str


class ExperimentAsked(Struct, frozen=True):
    """``experiments/get``, ``delete``."""

    experiment_id: str | None = None


class RestoreExperiment(Struct, frozen=True):
    """``experiments/restore``; ``name`` is Treadle's own: under which name it comes back."""

    experiment_id: str | None = None
    name: str | None = None


class ExperimentNamed(Struct, frozen=True):
    """``experiments/get-by-name``."""

    experiment_name: str | None = None


class UpdateExperiment(Struct, frozen=True):
    """``experiments/update``."""

    experiment_id: str | None = None
    new_name: str | None = None


class SearchExperiments(Struct, frozen=True):
    """``experiments/search``; ``folder`` is Treadle's own: experiments below it, at any depth."""

    max_results: Whole | None = None
    page_token: str | None = None
    filter: str | None = None
    order_by: list[str] | None = None
    view_type: str | int | None = None
    folder: str | None = None


class ExperimentTag(Struct, frozen=True):
    """``experiments/set-experiment-tag``, ``delete-experiment-tag``."""

    experiment_id: str | None = None
    key: str | None = None
    value: str | None = None


class ExperimentOut(Struct, frozen=True, omit_defaults=True):
    """An experiment."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    last_update_time: int = 0
    creation_time: int = 0
    tags: list[PairOut] = []


class OneExperiment(Struct, frozen=True):
    """The answer with one."""

    experiment: ExperimentOut


class Experiments(Struct, frozen=True, omit_defaults=True):
    """The answer with a page of them."""

    experiments: list[ExperimentOut] = []
    next_page_token: str | None = None


class Folder(Struct, frozen=True):
    """A folder of experiments: how many are in it and below it."""

    path: str
    experiments: int


class Folders(Struct, frozen=True):
    """``experiments/folders``."""

    folders: list[Folder]


class FoldersAsked(Struct, frozen=True):
    """``experiments/folders``: what is directly below ``path``; without it, at the top."""

    path: str | None = None
