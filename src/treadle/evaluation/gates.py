"""Gates: expressions held against scored rows, with three verdicts.

**Thresholds at release** (``metrics.auc >= 0.8`` on held-out rows). With enough rows the point value decides: pass
where it satisfies the condition, fail where it breaks it; the interval is shown beside it. Enough means ``min_rows``
labelled rows, 20 that carry the metric (for recall: positives) and, where rows have times, 5 blocks. With fewer, the
interval must lie on one side to pass or fail, else there is not enough data; a metric that is undefined is not enough
data either.

**Thresholds on live traffic** (``live=True``). A break must be more than noise: fail needs enough rows, five *days*,
and an interval that excludes the threshold. Pass is a value that satisfies the condition on enough rows, all else is
not enough data. The interval is at 99 %, because live gates are looked at daily.

**Triggers** (:func:`triggered`). The same caution the other way: pass, "it is true", needs an interval wholly on the
true side.

**Comparisons with the champion**, at the expression's own one-sided confidence, on the same rows in the same blocks:

- ``beats_champion``: pass where the lower bound of the gain exceeds ``at_least``; fail where the upper bound does
  not, or where on enough rows the gain itself does not, or where it would take more than ten times the rows there are
  to show it; else not enough data, with the rows needed.
- ``not_worse_than_champion``: pass where the lower bound of the gain exceeds ``-margin``; fail where the upper bound
  or, on enough rows, the value does not; else not enough data.

On live traffic (``live=True``, mirrored requests) a loss must be more than noise too: there only an upper bound that
does not exceed the threshold fails a comparison, and what is neither passed nor failed is not enough data yet.

Without a champion they pass with a note, since a first version has nobody to beat.

**Slices.** A slice under 50 labelled rows, with fewer than 20 that carry the metric, or where the metric is undefined
is named in the note and not judged. ``worst`` holds where all judged slices hold, each by the rules above; on live
traffic and for triggers their intervals are widened for their number (Bonferroni).
"""

from __future__ import annotations

import enum
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from treadle.domain.errors import InvalidInput
from treadle.domain.gates import GateReport, GateResult, SliceValue, Verdict
from treadle.evaluation.measuring import finite
from treadle.evaluation.reductions import MIN_SUPPORT, Slice, goodness, judged_slices, worst
from treadle.evaluation.rows import ScoredRows
from treadle.spec.catalog import CATALOG
from treadle.spec.expressions import (
    AllOf,
    AnyOf,
    BeatsChampion,
    Expression,
    MetricRef,
    NotWorseThanChampion,
    Threshold,
)
from treadle.stats import metrics, paired
from treadle.stats.intervals import Interval, estimate, jackknife, of_replicates

MIN_ROWS = 100
MIN_BLOCKS = 5
HORIZON = 10
RELEASE_CONFIDENCE = 0.95
LIVE_CONFIDENCE = 0.99

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}


@dataclass(frozen=True)
class ServiceFigures:
    """Measurements of the model itself: latencies in seconds, ``size`` in bytes; None where not measured."""

    latency_p50: float | None = None
    latency_p99: float | None = None
    size: float | None = None


class _Mode(enum.Enum):
    RELEASE = "release"
    LIVE = "live"
    TRIGGER = "trigger"


@dataclass(frozen=True)
class _Case:
    """What gates are held against, and by which rules."""

    challenger: ScoredRows
    champion: ScoredRows | None
    service: ServiceFigures | None
    mode: _Mode
    min_rows: int
    confidence: float

    def enough(self, rows: int, support: float, blocks: int | None) -> bool:
        """Whether point values may be trusted."""
        unit = self.challenger.blocks.unit
        timely = blocks is None or (blocks >= MIN_BLOCKS and (unit == "day" or self.mode is _Mode.RELEASE))
        return rows >= self.min_rows and support >= MIN_SUPPORT and timely


def evaluate(
    expressions: Sequence[Expression],
    challenger: ScoredRows,
    champion: ScoredRows | None = None,
    *,
    service: ServiceFigures | None = None,
    min_rows: int = MIN_ROWS,
    live: bool = False,
    confidence: float | None = None,
) -> GateReport:
    """Hold all expressions against the challenger's rows; all must pass.

    ``champion`` scores the same rows in the same order. ``confidence`` is that of the thresholds' two-sided intervals
    (0.95 at release, 0.99 ``live``). Deterministic. Raises InvalidInput where the rows lack what an expression needs or
    the two sets of rows differ.
    """
    mode = _Mode.LIVE if live else _Mode.RELEASE
    usual = LIVE_CONFIDENCE if live else RELEASE_CONFIDENCE
    challenger, champion = _same_rows(challenger, champion)
    case = _Case(challenger, champion, service, mode, min_rows, usual if confidence is None else confidence)
    results = tuple(_judge(expression, case) for expression in expressions)
    return GateReport(Verdict.all([r.verdict for r in results]), results, challenger.rows)


