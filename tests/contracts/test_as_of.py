"""What was known at an instant, and what was restated since."""

from __future__ import annotations

from unittest.mock import patch

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_lupus.stores import reading
from airflow_lupus.stores.reading import Filter
from airflow_lupus.stores.renaming import Rename, rename
from airflow_lupus.stores.restating import Restated, restatements
from airflow_lupus.stores.sql import SqlStore
from support.measurements import DEFINITION, FLIGHTS, SCOPE, day, measured, task

GROUPS = ("JFK", "EWR", None)
SAVES = st.lists(
    st.tuples(
        st.integers(0, 2),  # seconds since the save before: several may share one
        st.dictionaries(
            st.integers(0, 3),
            st.dictionaries(st.sampled_from(GROUPS), st.sampled_from([0.1, 0.2, 0.3, None, float("inf")]), max_size=3),
            min_size=1,
            max_size=4,
        ),
        st.booleans(),  # by another definition
    ),
    min_size=1,
    max_size=8,
)
BEGIN = 1_700_000_000


def save_at(store, now, values, *, other=False, run="run"):
    with patch("airflow_lupus.stores.saving.time.time", lambda: now):
        definition = {"files": "else.parquet"} if other else DEFINITION
        return store.save(FLIGHTS, definition, SCOPE, measured(values), task(run))


def shown(store, as_of=None):
    """What charts show, by what it means."""
    with store.reading() as tx:
        series = {row.id: row.dimensions for row in tx.execute(sa.select(tx.tables.series))}
        points = reading.chart_points(tx, list(series), Filter((), as_of=as_of))
    found = [(series[row.series_id], row.start, row.value, row.status, row.n) for row in points]
    assert len(found) == len({row[:2] for row in found}), "one value for each period"
    return sorted(found)


def history(store, as_of=None):
    with store.reading() as tx:
        series = dict(tx.rows(sa.select(tx.tables.series.c.id, tx.tables.series.c.dimensions)))
    known = store.history(list(series), None, as_of)
    return sorted(
        (series[i], start, repr(value))
        for i, start, value in zip(*(c.tolist() for c in (known.series_id, known.start, known.value)), strict=True)
    )


def emptied(store):
    def empty(tx):
        for table in reversed(tx.tables.metadata.sorted_tables):
            tx.execute(sa.delete(table))

    store.writing(empty)


def check_saves(store, saves):
    emptied(store)
    stopped = SqlStore.in_memory()
    now, moments = BEGIN, {}
    for seconds, values, other in saves:
        now += seconds
        save_at(store, now, values, other=other)
        save_at(stopped, now, values, other=other)
        moments[now] = shown(stopped)
    assert shown(store, BEGIN - 1) == []
    for at, expected in moments.items():
        assert shown(store, at) == expected
    for at in range(BEGIN, now + 1):
        assert shown(store, at) == moments.get(max((known for known in moments if known <= at), default=-1), [])
    assert shown(store, now) == shown(store)
    assert history(store, now) == history(store)


def test_at_any_moment_it_is_what_a_store_that_had_stopped_then_shows(store):
    fast = store.engine.dialect.name == "sqlite"

    @settings(max_examples=25 if fast else 4, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(SAVES)
    def run(saves):
        check_saves(store, saves)

    run()


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(), st.integers(1, 2), st.dictionaries(st.integers(0, 2), st.sampled_from([0.1, 0.2, None]), min_size=1, max_size=3)
        ),
        min_size=1,
        max_size=8,
    )
)
def test_joined_histories_have_one_value_at_any_moment_and_lose_none(saves):
    """Two columns that were measured side by side before one got the other's name."""
    from airflow_lupus.model import Measurement, Point
    from airflow_lupus.stores.base import Scope
    from support.measurements import info

    store = SqlStore.in_memory()
    now = BEGIN
    for newer, seconds, values in saves:
        now += seconds
        series = info(column="new" if newer else "old")
        points = {series: [Point.of(day(number).epoch, value, 1) for number, value in values.items() if value is not None]}
        scope = Scope({(series.key.column, "null_ratio")}, {("origin",)}, ())
        with patch("airflow_lupus.stores.saving.time.time", return_value=now):
            store.save(FLIGHTS, DEFINITION, scope, Measurement(measured({number: {} for number in values}).periods, points), task())
    t = store.tables
    with store.reading() as tx:
        columns = {row.column_name for row in tx.execute(sa.select(t.series))}
        total = sum(tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in (t.points, t.point_revisions))
    if "old" not in columns:
        return
    store.writing(lambda tx: rename(tx, Rename("column", "flights", "old", "new")))
    for at in range(BEGIN, now + 1):
        shown(store, at)
    assert shown(store, now) == shown(store)
    with store.reading() as tx:
        kept = sum(tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in (t.points, t.point_revisions))
    assert kept == total
    save_at(store, now + 1, {0: {"JFK": 0.9}, 1: {"JFK": 0.9}, 2: {"JFK": 0.9}})


@pytest.fixture
def restated(store):
    save_at(store, 100, {0: {"JFK": 0.1, "EWR": 0.1}, 1: {"JFK": 0.1}}, run="first")
    save_at(store, 200, {0: {"JFK": 0.2, "EWR": 0.1}}, run="second")
    save_at(store, 300, {0: {"EWR": None}}, run="third")
    save_at(store, 400, {0: {"JFK": 0.4, "EWR": None}}, run="fourth")
    return store


def told(store, limit=50, offset=0, **wanted):
    with store.reading() as tx:
        total, rows = restatements(tx, Restated(**wanted), limit, offset)
    answer = [
        (row.dimensions[11:14], row.before, row.after, row.after_status, row.retracted, row.was_run_id, row.by_run_id) for row in rows
    ]
    assert offset or limit < total or len(answer) == total
    return answer


JFK_LOST, EWR_UNDEFINED = ("JFK", 0.2, None, None, 1, "second", "third"), ("EWR", 0.1, None, 1, 0, "first", "third")
JFK_FIRST = ("JFK", 0.1, 0.2, 0, 0, "first", "second")


def test_restatements_say_what_became_of_each_value_and_by_whom(restated):
    assert sorted(told(restated), key=repr) == sorted([JFK_LOST, EWR_UNDEFINED, JFK_FIRST], key=repr)
    assert told(restated)[-1] == JFK_FIRST, "the newest first"
    assert told(restated, limit=1, offset=2) == [JFK_FIRST]
    assert len(told(restated, since=300)) == 2
    assert told(restated, since=301) == []
    assert told(restated, start=day(1).epoch) == []
    assert len(told(restated, end=day(1).epoch, dataset="flights")) == 3
    assert told(restated, dataset="other") == []


def test_restatements_are_of_the_dags_that_may_be_read(restated):
    assert told(restated, dag_ids=[]) == told(restated, dag_ids=["other"]) == []
    assert len(told(restated, dag_ids=["nyc"])) == 3
