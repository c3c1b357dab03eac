"""The report as a table for a terminal."""

from __future__ import annotations

from treadle.app.report_plot import headline
from treadle.loop.report import Period, Report

COLUMNS = ("trainings", "promotions", "refusals", "rollbacks", "alerts")


def table(report: Report) -> tuple[list[str], list[list[str]]]:
    """Header and rows, the last of them the total; figures as text."""
    worth = "worth" in report.loop
    header = ["month", "predictions", "joined", f"{report.metric} alone", f"{report.metric} loop"]
    header += ["worth alone", "worth loop"] if worth else []
    header += list(COLUMNS)
    total = Period("total", report.predictions, report.joined, report.alone, report.loop, report.counts)
    rows = []
    for period in (*report.periods, total):
        row = [period.name, f"{period.predictions:,}", f"{period.joined:,}"]
        row += [_number(period.alone.get(report.metric), 3), _number(period.loop.get(report.metric), 3)]
        row += [_number(period.alone.get("worth"), 2), _number(period.loop.get("worth"), 2)] if worth else []
        row += [str(period.counts.get(name, 0)) for name in COLUMNS]
        rows.append(row)
    return header, rows


def plain(report: Report) -> str:
    """The whole report as aligned text."""
    header, rows = table(report)
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([headline(report), "", lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _number(value: float | None, places: int) -> str:
    return "-" if value is None else f"{value:.{places}f}"
