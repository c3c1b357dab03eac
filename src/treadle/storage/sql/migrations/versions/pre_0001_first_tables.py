"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

GENESIS = "0" * 64
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables, and the two rows that are always there."""
    _history()
    _training()
    _serving()
    _monitoring()
    _prediction_log()
    state = sa.table("schema_state", sa.column("id"), sa.column("oldest_release"))
    op.bulk_insert(state, [{"id": 1, "oldest_release": "0001"}])
    chain = sa.table("chain", sa.column("id"), sa.column("position"), sa.column("hash"))
    op.bulk_insert(chain, [{"id": 1, "position": 0, "hash": GENESIS}])


def _history() -> None:
    op.create_table(
        "schema_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("oldest_release", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schema_state"),
    )
    op.create_table(
        "events",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("once", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("previous_hash", sa.Text(), nullable=True),
        sa.Column("hash", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("model", "once", name="uq_events_model_once"),
        sa.UniqueConstraint("position", name="uq_events_position"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_model_position", "events", ["model", "position"], unique=False)
    op.create_table(
        "chain",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chain"),
    )
    op.create_table(
        "models",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", "revision", name="pk_models"),
    )
    op.create_table(
        "register",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_register"),
    )


def _training() -> None:
    op.create_table(
        "runs",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_runs"),
        sa.UniqueConstraint("id", name="uq_runs_id"),
    )
    op.create_index("ix_runs_model_started_at", "runs", ["model", "started_at"], unique=False)
    op.create_index("ix_runs_parent_started_at", "runs", ["parent", "started_at"], unique=False)
    op.create_table(
        "metrics",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("run", NUMBER, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("nan", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name="fk_metrics_run"),
        sa.PrimaryKeyConstraint("number", name="pk_metrics"),
        sa.UniqueConstraint("run", "key", name="uq_metrics_run_key"),
    )
    op.create_table(
        "metric_points",
        sa.Column("metric", NUMBER, nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("nan", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["metric"], ["metrics.number"], name="fk_metric_points_metric"),
        sa.PrimaryKeyConstraint("metric", "step", "at", "value", "nan", name="pk_metric_points"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "snapshots",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("as_of", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "model", "as_of", name="pk_snapshots"),
    )
    op.create_index("ix_snapshots_model_as_of", "snapshots", ["model", "as_of"], unique=False)
    op.create_table(
        "steps",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_steps"),
    )


def _serving() -> None:
    op.create_table(
        "versions",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Text(), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("model", "number", name="pk_versions"),
        sa.UniqueConstraint("model", "attempt", name="uq_versions_model_attempt"),
    )
    op.create_index("ix_versions_snapshot", "versions", ["snapshot"], unique=False)
    op.create_table(
        "aliases",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "number"], ["versions.model", "versions.number"], name="fk_aliases_model_number"
        ),
        sa.PrimaryKeyConstraint("model", "alias", name="pk_aliases"),
    )
    op.create_table(
        "deployments",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("model", name="pk_deployments"),
    )


def _monitoring() -> None:
    op.create_table(
        "evaluations",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("until", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_evaluations"),
        sa.UniqueConstraint(
            "model", "version", "since", "until", "at", name="uq_evaluations_model_version_since_until_at"
        ),
    )
    op.create_index("ix_evaluations_model_until", "evaluations", ["model", "until"], unique=False)
    op.create_table(
        "drift_reports",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("until", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_drift_reports"),
        sa.UniqueConstraint("model", "version", "since", "until", name="uq_drift_reports_model_version_since_until"),
    )
    op.create_index("ix_drift_reports_model_until", "drift_reports", ["model", "until"], unique=False)
    op.create_table(
        "service_health",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("until", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_service_health"),
    )
    op.create_index("ix_service_health_model_until", "service_health", ["model", "until"], unique=False)
    op.create_table(
        "incidents",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.Text(), nullable=False),
        sa.Column("open_fingerprint", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_incidents"),
        sa.UniqueConstraint("id", name="uq_incidents_id"),
        sa.UniqueConstraint("model", "open_fingerprint", name="uq_incidents_model_open_fingerprint"),
    )
    op.create_index("ix_incidents_opened_at", "incidents", ["opened_at"], unique=False)


def _prediction_log() -> None:
    op.create_table(
        "prediction_parts",
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("first", sa.Text(), nullable=False),
        sa.Column("last", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_prediction_parts"),
    )
    op.create_index("ix_prediction_parts_model_last", "prediction_parts", ["model", "last"], unique=False)
    op.create_index("ix_prediction_parts_segment", "prediction_parts", ["segment"], unique=False)
    op.create_table(
        "segment_progress",
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("segment", name="pk_segment_progress"),
    )
    op.create_table(
        "retired_files",
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("retired_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_retired_files"),
    )
    op.create_table(
        "outcome_parts",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.Text(), nullable=False),
        sa.Column("first_observed", sa.Text(), nullable=False),
        sa.Column("last_observed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_outcome_parts"),
        sa.UniqueConstraint("path", name="uq_outcome_parts_path"),
    )
    op.create_index("ix_outcome_parts_model_received_at", "outcome_parts", ["model", "received_at"], unique=False)
    op.create_table(
        "joined_parts",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("joined_at", sa.Text(), nullable=False),
        sa.Column("first", sa.Text(), nullable=False),
        sa.Column("last", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_joined_parts"),
        sa.UniqueConstraint("path", name="uq_joined_parts_path"),
    )
    op.create_index("ix_joined_parts_model_last", "joined_parts", ["model", "last"], unique=False)
