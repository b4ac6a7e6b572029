"""Points of weeks and months that days were rolled up to are what measuring the same rows at that grain comes to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
import sqlalchemy as sa
from pyarrow import parquet

from airflow_lupus.engines import engine_named
from airflow_lupus.engines.base import FileSet, SourceFile
from airflow_lupus.exceptions import SpecError
from airflow_lupus.model import ENTITY_COUNT, Grain, Period, PeriodStatus, TaskRef
from airflow_lupus.pipeline import collect
from airflow_lupus.pipeline.collecting import Job
from airflow_lupus.pipeline.measuring import Opened
from airflow_lupus.pipeline.rolling_up import RolledUp, RollUp
from airflow_lupus.specs import ColumnMetrics, MeasureSpec, TableMetrics
from airflow_lupus.stores import pruning
from airflow_lupus.stores.pruning import Pruning, datasets
from airflow_lupus.stores.retention import Limits, check_retention
from airflow_lupus.stores.sql import SqlStore
from support.stores import dump, meaning

ZONE = "America/New_York"
DAY, WEEK, MONTH = (Grain(unit, ZONE) for unit in ("day", "week", "month"))
FIRST, END, LIMIT = (datetime(2013, month, 1, 5 - (month > 3), tzinfo=UTC) for month in (2, 5, 4))
"""Clocks went forward on 10 March: that month has an hour less."""
MERGING = ["count", "null_count", "null_ratio", "sum", "avg", "min", "max", "std", "var", "skewness", "kurtosis", "zero_ratio"]
COMPUTED = {"amount.p50": 5, "payment.unique": 5}
SPEC = MeasureSpec(
    "orders",
    DAY,
    (TableMetrics(["row_count"]), ColumnMetrics({"amount": [*MERGING, "p50"], "payment": ["count", "null_ratio", "unique"]})),
    time_column="at",
    group_columns=("shop",),
    units={"amount": "EUR"},
    keep_partials=True,
)
TASK = TaskRef("shop", "collect", "run")
EMPTY_DAYS, ABSENT = {8, 40}, {3, 4, 5, *range(28, 60)}
"""Days without rows; and without those of one shop, among them all of March."""


@pytest.fixture(scope="session")
def orders(tmp_path_factory) -> FileSet:
    """Three months of orders, with NULLs and NaNs, and one shop whose amounts are never valid."""
    rows = []
    for number in range((END - FIRST).days + 1):
        for i in range(0 if number in EMPTY_DAYS else 20 + number % 7):
            shop = ("north", None, "none", "rare")[i % 4]
            if shop == "rare" and number in ABSENT:
                continue
            amount = None if shop == "none" or i % 5 == 0 else float("nan") if i % 11 == 0 else 0.1 * i * (number - 30) + 1e6
            if number == 70 and i == 9:
                amount = float("inf")
            at = FIRST + timedelta(days=number, hours=2, minutes=i * 55)
            rows.append((at, shop, amount, ("card", "cash", None, "in kind")[(i + number) % 4]))
    columns = list(zip(*rows, strict=True))
    table = {
        "at": pa.array(columns[0], pa.timestamp("us", "UTC")),
        "shop": pa.array(columns[1], pa.string()),
        "amount": pa.array(columns[2], pa.float64()),
        "payment": pa.array(columns[3], pa.string()),
    }
    path = tmp_path_factory.mktemp("orders") / "orders.parquet"
    parquet.write_table(pa.table(table), path)
    return FileSet([SourceFile(str(path))], "parquet")


def measure(store: SqlStore, orders: FileSet, spec: MeasureSpec = SPEC, first: datetime = FIRST, end: datetime = END, **definition) -> None:
    job = Job(spec, definition or {"files": "orders"}, lambda _: Opened(orders), engine_named("duckdb"))
    collect(store, job, list(spec.grain.periods(spec.grain.containing(first).start, end)), TASK)


def points(store: SqlStore, grain: Grain, before: datetime = END) -> dict[tuple[str, ...], tuple]:
    """By what it is: value, status, n and seconds."""
    t = store.tables
    series = [t.series.c[name] for name in ("column_name", "metric", "dimensions", "level", "kind", "unit", "identity")]
    values = [t.points.c[name] for name in ("start", "value", "status", "n", "seconds")]
    query = sa.select(*series, *values).join(t.points, t.points.c.series_id == t.series.c.id)
    with store.engine.connect() as connection:
        found = connection.execute(query.where(t.series.c.grain == grain.unit, t.points.c.start < before.timestamp())).all()
    return {tuple(row[:8]): tuple(row[8:]) for row in found}


def work(store: SqlStore, grain: Grain = MONTH, limit: datetime = LIMIT) -> tuple[RollUp, Pruning]:
    (dataset,) = datasets(store)
    limits = Limits.of({}, 2**31, before=int(limit.timestamp()), roll_up=grain)
    assert limits.points is not None
    return RollUp(store, dataset, grain, limits.points), Pruning(store, dataset.id, limits)


def prune(store: SqlStore, grain: Grain = MONTH, limit: datetime = LIMIT) -> RolledUp:
    """What the command does."""
    rolling, deleting = work(store, grain, limit)
    done = rolling.run(lambda _: None)
    deleting.run(lambda _: None)
    return done


@pytest.fixture
def collected(store: SqlStore, orders: FileSet) -> SqlStore:
    measure(store, orders)
    return store


@pytest.mark.parametrize("grain", [WEEK, MONTH], ids=str)
def test_rolled_up_is_measured(collected, orders, grain):
    direct = SqlStore.in_memory()
    measure(direct, orders, replace(SPEC, grain=grain, keep_partials=False))
    expected = {key: point for key, point in points(direct, grain, LIMIT).items() if f"{key[0]}.{key[1]}" not in COMPUTED}
    fine = points(collected, DAY)
    rolling, _ = work(collected, grain)
    trial = rolling.run()
    assert points(collected, grain) == {}, "a trial writes nothing"
    done = prune(collected, grain)
    assert (trial.points, trial.periods, trial.unmergeable) == (done.points, done.periods, done.unmergeable)
    assert (done.written, len(done.periods)) == (len(expected), 9 if grain is WEEK else 2)
    assert (done.unmergeable, done.without) == (COMPUTED, {})
    made = points(collected, grain)
    assert made.keys() == expected.keys()
    for key, (value, *rest) in made.items():
        assert rest == list(expected[key][1:]), key
        if value is None or expected[key][0] is None:
            assert value is expected[key][0], key
        else:
            # The amounts lie within ±200 of a million, so that of every deviation four digits are lost before anybody counts.
            rel = 1e-6 if key[1] in {"skewness", "kurtosis"} else 1e-9
            assert value == pytest.approx(expected[key][0], rel=rel, abs=1e-12), key
    assert {key[1] for key in made} == {"row_count", *MERGING}
    assert len({key[2] for key in made if key[:2] == ("amount", "avg")}) == 5, "four shops, NULL among them, and the total"
    left = points(collected, DAY)
    assert left == {key: point for key, point in fine.items() if key[7] >= LIMIT.timestamp()}, "points that were rolled up are gone"


def test_again_it_changes_nothing(collected):
    prune(collected)
    before = dump(collected)
    again = prune(collected)
    assert (again.points, again.periods) == (0, [])
    assert dump(collected) == before
    later = prune(collected, limit=END)
    assert [MONTH.local(period.start).month for period in later.periods] == [4]
    assert len({key[7] for key in points(collected, MONTH)}) == 3


@pytest.mark.parametrize("at", ["first month", "rolled up", *range(1, 12, 3)])
def test_whatever_stops_it_the_next_one_ends_in_the_same(collected, orders, monkeypatch, at):
    undisturbed = SqlStore.in_memory()
    measure(undisturbed, orders)
    prune(undisturbed)
    monkeypatch.setattr(pruning, "BATCH", 300)
    rolling, deleting = work(collected)
    count = 0

    def stop(_):
        nonlocal count
        count += 1
        if at in ("first month", count):
            raise KeyboardInterrupt

    fine = len(points(collected, DAY))
    if at == "first month":
        with pytest.raises(KeyboardInterrupt):
            rolling.run(stop)
        assert len(points(collected, DAY)) == fine
    else:
        rolling.run(lambda _: None)
        if at != "rolled up":
            with pytest.raises(KeyboardInterrupt):
                deleting.run(stop)
    prune(collected)
    assert meaning(collected) == meaning(undisturbed)


def test_a_month_is_whole_or_it_is_not_made(collected):
    """Points of a month that is not over by the limit stay until it is; of what was pruned before there is none."""
    prune(collected, limit=LIMIT - timedelta(days=10))
    assert {MONTH.local(datetime.fromtimestamp(key[7], UTC)).month for key in points(collected, DAY)} == {3, 4}
    (dataset,) = datasets(collected)
    Pruning(collected, dataset.id, Limits.of({}, 2**31, before=int((LIMIT - timedelta(days=10)).timestamp()))).run(lambda _: None)
    assert prune(collected).periods == []
    assert {MONTH.local(datetime.fromtimestamp(key[7], UTC)).month for key in points(collected, MONTH)} == {2}


def test_days_that_kept_no_partials(collected, orders):
    """A day that is measured again without them has none any more: neither its month nor a wrong one is made."""
    tenth = datetime(2013, 3, 10, 12, tzinfo=UTC)
    measure(collected, orders, replace(SPEC, keep_partials=False), tenth, tenth)
    done = prune(collected)
    assert [MONTH.local(period.start).month for period in done.periods] == [2]
    assert done.without == {"*.row_count": 1, **{f"amount.{name}": 1 for name in MERGING}, "payment.count": 1, "payment.null_ratio": 1}


def test_a_month_of_two_definitions_is_none(collected, orders):
    tenth = datetime(2013, 3, 10, 12, tzinfo=UTC)
    measure(collected, orders, SPEC, tenth, tenth, files="others")
    assert [MONTH.local(period.start).month for period in prune(collected).periods] == [2]


def test_more_entities_than_are_kept(store, orders, monkeypatch):
    monkeypatch.setattr("airflow_lupus.metrics.partials.ENTITIES_KEPT", 2)
    measure(store, orders)
    done = prune(store)
    assert done.without == {"payment.count": 2}
    counted = {(key[0], key[3]) for key in points(store, MONTH) if key[1] == "count"}
    assert counted == {("amount", "leaf"), ("amount", "total"), ("payment", "leaf")}, "a shop has one payment a day, all shops have three"


def test_partials_say_what_they_are_for(collected):
    t = collected.tables
    with collected.engine.connect() as connection:
        found = connection.execute(sa.select(t.partials.c.column_name, t.partials.c.metrics).distinct()).all()
    assert {row[0] for row in found} == {"*", "amount", "payment"}
    assert any(ENTITY_COUNT in row[1] for row in found)


def test_only_days_are_judged_and_the_calendar_tells_of_months(collected):
    prune(collected)
    state = collected.judging("orders", TASK, [])
    assert state.series
    assert {stored.info.key.grain for stored in state.series} == {DAY}
    records = collected.period_records("orders", MONTH, 0, 2**31)
    assert [(record.status, record.reason) for record in records] == [(PeriodStatus.OK, None)] * 2
    assert [record.period for record in records] == [MONTH.containing(Period(at, at).start) for at in (FIRST, LIMIT - timedelta(days=9))]
    with collected.engine.connect() as connection:
        in_view = connection.execute(sa.text("SELECT count(*) FROM lupus_metrics WHERE run_id = 'lupus_roll_up'")).scalar()
    assert in_view == len(points(collected, MONTH))


@pytest.mark.parametrize(
    ("retention", "unit", "said"),
    [
        ({"points": 9, "roll_up": "year"}, "day", "to a week or a month, not to 'year'"),
        ({"roll_up": "month"}, "day", 'older than "points" says'),
        ({"points": 9, "roll_up": "month"}, "week", "cannot roll up weeks to a month"),
        ({"points": 9, "partials": 8, "roll_up": "month"}, "day", "keep them at least as long"),
        ({"points": 9, "partials": 0}, "day", "whole days above 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(retention, unit, said):
    with pytest.raises(SpecError, match=said):
        check_retention(retention, unit)
