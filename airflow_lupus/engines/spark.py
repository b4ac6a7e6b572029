"""The engine for what is large or already in Spark: the same queries, answered by a Spark of any kind."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow_lupus.engines.base import Batches, FileSet, Scan, SparkRelation, own_or_fetched
from airflow_lupus.engines.dialects.spark import SparkDialect
from airflow_lupus.engines.passes import explained, run_passes
from airflow_lupus.engines.plan import planned, wants_counts
from airflow_lupus.engines.queries import Queries, Source
from airflow_lupus.engines.spark_spool import spooling
from airflow_lupus.engines.spark_tables import NANOSECONDS, Table, failures, is_native, opened, reason, rows, spooled
from airflow_lupus.exceptions import DataMissing, LimitExceeded, SourceError, SpecError, TooMuchAtOnce
from airflow_lupus.metrics.operands import Elements

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from typing import Self

    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from airflow_lupus.engines.base import Readable, Relation
    from airflow_lupus.engines.spark_spool import Spool
    from airflow_lupus.metrics.base import Need
    from airflow_lupus.metrics.operands import Operand
    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

log = logging.getLogger(__name__)

LOCAL = {"spark.driver.memory": "2g", "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
"""Of a session that the engine starts itself: Spark's own default is a page on a port and the whole machine."""
LOOKED_AT = 20_000
"""Rows from which it is told whether a column has few different values …"""
FEW = 2_000
"""… which so many are."""
AT_ONCE = 4
"""Queries that Spark is given at once, so that its cores have work while one ends."""
OF_FILES = frozenset({"LogicalRelation", "HiveTableRelation", "DataSourceV2ScanRelation"})
UNKNOWN = 2**62
"""Spark's size of what it knows no size of is at least this."""


