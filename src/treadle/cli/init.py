"""``treadle init``: a first project."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from treadle.cli.options import Json
from treadle.domain.errors import InvalidInput

if TYPE_CHECKING:
    from treadle.scaffold.project import Project

WIDTH = 110
MOST_SAID = 12


def init(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Where the project goes.")] = ".",
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="FILE", help="A table to learn from: CSV, TSV, Parquet, JSON lines or Arrow."),
    ] = None,
    target: Annotated[str | None, typer.Option("--target", metavar="COLUMN", help="What is to be predicted.")] = None,
    time: Annotated[
        str | None,
        typer.Option("--time", metavar="COLUMN", help="When a prediction is asked for. Default: guessed."),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="COLUMN", help="What identifies a row. Default: guessed.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="TASK", help="binary, multiclass or regression. Default: guessed."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="The model's name. Default: the data file's.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    json_: Json = False,
) -> None:
    """Write a first project: model file, tests, Makefile, CI file.

    With --data the model file is made for that table: task, key and time are guessed, rules suggested, columns that
    know the answer left out, each with the reason. Without, it comes with a small table of its own.

    \b
    Examples:
      treadle init parcels
      treadle init --data rides.csv --target cnt
      treadle init bikes --data rides.csv --target cnt --time dteday --key instant
    """
    from treadle.scaffold.guess import Wishes
    from treadle.scaffold.project import create

    given = {"--target": target, "--time": time, "--key": key, "--task": task, "--name": name}
    said = [option for option, value in given.items() if value is not None]
    if data is None and said:
        raise InvalidInput(f"{said[0]} needs a table", hint="name its file with --data")
    wishes = Wishes(target, time=time, key=key, task=task, name=name) if data is not None else None
    project = create(
        Path(folder).expanduser(),
        data=None if data is None else Path(data).expanduser(),
        wishes=wishes,
        force=force,
    )
    if json_:
        from treadle.cli import printing

        printing.as_json(_plain(project))
    else:
        _tell(project)


def _tell(project: Project) -> None:
    plan = project.plan
    table = plan.table
    typer.echo(f"{table.path.name}: {table.rows:,} rows, {len(table.columns)} columns\n")
    typer.echo("guessed")
    for decision in plan.decisions:
        _line(f"{decision.subject:<6} {decision.choice:<14} {decision.reason}", 24)
    train, validation, test = plan.parts
    _line(f"{'parts':<6} {f'{train:,} rows train, {validation:,} validate, {test:,} test'}", 24)
    gate = plan.gate
    linear = "" if gate.linear is None else f", a plain linear model {gate.linear:.3g}"
    _line(f"{'gate':<6} {f'{gate.metric} {gate.op} {gate.value:g}':<14} a constant has {gate.constant:.3g}{linear}", 24)
    _section("suspects: do they know the answer?", [_suspected(s.column, s.evidence, s.sure) for s in plan.suspects])
    sure = {suspect.column for suspect in plan.suspects if suspect.sure}
    out = [f"{out.column or '(no name)'}: {out.reason}" for out in plan.left_out if out.column not in sure]
    _section("left out", out)
    _section("renamed, since these cannot be attributes", [f"{a!r} -> {b}" for a, b in plan.renamed.items()])
    _section("noted", list(plan.notes))
    _section("written", [f"{project.folder / name}" for name in project.written])
    _section("kept, since they exist", [f"{project.folder / name}" for name in project.kept])
    _section("next", _next(project))


def _next(project: Project) -> list[str]:
    here = Path(os.path.relpath(project.folder))
    steps = ["read model.py: every guess is said beside it"]
    steps += [f"cd {here}"] if str(here) != "." else []
    steps += [
        "treadle run model.py              # train and judge it once",
        "treadle run model.py --tune 12    # its candidates as a leaderboard",
        "treadle up                        # a server, in another terminal",
        "treadle apply model.py            # train, serve and watch it there",
        f"treadle predict {project.plan.name} rows.json".ljust(34) + "# ask it",
    ]
    tested = project.plan.parts[2]
    if tested < 100:
        steps.append(f"with {tested} rows to test on, gates may say: not enough data")
    return steps


def _suspected(column: str, evidence: str, sure: bool) -> str:
    return f"{column}: {evidence}" + (" (left out)" if sure else " (kept; decide)")


def _section(title: str, entries: list[str]) -> None:
    if not entries:
        return
    typer.echo(f"\n{title}")
    for entry in entries[:MOST_SAID]:
        _line(entry, 4)
    if len(entries) > MOST_SAID:
        typer.echo(f"  and {len(entries) - MOST_SAID} more, told in model.py")


def _line(text: str, hang: int) -> None:
    shown = "".join(c if c.isprintable() else "?" for c in text)
    typer.echo(
        textwrap.fill(
            shown,
            WIDTH,
            initial_indent="  ",
            subsequent_indent=" " * hang,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
            replace_whitespace=False,
        )
    )


def _plain(project: Project) -> dict[str, object]:
    plan = project.plan
    return {
        "model": plan.name,
        "folder": str(project.folder),
        "task": plan.label.task,
        "target": plan.label.target.facts.name,
        "decisions": plan.decisions,
        "suspects": plan.suspects,
        "left_out": plan.left_out,
        "renamed": plan.renamed,
        "notes": plan.notes,
        "gate": plan.gate,
        "parts": {"train": plan.parts[0], "validation": plan.parts[1], "test": plan.parts[2]},
        "written": project.written,
        "kept": project.kept,
    }
