"""Reading a table from a file as it comes: which form it has, and its columns untouched.

Text files are read as text alone; what the text means is decided by :mod:`treadle.scaffold.parsing`.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from treadle.domain.errors import InvalidInput

SEPARATORS = (",", ";", "\t", "|")
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "Null", "null", "None", "?")
"""Texts that mean a missing value wherever they stand."""

MISSING_AMONG_NUMBERS = ("-", "--", ".", "none", "missing", "unknown", "na", "N.A.", "#VALUE!", "#DIV/0!", "NaT")
"""Texts that mean a missing value where all else in their column are numbers, times or yes and no."""

SAMPLE_BYTES = 1_000_000
SAMPLE_RECORDS = 200

_FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".txt": "csv", ".data": "csv", ".parquet": "parquet",
    ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".arrow": "arrow", ".feather": "arrow",
    ".ipc": "arrow",
}  # fmt: skip
_BOMS = ((codecs.BOM_UTF8, "utf8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_KINDS = "CSV, TSV, Parquet, JSON lines or Arrow"


@dataclass(frozen=True)
class FileForm:
    """How a file is to be read.

    ``format`` is ``csv``, ``parquet``, ``jsonl`` or ``arrow``. The others are for text: the codec, the separator, the
    texts that stand for missing values, whether values have spaces around them, whether quotes mean something, and
    how many lines are empty.
    """

    format: str
    encoding: str = "utf8"
    separator: str = ","
    missing: tuple[str, ...] = ()
    spaced: bool = False
    quoted: bool = True
    empty_lines: int = 0


@dataclass(frozen=True)
class RawTable:
    """A file's columns by the names that polars gives them, and how they were read."""

    frame: pl.DataFrame
    form: FileForm
    notes: tuple[str, ...] = ()


def read_table(path: Path) -> RawTable:
    """Read a file. Raises InvalidInput, which says what hinders and what to do, for whatever cannot be read."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InvalidInput(f"data file {path} {what}", hint=f"give a file of {_KINDS}")
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise InvalidInput(
            f"data file {path.name} is of no known kind", hint=f"give {_KINDS}, with the ending {', '.join(_FORMATS)}"
        )
    if path.stat().st_size == 0:
        raise InvalidInput(f"data file {path.name} is empty", hint="give a file with a line of names and rows below")
    try:
        frame, form = _read_text(path) if kind == "csv" else (_read_typed(path, kind), FileForm(kind))
    except (pl.exceptions.PolarsError, OSError, UnicodeError, ValueError) as error:
        raise InvalidInput(
            f"data file {path.name} cannot be read as {kind}: {_first_line(error)}",
            hint="see whether it is damaged or cut off, or of another kind than its ending says",
        ) from error
    table = _settled(frame, form) if kind == "csv" else RawTable(frame, form)
    if not table.frame.width:
        raise InvalidInput(f"data file {path.name} has no columns", hint="give a file with a line of names")
    if not table.frame.height:
        raise InvalidInput(
            f"data file {path.name} has the columns {', '.join(table.frame.columns)} but no rows", hint="add rows"
        )
    return table


def _read_typed(path: Path, kind: str) -> pl.DataFrame:
    if kind == "parquet":
        return pl.read_parquet(path)
    if kind == "arrow":
        return pl.read_ipc(path)
    with path.open("rb") as file:
        first = file.read(64).lstrip()
    if first[:1] == b"[":
        raise InvalidInput(
            f"data file {path.name} is one JSON list", hint="write JSON lines: one object a line, no list around them"
        )
    return pl.read_ndjson(path, infer_schema_length=None)


def _read_text(path: Path) -> tuple[pl.DataFrame, FileForm]:
    data = path.read_bytes()
    encoding = _encoding(data, path.name)
    text = data[:SAMPLE_BYTES].decode("utf-8-sig" if encoding == "utf8" else encoding, errors="ignore")
    if "\0" in text:
        raise InvalidInput(f"data file {path.name} is no text: it holds zero bytes", hint=f"give {_KINDS}")
    if "\n" not in text and "\r" in text:
        raise InvalidInput(
            f"the lines of {path.name} end in carriage returns alone",
            hint="save it with \\n or \\r\\n at the line ends",
        )
    separator = _separator(text, len(data) > SAMPLE_BYTES)
    form = FileForm("csv", encoding, separator)
    frame, form = _parse(data, form, path.name)
    _check_names(frame, path.name)
    return frame, form


def raw_frame(source: Path | io.BytesIO, form: FileForm) -> pl.DataFrame:
    """The columns of a text file as text, missing values not yet marked."""
    return pl.read_csv(
        source,
        infer_schema=False,
        separator=form.separator,
        encoding=form.encoding,
        quote_char='"' if form.quoted else None,
    )


def _parse(data: bytes, form: FileForm, name: str) -> tuple[pl.DataFrame, FileForm]:
    try:
        return raw_frame(io.BytesIO(data), form), form
    except (pl.exceptions.ComputeError, pl.exceptions.NoDataError) as error:
        bare = FileForm(form.format, form.encoding, form.separator, quoted=False)
        text = data.decode("utf-8-sig" if form.encoding == "utf8" else form.encoding, errors="replace")
        fault = _fault(text, form.separator)
        if fault is None and '"' in text:
            try:
                return raw_frame(io.BytesIO(data), bare), bare
            except pl.exceptions.PolarsError:
                pass
        raise InvalidInput(
            f"data file {name} cannot be read: {fault or _first_line(error)}",
            hint=f"give each line as many values as the first one has names, parted by {_shown(form.separator)}, and "
            'put values that hold one into "double quotes"',
        ) from error


def _fault(text: str, separator: str) -> str | None:
    """Where the records of a file first have more values than there are names."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        names = next(reader, None)
        for record in reader:
            if names is not None and len(record) > len(names):
                return f"line {reader.line_num} has {len(record)} values for {len(names)} names"
    except csv.Error as error:
        return f"line {reader.line_num}: {error}"
    return None


