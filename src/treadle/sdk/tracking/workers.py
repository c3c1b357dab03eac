"""Processes that train together: which one this is, and the id of the run that they share."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from treadle.domain.errors import InvalidInput

RUN_VARIABLE = "TREADLE_RUN_ID"
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}", re.ASCII)
_RANKS = (
    ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS", ""),
)
_LAUNCHES = ("PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "SLURM_JOB_ID", "SLURM_STEP_ID")


@dataclass(frozen=True)
class Place:
    """This process among those that train together. ``run`` is the run that they were told to share."""

    rank: int = 0
    size: int = 1
    run: str | None = None
    launch: str = ""

    @property
    def alone(self) -> bool:
        """Whether there are no others."""
        return self.size <= 1

    def shared_run(self, count: int) -> str:
        """The id of the ``count``-th run that these processes share.

        Raises InvalidInput where nothing tells this launch from another one.
        """
        if not self.launch:
            raise InvalidInput(
                f"{self.size} processes on several machines train together, and nothing names their run",
                hint=f"give each of them the same {RUN_VARIABLE}: 32 hexadecimal digits, new for every launch",
            )
        return hashlib.sha256(f"{self.launch} {count}".encode()).hexdigest()[:32]


def find_place(environ: Mapping[str, str] | None = None) -> Place:
    """This process's place, as torchrun, Open MPI or Slurm tell it. Raises InvalidInput for a malformed run id."""
    environ = os.environ if environ is None else environ
    run = environ.get(RUN_VARIABLE) or None
    if run is not None:
        run = checked_run(run)
    for rank, size, local in _RANKS:
        if environ.get(rank, "").isdigit() and environ.get(size, "").isdigit():
            here = int(environ.get(local) or 0) == int(environ[size])
            return Place(int(environ[rank]), int(environ[size]), run, _launch(environ, here))
    return Place(run=run)


def checked_run(run: str) -> str:
    """A run's id: letters, digits, _ and -. Raises InvalidInput."""
    if not _RUN_ID.fullmatch(run):
        raise InvalidInput(
            f"{run!r} is no id of a run", hint="an id has letters and digits, as 32 hexadecimal digits do"
        )
    return run


def _launch(environ: Mapping[str, str], here: bool) -> str:
    """What tells this launch from all others, and is the same in each of its processes."""
    named = [f"{name}={environ[name]}" for name in _LAUNCHES if environ.get(name)]
    elastic = environ.get("TORCHELASTIC_RUN_ID", "none")
    if elastic not in {"", "none"}:
        named.append(f"torch={elastic}")
    if here:  # one machine: the process that started them all
        named.append(f"{_boot()} {os.getppid()} {_started(os.getppid())}")
    elif named:
        named.append(f"{environ.get('MASTER_ADDR', '')}:{environ.get('MASTER_PORT', '')}")
    return " ".join(named)


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process started, in ticks since the machine did; empty where nobody says."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
