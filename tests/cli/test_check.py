"""`airflow lupus check`: what it says of a DAG, and that it writes nothing."""

from __future__ import annotations

import shutil
import sqlite3

import pandas as pd
import pytest

from support import flights
from support.stores import dump

from .conftest import COLLECT, DETECT


def block(out: str, task: str) -> str:
    """What is said of one task."""
    return next(part for part in out.split("\n\n") if part.startswith(f"{task} ("))


def test_the_example_dag_on_its_newest_day(home):
    home.add_example()
    ran = home.run("check", "nyc_flights")
    assert ran.code == 0, ran.err
    collect, detect = block(ran.out, "collect"), block(ran.out, "detect")
    last = flights.frame().query("local_day == '2013-12-31'")
    groups = 1 + last.origin.nunique()
    series = groups * 7 + sum(group.carrier.nunique() for _, group in last.groupby("origin")) + last.carrier.nunique()
    assert "  dataset   flights\n" in collect
    assert "day in America/New_York" in collect
    assert f"Files(path='{flights.folder()}/{{period:%Y-%m-%d}}.parquet'" in collect
    assert "*: row_count\n" in collect
    assert "dep_delay: avg, p50, p95\n" in collect
    assert "carrier: count of each value, unique\n" in collect
    assert "  groups    origin, and all rows together\n" in collect
    assert "2013-12-31.parquet'" in collect.split("plan")[1]
    assert "GROUP BY GROUPING SETS ((p, g0), (p))" in collect
    assert "  period    2013-12-31 is ok\n" in collect
    assert f"  series    {series}\n" in collect
    size = (flights.folder() / "2013-12-31.parquet").stat().st_size
    assert f"{len(last)} rows of {size / 1000:.1f} kB in " in collect
    assert "*                    Window(spread='percent', threshold=45)\n" in detect
    assert "judges distance.sum, row_count\n" in detect
    assert "dep_time.null_ratio  Threshold(upper=0.3), Window(" in detect


def test_nothing_is_written_not_even_a_store(home):
    home.write_dag("nyc", COLLECT, DETECT)
    assert home.run("check", "nyc").code == 0
    assert sorted(path.name for path in home.folder.iterdir()) == ["dags"]
    assert home.run("backfill", "nyc", "--from", "2013-01-01", "--to", "2013-01-03").code == 0
    before = dump(home.store)
    tables = home.database.read_bytes()
    assert home.run("check", "nyc", "--period", "2013-01-05").code == 0
    assert dump(home.store) == before
    assert home.database.read_bytes() == tables


def test_a_given_period_is_one_that_contains_the_date_in_the_datasets_zone(home):
    home.write_dag("nyc", COLLECT.replace('owner="@data-core"', 'grain="week"').replace("/{period:%Y-%m-%d}", "/2013-02-*"))
    ran = home.run("check", "nyc", "--period", "2013-02-08")
    assert ran.code == 0, ran.err
    week = flights.frame().query("'2013-02-04' <= local_day < '2013-02-11'")
    assert "  period    2013-02-04 is ok" in ran.out
    assert f"  cost      {len(week):,} rows of " in ran.out


def test_a_table_is_asked_for_what_is_needed_and_its_defaults_are_named(home, monkeypatch):
    database = home.folder / "warehouse.db"
    frame = flights.frame().query("local_day >= '2013-03-01' and local_day < '2013-03-05'")
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE flights (time_hour DATETIME, origin TEXT, dep_delay FLOAT, late BOOLEAN)")
        naive = frame.time_hour.dt.tz_convert("UTC").dt.strftime("%Y-%m-%d %H:%M:%S.000000")
        delays = [None if pd.isna(value) else float(value) for value in frame.dep_delay]
        rows = zip(naive, frame.origin, delays, (bool(d and d > 15) for d in delays), strict=True)
        connection.executemany("INSERT INTO flights VALUES (?, ?, ?, ?)", rows)
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f"sqlite:///{database}")
    home.write_dag(
        "warehouse",
        'MonitorOperator(task_id="watch", source=Table("flights", conn_id="warehouse"), time_column="time_hour", group_columns=["origin"],'
        ' where="dep_delay < 600")',
    )
    ran = home.run("check", "warehouse", "--period", "2013-03-04")
    assert ran.code == 0, ran.err
    said = block(ran.out, "watch")
    assert "*: row_count\n" in said
    assert "dep_delay: null_ratio, avg, p50, p95\n" in said
    assert "late: null_ratio, avg\n" in said
    assert "FROM flights" in said
    assert "flights.time_hour >= '2013-03-04 05:00:00.000000' AND flights.time_hour < '2013-03-05 05:00:00.000000'" in said
    assert "dep_delay < 600" in said.split("plan")[1]
    monday = frame.query("local_day == '2013-03-04' and dep_delay < 600")
    assert "  series    28\n" in said
    assert f"  cost      {len(monday)} rows in " in said
    assert "*  Window()" in ran.out


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (('"dep_time": ["null_ratio"]', '"dep_tim": ["null_ratio"]'), "has no column 'dep_tim': did you mean 'dep_time'"),
        (('"carrier": ["count"]', '"carrier": ["avg"]'), "carrier"),
        (('group_columns=["origin"]', 'group_columns=["orgin"]'), "has no column 'orgin': did you mean 'origin'"),
        (('owner="@data-core"', 'where="origim = 1"'), "is not a condition on the rows"),
    ],
)
def test_a_spec_that_does_not_fit_the_data_is_a_sentence_and_exit_code_1(home, change, sentence):
    home.write_dag("nyc", COLLECT.replace(*change))
    ran = home.run("check", "nyc", "--period", "2013-03-04")
    assert ran.code == 1
    assert ran.err.startswith("collect: ")
    assert sentence in ran.err
    assert "Traceback" not in ran.err


