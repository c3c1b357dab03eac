"""Fitting one set of parameters and measuring it on validation rows."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from treadle.domain.errors import StepFailed
from treadle.domain.steps import StepKind, StepResult
from treadle.ports.blobs import Blobs
from treadle.ports.steps import Cancel, Engine, LogLine, Report
from treadle.spec.model_spec import ModelSpec
from treadle.train import measures
from treadle.train.scoring import Scorer, scored_rows
from treadle.train.steps import MODEL, TRAIN, VALIDATION, ModelCode, write
from treadle.train.tuning import Measured, Params


class Parts(Protocol):
    """Labelled rows by their use; ``treadle.data`` makes them."""

    @property
    def train(self) -> pl.DataFrame:
        """Rows to fit on."""
        ...

    @property
    def validation(self) -> pl.DataFrame:
        """Later rows, for tuning, the threshold and the run's metrics."""
        ...

    @property
    def test(self) -> pl.DataFrame:
        """The newest rows, for gates alone."""
        ...

    @property
    def immature(self) -> int:
        """Rows left out because their label may still come."""
        ...

    @property
    def unlabelled(self) -> int:
        """Rows left out because their label never came."""
        ...


class Stop:
    """Stops all steps of a training when one of them failed, or the whole was cancelled."""

    def __init__(self, outer: Cancel | None) -> None:
        self._outer = outer
        self._event = threading.Event()

    def is_set(self) -> bool:
        """Whether steps shall stop."""
        return self._event.is_set() or (self._outer is not None and self._outer.is_set())

    def set(self) -> None:
        """Stop them."""
        self._event.set()


@dataclass(frozen=True)
class Fitted:
    """A model (a blob) and how it does on validation rows."""

    params: Params
    model: str
    step: StepResult
    threshold: float | None
    metrics: dict[str, float]
    objective: float | None


class Fitter:
    """Fits and measures on one set of parts; rows are written, and decisions on them valued, once.

    Its steps follow one another: a second warm process would take longer to start than it saves. ``stop`` cancels them;
    what the fitting logs itself goes to ``run``.
    """

    def __init__(
        self,
        engine: Engine,
        blobs: Blobs,
        spec: ModelSpec,
        code: ModelCode,
        parts: Parts,
        *,
        seed: int,
        stop: Cancel,
        log: LogLine | None,
        run: str | None = None,
    ) -> None:
        self._engine = engine
        self._spec = spec
        self._code = code
        self._parts = parts
        self._seed = seed
        self._stop = stop
        self._log = log
        self._run = run
        self.scorer = Scorer(engine, blobs, log=log, cancel=stop)
        self.validation, self.test = write(blobs, parts.validation), write(blobs, parts.test)
        self._train = write(blobs, parts.train)
        self._worth: dict[str, pl.DataFrame] = {}

    def fit(self, params: Params) -> Fitted:
        """Fit on training rows and measure on validation rows. Raises StepFailed, StepCancelled."""
        step = self._fit(params, None, self._run)
        if MODEL not in step.outputs or _pruned(step):
            raise StepFailed(
                f"the train function of model {self._spec.name!r} ended early though nobody asked it to",
                hint="raise TrialPruned only where trial.should_prune() is true",
            )
        return self._measured(params, step)

    def _fit(self, params: Params, report: Report | None, run: str | None) -> StepResult:
        inputs = {TRAIN: self._train, VALIDATION: self.validation}
        request = self._code.request(StepKind.FIT, inputs, {"params": dict(params)}, seed=self._seed, run=run)
        return self._engine.run(request, log=self._log, report=report, cancel=self._stop)

    def _measured(self, params: Params, step: StepResult) -> Fitted:
        model = step.outputs[MODEL]
        scores, classes = self.scorer.scores(self._code, model, self.validation)
        threshold, metrics, objective = self.measure(scores, classes)
        return Fitted(params, model, step, threshold, metrics, objective)

    def measure(
        self, scores: pl.DataFrame, classes: Sequence[str]
    ) -> tuple[float | None, dict[str, float], float | None]:
        """The threshold that validation rows ask for, the metrics at it, and the objective among them."""
        rows = self._parts.validation
        worth = self._worth_of(self.validation)
        threshold = measures.threshold(self._spec, scores, worth)
        scored = self._scored(rows, scores, threshold, classes, worth)
        metrics = measures.measure(self._spec, scored, classes)
        return threshold, metrics, metrics.get(measures.objective(self._spec).name)

    def trial(self, params: Params, report: Report, run: str) -> Measured:
        """One trial of a search; see :data:`treadle.train.tuning.Measure`."""
        step = self._fit(params, report, run)
        if MODEL not in step.outputs:
            return Measured(None, {}, step.seconds, pruned=True)
        fitted = self._measured(params, step)
        return Measured(fitted.objective, fitted.metrics, step.seconds, pruned=_pruned(step))

    def tested(self, fitted: Fitted) -> tuple[pl.DataFrame, tuple[str, ...]]:
        """The test rows with scores, decisions and worth, and the classes of the scores."""
        scores, classes = self.scorer.scores(self._code, fitted.model, self.test)
        worth = self._worth_of(self.test)
        return self._scored(self._parts.test, scores, fitted.threshold, classes, worth), classes

    def _scored(
        self,
        rows: pl.DataFrame,
        scores: pl.DataFrame,
        threshold: float | None,
        classes: Sequence[str],
        worth: pl.DataFrame | None,
    ) -> pl.DataFrame:
        scored = scored_rows(self._spec, rows, scores, threshold, classes=classes, worth=worth)
        return scored if worth is not None else self.scorer.decided(self._code, self._spec, rows, scored)

    def _worth_of(self, rows: str) -> pl.DataFrame | None:
        if self._spec.worth is None or self._spec.task != "binary":
            return None
        if rows not in self._worth:
            self._worth[rows] = self.scorer.worths(self._code, rows)
        return self._worth[rows]


def _pruned(step: StepResult) -> bool:
    return bool((step.value or {}).get("pruned"))
