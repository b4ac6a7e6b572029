"""What migrations are made of. Each step finds out whether it was done before: MariaDB commits every change of a table at once, so a
migration that is killed there goes on from the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects.mysql import LONGTEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.stores.schema import Tables

# Epoch seconds as the database's own timestamps.
TIMESTAMPS = {
    "postgresql": "to_timestamp({})",
    "sqlite": "datetime({}, 'unixepoch')",
    # from_unixtime would answer in the session's own zone
    "mysql": "TIMESTAMPADD(SECOND, {}, TIMESTAMP'1970-01-01 00:00:00')",
    "mariadb": "TIMESTAMPADD(SECOND, {}, TIMESTAMP'1970-01-01 00:00:00')",
}
TEXT = sa.Text().with_variant(LONGTEXT, "mysql", "mariadb")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def tables() -> Tables:
    found: Tables = context.config.attributes["tables"]
    return found


def named(name: str) -> str:
    """The name under the store's prefix."""
    return tables().prefix + name


def schema() -> str | None:
    return tables().metadata.schema


def references(name: str) -> str:
    """What a foreign key to a table's id names."""
    return ".".join(part for part in (schema(), named(name), "id") if part)


def full_name(name: str) -> str:
    """A table's name as SQL has it."""
    preparer = op.get_bind().dialect.identifier_preparer
    return preparer.format_table(sa.table(named(name), schema=schema()))


def has_table(name: str) -> bool:
    return sa.inspect(op.get_bind()).has_table(named(name), schema=schema())


def columns_of(name: str) -> set[str]:
    """None where there is no such table: a migration was killed before the new one got the old one's name."""
    if not has_table(name):
        return set()
    return {column["name"] for column in sa.inspect(op.get_bind()).get_columns(named(name), schema=schema())}


def has_foreign_keys(name: str) -> bool:
    return bool(sa.inspect(op.get_bind()).get_foreign_keys(named(name), schema=schema()))


def create_table(name: str, *items: Any, **options: Any) -> None:
    if not has_table(name):
        op.create_table(named(name), *items, schema=schema(), **_exact_text(), **options)


def _exact_text() -> dict[str, Any]:
    """Names and groups are compared byte by byte: MariaDB's and MySQL's own defaults take "UA" for "ua", or "a" for "a "."""
    dialect = op.get_bind().dialect
    if dialect.name not in {"mysql", "mariadb"}:
        return {}
    collate = "utf8mb4_nopad_bin" if getattr(dialect, "is_mariadb", False) else "utf8mb4_0900_bin"
    options = {"engine": "InnoDB", "default_charset": "utf8mb4", "collate": collate}
    return {f"{dialect.name}_{name}": value for name, value in options.items()}


def create_index(name: str, table: str, columns: Sequence[str], **options: Any) -> None:
    there = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(named(table), schema=schema())}
    if named(name) not in there:
        op.create_index(named(name), named(table), list(columns), unique=False, schema=schema(), **options)


def add_columns(table: str, *columns: sa.Column[Any]) -> None:
    there = columns_of(table)
    for column in columns:
        if column.name not in there:
            op.add_column(named(table), column, schema=schema())


def rebuild(name: str, columns: Sequence[sa.Column[Any]], key: Sequence[str], select: str, **options: Any) -> None:
    """Make a table anew, without foreign keys, with the rows that `select` answers from the old one; done if it is like that already.

    :param select: `{old}` stands for the old table.
    """
    new = f"{name}_new"
    if has_table(name):
        if columns_of(name) == {column.name for column in columns} and not has_foreign_keys(name):
            return
        if has_table(new):
            op.drop_table(named(new), schema=schema())
        create_table(new, *columns, sa.PrimaryKeyConstraint(*key), sqlite_with_rowid=False, **options)
        preparer = op.get_bind().dialect.identifier_preparer
        listed = ", ".join(preparer.quote(column.name) for column in columns)
        op.execute(f"INSERT INTO {full_name(new)} ({listed}) {select.format(old=full_name(name), end=preparer.quote('end'))}")
        op.drop_table(named(name), schema=schema())
    op.rename_table(named(new), named(name), schema=schema())


def drop_view() -> None:
    op.execute(f"DROP VIEW IF EXISTS {full_name('metrics')}")


def create_view() -> None:
    """The view for SQL and BI users: its columns are stable, whatever the tables behind it become."""
    at = TIMESTAMPS.get(op.get_bind().dialect.name, "{}")
    drop_view()
    op.execute(
        f"""
        CREATE VIEW {full_name("metrics")} AS
        SELECT d.name AS dataset, s.column_name, s.metric, s.dimensions,
               {at.format("p.start")} AS period_start, {at.format("p.start + p.seconds")} AS period_end,
               p.value,
               CASE p.status WHEN 0 THEN 'ok' WHEN 1 THEN 'undefined' WHEN 2 THEN 'nan' WHEN 3 THEN 'inf' WHEN 4 THEN '-inf'
                   ELSE 'failed' END AS status,
               {at.format("m.collected_at")} AS collected_at, m.dag_id, m.run_id
        FROM {full_name("points")} p
        JOIN {full_name("series")} s ON s.id = p.series_id
        JOIN {full_name("datasets")} d ON d.id = s.dataset_id
        JOIN {full_name("measurements")} m ON m.id = p.measurement_id
        """
    )
