"""The control process: HTTP API over the stores. Heavy work and all that computes is the loop's."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import uvicorn

from treadle.app.loop_client import SocketLoopClient
from treadle.app.processes import die_with_parent
from treadle.app.settings import Settings, settings
from treadle.app.wiring import control_services

STOP_SECONDS = 3
"""How long open requests may take to end when the process is stopped: streams to open pages would never end."""


def main(arguments: list[str] | None = None) -> None:
    """Serve until told to stop."""
    options = parse(arguments)
    die_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    serve(settings(options.home, host=options.host, port=options.port))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options that processes of one server share."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8700)
    return parser.parse_args(arguments)


def serve(where: Settings) -> None:
    """Serve the control plane of one home."""
    from treadle.api.app import create_app, create_server
    from treadle.api.connections import TakenProtocol
    from treadle.ui.site import Site

    services, tracking = control_services(where, SocketLoopClient(where.loop_socket))
    control = create_app(services)
    control.mount("/", Site())
    application = create_server(control, services, tracking)
    config = uvicorn.Config(
        application,
        host=where.host,
        port=where.port,
        access_log=False,
        log_level="warning",
        lifespan="on",
        http=TakenProtocol,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    tracking.webhooks.start()
    try:
        uvicorn.Server(config).run()
    finally:
        tracking.webhooks.stop()


if __name__ == "__main__":
    main()
