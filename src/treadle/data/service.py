"""Collecting data: run the source, hold it against every rule, keep a snapshot."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from treadle.data import rules
from treadle.data.snapshots import SnapshotStore, ordered, read, write
from treadle.data.splits import Split, split
from treadle.domain.data import Finding, Snapshot
from treadle.domain.errors import DataRejected, InvalidInput
from treadle.domain.models import AppliedModel
from treadle.domain.steps import StepKind, StepRequest, StepResult
from treadle.ports.blobs import Blobs
from treadle.ports.snapshots import Snapshots
from treadle.ports.steps import Cancel, Engine, LogLine
from treadle.spec.model_spec import ModelSpec

logger = logging.getLogger("treadle.data")

ROWS = "rows.parquet"
OUTCOMES = "outcomes.parquet"


@dataclass(frozen=True)
class Collected:
    """A snapshot and its rows (conformed, oldest first), as they were checked."""

    snapshot: Snapshot
    frame: pl.DataFrame


class DataService:
    """Rows of a model as they were known at a time."""

    def __init__(self, engine: Engine, blobs: Blobs, snapshots: Snapshots) -> None:
        self._engine = engine
        self._blobs = blobs
        self._store = SnapshotStore(blobs, snapshots)
        self._snapshots = snapshots

    def collect(
        self, applied: AppliedModel, as_of: datetime, *, log: LogLine | None = None, cancel: Cancel | None = None
    ) -> Collected:
        """Run the source with everything known at ``as_of`` (aware), check the rows and keep them as a snapshot.

        The model's environment must be built and its code checked out. Raises DataRejected with all findings
        together, StepFailed where the source or the outcomes raised, InvalidInput for a model without a source.
        """
        spec = ModelSpec.from_json(applied.spec_json)
        steps = _Steps(self._engine, applied, log, cancel)
        source, blob = self._source(steps, spec, as_of)
        frame, findings = rules.conform(source, spec)
        findings += rules.check_rules(frame, spec, as_of)
        if spec.outcomes is not None:
            asked = {"since": None, "until": as_of.isoformat()}
            outcomes = read(self._blobs, steps.run(StepKind.OUTCOMES, asked).outputs[OUTCOMES])
            findings += rules.check_look_ahead(frame, outcomes, spec, as_of)
        if not findings:
            frame = ordered(frame, spec)
        if spec.checks and len(frame.columns) == len(spec.columns):
            checked = blob if blob is not None and frame.equals(source) else write(self._blobs, frame)
            findings += _failed_checks(steps.run(StepKind.CHECK, inputs={ROWS: checked}).value, frame.height)
        if findings:
            raise rejected(spec.name, as_of, findings)
        return Collected(self._store.take(spec, frame, as_of, applied.code.digest), frame)

    def load(self, snapshot: Snapshot | str) -> pl.DataFrame:
        """The rows of a snapshot, or of the one with that digest. Raises NotFound."""
        return self._store.load(self._snapshots.get(snapshot) if isinstance(snapshot, str) else snapshot)

    def split(self, applied: AppliedModel, frame: pl.DataFrame, as_of: datetime) -> Split:
        """Part rows into train, validation and test; see :func:`treadle.data.splits.split`."""
        return split(ModelSpec.from_json(applied.spec_json), frame, as_of)

    def _source(self, steps: _Steps, spec: ModelSpec, as_of: datetime) -> tuple[pl.DataFrame, str | None]:
        """The rows that the source gave of its window, and their blob where these are all that it gave."""
        if spec.source is None:
            raise InvalidInput(
                f"model {spec.name!r} has no source to train from", hint=f"declare one with @{spec.name}.source"
            )
        start = None if spec.window is None else as_of - spec.window
        until = as_of.isoformat()
        window = {"start": None if start is None else start.isoformat(), "until": until, "as_of": until}
        blob = steps.run(StepKind.SOURCE, window).outputs[ROWS]
        given = read(self._blobs, blob)
        rows = given if start is None or spec.time is None else _since(given, spec.time, start)
        if not rows.height:
            raise DataRejected(
                f"the source of model {spec.name!r} gave no rows up to {until}",
                hint="see that it reads its data and keeps what lies in the window",
            )
        return rows, blob if rows.height == given.height else None


@dataclass(frozen=True)
class _Steps:
    """Runs steps of one applied model. Those that read the changing world are done anew each time."""

    engine: Engine
    applied: AppliedModel
    log: LogLine | None
    cancel: Cancel | None

    def run(
        self,
        kind: StepKind,
        arguments: Mapping[str, str | None] | None = None,
        inputs: Mapping[str, str] | None = None,
    ) -> StepResult:
        """Run one step."""
        code = self.applied.code
        request = StepRequest(
            kind,
            model=self.applied.name,
            code=code.digest,
            entry=code.entry,
            environment=self.applied.environment.digest,
            root=code.root,
            inputs=inputs or {},
            arguments=arguments or {},
            cacheable=kind is StepKind.CHECK,
        )
        return self.engine.run(request, log=self.log, cancel=self.cancel)


def _failed_checks(checks: Sequence[Mapping[str, Any]], rows: int) -> list[Finding]:
    return [
        Finding(str(check["name"]), ": ".join(filter(None, ("check", check.get("message")))), rows, rows)
        for check in checks
        if not check["passed"]
    ]


def rejected(model: str, as_of: datetime, findings: Sequence[Finding]) -> DataRejected:
    """The error that tells of every finding, one a line."""
    lines = "\n".join(f"  - {finding}" for finding in findings)
    many = "1 rule is" if len(findings) == 1 else f"{len(findings)} rules are"
    return DataRejected(
        f"{many} broken by the data of model {model!r} as known at {as_of:%Y-%m-%d %H:%M} UTC:\n{lines}",
        hint="mend the source, or the rule where it asks too much; nothing was trained on these rows",
        findings=tuple(findings),
    )


def _since(frame: pl.DataFrame, time: str, start: datetime) -> pl.DataFrame:
    """Rows from ``start`` on; where the times cannot be compared yet, all rows."""
    dtype = frame.schema.get(time)
    if not isinstance(dtype, pl.Datetime) or dtype.time_zone is None:
        return frame
    kept = frame.filter((pl.col(time) >= start) | pl.col(time).is_null())
    if kept.height < frame.height:
        logger.warning("the source gave %d rows from before its window; they are left out", frame.height - kept.height)
    return kept
