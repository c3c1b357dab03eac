"""From a spool to the server: in order, in batches, again after whatever went wrong.

All of it may be sent twice without harm: the client names the run, identical points are one point, params and tags
are set to the same values, artifacts are overwritten with themselves. So progress is written down after the answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from treadle.sdk.tracking.points import Place, PointReader, discard
from treadle.sdk.tracking.server import RefusedError, TrackingServer
from treadle.sdk.tracking.spool import Spool

METRICS, PARAMS, TAGS = 1000, 100, 100
"""So many go into one request, as the protocol allows."""

DEFAULT_EXPERIMENT = "Default"
ENDED = "treadle.ended"
RUN_TAG = "treadle.run"

Item = tuple[str, dict[str, Any]]
"""``metrics``, ``params`` or ``tags``, and what is logged."""


class ParkedError(Exception):
    """The server does not take anything of this run; the text says why."""


class Delivery:
    """Sends what a spool holds. For one thread at a time; raises AwayError where the server is."""

    def __init__(self, spool: Spool, server: TrackingServer) -> None:
        self.spool = spool
        self.finished = False
        self._server = server
        self._sent = spool.sent()
        self._points = PointReader(spool.folder, Place(self._sent.segment, self._sent.offset))
        self._unsent: list[Item] = []
        self._artifacts: list[dict[str, Any]] = []
        self._keys: dict[int, str] = {}
        self._read = 0
        self._end: dict[str, Any] | None = None
        self._last = 0

    @property
    def target(self) -> str | None:
        """The run's id on the server, once it is there."""
        return self._sent.target

    def deliver(self, *, final: bool = False, orphaned: bool = False) -> None:
        """Send what there is now.

        ``final`` where nobody writes any more: slots that were never whole are given up, and the run ends. Where it is
        ``orphaned``, too, its owner is gone without a word: the run has failed. Raises ParkedError where the server
        knows the run no more, or has it as deleted.
        """
        if self._sent.target is None:
            self._create()
        while self._some(final):
            pass
        if self._end is None and orphaned and self.spool.header.owner:
            self._end = {"status": "FAILED", "at": self._last or self.spool.header.started}
            self._log([("tags", {"key": ENDED, "value": "the client ended without a word"})])
        if (final or self._end is not None) and not self.finished:
            self._finish()

    def _some(self, final: bool) -> bool:
        """Send one batch of points, and the records of the journal."""
        if not self._unsent and not self._artifacts:
            points = self._points.read(METRICS, final=final)
            self._journal()  # after the points, so that it names their keys
            self._unsent += [("metrics", self._metric(point)) for point in points]
            if not self._unsent and not self._artifacts:
                return False
        self._log_all()
        while self._artifacts:
            self._upload(self._artifacts[0])
            del self._artifacts[0]
        place = self._points.place
        self._sent.journal, self._sent.segment, self._sent.offset = self._read, *place
        self.spool.keep_sent(self._sent)
        discard(self.spool.folder, place.segment)
        return True

    def _journal(self) -> None:
        """Read new records; of what was sent before, the names of keys alone."""
        for offset, record in self.spool.records(self._read):
            self._read = offset
            kind = record["kind"]
            if kind == "key":
                self._keys[record["number"]] = record["name"]
            elif kind == "end":
                self._end = record
            elif offset <= self._sent.journal:
                continue
            elif kind == "artifact":
                self._artifacts.append(record)
            else:
                self._unsent += [(kind, {"key": key, "value": value}) for key, value in record["values"].items()]

    def _metric(self, point: tuple[float, int, int, int]) -> dict[str, Any]:
        value, step, at, key = point
        self._last = max(self._last, at)
        said = value if math.isfinite(value) else "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"
        name = self.spool.header.prefix + self._keys[key]
        return {"key": name, "value": said, "timestamp": at, "step": step}

    def _log_all(self) -> None:
        while self._unsent:
            batch: list[Item] = []
            rest: list[Item] = []
            counts = {"metrics": METRICS, "params": PARAMS, "tags": TAGS}
            for item in self._unsent:
                fits = counts[item[0]] > 0 and len(batch) < METRICS
                counts[item[0]] -= fits
                (batch if fits else rest).append(item)
            self._log(batch)
            self._unsent = rest

    def _log(self, items: Sequence[Item]) -> None:
        """Log a batch. What the server refuses is found by halving, and kept apart."""
        body: dict[str, Any] = {"run_id": self._sent.target}
        for kind, item in items:
            body.setdefault(kind, []).append(item)
        try:
            self._server.call("POST", "runs/log-batch", body)
        except RefusedError as error:
            self._raise_if_gone(error)
            if len(items) == 1:
                kind, item = items[0]
                self.spool.refuse({"kind": kind, **item}, error.message)
                return
            middle = len(items) // 2
            self._log(items[:middle])
            self._log(items[middle:])

    def _upload(self, record: dict[str, Any]) -> None:
        file = self.spool.folder / record["file"]
        if not file.exists():  # sent before, without a note of it
            return
        try:
            self._server.upload(self._sent.artifacts, record["path"], file)
        except RefusedError as error:
            self._raise_if_gone(error)
            self.spool.refuse(record, error.message)
            return
        if file != self.spool.output:  # which is written on
            file.unlink()

    def _finish(self) -> None:
        if self.spool.output.exists() and self.spool.output.stat().st_size:
            self._upload({"kind": "artifact", "file": self.spool.output.name, "path": self.spool.header.output})
        if self._end is not None and self.spool.header.owner:
            body = {"run_id": self._sent.target, "status": self._end["status"], "end_time": self._end["at"]}
            self._change("runs/update", body)
        self.finished = True

    def _change(self, path: str, body: dict[str, Any]) -> None:
        try:
            self._server.call("POST", path, body)
        except RefusedError as error:
            self._raise_if_gone(error)
            self.spool.refuse({"kind": path, **body}, error.message)

    def _raise_if_gone(self, error: RefusedError) -> None:
        if error.code == "RESOURCE_DOES_NOT_EXIST":
            raise ParkedError(error.message)
        try:
            info = self._server.call("GET", "runs/get", {"run_id": self._sent.target})["run"]["info"]
        except RefusedError as gone:
            raise ParkedError(gone.message) from gone
        if info.get("lifecycle_stage") == "deleted":
            raise ParkedError(f"run {self._sent.target} is deleted on {self._server.url}")

    def _create(self) -> None:
        header = self.spool.header
        try:
            info = self._made() if header.created else self._known(header.run)
            if header.resumed:
                self._server.call("POST", "runs/update", {"run_id": info["run_id"], "status": "RUNNING"})
        except RefusedError as error:
            raise ParkedError(f"run {header.run} cannot be made on {self._server.url}: {error.message}") from error
        self._sent.target, self._sent.artifacts = info["run_id"], info.get("artifact_uri", "")
        self.spool.keep_sent(self._sent)

    def _made(self) -> dict[str, Any]:
        """The run, made now or by an earlier try."""
        header = self.spool.header
        experiment = self._experiment(header.experiment)
        if self._sent.attempted:
            found = self._found(experiment)
            if found is not None:
                return found
        self._sent.attempted = True
        self.spool.keep_sent(self._sent)
        tags = {**header.tags, "mlflow.runName": header.name, RUN_TAG: header.run}
        body = {
            "run_id": header.run,
            "experiment_id": experiment,
            "run_name": header.name,
            "user_id": header.user,
            "start_time": header.started,
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }
        info: dict[str, Any] = self._server.call_once("runs/create", body)["run"]["info"]
        return info

    def _known(self, run: str) -> dict[str, Any]:
        info: dict[str, Any] = self._server.call("GET", "runs/get", {"run_id": run})["run"]["info"]
        return info

    def _found(self, experiment: str) -> dict[str, Any] | None:
        """A run that a server made under an id of its own."""
        condition = f"tags.`{RUN_TAG}` = '{self.spool.header.run}'"
        body = {"experiment_ids": [experiment], "filter": condition, "max_results": 1}
        runs = self._server.call("POST", "runs/search", body).get("runs", [])
        return runs[0]["info"] if runs else None

    def _experiment(self, name: str) -> str:
        """The experiment of this name, made where there is none, restored where a server holds on to its name."""
        deleted = None
        try:
            found = self._server.call("GET", "experiments/get-by-name", {"experiment_name": name})["experiment"]
            if found.get("lifecycle_stage") != "deleted":
                return str(found["experiment_id"])
            deleted = str(found["experiment_id"])
        except RefusedError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
        try:
            return str(self._server.call("POST", "experiments/create", {"name": name})["experiment_id"])
        except RefusedError as error:
            if error.code not in {"RESOURCE_ALREADY_EXISTS", "RESOURCE_CONFLICT"}:
                raise
        if deleted is not None:
            self._server.call("POST", "experiments/restore", {"experiment_id": deleted})
            return deleted
        found = self._server.call("GET", "experiments/get-by-name", {"experiment_name": name})["experiment"]
        return str(found["experiment_id"])
