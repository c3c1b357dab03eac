"""Runs as they are told to clients."""

from __future__ import annotations

from treadle.domain.tracking import DatasetInput, RunInfo, TrackedRun
from treadle.wire.mlflow import runs as wire
from treadle.wire.mlflow.fields import PairOut, number


def run_out(run: TrackedRun) -> wire.RunOut:
    """A run with everything but the points of its metrics."""
    return wire.RunOut(
        info_out(run.info),
        wire.RunDataOut(
            [
                wire.MetricOut(
                    metric.key,
                    number(metric.value),
                    metric.timestamp,
                    metric.step,
                    number(metric.least),
                    number(metric.greatest),
                )
                for metric in run.metrics
            ],
            [PairOut(key, value) for key, value in run.params.items()],
            [PairOut(key, value) for key, value in run.tags.items()],
        ),
        wire.RunInputsOut(
            [_dataset_out(used) for used in run.datasets],
            [wire.ModelInputOut(model) for model in run.model_inputs],
        ),
        wire.RunOutputsOut([wire.ModelOutputOut(made.model_id, made.step) for made in run.model_outputs]),
    )


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
        [PairOut(key, value) for key, value in used.tags.items()],
    )
