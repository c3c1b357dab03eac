"""The engine of one machine: steps as processes, a bounded number at a time, equal ones once."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from treadle.domain import codec
from treadle.domain.errors import DeclarationError, StepCancelled, StepCrashed, StepFailed, StepTimedOut
from treadle.domain.steps import StepKind, StepRequest, StepResult
from treadle.engines.local.code_trees import LocalCodeTrees
from treadle.engines.local.runtime_tree import runtime_tree
from treadle.engines.local.step_worker import Stopped, Watch, WorkerCrashed, WorkerForm
from treadle.engines.local.worker_pool import IDLE_SECONDS, WorkerPool
from treadle.ports.blobs import Blobs
from treadle.ports.steps import Cancel, Environments, LogLine, Report, StepCache

RETRIES = 1
"""A step whose process ended by itself is tried again so often, whatever it asks for."""

BACKOFF_SECONDS = 0.25
CLOSE_SECONDS = 5.0
KEPT_LINES = 20_000
SHOWN_LINES = 10
_WAIT_SECONDS = 0.05
_HINTS = {"ModuleNotFoundError": "name its package among the dependencies at the head of the model file"}
"""What to do about errors that a model's own code often raises, by their type."""


@dataclass
class _Log:
    """What a step printed: passed on line by line, and kept."""

    follow: LogLine | None
    lines: list[str] = field(default_factory=list)
    dropped: int = 0

    def line(self, text: str) -> None:
        if len(self.lines) < KEPT_LINES:
            self.lines.append(text)
        else:
            self.dropped += 1
        if self.follow is not None:
            self.follow(text)

    def text(self) -> str:
        tail = [f"... and {self.dropped:,} more lines"] if self.dropped else []
        return "\n".join([*self.lines, *tail])


@dataclass(frozen=True)
class _Job:
    """One step with those who follow it."""

    request: StepRequest
    folder: Path
    log: _Log
    report: Report
    is_cancelled: Callable[[], bool]

    @property
    def name(self) -> str:
        return f"step {self.request.kind.value} of model {self.request.model!r}"


