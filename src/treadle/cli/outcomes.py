"""``treadle outcomes``: what became of predictions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from treadle.cli.options import Json, Url, open_client
from treadle.domain.errors import InvalidInput

if TYPE_CHECKING:
    from treadle.cli.outcome_files import Line, OutcomeFile
    from treadle.sdk.client import Client

MEANINGS = {
    "joined": "met its prediction",
    "late": "met its prediction, after the horizon had passed",
    "revised": "met its prediction; the earlier outcome stays in history",
    "duplicate": "known already, nothing changed",
    "waiting": "kept until its prediction is known",
    "conflicting": "not taken: another label for the same time observed",
    "unknown": "not taken: no such prediction",
    "invalid": "not taken: cannot be read",
}
"""What becomes of an outcome, in the order in which it is shown."""

REFUSED = ("conflicting", "unknown", "invalid")
SHOWN = 5

app = typer.Typer(name="outcomes", rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def outcomes() -> None:
    """Tell the server what became of predictions.

    \b
    Examples:
      treadle outcomes upload landed.csv --model flights
    """


@app.command()
def upload(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A CSV or Parquet file, an outcome a row.")],
    model: Annotated[str, typer.Option("--model", metavar="MODEL", help="The model's name.")],
    details: Annotated[
        bool, typer.Option("--details", help="Say of every line what became of it, not of the first few refused.")
    ] = False,
    zone: Annotated[
        str | None,
        typer.Option("--zone", metavar="ZONE", help="The zone of times in observed_at that name none, as Europe/Rome."),
    ] = None,
    batch: Annotated[
        int, typer.Option("--batch", metavar="N", min=1, max=100_000, help="So many in one request.")
    ] = 5_000,
    json_: Json = False,
    url: Url = None,
) -> None:
    """Upload a file of outcomes.

    Columns: prediction_id, or the model's key (where it has none, its time); label, or the label's own name;
    observed_at, when it became known (now, where that is missing). Others are not used. Uploading a file again changes
    nothing. The exit code is 1 where an outcome was not taken.

    \b
    Examples:
      treadle outcomes upload landed.csv --model flights
      treadle outcomes upload landed.parquet --model flights --details
    """
    from treadle.cli.outcome_files import OutcomeFile
    from treadle.cli.progress import Teller

    with open_client(url) as client:
        found = OutcomeFile(Path(file).expanduser(), _names(client, model), zone)
        _note_columns(found)
        tally = Tally(keep_all=details)
        with Teller() as told:
            try:
                for share, answered in _sent(client, model, found, batch):
                    tally.add(answered)
                    told(f"uploading to {model}", round(share * 100), 100, f"{tally.total:,} answered")
            except BaseException:
                told.pause()
                if tally.total:
                    typer.echo(f"{tally.total:,} outcomes had been answered; upload again to go on", err=True)
                raise
    if json_:
        from treadle.cli import printing

        printing.as_json(tally.plain(model))
    else:
        _print(tally)
    if tally.refused:
        raise typer.Exit(1)


class Tally:
    """What became of the lines so far: how many of each, and which lines to show."""

    def __init__(self, *, keep_all: bool) -> None:
        self.counts: Counter[str] = Counter()
        self.kept: list[dict[str, Any]] = []
        self._keep_all = keep_all

    @property
    def total(self) -> int:
        """How many outcomes were answered."""
        return self.counts.total()

    @property
    def refused(self) -> int:
        """How many of them were not taken."""
        return sum(self.counts[status] for status in REFUSED)

    def add(self, answered: list[dict[str, Any]]) -> None:
        """Count answers, and keep those that are to be shown."""
        for one in answered:
            self.counts[one["status"]] += 1
            if self._keep_all or (one["status"] in REFUSED and self.counts[one["status"]] <= SHOWN):
                self.kept.append(one)

    def plain(self, model: str) -> dict[str, Any]:
        """All of it for scripts."""
        counts = {status: self.counts[status] for status in _order(self.counts)}
        taken = self.total - self.refused
        return {"model": model, "accepted": taken, "rejected": self.refused, "counts": counts, "lines": self.kept}


def _names(client: Client, model: str) -> dict[str, str]:
    """The model's own names of the fields: column to field."""
    spec = json.loads(client.model(model).applied.spec_json)
    named = ((spec.get(field), field) for field in ("key", "time", "label"))
    return {name: field for name, field in named if name}


def _note_columns(found: OutcomeFile) -> None:
    if found.columns.unused:
        typer.echo(f"not used: {', '.join(found.columns.unused)}", err=True)
    if "observed_at" not in found.columns.fields.values():
        typer.echo("there is no observed_at: all of them count as known now", err=True)


def _sent(client: Client, model: str, found: OutcomeFile, batch: int) -> Iterator[tuple[float, list[dict[str, Any]]]]:
    for share, lines in found.lines(batch):
        answer = client.push_outcomes(model, [line.record for line in lines])
        if len(answer.results) != len(lines):
            raise InvalidInput(
                f"{len(lines)} outcomes got {len(answer.results)} answers", hint="is the server of this release?"
            )
        yield (
            share,
            [
                {"line": line.number, "outcome": _named_by(line), "status": result.status, "message": result.message}
                for line, result in zip(lines, answer.results, strict=True)
            ],
        )


def _named_by(line: Line) -> str:
    return " ".join(str(line.record[name]) for name in ("prediction_id", "key", "time") if name in line.record) or "-"


def _order(counts: Counter[str]) -> list[str]:
    return [status for status in MEANINGS if counts[status]] + sorted(counts.keys() - MEANINGS.keys())


def _print(tally: Tally) -> None:
    from treadle.cli import printing

    if not tally.total:
        typer.echo("the file holds no outcomes")
        return
    rows = [[status, f"{tally.counts[status]:,}", MEANINGS.get(status, "")] for status in _order(tally.counts)]
    printing.table(["outcome", "count", "meaning"], rows, right=(1,))
    if tally.kept:
        typer.echo("")
        lines = [[f"{one['line']:,}", one["outcome"], one["status"], one["message"]] for one in tally.kept]
        printing.table(["line", "of", "outcome", "why"], lines, right=(0,))
    hidden = tally.refused - len(tally.kept)
    if hidden > 0:
        typer.echo(f"and {hidden:,} more that were not taken; --details lists them all")
