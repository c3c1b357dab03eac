"""Two models with conflicting libraries in one server, each living its own life beside the other."""

from __future__ import annotations

import heapq
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from treadle.app.demo import Story, traffic
from treadle.app.local_run import run_file
from treadle.app.platform import Platform, open_platform
from treadle.app.replay import Sender, Sent, batches
from treadle.app.settings import Settings, settings
from treadle.app.supervisor import Supervisor, only_one
from treadle.domain.gates import Verdict
from treadle.domain.versions import ModelVersion
from treadle.sdk import Client
from treadle.sdk.bundles import pack
from treadle.sdk.records import Predictions
from treadle.spec.model_spec import ModelSpec

pytestmark = pytest.mark.timeout(600)

EXAMPLES = Path(__file__).parents[2] / "examples"
SINCE, UNTIL = datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 3, tzinfo=UTC)
LATER = timedelta(days=364)
"""What brings the hours of 2012 beside the flights of 2013: whole weeks, and clocks change on the same days."""
PORT = 18720
IN_A_WORKER = """

@bikes.predict
def whole_bikes(model: Pipeline, rows: pd.DataFrame) -> np.ndarray:
    return np.round(model.predict(rows))
"""
"""Python between rows and scores: what cannot be compiled is answered by the version's own worker."""


@dataclass(frozen=True)
class Lived:
    """What became of the requests, the last answers, and what each model's report says."""

    where: Settings
    sent: dict[str, Sent]
    answers: dict[str, Predictions]
    reports: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def bikes_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bikes")
    text = (EXAMPLES / "bikes" / "model.py").read_text().replace("milliseconds=20", "milliseconds=500")
    (folder / "model.py").write_text(text + IN_A_WORKER)
    hours = pl.read_parquet(EXAMPLES / "bikes" / "bikes.parquet")
    hours.with_columns(pl.col("at") + LATER).write_parquet(folder / "bikes.parquet")
    return folder / "model.py"


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory, bikes_file: Path) -> Iterator[Lived]:
    where = settings(tmp_path_factory.mktemp("two") / "home", port=PORT)
    supervisor = Supervisor(where, virtual_start=SINCE)
    with only_one(where.home):
        try:
            supervisor.start()
            threading.Thread(target=supervisor.run, daemon=True).start()
            yield _live(where, {"flights": EXAMPLES / "flights" / "model.py", "bikes": bikes_file})
        finally:
            supervisor.stop()
            supervisor.close()


def _live(where: Settings, files: dict[str, Path]) -> Lived:
    with Client(url=where.control_url, gateway_url=where.gateway_url) as client:
        for file in files.values():
            client.apply(pack(file))
        _advance(client, SINCE)
        asked = {name: traffic(where, Story(name, SINCE, UNTIL)) for name in files}
        lanes = [[(b.at, name, b) for b in batches(*asked[name], SINCE, UNTIL)] for name in files]
        senders = {name: Sender(where.gateway_url, name) for name in files}
        for at, name, batch in heapq.merge(*lanes, key=lambda one: one[:2]):
            if at > client.clock().now:
                _advance(client, at)
            senders[name].send(batch)
        for sender in senders.values():
            sender.close()
        _advance(client, UNTIL + timedelta(days=1))
        reports = {name: client.report(name) for name in files}
        answers = {name: client.predict(name, _plain(rows.head(2), spec)) for name, (spec, rows) in asked.items()}
    return Lived(where, {name: sender.sent for name, sender in senders.items()}, answers, reports)


def _advance(client: Client, to: datetime) -> None:
    for _ in client.advance(to):
        pass


def _plain(rows: pl.DataFrame, spec: ModelSpec) -> list[dict[str, object]]:
    wanted = rows.select(column.name for column in spec.features_in)
    return json.loads(wanted.with_columns(pl.col(spec.time).dt.strftime("%Y-%m-%dT%H:%M:%SZ")).write_json())


@pytest.fixture(scope="module")
def platform(lived: Lived) -> Iterator[Platform]:
    opened = open_platform(lived.where)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def champions(platform: Platform) -> dict[str, ModelVersion]:
    return {name: platform.stages.registry.resolve(f"{name}@champion") for name in ("flights", "bikes")}


