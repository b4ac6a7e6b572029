"""Alembic's environment: migrates on the connection, and in the transaction, that `database.upgrade` hands over."""

from __future__ import annotations

from alembic import context

from airflow_lupus.stores.schema import VERSION_TABLE, metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, version_table=VERSION_TABLE, transactional_ddl=True)
context.run_migrations()
