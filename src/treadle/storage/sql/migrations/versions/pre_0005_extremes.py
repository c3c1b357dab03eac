"""Orders by the least and the greatest value of a metric go along an index."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the indexes."""
    for column in ("least", "greatest"):
        op.create_index(f"ix_run_metrics_key_{column}_run", "run_metrics", ["key", column, "run"], unique=False)
