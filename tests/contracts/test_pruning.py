"""What retention deletes, in every kind of store, and what it must leave alone."""

from __future__ import annotations

import time
from threading import Thread

import numpy as np
import pytest
import sqlalchemy as sa

from airflow_lupus.detectors.patterns import Rules
from airflow_lupus.detectors.window import Window
from airflow_lupus.exceptions import SpecError
from airflow_lupus.model import Reason
from airflow_lupus.pipeline import judge
from airflow_lupus.stores import pruning
from airflow_lupus.stores.base import DatasetInfo, NewDelivery
from airflow_lupus.stores.pruning import Pruning, datasets
from airflow_lupus.stores.retention import DAY as SECONDS
from airflow_lupus.stores.retention import Limits, check_retention
from airflow_lupus.stores.sql import SqlStore
from support.measurements import DAY, DEFINITION, FLIGHTS, SCOPE, day, measured, task
from support.stores import dump

NOW = day(100).epoch
DAYS = 100
ORIGINS = ("JFK", "EWR", None)
LOOKBACK = 14
RULES = Rules({"*": Window(periods=LOOKBACK, threshold=4)})
TARGET = (day(DAYS - 1).epoch, day(DAYS).epoch)


def value(number: int) -> float:
    return 0.9 if number in {40, 95} else 0.3 + number % 7 / 100


def save(store: SqlStore, numbers, run="run", shift=0.0, origins=ORIGINS):
    values = {number: {origin: value(number) + shift for origin in origins} for number in numbers}
    return store.save(FLIGHTS, DEFINITION, SCOPE, measured(values), task(run))


def detect(store: SqlStore, run="run", deliveries=None):
    return judge(store, "flights", RULES, task(run, name="detect"), lambda _: TARGET, deliveries)


@pytest.fixture
def filled(store: SqlStore) -> SqlStore:
    """A hundred days of three series, judged."""
    save(store, range(DAYS))
    detect(store)
    return store


def prune(store: SqlStore, retention, **kwargs) -> dict[str, int]:
    (dataset,) = datasets(store)
    work = Pruning(store, dataset.id, Limits.of(retention, NOW, **kwargs))
    counted, told = work.count(), []
    gone = work.run(told.append)
    assert gone == counted, "a dry run says what goes"
    assert not told or told[-1] == sum(gone.values())
    return gone


def rows(store: SqlStore, name: str) -> list[sa.Row]:
    table = getattr(store.tables, name)
    with store.engine.connect() as connection:
        return list(connection.execute(sa.select(table).order_by(*table.primary_key)))


def starts(store: SqlStore, name: str) -> set[int]:
    return {row.start for row in rows(store, name)}


def test_points_older_than_the_limit_go_with_what_is_said_of_them(filled):
    before = rows(filled, "datasets")[0]
    gone = prune(filled, {"points": 30})
    assert gone == {"verdicts": 3 * 70, "points": 3 * 70, "periods": 70}
    kept = {day(number).epoch for number in range(70, DAYS)}
    assert starts(filled, "points") == starts(filled, "verdicts") == starts(filled, "periods") == kept
    after = rows(filled, "datasets")[0]
    assert (after.revision, after.changes_from, after.pruned_before) == (before.revision, before.changes_from, NOW - 30 * SECONDS)
    assert rows(filled, "changes") == []
    assert prune(filled, {"points": 30}) == {}


def test_what_is_not_named_is_kept_for_ever(filled):
    before = dump(filled)
    assert prune(filled, {}) == {}
    assert prune(filled, {"revisions": 1}) == {}
    assert dump(filled) == before


def test_the_newest_point_stays_whatever_its_age(filled):
    save(filled, range(90, DAYS), "later", origins=("EWR", None))  # JFK's last day is the 89th from now on
    detect(filled, "later")
    latest = rows(filled, "latest")
    prune(filled, {"points": 1, "verdicts": 1, "revisions": 1}, before=None)
    prune(filled, {}, before=NOW + 1000 * SECONDS)
    assert rows(filled, "latest") == latest
    assert {(row.series_id, row.start) for row in rows(filled, "points")} == {(row.series_id, row.start) for row in latest}
    assert {(row.series_id, row.start) for row in rows(filled, "verdicts")} == {(row.series_id, row.start) for row in latest}
    assert [row.start for row in rows(filled, "periods")] == [day(DAYS - 1).epoch]


