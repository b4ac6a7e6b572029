"""The main job on real data: collect and judge the year 2013, in every order, and compare with pandas."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from airflow_lupus import pipeline
from airflow_lupus.detectors import Threshold, Window
from airflow_lupus.detectors.patterns import Rules
from airflow_lupus.engines import engine_named
from airflow_lupus.hooks.source import open_source
from airflow_lupus.model import Grain, PeriodStatus, TaskRef
from airflow_lupus.pipeline import judge, measure
from airflow_lupus.pipeline.collecting import Job
from airflow_lupus.sources import Files
from airflow_lupus.specs import ColumnMetrics, MeasureSpec, TableMetrics
from airflow_lupus.stores.sql import SqlStore
from support import flights
from support.stores import ON_DISK, dump, meaning, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_lupus.model import Period

DAY = Grain("day", "America/New_York")
SPEC = MeasureSpec(
    dataset="flights",
    grain=DAY,
    metric_sets=(
        TableMetrics(["row_count"]),
        ColumnMetrics({"dep_time": ["null_ratio"], "dep_delay": ["avg", "p50", "p95"], "carrier": ["count", "unique"]}),
    ),
    time_column="time_hour",
    group_columns=("origin",),
)
RULES = Rules({"*": Window(center="mean", spread="sigma", threshold=6), "dep_time.null_ratio": [Threshold(upper=0.3), Window()]})
DETECT = TaskRef("nyc", "detect", "detect")


@pytest.fixture(params=ON_DISK)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    yield from open_store(request.param, tmp_path)


def year() -> list[Period]:
    return list(DAY.periods(DAY.parse("2013-01-01"), DAY.parse("2014-01-01")))


def source(folder: Path | None = None) -> Files:
    return Files(f"{folder or flights.folder()}/{{period:%Y-%m-%d}}.parquet")


def collect(store: SqlStore, periods: list[Period], run: str = "range", *, spec: MeasureSpec = SPEC, files: Files | None = None, **options):
    files = files or source()
    job = Job(spec, files.definition(), lambda asked: open_source(files, asked, spec), engine_named("duckdb"))
    return pipeline.collect(store, job, periods, TaskRef("nyc", "collect", run), **options)


def detect(store: SqlStore, periods: list[Period], task: TaskRef = DETECT):
    return judge(store, "flights", RULES, task, lambda _: (periods[0].epoch, int(periods[-1].end.timestamp())))


def values(store: SqlStore, metric: str, dims: str) -> dict[str, float]:
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            f"SELECT period_start, value FROM lupus_metrics WHERE metric = '{metric}' AND dimensions = '{dims}'"
        )
        return {str(row[0])[:10]: row[1] for row in rows}


def test_the_year_equals_pandas_to_1e_12(store):
    saved = collect(store, year()).saved
    assert saved.added > 20_000
    truth = flights.frame()
    for origin, part in [("EWR", None), ("JFK", None), ("LGA", None)]:
        part = truth[truth["origin"] == origin]
        expected = part["dep_time"].isna().groupby(part["local_day"]).mean()
        found = values(store, "null_ratio", f'{{"origin":"{origin}"}}')
        assert set(found) == set(expected.index), "the UTC date of a New York midnight is the local day"
        assert max(abs(found[day] - expected[day]) for day in found) <= 1e-12
        delays = part["dep_delay"].groupby(part["local_day"])
        for metric, other in (("avg", delays.mean()), ("p50", delays.quantile(0.5)), ("p95", delays.quantile(0.95))):
            found = values(store, metric, f'{{"origin":"{origin}"}}')
            np.testing.assert_allclose([found[day] for day in sorted(found)], other.sort_index(), rtol=1e-12, atol=1e-12)
        carriers = part.groupby(["local_day", "carrier"]).size()
        found = values(store, "count", f'{{"carrier":"UA","origin":"{origin}"}}')
        assert found == {day: float(n) for (day, carrier), n in carriers.items() if carrier == "UA"}
    total = truth["dep_time"].isna().groupby(truth["local_day"]).mean()
    assert (round(values(store, "null_ratio", "{}")["2013-02-08"], 2), round(values(store, "null_ratio", "{}")["2013-02-09"], 2)) == (
        0.51,
        0.57,
    )
    assert max(abs(value - total[day]) for day, value in values(store, "null_ratio", "{}").items()) <= 1e-12


def test_the_storm_is_critical_at_every_airport(store):
    collect(store, year())
    report = detect(store, year())
    worst = {}
    for anomaly in report.anomalies:
        if anomaly.info.key.name == "dep_time.null_ratio":
            worst[(str(DAY.local(_at(anomaly.start)).date()), anomaly.info.key.dimensions)] = anomaly
    for day in ("2013-02-08", "2013-02-09"):
        for dims in ((("origin", "EWR"),), (("origin", "JFK"),), (("origin", "LGA"),), ()):
            anomaly = worst[day, dims]
            assert anomaly.severity.label == "critical"
            assert 0 <= anomaly.lower <= anomaly.upper < 0.3 < anomaly.value


def test_the_year_by_airport_and_in_total_reads_each_column_once(monkeypatch):
    """Whatever is asked of a column, for all days, airports and the total, one query reads it, and that reads the files once."""
    import duckdb

    from airflow_lupus.engines import duckdb as engine

    plans = {}
    connect = duckdb.connect

    class Watched:
        def __init__(self, connection):
            self._connection = connection

        def sql(self, sql):
            if "LIMIT" not in sql:  # that is a look at the first rows
                plans[sql] = "\n".join(row[1] for row in self._connection.execute(f"EXPLAIN {sql}").fetchall())
            return self._connection.sql(sql)

        def __getattr__(self, name):
            return getattr(self._connection, name)

    monkeypatch.setattr(engine.duckdb, "connect", lambda *args, **kwargs: Watched(connect(*args, **kwargs)))
    measured = measure(SPEC, open_source(source(), year(), SPEC), engine_named("duckdb"), year())
    assert [plan.count("READ_PARQUET") for plan in plans.values()] == [1] * len(plans)
    for column in SPEC.measured_columns:
        assert sum(f'"{column}"' in sql for sql in plans) == 1, column
    assert measured.measurement.rows_read == 336_776


def test_a_second_run_changes_no_row(store):
    collect(store, year())
    detect(store, year())
    before = dump(store)
    saved = collect(store, year(), "again").saved
    report = detect(store, year(), replace(DETECT, run_id="again"))
    assert saved.changed == 0
    assert (report.written, report.news) == (0, [])
    assert dump(store) == before


def test_365_single_days_in_random_order_equal_the_range(tmp_path):
    """Collected in any order, some judged on the way, one detect in the end: the same points and verdicts."""
    ranged, daily, chunked = (SqlStore.at(f"sqlite:///{tmp_path / name}.db") for name in ("range", "daily", "chunks"))
    collect(ranged, year())
    told = []
    collect(chunked, year(), progress=lambda done: told.append(len(done.periods)), budget=2_000)
    assert len(told) > 5
    assert meaning(chunked)["points"] == meaning(ranged)["points"]
    detect(ranged, year())
    days = year()
    random.Random(8).shuffle(days)
    for i, day in enumerate(days):
        collect(daily, [day], f"day-{i}")
        if i % 30 == 0:
            detect(daily, [day], replace(DETECT, run_id=f"day-{i}"))
    detect(daily, [days[-1]], replace(DETECT, run_id="last"))
    found, expected = meaning(daily), meaning(ranged)
    assert found["points"] == expected["points"]
    assert len(found["verdicts"]) == len(expected["verdicts"])
    for mine, theirs in zip(found["verdicts"], expected["verdicts"], strict=True):
        assert mine[:3] == theirs[:3]
        assert mine[9:] == theirs[9:], "severity, reason and history"
        for number, other in zip(mine[3:9], theirs[3:9], strict=True):
            assert number == other or number == pytest.approx(other, rel=1e-9, abs=1e-12)


def test_a_corrected_day_that_lost_an_airport_leaves_no_ghost(store, tmp_path):
    import pyarrow.compute as pc
    from pyarrow import parquet

    folder = tmp_path / "flights"
    folder.mkdir()
    storm = [day for day in year() if str(DAY.local(day.start).date()) in {"2013-02-07", "2013-02-08", "2013-02-09"}]
    for day in storm:
        shutil.copy(flights.folder() / f"{DAY.local(day.start):%Y-%m-%d}.parquet", folder)
    files = source(folder)
    collect(store, storm, files=files)
    detect(store, storm)
    target = folder / "2013-02-08.parquet"
    rows = parquet.read_table(target)
    parquet.write_table(rows.filter(pc.not_equal(rows["origin"], "JFK")), target)
    saved = collect(store, [storm[1]], "corrected", files=files).saved
    assert saved.retracted > 5
    assert set(values(store, "null_ratio", '{"origin":"JFK"}')) == {"2013-02-07", "2013-02-09"}
    (record,) = store.period_records("flights", DAY, storm[1].epoch, storm[2].epoch)
    assert record.absent_groups == ({"origin": "JFK"},)
    detect(store, [storm[1]], replace(DETECT, run_id="corrected"))
    fresh = SqlStore.in_memory()
    collect(fresh, storm, files=files)
    detect(fresh, storm)
    assert [row[:3] for row in meaning(store)["verdicts"]] == [row[:3] for row in meaning(fresh)["verdicts"]]
    assert meaning(store)["points"] == meaning(fresh)["points"]


def test_missing_empty_and_half_written_days_end_as_documented(store, tmp_path):
    from pyarrow import parquet

    folder = tmp_path / "flights"
    folder.mkdir()
    days = year()[:5]
    names = [folder / f"{DAY.local(day.start):%Y-%m-%d}.parquet" for day in days]
    for name in names:
        shutil.copy(flights.folder() / name.name, folder)
    names[1].unlink()
    parquet.write_table(parquet.read_table(names[2]).slice(0, 0), names[2])
    names[3].write_bytes(names[3].read_bytes()[:5000])
    done = collect(store, days, files=source(folder))
    statuses = [record.status for record in done.periods]
    assert statuses == [PeriodStatus.OK, PeriodStatus.MISSING, PeriodStatus.EMPTY, PeriodStatus.MISSING, PeriodStatus.OK]
    reasons = [record.reason for record in done.periods]
    assert "no file at" in reasons[1]
    assert "not a whole Parquet file" in reasons[3]
    assert values(store, "row_count", "{}") == {"2013-01-01": 842.0, "2013-01-03": 0.0, "2013-01-05": 720.0}
    assert values(store, "null_ratio", "{}")["2013-01-03"] is None, "undefined, not zero"
    assert set(values(store, "row_count", '{"origin":"JFK"}')) == {"2013-01-01", "2013-01-05"}
    assert done.saved.added > 0
    report = detect(store, days)
    assert [problem.status for problem in report.problems] == [PeriodStatus.MISSING, PeriodStatus.EMPTY, PeriodStatus.MISSING]


def _at(epoch: int):
    from datetime import UTC, datetime

    return datetime.fromtimestamp(epoch, UTC)
