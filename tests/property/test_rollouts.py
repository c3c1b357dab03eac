from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from treadle.deploy import rollouts
from treadle.deploy.rollouts import PATIENCE, Action, Evidence
from treadle.domain.deployments import Deployment, RolloutState
from treadle.domain.errors import Conflict
from treadle.domain.gates import Verdict
from treadle.spec.expressions import CanaryStep, ShadowStep

START = datetime(2013, 1, 1, tzinfo=UTC)
LOOK = timedelta(hours=6)

durations = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=3))
held = st.timedeltas(min_value=timedelta(hours=1), max_value=timedelta(days=3))
steps = st.lists(
    st.one_of(st.builds(ShadowStep, held), st.builds(CanaryStep, st.floats(0, 100, allow_nan=False), held)), max_size=5
)
evidence = st.one_of(st.none(), st.builds(Evidence, st.sampled_from(Verdict), st.just("said so"), st.booleans()))
open_evidence = st.one_of(
    st.none(), st.builds(Evidence, st.sampled_from([Verdict.PASS, Verdict.NOT_ENOUGH_DATA]), st.just("?"))
)
moves = st.lists(
    st.tuples(
        st.sampled_from(["drive", "drive", "drive", "now", "rollback", "abort", "pause", "resume"]),
        st.integers(1, 4),
        evidence,
        durations,
    ),
    max_size=40,
)
EMPTY = Deployment("m", 0, None, None, None)


@given(steps, moves)
def test_whatever_happens_traffic_sums_to_100_revisions_grow_and_one_rollout_is_under_way(declared, happenings):
    deployment, now = EMPTY, START
    for what, version, seen, passes in happenings:
        before = deployment
        try:
            if what == "abort":
                deployment = rollouts.aborted(deployment, now, "asked")
            elif what == "rollback":
                deployment = rollouts.rolled_back(deployment, now, "asked")
            elif what == "pause":
                deployment = rollouts.paused(deployment, "asked")
            elif what == "resume":
                deployment = rollouts.resumed(deployment, now, "asked")
            else:
                decision = rollouts.next_action(declared, deployment, version, now, seen, immediate=what == "now")
                deployment = rollouts.apply(decision, declared, deployment, version, now)
        except Conflict:
            assert deployment is before
        assert deployment.revision in (before.revision, before.revision + 1)
        if deployment.revision == before.revision:
            assert deployment == before
        first, second = rollouts.under_way(before), rollouts.under_way(deployment)
        if first is not None and second is not None:
            assert first.version == second.version, "one rollout began while another was under way"
            assert second.step in (first.step, first.step + 1)
        if first is not None and second is None:
            assert deployment.rollout.state in (RolloutState.PROMOTED, RolloutState.ABORTED, RolloutState.ROLLED_BACK)
        if deployment.champion is not None:
            assert abs(sum(r.weight for r in deployment.routes if not r.shadow) - 100.0) < 1e-9
            assert all(0 <= r.weight <= 100 for r in deployment.routes)
            assert len({r.version for r in deployment.routes}) == len(deployment.routes)
            if second is None:
                assert [r.version for r in deployment.routes] == [deployment.champion]
        now += passes


@given(steps, st.lists(evidence, max_size=200), st.data())
def test_every_rollout_ends_within_three_times_its_declared_time(declared, looks, data):
    deployment, now = rollouts.promoted(EMPTY, 1, START, "first"), START
    decision = rollouts.next_action(declared, deployment, 2, now)
    deployment = rollouts.apply(decision, declared, deployment, 2, now)
    whole = sum((rollouts.lasts(step) for step in declared), timedelta(0))
    entered = [now]
    seen = iter(looks)
    while (rollout := rollouts.under_way(deployment)) is not None:
        now += LOOK
        decision = rollouts.next_action(declared, deployment, 2, now, next(seen, None))
        deployment = rollouts.apply(decision, declared, deployment, 2, now)
        if decision.action is Action.ADVANCE:
            assert now - entered[-1] >= rollouts.lasts(declared[rollout.step])
            entered.append(now)
        assert now - entered[-1] <= PATIENCE * rollouts.lasts(declared[min(rollout.step, len(declared) - 1)]) + LOOK
    assert now - START <= PATIENCE * whole + LOOK * (len(declared) + 1)
    if deployment.rollout.state is RolloutState.ABORTED:
        assert deployment.champion == 1


@given(steps)
def test_without_any_evidence_nothing_is_promoted_over_a_champion(declared):
    deployment, now = rollouts.promoted(EMPTY, 1, START, "first"), START
    for _ in range(200):
        decision = rollouts.next_action(declared, deployment, 2, now)
        deployment = rollouts.apply(decision, declared, deployment, 2, now)
        if decision.action in (Action.PROMOTE, Action.ABORT):
            break
        now += LOOK
    assert deployment.champion == (1 if declared else 2)


@given(steps)
def test_good_evidence_walks_every_step_in_its_declared_time(declared):
    deployment, now, seen = rollouts.promoted(EMPTY, 1, START, "first"), START, []
    good = Evidence(Verdict.PASS)
    while deployment.champion != 2:
        decision = rollouts.next_action(declared, deployment, 2, now, good)
        deployment = rollouts.apply(decision, declared, deployment, 2, now)
        seen.append(decision.step)
        if rollouts.under_way(deployment) is not None:
            now += rollouts.lasts(declared[decision.step])
    assert now - START == sum((rollouts.lasts(step) for step in declared), timedelta(0))
    assert seen == list(range(len(declared) + 1))


@given(steps, open_evidence)
def test_what_mirrored_requests_have_decided_needs_no_more_than_the_declared_hold(declared, seen):
    entered, decided = START, Evidence(Verdict.NOT_ENOUGH_DATA, "20 rows a day", decided=True)
    for index, step in enumerate(declared):
        now = entered + rollouts.lasts(step)
        action = rollouts.step_action(declared, index, entered, now, decided).action
        assert action in (Action.ADVANCE, Action.PROMOTE)
        broken = Evidence(Verdict.FAIL, "broken", decided=True)
        assert rollouts.step_action(declared, index, entered, entered, broken).action is Action.ABORT
        paused = rollouts.step_action(declared, index, entered, now + 100 * LOOK, seen, paused=True)
        assert paused.action is Action.HOLD
