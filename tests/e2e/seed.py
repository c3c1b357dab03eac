"""Fills a real store with a year that a server might have lived: two models, told through the ports."""

from __future__ import annotations

import importlib.util
import math
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

from story import BIKES, FAIL, FLIGHTS, INCIDENTS, LOCK, LOG, NOW, NUMBERS, OPEN, PASS, TEXTS, Attempt, day

from treadle.domain import codec
from treadle.domain import events as ev
from treadle.domain.data import Bin, ColumnProfile, Profile, Snapshot, SnapshotChunk
from treadle.domain.deployments import Deployment, Rollout, RolloutState, Route
from treadle.domain.gates import GateReport, GateResult, SliceValue, Verdict
from treadle.domain.models import AppliedModel, CodeTree, EnvironmentLock
from treadle.domain.monitoring import (
    ColumnDrift,
    DriftReport,
    Evaluation,
    Maturity,
    Measured,
    ServiceHealth,
)
from treadle.domain.runs import Candidate, MetricPoint, Run, RunStatus
from treadle.domain.versions import Compilation, ModelVersion, Recipe
from treadle.ports.blobs import Blobs
from treadle.spec.model_spec import ModelSpec
from treadle.storage.sql.store import SqlStore

ROOT = Path(__file__).resolve().parents[2]


