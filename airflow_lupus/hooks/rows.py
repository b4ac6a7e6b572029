"""Tables to import, from a file or an Airflow connection, some rows at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.exceptions import SourceError, SpecError
from airflow_lupus.hooks.connections import sql_hook
from airflow_lupus.pipeline.importing import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH = 50_000
_TEXT = "header = true, all_varchar = true, quote = '\"', escape = '\"', comment = '', skip = 0, nullstr = ''"
READERS = {
    ".csv": f"read_csv(?, delim = ',', {_TEXT})",
    ".tsv": f"read_csv(?, delim = '\t', {_TEXT})",
    ".parquet": "read_parquet(?)",
}


def rows_of_file(path: str) -> Rows:
    """The rows of a CSV, TSV (both perhaps with .gz) or Parquet file. What CSV has is text: what it means is found out later."""
    import duckdb

    reader = READERS.get(Path(path.removesuffix(".gz")).suffix.lower())
    if reader is None:
        msg = f"{path}: which format is it? These are read: {', '.join(READERS)}"
        raise SpecError(msg)
    if not Path(path).is_file():
        msg = f"There is no file {path}"
        raise SpecError(msg)
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "1GB"})

    def failed(error: duckdb.Error) -> SourceError:
        return SourceError(f"{path} cannot be read: {str(error).splitlines()[0]}")

    try:
        connection.execute("SET TimeZone = 'UTC'")
        relation = connection.sql(f"SELECT * FROM {reader}", params=[path])
    except duckdb.Error as error:
        raise failed(error) from error

    def batches() -> Iterator[list[tuple[Any, ...]]]:
        try:
            for batch in relation.to_arrow_reader(BATCH):
                yield list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
        except duckdb.Error as error:
            raise failed(error) from error
        finally:
            connection.close()

    return Rows(path, relation.columns, batches())


def rows_of_query(conn_id: str, sql: str) -> Rows:
    """The rows that a query answers."""
    engine = sql_hook(conn_id, "--conn-id").get_sqlalchemy_engine()
    name = f"--sql on {conn_id}"

    def failed(error: sa.exc.DBAPIError) -> SourceError:
        return SourceError(f"{name} failed: {str(error.orig).strip().splitlines()[0]}")

    try:
        connection = engine.connect()
    except sa.exc.DBAPIError as error:
        raise failed(error) from error
    try:
        streaming = connection.execution_options(stream_results=True, yield_per=BATCH)
        result = streaming.execute(sa.text(sql.strip().rstrip(";").replace(":", "\\:")))
    except sa.exc.DBAPIError as error:
        connection.close()
        raise failed(error) from error

    def batches() -> Iterator[list[tuple[Any, ...]]]:
        try:
            for rows in result.partitions():
                yield [tuple(row) for row in rows]
        except sa.exc.DBAPIError as error:
            raise failed(error) from error
        finally:
            connection.close()

    return Rows(name, list(result.keys()), batches())
