"""What a call of ``run.log`` costs its caller: while the run is sent to a server, and while there is none.

python benchmarks/tracking_log_call.py [--calls 100000]

Prints microseconds a call: the mean of all, and quantiles of single calls (the clock's own cost is in these). ``paced``
calls come every 200 microseconds, as from a training loop; others follow one another without a pause.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CALLS = 100_000
PACE = 200e-6


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server(folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "treadle.app.control", "--home", str(folder / "home"), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.1)
    raise SystemExit("the server did not start")


def measured(url: str, calls: int, metrics: int, pace: float) -> tuple[float, list[float]]:
    """Mean seconds of a call, and the times of single calls, sorted."""
    import treadle

    values = {f"metric{n}": 0.5 for n in range(metrics)}
    run = treadle.run("benchmark", capture=False, url=url)
    log, clock = run.log, time.perf_counter
    for step in range(100):
        log(values, step=step)
    if not pace:
        start = clock()
        for step in range(calls):
            log(values, step=step)
        mean = (clock() - start) / calls
    single = []
    for step in range(calls if pace else calls // 10):
        start = clock()
        log(values, step=calls + step)
        single.append(clock() - start)
        while pace and clock() - start < pace:
            pass
    run.finish()
    return (sum(single) / len(single) if pace else mean), sorted(single)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TREADLE_SPOOL"] = str(Path(folder) / "spool")
        port = free_port()
        process = server(Path(folder), port)
        try:
            print(f"{'server':8} {'metrics':>8} {'paced':>6} {'mean us':>8} {'p50':>7} {'p99':>7}")
            for where, url in (("here", f"http://127.0.0.1:{port}"), ("away", f"http://127.0.0.1:{free_port()}")):
                for metrics, pace in ((1, 0.0), (4, 0.0), (1, PACE)):
                    mean, single = measured(url, calls if not pace else calls // 5, metrics, pace)
                    p50, p99 = (single[int(len(single) * q)] * 1e6 for q in (0.5, 0.99))
                    paced = "yes" if pace else "no"
                    print(f"{where:8} {metrics:8} {paced:>6} {mean * 1e6:8.2f} {p50:7.2f} {p99:7.2f}", flush=True)
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
