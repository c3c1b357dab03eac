"""What was logged, on this machine's disk until the server has it: a folder for each writer of a run.

``run.json`` says which run, ``points-*`` hold metrics, ``journal`` everything else (a JSON document a line, appended),
``files/`` artifacts, ``sent.json`` how far delivery is, ``refused`` what the server did not take, and why. ``lock`` is
held by the process that writes, so that what a crash left behind can be told from what is in use.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from treadle.domain.errors import CorruptData

FOLDER_VARIABLE = "TREADLE_SPOOL"
FORMAT = 1
REFUSED = ".refused"


@dataclass(frozen=True)
class Header:
    """Which run a writer belongs to, and what makes it on the server. ``owner`` says whether the writer ends it.

    ``prefix`` goes before its metrics' names; ``output`` is the artifact that holds what its process printed.
    ``created`` is false where the run was made by somebody else; ``resumed`` where it goes on after an end.
    """

    run: str
    server: str
    experiment: str
    name: str
    user: str
    started: int
    tags: Mapping[str, str] = field(default_factory=dict)
    owner: bool = True
    created: bool = True
    resumed: bool = False
    prefix: str = ""
    output: str = "output.log"
    format: int = FORMAT


@dataclass
class Sent:
    """How far delivery is. ``target`` and ``artifacts`` are the run's id and place on the server, once it is there.

    ``attempted`` says that its creation was asked for, which may have worked without an answer.
    """

    journal: int = 0
    segment: int = 0
    offset: int = 0
    attempted: bool = False
    target: str | None = None
    artifacts: str = ""


def spool_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where spools are: ``$TREADLE_SPOOL``, else below the user's state folder (``$XDG_STATE_HOME``)."""
    environ = os.environ if environ is None else environ
    if chosen := environ.get(FOLDER_VARIABLE):
        return Path(chosen).expanduser()
    state = environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "treadle" / "runs"


class Spool:
    """One writer's folder. ``append`` may be called from any thread."""

    def __init__(self, folder: Path, header: Header, lock: int | None) -> None:
        self.folder = folder
        self.header = header
        self._lock = lock
        self._journal: int | None = None
        self._writing = threading.Lock()
        self._files = 0

    @classmethod
    def create(cls, root: Path, header: Header) -> Spool:
        """A new folder, which this process holds. Raises OSError where it cannot be written."""
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(dir=root, prefix=f".{header.run}."))
        (folder / "files").mkdir()
        write_whole(folder / "run.json", asdict(header))
        lock = _hold(folder)
        final = root / folder.name[1:]
        folder.rename(final)
        return cls(final, header, lock)

    @classmethod
    def open(cls, folder: Path) -> Spool | None:
        """What a writer left behind; None where the writer lives, or nothing is left.

        Raises CorruptData for a folder that cannot be read.
        """
        try:
            lock = _hold(folder)
        except FileNotFoundError:
            return None
        if lock is None:
            return None
        try:
            plain = json.loads((folder / "run.json").read_bytes())
            return cls(folder, Header(**plain), lock)
        except FileNotFoundError:
            os.close(lock)
            return None
        except (ValueError, TypeError) as error:
            os.close(lock)
            raise CorruptData(f"{folder / 'run.json'}: {error}", hint="its points can be read with od -t f8") from error

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a record to the journal."""
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        with self._writing:
            if self._journal is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._journal = os.open(self.folder / "journal", flags, 0o600)
            written = os.write(self._journal, line)
            while written < len(line):
                written += os.write(self._journal, line[written:])

    def records(self, offset: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Records from an offset on, each with the offset behind it. A line that is not whole is not there yet."""
        try:
            file = (self.folder / "journal").open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                yield offset, json.loads(line)

    @property
    def output(self) -> Path:
        """What the process printed."""
        return self.folder / "output.log"

    def record(self, kind: str, values: Mapping[str, str]) -> None:
        """Keep ``params`` or ``tags``."""
        if values:
            self.append({"kind": kind, "values": dict(values)})

    def keep(self, path: str, content: bytes | Path) -> None:
        """Keep an artifact, or a copy of a file as it is now."""
        with self._writing:
            self._files += 1
            file = self.folder / "files" / f"{os.getpid()}-{self._files}"
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            shutil.copyfile(content, file)
        self.append({"kind": "artifact", "file": f"files/{file.name}", "path": path})

    def sent(self) -> Sent:
        """How far delivery is."""
        try:
            return Sent(**json.loads((self.folder / "sent.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return Sent()

    def keep_sent(self, sent: Sent) -> None:
        """Remember how far delivery is."""
        write_whole(self.folder / "sent.json", asdict(sent))

    def refuse(self, what: Mapping[str, Any], why: str) -> None:
        """Keep what the server did not take."""
        with (self.folder / "refused").open("a") as file:
            file.write(json.dumps({"why": why, **what}) + "\n")

    @property
    def refused(self) -> int:
        """How many things the server did not take."""
        try:
            with (self.folder / "refused").open("rb") as file:
                return sum(1 for _ in file)
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        """Let go of the folder, which stays."""
        for descriptor in (self._journal, self._lock):
            if descriptor is not None:
                os.close(descriptor)
        self._journal = self._lock = None

    def leave(self) -> None:
        """After a fork: close what the parent holds on to."""
        self.close()

    def remove(self) -> None:
        """Everything has arrived: remove the folder. Where something was refused it is put by, below ``.refused``."""
        if self.refused:
            aside = self.folder.parent / REFUSED
            aside.mkdir(exist_ok=True)
            self.folder = self.folder.rename(aside / self.folder.name)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.close()


def left_behind(root: Path) -> Iterator[Spool]:
    """Spools whose writer is gone, oldest first. Each is held until it is closed."""
    try:
        folders = [folder for folder in root.iterdir() if not folder.name.startswith(".") and folder.is_dir()]
    except OSError:
        return
    for folder in sorted(folders, key=_age):
        found = Spool.open(folder)
        if found is not None:
            yield found


def has_writer(root: Path, run: str, beside: Path) -> bool:
    """Whether a process of this machine writes to a run, into another folder than ``beside``."""
    for folder in root.glob(f"{run}.*"):
        if folder == beside:
            continue
        try:
            lock = _hold(folder)
        except FileNotFoundError:
            continue
        if lock is None:
            return True
        os.close(lock)
    return False


def write_whole(path: Path, plain: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(json.dumps(plain))
    beside.replace(path)


def _hold(folder: Path) -> int | None:
    """Lock a folder; None where somebody else holds it."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _age(folder: Path) -> float:
    try:
        return (folder / "run.json").stat().st_mtime
    except OSError:
        return 0.0
