"""The embedded engine: which row belongs to which period and group, and what it does with what is broken, hostile or too large."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from pyarrow import parquet

from airflow_lupus.engines import engine_named
from airflow_lupus.engines.base import Batches, FileSet, SourceFile
from airflow_lupus.engines.duckdb import DuckDBEngine
from airflow_lupus.exceptions import DataMissing, LimitExceeded, SourceError, SpecError
from airflow_lupus.model import Grain
from airflow_lupus.specs import ColumnMetrics, MeasureSpec, TableMetrics
from support import scanning

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_lupus.engines.base import Relation, Scan
    from airflow_lupus.model import Period

NEW_YORK = Grain("day", "America/New_York")
ZONE = ZoneInfo("America/New_York")
SPRING, AUTUMN = date(2013, 3, 10), date(2013, 11, 3)


def day(of: date, grain: Grain = NEW_YORK) -> Period:
    return grain.containing(datetime(of.year, of.month, of.day, 12, tzinfo=ZoneInfo(grain.timezone)))


def around(of: date, grain: Grain = NEW_YORK) -> list[Period]:
    middle = day(of, grain)
    return [grain.previous(middle), middle, grain.next(middle)]


def write(path: Path, columns: dict[str, Any], **options: Any) -> FileSet:
    parquet.write_table(pa.table(columns), path, **options)
    return FileSet([SourceFile(str(path))], "parquet")


def spec(column_metrics: dict[str, list[str]] | None = None, *, grain: Grain = NEW_YORK, **others: Any) -> MeasureSpec:
    sets = (TableMetrics(["row_count"]), *([ColumnMetrics(column_metrics)] if column_metrics else []))
    return MeasureSpec("flights", grain, sets, **others)


def scan(relation: Relation, what: MeasureSpec, periods: list[Period], **engine: Any) -> Scan:
    return scanning.scan(DuckDBEngine(**engine), relation, what, periods)[0]


def numbers(relation: Relation, what: MeasureSpec, periods: list[Period]) -> list[dict[tuple[str, str], Any]]:
    """What is said of each group."""
    return scanning.said(*scanning.scan(DuckDBEngine(), relation, what, periods))


def rows(found: Scan) -> dict[Any, int]:
    """Rows by local date, of the totals."""
    return {NEW_YORK.local(g.period.start).date().isoformat(): g.rows for g in found.groups if g.dimensions is None}


def groups(found: Scan) -> list[tuple[Any, int]]:
    return sorted(((dict(g.dimensions), g.rows) for g in found.groups if g.dimensions is not None), key=repr)


EVERY_HALF_HOUR = [datetime(2013, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * i) for i in range(365 * 48)]
"""Of 2013: 46 a day in spring, 50 in autumn."""


@pytest.mark.parametrize(("of", "count"), [(SPRING, 46), (AUTUMN, 50), (date(2013, 7, 4), 48)])
@pytest.mark.parametrize("unit", ["us", "ms", "ns"])
def test_instants_belong_to_local_days(tmp_path: Path, of: date, count: int, unit: str) -> None:
    files = write(tmp_path / "f.parquet", {"at": pa.array(EVERY_HALF_HOUR, pa.timestamp(unit, "UTC"))})
    assert rows(scan(files, spec(time_column="at"), around(of)))[of.isoformat()] == count
    assert rows(scan(files, spec(time_column="at"), [day(of)])) == {of.isoformat(): count}


@pytest.mark.parametrize(("of", "count"), [(SPRING, 46), (AUTUMN, 50), (date(2013, 7, 4), 48)])
@pytest.mark.parametrize("unit", ["us", "ns"])
def test_times_without_a_zone_are_read_in_the_zone_given(tmp_path: Path, of: date, count: int, unit: str) -> None:
    in_utc = [at.replace(tzinfo=None) for at in EVERY_HALF_HOUR]
    in_new_york = [at.astimezone(ZONE).replace(tzinfo=None) for at in EVERY_HALF_HOUR]
    files = write(tmp_path / "f.parquet", {"utc": pa.array(in_utc, pa.timestamp(unit)), "local": pa.array(in_new_york, pa.timestamp(unit))})
    for column, zone in (("utc", "UTC"), ("local", "America/New_York")):
        what = spec(time_column=column, time_column_timezone=zone)
        assert rows(scan(files, what, around(of)))[of.isoformat()] == count
        assert rows(scan(files, what, [day(of)])) == {of.isoformat(): count}


@pytest.mark.parametrize("of", [SPRING, AUTUMN])
def test_dates_are_the_datasets_own(tmp_path: Path, of: date) -> None:
    dates = [of + timedelta(days=i) for i in (-2, -1, 0, 0, 0, 1, 2)]
    files = write(tmp_path / "f.parquet", {"on": dates})
    before, after = (of - timedelta(days=1)).isoformat(), (of + timedelta(days=1)).isoformat()
    assert rows(scan(files, spec(time_column="on"), around(of))) == {before: 1, of.isoformat(): 3, after: 1}
    assert rows(scan(files, spec(time_column="on"), [day(of)])) == {of.isoformat(): 3}


def test_hours_lose_no_row_when_clocks_go_back(tmp_path: Path) -> None:
    """Local times of the hour that comes twice cannot be told apart: they count for the second, never for none or for both."""
    hour = Grain("hour", "America/New_York")
    start, end = day(AUTUMN).start, day(AUTUMN).end
    written = [at.astimezone(ZONE).replace(tzinfo=None) for at in EVERY_HALF_HOUR if start <= at < end]
    files = write(tmp_path / "f.parquet", {"at": written})
    what = spec(time_column="at", time_column_timezone="America/New_York", grain=hour)
    hours = list(hour.periods(start, end))
    at_once = {g.period: g.rows for g in scan(files, what, hours).groups}
    assert sum(at_once.values()) == 50
    assert at_once[hours[2]] == 4
    assert hours[1] not in at_once
    one_by_one = {g.period: g.rows for period in hours for g in scan(files, what, [period]).groups}
    assert one_by_one == at_once


def test_hours_skipped_in_spring_have_no_rows_and_the_others_two(tmp_path: Path) -> None:
    hour = Grain("hour", "America/New_York")
    files = write(tmp_path / "f.parquet", {"at": pa.array(EVERY_HALF_HOUR, pa.timestamp("us", "UTC"))})
    hours = list(hour.periods(day(SPRING).start, day(SPRING).end))
    assert [g.rows for g in scan(files, spec(time_column="at", grain=hour), hours).groups] == [2] * 23


def test_bounds_are_half_open_and_rows_without_a_time_belong_nowhere(tmp_path: Path) -> None:
    today = day(SPRING)
    moment = timedelta(microseconds=1)
    at = [today.start - moment, today.start, today.end - moment, today.end, None]
    files = write(tmp_path / "f.parquet", {"at": pa.array(at, pa.timestamp("us", "UTC"))})
    assert rows(scan(files, spec(time_column="at"), [today])) == {SPRING.isoformat(): 2}


def test_a_date_cannot_be_cut_into_hours_and_a_number_is_no_time(tmp_path: Path) -> None:
    files = write(tmp_path / "f.parquet", {"on": [SPRING], "delay": [1]})
    hour = Grain("hour")
    with pytest.raises(SpecError, match=r"'on' is a date.*hours"):
        scan(files, spec(time_column="on", grain=hour), [day(SPRING, hour)])
    with pytest.raises(SpecError, match="'delay' is of type BIGINT, not a time"):
        scan(files, spec(time_column="delay"), [day(SPRING)])


def daily_files(folder: Path, contents: dict[date, dict[str, Any]]) -> FileSet:
    files = []
    for of, columns in contents.items():
        write(folder / f"{of}.parquet", columns)
        files.append(SourceFile(str(folder / f"{of}.parquet"), day(of)))
    return FileSet(files, "parquet")


def test_files_of_periods_need_no_time_column(tmp_path: Path) -> None:
    files = daily_files(tmp_path, {date(2013, 2, 7): {"x": [1, 2]}, date(2013, 2, 8): {"x": [3]}})
    found = scan(files, spec({"x": ["sum"]}), [day(date(2013, 2, d)) for d in (7, 8)])
    assert rows(found) == {"2013-02-07": 2, "2013-02-08": 1}
    assert found.rows_read == 3
    assert rows(scan(files, spec(), [day(date(2013, 2, 8))])) == {"2013-02-08": 1}


def test_a_row_counts_for_a_period_only_out_of_that_periods_file(tmp_path: Path) -> None:
    at = {d: datetime(2013, 2, d, 17, tzinfo=UTC) for d in (6, 7, 8)}
    contents = {date(2013, 2, 7): {"at": [at[6], at[7], at[8]]}, date(2013, 2, 8): {"at": [at[8], at[8], at[7]]}}
    files = daily_files(tmp_path, contents)
    found = scan(files, spec(time_column="at"), [day(date(2013, 2, d)) for d in (6, 7, 8)])
    assert rows(found) == {"2013-02-07": 1, "2013-02-08": 2}


def test_one_file_for_many_periods_is_read_once(tmp_path: Path) -> None:
    """A monthly file of a daily dataset: `{period:%Y-%m}.parquet`."""
    at = [datetime(2013, 2, d, 17, tzinfo=UTC) for d in (7, 7, 8)]
    write(tmp_path / "2013-02.parquet", {"at": at})
    days = [day(date(2013, 2, d)) for d in (7, 8)]
    files = FileSet([SourceFile(str(tmp_path / "2013-02.parquet"), period) for period in days], "parquet")
    assert rows(scan(files, spec(time_column="at"), days)) == {"2013-02-07": 2, "2013-02-08": 1}


def test_many_periods_without_any_time_are_an_error(tmp_path: Path) -> None:
    files = write(tmp_path / "f.parquet", {"x": [1]})
    with pytest.raises(SpecError, match="3 periods at once need a time_column"):
        scan(files, spec(), around(SPRING))
    assert rows(scan(files, spec(), [day(SPRING)])) == {SPRING.isoformat(): 1}


def test_columns_go_by_name_and_fit_every_file(tmp_path: Path) -> None:
    files = daily_files(tmp_path, {date(2013, 2, 7): {"x": [1], "y": ["a"]}, date(2013, 2, 8): {"y": ["b"], "x": [2.5]}})
    found = numbers(files, spec({"x": ["sum"]}), [day(date(2013, 2, d)) for d in (7, 8)])
    assert sum(group["x", "sum"] for group in found) == 3.5


def test_where_keeps_the_rows_that_it_says(tmp_path: Path) -> None:
    files = write(tmp_path / "f.parquet", {"x": [1, 2, 3, None], "c": ["a", "b", "a", "a"]})
    assert rows(scan(files, spec(where="x > 1 AND c = 'a' OR x = 1"), [day(SPRING)])) == {SPRING.isoformat(): 2}
    found = scan(files, spec(where="false"), [day(SPRING)])
    assert sum(group.rows for group in found.groups) == 0


@pytest.mark.parametrize("where", ["x >", "x > 1) OR (", "y = 1", "sum(x) > 1", "'perhaps'", "x > 1; DROP TABLE x"])
def test_a_wrong_condition_is_named(tmp_path: Path, where: str) -> None:
    files = write(tmp_path / "f.parquet", {"x": [1, 2]})
    with pytest.raises(SpecError) as error:
        scan(files, spec(where=where), [day(SPRING)])
    assert repr(where) in str(error.value)


HOSTILE = [
    'a"b; drop',
    "select",
    "p",
    "i",
    "lo",
    "hi",
    "t",
    "g0",
    "g1",
    "r0",
    "v0",
    "d0",
    "files",
    "periods",
    "file",
    "source",
    "spool",
    "batch",
    *("e", "l", "v", "n", "a0", "o0", "u0", "s", "x", "c", "q", "spooled", "unnest"),
]
HOSTILE += ["__period", "__file", "x y", "ünï", "a.b", "'", "{x}", "%s", "?", "$1", "group"]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", ["files", "batches"])
def test_any_name_can_group_be_measured_and_hold_the_time(tmp_path: Path, name: str, kind: str) -> None:
    at = pa.array([day(SPRING).start] * 3, pa.timestamp("us", "UTC"))
    plain = pa.table({"at": at, name: ["u", "u", None], "other": [1.0, 2.0, 4.0]})
    measured = pa.table({"at": at, name: [1.0, 2.0, 4.0], "other": ["u", "u", None]})
    timed = pa.table({name: at, "other": ["u", "u", None]})

    def relation(table: pa.Table, types: list[str]) -> Relation:
        if kind == "files":
            parquet.write_table(table, tmp_path / "f.parquet")
            return FileSet([SourceFile(str(tmp_path / "f.parquet"), day(SPRING))], "parquet")
        return Batches(dict(zip(table.column_names, types, strict=True)), lambda names, _: iter([table.select(names)]))

    expected = [({"k": "u"}, 2), ({"k": None}, 1)]
    found = scan(
        relation(plain, ["time", "text", "number"]), spec({"other": ["sum"]}, time_column="at", group_columns=(name,)), around(SPRING)
    )
    assert groups(found) == sorted([({name: d["k"]}, n) for d, n in expected], key=repr)
    what = spec({name: ["sum", "p50", "unique", "count"]}, time_column="at")
    found = numbers(relation(measured, ["time", "number", "text"]), what, around(SPRING))
    assert found == [{("*", "row_count"): 3, (name, "sum"): 7.0, (name, "p50"): 2.0, (name, "unique"): 3, (name, "count"): 3}]
    found = scan(relation(timed, ["time", "text"]), spec(time_column=name, group_columns=("other",)), around(SPRING))
    assert groups(found) == sorted([({"other": d["k"]}, n) for d, n in expected], key=repr)


def test_values_are_data_whatever_they_look_like(tmp_path: Path) -> None:
    values = ["'; DROP TABLE spool; --", '"', "NULL", "", "\\", "{period}", "a\nb", "🛫", None]
    files = write(tmp_path / 'it\'s; a "file".parquet', {"g": values})
    found = numbers(files, spec({"g": ["count"]}, per_entity={"g": True}), [day(SPRING)])
    assert found[0]["g", "count"] == dict.fromkeys(values[:-1], 1)
    assert groups(scan(files, spec(group_columns=("g",)), [day(SPRING)])) == sorted([({"g": value}, 1) for value in values], key=repr)


def test_a_file_name_is_no_pattern(tmp_path: Path) -> None:
    write(tmp_path / "a1.parquet", {"x": [1]})
    files = write(tmp_path / "a[1].parquet", {"x": [1, 2]})
    assert rows(scan(files, spec(), [day(SPRING)])) == {SPRING.isoformat(): 2}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 1, None], [({"g": 1}, 2), ({"g": None}, 1)]),
        ([True, False, True], [({"g": False}, 1), ({"g": True}, 2)]),
        ([1.5, float("nan"), float("nan")], [({"g": "nan"}, 2), ({"g": 1.5}, 1)]),
        ([SPRING, SPRING, AUTUMN], [({"g": "2013-03-10"}, 2), ({"g": "2013-11-03"}, 1)]),
    ],
)
def test_groups_keep_the_type_of_their_values(tmp_path: Path, values: list[Any], expected: list[Any]) -> None:
    files = write(tmp_path / "f.parquet", {"g": values})
    assert groups(scan(files, spec(group_columns=("g",)), [day(SPRING)])) == expected


def test_totals_can_be_left_out(tmp_path: Path) -> None:
    files = write(tmp_path / "f.parquet", {"g": ["a", None, "a"]})
    found = scan(files, spec(group_columns=("g",), totals=False), [day(SPRING)])
    assert [group for group in found.groups if group.dimensions is None] == []
    assert (groups(found), found.rows_read) == ([({"g": "a"}, 2), ({"g": None}, 1)], 3)


def test_more_groups_than_allowed_stop_with_a_clear_message(tmp_path: Path) -> None:
    files = write(tmp_path / "f.parquet", {"user": [f"u{i}" for i in range(101)]})
    with pytest.raises(LimitExceeded, match=r"group_columns=\['user'\] has 101 groups in one day, more than max_groups=100"):
        scan(files, spec(group_columns=("user",), max_groups=100), [day(SPRING)])
    with pytest.raises(LimitExceeded, match=r"column 'user' has 101 different values in one day, more than max_entities=100"):
        scan(files, spec({"user": ["count"]}, max_entities=100), [day(SPRING)])
    assert len(groups(scan(files, spec(group_columns=("user",), max_groups=101), [day(SPRING)]))) == 101


def test_the_limit_of_groups_is_per_period(tmp_path: Path) -> None:
    at = [day(date(2013, 2, d)).start for d in (1, 2, 3) for _ in range(4)] + [day(date(2013, 2, 1)).start]
    user = [f"{i % 4}" for i in range(12)]
    files = write(tmp_path / "f.parquet", {"at": pa.array(at, pa.timestamp("us", "UTC")), "user": [*user, "more"]})
    what = {"time_column": "at", "group_columns": ("user",)}
    assert len(groups(scan(files, spec(**what, max_groups=5), [day(date(2013, 2, d)) for d in (1, 2, 3)]))) == 13
    with pytest.raises(LimitExceeded):
        scan(files, spec(**what, max_groups=4), [day(date(2013, 2, d)) for d in (1, 2, 3)])


def test_memory_is_limited_and_what_does_not_fit_spills(tmp_path: Path) -> None:
    n = 200_000
    files = write(tmp_path / "f.parquet", {"user": pa.array([f"user-{i % 100_000:020}" for i in range(n)]), "x": list(range(n))})
    what = spec({"x": ["sum"], "user": ["unique"]}, group_columns=("user",), max_groups=100_000)
    found = scan(files, what, [day(SPRING)], memory_limit="60MB", threads=1)
    assert len(groups(found)) == 100_000
    assert found.rows_read == n


@pytest.mark.parametrize("kind", ["files", "batches"])
def test_too_little_memory_is_an_error_that_says_what_to_raise(tmp_path: Path, kind: str) -> None:
    n = 300_000
    table = pa.table({"x": pa.array([float(i) for i in range(n)])})
    parquet.write_table(table, tmp_path / "f.parquet")
    files = FileSet([SourceFile(str(tmp_path / "f.parquet"))], "parquet")
    relation = files if kind == "files" else Batches({"x": "number"}, lambda names, _: iter([table.select(names)]))
    with pytest.raises(LimitExceeded, match="memory_limit='2MB'"):
        scan(relation, spec({"x": ["p50", "unique"]}), [day(SPRING)], memory_limit="2MB", threads=1)


def damage(path: Path) -> None:
    """Overwrite a part of the data pages; the footer stays whole."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 400] = b"\xff" * 400
    content[60:100] = b"\xff" * 40
    path.write_bytes(content)