class SparkEngine:
    """Spark: a session in hand, one of Spark Connect, or one of this process.

    :param session: the session to use, of classic Spark or of Spark Connect; by default the active one, else one is started.
    :param remote: the address of a Spark Connect server: `sc://host:15002`.
    :param master: of the session that is started where there is none: `spark://…`, `local[4]` …; by default `local[2]`.
    :param conf: of that session.
    :param max_fetch_rows: a query that answers more groups and values than this stops with a message.
    :param shared_path: a folder that the driver and all executors see under the same name, for rows that Spark does not read itself; by
        default, they go through the driver's memory unless Spark is local.
    """

    name = "spark"

    def __init__(
        self,
        session: SparkSession | None = None,
        *,
        remote: str | None = None,
        master: str | None = None,
        conf: Mapping[str, str] | None = None,
        max_fetch_rows: int = 10_000_000,
        shared_path: str | None = None,
    ) -> None:
        import pyspark  # noqa: F401  so that its absence is told at once

        self.session = session
        self.remote = remote
        self.master = master
        self.conf: dict[str, Any] = dict(conf or {})
        self.max_fetch_rows = max_fetch_rows
        self.shared_path = shared_path

    def types(self, relation: Relation) -> dict[str, str]:
        relation = own_or_fetched(relation)
        if isinstance(relation, Batches):
            return dict(relation.types)
        if isinstance(relation, FileSet) and not is_native(relation):
            from airflow_lupus.engines.duckdb import DuckDBEngine

            return DuckDBEngine().types(relation)
        spark = self._spark(relation)
        with settings(spark):
            return {name: type_.kind for name, type_ in opened(spark, relation).columns.items()}

    def scan(self, relation: Relation, spec: MeasureSpec, needs: Sequence[Need], periods: Sequence[Period]) -> Scan:
        relation = own_or_fetched(relation)
        spark = self._spark(relation)
        try:
            with self._errors(spec), settings(spark), spooling(spark, self.shared_path) as spool:
                table = self._table(spool, relation, spec, needs, periods)
                if table is None:
                    return Scan.nothing()
                found = self._scan(spark, table, relation, spec, needs, periods)
        except SourceError:
            broken = self._broken_files(spark, relation, spec) if isinstance(relation, FileSet) else {}
            if not broken or not isinstance(relation, FileSet):
                raise
            whole = relation.keep(lambda file: file.path not in broken)
            if whole is None:
                return Scan.nothing(broken)
            found = self.scan(whole, spec, needs, periods)
            found.failed_files = {**broken, **found.failed_files}
        return found

    def explain(self, relation: Relation, spec: MeasureSpec, needs: Sequence[Need], periods: Sequence[Period]) -> str:
        relation = own_or_fetched(relation)
        if isinstance(relation, Batches):
            return relation.query(spec.needed_columns, periods) if relation.query is not None else "(the source gives its rows itself)"
        spark = self._spark(relation)
        with self._errors(spec), settings(spark), spooling(spark, self.shared_path) as spool:
            table = self._table(spool, relation, spec, needs, periods)
            if table is None:
                return "(the source has no rows)"
            with _queries(spark, table, relation, spec, needs, periods) as queries:
                return ";\n\n".join(explained(queries, planned(needs)))

    def _spark(self, relation: Readable) -> SparkSession:
        from pyspark.sql import SparkSession

        if isinstance(relation, SparkRelation) and relation.frame is not None:
            session: SparkSession = relation.frame.sparkSession
            return session
        if self.session is None:
            if self.remote is not None:
                self.session = SparkSession.builder.remote(self.remote).config(map=self.conf).getOrCreate()
            elif self.master is None and (active := SparkSession.getActiveSession()) is not None:
                return active
            else:
                builder = SparkSession.builder.appName("lupus").master(self.master or "local[2]")
                self.session = builder.config(map={**LOCAL, **self.conf}).getOrCreate()
        return self.session

    def _table(self, spool: Spool, relation: Readable, spec: MeasureSpec, needs: Sequence[Need], periods: Sequence[Period]) -> Table | None:
        if isinstance(relation, SparkRelation) or (isinstance(relation, FileSet) and is_native(relation)):
            table: Table | None = opened(spool.spark, relation)
        else:
            asked = sorted({name for operand, _ in needs for name in operand.columns})
            table = spooled(spool, relation, spec, asked, periods)
        if table is None or not spec.where or isinstance(relation, Batches):
            return table
        try:
            frame = table.frame.where(spec.where)
            _ = frame.selectExpr("1").schema  # of the frame itself, Spark Connect says the schema without a look at the condition
        except failures() as error:
            msg = f"where={spec.where!r} is not a condition on the rows of dataset {spec.dataset!r}: {reason(error)}"
            raise SpecError(msg) from error
        return Table(frame, table.file_column, table.unfit)

    def _scan(
        self, spark: SparkSession, table: Table, relation: Readable, spec: MeasureSpec, needs: Sequence[Need], periods: Sequence[Period]
    ) -> Scan:
        with _queries(spark, table, relation, spec, needs, periods) as queries, _Answers(spark, self.max_fetch_rows, spec) as answers:
            few = answers.few(queries, wants_counts(needs))
            answers.ask(explained(queries, planned(needs, few)))
            found = self.passes(queries, few, needs, answers.fetch, spec, periods)
            if isinstance(relation, SparkRelation):
                found.bytes_read = _size(spark.sql(f"SELECT {queries.source_columns()} FROM {queries.source.sql} s"))
            return found

    def passes(
        self,
        queries: Queries,
        few: Collection[Operand],
        needs: Sequence[Need],
        fetch: Callable[[str], pa.Table],
        spec: MeasureSpec,
        periods: Sequence[Period],
    ) -> Scan:
        """Run the passes of a scan.

        :param few: what has few different values.
        :param fetch: what answers a query.
        """
        return run_passes(queries, planned(needs, few), needs, fetch, spec, periods)

    def _broken_files(self, spark: SparkSession, relation: FileSet, spec: MeasureSpec) -> dict[str, str]:
        """Which files cannot be read to their end, found by reading each alone."""
        if not is_native(relation):
            from airflow_lupus.engines.duckdb import DuckDBEngine

            return DuckDBEngine().broken_files(relation, spec)
        broken = {}
        quote = SparkDialect("UTC", "UTC").quote
        with settings(spark):
            for file in relation.files:
                try:
                    frame = opened(spark, FileSet([file], relation.format, relation.options, relation.filesystem)).frame
                    columns = [quote(name) for name in spec.needed_columns if name in frame.columns]
                    frame.select(*columns or frame.columns[:1]).write.format("noop").mode("overwrite").save()
                except DataMissing as error:
                    broken[file.path] = str(error)
                except failures() as error:
                    broken[file.path] = reason(error)
        return broken

    @contextmanager
    def _errors(self, spec: MeasureSpec) -> Iterator[None]:
        try:
            yield
        except failures() as error:
            said = str(error)
            if "OutOfMemory" in said or "maxResultSize" in said:
                msg = f"Spark needs more memory for dataset {spec.dataset!r}, or fewer periods at once: {reason(error)}"
                raise TooMuchAtOnce(msg) from error
            msg = f"Spark could not measure dataset {spec.dataset!r}: {reason(error)}"
            raise SourceError(msg) from error


