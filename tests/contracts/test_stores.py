"""What every store must do: nothing lost, nothing doubled, nothing half-written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import TYPE_CHECKING

import numpy as np
import pytest
import sqlalchemy as sa

from airflow_lupus.exceptions import OwnershipError
from airflow_lupus.model import Grain, Measurement, PeriodRecord, PeriodStatus, Point, SeriesInfo
from airflow_lupus.stores.base import DatasetInfo, NewDelivery, Scope, SlotKey, VerdictTable
from support.measurements import DAY, DEFINITION, FLIGHTS, SCOPE, day, info, measured, task
from support.stores import dump

if TYPE_CHECKING:
    from airflow_lupus.stores.sql import SqlStore

SLOT = SlotKey("*:threshold", "threshold", {"upper": 0.3})
STORM = {7: {"JFK": 0.52, "EWR": 0.51, None: 0.51}, 8: {"JFK": 0.52, "EWR": 0.58, None: 0.57}}


def save(store: SqlStore, values, run="run", **changes):
    what = {"dataset": FLIGHTS, "definition": DEFINITION, "scope": SCOPE, "measurement": measured(values), "task": task(run)} | changes
    return store.save(**what)


def view(store: SqlStore) -> list[tuple]:
    with store.engine.connect() as connection:
        query = sa.text("SELECT dimensions, period_start, value, status FROM lupus_metrics ORDER BY dimensions, period_start")
        return [tuple(row) for row in connection.execute(query)]


def table(store: SqlStore, name: str) -> list[sa.Row]:
    with store.engine.connect() as connection:
        return list(connection.execute(sa.select(store.tables.metadata.tables[f"lupus_{name}"])))


def verdicts(store: SqlStore, starts: list[int], severity: int = 3) -> VerdictTable:
    ids = np.array([row.id for row in table(store, "series")], dtype=np.int64)
    series_id, start = (grid.ravel() for grid in np.meshgrid(ids, np.array(starts, dtype=np.int64)))
    number, integer = np.full(len(series_id), 0.5), np.full(len(series_id), severity, dtype=np.int64)
    return VerdictTable(series_id, start, *[number] * 5, *[integer] * 2, integer, start - 86400)


def test_first_save_keeps_every_point_once(store):
    saved = save(store, STORM)
    assert (saved.added, saved.updated, saved.retracted) == (6, 0, 0)
    assert len(view(store)) == 6
    assert {row[0] for row in view(store)} == {"{}", '{"origin":"EWR"}', '{"origin":"JFK"}'}


def test_second_save_of_the_same_changes_no_row(store):
    save(store, STORM)
    before = dump(store)
    saved = save(store, STORM, run="again")
    assert saved.changed == 0
    assert saved.unchanged == 6
    assert dump(store) == before


def test_float_noise_of_another_thread_order_is_no_change(store):
    save(store, STORM)
    noisy = {number: {o: v * (1 + 1e-13) for o, v in values.items()} for number, values in STORM.items()}
    assert save(store, noisy).changed == 0


def test_corrected_value_is_replaced_and_its_past_kept(store):
    save(store, STORM)
    saved = save(store, {7: {"JFK": 0.1, "EWR": 0.51, None: 0.51}})
    assert (saved.updated, saved.unchanged) == (1, 2)
    (revision,) = table(store, "point_revisions")
    assert (revision.value, revision.retracted, revision.start) == (0.52, 0, day(7).epoch)
    assert 0.1 in [row[2] for row in view(store)]


def test_lost_group_leaves_no_ghost(store):
    save(store, STORM)
    saved = save(store, {7: {"EWR": 0.51, None: 0.51}})
    assert saved.retracted == 1
    assert len(view(store)) == 5
    (revision,) = table(store, "point_revisions")
    assert (revision.value, revision.retracted) == (0.52, 1)
    absent = {row.start: row.absent_groups for row in table(store, "periods")}
    assert absent[day(7).epoch] == '[{"origin":"JFK"}]'
    assert absent[day(8).epoch] == "[]"


def test_what_another_spec_covers_is_not_touched(store):
    save(store, STORM)
    other = Scope({("carrier", "unique")}, {(), ("origin",)}, ("origin",))
    counted = Measurement(measured({7: {}}).periods, {info(None, column="carrier", metric="unique"): []})
    assert store.save(FLIGHTS, DEFINITION, other, counted, task(name="more")).changed == 0
    assert len(view(store)) == 6


def test_missing_period_is_recorded_and_keeps_what_was_measured_before(store):
    gone = Measurement(
        (PeriodRecord(day(7), PeriodStatus.MISSING, reason="no file"), PeriodRecord(day(9), PeriodStatus.MISSING, reason="no file")), {}
    )
    save(store, STORM)
    saved = store.save(FLIGHTS, DEFINITION, Scope((), ()), gone, task())
    assert saved.changed == 0
    records = store.period_records("flights", DAY, day(0).epoch, day(20).epoch)
    assert [(record.period, record.status) for record in records] == [
        (day(7), PeriodStatus.OK),
        (day(8), PeriodStatus.OK),
        (day(9), PeriodStatus.MISSING),
    ]
    assert len(view(store)) == 6


def test_a_day_that_turns_out_empty_has_its_totals_and_no_ghosts_of_groups(store):
    save(store, STORM)
    empty = Measurement((PeriodRecord(day(7), PeriodStatus.EMPTY, 0),), {info(None): [Point.of(day(7).epoch, None, 0)]})
    saved = store.save(FLIGHTS, DEFINITION, SCOPE, empty, task("again"))
    assert (saved.updated, saved.retracted) == (1, 2)
    (record,) = store.period_records("flights", DAY, day(7).epoch, day(8).epoch)
    assert (record.status, record.rows, record.absent_groups) == (PeriodStatus.EMPTY, 0, ())
    assert [row[3] for row in view(store)].count("undefined") == 1


@pytest.mark.parametrize("status", [PeriodStatus.MISSING, PeriodStatus.FAILED])
def test_of_a_range_with_a_hole_the_other_periods_are_stored(store, status):
    good = measured({7: STORM[7], 9: STORM[8]})
    hole = replace(good, periods=(*good.periods, PeriodRecord(day(8), status, reason="half a file")))
    assert store.save(FLIGHTS, DEFINITION, SCOPE, hole, task()).added == 6
    records = store.period_records("flights", DAY, day(0).epoch, day(20).epoch)
    assert [(record.status, record.reason) for record in records][1] == (status, "half a file")
    assert {row.start for row in table(store, "points")} == {day(7).epoch, day(9).epoch}


def test_late_data_replaces_the_missing_record(store):
    store.save(FLIGHTS, DEFINITION, Scope((), ()), Measurement((PeriodRecord(day(7), PeriodStatus.MISSING, reason="no file"),), {}), task())
    save(store, STORM)
    assert {record.status for record in store.period_records("flights", DAY, day(0).epoch, day(20).epoch)} == {PeriodStatus.OK}


def test_undefined_values_are_points_with_a_status(store):
    save(store, {0: {"JFK": None, "EWR": float("nan"), "LGA": float("inf"), None: float("-inf")}})
    assert sorted(row[3] for row in view(store)) == ["-inf", "inf", "nan", "undefined"]
    assert {row[2] for row in view(store)} == {None}


def test_null_group_text_null_and_case_are_different_series(store):
    values = {0: {"NULL": 0.1, "ua": 0.2, "UA": 0.3, "": 0.4, "ü ✈ 'x'": 0.5}}
    save(store, values)
    assert len(view(store)) == 5
    assert save(store, values).unchanged == 5


def test_another_dag_may_not_write_the_dataset_unless_it_says_shared(store):
    save(store, STORM)
    with pytest.raises(OwnershipError, match=r"belongs to DAG 'nyc'.*'other\.collect'.*shared=True"):
        save(store, STORM, task=task(dag="other"))
    shared = DatasetInfo("flights", DAY, shared=True)
    assert save(store, STORM, dataset=shared, task=task(dag="other")).unchanged == 6
    with pytest.raises(OwnershipError, match=r"already measured by nyc\.collect"):
        save(store, STORM, dataset=shared, task=task(dag="other"), definition={"files": "else.parquet"})


def test_a_dataset_that_is_shared_stays_its_owners_and_each_dag_replaces_its_own(store):
    ours = DatasetInfo("flights", DAY, owner="@core", runbook="https://wiki")
    save(store, STORM, dataset=ours)
    other = Scope({("carrier", "unique")}, {()}, ())
    guest = DatasetInfo("flights", DAY, shared=True, owner="@guest")
    counted = Measurement(measured({7: {}}).periods, {info(None, column="carrier", metric="unique"): [Point.of(day(7).epoch, 12.0, 1)]})
    assert store.save(guest, {"files": "else.parquet"}, other, counted, task(dag="other")).added == 1
    assert save(store, {7: STORM[7]}, dataset=ours).changed == 0, "neither takes the other's for its own"
    assert store.save(guest, {"files": "else.parquet"}, other, replace(counted, points={}), task(dag="other")).retracted == 1
    assert len(view(store)) == 6
    (dataset,) = table(store, "datasets")
    assert (dataset.dag_id, dataset.owner, dataset.runbook) == ("nyc", "@core", "https://wiki")


def test_the_group_null_is_not_the_total(store):
    null = SeriesInfo(replace(info().key, dimensions=(("origin", None),)), "ratio", "ratio")
    point = [Point.of(day(7).epoch, 0.5, 1)]
    store.save(FLIGHTS, DEFINITION, SCOPE, Measurement(measured({7: {}}).periods, {null: point, info(None): point}), task())
    assert [row[0] for row in view(store)] == ['{"origin":null}', "{}"]


@pytest.mark.parametrize(("column", "metric"), [("dep_time", "avg"), ("arr_time", "null_ratio")])
def test_another_metric_or_column_is_another_series(store, column, metric):
    save(store, STORM)
    point = {info(None, column=column, metric=metric): [Point.of(day(7).epoch, 0.5, 1)]}
    more = Measurement(measured({7: {}}).periods, point)
    assert store.save(FLIGHTS, DEFINITION, Scope({(column, metric)}, {()}, ()), more, task()).added == 1
    assert len({row.identity for row in table(store, "series")}) == 4


def test_a_renamed_task_keeps_its_series(store):
    save(store, STORM)
    assert save(store, STORM, task=task(name="renamed")).unchanged == 6
    assert save(store, {8: STORM[8]}, task=task(name="renamed"), definition={"files": "new.parquet"}).redefined == 3


def test_another_definition_of_the_same_series_is_refused_naming_both(store):
    save(store, STORM)
    with pytest.raises(OwnershipError, match=r"already measured by nyc\.collect.*nyc\.second"):
        save(store, STORM, definition={"files": "else.parquet"}, task=task(name="second"))
    assert len(view(store)) == 6


def test_tasks_that_define_alike_may_change_apart(store):
    """Two collect tasks of a DAG with the same source: editing one of them is no dispute with the other."""
    save(store, STORM)
    other = Scope({("carrier", "unique")}, {()}, ())
    series = info(None, column="carrier", metric="unique")
    for definition in (DEFINITION, {"files": "new.parquet"}):
        counted = Measurement(measured({7: {}}).periods, {series: [Point.of(day(7).epoch, 12.0, 100)]})
        store.save(FLIGHTS, definition, other, counted, task(name="second"))
        assert save(store, STORM).changed == 0
    assert set(store.history([row.id for row in table(store, "series")], None).value.tolist()) >= {12.0, 0.52}


def test_own_changed_definition_restarts_the_baseline_and_says_so(store):
    save(store, STORM)
    saved = save(store, {8: STORM[8], 9: STORM[8]}, definition={"files": "new.parquet"})
    assert saved.redefined == 3
    (note,) = table(store, "annotations")
    assert note.kind == "definition_change"
    assert note.start == day(8).epoch
    ids = [row.id for row in table(store, "series")]
    assert set(store.history(ids, None).start.tolist()) == {day(8).epoch, day(9).epoch}


def test_grain_and_timezone_are_part_of_the_identity(store):
    save(store, STORM)
    utc = DatasetInfo("flights", Grain("day", "UTC"))
    empty = Measurement((PeriodRecord(Grain("day", "UTC").containing(day(7).start), PeriodStatus.OK, 1),), {})
    store.save(utc, DEFINITION, SCOPE, empty, task())
    assert len(view(store)) == 6, "points of the other zone stay"
    (note,) = table(store, "annotations")
    assert note.text == "nyc.collect changed the grain from day in America/New_York to day in UTC; new series begin here"


def test_a_failing_save_leaves_nothing(store, monkeypatch):
    save(store, STORM)
    before = dump(store)
    from airflow_lupus.stores import saving

    def fails(*_):
        raise RuntimeError("killed here")

    monkeypatch.setattr(saving, "record_changes", fails)
    with pytest.raises(RuntimeError):
        save(store, {7: {"JFK": 0.9}, 12: {"JFK": 0.1}})
    assert dump(store) == before


def test_latest_follows_the_newest_point(store):
    save(store, STORM)
    assert {row.start for row in table(store, "latest")} == {day(8).epoch}
    save(store, {8: {"EWR": 0.58, None: 0.57}})
    by_series = {row.series_id: row.start for row in table(store, "latest")}
    assert sorted(by_series.values()) == [day(7).epoch, day(8).epoch, day(8).epoch]


def judged(store, run="run"):
    return store.judging("flights", task(run, name="detect"), [SLOT])


def test_watermark_tells_what_changed_since_it_was_judged(store):
    save(store, STORM)
    state = judged(store)
    assert set(state.changed[SLOT.name].values()) == {day(7).epoch}
    store.save_verdicts(state, task(name="detect"), {SLOT.name: (SLOT, verdicts(store, [day(7).epoch, day(8).epoch]))})
    assert judged(store).changed[SLOT.name] == {}
    save(store, {9: STORM[8]})
    assert set(judged(store).changed[SLOT.name].values()) == {day(9).epoch}
    save(store, {7: {"EWR": 0.51, None: 0.51}})
    assert sorted(judged(store).changed[SLOT.name].values()) == [day(7).epoch, day(9).epoch, day(9).epoch]


def test_a_retracted_point_takes_its_verdict_with_it(store):
    save(store, STORM)
    store.save_verdicts(judged(store), task(name="detect"), {SLOT.name: (SLOT, verdicts(store, [day(7).epoch, day(8).epoch]))})
    assert len(table(store, "verdicts")) == 6
    save(store, {7: {"EWR": 0.51, None: 0.51}})
    assert len(table(store, "verdicts")) == 5


def test_verdicts_are_refused_when_the_dataset_changed_meanwhile(store):
    save(store, STORM)
    state = judged(store)
    save(store, {9: STORM[8]})
    outcome = store.save_verdicts(state, task(name="detect"), {SLOT.name: (SLOT, verdicts(store, [day(7).epoch]))})
    assert outcome.conflict
    assert table(store, "verdicts") == []


def test_the_same_verdicts_again_change_no_row_and_are_no_news(store):
    save(store, STORM)
    found = {SLOT.name: (SLOT, verdicts(store, [day(7).epoch, day(8).epoch]))}
    first = store.save_verdicts(judged(store), task(name="detect"), found)
    assert len(first.fresh[SLOT.name]) == 6
    before = dump(store)
    second = store.save_verdicts(judged(store, "again"), task("again", name="detect"), found)
    assert (second.written, second.fresh[SLOT.name]) == (0, set())
    assert dump(store) == before


def test_a_closed_period_that_turns_bad_is_written_but_no_news(store):
    save(store, STORM)
    quiet = {SLOT.name: (SLOT, verdicts(store, [day(7).epoch, day(8).epoch], severity=0))}
    store.save_verdicts(judged(store), task(name="detect"), quiet)
    loud = {SLOT.name: (SLOT, verdicts(store, [day(7).epoch, day(8).epoch]))}
    outcome = store.save_verdicts(judged(store), task(name="detect"), loud)
    assert outcome.written == 6
    assert {start for _, start in outcome.fresh[SLOT.name]} == {day(8).epoch}, "only the newest period is still open"


def test_editing_a_threshold_starts_no_new_history(store):
    save(store, STORM)
    store.save_verdicts(judged(store), task(name="detect"), {SLOT.name: (SLOT, verdicts(store, [day(7).epoch]))})
    edited = SlotKey(SLOT.name, SLOT.detector, {"upper": 0.9})
    state = store.judging("flights", task(name="detect"), [edited])
    assert state.changed[SLOT.name] == {}, "what was judged is not judged anew"
    assert len(store.history([series.id for series in state.series], None).start) == 6
    outcome = store.save_verdicts(state, task(name="detect"), {SLOT.name: (edited, verdicts(store, [day(8).epoch]))})
    assert (outcome.written, len(table(store, "slots")), len(table(store, "parameter_sets"))) == (3, 1, 2)
    assert table(store, "annotations") == []


def test_outbox_hands_each_digest_out_once(store):
    save(store, STORM)
    new = [NewDelivery("slack", day(7).epoch, day(8).epoch, "{}")]
    for _ in range(2):
        store.save_verdicts(judged(store), task(name="detect"), {}, lambda _: new)
    (due,) = store.due("flights", task(name="detect"), ["slack"])
    assert store.claim(due.id)
    assert not store.claim(due.id)
    assert store.due("flights", task(name="detect"), ["slack"]) == []
    store.settle(due.id, "failed", "timeout")
    (again,) = store.due("flights", task(name="detect"), ["slack"])
    assert again.error == "timeout"
    store.claim(again.id)
    store.settle(again.id, "sent")
    assert store.due("flights", task(name="detect"), ["slack"]) == []


def test_target_is_what_the_run_collected(store):
    save(store, STORM, run="monday")
    save(store, {9: STORM[8]}, run="tuesday")
    assert judged(store, "tuesday").target == (day(9).epoch, int(day(9).end.timestamp()))
    assert judged(store, "wednesday").target is None


def test_detects_of_many_datasets_that_meet_the_same_parameters_first_at_once(store):
    """A fresh store on a Monday morning: every dataset's first detect brings the same default detector."""
    names = [f"flights-{number}" for number in range(6)]
    for name in names:
        points = {info(None, dataset=name): [Point.of(day(7).epoch, 0.5, 100)]}
        store.save(DatasetInfo(name, DAY), DEFINITION, SCOPE, Measurement(measured({7: {}}).periods, points), task())
    together = Barrier(len(names) if store.engine.url.database else 1, timeout=30)

    def detect(name):
        state = store.judging(name, task(name="detect"), [SLOT])
        together.wait()
        return store.save_verdicts(state, task(name="detect"), {SLOT.name: (SLOT, verdicts(store, []))}).conflict

    if store.engine.url.database:
        with ThreadPoolExecutor(len(names)) as pool:
            assert list(pool.map(detect, names)) == [False] * len(names)
    else:  # one connection, which threads would share
        assert [detect(name) for name in names] == [False] * len(names)
    assert len(table(store, "parameter_sets")) == 1
