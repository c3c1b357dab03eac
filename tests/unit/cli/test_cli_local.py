"""Commands that ask no server, with what they call replaced; the doctor; and the help."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer.main
from control_world import FAILED_GATES, NOW, PASSED_GATES
from typer.testing import CliRunner

from treadle.app import demo, local_run, supervisor
from treadle.app.doctor import State, examine
from treadle.cli.main import app
from treadle.cli.progress import Teller
from treadle.domain.errors import Conflict
from treadle.domain.gates import GateReport
from treadle.domain.runs import Candidate, Run, RunStatus
from treadle.storage.sql.store import SqlStore

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


def all_commands(group: Any, above: str = "") -> dict[str, Any]:
    """Every command by its words, those of groups too."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        below = hasattr(command, "commands")
        found.update(all_commands(command, f"{above}{name} ") if below else {above + name: command})
    return found


COMMANDS: dict[str, Any] = all_commands(typer.main.get_command(app))


@dataclass(frozen=True)
class LivedDouble:
    failed: int


@dataclass(frozen=True)
class LocalRunDouble:
    model: str
    run: Run
    leaderboard: tuple[Candidate, ...]
    gates: GateReport
    champion: int | None


def lone_run(gates: GateReport) -> LocalRunDouble:
    run = Run("run-1", "flights", RunStatus.FINISHED, NOW, metrics={"auc": 0.71})
    board = (
        Candidate("trial 2", {"depth": 3, "rate": 0.123456}, {"auc": 0.71}, 0.71, 1.5, chosen=True),
        Candidate("trial 1", {"depth": 9}, {}, None, 0.2, "pruned"),
        Candidate("constant", {}, {"auc": 0.5}, 0.5, 0.1),
    )
    return LocalRunDouble("flights", run, board, gates, 4)


@pytest.mark.parametrize(("gates", "code"), [(PASSED_GATES, 0), (FAILED_GATES, 1)])
def test_run_prints_leaderboard_and_gates(monkeypatch: pytest.MonkeyPatch, gates: GateReport, code: int) -> None:
    asked: dict[str, Any] = {}

    def run_file(path: str, *, told: Any, **options: Any) -> LocalRunDouble:
        asked.update(options, path=path)
        told("environment", None, None, "locking")
        told("log", None, None, "Resolved 3 packages")
        told("fit", 500, 1000, "")
        return lone_run(gates)

    monkeypatch.setattr(local_run, "run_file", run_file)
    options = ["--tune", "5", "--as-of", "2013-03-01", "--seed", "7", "--resume", "run-0", "--home", "h"]
    result = CliRunner().invoke(app, ["run", "model.py", *options])
    assert result.exit_code == code, result.output
    assert asked == {
        "path": "model.py", "tune": 5, "as_of": datetime(2013, 3, 1, tzinfo=UTC), "seed": 7, "resume": "run-0",
        "home": "h",
    }  # fmt: skip
    lines = result.stdout.splitlines()
    assert lines[0] == "run run-1: auc 0.71"
    assert any(line.startswith("* trial 2") and line.endswith("depth=3, rate=0.1235") for line in lines)
    assert any("pruned" in line for line in lines)
    assert lines[-1].startswith(f"{gates.verdict.value} (against version 4): ")
    assert result.stderr.splitlines() == ["environment: locking", "  Resolved 3 packages", "fit 50%"]


def test_run_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_run, "run_file", lambda _path, **_: lone_run(PASSED_GATES))
    found = json.loads(CliRunner().invoke(app, ["run", "model.py", "--json"]).stdout)
    assert (found["gates"]["verdict"], found["leaderboard"][0]["chosen"]) == ("pass", True)


@pytest.mark.parametrize("arguments", [["--as-of", "yesterday"], ["--tune", "-1"], ["--tune", "many"]])
def test_bad_options_of_run_are_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["run", "model.py", *arguments]).exit_code == 2


@pytest.mark.parametrize(("failed", "code"), [(0, 0), (3, 1)])
def test_demo_hands_its_options_on(monkeypatch: pytest.MonkeyPatch, failed: int, code: int) -> None:
    asked: dict[str, Any] = {}

    def live(name: str, *, told: Any, say: Any, **options: Any) -> LivedDouble:
        asked.update(options, name=name)
        told("living", 1, 10, "2013-03-02")
        say("the report")
        return LivedDouble(failed)

    monkeypatch.setattr(demo, "demo", live)
    options = [
        "bikes",
        "--exit",
        "--from",
        "2013-03-01",
        "--until",
        "2013-04-01T00:00Z",
        "--home",
        "h",
        "--port",
        "9000",
        "--no-plot",
    ]
    result = CliRunner().invoke(app, ["demo", *options])
    assert (result.exit_code, result.stdout) == (code, "the report\n")
    march, april = datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 4, 1, tzinfo=UTC)
    assert asked == {
        "name": "bikes", "home": "h", "port": 9000, "since": march, "until": april, "plot": False, "exit_": True,
    }  # fmt: skip
    CliRunner().invoke(app, ["demo"])
    assert asked["name"] == "flights"


def test_up_hands_its_options_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(supervisor, "up", lambda where, **options: asked.append((where, options)))
    options = ["--port", "9000", "--home", str(tmp_path), "--virtual-clock", "2013-03-01"]
    assert CliRunner().invoke(app, ["up", *options]).exit_code == 0
    ((where, more),) = asked
    assert (where.port, where.home, more["virtual_start"]) == (9000, tmp_path, datetime(2013, 3, 1, tzinfo=UTC))