class _Answers:
    """What queries answer, within limits. Those that are known beforehand are computed side by side."""

    def __init__(self, spark: SparkSession, most: int, spec: MeasureSpec) -> None:
        self.spark = spark
        self.most = most
        self.spec = spec
        self._pool = ThreadPoolExecutor(AT_ONCE, "lupus-spark")
        self._asked: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def ask(self, queries: Sequence[str]) -> None:
        """Begin with these."""
        self._asked |= {sql: self._pool.submit(self._answer, sql) for sql in queries}

    def fetch(self, sql: str) -> pa.Table:
        begun = self._asked.pop(sql, None)
        table: pa.Table = self._answer(sql) if begun is None else begun.result()
        return table

    def _answer(self, sql: str) -> pa.Table:
        table = self.spark.sql(f"SELECT * FROM (\n{sql}\n) LIMIT {self.most + 1}").toArrow()
        if table.num_rows > self.most:
            msg = (
                f"dataset {self.spec.dataset!r}: a query has more than max_fetch_rows={self.most:,} groups and values; group by "
                "coarser columns, or leave out metrics per entity"
            )
            raise LimitExceeded(msg)
        return table

    def few(self, queries: Queries, operands: Sequence[Operand]) -> set[Operand]:
        """Those numbers that have few different values, as far as some rows tell."""
        import pyarrow.compute as pc

        operands = [operand for operand in operands if queries.is_number(operand)]
        if not operands:
            return set()
        columns = ", ".join(f"{queries.dialect.quote(operand.columns[0])} AS c{i}" for i, operand in enumerate(operands))
        some = self.spark.sql(f"SELECT {columns} FROM {queries.source.sql} s LIMIT {LOOKED_AT}").toArrow()
        found = set()
        for i, operand in enumerate(operands):
            values = some[f"c{i}"]
            if pc.count_distinct(pc.list_flatten(values) if isinstance(operand, Elements) else values).as_py() <= FEW:
                found.add(operand)
        return found


@contextmanager
def _queries(
    spark: SparkSession, table: Table, relation: Readable, spec: MeasureSpec, needs: Sequence[Need], periods: Sequence[Period]
) -> Iterator[Queries]:
    """The queries over a table, which for their time is a view of the session."""
    view = f"lupus_{uuid4().hex}"
    sql, period = rows(view, table, relation, spec, periods)
    asked = {name for operand, _ in needs for name in operand.columns}
    unfit = {name: text for name, text in table.unfit.items() if name in asked}
    dialect = SparkDialect(spec.time_column_timezone, spec.grain.timezone)
    source = Source(sql, period, table.columns, spec.group_columns, unfit)
    table.frame.createOrReplaceTempView(view)
    try:
        yield Queries(dialect, source, needs, totals=spec.totals)
    finally:
        spark.catalog.dropTempView(view)


@contextmanager
def settings(spark: SparkSession) -> Iterator[None]:
    """Whatever of the session's settings a scan changes is as before when it ends."""
    before = {name: spark.conf.get(name, None) for name in (NANOSECONDS,)}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, value)


def _size(frame: DataFrame) -> int | None:
    """Bytes of the files that a frame's rows are in, each counted once. Spark Connect does not tell, nor do tables without files."""
    plan = getattr(frame, "_jdf", None)
    if plan is None:
        return None
    leaves = plan.queryExecution().optimizedPlan().collectLeaves()
    files = [leaf for leaf in (leaves.apply(i) for i in range(leaves.size())) if leaf.nodeName() in OF_FILES]
    sizes = [int(str(leaf.stats().sizeInBytes())) for leaf in files]
    return sum(sizes) if sizes and max(sizes) < UNKNOWN else None
