"""Profiles: the histogram of a column in each group of a scan, and the edges of its bins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_lupus.metric_sets.columns import TableMetrics
from airflow_lupus.metrics.histograms import edges, histograms, needs, quantile_needs
from airflow_lupus.model import dimensions
from airflow_lupus.pipeline.points import level_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow_lupus.engines.base import Engine, Relation, Scan
    from airflow_lupus.metrics.histograms import Edges, Histogram
    from airflow_lupus.model import DimensionValue, Period
    from airflow_lupus.specs import MeasureSpec

Where = tuple[str, tuple[tuple[str, "DimensionValue"], ...]]
"""Level and dimensions of a group."""


@dataclass(frozen=True)
class Profile:
    """How a column's values are spread in a group of rows of one period."""

    start: int
    where: Where
    histogram: Histogram
    failed: str | None = None
    """Why nothing can be said of the group."""


def profiles(scan: Scan, column: str, of: Edges | None, periods: Collection[Period]) -> list[Profile]:
    """The profiles of a column in the groups of a scan for `histograms.needs`.

    :param of: the edges of its bins; None where its values are told apart.
    :param periods: groups of others are left out.
    """
    failures = {i: why for operand, _ in needs(column, of) for i, why in scan.failures.get(operand, {}).items()}
    return [
        Profile(
            group.period.epoch,
            (level_of(group), dimensions(group.dimensions or {})),
            histogram,
            group.failed.get(column, failures.get(i)),
        )
        for i, (group, histogram) in enumerate(zip(scan.groups, histograms(scan.state, column, of), strict=True))
        if group.period in periods
    ]


def decided_edges(
    engine: Engine, relation: Relation, spec: MeasureSpec, periods: Sequence[Period], columns: Mapping[str, int]
) -> dict[str, Edges]:
    """The edges of numeric columns' bins, each from the first of the periods in which the column has a finite value.

    :param columns: how many bins each is to have.
    """
    asked = {column: quantile_needs(column, bins) for column, bins in columns.items()}
    whole = replace(plain(spec), metric_sets=tuple(spec.drifts), time_column=spec.time_column, group_columns=(), totals=True)
    scan = engine.scan(relation, whole, [need for own in asked.values() for need in own], periods)
    order = sorted(range(len(scan.groups)), key=lambda i: scan.groups[i].period)
    found: dict[str, Edges] = {}
    for column, own in asked.items():
        for i in order:
            of = edges([float(scan.state.arrays[need][i]) for need in own])
            if of is not None:
                found[column] = of
                break
    return found


def plain(spec: MeasureSpec) -> MeasureSpec:
    """A spec of the same rows and groups that asks for nothing of columns, and takes the rows for one period's."""
    return replace(
        spec,
        metric_sets=(TableMetrics(["row_count"]),),
        time_column=None,
        per_entity={},
        units={},
        top={},
        keep_partials=False,
    )
