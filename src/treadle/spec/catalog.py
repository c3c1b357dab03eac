"""The metrics that Treadle knows, as data: what each one means, for which task, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass

BINARY, MULTICLASS, REGRESSION = "binary", "multiclass", "regression"
TASKS = (BINARY, MULTICLASS, REGRESSION)


@dataclass(frozen=True)
class MetricInfo:
    """One metric.

    ``better`` is ``higher``, ``lower``, or ``zero`` for signed errors. ``low`` and ``high`` bound its values (None:
    unbounded). ``unit`` is empty for a pure number, ``label`` for the label's own unit, ``per decision``, ``seconds``
    or ``bytes``. ``of_rows`` tells the metrics of scored rows, which slices and paired comparisons apply to, from
    measurements of the model itself. ``needs_decision`` tells those that depend on the threshold.
    """

    name: str
    tasks: tuple[str, ...]
    better: str
    meaning: str
    low: float | None = None
    high: float | None = None
    unit: str = ""
    of_rows: bool = True
    needs_decision: bool = False

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger value is a better one."""
        return self.better == "higher"


def _share(name: str, tasks: tuple[str, ...], meaning: str, *, decision: bool = False) -> MetricInfo:
    return MetricInfo(name, tasks, "higher", meaning, low=0.0, high=1.0, needs_decision=decision)


_ALL = (
    _share("auc", (BINARY,), "area under the ROC curve"),
    _share("average_precision", (BINARY,), "area under the precision-recall curve, as a step function"),
    MetricInfo("log_loss", (BINARY, MULTICLASS), "lower", "mean negative log-likelihood, in nats", low=0.0),
    MetricInfo("brier", (BINARY,), "lower", "mean squared error of the probability", low=0.0, high=1.0),
    _share("accuracy", (BINARY, MULTICLASS), "share of right decisions", decision=True),
    _share("balanced_accuracy", (BINARY, MULTICLASS), "mean recall over the classes", decision=True),
    _share("precision", (BINARY,), "share of true labels among positive decisions", decision=True),
    _share("recall", (BINARY,), "share of positive decisions among true labels", decision=True),
    _share("specificity", (BINARY,), "share of negative decisions among false labels", decision=True),
    _share("f1", (BINARY,), "harmonic mean of precision and recall", decision=True),
    MetricInfo("mcc", (BINARY,), "higher", "Matthews correlation coefficient", low=-1.0, high=1.0, needs_decision=True),
    MetricInfo(
        "calibration_error",
        (BINARY,),
        "lower",
        "expected calibration error over bins of equal count",
        low=0.0,
        high=1.0,
    ),
    _share("f1_macro", (MULTICLASS,), "mean F1 over the classes", decision=True),
    _share("auc_ovr", (MULTICLASS,), "mean area under the ROC curve of each class against the rest"),
    MetricInfo("mae", (REGRESSION,), "lower", "mean absolute error", low=0.0, unit="label"),
    MetricInfo("rmse", (REGRESSION,), "lower", "root of the mean squared error", low=0.0, unit="label"),
    MetricInfo("median_ae", (REGRESSION,), "lower", "median absolute error", low=0.0, unit="label"),
    MetricInfo("mape", (REGRESSION,), "lower", "mean absolute error as a share of the label", low=0.0),
    MetricInfo("r2", (REGRESSION,), "higher", "share of the label's variance explained", high=1.0),
    MetricInfo("bias", (REGRESSION,), "zero", "mean of prediction minus label", unit="label"),
    MetricInfo(
        "worth", TASKS, "higher", "mean worth of a decision, by @worth", unit="per decision", needs_decision=True
    ),
    MetricInfo("latency_p50", TASKS, "lower", "median time to answer one row", low=0.0, unit="seconds", of_rows=False),
    MetricInfo(
        "latency_p99", TASKS, "lower", "99th percentile of the time to answer", low=0.0, unit="seconds", of_rows=False
    ),
    MetricInfo("size", TASKS, "lower", "size of what is served", low=0.0, unit="bytes", of_rows=False),
)

CATALOG: dict[str, MetricInfo] = {info.name: info for info in _ALL}


def for_task(task: str) -> tuple[MetricInfo, ...]:
    """The metrics that fit a task, in the catalog's order."""
    return tuple(info for info in _ALL if task in info.tasks)
