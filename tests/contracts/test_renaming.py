"""Another name for a dataset, a column or a dimension: the history goes on under it, and nothing is news."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from airflow_lupus.detectors import Threshold, Window
from airflow_lupus.detectors.patterns import Rules
from airflow_lupus.exceptions import OwnershipError, SpecError
from airflow_lupus.model import LEAF, TOTAL, Grain, Measurement, PeriodRecord, PeriodStatus, Point, SeriesInfo, SeriesKey, dimensions
from airflow_lupus.pipeline import judge
from airflow_lupus.stores.base import DatasetInfo, Scope
from airflow_lupus.stores.renaming import Rename, preview, rename
from support.measurements import DAY, DEFINITION, day, task
from support.stores import dump, meaning

if TYPE_CHECKING:
    from airflow_lupus.stores.sql import SqlStore

RULES = Rules({"*": [Window(periods=14), Threshold(upper=100.0)]})
ENTITY = {**DEFINITION, "per_entity": {"carrier": True}, "time_column": "at", "where": None}


def collect(
    store: SqlStore, days, *, dataset="flights", column="dep_time", dimension="origin", definition=DEFINITION, run="run", value=None
):
    """A share of NULLs by airport, and flights by carrier, as a task under these names measures them."""
    points = {}
    entity = "airline" if definition is not DEFINITION and "airline" in definition["per_entity"] else "carrier"

    def add(name, metric, dims, level, number, result):
        key = SeriesKey(dataset, name, metric, dimensions(dims), level, DAY)
        kind = "count" if metric == "count" else "ratio"
        points.setdefault(SeriesInfo(key, kind, "ratio"), []).append(Point.of(day(number).epoch, result, 100))

    for number in days:
        for origin, shift in {"JFK": 0.0, "EWR": 0.01, None: 0.02}.items():
            dims = {} if origin is None else {dimension: origin}
            level = TOTAL if origin is None else LEAF
            add(column, "null_ratio", dims, level, number, value if value is not None else 0.1 + shift + number % 3 / 100)
            add(entity, "count", {**dims, entity: "UA"}, level, number, 50.0 + number % 5)
    records = tuple(PeriodRecord(day(number), PeriodStatus.OK, 100) for number in days)
    names = {(), (dimension,), (entity,), tuple(sorted((dimension, entity)))}
    scope = Scope({(column, "null_ratio"), (entity, "count")}, names, (dimension,))
    return store.save(DatasetInfo(dataset, DAY), definition, scope, Measurement(records, points), task(run))


def detect(store, number, *, dataset="flights", rules=RULES):
    target = (day(number).epoch, int(day(number).end.timestamp()))
    return judge(store, dataset, rules, task(f"detect {number}", name="detect"), lambda _: target)


def do(store, *words):
    return store.writing(lambda tx: rename(tx, Rename(*words)))


def rows(store, name):
    with store.engine.connect() as connection:
        return list(connection.execute(sa.select(store.tables.metadata.tables[f"lupus_{name}"])))


CHANGES = {
    "dataset": (("dataset", "flights", "flights", "departures"), {"dataset": "departures"}),
    "column": (("column", "flights", "dep_time", "departed"), {"column": "departed"}),
    "dimension": (("dimension", "flights", "origin", "airport"), {"dimension": "airport"}),
    "entity": (
        ("column", "flights", "carrier", "airline"),
        {"definition": {**ENTITY, "per_entity": {"airline": True}}},
    ),
}


@pytest.fixture(params=CHANGES)
def case(request):
    words, after = CHANGES[request.param]
    before = {"definition": ENTITY} if request.param == "entity" else {}
    return words, before, {**before, **after}


def test_what_is_renamed_is_as_if_it_had_always_had_that_name(store, case):
    from airflow_lupus.stores.sql import SqlStore

    words, before, after = case
    collect(store, range(20), **before)
    detect(store, 19)
    outcome = do(store, *words)
    assert outcome.joined == outcome.replaced == 0
    always = SqlStore.in_memory()
    collect(always, range(20), **after)
    detect(always, 19, dataset=after.get("dataset", "flights"))
    assert meaning(store) == meaning(always), "identities, points and verdicts"
    assert collect(store, range(20), **after).unchanged == 6 * 20, "measuring finds its own series, under its own definition"
    assert [note.kind for note in rows(store, "annotations")] == ["renamed"]


@pytest.mark.parametrize("judged", [True, False], ids=["judged", "not yet judged"])
def test_a_rename_after_the_first_run_under_the_new_name_joins_the_histories(store, case, judged):
    from airflow_lupus.stores.sql import SqlStore

    words, before, after = case
    dataset = after.get("dataset", "flights")
    collect(store, range(20), **before)
    detect(store, 19)
    collect(store, [20], **after, run="first", value=0.9)
    if judged:
        detect(store, 20, dataset=dataset)
    outcome = do(store, *words)
    assert outcome.joined
    assert outcome.replaced == 0
    collect(store, [21], **after, run="second")
    report = detect(store, 21, dataset=dataset)
    assert report.news == []
    assert report.insufficient == 0, "the old points are the baseline"
    always = SqlStore.in_memory()
    collect(always, range(20), **after)
    collect(always, [20], **after, value=0.9)
    collect(always, [21], **after)
    detect(always, 21, dataset=dataset)
    assert meaning(store) == meaning(always)
    assert {row.start for row in rows(store, "latest")} == {day(21).epoch}


def test_where_both_have_a_point_the_new_names_counts_and_the_old_one_is_kept(store):
    collect(store, range(20))
    collect(store, [18, 19, 20], column="departed", value=0.2)
    with store.reading() as tx:
        promised = preview(tx, Rename("column", "flights", "dep_time", "departed"))
    before = dump(store)
    assert (promised.series, promised.joined, promised.replaced) == (3, 3, 6)
    assert dump(store) == before
    assert do(store, "column", "flights", "dep_time", "departed") == promised
    values = {row.start: row.value for row in rows(store, "points") if row.value == 0.2}
    assert set(values) == {day(18).epoch, day(19).epoch, day(20).epoch}
    assert sorted(row.start for row in rows(store, "point_revisions")) == sorted([day(18).epoch, day(19).epoch] * 3)
    assert collect(store, [20], column="departed", value=0.7).updated == 3, "the next revision finds its number free"


def test_a_source_that_changed_with_the_name_restarts_the_baseline(store):
    collect(store, range(20))
    collect(store, [20, 21], dataset="departures", definition={"files": "departures.parquet"} | {"per_entity": {}})
    do(store, "dataset", "flights", "flights", "departures")
    ids = [row.id for row in rows(store, "series")]
    assert len(rows(store, "points")) == 6 * 22, "all of it is kept"
    assert set(store.history(ids, None).start.tolist()) == {day(20).epoch, day(21).epoch}


def test_imported_history_takes_the_definition_of_what_it_joins(store):
    collect(store, range(5))
    points = {
        SeriesInfo(SeriesKey("flights", "departed", "null_ratio", (), TOTAL, DAY), "ratio", "ratio"): [Point.of(day(9).epoch, 0.1, 1)]
    }
    imported = Measurement((PeriodRecord(day(9), PeriodStatus.OK, 1),), points, origin="import")
    store.save(DatasetInfo("flights", DAY), {"import": "x"}, Scope((), ()), imported, task("import"))
    do(store, "column", "flights", "dep_time", "departed")
    (total,) = [row.id for row in rows(store, "series") if row.column_name == "departed" and row.level == "total"]
    assert len(store.history([total], None).start) == 6


def test_datasets_join_their_calendars_and_digests(store):
    gone = Measurement((PeriodRecord(day(3), PeriodStatus.MISSING, reason="no file"), PeriodRecord(day(9), PeriodStatus.MISSING)), {})
    collect(store, range(6))
    collect(store, [5, 6], dataset="departures")
    store.save(DatasetInfo("departures", DAY, owner="@new"), DEFINITION, Scope((), ()), gone, task())
    detect(store, 5)
    detect(store, 6, dataset="departures")
    do(store, "dataset", "flights", "flights", "departures")
    records = store.period_records("departures", DAY, day(0).epoch, day(20).epoch)
    assert [record.status.value for record in records] == ["ok"] * 7 + ["missing"], "what has rows is not missing"
    (dataset,) = rows(store, "datasets")
    assert (dataset.name, dataset.owner) == ("departures", "@new")
    assert len(rows(store, "slots")) == 2
    assert {row.slot_id for row in rows(store, "verdicts")} <= {row.id for row in rows(store, "slots")}
    for name in ("definitions", "measurements", "series", "periods", "slots", "annotations"):
        assert {row.dataset_id for row in rows(store, name)} == {dataset.id}


def test_absent_groups_have_the_new_name(store):
    collect(store, range(3))
    series = SeriesInfo(SeriesKey("flights", "dep_time", "null_ratio", (("origin", "JFK"),), LEAF, DAY), "ratio", "ratio")
    one = Measurement((PeriodRecord(day(3), PeriodStatus.OK, 1),), {series: [Point.of(day(3).epoch, 0.1, 1)]})
    store.save(DatasetInfo("flights", DAY), DEFINITION, Scope({("dep_time", "null_ratio")}, {("origin",)}, ("origin",)), one, task())
    do(store, "dimension", "flights", "origin", "airport")
    absent = {record.period: record.absent_groups for record in store.period_records("flights", DAY, day(3).epoch, day(4).epoch)}
    assert absent == {day(3): ({"airport": "EWR"},)}


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("dataset", "fligts", "fligts", "x"), SpecError, r"no dataset 'fligts': did you mean 'flights'"),
        (("column", "flights", "dep_tim", "x"), SpecError, r"no column 'dep_tim': did you mean 'dep_time'"),
        (("dimension", "flights", "orign", "x"), SpecError, r"no dimension 'orign': did you mean 'origin'"),
        (("dimension", "flights", "carrier", "x"), SpecError, r"'carrier'.*rename the column"),
        (("dimension", "flights", "origin", "carrier"), SpecError, r"both dimensions 'origin' and 'carrier'"),
        (("dimension", "flights", "origin", "level"), SpecError, r"name of our own tables"),
        (("column", "flights", "dep_time", "*"), SpecError, r"stands for the whole table"),
        (("column", "flights", "dep_time", "dep_time"), SpecError, r"needs another name"),
        (("column", "flights", "dep_time", "x" * 300), SpecError, r"may have 250 characters"),
        (("dataset", "flights", "flights", "theirs"), OwnershipError, r"'theirs' belongs to DAG 'other'.*'nyc'"),
        (("dataset", "flights", "flights", "hourly"), SpecError, r"by day in America/New_York and 'hourly' by hour in UTC"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(store, words, error, message):
    collect(store, range(2))
    hour = Grain("hour", "UTC")
    for name, grain, dag in (("theirs", DAY, "other"), ("hourly", hour, "nyc")):
        record = PeriodRecord(grain.containing(day(0).start), PeriodStatus.OK, 1)
        store.save(DatasetInfo(name, grain), DEFINITION, Scope((), ()), Measurement((record,), {}), task(dag=dag))
    before = dump(store)
    with pytest.raises(error, match=message):
        do(store, *words)
    assert dump(store) == before


def test_a_detect_that_began_before_the_rename_writes_nothing(store):
    collect(store, range(3))
    state = store.judging("flights", task(name="detect"), [])
    do(store, "dataset", "flights", "flights", "departures")
    assert store.save_verdicts(state, task(name="detect"), {}).conflict


def test_tasks_may_write_under_both_names_while_it_is_renamed(store):
    if not store.engine.url.database:
        pytest.skip("one connection, which threads would share")
    collect(store, range(5))
    collect(store, range(5, 7), dataset="departures")
    together = Barrier(4, timeout=30)

    def work(number):
        together.wait()
        if number == 0:
            do(store, "dataset", "flights", "flights", "departures")
        else:
            collect(store, [10 + number], dataset="flights" if number == 1 else "departures", run=str(number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    names = {row.name for row in rows(store, "datasets")}
    if "flights" in names:  # the one that still had the old name came after the rename: it is a dataset anew
        do(store, "dataset", "flights", "flights", "departures")
    assert len(rows(store, "series")) == 6
    assert sorted(row.start for row in rows(store, "points")) == sorted([day(n).epoch for n in (*range(7), 11, 12, 13)] * 6)
    assert collect(store, [14], dataset="departures").added == 6
