"""Versions on trial: mirrored requests in pairs, and what a challenger answered itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from treadle.domain.gates import GateReport, Verdict
from treadle.domain.predictions import JoinedPart, PredictionPart
from treadle.domain.steps import StepKind
from treadle.evaluation.gates import ServiceFigures
from treadle.monitor.challengers import AT_RELEASE, IN_SHADOW, with_comparisons
from treadle.spec.expressions import AllOf, AnyOf, BeatsChampion, MetricRef, Threshold
from treadle.spec.model_spec import ModelSpec

START = datetime(2013, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEATS = BeatsChampion(MetricRef("worth"), 0.8)
AUC = Threshold(MetricRef("auc"), ">=", 0.55)
FAST = Threshold(MetricRef("latency_p99"), "<=", 0.02)
RELEASED = ServiceFigures(latency_p99=0.001, size=10)


def mirrored_days(world, days, champion=0.5, challenger=3.0, a_day=80, first=0):
    """Traffic answered by version 1 and mirrored to version 2; the numbers say how much their scores tell."""
    rng = np.random.default_rng(11)
    for day in range(first, first + days):
        rows = []
        for i in range(a_day):
            at, signal = START + day * DAY + timedelta(minutes=15 * i), rng.normal()
            key = f"{day}-{i}"
            row = {"key": key, "at": at, "request_id": key, "origin": "EWR" if i % 2 else "JFK"}
            for version, skill in ((1, champion), (2, challenger)):
                noisy = skill * signal + rng.normal() - 1
                score = float(1 / (1 + np.exp(-noisy)))
                rows.append(row | {"score": score, "version": version, "shadow": version == 2, "latency_ms": 50.0})
            world.land(key, bool(signal + 0.5 * rng.normal() > 0.5), at + 5 * HOUR)
        world.log.answer(rows)


def gated(world, *gates):
    for number, version in world.versions.kept.items():
        spec = replace(world_spec(version), gates=gates)
        world.versions.kept[number] = replace(version, spec_json=spec.to_json())
    return world


def world_spec(version):
    return ModelSpec.from_json(version.spec_json)


def compare(world, since=START, until=None, service=RELEASED):
    new, old = world.versions.kept[2], world.versions.kept[1]
    return world.service().compare_shadow(new, old, since, until or world.clock.at, service=service)


def collect(world, until):
    return world.at(until).service().collect_outcomes(world.applied, None, until)


def test_a_better_challenger_passes_on_the_very_same_requests(world):
    gated(world, BEATS, AUC, FAST)
    mirrored_days(world, 10)
    collect(world, START + 8 * DAY)
    report = compare(world)
    assert report.verdict is Verdict.PASS
    beats, auc, fast = report.results
    assert beats.rows == auc.rows == 6 * 80, "six days have matured of those until now"
    assert beats.blocks == 6
    assert beats.low > 0
    assert fast.value == 0.001, "what a mirrored request took is not what a caller waits for"
    both = pl.concat(pl.read_parquet(part.path) for part in world.log.kept).filter(pl.col("at") < START + 6 * DAY)
    labels = {row["key"]: row["label"] for row in world.engine.world}
    late = pl.col("key").replace_strict(labels)
    worth = both.with_columns(worth=pl.when("decision").then(pl.when(late).then(120).otherwise(-30)).otherwise(0))
    means = dict(worth.group_by("shadow").agg(pl.col("worth").mean()).iter_rows())
    assert beats.value == pytest.approx(means[True] - means[False])


def test_a_worse_challenger_fails_and_few_days_decide_nothing(world):
    gated(world, BEATS)
    mirrored_days(world, 10, champion=3.0, challenger=0.0)
    collect(world, START + 9 * DAY)
    assert compare(world).verdict is Verdict.FAIL
    assert compare(world, until=START + 4 * DAY).verdict is Verdict.NOT_ENOUGH_DATA
    assert compare(world, since=START + 7 * DAY) is None, "nothing of it has matured"


def test_mirrored_answers_count_nowhere_else(world):
    mirrored_days(world, 4)
    taken = collect(world, START + 7 * DAY)
    assert (taken.received, taken.joined) == (320, 320)
    joined = world.joined.rows()
    assert joined["version"].unique().to_list() == [1]
    assert joined["prediction_id"].n_unique() == joined.height == 320
    found = world.service().evaluate(world.applied, None, START, START + 4 * DAY)
    assert found.evaluation.predictions == found.evaluation.labelled == 320
    assert world.service().health("flights", START, START + 4 * DAY).requests == 320


def test_a_day_that_was_valued_is_a_cached_step(world):
    gated(world, BEATS)
    mirrored_days(world, 10)
    collect(world, START + 8 * DAY)
    world.engine.asked.clear()
    compare(world)
    first = [request.key for request in world.engine.asked if request.kind is StepKind.WORTH]
    world.engine.asked.clear()
    collect(world, START + 9 * DAY)
    world.engine.asked.clear()
    compare(world)
    again = [request.key for request in world.engine.asked if request.kind is StepKind.WORTH]
    assert len(first) == 6
    assert again[:6] == first
    assert len(again) == 7


def test_answers_of_another_champion_are_not_paired(world):
    gated(world, BEATS)
    mirrored_days(world, 6)
    collect(world, START + 9 * DAY)
    world.versions.kept[3] = replace(world.versions.kept[1], number=3)
    service = world.service()
    assert service.compare_shadow(world.versions.kept[2], world.versions.kept[3], START, START + 9 * DAY) is None


def test_classes_in_another_order_are_compared_class_by_class(world):
    rng = np.random.default_rng(3)
    gated(world, BeatsChampion(MetricRef("log_loss"), 0.9))
    for number, classes in ((1, ("a", "b", "c")), (2, ("c", "a", "b"))):
        spec = world_spec(world.versions.kept[number])
        columns = tuple(replace(c, type="str") if c.name == "late" else c for c in spec.columns)
        spec = replace(spec, task="multiclass", worth=None, columns=columns)
        world.versions.kept[number] = replace(world.versions.kept[number], spec_json=spec.to_json(), classes=classes)
    shadows, given = [], []
    for i in range(700):
        at, label = START + timedelta(minutes=15 * i), "abc"[rng.integers(3)]
        row = {"prediction_id": f"r{i}-0", "at": at, "time": at, "key": f"k{i}", "row.origin": "EWR"}
        good = {name: 0.8 if name == label else 0.1 for name in "abc"}
        scores = [good[name] for name in "cab"]
        shadows.append(row | {"version": 2, "shadow": True, "score": 0.8, "scores": scores, "decision": label})
        known = {"label": label, "observed_at": at + HOUR, "joined_at": at + DAY, "worth": None, "score": 0.4}
        given.append(row | known | {"version": 1, "decision": "a", "score_0": 0.4, "score_1": 0.3, "score_2": 0.3})
    end = shadows[-1]["at"]
    frame = pl.DataFrame(shadows).with_columns(pl.col("at", "time").cast(pl.Datetime("us", "UTC")))
    frame.write_parquet(world.folder / "shadows.parquet")
    path = str(world.folder / "shadows.parquet")
    world.log.kept.append(PredictionPart(path, "flights", START.date(), 700, "s", START, end))
    pl.DataFrame(given).write_parquet(world.folder / "given.parquet")
    world.joined.append(JoinedPart("", "flights", 700, end, START, end), world.folder / "given.parquet")
    report = compare(world.at(START + 12 * DAY))
    assert report.verdict is Verdict.PASS
    expected = -(np.log(0.4) + 2 * np.log(0.3)) / 3 + np.log(0.8)
    assert report.results[0].value == pytest.approx(expected, abs=0.02)
    assert report.rows == 700


def test_own_answers_are_held_against_thresholds_and_comparisons_are_taken_over(world):
    gated(world, BEATS, AUC, FAST)
    mirrored_days(world, 6)
    collect(world, START + 8 * DAY)
    shadow = compare(world)
    service, old = world.service(), world.versions.kept[1]
    own = service.own_answers(old, START, world.clock.at, shadow=shadow, service=RELEASED)
    beats, auc, fast = own.results
    assert (beats.value, beats.note) == (shadow.results[0].value, IN_SHADOW)
    assert auc.rows == 480
    assert fast.value == pytest.approx(0.05), "the latency of requests that it answered itself"
    assert fast.verdict is Verdict.FAIL
    few = service.own_answers(old, START, START + DAY, shadow=None, service=RELEASED)
    assert few.results[0].note == AT_RELEASE
    assert few.results[0].verdict is Verdict.PASS
    assert few.results[1].verdict is Verdict.NOT_ENOUGH_DATA
    assert few.results[2].value == 0.001
    assert service.own_answers(old, START + 7 * DAY, START + 8 * DAY, shadow=None) is None


def test_comparisons_inside_others_are_taken_over_too(world):
    gates = (AllOf((BEATS, AUC)), AnyOf((BEATS, FAST)))
    gated(world, *gates)
    mirrored_days(world, 8, champion=3.0, challenger=0.0)
    collect(world, START + 9 * DAY)
    shadow = compare(world)
    assert shadow.results[0].verdict is Verdict.FAIL
    own = world.service().own_answers(world.versions.kept[1], START, START + 9 * DAY, shadow=shadow, service=RELEASED)
    assert own.results[0].parts[0].verdict is Verdict.FAIL
    assert own.results[0].verdict is Verdict.FAIL
    released = with_comparisons(GateReport(own.verdict, own.results, own.rows), gates, None)
    assert released.results[0].parts[0].note == AT_RELEASE
