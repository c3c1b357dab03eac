"""A run: what one training, evaluation or experiment logs.

>>> import treadle
>>> with treadle.run("flights", params={"rate": 0.1}) as run:  # doctest: +SKIP
...     for step in range(100):
...         run.log(loss=1 / (step + 1))
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import itertools
import os
import struct
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, SupportsFloat, get_args

from treadle.domain.errors import InvalidInput, TreadleError
from treadle.sdk.addresses import find_server
from treadle.sdk.tracking import workers
from treadle.sdk.tracking.content import artifact_path, figure_file, table_json
from treadle.sdk.tracking.courier import Courier, tell
from treadle.sdk.tracking.names import checked_key, flat, run_name
from treadle.sdk.tracking.output import Output
from treadle.sdk.tracking.points import PUT, SLOT, VOID, Segment
from treadle.sdk.tracking.replay import replay as replay_spools
from treadle.sdk.tracking.spool import Header, Spool, spool_folder
from treadle.sdk.tracking.surroundings import CAPTURES, in_notebook, user_name
from treadle.sdk.tracking.values import Params, Tags

Loggable = SupportsFloat | Mapping[str, Any]
"""A number of any kind, or several by name."""

EXPERIMENT_VARIABLE, CAPTURE_VARIABLE = "TREADLE_EXPERIMENT", "TREADLE_CAPTURE"
DEFAULT_EXPERIMENT = "Default"
OUTPUT = "output"
EVERYTHING = (*CAPTURES, OUTPUT)
PARENT_TAG, RANK_TAG = "mlflow.parentRunId", "treadle.ranks"
Ended = Literal["FINISHED", "FAILED", "KILLED"]

_pack = SLOT.pack_into
_now = time.time_ns


class Run:
    """One run, made by :func:`run`. All methods may be called from any thread.

    ``id`` names it everywhere; ``params`` and ``tags`` are mappings that are logged as they are set. Nothing waits for
    the server but :meth:`flush` and :meth:`finish`.
    """

    def __init__(self, header: Header, root: Path, capture: Iterable[str], parent: str | None) -> None:
        self.id = header.run
        self.name = header.name
        self.experiment = header.experiment
        self.parent = parent
        self._root = root
        self._capture = tuple(capture)
        self._lock = threading.RLock()
        self._keys: dict[str, int] = {}
        self._step = -1
        self._status: Ended | None = None
        self._tables: list[dict[str, str]] = []
        self._token: Any = None
        self.begun = time.monotonic_ns()
        self.loose = True
        self._begin(header)
        self._output = Output(self._spool.output) if OUTPUT in self._capture else None
        self.params = Params(lambda values: self._record("params", values))
        self.tags = Tags(lambda values: self._record("tags", values))

    def __enter__(self) -> Run:
        self._token = _CURRENT.set(self)
        self.loose = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            _CURRENT.reset(self._token)
            self._token = None
        stopped = kind is not None and issubclass(kind, KeyboardInterrupt)
        self.finish("KILLED" if stopped else "FAILED" if kind is not None and not _is_good_exit(error) else "FINISHED")

    def __repr__(self) -> str:
        return f"<treadle run {self.name!r} {self.id} of experiment {self.experiment!r}>"

    @property
    def finished(self) -> bool:
        """Whether it is over."""
        return self._status is not None

    def log(
        self, metrics: Mapping[str, Loggable] | None = None, /, *, step: int | None = None, **more: Loggable
    ) -> None:
        """Log metrics at a step; without one, at the step after that of the last call without one (the first is 0).

        Values are numbers, or what ``float()`` takes; mappings in mappings become names with slashes. Raises
        InvalidInput for what is no number, and once the run is over; metrics before it in the call are logged then.
        """
        if step is None:
            self._step = step = self._step + 1
        if more:
            metrics = {**metrics, **more} if metrics else more
        at = _now() // 1_000_000
        keys = self._keys
        for key, value in (metrics or {}).items():
            if value.__class__ is not float:
                if isinstance(value, Mapping):
                    self.log({f"{key}/{name}": inner for name, inner in flat(value, "/")}, step=step)
                    continue
                value = _number(key, value)  # noqa: PLW2901
            number = keys.get(key) or self._key(key)
            segment = self._segment
            offset = segment.take() * 32
            if offset >= segment.end:
                segment, offset = self._next_segment()
            try:
                _pack(segment.map, offset, value, step, at, number, PUT)
            except struct.error as error:
                _pack(segment.map, offset, 0.0, 0, 0, 0, VOID)
                raise InvalidInput(f"{step!r} is no step", hint="a step is a whole number of 64 bits") from error

    def artifact(self, source: str | Path | bytes, path: str | None = None) -> None:
        """Keep a file, the files of a folder, or bytes, as they are now.

        ``path`` is where it goes in the run, with slashes between folders; a file's or folder's own name by default.
        Raises InvalidInput for a file that is not there or a path that leaves the run.
        """
        if isinstance(source, bytes):
            if path is None:
                raise InvalidInput("bytes have no name", hint="say path=, such as 'report.txt'")
            self._keep(artifact_path(path), source)
            return
        found = Path(source).expanduser()
        if not found.exists():
            raise InvalidInput(f"{source} does not exist", hint="give the path of a file or a folder")
        name = artifact_path(path or found.resolve().name)
        if not found.is_dir():
            self._keep(name, found)
            return
        for file in sorted(file for file in found.rglob("*") if file.is_file()):
            self._keep(f"{name}/{file.relative_to(found).as_posix()}", file)

    def figure(self, figure: Any, path: str) -> None:
        """Keep a figure of matplotlib, plotly, altair or bokeh, or an image of Pillow.

        ``path`` says with its ending which format: ``.png``, ``.svg``, ``.html`` ... Raises InvalidInput for what is
        no figure.
        """
        with figure_file(figure, artifact_path(path)) as file:
            self._keep(artifact_path(path), file)

    def table(self, rows: Any, path: str) -> None:
        """Keep a table: a frame of pandas or polars, a list of mappings, or a mapping from column to values.

        Stored as JSON in the form of MLflow's tables, so that its clients read it too. Raises InvalidInput for what is
        no table.
        """
        name = artifact_path(path if path.endswith(".json") else f"{path}.json")
        self._keep(name, table_json(rows))
        with self._lock:
            self._tables = [
                *(table for table in self._tables if table["path"] != name),
                {"path": name, "type": "table"},
            ]
            self.tags["mlflow.loggedArtifacts"] = self._tables

    def note(self, text: str) -> None:
        """Set the run's note, in Markdown."""
        self.tags["mlflow.note.content"] = text

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until the server has all that was logged before; whether it has.

        Without a timeout it waits while things arrive, and three seconds for a server that is away.
        """
        return self._courier.flush(timeout)

    def finish(self, status: Ended = "FINISHED") -> None:
        """End the run, and wait as :meth:`flush` does. What has not arrived then is sent by the next run.

        ``status`` is FINISHED, FAILED or KILLED. Ending again changes nothing.
        """
        if status not in get_args(Ended):
            raise InvalidInput(f"a run cannot end as {status!r}", hint="say " + ", ".join(get_args(Ended)))
        with self._lock:
            if self._status is not None:
                return
            if self._header.owner and not self._forked:
                self._spool.append({"kind": "end", "status": status, "at": _now() // 1_000_000})
            self._status = status
            self._keys.clear()  # so that the next log finds out
        _OPEN.discard(self)
        if self._forked:
            return
        if self._output is not None:
            self._output.close()
        try:
            self._courier.flush(None, closing=True)
        finally:
            self._courier.stop()
            self._end()

    def _end(self) -> None:
        refused = self._spool.refused
        if refused:
            tell(f"the server did not take {refused:,} things of run {self.name}; {self._spool.folder / 'refused'}")
        if self._courier.delivered:
            self._spool.remove()
            with contextlib.suppress(OSError):
                for _ in replay_spools(self._root, run=self.id):  # of processes that were forked from this one
                    pass
            return
        self._spool.close()
        tell(
            f"run {self.name} ({self.id}) is kept in {self._spool.folder}: {self._courier.trouble}; "
            "the next run sends it, or treadle sync"
        )

    def _begin(self, header: Header) -> None:
        self._header = header
        self._spool = Spool.create(self._root, header)
        self._segment = Segment(self._spool.folder, 0)
        self._courier = Courier(self._spool, self._gather, self._arrived)
        self._forked = False

    def _ready(self) -> None:
        """Raise where the run is over; in a forked process, begin a spool of its own."""
        if self._status is not None:
            raise InvalidInput(f"run {self.name} is over", hint="begin another, or go on with treadle.run(id=...)")
        if not self._forked:
            return
        with self._lock:
            if self._forked:
                self._begin(replace(self._header, owner=False, resumed=False))
                if "multiprocessing.util" in sys.modules:  # its processes end without atexit
                    importlib.import_module("multiprocessing.util").Finalize(None, self.finish, exitpriority=10)

    def in_child(self) -> None:
        """After a fork: the files and the thread are the parent's, and this process writes beside them."""
        self._lock = threading.RLock()
        self._forked = True
        self._spool.leave()
        self._keys.clear()
        self._capture = ()
        if self._output is not None:
            self._output.leave()
            self._output = None

    def _gather(self) -> None:
        """Find out where the run comes from. Whatever fails, it is not the run that does."""
        for name, find in CAPTURES.items():
            if name not in self._capture:
                continue
            with contextlib.suppress(Exception):
                found = find()
                self._spool.record("tags", found.tags)  # also where the run is over by now
                for path, data in found.artifacts.items():
                    self._spool.keep(path, data)

    def _arrived(self) -> None:
        with contextlib.suppress(RuntimeError):  # an interpreter that ends starts no threads: the next run sends it
            threading.Thread(target=self._replay, name="treadle-replay", daemon=True).start()

    def _replay(self) -> None:
        with contextlib.suppress(OSError, TreadleError):
            for found in replay_spools(self._root, only=self._header.server):
                if found.sent:
                    tell(f"what was left of run {found.name} ({found.run}) has arrived")

    def _record(self, kind: str, values: Mapping[str, str]) -> None:
        self._ready()
        self._spool.record(kind, values)

    def _keep(self, path: str, content: bytes | Path) -> None:
        self._ready()
        self._spool.keep(path, content)

    def _key(self, key: str) -> int:
        with self._lock:
            self._ready()
            if key not in self._keys:
                number = len(self._keys) + 1
                self._spool.append({"kind": "key", "number": number, "name": checked_key(key, "metric")})
                self._keys[key] = number
            return self._keys[key]

    def _next_segment(self) -> tuple[Segment, int]:
        with self._lock:
            while True:
                self._ready()
                segment = self._segment
                offset = segment.take() * SLOT.size
                if offset < segment.end:
                    return segment, offset
                self._segment = Segment(self._spool.folder, segment.number + 1)


