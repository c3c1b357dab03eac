"""The catalog of metrics: each a function of labels, scores and decisions, whole and without each block.

A metric that is undefined on its rows (no rows, one class only, no flagged row for precision, a label of zero for
MAPE) is NaN here and never a warning; above this room it is None.

=================  =============================  ==========================================================
name               task                           value
=================  =============================  ==========================================================
auc                binary                         P(score of a positive > of a negative), ties count half
average_precision  binary                         sum over distinct scores of (recall gained) * precision
log_loss           binary, multiclass             mean of -ln p(label), p held within [eps, 1 - eps] of float64
brier              binary                         mean of (score - label)^2
accuracy           binary, multiclass             share of decisions equal to the label
balanced_accuracy  binary, multiclass             mean over the classes seen of their recall
precision          binary                         tp / (tp + fp)
recall             binary                         tp / (tp + fn)
specificity        binary                         tn / (tn + fp)
f1                 binary                         2 tp / (2 tp + fp + fn)
mcc                binary                         Matthews' correlation; 0 where all decisions are equal
calibration_error  binary                         mean over ten bins of equal size by score, by their rows, of
                                                  |mean score - mean label| (Nixon et al. 2019, adaptive ECE)
f1_macro           multiclass                     mean of f1 over the classes seen in labels or decisions
auc_ovr            multiclass                     mean over the classes seen of the AUC against the rest
mae                regression                     mean of |score - label|
rmse               regression                     square root of the mean of (score - label)^2
median_ae          regression                     median of |score - label|
mape               regression                     mean of |score - label| / |label|
r2                 regression                     1 - sum (score - label)^2 / sum (label - mean label)^2
bias               regression                     mean of score - label; the nearer to zero the better
worth              all                            mean worth of the decisions, in the user's money, per row
=================  =============================  ==========================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from treadle.domain.errors import InvalidInput
from treadle.spec.catalog import BINARY, CATALOG, MULTICLASS, REGRESSION, TASKS, MetricInfo, for_task
from treadle.stats import ranking
from treadle.stats.blocks import Blocks, Floats, Ints, Replicates, average, of_sums, ratio

CALIBRATION_BINS = 10
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Sample:
    """Labelled rows as arrays.

    binary: ``label`` and ``decision`` (n,) bool, ``score`` (n,) the probability of true. multiclass: ``label`` and
    ``decision`` (n,) class codes, ``score`` (n, classes) probabilities. regression: ``label`` and ``score`` (n,).
    ``worth`` (n,) is the worth of each decision, NaN where unknown.
    """

    task: str
    label: NDArray[np.bool_] | Ints | Floats
    score: Floats
    decision: NDArray[np.bool_] | Ints | Floats | None = None
    worth: Floats | None = None

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.label)

    def take(self, rows: NDArray[np.bool_]) -> Sample:
        """The rows where the mask (n,) is true."""
        return replace(
            self,
            label=self.label[rows],
            score=self.score[rows],
            decision=None if self.decision is None else self.decision[rows],
            worth=None if self.worth is None else self.worth[rows],
        )


@dataclass(frozen=True)
class Metric:
    """How one metric of the catalog is computed. ``needs`` is ``score``, ``decision`` or ``worth``.

    A ``proportion`` counts successes among ``Replicates.support`` rows; a ``mean`` averages rows.
    """

    info: MetricInfo
    needs: str
    replicates: Callable[[Sample, Blocks], Replicates]
    proportion: bool = False
    mean: bool = False

    @property
    def bounds(self) -> tuple[float, float]:
        """The values that are possible, infinite where nothing bounds them."""
        low, high = self.info.low, self.info.high
        return (-np.inf if low is None else low), (np.inf if high is None else high)


def names(task: str) -> tuple[str, ...]:
    """The metrics of scored rows for a task, in the catalog's order. Raises InvalidInput for an unknown task."""
    if task not in TASKS:
        raise InvalidInput(f"unknown task {task!r}", hint="a task is " + ", ".join(TASKS))
    return tuple(info.name for info in for_task(task) if info.of_rows)


