"""Destinations recommended at the airports of New York, hour by hour in 2013: how good, how varied, and told when they change.

What is recommended comes from a simple model over the real flights, and what is relevant are the destinations that flights left for in that
hour. On 3 June version 2 of the model replaces version 1. It is better, and recommends other things: the first is nothing to be told of,
the second is.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import DAG

from airflow_lupus import AnomalyDetectOperator, Baseline, Drift, Files, MetricCollectOperator, Ranking, SlackNotifier, TableMetrics
from airflow_lupus.detectors import Threshold, Window

NEW_YORK = ZoneInfo("America/New_York")
FOLDER = os.environ.get("LUPUS_DEMO_RECOMMENDATIONS", "data/recommendations")
DESTINATIONS = 105
QUALITY = ["ndcg@5", "recall@10", "mrr", "hit_rate@1"]
VARIETY = ["unique@5", "entropy@10", "coverage@5"]

# The log itself knows its version; a run tells it by what it measures: the day before it, or a range up to the switch.
MODEL_VERSION = "{{ '1' if dag_run.conf.get('lupus', {}).get('end', ds) <= '2013-06-03' else '2' }}"

recommendations = Files(FOLDER + "/{period:%Y-%m-%d}.parquet")

with DAG(
    "route_recommendations",
    schedule="0 3 * * *",
    start_date=datetime(2013, 1, 30, tzinfo=NEW_YORK),
    end_date=datetime(2014, 1, 1, 12, tzinfo=NEW_YORK),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=5)},
    doc_md=__doc__,
    tags=["lupus", "example"],
) as dag:
    collect = MetricCollectOperator(
        task_id="collect",
        source=recommendations,
        dataset="route_recommendations",
        time_column="time_hour",
        group_columns=["origin"],
        column_metrics={
            # Lists: of their first elements, and of the lists themselves.
            "recommended": ["count@3", "unique@5", "entropy@10", "length_avg"],
            "scores": ["avg@1", "null_ratio"],
            "model_version": ["frequency"],
        },
        metrics=[
            TableMetrics(["row_count"]),
            Ranking("recommended", "flown", catalog=DESTINATIONS, metrics=[*QUALITY, "coverage@5"]),
            # What is recommended first, beside all that the version before recommended.
            Drift({"top_choice": ["jensen_shannon", "unseen_ratio"]}, reference=Baseline(label={"model_version": "previous"})),
        ],
        labels={"model_version": MODEL_VERSION},
        owner="@recommendations",
    )
    detect = AnomalyDetectOperator(
        task_id="detect",
        dataset="route_recommendations",
        # A metric without a pattern is shown and not judged: of one destination in one day there are too few.
        detectors={
            "*.row_count": Window(spread="percent", threshold=45),
            # Judged downward only, since each of these metrics knows which way is bad …
            **{f"recommended.{metric}": Window(center="mean", spread="sigma", threshold=5) for metric in QUALITY},
            # … and these both ways.
            **{f"recommended.{metric}": Window(spread="percent") for metric in VARIETY},
            "recommended.length_avg": Window(spread="percent", threshold=5),
            "scores.avg@1": Window(spread="percent"),
            "scores.null_ratio": Threshold(upper=0),
        },
        on_anomaly_callback=[SlackNotifier(slack_conn_id="slack_default", channel="#recommendations")],
    )
    collect >> detect