def run(
    experiment: str | None = None,
    *,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    parent: Run | str | None = None,
    id: str | None = None,  # noqa: A002 - the word for it everywhere
    capture: bool | Iterable[str] | None = None,
    url: str | None = None,
) -> Run:
    """Begin a run; in a ``with`` statement it ends with it, otherwise with ``finish()`` or the program.

    ``experiment`` is made on first use (default: ``$TREADLE_EXPERIMENT``, else ``Default``). A run begun within the
    ``with`` statement of another is nested below it; ``parent`` says so elsewhere. ``id`` goes on with a run, or names
    a new one. Processes that torchrun, Open MPI or Slurm started share one run; metrics of the others than the first
    have ``rank<n>/`` before their names. Within a training step of Treadle, the run is that training's.

    ``capture`` is what is kept of the surroundings: all of ``host``, ``git``, ``environment`` and ``output`` (default),
    none (False), or those named. ``url`` is the server's. Raises InvalidInput.
    """
    place = workers.find_place()
    joined = id is None and place.run is not None and (place.alone or place.rank > 0)
    shared = id is None and place.run is None and not place.alone
    chosen = (
        workers.checked_run(id) if id is not None else place.run or (_shared(place) if shared else uuid.uuid4().hex)
    )
    within = parent if parent is not None else _CURRENT.get()
    above = None if joined else within.id if isinstance(within, Run) else within
    if in_notebook() and within is None:  # the cell was run again
        for before in [open_run for open_run in _OPEN if open_run.loose]:
            before.finish()
    header = Header(
        run=chosen,
        server=find_server(url).control,
        experiment=experiment or os.environ.get(EXPERIMENT_VARIABLE) or DEFAULT_EXPERIMENT,
        name=name or run_name(chosen),
        user=user_name(),
        started=_now() // 1_000_000,
        tags={} if above is None else {PARENT_TAG: workers.checked_run(above)},
        owner=not joined and place.rank == 0,
        created=not joined or not place.alone,
        resumed=id is not None and place.rank == 0,
        prefix=f"rank{place.rank}/" if place.rank else "",
        output=f"output-rank{place.rank}.log" if place.rank else "output.log",
    )
    begun = Run(header, spool_folder(), () if joined and place.alone else _captured(capture, place.rank), above)
    _at_exit.watch()
    _OPEN.add(begun)
    begun.tags.update(tags or {})
    begun.params.update(params or {})
    return begun


