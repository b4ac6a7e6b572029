"""Many rows at once, by the fastest way that a database's driver has. Rows come as columns: name → values.

SQLAlchemy's own inserts cost several times what the drivers' do, since they make a dictionary of every row. PostgreSQL gets COPY and
arrays, SQLite and MariaDB the driver's executemany; any other database what SQLAlchemy makes of it.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.stores.database import MYSQL
from airflow_lupus.stores.errors import wrapped

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from airflow_lupus.stores.database import Transaction

CHUNK = 500
"""Values in one IN (…) of a database that takes no arrays: below every limit of parameters."""
ARRAY = 20_000
"""Elements of one array."""


def columns(names: Iterable[str], rows: Iterable[Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Rows as columns.

    >>> columns(("series_id", "start"), [(1, 10), (2, 20)]), columns(("series_id", "start"), [])
    ({'series_id': (1, 2), 'start': (10, 20)}, {'series_id': (), 'start': ()})
    """
    listed = list(names)
    return dict(zip(listed, list(zip(*rows, strict=True)) or [()] * len(listed), strict=True))


def by_name(rows: Sequence[Mapping[str, Any]]) -> dict[str, Sequence[Any]]:
    """Rows that name their values as columns.

    >>> by_name([{"series_id": 1, "start": 10}, {"series_id": 2, "start": 20}])
    {'series_id': [1, 2], 'start': [10, 20]}
    """
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def insert(transaction: Transaction, table: sa.Table, columns: Mapping[str, Sequence[Any]]) -> None:
    """Insert rows of which none is there yet."""
    if not _count(columns):
        return
    if _is_psycopg(transaction):
        _copy(transaction, table, columns)
    elif transaction.dialect in {"sqlite", *MYSQL}:
        transaction.connection.exec_driver_sql(_insert_sql(transaction, table, columns), list(zip(*columns.values(), strict=True)))
    else:
        transaction.execute(sa.insert(table), _dictionaries(columns))


def upsert(transaction: Transaction, table: sa.Table, columns: Mapping[str, Sequence[Any]]) -> None:
    """Insert rows, or replace those with the same primary key."""
    if not _count(columns):
        return
    keys = [column.name for column in table.primary_key]
    names = {name: _quoted(transaction, name) for name in columns}
    rest = [names[name] for name in columns if name not in keys]
    if _is_psycopg(transaction) or transaction.dialect == "sqlite":
        update = ", ".join(f"{name} = excluded.{name}" for name in rest)
        conflict = f"ON CONFLICT ({', '.join(names[key] for key in keys)}) DO " + (f"UPDATE SET {update}" if rest else "NOTHING")
    if _is_psycopg(transaction):
        for part in _slices(columns, ARRAY):
            source = _unnest(table, part)
            sql = f"INSERT INTO {_name(transaction, table)} ({', '.join(names.values())}) SELECT * FROM {source} {conflict}"
            transaction.connection.exec_driver_sql(sql, tuple(_array(values) for values in part.values()))
    elif transaction.dialect == "sqlite":
        sql = f"{_insert_sql(transaction, table, columns)} {conflict}"
        transaction.connection.exec_driver_sql(sql, list(zip(*columns.values(), strict=True)))
    elif transaction.dialect in MYSQL:
        update = ", ".join(f"{name} = VALUES({name})" for name in rest or [names[keys[0]]])
        sql = f"{_insert_sql(transaction, table, columns)} ON DUPLICATE KEY UPDATE {update}"
        transaction.connection.exec_driver_sql(sql, list(zip(*columns.values(), strict=True)))
    else:
        delete(transaction, table, {key: columns[key] for key in keys})
        insert(transaction, table, columns)


def delete(transaction: Transaction, table: sa.Table, keys: Mapping[str, Sequence[Any]]) -> None:
    """Delete the rows that have these values in these columns."""
    if not _count(keys):
        return
    names = [_quoted(transaction, name) for name in keys]
    if _is_psycopg(transaction):
        for part in _slices(keys, ARRAY):
            same = " AND ".join(f"t.{name} = k.{name}" for name in names)
            source = f"{_unnest(table, part)} AS k ({', '.join(names)})"
            sql = f"DELETE FROM {_name(transaction, table)} t USING {source} WHERE {same}"
            transaction.connection.exec_driver_sql(sql, tuple(_array(values) for values in part.values()))
    elif transaction.dialect in MYSQL:
        row = f"({', '.join(['%s'] * len(keys))})"
        for part in _slices(keys, CHUNK):
            rows = list(zip(*part.values(), strict=True))
            sql = f"DELETE FROM {_name(transaction, table)} WHERE ({', '.join(names)}) IN ({', '.join([row] * len(rows))})"
            transaction.connection.exec_driver_sql(sql, tuple(value for values in rows for value in values))
    else:
        bound = sa.and_(*[table.c[name] == sa.bindparam(f"key_{name}") for name in keys])
        transaction.execute(sa.delete(table).where(bound), _dictionaries({f"key_{name}": values for name, values in keys.items()}))


