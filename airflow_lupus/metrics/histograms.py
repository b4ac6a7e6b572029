"""How a column's values are spread in a group of rows: what drift is told from, small, and added up over periods and groups."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_lupus.metrics.base import COUNTS, SUM, VALID, Primitive
from airflow_lupus.metrics.operands import Column, Expression
from airflow_lupus.model import canonical_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.metrics.base import Array, Need, State
    from airflow_lupus.model import DimensionValue

CATEGORIES = 1_000
"""Of a group with more different values the most frequent are told apart."""
Edges = tuple[float, ...]


@dataclass(frozen=True)
class Binned:
    """Numbers in bins, the first being those below all edges and the last those above.

    :param counts: how many, k + 2 of them for k + 1 edges.
    :param areas: Σ of how far the values reach into each bin; of the first, how far below it they are. From these the area between two
        distribution functions follows.
    """

    counts: Array
    areas: Array

    @property
    def n(self) -> int:
        return int(self.counts.sum())

    def __add__(self, other: Binned) -> Binned:
        return Binned(self.counts + other.counts, self.areas + other.areas)

    def to_text(self) -> str:
        """As stores keep it."""
        areas = [float(area) if math.isfinite(area) else repr(float(area)) for area in self.areas]
        return canonical_json({"areas": areas, "counts": [int(count) for count in self.counts]})


@dataclass(frozen=True)
class Categories:
    """How often each value is there.

    :param other: how many have a value that is not told apart.
    """

    counts: Counter[DimensionValue] = field(default_factory=Counter)
    other: int = 0

    @property
    def n(self) -> int:
        return sum(self.counts.values()) + self.other

    def __add__(self, other: Categories) -> Categories:
        return Categories(self.counts + other.counts, self.other + other.other)

    def to_text(self) -> str:
        """As stores keep it: the most frequent values, and of the rest how many.

        >>> Categories(Counter({"b": 1, "a": 2})).to_text()
        '{"other":0,"values":[["a",2],["b",1]]}'
        """
        pairs = sorted(self.counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
        return canonical_json({"other": self.other + sum(n for _, n in pairs[CATEGORIES:]), "values": pairs[:CATEGORIES]})


Histogram = Binned | Categories


def from_text(text: str) -> Histogram:
    """What `to_text` wrote.

    >>> from_text('{"other":3,"values":[["a",2]]}').n
    5
    """
    kept = json.loads(text)
    if "values" in kept:
        return Categories(Counter(dict(kept["values"])), kept["other"])
    return Binned(np.array(kept["counts"]), np.array([float(area) for area in kept["areas"]]))


def quantile_needs(column: str, bins: int) -> list[Need]:
    """What `edges` is made of."""
    return [(Column(column), Primitive("quantile", i / bins)) for i in range(bins + 1)]


def edges(quantiles: Sequence[float]) -> Edges | None:
    """The edges of bins that hold about as many values each; None where there is no finite value.

    A value that several of the quantiles have is a bin of its own, so that a frequent one (a 0 for "nothing") never hides its neighbours.

    >>> edges([0.0, 1.5, 3.0, 9.0])
    (0.0, 1.5, 3.0, 9.0)
    >>> edges([0.0, 0.0, 3.0, 9.0, 9.0])
    (0.0, 1e-300, 3.0, 9.0, 9.0)
    """
    finite = sorted(float(q) + 0.0 for q in quantiles if math.isfinite(q))  # of two zeros one
    if not finite:
        return None
    times = Counter(finite)
    found = set(finite)
    for value in times:
        if times[value] > 1 and value != finite[-1]:
            found.add(math.nextafter(value, math.inf) if value else 1e-300)  # not every database reads the least of doubles
    return (*sorted(found), finite[-1]) if times[finite[-1]] > 1 or len(found) == 1 else tuple(sorted(found))


def needs(column: str, of: Edges | None) -> list[Need]:
    """What a histogram of a column is made of.

    :param of: the edges of its bins; None: its values are told apart. No edges at all are those of a column that never had a value.
    """
    if of is None:
        return [(Column(column), COUNTS), (Column(column), VALID)]
    if not of:
        return []
    return [(Column(column), VALID), *((each, VALID) for each in _below(column, of)), *((each, SUM) for each in _areas(column, of))]


def histograms(state: State, column: str, of: Edges | None) -> list[Histogram]:
    """The histogram of each group, from what `needs` says."""
    if of is None:
        return _categories(state, column)
    if not of:
        return [Binned(np.zeros(0), np.zeros(0))] * state.size
    below = np.array([state.arrays[each, VALID] for each in _below(column, of)])
    valid = state.arrays[Column(column), VALID]
    counts = np.diff(np.vstack([np.zeros(state.size), below, valid]), axis=0).T.round().astype(np.int64)
    areas = np.array([state.arrays[each, SUM] for each in _areas(column, of)]).T
    return [Binned(*pair) for pair in zip(counts, areas, strict=True)]


def _below(column: str, of: Edges) -> list[Expression]:
    """Something for each row that is below an edge; the last bin has its upper edge too."""
    conditions = [*(f"< {_double(edge)}" for edge in of[:-1]), f"<= {_double(of[-1])}"]
    return [Expression(f"CASE WHEN {{0}} {each} THEN 1e0 END", (column,), "below") for each in conditions]


def _areas(column: str, of: Edges) -> list[Expression]:
    first, last = _double(of[0]), _double(of[-1])
    inside = [(_double(low), _double(high)) for low, high in pairwise(of)]
    templates = [
        f"CASE WHEN {{0}} < {first} THEN {first} - {{0}} END",
        *(f"CASE WHEN {{0}} > {low} THEN least({{0}}, {high}) - {low} END" for low, high in inside),
        f"CASE WHEN {{0}} > {last} THEN {{0}} - {last} END",
    ]
    return [Expression(template, (column,), "area") for template in templates]


def _double(value: float) -> str:
    """A double as every database reads it: without an exponent it would be a decimal. In brackets, since two minus signs are a comment."""
    text = repr(value)
    return f"({text})" if "e" in text else f"({text}e0)"


def _categories(state: State, column: str) -> list[Histogram]:
    counts = state.counted[Column(column)].valid()
    found: list[Counter[Any]] = [Counter() for _ in range(state.size)]
    for group, value, n in zip(counts.group.tolist(), counts.only.to_pylist(), counts.n.tolist(), strict=True):
        found[group][value] += n
    return [Categories(each) for each in found]
