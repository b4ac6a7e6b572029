"""The digest: what one detect run has to tell, in a form that waits in the outbox and that any notifier can word."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from airflow_lupus import wording
from airflow_lupus.model import Reason, Severity, from_epoch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_lupus.model import Grain
    from airflow_lupus.pipeline.judging import Anomaly, Report

CONTEXT = 30
"""Periods before the judged ones that a link to the page shows."""
KEPT = 50
"""Anomalies that a digest carries in full; of the rest it knows the number."""


@dataclass(frozen=True)
class Line:
    """One anomaly, worded."""

    period: str
    """In the dataset's zone: `2013-02-08`."""
    subject: str
    """`dep_time.null_ratio`"""
    group: str
    """`origin=JFK`; empty for the total."""
    severity: str
    value: float | None
    value_text: str
    """In the metric's unit: `57 %`."""
    expected_text: str
    sentence: str
    chart_url: str


@dataclass(frozen=True)
class Links:
    """Where a reader goes from here."""

    base_url: str
    run_url: str
    log_url: str


@dataclass(frozen=True)
class Digest:
    """Everything found in one run, worst first.

    Callbacks find it as `context["digest"]`; its `text` is a message in plain words.
    """

    dataset: str
    dag_id: str
    run_id: str
    span: str
    """The judged periods: `8 Feb 2013`, or `1 Jan – 31 Dec 2013`."""
    severity: str | None
    """The worst; None where there is only trouble with the data."""
    total: int
    """Anomalies found, of which `anomalies` holds the worst."""
    anomalies: list[Line] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Periods that are missing, empty or failed, and errors of the task itself."""
    owner: str | None = None
    runbook: str | None = None
    run_url: str = ""
    log_url: str = ""
    page_url: str = ""

    @property
    def title(self) -> str:
        """One line: what, how bad, when."""
        if not self.total:
            return f"{self.dataset}: data missing, {self.span}" if self.problems else f"{self.dataset}: nothing to tell, {self.span}"
        worst = f", worst {self.severity}" if self.total > 1 else ""
        kind = "anomalies" if self.total > 1 else f"{self.severity} anomaly"
        return f"{self.dataset}: {self.total:,} {kind}{worst}, {self.span}"

    @property
    def text(self) -> str:
        """The whole message as plain text."""
        lines = [self.title]
        many = len({line.period for line in self.anomalies}) > 1
        for line in self.anomalies[:10]:
            where = f"{line.group}: " if line.group else ""
            lines.append(f"[{line.severity}] {line.period + ' ' if many else ''}{where}{line.sentence}")
        if self.total > 10:
            lines.append(f"… and {self.total - 10:,} more")
        lines += self.problems
        if self.owner or self.runbook:
            lines.append(
                " · ".join(part for part in (self.owner and f"Owner {self.owner}", self.runbook and f"Runbook {self.runbook}") if part)
            )
        lines += [f"{name}: {url}" for name, url in (("Chart", self.page_url), ("Run", self.run_url), ("Log", self.log_url)) if url]
        return "\n".join(lines)

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Digest:
        content = json.loads(text)
        return cls(**{**content, "anomalies": [Line(**line) for line in content["anomalies"]]})


def build(report: Report, links: Links, dag_id: str, run_id: str, *, errors: Sequence[str] = ()) -> Digest:
    """The digest of a run's news."""
    grain = report.grain
    news = report.news
    before = grain.shift(grain.containing(from_epoch(report.target[0])), -CONTEXT)
    problems = [
        f"{_day(grain, record.period.start)} is {record.status}: {record.reason or 'no data'}" for record in report.problems[:10]
    ] + list(errors)
    return Digest(
        dataset=report.dataset,
        dag_id=dag_id,
        run_id=run_id,
        span=span(grain, *report.target),
        severity=news[0].severity.label if news else None,
        total=len(news),
        anomalies=[_line(anomaly, grain, links) for anomaly in news[:KEPT]],
        problems=problems,
        owner=report.owner,
        runbook=report.runbook,
        run_url=links.run_url,
        log_url=links.log_url,
        page_url=page_url(
            links.base_url,
            dataset=report.dataset,
            start=_date(grain, before.start),
            end=_date(grain, from_epoch(report.target[1] - 1)),
        ),
    )


def page_url(base_url: str, **query: Any) -> str:
    """The page's address with some of its state: `dataset=`, `series=`, and the local dates `from` and `to` as `start=` and `end=`.

    >>> page_url("http://airflow", dataset="flights", start="2013-02-08")
    'http://airflow/plugin/lupus?dataset=flights&from=2013-02-08'
    """
    names = {"start": "from", "end": "to"}
    pairs = [(names.get(key, key), value) for key, value in query.items()]
    return f"{base_url.rstrip('/')}/plugin/lupus?{urlencode(pairs, quote_via=quote)}"


def span(grain: Grain, start: int, end: int) -> str:
    """Periods in words, in the dataset's zone."""
    first = grain.containing(from_epoch(start))
    last = grain.containing(from_epoch(end - 1))
    if first == last:
        return _day(grain, first.start)
    return f"{_day(grain, first.start)} – {_day(grain, last.start)}"


def _line(anomaly: Anomaly, grain: Grain, links: Links) -> Line:
    key, unit = anomaly.info.key, anomaly.info.unit
    return Line(
        period=_day(grain, from_epoch(anomaly.start)),
        subject=wording.subject(key.column, key.metric),
        group=wording.group(key.dimensions),
        severity=anomaly.severity.label,
        value=anomaly.value,
        value_text=wording.quantity(anomaly.value, unit),
        expected_text=wording.expectation(anomaly.lower, anomaly.upper, anomaly.expected, unit),
        sentence=wording.sentence(
            key.column,
            key.metric,
            unit,
            anomaly.value,
            reason=Reason(anomaly.reason),
            severity=int(Severity(anomaly.severity)),
            expected=anomaly.expected,
            lower=anomaly.lower,
            upper=anomaly.upper,
            score=anomaly.score,
        ),
        chart_url=page_url(links.base_url, series=anomaly.series_id, at=from_epoch(anomaly.start).strftime("%Y-%m-%dT%H:%M:%SZ")),
    )


def _day(grain: Grain, instant: datetime) -> str:
    local = grain.local(instant)
    return f"{local:%Y-%m-%d %H:%M}" if grain.unit == "hour" else f"{local:%Y-%m}" if grain.unit == "month" else f"{local:%Y-%m-%d}"


def _date(grain: Grain, instant: datetime) -> str:
    return f"{grain.local(instant):%Y-%m-%d}"
