"""Requests a second that a gateway answers with its log on, beside a bare yardstick in the same run.

    python benchmarks/serve.py [--seconds N] [--rounds N]

One row a request, 16 connections, keep-alive, one gateway process, a client in another. The model is a random forest of
100 trees behind an ordinal encoder, compiled to ONNX. The yardstick is the least that can answer: a raw ASGI
application on the same uvicorn that decodes with msgspec, calls onnxruntime and encodes, with no routing, no rules, no
ids and no log. Rounds alternate between the two, since a machine's speed drifts; medians are printed. On a machine that
is busy with other work, the server's processor time a request is the steadier figure.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

CONNECTIONS = 16
ROW = {
    "carrier": "AA", "origin": "JFK", "dest": "MIA", "distance": 1089.0, "hour": 9, "weekday": 4, "month": 3,
    "temp": 40.1, "humid": 61.2, "wind_speed": 11.5, "pressure": 1013.2, "visib": 10.0,
}  # fmt: skip
TEXT = ("carrier", "origin", "dest")
WHOLE = ("hour", "weekday", "month")


def build(home: Path) -> None:
    """A home folder with one compiled model called ``flights``."""
    import numpy as np
    import polars as pl
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    from treadle.domain import codec
    from treadle.domain.deployments import Route, RoutingTable, ServedModel, ServedVersion
    from treadle.spec.model_spec import ColumnSpec, ModelSpec

    random = np.random.default_rng(0)
    rows = pl.DataFrame(
        {name: random.choice(["AA", "JFK", "MIA"], 3000).tolist() for name in TEXT}
        | {name: random.uniform(0, 1000, 3000) for name in ROW if name not in TEXT}
    )
    labels = (rows["distance"] > 500).to_numpy() ^ (random.random(3000) < 0.2)
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("text", encode, list(TEXT))], remainder="passthrough")
    forest = RandomForestClassifier(100, max_depth=8, random_state=0)
    pipeline = make_pipeline(columns, forest).fit(rows, labels)
    inputs = [(n, (StringTensorType if n in TEXT else FloatTensorType)([None, 1])) for n in rows.columns]
    graph = convert_sklearn(pipeline, initial_types=inputs, options={"zipmap": False})
    (home / "model.onnx").write_bytes(graph.SerializeToString())
    declared = [
        ColumnSpec(
            n,
            "str" if n in TEXT else "int" if n in WHOLE else "float",
            one_of=("EWR", "JFK", "LGA") if n == "origin" else None,
            ge=0 if n == "distance" else None,
            nullable=n == "pressure",
        )
        for n in rows.columns
    ]
    spec = ModelSpec("flights", "", "Flight", (*declared, ColumnSpec("late", "bool")), label="late", task="binary")
    version = ServedVersion(1, "onnx", "digest", 0.3, onnx_path=str(home / "model.onnx"))
    types = {c.name: c.type for c in declared}
    model = ServedModel(
        "flights", "binary", None, None, None, types, (), spec.to_json(), (Route(1, 100.0),), (version,)
    )
    (home / "routing.json").write_text(codec.dumps(RoutingTable(1, (model,))))


def yardstick(home: Path, port: int) -> None:
    """Serve the model with nothing around it."""
    import msgspec
    import numpy as np
    import onnxruntime
    import uvicorn

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(home / "model.onnx"), options, providers=["CPUExecutionProvider"])
    types = {name: str if name in TEXT else float for name in ROW}
    row = msgspec.defstruct("Row", list(types.items()))
    body = msgspec.defstruct("Body", [("rows", list[row])])  # type: ignore[valid-type]
    decode, encode = msgspec.json.Decoder(body).decode, msgspec.json.Encoder().encode

    async def app(scope: Any, receive: Any, send: Any) -> None:
        rows = decode((await receive())["body"] if scope["method"] == "POST" else json.dumps({"rows": [ROW]})).rows
        feed = {
            name: np.array([[getattr(r, name)] for r in rows], dtype=object if kind is str else np.float32)
            for name, kind in types.items()
        }
        scores = session.run(["probabilities"], feed)[0][:, 1].tolist()
        answer = encode({"predictions": [{"score": score, "decision": score >= 0.3} for score in scores]})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    uvicorn.run(
        app, port=port, loop="uvloop", http="httptools", lifespan="off", access_log=False, log_config=None, ws="none"
    )


class Connection(asyncio.Protocol):
    """One keep-alive connection that asks again as soon as it is answered."""

    def __init__(self, request: bytes) -> None:
        self.request, self.pending, self.answered, self.bad = request, b"", 0, 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.pending += data
        head = self.pending.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self.pending.find(b"content-length: ") + 16
        if len(self.pending) < head + 4 + int(self.pending[at : self.pending.find(b"\r", at)]):
            return
        self.bad += not self.pending.startswith(b"HTTP/1.1 200")
        self.answered += 1
        self.pending = b""
        self.transport.write(self.request)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def load(pid: int, port: int, path: str, content: bytes, seconds: float) -> tuple[float, float, int]:
    """Requests a second, the server's microseconds of processor a request, and how many were not answered with 200."""
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {len(content)}"
    request = f"{head}\r\n\r\n".encode() + content
    loop = asyncio.get_running_loop()
    pairs = [await loop.create_connection(lambda: Connection(request), "127.0.0.1", port) for _ in range(CONNECTIONS)]
    await asyncio.sleep(seconds / 5)
    before, used, start = sum(c.answered for _, c in pairs), cpu_seconds(pid), time.perf_counter()
    await asyncio.sleep(seconds)
    count, spent = sum(c.answered for _, c in pairs) - before, cpu_seconds(pid) - used
    rate = count / (time.perf_counter() - start)
    for transport, _ in pairs:
        transport.close()
    return rate, spent / max(count, 1) * 1e6, sum(c.bad for _, c in pairs)


