"""How each database writes what the queries of a scan are made of."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_lupus.engines.dialects.database import DatabaseDialect

DATABASES = {
    "postgresql": "postgres:PostgresDialect",
    "snowflake": "transpiled:SnowflakeDialect",
    "bigquery": "transpiled:BigQueryDialect",
    "mysql": "transpiled:MySQLDialect",
    "mariadb": "transpiled:MariaDBDialect",
    "trino": "transpiled:TrinoDialect",
}
"""SQLAlchemy's name of a database that can aggregate its own tables → the dialect that it is asked in."""
PROVEN = frozenset({"postgresql"})
"""Those that have every metric, which is tested on a real server: they are chosen without being asked for."""


def database_dialect(name: str) -> type[DatabaseDialect]:
    """The dialect of a database in `DATABASES`."""
    module, class_name = DATABASES[name].split(":")
    dialect: type[DatabaseDialect] = getattr(import_module(f"{__name__}.{module}"), class_name)
    return dialect