def test_verdicts_may_go_before_their_points(filled):
    assert prune(filled, {"verdicts": 30}) == {"verdicts": 210}
    assert len(rows(filled, "points")) == 300
    assert rows(filled, "datasets")[0].pruned_before is None
    assert detect(filled, "again").written == 0, "nothing became stale"


def test_ordinary_verdicts_may_keep_their_band_alone(filled):
    before = {row[:3]: row for row in rows(filled, "verdicts")}
    loud = {key for key, row in before.items() if row.severity}
    assert {start for _, start, _ in loud} == {day(40).epoch, day(95).epoch}
    gone = prune(filled, {"bands": 10})
    shrunk = {row[:3] for row in rows(filled, "verdicts") if row.reason == Reason.NORMAL and row.value is None}
    assert gone == {"bands": len(shrunk)}
    assert {start for _, start, _ in shrunk} <= {day(number).epoch for number in range(90)}
    for row in rows(filled, "verdicts"):
        old = before[row[:3]]
        if row[:3] in shrunk:
            assert (row.value, row.score, row.history, row.history_end) == (None, None, 0, None)
            assert (row.expected, row.lower, row.upper, row.severity) == (old.expected, old.lower, old.upper, 0)
        else:
            assert row == old
    assert prune(filled, {"bands": 10}) == {}


def test_revisions_go_by_when_they_were_replaced_and_with_their_points(filled):
    save(filled, [20, 80], "corrected", shift=0.1)
    assert len(rows(filled, "point_revisions")) == 6
    assert prune(filled, {"revisions": 30}) == {}, "they were replaced today"
    assert prune(filled, {"points": 30})["revisions"] == 3
    assert starts(filled, "point_revisions") == {day(80).epoch}
    with filled.engine.begin() as connection:
        connection.execute(sa.update(filled.tables.point_revisions).values(replaced_at=NOW - 31 * SECONDS))
    assert prune(filled, {"revisions": 30}) == {"revisions": 3}


def test_old_measurements_go_once_nothing_refers_to_them(store):
    for first in range(0, DAYS, 20):
        save(store, range(first, first + 20), f"run {first}")
    save(store, [30], "again")  # changes nothing, so nothing refers to it
    t = store.tables
    with store.engine.begin() as connection:
        connection.execute(sa.update(t.measurements).where(t.measurements.c.run_id != "run 0").values(collected_at=NOW - 91 * SECONDS))
    assert prune(store, {"points": 50}) == {"points": 150, "periods": 50, "measurements": 2}
    assert [row.run_id for row in rows(store, "measurements")] == ["run 0", "run 40", "run 60", "run 80"], "run 0 was collected just now"


def test_settled_deliveries_go_after_90_days(filled):
    save(filled, [99], "late", shift=0.5)
    report = detect(filled, "late", lambda _: [NewDelivery(name, *TARGET, "{}") for name in ("slack", "pager", "mail")])
    assert report.news
    due = filled.due("flights", task(name="detect"), ["slack", "pager"])
    for each, state in zip(due, ("sent", "failed"), strict=True):
        filled.settle(each.id, state)
    assert prune(filled, {}) == {}
    with filled.engine.begin() as connection:
        connection.execute(sa.update(filled.tables.deliveries).values(changed_at=NOW - 91 * SECONDS))
    assert prune(filled, {}) == {"deliveries": 2}
    assert [row.state for row in rows(filled, "deliveries")] == ["pending"]


def verdicts_between(store: SqlStore, first: int, last: int) -> list[sa.Row]:
    return [row for row in rows(store, "verdicts") if day(first).epoch <= row.start < day(last).epoch]


def test_a_verdict_does_not_suffer_from_its_history_having_gone(filled):
    """Everything is judged again, as when a detector has rested for long: what it saw then counts more than what is left."""
    prune(filled, {"points": 30})
    before = rows(filled, "verdicts")
    with filled.engine.begin() as connection:
        connection.execute(sa.update(filled.tables.slots).values(judged_revision=0))
    assert detect(filled, "again").written == 0
    assert rows(filled, "verdicts") == before
    assert Reason.INSUFFICIENT_HISTORY not in {row.reason for row in before}


