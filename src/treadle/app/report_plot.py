"""The report as a picture: per month, the first model left alone against the loop."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from treadle.loop.report import Period, Report

ALONE, LOOP, INK, QUIET = "#b9b4a8", "#0f766e", "#1f2933", "#8a8f98"
MARKS = {
    "promotions": ("^", "#0f766e"),
    "refusals": ("x", "#b45309"),
    "aborted": ("s", "#b45309"),
    "rollbacks": ("v", "#b91c1c"),
}


def draw(report: Report, path: Path, *, title: str | None = None) -> None:
    """Write a PNG (or whatever ``path`` ends in) of the report."""
    mpl.use("Agg")
    has_worth = "worth" in report.loop
    figure = Figure(figsize=(10, 6.6 if has_worth else 4.2), dpi=150, layout="constrained", facecolor="white")
    axes = figure.subplots(2 if has_worth else 1, 1, sharex=True, squeeze=False)[:, 0]
    names = [period.name for period in report.periods]
    if has_worth:
        _bars(axes[0], report, "worth", "worth of a prediction")
    _lines(axes[-1], report, report.metric)
    _marks(axes[0], report.periods)
    axes[-1].set_xticks(range(len(names)), names, rotation=0 if len(names) <= 12 else 30)
    figure.suptitle(title or headline(report), x=0.012, ha="left", fontsize=13, fontweight="bold", color=INK)
    figure.savefig(path)


def headline(report: Report) -> str:
    """The finding in one sentence."""
    gain = report.gain
    if gain.value is None or gain.low is None or gain.high is None:
        return f"{report.model}: not enough rows to compare"
    first = f"version {report.first_version} left alone"
    if report.gain_in == "worth":
        better = "more" if gain.value >= 0 else "less"
        return (
            f"{report.model}: the loop earned {money(abs(gain.value))} {better} a prediction than {first}  "
            f"(95 %: {money(gain.low)} to {money(gain.high)})"
        )
    name, better = report.gain_in, "better" if gain.value >= 0 else "worse"
    loop, alone = measured(report.loop.get(name)), measured(report.alone.get(name))
    return (
        f"{report.model}: {name} of the loop {loop}, of {first} {alone}: {better} by {measured(abs(gain.value))}  "
        f"(95 %: {measured(gain.low)} to {measured(gain.high)})"
    )


def measured(value: float | None) -> str:
    """A metric in about four digits."""
    return "-" if value is None else f"{value:.{3 if abs(value) < 10 else 1}f}"


def money(value: float | None) -> str:
    """A worth to the hundredth."""
    return "-" if value is None else f"{value:.2f}"


def _bars(axes: Axes, report: Report, key: str, label: str) -> None:
    places = range(len(report.periods))
    alone = [period.alone.get(key) or 0.0 for period in report.periods]
    loop = [period.loop.get(key) or 0.0 for period in report.periods]
    axes.bar([p - 0.2 for p in places], alone, 0.38, color=ALONE, label=f"version {report.first_version} left alone")
    axes.bar([p + 0.2 for p in places], loop, 0.38, color=LOOP, label="the loop")
    axes.axhline(0, color=QUIET, linewidth=0.8)
    axes.set_ylabel(label, color=INK)
    _tidy(axes)


def _lines(axes: Axes, report: Report, key: str) -> None:
    places = range(len(report.periods))
    alone = [period.alone.get(key) for period in report.periods]
    loop = [period.loop.get(key) for period in report.periods]
    nan = float("nan")
    axes.plot(places, [nan if v is None else v for v in alone], "o-", color=ALONE, label="left alone", linewidth=2)
    axes.plot(places, [nan if v is None else v for v in loop], "o-", color=LOOP, label="the loop", linewidth=2)
    axes.set_ylabel(key, color=INK)
    _tidy(axes)


def _marks(axes: Axes, periods: tuple[Period, ...]) -> None:
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + (high - low) * 0.16)
    for level, (name, (marker, color)) in enumerate(MARKS.items()):
        for place, period in enumerate(periods):
            for i in range(period.counts.get(name, 0)):
                x = place - 0.2 + 0.13 * i
                axes.plot(x, high + (high - low) * (0.14 - 0.04 * level), marker, color=color, markersize=6)
        axes.plot([], [], marker, color=color, linestyle="none", label=name)
    axes.legend(frameon=False, ncols=6, fontsize=9, loc="upper left", bbox_to_anchor=(0, 1.13))


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
