"""Tables and queries of databases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_lupus.exceptions import SpecError
from airflow_lupus.sources.base import Source


@dataclass
class Table(Source):
    """A table or view of any Airflow SQL connection.

    :param name: `table` or `schema.table`.
    :param conn_id: the Airflow connection.
    """

    name: str
    conn_id: str
    template_fields: ClassVar[tuple[str, ...]] = ("name",)

    @property
    def default_dataset(self) -> str:
        return self.name

    def definition(self) -> dict[str, Any]:
        return {"table": self.name, "conn_id": self.conn_id}


@dataclass
class Query(Source):
    """The rows of an SQL query on any Airflow SQL connection; the period's filter and the columns are pushed into it.

    :param sql: one SELECT without a trailing semicolon.
    :param conn_id: the Airflow connection.
    :param name: the dataset's name where the operator gives none.
    """

    sql: str
    conn_id: str
    name: str | None = None
    template_fields: ClassVar[tuple[str, ...]] = ("sql",)

    def __post_init__(self) -> None:
        self.written_sql = self.sql

    @property
    def default_dataset(self) -> str:
        if self.name is None:
            msg = "A Query has no name of its own: give the operator a dataset"
            raise SpecError(msg)
        return self.name

    def definition(self) -> dict[str, Any]:
        return {"query": self.written_sql, "conn_id": self.conn_id}

    def check_ranged(self) -> None:
        if "{{" in self.written_sql:
            msg = "A Query that Jinja dates names one period: a range run needs the plain query and a time_column"
            raise SpecError(msg)
