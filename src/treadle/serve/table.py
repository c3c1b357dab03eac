"""What a gateway serves at one moment: immutable, and replaced as a whole."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from treadle.domain.deployments import ServedModel, ServedVersion
from treadle.domain.errors import NotFound, WorkerUnavailable
from treadle.ports.runtimes import Predictor
from treadle.serve.schema import RowSchema

_SLOTS = 2**32


@dataclass(eq=False)
class LoadedVersion:
    """A version whose predictor is ready. ``in_flight`` counts the requests that it is answering now."""

    served: ServedVersion
    predictor: Predictor
    in_flight: int = 0

    @property
    def number(self) -> int:
        """The version's number within its model."""
        return self.served.version


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model with its loaded versions.

    ``shares`` are the cumulated weights, ending in 1, of the versions that answer; ``shadows`` get mirrored requests.
    """

    served: ServedModel
    schema: RowSchema
    versions: Mapping[int, LoadedVersion]
    shares: tuple[tuple[float, LoadedVersion], ...] = ()
    shadows: tuple[LoadedVersion, ...] = ()

    @staticmethod
    def of(served: ServedModel, schema: RowSchema, versions: Mapping[int, LoadedVersion]) -> LoadedModel:
        """Work out the shares from the model's routes; those to versions that are not loaded count for nothing."""
        live = [r for r in served.routes if not r.shadow and r.weight > 0 and r.version in versions]
        total = sum(route.weight for route in live)
        shares: list[tuple[float, LoadedVersion]] = []
        reached = 0.0
        for route in live:
            reached += route.weight
            shares.append((reached / total, versions[route.version]))
        shadows = tuple(versions[r.version] for r in served.routes if r.shadow and r.version in versions)
        return LoadedModel(served, schema, versions, tuple(shares), shadows)

    def version(self, number: int) -> LoadedVersion:
        """A version by number, whether it has a share of traffic or not. Raises NotFound."""
        found = self.versions.get(number)
        if found is None:
            numbers = ", ".join(map(str, sorted(self.versions))) or "none"
            raise NotFound(
                f"version {number} of model {self.served.model!r} is not served here", hint=f"served: {numbers}"
            )
        return found

    def choose(self, request_id: str) -> LoadedVersion:
        """The version that answers a request: by weight, and the same one for the same id. Raises NotFound."""
        shares = self.shares
        if len(shares) == 1:
            return shares[0][1]
        point = zlib.crc32(request_id.encode("utf-8", "surrogatepass")) / _SLOTS
        for reached, version in shares:
            if point < reached:
                return version
        raise NotFound(
            f"model {self.served.model!r} has no version that answers requests", hint="promote one, or name a version"
        )


@dataclass(frozen=True, eq=False)
class Table:
    """All loaded models. ``revision`` is that of the routing table they came from; ``absent`` says of models that the
    routing table names why they are not loaded (yet)."""

    revision: int = 0
    models: Mapping[str, LoadedModel] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)

    def model(self, name: str) -> LoadedModel:
        """A model by name. Raises NotFound, and WorkerUnavailable for one that could not be loaded yet."""
        found = self.models.get(name)
        if found is None:
            if name in self.absent:
                raise WorkerUnavailable(f"model {name!r} is not loaded yet: {self.absent[name]}", hint="try again soon")
            names = ", ".join(sorted(self.models)) or "none"
            raise NotFound(f"there is no model {name!r} here", hint=f"served: {names}")
        return found
