"""Runs as they are told to clients."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap

from treadle.domain.tracking import DatasetInput, MetricSummary, RunInfo, TrackedRun
from treadle.wire.mlflow import runs as wire
from treadle.wire.mlflow.fields import PairOut, number


def run_out(run: TrackedRun) -> wire.RunOut:
    """A run with everything but the points of its metrics."""
    return wire.RunOut(
        info_out(run.info),
        wire.RunDataOut(
            metrics_out(run.metrics),
            list(starmap(PairOut, run.params.items())),
            list(starmap(PairOut, run.tags.items())),
        ),
        wire.RunInputsOut(
            [_dataset_out(used) for used in run.datasets],
            [wire.ModelInputOut(model) for model in run.model_inputs],
        ),
        wire.RunOutputsOut([wire.ModelOutputOut(made.model_id, made.step) for made in run.model_outputs]),
    )


def metrics_out(metrics: Sequence[MetricSummary]) -> list[wire.MetricOut]:
    """The last points of metrics; only those of a run with NaN or infinities cost a look at each value."""
    whole = sum([metric.value + metric.least + metric.greatest for metric in metrics])
    if whole - whole == 0.0:
        return list(starmap(wire.MetricOut, metrics))
    return [
        wire.MetricOut(key, number(value), timestamp, step, number(least), number(greatest))
        for key, value, timestamp, step, least, greatest in metrics
    ]


def info_out(info: RunInfo) -> wire.RunInfoOut:
    """What a run is."""
    return wire.RunInfoOut(
        info.id,
        info.id,
        info.name,
        info.experiment,
        info.user,
        info.status.value,
        info.started,
        info.artifact_uri,
        "active" if info.active else "deleted",
        info.ended or None,
    )


def _dataset_out(used: DatasetInput) -> wire.DatasetInputOut:
    data = used.dataset
    return wire.DatasetInputOut(
        wire.DatasetOut(data.name, data.digest, data.source_type, data.source, data.schema, data.profile),
        list(starmap(PairOut, used.tags.items())),
    )
