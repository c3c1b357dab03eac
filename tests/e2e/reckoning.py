"""What the seeded loop says when it is asked for a report."""

from __future__ import annotations

from datetime import timedelta

from story import NOW, day

from treadle.domain.monitoring import Measured
from treadle.loop.report import Period, Report

MONTHS = {
    "flights": [
        ("2013-10", 0.61, 0.67, 1.4, 2.4),
        ("2013-11", 0.62, 0.66, -1.1, 3.1),
        ("2013-12", 0.67, 0.71, 19.4, 17.8),
    ],
    "bikes": [
        ("2013-10", 75.2, 55.1, None, None),
        ("2013-11", 81.0, 52.4, None, None),
        ("2013-12", 79.9, 49.3, None, None),
    ],
}


def report_of(model: str) -> Report:
    """The loop against version 1 left alone."""
    metric = "auc" if model == "flights" else "mae"
    periods: list[Period] = []
    for name, alone, loop, worth_alone, worth_loop in MONTHS[model]:
        first: dict[str, float | None] = {metric: alone}
        mine: dict[str, float | None] = {metric: loop}
        if model == "flights":
            first["worth"], mine["worth"] = worth_alone, worth_loop
        counts = {"trainings": 1, "promotions": int(name != "2013-11"), "alerts": 2 * int(name == "2013-11")}
        periods.append(Period(name, 28_905, 27_635, first, mine, counts))
    left: dict[str, float | None] = {metric: 0.635}
    whole: dict[str, float | None] = {metric: 0.685}
    if model == "flights":
        left["worth"], whole["worth"] = 8.0, 9.21
    return Report(
        model=model, metric=metric, first_version=1, since=day(10, 1), until=NOW - timedelta(days=2),
        periods=tuple(periods), alone=left, loop=whole, gain=Measured(1.21, 0.74, 1.68),
        gain_in="worth" if model == "flights" else metric, days=72, predictions=86_715, joined=82_905, censored=3_810,
        pending=0, counts={"trainings": 3, "promotions": 2, "alerts": 2, "refusals": 0},
    )  # fmt: skip
