"""One DAG for each kind of run: all of them must measure 8 February 2013, but for the manual one, which measures yesterday."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, CronPartitionTimetable, CronTriggerTimetable

from airflow_lupus import Files, MetricCollectOperator, TableMetrics

ZONE = "America/New_York"
NEW_YORK = ZoneInfo(ZONE)
ARRIVED = Asset("lupus_run_kinds")
MORNING = datetime(2013, 2, 9, 3, tzinfo=NEW_YORK)
SCHEDULES = {
    "kind_cron": "0 3 * * *",
    "kind_trigger": CronTriggerTimetable("0 3 * * *", timezone=ZONE),
    "kind_interval": CronDataIntervalTimetable("0 0 * * *", timezone=ZONE),
    "kind_partition": CronPartitionTimetable("0 3 * * *", timezone=ZONE, run_offset=-1),
    "kind_asset": [ARRIVED],
    "kind_manual": None,
}

for name, schedule in SCHEDULES.items():
    start = MORNING - timedelta(hours=1) if name != "kind_interval" else datetime(2013, 2, 8, tzinfo=NEW_YORK)
    dates = {"start_date": start, "end_date": start + timedelta(hours=2)} if name not in {"kind_asset", "kind_manual"} else {}
    with DAG(
        name, schedule=schedule, catchup=bool(dates), default_args={"retries": 2, "retry_delay": timedelta(seconds=2)}, **dates
    ) as dag:
        MetricCollectOperator(
            task_id="collect",
            dataset=name,
            source=Files(os.environ["LUPUS_DEMO_DATA"] + "/{period:%Y-%m-%d}.parquet"),
            timezone=ZONE,
            metrics=[TableMetrics(["row_count"])],
            on_missing="ignore" if name == "kind_manual" else "fail",
            outlets=[ARRIVED] if name == "kind_cron" else [],
        )
    globals()[name] = dag
