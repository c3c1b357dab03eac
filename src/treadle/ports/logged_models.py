"""Logged models: what runs log beside metrics and params, and search over them.

Writes return futures and reads answer at once, as in ``ports/tracking.py``. What is measured of a model is logged with
its run (``RunStore.log_batch``, whose points name the model), in the same transaction.

Columns that searches know: ``ATTRIBUTE`` ``name``, ``model_id``, ``model_type``, ``status``, ``source_run_id``,
``experiment_id``, ``artifact_location`` (texts), ``creation_timestamp``, ``last_updated_timestamp`` (numbers);
``METRIC`` (every point that was measured on the data sets of the search), ``PARAM``, ``TAG``. Ties go by creation,
newest first, then by id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

from treadle.domain.logged_models import LoggedModel, MeasuredOn, ModelOrder, ModelStatus
from treadle.domain.search import EVERYTHING, Condition
from treadle.domain.tracking import Found


class LoggedModels(Protocol):
    """Models that runs logged."""

    def create_logged_model(self, model: LoggedModel) -> Future[LoggedModel]:
        """Store a new one; its metrics and registrations are left out. Raises Conflict for an id in use."""
        ...

    def get_logged_model(self, model_id: str, *, deleted: bool = False) -> LoggedModel:
        """Raises NotFound, also for a deleted one unless those are wanted."""
        ...

    def finalize_logged_model(self, model_id: str, status: ModelStatus, *, at: int) -> Future[LoggedModel]:
        """Raises NotFound."""
        ...

    def delete_logged_model(self, model_id: str, *, at: int) -> Future[None]:
        """Mark as deleted; it can still be asked for. Raises NotFound."""
        ...

    def deleted_logged_models(self, before: int) -> Sequence[LoggedModel]:
        """Those that were marked as deleted before a time."""
        ...

    def free_logged_models(self, model_ids: Sequence[str]) -> Future[None]:
        """Remove deleted ones for good; the others stay."""
        ...

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, str]) -> Future[None]:
        """Raises NotFound."""
        ...

    def delete_logged_model_tag(self, model_id: str, key: str) -> Future[None]:
        """Raises NotFound for the model or the tag."""
        ...

    def log_model_params(self, model_id: str, params: Mapping[str, str]) -> Future[None]:
        """Values are kept whole. Raises NotFound, InvalidInput for a param that has another value."""
        ...

    def search_logged_models(
        self,
        experiments: Sequence[str],
        condition: Condition = EVERYTHING,
        order: Sequence[ModelOrder] = (),
        *,
        datasets: Sequence[MeasuredOn] = (),
        limit: int = 50,
        cursor: str | None = None,
    ) -> Found[LoggedModel]:
        """Models that are not deleted and fulfil a condition.

        With ``datasets``, metrics count where they were measured on one of them; a condition without metrics then
        asks that something was. Raises InvalidInput for a bad cursor or an unknown column.
        """
        ...
