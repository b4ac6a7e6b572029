"""From the store's rows to what the page shows."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from airflow_lupus import wording
from airflow_lupus.model import Grain, PointStatus, Reason, Severity, canonical_json, from_epoch
from airflow_lupus.plugin import schemas
from airflow_lupus.stores import reading, searching
from airflow_lupus.stores.restating import RUN, restatements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import sqlalchemy as sa

    from airflow_lupus.stores.database import Transaction
    from airflow_lupus.stores.reading import Filter, Newest
    from airflow_lupus.stores.restating import Restated
    from airflow_lupus.stores.sql import SqlStore

CALENDAR = 31
FACET_VALUES = 50
MAX_FILLED = 5_000
"""Periods of one chart up to which gaps are spelt out."""


class Explorer:
    """Answers the page's questions about one store."""

    def __init__(self, store: SqlStore) -> None:
        store.upgrade()
        self.store = store

    def datasets(self, wanted: Filter) -> schemas.Datasets:
        """Every dataset with its calendar."""
        with self.store.reading() as tx:
            rows = reading.dataset_rows(tx, wanted)
            counts = searching.by_dataset(tx, wanted)
            arrivals = reading.calendar(tx, [row.id for row in rows], wanted)
        by_dataset: dict[int, list[sa.Row[Any]]] = {row.id: [] for row in rows}
        for arrival in arrivals:
            by_dataset[arrival.dataset_id].append(arrival)
        return schemas.Datasets(
            datasets=[
                schemas.Dataset(
                    name=row.name,
                    dag_id=row.dag_id,
                    grain=row.grain,
                    timezone=row.timezone,
                    owner=row.owner,
                    runbook=row.runbook,
                    series=counts.get(row.id, (0, 0))[0],
                    anomalous_series=counts.get(row.id, (0, 0))[1],
                    first_period=from_epoch(by_dataset[row.id][0].start) if by_dataset[row.id] else None,
                    last_period=from_epoch(by_dataset[row.id][-1].start) if by_dataset[row.id] else None,
                    calendar=[_arrival(arrival) for arrival in by_dataset[row.id][-CALENDAR:]],
                )
                for row in rows
            ]
        )

    def page(self, wanted: Filter, order: str, limit: int, offset: int) -> schemas.SeriesPage:
        """One page of series, worst first unless asked otherwise, with facets over all of them."""
        with self.store.reading() as tx:
            found = searching.page(tx, wanted, order, limit, offset)
            facets = searching.facets(tx, wanted)
            answer = self._series(tx, found.series, wanted, {row.id: row for row in found.series if row.severity})
        counts = {severity.label: found.by_severity.get(int(severity), 0) for severity in Severity if severity}
        return schemas.SeriesPage(total=found.total, anomalous=cast("Any", counts), series=answer, facets=_facets(facets))

    def charts(self, ids: Sequence[int], wanted: Filter) -> schemas.Charts | None:
        """The charts of these series, in this order; None if one of them is not to be seen."""
        with self.store.reading() as tx:
            found = {row.id: row for row in reading.series_by_id(tx, ids, wanted.dag_ids)}
            if set(ids) - found.keys():
                return None
            rows = [found[series_id] for series_id in dict.fromkeys(ids)]
            datasets = {row.dataset_id for row in rows}
            described = self._series(tx, rows, wanted, reading.anomaly_counts(tx, wanted, [row.id for row in rows]))
            points = reading.chart_points(tx, list(found), wanted)
            verdicts = reading.chart_verdicts(tx, list(found), wanted)
            arrivals = reading.calendar(tx, datasets, wanted)
            notes = reading.annotation_rows(tx, datasets, wanted)
        return schemas.Charts(
            charts=[
                _chart(
                    row,
                    series,
                    [point for point in points if point.series_id == row.id],
                    [verdict for verdict in verdicts if verdict.series_id == row.id],
                    {arrival.start: arrival for arrival in arrivals if arrival.dataset_id == row.dataset_id},
                    [note for note in notes if note.dataset_id == row.dataset_id],
                )
                for row, series in zip(rows, described, strict=True)
            ]
        )

    def restatements(self, wanted: Restated, limit: int, offset: int) -> schemas.Restatements:
        """A page of replaced and retracted points."""
        with self.store.reading() as tx:
            total, rows = restatements(tx, wanted, limit, offset)
        return schemas.Restatements(total=total, restatements=[_restatement(row) for row in rows])

    def _series(
        self, tx: Transaction, rows: Sequence[sa.Row[Any]], wanted: Filter, anomalous: dict[int, sa.Row[Any]]
    ) -> list[schemas.Series]:
        ids = [row.id for row in rows]
        newest, newest_verdicts = reading.latest_points(tx, ids), reading.latest_verdicts(tx, ids)
        worst = reading.worst_verdicts(tx, [series_id for series_id in ids if series_id in anomalous], wanted)
        return [
            schemas.Series(
                id=row.id,
                dataset=row.dataset,
                column=row.column_name,
                metric=row.metric,
                dimensions=json.loads(row.dimensions),
                level=row.level,
                grain=row.grain,
                timezone=row.timezone,
                kind=row.kind,
                unit=row.unit,
                dag_id=row.dag_id,
                latest=_judgement(row, newest[row.id], newest_verdicts.get(row.id)) if row.id in newest else None,
                anomalies=anomalous[row.id].anomalies if row.id in anomalous else 0,
                worst=_judgement(row, worst[row.id], worst[row.id]) if row.id in worst else None,
            )
            for row in rows
        ]


