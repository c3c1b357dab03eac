"""The gateway process: inference over HTTP, and nothing else.

``python -m treadle.app.gateway --home HOME --host 127.0.0.1 --port 8701 --id gateway-1``
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import re
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import uvicorn

from treadle.app.clocks import clock_of
from treadle.app.processes import die_with_parent
from treadle.domain.deployments import ServedModel, ServedVersion
from treadle.domain.errors import Conflict, CorruptData, TreadleError
from treadle.ports.runtimes import Predictor
from treadle.runtimes.onnx import OnnxPredictor, columns_of
from treadle.runtimes.worker_client import WorkerPredictor
from treadle.serve.asgi import GatewayApp
from treadle.serve.dataplane import DataPlane
from treadle.serve.routing import RoutingWatcher
from treadle.spec.model_spec import ModelSpec
from treadle.storage.predictions.wal import WalWriter

WORKER_SECONDS = 5.0
"""How long a load waits for a version's worker before it is put off."""

STOP_SECONDS = 20
"""How long requests in flight may take to end when the gateway is stopped."""

MIRROR_SECONDS = 2.0
"""How long mirrored requests that still wait may take then."""

_BACKLOG = 2048


async def load(model: ServedModel, served: ServedVersion) -> Predictor:
    """A predictor for one version, ready to answer. Raises CorruptData, InvalidInput, WorkerUnavailable."""
    if served.runtime == "onnx" and served.onnx_path is not None:
        columns = columns_of(ModelSpec.from_json(model.spec_json))
        return await asyncio.to_thread(OnnxPredictor, Path(served.onnx_path), columns, task=model.task)
    if served.runtime == "python" and served.worker_socket is not None:
        predictor = WorkerPredictor(served.worker_socket, model.columns)
        try:
            await predictor.wait_ready(WORKER_SECONDS)
        except BaseException:
            await predictor.close()
            raise
        return predictor
    raise CorruptData(
        f"version {served.version} of {model.model!r} has no way to be served: runtime {served.runtime!r}",
        hint="deploy it again",
    )


async def serve(home: Path, host: str, port: int, gateway: str) -> None:
    """Answer requests until SIGTERM or SIGINT; then stop accepting, finish what is in flight, and close the log.

    Raises Conflict where the port cannot be had.
    """
    listener = _listen(host, port)
    writer = WalWriter(home / "wal" / gateway)
    plane = DataPlane(writer, clock_of(home))
    app = GatewayApp(plane, version=_version())
    watcher = RoutingWatcher(plane, home / "routing.json", home / "gateways", gateway, load)
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = _Server(config)
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, server.stop)
    following = asyncio.create_task(_follow(watcher, app))
    try:
        await server.serve(sockets=[listener])
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        await plane.shadows.settle(MIRROR_SECONDS)
        await watcher.close()
        writer.close()
        listener.close()


class _Server(uvicorn.Server):
    """Uvicorn, stopped by this process's own handlers: its own raise the signal again after stopping."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        self.should_exit = True


async def _follow(watcher: RoutingWatcher, app: GatewayApp) -> None:
    following = asyncio.create_task(watcher.run())
    looked = asyncio.create_task(watcher.looked.wait())
    try:
        await asyncio.wait({following, looked}, return_when=asyncio.FIRST_COMPLETED)
        app.ready = looked.done()
        await following
    finally:
        looked.cancel()
        following.cancel()
        await asyncio.gather(looked, following, return_exceptions=True)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise Conflict(
            f"cannot listen on {host}, port {port}: {error.strerror or error}", hint="choose another with --port"
        ) from error


def _version() -> str:
    try:
        return version("treadle")
    except PackageNotFoundError:
        return "0+unknown"


def _gateway_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise argparse.ArgumentTypeError(f"{text!r} cannot name a gateway: use letters, digits, '.', '_' and '-'")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the process; its exit code."""
    parser = argparse.ArgumentParser(prog="treadle-gateway", description="Answer inference requests of one home.")
    parser.add_argument("--home", type=Path, required=True, help="the server's home directory")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8701)
    parser.add_argument("--id", default="gateway-1", type=_gateway_id, help="this gateway's name among others")
    given = parser.parse_args(arguments)
    die_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        with asyncio.Runner(loop_factory=_loop_factory) as runner:
            runner.run(serve(given.home.resolve(), given.host, given.port, given.id))
    except TreadleError as error:
        logging.getLogger(__name__).error("%s", error)
        return 2
    return 0


def _loop_factory() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


if __name__ == "__main__":
    sys.exit(main())
