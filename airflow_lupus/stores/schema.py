"""The store's tables, as this version of the package reads and writes them. Migrations bring a database here.

Instants are whole seconds since 1970-01-01 UTC in BIGINT columns: every database compares and indexes those alike. Small enumerations
are small integers, see `airflow_lupus.model`. Nothing is ever told apart by NULL in a key.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

PREFIX = "lupus_"
VERSION_TABLE = f"{PREFIX}schema_version"

metadata = MetaData()
# SQLite counts up only a primary key that is declared INTEGER, and it has no other size.
_Id = BigInteger().with_variant(Integer, "sqlite")
_Name = String(250)

datasets = Table(
    f"{PREFIX}datasets",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", _Name, nullable=False, unique=True),
    Column("dag_id", _Name, nullable=False, comment="the DAG that owns it"),
    Column("shared", SmallInteger, nullable=False, default=0),
    Column("grain", String(10), nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("owner", _Name),
    Column("runbook", Text),
    Column("revision", BigInteger, nullable=False, default=0, comment="counts the transactions that changed points"),
)

definitions = Table(
    f"{PREFIX}definitions",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("dataset_id", _Id, ForeignKey(datasets.c.id), nullable=False),
    Column("dag_id", _Name, nullable=False),
    Column("task_id", _Name, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("spec", Text, nullable=False),
    UniqueConstraint("dataset_id", "dag_id", "task_id", "hash", name=f"{PREFIX}definitions_key"),
    comment="what collect tasks say of their series beyond the series' identity: source, filter, time column",
)

measurements = Table(
    f"{PREFIX}measurements",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("dataset_id", _Id, ForeignKey(datasets.c.id), nullable=False),
    Column("definition_id", _Id, ForeignKey(definitions.c.id), nullable=False),
    Column("dag_id", _Name, nullable=False),
    Column("task_id", _Name, nullable=False),
    Column("run_id", _Name, nullable=False),
    Column("map_index", Integer, nullable=False),
    Column("try_number", Integer, nullable=False),
    Column("first_start", BigInteger, nullable=False, comment="start of the first period"),
    Column("last_end", BigInteger, nullable=False, comment="end of the last period"),
    Column("collected_at", BigInteger, nullable=False),
    Column("rows_read", BigInteger),
    Column("bytes_read", BigInteger),
    Column("points_changed", BigInteger, nullable=False),
    comment="one line for every collect task that committed",
)

series = Table(
    f"{PREFIX}series",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("identity", String(64), nullable=False, unique=True, comment="SHA-256 of the canonical JSON of all that makes it itself"),
    Column("dataset_id", _Id, ForeignKey(datasets.c.id), nullable=False),
    Column("definition_id", _Id, ForeignKey(definitions.c.id), nullable=False),
    Column("column_name", _Name, nullable=False),
    Column("metric", _Name, nullable=False),
    Column("dimensions", Text, nullable=False, comment="canonical JSON object"),
    Column("dimension_names", Text, nullable=False, comment="canonical JSON array: what the series is grouped by"),
    Column("level", String(5), nullable=False),
    Column("grain", String(10), nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("unit", String(50)),
    Index(f"{PREFIX}series_of_metric", "dataset_id", "column_name", "metric"),
)

periods = Table(
    f"{PREFIX}periods",
    metadata,
    Column("dataset_id", _Id, ForeignKey(datasets.c.id), primary_key=True),
    Column("grain", String(10), primary_key=True),
    Column("timezone", String(64), primary_key=True),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("end", BigInteger, nullable=False),
    Column("status", String(10), nullable=False),
    Column("rows", BigInteger),
    Column("reason", Text),
    Column("absent_groups", Text, nullable=False, comment="canonical JSON array of the known groups that had no row"),
    Column("measurement_id", _Id, ForeignKey(measurements.c.id), nullable=False),
    comment="the arrival calendar",
)

points = Table(
    f"{PREFIX}points",
    metadata,
    Column("series_id", _Id, ForeignKey(series.c.id), primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("end", BigInteger, nullable=False),
    Column("value", Double),
    Column("status", SmallInteger, nullable=False),
    Column("reason", Text),
    Column("n", BigInteger, comment="rows behind the value"),
    Column("revision", BigInteger, nullable=False, comment="the dataset's revision that wrote it"),
    Column("measurement_id", _Id, ForeignKey(measurements.c.id), nullable=False),
    sqlite_with_rowid=False,
)

point_revisions = Table(
    f"{PREFIX}point_revisions",
    metadata,
    Column("series_id", _Id, ForeignKey(series.c.id), primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column(
        "revision",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="the dataset's revision that replaced or retracted it",
    ),
    Column("value", Double),
    Column("status", SmallInteger, nullable=False),
    Column("reason", Text),
    Column("n", BigInteger),
    Column("measurement_id", _Id, ForeignKey(measurements.c.id), nullable=False, comment="that had measured it"),
    Column("replaced_at", BigInteger, nullable=False),
    Column("retracted", SmallInteger, nullable=False, comment="1: the later measurement had no such point"),
    comment="what was known before",
    sqlite_with_rowid=False,
)

parameter_sets = Table(
    f"{PREFIX}parameter_sets",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("detector", String(50), nullable=False),
    Column("parameters", Text, nullable=False),
)

slots = Table(
    f"{PREFIX}slots",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("dataset_id", _Id, ForeignKey(datasets.c.id), nullable=False),
    Column("dag_id", _Name, nullable=False),
    Column("task_id", _Name, nullable=False),
    Column("name", String(100), nullable=False, comment="pattern and detector, stable while parameters change"),
    Column("judged_revision", BigInteger, nullable=False, comment="all of the dataset's changes up to here are judged"),
    UniqueConstraint("dataset_id", "dag_id", "task_id", "name", name=f"{PREFIX}slots_key"),
    comment="one detector in one detect task",
)

verdicts = Table(
    f"{PREFIX}verdicts",
    metadata,
    Column("series_id", _Id, ForeignKey(series.c.id), primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("slot_id", _Id, ForeignKey(slots.c.id), primary_key=True, autoincrement=False),
    Column("value", Double),
    Column("expected", Double),
    Column("lower", Double),
    Column("upper", Double),
    Column("score", Double, comment="signed distance from expected in standard deviations"),
    Column("severity", SmallInteger, nullable=False, comment="0: not an anomaly"),
    Column("reason", SmallInteger, nullable=False),
    Column("history", Integer, nullable=False, comment="points it saw"),
    Column("history_end", BigInteger, comment="start of the newest of them"),
    Column("parameter_set_id", _Id, ForeignKey(parameter_sets.c.id), nullable=False),
    Index(f"{PREFIX}verdicts_anomalous", "severity", "start"),
    sqlite_with_rowid=False,
)

latest = Table(
    f"{PREFIX}latest",
    metadata,
    Column("series_id", _Id, ForeignKey(series.c.id), primary_key=True, autoincrement=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("value", Double),
    Column("status", SmallInteger, nullable=False),
    Column("severity", SmallInteger, comment="of its worst verdict; NULL: not judged"),
    comment="the newest point of every series, so that the overview reads one small table",
)

deliveries = Table(
    f"{PREFIX}deliveries",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("dataset_id", _Id, ForeignKey(datasets.c.id), nullable=False),
    Column("dag_id", _Name, nullable=False),
    Column("task_id", _Name, nullable=False),
    Column("destination", String(64), nullable=False, comment="hash of the callback: class and arguments"),
    Column("first_start", BigInteger, nullable=False),
    Column("last_end", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("state", String(10), nullable=False, comment="pending, sending, sent, logged or failed"),
    Column("attempts", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("error", Text),
    UniqueConstraint("dataset_id", "dag_id", "task_id", "destination", "first_start", "last_end", name=f"{PREFIX}deliveries_key"),
    comment="the outbox: what is to be told, and whether it was",
)

dataset_annotations = Table(
    f"{PREFIX}annotations",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("dataset_id", _Id, ForeignKey(datasets.c.id), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("kind", String(30), nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index(f"{PREFIX}annotations_of", "dataset_id", "start"),
)

VIEW = f"{PREFIX}metrics"
