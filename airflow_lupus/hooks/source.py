"""Opening a source for some periods, whatever kind it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_lupus.exceptions import SpecError
from airflow_lupus.sources import Files, Query, Source, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.model import Period
    from airflow_lupus.pipeline.measuring import Opened
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
    msg = f"{source!r} is not a source: Files(…), Table(…) or Query(…)"
    raise SpecError(msg)
