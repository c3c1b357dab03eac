"""Every route of the control plane."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from control_world import CODE, FAILED_GATES, NOW, SPEC, WallClockDouble, World, refuse_to_describe, serving

from treadle.api.app import create_app
from treadle.domain import codec
from treadle.domain import events as ev
from treadle.domain.errors import WorkerUnavailable
from treadle.domain.registered import Change, NewVersion
from treadle.domain.versions import ModelVersion
from treadle.testing import samples

BUNDLE = {"entry": "model.py", "files": {"model.py": {"text": CODE}}, "root": "/code"}
NDJSON = {"accept": "application/x-ndjson"}


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with serving(create_app(world.services)) as url, httpx.Client(base_url=url, trust_env=False) as made:
        yield made


def get(client: httpx.Client, path: str, **query: Any) -> Any:
    answer = client.get(f"/api/v1{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def lines(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.text.splitlines()]


def test_health_answers_once_the_loop_does(client: httpx.Client, world: World) -> None:
    assert client.get("/health").json() == {"status": "ok", "version": "9.9.9", "waiting_for": []}
    world.loop.away = WorkerUnavailable("gone")
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["waiting_for"]) == (503, ["loop"])


def test_version(client: httpx.Client) -> None:
    assert client.get("/version").json() == {"version": "9.9.9"}


def test_plan_tells_all_changes_and_changes_nothing(client: httpx.Client) -> None:
    plan = client.post("/api/v1/plan", json=BUNDLE).json()
    assert plan["model"] == "flights"
    assert plan["base"] == 0
    assert {"path": "task", "before": None, "after": "binary"} in plan["changes"]
    assert plan["spec"]["label"] == "late"
    assert get(client, "/models")["items"] == []


def test_apply_stores_the_model_and_wakes_the_loop(client: httpx.Client, world: World) -> None:
    digest = client.post("/api/v1/plan", json=BUNDLE).json()["digest"]
    applied = client.post("/api/v1/models", json={**BUNDLE, "expected": digest, "actor": "ada"}).json()
    assert (applied["model"], applied["revision"], applied["changed"]) == ("flights", 1, True)
    assert [op for op, _ in world.loop.calls] == ["wake"]
    (event,) = get(client, "/events")["items"]
    assert (event["position"], event["event"]["actor"]) == (1, "ada")
    assert event["event"]["payload"]["kind"] == "model_applied"
    again = client.post("/api/v1/models", json=BUNDLE).json()
    assert (again["revision"], again["changed"]) == (1, False)


def test_apply_streams_log_lines_and_then_the_result(client: httpx.Client, world: World) -> None:
    answer = client.post("/api/v1/models", json=BUNDLE, headers=NDJSON)
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    *logs, last = lines(answer)
    assert {"log": "step describe"} in logs
    assert last["result"]["revision"] == 1
    assert [op for op, _ in world.loop.calls] == ["wake"]


def test_a_stale_plan_is_refused(client: httpx.Client) -> None:
    answer = client.post("/api/v1/models", json={**BUNDLE, "expected": "another"})
    assert answer.status_code == 409
    assert answer.json()["error"]["type"] == "Conflict"


def test_a_model_file_that_raises_answers_its_traceback(client: httpx.Client, world: World) -> None:
    world.describing.answer = refuse_to_describe
    answer = client.post("/api/v1/plan", json=BUNDLE)
    assert answer.status_code == 422
    assert answer.json()["error"] == {
        "type": "StepFailed",
        "message": "model.py raised ZeroDivisionError",
        "hint": "mend the model",
        "traceback": "Traceback: 1 / 0",
    }
    (line,) = [line for line in lines(client.post("/api/v1/plan", json=BUNDLE, headers=NDJSON)) if "error" in line]
    assert line["error"]["traceback"] == "Traceback: 1 / 0"


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"files": {}}, 422, "files"),
        ({"files": {"model.py": {"text": "a", "base64": "YQ=="}}}, 422, "a file has text or base64, one of them"),
        ({"files": {"model.py": {"base64": "%%%"}}}, 400, "no base64"),
        ({"files": {"model.py": {"text": "x" * 5_000_001}}}, 400, "5,000,000"),
        ({"files": {f"m{i}.py": {"text": ""} for i in range(201)}}, 422, "at most 200"),
        ({"entry": "other.py"}, 400, "is not among the files"),
        ({"files": {"model.py": {"text": CODE}, "../evil.py": {"text": ""}}}, 400, "not a path inside"),
        ({"comit": "abc"}, 422, "comit"),
    ],
)
def test_bad_bundles_say_what_is_wrong(client: httpx.Client, change: dict[str, Any], status: int, told: str) -> None:
    answer = client.post("/api/v1/plan", json={**BUNDLE, **change})
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "InvalidInput"
    assert told in answer.json()["error"]["message"]


def test_models_and_one_of_them(client: httpx.Client, world: World) -> None:
    world.apply()
    world.register()
    client.post("/api/v1/models/flights/promote", json={"version": 1})
    (summary,) = get(client, "/models")["items"]
    assert (summary["name"], summary["champion"], summary["versions"], summary["task"]) == ("flights", 1, 1, "binary")
    detail = get(client, "/models/flights")
    assert detail["aliases"] == {"champion": 1}
    assert detail["deployment"]["routes"] == [{"version": 1, "weight": 100.0, "shadow": False}]
    assert json.loads(detail["applied"]["spec_json"]) == codec.to_plain(SPEC)


def test_versions_with_their_gates(client: httpx.Client, world: World) -> None:
    world.apply()
    world.register(1)
    world.register(2, FAILED_GATES)
    second, first = get(client, "/models/flights/versions")["items"]
    assert (second["number"], second["verdict"]) == (2, "fail")
    assert "auc >= 0.8 fail (0.7, 0.65 to 0.75 on 900 rows)" in second["reason"]
    assert (first["verdict"], first["metrics"]["worth"]) == ("pass", "NaN")
    detail = get(client, "/models/flights/versions/2")
    assert detail["gates"]["results"][1]["rows_needed"] == 400
    assert codec.from_plain(ModelVersion, detail).gates == FAILED_GATES
    assert get(client, "/models/flights/versions/2/lineage") == {"model": "flights", "version": 2, "run": "run-2"}


def test_snapshots(client: httpx.Client, world: World) -> None:
    world.apply()
    world.register()
    (snapshot,) = get(client, "/models/flights/snapshots")["items"]
    assert snapshot["schema"] == {"distance": "float"}


def test_runs_metrics_and_leaderboard(client: httpx.Client, world: World) -> None:
    world.apply()
    world.register()
    (run,) = get(client, "/runs", model="flights")["items"]
    assert run["params"] == {"depth": 3, "rate": 0.5, "fast": True}
    assert get(client, "/runs", model="other")["items"] == []
    assert [point["step"] for point in get(client, "/runs/run-1/metrics/loss")["items"]] == [0, 1, 2]
    assert get(client, "/runs/run-1/metrics/valid/auc")["items"][0]["value"] == 0.7
    assert [line["name"] for line in get(client, "/runs/run-1/leaderboard")["items"]] == ["constant", "trial 1"]
    missing = client.get("/api/v1/runs/run-1/metrics/lss")
    assert missing.status_code == 404
    assert "loss" in missing.json()["error"]["hint"]


def test_measurements(client: httpx.Client, world: World) -> None:
    world.apply()
    world.measure()
    (evaluation,) = get(client, "/models/flights/evaluations")["items"]
    assert (evaluation["maturity"], evaluation["metrics"]["auc"]["value"]) == ("partial", 0.68)
    assert get(client, "/models/flights/evaluations", since="2024-05-02T00:00:00Z")["items"] == []
    assert get(client, "/models/flights/drift")["items"][0]["columns"][0]["alert"] is True
    assert get(client, "/models/flights/health-over-time")["items"][0]["latency_p99"] == "Infinity"
    (incident,) = get(client, "/incidents", open_only=True)["items"]
    assert incident["numbers"] == {"effect": 0.4, "rows": 100}
    assert get(client, "/incidents", model="other")["items"] == []
    assert get(client, "/models/flights/report")["model"] == "flights"
    assert get(client, "/models/flights/report/last") == {"reckoned_at": None, "report": None}


def test_events_from_a_position_and_the_latest_of_a_kind(client: httpx.Client, world: World) -> None:
    world.apply()
    world.append(ev.VersionRefused(1, "a"), ev.VersionRefused(2, "b"))
    assert [event["position"] for event in get(client, "/events", after=1, limit=1)["items"]] == [2]
    latest = get(client, "/events/latest", kind=["version_refused"], limit=1)["items"]
    assert latest[0]["event"]["payload"] == {"kind": "version_refused", "version": 2, "reason": "b"}
    assert client.get("/api/v1/events/latest", params={"kind": "nonsense"}).status_code == 400


def test_promote_and_roll_back(client: httpx.Client, world: World) -> None:
    world.apply()
    world.register(1)
    world.register(2)
    for number in (1, 2):
        after = client.post("/api/v1/models/flights/promote", json={"version": number, "actor": "ada"})
        assert after.json()["champion"] == number
    back = client.post("/api/v1/models/flights/rollback", json={"reason": "worse"})
    assert back.json()["champion"] == 1
    assert client.post("/api/v1/models/flights/promote", json={"version": 9}).status_code == 404
    assert client.post("/api/v1/models/flights/promote", json={"version": "two"}).status_code == 422
    assert client.post("/api/v1/models/flights/promote", json={"version": 0}).status_code == 422


def test_rolling_back_without_a_champion_is_a_conflict(client: httpx.Client, world: World) -> None:
    world.apply()
    answer = client.post("/api/v1/models/flights/rollback", json={})
    assert (answer.status_code, answer.json()["error"]["hint"]) == (409, "promote one")


def test_a_rollout_is_paused_resumed_and_aborted(client: httpx.Client, world: World) -> None:
    world.apply()
    world.register(1)
    world.register(2)
    client.post("/api/v1/models/flights/promote", json={"version": 1})
    assert client.post("/api/v1/models/flights/rollout", json={"action": "pause"}).status_code == 409
    world.roll_out()
    for action, state in (("pause", "paused"), ("resume", "running"), ("abort", "aborted")):
        after = client.post("/api/v1/models/flights/rollout", json={"action": action, "reason": "desk", "actor": "ada"})
        assert after.json()["rollout"]["state"] == state
    assert [route["version"] for route in after.json()["routes"]] == [1]
    assert world.loop.calls[-1][1]["reason"] == "desk"
    assert client.post("/api/v1/models/flights/rollout", json={"action": "hurry"}).status_code == 422
    assert client.post("/api/v1/models/nobody/rollout", json={"action": "abort"}).status_code == 404


def test_asking_for_a_training(client: httpx.Client, world: World) -> None:
    world.apply()
    asked = client.post("/api/v1/models/flights/train", json={"reason": "new data", "tune": 5, "actor": "ada"})
    assert asked.status_code == 202
    assert asked.json() == {"model": "flights", "attempt": "flights-0001", "as_of": "2024-05-01T12:00:00Z"}
    event = world.store.events.read(1)[0].event
    assert event.payload == ev.TrainingRequested("flights-0001", "asked", "new data (ada)", NOW, 1, 5)
    again = client.post("/api/v1/models/flights/train", json={})
    assert again.status_code == 409
    assert "flights-0001" in again.json()["error"]["message"]
    world.append(ev.VersionRegistered("flights-0001", 1, "run-1", "r", "a"))
    at_gates = client.post("/api/v1/models/flights/train", json={})
    assert "version 1" in at_gates.json()["error"]["message"]
    world.append(ev.VersionRefused(1, ""))
    assert client.post("/api/v1/models/flights/train", json={}).json()["attempt"] == "flights-0002"


def test_a_training_that_the_loop_asked_for_first_wins(client: httpx.Client, world: World) -> None:
    world.apply()
    append = world.store.events.append

    def overtaken(*events: ev.Event) -> None:
        mine = ev.TrainingRequested("flights-0001", "age", "a month has gone", NOW, 1)
        append(ev.Event("flights", NOW, mine, once="training_requested:flights-0001"))
        append(*events)

    world.store.events.append = overtaken  # type: ignore[method-assign]
    answer = client.post("/api/v1/models/flights/train", json={})
    assert answer.status_code == 409
    assert "a month has gone" in answer.json()["error"]["message"]


def test_outcomes_get_one_answer_each(client: httpx.Client, world: World) -> None:
    world.apply()
    good = {"key": 17, "label": True, "observed_at": "2024-05-01T10:00:00+02:00"}
    records = [
        good,
        {"label": True},
        {"prediction_id": "nobody", "label": False},
        "text",
        {**good, "observed_at": "2024-05-01T10:00:00"},
        {**good, "lable": 1},
        {"time": "2024-05-01T10:00:00", "label": 2.5},
        {"time": "2024-05-01T10:00:00", "prediction_id": "p", "label": 2.5},
    ]
    answer = client.post("/api/v1/models/flights/outcomes", json=records).json()
    assert [result["status"] for result in answer["results"]] == [
        "joined", "invalid", "unknown", "invalid", "invalid", "invalid", "joined", "invalid",
    ]  # fmt: skip
    assert (answer["accepted"], answer["rejected"]) == (2, 6)
    assert "one of them" in answer["results"][1]["message"]
    assert "timezone" in answer["results"][4]["message"]
    sent = world.loop.calls[-1][1]["records"]
    assert sent[0] == {"key": "17", "label": True, "observed_at": "2024-05-01T08:00:00.000000Z"}
    assert sent[-1] == {"time": "2024-05-01T10:00:00", "label": 2.5}
    assert client.post("/api/v1/models/flights/outcomes", json={"key": 1}).status_code == 422


def test_status_at_a_glance(client: httpx.Client, world: World) -> None:
    world.apply()
    world.register()
    world.measure()
    world.append(ev.TrainingRequested("flights-0001", "first", "", NOW, 1))
    client.post("/api/v1/models/flights/promote", json={"version": 1})
    world.loop.doing = [
        {"model": "flights", "lane": "train", "what": "Train", "detail": "fit", "share": 0.5, "seconds": 3}
    ]
    status = get(client, "/status")
    assert (status["loop"], status["virtual"], status["gateways"][0]["id"]) == ("running", True, "gateway-1")
    assert status["doing"][0]["share"] == 0.5
    (model,) = status["models"]
    assert (model["champion"], model["training"], model["realised"]["labelled"]) == (1, "flights-0001", 150)
    assert model["incidents"][0]["title"] == "distance has moved"
    world.loop.away = WorkerUnavailable("gone")
    assert get(client, "/status")["loop"] == "away"


def test_the_clock_advances_line_by_line(client: httpx.Client, world: World) -> None:
    assert get(client, "/clock") == {"now": "2024-05-01T12:00:00Z", "virtual": True}
    answer = client.post("/api/v1/clock/advance", json={"to": "2024-05-02T00:00:00Z"})
    assert lines(answer) == [{"now": "2024-05-01T18:00:00Z"}, {"done": True, "now": "2024-05-02T00:00:00.000000Z"}]
    assert get(client, "/clock")["now"] == "2024-05-02T00:00:00Z"
    back = client.post("/api/v1/clock/advance", json={"to": "2024-05-01T00:00:00Z"})
    assert (back.status_code, "has passed" in back.json()["error"]["message"]) == (400, True)
    assert client.post("/api/v1/clock/advance", json={"to": "2024-05-09T00:00:00"}).status_code == 422


def test_an_error_on_the_way_is_the_last_line(client: httpx.Client, world: World) -> None:
    world.loop.away = WorkerUnavailable("the loop went away", hint="try again")
    last = lines(client.post("/api/v1/clock/advance", json={"to": "2024-05-02T00:00:00Z"}))[-1]
    assert last["error"]["type"] == "WorkerUnavailable"


def test_a_wall_clock_cannot_be_moved(world: World) -> None:
    app = create_app(replace(world.services, clock=WallClockDouble()))
    with serving(app) as url:
        answer = httpx.post(f"{url}/api/v1/clock/advance", json={"to": "2030-01-01T00:00:00Z"}, trust_env=False)
    assert (answer.status_code, "--virtual-clock" in answer.json()["error"]["hint"]) == (400, True)


@pytest.mark.parametrize(
    "path",
    [
        "/models/nobody",
        "/models/nobody/versions",
        "/models/nobody/versions/1",
        "/models/nobody/versions/1/lineage",
        "/models/nobody/snapshots",
        "/models/nobody/evaluations",
        "/models/nobody/drift",
        "/models/nobody/health-over-time",
        "/runs/nobody",
        "/runs/nobody/leaderboard",
        "/runs/nobody/metrics/loss",
        "/no/such/route",
    ],
)
def test_what_is_not_there_is_404(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/api/v1{path}")
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "NotFound"


@pytest.mark.parametrize("path", ["/runs?limit=0", "/runs?limit=x", "/events?after=-1", "/models/m/versions/one"])
def test_bad_queries_are_422(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/api/v1{path}")
    assert (answer.status_code, answer.json()["error"]["type"]) == (422, "InvalidInput")


def test_a_loop_that_is_away_is_503(client: httpx.Client, world: World) -> None:
    world.apply()
    world.register()
    world.loop.away = WorkerUnavailable("the loop process does not answer", hint="see its log")
    answer = client.post("/api/v1/models/flights/promote", json={"version": 1})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_every_route_is_in_the_openapi_document(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    undocumented = [
        f"{method} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if not operation.get("description")
    ]
    assert undocumented == []
    assert "/api/v1/models/{model}/versions/{number}" in document["paths"]


def test_the_registry_shows_versions_whoever_made_them(client: httpx.Client, world: World) -> None:
    change = Change(datetime(2026, 1, 1, tzinfo=UTC), "ann")
    registered = world.store.registered
    registered.create_model("theirs", change, description="d", tags={"k": "v"}).result()
    registered.create_version("theirs", NewVersion("s3://x/y", ""), change).result()
    world.store.versions.register(samples.a_version())
    world.store.versions.set_alias("flights", "champion", 1)
    listed = {model["name"]: model for model in get(client, "/registry")["items"]}
    assert {name: model["owned"] for name, model in listed.items()} == {"flights": True, "theirs": False}
    assert listed["theirs"]["created_at"] == "2026-01-01T00:00:00Z"
    assert listed["flights"]["aliases"] == {"champion": 1}
    (version,) = get(client, "/registry/flights")["versions"]
    assert (version["number"], version["stage"], version["owned"]) == (1, "Production", True)
    assert version["tags"]["treadle.recipe"] == samples.a_version().recipe_digest
    assert client.get("/api/v1/registry/nobody").status_code == 404
