"""The tables of the registry, in the metadata of all tables. Times are milliseconds since 1970.

``last_number`` is the greatest number that a version of the model was given, so that none is given twice.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from treadle.storage.sql.tables import NUMBER, metadata
from treadle.storage.sql.tracking.tables import PLAIN

registered_models = Table(
    "registered_models",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("name", PLAIN, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("description", Text),
    Column("owned", Boolean, nullable=False),
    Column("last_number", Integer, nullable=False),
    UniqueConstraint("name"),
)
registered_model_tags = Table(
    "registered_model_tags",
    metadata,
    Column("model", NUMBER, ForeignKey("registered_models.number"), primary_key=True),
    Column("key", PLAIN, primary_key=True),
    Column("value", PLAIN, nullable=False),
)
registered_versions = Table(
    "registered_versions",
    metadata,
    Column("model", NUMBER, ForeignKey("registered_models.number"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("source", PLAIN, nullable=False),
    Column("location", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("run", PLAIN),
    Column("run_link", Text),
    Column("description", Text),
    Column("user_id", Text),
    Column("model_id", Text),
    Column("owned", Boolean, nullable=False),
    Index(None, "run"),
    Index(None, "model_id"),
    Index(None, "updated"),
)
registered_version_tags = Table(
    "registered_version_tags",
    metadata,
    Column("model", NUMBER, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("key", PLAIN, primary_key=True),
    Column("value", PLAIN, nullable=False),
    ForeignKeyConstraint(["model", "version"], ["registered_versions.model", "registered_versions.version"]),
)
registered_aliases = Table(
    "registered_aliases",
    metadata,
    Column("model", NUMBER, primary_key=True),
    Column("alias", PLAIN, primary_key=True),
    Column("version", Integer, nullable=False),
    ForeignKeyConstraint(["model", "version"], ["registered_versions.model", "registered_versions.version"]),
)
logged_models = Table(
    "logged_models",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("id", PLAIN, nullable=False),
    Column("experiment", PLAIN, nullable=False),
    Column("name", PLAIN, nullable=False),
    Column("artifact_location", PLAIN, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("status_message", Text),
    Column("model_type", PLAIN),
    Column("source_run", PLAIN),
    Column("active", Boolean, nullable=False),
    UniqueConstraint("id"),
    Index(None, "experiment", "created"),
    Index(None, "source_run"),
)
logged_model_params = Table(
    "logged_model_params",
    metadata,
    Column("model", NUMBER, ForeignKey("logged_models.number"), primary_key=True),
    Column("key", PLAIN, primary_key=True),
    Column("value", PLAIN, nullable=False),
)
logged_model_tags = Table(
    "logged_model_tags",
    metadata,
    Column("model", NUMBER, ForeignKey("logged_models.number"), primary_key=True),
    Column("key", PLAIN, primary_key=True),
    Column("value", PLAIN, nullable=False),
)
logged_model_metrics = Table(
    "logged_model_metrics",
    metadata,
    Column("model_id", PLAIN, primary_key=True),
    Column("key", PLAIN, primary_key=True),
    Column("timestamp", BigInteger, primary_key=True),
    Column("step", BigInteger, primary_key=True),
    Column("run", PLAIN, primary_key=True),
    Column("dataset_name", PLAIN, primary_key=True),
    Column("dataset_digest", PLAIN, primary_key=True),
    Column("value", Float, nullable=False),
    Column("nan", Boolean, nullable=False),
)
