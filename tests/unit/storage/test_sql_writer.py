"""One thread commits what many hand in."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text

from treadle.domain.errors import InvalidInput, TreadleError
from treadle.storage.sql.store import SqlStore
from treadle.storage.sql.tables import register
from treadle.storage.sql.writer import WriteConnection


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
