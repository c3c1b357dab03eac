"""Two equal models on rows that hang together by day: how often is one promoted over the other?"""

import numpy as np

from treadle.stats.blocks import Blocks
from treadle.stats.intervals import mean_interval
from treadle.stats.metrics import Sample
from treadle.stats.paired import compare

DAYS, PER_DAY, ALPHA = 14, 60, 0.05
CODES = np.repeat(np.arange(DAYS), PER_DAY)
BLOCKS = Blocks(CODES, DAYS)


def models(rng: np.random.Generator, gain: float = 0.0) -> tuple[Sample, Sample]:
    """Each day favours one of the two models a little, at random; on average the first is better by ``gain``."""
    rows = DAYS * PER_DAY
    label = rng.random(rows) < 0.35
    signal = label + rng.normal(size=rows)
    favour = rng.normal(size=DAYS)[CODES]
    samples = []
    for sign, extra in ((1, gain), (-1, 0.0)):
        score = signal + (sign * favour * 0.5 + extra) * (label - 0.35) + rng.normal(size=rows) * 0.5
        worth = sign * favour * 0.4 + extra + rng.normal(size=rows)
        samples.append(Sample("binary", label, score, score > 0.5, worth))
    return samples[0], samples[1]


def test_equal_models_are_promoted_no_more_often_than_promised() -> None:
    rng = np.random.default_rng(7)
    runs = 400
    wrong = {"worth": 0, "auc": 0, "recall": 0}
    naive = 0
    for _ in range(runs):
        challenger, champion = models(rng)
        for name in wrong:
            wrong[name] += compare(name, challenger, champion, BLOCKS, confidence=1 - ALPHA).low > 0
        naive += mean_interval(challenger.worth - champion.worth, confidence=1 - 2 * ALPHA).low > 0
    tolerance = 3 * np.sqrt(ALPHA * (1 - ALPHA) / runs)
    for name, count in wrong.items():
        assert count / runs <= ALPHA + tolerance, name
    assert naive / runs > 3 * ALPHA  # what rows taken as independent would do


def test_a_real_gain_is_found() -> None:
    rng = np.random.default_rng(8)
    runs = 100
    found = {"worth": 0, "auc": 0}
    for _ in range(runs):
        challenger, champion = models(rng, gain=1.0)
        for name in found:
            found[name] += compare(name, challenger, champion, BLOCKS).low > 0
    assert min(found.values()) > 0.8 * runs, found


def test_the_p_value_and_the_bound_agree() -> None:
    rng = np.random.default_rng(9)
    for gain in (0.0, 0.2, 0.4):
        challenger, champion = models(rng, gain)
        comparison = compare("worth", challenger, champion, BLOCKS, confidence=0.9)
        assert (comparison.p_value < 0.1) == (comparison.low > 0)
