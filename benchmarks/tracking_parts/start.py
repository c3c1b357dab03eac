"""How soon a server answers, and the memory of all its processes when nothing is deployed and nothing is asked."""

from __future__ import annotations

import statistics
import time

from tracking_parts.targets import started

SETTLE = 3.0


def measure(rounds: int) -> None:
    """Print both for MLflow and Treadle."""
    for name in ("mlflow", "treadle"):
        ready, memory = [], []
        for _ in range(rounds):
            with started(name) as target:
                ready.append(target.ready)
                time.sleep(SETTLE)
                memory.append(target.memory())
        print(
            f"{name:8} ready after {statistics.median(ready):5.1f} s, {statistics.median(memory):7.0f} MB (PSS) idle",
            flush=True,
        )
