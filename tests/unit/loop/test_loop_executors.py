"""The executor: what a process that was killed may have left is put right by the next one."""

import threading
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from treadle.domain.gates import GateReport, Verdict
from treadle.loop.activity import Activity
from treadle.loop.decide import Judge, Refuse
from treadle.loop.executors import StageExecutor
from treadle.loop.stages import Stages
from treadle.monitor.service import MonitorService
from treadle.testing.memory import ManualClock, MemoryStore

T0 = datetime(2013, 3, 1, tzinfo=UTC)


class Home:
    """A store with the real monitoring of incidents, and as many loop processes as are wanted."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = ManualClock(T0)
        nothing: Any = None
        self.monitor = MonitorService(
            engine=nothing,
            blobs=nothing,
            log=nothing,
            outcomes=nothing,
            joined=nothing,
            measurements=self.store.measurements,
            versions=self.store.versions,
            clock=self.clock,
        )
        registry = SimpleNamespace(get=lambda _, number: SimpleNamespace(number=number), judge=lambda *_: None)
        self.stages = cast(
            "Stages",
            SimpleNamespace(events=self.store.events, clock=self.clock, monitor=self.monitor, registry=registry),
        )

    def process(self) -> StageExecutor:
        return StageExecutor(self.stages, Activity(), threading.Event())

    @property
    def standing(self) -> list[str]:
        return [incident.fingerprint for incident in self.store.measurements.incidents("m", open_only=True)]


@pytest.fixture
def home() -> Home:
    return Home()


def test_a_failure_becomes_an_incident_the_second_time_and_ends_when_it_works_again(home: Home) -> None:
    process, command = home.process(), Refuse("m", 1, "a gate failed")
    process.execute(command)
    process.failed(command, OSError("disk full"), 1)
    assert home.standing == []
    process.failed(command, OSError("disk full"), 2)
    assert home.standing == ["service:Refuse"]
    process.execute(command)
    assert home.standing == []


def test_an_incident_reported_by_a_process_that_is_gone_ends_too(home: Home) -> None:
    command = Refuse("m", 1, "a gate failed")
    home.process().failed(command, OSError("disk full"), 2)
    home.process().execute(command)
    assert home.standing == []


def test_a_training_incident_ends_when_the_next_version_is_judged_whoever_registered_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.monitor.report_training_failure("m", "m-0001", "data", "bad rows")
    assert home.standing == ["training:data"]
    report = GateReport(Verdict.PASS, (), 9)
    monkeypatch.setattr("treadle.loop.executors.judge", lambda *_: report)
    home.process().execute(Judge("m", 1, None))
    assert home.standing == []
