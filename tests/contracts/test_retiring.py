"""What is no more: retired, its history stays; forgotten, nothing does."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from airflow_lupus.detectors import Threshold
from airflow_lupus.detectors.patterns import Rules
from airflow_lupus.exceptions import SpecError
from airflow_lupus.model import Measurement
from airflow_lupus.pipeline import judge
from airflow_lupus.stores import retiring
from airflow_lupus.stores.base import DatasetInfo, SlotKey
from airflow_lupus.stores.retiring import Selection, bring_back, count, forget, retire
from support.measurements import DAY, DEFINITION, FLIGHTS, SCOPE, day, info, measured, task
from support.stores import dump

VALUES = {"JFK": 0.9, "EWR": 0.1, None: 0.2}
LGA = {"LGA": 0.1, **VALUES}


def save(store, values, run="run"):
    return store.save(FLIGHTS, DEFINITION, SCOPE, measured(values), task(run))


def detect(store, number):
    target = (day(number).epoch, int(day(number).end.timestamp()))
    return judge(store, "flights", Rules({"*": Threshold(upper=0.3)}), task("detect", name="detect"), lambda _: target)


def do(store, work, **what):
    return store.writing(lambda tx: work(tx, Selection("flights", **what)))


def rows(store, name):
    with store.engine.connect() as connection:
        return list(connection.execute(sa.select(store.tables.metadata.tables[f"lupus_{name}"])))


def seen(store):
    slots = [SlotKey("*:threshold", "threshold", {"upper": 0.3})]
    return sorted(str(series.info.key) for series in store.judging("flights", task(name="detect"), slots).series)


def test_what_is_retired_is_not_judged_nor_missed_and_its_history_stays(store):
    save(store, {0: LGA, 1: LGA})
    before = dump(store, without=("lupus_series",))
    assert do(store, retire, dimensions={"origin": "LGA"}) == 1
    assert do(store, retire, dimensions={"origin": "LGA"}) == 0, "again is no change"
    assert dump(store, without=("lupus_series",)) == before
    assert len(seen(store)) == 3
    assert not any("LGA" in name for name in seen(store))
    assert detect(store, 1).judged == 6
    save(store, {2: VALUES})
    absent = {record.period: record.absent_groups for record in store.period_records("flights", DAY, day(0).epoch, day(3).epoch)}
    assert absent[day(2)] == ()
    with store.engine.connect() as connection:
        query = "SELECT count(*) FROM lupus_metrics WHERE dimensions LIKE '%LGA%'"
        assert connection.exec_driver_sql(query.replace("%", "%%") if store.engine.dialect.paramstyle != "qmark" else query).scalar() == 2


def test_a_measurement_brings_back_what_was_retired(store):
    save(store, {0: LGA})
    do(store, retire, dimensions={"origin": "LGA"})
    save(store, {1: LGA})
    assert len(seen(store)) == 4
    save(store, {2: VALUES})
    assert '{"origin":"LGA"}' in {row.absent_groups.strip("[]") for row in rows(store, "periods")}


def test_undo_brings_it_back_and_what_changed_meanwhile_is_judged(store):
    save(store, {0: LGA, 1: LGA})
    detect(store, 1)
    save(store, {0: {**LGA, "LGA": 0.8}})
    do(store, retire, dimensions={"origin": "LGA"})
    detect(store, 1)
    assert do(store, bring_back, dimensions={"origin": "LGA"}) == 1
    report = detect(store, 1)
    assert report.news == []
    (series,) = [row.id for row in rows(store, "series") if "LGA" in row.dimensions]
    assert {row.start: row.value for row in rows(store, "verdicts") if row.series_id == series} == {day(0).epoch: 0.8, day(1).epoch: 0.1}


def test_a_whole_dataset_is_retired_and_comes_back_when_it_is_measured(store):
    save(store, {0: LGA})
    assert do(store, retire) == 4
    assert rows(store, "datasets")[0].retired_at
    assert seen(store) == []
    save(store, {1: VALUES})
    assert rows(store, "datasets")[0].retired_at is None
    assert len(seen(store)) == 3, "but only what is measured"
    assert do(store, bring_back) == 1


def test_another_dag_that_shares_a_retired_dataset_brings_it_back(store):
    save(store, {0: VALUES})
    do(store, retire)
    store.save(DatasetInfo("flights", DAY, shared=True), DEFINITION, SCOPE, measured({1: VALUES}), task(dag="other"))
    assert rows(store, "datasets")[0].retired_at is None


def test_forgetting_a_group_leaves_no_trace_of_it(store, monkeypatch):
    from airflow_lupus.stores.base import NewDelivery

    monkeypatch.setattr(retiring, "SERIES_AT_ONCE", 1)
    save(store, {0: LGA, 1: LGA})
    save(store, {1: {**LGA, "LGA": 0.7}, 2: VALUES})
    detect(store, 2)
    state = store.judging("flights", task(name="detect"), [])
    store.save_verdicts(state, task(name="detect"), {}, lambda _: [NewDelivery("slack", 0, 1, '{"origin":"LGA"}')])
    store.settle(rows(store, "deliveries")[0].id, "sent")
    with store.reading() as tx:
        promised = count(tx, Selection("flights", dimensions={"origin": "LGA"}))
    assert {name: number for name, number in promised.items() if number} == {
        "points": 2, "point_revisions": 1, "verdicts": 2, "latest": 1, "series": 1
    }  # fmt: skip
    done = forget(store, Selection("flights", dimensions={"origin": "LGA"}))
    assert {name: number for name, number in done.items() if number} == {name: number for name, number in promised.items() if number}
    assert "LGA" not in repr(dump(store))
    assert len(seen(store)) == 3
    assert store.save_verdicts(state, task(name="detect"), {}).conflict, "who was judging it begins again"


def test_forgetting_a_dataset_in_many_transactions_leaves_the_others(store, monkeypatch):
    monkeypatch.setattr(retiring, "SERIES_AT_ONCE", 2)
    save(store, {0: LGA})
    detect(store, 0)
    values = measured({0: {}})
    points = {info(None, dataset="other"): [next(iter(measured({0: {None: 0.1}}).points.values()))[0]]}
    store.save(DatasetInfo("other", DAY), DEFINITION, SCOPE, Measurement(values.periods, points), task())
    with store.reading() as tx:
        promised = count(tx, Selection("flights"))
    done = forget(store, Selection("flights"))
    assert {name: n for name, n in done.items() if n} == {name: n for name, n in promised.items() if n}
    assert (done["points"], done["series"], done["datasets"], done["measurements"]) == (4, 4, 1, 1)
    assert [row.name for row in rows(store, "datasets")] == ["other"]
    assert len(rows(store, "points")) == len(rows(store, "series")) == len(rows(store, "periods")) == 1


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"column": "dep_tim"}, r"no column 'dep_tim': did you mean 'dep_time'"),
        ({"metric": "null_ratoi"}, r"no metric 'null_ratoi': did you mean 'null_ratio'"),
        ({"dimensions": {"orign": "LGA"}}, r"no dimension 'orign': did you mean 'origin'"),
        ({"dimensions": {"origin": "LGB"}}, r"no origin of 'LGB': did you mean 'LGA'"),
    ],
)
def test_wrong_names_are_refused(store, what, message):
    save(store, {0: LGA})
    with pytest.raises(SpecError, match=message):
        do(store, retire, **what)
    with pytest.raises(SpecError, match=r"no dataset 'fligts': did you mean 'flights'"):
        forget(store, Selection("fligts"))


def test_null_and_the_text_null_are_told_apart(store):
    save(store, {0: {"null": 0.1, "JFK": 0.2}})
    empty = measured({1: {"JFK": 0.2}})
    (known,) = [series for series in empty.points if dict(series.key.dimensions) == {"origin": "JFK"}]
    from dataclasses import replace

    nothing = replace(known, key=replace(known.key, dimensions=(("origin", None),)))
    store.save(FLIGHTS, DEFINITION, SCOPE, Measurement(empty.periods, {**empty.points, nothing: empty.points[known]}), task())
    assert do(store, retire, dimensions={"origin": "null"}) == 1
    assert sorted(row.dimensions for row in rows(store, "series") if row.retired_at) == ['{"origin":"null"}']
