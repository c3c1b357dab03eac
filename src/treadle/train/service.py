"""Training: from the parts of a snapshot to a fitted, measured, compiled model and the record of its run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import polars as pl

from treadle.domain.data import Profile, Snapshot
from treadle.domain.errors import InvalidInput, StepCancelled
from treadle.domain.models import AppliedModel
from treadle.domain.runs import Candidate, MetricPoint, Run, RunStatus
from treadle.domain.trainings import Trained
from treadle.domain.versions import ModelVersion, Recipe
from treadle.evaluation.profiling import profile
from treadle.ports.blobs import Blobs
from treadle.ports.clock import Clock
from treadle.ports.runs import Runs
from treadle.ports.runtimes import Compiler
from treadle.ports.steps import Cancel, Engine, Environments, LogLine
from treadle.spec.catalog import CATALOG
from treadle.spec.model_spec import ColumnSpec, ModelSpec
from treadle.train import measures
from treadle.train.baselines import baselines as fit_baselines
from treadle.train.compiling import Compiled, ModelCompiler
from treadle.train.fitting import Fitted, Fitter, Parts, Stop
from treadle.train.scoring import Scorer
from treadle.train.steps import MODEL, ONNX, ModelCode, read, write
from treadle.train.tuning import Params, Search, search

logger = logging.getLogger("treadle.train")

Progress = Callable[[str, float], None]
"""Told what is being done, and the share of the training that is behind (0 to 1)."""

BESIDE = 2
"""Threads beside the one that trains: profiling while it fits, compiling while it fits baselines."""


@dataclass(frozen=True)
class _Order:
    """One call of :meth:`TrainService.train`."""

    applied: AppliedModel
    spec: ModelSpec
    parts: Parts
    snapshot: Snapshot
    run: Run
    params: Params
    tune: int
    baselines: bool
    seed: int
    log: LogLine | None
    told: Progress


class TrainService:
    """Trains models, and scores rows with what was trained. ``compiler`` judges compiled models; None: no compiling."""

    def __init__(
        self,
        engine: Engine,
        environments: Environments,
        blobs: Blobs,
        runs: Runs,
        clock: Clock,
        *,
        compiler: Compiler | None = None,
    ) -> None:
        self._engine = engine
        self._environments = environments
        self._blobs = blobs
        self._runs = runs
        self._clock = clock
        self._compiler = ModelCompiler(engine, environments, blobs, compiler)

    def train(
        self,
        applied: AppliedModel,
        parts: Parts,
        snapshot: Snapshot,
        *,
        run_id: str,
        attempt: str,
        params: Params | None = None,
        tune: int = 0,
        baselines: bool = False,
        seed: int | None = None,
        log: LogLine | None = None,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> Trained:
        """Fit, measure and compile; all of it is recorded as the run ``run_id``, whatever becomes of it.

        ``params`` override the declared defaults; ``tune`` is the number of trials of a search for better ones, which
        stand on the run's leaderboard, with ``baselines`` beside. An equal training again costs no step. One that
        was killed goes on where it was when it is called again with the same ``run_id``. The code must be checked out.

        Raises InvalidInput for parameters that are not declared, EnvironmentFailed, StepFailed where the model's code
        raised, StepCancelled.
        """
        spec = ModelSpec.from_json(applied.spec_json)
        chosen = _params(spec, params)
        run = Run(
            run_id,
            spec.name,
            RunStatus.RUNNING,
            self._clock.now(),
            params={} if tune else dict(chosen),
            tags={"attempt": attempt, "as_of": snapshot.as_of.isoformat(), "trials": str(tune)},
            snapshot=snapshot.digest,
        )
        self._runs.create(run)
        told: Progress = progress or (lambda _what, _share: None)
        seed = spec.seed if seed is None else seed
        order = _Order(applied, spec, parts, snapshot, run, chosen, tune, baselines, seed, log, told)
        stop = Stop(cancel)
        try:
            with ThreadPoolExecutor(BESIDE, thread_name_prefix="training") as pool:
                try:
                    return self._carry_out(order, pool, stop)
                except BaseException:
                    stop.set()
                    raise
        except BaseException as error:
            self._record_failure(run, error)
            raise

    def score(
        self,
        version: ModelVersion,
        rows: str,
        *,
        valued_by: AppliedModel | ModelVersion | None = None,
        log: LogLine | None = None,
        cancel: Cancel | None = None,
    ) -> pl.DataFrame:
        """Score a version on rows (a blob); see :meth:`treadle.train.scoring.Scorer.score_version`."""
        return Scorer(self._engine, self._blobs, log=log, cancel=cancel).score_version(
            version, rows, valued_by=valued_by
        )

    def keep_rows(self, rows: pl.DataFrame) -> str:
        """Store rows as a blob to score; equal rows are one blob, so that scoring them again is a cache hit."""
        return write(self._blobs, rows)

    def scored(self, trained: Trained) -> pl.DataFrame:
        """The test rows of a training with scores, decisions and worth, as gates take them."""
        return read(self._blobs, trained.test_scores)

    def _carry_out(self, order: _Order, pool: ThreadPoolExecutor, stop: Stop) -> Trained:
        spec, told = order.spec, order.told
        told("preparing the environment", 0.0)
        self._environments.build(order.applied.environment, log=order.log)
        code = ModelCode.of(order.applied)
        fitter = Fitter(
            self._engine,
            self._blobs,
            spec,
            code,
            order.parts,
            seed=order.seed,
            stop=stop,
            log=order.log,
            run=order.run.id,
        )
        profiled = pool.submit(self._profile, spec, order.parts.train)
        told("fitting", 0.1)
        leaderboard = self._search(order, fitter)
        params = next((c.params for c in leaderboard if c.chosen), order.params)
        fitted = fitter.fit(params)
        told("testing", 0.7)
        test_scored, classes = fitter.tested(fitted)
        told("compiling", 0.75)
        compiling = pool.submit(
            self._compiler.compile,
            code,
            order.applied.environment,
            spec,
            fitted.model,
            order.parts.validation,
            log=order.log,
            cancel=stop,
        )
        if not leaderboard:
            leaderboard = [
                Candidate("model", dict(params), fitted.metrics, fitted.objective, fitted.step.seconds, chosen=True)
            ]
        if order.baselines:
            leaderboard += self._baselines(order, fitter)
        compiled = compiling.result()
        trained = self._trained(
            order,
            fitter,
            fitted=fitted,
            compiled=compiled,
            test_scored=test_scored,
            classes=classes,
            train_profile=profiled.result(),
        )
        self._record(order, fitted, trained, leaderboard)
        told("trained", 1.0)
        return trained

    def _search(self, order: _Order, fitter: Fitter) -> list[Candidate]:
        if not order.tune:
            return []
        higher = measures.objective(order.spec).higher_is_better
        wanted = Search(order.spec, order.run.id, order.tune, order.seed, higher)
        return search(
            wanted,
            fitter.trial,
            self._runs,
            self._clock,
            progress=lambda what, share: order.told(what, 0.1 + 0.6 * share),
        )

    def _baselines(self, order: _Order, fitter: Fitter) -> list[Candidate]:
        def measure(scores: pl.DataFrame, classes: Sequence[str]) -> tuple[dict[str, float], float | None]:
            _, metrics, objective = fitter.measure(scores, classes)
            return metrics, objective

        order.told("fitting baselines", 0.8)
        return fit_baselines(order.spec, order.parts.train, order.parts.validation, measure, seed=order.seed)

    def _profile(self, spec: ModelSpec, train: pl.DataFrame) -> Profile:
        return profile(train, [column for column in spec.columns if column.name != spec.key])

    def _trained(
        self,
        order: _Order,
        fitter: Fitter,
        *,
        fitted: Fitted,
        compiled: Compiled,
        test_scored: pl.DataFrame,
        classes: tuple[str, ...],
        train_profile: Profile,
    ) -> Trained:
        applied, parts = order.applied, order.parts
        scores = [ColumnSpec(name, "float") for name in test_scored.columns if name.startswith("score")]
        return Trained(
            model=order.spec.name,
            run=order.run.id,
            recipe=Recipe(
                applied.spec_digest,
                applied.code.digest,
                order.snapshot.digest,
                applied.environment.digest,
                dict(fitted.params),
                order.seed,
            ),
            artifacts={MODEL: fitted.model} | ({ONNX: compiled.onnx} if compiled.onnx is not None else {}),
            classes=classes,
            threshold=fitted.threshold,
            metrics=fitted.metrics,
            compilation=compiled.compilation,
            validation_rows=fitter.validation,
            test_rows=fitter.test,
            test_scores=write(self._blobs, test_scored),
            profile=train_profile,
            score_profile=profile(test_scored.select([c.name for c in scores]), scores),
            rows={
                "train": parts.train.height,
                "validation": parts.validation.height,
                "test": parts.test.height,
                "immature": parts.immature,
                "unlabelled": parts.unlabelled,
            },
        )

    def _record(self, order: _Order, fitted: Fitted, trained: Trained, leaderboard: Sequence[Candidate]) -> None:
        """Log points, metrics and parameters, and end the run."""
        run_id, now, value = order.run.id, self._clock.now(), fitted.step.value or {}
        points = [MetricPoint(_own(p["key"]), float(p["value"]), int(p["step"]), now) for p in value.get("points", ())]
        points += [MetricPoint(_own(key), float(v), 0, now) for key, v in value.get("metrics", {}).items()]
        points += [MetricPoint(key, v, 0, now) for key, v in trained.metrics.items()]
        if fitted.threshold is not None:
            points.append(MetricPoint("threshold", fitted.threshold, 0, now))
        logged: dict[str, set[int]] = {
            key: {p.step for p in self._runs.points(run_id, key)} for key in {p.key for p in points}
        }
        fresh = [p for p in points if p.step not in logged[p.key]]
        logged_params = self._runs.get(run_id).params  # the step's own calls may have set some, as text
        new_params = {name: given for name, given in fitted.params.items() if name not in logged_params}
        self._runs.log(run_id, metrics=fresh, params=new_params)
        artifacts = trained.artifacts | {
            "validation.parquet": trained.validation_rows,
            "test.parquet": trained.test_rows,
            "test_scores.parquet": trained.test_scores,
        }
        if fitted.step.log is not None:
            artifacts["fit.log"] = fitted.step.log
        self._runs.finish(
            replace(
                self._runs.get(run_id),
                status=RunStatus.FINISHED,
                ended_at=now,
                artifacts=artifacts,
                leaderboard=tuple(leaderboard),
                error=None,
            )
        )

    def _record_failure(self, run: Run, error: BaseException) -> None:
        stopped = isinstance(error, StepCancelled | KeyboardInterrupt)
        status = RunStatus.CANCELLED if stopped else RunStatus.FAILED
        text = str(error) or type(error).__name__
        try:
            self._runs.finish(replace(run, status=status, ended_at=self._clock.now(), error=text))
        except Exception:
            logger.exception("the end of run %s could not be recorded", run.id)


def _params(spec: ModelSpec, given: Params | None) -> dict[str, float | int | str | bool]:
    declared = spec.default_params()
    unknown = sorted(set(given or {}) - set(declared))
    if unknown:
        raise InvalidInput(
            f"model {spec.name!r} has no parameter {', '.join(unknown)}",
            hint="declared are " + (", ".join(declared) or "none") + ", in its params class",
        )
    return declared | dict(given or {})


def _own(key: str) -> str:
    """The name under which a model's own metric is kept: apart from those measured on validation rows."""
    return f"fit_{key}" if key in CATALOG else key
