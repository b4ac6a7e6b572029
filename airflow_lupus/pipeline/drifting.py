"""Drift in the store: the histograms of periods are kept, and the points of a period follow from them and from those of its reference.

Since nothing else enters, it makes no difference in which order periods are collected: with a period that is collected late, or again,
the points of the later ones that are compared with it are computed anew, in the same transaction.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_lupus.exceptions import SourceError, SpecError, StoreError
from airflow_lupus.metric_sets.drift import Baseline
from airflow_lupus.metrics.comparing import compare
from airflow_lupus.metrics.drift import DriftMetric
from airflow_lupus.metrics.histograms import from_text, needs
from airflow_lupus.model import (
    FIXED,
    MEASURED,
    TOTAL,
    Partial,
    PeriodRecord,
    PeriodStatus,
    Point,
    PointStatus,
    SeriesInfo,
    SeriesKey,
    canonical_json,
    digest,
    from_epoch,
)
from airflow_lupus.pipeline.profiles import Profile, decided_edges, plain, profiles
from airflow_lupus.pipeline.references import following, reference_of
from airflow_lupus.stores import coarser, partials

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow_lupus.engines.base import Engine, Relation, Scan
    from airflow_lupus.metric_sets.drift import Drift
    from airflow_lupus.metrics import Metric
    from airflow_lupus.metrics.base import Need
    from airflow_lupus.metrics.histograms import Edges, Histogram
    from airflow_lupus.model import Measurement, Period
    from airflow_lupus.pipeline.collecting import Job
    from airflow_lupus.pipeline.measuring import Opened
    from airflow_lupus.pipeline.profiles import Where
    from airflow_lupus.specs import MeasureSpec
    from airflow_lupus.stores.base import Scope, Store
    from airflow_lupus.stores.database import Transaction
    from airflow_lupus.stores.partials import StoredHistogram


OpenReference = Callable[[Any, "Period", "MeasureSpec"], "Opened"]
"""Opens a source that others are compared with, for a spec without a time column: all its rows count as one period's."""


@dataclass(eq=False)
class Part:
    """A column that is compared with a reference.

    :param name: what its histograms are kept under.
    :param edges: of the bins of numbers, as far as they are decided.
    :param reference: the histogram of each group, where it is fixed.
    """

    drift: Drift
    column: str
    metrics: Sequence[DriftMetric]
    name: str
    numeric: bool | None = None
    edges: Edges = ()
    reference: Mapping[Where, Histogram] | None = None

    @property
    def of(self) -> Edges | None:
        """The edges of its bins; None where its values are told apart."""
        return self.edges if self.numeric else None

    @property
    def baseline(self) -> Baseline | None:
        """The earlier periods that it is compared with, if it is with such."""
        return self.drift.reference if isinstance(self.drift.reference, Baseline) else None

    def keeps(self, profile: Profile) -> bool:
        """Whether a period's histogram can be part of a reference."""
        return self.of != () and profile.failed is None

    def edges_kept(self) -> Partial:
        """What is kept of how its values are told apart."""
        return self._kept(FIXED, (partials.EDGES, ()), canonical_json({"edges": list(self.edges), "numeric": self.numeric}))

    def kept(self, start: int, where: Where, histogram: Histogram, label: str | None = None) -> Partial:
        """A histogram as it is kept."""
        state = histogram.to_text()
        return self._kept(start, where, state if label is None else canonical_json({**json.loads(state), "label": label}))

    def _kept(self, start: int, where: Where, state: str) -> Partial:
        return Partial(start, self.column, (self.name,), where[1], where[0], state)


class Judged(NamedTuple):
    """A histogram, and what it is compared with."""

    profile: Profile
    reference: Histogram | None


