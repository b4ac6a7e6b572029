"""Finding series among many: filters, order and counts are the database's work, so that a page of twenty thousand series stays quick."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.model import Severity, canonical_json
from airflow_lupus.stores.database import MYSQL
from airflow_lupus.stores.reading import is_anomaly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.stores.database import Transaction
    from airflow_lupus.stores.reading import Filter

FACETS = ("dataset", "column", "metric", "level")


@dataclass(frozen=True)
class Found:
    """A page of series, worst first unless asked otherwise, and what there is in all."""

    series: list[sa.Row[Any]]
    """With dataset and dag_id; anomalies, newest, severity and score of the range are NULL where there was none."""
    total: int
    by_severity: dict[int, int]
    """Worst severity in the range → series."""


def page(tx: Transaction, wanted: Filter, order: str, limit: int, offset: int) -> Found:
    """The series that pass every filter, by `worst` or `newest` anomaly of the range, or by `name`."""
    if not wanted.dag_ids:
        return Found([], 0, {})
    t, bad = tx.tables, _anomalies(tx, wanted)
    base = _from(tx, wanted, bad).where(*_conditions(tx, wanted))
    severity = sa.func.coalesce(bad.c.severity, 0)
    names = (t.datasets.c.name, t.series.c.column_name, t.series.c.metric, t.series.c.level.desc(), t.series.c.dimensions)
    first: dict[str, list[Any]] = {
        "worst": [severity.desc(), sa.func.coalesce(bad.c.score, 0.0).desc()],
        "newest": [sa.func.coalesce(bad.c.newest, 0).desc()],
        "name": [],
    }
    anomalies = (bad.c.anomalies, bad.c.newest, bad.c.severity, bad.c.score)
    # All series are counted in the same pass, by worst severity.
    counted = [sa.func.count().over().label("total")]
    counted += [sa.func.sum(sa.case((severity == int(member), 1), else_=0)).over().label(member.name) for member in Severity if member]
    query = base.with_only_columns(t.series, t.datasets.c.name.label("dataset"), t.definitions.c.dag_id, *anomalies, *counted)
    rows = list(tx.execute(query.order_by(*first[order], *names, t.series.c.id).limit(limit).offset(offset)))
    if not rows and offset:  # beyond the last page; the first one knows how many there are
        return replace(page(tx, wanted, order, 1, 0), series=[])
    if not rows:
        return Found([], 0, {})
    return Found(rows, rows[0].total, {int(member): int(getattr(rows[0], member.name)) for member in Severity if member})


def facets(tx: Transaction, wanted: Filter) -> dict[str, dict[str, int]]:
    """Per facet its values' counts, as canonical JSON, among the series that pass all filters but the facet's own."""
    found: dict[str, dict[str, int]] = {}
    if not wanted.dag_ids:
        return found
    columns = _columns(tx)
    for name in FACETS:
        query = _from(tx, wanted).where(*_conditions(tx, wanted, without=name))
        counts = {canonical_json(value): count for value, count in tx.rows(_counted(query, columns[name]))}
        if counts:
            found[name] = counts
    for chosen in (None, *wanted.dimensions):
        query = _from(tx, wanted).where(*_conditions(tx, wanted, without=chosen and f"dim.{chosen}"))
        for text, count in tx.rows(_counted(query, tx.tables.series.c.dimensions)):
            for name, value in json.loads(text).items():
                if name == chosen or (chosen is None and name not in wanted.dimensions):
                    counts = found.setdefault(f"dim.{name}", {})
                    counts[canonical_json(value)] = counts.get(canonical_json(value), 0) + count
    return found


def by_dataset(tx: Transaction, wanted: Filter) -> dict[int, tuple[int, int]]:
    """Dataset id → series, and how many of them have an anomaly in the range."""
    if not wanted.dag_ids:
        return {}
    bad = _anomalies(tx, wanted)
    dataset_id = tx.tables.series.c.dataset_id
    query = _from(tx, wanted, bad).where(*_conditions(tx, wanted))
    rows = tx.rows(query.with_only_columns(dataset_id, sa.func.count(), sa.func.count(bad.c.severity)).group_by(dataset_id))
    return {row[0]: (row[1], row[2]) for row in rows}


def _anomalies(tx: Transaction, wanted: Filter) -> sa.Subquery:
    """Per series with an anomaly in the range: how many anomalous points, the newest, and the worst severity and score."""
    verdicts = tx.tables.verdicts
    return (
        sa.select(
            verdicts.c.series_id,
            sa.func.count(verdicts.c.start.distinct()).label("anomalies"),
            sa.func.max(verdicts.c.start).label("newest"),
            sa.func.max(verdicts.c.severity).label("severity"),
            sa.func.max(sa.func.abs(sa.func.coalesce(verdicts.c.score, 0.0))).label("score"),
        )
        .where(*is_anomaly(verdicts), *wanted.in_range(verdicts.c.start))
        .group_by(verdicts.c.series_id)
        .subquery("bad")
    )


def _from(tx: Transaction, wanted: Filter, bad: sa.Subquery | None = None) -> sa.Select[Any]:
    t = tx.tables
    # Where only anomalies are wanted, the few of them lead the way to their series: + 0 keeps SQLite from going through a whole dataset.
    dataset_id = t.series.c.dataset_id + 0 if wanted.anomalous else t.series.c.dataset_id
    query = (
        sa.select(t.series.c.id)
        .join(t.datasets, t.datasets.c.id == dataset_id)
        .join(t.definitions, t.definitions.c.id == t.series.c.definition_id)
    )
    if bad is None and wanted.anomalous:
        bad = _anomalies(tx, wanted)
    if bad is None:
        return query
    return query.join(bad, bad.c.series_id == t.series.c.id, isouter=not wanted.anomalous)


def _columns(tx: Transaction) -> dict[str, sa.ColumnElement[str]]:
    t = tx.tables
    return {"dataset": t.datasets.c.name, "column": t.series.c.column_name, "metric": t.series.c.metric, "level": t.series.c.level}


def _conditions(tx: Transaction, wanted: Filter, without: str | None = None) -> list[sa.ColumnElement[bool]]:
    """What a series must be like; `without` the filter of one facet."""
    t = tx.tables
    conditions: list[sa.ColumnElement[bool]] = [t.definitions.c.dag_id.in_(sorted(wanted.dag_ids))]
    if not wanted.retired:
        conditions.append(t.series.c.retired_at.is_(None))
    chosen = {"dataset": wanted.dataset, "column": wanted.column, "metric": wanted.metric, "level": wanted.level}
    conditions += [_columns(tx)[name].in_(list(values)) for name, values in chosen.items() if values and name != without]
    for name, group in wanted.dimensions.items():
        if without != f"dim.{name}":
            conditions.append(sa.or_(*[_has(tx, name, value) for value in group]))
    dot, space = sa.literal("."), sa.literal(" ")
    words = sa.func.replace(t.series.c.dimensions, '"', " ")
    searched = (t.datasets.c.name, space, t.series.c.column_name, dot, t.series.c.metric, space, words)
    text = sa.func.lower(_joined(tx, searched))
    conditions += [text.contains(word, autoescape=True) for word in wanted.text.lower().split()]
    return conditions


def _joined(tx: Transaction, parts: Sequence[sa.ColumnElement[str]]) -> sa.ColumnElement[str]:
    if tx.dialect in MYSQL:
        return sa.func.concat(*parts)
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.concat(part)
    return joined


def _has(tx: Transaction, name: str, value: Any) -> sa.ColumnElement[bool]:
    """Whether the dimensions, canonical JSON, have this value: inside a text its quotes would be escaped, so it is found nowhere else."""
    pair = canonical_json({name: value})[1:-1]
    found = sa.func.strpos if tx.dialect == "postgresql" else sa.func.instr
    column = tx.tables.series.c.dimensions
    return sa.or_(found(column, f"{pair},") > 0, found(column, f"{pair}}}") > 0)


def _counted(query: sa.Select[Any], column: sa.ColumnElement[Any]) -> sa.Select[Any]:
    counted: sa.Select[Any] = query.with_only_columns(column, sa.func.count())
    return counted.group_by(column)
