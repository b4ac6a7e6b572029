"""A task's context, as Airflow hands it over, for operators that are executed without a scheduler."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import DAG


def context(
    task: Any = None,
    *,
    run: str = "run",
    zone: str = "America/New_York",
    conf: dict[str, Any] | None = None,
    run_type: str = "scheduled",
    try_number: int = 1,
    max_tries: int = 0,
    **dates: Any,
) -> Any:
    """The parts of a context that this package reads."""
    ti = SimpleNamespace(
        dag_id="nyc", task_id=getattr(task, "task_id", "task"), run_id=run, map_index=-1, try_number=try_number, max_tries=max_tries
    )
    dag_run = SimpleNamespace(conf=conf or {}, run_type=run_type, run_after=dates.pop("run_after", None), partition_date=None)
    return {
        "ti": ti,
        "task_instance": ti,
        "dag_run": dag_run,
        "dag": DAG("nyc", schedule=None, start_date=datetime(2013, 1, 1, tzinfo=ZoneInfo(zone))),
        "run_id": run,
        "task": task,
        **dates,
    }
