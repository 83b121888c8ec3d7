"""Alembic's entry: runs on the connection that service.database.migrate hands over."""

from alembic import context

from service.tables import metadata

connection = context.config.attributes["connection"]
# render_as_batch: SQLite changes a column by rebuilding its table.
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=False)
context.run_migrations()
