from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from unittest.mock import ANY

import pytest

from treadle.deploy.rollouts import Action, Decision, Evidence, cannot_share, too_short
from treadle.domain.deployments import RolloutState, Route
from treadle.domain.errors import Conflict, NotFound
from treadle.domain.events import RolloutStarted, RolloutStepped, RoutingChanged, VersionPromoted
from treadle.domain.gates import Verdict
from treadle.spec.expressions import CanaryStep, ShadowStep
from treadle.spec.model_spec import ColumnSpec, ModelSpec

DAY = timedelta(days=1)
SPEC = ModelSpec(
    "m", "", "Row", (ColumnSpec("pressure", "float"), ColumnSpec("late", "bool")), label="late", task="binary"
)
STEPS = (ShadowStep(2 * DAY), CanaryStep(5, DAY), CanaryStep(100, DAY))


def test_promote_records_then_publishes_then_waits(house):
    done = house.service.promote("flights", 1, "all gates passed")
    assert (done.champion, done.previous, done.routes) == (1, None, (Route(1, 100.0),))
    assert house.kinds() == ["version_promoted", "routing_changed"]
    assert house.routing.published == [1]
    assert house.routing.waited == [1]
    line = house.routing.table.models[0]
    assert line.model == "flights"
    assert line.zone == "America/New_York"
    assert line.nullable == ("pressure",)
    assert "late" not in line.columns
    assert line.versions[0].onnx_path == "/blobs/onnx1"
    assert house.versions.aliases("flights") == {"champion": 1}
    assert house.deployments.events[1].payload.revision == house.routing.table.revision


def test_promoting_the_champion_again_changes_nothing(house):
    first = house.service.promote("flights", 1, "first")
    again = house.service.promote("flights", 1, "again")
    assert again == first
    assert len(house.deployments.events) == 2
    assert house.routing.published == [1]


def test_promotion_moves_the_aliases(house):
    house.service.promote("flights", 1, "first")
    house.versions.set_alias("flights", "challenger", 2)
    done = house.service.promote("flights", 2, "better")
    assert done.previous == 1
    assert house.versions.aliases("flights") == {"champion": 2}


def test_what_was_decided_beside_another_champion_is_refused(house):
    house.service.promote("flights", 1, "first", over=None)
    with pytest.raises(Conflict, match="version 1 of 'flights' answers by now, not none"):
        house.service.promote("flights", 2, "judged beside nobody", over=None)
    with pytest.raises(Conflict, match="not 3"):
        house.service.drive("flights", 2, [ShadowStep(DAY)], over=3)
    assert house.service.deployment("flights").revision == 1
    house.service.promote("flights", 2, "judged beside 1", over=1)
    assert house.service.promote("flights", 2, "once more", over=1).revision == 2


def test_unknown_version_or_lost_files_change_nothing(house):
    with pytest.raises(NotFound):
        house.service.promote("flights", 9, "no such")
    house.lost.add(("flights", 1))
    with pytest.raises(NotFound):
        house.service.promote("flights", 1, "no file")
    assert house.deployments.stored == {}
    assert house.deployments.events == []


def test_crash_between_record_and_table_is_healed_by_publish(house):
    house.service.promote("flights", 1, "first")
    house.routing.broken = True
    with pytest.raises(OSError, match="killed"):
        house.service.promote("flights", 2, "better")
    assert house.routing.table.models[0].routes == (Route(1, 100.0),)
    house.routing.broken = False
    house.service.publish()
    assert house.routing.table.models[0].routes == (Route(2, 100.0),)
    assert house.versions.aliases("flights") == {"champion": 2}
    assert house.service.publish().revision == house.routing.table.revision == 2


