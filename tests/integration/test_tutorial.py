"""What docs/tutorial.md says happens: its commands are run, in order, and its outputs are those that come.

That takes a minute or more; the quick form sees that every command and option that is written there exists.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main

from treadle.cli.main import app

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
PATIENCE = 300
BLOCK = re.compile(r"```(sh|text)\n(.*?)```", re.DOTALL)
FIGURE = re.compile(r"\b[0-9a-f]{8,}(-\d+)?\b|(?<!\w)-?\d[\d,]*\.\d+|\d[\d,:]*\d|\s+")


@dataclass(frozen=True)
class Step:
    """Commands, and the output that the tutorial shows of them."""

    commands: str
    shown: str


def steps() -> list[Step]:
    found: list[Step] = []
    for kind, body in BLOCK.findall(TUTORIAL.read_text(encoding="utf-8")):
        if kind == "sh":
            found.append(Step(body, ""))
        else:
            assert not found[-1].shown, "an output without commands before it"
            found[-1] = Step(found[-1].commands, body)
    return found


def alike(text: str) -> str:
    """Text without its figures: they differ from machine to machine. Single digits stay."""
    return FIGURE.sub(lambda match: " " if match[0].isspace() else "#", text).strip()


def missing(shown: str, told: str) -> list[str]:
    """The lines shown that do not come in this order; ``...`` stands for anything."""
    lines = [alike(line) for line in told.splitlines()]
    absent, at = [], 0
    for line in shown.splitlines():
        parts = [re.escape(alike(part)) for part in line.split("...")]
        pattern = re.compile(r"\s*.*?\s*".join(parts) + ("" if line.endswith("...") else "$"))
        if not any(parts):
            continue
        place = next((i for i in range(at, len(lines)) if pattern.match(lines[i])), None)
        if place is None:
            absent.append(line)
        else:
            at = place + 1
    return absent


def free_pair() -> int:
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


class Terminal:
    """Runs the tutorial's commands in a folder, on other ports than its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_pair()
        known = {name: value for name, value in os.environ.items() if not name.startswith("TREADLE_")}
        self.environment = {**known, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "200"}
        self.server: subprocess.Popen[str] | None = None
        (folder / "treadle").symlink_to(ROOT)

    def here(self, text: str) -> str:
        return text.replace("8700", str(self.port)).replace("8701", str(self.port + 1))

    def run(self, step: Step) -> str:
        commands = self.here(step.commands)
        commands = commands.replace("make -C treadle install\n", "")
        commands = commands.replace('export PATH="$PWD/treadle/.venv/bin:$PATH"\n', "")
        commands = commands.replace("treadle doctor", f"treadle doctor --port {self.port}")
        if commands.strip() == "treadle up":
            return self.up()
        done = subprocess.run(
            ["bash", "-c", f"{commands}\npwd > {self.folder}/.at"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        self.folder = Path((self.folder / ".at").read_text().strip())
        return done.stdout

    def up(self) -> str:
        log = self.folder / "up.log"
        with log.open("w") as file:
            command = ["treadle", "up", "--port", str(self.port)]
            self.server = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=file, stderr=subprocess.STDOUT, text=True
            )
        deadline = time.monotonic() + PATIENCE
        while "home " not in log.read_text() and time.monotonic() < deadline:
            assert self.server.poll() is None, log.read_text()
            time.sleep(0.05)
        return log.read_text()

    def close(self) -> None:
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            self.server.wait(60)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path)
    yield opened
    opened.close()


@pytest.mark.soak
def test_the_tutorial_is_true(terminal: Terminal) -> None:
    for step in steps():
        told = terminal.run(step)
        absent = missing(terminal.here(step.shown), told)
        assert not absent, (
            f"after\n{step.commands}\nthe tutorial shows\n" + "\n".join(absent) + f"\nbut it says\n{told}"
        )


def written() -> list[list[str]]:
    """Every ``treadle`` command of the tutorial, as words."""
    text = TUTORIAL.read_text(encoding="utf-8")
    blocks = [line for kind, body in BLOCK.findall(text) if kind == "sh" for line in body.splitlines()]
    inline = re.findall(r"`(treadle [^`]+)`", BLOCK.sub("", text))
    commands = [part for line in (*blocks, *inline) for part in re.split(r"\s*[|;]\s*", line)]
    return [shlex.split(command)[1:] for command in commands if command.startswith("treadle ")]


@pytest.mark.parametrize("words", written(), ids=" ".join)
def test_every_command_that_is_written_exists(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        name, *words = words
        assert name in command.commands
        command = command.commands[name]
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_the_pictures_are_there() -> None:
    names = re.findall(r"!\[.*?\]\((.*?)\)", TUTORIAL.read_text(encoding="utf-8"))
    assert names
    assert all((TUTORIAL.parent / name).is_file() for name in names)


def test_what_is_shown_is_told_from_what_is_not() -> None:
    told = "version  made\n      3  2026-11-21 12:51\nmae <= 162  pass  59.78\n"
    assert missing("version  made\n 3  2025-01-01 09:12\n...\nmae <= 150  pass  1.2\n", told) == []
    assert missing("version 3 serves\n", told) == ["version 3 serves"]
    assert missing("mae ... fail\n", told) == ["mae ... fail"]
    assert missing("mae <= 162 pass 59.78\nversion  made\n", told) == ["version  made"]
    assert missing("      2  2026-11-21 12:51\n", told) == ["      2  2026-11-21 12:51"]
