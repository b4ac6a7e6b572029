"""From an opened source to points: which metrics to take, one scan, and what each period without rows comes to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airflow_lupus.engines.base import FileSet
from airflow_lupus.exceptions import DataMissing
from airflow_lupus.metrics import partials
from airflow_lupus.model import Measurement, PeriodRecord, PeriodStatus
from airflow_lupus.pipeline.points import Points
from airflow_lupus.stores.base import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.engines.base import Engine, Relation
    from airflow_lupus.metrics import Metric
    from airflow_lupus.metrics.base import Need
    from airflow_lupus.model import Period
    from airflow_lupus.pipeline.drifting import Drifting, Part
    from airflow_lupus.pipeline.profiles import Profile
    from airflow_lupus.specs import MeasureSpec

DRIFTS = "drift"
"""The family of metrics that a scan alone does not tell."""


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
    profiles: Mapping[Part, Sequence[Profile]] = field(default_factory=dict)
    """What drift is told from."""
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
        merging = tuple(partial for partial in self.measurement.partials if partial.start >= first.epoch)
        points = {info: found for info, found in points.items() if found}
        kept = replace(self.measurement, periods=records, points=points, partials=merging)
        profiles = {part: [each for each in found if each.start >= first.epoch] for part, found in self.profiles.items()}
        return replace(self, measurement=kept, profiles=profiles)


def measure(
    spec: MeasureSpec,
    opened: Opened,
    engine: Engine,
    periods: Sequence[Period],
    *,
    most_points: int | None = None,
    drifting: Drifting | None = None,
) -> Measured:
    """Measure periods of a source.

    Periods that the source has nothing for are recorded as missing, those without rows as empty; the others are measured in one scan.

    :param most_points: more than this are too many to hold at once.
    :param drifting: what of it is compared with references; without it, nothing is.
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
    fitted = spec.pairs(types)
    pairs = [(column, metric) for column, metric in fitted if metric.family != DRIFTS]
    needs = needed(spec, pairs)
    if drifting is not None:
        drifting.ready(engine, opened.relation, fitted, readable)
        needs = list(dict.fromkeys([*needs, *drifting.needs()]))
    scan = engine.scan(opened.relation, spec, needs, readable)
    for path, reason in scan.failed_files.items():
        for period in _named(opened.relation, path) or readable:  # a file that names no period may have had rows of any
            records[period] = PeriodRecord(period, PeriodStatus.MISSING, reason=f"{path} cannot be read to its end: {reason}")
    rows = dict.fromkeys((period for period in readable if period not in records), 0)
    # A broken file among others of its period: half a period is not a period.
    for group in scan.groups:
        if group.period in rows and (group.dimensions is None or not spec.totals):
            rows[group.period] += group.rows
    points = Points(spec, pairs)
    points.add(scan, rows, most_points)
    for period, count in rows.items():
        if count:
            records[period] = PeriodRecord(period, PeriodStatus.OK, count)
        else:
            records[period] = PeriodRecord(period, PeriodStatus.EMPTY, 0, "the source has no rows for this period")
            points.add_empty(period)
    bytes_read = scan.bytes_read
    if bytes_read is None and isinstance(opened.relation, FileSet):
        bytes_read = opened.relation.size
    measurement = Measurement(_in_order(records), points.by_series(), scan.rows_read, bytes_read, partials=tuple(points.partials))
    profiles = drifting.profiles(scan, rows) if drifting is not None else {}
    failed = {
        f"{part.column}.{metric.name}": each.failed
        for part in profiles
        for metric in part.metrics
        for each in profiles[part]
        if each.failed
    }
    return Measured(measurement, _scope(spec, pairs), profiles, {**failed, **points.failed})


def _named(relation: Relation, path: str) -> list[Period]:
    """The periods that a file's path names."""
    files = relation.files if isinstance(relation, FileSet) else []
    return [file.period for file in files if file.path == path and file.period is not None]


def _only(wanted: set[Period], reasons: Mapping[Period, str]) -> dict[Period, str]:
    return {period: reason for period, reason in reasons.items() if period in wanted}


def needed(spec: MeasureSpec, pairs: Sequence[tuple[str, Metric]]) -> list[Need]:
    """The primitives that these metrics are made of, and if partials are to be kept those without which they do not merge."""
    needs = dict.fromkeys(each for _, metric in pairs for each in metric.needed)
    if spec.keep_partials:
        needs |= dict.fromkeys(partials.needed(metric for _, metric in pairs if metric.merges))
    return list(needs)


def _in_order(records: Mapping[Period, PeriodRecord]) -> tuple[PeriodRecord, ...]:
    return tuple(records[period] for period in sorted(records))


def _scope(spec: MeasureSpec, pairs: Sequence[tuple[str, Metric]]) -> Scope:
    bases = ([spec.group_columns] if spec.group_columns else []) + ([()] if spec.totals or not spec.group_columns else [])
    further = {metric.entity_names(column) for column, metric in pairs if metric.per_entity}
    names = {tuple(sorted((*base, *names))) for base in bases for names in ((), *further)}
    return Scope({(column, metric.name) for column, metric in pairs}, names, spec.group_columns)
