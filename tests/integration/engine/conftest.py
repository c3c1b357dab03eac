"""One home with real environments, built by uv, for all tests of the local engine."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from treadle.domain.models import CodeTree
from treadle.domain.steps import StepKind, StepRequest, StepResult
from treadle.engines.local.code_trees import LocalCodeTrees
from treadle.engines.local.engine import LocalEngine
from treadle.engines.local.environments import UvEnvironments
from treadle.engines.local.packing import pack
from treadle.spec.script_metadata import requirements_of
from treadle.storage.blobs.obstore_blobs import ObstoreBlobs

HEAD = """\
# /// script
# requires-python = ">=3.11"
# dependencies = [{requirements}]
# ///
"""

MODEL = '''\
"""A model whose parts each test bends."""
import os, random, subprocess, sys, time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from treadle import Col, Model, Row, Trial, Window, col, days, metrics, tune


class Visit(Row):
    visit_id: Col[str]
    at: Col[datetime]
    age: Col[float | None]
    kind: Col[str]
    came: Col[bool]


visits = Model("visits", Visit, key=Visit.visit_id, time=Visit.at, label=Visit.came, horizon=days(1))


@dataclass
class Params:
    shift: float = tune(0.0, low=-1, high=1)


class Mean:
    def __init__(self, share, shift, drawn):
        self.share, self.shift, self.drawn = share, shift, drawn
        self.classes_ = np.array([False, True])

    def predict_proba(self, rows):
        true = np.clip(np.full(len(rows), self.share) + rows["age"].fill_null(0).to_numpy() * self.shift, 0, 1)
        return np.column_stack([1 - true, true])


@visits.source
def source(window: Window) -> pl.DataFrame:
    {source}


@visits.train
def fit(rows: pl.DataFrame, params: Params, trial: Trial) -> Mean:
    {fit}


visits.ship(metrics.auc >= 0.5)
'''

SOURCE = """return pl.DataFrame({
        "visit_id": ["a", "b"], "at": [window.as_of, window.as_of], "age": [1.0, None], "kind": ["x", "y"],
        "came": [True, None], "surplus": [1, 2]})"""
FIT = 'return Mean(float(rows["came"].mean()), params.shift, (random.random(), float(np.random.random())))'


class DictCache:
    """A step cache in memory."""

    def __init__(self) -> None:
        self.results: dict[str, StepResult] = {}

    def get(self, key: str) -> StepResult | None:
        return self.results.get(key)

    def put(self, result: StepResult) -> None:
        self.results.setdefault(result.key, result)


@dataclass
class Bench:
    """A home, an engine on it, and what to make requests with."""

    home: Path
    blobs: ObstoreBlobs
    environments: UvEnvironments
    trees: LocalCodeTrees
    engine: LocalEngine
    cache: DictCache
    lines: list[str] = field(default_factory=list)

    def apply(self, file: Path) -> tuple[CodeTree, str]:
        need = requirements_of(file)
        environment = self.environments.build(self.environments.lock(need.requirements, need.requires_python))
        tree = pack(file, self.blobs)
        self.trees.checkout(tree)
        return tree, environment

    def request(self, applied: tuple[CodeTree, str], kind: StepKind, **more: Any) -> StepRequest:
        tree, environment = applied
        return StepRequest(
            kind, "visits", tree.digest, tree.entry, more.pop("environment", environment), tree.root, **more
        )

    def run(self, applied: tuple[CodeTree, str], kind: StepKind, **more: Any) -> StepResult:
        followers = {name: more.pop(name) for name in ("report", "cancel") if name in more}
        return self.engine.run(self.request(applied, kind, **more), log=self.lines.append, **followers)

    def put(self, frame: pl.DataFrame) -> str:
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        return self.blobs.put(buffer.getvalue())

    def read(self, result: StepResult, name: str) -> pl.DataFrame:
        return pl.read_parquet(io.BytesIO(self.blobs.get(result.outputs[name])))


WINDOW = {"start": None, "until": "2024-03-01T00:00:00+00:00", "as_of": "2024-03-01T00:00:00+00:00"}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def bench(home: Path) -> Iterator[Bench]:
    blobs, environments = ObstoreBlobs(home / "blobs"), UvEnvironments(home)
    trees, cache = LocalCodeTrees(home, blobs), DictCache()
    engine = LocalEngine(home, environments, trees, blobs, cache)
    yield Bench(home, blobs, environments, trees, engine, cache)
    engine.close()


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., Path]:
    """Write a model file with other bodies of its functions, in a folder of its own."""

    def write(
        source: str = SOURCE,
        fit: str = FIT,
        requirements: str = '"polars", "numpy"',
        name: str = "model.py",
        more: str = "",
    ) -> Path:
        folder = tmp_path / f"m{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        text = MODEL.replace("{source}", source).replace("{fit}", fit) + more
        (folder / name).write_text(HEAD.format(requirements=requirements) + text)
        return folder / name

    return write


@pytest.fixture
def rows(bench: Bench) -> str:
    from datetime import UTC, datetime

    at = datetime(2024, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "visit_id": [str(i) for i in range(8)],
            "at": [at + timedelta(hours=i) for i in range(8)],
            "age": [0.1, 0.2, None, 0.4, 0.5, 0.6, 0.7, 0.8],
            "kind": ["x", "y"] * 4,
            "came": [True, False, True, True, True, True, False, True],
        },
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    )
    return bench.put(frame)


@pytest.fixture
def cancel() -> threading.Event:
    return threading.Event()