def test_a_pattern_that_judges_nothing_is_an_error_and_what_nobody_judges_is_said(home):
    home.write_dag("nyc", COLLECT, DETECT.replace("dep_time.null_ratio", "dep_tima.null_ratio"))
    ran = home.run("check", "nyc", "--period", "2013-03-04")
    assert ran.code == 1
    assert "detect: detectors['dep_tima.null_ratio'] matches no metric of dataset 'flights': did you mean" in ran.err
    home.write_dag("nyc", COLLECT, DETECT.replace('"*": Window(), ', ""))
    ran = home.run("check", "nyc", "--period", "2013-03-04")
    assert ran.code == 0
    assert "  unjudged  carrier.count, dep_delay.avg, dep_delay.p95, row_count\n" in ran.out


def test_one_task_of_several(home):
    other = COLLECT.replace('"collect"', '"by_carrier"').replace('"flights"', '"carriers"')
    home.write_dag("nyc", COLLECT, other, DETECT)
    ran = home.run("check", "nyc", "--task", "by_carrier", "--period", "2013-03-04")
    assert ran.code == 0
    assert "by_carrier (" in ran.out
    assert "\ncollect (" not in ran.out
    assert "detect (" not in ran.out
    only = home.run("check", "nyc", "--task", "detect")
    assert "collect (" not in only.out
    assert "flights, which no task shown here collects" in only.out


def test_data_that_is_not_there(home, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    home.write_dag("nyc", COLLECT, data=data)
    ran = home.run("check", "nyc", "--period", "2013-03-04")
    assert ran.code == 1
    assert "2013-03-04 cannot be measured: no file at" in ran.err
    ran = home.run("check", "nyc")
    assert ran.code == 1
    assert "No data in 10,000 days up to " in ran.err
    assert "name a period with --period" in ran.err
    shutil.copy(flights.folder() / "2013-03-01.parquet", data)
    assert "  period    2013-03-01 is ok" in home.run("check", "nyc").out


def test_a_path_that_jinja_dates_is_that_of_the_run_which_measures_the_period(home):
    dated = 'Files(FLIGHTS + "/{{ macros.ds_add(ds, -1) }}.parquet")'
    home.write_dag("nyc", COLLECT.replace('Files(FLIGHTS + "/{period:%Y-%m-%d}.parquet")', dated))
    ran = home.run("check", "nyc", "--period", "2013-03-04")
    assert ran.code == 0, ran.err
    assert "/2013-03-04.parquet" in ran.out
    assert f"{(flights.frame().local_day == '2013-03-04').sum()} rows" in ran.out


def test_params_and_variables_are_rendered(home, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_ENDING", "parquet")
    templated = 'Files("{{ params.folder }}/{period:%Y-%m-%d}.{{ var.value.ending }}", format="parquet")'
    home.write_dag("nyc", COLLECT.replace('Files(FLIGHTS + "/{period:%Y-%m-%d}.parquet")', templated))
    ran = home.run("check", "nyc", "--period", "2013-03-04")
    assert ran.code == 0, ran.err
    assert f"path='{flights.folder()}/{{period:%Y-%m-%d}}.parquet'" in ran.out