def triggered(
    expression: Expression,
    rows: ScoredRows,
    champion: ScoredRows | None = None,
    *,
    service: ServiceFigures | None = None,
    min_rows: int = MIN_ROWS,
    confidence: float | None = None,
) -> GateResult:
    """Whether an expression is true of live rows beyond noise: ``PASS`` means that it is, and that its trigger acts."""
    sure = LIVE_CONFIDENCE if confidence is None else confidence
    rows, champion = _same_rows(rows, champion)
    return _judge(expression, _Case(rows, champion, service, _Mode.TRIGGER, min_rows, sure))


def _same_rows(challenger: ScoredRows, champion: ScoredRows | None) -> tuple[ScoredRows, ScoredRows | None]:
    """Both in the same order of classes. Raises InvalidInput where their labels differ."""
    if champion is None:
        return challenger, None
    classes = (*challenger.classes, *(c for c in champion.classes if c not in challenger.classes))
    challenger, champion = challenger.in_classes(classes), champion.in_classes(classes)
    if not np.array_equal(challenger.sample.label, champion.sample.label):
        raise InvalidInput(
            f"challenger ({challenger.rows} labelled rows) and champion ({champion.rows}) have different labels",
            hint="score both models on the same rows in the same order",
        )
    return challenger, champion


def _judge(expression: Expression, case: _Case) -> GateResult:
    match expression:
        case AllOf(parts=parts):
            results = tuple(_judge(part, case) for part in parts)
            verdict = Verdict.all([r.verdict for r in results])
            return GateResult(str(expression), verdict, rows=case.challenger.rows, parts=results)
        case AnyOf(parts=parts):
            results = tuple(_judge(part, case) for part in parts)
            verdict = Verdict.any([r.verdict for r in results])
            return GateResult(str(expression), verdict, rows=case.challenger.rows, parts=results)
        case Threshold(metric=metric):
            if metric.name in CATALOG and not CATALOG[metric.name].of_rows:
                return _service_threshold(expression, case)
            if metric.reduce == "worst":
                return _worst_threshold(expression, case)
            return (_gap_threshold if metric.reduce == "gap" else _threshold)(expression, case)
        case BeatsChampion() | NotWorseThanChampion():
            return _comparison(expression, case)


def _service_threshold(gate: Threshold, case: _Case) -> GateResult:
    value = getattr(case.service, gate.metric.name, None)
    if value is None:
        note = f"no {gate.metric.name} was measured"
        return GateResult(str(gate), Verdict.NOT_ENOUGH_DATA, threshold=gate.value, note=note)
    holds = _OPERATORS[gate.op](value, gate.value)
    return GateResult(str(gate), Verdict.PASS if holds else Verdict.FAIL, value=value, threshold=gate.value)


def _threshold(gate: Threshold, case: _Case) -> GateResult:
    rows, ref = case.challenger, gate.metric
    sample, blocks, empty = rows.sample, rows.blocks, ""
    if ref.reduce == "slice":
        mask = rows.slice(ref.column or "", ref.value)
        sample, blocks = sample.take(mask), blocks.take(mask)
        empty = "" if mask.any() else f"no row has {ref.column} == {ref.value!r}"
    interval = estimate(ref.name, sample, blocks, confidence=case.confidence)
    support = metrics.replicates(ref.name, sample, blocks).support
    result = _decided(gate, case, interval, support)
    return replace(result, note=empty or result.note)


def _gap_threshold(gate: Threshold, case: _Case) -> GateResult:
    rows, ref = case.challenger, gate.metric
    slices = judged_slices(ref, rows)
    if len(slices.judged) < 2:
        return _no_slices(gate, case, slices.note)
    values = goodness(ref, slices.judged).map(np.negative)
    interval = jackknife(values, case.confidence)
    result = _decided(gate, case, replace(interval, low=max(interval.low, 0.0)), values.support)
    shown = []
    for one in slices.judged:
        of = of_replicates(metrics.find(rows.task, ref.name), one.values, case.confidence)
        shown.append(SliceValue(one.name, finite(of.value), finite(of.low), finite(of.high), one.rows))
    return replace(result, slices=tuple(shown), note=_joined(result.note, slices.note))


