from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from treadle.domain import codec
from treadle.domain.errors import InvalidInput
from treadle.domain.gates import GateReport, GateResult, Verdict
from treadle.evaluation.gates import ServiceFigures, evaluate, triggered
from treadle.evaluation.rows import ScoredRows
from treadle.spec.expressions import (
    AllOf,
    AnyOf,
    BeatsChampion,
    Expression,
    MetricRef,
    NotWorseThanChampion,
    Threshold,
)

START = datetime(2013, 3, 1, tzinfo=UTC)


def frame(rows: int = 4000, days: int = 14, noise: float = 1.0, seed: int = 0, model: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, days, rows))
    signal = rng.normal(size=rows) + rng.normal(size=days)[day] * 0.3
    label = rng.random(rows) < 1 / (1 + np.exp(-signal + 1))
    origin = rng.choice(["EWR", "JFK", "LGA"], rows)
    carrier = np.where(rng.random(rows) < 0.01, "OO", rng.choice(["AA", "UA"], rows))
    own = np.random.default_rng([seed, model])
    score = 1 / (1 + np.exp(-signal - own.normal(size=rows) * noise + 1))
    decision = score >= 0.3
    return pl.DataFrame(
        {
            "label": label,
            "score": score,
            "decision": decision,
            "worth": np.where(decision, np.where(label, 120.0, -30.0), 0.0),
            "time": pl.Series([START + timedelta(days=int(d)) for d in day]),
            "row.origin": origin,
            "row.carrier": carrier,
        }
    )


def scored(**kwargs: float) -> ScoredRows:
    return ScoredRows.of(frame(**kwargs), "binary")


def one(expression: Expression, *args: ScoredRows | None, **kwargs: object) -> GateResult:
    return evaluate([expression], *args, **kwargs).results[0]


def at_least(name: str, threshold: float, **ref: object) -> Threshold:
    return Threshold(MetricRef(name, **ref), ">=", threshold)


def test_with_enough_rows_the_point_value_decides_a_release() -> None:
    rows = scored()
    found = one(at_least("auc", 0.6), rows)
    assert found.verdict is Verdict.PASS
    assert (found.rows, found.blocks, found.threshold, found.confidence) == (4000, 14, 0.6, 0.95)
    assert found.low < found.value < found.high
    just_above = found.value + 1e-6
    assert one(at_least("auc", just_above), rows).verdict is Verdict.FAIL
    assert one(at_least("auc", just_above), rows, live=True).verdict is Verdict.NOT_ENOUGH_DATA
    assert one(at_least("auc", 0.8), rows, live=True).verdict is Verdict.FAIL
    assert one(at_least("auc", 0.6), rows, live=True).verdict is Verdict.PASS


def test_few_rows_must_be_clear() -> None:
    rows = scored(rows=60, days=6)
    found = one(at_least("accuracy", 0.6), rows)
    assert found.verdict is Verdict.NOT_ENOUGH_DATA
    assert found.rows_needed is not None
    assert found.rows_needed >= 40
    assert one(at_least("accuracy", 0.1), rows).verdict is Verdict.PASS
    assert one(at_least("accuracy", 0.99), rows).verdict is Verdict.FAIL
    assert one(at_least("accuracy", 0.99), rows, live=True).verdict is Verdict.NOT_ENOUGH_DATA


def test_two_days_do_not_roll_back_a_version() -> None:
    rows = scored(rows=3000, days=2)
    found = one(at_least("auc", 0.99), rows, live=True)
    assert found.verdict is Verdict.NOT_ENOUGH_DATA
    assert "days are needed" in found.note


def test_noise_does_not_roll_back_a_version() -> None:
    """A gate at the true value, looked at every day for two weeks, on weekly cohorts."""
    broken = 0
    for seed in range(30):
        rows = frame(rows=6000, days=20, seed=seed)
        for day in range(7, 20):
            until = START + timedelta(days=day)
            week = rows.filter(pl.col("time").is_between(until - timedelta(days=7), until, closed="left"))
            found = one(at_least("auc", 0.68), ScoredRows.of(week, "binary"), live=True)
            broken += found.verdict is Verdict.FAIL
    assert broken <= 0.01 * 30 * 13


def test_an_undefined_metric_is_not_enough_data() -> None:
    rows = frame().filter(~pl.col("label"))
    found = one(at_least("auc", 0.5), ScoredRows.of(rows, "binary"))
    assert (found.verdict, found.value) == (Verdict.NOT_ENOUGH_DATA, None)
    assert "undefined" in found.note
    assert found.rows_needed
    empty = one(at_least("auc", 0.5), ScoredRows.of(frame().clear(), "binary"))
    assert (empty.verdict, empty.rows) == (Verdict.NOT_ENOUGH_DATA, 0)


