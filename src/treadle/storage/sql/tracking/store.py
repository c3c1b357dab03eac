"""Tracking on SQL in one object."""

from __future__ import annotations

from treadle.storage.sql.database import Database
from treadle.storage.sql.tracking.comments import SqlRunComments
from treadle.storage.sql.tracking.curves import SqlMetricHistory
from treadle.storage.sql.tracking.experiments import SqlExperiments
from treadle.storage.sql.tracking.garbage import SqlTrackingGarbage
from treadle.storage.sql.tracking.keys import ReadKeys
from treadle.storage.sql.tracking.run_search import SqlRunSearch
from treadle.storage.sql.tracking.run_store import Measured, SqlRunStore
from treadle.storage.sql.tracking.run_writing import RunWriter
from treadle.storage.sql.writer import Writer


class SqlTracking(SqlExperiments, SqlRunStore, SqlRunSearch, SqlMetricHistory, SqlRunComments, SqlTrackingGarbage):
    """``ports.tracking.Tracking`` on SQL."""

    def __init__(self, database: Database, writer: Writer, runs: RunWriter, measured: Measured) -> None:
        keys = ReadKeys()
        SqlExperiments.__init__(self, database, writer)
        SqlRunStore.__init__(self, database, writer, runs, keys, measured)
        SqlRunSearch.__init__(self, database, keys)
        SqlMetricHistory.__init__(self, database, keys)
        SqlRunComments.__init__(self, database, writer)
        SqlTrackingGarbage.__init__(self, writer)
