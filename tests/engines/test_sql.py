"""The engine in the database, on a real PostgreSQL: the numbers that rows fetched from it give, and what it does not ask of it."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_lupus import PythonMetric, SqlMetric
from airflow_lupus.engines import engine_named
from airflow_lupus.engines.base import FileSet, SourceFile
from airflow_lupus.engines.duckdb import DuckDBEngine
from airflow_lupus.engines.sql import SqlEngine
from airflow_lupus.exceptions import LimitExceeded, SourceError, SpecError
from airflow_lupus.metrics import CATALOGUE, for_type, metric_named
from airflow_lupus.metrics.base import is_list
from airflow_lupus.model import Grain
from airflow_lupus.pipeline.measuring import Opened, measure, needed
from airflow_lupus.sources import Query, Table
from airflow_lupus.specs import ColumnMetrics, MeasureSpec, TableMetrics
from support import scanning, tables
from support.servers import PostgresServer, maria

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.engines.base import Engine, Relation, SqlRelation
    from airflow_lupus.model import Period

NEW_YORK = Grain("day", "America/New_York")
ZONE = ZoneInfo("America/New_York")
SPRING, AUTUMN = date(2013, 3, 10), date(2013, 11, 3)
Said = dict[tuple[Any, ...], Any]


def around(of: date, grain: Grain = NEW_YORK) -> list[Period]:
    middle = grain.containing(datetime(of.year, of.month, of.day, 12, tzinfo=ZoneInfo(grain.timezone)))
    return [grain.previous(middle), middle, grain.next(middle)]


DAYS = around(SPRING)


def spec(column_metrics: Mapping[str, Sequence[str]] | None = None, *, grain: Grain = NEW_YORK, **others: Any) -> MeasureSpec:
    sets = (TableMetrics(["row_count"]), *([ColumnMetrics(column_metrics)] if column_metrics else []))
    return MeasureSpec("flights", grain, others.pop("metric_sets", sets), **others)


def said(engine: Engine, relation: Relation, what: MeasureSpec, periods: Sequence[Period] = DAYS) -> Said:
    """(period, group, column, metric) → value."""
    found, pairs = scanning.scan(engine, relation, what, periods)
    return {
        (group.period, repr(group.dimensions), *key): value
        for group, values in zip(found.groups, scanning.said(found, pairs), strict=True)
        for key, value in values.items()
    }


def total(relation: Relation, what: MeasureSpec, periods: Sequence[Period] = DAYS[:1]) -> dict[tuple[str, str], Any]:
    """What the engine says of all rows of a period."""
    found, pairs = scanning.scan(SqlEngine(), relation, what, periods)
    return next(values for group, values in zip(found.groups, scanning.said(found, pairs), strict=True) if group.dimensions is None)


def assert_same(own: Said, other: Said, magnitudes: Mapping[str, float] | None = None) -> None:
    assert own.keys() == other.keys()
    for key, value in own.items():
        magnitude = (magnitudes or {}).get(key[2], 1.0)
        assert close(value, other[key], magnitude), f"{key}: {value!r} is not {other[key]!r}"


def close(value: Any, other: Any, magnitude: float) -> bool:
    if value is None or other is None or isinstance(value, dict):
        return value == other
    if math.isnan(value) or math.isnan(other):
        return math.isnan(value) and math.isnan(other)
    return math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-13 * magnitude)


HOSTILE = 'a"b; %s :x --'
SCHEMA = pa.schema(
    {
        "at": pa.timestamp("us", tz="UTC"),
        HOSTILE: pa.string(),
        "value_": pa.int64(),
        "real": pa.float64(),
        "p": pa.float32(),
        "whole": pa.int64(),
        "exact": pa.decimal128(20, 3),
        "flag": pa.bool_(),
        "g0": pa.string(),
        "e": pa.list_(pa.float64()),
        "i": pa.list_(pa.string()),
        "on": pa.date32(),
        "clock": pa.timestamp("us"),
        "lupus_period": pa.float64(),
    }
)
MEASURED = [name for name in SCHEMA.names if name not in {"at", HOSTILE, "value_"}]
KINDS = {
    "real": "number",
    "p": "number",
    "whole": "number",
    "exact": "number",
    "flag": "boolean",
    "g0": "text",
    "e": "list[number]",
    "i": "list[text]",
    "on": "time",
    "clock": "time",
    "lupus_period": "number",
}
NAMES = [name for each in CATALOGUE if each.family == "column" for name in each.examples or (each.name,)]


def fits(column: str, name: str) -> bool:
    try:
        for_type(metric_named(name), column, KINDS[column], None)
    except SpecError:
        return False
    return True


NAMES = [*NAMES, *(f"{name}@2" for name in NAMES if fits("e", f"{name}@2") or fits("i", f"{name}@2"))]
EVERYTHING = {column: [name for name in NAMES if fits(column, name)] for column in MEASURED}
MARCH = datetime(2013, 3, 9)  # noqa: DTZ001  as a column without zones has it
TEXTS = st.sampled_from(["", " ", "a", "A", "a ", "NULL", "\\N", "ß", "é", "e\u0301", "🛫", '{"x"}', "a\tb\\n"])
NUMBERS = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-200, 0.1, 1e100, -1e100]) | st.floats(-1e6, 1e6, width=32)
MOMENTS = [at for day in DAYS for at in (day.start, day.start + timedelta(hours=3, microseconds=1), day.end - timedelta(microseconds=1))]
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.sampled_from([*MOMENTS, DAYS[0].start - timedelta(microseconds=1), DAYS[-1].end]) | st.none(),
            HOSTILE: st.sampled_from(["JFK", "jfk", "", "None", "ünï 'q\"uote", None]),
            "value_": st.sampled_from([0, 1, -(2**63), None]),
            "real": st.none() | NUMBERS,
            "p": st.none() | st.floats(width=32, min_value=-1e3, max_value=1e3) | st.just(math.nan),
            "whole": st.none() | st.integers(-5, 5) | st.integers(-(2**63), 2**63 - 1),
            "exact": st.none() | st.decimals(-1000, 1000, places=3),
            "flag": st.none() | st.booleans(),
            "g0": st.none() | TEXTS,
            "e": st.none() | st.lists(st.none() | NUMBERS, max_size=4),
            "i": st.none() | st.lists(st.none() | TEXTS, max_size=4),
            "on": st.none() | st.dates(date(2013, 3, 8), date(2013, 3, 12)),
            "clock": st.none() | st.datetimes(MARCH, MARCH + timedelta(days=3)),
            "lupus_period": st.none(),
        }
    ),
    min_size=1,
    max_size=20,
)


def arrow(rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.table({name: [row[name] for row in rows] for name in SCHEMA.names}, schema=SCHEMA)


def magnitudes(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Of each column of numbers Σ|x|: no sum of doubles is exact to more than a share of it, whatever order it takes."""
    numbers = {name: [row[name] for row in rows] for name in ("real", "p", "whole", "exact")}
    numbers["e"] = [each for row in rows for each in row["e"] or []]
    return {name: 1 + math.fsum(abs(x) for x in values if x is not None and math.isfinite(x)) for name, values in numbers.items()}


