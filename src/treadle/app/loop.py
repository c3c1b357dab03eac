"""The loop process: decisions, executors, recorder and monitoring of one home."""

from __future__ import annotations

import logging
import queue
import signal
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from treadle.app.control import parse
from treadle.app.loop_server import LoopServer, Operation
from treadle.app.platform import Platform, open_platform
from treadle.app.processes import alone, die_with_parent
from treadle.app.reckoned import Reckoned
from treadle.app.settings import Settings, settings
from treadle.domain import codec
from treadle.domain.errors import InvalidInput
from treadle.loop.activity import Activity
from treadle.loop.driver import Driver
from treadle.loop.executors import StageExecutor
from treadle.loop.report import report
from treadle.spec.model_spec import ModelSpec

logger = logging.getLogger("treadle.loop")

TELL_EVERY = 0.1
ENDING_SECONDS = 60.0
COMMAND_SECONDS = 5.0
GATEWAY_SECONDS = 10.0
"""How long a start waits for gateways to serve what was decided before a crash."""


class Loop:
    """Everything that the loop process does."""

    def __init__(self, where: Settings) -> None:
        self.platform: Platform = open_platform(where)
        self.activity = Activity()
        self.cancel = threading.Event()
        stages = self.platform.stages
        self.driver = Driver(
            self.platform.store.events,
            self._spec,
            StageExecutor(stages, self.activity, self.cancel),
            self.platform.clock,
        )
        self._advancing = threading.Lock()
        self._reports = Reckoned(where.home / "reports", lambda model: report(stages, model), self.platform.clock.now)
        operations: dict[str, Operation] = {
            "advance": self._advance,
            "wake": self._wake,
            "status": self._status,
            "outcomes": self._outcomes,
            "promote": self._promote,
            "rollback": self._rollback,
            "rollout": self._rollout,
            "report": self._report,
            "last_report": self._last_report,
        }
        self.server = LoopServer(where.loop_socket, operations)

    def run(self) -> None:
        """Heal what a crash may have left, then turn until stopped."""
        self.platform.stages.deploy.heal(GATEWAY_SECONDS)
        self.server.start()
        if self.platform.virtual:
            self.driver.run(every=5.0)
        else:
            self.driver.run()

    def stop(self) -> None:
        """End the driver, and the steps under way; their commands are taken up again by the next start."""
        self.cancel.set()
        self.driver.stop()

    def close(self) -> None:
        """Let go of sockets, workers and stores."""
        self.server.shutdown()
        self.platform.close()
        if not self.driver.join(COMMAND_SECONDS):
            logger.warning("ending before %s did", ", ".join(self.driver.busy))

    def _spec(self, model: str, revision: int) -> ModelSpec:
        return ModelSpec.from_json(self.platform.store.models.get(model, revision).spec_json)

    def _advance(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        to, resumed = codec.from_plain(datetime, request["to"]), bool(request.get("resumed"))
        lines: queue.SimpleQueue[dict[str, Any] | BaseException | None] = queue.SimpleQueue()

        def work() -> None:
            try:
                with self._advancing:
                    self.driver.advance(to, lambda now: lines.put({"now": codec.to_plain(now)}), resumed=resumed)
                lines.put(None)
            except BaseException as error:  # noqa: BLE001  carried over to the thread that answers
                lines.put(error)

        stop = self.activity.listen(lambda doing: lines.put({"doing": codec.to_plain(doing)}))
        threading.Thread(target=work, name="advance", daemon=True).start()
        told = 0.0
        try:
            while (line := lines.get()) is not None:
                if isinstance(line, BaseException):
                    raise line
                if time.monotonic() - told >= TELL_EVERY:
                    told = time.monotonic()
                    yield line
        finally:
            stop()
        yield {"done": True, "now": codec.to_plain(self.platform.clock.now())}

    def _wake(self, _request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        self.driver.poke()
        yield {}

    def _status(self, _request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        now = time.monotonic()
        doing = [{**codec.to_plain(d), "seconds": round(now - d.since, 1)} for d in self.activity.now()]
        yield {"doing": doing, "now": codec.to_plain(self.platform.clock.now()), "virtual": self.platform.virtual}

    def _outcomes(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        records = request.get("records")
        if not isinstance(records, list):
            raise InvalidInput(
                "outcomes come as a list of records", hint='send {"records": [{"key": ..., "label": ...}]}'
            )
        applied = self.platform.store.models.get(str(request["model"]))
        answers = self.platform.stages.monitor.push_outcomes(applied, records)
        self.driver.poke()
        yield {"answers": [codec.to_plain(answer) for answer in answers]}

    def _promote(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        deployment = self.platform.stages.deploy.promote(
            request["model"], int(request["version"]), request["reason"], request["actor"]
        )
        self.driver.poke()
        yield {"deployment": codec.to_plain(deployment)}

    def _rollback(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        deployment = self.platform.stages.deploy.rollback(
            request["model"], request["reason"], request["actor"], to=request.get("to")
        )
        self.driver.poke()
        yield {"deployment": codec.to_plain(deployment)}

    def _rollout(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        deploy = self.platform.stages.deploy
        asked = {"pause": deploy.pause, "resume": deploy.resume, "abort": deploy.abort}
        action = str(request["action"])
        if action not in asked:
            raise InvalidInput(f"a rollout cannot {action!r}", hint="pause, resume or abort it")
        deployment = asked[action](request["model"], request["reason"], request["actor"])
        self.driver.poke()
        yield {"deployment": codec.to_plain(deployment)}

    def _report(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"report": self._reports.anew(str(request["model"]))}

    def _last_report(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield self._reports.last(self.platform.store.models.get(str(request["model"])).name)


def main(arguments: list[str] | None = None) -> None:
    """Run until SIGTERM."""
    options = parse(arguments)
    die_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    where = settings(options.home, host=options.host, port=options.port)
    # The loop of a supervisor that was killed may not have ended yet.
    with alone(where.home / "loop.lock", ENDING_SECONDS):
        _run(where)


def _run(where: Settings) -> None:
    loop = Loop(where)
    for name in (signal.SIGINT, signal.SIGTERM):
        # In a thread: a handler that interrupts the driver must not ask for a lock that the driver holds.
        signal.signal(name, lambda *_: threading.Thread(target=loop.stop, name="stop").start())
    try:
        loop.run()
    finally:
        loop.close()


if __name__ == "__main__":
    main()
