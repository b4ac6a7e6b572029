"""How good ranked lists are beside what turned out to be relevant, and how varied.

All but the last three are means over the rows, each a query, that have a relevant item; see `docs/ranking.md` for NULLs and repeated
items. A hit is a place of the prediction with a relevant item.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metrics.base import COUNTS, DISTINCT, NUMBER, PRESENT, SUM, VALID, Metric, element_type, is_list, list_of
from airflow_lupus.metrics.entities import Entropy, Unique
from airflow_lupus.metrics.operands import Elements, Gain, Hits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.metrics.base import Array, Bound

Row = tuple[Any, ...]
"""A prediction, a ground truth, and where there are grades these."""


class RankingMetric(Metric):
    """A mean over rows of a sum over hits.

    Subclasses say what a hit adds, by its place from 1, how many hits there are up to it, and how many relevant items the row has.
    """

    kind, unit, family, bad_direction = "ratio", "ratio", "ranking", "down"
    needs = (COUNTS, VALID)

    def over(self, hits: Hits) -> Metric:
        """This metric of a prediction and a ground truth."""
        return self.bound(hits)

    def fit(self, types: Mapping[str, str]) -> Metric:
        check_columns(self.name, self.operand, types)
        return self

    def each(self, place: Any, hits: Any, relevant: Any, length: Any) -> Any:
        """What a hit adds: of numbers, or of arrays that have one for each hit.

        :param length: of the prediction; None where it was not asked for.
        """
        raise NotImplementedError

    def value(self, state: Bound) -> Array:
        import numpy as np

        counts = state.counts()
        columns = [np.asarray(values).astype(float) for values in counts.values]
        kept = columns[0] > 0
        if self.first is not None:
            kept &= columns[0] <= self.first
        place, hits, relevant, *length = (values[kept] for values in columns)
        added = self.each(place, hits, relevant, length[0] if length else None) * counts.n[kept]
        return np.asarray(np.bincount(counts.group[kept], added, state.state.size) / state[VALID])

    def of(self, values: Sequence[Row]) -> float | None:
        scores = [score for row in values if (score := self.of_row(*row)) is not None]
        return math.fsum(scores) / len(scores) if scores else None

    def of_row(self, prediction: Sequence[Any] | None, truth: Sequence[Any] | None, grades: Sequence[Any] | None = None) -> float | None:
        """The definition of a row in plain Python; None without relevant items."""
        relevant = graded(truth, grades)
        places = hit_places(prediction, relevant, self.first)
        length = len(prediction or ())
        scores = [float(self.each(place, hits, len(relevant), length)) for hits, place in enumerate(places, start=1)]
        return math.fsum(scores) if relevant else None


def check_columns(name: str, operand: Any, types: Mapping[str, str]) -> None:
    """Raise where the columns are not the lists that they have to be."""
    prediction, *truth = operand.columns[:2]
    for column in operand.columns[:2]:
        if not is_list(types[column]):
            msg = f"{name!r} needs lists of items; column {column!r} is of type {types[column]}"
            raise SpecError(msg)
    for column in truth:
        if element_type(types[column]) != element_type(types[prediction]):
            msg = (
                f"{name!r} compares the items of column {prediction!r}, which is of type {types[prediction]}, with those of {column!r}, "
                f"which is of type {types[column]}: they must be of the same type"
            )
            raise SpecError(msg)
    for column in operand.columns[2:]:
        if types[column] != list_of(NUMBER):
            msg = f"{name!r} needs grades as {list_of(NUMBER)}; column {column!r} is of type {types[column]}"
            raise SpecError(msg)


def graded(truth: Sequence[Any] | None, grades: Sequence[Any] | None = None) -> dict[Any, float]:
    """The different relevant items and their grades.

    >>> graded(["a", None, "b", "a"]), graded(["a", "b", "c"], [2, 0, None])
    ({'a': 1.0, 'b': 1.0}, {'a': 2})
    """
    found: dict[Any, float] = {}
    for i, item in enumerate(truth or ()):
        grade = 1.0 if grades is None else grades[i] if i < len(grades) else None
        if item is not None and item == item:  # noqa: PLR0124  NaN is not itself
            found.setdefault(item, grade if grade is not None and grade > 0 else 0.0)
    return {item: grade for item, grade in found.items() if grade > 0}


def hit_places(prediction: Sequence[Any] | None, relevant: Mapping[Any, float], first: int | None = None) -> list[int]:
    """The places from 1 at which relevant items stand for the first time.

    >>> hit_places(["a", None, "x", "a", "b"], {"a": 1.0, "b": 1.0})
    [1, 5]
    """
    items = list(prediction or ())[:first]
    return [i + 1 for i, item in enumerate(items) if item in relevant and items.index(item) == i]


class Ndcg(RankingMetric):
    """Normalised discounted cumulative gain: DCG / ideal DCG, with DCG = Σ gain / log₂(place + 1) over the hits, and the ideal one that
    of the relevant items in the best order, cut at k too. The gain is 1, or with `relevance` the item's grade as it is (linear).

    Source: K. Järvelin and J. Kekäläinen, "Cumulated Gain-Based Evaluation of IR Techniques" (2002), as trec_eval's `ndcg_cut`.

    >>> round(Ndcg().of([(["a", "x", "b"], ["b", "a"]), (["a"], ["a"])]), 6)
    0.95986
    >>> round(Ndcg().of([(["a", "b"], ["a", "b"], [1, 3])]), 6)
    0.796708
    """

    name = "ndcg"

    def over(self, hits: Hits) -> Metric:
        if hits.relevance is None:
            return self.bound(hits)
        metric = self.bound(Gain(hits.prediction, hits.ground_truth, hits.relevance, self.first))
        metric.needs = (SUM, VALID)
        return metric

    def value(self, state: Bound) -> Array:
        return state[SUM] / state[VALID] if isinstance(self.operand, Gain) else super().value(state)

    def each(self, place: Any, hits: Any, relevant: Any, length: Any) -> Any:  # noqa: ARG002
        import numpy as np

        best = np.minimum(relevant, self.first or np.inf).astype(int)
        ideal = np.cumsum(1 / np.log2(np.arange(2, best.max(initial=1) + 2)))
        return 1 / np.log2(place + 1) / ideal[best - 1]

    def of_row(self, prediction: Sequence[Any] | None, truth: Sequence[Any] | None, grades: Sequence[Any] | None = None) -> float | None:
        relevant = graded(truth, grades)
        best = sorted(relevant.values(), reverse=True)[: self.first]
        gained = math.fsum(relevant[(prediction or ())[i - 1]] / math.log2(i + 1) for i in hit_places(prediction, relevant, self.first))
        return gained / math.fsum(gain / math.log2(i + 2) for i, gain in enumerate(best)) if best else None


class Precision(RankingMetric):
    """The share of relevant items among the first k: hits / k, also of lists that are shorter, as trec_eval's `P`; without k hits / length.

    Source: C. D. Manning, P. Raghavan and H. Schütze, "Introduction to Information Retrieval" (2008), 8.4.

    >>> Precision().of([(["a", "x", "b", "y"], ["b", "a", "c"])])
    0.5
    """

    name = "precision"

    def each(self, place: Any, hits: Any, relevant: Any, length: Any) -> Any:  # noqa: ARG002
        return 1 / (self.first or length)


class Recall(RankingMetric):
    """The share of the relevant items that are among the first k: hits / relevant, as trec_eval's `recall`.

    Source: C. D. Manning, P. Raghavan and H. Schütze, "Introduction to Information Retrieval" (2008), 8.3.

    >>> Recall().of([(["a", "x"], ["b", "a"])])
    0.5
    """

    name = "recall"

    def each(self, place: Any, hits: Any, relevant: Any, length: Any) -> Any:  # noqa: ARG002
        return 1 / relevant


class MeanAveragePrecision(RankingMetric):
    """Mean average precision: Σ over the hits of (hits up to it / its place), divided by the relevant items, also where they are more
    than k, as trec_eval's `map_cut`.

    Source: C. D. Manning, P. Raghavan and H. Schütze, "Introduction to Information Retrieval" (2008), 8.4.

    >>> round(MeanAveragePrecision().of([(["a", "x", "b"], ["b", "a"])]), 6)
    0.833333
    """

    name = "map"

    def each(self, place: Any, hits: Any, relevant: Any, length: Any) -> Any:  # noqa: ARG002
        return hits / place / relevant


class Mrr(RankingMetric):
    """Mean reciprocal rank: 1 / place of the first hit, 0 without one, as trec_eval's `recip_rank`.

    Source: E. M. Voorhees, "The TREC-8 Question Answering Track Report" (1999).

    >>> Mrr().of([(["x", "a", "b"], ["b", "a"]), (["x"], ["a"])])
    0.25
    """

    name = "mrr"

    def each(self, place: Any, hits: Any, relevant: Any, length: Any) -> Any:  # noqa: ARG002
        return (hits == 1) / place


class HitRate(RankingMetric):
    """The share of rows with a hit among the first k, as trec_eval's `success`.

    Source: M. Deshpande and G. Karypis, "Item-Based Top-N Recommendation Algorithms" (2004).

    >>> HitRate().of([(["x", "a", "b"], ["b", "a"]), (["x"], ["a"])])
    0.5
    """

    name = "hit_rate"

    def each(self, place: Any, hits: Any, relevant: Any, length: Any) -> Any:  # noqa: ARG002
        return (hits == 1) * 1.0


class OfItems(Metric):
    """A metric of the items that are predicted, whether they are relevant or not: of all rows."""

    family: ClassVar[str] = "ranking"

    def over(self, hits: Hits) -> Metric:
        """This metric of a prediction."""
        return self.bound(Elements(hits.prediction, self.first))

    def fit(self, types: Mapping[str, str]) -> Metric:
        check_columns(self.name, self.operand, types)
        return self


class UniqueItems(OfItems, Unique):
    """Different items among the first k of all predictions: `unique` of the prediction's column.

    >>> UniqueItems().of(["a", "b", None, "a"])
    2.0
    """


class ItemEntropy(OfItems, Entropy):
    """How evenly predictions are spread over items, −Σ p·ln p in nats: `entropy` of the prediction's column.

    Source: C. E. Shannon, "A Mathematical Theory of Communication" (1948).

    >>> round(ItemEntropy().of(["a", "b", "a", "b"]), 6)
    0.693147
    """


class Coverage(OfItems):
    """The share of the catalogue that is predicted at all: different items among the first k / `catalog`.

    Source: M. Ge, C. Delgado-Battenfeld and D. Jannach, "Beyond Accuracy: Evaluating Recommender Systems by Coverage and Serendipity"
    (2010).

    >>> coverage = Coverage()
    >>> coverage.catalog = 10
    >>> coverage.of(["a", "b", None, "a"])
    0.2
    """

    name, kind, unit = "coverage", "ratio", "ratio"
    needs = (DISTINCT,)
    behind = PRESENT
    catalog: int = 1
    """How many items there are."""

    def value(self, state: Bound) -> Array:
        return state[DISTINCT] / self.catalog

    def defined(self, state: Bound) -> Array:
        return state.everywhere()

    def of(self, values: Sequence[Any]) -> float:
        return Unique().of(values) / self.catalog
