"""What gates found."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Verdict(enum.Enum):
    """The three answers that a gate can give."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    NOT_ENOUGH_DATA = "not_enough_data"

    @staticmethod
    def all(verdicts: list[Verdict]) -> Verdict:
        """Of gates that must all hold: fail wins over not enough data, that over pass."""
        if Verdict.FAIL in verdicts:
            return Verdict.FAIL
        return Verdict.NOT_ENOUGH_DATA if Verdict.NOT_ENOUGH_DATA in verdicts else Verdict.PASS

    @staticmethod
    def any(verdicts: list[Verdict]) -> Verdict:
        """Of gates of which one must hold: pass wins over not enough data, that over fail."""
        if Verdict.PASS in verdicts:
            return Verdict.PASS
        return Verdict.NOT_ENOUGH_DATA if Verdict.NOT_ENOUGH_DATA in verdicts else Verdict.FAIL


@dataclass(frozen=True)
class SliceValue:
    """A metric on the rows of one slice. ``low`` and ``high`` bound it at the gate's confidence."""

    slice: str
    value: float | None
    low: float | None
    high: float | None
    rows: int


@dataclass(frozen=True)
class GateResult:
    """One gate, evaluated.

    ``value`` is the point estimate (of a difference, for comparisons), ``low`` and ``high`` its interval at
    ``confidence``, ``threshold`` what it was held against; ``rows`` counts the rows, ``blocks`` the time blocks that
    carry the interval, ``rows_needed`` how many more rows would probably decide (not enough data only).
    """

    expression: str
    verdict: Verdict
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    confidence: float | None = None
    rows: int = 0
    blocks: int | None = None
    rows_needed: int | None = None
    note: str = ""
    slices: tuple[SliceValue, ...] = ()
    parts: tuple[GateResult, ...] = ()


@dataclass(frozen=True)
class GateReport:
    """All gates of one version against one set of rows."""

    verdict: Verdict
    results: tuple[GateResult, ...]
    rows: int

    def reason(self) -> str:
        """The gates that did not pass, with their numbers, in one line."""
        broken = [r for r in self.results if r.verdict is not Verdict.PASS]
        return "; ".join(describe(r) for r in broken) or "all gates passed"


def describe(result: GateResult) -> str:
    """One gate as a sentence with its numbers."""
    numbers = ""
    if result.value is not None:
        numbers = f" ({result.value:.4g}"
        if result.low is not None and result.high is not None:
            numbers += f", {result.low:.4g} to {result.high:.4g}"
        numbers += f" on {result.rows:,} rows)"
    more = f", about {result.rows_needed:,} more rows needed" if result.rows_needed else ""
    note = f": {result.note}" if result.note else ""
    return f"{result.expression} {result.verdict.value.replace('_', ' ')}{numbers}{more}{note}"
