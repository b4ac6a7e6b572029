"""Arrow tables as tables of a real PostgreSQL."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import sqlalchemy as sa

from airflow_lupus.engines.base import SqlRelation
from airflow_lupus.hooks.sql import open_on
from airflow_lupus.sources import Query, Table
from support.servers import postgres

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

TYPES = {
    pa.string(): "text",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float32(): "real",
    pa.float64(): "double precision",
    pa.bool_(): "boolean",
    pa.date32(): "date",
}


@lru_cache(maxsize=1)
def database() -> sa.Engine:
    """The one that all tests of this process put their tables into."""
    return sa.create_engine(postgres().new_database())


def postgres_relation(table: pa.Table, spec: MeasureSpec, periods: Sequence[Period], types: Mapping[str, str] | None = None) -> SqlRelation:
    """An Arrow table as the relation that a source makes of it once it is in PostgreSQL.

    :param types: column → PostgreSQL's type, where it is not the one that the Arrow type says.
    """
    name = f"t{uuid4().hex}"
    columns = {field.name: (types or {}).get(field.name) or native(field.type) for field in table.schema}
    quoted = ", ".join(f"{_quoted(column)} {type_}" for column, type_ in columns.items())
    raw = database().raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute(f"CREATE TABLE {name} ({quoted})")
        rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
        text = "".join("\t".join(map(_copied, row)) + "\n" for row in rows)
        cursor.copy_expert(f"COPY {name} FROM STDIN", io.StringIO(text))
        raw.commit()
    finally:
        raw.close()
    return relation(Table(name, conn_id="warehouse"), spec, periods)


def relation(source: Table | Query, spec: MeasureSpec, periods: Sequence[Period], engine: sa.Engine | None = None) -> SqlRelation:
    """A source that is in PostgreSQL, opened."""
    opened = open_on(engine or database(), source, periods, spec)
    assert isinstance(opened.relation, SqlRelation), opened
    return opened.relation


def native(type_: pa.DataType) -> str:
    """PostgreSQL's type for an Arrow type."""
    if pa.types.is_list(type_):
        return f"{native(type_.value_type)}[]"
    if pa.types.is_timestamp(type_):
        return "timestamptz" if type_.tz else "timestamp"
    if pa.types.is_decimal(type_):
        return f"numeric({type_.precision}, {type_.scale})"
    return TYPES[type_]


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _copied(value: Any) -> str:
    """A value in PostgreSQL's text format."""
    if value is None:
        return "\\N"
    if isinstance(value, list):
        value = "{" + ",".join("NULL" if each is None else f'"{_escaped(_text(each), quote=True)}"' for each in value) + "}"
    return _escaped(_text(value))


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _escaped(text: str, *, quote: bool = False) -> str:
    text = text.replace("\\", "\\\\")
    if quote:
        return text.replace('"', '\\"')
    return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