def _facets(found: dict[str, dict[str, int]]) -> list[schemas.Facet]:
    first = ["dataset", "column", "metric", "level"]
    names = [name for name in first if name in found] + sorted(name for name in found if name not in first)
    facets = []
    for name in names:
        values = sorted(found[name].items(), key=lambda item: (-item[1], item[0]))
        shown = [schemas.FacetValue(value=json.loads(value), count=count) for value, count in values[:FACET_VALUES]]
        facets.append(schemas.Facet(name=name, values=shown, more=max(0, len(values) - FACET_VALUES)))
    return facets


def _arrival(row: sa.Row[Any]) -> schemas.Calendar:
    return schemas.Calendar(
        start=from_epoch(row.start),
        end=from_epoch(row.end),
        status=row.status,
        rows=row.rows,
        reason=row.reason,
        absent_groups=json.loads(row.absent_groups),
    )


def _severity(number: int | None) -> schemas.Severity | None:
    return cast("schemas.Severity", Severity(number).label) if number else None


def _judgement(series: sa.Row[Any], point: sa.Row[Any] | Newest, verdict: sa.Row[Any] | None) -> schemas.Judgement:
    return schemas.Judgement(
        start=from_epoch(point.start),
        end=from_epoch(point.end),
        value=point.value,
        status=cast("schemas.PointStatus", PointStatus(point.status).label),
        expected=verdict.expected if verdict else None,
        lower=verdict.lower if verdict else None,
        upper=verdict.upper if verdict else None,
        score=verdict.score if verdict else None,
        severity=_severity(verdict.severity) if verdict else None,
        reason=Reason(verdict.reason).label if verdict else None,
        detector=verdict.detector if verdict else None,
        sentence=_sentence(series, point.value, verdict),
    )


def _sentence(series: sa.Row[Any], value: float | None, verdict: sa.Row[Any] | None) -> str:
    if verdict is None:
        return f"{wording.subject(series.column_name, series.metric)} is {wording.quantity(value, series.unit)}; not judged yet"
    return wording.sentence(
        series.column_name,
        series.metric,
        series.unit,
        value,
        reason=Reason(verdict.reason),
        severity=verdict.severity,
        expected=verdict.expected,
        lower=verdict.lower,
        upper=verdict.upper,
        score=verdict.score,
        history=verdict.history,
    )


def _shown(verdicts: Sequence[sa.Row[Any]]) -> dict[int, tuple[sa.Row[Any], sa.Row[Any]]]:
    """Per period the worst verdict, and the one whose band is drawn: of several detectors the one that has two sides to it."""
    shown: dict[int, tuple[sa.Row[Any], sa.Row[Any]]] = {}
    for verdict in verdicts:
        worst, band = shown.get(verdict.start, (verdict, verdict))
        if verdict.severity > worst.severity or (verdict.severity == worst.severity and worst.lower is None and verdict.lower is not None):
            worst = verdict
        sides = [side is not None for side in (verdict.lower, verdict.upper, verdict.expected)]
        if sum(sides) > sum(side is not None for side in (band.lower, band.upper, band.expected)):
            band = verdict
        shown[verdict.start] = (worst, band)
    return shown


