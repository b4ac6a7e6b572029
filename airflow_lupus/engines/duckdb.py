"""The embedded engine: every primitive of every group, and the totals, in one DuckDB query over one scan."""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

import duckdb  # noqa: TID253  this module is imported when the engine is used

from airflow_lupus.engines.base import Batches, FileSet, Group, Scan
from airflow_lupus.exceptions import DataMissing, LimitExceeded, SourceError, SpecError, TooMuchAtOnce
from airflow_lupus.metrics.base import BOOLEAN, ENTITIES, LIST, NUMBER, OTHER, ROWS, TEXT, TIME
from airflow_lupus.model import ANY_COLUMN, naive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_lupus.engines.base import Relation
    from airflow_lupus.metrics import Primitive
    from airflow_lupus.model import DimensionValue, Period
    from airflow_lupus.specs import MeasureSpec

GLOB = re.compile(r"[*?\[]")
FETCHED = 10_000
"""Groups that are fetched at once, so that too many are noticed before all of them are here."""
READERS = {"parquet": "read_parquet", "csv": "read_csv", "json": "read_json"}

# Per primitive, over {raw} (the column as it is) and {value} (NaN made NULL, numbers as wide as sums need them).
AGGREGATES = {
    "rows": "count(*)",
    "present": "count({raw})",
    "valid": "count({value})",
    # fsum, which keeps the digits that sum loses, answers NaN for infinities and overflows.
    "sum": "CASE WHEN isfinite(fsum({value})) THEN fsum({value}) ELSE sum({value}) END",
    "min": "min({value})",
    "max": "max({value})",
    # stddev_samp raises on infinities instead of answering NaN.
    "std": "CASE WHEN bool_or(isinf({value})) THEN 'nan'::DOUBLE ELSE stddev_samp({value}) FILTER (isfinite({value})) END",
    "distinct": "count(DISTINCT {distinct})",
    "entities": "histogram({distinct})",
    "quantile": "quantile_cont({value}, {argument!r}::DOUBLE)",
}


@dataclass(frozen=True)
class _Table:
    """A relation as DuckDB sees it: what to select from, and each column's DuckDB type."""

    sql: str
    types: Mapping[str, str]
    file_column: str = ""
    """The column that says which file a row is from."""
    unfit: Mapping[str, str] = field(default_factory=dict)
    """Column → the column that has its text where that is not of its type; for files whose columns do not hold what they should."""

    def free(self, name: str) -> str:
        """A name like this that no column has; DuckDB's names have no case."""
        taken = {column.lower() for column in self.types}
        while name in taken:
            name += "_"
        return name


@dataclass(frozen=True)
class _Plan:
    """The one query of a scan."""

    sql: str
    parameters: list[Any]
    wanted: list[tuple[str, Primitive]]
    """Column and primitive of each aggregate that it selects, in order."""
    unfit: Mapping[str, str]
    """Columns whose values do not all have a file's type, and that type."""