def _worst_threshold(gate: Threshold, case: _Case) -> GateResult:
    rows, ref = case.challenger, gate.metric
    slices = judged_slices(ref, rows)
    if not slices.judged:
        return _no_slices(gate, case, slices.note)
    many = 1 if case.mode is _Mode.RELEASE else len(slices.judged)
    sliced = replace(case, confidence=1 - (1 - case.confidence) / many)
    parts = {one.name: _of_slice(gate, sliced, one) for one in slices.judged}
    lowest = worst(ref, slices.judged)
    better = CATALOG[ref.name].better
    if better == "zero":
        verdict = parts[lowest.name].verdict
    else:
        every = (better == "higher") == (gate.op in {">=", ">"})
        verdict = (Verdict.all if every else Verdict.any)([p.verdict for p in parts.values()])
    lacking = [p.rows_needed or 0 for p in parts.values() if p.verdict is Verdict.NOT_ENOUGH_DATA]
    return replace(
        parts[lowest.name],
        verdict=verdict,
        rows=rows.rows,
        rows_needed=max(lacking, default=0) or None if verdict is Verdict.NOT_ENOUGH_DATA else None,
        note=_joined(f"worst is {lowest.name} ({lowest.rows:,} rows)", slices.note),
        slices=tuple(SliceValue(n, p.value, p.low, p.high, p.rows) for n, p in parts.items()),
    )


def _of_slice(gate: Threshold, case: _Case, one: Slice) -> GateResult:
    metric = metrics.find(case.challenger.task, gate.metric.name)
    interval = of_replicates(metric, one.values, case.confidence)
    if case.challenger.blocks.unit == "rows":
        interval = replace(interval, blocks=None)
    return _decided(gate, case, interval, one.values.support)


def _no_slices(gate: Expression, case: _Case, note: str) -> GateResult:
    return GateResult(
        str(gate),
        Verdict.NOT_ENOUGH_DATA,
        threshold=gate.value if isinstance(gate, Threshold) else None,
        rows=case.challenger.rows,
        rows_needed=max(case.min_rows, case.challenger.rows),
        note=_joined("no slices with rows enough to be judged", note),
    )


def _decided(gate: Threshold, case: _Case, interval: Interval, support: float) -> GateResult:
    """A gate on one number, by the rules at the head of this module."""
    enough = case.enough(interval.rows, support, interval.blocks)
    verdict = _verdict(gate, interval, enough, case.mode)
    short = verdict is Verdict.NOT_ENOUGH_DATA
    return GateResult(
        str(gate),
        verdict,
        value=finite(interval.value),
        low=finite(interval.low),
        high=finite(interval.high),
        threshold=gate.value,
        confidence=case.confidence,
        rows=interval.rows,
        blocks=interval.blocks,
        rows_needed=_threshold_rows_needed(case, interval, gate.value) if short else None,
        note=_why_short(case, interval.value, interval.blocks, gate.metric.name) if short else "",
    )


def _verdict(gate: Threshold, interval: Interval, enough: bool, mode: _Mode) -> Verdict:
    if not math.isfinite(interval.value):
        return Verdict.NOT_ENOUGH_DATA
    holds = _OPERATORS[gate.op](interval.value, gate.value)
    certain = interval.defined and not interval.low <= gate.value <= interval.high
    plain = Verdict.PASS if holds else Verdict.FAIL
    if mode is _Mode.RELEASE:
        return plain if enough or certain else Verdict.NOT_ENOUGH_DATA
    if not enough:
        return Verdict.NOT_ENOUGH_DATA
    must_be_certain = holds is (mode is _Mode.TRIGGER)
    return plain if certain or not must_be_certain else Verdict.NOT_ENOUGH_DATA


def _why_short(case: _Case, value: float, blocks: int | None, metric: str) -> str:
    if not math.isfinite(value):
        return f"{metric} is undefined on these rows"
    unit = case.challenger.blocks.unit
    if blocks is not None and (blocks < MIN_BLOCKS or (unit != "day" and case.mode is not _Mode.RELEASE)):
        return f"{blocks} {unit}{'' if blocks == 1 else 's'} of rows, {MIN_BLOCKS} days are needed"
    return ""


