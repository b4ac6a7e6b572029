"""Scanning in tests: what an engine says of every group, metric by metric."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyarrow import parquet

from airflow_lupus.engines.assembling import dimension
from airflow_lupus.engines.base import FileSet, SourceFile
from airflow_lupus.pipeline.measuring import needed
from airflow_lupus.pipeline.points import values
from support.tables import postgres_relation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from airflow_lupus.engines.base import Engine, Relation, Scan
    from airflow_lupus.metrics import Metric
    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

Pairs = list[tuple[str, "Metric"]]


def scan(engine: Engine, relation: Relation, spec: MeasureSpec, periods: Sequence[Period]) -> tuple[Scan, Pairs]:
    """A scan for all that a spec names, and what that is."""
    pairs = spec.pairs(engine.types(relation))
    return engine.scan(relation, spec, needed(spec, pairs), periods), pairs


@contextmanager
def source(engine: str, table: pa.Table, spec: MeasureSpec, periods: Sequence[Period]) -> Iterator[Relation]:
    """A table as a relation that an engine reads: in PostgreSQL, or in a file."""
    if engine == "sql":
        yield postgres_relation(table, spec, periods)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/rows.parquet"
        parquet.write_table(table, path)
        yield FileSet([SourceFile(path)], "parquet")


def said(found: Scan, pairs: Pairs) -> list[dict[tuple[str, str], Any]]:
    """Of each group: (column, metric) → its value, None where it is undefined, or of a metric per entity entity → value."""
    groups: list[dict[tuple[str, str], Any]] = [{} for _ in found.groups]
    for column, metric in pairs:
        if metric.per_entity:
            entities = metric.entities(found.state.of(metric.operand))
            for group in groups:
                group[column, metric.name] = {}
            names = zip(*(map(dimension, each.to_pylist()) for each in entities.values), strict=True)
            defined = entities.defined if entities.defined is not None else [True] * len(entities.value)
            for group, name, value, is_defined in zip(entities.group, names, entities.value, defined, strict=True):
                groups[group][column, metric.name][name if len(name) > 1 else name[0]] = float(value) if is_defined else None
            continue
        of = values(metric, found)
        for group, value, defined in zip(groups, of.value, of.defined, strict=True):
            group[column, metric.name] = float(value) if defined else None
    return groups
