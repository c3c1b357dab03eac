from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from treadle.app.report_plot import draw, headline
from treadle.app.report_text import plain, table
from treadle.domain.monitoring import Measured
from treadle.loop.report import Period, Report

SINCE, UNTIL = datetime(2011, 12, 1, tzinfo=UTC), datetime(2012, 2, 1, tzinfo=UTC)


def a_period(name: str, alone: float, loop: float, **more: float) -> Period:
    return Period(name, 744, 740, {"mae": alone} | more, {"mae": loop} | more, {"promotions": 1})


def a_report(gain: float = 29.0, gain_in: str = "mae", **worth: float) -> Report:
    months = (a_period("2011-12", 57.25, 47.0, **worth), a_period("2012-01", 100.04, 52.0, **worth))
    return Report(
        model="bikes", metric="mae", first_version=1, since=SINCE, until=UNTIL, periods=months,
        alone={"mae": 78.6} | worth, loop={"mae": 49.6} | worth, gain=Measured(gain, gain - 3, gain + 3),
        gain_in=gain_in, days=62, predictions=1488, joined=1480, censored=0, pending=8, counts={"promotions": 2},
        years=(a_period("2011", 57.25, 47.0, **worth), a_period("2012", 100.04, 52.0, **worth)),
    )  # fmt: skip


def test_the_headline_says_whose_metric_was_better() -> None:
    assert headline(a_report()) == (
        "bikes: mae of the loop 49.6, of version 1 left alone 78.6: better by 29.0  (95 %: 26.0 to 32.0)"
    )
    assert "worse by 2.000  (95 %: -5.000 to 1.000)" in headline(a_report(-2.0))
    assert "earned 2.50 more a prediction" in headline(a_report(2.5, "worth", worth=7.0))
    assert "not enough rows" in headline(replace(a_report(), gain=Measured(None)))


def test_years_and_the_total_stand_below_the_months() -> None:
    header, rows = table(a_report())
    assert [row[0] for row in rows] == ["2011-12", "2012-01", "2011", "2012", "total"]
    assert "worth loop" not in header
    assert rows[1][3:5] == ["100.0", "52.0"]
    lines = plain(a_report()).splitlines()
    assert [line.split()[0] for line in lines[4:7]] == ["2011-12", "2012-01", lines[3].split()[0]]
    one_year = replace(a_report(), years=())
    assert [row[0] for row in table(one_year)[1]] == ["2011-12", "2012-01", "total"]


@pytest.mark.parametrize("worth", [{}, {"worth": 12.5}])
def test_it_is_drawn_with_a_worth_and_without(tmp_path: Path, worth: dict[str, float]) -> None:
    report = a_report(**worth)
    assert ("worth loop" in table(report)[0]) is bool(worth)
    draw(report, tmp_path / "report.png")
    assert (tmp_path / "report.png").stat().st_size > 10_000
