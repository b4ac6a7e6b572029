"""How good ranked lists are."""

from __future__ import annotations

from airflow_lupus.metric_sets.ranking import Ranking
from airflow_lupus.processors.base import SetProcessor


class RankingProcessor(SetProcessor):
    """Metrics of ranked lists of items, see `Ranking`.

    >>> import pyarrow as pa
    >>> answers = pa.table({"pred": [["a", "b"], ["c", "d"]], "gt": [["b"], ["c"]]})
    >>> found = RankingProcessor(answers, prediction="pred", ground_truth="gt", metrics=["mrr", "recall@1"]).get_metrics()
    >>> [(row["metric"], row["value"]) for row in found.to_pylist()]
    [('mrr', 0.75), ('recall@1', 0.5)]

    :param frame: a frame of pandas, Polars, Arrow, DuckDB or Spark.
    :param group_columns: a value for each combination of their values, and one over all rows.
    :param totals: whether there is one over all rows.
    :param where: an SQL condition on rows.
    :param described: `prediction`, `ground_truth`, `metrics` and what else `Ranking` takes.
    """

    metric_set = Ranking
