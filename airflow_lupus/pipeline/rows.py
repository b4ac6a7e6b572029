"""Rows that come as a stream of Arrow batches from anywhere, cut to the periods, columns and `where` of a measurement."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from airflow_lupus.engines.base import Batches
from airflow_lupus.exceptions import LupusError, SourceError, SpecError
from airflow_lupus.metrics.base import OTHER
from airflow_lupus.model import naive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import duckdb
    import pyarrow as pa

    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

    Stream = Callable[[Sequence[str], Sequence[Period]], pa.RecordBatchReader]
    """The rows with these columns; of these periods at least, as far as the source can tell them apart cheaply."""

BATCH = 122_880
"""Rows handed on at once: one of DuckDB's row groups."""
Bound = datetime | date


def batches(what: str, schema: pa.Schema, stream: Stream, spec: MeasureSpec, mask: Callable[[str], str] = str) -> Batches:
    """A source that gives Arrow streams, as engines take it.

    :param what: the source, in error messages.
    :param schema: all its columns.
    :param mask: takes secrets out of what the source's own errors say.
    """
    from airflow_lupus.engines.dialects.duckdb import column_type

    types = {name: column_type(type_).kind if type_ else OTHER for name, type_ in _duckdb_types(schema).items()}

    def read(names: Sequence[str], periods: Sequence[Period]) -> Iterator[pa.Table]:
        yield from _selected(what, stream(_read(schema, names, spec), periods), names, periods, spec, mask)

    return Batches(types, read)


def bounds(form: str, periods: Sequence[Period], spec: MeasureSpec) -> tuple[Bound, Bound]:
    """From where to where these periods last, as a time column has it: the start is the first value, the end is none any more.

    :param form: what the column holds: "instant" (it has a zone), "clock" (it has none: see `MeasureSpec.time_column_timezone`), "date".
    """
    start, end = min(period.start for period in periods), max(period.end for period in periods)
    if form == "instant":
        return start, end
    if form == "clock":
        return naive(start, spec.time_column_timezone), naive(end, spec.time_column_timezone)
    return naive(start, spec.grain.timezone).date(), naive(end, spec.grain.timezone).date()


def time_bounds(schema: pa.Schema, periods: Sequence[Period], spec: MeasureSpec) -> tuple[Bound, Bound] | None:
    """`bounds` of an Arrow time column; None: the spec has no such column, so that all rows are wanted."""
    import pyarrow as pa

    if spec.time_column is None:
        return None
    type_ = schema.field(spec.time_column).type
    if pa.types.is_timestamp(type_):
        return bounds("instant" if type_.tz else "clock", periods, spec)
    if pa.types.is_date(type_):
        return bounds("date", periods, spec)
    msg = f"time_column {spec.time_column!r} is of type {type_}, not a time"
    raise SpecError(msg)


def condition(schema: pa.Schema, periods: Sequence[Period], spec: MeasureSpec) -> str:
    """`time_bounds` as SQL that DuckDB and DataFusion understand alike."""
    from airflow_lupus.engines.duckdb_tables import quote

    between = time_bounds(schema, periods, spec)
    if between is None:
        return "true"
    start, end = map(_literal, between)
    column = quote(str(spec.time_column))
    return f"{column} >= {start} AND {column} < {end}"


def _literal(bound: Bound) -> str:
    if not isinstance(bound, datetime):
        return f"DATE '{bound.isoformat()}'"
    return f"{'TIMESTAMPTZ' if bound.tzinfo else 'TIMESTAMP'} '{bound.isoformat()}'"


def _read(schema: pa.Schema, names: Sequence[str], spec: MeasureSpec) -> list[str]:
    """What a source has to read: the columns asked for and those that `where` may mean; at least one, so that rows can be counted."""
    where = (spec.where or "").lower()
    wanted = [name for name in schema.names if name in names or name.lower() in where or name.replace('"', '""').lower() in where]
    seen: dict[str, str] = {}
    for name in wanted:
        if name.lower() in seen:
            msg = (
                f"dataset {spec.dataset!r}: columns {seen[name.lower()]!r} and {name!r} are one to DuckDB; rename one of them in the source"
            )
            raise SpecError(msg)
        seen[name.lower()] = name
    return wanted or schema.names[:1]


def _selected(
    what: str,
    reader: pa.RecordBatchReader,
    names: Sequence[str],
    periods: Sequence[Period],
    spec: MeasureSpec,
    mask: Callable[[str], str],
) -> Iterator[pa.Table]:
    """What of a stream's rows is asked for, a batch at a time; at least one, perhaps empty, which tells the types."""
    import duckdb
    import pyarrow as pa

    from airflow_lupus.engines.duckdb_tables import quote

    columns = ", ".join(map(quote, names)) or "1 AS lupus_row"
    where = f" AND ({spec.where})" if spec.where else ""
    with _connection() as connection:
        try:
            connection.register("lupus_rows", reader)
            found = connection.sql(f"SELECT {columns} FROM {_source(reader.schema)} WHERE {condition(reader.schema, periods, spec)}{where}")
        except duckdb.Error as error:
            if not spec.where:
                raise _unreadable(what, error, mask) from error
            msg = f"where={spec.where!r} is not a condition on the rows of dataset {spec.dataset!r}: {first_line(error)}"
            raise SpecError(msg) from error
        try:
            result = found.to_arrow_reader(BATCH)
            yield result.schema.empty_table()
            for batch in result:
                yield pa.Table.from_batches([batch])
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise _unreadable(what, error, mask) from error


def _source(schema: pa.Schema) -> str:
    """The registered rows, with instants as DuckDB can compare them: it has a type of its own for nanoseconds in a zone."""
    import pyarrow as pa

    from airflow_lupus.engines.duckdb_tables import quote

    fine = [quote(field.name) for field in schema if pa.types.is_timestamp(field.type) and field.type.tz and field.type.unit == "ns"]
    casts = ", ".join(f"{name}::TIMESTAMPTZ AS {name}" for name in fine)
    return f"(SELECT * REPLACE ({casts}) FROM lupus_rows)" if casts else "lupus_rows"


def _duckdb_types(schema: pa.Schema) -> dict[str, str]:
    """What DuckDB makes of each column; of one that it cannot read, an empty text."""
    import duckdb
    import pyarrow as pa

    if len(set(schema.names)) < len(schema.names):
        twice = next(name for name in schema.names if schema.names.count(name) > 1)
        msg = f"the source has more than one column {twice!r}"
        raise SpecError(msg)
    with _connection() as connection:

        def described(part: pa.Schema) -> list[str]:
            connection.register("lupus_rows", part.empty_table())
            types = [row[1] for row in connection.execute("DESCRIBE lupus_rows").fetchall()]
            connection.unregister("lupus_rows")
            return types

        try:
            return dict(zip(schema.names, described(schema), strict=True))
        except (duckdb.Error, pa.ArrowException):
            types = {}
            for field in schema:
                try:
                    types[field.name] = described(pa.schema([field]))[0]
                except (duckdb.Error, pa.ArrowException):
                    types[field.name] = ""
            return types


def _connection() -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(config={"threads": 1, "memory_limit": "512MB"})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _unreadable(what: str, error: Exception, mask: Callable[[str], str]) -> LupusError:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, LupusError):  # of the source's own stream
        return cause
    return SourceError(f"{what} cannot be read: {mask(first_line(error))}")


def first_line(error: Exception) -> str:
    """What an error says first: of many lines the one that matters."""
    return str(error).strip().split("\n")[0]
