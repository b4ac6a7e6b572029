"""`airflow lupus backfill`: a range once, whatever interrupts, with the numbers and verdicts that Airflow's own runs give."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest
import sqlalchemy as sa

from airflow_lupus.cli import backfill as module
from airflow_lupus.stores.schema import Tables
from airflow_lupus.stores.sql import SqlStore
from support import flights
from support.context import context
from support.stores import dump, meaning

from .conftest import COLLECT, DETECT

JANUARY = ("--from", "2013-01-01", "--to", "2013-02-01")
STORM = ("--from", "2013-01-15", "--to", "2013-02-15")


@pytest.fixture(autouse=True)
def _as_if_fast(monkeypatch: pytest.MonkeyPatch):
    """Slices grow by speed; here they always do, however busy the machine is."""
    monkeypatch.setattr(module, "FAST", float("inf"))


TABLES = Tables()


def rows_of(first: str, last: str) -> int:
    return len(flights.frame().query("@first <= local_day < @last"))


def measurements(store: SqlStore) -> list[tuple[str, int]]:
    """Run and number of days of each measurement."""
    table = TABLES.measurements
    with store.engine.connect() as connection:
        found = connection.execute(sa.select(table.c.run_id, table.c.first_start, table.c.last_end).order_by(table.c.id))
        return [(row.run_id, round((row.last_end - row.first_start) / 86400)) for row in found]


def test_a_dry_run_says_what_there_is_to_do_and_writes_nothing(home, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for day in range(1, 32):
        if day not in {7, 20}:
            shutil.copy(flights.folder() / f"2013-01-{day:02}.parquet", data)
    home.write_dag("nyc", COLLECT, DETECT, data=data)
    ran = home.run("backfill", "nyc", *JANUARY, "--dry-run")
    assert ran.code == 0, ran.err
    last = flights.frame().query("local_day == '2013-01-31'")
    series = 4 * 4 + last.carrier.nunique() + sum(group.carrier.nunique() for _, group in last.groupby("origin"))
    assert "collect: 31 days of flights [2013-01-01 00:00, 2013-02-01 00:00) America/New_York" in ran.out
    assert "  stored    0 by this backfill\n" in ran.out
    assert "  to come   31 days\n" in ran.out
    assert "  missing   2, first 2013-01-07 00:00: no file at" in ran.out
    assert f"  series    {series}\n" in ran.out
    assert f"  estimate  {len(last) * 29:,} rows, {series * 29:,} points\n" in ran.out
    assert "detect: then judges flights by 3 detectors" in ran.out
    assert not home.database.exists()

    assert home.run("backfill", "nyc", "--from", "2013-01-01", "--to", "2013-01-11").code == 0
    before = dump(home.store)
    ran = home.run("backfill", "nyc", *JANUARY, "--dry-run")
    assert "  stored    0 by this backfill, 9 by other runs, to be measured again\n" in ran.out
    ran = home.run("backfill", "nyc", "--from", "2013-01-01", "--to", "2013-01-11", "-n")
    assert "  stored    10 by this backfill\n" in ran.out
    assert "  to come   0 days\n" in ran.out
    assert dump(home.store) == before


def test_it_equals_a_range_run_through_the_operators(home, tmp_path):
    home.write_dag("nyc", COLLECT, DETECT)
    ran = home.run("backfill", "nyc", *STORM)
    assert ran.code == 0, ran.err
    assert "collect: 31 days of flights [2013-01-15 00:00, 2013-02-15 00:00) America/New_York\n" in ran.out
    assert "  31 of 31 (100%)\n" in ran.out
    assert f"  31 days measured: {rows_of('2013-01-15', '2013-02-15'):,} rows, " in ran.out
    assert "nobody is told" in ran.out
    from airflow_lupus.cli import dags
    from airflow_lupus.hooks import store as store_hook

    backfilled = home.store
    dag = dags.load("nyc")
    os.environ["AIRFLOW_HOME"] = str(tmp_path / "other")  # restored by the fixture
    (tmp_path / "other").mkdir()
    store_hook._local.cache_clear()
    conf = {"lupus": {"start": "2013-01-15", "end": "2013-02-15"}}
    for name in ("collect", "detect"):
        task = dag.get_task(name)
        task.execute(context(task, run="range", conf=conf))
    ranged = SqlStore.at(f"sqlite:///{tmp_path / 'other' / 'lupus.db'}")
    assert meaning(backfilled) == meaning(ranged)
    assert len(meaning(backfilled)["verdicts"]) > 1000
    with backfilled.engine.connect() as connection:
        worst = connection.execute(sa.select(sa.func.max(TABLES.verdicts.c.severity))).scalar()
        owner = connection.execute(sa.select(TABLES.datasets.c.owner)).scalar()
        assert connection.execute(sa.select(sa.func.count()).select_from(TABLES.deliveries)).scalar() == 0
    assert worst == 3, "the storm of 8 February"
    assert owner == "@data-core"


def test_a_finished_backfill_does_nothing_and_a_restart_measures_again(home):
    home.write_dag("nyc", COLLECT, DETECT)
    assert home.run("backfill", "nyc", *JANUARY).code == 0
    before, log = dump(home.store), measurements(home.store)
    assert [days for _, days in log] == [8, 16, 7]
    assert {run for run, _ in log} == {"lupus_backfill__2013-01-01__2013-02-01"}
    ran = home.run("backfill", "nyc", "--from", "2013-01-01T00:00", "--to", "2013-02-01")
    assert "measured already" in ran.out
    assert "judged already" in ran.out
    assert (dump(home.store), measurements(home.store)) == (before, log)
    ran = home.run("backfill", "nyc", *JANUARY, "--restart")
    assert " 0 points written" in ran.out
    assert dump(home.store) == before
    assert len(measurements(home.store)) == 6


KILLED = """
import os, signal, sys
from airflow_lupus.cli import backfill
from airflow_lupus.stores.sql import SqlStore
when, save, calls = sys.argv.pop(1), SqlStore.save, []

