from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from treadle.deploy.rollouts import Action, Evidence
from treadle.domain.deployments import Route
from treadle.domain.errors import Conflict, NotFound
from treadle.domain.gates import Verdict
from treadle.spec.expressions import CanaryStep, ShadowStep

DAY = timedelta(days=1)
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
        deployment, decision = house.service.drive("flights", 2, STEPS)
        actions.append(decision.action)
        if decision.action is Action.PROMOTE:
            break
        house.clock.forward(DAY)
    assert actions == [Action.START, Action.HOLD, Action.ADVANCE, Action.ADVANCE, Action.PROMOTE]
    assert deployment.champion == 2
    assert house.service.drive("flights", 2, STEPS)[1].action is Action.HOLD


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
