"""What every ``ports.Events`` promises."""
# ruff: noqa: S101

from __future__ import annotations

from treadle.domain import events as chained
from treadle.testing import samples
from treadle.testing.contracts.base import StoreContract, StoreUnderTest, together


class EventsContract(StoreContract):
    """Appended, sealed into a chain by whoever calls, read by position."""

    def test_an_empty_table(self, store: StoreUnderTest) -> None:
        """Has nothing, at position 0."""
        assert store.events.seal() == 0
        assert list(store.events.read()) == []
        assert list(store.events.last()) == []
        assert store.events.verify() == 0

    def test_only_sealed_events_are_read(self, store: StoreUnderTest) -> None:
        """Until somebody seals, nothing shows."""
        store.events.append(samples.an_event("a"))
        assert list(store.events.read()) == []
        assert list(store.events.last()) == []
        assert store.events.seal() == 1
        assert [sealed.event for sealed in store.events.read()] == [samples.an_event("a")]

    def test_positions_follow_the_order_of_appending(self, store: StoreUnderTest) -> None:
        """They count from 1 without a gap, and sealing again moves nothing."""
        for i in range(5):
            store.events.append(samples.an_event(f"{i}a"), samples.an_event(f"{i}b"))
            if i % 2:
                store.events.seal()
        assert store.events.seal() == 10
        assert store.events.seal() == 10
        sealed = store.events.read()
        assert [s.position for s in sealed] == list(range(1, 11))
        assert [s.event.payload.reason for s in sealed] == [f"{i}{x}" for i in range(5) for x in "ab"]  # type: ignore[union-attr]

    def test_the_chain_is_as_published(self, store: StoreUnderTest) -> None:
        """Anybody can recompute it from what is read."""
        store.events.append(*(samples.an_event(str(i)) for i in range(3)))
        store.events.seal()
        previous = chained.GENESIS
        for sealed in store.events.read():
            assert sealed.previous_hash == previous
            previous = chained.chain_hash(previous, sealed.position, chained.encode(sealed.event))
            assert sealed.hash == previous
        assert store.events.verify() == 3

    def test_reading_goes_on_from_a_position(self, store: StoreUnderTest) -> None:
        """With a limit, and for one model."""
        models = ["flights", "bikes", "flights", "bikes", "flights"]
        store.events.append(*(samples.an_event(str(i), model=m) for i, m in enumerate(models)))
        store.events.seal()
        assert [s.position for s in store.events.read(2, limit=2)] == [3, 4]
        assert [s.position for s in store.events.read(1, model="flights")] == [3, 5]
        assert [s.position for s in store.events.read(1, model="flights", limit=1)] == [3]
        assert list(store.events.read(5)) == []

    def test_the_newest_come_first(self, store: StoreUnderTest) -> None:
        """By model and kind, with a limit."""
        store.events.append(*(samples.an_event(str(i), model=m) for i, m in enumerate(["a", "b", "a"])))
        store.events.seal()
        assert [s.position for s in store.events.last()] == [3, 2, 1]
        assert [s.position for s in store.events.last(model="a", limit=1)] == [3]
        assert [s.position for s in store.events.last(kinds=["version_refused"], model="b")] == [2]
        assert list(store.events.last(kinds=["model_applied"])) == []

    def test_once_is_once_a_model(self, store: StoreUnderTest) -> None:
        """A second event with the same ``once`` is dropped, before and after sealing; the first stays."""
        store.events.append(samples.an_event("first", once="x"), samples.an_event("second", once="x"))
        store.events.seal()
        store.events.append(samples.an_event("third", once="x"), samples.an_event("other", once="y"))
        store.events.append(samples.an_event("elsewhere", once="x", model="bikes"))
        assert store.events.seal() == 3
        reasons = [s.event.payload.reason for s in store.events.read()]  # type: ignore[union-attr]
        assert reasons == ["first", "other", "elsewhere"]
        assert store.events.verify() == 3

    def test_threads_append_and_seal(self, store: StoreUnderTest) -> None:
        """No event is lost, doubled or out of its own thread's order; the chain holds."""

        def work(number: int) -> list[int]:
            seen = []
            for i in range(10):
                store.events.append(samples.an_event(f"{number}/{i}"))
                seen.append(store.events.seal())
            return seen

        for positions in together(4, work):
            assert isinstance(positions, list), positions
            assert positions == sorted(positions)
        sealed = store.events.read()
        assert [s.position for s in sealed] == list(range(1, 41))
        reasons = [s.event.payload.reason for s in sealed]  # type: ignore[union-attr]
        for number in range(4):
            mine = [reason for reason in reasons if reason.startswith(f"{number}/")]
            assert mine == [f"{number}/{i}" for i in range(10)]
        assert store.events.verify() == 40

    def test_threads_race_for_once(self, store: StoreUnderTest) -> None:
        """One of them is recorded."""
        answers = together(6, lambda i: store.events.append(samples.an_event(str(i), once="x")))
        assert answers == [None] * 6
        assert store.events.seal() == 1