@given(
    rows=ROWS,
    groups=st.sampled_from([(), (HOSTILE,), ("value_",), (HOSTILE, "value_")]),
    columns=st.lists(st.sampled_from(MEASURED), min_size=1, max_size=3, unique=True),
    time=st.sampled_from(["at", "clock", "on"]),
)
@settings(max_examples=40, deadline=None)
def test_the_database_says_what_its_rows_say(rows: list[dict[str, Any]], groups: tuple[str, ...], columns: list[str], time: str) -> None:
    sets = (
        TableMetrics(["row_count", f"duplicate_ratio({', '.join(['g0', 'whole'])})"]),
        ColumnMetrics({column: EVERYTHING[column] for column in columns}),
    )
    what = spec(metric_sets=sets, time_column=time, time_column_timezone="America/New_York", group_columns=groups)
    relation = tables.postgres_relation(arrow(rows), what, DAYS)
    assert_same(said(SqlEngine(), relation, what), said(DuckDBEngine(), relation, what), magnitudes(rows))


def test_every_metric_of_every_column_at_once() -> None:
    rows = [
        {
            "at": MOMENTS[i % len(MOMENTS)],
            HOSTILE: ["JFK", "EWR", None][i % 3],
            "value_": i % 2,
            "real": [1.5, None, math.nan, -2.25, 1e6, 0.1][i % 6],
            "p": [0.5, 0.1, None][i % 3],
            "whole": [i, -i, None, 2**62][i % 4],
            "exact": [Decimal("1.125"), None, Decimal("-0.001")][i % 3],
            "flag": [True, False, None][i % 3],
            "g0": ["", "a", "b", None, "ü"][i % 5],
            "e": [[1.0, None, 2.5], None, [], [math.nan, 3.0]][i % 4],
            "i": [["a", None], ["b", "b", "a"], None, []][i % 4],
            "on": date(2013, 3, 9) + timedelta(days=i % 3),
            "clock": MARCH + timedelta(hours=i),
            "lupus_period": None,
        }
        for i in range(60)
    ]
    what = spec(EVERYTHING, time_column="at", group_columns=(HOSTILE,))
    relation = tables.postgres_relation(arrow(rows), what, DAYS)
    own = said(SqlEngine(), relation, what)
    assert_same(own, said(DuckDBEngine(), relation, what), magnitudes(rows))
    assert {metric for *_, metric in own} >= {for_type(metric_named(n), c, KINDS[c], None).name for c in MEASURED for n in EVERYTHING[c]}


