"""Metrics of ranked lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metric_sets.base import MetricSet, named
from airflow_lupus.metrics.operands import Hits
from airflow_lupus.metrics.ranking import Coverage, OfItems, Precision, RankingMetric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.metrics import Metric

DEFAULTS = ("ndcg@10", "precision@10", "recall@10", "map@10", "mrr", "hit_rate@10", "unique@10", "entropy@10")


@dataclass(frozen=True)
class Ranking(MetricSet):
    """Metrics of ranked lists of items: `Ranking("recommended", "bought", metrics=["ndcg@10", "recall@10"])`.

    :param prediction: a list column, the best item first.
    :param ground_truth: a list column of the items that turned out to be relevant.
    :param relevance: a list column parallel to the ground truth with the grade of each item; without it all are equally relevant.
    :param catalog: how many items there are, for `coverage`.
    :param metrics: names as in `ndcg@10`; without `@k` they are of whole lists.
    """

    prediction: str
    ground_truth: str
    relevance: str | None = None
    catalog: int | None = None
    metrics: Sequence[str] = DEFAULTS

    def __post_init__(self) -> None:
        if isinstance(self.metrics, str):
            msg = f"Ranking needs a list of metrics, not the text {self.metrics!r}"
            raise SpecError(msg)
        if not self.metrics:
            msg = "Ranking names no metric"
            raise SpecError(msg)
        if self.catalog is not None and (isinstance(self.catalog, bool) or not isinstance(self.catalog, int) or self.catalog < 1):
            msg = f"Ranking: catalog is how many items there are, such as catalog=10_000, not {self.catalog!r}"
            raise SpecError(msg)
        for metric in self._named():
            if isinstance(metric, Coverage) and self.catalog is None:
                msg = f"Ranking: {metric.name!r} needs catalog=, how many items there are"
                raise SpecError(msg)

    def pairs(self) -> list[tuple[str, Metric]]:
        metrics = self._named()
        ranked = [metric for metric in metrics if isinstance(metric, RankingMetric)]
        # One pass over the hits serves all: as deep as the deepest looks.
        depths = [metric.first for metric in ranked if metric.first is not None]
        depth = max(depths) if len(depths) == len(ranked) and depths else None
        lengths = any(isinstance(metric, Precision) and metric.first is None for metric in ranked)
        hits = Hits(self.prediction, self.ground_truth, self.relevance, depth, lengths)
        found = [metric.over(hits) for metric in metrics]
        for metric in found:
            if isinstance(metric, Coverage) and self.catalog is not None:
                metric.catalog = self.catalog
        return [(self.prediction, metric) for metric in found]

    def definition(self) -> dict[str, Any]:
        of = {"prediction": self.prediction, "ground_truth": self.ground_truth, "relevance": self.relevance, "catalog": self.catalog}
        return {"ranking": {name: value for name, value in of.items() if value is not None}}

    def _named(self) -> list[RankingMetric | OfItems]:
        names = dict.fromkeys(self.metrics)
        return [cast("RankingMetric | OfItems", named(name, "Ranking", "ranking")) for name in names]
