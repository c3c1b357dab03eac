"""Decisions of the loop about rollouts, by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from treadle.deploy.rollouts import Action
from treadle.domain import events as ev
from treadle.domain.gates import GateReport, GateResult, Verdict
from treadle.domain.monitoring import Evaluation, Maturity
from treadle.loop.decide import (
    Command,
    Drive,
    Judge,
    Promote,
    RequestTraining,
    RollBack,
    Train,
    Watch,
    command_id,
    decide,
    next_due,
)
from treadle.loop.state import ModelState, evolve
from treadle.spec.expressions import Age, CanaryStep, MetricRef, ShadowStep, Threshold
from treadle.spec.model_spec import ModelSpec

T0 = datetime(2013, 3, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
STEPS = (ShadowStep(3 * DAY), CanaryStep(5, DAY), CanaryStep(100, DAY))
SPEC = ModelSpec(
    "m", "", "Row", (), "y", "binary", horizon=2 * DAY, triggers=(Age(30 * DAY),), rollout=STEPS,
    gates=(Threshold(MetricRef("auc"), ">=", 0.58),), poll=6 * HOUR,
)  # fmt: skip
PASSED = GateReport(Verdict.PASS, (GateResult("auc >= 0.58", Verdict.PASS, value=0.7, rows=900),), 900)
BROKEN = GateReport(Verdict.FAIL, (GateResult("auc >= 0.58", Verdict.FAIL, value=0.5, rows=900),), 900)
OPEN = GateReport(Verdict.NOT_ENOUGH_DATA, (GateResult("auc >= 0.58", Verdict.NOT_ENOUGH_DATA, rows=40),), 40)
T2 = T0 + 10 * DAY
SERVING: tuple[tuple[datetime, ev.Payload], ...] = (
    (T0, ev.ModelApplied(1, "s", "c", "e")),
    (T0, ev.TrainingRequested("m-0001", "first", "", T0, 1)),
    (T0, ev.VersionRegistered("m-0001", 1, "run", "r", "a")),
    (T0, ev.GatesEvaluated(1, None, PASSED)),
    (T0, ev.VersionPromoted(1, None, "")),
)
JUDGED = (
    *SERVING,
    (T2, ev.TrainingRequested("m-0002", "asked", "", T2, 1)),
    (T2, ev.VersionRegistered("m-0002", 2, "run", "r", "a")),
    (T2, ev.GatesEvaluated(2, 1, PASSED)),
    (T2, ev.OutcomesCollected(T2, 0, 0)),
)
STARTED = (*JUDGED, (T2, ev.RolloutStarted(2, 1, "go")))


def lived(*steps: tuple[datetime, ev.Payload]) -> ModelState:
    state = ModelState("m")
    for at, payload in steps:
        state = evolve(state, ev.Event("m", at, payload))
    return state


def watched(at: datetime) -> tuple[datetime, ev.Payload]:
    return at, ev.OutcomesCollected(at, 1, 1)


def seen(at: datetime, report: GateReport, step: int = 0, shadow: bool = True) -> tuple[datetime, ev.Payload]:
    return at, ev.RolloutExamined(2, step, shadow, T2, at, report)


def drives(state: ModelState, now: datetime, spec: ModelSpec = SPEC) -> list[Command]:
    return [command for command in decide(state, spec, now) if command.lane == "rollout"]


def test_the_first_version_is_promoted_at_once_and_the_next_one_begins_a_rollout() -> None:
    assert isinstance(decide(lived(*SERVING[:-1]), SPEC, T0)[0], Promote)
    (command,) = decide(lived(*JUDGED), SPEC, T2)
    assert command == Drive("m", 2, None, Action.START, champion=1)
    assert command_id(command) == "m:Drive:2::start"
    (at_once,) = decide(lived(*JUDGED), replace(SPEC, rollout=()), T2)
    assert isinstance(at_once, Promote)


def test_a_step_waits_for_its_time_then_for_evidence() -> None:
    state = lived(*STARTED)
    assert state.candidate is None
    assert drives(state, T2) == []
    assert next_due(state, SPEC, T2 + 3 * DAY - HOUR) == T2 + 3 * DAY
    late = T2 + 3 * DAY
    (held,) = drives(lived(*STARTED, watched(late)), late)
    assert isinstance(held, Drive)
    assert held.action is Action.HOLD
    told = lived(*STARTED, watched(late), (late, ev.RolloutStepped(2, 0, "held", "no request has matured")))
    assert drives(told, late) == []
    passed = lived(*STARTED, (late, ev.RolloutStepped(2, 0, "held", "")), seen(late + DAY, PASSED), watched(late + DAY))
    (advance,) = drives(passed, late + DAY)
    assert isinstance(advance, Drive)
    assert (advance.action, advance.step) == (Action.ADVANCE, 0)
    assert advance.evidence is not None
    assert advance.evidence.report == PASSED


def test_evidence_that_stays_open_ends_the_rollout_after_three_times_the_time() -> None:
    late = T2 + 9 * DAY
    state = lived(*STARTED, seen(late, OPEN), (T2 + 3 * DAY, ev.RolloutStepped(2, 0, "held", "")), watched(late))
    assert next_due(state, SPEC, late - HOUR) == late
    assert drives(state, late - HOUR) == []
    (abort,) = drives(state, late)
    assert isinstance(abort, Drive)
    assert abort.action is Action.ABORT
    over = evolve(state, ev.Event("m", late, ev.RolloutStepped(2, 0, "aborted", "not enough data", OPEN)))
    assert (over.rolling, over.candidate, over.champion) == (None, None, 1)


def test_broken_evidence_ends_the_rollout_at_once() -> None:
    at = T2 + DAY
    (abort,) = drives(lived(*STARTED, seen(at, BROKEN), watched(at)), at)
    assert isinstance(abort, Drive)
    assert abort.action is Action.ABORT


CANARY = (
    *STARTED,
    seen(T2 + 3 * DAY, PASSED),
    (T2 + 3 * DAY, ev.RolloutStepped(2, 1, "advanced", "", PASSED)),
)


def test_what_mirrored_requests_have_decided_carries_a_canary_through() -> None:
    entered, now = T2 + 3 * DAY, T2 + 4 * DAY
    state = lived(*CANARY, watched(now))
    assert state.rolling is not None
    assert (state.rolling.report, state.rolling.decided, state.rolling.step_since) == (None, True, entered)
    assert drives(state, now - HOUR) == []
    (advance,) = drives(state, now)
    assert isinstance(advance, Drive)
    assert (advance.action, advance.step) == (Action.ADVANCE, 1)
    (abort,) = drives(lived(*CANARY, seen(now, BROKEN, step=1, shadow=False), watched(now)), now)
    assert isinstance(abort, Drive)
    assert abort.action is Action.ABORT


def test_the_last_step_ends_in_promotion_and_evidence_of_another_step_counts_for_nothing() -> None:
    now = T2 + 5 * DAY
    last = (*CANARY, (T2 + 4 * DAY, ev.RolloutStepped(2, 2, "advanced", "")))
    state = lived(*last, seen(now, BROKEN, step=1, shadow=False), watched(now))
    (promote,) = drives(state, now)
    assert isinstance(promote, Drive)
    assert (promote.action, promote.step) == (Action.PROMOTE, 2)
    after = evolve(state, ev.Event("m", now, ev.VersionPromoted(2, 1, "all done")))
    assert (after.champion, after.previous, after.rolling) == (2, 1, None)


def test_a_canary_without_a_shadow_waits_for_its_own_answers() -> None:
    spec = replace(SPEC, rollout=STEPS[1:])
    now = T2 + 2 * DAY
    (held,) = drives(lived(*STARTED, watched(now)), now, spec)
    assert isinstance(held, Drive)
    assert held.action is Action.HOLD
    (abort,) = drives(lived(*STARTED, watched(T2 + 3 * DAY)), T2 + 3 * DAY, spec)
    assert isinstance(abort, Drive)
    assert abort.action is Action.ABORT


def test_a_model_without_gates_needs_no_evidence() -> None:
    now = T2 + 3 * DAY
    (advance,) = drives(lived(*STARTED, watched(now)), now, replace(SPEC, gates=()))
    assert isinstance(advance, Drive)
    assert advance.action is Action.ADVANCE


def test_a_pause_holds_everything_but_broken_evidence_and_a_resumed_step_begins_anew() -> None:
    now = T2 + 20 * DAY
    paused = (*STARTED, (T2 + DAY, ev.RolloutStepped(2, 0, "paused", "by hand")), seen(now, PASSED), watched(now))
    assert drives(lived(*paused), now) == []
    resumed = (*paused, (now, ev.RolloutStepped(2, 0, "resumed", "by hand")))
    assert drives(lived(*resumed), now) == []
    assert drives(lived(*resumed, watched(now + 3 * DAY)), now + 3 * DAY) != []
    (abort,) = drives(lived(*paused, seen(now, BROKEN), watched(now)), now)
    assert isinstance(abort, Drive)
    assert abort.action is Action.ABORT


def test_no_training_is_asked_for_during_a_rollout_but_for_new_code() -> None:
    old = T2 + 40 * DAY
    long = replace(SPEC, rollout=(ShadowStep(60 * DAY),))
    state = lived(*STARTED, watched(old))
    assert decide(state, long, old) == []
    applied = evolve(state, ev.Event("m", old, ev.ModelApplied(2, "s2", "c2", "e")))
    (command,) = decide(applied, long, old)
    assert isinstance(command, RequestTraining)
    assert command.trigger == "new_code"
    by_hand = evolve(state, ev.Event("m", old, ev.TrainingRequested("m-0003", "asked", "", old, 1)))
    assert [type(c) for c in decide(by_hand, long, old)] == [Train]


def test_what_was_trained_meanwhile_waits_and_is_judged_beside_the_champion_of_then() -> None:
    at = T2 + DAY
    made = (
        *STARTED,
        (at, ev.TrainingRequested("m-0003", "asked", "", at, 1)),
        (at, ev.VersionRegistered("m-0003", 3, "run", "r", "a")),
        watched(at),
    )
    assert decide(lived(*made), SPEC, at) == [Judge("m", 3, 1)]
    judged = (*made, (at, ev.GatesEvaluated(3, 1, PASSED)))
    assert decide(lived(*judged), SPEC, at) == []
    promoted = lived(*judged, (at, ev.VersionPromoted(2, 1, "")))
    assert decide(promoted, SPEC, at) == [Judge("m", 3, 2)]
    aborted = lived(*judged, (at, ev.RolloutStepped(2, 0, "aborted", "")))
    assert decide(aborted, SPEC, at) == [Drive("m", 3, None, Action.START, champion=1)]


def test_a_rollback_ends_the_rollout_and_its_version_is_judged_anew() -> None:
    at = T2 + DAY
    state = lived(*STARTED, watched(at), (at, ev.VersionRolledBack(1, 7, "by hand")))
    assert state.rolling is None
    assert decide(state, SPEC, at) == [Judge("m", 2, 7)]


def test_a_champion_that_is_to_be_rolled_back_goes_before_any_rollout() -> None:
    again = T2 + 6 * DAY
    live = ev.CohortEvaluated(Evaluation("m", 2, T2, again, again, Maturity.FINAL, 900, 900, 0), BROKEN)
    state = lived(
        *CANARY,
        (T2 + 5 * DAY, ev.VersionPromoted(2, 1, "")),
        (again, ev.VersionRegistered("m-0003", 3, "run", "r", "a")),
        (again, ev.GatesEvaluated(3, 2, PASSED)),
        (again, live),
        watched(again),
    )
    assert decide(state, SPEC, again) == [RollBack("m", 2, 1, BROKEN.reason())]


def test_a_look_that_is_due_comes_before_a_step_unless_it_keeps_failing() -> None:
    now = T2 + 3 * DAY
    state = lived(*STARTED, seen(now - DAY, PASSED), watched(now - 6 * HOUR))
    (look,) = decide(state, SPEC, now)
    assert look == Watch("m", now - 6 * HOUR, now, 1, PASSED)
    stuck = now + 6 * HOUR
    assert [type(command) for command in decide(state, SPEC, stuck)] == [Watch, Drive]


def test_no_command_is_repeated_once_it_is_done() -> None:
    """Each decision, folded back in as the event that it ends in, leads to another one or to rest."""
    state, now, seen_ids = lived(*STARTED), T2, set()
    for _ in range(200):
        commands = decide(state, SPEC, now)
        if not commands:
            due = next_due(state, SPEC, now)
            if due is None or state.rolling is None:
                break
            now = due
            continue
        for command in commands:
            assert command_id(command) not in seen_ids
            seen_ids.add(command_id(command))
            for payload in ends_in(command, now):
                state = evolve(state, ev.Event("m", now, payload))
    assert state.rolling is None
    assert now - T2 <= 9 * DAY


def ends_in(command: Command, now: datetime) -> list[ev.Payload]:
    match command:
        case Watch():
            return [ev.OutcomesCollected(now, 0, 0)]
        case Drive(action=Action.HOLD, step=int(step)):
            return [ev.RolloutStepped(2, step, "held", "")]
        case Drive(action=Action.ABORT, step=int(step)):
            return [ev.RolloutStepped(2, step, "aborted", "")]
    raise AssertionError(command)


def test_a_verdict_that_comes_during_the_rollout_is_known_after_a_rollback() -> None:
    at = T2 + DAY
    late = (*STARTED, watched(at), (at, ev.GatesEvaluated(2, 7, PASSED)), (at, ev.VersionRolledBack(1, 7, "by hand")))
    state = lived(*late)
    assert state.candidate is not None
    assert (state.candidate.version, state.candidate.against) == (2, 7)
    assert Judge("m", 2, 7) not in decide(state, SPEC, at)
