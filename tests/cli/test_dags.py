"""Which DAG and which tasks a command is about."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from .conftest import COLLECT, DETECT

EMPTY = 'EmptyOperator(task_id="load")'


@pytest.mark.parametrize("words", [("check",), ("backfill", "--from", "2013-01-01", "--to", "2013-01-02")])
def test_a_wrong_dag_id_names_the_closest_and_what_could_not_be_imported(home, words):
    home.write_dag("nyc_flights", COLLECT)
    (home.dags / "broken.py").write_text("from airflow.sdk import DAG\nraise ValueError('no such thing')\n")
    ran = home.run(words[0], "nyc_flight", *words[1:])
    assert ran.code == 1
    assert "There is no DAG 'nyc_flight': did you mean 'nyc_flights'?" in ran.err
    assert "broken.py cannot be imported: ValueError: no such thing" in ran.err
    assert not home.database.exists()


def test_a_dag_without_a_task_of_ours(home):
    home.write_dag("plain", EMPTY)
    ran = home.run("check", "plain")
    assert ran.code == 1
    assert "DAG 'plain' has no task that collects or judges metrics" in ran.err


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ("colect", "Task 'colect' of DAG 'nyc' is not there: did you mean 'collect'?"),
        ("load", "Task 'load' of DAG 'nyc' is not one that collects or judges metrics: valid: collect, detect"),
        ("mapped", "Task 'mapped' is mapped: what it measures is known only when it runs"),
    ],
)
def test_a_wrong_task(home, task, sentence):
    mapped = 'MonitorOperator.partial(task_id="mapped", time_column="t").expand(source=[Files("/a.parquet"), Files("/b.parquet")])'
    home.write_dag("nyc", EMPTY, COLLECT, DETECT, mapped)
    ran = home.run("check", "nyc", "--task", task)
    assert ran.code == 1
    assert sentence in ran.err


def test_only_the_file_is_read_in_which_the_dag_processor_found_the_dag(home, monkeypatch):
    from airflow.models.dag import DagModel

    home.write_dag("nyc", COLLECT, file="there.py")
    (home.dags / "other.py").write_text(f"from airflow.sdk import DAG\nopen({str(home.folder / 'read')!r}, 'w')\n")
    found = SimpleNamespace(bundle_name="dags-folder", relative_fileloc="there.py")
    monkeypatch.setattr(DagModel, "get_current", lambda dag_id: found)
    assert home.run("check", "nyc", "--period", "2013-03-04").code == 0
    assert not (home.folder / "read").exists()
    found.relative_fileloc = "gone.py"
    assert home.run("check", "nyc", "--period", "2013-03-04").code == 0
    assert (home.folder / "read").exists()