def column(values: Sequence[Any], names: Sequence[str], type_: str = "double precision") -> dict[str, Any]:
    """What is said of a column that has these values."""
    what = spec({"x": names})
    relation = tables.postgres_relation(pa.table({"x": pa.array(map(str, values), pa.string())}), what, DAYS[:1], {"x": type_})
    return {metric: value for (of, metric), value in total(relation, what).items() if of == "x"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1e308, 1e308], math.inf),
        ([-1e308, -1e308], -math.inf),
        ([1e308, 1e308, math.nan, 1.0], math.inf),
        ([math.inf, 1.0], math.inf),
        ([math.inf, -math.inf], math.nan),
        ([1e308, 1e308, -math.inf], -math.inf),
        ([1e308, 1.0], 1e308),
    ],
)
def test_a_sum_that_is_no_double_is_infinite(values: list[float], expected: float) -> None:
    found = column(values, ["sum", "min", "max", "nan_count"])
    assert close(found["sum"], expected, 0)
    assert found["max"] == max(v for v in values if not math.isnan(v))


def test_a_numeric_that_is_no_double_is_infinite() -> None:
    found = column(["1e400", "-1", "NaN"], ["sum", "max", "min", "count", "nan_count", "p50"], "numeric")
    assert found == {"sum": math.inf, "max": math.inf, "min": -1, "count": 3, "nan_count": 1, "p50": math.inf}


@pytest.mark.parametrize(
    "values",
    [
        [-math.inf, 1.0],
        [math.inf, math.inf],
        [-math.inf, math.inf],
        [-math.inf, -math.inf, 0.0, math.inf],
        [-1.7e308, 1.7e308],
        [5e-324, 1.0, math.inf],
        [math.inf, *map(float, range(99))],
    ],
)
def test_quantiles_of_infinities_are_those_of_the_definition(values: list[float]) -> None:
    names = ["p0", "p10", "p33.3", "p50", "p99", "p100"]
    found = column(values, names)
    for name in names:
        assert close(found[name], metric_named(name).of(values), 0), name


def test_powers_too_small_for_a_double_are_nothing_and_no_error() -> None:
    found = column([1e-200, 2e-200, 4e-200], ["var", "skewness", "kurtosis", "sum"])
    assert found["sum"] == pytest.approx(7e-200)
    assert found["var"] == 0


EVERY_HALF_HOUR = [datetime(2013, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * i) for i in range(365 * 48)]


@pytest.fixture(scope="module")
def half_hours() -> SqlRelation:
    """Of 2013: 46 a day in spring, 50 in autumn."""
    table = pa.table(
        {
            "instant": pa.array(EVERY_HALF_HOUR, pa.timestamp("us", "UTC")),
            "utc": pa.array([at.replace(tzinfo=None) for at in EVERY_HALF_HOUR], pa.timestamp("us")),
            "local": pa.array([at.astimezone(ZONE).replace(tzinfo=None) for at in EVERY_HALF_HOUR], pa.timestamp("us")),
            "day": [at.astimezone(ZONE).date() for at in EVERY_HALF_HOUR],
        }
    )
    return tables.postgres_relation(table, spec(), DAYS[:1])


