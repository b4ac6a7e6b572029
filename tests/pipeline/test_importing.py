"""History from elsewhere becomes the history of the series that tasks measure; and points go out as they came in."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from airflow_lupus.detectors import Threshold, Window
from airflow_lupus.detectors.patterns import Rules
from airflow_lupus.exceptions import OwnershipError, SpecError
from airflow_lupus.model import Grain, Measurement, PeriodRecord, PeriodStatus, Point, PointStatus, SeriesInfo, SeriesKey
from airflow_lupus.pipeline import importing, judge
from airflow_lupus.stores import exporting, saving
from airflow_lupus.stores.base import DatasetInfo, NewDelivery, Scope
from support import stores
from support.measurements import DEFINITION, FLIGHTS, SCOPE, day, info, measured, task
from support.moving import export, import_

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_lupus.stores.sql import SqlStore

HEADER = ("column", "metric", "dimensions", "period", "value", "n")
ZONE = {"dataset": "flights", "timezone": "America/New_York"}
JFK = '{"origin": "JFK"}'


@pytest.fixture(params=stores.KINDS)
def store(request: pytest.FixtureRequest, tmp_path) -> Iterator[SqlStore]:
    yield from stores.open_store(request.param, tmp_path)


def row(period, value, dims=JFK, n=100, column="dep_time", metric="null_ratio"):
    return (column, metric, dims, period, value, n)


def february(count: int, value: float = 0.1):
    return [row(f"2013-02-{number + 1:02}", value) for number in range(count)]


def save(store, values, run="run", **changes):
    return store.save(*({"d": FLIGHTS, "e": DEFINITION, "s": SCOPE, "m": measured(values), "t": task(run)} | changes).values())


def annotations(store):
    with store.engine.connect() as connection:
        return list(connection.execute(sa.select(store.tables.annotations)))


def detect(store, run, rules, first, told=None):
    def digests(report):
        if told is not None:
            told.extend(report.news)
        return [NewDelivery("slack", *report.target, "{}")] if report.news else []

    def target(grain):
        return first.epoch, int(first.end.timestamp())

    return judge(store, "flights", Rules(rules), task(run, name="detect"), target, digests)


def test_imported_history_is_there_once_however_often_it_is_imported(store):
    assert import_(store, february(20), HEADER, **ZONE)["flights"].added == 20
    before = stores.dump(store)
    again = import_(store, february(20), HEADER, **ZONE)["flights"]
    assert (again.changed, again.unchanged) == (0, 20)
    assert stores.dump(store) == before
    corrected = import_(store, february(20, 0.2)[:3], HEADER, **ZONE)["flights"]
    assert (corrected.updated, corrected.retracted, corrected.unchanged) == (3, 0, 0)
    ids = [series.id for series in store.judging("flights", task(), []).series]
    assert store.history(ids, None).value.tolist() == [0.2] * 3 + [0.1] * 17


def test_a_task_that_measures_an_imported_series_takes_it_over_with_its_past(store):
    import_(store, february(20), HEADER, **ZONE)
    saved = save(store, {20: {"JFK": 0.1}})
    assert (saved.added, saved.redefined) == (1, 0)
    assert annotations(store) == []
    again = save(store, {19: {"JFK": 0.1}}, run="late")
    assert (again.changed, again.unchanged) == (0, 1), "measured as it was imported: no news"
    state = store.judging("flights", task("late"), [])
    assert len(state.series) == 1
    assert len(store.history([state.series[0].id], None).start) == 21
    report = detect(store, "run", {"*": Window(threshold=3)}, day(20))
    assert report.insufficient == 0, "the imported days are the baseline of the first measured one"
    import_(store, february(5), HEADER, **ZONE)
    redefined = save(store, {21: {"JFK": 0.1}}, run="new", e={"files": "new.parquet"})
    assert redefined.redefined == 1
    found = store.history([state.series[0].id], None).start.tolist()
    assert found == [day(number).epoch for number in (*range(20), 21)], "what was imported stays the past of whatever it is now"


def test_imported_anomalies_are_judged_and_told_nobody(store):
    told: list = []
    save(store, {20: {"JFK": 0.1}})
    detect(store, "run", {"*": Threshold(upper=0.3)}, day(20), told)
    import_(store, february(20, 0.9), HEADER, **ZONE)
    save(store, {21: {"JFK": 0.1}}, run="next")
    report = detect(store, "next", {"*": Threshold(upper=0.3)}, day(21), told)
    assert told == []
    assert report.written == 21
    with store.engine.connect() as connection:
        verdicts = store.tables.verdicts
        assert connection.execute(sa.select(sa.func.count()).where(verdicts.c.severity > 0)).scalar() == 20


def test_what_a_dataset_is_an_import_leaves_to_its_tasks(store):
    declared = DatasetInfo("flights", FLIGHTS.grain, owner="@ops", runbook="https://run.book", retention={"points": 400})
    save(store, {20: {"JFK": 0.1, "LGA": 0.2}}, d=declared)
    import_(store, february(3), HEADER, **ZONE)
    assert store.declared("flights") == (declared, "nyc")
    assert len(store.judging("flights", task(), []).series) == 2, "nothing is retracted"


STRANGE = "ü ✈ 'x' \\N \t\n\r \"q\", NULL"
VALUES = {
    7: {"JFK": 0.1 + 0.2, "EWR": float("nan"), STRANGE: float("inf"), None: -1e-300},
    8: {"JFK": 1e16, "EWR": float("-inf"), STRANGE: None, "": 1.7976931348623157e308, None: 1 / 3},
}


def fill(store) -> None:
    """Series of every shape, two datasets, a group and an entity of one name, and an old grain."""
    save(store, VALUES)
    week = Grain("week", "Asia/Tokyo")
    period = week.containing(datetime(2024, 5, 1, tzinfo=UTC))
    groups = [
        ("carrier", "count", (("carrier", "UA"),), "total"),
        ("carrier", "count", (("carrier", "UA"),), "leaf"),
        ("x", "count", (("flag", True),), "leaf"),
        ("x", "count", (("flag", None),), "leaf"),
        ("*", "row_count", (), "total"),
    ]
    points = {
        SeriesInfo(SeriesKey("b", column, metric, dims, level, week), "count"): [Point.of(period.epoch, float(i), None)]
        for i, (column, metric, dims, level) in enumerate(groups)
    }
    store.save(DatasetInfo("b", week), DEFINITION, Scope((), ()), Measurement((PeriodRecord(period, PeriodStatus.OK, 1),), points), task())
    hour = Grain("hour", "Europe/Berlin")
    back = hour.containing(datetime(2024, 10, 26, 23, tzinfo=UTC))
    hours = [hour.shift(back, i) for i in range(5)]  # 02:00 twice
    series = SeriesInfo(SeriesKey("Ä", "*", "row_count", (), "total", hour), "count")
    records = tuple(PeriodRecord(period, PeriodStatus.OK, 1) for period in hours)
    several = Measurement(records, {series: [Point.of(period.epoch, float(i), i) for i, period in enumerate(hours)]})
    store.save(DatasetInfo("Ä", hour), DEFINITION, Scope((), ()), several, task())


def test_what_is_exported_and_imported_is_exported_again_as_it_was(store, tmp_path, monkeypatch):
    fill(store)
    monkeypatch.setattr(exporting, "AT_ONCE", 2)
    monkeypatch.setattr(importing, "AT_ONCE", 3)
    out = export(store)
    assert len(out) == 9 + 5 + 5
    assert sum(repr(line[8]) == "nan" for line in out) == 1
    assert len({line[7] for line in out if line[0] == "Ä"}) == 5
    other = next(stores.open_store("sqlite", tmp_path / ".." if (tmp_path / "lupus.db").exists() else tmp_path))
    saved = import_(other, out)
    assert sum(each.added for each in saved.values()) == len(out)
    assert repr(export(other)) == repr(out)
    assert [line[1:] for line in stores.meaning(other)["points"]] == [line[1:] for line in stores.meaning(store)["points"]]
    assert stores.meaning(other)["points"] == stores.meaning(store)["points"], "the very series, by their identity"
    assert all(not each.changed for each in import_(store, out).values()), "into its own store it changes nothing"


def test_an_export_is_of_a_range_and_of_some_datasets(store):
    fill(store)
    assert {line[0] for line in export(store, datasets=["b", "Ä"])} == {"b", "Ä"}
    assert {line[7] for line in export(store, datasets=["flights"], start="2013-02-08", end="2013-02-09")} == {"2013-02-08"}
    assert export(store, datasets=["flights"], end="2013-02-08") == []
    with pytest.raises(SpecError, match="There is no dataset 'flight': did you mean 'flights'"):
        export(store, datasets=["flight"])


def test_points_that_failed_are_not_exported(store):
    failed = {info("JFK"): [Point(day(8).epoch, None, 3, PointStatus.FAILED, "why")]}
    save(store, {}, m=Measurement(measured({8: {}}).periods, failed))
    assert export(store) == []


def test_an_export_as_of_an_instant_says_what_was_known_then(store, monkeypatch):
    for now, values in (
        (1000, {7: {"JFK": 0.1, "gone": 0.2}, 8: {"JFK": 0.3}}),
        (2000, {7: {"JFK": 0.11}}),
        (3000, {7: {"JFK": 0.12}, 9: {"JFK": 0.4}}),
    ):
        monkeypatch.setattr(saving.time, "time", lambda now=now: now)
        save(store, values, run=str(now))
    monkeypatch.undo()

    def known(as_of):
        return [(line[5], line[7], line[8]) for line in export(store, as_of=as_of)]

    jfk, gone = '{"origin":"JFK"}', '{"origin":"gone"}'
    first = [(jfk, "2013-02-08", 0.1), (jfk, "2013-02-09", 0.3), (gone, "2013-02-08", 0.2)]
    assert known(999) == []
    assert known(1000) == known(1999) == first
    assert known(2000) == [(jfk, "2013-02-08", 0.11), first[1]]
    assert known(3000) == known(None) == [(jfk, "2013-02-08", 0.12), first[1], (jfk, "2013-02-10", 0.4)]
    ids = [series.id for series in store.judging("flights", task(), []).series]
    for as_of in (999, 1000, 2000, 3000):
        assert sorted(store.history(ids, None, as_of).value.tolist()) == sorted(value for *_, value in known(as_of))


WRONG = [
    (row("2013-02-01", "x"), r"row 3, column 'value': 'x' is no number"),
    (row("2013-02-01", "1_000"), r"row 3, column 'value': '1_000' is no number"),
    (row("2013-02-01", True), r"row 3, column 'value': True is no number"),
    (row("2013-02-30", 1), r"row 3, column 'period': Not an ISO date or time: '2013-02-30'"),
    (
        row("2013-02-01T05:00", 1),
        r"row 3, column 'period': 2013-02-01T05:00 is not the start of a day in .*; that is 2013-02-01 00:00",
    ),
    (row("2013-02-01T00:00Z", 1), r"row 3, column 'period': .* that is 2013-01-31 00:00:00-05:00"),
    (row(None, 1), r"row 3, column 'period': it is empty"),
    (row(20130201, 1), r"row 3, column 'period': 20130201 is no date or time"),
    (
        row("2013-01-02", 1),
        r"row 3, column 'period': row 2 has flights · dep_time.null_ratio · origin=JFK in the period",
    ),
    (row("2013-02-01", 1, metric="null_ration"), r"row 3, column 'metric': Unknown metric 'null_ration': did you mean 'null_ratio'"),
    (row("2013-02-01", 1, metric="row_count"), r"row 3, column 'metric': 'row_count' is a metric of the table.* has the column '\*'"),
    (row("2013-02-01", 1, column="*"), r"row 3, column 'metric': 'null_ratio' is a metric of a column.* has the column '\*'"),
    (row("2013-02-01", 1, column=""), r"row 3, column 'column': it is empty"),
    (row("2013-02-01", 1, column="c" * 251), r"row 3, column 'column': A column may have 250 characters"),
    (row("2013-02-01", 1, dims="JFK"), r"row 3, column 'dimensions': 'JFK' is no JSON"),
    (row("2013-02-01", 1, dims="[1]"), r"row 3, column 'dimensions': '\[1\]' is no JSON object"),
    (row("2013-02-01", 1, dims='{"a": NaN}'), r"row 3, column 'dimensions': .*NaN is no JSON"),
    (row("2013-02-01", 1, dims='{"a": [1]}'), r"row 3, column 'dimensions': a is \[1\]: a group is"),
    (row("2013-02-01", 1, dims={"a": 1}), r"row 3, column 'dimensions': lists and structures are no groups"),
    (row("2013-02-01", 1, n=-1), r"row 3, column 'n': -1 is no number of rows"),
    (row("2013-02-01", 1, n=1.5), r"row 3, column 'n': 1.5 is no number of rows"),
]


@pytest.mark.parametrize(("line", "sentence"), WRONG)
def test_a_row_that_is_wrong_is_named_before_anything_is_written(line, sentence, tmp_path):
    store = next(stores.open_store("memory", tmp_path))
    before = stores.dump(store)
    with pytest.raises(SpecError, match=f"old.csv, {sentence}"):
        import_(store, [row("2013-01-01", 1), row("2013-01-02", 1), line], HEADER, **ZONE)
    assert stores.dump(store) == before


@pytest.mark.parametrize(
    ("columns", "form", "sentence"),
    [
        (("metric", "period", "value"), {"dataset": "d"}, "there is no column 'column'"),
        (HEADER, {}, "there is no column 'dataset': .*; or say --dataset"),
        ((*HEADER, "origin"), {"dataset": "d"}, "unknown column 'origin': .* name a dimension dim.origin, or say --dimension origin"),
        ((*HEADER, "dim.origin"), {"dataset": "d"}, "dimensions are given twice"),
        (HEADER, {"dataset": "d", "dimensions": ["origin"]}, "there is no column 'origin'"),
    ],
)
def test_columns_that_are_wrong_are_named(columns, form, sentence, tmp_path):
    with pytest.raises(SpecError, match=f"old.csv: {sentence}"):
        import_(next(stores.open_store("memory", tmp_path)), [], columns, **form)


def test_another_dags_dataset_and_another_grain_are_refused(tmp_path):
    store = next(stores.open_store("memory", tmp_path))
    save(store, {20: {"JFK": 0.1}})
    before = stores.dump(store)
    with pytest.raises(OwnershipError, match=r"old.csv, row 1, column 'dataset': 'flights' belongs to DAG 'nyc', not to 'other'"):
        import_(store, february(2), HEADER, dag_id="other", **ZONE)
    with pytest.raises(SpecError, match=r"'flights' is measured by day in America/New_York.*say --grain day --timezone America/New_York"):
        import_(store, february(2), HEADER, dataset="flights")
    columns = (*HEADER, "grain")
    with pytest.raises(SpecError, match=r"row 2, column 'grain': dataset 'flights' has week in .* here and day in .* in row 1"):
        import_(store, [(*row("2013-02-01", 1), "day"), (*row("2013-02-04", 1), "week")], columns, **ZONE)
    assert stores.dump(store) == before


def test_values_come_in_many_forms(store):
    local = datetime(2013, 2, 5)  # noqa: DTZ001  as a column without a zone has it
    lines = [
        ("2013-02-01", "1.5", "7", None),
        (date(2013, 2, 2), Decimal("1.5"), 7, None),
        (datetime(2013, 2, 3, 5, tzinfo=UTC), 1.5, 7.0, None),
        ("2013-02-04T00:00:00-05:00", 2, float("nan"), None),
        (local, "nan", "", None),
        (local + timedelta(days=1), "-inf", None, None),
        (local + timedelta(days=2), None, None, None),
        ("2013-02-08", "", None, "JFK"),
        ("2013-02-09", float("inf"), None, "JFK"),
    ]
    columns = ("period", "value", "n", "origin", "dim.vip", "column", "metric")
    import_(store, [(*line, True, "x", "p50") for line in lines], columns, dimensions=["origin"], **ZONE)
    out = export(store)
    assert {line[5] for line in out} == {'{"origin":null,"vip":true}', '{"origin":"JFK","vip":true}'}
    values = {line[7]: (repr(line[8]), line[9]) for line in out}
    assert list(dict(sorted(values.items())).values()) == [
        *[("1.5", 7)] * 3,
        ("2.0", None),
        ("nan", None),
        ("-inf", None),
        ("None", None),
        ("None", None),
        ("inf", None),
    ]


def test_a_count_of_each_value_is_of_all_rows_unless_there_is_a_group(store):
    columns = ("column", "metric", "dimensions", "period", "value")
    lines = [("carrier", "count", dims, "2013-02-01", 1) for dims in ('{"carrier":"UA"}', '{"carrier":"UA","origin":"JFK"}')]
    import_(store, [*lines, ("carrier", "count", None, "2013-02-01", 2)], columns, **ZONE)
    with store.engine.connect() as connection:
        found = connection.execute(sa.select(store.tables.series).order_by(store.tables.series.c.dimensions))
        series = {line.dimensions: (line.level, line.unit, line.kind) for line in found}
    assert series == {
        '{"carrier":"UA"}': ("total", "rows", "count"),
        '{"carrier":"UA","origin":"JFK"}': ("leaf", "rows", "count"),
        "{}": ("total", "values", "count"),
    }
