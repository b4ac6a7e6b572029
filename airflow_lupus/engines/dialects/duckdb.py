"""DuckDB's SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_lupus.engines.dialects.base import ColumnType, Dialect
from airflow_lupus.metrics.base import BOOLEAN, NUMBER, OTHER, TEXT, TIME, list_of

if TYPE_CHECKING:
    from collections.abc import Sequence


FEW_ITEMS = 100
"""Of so many items each is looked for in all of them."""


class DuckDBDialect(Dialect):
    """See `Dialect`."""

    AGGREGATES = Dialect.AGGREGATES | {
        # fsum, which keeps the digits that sum loses, answers NaN for infinities and overflows.
        "sum": "CASE WHEN isfinite(fsum({value})) THEN fsum({value}) ELSE sum({value}) END",
        # var_pop raises on what it cannot square.
        "m2": "CASE WHEN max(abs({value})) > {largest} THEN {nan} ELSE "
        "var_pop({value}) FILTER (abs({value}) <= {largest}) * count({value}) END",
    }

    def group(self, sql: str, type_: ColumnType) -> str:
        if type_.kind == TEXT and type_.native != "VARCHAR":  # ENUM, UUID: Arrow has them otherwise
            return f"CAST({sql} AS VARCHAR)"
        return super().group(sql, type_)

    def seconds(self, sql: str, type_: ColumnType) -> str:
        if type_.native in {"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"}:
            return f"epoch_us({sql}) / 1e6"
        if type_.native.startswith("TIME") and not type_.native.startswith("TIMESTAMP"):  # a time of day
            return f"epoch_us({sql}) / 1e6"
        zone = self.date_timezone if type_.native == "DATE" else self.timezone
        return f"epoch_us(CAST({sql} AS TIMESTAMP) AT TIME ZONE {self.text(zone)}) / 1e6"

    def element_at(self, sql: str, place: int) -> str:
        return f"{sql}[{place}]"

    def present(self, sql: str) -> str:
        return f"list_count({sql})"

    def nth_largest(self, sql: str, n: int) -> str:
        return f"list_reverse_sort(CAST({sql} AS DOUBLE[]))[{n}]"

    def where_largest(self, sql: str) -> str:
        return f"list_position(CAST({sql} AS DOUBLE[]), {self.nth_largest(sql, 1)})"

    def exploded(self, relation: str, kept: Sequence[str], column: str) -> str:
        columns = [*kept, f"unnest({column}) AS e", f"generate_subscripts({column}, 1) AS i"]
        return f"SELECT {', '.join(columns)} FROM {relation}"

    def relevant(self, items: str, type_: ColumnType, grades: tuple[str, ColumnType] | None) -> str:
        fits = self._is_relevant((items, type_), grades)
        kept = f"list_filter({items}, lambda item, nth: {fits})"
        if grades is not None:
            return kept
        # Of few items, looking for each in all is faster than hashing them; beyond, it is not.
        hashed = f"list_filter(list_distinct({items}), lambda item: {self.is_value('item', type_)})"
        return f"CASE WHEN len({items}) <= {FEW_ITEMS} THEN {kept} ELSE {hashed} END"

    def places(self, prediction: str, relevant: str, first: int | None) -> str:
        within = "place > 0" if first is None else f"place BETWEEN 1 AND {first}"
        found = f"list_transform({relevant}, lambda item: list_position({prediction}, item))"
        return f"list_prepend(0, list_sort(list_filter({found}, lambda place: {within})))"

    def gain(self, prediction: str, items: tuple[str, ColumnType], grades: tuple[str, ColumnType], first: int | None) -> str:
        list_, grade = items[0], f"CAST({grades[0]}[nth] AS DOUBLE)"
        fits = self._is_relevant(items, grades)
        place = f"list_position({prediction}, item)"
        within = f"{place} > 0" if first is None else f"{place} BETWEEN 1 AND {first}"
        cut = "" if first is None else f"[:{first}]"
        gained = f"list_transform({list_}, lambda item, nth: CASE WHEN {fits} AND {within} THEN {grade} / ln({place} + 1) ELSE 0e0 END)"
        kept = f"list_filter(list_transform({list_}, lambda item, nth: CASE WHEN {fits} THEN {grade} END), lambda each: each IS NOT NULL)"
        best = f"list_transform(list_reverse_sort({kept}){cut}, lambda each, nth: each / ln(nth + 1))"
        return f"list_sum({gained}) / list_sum({best})"

    def _is_relevant(self, items: tuple[str, ColumnType], grades: tuple[str, ColumnType] | None) -> str:
        """Whether `item`, the `nth` of the items, is relevant and not there before."""
        fits = f"{self.is_value('item', items[1])} AND list_position({items[0]}, item) = nth"
        if grades is None:
            return fits
        grade = f"{grades[0]}[nth]"
        return f"{fits} AND {self.is_value(grade, grades[1])} AND {grade} > 0"

    def quantiles(self, value: str, n: str, of: Sequence[float]) -> str:  # noqa: ARG002  of rows
        return f"quantile_cont({value}, {list(of)!r})"


def column_type(native: str) -> ColumnType:
    """A type as DuckDB describes it.

    >>> column_type("DECIMAL(18,3)").kind, column_type("VARCHAR[]").kind, column_type("TIMESTAMP WITH TIME ZONE").kind
    ('number', 'list[text]', 'time')
    """
    if native.endswith("]"):
        element = column_type(native[: native.rindex("[")])
        return ColumnType(list_of(element.kind), native, element=element)
    base = native.split("(", maxsplit=1)[0].upper()
    if base in {"VARCHAR", "ENUM", "UUID"}:
        return ColumnType(TEXT, native)
    if base == "BOOLEAN":
        return ColumnType(BOOLEAN, native)
    if base in {"DECIMAL", "FLOAT", "DOUBLE"} or base.endswith(("INT", "INTEGER")):
        return ColumnType(NUMBER, native, floating=base in {"FLOAT", "DOUBLE"})
    return ColumnType(TIME if base.startswith("TIME") or base == "DATE" else OTHER, native)