def rows(relation: Relation, what: MeasureSpec, periods: Sequence[Period]) -> dict[Period, int]:
    found, _ = scanning.scan(SqlEngine(), relation, what, periods)
    return {group.period: group.rows for group in found.groups}


@pytest.mark.parametrize(("of", "count"), [(SPRING, 46), (AUTUMN, 50), (date(2013, 7, 4), 48)])
@pytest.mark.parametrize(
    ("time", "zone"), [("instant", "UTC"), ("instant", "Asia/Tokyo"), ("utc", "UTC"), ("local", "America/New_York"), ("day", "Asia/Tokyo")]
)
def test_days_are_the_datasets_own_whatever_the_time_column_holds(
    half_hours: SqlRelation, of: date, count: int, time: str, zone: str
) -> None:
    what = spec(time_column=time, time_column_timezone=zone)
    days = around(of)
    at_once = rows(half_hours, what, days)
    assert at_once[days[1]] == count
    assert at_once == {day: found for day in days for found in rows(half_hours, what, [day]).values()}
    assert rows(half_hours, what, [days[0], days[2]]) == {day: at_once[day] for day in (days[0], days[2])}


def test_hours_lose_no_row_when_clocks_go_back(half_hours: SqlRelation) -> None:
    hour = Grain("hour", "America/New_York")
    day = around(AUTUMN)[1]
    hours = list(hour.periods(day.start, day.end))
    what = spec(time_column="local", time_column_timezone="America/New_York", grain=hour)
    at_once = rows(half_hours, what, hours)
    assert at_once[hours[2]] == 4
    assert hours[1] not in at_once
    assert sum(at_once.values()) == 50
    found, _ = scanning.scan(DuckDBEngine(), half_hours, what, hours)
    assert at_once == {group.period: group.rows for group in found.groups}


def test_what_is_no_time_or_no_hour_is_named(half_hours: SqlRelation) -> None:
    hour = Grain("hour", "America/New_York")
    with pytest.raises(SpecError, match=r"'day' is a date.*hours"):
        rows(half_hours, spec(time_column="day", grain=hour), [hour.containing(DAYS[0].start)])
    relation = tables.postgres_relation(pa.table({"x": [1]}), spec(), DAYS)
    with pytest.raises(SpecError, match="'x' is of type int8, not a time"):
        rows(relation, spec(time_column="x"), DAYS)
    with pytest.raises(SpecError, match="3 periods at once need a time_column"):
        rows(relation, spec(), DAYS)


