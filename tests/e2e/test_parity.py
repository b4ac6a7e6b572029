"""Thirty days through Airflow's own backfill, newest first and beside daily runs, come to what one range run comes to.

By its name this file is the last of its folder: a backfill is made when Airflow's scheduler is idle, since its SQLite takes one writer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import pytest
import sqlalchemy as sa

if TYPE_CHECKING:
    from e2e.conftest import Airflow

pytestmark = pytest.mark.e2e


def of(airflow: Airflow, dataset: str) -> dict[str, list[tuple[Any, ...]]]:
    """Points and verdicts of a dataset by what they mean."""
    t = airflow.store.tables
    series = (t.series.c.column_name, t.series.c.metric, t.series.c.dimensions, t.series.c.level)
    numbers = ("value", "expected", "lower", "upper", "score", "severity", "reason", "history", "history_end")
    queries = {
        "points": sa.select(*series, *[t.points.c[name] for name in ("start", "seconds", "value", "status", "n")]).join(
            t.points, t.points.c.series_id == t.series.c.id
        ),
        "verdicts": sa.select(*series, t.slots.c.name, t.verdicts.c.start, *[t.verdicts.c[name] for name in numbers])
        .join(t.verdicts, t.verdicts.c.series_id == t.series.c.id)
        .join(t.slots, t.slots.c.id == t.verdicts.c.slot_id),
    }
    found = {}
    with airflow.store.engine.connect() as connection:
        for name, query in queries.items():
            mine = query.join(t.datasets, t.datasets.c.id == t.series.c.dataset_id).where(t.datasets.c.name == dataset)
            found[name] = sorted(map(tuple, connection.execute(mine)), key=repr)
    return found


def started(airflow: Airflow, body: dict[str, Any]) -> dict[str, Any]:
    """The backfill; Airflow may have made it and failed to say so, since its own SQLite was busy."""
    try:
        return airflow.call("api/v2/backfills", body)
    except HTTPError as error:
        if error.code != 409:
            raise
        (found,) = airflow.call(f"api/v2/backfills?dag_id={body['dag_id']}")["backfills"]
        return found


def test_thirty_days_through_airflows_backfill_equal_a_range_run(airflow: Airflow):
    told = len(airflow.slack.messages)
    body = {
        "dag_id": "parity_backfill",
        "from_date": "2013-01-02T00:00:00-05:00",
        "to_date": "2013-02-01T00:00:00-05:00",
        "reprocess_behavior": "none",
        "max_active_runs": 2,
        "run_backwards": True,
    }
    backfill = started(airflow, body)
    ranged = airflow.call(
        "api/v2/dags/parity_range/dagRuns", {"logical_date": None, "conf": {"lupus": {"start": "2013-01-01", "end": "2013-02-03"}}}
    )
    daily = [
        airflow.call("api/v2/dags/parity_backfill/dagRuns", {"logical_date": f"2013-02-0{day}T03:00:00-05:00"})["dag_run_id"]
        for day in (1, 2, 3)
    ]
    assert airflow.wait_for_run("parity_range", ranged["dag_run_id"]) == "success"
    assert [airflow.wait_for_run("parity_backfill", run, within=300) for run in daily] == ["success"] * 3
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline and airflow.call(f"api/v2/backfills/{backfill['id']}")["completed_at"] is None:
        time.sleep(2)
    runs = airflow.call("api/v2/dags/parity_backfill/dagRuns?run_type=backfill&limit=100")["dag_runs"]
    assert (len(runs), {run["state"] for run in runs}) == (30, {"success"})
    found, expected = of(airflow, "parity_backfill"), of(airflow, "parity_range")
    assert len({row[4] for row in expected["points"]}) == 33
    assert found["points"] == expected["points"]
    assert [row[:6] for row in found["verdicts"]] == [row[:6] for row in expected["verdicts"]]
    for mine, theirs in zip(found["verdicts"], expected["verdicts"], strict=True):
        assert mine[11:] == theirs[11:], "severity, reason and history"
        for number, other in zip(mine[6:11], theirs[6:11], strict=True):
            assert number == other or number == pytest.approx(other, rel=1e-9, abs=1e-12)
    assert len(airflow.slack.messages) == told
