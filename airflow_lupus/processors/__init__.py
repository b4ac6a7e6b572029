"""Metrics of a frame in hand, without Airflow: pandas, Polars, Arrow, DuckDB or Spark."""

from airflow_lupus.processors.base import Processor
from airflow_lupus.processors.distribution import DistributionProcessor
from airflow_lupus.processors.drift import DriftProcessor

__all__ = ["DistributionProcessor", "DriftProcessor", "Processor"]
