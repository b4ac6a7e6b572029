"""What an engine in the database needs of a table or query: how it is written there, and its columns as they are typed there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.engines.dialects.base import ColumnType
from airflow_lupus.metrics.base import BOOLEAN, NUMBER, OTHER, TEXT, TIME, list_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def column_type(type_: sa.types.TypeEngine[Any]) -> ColumnType:
    """A column's type, as SQLAlchemy reflects it from any database.

    >>> column_type(sa.DateTime(timezone=True)).native, column_type(sa.ARRAY(sa.Integer())).kind, column_type(sa.Uuid()).kind
    ('timestamptz', 'list[number]', 'text')
    """
    native = type(type_).__name__.lower()
    if isinstance(type_, sa.ARRAY):
        element = column_type(type_.item_type)
        return ColumnType(list_of(element.kind), native, element=element)
    if isinstance(type_, sa.Boolean):
        return ColumnType(BOOLEAN, native)
    if isinstance(type_, sa.Integer | sa.Numeric | sa.Float):
        exact = isinstance(type_, sa.Integer) or not isinstance(type_, sa.Float)
        return ColumnType(NUMBER, native, floating=not exact)
    if isinstance(type_, sa.DateTime):
        return ColumnType(TIME, "timestamptz" if type_.timezone else "timestamp")
    if isinstance(type_, sa.Date):
        return ColumnType(TIME, "date")
    return ColumnType(TEXT if isinstance(type_, sa.String | sa.Uuid) else OTHER, native)


def postgres_columns(connection: sa.Connection, sql: str) -> tuple[dict[str, ColumnType], dict[str, sa.types.TypeEngine[Any]]]:
    """The columns of what PostgreSQL can select from: their types, and those that they are cast to when their rows are fetched."""
    from airflow_lupus.engines.dialects.postgres import described

    types = described(connection, sql)
    return types, {name: _fetched_as(type_) for name, type_ in types.items()}


def _fetched_as(type_: ColumnType) -> sa.types.TypeEngine[Any]:
    if type_.element is not None:
        return sa.ARRAY(_fetched_as(type_.element), dimensions=1)
    found = _AS.get(type_.native)
    return found if found is not None else sa.Text()


_AS: Mapping[str, sa.types.TypeEngine[Any]] = {
    **dict.fromkeys(("int2", "int4", "int8"), sa.BigInteger()),
    **dict.fromkeys(("float4", "float8"), sa.Double()),
    "numeric": sa.Numeric(),
    "bool": sa.Boolean(),
    "date": sa.Date(),
    "timestamp": sa.DateTime(),
    "timestamptz": sa.DateTime(timezone=True),
}
