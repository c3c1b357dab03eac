"""One model's life on real data, on a real server: what the demo does, for six weeks of it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import treadle.app.demo as story
from treadle.app.local_run import run_file
from treadle.app.platform import Platform, open_platform
from treadle.app.settings import settings
from treadle.domain import events as ev
from treadle.domain.errors import DataRejected
from treadle.domain.gates import Verdict

pytestmark = pytest.mark.timeout(600)

EXAMPLE = Path(__file__).parents[2] / "examples" / "flights"
SINCE, UNTIL = datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 4, 12, tzinfo=UTC)
PORT = 18700


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("life") / "home"
    command = [sys.executable, "-c", "from treadle.cli.main import main; main()", "demo", "--exit"]
    command += ["--until", f"{UNTIL:%Y-%m-%d}", "--home", str(folder), "--port", str(PORT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def platform(home: Path) -> Iterator[Platform]:
    opened = open_platform(settings(home))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def landed() -> pl.DataFrame:
    """When each flight's outcome was known, from the raw data and nothing of the example's own code."""
    departs = pl.col("departs").dt.replace_time_zone("America/New_York", ambiguous="earliest")
    known = departs.dt.convert_time_zone("UTC") + pl.duration(minutes=pl.col("dep_delay") + pl.col("air_time") + 30)
    return pl.read_parquet(EXAMPLE / "flights.parquet").select("flight_id", known=known, truth=pl.col("arr_delay") > 15)


def payloads(platform: Platform, kind: type) -> list[ev.Event]:
    found, after = [], 0
    while sealed := platform.store.events.read(after, model="flights"):
        after = sealed[-1].position
        found += [item.event for item in sealed if isinstance(item.event.payload, kind)]
    return found


def test_the_report_counts_every_request_and_none_failed(home: Path, platform: Platform) -> None:
    report = json.loads((home / "report.json").read_text())
    raw = pl.read_parquet(EXAMPLE / "flights.parquet")
    departs = raw["departs"].dt.replace_time_zone("America/New_York", ambiguous="earliest").dt.convert_time_zone("UTC")
    sent = int(((departs >= SINCE) & (departs < UNTIL)).sum())
    assert report["predictions"] == sent
    assert report["joined"] + report["censored"] + report["pending"] == sent
    assert report["joined"] > 0.95 * sent
    assert (home / "report.png").stat().st_size > 10_000


def test_no_label_that_was_not_yet_known_reached_a_snapshot(platform: Platform, landed: pl.DataFrame) -> None:
    snapshots = platform.store.snapshots.list("flights")
    assert len(snapshots) >= 2
    for snapshot in snapshots:
        rows = platform.stages.data.load(snapshot).join(landed, on="flight_id", how="left")
        labelled = rows.filter(pl.col("late").is_not_null())
        assert labelled.height == snapshot.labelled > 40_000
        assert labelled.filter(pl.col("known").is_null() | (pl.col("known") > snapshot.as_of)).height == 0
        assert labelled.filter(pl.col("late") != pl.col("truth")).height == 0
        assert rows["departs"].max() < snapshot.as_of


def test_training_validation_and_gates_saw_matured_rows_in_the_order_of_time(platform: Platform) -> None:
    for version in platform.store.versions.list("flights"):
        frame = platform.stages.data.load(version.recipe.snapshot_digest)
        applied = platform.store.models.get("flights")
        parts = platform.stages.data.split(applied, frame, version.as_of)
        assert parts.train["departs"].max() < parts.validation["departs"].min()
        assert parts.validation["departs"].max() < parts.test["departs"].min()
        assert parts.test["departs"].max() <= version.as_of - timedelta(days=2)
        assert parts.immature > 0


def test_outcomes_were_joined_when_they_had_become_known(platform: Platform, landed: pl.DataFrame) -> None:
    joined = pl.concat(pl.read_parquet(part.path) for part in platform.stages.monitor._joined.parts("flights"))
    both = joined.join(landed, left_on="key", right_on="flight_id")
    assert both.height == joined.height > 25_000
    assert both.filter(pl.col("joined_at") < pl.col("known")).height == 0
    assert both.filter(pl.col("observed_at") != pl.col("known")).height == 0


def test_versions_were_trained_judged_and_promoted_or_refused_with_reasons(platform: Platform) -> None:
    asked = [event.payload for event in payloads(platform, ev.TrainingRequested)]
    assert [a.trigger for a in asked][:2] == ["first", "age"]
    assert [event.at for event in payloads(platform, ev.TrainingRequested)][1] == SINCE + timedelta(days=30)
    judged = [event.payload for event in payloads(platform, ev.GatesEvaluated)]
    assert len(judged) == len(platform.store.versions.list("flights")) == len(asked)
    went_on = payloads(platform, ev.RolloutStarted) + payloads(platform, ev.VersionRefused)
    assert len(went_on) == len(asked) - 1, "the first is promoted at once, each other one is rolled out or refused"
    assert all(event.payload.reason for event in went_on + payloads(platform, ev.VersionPromoted))
    beats = [result for result in judged[1].report.results if "beats_champion" in result.expression]
    assert beats[0].value is not None
    assert beats[0].blocks in (14, 15)
    assert judged[0].report.verdict is Verdict.PASS


def test_the_second_version_was_mirrored_and_moved_on_by_what_became_of_the_same_requests(platform: Platform) -> None:
    (started,) = payloads(platform, ev.RolloutStarted)
    assert (started.payload.version, started.payload.previous) == (2, 1)
    steps = payloads(platform, ev.RolloutStepped)
    assert steps[0].at == started.at + timedelta(days=7)
    assert (steps[0].payload.step, steps[0].payload.action) in ((1, "advanced"), (0, "held"), (0, "aborted"))
    examined = [event.payload for event in payloads(platform, ev.RolloutExamined) if event.payload.shadow]
    report = examined[-1].report
    assert report.verdict is Verdict.PASS or steps[0].payload.action != "advanced"
    rows = pl.concat(
        [pl.read_parquet(part.path) for part in platform.stages.log.parts("flights")], how="diagonal_relaxed"
    )
    given, shadows = rows.filter(~pl.col("shadow")), rows.filter("shadow")
    during = given.filter((pl.col("at") >= started.at) & (pl.col("at") < steps[0].at))
    assert set(during["prediction_id"]) <= set(shadows["prediction_id"])
    assert set(shadows["version"]) == {2}
    assert set(during["version"]) == {1}
    beats = next(result for result in report.results if "beats_champion" in result.expression)
    assert beats.blocks is not None
    assert beats.blocks >= 5


def test_versions_carry_their_recipe_and_lineage_both_ways(platform: Platform) -> None:
    registry = platform.stages.registry
    version = registry.resolve("flights@champion")
    registry.verify(version)
    lineage = registry.lineage(version)
    assert lineage.snapshot.digest == version.recipe.snapshot_digest
    assert lineage.run.metrics["auc"] > 0.5
    assert lineage.run.artifacts
    assert version in registry.trained_on(lineage.snapshot.digest)
    assert version.compilation.runtime == "onnx", version.compilation.reason
    assert version.compilation.difference is not None
    assert version.compilation.difference < 1e-4


def test_realised_quality_covers_matured_cohorts_alone(platform: Platform) -> None:
    measured = platform.store.measurements.evaluations("flights")
    assert len(measured) >= 30
    assert all(m.until <= m.at - timedelta(days=2) for m in measured)
    last = measured[-1]
    assert 0.9 < last.coverage <= 1
    assert last.metrics["worth"].low is not None
    assert platform.store.measurements.drift("flights")
    assert sum(h.requests for h in platform.store.measurements.health("flights")) > 500


def test_the_chain_of_events_verifies(platform: Platform) -> None:
    assert platform.store.events.verify() > 60


def test_a_source_that_tells_the_future_is_refused_and_nothing_is_trained(tmp_path: Path) -> None:
    text = (EXAMPLE / "model.py").read_text()
    cheating = text.replace('late=pl.when(known).then("late")', 'late=pl.col("late")')
    assert cheating != text
    (tmp_path / "model.py").write_text(cheating)
    (tmp_path / "flights.parquet").symlink_to(EXAMPLE / "flights.parquet")
    home = tmp_path / "home"
    with pytest.raises(DataRejected, match="look-ahead"):
        run_file(tmp_path / "model.py", as_of=SINCE, home=home)
    opened = open_platform(settings(home))
    assert opened.store.versions.list("flights") == []
    assert opened.store.runs.list() == []
    opened.close()


def test_bad_rows_stop_the_run_and_are_shown(tmp_path: Path) -> None:
    text = (EXAMPLE / "model.py").read_text()
    (tmp_path / "model.py").write_text(text)
    raw = pl.read_parquet(EXAMPLE / "flights.parquet").filter(pl.col("departs") < datetime(2013, 3, 1))
    broken = raw.with_columns(
        distance=pl.when(pl.int_range(pl.len()) < 7).then(-5).otherwise("distance"),
        origin=pl.when(pl.int_range(pl.len()) < 4).then(pl.lit("XXX")).otherwise("origin"),
    )
    broken.write_parquet(tmp_path / "flights.parquet")
    with pytest.raises(DataRejected) as caught:
        run_file(tmp_path / "model.py", as_of=SINCE, home=tmp_path / "home")
    message = str(caught.value)
    assert "distance" in message
    assert "7 of" in message
    assert "origin" in message
    assert "XXX" in message
    assert "every_airport_reports" in message


def test_stories_lie_inside_their_data() -> None:
    whole = story.STORIES["flights"]
    assert whole.since == SINCE
    assert whole.until == datetime(2014, 1, 1, tzinfo=UTC)