def among(transaction: Transaction, column: sa.ColumnElement[int], ids: Collection[int]) -> Iterator[sa.ColumnElement[bool]]:
    """Conditions that together pick out these ids: one where the database takes them as a whole, else one for each chunk."""
    if not ids:
        return
    ordered = sorted(set(ids))
    if ordered[-1] - ordered[0] + 1 == len(ordered):  # the series of a dataset usually were made one after the other
        yield column.between(ordered[0], ordered[-1])
    elif transaction.dialect == "postgresql":
        yield column == sa.any_(sa.cast(sa.literal(_array(ordered)), sa.ARRAY(sa.BigInteger)))
    elif transaction.dialect == "sqlite":
        each = sa.func.json_each(sa.literal(f"[{','.join(map(str, ordered))}]")).table_valued("value")
        yield column.in_(sa.select(each.c.value))
    else:
        for i in range(0, len(ordered), CHUNK):
            yield column.in_(ordered[i : i + CHUNK])


def _copy(transaction: Transaction, table: sa.Table, columns: Mapping[str, Sequence[Any]]) -> None:
    text = "\n".join(map("\t".join, zip(*(_copied(values) for values in columns.values()), strict=True))) + "\n"
    names = ", ".join(_quoted(transaction, name) for name in columns)
    sql = f"COPY {_name(transaction, table)} ({names}) FROM STDIN"
    cursor: Any = transaction.connection.connection.cursor()
    try:
        with wrapped(transaction.connection, sql):
            if transaction.connection.dialect.driver == "psycopg2":
                cursor.copy_expert(sql, io.StringIO(text))
            else:
                with cursor.copy(sql) as copy:
                    copy.write(text)
    finally:
        cursor.close()


def _copied(values: Sequence[Any]) -> list[str]:
    """Values as COPY's text has them."""
    return [
        "\\N" if value is None else value if isinstance(value, str) else repr(value)
        for value in (map(_escaped, values) if any(isinstance(value, str) for value in values) else values)
    ]


def _escaped(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _array(values: Sequence[Any]) -> str:
    """Values as PostgreSQL writes an array."""
    return (
        "{" + ",".join(["NULL" if value is None else _element(value) if isinstance(value, str) else repr(value) for value in values]) + "}"
    )


def _element(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unnest(table: sa.Table, columns: Mapping[str, Sequence[Any]]) -> str:
    from sqlalchemy.dialects import postgresql

    types = [table.c[name].type.compile(dialect=postgresql.dialect()) for name in columns]  # type: ignore[no-untyped-call]
    return f"unnest({', '.join(f'%s::{type_}[]' for type_ in types)})"


def _insert_sql(transaction: Transaction, table: sa.Table, columns: Mapping[str, Sequence[Any]]) -> str:
    mark = "?" if transaction.dialect == "sqlite" else "%s"
    names = ", ".join(_quoted(transaction, name) for name in columns)
    return f"INSERT INTO {_name(transaction, table)} ({names}) VALUES ({', '.join([mark] * len(columns))})"


def _is_psycopg(transaction: Transaction) -> bool:
    return transaction.dialect == "postgresql" and transaction.connection.dialect.driver in {"psycopg2", "psycopg"}


def _name(transaction: Transaction, table: sa.Table) -> str:
    return transaction.connection.dialect.identifier_preparer.format_table(table)


def _quoted(transaction: Transaction, name: str) -> str:
    return transaction.connection.dialect.identifier_preparer.quote(name)


def _count(columns: Mapping[str, Sequence[Any]]) -> int:
    return len(next(iter(columns.values()), ()))


def _slices(columns: Mapping[str, Sequence[Any]], size: int) -> Iterator[dict[str, Sequence[Any]]]:
    for i in range(0, _count(columns), size):
        yield {name: values[i : i + size] for name, values in columns.items()}


def _dictionaries(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
