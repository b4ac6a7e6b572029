"""Rolling up: points of weeks and months, made of what days and hours kept to merge, before the points of those are deleted.

Each longer period is one transaction under the dataset's lock. Repeated, it comes to the same and writes nothing.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_lupus.metrics import known_metric
from airflow_lupus.metrics.base import ROWS
from airflow_lupus.metrics.operands import Rows
from airflow_lupus.metrics.partials import from_text, merged, metric_kept
from airflow_lupus.model import ANY_COLUMN, ENTITY_COUNT, PeriodStatus, Point, SeriesInfo, SeriesKey, dimensions, from_epoch
from airflow_lupus.stores import coarser, partials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_lupus.metrics import Metric
    from airflow_lupus.metrics.base import State
    from airflow_lupus.metrics.partials import Primitives
    from airflow_lupus.model import Grain, Period
    from airflow_lupus.stores.database import Transaction
    from airflow_lupus.stores.partials import StoredPartial
    from airflow_lupus.stores.pruning import Kept
    from airflow_lupus.stores.sql import SqlStore


@dataclass
class RolledUp:
    """What rolling up came to."""

    points: int = 0
    written: int = 0
    """Of the points those that were not there already; nothing is written in a trial."""
    periods: list[Period] = field(default_factory=list)
    unmergeable: dict[str, int] = field(default_factory=dict)
    """Column and metric, where it has to be computed from rows → series."""
    without: Counter[str] = field(default_factory=Counter)
    """Column and metric → longer periods in which partials of it are not whole for every group."""


@dataclass(frozen=True)
class RollUp:
    """What there is to roll up of one dataset.

    :param grain: of the points to be made, in the dataset's zone.
    :param limit: epoch seconds, where one of its periods begins: the points before it are going to be deleted.
    """

    store: SqlStore
    dataset: Kept
    grain: Grain
    limit: int

    def run(self, told: Callable[[Period], None] | None = None) -> RolledUp:
        """Roll up.

        :param told: told after each longer period, which is committed then. None: a trial that writes nothing.
        """
        done = RolledUp()
        with self.store.reading() as tx:
            found = coarser.measured_before(tx, self.dataset.id, self.dataset.grain, self.limit)
        for period in dict.fromkeys(self.grain.containing(from_epoch(start)) for start, _, _ in found):
            if told is None:
                with self.store.reading() as tx:
                    _add(done, self._roll(period, False, tx))
            else:
                _add(done, self.store.writing(partial(self._roll, period, True)))
                told(period)
        return done

    def _roll(self, period: Period, write: bool, tx: Transaction) -> RolledUp:
        """Roll one longer period up, if nothing of it was pruned before."""
        done = RolledUp()
        pruned = coarser.pruned_before(tx, self.dataset.id, lock=write)
        if (pruned is not None and period.epoch < pruned) or not self._fills(period):
            return done
        calendar = {
            start: (status, rows)
            for start, status, rows in coarser.measured_before(tx, self.dataset.id, self.dataset.grain, int(period.end.timestamp()))
            if start >= period.epoch
        }
        units: dict[tuple[str, str], str | None] = {}
        for column, name, unit, series in coarser.metrics_in(tx, self.dataset.id, self.dataset.grain, period):
            units[column, name] = unit
            if _merges(name, column):
                done.without[f"{column}.{name}"] = 1
            else:
                done.unmergeable[f"{column}.{name}"] = series
        whole = self._whole(period, calendar)
        for column in partials.columns_in(tx, self.dataset.id, self.dataset.grain, period):
            kept = partials.of_column(tx, self.dataset.id, self.dataset.grain, period, column)
            for metric_name, of_metric in _by_metric(kept).items():
                written = metric_name.replace(ENTITY_COUNT, "count")
                of_unit = units.get((column, written))
                found = [self._points(period, column, metric_name, of_unit, alike, calendar) for alike in of_metric.values()]
                if all(is_whole for _, _, is_whole in found):
                    done.without.pop(f"{column}.{written}", None)
                for definition_id, points, _ in found:
                    whole.points.setdefault(definition_id, {}).update(points)
        done.points = sum(map(len, whole.points.values()))
        done.periods = [period] if done.points else []
        done.written = coarser.save(tx, self.dataset.id, whole) if write else 0
        return done

    def _fills(self, period: Period) -> bool:
        """Whether the dataset's periods fill it: in a few zones an hour lies across midnight."""
        first, after = (self.dataset.grain.containing(at) for at in (period.start, period.end))
        return first.start == period.start and after.start == period.end

    def _whole(self, period: Period, calendar: Mapping[int, tuple[str, int]]) -> coarser.Whole:
        rows = sum(rows for _, rows in calendar.values())
        status = PeriodStatus.OK if any(status == PeriodStatus.OK for status, _ in calendar.values()) else PeriodStatus.EMPTY
        expected = sum(1 for _ in self.dataset.grain.periods(period.start, period.end))
        reason = f"{len(calendar)} of its {expected} {self.dataset.grain.unit}s were measured" if len(calendar) < expected else None
        return coarser.Whole(self.grain, period, status, rows, reason)

    def _points(
        self,
        period: Period,
        column: str,
        metric_name: str,
        unit: str | None,
        kept: Sequence[StoredPartial],
        calendar: Mapping[int, tuple[str, int]],
    ) -> tuple[int, dict[SeriesInfo, Point], bool]:
        """Definition and points of a metric, of groups by the same columns; and whether that is all of them.

        A group without a partial had no rows, if others of its period have one.
        """
        names = json.loads(kept[0].dimensions)
        asked = {start for start, (status, _) in calendar.items() if not names or status == PeriodStatus.OK}
        if not asked <= {each.start for each in kept} or len({each.defined_as for each in kept}) > 1:
            return kept[-1].definition_id, {}, False
        groups: dict[tuple[str, str], list[Primitives]] = defaultdict(list)
        for each in kept:
            groups[each.level, each.dimensions].append(from_text(each.state))
        points: dict[SeriesInfo, Point] = {}
        is_whole = True
        for (level, dims), states in groups.items():
            metric = metric_kept(metric_name, column, states)
            state = merged(states, metric)
            if state is None:
                is_whole = False
                continue
            for group, point in _made(period.epoch, column, metric, json.loads(dims), state):
                key = SeriesKey(self.dataset.name, column, metric.name, dimensions(group), level, self.grain)
                points[SeriesInfo(key, metric.kind, unit)] = point
        return kept[-1].definition_id, points, is_whole


