"""Runs on the wire."""

from __future__ import annotations

from msgspec import Struct

from treadle.wire.mlflow.fields import Millis, Number, Pair, PairOut, Whole


class CreateRun(Struct, frozen=True):
    """``runs/create``. ``run_id`` is Treadle's own: clients that log offline name their runs."""

    run_id: str | None = None
    experiment_id: str | None = None
    user_id: str | None = None
    run_name: str | None = None
    start_time: Millis | None = None
    tags: list[Pair] | None = None


class RunAsked(Struct, frozen=True):
    """``runs/get``, ``delete``, ``restore``."""

    run_id: str | None = None
    run_uuid: str | None = None


class UpdateRun(Struct, frozen=True):
    """``runs/update``."""

    run_id: str | None = None
    run_uuid: str | None = None
    status: str | int | None = None
    end_time: Millis | None = None
    run_name: str | None = None


class MoveRuns(Struct, frozen=True):
    """``runs/move``, Treadle's own."""

    experiment_id: str | None = None
    run_id: str | None = None
    run_ids: list[str] | None = None


class SearchRuns(Struct, frozen=True):
    """``runs/search``; ``text`` (words to look for) and ``count`` (how many there are in all) are Treadle's own."""

    experiment_ids: list[str] | None = None
    filter: str | None = None
    run_view_type: str | int | None = None
    max_results: Whole | None = None
    order_by: list[str] | None = None
    page_token: str | None = None
    text: str | None = None
    count: bool | None = None


class LogMetric(Struct, frozen=True):
    """``runs/log-metric``."""

    key: str
    value: float
    timestamp: Millis
    run_id: str | None = None
    run_uuid: str | None = None
    step: Whole = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class MetricIn(Struct, frozen=True, gc=False):
    """A point of ``runs/log-batch``."""

    key: str
    value: float
    timestamp: Millis
    step: Whole = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class LogBatch(Struct, frozen=True):
    """``runs/log-batch``."""

    run_id: str | None = None
    metrics: list[MetricIn] = []
    params: list[Pair] = []
    tags: list[Pair] = []


class LogPair(Struct, frozen=True):
    """``runs/log-parameter``, ``set-tag``, ``delete-tag``."""

    run_id: str | None = None
    run_uuid: str | None = None
    key: str | None = None
    value: str | None = None


class LogModel(Struct, frozen=True):
    """``runs/log-model``."""

    run_id: str | None = None
    model_json: str | None = None


class RunInfoOut(Struct, frozen=True, omit_defaults=True):
    """What a run is."""

    run_id: str
    run_uuid: str
    run_name: str
    experiment_id: str
    user_id: str
    status: str
    start_time: int
    artifact_uri: str
    lifecycle_stage: str
    end_time: int | None = None


class MetricOut(Struct, frozen=True, gc=False):
    """The last point of a metric; ``min`` and ``max`` are Treadle's own. Fields come as in ``MetricSummary``."""

    key: str
    value: Number
    timestamp: int
    step: int
    min: Number
    max: Number


class RunDataOut(Struct, frozen=True, omit_defaults=True):
    """What was logged."""

    metrics: list[MetricOut] = []
    params: list[PairOut] = []
    tags: list[PairOut] = []


class DatasetOut(Struct, frozen=True, omit_defaults=True):
    """A data set."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


class DatasetInputOut(Struct, frozen=True, omit_defaults=True):
    """A data set that was used."""

    dataset: DatasetOut
    tags: list[PairOut] = []


class ModelInputOut(Struct, frozen=True):
    """A logged model that was used."""

    model_id: str


class ModelOutputOut(Struct, frozen=True):
    """A logged model that was made."""

    model_id: str
    step: int


class RunInputsOut(Struct, frozen=True, omit_defaults=True):
    """What a run used."""

    dataset_inputs: list[DatasetInputOut] = []
    model_inputs: list[ModelInputOut] = []


class RunOutputsOut(Struct, frozen=True, omit_defaults=True):
    """What a run made."""

    model_outputs: list[ModelOutputOut] = []


class RunOut(Struct, frozen=True):
    """A run."""

    info: RunInfoOut
    data: RunDataOut
    inputs: RunInputsOut
    outputs: RunOutputsOut


class OneRun(Struct, frozen=True):
    """The answer with one."""

    run: RunOut


class OneRunInfo(Struct, frozen=True):
    """The answer to an update."""

    run_info: RunInfoOut


class Runs(Struct, frozen=True, omit_defaults=True):
    """The answer with a page of them."""

    runs: list[RunOut] = []
    next_page_token: str | None = None
    count: int | None = None


class MovedRuns(Struct, frozen=True):
    """The answer to ``runs/move``."""

    runs: list[RunInfoOut]


class CommentAsked(Struct, frozen=True):
    """``runs/comments``, Treadle's own: what may be asked of a comment."""

    run_id: str | None = None
    comment_id: str | None = None
    text: str | None = None
    author: str | None = None


class CommentOut(Struct, frozen=True, omit_defaults=True):
    """A comment."""

    comment_id: str
    run_id: str
    author: str
    text: str
    timestamp: int
    edited: int | None = None


class OneComment(Struct, frozen=True):
    """The answer with one."""

    comment: CommentOut


class Comments(Struct, frozen=True):
    """The answer with those of a run."""

    comments: list[CommentOut]