def test_up_refuses_what_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*_: Any, **__: Any) -> None:
        raise Conflict("port 8700 is in use", hint="give another with --port")

    monkeypatch.setattr(supervisor, "up", taken)
    result = CliRunner().invoke(app, ["up"])
    assert (result.exit_code, result.stderr) == (2, "error: port 8700 is in use\n  -> give another with --port\n")
    assert "no authentication" in CliRunner().invoke(app, ["up", "--host", "0.0.0.0"]).stderr
    assert CliRunner().invoke(app, ["up", "--port", "70000"]).exit_code == 2


def states(home: Path, port: int = 18700) -> dict[str, State]:
    return {finding.subject: finding.state for finding in examine(home, port=port)}


def test_the_doctor_finds_a_sound_machine_sound(tmp_path: Path) -> None:
    found = states(tmp_path / "new")
    assert set(found) == {"python", "uv", "home", "disk", "schema", "control port", "gateway port"}
    assert State.FAIL not in found.values()
    assert not (tmp_path / "new").exists()
    SqlStore(f"sqlite:///{tmp_path / 'treadle.db'}").close()
    assert states(tmp_path)["schema"] is State.OK


def test_the_doctor_reads_the_schema(tmp_path: Path) -> None:
    database = tmp_path / "treadle.db"
    database.write_bytes(b"no database at all, whatever its name may be")
    assert states(tmp_path)["schema"] is State.FAIL
    database.unlink()
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    assert states(tmp_path)["schema"] is State.FAIL
    for revision, state in (("0000", State.WARN), ("9999", State.WARN)):
        with sqlite3.connect(database) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num TEXT)")
            connection.execute("DELETE FROM alembic_version")
            connection.execute("INSERT INTO alembic_version VALUES (?)", [revision])
        connection.close()
        assert states(tmp_path)["schema"] is state


def test_the_doctor_tells_a_home_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["doctor", "--home", str(tmp_path / "file"), "--port", "18700"])
    assert result.exit_code == 1
    assert "is no folder" in result.stdout
    assert "-> choose another with --home" in result.stdout
    found = json.loads(CliRunner().invoke(app, ["doctor", "--home", str(tmp_path), "--port", "18700", "--json"]).stdout)
    assert [finding["state"] for finding in found].count("fail") == 0


def test_the_doctor_knows_its_own_server(tmp_path: Path, server: str) -> None:
    port = int(server.rpartition(":")[2])
    assert states(tmp_path, port)["control port"] is State.WARN
    home = Path(os.environ["TREADLE_HOME"])
    (home / "server.json").write_text(json.dumps({"control": server, "gateway": "", "pid": os.getpid()}))
    assert states(home, port)["control port"] is State.OK


def test_lines_come_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with Teller() as told:
        for i in range(100):
            told("living", i, 100, "x")
        told("report", None, None, "")
    assert capsys.readouterr().err == "living 0%: x\nreport\n"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Teller() as told:
        told("fit", 1, 2, "[odd] detail")
        told.log("a [line]")
        told("gates", None, None, "")
        told.pause()
    err = capsys.readouterr().err
    assert "a [line]" in err
    assert "fit" in err


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_examples(name: str) -> None:
    result = CliRunner().invoke(app, [*name.split(), "--help"])
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"treadle {name}" in result.stdout.partition("Examples:")[2]
    assert all(parameter.help for parameter in COMMANDS[name].params), name


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_short_help_fits_its_line(name: str) -> None:
    *above, last = name.split()
    told = CliRunner().invoke(app, [*above, "--help"]).stdout
    line = next(line for line in told.partition("Commands:")[2].splitlines() if line.startswith(f"  {last} "))
    assert not line.endswith("...")


def test_the_reference_is_in_step() -> None:
    text = DOCUMENT.read_text()
    headings = {line.removeprefix("## `treadle ").rstrip("`") for line in text.splitlines() if line.startswith("## `")}
    assert headings == set(COMMANDS)
    for name, command in COMMANDS.items():
        section = text.partition(f"## `treadle {name}`")[2].partition("\n## ")[0]
        for parameter in command.params:
            shown = parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar.strip("[]")
            assert f"`{shown}" in section, f"{name}: {shown} is not in {DOCUMENT.name}"
        documented = {part.split("`")[1].split()[0] for part in section.splitlines() if part.startswith("- `-")}
        options = {parameter.opts[0] for parameter in command.params if parameter.param_type_name == "option"}
        assert documented == options


def test_the_command_starts_light() -> None:
    heavy = ("rich", "httpx", "pydantic", "polars", "numpy", "sqlalchemy", "fastapi", "sklearn", "treadle.app")
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom treadle.cli.main import app\n"
        f"CliRunner().invoke(app, ['--help'])\nprint([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_release_is_printed() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.startswith("treadle 0.")


def test_every_setting_is_documented() -> None:
    root = Path(__file__).parents[3]
    text = (root / "docs" / "reference" / "settings.md").read_text()
    read = {
        name
        for path in (root / "src" / "treadle").rglob("*.py")
        for name in re.findall(r"\bTREADLE_[A-Z]+\b", path.read_text())
    }
    assert read == set(re.findall(r"\bTREADLE_[A-Z]+\b", text))
    documented = set(re.findall(r"`(--[a-z-]+)`", text))
    assert {option.opts[0] for option in COMMANDS["up"].params} <= documented
