from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from airflow_lupus.hooks import store as store_hook
from airflow_lupus.stores.sql import SqlStore
from support import flights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAG = """
from datetime import datetime
from zoneinfo import ZoneInfo
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow_lupus import AnomalyDetectOperator, Files, MetricCollectOperator, MonitorOperator, Query, Table, TableMetrics
from airflow_lupus.detectors import Threshold, Window

FLIGHTS = r"{flights}"
zone = ZoneInfo("America/New_York")

with DAG("{dag_id}", schedule="0 3 * * *", start_date=datetime(2013, 1, 2, tzinfo=zone), params={{"folder": FLIGHTS}}):
"""

COLLECT = """
collect = MetricCollectOperator(task_id="collect", dataset="flights", source=Files(FLIGHTS + "/{period:%Y-%m-%d}.parquet"),
    time_column="time_hour", group_columns=["origin"], metrics=[TableMetrics(["row_count"])],
    column_metrics={"dep_time": ["null_ratio"], "dep_delay": ["avg", "p95"], "carrier": ["count"]}, owner="@data-core")
"""
DETECT = """
AnomalyDetectOperator(task_id="detect", dataset="flights",
    detectors={"*": Window(), "dep_time.null_ratio": [Threshold(upper=0.3), Window()]})
"""


@dataclass
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str


@dataclass
class Home:
    """An Airflow home of a test's own, with DAGs and the commands of `airflow lupus`."""

    folder: Path
    run: Callable[..., Ran]

    @property
    def dags(self) -> Path:
        return self.folder / "dags"

    @property
    def database(self) -> Path:
        return self.folder / "lupus.db"

    @property
    def store(self) -> SqlStore:
        return SqlStore.at(f"sqlite:///{self.database}")

    def write_dag(self, dag_id: str, *tasks: str, file: str | None = None, data: Path | None = None) -> None:
        """A DAG file with these tasks, over the real flights unless other data is given."""
        text = DAG.format(dag_id=dag_id, flights=data or flights.folder())
        body = "\n".join("    " + line for task in tasks for line in task.strip().splitlines())
        (self.dags / (file or f"{dag_id}.py")).write_text(text + body + "\n")

    def add_example(self) -> None:
        shutil.copy(flights.REPO / "dags" / "nyc_flights.py", self.dags)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Home:
    from airflow import settings
    from airflow.cli.cli_parser import get_parser

    (tmp_path / "dags").mkdir()
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path / "dags"))
    monkeypatch.setenv("LUPUS_DEMO_DATA", str(flights.folder()))
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # the commands set it for their process
    monkeypatch.setattr(settings, "DAGS_FOLDER", str(tmp_path / "dags"))
    store_hook._local.cache_clear()
    store_hook._by_connection.cache_clear()
    parser = get_parser()

    def run(*words: str) -> Ran:
        capfd.readouterr()
        code, said = 0, ""
        try:
            args = parser.parse_args(["lupus", *words])
            args.func(args)
        except SystemExit as end:  # as the interpreter ends: a text goes to stderr, with code 1
            code, said = (end.code or 0, "") if not isinstance(end.code, str) else (1, end.code)
        out, err = capfd.readouterr()
        return Ran(int(code), out, err + said)

    return Home(tmp_path, run)
