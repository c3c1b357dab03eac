"""The client. Every method is one request; errors are those of ``treadle.domain.errors``."""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote

from treadle.domain import codec
from treadle.domain.data import Snapshot
from treadle.domain.deployments import Deployment
from treadle.domain.errors import InvalidInput, NotFound, WorkerUnavailable
from treadle.domain.events import SealedEvent
from treadle.domain.monitoring import DriftReport, Evaluation, Incident, ServiceHealth
from treadle.domain.runs import Candidate, MetricPoint, Run
from treadle.domain.versions import ModelVersion
from treadle.sdk import records
from treadle.sdk.addresses import find_server
from treadle.sdk.bundles import Bundle
from treadle.sdk.failures import error_from, error_of

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
LogLine = Callable[[str], None]

CONNECT_PATIENCE = 5.0
READ_PATIENCE = 60.0
NDJSON = "application/x-ndjson"
API = "/api/v1"


class Client:
    """Talks to one server.

    ``url`` and ``gateway_url`` are found as :func:`treadle.sdk.addresses.find_server` says; ``actor`` is who asks, for
    the audit log (the user's name, unless given). All methods raise the domain's errors, and WorkerUnavailable where no
    server answers. Safe for threads; close it, or use it in a ``with`` statement.
    """

    def __init__(
        self,
        url: str | None = None,
        gateway_url: str | None = None,
        *,
        actor: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        import httpx

        self.address = find_server(url, gateway_url)
        self.actor = actor or _user()
        self._http = httpx.Client(
            timeout=httpx.Timeout(READ_PATIENCE, connect=CONNECT_PATIENCE),
            trust_env=not self.address.local,
            transport=transport,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def health(self) -> dict[str, Any]:
        """The server's readiness: ``{"status": "ok", "version": ...}``. Raises WorkerUnavailable until it is ready."""
        return cast("dict[str, Any]", self._send("GET", self.address.control + "/health"))

    def status(self) -> records.Status:
        """Every model, what answers, what the loop is doing, and what needs attention."""
        return _read(records.Status, self._get("/status"))

    def plan(self, bundle: Bundle, *, log: LogLine | None = None) -> records.Plan:
        """What applying would change. ``log`` is told how the environment is built, which may take a minute."""
        return _read(records.Plan, self._stream("/plan", bundle.to_request(), log))

    def apply(self, bundle: Bundle, *, expected: str | None = None, log: LogLine | None = None) -> records.Applied:
        """Make the bundle the desired state. Raises Conflict where ``expected`` is the digest of a plan gone stale."""
        body = {**bundle.to_request(), "expected": expected, "actor": self.actor}
        return _read(records.Applied, self._stream("/models", body, log))

    def models(self) -> list[records.ModelSummary]:
        """All models."""
        return self._list(records.ModelSummary, "/models")

    def model(self, model: str) -> records.ModelDetail:
        """One model. Raises NotFound."""
        return _read(records.ModelDetail, self._get(_path("models", model)))

    def deployment(self, model: str) -> Deployment:
        """What serves a model; an empty deployment of revision 0 before its first promotion. Raises NotFound."""
        return self.model(model).deployment or Deployment(model, 0, None, None, None)

    def versions(self, model: str) -> list[records.VersionSummary]:
        """All versions of a model, newest first. Raises NotFound."""
        return self._list(records.VersionSummary, _path("models", model, "versions"))

    def version(self, model: str, number: int) -> ModelVersion:
        """One version with its recipe, gates and profiles. Raises NotFound."""
        return _read(ModelVersion, self._get(_path("models", model, "versions", number)))

    def registered(self, name: str) -> records.RegistryModel:
        """A registered model, whoever made it: MLflow's clients, or Treadle. Raises NotFound."""
        return _read(records.RegistryModel, self._get(_path("registry", name)))

    def lineage(self, model: str, number: int) -> dict[str, Any]:
        """What a version came from, and what came of it. Raises NotFound."""
        return cast("dict[str, Any]", self._get(_path("models", model, "versions", number, "lineage")))

    def snapshots(self, model: str) -> list[Snapshot]:
        """The data that versions of a model were made of, newest first. Raises NotFound."""
        return self._list(Snapshot, _path("models", model, "snapshots"))

    def promote(self, model: str, version: int, *, reason: str = "asked for") -> Deployment:
        """Give a version all traffic; returns when the gateways serve it. Raises NotFound, Conflict."""
        body = {"version": version, "reason": reason, "actor": self.actor}
        return _read(Deployment, self._post(_path("models", model, "promote"), body))

    def rollback(self, model: str, *, to: int | None = None, reason: str = "asked for") -> Deployment:
        """Let the version before the champion, or ``to``, answer again. Raises NotFound, Conflict."""
        body = {"to": to, "reason": reason, "actor": self.actor}
        return _read(Deployment, self._post(_path("models", model, "rollback"), body))

    def rollout(self, model: str, action: str, *, reason: str = "asked for") -> Deployment:
        """``pause``, ``resume`` or ``abort`` the rollout under way. Raises NotFound; Conflict where there is none."""
        body = {"action": action, "reason": reason, "actor": self.actor}
        return _read(Deployment, self._post(_path("models", model, "rollout"), body))

    def train(self, model: str, *, reason: str = "asked for", tune: int = 0) -> records.Asked:
        """Ask for a new version of what is known now. Raises Conflict while a training is under way."""
        body = {"reason": reason, "tune": tune, "actor": self.actor}
        return _read(records.Asked, self._post(_path("models", model, "train"), body))

    def push_outcomes(self, model: str, outcomes: Sequence[Mapping[str, Any]]) -> records.OutcomesAnswer:
        """Tell what became of predictions.

        Each outcome has ``prediction_id`` or ``key`` (the event's ``time`` where the model has no key), ``label``, and
        ``observed_at``: when it became known (an aware datetime or ISO 8601 text; now, unless given).
        """
        return _read(records.OutcomesAnswer, self._post(_path("models", model, "outcomes"), list(outcomes)))

    def evaluations(self, model: str, since: datetime | None = None) -> list[Evaluation]:
        """Realised quality over time, oldest first."""
        return self._list(Evaluation, _path("models", model, "evaluations"), since=since)

    def drift(self, model: str, since: datetime | None = None) -> list[DriftReport]:
        """Drift over time, oldest first."""
        return self._list(DriftReport, _path("models", model, "drift"), since=since)

    def service_health(self, model: str, since: datetime | None = None) -> list[ServiceHealth]:
        """Requests, errors and latencies over time, oldest first."""
        return self._list(ServiceHealth, _path("models", model, "health-over-time"), since=since)

    def report(self, model: str) -> dict[str, Any]:
        """The model left alone against the loop, month by month, as plain data."""
        return cast("dict[str, Any]", self._get(_path("models", model, "report")))

    def runs(self, *, model: str | None = None, parent: str | None = None, limit: int = 100) -> list[Run]:
        """Runs, newest first; ``parent`` selects the trials of one run, an empty one the runs that are no trial."""
        return self._list(Run, "/runs", model=model, parent=parent, limit=limit)

    def run(self, run_id: str) -> Run:
        """One run. Raises NotFound."""
        return _read(Run, self._get(_path("runs", run_id)))

    def points(self, run_id: str, key: str) -> list[MetricPoint]:
        """A metric's points by step. Raises NotFound."""
        return self._list(MetricPoint, _path("runs", run_id, "metrics", key))

    def leaderboard(self, run_id: str) -> list[Candidate]:
        """What the run chose among. Raises NotFound."""
        return self._list(Candidate, _path("runs", run_id, "leaderboard"))

    def incidents(self, *, model: str | None = None, open_only: bool = False) -> list[Incident]:
        """Incidents, newest first."""
        return self._list(Incident, "/incidents", model=model, open_only=open_only)

    def events(self, after: int = 0, *, model: str | None = None, limit: int = 100) -> list[SealedEvent]:
        """Events with a position greater than ``after``, in order."""
        return self._list(SealedEvent, "/events", after=after, model=model, limit=limit)

    def latest_events(
        self, *, model: str | None = None, kinds: Sequence[str] = (), limit: int = 100
    ) -> list[SealedEvent]:
        """The newest events, newest first."""
        return self._list(SealedEvent, "/events/latest", model=model, kind=list(kinds), limit=limit)

    def follow(self, after: int = 0, *, model: str | None = None, every: float = 0.5) -> Iterator[SealedEvent]:
        """Events as they happen, without an end; asks again ``every`` so many seconds."""
        while True:
            found = self.events(after, model=model)
            for event in found:
                after = event.position
                yield event
            if not found:
                time.sleep(every)

    def clock(self) -> records.ClockReading:
        """What time it is to the loop."""
        return _read(records.ClockReading, self._get("/clock"))

    def advance(self, to: datetime) -> Iterator[dict[str, Any]]:
        """Move a virtual clock: yields what happens on the way (``now``, ``doing``, ``waiting``), and at last
        ``{"done": true, "now": ...}`` once the loop is at rest there.

        Nothing is asked before the first line is. Raises InvalidInput on a wall clock or for a time that has passed.
        """
        for line in self._lines("/clock/advance", {"to": to}):
            yield line
            if line.get("done"):
                return
        raise _broken_off()

    def predict(self, model: str, rows: Any) -> records.Predictions:
        """Score rows: one, or a sequence of them, each a mapping or a ``Row``; the answer has a prediction a row.

        Raises NotFound for a model that nothing serves, InvalidInput for rows that do not fit it.
        """
        many = rows if isinstance(rows, Sequence) and not isinstance(rows, str | bytes) else [rows]
        body = {"rows": [_row(row) for row in many]}
        return _read(
            records.Predictions, self._send("POST", self.address.gateway + _path("models", model, "predict"), body)
        )

    def ready(self, model: str, version: int | None = None) -> bool:
        """Whether the gateway answers for a model, or for one of its versions."""
        parts = ("v2", "models", model) if version is None else ("v2", "models", model, "versions", version)
        try:
            self._send("GET", self.address.gateway + _path(*parts, "ready"))
        except (NotFound, WorkerUnavailable):
            return False
        return True

    def _get(self, path: str, **query: Any) -> Any:
        asked = {name: _query(value) for name, value in query.items() if value is not None}
        return self._send("GET", self.address.control + API + path, query=asked)

    def _list(self, cls: type[T], path: str, **query: Any) -> list[T]:
        return [_read(cls, item) for item in self._get(path, **query)["items"]]

    def _post(self, path: str, body: Any) -> Any:
        return self._send("POST", self.address.control + API + path, body)

    def _send(self, method: str, url: str, body: Any = None, *, query: Mapping[str, Any] | None = None) -> Any:
        with self._reaching(url):
            answer = self._http.request(
                method,
                url,
                params=query or None,
                content=None if body is None else _encode(body),
                headers={} if body is None else {"content-type": "application/json"},
            )
        if answer.status_code >= 400:
            raise error_of(answer.status_code, answer.content)
        return _decode(answer.content, url)

    def _stream(self, path: str, body: Any, log: LogLine | None) -> Any:
        for line in self._lines(path, body):
            if "result" in line:
                return line["result"]
            if log is not None and "log" in line:
                log(str(line["log"]))
        raise _broken_off()

    def _lines(self, path: str, body: Any) -> Iterator[dict[str, Any]]:
        url = self.address.control + API + path
        headers = {"accept": NDJSON, "content-type": "application/json"}
        with (
            self._reaching(url),
            self._http.stream("POST", url, content=_encode(body), headers=headers) as answer,
        ):
            if answer.status_code >= 400:
                raise error_of(answer.status_code, answer.read())
            for text in answer.iter_lines():
                line = _decode(text, url)
                if "error" in line:
                    raise error_from(line["error"])
                yield line

    @contextmanager
    def _reaching(self, url: str) -> Iterator[None]:
        import httpx

        base = self.address.gateway if url.startswith(self.address.gateway + "/") else self.address.control
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise WorkerUnavailable(
                f"no Treadle server answers at {base}",
                hint="start one with `treadle up`, ask from the folder where one runs, or give its --url",
            ) from error
        except httpx.HTTPError as error:
            raise WorkerUnavailable(
                f"the server at {base} broke off: {type(error).__name__} {error}".rstrip(),
                hint="look at its log, and ask again",
            ) from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def _broken_off() -> WorkerUnavailable:
    return WorkerUnavailable("the server broke off before it had answered", hint="look at its log, and ask again")


def _path(*parts: str | int) -> str:
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


def _query(value: Any) -> Any:
    return codec.to_plain(value) if isinstance(value, datetime) else value


def _read(cls: type[T], plain: Any) -> T:
    return cast("T", codec.from_plain(cls, plain))


def _row(row: Any) -> dict[str, Any]:
    if isinstance(row, Mapping):
        return dict(row)
    if hasattr(type(row), "__treadle_columns__"):
        return dict(vars(row))
    raise InvalidInput(f"a row is a mapping from column to value, not {row!r}", hint='write {"column": value, ...}')


def _encode(body: Any) -> bytes:
    try:
        return json.dumps(body, default=_json_value, allow_nan=False).encode()
    except ValueError as error:
        raise InvalidInput(
            f"the request cannot be written as JSON: {error}", hint="say None for a missing value"
        ) from error


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return value.tolist()
    if isinstance(value, Iterable):
        return list(value)
    raise InvalidInput(f"a {type(value).__name__} cannot be sent", hint="send numbers, text, booleans, times or None")


def _decode(text: str | bytes, url: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"{url} answered something else than JSON", hint="is a Treadle server there?") from error
