"""Every table that scikit-learn and statsmodels bring along and that has a target becomes a model that runs."""

from __future__ import annotations

import functools
import importlib
import io
import pkgutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
import sklearn.datasets

from treadle.data import splits
from treadle.domain.errors import DataRejected
from treadle.domain.steps import StepKind
from treadle.runner import steps
from treadle.runner.loading import LoadedModel
from treadle.scaffold.guess import Wishes
from treadle.scaffold.project import create
from treadle.serve.schema import RowSchema

SCIKIT = ("load_breast_cancer", "load_diabetes", "load_digits", "load_iris", "load_linnerud", "load_wine")


def tables() -> list[tuple[str, str]]:
    """Names of tables with their targets: one entry for each target."""
    found = []
    for loader in SCIKIT:
        name = loader.removeprefix("load_")
        found += [(name, target) for target in (["Chins", "Situps", "Jumps"] if name == "linnerud" else ["target"])]
    for name, data in _statsmodels().items():
        targets = data.endog_name if isinstance(data.endog_name, list) else [data.endog_name]
        found += [(name, target) for target in targets]
    return found


def csv_text(name: str) -> str:
    """The table as CSV, with its index where that tells something."""
    if f"load_{name}" in SCIKIT:
        bunch: Any = getattr(sklearn.datasets, f"load_{name}")(as_frame=True)
        frame = bunch.frame
        if hasattr(bunch, "target_names") and name in ("iris", "wine"):
            frame = frame.assign(target=[str(bunch.target_names[i]) for i in frame["target"]])
    else:
        frame = _statsmodels()[name].data
    out = io.StringIO()
    frame.to_csv(out, index=not isinstance(frame.index, pd.RangeIndex))
    return out.getvalue()


@functools.cache
def _statsmodels() -> dict[str, Any]:
    import statsmodels.datasets

    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in pkgutil.iter_modules(statsmodels.datasets.__path__):
            loaded = importlib.import_module(f"statsmodels.datasets.{module.name}")
            if module.ispkg and hasattr(loaded, "load_pandas"):
                data = loaded.load_pandas()
                if getattr(data, "endog", None) is not None:
                    found[module.name] = data
    return found


ENOUGH = 30
"""Labelled rows that can be parted into three."""

TABLES = tables()


def make(name: str, target: str, folder: Path) -> Path:
    data = folder / f"{name}.csv"
    data.write_text(csv_text(name), encoding="utf-8")
    create(folder / f"{name}_{target}", data=data, wishes=Wishes(target))
    return folder / f"{name}_{target}"


def test_there_are_tables() -> None:
    assert len(TABLES) >= 25


@pytest.mark.parametrize(("name", "target"), TABLES)
def test_table_becomes_a_model_that_learns(
    name: str,
    target: str,
    tmp_path: Path,
    loaded: Callable[[Path], LoadedModel],
    source_rows: Callable[[LoadedModel], pl.DataFrame],
) -> None:
    model = loaded(make(name, target, tmp_path))
    assert model.spec.gates
    assert RowSchema(model.spec).decode((model.folder / "rows.json").read_bytes()).rows == 2
    rows = source_rows(model)
    try:
        parts = splits.split(model.spec, rows, datetime.now(UTC))
        train, test = parts.train, parts.test
    except DataRejected:
        assert rows.drop_nulls(model.spec.label).height < ENOUGH
        train = test = rows
    for candidate in ("boosting", "forest", "linear"):
        params = {"candidate": candidate, "trees": 30}
        assert_learns(model, train.head(300) if candidate != "linear" else train, test, params, tmp_path)


def assert_learns(model: LoadedModel, train: pl.DataFrame, test: pl.DataFrame, params: Any, work: Path) -> None:
    for file, rows in ((steps.TRAIN, train), (steps.VALIDATION, test), (steps.ROWS, test)):
        rows.write_parquet(work / file)
    steps.run(StepKind.FIT, steps.Step(model, work, {"params": params}))
    value = steps.run(StepKind.SCORE, steps.Step(model, work))
    scores = pl.read_parquet(work / steps.SCORES)
    assert scores.height == test.height
    assert scores.width == max(1, len(value["classes"]) if model.spec.task == "multiclass" else 1)
    assert scores.select(pl.all_horizontal(pl.all().is_finite()).all()).item()


def test_all_model_files_are_laid_out_and_linted(tmp_path: Path) -> None:
    for name, target in TABLES:
        make(name, target, tmp_path)
    for arguments in (["format", "--diff"], ["check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
