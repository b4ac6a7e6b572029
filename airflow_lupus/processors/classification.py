"""How good predicted labels are."""

from __future__ import annotations

from airflow_lupus.metric_sets.classification import Classification
from airflow_lupus.processors.base import SetProcessor


class ClassificationProcessor(SetProcessor):
    """Metrics of a classifier, see `Classification`.

    >>> import pyarrow as pa
    >>> answers = pa.table({"pred": ["cat", "dog", "cat"], "gt": ["cat", "dog", "dog"]})
    >>> found = ClassificationProcessor(answers, prediction="pred", ground_truth="gt", metrics=["accuracy", "recall"]).get_metrics()
    >>> sorted((row["metric"], row["label"] or "", round(row["value"], 3)) for row in found.to_pylist())
    [('accuracy', '', 0.667), ('recall', 'cat', 1.0), ('recall', 'dog', 0.5)]

    :param frame: a frame of pandas, Polars, Arrow, DuckDB or Spark.
    :param group_columns: a value for each combination of their values, and one over all rows.
    :param totals: whether there is one over all rows.
    :param where: an SQL condition on rows.
    :param described: `prediction`, `ground_truth`, `metrics` and what else `Classification` takes.
    """

    metric_set = Classification
