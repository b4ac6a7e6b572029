"""How the values of columns are distributed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_lupus.metric_sets.columns import ColumnMetrics
from airflow_lupus.processors.base import Processor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.specs import MetricSet


class DistributionProcessor(Processor):
    """Statistics of columns, and of the elements of list columns.

    >>> import pyarrow as pa
    >>> visits = pa.table({"region": ["EU", "EU", "US"], "age": [30, 40, 50], "ratings": [[5.0, 1.0], [3.0], []]})
    >>> metrics = DistributionProcessor(visits, group_columns=["region"], column_metrics={"age": ["avg"], "ratings": ["avg@1"]})
    >>> for row in metrics.get_metrics().to_pylist():
    ...     print(row["column"], row["metric"], row["level"], row["region"], row["value"])
    age avg leaf EU 35.0
    age avg leaf US 50.0
    age avg total None 40.0
    ratings avg@1 leaf EU 4.0
    ratings avg@1 leaf US None
    ratings avg@1 total None 4.0

    :param frame: a frame of pandas, Polars, Arrow, DuckDB or Spark.
    :param column_metrics: metrics by column, as of `MetricCollectOperator`.
    :param metrics: further metric sets, such as `[TableMetrics(["row_count"])]`.
    :param options: see `Processor`.
    """

    def __init__(
        self,
        frame: Any,
        *,
        column_metrics: Mapping[str, Sequence[str]],
        metrics: Sequence[MetricSet] = (),
        **options: Any,
    ) -> None:
        super().__init__(frame, [ColumnMetrics(column_metrics), *metrics], **options)
