"""Tables and queries of any Airflow SQL connection: columns and time filter are pushed down, rows come in batches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.engines.base import Batches, SqlRelation
from airflow_lupus.engines.dialects import DATABASES
from airflow_lupus.engines.sql import first_line
from airflow_lupus.exceptions import SourceError, SpecError, did_you_mean
from airflow_lupus.hooks.connections import sql_hook
from airflow_lupus.hooks.in_place import column_type, postgres_columns
from airflow_lupus.pipeline.measuring import Opened
from airflow_lupus.pipeline.rows import bounds
from airflow_lupus.sources import Query, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from airflow_lupus.engines.dialects.base import ColumnType
    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

BATCH = 50_000
"""Rows fetched at once."""
POSTGRESQL = "postgresql"
SAMPLE = 1000
"""Rows of a query from which its columns' types are told."""


@dataclass(frozen=True)
class _Relation:
    """A table, or a query as a subquery, and the type of each of its columns."""

    selectable: sa.FromClause
    sql: str
    """The same, as the database quotes it."""
    types: dict[str, ColumnType]
    casts: dict[str, sa.types.TypeEngine[Any]] | None = None
    """Column → what it is fetched as, where that is not what it is."""


def open_sql(source: Table | Query, periods: Sequence[Period], spec: MeasureSpec) -> Opened:
    """Connect, look at the columns, and prepare the SELECT that fetches what periods need."""
    return open_on(sql_hook(source.conn_id, _named(source)).get_sqlalchemy_engine(), source, periods, spec)


def _named(source: Table | Query) -> str:
    return f"{type(source).__name__}({(source.name if isinstance(source, Table) else source.sql)!r})"


def open_on(engine: sa.Engine, source: Table | Query, periods: Sequence[Period], spec: MeasureSpec) -> Opened:
    """The same of a database that is known."""
    what = _named(source)
    try:
        relation = _table(engine, source) if isinstance(source, Table) else _query(engine, source)
    except sa.exc.OperationalError as error:
        msg = f"{what}: the database of connection {source.conn_id!r} cannot be reached: {first_line(error)}"
        raise SourceError(msg) from error
    if isinstance(relation, str):
        return Opened(None, dict.fromkeys(periods, relation))

    def read(names: Sequence[str], asked: Sequence[Period]) -> Iterator[pa.Table]:
        try:
            yield from _read(engine, relation, names, asked, spec)
        except (sa.exc.ProgrammingError, sa.exc.OperationalError) as error:
            if spec.where and isinstance(error, sa.exc.ProgrammingError):
                msg = f"where={spec.where!r} is not a condition that the database of {source.conn_id!r} understands: {first_line(error)}"
                raise SpecError(msg) from error
            msg = f"{what}: reading through connection {source.conn_id!r} failed: {first_line(error)}"
            raise SourceError(msg) from error

    types = {name: type_.kind for name, type_ in relation.types.items()}
    rows = Batches(types, read, lambda names, asked: _shown(engine, _select(relation, names, asked, spec)))
    database = "mariadb" if getattr(engine.dialect, "is_mariadb", False) else engine.dialect.name
    if database not in DATABASES:
        return Opened(rows)
    return Opened(SqlRelation(database, engine, relation.sql, relation.types, rows, what))


def _table(engine: sa.Engine, source: Table) -> _Relation | str:
    """The table's columns from the database's catalogue; or why it is not there."""
    schema, _, name = source.name.rpartition(".")
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        try:
            columns = inspector.get_columns(name, schema=schema or None)
        except sa.exc.NoSuchTableError:
            names = [*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None)]
            return f"connection {source.conn_id!r} has no table {source.name!r}: {did_you_mean(name, names)}"
        table = sa.Table(name, sa.MetaData(), *(sa.Column(c["name"], c["type"]) for c in columns), schema=schema or None)
        sql = engine.dialect.identifier_preparer.format_table(table)
        if engine.dialect.name == POSTGRESQL:
            types, casts = postgres_columns(connection, sql)
            return _Relation(table, sql, types, casts)
    return _Relation(table, sql, {column["name"]: column_type(column["type"]) for column in columns})


def _query(engine: sa.Engine, source: Query) -> _Relation:
    """The query's columns, and their types: as the database tells them, or as the first rows do."""
    text = source.sql.strip().rstrip(";")
    sql = f"({text}\n)"
    casts = None
    with engine.connect() as connection:
        try:
            if engine.dialect.name == POSTGRESQL:
                types, casts = postgres_columns(connection, sql)
                columns = casts
            else:
                columns = _sampled(connection, text)
                types = {name: column_type(type_) for name, type_ in columns.items()}
        except sa.exc.ProgrammingError as error:
            msg = f"Query on connection {source.conn_id!r}: {first_line(error)}"
            raise SpecError(msg) from error
    subquery = sa.text(_escaped(text) + "\n").columns(*(sa.column(name, type_) for name, type_ in columns.items())).subquery("lupus_query")
    return _Relation(subquery, sql, types, casts)


