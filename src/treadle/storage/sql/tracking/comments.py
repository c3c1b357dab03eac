"""Comments under runs, on SQL."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from treadle.domain.errors import NotFound
from treadle.domain.tracking import Comment
from treadle.domain.tracking_errors import no_run
from treadle.storage.sql.database import Database
from treadle.storage.sql.tracking.tables import run_comments, runs
from treadle.storage.sql.writer import WriteConnection, Writer


class SqlRunComments:
    """``ports.tracking.RunComments`` on SQL."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer

    def add_comment(self, run: str, *, author: str, text: str, at: int) -> Future[Comment]:
        """Raises NotFound."""

        def work(connection: WriteConnection) -> Comment:
            comment = Comment(uuid.uuid4().hex, run, author, text, at)
            values = {"id": comment.id, "run": _number(connection.core, run), "author": author, "text": text, "at": at}
            connection.core.execute(insert(run_comments).values(**values))
            return comment

        return self._writer.submit(work)

    def edit_comment(self, comment: str, *, text: str, at: int) -> Future[Comment]:
        """Raises NotFound."""

        def work(connection: WriteConnection) -> Comment:
            change = update(run_comments).where(run_comments.c.id == comment).values(text=text, edited=at)
            if not connection.core.execute(change).rowcount:
                raise _none(comment)
            return _comment(connection.core.execute(_ALL.where(run_comments.c.id == comment)).one())

        return self._writer.submit(work)

    def delete_comment(self, comment: str) -> Future[None]:
        """Raises NotFound."""

        def work(connection: WriteConnection) -> None:
            if not connection.core.execute(delete(run_comments).where(run_comments.c.id == comment)).rowcount:
                raise _none(comment)

        return self._writer.submit(work)

    def comments(self, run: str) -> Sequence[Comment]:
        """Oldest first. Raises NotFound for the run."""
        with self._database.read() as connection:
            of = _ALL.where(run_comments.c.run == _number(connection, run))
            return [_comment(row) for row in connection.execute(of.order_by(run_comments.c.number)).all()]


_ALL = select(run_comments, runs.c.id.label("of")).join_from(run_comments, runs, runs.c.number == run_comments.c.run)


def _comment(row: Any) -> Comment:
    return Comment(row.id, row.of, row.author, row.text, row.at, row.edited)


def _number(connection: Connection, run: str) -> int:
    number = connection.execute(select(runs.c.number).where(runs.c.id == run)).scalar_one_or_none()
    if number is None:
        raise no_run(run)
    return int(number)


def _none(comment: str) -> NotFound:
    return NotFound(f"there is no comment {comment}", hint="list the comments of the run")
