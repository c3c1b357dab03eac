"""Commands that work on this machine, without asking a server."""

from __future__ import annotations

from typing import Annotated

import typer

from treadle.cli.options import Home, Json, Port, parse_time


def demo(
    name: Annotated[str, typer.Argument(metavar="NAME", help="flights or bikes.")] = "flights",
    exit_: Annotated[bool, typer.Option("--exit", help="End the server when the story is over.")] = False,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="DAY", help="Begin the traffic here. Default: where the story begins."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="DAY", help="End the traffic before this day. Default: the story's end."),
    ] = None,
    home: Annotated[
        str | None,
        typer.Option("--home", metavar="FOLDER", help="A folder of its own. Default: .treadle/demo-NAME"),
    ] = None,
    port: Port = 8700,
    no_plot: Annotated[bool, typer.Option("--no-plot", help="Do not draw the report.")] = False,
) -> None:
    """Live a model's whole life on real data.

    Replays a year of flights, or of rented bikes, as production traffic under a virtual clock, reports, and keeps the
    server up.

    \b
    Examples:
      treadle demo
      treadle demo --exit --until 2013-05-01
      treadle demo bikes
    """
    from treadle.app.demo import demo as live
    from treadle.cli.progress import Teller

    with Teller() as told:

        def say(text: str) -> None:
            told.pause()
            typer.echo(text)

        lived = live(
            name,
            home=home,
            port=port,
            since=parse_time(since, "--from"),
            until=parse_time(until, "--until"),
            plot=not no_plot,
            exit_=exit_,
            told=told,
            say=say,
        )
    if lived.failed:
        raise typer.Exit(1)


def run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The model file.")],
    tune: Annotated[int, typer.Option("--tune", metavar="N", min=0, help="Search N sets of parameters.")] = 0,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="TIME", help="Use what was known then: a day or a time, UTC. Default: now."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="S", help="Default: the model's own seed.")] = None,
    resume: Annotated[str | None, typer.Option("--resume", metavar="RUN", help="Go on with this run's search.")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Train and judge a model here, without a server.

    Nothing is registered or served. The exit code is 1 unless all gates pass.

    \b
    Examples:
      treadle run model.py
      treadle run model.py --tune 20 --as-of 2013-03-01
    """
    from treadle.app.local_run import run_file
    from treadle.cli import printing
    from treadle.cli.progress import Teller
    from treadle.domain.gates import Verdict

    moment = parse_time(as_of, "--as-of")
    with Teller() as told:
        done = run_file(file, tune=tune, as_of=moment, seed=seed, resume=resume, home=home, told=told)
    if json_:
        printing.as_json(
            {"model": done.model, "run": done.run, "leaderboard": done.leaderboard, "gates": done.gates,
             "champion": done.champion}
        )  # fmt: skip
    else:
        typer.echo(f"run {done.run.id}: {printing.figures(done.run.metrics)}\n")
        if done.leaderboard:
            printing.leaderboard(done.leaderboard)
            typer.echo()
        printing.gates(done.gates)
        against = f" (against version {done.champion})" if done.champion is not None else ""
        typer.echo(f"\n{done.gates.verdict.value.replace('_', ' ')}{against}: {done.gates.reason()}")
    if done.gates.verdict is not Verdict.PASS:
        raise typer.Exit(1)


def up(
    port: Port = 8700,
    host: Annotated[str, typer.Option("--host", help="This machine's loopback address.")] = "127.0.0.1",
    home: Home = None,
    virtual_clock: Annotated[
        str | None,
        typer.Option("--virtual-clock", metavar="TIME", help="Let time stand still, here at first, until it is moved."),
    ] = None,
) -> None:
    """Start a server and keep it running until Ctrl-C.

    \b
    Examples:
      treadle up
      TREADLE_HOME=/srv/treadle treadle up --port 9000
    """
    from treadle.app.settings import settings
    from treadle.app.supervisor import up as serve

    start = parse_time(virtual_clock, "--virtual-clock")
    serve(settings(home, host=host, port=port), virtual_start=start, told=typer.echo)


def gc(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="Free what was deleted for longer than this.")
    ] = "30d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be freed, and free nothing.")] = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Free what was deleted: runs, experiments and their artifacts.

    Deleted runs and experiments can be restored until then. Blobs and code trees that nothing names are freed too, but
    only while no server and no run uses the home; environments of models stay.

    \b
    Examples:
      treadle gc --dry-run
      treadle gc --older-than 12h
    """
    from treadle.app.collecting import collect, lines, parse_age
    from treadle.cli import printing

    collected = collect(home, older_than=parse_age(older_than), dry_run=dry_run)
    if json_:
        printing.as_json(collected)
        return
    for line in lines(collected):
        typer.echo(line)


def doctor(home: Home = None, port: Port = 8700, json_: Json = False) -> None:
    """Check this machine, and say what to mend.

    The exit code is 1 where something fails.

    \b
    Examples:
      treadle doctor
      treadle doctor --home /srv/treadle --port 9000
    """
    from treadle.app.doctor import examine
    from treadle.cli import printing

    findings = examine(home, port=port)
    if json_:
        printing.as_json(findings)
    for finding in [] if json_ else findings:
        typer.echo(f"{finding.state.value:<5} {finding.subject:<12} {finding.found}")
        if finding.remedy:
            typer.echo(f"{'':<18} -> {finding.remedy}")
    if any(finding.failed for finding in findings):
        raise typer.Exit(1)