def test_a_band_stands_for_the_verdict_when_its_history_has_gone(filled):
    prune(filled, {"points": 30, "bands": 10})
    before = verdicts_between(filled, 70, 75)
    assert {row.value for row in before} == {None}
    with filled.engine.begin() as connection:
        connection.execute(sa.update(filled.tables.slots).values(judged_revision=0))
    detect(filled, "again")
    assert verdicts_between(filled, 70, 75) == before


def test_a_changed_point_is_judged_by_what_is_left(filled):
    prune(filled, {"points": 30})
    save(filled, [71], "corrected", shift=0.2)
    detect(filled, "corrected")
    assert {row.reason for row in verdicts_between(filled, 71, 72)} == {Reason.INSUFFICIENT_HISTORY}
    assert Reason.INSUFFICIENT_HISTORY not in {row.reason for row in verdicts_between(filled, 72, DAYS)}


def test_what_was_judged_while_its_point_was_pruned_is_not_written(filled):
    save(filled, range(DAYS), "corrected", shift=0.01)
    state = filled.judging("flights", task(name="detect"), [])
    series = [series.id for series in state.series]
    from airflow_lupus.stores.base import SlotKey, VerdictTable

    prune(filled, {"points": 30})
    start = np.array([day(10).epoch, day(99).epoch, day(80).epoch], dtype=np.int64)
    number, integer = np.full(3, 0.5), np.full(3, 3, dtype=np.int64)
    table = VerdictTable(np.array(series, dtype=np.int64), start, *[number] * 5, *[integer] * 2, integer, start - 86400)
    key = SlotKey("*:late", "threshold", {})
    judged = filled.save_verdicts(state, task(name="detect"), {key.name: (key, table)})
    assert (judged.conflict, judged.written) == (False, 2)
    assert day(10).epoch not in starts(filled, "verdicts")


def test_more_than_a_batch_takes_several_transactions(filled, monkeypatch):
    monkeypatch.setattr(pruning, "BATCH", 16)
    (dataset,) = datasets(filled)
    told: list[int] = []
    Pruning(filled, dataset.id, Limits.of({"points": 30}, NOW)).run(told.append)
    steps = np.diff([0, *told])
    assert sum(steps) == 210 + 210 + 70
    assert max(steps[:-1]) <= 16
    assert starts(filled, "points") == {day(number).epoch for number in range(70, DAYS)}


def test_beside_a_writer_nothing_is_lost(filled, monkeypatch):
    if not filled.engine.url.database:
        pytest.skip("one connection, which threads would share")
    monkeypatch.setattr(pruning, "BATCH", 5)
    longest = 0.0

    def write() -> None:
        nonlocal longest
        for number in range(DAYS, DAYS + 30):
            started = time.monotonic()
            save(filled, [number], f"day {number}")
            longest = max(longest, time.monotonic() - started)
            detect(filled, f"day {number}")

    writer = Thread(target=write)
    writer.start()
    (dataset,) = datasets(filled)
    Pruning(filled, dataset.id, Limits.of({"points": 30}, NOW)).run(lambda _: None)
    writer.join()
    kept = {day(number).epoch for number in range(70, DAYS + 30)}
    assert starts(filled, "points") == starts(filled, "verdicts") == starts(filled, "periods") == kept
    assert len(rows(filled, "points")) == 3 * 60
    assert longest < 20


def test_retention_of_a_dataset_is_what_its_task_says(store):
    info = DatasetInfo("flights", DAY, retention={"points": 30, "revisions": 10})
    store.save(info, DEFINITION, SCOPE, measured({1: {"JFK": 0.5}}), task())
    (dataset,) = datasets(store, "flights")
    assert dataset.retention == {"points": 30, "revisions": 10}
    with pytest.raises(SpecError, match=r"no dataset 'flihgts'.*did you mean 'flights'"):
        datasets(store, "flihgts")


@pytest.mark.parametrize(
    ("retention", "says"),
    [
        ({"point": 30}, "retention of 'point': did you mean 'points'"),
        ({"points": 0}, "whole days above 0, not 0"),
        ({"points": 1.5}, "whole days above 0, not 1.5"),
        ({"points": True}, "whole days above 0, not True"),
    ],
)
def test_wrong_retention_is_refused(retention, says):
    with pytest.raises(SpecError, match=says):
        check_retention(retention)
