"""Alembic's environment: runs the migrations on the connection that `store.migrate` gives."""

from alembic import context

from store.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    # SQLite can change tables in a transaction too; Alembic only asks to be told so.
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
