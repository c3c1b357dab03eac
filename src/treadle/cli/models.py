"""Commands about models and their versions."""

from __future__ import annotations

import enum
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from treadle.cli.options import Json, Url, open_client
from treadle.domain.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from treadle.domain.gates import GateReport
    from treadle.sdk.client import Client
    from treadle.sdk.records import Plan, RegistryVersion, VersionSummary

File = Annotated[str, typer.Argument(metavar="FILE", help="The model file; its modules beside it are sent along.")]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the audit log.")]


class RolloutAction(enum.Enum):
    """What can be asked of a rollout under way."""

    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"


def plan(file: File, json_: Json = False, url: Url = None) -> None:
    """Show what applying a model file would change.

    Nothing is changed; building an environment for the first time may take a minute.

    \b
    Examples:
      treadle plan model.py
      treadle plan model.py --json
    """
    from treadle.cli import printing
    from treadle.cli.plans import print_plan
    from treadle.cli.progress import Teller
    from treadle.sdk.bundles import pack

    bundle = pack(file)
    with open_client(url) as client, Teller() as told:
        found = client.plan(bundle, log=told.log)
    if json_:
        printing.as_json(found)
    else:
        print_plan(found)


def apply(
    file: File,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow until the version serves, is rolled out or was refused.")
    ] = False,
    timeout: Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=1, help="Wait no longer.")] = 3600.0,
    json_: Json = False,
    url: Url = None,
) -> None:
    """Train, judge, serve and watch a model from now on.

    Makes the model file the server's desired state. Shows the plan and asks first. With --wait the exit code is 1
    unless a version of it serves or its rollout has begun.

    \b
    Examples:
      treadle apply model.py
      treadle apply model.py --yes --wait
    """
    from treadle.cli import printing
    from treadle.cli.following import Watched, follow
    from treadle.cli.plans import print_plan
    from treadle.cli.progress import Teller
    from treadle.sdk.bundles import pack

    bundle = pack(file)
    with open_client(url) as client, Teller() as told:
        found = client.plan(bundle, log=told.log)
        if found.changes and not yes:
            told.pause()
            _ask(found)
        latest = client.latest_events(limit=1)
        after = latest[0].position if latest else 0
        applied = client.apply(bundle, expected=found.digest)
        told.pause()
        if not json_:
            if yes:
                print_plan(found)
            typer.echo(f"{applied.model} is at revision {applied.revision}" + ("" if applied.changed else " already"))
        ended = None
        if wait and applied.changed:
            with Teller() as waiting:
                ended = follow(client, applied.model, Watched(applied.revision), after, timeout, waiting)
    if json_:
        printing.as_json({"applied": applied, "ended": ended})
    elif ended is not None:
        typer.echo(ended.told)
    if ended is not None and not ended.serves:
        raise typer.Exit(1)


def train(
    model: ModelName,
    tune: Annotated[
        int, typer.Option("--tune", metavar="N", min=0, max=10_000, help="Search N sets of parameters.")
    ] = 0,
    reason: Reason = "asked for",
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow until the version serves, is rolled out or was refused.")
    ] = False,
    timeout: Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=1, help="Wait no longer.")] = 3600.0,
    json_: Json = False,
    url: Url = None,
) -> None:
    """Ask for a new version of what is known now.

    It passes the gates and is rolled out as any other. With --wait the exit code is 1 unless it serves or its rollout
    has begun.

    \b
    Examples:
      treadle train flights
      treadle train flights --tune 20 --reason "new weather data" --wait
    """
    from treadle.cli import printing
    from treadle.cli.following import Watched, follow
    from treadle.cli.progress import Teller

    with open_client(url) as client:
        latest = client.latest_events(limit=1)
        after = latest[0].position if latest else 0
        asked = client.train(model, reason=reason, tune=tune)
        if not json_:
            typer.echo(f"training {asked.attempt} of what is known at {printing.moment(asked.as_of)} UTC is asked for")
        ended = None
        if wait:
            with Teller() as told:
                ended = follow(client, model, Watched(None, {asked.attempt}), after, timeout, told)
    if json_:
        printing.as_json({"asked": asked, "ended": ended})
    elif ended is not None:
        typer.echo(ended.told)
    if ended is not None and not ended.serves:
        raise typer.Exit(1)


def models(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="Show this one alone, in detail.")] = None,
    json_: Json = False,
    url: Url = None,
) -> None:
    """List the models, or show one.

    \b
    Examples:
      treadle models
      treadle models flights --json
    """
    from treadle.cli import printing

    with open_client(url) as client:
        if model is not None:
            detail = client.model(model)
            if json_:
                printing.as_json(detail)
                return
            code, environment = detail.applied.code, detail.applied.environment
            files = "1 file" if len(code.files) == 1 else f"{len(code.files)} files"
            commit = f" of commit {code.commit[:12]}{' with changes' if code.dirty else ''}" if code.commit else ""
            typer.echo(
                f"{model}, revision {detail.applied.revision}, applied {printing.moment(detail.applied.applied_at)}"
            )
            typer.echo(f"code         {code.entry} ({files}, {code.digest[:12]}){commit}")
            typer.echo(f"environment  Python {environment.python} ({environment.digest[:12]})")
            aliases = ", ".join(f"{alias} is version {number}" for alias, number in sorted(detail.aliases.items()))
            typer.echo(f"aliases      {aliases or 'none yet'}")
            return
        found = client.models()
    if json_:
        printing.as_json(found)
        return
    rows = [
        [
            m.name,
            str(m.revision),
            m.task,
            _or_dash(m.champion),
            _or_dash(m.challenger),
            str(m.versions),
            _first_line(m.doc),
        ]
        for m in found
    ]
    printing.table(["model", "revision", "task", "champion", "challenger", "versions", ""], rows, right=(1, 3, 4, 5))


