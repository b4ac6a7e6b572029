"""Spark: what it says of any table is what DuckDB says, to 1e-9; and what it does with what is broken, hostile or too large."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from pyarrow import parquet

from airflow_lupus.engines import engine_named
from airflow_lupus.engines.base import Batches, FileSet, SourceFile, SparkRelation
from airflow_lupus.engines.duckdb import DuckDBEngine
from airflow_lupus.engines.spark import SparkEngine
from airflow_lupus.engines.spark_spool import Spool
from airflow_lupus.exceptions import DataMissing, LimitExceeded, SourceError, SpecError
from airflow_lupus.metrics import CATALOGUE, for_type
from airflow_lupus.model import Grain
from airflow_lupus.processors import DistributionProcessor
from airflow_lupus.specs import ColumnMetrics, MeasureSpec, TableMetrics
from support import scanning

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pyspark.sql import SparkSession

    from airflow_lupus.engines.base import Engine, Relation, Scan
    from airflow_lupus.model import Period

pytestmark = pytest.mark.usefixtures("spark")

DAY = Grain("day", "America/New_York")
ZONE = ZoneInfo("America/New_York")
SPRING, AUTUMN = date(2013, 3, 10), date(2013, 11, 3)
NAN, INF = math.nan, math.inf


def day(of: date, grain: Grain = DAY) -> Period:
    return grain.containing(datetime(of.year, of.month, of.day, 12, tzinfo=ZoneInfo(grain.timezone)))


def around(of: date, grain: Grain = DAY) -> list[Period]:
    return [grain.previous(day(of, grain)), day(of, grain), grain.next(day(of, grain))]


def write(path: Path, columns: Mapping[str, Any], **options: Any) -> FileSet:
    parquet.write_table(pa.table(dict(columns)), path, **options)
    return FileSet([SourceFile(str(path))], "parquet")


def spec(column_metrics: Mapping[str, Sequence[str]] | None = None, *, grain: Grain = DAY, **others: Any) -> MeasureSpec:
    sets = (TableMetrics(["row_count"]), *([ColumnMetrics(column_metrics)] if column_metrics else []))
    return MeasureSpec("flights", grain, sets, **others)


def scan(relation: Relation, what: MeasureSpec, periods: list[Period], **engine: Any) -> Scan:
    return scanning.scan(SparkEngine(**engine), relation, what, periods)[0]


def rows(found: Scan) -> dict[str, int]:
    """Rows by local date, of the totals."""
    return {DAY.local(g.period.start).date().isoformat(): g.rows for g in found.groups if g.dimensions is None}


def numbers(engine: Engine, relation: Relation, what: MeasureSpec, periods: list[Period]) -> dict[Any, Any]:
    """(period, group) → (column, metric) → value."""
    found, pairs = scanning.scan(engine, relation, what, periods)
    keys = [(group.period, str(group.dimensions), group.rows) for group in found.groups]
    return dict(zip(keys, scanning.said(found, pairs), strict=True))


def assert_as_duckdb_says(relation: Relation, what: MeasureSpec, periods: list[Period]) -> int:
    """Every number of every group; how many."""
    count = 0
    expected, said = (numbers(engine, relation, what, periods) for engine in (DuckDBEngine(), SparkEngine()))
    assert said.keys() == expected.keys()
    for key, values in expected.items():
        for which, value in values.items():
            assert close(said[key][which], value), f"{key} {which}: Spark says {said[key][which]!r}, DuckDB {value!r}"
            count += 1
    return count


def close(said: Any, expected: Any) -> bool:
    if isinstance(expected, dict):
        named = {repr(entity): value for entity, value in said.items()}
        return named.keys() == {repr(entity) for entity in expected} and all(close(named[repr(e)], v) for e, v in expected.items())
    if said is None or expected is None:
        return said is expected
    return (math.isnan(said) and math.isnan(expected)) or math.isclose(said, expected, rel_tol=1e-9, abs_tol=1e-12)


def every_metric(types: Mapping[str, str]) -> dict[str, list[str]]:
    """Column → all metrics of the catalogue that it can have, of lists also of their first elements."""
    named: dict[str, list[str]] = {}
    for column, type_ in types.items():
        for metric_class in CATALOGUE:
            for name in metric_class.examples or (metric_class.name,):
                metric = metric_class.parse(name)
                if metric is None or metric_class.family != "column" or (metric.per_entity and column == "unsigned"):
                    continue  # Spark has them as decimals, whose entities are texts
                try:
                    for_type(metric, column, type_, None)
                except SpecError:
                    continue
                named.setdefault(column, []).append(name)
                if type_.startswith("list") and not metric_class.lists:
                    named[column].append(f"{name}@2")
    return named


STRANGE = {
    "value2": ["a", "b", None, "ü'\"`", ""] * 6,
    "real": pa.array([1.5, None, NAN, -0.0, 0.0, INF, 2.5, 1e-300, -3.25, 7.0] * 3),
    "plain": pa.array([float((i * 7919) % 101) / 7 for i in range(30)]),
    "infinite": pa.array([INF, -INF, 1.0, None, NAN] * 6),
    "single": pa.array([0.1, -2.5, None, NAN, 3.0] * 6, pa.float32()),
    "huge": pa.array([2**63 - 1, -(2**63), 0, None, 7, 2**62] * 5),
    "unsigned": pa.array([2**64 - 1, 0, None] * 10, pa.uint64()),
    "money": pa.array([Decimal(i) / 4 for i in range(30)], pa.decimal128(20, 2)),
    "flag": [True, False, None] * 10,
    "text": pa.array(["", "é", "e\u0301", "🛫 b", None, "NULL"] * 5).dictionary_encode(),
    "on": [SPRING + timedelta(days=i % 4) for i in range(30)],
    "clock": [datetime(2013, 11, 3, i % 24, 30) for i in range(30)],  # noqa: DTZ001  some of them come twice, or never
    "instant": pa.array([datetime(2013, 3, 10, i % 24, 30, 0, 1, UTC) for i in range(30)], pa.timestamp("us", "UTC")),
    "scores": [[1.5, None, NAN, -0.0], [], None, [INF, 2.0], [None], [0.0]] * 5,
    "whole": pa.array([[1, 2, 3], [], None, [2**62, None], [5]] * 6),
    "tags": [["a", "b", "a", None], [], None, ["ü"], [""]] * 6,
    "nothing": pa.array([None] * 30, pa.float64()),
    "no_list": pa.array([None] * 30, pa.list_(pa.float64())),
}


@pytest.mark.parametrize("groups", [(), ("value2",), ("value2", "flag")])
def test_every_metric_of_every_type_is_as_duckdb_says(tmp_path: Path, groups: tuple[str, ...]) -> None:
    files = write(tmp_path / "f.parquet", STRANGE, row_group_size=7)
    types = {name: type_ for name, type_ in SparkEngine().types(files).items() if name not in groups}
    assert types == {name: type_ for name, type_ in DuckDBEngine().types(files).items() if name not in groups}
    what = spec(every_metric(types), group_columns=groups, time_column_timezone="America/New_York", max_entities=100)
    assert assert_as_duckdb_says(files, what, [day(SPRING)]) > 200


def test_groups_of_any_type_are_told_apart_as_duckdb_does(tmp_path: Path) -> None:
    files = write(tmp_path / "f.parquet", STRANGE)
    for name in ("real", "single", "huge", "money", "flag", "on", "instant", "infinite"):
        assert_as_duckdb_says(files, spec({"plain": ["avg", "p50"]}, group_columns=(name,)), [day(SPRING)])


EVERY_HALF_HOUR = [datetime(2013, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * i) for i in range(365 * 48)]
"""Of 2013: 46 a day in spring, 50 in autumn."""


def clocks(unit: str) -> dict[str, pa.Array]:
    return {
        "instant": pa.array(EVERY_HALF_HOUR, pa.timestamp(unit, "UTC")),
        "utc": pa.array([at.replace(tzinfo=None) for at in EVERY_HALF_HOUR], pa.timestamp(unit)),
        "local": pa.array([at.astimezone(ZONE).replace(tzinfo=None) for at in EVERY_HALF_HOUR], pa.timestamp(unit)),
        "on": pa.array([at.astimezone(ZONE).date() for at in EVERY_HALF_HOUR]),
    }


@pytest.mark.parametrize("unit", ["us", "ns"])
@pytest.mark.parametrize("column", ["instant", "utc", "local", "on"])
def test_rows_belong_to_local_days_whatever_the_sessions_zone(tmp_path: Path, spark: SparkSession, column: str, unit: str) -> None:
    files = write(tmp_path / "f.parquet", clocks(unit))
    zone = "America/New_York" if column == "local" else "UTC"
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    try:
        for of, count in ((SPRING, 46), (AUTUMN, 50)):
            what = spec(time_column=column, time_column_timezone=zone)
            assert rows(scan(files, what, around(of))) == {p: (count if p == of.isoformat() else 48) for p in dates(around(of))}
            assert rows(scan(files, what, [day(of)])) == {of.isoformat(): count}
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    assert spark.conf.get("spark.sql.legacy.parquet.nanosAsLong") == "false"


def dates(periods: list[Period]) -> list[str]:
    return [DAY.local(period.start).date().isoformat() for period in periods]


@pytest.mark.parametrize("unit", ["hour", "week", "month"])
@pytest.mark.parametrize("column", ["instant", "local"])
def test_any_grain_is_cut_as_duckdb_does(tmp_path: Path, column: str, unit: str) -> None:
    """Over a year with both changes of the clocks; and with periods left out, of which no row is to be counted."""
    files = write(tmp_path / "f.parquet", clocks("us"))
    grain = Grain(unit, "America/New_York")
    what = spec(time_column=column, time_column_timezone="America/New_York" if column == "local" else "UTC", grain=grain)
    start, end = (day(SPRING).start, day(date(2013, 3, 12)).end) if unit == "hour" else (day(date(2013, 1, 1)).start, EVERY_HALF_HOUR[-1])
    periods = list(grain.periods(start, end))
    assert len(periods) > 11
    assert_as_duckdb_says(files, what, periods)
    assert_as_duckdb_says(files, what, [period for i, period in enumerate(periods) if i % 5 != 2])
    if unit == "hour":
        assert_as_duckdb_says(files, what, list(grain.periods(day(AUTUMN).start, day(AUTUMN).end)))


def test_what_is_no_time_says_so(tmp_path: Path) -> None:
    files = write(tmp_path / "f.parquet", {"on": [SPRING], "delay": [1]})
    with pytest.raises(SpecError, match=r"'on' is a date.*hours"):
        scan(files, spec(time_column="on", grain=Grain("hour")), [Grain("hour").containing(day(SPRING).start)])
    with pytest.raises(SpecError, match="'delay' is of type bigint, not a time"):
        scan(files, spec(time_column="delay"), [day(SPRING)])
    with pytest.raises(SpecError, match="3 periods at once need a time_column"):
        scan(files, spec(), around(SPRING))


@pytest.mark.parametrize("name", ["{}.parquet", "a b%20+ü[1]{{x}}*,'#{}.parquet"])
def test_a_row_counts_for_a_period_only_out_of_that_periods_file(tmp_path: Path, name: str) -> None:
    at = {d: datetime(2013, 2, d, 17, tzinfo=UTC) for d in (6, 7, 8)}
    contents = {7: [at[6], at[7], at[8]], 8: [at[8], at[8], at[7]]}
    files = []
    for d, found in contents.items():
        write(tmp_path / name.format(d), {"at": pa.array(found), "x": [1.0 * d] * 3})
        files.append(SourceFile(str(tmp_path / name.format(d)), day(date(2013, 2, d))))
    days = [day(date(2013, 2, d)) for d in (6, 7, 8)]
    found = scan(FileSet(files, "parquet"), spec(time_column="at"), days)
    assert rows(found) == {"2013-02-07": 1, "2013-02-08": 2}
    assert_as_duckdb_says(FileSet(files, "parquet"), spec({"x": ["sum"]}), days)


def test_one_file_serves_many_periods_and_columns_fit_every_file(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", {"at": [datetime(2013, 2, d, 17, tzinfo=UTC) for d in (7, 7, 8)], "x": [1, 2, 3]})
    write(tmp_path / "2.parquet", {"y": ["b"], "x": [2.5], "at": [datetime(2013, 2, 8, 17, tzinfo=UTC)]})
    days = [day(date(2013, 2, d)) for d in (7, 8)]
    files = FileSet([SourceFile(str(tmp_path / f"{i}.parquet"), period) for i in (1, 2) for period in days], "parquet")
    assert assert_as_duckdb_says(files, spec({"x": ["sum"], "y": ["count"]}, time_column="at", per_entity={"y": False}), days) == 6


HOSTILE = [
    "a`b; drop",
    "select",
    "p",
    "i",
    "t",
    "g0",
    "r0",
    "v0",
    "e",
    "l",
    "v",
    "n",
    "a0",
    "pos",
    "file",
    "period",
    "lupus_t",
    "lupus_each",
]
HOSTILE += ["__period", "__file", "_metadata", "x y", "ünï", "a.b", "'", "{x}", "%s", "?", ":a", "lupus_files"]


def test_any_name_can_group_be_measured_and_hold_the_time(tmp_path: Path) -> None:
    at = pa.array([day(SPRING).start] * 3, pa.timestamp("us", "UTC"))
    table = {name: [1.0, 2.0, 4.0] for name in HOSTILE} | {"at": at, "lists": [[1.0], [2.0, 3.0], None]}
    files = FileSet([SourceFile(write(tmp_path / "f.parquet", table).files[0].path, day(SPRING))], "parquet")
    assert_as_duckdb_says(files, spec({name: ["sum", "p50", "unique"] for name in HOSTILE} | {"lists": ["avg", "p50"]}), [day(SPRING)])
    for name in ("a`b; drop", "lupus_t", "e", "_metadata", "a.b"):
        plain = {name: at, "x": ["u", "u", None], name + "2": [["a"], ["b", "a"], None]}
        files = FileSet([SourceFile(write(tmp_path / "f.parquet", plain).files[0].path, day(SPRING))], "parquet")
        what = spec({name + "2": ["count", "unique"]}, time_column=name, group_columns=("x",))
        assert assert_as_duckdb_says(files, what, [day(SPRING)]) == 9


def test_where_is_sparks_sql_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    files = write(tmp_path / "f.parquet", {"x": [1, 2, 3, None], "c": ["a", "b", "a", "a"]})
    assert rows(scan(files, spec(where="x > 1 AND c <=> 'a' OR x = 1 -- not all"), [day(SPRING)])) == {SPRING.isoformat(): 2}
    assert scan(files, spec(where="false"), [day(SPRING)]).groups == []
    for where in ("x >", "x > 1) OR (", "y = 1", "sum(x) > 1", "'perhaps'", "x > 1; DROP TABLE x"):
        with pytest.raises(SpecError) as error:
            scan(files, spec(where=where), [day(SPRING)])
        assert repr(where) in str(error.value)


def damage(path: str) -> None:
    """Zeros over a part of the pages; the footer stays."""
    with open(path, "r+b") as file:
        file.seek(2_000)
        file.write(b"\0" * 20_000)


def test_a_file_that_breaks_off_half_way_fails_alone(tmp_path: Path) -> None:
    days = [date(2013, 2, d) for d in (7, 8, 9)]
    files = []
    for of in days:
        values = {"x": [float((i * 7919) % 1009) for i in range(20_000)], "g": ["a", "b"] * 10_000}
        write(tmp_path / f"{of}.parquet", values, use_dictionary=False)
        files.append(SourceFile(str(tmp_path / f"{of}.parquet"), day(of)))
    damage(files[1].path)
    found = scan(FileSet(files, "parquet"), spec({"x": ["avg"]}, group_columns=("g",)), [day(of) for of in days])
    assert list(found.failed_files) == [files[1].path]
    assert rows(found) == {"2013-02-07": 20_000, "2013-02-09": 20_000}
    alone = scan(FileSet(files[1:2], "parquet"), spec({"x": ["avg"]}), [day(days[1])])
    assert (alone.groups, list(alone.failed_files)) == ([], [files[1].path])


def test_what_is_no_file_or_table_at_all_is_missing_data(tmp_path: Path) -> None:
    (tmp_path / "f.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataMissing, match=r"f\.parquet"):
        scan(FileSet([SourceFile(str(tmp_path / "f.parquet"))], "parquet"), spec(), [day(SPRING)])
    with pytest.raises(DataMissing, match=r"SparkTable\('mart.orders'\) cannot be read: .*mart"):
        scan(SparkRelation("mart.orders"), spec(), [day(SPRING)])


def test_a_query_that_fails_on_the_rows_says_why(tmp_path: Path) -> None:
    files = write(tmp_path / "f.parquet", {"x": ["1", "b"]})
    with pytest.raises(SourceError, match=r"Spark could not measure dataset 'flights': .*CAST_INVALID_INPUT"):
        scan(files, spec(where="CAST(x AS INT) > 0"), [day(SPRING)])


def test_too_many_groups_or_values_stop_with_a_message(tmp_path: Path) -> None:
    files = write(tmp_path / "f.parquet", {"x": list(map(str, range(60)))})
    with pytest.raises(LimitExceeded, match="60 groups in one day, more than max_groups=59"):
        scan(files, spec(group_columns=("x",), max_groups=59), [day(SPRING)])
    assert len(scan(files, spec(group_columns=("x",), max_groups=60), [day(SPRING)]).groups) == 61
    with pytest.raises(LimitExceeded, match="more than max_fetch_rows=59 groups and values"):
        scan(files, spec({"x": ["count"]}), [day(SPRING)], max_fetch_rows=59)


def test_tables_and_frames_of_spark_are_measured_where_they_are(spark: SparkSession) -> None:
    query = "SELECT id AS x, array(id, NULL) AS l, IF(id % 2 = 0, 'even', 'odd') AS g FROM range(10)"
    frame = spark.sql(query)
    what = spec({"x": ["sum", "p50"], "l": ["max", "null_ratio"]}, group_columns=("g",))
    spark.sql(f"CREATE OR REPLACE TEMP VIEW odd_and_even AS {query}")
    views = {row.viewName for row in spark.sql("SHOW VIEWS").collect()}
    for relation in (SparkRelation(frame=frame), SparkRelation("odd_and_even")):
        said = {group: found for (_, group, _), found in numbers(engine_named("spark"), relation, what, [day(SPRING)]).items()}
        assert said["None"] == {("*", "row_count"): 10, ("x", "sum"): 45, ("x", "p50"): 4.5, ("l", "max"): 9, ("l", "null_ratio"): 0.5}
        assert said["{'g': 'odd'}"]["x", "p50"] == 5
    assert {row.viewName for row in spark.sql("SHOW VIEWS").collect()} == views
    with pytest.raises(SpecError, match='a Spark frame is read by Spark alone: say engine="spark"'):
        DuckDBEngine().types(SparkRelation(frame=frame))


def test_a_processor_of_a_spark_frame_answers_with_one(spark: SparkSession) -> None:
    frame = spark.sql("SELECT * FROM VALUES ('EU', 30.0D), ('EU', 40.0D), ('US', 50.0D) AS t(region, age)")
    metrics = DistributionProcessor(frame, group_columns=["region"], column_metrics={"age": ["avg"]}).get_metrics()
    assert {(row.level, row.region): row.value for row in metrics.collect()} == {
        ("leaf", "EU"): 35,
        ("leaf", "US"): 50,
        ("total", None): 40,
    }


@pytest.mark.parametrize("in_memory", [False, True])
def test_rows_from_elsewhere_come_through_a_file_or_the_drivers_memory(
    spark: SparkSession, in_memory: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.table({name: STRANGE[name] for name in ("unsigned", "text", "scores", "tags", "clock", "instant")})
    table = table.append_column("ns", table["instant"].cast(pa.timestamp("ns", "UTC")))
    if in_memory:
        monkeypatch.setattr("airflow_lupus.engines.spark_spool._is_here", lambda _: False)
    types = dict.fromkeys(("unsigned",), "number") | {"text": "text", "scores": "list[number]", "tags": "list[text]"}
    types |= dict.fromkeys(("clock", "instant", "ns"), "time")
    relation = Batches(types, lambda names, _: iter([table.select(names)[:20], table.select(names)[20:]]))
    assert assert_as_duckdb_says(relation, spec(every_metric(types), time_column="instant"), around(SPRING)) > 100
    for nothing in ([], [table[:0]]):
        found = scan(
            Batches(types, lambda names, _, n=nothing: iter([each.select(names) for each in n])), spec({"text": ["unique"]}), [day(SPRING)]
        )
        assert sum(group.rows for group in found.groups) == 0
    assert Spool(spark, None).frame([]) is None


def test_what_is_read_is_known(tmp_path: Path, spark: SparkSession) -> None:
    files = write(tmp_path / "f.parquet", {"x": [float(i) for i in range(50_000)]})
    size = (tmp_path / "f.parquet").stat().st_size
    frame = spark.read.parquet(files.files[0].path)
    for relation, read in (
        (SparkRelation(frame=frame), size),
        (SparkRelation(frame=spark.range(50_000).withColumnRenamed("id", "x")), None),
    ):
        found = scan(relation, spec({"x": ["avg"]}), [day(SPRING)])
        assert (found.rows_read, found.bytes_read) == (50_000, read)


def test_the_queries_can_be_looked_at(tmp_path: Path) -> None:
    files = write(tmp_path / "f.parquet", {"x": [1.0]})
    what = spec({"x": ["avg", "p50"]})
    pairs = what.pairs({"x": "number"})
    shown = SparkEngine().explain(files, what, [need for _, metric in pairs for need in metric.needed], [day(SPRING)])
    assert "sum(v0)" in shown
    assert "sort_array(collect_list(v))" in shown
