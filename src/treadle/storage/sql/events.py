"""The hash-chained table of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, select, true, update

from treadle.domain import events as chained
from treadle.domain.errors import CorruptData
from treadle.domain.events import Event, SealedEvent
from treadle.storage.sql.database import Database
from treadle.storage.sql.tables import chain, events

BATCH = 1000
_SEALED = select(events.c.position, events.c.body, events.c.previous_hash, events.c.hash)
_MEND = "somebody changed the events table; restore the database from a backup"


def record_events(database: Database, connection: Connection, new: Sequence[Event]) -> None:
    """Add events, not sealed yet, in the transaction of the change that they tell of.

    An event whose ``once`` its model has already is dropped.
    """
    if not new:
        return
    rows = [{"model": e.model, "kind": e.payload.kind, "once": e.once, "body": chained.encode(e)} for e in new]
    connection.execute(database.insert_new(events, "model", "once"), rows)


class SqlEvents:
    """``ports.Events`` on SQL. The tip of the chain is kept in a row of its own, so that a cut-off end shows too."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, *events: Event) -> None:
        """Record events that come with no other change."""
        if events:
            with self._database.write() as connection:
                record_events(self._database, connection, events)

    def seal(self) -> int:
        """Number and chain all committed events in the order they were appended; return the last position.

        Whoever calls seals; the lock on the chain's tip makes it one at a time.
        """
        while True:
            with self._database.read() as connection:
                waiting = connection.execute(select(events.c.id).where(events.c.position.is_(None)).limit(1)).first()
                if waiting is None:
                    return int(_tip(connection).position)
            self._seal_batch()

    def _seal_batch(self) -> None:
        with self._database.write() as connection:
            tip = _tip(connection, lock=True)
            pending = (
                select(events.c.id, events.c.body).where(events.c.position.is_(None)).order_by(events.c.id).limit(BATCH)
            )
            position, previous = int(tip.position), str(tip.hash)
            sealed = []
            for row in connection.execute(pending):
                position += 1
                digest = chained.chain_hash(previous, position, row.body)
                sealed.append({"row": row.id, "position": position, "previous_hash": previous, "hash": digest})
                previous = digest
            if sealed:
                connection.execute(update(events).where(events.c.id == bindparam("row")), sealed)
                connection.execute(update(chain).values(position=position, hash=previous))

    def read(self, after: int = 0, *, model: str | None = None, limit: int = 1000) -> Sequence[SealedEvent]:
        """Sealed events with a position greater than ``after``, in order."""
        statement = _SEALED.where(_of(model), events.c.position > after).order_by(events.c.position).limit(limit)
        with self._database.read() as connection:
            return [_event(row) for row in connection.execute(statement)]

    def last(self, *, model: str | None = None, kinds: Sequence[str] = (), limit: int = 100) -> Sequence[SealedEvent]:
        """The newest sealed events, newest first."""
        statement = _SEALED.where(_of(model), events.c.position.is_not(None))
        if kinds:
            statement = statement.where(events.c.kind.in_(kinds))
        with self._database.read() as connection:
            return [
                _event(row) for row in connection.execute(statement.order_by(events.c.position.desc()).limit(limit))
            ]

    def verify(self) -> int:
        """Recompute the whole chain and return its length.

        Raises CorruptData at the first position that is off: an event changed, missing, or out of its place.
        """
        position, previous = 0, chained.GENESIS
        with self._database.read() as connection:
            tip = _tip(connection)
            every = select(events).where(events.c.position.is_not(None)).order_by(events.c.position)
            for row in connection.execute(every.execution_options(yield_per=BATCH)):
                position += 1
                _check(row, position, previous)
                previous = row.hash
        if (tip.position, tip.hash) != (position, previous):
            raise CorruptData(
                f"the chain of events ends at position {position}, not where it was sealed to ({tip.position})",
                hint=_MEND,
            )
        return position


def _tip(connection: Connection, *, lock: bool = False) -> Any:
    """The position and hash of the last event that was sealed; locked, where they are to change."""
    statement = select(chain.c.position, chain.c.hash)
    tip = connection.execute(statement.with_for_update() if lock else statement).first()
    if tip is None:
        raise CorruptData("the end of the chain of events is not known any more", hint=_MEND)
    return tip


def _of(model: str | None) -> ColumnElement[bool]:
    return true() if model is None else events.c.model == model


def _event(row: Any) -> SealedEvent:
    return SealedEvent(row.position, chained.decode(row.body), row.previous_hash, row.hash)


def _check(row: Row[Any], position: int, previous: str) -> None:
    if row.position != position:
        raise CorruptData(f"event {position} is missing: the next one is {row.position}", hint=_MEND)
    if row.previous_hash != previous or row.hash != chained.chain_hash(previous, position, row.body):
        raise CorruptData(f"event {position} is not the one that was sealed", hint=_MEND)
    event = chained.decode(row.body)
    if (row.model, row.kind, row.once) != (event.model, event.payload.kind, event.once):
        raise CorruptData(f"event {position} is filed under another model, kind or key than it says", hint=_MEND)
