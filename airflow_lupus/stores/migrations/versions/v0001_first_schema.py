"""The first schema: datasets, series, points with their revisions, verdicts, the outbox, and the view for SQL users."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Epoch seconds as the database's own timestamps.
TIMESTAMPS = {
    "postgresql": "to_timestamp({})",
    "sqlite": "datetime({}, 'unixepoch')",
    "mysql": "from_unixtime({})",
    "mariadb": "from_unixtime({})",
}


def upgrade() -> None:
    op.create_table(
        "lupus_datasets",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=250), nullable=False),
        sa.Column("dag_id", sa.String(length=250), nullable=False, comment="the DAG that owns it"),
        sa.Column("shared", sa.SmallInteger(), nullable=False),
        sa.Column("grain", sa.String(length=10), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=250), nullable=True),
        sa.Column("runbook", sa.Text(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False, comment="counts the transactions that changed points"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "lupus_parameter_sets",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("detector", sa.String(length=50), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
    )
    op.create_table(
        "lupus_annotations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dataset_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["lupus_datasets.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("lupus_annotations_of", "lupus_annotations", ["dataset_id", "start"], unique=False)
    op.create_table(
        "lupus_definitions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dataset_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("task_id", sa.String(length=250), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["lupus_datasets.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("dataset_id", "dag_id", "task_id", "hash", name="lupus_definitions_key"),
        comment="what collect tasks say of their series beyond the series' identity: source, filter, time column",
    )
    op.create_table(
        "lupus_deliveries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dataset_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("task_id", sa.String(length=250), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False, comment="hash of the callback: class and arguments"),
        sa.Column("first_start", sa.BigInteger(), nullable=False),
        sa.Column("last_end", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False, comment="pending, sending, sent, logged or failed"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["lupus_datasets.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("dataset_id", "dag_id", "task_id", "destination", "first_start", "last_end", name="lupus_deliveries_key"),
        comment="the outbox: what is to be told, and whether it was",
    )
    op.create_table(
        "lupus_slots",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dataset_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("task_id", sa.String(length=250), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False, comment="pattern and detector, stable while parameters change"),
        sa.Column("judged_revision", sa.BigInteger(), nullable=False, comment="all of the dataset's changes up to here are judged"),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["lupus_datasets.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("dataset_id", "dag_id", "task_id", "name", name="lupus_slots_key"),
        comment="one detector in one detect task",
    )
    op.create_table(
        "lupus_measurements",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dataset_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("definition_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
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
            ["lupus_datasets.id"],
        ),
        sa.ForeignKeyConstraint(
            ["definition_id"],
            ["lupus_definitions.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        comment="one line for every collect task that committed",
    )
    op.create_table(
        "lupus_series",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False, comment="SHA-256 of the canonical JSON of all that makes it itself"),
        sa.Column("dataset_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("definition_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("column_name", sa.String(length=250), nullable=False),
        sa.Column("metric", sa.String(length=250), nullable=False),
        sa.Column("dimensions", sa.Text(), nullable=False, comment="canonical JSON object"),
        sa.Column("dimension_names", sa.Text(), nullable=False, comment="canonical JSON array: what the series is grouped by"),
        sa.Column("level", sa.String(length=5), nullable=False),
        sa.Column("grain", sa.String(length=10), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("unit", sa.String(length=50), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["lupus_datasets.id"],
        ),
        sa.ForeignKeyConstraint(
            ["definition_id"],
            ["lupus_definitions.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("identity"),
    )
    op.create_index("lupus_series_of_metric", "lupus_series", ["dataset_id", "column_name", "metric"], unique=False)
    op.create_table(
        "lupus_latest",
        sa.Column("series_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=True, comment="of its worst verdict; NULL: not judged"),
        sa.ForeignKeyConstraint(
            ["series_id"],
            ["lupus_series.id"],
        ),
        sa.PrimaryKeyConstraint("series_id"),
        comment="the newest point of every series, so that the overview reads one small table",
    )
    op.create_table(
        "lupus_periods",
        sa.Column("dataset_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("grain", sa.String(length=10), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("absent_groups", sa.Text(), nullable=False, comment="canonical JSON array of the known groups that had no row"),
        sa.Column("measurement_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["lupus_datasets.id"],
        ),
        sa.ForeignKeyConstraint(
            ["measurement_id"],
            ["lupus_measurements.id"],
        ),
        sa.PrimaryKeyConstraint("dataset_id", "grain", "timezone", "start"),
        comment="the arrival calendar",
    )
    op.create_table(
        "lupus_point_revisions",
        sa.Column("series_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
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
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("n", sa.BigInteger(), nullable=True),
        sa.Column("measurement_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="that had measured it"),
        sa.Column("replaced_at", sa.BigInteger(), nullable=False),
        sa.Column("retracted", sa.SmallInteger(), nullable=False, comment="1: the later measurement had no such point"),
        sa.ForeignKeyConstraint(
            ["measurement_id"],
            ["lupus_measurements.id"],
        ),
        sa.ForeignKeyConstraint(
            ["series_id"],
            ["lupus_series.id"],
        ),
        sa.PrimaryKeyConstraint("series_id", "start", "revision"),
        comment="what was known before",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lupus_points",
        sa.Column("series_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("n", sa.BigInteger(), nullable=True, comment="rows behind the value"),
        sa.Column("revision", sa.BigInteger(), nullable=False, comment="the dataset's revision that wrote it"),
        sa.Column("measurement_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["measurement_id"],
            ["lupus_measurements.id"],
        ),
        sa.ForeignKeyConstraint(
            ["series_id"],
            ["lupus_series.id"],
        ),
        sa.PrimaryKeyConstraint("series_id", "start"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lupus_verdicts",
        sa.Column("series_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("expected", sa.Double(), nullable=True),
        sa.Column("lower", sa.Double(), nullable=True),
        sa.Column("upper", sa.Double(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True, comment="signed distance from expected in standard deviations"),
        sa.Column("severity", sa.SmallInteger(), nullable=False, comment="0: not an anomaly"),
        sa.Column("reason", sa.SmallInteger(), nullable=False),
        sa.Column("history", sa.Integer(), nullable=False, comment="points it saw"),
        sa.Column("history_end", sa.BigInteger(), nullable=True, comment="start of the newest of them"),
        sa.Column("parameter_set_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["parameter_set_id"],
            ["lupus_parameter_sets.id"],
        ),
        sa.ForeignKeyConstraint(
            ["series_id"],
            ["lupus_series.id"],
        ),
        sa.ForeignKeyConstraint(
            ["slot_id"],
            ["lupus_slots.id"],
        ),
        sa.PrimaryKeyConstraint("series_id", "start", "slot_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("lupus_verdicts_anomalous", "lupus_verdicts", ["severity", "start"], unique=False)

    _create_view(op.get_bind().dialect.name)


def _create_view(dialect: str) -> None:
    end = "p.`end`" if dialect in {"mysql", "mariadb"} else 'p."end"'
    at = TIMESTAMPS.get(dialect, "{}")
    op.execute(
        f"""
        CREATE VIEW lupus_metrics AS
        SELECT d.name AS dataset, s.column_name, s.metric, s.dimensions,
               {at.format("p.start")} AS period_start, {at.format(end)} AS period_end,
               p.value,
               CASE p.status WHEN 0 THEN 'ok' WHEN 1 THEN 'undefined' WHEN 2 THEN 'nan' WHEN 3 THEN 'inf' WHEN 4 THEN '-inf'
                   ELSE 'failed' END AS status,
               {at.format("m.collected_at")} AS collected_at, m.dag_id, m.run_id
        FROM lupus_points p
        JOIN lupus_series s ON s.id = p.series_id
        JOIN lupus_datasets d ON d.id = s.dataset_id
        JOIN lupus_measurements m ON m.id = p.measurement_id
        """
    )
