"""Compiling a fitted model to ONNX, and proving that it answers alike before it may serve."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from treadle.domain.errors import EnvironmentFailed, StepCancelled, StepFailed
from treadle.domain.models import EnvironmentLock
from treadle.domain.steps import StepKind
from treadle.domain.versions import Compilation
from treadle.ports.blobs import Blobs
from treadle.ports.runtimes import Compiler
from treadle.ports.steps import Cancel, DerivesEnvironments, Engine, Environments, LogLine
from treadle.spec.model_spec import ModelSpec
from treadle.stats.latency import steady_p99
from treadle.train.scoring import Scorer
from treadle.train.steps import MODEL, ONNX, ROWS, ModelCode, write

logger = logging.getLogger("treadle.train")

EXTRAS = ("skl2onnx>=1.18,<2", "onnx>=1.16")
"""What the compiler needs in the model's environment besides the model's own requirements."""

SAMPLE = 1000
TIMED = 200
MISSING_EACH = 5
TOLERANCE = 1e-4
"""Largest difference of scores allowed, for scores of at most 1 (in proportion for larger ones)."""

_SKLEARN = re.compile(r"^scikit[-_.]learn\b", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Compiled:
    """What came of it: ``onnx`` is the blob of the compiled model, where it may be served."""

    compilation: Compilation
    onnx: str | None = None


class ModelCompiler:
    """Compiles in an environment derived from the model's own, and compares on held-out rows."""

    def __init__(self, engine: Engine, environments: Environments, blobs: Blobs, compiler: Compiler | None) -> None:
        self._engine = engine
        self._environments = environments
        self._blobs = blobs
        self._compiler = compiler
        self._derived: dict[str, EnvironmentLock] = {}

    def compile(
        self,
        code: ModelCode,
        lock: EnvironmentLock,
        spec: ModelSpec,
        model: str,
        rows: pl.DataFrame,
        *,
        log: LogLine | None = None,
        cancel: Cancel | None = None,
    ) -> Compiled:
        """Time the fitted ``model`` (a blob) and compile it; ``rows`` are held-out ones.

        Whatever hinders the compiling is told as the reason, and logged. Raises StepFailed where the model cannot
        score the rows as they are, StepCancelled.
        """
        sample = sample_rows(spec, rows)
        blob = write(self._blobs, sample)
        scorer = Scorer(self._engine, self._blobs, log=log, cancel=cancel)
        onnx, compilation = None, self._hindered(spec, lock)
        try:
            scores, latencies = scorer.timed_scores(code, model, blob, TIMED)
        except StepCancelled:
            raise
        except StepFailed as error:
            scores, latencies = scorer.timed_scores(code, model, write(self._blobs, _evenly(rows)), TIMED)
            reason = f"it cannot answer where a column that may be missing is missing: {error.message}"
            compilation = Compilation("python", reason=reason)
        if compilation is None:
            onnx, reason = self._convert(code, lock, model, blob, log=log, cancel=cancel)
            compilation = Compilation("python", reason=reason)
        if onnx is not None and self._compiler is not None:
            compilation = _compare(self._compiler, spec, sample, scores, self._blobs.get(onnx))
        compilation = _with_python(compilation, latencies)
        if compilation.runtime == "onnx":
            return Compiled(compilation, onnx)
        line = f"model {spec.name!r} is served by its Python worker, not compiled: {compilation.reason}"
        if log is None:
            logger.warning("%s", line)
        else:
            log(line)
        return Compiled(replace(compilation, size=len(self._blobs.get(model))))

    def _hindered(self, spec: ModelSpec, lock: EnvironmentLock) -> Compilation | None:
        reason = hindrance(spec, lock)
        if not reason and self._compiler is None:
            reason = "this server has no ONNX runtime"
        return Compilation("python", reason=reason) if reason else None

    def _convert(
        self,
        code: ModelCode,
        lock: EnvironmentLock,
        model: str,
        rows: str,
        *,
        log: LogLine | None,
        cancel: Cancel | None,
    ) -> tuple[str | None, str]:
        """The blob of the compiled model, or the reason why there is none."""
        try:
            environment = self._environment(lock, log)
            request = code.request(StepKind.COMPILE, {MODEL: model, ROWS: rows}, environment=environment)
            made = self._engine.run(request, log=log, cancel=cancel)
        except StepCancelled:
            raise
        except (StepFailed, EnvironmentFailed) as error:
            return None, error.message
        if made.value.get("ok") and ONNX in made.outputs:
            return made.outputs[ONNX], ""
        return None, str(made.value.get("reason") or "the converter gave no reason")

    def _environment(self, lock: EnvironmentLock, log: LogLine | None) -> str:
        if not isinstance(self._environments, DerivesEnvironments):
            raise EnvironmentFailed("this engine cannot add the compiler to a model's environment")
        if lock.digest not in self._derived:
            self._derived[lock.digest] = self._environments.derive(lock, EXTRAS)
        return self._environments.build(self._derived[lock.digest], log=log)


def hindrance(spec: ModelSpec, lock: EnvironmentLock) -> str:
    """Why a model cannot be compiled at all, or nothing."""
    if spec.predict is not None or spec.features is not None:
        return "it has Python code of its own between rows and scores (@predict or @features)"
    if not _SKLEARN.search(lock.requirements):
        return "it does not require scikit-learn, the only library that is compiled so far"
    return ""


def sample_rows(spec: ModelSpec, rows: pl.DataFrame) -> pl.DataFrame:
    """At most ``SAMPLE`` rows, evenly spaced, and for every column that may be missing some where it is.

    Where held-out rows always have such a column, it is blanked in copies of a few: both models answer those too.
    """
    sample = _evenly(rows)
    parts = [sample]
    for column in spec.features_in:
        if column.nullable and not sample.get_column(column.name).null_count():
            found = rows.filter(pl.col(column.name).is_null()).head(MISSING_EACH)
            blank = pl.lit(None, dtype=rows.schema[column.name]).alias(column.name)
            parts.append(found if found.height else sample.head(MISSING_EACH).with_columns(blank))
    return pl.concat(parts)


def _evenly(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.gather_every(max(1, -(-rows.height // SAMPLE)))


def _compare(
    compiler: Compiler, spec: ModelSpec, sample: pl.DataFrame, scores: pl.DataFrame, onnx: bytes
) -> Compilation:
    python = scores.get_column("score").to_list() if "score" in scores.columns else [list(r) for r in scores.rows()]
    largest = max((abs(v) for v in scores.select(pl.all().abs().max()).row(0) if v is not None), default=1.0)
    return compiler.compare(
        onnx,
        {column.name: sample.get_column(column.name).to_list() for column in spec.features_in},
        python,
        spec_json=spec.to_json(),
        tolerance=TOLERANCE * max(1.0, largest),
    )


def _with_python(compilation: Compilation, latencies: Sequence[float]) -> Compilation:
    if not latencies:
        return compilation
    return replace(compilation, python_us=float(np.median(latencies)), python_p99_us=steady_p99(latencies))
