"""Every flight out of New York in 2013: metrics by airport, judged, and told to Slack.

On 8 and 9 February winter storm Nemo cancelled half of all flights; a cancelled flight has no `dep_time`. `make demo` runs this DAG over
the year: as range runs, and the two days of the storm as daily runs, the way they would have come in.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import DAG

from airflow_lupus import AnomalyDetectOperator, DataMissingSensor, Files, MetricCollectOperator, SlackNotifier, TableMetrics
from airflow_lupus.detectors import Threshold, Window

NEW_YORK = ZoneInfo("America/New_York")
FOLDER = os.environ.get("LUPUS_DEMO_DATA", "data/flights")

flights = Files(FOLDER + "/{period:%Y-%m-%d}.parquet")


def far_from_usual(sigmas: float) -> Window:
    """So many standard deviations from the mean of four weeks, outliers aside."""
    return Window(periods=28, center="mean", spread="sigma", threshold=sigmas)


# A window knows no weekdays: Saturdays, with a quarter fewer flights, have to fit into it.
half_of_usual = Window(periods=28, spread="percent", threshold=45)
slack = SlackNotifier(slack_conn_id="slack_default", channel="#flights")

with DAG(
    "nyc_flights",
    schedule="0 3 * * *",
    start_date=datetime(2013, 1, 2, tzinfo=NEW_YORK),
    end_date=datetime(2014, 1, 1, 12, tzinfo=NEW_YORK),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=5)},
    doc_md=__doc__,
    tags=["lupus", "example"],
) as dag:
    wait = DataMissingSensor(
        task_id="wait",
        source=flights,
        min_rows=500,
        expected_groups={"origin": ["EWR", "JFK", "LGA"]},
        time_column="time_hour",
        mode="reschedule",
        poke_interval=60,
        timeout=timedelta(hours=2),
        on_missing_callback=[slack],
    )
    collect = MetricCollectOperator(
        task_id="collect",
        source=flights,
        dataset="flights",
        time_column="time_hour",
        group_columns=["origin"],
        column_metrics={
            "dep_time": ["null_ratio"],
            "dep_delay": ["avg", "p50", "p95"],
            "distance": ["sum"],
            "carrier": ["count", "unique"],
        },
        metrics=[TableMetrics(["row_count"])],
        units={"dep_delay": "minutes", "distance": "miles"},
        owner="@data-core",
    )
    detect = AnomalyDetectOperator(
        task_id="detect",
        dataset="flights",
        detectors={
            "*": half_of_usual,
            "dep_delay.*": far_from_usual(8),
            "carrier.*": far_from_usual(8),
            "dep_time.null_ratio": [Threshold(upper=0.3, severity="critical"), far_from_usual(10)],
        },
        on_anomaly_callback=[slack],
    )
    wait >> collect >> detect
