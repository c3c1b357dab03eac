import math
import time

import numpy as np
import pytest
from sklearn import metrics as sk

from treadle.domain.errors import InvalidInput
from treadle.spec.catalog import TASKS
from treadle.stats.blocks import Blocks
from treadle.stats.metrics import Sample, compute, find, names, orient, replicates


def binary(rows: int = 2000, seed: int = 0, ties: bool = True) -> Sample:
    rng = np.random.default_rng(seed)
    label = rng.random(rows) < 0.3
    score = np.clip(0.3 + 0.15 * label + rng.normal(size=rows) * 0.2, 0, 1)
    score = np.round(score, 2) if ties else score
    decision = score >= 0.4
    return Sample("binary", label, score, decision, np.where(decision, np.where(label, 120.0, -30.0), 0.0))


def multiclass(rows: int = 1500, classes: int = 4, seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, classes, rows)
    score = rng.dirichlet(np.ones(classes), rows) + np.eye(classes)[label] * 0.4
    score /= score.sum(axis=1, keepdims=True)
    return Sample("multiclass", label, score, score.argmax(axis=1), None)


def regression(rows: int = 1501, seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    label = rng.normal(size=rows) * 5 + 30
    return Sample("regression", label, label + rng.normal(size=rows) + 0.2, None, None)


SCIKIT_LEARN = {
    "binary": {
        "auc": lambda s: sk.roc_auc_score(s.label, s.score),
        "average_precision": lambda s: sk.average_precision_score(s.label, s.score),
        "log_loss": lambda s: sk.log_loss(s.label, s.score),
        "brier": lambda s: sk.brier_score_loss(s.label, s.score),
        "accuracy": lambda s: sk.accuracy_score(s.label, s.decision),
        "balanced_accuracy": lambda s: sk.balanced_accuracy_score(s.label, s.decision),
        "precision": lambda s: sk.precision_score(s.label, s.decision),
        "recall": lambda s: sk.recall_score(s.label, s.decision),
        "specificity": lambda s: sk.recall_score(~s.label, ~s.decision),
        "f1": lambda s: sk.f1_score(s.label, s.decision),
        "mcc": lambda s: sk.matthews_corrcoef(s.label, s.decision),
    },
    "multiclass": {
        "accuracy": lambda s: sk.accuracy_score(s.label, s.decision),
        "balanced_accuracy": lambda s: sk.balanced_accuracy_score(s.label, s.decision),
        "f1_macro": lambda s: sk.f1_score(s.label, s.decision, average="macro"),
        "log_loss": lambda s: sk.log_loss(s.label, s.score),
        "auc_ovr": lambda s: sk.roc_auc_score(s.label, s.score, multi_class="ovr"),
    },
    "regression": {
        "mae": lambda s: sk.mean_absolute_error(s.label, s.score),
        "rmse": lambda s: sk.root_mean_squared_error(s.label, s.score),
        "median_ae": lambda s: sk.median_absolute_error(s.label, s.score),
        "mape": lambda s: sk.mean_absolute_percentage_error(s.label, s.score),
        "r2": lambda s: sk.r2_score(s.label, s.score),
        "bias": lambda s: (s.score - s.label).mean(),
    },
}
SAMPLES = {"binary": binary, "multiclass": multiclass, "regression": regression}


@pytest.mark.parametrize(("task", "name"), [(t, n) for t, of in SCIKIT_LEARN.items() for n in of])
@pytest.mark.parametrize("seed", [0, 1])
def test_agrees_with_scikit_learn(task: str, name: str, seed: int) -> None:
    sample = SAMPLES[task](seed=seed)
    assert compute(name, sample) == pytest.approx(SCIKIT_LEARN[task][name](sample), rel=1e-9, abs=1e-12)


def test_every_metric_of_rows_in_the_catalog_is_computed() -> None:
    for task in TASKS:
        for name in names(task):
            assert find(task, name).info.name == name


def test_worth_and_calibration() -> None:
    sample = binary()
    assert compute("worth", sample) == pytest.approx(sample.worth.mean())
    rng = np.random.default_rng(0)
    score = rng.random(100_000)
    honest = Sample("binary", rng.random(100_000) < score, score)
    assert compute("calibration_error", honest) < 0.01
    shifted = Sample("binary", honest.label, np.clip(score + 0.2, 0, 1.2))
    assert compute("calibration_error", shifted) == pytest.approx(0.2, abs=0.02)


def test_calibration_error_by_hand() -> None:
    score = np.repeat([0.2, 0.6], 10)
    label = np.array([True] * 4 + [False] * 6 + [True] * 5 + [False] * 5)
    assert compute("calibration_error", Sample("binary", label, score)) == pytest.approx((0.2 + 0.1) / 2)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_undefined_is_nan_and_never_a_warning(task: str, rows: int) -> None:
    zeros = np.zeros(rows)
    sample = {
        "binary": Sample("binary", np.zeros(rows, bool), zeros, np.zeros(rows, bool), np.full(rows, np.nan)),
        "multiclass": Sample("multiclass", zeros.astype(int), np.zeros((rows, 3)), zeros.astype(int), zeros),
        "regression": Sample("regression", zeros, zeros, None, zeros),
    }[task]
    undefined = {n for n in names(task) if math.isnan(compute(n, sample))}
    if rows == 0:
        assert undefined == set(names(task))
    else:
        expected = {
            "binary": {"auc", "average_precision", "precision", "recall", "f1", "mcc", "worth"},
            "multiclass": {"auc_ovr"},
            "regression": {"mape", "r2"},
        }[task]
        assert undefined == expected


def test_a_constant_decision_has_no_correlation_but_no_precision_either() -> None:
    label = np.array([True, False, True])
    sample = Sample("binary", label, np.zeros(3), np.zeros(3, bool))
    assert compute("mcc", sample) == 0
    assert compute("f1", sample) == 0
    assert math.isnan(compute("precision", sample))


def test_a_label_of_zero_makes_mape_undefined() -> None:
    assert math.isnan(compute("mape", Sample("regression", np.array([0.0, 1.0]), np.array([1.0, 1.0]))))


@pytest.mark.parametrize("task", TASKS)
def test_leaving_out_a_block_is_the_metric_on_the_other_rows(task: str) -> None:
    sample = SAMPLES[task](seed=3)
    codes = np.random.default_rng(1).integers(0, 7, sample.rows)
    blocks = Blocks(codes, 8)  # the last one is empty
    for name in names(task):
        if name == "worth" and sample.worth is None:
            continue
        if name == "calibration_error":  # its bins are those of all rows
            continue
        found = replicates(name, sample, blocks)
        assert found.value == pytest.approx(compute(name, sample), rel=1e-12)
        for b in range(8):
            assert found.leave_out[b] == pytest.approx(compute(name, sample.take(codes != b)), rel=1e-9), name


def test_auc_of_300_000_rows_in_300_blocks_is_quick() -> None:
    sample = binary(300_000, ties=False)
    blocks = Blocks(Blocks.of_rows(300_000, 300).codes, 300)
    started = time.perf_counter()
    replicates("auc", sample, blocks)
    assert time.perf_counter() - started < 2  # 0.08 s on an idle core


def test_orientation() -> None:
    values = np.array([-2.0, 1.0])
    assert orient("auc", values).tolist() == [-2, 1]
    assert orient("brier", values).tolist() == [2, -1]
    assert orient("bias", values).tolist() == [-2, -1]


def test_errors_say_what_there_is() -> None:
    with pytest.raises(InvalidInput, match="no metric 'rmse' for a binary label"):
        compute("rmse", binary())
    with pytest.raises(InvalidInput, match="worth needs the column 'worth'"):
        compute("worth", multiclass())
    with pytest.raises(InvalidInput, match="unknown task"):
        names("ranking")
    with pytest.raises(InvalidInput, match="block codes"):
        replicates("auc", binary(10), Blocks.of_rows(9))
