import math

import numpy as np
import pytest
from scipy.spatial import distance

from treadle.domain.errors import InvalidInput
from treadle.stats import effects
from treadle.stats.multiple import benjamini_hochberg

MEASURES = ["tv", "js", "psi", "hellinger", "ks"]
P = np.array([0.5, 0.3, 0.15, 0.05])
Q = np.array([0.3, 0.3, 0.25, 0.15])


def test_distances_by_hand_and_by_scipy() -> None:
    assert effects.total_variation(P, Q) == pytest.approx(0.2)
    assert effects.jensen_shannon(P, Q) == pytest.approx(distance.jensenshannon(P, Q, 2))
    assert effects.hellinger(P, Q) == pytest.approx(math.sqrt(1 - np.sqrt(P * Q).sum()))
    assert effects.kolmogorov_smirnov(P, Q) == pytest.approx(0.2)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_real_shift_in_many_rows_is_found_at_its_size(measure: str) -> None:
    true = {"tv": 0.2, "js": 0.1994, "psi": 0.2630, "hellinger": 0.1682, "ks": 0.2}[measure]
    found = effects.shift(P * 1e6, Q * 1e6, measure)
    assert found.effect == pytest.approx(true, rel=0.25 if measure in {"js", "hellinger", "psi"} else 0.01)
    assert 0 < found.low <= found.effect
    assert found.p_value < 1e-6


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("cells", [3, 60])
def test_the_null_is_quiet_whatever_the_cardinality(measure: str, cells: int) -> None:
    rng = np.random.default_rng(cells)
    shares = rng.dirichlet(np.full(cells, 0.7))
    p_values, raws, debiased = [], [], []
    for seed in range(100):
        found = effects.shift(
            rng.multinomial(3000, shares), rng.multinomial(250, shares), measure, simulations=200, seed=seed
        )
        assert (found.low > 0) == (found.p_value <= 0.05) or 0.02 < found.p_value < 0.09
        p_values.append(found.p_value)
        raws.append(found.raw)
        debiased.append(found.effect)
    assert np.mean(np.array(p_values) < 0.05) <= 0.11
    assert 0.3 < np.mean(p_values) < 0.7
    assert np.median(debiased) < 0.5 * np.median(raws)


def test_days_that_hang_together_need_the_design_effect() -> None:
    rng = np.random.default_rng(0)
    naive = corrected = 0
    for seed in range(60):
        days = rng.dirichlet(P * 25, size=37)
        counts = np.array([rng.multinomial(100, day) for day in days])
        factor = effects.design_effect(counts)
        reference, current = counts[:30].sum(axis=0), counts[30:].sum(axis=0)
        naive += effects.shift(reference, current, simulations=200, seed=seed).p_value < 0.05
        corrected += effects.shift(reference, current, simulations=200, seed=seed, design_effect=factor).p_value < 0.05
    assert naive > 60 * 0.3
    assert corrected <= 60 * 0.12


def test_design_effect_of_independent_rows_is_about_one() -> None:
    rng = np.random.default_rng(0)
    assert effects.design_effect(rng.multinomial(200, P, size=200)) == pytest.approx(1, abs=0.15)
    assert effects.design_effect(np.array([[5, 5]])) == 1
    doubled = np.repeat(np.eye(4), [50, 30, 15, 5], axis=0) * 7  # rows of a block are all alike
    assert effects.design_effect(doubled) == pytest.approx(7, rel=0.05)


def test_empty_windows_and_one_cell() -> None:
    empty = effects.shift(np.array([5.0, 5.0]), np.zeros(2))
    assert math.isnan(empty.effect)
    assert empty.p_value == 1
    one = effects.shift(np.array([5.0, 0.0]), np.array([9.0, 0.0]))
    assert (one.effect, one.low, one.p_value) == (0, 0, 1)


def test_a_p_value_reaches_far_below_the_number_of_simulations() -> None:
    found = effects.shift(P * 10_000, Q * 10_000, simulations=100)
    assert found.p_value < 1e-10
    assert found == effects.shift(P * 10_000, Q * 10_000, simulations=100)


def test_missing_rates() -> None:
    still = effects.missing_shift(300, 10_000, 35, 1000)
    assert still.low == 0
    gone = effects.missing_shift(300, 10_000, 400, 1000)
    assert gone.effect == pytest.approx(0.37, abs=0.01)
    assert gone.p_value < 1e-6


def test_new_categories() -> None:
    assert effects.new_categories(10_000, 5, 1000, 1).low == 0
    assert effects.new_categories(10_000, 0, 1000, 0).p_value == 1
    new = effects.new_categories(10_000, 5, 1000, 200)
    assert new.effect == pytest.approx(0.2, abs=0.01)
    assert 0.15 < new.low < 0.2
    assert new.p_value < 1e-6
    assert math.isnan(effects.new_categories(0, 0, 10, 1).effect)


def test_a_stream_of_ids_is_not_an_alarm() -> None:
    found = effects.new_categories(1000, 1000, 1000, 1000)
    assert (found.effect, found.low) == (0, 0)


def test_groups_hold_equal_parts() -> None:
    counts = np.random.default_rng(0).multinomial(10_000, np.full(128, 1 / 128))
    groups = effects.group(counts, 20)
    sums = np.bincount(groups, counts)
    assert len(sums) == 20
    assert sums.min() > 300
    assert (np.diff(groups) >= 0).all()
    assert effects.group(np.zeros(3)).tolist() == [0, 0, 0]


def test_wrong_counts() -> None:
    with pytest.raises(InvalidInput, match="shapes"):
        effects.shift(P, P[:2])
    with pytest.raises(InvalidInput, match="negative"):
        effects.shift(-P, P)
    with pytest.raises(InvalidInput, match="no drift measure"):
        effects.shift(P, Q, "wasserstein")


def test_benjamini_hochberg() -> None:
    p = np.array([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205])
    rejected, adjusted = benjamini_hochberg(p)
    assert rejected.tolist() == [True, True] + [False] * 6
    assert adjusted[:3] == pytest.approx([0.008, 0.032, 0.0672])
    rejected, adjusted = benjamini_hochberg(np.array([np.nan, 0.01]))
    assert rejected.tolist() == [False, True]
    assert math.isnan(adjusted[0])
    assert benjamini_hochberg(np.zeros(0))[0].tolist() == []
    with pytest.raises(InvalidInput):
        benjamini_hochberg(np.array([1.5]))
