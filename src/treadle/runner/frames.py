"""Rows between steps and users' functions: Parquet on one side, the frame that a function asks for on the other.

Inside a step rows are a :class:`Table`, backed by polars where the model's environment has it, else by pyarrow.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from treadle.domain.errors import EnvironmentFailed, InvalidInput

KINDS = ("polars", "pandas", "pyarrow")


class Table(Protocol):
    """Immutable named columns of equal length."""

    @property
    def names(self) -> list[str]:
        """The columns, in order."""
        ...

    @property
    def height(self) -> int:
        """The number of rows."""
        ...

    def select(self, names: Sequence[str]) -> Table:
        """These columns, in this order."""
        ...

    def rename(self, names: Mapping[str, str]) -> Table:
        """The same columns under other names, old to new."""
        ...

    def filter(self, keep: Sequence[bool]) -> Table:
        """The rows marked true."""
        ...

    def naive(self) -> list[str]:
        """The columns of times without a zone."""
        ...

    def to_utc(self, name: str, zone: str | None) -> Table:
        """The column's times in UTC; naive ones are read as ``zone``'s (see :func:`in_utc`)."""
        ...

    def times(self) -> list[str]:
        """The columns of times, with or without a zone."""
        ...

    def to_text(self, name: str) -> Table:
        """The column's values as text."""
        ...

    def known_within(self, name: str, since: datetime | None, until: datetime) -> Table:
        """The rows whose (aware) time in column ``name`` is after ``since`` and not after ``until``."""
        ...

    def without_nulls(self, names: Sequence[str]) -> Table:
        """The rows in which none of these columns is missing."""
        ...

    def kind_of(self, name: str) -> str:
        """What a column holds: ``text``, ``number``, ``bool``, ``time``, ``date``, ``category`` or ``other``."""
        ...

    def values(self, name: str) -> list[Any]:
        """A column as Python's own values, missing ones as None."""
        ...

    def to_frame(self, kind: str) -> Any:
        """The rows as a frame of ``polars``, ``pandas`` or ``pyarrow``."""
        ...

    def write(self, path: Path) -> None:
        """Write Parquet."""
        ...


def has(module: str) -> bool:
    """Whether the environment has a module; it is not imported."""
    return importlib.util.find_spec(module) is not None


def load(module: str, needed_for: str) -> Any:
    """Import a module of the model's environment. Raises EnvironmentFailed naming the dependency to add."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".", maxsplit=1)[0]
        raise EnvironmentFailed(
            f"the model's environment lacks {package}, which is needed {needed_for}: {error}",
            hint=f'add "{package}" to the dependencies at the head of the model file',
        ) from error


@functools.cache
def _tables() -> Any:
    if has("polars"):
        return importlib.import_module("treadle.runner.polars_table").PolarsTable
    if has("pyarrow"):
        return importlib.import_module("treadle.runner.arrow_table").ArrowTable
    raise EnvironmentFailed(
        "the model's environment has neither polars nor pyarrow, one of which reads and writes the rows",
        hint='add "polars" to the dependencies at the head of the model file',
    )


def read(path: Path) -> Table:
    """The rows of a Parquet file."""
    table: Table = _tables().read(path)
    return table


def of_columns(columns: Mapping[str, Any]) -> Table:
    """Columns given as lists or numpy arrays. Raises InvalidInput where they cannot stand beside each other."""
    table: Table = _tables().of_columns(columns)
    return table


def kind_of_frame(value: Any) -> str | None:
    """The library that a frame belongs to; None for what is no frame."""
    for cls in type(value).__mro__:
        library = cls.__module__.split(".", maxsplit=1)[0]
        if library in KINDS and cls.__name__ in ("DataFrame", "LazyFrame", "Table", "RecordBatch"):
            return library
    return None


def of_frame(value: Any, whose: str) -> Table:
    """The rows of a frame that a user's function returned. ``whose`` names the function in errors.

    Raises InvalidInput for what is no frame.
    """
    if kind_of_frame(value) is None:
        shown = "nothing (None)" if value is None else f"a {type(value).__module__}.{type(value).__qualname__}"
        raise InvalidInput(f"{whose} returned {shown}", hint=f"return a frame of {', '.join(KINDS)}")
    table: Table = _tables().of_frame(value)
    return table


def in_utc(table: Table, zones: Mapping[str, str | None], whose: str) -> Table:
    """All times in UTC. ``zones`` maps a column to the zone that its naive times are in.

    A local time that happens twice, as clocks go back, is the earlier of both; one that never happens, as clocks go
    forward, is read with the offset before the change, so 02:30 becomes 03:30. That is what Python's ``fold=0`` means,
    and how times in requests are read. Raises InvalidInput for naive times without a zone, and for an unknown zone.
    """
    for name in table.times():
        zone = zones.get(name)
        if zone is None and name in table.naive():
            raise InvalidInput(
                f"column {name!r} of {whose} has times without a zone",
                hint=f'declare it, {name}: Col[datetime] = col(zone="America/New_York"), or return times in UTC',
            )
        table = table.to_utc(name, zone)
    return table
