"""What is known of a table and of each of its columns before anything is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from treadle.domain.data import ColumnProfile
from treadle.evaluation.profiling import profile
from treadle.scaffold.parsing import Parsed, parse
from treadle.scaffold.reading import FileForm, read_table
from treadle.scaffold.recipes import Recipe
from treadle.spec.model_spec import ColumnSpec

NUMBERS = ("int", "float")


@dataclass(frozen=True, eq=False)
class ColumnFacts:
    """One column of a file: its name there, what its values mean and how they lie.

    ``values`` are typed by ``recipe``; a column of the kinds ``none`` and ``other`` has none that a row could hold.
    """

    name: str
    kind: str
    recipe: Recipe | None
    values: pl.Series
    note: str
    summary: ColumnProfile | None

    @property
    def rows(self) -> int:
        """How many rows the table has."""
        return len(self.values)

    @cached_property
    def nulls(self) -> int:
        """How many values are missing."""
        return self.values.null_count()

    @property
    def present(self) -> int:
        """How many values are there."""
        return self.rows - self.nulls

    @cached_property
    def counts(self) -> Mapping[object, int]:
        """How often each value is there, the most frequent first, equal ones by value; missing ones left out."""
        table = self.values.drop_nulls().rename("value").value_counts(name="n")
        table = table.sort(["n", "value"], descending=[True, False])
        return dict(zip(table["value"].to_list(), table["n"].to_list(), strict=True))

    @cached_property
    def distinct(self) -> int:
        """How many different values there are."""
        return self.values.drop_nulls().n_unique()

    @cached_property
    def whole(self) -> bool:
        """Whether all numbers are whole."""
        if self.kind == "int":
            return True
        present = self.values.drop_nulls()
        return self.kind == "float" and bool(((present.floor() == present) & (present.abs() < 2**53)).all())

    @property
    def unique(self) -> bool:
        """Whether every row has a value of its own."""
        return not self.nulls and self.distinct == self.rows

    @cached_property
    def singles_share(self) -> float:
        """The share of rows whose value stands in no other row.

        By Good (1953) it estimates the chance that the next row brings a value never seen.
        """
        counts = self.values.drop_nulls().rename("value").value_counts(name="n")["n"]
        return float((counts == 1).sum() / max(self.present, 1))


@dataclass(frozen=True, eq=False)
class TableFacts:
    """A file and its columns in their order; ``notes`` tell what was seen to while it was read."""

    path: Path
    form: FileForm
    columns: tuple[ColumnFacts, ...]
    rows: int
    notes: tuple[str, ...]

    def column(self, name: str) -> ColumnFacts | None:
        """A column by its name in the file."""
        return next((column for column in self.columns if column.name == name), None)


def profile_file(path: Path) -> TableFacts:
    """Read a file and find out what its columns mean. Raises InvalidInput for what cannot be read."""
    table = read_table(path)
    columns = tuple(_facts(series.name, parse(series)) for series in table.frame.iter_columns())
    return TableFacts(path, table.form, columns, table.frame.height, table.notes)


def _facts(name: str, parsed: Parsed) -> ColumnFacts:
    summary = None
    if parsed.kind not in ("none", "other"):
        column = ColumnSpec("value", parsed.kind)
        summary = profile(parsed.values.alias("value").to_frame(), [column]).columns["value"]
    return ColumnFacts(name, parsed.kind, parsed.recipe, parsed.values, parsed.note, summary)