class Drifting:
    """All parts of a job that compare with references.

    :param spec: what the job measures.
    :param parts: what of it is compared.
    """

    def __init__(self, spec: MeasureSpec, parts: Sequence[Part]) -> None:
        self.spec = spec
        self.parts = parts

    def ready(self, engine: Engine, relation: Relation, pairs: Sequence[tuple[str, Metric]], periods: Sequence[Period]) -> None:
        """Find out how the columns' values are to be told apart, where nobody knows yet.

        :param pairs: the metrics, as they are of these columns.
        """
        numeric = {column: metric.numeric for column, metric in pairs if isinstance(metric, DriftMetric)}
        for part in self.parts:
            if part.numeric is not None and part.numeric != numeric[part.column]:
                kinds = ("numbers", "other values") if part.numeric else ("other values", "numbers")
                msg = f"Drift: column {part.column!r} has {kinds[0]} in its reference, {part.drift.reference!r}, and now {kinds[1]}"
                raise SpecError(msg)
            part.numeric = numeric[part.column]
        undecided = [part for part in self.parts if part.numeric and not part.edges and part.reference is None]
        for bins in {part.drift.bins for part in undecided}:
            alike = [part for part in undecided if part.drift.bins == bins]
            found = decided_edges(engine, relation, self.spec, periods, {part.column: bins for part in alike})
            for part in alike:
                part.edges = found.get(part.column, ())

    def measure_references(self, engine: Engine, open_reference: OpenReference | None, period: Period) -> None:
        """Measure the fixed sources that are not known yet: all their rows, whenever they are from, by the spec's groups.

        :param period: for sources that want one.
        """
        for drift in self.spec.drifts:
            parts = [part for part in self.parts if part.drift is drift and part.baseline is None and part.reference is None]
            if not parts:
                continue
            what, spec = f"The reference {drift.reference!r}", replace(plain(self.spec), metric_sets=(drift,))
            if open_reference is None:
                msg = f"{what} cannot be opened here"
                raise SpecError(msg)
            opened = open_reference(drift.reference, period, spec)
            if opened.relation is None:
                msg = f"{what} has nothing to read: {'; '.join({*opened.absent.values(), *opened.failed.values()})}"
                raise SourceError(msg)
            try:
                pairs = spec.pairs(engine.types(opened.relation))
            except SpecError as error:
                msg = f"{what}: {error}"
                raise SpecError(msg) from None
            own = Drifting(spec, parts)
            own.ready(engine, opened.relation, pairs, [period])
            scan = engine.scan(opened.relation, spec, own.needs(), [period])
            found = own.profiles(scan, [period])
            broken = [f"{path} cannot be read to its end: {reason}" for path, reason in scan.failed_files.items()]
            broken += [each.failed for profiled in found.values() for each in profiled if each.failed is not None]
            if broken:
                msg = f"{what}: {broken[0]}"
                raise SourceError(msg)
            for part, profiled in found.items():
                part.reference = {each.where: each.histogram for each in profiled}

    def needs(self) -> list[Need]:
        """What has to be scanned."""
        return list(dict.fromkeys(need for part in self.parts for need in needs(part.column, part.of)))

    def profiles(self, scan: Scan, periods: Collection[Period]) -> dict[Part, list[Profile]]:
        """The histograms of these periods' groups."""
        return {part: profiles(scan, part.column, part.of, periods) for part in self.parts}

    def complete(
        self, measured: Mapping[Part, Sequence[Profile]], tx: Transaction, dataset_id: int, scope: Scope, measurement: Measurement
    ) -> tuple[Scope, Measurement]:
        """A measurement with its drift, and with the later points that follow from it: see `Store.save`."""
        fresh = {record.period.epoch: record.status for record in measurement.periods if record.status in MEASURED}
        if not fresh:
            return scope, measurement
        grain = self.spec.grain
        pruned = coarser.pruned_before(tx, dataset_id, lock=False)
        kept = list(measurement.partials)
        points: dict[SeriesInfo, list[Point]] = dict(measurement.points)
        later: set[int] = set()
        for part in self.parts:
            own = list(measured.get(part, ()))
            kept += self._keep(part, own, tx, dataset_id)
            if part.baseline is None:
                found = [Judged(each, (part.reference or {}).get(each.where)) for each in own]
            else:
                found = self._against(part.baseline, part, own, set(fresh), pruned, tx, dataset_id)
                later |= {each.profile.start for each in found} - fresh.keys()
            self.add_points(points, part, found)
            for start, status in fresh.items():
                if status is PeriodStatus.EMPTY and (self.spec.totals or not self.spec.group_columns):
                    for metric in part.metrics:
                        points.setdefault(self._info(part, metric, (TOTAL, ())), []).append(Point.of(start, None, 0))
        pairs = {(part.column, metric.name) for part in self.parts for metric in part.metrics}
        names = {(part.column, part.name) for part in self.parts}
        scope = replace(scope, pairs={*scope.pairs, *pairs, *names}, following=pairs)
        records = tuple(PeriodRecord(grain.containing(from_epoch(start)), PeriodStatus.OK) for start in sorted(later))
        return scope, replace(measurement, points=points, partials=tuple(kept), following=records)

    def _keep(self, part: Part, own: Sequence[Profile], tx: Transaction, dataset_id: int) -> list[Partial]:
        """What is to be kept of a part, under the dataset's lock."""
        there = partials.histograms(tx, dataset_id, self.spec.grain, part.column, part.name, [FIXED])
        decided = next((tuple(json.loads(each.state)["edges"]) for each in there if each.level == partials.EDGES), None)
        if decided is not None and decided != part.edges:
            msg = (
                f"dataset {self.spec.dataset!r}: another run has just decided the bins of column {part.column!r}; measure again with those"
            )
            raise StoreError(msg)
        kept = []
        if decided is None and (part.edges or not part.numeric or part.reference is not None):
            kept.append(part.edges_kept())
            kept += [part.kept(FIXED, where, histogram) for where, histogram in (part.reference or {}).items()]
        if part.baseline is not None:
            label = self.spec.labels.get(part.baseline.label_name or "")
            kept += [part.kept(each.start, each.where, each.histogram, label) for each in own if part.keeps(each)]
        return kept

    def _against(
        self, baseline: Baseline, part: Part, own: Sequence[Profile], fresh: set[int], pruned: int | None, tx: Transaction, dataset_id: int
    ) -> list[Judged]:
        """The histograms whose points follow from what was measured, each with what it is compared with."""
        grain = self.spec.grain
        usable = [each for each in own if part.keeps(each)]
        there = set(partials.histogram_starts(tx, dataset_id, grain, part.column, part.name)) - fresh
        starts = sorted(there | {each.start for each in usable})
        affected = [start for start in following(baseline, fresh, starts) if start in fresh or pruned is None or start >= pruned]
        by_start: dict[int, dict[Where, Profile]] = {}
        for each in usable:
            by_start.setdefault(each.start, {})[each.where] = each
        labels = dict.fromkeys(fresh, self.spec.labels.get(baseline.label_name or ""))
        wanted = there if baseline.label else there & {each for at in affected for each in (at, *reference_of(baseline, at, starts, {}))}
        for stored in partials.histograms(tx, dataset_id, grain, part.column, part.name, wanted):
            profile = Profile(stored.start, (stored.level, stored.dimensions), from_text(stored.state))
            by_start.setdefault(stored.start, {})[profile.where] = profile
            if baseline.label:
                labels[stored.start] = json.loads(stored.state).get("label")
        sums: dict[tuple[int, ...], dict[Where, Histogram]] = {}
        found = [Judged(each, None) for each in own if not part.keeps(each)]
        for start in affected:
            of = tuple(reference_of(baseline, start, starts, labels))
            if of not in sums:
                sums[of] = _sum([by_start[each] for each in of])
            found += [Judged(profile, sums[of].get(where)) for where, profile in by_start[start].items()]
        return found

    def add_points(self, points: dict[SeriesInfo, list[Point]], part: Part, found: Sequence[Judged]) -> None:
        """Compare."""
        values = compare(part.metrics, [each.profile.histogram for each in found], [each.reference for each in found])
        for metric, own in zip(part.metrics, values, strict=True):
            for (profile, _), value in zip(found, own.tolist(), strict=True):
                if profile.failed is not None:
                    point = Point(profile.start, None, None, PointStatus.FAILED, profile.failed)
                else:
                    point = Point.of(profile.start, None if math.isnan(value) else value, profile.histogram.n)
                points.setdefault(self._info(part, metric, profile.where), []).append(point)

    def _info(self, part: Part, metric: DriftMetric, where: Where) -> SeriesInfo:
        key = SeriesKey(self.spec.dataset, part.column, metric.name, where[1], where[0], self.spec.grain)
        return SeriesInfo(key, metric.kind, metric.unit or self.spec.units.get(part.column))


