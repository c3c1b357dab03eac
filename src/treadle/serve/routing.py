"""Following the routing table: what is new is loaded first, then everything switches at once."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from treadle.domain import codec
from treadle.domain.deployments import RoutingTable, ServedModel, ServedVersion
from treadle.domain.errors import CorruptData, TreadleError
from treadle.ports.runtimes import Predictor
from treadle.serve.dataplane import DataPlane
from treadle.serve.schema import RowSchema
from treadle.serve.table import LoadedModel, LoadedVersion, Table
from treadle.spec.model_spec import ModelSpec

Load = Callable[[ServedModel, ServedVersion], Awaitable[Predictor]]
"""Makes a predictor ready to answer, or raises TreadleError."""

_log = logging.getLogger(__name__)
_Key = tuple[str, str, str, ServedVersion]
_FIRST_RETRY, _LAST_RETRY = 0.25, 2.0
_DRAIN_LOOK = 0.01


def _key(model: ServedModel, version: ServedVersion) -> _Key:
    return model.model, model.task, model.spec_json, version


@dataclass
class _Loaded:
    """What came of loading a table: all that could be loaded, and the words about what could not."""

    versions: dict[_Key, LoadedVersion] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


class RoutingWatcher:
    """Keeps a data plane's table equal to the routing file.

    The file is looked at every ``interval`` seconds. All versions that a new table names are loaded beside those that
    answer; then the data plane gets the new table in one assignment, the acknowledgement ``acks/<gateway>.json``
    (``{"id", "pid", "revision", "error"}``) is replaced, and versions that are gone are closed once the requests that
    they are answering have ended, or after ``drain`` seconds. A model that cannot be loaded keeps its old entry, the
    acknowledged revision stays, ``error`` says why, and loading is tried again; a newer file cuts a load short.
    """

    def __init__(
        self,
        plane: DataPlane,
        path: Path,
        acks: Path,
        gateway: str,
        load: Load,
        *,
        interval: float = 0.05,
        drain: float = 30.0,
    ) -> None:
        self._plane = plane
        self._path = path
        self._ack_path = acks / f"{gateway}.json"
        self._gateway = gateway
        self._load = load
        self._interval = interval
        self._drain = drain
        self._versions: dict[_Key, LoadedVersion] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._acked: tuple[int, str] | None = None
        self.looked = asyncio.Event()

    async def run(self) -> None:
        """Follow the file until cancelled. ``looked`` is set once the first table is served, or none was there."""
        seen: object = None
        retry_at, pause = 0.0, _FIRST_RETRY
        clock = asyncio.get_running_loop().time
        while True:
            stamp = self._stamp()
            if stamp != seen or (retry_at and clock() >= retry_at):
                pause = _FIRST_RETRY if stamp != seen else min(pause * 2, _LAST_RETRY)
                seen = stamp
                try:
                    done = await self._follow(stamp)
                except Exception as error:  # noqa: BLE001 - a gateway that stops following is worse than a loud one
                    _log.exception("following the routing table failed")
                    done = self._keep(f"following the routing table failed: {error!r}")
                retry_at = 0.0 if done else clock() + pause
            await asyncio.sleep(self._interval)

    async def close(self) -> None:
        """Let go of every version, and take the acknowledgement back."""
        self._plane.table = Table(self._plane.table.revision)
        versions, self._versions = self._versions, {}
        for version in versions.values():
            self._retire(version)
        if self._closing:
            await asyncio.gather(*self._closing)
        self._ack_path.unlink(missing_ok=True)

    def _stamp(self) -> object:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return "missing"
        return found.st_ino, found.st_mtime_ns, found.st_size

    async def _follow(self, stamp: object) -> bool:
        """Load and switch to the file as it is now; whether that was done in full, or is overtaken by a newer file."""
        if stamp == "missing":
            self.looked.set()
            return self._acknowledge(self._plane.table.revision, "")
        try:
            table = codec.loads(RoutingTable, await asyncio.to_thread(self._path.read_bytes))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, TreadleError) as error:
            return self._keep(f"{self._path} cannot be read: {error}")
        if self._acked == (table.revision, ""):
            return True
        task = asyncio.create_task(self._load_all(table))
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=self._interval)
                if not task.done() and self._stamp() != stamp:
                    return True
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        loaded = task.result()
        acknowledged = self._switch(table, loaded)
        self.looked.set()
        return acknowledged and not loaded.errors

    def _keep(self, error: str) -> bool:
        _log.error("keeping routing revision %d: %s", self._plane.table.revision, error)
        self._acknowledge(self._plane.table.revision, error)
        return False

    async def _load_all(self, table: RoutingTable) -> _Loaded:
        wanted = {_key(m, v): (m, v) for m in table.models for v in m.versions}
        loaded = _Loaded({key: self._versions[key] for key in wanted if key in self._versions})
        tasks = {
            key: asyncio.create_task(self._load_one(*pair)) for key, pair in wanted.items() if key not in self._versions
        }
        try:
            if tasks:
                await asyncio.wait(tasks.values())
        except asyncio.CancelledError:
            await self._abandon(tasks.values())
            raise
        for key, task in tasks.items():
            error = task.exception()
            if error is None:
                loaded.versions[key] = task.result()
            else:
                loaded.errors[key[0]] = f"version {key[3].version} of {key[0]!r} cannot be loaded: {error}"
        return loaded

    async def _load_one(self, model: ServedModel, version: ServedVersion) -> LoadedVersion:
        return LoadedVersion(version, await self._load(model, version))

    async def _abandon(self, tasks: Iterable[asyncio.Task[LoadedVersion]]) -> None:
        tasks = list(tasks)
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, LoadedVersion):
                self._retire(result)

    def _switch(self, table: RoutingTable, loaded: _Loaded) -> bool:
        """Put the new table in force and acknowledge it; whether that could be written.

        No await stands between here and the assignment.
        """
        models: dict[str, LoadedModel] = {}
        for served in table.models:
            if served.model not in loaded.errors:
                try:
                    models[served.model] = self._assemble(served, loaded.versions)
                except (TreadleError, ValueError, KeyError, TypeError) as error:
                    loaded.errors[served.model] = f"{served.model!r} cannot be read: {error}"
            if served.model in loaded.errors and (old := self._plane.table.models.get(served.model)):
                models[served.model] = old
        revision = self._plane.table.revision if loaded.errors else table.revision
        absent = {name: fault for name, fault in loaded.errors.items() if name not in models}
        self._plane.table = Table(revision, models, absent)
        everything = {**self._versions, **loaded.versions}
        in_use = {id(version) for model in models.values() for version in model.versions.values()}
        self._versions = {k: v for k, v in everything.items() if k in loaded.versions or id(v) in in_use}
        for key in everything.keys() - self._versions.keys():
            self._retire(everything[key])
        faults = "; ".join(loaded.errors.values())
        if faults:
            _log.error("routing revision %d is not served in full: %s", table.revision, faults)
        else:
            _log.info("serving routing revision %d", table.revision)
        return self._acknowledge(revision, faults)

    def _assemble(self, served: ServedModel, versions: Mapping[_Key, LoadedVersion]) -> LoadedModel:
        old = self._plane.table.models.get(served.model)
        same = old is not None and old.served.spec_json == served.spec_json
        schema = old.schema if old is not None and same else RowSchema(ModelSpec.from_json(served.spec_json))
        if schema.spec.name != served.model:
            raise CorruptData(f"its declaration is that of {schema.spec.name!r}")
        return LoadedModel.of(served, schema, {v.version: versions[_key(served, v)] for v in served.versions})

    def _retire(self, version: LoadedVersion) -> None:
        task = asyncio.create_task(self._close_when_idle(version))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close_when_idle(self, version: LoadedVersion) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._drain
        while version.in_flight and clock() < deadline:
            await asyncio.sleep(_DRAIN_LOOK)
        await version.predictor.close()

    def _acknowledge(self, revision: int, error: str) -> bool:
        if self._acked == (revision, error):
            return True
        content = {"id": self._gateway, "pid": os.getpid(), "revision": revision, "error": error}
        try:
            self._ack_path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._ack_path.with_name(f".{self._ack_path.name}.{os.getpid()}")
            fresh.write_text(json.dumps(content))
            fresh.replace(self._ack_path)
        except OSError as problem:
            _log.error("cannot acknowledge routing revision %d: %s", revision, problem)
            return False
        self._acked = revision, error
        return True
