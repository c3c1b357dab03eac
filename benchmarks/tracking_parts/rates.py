"""How many requests a second each server answers, in turns, with bodies that are prepared beforehand."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

from tracking_parts.targets import Target, started
from tracking_parts.wire import Client, prepared

NAMES = ("mlflow", "sketch", "treadle")
POINTS = 1000
_STEPS = count()
_KEYS = count()
Requests = Callable[[Client, int], list[bytes]]


def measure(seconds: float, rounds: int) -> None:
    """Print the table of rates, and the ratios."""
    with started("mlflow") as mlflow, started("sketch") as sketch, started("treadle") as treadle:
        targets = {"mlflow": mlflow, "sketch": sketch, "treadle": treadle}
        figures: dict[str, dict[str, float]] = {}
        for what, requests, clients, unit in CASES:
            taken: dict[str, list[float]] = {name: [] for name in NAMES}
            for _ in range(rounds):
                for name in NAMES:
                    taken[name].append(rate(targets[name], requests, clients, seconds) * unit)
            figures[what] = {name: statistics.median(values) for name, values in taken.items()}
            _line(what, figures[what])
        for what, request in (("search of 200 runs, ms", searched), ("history of 4,000 points, ms", history)):
            times: dict[str, list[float]] = {name: [] for name in NAMES}
            asked = {name: request(targets[name]) for name in NAMES}
            for _ in range(rounds * 5):
                for name in NAMES:
                    times[name].append(_milliseconds(targets[name], asked[name]))
            figures[what] = {name: statistics.median(values) for name, values in times.items()}
            _line(what, figures[what], smaller=True)


def rate(target: Target, requests: Requests, clients: int, seconds: float) -> float:
    """Requests a second of some clients, each with a connection and prepared requests of its own."""
    amount = int(seconds * (40 if target.name == "mlflow" else 4000 / clients)) + 8
    work = [requests(Client(target.port), amount) for _ in range(clients)]
    connections = [Client(target.port) for _ in range(clients)]  # made last: servers close what is idle
    for connection, bodies in zip(connections, work, strict=True):
        connection.send(bodies.pop())
    answered, began = [0] * clients, time.perf_counter()
    ends = [began] * clients

    def ask(index: int) -> None:
        bodies, send = iter(work[index]), connections[index].send
        for body in bodies:
            send(body)
            answered[index] += 1
            ends[index] = time.perf_counter()
            if ends[index] - began > seconds:
                break

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for connection in connections:
        connection.close()
    return sum(answered) / (max(ends) - began)


def new_run(client: Client) -> str:
    """The id of a run that is made now."""
    run: str = client.post("runs/create", experiment_id="0", start_time=_now())["run"]["info"]["run_id"]
    return run


def creations(_client: Client, amount: int) -> list[bytes]:
    """Runs to be made."""
    return [prepared("runs/create", {"experiment_id": "0", "start_time": _now()}) for _ in range(amount)]


def single_points(client: Client, amount: int) -> list[bytes]:
    """Points of one metric, each a request."""
    run, at = new_run(client), _now()
    return [
        prepared("runs/log-metric", {"run_id": run, "key": "loss", "value": 0.5, "timestamp": at, "step": next(_STEPS)})
        for _ in range(amount)
    ]


def batches(client: Client, amount: int) -> list[bytes]:
    """A thousand points of one metric a request."""
    run, at, key = new_run(client), _now(), f"loss-{next(_KEYS)}"
    return [
        prepared(
            "runs/log-batch",
            {
                "run_id": run,
                "metrics": [
                    {"key": key, "value": 0.5 + step / 7e5, "timestamp": at + step, "step": step}
                    for step in range(first * POINTS, (first + 1) * POINTS)
                ],
            },
        )
        for first in range(min(amount, 1200))
    ]


def whole_runs(client: Client, amount: int) -> list[bytes]:
    """20 params, 20 metrics and 5 tags in one request, each for a run of its own that is there already."""
    runs = [new_run(client) for _ in range(min(amount, 2500))]
    return [prepared("runs/log-batch", {"run_id": run, **items()}) for run in runs]


def items() -> dict[str, list[dict[str, object]]]:
    """What one run holds in the measurements."""
    at = _now()
    return {
        "params": [{"key": f"param_{i}", "value": f"value {i}"} for i in range(20)],
        "metrics": [{"key": f"metric_{i}", "value": i / 7, "timestamp": at, "step": 0} for i in range(20)],
        "tags": [{"key": f"tag_{i}", "value": f"value {i}"} for i in range(5)],
    }


def searched(target: Target) -> bytes:
    """The newest 200 runs, all of which have their 45 items."""
    client = Client(target.port)
    for body in whole_runs(client, 200):
        client.send(body)
    return prepared("runs/search", {"experiment_ids": ["0"], "max_results": 200})


def history(target: Target) -> bytes:
    """A curve of 4,000 points."""
    client = Client(target.port)
    bodies = batches(client, 4)
    for body in bodies:
        client.send(body)
    key = f"loss-{next(_KEYS) - 1}"
    run = bodies[0].split(b'"run_id":"')[1].split(b'"')[0].decode()
    path = f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key={key}"
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()


CASES: tuple[tuple[str, Requests, int, int], ...] = (
    ("create_run /s", creations, 1, 1),
    ("log_metric /s", single_points, 1, 1),
    ("log-batch, points/s, 1 client", batches, 1, POINTS),
    ("log-batch, points/s, 4 clients", batches, 4, POINTS),
    ("log-batch of 45 items /s", whole_runs, 1, 1),
)


def lines() -> Iterator[str]:
    """The head of the table."""
    yield f"{'':34}{'mlflow':>12}{'sketch':>12}{'treadle':>12}{'x mlflow':>10}{'x sketch':>10}"


def _line(what: str, figures: dict[str, float], *, smaller: bool = False) -> None:
    ratios = [figures["treadle"] / figures[name] for name in ("mlflow", "sketch")]
    ratios = [1 / ratio for ratio in ratios] if smaller else ratios
    values = "".join(f"{figures[name]:12,.1f}" for name in NAMES)
    print(f"{what:34}{values}{ratios[0]:10.1f}{ratios[1]:10.2f}", flush=True)


def _milliseconds(target: Target, request: bytes) -> float:
    client = Client(target.port)
    client.send(request)
    began = time.perf_counter()
    client.send(request)
    taken = time.perf_counter() - began
    client.close()
    return taken * 1000


def _now() -> int:
    return int(time.time() * 1000)
