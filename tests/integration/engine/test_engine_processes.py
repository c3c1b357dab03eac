from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from treadle.domain.errors import NotFound, StepCancelled, StepCrashed, StepFailed, StepTimedOut
from treadle.domain.steps import StepKind

WINDOW = {"start": None, "until": "2024-03-01T00:00:00+00:00", "as_of": "2024-03-01T00:00:00+00:00"}
Models = Callable[..., Path]

HANGS = """
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("PIDS", os.getpid(), child.pid, flush=True)
    time.sleep(600)
"""
SPINS = 'print("PIDS", os.getpid(), flush=True); sum(range(10**12))'
ROWS = 'return pl.DataFrame({"visit_id": ["a"]})'


def gone(pids: Iterable[int], seconds: float = 5.0) -> bool:
    """Whether all processes are gone, or at least dead, within some time."""
    until = time.monotonic() + seconds
    left = list(pids)
    while left and time.monotonic() < until:
        left = [pid for pid in left if _lives(pid)]
        time.sleep(0.02)
    return not left


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pids_in(lines: list[str]) -> list[int]:
    return [int(word) for line in lines if line.startswith("PIDS") for word in line.split()[1:]]


@pytest.mark.parametrize("source", [HANGS, SPINS])
def test_a_timeout_leaves_no_process(bench: Any, model: Models, source: str) -> None:
    applied = bench.apply(model(source=source))
    bench.run(applied, StepKind.DESCRIBE)
    with pytest.raises(StepTimedOut, match="longer than 0:00:01"):
        bench.run(applied, StepKind.SOURCE, arguments=WINDOW, timeout=timedelta(seconds=1))
    assert pids_in(bench.lines)
    assert gone(pids_in(bench.lines))
    assert bench.engine.workers() == []


def test_cancelling_leaves_no_process(bench: Any, model: Models, cancel: threading.Event) -> None:
    applied = bench.apply(model(source=HANGS))

    def cancel_when_running(line: str) -> None:
        bench.lines.append(line)
        if line.startswith("PIDS"):
            cancel.set()

    began = time.monotonic()
    request = bench.request(applied, StepKind.SOURCE, arguments=WINDOW)
    with pytest.raises(StepCancelled):
        bench.engine.run(request, log=cancel_when_running, cancel=cancel)
    assert time.monotonic() - began < 20
    assert len(pids_in(bench.lines)) == 2
    assert gone(pids_in(bench.lines))


def test_a_step_that_waits_can_be_cancelled(bench: Any, model: Models, cancel: threading.Event) -> None:
    cancel.set()
    with pytest.raises(StepCancelled, match="before it began"):
        bench.run(bench.apply(model()), StepKind.SOURCE, arguments=WINDOW, cancel=cancel)


def test_closing_ends_running_steps(bench: Any, model: Models) -> None:
    applied = bench.apply(model(source=HANGS))
    raised: list[BaseException] = []

    def run() -> None:
        try:
            bench.run(applied, StepKind.SOURCE, arguments=WINDOW)
        except StepFailed as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until = time.monotonic() + 30
    while not pids_in(bench.lines) and time.monotonic() < until:
        time.sleep(0.02)
    bench.engine.close()
    thread.join(10)
    assert isinstance(raised[0], StepCancelled)
    assert gone(pids_in(bench.lines))


def test_a_crash_is_tried_again_then_told(bench: Any, model: Models) -> None:
    applied = bench.apply(model(source='print("last words"); os._exit(3)'))
    with pytest.raises(StepCrashed, match="exit code 3") as caught:
        bench.run(applied, StepKind.SOURCE, arguments=WINDOW)
    assert "2 times" in caught.value.message
    assert "| last words" in caught.value.message
    assert bench.lines.count("last words") == 2


def test_a_crash_that_does_not_come_again_is_survived(bench: Any, model: Models, tmp_path: Path) -> None:
    mark = tmp_path / "crashed"
    source = f"""
    if not os.path.exists({str(mark)!r}):
        open({str(mark)!r}, "w").close()
        os.kill(os.getpid(), 11)
    {ROWS}"""
    made = bench.run(bench.apply(model(source=source)), StepKind.SOURCE, arguments=WINDOW)
    assert made.value == {"rows": 1}
    assert any("SIGSEGV" in line and "trying again" in line for line in bench.lines)


