"""The client against a real control plane and a gateway, over sockets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from control_world import CODE, DAY, FAILED_GATES, NOW, World, refuse_to_describe

from treadle.domain import events as ev
from treadle.domain.deployments import RolloutState
from treadle.domain.errors import (
    Conflict,
    DataRejected,
    InvalidInput,
    NotFound,
    StepFailed,
    TreadleError,
    WorkerUnavailable,
)
from treadle.domain.gates import Verdict
from treadle.sdk import Client, pack
from treadle.sdk.addresses import Address, find_server
from treadle.sdk.bundles import Bundle
from treadle.sdk.failures import error_from, error_of
from treadle.spec.columns import Col
from treadle.spec.rows import Row

BUNDLE = Bundle("model.py", {"model.py": CODE.encode(), "data.bin.py": b"\xff\xfe"}, "/code")


class Flight(Row):
    distance: Col[float]
    departs: Col[datetime]


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(actor="ada") as made:
        assert made.address.control == server
        yield made


def test_a_model_from_plan_to_promotion(client: Client, world: World) -> None:
    logs: list[str] = []
    plan = client.plan(BUNDLE, log=logs.append)
    assert (plan.model, plan.base, "step describe" in logs) == ("flights", 0, True)
    applied = client.apply(BUNDLE, expected=plan.digest)
    assert (applied.revision, applied.changed, applied.plan.digest) == (1, True, plan.digest)
    with pytest.raises(Conflict, match="stale"):
        client.apply(BUNDLE, expected="0")
    world.register(1)
    world.register(2, FAILED_GATES)
    assert client.deployment("flights").routes == ()
    assert client.promote("flights", 1).champion == 1
    assert client.promote("flights", 2, reason="better").previous == 1
    assert client.rollback("flights", reason="worse").champion == 1
    world.roll_out()
    assert client.deployment("flights").routes[1].shadow
    assert client.rollout("flights", "pause").rollout.state is RolloutState.PAUSED
    assert client.rollout("flights", "abort", reason="worse").routes == client.rollback("flights", to=1).routes
    with pytest.raises(Conflict, match="being rolled out"):
        client.rollout("flights", "resume")
    (summary,) = client.models()
    assert (summary.champion, summary.versions) == (1, 2)
    detail = client.model("flights")
    assert (detail.aliases, detail.deployment) == ({"champion": 1}, client.deployment("flights"))
    assert detail.applied == world.store.models.get("flights")
    second, first = client.versions("flights")
    assert (second.verdict, first.verdict, first.aliases) == (Verdict.FAIL, Verdict.PASS, ("champion",))
    assert client.version("flights", 2).gates == FAILED_GATES
    assert client.lineage("flights", 2)["run"] == "run-2"
    assert client.snapshots("flights")[0].digest in ("snap1", "snap2")
    assert client.health()["status"] == "ok"


def test_runs_and_their_points(client: Client, world: World) -> None:
    world.apply()
    world.register()
    (run,) = client.runs(model="flights")
    assert run == client.run("run-1") == world.store.runs.get("run-1")
    assert [point.value for point in client.points("run-1", "loss")] == [1.0, 0.5, 1 / 3]
    assert client.points("run-1", "valid/auc")[0].value == 0.7
    assert client.leaderboard("run-1")[1].chosen
    with pytest.raises(NotFound):
        client.run("nobody")


def test_measurements_status_and_report(client: Client, world: World) -> None:
    world.apply()
    world.measure()
    assert client.evaluations("flights", since=NOW - 3 * DAY)[0].metrics["auc"].value == 0.68
    assert client.evaluations("flights", since=NOW + DAY) == []
    assert client.drift("flights")[0].columns[0].alert
    assert client.service_health("flights")[0].latency_p99 == float("inf")
    assert client.incidents(open_only=True)[0].numbers == {"effect": 0.4, "rows": 100}
    assert client.report("flights")["model"] == "flights"
    status = client.status()
    assert status.models[0].realised == client.evaluations("flights")[0]
    assert (status.now, status.virtual, status.gateways[0]["id"]) == (NOW, True, "gateway-1")


def test_events_and_following_them(client: Client, world: World) -> None:
    world.apply()
    world.append(ev.VersionRefused(1, "a"))
    assert list(client.events(1)) == list(world.store.events.read(1))
    assert client.latest_events(kinds=["version_refused"])[0].position == 2
    following = client.follow(0, model="flights", every=0.01)
    assert [next(following).position, next(following).position] == [1, 2]


def test_training_outcomes_and_the_clock(client: Client, world: World) -> None:
    world.apply()
    asked = client.train("flights", tune=3)
    assert (asked.attempt, asked.as_of) == ("flights-0001", NOW)
    with pytest.raises(Conflict, match="under way"):
        client.train("flights")
    answer = client.push_outcomes(
        "flights", [{"key": "a", "label": np.bool_(True), "observed_at": NOW}, {"prediction_id": "nobody", "label": 1}]
    )
    assert [result.status for result in answer.results] == ["joined", "unknown"]
    assert client.clock().now == NOW
    assert [line.get("done") for line in client.advance(NOW + DAY)] == [None, True]
    assert client.clock().now == NOW + DAY
    with pytest.raises(InvalidInput, match="has passed"):
        list(client.advance(NOW))
    world.loop.away = WorkerUnavailable("the loop went away", hint="wait")
    with pytest.raises(WorkerUnavailable, match="went away"):
        list(client.advance(NOW + 2 * DAY))


def test_predictions_of_mappings_rows_and_numpy_values(client: Client) -> None:
    one = client.predict("flights", {"distance": np.float32(1.5), "at": NOW})
    assert (one.model, one.version, one.predictions[0].decision) == ("flights", 3, False)
    two = client.predict("flights", [Flight(distance=1.0, departs=NOW), {"distance": None}])
    assert [prediction.id for prediction in two.predictions] == ["r-0", "r-1"]
    with pytest.raises(InvalidInput, match="lacks column"):
        client.predict("flights", {"carrier": "UA"})
    with pytest.raises(NotFound, match="no model of that name"):
        client.predict("nobody", {"distance": 1.0})
    with pytest.raises(InvalidInput, match="None for a missing"):
        client.predict("flights", {"distance": float("nan")})
    with pytest.raises(InvalidInput, match="a row is a mapping"):
        client.predict("flights", [1.0])
    with pytest.raises(InvalidInput, match="cannot be sent"):
        client.predict("flights", {"distance": object()})


def test_a_models_own_error_keeps_its_traceback(client: Client, world: World) -> None:
    world.describing.answer = refuse_to_describe
    with pytest.raises(StepFailed, match="ZeroDivisionError") as raised:
        client.plan(BUNDLE)
    assert raised.value.traceback == "Traceback: 1 / 0"


def test_no_server_is_said_with_what_to_do() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(WorkerUnavailable) as raised:
        client.status()
    assert raised.value.message == "no Treadle server answers at http://127.0.0.1:9"
    assert "`treadle up`" in raised.value.hint


def test_another_kind_of_server_is_noticed() -> None:
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, text="<html>"))
    with (
        Client("http://127.0.0.1:9", transport=transport) as client,
        pytest.raises(InvalidInput, match="else than JSON"),
    ):
        client.models()


def test_a_stream_that_breaks_off_is_no_result() -> None:
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, text='{"log": "x"}\n{"waiting": 5}\n'))
    with Client("http://127.0.0.1:9", transport=transport) as client:
        with pytest.raises(WorkerUnavailable, match="broke off"):
            client.plan(BUNDLE)
        with pytest.raises(WorkerUnavailable, match="broke off"):
            list(client.advance(NOW))


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (409, b'{"error": {"type": "Conflict", "message": "m", "hint": "h"}}', Conflict, "m"),
        (404, b'{"error": "no model", "hint": "h"}', NotFound, "no model"),
        (400, b'{"error": "bad"}', InvalidInput, "bad"),
        (502, b"<html>bad gateway</html>", TreadleError, "the server answered 502"),
        (503, b"", WorkerUnavailable, "the server answered 503"),
        (422, b'{"error": {"type": "codec", "message": "m"}}', InvalidInput, "m"),
        (502, b"bad gateway", TreadleError, "the server answered 502: bad gateway"),
        (422, b"[]", InvalidInput, "the server answered 422: []"),
    ],
)
def test_errors_become_what_they_were(status: int, body: bytes, kind: type[TreadleError], message: str) -> None:
    error = error_of(status, body)
    assert (type(error), error.message) == (kind, message)


def test_findings_come_back() -> None:
    finding = {"column": "distance", "rule": "ge 0", "count": 1, "rows": 2, "examples": [{"distance": "-1"}]}
    error = error_from({"type": "DataRejected", "message": "m", "findings": [finding]})
    assert isinstance(error, DataRejected)
    assert str(error.findings[0]) == "distance: ge 0 broken by 1 of 2 rows, for example distance=-1"


def test_the_address_is_given_named_announced_or_the_default(tmp_path: Path) -> None:
    home = {"TREADLE_HOME": str(tmp_path)}
    assert find_server(environ=home) == Address("http://127.0.0.1:8700", "http://127.0.0.1:8701")
    (tmp_path / "server.json").write_text(
        json.dumps({"control": "http://127.0.0.1:1", "gateway": "http://127.0.0.1:7"})
    )
    assert find_server(environ=home) == Address("http://127.0.0.1:1", "http://127.0.0.1:7")
    assert find_server("http://127.0.0.1:1/", environ=home).gateway == "http://127.0.0.1:7"
    named = {**home, "TREADLE_URL": "https://models.example"}
    assert find_server(environ=named) == Address("https://models.example", "https://models.example:444")
    assert find_server("http://[::1]:5", environ=named).gateway == "http://[::1]:6"
    assert find_server("http://a:1", "http://b:2", environ=named) == Address("http://a:1", "http://b:2")
    assert (find_server("http://a:1").local, find_server("http://localhost:1").local) == (False, True)
    for broken in ("[]", "{", '{"control": 1}', '{"control": "x", "gateway": "y"}'):
        (tmp_path / "server.json").write_text(broken)
        assert find_server(environ=home).control == "http://127.0.0.1:8700"


@pytest.mark.parametrize("url", ["8700", "localhost:8700", "ftp://a", "http://", "http://a:b", "http://a:99999"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="no URL"):
        find_server(url)


def test_importing_the_client_costs_no_heavy_module() -> None:
    heavy = ("httpx", "pydantic", "fastapi", "polars", "numpy", "sqlalchemy", "rich", "treadle.api", "treadle.loop")
    code = f"import sys, treadle.sdk.client; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pack_is_part_of_the_client(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(CODE)
    assert pack(tmp_path / "model.py").entry == "model.py"


def test_times_of_the_query_carry_their_zone() -> None:
    seen: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.params["since"])
        return httpx.Response(200, json={"items": []})

    with Client("http://127.0.0.1:9", transport=httpx.MockTransport(answer)) as client:
        client.drift("m", since=datetime(2024, 1, 1, tzinfo=UTC))
    assert seen == ["2024-01-01T00:00:00.000000Z"]