NATIVE = {
    "u": ("uuid", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", None]),
    "m": ("mood", ["sad", "happy", "sad"]),
    "j": ("jsonb", ['{"b": 1,  "a": 2}', '{"a": 2, "b": 1}', None]),
    "js": ("json", ['{"a": 1}', '{"a":1}', None]),
    "b": ("bytea", ["\\x00ff", "\\x00FF", "\\x"]),
    "c": ("char(4)", ["a", "a  ", "é"]),
    "n": ("numeric", ["1.0", "1.00", "NaN"]),
    "d": ("positive", ["1", "2", None]),
    "ma": ("mood[]", ["{sad,happy}", "{}", "{NULL,sad}"]),
    "ua": ("int[]", ["{{1,2},{3,4}}", "{5}", None]),
    "iv": ("interval", ["1 day", "24 hours", None]),
    "t": ("time", ["10:00", "10:00:00", None]),
    "f": ("real", ["0.1", "0.2", "NaN"]),
    "v": ("varchar(3)", ["a", "A", None]),
}


def test_types_of_its_own_are_what_they_are_when_fetched() -> None:
    engine = tables.database()
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TYPE mood AS ENUM ('sad', 'happy')")
        connection.exec_driver_sql("CREATE DOMAIN positive AS int CHECK (VALUE > 0)")
    table = pa.table({name: pa.array(values, pa.string()) for name, (_, values) in NATIVE.items()})
    relation = tables.postgres_relation(table, spec(), DAYS[:1], {name: type_ for name, (type_, _) in NATIVE.items()})
    kinds = SqlEngine().types(relation)
    assert kinds == DuckDBEngine().types(relation)
    assert kinds == dict.fromkeys("umcv", "text") | dict.fromkeys(["j", "js", "b", "iv", "t"], "other") | dict.fromkeys("ndf", "number") | {
        "ma": "list[text]",
        "ua": "list[number]",
    }
    for group in (None, *(name for name, kind in kinds.items() if not is_list(kind))):
        measured = {
            name: ["null_ratio", "unique", *(["count", "length_max"] if kind == "text" else ["sum"] if kind.endswith("number]") else [])]
            for name, kind in kinds.items()
            if name != group
        }
        what = spec(measured, group_columns=(group,) if group else ())
        assert_same(said(SqlEngine(), relation, what, DAYS[:1]), said(DuckDBEngine(), relation, what, DAYS[:1]))


def test_texts_are_told_apart_by_their_bytes() -> None:
    what = spec({"x": ["count", "unique", "length_max"]})
    relation = tables.postgres_relation(pa.table({"x": ["a", "A", "á", "a\u0301", "a "]}), what, DAYS[:1])
    assert total(relation, what) == {
        ("*", "row_count"): 5,
        ("x", "unique"): 5,
        ("x", "count"): {"a": 1, "A": 1, "á": 1, "a\u0301": 1, "a ": 1},
        ("x", "length_max"): 2,
    }
    assert 'COLLATE "C"' in explained(relation, what, DAYS[:1])  # a collation may hold different texts for equal


def test_where_keeps_the_rows_that_it_says() -> None:
    table = pa.table({"x": [1, 2, 3, None], "c": ["a", "b", "a%", "a:b"]})
    for where, count in [
        ("x > 1 AND c = 'a%' OR x = 1", 2),
        ("c LIKE '%:b' -- a comment", 1),
        ("true) OR (true", 4),
        ("x::text = '1'", 1),
    ]:
        what = spec({"x": ["count"]}, where=where)
        relation = tables.postgres_relation(table, what, DAYS[:1])
        assert total(relation, what)["*", "row_count"] == count


def test_where_cannot_undo_the_time_filter() -> None:
    at = [DAYS[0].start, DAYS[1].start]
    what = spec(time_column="at", where="false) OR (true")
    relation = tables.postgres_relation(pa.table({"at": pa.array(at, pa.timestamp("us", "UTC"))}), what, DAYS[:1])
    assert rows(relation, what, DAYS[:1]) == {DAYS[0]: 1}


@pytest.mark.parametrize("where", ["x >", "x > 1) OR (", "y = 1", "sum(x) > 1", "'perhaps'", "x > 1; DROP TABLE x", "x = 'a'"])
def test_a_wrong_condition_is_named(where: str) -> None:
    what = spec(where=where)
    relation = tables.postgres_relation(pa.table({"x": [1, 2]}), what, DAYS[:1])
    with pytest.raises(SpecError) as error:
        total(relation, what)
    assert repr(where) in str(error.value)


def test_a_scan_changes_nothing() -> None:
    with tables.database().begin() as connection:
        connection.exec_driver_sql("CREATE SEQUENCE changed")
    what = spec(where="nextval('changed') > 0")
    relation = tables.postgres_relation(pa.table({"x": [1, 2]}), what, DAYS[:1])
    with pytest.raises(SourceError, match="read-only"):
        total(relation, what)


def test_more_than_may_be_fetched_is_refused() -> None:
    what = spec({"x": ["count"]}, per_entity={"x": True}, max_entities=1000)
    relation = tables.postgres_relation(pa.table({"x": list(range(200))}), what, DAYS[:1])
    assert len(total(relation, what)["x", "count"]) == 200
    with pytest.raises(LimitExceeded, match="max_fetch_rows=199"):
        scanning.scan(SqlEngine(max_fetch_rows=199), relation, what, DAYS[:1])


def test_what_users_define_is_computed_there() -> None:
    table = pa.table({"g": ["a", "a", "b", None], "x": [1, 3, 0, None], "note": ["1", "2", "x", "4"], "l": [[1.0], None, [], [2.0, None]]})
    sets = (
        SqlMetric("share", "sum(x) FILTER (WHERE g = 'a')::float8 / sum(x)"),
        SqlMetric("worse", "sum(note::integer)"),
        SqlMetric("divided", "1 / sum(x)"),
        PythonMetric("longest", lambda frame: max((len(each) for each in frame["l"] if each is not None), default=None), columns=["l"]),
        TableMetrics(["row_count"]),
    )
    what = spec(metric_sets=sets, group_columns=("g",))
    relation = tables.postgres_relation(table, what, DAYS[:1])
    found, pairs = scanning.scan(SqlEngine(), relation, what, DAYS[:1])
    everything = next(v for g, v in zip(found.groups, scanning.said(found, pairs), strict=True) if g.dimensions is None)
    assert everything["*", "share"] == 1
    assert everything["*", "longest"] == 2
    assert everything["*", "row_count"] == 4
    reasons = {operand.sql: set(why.values()) for operand, why in found.failures.items()}
    assert "invalid input syntax" in str(reasons["sum(note::integer)"])
    assert "division by zero" in str(reasons["1 / sum(x)"])


@pytest.mark.parametrize("sql", ["sum(y)", "x", "sum(", "sum(x) FROM x --", "sum(x)), (1"])
def test_what_is_no_aggregate_is_said_before_anything_is_measured(sql: str) -> None:
    what = spec(metric_sets=(SqlMetric("wrong", sql),))
    relation = tables.postgres_relation(pa.table({"x": [1]}), what, DAYS[:1])
    with pytest.raises(SpecError, match="is no aggregate over the rows"):
        total(relation, what)


def test_a_query_is_aggregated_as_a_table_is() -> None:
    query = Query("SELECT 'a:b %' AS c, x, ARRAY[x, NULL] AS l FROM generate_series(1, 10) AS x(x); -- so", conn_id="warehouse", name="q")
    with pytest.raises(SpecError, match="Query"):
        tables.relation(query, spec(), DAYS[:1])
    query = Query("SELECT 'a:b %' AS c, x, ARRAY[x, NULL] AS l FROM generate_series(1, 10) AS x(x) -- so", conn_id="warehouse", name="q")
    what = spec({"c": ["count"], "x": ["p95"], "l": ["avg", "null_ratio"]}, where="c LIKE 'a:%%'")
    relation = tables.relation(query, what, DAYS[:1])
    assert total(relation, what) == {
        ("*", "row_count"): 10,
        ("c", "count"): {"a:b %": 10},
        ("x", "p95"): pytest.approx(9.55),
        ("l", "avg"): 5.5,
        ("l", "null_ratio"): 0.5,
    }
    assert_same(said(SqlEngine(), relation, what, DAYS[:1]), said(DuckDBEngine(), relation, what, DAYS[:1]))


def test_all_passes_see_the_same_rows() -> None:
    what = spec({"x": ["p50", "unique", "sum", "skewness"]})
    relation = tables.postgres_relation(pa.table({"x": [1, 2, 3]}), what, DAYS[:1])
    engine = relation.engine

    def grow(connection: sa.Connection, cursor: Any, statement: str, *_: Any) -> None:
        if "row_count" not in statement and statement.startswith("SELECT * FROM"):
            with sa.create_engine(engine.url).begin() as other:
                other.exec_driver_sql(f"INSERT INTO {relation.sql} VALUES (1000)")

    sa.event.listen(engine, "after_cursor_execute", grow)
    try:
        found = total(relation, what)
    finally:
        sa.event.remove(engine, "after_cursor_execute", grow)
    assert (found["*", "row_count"], found["x", "p50"], found["x", "unique"], found["x", "sum"]) == (3, 2, 3, 6)
    assert total(relation, what)["*", "row_count"] > 3


def test_the_time_columns_index_is_used() -> None:
    with tables.database().begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE indexed AS SELECT timestamptz '2013-01-01' + i * interval '1 minute' AS at, i AS x "
            "FROM generate_series(1, 200000) AS i"
        )
        connection.exec_driver_sql("CREATE INDEX ON indexed (at)")
        connection.exec_driver_sql("ANALYZE indexed")
    what = spec({"x": ["avg"]}, time_column="at")
    for periods in (DAYS[:1], DAYS):
        relation = tables.relation(Table("indexed", conn_id="warehouse"), what, periods)
        with relation.engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN {explained(relation, what, periods)}").scalars().all()
        assert any("Index Cond" in line for line in plan), plan


