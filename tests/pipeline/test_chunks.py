"""Many periods in chunks: whatever their sizes, the same in the store; never more in memory than there is room for."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from airflow_lupus.engines import engine_named
from airflow_lupus.engines.base import FileSet, SourceFile
from airflow_lupus.exceptions import LimitExceeded, SpecError, TooMuchAtOnce
from airflow_lupus.model import Grain, PeriodStatus, TaskRef
from airflow_lupus.pipeline.collecting import Job, collect
from airflow_lupus.pipeline.measuring import Opened
from airflow_lupus.specs import ColumnMetrics, MeasureSpec, TableMetrics
from airflow_lupus.stores.sql import SqlStore
from support.stores import meaning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.engines.base import Engine
    from airflow_lupus.model import Measurement, Period

DAY = Grain("day", "America/New_York")
FIRST = DAY.containing(datetime(2013, 3, 1, 12, tzinfo=UTC))
SPEC = MeasureSpec(
    "orders",
    DAY,
    (TableMetrics(["row_count"]), ColumnMetrics({"amount": ["avg", "p50"], "payment": ["count"]})),
    time_column="at",
    group_columns=("shop",),
)
TASK = TaskRef("shop", "collect", "run")


DAYS = [FIRST]
while len(DAYS) < 365:
    DAYS.append(DAY.next(DAYS[-1]))


def days(count: int) -> list[Period]:
    return DAYS[:count]


def write(path: Path, groups: dict[int, int]) -> FileSet:
    """Rows of some days: number of the day → how many shops have one."""
    rows = [(DAYS[number].start + timedelta(hours=3), f"s{shop}") for number, shops in groups.items() for shop in range(shops)]
    table = {
        "at": pa.array([at for at, _ in rows], pa.timestamp("us", "UTC")),
        "shop": pa.array([shop for _, shop in rows], pa.string()),
        "amount": pa.array([float(i % 17) for i in range(len(rows))], pa.float64()),
        "payment": pa.array(["card" if i % 3 else "cash" for i in range(len(rows))], pa.string()),
    }
    parquet.write_table(pa.table(table), path)
    return FileSet([SourceFile(str(path))], "parquet")


def job(relation: FileSet, *, spec: MeasureSpec = SPEC, engine: Engine | None = None) -> Job:
    return Job(spec, {"files": "orders"}, lambda _: Opened(relation), engine or engine_named("duckdb"))


@dataclass
class Recorded:
    """A store that remembers how much it was given at once, and when."""

    store: SqlStore = field(default_factory=SqlStore.in_memory)
    points: list[int] = field(default_factory=list)
    periods: list[list[Period]] = field(default_factory=list)

    def save(self, dataset: Any, definition: Any, scope: Any, measurement: Measurement, task: TaskRef) -> Any:
        self.points.append(sum(map(len, measurement.points.values())))
        self.periods.append([record.period for record in measurement.periods])
        return self.store.save(dataset, definition, scope, measurement, task)


def collected(what: Job, periods: Sequence[Period], **options: Any) -> Recorded:
    store = Recorded()
    collect(store, what, periods, TASK, **options)  # type: ignore[arg-type]
    assert [period for chunk in store.periods for period in chunk] == list(periods), "each once, oldest first"
    return store


@given(
    groups=st.dictionaries(st.integers(0, 39), st.integers(1, 12), max_size=30),
    budget=st.integers(30, 400),
    count=st.integers(1, 40),
)
@settings(max_examples=8, deadline=None)
def test_any_chunking_gives_the_same_store(groups: dict[int, int], budget: int, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        relation = write(Path(folder) / "orders.parquet", groups)
        periods = days(count)
        whole = SqlStore.in_memory()
        collect(whole, job(relation), periods, TASK)
        chunked = collected(job(relation), periods, budget=budget)
    assert meaning(chunked.store) == meaning(whole)
    statuses = [(record.period, record.status, record.rows) for record in whole.period_records("orders", DAY, 0, 2**40)]
    assert [(r.period, r.status, r.rows) for r in chunked.store.period_records("orders", DAY, 0, 2**40)] == statuses


@given(st.lists(st.integers(0, 60), min_size=32, max_size=40), st.integers(200, 800))
@settings(max_examples=4, deadline=None)
def test_what_is_held_at_once_has_a_bound(groups: list[int], budget: int) -> None:
    """However suddenly data grows: twice the budget, or one period."""
    with tempfile.TemporaryDirectory() as folder:
        relation = write(Path(folder) / "orders.parquet", dict(enumerate(groups)))
        store = collected(job(relation), days(len(groups)), budget=budget)
    alone = [4 * (shops + 1) + 2 * shops + 4 for shops in groups]  # at most: two ways to pay a shop
    for points, periods in zip(store.points, store.periods, strict=True):
        assert points <= 2 * budget or (len(periods) == 1 and points <= max(alone))


def test_a_year_of_little_data_is_three_chunks_and_a_month_is_one(tmp_path: Path) -> None:
    relation = write(tmp_path / "orders.parquet", dict.fromkeys(range(0, 365, 5), 3))
    assert [len(chunk) for chunk in collected(job(relation), days(365)).periods] == [1, 64, 300]
    assert [len(chunk) for chunk in collected(job(relation), days(31)).periods] == [31]


def test_progress_is_told_after_each_chunk(tmp_path: Path) -> None:
    relation = write(tmp_path / "orders.parquet", dict.fromkeys(range(70), 2))
    told = []
    done = collect(
        SqlStore.in_memory(), job(relation), days(70), TASK, progress=lambda done: told.append((len(done.periods), done.total, done.points))
    )
    assert [item[:2] for item in told] == [(1, 70), (65, 70), (70, 70)]
    assert told[-1][2] == done.points == done.saved.added
    assert done.series == 3 * 3 + 3 * 2, "each once, however many chunks have it"


@dataclass
class Small:
    """An engine whose memory holds so many periods, as DuckDB's error says it."""

    holds: int
    engine: Engine = field(default_factory=lambda: engine_named("duckdb"))
    asked: list[int] = field(default_factory=list)
    name: str = "small"

    def types(self, relation: Any) -> dict[str, str]:
        return self.engine.types(relation)

    def scan(self, relation: Any, spec: Any, needs: Any, periods: Any) -> Any:
        self.asked.append(len(periods))
        if len(periods) > self.holds:
            msg = "out of memory"
            raise TooMuchAtOnce(msg)
        return self.engine.scan(relation, spec, needs, periods)


