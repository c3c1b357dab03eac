from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import treadle
from treadle.domain.errors import InvalidInput
from treadle.sdk.tracking.workers import find_place

WORKER = """
import os, treadle
rank = int(os.environ["RANK"])
with treadle.run("shared", params={"rate": 0.1}) as run:
    for step in range(100):
        run.log(loss=float(rank), step=step)
"""


def test_workers_of_one_launch_write_one_run(server: Any, tmp_path: Path) -> None:
    program = tmp_path / "worker.py"
    program.write_text(WORKER)
    variables = {**os.environ, "WORLD_SIZE": "3", "LOCAL_WORLD_SIZE": "3"}
    for _ in range(2):
        launch = (
            "import os, subprocess, sys\n"
            "start = lambda r: subprocess.Popen([sys.executable, sys.argv[1]], env={**os.environ, 'RANK': str(r)})\n"
            "ps = [start(r) for r in range(3)]\n"
            "sys.exit(sum(p.wait() for p in ps))\n"
        )
        subprocess.run([sys.executable, "-c", launch, str(program)], env=variables, check=True, timeout=60)
    assert len(server.runs) == 2
    for run in server.runs.values():
        assert {key: len(points) for key, points in run["metrics"].items()} == {
            "loss": 100,
            "rank1/loss": 100,
            "rank2/loss": 100,
        }
        assert run["info"]["status"] == "FINISHED"
        assert run["params"] == {"rate": "0.1"}


def test_a_run_that_others_own_is_joined_and_not_ended(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with treadle.run() as owner:
        owner.flush()
        monkeypatch.setenv("TREADLE_RUN_ID", owner.id)
        with treadle.run() as joined:
            joined.log(loss=1.0)
        assert joined.id == owner.id
        assert server.only_run()["info"]["status"] == "RUNNING"
        assert server.only_run()["metrics"]["loss"]


def test_a_forked_process_writes_beside_its_parent(server: Any, script: Any) -> None:
    done = script(
        "import multiprocessing, treadle\n"
        "def work(n):\n"
        "    run.log({f'child{n}': 1.0}, step=n)\n"
        "    run.params[f'p{n}'] = n\n"
        "with treadle.run() as run:\n"
        "    run.log(parent=1.0)\n"
        "    context = multiprocessing.get_context('fork')\n"
        "    children = [context.Process(target=work, args=(n,)) for n in range(3)]\n"
        "    [c.start() for c in children]\n"
        "    [c.join() for c in children]\n"
        "    assert [c.exitcode for c in children] == [0, 0, 0]\n"
        "    run.log(parent=2.0)\n"
    )
    assert done.returncode == 0, done.stderr
    found = server.only_run()
    assert {key: len(points) for key, points in found["metrics"].items()} == {
        "parent": 2,
        "child0": 1,
        "child1": 1,
        "child2": 1,
    }
    assert found["params"] == {"p0": "0", "p1": "1", "p2": "2"}
    assert found["info"]["status"] == "FINISHED"


@pytest.mark.parametrize(
    ("environ", "rank", "size"),
    [
        ({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}, 1, 2),
        ({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "8", "PMIX_NAMESPACE": "x"}, 3, 8),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "17"}, 0, 4),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, 0, 1),
        ({}, 0, 1),
    ],
)
def test_places(environ: dict[str, str], rank: int, size: int) -> None:
    place = find_place(environ)
    assert (place.rank, place.size) == (rank, size)


def test_launches_are_told_apart() -> None:
    def shared(**more: str) -> str:
        return find_place({"SLURM_PROCID": "0", "SLURM_NTASKS": "4", **more}).shared_run(0)

    assert shared(SLURM_JOB_ID="17") == shared(SLURM_JOB_ID="17", SLURM_PROCID="3")
    assert shared(SLURM_JOB_ID="17") != shared(SLURM_JOB_ID="18")
    assert len(shared(SLURM_JOB_ID="17")) == 32
    with pytest.raises(InvalidInput, match="nothing names their run"):
        find_place({"RANK": "0", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}).shared_run(0)
    with pytest.raises(InvalidInput, match="no id of a run"):
        find_place({"TREADLE_RUN_ID": "../x"})
