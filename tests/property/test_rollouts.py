from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from treadle.deploy import rollouts
from treadle.deploy.rollouts import Action, Evidence
from treadle.domain.deployments import Deployment
from treadle.domain.errors import Conflict
from treadle.domain.gates import Verdict
from treadle.spec.expressions import CanaryStep, ShadowStep

START = datetime(2013, 1, 1, tzinfo=UTC)

durations = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=3))
steps = st.lists(
    st.one_of(
        st.builds(ShadowStep, durations),
        st.builds(CanaryStep, st.floats(0, 100, allow_nan=False), durations),
    ),
    max_size=5,
)
moves = st.lists(
    st.tuples(
        st.sampled_from(["drive", "drive", "drive", "now", "rollback", "abort"]),
        st.integers(1, 4),
        st.sampled_from([None, Verdict.PASS, Verdict.FAIL, Verdict.NOT_ENOUGH_DATA]),
        durations,
    ),
    max_size=40,
)


@given(steps, moves)
def test_whatever_happens_traffic_sums_to_100_and_revisions_grow(declared, happenings):
    deployment, now = Deployment("m", 0, None, None, None), START
    for what, version, verdict, passes in happenings:
        before = deployment
        try:
            if what == "abort":
                deployment = rollouts.aborted(deployment, now, "asked")
            elif what == "rollback":
                deployment = rollouts.rolled_back(deployment, now, "asked")
            else:
                evidence = Evidence(verdict) if verdict is not None else None
                decision = rollouts.next_action(declared, deployment, version, now, evidence, immediate=what == "now")
                deployment = rollouts.apply(decision, declared, deployment, version, now)
        except Conflict:
            assert deployment is before
        assert deployment.revision in (before.revision, before.revision + 1)
        if deployment.revision == before.revision:
            assert deployment == before
        if deployment.champion is not None:
            assert abs(sum(r.weight for r in deployment.routes if not r.shadow) - 100.0) < 1e-9
            assert all(0 <= r.weight <= 100 for r in deployment.routes)
            assert len({r.version for r in deployment.routes}) == len(deployment.routes)
        now += passes


@given(steps)
def test_time_alone_ends_every_rollout_in_a_promotion(declared):
    deployment, now, seen = rollouts.promoted(Deployment("m", 0, None, None, None), 1, START, "first"), START, []
    for _ in range(2 * len(declared) + 2):
        decision = rollouts.next_action(declared, deployment, 2, now)
        deployment = rollouts.apply(decision, declared, deployment, 2, now)
        seen.append(decision.step)
        if decision.action is Action.PROMOTE:
            break
        now += timedelta(days=3)
    assert deployment.champion == 2
    assert seen == sorted(seen)
