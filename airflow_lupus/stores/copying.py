"""Copying a whole store into another database, ids and all, and proving that it arrived."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.exceptions import StoreConfigError, StoreError
from airflow_lupus.stores import bulk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_lupus.stores.database import Transaction
    from airflow_lupus.stores.sql import SqlStore

BATCH = 50_000
"""Rows that are held at once."""
_SUMS = 2**128


@dataclass(frozen=True)
class _Content:
    """What a table holds, whatever the order of its rows: how many, and the sum of their digests."""

    rows: int = 0
    digest: int = 0

    def __add__(self, other: _Content) -> _Content:
        return _Content(self.rows + other.rows, (self.digest + other.digest) % _SUMS)


def copy(source: SqlStore, target: SqlStore, told: Callable[[str, int], None] = lambda _name, _rows: None) -> int:
    """Copy every row of one store into another, which must have none; all of it is committed, or nothing.

    The source is read in one consistent state, while others may go on writing it: what they write is not copied. Before the commit the
    target is read back, and must hold in each table as many rows as were read, and the same ones to the last digit.

    :param told: gets each table's name and number of rows when it is written and verified.
    :returns: the rows of all tables.
    :raises StoreConfigError: the target holds a store with rows, or one of another schema.
    :raises StoreError: what arrived is not what was read.
    """
    total = 0
    with source.reading() as reading, target.database.founding() as writing:
        _refuse_rows(target, writing)
        for table in reading.tables.metadata.sorted_tables:
            name = table.name.removeprefix(reading.tables.prefix)
            copied = _table_named(writing, name)
            sent = _Content()
            for rows in _batches(reading, table):
                bulk.insert(writing, copied, bulk.columns(table.columns.keys(), rows))
                sent += _content(table, rows)
            arrived = sum((_content(copied, rows) for rows in _batches(writing, copied)), _Content())
            if arrived != sent:
                what = f"{arrived.rows:,} rows of {sent.rows:,}" if arrived.rows != sent.rows else "other values than were sent"
                msg = f"Table {copied.name} of {target.database.where} holds {what}: nothing was copied"
                raise StoreError(msg)
            _count_on(writing, copied)
            told(name, sent.rows)
            total += sent.rows
    return total


def _table_named(tx: Transaction, name: str) -> sa.Table:
    (found,) = [table for table in tx.tables.metadata.sorted_tables if table.name == tx.tables.prefix + name]
    return found


def _refuse_rows(target: SqlStore, writing: Transaction) -> None:
    for table in writing.tables.metadata.sorted_tables:
        if writing.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
            msg = (
                f"{target.database.where} holds a metrics store with rows in {table.name} already: name an empty database, or another "
                "schema or prefix"
            )
            raise StoreConfigError(msg)


def _batches(tx: Transaction, table: sa.Table) -> Iterator[list[tuple[Any, ...]]]:
    """A table's rows in the order of their keys, in which databases that sort by it write them fastest."""
    query = sa.select(*table.columns).order_by(*table.primary_key).execution_options(yield_per=BATCH)
    with tx.execute(query) as result:
        for rows in result.partitions():
            yield [tuple(row) for row in rows]


def _content(table: sa.Table, rows: list[tuple[Any, ...]]) -> _Content:
    columns = list(zip(*rows, strict=True))
    for i, column in enumerate(table.columns):
        if isinstance(column.type, sa.Double):  # SQLite has but one zero
            columns[i] = tuple(None if value is None else float(value) + 0.0 for value in columns[i])
    each = (blake2b(repr(row).encode(errors="surrogatepass"), digest_size=16).digest() for row in zip(*columns, strict=True))
    return _Content(len(rows), sum(int.from_bytes(one, "big") for one in each) % _SUMS)


def _count_on(tx: Transaction, table: sa.Table) -> None:
    """Let the next id be a new one: PostgreSQL does not notice ids that it was given."""
    column = table.autoincrement_column
    if column is None or tx.dialect != "postgresql":
        return
    name = tx.connection.dialect.identifier_preparer.format_table(table)
    newest = tx.execute(sa.select(sa.func.max(column))).scalar()
    if newest is not None:
        tx.execute(sa.select(sa.func.setval(sa.func.pg_get_serial_sequence(name, column.name), newest)))
