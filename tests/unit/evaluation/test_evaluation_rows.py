import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from treadle.domain.errors import InvalidInput
from treadle.evaluation.decisions import best_threshold, decide
from treadle.evaluation.measuring import available, measure, measure_all, measure_slices
from treadle.evaluation.profiling import merge, profile
from treadle.evaluation.rows import ScoredRows
from treadle.spec.model_spec import ColumnSpec
from treadle.stats.sketches import align


def frame(rows: int = 10_000, days: int = 30) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    label = rng.random(rows) < 0.3
    score = np.clip(0.3 + 0.2 * label + rng.normal(size=rows) * 0.2, 0, 1)
    start = datetime(2013, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "label": label,
            "score": score,
            "decision": score > 0.4,
            "worth": np.where(score > 0.4, np.where(label, 120.0, -30.0), 0.0),
            "time": pl.Series([start + timedelta(hours=float(h)) for h in rng.random(rows) * 24 * days]),
            "row.origin": rng.choice(["EWR", "JFK"], rows),
        }
    )


def test_all_metrics_of_a_day_in_a_moment() -> None:
    rows = ScoredRows.of(frame(), "binary")
    started = time.perf_counter()
    found = measure_all(rows)
    assert time.perf_counter() - started < 0.5  # 10 ms on an idle core
    assert set(found) == set(available(rows))
    assert found["auc"].value == pytest.approx(roc_auc_score(rows.frame["label"], rows.frame["score"]))
    for one in found.values():
        assert one.low < one.value < one.high
    assert measure("auc", rows) == found["auc"]
    narrow = measure("auc", rows, confidence=0.5)
    assert narrow.high - narrow.low < found["auc"].high - found["auc"].low


def test_slices_are_measured_where_they_have_rows() -> None:
    rows = ScoredRows.of(frame(200).with_columns(pl.Series("row.origin", ["A"] * 180 + [None] * 20)), "binary")
    big, small = measure_slices("auc", rows, "origin")[::-1]
    assert (big.slice, big.rows, small.slice, small.rows) == ("origin=A", 180, "origin=(missing)", 20)
    assert (small.value, small.low) == (None, None)
    with pytest.raises(InvalidInput, match="no slice column 'carrier'"):
        measure_slices("auc", rows, "carrier")


def test_rows_without_a_label_do_not_count() -> None:
    rows = ScoredRows.of(frame(100).with_columns(label=pl.Series([None] * 10 + [True, False] * 45)), "binary")
    assert (rows.rows, rows.unlabelled) == (90, 10)


def test_what_is_not_there_is_not_measured() -> None:
    rows = ScoredRows.of(frame().drop("decision", "worth"), "binary")
    assert available(rows) == ("auc", "average_precision", "log_loss", "brier", "calibration_error")
    with pytest.raises(InvalidInput, match="recall needs the column 'decision'"):
        measure("recall", rows)


def test_worth_is_nullable() -> None:
    rows = frame(100).with_columns(worth=pl.when(pl.int_range(100) < 50).then(2.0))
    assert measure("worth", ScoredRows.of(rows, "binary")).value == 2.0


