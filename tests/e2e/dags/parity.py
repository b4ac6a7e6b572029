"""Two DAGs that differ in nothing but their dataset's name: one is filled by Airflow's backfill, the other by a range run."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, CronTriggerTimetable

from airflow_lupus import Files, MonitorOperator, TableMetrics
from airflow_lupus.detectors import Threshold, Window

ZONE = "America/New_York"

for name in ("parity_backfill", "parity_range"):
    with DAG(
        name,
        schedule=CronTriggerTimetable("0 3 * * *", timezone=ZONE),
        start_date=datetime(2013, 1, 1, tzinfo=ZoneInfo(ZONE)),
        end_date=datetime(2013, 3, 1, tzinfo=ZoneInfo(ZONE)),
        catchup=False,
        max_active_runs=3,
        default_args={"retries": 2, "retry_delay": timedelta(seconds=2)},
    ) as dag:
        MonitorOperator(
            task_id="watch",
            dataset=name,
            source=Files(os.environ["LUPUS_DEMO_DATA"] + "/{period:%Y-%m-%d}.parquet"),
            timezone=ZONE,
            metrics=[TableMetrics(["row_count"])],
            column_metrics={"dep_delay": ["avg", "p95"], "dep_time": ["null_ratio"], "carrier": ["count"]},
            group_columns=["origin"],
            detectors={"*": Window(periods=10, min_history=5), "dep_time.null_ratio": [Threshold(upper=0.3), Window(min_history=5)]},
            history=None,
        )
    globals()[name] = dag
