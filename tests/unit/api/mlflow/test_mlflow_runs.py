"""Runs over the protocol."""

from __future__ import annotations

import json
import re

import pytest
from mlflow_world import V2, World


@pytest.fixture
def world() -> World:
    return World()


def test_a_run_is_made_and_told_as_clients_know_it(world: World) -> None:
    run = world.post(
        "runs/create", experiment_id="0", user_id="ann", start_time=5, run_name="night",
        tags=[{"key": "mlflow.user", "value": "ann"}],
    )["run"]  # fmt: skip
    info = run["info"]
    assert re.fullmatch("[0-9a-f]{32}", info["run_id"])
    assert info == {
        "run_id": info["run_id"],
        "run_uuid": info["run_id"],
        "run_name": "night",
        "experiment_id": "0",
        "user_id": "ann",
        "status": "RUNNING",
        "start_time": 5,
        "artifact_uri": f"mlflow-artifacts:/0/{info['run_id']}/artifacts",
        "lifecycle_stage": "active",
    }
    assert {tag["key"]: tag["value"] for tag in run["data"]["tags"]} == {
        "mlflow.user": "ann",
        "mlflow.runName": "night",
    }
    assert world.get("runs/get", run_id=info["run_id"])["run"] == run
    assert world.get("runs/get", run_uuid=info["run_id"])["run"] == run


def test_a_run_without_anything_gets_a_name_a_time_and_the_default_experiment(world: World) -> None:
    info = world.post("runs/create")["run"]["info"]
    assert info["experiment_id"] == "0"
    assert re.fullmatch(r"[a-z]+-[a-z]+-\d+", info["run_name"])
    assert info["start_time"] > 0
    assert info["user_id"] == ""


def test_the_name_follows_its_tag_and_the_tag_its_name(world: World) -> None:
    run = world.run(tags=[{"key": "mlflow.runName", "value": "a"}])
    world.post("runs/set-tag", run_id=run, key="mlflow.runName", value="b")
    assert world.get("runs/get", run_id=run)["run"]["info"]["run_name"] == "b"
    world.post("runs/update", run_id=run, run_name="c")
    found = world.get("runs/get", run_id=run)["run"]
    assert found["data"]["tags"] == [{"key": "mlflow.runName", "value": "c"}]
    status, _, message = world.refused("runs/create", run_name="x", tags=[{"key": "mlflow.runName", "value": "y"}])
    assert status == 400
    assert message.startswith(
        "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values"
    )


@pytest.mark.parametrize(("given", "told"), [("FINISHED", "FINISHED"), (4, "FAILED"), ("KILLED", "KILLED")])
def test_an_update_answers_with_the_run(world: World, given: object, told: str) -> None:
    run = world.run()
    info = world.post("runs/update", run_id=run, status=given, end_time=99)["run_info"]
    assert (info["status"], info["end_time"]) == (told, 99)


def test_a_life(world: World) -> None:
    run = world.run()
    assert world.post("runs/delete", run_id=run) == {}
    for path, fields in (
        ("update", {"status": "FINISHED"}),
        ("log-metric", {"key": "a", "value": 1, "timestamp": 1}),
        ("log-parameter", {"key": "a", "value": "1"}),
        ("set-tag", {"key": "a", "value": "1"}),
        ("log-batch", {}),
    ):
        assert world.refused(f"runs/{path}", run_id=run, **fields) == (
            400, "INVALID_PARAMETER_VALUE", f"The run {run} must be in the 'active' state. Current state is deleted.",
        )  # fmt: skip
    assert world.post("runs/restore", run_id=run) == {}
    assert world.get("runs/get", run_id=run)["run"]["info"]["lifecycle_stage"] == "active"


