"""The whole registry on SQL."""

from __future__ import annotations

from treadle.storage.sql.registered.aliases import SqlRegisteredAliases
from treadle.storage.sql.registered.models import SqlRegisteredModels
from treadle.storage.sql.registered.versions import SqlRegisteredVersions


class SqlRegistered(SqlRegisteredModels, SqlRegisteredVersions, SqlRegisteredAliases):
    """``ports.Registered``."""
