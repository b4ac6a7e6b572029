"""Which period a row belongs to, as Spark's SQL: arithmetic, so that no join stands between the files and the aggregates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_lupus.engines.bounds import CLOCK, DATE, INSTANT, bounds
from airflow_lupus.engines.dialects.spark import SparkDialect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

FORMS = {"timestamp": INSTANT, "timestamp_ntz": CLOCK, "date": DATE}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class Cut:
    """How a time column is cut into periods, as SQL."""

    index: str
    """A row's period."""
    within: str
    """Whether it is in any; lets Parquet skip row groups."""


def cut(spec: MeasureSpec, column: str, native: str, periods: Sequence[Period]) -> Cut:
    """How to cut a time column.

    :param column: its name as SQL.
    :param native: its type.
    """
    form = FORMS.get(native)
    starts, ends = bounds(spec, form, native, periods)
    spans = sorted((_position(form, lo), _position(form, hi), i) for i, (lo, hi) in enumerate(zip(starts, ends, strict=True)))
    # Of two hours that are one on the clocks, when these go back, the first is empty: it must not take the other's rows.
    spans = [span for span in spans if span[0] < span[1]]
    if not spans:
        return Cut("0", "false")
    position = {INSTANT: f"unix_micros({column})", CLOCK: SparkDialect.micros(column), DATE: f"unix_date({column})"}[str(form)]
    within = f"{column} >= {_literal(form, spans[0][0])} AND {column} < {_literal(form, spans[-1][1])}"
    if len(spans) == 1:
        return Cut(str(spans[0][2]), within)
    index, gaps = _index(position, spans)
    return Cut(index, f"{within} AND {index} IS NOT NULL" if gaps else within)


def _index(position: str, spans: Sequence[tuple[int, int, int]]) -> tuple[str, bool]:
    """A CASE of one branch for each run of periods as long as each other, and whether there is anything between runs.

    >>> _index("x", [(0, 10, 0), (10, 20, 1), (20, 30, 2), (40, 45, 3)])
    ('CASE WHEN x < 30 THEN CAST((x - 0) DIV 10 AS INT) + 0 WHEN x < 40 THEN NULL WHEN x < 45 THEN 3 END', True)
    """
    runs: list[tuple[int, int, int, int]] = []  # from, to, length of each period, index of the first
    for lo, hi, i in spans:
        if runs:
            first, end, length, at = runs[-1]
            if end == lo and hi - lo == length and at + (end - first) // length == i:
                runs[-1] = (first, hi, length, at)
                continue
        runs.append((lo, hi, hi - lo, i))
    branches, gaps, reached = [], False, runs[0][0]
    for lo, hi, length, at in runs:
        if reached < lo:
            gaps = True
            branches.append(f"WHEN {position} < {lo} THEN NULL")
        within = str(at) if hi - lo == length else f"CAST(({position} - {lo}) DIV {length} AS INT) + {at}"
        branches.append(f"WHEN {position} < {hi} THEN {within}")
        reached = hi
    return f"CASE {' '.join(branches)} END", gaps


def _position(form: str | None, at: datetime) -> int:
    """Days, or microseconds, since 1970."""
    return (at - EPOCH) // (timedelta(days=1) if form == DATE else timedelta(microseconds=1))


def _literal(form: str | None, position: int) -> str:
    if form == DATE:
        return f"DATE '{(EPOCH + timedelta(days=position)).date().isoformat()}'"
    at = (EPOCH + timedelta(microseconds=position)).isoformat(" ")
    return f"TIMESTAMP '{at}+00:00'" if form == INSTANT else f"TIMESTAMP_NTZ '{at}'"
