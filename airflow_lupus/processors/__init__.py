"""Metrics of a frame in hand, without Airflow: pandas, Polars, Arrow, DuckDB or Spark."""

from airflow_lupus.processors.base import Processor
from airflow_lupus.processors.classification import ClassificationProcessor
from airflow_lupus.processors.distribution import DistributionProcessor
from airflow_lupus.processors.drift import DriftProcessor
from airflow_lupus.processors.ranking import RankingProcessor
from airflow_lupus.processors.regression import RegressionProcessor

__all__ = [
    "ClassificationProcessor",
    "DistributionProcessor",
    "DriftProcessor",
    "Processor",
    "RankingProcessor",
    "RegressionProcessor",
]
