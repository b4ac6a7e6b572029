"""What the queries of a scan are made of, in the SQL that engines have in common; a dialect says what it writes otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metrics.base import BOOLEAN, LARGEST, NUMBER, OTHER, TIME, is_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.metrics import Primitive


@dataclass(frozen=True)
class ColumnType:
    """A column's type: as metrics tell types apart, and as the database calls it."""

    kind: str
    native: str
    floating: bool = False
    """Whether it has NaN."""
    element: ColumnType | None = None
    """Of a list, its elements'."""


class Dialect:
    """One database's SQL.

    In templates `{raw}` is the operand as it is, `{value}` with NaN made NULL and numbers as doubles, `{one}` 1 where it counts.

    :param timezone: the zone in which times without one are to be read.
    :param date_timezone: the zone whose days dates are.
    """

    AGGREGATES: ClassVar[dict[str, str]] = {
        "rows": "count({one})",
        "present": "count({raw})",
        "valid": "count({value})",
        "zero": "count(CASE WHEN {value} = 0 THEN 1 END)",
        "negative": "count(CASE WHEN {value} < 0 THEN 1 END)",
        "sum": "sum({value})",
        "min": "min({value})",
        "max": "max({value})",
        "m2": "CASE WHEN max(abs({value})) > {largest} THEN {nan} ELSE var_pop({value}) * count({value}) END",
    }
    double: ClassVar[str] = "DOUBLE"
    nan: ClassVar[str] = "CAST('NaN' AS DOUBLE)"
    quantiles_from_counts: ClassVar[bool] = False
    """Whether exact quantiles are taken of values and how often each is there, rather than of rows."""
    shifts_by_group: ClassVar[bool] = False
    """Whether third and fourth moments are summed about each group's own mean: one mean for all costs digits where groups are far apart."""

    def __init__(self, timezone: str, date_timezone: str) -> None:
        self.timezone = timezone
        self.date_timezone = date_timezone

    def quote(self, identifier: str) -> str:
        """An identifier that SQL takes for nothing else.

        >>> Dialect("UTC", "UTC").quote('a"b')
        '"a""b"'
        """
        return '"' + identifier.replace('"', '""') + '"'

    def text(self, value: str) -> str:
        """A text as a literal."""
        return "'" + value.replace("'", "''") + "'"

    def number(self, value: float) -> str:
        """A double as a literal: without an exponent it would be a decimal, which loses digits."""
        return f"CAST({value!r} AS {self.double})"

    def literal(self, value: str | float) -> str:
        """A value as expressions compare it with columns: booleans are numbers."""
        return self.text(value) if isinstance(value, str) else self.number(float(value))

    def is_nan(self, sql: str) -> str:
        return f"isnan({sql})"

    def value(self, sql: str, type_: ColumnType) -> str:
        """Numbers and booleans as doubles with NaN made NULL, times as seconds since 1970; anything else as it is."""
        if type_.kind in {NUMBER, BOOLEAN}:
            double = f"CAST({sql} AS {self.double})"
            return f"CASE WHEN {self.is_nan(sql)} THEN NULL ELSE {double} END" if type_.floating else double
        return self.seconds(sql, type_) if type_.kind == TIME else sql

    def group(self, sql: str, type_: ColumnType) -> str:
        """A group column: of two zeros one, and what cannot be a dimension as its text."""
        if type_.floating:
            return f"CASE WHEN {sql} = 0 THEN 0 ELSE {sql} END"
        return f"CAST({sql} AS VARCHAR)" if type_.kind == OTHER or is_list(type_.kind) else sql

    def argument(self, number: str) -> str:
        """A double as it stands in an expression; see `computed`."""
        return number

    def computed(self, expression: str) -> str:
        """What an expression makes of its arguments, as a double: ±infinity or 0 where it is beyond them."""
        return expression

    def is_value(self, sql: str, type_: ColumnType) -> str:
        """Whether it is neither NULL nor NaN."""
        return f"{sql} IS NOT NULL" + (f" AND NOT {self.is_nan(sql)}" if type_.floating else "")

    def seconds(self, sql: str, type_: ColumnType) -> str:
        """A time as seconds since 1970, as a double to the microsecond."""
        raise NotImplementedError

    def length(self, sql: str, type_: ColumnType) -> str:
        """How many characters a text has, or elements a list."""
        return f"len({sql})" if is_list(type_.kind) else f"length({sql})"

    def element_at(self, sql: str, place: int) -> str:
        """The element of a list at a place from 1; NULL beyond its end."""
        raise NotImplementedError

    def present(self, sql: str) -> str:
        """How many elements of a list are not NULL."""
        raise NotImplementedError

    def nth_largest(self, sql: str, n: int) -> str:
        """The n-th largest number of a list without NULLs as a double, NaN being the largest; NULL where there are fewer."""
        raise NotImplementedError

    def where_largest(self, sql: str) -> str:
        """The place from 1 of the first largest number of a list without NULL and NaN."""
        raise NotImplementedError

    def exploded(self, relation: str, kept: Sequence[str], column: str) -> str:
        """A query of a row for each element of a list column: the columns kept, the element as `e` and its place from 1 as `i`."""
        raise NotImplementedError

    def relevant(self, items: str, type_: ColumnType, grades: tuple[str, ColumnType] | None) -> str:
        """The different relevant items of a list, or NULL; neither NULL nor NaN is an item.

        :param type_: of an item.
        :param grades: a list parallel to the items, and the type of a grade: what is above 0 is relevant, and of an item that is repeated
            the first grade counts.
        """
        raise NotImplementedError

    def places(self, prediction: str, relevant: str, first: int | None) -> str:
        """A list of 0 and, rising, the places from 1 at which relevant items stand for the first time, of the first so many.

        A NULL in the prediction keeps its place; a prediction that is NULL has no places.
        """
        raise NotImplementedError

    def gain(self, prediction: str, items: tuple[str, ColumnType], grades: tuple[str, ColumnType], first: int | None) -> str:
        """DCG / ideal DCG of the first so many places as a double; NULL without relevant items. See `relevant` for what these are."""
        raise NotImplementedError

    def aggregate(self, primitive: Primitive, raw: str, value: str, one: str) -> str:
        """A primitive of scalars as SQL."""
        template = self.AGGREGATES[primitive.name]
        return template.format(raw=raw, value=value, one=one, nan=self.nan, largest=self.number(LARGEST[2]))

    def total(self, sql: str) -> str:
        """The sum of doubles that are finite each: ±infinity where that is too large for one."""
        return f"sum({sql})"

    def power(self, sql: str, k: int) -> str:
        """A double's kth power, of a double that has one."""
        return "*".join([sql] * k)

    def quantiles(self, value: str, n: str, of: Sequence[float]) -> str:
        """A list of exact quantiles, linear between neighbours.

        :param n: how often each value is there, where they are taken of counts.
        """
        raise NotImplementedError

    def element(self, type_: ColumnType) -> ColumnType:
        """The type of a list's elements."""
        if type_.element is None:
            msg = f"{type_.native} is no list"
            raise SpecError(msg)
        return type_.element
