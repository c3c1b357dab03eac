"""Runs: their lives and how they are found."""

from __future__ import annotations

from treadle.api.mlflow import rules
from treadle.api.mlflow.calls import Answer, Call, Routes, answer
from treadle.api.mlflow.errors import ProtocolError
from treadle.api.mlflow.filters import RUNS, condition, orders
from treadle.api.mlflow.runs_out import info_out, run_out
from treadle.api.mlflow.waiting import millis, read, written
from treadle.domain.run_names import random_name
from treadle.domain.tracking import RUN_NAME_TAG
from treadle.wire.mlflow import runs as wire

routes = Routes()
USER_TAG = "mlflow.user"


@routes.add("POST", "/api/2.0/mlflow/runs/create")
async def create(call: Call) -> Answer:
    """A new run; one whose id the client chose is made once."""
    asked = await call.json(wire.CreateRun)
    tags = dict(rules.pairs(asked.tags or (), "tags"))
    tagged = tags.get(RUN_NAME_TAG)
    if asked.run_name and tagged and asked.run_name != tagged:
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE",
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
            f"(run_name='{asked.run_name}', mlflow.runName='{tagged}').",
        )
    run = await written(
        call.services.tracking.create_run(
            rules.experiment_id(asked.experiment_id),
            name=asked.run_name or tagged or random_name(),
            user=asked.user_id or tags.get(USER_TAG, ""),
            started=millis(call.services.clock) if asked.start_time is None else asked.start_time,
            tags=tags,
            run_id=rules.run_id(asked.run_id) if asked.run_id else None,
        )
    )
    return answer(wire.OneRun(run_out(run)))


@routes.add("GET", "/api/2.0/mlflow/runs/get")
async def get(call: Call) -> Answer:
    """One by its id, deleted or not."""
    asked = await call.given(wire.RunAsked)
    run = rules.run_id(asked.run_id, asked.run_uuid)
    return await read(lambda: answer(wire.OneRun(run_out(call.services.tracking.get_run(run)))))


@routes.add("POST", "/api/2.0/mlflow/runs/update")
async def update(call: Call) -> Answer:
    """Another status, end or name."""
    asked = await call.json(wire.UpdateRun)
    info = await written(
        call.services.tracking.update_run(
            rules.run_id(asked.run_id, asked.run_uuid),
            status=rules.status(asked.status),
            ended=asked.end_time,
            name=asked.run_name or None,
        )
    )
    return answer(wire.OneRunInfo(info_out(info)))


@routes.add("POST", "/api/2.0/mlflow/runs/delete")
async def delete(call: Call) -> Answer:
    """Mark as deleted."""
    asked = await call.json(wire.RunAsked)
    run = rules.run_id(asked.run_id, asked.run_uuid)
    await written(call.services.tracking.delete_run(run, at=millis(call.services.clock)))
    return answer()


@routes.add("POST", "/api/2.0/mlflow/runs/restore")
async def restore(call: Call) -> Answer:
    """Bring back."""
    asked = await call.json(wire.RunAsked)
    await written(call.services.tracking.restore_run(rules.run_id(asked.run_id, asked.run_uuid)))
    return answer()


@routes.add("POST", "/api/2.0/mlflow/runs/move")
async def move(call: Call) -> Answer:
    """Put runs into another experiment. Treadle's own."""
    asked = await call.json(wire.MoveRuns)
    target = rules.experiment_id(rules.required(asked.experiment_id, "experiment_id"))
    runs = [rules.run_id(run) for run in asked.run_ids or [rules.required(asked.run_id, "run_id")]]
    changes = [call.services.tracking.move_run(run, target) for run in dict.fromkeys(runs)]
    return answer(wire.MovedRuns([info_out(await written(change)) for change in changes]))


@routes.add("POST", "/api/2.0/mlflow/runs/search")
async def search(call: Call) -> Answer:
    """Those that fulfil a filter, ``count`` of all of them where asked for."""
    asked = await call.json(wire.SearchRuns)
    tracking = call.services.tracking
    experiments = [rules.experiment_id(given) for given in asked.experiment_ids or ()]
    wanted = condition(asked.filter or "", RUNS)
    order = orders(asked.order_by or (), RUNS)
    view, text = rules.view(asked.run_view_type, "run_view_type"), asked.text or ""
    limit, cursor = rules.page_size(asked.max_results), asked.page_token or None

    def page() -> Answer:
        found = tracking.search_runs(experiments, wanted, order, text=text, view=view, limit=limit, cursor=cursor)
        count = tracking.count_runs(experiments, wanted, text=text, view=view) if asked.count else None
        return answer(wire.Runs([run_out(run) for run in found.items], found.cursor, count))

    return await read(page)