def explained(relation: SqlRelation, what: MeasureSpec, periods: Sequence[Period]) -> str:
    return SqlEngine().explain(relation, what, needed(what, what.pairs(SqlEngine().types(relation))), periods)


def test_what_is_explained_runs() -> None:
    what = spec(EVERYTHING, time_column="at", group_columns=(HOSTILE, "value_"))
    relation = tables.postgres_relation(arrow([]), what, DAYS)
    shown = explained(relation, what, DAYS).split(";\n")
    assert len(shown) > 10
    with relation.engine.connect().execution_options(no_parameters=True) as connection:
        for sql in shown:
            connection.exec_driver_sql(sql)


def test_a_table_without_rows_has_no_groups() -> None:
    what = spec(EVERYTHING, time_column="at", group_columns=(HOSTILE,))
    found, _ = scanning.scan(SqlEngine(), tables.postgres_relation(arrow([]), what, DAYS), what, DAYS)
    assert found.groups == []


def test_a_measurement_says_how_many_rows_were_read(half_hours: SqlRelation) -> None:
    what = spec({"utc": ["max"]}, time_column="instant")
    measured = measure(what, Opened(half_hours), SqlEngine(), around(AUTUMN)).measurement
    assert measured.rows_read == 48 + 50 + 48
    assert measured.bytes_read is None
    assert [record.rows for record in measured.periods] == [48, 50, 48]


