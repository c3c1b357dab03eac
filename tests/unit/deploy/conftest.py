from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from treadle.deploy.routing import VersionFiles
from treadle.deploy.service import DeployService
from treadle.domain.deployments import Deployment, RoutingTable
from treadle.domain.errors import Conflict, NotFound
from treadle.domain.events import Event
from treadle.domain.versions import Compilation, ModelVersion, Recipe
from treadle.spec.model_spec import ColumnSpec, ModelSpec

START = datetime(2013, 3, 1, tzinfo=UTC)

SPEC = ModelSpec(
    name="flights",
    doc="",
    row="Flight",
    columns=(
        ColumnSpec("flight_id", "str"),
        ColumnSpec("departs", "datetime", zone="America/New_York"),
        ColumnSpec("pressure", "float", nullable=True),
        ColumnSpec("late", "bool"),
    ),
    label="late",
    task="binary",
    key="flight_id",
    time="departs",
)


def a_version(number: int, model: str = "flights", runtime: str = "onnx") -> ModelVersion:
    recipe = Recipe("spec", "code", "snapshot", "environment", {}, 0)
    return ModelVersion(
        model=model,
        number=number,
        created_at=START,
        as_of=START,
        run=f"run-{number}",
        attempt=f"{model}-{number:04d}",
        recipe=recipe,
        recipe_digest=recipe.digest,
        artifacts={"model.onnx": f"onnx{number}", "model.pkl": f"pkl{number}"},
        artifact_digest=f"{number:064x}",
        threshold=0.3,
        compilation=Compilation(runtime),
        spec_json=replace(SPEC, name=model).to_json(),
        code_entry="model.py",
        code_root="/data",
    )


@dataclass
class FakeDeployments:
    stored: dict[str, Deployment] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def get(self, model: str) -> Deployment | None:
        return self.stored.get(model)

    def put(self, deployment: Deployment, *events: Event) -> None:
        present = self.stored.get(deployment.model)
        if deployment.revision != (present.revision if present else 0) + 1:
            raise Conflict("the deployment changed meanwhile")
        self.stored[deployment.model] = deployment
        self.events += events

    def all(self) -> list[Deployment]:
        return [self.stored[name] for name in sorted(self.stored)]


@dataclass
class FakeRouting:
    table: RoutingTable = field(default_factory=lambda: RoutingTable(0))
    published: list[int] = field(default_factory=list)
    waited: list[int] = field(default_factory=list)
    broken: bool = False
    acknowledges: bool = True

    def publish(self, table: RoutingTable) -> None:
        if self.broken:
            raise OSError("killed here")
        self.table = table
        self.published.append(table.revision)

    def read(self) -> RoutingTable:
        return self.table

    def wait_for(self, revision: int, timeout: float) -> bool:
        self.waited.append(revision)
        return self.acknowledges


@dataclass
class FakeVersions:
    versions: dict[tuple[str, int], ModelVersion] = field(default_factory=dict)
    named: dict[str, dict[str, int]] = field(default_factory=dict)

    def get(self, model: str, number: int) -> ModelVersion:
        if (model, number) not in self.versions:
            raise NotFound(f"no version {number} of {model!r}")
        return self.versions[model, number]

    def set_alias(self, model: str, alias: str, number: int | None, *events: Event) -> None:
        names = self.named.setdefault(model, {})
        if number is None:
            names.pop(alias, None)
        else:
            names[alias] = number

    def aliases(self, model: str) -> dict[str, int]:
        return dict(self.named.get(model, {}))


@dataclass
class FakeClock:
    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def forward(self, by: timedelta) -> None:
        self.at += by


@dataclass
class House:
    deployments: FakeDeployments
    routing: FakeRouting
    versions: FakeVersions
    clock: FakeClock
    lost: set[tuple[str, int]]

    @property
    def service(self) -> DeployService:
        """A new process over the same stores."""
        return DeployService(self.deployments, self.routing, self.versions, self.clock, self.locate)  # type: ignore[arg-type]

    def locate(self, version: ModelVersion) -> VersionFiles:
        if (version.model, version.number) in self.lost:
            raise NotFound("the blob is gone")
        return VersionFiles(onnx_path=f"/blobs/{version.artifacts['model.onnx']}")

    def kinds(self) -> list[str]:
        return [type(event.payload).kind for event in self.deployments.events]


@pytest.fixture
def house() -> House:
    versions = {(m, n): a_version(n, m) for m in ("flights", "bikes") for n in (1, 2, 3)}
    return House(FakeDeployments(), FakeRouting(), FakeVersions(versions), FakeClock(), set())
