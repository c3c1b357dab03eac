"""Whatever lies in a CSV file, `treadle init` writes a model file that describes and reads it, or says what hinders."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from treadle.data import rules
from treadle.domain.errors import UserError
from treadle.domain.steps import StepKind
from treadle.runner import steps
from treadle.runner.loading import CodeLoader
from treadle.scaffold.guess import Wishes
from treadle.scaffold.profile import profile_file
from treadle.scaffold.project import create
from treadle.scaffold.recipes import quote
from treadle.serve.schema import RowSchema

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOADER = CodeLoader()
USUAL = 40
"""Columns with longer names are read and described alike, but may be laid out otherwise than ruff would."""

AWKWARD_NAMES = [
    "id", "key", "label", "time", "date", "year", "hour", "class", "self", "y", "Y", " y", "a b", "a-b", "a_b", "",
    "1", "2024", "int", "Col", "é", "größe", "ﬁ", "名", "x\ny", '"q"', "it's", "_x", "x_duplicated_0", "True",
    "observed_at", "metrics", "pl", "rows", "n", "a" * 90, "the_number_of_visits_in_the_last_year_before_it",
    "b" * 50 + " " + "c" * 50,
]  # fmt: skip
AWKWARD_CELLS = [
    "", "NA", "?", "-", "nan", "inf", "-inf", "yes", "no", "True", "false", "0", "1", "1.0", "007", "1e400", "1,5",
    "1.234,5", "$1,200", "12%", "99999999999999999999", "9223372036854775807", "2024-01-31", "2024-02-30",
    "31.01.2024", "01/02/2024", "2024-01-31 10:00", "2024-01-31T10:00:00Z", "1700000000", "20240131", "0001-01-01",
    "9999-12-31", "a", "b", "it's", 'say "x"', "two\nlines", " padded ", "名前", "\\d", "{}", "#x",
]  # fmt: skip
NAMES = st.one_of(st.sampled_from(AWKWARD_NAMES), st.text(max_size=8))
CELLS = st.one_of(
    st.sampled_from(AWKWARD_CELLS), st.integers(-5, 30).map(str), st.floats().map(str), st.text(max_size=5)
)
KINDS = [
    CELLS,
    st.integers(0, 3).map(str),
    st.floats(-1e6, 1e6).map(str),
    st.sampled_from(["yes", "no"]),
    st.sampled_from(["red", "green", "blue", ""]),
    st.datetimes(datetime(1990, 1, 1), datetime(2025, 1, 1)).map(str),
    st.dates().map(str),
    st.uuids().map(str),
]


@st.composite
def files(draw: st.DrawFn) -> bytes:
    names = draw(st.lists(NAMES, min_size=1, max_size=6))
    height = draw(st.sampled_from([0, 1, 2, 5, 40, 120]))
    columns = [draw(st.lists(draw(st.sampled_from(KINDS)), min_size=height, max_size=height)) for _ in names]
    text = io.StringIO()
    separator = draw(st.sampled_from([",", ",", ";", "\t", "|"]))
    writer = csv.writer(text, delimiter=separator, lineterminator=draw(st.sampled_from(["\n", "\r\n"])))
    writer.writerow(names)
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16"])), errors="ignore")


def check(content: bytes, which: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "some data.csv").write_bytes(content)
        try:
            columns = profile_file(folder / "some data.csv").columns
            target = columns[which % len(columns)].name
            project = create(folder / "made", data=folder / "some data.csv", wishes=Wishes(target))
        except UserError as error:
            assert error.hint
            return
        text = (folder / "made" / "model.py").read_text(encoding="utf-8")
        loaded = LOADER.load(uuid.uuid4().hex, folder / "made", "model.py")
        assert RowSchema(loaded.spec).decode((folder / "made" / "rows.json").read_bytes()).rows
        assert loaded.spec.task == project.plan.label.task
        window = {"start": None, "until": NOW.isoformat(), "as_of": NOW.isoformat()}
        steps.run(StepKind.SOURCE, steps.Step(loaded, folder, window))
        frame, findings = rules.conform(pl.read_parquet(folder / "rows.parquet"), loaded.spec)
        assert not findings + rules.check_rules(frame, loaded.spec, NOW), text
        if max(len(quote(column.name)) for column in columns) <= USUAL:
            assert_formatted(text)


def assert_formatted(text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(content=files(), which=st.integers(0, 5))
def test_any_table(content: bytes, which: int) -> None:
    check(content, which)


@settings(deadline=None, max_examples=100)
@given(content=st.binary(max_size=200), which=st.integers(0, 5))
def test_any_bytes(content: bytes, which: int) -> None:
    check(content, which)


@given(text=st.text())
def test_a_quoted_text_is_that_text(text: str) -> None:
    assert eval(quote(text)) == text