def _threshold_rows_needed(case: _Case, interval: Interval, threshold: float) -> int | None:
    needed = [_rows_missing(case, interval.rows, interval.blocks)]
    if interval.defined:
        sided = (1 + case.confidence) / 2
        distance = interval.value - threshold
        needed.append(paired.rows_needed(distance, interval.error, interval.rows, confidence=sided, power=0.5) or 0)
    elif not math.isfinite(interval.value):
        needed.append(max(interval.rows, MIN_SUPPORT))
    return max(needed) or None


def _rows_missing(case: _Case, rows: int, blocks: int | None) -> int:
    """Rows missing of the least number, of rows and of blocks."""
    of_blocks = math.ceil(rows * MIN_BLOCKS / blocks) - rows if blocks else 0
    return max(case.min_rows - rows, of_blocks, 0)


def _comparison(gate: BeatsChampion | NotWorseThanChampion, case: _Case) -> GateResult:
    against = gate.at_least if isinstance(gate, BeatsChampion) else -gate.margin
    if case.champion is None:
        verdict = Verdict.FAIL if case.mode is _Mode.TRIGGER else Verdict.PASS
        return GateResult(
            str(gate), verdict, threshold=against, rows=case.challenger.rows, note="no champion yet to compare with"
        )
    found, note = _compared(gate.metric, case.challenger, case.champion, gate.confidence, against)
    if found is None:
        return _no_slices(gate, case, note)
    verdict, reason = _comparison_verdict(gate, case, found)
    needed = None
    if verdict is Verdict.NOT_ENOUGH_DATA:
        more = paired.rows_needed(found.value - against, found.error, found.rows, confidence=gate.confidence)
        needed = max(_rows_missing(case, found.rows, found.blocks), more or 0) or None
        reason = reason or _why_short(case, found.value, found.blocks, gate.metric.name)
    return GateResult(
        str(gate),
        verdict,
        value=finite(found.value),
        low=finite(found.low),
        high=finite(found.high),
        threshold=against,
        confidence=gate.confidence,
        rows=found.rows,
        blocks=found.blocks,
        rows_needed=needed,
        note=_joined(reason, note),
    )


def _compared(
    ref: MetricRef, challenger: ScoredRows, champion: ScoredRows, confidence: float, against: float
) -> tuple[paired.Comparison | None, str]:
    """The paired comparison of a metric or its reduction, and a note; None without slices to judge."""
    if ref.reduce in {"worst", "gap"}:
        first, second = judged_slices(ref, challenger), judged_slices(ref, champion)
        names = {s.name for s in first.judged} & {s.name for s in second.judged}
        first, second = first.keep(names), second.keep(names)
        if len(names) < (2 if ref.reduce == "gap" else 1):
            return None, first.note
        gain = goodness(ref, first.judged).minus(goodness(ref, second.judged))
        blocks = None if challenger.blocks.unit == "rows" else gain.blocks
        error, degrees = gain.standard_error, gain.degrees
        found = paired.bounded(
            gain.value, error, degrees, rows=gain.rows, blocks=blocks, confidence=confidence, against=against
        )
        return found, first.note
    one, other, blocks_of = challenger.sample, champion.sample, challenger.blocks
    if ref.reduce == "slice":
        mask = challenger.slice(ref.column or "", ref.value)
        one, other, blocks_of = one.take(mask), other.take(mask), blocks_of.take(mask)
    return paired.compare(ref.name, one, other, blocks_of, confidence=confidence, against=against), ""


def _comparison_verdict(
    gate: BeatsChampion | NotWorseThanChampion, case: _Case, found: paired.Comparison
) -> tuple[Verdict, str]:
    if not found.defined or not case.enough(found.rows, math.inf, found.blocks):
        return Verdict.NOT_ENOUGH_DATA, ""
    if found.low > found.against:
        return Verdict.PASS, ""
    if found.high <= found.against:
        return Verdict.FAIL, ""
    if case.mode is _Mode.LIVE:
        return Verdict.NOT_ENOUGH_DATA, ""
    if found.value <= found.against:
        return Verdict.FAIL, ""
    if isinstance(gate, BeatsChampion):
        needed = paired.rows_needed(found.value - found.against, found.error, found.rows, confidence=gate.confidence)
        if needed is None or needed > HORIZON * found.rows:
            more = "no number of" if needed is None else f"about {needed:,} more"
            return Verdict.FAIL, f"a gain this small would take {more} rows to show"
    return Verdict.NOT_ENOUGH_DATA, ""


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
