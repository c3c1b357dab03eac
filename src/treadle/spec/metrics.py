"""The metrics that conditions are made of: ``metrics.auc >= 0.8``.

What each one means, which way is better and for which labels is told by :data:`treadle.spec.catalog.CATALOG`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.spec.catalog import CATALOG
from treadle.spec.conditions import DurationMetric, Metric, SizeMetric

auc = Metric(CATALOG["auc"])
average_precision = Metric(CATALOG["average_precision"])
log_loss = Metric(CATALOG["log_loss"])
brier = Metric(CATALOG["brier"])
accuracy = Metric(CATALOG["accuracy"])
balanced_accuracy = Metric(CATALOG["balanced_accuracy"])
precision = Metric(CATALOG["precision"])
recall = Metric(CATALOG["recall"])
specificity = Metric(CATALOG["specificity"])
f1 = Metric(CATALOG["f1"])
mcc = Metric(CATALOG["mcc"])
calibration_error = Metric(CATALOG["calibration_error"])

f1_macro = Metric(CATALOG["f1_macro"])
auc_ovr = Metric(CATALOG["auc_ovr"])

mae = Metric(CATALOG["mae"])
rmse = Metric(CATALOG["rmse"])
median_ae = Metric(CATALOG["median_ae"])
mape = Metric(CATALOG["mape"])
r2 = Metric(CATALOG["r2"])
bias = Metric(CATALOG["bias"])

worth = Metric(CATALOG["worth"])
latency_p50 = DurationMetric(CATALOG["latency_p50"])
latency_p99 = DurationMetric(CATALOG["latency_p99"])
size = SizeMetric(CATALOG["size"])

__all__ = [  # noqa: RUF022  in the catalog's order
    "auc",
    "average_precision",
    "log_loss",
    "brier",
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "mcc",
    "calibration_error",
    "f1_macro",
    "auc_ovr",
    "mae",
    "rmse",
    "median_ae",
    "mape",
    "r2",
    "bias",
    "worth",
    "latency_p50",
    "latency_p99",
    "size",
]

if not TYPE_CHECKING:  # a visible __getattr__ would let checkers accept any misspelt metric

    def __getattr__(name: str) -> object:
        import difflib

        from treadle.spec.declared_at import declared_at

        if name.startswith("_"):
            raise AttributeError(name)
        close = difflib.get_close_matches(name, CATALOG, n=1)
        hint = f"did you mean metrics.{close[0]}?" if close else f"there are {', '.join(CATALOG)}"
        raise declared_at().error(f"there is no metric {name!r}", hint)
