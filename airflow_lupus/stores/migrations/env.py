"""Alembic's environment: migrates on the connection, and in the transaction, that `database.upgrade` hands over."""

from __future__ import annotations

from alembic import context

attributes = context.config.attributes
tables = attributes["tables"]
context.configure(
    connection=attributes["connection"],
    target_metadata=tables.metadata,
    version_table=tables.version_table,
    version_table_schema=tables.metadata.schema,
    transactional_ddl=True,
)
context.run_migrations()
