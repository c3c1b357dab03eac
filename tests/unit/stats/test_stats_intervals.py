import math

import numpy as np
import pytest
from scipy import stats

from treadle.domain.errors import InvalidInput
from treadle.stats.blocks import Blocks
from treadle.stats.intervals import block_bootstrap, estimate, mean_interval, wilson
from treadle.stats.metrics import Sample, compute, names


def clustered(days: int, per_day: int, seed: int, spread: float = 0.5) -> tuple[Sample, Blocks]:
    """Rows whose labels, and errors, share a mood of the day."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(days), per_day)
    mood = rng.normal(size=days)[codes] * spread
    signal = rng.normal(size=len(codes))
    label = rng.random(len(codes)) < 1 / (1 + np.exp(-signal - mood + 1))
    score = 1 / (1 + np.exp(-signal + 1))
    return Sample("binary", label, score, score > 0.3, np.where(label, 1.0, 0.0) + mood), Blocks(codes, days)


def test_days_are_utc_days() -> None:
    times = np.array(["2024-01-02T23:59", "2024-01-01T00:00", "2024-01-05T12:00"], dtype="datetime64[us]")
    blocks = Blocks.of_times(times)
    assert (blocks.codes.tolist(), blocks.count, blocks.unit) == ([1, 0, 2], 3, "day")


def test_too_few_days_are_parted_into_hours_then_into_chunks() -> None:
    hours = np.datetime64("2024-01-01T00", "us") + np.arange(100) * np.timedelta64(15, "m")
    assert (Blocks.of_times(hours).unit, Blocks.of_times(hours).count) == ("hour", 25)
    same = Blocks.of_times(np.full(100, np.datetime64("2024-01-01", "us")))
    assert (same.unit, same.count) == ("chunk", 50)
    assert Blocks.of_times(np.zeros(0, "datetime64[us]")).count == 0


def test_days_far_apart() -> None:
    times = np.array([0, 3_000_000_000, 1], dtype="datetime64[D]").astype("datetime64[s]")
    assert Blocks.of_times(times).codes.tolist() == [0, 2, 1]


def test_a_missing_time_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="no time"):
        Blocks.of_times(np.array(["NaT"], dtype="datetime64[us]"))


@pytest.mark.parametrize("name", ["auc", "recall", "worth", "f1"])
def test_the_block_interval_covers_where_the_naive_one_does_not(name: str) -> None:
    truth = compute(name, clustered(3000, 60, 999)[0])
    covered = naive = 0
    for seed in range(150):
        sample, blocks = clustered(14, 60, seed)
        interval = estimate(name, sample, blocks, confidence=0.9)
        covered += interval.low <= truth <= interval.high
        independent = estimate(name, sample, None, confidence=0.9)
        naive += independent.low <= truth <= independent.high
    assert covered >= 150 * 0.84
    if name in {"recall", "worth"}:
        assert naive < covered
    if name == "worth":
        assert naive < 150 * 0.7


def test_the_jackknife_agrees_with_the_block_bootstrap() -> None:
    sample, blocks = clustered(25, 80, 5)
    quick = estimate("auc", sample, blocks)

    def auc(rows: np.ndarray) -> float:
        return compute("auc", Sample("binary", sample.label[rows], sample.score[rows]))

    slow = block_bootstrap(auc, blocks, resamples=300, seed=1)
    assert slow.value == pytest.approx(quick.value)
    assert slow.error == pytest.approx(quick.error, rel=0.25)
    assert slow == block_bootstrap(auc, blocks, resamples=300, seed=1)


def test_delong_agrees_with_the_jackknife_on_independent_rows() -> None:
    sample, _ = clustered(1, 4000, 1, spread=0)
    delong = estimate("auc", sample)
    assert delong.blocks is None
    blocks = Blocks(Blocks.of_rows(4000, 200).codes, 200, "day")
    assert delong.error == pytest.approx(estimate("auc", sample, blocks).error, rel=0.15)


def test_mean_interval_is_students() -> None:
    x = np.random.default_rng(0).normal(size=20)
    found = mean_interval(x)
    low, high = stats.t.interval(0.95, 19, loc=x.mean(), scale=stats.sem(x))
    assert (found.low, found.high) == pytest.approx((low, high))
    blocked = mean_interval(x, Blocks(np.arange(20), 20))
    assert (blocked.low, blocked.high) == pytest.approx((low, high))
    assert math.isnan(mean_interval(np.zeros(0)).value)
    assert math.isnan(mean_interval(np.ones(1)).low)


def test_wilson() -> None:
    for successes, rows in [(0, 20), (3, 20), (20, 20), (400, 1000)]:
        exact = stats.binomtest(successes, rows).proportion_ci(0.95, "wilson")
        assert wilson(successes, rows) == pytest.approx((exact.low, exact.high))
    assert all(map(math.isnan, wilson(0, 0)))


def test_a_perfect_proportion_still_has_a_width() -> None:
    label = np.ones(200, bool)
    sample = Sample("binary", label, np.ones(200), label)
    found = estimate("recall", sample, Blocks(np.arange(200) % 10, 10))
    assert found.high == 1
    assert 0.9 < found.low < 1
    both = Sample("binary", np.arange(200) % 2 == 0, (np.arange(200) % 2 == 0).astype(float))
    assert estimate("auc", both, Blocks(np.arange(200) // 20, 10)).low < 1


def test_intervals_stay_within_the_metrics_bounds() -> None:
    for seed in range(20):
        sample, blocks = clustered(4, 8, seed)
        for name in names("binary"):
            interval = estimate(name, sample, blocks)
            if interval.defined and name not in {"worth", "log_loss"}:
                assert -1 <= interval.low <= interval.high <= 1


def test_one_block_has_no_interval() -> None:
    sample, _ = clustered(1, 100, 0)
    found = estimate("auc", sample, Blocks(np.zeros(100, np.int64), 1))
    assert not found.defined
    assert math.isfinite(found.value)


def test_a_heavy_block_costs_degrees_of_freedom() -> None:
    even = mean_interval(np.arange(100.0), Blocks(np.arange(100) // 10, 10))
    codes = np.where(np.arange(100) < 91, 0, np.arange(100) - 90)
    assert even.degrees == pytest.approx(9)
    assert mean_interval(np.arange(100.0), Blocks(codes, 10)).degrees == 1


def test_a_wrong_confidence() -> None:
    with pytest.raises(InvalidInput, match="confidence"):
        estimate("auc", clustered(3, 10, 0)[0], confidence=95)