def _encoding(data: bytes, name: str) -> str:
    for mark, codec in _BOMS:
        if data.startswith(mark):
            return codec
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        try:
            data.decode("cp1252")
        except UnicodeDecodeError:
            raise InvalidInput(
                f"data file {name} is no text in UTF-8 or Windows-1252", hint="save it as UTF-8"
            ) from None
        return "cp1252"
    return "utf8"


def _separator(text: str, cut: bool) -> str:
    """The separator by which the most lines have as many values as the first, at least two; a comma where none does."""
    best, found = 0.0, SEPARATORS[0]
    for separator in SEPARATORS:
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
            counts = [len(record) for record, _ in zip(reader, range(SAMPLE_RECORDS), strict=False) if record]
        except csv.Error:
            continue
        if cut and len(counts) > 2:
            counts = counts[:-1]
        if not counts or counts[0] < 2:
            continue
        share = sum(count == counts[0] for count in counts) / len(counts)
        score = share + min(counts[0], 1000) / 1e4
        if share > 0.5 and score > best:
            best, found = score, separator
    return found


def _check_names(frame: pl.DataFrame, name: str) -> None:
    """Refuse a first line that is one of values."""
    numbers = [column for column in frame.columns if re.fullmatch(r"[+-]?\d+([.,]\d+)?(_duplicated_\d+)?", column)]
    if len(numbers) == frame.width:
        raise InvalidInput(
            f"the first line of {name} holds numbers, not names: {', '.join(numbers[:5])}",
            hint="put a line with the columns' names above it",
        )


def _settled(frame: pl.DataFrame, form: FileForm) -> RawTable:
    """Without empty lines, with spaces and missing values seen to."""
    notes = []
    stripped = frame.with_columns(pl.all().str.strip_chars())
    spaced = not stripped.equals(frame)
    frame = stripped
    empty = frame.select(pl.all_horizontal(pl.all().fill_null("") == "")).to_series()
    lines = int(empty.sum()) if frame.width > 1 else 0
    if lines:
        frame = frame.filter(~empty)
        notes.append(f"{lines:,} empty lines are passed over")
    seen = Counter[str]()
    candidates = [*MISSING, *MISSING_AMONG_NUMBERS]
    for series in frame.iter_columns():
        seen.update(series.filter(series.is_in(candidates)).to_list())
    markers = [text for text in MISSING if text in seen]
    markers += [text for text in MISSING_AMONG_NUMBERS if text in seen and _numeric_but_for(frame, text, markers)]
    if markers:
        frame = frame.with_columns(pl.all().replace(dict.fromkeys(markers)))
        shown = ", ".join(f"{text!r}" for text in markers if text)
        if shown:
            notes.append(f"{shown} in the file {'mean' if ',' in shown else 'means'} a missing value")
    if spaced:
        notes.append("spaces around values are dropped")
    if form.encoding != "utf8":
        notes.append(f"the text is in {form.encoding}")
    if not form.quoted:
        notes.append("double quotes are taken as they stand, since they are not closed everywhere")
    settled = FileForm(form.format, form.encoding, form.separator, tuple(markers), spaced, form.quoted, lines)
    return RawTable(frame, settled, tuple(notes))


def _numeric_but_for(frame: pl.DataFrame, text: str, markers: Sequence[str]) -> bool:
    """Whether a column holds ``text`` and besides it numbers alone, or times."""
    for series in frame.iter_columns():
        if not series.is_in([text]).any():
            continue
        rest = series.filter(~series.is_in([*MISSING_AMONG_NUMBERS, *markers]) & series.is_not_null())
        if len(rest) and rest.str.contains(r"^[+-]?[$€£]?\d[\d.,:/ T-]*%?$").all():
            return True
    return False


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _shown(separator: str) -> str:
    return {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}[separator]
