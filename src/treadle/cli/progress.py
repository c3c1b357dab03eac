"""Says what is going on, on standard error: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_EVERY = 5.0
LOG = "log"


class Teller:
    """Called with a stage, how much of it is done, how much there is (None: unknown), and a detail.

    Use it in a ``with`` statement. The stage ``log`` prints its detail as a line of its own. Safe for threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stage = ""
        self._told_at = 0.0
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Teller:
        if sys.stderr.isatty():
            self._progress = _bar()
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.pause()

    def pause(self) -> None:
        """Leave the terminal to others; telling on begins anew."""
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
                self._progress = None
            self._stage = ""

    def __call__(self, stage: str, done: int | None, total: int | None, detail: str) -> None:
        """Tell how far it is."""
        with self._lock:
            if self._progress is not None:
                self._show(self._progress, stage, done, total, detail)
            else:
                self._print(stage, done, total, detail)

    def log(self, line: str) -> None:
        """Tell a line as it is."""
        self(LOG, None, None, line)

    def _show(self, progress: Progress, stage: str, done: int | None, total: int | None, detail: str) -> None:
        from rich.markup import escape

        if stage == LOG:
            progress.console.print(escape(detail), style="dim", highlight=False)
            return
        if stage != self._stage or self._task is None:
            if self._task is not None:
                progress.update(self._task, total=1, completed=1, detail="")
                progress.stop_task(self._task)
            self._stage = stage
            self._task = progress.add_task(escape(stage), total=None, detail="")
        progress.update(self._task, total=total, completed=done or 0, detail=escape(detail))

    def _print(self, stage: str, done: int | None, total: int | None, detail: str) -> None:
        if stage == LOG:
            typer.echo(f"  {detail}", err=True)
            return
        now = time.monotonic()
        if stage == self._stage and now - self._told_at < LINE_EVERY:
            return
        self._stage, self._told_at = stage, now
        share = f" {done / total:.0%}" if done is not None and total else ""
        typer.echo(f"{stage}{share}{': ' if detail else ''}{detail}", err=True)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    return Progress(
        SpinnerColumn(finished_text="+"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}", style="dim"),
        console=Console(stderr=True),
    )
