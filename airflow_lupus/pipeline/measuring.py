"""From an opened source to points: which metrics to take, one scan, and what each period without rows comes to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_lupus.engines.base import FileSet
from airflow_lupus.exceptions import DataMissing, TooMuchAtOnce
from airflow_lupus.metrics.base import ENTITIES, MAX, MIN, ROWS, SUM
from airflow_lupus.metrics.partials import to_text
from airflow_lupus.model import (
    ANY_COLUMN,
    ENTITY_COUNT,
    LEAF,
    TOTAL,
    Measurement,
    Partial,
    PeriodRecord,
    PeriodStatus,
    Point,
    PointStatus,
    SeriesInfo,
    SeriesKey,
    dimensions,
)
from airflow_lupus.stores.base import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_lupus.engines.base import Engine, Group, Relation
    from airflow_lupus.metrics import Metric, Primitive
    from airflow_lupus.model import DimensionValue, Period
    from airflow_lupus.specs import MeasureSpec


@dataclass(frozen=True)
class Opened:
    """A source, opened for some periods: what can be read, and which periods have nothing to read and why."""

    relation: Relation | None
    """None: nothing at all can be read."""
    absent: Mapping[Period, str] = field(default_factory=dict)
    failed: Mapping[Period, str] = field(default_factory=dict)
    """Periods whose data is there and whole, but not what the spec needs."""

    def of(self, periods: Sequence[Period]) -> Opened:
        """What of it belongs to some of the periods."""
        wanted = set(periods)
        relation = self.relation
        if isinstance(relation, FileSet):
            relation = relation.keep(lambda file: file.period is None or file.period in wanted)
        return replace(self, relation=relation, absent=_only(wanted, self.absent), failed=_only(wanted, self.failed))


@dataclass
class Measured:
    """Points and period records, and what they cover: everything that a store needs to replace a measurement."""

    measurement: Measurement
    scope: Scope
    failed: Mapping[str, str] = field(default_factory=dict)
    """Column and metric, as in `dep_delay.avg` → why it could not be computed for some group."""

    @property
    def points(self) -> int:
        """How many."""
        return sum(map(len, self.measurement.points.values()))

    def since(self, first: Period) -> Measured:
        """What of it is not before a period."""
        points = {info: [p for p in found if p.start >= first.epoch] for info, found in self.measurement.points.items()}
        records = tuple(record for record in self.measurement.periods if record.period >= first)
        partials = tuple(partial for partial in self.measurement.partials if partial.start >= first.epoch)
        points = {info: found for info, found in points.items() if found}
        kept = replace(self.measurement, periods=records, points=points, partials=partials)
        return replace(self, measurement=kept)


def measure(spec: MeasureSpec, opened: Opened, engine: Engine, periods: Sequence[Period], *, most_points: int | None = None) -> Measured:
    """Measure periods of a source.

    Periods that the source has nothing for are recorded as missing, those without rows as empty; the others are measured in one scan.

    :param most_points: more than this are too many to hold at once.
    :raises TooMuchAtOnce: there are more, or the engine's own memory does not suffice.
    :raises SpecError: a column is not there, or of a type that its metric cannot have; nothing was read then.
    """
    records = {period: PeriodRecord(period, PeriodStatus.MISSING, reason=reason) for period, reason in opened.absent.items()}
    records |= {period: PeriodRecord(period, PeriodStatus.FAILED, reason=reason) for period, reason in opened.failed.items()}
    readable = [period for period in periods if period not in records]
    if opened.relation is None or not readable:
        return Measured(Measurement(_in_order(records), {}), Scope((), ()))
    try:
        types = engine.types(opened.relation)
    except DataMissing as error:
        records |= {period: PeriodRecord(period, PeriodStatus.MISSING, reason=str(error)) for period in readable}
        return Measured(Measurement(_in_order(records), {}), Scope((), ()))
    spec = spec.with_defaults(types)
    pairs = spec.pairs(types)
    scan = engine.scan(opened.relation, spec, needed(pairs), readable, None if most_points is None else _counter(pairs, most_points))
    for path, reason in scan.failed_files.items():
        for period in _named(opened.relation, path) or readable:  # a file that names no period may have had rows of any
            records[period] = PeriodRecord(period, PeriodStatus.MISSING, reason=f"{path} cannot be read to its end: {reason}")
    points = _Points(spec, pairs)
    rows = dict.fromkeys((period for period in readable if period not in records), 0)
    for group in scan.groups:
        if group.period not in rows:  # a broken file among others of its period: half a period is not a period
            continue
        if group.dimensions is None or not spec.totals:
            rows[group.period] += group.rows
        points.add_group(group)
    for period, count in rows.items():
        if count:
            records[period] = PeriodRecord(period, PeriodStatus.OK, count)
        else:
            records[period] = PeriodRecord(period, PeriodStatus.EMPTY, 0, "the source has no rows for this period")
            points.add_empty(period)
    bytes_read = opened.relation.size if isinstance(opened.relation, FileSet) else None
    measurement = Measurement(_in_order(records), points.by_series(), scan.rows_read, bytes_read, partials=tuple(points.partials))
    return Measured(measurement, _scope(spec, pairs), points.failed)


def _counter(pairs: Sequence[tuple[str, Metric]], most: int) -> Callable[[Group], None]:
    """What stops a scan that comes to too many points."""
    entities = [column for column, metric in pairs if metric.per_entity]
    plain = len(pairs) - len(entities)
    count = 0

    def watch(group: Group) -> None:
        nonlocal count
        count += plain + sum(len(group.state[column][ENTITIES]) for column in entities)
        if count > most:
            msg = f"more than {most:,} points in one chunk of periods"
            raise TooMuchAtOnce(msg)

    return watch


def _named(relation: Relation, path: str) -> list[Period]:
    """The periods that a file's path names."""
    files = relation.files if isinstance(relation, FileSet) else []
    return [file.period for file in files if file.path == path and file.period is not None]


