"""What DuckDB reads: files, batches, and the period of each of their rows, as SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import duckdb  # noqa: TID253  this module is imported when the engine is used

from airflow_lupus.engines.base import Batches, FileSet
from airflow_lupus.engines.bounds import CLOCK, DATE, INSTANT, bounds, one_period
from airflow_lupus.engines.dialects.duckdb import column_type
from airflow_lupus.exceptions import DataMissing, SpecError
from airflow_lupus.metrics.base import BOOLEAN, NUMBER

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from airflow_lupus.engines.base import Relation
    from airflow_lupus.engines.dialects.base import ColumnType
    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

GLOB = re.compile(r"[*?\[]")
READERS = {"parquet": "read_parquet", "csv": "read_csv", "json": "read_json"}


@dataclass(frozen=True)
class Table:
    """A relation as DuckDB sees it: what to select from, and each column's DuckDB type."""

    sql: str
    types: Mapping[str, str]
    file_column: str = ""
    """The column that says which file a row is from."""
    unfit: Mapping[str, str] = field(default_factory=dict)
    """Column → the column that has its text where that is not of its type; for files whose columns do not hold what they should."""

    @property
    def columns(self) -> dict[str, ColumnType]:
        """Every column's type, as queries need to know it."""
        return {name: column_type(native) for name, native in self.types.items()}

    def free(self, name: str) -> str:
        """A name like this that no column has; DuckDB's names have no case."""
        taken = {column.lower() for column in self.types}
        while name in taken:
            name += "_"
        return name


def quote(identifier: str) -> str:
    """An identifier that SQL takes for nothing else.

    >>> quote('a"b')
    '"a""b"'
    """
    return '"' + identifier.replace('"', '""') + '"'


