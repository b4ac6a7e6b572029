"""Where the data is: what a user writes. Opening a source is the business of `airflow_lupus.hooks`."""

from __future__ import annotations

from airflow_lupus.exceptions import SpecError
from airflow_lupus.sources.base import Source
from airflow_lupus.sources.files import Files
from airflow_lupus.sources.frame import Frame
from airflow_lupus.sources.lake import Delta, Iceberg, SparkTable
from airflow_lupus.sources.sql import Query, Table

KINDS = "Files(…), Table(…), Query(…), Delta(…), Iceberg(…), Frame(…) or SparkTable(…)"

__all__ = ["KINDS", "Delta", "Files", "Frame", "Iceberg", "Query", "Source", "SparkTable", "Table", "require_source"]


def require_source(where: str, source: object) -> None:
    """Raise unless it is a source."""
    if not isinstance(source, Source):
        msg = f"{where}: source must be {KINDS}, not {_short(source)}"
        raise SpecError(msg)


def _short(value: object) -> str:
    """A value in an error message: a frame's own text has many lines."""
    text = repr(value)
    return text if len(text) <= 200 and "\n" not in text else f"a {type(value).__module__}.{type(value).__name__}"