def test_when_the_engine_runs_out_of_memory_chunks_are_halved(tmp_path: Path) -> None:
    relation = write(tmp_path / "orders.parquet", dict.fromkeys(range(100), 2))
    engine = Small(20)
    chunked = collected(job(relation, engine=engine), days(100))
    assert engine.asked[:4] == [1, 64, 32, 16]
    assert max(map(len, chunked.periods)) == 20
    assert len([asked for asked in engine.asked if asked > 20]) <= 6, "it does not run into the wall again and again"
    whole = SqlStore.in_memory()
    collect(whole, job(relation), days(100), TASK)
    assert meaning(chunked.store) == meaning(whole)


def test_one_period_that_does_not_fit_is_an_error_and_what_came_before_stays(tmp_path: Path) -> None:
    relation = write(tmp_path / "orders.parquet", dict.fromkeys(range(4), 2))
    store = SqlStore.in_memory()
    with pytest.raises(TooMuchAtOnce):
        collect(store, job(relation, engine=Small(0)), days(4), TASK)
    assert store.period_records("orders", DAY, 0, 2**40) == []

    class Fails(Small):
        def scan(self, relation: Any, spec: Any, needs: Any, periods: Any) -> Any:
            self.holds = 0 if days(3)[2] in periods else 2
            return super().scan(relation, spec, needs, periods)

    with pytest.raises(TooMuchAtOnce):
        collect(store, job(relation, engine=Fails(2)), days(4), TASK)
    assert [record.period for record in store.period_records("orders", DAY, 0, 2**40)] == days(2)