def literal(value: Any) -> str:
    """A literal of DuckDB's SQL for options of its table functions, which take no bound parameters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(str(k))}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return "'" + str(value).replace("'", "''") + "'"


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def check_where(connection: duckdb.DuckDBPyConnection, table: Table, spec: MeasureSpec) -> None:
    """Try the condition on one row of NULLs, so that what is wrong with it is not taken for something wrong with the data."""
    row = ", ".join(f"CAST(NULL AS {type_}) AS {quote(name)}" for name, type_ in table.types.items())
    try:
        connection.execute(f"SELECT 1 FROM (SELECT {row}) WHERE ({spec.where})").fetchall()
    except duckdb.Error as error:
        msg = f"where={spec.where!r} is not a condition on the rows of dataset {spec.dataset!r}: {first_line(error)}"
        raise SpecError(msg) from error


def call(files: FileSet, file_column: str = "") -> str:
    options = "".join(f", {name}={literal(value)}" for name, value in files.options.items())
    if file_column:
        options += f", filename={literal(file_column)}"
    paths = list(dict.fromkeys(GLOB.sub(r"[\g<0>]", file.path) for file in files.files))  # one file may serve many periods
    if len(paths) > 1:
        options += ", union_by_name=true"  # columns by name, and of the type that holds every file's
    return f"{READERS[files.format]}({literal(paths)}{options})"


def read(connection: duckdb.DuckDBPyConnection, files: FileSet) -> Table:
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {call(files)}").fetchall()
    except duckdb.Error as error:
        msg = f"{files.files[0].path!r} cannot be read: {first_line(error)}"
        raise DataMissing(msg) from error
    types = {row[0]: row[1] for row in described}
    file_column = Table("", types).free("__file")
    return Table(call(files, file_column), types, file_column)


def lenient(files: FileSet, table: Table, spec: MeasureSpec, columns: Collection[str]) -> tuple[Table, FileSet]:
    """CSV files with the text of their numeric columns, to tell a value of another type from a damaged file: the table and the files.

    A column that says to which period or group a row belongs is not among them: without it nothing can be said of the row.
    """
    placing = {spec.time_column, *spec.group_columns}
    doubted = [
        name for name in columns if name in table.types and name not in placing and column_type(table.types[name]).kind in {NUMBER, BOOLEAN}
    ]
    if files.format != "csv" or not doubted:
        return table, files
    given = files.options.get("types", {})
    given = dict(given) if isinstance(given, dict) else dict(zip(table.types, given, strict=False))
    lowered = {name.lower() for name in doubted}
    types = {name: type_ for name, type_ in given.items() if name.lower() not in lowered} | dict.fromkeys(doubted, "VARCHAR")
    texts = replace(files, options={**files.options, "types": types})
    casts = {name: f"TRY_CAST(texts.{quote(name)} AS {table.types[name]})" for name in doubted}
    unfit = {name: table.free(f"__unfit{i}") for i, name in enumerate(doubted)}
    replaced = ", ".join(f"{cast} AS {quote(name)}" for name, cast in casts.items())
    added = ", ".join(f"CASE WHEN {casts[name]} IS NULL THEN texts.{quote(name)} END AS {quote(unfit[name])}" for name in doubted)
    sql = f"(SELECT * REPLACE ({replaced}), {added} FROM {call(texts, table.file_column)} texts)"
    return replace(table, sql=sql, unfit=unfit), texts


def spool(connection: duckdb.DuckDBPyConnection, relation: Batches, spec: MeasureSpec, periods: Sequence[Period]) -> Table:
    """The batches in a temporary table, which DuckDB keeps within its memory limit."""
    types: dict[str, str] = {}
    for batch in relation.read(spec.columns_of(relation.types), periods):
        connection.register("batch", batch)
        if types:
            connection.execute("INSERT INTO spool SELECT * FROM batch")
        else:
            connection.execute("CREATE TEMP TABLE spool AS SELECT * FROM batch")
            types = {row[0]: row[1] for row in connection.execute("DESCRIBE spool").fetchall()}
        connection.unregister("batch")
    return Table("spool", types)


def with_period(
    connection: duckdb.DuckDBPyConnection, table: Table, relation: Relation, spec: MeasureSpec, periods: Sequence[Period]
) -> str:
    """A subquery of the relation's rows with the index of each row's period, as `__period` or a free name like it.

    Rows of no period are dropped.
    """
    by_file = isinstance(relation, FileSet) and any(file.period is not None for file in relation.files)
    joins, name = "", table.free("__period")
    if by_file and isinstance(relation, FileSet):
        index = {period: i for i, period in enumerate(periods)}
        named = [(file.path, index[file.period]) for file in relation.files if file.period in index]
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE files AS SELECT unnest(?::VARCHAR[]) AS file, unnest(?::INTEGER[]) AS period",
            [[path for path, _ in named], [i for _, i in named]],
        )
        joins = f"JOIN files ON files.file = t.{table.file_column}"
    if spec.time_column is None:
        if by_file:
            return f"(SELECT t.*, files.period AS {name} FROM {table.sql} t {joins})"
        one_period(spec, periods)
        return f"(SELECT t.*, 0 AS {name} FROM {table.sql} t)"
    column, cast, starts, ends = _bounds(spec, table.types[spec.time_column], periods)
    connection.execute(
        # Of two hours that are one on the clocks, when these go back, the first is empty: it must not take the other's rows.
        f"CREATE OR REPLACE TEMP TABLE periods AS SELECT i, lo, hi FROM (SELECT generate_subscripts(starts, 1) - 1 AS i, "
        f"unnest(starts)::{cast} AS lo, unnest(ends)::{cast} AS hi FROM (SELECT ?::TIMESTAMP[] AS starts, ?::TIMESTAMP[] AS ends)) "
        "WHERE lo < hi",
        [starts, ends],
    )
    first, after = (f"TIMESTAMP '{at.isoformat(' ')}'::{cast}" for at in (starts[0], ends[-1]))
    condition = f"{column} >= {first} AND {column} < {after}"  # lets Parquet skip row groups
    if by_file:
        # A row counts for a period only out of that period's own file, so that one run over many days equals a run a day.
        joins += f" JOIN periods ON periods.i = files.period AND {column} >= periods.lo AND {column} < periods.hi"
    elif len(periods) == 1:
        return f"(SELECT t.*, 0 AS {name} FROM {table.sql} t WHERE {condition})"
    else:
        joins += f" ASOF JOIN periods ON {column} >= periods.lo"
        condition += f" AND {column} < periods.hi"
    return f"(SELECT t.*, periods.i AS {name} FROM {table.sql} t {joins} WHERE {condition})"


def _bounds(spec: MeasureSpec, duckdb_type: str, periods: Sequence[Period]) -> tuple[str, str, list[datetime], list[datetime]]:
    """The time column as SQL, the type to compare it in, and the periods' bounds in that type's terms."""
    form: str | None
    if duckdb_type == "TIMESTAMP WITH TIME ZONE":
        form, cast = INSTANT, "TIMESTAMPTZ"
    elif duckdb_type == "DATE":
        form, cast = DATE, "DATE"
    else:
        form, cast = CLOCK if duckdb_type.startswith("TIMESTAMP") else None, "TIMESTAMP"
    return f"t.{quote(str(spec.time_column))}", cast, *bounds(spec, form, duckdb_type, periods)
