"""Experiments: named sets of runs, in folders of any depth."""

from __future__ import annotations

from treadle.api.mlflow import rules
from treadle.api.mlflow.calls import Answer, Call, Routes, answer
from treadle.api.mlflow.errors import ProtocolError
from treadle.api.mlflow.filters import EXPERIMENTS, condition, orders
from treadle.api.mlflow.waiting import millis, read, written
from treadle.domain.errors import NotActive
from treadle.domain.folders import below, within
from treadle.domain.search import AllOf, View
from treadle.domain.tracking import Experiment
from treadle.ports.tracking import Experiments
from treadle.wire.mlflow import experiments as wire
from treadle.wire.mlflow.fields import PairOut

routes = Routes()
_PAGE = 1000


@routes.add("POST", "/api/2.0/mlflow/experiments/create")
async def create(call: Call) -> Answer:
    """A new experiment."""
    asked = await call.json(wire.CreateExperiment)
    name = rules.required(asked.name, "name")
    rules.check_experiment_name(name)
    if asked.artifact_location and asked.artifact_location.startswith("runs:"):
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE",
            f"Artifact location cannot be a runs:/ URI. Given: '{asked.artifact_location}'",
        )
    made = await written(
        call.services.tracking.create_experiment(
            name,
            at=millis(call.services.clock),
            artifact_location=asked.artifact_location or None,
            tags=dict(rules.pairs(asked.tags or (), "tags")),
        )
    )
    return answer(wire.CreatedExperiment(made.id))


@routes.add("GET", "/api/2.0/mlflow/experiments/get")
async def get(call: Call) -> Answer:
    """One by its id, deleted or not."""
    asked = await call.given(wire.ExperimentAsked)
    wanted = rules.experiment_id(rules.required(asked.experiment_id, "experiment_id"))
    return answer(wire.OneExperiment(_out(await read(call.services.tracking.get_experiment, wanted))))


@routes.add("GET", "/api/2.0/mlflow/experiments/get-by-name")
async def get_by_name(call: Call) -> Answer:
    """One by its name."""
    name = rules.required((await call.given(wire.ExperimentNamed)).experiment_name, "experiment_name")
    return answer(wire.OneExperiment(_out(await read(call.services.tracking.experiment_by_name, name))))


@routes.add("POST", "/api/2.0/mlflow/experiments/search")
async def search(call: Call) -> Answer:
    """Those that fulfil a filter."""
    return await _search(call, await call.json(wire.SearchExperiments))


@routes.add("GET", "/api/2.0/mlflow/experiments/search")
@routes.add("GET", "/api/2.0/mlflow/experiments/list")
async def search_by_address(call: Call) -> Answer:
    """The same, asked for in the address; ``list`` is its older name."""
    return await _search(call, await call.given(wire.SearchExperiments))


@routes.add("POST", "/api/2.0/mlflow/experiments/update")
async def update(call: Call) -> Answer:
    """A new name."""
    asked = await call.json(wire.UpdateExperiment)
    wanted = rules.experiment_id(rules.required(asked.experiment_id, "experiment_id"))
    name = rules.required(asked.new_name, "new_name")
    rules.check_experiment_name(name)
    try:
        await written(call.services.tracking.rename_experiment(wanted, name, at=millis(call.services.clock)))
    except NotActive as error:
        raise ProtocolError("INVALID_STATE", "Cannot rename a non-active experiment.") from error
    return answer()


@routes.add("POST", "/api/2.0/mlflow/experiments/delete")
async def delete(call: Call) -> Answer:
    """Mark as deleted, with its runs."""
    asked = await call.json(wire.ExperimentAsked)
    wanted = rules.experiment_id(rules.required(asked.experiment_id, "experiment_id"))
    await written(call.services.tracking.delete_experiment(wanted, at=millis(call.services.clock)))
    return answer()


@routes.add("POST", "/api/2.0/mlflow/experiments/restore")
async def restore(call: Call) -> Answer:
    """Bring back, under another name where its own was taken meanwhile."""
    asked = await call.json(wire.RestoreExperiment)
    wanted = rules.experiment_id(rules.required(asked.experiment_id, "experiment_id"))
    if asked.name:
        rules.check_experiment_name(asked.name)
    now = millis(call.services.clock)
    await written(call.services.tracking.restore_experiment(wanted, at=now, name=asked.name or None))
    return answer()


@routes.add("POST", "/api/2.0/mlflow/experiments/set-experiment-tag")
async def set_tag(call: Call) -> Answer:
    """A tag, new or changed."""
    asked = await call.json(wire.ExperimentTag)
    wanted = rules.experiment_id(rules.required(asked.experiment_id, "experiment_id"))
    key = rules.required(asked.key, "key")
    rules.check_name(key, "key", "key")
    await written(call.services.tracking.set_experiment_tag(wanted, key, asked.value or ""))
    return answer()


@routes.add("POST", "/api/2.0/mlflow/experiments/delete-experiment-tag")
async def delete_tag(call: Call) -> Answer:
    """A tag less."""
    asked = await call.json(wire.ExperimentTag)
    wanted = rules.experiment_id(rules.required(asked.experiment_id, "experiment_id"))
    await written(call.services.tracking.delete_experiment_tag(wanted, rules.required(asked.key, "key")))
    return answer()


@routes.add("GET", "/api/2.0/mlflow/experiments/folders")
async def folders(call: Call) -> Answer:
    """The folders directly below a path, with how many experiments are in and below each. Treadle's own."""
    path = ((await call.given(wire.FoldersAsked)).path or "").strip("/")
    names = await read(_all_names, call.services.tracking)
    found = [wire.Folder(name, count) for name, count in sorted(below(path, names).items())]
    return answer(wire.Folders(found))


async def _search(call: Call, asked: wire.SearchExperiments) -> Answer:
    wanted = condition(asked.filter or "", EXPERIMENTS)
    folder = (asked.folder or "").strip("/")
    if folder:
        wanted = AllOf((wanted, within(folder)))
    order, view = orders(asked.order_by or (), EXPERIMENTS), rules.view(asked.view_type, "view_type")
    limit, cursor = rules.page_size(asked.max_results), asked.page_token or None

    def page() -> Answer:
        found = call.services.tracking.search_experiments(wanted, order, view=view, limit=limit, cursor=cursor)
        return answer(wire.Experiments([_out(experiment) for experiment in found.items], found.cursor))

    return await read(page)


def _all_names(tracking: Experiments) -> list[str]:
    """The names of all active experiments."""
    names: list[str] = []
    cursor: str | None = None
    while True:
        page = tracking.search_experiments(view=View.ACTIVE, limit=_PAGE, cursor=cursor)
        names += [experiment.name for experiment in page.items]
        cursor = page.cursor
        if cursor is None:
            return names


def _out(experiment: Experiment) -> wire.ExperimentOut:
    return wire.ExperimentOut(
        experiment.id,
        experiment.name,
        experiment.artifact_location,
        "active" if experiment.active else "deleted",
        experiment.updated,
        experiment.created,
        [PairOut(key, value) for key, value in experiment.tags.items()],
    )