def test_rollback_returns_to_the_previous_version_once(house):
    house.service.promote("flights", 1, "first")
    house.service.promote("flights", 2, "better")
    back = house.service.rollback("flights", "auc >= 0.58 fail")
    assert (back.champion, back.previous) == (1, None)
    assert house.versions.aliases("flights") == {"champion": 1}
    assert house.kinds()[-2:] == ["version_rolled_back", "routing_changed"]
    with pytest.raises(Conflict, match="no version before it"):
        house.service.rollback("flights", "again")
    assert house.service.rollback("flights", "by hand", "ada", to=3).champion == 3


def test_rollback_without_a_champion_or_to_itself_is_refused(house):
    with pytest.raises(Conflict, match="nothing to roll back"):
        house.service.rollback("flights", "?")
    house.service.promote("flights", 1, "first")
    assert house.service.rollback("flights", "?", to=1).revision == 1
    with pytest.raises(Conflict, match="does not answer any more"):
        house.service.rollback("flights", "?", to=2, version=3)
    with pytest.raises(NotFound):
        house.service.rollback("flights", "?", to=8)


def test_a_version_promoted_again_after_a_rollback_is_told_again(house):
    for _ in range(2):
        house.service.promote("flights", 1, "first")
        house.service.promote("flights", 2, "better")
        house.service.rollback("flights", "worse")
        house.clock.forward(DAY)
    once = [event.once for event in house.deployments.events]
    assert len(once) == len(set(once))


def test_one_models_lost_files_do_not_hold_up_another(house, caplog):
    house.service.promote("bikes", 1, "first")
    house.lost.add(("bikes", 1))
    with caplog.at_level(logging.WARNING):
        house.service.promote("flights", 1, "first")
    assert [line.model for line in house.routing.table.models] == ["bikes", "flights"]
    assert "bikes" in caplog.text


def test_gateways_that_do_not_follow_are_told_of(house, caplog):
    house.routing.acknowledges = False
    with caplog.at_level(logging.WARNING):
        house.service.promote("flights", 1, "first")
    assert "not every gateway" in caplog.text


def test_a_rollout_walks_its_steps(house):
    house.service.promote("flights", 1, "first")
    actions = []
    for _ in range(9):
        deployment, decision = house.service.drive("flights", 2, STEPS, Evidence(Verdict.PASS, "better by 2"))
        actions.append(decision.action)
        if decision.action is Action.PROMOTE:
            break
        house.clock.forward(DAY)
    assert actions == [Action.START, Action.HOLD, Action.ADVANCE, Action.ADVANCE, Action.PROMOTE]
    assert deployment.champion == 2
    assert house.service.drive("flights", 2, STEPS)[1].action is Action.HOLD
    told = [e.payload for e in house.deployments.events if not isinstance(e.payload, RoutingChanged)][1:]
    assert [type(payload) for payload in told] == [RolloutStarted, RolloutStepped, RolloutStepped, VersionPromoted]
    assert told[0].reason == "step 1 of 3 (shadow); 3 steps lie ahead"
    assert all("better by 2" in payload.reason for payload in told[1:])


def test_open_evidence_holds_a_step_and_then_ends_the_rollout(house):
    house.service.promote("flights", 1, "first")
    house.service.drive("flights", 2, STEPS)
    house.clock.forward(2 * DAY)
    deployment, decision = house.service.drive("flights", 2, STEPS)
    assert (decision.action, decision.waiting) == (Action.HOLD, True)
    assert deployment.routes == (Route(1, 100.0), Route(2, 0.0, shadow=True))
    house.clock.forward(4 * DAY)
    deployment, decision = house.service.drive("flights", 2, STEPS)
    assert decision.action is Action.ABORT
    assert "not enough data after 3 times the time of step 1 of 3 (shadow)" in decision.reason
    assert (deployment.champion, deployment.routes) == (1, (Route(1, 100.0),))


