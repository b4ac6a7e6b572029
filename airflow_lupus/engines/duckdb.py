"""The embedded engine: DuckDB in the task's own process."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import duckdb  # noqa: TID253  this module is imported when the engine is used

from airflow_lupus.engines.base import Batches, FileSet, Scan, fetched
from airflow_lupus.engines.dialects.duckdb import DuckDBDialect
from airflow_lupus.engines.duckdb_tables import call, check_where, first_line, lenient, quote, read, spool, with_period
from airflow_lupus.engines.passes import explained, run_passes
from airflow_lupus.engines.plan import planned, wants_counts
from airflow_lupus.engines.queries import Queries, Source
from airflow_lupus.exceptions import LimitExceeded, SourceError, SpecError, TooMuchAtOnce
from airflow_lupus.metrics.operands import Aggregate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from airflow_lupus.engines.base import Relation
    from airflow_lupus.engines.duckdb_tables import Table
    from airflow_lupus.metrics.base import Need
    from airflow_lupus.metrics.operands import Operand
    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

FAILURES = (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException)
"""What a user's aggregate may come to on some rows."""
LOOKED_AT = 20_000
"""Rows from which it is told whether a column has few different values …"""
FEW = 2_000
"""… which so many are."""
BATCH = 100_000
"""Rows of an answer that are fetched at once, so that too many are noticed before all of them are here."""


class DuckDBEngine:
    """DuckDB within limits: its own default is the whole machine, which a task shares with others.

    :param memory_limit: as DuckDB writes it ("2GB"); beyond it, aggregates spill to a temporary folder.
    :param threads: how many cores to use.
    :param temp_directory: where to spill to; by default the system's folder for temporary files.
    :param max_fetch_rows: a query that answers more groups and values than this stops with a message.
    """

    name = "duckdb"

    def __init__(
        self, memory_limit: str = "2GB", threads: int = 2, temp_directory: str | None = None, max_fetch_rows: int = 10_000_000
    ) -> None:
        self.memory_limit = memory_limit
        self.threads = threads
        self.temp_directory = temp_directory
        self.max_fetch_rows = max_fetch_rows

    def types(self, relation: Relation) -> dict[str, str]:
        relation = fetched(relation)
        if isinstance(relation, Batches):
            return dict(relation.types)
        with self._connection(relation) as connection:
            return {name: type_.kind for name, type_ in read(connection, relation).columns.items()}

    def scan(self, relation: Relation, spec: MeasureSpec, needs: Sequence[Need], periods: Sequence[Period]) -> Scan:
        relation = fetched(relation)
        with self._connection(relation) as connection, self._errors(spec):
            if isinstance(relation, Batches):
                table = spool(connection, relation, spec, periods)
                return self._scan(connection, table, relation, spec, needs, periods) if table.types else Scan.nothing()
            table = read(connection, relation)
            try:
                return self._scan(connection, table, relation, spec, needs, periods)
            except duckdb.OutOfMemoryException:
                raise
            except duckdb.Error:  # of many kinds: a damaged page is whatever its decompression makes of it
                doubted = sorted({name for operand, _ in needs for name in operand.columns})
                tolerant, texts = lenient(relation, table, spec, doubted)
                broken = self._broken_files(connection, texts, spec)
                if not broken:
                    if not tolerant.unfit:
                        raise
                    return self._scan(connection, tolerant, relation, spec, needs, periods)
        whole = relation.keep(lambda file: file.path not in broken)
        if whole is None:
            return Scan.nothing(broken)
        scan = self.scan(whole, spec, needs, periods)
        scan.failed_files = {**broken, **scan.failed_files}
        return scan

    def explain(self, relation: Relation, spec: MeasureSpec, needs: Sequence[Need], periods: Sequence[Period]) -> str:
        relation = fetched(relation)
        if isinstance(relation, Batches):
            return relation.query(spec.needed_columns, periods) if relation.query is not None else "(the source gives its rows itself)"
        with self._connection(relation) as connection:
            table = read(connection, relation)
            rows = _rows(connection, table, relation, spec, periods)
            queries = _queries("source", table, spec, needs)
            return f"CREATE VIEW source AS {rows};\n" + ";\n".join(explained(queries, planned(needs)))

    @contextmanager
    def stream(self, files: FileSet, spec: MeasureSpec, columns: Sequence[str]) -> Iterator[tuple[Table, Iterator[pa.Table]]]:
        """The rows of files, for an engine that cannot read them itself; and of some columns the text of what is not of their type."""
        import pyarrow as pa

        with self._connection(files) as connection, self._errors(spec):
            table, _ = lenient(files, read(connection, files), spec, columns)
            reader = connection.sql(f"SELECT * FROM {table.sql}").to_arrow_reader(BATCH)
            yield table, (pa.Table.from_batches([batch], reader.schema) for batch in _or_empty(reader))

    def broken_files(self, files: FileSet, spec: MeasureSpec) -> dict[str, str]:
        """Which files cannot be read to their end."""
        with self._connection(files) as connection:
            return self._broken_files(connection, files, spec)

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
        with tempfile.TemporaryDirectory(prefix="lupus-duckdb-", dir=self.temp_directory) as folder:
            config: dict[str, Any] = {"memory_limit": self.memory_limit, "threads": self.threads, "temp_directory": folder}
            connection = duckdb.connect(":memory:", config=config)
            try:
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute("SET enable_progress_bar = false")
                connection.execute("SET preserve_insertion_order = false")
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
        table: Table,
        relation: Relation,
        spec: MeasureSpec,
        needs: Sequence[Need],
        periods: Sequence[Period],
    ) -> Scan:
        rows = _rows(connection, table, relation, spec, periods)
        queries = _queries(rows, table, spec, needs)
        if _read_again_is_costly(relation):
            connection.execute(f"CREATE OR REPLACE TEMP TABLE spooled AS SELECT {queries.source_columns()} FROM {rows} s")
            queries = _queries("spooled", table, spec, needs)
        answers = _Answers(connection, self.max_fetch_rows, spec)
        few = answers.few(queries, [operand for operand in wants_counts(needs) if queries.is_number(operand)])
        plan = planned(needs, few)
        for own in plan.own:
            if isinstance(own, Aggregate):
                answers.check(queries.trial(own), own)
        return run_passes(queries, plan, needs, answers.fetch, spec, periods, FAILURES)

    def _broken_files(self, connection: duckdb.DuckDBPyConnection, relation: FileSet, spec: MeasureSpec) -> dict[str, str]:
        """Which files cannot be read to their end, found by reading each alone."""
        broken = {}
        columns = ", ".join(f"count({quote(name)})" for name in spec.needed_columns) or "count(*)"
        for file in relation.files:
            try:
                one = replace(relation, files=[file])
                connection.execute(f"SELECT {columns} FROM {call(one)}").fetchall()
            except duckdb.OutOfMemoryException:  # says nothing of the file
                continue
            except duckdb.Error as error:
                broken[file.path] = first_line(error)
        return broken


