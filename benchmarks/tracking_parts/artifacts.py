"""A gibibyte of artifact up and down, beside cp of the same file."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from pathlib import Path

from tracking_parts.rates import new_run
from tracking_parts.targets import Target, started
from tracking_parts.wire import Client

SIZE = 1 << 30
PART = 1 << 20
API = "/api/2.0/mlflow-artifacts/artifacts/"


def measure(rounds: int) -> None:
    """Print the speeds, their ratios to cp, and how the server's memory grew."""
    with started("treadle") as target:
        source, copied, fetched = (target.home / name for name in ("source", "copied", "fetched"))
        with source.open("wb") as out:
            for _ in range(SIZE // PART):
                out.write(os.urandom(PART))
        taken: dict[str, list[float]] = {"cp": [], "up": [], "down": []}
        before = most = target.memory()
        for number in range(rounds):
            copied.unlink(missing_ok=True)
            taken["cp"].append(_timed(lambda: subprocess.run(["cp", str(source), str(copied)], check=True)))
            path = f"{API}0/{new_run(Client(target.port))}/artifacts/blob-{number}"
            taken["up"].append(_timed(lambda path=path: _upload(target, path, source)))
            most = max(most, target.memory())
            taken["down"].append(_timed(lambda path=path: _download(target, path, fetched)))
            most = max(most, target.memory())
            if subprocess.run(["cmp", "--silent", str(source), str(fetched)], check=False).returncode:
                raise SystemExit("what came back is not what was sent")
        speeds = {name: SIZE / statistics.median(times) / 1e6 for name, times in taken.items()}
        for name, speed in speeds.items():
            print(f"1 GiB {name:5} {speed:8,.0f} MB/s  {speed / speeds['cp']:6.0%} of cp", flush=True)
        print(f"server memory {before:.0f} MB before, {most:.0f} MB at most: grew by {most - before:.0f} MB")


def _timed(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began


def _upload(target: Target, path: str, source: Path) -> None:
    client = Client(target.port)
    head = f"PUT {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/octet-stream\r\n"
    client.socket.sendall(f"{head}content-length: {SIZE}\r\n\r\n".encode())
    with source.open("rb") as file:
        client.socket.sendfile(file)
    client.send(b"")
    client.close()


def _download(target: Target, path: str, fetched: Path) -> None:
    client = Client(target.port)
    client.socket.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
    buffer = bytearray(PART)
    view = memoryview(buffer)
    head = b""
    with fetched.open("wb") as out:
        while b"\r\n\r\n" not in head:
            head += client.socket.recv(PART)
        head, _, first = head.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(head.decode())
        out.write(first)
        left = SIZE - len(first)
        while left:
            got = client.socket.recv_into(view, min(left, PART))
            if not got:
                raise SystemExit("the download was cut")
            out.write(view[:got])
            left -= got
    client.close()
