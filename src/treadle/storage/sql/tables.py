"""The tables, but those of tracking. Records are JSON documents in ``body``; the other columns are for looking them up.

Migrations make these tables; a test holds the two against each other.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
NUMBER = BigInteger().with_variant(Integer, "sqlite")

schema_state = Table(
    "schema_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("oldest_release", Text, nullable=False),
)
events = Table(
    "events",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("model", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("once", Text),
    Column("body", Text, nullable=False),
    Column("position", BigInteger),
    Column("previous_hash", Text),
    Column("hash", Text),
    UniqueConstraint("position"),
    UniqueConstraint("model", "once"),
    Index(None, "model", "position"),
    sqlite_autoincrement=True,
)
chain = Table(
    "chain",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
)
models = Table(
    "models",
    metadata,
    Column("name", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("body", Text, nullable=False),
)
versions = Table(
    "versions",
    metadata,
    Column("model", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("attempt", Text, nullable=False),
    Column("snapshot", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("model", "attempt"),
    Index(None, "snapshot"),
)
aliases = Table(
    "aliases",
    metadata,
    Column("model", Text, primary_key=True),
    Column("alias", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    ForeignKeyConstraint(["model", "number"], ["versions.model", "versions.number"]),
)
deployments = Table(
    "deployments",
    metadata,
    Column("model", Text, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("body", Text, nullable=False),
)
snapshots = Table(
    "snapshots",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("as_of", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Index(None, "model", "as_of"),
)
steps = Table(
    "steps",
    metadata,
    Column("key", Text, primary_key=True),
    Column("body", Text, nullable=False),
)
evaluations = Table(
    "evaluations",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("since", Text, nullable=False),
    Column("until", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("model", "version", "since", "until", "at"),
    Index(None, "model", "until"),
)
drift_reports = Table(
    "drift_reports",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("since", Text, nullable=False),
    Column("until", Text, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("model", "version", "since", "until"),
    Index(None, "model", "until"),
)
service_health = Table(
    "service_health",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("model", Text, nullable=False),
    Column("until", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "model", "until"),
)
incidents = Table(
    "incidents",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("opened_at", Text, nullable=False),
    Column("open_fingerprint", Text),
    Column("body", Text, nullable=False),
    UniqueConstraint("id"),
    UniqueConstraint("model", "open_fingerprint"),
    Index(None, "opened_at"),
)
register = Table(
    "register",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
prediction_parts = Table(
    "prediction_parts",
    metadata,
    Column("path", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("segment", Text, nullable=False),
    Column("first", Text, nullable=False),
    Column("last", Text, nullable=False),
    Index(None, "model", "last"),
    Index(None, "segment"),
)
segment_progress = Table(
    "segment_progress",
    metadata,
    Column("segment", Text, primary_key=True),
    Column("offset", BigInteger, nullable=False),
    Column("closed", Boolean, nullable=False),
)
retired_files = Table(
    "retired_files",
    metadata,
    Column("path", Text, primary_key=True),
    Column("retired_at", Text, nullable=False),
)
outcome_parts = Table(
    "outcome_parts",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("path", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("received_at", Text, nullable=False),
    Column("first_observed", Text, nullable=False),
    Column("last_observed", Text, nullable=False),
    UniqueConstraint("path"),
    Index(None, "model", "received_at"),
)
joined_parts = Table(
    "joined_parts",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("path", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("joined_at", Text, nullable=False),
    Column("first", Text, nullable=False),
    Column("last", Text, nullable=False),
    UniqueConstraint("path"),
    Index(None, "model", "last"),
)
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created", BigInteger, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("body", Text, nullable=False),
    Column("secret", Text),
)
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False),
    Column("webhook", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    UniqueConstraint("id"),
    Index(None, "webhook", "due"),
)
