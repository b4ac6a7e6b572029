"""Partials: the primitives of a group of rows that merge with those of others, as text that stores keep."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from airflow_lupus.metrics.base import ENTITIES, MERGES, ROWS, Primitive
from airflow_lupus.model import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.metrics.base import Metric

ENTITIES_KEPT = 1_000
"""Of a group with more different values of a column no counts are kept."""
_BY_NAME = {primitive.name: primitive for primitive in MERGES}


def to_text(state: Mapping[Primitive, Any]) -> str:
    """What of a group's primitives merges.

    >>> from airflow_lupus.metrics.base import MAX, STD
    >>> to_text({ROWS: 3, MAX: float("inf"), STD: 0.5, ENTITIES: {"UA": 2, "AA": 1}})
    '{"entities":[["AA",1],["UA",2]],"max":"inf","rows":3}'
    """
    kept: dict[str, Any] = {}
    for primitive, value in state.items():
        if primitive == ENTITIES:
            if len(value) <= ENTITIES_KEPT:
                kept[primitive.name] = sorted(
                    ([entity, count] for entity, count in value.items()), key=lambda pair: (str(pair[0]), pair[1])
                )
        elif primitive in MERGES:
            kept[primitive.name] = repr(value) if isinstance(value, float) and not math.isfinite(value) else value
    return canonical_json(kept)


def from_text(text: str) -> dict[Primitive, Any]:
    """The primitives that `to_text` kept."""
    state: dict[Primitive, Any] = {
        _BY_NAME[name]: float(value) if isinstance(value, str) else value for name, value in json.loads(text).items()
    }
    if ENTITIES in state:
        state[ENTITIES] = dict(state[ENTITIES])
    return state


def merged(states: Sequence[Mapping[Primitive, Any]], metric: Metric) -> dict[Primitive, Any] | None:
    """The primitives that a metric needs of all the rows of some groups; None where one was not kept of each.

    >>> from airflow_lupus.metrics import metric_named
    >>> merged([from_text('{"rows":2,"present":1}'), from_text('{"rows":1,"present":1}')], metric_named("null_ratio"))
    {Primitive(name='rows', argument=None): 3, Primitive(name='present', argument=None): 2}
    """
    whole: dict[Primitive, Any] = {}
    for primitive in dict.fromkeys((ROWS, *metric.needs, metric.behind)):
        if not all(primitive in state for state in states):
            return None
        values = [state[primitive] for state in states if state[primitive] is not None]
        whole[primitive] = MERGES[primitive](values) if values else None
    return whole
