import numpy as np
import pytest

from treadle.domain.errors import InvalidInput
from treadle.stats.sequential import empirical_bernstein, normal_mixture


def test_empirical_bernstein_covers_at_all_times_at_once() -> None:
    rng = np.random.default_rng(0)
    missed = fixed = 0
    for _ in range(200):
        x = (rng.random(1000) < 0.3) * 10.0
        low, high = empirical_bernstein(x, 0, 10, confidence=0.9)
        missed += bool(((low > 3) | (high < 3)).any())
        t = np.arange(1, 1001)
        mean = np.cumsum(x) / t
        reach = 1.645 * 10 * np.sqrt(0.21 / t)
        fixed += bool((np.abs(mean - 3) > reach)[30:].any())
    assert missed <= 20
    assert fixed > 60  # looking daily with a fixed interval misses much more often than 10 %


def test_normal_mixture_covers_at_all_times_at_once() -> None:
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(400):
        low, high = normal_mixture(rng.normal(size=300) * 4 + 2, confidence=0.9)
        missed += bool(((low > 2) | (high < 2)).any())
    assert missed <= 40 + 12


def test_they_get_narrow() -> None:
    x = np.random.default_rng(2).random(5000)
    low, high = empirical_bernstein(x, 0, 1)
    assert high[-1] - low[-1] < 0.06
    assert (np.diff(low) >= 0).all()
    low, high = normal_mixture(x)
    assert high[-1] - low[-1] < 0.05
    assert np.isinf(high[:9]).all()


def test_edges() -> None:
    assert [len(b) for b in empirical_bernstein(np.zeros(0), 0, 1)] == [0, 0]
    assert [len(b) for b in normal_mixture(np.zeros(0))] == [0, 0]
    with pytest.raises(InvalidInput, match="outside"):
        empirical_bernstein(np.array([2.0]), 0, 1)
    with pytest.raises(InvalidInput, match="no room"):
        empirical_bernstein(np.array([2.0]), 1, 1)
