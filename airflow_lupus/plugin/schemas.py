"""What the page's API answers: the contract between `api.py` and `plugins/lupus_ui`.

The page's TypeScript types are generated from these models, so a change here that the page does not follow fails its build.
Every instant is ISO 8601 in UTC with `Z`; periods are half-open `[start, end)`.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  pydantic needs it at run time
from typing import Literal

from pydantic import BaseModel

PeriodStatus = Literal["ok", "empty", "missing", "failed"]
PointStatus = Literal["ok", "undefined", "nan", "inf", "-inf", "failed"]
Severity = Literal["warning", "major", "critical"]
Kind = Literal["ratio", "count", "sum", "mean", "quantile", "extreme", "spread", "distance"]
Level = Literal["total", "leaf"]
# A dimension's value: the group column's value as the source had it; null where the source had NULL.
DimensionValue = str | int | float | bool | None


class Calendar(BaseModel):
    """How one period of a dataset arrived."""

    start: datetime
    end: datetime
    status: PeriodStatus
    rows: int | None
    reason: str | None
    absent_groups: list[dict[str, DimensionValue]]


class Dataset(BaseModel):
    name: str
    dag_id: str
    grain: str
    timezone: str
    owner: str | None
    runbook: str | None
    series: int
    anomalous_series: int
    """Series with an anomaly in the asked range."""
    first_period: datetime | None
    last_period: datetime | None
    """Starts of the oldest and newest period that the dataset has."""
    calendar: list[Calendar]
    """The newest 31 periods of the asked range, oldest first."""


class Datasets(BaseModel):
    datasets: list[Dataset]


class Judgement(BaseModel):
    """One anomalous (or the newest) verdict, with the point it judged. Numbers are in the metric's own scale."""

    start: datetime
    end: datetime
    value: float | None
    status: PointStatus
    expected: float | None
    lower: float | None
    upper: float | None
    score: float | None
    """Signed distance from expected in σ; null for detectors without one."""
    severity: Severity | None
    """null: not an anomaly."""
    reason: str | None
    """point, threshold, insufficient_history …"""
    detector: str | None
    sentence: str
    """The judgement in words a person would say: "57 % of dep_time are NULL, expected 0 to 6 %"."""


class Series(BaseModel):
    id: int
    dataset: str
    column: str
    """`*` for metrics of the whole table."""
    metric: str
    dimensions: dict[str, DimensionValue]
    level: Level
    grain: str
    timezone: str
    kind: Kind
    unit: str | None
    """`ratio` (show as percent), `rows`, `values`, or the dataset's own unit for the column ("minutes"); null: none known."""
    dag_id: str
    latest: Judgement | None
    anomalies: int
    """Anomalous points in the asked range."""
    worst: Judgement | None
    """The worst of them."""


class FacetValue(BaseModel):
    value: DimensionValue
    count: int


class Facet(BaseModel):
    """One way to narrow the list down: `dataset`, `column`, `metric`, or `dim.<name>` for a dimension."""

    name: str
    values: list[FacetValue]
    """Most frequent first, at most 50; counts respect all filters but this facet's own."""
    more: int
    """How many further values there are."""


class SeriesPage(BaseModel):
    total: int
    anomalous: dict[Severity, int]
    """Series in the filtered list by the severity of their worst anomaly in range."""
    series: list[Series]
    facets: list[Facet]


class Run(BaseModel):
    """The task instance that measured a point, and where its run and log are, relative to Airflow's base address."""

    dag_id: str
    run_id: str
    task_id: str
    try_number: int
    run_url: str
    log_url: str


class Annotation(BaseModel):
    start: datetime
    kind: str
    text: str


class Chart(BaseModel):
    """One series over the asked range, column by column: item i of every list below belongs to `start[i]`.

    Periods in which the dataset is known to have nothing for this series appear with value null; so do periods between points.
    """

    series: Series
    start: list[datetime]
    end: list[datetime]
    value: list[float | None]
    status: list[PointStatus | Literal["missing", "absent"]]
    """`missing`: the dataset has no point there at all; `absent`: the dataset has, but not this group."""
    n: list[int | None]
    """Rows behind the value."""
    expected: list[float | None]
    lower: list[float | None]
    upper: list[float | None]
    score: list[float | None]
    severity: list[Severity | None]
    reason: list[str | None]
    detector: list[str | None]
    sentence: list[str | None]
    """For judged points."""
    run: list[int | None]
    """Position in `runs`."""
    runs: list[Run]
    annotations: list[Annotation]


class Charts(BaseModel):
    charts: list[Chart]


class Restatement(BaseModel):
    """A point that a later measurement replaced, or did not find any more."""

    series_id: int
    dataset: str
    column: str
    metric: str
    dimensions: dict[str, DimensionValue]
    level: Level
    unit: str | None
    start: datetime
    end: datetime
    before: float | None
    before_status: PointStatus
    after: float | None
    after_status: PointStatus | Literal["retracted"]
    replaced_at: datetime
    replaced_by: Run
    measured_by: Run
    """What had measured the value before."""


class Restatements(BaseModel):
    total: int
    restatements: list[Restatement]
    """The newest first."""
