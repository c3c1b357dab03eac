"""Runs migrations on the connection, and in the transaction, that the caller holds."""

from alembic import context

from treadle.storage.sql.registered import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.logged_models.metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
