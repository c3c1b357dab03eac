"""What every ``ports.Versions`` promises."""
# ruff: noqa: S101

from __future__ import annotations

import dataclasses

import pytest

from treadle.domain.errors import Conflict, NotFound
from treadle.domain.gates import Verdict
from treadle.testing import samples
from treadle.testing.contracts.base import StoreContract, StoreUnderTest, together


class VersionsContract(StoreContract):
    """Versions are immutable but for their gate report and their aliases."""

    def test_a_version_comes_back(self, store: StoreUnderTest) -> None:
        """Equal to what was registered."""
        version = samples.a_version()
        assert store.versions.next_number("flights") == 1
        store.versions.register(version)
        assert store.versions.get("flights", 1) == version
        assert store.versions.by_attempt("flights", version.attempt) == version
        assert store.versions.next_number("flights") == 2
        assert store.versions.next_number("bikes") == 1

    def test_unknown_versions_are_not_found(self, store: StoreUnderTest) -> None:
        """Whatever is asked of them; nothing is recorded."""
        with pytest.raises(NotFound):
            store.versions.get("flights", 1)
        with pytest.raises(NotFound):
            store.versions.judge("flights", 1, samples.a_gate_report(), samples.an_event())
        with pytest.raises(NotFound):
            store.versions.set_alias("flights", "champion", 1, samples.an_event())
        assert store.versions.by_attempt("flights", "nothing") is None
        assert store.versions.aliases("flights") == {}
        assert store.events.seal() == 0

    def test_registering_again_is_no_change(self, store: StoreUnderTest) -> None:
        """Neither of the version nor of the events."""
        store.versions.register(samples.a_version(), samples.an_event("registered"))
        store.versions.register(samples.a_version(threshold=0.9), samples.an_event("again"))
        assert store.versions.get("flights", 1).threshold == 0.3
        assert store.events.seal() == 1

    def test_a_number_belongs_to_one_attempt(self, store: StoreUnderTest) -> None:
        """And an attempt to one number."""
        store.versions.register(samples.a_version(1, "a"))
        with pytest.raises(Conflict):
            store.versions.register(samples.a_version(1, "b"), samples.an_event())
        with pytest.raises(Conflict):
            store.versions.register(samples.a_version(2, "a"), samples.an_event())
        assert store.events.seal() == 0
        assert [v.number for v in store.versions.list("flights")] == [1]

    def test_lists_are_newest_first(self, store: StoreUnderTest) -> None:
        """Of one model, or of all that used a snapshot."""
        other = dataclasses.replace(samples.a_version().recipe, snapshot_digest="77" * 32)
        store.versions.register(samples.a_version(1))
        store.versions.register(samples.a_version(2, recipe=other))
        store.versions.register(samples.a_version(3))
        store.versions.register(samples.a_version(4, model="bikes"))
        assert [v.number for v in store.versions.list("flights")] == [3, 2, 1]
        assert [(v.model, v.number) for v in store.versions.using_snapshot("5a" * 32)] == [
            ("bikes", 4),
            ("flights", 3),
            ("flights", 1),
        ]
        assert list(store.versions.using_snapshot("00" * 32)) == []

    def test_a_judgement_is_kept(self, store: StoreUnderTest) -> None:
        """The last one stands, and nothing else changes."""
        store.versions.register(samples.a_version())
        store.versions.judge("flights", 1, samples.a_gate_report(Verdict.NOT_ENOUGH_DATA), samples.an_event())
        store.versions.judge("flights", 1, samples.a_gate_report())
        expected = dataclasses.replace(samples.a_version(), gates=samples.a_gate_report())
        assert store.versions.get("flights", 1) == expected
        assert store.events.seal() == 1

    def test_aliases_move(self, store: StoreUnderTest) -> None:
        """They are set, moved and removed, each with its event; removing a missing one is no error."""
        for number in (1, 2):
            store.versions.register(samples.a_version(number))
        store.versions.set_alias("flights", "champion", 1, samples.an_event("a"))
        store.versions.set_alias("flights", "challenger", 2)
        assert store.versions.aliases("flights") == {"champion": 1, "challenger": 2}
        store.versions.set_alias("flights", "champion", 2, samples.an_event("b"))
        store.versions.set_alias("flights", "challenger", None)
        store.versions.set_alias("flights", "challenger", None)
        assert store.versions.aliases("flights") == {"champion": 2}
        assert store.versions.aliases("bikes") == {}
        assert store.events.seal() == 2

    def test_of_threads_one_gets_the_number(self, store: StoreUnderTest) -> None:
        """The others conflict."""
        answers = together(
            4, lambda i: store.versions.register(samples.a_version(1, f"attempt {i}"), samples.an_event())
        )
        assert sorted(type(a).__name__ for a in answers) == ["Conflict"] * 3 + ["NoneType"]
        assert store.events.seal() == 1
