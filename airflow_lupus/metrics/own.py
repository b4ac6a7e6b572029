"""Metrics that users define: an SQL aggregate, the ratio of two metrics, a function over a group's rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_lupus.metrics import for_type
from airflow_lupus.metrics.base import ROWS, Metric, Primitive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_lupus.metrics.base import Array, Bound
    from airflow_lupus.metrics.operands import Aggregate, Function

OWN, DEFINED = Primitive("own"), Primitive("own_defined")
"""What a user's aggregate or function says, and 1 where that is anything."""


class OwnMetric(Metric):
    """What a user's SQL or function makes of a group; undefined where that is NULL or None."""

    family = "own"
    needs = (OWN, DEFINED)
    behind = ROWS

    def __init__(self, name: str, operand: Aggregate | Function, kind: str, unit: str | None) -> None:
        self.name, self.operand = name, operand
        self.kind, self.unit = kind, unit  # type: ignore[misc]  # each user's metric has its own

    @classmethod
    def parse(cls, name: str) -> Metric | None:  # noqa: ARG003  whose name is the user's to choose
        return None

    def value(self, state: Bound) -> Array:
        return state[OWN]

    def defined(self, state: Bound) -> Array:
        return state[DEFINED] > 0


class RatioMetric(Metric):
    """One metric divided by another; undefined where one of them is, or the second is 0."""

    family, behind = "own", ROWS

    def __init__(self, name: str, parts: tuple[tuple[str, Metric], tuple[str, Metric]], kind: str, unit: str | None) -> None:
        self.name, self.parts = name, parts
        self.kind, self.unit = kind, unit  # type: ignore[misc]
        self.needs = tuple(replace(p, operand=operand) for _, metric in parts for operand, p in metric.needed)

    @classmethod
    def parse(cls, name: str) -> Metric | None:  # noqa: ARG003
        return None

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column for column, metric in self.parts if not metric.table)

    def fit(self, types: Mapping[str, str]) -> Metric:
        fitted = []
        for column, metric in self.parts:
            if metric.table:
                fitted.append((column, metric))
                continue
            fitted.append((column, for_type(metric, column, types[column], False)))
        return RatioMetric(self.name, (fitted[0], fitted[1]), self.kind, self.unit)

    def value(self, state: Bound) -> Array:
        above, below = (metric.value(state.state.of(metric.operand)) for _, metric in self.parts)
        return above / below

    def defined(self, state: Bound) -> Array:
        (_, above), (_, below) = self.parts
        of_below = state.state.of(below.operand)
        return above.defined(state.state.of(above.operand)) & below.defined(of_below) & (below.value(of_below) != 0)
