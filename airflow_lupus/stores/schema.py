"""The store's tables, as this version of the package reads and writes them. Migrations bring a database here.

Instants are whole seconds since 1970-01-01 UTC in BIGINT columns: every database compares and indexes those alike. Small enumerations
are small integers, see `airflow_lupus.model`. Nothing is ever told apart by NULL in a key. Tables that grow with history have no foreign
keys: checking them costs more than the row itself, and they are written by this package alone, under the lock of their dataset.
"""

from __future__ import annotations

from typing import Any

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
    text,
)
from sqlalchemy.dialects.mysql import LONGTEXT

DEFAULT_PREFIX = "lupus_"
# SQLite counts up only a primary key that is declared INTEGER, and it has no other size.
_Id = BigInteger().with_variant(Integer, "sqlite")
NAME_LENGTH = 250
_IDENTITY = "SHA-256 of the canonical JSON of all that makes it itself"
_Name = String(NAME_LENGTH)
_Text = Text().with_variant(LONGTEXT, "mysql", "mariadb")
_LARGE: dict[str, Any] = {"sqlite_with_rowid": False}


class Tables:
    """The tables under a prefix, in a schema.

    :param prefix: begins the name of every table, view and index.
    :param schema: the database schema (in MariaDB: database) that they are in; None: the connection's own.
    """

    def __init__(self, prefix: str = DEFAULT_PREFIX, schema: str | None = None) -> None:
        self.prefix = prefix
        self.metadata = MetaData(schema=schema)
        self.version_table = f"{prefix}schema_version"
        self.view = f"{prefix}metrics"
        self.datasets = Table(
            f"{prefix}datasets",
            self.metadata,
            Column("id", _Id, primary_key=True),
            Column("name", _Name, nullable=False, unique=True),
            Column("dag_id", _Name, nullable=False, comment="the DAG that owns it"),
            Column("shared", SmallInteger, nullable=False, default=0),
            Column("grain", String(10), nullable=False),
            Column("timezone", String(64), nullable=False),
            Column("owner", _Name),
            Column("runbook", _Text),
            Column("revision", BigInteger, nullable=False, default=0, comment="counts the transactions that changed points"),
            Column("changes_from", BigInteger, nullable=False, default=0, comment="later changes are all in lupus_changes"),
            Column("retention", _Text, comment="JSON object: days to keep, by what is kept"),
            Column("pruned_before", BigInteger, comment="points that start before this were pruned; NULL: none were"),
            Column("retired_at", BigInteger, comment="when somebody said that it is no more; NULL: in use"),
            Column("choice", _Text, comment="JSON object: the source's columns when it was chosen, and what is measured of them"),
        )

        self.definitions = Table(
            f"{prefix}definitions",
            self.metadata,
            Column("id", _Id, primary_key=True),
            Column("dataset_id", _Id, ForeignKey(self.datasets.c.id), nullable=False),
            Column("dag_id", _Name, nullable=False),
            Column("task_id", _Name, nullable=False),
            Column("hash", String(64), nullable=False),
            Column("spec", _Text, nullable=False),
            UniqueConstraint("dataset_id", "dag_id", "task_id", "hash", name=f"{prefix}definitions_key"),
            comment="what collect tasks say of their series beyond the series' identity: source, filter, time column",
        )

        self.measurements = Table(
            f"{prefix}measurements",
            self.metadata,
            Column("id", _Id, primary_key=True),
            Column("dataset_id", _Id, ForeignKey(self.datasets.c.id), nullable=False),
            Column("definition_id", _Id, ForeignKey(self.definitions.c.id), nullable=False),
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
            Column("origin", String(10), nullable=False, comment="run, history, backfill, import or roll_up"),
            Index(f"{prefix}measurements_of_run", "dataset_id", "dag_id", "run_id"),
            comment="one line for every collect task that committed",
        )

        self.series = Table(
            f"{prefix}series",
            self.metadata,
            Column("id", _Id, primary_key=True),
            Column("identity", String(64), nullable=False, unique=True, comment=_IDENTITY),
            Column("dataset_id", _Id, ForeignKey(self.datasets.c.id), nullable=False),
            Column("definition_id", _Id, ForeignKey(self.definitions.c.id), nullable=False),
            Column("column_name", _Name, nullable=False),
            Column("metric", _Name, nullable=False),
            Column("dimensions", _Text, nullable=False, comment="canonical JSON object"),
            Column("dimension_names", _Text, nullable=False, comment="canonical JSON array: what the series is grouped by"),
            Column("level", String(5), nullable=False),
            Column("grain", String(10), nullable=False),
            Column("timezone", String(64), nullable=False),
            Column("kind", String(20), nullable=False),
            Column("unit", String(50)),
            Column("retired_at", BigInteger, comment="when somebody said that it is no more; NULL: in use"),
            Index(f"{prefix}series_of_metric", "dataset_id", "column_name", "metric"),
        )

        self.periods = Table(
            f"{prefix}periods",
            self.metadata,
            Column("dataset_id", _Id, ForeignKey(self.datasets.c.id), primary_key=True),
            Column("grain", String(10), primary_key=True),
            Column("timezone", String(64), primary_key=True),
            Column("start", BigInteger, primary_key=True, autoincrement=False),
            Column("end", BigInteger, nullable=False),
            Column("status", String(10), nullable=False),
            Column("rows", BigInteger),
            Column("reason", _Text),
            Column("absent_groups", _Text, nullable=False, comment="canonical JSON array of the known groups that had no row"),
            Column("measurement_id", _Id, ForeignKey(self.measurements.c.id), nullable=False),
            comment="the arrival calendar",
        )

        self.points = Table(
            f"{prefix}points",
            self.metadata,
            # In this order PostgreSQL wastes no byte on alignment.
            Column("series_id", BigInteger, primary_key=True, autoincrement=False),
            Column("start", BigInteger, primary_key=True, autoincrement=False),
            Column("value", Double),
            Column("n", BigInteger, comment="rows behind the value"),
            Column("measurement_id", BigInteger, nullable=False),
            Column("seconds", Integer, nullable=False, comment="length of the period"),
            Column("status", SmallInteger, nullable=False),
            Column("reason", _Text),
            **_LARGE,
        )

        self.point_revisions = Table(
            f"{prefix}point_revisions",
            self.metadata,
            Column("series_id", BigInteger, primary_key=True, autoincrement=False),
            Column("start", BigInteger, primary_key=True, autoincrement=False),
            Column(
                "revision",
                BigInteger,
                primary_key=True,
                autoincrement=False,
                comment="the dataset's revision that replaced or retracted it",
            ),
            Column("value", Double),
            Column("n", BigInteger),
            Column("measurement_id", BigInteger, nullable=False, comment="that had measured it"),
            Column("replaced_at", BigInteger, nullable=False),
            Column("replaced_by", BigInteger, nullable=False, comment="the measurement that replaced or retracted it"),
            Column("seconds", Integer, nullable=False),
            Column("status", SmallInteger, nullable=False),
            Column("retracted", SmallInteger, nullable=False, comment="1: the later measurement had no such point"),
            Column("reason", _Text),
            comment="what was known before",
            **_LARGE,
        )

        self.partials = Table(
            f"{prefix}partials",
            self.metadata,
            Column("dataset_id", BigInteger, primary_key=True, autoincrement=False),
            Column("grain", String(10), primary_key=True),
            Column("timezone", String(64), primary_key=True),
            Column("start", BigInteger, primary_key=True, autoincrement=False),
            Column("identity", String(64), primary_key=True, comment="SHA-256 of column, metrics, dimensions and level"),
            Column("column_name", _Name, nullable=False),
            Column("metrics", _Text, nullable=False, comment="canonical JSON array: what it is for"),
            Column("dimensions", _Text, nullable=False, comment="canonical JSON object"),
            Column("level", String(5), nullable=False),
            Column("state", _Text, nullable=False, comment="canonical JSON object: primitives of the group's rows, by name"),
            Column("measurement_id", BigInteger, nullable=False),
            comment="what merges into the points of longer periods",
            **_LARGE,
        )

        self.changes = Table(
            f"{prefix}changes",
            self.metadata,
            Column("dataset_id", BigInteger, primary_key=True, autoincrement=False),
            Column("revision", BigInteger, primary_key=True, autoincrement=False),
            Column("series_id", BigInteger, primary_key=True, autoincrement=False),
            Column("start", BigInteger, nullable=False, comment="of the earliest point that came, changed or went"),
            comment="what detectors have yet to look at; emptied as they do",
            **_LARGE,
        )

        self.parameter_sets = Table(
            f"{prefix}parameter_sets",
            self.metadata,
            Column("id", _Id, primary_key=True),
            Column("hash", String(64), nullable=False, unique=True),
            Column("detector", String(50), nullable=False),
            Column("parameters", _Text, nullable=False),
        )

        self.slots = Table(
            f"{prefix}slots",
            self.metadata,
            Column("id", _Id, primary_key=True),
            Column("dataset_id", _Id, ForeignKey(self.datasets.c.id), nullable=False),
            Column("dag_id", _Name, nullable=False),
            Column("task_id", _Name, nullable=False),
            Column("name", String(100), nullable=False, comment="pattern and detector, stable while parameters change"),
            Column("judged_revision", BigInteger, nullable=False, comment="all of the dataset's changes up to here are judged"),
            Column("judged_at", BigInteger, nullable=False, default=0),
            UniqueConstraint("dataset_id", "dag_id", "task_id", "name", name=f"{prefix}slots_key"),
            comment="one detector in one detect task",
        )

        self.verdicts = Table(
            f"{prefix}verdicts",
            self.metadata,
            Column("series_id", BigInteger, primary_key=True, autoincrement=False),
            Column("start", BigInteger, primary_key=True, autoincrement=False),
            Column("slot_id", Integer, primary_key=True, autoincrement=False),
            Column("parameter_set_id", Integer, nullable=False),
            Column("value", Double),
            Column("expected", Double),
            Column("lower", Double),
            Column("upper", Double),
            Column("score", Double, comment="signed distance from expected in standard deviations"),
            Column("history_end", BigInteger, comment="start of the newest point it saw"),
            Column("history", Integer, nullable=False, comment="points it saw"),
            Column("severity", SmallInteger, nullable=False, comment="0: not an anomaly"),
            Column("reason", SmallInteger, nullable=False),
            # Where the database can, only anomalies are indexed: ordinary verdicts are many and looked up by series. It has all that
            # counting anomalies takes.
            Index(
                f"{prefix}verdicts_anomalous",
                *("severity", "start", "series_id", "score"),
                postgresql_where=text("severity > 0"),
                sqlite_where=text("severity > 0"),
            ),
            **_LARGE,
        )

        self.latest = Table(
            f"{prefix}latest",
            self.metadata,
            Column("series_id", BigInteger, primary_key=True, autoincrement=False),
            Column("start", BigInteger, nullable=False),
            Column("value", Double),
            Column("seconds", Integer, nullable=False),
            Column("status", SmallInteger, nullable=False),
            Column("severity", SmallInteger, comment="of its worst verdict; NULL: not judged"),
            comment="the newest point of every series, so that the overview reads one small table",
            **_LARGE,
        )

        self.deliveries = Table(
            f"{prefix}deliveries",
            self.metadata,
            Column("id", _Id, primary_key=True),
            Column("dataset_id", _Id, ForeignKey(self.datasets.c.id), nullable=False),
            Column("dag_id", _Name, nullable=False),
            Column("task_id", _Name, nullable=False),
            Column("destination", String(64), nullable=False, comment="hash of the callback: class and arguments"),
            Column("first_start", BigInteger, nullable=False),
            Column("last_end", BigInteger, nullable=False),
            Column("digest", _Text, nullable=False),
            Column("state", String(10), nullable=False, comment="pending, sending, sent, logged or failed"),
            Column("attempts", Integer, nullable=False),
            Column("created_at", BigInteger, nullable=False),
            Column("changed_at", BigInteger, nullable=False),
            Column("error", _Text),
            UniqueConstraint("dataset_id", "dag_id", "task_id", "destination", "first_start", "last_end", name=f"{prefix}deliveries_key"),
            comment="the outbox: what is to be told, and whether it was",
        )

        self.annotations = Table(
            f"{prefix}annotations",
            self.metadata,
            Column("id", _Id, primary_key=True),
            Column("dataset_id", _Id, ForeignKey(self.datasets.c.id), nullable=False),
            Column("start", BigInteger, nullable=False),
            Column("kind", String(30), nullable=False),
            Column("text", _Text, nullable=False),
            Column("created_at", BigInteger, nullable=False),
            Index(f"{prefix}annotations_of", "dataset_id", "start"),
        )
