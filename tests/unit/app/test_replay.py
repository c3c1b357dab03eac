"""Moving a virtual clock from outside, through restarts of the server."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from treadle.app import replay
from treadle.domain.errors import InvalidInput, WorkerUnavailable
from treadle.sdk import Client

T0 = datetime(2013, 3, 1, tzinfo=UTC)
DONE = {"done": True, "now": "later"}
GONE = WorkerUnavailable("the server broke off")
PASSED = InvalidInput("that time has passed")


def client_that(*scripts: list[Any], now: datetime = T0) -> Client:
    left = list(scripts)

    def advance(_to: datetime) -> Iterator[dict[str, Any]]:
        for said in left.pop(0):
            if isinstance(said, Exception):
                raise said
            yield said

    return cast("Client", SimpleNamespace(advance=advance, clock=lambda: SimpleNamespace(now=now)))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PATIENCE", 0.1)
    monkeypatch.setattr(replay, "RETRY", 0.02)


def test_what_is_told_on_the_way_is_passed_on() -> None:
    assert list(replay.advanced(client_that([{"now": "a"}, DONE]), T0)) == [{"now": "a"}, DONE]


def test_it_goes_on_where_the_server_breaks_off() -> None:
    client = client_that([{"now": "a"}, GONE], [GONE], [{"now": "b"}, DONE])
    told = [line for line in replay.advanced(client, T0) if "waiting" not in line]
    assert told == [{"now": "a"}, {"now": "b"}, DONE]


def test_what_broke_off_may_have_arrived() -> None:
    client = client_that([{"now": "a"}, GONE], [PASSED], now=T0 + timedelta(days=1))
    assert {"now": "a"} in list(replay.advanced(client, T0))


def test_a_time_that_has_passed_is_refused_all_the_same() -> None:
    with pytest.raises(InvalidInput):
        list(replay.advanced(client_that([PASSED], now=T0 + timedelta(days=1)), T0))


def test_patience_ends() -> None:
    with pytest.raises(WorkerUnavailable):
        list(replay.advanced(client_that(*[[GONE]] * 50), T0))
