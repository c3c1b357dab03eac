"""An engine double that runs scripted steps, or the real ones of a model file, in this process."""

from __future__ import annotations

import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from treadle.domain.errors import StepCancelled, StepFailed, TreadleError
from treadle.domain.steps import StepKind, StepRequest, StepResult
from treadle.ports.blobs import Blobs
from treadle.ports.steps import Cancel, LogLine, Report
from treadle.runner import steps
from treadle.runner.loading import CodeLoader

Step = Callable[[StepRequest, Path, Report], Any]
"""One step: reads its input files in a folder, writes its output files there, answers its value."""


class ScriptedEngine:
    """Fulfils :class:`treadle.ports.steps.Engine` with plain functions, and with its caching of equal steps.

    ``ran`` holds the requests that were really run, in order; ``script`` may be changed between runs.
    """

    def __init__(self, blobs: Blobs, script: Mapping[StepKind, Step]) -> None:
        self.script = dict(script)
        self.ran: list[StepRequest] = []
        self._blobs = blobs
        self._cache: dict[str, StepResult] = {}

    def run(
        self,
        request: StepRequest,
        *,
        log: LogLine | None = None,
        report: Report | None = None,
        cancel: Cancel | None = None,
    ) -> StepResult:
        """Run a step's function, or answer what an equal cacheable step made.

        A step that was told to stop early is not kept. Raises StepFailed for whatever the function raises.
        """
        if request.cacheable and request.key in self._cache:
            return self._cache[request.key]
        if cancel is not None and cancel.is_set():
            raise StepCancelled(f"step {request.kind.value} of {request.model!r} was cancelled")
        self.ran.append(request)
        if log is not None:
            log(f"step {request.kind.value}")
        told_to_stop = False

        def tell(step: int, value: float) -> bool:
            nonlocal told_to_stop
            told_to_stop = told_to_stop or (report is not None and report(step, value))
            return told_to_stop

        result = self._carry_out(request, tell)
        if request.cacheable and not told_to_stop:
            self._cache[request.key] = result
        return result

    def count(self, kind: StepKind) -> int:
        """How many steps of a kind were really run."""
        return sum(request.kind is kind for request in self.ran)

    def close(self) -> None:
        """Nothing to stop."""

    def _carry_out(self, request: StepRequest, report: Report) -> StepResult:
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for file, digest in request.inputs.items():
                self._blobs.fetch(digest, folder / file)
            try:
                value = self.script[request.kind](request, folder, report)
            except TreadleError:
                raise
            except Exception as error:
                raise StepFailed(
                    f"step {request.kind.value} of {request.model!r} raised {type(error).__name__}: {error}",
                    traceback=traceback.format_exc(),
                ) from error
            made = sorted(path for path in folder.iterdir() if path.name not in request.inputs)
            outputs = {path.name: self._blobs.put_file(path) for path in made}
        return StepResult(request.key, outputs, value, time.perf_counter() - started)


def real_steps(folder: Path, entry: str) -> dict[StepKind, Step]:
    """A script that runs the steps of a model file in this process, which must have what the file imports.

    One step runs at a time, since they share the interpreter's module table.
    """
    loader, alone = CodeLoader(), threading.Lock()

    def run(request: StepRequest, work: Path, report: Report) -> Any:
        with alone:
            loaded = loader.load(request.code, folder, entry)
            return steps.run(request.kind, steps.Step(loaded, work, request.arguments, request.seed, report))

    return dict.fromkeys(StepKind, run)