def test_evidence_about_a_step_that_is_over_moves_nothing(house):
    house.service.promote("flights", 1, "first")
    house.service.drive("flights", 2, STEPS)
    house.clock.forward(2 * DAY)
    good = Evidence(Verdict.PASS)
    assert house.service.drive("flights", 2, STEPS, good, at_step=0)[1].action is Action.ADVANCE
    before = house.service.deployment("flights")
    house.clock.forward(2 * DAY)
    assert house.service.drive("flights", 2, STEPS, good, at_step=0) == (before, Decision(Action.HOLD, 0, ANY))
    house.service.abort("flights", "by hand")
    assert house.service.drive("flights", 2, STEPS, good, at_step=1)[1].action is Action.HOLD
    assert house.service.deployment("flights").champion == 1


def test_a_paused_rollout_stands_still_until_resumed_and_its_step_begins_anew(house):
    with pytest.raises(Conflict, match="no version of 'flights' is being rolled out"):
        house.service.pause("flights", "?")
    house.service.promote("flights", 1, "first")
    house.service.drive("flights", 2, STEPS)
    published = house.routing.published[:]
    assert house.service.pause("flights", "the desk is away", "ada").rollout.state is RolloutState.PAUSED
    house.service.pause("flights", "twice")
    house.clock.forward(30 * DAY)
    assert house.service.drive("flights", 2, STEPS, Evidence(Verdict.PASS))[1].action is Action.HOLD
    assert house.service.resume("flights", "back", "ada").rollout.step_started_at == house.clock.now()
    house.service.resume("flights", "twice")
    assert house.service.drive("flights", 2, STEPS, Evidence(Verdict.PASS))[1].action is Action.HOLD
    assert house.kinds()[-2:] == ["rollout_stepped", "rollout_stepped"]
    assert [e.payload.action for e in house.deployments.events[-2:]] == ["paused", "resumed"]
    assert house.routing.published == published


def test_a_rollout_is_passed_over_when_immediate(house):
    house.service.promote("flights", 1, "first")
    deployment, decision = house.service.drive("flights", 2, STEPS, immediate=True)
    assert decision.action is Action.PROMOTE
    assert deployment.champion == 2


def test_failed_evidence_aborts_and_frees_the_way(house):
    house.service.promote("flights", 1, "first")
    house.service.drive("flights", 2, STEPS)
    with pytest.raises(Conflict, match="being rolled out"):
        house.service.promote("flights", 3, "meanwhile")
    with pytest.raises(Conflict, match="being rolled out"):
        house.service.drive("flights", 3, STEPS)
    deployment, decision = house.service.drive("flights", 2, STEPS, Evidence(Verdict.FAIL, "auc too low"))
    assert decision.action is Action.ABORT
    assert deployment.routes == (Route(1, 100.0),)
    assert house.service.promote("flights", 3, "next").champion == 3


def test_abort_ends_a_rollout_and_only_that(house):
    house.service.promote("flights", 1, "first")
    before = len(house.deployments.events)
    house.service.abort("flights", "nothing under way")
    assert len(house.deployments.events) == before
    house.service.drive("flights", 2, STEPS)
    assert house.service.abort("flights", "changed my mind", "ada").routes == (Route(1, 100.0),)
    assert house.deployments.events[-2].payload.action == "aborted"


def test_versions_share_requests_where_the_champions_schema_carries_what_the_challenger_takes():
    champion, fewer = SPEC, replace(SPEC, columns=tuple(c for c in SPEC.columns if c.name != "pressure"))
    assert cannot_share(champion, champion) is None
    assert cannot_share(champion, fewer) is None
    assert cannot_share(fewer, champion) == "requests for the champion do not carry its pressure"
    assert "regression" in cannot_share(champion, replace(champion, task="regression"))


def test_a_shadow_that_can_never_decide_is_told_of():
    assert too_short((ShadowStep(7 / 3 * DAY),), 2 * DAY) is None
    assert too_short((ShadowStep(DAY),), None) is None
    assert too_short((CanaryStep(5, DAY),), 2 * DAY) is None
    told = too_short((ShadowStep(2 * DAY), CanaryStep(5, DAY)), 2 * DAY)
    assert "a shadow of 2 days is over after 6 days at most" in told
    assert told.endswith("declare shadow(days(3)) or longer")
