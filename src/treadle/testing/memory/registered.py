"""The registry that clients of MLflow see, in dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from treadle.domain.errors import Conflict
from treadle.domain.events import AliasMoved, Event, Payload, RegistryChanged, StageMoved
from treadle.domain.registered import (
    CHALLENGER,
    CHAMPION,
    OWNED_ALIASES,
    Change,
    NewVersion,
    RegisteredModel,
    RegisteredVersion,
    Stage,
    owned_source,
    owned_stage,
    owned_tags,
)
from treadle.domain.registered_errors import (
    model_exists,
    no_alias,
    no_model,
    no_version,
    owned_alias,
    owned_model,
    owned_version,
)
from treadle.domain.search import EVERYTHING, Column, Condition, Kind, Order, Scalar, holds, in_order
from treadle.domain.tracking import Found
from treadle.domain.versions import ModelVersion
from treadle.testing.memory.events import MemoryEvents
from treadle.testing.memory.paging import paged

T = TypeVar("T")


class MemoryRegistered:
    """``ports.Registered``."""

    def __init__(self, events: MemoryEvents | None = None) -> None:
        self._events = events or MemoryEvents()
        self._models: dict[str, RegisteredModel] = {}
        self._versions: dict[str, dict[int, RegisteredVersion]] = {}
        self._last: dict[str, int] = {}

    def create_model(
        self, name: str, change: Change, *, description: str | None = None, tags: Mapping[str, str] | None = None
    ) -> Future[RegisteredModel]:
        """Raises Conflict for a name in use."""

        def work() -> RegisteredModel:
            if name in self._models:
                raise model_exists(name)
            self._add(name, change.millis, description=description, tags=dict(tags or {}))
            return self.get_model(name)

        return self._done(change, {name: lambda: [RegistryChanged("created", reason=change.reason)]}, work)

    def get_model(self, name: str) -> RegisteredModel:
        """Raises NotFound."""
        return replace(self._model(name), latest=self.latest_versions(name))

    def rename_model(self, name: str, new_name: str, change: Change) -> Future[RegisteredModel]:
        """Raises NotFound, Conflict for a name in use, InvalidInput for an owned one."""

        def work() -> RegisteredModel:
            model = self._model(name)
            if model.owned:
                raise owned_model(name, "renamed")
            if new_name in self._models:
                raise model_exists(new_name)
            del self._models[name]
            self._models[new_name] = replace(model, name=new_name, updated=change.millis)
            self._last[new_name] = self._last.pop(name)
            self._versions[new_name] = {
                number: replace(version, name=new_name, updated=change.millis)
                for number, version in self._versions.pop(name).items()
            }
            return self.get_model(new_name)

        told = {
            name: lambda: [RegistryChanged("renamed", None, new_name, change.reason)],
            new_name: lambda: [RegistryChanged("renamed_from", None, name, change.reason)],
        }
        return self._done(change, told, work)

    def describe_model(self, name: str, description: str | None, change: Change) -> Future[RegisteredModel]:
        """Raises NotFound."""

        def work() -> RegisteredModel:
            self._models[name] = replace(self._model(name), description=description, updated=change.millis)
            return self.get_model(name)

        return self._done(change, {}, work)

    def delete_model(self, name: str, change: Change) -> Future[None]:
        """With its versions. Raises NotFound, InvalidInput for an owned one."""

        def work() -> None:
            if self._model(name).owned:
                raise owned_model(name, "deleted")
            for kept in (self._models, self._versions, self._last):
                kept.pop(name)

        return self._done(change, {name: lambda: [RegistryChanged("deleted", reason=change.reason)]}, work)

    def set_model_tag(self, name: str, key: str, value: str) -> Future[None]:
        """Raises NotFound for the model."""

        def work() -> None:
            model = self._model(name)
            self._models[name] = replace(model, tags=dict(sorted({**model.tags, key: value}.items())))

        return self._done(None, {}, work)

    def delete_model_tag(self, name: str, key: str) -> Future[None]:
        """A tag that is not there is no error. Raises NotFound for the model."""

        def work() -> None:
            model = self._model(name)
            self._models[name] = replace(model, tags={k: v for k, v in model.tags.items() if k != key})

        return self._done(None, {}, work)

    def search_models(
        self, condition: Condition = EVERYTHING, order: Sequence[Order] = (), *, limit: int, cursor: str | None = None
    ) -> Found[RegisteredModel]:
        """Without an order, by name. Raises InvalidInput for a bad cursor."""
        every = [self.get_model(name) for name in sorted(self._models)]
        found = [model for model in every if holds(condition, lambda column, m=model: _of_model(m, column))]  # type: ignore[misc]
        return paged(in_order(found, order, lambda m: lambda column: _of_model(m, column)), limit, cursor)

    def create_version(self, name: str, new: NewVersion, change: Change) -> Future[RegisteredVersion]:
        """The next number. Raises NotFound for the model."""

        def work() -> RegisteredVersion:
            model, number, at = self._model(name), self._last[name] + 1, change.millis
            self._last[name] = number
            self._models[name] = replace(model, updated=at)
            self._versions[name][number] = RegisteredVersion(
                name, number, at, at, new.source, new.location, Stage.NONE, new.run, new.run_link, new.description,
                new.user, new.model_id, dict(sorted(new.tags.items())),
            )  # fmt: skip
            return self.get_version(name, number)

        told = {name: lambda: [RegistryChanged("version_created", self._last[name], new.source, change.reason)]}
        return self._done(change, told, work)

    def get_version(self, name: str, number: int) -> RegisteredVersion:
        """Raises NotFound."""
        version = self._versions.get(name, {}).get(number)
        if version is None:
            raise no_version(name, number)
        aliases = (alias for alias, to in self._models[name].aliases.items() if to == number)
        return replace(version, aliases=tuple(sorted(aliases)))

    def latest_versions(self, name: str) -> Sequence[RegisteredVersion]:
        """The newest version of each stage, by number. Raises NotFound for the model."""
        self._model(name)
        newest = {version.stage: number for number, version in sorted(self._versions[name].items())}
        return tuple(self.get_version(name, number) for number in sorted(newest.values()))

    def describe_version(
        self, name: str, number: int, description: str | None, change: Change
    ) -> Future[RegisteredVersion]:
        """Raises NotFound."""

        def work() -> RegisteredVersion:
            version = self.get_version(name, number)
            self._versions[name][number] = replace(version, description=description, updated=change.millis)
            return self.get_version(name, number)

        return self._done(change, {}, work)

    def delete_version(self, name: str, number: int, change: Change) -> Future[None]:
        """With its aliases; its number is not given again. Raises NotFound, InvalidInput for an owned one."""
        told: list[Payload] = []

        def work() -> None:
            version = self.get_version(name, number)
            if version.owned:
                raise owned_version(name, number, "deleted")
            told.append(RegistryChanged("version_deleted", number, version.source, change.reason))
            del self._versions[name][number]
            model = self._models[name]
            kept = {alias: to for alias, to in model.aliases.items() if to != number}
            self._models[name] = replace(model, aliases=kept, updated=change.millis)

        return self._done(change, {name: lambda: told}, work)

    def set_version_tag(self, name: str, number: int, key: str, value: str) -> Future[None]:
        """Raises NotFound for the version."""

        def work() -> None:
            version = self.get_version(name, number)
            tags = dict(sorted({**version.tags, key: value}.items()))
            self._versions[name][number] = replace(version, tags=tags)

        return self._done(None, {}, work)

    def delete_version_tag(self, name: str, number: int, key: str) -> Future[None]:
        """A tag that is not there is no error. Raises NotFound for the version."""

        def work() -> None:
            version = self.get_version(name, number)
            tags = {k: v for k, v in version.tags.items() if k != key}
            self._versions[name][number] = replace(version, tags=tags)

        return self._done(None, {}, work)

    def move_stage(
        self, name: str, number: int, stage: Stage, change: Change, *, archive: bool = False
    ) -> Future[RegisteredVersion]:
        """With ``archive``, other versions of that stage become Archived. Raises NotFound, InvalidInput for owned ones,
        among them owned ones that would be archived."""
        told: list[Payload] = []

        def work() -> RegisteredVersion:
            moving = [(self.get_version(name, number), stage)]
            if archive:
                others = [v for n, v in sorted(self._versions[name].items()) if n != number and v.stage is stage]
                moving += [(version, Stage.ARCHIVED) for version in others]
            for version, _ in moving:
                if version.owned:
                    raise owned_version(name, version.number, "moved to another stage")
            for version, to in moving:
                told.append(StageMoved(version.number, to.value, version.stage.value, change.reason))
                self._versions[name][version.number] = replace(version, stage=to, updated=change.millis)
            self._models[name] = replace(self._models[name], updated=change.millis)
            return self.get_version(name, number)

        return self._done(change, {name: lambda: told}, work)

    def search_versions(
        self, condition: Condition = EVERYTHING, order: Sequence[Order] = (), *, limit: int, cursor: str | None = None
    ) -> Found[RegisteredVersion]:
        """Raises InvalidInput for a bad cursor."""
        every = [
            self.get_version(name, n) for name in sorted(self._versions) for n in sorted(self._versions[name])[::-1]
        ]
        found = [version for version in every if holds(condition, lambda column, v=version: _of_version(v, column))]  # type: ignore[misc]
        return paged(in_order(found, order, lambda v: lambda column: _of_version(v, column)), limit, cursor)

    def point_alias(self, name: str, alias: str, number: int | None, change: Change) -> Future[None]:
        """Point an alias at a version; ``None`` removes it, and one that is not there is no error.

        Raises NotFound for the model or the version, InvalidInput for an alias of the loop's on an owned model.
        """
        told: list[Payload] = []

        def work() -> None:
            if number is not None:
                self.get_version(name, number)
            model = self._model(name)
            if model.owned and alias in OWNED_ALIASES:
                raise owned_alias(name, alias)
            before = model.aliases.get(alias)
            if before != number:
                told.append(AliasMoved(alias, number, before, change.reason))
                self._point(name, alias, number)

        return self._done(change, {name: lambda: told}, work)

    def version_by_alias(self, name: str, alias: str) -> RegisteredVersion:
        """Raises NotFound for the model, InvalidInput for the alias."""
        number = self._model(name).aliases.get(alias)
        if number is None:
            raise no_alias(alias)
        return self.get_version(name, number)

    def last_number(self, name: str) -> int:
        """The greatest number that a version of this name was given."""
        return self._last.get(name, 0)

    def check_free(self, name: str, number: int) -> None:
        """Raises Conflict where the number was given to a version that somebody registered."""
        if number in self._versions.get(name, {}):
            raise Conflict(f"version {number} of {name!r} was registered by a client")

    def show(self, version: ModelVersion) -> None:
        """Add a version of the loop's, or its newer tags."""
        name, number, at = version.model, version.number, round(version.created_at.timestamp() * 1000)
        if name not in self._models:
            self._add(name, at)
        known = self._versions[name].get(number)
        if known is not None:
            self._versions[name][number] = replace(known, tags={**known.tags, **owned_tags(version)})
            return
        self._models[name] = replace(self._models[name], owned=True, updated=at)
        self._last[name] = max(self._last[name], number)
        self._versions[name][number] = RegisteredVersion(
            name, number, at, at, owned_source(version), "", run=version.run, tags=owned_tags(version), owned=True
        )

    def show_alias(self, name: str, alias: str, number: int | None) -> None:
        """Move an alias of the loop's, and the stages that go with it."""
        if name not in self._models:
            return
        self._point(name, alias, number)
        aliases = self._models[name].aliases
        for known, version in self._versions[name].items():
            if version.owned:
                stage = owned_stage(known, version.stage, aliases.get(CHAMPION), aliases.get(CHALLENGER))
                self._versions[name][known] = replace(version, stage=stage)

    def _add(
        self, name: str, at: int, *, description: str | None = None, tags: Mapping[str, str] | None = None
    ) -> None:
        self._models[name] = RegisteredModel(name, at, at, description, dict(sorted((tags or {}).items())))
        self._versions[name] = {}
        self._last[name] = 0

    def _point(self, name: str, alias: str, number: int | None) -> None:
        model = self._models[name]
        aliases = {known: to for known, to in model.aliases.items() if known != alias}
        if number is not None:
            aliases[alias] = number
        self._models[name] = replace(model, aliases=dict(sorted(aliases.items())))

    def _model(self, name: str) -> RegisteredModel:
        if name not in self._models:
            raise no_model(name)
        return self._models[name]

    def _done(
        self, change: Change | None, told: Mapping[str, Callable[[], Sequence[Payload]]], work: Callable[[], T]
    ) -> Future[T]:
        """Do the work, then record what it told, as one."""
        future: Future[T] = Future()

        def one() -> None:
            result = work()
            if change is not None:
                for model, payloads in told.items():
                    self._events.append(
                        *(Event(model, change.at, payload, actor=change.actor) for payload in payloads())
                    )
            future.set_result(result)

        try:
            self._events.with_change((), one)
        except Exception as error:  # noqa: BLE001  whoever waits is told
            future.set_exception(error)
        return future


def _of_model(model: RegisteredModel, column: Column) -> Sequence[Scalar]:
    if column.kind is Kind.TAG:
        return _given(model.tags.get(column.key))
    known: dict[str, Scalar] = {
        "name": model.name,
        "creation_timestamp": model.created,
        "last_updated_timestamp": model.updated,
    }
    return (known[column.key],)


def _of_version(version: RegisteredVersion, column: Column) -> Sequence[Scalar]:
    if column.kind is Kind.TAG:
        return _given(version.tags.get(column.key))
    known: dict[str, Scalar | None] = {
        "name": version.name,
        "version_number": version.number,
        "run_id": version.run,
        "source_path": version.source,
        "creation_timestamp": version.created,
        "last_updated_timestamp": version.updated,
    }
    return _given(known[column.key])


def _given(value: Scalar | None) -> Sequence[Scalar]:
    return () if value is None else (value,)
