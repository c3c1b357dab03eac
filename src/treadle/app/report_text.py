"""The report as a table for a terminal."""

from __future__ import annotations

from treadle.app.report_plot import headline, measured, money
from treadle.loop.report import Period, Report

COLUMNS = ("trainings", "rollouts", "aborted", "promotions", "refusals", "rollbacks", "alerts")


def table(report: Report) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the months, the years where there is more than one, and the total; figures as text."""
    worth = "worth" in report.loop
    header = ["month", "predictions", "joined", f"{report.metric} alone", f"{report.metric} loop"]
    header += ["worth alone", "worth loop"] if worth else []
    header += list(COLUMNS)
    total = Period("total", report.predictions, report.joined, report.alone, report.loop, report.counts)
    rows = []
    for period in (*report.periods, *report.years, total):
        row = [period.name, f"{period.predictions:,}", f"{period.joined:,}"]
        row += [measured(period.alone.get(report.metric)), measured(period.loop.get(report.metric))]
        row += [money(period.alone.get("worth")), money(period.loop.get("worth"))] if worth else []
        row += [str(period.counts.get(name, 0)) for name in COLUMNS]
        rows.append(row)
    return header, rows


def plain(report: Report) -> str:
    """The whole report as aligned text."""
    header, rows = table(report)
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
    rule = "  ".join("-" * width for width in widths)
    months = lines[1 : 1 + len(report.periods)]
    return "\n".join([headline(report), "", lines[0], rule, *months, rule, *lines[1 + len(report.periods) :]])
