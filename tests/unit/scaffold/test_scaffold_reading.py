"""Files as they come: what is read, how its columns are understood, and what is said where nothing can be read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from treadle.domain.errors import InvalidInput
from treadle.scaffold.profile import TableFacts, profile_file

Profiled = Callable[..., TableFacts]


def kinds(table: TableFacts) -> dict[str, str]:
    return {column.name: column.kind for column in table.columns}


def values(table: TableFacts, name: str) -> list[Any]:
    found = table.column(name)
    assert found is not None
    return found.values.to_list()


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,x\n2,y\n",
        "\ufeffa,b\n1,x\n2,y\n",
        "a;b\n1;x\n2;y\n",
        "a\tb\n1\tx\n2\ty\n",
        "a|b\r\n1|x\r\n2|y\r\n",
        '"a","b"\n"1","x"\n"2","y"\n',
        "a,b\n1,x\n\n2,y\n\n",
        " a , b \n 1 , x \n 2 , y \n",
        "a;b\n1;x\n2;y\n".encode("utf-16"),
    ],
)
def test_forms_of_text(profiled: Profiled, content: str | bytes) -> None:
    table = profiled(content)
    assert [c.kind for c in table.columns] == ["int", "str"]
    assert [c.values.to_list() for c in table.columns] == [[1, 2], ["x", "y"]]


def test_quoted_newlines_separators_and_quotes(profiled: Profiled) -> None:
    table = profiled('a,b\n"two\nlines",1\n"with, comma",2\n"say ""x""",3\n')
    assert values(table, "a") == ["two\nlines", "with, comma", 'say "x"']


def test_text_that_is_not_utf_8(profiled: Profiled) -> None:
    table = profiled("name,n\nMünchen,1\nKöln,2\n".encode("cp1252"))
    assert values(table, "name") == ["München", "Köln"]
    assert table.notes == ("the text is in cp1252",)


def test_names_that_stand_twice_differ(profiled: Profiled) -> None:
    assert len({column.name for column in profiled("a,a,b\n1,2,3\n").columns}) == 3


def test_texts_that_stand_for_missing_values(profiled: Profiled) -> None:
    table = profiled("n,t\n1,red\nNA,?\n-,-\n2,blue\n")
    assert values(table, "n") == [1, None, None, 2]
    assert values(table, "t") == ["red", None, None, "blue"]
    assert table.notes == ("'NA', '?', '-' in the file mean a missing value",)


def test_a_dash_among_words_is_a_word(profiled: Profiled) -> None:
    assert values(profiled("t,n\nred,1\n-,2\n"), "t") == ["red", "-"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (["yes", "No", "YES"], [True, False, True]),
        (["1", "0", "1"], [1, 0, 1]),
        (["1.5", "2", "-3e2"], [1.5, 2.0, -300.0]),
        (["1,5", "2", "-3,25"], [1.5, 2.0, -3.25]),
        (["1.234,5", "2,0", "10.000,0"], [1234.5, 2.0, 10000.0]),
        (["$1,200", "$3", "$1,000,000.50"], [1200.0, 3.0, 1000000.5]),
        (["12%", "3.5%", "0 %"], [12.0, 3.5, 0.0]),
        (["1.5", "inf", "nan"], [1.5, None, None]),
        (["007", "012", "100"], ["007", "012", "100"]),
        (["99999999999999999999", "1", "2"], ["99999999999999999999", "1", "2"]),
        (["2024-01-31", "2024-02-01", "2023-12-31"], [date(2024, 1, 31), date(2024, 2, 1), date(2023, 12, 31)]),
        (["31.01.2024", "01.02.2024", "2.3.2024"], [date(2024, 1, 31), date(2024, 2, 1), date(2024, 3, 2)]),
        (["2024-01-31 09:30", "2024-02-01 10:00", "2024-02-01 10:00"],
         [datetime(2024, 1, 31, 9, 30), datetime(2024, 2, 1, 10), datetime(2024, 2, 1, 10)]),
        (["2024-01-31T09:30:00Z", "2024-02-01T10:00:00+02:00", "2024-02-01T10:00:00.5Z"],
         [datetime(2024, 1, 31, 9, 30, tzinfo=UTC), datetime(2024, 2, 1, 8, tzinfo=UTC),
          datetime(2024, 2, 1, 10, 0, 0, 500000, tzinfo=UTC)]),
        (["1/31/2024 3:05 PM", "2/1/2024 12:00 AM", "2/1/2024 12:00 PM"],
         [datetime(2024, 1, 31, 15, 5), datetime(2024, 2, 1), datetime(2024, 2, 1, 12)]),
        (["1", "two", "3"], ["1", "two", "3"]),
    ],
)  # fmt: skip
def test_meanings_of_text(profiled: Profiled, text: list[str], expected: list[Any]) -> None:
    lines = "".join(f'"{cell}";x\n' for cell in text)
    assert values(profiled(f"v;w\n{lines}"), "v") == expected