def _chart(
    row: sa.Row[Any],
    series: schemas.Series,
    points: Sequence[sa.Row[Any]],
    verdicts: Sequence[sa.Row[Any]],
    arrivals: dict[int, sa.Row[Any]],
    notes: Sequence[sa.Row[Any]],
) -> schemas.Chart:
    by_start = {point.start: point for point in points}
    judged = _shown(verdicts)
    runs: dict[str, int] = {}
    chart = schemas.Chart(
        series=series,
        **{name: [] for name in ("start", "end", "value", "status", "n", "expected", "lower", "upper", "score", "severity")},
        **{name: [] for name in ("reason", "detector", "sentence", "run", "runs")},
        annotations=[schemas.Annotation(start=from_epoch(note.start), kind=note.kind, text=note.text) for note in notes],
    )
    for start in sorted(by_start.keys() | arrivals.keys() | _between(row, by_start)):
        point, (worst, band) = by_start.get(start), judged.get(start, (None, None))
        chart.start.append(from_epoch(start))
        chart.end.append(_end(row.grain, row.timezone, start))
        chart.value.append(point.value if point else None)
        chart.status.append(cast("Any", PointStatus(point.status).label) if point else _nothing(arrivals.get(start)))
        chart.n.append(point.n if point else None)
        chart.expected.append(band.expected if band else None)
        chart.lower.append(band.lower if band else None)
        chart.upper.append(band.upper if band else None)
        chart.score.append(band.score if band else None)
        chart.severity.append(_severity(worst.severity) if worst else None)
        chart.reason.append(Reason(worst.reason).label if worst else None)
        chart.detector.append(worst.detector if worst else None)
        chart.sentence.append(_sentence(row, point.value, worst) if point and worst else None)
        chart.run.append(_run(point, runs, chart.runs) if point else None)
    return chart


def _nothing(arrival: sa.Row[Any] | None) -> Any:
    """Why a series has no point: the dataset has none either, or only this group was not there."""
    return "absent" if arrival is not None and arrival.status in {"ok", "empty"} else "missing"


def _between(row: sa.Row[Any], points: dict[int, sa.Row[Any]]) -> set[int]:
    """The periods between first and last point: those without one are gaps, not straight lines."""
    if len(points) < 2:
        return set()
    return set(_starts(row.grain, row.timezone, min(points), max(points)))


@lru_cache(maxsize=256)
def _starts(unit: str, timezone: str, first: int, last: int) -> tuple[int, ...]:
    """Starts of the periods from first to last; nothing where there would be too many."""
    periods = Grain(unit, timezone).periods(from_epoch(first), from_epoch(last))
    starts = []
    for period in periods:
        starts.append(period.epoch)
        if len(starts) > MAX_FILLED:
            return ()
    return tuple(starts)


@lru_cache(maxsize=10_000)
def _end(unit: str, timezone: str, start: int) -> datetime:
    return Grain(unit, timezone).containing(from_epoch(start)).end


def _restatement(row: sa.Row[Any]) -> schemas.Restatement:
    return schemas.Restatement(
        series_id=row.series_id,
        dataset=row.dataset,
        column=row.column_name,
        metric=row.metric,
        dimensions=json.loads(row.dimensions),
        level=row.level,
        unit=row.unit,
        start=from_epoch(row.start),
        end=from_epoch(row.end),
        before=row.before,
        before_status=cast("schemas.PointStatus", PointStatus(row.before_status).label),
        after=row.after,
        after_status="retracted" if row.after_status is None else cast("schemas.PointStatus", PointStatus(row.after_status).label),
        replaced_at=from_epoch(row.replaced_at),
        replaced_by=_linked(*(getattr(row, f"by_{name}") for name in RUN)),
        measured_by=_linked(*(getattr(row, f"was_{name}") for name in RUN)),
    )


def _run(point: sa.Row[Any], known: dict[str, int], runs: list[schemas.Run]) -> int:
    task = [getattr(point, name) for name in RUN]
    key = canonical_json(task)
    if key not in known:
        known[key] = len(runs)
        runs.append(_linked(*task))
    return known[key]


def _linked(dag_id: str, task_id: str, run_id: str, map_index: int, try_number: int) -> schemas.Run:
    """A task instance with the addresses of its run and log."""
    run_url = f"dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
    mapped = f"/mapped/{map_index}" if map_index >= 0 else ""
    log_url = f"{run_url}/tasks/{quote(task_id, safe='')}{mapped}?try_number={try_number}"
    return schemas.Run(dag_id=dag_id, run_id=run_id, task_id=task_id, try_number=try_number, run_url=run_url, log_url=log_url)