def find(task: str, name: str) -> Metric:
    """One metric. Raises InvalidInput where the task has none of that name."""
    known = names(task)
    if name not in known:
        raise InvalidInput(f"no metric {name!r} for a {task} label", hint="there are " + ", ".join(known))
    return _METRICS[task, name]


def replicates(name: str, sample: Sample, blocks: Blocks) -> Replicates:
    """A metric whole and without each block. Raises InvalidInput where the sample lacks what it needs."""
    metric = find(sample.task, name)
    if metric.needs != "score" and getattr(sample, metric.needs) is None:
        raise InvalidInput(
            f"{name} needs the column {metric.needs!r}",
            hint="declare @model.worth" if metric.needs == "worth" else "decide with the version's threshold first",
        )
    if len(blocks.codes) != sample.rows:
        raise InvalidInput(f"{sample.rows} rows but {len(blocks.codes)} block codes", hint="give one code per row")
    return metric.replicates(sample, blocks)


def compute(name: str, sample: Sample) -> float:
    """The value of a metric; NaN where it is undefined."""
    return replicates(name, sample, Blocks(np.zeros(sample.rows, np.int64), 1, "rows")).value


def orient(name: str, values: Floats) -> Floats:
    """Values of a metric such that more is better: as they are, negated, or minus the distance from zero."""
    better = CATALOG[name].better
    if better == "zero":
        return -np.abs(values)
    return values if better == "higher" else -values


def _mean(values: Floats, blocks: Blocks, root: bool = False) -> Replicates:
    sums = np.stack([blocks.sums(values), blocks.sizes], axis=1)

    def of(totals: Floats) -> Floats:
        mean = ratio(totals[:, 0], totals[:, 1])
        return np.sqrt(np.maximum(mean, 0)) if root else mean

    return of_sums(of, sums, sums[:, 1])


@dataclass(frozen=True, eq=False)
class _Confusion:
    """Counts of true negatives, false positives, false negatives and true positives, each (...)."""

    tn: Floats
    fp: Floats
    fn: Floats
    tp: Floats

    @property
    def twice_the_smaller_class(self) -> Floats:
        return 2 * np.minimum(self.tp + self.fn, self.tn + self.fp)


def _confusion(
    function: Callable[[_Confusion], Floats], support: Callable[[_Confusion], Floats]
) -> Callable[[Sample, Blocks], Replicates]:
    """A metric of the confusion counts, and how many rows carry it."""

    def replicate(sample: Sample, blocks: Blocks) -> Replicates:
        decision = np.asarray(sample.decision)
        code = blocks.codes * 4 + 2 * sample.label.astype(np.int64) + decision.astype(np.int64)
        counts = np.bincount(code, minlength=4 * blocks.count).reshape(blocks.count, 4).astype(np.float64)
        carried = float(support(_Confusion(*counts.sum(axis=0))))
        return of_sums(lambda c: function(_Confusion(*c.T)), counts, counts.sum(axis=1), carried)

    return replicate


def _balanced(c: _Confusion) -> Floats:
    return _mean_of_defined(np.stack([ratio(c.tp, c.tp + c.fn), ratio(c.tn, c.tn + c.fp)], axis=-1))


def _matthews(c: _Confusion) -> Floats:
    decided = (c.tp + c.fp) * (c.tn + c.fn)
    labelled = (c.tp + c.fn) * (c.tn + c.fp)
    value = ratio(c.tp * c.tn - c.fp * c.fn, np.sqrt(decided * labelled))
    constant = (decided == 0) & (labelled > 0)
    return np.asarray(np.where(constant, 0.0, value), np.float64)


@dataclass(frozen=True, eq=False)
class _ClassCounts:
    """Rows per class labelled so, decided so, and both; each (..., classes)."""

    labelled: Floats
    decided: Floats
    both: Floats


