"""Challengers on a real server: one that is better and later breaks, one that is worse than it looked, and by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from treadle.domain import events as ev
from treadle.domain.deployments import RolloutState
from treadle.domain.errors import Conflict
from treadle.domain.gates import Verdict

pytestmark = pytest.mark.timeout(600)

DAY = timedelta(days=1)
SINCE = datetime(2024, 2, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def good(life_of: Any) -> Any:
    """A better challenger, whose feature turns against it after its promotion."""
    life = life_of(SINCE + 10 * DAY)
    life.declare(0.0)
    life.live(SINCE + 2 * DAY)
    life.declare(2.0)
    life.live(SINCE + 19 * DAY)
    return life


@pytest.fixture(scope="module")
def bad(life_of: Any) -> Any:
    """A challenger that looked better on all of the past, and is worse from its first mirrored request on."""
    life = life_of(SINCE + 2 * DAY)
    life.declare(0.0)
    life.live(SINCE + 2 * DAY)
    life.declare(2.0)
    life.live(SINCE + 9 * DAY)
    return life


def test_a_better_challenger_is_mirrored_then_shares_traffic_then_is_promoted(good: Any) -> None:
    assert good.story()[:5] == [
        (0, "promoted", 1),
        (2, "started", 2),
        (8, "advanced", 2),
        (9, "advanced", 2),
        (10, "promoted", 2),
    ]
    reasons = [one.reason for _, one in good.told(ev.RolloutStepped, ev.VersionPromoted)]
    assert "step 1 of 3 (shadow) is done" in reasons[1]
    assert "worth.beats_champion(confidence=0.8) pass (" in reasons[1]
    assert "mirrored requests have decided" in reasons[2]
    assert "step 3 of 3 (canary 100 %) is done" in reasons[3]
    examined = [one for _, one in good.told(ev.RolloutExamined)]
    mirrored = [one.report for one in examined if one.shadow]
    assert [report.verdict for report in mirrored[-2:]] == [Verdict.NOT_ENOUGH_DATA, Verdict.PASS]
    assert mirrored[-1].rows == 5 * 96
    own = [one.report for one in examined if not one.shadow]
    assert own[0].results[1].note == "on mirrored requests"


def test_who_answered_follows_the_steps_and_mirrored_rows_pair_with_the_answers_given(good: Any) -> None:
    rows = good.answers()
    given, shadows = rows.filter(~rows["shadow"]), rows.filter("shadow")
    assert given.height == 19 * 96
    assert given["prediction_id"].n_unique() == given.height
    by_day = {
        day: set(part["version"]) for (day,), part in given.group_by((given["at"] - SINCE).dt.total_days().alias("day"))
    }
    assert all(by_day[day] == {1} for day in range(8))
    assert by_day[8] == {1, 2}
    ((back, _),) = good.told(ev.VersionRolledBack)
    assert all(by_day[day] == {2} for day in range(9, (back - SINCE).days))
    canary = given.filter((given["at"] >= SINCE + 8 * DAY) & (given["at"] < SINCE + 9 * DAY))
    assert 0.05 < (canary["version"] == 2).mean() < 0.6
    assert set(shadows["version"]) == {2}
    assert shadows["at"].min() >= SINCE + 2 * DAY
    assert shadows["at"].max() < SINCE + 8 * DAY
    assert shadows.height == 6 * 96, "every request of the shadow step was mirrored"
    both = shadows.join(given, on="prediction_id", suffix="_given")
    assert both.height == shadows.height
    assert (both["at"] == both["at_given"]).all()
    assert (both["row.weight"] == both["row.weight_given"]).all()
    assert (both["version_given"] == 1).all()


def test_a_promoted_version_that_breaks_a_gate_is_rolled_back_with_the_reason(good: Any) -> None:
    (at, back), *others = good.told(ev.VersionRolledBack)
    assert not others
    assert (back.version, back.to) == (2, 1)
    assert SINCE + 15 * DAY <= at <= SINCE + 18 * DAY
    assert "auc >= 0.58 fail (" in back.reason
    assert "rows)" in back.reason
    deployment = good.client.deployment("parcels")
    assert (deployment.champion, [route.version for route in deployment.routes]) == (1, [1])
    late = good.answers().filter((good.answers()["at"] >= at) & ~good.answers()["shadow"])
    assert set(late["version"]) == {1}


def test_a_challenger_that_is_worse_on_mirrored_requests_never_answers_anybody(bad: Any) -> None:
    assert bad.story() == [(0, "promoted", 1), (2, "started", 2), (8, "aborted", 2)]
    (_, aborted) = bad.told(ev.RolloutStepped)[-1]
    assert aborted.report.verdict is Verdict.FAIL
    assert "worth.beats_champion(confidence=0.8) fail (-" in aborted.reason
    rows = bad.answers()
    assert set(rows.filter(~rows["shadow"])["version"]) == {1}
    judged = [one for _, one in bad.told(ev.GatesEvaluated) if one.version == 2]
    assert judged[0].report.verdict is Verdict.PASS, "on all of the past it was better"
    assert bad.client.deployment("parcels").champion == 1


def test_a_rollout_is_paused_resumed_and_aborted_by_hand(bad: Any) -> None:
    with pytest.raises(Conflict, match="no version of 'parcels' is being rolled out"):
        bad.client.rollout("parcels", "pause")
    bad.declare(-2.0)
    deployment = bad.client.deployment("parcels")
    assert deployment.rollout is not None
    assert (deployment.rollout.version, deployment.rollout.state) == (3, RolloutState.RUNNING), bad.story()
    paused = bad.client.rollout("parcels", "pause", reason="the desk is away")
    assert paused.rollout.state is RolloutState.PAUSED
    bad.live(bad.now + DAY)
    assert bad.client.rollout("parcels", "resume", reason="back").rollout.state is RolloutState.RUNNING
    aborted = bad.client.rollout("parcels", "abort", reason="changed my mind")
    assert (aborted.rollout.state, aborted.rollout.reason) == (RolloutState.ABORTED, "changed my mind")
    assert [(route.version, route.shadow) for route in aborted.routes] == [(1, False)]
    assert [action for _, action, version in bad.story() if version == 3] == ["started", "paused", "resumed", "aborted"]


def test_no_request_failed_in_either_life(good: Any, bad: Any) -> None:
    for life in (good, bad):
        assert life.sender.sent.failed == 0, life.sender.sent.first_failure
        assert life.sender.sent.rows > 600
