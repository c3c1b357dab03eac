"""Experiments over the protocol."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow_world import World


@pytest.fixture
def world() -> World:
    return World()


def test_the_default_experiment_is_there(world: World) -> None:
    found = world.get("experiments/get", experiment_id="0")["experiment"]
    assert (found["experiment_id"], found["name"], found["lifecycle_stage"]) == ("0", "Default", "active")
    assert world.get("experiments/get-by-name", experiment_name="Default")["experiment"] == found


def test_an_experiment_is_made_found_and_told_whole(world: World) -> None:
    made = world.post("experiments/create", name="nights", tags=[{"key": "team", "value": "a"}, {"key": "empty"}])
    assert set(made) == {"experiment_id"}
    found = world.get("experiments/get", experiment_id=made["experiment_id"])["experiment"]
    assert found["artifact_location"] == f"mlflow-artifacts:/{made['experiment_id']}"
    assert found["tags"] == [{"key": "team", "value": "a"}, {"key": "empty", "value": ""}]
    assert isinstance(found["creation_time"], int)
    assert found["creation_time"] == found["last_update_time"]


def test_what_is_not_set_is_not_sent(world: World) -> None:
    number = world.post("experiments/create", name="bare")["experiment_id"]
    assert "tags" not in world.get("experiments/get", experiment_id=number)["experiment"]
    assert world.get("experiments/search", filter="name = 'nobody'") == {}


def test_a_life(world: World) -> None:
    number = world.post("experiments/create", name="a")["experiment_id"]
    run = world.run(experiment_id=number)
    assert world.post("experiments/update", experiment_id=number, new_name="b") == {}
    assert world.post("experiments/delete", experiment_id=number) == {}
    assert world.get("experiments/get", experiment_id=number)["experiment"]["lifecycle_stage"] == "deleted"
    assert world.get("runs/get", run_id=run)["run"]["info"]["lifecycle_stage"] == "deleted"
    assert world.refused("experiments/update", experiment_id=number, new_name="c") == (
        400, "INVALID_STATE", "Cannot rename a non-active experiment.",
    )  # fmt: skip
    status, code, message = world.refused("runs/create", experiment_id=number)
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message == f"The experiment {number} must be in the 'active' state. Current state is deleted."
    assert world.post("experiments/create", name="b")["experiment_id"] != number
    assert world.post("experiments/restore", experiment_id=number) == {}
    assert world.get("experiments/get", experiment_id=number)["experiment"]["name"] == f"b (restored {number})"
    assert world.get("runs/get", run_id=run)["run"]["info"]["lifecycle_stage"] == "active"


def test_an_experiment_comes_back_under_a_name_of_ones_choice(world: World) -> None:
    number = world.post("experiments/create", name="a")["experiment_id"]
    world.post("experiments/delete", experiment_id=number)
    world.post("experiments/restore", experiment_id=number, name="again")
    assert world.get("experiments/get", experiment_id=number)["experiment"]["name"] == "again"


def test_tags(world: World) -> None:
    world.post("experiments/set-experiment-tag", experiment_id="0", key="mlflow.note.content", value="x" * 30_000)
    (tag,) = world.get("experiments/get", experiment_id="0")["experiment"]["tags"]
    assert len(tag["value"]) == 30_000
    assert world.post("experiments/delete-experiment-tag", experiment_id="0", key="mlflow.note.content") == {}
    assert world.refused("experiments/delete-experiment-tag", experiment_id="0", key="gone")[:2] == (
        404, "RESOURCE_DOES_NOT_EXIST",
    )  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_search(world: World, method: str) -> None:
    numbers = [world.post("experiments/create", name=name)["experiment_id"] for name in ("a/x", "a/y", "b")]
    world.post("experiments/delete", experiment_id=numbers[1])
    search = world.get if method == "GET" else world.post

    def names(**fields: object) -> list[str]:
        return [found["name"] for found in search("experiments/search", **fields).get("experiments", [])]

    assert names() == ["b", "a/x", "Default"]
    assert names(view_type="DELETED_ONLY") == names(view_type=2) == ["a/y"]
    assert names(filter="name LIKE 'a/%'", view_type="ALL", order_by=["name"]) == ["a/x", "a/y"]
    assert names(folder="a") == ["a/x"]
    page = search("experiments/search", max_results=2)
    assert len(page["experiments"]) == 2
    rest = search("experiments/search", max_results=2, page_token=page["next_page_token"])
    assert [found["name"] for found in rest["experiments"]] == ["Default"]
    assert "next_page_token" not in rest


def test_list_is_an_older_name_of_search(world: World) -> None:
    assert [found["name"] for found in world.get("experiments/list")["experiments"]] == ["Default"]


def test_folders(world: World) -> None:
    for name in ("a/x", "a/b/y", "a/b/z", "c", "a/b"):
        world.post("experiments/create", name=name)
    assert world.get("experiments/folders") == {"folders": [{"path": "a", "experiments": 4}]}
    assert world.get("experiments/folders", path="/a/") == {"folders": [{"path": "a/b", "experiments": 2}]}
    assert [found["name"] for found in world.post("experiments/search", folder="a/b")["experiments"]] == [
        "a/b/z",
        "a/b/y",
    ]


@pytest.mark.parametrize(
    ("path", "fields", "status", "code", "message"),
    [
        ("create", {}, 400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'name'. See the API docs"),
        ("create", {"name": 5}, 400, "INVALID_PARAMETER_VALUE",
         "Invalid value 5 for parameter 'name' supplied:  Hint: Value was of type 'int'. See the API docs"),
        ("create", {"name": "x" * 501}, 400, "INVALID_PARAMETER_VALUE", "'name' exceeds the maximum length of 500"),
        ("create", {"name": "Default"}, 400, "RESOURCE_ALREADY_EXISTS", "Experiment(name=Default) already exists."),
        ("create", {"name": "a", "artifact_location": "runs:/x"}, 400, "INVALID_PARAMETER_VALUE", "Artifact location"),
        ("create", {"name": "a", "tags": [{"value": "x"}]}, 400, "INVALID_PARAMETER_VALUE",
         "Missing value for required parameter 'tags[0].key'."),
        ("create", {"name": "a\x00"}, 400, "INVALID_PARAMETER_VALUE", "NUL"),
        ("update", {"experiment_id": "0"}, 400, "INVALID_PARAMETER_VALUE", "required parameter 'new_name'"),
        ("delete", {"experiment_id": "77"}, 404, "RESOURCE_DOES_NOT_EXIST", "No Experiment with id=77 exists"),
        ("delete", {"experiment_id": "9" * 50}, 404, "RESOURCE_DOES_NOT_EXIST", "No Experiment with id=99"),
        ("delete", {"experiment_id": "x"}, 400, "INVALID_PARAMETER_VALUE", "Experiment ID must be a valid integer."),
        ("restore", {"experiment_id": "0"}, 404, "RESOURCE_DOES_NOT_EXIST", "No Experiment with id=0 exists"),
        ("search", {"max_results": 0}, 400, "INVALID_PARAMETER_VALUE", "Invalid value 0 for parameter 'max_results'"),
        ("search", {"max_results": 50_001}, 400, "INVALID_PARAMETER_VALUE", "Invalid value 50001 for parameter"),
        ("search", {"view_type": "SOME"}, 400, "INVALID_PARAMETER_VALUE", "for parameter 'view_type' supplied"),
        ("search", {"view_type": 9}, 400, "INVALID_PARAMETER_VALUE", "for parameter 'view_type' supplied"),
        ("search", {"page_token": "zz"}, 400, "INVALID_PARAMETER_VALUE", "Invalid page token"),
        ("search", {"filter": "acc = 'x'"}, 400, "INVALID_PARAMETER_VALUE", "Invalid attribute key 'acc'"),
    ],
)  # fmt: skip
def test_refusals(world: World, path: str, fields: dict[str, Any], status: int, code: str, message: str) -> None:
    told = world.refused(f"experiments/{path}", **fields)
    assert told[:2] == (status, code)
    assert message in told[2]


def test_an_unknown_name(world: World) -> None:
    assert world.refused("experiments/get-by-name", method="GET", experiment_name="nobody")[:2] == (
        404, "RESOURCE_DOES_NOT_EXIST",
    )  # fmt: skip
