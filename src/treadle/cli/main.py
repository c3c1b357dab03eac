"""``treadle``: all commands, and what becomes of their errors.

Exit codes: 0 done, 1 failed (a gate, a step, a server that does not answer), 2 used wrongly or something that the
caller can mend, 130 interrupted.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from treadle.cli import init, local, models, moving, observing, outcomes
from treadle.domain.errors import StepFailed, TreadleError, UserError

FAILED, USAGE, INTERRUPTED = 1, 2, 130


class Commands(TyperGroup):
    """Turns errors that Treadle raises on purpose into a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except TreadleError as error:
            print_error(error)
            raise typer.Exit(USAGE if isinstance(error, UserError) else FAILED) from None
        except KeyboardInterrupt:
            typer.echo("stopped", err=True)
            raise typer.Exit(INTERRUPTED) from None


def print_error(error: TreadleError) -> None:
    """Tell what is wrong and what to do, on standard error; with the traceback where a model's own code raised."""
    if isinstance(error, StepFailed) and error.traceback:
        typer.echo(error.traceback.rstrip(), err=True)
    typer.echo(f"error: {error}", err=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        from treadle import __version__

        typer.echo(f"treadle {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the release and exit.")
    ] = False,
) -> None:
    """The whole life of a machine-learning model: data, training, gates, serving, monitoring, retraining.

    Most commands talk to a server: the one at $TREADLE_URL, else the one that runs on $TREADLE_HOME or ./.treadle.

    \b
    Examples:
      treadle demo                      a model's whole life on real data
      treadle run model.py --tune 20    train and judge on this machine, without a server
      treadle up                        start a server
      treadle apply model.py            make it train, serve and watch this model
    """


app = typer.Typer(
    name="treadle",
    cls=Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
)
app.callback()(_root)
for _command in (
    local.demo,
    init.init,
    models.plan,
    models.apply,
    local.run,
    local.up,
    observing.status,
    observing.predict,
    models.models,
    models.versions,
    observing.runs,
    observing.alerts,
    models.train,
    models.promote,
    models.rollback,
    models.rollout,
    local.gc,
    moving.sync,
    local.doctor,
):
    app.command(_command.__name__)(_command)
app.add_typer(outcomes.app)
app.add_typer(moving.import_app)
app.add_typer(moving.export_app)


def main() -> None:
    """The entry point of the ``treadle`` command."""
    app(prog_name="treadle")
