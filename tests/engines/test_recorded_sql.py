"""What is compiled for databases that there is no server of here, as recorded in `tests/golden/sql`.

After a change that is meant: `LUPUS_RECORD_SQL=1 pytest tests/engines/test_recorded_sql.py`, and read the difference.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlglot
from sqlglot import exp

from airflow_lupus.engines.base import Batches, SqlRelation
from airflow_lupus.engines.dialects import DATABASES, PROVEN, database_dialect
from airflow_lupus.engines.dialects.base import ColumnType
from airflow_lupus.engines.sql import SqlEngine
from airflow_lupus.exceptions import MissingExtra, SpecError
from airflow_lupus.metrics import CATALOGUE, for_type, metric_named
from airflow_lupus.metrics.base import BOOLEAN, NUMBER, OTHER, TEXT, TIME
from airflow_lupus.model import Grain
from airflow_lupus.pipeline.measuring import needed
from airflow_lupus.specs import ColumnMetrics, MeasureSpec, TableMetrics

if TYPE_CHECKING:
    from collections.abc import Mapping

GOLDEN = Path(__file__).parent.parent / "golden" / "sql"
RECORD = bool(os.environ.get("LUPUS_RECORD_SQL"))
DAY = Grain("day", "America/New_York")
DAYS = list(DAY.periods(DAY.parse("2013-11-02"), DAY.parse("2013-11-05")))  # the second has 25 hours
COLUMNS = {
    "at": ColumnType(TIME, "timestamptz"),
    "clock": ColumnType(TIME, "timestamp"),
    "day": ColumnType(TIME, "date"),
    "Origin": ColumnType(TEXT, "varchar"),
    "gate": ColumnType(NUMBER, "integer"),
    "delay": ColumnType(NUMBER, "double", floating=True),
    'odd "name" `x': ColumnType(NUMBER, "decimal"),
    "late": ColumnType(BOOLEAN, "boolean"),
    "note": ColumnType(TEXT, "varchar"),
    "extra": ColumnType(OTHER, "json"),
    "scores": ColumnType("list[number]", "array", element=ColumnType(NUMBER, "double", floating=True)),
    "tags": ColumnType("list[text]", "array", element=ColumnType(TEXT, "varchar")),
}
KINDS = {name: type_.kind for name, type_ in COLUMNS.items()}
LACKS = {
    "snowflake": ["lists"],
    "bigquery": ["quantiles"],
    "mysql": ["quantiles", "lists", "zones"],
    "trino": ["quantiles"],
}
TRANSPILED = [name for name in DATABASES if name not in PROVEN and name != "mariadb"]  # which there is a server of: see test_sql


def relation(dialect: str) -> SqlRelation:
    quote = "`" if dialect in {"bigquery", "mysql"} else '"'
    rows = Batches(KINDS, lambda *_: iter([]))
    engine: Any = None  # nothing is asked of it
    return SqlRelation(dialect, engine, f"{quote}mart{quote}.{quote}flights{quote}", COLUMNS, rows, "Table('mart.flights')")


def fits(column: str, name: str, lacks: list[str]) -> bool:
    kind = KINDS[column]
    try:
        metric = for_type(metric_named(name), column, kind, None)
    except SpecError:
        return False
    quantile = any(primitive.name == "quantile" for primitive in metric.needs)
    return not (("quantiles" in lacks and quantile) or ("lists" in lacks and kind.startswith("list")))


def columns_for(dialect: str, names: list[str]) -> Mapping[str, list[str]]:
    """What of these metrics the dialect can express, by column."""
    lacks = LACKS[dialect]
    skipped = {"at", "Origin", "gate"} | ({"clock", "day"} if "zones" in lacks else set())
    found = {column: [name for name in names if fits(column, name, lacks)] for column in COLUMNS if column not in skipped}
    return {column: names for column, names in found.items() if names}


def measure(dialect: str, **others: Any) -> MeasureSpec:
    names = [name for each in CATALOGUE if each.family == "column" for name in each.examples or (each.name,)]
    sets = (TableMetrics(["row_count", "duplicate_ratio(gate, note)"]), ColumnMetrics(columns_for(dialect, [*names, "avg@5", "unique@5"])))
    others = {"metric_sets": sets, "time_column": "at", "group_columns": ("Origin", "gate"), **others}
    return MeasureSpec("flights", DAY, where="delay > -60 -- in minutes", **others)


SPECS: dict[str, dict[str, Any]] = {
    "everything": {},
    "by_clock": {"time_column": "clock", "time_column_timezone": "America/New_York", "group_columns": ()},
    "by_date": {"time_column": "day", "group_columns": ()},
}


def compiled(dialect: str, what: MeasureSpec) -> str:
    return SqlEngine().explain(relation(dialect), what, needed(what, what.pairs(KINDS)), DAYS)


def spec_of(dialect: str, name: str) -> MeasureSpec:
    brief = () if name == "everything" else (TableMetrics(["row_count"]), ColumnMetrics({"delay": ["avg"]}))
    return measure(dialect, **SPECS[name], **({"metric_sets": brief} if brief else {}))


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("dialect", TRANSPILED)
def test_the_sql_is_the_recorded_one(dialect: str, name: str) -> None:
    sql = compiled(dialect, spec_of(dialect, name)) + ";\n"
    path = GOLDEN / dialect / f"{name}.sql"
    if RECORD:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sql, encoding="utf-8")
    assert sql == path.read_text(encoding="utf-8"), "see the module's docstring"


@pytest.mark.parametrize("dialect", TRANSPILED)
def test_the_recorded_sql_is_the_databases_own(dialect: str) -> None:
    """sqlglot parses it, nothing of PostgreSQL or DuckDB is left in it, every name of ours is quoted, and literals are doubles."""
    for path in sorted((GOLDEN / dialect).glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        assert "::" not in text
        assert "lupus_rows" not in text
        for of_another in ("epoch_us", "quantile_cont", "unnest(", "width_bucket", "TIMESTAMPTZ", "double precision"):
            assert of_another not in text, of_another
        assert not re.search(r'"' if dialect in {"bigquery", "mysql"} else r"`(?!x)", text.replace('odd "name" ', "odd "))
        statements = sqlglot.parse(text, read=dialect)
        assert len(statements) >= 1
        for statement in statements:
            assert isinstance(statement, exp.Select | exp.Union)
            assert not list(statement.find_all(exp.Command))
            aliases = [alias.args["alias"] for alias in statement.find_all(exp.Alias)]
            assert all(alias.quoted for alias in aliases)


@pytest.mark.parametrize("dialect", TRANSPILED)
def test_every_family_that_the_database_can_express_is_recorded(dialect: str) -> None:
    text = (GOLDEN / dialect / "everything.sql").read_text(encoding="utf-8").upper()
    for family in ("COUNT(", "SUM(", "MIN(", "MAX(", "VAR", "LN(", "AVG(", "OVER ("):
        assert family in text, family
    assert "UNION ALL" in text
    assert ("PERCENTILE_CONT" in text) == ("quantiles" not in LACKS[dialect])
    assert ("UNNEST(" in text) == ("lists" not in LACKS[dialect])


WRONG = [
    ("mysql", {"delay": ["p95"]}, {}, r"delay\.p95: MySQL has no percentiles"),
    ("mysql", {"clock": ["max"]}, {"time_column_timezone": "Asia/Tokyo"}, r"clock\.max: MySQL may not know the zone 'Asia/Tokyo'"),
    ("bigquery", {"delay": ["iqr"]}, {}, r"delay\.iqr: BigQuery has no exact percentiles"),
    ("trino", {"note": ["length_p95"]}, {}, r"note\.length_p95: Trino's percentiles are approximate"),
    ("snowflake", {"scores": ["avg"]}, {}, r"scores\.avg: elements of Snowflake's arrays"),
]


@pytest.mark.parametrize(("dialect", "columns", "others", "message"), WRONG)
def test_what_a_database_cannot_express_is_said_before_it_is_asked(
    dialect: str, columns: dict[str, list[str]], others: dict[str, Any], message: str
) -> None:
    what = measure(dialect, metric_sets=(ColumnMetrics(columns),), group_columns=("gate",), totals=True, **others)
    with pytest.raises(SpecError, match=message) as error:
        compiled(dialect, what)
    assert 'engine="duckdb"' in str(error.value)


def test_sqlglot_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    with pytest.raises(MissingExtra, match=r"airflow-lupus\[warehouse\]"):
        database_dialect("trino")("UTC", "UTC").finished("SELECT 1")
