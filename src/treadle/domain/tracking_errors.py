"""What is wrong with a request to tracking, in the words that MLflow's clients know; every store says it alike."""

from __future__ import annotations

from treadle.domain.errors import Conflict, InvalidInput, NotFound


def no_experiment(experiment: str) -> NotFound:
    """There is no experiment with this id."""
    return NotFound(f"No Experiment with id={experiment} exists", hint="search experiments to see which there are")


def no_experiment_named(name: str) -> NotFound:
    """There is no experiment of this name."""
    return NotFound(f"Could not find experiment with name '{name}'", hint="search experiments to see which there are")


def experiment_exists(name: str) -> Conflict:
    """The name is in use."""
    return Conflict(f"Experiment(name={name}) already exists.", hint="take another name, or log to that experiment")


def no_run(run: str) -> NotFound:
    """There is no run with this id."""
    return NotFound(f"Run with id={run} not found", hint="search runs to see which there are")


def no_run_tag(run: str, key: str) -> NotFound:
    """The run has no such tag."""
    return NotFound(f"No tag with name: {key} in run with id {run}", hint="get the run to see its tags")


def no_experiment_tag(experiment: str, key: str) -> NotFound:
    """The experiment has no such tag."""
    return NotFound(
        f"No tag with name: {key} in experiment with id {experiment}", hint="get the experiment to see its tags"
    )


def bad_cursor(cursor: str) -> InvalidInput:
    """Not a cursor that a search of this kind gave."""
    return InvalidInput(
        f"Invalid page token, {cursor[:80]!r} was not given by this search", hint="search from the start"
    )
