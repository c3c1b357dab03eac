"""Native tracking as its users write it."""

from pathlib import Path

import treadle
from treadle import Run


def train(run: Run) -> float:
    for step in range(3):
        run.log(loss=1 / (step + 1))
        run.log({"loss": 0.5, "by": {"day": 2}}, step=step)
    return 0.5


def main() -> None:
    with treadle.run("rides", name="first", params={"rate": 0.1}, tags={"why": "trial"}) as run:
        identity: str = run.id
        best: float = train(run)
        run.params["seed"] = 42
        run.params(epochs=3, net={"depth": 4})
        run.tags["best"] = best
        run.artifact(Path("model.bin"))
        run.artifact(b"{}", "conf/x.json")
        run.table([{"a": 1}], "rows")
        run.note(f"run {identity}")
        with treadle.run(parent=run) as inner:
            inner.log(loss=1)
        delivered: bool = run.flush(timeout=5)
        print(delivered)
    treadle.run(capture=["git", "host"], url="http://127.0.0.1:8700").finish("KILLED")