def versions(
    model: ModelName,
    number: Annotated[int | None, typer.Argument(metavar="VERSION", help="Show this one alone, in detail.")] = None,
    json_: Json = False,
    url: Url = None,
) -> None:
    """List a model's versions, or show one with its gates.

    Versions that MLflow's clients registered are listed below those that Treadle trained.

    \b
    Examples:
      treadle versions flights
      treadle versions flights 3
    """
    from treadle.cli import printing

    with open_client(url) as client:
        if number is not None:
            version, lineage = client.version(model, number), client.lineage(model, number)
            if json_:
                printing.as_json({"version": version, "lineage": lineage})
                return
            typer.echo(f"{model} version {number}, made {printing.moment(version.created_at)} by run {version.run}")
            typer.echo(f"knew         what was known at {printing.moment(version.as_of)}")
            typer.echo(f"metrics      {printing.figures(version.metrics)}")
            typer.echo(f"threshold    {printing.number(version.threshold)}")
            typer.echo(f"served by    {version.compilation.runtime} {version.compilation.reason}".rstrip())
            typer.echo(f"recipe       {version.recipe_digest}")
            typer.echo(f"artifact     {version.artifact_digest}")
            _print_gates(version.gates)
            return
        found, others = _versions_of(client, model)
    if json_:
        printing.as_json(found or others)
        return
    if found or not others:
        printing.table(
            ["version", "alias", "made", "knew until", "gates", "runtime", "metrics", "reason"],
            [_version_row(version) for version in found],
            right=(0,),
        )
    if others:
        printing.table(
            ["registered", "alias", "stage", "made", "source"],
            [[str(v.number), ", ".join(v.aliases), v.stage, printing.moment(v.created_at), v.source] for v in others],
            right=(0,),
        )


def _versions_of(client: Client, model: str) -> tuple[list[VersionSummary], list[RegistryVersion]]:
    """Versions that Treadle trained, and those that clients of MLflow registered. Raises NotFound where neither is."""
    try:
        others = [version for version in client.registered(model).versions if not version.owned]
    except NotFound:
        others = []
    try:
        return client.versions(model), others
    except NotFound:
        if not others:
            raise
        return [], others


def promote(
    model: ModelName,
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="The version's number.")],
    reason: Reason = "asked for",
    json_: Json = False,
    url: Url = None,
) -> None:
    """Give a version all traffic at once.

    Returns when the gateways serve it.

    \b
    Examples:
      treadle promote flights 3
      treadle promote flights 3 --reason "approved by the desk"
    """
    from treadle.cli import printing

    with open_client(url) as client:
        after = client.promote(model, version, reason=reason)
    if json_:
        printing.as_json(after)
    else:
        typer.echo(f"{model}: version {after.champion} answers (before: {_or_dash(after.previous)})")


def rollback(
    model: ModelName,
    to: Annotated[
        int | None, typer.Option("--to", metavar="VERSION", min=1, help="Default: the one before the champion.")
    ] = None,
    reason: Reason = "asked for",
    json_: Json = False,
    url: Url = None,
) -> None:
    """Let an earlier version answer again.

    Returns when the gateways serve it.

    \b
    Examples:
      treadle rollback flights
      treadle rollback flights --to 1 --reason "complaints from the desk"
    """
    from treadle.cli import printing

    with open_client(url) as client:
        after = client.rollback(model, to=to, reason=reason)
    if json_:
        printing.as_json(after)
    else:
        typer.echo(f"{model}: version {after.champion} answers again")


def rollout(
    model: ModelName,
    action: Annotated[RolloutAction, typer.Argument(metavar="ACTION", help="pause, resume or abort.")],
    reason: Reason = "asked for",
    json_: Json = False,
    url: Url = None,
) -> None:
    """Pause, resume or abort the rollout under way.

    A paused rollout stands still, traffic as it is; resumed, its step begins anew. Aborted, the champion answers
    everything again. To cut a rollout short the other way, promote its version.

    \b
    Examples:
      treadle rollout flights pause --reason "the desk is away"
      treadle rollout flights abort
    """
    from treadle.cli import printing

    with open_client(url) as client:
        after = client.rollout(model, action.value, reason=reason)
    if json_:
        printing.as_json(after)
    elif after.rollout is None:
        typer.echo(f"{model}: nothing is being rolled out")
    else:
        typer.echo(f"{model}: the rollout of version {after.rollout.version} is {after.rollout.state.value}")


def _ask(plan: Plan) -> None:
    from treadle.cli.plans import print_plan

    if not _someone_is_there():
        raise InvalidInput("there is nobody to ask", hint="look at `treadle plan`, then give --yes")
    print_plan(plan)
    if not typer.confirm("apply?"):
        typer.echo("nothing was changed", err=True)
        raise typer.Exit(1)


def _someone_is_there() -> bool:
    return sys.stdin.isatty()


def _print_gates(report: GateReport | None) -> None:
    from treadle.cli import printing

    typer.echo("")
    if report is None:
        typer.echo("not held against its gates yet")
    else:
        printing.gates(report)


def _version_row(version: VersionSummary) -> list[str]:
    from treadle.cli import printing

    return [
        str(version.number),
        ", ".join(version.aliases) or "-",
        printing.moment(version.created_at),
        printing.moment(version.as_of),
        version.verdict.value.replace("_", " ") if version.verdict else "-",
        version.runtime,
        printing.brief(version.metrics),
        version.reason or "-",
    ]


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _or_dash(number: int | None) -> str:
    return "-" if number is None else str(number)
