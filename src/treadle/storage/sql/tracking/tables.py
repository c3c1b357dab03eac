"""The tables of tracking, in the metadata of all tables. Times are milliseconds since 1970.

Names of metrics, params and tags stand once, in ``keys``; what is logged is clustered by run and key. Values of params
and tags are cut in two, so that their index stays small: ``head`` has the first characters, ``rest`` what follows.
Points have no foreign keys: they would cost a look-up each.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from treadle.storage.sql.tables import NUMBER, metadata

HEAD = 100
"""Characters of a value that are indexed."""

PLAIN = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that is ordered by its code points, in every database."""

experiments = Table(
    "experiments",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("name", PLAIN, nullable=False),
    Column("artifact_location", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("deleted", BigInteger),
    Column("model", Text),
    UniqueConstraint("model"),
    Index(
        "uq_experiments_name_active", "name", unique=True, sqlite_where=text("active"), postgresql_where=text("active")
    ),
    sqlite_autoincrement=True,
)
experiment_tags = Table(
    "experiment_tags",
    metadata,
    Column("experiment", NUMBER, ForeignKey("experiments.number"), primary_key=True),
    Column("key", PLAIN, primary_key=True),
    Column("value", PLAIN, nullable=False),
    sqlite_with_rowid=False,
)
keys = Table(
    "keys",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("text", PLAIN, nullable=False),
    UniqueConstraint("text"),
)
runs = Table(
    "runs",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("id", PLAIN, nullable=False),
    Column("experiment", NUMBER, ForeignKey("experiments.number"), nullable=False),
    Column("name", PLAIN, nullable=False),
    Column("user_id", PLAIN, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("active", Boolean, nullable=False),
    Column("deleted", BigInteger),
    Column("with_experiment", Boolean, nullable=False),
    Column("artifact_uri", Text),
    Column("model", Text),
    Column("parent", Text),
    Column("body", Text),
    UniqueConstraint("id"),
    Index(None, "experiment", "active", "started"),
    Index(None, "model", "started"),
    Index(None, "parent"),
    sqlite_autoincrement=True,
)
run_params = Table(
    "run_params",
    metadata,
    Column("run", NUMBER, ForeignKey("runs.number"), primary_key=True),
    Column("key", NUMBER, primary_key=True),
    Column("head", PLAIN, nullable=False),
    Column("rest", PLAIN),
    Index(None, "key", "head", "run"),
    sqlite_with_rowid=False,
)
run_tags = Table(
    "run_tags",
    metadata,
    Column("run", NUMBER, ForeignKey("runs.number"), primary_key=True),
    Column("key", NUMBER, primary_key=True),
    Column("head", PLAIN, nullable=False),
    Column("rest", PLAIN),
    Index(None, "key", "head", "run"),
    sqlite_with_rowid=False,
)
run_metrics = Table(
    "run_metrics",
    metadata,
    Column("run", NUMBER, ForeignKey("runs.number"), primary_key=True),
    Column("key", NUMBER, primary_key=True),
    Column("step", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("value", Float, nullable=False),
    Column("nan", Boolean, nullable=False),
    Column("least", Float),
    Column("greatest", Float),
    Column("loose", Integer, nullable=False),
    Index(None, "key", "nan", "value", "run"),
    Index(None, "key", "least", "run"),
    Index(None, "key", "greatest", "run"),
    sqlite_with_rowid=False,
)
metric_tail = Table(
    "metric_tail",
    metadata,
    Column("run", NUMBER, primary_key=True),
    Column("key", NUMBER, primary_key=True),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("bits", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
metric_chunks = Table(
    "metric_chunks",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("run", NUMBER, nullable=False),
    Column("key", NUMBER, nullable=False),
    Column("first_step", BigInteger, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("points", Integer, nullable=False),
    Column("full", Boolean, nullable=False),
    Column("least", Float),
    Column("least_step", BigInteger),
    Column("least_at", BigInteger),
    Column("greatest", Float),
    Column("greatest_step", BigInteger),
    Column("greatest_at", BigInteger),
    Column("data", LargeBinary, nullable=False),
    Index(None, "run", "key", "first_step", "first_at"),
)
datasets = Table(
    "datasets",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("experiment", NUMBER, ForeignKey("experiments.number"), nullable=False),
    Column("name", PLAIN, nullable=False),
    Column("digest", PLAIN, nullable=False),
    Column("source_type", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("schema", Text),
    Column("profile", Text),
    UniqueConstraint("experiment", "name", "digest"),
)
run_datasets = Table(
    "run_datasets",
    metadata,
    Column("run", NUMBER, ForeignKey("runs.number"), primary_key=True),
    Column("dataset", NUMBER, ForeignKey("datasets.number"), primary_key=True),
    Column("context", PLAIN),
    Column("tags", Text, nullable=False),
    Index(None, "dataset"),
    sqlite_with_rowid=False,
)
run_models = Table(
    "run_models",
    metadata,
    Column("run", NUMBER, ForeignKey("runs.number"), primary_key=True),
    Column("output", Boolean, primary_key=True),
    Column("model_id", PLAIN, primary_key=True),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Index(None, "model_id"),
    sqlite_with_rowid=False,
)
run_comments = Table(
    "run_comments",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("id", PLAIN, nullable=False),
    Column("run", NUMBER, ForeignKey("runs.number"), nullable=False),
    Column("author", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("edited", BigInteger),
    UniqueConstraint("id"),
    Index(None, "run"),
)
