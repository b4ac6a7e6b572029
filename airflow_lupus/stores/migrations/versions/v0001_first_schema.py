"""The first schema: datasets, series, points with their revisions, verdicts and the outbox. The view is made anew by the newest version."""

from __future__ import annotations

import sqlalchemy as sa

from airflow_lupus.stores.migrations.operations import ID, TEXT, create_index, create_table, named, references

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_table(
        "datasets",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=250), nullable=False),
        sa.Column("dag_id", sa.String(length=250), nullable=False, comment="the DAG that owns it"),
        sa.Column("shared", sa.SmallInteger(), nullable=False),
        sa.Column("grain", sa.String(length=10), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=250), nullable=True),
        sa.Column("runbook", TEXT, nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False, comment="counts the transactions that changed points"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    create_table(
        "parameter_sets",
        sa.Column("id", ID, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("detector", sa.String(length=50), nullable=False),
        sa.Column("parameters", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
    )
    create_table(
        "annotations",
        sa.Column("id", ID, nullable=False),
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            [references("datasets")],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    create_index("annotations_of", "annotations", ["dataset_id", "start"])
    create_table(
        "definitions",
        sa.Column("id", ID, nullable=False),
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("task_id", sa.String(length=250), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("spec", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            [references("datasets")],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("dataset_id", "dag_id", "task_id", "hash", name=named("definitions_key")),
        comment="what collect tasks say of their series beyond the series' identity: source, filter, time column",
    )
    create_table(
        "deliveries",
        sa.Column("id", ID, nullable=False),
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("task_id", sa.String(length=250), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False, comment="hash of the callback: class and arguments"),
        sa.Column("first_start", sa.BigInteger(), nullable=False),
        sa.Column("last_end", sa.BigInteger(), nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False, comment="pending, sending, sent, logged or failed"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("error", TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            [references("datasets")],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("dataset_id", "dag_id", "task_id", "destination", "first_start", "last_end", name=named("deliveries_key")),
        comment="the outbox: what is to be told, and whether it was",
    )
    create_table(
        "slots",
        sa.Column("id", ID, nullable=False),
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("task_id", sa.String(length=250), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False, comment="pattern and detector, stable while parameters change"),
        sa.Column("judged_revision", sa.BigInteger(), nullable=False, comment="all of the dataset's changes up to here are judged"),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            [references("datasets")],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("dataset_id", "dag_id", "task_id", "name", name=named("slots_key")),
        comment="one detector in one detect task",
    )
    create_table(
        "measurements",
        sa.Column("id", ID, nullable=False),
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("definition_id", ID, nullable=False),
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("task_id", sa.String(length=250), nullable=False),
        sa.Column("run_id", sa.String(length=250), nullable=False),
        sa.Column("map_index", sa.Integer(), nullable=False),
        sa.Column("try_number", sa.Integer(), nullable=False),
        sa.Column("first_start", sa.BigInteger(), nullable=False, comment="start of the first period"),
        sa.Column("last_end", sa.BigInteger(), nullable=False, comment="end of the last period"),
        sa.Column("collected_at", sa.BigInteger(), nullable=False),
        sa.Column("rows_read", sa.BigInteger(), nullable=True),
        sa.Column("bytes_read", sa.BigInteger(), nullable=True),
        sa.Column("points_changed", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            [references("datasets")],
        ),
        sa.ForeignKeyConstraint(
            ["definition_id"],
            [references("definitions")],
        ),
        sa.PrimaryKeyConstraint("id"),
        comment="one line for every collect task that committed",
    )
    create_table(
        "series",
        sa.Column("id", ID, nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False, comment="SHA-256 of the canonical JSON of all that makes it itself"),
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("definition_id", ID, nullable=False),
        sa.Column("column_name", sa.String(length=250), nullable=False),
        sa.Column("metric", sa.String(length=250), nullable=False),
        sa.Column("dimensions", TEXT, nullable=False, comment="canonical JSON object"),
        sa.Column("dimension_names", TEXT, nullable=False, comment="canonical JSON array: what the series is grouped by"),
        sa.Column("level", sa.String(length=5), nullable=False),
        sa.Column("grain", sa.String(length=10), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("unit", sa.String(length=50), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            [references("datasets")],
        ),
        sa.ForeignKeyConstraint(
            ["definition_id"],
            [references("definitions")],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("identity"),
    )
    create_index("series_of_metric", "series", ["dataset_id", "column_name", "metric"])
    create_table(
        "latest",
        sa.Column("series_id", ID, autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=True, comment="of its worst verdict; NULL: not judged"),
        sa.ForeignKeyConstraint(
            ["series_id"],
            [references("series")],
        ),
        sa.PrimaryKeyConstraint("series_id"),
        comment="the newest point of every series, so that the overview reads one small table",
    )
    create_table(
        "periods",
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("grain", sa.String(length=10), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("absent_groups", TEXT, nullable=False, comment="canonical JSON array of the known groups that had no row"),
        sa.Column("measurement_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            [references("datasets")],
        ),
        sa.ForeignKeyConstraint(
            ["measurement_id"],
            [references("measurements")],
        ),
        sa.PrimaryKeyConstraint("dataset_id", "grain", "timezone", "start"),
        comment="the arrival calendar",
    )
    create_table(
        "point_revisions",
        sa.Column("series_id", ID, autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "revision",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="the dataset's revision that replaced or retracted it",
        ),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("n", sa.BigInteger(), nullable=True),
        sa.Column("measurement_id", ID, nullable=False, comment="that had measured it"),
        sa.Column("replaced_at", sa.BigInteger(), nullable=False),
        sa.Column("retracted", sa.SmallInteger(), nullable=False, comment="1: the later measurement had no such point"),
        sa.ForeignKeyConstraint(
            ["measurement_id"],
            [references("measurements")],
        ),
        sa.ForeignKeyConstraint(
            ["series_id"],
            [references("series")],
        ),
        sa.PrimaryKeyConstraint("series_id", "start", "revision"),
        comment="what was known before",
        sqlite_with_rowid=False,
    )
    create_table(
        "points",
        sa.Column("series_id", ID, autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("n", sa.BigInteger(), nullable=True, comment="rows behind the value"),
        sa.Column("revision", sa.BigInteger(), nullable=False, comment="the dataset's revision that wrote it"),
        sa.Column("measurement_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["measurement_id"],
            [references("measurements")],
        ),
        sa.ForeignKeyConstraint(
            ["series_id"],
            [references("series")],
        ),
        sa.PrimaryKeyConstraint("series_id", "start"),
        sqlite_with_rowid=False,
    )
    create_table(
        "verdicts",
        sa.Column("series_id", ID, autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slot_id", ID, autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("expected", sa.Double(), nullable=True),
        sa.Column("lower", sa.Double(), nullable=True),
        sa.Column("upper", sa.Double(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True, comment="signed distance from expected in standard deviations"),
        sa.Column("severity", sa.SmallInteger(), nullable=False, comment="0: not an anomaly"),
        sa.Column("reason", sa.SmallInteger(), nullable=False),
        sa.Column("history", sa.Integer(), nullable=False, comment="points it saw"),
        sa.Column("history_end", sa.BigInteger(), nullable=True, comment="start of the newest of them"),
        sa.Column("parameter_set_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["parameter_set_id"],
            [references("parameter_sets")],
        ),
        sa.ForeignKeyConstraint(
            ["series_id"],
            [references("series")],
        ),
        sa.ForeignKeyConstraint(
            ["slot_id"],
            [references("slots")],
        ),
        sa.PrimaryKeyConstraint("series_id", "start", "slot_id"),
        sqlite_with_rowid=False,
    )
    create_index("verdicts_anomalous", "verdicts", ["severity", "start"])
