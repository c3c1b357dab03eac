"""Searching the declared parameters on validation rows.

Trials are proposed by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011) and stopped early by its
median rule. Every trial is a child run; a search that was killed goes on from those. Each proposal depends on the
seed, the trial's number and the finished trials alone, so that a search which was interrupted ends as one that was
not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from treadle.domain.errors import InvalidInput, StepCancelled, StepFailed
from treadle.domain.runs import Candidate, MetricPoint, Run, RunStatus
from treadle.ports.clock import Clock
from treadle.ports.runs import Runs
from treadle.ports.steps import Report
from treadle.spec.model_spec import ModelSpec, ParamSpec

if TYPE_CHECKING:
    import optuna

Params = Mapping[str, float | int | str | bool]

INTERMEDIATE = "intermediate"
STARTUP_TRIALS = 5
"""Finished trials before the median rule stops any."""


@dataclass(frozen=True)
class Measured:
    """What one set of parameters reached on validation rows; ``objective`` is None where it could not be measured.

    ``pruned`` ones ended early, and are no candidates.
    """

    objective: float | None
    metrics: dict[str, float]
    seconds: float
    pruned: bool = False


Measure = Callable[[Params, Report, str], Measured]
"""Fits and measures one set of parameters, as the run with that id; tells of intermediate values as it goes, and may be
told to stop."""


@dataclass(frozen=True)
class Search:
    """One search: ``trials`` of them, under the run ``run_id``; ``higher`` tells which way the objective improves."""

    spec: ModelSpec
    run_id: str
    trials: int
    seed: int
    higher: bool


def search(
    wanted: Search,
    measure: Measure,
    runs: Runs,
    clock: Clock,
    *,
    progress: Callable[[str, float], None] | None = None,
) -> list[Candidate]:
    """Carry the search out, or on, and return its candidates in order, the best one chosen.

    The first trial has the declared defaults. Intermediate values must point the way of the objective. Raises
    InvalidInput where nothing is tunable, StepFailed where every trial failed, StepCancelled.
    """
    tunable = [param for param in wanted.spec.params if param.tunable]
    if not tunable:
        raise InvalidInput(
            f"model {wanted.spec.name!r} has no parameter to tune",
            hint="give one a range, for example learning_rate: float = tune(0.1, low=0.01, high=0.3)",
        )
    study = _Study(wanted, tunable)
    done = _finished(runs, wanted.run_id)
    for number in range(wanted.trials):
        run = done.get(number)
        if run is None:
            run = _try(study, number, measure, runs, clock)
        else:
            study.recall(run, runs.points(run.id, INTERMEDIATE))
        study.candidates.append(_candidate(number, run))
        if progress is not None:
            progress(_told(number, wanted.trials, run), (number + 1) / wanted.trials)
    return _choose(study.candidates, wanted)


class _Study:
    """The Optuna study, rebuilt from finished trials."""

    def __init__(self, wanted: Search, tunable: Sequence[ParamSpec]) -> None:
        import optuna

        logging.getLogger("optuna").setLevel(logging.WARNING)
        self.wanted = wanted
        self.candidates: list[Candidate] = []
        self._optuna = optuna
        self._space = {param.name: _distribution(param) for param in tunable}
        self._defaults = {param.name: param.default for param in tunable}
        self._fixed = wanted.spec.default_params()
        self._study = optuna.create_study(
            direction="maximize" if wanted.higher else "minimize",
            sampler=optuna.samplers.RandomSampler(seed=wanted.seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS),
        )

    def ask(self, number: int) -> optuna.Trial:
        """The next trial; the same one however often the search was interrupted before it."""
        self._study.sampler = self._optuna.samplers.TPESampler(
            seed=(self.wanted.seed * 1_000_003 + number) % 2**32, n_startup_trials=min(10, 2 + len(self._space) * 2)
        )
        if number == 0:
            self._study.enqueue_trial(self._defaults)
        return self._study.ask(self._space)

    def params(self, trial: optuna.Trial) -> dict[str, float | int | str | bool]:
        """All parameters of a trial, the fixed ones too."""
        return self._fixed | trial.params

    def tell(self, trial: optuna.Trial, objective: float | None, state: str) -> None:
        """End a trial."""
        self._study.tell(trial, objective if state == "complete" else None, state=self._state(state))

    def recall(self, run: Run, points: Sequence[MetricPoint]) -> None:
        """Add a trial that ended before the search was interrupted."""
        state = run.tags.get("state", "failed")
        value = run.metrics.get("objective")
        trial = self._optuna.trial.create_trial(
            state=self._state(state),
            value=value if state == "complete" else None,
            params={name: run.params[name] for name in self._space},
            distributions=self._space,
            intermediate_values={point.step: point.value for point in points},
        )
        self._study.add_trial(trial)

    def _state(self, state: str) -> optuna.trial.TrialState:
        states = self._optuna.trial.TrialState
        return {"complete": states.COMPLETE, "pruned": states.PRUNED}.get(state, states.FAIL)


def _try(study: _Study, number: int, measure: Measure, runs: Runs, clock: Clock) -> Run:
    """One trial, recorded as a child run whatever becomes of it."""
    trial = study.ask(number)
    params = study.params(trial)
    run = Run(
        f"{study.wanted.run_id}-t{number:03d}",
        study.wanted.spec.name,
        RunStatus.RUNNING,
        clock.now(),
        parent=study.wanted.run_id,
        params=params,
        tags={"trial": str(number)},
    )
    runs.create(run)
    pruned, reported = False, set[int]()

    def report(step: int, value: float) -> bool:
        nonlocal pruned
        if step in reported:
            return pruned
        reported.add(step)
        trial.report(value, step)
        runs.log(run.id, metrics=[MetricPoint(INTERMEDIATE, value, step, clock.now())])
        pruned = pruned or bool(trial.should_prune())  # Optuna's may be NumPy's, which no message carries
        return pruned

    failure: str | None = None
    measured = Measured(None, {}, 0.0)
    try:
        measured = measure(params, report, run.id)
    except StepCancelled:
        runs.finish(replace(run, status=RunStatus.CANCELLED, ended_at=clock.now()))
        raise
    except (StepFailed, InvalidInput) as error:
        failure = error.message
    pruned = pruned or measured.pruned
    if failure is None and measured.objective is None and not pruned:
        failure = "the objective could not be measured on validation rows"
    state = "failed" if failure is not None else "pruned" if pruned else "complete"
    study.tell(trial, measured.objective, state)
    ended = _ended(run, state, measured, clock)
    points = [MetricPoint(key, value, 0, clock.now()) for key, value in ended.metrics.items()]
    runs.log(run.id, metrics=points, tags=ended.tags)
    ended = replace(ended, error=failure if state == "failed" else None)
    runs.finish(ended)
    return ended


def _ended(run: Run, state: str, measured: Measured, clock: Clock) -> Run:
    objective = {} if measured.objective is None or state != "complete" else {"objective": measured.objective}
    return replace(
        run,
        status=RunStatus.FAILED if state == "failed" else RunStatus.FINISHED,
        ended_at=clock.now(),
        metrics=measured.metrics | objective,
        tags=run.tags | {"state": state, "seconds": f"{measured.seconds:.3f}"},
    )


def _finished(runs: Runs, run_id: str) -> dict[int, Run]:
    """Earlier trials of the search that came to an end, by number."""
    return {
        int(run.tags["trial"]): run
        for run in runs.list(parent=run_id, limit=100_000)
        if "trial" in run.tags and run.status in (RunStatus.FINISHED, RunStatus.FAILED)
    }


def _candidate(number: int, run: Run) -> Candidate:
    metrics = {key: value for key, value in run.metrics.items() if key not in ("objective", INTERMEDIATE)}
    state = run.tags.get("state", "failed")
    seconds = float(run.tags.get("seconds", "0"))
    return Candidate(f"trial {number}", dict(run.params), metrics, run.metrics.get("objective"), seconds, state)


def _choose(candidates: Sequence[Candidate], wanted: Search) -> list[Candidate]:
    complete = [c for c in candidates if c.state == "complete" and c.objective is not None]
    if not complete:
        raise StepFailed(
            f"none of {len(candidates)} trials of model {wanted.spec.name!r} ended with a measured objective",
            hint=f"see why with: treadle runs {wanted.run_id}",
        )
    sign = 1.0 if wanted.higher else -1.0
    best = max(complete, key=lambda c: sign * (c.objective or 0.0))
    return [replace(c, chosen=c is best) for c in candidates]


def _told(number: int, trials: int, run: Run) -> str:
    objective = run.metrics.get("objective")
    why = f": {run.error.strip().partition(chr(10))[0]}" if run.error else ""
    reached = f": {objective:.5g}" if objective is not None else f" ({run.tags.get('state', 'failed')}{why})"
    return f"trial {number + 1} of {trials}{reached}"


def _distribution(param: ParamSpec) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if param.choices is not None:
        return CategoricalDistribution(param.choices)
    if param.low is None or param.high is None:
        raise InvalidInput(
            f"parameter {param.name!r} has an open range", hint="give both ends: tune(0.1, low=0.01, high=0.3)"
        )
    if param.type == "int":
        return IntDistribution(int(param.low), int(param.high), log=param.log)
    return FloatDistribution(float(param.low), float(param.high), log=param.log)
