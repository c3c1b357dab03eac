"""Tables written to a folder, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from treadle.data import rules
from treadle.domain.steps import StepKind
from treadle.runner import steps
from treadle.runner.loading import CodeLoader, LoadedModel
from treadle.scaffold.guess import Wishes, guess
from treadle.scaffold.plan import ModelPlan
from treadle.scaffold.profile import TableFacts, profile_file

NOW = datetime(2026, 1, 1, tzinfo=UTC)

WriteTable = Callable[..., Path]


@pytest.fixture
def write_table(tmp_path: Path) -> WriteTable:
    """Write text, bytes or a frame as a file."""

    def write(content: str | bytes | pl.DataFrame, name: str = "table.csv") -> Path:
        path = tmp_path / name
        if isinstance(content, pl.DataFrame):
            content.write_csv(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def profiled(write_table: WriteTable) -> Callable[..., TableFacts]:
    """The facts of a table."""
    return lambda content, name="table.csv": profile_file(write_table(content, name))


@pytest.fixture
def guessed(profiled: Callable[..., TableFacts]) -> Callable[..., ModelPlan]:
    """The plan for a table."""

    def plan(content: str | bytes | pl.DataFrame, target: str | None, **wishes: str) -> ModelPlan:
        return guess(profiled(content), Wishes(target, **wishes))

    return plan


@pytest.fixture
def loaded() -> Callable[[Path], LoadedModel]:
    """The model of a project's folder, described."""
    loader = CodeLoader()
    return lambda folder: loader.load(folder.name.encode().hex(), folder, "model.py")


@pytest.fixture
def source_rows(tmp_path: Path) -> Callable[[LoadedModel], pl.DataFrame]:
    """The rows that a model's source gives, conformed and held against its rules, none of which is broken."""

    def rows(model: LoadedModel) -> pl.DataFrame:
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        window = {"start": None, "until": NOW.isoformat(), "as_of": NOW.isoformat()}
        steps.run(StepKind.SOURCE, steps.Step(model, work, window))
        frame, findings = rules.conform(pl.read_parquet(work / steps.ROWS), model.spec)
        assert not findings + rules.check_rules(frame, model.spec, NOW)
        return frame

    return rows