def test_logging(world: World) -> None:
    run = world.run()
    assert world.post("runs/log-metric", run_id=run, key="loss", value=0.5, timestamp=1, step=3) == {}
    assert world.post("runs/log-metric", run_uuid=run, key="loss", value="NaN", timestamp="2", step="4") == {}
    assert world.post("runs/log-parameter", run_id=run, key="lr", value="0.1") == {}
    assert world.post("runs/log-parameter", run_id=run, key="lr", value="0.1") == {}
    assert world.post("runs/set-tag", run_id=run, key="a/b c", value="x") == {}
    data = world.get("runs/get", run_id=run)["run"]["data"]
    assert data["metrics"] == [{"key": "loss", "value": "NaN", "timestamp": 2, "step": 4, "min": 0.5, "max": 0.5}]
    assert data["params"] == [{"key": "lr", "value": "0.1"}]
    assert world.post("runs/delete-tag", run_id=run, key="a/b c") == {}
    assert world.refused("runs/delete-tag", run_id=run, key="a/b c")[1] == "RESOURCE_DOES_NOT_EXIST"


def test_a_literal_nan_is_taken_too(world: World) -> None:
    run = world.run()
    body = b'{"run_id": "%s", "key": "a", "value": -Infinity, "timestamp": 1}' % run.encode()
    assert world.ask("POST", f"{V2}/runs/log-metric", body).status == 200
    assert world.get("metrics/get-history", run_id=run, metric_key="a")["metrics"][0]["value"] == "-Infinity"


def test_a_batch(world: World) -> None:
    run = world.run()
    world.post(
        "runs/log-batch", run_id=run,
        metrics=[{"key": "loss", "value": 1 / (1 + i), "timestamp": i, "step": i} for i in range(900)],
        params=[{"key": f"p{i}", "value": "x"} for i in range(50)],
        tags=[{"key": f"t{i}", "value": "y"} for i in range(50)],
    )  # fmt: skip
    data = world.get("runs/get", run_id=run)["run"]["data"]
    assert (len(data["params"]), len(data["tags"])) == (50, 51)
    assert data["metrics"][0]["step"] == 899


def test_a_batch_is_all_or_nothing(world: World) -> None:
    run = world.run()
    world.post("runs/log-parameter", run_id=run, key="lr", value="1")
    refused = world.refused(
        "runs/log-batch", run_id=run,
        metrics=[{"key": "loss", "value": 1, "timestamp": 1}],
        params=[{"key": "new", "value": "1"}, {"key": "lr", "value": "2"}],
        tags=[{"key": "t", "value": "y"}],
    )  # fmt: skip
    assert refused[:2] == (400, "INVALID_PARAMETER_VALUE")
    assert refused[2] == (
        "Changing param values is not allowed. Param with key='lr' was already logged with value='1' "
        f"for run ID='{run}'. Attempted logging new value '2'."
    )
    data = world.get("runs/get", run_id=run)["run"]["data"]
    assert data["params"] == [{"key": "lr", "value": "1"}]
    assert "metrics" not in data


def test_long_values_are_kept_whole_and_noticed(world: World) -> None:
    run = world.run()
    body = b'{"run_id": "%s", "key": "p", "value": "%s"}' % (run.encode(), b"x" * 100_000)
    reply = world.ask("POST", f"{V2}/runs/log-parameter", body)
    assert reply.told == {}
    assert reply.headers["treadle-notice"] == "1 values longer than MLflow's limits are kept whole"
    assert len(world.get("runs/get", run_id=run)["run"]["data"]["params"][0]["value"]) == 100_000


def test_moving(world: World) -> None:
    other = world.post("experiments/create", name="other")["experiment_id"]
    runs = [world.run(), world.run()]
    moved = world.post("runs/move", run_ids=runs, experiment_id=other)["runs"]
    assert [info["run_id"] for info in moved] == runs
    assert {info["experiment_id"] for info in moved} == {other}
    assert world.post("runs/search", experiment_ids=["0"]) == {}
    assert len(world.post("runs/search", experiment_ids=[other])["runs"]) == 2


