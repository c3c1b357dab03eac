"""The serving worker: one fitted model in its own environment, answering over a Unix socket.

Requests and answers are messages of :mod:`treadle.runner.protocol`. ``{"op": "ping", "id": n}`` is answered by
``{"id": n, "model": name}``; ``{"op": "predict", "id": n, "rows": r, "columns": [...]}`` with the buffers of
:mod:`treadle.runner.tensors` by ``{"id": n, "shape": [...]}`` and a buffer of scores. What goes wrong is answered as
``{"id": n, "error": {"message", "hint", "traceback", "rows"}}``, ``rows`` being true where the rows are to blame.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pickle
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from treadle.domain.errors import CorruptData, InvalidInput, TreadleError, WorkerUnavailable
from treadle.runner import frames
from treadle.runner.errors import describe_error
from treadle.runner.loading import CodeLoader
from treadle.runner.protocol import Channel, Message
from treadle.runner.scoring import ModelScorer
from treadle.runner.tensors import pack_scores, unpack
from treadle.spec.model_spec import ColumnSpec, ModelSpec
from treadle.spec.times import parse_date, parse_datetime

PARENT = "TREADLE_PARENT"
"""The variable that names the process which started this one: it may be gone before this one has looked."""

LOOK = 0.2
"""How often a worker looks whether it is to stop or its parent is gone, in seconds."""

GRACE = 10.0
"""How long a worker that was told to stop goes on answering on open connections, in seconds."""

_EXAMPLES: dict[str, Any] = {
    "str": "",
    "int": 0,
    "float": 0.0,
    "bool": False,
    "datetime": datetime(2000, 1, 1, tzinfo=UTC),
    "date": date(2000, 1, 1),
}


def rows_of(columns: Mapping[str, Sequence[Any]], spec: ModelSpec) -> frames.Table:
    """Columns of a request as rows, typed as declared whatever values are missing; times are read into UTC.

    A row of examples is put at the end while types are inferred, and taken away again: so a column in which all values
    are missing has the type that it had in training. Raises InvalidInput for times that cannot be read.
    """
    typed: dict[str, list[Any]] = {}
    for column in spec.features_in:
        values = columns.get(column.name)
        if values is None:
            raise InvalidInput(f"the rows lack {column.name}", hint="send all columns of the row class")
        typed[column.name] = [*(_value(value, column) for value in values), _EXAMPLES[column.type]]
    rows = max((len(values) - 1 for values in typed.values()), default=0)
    return frames.of_columns(typed).filter([True] * rows + [False])


def _value(value: Any, column: ColumnSpec) -> Any:
    if value is None:
        return None
    if column.type == "datetime":
        return parse_datetime(value, column.zone)
    if column.type == "date":
        return parse_date(value)
    return float(value) if column.type == "float" else value


class ModelServer:
    """Answers messages with one fitted model. The model's code is called by one thread at a time."""

    def __init__(self, scorer: ModelScorer, spec: ModelSpec) -> None:
        self._scorer = scorer
        self._spec = spec
        self._scoring = threading.Lock()

    @staticmethod
    def load(folder: Path, entry: str, model: Path) -> ModelServer:
        """Import the model file and unpickle the fitted model; nowhere but in the model's environment."""
        loaded = CodeLoader().load(str(folder), folder, entry)
        with model.open("rb") as file:
            fitted = pickle.load(file)  # noqa: S301
        return ModelServer(ModelScorer(loaded, fitted), loaded.spec)

    def warm_up(self) -> None:
        """Score one made-up row, so that the first request finds everything imported; a refusal does not matter."""
        row = {c.name: [c.one_of[0] if c.one_of else _example(c)] for c in self._spec.features_in}
        try:
            self._scorer.score(rows_of(row, self._spec))
        except Exception as error:  # noqa: BLE001 - a model may refuse a row that means nothing
            _tell(f"the model refused the row it was warmed up with: {error}")

    def answer(self, message: Message) -> tuple[dict[str, Any], list[bytes]]:
        """The header and buffers that answer a message."""
        header = message.header
        number = header.get("id", 0)
        if header.get("op") == "ping":
            return {"id": number, "model": self._spec.name}, []
        blame = True
        try:
            if header.get("op") != "predict":
                raise InvalidInput(f"a worker does not know how to {header.get('op')!r}", hint="ask to ping or predict")
            table = rows_of(unpack(header["columns"], message.buffers, header["rows"]), self._spec)
            blame = False
            with self._scoring:
                scores = self._scorer.score(table)
            shape, buffer = pack_scores(scores)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - what the model's code raises is an answer, no end
            failure = describe_error(error)
            _tell(failure["traceback"] or failure["message"])
            return {"id": number, "error": {**failure, "rows": blame and isinstance(error, TreadleError)}}, []
        return {"id": number, "shape": shape}, [buffer]


