"""How good predicted numbers are."""

from __future__ import annotations

from airflow_lupus.metric_sets.regression import Regression
from airflow_lupus.processors.base import SetProcessor


class RegressionProcessor(SetProcessor):
    """Metrics of a regressor, see `Regression`.

    >>> import pyarrow as pa
    >>> answers = pa.table({"pred": [1.0, 2.0], "gt": [1.0, 4.0]})
    >>> found = RegressionProcessor(answers, prediction="pred", ground_truth="gt", metrics=["mae", "bias"]).get_metrics()
    >>> [(row["metric"], row["value"]) for row in found.to_pylist()]
    [('mae', 1.0), ('bias', -1.0)]

    :param frame: a frame of pandas, Polars, Arrow, DuckDB or Spark.
    :param group_columns: a value for each combination of their values, and one over all rows.
    :param totals: whether there is one over all rows.
    :param where: an SQL condition on rows.
    :param described: `prediction`, `ground_truth`, `metrics` and what else `Regression` takes.
    """

    metric_set = Regression
