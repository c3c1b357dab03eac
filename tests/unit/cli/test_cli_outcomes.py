"""Uploading files of outcomes, to a real control plane over sockets; and the reading of those files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from control_world import SPEC, World
from typer.testing import CliRunner, Result

from treadle.cli.main import app
from treadle.cli.outcome_files import OutcomeFile, choose
from treadle.cli.outcomes import MEANINGS, REFUSED
from treadle.domain.errors import InvalidInput
from treadle.wire.control import TAKEN

KEYED = {"flight_id": "key", "departs": "time", "late": "label"}


def upload(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["outcomes", "upload", *arguments])


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def applied(world: World, server: str) -> World:
    world.apply()
    return world


def test_every_outcome_has_its_meaning() -> None:
    assert set(MEANINGS) == TAKEN | set(REFUSED)


def test_a_file_is_sent_in_batches_and_each_refused_line_told(applied: World, tmp_path: Path) -> None:
    lines = ["prediction_id,late,note", *(f"p{i},true,x" for i in range(6)), "nobody,false,x", ",true,x"]
    file = write(tmp_path / "seen.csv", "\n".join(lines) + "\n")
    result = upload(str(file), "--model", "flights", "--batch", "3")
    assert result.exit_code == 1
    assert [len(told["records"]) for name, told in applied.loop.calls if name == "outcomes"] == [3, 3, 1]
    assert "joined       6" in result.stdout
    told = [line.split() for line in result.stdout.splitlines()]
    assert ["8", "nobody", "unknown", "no", "such", "prediction"] in told
    assert any(words[:3] == ["9", "-", "invalid"] for words in told)
    assert "not used: note" in result.stderr
    assert "count as known now" in result.stderr
    assert "uploading to flights" in result.stderr


def test_a_good_file_is_no_failure_and_can_be_read_by_scripts(applied: World, tmp_path: Path) -> None:
    file = tmp_path / "seen.parquet"
    seen = datetime(2024, 4, 30, tzinfo=UTC)
    pl.DataFrame({"prediction_id": ["a", "b"], "label": [True, None], "observed_at": [seen, seen]}).write_parquet(file)
    result = upload(str(file), "--model", "flights", "--json", "--details")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["accepted"], told["rejected"], told["counts"]) == (1, 1, {"joined": 1, "invalid": 1})
    assert [(one["line"], one["status"]) for one in told["lines"]] == [(1, "joined"), (2, "invalid")]
    pl.DataFrame({"prediction_id": ["a"], "label": [True], "observed_at": [seen]}).write_parquet(file)
    assert upload(str(file), "--model", "flights").exit_code == 0
    sent = [told["records"] for name, told in applied.loop.calls if name == "outcomes"]
    assert sent[-1][0]["observed_at"] == "2024-04-30T00:00:00.000000Z"


def test_many_refused_lines_are_counted_not_all_shown(applied: World, tmp_path: Path) -> None:
    file = write(tmp_path / "seen.csv", "prediction_id,label\n" + "nobody,1\n" * 9)
    result = upload(str(file), "--model", "flights")
    assert "and 4 more that were not taken; --details lists them all" in result.stdout
    shown = upload(str(file), "--model", "flights", "--details").stdout
    assert shown.count("no such prediction") == 10


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("seen.csv", "prediction_id,when\na,1\n", "has no column label (or late); it has prediction_id, when"),
        ("seen.csv", "late\ntrue\n", "has no column prediction_id; it has late"),
        ("seen.csv", "prediction_id,late,label\na,1,1\n", "has late and label, both the label"),
        ("seen.csv", "", "has no column prediction_id and no column label (or late); it has none"),
        ("seen.csv", "prediction_id,label\na,1,2\n", "line 2, has 3 values, not 2"),
        ("seen.xlsx", "", "is neither CSV nor Parquet"),
        ("seen.parquet", "no parquet", "cannot read"),
    ],
)
def test_a_file_that_holds_no_outcomes_is_refused(
    applied: World, tmp_path: Path, name: str, text: str, message: str
) -> None:
    result = upload(str(write(tmp_path / name, text)), "--model", "flights")
    assert result.exit_code == 2
    assert message in result.stderr
    assert "->" in result.stderr


def test_an_empty_file_a_missing_one_and_a_name_that_is_not_there(applied: World, tmp_path: Path) -> None:
    empty = write(tmp_path / "seen.csv", "prediction_id,label\n")
    assert "holds no outcomes" in upload(str(empty), "--model", "flights").stdout
    missing = upload(str(tmp_path / "none.csv"), "--model", "flights")
    assert (missing.exit_code, "there is no file" in missing.stderr) == (2, True)
    unknown = upload(str(empty), "--model", "boats")
    assert (unknown.exit_code, "boats" in unknown.stderr) == (2, True)
    zone = upload(str(empty), "--model", "flights", "--zone", "Mars/Base")
    assert (zone.exit_code, "no time zone" in zone.stderr) == (2, True)


def test_what_was_answered_before_a_broken_line_is_said(applied: World, tmp_path: Path) -> None:
    file = write(tmp_path / "seen.csv", "prediction_id,label\na,1\nb,1\nc,1,2\n")
    result = upload(str(file), "--model", "flights", "--batch", "1")
    assert result.exit_code == 2
    assert "line 4, has 3 values" in result.stderr
    assert "2 outcomes had been answered; upload again to go on" in result.stderr
    file.write_bytes(b"prediction_id,label\na,1\n\xff,1\n")
    assert "is it CSV in UTF-8?" in upload(str(file), "--model", "flights").stderr


def test_the_models_own_names_stand_for_the_fields(tmp_path: Path) -> None:
    text = "flight_id,departs,late,observed_at\nUA1,2024-01-01 10:00,1,2024-01-01 15:00\nUA2,,0,soon\n"
    found = OutcomeFile(write(tmp_path / "a.csv", text), KEYED, "America/New_York")
    ((share, lines),) = found.lines(10)
    assert share == 1.0
    assert [line.number for line in lines] == [2, 3]
    assert lines[0].record == {
        "key": "UA1",
        "time": "2024-01-01 10:00",
        "label": "1",
        "observed_at": "2024-01-01T20:00:00+00:00",
    }
    assert lines[1].record == {"key": "UA2", "label": "0", "observed_at": "soon"}


def test_a_prediction_id_says_all(tmp_path: Path) -> None:
    text = "prediction_id\tflight_id\tlabel\nid-1\tUA1\t1\n\tUA2\t0\n"
    found = OutcomeFile(write(tmp_path / "a.tsv", text), KEYED)
    ((_, lines),) = found.lines(10)
    assert [line.record for line in lines] == [{"prediction_id": "id-1", "label": "1"}, {"key": "UA2", "label": "0"}]


def test_parquet_comes_in_slices(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pl.DataFrame(
        {"prediction_id": [f"p{i}" for i in range(25)], "late": [1.0, float("nan")] * 12 + [0.0]}
    ).write_parquet(file, row_group_size=7)
    found = list(OutcomeFile(file, KEYED).lines(10))
    assert [(round(share, 2), len(lines)) for share, lines in found] == [(0.4, 10), (0.8, 10), (1.0, 5)]
    assert found[0][1][1].record == {"prediction_id": "p1"}
    assert found[2][1][4].number == 25


def test_a_model_without_a_key_is_asked_for_its_time() -> None:
    with pytest.raises(InvalidInput, match="has no column prediction_id or at; it has cnt"):
        choose(["cnt"], {"at": "time", "cnt": "label"}, "a.csv")
    assert choose(["at", "cnt", "x"], {"at": "time", "cnt": "label"}, "a.csv").unused == ("x",)
    assert SPEC.key is None
