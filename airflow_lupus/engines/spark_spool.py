"""Rows that Spark cannot read where they are, put where it can."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa
    from pyarrow import parquet
    from pyspark.sql import DataFrame, SparkSession


class Spool:
    """A folder of Parquet files for rows on their way to Spark; where there is none, they go through the driver's memory.

    :param folder: what the driver and all executors see under the same name.
    """

    def __init__(self, spark: SparkSession, folder: Path | None) -> None:
        self.spark = spark
        self.folder = folder

    def frame(self, tables: Iterable[pa.Table]) -> DataFrame | None:
        """A frame of these rows; None where there is not even an empty table."""
        schema = None
        path = self.folder / f"{uuid4().hex}.parquet" if self.folder else None
        writer, kept = None, []
        for table in tables:
            schema = schema or _readable(table.schema)
            fitting = table.cast(schema, safe=False)
            if path is None:
                kept.append(fitting)
                continue
            writer = writer or _writer(path, schema)
            writer.write_table(fitting)
        if schema is None:
            return None
        if writer is None or path is None:
            return self._sent(kept)
        writer.close()
        return self.spark.read.parquet(path.as_uri())

    def _sent(self, tables: list[pa.Table]) -> DataFrame:
        import pyarrow as pa
        from pyspark.sql.pandas.types import from_arrow_schema

        table = pa.concat_tables(tables)
        # Told, since Spark else takes times without a zone for times in the session's.
        return self.spark.createDataFrame(table, schema=from_arrow_schema(table.schema, prefer_timestamp_ntz=True))


@contextmanager
def spooling(spark: SparkSession, shared_path: str | None) -> Iterator[Spool]:
    """A spool for one scan: in the shared path, or for a Spark in this machine's own processes in a temporary folder."""
    if shared_path is None and not _is_here(spark):
        yield Spool(spark, None)
        return
    parent = Path(shared_path).absolute() if shared_path else None
    if parent is not None:
        parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="lupus-spark-", dir=parent))
    if parent is not None:
        folder.chmod(0o755)  # executors may be another user's
    try:
        yield Spool(spark, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_here(spark: SparkSession) -> bool:
    return ".connect." not in type(spark).__module__ and (spark.conf.get("spark.master", "") or "").startswith("local")


def _writer(path: Path, schema: pa.Schema) -> parquet.ParquetWriter:
    from pyarrow import parquet

    return parquet.ParquetWriter(path, schema)


def _readable(schema: pa.Schema) -> pa.Schema:
    """The same columns in types that Spark has."""
    import pyarrow as pa

    return pa.schema([pa.field(field.name, _type(field.type)) for field in schema])


def _type(type_: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_dictionary(type_):
        return _type(type_.value_type)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_):
        return pa.list_(_type(type_.value_type))
    if pa.types.is_timestamp(type_):
        return pa.timestamp("us", "UTC" if type_.tz else None)
    if pa.types.is_unsigned_integer(type_):
        return pa.decimal128(20, 0) if type_ == pa.uint64() else pa.int64()
    if pa.types.is_date(type_):
        return pa.date32()
    if pa.types.is_null(type_):
        return pa.float64()
    if pa.types.is_float16(type_):
        return pa.float32()
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_) or pa.types.is_time(type_) or pa.types.is_duration(type_):
        return pa.string()
    return type_