def _sampled(connection: sa.Connection, text: str) -> dict[str, sa.types.TypeEngine[Any]]:
    """A query's columns, and their types as its first rows tell them."""
    rows = sa.select(sa.text("*")).select_from(sa.text(f"({_escaped(text)}\n) AS lupus_query"))
    result = connection.execute(rows.limit(SAMPLE))
    names = list(result.keys())
    sample = result.fetchall()
    return {name: _type_of([row[i] for row in sample]) for i, name in enumerate(names)}


def _select(relation: _Relation, names: Sequence[str], periods: Sequence[Period], spec: MeasureSpec) -> sa.Select[Any]:
    """The one query that is pushed down."""
    casts = relation.casts or {}
    columns = relation.selectable.c
    wanted: list[sa.ColumnElement[Any]] = [
        sa.cast(columns[name], casts[name]).label(name) if name in casts else columns[name] for name in names
    ] or [sa.literal(1).label("lupus_row")]
    query = sa.select(*wanted).select_from(relation.selectable)
    if spec.time_column:
        query = query.where(*_between(columns[spec.time_column], periods, spec))
    return query.where(sa.text(f"({_escaped(spec.where)}\n)")) if spec.where else query


def _shown(engine: sa.Engine, query: sa.Select[Any]) -> str:
    """A query with its values written in, for people: it is run with bound ones."""
    try:
        return str(query.compile(engine, compile_kwargs={"literal_binds": True}))
    except sa.exc.CompileError:  # a dialect that cannot write a type's values
        return str(query.compile(engine))


def _read(engine: sa.Engine, relation: _Relation, names: Sequence[str], periods: Sequence[Period], spec: MeasureSpec) -> Iterator[pa.Table]:
    import pyarrow as pa

    query = _select(relation, names, periods, spec)
    schema = pa.schema([(column.name, _arrow(column.type)) for column in query.selected_columns])
    yield schema.empty_table()
    with engine.connect() as connection:
        result = connection.execution_options(stream_results=True, yield_per=BATCH).execute(query)
        for rows in result.partitions(BATCH):
            columns = list(zip(*rows, strict=True))
            yield pa.table([_array(field, values) for field, values in zip(schema, columns, strict=True)], schema=schema)


def _array(field: pa.Field, values: Sequence[Any]) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array([_plain(value, field.type) for value in values], type=field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        msg = f"column {field.name!r} looked like {field.type} but is not always ({error}); cast it in the query"
        raise SourceError(msg) from error


def _between(column: sa.ColumnElement[Any], periods: Sequence[Period], spec: MeasureSpec) -> list[sa.ColumnElement[bool]]:
    """The periods' range in terms of the time column's type."""
    type_ = column.type
    if isinstance(type_, sa.DateTime):
        form = "instant" if type_.timezone else "clock"
    elif isinstance(type_, sa.Date):
        form = "date"
    else:
        msg = f"time_column {spec.time_column!r} is of type {type_}, not a time"
        raise SpecError(msg)
    start, end = bounds(form, periods, spec)
    return [column >= sa.bindparam(None, start, type_=type_), column < sa.bindparam(None, end, type_=type_)]


def _arrow(type_: sa.types.TypeEngine[Any]) -> pa.DataType:
    import pyarrow as pa

    if isinstance(type_, sa.Boolean):
        return pa.bool_()
    if isinstance(type_, sa.Integer):
        return pa.int64()
    if isinstance(type_, sa.Numeric | sa.Float):
        return pa.float64()
    if isinstance(type_, sa.DateTime):
        return pa.timestamp("us", tz="UTC" if type_.timezone else None)
    if isinstance(type_, sa.ARRAY):
        return pa.list_(_arrow(type_.item_type))
    return pa.date32() if isinstance(type_, sa.Date) else pa.string()


def _plain(value: Any, arrow_type: pa.DataType) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_plain(each, arrow_type.value_type) for each in _flat(value)]
    return str(value) if value is not None and arrow_type == "string" else value


def _flat(values: list[Any]) -> Iterator[Any]:
    """The elements of an array, whatever its dimensions."""
    for each in values:
        if isinstance(each, list):
            yield from _flat(each)
        else:
            yield each


def _type_of(values: Sequence[Any]) -> sa.types.TypeEngine[Any]:
    """The SQL type of a query's column, told from its values; a column of NULLs passes for numbers."""
    kinds = {type(value) for value in values if value is not None}
    if not kinds or kinds <= {float, int, Decimal}:
        return sa.BigInteger() if kinds == {int} else sa.Double()
    if kinds == {bool}:
        return sa.Boolean()
    if kinds == {datetime}:
        return sa.DateTime(timezone=any(value is not None and value.tzinfo is not None for value in values))
    return sa.Date() if kinds == {date} else sa.String()


def _escaped(sql: str) -> str:
    """SQL in which SQLAlchemy sees no parameters of its own."""
    return sql.replace(":", "\\:")
