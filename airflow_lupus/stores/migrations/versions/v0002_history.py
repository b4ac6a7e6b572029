"""History that is large: smaller rows without foreign keys, a table of changes instead of a revision in every point, retention,
retired series, and where a measurement comes from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_lupus.stores.migrations.operations import (
    TEXT,
    add_columns,
    columns_of,
    create_index,
    create_table,
    create_view,
    drop_view,
    full_name,
    rebuild,
)

revision = "0002"
down_revision = "0001"


def _key(name: str, type_: sa.types.TypeEngine[int] | None = None, comment: str | None = None) -> sa.Column[int]:
    return sa.Column(name, type_ or sa.BigInteger(), nullable=False, autoincrement=False, comment=comment)


def upgrade() -> None:
    drop_view()  # it stands in the way of the tables behind it
    add_columns(
        "datasets",
        sa.Column("changes_from", sa.BigInteger(), nullable=False, server_default="0", comment="later changes are all in lupus_changes"),
        sa.Column("retention", TEXT, comment="JSON object: days to keep, by what is kept"),
        sa.Column("pruned_before", sa.BigInteger(), comment="points that start before this were pruned; NULL: none were"),
        sa.Column("retired_at", sa.BigInteger(), comment="when somebody said that it is no more; NULL: in use"),
    )
    add_columns("series", sa.Column("retired_at", sa.BigInteger(), comment="when somebody said that it is no more; NULL: in use"))
    add_columns("slots", sa.Column("judged_at", sa.BigInteger(), nullable=False, server_default="0"))
    origin = "run, history, backfill, import or roll_up"
    add_columns("measurements", sa.Column("origin", sa.String(10), nullable=False, server_default="run", comment=origin))
    create_index("measurements_of_run", "measurements", ["dataset_id", "dag_id", "run_id"])
    create_table(
        "changes",
        _key("dataset_id"),
        _key("revision"),
        _key("series_id"),
        sa.Column("start", sa.BigInteger(), nullable=False, comment="of the earliest point that came, changed or went"),
        sa.PrimaryKeyConstraint("dataset_id", "revision", "series_id"),
        sqlite_with_rowid=False,
        comment="what detectors have yet to look at; emptied as they do",
    )
    create_table(
        "partials",
        _key("dataset_id"),
        sa.Column("grain", sa.String(10), nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        _key("start"),
        sa.Column("identity", sa.String(64), nullable=False, comment="SHA-256 of column, metrics, dimensions and level"),
        sa.Column("column_name", sa.String(250), nullable=False),
        sa.Column("metrics", TEXT, nullable=False, comment="canonical JSON array: what it is for"),
        sa.Column("dimensions", TEXT, nullable=False, comment="canonical JSON object"),
        sa.Column("level", sa.String(5), nullable=False),
        sa.Column("state", TEXT, nullable=False, comment="canonical JSON object: primitives of the group's rows, by name"),
        sa.Column("measurement_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", "grain", "timezone", "start", "identity"),
        sqlite_with_rowid=False,
        comment="what merges into the points of longer periods",
    )
    if "revision" in columns_of("points"):
        _remember_changes()
    rebuild(
        "points",
        [
            _key("series_id"),
            _key("start"),
            sa.Column("value", sa.Double()),
            sa.Column("n", sa.BigInteger(), comment="rows behind the value"),
            sa.Column("measurement_id", sa.BigInteger(), nullable=False),
            sa.Column("seconds", sa.Integer(), nullable=False, comment="length of the period"),
            sa.Column("status", sa.SmallInteger(), nullable=False),
            sa.Column("reason", TEXT),
        ],
        ["series_id", "start"],
        "SELECT series_id, start, value, n, measurement_id, {end} - start, status, reason FROM {old}",
    )
    rebuild(
        "point_revisions",
        [
            _key("series_id"),
            _key("start"),
            _key("revision", comment="the dataset's revision that replaced or retracted it"),
            sa.Column("value", sa.Double()),
            sa.Column("n", sa.BigInteger()),
            sa.Column("measurement_id", sa.BigInteger(), nullable=False, comment="that had measured it"),
            sa.Column("replaced_at", sa.BigInteger(), nullable=False),
            sa.Column("replaced_by", sa.BigInteger(), nullable=False, comment="the measurement that replaced or retracted it"),
            sa.Column("seconds", sa.Integer(), nullable=False),
            sa.Column("status", sa.SmallInteger(), nullable=False),
            sa.Column("retracted", sa.SmallInteger(), nullable=False, comment="1: the later measurement had no such point"),
            sa.Column("reason", TEXT),
        ],
        ["series_id", "start", "revision"],
        # The first schema did not say which measurement replaced a point: the newest one of its dataset by then; nor how long the
        # period was: as long as the calendar has it.
        f"""SELECT r.series_id, r.start, r.revision, r.value, r.n, r.measurement_id, r.replaced_at,
            COALESCE((SELECT max(m.id) FROM {full_name("measurements")} m
                      WHERE m.dataset_id = s.dataset_id AND m.collected_at <= r.replaced_at), r.measurement_id),
            COALESCE((SELECT min(p.{{end}} - p.start) FROM {full_name("periods")} p
                      WHERE p.dataset_id = s.dataset_id AND p.grain = s.grain AND p.timezone = s.timezone AND p.start = r.start), 0),
            r.status, r.retracted, r.reason
            FROM {{old}} r JOIN {full_name("series")} s ON s.id = r.series_id""",
        comment="what was known before",
    )
    rebuild(
        "verdicts",
        [
            _key("series_id"),
            _key("start"),
            _key("slot_id", sa.Integer()),
            sa.Column("parameter_set_id", sa.Integer(), nullable=False),
            *(sa.Column(name, sa.Double()) for name in ("value", "expected", "lower", "upper")),
            sa.Column("score", sa.Double(), comment="signed distance from expected in standard deviations"),
            sa.Column("history_end", sa.BigInteger(), comment="start of the newest point it saw"),
            sa.Column("history", sa.Integer(), nullable=False, comment="points it saw"),
            sa.Column("severity", sa.SmallInteger(), nullable=False, comment="0: not an anomaly"),
            sa.Column("reason", sa.SmallInteger(), nullable=False),
        ],
        ["series_id", "start", "slot_id"],
        """SELECT series_id, start, slot_id, parameter_set_id, value, expected, lower, upper, score, history_end, history, severity, reason
            FROM {old}""",
    )
    partial = {f"{dialect}_where": sa.text("severity > 0") for dialect in ("postgresql", "sqlite")}
    create_index("verdicts_anomalous", "verdicts", ["severity", "start", "series_id", "score"], **partial)
    rebuild(
        "latest",
        [
            _key("series_id"),
            sa.Column("start", sa.BigInteger(), nullable=False),
            sa.Column("value", sa.Double()),
            sa.Column("seconds", sa.Integer(), nullable=False),
            sa.Column("status", sa.SmallInteger(), nullable=False),
            sa.Column("severity", sa.SmallInteger(), comment="of its worst verdict; NULL: not judged"),
        ],
        ["series_id"],
        "SELECT series_id, start, value, {end} - start, status, severity FROM {old}",
        comment="the newest point of every series, so that the overview reads one small table",
    )
    create_view()


def _remember_changes() -> None:
    """What the detectors have yet to look at stood in the points themselves."""
    changes, points, revisions = full_name("changes"), full_name("points"), full_name("point_revisions")
    series, slots, datasets = full_name("series"), full_name("slots"), full_name("datasets")
    seen = f"(SELECT COALESCE(min(l.judged_revision), 0) FROM {slots} l WHERE l.dataset_id = s.dataset_id AND l.judged_revision > 0)"
    op.execute(f"DELETE FROM {changes}")
    op.execute(
        f"""INSERT INTO {changes} (dataset_id, revision, series_id, start)
            SELECT c.dataset_id, c.revision, c.series_id, min(c.start) FROM (
                SELECT s.dataset_id, p.revision, p.series_id, p.start FROM {points} p JOIN {series} s ON s.id = p.series_id
                WHERE p.revision > {seen} AND {seen} > 0
                UNION ALL
                SELECT s.dataset_id, r.revision, r.series_id, r.start FROM {revisions} r JOIN {series} s ON s.id = r.series_id
                WHERE r.revision > {seen} AND {seen} > 0
            ) c GROUP BY c.dataset_id, c.revision, c.series_id"""
    )
    op.execute(f"UPDATE {slots} SET judged_at = {_now()} WHERE judged_revision > 0")
    op.execute(
        f"""UPDATE {datasets} SET changes_from = COALESCE(
            (SELECT min(l.judged_revision) FROM {slots} l WHERE l.dataset_id = {datasets}.id AND l.judged_revision > 0),
            revision)"""
    )


def _now() -> int:
    import time

    return int(time.time())