def _example(column: ColumnSpec) -> Any:
    if column.type in ("int", "float"):
        return next((bound for bound in (column.ge, column.le) if bound is not None), 0)
    example = _EXAMPLES[column.type]
    return example.isoformat() if isinstance(example, date) else example


class SocketServer:
    """Listens at a path, with a thread for each connection, until told to stop or until its parent dies."""

    def __init__(self, path: Path, server: ModelServer) -> None:
        self._path = path
        self._server = server
        self._stopping = threading.Event()
        self._open: set[threading.Thread] = set()
        self._parent = int(os.environ.get(PARENT, os.getppid()))

    def stop(self) -> None:
        """Make :meth:`run` end: no new connections, and open ones until they are closed, or for a grace period."""
        self._stopping.set()

    def run(self) -> None:
        """Answer until stopped. A socket that an earlier worker left at the path is replaced."""
        listener = _listen(self._path)
        mine = self._path.stat().st_ino
        try:
            while not self._done():
                with contextlib.suppress(TimeoutError):
                    connection, _ = listener.accept()
                    self._start(connection)
        finally:
            listener.close()
            with contextlib.suppress(FileNotFoundError):
                if self._path.stat().st_ino == mine:
                    self._path.unlink()
        deadline = time.monotonic() + (GRACE if os.getppid() == self._parent else 0.0)
        while any(thread.is_alive() for thread in self._open) and time.monotonic() < deadline:
            time.sleep(LOOK / 4)

    def _done(self) -> bool:
        return self._stopping.is_set() or os.getppid() != self._parent

    def _start(self, connection: socket.socket) -> None:
        connection.settimeout(None)
        self._open = {thread for thread in self._open if thread.is_alive()}
        thread = threading.Thread(target=self._converse, args=(Channel(connection),), daemon=True)
        self._open.add(thread)
        thread.start()

    def _converse(self, channel: Channel) -> None:
        try:
            while (message := channel.receive()) is not None:
                channel.send(*self._server.answer(message))
        except (WorkerUnavailable, CorruptData) as error:
            _tell(f"a connection was dropped: {error}")
        finally:
            channel.close()


def _listen(path: Path) -> socket.socket:
    """Listen at a path that no other user may open. Raises InvalidInput where that cannot be."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise InvalidInput(
            f"cannot listen at {path}: {error}", hint="give a writable path of at most 100 bytes"
        ) from error
    finally:
        os.umask(mask)
    listener.settimeout(LOOK)
    return listener


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - a worker's standard error is its log


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker; its exit code."""
    parser = argparse.ArgumentParser(prog="treadle.runner worker", description="Answer with one fitted model.")
    parser.add_argument("--socket", type=Path, required=True, help="where to listen")
    parser.add_argument("--code-folder", type=Path, required=True, help="the model's code tree")
    parser.add_argument("--entry", required=True, help="the model file in the code tree")
    parser.add_argument("--model", type=Path, required=True, help="the pickled fitted model")
    given = parser.parse_args(arguments)
    try:
        server = ModelServer.load(given.code_folder, given.entry, given.model)
        server.warm_up()
        sockets = SocketServer(given.socket, server)
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: sockets.stop())
        sockets.run()
    except TreadleError as error:
        _tell(str(error))
        return 2
    return 0
