"""What every ``ports.Models``, ``Snapshots``, ``StepCache`` and ``Register`` promises."""
# ruff: noqa: S101

from __future__ import annotations

import dataclasses

import pytest

from treadle.domain.errors import Conflict, NotFound
from treadle.testing import samples
from treadle.testing.contracts.base import StoreContract, StoreUnderTest, together


class ModelsContract(StoreContract):
    """Every applied revision is kept; revisions follow each other."""

    def test_revisions_are_kept(self, store: StoreUnderTest) -> None:
        """The newest answers, the others by number, equal to what was applied."""
        first, second = samples.an_applied_model(1), samples.an_applied_model(2)
        store.models.apply(first)
        store.models.apply(second)
        assert store.models.get(first.name) == second
        assert store.models.get(first.name, 1) == first
        store.models.apply(samples.an_applied_model(1, "bikes"))
        assert [(m.name, m.revision) for m in store.models.all()] == [("bikes", 1), ("flights", 2)]

    def test_unknown_models_are_not_found(self, store: StoreUnderTest) -> None:
        """Nor are unknown revisions."""
        assert list(store.models.all()) == []
        with pytest.raises(NotFound):
            store.models.get("flights")
        store.models.apply(samples.an_applied_model())
        with pytest.raises(NotFound):
            store.models.get("flights", 2)

    @pytest.mark.parametrize("revision", [0, 1, 3])
    def test_a_revision_out_of_turn_conflicts(self, store: StoreUnderTest, revision: int) -> None:
        """And leaves no event behind."""
        store.models.apply(samples.an_applied_model(1), samples.an_event("applied"))
        with pytest.raises(Conflict):
            store.models.apply(samples.an_applied_model(revision), samples.an_event("lost"))
        assert store.events.seal() == 1
        assert store.models.get("flights").revision == 1

    def test_of_threads_one_wins(self, store: StoreUnderTest) -> None:
        """The others conflict, and only the winner's event is recorded."""
        answers = together(4, lambda _: store.models.apply(samples.an_applied_model(1), samples.an_event()))
        assert sorted(type(a).__name__ for a in answers) == ["Conflict"] * 3 + ["NoneType"]
        assert store.events.seal() == 1


class SnapshotsContract(StoreContract):
    """Immutable records by digest."""

    def test_records_come_back(self, store: StoreUnderTest) -> None:
        """Equal to what was put; the same again is no change."""
        snapshot = samples.a_snapshot()
        store.snapshots.put(snapshot)
        store.snapshots.put(dataclasses.replace(snapshot, rows=1))
        assert store.snapshots.get(snapshot.digest) == snapshot
        assert list(store.snapshots.list("flights")) == [snapshot]
        assert list(store.snapshots.list("bikes")) == []
        with pytest.raises(NotFound):
            store.snapshots.get("00" * 32)

    def test_newest_first_and_earliest_by_digest(self, store: StoreUnderTest) -> None:
        """The same rows may be seen at two times."""
        late, early = samples.a_snapshot(as_of=samples.hours(30)), samples.a_snapshot(as_of=samples.hours(20))
        other = samples.a_snapshot("6b" * 32, as_of=samples.hours(25))
        for snapshot in (late, early, other):
            store.snapshots.put(snapshot)
        assert list(store.snapshots.list("flights")) == [late, other, early]
        assert store.snapshots.get(late.digest) == early


class StepCacheContract(StoreContract):
    """Results by step key."""

    def test_results_come_back(self, store: StoreUnderTest) -> None:
        """The first result of a key stays."""
        result = samples.a_step_result()
        assert store.steps.get(result.key) is None
        store.steps.put(result)
        store.steps.put(dataclasses.replace(result, seconds=99.0))
        assert store.steps.get(result.key) == result

    def test_threads_may_put_the_same(self, store: StoreUnderTest) -> None:
        """All of them succeed."""
        result = samples.a_step_result()
        assert together(4, lambda _: store.steps.put(result)) == [None] * 4
        assert store.steps.get(result.key) == result


class RegisterContract(StoreContract):
    """Text by name, with compare-and-set."""

    def test_values_come_back(self, store: StoreUnderTest) -> None:
        """The last one that was put."""
        assert store.register.get("clock") is None
        store.register.put("clock", "1")
        store.register.put("clock", "2")
        assert store.register.get("clock") == "2"
        assert store.register.get("other") is None

    def test_replace_compares(self, store: StoreUnderTest) -> None:
        """It sets what is as expected, and nothing else."""
        assert not store.register.replace("clock", "1", "2")
        assert store.register.get("clock") is None
        assert store.register.replace("clock", None, "1")
        assert not store.register.replace("clock", None, "9")
        assert store.register.replace("clock", "1", "2")
        assert not store.register.replace("clock", "1", "9")
        assert store.register.get("clock") == "2"

    def test_threads_count_together(self, store: StoreUnderTest) -> None:
        """Compare-and-set loses no step."""
        store.register.put("count", "0")

        def work(_: int) -> int:
            done = 0
            while done < 5:
                value = store.register.get("count") or "0"
                done += store.register.replace("count", value, str(int(value) + 1))
            return done

        assert together(4, work) == [5] * 4
        assert store.register.get("count") == "20"
