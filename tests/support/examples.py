"""The example DAGs, run without a scheduler."""

from __future__ import annotations

import os
import runpy
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG

from support.context import context
from support.prepared import REPO

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

FILES = sorted((REPO / "dags").glob("*.py"))


def load(path: Path) -> DAG:
    """The DAG of a file, as the working directory and the environment make it."""
    (dag,) = (value for value in runpy.run_path(str(path)).values() if isinstance(value, DAG))
    return dag


def without_settings(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Start in an empty folder with nothing said, as after a checkout; where its `data/` is."""
    for name in [name for name in os.environ if name.startswith("LUPUS_DEMO_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(folder)
    (folder / "data").mkdir()
    return folder / "data"


def run(dag: DAG, name: str, **dates: Any) -> dict[str, Any]:
    """Execute every task after those before it; each one's context."""
    contexts = {task.task_id: context(task, run=name, zone=str(dag.timezone), **dates) for task in dag.topological_sort()}
    for task_id, given in contexts.items():
        given["ti"].get_first_reschedule_date = lambda _: None  # what a sensor asks
        given["ds"] = str(dates["logical_date"].date()) if "logical_date" in dates else None
        task = dag.get_task(task_id).prepare_for_execution()  # a copy, since rendering writes into it
        task.render_template_fields(given)
        given["returned"] = task.execute(given)
    return contexts
