"""The server away, answers lost, the client killed: what was logged arrives, once."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from recording_server import Refusal

import treadle
from treadle.sdk.tracking import courier
from treadle.sdk.tracking.replay import replay

LOSSES = """
import sys, treadle
run = treadle.run(name="mine", params={"rate": 0.1})
for i in range(20_000):
    run.log(loss=float(i), step=i)
run.artifact(b"weights", "model.bin")
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "AWAY_PATIENCE", 0.05)
    monkeypatch.setattr(courier, "PAUSE", 0.02)
    monkeypatch.setattr(courier, "FIRST_BACKOFF", 0.02)


def losses(run: dict[str, Any]) -> list[tuple[int, float]]:
    return sorted((step, value) for step, value, _ in run["metrics"]["loss"])


def test_a_server_that_was_away_all_the_time(server: Any, spool: Path, capfd: pytest.CaptureFixture[str]) -> None:
    server.stop()
    with treadle.run() as run:
        run.log(loss=1.0)
        run.artifact(b"x", "x.txt")
    told = capfd.readouterr().err
    assert "does not answer" in told
    assert "treadle sync" in told
    server.start()
    (found,) = replay(spool)
    assert (found.run, found.sent) == (run.id, True)
    assert losses(server.only_run()) == [(0, 1.0)]
    assert server.only_run()["files"] == {"x.txt": b"x"}
    assert server.only_run()["info"]["status"] == "FINISHED"
    assert list(replay(spool)) == []


def test_the_next_run_brings_what_the_last_one_left(server: Any, spool: Path) -> None:
    server.stop()
    with treadle.run() as left:
        left.log(loss=1.0)
    server.start()
    with treadle.run() as run:
        run.flush()
        until = time.monotonic() + 20
        while left.id not in server.runs or server.runs[left.id]["info"]["status"] != "FINISHED":
            assert time.monotonic() < until
            time.sleep(0.01)
    assert losses(server.runs[left.id]) == [(0, 1.0)]


def test_a_server_that_comes_back_meanwhile(server: Any) -> None:
    with treadle.run() as run:
        run.log(loss=0.0, step=0)
        assert run.flush()
        server.stop()
        run.log(loss=1.0, step=1)
        assert not run.flush(0.2)
        server.start()
        run.log(loss=2.0, step=2)
        assert run.flush(20)
        assert losses(server.only_run()) == [(0, 0.0), (1, 1.0), (2, 2.0)]


def test_lost_answers_and_busy_servers_double_nothing(server: Any) -> None:
    answers, calls = itertools.count(1), itertools.count(1)

    def busy(_path: str, _body: dict[str, Any]) -> None:
        if next(calls) % 5 == 0:
            raise Refusal(503, "TEMPORARILY_UNAVAILABLE", "later")

    server.lose, server.intercept = lambda _path: next(answers) % 3 == 0, busy
    courier.AWAY_PATIENCE = 20.0
    with treadle.run() as run:
        for i in range(5000):
            run.log(loss=float(i), step=i)
        run.artifact(b"x", "x.txt")
    found = server.only_run()
    assert losses(found) == [(i, float(i)) for i in range(5000)]
    assert len(found["metrics"]["loss"]) == 5000
    assert found["files"] == {"x.txt": b"x"}


def test_a_lost_answer_to_creation_where_the_server_names_runs(server: Any) -> None:
    server.own_ids = True
    lost = iter([True])
    server.lose = lambda path: path == "runs/create" and next(lost, False)
    courier.AWAY_PATIENCE = 20.0
    with treadle.run() as run:
        run.log(loss=1.0)
    found = server.only_run()
    assert found["info"]["run_id"] != run.id
    assert losses(found) == [(0, 1.0)]
    assert found["info"]["status"] == "FINISHED"


def test_a_killed_client(server: Any, spool: Path, script: Any) -> None:
    server.stop()
    done = script(LOSSES + "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert done.returncode == -signal.SIGKILL
    server.start()
    (found,) = replay(spool)
    assert found.sent
    run = server.only_run()
    assert losses(run) == [(i, float(i)) for i in range(20_000)]
    assert run["params"] == {"rate": "0.1"}
    assert run["files"] == {"model.bin": b"weights"}
    assert run["info"]["status"] == "FAILED"
    assert run["tags"]["treadle.ended"] == "the client ended without a word"


def test_a_client_killed_while_it_sends(server: Any, spool: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(LOSSES + "print('logged', flush=True)\nimport time\ntime.sleep(60)\n")
    process = subprocess.Popen([sys.executable, str(program)], env=dict(os.environ), stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"logged\n"
    process.kill()
    process.wait()
    process.stdout.close()
    for _ in replay(spool):
        pass
    assert losses(server.only_run()) == [(i, float(i)) for i in range(20_000)]
    assert server.only_run()["info"]["status"] == "FAILED"


def test_a_program_that_ends_or_raises(server: Any, script: Any) -> None:
    assert script("import treadle\ntreadle.run(name='ends').log(loss=1.0)\n").returncode == 0
    assert script("import treadle\ntreadle.run(name='raises').log(loss=1.0)\n1 / 0\n").returncode == 1
    found = {run["info"]["run_name"]: run for run in server.runs.values()}
    assert found["ends"]["info"]["status"] == "FINISHED"
    assert found["raises"]["info"]["status"] == "FAILED"
    assert losses(found["raises"]) == [(0, 1.0)]


def test_what_the_server_refuses_is_put_by_and_the_rest_arrives(server: Any, spool: Path, capfd: Any) -> None:
    def refuse(_path: str, body: dict[str, Any]) -> None:
        if any(point["value"] == 500.0 for point in body.get("metrics", ())):
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "500 is too many")

    server.intercept = refuse
    with treadle.run() as run:
        for i in range(1000):
            run.log(loss=float(i), step=i)
    assert losses(server.only_run()) == [(i, float(i)) for i in range(1000) if i != 500]
    assert "did not take 1 thing" in capfd.readouterr().err
    (kept,) = (spool / ".refused").glob("*/refused")
    assert "500 is too many" in kept.read_text()
    assert list(replay(spool)) == []


def test_a_run_that_was_deleted_meanwhile_is_kept_here(server: Any, spool: Path, capfd: Any) -> None:
    with treadle.run() as run:
        run.flush()
        gone = server.runs.pop(run.id)
        run.log(loss=1.0)
    assert "is kept in" in capfd.readouterr().err
    (found,) = replay(spool)
    assert (found.sent, found.trouble) == (False, f"no run {run.id}")
    server.runs[run.id] = gone
    (found,) = replay(spool)
    assert found.sent
    assert losses(server.only_run()) == [(0, 1.0)]


def test_a_spool_in_use_is_left_alone(server: Any, spool: Path) -> None:
    with treadle.run() as run:
        run.log(loss=1.0)
        assert list(replay(spool)) == []
    assert losses(server.only_run()) == [(0, 1.0)]
