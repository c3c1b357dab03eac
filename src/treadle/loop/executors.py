"""Carries the loop's commands out with the stages' services. Every method may run twice for the same command."""

from __future__ import annotations

import logging
from functools import partial

from treadle.domain.errors import DataRejected, EnvironmentFailed, StepCancelled, StepFailed, TreadleError
from treadle.domain.events import Event, TrainingFailed, TrainingRequested, VersionRefused
from treadle.domain.models import AppliedModel
from treadle.loop.activity import Activity
from treadle.loop.decide import Command, Drive, Judge, Promote, Refuse, RequestTraining, RollBack, Train, Watch
from treadle.loop.judging import judge
from treadle.loop.rolling import drive
from treadle.loop.stages import Stages
from treadle.loop.watching import watch
from treadle.ports.steps import Cancel, LogLine

logger = logging.getLogger("treadle.loop")


class StageExecutor:
    """The loop's executor."""

    def __init__(self, stages: Stages, activity: Activity, cancel: Cancel) -> None:
        self._stages = stages
        self._activity = activity
        self._cancel = cancel
        self._sound: set[tuple[str, str]] = set()

    def execute(self, command: Command) -> None:
        """Carry a command out; see :class:`treadle.loop.driver.Executor`."""
        self._activity.start(command.model, command.lane, type(command).__name__)
        try:
            match command:
                case RequestTraining():
                    self._request(command)
                case Train():
                    self._train(command)
                case Judge():
                    self._judge(command)
                case Promote():
                    self._stages.deploy.promote(
                        command.model, command.version, command.reason, "loop", over=command.champion
                    )
                case Refuse():
                    self._refuse(command)
                case Watch():
                    self._watch(command)
                case Drive():
                    drive(self._stages, command)
                case RollBack():
                    self._stages.deploy.rollback(
                        command.model, command.reason, "loop", to=command.to, version=command.version
                    )
            self._recovered(command)
        finally:
            self._activity.end(command.model, command.lane)

    def failed(self, command: Command, error: BaseException, tries: int) -> None:
        """Make an unexpected failure visible as an incident once it has happened twice."""
        if tries >= 2:
            what = type(command).__name__
            self._sound.discard((command.model, what))
            self._stages.monitor.report_failure(command.model, what, str(error), tries)

    def _recovered(self, command: Command) -> None:
        """End the incident of a command that works again, whichever process reported it."""
        what = (command.model, type(command).__name__)
        if what not in self._sound:
            self._stages.monitor.report_recovery(*what)
            self._sound.add(what)

    def _event(self, model: str, payload: TrainingRequested | TrainingFailed | VersionRefused, once: str) -> None:
        self._stages.events.append(Event(model, self._stages.clock.now(), payload, once=once))
        logger.info("%s: %s", model, payload)

    def _request(self, command: RequestTraining) -> None:
        payload = TrainingRequested(
            command.attempt, command.trigger, command.reason, command.as_of, command.revision, command.tune
        )
        self._event(command.model, payload, f"training_requested:{command.attempt}")

    def _refuse(self, command: Refuse) -> None:
        self._event(
            command.model, VersionRefused(command.version, command.reason), f"version_refused:{command.version}"
        )

    def _train(self, command: Train) -> None:
        attempt = command.attempt
        applied = self._stages.models.get(command.model, attempt.revision)
        try:
            self._fit(applied, command)
        except (DataRejected, EnvironmentFailed, StepFailed) as error:
            if isinstance(error, StepCancelled) and self._cancel.is_set():
                raise
            cause = _cause(error)
            self._stages.monitor.report_training_failure(command.model, attempt.id, cause, error.message)
            self._event(command.model, TrainingFailed(attempt.id, cause, str(error)), f"training_failed:{attempt.id}")

    def _fit(self, applied: AppliedModel, command: Train) -> None:
        stages, attempt = self._stages, command.attempt
        already = stages.registry.by_attempt(command.model, attempt.id)
        if already is not None:
            stages.registry.confirm(already)
            return
        say = partial(self._activity.update, command.model, command.lane)
        say("environment")
        stages.environments.build(applied.environment, log=logger.info)
        stages.code_trees.checkout(applied.code)
        say("collecting data")
        collected = stages.data.collect(applied, attempt.as_of, log=_log(command.model), cancel=self._cancel)
        parts = stages.data.split(applied, collected.frame, attempt.as_of)
        trained = stages.train.train(
            applied,
            parts,
            collected.snapshot,
            run_id=run_id(attempt.id),
            attempt=attempt.id,
            tune=attempt.tune,
            log=_log(command.model),
            progress=say,
            cancel=self._cancel,
        )
        champion = stages.deploy.deployment(command.model).champion
        stages.registry.register(applied, trained, attempt.id, attempt.as_of, champion)

    def _judge(self, command: Judge) -> None:
        say = partial(self._activity.update, command.model, command.lane)
        stages = self._stages
        version = stages.registry.get(command.model, command.version)
        # Not where the version is registered: a crash right after that must not leave the incident open.
        stages.monitor.report_training_success(command.model, version.number)
        report = judge(stages, version, command.champion, say, self._cancel)
        stages.registry.judge(version, report, command.champion)
        logger.info("%s version %d: %s, %s", command.model, command.version, report.verdict.value, report.reason())

    def _watch(self, command: Watch) -> None:
        say = partial(self._activity.update, command.model, command.lane)
        stages = self._stages
        version = stages.registry.get(command.model, command.version)
        stages.deploy.publish()  # a full disk may have kept the routing table from following the deployments
        watch(stages, stages.models.get(command.model), version, command.since, command.until, command.shadow, say)


def run_id(attempt: str) -> str:
    """The run of an attempt: the same each time it is carried out, so that a restarted one goes on."""
    return f"run-{attempt}"


def _log(model: str) -> LogLine:
    def line(text: str) -> None:
        logger.info("%s | %s", model, text)

    return line


def _cause(error: TreadleError) -> str:
    if isinstance(error, DataRejected):
        return "data"
    if isinstance(error, EnvironmentFailed):
        return "environment"
    return "cancelled" if isinstance(error, StepCancelled) else "step"