def test_a_better_challenger_beats_and_an_equal_one_does_not() -> None:
    better, champion, equal = scored(noise=0.3), scored(noise=1.5, model=1), scored(noise=1.5, model=2)
    gate = BeatsChampion(MetricRef("worth"), 0.95)
    won = one(gate, better, champion)
    assert won.verdict is Verdict.PASS
    assert 0 < won.low < won.value < won.high
    assert (won.blocks, won.rows, won.threshold, won.confidence) == (14, 4000, 0, 0.95)
    assert one(gate, equal, champion).verdict is not Verdict.PASS
    assert one(gate, champion, better).verdict is Verdict.FAIL
    assert one(gate, champion, champion).verdict is Verdict.FAIL
    assert one(BeatsChampion(MetricRef("worth"), 0.95, at_least=50), better, champion).verdict is Verdict.FAIL
    assert one(BeatsChampion(MetricRef("brier"), 0.95), better, champion).verdict is Verdict.PASS


def test_a_gain_that_more_rows_would_show() -> None:
    seen = set()
    for seed in range(40):
        better, champion = scored(rows=700, noise=0.8, seed=seed), scored(rows=700, noise=1.1, model=1, seed=seed)
        found = one(BeatsChampion(MetricRef("auc"), 0.95), better, champion)
        seen.add(found.verdict)
        if found.verdict is Verdict.NOT_ENOUGH_DATA:
            assert found.rows_needed is not None
            assert 0 < found.rows_needed <= 7000
        if found.verdict is Verdict.FAIL and found.value > 0:
            assert "rows to show" in found.note
    assert {Verdict.PASS, Verdict.NOT_ENOUGH_DATA} <= seen


def test_not_worse_within_a_margin() -> None:
    better, worse = scored(noise=0.8), scored(noise=0.9, model=1)
    wide = NotWorseThanChampion(MetricRef("auc"), margin=0.05)
    assert one(wide, worse, better).verdict is Verdict.PASS
    assert one(replace(wide, margin=0.001), scored(noise=2.0, model=1), better).verdict is Verdict.FAIL
    few = one(replace(wide, margin=0.02), scored(rows=300, noise=0.8, model=2), scored(rows=300, noise=0.8, model=1))
    assert few.verdict is not Verdict.PASS or few.low > -0.02


def test_the_first_version_has_nobody_to_beat() -> None:
    found = one(BeatsChampion(MetricRef("worth"), 0.95), scored(), None)
    assert (found.verdict, found.note) == (Verdict.PASS, "no champion yet to compare with")
    assert triggered(BeatsChampion(MetricRef("worth"), 0.95), scored()).verdict is Verdict.FAIL


def test_two_models_must_have_scored_the_same_rows() -> None:
    with pytest.raises(InvalidInput, match="same rows"):
        evaluate([at_least("auc", 0.5)], scored(), scored(seed=1))


def test_the_worst_slice_decides_and_small_ones_are_named() -> None:
    rows = scored()
    found = one(at_least("recall", 0.05, reduce="worst", column="carrier"), rows)
    assert found.verdict is Verdict.PASS
    assert "too few rows to judge carrier=OO" in found.note
    assert [s.slice for s in found.slices] == ["carrier=AA", "carrier=UA"]
    assert found.value == min(s.value for s in found.slices)
    assert sum(s.rows for s in found.slices) < 4000
    values = sorted(s.value for s in found.slices)
    between = sum(values) / 2
    assert one(at_least("recall", between, reduce="worst", column="carrier"), rows).verdict is Verdict.FAIL
    loss = Threshold(MetricRef("log_loss", "worst", "origin"), "<=", 5)
    found = one(loss, rows)
    assert found.verdict is Verdict.PASS
    assert found.value == max(s.value for s in found.slices)


def test_no_slice_with_rows_enough() -> None:
    found = one(at_least("recall", 0.05, reduce="worst", column="origin"), scored(rows=90))
    assert found.verdict is Verdict.NOT_ENOUGH_DATA
    assert "no slices with rows enough" in found.note


def test_gap_slice_and_their_comparisons() -> None:
    rows, champion = scored(noise=0.3), scored(noise=1.5, model=1)
    gap = one(Threshold(MetricRef("auc", "gap", "origin"), "<=", 0.2), rows)
    assert gap.verdict is Verdict.PASS
    assert gap.value == pytest.approx(max(s.value for s in gap.slices) - min(s.value for s in gap.slices))
    assert gap.low >= 0
    at_lga = one(at_least("auc", 0.6, reduce="slice", column="origin", value="LGA"), rows)
    assert at_lga.verdict is Verdict.PASS
    assert 0 < at_lga.rows < 2000
    nowhere = one(at_least("auc", 0.6, reduce="slice", column="origin", value="SFO"), rows)
    assert (nowhere.verdict, nowhere.note) == (Verdict.NOT_ENOUGH_DATA, "no row has origin == 'SFO'")
    worst = MetricRef("auc", "worst", "origin")
    assert one(BeatsChampion(worst, 0.95), rows, champion).verdict is Verdict.PASS
    assert one(BeatsChampion(worst, 0.95), champion, rows).verdict is Verdict.FAIL
    assert one(NotWorseThanChampion(MetricRef("auc", "gap", "origin"), 0.2), rows, champion).verdict is Verdict.PASS
    by_slice = MetricRef("auc", "slice", "origin", "EWR")
    assert one(BeatsChampion(by_slice, 0.95), rows, champion).rows < 2000