class DuckDBEngine:
    """DuckDB within limits: its own default is the whole machine, which a task shares with others.

    :param memory_limit: as DuckDB writes it ("2GB"); beyond it, aggregates spill to a temporary folder.
    :param threads: how many cores to use.
    """

    name = "duckdb"

    def __init__(self, memory_limit: str = "2GB", threads: int = 2) -> None:
        self.memory_limit = memory_limit
        self.threads = threads

    def types(self, relation: Relation) -> dict[str, str]:
        if isinstance(relation, Batches):
            return dict(relation.types)
        with self._connection(relation) as connection:
            return {name: column_type(type_) for name, type_ in _read(connection, relation).types.items()}

    def scan(
        self,
        relation: Relation,
        spec: MeasureSpec,
        needs: Mapping[str, set[Primitive]],
        periods: Sequence[Period],
        watch: Callable[[Group], None] | None = None,
    ) -> Scan:
        with self._connection(relation) as connection, self._errors(spec):
            if isinstance(relation, Batches):
                spool = _spool(connection, relation, spec, periods)
                return self._scan(connection, spool, relation, spec, needs, periods, watch) if spool.types else Scan([], 0)
            table = _read(connection, relation)
            try:
                return self._scan(connection, table, relation, spec, needs, periods, watch)
            except duckdb.OutOfMemoryException:
                raise
            except duckdb.Error:  # of many kinds: a damaged page is whatever its decompression makes of it
                lenient, texts = _lenient(relation, table, spec, needs)
                broken = self._broken_files(connection, texts, spec)
                if not broken:
                    if not lenient.unfit:
                        raise
                    return self._scan(connection, lenient, relation, spec, needs, periods, watch)
        whole = relation.keep(lambda file: file.path not in broken)
        if whole is None:
            return Scan([], 0, failed_files=broken)
        scan = self.scan(whole, spec, needs, periods, watch)
        scan.failed_files = {**broken, **scan.failed_files}
        return scan

    def explain(self, relation: Relation, spec: MeasureSpec, needs: Mapping[str, set[Primitive]], periods: Sequence[Period]) -> str:
        if isinstance(relation, Batches):
            return relation.query(spec.needed_columns, periods) if relation.query is not None else "(the source gives its rows itself)"
        with self._connection(relation) as connection:
            return self._compile(connection, _read(connection, relation), relation, spec, needs, periods).sql

    @contextmanager
    def _errors(self, spec: MeasureSpec) -> Iterator[None]:
        try:
            yield
        except duckdb.OutOfMemoryException as error:
            msg = (
                f"DuckDB needs more than memory_limit={self.memory_limit!r}; raise [lupus] duckdb_memory_limit or measure fewer "
                "periods at once"
            )
            raise TooMuchAtOnce(msg) from error
        except duckdb.Error as error:
            msg = f"DuckDB could not measure dataset {spec.dataset!r}: {error}"
            raise SourceError(msg) from error

    @contextmanager
    def _connection(self, relation: Relation) -> Iterator[duckdb.DuckDBPyConnection]:
        with tempfile.TemporaryDirectory(prefix="lupus-duckdb-") as folder:
            config: dict[str, Any] = {"memory_limit": self.memory_limit, "threads": self.threads, "temp_directory": folder}
            connection = duckdb.connect(":memory:", config=config)
            try:
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute("SET enable_progress_bar = false")
                # DuckDB 2.0 takes Parquet's min and max, which leave NaN out, for proof that there is none, and folds isnan() to
                # false (duckdb/duckdb#25521). Row groups are skipped by their statistics all the same.
                connection.execute("SET disabled_optimizers = 'statistics_propagation'")
                if isinstance(relation, FileSet) and relation.filesystem is not None:
                    connection.register_filesystem(relation.filesystem)
                yield connection
            finally:
                connection.close()

    def _scan(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: _Table,
        relation: Relation,
        spec: MeasureSpec,
        needs: Mapping[str, set[Primitive]],
        periods: Sequence[Period],
        watch: Callable[[Group], None] | None,
    ) -> Scan:
        plan = self._compile(connection, table, relation, spec, needs, periods)
        connection.execute(plan.sql, plan.parameters)
        rows = chain.from_iterable(iter(lambda: connection.fetchmany(FETCHED), []))
        return _scanned(rows, spec, plan.wanted, plan.unfit, periods, watch)

    def _compile(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: _Table,
        relation: Relation,
        spec: MeasureSpec,
        needs: Mapping[str, set[Primitive]],
        periods: Sequence[Period],
    ) -> _Plan:
        where = ""
        if spec.where and isinstance(relation, FileSet):
            _check_where(connection, table, spec)
            where = f"WHERE ({spec.where})"
        source, parameters = _with_period(connection, table, relation, spec, periods)
        period = table.free("__period")
        columns = sorted(column for column in needs if column != ANY_COLUMN)
        selected = [f"{quote(name)} AS g{i}" for i, name in enumerate(spec.group_columns)]
        for i, name in enumerate(columns):
            selected += [
                f"{quote(name)} AS r{i}",
                f"{_value(name, table.types[name])} AS v{i}",
                f"{_distinct(name, table.types[name])} AS d{i}",
            ]
        unfit = [name for name in columns if name in table.unfit]
        selected += [f"{quote(table.unfit[name])} AS u{i}" for i, name in enumerate(unfit)]
        wanted: list[tuple[str, Primitive]] = [(ANY_COLUMN, ROWS)]
        wanted += [(column, primitive) for column in columns for primitive in sorted(needs[column], key=repr) if primitive != ROWS]
        aggregates = [
            AGGREGATES[primitive.name].format(
                raw=f"r{columns.index(column)}" if column != ANY_COLUMN else "",
                value=f"v{columns.index(column)}" if column != ANY_COLUMN else "",
                distinct=f"d{columns.index(column)}" if column != ANY_COLUMN else "",
                argument=primitive.argument,
            )
            for column, primitive in wanted
        ]
        aggregates += [f"min(u{i})" for i in range(len(unfit))]
        groups = [f"g{i}" for i in range(len(spec.group_columns))]
        sets = ([f"(__period, {', '.join(groups)})"] if groups else []) + (["(__period)"] if spec.totals or not groups else [])
        is_total = f"GROUPING({groups[0]})" if groups and spec.totals else "0" if groups else "1"
        sql = (
            f"WITH source AS (\n  SELECT {', '.join([f'{period} AS __period', *selected])}\n  FROM (SELECT * FROM {source} {where})\n)\n"
            f"SELECT __period, {is_total}, {', '.join(groups + aggregates)}\nFROM source\nGROUP BY GROUPING SETS ({', '.join(sets)})"
        )
        return _Plan(sql, parameters, wanted, {name: table.types[name] for name in unfit})

    def _broken_files(self, connection: duckdb.DuckDBPyConnection, relation: FileSet, spec: MeasureSpec) -> dict[str, str]:
        """Which files cannot be read to their end, found by reading each alone."""
        broken = {}
        columns = ", ".join(f"count({quote(name)})" for name in spec.needed_columns) or "count(*)"
        for file in relation.files:
            try:
                one = replace(relation, files=[file])
                connection.execute(f"SELECT {columns} FROM {_call(one)}").fetchall()
            except duckdb.OutOfMemoryException:  # says nothing of the file
                continue
            except duckdb.Error as error:
                broken[file.path] = _first_line(error)
        return broken


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


