"""What Spark reads: files, tables, frames and spooled batches, and the period of each of their rows, as SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_lupus.engines.base import Batches, FileSet, SparkRelation
from airflow_lupus.engines.bounds import one_period
from airflow_lupus.engines.dialects.spark import SparkDialect, column_type
from airflow_lupus.engines.spark_periods import cut
from airflow_lupus.exceptions import DataMissing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import DataFrame, SparkSession

    from airflow_lupus.engines.base import Relation
    from airflow_lupus.engines.dialects.base import ColumnType
    from airflow_lupus.engines.spark_spool import Spool
    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:/*")
GLOB = re.compile(r"[\\*?\[\]{},]")
HADOOP = {"s3": "s3a", "gcs": "gs"}
"""What fsspec calls a storage → what Hadoop does, in which Spark reads."""
NANOSECONDS = "spark.sql.legacy.parquet.nanosAsLong"


@dataclass(frozen=True)
class Table:
    """A relation as Spark sees it."""

    frame: DataFrame
    file_column: str = ""
    """The column that says which file a row is from."""
    unfit: Mapping[str, str] = field(default_factory=dict)
    """Column → the column that has its text where that is not of its type; for files whose columns do not hold what they should."""

    @property
    def columns(self) -> dict[str, ColumnType]:
        """Every column's type, as queries need to know it."""
        hidden = {self.file_column, *self.unfit.values()}
        return {each.name: column_type(each.dataType) for each in self.frame.schema.fields if each.name not in hidden}

    def free(self, name: str) -> str:
        return free(self.frame, name)


def free(frame: DataFrame, name: str) -> str:
    """A name like this that no column has; Spark's names have no case."""
    taken = {column.lower() for column in frame.columns}
    while name in taken:
        name += "_"
    return name


def failures() -> tuple[type[Exception], ...]:
    """What Spark raises, in this process or through Connect."""
    from pyspark.errors import PySparkException

    try:
        from py4j.protocol import Py4JError
    except ModuleNotFoundError:  # the client of Connect alone
        return (PySparkException,)
    return (PySparkException, Py4JError)


def reason(error: BaseException) -> str:
    """The first line of what Spark says, in its own words rather than Py4J's."""
    thrown = getattr(error, "java_exception", None)
    return str(error if thrown is None else thrown.toString()).strip().split("\n")[0]


def is_native(relation: Relation) -> bool:
    """Whether Spark reads it itself."""
    return isinstance(relation, SparkRelation) or (isinstance(relation, FileSet) and relation.format == "parquet")


def opened(spark: SparkSession, relation: FileSet | SparkRelation) -> Table:
    """A relation that Spark reads itself."""
    if isinstance(relation, SparkRelation):
        if relation.frame is not None:
            return Table(relation.frame)
        try:
            table = Table(spark.table(relation.table))
            _ = table.columns
        except failures() as error:
            msg = f"SparkTable({relation.table!r}) cannot be read: {reason(error)}"
            raise DataMissing(msg) from error
        return table
    try:
        return parquet_table(spark, relation)
    except failures() as error:
        msg = f"{relation.files[0].path!r} cannot be read: {reason(error)}"
        raise DataMissing(msg) from error


def parquet_table(spark: SparkSession, files: FileSet) -> Table:
    """Parquet files, columns by name and of the type that holds every file's."""
    paths = list(dict.fromkeys(address(file.path) for file in files.files))
    try:
        frame = spark.read.option("mergeSchema", str(len(paths) > 1).lower()).parquet(*paths)
        name = ""
        if any(file.period is not None for file in files.files):
            name = free(frame, "__file")
            frame = frame.select("*", frame.metadataColumn("_metadata")["file_path"].alias(name))
        if spark.conf.get(NANOSECONDS, "false") == "true":
            frame = _with_nanoseconds(frame, files)
        _ = frame.schema
    except failures() as error:
        if "CANNOT_MERGE" in str(error):
            return _each_schema(spark, files, paths)
        if "TIMESTAMP(NANOS" not in str(error) or spark.conf.get(NANOSECONDS, "false") == "true":
            raise
        spark.conf.set(NANOSECONDS, "true")  # until the scan ends: see `settings`
        return parquet_table(spark, files)
    return Table(frame, name)


def _each_schema(spark: SparkSession, files: FileSet, paths: Sequence[str]) -> Table:
    """Files whose columns are of different types: those of one schema read together, and all of them one below the other."""
    schemas: dict[str, list[str]] = {}
    for path in paths:
        schemas.setdefault(spark.read.parquet(path).schema.simpleString(), []).append(path)
    tables = [
        parquet_table(spark, replace(files, files=[file for file in files.files if address(file.path) in set(alike)]))
        for alike in schemas.values()
    ]
    frame = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), (table.frame for table in tables))
    return Table(frame, tables[0].file_column)