def requests_by_target() -> dict[str, tuple[str, str, bytes]]:
    """Name of a measurement to server, path and body."""
    plain = json.dumps({"rows": [ROW]}, separators=(",", ":")).encode()
    tensors = [
        {
            "name": name,
            "shape": [1],
            "datatype": "BYTES" if name in TEXT else "INT64" if name in WHOLE else "FP32",
            "data": [value],
        }
        for name, value in ROW.items()
    ]
    v2 = json.dumps({"inputs": tensors}, separators=(",", ":")).encode()
    return {
        "yardstick": ("yardstick", "/", plain),
        "gateway, plain JSON": ("gateway", "/models/flights/predict", plain),
        "gateway, Open Inference": ("gateway", "/v2/models/flights/infer", v2),
    }


def measure(seconds: float, rounds: int) -> int:
    """Start both servers, load them in turn, print medians; 1 where a request failed or is missing in the log."""
    import uvloop

    from treadle.storage.predictions.wal import read_segment

    rates: dict[str, list[float]] = {name: [] for name in requests_by_target()}
    costs: dict[str, list[float]] = {name: [] for name in rates}
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        build(home)
        ports = {name: _free_port() for name in ("yardstick", "gateway")}
        commands = {
            "yardstick": [__file__, "--yardstick", str(home), str(ports["yardstick"])],
            "gateway": ["-m", "treadle.app.gateway", "--home", str(home), "--port", str(ports["gateway"])],
        }
        log = (home / "log").open("wb")
        servers = {name: subprocess.Popen([sys.executable, *command], stderr=log) for name, command in commands.items()}
        try:
            for port in ports.values():
                _wait(f"http://127.0.0.1:{port}/health")
            time.sleep(0.5)
            for _ in range(rounds):
                for name, (server, path, content) in requests_by_target().items():
                    rate, cost, bad = uvloop.run(load(servers[server].pid, ports[server], path, content, seconds))
                    rates[name].append(rate)
                    costs[name].append(cost)
                    failed += bad
        finally:
            for process in servers.values():
                process.terminate()
            for process in servers.values():
                process.wait()
            log.close()
        segments = list((home / "wal" / "gateway-1").iterdir())
        logged = sum(len(read_segment(segment)[0]) for segment in segments)
        size = sum(segment.stat().st_size for segment in segments)
    base = statistics.median(rates["yardstick"])
    print(f"{os.cpu_count()} cores, {CONNECTIONS} connections, one row a request, {rounds} rounds of {seconds:g} s")
    print(f"{'':<26}{'requests/s':>12}{'of yardstick':>14}{'server CPU us/request':>23}   rounds")
    for name, found in rates.items():
        median, cost = statistics.median(found), statistics.median(costs[name])
        each = ", ".join(f"{rate:,.0f}" for rate in found)
        print(f"{name:<26}{median:>12,.0f}{median / base:>14.0%}{cost:>23.1f}   {each}")
    print(f"failed requests {failed}; logged {logged:,} requests, {size / max(logged, 1):.0f} bytes each")
    return int(failed > 0 or logged == 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"{url} does not answer")


def main() -> int:
    """Measure; with ``--yardstick`` (used by itself) serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.5, metavar="N", help="of each load (default 2.5)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds (default 3)")
    parser.add_argument("--yardstick", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.yardstick:
        yardstick(Path(given.yardstick[0]), int(given.yardstick[1]))
        return 0
    return measure(given.seconds, given.rounds)


if __name__ == "__main__":
    sys.exit(main())