@pytest.mark.parametrize("compression", ["snappy", "zstd", "gzip"])
def test_a_file_that_breaks_off_half_way_fails_alone(tmp_path: Path, compression: str) -> None:
    days = [date(2013, 2, d) for d in (7, 8, 9)]
    files = []
    for of in days:
        path = tmp_path / f"{of}.parquet"
        values = pa.array([float((i * 7919) % 1009) for i in range(20_000)])
        parquet.write_table(pa.table({"x": values, "g": ["a", "b"] * 10_000}), path, compression=compression, use_dictionary=False)
        files.append(SourceFile(str(path), day(of)))
    damage(tmp_path / "2013-02-08.parquet")
    found = scan(FileSet(files, "parquet"), spec({"x": ["avg"]}, group_columns=("g",)), [day(of) for of in days])
    assert list(found.failed_files) == [str(tmp_path / "2013-02-08.parquet")]
    assert found.failed_files[str(tmp_path / "2013-02-08.parquet")]
    assert rows(found) == {"2013-02-07": 20_000, "2013-02-09": 20_000}
    assert [n for _, n in groups(found)] == [10_000] * 4


def test_when_every_file_is_broken_nothing_is_said_of_any_group(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    write(path, {"x": [float(i) for i in range(20_000)]}, use_dictionary=False)
    damage(path)
    found = scan(FileSet([SourceFile(str(path), day(SPRING))], "parquet"), spec({"x": ["avg"]}), [day(SPRING)])
    assert (found.groups, found.rows_read, list(found.failed_files)) == ([], 0, [str(path)])


def csv_files(folder: Path, contents: dict[int, str], **options: Any) -> FileSet:
    """Day of February → text."""
    files = []
    for number, text in contents.items():
        (folder / f"2013-02-{number:02}.csv").write_text(text)
        files.append(SourceFile(str(folder / f"2013-02-{number:02}.csv"), day(date(2013, 2, number))))
    return FileSet(files, "csv", {"delim": ",", "header": True, **options})


def test_a_csv_whose_last_line_is_cut_off_fails_alone(tmp_path: Path) -> None:
    files = csv_files(tmp_path, {7: "x,y\n" + "1,2\n" * 30_000, 8: "x,y\n" + "1,2\n" * 30_000 + "1"}, types={"x": "BIGINT"})
    found = scan(files, spec({"x": ["sum"]}), [day(date(2013, 2, d)) for d in (7, 8)])
    assert list(found.failed_files) == [files.files[1].path]
    assert rows(found) == {"2013-02-07": 30_000}


@pytest.mark.parametrize("types", [None, {"x": "BIGINT", "y": "DOUBLE"}, {"X": "BIGINT"}, ["BIGINT", "DOUBLE", "VARCHAR"]])
def test_a_value_of_another_type_fails_its_column_where_it_is(tmp_path: Path, types: Any) -> None:
    """A file that is whole, with a word among numbers: other columns, groups and files keep their numbers."""
    good, bad = "x,y,g\n" + "1,2,a\n" * 30_000, "x,y,g\n" + "1,2,a\n" * 30_000 + "abc,3,b\n,,b\n"
    files = csv_files(tmp_path, {7: good, 8: bad}, **({"types": types} if types else {}))
    what, days = spec({"x": ["sum"], "y": ["sum"]}, group_columns=("g",)), [day(date(2013, 2, d)) for d in (7, 8)]
    found = scan(files, what, days)
    assert (rows(found), found.failed_files) == ({"2013-02-07": 30_000, "2013-02-08": 30_002}, {})
    failed = {(NEW_YORK.local(g.period.start).day, str(g.dimensions)): dict(g.failed) for g in found.groups if g.failed}
    reason = {"x": "column 'x' holds 'abc', which is no BIGINT"}
    assert failed == {(8, "{'g': 'b'}"): reason, (8, "None"): reason}
    assert sorted(group["y", "sum"] for group in numbers(files, what, days)) == [3, 60_000, 60_000, 60_000, 60_003]
    assert found.rows_read == 60_002


@pytest.mark.parametrize("column", ["at", "gate"])
def test_a_file_whose_rows_cannot_be_placed_is_as_good_as_broken(tmp_path: Path, column: str) -> None:
    lines = "at,gate,x\n" + "2013-02-08 12:00:00,1,1\n" * 30_000
    files = csv_files(tmp_path, {8: lines + ("soon,1,1\n" if column == "at" else "2013-02-08 12:00:00,one,1\n")})
    found = scan(files, spec({"x": ["sum"]}, time_column="at", group_columns=("gate",)), [day(date(2013, 2, 8))])
    assert list(found.failed_files) == [files.files[0].path]


def test_what_is_no_file_at_all_is_missing_data(tmp_path: Path) -> None:
    (tmp_path / "f.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataMissing, match=r"f\.parquet"):
        scan(FileSet([SourceFile(str(tmp_path / "f.parquet"))], "parquet"), spec(), [day(SPRING)])


def test_nan_is_seen_in_files_whose_statistics_hide_it(tmp_path: Path) -> None:
    """Arrow writes min and max without NaN, and DuckDB 2.0 took them for proof that there is none."""
    files = write(tmp_path / "f.parquet", {"x": [0.0, float("nan")], "y": pa.array([1.0, float("nan")], pa.float32())})
    (found,) = numbers(files, spec({"x": ["sum", "max", "unique", "nan_count", "count"], "y": ["p50", "nan_count"]}), [day(SPRING)])
    assert [found["x", metric] for metric in ("sum", "max", "unique", "nan_count", "count")] == [0, 0, 1, 1, 2]
    assert (found["y", "p50"], found["y", "nan_count"]) == (1.0, 1)


def test_huge_values_overflow_to_infinity_and_nothing_crashes(tmp_path: Path) -> None:
    metrics = ["sum", "avg", "std", "min", "max", "p50", "unique"]
    files = write(tmp_path / "f.parquet", {"x": [1e308, 1e308, -1e308, 1e308], "y": [1e200, -1e200, 1e200, None]})
    (found,) = numbers(files, spec({"x": metrics, "y": metrics}), [day(SPRING)])
    assert found["x", "sum"] == float("inf")
    assert [found["x", metric] for metric in ("min", "max", "unique")] == [-1e308, 1e308, 2]
    assert str(found["y", "std"]) == "nan"


def test_a_wrong_column_or_type_is_found_before_rows_are_read(tmp_path: Path) -> None:
    files = write(tmp_path / "f.parquet", {"carrier": ["UA"], "dep_delay": [1.0], "tags": [["a"]]})
    with pytest.raises(SpecError, match="'avg' cannot be taken of column 'carrier', which is of type text"):
        scan(files, spec({"carrier": ["avg"]}), [day(SPRING)])
    with pytest.raises(SpecError, match="'p50' cannot be taken of column 'tags', which is of type list"):
        scan(files, spec({"tags": ["p50"]}), [day(SPRING)])
    with pytest.raises(SpecError, match=r"column_metrics: .*no column 'dep_dealy': did you mean 'dep_delay'"):
        scan(files, spec({"dep_dealy": ["avg"]}), [day(SPRING)])
    with pytest.raises(SpecError, match=r"group_columns: .*no column 'carier': did you mean 'carrier'"):
        scan(files, spec(group_columns=("carier",)), [day(SPRING)])
    with pytest.raises(SpecError, match=r"time_column: .*no column 'time'"):
        scan(files, spec(time_column="time"), [day(SPRING)])


def test_types_are_told_without_reading_rows(tmp_path: Path) -> None:
    columns = {
        "i": pa.array([1], pa.int8()),
        "u": pa.array([1], pa.uint64()),
        "d": pa.array([1], pa.decimal128(10, 2)),
        "f": pa.array([1.0], pa.float32()),
        "b": [True],
        "s": ["a"],
        "e": pa.array(["a"]).dictionary_encode(),
        "l": [[1]],
        "t": pa.array([1], pa.timestamp("ns")),
        "z": pa.array([1], pa.timestamp("us", "UTC")),
        "on": [SPRING],
        "o": [{"a": 1}],
        "y": [b"x"],
    }
    types = engine_named("duckdb").types(write(tmp_path / "f.parquet", columns))
    numbers = dict.fromkeys("iudf", "number")
    assert types == {
        **numbers,
        "b": "boolean",
        "s": "text",
        "e": "text",
        "l": "list[number]",
        "t": "time",
        "z": "time",
        "on": "time",
        "o": "other",
        "y": "other",
    }


def test_an_unknown_engine_names_the_closest() -> None:
    with pytest.raises(SpecError, match="'duckbd': did you mean 'duckdb'"):
        engine_named("duckbd")


def test_a_source_that_fails_while_it_is_read_says_so(tmp_path: Path) -> None:
    def read(*_: Any) -> Any:
        msg = "connection lost"
        yield pa.table({"x": [1.0]})
        raise SourceError(msg)

    with pytest.raises(SourceError, match="connection lost"):
        scan(Batches({"x": "number"}, read), spec({"x": ["avg"]}), [day(SPRING)])


def test_batches_may_be_none_at_all_or_empty() -> None:
    for batches in ([], [pa.table({"x": pa.array([], pa.float64())})]):
        found = scan(Batches({"x": "number"}, lambda *_, b=batches: iter(b)), spec({"x": ["avg"]}), [day(SPRING)])
        assert sum(group.rows for group in found.groups) == 0
