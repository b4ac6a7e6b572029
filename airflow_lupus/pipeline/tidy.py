"""From the state of a scan's groups to a tidy table: a row for each value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_lupus.model import LEAF, TOTAL, PointStatus
from airflow_lupus.pipeline.points import values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from airflow_lupus.engines.base import Scan
    from airflow_lupus.metrics import Metric
    from airflow_lupus.metrics.base import Array
    from airflow_lupus.model import Point, SeriesInfo
    from airflow_lupus.specs import MeasureSpec


def tidy(spec: MeasureSpec, pairs: Sequence[tuple[str, Metric]], scan: Scan) -> pa.Table:
    """`column`, `metric`, `level`, a column for each dimension, `value` and `n`, the rows behind it.

    A total has NULL in all group columns, as a group that is NULL has: `level` tells them apart. A metric that is undefined is NULL; one
    that could not be computed is left out.
    """
    import pyarrow as pa

    groups = {name: _unified([(group.dimensions or {}).get(name) for group in scan.groups]) for name in spec.group_columns}
    levels = pa.array([TOTAL if group.dimensions is None else LEAF for group in scan.groups], pa.string())
    entity_names = dict.fromkeys(name for column, metric in pairs if metric.per_entity for name in metric.entity_names(column))
    names = [*spec.group_columns, *(name for name in entity_names if name not in spec.group_columns)]
    parts = []
    for column, metric in pairs:
        failed = _failed(metric, scan)
        own: dict[str, Any] = {}
        if metric.per_entity:
            entities = metric.entities(scan.state.of(metric.operand))
            kept = ~failed[entities.group]
            missing = ~entities.defined[kept] if entities.defined is not None else None
            value = pa.array(entities.value[kept], mask=missing)
            group, behind = entities.group[kept], entities.behind[kept]
            own = {name: each.filter(pa.array(kept)) for name, each in zip(metric.entity_names(column), entities.values, strict=True)}
        else:
            found = values(metric, scan)
            kept = ~failed
            group, behind = np.flatnonzero(kept), found.behind[kept]
            value = pa.array(found.value[kept].astype(float), mask=~found.defined[kept])
        parts.append(_part(column, metric.name, group, levels, groups, own, value, behind))
    return _joined(parts, names)


def tidy_points(points: Mapping[SeriesInfo, Sequence[Point]], group_columns: Sequence[str]) -> pa.Table:
    """Points as `tidy` has them."""
    import pyarrow as pa

    rows = [(info.key, point) for info, own in points.items() for point in own if point.status is not PointStatus.FAILED]
    part = {
        "column": pa.array([key.column for key, _ in rows], pa.string()),
        "metric": pa.array([key.metric for key, _ in rows], pa.string()),
        "level": pa.array([key.level for key, _ in rows], pa.string()),
        **{name: _unified([dict(key.dimensions).get(name) for key, _ in rows]) for name in group_columns},
        "value": pa.array([math.inf if point.status is PointStatus.INF else point.value for _, point in rows], pa.float64()),
        "n": pa.array([point.n for _, point in rows], pa.int64()),
    }
    return _joined([part], group_columns)


def _part(
    column: str,
    metric: str,
    group: Array,
    levels: pa.Array,
    groups: Mapping[str, pa.Array],
    own: Mapping[str, pa.Array],
    value: pa.Array,
    behind: Array,
) -> dict[str, pa.Array]:
    import pyarrow as pa

    where = pa.array(group)
    size = len(group)
    return {
        "column": pa.repeat(pa.scalar(column), size),
        "metric": pa.repeat(pa.scalar(metric), size),
        "level": levels.take(where),
        **{name: each.take(where) for name, each in groups.items()},
        **own,
        "value": value.cast(pa.float64()),
        "n": pa.array(behind).cast(pa.int64()),
    }


def _joined(parts: Sequence[Mapping[str, pa.Array]], names: Sequence[str]) -> pa.Table:
    """One table of all, each dimension of one type: text, where it is of several."""
    import pyarrow as pa

    columns = ["column", "metric", "level", *names, "value", "n"]
    types = {"column": pa.string(), "metric": pa.string(), "level": pa.string(), "value": pa.float64(), "n": pa.int64()}
    for name in names:
        seen = {part[name].type for part in parts if name in part and not pa.types.is_null(part[name].type)}
        types[name] = seen.pop() if len(seen) == 1 else pa.string()
    schema = pa.schema([(name, types[name]) for name in columns])
    tables = []
    for part in parts:
        size = len(part["value"])
        arrays = [part[name].cast(types[name]) if name in part else pa.nulls(size, types[name]) for name in columns]
        tables.append(pa.Table.from_arrays(arrays, schema=schema))
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _unified(values_: Sequence[Any]) -> pa.Array:
    """Dimensions as an array: texts, where they are of several types."""
    import pyarrow as pa

    try:
        return pa.array(values_)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values_], pa.string())


def _failed(metric: Metric, scan: Scan) -> Array:
    """Of which groups a metric could not be computed."""
    names = set(metric.columns)
    own = scan.failures.get(metric.operand, {})
    return np.array([i in own or bool(names & group.failed.keys()) for i, group in enumerate(scan.groups)], dtype=bool)
