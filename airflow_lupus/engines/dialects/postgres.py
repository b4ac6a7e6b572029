"""PostgreSQL's SQL. Every metric can be computed there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.engines.dialects.base import ColumnType, Dialect
from airflow_lupus.engines.dialects.database import DatabaseDialect
from airflow_lupus.metrics.base import BOOLEAN, NUMBER, OTHER, TEXT, TIME, is_list, list_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa
    import sqlalchemy as sa

    from airflow_lupus.metrics import Primitive

KINDS = (
    dict.fromkeys(("int2", "int4", "int8", "float4", "float8", "numeric"), NUMBER)
    | dict.fromkeys(("text", "varchar", "bpchar", "name", "uuid", "citext", "char"), TEXT)
    | dict.fromkeys(("date", "timestamp", "timestamptz"), TIME)
    | {"bool": BOOLEAN}
)
"""Type → as metrics tell types apart; what is not here is something else, and enums are text."""
FLOATING = frozenset({"float4", "float8", "numeric"})
LARGEST_DOUBLE, SMALLEST_DOUBLE = "1.7976931348623157e308", "4.9406564584124655e-324"
TINY = {2: 1e-150, 3: 1e-100, 4: 1e-75}
"""Power → a double nearer to 0 than this may have one that is none, which PostgreSQL takes for an error."""
FLOAT8_ARRAY = 1022
OUT_OF_RANGE = "22003"


class PostgresDialect(DatabaseDialect):
    """See `DatabaseDialect`. A sum or a product that is no double is an error in PostgreSQL; carefully written, it is ±infinity or 0,
    for numerics are larger and smaller.
    """

    name = "PostgreSQL"
    double = "double precision"
    nan = "CAST('NaN' AS double precision)"
    options: ClassVar[Mapping[str, Any]] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    session = ("SET LOCAL TIME ZONE 'UTC'", "SET LOCAL extra_float_digits = 1", "SET LOCAL DateStyle = ISO")
    AGGREGATES = Dialect.AGGREGATES | {
        # Of values that are all the same, var_pop would make something of what its sums round off.
        "m2": "CASE WHEN max(abs({value})) > {largest} THEN {nan} WHEN min({value}) = max({value}) THEN 0 ELSE "
        "var_pop({value}) FILTER (WHERE abs({value}) <= {largest}) * count({value}) END",
    }

    def is_nan(self, sql: str) -> str:
        return f"({sql} = 'NaN')"

    def value(self, sql: str, type_: ColumnType) -> str:
        if type_.kind == BOOLEAN:
            return f"CAST(CAST({sql} AS integer) AS double precision)"
        if type_.native == "numeric":
            return f"CASE WHEN {self.is_nan(sql)} THEN NULL ELSE {self._double(sql)} END"
        return super().value(sql, type_)

    def group(self, sql: str, type_: ColumnType) -> str:
        if type_.native == "numeric":
            return self._double(sql)
        if type_.native == "float4":
            sql = f"CAST({sql} AS double precision)"
        if type_.kind in {TEXT, OTHER} or is_list(type_.kind):
            # As bytes tell them apart: a collation may hold different texts for equal.
            return f'CAST({sql} AS text) COLLATE "C"'
        return super().group(sql, type_)

    def seconds(self, sql: str, type_: ColumnType) -> str:
        instant = sql
        if type_.native != "timestamptz":
            zone = self.date_timezone if type_.native == "date" else self.timezone
            instant = f"CAST({sql} AS timestamp) AT TIME ZONE {self.text(zone)}"
        return f"CAST(extract(epoch FROM {instant}) AS double precision)"

    def length(self, sql: str, type_: ColumnType) -> str:
        return f"cardinality({sql})" if is_list(type_.kind) else f"char_length(CAST({sql} AS text))"

    def argument(self, number: str) -> str:
        return f"CAST(CAST({number} AS text) AS numeric)" if self.careful else number

    def computed(self, expression: str) -> str:
        return f"(SELECT {self._double('n.x')} FROM (SELECT {expression} AS x) n)" if self.careful else expression

    def element_at(self, sql: str, place: int) -> str:
        return f"({sql})[{place}]"

    def present(self, sql: str) -> str:
        return f"(SELECT count(e) FROM unnest({sql}) AS u(e))"

    def nth_largest(self, sql: str, n: int) -> str:
        if n == 1:
            return f"(SELECT CAST(max(e) AS double precision) FROM unnest({sql}) AS u(e))"
        return f"(SELECT CAST(e AS double precision) FROM unnest({sql}) AS u(e) ORDER BY e DESC LIMIT 1 OFFSET {n - 1})"

    def where_largest(self, sql: str) -> str:
        return f"array_position(CAST({sql} AS double precision[]), {self.nth_largest(sql, 1)})"

    def exploded(self, relation: str, kept: Sequence[str], column: str) -> str:
        return f"SELECT {', '.join([*kept, 'e', 'i'])} FROM {relation} CROSS JOIN LATERAL unnest({column}) WITH ORDINALITY AS u(e, i)"

    def relevant(self, items: str, type_: ColumnType, grades: tuple[str, ColumnType] | None) -> str:
        fits = "" if grades is None else f" WHERE {self._above_0('grade', grades[1])}"
        return f"ARRAY(SELECT item FROM ({self._items(items, type_, grades)}) d{fits})"

    def places(self, prediction: str, relevant: str, first: int | None) -> str:
        within = "" if first is None else f"place <= {first} AND "
        hits = (
            f"SELECT CAST(min(place) AS integer) AS at FROM unnest({prediction}) WITH ORDINALITY AS u(item, place) "
            f"WHERE {within}item = ANY({relevant}) GROUP BY item"
        )
        return f"ARRAY(SELECT at FROM (SELECT 0 AS at UNION ALL {hits}) d ORDER BY at)"

    def gain(self, prediction: str, items: tuple[str, ColumnType], grades: tuple[str, ColumnType], first: int | None) -> str:
        place = f"(SELECT min(v.place) FROM unnest({prediction}) WITH ORDINALITY AS v(item, place) WHERE v.item = d.item)"
        relevant = (
            f"SELECT CAST(grade AS double precision) AS grade, {place} AS place, row_number() OVER (ORDER BY grade DESC) AS best "
            f"FROM ({self._items(*items, grades)}) d WHERE {self._above_0('grade', grades[1])}"
        )
        got, best = ("place IS NOT NULL", "true") if first is None else (f"place <= {first}", f"best <= {first}")
        gained = f"sum(CASE WHEN {got} THEN grade / ln(CAST(place + 1 AS double precision)) ELSE 0 END)"
        return f"(SELECT {gained} / sum(CASE WHEN {best} THEN grade / ln(CAST(best + 1 AS double precision)) END) FROM ({relevant}) x)"

    def _items(self, items: str, type_: ColumnType, grades: tuple[str, ColumnType] | None) -> str:
        """The different items, and of each the first grade."""
        grade = "" if grades is None else f", ({grades[0]})[CAST(min(nth) AS integer)] AS grade"
        rows = f"unnest({items}) WITH ORDINALITY AS u(item, nth)"
        return f"SELECT item{grade} FROM {rows} WHERE {self.is_value('item', type_)} GROUP BY item"

    def _above_0(self, sql: str, type_: ColumnType) -> str:
        return f"{self.is_value(sql, type_)} AND {sql} > 0"

    def aggregate(self, primitive: Primitive, raw: str, value: str, one: str) -> str:
        return self.total(value) if primitive.name == "sum" else super().aggregate(primitive, raw, value, one)

    def total(self, sql: str) -> str:
        if not self.careful:
            return f"sum({sql})"
        exact = self._double(f"sum(CAST(CAST({sql} AS text) AS numeric)) FILTER (WHERE abs({sql}) < 'Infinity')")
        return (
            f"CASE WHEN max({sql}) = 'NaN' THEN {self.nan} "
            f"WHEN max({sql}) = 'Infinity' THEN CASE WHEN min({sql}) = '-Infinity' THEN {self.nan} ELSE 'Infinity' END "
            f"WHEN min({sql}) = '-Infinity' THEN '-Infinity' ELSE {exact} END"
        )

    def power(self, sql: str, k: int) -> str:
        power = super().power(sql, k)
        return f"CASE WHEN abs({sql}) < {TINY[k]!r} THEN 0 ELSE {power} END" if k > 1 else power

    def quantiles(self, value: str, n: str, of: Sequence[float]) -> str:  # noqa: ARG002  of rows
        if self.careful:
            return f"ARRAY[{', '.join(self._quantile(value, q) for q in of)}]"
        # percentile_cont goes by differences of neighbours, which infinities have not and huge values may not: those stop here.
        checked = f"CASE WHEN abs({value}) <= 8e307 THEN {value} ELSE CAST({value} AS bigint) END"
        fractions = ", ".join(map(repr, of))
        return f"percentile_cont(CAST(ARRAY[{fractions}] AS double precision[])) WITHIN GROUP (ORDER BY {checked})"

    @staticmethod
    def _quantile(value: str, q: float) -> str:
        """By weights, of all values in order."""
        values, rank = f"(array_agg({value} ORDER BY {value}) FILTER (WHERE {value} IS NOT NULL))", f"((count({value}) - 1) * {q!r})"
        low = f"{values}[CAST(floor({rank}) AS integer) + 1]"
        high = f"{values}[CAST(ceil({rank}) AS integer) + 1]"
        share = f"CAST({rank} - floor({rank}) AS double precision)"
        lower, upper = (f"CASE WHEN abs({x}) < 1e-290 THEN 0 ELSE {x} END" for x in (low, high))
        return f"CASE WHEN {low} = {high} THEN {low} ELSE ({lower}) * (1 - {share}) + ({upper}) * {share} END"

    def _index(self, column: str, type_: ColumnType, starts: Sequence[datetime], indices: Sequence[int]) -> str:
        bucket = f"width_bucket({column}, ARRAY[{', '.join(self.moment(start, type_) for start in starts)}])"
        if list(indices) == list(range(len(indices))):
            return f"{bucket} - 1"
        return f"(ARRAY[{', '.join(map(str, indices))}])[{bucket}]"

    def _double(self, numeric: str) -> str:
        """A numeric as a double."""
        if not self.careful:
            return f"CAST({numeric} AS double precision)"
        return (
            f"CASE WHEN {numeric} = 'NaN' THEN {self.nan} WHEN {numeric} > {LARGEST_DOUBLE} THEN 'Infinity' "
            f"WHEN {numeric} < -{LARGEST_DOUBLE} THEN '-Infinity' WHEN abs({numeric}) < {SMALLEST_DOUBLE} THEN 0 "
            f"ELSE CAST({numeric} AS double precision) END"
        )

    def arrow_type(self, code: Any, values: Sequence[Any]) -> pa.DataType | None:
        import pyarrow as pa

        if code != FLOAT8_ARRAY and any(isinstance(value, list) for value in values):
            return None
        return {
            16: pa.bool_(),
            20: pa.int64(),
            21: pa.int64(),
            23: pa.int64(),
            700: pa.float64(),
            701: pa.float64(),
            1700: pa.float64(),
            FLOAT8_ARRAY: pa.list_(pa.float64()),
            1082: pa.date32(),
            1114: pa.timestamp("us"),
            1184: pa.timestamp("us", tz="UTC"),
        }.get(code, pa.string())

    def out_of_range(self, error: BaseException | None) -> bool:
        return getattr(error, "pgcode", None) == OUT_OF_RANGE or getattr(error, "sqlstate", None) == OUT_OF_RANGE


DESCRIBED = """
SELECT c.code, t.typname, t.typtype, e.typname AS element, e.typtype AS element_type
FROM unnest(CAST('{codes}' AS oid[])) AS c(code)
JOIN pg_catalog.pg_type t ON t.oid = c.code
LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
"""


def described(connection: sa.Connection, sql: str) -> dict[str, ColumnType]:
    """The columns of what can be selected from, and their types; no row of it is read."""
    connection = connection.execution_options(no_parameters=True)
    cursor: Any = connection.exec_driver_sql(f"SELECT * FROM {sql} t LIMIT 0").cursor
    codes = [(str(column[0]), int(column[1])) for column in cursor.description]
    literal = "{" + ",".join(str(code) for _, code in codes) + "}"
    found = connection.exec_driver_sql(DESCRIBED.format(codes=literal)).fetchall()
    types = {code: _type(name, typtype, element, element_type) for code, name, typtype, element, element_type in found}
    return {name: types[code] for name, code in codes}


def _type(name: str, typtype: str, element: str | None, element_type: str | None) -> ColumnType:
    if element is not None:
        of = _type(element, element_type or "b", None, None)
        return ColumnType(list_of(of.kind), name, element=of)
    return ColumnType(TEXT if typtype == "e" else KINDS.get(name, OTHER), name, floating=name in FLOATING)
