"""The registry that clients of MLflow see.

Writes are handed to one writer and return futures, as in ``ports/tracking.py``; reads answer at once. All methods may
be called from any thread. What is done to a model, an alias or a stage is told by an event in the same transaction.

Versions that are registered with ``ports.Versions`` are here too, with their aliases, in the same moment: ``owned``.
They keep their numbers; the two never give the same one. The champion's stage is Production, the challenger's
Staging, a former champion's Archived. They are not deleted or moved here, nor are their models renamed or deleted:
InvalidInput.

Columns that searches know (``domain/search.py``):

- models: ``ATTRIBUTE`` ``name``, ``creation_timestamp``, ``last_updated_timestamp``; ``TAG``. Ties go by name.
- versions: ``ATTRIBUTE`` ``name``, ``version_number``, ``run_id``, ``source_path``, ``creation_timestamp``,
  ``last_updated_timestamp``; ``TAG``. Ties go by name, then number, newest first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

from treadle.domain.registered import Change, NewVersion, RegisteredModel, RegisteredVersion, Stage
from treadle.domain.search import EVERYTHING, Condition, Order
from treadle.domain.tracking import Found


class RegisteredModels(Protocol):
    """Names with versions."""

    def create_model(
        self, name: str, change: Change, *, description: str | None = None, tags: Mapping[str, str] | None = None
    ) -> Future[RegisteredModel]:
        """Raises Conflict for a name in use."""
        ...

    def get_model(self, name: str) -> RegisteredModel:
        """Raises NotFound."""
        ...

    def rename_model(self, name: str, new_name: str, change: Change) -> Future[RegisteredModel]:
        """Raises NotFound, Conflict for a name in use, InvalidInput for an owned one."""
        ...

    def describe_model(self, name: str, description: str | None, change: Change) -> Future[RegisteredModel]:
        """Raises NotFound."""
        ...

    def delete_model(self, name: str, change: Change) -> Future[None]:
        """With its versions. Raises NotFound, InvalidInput for an owned one."""
        ...

    def set_model_tag(self, name: str, key: str, value: str) -> Future[None]:
        """Raises NotFound for the model."""
        ...

    def delete_model_tag(self, name: str, key: str) -> Future[None]:
        """A tag that is not there is no error. Raises NotFound for the model."""
        ...

    def search_models(
        self, condition: Condition = EVERYTHING, order: Sequence[Order] = (), *, limit: int, cursor: str | None = None
    ) -> Found[RegisteredModel]:
        """Without an order, by name. Raises InvalidInput for a bad cursor or an unknown column."""
        ...


class RegisteredVersions(Protocol):
    """Versions of registered models."""

    def create_version(self, name: str, new: NewVersion, change: Change) -> Future[RegisteredVersion]:
        """The next number. Raises NotFound for the model."""
        ...

    def get_version(self, name: str, number: int) -> RegisteredVersion:
        """Raises NotFound."""
        ...

    def latest_versions(self, name: str) -> Sequence[RegisteredVersion]:
        """The newest version of each stage, by number. Raises NotFound for the model."""
        ...

    def describe_version(
        self, name: str, number: int, description: str | None, change: Change
    ) -> Future[RegisteredVersion]:
        """Raises NotFound."""
        ...

    def delete_version(self, name: str, number: int, change: Change) -> Future[None]:
        """With its aliases; its number is not given again. Raises NotFound, InvalidInput for an owned one."""
        ...

    def set_version_tag(self, name: str, number: int, key: str, value: str) -> Future[None]:
        """Raises NotFound for the version."""
        ...

    def delete_version_tag(self, name: str, number: int, key: str) -> Future[None]:
        """A tag that is not there is no error. Raises NotFound for the version."""
        ...

    def move_stage(
        self, name: str, number: int, stage: Stage, change: Change, *, archive: bool = False
    ) -> Future[RegisteredVersion]:
        """With ``archive``, other versions of that stage become Archived. Raises NotFound, InvalidInput for owned ones,
        among them owned ones that would be archived."""
        ...

    def search_versions(
        self, condition: Condition = EVERYTHING, order: Sequence[Order] = (), *, limit: int, cursor: str | None = None
    ) -> Found[RegisteredVersion]:
        """Raises InvalidInput for a bad cursor or an unknown column."""
        ...


class RegisteredAliases(Protocol):
    """Names for versions."""

    def point_alias(self, name: str, alias: str, number: int | None, change: Change) -> Future[None]:
        """Point an alias at a version; ``None`` removes it, and one that is not there is no error.

        Raises NotFound for the model or the version, InvalidInput for an alias of the loop's on an owned model.
        """
        ...

    def version_by_alias(self, name: str, alias: str) -> RegisteredVersion:
        """Raises NotFound for the model, InvalidInput for the alias."""
        ...


class Registered(RegisteredModels, RegisteredVersions, RegisteredAliases, Protocol):
    """The whole registry in one store."""