class LocalEngine:
    """Fulfils the port Engine with warm processes below the folder ``home``; safe for several threads.

    ``parallel`` steps run at a time, the others wait. ``step_memory`` bounds a step's address space in bytes,
    ``threads`` the threads that numeric libraries start in it. Environments must be built and code checked out before.
    ``tracking`` tells where the server is that steps of a run log to.
    Equal cacheable steps run once, also when they are asked for at the same time; pruned trials are not kept.
    """

    def __init__(
        self,
        home: Path,
        environments: Environments,
        code_trees: LocalCodeTrees,
        blobs: Blobs,
        cache: StepCache,
        *,
        parallel: int = 2,
        step_memory: int | None = None,
        threads: int | None = None,
        idle_seconds: float = IDLE_SECONDS,
        tracking: Callable[[], str | None] | None = None,
    ) -> None:
        self._environments, self._code_trees = environments, code_trees
        self._blobs, self._cache = blobs, cache
        self._memory, self._threads = step_memory, threads
        self._tracking = tracking or (lambda: None)
        self._work = home.absolute() / "run" / "steps"
        self._work.mkdir(parents=True, exist_ok=True)
        _sweep(self._work)
        self._runtime = runtime_tree(home)
        self._pool = WorkerPool(idle=max(2, parallel), seconds=idle_seconds)
        self._slots = threading.Semaphore(parallel)
        self._closing = threading.Event()
        self._running: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def run(
        self,
        request: StepRequest,
        *,
        log: LogLine | None = None,
        report: Report | None = None,
        cancel: Cancel | None = None,
    ) -> StepResult:
        """Run one step, or take its result from the cache; see :meth:`treadle.ports.steps.Engine.run`.

        A declaration that is wrong raises DeclarationError from DESCRIBE. Raises NotFound where the environment is not
        built or the code not checked out. The step's log is kept as the blob ``StepResult.log``.
        """

        def is_cancelled() -> bool:
            return self._closing.is_set() or (cancel is not None and cancel.is_set())

        key = request.key
        with self._turn(key, is_cancelled) if request.cacheable else contextlib.nullcontext():
            cached = self._cached(key) if request.cacheable else None
            if cached is not None:
                return cached
            with self._slot(is_cancelled):
                folder = self._code_trees.folder(request.code, request.root)
                job = _Job(request, folder, _Log(log), report or _never, is_cancelled)
                result = self._with_retries(job, key)
            pruned = isinstance(result.value, dict) and bool(result.value.get("pruned"))
            if request.cacheable and not pruned:
                self._cache.put(result)
            return result

    def close(self) -> None:
        """Cancel what runs, and stop all workers. No process is left when this returns."""
        self._closing.set()
        until = time.monotonic() + CLOSE_SECONDS
        while self._pool.busy and time.monotonic() < until:
            time.sleep(_WAIT_SECONDS)
        self._pool.close()

    def workers(self) -> list[int]:
        """The process ids of all step workers, busy and idle."""
        return self._pool.pids()

    def _cached(self, key: str) -> StepResult | None:
        found = self._cache.get(key)
        if found is None or not all(self._blobs.has(digest) for digest in found.outputs.values()):
            return None
        return replace(found, cached=True)

    def _with_retries(self, job: _Job, key: str) -> StepResult:
        tries = max(job.request.attempts, 1 + RETRIES)
        for attempt in range(1, tries + 1):
            try:
                return self._once(job, key)
            except WorkerCrashed as error:
                if attempt == tries:
                    raise self._crashed(job, error, tries) from error
                job.log.line(f"{job.name}: {error}; trying again")
                self._sleep(BACKOFF_SECONDS * 2 ** (attempt - 1), job)
        raise StepFailed(f"{job.name} was not tried", hint="give attempts=1 or more")

    def _once(self, job: _Job, key: str) -> StepResult:
        request = job.request
        work = Path(tempfile.mkdtemp(dir=self._work, prefix=f"{os.getpid()}-"))
        leased = None
        try:
            for name, digest in request.inputs.items():
                self._place(digest, work / name)
            leased = self._pool.take(request.environment, request.code, lambda: self._form(request.environment))
            watch = Watch(job.log.line, job.report, job.is_cancelled, request.timeout.total_seconds())
            header = leased.worker.run(_header(job, work, self._tracking()), watch).header
            self._pool.give_back(leased)
            leased = None
            if header["type"] == "failed":
                raise self._failed(job, header["error"])
            outputs = {name: self._blobs.put_file(work / name) for name in header["outputs"] if (work / name).is_file()}
            text = job.log.text()
            kept = self._blobs.put(text.encode()) if text else None
            return StepResult(key, outputs, header["value"], float(header["seconds"]), log=kept)
        except Stopped as stopped:
            raise self._stopped(job, stopped) from None
        finally:
            if leased is not None:
                self._pool.discard(leased)
            shutil.rmtree(work, ignore_errors=True)

    def _form(self, environment: str) -> WorkerForm:
        return WorkerForm(self._environments.interpreter(environment), self._runtime, self._memory, self._threads)

    def _place(self, digest: str, target: Path) -> None:
        """Put a blob where a step reads it: a link where there is a local file, else a copy."""
        local = self._blobs.path(digest)
        if local is None:
            self._blobs.fetch(digest, target)
        else:
            target.symlink_to(local.absolute())

    def _failed(self, job: _Job, error: dict[str, Any]) -> StepFailed | DeclarationError:
        shown = {
            name: _as_applied(str(error.get(name) or ""), job) for name in ("message", "hint", "traceback", "file")
        }
        if error.get("declaration") and job.request.kind is StepKind.DESCRIBE:
            wrong = DeclarationError(shown["message"], hint=shown["hint"])
            wrong.file, wrong.line = shown["file"] or None, error.get("line")
            return wrong
        hint = shown["hint"] or _HINTS.get(str(error.get("type")), "its traceback and log say where")
        return StepFailed(f"{job.name} failed: {shown['message']}", hint=hint, traceback=shown["traceback"])

    def _crashed(self, job: _Job, error: WorkerCrashed, tries: int) -> StepCrashed:
        last = "\n".join(f"  | {line}" for line in job.log.lines[-SHOWN_LINES:])
        printed = f"\nIt printed last:\n{last}" if last else ""
        often = f" {tries} times" if tries > 1 else ""
        return StepCrashed(
            f"{job.name} failed{often}: {error}{printed}",
            hint="code that ends the process (os._exit, a crash in a C library) or too little memory does this",
        )

    def _stopped(self, job: _Job, stopped: Stopped) -> StepFailed:
        if not stopped.timed_out:
            return StepCancelled(f"{job.name} was cancelled", hint="start it again when it is wanted")
        return StepTimedOut(
            f"{job.name} took longer than {job.request.timeout} and was stopped",
            hint="make it faster, or give it more time",
        )

    def _sleep(self, seconds: float, job: _Job) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if job.is_cancelled():
                raise self._stopped(job, Stopped(timed_out=False))
            time.sleep(min(_WAIT_SECONDS, seconds))

    @contextlib.contextmanager
    def _slot(self, is_cancelled: Callable[[], bool]) -> Iterator[None]:
        """One of the places in which steps run."""
        while not self._slots.acquire(timeout=_WAIT_SECONDS):
            _raise_if(is_cancelled())
        try:
            _raise_if(is_cancelled())
            yield
        finally:
            self._slots.release()

    @contextlib.contextmanager
    def _turn(self, key: str, is_cancelled: Callable[[], bool]) -> Iterator[None]:
        """The right to run the step with this key, which one thread has at a time."""
        mine = threading.Event()
        while True:
            with self._lock:
                running = self._running.setdefault(key, mine)
            if running is mine:
                break
            while not running.wait(_WAIT_SECONDS):
                _raise_if(is_cancelled())
        try:
            yield
        finally:
            with self._lock:
                del self._running[key]
            mine.set()


def _header(job: _Job, work: Path, tracking: str | None) -> dict[str, Any]:
    request = job.request
    return {
        "type": "step",
        "kind": request.kind.value,
        "code": request.code,
        "entry": request.entry,
        "folder": str(job.folder),
        "work": str(work),
        "arguments": codec.to_plain(request.arguments),
        "seed": request.seed,
        "variables": {} if request.run is None or tracking is None else _variables(request.run, tracking),
    }


def _variables(run: str, tracking: str) -> dict[str, str]:
    """What leads MLflow's and Treadle's own calls in a step to its run."""
    return {
        "MLFLOW_TRACKING_URI": tracking,
        "MLFLOW_RUN_ID": run,
        "TREADLE_URL": tracking,
        "TREADLE_RUN_ID": run,
    }


def _as_applied(text: str, job: _Job) -> str:
    """Name the user's own files in place of their copies."""
    return text.replace(str(job.folder), job.request.root) if job.request.root else text


def _never(_step: int, _value: float) -> bool:
    return False


def _raise_if(cancelled: bool) -> None:
    if cancelled:
        raise StepCancelled("the step was cancelled before it began", hint="start it again when it is wanted")


def _sweep(folder: Path) -> None:
    """Remove working folders of engines that were killed."""
    for left in folder.iterdir():
        pid = left.name.partition("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