def test_errors_of_the_users_are_not_tried_again(bench: Any, model: Models) -> None:
    applied = bench.apply(model(source='print("once"); raise SystemExit(4)'))
    with pytest.raises(StepFailed, match="SystemExit"):
        bench.run(applied, StepKind.SOURCE, arguments=WINDOW)
    assert bench.lines == ["once"]
    assert len(bench.engine.workers()) == 1


def test_everything_printed_is_logged_in_order(bench: Any, model: Models) -> None:
    source = f"""
    for i in range(3000):
        print("line", i)
    os.write(2, b"raw ")
    subprocess.run(["echo", "from a child"])
    sys.stdout.write("no end")
    {ROWS}"""
    made = bench.run(bench.apply(model(source=source)), StepKind.SOURCE, arguments=WINDOW)
    assert bench.lines == [f"line {i}" for i in range(3000)] + ["raw from a child", "no end"]
    assert made.log is not None
    assert bench.blobs.get(made.log).decode().splitlines() == bench.lines


def test_no_process_outlives_a_killed_engine(bench: Any, model: Models, home: Path) -> None:
    tree, environment = bench.apply(model(source=HANGS))
    script = f"""
        import os, sys, threading
        from pathlib import Path
        from treadle.domain.steps import StepKind, StepRequest
        from treadle.engines.local.code_trees import LocalCodeTrees
        from treadle.engines.local.engine import LocalEngine
        from treadle.engines.local.environments import UvEnvironments
        from treadle.storage.blobs.obstore_blobs import ObstoreBlobs
        class None_:
            def get(self, key): return None
            def put(self, result): pass
        home = Path({str(home)!r})
        blobs = ObstoreBlobs(home / "blobs")
        engine = LocalEngine(home, UvEnvironments(home), LocalCodeTrees(home, blobs), blobs, None_())
        request = StepRequest(StepKind.SOURCE, "visits", {tree.digest!r}, {tree.entry!r}, {environment!r},
                              {tree.root!r}, arguments={WINDOW!r})
        engine.run(request, log=lambda line: print(line, flush=True))
    """
    environment_variables = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True, env=environment_variables
    )
    with process:
        assert process.stdout is not None
        pids = pids_in([process.stdout.readline()])
        assert len(pids) == 2
        process.kill()
        process.wait()
        assert gone(pids)


def test_idle_workers_are_retired(bench: Any, model: Models) -> None:
    from treadle.engines.local.engine import LocalEngine

    applied = bench.apply(model())
    engine = LocalEngine(bench.home, bench.environments, bench.trees, bench.blobs, bench.cache, idle_seconds=0.0)
    try:
        engine.run(bench.request(applied, StepKind.DESCRIBE))
        assert engine.workers() == []
    finally:
        engine.close()


def test_warm_steps_cost_little(bench: Any, model: Models) -> None:
    applied = bench.apply(model())
    bench.run(applied, StepKind.DESCRIBE)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        bench.run(applied, StepKind.DESCRIBE, cacheable=False)
        times.append(time.perf_counter() - began)
    assert sorted(times)[10] < 0.1
    assert len(bench.engine.workers()) == 1


def test_memory_is_bounded(bench: Any, model: Models) -> None:
    from treadle.engines.local.engine import LocalEngine

    applied = bench.apply(model(source=f"x = bytearray(6 * 1024**3); {ROWS}"))
    engine = LocalEngine(bench.home, bench.environments, bench.trees, bench.blobs, bench.cache, step_memory=4 * 1024**3)
    try:
        with pytest.raises(StepFailed, match="MemoryError"):
            engine.run(bench.request(applied, StepKind.SOURCE, arguments=WINDOW))
    finally:
        engine.close()


def test_what_is_not_there_is_named(bench: Any, model: Models) -> None:
    applied = bench.apply(model())
    with pytest.raises(NotFound, match="environment 0000"):
        bench.run(applied, StepKind.DESCRIBE, environment="0" * 64)
    tree, environment = applied
    import dataclasses

    with pytest.raises(NotFound, match="code 1111"):
        bench.run((dataclasses.replace(tree, digest="1" * 64), environment), StepKind.DESCRIBE)


def test_equal_steps_at_the_same_time_run_once(bench: Any, model: Models) -> None:
    applied = bench.apply(model(source=f'print("ran"); time.sleep(0.3); {ROWS}'))
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(bench.run(applied, StepKind.SOURCE, arguments=WINDOW)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert bench.lines == ["ran"]
    assert sorted(result.cached for result in results) == [False, True, True]