@pytest.mark.parametrize(
    ("labels", "classes"), [([0, 1], ()), ([0.0, 1.0], ()), (["no", "yes"], ("no", "yes")), ([False, True], ())]
)
def test_binary_labels_in_their_many_forms(labels: list[object], classes: tuple[str, ...]) -> None:
    rows = ScoredRows.of(pl.DataFrame({"label": labels * 10, "score": [0.1, 0.9] * 10}), "binary", classes)
    assert measure("auc", rows).value == 1.0


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"label": [True], "score": [None]}, "1 of 1 labelled rows have no finite score"),
        ({"label": [True], "score": [float("nan")]}, "no finite score"),
        ({"label": [2], "score": [0.5]}, "neither 0 nor 1"),
        ({"label": [0.5], "score": [0.5]}, "neither 0 nor 1"),
        ({"label": ["x"], "score": [0.5]}, "neither 0 nor 1"),
        ({"score": [0.5]}, "no column 'label'"),
        ({"label": [True], "proba": [0.5]}, "no column 'score'"),
    ],
)
def test_wrong_rows_are_told(bad: dict[str, list[object]], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        ScoredRows.of(pl.DataFrame(bad, strict=False), "binary")


def test_other_wrong_rows() -> None:
    with pytest.raises(InvalidInput, match="unknown task"):
        ScoredRows.of(frame(10), "ranking")
    with pytest.raises(InvalidInput, match="without their classes"):
        ScoredRows.of(frame(10), "multiclass")
    with pytest.raises(InvalidInput, match="not numbers"):
        ScoredRows.of(pl.DataFrame({"label": ["a"], "score": [1.0]}), "regression")
    with pytest.raises(InvalidInput, match="no time"):
        _ = ScoredRows.of(frame(10).with_columns(time=pl.lit(None, pl.Datetime("us", "UTC"))), "binary").blocks


def test_days_are_utc_whatever_the_zone() -> None:
    zone = ZoneInfo("America/New_York")
    times = [datetime(2013, 1, d, 22, tzinfo=zone) for d in (1, 2, 3)] + [datetime(2013, 1, 2, 3, tzinfo=zone)]
    rows = frame(4).with_columns(time=pl.Series(times))
    assert ScoredRows.of(rows, "binary").blocks.codes.tolist() == [0, 1, 2, 0]


def test_a_class_that_the_model_never_saw_is_scored_as_impossible() -> None:
    rows = pl.DataFrame(
        {
            "label": ["a", "b", "new"],
            "score_0": [0.9, 0.2, 0.5],
            "score_1": [0.1, 0.8, 0.5],
            "decision": ["a", "b", "a"],
        }
    )
    scored = ScoredRows.of(rows, "multiclass", ["a", "b"])
    assert measure("accuracy", scored).value == pytest.approx(2 / 3)
    assert measure("log_loss", scored).value > 10
    seen = ScoredRows.of(rows.head(2), "multiclass", ["a", "b"])
    assert measure("log_loss", seen).value == pytest.approx(log_loss(["a", "b"], [[0.9, 0.1], [0.2, 0.8]]))


def test_integer_classes() -> None:
    rows = pl.DataFrame({"label": [3, 5, 5], "score_0": [0.9, 0.2, 0.6], "score_1": [0.1, 0.8, 0.4]})
    decided = rows.with_columns(decide(rows, None, "multiclass", [3, 5]))
    assert decided["decision"].to_list() == [3, 5, 3]
    assert measure("accuracy", ScoredRows.of(decided, "multiclass", [3, 5])).value == pytest.approx(2 / 3)


def test_decisions() -> None:
    scores = pl.DataFrame({"score": [0.2, 0.3, 0.9, None, float("nan")]})
    assert decide(scores, 0.3, "binary").to_list() == [False, True, True, None, None]
    assert decide(scores, None, "binary").to_list() == [False, False, True, None, None]
    assert decide(scores, None, "regression").to_list() == [0.2, 0.3, 0.9, None, None]
    three = pl.DataFrame({"score_0": [0.2, None], "score_1": [0.5, 0.1], "score_2": [0.3, 0.1]})
    assert decide(three, None, "multiclass", ["x", "y", "z"]).to_list() == ["y", None]
    with pytest.raises(InvalidInput, match="no column 'score_1'"):
        decide(three.drop("score_1"), None, "multiclass", ["x", "y", "z"])
    with pytest.raises(InvalidInput, match="unknown task"):
        decide(three, None, "ranking")


def test_the_threshold_that_earns_most_by_hand() -> None:
    score = np.array([0.1, 0.2, 0.6, 0.8])
    worth = np.array([-30.0, -30.0, 120.0, 120.0])
    assert best_threshold(score, worth, np.zeros(4)) == (pytest.approx(0.4), 60.0)


def test_equal_scores_are_decided_alike() -> None:
    score = np.array([0.5, 0.5, 0.5, 0.2])
    threshold, worth = best_threshold(score, np.array([5.0, -1.0, -1.0, -9.0]), np.zeros(4))
    assert 0.2 < threshold <= 0.5
    assert worth == pytest.approx(3 / 4)


def test_where_one_decision_always_pays() -> None:
    score = np.array([0.1, 0.5, 0.9])
    never, worth = best_threshold(score, np.full(3, -1.0), np.full(3, 2.0))
    assert never > 1
    assert worth == 2
    always, worth = best_threshold(score, np.full(3, 1.0), np.zeros(3))
    assert always <= 0.1
    assert worth == 1


def test_ties_are_settled_in_the_middle_of_the_plateau() -> None:
    score = np.linspace(0, 1, 11)
    worth = np.where(score > 0.75, 1.0, np.where(score < 0.25, -1.0, 0.0))
    assert best_threshold(score, worth, np.zeros(11))[0] == pytest.approx(0.5, abs=0.06)


def test_the_threshold_is_no_overfit_edge() -> None:
    """On fresh rows it earns more than the raw maximum would, and nearly what the best one does (p = 0.2)."""
    rng = np.random.default_rng(0)
    ours, raw = [], []

    def gain(p: np.ndarray, label: np.ndarray) -> np.ndarray:
        return np.where(label, 120.0, -30.0)

    def expected(threshold: float) -> float:
        t = min(max(threshold, 0.0), 1.0)
        return 75 * (1 - t * t) - 30 * (1 - t)  # mean over uniform p >= t of 150 p - 30

    for _ in range(60):
        p = rng.random(1500)
        label = rng.random(1500) < p
        worth = gain(p, label)
        ours.append(expected(best_threshold(p, worth, np.zeros(1500))[0]))
        order = np.argsort(-p)
        raw.append(expected(p[order][np.argmax(np.cumsum(worth[order]))]))
    best = expected(0.2)
    assert best - np.mean(ours) < 0.7 * (best - np.mean(raw))


def test_no_rows_no_threshold() -> None:
    with pytest.raises(InvalidInput, match="no row"):
        best_threshold(np.array([np.nan]), np.ones(1), np.ones(1))
    with pytest.raises(InvalidInput, match="length"):
        best_threshold(np.ones(2), np.ones(1), np.ones(1))


COLUMNS = [
    ColumnSpec("x", "float"),
    ColumnSpec("n", "int"),
    ColumnSpec("word", "str"),
    ColumnSpec("flag", "bool"),
    ColumnSpec("at", "datetime"),
    ColumnSpec("day", "date"),
]


def table(rows: int = 500, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "x": pl.Series(rng.normal(size=rows)).set(pl.Series(np.arange(rows) % 10 == 0), None),
            "n": rng.integers(0, 9, rows),
            "word": rng.choice(["a", "b", "c"], rows),
            "flag": rng.random(rows) < 0.5,
            "at": [datetime(2013, 1, 1, tzinfo=UTC) + timedelta(hours=int(h)) for h in range(rows)],
            "day": [date(2013, 1, 1 + int(d)) for d in rng.integers(0, 28, rows)],
        }
    )


