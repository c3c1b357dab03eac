"""Curves and data sets over the protocol."""

from __future__ import annotations

import pytest
from mlflow_world import World


@pytest.fixture
def world() -> World:
    return World()


def logged(world: World, count: int = 10, key: str = "loss") -> str:
    run = world.run()
    metrics = [{"key": key, "value": step / 2, "timestamp": 100 + step, "step": step} for step in range(count)]
    world.post("runs/log-batch", run_id=run, metrics=metrics)
    return run


def test_history(world: World) -> None:
    run = logged(world, 3)
    assert world.get("metrics/get-history", run_id=run, metric_key="loss") == {
        "metrics": [{"key": "loss", "value": s / 2, "timestamp": 100 + s, "step": s} for s in range(3)]
    }
    assert world.get("metrics/get-history", run_id=run, metric_key="other") == {}


def test_history_by_pages(world: World) -> None:
    run = logged(world)
    seen: list[int] = []
    token: str | None = ""
    while token is not None:
        page = world.get("metrics/get-history", run_id=run, metric_key="loss", max_results=4, page_token=token)
        seen += [point["step"] for point in page["metrics"]]
        token = page.get("next_page_token")
    assert seen == list(range(10))


def test_identical_points_are_one(world: World) -> None:
    run = logged(world, 2)
    for value in ("NaN", "NaN", 1, 1):
        world.post("runs/log-metric", run_id=run, key="x", value=value, timestamp=1, step=1)
    assert [point["value"] for point in world.get("metrics/get-history", run_id=run, metric_key="x")["metrics"]] == [
        1, "NaN",
    ]  # fmt: skip


def test_bulk(world: World) -> None:
    runs = sorted([logged(world, 3), logged(world, 3)])
    points = world.get("metrics/get-history-bulk", run_id=runs, metric_key="loss", max_results=5)["metrics"]
    assert [(point["run_id"], point["step"]) for point in points] == [
        (runs[0], 0), (runs[0], 1), (runs[0], 2), (runs[1], 0), (runs[1], 1),
    ]  # fmt: skip


def test_interval(world: World) -> None:
    run = logged(world, 100)
    steps = [
        point["step"]
        for point in world.get(
            "metrics/get-history-bulk-interval",
            run_ids=[run],
            metric_key="loss",
            start_step=10,
            end_step=59,
            max_results=12,
        )["metrics"]
    ]
    assert len(steps) == 12
    assert (steps[0], steps[-1]) == (10, 59)
    assert steps == sorted(steps)


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        ("get-history", {"run_id": "a"}, "Missing value for required parameter 'metric_key'."),
        ("get-history", {"run_id": "a", "metric_key": "m", "max_results": 0}, "It must be a positive integer."),
        ("get-history-bulk", {}, "GetMetricHistoryBulk request must specify at least one run_id."),
        ("get-history-bulk", {"run_id": ["a"]}, "GetMetricHistoryBulk request must specify a metric_key."),
        ("get-history-bulk", {"run_id": [str(i) for i in range(101)], "metric_key": "m"}, "more than 100 run_ids"),
        ("get-history-bulk-interval", {"metric_key": "m"}, "Missing value for required parameter 'run_ids'."),
        ("get-history-bulk-interval", {"run_ids": ["a"], "metric_key": "m", "start_step": 1}, "both must be specified"),
        ("get-history-bulk-interval", {"run_ids": ["a"], "metric_key": "m", "start_step": 2, "end_step": 1},
         "end_step must be greater than start_step. Found start_step=2 and end_step=1."),
        ("get-history-bulk-interval", {"run_ids": ["a"], "metric_key": "m", "max_results": 2501}, "between 1 and 2500"),
        ("get-history-bulk-interval", {"run_ids": ["a"], "metric_key": "m", "max_results": "x"}, "'max_results'"),
    ],
)  # fmt: skip
def test_refusals(world: World, path: str, fields: dict[str, object], message: str) -> None:
    status, code, told = world.refused(f"metrics/{path}", method="GET", **fields)
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message in told


DATASET = {"name": "iris", "digest": "d1", "source_type": "local", "source": "{}", "schema": "s"}


def test_inputs_and_outputs(world: World) -> None:
    run = world.run()
    used = {"dataset": DATASET, "tags": [{"key": "mlflow.data.context", "value": "training"}]}
    for _ in range(2):
        assert world.post("runs/log-inputs", run_id=run, datasets=[used], models=[{"model_id": "m-1"}]) == {}
        assert world.post("runs/outputs", run_id=run, models=[{"model_id": "m-2", "step": 3}]) == {}
    found = world.get("runs/get", run_id=run)["run"]
    assert found["inputs"] == {"dataset_inputs": [used], "model_inputs": [{"model_id": "m-1"}]}
    assert found["outputs"] == {"model_outputs": [{"model_id": "m-2", "step": 3}]}
    assert world.post("experiments/search-datasets", experiment_ids=["0"]) == {
        "dataset_summaries": [{"experiment_id": "0", "name": "iris", "digest": "d1", "context": "training"}]
    }
    filtered = world.post("runs/search", experiment_ids=["0"], filter="dataset.context = 'training'")
    assert len(filtered["runs"]) == 1


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ([{}], "Dataset cannot be None"),
        ([{"dataset": {**DATASET, "name": None}}], "Dataset name cannot be None"),
        ([{"dataset": {**DATASET, "name": "x" * 501}}], "'name' exceeds the maximum length of 500 characters"),
        ([{"dataset": {**DATASET, "digest": "x" * 37}}], "'digest' exceeds the maximum length of 36 characters"),
        ([{"dataset": DATASET, "tags": [{"key": "a"}]}], "InputTag value cannot be None"),
        ([{"dataset": DATASET, "tags": [{"key": "a" * 256, "value": ""}]}], "'key' exceeds the maximum length of 255"),
    ],
)
def test_refused_inputs(world: World, datasets: list[object], message: str) -> None:
    status, _, told = world.refused("runs/log-inputs", run_id=world.run(), datasets=datasets)
    assert status == 400
    assert message in told


def test_refused_searches_of_datasets(world: World) -> None:
    assert "at least one experiment_id" in world.refused("experiments/search-datasets")[2]
    many = [str(i) for i in range(21)]
    assert "more than 20 experiment_ids" in world.refused("experiments/search-datasets", experiment_ids=many)[2]


@pytest.mark.parametrize("headers", [{"User-Agent": "mlflow-python-client/3.17.2"}, {"Accept": "text/plain"}])
def test_clients_of_the_protocol_read_a_version_as_text(world: World, headers: dict[str, str]) -> None:
    reply = world.ask("GET", "/version", headers=headers)
    assert (reply.body, reply.headers["content-type"]) == (b"3.17.2", "text/plain; charset=utf-8")


def test_everybody_else_reads_treadles(world: World) -> None:
    assert world.ask("GET", "/version", headers={"Accept": "*/*"}).body == b"other"


def test_server_info(world: World) -> None:
    told = world.ask("GET", "/api/3.0/mlflow/server-info").told
    assert told["store_type"] == "SqlStore"
    assert told["workspaces_enabled"] is False