def test_duckdb_says_that_fewer_periods_may_fit(tmp_path: Path) -> None:
    """The real thing: quantiles keep their values in memory, and 4 MB hold a few days of them."""
    at = [period.start for period in days(6) for _ in range(30_000)]
    path = tmp_path / "orders.parquet"
    parquet.write_table(pa.table({"at": pa.array(at, pa.timestamp("us", "UTC")), "amount": [float(i) for i in range(len(at))]}), path)
    spec = MeasureSpec("orders", DAY, (ColumnMetrics({"amount": ["p50", "unique"]}),), time_column="at")
    what = job(FileSet([SourceFile(str(path))], "parquet"), spec=spec, engine=engine_named("duckdb", memory_limit="10MB", threads=1))
    store = collected(what, days(6))
    assert len(store.periods) > 1
    whole = SqlStore.in_memory()
    collect(whole, replace(what, engine=engine_named("duckdb")), days(6), TASK)
    assert meaning(store.store) == meaning(whole)


@pytest.mark.parametrize("budget", [10, 10_000])
def test_too_many_groups_are_not_tried_again(tmp_path: Path, budget: int) -> None:
    """No chunk is small enough for them: an error, after the few scans that lead down to one period."""
    relation = write(tmp_path / "orders.parquet", {0: 2, 20: 300})
    engine = Small(1000)
    with pytest.raises(LimitExceeded, match="300 groups in one day, more than max_groups=200") as error:
        collect(SqlStore.in_memory(), job(relation, spec=replace(SPEC, max_groups=200), engine=engine), days(31), TASK, budget=budget)
    assert not isinstance(error.value, TooMuchAtOnce)
    assert len(engine.asked) <= (1 if budget > 1000 else 31)


def test_a_wrong_spec_is_an_error_before_anything_is_saved(tmp_path: Path) -> None:
    relation = write(tmp_path / "orders.parquet", {0: 2})
    store = SqlStore.in_memory()
    with pytest.raises(SpecError, match="no column 'amout'"):
        collect(store, job(relation, spec=replace(SPEC, metric_sets=(ColumnMetrics({"amout": ["avg"]}),))), days(40), TASK)
    assert not store.has_periods("orders", DAY)


def test_each_chunk_knows_its_own_files_only(tmp_path: Path) -> None:
    """Absent and broken files leave their own periods without data, in whatever chunk these are."""
    files, absent, by_day = [], {}, defaultdict(dict)
    for number, day in enumerate(days(40)):
        by_day[number] = {number: 2}
        if number % 7 == 0:
            absent[day] = "no file"
            continue
        path = tmp_path / f"{number}.parquet"
        write(path, by_day[number])
        if number % 11 == 0:
            broken = bytearray(path.read_bytes())
            broken[4:60] = b"\xff" * 56
            path.write_bytes(broken)
        files.append(SourceFile(str(path), day, path.stat().st_size))
    what = Job(SPEC, {}, lambda _: Opened(FileSet(files, "parquet"), absent), engine_named("duckdb"))
    whole, chunked = Recorded(), Recorded()
    done = collect(whole, what, days(40), TASK, budget=10**6)  # type: ignore[arg-type]
    collect(chunked, what, days(40), TASK, budget=50)  # type: ignore[arg-type]
    assert len(chunked.periods) > len(whole.periods)
    assert meaning(chunked.store) == meaning(whole.store)
    assert [record.period for record in done.missing] == [day for number, day in enumerate(days(40)) if number % 7 == 0 or number % 11 == 0]
    assert {record.status for record in done.periods} == {PeriodStatus.OK, PeriodStatus.MISSING}
