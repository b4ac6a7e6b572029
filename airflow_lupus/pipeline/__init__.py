"""collect(), measure() and judge(): pure composition of engines, detectors and stores. Nothing here or below imports Airflow."""

from __future__ import annotations

from airflow_lupus.pipeline.collecting import collect
from airflow_lupus.pipeline.judging import judge
from airflow_lupus.pipeline.measuring import measure

__all__ = ["collect", "judge", "measure"]
