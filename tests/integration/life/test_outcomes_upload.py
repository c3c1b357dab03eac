"""A file of outcomes on its way through command line, API and loop of a real server to the joined log."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from treadle.app.platform import open_platform
from treadle.app.settings import settings

pytestmark = pytest.mark.timeout(300)

MODEL = Path(__file__).parents[1] / "crashes" / "visits_model.py"
TREADLE = [sys.executable, "-c", "from treadle.cli.main import main; main()"]
HOUR = timedelta(hours=1)
Treadle = Callable[..., subprocess.CompletedProcess[str]]


def visits(now: datetime, rows: int = 600) -> pl.DataFrame:
    """Visits of the last twenty days, an answer three hours after each; who has a large ``x`` comes."""
    begin = now - timedelta(days=20)
    step = timedelta(days=20) / rows
    return pl.DataFrame(
        {
            "visit_id": [f"v{i}" for i in range(rows)],
            "at": [begin + i * step for i in range(rows)],
            "x": [((i * 37) % 100) / 10 - 5 for i in range(rows)],
            "came": [((i * 37) % 100) / 10 - 5 + ((i * 53) % 7 - 3) > 0 for i in range(rows)],
            "known": [begin + i * step + 3 * HOUR for i in range(rows)],
        },
        schema_overrides={"at": pl.Datetime("us", "UTC"), "known": pl.Datetime("us", "UTC")},
    )


def free_port() -> int:
    with socket.socket() as first:
        first.bind(("127.0.0.1", 0))
        port: int = first.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("visits")
    (made / "visits_model.py").write_text(MODEL.read_text())
    visits(datetime.now(UTC)).write_parquet(made / "visits.parquet")
    return made


@pytest.fixture(scope="module")
def treadle(folder: Path) -> Iterator[Treadle]:
    """The command, beside a server with the model."""
    environment = {**os.environ, "TREADLE_HOME": str(folder / "home")}
    environment.pop("TREADLE_URL", None)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*TREADLE, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )

    command = [*TREADLE, "up", "--port", str(free_port())]
    with (folder / "up.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        while not (folder / "home" / "server.json").exists():
            assert server.poll() is None, (folder / "up.log").read_text()
        applied = run("apply", "visits_model.py", "--yes", "--wait")
        assert applied.returncode == 0, applied.stdout + applied.stderr
        yield run
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


def ask(treadle: Treadle, *keys: str) -> list[str]:
    """Ids of the predictions of some visits."""
    now = datetime.now(UTC).isoformat()
    rows = [{"visit_id": key, "at": now, "x": 2.5} for key in keys]
    done = treadle("predict", "visits", json.dumps(rows), "--json")
    assert done.returncode == 0, done.stderr
    return [one["id"] for one in json.loads(done.stdout)["predictions"]]


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_line_is_answered_and_what_is_good_is_joined(treadle: Treadle, folder: Path) -> None:
    first, second, *_ = ask(treadle, "a", "b", "c")
    seen = datetime.now(UTC)
    later = (seen + timedelta(microseconds=1)).isoformat()
    lines = [
        "prediction_id,visit_id,came,observed_at",
        f"{first},,true,{seen.isoformat()}",
        f"{first},,true,{seen.isoformat()}",
        f"{first},,false,{seen.isoformat()}",
        f"{first},,false,{later}",
        f"{second},b,false,{seen.isoformat()}",
        f",c,1,{seen.isoformat()}",
        f",nobody,1,{seen.isoformat()}",
        f"never-answered,,1,{seen.isoformat()}",
        f",a,perhaps,{seen.isoformat()}",
        f",a,1,{(seen + timedelta(days=9)).isoformat()}",
        ",a,1,soon",
    ]
    file = folder / "came.csv"
    file.write_text("\n".join(lines) + "\n")
    done = treadle("outcomes", "upload", str(file), "--model", "visits", "--batch", "4", "--details", "--json")
    assert done.returncode == 1, done.stderr
    answer = told(done)
    assert [one["status"] for one in answer["lines"]] == [
        "joined", "duplicate", "conflicting", "revised", "joined", "joined", "waiting", "unknown", *["invalid"] * 3,
    ]  # fmt: skip
    assert (answer["accepted"], answer["rejected"]) == (6, 5)
    again = told(treadle("outcomes", "upload", str(file), "--model", "visits", "--details", "--json"))
    assert {one["status"] for one in again["lines"][:7]} == {"duplicate", "conflicting"}
    platform = open_platform(settings(folder / "home"))
    try:
        joined = platform.stages.monitor.joined_frame("visits", seen - HOUR, seen + HOUR).collect()
    finally:
        platform.close()
    known = joined.sort("observed_at").group_by("key").last().sort("key").select("key", "label").rows()
    assert known == [("a", False), ("b", False), ("c", True)]


def test_parquet_by_key_with_nothing_else(treadle: Treadle, folder: Path) -> None:
    ask(treadle, "p", "q")
    file = folder / "came.parquet"
    pl.DataFrame({"visit_id": ["p", "q"], "came": [True, False]}).write_parquet(file)
    done = treadle("outcomes", "upload", str(file), "--model", "visits")
    assert (done.returncode, "joined       2" in done.stdout) == (0, True), done.stdout + done.stderr
    assert "duplicate      2" in treadle("outcomes", "upload", str(file), "--model", "visits").stdout


def test_a_training_asked_for_by_hand_is_followed_to_its_end(treadle: Treadle) -> None:
    done = treadle("train", "visits", "--reason", "to see", "--wait")
    assert "training visits-0002 of what is known" in done.stdout
    assert ("version 2 serves" in done.stdout) == (done.returncode == 0), done.stdout + done.stderr
    assert "version 2 made by" in done.stderr
