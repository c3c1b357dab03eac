"""The way into the metadata database."""

from __future__ import annotations

from treadle.ports.deployments import Deployments
from treadle.ports.events import Events
from treadle.ports.logged_models import LoggedModels
from treadle.ports.models import Models
from treadle.ports.monitoring import Measurements
from treadle.ports.register import Register
from treadle.ports.registered import Registered
from treadle.ports.runs import Runs
from treadle.ports.snapshots import Snapshots
from treadle.ports.steps import StepCache
from treadle.ports.tracking import Tracking
from treadle.ports.versions import Versions
from treadle.ports.webhooks import Webhooks
from treadle.storage.sql.database import Database
from treadle.storage.sql.deployments import SqlDeployments
from treadle.storage.sql.events import SqlEvents
from treadle.storage.sql.manifest import Manifest
from treadle.storage.sql.measurements import SqlMeasurements
from treadle.storage.sql.migrating import migrate
from treadle.storage.sql.models import SqlModels
from treadle.storage.sql.references import named_digests
from treadle.storage.sql.register import SqlRegister
from treadle.storage.sql.registered.logged_models import SqlLoggedModels
from treadle.storage.sql.registered.store import SqlRegistered
from treadle.storage.sql.runs import SqlRuns
from treadle.storage.sql.snapshots import SqlSnapshots
from treadle.storage.sql.step_cache import SqlStepCache
from treadle.storage.sql.tracking.run_writing import RunWriter
from treadle.storage.sql.tracking.store import SqlTracking
from treadle.storage.sql.versions import SqlVersions
from treadle.storage.sql.webhooks import SqlWebhooks
from treadle.storage.sql.writer import Writer


class SqlStore:
    """All metadata ports on one database, migrated when it is opened.

    ``url`` is ``sqlite:///<path>``. May be shared by threads; several processes may open the same database. Raises
    InvalidInput for a URL that cannot be used and TreadleError for a database that a newer release has moved on.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        try:
            migrate(self._database)
        except BaseException:
            self._database.close()
            raise
        self.events: Events = SqlEvents(self._database)
        self.models: Models = SqlModels(self._database)
        self.versions: Versions = SqlVersions(self._database)
        self.deployments: Deployments = SqlDeployments(self._database)
        self.snapshots: Snapshots = SqlSnapshots(self._database)
        self.steps: StepCache = SqlStepCache(self._database)
        self.measurements: Measurements = SqlMeasurements(self._database)
        self.register: Register = SqlRegister(self._database)
        self.manifest = Manifest(self._database)
        self.writer = Writer(self._database)
        written = RunWriter(self._database.engine)
        self.writer.undone.append(written.keys.forget)
        logged = SqlLoggedModels(self._database, self.writer)
        self.tracking: Tracking = SqlTracking(self._database, self.writer, written, logged.measured)
        self.registered: Registered = SqlRegistered(self._database, self.writer)
        self.logged_models: LoggedModels = logged
        self.runs: Runs = SqlRuns(self._database, self.writer, written)
        self.webhooks: Webhooks = SqlWebhooks(self._database, self.writer)

    def named_digests(self) -> frozenset[str]:
        """Every digest that any record names."""
        return named_digests(self._database)

    def close(self) -> None:
        """Write what is queued, then let go of the database."""
        self.writer.close()
        self._database.close()
