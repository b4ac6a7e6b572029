"""Which flights out of New York will arrive more than 15 minutes late: predictions watched on the day, their quality a week later.

A prediction can be looked at on the day it is made: how high scores are, how many flights are said to be late, how many have no score at
all. Whether it was right is known when the labels come, a week later. So there are two datasets, and one DAG that measures yesterday for
the first and the day a week before it for the second. A point stands at the day of the flights in both.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import DAG

from airflow_lupus import AnomalyDetectOperator, Classification, Files, MetricCollectOperator, SlackNotifier, TableMetrics
from airflow_lupus.detectors import Threshold, Window

NEW_YORK = ZoneInfo("America/New_York")
FOLDER = os.environ.get("LUPUS_DEMO_DELAYS", "data/delays")
UNTIL_LABELLED = 7
"""Days."""

predictions = Files(FOLDER + "/predictions/{period:%Y-%m-%d}.parquet")
labelled = Files(FOLDER + "/labelled/{period:%Y-%m-%d}.parquet")
slack = SlackNotifier(slack_conn_id="slack_default", channel="#delays")


def far_from_usual(sigmas: float) -> Window:
    """So many standard deviations from the mean of four weeks, outliers aside."""
    return Window(center="mean", spread="sigma", threshold=sigmas)


with DAG(
    "delay_predictions",
    schedule="0 3 * * *",
    start_date=datetime(2013, 2, 8, tzinfo=NEW_YORK),
    end_date=datetime(2014, 1, 8, 12, tzinfo=NEW_YORK),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=5)},
    doc_md=__doc__,
    tags=["lupus", "example"],
) as dag:
    collect_predictions = MetricCollectOperator(
        task_id="collect_predictions",
        source=predictions,
        dataset="delay_predictions",
        time_column="time_hour",
        group_columns=["origin"],
        column_metrics={
            "score": ["null_ratio", "avg", "p50", "p95"],
            "late_predicted": ["avg"],  # of true and false: the share that is said to be late
        },
        metrics=[TableMetrics(["row_count"])],
        owner="@delays",
    )
    detect_predictions = AnomalyDetectOperator(
        task_id="detect_predictions",
        dataset="delay_predictions",
        detectors={
            "*.row_count": Window(spread="percent", threshold=45),
            "score.*": Window(spread="percent", threshold=50),
            "score.null_ratio": Threshold(upper=0.05, severity="major"),
            "late_predicted.avg": far_from_usual(6),
        },
        on_anomaly_callback=[slack],
    )
    collect_quality = MetricCollectOperator(
        task_id="collect_quality",
        source=labelled,
        dataset="delay_quality",
        time_column="time_hour",
        group_columns=["origin"],
        column_metrics={"late": ["null_ratio", "avg"]},  # cancelled flights never get a label
        metrics=[
            Classification("late_predicted", "late", score="score", metrics=["accuracy", "recall", "f1", "roc_auc", "log_loss", "ece"]),
        ],
        period_offset=-UNTIL_LABELLED,
        owner="@delays",
    )
    detect_quality = AnomalyDetectOperator(
        task_id="detect_quality",
        dataset="delay_quality",
        detectors={
            # Each metric knows which way is bad: log_loss is judged upward, accuracy downward.
            "late_predicted.*": far_from_usual(5),
            "late_predicted.accuracy": [Threshold(lower=0.5), far_from_usual(5)],
            "late.avg": far_from_usual(5),
            "late.null_ratio": Threshold(upper=0.15, severity="major"),
        },
        period_offset=-UNTIL_LABELLED,
        on_anomaly_callback=[slack],
    )
    collect_predictions >> detect_predictions
    collect_quality >> detect_quality
