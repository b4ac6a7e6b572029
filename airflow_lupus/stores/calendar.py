"""The arrival calendar of a dataset."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.model import MEASURED, PeriodStatus, canonical_json
from airflow_lupus.stores import bulk
from airflow_lupus.stores.texts import clean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow_lupus.model import Measurement
    from airflow_lupus.stores.base import DatasetInfo, Scope
    from airflow_lupus.stores.database import Transaction
    from airflow_lupus.stores.series import KnownSeries


def known_periods(tx: Transaction, dataset_id: int, dataset: DatasetInfo, starts: Collection[int]) -> dict[int, sa.Row[Any]]:
    periods = tx.tables.periods
    query = (
        sa.select(periods)
        .filter_by(dataset_id=dataset_id, grain=dataset.grain.unit, timezone=dataset.grain.timezone)
        .where(periods.c.start.between(min(starts), max(starts)))
    )
    return {row.start: row for row in tx.execute(query) if row.start in starts}


def save_periods(
    tx: Transaction,
    dataset_id: int,
    dataset: DatasetInfo,
    found: Mapping[int, sa.Row[Any]],
    absent: Mapping[int, str],
    measurement: Measurement,
    measurement_id: int,
) -> None:
    """The arrival calendar. What is missing now but was measured before keeps its record: its points are still there."""
    key = {"dataset_id": dataset_id, "grain": dataset.grain.unit, "timezone": dataset.grain.timezone}
    rows = []
    for record in measurement.periods:
        start = record.period.epoch
        reason = clean(record.reason) if record.reason else record.reason
        columns = {"status": str(record.status), "rows": record.rows, "reason": reason, "absent_groups": absent.get(start, "[]")}
        old = found.get(start)
        if old is not None:
            if record.status not in MEASURED and old.status in MEASURED:
                continue
            if measurement.origin == "import" or all(getattr(old, name) == value for name, value in columns.items()):
                continue
        end = int(record.period.end.timestamp())
        rows.append({**key, "start": start, "end": end, **columns, "measurement_id": measurement_id})
    bulk.upsert(tx, tx.tables.periods, bulk.by_name(rows))


def absent_groups(found: Mapping[str, KnownSeries], scope: Scope, measurement: Measurement) -> dict[int, str]:
    """For each period with rows: the groups that the dataset is known to have and that had none, as canonical JSON."""
    names = tuple(sorted(scope.group_columns))
    if not names:
        return {}
    present: dict[int, set[str]] = {record.period.epoch: set() for record in measurement.periods if record.status is PeriodStatus.OK}
    known: set[str] = {
        series.dimensions for series in found.values() if not series.retired and series.dimension_names == canonical_json(names)
    }
    groups: dict[str, set[int]] = defaultdict(set)
    for info, new_points in measurement.points.items():
        if tuple(name for name, _ in info.key.dimensions) == names:
            groups[canonical_json(dict(info.key.dimensions))].update(point.start for point in new_points)
    for group, group_starts in groups.items():
        for start in group_starts & present.keys():
            present[start].add(group)
    known |= groups.keys()
    return {start: "[" + ",".join(sorted(known - there)) + "]" for start, there in present.items()}