def column_type(duckdb_type: str) -> str:
    """The type of a column as metrics tell them apart.

    >>> column_type("DECIMAL(18,3)"), column_type("VARCHAR[]"), column_type("TIMESTAMP WITH TIME ZONE")
    ('number', 'list', 'time')
    """
    if duckdb_type.endswith("]"):
        return LIST
    base = duckdb_type.split("(", maxsplit=1)[0].upper()
    if base in {"VARCHAR", "ENUM", "UUID"}:
        return TEXT
    if base == "BOOLEAN":
        return BOOLEAN
    if base in {"DECIMAL", "FLOAT", "DOUBLE"} or base.endswith(("INT", "INTEGER")):
        return NUMBER
    return TIME if base.startswith("TIME") or base == "DATE" else OTHER


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def _check_where(connection: duckdb.DuckDBPyConnection, table: _Table, spec: MeasureSpec) -> None:
    """Try the condition on one row of NULLs, so that what is wrong with it is not taken for something wrong with the data."""
    row = ", ".join(f"CAST(NULL AS {type_}) AS {quote(name)}" for name, type_ in table.types.items())
    try:
        connection.execute(f"SELECT 1 FROM (SELECT {row}) WHERE ({spec.where})").fetchall()
    except duckdb.Error as error:
        msg = f"where={spec.where!r} is not a condition on the rows of dataset {spec.dataset!r}: {_first_line(error)}"
        raise SpecError(msg) from error


def _call(files: FileSet, file_column: str = "") -> str:
    options = "".join(f", {name}={literal(value)}" for name, value in files.options.items())
    if file_column:
        options += f", filename={literal(file_column)}"
    paths = list(dict.fromkeys(GLOB.sub(r"[\g<0>]", file.path) for file in files.files))  # one file may serve many periods
    if len(paths) > 1:
        options += ", union_by_name=true"  # columns by name, and of the type that holds every file's
    return f"{READERS[files.format]}({literal(paths)}{options})"


def _read(connection: duckdb.DuckDBPyConnection, files: FileSet) -> _Table:
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {_call(files)}").fetchall()
    except duckdb.Error as error:
        msg = f"{files.files[0].path!r} cannot be read: {_first_line(error)}"
        raise DataMissing(msg) from error
    types = {row[0]: row[1] for row in described}
    file_column = _Table("", types).free("__file")
    return _Table(_call(files, file_column), types, file_column)


