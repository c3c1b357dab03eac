"""The driver: turns, lanes, failures, a virtual clock."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from treadle.app.clocks import VirtualClock
from treadle.domain import events as ev
from treadle.domain.errors import InvalidInput, TreadleError, WorkerUnavailable
from treadle.domain.gates import GateReport, Verdict
from treadle.loop.decide import Command, Judge, Promote, RequestTraining, Train, Watch, command_id
from treadle.loop.driver import PATIENT_TRIES, Driver
from treadle.spec.expressions import Age
from treadle.spec.model_spec import ModelSpec
from treadle.storage.sql.store import SqlStore

T0 = datetime(2013, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SPEC = ModelSpec("m", "", "Row", (), "y", "binary", horizon=2 * DAY, triggers=(Age(30 * DAY),))


class Scripted:
    """Carries commands out by appending the events that they would end in."""

    def __init__(self, store: SqlStore, clock: VirtualClock) -> None:
        self.store = store
        self.clock = clock
        self.done: list[Command] = []
        self.broken: dict[type, int] = {}
        self.told: list[tuple[type, int]] = []
        self.fruitless: set[type] = set()
        self.training = threading.Event()
        self.hold = threading.Event()
        self.hold.set()

    def execute(self, command: Command) -> None:
        if self.broken.get(type(command), 0):
            self.broken[type(command)] -= 1
            raise OSError("no space left on device")
        if isinstance(command, Train):
            self.training.set()
            assert self.hold.wait(20)
        self.done.append(command)
        if type(command) in self.fruitless:
            return
        payload = self._payload(command)
        self.store.events.append(ev.Event(command.model, self.clock.now(), payload))

    def failed(self, command: Command, error: BaseException, tries: int) -> None:
        self.told.append((type(command), tries))

    def _payload(self, command: Command) -> ev.Payload:
        match command:
            case RequestTraining():
                return ev.TrainingRequested(
                    command.attempt, command.trigger, command.reason, command.as_of, command.revision
                )
            case Train(attempt=attempt):
                return ev.VersionRegistered(attempt.id, int(attempt.id[-4:]), "run", "r", "a")
            case Judge(version=version, champion=champion):
                return ev.GatesEvaluated(version, champion, GateReport(Verdict.PASS, (), 9))
            case Promote(version=version):
                return ev.VersionPromoted(version, None, "")
            case Watch(until=until):
                return ev.OutcomesCollected(until, 0, 0)
        raise AssertionError(command)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = SqlStore(f"sqlite:///{tmp_path / 'home.db'}")
    yield opened
    opened.close()


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[VirtualClock]:
    made = VirtualClock(tmp_path / "clock")
    made.set(T0)
    yield made
    made.close()


@pytest.fixture
def executor(store: SqlStore, clock: VirtualClock) -> Scripted:
    return Scripted(store, clock)


@pytest.fixture
def driver(store: SqlStore, clock: VirtualClock, executor: Scripted) -> Iterator[Driver]:
    made = Driver(store.events, lambda _model, _revision: SPEC, executor, clock)
    yield made
    made.stop()


def apply(store: SqlStore, model: str = "m") -> None:
    store.events.append(ev.Event(model, T0, ev.ModelApplied(1, "s", "c", "e")))


def kinds(executor: Scripted) -> list[str]:
    return [type(command).__name__ for command in executor.done]


def test_settling_carries_a_new_model_to_its_first_champion(
    store: SqlStore, driver: Driver, executor: Scripted
) -> None:
    apply(store)
    driver.settle()
    assert kinds(executor) == ["RequestTraining", "Train", "Judge", "Promote"]
    assert driver.state.models["m"].champion == 1
    assert driver.busy == []


def test_a_driver_that_starts_anew_knows_what_the_one_before_knew(
    store: SqlStore, driver: Driver, executor: Scripted, clock: VirtualClock
) -> None:
    apply(store)
    driver.settle()
    again = Driver(store.events, lambda _model, _revision: SPEC, executor, clock)
    again.settle()
    again.stop()
    assert again.state == driver.state
    assert kinds(executor) == ["RequestTraining", "Train", "Judge", "Promote"]


def test_advancing_stops_at_every_poll_and_at_the_age(
    store: SqlStore, driver: Driver, executor: Scripted, clock: VirtualClock
) -> None:
    apply(store)
    told: list[datetime] = []
    driver.advance(T0 + 31 * DAY, told.append)
    watched = [command for command in executor.done if isinstance(command, Watch)]
    assert [w.until for w in watched] == [T0 + n * DAY for n in range(1, 32)]
    asked = [command for command in executor.done if isinstance(command, RequestTraining)]
    assert [(a.trigger, a.as_of) for a in asked] == [("first", T0), ("age", T0 + 30 * DAY)]
    assert clock.now() == told[-1] == T0 + 31 * DAY


def test_time_goes_on_and_never_back(store: SqlStore, driver: Driver) -> None:
    apply(store)
    driver.advance(T0 + DAY)
    with pytest.raises(InvalidInput, match="has passed"):
        driver.advance(T0)


def test_a_stopped_driver_does_not_move_the_clock_to_where_it_was_to_go(
    store: SqlStore, driver: Driver, clock: VirtualClock
) -> None:
    apply(store)

    def told(now: datetime) -> None:
        if now >= T0 + 3 * DAY:
            driver.stop()

    with pytest.raises(WorkerUnavailable, match="stopped"):
        driver.advance(T0 + 30 * DAY, told)
    assert clock.now() == T0 + 3 * DAY


def test_a_resumed_advance_may_find_that_its_time_has_passed(
    store: SqlStore, driver: Driver, clock: VirtualClock, executor: Scripted
) -> None:
    apply(store)
    driver.advance(T0 + 2 * DAY)
    told: list[datetime] = []
    driver.advance(T0 + DAY, told.append, resumed=True)
    assert told == [T0 + 2 * DAY] == [clock.now()]
    assert "Promote" in kinds(executor)


def test_time_does_not_pass_while_a_command_that_failed_is_to_be_tried_again(
    store: SqlStore, driver: Driver, executor: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("treadle.loop.driver.RETRY_FIRST", 0.01)
    executor.broken[Train] = PATIENT_TRIES - 1
    apply(store)
    driver.advance(T0 + 3 * DAY)
    assert kinds(executor)[:4] == ["RequestTraining", "Train", "Judge", "Promote"]
    assert executor.told == [(Train, tries) for tries in range(1, PATIENT_TRIES)]
    asked = store.events.last(kinds=["version_promoted"])
    assert [sealed.event.at for sealed in asked] == [T0]


def test_a_failing_command_is_set_aside_told_of_and_tried_again(
    store: SqlStore, driver: Driver, executor: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("treadle.loop.driver.RETRY_FIRST", 0.1)
    executor.broken[Train] = PATIENT_TRIES
    apply(store)
    driver.settle()
    assert kinds(executor) == ["RequestTraining"]
    assert executor.told == [(Train, tries) for tries in range(1, PATIENT_TRIES + 1)]
    thread = threading.Thread(target=driver.run, daemon=True)
    thread.start()
    try:
        for _ in range(400):
            if "Promote" in kinds(executor):
                break
            threading.Event().wait(0.05)
    finally:
        driver.stop()
        thread.join(10)
    assert kinds(executor)[-1] == "Promote"


def test_a_failure_that_nobody_can_be_told_of_is_tried_again_all_the_same(
    store: SqlStore, driver: Driver, executor: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk the incident that tells of a failure cannot be written either."""

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("treadle.loop.driver.RETRY_FIRST", 0.1)
    monkeypatch.setattr(executor, "failed", full)
    executor.broken[Train] = PATIENT_TRIES + 1
    apply(store)
    thread = threading.Thread(target=driver.run, daemon=True)
    thread.start()
    try:
        for _ in range(400):
            if "Promote" in kinds(executor):
                break
            threading.Event().wait(0.05)
    finally:
        driver.stop()
        thread.join(10)
    assert kinds(executor)[-1] == "Promote"


