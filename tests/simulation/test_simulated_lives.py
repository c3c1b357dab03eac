"""Thousands of random lives of the loop, with faults; and broken loops, to see that they are found out.

A life follows from its seed. One that fails tells it; ``TREADLE_SEED=<seed> pytest tests/simulation -s`` lives that one
again and says what happens. ``pytest -m soak tests/simulation`` lives ``TREADLE_LIVES`` of them (20,000).
"""

import contextlib
import multiprocessing
import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from life_invariants import Invariants
from simulated_life import Life, simulated

from treadle.deploy import rollouts
from treadle.deploy.service import DeployService
from treadle.domain.deployments import Route
from treadle.domain.gates import Verdict
from treadle.loop.decide import Command, Judge, Promote, RequestTraining, Train, decide
from treadle.loop.state import Candidate, ModelState
from treadle.spec.model_spec import ModelSpec
from treadle.testing.memory.events import MemoryEvents

REPLAYED = os.environ.get("TREADLE_SEED")
LIVES, CHUNK, HAPPENINGS = 1000, 125, 20
CHUNKS = (
    [range(int(REPLAYED), int(REPLAYED) + 1)] if REPLAYED else [range(n, n + CHUNK) for n in range(0, LIVES, CHUNK)]
)
SOAKED = 20_000

Decide = Callable[[ModelState, ModelSpec, datetime], list[Command]]


def live(seed: int, *, loop: Decide = decide, told: Callable[[str], None] = lambda _: None) -> tuple[Life, Invariants]:
    """One life. Raises AssertionError, which says how to live it again."""
    invariants = Invariants()
    try:
        with simulated():
            life = Life(seed, invariants, decide=loop, told=told)
            life.live(HAPPENINGS)
            invariants.end(life)
    except Exception as error:
        again = f"TREADLE_SEED={seed} pytest tests/simulation -s"
        raise AssertionError(f"life {seed}: {type(error).__name__}: {error}\nlive it again with {again}") from error
    return life, invariants


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"from-{seeds.start}")
def test_whatever_happens_the_loop_keeps_its_promises(seeds: range) -> None:
    seen: Counter[str] = Counter()
    for seed in seeds:
        life, invariants = live(seed, told=print if REPLAYED else lambda _: None)
        seen += invariants.counts + Counter(deaths=life.world.faults.deaths)
    if len(seeds) == CHUNK:
        rare = {"rollout_examined", "rollout_stepped", "version_rolled_back", "incident_resolved", "deaths"}
        assert all(seen[name] >= 5 for name in rare), f"these lives hardly ever come to that: {seen}"


def test_a_life_follows_from_its_seed() -> None:
    first, again = (live(7)[0].world.store.events.read(limit=10**6)[-1] for _ in range(2))
    assert first == again
    assert live(8)[0].world.store.events.read(limit=10**6)[-1].hash != first.hash


def _found(seed: int) -> str | None:
    try:
        live(seed)
    except AssertionError as error:
        return str(error)
    return None


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_great_many_lives() -> None:
    count, first = int(os.environ.get("TREADLE_LIVES", SOAKED)), secrets.randbelow(10**9) * 1000
    print(f"{count:,} lives from seed {first}")
    with multiprocessing.get_context("spawn").Pool() as pool:
        broken = [found for found in pool.imap_unordered(_found, range(first, first + count), 50) if found]
    assert not broken, f"{len(broken)} of {count:,} lives: " + "\n".join(broken[:5])


# Loops that break one rule each.


def promotes_without_gates(state: ModelState, spec: ModelSpec, now: datetime) -> list[Command]:
    return [
        Promote(c.model, c.version, "looks good", c.champion) if isinstance(c, Judge) else c
        for c in decide(state, spec, now)
    ]


def promotes_on_a_verdict_beside_another_champion(state: ModelState, spec: ModelSpec, now: datetime) -> list[Command]:
    candidate = state.candidate
    if candidate is not None and candidate.report is not None and candidate.report.verdict is Verdict.PASS:
        state = replace(state, candidate=replace(candidate, against=state.champion))
    return decide(state, spec, now)


def looks_ahead(state: ModelState, spec: ModelSpec, now: datetime) -> list[Command]:
    return [
        replace(c, as_of=now + timedelta(days=1)) if isinstance(c, RequestTraining) else c
        for c in decide(state, spec, now)
    ]


def forgets_attempts(state: ModelState, spec: ModelSpec, now: datetime) -> list[Command]:
    return [c for c in decide(state, spec, now) if not isinstance(c, Train) or c.attempt.trigger != "age"]


def asks_twice(state: ModelState, spec: ModelSpec, now: datetime) -> list[Command]:
    return decide(state if state.attempts % 3 else replace(state, attempt=None), spec, now)


@contextlib.contextmanager
def events_that_forget_what_was_said() -> Iterator[None]:
    def with_change(self: MemoryEvents, events: Any, change: Callable[[], Any]) -> bool:
        if change() is False:
            return False
        self._waiting.extend(events)
        return True

    with mock.patch.object(MemoryEvents, "with_change", with_change):
        yield


@contextlib.contextmanager
def nothing_heals() -> Iterator[None]:
    with mock.patch.object(DeployService, "publish", lambda self: self._routing.read()):
        yield


@contextlib.contextmanager
def shares_beyond_a_hundred() -> Iterator[None]:
    def routes(_step: Any, champion: int, version: int) -> tuple[Route, ...]:
        return (Route(champion, 100.0), Route(version, 25.0))

    with mock.patch.object(rollouts, "routes_at", routes):
        yield


@contextlib.contextmanager
def verdicts_are_forgotten() -> Iterator[None]:
    with mock.patch.object(Candidate, "beside", lambda self, _champion: self):
        yield


@contextlib.contextmanager
def whoever_answers_is_replaced() -> Iterator[None]:
    with mock.patch("treadle.deploy.service._expect", lambda *_: None):
        yield


PASSED = "without all gates passed beside the champion"
AT_REST = "still something to do"


@pytest.mark.parametrize(
    ("loop", "seeds", "says"),
    [
        (promotes_without_gates, range(20), PASSED),
        (promotes_on_a_verdict_beside_another_champion, range(60), PASSED),
        (looks_ahead, range(20), "look-ahead"),
        (forgets_attempts, range(40), "lost attempts"),
        (asks_twice, range(20), "two trainings at a time"),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_a_loop_that_breaks_a_rule_is_found_out(loop: Decide, seeds: Iterable[int], says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        for seed in seeds:
            live(seed, loop=loop)


@pytest.mark.parametrize(
    ("fault", "seeds", "says"),
    [
        (events_that_forget_what_was_said, range(20), "recorded twice"),
        (nothing_heals, range(20), "the routing table is not what was decided"),
        (shares_beyond_a_hundred, range(20), "125 %"),
        (verdicts_are_forgotten, (5518, 6033, 6167, 6218), AT_REST),
        (whoever_answers_is_replaced, (928,), PASSED),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_a_store_or_a_service_that_breaks_a_rule_is_found_out(
    fault: Callable[[], contextlib.AbstractContextManager[None]], seeds: Iterable[int], says: str
) -> None:
    with fault(), pytest.raises(AssertionError, match=says):
        for seed in seeds:
            live(seed)
