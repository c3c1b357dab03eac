"""Experiments and runs of tracking, as pages ask for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from treadle.domain.tracking import Dataset, DatasetInput, LoggedMetric, Status
from treadle.ports.tracking import Tracking

if TYPE_CHECKING:
    from control_world import World

AT = 1_700_000_000_000


@pytest.fixture
def client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server) as opened:
        yield opened


@pytest.fixture
def experiment(world: World) -> str:
    """An experiment of twelve runs, one more accurate than the other; the first two used the same data."""
    store: Tracking = world.services.tracking
    found = store.create_experiment("churn/trees", at=AT, tags={"mlflow.note.content": "which trees?"}).result()
    for i in range(12):
        run = store.create_run(found.id, name=f"tree-{i}", user="ada", started=AT + i).result().info.id
        points = [LoggedMetric("acc", i / 12 + step / 100, AT + step, step) for step in range(3)]
        store.log_batch(run, metrics=points, params=[("depth", str(i % 4))], tags=[("team", "a" if i % 2 else "b")])
        if i < 2:
            store.log_inputs(run, datasets=[DatasetInput(Dataset("rides", "d1", "local", "{}"))]).result()
        store.update_run(run, status=Status.FINISHED, ended=AT + 5000 + i).result()
    return found.id


def ask(client: httpx.Client, path: str, **query: Any) -> Any:
    answer = client.get(f"/api/v1{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_experiments_have_their_notes_and_counts(client: httpx.Client, experiment: str) -> None:
    items = {item["name"]: item for item in ask(client, "/experiments")["items"]}
    assert set(items) == {"Default", "churn/trees"}
    assert (items["churn/trees"]["runs"], items["churn/trees"]["note"]) == (12, "which trees?")
    assert items["churn/trees"]["id"] == experiment


def test_runs_are_searched_ordered_and_paged(client: httpx.Client, experiment: str) -> None:
    path, wanted = f"/experiments/{experiment}/runs", {"filter": "params.depth = '1'", "order": "metrics.acc ASC"}
    page = ask(client, path, limit=2, **wanted)
    assert ([run["name"] for run in page["items"]], page["count"]) == (["tree-1", "tree-5"], 3)
    assert page["items"][0]["metrics"]["acc"]["step"] == 2
    assert page["items"][0]["status"] == "finished"
    rest = ask(client, path, limit=2, cursor=page["cursor"], **wanted)
    assert ([run["name"] for run in rest["items"]], rest["cursor"]) == (["tree-9"], None)
    assert ask(client, path, text="TREE-11")["count"] == 1
    assert [run["name"] for run in ask(client, path, limit=1)["items"]] == ["tree-11"]


@pytest.mark.parametrize("query", [{"filter": "metrics.acc >"}, {"order": "metrics."}, {"filter": "acc = 'x' or"}])
def test_what_cannot_be_read_is_said(client: httpx.Client, experiment: str, query: dict[str, str]) -> None:
    answer = client.get(f"/api/v1/experiments/{experiment}/runs", params=query)
    assert answer.status_code == 400
    assert "metrics.auc > 0.7" in answer.json()["error"]["hint"]
    assert client.get("/api/v1/experiments/4711/runs").status_code == 404


def test_a_run_tells_all_of_itself(client: httpx.Client, experiment: str) -> None:
    first = ask(client, f"/experiments/{experiment}/runs", filter="run_name = 'tree-0'")["items"][0]
    detail = ask(client, f"/runs/{first['id']}/tracked")
    assert detail["run"] == first
    assert detail["experiment"]["name"] == "churn/trees"
    assert [dataset["name"] for dataset in detail["datasets"]] == ["rides"]
    assert client.get("/api/v1/runs/nobody/tracked").status_code == 404


def test_curves_of_a_run_are_thinned_for_drawing(client: httpx.Client, world: World, experiment: str) -> None:
    store: Tracking = world.services.tracking
    run = store.create_run(experiment, name="long", user="ada", started=AT).result().info.id
    points = [LoggedMetric("loss", 1 / (1 + step), AT + step, step) for step in range(5000)]
    store.log_batch(run, metrics=[*points, LoggedMetric("once", 1.0, AT)]).result()
    curves = ask(client, f"/runs/{run}/curves")["curves"]
    assert set(curves) == {"loss"}
    assert len(curves["loss"]["step"]) <= 1000
    assert (curves["loss"]["step"][0], curves["loss"]["step"][-1]) == (0, 4999)
