"""What every ``ports.Registered`` promises, beside ``ports.Versions`` in one store."""
# ruff: noqa: S101

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from treadle.domain.errors import Conflict, InvalidInput, NotFound
from treadle.domain.events import AliasMoved, RegistryChanged, StageMoved
from treadle.domain.registered import Change, NewVersion, RegisteredVersion, Stage
from treadle.domain.search import AllOf, AnyOf, Column, Comparison, Kind, Op, Order
from treadle.ports.events import Events
from treadle.ports.registered import Registered
from treadle.ports.versions import Versions
from treadle.testing import samples
from treadle.testing.contracts.base import together

T = TypeVar("T")
NAME = Column(Kind.ATTRIBUTE, "name")
NUMBER = Column(Kind.ATTRIBUTE, "version_number")
UPDATED = Column(Kind.ATTRIBUTE, "last_updated_timestamp")


class RegistryUnderTest(Protocol):
    """A store with a registry."""

    registered: Registered
    versions: Versions
    events: Events

    def close(self) -> None:
        """Let go of everything."""
        ...


def done(future: Future[T]) -> T:
    """What a write gave."""
    return future.result(30)


def change(second: int = 0, actor: str = "ann", reason: str = "") -> Change:
    """A change at that second."""
    return Change(datetime.fromtimestamp(1000 + second, UTC), actor, reason)


def source(number: int = 1) -> NewVersion:
    """A version of a run."""
    return NewVersion(f"runs:/r{number}/model", f"mlflow-artifacts:/0/r{number}/artifacts/model", f"r{number}")