def _with_nanoseconds(frame: DataFrame, files: FileSet) -> DataFrame:
    """Times in nanoseconds, which Spark reads as numbers, as times."""
    import pyarrow as pa
    from pyarrow import parquet
    from pyspark.sql import functions as f

    quote = SparkDialect("", "").quote
    if files.filesystem is None:
        schema = parquet.read_schema(files.files[0].path)
    else:
        with files.filesystem.open(files.files[0].path, "rb") as file:
            schema = parquet.read_schema(file)
    for each in schema:
        if pa.types.is_timestamp(each.type) and each.type.unit == "ns":
            micros = f"({quote(each.name)} - pmod({quote(each.name)}, 1000)) DIV 1000"
            clock = f"timestampadd(MICROSECOND, {micros}, TIMESTAMP_NTZ '1970-01-01 00:00:00')"
            frame = frame.withColumn(each.name, f.expr(f"timestamp_micros({micros})" if each.type.tz else clock))
    return frame


def address(path: str) -> str:
    """A path as Hadoop reads it, which takes it for a glob.

    >>> address("s3://lake/a[1].parquet")
    's3a://lake/a\\\\[1\\\\].parquet'
    """
    scheme, found, rest = path.partition("://")
    scheme, rest = (HADOOP.get(scheme, scheme), rest) if found else ("file", str(Path(path).absolute()))
    return f"{scheme}://" + GLOB.sub(r"\\\g<0>", rest)


def rows(view: str, table: Table, relation: Relation, spec: MeasureSpec, periods: Sequence[Period]) -> tuple[str, str]:
    """A subquery of the table's rows with the index of each row's period, and the name of that column.

    Rows of no period are dropped.
    """
    dialect = SparkDialect(spec.time_column_timezone, spec.grain.timezone)
    by_file = isinstance(relation, FileSet) and any(file.period is not None for file in relation.files)
    name = table.free("__period")
    index, conditions, joined = "0", [], ""
    if spec.time_column is not None:
        time = cut(spec, f"lupus_t.{dialect.quote(spec.time_column)}", table.columns[spec.time_column].native, periods)
        index, conditions = time.index, [time.within]
    elif not by_file:
        one_period(spec, periods)
    if by_file and isinstance(relation, FileSet):
        # With a time column too, a row counts for a period only out of that period's own file, so that one run over many days equals a
        # run a day.
        if spec.time_column is not None:
            conditions.append(f"lupus_files.period = {index}")
        index = "lupus_files.period"
        file = f"lupus_t.{table.file_column}"
        joined = f" JOIN {_files(dialect, relation, periods)} ON lupus_files.file = {_normal(file) if is_native(relation) else file}"
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    hint = "/*+ BROADCAST(lupus_files) */ " if joined else ""
    return f"(SELECT {hint}lupus_t.*, {index} AS {name} FROM {view} lupus_t{joined}{where})", name


def _files(dialect: SparkDialect, relation: FileSet, periods: Sequence[Period]) -> str:
    index = {period: i for i, period in enumerate(periods)}
    named = dict.fromkeys((file.path, index[file.period]) for file in relation.files if file.period in index)
    of = _plain if is_native(relation) else str
    pairs = ", ".join(f"({dialect.text(of(path))}, {i})" for path, i in named) or "('', -1)"
    return f"(SELECT * FROM VALUES {pairs} AS v(file, period)) lupus_files"


def _plain(path: str) -> str:
    """A path in which it is of no importance how its storage is called."""
    return SCHEME.sub("", path if "://" in path else str(Path(path).absolute())).lstrip("/")


def _normal(file: str) -> str:
    """The same of what Spark calls the file of a row, which is a URL."""
    return f"regexp_replace(url_decode(replace({file}, '+', '%2B')), '{SCHEME.pattern}', '')"


def spooled(
    spool: Spool, relation: Batches | FileSet, spec: MeasureSpec, columns: Sequence[str], periods: Sequence[Period]
) -> Table | None:
    """Batches, and text, which DuckDB parses as it does for its own scans, where Spark reads them; None: there is nothing."""
    if isinstance(relation, Batches):
        frame = spool.frame(relation.read(spec.needed_columns, periods))
        return None if frame is None else Table(frame)
    from airflow_lupus.engines.duckdb import DuckDBEngine

    with DuckDBEngine().stream(relation, spec, columns) as (table, tables):
        frame = spool.frame(tables)
    return None if frame is None else Table(frame, table.file_column, table.unfit)
