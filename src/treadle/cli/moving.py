"""``treadle import``, ``treadle export`` and ``treadle sync``: what was logged elsewhere, or not delivered yet."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from treadle.cli.options import Json, Url

if TYPE_CHECKING:
    from treadle.sdk.mlflow.moving import Moved

SHOWN = 20

import_app = typer.Typer(name="import", rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)
export_app = typer.Typer(name="export", rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)

Artifacts = Annotated[
    str | None,
    typer.Option(
        "--artifacts",
        metavar="FOLDER",
        help="Where MLflow's server keeps its clients' artifacts. Default: mlartifacts beside the source.",
    ),
]


@import_app.callback()
def import_() -> None:
    """Bring in what another tool has tracked.

    \b
    Examples:
      treadle import mlflow sqlite:///mlflow.db
    """


@import_app.command("mlflow")
def import_mlflow(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A server's address, sqlite:///FILE, or a folder.")],
    artifacts: Artifacts = None,
    json_: Json = False,
    url: Url = None,
) -> None:
    """Import everything that an MLflow server holds.

    Experiments, runs, metrics, data sets, models, artifacts. Runs keep their ids. Each is compared after it has
    arrived; one that is there is not moved again, so that the command can be stopped, and called again. The exit code
    is 1 where something could not be moved.

    \b
    Examples:
      treadle import mlflow http://127.0.0.1:5000
      treadle import mlflow sqlite:///mlflow.db --artifacts mlartifacts
      treadle import mlflow ./mlruns
    """
    from treadle.sdk.addresses import find_server

    _move(source, find_server(url).control, artifacts, json_=json_)


@export_app.callback()
def export() -> None:
    """Take everything that was tracked elsewhere.

    \b
    Examples:
      treadle export mlflow http://127.0.0.1:5000
    """


@export_app.command("mlflow")
def export_mlflow(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="The address of an MLflow server.")],
    json_: Json = False,
    url: Url = None,
) -> None:
    """Export everything to an MLflow server.

    MLflow's server gives runs ids of its own; the tag treadle.run holds the one here. For a database or a folder start
    MLflow's server on it. Stopped and called again it goes on where it was.

    \b
    Examples:
      treadle export mlflow http://127.0.0.1:5000
    """
    from treadle.sdk.addresses import find_server

    _move(find_server(url).control, target, None, json_=json_)


def sync(
    json_: Json = False,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="The server. Default: the one that each run was meant for."),
    ] = None,
) -> None:
    """Send what runs could not deliver.

    Their server was away, or the program was killed. Each goes to the server that it was meant for, or to
    --url. The exit code is 1 where something stays here.

    \b
    Examples:
      treadle sync
      treadle sync --url http://127.0.0.1:8710
    """
    from treadle.sdk.addresses import find_server
    from treadle.sdk.tracking.replay import replay
    from treadle.sdk.tracking.spool import spool_folder

    found = list(replay(spool_folder(), server=None if url is None else find_server(url).control))
    if json_:
        from treadle.cli import printing

        printing.as_json([{**asdict(one), "folder": str(one.folder)} for one in found])
    elif not found:
        typer.echo("nothing waits")
    for one in [] if json_ else found:
        what = "has arrived" if one.sent else f"stays in {one.folder}: {one.trouble}"
        typer.echo(f"run {one.name} ({one.run}) {what}")
        if one.refused:
            typer.echo(f"  the server did not take {one.refused:,} things; {one.folder / 'refused'} says which and why")
    if not all(one.sent and not one.refused for one in found):
        raise typer.Exit(1)


def _move(source: str, target: str, artifacts: str | None, *, json_: bool) -> None:
    from treadle.cli.progress import Teller
    from treadle.sdk.mlflow.moving import Mover
    from treadle.sdk.mlflow.open import open_source
    from treadle.sdk.mlflow.rest import Remote, checked_url
    from treadle.sdk.mlflow.target import Target

    remote = Remote(checked_url(target))
    opened = open_source(source, None if artifacts is None else Path(artifacts).expanduser())
    with closing(remote), closing(opened), Teller() as told:
        moved = Mover(opened, Target(remote), lambda what: told(what, None, None, "")).move()
    if json_:
        from treadle.cli import printing

        printing.as_json(asdict(moved))
    else:
        _print(moved)
    if not moved.ok:
        raise typer.Exit(1)


def _print(moved: Moved) -> None:
    from treadle.cli import printing

    rows = [
        ["experiments", f"{moved.experiments:,}"],
        ["runs moved", f"{moved.runs:,}"],
        ["runs that were there", f"{moved.known:,}"],
        ["metric points", f"{moved.points:,}"],
        ["artifacts", f"{moved.artifacts:,} ({moved.artifact_bytes / 1e6:,.1f} MB)"],
        ["logged models", f"{moved.logged_models:,}"],
        ["registered models", f"{moved.registered_models:,}"],
        ["versions", f"{moved.versions:,}"],
    ]
    printing.table(["what", "count"], rows, right=(1,))
    for problem in moved.problems[:SHOWN]:
        typer.echo(f"problem: {problem}", err=True)
    if len(moved.problems) > SHOWN:
        typer.echo(f"and {len(moved.problems) - SHOWN:,} more problems; --json lists them all", err=True)
    if moved.ok:
        typer.echo("all runs were compared with their source: points, params, tags, artifacts are equal")