def test_search(world: World) -> None:
    runs = [world.run(start_time=i, run_name=f"run {i}") for i in range(5)]
    for i, run in enumerate(runs):
        world.post("runs/log-metric", run_id=run, key="loss", value=i, timestamp=1)
    world.post("runs/delete", run_id=runs[0])

    def found(**fields: object) -> list[int]:
        answered = world.post("runs/search", experiment_ids=["0"], **fields)
        return [runs.index(run["info"]["run_id"]) for run in answered.get("runs", [])]

    assert found() == [4, 3, 2, 1]
    assert found(run_view_type="ALL", order_by=["metrics.loss ASC"]) == [0, 1, 2, 3, 4]
    assert found(filter="metrics.loss > 2 OR run_name = 'run 1'") == [4, 3, 1]
    assert found(text="RUN 3") == [3]
    page = world.post("runs/search", experiment_ids=["0"], max_results=3, count=True)
    assert (len(page["runs"]), page["count"]) == (3, 4)
    assert found(max_results=3, page_token=page["next_page_token"]) == [1]
    assert world.post("runs/search", experiment_ids=[]) == {}


def test_older_clients_tell_of_models(world: World) -> None:
    run = world.run()
    model = {
        "artifact_path": "model", "utc_time_created": "now", "run_id": run, "model_uuid": "u", "other": 1,
        "flavors": {"python_function": {"config": {"a": 1}, "env": "x"}},
    }  # fmt: skip
    for _ in range(2):
        world.post("runs/log-model", run_id=run, model_json=json.dumps(model))
    (tag,) = [
        tag for tag in world.get("runs/get", run_id=run)["run"]["data"]["tags"]
        if tag["key"] == "mlflow.log-model.history"
    ]  # fmt: skip
    history = json.loads(tag["value"])
    assert len(history) == 2
    assert history[0]["flavors"] == {"python_function": {"env": "x"}}
    assert "other" not in history[0]
    assert world.refused("runs/log-model", run_id=run, model_json="{")[2].startswith("Malformed model info.")
    assert "missing mandatory fields" in world.refused("runs/log-model", run_id=run, model_json="{}")[2]


def test_comments(world: World) -> None:
    run = world.run()
    made = world.post("runs/comments/create", run_id=run, text="why?", author="ann")["comment"]
    world.post("runs/comments/update", comment_id=made["comment_id"], text="why not?")
    (comment,) = world.get("runs/comments/list", run_id=run)["comments"]
    assert (comment["text"], comment["author"]) == ("why not?", "ann")
    world.post("runs/comments/delete", comment_id=made["comment_id"])
    assert world.get("runs/comments/list", run_id=run) == {"comments": []}
    assert world.refused("runs/comments/delete", comment_id="x")[0] == 404


