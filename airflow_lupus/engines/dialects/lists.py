"""Lists of numbers as they stand in the templates of expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_lupus.engines.dialects.base import ColumnType, Dialect


class ListArgument:
    """A list column in a dialect: see `airflow_lupus.metrics.operands.Expression` for what templates say of it."""

    def __init__(self, dialect: Dialect, sql: str, type_: ColumnType) -> None:
        self.dialect, self.sql, self.type = dialect, sql, type_

    def __getitem__(self, place: int) -> str:
        return self.dialect.argument(self.dialect.value(self.dialect.element_at(self.sql, place), self.dialect.element(self.type)))

    @property
    def length(self) -> str:
        return self.dialect.length(self.sql, self.type)

    @property
    def present(self) -> str:
        return self.dialect.present(self.sql)

    @property
    def largest(self) -> str:
        return self.dialect.argument(self.dialect.nth_largest(self.sql, 1))

    @property
    def second(self) -> str:
        return self.dialect.argument(self.dialect.nth_largest(self.sql, 2))

    @property
    def where_largest(self) -> str:
        return self.dialect.where_largest(self.sql)
