"""The `[lupus]` section of Airflow's configuration: one table that code, provider info and documentation read."""

from __future__ import annotations

from dataclasses import dataclass

SECTION = "lupus"


@dataclass(frozen=True)
class Option:
    """A setting, as `airflow config list` and the documentation describe it."""

    description: str
    type: str
    default: str
    example: str | None = None


OPTIONS = {
    "store_conn_id": Option(
        "Airflow connection of the database that keeps metrics and verdicts. Empty: SQLite in AIRFLOW_HOME, for one machine. Set, it must "
        "resolve: there is no falling back.",
        "string",
        "",
        "lupus_store",
    ),
    "store_schema": Option(
        "Schema of the store's tables; in MySQL and MariaDB, a database. Empty: the connection's own.", "string", "", "monitoring"
    ),
    "table_prefix": Option(
        "What the names of the store's tables and view begin with: up to 20 letters, digits and underscores, the first not a digit.",
        "string",
        "lupus_",
        "team_a_",
    ),
    "history_rows": Option(
        'Rows that a dataset\'s first run reads for the periods before its own (history="auto"). It goes backward, and begins no further '
        "chunk of periods once it has read so many.",
        "integer",
        "50000000",
        "1000000",
    ),
    "max_fetch_rows": Option(
        "Rows that a query of a scan may answer: groups, and for metrics per entity values. A scan with more stops with a message.",
        "integer",
        "10000000",
        "1000000",
    ),
    "duckdb_memory_limit": Option("Memory that DuckDB may take in one task before it spills to disk.", "string", "2GB", "8GB"),
    "duckdb_temp_directory": Option(
        "Folder that DuckDB spills to, on a disk with room; what it leaves there goes with the task. Empty: the system's folder for "
        "temporary files.",
        "string",
        "",
        "/mnt/scratch",
    ),
    "duckdb_threads": Option("Cores that DuckDB may use in one task.", "integer", "2", "4"),
    "spark_master": Option(
        "Spark's master where a task measures with Spark and names no connection: with local[n], n cores of the worker.",
        "string",
        "local[2]",
        "local[4]",
    ),
    "spark_driver_memory": Option(
        "Memory of Spark's driver in one task; where the master is local, all that Spark has.", "string", "2g", "8g"
    ),
}


def get(name: str) -> str:
    """The option's value, by default the one written here: the Task SDK does not know providers' defaults."""
    from airflow.sdk import conf

    return str(conf.get(SECTION, name, fallback=OPTIONS[name].default)).strip()
