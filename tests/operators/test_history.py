"""The periods that a dataset's first run collects beside its own."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowException

from airflow_lupus import Files, MonitorOperator
from airflow_lupus.detectors import Window
from airflow_lupus.model import Grain, TaskRef
from airflow_lupus.pipeline import collect
from airflow_lupus.pipeline import history as module
from airflow_lupus.stores.pruning import Pruning, datasets
from airflow_lupus.stores.retention import Limits
from airflow_lupus.stores.sql import SqlStore
from support.context import context
from support.stores import meaning

from .conftest import morning
from .test_operators import collector, rows, run, tells

DAY = Grain("day", "America/New_York")


def first(folder, **changes):
    return collector(folder, **{"history": "auto"} | changes)


def records(store):
    """Local day → how it arrived."""
    return {f"{DAY.local(r.period.start):%m-%d}": str(r.status) for r in store.period_records("flights", DAY, 0, 2**40)}


def in_one_range(folder, start, end):
    """What a range run would have stored."""
    other = SqlStore.in_memory()
    operator = collector(folder)
    collect(other, operator.job(DAY), list(DAY.periods(DAY.parse(start), DAY.parse(end))), TaskRef("nyc", "collect", "range"))
    return meaning(other)["points"]


@pytest.fixture
def origins(monkeypatch):
    """Why things were saved, in order, with the first period of each."""
    seen = []
    save = SqlStore.save

    def recording(self, dataset, definition, scope, measurement, task):
        seen.append((measurement.origin, f"{DAY.local(measurement.periods[0].period.start):%m-%d}"))
        return save(self, dataset, definition, scope, measurement, task)

    monkeypatch.setattr(SqlStore, "save", recording)
    return seen


def test_the_first_run_also_collects_what_was_before_and_no_later_run_does(store, folder, origins):
    summary = run(first(folder))
    assert (summary["periods"], summary["missing"]) == (1, 0)
    assert list(records(store)) == [f"{d:%m-%d}" for d in days("2013-01-01", "2013-02-09")], "none before the first file"
    assert set(records(store).values()) == {"ok"}
    assert origins[0] == ("run", "02-08"), "the run's own period is safe first"
    assert {origin for origin, _ in origins[1:]} == {"history"}
    assert meaning(store)["points"] == in_one_range(folder, "2013-01-01", "2013-02-09")
    run(first(folder), "2013-02-10")
    assert origins[-1] == ("run", "02-09")
    assert len(records(store)) == 40


def test_what_was_pruned_is_not_brought_back_by_clearing_the_oldest_run_that_is_left(store, folder):
    run(first(folder))
    run(first(folder), "2013-02-10")
    (dataset,) = datasets(store)
    Pruning(store, dataset.id, Limits.of({}, 0, before=DAY.containing(DAY.parse("2013-02-09")).epoch)).run(lambda _: None)
    assert list(records(store)) == ["02-09"]
    run(first(folder), "2013-02-10")
    assert list(records(store)) == ["02-09"]


def days(start, end):
    return [DAY.local(period.start) for period in DAY.periods(DAY.parse(start), DAY.parse(end))]


def test_so_many_periods_as_asked_for_and_no_time_column_needed(store, folder):
    run(first(folder, history=5, time_column=None))
    assert list(records(store)) == ["02-03", "02-04", "02-05", "02-06", "02-07", "02-08"]


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({"history": None}, {}),
        ({"history": 0}, {}),
        ({"time_column": None}, {}),
        ({}, {"run_type": "backfill"}),
        ({}, {"conf": {"lupus": {"start": "2013-02-08", "end": "2013-02-09"}}}),
    ],
)
def test_no_history_for_those_who_want_none_nor_in_backfills_and_range_runs(store, folder, changes, how):
    run(first(folder, **changes), **how)
    assert list(records(store)) == ["02-08"]


def test_a_gap_is_recorded_and_what_is_before_the_first_row_is_not(store, folder):
    for day in ("01-01", "01-02", "01-20", "01-21"):
        (folder / f"2013-{day}.parquet").unlink()
    run(first(folder))
    found = records(store)
    assert next(iter(found)) == "01-03"
    assert [day for day, status in found.items() if status != "ok"] == ["01-20", "01-21"]
    assert {found[day] for day in ("01-20", "01-21")} == {"missing"}


def test_a_source_without_any_past_has_no_history(store, folder):
    for file in folder.glob("2013-0*.parquet"):
        if file.name < "2013-02-08":
            file.unlink()
    run(first(folder))
    assert records(store) == {"02-08": "ok"}


def test_the_limit_of_rows_keeps_the_newest(store, folder, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LUPUS__HISTORY_ROWS", "5000")
    run(first(folder))
    kept = list(records(store))
    assert kept[-1] == "02-08"
    assert 6 <= len(kept) <= 9, "about nine hundred rows a day"


def test_trouble_in_the_history_never_harms_the_run(store, folder, monkeypatch, caplog, capsys):
    def breaks(*_, **__):
        raise RuntimeError("the lake is dry")

    with monkeypatch.context() as patched:
        patched.setattr(module, "measure", breaks)
        assert run(first(folder, on_error="fail"))["periods"] == 1
    assert records(store) == {"02-08": "ok"}
    assert "History could not be collected" in caplog.text + capsys.readouterr().out
    run(first(folder), "2013-02-10")
    assert list(records(store)) == ["02-08", "02-09"], "a later run does not try again"
    run(first(folder))
    assert len(records(store)) == 40, "clearing the first run does"


def test_killed_in_the_middle_the_retry_completes_it(store, folder, monkeypatch):
    """Whatever chunk it was in; what is committed is not read again."""

    class Killed(BaseException):
        """Nothing catches it, as nothing catches SIGKILL."""

    measure, asked = module.measure, []

    def dies(spec, opened, engine, periods, **options):
        asked.append(periods)
        if len(asked) == 3:
            raise Killed
        return measure(spec, opened, engine, periods, **options)

    monkeypatch.setattr(module, "measure", dies)
    monkeypatch.setattr(module.Sizes, "next", lambda self, remaining: min(7, remaining))
    with pytest.raises(Killed):
        run(first(folder))
    assert len(records(store)) == 1 + 14
    run(first(folder), try_number=2)
    assert meaning(store)["points"] == in_one_range(folder, "2013-01-01", "2013-02-09")
    assert not {period for chunk in asked[:2] for period in chunk} & {period for chunk in asked[3:] for period in chunk}


def test_a_retry_that_found_its_late_file_still_gets_its_history(store, folder):
    late = folder / "2013-02-08.parquet"
    content = late.read_bytes()
    late.unlink()
    with pytest.raises(AirflowException, match="no data for 1 of 1 periods"):
        run(first(folder), max_tries=1)
    late.write_bytes(content)
    run(first(folder), try_number=2)
    assert meaning(store)["points"] == in_one_range(folder, "2013-01-01", "2013-02-09")


def test_a_second_dag_run_that_is_cleared_brings_no_history(store, folder):
    run(first(folder, history=3))
    run(first(folder, history=3), "2013-02-10")
    run(first(folder, history=90), "2013-02-10")
    assert list(records(store)) == ["02-05", "02-06", "02-07", "02-08", "02-09"]


def test_monitor_judges_its_first_day_by_its_history_and_tells_of_that_day_only(store, folder):
    told = tells()
    monitor = MonitorOperator(
        task_id="watch",
        source=Files(f"{folder}/{{period:%Y-%m-%d}}.parquet"),
        dataset="flights",
        time_column="time_hour",
        column_metrics={"dep_time": ["null_ratio"]},
        detectors={"*": Window(center="mean", spread="sigma", threshold=6)},
        on_anomaly_callback=told,
    )
    found = monitor.execute(context(monitor, run="first", logical_date=morning("2013-02-09")))
    assert found["worst"] == "critical"
    assert {line.period for line in told.told[0].anomalies} == {"2013-02-08"}
    assert len(rows(store, "verdicts")) >= 39
