"""The sensor, on real files that are late, half-written, short of rows or of an airport."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, AirflowSensorTimeout, AirflowSkipException

from airflow_lupus import DataMissingSensor, Files, Table
from airflow_lupus.exceptions import SpecError
from support import flights
from support.context import context

from .conftest import morning


def sensor(folder, **changes):
    what = {
        "task_id": "wait",
        "source": Files(f"{folder}/{{period:%Y-%m-%d}}.parquet"),
        "min_rows": 500,
        "expected_groups": {"origin": ["EWR", "JFK", "LGA"]},
        "time_column": "time_hour",
        "timeout": 0,
        "poke_interval": 0.01,
    } | changes
    return DataMissingSensor(**what)


def run(operator, day="2013-02-09", **changes):
    return operator.execute(context(operator, logical_date=morning(day), **changes))


def lacking(operator, day="2013-02-09"):
    told = []
    operator.callbacks = [lambda given: told.append(given["digest"])]
    with pytest.raises(AirflowSensorTimeout):
        run(operator, day)
    (digest,) = told
    return digest.text


def test_a_complete_day_is_there(folder):
    run(sensor(folder))


def test_a_complete_range_is_there(folder):
    run(sensor(folder), conf={"lupus": {"start": "2013-02-01", "end": "2013-03-01"}})


def test_a_missing_file_is_told_once_at_the_timeout(folder):
    (folder / "2013-02-08.parquet").unlink()
    text = lacking(sensor(folder))
    assert text.startswith("flights: data missing, waited 0 minutes")
    assert "missing 2013-02-08 00:00: no file at" in text


def test_it_waits_for_late_data(folder):
    late = folder / "2013-02-08.parquet"
    content = late.read_bytes()
    late.unlink()
    waiting = sensor(folder, timeout=30)
    pokes = []
    poke = waiting.poke

    def arrives(given):
        pokes.append(None)
        if len(pokes) == 2:
            late.write_bytes(content[:5000])  # still being written
        if len(pokes) == 3:
            late.write_bytes(content)
        return poke(given)

    waiting.poke = arrives
    run(waiting)
    assert len(pokes) == 3


def test_a_half_written_file_is_not_there_yet(folder):
    target = folder / "2013-02-08.parquet"
    target.write_bytes(target.read_bytes()[:5000])
    assert "is not a whole Parquet file" in lacking(sensor(folder))


def test_too_few_rows(folder):
    assert "930 rows of at least 1,000" in lacking(sensor(folder, min_rows=1000))


def test_an_airport_that_is_not_there(folder):
    text = lacking(sensor(folder, expected_groups={"origin": ["EWR", "SWF", "ISP"], "carrier": ["UA", "XX"]}))
    assert "no rows with origin SWF, ISP" in text
    assert "no rows with carrier XX" in text


def test_reschedule_mode_gives_the_slot_back(folder):
    (folder / "2013-02-08.parquet").unlink()
    waiting = sensor(folder, mode="reschedule", timeout=timedelta(hours=1), poke_interval=60)
    given = context(waiting, logical_date=morning("2013-02-09"))
    given["ti"].get_first_reschedule_date = lambda _: None
    with pytest.raises(AirflowRescheduleException):
        waiting.execute(given)


def test_soft_fail_skips_and_tells_all_the_same(folder):
    (folder / "2013-02-08.parquet").unlink()
    told = []
    waiting = sensor(folder, soft_fail=True, on_missing_callback=lambda given: told.append(given["digest"]))
    with pytest.raises(AirflowSkipException):
        run(waiting)
    assert len(told) == 1


def test_a_misspelt_group_column_fails_at_once(folder):
    with pytest.raises(AirflowFailException, match="no column 'orign': did you mean 'origin'"):
        run(sensor(folder, expected_groups={"orign": ["JFK"]}))


def test_bad_parameters_fail_at_parse(folder):
    with pytest.raises(SpecError, match="min_rows cannot be -1"):
        sensor(folder, min_rows=-1)
    with pytest.raises(SpecError, match="did you mean 'duckdb'"):
        sensor(folder, engine="duckbd")


def test_a_table_without_time_column_is_there_when_it_has_rows(tmp_path, monkeypatch):
    import json

    import sqlalchemy as sa

    engine = sa.create_engine(f"sqlite:///{tmp_path}/warehouse.db")
    flights.frame()[["origin", "dep_delay"]].head(600).to_sql("flights", engine)
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": f"{tmp_path}/warehouse.db"}))
    table = Table("flights", conn_id="warehouse")
    run(sensor(tmp_path, source=table, time_column=None))
    run(sensor(tmp_path, source=table, time_column=None, expected_groups=None))
    assert "600 rows of at least 700" in lacking(sensor(tmp_path, source=table, time_column=None, expected_groups=None, min_rows=700))
