"""Freeing what was deleted: runs, experiments and their artifacts, once they were deleted long enough ago."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from treadle.domain.artifacts import served_path
from treadle.domain.errors import InvalidInput, NotFound
from treadle.domain.search import View
from treadle.domain.tracking import Experiment, RunInfo
from treadle.ports.artifacts import Artifacts
from treadle.ports.tracking import Tracking

PAGE = 1000
_RUN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Garbage:
    """What is to be freed, or was. ``orphans`` are folders of runs that are no more; ``bytes`` are all artifacts'.

    ``elsewhere`` are locations that this server does not serve: nothing is removed there.
    """

    experiments: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True)
class GarbageService:
    """Finds and frees garbage of tracking."""

    tracking: Tracking
    artifacts: Artifacts

    def find(self, before: datetime) -> Garbage:
        """What was deleted before a time, and is still there."""
        limit = _milliseconds(before)
        experiments = [found for found in self._experiments(View.DELETED) if found.updated < limit]
        runs = self._deleted_runs(experiments, limit)
        uris = [run.artifact_uri for run in runs]
        return self._measured([found.id for found in experiments], [run.id for run in runs], uris, before)

    def free(self, before: datetime) -> Garbage:
        """Free it. Rows go first: what is left of a crash after that is found as orphans the next time."""
        limit = _milliseconds(before)
        freed = self.tracking.collect(deleted_before=limit).result()
        garbage = self._measured(freed.experiments, freed.runs, freed.artifacts, before)
        for place in (*_places(freed.artifacts)[0], *garbage.orphans):
            self.artifacts.delete(place)
        return garbage

    def _measured(
        self, experiments: Sequence[str], runs: Sequence[str], uris: Sequence[str], before: datetime
    ) -> Garbage:
        places, elsewhere = _places(uris)
        orphans = [found for found in self._orphans(before) if not _covered(found, places)]
        used = [self.artifacts.usage(place) for place in (*places, *orphans)]
        return Garbage(
            tuple(experiments),
            tuple(runs),
            tuple(orphans),
            sum(files for files, _ in used),
            sum(size for _, size in used),
            elsewhere,
        )

    def _experiments(self, view: View) -> Iterator[Experiment]:
        cursor = None
        while True:
            page = self.tracking.search_experiments(view=view, limit=PAGE, cursor=cursor)
            yield from page.items
            cursor = page.cursor
            if cursor is None:
                return

    def _deleted_runs(self, experiments: Sequence[Experiment], limit: int) -> Sequence[RunInfo]:
        gone = {experiment.id for experiment in experiments}
        everywhere = [experiment.id for experiment in self._experiments(View.ALL)]
        found = {run.id: run for run in self._runs(sorted(gone), View.ALL)}
        for run in self._runs(everywhere, View.DELETED):
            if run.deleted is not None and run.deleted < limit:
                found[run.id] = run
        return list(found.values())

    def _runs(self, experiments: Sequence[str], view: View) -> Iterator[RunInfo]:
        cursor = None
        while experiments:
            page = self.tracking.search_runs(experiments, view=view, limit=PAGE, cursor=cursor)
            yield from (run.info for run in page.items)
            cursor = page.cursor
            if cursor is None:
                return

    def _orphans(self, before: datetime) -> Iterator[str]:
        """Folders of runs that no store knows, nothing in which is younger than ``before``."""
        for experiment in self.artifacts.list(""):
            for folder in self.artifacts.list(experiment.path) if experiment.folder else ():
                if folder.folder and _RUN.fullmatch(folder.name) and not self._known(folder.name):
                    inside = self.artifacts.list(folder.path)
                    if all(each.modified is None or each.modified < before for each in (folder, *inside)):
                        yield folder.path

    def _known(self, run: str) -> bool:
        try:
            self.tracking.run_info(run)
        except NotFound:
            return False
        return True


def _places(uris: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Paths of the store, and locations elsewhere. The root itself, and what is no safe path, count as elsewhere."""
    places, elsewhere = [], []
    for uri in uris:
        try:
            place = served_path(uri)
        except InvalidInput:
            place = None
        if place:
            places.append(place)
        else:
            elsewhere.append(uri)
    return tuple(places), tuple(elsewhere)


def _covered(folder: str, places: Sequence[str]) -> bool:
    return any(place == folder or place.startswith(folder + "/") for place in places)


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
