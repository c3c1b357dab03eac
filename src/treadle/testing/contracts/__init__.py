"""Contract suites: subclass one, say how to make your backend, and pytest runs every promise of its port against it.

    class TestMyBlobs(BlobsContract):
        def make(self, folder: Path) -> Blobs:
            return MyBlobs(folder)

Backends may be used by several threads at once; the suites do so.
"""

from treadle.domain.errors import TreadleError

try:
    import pytest
except ImportError as error:
    raise TreadleError(
        "the contract suites in treadle.testing.contracts need pytest", hint="pip install pytest"
    ) from error

for _module in (
    "artifacts",
    "blobs",
    "deployments",
    "events",
    "logged_models",
    "measurements",
    "predictions",
    "records",
    "registered",
    "runs",
    "tracking",
    "tracking_curves",
    "versions",
):
    pytest.register_assert_rewrite(f"treadle.testing.contracts.{_module}")

from treadle.testing.contracts.artifacts import ArtifactsContract  # noqa: E402
from treadle.testing.contracts.base import StoreContract, StoreUnderTest, together  # noqa: E402
from treadle.testing.contracts.blobs import BlobsContract  # noqa: E402
from treadle.testing.contracts.deployments import DeploymentsContract, RoutingContract  # noqa: E402
from treadle.testing.contracts.events import EventsContract  # noqa: E402
from treadle.testing.contracts.logged_models import LoggedModelsContract  # noqa: E402
from treadle.testing.contracts.measurements import MeasurementsContract  # noqa: E402
from treadle.testing.contracts.predictions import (  # noqa: E402
    JoinedLogContract,
    OutcomesContract,
    PredictionLogContract,
)
from treadle.testing.contracts.records import (  # noqa: E402
    ModelsContract,
    RegisterContract,
    SnapshotsContract,
    StepCacheContract,
)
from treadle.testing.contracts.registered import (  # noqa: E402
    OneRegistryContract,
    RegisteredContract,
    RegistrySearchContract,
)
from treadle.testing.contracts.runs import RunsContract  # noqa: E402
from treadle.testing.contracts.tracking import ExperimentsContract, RunStoreContract  # noqa: E402
from treadle.testing.contracts.tracking_curves import CurvesContract  # noqa: E402
from treadle.testing.contracts.versions import VersionsContract  # noqa: E402
from treadle.testing.contracts.webhooks import WebhooksContract  # noqa: E402

__all__ = [
    "ArtifactsContract",
    "BlobsContract",
    "CurvesContract",
    "DeploymentsContract",
    "EventsContract",
    "ExperimentsContract",
    "JoinedLogContract",
    "LoggedModelsContract",
    "MeasurementsContract",
    "ModelsContract",
    "OneRegistryContract",
    "OutcomesContract",
    "PredictionLogContract",
    "RegisterContract",
    "RegisteredContract",
    "RegistrySearchContract",
    "RoutingContract",
    "RunStoreContract",
    "RunsContract",
    "SnapshotsContract",
    "StepCacheContract",
    "StoreContract",
    "StoreUnderTest",
    "VersionsContract",
    "WebhooksContract",
    "together",
]
