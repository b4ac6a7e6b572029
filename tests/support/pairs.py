"""Tables of predictions in tests, and what an engine says of them by group and in total."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from airflow_lupus.engines import engine_named
from airflow_lupus.model import Grain
from airflow_lupus.specs import MeasureSpec
from support import scanning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow_lupus.specs import MetricSet

DAY = Grain("day", "UTC")
PERIOD = DAY.containing(datetime(2024, 5, 1, tzinfo=UTC))
GROUP = 'a "quoted" {0} näme'
"""A group column as awkward as it may be."""
Row = dict[str, Any]


def said(engine: str, rows: Sequence[Row], schema: pa.Schema, *sets: MetricSet) -> Iterator[tuple[list[Row], dict[tuple[str, str], Any]]]:
    """The rows of each group, and of all, with what is said of them."""
    spec = MeasureSpec("predictions", DAY, sets, group_columns=(GROUP,))
    with scanning.source(engine, pa.Table.from_pylist(list(rows), schema=schema), spec, [PERIOD]) as relation:
        found, pairs = scanning.scan(engine_named(engine), relation, spec, [PERIOD])
    for group, values in zip(found.groups, scanning.said(found, pairs), strict=True):
        yield [row for row in rows if group.dimensions is None or row[GROUP] == group.dimensions[GROUP]], values


def same(value: float | None, expected: float | None, absolute: float = 1e-12) -> bool:
    """Whether two numbers are equal to 1e-9, or both are none."""
    return value == expected if value is None or expected is None else value == pytest.approx(expected, rel=1e-9, abs=absolute, nan_ok=True)


def check(found: dict[Any, Any], expected: dict[Any, Callable[[], Any] | Any]) -> None:
    """Compare what is said with what is expected, and name what differs."""
    for name, value in expected.items():
        if isinstance(value, dict):
            assert found[name].keys() == value.keys(), name
            assert all(same(found[name][key], value[key]) for key in value), (name, found[name], value)
        else:
            assert same(found[name], value), (name, found[name], value)