def _classes(function: Callable[[_ClassCounts], Floats]) -> Callable[[Sample, Blocks], Replicates]:
    """A metric of the counts per class."""

    def replicate(sample: Sample, blocks: Blocks) -> Replicates:
        label, decision = sample.label.astype(np.int64), np.asarray(sample.decision).astype(np.int64)
        width = int(max(label.max(), decision.max())) + 1 if len(label) else 1

        def count(code: Ints, block: Ints) -> Floats:
            flat = np.bincount(block * width + code, minlength=width * blocks.count)
            return flat.reshape(blocks.count, width).astype(np.float64)

        right = label == decision
        of_both = count(label[right], blocks.codes[right])
        sums = np.stack([count(label, blocks.codes), count(decision, blocks.codes), of_both], axis=1)
        return of_sums(lambda c: function(_ClassCounts(c[:, 0], c[:, 1], c[:, 2])), sums, blocks.sizes)

    return replicate


def _mean_of_defined(values: Floats) -> Floats:
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1).astype(np.float64))


def _surprise(sample: Sample) -> Floats:
    if sample.task == BINARY:
        probability = np.where(sample.label, sample.score, 1 - sample.score)
    else:
        probability = sample.score[np.arange(sample.rows), sample.label.astype(np.int64)]
    return np.asarray(-np.log(np.clip(probability, _EPS, 1 - _EPS)), np.float64)


def _calibration(sample: Sample, blocks: Blocks) -> Replicates:
    levels = np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1]
    edges: Floats = np.unique(np.quantile(sample.score, levels)) if sample.rows else np.zeros(0)
    bins = len(edges) + 1
    cell = Blocks(blocks.codes * bins + np.searchsorted(edges, sample.score, side="left"), blocks.count * bins)
    sums = np.stack([cell.sums(sample.score - sample.label), cell.sizes], axis=1).reshape(blocks.count, bins, 2)
    return of_sums(lambda c: ratio(np.abs(c[:, :, 0]).sum(axis=1), c[:, :, 1].sum(axis=1)), sums, blocks.sizes)


def _auc_ovr(sample: Sample, blocks: Blocks) -> Replicates:
    if not sample.rows:
        return Replicates(float("nan"), np.full(blocks.count, np.nan), blocks.sizes, 0)
    classes = range(sample.score.shape[1])
    return average([ranking.auc_replicates(sample.label == c, sample.score[:, c], blocks) for c in classes])


def _relative_error(sample: Sample) -> Floats:
    return ratio(_absolute_error(sample), np.abs(sample.label).astype(np.float64))


def _determination(sample: Sample, blocks: Blocks) -> Replicates:
    label = sample.label - sample.label.mean() if sample.rows else sample.label.astype(np.float64)
    error = (sample.score - sample.label) ** 2
    sums = np.stack([blocks.sums(error), blocks.sums(label), blocks.sums(label**2), blocks.sizes], axis=1)

    def of(c: Floats) -> Floats:
        spread = c[:, 2] - ratio(c[:, 1] ** 2, c[:, 3])
        unexplained: Floats = ratio(c[:, 0], np.where(spread > 1e-12 * c[:, 2], spread, 0))
        return 1 - unexplained

    return of_sums(of, sums, sums[:, 3])


def _worth(sample: Sample, blocks: Blocks) -> Replicates:
    worth = np.asarray(sample.worth)
    known = ~np.isnan(worth)
    return _mean(worth[known], blocks.take(known))


def _score_mean(function: Callable[[Sample], Floats], root: bool = False) -> Callable[[Sample, Blocks], Replicates]:
    return lambda sample, blocks: _mean(function(sample), blocks, root)


def _auc(sample: Sample, blocks: Blocks) -> Replicates:
    return ranking.auc_replicates(sample.label.astype(np.bool_), sample.score, blocks)


