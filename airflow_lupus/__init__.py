"""Metric monitoring and anomaly detection for data and ML products, inside Apache Airflow.

Names are imported when they are first used: Airflow imports this package in every one of its processes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from airflow_lupus.engines import Spark
    from airflow_lupus.metric_sets.classification import Classification
    from airflow_lupus.metric_sets.drift import Baseline, Drift
    from airflow_lupus.metric_sets.fairness import Fairness
    from airflow_lupus.metric_sets.own import PythonMetric, Ratio, SqlMetric
    from airflow_lupus.metric_sets.ranking import Ranking
    from airflow_lupus.metric_sets.regression import Regression
    from airflow_lupus.notifications.slack import SlackNotifier
    from airflow_lupus.operators.collect import MetricCollectOperator
    from airflow_lupus.operators.detect import AnomalyDetectOperator
    from airflow_lupus.operators.monitor import MonitorOperator
    from airflow_lupus.processors import (
        ClassificationProcessor,
        DistributionProcessor,
        DriftProcessor,
        RankingProcessor,
        RegressionProcessor,
    )
    from airflow_lupus.sensors.data_missing import DataMissingSensor
    from airflow_lupus.sources import Delta, Files, Frame, Iceberg, Query, SparkTable, Table
    from airflow_lupus.specs import ColumnMetrics, TableMetrics

_WHERE = {
    "AnomalyDetectOperator": "airflow_lupus.operators.detect",
    "Baseline": "airflow_lupus.metric_sets.drift",
    "Classification": "airflow_lupus.metric_sets.classification",
    "ColumnMetrics": "airflow_lupus.specs",
    "DataMissingSensor": "airflow_lupus.sensors.data_missing",
    "Delta": "airflow_lupus.sources",
    "ClassificationProcessor": "airflow_lupus.processors",
    "DistributionProcessor": "airflow_lupus.processors",
    "RankingProcessor": "airflow_lupus.processors",
    "RegressionProcessor": "airflow_lupus.processors",
    "Fairness": "airflow_lupus.metric_sets.fairness",
    "Drift": "airflow_lupus.metric_sets.drift",
    "DriftProcessor": "airflow_lupus.processors",
    "Files": "airflow_lupus.sources",
    "Frame": "airflow_lupus.sources",
    "Iceberg": "airflow_lupus.sources",
    "MetricCollectOperator": "airflow_lupus.operators.collect",
    "MonitorOperator": "airflow_lupus.operators.monitor",
    "Query": "airflow_lupus.sources",
    "PythonMetric": "airflow_lupus.metric_sets.own",
    "Ratio": "airflow_lupus.metric_sets.own",
    "Ranking": "airflow_lupus.metric_sets.ranking",
    "Regression": "airflow_lupus.metric_sets.regression",
    "SlackNotifier": "airflow_lupus.notifications.slack",
    "SqlMetric": "airflow_lupus.metric_sets.own",
    "Spark": "airflow_lupus.engines",
    "SparkTable": "airflow_lupus.sources",
    "Table": "airflow_lupus.sources",
    "TableMetrics": "airflow_lupus.specs",
}

__all__ = [
    "AnomalyDetectOperator",
    "Baseline",
    "Classification",
    "ClassificationProcessor",
    "ColumnMetrics",
    "DataMissingSensor",
    "Delta",
    "DistributionProcessor",
    "Drift",
    "DriftProcessor",
    "Fairness",
    "Files",
    "Frame",
    "Iceberg",
    "MetricCollectOperator",
    "MonitorOperator",
    "PythonMetric",
    "Query",
    "Ranking",
    "RankingProcessor",
    "Ratio",
    "Regression",
    "RegressionProcessor",
    "SlackNotifier",
    "Spark",
    "SparkTable",
    "SqlMetric",
    "Table",
    "TableMetrics",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return __all__