class Story:
    """Writes the life of one server into a store."""

    def __init__(self, store: SqlStore, blobs: Blobs) -> None:
        self.store = store
        self.log = blobs.put(LOG.encode())
        self.random = random.Random(20130301)

    def tell(self) -> None:
        """All of it."""
        self.flights()
        self.bikes()
        self.store.events.seal()

    def flights(self) -> None:
        """A binary model with a rollout under way."""
        spec = example("flights").flights.spec()
        self.apply(spec, 1, day(3, 1, 5))
        self.store.events.seal()
        promotions: list[tuple[datetime, int]] = []
        number, champion = 0, None
        for index, attempt in enumerate(FLIGHTS, 1):
            self.requested("flights", index, attempt)
            if attempt.verdict is None:
                self.rejected("flights", index, attempt)
                continue
            number += 1
            self.version(spec, index, number, attempt, champion, "binary")
            if attempt.promoted is not None:
                self.promote("flights", number, champion, attempt.promoted)
                promotions.append((attempt.promoted, number))
                champion = number
            elif attempt.verdict is not PASS:
                version = self.store.versions.get("flights", number)
                reason = version.gates.reason() if version.gates else ""
                self.event("flights", attempt.at + timedelta(hours=1), ev.VersionRefused(number, reason))
            if number == 3:
                self.roll_back(3, 2, day(5, 16, 1))
                promotions.append((day(5, 16, 1), 2))
                champion = 2
        self.roll_out(number, champion)
        self.live("flights", promotions, "binary")
        self.drift("flights", promotions)
        self.incidents()

    def bikes(self) -> None:
        """A regression model, younger, that is being trained just now."""
        flights = example("flights").flights.spec()
        spec = replace(
            flights, name="bikes", task="regression", label="cnt", threshold=None, rollout=(), key=None,
            doc="How many bikes will be rented in the next hour?\n\nA bike too few costs a ride, one too many a place.",
        )  # fmt: skip
        self.apply(spec, 1, day(9, 1, 5))
        self.apply(spec, 2, day(11, 1, 5))
        promotions = []
        for index, attempt in enumerate(BIKES, 1):
            self.requested("bikes", index, attempt)
            self.version(spec, index, index, attempt, index - 1 or None, "regression")
            assert attempt.promoted
            self.promote("bikes", index, index - 1 or None, attempt.promoted)
            promotions.append((attempt.promoted, index))
        self.live("bikes", promotions, "regression")
        asked = Attempt(NOW - timedelta(minutes=3), "age", "the last training was 43.4 days ago", None, 0, 0)
        self.requested("bikes", 4, asked)
        run = Run("run-bikes-0004", "bikes", RunStatus.RUNNING, asked.at, tags={"attempt": "bikes-0004", "trials": "0"})
        self.store.runs.create(run)
        self.store.runs.log(run.id, params={"learning_rate": 0.08, "max_iter": 220, "max_leaf_nodes": 31})

    def event(self, model: str, at: datetime, payload: ev.Payload, actor: str = "loop") -> ev.Event:
        """Append one event, sealed in order."""
        event = ev.Event(model, at, payload, actor)
        self.store.events.append(event)
        return event

    def apply(self, spec: ModelSpec, revision: int, at: datetime) -> None:
        """One revision of a model."""
        code = CodeTree("model.py", {"model.py": digest(spec.name, revision)}, digest("code", spec.name, revision),
                        f"/home/ada/{spec.name}", commit=digest("commit", revision)[:40])  # fmt: skip
        lock = EnvironmentLock(LOCK, "3.11", digest("env", revision))
        applied = AppliedModel(spec.name, revision, spec.to_json(), spec.digest, code, lock, at)
        payload = ev.ModelApplied(revision, spec.digest, code.digest, lock.digest)
        self.store.models.apply(applied, ev.Event(spec.name, at, payload, "ada"))

    def requested(self, model: str, index: int, attempt: Attempt) -> None:
        """A training was asked for."""
        payload = ev.TrainingRequested(
            f"{model}-{index:04d}", attempt.trigger, attempt.reason, attempt.at, 1, attempt.tune
        )
        self.event(model, attempt.at, payload, "ada" if attempt.trigger == "asked" else "loop")

    def rejected(self, model: str, index: int, attempt: Attempt) -> None:
        """A training that ended at bad data."""
        name = f"{model}-{index:04d}"
        message = ("the rows of 'flights' broke 1 rule: humid: at most 25 % missing broken by 4,812 of 19,403 rows, "
                   "for example flight_id=2013-09-12-UA-1545, humid=null")  # fmt: skip
        ended = attempt.at + timedelta(seconds=21)
        run = Run(f"run-{name}", model, RunStatus.FAILED, attempt.at, ended, tags={"attempt": name}, error=message)
        self.store.runs.create(run)
        self.event(model, ended, ev.TrainingFailed(name, "data", message))

    def version(
        self, spec: ModelSpec, index: int, number: int, attempt: Attempt, champion: int | None, task: str
    ) -> None:
        """A run, its snapshot, the version it ended in and what the gates said."""
        model, name = spec.name, f"{spec.name}-{index:04d}"
        run_id = f"run-{name}"
        snapshot = self.snapshot(model, attempt.at)
        params: dict[str, float | int | str | bool] = {"learning_rate": 0.1, "max_iter": 150, "max_leaf_nodes": 31}
        metrics = self.metrics(task, attempt)
        leaderboard = self.leaderboard(run_id, attempt, params, metrics, task)
        params = next((dict(c.params) for c in leaderboard if c.chosen), params)
        tags = {"attempt": name, "as_of": attempt.at.isoformat(), "trials": str(attempt.tune)}
        run = Run(run_id, model, RunStatus.RUNNING, attempt.at, params=params, tags=tags, snapshot=snapshot.digest)
        self.store.runs.create(run)
        self.curves(run_id, attempt, 150, task)
        self.store.runs.log(run_id, metrics=[MetricPoint(k, v, 0, attempt.at) for k, v in metrics.items()])
        artifacts = {file: digest(file, model, number) for file in ("model.pkl", "model.onnx")}
        ended = attempt.at + timedelta(seconds=48 + 40 * attempt.tune)
        kept = {**artifacts, "test.parquet": digest("test", number), "fit.log": self.log}
        done = replace(run, status=RunStatus.FINISHED, ended_at=ended, leaderboard=tuple(leaderboard), artifacts=kept)
        self.store.runs.finish(done)
        applied = self.store.models.get(model)
        recipe = Recipe(spec.digest, applied.code.digest, snapshot.digest, applied.environment.digest, params, 0)
        onnx = number != 2
        compiled = Compilation("onnx", "", 2000, 8.9e-8, 1e-5, 8.4, 765.0, 412_000)
        refused = Compilation("python", "scores differ by 0.41 on 2,000 held-out rows", 2000, 0.41, 1e-5, 9.1, 771.0)
        version = ModelVersion(
            model=model, number=number, created_at=ended, as_of=attempt.at, run=run_id, attempt=name, recipe=recipe,
            recipe_digest=recipe.digest, artifacts=artifacts, artifact_digest=digest("artifacts", model, number),
            threshold=0.287 if task == "binary" else None, compilation=compiled if onnx else refused,
            spec_json=spec.to_json(), code_entry="model.py", code_root=applied.code.root, parent=champion,
            metrics=metrics, profile=profile(),
            score_profile=Profile(13000, {"score": numeric("score", 0.22, 0.11, 13000)}),
        )  # fmt: skip
        made = ev.VersionRegistered(name, number, run_id, version.recipe_digest, version.artifact_digest)
        self.store.versions.register(version, ev.Event(model, ended, made))
        self.store.versions.set_alias(model, "challenger", number)
        report = self.gates(attempt, champion) if task == "binary" else self.plain_gates(attempt, champion)
        judged = ev.GatesEvaluated(number, champion, report)
        self.store.versions.judge(model, number, report, ev.Event(model, ended + timedelta(seconds=9), judged))

    def gates(self, attempt: Attempt, champion: int | None) -> GateReport:
        """What the declared gates said of a version of flights."""
        worst = {PASS: 0.214, OPEN: 0.181, FAIL: 0.061, None: 0}[attempt.verdict]
        rows, noise = 12_880 + self.random.randrange(900), self.random.uniform(-0.01, 0.01)
        slices = tuple(
            SliceValue(name, worst + shift + noise, worst + shift - spread, worst + shift + spread, rows // 3 + extra)
            for name, shift, spread, extra in (("LGA", 0, 0.045, -90), ("JFK", 0.09, 0.05, 20), ("EWR", 0.14, 0.04, 70))
        )
        gain = {PASS: (1.1, 0.32, 1.9), OPEN: (0.4, -0.42, 1.2), FAIL: (-0.9, -1.7, -0.1)}[attempt.verdict or PASS]
        against = Verdict.PASS if champion is None else (OPEN if attempt.verdict is OPEN else attempt.verdict or PASS)
        results = (
            GateResult("auc >= 0.58", PASS, attempt.auc, attempt.auc - 0.014, attempt.auc + 0.014, 0.58, 0.95, rows,
                       14),
            GateResult("recall.worst(origin) >= 0.08", FAIL if attempt.verdict is FAIL else PASS, worst + noise,
                       worst - 0.045, worst + 0.045, 0.08, 0.95, rows, 14, slices=slices),
            GateResult("worth.beats_champion(confidence=0.8)", against, *(gain if champion else (None, None, None)),
                       0.0, 0.8, rows, 14, 9_400 if against is OPEN else None,
                       "" if champion else "there is no champion to beat yet"),
            GateResult("latency_p99 <= 0.02", PASS, 0.0031, None, 0.0039, 0.02, 0.99, 2000),
        )  # fmt: skip
        return GateReport(Verdict.all([r.verdict for r in results]), results, rows)

    def plain_gates(self, attempt: Attempt, champion: int | None) -> GateReport:
        """What the gates said of a version of bikes."""
        gain = (-4.2, -6.6, -1.7) if champion else (None, None, None)
        results = (
            GateResult("mae <= 75", PASS, attempt.auc, attempt.auc - 4.1, attempt.auc + 4.4, 75, 0.95, 2_184, 91),
            GateResult("mae.beats_champion(confidence=0.9)", PASS, *gain, 0.0, 0.9, 2_184, 91),
        )
        return GateReport(PASS, results, 2_184)

    def metrics(self, task: str, attempt: Attempt) -> dict[str, float]:
        """A version's metrics on validation rows."""
        if task == "regression":
            return {
                "mae": attempt.auc - 1.2,
                "rmse": attempt.auc * 1.5,
                "r2": 0.87,
                "bias": 2.1,
                "worth": attempt.worth,
            }
        auc = attempt.auc + 0.006
        return {"auc": auc, "average_precision": auc * 0.62, "brier": 0.152, "log_loss": 0.478, "recall": 0.32,
                "precision": 0.41, "worth": attempt.worth + 0.3, "threshold": 0.287}  # fmt: skip

    def leaderboard(
        self,
        run_id: str,
        attempt: Attempt,
        params: dict[str, float | int | str | bool],
        metrics: dict[str, float],
        task: str,
    ) -> list[Candidate]:
        """The candidates of a run; trials of a search are runs of their own."""
        name = "worth"
        base = [Candidate("constant", {}, {name: 0.0}, 0.0, 0.01), Candidate("linear", {}, {name: 4.2}, 4.2, 1.9)]
        if not attempt.tune:
            chosen = Candidate("model", params, metrics, metrics[name], 21.4, chosen=True)
            return [chosen, *base] if run_id.endswith("0001") else [chosen]
        found = []
        for number in range(attempt.tune):
            tried: dict[str, float | int | str | bool] = {
                "learning_rate": round(10 ** self.random.uniform(-2, -0.52), 4),
                "max_iter": self.random.randrange(50, 400),
                "max_leaf_nodes": self.random.randrange(7, 63),
            }
            value = metrics[name] - abs(self.random.gauss(0, 0.7)) - (0.2 if number else 0)
            pruned = number > 5 and self.random.random() < 0.3
            found.append(
                Candidate(
                    f"trial {number}",
                    tried,
                    {} if pruned else {name: value, "auc": 0.69 + value / 500},
                    None if pruned else value,
                    9.0 if pruned else 24.5,
                    "pruned" if pruned else "complete",
                )
            )
            self.trial(run_id, number, attempt, found[-1])
        best = max((c for c in found if c.objective is not None), key=lambda c: c.objective or 0)
        return [replace(c, chosen=c is best) for c in found] + base  # fmt: skip

    def trial(self, parent: str, number: int, attempt: Attempt, candidate: Candidate) -> None:
        """One trial of a search as a run."""
        at = attempt.at + timedelta(seconds=40 * number)
        status = RunStatus.CANCELLED if candidate.state == "pruned" else RunStatus.FINISHED
        run = Run(f"{parent}.{number:03d}", "flights", RunStatus.RUNNING, at, parent=parent, params=candidate.params,
                  tags={"trial": str(number)})  # fmt: skip
        self.store.runs.create(run)
        steps = 12 if status is RunStatus.CANCELLED else 40
        level = candidate.objective or 7.0
        points = [MetricPoint("intermediate", level - 3 * math.exp(-step / 9), step, at) for step in range(steps)]
        points += [MetricPoint(key, value, 0, at) for key, value in candidate.metrics.items()]
        self.store.runs.log(run.id, metrics=points)
        self.store.runs.finish(replace(run, status=status, ended_at=at + timedelta(seconds=candidate.seconds)))

    def curves(self, run_id: str, attempt: Attempt, steps: int, task: str) -> None:
        """Losses by iteration."""
        scale, points = (60.0 if task == "regression" else 1.0), []
        for step in range(steps):
            wiggle = self.random.gauss(0, 0.0012)
            train = 0.43 + 0.12 * math.exp(-step / 28) - 0.0002 * step
            valid = 0.462 + 0.09 * math.exp(-step / 24) + 0.00003 * max(0, step - 90) + wiggle
            points.append(MetricPoint("train_loss", train * scale, step, attempt.at))
            points.append(MetricPoint("validation_loss", valid * scale, step, attempt.at))
        self.store.runs.log(run_id, metrics=points)

    def snapshot(self, model: str, as_of: datetime) -> Snapshot:
        """The rows that a version was made of."""
        start = datetime(2013, 1, 1, tzinfo=UTC)
        rows = 910 * (as_of - start).days
        months = range(1, as_of.month + 1)
        chunks = tuple(SnapshotChunk(f"2013-{m:02d}", rows // len(months), digest("chunk", m), digest("blob", m))
                       for m in months)  # fmt: skip
        schema = dict.fromkeys(NUMBERS, "float") | dict.fromkeys(TEXTS, "str") | {"late": "bool"}
        found = Snapshot(digest("rows", model, as_of), model, rows, int(rows * 0.968), start, as_of, as_of, schema,
                         chunks, profile(), digest("code", model, 1))  # fmt: skip
        self.store.snapshots.put(found)
        return found

    def promote(self, model: str, version: int, previous: int | None, at: datetime) -> None:
        """A version takes all traffic."""
        before = self.store.deployments.get(model)
        revision = (before.revision if before else 0) + 1
        rollout = Rollout(version, previous, RolloutState.PROMOTED, 4, at, at, "all gates passed")
        after = Deployment(model, revision, version, previous, at, (Route(version, 100.0),), rollout)
        promoted = ev.Event(model, at, ev.VersionPromoted(version, previous, "all gates passed"))
        routed = ev.Event(model, at, ev.RoutingChanged(revision, version))
        self.store.deployments.put(after, promoted, routed)
        self.store.versions.set_alias(model, "champion", version)
        self.store.versions.set_alias(model, "challenger", None)

    def roll_back(self, version: int, to: int, at: datetime) -> None:
        """An earlier version answers again."""
        before = self.store.deployments.get("flights")
        assert before is not None
        reason = "recall.worst(origin) >= 0.08 fail (0.0612, 0.0421 to 0.0794 on 9,811 rows)"
        rollout = Rollout(version, to, RolloutState.ROLLED_BACK, 0, at, at, reason)
        after = Deployment("flights", before.revision + 1, to, None, at, (Route(to, 100.0),), rollout)
        self.store.deployments.put(after, ev.Event("flights", at, ev.VersionRolledBack(version, to, reason)))
        self.store.versions.set_alias("flights", "champion", to)

    def roll_out(self, version: int, champion: int | None) -> None:
        """The newest version answers a quarter of requests."""
        before = self.store.deployments.get("flights")
        assert before is not None
        assert champion is not None
        started, stepped = day(12, 11, 7), day(12, 14, 7)
        self.event("flights", started, ev.RolloutStarted(version, champion))
        self.event("flights", day(12, 13, 7), ev.RolloutStepped(version, 1, "advanced", "step 1 of 4 is done"))
        self.event("flights", stepped, ev.RolloutStepped(version, 2, "advanced", "step 2 of 4 is done"))
        seen = self.store.versions.get("flights", version).gates
        assert seen is not None
        mirrored, answered = replace(seen, rows=1764), replace(seen, rows=46)
        self.event("flights", day(12, 14, 0), ev.RolloutExamined(version, 0, True, started, day(12, 13, 7), mirrored))
        self.event("flights", day(12, 14, 8), ev.RolloutExamined(version, 1, False, day(12, 13, 7), stepped, answered))
        reason = "step 3 of 4 lasts for another 15:40:00"
        rollout = Rollout(version, champion, RolloutState.RUNNING, 2, started, stepped, reason)
        routes = (Route(champion, 75.0), Route(version, 25.0))
        promoted_at, revision = before.promoted_at, before.revision + 1
        after = Deployment("flights", revision, champion, before.previous, promoted_at, routes, rollout)
        self.store.deployments.put(after)

    def live(self, model: str, promotions: list[tuple[datetime, int]], task: str) -> None:
        """Realised quality and service health, day by day."""
        for at, version, promoted in days(promotions):
            cohort = min(14, (at - promoted).days)
            if cohort < 2:
                continue
            predictions = cohort * (880 + self.random.randrange(90)) if model == "flights" else cohort * 24
            evaluation = self.evaluation(model, version, at, cohort, predictions, task)
            report = self.live_report(evaluation, version) if model == "flights" else None
            payload = ev.CohortEvaluated(evaluation, report)
            self.store.measurements.put_evaluation(evaluation, ev.Event(model, at, payload))
            self.event(model, at, ev.OutcomesCollected(at, predictions // cohort, int(predictions / cohort * 0.97)))
            requests = predictions // cohort
            p99 = 3.1 + self.random.random() + (4 if at.month == 10 and at.day == 21 else 0)
            health = ServiceHealth(model, at - timedelta(days=1), at, requests, requests, 0, 0.9, p99)
            self.store.measurements.put_health(health)

    def evaluation(
        self, model: str, version: int, at: datetime, cohort: int, predictions: int, task: str
    ) -> Evaluation:
        """One cohort."""
        labelled = int(predictions * (0.968 + 0.004 * math.sin(at.day)))
        season = math.sin((at - day(3, 1)).days / 365 * 2 * math.pi * 1.3)
        wide = 1.9 / math.sqrt(cohort)
        age = 0.018 if version == 3 else 0.0
        auc = 0.655 + 0.004 * version + 0.022 * season - age + self.random.gauss(0, 0.003)
        worth = 6.4 + 0.35 * version + 2.6 * season - age * 120 + self.random.gauss(0, 0.25)
        if task == "regression":
            mae = 63 - 3.4 * version + 6 * season + self.random.gauss(0, 1.2)
            metrics = {
                "mae": Measured(mae, mae - 6 * wide, mae + 6.4 * wide),
                "rmse": Measured(mae * 1.5, None, None),
                "worth": Measured(4 + 0.2 * version, 4 + 0.2 * version - wide, 4 + 0.2 * version + wide),
            }
        else:
            recall = 0.31 + 0.03 * season - 6 * age
            metrics = {
                "auc": Measured(auc, auc - 0.022 * wide, auc + 0.021 * wide),
                "worth": Measured(worth, worth - 1.6 * wide, worth + 1.7 * wide),
                "recall": Measured(recall, recall - 0.03 * wide, recall + 0.03 * wide),
                "precision": Measured(0.4, 0.37, 0.43),
                "brier": Measured(0.151 - 0.01 * season, 0.147, 0.156),
            }  # fmt: skip
        until = at - timedelta(days=2)
        return Evaluation(model, version, until - timedelta(days=cohort), until, at, Maturity.FINAL, predictions,
                          labelled, predictions - labelled, metrics)  # fmt: skip

    def live_report(self, evaluation: Evaluation, version: int) -> GateReport:
        """The declared gates on live traffic."""
        auc, recall = evaluation.metrics["auc"], evaluation.metrics["recall"]
        bad = version == 3 and evaluation.at >= day(5, 15)
        low = 0.061 if bad else (recall.value or 0) - 0.1
        results = (
            GateResult("auc >= 0.58", PASS, auc.value, auc.low, auc.high, 0.58, 0.95, evaluation.labelled, 14),
            GateResult("recall.worst(origin) >= 0.08", FAIL if bad else PASS, low, low - 0.02, low + 0.018, 0.08, 0.95,
                       evaluation.labelled, 14),
            GateResult("latency_p99 <= 0.02", PASS, 0.0034, None, 0.0041, 0.02, 0.99, evaluation.predictions),
        )  # fmt: skip
        return GateReport(Verdict.all([r.verdict for r in results]), results, evaluation.labelled)

    def drift(self, model: str, promotions: list[tuple[datetime, int]]) -> None:
        """One drift report a week; the weather moves with the seasons until a version knows them."""
        seasonal = {"temp": 0.9, "dewp": 0.8, "humid": 0.3, "pressure": 0.25, "wind_speed": 0.22, "score": 0.18}
        for index, (at, version, promoted) in enumerate(days(promotions)):
            if index % 7 or (at - promoted).days < 1:
                continue
            away = min(1.0, (at - promoted).days / 30) * abs(math.sin((at.month - 1) / 12 * math.pi))
            found = []
            for name in ("score", *NUMBERS, *TEXTS):
                effect = max(0.0, 0.028 * self.random.random() + 0.32 * seasonal.get(name, 0.03) * away)
                effect += 0.22 if name == "carrier" and day(10, 20) < at < day(11, 14) else 0
                effect += 0.17 if name == "wind_gust" and at > day(12, 6) else 0
                low = max(0.0, effect - 0.035 - 0.02 * self.random.random())
                mean = NUMBERS.get(name, (0.21, 0.1))[0]
                expected, seen = f"mean {mean:.4g}", f"mean {mean * (1 + effect):.4g}"
                if name in TEXTS:
                    expected = ", ".join(f"{k} {v:.0%}" for k, v in list(TEXTS[name].items())[:3])
                    seen = ", ".join(f"{k} {v * (1 + effect):.0%}" for k, v in list(TEXTS[name].items())[:3])
                alert = low > 0.1
                found.append(ColumnDrift(name, "js", effect, low, 0.1, 0.0004 if alert else 0.3, alert, expected, seen))
            self.store.measurements.put_drift(
                DriftReport(model, version, at - timedelta(days=7), at, 6200 + self.random.randrange(400), tuple(found))
            )

    def incidents(self) -> None:
        """What went wrong."""
        for incident in INCIDENTS:
            opened = replace(incident, resolved_at=None)
            self.store.measurements.open_incident(
                opened, ev.Event("flights", incident.opened_at, ev.IncidentOpened(opened))
            )
            if incident.resolved_at is not None:
                over = ev.IncidentResolved(incident.id, "it holds again")
                event = ev.Event("flights", incident.resolved_at, over)
                self.store.measurements.resolve_incident(incident.id, incident.resolved_at, event)


def days(promotions: list[tuple[datetime, int]]) -> Iterator[tuple[datetime, int, datetime]]:
    """Every midnight until now, with the version that answered and since when."""
    at = promotions[0][0].replace(hour=0) + timedelta(days=1)
    while at <= NOW:
        promoted, version = max((p for p in promotions if p[0] <= at), key=lambda p: p[0])
        yield at, version, promoted
        at += timedelta(days=1)


def digest(*parts: object) -> str:
    """A sha256 that depends on the parts."""
    return codec.digest([str(part) for part in parts])


def numeric(name: str, mean: float, deviation: float, rows: int) -> ColumnProfile:
    """The profile of a normal column."""
    edges = [mean + deviation * (i - 10) / 4 for i in range(21)]
    counts = [int(rows / 10 * math.exp(-(((i - 9.5) / 4) ** 2) / 2)) for i in range(20)]
    bins = tuple(Bin(edges[i], edges[i + 1], counts[i]) for i in range(20))
    return ColumnProfile(name, "number", rows, rows // 90, mean, deviation**2, edges[0], edges[-1], bins)


def profile() -> Profile:
    """The profile of the training rows of flights."""
    rows = 48_120
    columns = {name: numeric(name, mean, deviation, rows) for name, (mean, deviation) in NUMBERS.items()}
    for name, shares in TEXTS.items():
        top = {value: int(rows * share) for value, share in shares.items()}
        columns[name] = ColumnProfile(name, "text", rows, 0, top=top, other=rows - sum(top.values()), distinct=16)
    return Profile(rows, columns)


def example(name: str) -> ModuleType:
    """The module of an example's model file."""
    path = ROOT / "examples" / name / "model.py"
    spec = importlib.util.spec_from_file_location(f"e2e_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
