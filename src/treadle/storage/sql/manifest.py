"""Which Parquet files the prediction log is made of, and how far each WAL segment is recorded.

Paths are kept as given: relative to the home, so that a home may be moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, and_, delete, func, insert, select

from treadle.domain.predictions import JoinedPart, OutcomePart, PredictionPart, SegmentProgress
from treadle.storage.sql.database import Database, text_time, time_text
from treadle.storage.sql.tables import joined_parts, outcome_parts, prediction_parts, retired_files, segment_progress


class Manifest:
    """The prediction log's bookkeeping. What is not in it does not exist, whatever files lie around."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def progress(self) -> dict[str, SegmentProgress]:
        """How far each known segment is recorded."""
        with self._database.read() as connection:
            rows = connection.execute(select(segment_progress)).all()
        return {row.segment: SegmentProgress(row.segment, row.offset, row.closed) for row in rows}

    def record(self, progress: SegmentProgress, parts: Sequence[PredictionPart]) -> None:
        """Take in new parts and how far their segment is recorded with them, in one transaction."""
        values = {"segment": progress.segment, "offset": progress.offset, "closed": progress.closed}
        with self._database.write() as connection:
            if parts:
                connection.execute(insert(prediction_parts), [_part_row(part) for part in parts])
            connection.execute(self._database.insert_or_set(segment_progress, "segment", values=values))

    def forget(self, segment: str) -> None:
        """Drop the progress of a segment whose file is gone."""
        with self._database.write() as connection:
            connection.execute(delete(segment_progress).where(segment_progress.c.segment == segment))

    def predictions(
        self, model: str, since: datetime | None = None, until: datetime | None = None
    ) -> list[PredictionPart]:
        """Parts that may hold rows answered in ``[since, until)``, oldest first."""
        statement = select(prediction_parts).where(prediction_parts.c.model == model)
        if since is not None:
            statement = statement.where(prediction_parts.c.last >= time_text(since))
        if until is not None:
            statement = statement.where(prediction_parts.c.first < time_text(until))
        return self._parts(statement.order_by(prediction_parts.c.first, prediction_parts.c.path))

    def of_day(self, model: str, day: date) -> list[PredictionPart]:
        """The parts of one model and day, oldest first."""
        same = and_(prediction_parts.c.model == model, prediction_parts.c.day == day.isoformat())
        return self._parts(
            select(prediction_parts).where(same).order_by(prediction_parts.c.first, prediction_parts.c.path)
        )

    def of_segment(self, segment: str) -> list[PredictionPart]:
        """The parts that a segment was recorded to and that were not merged since."""
        return self._parts(select(prediction_parts).where(prediction_parts.c.segment == segment))

    def scattered_days(self, before: date) -> list[tuple[str, date]]:
        """The models and days before ``before`` that have more than one part."""
        table = prediction_parts.c
        statement = (
            select(table.model, table.day)
            .where(table.day < before.isoformat())
            .group_by(table.model, table.day)
            .having(func.count() > 1)
            .order_by(table.day, table.model)
        )
        with self._database.read() as connection:
            return [(row.model, date.fromisoformat(row.day)) for row in connection.execute(statement)]

    def merge(self, old: Sequence[PredictionPart], new: PredictionPart, at: datetime) -> bool:
        """Put one part in the place of several, whose files are then retired; False where one of them is gone."""
        paths = [part.path for part in old]
        with self._database.write() as connection:
            gone = connection.execute(delete(prediction_parts).where(prediction_parts.c.path.in_(paths))).rowcount
            if gone != len(paths):
                connection.rollback()
                return False
            connection.execute(insert(prediction_parts).values(_part_row(new)))
            connection.execute(insert(retired_files), [{"path": p, "retired_at": time_text(at)} for p in paths])
        return True

    def retired(self, before: datetime) -> list[str]:
        """Files that were retired before a time."""
        statement = select(retired_files.c.path).where(retired_files.c.retired_at < time_text(before))
        with self._database.read() as connection:
            return list(connection.execute(statement).scalars())

    def removed(self, paths: Sequence[str]) -> None:
        """Drop the memory of retired files that are gone from the disk."""
        with self._database.write() as connection:
            connection.execute(delete(retired_files).where(retired_files.c.path.in_(paths)))

    def add_outcomes(self, part: OutcomePart) -> OutcomePart:
        """Take a part in, unless its path is known: the part as it is kept."""
        row = {
            "path": part.path,
            "model": part.model,
            "rows": part.rows,
            "received_at": time_text(part.received_at),
            "first_observed": time_text(part.first_observed),
            "last_observed": time_text(part.last_observed),
        }
        with self._database.write() as connection:
            connection.execute(self._database.insert_new(outcome_parts, "path"), row)
            kept = connection.execute(select(outcome_parts).where(outcome_parts.c.path == part.path)).one()
        return _outcome_part(kept)

    def outcomes(self, model: str, received_since: datetime | None = None) -> list[OutcomePart]:
        """Parts received at or after a time, in the order received."""
        table = outcome_parts.c
        statement = select(outcome_parts).where(table.model == model).order_by(table.received_at, table.number)
        if received_since is not None:
            statement = statement.where(table.received_at >= time_text(received_since))
        with self._database.read() as connection:
            return [_outcome_part(row) for row in connection.execute(statement)]

    def add_joined(self, part: JoinedPart) -> JoinedPart:
        """Take a part in, unless its path is known: the part as it is kept."""
        row = {
            "path": part.path,
            "model": part.model,
            "rows": part.rows,
            "joined_at": time_text(part.joined_at),
            "first": time_text(part.first),
            "last": time_text(part.last),
        }
        with self._database.write() as connection:
            connection.execute(self._database.insert_new(joined_parts, "path"), row)
            kept = connection.execute(select(joined_parts).where(joined_parts.c.path == part.path)).one()
        return _joined_part(kept)

    def joined(self, model: str, since: datetime | None = None, until: datetime | None = None) -> list[JoinedPart]:
        """Parts that may hold rows answered in ``[since, until)``, in the order joined."""
        table = joined_parts.c
        statement = select(joined_parts).where(table.model == model).order_by(table.joined_at, table.number)
        if since is not None:
            statement = statement.where(table.last >= time_text(since))
        if until is not None:
            statement = statement.where(table.first < time_text(until))
        with self._database.read() as connection:
            return [_joined_part(row) for row in connection.execute(statement)]

    def make_durable(self) -> None:
        """Bring everything recorded so far to the disk itself."""
        self._database.make_durable()

    def _parts(self, statement: Select[Any]) -> list[PredictionPart]:
        with self._database.read() as connection:
            return [_part(row) for row in connection.execute(statement)]


def _part_row(part: PredictionPart) -> dict[str, object]:
    return {
        "path": part.path,
        "model": part.model,
        "day": part.day.isoformat(),
        "rows": part.rows,
        "segment": part.segment,
        "first": time_text(part.first),
        "last": time_text(part.last),
    }


def _part(row: Row[Any]) -> PredictionPart:
    first, last = text_time(row.first), text_time(row.last)
    return PredictionPart(row.path, row.model, date.fromisoformat(row.day), row.rows, row.segment, first, last)


def _outcome_part(row: Row[Any]) -> OutcomePart:
    times = (text_time(t) for t in (row.received_at, row.first_observed, row.last_observed))
    return OutcomePart(row.path, row.model, row.rows, *times)


def _joined_part(row: Row[Any]) -> JoinedPart:
    times = (text_time(t) for t in (row.joined_at, row.first, row.last))
    return JoinedPart(row.path, row.model, row.rows, *times)
