"""What is no more: retired, so that nobody is shown or told of it and its history stays; or forgotten, rows and all."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.exceptions import SpecError, did_you_mean
from airflow_lupus.model import canonical_json
from airflow_lupus.stores import bulk, partials
from airflow_lupus.stores.renaming import first_points
from airflow_lupus.stores.saving import record_changes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow_lupus.model import DimensionValue
    from airflow_lupus.stores.database import Transaction
    from airflow_lupus.stores.sql import SqlStore

SERIES_AT_ONCE = 200
"""Whose rows one transaction deletes: a daily series of ten years has some 4,000 points and as many verdicts per detector."""


@dataclass(frozen=True)
class Selection:
    """Series of a dataset; all of them, where nothing narrows it down.

    :param dimensions: name → value as text: `LGA`, `3`, `true`, `null`. A text goes before anything else that is written alike.
    """

    dataset: str
    column: str | None = None
    metric: str | None = None
    dimensions: Mapping[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return self.column is None and self.metric is None and not self.dimensions


@dataclass(frozen=True)
class _Selected:
    dataset: sa.Row[Any]
    series: list[sa.Row[Any]]

    @property
    def ids(self) -> list[int]:
        return [row.id for row in self.series]


def retire(tx: Transaction, selection: Selection) -> int:
    """Hide series from page, API and detectors; how many were not retired yet. A measurement brings them back by itself.

    :raises SpecError: the store has nothing like that.
    """
    t = tx.tables
    found = _select(tx, selection, lock=True)
    now = int(time.time())
    for condition in bulk.among(tx, t.series.c.id, found.ids):
        tx.execute(sa.update(t.series).where(condition, t.series.c.retired_at.is_(None)).values(retired_at=now))
    if selection.whole:
        tx.execute(sa.update(t.datasets).where(t.datasets.c.id == found.dataset.id).values(retired_at=now))
    return sum(row.retired_at is None for row in found.series)


def bring_back(tx: Transaction, selection: Selection) -> int:
    """Undo `retire`; how many series it brings back. The next detect judges what came or changed meanwhile."""
    t = tx.tables
    found = _select(tx, selection, lock=True)
    back = [row.id for row in found.series if row.retired_at is not None]
    for condition in bulk.among(tx, t.series.c.id, back):
        tx.execute(sa.update(t.series).where(condition).values(retired_at=None))
    tx.execute(sa.update(t.datasets).where(t.datasets.c.id == found.dataset.id).values(retired_at=None))
    if back:
        record_changes(tx, found.dataset, found.dataset.revision + 1, first_points(tx, back))
    return len(back)


def count(tx: Transaction, selection: Selection) -> dict[str, int]:
    """How many rows of each table `forget` would delete."""
    t = tx.tables
    found = _select(tx, selection)
    counts: Counter[str] = Counter()
    for name, table in _of_series(tx).items():
        for condition in bulk.among(tx, table.c.series_id, found.ids):
            counts[name] += int(tx.execute(sa.select(sa.func.count()).select_from(table).where(condition)).scalar_one())
    counts["series"] = len(found.series)
    if selection.whole:
        for name, table in _of_dataset(tx).items():
            query = sa.select(sa.func.count()).select_from(table).where(table.c.dataset_id == found.dataset.id)
            counts[name] = int(tx.execute(query).scalar_one())
        counts[t.datasets.name.removeprefix(t.prefix)] = 1
    return dict(counts)


def forget(store: SqlStore, selection: Selection) -> dict[str, int]:
    """Delete series with all that is known of them, and a whole dataset with its calendar, digests and runs; rows by table.

    Done in transactions of a few hundred series: killed in between, the rest is still there, and the same call goes on. Where groups are
    forgotten, no period's absent groups name them, nor any digest that was sent.
    """
    counts: Counter[str] = Counter()
    while True:
        part, left = store.writing(lambda tx: _forget_some(tx, selection))
        counts.update(part)
        if not left:
            return dict(counts)


def _forget_some(tx: Transaction, selection: Selection) -> tuple[dict[str, int], bool]:
    t = tx.tables
    found = _select(tx, selection, lock=True)
    ids, left = found.ids[:SERIES_AT_ONCE], len(found.series) > SERIES_AT_ONCE
    counts: Counter[str] = Counter()
    for name, table in _of_series(tx).items():
        for condition in bulk.among(tx, table.c.series_id, ids):
            counts[name] += tx.execute(sa.delete(table).where(condition)).rowcount
    for condition in bulk.among(tx, t.series.c.id, ids):
        counts["series"] += tx.execute(sa.delete(t.series).where(condition)).rowcount
    if left:
        tx.execute(sa.update(t.datasets).where(t.datasets.c.id == found.dataset.id).values(revision=found.dataset.revision + 1))
        return dict(counts), True
    if selection.whole:
        for name, table in _of_dataset(tx).items():
            counts[name] = tx.execute(sa.delete(table).where(table.c.dataset_id == found.dataset.id)).rowcount
        counts["datasets"] = tx.execute(sa.delete(t.datasets).where(t.datasets.c.id == found.dataset.id)).rowcount
    else:
        counts["partials"] = _forget_partials(tx, found, selection)
        _forget_mentions(tx, found, selection)
        # A detect that is judging what has gone begins again.
        tx.execute(sa.update(t.datasets).where(t.datasets.c.id == found.dataset.id).values(revision=found.dataset.revision + 1))
    return dict(counts), False


def _forget_partials(tx: Transaction, found: _Selected, selection: Selection) -> int:
    """What would merge into longer periods of the forgotten series; those of other metrics of the same group go with it."""

    def wanted(column: str, metrics: Sequence[str], dims: Mapping[str, DimensionValue]) -> bool:
        if column in selection.dimensions:  # its values are counted in there
            return True
        if selection.column not in {None, column} or (selection.metric is not None and selection.metric not in metrics):
            return False
        return _has(dims, _meant([dims], selection.dimensions)) if selection.dimensions else True

    return partials.forget(tx, found.dataset.id, wanted)


def _forget_mentions(tx: Transaction, found: _Selected, selection: Selection) -> None:
    """Where else a group is named: as absent, and in digests that were sent."""
    t = tx.tables
    if selection.dimensions:
        rows = []
        mine = sa.select(t.periods).where(t.periods.c.dataset_id == found.dataset.id, t.periods.c.absent_groups != "[]")
        for row in tx.execute(mine):
            groups = json.loads(row.absent_groups)
            values = _meant(groups, selection.dimensions)
            kept = [canonical_json(group) for group in groups if not _has(group, values)]
            if len(kept) < len(groups):
                rows.append({**row._mapping, "absent_groups": "[" + ",".join(kept) + "]"})
        bulk.upsert(tx, t.periods, bulk.by_name(rows))
    told = sa.update(t.deliveries).where(t.deliveries.c.dataset_id == found.dataset.id, t.deliveries.c.state.in_(["sent", "logged"]))
    tx.execute(told.values(digest="{}"))


def _of_series(tx: Transaction) -> dict[str, sa.Table]:
    t = tx.tables
    return {"points": t.points, "point_revisions": t.point_revisions, "verdicts": t.verdicts, "changes": t.changes, "latest": t.latest}


def _of_dataset(tx: Transaction) -> dict[str, sa.Table]:
    """Tables of a dataset, in an order in which they can be emptied."""
    t = tx.tables
    names = ("partials", "periods", "measurements", "definitions", "slots", "deliveries", "annotations")
    return {name: getattr(t, name) for name in names}


def _select(tx: Transaction, selection: Selection, *, lock: bool = False) -> _Selected:
    t = tx.tables
    query = sa.select(t.datasets).where(t.datasets.c.name == selection.dataset)
    dataset = tx.execute(query.with_for_update() if lock else query).first()
    if dataset is None:
        names = tx.execute(sa.select(t.datasets.c.name)).scalars().all()
        msg = f"The store has no dataset {selection.dataset!r}: {did_you_mean(selection.dataset, names)}"
        raise SpecError(msg)
    series = tx.execute(sa.select(t.series).where(t.series.c.dataset_id == dataset.id).order_by(t.series.c.id)).all()
    for what, name, wanted in (("column", "column_name", selection.column), ("metric", "metric", selection.metric)):
        if wanted is not None:
            _refuse_unknown(selection, what, wanted, {getattr(row, name) for row in series})
            series = [row for row in series if getattr(row, name) == wanted]
    if selection.dimensions:
        dims = {row.id: json.loads(row.dimensions) for row in series}
        for name in selection.dimensions:
            _refuse_unknown(selection, "dimension", name, {each for group in dims.values() for each in group})
        values = _meant(list(dims.values()), selection.dimensions)
        for name, text in selection.dimensions.items():
            valid = {_text(group[name]) for group in dims.values() if name in group}
            _refuse_unknown(selection, f"{name} of", text, valid)
        series = [row for row in series if _has(dims[row.id], values)]
    if not series and not selection.whole:
        msg = f"No series of dataset {selection.dataset!r} has all of that together"
        raise SpecError(msg)
    return _Selected(dataset, list(series))


def _refuse_unknown(selection: Selection, what: str, wanted: str, valid: Collection[str]) -> None:
    if wanted not in valid:
        msg = f"Dataset {selection.dataset!r} has no {what} {wanted!r}: {did_you_mean(wanted, valid)}"
        raise SpecError(msg)


def _text(value: DimensionValue) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def _meant(groups: Collection[Mapping[str, DimensionValue]], wanted: Mapping[str, str]) -> dict[str, list[DimensionValue]]:
    """The values that these texts stand for."""
    meant: dict[str, list[DimensionValue]] = {}
    for name, text in wanted.items():
        found = {canonical_json(group[name]): group[name] for group in groups if name in group and _text(group[name]) == text}
        meant[name] = [text] if canonical_json(text) in found else list(found.values())
    return meant


def _has(group: Mapping[str, DimensionValue], values: Mapping[str, list[DimensionValue]]) -> bool:
    """Whether a group has one of the values of each dimension; `True` is not 1."""
    return all(name in group and canonical_json(group[name]) in map(canonical_json, known) for name, known in values.items())
