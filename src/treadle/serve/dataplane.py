"""Answering requests, whatever transport they came by."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from treadle.domain.errors import LogUnavailable, StepFailed
from treadle.domain.predictions import PredictionRecord
from treadle.ports.clock import Clock
from treadle.ports.predictions import PredictionWriter
from treadle.serve.metrics import ServingMetrics
from treadle.serve.mirror import Mirror, Mirrored
from treadle.serve.schema import Batch
from treadle.serve.table import LoadedModel, LoadedVersion, Table

DEFAULT_THRESHOLD = 0.5


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What one request got. The id of row ``i`` is ``<request_id>-<i>``.

    ``scores`` and ``decisions`` have an entry a row; a multiclass score is a list of floats in ``classes``' order.
    ``at`` is the clock's time at which it was answered.
    """

    model: str
    version: int
    request_id: str
    rows: int
    scores: Sequence[Any]
    decisions: Sequence[Any]
    classes: tuple[str, ...] = ()
    at: datetime | None = None


def decide(task: str, scores: Sequence[Any], threshold: float | None, classes: Sequence[str]) -> list[Any]:
    """Turn scores into decisions: binary true at or above the threshold (.5 where none is set), multiclass the most
    likely class (the first of equals), regression the number itself."""
    if task == "binary":
        limit = DEFAULT_THRESHOLD if threshold is None else threshold
        return [score >= limit for score in scores]
    if task == "multiclass":
        best = [max(range(len(row)), key=row.__getitem__) for row in scores]
        return [classes[index] if index < len(classes) else str(index) for index in best]
    return list(scores)


class DataPlane:
    """Routes a request to a version, scores it, decides, and logs the answer before it gives it.

    ``table`` is read once a request and may be replaced at any time. ``answer_unlogged`` says what happens when the log
    cannot be written (disk full): False refuses with LogUnavailable, True answers and counts.
    """

    def __init__(self, writer: PredictionWriter, clock: Clock, *, answer_unlogged: bool = False) -> None:
        self.table = Table()
        self.metrics = ServingMetrics()
        self.shadows = Mirror(_score, writer, self.metrics)
        self._writer = writer
        self._clock = clock
        self._answer_unlogged = answer_unlogged
        self._prefix = secrets.token_hex(8)
        self._numbers = itertools.count()

    def request_id(self) -> str:
        """A new id, unique among all gateways and their lives."""
        return f"{self._prefix}{next(self._numbers):08x}"

    async def predict(
        self,
        model: str,
        version: int | None,
        columns: Mapping[str, Sequence[Any]],
        rows: int,
        request_id: str | None = None,
    ) -> Answer:
        """Answer ``rows`` rows given as columns, after checking them against the model's schema.

        Raises NotFound for a model or version that is not served, InvalidInput for rows that do not fit, and what
        :meth:`answer` raises.
        """
        loaded = self.table.model(model)
        batch = loaded.schema.check(columns, rows)
        return await self.answer(loaded, version, batch, request_id or self.request_id(), time.perf_counter())

    async def answer(
        self, model: LoadedModel, version: int | None, batch: Batch, request_id: str, started: float
    ) -> Answer:
        """Answer rows that passed the schema. ``started`` is ``perf_counter`` when the request had been read.

        Raises WorkerUnavailable, StepFailed where the model's own code fails, and LogUnavailable.
        """
        chosen = model.choose(request_id) if version is None else model.version(version)
        chosen.in_flight += 1
        try:
            scores, decisions = await _score(model, chosen, batch)
        finally:
            chosen.in_flight -= 1
        served = chosen.served
        seconds = time.perf_counter() - started
        record = PredictionRecord(
            request_id=request_id,
            model=model.served.model,
            version=served.version,
            at=self._clock.now(),
            rows=batch.rows,
            columns=batch.columns,
            scores=scores,
            decisions=decisions,
            threshold=served.threshold,
            latency_ms=seconds * 1e3,
        )
        self._log(record)
        self.metrics.answered(record.model, record.version, batch.rows, seconds)
        return Answer(
            record.model, served.version, request_id, batch.rows, scores, decisions, served.classes, record.at
        )

    def mirror(self, model: LoadedModel, version: int | None, batch: Batch, answer: Answer) -> None:
        """Let the versions on trial score an answered request too. Call it once the answer has left.

        Requests that named their ``version`` are not mirrored: they are no sample of the traffic.
        """
        if version is not None or answer.at is None:
            return
        for shadow in model.shadows:
            if shadow.number != answer.version:
                self.shadows.offer(Mirrored(model, shadow, batch, answer.request_id, answer.at))

    def _log(self, record: PredictionRecord) -> None:
        try:
            self._writer.append(record)
        except OSError as error:
            self.metrics.unlogged += record.rows
            if not self._answer_unlogged:
                raise LogUnavailable(
                    f"the prediction log cannot be written: {error.strerror or error}",
                    hint="free disk space on the gateway, or let the deployment answer unlogged",
                ) from error


async def _score(model: LoadedModel, version: LoadedVersion, batch: Batch) -> tuple[Sequence[Any], Sequence[Any]]:
    """A version's scores and decisions. Raises WorkerUnavailable, InvalidInput and StepFailed."""
    scores = await version.predictor.predict(batch.columns, batch.rows)
    if len(scores) != batch.rows:
        raise StepFailed(
            f"version {version.number} of {model.served.model!r} gave {len(scores)} scores for {batch.rows} rows",
            hint="its predict function must return one score a row",
        )
    served = version.served
    return scores, decide(model.served.task, scores, served.threshold, served.classes)
