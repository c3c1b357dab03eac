"""What every ``ports.Tracking`` promises of curves."""
# ruff: noqa: S101

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from treadle.domain.errors import InvalidInput
from treadle.domain.tracking import Curve, LoggedMetric
from treadle.ports.tracking import Tracking
from treadle.testing.contracts.tracking import TrackingBase, done, new_run

Raw = tuple[int, int, float]


def log(tracking: Tracking, run: str, points: Sequence[Raw], key: str = "loss") -> None:
    """Log points in one batch."""
    done(tracking.log_batch(run, metrics=[LoggedMetric(key, value, at, step) for step, at, value in points]))


def points(curve: Curve) -> list[tuple[int, int, str]]:
    """A curve's points, values as text because NaN is not equal to itself."""
    columns = zip(curve.steps, curve.timestamps, curve.values, strict=True)
    return [(step, at, repr(float(value))) for step, at, value in columns]


def texts(raw: Sequence[Raw]) -> list[tuple[int, int, str]]:
    """Points with values as text."""
    return [(step, at, repr(float(value))) for step, at, value in raw]


class CurvesContract(TrackingBase):
    """Points come back sorted, each of them once, however they were logged."""

    def test_points_come_by_step_then_time_then_value(self, tracking: Tracking) -> None:
        """Single or in batches; the summary knows last, least and greatest."""
        run = new_run(tracking)
        for one in [(2, 5, 0.3), (1, 9, 0.5), (1, 3, 0.4), (2, 5, 0.2)]:
            log(tracking, run, [one])
        log(tracking, run, [(0, 7, 9.0), (-3, 8, 4.0)])
        expected: list[Raw] = [(-3, 8, 4.0), (0, 7, 9.0), (1, 3, 0.4), (1, 9, 0.5), (2, 5, 0.2), (2, 5, 0.3)]
        assert points(tracking.history(run, "loss")) == texts(expected)
        (summary,) = tracking.get_run(run).metrics
        assert tuple(summary) == ("loss", 0.3, 5, 2, 0.2, 9.0)
        assert points(tracking.history(run, "unknown")) == []

    def test_identical_points_are_one(self, tracking: Tracking) -> None:
        """In one batch and over batches, large and small, not-a-number too."""
        run = new_run(tracking)
        batch = [(step, 1, float(step)) for step in range(700)] + [(3, 1, math.nan)] * 2
        for lot in (batch, batch, batch[:100], batch[5:10], [batch[-1]]):
            log(tracking, run, lot)
        expected = sorted(texts(batch[:-1]), key=lambda point: point[:2])
        assert points(tracking.history(run, "loss")) == expected

    def test_extreme_values_come_back(self, tracking: Tracking) -> None:
        """Infinities, not-a-number, tiny and huge ones; extreme steps and times."""
        run = new_run(tracking)
        values = [math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, -0.1, -0.0]
        raw = [(step, 10**15 + step, value) for step, value in enumerate(values)]
        raw += [(2**63 - 1, 2**62, 1.0), (-(2**63), 0, 1.0)]
        for one in raw:
            log(tracking, run, [one], "single")
        log(tracking, run, raw * 3, "batch")
        expected = texts(sorted(raw, key=lambda point: point[0]))
        assert points(tracking.history(run, "single")) == expected
        assert points(tracking.history(run, "batch")) == expected
        batch, single = tracking.get_run(run).metrics
        assert single[1:] == batch[1:] == (1.0, 2**62, 2**63 - 1, -math.inf, math.inf)

    def test_a_metric_of_nothing_but_nan(self, tracking: Tracking) -> None:
        """Has no least and greatest value until there is one."""
        run = new_run(tracking)
        log(tracking, run, [(1, 1, math.nan)])
        (summary,) = tracking.get_run(run).metrics
        assert [math.isnan(value) for value in (summary.value, summary.least, summary.greatest)] == [True] * 3
        log(tracking, run, [(0, 1, 3.0)])
        (summary,) = tracking.get_run(run).metrics
        assert math.isnan(summary.value)
        assert (summary.least, summary.greatest) == (3.0, 3.0)

    def test_any_mixture_of_batches_gives_the_same_curve(self, tracking: Tracking) -> None:
        """Overlapping, shuffled, repeated, at one step or at many."""
        chance = random.Random(7)  # noqa: S311
        for number in range(6):
            run = new_run(tracking)
            logged: set[Raw] = set()
            for _ in range(25):
                size = chance.choice((1, 2, 15, 16, 40, 300, 600, 2500))
                start, width = chance.randrange(3000), chance.choice((1, 10, size, size * 3))
                batch = [
                    (start + chance.randrange(width), chance.randrange(3), float(chance.randrange(5)))
                    for _ in range(size)
                ]
                logged.update(batch)
                log(tracking, run, batch)
            assert points(tracking.history(run, "loss")) == texts(sorted(logged)), number
            pages, cursor = [], None
            while True:
                page = tracking.history(run, "loss", limit=997, cursor=cursor)
                pages += points(page)
                cursor = page.cursor
                if cursor is None:
                    break
                assert len(page) == 997
            assert pages == texts(sorted(logged))

    def test_pages_end_exactly(self, tracking: Tracking) -> None:
        """A page that holds the rest has no cursor; a wrong cursor is told."""
        run = new_run(tracking)
        log(tracking, run, [(step, 0, 0.5) for step in range(20)])
        first = tracking.history(run, "loss", limit=10)
        assert first.cursor is not None
        second = tracking.history(run, "loss", limit=10, cursor=first.cursor)
        assert (list(second.steps), second.cursor) == (list(range(10, 20)), None)
        for wrong in ("x", "1.2", "1.2.3.4", "1.2." + "9" * 40, ""):
            with pytest.raises(InvalidInput):
                tracking.history(run, "loss", cursor=wrong)

    def test_histories_of_several_runs(self, tracking: Tracking) -> None:
        """In the order asked for, with one limit for all."""
        runs = [new_run(tracking) for _ in range(3)]
        for number, run in enumerate(runs):
            log(tracking, run, [(step, 0, float(number)) for step in range(30)])
        found = tracking.histories([runs[2], "unknown", runs[0], runs[1]], "loss", limit=40)
        assert [(curve.run, len(curve)) for curve in found] == [
            (runs[2], 30),
            ("unknown", 0),
            (runs[0], 10),
            (runs[1], 0),
        ]

    def test_a_sample_of_a_short_curve_is_the_curve(self, tracking: Tracking) -> None:
        """Also where it is asked for between two steps."""
        run = new_run(tracking)
        raw = [(step, 0, step / 7) for step in range(50)]
        log(tracking, run, raw)
        (whole,) = tracking.sampled([run], "loss", points=50)
        assert points(whole) == texts(raw)
        (part,) = tracking.sampled([run], "loss", points=50, first=10, last=19)
        assert points(part) == texts(raw[10:20])
        (unknown,) = tracking.sampled(["unknown"], "loss", points=50)
        assert len(unknown) == 0

    @pytest.mark.parametrize("size", [1, 37, 1000])
    def test_a_sample_keeps_ends_and_peaks(self, tracking: Tracking, size: int) -> None:
        """Whatever the batches were; all of it are points of the curve, in order, and not too many."""
        chance = random.Random(size)  # noqa: S311
        run = new_run(tracking)
        count = 1200 if size == 1 else 6000
        raw = [(step, step * 2, math.sin(step / 50) + chance.random() / 100) for step in range(count)]
        raw[count // 3] = (count // 3, 1, 99.0)
        raw[count // 2] = (count // 2, 1, -99.0)
        raw[count // 5] = (count // 5, 1, math.nan)
        for start in range(0, count, size):
            log(tracking, run, raw[start : start + size])
        for wanted, first, last in ((100, None, None), (101, 100, count - 100), (10, count // 4, None)):
            (found,) = tracking.sampled([run], "loss", points=wanted, first=first, last=last)
            inside = raw[first or 0 : count if last is None else last + 1]
            kept = points(found)
            assert len(kept) <= wanted
            assert len(kept) > wanted // 3
            assert kept[0] == texts(inside)[0]
            assert kept[-1] == texts(inside)[-1]
            assert kept == sorted(kept, key=lambda point: point[:2])
            assert set(kept) <= set(texts(inside))
            assert "99.0" in [value for _, _, value in kept]
            assert "-99.0" in [value for _, _, value in kept]

    def test_samples_of_one_and_two_points(self, tracking: Tracking) -> None:
        """The last; the first and the last."""
        run = new_run(tracking)
        log(tracking, run, [(step, 0, float(step % 10)) for step in range(3000)])
        (one,) = tracking.sampled([run], "loss", points=1)
        (two,) = tracking.sampled([run], "loss", points=2)
        assert (list(one.steps), list(two.steps)) == ([2999], [0, 2999])
