from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from treadle.domain.errors import InvalidInput, StepCancelled, StepFailed
from treadle.domain.runs import RunStatus
from treadle.ports.steps import Report
from treadle.spec.model_spec import ModelSpec, ParamSpec
from treadle.train.tuning import Measured, Params, Search, search

SpecOf = Callable[..., ModelSpec]


class Killed(BaseException):
    """Stands for a process that is gone."""


class Bowl:
    """An objective with its best value 0 at strength 1.5; may be killed at a trial."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.seen: list[Params] = []
        self.kill_at = kill_at

    def __call__(self, params: Params, report: Report, _run: str) -> Measured:
        if len(self.seen) == self.kill_at:
            raise Killed
        self.seen.append(dict(params))
        value = -((float(params["strength"]) - 1.5) ** 2)
        for step in range(3):
            hopeless = report(step, value)
            assert type(hopeless) is bool  # it goes to the model's process as JSON
            if hopeless:
                return Measured(value, {"auc": value}, 0.5)
        return Measured(value, {"auc": value}, 1.0)


def run_search(works: Any, spec: ModelSpec, measure: Any, trials: int = 15, higher: bool = True) -> Any:
    wanted = Search(spec, "r", trials, seed=3, higher=higher)
    return search(wanted, measure, works.runs, works.service._clock)


def test_search_improves_on_the_defaults(works: Any, spec_of: SpecOf) -> None:
    bowl = Bowl()
    candidates = run_search(works, spec_of(), bowl, trials=25)
    assert bowl.seen[0] == spec_of().default_params()
    best = next(c for c in candidates if c.chosen)
    assert best.objective > -0.1
    assert {c.state for c in candidates} == {"complete", "pruned"}
    assert all(1 <= c.params["rounds"] <= 6 and c.params["link"] == "logit" for c in candidates)
    pruned = next(c for c in candidates if c.state == "pruned")
    assert pruned.objective is None
    assert pruned.seconds == 0.5


def test_a_trial_that_fails_says_why(works: Any, spec_of: SpecOf) -> None:
    told: list[str] = []

    def measure(params: Params, _report: Report, _run: str) -> Measured:
        if told:
            raise StepFailed("ValueError: too strong\nand more")
        return Measured(1.0, {}, 1.0)

    wanted = Search(spec_of(), "r", 2, seed=3, higher=True)
    search(wanted, measure, works.runs, works.service._clock, progress=lambda what, _: told.append(what))
    assert told == ["trial 1 of 2: 1", "trial 2 of 2 (failed: ValueError: too strong)"]


@pytest.mark.parametrize("kill_at", [0, 1, 7, 14])
def test_a_killed_search_goes_on_as_if_it_had_not_been(works: Any, spec_of: SpecOf, kill_at: int) -> None:
    whole = Bowl()
    expected = run_search(type(works)(), spec_of(), whole)
    first, second = Bowl(kill_at), Bowl()
    with pytest.raises(Killed):
        run_search(works, spec_of(), first)
    got = run_search(works, spec_of(), second)
    assert first.seen + second.seen == whole.seen
    assert got == expected
    assert run_search(works, spec_of(), Bowl(0)) == expected  # all trials are remembered: none is run again


def test_a_longer_search_goes_on_from_a_shorter_one(works: Any, spec_of: SpecOf) -> None:
    short, longer = Bowl(), Bowl()
    run_search(works, spec_of(), short, trials=5)
    assert len(run_search(works, spec_of(), longer, trials=9)) == 9
    assert len(longer.seen) == 4


def test_lower_is_better(works: Any, spec_of: SpecOf) -> None:
    def loss(params: Params, _report: Report, _run: str) -> Measured:
        return Measured((float(params["strength"]) - 1.5) ** 2, {}, 0.0)

    best = next(c for c in run_search(works, spec_of(), loss, higher=False) if c.chosen)
    assert best.objective < 0.2


def test_failed_trials_are_kept_and_told(works: Any, spec_of: SpecOf) -> None:
    def fragile(params: Params, _report: Report, _run: str) -> Measured:
        if float(params["strength"]) > 1:
            raise StepFailed("diverged")
        return Measured(None if float(params["strength"]) < 0.1 else 1.0, {}, 0.0)

    candidates = run_search(works, spec_of(), fragile)
    assert {c.state for c in candidates} == {"complete", "failed"}
    failed = [r for r in works.runs.list(parent="r") if r.status is RunStatus.FAILED]
    assert failed
    assert all(r.error for r in failed)

    def hopeless(_params: Params, _report: Report, _run: str) -> Measured:
        raise StepFailed("no data")

    with pytest.raises(StepFailed, match="none of 3 trials"):
        run_search(type(works)(), spec_of(), hopeless, trials=3)


def test_cancelled_trials_are_recorded(works: Any, spec_of: SpecOf) -> None:
    def cancelled(_params: Params, _report: Report, _run: str) -> Measured:
        raise StepCancelled("stopped")

    with pytest.raises(StepCancelled):
        run_search(works, spec_of(), cancelled)
    assert works.runs.get("r-t000").status is RunStatus.CANCELLED


def test_choices_and_nothing_to_tune(works: Any, spec_of: SpecOf) -> None:
    params = (
        ParamSpec("kind", "str", "b", choices=("a", "b", "c")),
        ParamSpec("deep", "bool", False, choices=(True, False)),
    )

    def measure(params: Params, _report: Report, _run: str) -> Measured:
        return Measured({"a": 0.0, "b": 1.0, "c": 2.0}[str(params["kind"])] + bool(params["deep"]), {}, 0.0)

    best = next(c for c in run_search(works, spec_of(params=params), measure) if c.chosen)
    assert best.params == {"kind": "c", "deep": True}
    with pytest.raises(InvalidInput, match="no parameter to tune"):
        run_search(works, spec_of(params=(ParamSpec("depth", "int", 3),)), measure)