def test_every_request_of_both_was_answered(lived: Lived) -> None:
    for sent in lived.sent.values():
        assert (sent.failed, sent.first_failure) == (0, "")
    assert lived.sent["bikes"].rows == 48
    assert lived.sent["flights"].rows > 1_500
    assert [len(answer.predictions) for answer in lived.answers.values()] == [2, 2]


def test_each_has_the_libraries_of_its_own_header(platform: Platform, champions: dict[str, ModelVersion]) -> None:
    ask = "import sklearn, importlib.util as u; print(sklearn.__version__, u.find_spec('polars') is not None)"
    found = {}
    for name, version in champions.items():
        python = platform.ground.environments.interpreter(version.recipe.environment_digest)
        found[name] = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    assert int(found["flights"][0].split(".")[1]) >= 9
    assert found["bikes"][0].startswith("1.5.")
    assert [has_polars for _, has_polars in found.values()] == ["True", "False"]


def test_one_is_compiled_and_the_other_answered_by_its_worker(lived: Lived, champions: dict[str, ModelVersion]) -> None:
    runtimes = {name: version.compilation.runtime for name, version in champions.items()}
    assert runtimes == {"flights": "onnx", "bikes": "python"}
    assert "@predict" in champions["bikes"].compilation.reason
    scores = [prediction.score for prediction in lived.answers["bikes"].predictions]
    assert all(score == round(score) > 0 for score in scores)


def test_outcomes_without_a_key_met_their_hour_once_it_was_over(platform: Platform) -> None:
    joined = pl.concat(pl.read_parquet(part.path) for part in platform.stages.monitor._joined.parts("bikes"))
    raw = pl.read_parquet(EXAMPLES / "bikes" / "bikes.parquet")
    local = (pl.col("at") + LATER).dt.replace_time_zone("America/New_York", ambiguous="earliest")
    truth = raw.select(time=local.dt.convert_time_zone("UTC"), truth=pl.col("cnt").cast(pl.Float64))
    both = joined.join(truth, on="time")
    assert both.height == joined.height == joined["time"].n_unique() == 48
    assert joined["key"].null_count() == 48
    assert both["label"].equals(both["truth"], check_names=False)
    assert both.filter(pl.col("joined_at") < pl.col("time") + timedelta(hours=1)).height == 0
    ready = pl.col("decision").clip(lower_bound=0)
    earned = 2 * pl.min_horizontal(ready, "label") - ready
    assert both.filter((pl.col("worth") - earned).abs() > 1e-9).height == 0


def test_neither_knew_the_future(platform: Platform) -> None:
    for snapshot in platform.store.snapshots.list("bikes"):
        rows = platform.stages.data.load(snapshot)
        assert rows.height > 1_500
        assert rows["at"].min() >= snapshot.as_of - timedelta(days=90)
        assert rows.filter(pl.col("rentals").is_not_null())["at"].max() <= snapshot.as_of - timedelta(hours=1)


def test_each_is_measured_by_its_own_metrics(lived: Lived, platform: Platform) -> None:
    measured = {name: platform.store.measurements.evaluations(name)[-1].metrics for name in ("flights", "bikes")}
    assert "auc" in measured["flights"]
    assert "mae" not in measured["flights"]
    assert {"mae", "worth"} <= set(measured["bikes"])
    assert {name: report["metric"] for name, report in lived.reports.items()} == {"flights": "auc", "bikes": "mae"}
    assert lived.reports["bikes"]["joined"] == lived.reports["bikes"]["predictions"] == 48


def test_the_bikes_as_they_are_compile_and_pass_their_gates(tmp_path: Path) -> None:
    as_of = datetime(2011, 10, 1, tzinfo=UTC)
    found = run_file(EXAMPLES / "bikes" / "model.py", as_of=as_of, home=tmp_path / "home")
    compilation = found.trained.compilation
    assert compilation.runtime == "onnx", compilation.reason
    assert compilation.difference < 0.01  # of hundreds of bikes
    assert found.gates.verdict is Verdict.PASS
    board = {candidate.name: candidate.metrics["mae"] for candidate in found.leaderboard}
    assert min(board.values()) == board[found.leaderboard[0].name] < 60
