"""Decisions of the loop, by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from treadle.domain import events as ev
from treadle.domain.gates import GateReport, GateResult, Verdict
from treadle.domain.monitoring import Evaluation, Maturity
from treadle.loop.decide import Judge, Promote, Refuse, RequestTraining, RollBack, Train, Watch, decide, next_due
from treadle.loop.state import ModelState, backoff, evolve
from treadle.spec.expressions import Age, GateBroken, MetricRef, Threshold, When
from treadle.spec.model_spec import ModelSpec

T0 = datetime(2013, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WORTH = When(Threshold(MetricRef("worth"), "<=", 0.0))
SPEC = ModelSpec("m", "", "Row", (), "y", "binary", horizon=2 * DAY, triggers=(GateBroken(), WORTH, Age(30 * DAY)))
PASSED = GateReport(Verdict.PASS, (), 100)
BROKEN = GateReport(Verdict.FAIL, (GateResult("auc >= 0.58", Verdict.FAIL, value=0.5, rows=900),), 900)
APPLIED = ev.ModelApplied(1, "s", "c", "e")


def asked(number: int = 1, at: datetime = T0, revision: int = 1) -> ev.TrainingRequested:
    return ev.TrainingRequested(f"m-{number:04d}", "first", "", at, revision)


def lived(*steps: tuple[datetime, ev.Payload]) -> ModelState:
    state = ModelState("m")
    for at, payload in steps:
        state = evolve(state, ev.Event("m", at, payload))
    return state


def made(number: int = 1, attempt: int = 1) -> ev.VersionRegistered:
    return ev.VersionRegistered(f"m-{attempt:04d}", number, "run", "r", "a")


def measured(
    version: int, at: datetime, report: GateReport, triggers: tuple[GateResult, ...] = ()
) -> ev.CohortEvaluated:
    return ev.CohortEvaluated(Evaluation("m", version, T0, at, at, Maturity.FINAL, 900, 900, 0), report, triggers)


SERVING = (
    (T0, APPLIED),
    (T0, asked()),
    (T0, made()),
    (T0, ev.GatesEvaluated(1, None, PASSED)),
    (T0, ev.VersionPromoted(1, None, "")),
)


def test_an_applied_model_asks_for_its_first_training() -> None:
    (command,) = decide(lived((T0, APPLIED)), SPEC, T0)
    assert isinstance(command, RequestTraining)
    assert (command.trigger, command.attempt, command.as_of) == ("first", "m-0001", T0)


def test_nothing_is_done_for_a_model_that_was_never_applied() -> None:
    assert decide(ModelState("m"), SPEC, T0) == []


def test_a_requested_training_is_carried_out_until_it_ends() -> None:
    state = lived((T0, APPLIED), (T0, asked()))
    (command,) = decide(state, SPEC, T0)
    assert isinstance(command, Train)
    assert decide(state, SPEC, T0 + 40 * DAY) == [command]


def test_a_version_is_judged_then_promoted_or_refused() -> None:
    registered = lived((T0, APPLIED), (T0, asked()), (T0, made()))
    assert decide(registered, SPEC, T0) == [Judge("m", 1, None)]
    passed = evolve(registered, ev.Event("m", T0, ev.GatesEvaluated(1, None, PASSED)))
    assert isinstance(decide(passed, SPEC, T0)[0], Promote)
    failed = evolve(registered, ev.Event("m", T0, ev.GatesEvaluated(1, None, BROKEN)))
    (refusal,) = decide(failed, SPEC, T0)
    assert isinstance(refusal, Refuse)
    assert "auc >= 0.58 fail (0.5" in refusal.reason or "auc >= 0.58" in refusal.reason


def test_a_verdict_against_a_champion_that_has_changed_is_asked_for_again() -> None:
    state = lived(
        *SERVING, (T0 + DAY, asked(2)), (T0 + DAY, made(2, 2)), (T0 + DAY, ev.GatesEvaluated(2, None, PASSED))
    )
    train = [c for c in decide(state, SPEC, T0 + DAY) if c.lane == "train"]
    assert train == [Judge("m", 2, 1)]


def test_not_enough_data_refuses() -> None:
    report = GateReport(Verdict.NOT_ENOUGH_DATA, (GateResult("g", Verdict.NOT_ENOUGH_DATA, rows_needed=500),), 3)
    state = lived((T0, APPLIED), (T0, asked()), (T0, made()), (T0, ev.GatesEvaluated(1, None, report)))
    (command,) = decide(state, SPEC, T0)
    assert isinstance(command, Refuse)
    assert "500 more rows" in command.reason


def test_a_failed_attempt_is_tried_again_after_a_wait_that_grows() -> None:
    state = lived((T0, APPLIED), (T0, asked()), (T0, ev.TrainingFailed("m-0001", "data", "bad")))
    assert decide(state, SPEC, T0) == []
    assert next_due(state, SPEC, T0) == T0 + timedelta(hours=1)
    (command,) = decide(state, SPEC, T0 + timedelta(hours=1))
    assert isinstance(command, RequestTraining)
    assert [backoff(n) for n in (0, 1, 2, 3)] == [timedelta(hours=h) for h in (0, 1, 2, 4)]
    assert backoff(1000) == 7 * DAY


def test_a_new_revision_does_not_wait_for_the_backoff() -> None:
    again = ev.ModelApplied(2, "s2", "c2", "e")
    state = lived((T0, APPLIED), (T0, asked()), (T0, ev.TrainingFailed("m-0001", "step", "bad")), (T0, again))
    (command,) = decide(state, SPEC, T0)
    assert isinstance(command, RequestTraining)
    assert command.trigger == "new_code"


def test_age_asks_for_a_training() -> None:
    state = lived(*SERVING, (T0 + 29 * DAY, ev.OutcomesCollected(T0 + 30 * DAY, 0, 0)))
    assert decide(state, SPEC, T0 + 29 * DAY) == []
    (command,) = decide(state, SPEC, T0 + 30 * DAY)
    assert isinstance(command, RequestTraining)
    assert command.trigger == "age"


@pytest.mark.parametrize("days_later", [5, 8])
def test_a_broken_gate_asks_for_a_training_but_not_too_soon(days_later: int) -> None:
    at = T0 + days_later * DAY
    state = lived(*SERVING, (at, ev.OutcomesCollected(at, 1, 1)), (at, measured(1, at, BROKEN)))
    wanted = [c for c in decide(state, SPEC, at) if isinstance(c, RequestTraining)]
    assert [c.trigger for c in wanted] == ([] if days_later < 7 else ["gate_broken"])


def test_a_true_condition_among_the_triggers_asks_for_a_training() -> None:
    at = T0 + 8 * DAY
    true = GateResult(str(WORTH), Verdict.PASS, value=-0.4, rows=900)
    state = lived(*SERVING, (at, ev.OutcomesCollected(at, 1, 1)), (at, measured(1, at, PASSED, (true,))))
    (command,) = decide(state, SPEC, at)
    assert isinstance(command, RequestTraining)
    assert "worth <= 0" in command.reason


def test_outcomes_are_watched_once_a_poll() -> None:
    state = lived(*SERVING)
    assert decide(state, SPEC, T0) == []
    assert next_due(state, SPEC, T0) == T0 + DAY
    (command,) = decide(state, SPEC, T0 + DAY)
    assert command == Watch("m", None, T0 + DAY, 1)
    after = evolve(state, ev.Event("m", T0 + DAY, ev.OutcomesCollected(T0 + DAY, 3, 2)))
    assert decide(after, SPEC, T0 + DAY) == []


PROMOTED_AGAIN = (
    *SERVING,
    (T0 + 10 * DAY, asked(2, T0 + 10 * DAY)),
    (T0 + 10 * DAY, made(2, 2)),
    (T0 + 10 * DAY, ev.GatesEvaluated(2, 1, PASSED)),
    (T0 + 10 * DAY, ev.VersionPromoted(2, 1, "")),
)


def test_a_version_that_breaks_a_gate_in_its_probation_is_rolled_back() -> None:
    at = T0 + 15 * DAY
    state = lived(*PROMOTED_AGAIN, (at, ev.OutcomesCollected(at, 1, 1)), (at, measured(2, at, BROKEN)))
    (command,) = decide(state, SPEC, at)
    assert command == RollBack("m", 2, 1, BROKEN.reason())
    back = evolve(state, ev.Event("m", at, ev.VersionRolledBack(2, 1, "")))
    assert (back.champion, back.previous) == (1, None)
    assert not [c for c in decide(back, SPEC, at) if isinstance(c, RollBack)]


def test_after_its_probation_a_broken_gate_retrains_and_does_not_roll_back() -> None:
    at = T0 + 30 * DAY
    state = lived(*PROMOTED_AGAIN, (at, ev.OutcomesCollected(at, 1, 1)), (at, measured(2, at, BROKEN)))
    (command,) = decide(state, SPEC, at)
    assert isinstance(command, RequestTraining)
    assert command.trigger == "gate_broken"


def test_a_report_on_a_version_that_is_champion_no_more_is_ignored() -> None:
    at = T0 + 15 * DAY
    state = lived(*PROMOTED_AGAIN, (at, ev.OutcomesCollected(at, 1, 1)), (at, measured(1, at, BROKEN)))
    assert decide(state, SPEC, at) == []


def test_a_candidate_that_somebody_put_in_charge_by_hand_is_a_candidate_no_more() -> None:
    judged = (
        (T0 + DAY, asked(2)),
        (T0 + DAY, made(2, 2)),
        (T0 + DAY, ev.GatesEvaluated(2, 1, PASSED)),
    )
    state = lived(*SERVING, *judged, (T0 + DAY, ev.VersionRolledBack(1, 2, "asked for")))
    assert (state.champion, state.candidate) == (2, None)
    assert [command for command in decide(state, SPEC, T0 + DAY) if command.lane != "watch"] == []


def test_a_version_that_somebody_promoted_before_it_was_told_of_is_no_candidate() -> None:
    state = lived((T0, APPLIED), (T0, asked()), (T0, ev.VersionPromoted(1, None, "asked for")), (T0, made()))
    assert (state.champion, state.candidate, state.attempt) == (1, None, None)
    assert decide(state, SPEC, T0) == []


def test_a_champion_that_returns_finds_what_was_said_of_the_candidate_beside_it() -> None:
    at = T0 + 10 * DAY
    waiting = (
        *SERVING,
        (at, asked(2, at)),
        (at, made(2, 2)),
        (at, ev.GatesEvaluated(2, 1, PASSED)),
        (at, ev.VersionPromoted(7, 1, "by hand")),
    )
    assert Judge("m", 2, 7) in decide(lived(*waiting), SPEC, at)
    judged_again = (*waiting, (at, ev.GatesEvaluated(2, 7, PASSED)), (at, ev.VersionRolledBack(7, 1, "")))
    state = lived(*judged_again)
    assert state.candidate is not None
    assert state.candidate.against == 1
    assert Promote("m", 2, "all gates passed", 1) in decide(state, SPEC, at)


def test_a_watch_that_is_due_goes_before_what_it_may_change() -> None:
    at = T0 + 30 * DAY
    serving = (*SERVING, (at - DAY, ev.OutcomesCollected(at - DAY, 1, 1)))
    assert decide(lived(*serving), SPEC, at) == [Watch("m", at - DAY, at, 1)]
    watched = (at, ev.OutcomesCollected(at, 1, 1))
    (command,) = decide(lived(*serving, watched), SPEC, at)
    assert isinstance(command, RequestTraining)
    judged = (*serving, (at, asked(2, at)), (at, made(2, 2)), (at, ev.GatesEvaluated(2, 1, PASSED)))
    assert decide(lived(*judged), SPEC, at) == [Watch("m", at - DAY, at, 1)]
    (command,) = decide(lived(*judged, watched), SPEC, at)
    assert isinstance(command, Promote)


def test_a_watch_that_keeps_failing_does_not_hold_trainings_up() -> None:
    at = T0 + 30 * DAY
    late = lived(*SERVING, (at - DAY, ev.OutcomesCollected(at - 2 * DAY, 1, 1)))
    assert [type(command) for command in decide(late, SPEC, at)] == [Watch, RequestTraining]
