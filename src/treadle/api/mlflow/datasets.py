"""Data sets and logged models that runs use and make."""

from __future__ import annotations

from treadle.api.mlflow import rules
from treadle.api.mlflow.bodies import missing_value
from treadle.api.mlflow.calls import Answer, Call, Routes, answer
from treadle.api.mlflow.errors import ProtocolError
from treadle.api.mlflow.waiting import read, written
from treadle.domain.tracking import Dataset, DatasetInput, ModelOutput
from treadle.wire.mlflow import datasets as wire

routes = Routes()
MAX_EXPERIMENTS = 20
LIMITS = {"name": 500, "digest": 36}
MAX_TAG_KEY = 255


@routes.add("POST", "/api/2.0/mlflow/runs/log-inputs")
async def log_inputs(call: Call) -> Answer:
    """What a run used."""
    asked = await call.json(wire.LogInputs)
    run = rules.run_id(asked.run_id)
    datasets = [_dataset_input(given) for given in asked.datasets or ()]
    models = [rules.required(model.model_id, "models[].model_id") for model in asked.models or ()]
    await written(call.services.tracking.log_inputs(run, datasets=datasets, models=models))
    return answer()


@routes.add("POST", "/api/2.0/mlflow/runs/outputs")
async def log_outputs(call: Call) -> Answer:
    """What a run made."""
    asked = await call.json(wire.LogOutputs)
    run = rules.run_id(asked.run_id)
    if asked.models is None:
        raise missing_value("models")
    models = [ModelOutput(rules.required(made.model_id, "models[].model_id"), made.step) for made in asked.models]
    await written(call.services.tracking.log_outputs(run, models))
    return answer()


@routes.add("POST", "/api/2.0/mlflow/experiments/search-datasets")
async def search(call: Call) -> Answer:
    """The data sets that the runs of some experiments used."""
    given = (await call.json(wire.SearchDatasets)).experiment_ids or []
    if not given:
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE", "SearchDatasets request must specify at least one experiment_id."
        )
    if len(given) > MAX_EXPERIMENTS:
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE",
            f"SearchDatasets request cannot specify more than {MAX_EXPERIMENTS} experiment_ids. "
            f"Received {len(given)} experiment_ids.",
        )
    experiments = [rules.experiment_id(experiment) for experiment in given]
    found = await read(call.services.tracking.search_datasets, experiments)
    return answer(
        wire.Datasets([wire.DatasetSummaryOut(one.experiment, one.name, one.digest, one.context) for one in found])
    )


def _dataset_input(given: wire.DatasetInputIn) -> DatasetInput:
    data = given.dataset
    if data is None:
        raise ProtocolError("INVALID_PARAMETER_VALUE", "Dataset cannot be None")
    for field in ("name", "digest", "source_type", "source"):
        value = getattr(data, field)
        if value is None:
            raise ProtocolError("INVALID_PARAMETER_VALUE", f"Dataset {field} cannot be None")
        if len(value) > LIMITS.get(field, len(value)):
            raise _too_long(field, LIMITS[field])
    tags = {}
    for tag in given.tags or ():
        if tag.key is None or tag.value is None:
            what = "key" if tag.key is None else "value"
            raise ProtocolError("INVALID_PARAMETER_VALUE", f"InputTag {what} cannot be None")
        if len(tag.key) > MAX_TAG_KEY:
            raise _too_long("key", MAX_TAG_KEY)
        tags[tag.key] = tag.value
    dataset = Dataset(
        data.name or "",
        data.digest or "",
        data.source_type or "",
        data.source or "",
        data.schema or None,
        data.profile or None,
    )
    return DatasetInput(dataset, tags)


def _too_long(field: str, limit: int) -> ProtocolError:
    return ProtocolError("INVALID_PARAMETER_VALUE", f"'{field}' exceeds the maximum length of {limit} characters")
