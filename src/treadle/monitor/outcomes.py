"""Takes outcomes in, by pull and by push, and joins them with the predictions that they belong to.

All that is kept in memory is what was read of immutable files; a process that starts anew, or another one that wrote
meanwhile, changes nothing. A crash between storing outcomes and joining them is healed by the next call: what waits
for its prediction is always computed anew from the two stores.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from treadle.domain.data import Finding
from treadle.domain.errors import CorruptData, InvalidInput
from treadle.domain.models import AppliedModel
from treadle.domain.predictions import JoinedPart, OutcomePart
from treadle.domain.steps import StepKind, StepRequest
from treadle.monitor import joins
from treadle.monitor.conforming import (
    PushedOutcome,
    ambiguities,
    conform,
    contradictions,
    label_type,
    read_pushed,
)
from treadle.monitor.joining import joined_rows, written
from treadle.monitor.reading import TIME, PartCache, read_blob
from treadle.ports.blobs import Blobs
from treadle.ports.clock import Clock
from treadle.ports.predictions import JoinedLog, Outcomes, PredictionLog
from treadle.ports.steps import Engine
from treadle.ports.versions import Versions
from treadle.spec.model_spec import ModelSpec

UNBOUNDED_LOOKBACK = timedelta(days=90)
"""How far back predictions are looked for where a model declares no horizon."""


@dataclass(frozen=True)
class OutcomesTaken:
    """What one collection brought.

    ``received`` counts the usable outcomes of the window, ``joined`` those (of this window or before) that met their
    prediction now, ``waiting`` those that have not met one yet; ``findings`` tell what was left out and why.
    """

    until: datetime
    received: int
    joined: int
    waiting: int = 0
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class PushAnswer:
    """What became of one pushed outcome.

    ``status`` is ``joined``, ``late`` (joined, after the prediction's horizon), ``waiting`` (its prediction is not
    known yet), ``revised`` (joined; an earlier outcome stands in history), ``duplicate`` (no change), ``conflicting``,
    ``unknown`` (no such prediction) or ``invalid``: the last three were not taken, and ``message`` says why.
    """

    status: str
    message: str = ""


def lookback(spec: ModelSpec) -> timedelta:
    """How far back an outcome may find its prediction: twice the horizon and a week."""
    return UNBOUNDED_LOOKBACK if spec.horizon is None else 2 * spec.horizon + timedelta(days=7)


def _reach(spec: ModelSpec, outcomes: pl.DataFrame, now: datetime) -> datetime:
    """From when on predictions may belong to these outcomes; further back after a long pause."""
    oldest = outcomes["observed_at"].min()
    return (min(now, oldest) if isinstance(oldest, datetime) else now) - lookback(spec)


class OutcomeTaker:
    """Takes outcomes in; see the module. One call at a time."""

    def __init__(
        self,
        *,
        engine: Engine,
        blobs: Blobs,
        log: PredictionLog,
        outcomes: Outcomes,
        joined: JoinedLog,
        versions: Versions,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._blobs = blobs
        self._log = log
        self._outcomes = outcomes
        self._joined = joined
        self._versions = versions
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, PartCache] = {}
        self._beside: dict[str, PartCache] = {}
        self._index: dict[str, PartCache] = {}

    def collect(self, applied: AppliedModel, since: datetime | None, until: datetime) -> OutcomesTaken:
        """Ask the model's ``outcomes`` for what became known in ``(since, until]``, keep it and join it.

        Without ``since`` the first prediction bounds the question: nothing observed before it can belong to one.
        Collecting a window again adds nothing twice. Raises InvalidInput for an ``until`` that has not come yet, and
        StepFailed where the model's own code raised.
        """
        spec = ModelSpec.from_json(applied.spec_json)
        now = self._clock.now()
        if until > now:
            raise InvalidInput(
                f"outcomes of {spec.name!r} until {until.isoformat()} were asked for, but it is {now.isoformat()}",
                hint="ask for a time that has passed",
            )
        with self._lock:
            self._log.record()
            new, findings = self._pull(applied, spec, since, until, now)
            known = self._known_outcomes(spec, now)
            fresh, against = joins.without_repeats(new, known)
            self._keep(spec, fresh, now)
            joined, waiting = self._join(spec, pl.concat([known, fresh]), now)
            findings += contradictions(against, spec) + self._ambiguous(spec, fresh, now)
        return OutcomesTaken(until, new.height - against.height, joined, waiting.height, findings)

    def push(self, applied: AppliedModel, records: Sequence[Mapping[str, Any]]) -> list[PushAnswer]:
        """Take outcomes given by a client and answer for each of them, in order; the good ones are kept and joined."""
        spec = ModelSpec.from_json(applied.spec_json)
        now = self._clock.now()
        with self._lock:
            self._log.record()
            known = self._known_outcomes(spec, now)
            index = self._predictions(spec, _reach(spec, known, now))
            pushed = [read_pushed(record, spec, now) for record in records]
            answers = _judge(pushed, set(index["prediction_id"]), _latest(known))
            taken = [one for one, answer in zip(pushed, answers, strict=True) if answer is None]
            fresh = pl.DataFrame(
                [(o.prediction_id, o.key, o.time, o.label, o.observed_at, now) for o in taken],
                schema=joins.outcome_schema(label_type(spec)),
                orient="row",
            )
            self._keep(spec, fresh, now)
            _, waiting = self._join(spec, pl.concat([known, fresh]), now)
            told = _Told.of(spec, fresh, waiting, self._predictions(spec, _reach(spec, fresh, now)), now)
        said_before = _names(known)
        given: list[PushAnswer] = []
        for one, answer in zip(pushed, answers, strict=True):
            given.append(answer or told.of_taken(one, said_before))
            if answer is None:
                said_before.add(_said_by(one)[:-1])
        return given

    def _pull(
        self, applied: AppliedModel, spec: ModelSpec, since: datetime | None, until: datetime, now: datetime
    ) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
        start = since if since is not None else self._first_prediction(spec.name)
        if spec.outcomes is None or start is None:
            return pl.DataFrame(schema=joins.outcome_schema(label_type(spec))), ()
        request = StepRequest(
            kind=StepKind.OUTCOMES,
            model=spec.name,
            code=applied.code.digest,
            entry=applied.code.entry,
            environment=applied.environment.digest,
            root=applied.code.root,
            arguments={"since": start.isoformat(), "until": until.isoformat()},
            cacheable=False,
        )
        result = self._engine.run(request)
        frame = read_blob(self._blobs, result.outputs["outcomes.parquet"])
        return conform(frame, spec, since=start, until=until, received_at=now)

    def _first_prediction(self, model: str) -> datetime | None:
        return min((part.first for part in self._log.parts(model)), default=None)

    def _keep(self, spec: ModelSpec, fresh: pl.DataFrame, now: datetime) -> None:
        if fresh.is_empty():
            return
        first, last = _span(fresh["observed_at"])
        part = OutcomePart("", spec.name, fresh.height, now, first, last)
        with written(fresh) as source:
            self._outcomes.append(part, source)

    def _join(self, spec: ModelSpec, known: pl.DataFrame, now: datetime) -> tuple[int, pl.DataFrame]:
        """Join what can be and is not yet; answers how many were joined, and the outcomes that wait on."""
        if known.is_empty():
            return 0, known
        reach = _reach(spec, known, now)
        met, waiting = joins.match(known, self._predictions(spec, reach))
        fresh = joins.not_joined(met, self._joined_outcomes(spec, reach))
        if fresh.is_empty():
            return 0, waiting
        rows = joined_rows(fresh, spec, now, engine=self._engine, blobs=self._blobs, versions=self._versions)
        first, last = _span(rows["at"])
        with written(rows) as source:
            self._joined.append(JoinedPart("", spec.name, rows.height, now, first, last), source)
        return rows.height, waiting

    def _ambiguous(self, spec: ModelSpec, fresh: pl.DataFrame, now: datetime) -> tuple[Finding, ...]:
        if spec.key is not None or fresh.is_empty():
            return ()
        return ambiguities(joins.ambiguous(fresh, self._predictions(spec, _reach(spec, fresh, now))))

    def _known_outcomes(self, spec: ModelSpec, now: datetime) -> pl.DataFrame:
        label = label_type(spec)
        schema = joins.outcome_schema(label)

        def read(path: str) -> pl.DataFrame:
            frame = pl.read_parquet(path)
            absent = [
                pl.lit(None, dtype=kind).alias(name) for name, kind in schema.items() if name not in frame.columns
            ]
            return frame.with_columns(absent).select(pl.col(name).cast(kind) for name, kind in schema.items())

        cache = self._known.setdefault(spec.name, PartCache(read))
        parts = self._outcomes.parts(spec.name, now - lookback(spec))
        return pl.concat([pl.DataFrame(schema=schema), *cache.frames([part.path for part in parts])])

    def _joined_outcomes(self, spec: ModelSpec, since: datetime) -> pl.DataFrame:
        schema = {"prediction_id": pl.String(), "observed_at": TIME}
        cache = self._beside.setdefault(spec.name, PartCache(lambda path: _columns(path, schema)))
        parts = self._joined.parts(spec.name, since)
        return pl.concat([pl.DataFrame(schema=schema), *cache.frames([part.path for part in parts])])

    def _predictions(self, spec: ModelSpec, since: datetime) -> pl.DataFrame:
        text = pl.String()
        schema = {"prediction_id": text, "request_id": text, "key": text, "time": TIME, "at": TIME}

        def read(path: str) -> pl.DataFrame:
            index = _columns(path, {**schema, "shadow": pl.Boolean()}).filter(~pl.col("shadow").fill_null(value=False))
            return index.drop("shadow").with_columns(pl.lit(path).alias("part"))

        cache = self._index.setdefault(spec.name, PartCache(read))
        parts = self._log.parts(spec.name, since)
        empty = pl.DataFrame(schema={**schema, "part": text})
        return pl.concat([empty, *cache.frames([part.path for part in parts])])


Said = tuple[str | None, str | None, datetime | None, datetime | None]
"""What an outcome is said of (prediction, key, time), and when it was observed: the columns ``joins.SAID``."""


def _judge(pushed: Sequence[PushedOutcome], ids: set[str], known: dict[Said, Any]) -> list[PushAnswer | None]:
    """An answer for each outcome that is not taken; None for the good ones."""
    labels = dict(known)
    newest = _newest_labels(known)
    answers: list[PushAnswer | None] = []
    for one in pushed:
        said = _said_by(one)
        if one.problem:
            answers.append(PushAnswer("invalid", one.problem))
        elif one.prediction_id is not None and one.prediction_id not in ids:
            answers.append(PushAnswer("unknown", f"no prediction {one.prediction_id!r} was answered, or too long ago"))
        elif (said in labels and labels[said] == one.label) or (
            not one.dated and newest.get(said[:-1], _NOTHING) == one.label
        ):
            answers.append(PushAnswer("duplicate", "known already"))
        elif said in labels:
            message = f"label {labels[said]!r} is known for the same time; a revision has a later observed_at"
            answers.append(PushAnswer("conflicting", message))
        else:
            labels[said] = one.label
            answers.append(None)
    return answers


_NOTHING = object()


def _newest_labels(known: Mapping[Said, Any]) -> dict[tuple[Any, ...], Any]:
    """The label observed last, by what names the prediction."""
    dated = [(said, label) for said, label in known.items() if said[-1] is not None]
    return {said[:-1]: label for said, label in sorted(dated, key=lambda one: one[0][-1] or _NEVER)}


_NEVER = datetime.min.replace(tzinfo=UTC)


def _said_by(one: PushedOutcome) -> Said:
    return (one.prediction_id, one.key, one.time, one.observed_at)


@dataclass(frozen=True)
class _Told:
    """What there is to say of outcomes that were taken: which of them wait, and why, and which came late."""

    horizon: timedelta | None
    waiting: set[Said]
    early: set[Said]
    ambiguous: set[Said]
    late: set[Said]

    @staticmethod
    def of(
        spec: ModelSpec, fresh: pl.DataFrame, waiting: pl.DataFrame, predictions: pl.DataFrame, now: datetime
    ) -> _Told:
        late = set() if spec.horizon is None else _said(joins.after_horizon(fresh, predictions, spec.horizon, now))
        early = _said(joins.before_prediction(fresh, predictions))
        return _Told(spec.horizon, _said(waiting), early, _said(joins.ambiguous(fresh, predictions)), late)

    def of_taken(self, one: PushedOutcome, revised: set[tuple[Any, ...]]) -> PushAnswer:
        said = _said_by(one)
        if said in self.waiting:
            return PushAnswer("waiting", self._why_waiting(one))
        if said[:-1] in revised:
            return PushAnswer("revised", "an earlier outcome stays in history")
        if said in self.late:
            span = str(self.horizon).removesuffix(", 0:00:00")
            return PushAnswer("late", f"came after the horizon of {span}: counts from now on, past measurements stand")
        return PushAnswer("joined")

    def _why_waiting(self, one: PushedOutcome) -> str:
        named = "key" if one.key is not None else "time"
        if _said_by(one) in self.ambiguous:
            return "several predictions of one request have this time; send their prediction_id"
        if _said_by(one) in self.early:
            return f"the prediction of this {named} was answered only after observed_at"
        return f"no prediction of this {named} is known yet"


def _latest(known: pl.DataFrame) -> dict[Said, Any]:
    rows = known.select(*joins.SAID, "label").rows()
    return {(prediction_id, key, time, at): label for prediction_id, key, time, at, label in rows}


def _said(frame: pl.DataFrame) -> set[Said]:
    return set(frame.select(joins.SAID).rows())


def _names(frame: pl.DataFrame) -> set[tuple[Any, ...]]:
    return set(frame.select(joins.NAMED).rows())


def _columns(path: str, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    names = pl.read_parquet_schema(path)
    frame = pl.read_parquet(path, columns=[name for name in schema if name in names])
    absent = [pl.lit(None, dtype=kind).alias(name) for name, kind in schema.items() if name not in names]
    return frame.with_columns(absent).select(pl.col(name).cast(kind) for name, kind in schema.items())


def _span(times: pl.Series) -> tuple[datetime, datetime]:
    first, last = times.min(), times.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        raise CorruptData("rows without a time", hint="the prediction log or the outcomes hold rows that have none")
    return first, last