POINT = {"key": "a", "value": 1, "timestamp": 1}
LONG = "a" * 251


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        ("create", {"start_time": "x"}, "Invalid value \"x\" for parameter 'start_time' supplied:  Hint"),
        ("create", {"experiment_id": "a"}, "Invalid experiment ID 'a'"),
        ("get", {}, "Missing value for required parameter 'run_id'."),
        ("update", {"status": "DONE"}, "Invalid value \"DONE\" for parameter 'status' supplied"),
        ("log-metric", {"key": "a", "timestamp": 1}, "Missing value for required parameter 'value'."),
        ("log-metric", {"value": 1, "timestamp": 1}, "Missing value for required parameter 'key'."),
        ("log-metric", {**POINT, "key": ""}, "Missing value for required parameter 'key'."),
        ("log-metric", {**POINT, "value": None}, "Missing value for required parameter 'value'."),
        ("log-metric", {**POINT, "value": True}, "Invalid value true for parameter 'value' supplied"),
        ("log-metric", {**POINT, "timestamp": -1}, "Timestamp must be a nonnegative long (64-bit integer)"),
        ("log-metric", {**POINT, "step": 2**63}, "Invalid value 9223372036854775808 for parameter 'step' supplied"),
        ("log-metric", {**POINT, "key": "../a"}, "Names may be treated as files in certain cases"),
        ("log-metric", {**POINT, "key": "a\n"}, "Names may only contain alphanumerics"),
        ("log-metric", {**POINT, "key": LONG}, "'Metric name' exceeds the maximum length of 250 characters"),
        ("log-parameter", {"value": "x"}, "Missing value for required parameter 'key'."),
        ("log-parameter", {"key": LONG, "value": "x"}, "'Param key' exceeds the maximum length of 250 characters"),
        ("set-tag", {"key": "/a", "value": "x"}, "This name would resolve to '/a'"),
        ("log-batch", {"metrics": [POINT, {"key": "a", "value": 1}]},
         "Missing value for required parameter 'metrics[1].timestamp'. See the API docs"),
        ("log-batch", {"metrics": [{**POINT, "value": "x"}]}, "Invalid value \"x\" for parameter 'metrics[0].value'"),
        ("log-batch", {"metrics": [{**POINT, "key": "?"}]}, "for parameter 'metrics[0].name' supplied"),
        ("log-batch", {"params": [{"value": "x"}]}, "Missing value for required parameter 'params[0].key'."),
        ("log-batch", {"metrics": [POINT] * 1001}, "request can contain at most 1000 metrics. Got 1001"),
        ("log-batch", {"params": [{"key": f"k{i}"} for i in range(101)]}, "at most 100 params. Got 101 params."),
        ("log-batch", {"tags": [{"key": f"k{i}"} for i in range(101)]}, "at most 100 tags. Got 101 tags."),
        ("log-batch", {"metrics": [POINT] * 950, "tags": [{"key": f"k{i}"} for i in range(51)]},
         "at most 1000 metrics, params, and tags. Got 1001"),
        ("log-batch", {"params": [{"key": "a", "value": "1"}, {"key": "a", "value": "1"}]},
         "Duplicate parameter keys have been submitted: ['a']."),
        ("search", {"max_results": 50_001}, "Invalid value 50001 for parameter 'max_results' supplied"),
        ("search", {"experiment_ids": "0"}, "Invalid value \"0\" for parameter 'experiment_ids' supplied"),
        ("search", {"filter": "a"}, "Invalid clause(s) in filter string"),
        ("move", {"experiment_id": "0"}, "Missing value for required parameter 'run_id'."),
    ],
)  # fmt: skip
def test_refusals(world: World, path: str, fields: dict[str, object], message: str) -> None:
    run = world.run()
    given = fields if path in ("create", "search", "get", "move") else {"run_id": run, **fields}
    status, code, told = world.refused(f"runs/{path}", method="GET" if path == "get" else "POST", **given)
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message in told


@pytest.mark.parametrize("path", ["delete", "restore", "update", "log-batch", "log-inputs", "get"])
def test_an_unknown_run(world: World, path: str) -> None:
    told = world.refused(f"runs/{path}", method="GET" if path == "get" else "POST", run_id="abc")
    assert told[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
    assert told[2].startswith("Run with id=abc not found")


@pytest.mark.parametrize("body", [b"[1]", b'"x"', b"{", b"\xff", b"nul", b'{"run_id":"\\ud800"}', b"[" * 100_000])
def test_bad_bodies_are_refused(world: World, body: bytes) -> None:
    assert world.ask("POST", f"{V2}/runs/log-batch", body).status == 400


def test_json_within_a_text_is_taken_from_old_clients(world: World) -> None:
    assert world.ask("POST", f"{V2}/runs/create", b'"{\\"run_name\\": \\"x\\"}"').told["run"]["info"]["run_name"] == "x"


def test_a_client_may_name_its_run_and_makes_it_once(world: World) -> None:
    named = "0123456789abcdef0123456789abcdef"
    made = world.post("runs/create", experiment_id="0", run_id=named, run_name="first", start_time=5)["run"]
    assert made["info"]["run_id"] == named
    again = world.post("runs/create", experiment_id="0", run_id=named, run_name="second", start_time=6)["run"]
    assert again == made


def test_a_get_may_have_its_fields_in_the_body(world: World) -> None:
    run = world.run()
    reply = world.ask("GET", f"{V2}/runs/get", b'{"run_id": "%s"}' % run.encode())
    assert reply.told["run"]["info"]["run_id"] == run
