"""Tables, JSON, and figures as text."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import typer

from treadle.domain import codec
from treadle.domain.gates import GateReport, GateResult
from treadle.domain.runs import Candidate

HEADLINE = ("worth", "auc", "mae", "f1_macro", "accuracy", "log_loss", "rmse", "r2")


def as_json(value: Any) -> None:
    """Print a record, or plain data, as JSON."""
    typer.echo(json.dumps(codec.to_plain(value), indent=2, ensure_ascii=False))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Print rows under a header: on a terminal wrapped to its width, else aligned, a row a line.

    ``right`` lists the columns that hold numbers.
    """
    if sys.stdout.isatty():
        _on_terminal(header, rows, right)
        return
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    for row in cells:
        aligned = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        typer.echo("  ".join(aligned).rstrip())


def number(value: float | None, digits: int = 4) -> str:
    """A figure with so many significant digits, or a dash."""
    return "-" if value is None else f"{value:.{digits}g}"


def moment(at: datetime | None) -> str:
    """A time to the minute, in UTC, or a dash."""
    return "-" if at is None else f"{at:%Y-%m-%d %H:%M}"


def brief(metrics: dict[str, float]) -> str:
    """The two or three metrics that people ask for first, for a line of a table."""
    chosen = [name for name in HEADLINE if name in metrics][:3]
    return ", ".join(f"{name} {number(metrics[name], 3)}" for name in chosen) or figures(metrics, 3)


def figures(metrics: dict[str, float], digits: int = 4) -> str:
    """Metrics in one cell."""
    return ", ".join(f"{name} {number(value, digits)}" for name, value in sorted(metrics.items())) or "-"


def leaderboard(candidates: Sequence[Candidate]) -> None:
    """Print what a training chose among, the best first as they come."""
    known = {name for candidate in candidates for name in candidate.metrics}
    names = [name for name in HEADLINE if name in known] or sorted(known)
    rows = [
        [
            ("* " if candidate.chosen else "  ") + candidate.name,
            number(candidate.objective),
            *(number(candidate.metrics.get(name)) for name in names),
            f"{candidate.seconds:.1f}",
            candidate.state,
            ", ".join(f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in
                      candidate.params.items()),
        ]
        for candidate in candidates
    ]  # fmt: skip
    header = ["  candidate", "objective", *names, "seconds", "state", "params"]
    table(header, rows, right=range(1, 3 + len(names)))


def gates(report: GateReport) -> None:
    """Print every gate with its verdict and numbers."""
    header = ["gate", "verdict", "value", "95 % of it" if _confidence(report) == 0.95 else "interval", "rows", "note"]
    table(header, [_gate(result) for result in report.results], right=(2, 4))


def _gate(result: GateResult) -> list[str]:
    interval = "-" if result.low is None and result.high is None else f"{number(result.low)} to {number(result.high)}"
    more = [f"about {result.rows_needed:,} more rows needed"] if result.rows_needed else []
    return [
        result.expression,
        result.verdict.value.replace("_", " "),
        number(result.value),
        interval,
        f"{result.rows:,}",
        "; ".join([*more, *([result.note] if result.note else [])]),
    ]


def _confidence(report: GateReport) -> float | None:
    found = {result.confidence for result in report.results if result.confidence is not None}
    return found.pop() if len(found) == 1 else None


def _on_terminal(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for i, name in enumerate(header):
        shown.add_column(name, justify="right" if i in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    Console().print(shown)
