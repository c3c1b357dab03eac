import math

import numpy as np
import pytest
from scipy import stats

from treadle.domain.errors import InvalidInput
from treadle.stats.blocks import Blocks
from treadle.stats.metrics import Sample
from treadle.stats.paired import compare, rows_needed


def pair(seed: int, gain: float = 0.0, rows: int = 1400) -> tuple[Sample, Sample]:
    rng = np.random.default_rng(seed)
    label = rng.random(rows) < 0.3
    signal = label + rng.normal(size=rows) * 2
    scores = [signal + rng.normal(size=rows) * (1 - gain), signal + rng.normal(size=rows)]
    worths = [rng.normal(size=rows) + gain, rng.normal(size=rows)]
    first, second = (Sample("binary", label, s, s > 0.5, w) for s, w in zip(scores, worths, strict=True))
    return first, second


def test_worth_of_independent_rows_is_the_paired_t_test() -> None:
    first, second = pair(0, 0.1)
    found = compare("worth", first, second)
    expected = stats.ttest_rel(first.worth, second.worth, alternative="greater")
    assert found.p_value == pytest.approx(expected.pvalue)
    low = expected.confidence_interval(0.95).low
    assert found.low == pytest.approx(low)


def test_delong_for_two_aucs_against_the_block_jackknife() -> None:
    first, second = pair(1, 0.3, rows=5000)
    delong = compare("auc", first, second)
    jackknife = compare("auc", first, second, Blocks(np.arange(5000) % 250, 250))
    assert delong.blocks is None
    assert jackknife.blocks == 250
    assert delong.error == pytest.approx(jackknife.error, rel=0.15)
    assert delong.value == pytest.approx(jackknife.value)


def test_more_is_better_whichever_way_the_metric_points() -> None:
    label = np.arange(100) % 2 == 0
    good, bad = (Sample("binary", label, np.where(label, p, 1 - p)) for p in (0.9, 0.6))
    blocks = Blocks(np.arange(100) // 10, 10)
    assert compare("brier", good, bad, blocks).value > 0
    assert compare("log_loss", bad, good, blocks).value < 0


def test_bias_is_better_nearer_to_zero() -> None:
    rng = np.random.default_rng(0)
    label = rng.normal(size=200)
    near, far = (Sample("regression", label, label + b + rng.normal(size=200) * 0.01) for b in (-0.1, 0.5))
    assert compare("bias", near, far).value == pytest.approx(0.4, abs=0.01)


def test_equal_models_neither_win_nor_lose() -> None:
    first, _ = pair(2)
    found = compare("auc", first, first, Blocks(np.arange(1400) // 100, 14))
    assert (found.value, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_rows_without_a_worth_on_either_side_are_left_out() -> None:
    first, second = pair(3, 0.2)
    worth = first.worth.copy()
    worth[::2] = np.nan
    thinned = Sample("binary", first.label, first.score, first.decision, worth)
    found = compare("worth", thinned, second, Blocks(np.arange(1400) // 100, 14))
    assert found.rows == 700
    assert found.value == pytest.approx((first.worth - second.worth)[1::2].mean())


def test_different_rows_are_an_error() -> None:
    with pytest.raises(InvalidInput, match="same rows"):
        compare("auc", pair(0)[0], pair(1)[0])


def test_undefined_comparisons_are_nan() -> None:
    none = Sample("binary", np.zeros(10, bool), np.zeros(10))
    found = compare("auc", none, none)
    assert not found.defined
    assert math.isnan(found.p_value)


def test_rows_needed_would_decide_with_the_power_asked_for() -> None:
    rng = np.random.default_rng(0)
    gain, have = 0.1, 200
    more = rows_needed(gain, 1 / math.sqrt(have), have, confidence=0.95, power=0.8)
    assert more is not None
    wins = 0
    for _ in range(400):
        x = rng.normal(size=have + more) + gain
        wins += x.mean() - 1.645 * x.std() / math.sqrt(len(x)) > 0
    assert 0.72 < wins / 400 < 0.88


def test_rows_needed_where_no_number_would_do() -> None:
    assert rows_needed(0.0, 0.1, 100) is None
    assert rows_needed(math.nan, 0.1, 100) is None
    assert rows_needed(1.0, 0.01, 100) == 0
