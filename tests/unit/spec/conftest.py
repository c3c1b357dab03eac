from __future__ import annotations

import importlib.util
import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from treadle.domain.errors import DeclarationError

HEAD = '''\
"""Which flights will be late?"""
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
import polars as pl
from treadle import *

class Flight(Row):
    flight_id: Col[str]
    departs: Col[datetime]
    origin: Col[str] = col(one_of=["EWR", "JFK", "LGA"], slice=True)
    distance: Col[float] = col(ge=0)
    pressure: Col[float | None] = col(nulls=0.25)
    late: Col[bool]

'''
MODEL = 'flights = Model("flights", Flight, key=Flight.flight_id, time=Flight.departs, label=Flight.late)\n'
FUNCTIONS = """
@flights.source
def departures(window: Window) -> pl.LazyFrame:
    return pl.LazyFrame()

@flights.train
def fit(rows: pl.DataFrame) -> object:
    return object()
"""

Load = Callable[[str], ModuleType]
Refused = Callable[[str], DeclarationError]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Imports a model file of the given text."""
    numbers = itertools.count()
    loaded: list[str] = []

    def run(text: str) -> ModuleType:
        name = f"model_under_test_{next(numbers)}"
        file = tmp_path / f"{name}.py"
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        loaded.append(name)
        spec.loader.exec_module(module)
        return module

    yield run
    for name in loaded:
        sys.modules.pop(name, None)


@pytest.fixture
def refused(load: Load, tmp_path: Path) -> Refused:
    """The error of a model file, which must name the line that ends in ``# here``."""

    def run(text: str) -> DeclarationError:
        with pytest.raises(DeclarationError) as caught:
            load(text)
        lines = [n for n, line in enumerate(textwrap.dedent(text).splitlines(), start=1) if line.endswith("# here")]
        assert caught.value.file is not None
        assert Path(caught.value.file).parent == tmp_path
        assert [caught.value.line] == lines
        assert caught.value.hint
        return caught.value

    return run


@pytest.fixture
def head() -> str:
    """Imports and a row class ``Flight``."""
    return HEAD


@pytest.fixture
def model() -> str:
    """The same with a model ``flights``."""
    return HEAD + MODEL


@pytest.fixture
def whole() -> str:
    """The same with a source and a training: the least that is complete."""
    return HEAD + MODEL + FUNCTIONS
