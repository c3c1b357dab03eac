"""64 writers at once, undisturbed and with the server killed in between: nothing lost, nothing doubled."""

from __future__ import annotations

import os
import signal
import statistics
import tempfile
import threading
import time
from pathlib import Path

from tracking_parts.rates import new_run
from tracking_parts.targets import Target, start, stop
from tracking_parts.wire import Client, Refused, prepared

WRITERS = 64


def measure(seconds: float) -> None:
    """Print the rate, the times and what was lost or doubled."""
    for killed in (False, True):
        with tempfile.TemporaryDirectory(prefix="bench-writers-") as folder:
            _measure(Path(folder), seconds, killed=killed)


def _measure(home: Path, seconds: float, *, killed: bool) -> None:
    target = start("treadle", home)
    try:
        writers = [Writer(target, index) for index in range(WRITERS)]
        over = time.perf_counter() + seconds
        threads = [threading.Thread(target=writer.write, args=(over,)) for writer in writers]
        for thread in threads:
            thread.start()
        kills = 0
        while killed and time.perf_counter() < over - seconds / 4:
            time.sleep(seconds / 4)
            kills += _kill_control(target)
        for thread in threads:
            thread.join()
        lost = doubled = 0
        client = Client(target.port)
        for writer in writers:
            found = _steps(client, writer.run)
            lost += len(writer.answered - set(found))
            doubled += len(found) - len(set(found))
        times = sorted(taken for writer in writers for taken in writer.times)
        p99 = times[int(len(times) * 0.99)] * 1000
        errors = sum(writer.errors for writer in writers)
        told = f"control killed {kills} times" if killed else "undisturbed"
        print(
            f"{WRITERS} writers for {seconds:.0f} s, {told}: {len(times):,} points answered, "
            f"{len(times) / seconds:,.0f}/s, p50 {statistics.median(times) * 1000:.1f} ms, p99 {p99:.1f} ms, "
            f"{errors} errors{' (connections cut by the kills)' if killed else ''}, "
            f"{lost} lost, {doubled} doubled",
            flush=True,
        )
        if lost or doubled or (errors and not killed):
            raise SystemExit("points were lost or doubled, or requests failed")
    finally:
        stop(target)


class Writer:
    """Logs one point after the other; after a lost connection it sends the same point again."""

    def __init__(self, target: Target, index: int) -> None:
        self.target = target
        self.index = index
        self.run = new_run(Client(target.port))
        self.answered: set[int] = set()
        self.times: list[float] = []
        self.errors = 0

    def write(self, over: float) -> None:
        """Until the time is over."""
        client: Client | None = Client(self.target.port)
        step = 0
        while time.perf_counter() < over:
            point = {"run_id": self.run, "key": "loss", "value": step / 7, "timestamp": 1_700_000_000_000, "step": step}
            began = time.perf_counter()
            try:
                client = client or Client(self.target.port)
                client.send(prepared("runs/log-metric", point))
            except (OSError, Refused):
                self.errors += 1
                client = None
                time.sleep(0.05)
                continue
            self.times.append(time.perf_counter() - began)
            self.answered.add(step)
            step += 1


def _kill_control(target: Target) -> int:
    for pid in Path(f"/proc/{target.process.pid}/task/{target.process.pid}/children").read_text().split():
        if b"treadle.app.control" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(int(pid), signal.SIGKILL)
            return 1
    return 0


def _steps(client: Client, run: str) -> list[int]:
    found: list[int] = []
    token = ""
    while True:
        more = f"&page_token={token}" if token else ""
        answer = client.get(f"metrics/get-history?run_id={run}&metric_key=loss&max_results=25000{more}")
        found += [int(point.get("step", 0)) for point in answer.get("metrics", [])]
        token = answer.get("next_page_token", "")
        if not token:
            return found
