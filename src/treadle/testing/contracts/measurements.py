"""What every ``ports.Measurements`` promises."""
# ruff: noqa: S101

from __future__ import annotations

import dataclasses

import pytest

from treadle.domain.errors import NotFound
from treadle.testing import samples
from treadle.testing.contracts.base import StoreContract, StoreUnderTest, together


class MeasurementsContract(StoreContract):
    """Evaluations, drift and service health over time; and incidents."""

    def test_evaluations_come_by_until(self, store: StoreUnderTest) -> None:
        """From a time on, for one model."""
        late, early = samples.an_evaluation(48), samples.an_evaluation(24)
        store.measurements.put_evaluation(late)
        store.measurements.put_evaluation(early)
        assert list(store.measurements.evaluations("flights")) == [early, late]
        assert list(store.measurements.evaluations("flights", samples.hours(25))) == [late]
        assert list(store.measurements.evaluations("flights", samples.hours(48))) == [late]
        assert list(store.measurements.evaluations("bikes")) == []

    def test_the_same_evaluation_is_kept_once(self, store: StoreUnderTest) -> None:
        """Also that of all versions together; another version or time of looking is another one."""
        for version in (None, 1):
            store.measurements.put_evaluation(samples.an_evaluation(version=version), samples.an_event())
            store.measurements.put_evaluation(
                dataclasses.replace(samples.an_evaluation(version=version), labelled=1), samples.an_event()
            )
        store.measurements.put_evaluation(samples.an_evaluation(version=1, at=99), samples.an_event())
        kept = store.measurements.evaluations("flights")
        assert [(e.version, e.labelled) for e in kept] == [(None, 90), (1, 90), (1, 90)]
        assert store.events.seal() == 3

    def test_drift_reports_come_by_until(self, store: StoreUnderTest) -> None:
        """The same one again is no change."""
        late, early = samples.a_drift_report(48), samples.a_drift_report(24)
        store.measurements.put_drift(late, samples.an_event())
        store.measurements.put_drift(early)
        store.measurements.put_drift(dataclasses.replace(early, rows=1), samples.an_event())
        assert list(store.measurements.drift("flights")) == [early, late]
        assert list(store.measurements.drift("flights", samples.hours(25))) == [late]
        assert store.events.seal() == 1

    def test_health_comes_by_until(self, store: StoreUnderTest) -> None:
        """From a time on."""
        late, early = samples.a_health(48), samples.a_health(24)
        store.measurements.put_health(late, samples.an_event())
        store.measurements.put_health(early)
        assert list(store.measurements.health("flights")) == [early, late]
        assert list(store.measurements.health("flights", samples.hours(25))) == [late]

    def test_health_measured_again_is_no_change(self, store: StoreUnderTest) -> None:
        """Nor are its events recorded then; another window that ends at the same time is another measurement."""
        first = samples.a_health(24)
        store.measurements.put_health(first, samples.an_event("first"))
        store.measurements.put_health(dataclasses.replace(first, requests=7), samples.an_event("again"))
        half = dataclasses.replace(first, since=samples.hours(12))
        store.measurements.put_health(half)
        assert list(store.measurements.health("flights")) == [first, half]
        assert store.events.seal() == 1
        assert store.events.seal() == 1

    def test_one_cause_is_one_open_incident(self, store: StoreUnderTest) -> None:
        """Of one model; when it is resolved, the next one opens."""
        first = samples.an_incident(1)
        assert store.measurements.open_incident(first, samples.an_event("opened"))
        assert not store.measurements.open_incident(samples.an_incident(2), samples.an_event("again"))
        assert store.measurements.open_incident(samples.an_incident(3, "drift:carrier"))
        assert store.measurements.open_incident(samples.an_incident(4, model="bikes"))
        assert [i.id for i in store.measurements.incidents()] == ["incident-4", "incident-3", "incident-1"]
        store.measurements.resolve_incident(first.id, samples.hours(9), samples.an_event("resolved"))
        assert store.measurements.open_incident(samples.an_incident(5))
        assert [i.id for i in store.measurements.incidents("flights", open_only=True)] == ["incident-5", "incident-3"]
        (found,) = [i for i in store.measurements.incidents("flights") if i.id == first.id]
        assert found == dataclasses.replace(first, resolved_at=samples.hours(9))
        assert store.events.seal() == 2

    def test_an_incident_opens_once(self, store: StoreUnderTest) -> None:
        """One that was opened and resolved is not opened again under its id."""
        store.measurements.open_incident(samples.an_incident())
        store.measurements.resolve_incident("incident-1", samples.hours(9))
        assert not store.measurements.open_incident(samples.an_incident(), samples.an_event())
        assert store.events.seal() == 0

    def test_resolving_again_is_no_change(self, store: StoreUnderTest) -> None:
        """And what is not there is not found."""
        store.measurements.open_incident(samples.an_incident())
        store.measurements.resolve_incident("incident-1", samples.hours(9), samples.an_event())
        store.measurements.resolve_incident("incident-1", samples.hours(10), samples.an_event())
        assert [i.resolved_at for i in store.measurements.incidents()] == [samples.hours(9)]
        with pytest.raises(NotFound):
            store.measurements.resolve_incident("nothing", samples.hours(9), samples.an_event())
        assert store.events.seal() == 1

    def test_of_threads_one_opens(self, store: StoreUnderTest) -> None:
        """The others are told that it is open."""
        answers = together(4, lambda i: store.measurements.open_incident(samples.an_incident(i), samples.an_event()))
        assert sorted(str(a) for a in answers) == ["False", "False", "False", "True"]
        assert store.events.seal() == 1
