"""Freeing what was deleted: runs, experiments and their artifacts, once they were deleted long enough ago."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from treadle.domain.artifacts import served_path
from treadle.domain.errors import InvalidInput, NotFound
from treadle.domain.logged_models import LoggedModel
from treadle.domain.search import View
from treadle.domain.tracking import Experiment, RunInfo
from treadle.ports.artifacts import Artifacts
from treadle.ports.logged_models import LoggedModels
from treadle.ports.registered import RegisteredVersions
from treadle.ports.tracking import Tracking

PAGE = 1000
_RUN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Garbage:
    """What is to be freed, or was. ``orphans`` are folders of runs that are no more; ``bytes`` are all artifacts'.

    ``models`` are logged ones. ``elsewhere`` are locations that this server does not serve: nothing is removed there.
    ``needed`` are places that stay, since versions of registered models lie in them.
    """

    experiments: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0
    elsewhere: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()


@dataclass(frozen=True)
class GarbageService:
    """Finds and frees garbage of tracking."""

    tracking: Tracking
    artifacts: Artifacts
    logged_models: LoggedModels
    registered: RegisteredVersions

    def find(self, before: datetime) -> Garbage:
        """What was deleted before a time, and is still there."""
        limit = _milliseconds(before)
        experiments = [found for found in self._experiments(View.DELETED) if found.updated < limit]
        runs, models = self._deleted_runs(experiments, limit), self._deleted_models(limit)
        uris = [*(run.artifact_uri for run in runs), *(model.artifact_location for model in models)]
        found = Garbage(
            experiments=tuple(experiment.id for experiment in experiments),
            runs=tuple(run.id for run in runs),
            models=tuple(model.id for model in models),
        )
        return self._measured(found, uris, before)[0]

    def free(self, before: datetime) -> Garbage:
        """Free it. Rows of runs go first: what is left of a crash after that is found as orphans the next time."""
        limit = _milliseconds(before)
        freed, models = self.tracking.collect(deleted_before=limit).result(), self._deleted_models(limit)
        found = Garbage(tuple(freed.experiments), tuple(freed.runs), models=tuple(model.id for model in models))
        uris = [*freed.artifacts, *(model.artifact_location for model in models)]
        garbage, places = self._measured(found, uris, before)
        for place in places:
            self.artifacts.delete(place)
        self.logged_models.free_logged_models(garbage.models).result()
        return garbage

    def _measured(self, found: Garbage, uris: Sequence[str], before: datetime) -> tuple[Garbage, Sequence[str]]:
        """With its artifacts, and the places that are to be removed."""
        places, elsewhere = _places(uris)
        orphans = [folder for folder in self._orphans(before) if not any(_within(place, folder) for place in places)]
        versions = self._places_of_versions()
        needed = {place for place in (*places, *orphans) if any(_within(version, place) for version in versions)}
        spare = [place for place in (*places, *orphans) if place not in needed]
        used = [self.artifacts.usage(place) for place in spare]
        garbage = replace(
            found,
            orphans=tuple(folder for folder in orphans if folder not in needed),
            files=sum(files for files, _ in used),
            bytes=sum(size for _, size in used),
            elsewhere=elsewhere,
            needed=tuple(sorted(needed)),
        )
        return garbage, spare

    def _places_of_versions(self) -> Sequence[str]:
        """Where the files of versions lie: those outlive the runs and the models that they came from."""
        found, cursor = [], None
        while True:
            page = self.registered.search_versions(limit=PAGE, cursor=cursor)
            found += [uri for version in page.items for uri in (version.location, version.source)]
            cursor = page.cursor
            if cursor is None:
                return _places(found)[0]

    def _deleted_models(self, limit: int) -> Sequence[LoggedModel]:
        return [model for model in self.logged_models.deleted_logged_models(limit) if not model.registrations]

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


def _within(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder + "/")


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
