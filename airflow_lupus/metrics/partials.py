"""Partials: the primitives of a group of rows that merge with those of others, as text that stores keep.

A primitive is kept under the operand's label and its own name: `sum`, of the first five elements of lists `sum@5`, of lengths
`length.sum`.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_lupus.metrics.base import COUNTS, ROWS, State
from airflow_lupus.metrics.counting import Counts
from airflow_lupus.metrics.entities import EntityCount
from airflow_lupus.metrics.merging import merged as merged_state
from airflow_lupus.metrics.merging import with_beside
from airflow_lupus.metrics.operands import Column, Elements, Rows
from airflow_lupus.model import ANY_COLUMN, ENTITY_COUNT, canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_lupus.metrics.base import Metric, Need

ENTITIES_KEPT = 1_000
"""Of a group with more different values of a column no counts are kept."""
Primitives = dict[str, Any]
"""Label and name of a primitive → its value."""


def key(of: Need) -> str:
    """What a primitive is kept under.

    >>> from airflow_lupus.metrics.operands import Length
    >>> [key((operand, ROWS)) for operand in (Rows(), Column("a"), Elements("a"), Elements("a", 5), Length("a"))]
    ['rows', 'rows', 'rows@', 'rows@5', 'length.rows']
    """
    operand, primitive = of
    label = operand.label
    return primitive.name + label if label.startswith("@") else f"{label}.{primitive.name}" if label else primitive.name


def to_text(kept: Mapping[str, Any]) -> str:
    """What of a group's primitives merges.

    >>> to_text({"rows": 3, "max": float("inf"), "counts": {"UA": 2, "AA": 1}})
    '{"counts":[["AA",1],["UA",2]],"max":"inf","rows":3}'
    """
    return canonical_json({name: _written(value) for name, value in kept.items() if not _too_many(value)})


def _too_many(value: Any) -> bool:
    return isinstance(value, dict) and len(value) > ENTITIES_KEPT


def _written(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted(([entity, count] for entity, count in value.items()), key=lambda pair: (str(pair[0]), pair[1]))
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def from_text(text: str) -> Primitives:
    """The primitives that `to_text` kept."""
    return {
        name: dict(value) if isinstance(value, list) else float(value) if isinstance(value, str) else value
        for name, value in json.loads(text).items()
    }


def kept_name(metric: Metric) -> str:
    """What a metric is called beside its partials: a count per entity is not a count."""
    return metric.name.replace("count", ENTITY_COUNT, 1) if isinstance(metric, EntityCount) else metric.name


def metric_kept(name: str, column: str, kept: Sequence[Primitives]) -> Metric:
    """The metric that a `kept_name` stands for, taken of what was kept of a column."""
    from airflow_lupus.metrics import metric_named

    if column == ANY_COLUMN:
        return metric_named(name, "table")
    metric = metric_named(name.replace(ENTITY_COUNT, "count"))
    if name.startswith(ENTITY_COUNT):
        first, metric = metric.first, EntityCount()
        metric.name, metric.first = name.replace(ENTITY_COUNT, "count"), first
    of_list = any("@" in each for each in kept[0])
    return metric.bound(Elements(column, metric.first) if of_list else Column(column))


def needed(metrics: Iterable[Metric]) -> list[Need]:
    """What has to be kept for these metrics to merge."""
    return with_beside([(Rows(), ROWS), *(each for metric in metrics for each in metric.needed)])


def merged(kept: Sequence[Primitives], metric: Metric) -> State | None:
    """The state that a metric needs of all the rows of some groups; None where something was not kept of each.

    >>> from airflow_lupus.metrics import metric_named
    >>> metric = metric_named("null_ratio").bound(Column("delay"))
    >>> state = merged([from_text('{"rows":2,"present":1}'), from_text('{"rows":1,"present":1}')], metric)
    >>> metric.value(state.of(metric.operand))
    array([0.33333333])
    """
    state = State(len(kept))
    for each in needed([metric]):
        name = key(each)
        if not all(name in one for one in kept):
            return None
        if each[1] == COUNTS:
            state.counted[each[0]] = _counts([one[name] for one in kept])
        else:
            state.arrays[each] = np.array([math.nan if one[name] is None else one[name] for one in kept], dtype=float)
    return merged_state(state, np.zeros(len(kept), dtype=int), 1)


def _counts(kept: Sequence[Mapping[Any, int]]) -> Counts:
    import pyarrow as pa

    pairs = [(i, entity, count) for i, counts in enumerate(kept) for entity, count in counts.items()]
    group = np.array([i for i, _, _ in pairs], dtype=int)
    values = pa.array([entity for _, entity, _ in pairs])
    return Counts(group, (values,), np.array([count for _, _, count in pairs], dtype=int))
