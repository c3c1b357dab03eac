"""One thread commits what many hand in."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text

from treadle.domain.errors import InvalidInput, NotFound, TreadleError
from treadle.storage.sql.dialects import CHECKPOINT_AT
from treadle.storage.sql.store import SqlStore
from treadle.storage.sql.tables import register
from treadle.storage.sql.writer import THREAD_EVERY, WriteConnection


@pytest.fixture
def store(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path / 'treadle.db'}")
    yield store
    store.close()


def put(name):
    def work(connection: WriteConnection) -> str:
        connection.core.execute(register.insert().values(name=name, value="1"))
        return name

    return work


def names(store) -> set[str]:
    with store._database.read() as connection:
        return set(connection.execute(select(register.c.name)).scalars())


def test_what_is_done_is_committed(store):
    assert store.writer.submit(put("a")).result(10) == "a"
    assert "a" in names(store)


def test_a_bad_change_leaves_the_others_alone(store):
    held, entered = threading.Event(), threading.Event()

    def hold(connection: WriteConnection) -> None:
        entered.set()
        held.wait(10)

    def bad(connection: WriteConnection) -> None:
        put("half")(connection)
        raise InvalidInput("no")

    first = store.writer.submit(hold)
    entered.wait(10)
    futures = [store.writer.submit(work) for work in (put("a"), bad, put("a"), put("b"))]
    held.set()
    first.result(10)
    assert futures[0].result(10) == "a"
    with pytest.raises(InvalidInput):
        futures[1].result(10)
    assert "UNIQUE" in str(futures[2].exception(10))
    assert futures[3].result(10) == "b"
    assert {"a", "b"} <= names(store)
    assert "half" not in names(store)


def test_what_the_driver_raises_is_told(store):
    def broken(connection: WriteConnection) -> None:
        connection.cursor.command("SELECT * FROM absent")

    with pytest.raises(TreadleError, match="no such table"):
        store.writer.submit(broken).result(10)
    store.writer.submit(put("later")).result(10)


def test_it_waits_for_other_writers(store):
    with store._database.write() as other:
        other.execute(text("DELETE FROM register"))
        store.writer.submit(put("waits"))
    store.writer.close()
    assert names(store) == {"waits"}


def test_many_threads(store):
    with ThreadPoolExecutor(8) as pool:
        futures = list(pool.map(lambda i: store.writer.submit(put(f"n{i}")), range(200)))
    assert {future.result(10) for future in futures} == {f"n{i}" for i in range(200)}
    assert len({name for name in names(store) if name.startswith("n")}) == 200


def test_closing_writes_what_is_queued_and_then_refuses(store):
    futures = [store.writer.submit(put(f"n{i}")) for i in range(50)]
    store.writer.close()
    store.writer.close()
    assert all(future.done() for future in futures)
    with pytest.raises(TreadleError, match="closed"):
        store.writer.submit(put("late"))


def test_a_cancelled_change_is_not_made(store):
    held, entered = threading.Event(), threading.Event()

    def hold(connection: WriteConnection) -> None:
        entered.set()
        held.wait(10)

    store.writer.submit(hold)
    entered.wait(10)
    cancelled = store.writer.submit(put("never"))
    assert cancelled.cancel()
    held.set()
    store.writer.submit(put("after")).result(10)
    assert "never" not in names(store)


def test_a_small_change_is_made_at_once_on_the_callers_thread(store):
    where = []

    def work(connection: WriteConnection) -> int:
        where.append(threading.current_thread())
        connection.cursor.command("INSERT INTO register (name, value) VALUES ('a', '1')")
        return 7

    future = store.writer.submit(work, small=True)
    assert future.done()
    assert future.result() == 7
    assert where == [threading.current_thread()]
    assert store.register.get("a") == "1"


def test_a_small_change_that_raises_leaves_nothing_and_the_next_one_works(store):
    def broken(connection: WriteConnection) -> None:
        connection.cursor.command("INSERT INTO register (name, value) VALUES ('a', '1')")
        raise NotFound("no")

    with pytest.raises(NotFound):
        store.writer.submit(broken, small=True).result()
    assert store.register.get("a") is None
    assert store.writer.submit(lambda _: 1, small=True).result() == 1


def test_a_small_change_waits_on_the_writers_thread_while_another_process_writes(store, tmp_path):
    other = sqlite3.connect(tmp_path / "treadle.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    where = []
    future = store.writer.submit(lambda _: where.append(threading.current_thread()), small=True)
    assert not future.done()
    other.execute("ROLLBACK")
    other.close()
    future.result(timeout=30)
    assert where != [threading.current_thread()]


def test_the_log_of_many_small_changes_goes_to_the_database(store, tmp_path):
    def work(connection: WriteConnection) -> None:
        connection.cursor.command("INSERT OR REPLACE INTO register (name, value) VALUES ('a', hex(zeroblob(3000)))")

    for _ in range(40 * THREAD_EVERY):
        store.writer.submit(work, small=True).result()
    pages = (tmp_path / "treadle.db-wal").stat().st_size / 4096
    assert pages < CHECKPOINT_AT + 20 * THREAD_EVERY