def prepare(store: Store, job: Job, period: Period) -> Drifting | None:
    """What a job compares with references, as far as the store knows it; a fixed source that it does not know is measured.

    :param period: for sources that want one: the first that is measured.
    """
    if not job.spec.drifts:
        return None
    drifting = Drifting(job.spec, parts_of(job.spec, job.definition_hash))
    for part in drifting.parts:
        _recall(part, store.fixed_histograms(job.spec.dataset, job.spec.grain, part.column, part.name))
    drifting.measure_references(job.engine, job.open_reference, period)
    return drifting


def parts_of(spec: MeasureSpec, defined_as: str = "") -> list[Part]:
    """What of a spec is compared with references.

    :param defined_as: the definition's hash: of another definition no histograms are used.
    """
    parts = []
    for drift in spec.drifts:
        is_first = isinstance(drift.reference, Baseline) and drift.reference.first is not None
        prefix = partials.FIRST_HISTOGRAM if is_first else partials.HISTOGRAM
        name = prefix + digest([defined_as, drift.definition(), spec.group_columns, spec.totals])[:16]
        for column in drift.metrics:
            metrics = [metric for each, metric in drift.pairs() if each == column and isinstance(metric, DriftMetric)]
            parts.append(Part(drift, column, metrics, name))
    return parts


def _recall(part: Part, rows: Sequence[StoredHistogram]) -> None:
    """What the store knows of a part."""
    decided = next((json.loads(row.state) for row in rows if row.level == partials.EDGES), None)
    if decided is not None:
        part.numeric, part.edges = decided["numeric"], tuple(decided["edges"])
        if part.baseline is None:
            part.reference = {(row.level, row.dimensions): from_text(row.state) for row in rows if row.level != partials.EDGES}


def _sum(histograms: Sequence[Mapping[Where, Profile]]) -> dict[Where, Histogram]:
    found: dict[Where, Histogram] = {}
    for each in histograms:
        for where, profile in each.items():
            found[where] = found[where] + profile.histogram if where in found else profile.histogram  # type: ignore[operator]
    return found
