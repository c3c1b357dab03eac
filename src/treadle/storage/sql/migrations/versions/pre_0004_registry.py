"""The registry that clients of MLflow see, with the versions of before in it; logged models."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PLAIN = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables, and show in them the versions that are there."""
    _models()
    _versions()
    _logged()
    _fill(op.get_bind())


def _models() -> None:
    op.create_table(
        "registered_models",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("name", PLAIN, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("owned", sa.Boolean(), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_registered_models"),
        sa.UniqueConstraint("name", name="uq_registered_models_name"),
    )
    op.create_table(
        "registered_model_tags",
        sa.Column("model", NUMBER, nullable=False),
        sa.Column("key", PLAIN, nullable=False),
        sa.Column("value", PLAIN, nullable=False),
        sa.ForeignKeyConstraint(["model"], ["registered_models.number"], name="fk_registered_model_tags_model"),
        sa.PrimaryKeyConstraint("model", "key", name="pk_registered_model_tags"),
    )


def _versions() -> None:
    op.create_table(
        "registered_versions",
        sa.Column("model", NUMBER, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("source", PLAIN, nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("run", PLAIN, nullable=True),
        sa.Column("run_link", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("model_id", sa.Text(), nullable=True),
        sa.Column("owned", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["registered_models.number"], name="fk_registered_versions_model"),
        sa.PrimaryKeyConstraint("model", "version", name="pk_registered_versions"),
    )
    op.create_index("ix_registered_versions_model_id", "registered_versions", ["model_id"], unique=False)
    op.create_index("ix_registered_versions_run", "registered_versions", ["run"], unique=False)
    op.create_index("ix_registered_versions_updated", "registered_versions", ["updated"], unique=False)
    op.create_table(
        "registered_aliases",
        sa.Column("model", NUMBER, nullable=False),
        sa.Column("alias", PLAIN, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "version"],
            ["registered_versions.model", "registered_versions.version"],
            name="fk_registered_aliases_model_version",
        ),
        sa.PrimaryKeyConstraint("model", "alias", name="pk_registered_aliases"),
    )
    op.create_table(
        "registered_version_tags",
        sa.Column("model", NUMBER, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key", PLAIN, nullable=False),
        sa.Column("value", PLAIN, nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "version"],
            ["registered_versions.model", "registered_versions.version"],
            name="fk_registered_version_tags_model_version",
        ),
        sa.PrimaryKeyConstraint("model", "version", "key", name="pk_registered_version_tags"),
    )


def _logged() -> None:
    op.create_table(
        "logged_model_metrics",
        sa.Column("model_id", PLAIN, nullable=False),
        sa.Column("key", PLAIN, nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("run", PLAIN, nullable=False),
        sa.Column("dataset_name", PLAIN, nullable=False),
        sa.Column("dataset_digest", PLAIN, nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("nan", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "model_id",
            "key",
            "timestamp",
            "step",
            "run",
            "dataset_name",
            "dataset_digest",
            name="pk_logged_model_metrics",
        ),
    )
    op.create_table(
        "logged_models",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", PLAIN, nullable=False),
        sa.Column("experiment", PLAIN, nullable=False),
        sa.Column("name", PLAIN, nullable=False),
        sa.Column("artifact_location", PLAIN, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("status_message", sa.Text(), nullable=True),
        sa.Column("model_type", PLAIN, nullable=True),
        sa.Column("source_run", PLAIN, nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_logged_models"),
        sa.UniqueConstraint("id", name="uq_logged_models_id"),
    )
    op.create_index("ix_logged_models_experiment_created", "logged_models", ["experiment", "created"], unique=False)
    op.create_index("ix_logged_models_source_run", "logged_models", ["source_run"], unique=False)
    op.create_table(
        "logged_model_params",
        sa.Column("model", NUMBER, nullable=False),
        sa.Column("key", PLAIN, nullable=False),
        sa.Column("value", PLAIN, nullable=False),
        sa.ForeignKeyConstraint(["model"], ["logged_models.number"], name="fk_logged_model_params_model"),
        sa.PrimaryKeyConstraint("model", "key", name="pk_logged_model_params"),
    )
    op.create_table(
        "logged_model_tags",
        sa.Column("model", NUMBER, nullable=False),
        sa.Column("key", PLAIN, nullable=False),
        sa.Column("value", PLAIN, nullable=False),
        sa.ForeignKeyConstraint(["model"], ["logged_models.number"], name="fk_logged_model_tags_model"),
        sa.PrimaryKeyConstraint("model", "key", name="pk_logged_model_tags"),
    )


def _fill(connection: sa.Connection) -> None:
    """The versions that the loop made, as it shows them from now on."""
    pointing: dict[str, dict[str, int]] = {}
    for row in connection.execute(sa.text("SELECT model, alias, number FROM aliases")):
        pointing.setdefault(row.model, {})[row.alias] = row.number
    models: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(sa.text("SELECT model, body FROM versions ORDER BY model, number")):
        models.setdefault(row.model, []).append(json.loads(row.body))
    for name, versions in models.items():
        times = [_millis(version["created_at"]) for version in versions]
        values = {"name": name, "created": times[0], "updated": times[-1], "last": versions[-1]["number"]}
        connection.execute(
            sa.text(
                "INSERT INTO registered_models (name, created, updated, owned, last_number) "
                "VALUES (:name, :created, :updated, :owned, :last)"
            ),
            {**values, "owned": True},
        )
        model = connection.execute(
            sa.text("SELECT number FROM registered_models WHERE name = :name"), {"name": name}
        ).scalar_one()
        aliases = pointing.get(name, {})
        for version, at in zip(versions, times, strict=True):
            _show(connection, model, version, at, aliases)
        for alias, number in aliases.items():
            connection.execute(
                sa.text("INSERT INTO registered_aliases (model, alias, version) VALUES (:model, :alias, :version)"),
                {"model": model, "alias": alias, "version": number},
            )


def _show(connection: sa.Connection, model: int, version: dict[str, Any], at: int, aliases: dict[str, int]) -> None:
    number = version["number"]
    stage = {aliases.get("challenger"): "Staging", aliases.get("champion"): "Production"}.get(number, "None")
    key = {"model": model, "version": number}
    connection.execute(
        sa.text(
            "INSERT INTO registered_versions "
            "(model, version, created, updated, source, location, stage, run, owned) "
            "VALUES (:model, :version, :at, :at, :source, '', :stage, :run, :owned)"
        ),
        {**key, "at": at, "source": f"runs:/{version['run']}", "stage": stage, "run": version["run"], "owned": True},
    )
    tags = {
        "treadle.attempt": version["attempt"],
        "treadle.recipe": version["recipe_digest"],
        "treadle.artifact": version["artifact_digest"],
        "treadle.runtime": version["compilation"]["runtime"],
    }
    if version.get("gates"):
        tags["treadle.gates"] = version["gates"]["verdict"]
    for name, value in tags.items():
        connection.execute(
            sa.text(
                "INSERT INTO registered_version_tags (model, version, key, value) "
                "VALUES (:model, :version, :key, :value)"
            ),
            {**key, "key": name, "value": value},
        )


def _millis(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
