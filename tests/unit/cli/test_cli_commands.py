"""Commands that talk to a server, against a real one over sockets."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from control_world import CODE, DAY, FAILED_GATES, NOW, SPEC, World, refuse_to_describe
from typer.testing import CliRunner, Result

from treadle.cli.following import Ended, Watched
from treadle.cli.main import app
from treadle.domain import events as ev
from treadle.domain.errors import WorkerUnavailable
from treadle.domain.monitoring import Incident
from treadle.domain.registered import Change, NewVersion
from treadle.domain.runs import Run, RunStatus


def treadle(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=text)


def done(*arguments: str, text: str | None = None) -> str:
    result = treadle(*arguments, text=text)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def model_file(tmp_path: Path) -> str:
    path = tmp_path / "code" / "model.py"
    path.parent.mkdir()
    path.write_text(CODE)
    return str(path)


@pytest.fixture
def full(world: World, server: str) -> World:
    world.apply()
    world.register(1)
    world.register(2, FAILED_GATES)
    world.measure()
    world.loop._promote("flights", 1, "first", "test")
    return world


def test_plan_shows_the_diff(server: str, model_file: str, world: World) -> None:
    told = done("plan", model_file)
    assert "changes against nothing yet" in told
    assert "  + task: binary" in told
    assert "  => train the first version" in told
    world.apply()
    (Path(model_file).parent / "more.py").write_text("")
    told = done("plan", model_file)
    assert "flights: 1 change against revision 1" in told
    assert "  + code/more.py: " in told
    assert json.loads(done("plan", model_file, "--json"))["base"] == 1


def test_apply_asks_first(server: str, model_file: str, world: World) -> None:
    result = treadle("apply", model_file)
    assert result.exit_code == 2
    assert "there is nobody to ask" in result.stderr
    assert "--yes" in result.stderr
    assert list(world.store.models.all()) == []


@pytest.mark.parametrize(("answer", "code", "revision"), [("y\n", 0, 1), ("n\n", 1, 0)])
def test_apply_does_what_is_answered(
    server: str, model_file: str, world: World, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, revision: int
) -> None:
    monkeypatch.setattr("treadle.cli.models._someone_is_there", lambda: True)
    result = treadle("apply", model_file, text=answer)
    assert result.exit_code == code
    assert "  + task: binary" in result.stdout
    assert len(world.store.models.all()) == revision


def test_apply_and_again(server: str, model_file: str) -> None:
    assert "flights is at revision 1\n" in done("apply", model_file, "--yes")
    assert "flights is at revision 1 already" in done("apply", model_file)
    assert json.loads(done("apply", model_file, "--json", "--wait"))["applied"]["changed"] is False


def _live(world: World, *payloads: ev.Payload) -> None:
    def later() -> None:
        for payload in payloads:
            time.sleep(0.05)
            world.append(payload)

    threading.Thread(target=later).start()


@pytest.mark.parametrize(
    ("end", "code", "told"),
    [
        (ev.VersionPromoted(1, None, "all gates passed"), 0, "version 1 serves: all gates passed"),
        (ev.VersionRefused(1, "auc >= 0.8 fail"), 1, "version 1 was refused: auc >= 0.8 fail"),
        (
            ev.TrainingFailed("flights-0001", "data", "null carrier"),
            1,
            "training flights-0001 failed (data): null carrier",
        ),
    ],
)
def test_apply_waits_for_the_end(
    server: str, model_file: str, world: World, end: ev.Payload, code: int, told: str
) -> None:
    asked = ev.TrainingRequested("flights-0001", "first", "", NOW, 1)
    world.loop.doing = [{"model": "flights", "lane": "train", "what": "Train", "detail": "fit", "share": 0.5}]
    world.loop.on_wake = lambda: _live(world, asked, ev.VersionRegistered("flights-0001", 1, "r", "r", "a"), end)
    result = treadle("apply", model_file, "--yes", "--wait")
    assert (result.exit_code, told in result.stdout) == (code, True), result.output
    assert "version 1 made by r" in result.stderr
    assert "training 50%: fit" in result.stderr


def test_a_promoted_version_serves_once_the_gateway_answers_with_it(
    server: str, model_file: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = iter([False, False, True])
    monkeypatch.setattr("treadle.sdk.client.Client.ready", lambda *_: next(asked))
    told = (
        ev.TrainingRequested("flights-0001", "first", "", NOW, 1),
        ev.VersionRegistered("flights-0001", 1, "r", "", ""),
    )
    world.loop.on_wake = lambda: _live(world, *told, ev.VersionPromoted(1, None, "all gates passed"))
    result = treadle("apply", model_file, "--yes", "--wait")
    assert (result.exit_code, next(asked, None)) == (0, None), result.output
    assert "waiting for the gateway: version 1" in result.stderr


def test_a_promoted_version_that_no_gateway_answers_with_does_not_serve(
    server: str, model_file: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("treadle.sdk.client.Client.ready", lambda *_: False)
    told = (
        ev.TrainingRequested("flights-0001", "first", "", NOW, 1),
        ev.VersionRegistered("flights-0001", 1, "r", "", ""),
    )
    world.loop.on_wake = lambda: _live(world, *told, ev.VersionPromoted(1, None, "all gates passed"))
    result = treadle("apply", model_file, "--yes", "--wait", "--timeout", "2")
    assert (result.exit_code, "no gateway answers with it yet" in result.stdout) == (1, True), result.output


def test_training_can_be_asked_for(full: World) -> None:
    told = done("train", "flights", "--reason", "new data", "--tune", "3")
    assert "training flights-0001 of what is known at 2024-05-01 12:00 UTC is asked for" in told
    (event,) = [e.event for e in full.store.events.read(0) if isinstance(e.event.payload, ev.TrainingRequested)]
    assert (event.payload.tune, event.payload.reason.startswith("new data (")) == (3, True)
    again = treadle("train", "flights")
    assert (again.exit_code, "is under way" in again.stderr) == (2, True), again.output
    assert treadle("train", "boats").exit_code == 2


@pytest.mark.parametrize(
    ("end", "code", "told"),
    [
        (ev.VersionPromoted(3, 1, "all gates passed"), 0, "version 3 serves: all gates passed"),
        (ev.TrainingFailed("flights-0001", "data", "null carrier"), 1, "failed (data): null carrier"),
    ],
)
def test_training_can_be_waited_for(full: World, end: ev.Payload, code: int, told: str) -> None:
    full.loop.on_wake = lambda: _live(full, ev.VersionRegistered("flights-0001", 3, "r", "r", "a"), end)
    result = treadle("train", "flights", "--wait")
    assert (result.exit_code, told in result.stdout) == (code, True), result.output


def test_waiting_ends(server: str, model_file: str) -> None:
    result = treadle("apply", model_file, "--yes", "--wait", "--timeout", "1")
    assert (result.exit_code, "no end after 1 s" in result.stdout) == (1, True)


def test_a_model_that_raises_shows_its_traceback_and_no_other(server: str, model_file: str, world: World) -> None:
    world.describing.answer = refuse_to_describe
    result = treadle("plan", model_file)
    assert result.exit_code == 1
    assert "Traceback: 1 / 0\nerror: model.py raised ZeroDivisionError\n  -> mend the model\n" in result.stderr


def test_models(full: World) -> None:
    header, row = done("models").splitlines()
    assert header.split()[:4] == ["model", "revision", "task", "champion"]
    assert row.split()[:6] == ["flights", "1", "binary", "1", "-", "2"]
    assert row.endswith("Which flights will be late?")
    assert "aliases      champion is version 1" in done("models", "flights")
    assert json.loads(done("models", "--json"))[0]["name"] == "flights"
    assert json.loads(json.loads(done("models", "flights", "--json"))["applied"]["spec_json"])["name"] == SPEC.name


def test_versions(full: World) -> None:
    told = done("versions", "flights")
    assert "champion" in told
    assert "about 400 more rows needed" in told
    detail = done("versions", "flights", "2")
    assert "auc >= 0.8" in detail
    assert "0.65 to 0.75" in detail
    assert json.loads(done("versions", "flights", "2", "--json"))["lineage"]["run"] == "run-2"


def test_versions_that_clients_registered(full: World) -> None:
    change = Change(datetime(2026, 1, 1, tzinfo=UTC), "ann")
    registered = full.store.registered
    registered.create_model("theirs", change).result()
    for name in ("theirs", "flights"):
        number = registered.create_version(name, NewVersion("s3://bucket/model", ""), change).result().number
        registered.point_alias(name, "best", number, change).result()
    _, row = done("versions", "theirs").splitlines()
    assert row.split()[:3] == ["1", "best", "None"]
    assert row.endswith("s3://bucket/model")
    both = done("versions", "flights").splitlines()
    assert both[-1].split()[:2] == ["3", "best"]
    assert any("champion" in line for line in both)
    (version,) = json.loads(done("versions", "theirs", "--json"))
    assert (version["number"], version["owned"], version["source"]) == (1, False, "s3://bucket/model")


def test_promote_and_roll_back(full: World) -> None:
    assert done("promote", "flights", "2", "--reason", "desk") == "flights: version 2 answers (before: 1)\n"
    assert done("rollback", "flights") == "flights: version 1 answers again\n"
    assert json.loads(done("rollback", "flights", "--to", "2", "--json"))["champion"] == 2
    newest = full.store.events.last(limit=3)[-1].event
    assert newest.payload == ev.VersionPromoted(2, 1, "desk")
    assert newest.actor


def test_a_rollout_by_hand(full: World) -> None:
    assert done("promote", "flights", "1")
    full.roll_out()
    assert done("rollout", "flights", "pause", "--reason", "desk") == "flights: the rollout of version 2 is paused\n"
    assert json.loads(done("rollout", "flights", "resume", "--json"))["rollout"]["state"] == "running"
    assert done("rollout", "flights", "abort") == "flights: the rollout of version 2 is aborted\n"
    assert treadle("rollout", "flights", "pause").exit_code == 2
    assert treadle("rollout", "flights", "hurry").exit_code == 2


def test_status(full: World) -> None:
    full.append(ev.TrainingRequested("flights-0001", "age", "", NOW, 1))
    full.loop.doing = [
        {"model": "flights", "lane": "train", "what": "Train", "detail": "fit", "share": 0.25, "seconds": 7.0}
    ]
    told = done("status")
    assert "2024-05-01 12:00 (virtual clock)" in told
    assert "training flights 25%: fit (7 s)" in told
    assert "training flights-0001" in told
    assert "auc 0.68 (partial, 75% of 200)" in told
    assert "! flights: distance has moved (since 2024-05-01 12:00)" in told
    assert json.loads(done("status", "--json"))["models"][0]["champion"] == 1
    full.loop.away = WorkerUnavailable("gone")
    full.acks.clear()
    told = done("status")
    assert "the loop is being restarted" in told
    assert "no gateway has answered yet" in told


def test_status_of_an_empty_server(server: str) -> None:
    assert "no model yet: treadle apply model.py" in done("status")


def test_runs(full: World) -> None:
    assert "run-1" in done("runs", "--model", "flights", "--limit", "5")
    detail = done("runs", "run-1")
    assert "* trial 1" in detail
    assert "  constant" in detail
    assert json.loads(done("runs", "run-1", "--json"))["params"]["depth"] == 3


def test_trials_are_listed_where_they_are_asked_for(full: World) -> None:
    full.store.runs.create(Run("run-1.000", "flights", RunStatus.RUNNING, NOW, parent="run-1"))
    assert "run-1.000" not in done("runs")
    assert "run-1.000" in done("runs", "--trials")


@pytest.mark.parametrize("command", [("runs", "--model", "boats"), ("alerts", "boats")])
def test_a_model_that_is_not_there_is_no_empty_list(full: World, command: tuple[str, ...]) -> None:
    result = treadle(*command)
    assert (result.exit_code, "there is no model 'boats'" in result.stderr) == (2, True), result.output


def test_an_open_incident_is_told_in_full(full: World) -> None:
    detail = "1 rule is broken:\n  - hum: <= 100 broken by 300 of 17,379 rows"
    full.store.measurements.open_incident(
        Incident("i2", "flights", "training", "t", "training refused", detail, NOW, {})
    )
    told = done("alerts")
    assert "flights: training refused\n  1 rule is broken:\n    - hum: <= 100 broken by 300" in told


def test_alerts(full: World) -> None:
    assert "distance has moved" in done("alerts")
    assert "effect 0.4, rows 100" in done("alerts", "flights")
    full.store.measurements.resolve_incident("i1", NOW + DAY)
    assert done("alerts") == "nothing needs attention\n"
    assert "2024-05-02 12:00" in done("alerts", "--all")
    assert json.loads(done("alerts", "--all", "--json"))[0]["id"] == "i1"


@pytest.mark.parametrize(
    "rows",
    [
        '{"distance": 1}\n{"distance": 2}\n',
        '[{"distance": 1}, {"distance": 2}]',
        '{"rows": [{"distance": 1}, {"distance": 2}]}',
    ],
)
def test_predict_from_text_file_and_stdin(server: str, tmp_path: Path, rows: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(rows)
    wanted = ["prediction", "score", "decision", "r-0", "0", "False", "r-1", "0.1", "True"]
    assert done("predict", "flights", str(path)).split()[3:] == wanted
    assert done("predict", "flights", "-", text=rows).split()[3:] == wanted
    assert done("predict", "flights", rows).split()[3:] == wanted
    assert json.loads(done("predict", "flights", rows, "--json"))["version"] == 3


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("none.json", "cannot read rows from none.json"),
        ("{nope", "ROWS is no JSON"),
        ("[1, 2]", "ROWS holds no rows"),
        ("[]", "ROWS holds no rows"),
        ('{"a": 1}\n{"b": }\n', "line 2, is no JSON"),
        ('{"carrier": "UA"}', "lacks column 'distance'"),
    ],
)
def test_bad_rows_are_told(server: str, rows: str, told: str) -> None:
    result = treadle("predict", "flights", rows)
    assert result.exit_code == 2
    assert told in result.stderr
    assert "  -> " in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "nobody"),
        ("versions", "nobody"),
        ("versions", "flights", "9"),
        ("runs", "nobody"),
        ("promote", "nobody", "1"),
        ("rollback", "nobody"),
        ("predict", "nobody", '{"distance": 1}'),
        ("plan", "nofile.py"),
        ("status", "--url", "nonsense"),
    ],
)
def test_what_the_caller_can_mend_is_2(full: World, arguments: tuple[str, ...]) -> None:
    result = treadle(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "arguments",
    [("promote", "flights", "two"), ("promote", "flights", "0"), ("runs", "--limit", "0"), ("nonsense",), ("promote",)],
)
def test_wrong_usage_is_2(arguments: tuple[str, ...]) -> None:
    assert treadle(*arguments).exit_code == 2


def test_no_server_is_1_with_what_to_do() -> None:
    result = treadle("status", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: no Treadle server answers at http://127.0.0.1:9\n"
        "  -> start one with `treadle up`, ask from the folder where one runs, or give its --url\n"
    )


def test_an_interrupt_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("treadle.cli.observing.open_client", interrupted)
    result = treadle("status")
    assert (result.exit_code, result.stderr) == (130, "stopped\n")


def test_waiting_for_a_version_ends_when_its_rollout_begins() -> None:
    watched = Watched(2, attempts={"flights-0002"})
    assert watched.see(ev.VersionRegistered("flights-0002", 7, "run", "r", "a")) is None
    assert watched.see(ev.RolloutStarted(6, 1, "another")) is None
    ended = watched.see(ev.RolloutStarted(7, 1, "step 1 of 4 (shadow); 4 steps lie ahead"))
    assert ended == Ended(True, "version 7 is being rolled out: step 1 of 4 (shadow); 4 steps lie ahead")