def _merges(name: str, column: str) -> bool:
    """Whether the metric of a longer period follows from what shorter ones kept."""
    metric = known_metric(name)
    return metric is not None and metric.family == ("table" if column == ANY_COLUMN else "column") and metric.merges


def _made(start: int, column: str, metric: Metric, group: dict[str, Any], state: State) -> list[tuple[dict[str, Any], Point]]:
    """The points of a group, as measuring it would make them."""
    of = state.of(metric.operand)
    rows = int(state.arrays[Rows(), ROWS][0])
    if metric.per_entity:
        found = metric.entities(of)
        names = metric.entity_names(column)
        each = zip(zip(*(values.to_pylist() for values in found.values), strict=True), found.value, found.behind, strict=True)
        return [({**group, **dict(zip(names, own, strict=True))}, Point.of(start, float(value), int(n))) for own, value, n in each]
    if not rows:
        return [(group, Point.of(start, 0.0 if metric.name == "row_count" else None, 0))]
    with np.errstate(all="ignore"):
        value = float(metric.value(of)[0]) if metric.defined(of)[0] else None
    return [(group, Point.of(start, value, int(of[metric.behind][0])))]


def _by_metric(kept: Sequence[StoredPartial]) -> dict[str, dict[tuple[str, tuple[str, ...]], list[StoredPartial]]]:
    """Metric → level and what the groups are of → partials."""
    found: dict[str, dict[tuple[str, tuple[str, ...]], list[StoredPartial]]] = defaultdict(lambda: defaultdict(list))
    for each in kept:
        names = tuple(sorted(json.loads(each.dimensions)))
        for metric in each.metrics:
            found[metric][each.level, names].append(each)
    return found


def _add(total: RolledUp, one: RolledUp) -> None:
    total.points += one.points
    total.written += one.written
    total.periods += one.periods
    total.unmergeable |= {name: max(series, total.unmergeable.get(name, 0)) for name, series in one.unmergeable.items()}
    total.without.update(one.without)