def test_a_lost_database_is_a_source_error() -> None:
    with PostgresServer() as server:
        engine = sa.create_engine(server.new_database())
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE t AS SELECT 1 AS x")
        relation = tables.relation(Table("t", conn_id="warehouse"), spec(), DAYS[:1], engine)
        server.kill()
        with pytest.raises(SourceError, match=r"Table\('t'\)") as error:
            total(relation, spec())
        assert error.value.retry
        server.start()
        assert total(relation, spec()) == {("*", "row_count"): 1}


def test_a_connection_lost_half_way_is_a_source_error() -> None:
    what = spec({"x": ["avg"]}, where="pg_terminate_backend(pg_backend_pid())")
    relation = tables.postgres_relation(pa.table({"x": [1]}), what, DAYS[:1])
    with pytest.raises(SourceError, match="flights"):
        total(relation, what)


def test_mariadb_says_what_its_rows_say() -> None:
    engine = sa.create_engine(maria().new_database())
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (at datetime(6), g varchar(9), x double, w bigint, f boolean, s varchar(9), d date)")
        insert = sa.text("INSERT INTO t VALUES (:at, :g, :x, :w, :f, :s, '2013-01-01')")
        for i in range(60):
            row = {
                "at": f"2013-01-0{1 + i % 3} 0{i % 9}:00:00.5",
                "g": ["a", "A", None, "a "][i % 4],
                "x": [1.5, None, -2.25, 1e6, 0.1][i % 5],
                "w": [i, -i, None, 2**62][i % 4],
                "f": [1, 0, None][i % 3],
                "s": ["é", "e", None, "", "a "][i % 5],
            }
            connection.execute(insert, row)
    columns = {
        "x": ["avg", "sum", "min", "max", "std", "skewness", "kurtosis", "unique", "zero_ratio"],
        "w": ["sum", "unique"],
        "s": ["count", "unique", "entropy", "length_avg"],
        "f": ["avg", "null_ratio"],
        "d": ["max", "freshness"],
    }
    sets = (TableMetrics(["row_count", "duplicate_ratio(s, x)"]), ColumnMetrics(columns))
    utc = Grain("day")
    days = list(utc.periods(utc.parse("2013-01-01"), utc.parse("2013-01-04")))
    for others in ({"group_columns": ("g",), "totals": False}, {}):
        what = spec(metric_sets=sets, grain=utc, time_column="at", where="x IS NULL OR x <> 5 -- %", **others)
        relation = tables.relation(Table("t", conn_id="warehouse"), what, days, engine)
        assert relation.dialect == "mariadb"
        own = said(SqlEngine(), relation, what, days)
        assert len({group for _, group, *_ in own}) == (4 if others else 1)
        assert_same(own, said(DuckDBEngine(), relation, what, days), {"x": 1e8, "w": 1e20})
    with pytest.raises(SpecError, match=r"x\.p50: MariaDB has no percentiles"):
        total(relation, spec({"x": ["p50"]}, grain=utc), days[:1])


def test_files_are_not_for_this_engine() -> None:
    with pytest.raises(SpecError, match='engine="duckdb"'):
        engine_named("sql").types(FileSet([SourceFile("a.parquet")], "parquet"))