def _average_precision(sample: Sample, blocks: Blocks) -> Replicates:
    return ranking.average_precision_replicates(sample.label.astype(np.bool_), sample.score, blocks)


def _median_error(sample: Sample, blocks: Blocks) -> Replicates:
    return ranking.median_replicates(_absolute_error(sample), blocks)


def _absolute_error(sample: Sample) -> Floats:
    return np.abs(sample.score - sample.label)


def _squared_error(sample: Sample) -> Floats:
    return (sample.score - sample.label) ** 2


_ACCURACY = _confusion(lambda c: ratio(c.tp + c.tn, c.tn + c.fp + c.fn + c.tp), lambda c: c.tn + c.fp + c.fn + c.tp)
_BALANCED = _confusion(_balanced, lambda c: c.twice_the_smaller_class)
_PRECISION = _confusion(lambda c: ratio(c.tp, c.tp + c.fp), lambda c: c.tp + c.fp)
_RECALL = _confusion(lambda c: ratio(c.tp, c.tp + c.fn), lambda c: c.tp + c.fn)
_SPECIFICITY = _confusion(lambda c: ratio(c.tn, c.tn + c.fp), lambda c: c.tn + c.fp)
_F1 = _confusion(lambda c: ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn), lambda c: c.twice_the_smaller_class)
_MATTHEWS = _confusion(_matthews, lambda c: c.twice_the_smaller_class)
_ACCURACY_OF_CLASSES = _classes(lambda c: ratio(c.both.sum(axis=1), c.labelled.sum(axis=1)))
_BALANCED_OF_CLASSES = _classes(lambda c: _mean_of_defined(ratio(c.both, c.labelled)))
_F1_OF_CLASSES = _classes(lambda c: _mean_of_defined(ratio(2 * c.both, c.labelled + c.decided)))


def _build() -> dict[tuple[str, str], Metric]:
    built: dict[tuple[str, str], Metric] = {}

    def add(
        task: str,
        name: str,
        function: Callable[[Sample, Blocks], Replicates],
        needs: str = "score",
        *,
        proportion: bool = False,
        mean: bool = False,
    ) -> None:
        built[task, name] = Metric(CATALOG[name], needs, function, proportion, mean)

    add(BINARY, "auc", _auc)
    add(BINARY, "average_precision", _average_precision)
    add(BINARY, "brier", _score_mean(_squared_error), mean=True)
    add(BINARY, "calibration_error", _calibration)
    add(BINARY, "accuracy", _ACCURACY, "decision", proportion=True)
    add(BINARY, "balanced_accuracy", _BALANCED, "decision")
    add(BINARY, "precision", _PRECISION, "decision", proportion=True)
    add(BINARY, "recall", _RECALL, "decision", proportion=True)
    add(BINARY, "specificity", _SPECIFICITY, "decision", proportion=True)
    add(BINARY, "f1", _F1, "decision")
    add(BINARY, "mcc", _MATTHEWS, "decision")
    add(MULTICLASS, "accuracy", _ACCURACY_OF_CLASSES, "decision", proportion=True)
    add(MULTICLASS, "balanced_accuracy", _BALANCED_OF_CLASSES, "decision")
    add(MULTICLASS, "f1_macro", _F1_OF_CLASSES, "decision")
    add(MULTICLASS, "auc_ovr", _auc_ovr)
    add(REGRESSION, "mae", _score_mean(_absolute_error), mean=True)
    add(REGRESSION, "rmse", _score_mean(_squared_error, root=True))
    add(REGRESSION, "median_ae", _median_error)
    add(REGRESSION, "mape", _score_mean(_relative_error), mean=True)
    add(REGRESSION, "r2", _determination)
    add(REGRESSION, "bias", _score_mean(lambda sample: sample.score - sample.label), mean=True)
    for task in TASKS:
        add(task, "worth", _worth, "worth", mean=True)
        if task != REGRESSION:
            add(task, "log_loss", _score_mean(_surprise), mean=True)
    return built


_METRICS = _build()
