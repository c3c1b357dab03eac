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
from treadle.train.scoring import Scorer
from treadle.train.steps import MODEL, ONNX, ROWS, ModelCode, write

logger = logging.getLogger("treadle.train")

EXTRAS = ("skl2onnx>=1.18,<2", "onnx>=1.16")
"""What the compiler needs in the model's environment besides the model's own requirements."""

SAMPLE = 1000
TIMED = 100
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
        """Compile ``model`` (a blob); ``rows`` are held-out ones. Whatever fails is told as the reason, and logged.

        Raises StepCancelled alone.
        """
        compiler, reason = self._compiler, hindrance(spec, lock)
        sample = sample_rows(spec, rows)
        latencies: list[float] = []
        try:
            blob = write(self._blobs, sample)
            scorer = Scorer(self._engine, self._blobs, log=log, cancel=cancel)
            scores, latencies = scorer.timed_scores(code, model, blob, TIMED)
            if compiler is None or reason:
                return _python(spec, reason or "this server has no ONNX runtime", latencies, log)
            environment = self._environment(lock, log)
            request = code.request(StepKind.COMPILE, {MODEL: model, ROWS: blob}, environment=environment)
            made = self._engine.run(request, log=log, cancel=cancel)
            if not made.value.get("ok"):
                return _python(spec, str(made.value.get("reason") or "the converter gave no reason"), latencies, log)
        except StepCancelled:
            raise
        except (StepFailed, EnvironmentFailed) as error:
            return _python(spec, error.message, latencies, log)
        onnx = made.outputs[ONNX]
        compared = _compare(compiler, spec, sample, scores, self._blobs.get(onnx))
        compilation = _with_python(compared, latencies)
        return Compiled(compilation, onnx) if compilation.runtime == "onnx" else Compiled(_told(spec, compilation, log))

    def _environment(self, lock: EnvironmentLock, log: LogLine | None) -> str:
        if not isinstance(self._environments, DerivesEnvironments):
            raise EnvironmentFailed("this engine cannot add the compiler to a model's environment")
        return self._environments.build(self._environments.derive(lock, EXTRAS), log=log)


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
    sample = rows.gather_every(max(1, -(-rows.height // SAMPLE)))
    parts = [sample]
    for column in spec.features_in:
        if column.nullable and not sample.get_column(column.name).null_count():
            found = rows.filter(pl.col(column.name).is_null()).head(MISSING_EACH)
            blank = pl.lit(None, dtype=rows.schema[column.name]).alias(column.name)
            parts.append(found if found.height else sample.head(MISSING_EACH).with_columns(blank))
    return pl.concat(parts)


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


def _python(spec: ModelSpec, reason: str, latencies: Sequence[float], log: LogLine | None) -> Compiled:
    return Compiled(_told(spec, _with_python(Compilation("python", reason=reason), latencies), log))


def _with_python(compilation: Compilation, latencies: Sequence[float]) -> Compilation:
    if not latencies:
        return compilation
    mean, p99 = float(np.mean(latencies)), float(np.percentile(latencies, 99))
    return replace(compilation, python_us=mean, python_p99_us=p99)


def _told(spec: ModelSpec, compilation: Compilation, log: LogLine | None) -> Compilation:
    line = f"model {spec.name!r} is served by its Python worker, not compiled: {compilation.reason}"
    logger.warning("%s", line)
    if log is not None:
        log(line)
    return compilation
