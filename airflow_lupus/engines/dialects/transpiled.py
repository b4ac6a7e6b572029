"""Databases whose SQL goes through sqlglot: what it compiles is recorded in the tests, and not run there on a server."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.engines.dialects.database import DatabaseDialect
from airflow_lupus.exceptions import MissingExtra
from airflow_lupus.metrics.base import BOOLEAN, OTHER, TEXT, TIME, is_list
from airflow_lupus.metrics.operands import Aggregate, Ranked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa

    from airflow_lupus.engines.base import SqlRelation
    from airflow_lupus.engines.dialects.base import ColumnType
    from airflow_lupus.metrics.base import Need
    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

ROWS = "lupus_rows"
"""What stands for the rows in what sqlglot is given: they are as the user and the database write them."""


class TranspiledDialect(DatabaseDialect):
    """A database in whose SQL sqlglot quotes every name of ours, and checks what it can parse.

    :cvar sqlglot: the dialect there.
    """

    sqlglot: ClassVar[str]
    text_type: ClassVar[str] = "VARCHAR"
    savepoints = False
    _rows = ""

    def source(self, relation: SqlRelation, spec: MeasureSpec, periods: Sequence[Period]) -> tuple[str, str]:
        self._rows, period = super().source(relation, spec, periods)
        return ROWS, period

    def finished(self, sql: str) -> str:
        try:
            import sqlglot
        except ModuleNotFoundError as error:
            raise MissingExtra("sqlglot", "warehouse") from error
        (written,) = sqlglot.transpile(
            sql, read=self.sqlglot, write=self.sqlglot, identify=True, pretty=True, unsupported_level=sqlglot.ErrorLevel.RAISE
        )
        return written.replace(self.quote(ROWS), self._rows)

    def group(self, sql: str, type_: ColumnType) -> str:
        if type_.kind in {TEXT, OTHER} or is_list(type_.kind):
            return f"CAST({sql} AS {self.text_type})"
        return super().group(sql, type_)


class SnowflakeDialect(TranspiledDialect):
    """See `TranspiledDialect`. Arrays of Snowflake's are of any type, so that nothing can be said of their elements."""

    name, sqlglot = "Snowflake", "snowflake"

    def quote(self, identifier: str) -> str:
        """SQLAlchemy says in lower case what Snowflake, which ignores the case of such names, keeps in upper case."""
        if re.fullmatch(r"[a-z_][a-z0-9_$]*", identifier) and identifier not in {ROWS, "lupus_period"}:
            identifier = identifier.upper()
        return super().quote(identifier)

    def is_nan(self, sql: str) -> str:
        return f"({sql} = CAST('NaN' AS DOUBLE))"

    def value(self, sql: str, type_: ColumnType) -> str:
        return super().value(f"CAST({sql} AS INT)" if type_.kind == BOOLEAN else sql, type_)

    def seconds(self, sql: str, type_: ColumnType) -> str:
        if type_.native != "timestamptz":
            zone = self.date_timezone if type_.native == "date" else self.timezone
            sql = f"CONVERT_TIMEZONE({self.text(zone)}, 'UTC', CAST({sql} AS TIMESTAMP_NTZ))"
        return f"CAST(DATE_PART(EPOCH_MICROSECOND, {sql}) AS DOUBLE) / 1e6"

    def quantiles(self, value: str, n: str, of: Sequence[float]) -> str:  # noqa: ARG002  of rows
        each = (f"PERCENTILE_CONT({q!r}) WITHIN GROUP (ORDER BY {value})" for q in of)
        return f"ARRAY_CONSTRUCT({', '.join(each)})"

    def moment(self, at: datetime, type_: ColumnType) -> str:
        if type_.native == "timestamptz":
            return f"CAST('{at.isoformat(' ')} +00:00' AS TIMESTAMP_TZ)"
        return f"CAST('{at.isoformat(' ')}' AS TIMESTAMP_NTZ)" if type_.native == "timestamp" else super().moment(at, type_)

    def unable(self, need: Need, column: ColumnType | None, *, levels: bool) -> str | None:
        if isinstance(need[0], Aggregate):
            return "Snowflake would be given its columns in quotes, in which it minds their case"
        if column is not None and is_list(column.kind):
            return "elements of Snowflake's arrays have no type that could be measured"
        return super().unable(need, column, levels=levels)

    def plain(self, code: Any, value: Any) -> Any:
        return json.loads(value) if code == ARRAY and value is not None else value

    def arrow_type(self, code: Any, values: Sequence[Any]) -> pa.DataType | None:
        import pyarrow as pa

        return pa.list_(pa.float64()) if code == ARRAY else super().arrow_type(code, values)


ARRAY = 10
"""What Snowflake's driver calls the type of arrays, which it hands on as JSON."""