def test_seconds_since_1970_in_a_column_that_says_so(profiled: Profiled) -> None:
    table = profiled("created_at,n\n1700000000,1700000000\n1700003600,1700003600\n")
    assert kinds(table) == {"created_at": "datetime", "n": "int"}
    assert values(table, "created_at")[0] == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def test_whole_numbers_as_days_in_a_column_that_says_so(profiled: Profiled) -> None:
    assert kinds(profiled("date,n\n20240131,20240131\n20240201,20240201\n")) == {"date": "date", "n": "int"}


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (["1/2/2024", "1/3/2024", "2/1/2024"], "month before day"),
        (["1/2/2024", "3/2/2024", "1/3/2024"], "day before month"),
    ],
)  # fmt: skip
def test_of_two_orders_of_day_and_month_the_one_in_which_rows_lie(
    profiled: Profiled, days: list[str], said: str
) -> None:
    (column,) = profiled("d\n" + "\n".join(days) + "\n").columns
    assert said in column.note


def test_a_column_without_a_value(profiled: Profiled) -> None:
    assert kinds(profiled("a,b\n1,\n2,\n")) == {"a": "int", "b": "none"}


def test_a_word_among_numbers_is_told(profiled: Profiled) -> None:
    (column,) = profiled("n\n" + "\n".join([*map(str, range(99)), "oops"]) + "\n").columns
    assert (column.kind, column.note) == (
        "str",
        "1 of 100 values are no numbers ('oops'), so that all are kept as text",
    )


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".arrow"])
def test_typed_files(tmp_path: Path, suffix: str) -> None:
    frame = pl.DataFrame(
        {"n": [1, 2], "x": [0.5, None], "b": [True, False], "t": ["a", "b"], "d": ["2024-01-01", "2024-01-02"]}
    )
    path = tmp_path / f"table{suffix}"
    write = {".parquet": frame.write_parquet, ".jsonl": frame.write_ndjson, ".arrow": frame.write_ipc}[suffix]
    write(path)
    assert list(kinds(profile_file(path)).values()) == ["int", "float", "bool", "str", "date"]


def test_types_that_no_row_can_hold(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [1, 2], "many": [[1], [2, 3]], "small": pl.Series([1, 2], dtype=pl.Int8)})
    frame.write_parquet(tmp_path / "t.parquet")
    assert kinds(profile_file(tmp_path / "t.parquet")) == {"x": "int", "many": "other", "small": "int"}


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("", "t.csv", "is empty"),
        ("a,b\n", "t.csv", "no rows"),
        ("1,2\n3,4\n", "t.csv", "holds numbers, not names: 1, 2"),
        ("a,b\n1,2,3\n", "t.csv", "line 2 has 3 values for 2 names"),
        ("a,b\n1,2\n", "t.xlsx", "of no known kind"),
        (b"\x00\x01\x02", "t.csv", "zero bytes"),
        (b"\x81\x8d\n\x81\n", "t.csv", "no text in UTF-8 or Windows-1252"),
        (b"PAR1 broken", "t.parquet", "cannot be read as parquet"),
        ('[{"a": 1}]', "t.json", "one JSON list"),
        ('{"a": 1}\n{"a"', "t.jsonl", "cannot be read as jsonl"),
        ("a,b\r1,2\r", "t.csv", "carriage returns"),
    ],
)
def test_what_cannot_be_read(profiled: Profiled, content: str | bytes, name: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        profiled(content, name)
    assert caught.value.hint


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist"):
        profile_file(tmp_path / "none.csv")
    with pytest.raises(InvalidInput, match="is a folder"):
        profile_file(tmp_path)


def test_one_row_is_read(profiled: Profiled) -> None:
    assert profiled("a,b\n1,x\n").rows == 1