def dying(self, *args):
    calls.append(1)
    if len(calls) == 3 and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    saved = save(self, *args)
    if len(calls) == 2 and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return saved

SqlStore.save, backfill.FAST = dying, float("inf")
from airflow.__main__ import main
sys.argv[0] = "airflow"
main()
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_in_the_middle_it_goes_on_and_ends_as_if_undisturbed(home, when):
    home.write_dag("nyc", COLLECT, DETECT)
    words = ["lupus", "backfill", "nyc", *JANUARY]
    killed = subprocess.run([sys.executable, "-c", KILLED, when, *words], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [days for _, days in measurements(home.store)] == [8, 16]
    ran = home.run(*words[1:])
    assert ran.code == 0, ran.err
    assert "  going on: 24 are stored already\n" in ran.out
    assert "  7 days measured: " in ran.out
    assert [days for _, days in measurements(home.store)] == [8, 16, 7]
    disturbed = meaning(home.store)
    for file in home.folder.glob("lupus.db*"):
        file.unlink()
    from airflow_lupus.hooks import store as store_hook

    store_hook._local.cache_clear()
    assert home.run(*words[1:]).code == 0
    assert disturbed == meaning(home.store)


def test_control_c_stops_at_the_next_commit_and_says_how_to_go_on(home, monkeypatch):
    home.write_dag("nyc", COLLECT, DETECT)
    collect, calls = module.collect, []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return collect(*args, **kwargs)

    monkeypatch.setattr(module, "collect", interrupted)
    before = signal.getsignal(signal.SIGINT)
    ran = home.run("backfill", "nyc", *JANUARY)
    assert ran.code == 130
    assert "Stopping when what is being worked on is stored" in ran.err
    assert ran.out.endswith(
        "Stopped. Of flights 24 of 31 days are stored. To go on: airflow lupus backfill nyc --from 2013-01-01 --to 2013-02-01\n"
    )
    assert signal.getsignal(signal.SIGINT) is before
    assert meaning(home.store)["verdicts"] == []
    assert home.run("backfill", "nyc", *JANUARY).code == 0
    assert len(measurements(home.store)) == 3


def test_a_second_control_c_stops_at_once_and_half_a_slice_is_not_stored(home, monkeypatch):
    home.write_dag("nyc", COLLECT, DETECT)
    save, calls = SqlStore.save, []

    def interrupted(self, *args):
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return save(self, *args)

    monkeypatch.setattr(SqlStore, "save", interrupted)
    ran = home.run("backfill", "nyc", *JANUARY)
    assert ran.code == 130
    assert "Of flights 8 of 31 days are stored. " in ran.out


def test_collect_only_then_judge_only(home):
    home.write_dag("nyc", COLLECT, DETECT)
    ran = home.run("backfill", "nyc", *STORM, "--only", "collect")
    assert ran.code == 0
    assert "detect" not in ran.out
    collected = meaning(home.store)
    assert collected["points"]
    assert collected["verdicts"] == []
    ran = home.run("backfill", "nyc", *STORM, "--only", "judge")
    assert ran.code == 0, ran.err
    assert "collect" not in ran.out
    together = meaning(home.store)
    assert together["points"] == collected["points"]
    assert len(together["verdicts"]) >= len(collected["points"])
    home.write_dag("nyc", COLLECT, DETECT.replace("upper=0.3", "upper=0.001"))
    ran = home.run("backfill", "nyc", *STORM, "--only", "judge")
    assert ran.code == 0
    assert meaning(home.store)["verdicts"] != together["verdicts"], "edited detectors judge the past anew"


def test_after_an_interruption_judging_only_judges_the_whole_range(home):
    home.write_dag("nyc", COLLECT, DETECT)
    assert home.run("backfill", "nyc", "--from", "2013-01-01", "--to", "2013-01-11").code == 0
    judged = meaning(home.store)["verdicts"]
    home.write_dag("nyc", COLLECT, DETECT.replace("upper=0.3", "upper=0.0"))
    ran = home.run("backfill", "nyc", "--from", "2013-01-03", "--to", "2013-01-05", "--only", "judge")
    assert ran.code == 0
    changed = {row[1] for row in set(meaning(home.store)["verdicts"]) - set(judged)}
    assert len(changed) == 2


def test_missing_days_are_recorded_and_do_not_stop_it(home, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for day in (1, 2, 4):
        shutil.copy(flights.folder() / f"2013-01-{day:02}.parquet", data)
    home.write_dag("nyc", COLLECT, data=data)
    ran = home.run("backfill", "nyc", "--from", "2013-01-01", "--to", "2013-01-06")
    assert ran.code == 0
    assert "  5 days measured, 2 of them without data: " in ran.out
    ran = home.run("backfill", "nyc", "--from", "2013-01-01", "--to", "2013-01-06")
    assert "measured already" in ran.out


def test_an_error_in_the_middle_says_what_is_stored_and_how_to_go_on(home, monkeypatch):
    home.write_dag("nyc", COLLECT, DETECT)
    from airflow_lupus.exceptions import StoreError

    save, calls = SqlStore.save, []

    def failing(self, *args):
        calls.append(1)
        if len(calls) == 3:
            raise StoreError("The metrics store is out of reach")
        return save(self, *args)

    monkeypatch.setattr(SqlStore, "save", failing)
    ran = home.run("backfill", "nyc", *JANUARY)
    assert ran.code == 1
    assert ran.err.startswith(
        "The metrics store is out of reach\nOf flights 24 of 31 days are stored. To go on: airflow lupus backfill nyc"
    )


def test_each_collect_task_in_its_own_zone_and_the_monitor_judges_itself(home):
    utc = """
    MonitorOperator(task_id="utc", dataset="flights_utc", source=Files(FLIGHTS + "/2013-01-0[1-6].parquet"), timezone="UTC",
        time_column="time_hour", column_metrics={"dep_delay": ["avg"]})
    """
    home.write_dag("nyc", COLLECT, textwrap.dedent(utc), DETECT)
    ran = home.run("backfill", "nyc", "--from", "2013-01-02", "--to", "2013-01-05")
    assert ran.code == 0, ran.err
    assert "[2013-01-02 00:00, 2013-01-05 00:00) America/New_York" in ran.out
    assert "[2013-01-02 00:00, 2013-01-05 00:00) UTC" in ran.out
    with home.store.engine.connect() as connection:
        starts = connection.execute(
            sa.select(TABLES.periods.c.dataset_id, sa.func.min(TABLES.periods.c.start)).group_by("dataset_id")
        ).all()
        slots = set(connection.execute(sa.select(TABLES.slots.c.task_id)).scalars())
    assert starts[0][1] - starts[1][1] == 5 * 3600
    assert slots == {"detect", "utc"}
    alone = home.run("backfill", "nyc", "--from", "2013-01-05", "--to", "2013-01-06", "--task", "utc")
    assert "flights_utc" in alone.out
    assert "collect:" not in alone.out
    assert "detect:" not in alone.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--from", "2013-01-0x", "--to", "2013-02-01"), "Not an ISO date or time: '2013-01-0x'"),
        (("--from", "2013-02-01", "--to", "2013-01-01"), "No day in America/New_York starts inside"),
        (("--from", "1013-01-01", "--to", "2013-01-01"), "more than 100,000 days"),
        ((*JANUARY, "--only", "collect", "--task", "detect"), "--only collect: of the tasks of DAG 'nyc' that are meant none collects"),
    ],
)
def test_what_cannot_be_meant(home, words, sentence):
    home.write_dag("nyc", COLLECT, DETECT)
    ran = home.run("backfill", "nyc", *words)
    assert ran.code == 1
    assert sentence in ran.err
    assert not home.database.exists()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ('Files(FLIGHTS + "/{{ ds }}.parquet")', "this names one period and a range run would read it for all"),
        ('Files(FLIGHTS + "/{{ params.nothing }}/{period:%Y-%m-%d}.parquet")', "cannot be rendered outside of a run"),
        ('Files(FLIGHTS + "/{{ ds }}/{period:%Y-%m-%d}.parquet")', "'ds' is undefined; here there are dag, task, params"),
    ],
)
def test_templates_that_a_range_cannot_render(home, source, sentence):
    home.write_dag("nyc", COLLECT.replace('Files(FLIGHTS + "/{period:%Y-%m-%d}.parquet")', source))
    ran = home.run("backfill", "nyc", *JANUARY)
    assert ran.code == 1
    assert sentence in ran.err


def test_a_daily_run_meanwhile_loses_nothing(home, monkeypatch):
    """A run of the same DAG collects and judges a day of the range between two slices."""
    home.write_dag("nyc", COLLECT, DETECT)
    assert home.run("backfill", "nyc", *JANUARY).code == 0
    undisturbed = meaning(home.store)
    for file in home.folder.glob("lupus.db*"):
        file.unlink()
    from airflow_lupus.cli import dags
    from airflow_lupus.hooks import store as store_hook

    store_hook._local.cache_clear()
    dag, collect, calls = dags.load("nyc"), module.collect, []

    def daily(store, job, periods, *args, **kwargs):
        if not calls:
            calls.append(1)
            for name in ("collect", "detect"):
                task = dag.get_task(name)
                task.execute(context(task, run="daily", conf={"lupus": {"start": "2013-01-05", "end": "2013-01-06"}}))
        return collect(store, job, periods, *args, **kwargs)

    monkeypatch.setattr(module, "collect", daily)
    assert home.run("backfill", "nyc", *JANUARY).code == 0
    assert meaning(home.store) == undisturbed