def test_service_figures() -> None:
    gate = Threshold(MetricRef("latency_p99"), "<=", 0.02)
    assert one(gate, scored()).verdict is Verdict.NOT_ENOUGH_DATA
    assert one(gate, scored(), service=ServiceFigures(size=5)).verdict is Verdict.NOT_ENOUGH_DATA
    assert one(gate, scored(), service=ServiceFigures(latency_p99=0.003)).verdict is Verdict.PASS
    assert one(gate, scored(), service=ServiceFigures(latency_p99=0.03)).verdict is Verdict.FAIL


def test_all_of_and_any_of() -> None:
    yes, no = at_least("auc", 0.5), at_least("auc", 0.99)
    unknown = Threshold(MetricRef("latency_p99"), "<=", 1)
    rows = scored()
    assert one(AllOf((yes, no)), rows).verdict is Verdict.FAIL
    assert one(AllOf((yes, unknown)), rows).verdict is Verdict.NOT_ENOUGH_DATA
    found = one(AnyOf((no, yes)), rows)
    assert found.verdict is Verdict.PASS
    assert [p.verdict for p in found.parts] == [Verdict.FAIL, Verdict.PASS]
    assert one(AnyOf((no, unknown)), rows).verdict is Verdict.NOT_ENOUGH_DATA


def test_a_trigger_acts_only_on_what_is_beyond_noise() -> None:
    rows = scored()
    worth = one(at_least("worth", 0), rows).value
    assert triggered(Threshold(MetricRef("worth"), "<=", 0.0), rows).verdict is Verdict.FAIL
    noise = Threshold(MetricRef("worth"), "<=", worth + 1e-6)
    assert triggered(noise, rows).verdict is Verdict.NOT_ENOUGH_DATA
    assert triggered(Threshold(MetricRef("worth"), "<=", worth * 3), rows).verdict is Verdict.PASS
    any_slice = Threshold(MetricRef("recall", "worst", "origin"), "<", 0.999)
    assert triggered(any_slice, rows).verdict is Verdict.PASS


def test_without_times_rows_are_independent() -> None:
    rows = ScoredRows.of(frame().drop("time"), "binary")
    found = one(at_least("auc", 0.5), rows, live=True)
    assert (found.verdict, found.blocks) == (Verdict.PASS, None)


def test_the_report_is_stored_and_told() -> None:
    gates = [at_least("auc", 0.99), at_least("recall", 0.05, reduce="worst", column="carrier")]
    report = evaluate(gates, scored())
    assert report.verdict is Verdict.FAIL
    assert report.rows == 4000
    assert codec.loads(GateReport, codec.dumps(report)) == report
    assert report.reason().startswith("auc >= 0.99 fail (0.")
    assert evaluate([], scored()).verdict is Verdict.PASS


def test_models_with_classes_in_another_order() -> None:
    rng = np.random.default_rng(0)
    rows = 900
    label = rng.choice(["a", "b", "c"], rows)
    score = rng.dirichlet(np.ones(3), rows) + (label[:, None] == np.array(["a", "b", "c"]))
    score /= score.sum(axis=1, keepdims=True)

    def of(order: list[int], weight: float) -> ScoredRows:
        mixed = weight * score + (1 - weight) / 3
        columns = {f"score_{i}": mixed[:, j] for i, j in enumerate(order)}
        return ScoredRows.of(pl.DataFrame({"label": label, **columns}), "multiclass", ["abc"[j] for j in order])

    found = one(BeatsChampion(MetricRef("log_loss"), 0.95), of([0, 1, 2], 1.0), of([2, 0, 1], 0.2))
    assert found.verdict is Verdict.PASS
    same = one(BeatsChampion(MetricRef("log_loss"), 0.95), of([0, 1, 2], 0.5), of([2, 0, 1], 0.5))
    assert same.value == pytest.approx(0, abs=1e-12)


def test_a_loss_on_live_traffic_must_be_more_than_noise() -> None:
    worse, better = scored(noise=1.05), scored(noise=1.0, model=1)
    gate = NotWorseThanChampion(MetricRef("auc"), margin=0.0, confidence=0.999)
    found = one(gate, worse, better)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < 0 < found.high
    assert found.verdict is Verdict.FAIL
    assert one(gate, worse, better, live=True).verdict is Verdict.NOT_ENOUGH_DATA
    assert one(BeatsChampion(MetricRef("auc"), 0.999), worse, better, live=True).verdict is Verdict.NOT_ENOUGH_DATA
    assert one(BeatsChampion(MetricRef("auc"), 0.95), scored(noise=3), better, live=True).verdict is Verdict.FAIL
    assert one(BeatsChampion(MetricRef("auc"), 0.95), better, scored(noise=3), live=True).verdict is Verdict.PASS
