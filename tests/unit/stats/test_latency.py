import math

from treadle.stats.latency import steady_p99


def test_one_hiccup_does_not_set_it_but_a_slow_tail_does() -> None:
    calm = [1.0] * 200
    assert steady_p99([*calm[:-1], 500.0]) == 1.0
    assert steady_p99([1.0 if i % 20 else 9.0 for i in range(200)]) > 5


def test_few_timings_give_the_largest_and_none_gives_nan() -> None:
    assert steady_p99([1.0, 3.0, 2.0]) == 3.0
    assert math.isnan(steady_p99([]))
