"""``treadle run``: one training with its gates on this machine, without a server."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from treadle.app.platform import Platform, open_platform
from treadle.app.settings import settings
from treadle.domain.errors import InvalidInput
from treadle.domain.gates import GateReport
from treadle.domain.models import AppliedModel
from treadle.domain.runs import Candidate, Run, RunStatus
from treadle.domain.trainings import Trained
from treadle.evaluation.gates import evaluate
from treadle.evaluation.rows import ScoredRows
from treadle.loop.figures import figures_of
from treadle.loop.plan import Bundle, PlanService
from treadle.sdk.bundles import pack
from treadle.spec.model_spec import ModelSpec
from treadle.train.steps import read

Told = Callable[[str, int | None, int | None, str], None]
"""Called with the stage, how much of it is done, how much there is, and a detail."""

SCALE = 1000


@dataclass(frozen=True)
class LocalRun:
    """What came of it. ``champion`` is the version that the gates compared with, where the home has one."""

    model: str
    run: Run
    trained: Trained
    leaderboard: tuple[Candidate, ...]
    gates: GateReport
    champion: int | None


def run_file(
    path: Path | str,
    *,
    tune: int = 0,
    as_of: datetime | None = None,
    seed: int | None = None,
    home: Path | str | None = None,
    resume: str | None = None,
    told: Told = lambda *_: None,
) -> LocalRun:
    """Train the model of a file on what is known at ``as_of`` (default: now), tune it if asked, and judge it.

    Nothing is registered, promoted or served. ``resume`` takes a run's id and goes on with its study, on the same rows.
    Raises DeclarationError, DataRejected, EnvironmentFailed, StepFailed, InvalidInput, and NotFound for a run to resume
    that is not there.
    """
    if tune < 0:
        raise InvalidInput(f"--tune {tune} is negative", hint="give the number of trials, for example --tune 20")
    if resume is not None and not tune:
        raise InvalidInput("--resume goes on with a search", hint="say how many trials in all, for example --tune 20")
    where = settings(home)
    platform = open_platform(where)
    try:
        if resume is not None:
            _see_open(platform.store.runs.get(resume))
        return _run(platform, Path(path), tune, as_of, seed, resume, told)
    finally:
        platform.close()


def _run(
    platform: Platform, path: Path, tune: int, as_of: datetime | None, seed: int | None, resume: str | None, told: Told
) -> LocalRun:
    ground, stages = platform.ground, platform.stages

    def log(line: str) -> None:
        told("log", None, None, line)

    told("environment", None, None, "locking and building")
    plans = PlanService(
        stages.models, ground.environments, ground.code_trees, ground.engine, ground.blobs, stages.clock
    )
    code = pack(path)
    bundle = Bundle(code.entry, code.files, code.root, code.commit, code.dirty)
    applied: AppliedModel = plans.prepare(bundle, log=log)
    at = as_of or stages.clock.now()
    told("data", None, None, f"as known at {at:%Y-%m-%d %H:%M} UTC")
    collected = stages.data.collect(applied, at, log=log)
    parts = stages.data.split(applied, collected.frame, at)
    if resume is not None:
        _see_same(platform.store.runs.get(resume), applied.name, collected.snapshot.digest)
    run_id = resume or f"run-{applied.name}-{at:%Y%m%d%H%M%S}-{secrets.token_hex(3)}"
    try:
        trained = stages.train.train(
            applied,
            parts,
            collected.snapshot,
            run_id=run_id,
            attempt=run_id,
            tune=tune,
            baselines=True,
            seed=seed,
            log=log,
            progress=lambda what, share: told(what, int(share * SCALE), SCALE, run_id),
        )
    except KeyboardInterrupt:
        if tune:
            since = f" --as-of {as_of:%Y-%m-%dT%H:%MZ}" if as_of is not None else ""
            log(f"go on with: treadle run {path} --tune {tune}{since} --resume {run_id}")
        raise
    told("gates", None, None, "on held-out rows")
    run = platform.store.runs.get(run_id)
    champion, report = _judge(platform, applied, trained)
    return LocalRun(applied.name, run, trained, run.leaderboard, report, champion)


def _see_open(run: Run) -> None:
    if run.status is RunStatus.FINISHED:
        raise InvalidInput(f"run {run.id!r} has finished; there is nothing to resume", hint="start another one")


def _see_same(run: Run, model: str, snapshot: str) -> None:
    if run.model != model:
        raise InvalidInput(f"run {run.id!r} is of model {run.model!r}, not {model!r}", hint="see: treadle runs")
    if run.snapshot is not None and run.snapshot != snapshot:
        raise InvalidInput(
            f"the search of run {run.id!r} was on other rows: {run.snapshot[:12]}, these are {snapshot[:12]}",
            hint="give the same --as-of, or start another run",
        )


def _judge(platform: Platform, applied: AppliedModel, trained: Trained) -> tuple[int | None, GateReport]:
    stages = platform.stages
    spec = ModelSpec.from_json(applied.spec_json)
    challenger = ScoredRows.of(read(stages.blobs, trained.test_scores), spec.task, trained.classes)
    number = stages.deploy.deployment(applied.name).champion
    beside = None
    if number is not None:
        reigning = stages.registry.get(applied.name, number)
        scored = stages.train.score(reigning, trained.test_rows, valued_by=applied)
        beside = ScoredRows.of(scored, spec.task, reigning.classes)
    return number, evaluate(spec.gates, challenger, beside, service=figures_of(trained.compilation))