class BigQueryDialect(TranspiledDialect):
    """See `TranspiledDialect`. BigQuery has exact quantiles only as window functions, which do not go by group."""

    name, sqlglot = "BigQuery", "bigquery"
    double, nan, text_type = "FLOAT64", "CAST('NaN' AS FLOAT64)", "STRING"

    def quote(self, identifier: str) -> str:
        return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"

    def text(self, value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def is_nan(self, sql: str) -> str:
        return f"IS_NAN({sql})"

    def value(self, sql: str, type_: ColumnType) -> str:
        return super().value(f"CAST({sql} AS INT64)" if type_.kind == BOOLEAN else sql, type_)

    def group(self, sql: str, type_: ColumnType) -> str:
        return f"TO_JSON_STRING({sql})" if type_.kind == OTHER or is_list(type_.kind) else super().group(sql, type_)

    def seconds(self, sql: str, type_: ColumnType) -> str:
        if type_.native != "timestamptz":
            sql = f"TIMESTAMP({sql}, {self.text(self.date_timezone if type_.native == 'date' else self.timezone)})"
        return f"CAST(UNIX_MICROS({sql}) AS FLOAT64) / 1e6"

    def length(self, sql: str, type_: ColumnType) -> str:
        return f"ARRAY_LENGTH({sql})" if is_list(type_.kind) else f"CHAR_LENGTH({sql})"

    def exploded(self, relation: str, kept: Sequence[str], column: str) -> str:
        return f"SELECT {', '.join([*kept, 'e', 'o + 1 AS i'])} FROM {relation} CROSS JOIN UNNEST({column}) AS e WITH OFFSET AS o"

    def moment(self, at: datetime, type_: ColumnType) -> str:
        if type_.native == "timestamptz":
            return f"TIMESTAMP '{at.isoformat(' ')}+00:00'"
        return f"DATETIME '{at.isoformat(' ')}'" if type_.native == "timestamp" else super().moment(at, type_)

    def unable(self, need: Need, column: ColumnType | None, *, levels: bool) -> str | None:
        if need[1].name == "quantile":
            return "BigQuery has no exact percentiles of groups"
        return super().unable(need, column, levels=levels)


class MySQLDialect(TranspiledDialect):
    """See `TranspiledDialect`. MySQL has no NaN, no percentiles and no GROUPING SETS."""

    name, sqlglot = "MySQL", "mysql"
    nan, text_type, savepoints = "NULL", "CHAR", True
    collation: ClassVar[str] = "utf8mb4_0900_bin"
    """By bytes, with the spaces at the end."""
    session = ("SET TRANSACTION READ ONLY", "SET time_zone = '+00:00'")
    options: ClassVar[Mapping[str, Any]] = {"isolation_level": "REPEATABLE READ"}

    def quote(self, identifier: str) -> str:
        return "`" + identifier.replace("`", "``") + "`"

    def text(self, value: str) -> str:
        return super().text(value.replace("\\", "\\\\"))

    def is_nan(self, sql: str) -> str:  # noqa: ARG002  whatever it is
        return "FALSE"

    def group(self, sql: str, type_: ColumnType) -> str:
        if type_.kind in {TEXT, OTHER}:  # as bytes tell them apart: MySQL's own collations hold different texts for equal
            return f"CONVERT({sql} USING utf8mb4) COLLATE {self.collation}"
        return super().group(sql, type_)

    def seconds(self, sql: str, type_: ColumnType) -> str:  # noqa: ARG002  `unable` leaves only UTC
        return f"CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {sql}) AS DOUBLE) / 1e6"

    def length(self, sql: str, type_: ColumnType) -> str:  # noqa: ARG002  there are no lists
        return f"CHAR_LENGTH({sql})"

    def moment(self, at: datetime, type_: ColumnType) -> str:
        return super().moment(at, type_).replace("TIMESTAMPTZ", "TIMESTAMP")

    def unable(self, need: Need, column: ColumnType | None, *, levels: bool) -> str | None:
        if need[1].name == "quantile":
            return f"{self.name} has no percentiles"
        if levels and isinstance(need[0], Aggregate | Ranked):
            return f"{self.name} has no GROUPING SETS, by which its total would be taken with its groups; totals=False does without"
        if column is not None and column.kind == TIME:
            zone = self.date_timezone if column.native == "date" else self.timezone
            if zone != "UTC":
                return f"{self.name} may not know the zone {zone!r}"
        return super().unable(need, column, levels=levels)


class MariaDBDialect(MySQLDialect):
    """See `MySQLDialect`."""

    name, collation = "MariaDB", "utf8mb4_nopad_bin"


class TrinoDialect(TranspiledDialect):
    """See `TranspiledDialect`. Trino's percentiles are approximate."""

    name, sqlglot = "Trino", "trino"
    nan = "nan()"

    def is_nan(self, sql: str) -> str:
        return f"is_nan({sql})"

    def seconds(self, sql: str, type_: ColumnType) -> str:
        if type_.native != "timestamptz":
            zone = self.date_timezone if type_.native == "date" else self.timezone
            sql = f"with_timezone(CAST({sql} AS TIMESTAMP(6)), {self.text(zone)})"
        return f"to_unixtime({sql})"

    def group(self, sql: str, type_: ColumnType) -> str:
        return f"json_format(CAST({sql} AS JSON))" if is_list(type_.kind) else super().group(sql, type_)

    def length(self, sql: str, type_: ColumnType) -> str:
        return f"cardinality({sql})" if is_list(type_.kind) else f"length({sql})"

    def exploded(self, relation: str, kept: Sequence[str], column: str) -> str:
        return f"SELECT {', '.join([*kept, 'e', 'i'])} FROM {relation} CROSS JOIN UNNEST({column}) WITH ORDINALITY AS u(e, i)"

    def moment(self, at: datetime, type_: ColumnType) -> str:
        return f"TIMESTAMP '{at.isoformat(' ')} UTC'" if type_.native == "timestamptz" else super().moment(at, type_)

    def unable(self, need: Need, column: ColumnType | None, *, levels: bool) -> str | None:
        if need[1].name == "quantile":
            return "Trino's percentiles are approximate"
        return super().unable(need, column, levels=levels)