def test_profiles_merge_to_the_profile_of_all_rows() -> None:
    a, b = table(500), table(300, 1)
    merged, whole = merge(profile(a, COLUMNS), profile(b, COLUMNS)), profile(pl.concat([a, b]), COLUMNS)
    assert merged.rows == whole.rows == 800
    for name, column in whole.columns.items():
        assert merged.columns[name].histogram == column.histogram
        assert merged.columns[name].top == column.top
        assert merged.columns[name].nulls == column.nulls
    assert {n: c.kind for n, c in whole.columns.items()} == {
        "x": "number", "n": "number", "word": "text", "flag": "bool", "at": "time", "day": "time"}  # fmt: skip
    assert whole.columns["at"].minimum == datetime(2013, 1, 1, tzinfo=UTC).timestamp()
    assert whole.columns["x"].nulls == 80
    assert whole.columns["n"].distinct == 9
    assert set(whole.columns["flag"].top) == {"true", "false"}


def test_the_reference_s_categories_are_counted_however_rare() -> None:
    spec = [ColumnSpec("id", "str")]
    reference = profile(pl.DataFrame({"id": ["rare"] * 5}), spec)
    now = pl.DataFrame({"id": [f"w{i}" for i in range(300)] * 2 + ["rare"]})
    found = profile(now, spec, reference).columns["id"]
    assert found.top["rare"] == 1
    assert (found.other, found.distinct) == (601 - 400 - 1, 301)
    assert align(reference.columns["id"], found).current.tolist() == [1, 600]


def test_profiling_says_what_does_not_fit() -> None:
    with pytest.raises(InvalidInput, match="cannot profile column 'y'"):
        profile(table(5), [ColumnSpec("y", "float")])
    with pytest.raises(InvalidInput, match="declared float but holds"):
        profile(table(5), [ColumnSpec("word", "float")])
    with pytest.raises(InvalidInput, match="has type"):
        profile(table(5), [ColumnSpec("word", "tensor")])


def test_no_rows_have_a_profile_too() -> None:
    found = profile(table(5).clear(), COLUMNS)
    assert found.rows == 0
    assert all(c.count == 0 and not c.histogram and not c.top for c in found.columns.values())


def test_300_000_rows_are_profiled_quickly() -> None:
    rows = pl.concat([table(1000)] * 300).with_columns(pl.Series("x", np.random.default_rng(0).normal(size=300_000)))
    started = time.perf_counter()
    profile(rows, COLUMNS)
    assert time.perf_counter() - started < 2  # 0.1 s on an idle core
