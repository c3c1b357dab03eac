"""One thread that writes: what waits is committed together, so that many small changes cost few commits."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection

from treadle.domain.errors import TreadleError
from treadle.storage.sql import dialects
from treadle.storage.sql.database import Database
from treadle.storage.sql.prepared import Cursor

T = TypeVar("T")
logger = logging.getLogger("treadle.storage.writer")

TOGETHER = 256
"""The most changes in one transaction."""

THREAD_EVERY = 128
"""Of so many small changes one is the thread's: its commit brings the database's log to the disk when that is due."""


@dataclass(frozen=True)
class WriteConnection:
    """What a change works with: SQLAlchemy's connection, and a driver's cursor in the same transaction."""

    core: Connection
    cursor: Cursor


@dataclass(frozen=True)
class _Job:
    work: Callable[[WriteConnection], Any]
    future: Future[Any]


class Writer:
    """Runs changes one after the other on its own thread and connection.

    Each change is in a savepoint: one that raises leaves nothing behind and does not touch the others. Futures are
    done once the transaction is committed. Where nothing waits and a commit is cheap (SQLite commits without waiting
    for the disk), a ``small`` change is made on the caller's thread: going to another and back costs more than it. A
    change must have no effect but on the database: where the database ends a transaction to break a deadlock, its
    changes are run again.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._here: WriteConnection | None = None
        self._here_count = 0
        self._may_write_here = True
        self._thread: threading.Thread | None = None
        self._closed = False
        self._connection: WriteConnection | None = None
        self.undone: list[Callable[[], None]] = []
        """Called after a rollback, by whoever writes: what was cached may be gone."""

    def submit(self, work: Callable[[WriteConnection], T], *, small: bool = False) -> Future[T]:
        """Queue a change, or make a small one now. Raises TreadleError after the writer was closed."""
        future: Future[T] = Future()
        if small and self._made_here(_Job(work, future)):
            return future
        with self._lock:
            if self._closed:
                raise TreadleError("the store is closed", hint="open it again")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="treadle-writer", daemon=True)
                self._thread.start()
            self._jobs.put(_Job(work, future))
        return future

    def close(self) -> None:
        """Write what is queued, then end the thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            thread = self._thread
            self._jobs.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        with self._turn:
            _disconnect(self._here)
            self._here = None

    def _made_here(self, job: _Job) -> bool:
        """Make a change on this thread; False where it is the writer's."""
        if not self._turn.acquire(blocking=False):
            return False
        try:
            connection = None if self._closed or not self._jobs.empty() else self._connected_here()
            if connection is None:
                return False
            result, refusal = None, None
            try:
                with self._database.explained():
                    result, refusal = self._alone(job, connection)
            except Exception as error:  # noqa: BLE001  whoever waits is told
                self._forget()
                _disconnect(connection)
                self._here = None
                if dialects.is_busy(error.__cause__ or error):
                    return False
                refusal = error
            if refusal is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(refusal)
            return True
        finally:
            self._turn.release()

    def _connected_here(self) -> WriteConnection | None:
        if self._here is None and self._may_write_here:
            core = self._database.writing_connection()
            self._may_write_here = dialects.writes_at_once(core)
            if not self._may_write_here:
                core.close()
                return None
            self._here = WriteConnection(core, Cursor(core))
        self._here_count += 1
        if self._here_count % THREAD_EVERY == 0:
            return None
        return self._here

    def _run(self) -> None:
        going = True
        while going:
            jobs: list[_Job] = []
            job = self._jobs.get()
            while job is not None:
                if job.future.set_running_or_notify_cancel():
                    jobs.append(job)
                if len(jobs) == TOGETHER:
                    break
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
            going = job is not None
            if jobs:
                with self._turn:
                    self._commit(jobs)
        self._disconnect()

    def _commit(self, jobs: list[_Job]) -> None:
        try:
            outcomes = self._attempt(jobs)
        except BaseException as error:  # noqa: BLE001  the thread goes on; whoever waits is told
            _fail(jobs, error)
            return
        for job, (result, refusal) in zip(jobs, outcomes, strict=True):
            if refusal is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(refusal)

    def _attempt(self, jobs: list[_Job]) -> list[tuple[Any, BaseException | None]]:
        for last in (False, False, True):
            try:
                with self._database.explained():
                    connection = self._connected()
                    if len(jobs) == 1:
                        return [self._alone(jobs[0], connection)]
                    with connection.core.begin():
                        return [self._one(job, connection) for job in jobs]
            except Exception as error:
                self._forget()
                self._disconnect()
                if last or not dialects.is_deadlock(error):
                    raise
        raise AssertionError

    def _connected(self) -> WriteConnection:
        if self._connection is None:
            core = self._database.writing_connection()
            self._connection = WriteConnection(core, Cursor(core))
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        _disconnect(connection)

    def _forget(self) -> None:
        for call in self.undone:
            call()

    def _alone(self, job: _Job, connection: WriteConnection) -> tuple[Any, BaseException | None]:
        """A transaction of one change needs no savepoint."""
        transaction = connection.core.begin()
        try:
            with self._database.explained():
                result = job.work(connection)
        except Exception as error:
            transaction.rollback()
            if dialects.is_deadlock(error):
                raise
            self._forget()
            return None, error
        transaction.commit()
        return result, None

    def _one(self, job: _Job, connection: WriteConnection) -> tuple[Any, BaseException | None]:
        connection.cursor.command("SAVEPOINT change")
        try:
            with self._database.explained():
                result = job.work(connection)
        except Exception as error:
            if dialects.is_deadlock(error):
                raise
            connection.cursor.command("ROLLBACK TO SAVEPOINT change")
            connection.cursor.command("RELEASE SAVEPOINT change")
            self._forget()
            return None, error
        connection.cursor.command("RELEASE SAVEPOINT change")
        return result, None


def _disconnect(connection: WriteConnection | None) -> None:
    if connection is not None:
        connection.cursor.close()
        connection.core.close()


def _fail(jobs: list[_Job], error: BaseException) -> None:
    if not isinstance(error, TreadleError):
        logger.error("a transaction of %d changes failed", len(jobs), exc_info=error)
    for job in jobs:
        job.future.set_exception(error)
