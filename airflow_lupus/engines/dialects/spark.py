"""Spark's SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_lupus.engines.dialects.base import ColumnType, Dialect
from airflow_lupus.metrics.base import BOOLEAN, NUMBER, OTHER, TEXT, TIME, is_list, list_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql.types import DataType

INTEGERS = frozenset({"tinyint", "smallint", "int", "bigint"})
EPOCH = "TIMESTAMP_NTZ '1970-01-01 00:00:00'"


class SparkDialect(Dialect):
    """See `Dialect`. It means the same whatever the session's time zone, and whether it is ANSI or not."""

    nan = "DOUBLE('NaN')"

    def quote(self, identifier: str) -> str:
        """An identifier that SQL takes for nothing else.

        >>> SparkDialect("UTC", "UTC").quote("a`b")
        '`a``b`'
        """
        return "`" + identifier.replace("`", "``") + "`"

    def text(self, value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def number(self, value: float) -> str:
        return f"{value!r}D"

    def group(self, sql: str, type_: ColumnType) -> str:
        if type_.kind == OTHER or is_list(type_.kind):
            return f"CAST({sql} AS STRING)"
        return super().group(sql, type_)

    def seconds(self, sql: str, type_: ColumnType) -> str:
        if type_.native == "timestamp":
            return f"unix_micros({sql}) / 1e6"
        local, zone = (f"CAST({sql} AS TIMESTAMP_NTZ)", self.date_timezone) if type_.native == "date" else (sql, self.timezone)
        return f"{self.micros(self._instant(local, self.text(zone)))} / 1e6"

    @staticmethod
    def micros(clock: str) -> str:
        """A time without a zone as microseconds since 1970."""
        return f"timestampdiff(MICROSECOND, {EPOCH}, {clock})"

    @staticmethod
    def _instant(clock: str, zone: str) -> str:
        """What clocks show in a zone, as they show it in UTC; of two such times, when clocks go back, the later one."""
        if zone == "'UTC'":
            return clock
        first = f"convert_timezone({zone}, 'UTC', {clock})"
        later = f"convert_timezone({zone}, 'UTC', {clock} + INTERVAL 1 DAY) - INTERVAL 1 DAY"
        return f"CASE WHEN convert_timezone('UTC', {zone}, {later}) = {clock} THEN {later} ELSE {first} END"

    def length(self, sql: str, type_: ColumnType) -> str:
        return f"array_size({sql})" if is_list(type_.kind) else f"char_length({sql})"

    def element_at(self, sql: str, place: int) -> str:
        return f"get({sql}, {place - 1})"

    def present(self, sql: str) -> str:
        return f"array_size(array_compact({sql}))"

    def nth_largest(self, sql: str, n: int) -> str:
        doubles = f"CAST({sql} AS ARRAY<DOUBLE>)"
        return f"array_max({doubles})" if n == 1 else f"get(sort_array({doubles}, false), {n - 1})"

    def where_largest(self, sql: str) -> str:
        return f"array_position(CAST({sql} AS ARRAY<DOUBLE>), {self.nth_largest(sql, 1)})"

    def exploded(self, relation: str, kept: Sequence[str], column: str) -> str:
        columns = [*kept, "lupus_each.e AS e", "lupus_each.i + 1 AS i"]
        return f"SELECT {', '.join(columns)} FROM {relation} LATERAL VIEW posexplode({column}) lupus_each AS i, e"

    def relevant(self, items: str, type_: ColumnType, grades: tuple[str, ColumnType] | None) -> str:
        if grades is not None:
            return f"filter({items}, (item, nth) -> {self._is_relevant((items, type_), grades)})"
        there = f"array_compact({items})"
        return f"array_distinct({f'array_remove({there}, {self.nan})' if type_.floating else there})"

    def places(self, prediction: str, relevant: str, first: int | None) -> str:
        within = "place > 0" if first is None else f"place BETWEEN 1 AND {first}"
        found = f"transform({relevant}, item -> array_position({prediction}, item))"
        return f"concat(array(0L), coalesce(array_sort(filter({found}, place -> {within})), array()))"

    def gain(self, prediction: str, items: tuple[str, ColumnType], grades: tuple[str, ColumnType], first: int | None) -> str:
        fits, grade = self._is_relevant(items, grades), f"CAST(get({grades[0]}, nth) AS DOUBLE)"
        place = f"array_position({prediction}, item)"
        within = f"{place} > 0" if first is None else f"{place} BETWEEN 1 AND {first}"
        gained = f"transform({items[0]}, (item, nth) -> CASE WHEN {fits} AND {within} THEN {grade} / ln({place} + 1) ELSE 0D END)"
        graded = f"sort_array(array_compact(transform({items[0]}, (item, nth) -> CASE WHEN {fits} THEN {grade} END)), false)"
        cut = graded if first is None else f"slice({graded}, 1, {first})"
        best = f"transform({cut}, (each, nth) -> each / ln(nth + 2))"
        return f"{self._summed(gained)} / nullif({self._summed(best)}, 0D)"

    @staticmethod
    def _summed(doubles: str) -> str:
        return f"aggregate({doubles}, 0D, (total, each) -> total + each)"

    def _is_relevant(self, items: tuple[str, ColumnType], grades: tuple[str, ColumnType]) -> str:
        """Whether `item`, the `nth` of the items from 0, is relevant and not there before."""
        grade = f"get({grades[0]}, nth)"
        first = f"array_position({items[0]}, item) = nth + 1"
        return f"{self.is_value('item', items[1])} AND {first} AND {self.is_value(grade, grades[1])} AND {grade} > 0"

    def quantiles(self, value: str, n: str, of: Sequence[float]) -> str:  # noqa: ARG002  of rows
        # A sorted array of a group's values takes a tenth of the time of `percentile`, which counts them in a map first.
        values = f"sort_array(collect_list({value}))"
        return f"array({', '.join(self._quantile(values, f'((count({value}) - 1) * {self.number(q)})') for q in of)})"

    @staticmethod
    def _quantile(values: str, rank: str) -> str:
        """By weights, of all values in order."""
        low, high = (f"get({values}, CAST({which}({rank}) AS INT))" for which in ("floor", "ceil"))
        share = f"({rank} - floor({rank}))"
        return f"CASE WHEN {low} = {high} THEN {low} ELSE {low} * (1 - {share}) + {high} * {share} END"


def column_type(type_: DataType) -> ColumnType:
    """A type as Spark describes it.

    >>> from pyspark.sql.types import ArrayType, DecimalType, StringType, TimestampNTZType
    >>> column_type(DecimalType(18, 3)).kind, column_type(ArrayType(StringType())).kind, column_type(TimestampNTZType()).kind
    ('number', 'list[text]', 'time')
    """
    native = type_.simpleString()
    element = getattr(type_, "elementType", None)
    if element is not None:
        inner = column_type(element)
        return ColumnType(list_of(inner.kind), native, element=inner)
    base = native.split("(", maxsplit=1)[0].split(" ", maxsplit=1)[0]
    if base in {"string", "varchar", "char"}:
        return ColumnType(TEXT, native)
    if base == "boolean":
        return ColumnType(BOOLEAN, native)
    if base in INTEGERS or base in {"decimal", "float", "double"}:
        return ColumnType(NUMBER, native, floating=base in {"float", "double"})
    return ColumnType(TIME if base in {"timestamp", "timestamp_ntz", "date"} else OTHER, native)
