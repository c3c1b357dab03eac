"""The protocol's application over stores in memory, asked without a network."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import msgspec

from treadle.api.mlflow.app import MlflowApp
from treadle.api.mlflow.calls import Routes
from treadle.api.mlflow.routes import all_routes
from treadle.api.mlflow.run_files import RunFiles, TrackedLocations, TrainingRuns
from treadle.api.mlflow.services import TrackingServices
from treadle.registry.webhooks import WebhookService
from treadle.testing import memory

V2 = "/api/2.0/mlflow"


def services(store: memory.MemoryStore | None = None) -> TrackingServices:
    """Everything that routes need, in memory."""
    store = store or memory.MemoryStore()
    own = TrainingRuns(store.runs)
    return TrackingServices(
        clock=memory.ManualClock(),
        version="0.5.0",
        run_files=RunFiles(memory.MemoryArtifacts(), memory.MemoryBlobs(), own),
        locations=TrackedLocations(store.tracking, store.logged_models, store.registered),
        tracking=store.tracking,
        registered=store.registered,
        logged_models=store.logged_models,
        webhooks=WebhookService(memory.MemoryWebhooks(), memory.RecordingSender()),
    )


async def other(scope: Any, receive: Any, send: Any) -> None:
    """What is not the protocol's."""
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"other"})


@dataclass(frozen=True)
class Reply:
    """An answer: ``told`` is its JSON."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def told(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass
class World:
    """One server."""

    store: memory.MemoryStore = field(default_factory=memory.MemoryStore)
    services: TrackingServices = field(default=None)  # type: ignore[assignment]
    routes: Routes = field(default_factory=all_routes)

    def __post_init__(self) -> None:
        self.services = self.services or services(self.store)

    def ask(
        self, method: str, path: str, body: bytes = b"", query: bytes = b"", headers: dict[str, str] | None = None
    ) -> Reply:
        """Send one request."""
        app = MlflowApp(self.services, self.routes, other)
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        }
        asyncio.run(app(scope, receive, send))
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Reply(sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]), told)

    def post(self, path: str, /, **fields: Any) -> Any:
        """What a change answers. Fails where it is not a success."""
        reply = self.ask("POST", f"{V2}/{path}", msgspec.json.encode(fields))
        assert reply.status == 200, reply.body
        return reply.told

    def get(self, path: str, /, **parameters: Any) -> Any:
        """What a question answers. Fails where it is not a success."""
        reply = self.ask("GET", f"{V2}/{path}", query=urlencode(parameters, doseq=True).encode())
        assert reply.status == 200, reply.body
        return reply.told

    def refused(self, path: str, /, *, method: str = "POST", **fields: Any) -> tuple[int, str, str]:
        """Status, code and message of a refusal."""
        body, query = (
            (msgspec.json.encode(fields), b"") if method == "POST" else (b"", urlencode(fields, True).encode())
        )
        reply = self.ask(method, f"{V2}/{path}", body, query)
        assert reply.status >= 400, reply.body
        return reply.status, reply.told["error_code"], reply.told["message"]

    def run(self, **fields: Any) -> str:
        """A new run's id."""
        found: str = self.post("runs/create", **fields)["run"]["info"]["run_id"]
        return found