def test_a_turn_that_fails_forgets_no_model(store: SqlStore, executor: Scripted, clock: VirtualClock) -> None:
    broken = 2

    def specs(_model: str, _revision: int) -> ModelSpec:
        nonlocal broken
        if broken:
            broken -= 1
            raise TreadleError("the database cannot be used")
        return SPEC

    driver = Driver(store.events, specs, executor, clock)
    for model in ("a", "b"):
        apply(store, model)
    for _ in range(2):
        with pytest.raises(TreadleError, match="database"):
            driver.turn()
    driver.settle()
    driver.stop()
    assert {name: state.champion for name, state in driver.state.models.items()} == {"a": 1, "b": 1}


def test_a_model_that_trains_does_not_hold_up_another_or_its_own_watch(
    store: SqlStore, driver: Driver, executor: Scripted, clock: VirtualClock
) -> None:
    apply(store)
    driver.settle()
    clock.set(T0 + 30 * DAY)
    executor.hold.clear()
    apply(store, "n")
    for _ in range(200):
        driver.turn()
        if set(driver.busy) == {"m:train", "n:train"}:
            break
        threading.Event().wait(0.02)
    assert set(driver.busy) == {"m:train", "n:train"}
    assert any(isinstance(command, Watch) and command.model == "m" for command in executor.done)
    executor.hold.set()
    driver.settle()
    assert driver.state.models["n"].champion == 1


def test_no_command_is_carried_out_twice_however_turns_and_endings_fall(
    store: SqlStore, driver: Driver, executor: Scripted
) -> None:
    for number in range(20):
        apply(store, f"m{number:02d}")
    driver.advance(T0 + 3 * DAY)
    done = [command_id(command) for command in executor.done]
    assert len(done) == 20 * (4 + 3)
    assert len(done) == len(set(done))


def test_a_command_of_which_nothing_comes_is_no_endless_loop(
    store: SqlStore, driver: Driver, executor: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("treadle.loop.driver.RETRY_FIRST", 0.05)
    executor.fruitless.add(Judge)
    apply(store)
    driver.settle()
    assert kinds(executor) == ["RequestTraining", "Train", *["Judge"] * PATIENT_TRIES]
    assert executor.told == [(Judge, tries) for tries in range(1, PATIENT_TRIES + 1)]
    executor.fruitless.clear()
    driver.poke()
    time.sleep(0.5)
    driver.settle()
    assert driver.state.models["m"].champion == 1


def test_a_driver_that_is_stopped_waits_for_what_is_under_way(
    store: SqlStore, driver: Driver, executor: Scripted
) -> None:
    executor.hold.clear()
    apply(store)
    while not executor.training.is_set():
        driver.turn()
    driver.stop()
    assert not driver.join(0.05)
    executor.hold.set()
    assert driver.join(20)
    assert driver.turn() == 0