def _lenient(files: FileSet, table: _Table, spec: MeasureSpec, needs: Mapping[str, Any]) -> tuple[_Table, FileSet]:
    """CSV files with the text of their numeric columns, to tell a value of another type from a damaged file: the table and the files.

    A column that says to which period or group a row belongs is not among them: without it nothing can be said of the row.
    """
    placing = {spec.time_column, *spec.group_columns}
    doubted = [
        name for name in needs if name in table.types and name not in placing and column_type(table.types[name]) in {NUMBER, BOOLEAN}
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
    sql = f"(SELECT * REPLACE ({replaced}), {added} FROM {_call(texts, table.file_column)} texts)"
    return replace(table, sql=sql, unfit=unfit), texts


def _spool(connection: duckdb.DuckDBPyConnection, relation: Batches, spec: MeasureSpec, periods: Sequence[Period]) -> _Table:
    """The batches in a temporary table, which DuckDB keeps within its memory limit."""
    types: dict[str, str] = {}
    for batch in relation.read(spec.needed_columns, periods):
        connection.register("batch", batch)
        if types:
            connection.execute("INSERT INTO spool SELECT * FROM batch")
        else:
            connection.execute("CREATE TEMP TABLE spool AS SELECT * FROM batch")
            types = {row[0]: row[1] for row in connection.execute("DESCRIBE spool").fetchall()}
        connection.unregister("batch")
    return _Table("spool", types)


def _value(name: str, duckdb_type: str) -> str:
    """The column as doubles for statistics, NaN made NULL; columns that are no numbers as they are."""
    kind, column = column_type(duckdb_type), quote(name)
    if kind not in {NUMBER, BOOLEAN}:
        return column
    if duckdb_type in {"DOUBLE", "FLOAT"}:
        return f"CASE WHEN isnan({column}) THEN NULL ELSE {column}::DOUBLE END"
    return f"{column}::DOUBLE"


def _distinct(name: str, duckdb_type: str) -> str:
    """The column as values to tell apart: NaN is not one."""
    column = quote(name)
    return f"CASE WHEN isnan({column}) THEN NULL ELSE {column} END" if duckdb_type in {"DOUBLE", "FLOAT"} else column


def _with_period(
    connection: duckdb.DuckDBPyConnection, table: _Table, relation: Relation, spec: MeasureSpec, periods: Sequence[Period]
) -> tuple[str, list[Any]]:
    """A subquery of the relation's rows with the index of each row's period, as `__period` or a free name like it.

    Rows of no period are dropped.
    """
    by_file = isinstance(relation, FileSet) and any(file.period is not None for file in relation.files)
    joins, name = "", table.free("__period")
    parameters: list[Any] = []
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
            return f"(SELECT t.*, files.period AS {name} FROM {table.sql} t {joins})", parameters
        if len(periods) > 1:
            msg = f"dataset {spec.dataset!r}: {len(periods)} periods at once need a time_column, or {{period}} in the path"
            raise SpecError(msg)
        return f"(SELECT t.*, 0 AS {name} FROM {table.sql} t)", parameters
    column, cast, starts, ends = _bounds(spec, table.types[spec.time_column], periods)
    connection.execute(
        # Of two hours that are one on the clocks, when these go back, the first is empty: it must not take the other's rows.
        f"CREATE OR REPLACE TEMP TABLE periods AS SELECT i, lo, hi FROM (SELECT generate_subscripts(starts, 1) - 1 AS i, "
        f"unnest(starts)::{cast} AS lo, unnest(ends)::{cast} AS hi FROM (SELECT ?::TIMESTAMP[] AS starts, ?::TIMESTAMP[] AS ends)) "
        "WHERE lo < hi",
        [starts, ends],
    )
    parameters = [starts[0], ends[-1]]
    condition = f"{column} >= ?::TIMESTAMP::{cast} AND {column} < ?::TIMESTAMP::{cast}"  # lets Parquet skip row groups
    if by_file:
        # A row counts for a period only out of that period's own file, so that one run over many days equals a run a day.
        joins += f" JOIN periods ON periods.i = files.period AND {column} >= periods.lo AND {column} < periods.hi"
    else:
        joins += f" ASOF JOIN periods ON {column} >= periods.lo"
        condition += f" AND {column} < periods.hi"
    return f"(SELECT t.*, periods.i AS {name} FROM {table.sql} t {joins} WHERE {condition})", parameters


def _bounds(spec: MeasureSpec, duckdb_type: str, periods: Sequence[Period]) -> tuple[str, str, list[datetime], list[datetime]]:
    """The time column as SQL, the type to compare it in, and the periods' bounds in that type's terms."""
    column = f"t.{quote(str(spec.time_column))}"
    starts, ends = [period.start for period in periods], [period.end for period in periods]
    if duckdb_type == "TIMESTAMP WITH TIME ZONE":
        return column, "TIMESTAMPTZ", [naive(at, "UTC") for at in starts], [naive(at, "UTC") for at in ends]
    if duckdb_type == "DATE":
        if spec.grain.unit == "hour":
            msg = f"time_column {spec.time_column!r} is a date: it cannot be cut into hours"
            raise SpecError(msg)
        local = spec.grain.timezone
        return column, "DATE", [naive(at, local) for at in starts], [naive(at, local) for at in ends]
    local = spec.time_column_timezone
    if duckdb_type.startswith("TIMESTAMP"):
        return column, "TIMESTAMP", [naive(at, local) for at in starts], [naive(at, local) for at in ends]
    msg = f"time_column {spec.time_column!r} is of type {duckdb_type}, not a time"
    raise SpecError(msg)


def _scanned(
    rows: Iterable[Any],
    spec: MeasureSpec,
    wanted: list[tuple[str, Primitive]],
    unfit: Mapping[str, str],
    periods: Sequence[Period],
    watch: Callable[[Group], None] | None,
) -> Scan:
    groups: list[Group] = []
    leaves: dict[int, int] = {}
    width = 2 + len(spec.group_columns)
    read = 0
    for row in rows:
        index, is_total = row[0], bool(row[1])
        state: dict[str, dict[Primitive, Any]] = {}
        texts = width + len(wanted)
        for (column, primitive), value in zip(wanted, row[width:texts], strict=True):
            if primitive == ENTITIES:
                value = _entities(value, column, spec)  # noqa: PLW2901  the one primitive that is not a number
            state.setdefault(column, {})[primitive] = value
        count = row[width]
        for primitives in state.values():
            primitives[ROWS] = count
        dims = None if is_total else dict(zip(spec.group_columns, map(_dimension, row[2:width]), strict=True))
        if dims is not None:
            leaves[index] = leaves.get(index, 0) + 1
            if leaves[index] > spec.max_groups:
                msg = (
                    f"group_columns={list(spec.group_columns)} has more than max_groups={spec.max_groups:,} groups in one "
                    f"{spec.grain.unit}; group by fewer or coarser columns, or raise max_groups"
                )
                raise LimitExceeded(msg)
        if is_total or not spec.totals:
            read += count
        failed = {
            column: f"column {column!r} holds {text[:100]!r}, which is no {type_}"
            for (column, type_), text in zip(unfit.items(), row[texts:], strict=True)
            if text is not None
        }
        groups.append(Group(periods[index], dims, count, state, failed))
        if watch is not None:
            watch(groups[-1])
    return Scan(groups, read)


def _entities(counts: Mapping[Any, int] | None, column: str, spec: MeasureSpec) -> dict[DimensionValue, int]:
    found = {_dimension(value): count for value, count in (counts or {}).items()}
    if len(found) > spec.max_groups:
        msg = (
            f"column {column!r} has more than max_groups={spec.max_groups:,} values in one {spec.grain.unit}: "
            "a count per entity is not for it"
        )
        raise LimitExceeded(msg)
    return found


def _dimension(value: Any) -> DimensionValue:
    """A group's value as a dimension: text, numbers and booleans as they are, anything else as its text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and value == value and abs(value) != float("inf"):  # noqa: PLR0124  NaN is not itself
        return value
    return value.isoformat() if isinstance(value, datetime) else str(value)
