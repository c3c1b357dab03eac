"""One look at a model in production: the order of what it does, and its housekeeping."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from treadle.domain import events as ev
from treadle.domain.models import AppliedModel, CodeTree, EnvironmentLock
from treadle.domain.versions import ModelVersion
from treadle.loop.stages import Stages
from treadle.loop.watching import watch
from treadle.spec.model_spec import ModelSpec
from treadle.testing.memory import ManualClock, MemoryEvents

T0 = datetime(2013, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SPEC = ModelSpec("m", "", "Row", (), "y", "binary", horizon=2 * DAY, poll=HOUR)
APPLIED = AppliedModel(
    "m", 1, SPEC.to_json(), SPEC.digest, CodeTree("m.py", {}, "c", ""), EnvironmentLock("", "3.11", "e"), T0
)


class Doings:
    """Stages that note what they are asked for."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.merged: list[date] = []
        self.events = MemoryEvents()
        self.stages = cast(
            "Stages",
            SimpleNamespace(
                events=self.events,
                clock=ManualClock(T0 + 10 * DAY),
                log=SimpleNamespace(compact_finished=self.merged.append),
                monitor=SimpleNamespace(
                    collect_outcomes=lambda *_: self.note("outcomes", SimpleNamespace(received=5, joined=4)),
                    evaluate=lambda *_: self.note("evaluate"),
                    health=lambda *_: self.note("health"),
                    drift=lambda *_: self.note("drift"),
                ),
                deploy=SimpleNamespace(deployment=lambda _: SimpleNamespace(promoted_at=T0, rollout=None)),
            ),
        )

    def note(self, what: str, answer: Any = None) -> Any:
        self.done.append(what)
        return answer

    def watch(self, since: datetime | None, until: datetime) -> None:
        watch(self.stages, APPLIED, cast("ModelVersion", SimpleNamespace(number=1)), since, until)


def test_the_event_that_ends_a_look_comes_last_and_once() -> None:
    doings = Doings()
    doings.watch(T0 + 7 * DAY, T0 + 8 * DAY)
    doings.watch(T0 + 7 * DAY, T0 + 8 * DAY)
    assert doings.done[:3] == ["outcomes", "evaluate", "health"]
    doings.events.seal()
    (sealed,) = doings.events.read()
    assert sealed.event.payload == ev.OutcomesCollected(T0 + 8 * DAY, 5, 4)


@pytest.mark.parametrize(
    ("since", "until", "merged"),
    [
        (T0 + 3 * DAY, T0 + 3 * DAY + HOUR, []),
        (T0 + 3 * DAY + 23 * HOUR, T0 + 4 * DAY, [date(2013, 3, 5)]),
        (T0 + 3 * DAY, T0 + 6 * DAY, [date(2013, 3, 7)]),
        (None, T0 + 4 * DAY, [date(2013, 3, 5)]),
        (None, T0 + 4 * DAY + 5 * HOUR, []),
    ],
)
def test_files_of_finished_days_are_merged_once_a_day(
    since: datetime | None, until: datetime, merged: list[date]
) -> None:
    doings = Doings()
    doings.watch(since, until)
    assert doings.merged == merged