class RegistryBase:
    """Base of the suites of the registry: override :meth:`make`."""

    def make(self, folder: Path) -> RegistryUnderTest:
        """A new, empty store; ``folder`` is the test's own."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[RegistryUnderTest]:
        """The store of one test."""
        store = self.make(tmp_path)
        yield store
        store.close()

    @pytest.fixture
    def registry(self, store: RegistryUnderTest) -> Registered:
        """Its registry."""
        return store.registered


class RegisteredContract(RegistryBase):
    """Models, versions, aliases, stages and their history."""

    def test_a_model_comes_back(self, registry: Registered) -> None:
        """With tags and description; a name is given once."""
        made = done(registry.create_model("a", change(), description="one", tags={"z": "1", "b": "2"}))
        assert registry.get_model("a") == made
        assert (made.name, made.description, dict(made.tags), made.created) == (
            "a",
            "one",
            {"b": "2", "z": "1"},
            1_000_000,
        )
        with pytest.raises(Conflict):
            done(registry.create_model("a", change()))
        described = done(registry.describe_model("a", "two", change(1)))
        assert (described.description, described.created, described.updated) == ("two", 1_000_000, 1_001_000)

    def test_what_is_not_there_is_not_found(self, registry: Registered) -> None:
        """Whatever is asked of it."""
        done(registry.create_model("a", change()))
        for call in (
            lambda: registry.get_model("b"),
            lambda: registry.latest_versions("b"),
            lambda: registry.get_version("a", 1),
            lambda: registry.version_by_alias("b", "x"),
            lambda: done(registry.create_version("b", source(), change())),
            lambda: done(registry.rename_model("b", "c", change())),
            lambda: done(registry.delete_model("b", change())),
            lambda: done(registry.set_model_tag("b", "k", "v")),
            lambda: done(registry.delete_model_tag("b", "k")),
            lambda: done(registry.delete_version("a", 1, change())),
            lambda: done(registry.set_version_tag("a", 1, "k", "v")),
            lambda: done(registry.move_stage("a", 1, Stage.STAGING, change())),
            lambda: done(registry.point_alias("a", "x", 1, change())),
            lambda: done(registry.point_alias("b", "x", None, change())),
        ):
            with pytest.raises(NotFound):
                call()
        with pytest.raises(InvalidInput):
            registry.version_by_alias("a", "x")

    def test_numbers_count_up_and_are_never_given_twice(self, registry: Registered) -> None:
        """Also where the newest version was deleted."""
        done(registry.create_model("a", change()))
        made = [done(registry.create_version("a", source(number), change(number))) for number in (1, 2)]
        assert [version.number for version in made] == [1, 2]
        done(registry.delete_version("a", 2, change(3)))
        assert done(registry.create_version("a", source(3), change(4))).number == 3
        assert registry.get_model("a").updated == 1_004_000
        with pytest.raises(NotFound):
            registry.get_version("a", 2)

    def test_a_version_comes_back(self, registry: Registered) -> None:
        """With everything that was told of it."""
        done(registry.create_model("a", change()))
        new = NewVersion("s3://x/y", "s3://x/y", "r", "http://link", "words", "ann", "m-1", {"z": "1", "b": ""})
        made = done(registry.create_version("a", new, change(1)))
        assert made == registry.get_version("a", 1)
        assert made == RegisteredVersion(
            "a", 1, 1_001_000, 1_001_000, "s3://x/y", "s3://x/y", Stage.NONE, "r", "http://link", "words", "ann", "m-1",
            {"b": "", "z": "1"},
        )  # fmt: skip
        assert done(registry.describe_version("a", 1, None, change(2))).description is None

    def test_renaming_takes_versions_along(self, registry: Registered) -> None:
        """And leaves the name free; a name in use is refused."""
        done(registry.create_model("a", change()))
        done(registry.create_model("b", change()))
        done(registry.create_version("a", source(), change()))
        done(registry.point_alias("a", "x", 1, change()))
        with pytest.raises(Conflict):
            done(registry.rename_model("a", "b", change()))
        renamed = done(registry.rename_model("a", "c", change(5)))
        assert (renamed.name, dict(renamed.aliases), renamed.updated) == ("c", {"x": 1}, 1_005_000)
        assert registry.version_by_alias("c", "x").updated == 1_005_000
        assert done(registry.create_model("a", change(6))).latest == ()

    def test_deleting_a_model_takes_everything_along(self, registry: Registered) -> None:
        """A new model of the name starts anew."""
        done(registry.create_model("a", change(), tags={"k": "v"}))
        done(registry.create_version("a", NewVersion("s", "s", tags={"k": "v"}), change()))
        done(registry.point_alias("a", "x", 1, change()))
        done(registry.delete_model("a", change()))
        assert registry.search_versions(limit=10).items == []
        fresh = done(registry.create_model("a", change()))
        assert (dict(fresh.tags), dict(fresh.aliases)) == ({}, {})
        assert done(registry.create_version("a", source(), change())).number == 1

    def test_tags_are_set_and_removed(self, registry: Registered) -> None:
        """Removing one that is not there is no error."""
        done(registry.create_model("a", change()))
        done(registry.create_version("a", source(), change()))
        for value in ("1", "2"):
            done(registry.set_model_tag("a", "k", value))
            done(registry.set_version_tag("a", 1, "k", value))
        assert registry.get_model("a").tags == registry.get_version("a", 1).tags == {"k": "2"}
        for _ in range(2):
            done(registry.delete_model_tag("a", "k"))
            done(registry.delete_version_tag("a", 1, "k"))
        assert registry.get_model("a").tags == registry.get_version("a", 1).tags == {}

    def test_aliases_move(self, registry: Registered) -> None:
        """They go with their version."""
        done(registry.create_model("a", change()))
        for number in (1, 2):
            done(registry.create_version("a", source(number), change()))
        done(registry.point_alias("a", "x", 1, change()))
        done(registry.point_alias("a", "y", 1, change()))
        assert registry.get_version("a", 1).aliases == ("x", "y")
        done(registry.point_alias("a", "x", 2, change()))
        assert registry.version_by_alias("a", "x").number == 2
        done(registry.delete_version("a", 1, change()))
        assert registry.get_model("a").aliases == {"x": 2}
        for _ in range(2):
            done(registry.point_alias("a", "x", None, change()))
        with pytest.raises(InvalidInput):
            registry.version_by_alias("a", "x")

    def test_stages_move_and_archive(self, registry: Registered) -> None:
        """The newest of each stage is found."""
        done(registry.create_model("a", change()))
        for number in (1, 2, 3, 4):
            done(registry.create_version("a", source(number), change()))
        done(registry.move_stage("a", 1, Stage.PRODUCTION, change(1)))
        moved = done(registry.move_stage("a", 2, Stage.PRODUCTION, change(2), archive=True))
        assert (moved.stage, moved.updated) == (Stage.PRODUCTION, 1_002_000)
        assert registry.get_version("a", 1).stage is Stage.ARCHIVED
        newest = [(version.number, version.stage) for version in registry.latest_versions("a")]
        assert newest == [(1, Stage.ARCHIVED), (2, Stage.PRODUCTION), (4, Stage.NONE)]
        assert registry.get_model("a").latest == registry.latest_versions("a")

    def test_history_tells_who_moved_what_when_and_why(self, store: RegistryUnderTest) -> None:
        """An alias that stays is not told; a refused change tells nothing."""
        registry = store.registered
        done(registry.create_model("a", change()))
        for number in (1, 2):
            done(registry.create_version("a", source(number), change(number)))
        done(registry.point_alias("a", "x", 1, change(3, "bob", "best so far")))
        done(registry.point_alias("a", "x", 1, change(4)))
        done(registry.point_alias("a", "x", 2, change(5)))
        done(registry.move_stage("a", 1, Stage.STAGING, change(6)))
        done(registry.move_stage("a", 2, Stage.STAGING, change(7, reason="try"), archive=True))
        done(registry.point_alias("a", "x", None, change(8)))
        done(registry.delete_version("a", 2, change(9)))
        with pytest.raises(NotFound):
            done(registry.delete_version("a", 2, change(10)))
        done(registry.rename_model("a", "b", change(11)))
        done(registry.delete_model("b", change(12)))
        store.events.seal()
        told = [sealed.event for sealed in store.events.read()]
        assert [(event.model, event.payload) for event in told] == [
            ("a", RegistryChanged("created")),
            ("a", RegistryChanged("version_created", 1, "runs:/r1/model")),
            ("a", RegistryChanged("version_created", 2, "runs:/r2/model")),
            ("a", AliasMoved("x", 1, None, "best so far")),
            ("a", AliasMoved("x", 2, 1)),
            ("a", StageMoved(1, "Staging", "None")),
            ("a", StageMoved(2, "Staging", "None", "try")),
            ("a", StageMoved(1, "Archived", "Staging", "try")),
            ("a", AliasMoved("x", None, 2)),
            ("a", RegistryChanged("version_deleted", 2, "runs:/r2/model")),
            ("a", RegistryChanged("renamed", None, "b")),
            ("b", RegistryChanged("renamed_from", None, "a")),
            ("b", RegistryChanged("deleted")),
        ]
        assert (told[3].actor, told[3].at.timestamp()) == ("bob", 1003)

    def test_of_threads_each_gets_a_number(self, registry: Registered) -> None:
        """None twice."""
        done(registry.create_model("a", change()))
        made = together(8, lambda i: done(registry.create_version("a", source(i), change())).number)
        assert sorted(made, key=str) == [1, 2, 3, 4, 5, 6, 7, 8]


class RegistrySearchContract(RegistryBase):
    """Searches of models and versions."""

    @pytest.fixture
    def full(self, registry: Registered) -> Registered:
        """Three models with versions."""
        for second, name in enumerate(("beta", "Alpha", "gamma")):
            done(registry.create_model(name, change(second), tags={"team": name[0], "all": "x"}))
            for number in (1, 2):
                new = NewVersion(f"s3://{name}/{number}", "", f"run-{name}", tags={"n": str(number)})
                done(registry.create_version(name, new, change(10 * number + second)))
        return registry

    def test_models_by_name_and_tag(self, full: Registered) -> None:
        """Names are ordered by code points; pages lead on."""
        assert [m.name for m in full.search_models(limit=10).items] == ["Alpha", "beta", "gamma"]
        like = Comparison(NAME, Op.ILIKE, "%A")
        assert [m.name for m in full.search_models(like, limit=10).items] == ["Alpha", "beta", "gamma"]
        assert [m.name for m in full.search_models(Comparison(NAME, Op.LIKE, "A%"), limit=10).items] == ["Alpha"]
        team = Comparison(Column(Kind.TAG, "team"), Op.NE, "b")
        assert [m.name for m in full.search_models(team, limit=10).items] == ["Alpha", "gamma"]
        absent = Comparison(Column(Kind.TAG, "nothing"), Op.IS_NULL)
        first = full.search_models(absent, [Order(UPDATED, ascending=False)], limit=2)
        assert [m.name for m in first.items] == ["gamma", "Alpha"]
        rest = full.search_models(absent, [Order(UPDATED, ascending=False)], limit=2, cursor=first.cursor)
        assert ([m.name for m in rest.items], rest.cursor) == (["beta"], None)
        assert [[v.number for v in m.latest] for m in first.items] == [[2], [2]]

    def test_versions_by_attribute_and_tag(self, full: Registered) -> None:
        """Ties go by name, then the newest number first."""

        def found(*terms: Comparison | AnyOf, order: tuple[Order, ...] = ()) -> list[tuple[str, int]]:
            return [(v.name, v.number) for v in full.search_versions(AllOf(terms), order, limit=100).items]

        assert found() == [("Alpha", 2), ("Alpha", 1), ("beta", 2), ("beta", 1), ("gamma", 2), ("gamma", 1)]
        assert found(Comparison(NAME, Op.EQ, "beta")) == [("beta", 2), ("beta", 1)]
        assert found(Comparison(NUMBER, Op.LT, 2), Comparison(NAME, Op.IN, ("beta", "gamma"))) == [
            ("beta", 1),
            ("gamma", 1),
        ]
        assert found(
            Comparison(Column(Kind.ATTRIBUTE, "run_id"), Op.EQ, "run-beta"), Comparison(NUMBER, Op.EQ, 2.0)
        ) == [("beta", 2)]
        assert found(Comparison(Column(Kind.ATTRIBUTE, "source_path"), Op.LIKE, "%/1"))[0] == ("Alpha", 1)
        assert found(Comparison(Column(Kind.TAG, "n"), Op.EQ, "1")) == [("Alpha", 1), ("beta", 1), ("gamma", 1)]
        assert found(order=(Order(NUMBER),))[:3] == [("Alpha", 1), ("beta", 1), ("gamma", 1)]
        assert found(order=(Order(UPDATED, ascending=False),))[0] == ("gamma", 2)

    def test_pages_of_versions_lead_on(self, full: Registered) -> None:
        """Each version once; a made-up cursor is refused."""
        seen, cursor = [], None
        while True:
            page = full.search_versions(order=[Order(NUMBER)], limit=2, cursor=cursor)
            seen += [(v.name, v.number) for v in page.items]
            cursor = page.cursor
            if cursor is None:
                break
        assert len(set(seen)) == len(seen) == 6
        with pytest.raises(InvalidInput):
            full.search_versions(limit=2, cursor="nonsense")


class OneRegistryContract(RegistryBase):
    """Versions that the loop trained are registered versions."""

    def test_a_trained_version_is_registered(self, store: RegistryUnderTest) -> None:
        """Owned, with what is known of it as tags; its number belongs to both."""
        store.versions.register(samples.a_version())
        store.versions.judge("flights", 1, samples.a_gate_report())
        found = store.registered.get_version("flights", 1)
        assert (found.owned, found.run, found.source) == (
            True,
            samples.a_version().run,
            f"runs:/{samples.a_version().run}",
        )
        assert found.tags["treadle.gates"] == "pass"
        assert found.tags["treadle.recipe"] == samples.a_version().recipe_digest
        assert store.registered.get_model("flights").owned
        assert done(store.registered.create_version("flights", source(), change())).number == 2
        assert store.versions.next_number("flights") == 3
        with pytest.raises(Conflict):
            store.versions.register(samples.a_version(2, "another"))
        store.versions.register(samples.a_version(3, "another"))
        assert [v.number for v in store.versions.list("flights")] == [3, 1]

    def test_a_name_that_clients_registered_goes_on(self, store: RegistryUnderTest) -> None:
        """The loop's numbers follow theirs."""
        done(store.registered.create_model("flights", change(), description="ours"))
        done(store.registered.create_version("flights", source(), change()))
        assert store.versions.next_number("flights") == 2
        store.versions.register(samples.a_version(2))
        model = store.registered.get_model("flights")
        assert (model.owned, model.description) == (True, "ours")
        assert not store.registered.get_version("flights", 1).owned

    def test_aliases_of_the_loop_show_with_their_stages(self, store: RegistryUnderTest) -> None:
        """The champion is in Production, the challenger in Staging, a former champion Archived."""
        for number in (1, 2, 3):
            store.versions.register(samples.a_version(number))
            store.versions.set_alias("flights", "challenger", number)

        def stages() -> list[str]:
            return [store.registered.get_version("flights", number).stage.value for number in (1, 2, 3)]

        assert stages() == ["None", "None", "Staging"]
        store.versions.set_alias("flights", "champion", 1)
        assert stages() == ["Production", "None", "Staging"]
        store.versions.set_alias("flights", "champion", 3)
        assert stages() == ["Archived", "None", "Production"]
        assert store.registered.version_by_alias("flights", "champion").number == 3
        store.versions.set_alias("flights", "champion", 1)
        assert stages() == ["Production", "None", "Staging"]
        store.versions.set_alias("flights", "challenger", None)
        assert stages()[2] in ("None", "Archived")
        assert dict(store.registered.get_model("flights").aliases) == {"champion": 1}

    def test_what_the_loop_owns_is_read_only(self, store: RegistryUnderTest) -> None:
        """Other aliases, tags and descriptions are everybody's."""
        store.versions.register(samples.a_version())
        store.versions.set_alias("flights", "champion", 1)
        registry = store.registered
        done(registry.create_version("flights", source(), change()))
        calls: tuple[Callable[[], Future[Any]], ...] = (
            lambda: registry.rename_model("flights", "birds", change()),
            lambda: registry.delete_model("flights", change()),
            lambda: registry.delete_version("flights", 1, change()),
            lambda: registry.move_stage("flights", 1, Stage.NONE, change()),
            lambda: registry.move_stage("flights", 2, Stage.PRODUCTION, change(), archive=True),
            lambda: registry.point_alias("flights", "champion", 2, change()),
            lambda: registry.point_alias("flights", "challenger", None, change()),
        )
        for call in calls:
            with pytest.raises(InvalidInput):
                call().result(30)
        assert registry.get_version("flights", 2).stage is Stage.NONE
        done(registry.point_alias("flights", "mine", 1, change()))
        done(registry.set_version_tag("flights", 1, "seen", "yes"))
        done(registry.describe_version("flights", 1, "words", change()))
        done(registry.delete_version("flights", 2, change()))
        assert registry.version_by_alias("flights", "mine").tags["seen"] == "yes"
        assert store.versions.aliases("flights") == {"champion": 1}