def _captured(asked: bool | Iterable[str] | None, rank: int) -> tuple[str, ...]:
    if asked is None:
        said = os.environ.get(CAPTURE_VARIABLE)
        asked = True if said is None else said.lower() not in {"0", "false", "no", "off"}
    if isinstance(asked, bool):
        wanted = EVERYTHING if asked else ()
    else:
        wanted = (asked,) if isinstance(asked, str) else tuple(asked)
    unknown = sorted(set(wanted) - set(EVERYTHING))
    if unknown:
        raise InvalidInput(f"capture has no {', '.join(unknown)}", hint=f"there are {', '.join(EVERYTHING)}")
    return tuple(what for what in wanted if rank == 0 or what == OUTPUT)


def _shared(place: workers.Place) -> str:
    count = next(_SHARED)
    return place.shared_run(count)


def _number(key: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"metric {key!r} is {value!r}, which is no number", hint="texts are params or tags: run.params[...] = ..."
        ) from error


def _is_good_exit(error: BaseException | None) -> bool:
    return isinstance(error, SystemExit) and error.code in {None, 0}


def finish_all(status: Ended | None = None) -> None:
    """End all open runs of this process, inner ones first."""
    ended = status or _at_exit.status
    for begun in sorted(_OPEN, key=lambda one: one.begun, reverse=True):
        begun.finish(ended)


class _AtExit:
    """How the program ends, as far as Python says: an exception that nobody caught is a failure."""

    def __init__(self) -> None:
        self.status: Ended = "FINISHED"
        self._watching = False

    def watch(self) -> None:
        if self._watching:
            return
        self._watching = True
        atexit.register(finish_all)
        os.register_at_fork(after_in_child=_after_fork)
        before = sys.excepthook

        def noted(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
            self.status = "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"
            before(kind, error, traceback)

        sys.excepthook = noted


def _after_fork() -> None:
    for begun in _OPEN:
        begun.in_child()


_CURRENT: ContextVar[Run | None] = ContextVar("treadle_run", default=None)
_OPEN: set[Run] = set()
_SHARED = itertools.count()
_at_exit = _AtExit()
