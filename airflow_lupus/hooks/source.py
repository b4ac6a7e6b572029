"""Opening a source for some periods, whatever kind it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_lupus.engines.base import SparkRelation
from airflow_lupus.exceptions import SpecError
from airflow_lupus.pipeline.measuring import Opened
from airflow_lupus.sources import KINDS, Delta, Files, Frame, Iceberg, Query, Source, SparkTable, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec


def open_source(source: Source, periods: Sequence[Period], spec: MeasureSpec) -> Opened:
    """Find what of the source belongs to these periods; nothing but schemas is read."""
    if len(periods) > 1:
        source.check_ranged()
        if spec.time_column is None and not source.per_period:
            msg = (
                f"dataset {spec.dataset!r}: {len(periods)} periods at once need a time_column, or {{period}} in the path, to tell "
                "which row belongs to which"
            )
            raise SpecError(msg)
    if isinstance(source, Files):
        from airflow_lupus.hooks.files import open_files

        return open_files(source, periods, spec)
    if isinstance(source, Table | Query):
        from airflow_lupus.hooks.sql import open_sql

        return open_sql(source, periods, spec)
    if isinstance(source, Delta):
        from airflow_lupus.hooks.delta import open_delta

        return open_delta(source, periods, spec)
    if isinstance(source, Iceberg):
        from airflow_lupus.hooks.iceberg import open_iceberg

        return open_iceberg(source, periods, spec)
    if isinstance(source, Frame):
        from airflow_lupus.hooks.frame import open_frame

        return open_frame(source, periods, spec)
    if isinstance(source, SparkTable):
        return Opened(SparkRelation(source.name))
    msg = f"{source!r} is not a source: {KINDS}"
    raise SpecError(msg)