def _only(wanted: set[Period], reasons: Mapping[Period, str]) -> dict[Period, str]:
    return {period: reason for period, reason in reasons.items() if period in wanted}


def needed(pairs: Sequence[tuple[str, Metric]]) -> dict[str, set[Primitive]]:
    """The primitives of each column that these metrics are made of."""
    needs: dict[str, set[Primitive]] = {ANY_COLUMN: {ROWS}}
    for column, metric in pairs:
        needs.setdefault(column, set()).update((*metric.needs, metric.behind))
    return needs


def _in_order(records: Mapping[Period, PeriodRecord]) -> tuple[PeriodRecord, ...]:
    return tuple(records[period] for period in sorted(records))


def _scope(spec: MeasureSpec, pairs: Sequence[tuple[str, Metric]]) -> Scope:
    bases = ([spec.group_columns] if spec.group_columns else []) + ([()] if spec.totals or not spec.group_columns else [])
    entities = {column for column, metric in pairs if metric.per_entity}
    names = {tuple(sorted(base)) for base in bases} | {tuple(sorted((*base, column))) for base in bases for column in entities}
    return Scope({(column, metric.name) for column, metric in pairs}, names, spec.group_columns)


def _merging(pairs: Sequence[tuple[str, Metric]]) -> dict[str, tuple[tuple[str, ...], set[Primitive]]]:
    """Column → its metrics that merge, and the primitives of them."""
    merging = [(column, metric) for column, metric in pairs if metric.merges]
    needs = needed(merging)
    names: dict[str, list[str]] = {}
    for column, metric in merging:
        names.setdefault(column, []).append(ENTITY_COUNT if metric.per_entity else metric.name)
    return {column: (tuple(sorted(of_column)), needs[column] | {ROWS}) for column, of_column in names.items()}


class _Points:
    """Points by series, gathered group by group. A series is described once, however many periods it has."""

    def __init__(self, spec: MeasureSpec, pairs: Sequence[tuple[str, Metric]]) -> None:
        self.spec = spec
        self.pairs = pairs
        self.failed: dict[str, str] = {}
        self.partials: list[Partial] = []
        self._merging = _merging(pairs) if spec.keep_partials else {}
        self._gathered: dict[tuple[int, str, tuple[tuple[str, DimensionValue], ...]], tuple[SeriesInfo, list[Point]]] = {}

    def by_series(self) -> dict[SeriesInfo, list[Point]]:
        return dict(self._gathered.values())

    def add_group(self, group: Group) -> None:
        """What the metrics make of a group's primitives."""
        level = TOTAL if group.dimensions is None else LEAF
        base = dimensions(group.dimensions or {})
        start = group.period.epoch
        for column, (metrics, _) in self._merging.items():
            known = {} if column in group.failed else {**group.state.get(column, {}), ROWS: group.rows}
            self.partials.append(Partial(start, column, metrics, base, level, to_text(known)))
        for i, (column, metric) in enumerate(self.pairs):
            reason = group.failed.get(column)
            if reason is not None:
                self.failed.setdefault(f"{column}.{metric.name}", reason)
                if not metric.per_entity:  # else nobody knows of which
                    self._add(i, level, base, Point(start, None, group.rows, PointStatus.FAILED, reason))
                continue
            state = group.state.get(column, {ROWS: group.rows})
            if metric.per_entity:
                for entity, count in state[ENTITIES].items():
                    dims = dimensions({**dict(base), column: entity})
                    self._add(i, level, dims, Point.of(start, float(count), group.rows))
            else:
                self._add(i, level, base, Point.of(start, metric.value(state), int(state[metric.behind])))

    def add_empty(self, period: Period) -> None:
        """A readable source without rows: `row_count` is 0, every other metric of the total is undefined, groups have no point."""
        if self.spec.group_columns and not self.spec.totals:
            return
        for column, (metrics, needs) in self._merging.items():
            nothing: dict[Primitive, Any] = {each: {} if each == ENTITIES else None if each in {SUM, MIN, MAX} else 0 for each in needs}
            self.partials.append(Partial(period.epoch, column, metrics, (), TOTAL, to_text(nothing)))
        for i, (_, metric) in enumerate(self.pairs):
            if not metric.per_entity:
                self._add(i, TOTAL, (), Point.of(period.epoch, 0.0 if metric.table else None, 0))

    def _add(self, pair: int, level: str, dims: tuple[tuple[str, DimensionValue], ...], point: Point) -> None:
        found = self._gathered.get((pair, level, dims))
        if found is None:
            column, metric = self.pairs[pair]
            key = SeriesKey(self.spec.dataset, column, metric.name, dims, level, self.spec.grain)
            found = (SeriesInfo(key, metric.kind, metric.unit or self.spec.units.get(column)), [])
            self._gathered[pair, level, dims] = found
        found[1].append(point)
