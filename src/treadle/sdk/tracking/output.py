"""What the process prints, kept in a file beside."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

MOST_BYTES = 50_000_000
"""What is printed behind these many bytes is not kept."""


class Output:
    """Writes what goes to ``sys.stdout`` and ``sys.stderr`` to a file as well, until it is closed."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._left = MOST_BYTES
        self._lock = threading.Lock()
        self._tees = {name: _Tee(getattr(sys, name), self) for name in ("stdout", "stderr") if getattr(sys, name)}
        for name, tee in self._tees.items():
            setattr(sys, name, tee)

    def keep(self, text: str) -> None:
        """Append text."""
        data = text.encode(errors="replace")
        with self._lock, contextlib.suppress(OSError):
            if self._left > 0:
                os.write(self._file, data[: self._left])
                self._left -= len(data)

    def leave(self) -> None:
        """After a fork: the file is the parent's to close, and what this process prints goes there as well."""
        self._lock = threading.Lock()

    def close(self) -> None:
        """Put the streams back. One that somebody else wrapped meanwhile is passed through from now on."""
        for name, tee in self._tees.items():
            tee.open = False
            if getattr(sys, name) is tee:
                setattr(sys, name, tee.stream)
        with self._lock:
            self._left = 0
            os.close(self._file)


class _Tee(io.TextIOBase):
    """A stream that passes everything on, and has what it is written kept."""

    def __init__(self, stream: TextIO, output: Output) -> None:
        self.stream = stream
        self.open = True
        self._output = output

    def write(self, text: str, /) -> int:
        written = self.stream.write(text)
        if self.open:
            self._output.keep(text)
        return written

    def flush(self) -> None:
        self.stream.flush()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def fileno(self) -> int:
        return self.stream.fileno()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """The stream is not this one's to close."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.stream.encoding

    @property
    def buffer(self) -> Any:
        return self.stream.buffer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