def _or_empty(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Batches, or where there are none an empty one."""
    import pyarrow as pa

    batch = None
    for batch in reader:
        yield batch
    if batch is None:
        yield pa.RecordBatch.from_pylist([], reader.schema)


@dataclass(frozen=True)
class _Answers:
    """What queries answer, within limits."""

    connection: duckdb.DuckDBPyConnection
    most: int
    spec: MeasureSpec

    def fetch(self, sql: str) -> pa.Table:
        import pyarrow as pa

        reader = self.connection.sql(sql).to_arrow_reader(BATCH)
        batches, rows = [], 0
        for batch in reader:
            rows += batch.num_rows
            if rows > self.most:
                msg = (
                    f"dataset {self.spec.dataset!r}: a query has more than max_fetch_rows={self.most:,} groups and values; group by "
                    "coarser columns, or leave out metrics per entity"
                )
                raise LimitExceeded(msg)
            batches.append(batch)
        return pa.Table.from_batches(batches, schema=reader.schema)

    def check(self, sql: str, own: Aggregate) -> None:
        """Raise for an aggregate that cannot be meant."""
        try:
            self.connection.execute(sql).fetchall()
        except duckdb.Error as error:
            msg = f"{own.sql!r} is no aggregate over the rows of dataset {self.spec.dataset!r}: {first_line(error)}"
            raise SpecError(msg) from error

    def few(self, queries: Queries, operands: Sequence[Operand]) -> set[Operand]:
        """Those that have few different values, as far as the first rows tell."""
        if not operands:
            return set()
        counts = self.connection.sql(queries.distinct_of_some(operands, LOOKED_AT)).fetchall()[0]
        return {operand for operand, count in zip(operands, counts, strict=True) if count <= FEW}


def _rows(connection: duckdb.DuckDBPyConnection, table: Table, relation: Relation, spec: MeasureSpec, periods: Sequence[Period]) -> str:
    """The rows to measure, with their period, as a subquery."""
    where = ""
    if spec.where and isinstance(relation, FileSet):
        check_where(connection, table, spec)
        where = f" WHERE ({spec.where})"
    return f"(SELECT * FROM {with_period(connection, table, relation, spec, periods)}{where})"


def _queries(rows: str, table: Table, spec: MeasureSpec, needs: Sequence[Need]) -> Queries:
    dialect = DuckDBDialect(spec.time_column_timezone, spec.grain.timezone)
    asked = {name for operand, _ in needs for name in operand.columns}
    unfit = {name: text for name, text in table.unfit.items() if name in asked}
    source = Source(rows, table.free("__period"), table.columns, spec.group_columns, unfit)
    return Queries(dialect, source, needs, totals=spec.totals)


def _read_again_is_costly(relation: Relation) -> bool:
    """Whether a second pass costs as much as the first: of text, which is parsed again, and of what is fetched from elsewhere."""
    return isinstance(relation, FileSet) and (relation.format != "parquet" or relation.filesystem is not None)
