"""Whatever somebody does to sealed events behind the store's back, verification notices."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from treadle.domain import events as chained
from treadle.domain.errors import CorruptData
from treadle.storage.sql.store import SqlStore
from treadle.testing import samples

COUNT = 8


@pytest.fixture(scope="module")
def sealed() -> Iterator[bytes]:
    """A database of eight sealed events."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "treadle.db"
        store = SqlStore(f"sqlite:///{path}")
        store.events.append(*(samples.an_event(f"reason {i}", once=f"{i}") for i in range(COUNT)))
        assert store.events.seal() == COUNT == store.events.verify()
        store.close()
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.close()
        yield path.read_bytes()


@contextmanager
def tampered(data: bytes, *statements: str) -> Iterator[SqlStore]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "treadle.db"
        path.write_bytes(data)
        connection = sqlite3.connect(path)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()
        store = SqlStore(f"sqlite:///{path}")
        yield store
        store.close()


def test_an_untouched_chain_holds(sealed):
    with tampered(sealed) as store:
        assert store.events.verify() == COUNT


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(1, COUNT), st.sampled_from(["body", "previous_hash", "hash", "model", "kind", "once"]), st.data())
def test_edits_are_noticed(sealed, position, column, data):
    at = data.draw(st.integers(1, 6 if column in ("model", "kind", "once") else 60))
    edit = f"substr({column}, 1, {at} - 1) || '#' || substr({column}, {at} + 1)"
    statement = f"UPDATE events SET {column} = {edit} WHERE position = {position}"
    with tampered(sealed, statement) as store, pytest.raises(CorruptData, match=f"event {position} "):
        store.events.verify()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sets(st.integers(1, COUNT), min_size=1))
def test_deletions_are_noticed_also_at_the_end(sealed, positions):
    where = ", ".join(map(str, positions))
    with tampered(sealed, f"DELETE FROM events WHERE position IN ({where})") as store, pytest.raises(CorruptData):
        store.events.verify()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.permutations(range(1, COUNT + 1)).filter(lambda order: list(order) != sorted(order)))
def test_reordering_is_noticed(sealed, order):
    away = f"UPDATE events SET position = position + {COUNT}"
    back = [f"UPDATE events SET position = {new} WHERE position = {old + COUNT}" for old, new in enumerate(order, 1)]
    with tampered(sealed, away, *back) as store, pytest.raises(CorruptData):
        store.events.verify()


def test_an_event_slipped_in_is_noticed(sealed):
    body = chained.encode(samples.an_event("slipped in"))
    forged = chained.chain_hash("0" * 64, COUNT + 1, body)
    row = f"('flights', 'version_refused', '{body}', {COUNT + 1}, '{'0' * 64}', '{forged}')"
    statement = f"INSERT INTO events (model, kind, body, position, previous_hash, hash) VALUES {row}"
    with tampered(sealed, statement) as store, pytest.raises(CorruptData, match=f"event {COUNT + 1} "):
        store.events.verify()


def test_a_chain_grown_behind_the_stores_back_is_noticed(sealed):
    """Even with right hashes: the tip does not know of it."""
    body = chained.encode(samples.an_event("grown"))
    with tampered(sealed) as store:
        tip = store.events.last(limit=1)[0].hash
    forged = chained.chain_hash(tip, COUNT + 1, body)
    row = f"('flights', 'version_refused', '{body}', {COUNT + 1}, '{tip}', '{forged}')"
    statement = f"INSERT INTO events (model, kind, body, position, previous_hash, hash) VALUES {row}"
    with tampered(sealed, statement) as store, pytest.raises(CorruptData, match="not where it was sealed to"):
        store.events.verify()


def test_a_chain_whose_end_was_forgotten_is_noticed(sealed):
    with tampered(sealed, "DELETE FROM chain") as store:
        with pytest.raises(CorruptData, match="not known"):
            store.events.verify()
        with pytest.raises(CorruptData, match="not known"):
            store.events.seal()
