"""Commands that look, and ask for predictions."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from treadle.cli.options import Json, Url, open_client
from treadle.domain.errors import InvalidInput

if TYPE_CHECKING:
    from treadle.domain.runs import Run
    from treadle.sdk.records import ModelStatus, Status


def status(json_: Json = False, url: Url = None) -> None:
    """Show every model and what is being done.

    What answers, how it fares on live traffic, and what needs attention.

    \b
    Examples:
      treadle status
      treadle status --json
    """
    from treadle.cli import printing

    with open_client(url) as client:
        found = client.status()
    if json_:
        printing.as_json(found)
        return
    clock = "virtual clock" if found.virtual else "UTC"
    typer.echo(f"treadle {found.version} on {found.home}, {printing.moment(found.now)} ({clock})")
    if found.loop != "running":
        typer.echo("the loop is being restarted; see logs/loop.log in the home")
    if not found.gateways:
        typer.echo("no gateway has answered yet")
    _print_doing(found)
    if not found.models:
        typer.echo("no model yet: treadle apply model.py")
        return
    typer.echo("")
    header = ["model", "revision", "champion", "since", "under way", "realised", "incidents"]
    printing.table(header, [_model_row(model) for model in found.models], right=(1, 2, 6))
    for model in found.models:
        for incident in model.incidents:
            typer.echo(f"! {model.name}: {incident.title} (since {printing.moment(incident.opened_at)})")


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.")],
    rows: Annotated[str, typer.Argument(metavar="ROWS", help="JSON text, a file with JSON (lines), or - for stdin.")],
    json_: Json = False,
    url: Url = None,
) -> None:
    """Ask a model to score rows.

    ROWS is one object, a list of them, or an object a line.

    \b
    Examples:
      treadle predict flights '{"carrier": "UA", "distance": 1400, "origin": "EWR"}'
      treadle predict flights rows.jsonl --json
      cat rows.json | treadle predict flights -
    """
    from treadle.cli import printing

    asked = read_rows(rows)
    with open_client(url) as client:
        found = client.predict(model, asked)
    if json_:
        printing.as_json(found)
        return
    typer.echo(f"{found.model} version {found.version}")
    cells = [[p.id, printing.number(p.score), _decision(p.decision)] for p in found.predictions]
    printing.table(["prediction", "score", "decision"], cells, right=(1,))


def runs(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="Show this one, with its leaderboard.")] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="Of this model alone.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000, help="So many at most.")] = 20,
    trials: Annotated[bool, typer.Option("--trials", help="The trials of searches too.")] = False,
    json_: Json = False,
    url: Url = None,
) -> None:
    """List training runs, newest first, or show one.

    \b
    Examples:
      treadle runs --model flights
      treadle runs run-flights-20130301000000-1a2b3c
    """
    from treadle.cli import printing

    with open_client(url) as client:
        if run is not None:
            one = client.run(run)
            if json_:
                printing.as_json(one)
            else:
                _print_run(one)
            return
        found = client.runs(model=model, parent=None if trials else "", limit=limit)
        if model is not None and not found:
            client.model(model)
    if json_:
        printing.as_json(found)
        return
    cells = [
        [r.id, r.model, r.status.value, printing.moment(r.started_at), _seconds(r), printing.brief(r.metrics)]
        for r in found
    ]
    printing.table(["run", "model", "status", "started", "seconds", "metrics"], cells, right=(4,))


def alerts(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="Of this model alone.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
    json_: Json = False,
    url: Url = None,
) -> None:
    """List what needs attention, with the numbers behind it.

    \b
    Examples:
      treadle alerts
      treadle alerts flights --all --json
    """
    from treadle.cli import printing

    with open_client(url) as client:
        found = client.incidents(model=model, open_only=not all_)
        if model is not None and not found:
            client.model(model)
    if json_:
        printing.as_json(found)
        return
    if not found:
        typer.echo("nothing needs attention")
        return
    cells = [
        [
            i.model,
            i.kind,
            printing.moment(i.opened_at),
            printing.moment(i.resolved_at) if i.resolved_at else "open",
            i.title,
            ", ".join(f"{k} {printing.number(v) if isinstance(v, float) else v}" for k, v in i.numbers.items()) or "-",
        ]
        for i in found
    ]
    printing.table(["model", "kind", "opened", "resolved", "what", "numbers"], cells)
    for i in found:
        if i.resolved_at is None and i.detail:
            typer.echo(f"\n{i.model}: {i.title}\n  " + "\n  ".join(i.detail.strip().splitlines()))


def read_rows(source: str) -> list[Any]:
    """Rows from JSON text, from a file, or from standard input (``-``). Raises InvalidInput."""
    if source == "-":
        text, where = sys.stdin.read(), "standard input"
    elif source.lstrip().startswith(("{", "[")):
        text, where = source, "ROWS"
    else:
        where = source
        try:
            text = Path(source).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise InvalidInput(
                f"cannot read rows from {source}: {reason}", hint="give JSON text, a file with JSON, or - for stdin"
            ) from error
    found = _parsed(text, where)
    if isinstance(found, dict):
        found = found["rows"] if set(found) == {"rows"} else [found]
    if not isinstance(found, list) or not found or not all(isinstance(row, dict) for row in found):
        raise InvalidInput(f"{where} holds no rows", hint='a row is an object: {"column": value, ...}')
    return found


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as whole:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or not lines[0].lstrip().startswith("{") or not lines[0].rstrip().endswith("}"):
            raise InvalidInput(f"{where} is no JSON: {whole}", hint='a row is {"column": value, ...}') from whole
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise InvalidInput(
                f"{where}, line {number}, is no JSON: {error}", hint="write one object a line"
            ) from error
    return rows


def _print_doing(found: Status) -> None:
    from treadle.loop.activity import in_words

    for doing in found.doing:
        share = "" if doing.share is None else f" {doing.share:.0%}"
        detail = f": {doing.detail}" if doing.detail else ""
        typer.echo(f"{in_words(doing.what)} {doing.model}{share}{detail} ({doing.seconds:.0f} s)")


def _model_row(model: ModelStatus) -> list[str]:
    from treadle.cli import printing

    under_way = [f"training {model.training}"] if model.training else []
    under_way += [f"version {model.candidate} at the gates"] if model.candidate is not None else []
    realised = "-"
    if model.realised is not None:
        metrics = {name: m.value for name, m in model.realised.metrics.items() if m.value is not None}
        share = f"{model.realised.coverage:.0%} of {model.realised.predictions:,}"
        realised = f"{printing.brief(metrics)} ({model.realised.maturity.value}, {share})"
    return [
        model.name,
        str(model.revision),
        "-" if model.champion is None else str(model.champion),
        printing.moment(model.promoted_at),
        ", ".join(under_way) or "-",
        realised,
        str(len(model.incidents)),
    ]


def _print_run(run: Run) -> None:
    from treadle.cli import printing

    typer.echo(
        f"{run.id} of {run.model}: {run.status.value}, started {printing.moment(run.started_at)}, {_seconds(run)} s"
    )
    typer.echo(f"params   {', '.join(f'{k}={v}' for k, v in run.params.items()) or '-'}")
    typer.echo(f"metrics  {printing.figures(run.metrics)}")
    typer.echo(f"data     {run.snapshot or '-'}")
    if run.error:
        typer.echo(f"error    {run.error}")
    if run.leaderboard:
        typer.echo("")
        printing.leaderboard(run.leaderboard)


def _seconds(run: Run) -> str:
    return "-" if run.ended_at is None else f"{(run.ended_at - run.started_at).total_seconds():.0f}"


def _decision(decision: bool | str | float | None) -> str:
    from treadle.cli import printing

    if isinstance(decision, float):
        return printing.number(decision)
    return "-" if decision is None else str(decision)
