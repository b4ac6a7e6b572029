"""From the state of a scan's groups to the points of series, and the partials that are kept beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_lupus.engines.assembling import dimension
from airflow_lupus.exceptions import TooMuchAtOnce
from airflow_lupus.metrics import partials
from airflow_lupus.metrics.base import COUNTS
from airflow_lupus.model import LEAF, TOTAL, Partial, Point, PointStatus, SeriesInfo, SeriesKey, dimensions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.engines.base import Group, Scan
    from airflow_lupus.metrics import Metric
    from airflow_lupus.metrics.base import Array, Entities, Need
    from airflow_lupus.model import DimensionValue, Period
    from airflow_lupus.specs import MeasureSpec

Dimensions = tuple[tuple[str, "DimensionValue"], ...]


@dataclass(frozen=True)
class Values:
    """A metric of every group, or per entity of every group that has some."""

    value: Array
    defined: Array
    behind: Array


def values(metric: Metric, scan: Scan) -> Values:
    """A metric of each group of a scan, in their order."""
    state = scan.state.of(metric.operand)
    with np.errstate(all="ignore"):
        return Values(metric.value(state), np.asarray(metric.defined(state)), state[metric.behind])


@dataclass
class Points:
    """Points by series, gathered metric by metric. A series is described once, however many periods it has."""

    spec: MeasureSpec
    pairs: Sequence[tuple[str, Metric]]
    failed: dict[str, str] = field(default_factory=dict)
    """Column and metric, as in `dep_delay.avg` → why it could not be computed for some group."""
    partials: list[Partial] = field(default_factory=list)
    _gathered: dict[tuple[int, str, Dimensions], tuple[SeriesInfo, list[Point]]] = field(default_factory=dict)

    def by_series(self) -> dict[SeriesInfo, list[Point]]:
        return dict(self._gathered.values())

    def add(self, scan: Scan, periods: Mapping[Period, Any], most: int | None = None) -> None:
        """What the metrics make of a scan's groups.

        :param periods: groups of others are left out.
        :param most: more points than this are too many to hold at once.
        """
        entities = {i: metric.entities(scan.state.of(metric.operand)) for i, (_, metric) in enumerate(self.pairs) if metric.per_entity}
        count = len(scan.groups) * (len(self.pairs) - len(entities)) + sum(len(each.value) for each in entities.values())
        if most is not None and count > most:
            msg = f"{count:,} points in one chunk of periods, of at most {most:,}"
            raise TooMuchAtOnce(msg)
        wanted = [i for i, group in enumerate(scan.groups) if group.period in periods]
        where = [dimensions(group.dimensions or {}) for group in scan.groups]
        if self.spec.keep_partials:
            self._keep(scan, wanted, where)
        for i, (column, metric) in enumerate(self.pairs):
            if i in entities:
                self._add_entities(i, entities[i], scan.groups, set(wanted), where)
                continue
            found = values(metric, scan)
            rows = zip(found.value.tolist(), found.defined.tolist(), found.behind.tolist(), strict=True)
            for j, (value, defined, behind) in enumerate(rows):
                group = scan.groups[j]
                if group.period not in periods:
                    continue
                reason = self._reason(column, metric, group, scan.failures.get(metric.operand, {}).get(j))
                if reason is not None:
                    point = Point(group.period.epoch, None, group.rows, PointStatus.FAILED, reason)
                else:
                    point = Point.of(group.period.epoch, value if defined else None, int(behind))
                self._point(i, level_of(group), where[j], point)

    def _reason(self, column: str, metric: Metric, group: Group, own: str | None = None) -> str | None:
        """Why a metric cannot be computed of a group.

        :param own: why it cannot, if it is a user's own.
        """
        reason = next((why for name, why in group.failed.items() if name in metric.columns), own)
        if reason is not None:
            self.failed.setdefault(f"{column}.{metric.name}", reason)
        return reason

    def _add_entities(self, pair: int, found: Entities, groups: Sequence[Group], wanted: set[int], where: Sequence[Dimensions]) -> None:
        """A metric per entity has no points where it failed: nobody knows of which entities."""
        column, metric = self.pairs[pair]
        names = metric.entity_names(column)
        failed = {j for j in wanted if self._reason(column, metric, groups[j]) is not None}
        columns = [list(map(dimension, each.to_pylist())) for each in found.values]
        defined = found.defined if found.defined is not None else np.ones(len(found.value), dtype=bool)
        rows = zip(found.group.tolist(), found.value.tolist(), defined.tolist(), found.behind.tolist(), *columns, strict=True)
        for j, value, is_defined, behind, *own in rows:
            if j in wanted and j not in failed:
                dims = tuple(sorted((*where[j], *zip(names, own, strict=True))))
                self._point(pair, level_of(groups[j]), dims, Point.of(groups[j].period.epoch, value if is_defined else None, int(behind)))

    def add_empty(self, period: Period) -> None:
        """A readable source without rows: counts of rows are 0, every other metric of the total is undefined, groups have no point."""
        if self.spec.group_columns and not self.spec.totals:
            return
        if self.spec.keep_partials:
            for column, (metrics, needs) in self._merging().items():
                nothing: dict[str, Any] = {partials.key(each): {} if each[1] == COUNTS else 0 for each in needs}
                nothing |= {partials.key(each): None for each in needs if each[1].name in {"min", "max"}}
                self.partials.append(Partial(period.epoch, column, metrics, (), TOTAL, partials.to_text(nothing)))
        for i, (_, metric) in enumerate(self.pairs):
            if not metric.per_entity:
                self._point(i, TOTAL, (), Point.of(period.epoch, 0.0 if metric.name == "row_count" else None, 0))

    def _keep(self, scan: Scan, wanted: Sequence[int], where: Sequence[Dimensions]) -> None:
        merging = self._merging()
        state = scan.state
        counted = {
            each[0]: _by_group(state.counted[each[0]], state.size) for _, needs in merging.values() for each in needs if each[1] == COUNTS
        }
        for column, (metrics, needs) in merging.items():
            for j in wanted:
                group = scan.groups[j]
                kept: dict[str, Any] = {}
                for operand, primitive in needs if not set(group.failed) & {column} else ():
                    name = partials.key((operand, primitive))
                    kept[name] = counted[operand][j] if primitive == COUNTS else _plain(state.arrays[operand, primitive][j], primitive.name)
                kept["rows"] = group.rows
                self.partials.append(Partial(group.period.epoch, column, metrics, where[j], level_of(group), partials.to_text(kept)))

    def _merging(self) -> dict[str, tuple[tuple[str, ...], list[Need]]]:
        """Column → its metrics that merge, and what is kept of them."""
        found: dict[str, list[Metric]] = {}
        for column, metric in self.pairs:
            if metric.merges and metric.family in {"column", "table"}:
                found.setdefault(column, []).append(metric)
        return {column: (tuple(sorted(map(partials.kept_name, own))), partials.needed(own)) for column, own in found.items()}

    def _point(self, pair: int, level: str, dims: Dimensions, point: Point) -> None:
        found = self._gathered.get((pair, level, dims))
        if found is None:
            column, metric = self.pairs[pair]
            key = SeriesKey(self.spec.dataset, column, metric.name, dims, level, self.spec.grain)
            found = (SeriesInfo(key, metric.kind, metric.unit or self.spec.units.get(column)), [])
            self._gathered[pair, level, dims] = found
        found[1].append(point)


def level_of(group: Group) -> str:
    """Whether a group is one of the leaves or the total."""
    return TOTAL if group.dimensions is None else LEAF


def _plain(value: float, primitive: str) -> float | int | None:
    """A number as JSON is to have it."""
    if primitive in {"min", "max"} and np.isnan(value):
        return None
    return int(value) if primitive in {"rows", "present", "valid", "zero", "negative"} else float(value)


def _by_group(counts: Any, size: int) -> list[dict[DimensionValue, int]]:
    found: list[dict[DimensionValue, int]] = [{} for _ in range(size)]
    valid = counts.valid()
    for group, value, n in zip(valid.group.tolist(), valid.only.to_pylist(), valid.n.tolist(), strict=True):
        found[group][dimension(value)] = n
    return found
