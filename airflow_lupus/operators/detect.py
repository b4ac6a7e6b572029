"""`AnomalyDetectOperator`: judges what was collected, and tells people what it found."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_lupus.detectors import Window
from airflow_lupus.detectors.patterns import Rules
from airflow_lupus.model import Severity
from airflow_lupus.notifications.delivery import call_all, deliver, destinations, listed
from airflow_lupus.operators import _run
from airflow_lupus.operators.collect import one_of
from airflow_lupus.operators.links import ChartsLink
from airflow_lupus.periods import CONF_KEY, PeriodRule, resolve
from airflow_lupus.stores.base import NewDelivery

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow.sdk import BaseOperatorLink
    from airflow.sdk.definitions.context import Context

    from airflow_lupus.detectors import Detector
    from airflow_lupus.model import Grain
    from airflow_lupus.notifications.delivery import Callback
    from airflow_lupus.pipeline.judging import Report

log = logging.getLogger(__name__)

DEFAULT_DETECTORS = {"*": Window()}
LOGGED = 20
"""Anomalies that the task's log words."""


@dataclass
class Detection:
    """A detect task's settings, and the run of it: what `AnomalyDetectOperator` and `MonitorOperator` share."""

    detectors: Mapping[str, Any]
    callbacks: Sequence[Callback] = ()
    fail_on: str | None = None
    on_error: str = "warn"
    period: str | tuple[str, str] | None = None
    period_offset: int = 0
    rules: Rules = field(init=False)

    def __post_init__(self) -> None:
        self.rules = Rules(self.detectors)
        self.least = Severity.parse(self.fail_on) if self.fail_on is not None else None
        one_of("on_error", self.on_error, _run.ON_ERROR)
        self.callbacks = listed(self.callbacks)

    def run(self, context: Context, dataset: str) -> dict[str, Any]:
        """Judge, commit, deliver, and fail the task if it is asked to."""
        with _run.airflow_errors():
            report = _run.guarded(
                context, self.on_error, lambda: self._detect(context, dataset), lambda error: self._announce(context, dataset, error)
            )
        if report is None:
            return {"dataset": dataset, "status": "failed"}
        self._log(report)
        self._fail(report)
        return {
            "dataset": dataset,
            "judged": report.judged,
            "anomalies": len(report.anomalies),
            "worst": report.anomalies[0].severity.label if report.anomalies else None,
            "news": len(report.news),
        }

    def _detect(self, context: Context, dataset: str) -> Report:
        from airflow_lupus.hooks.store import get_store
        from airflow_lupus.pipeline import judge
        from airflow_lupus.pipeline.digest import build

        store = get_store()
        task = _run.task_ref(context)
        links = _run.links(context)
        conf = asked_range(context)
        named = destinations(self.callbacks)
        silent = _run.is_backfill(context) or (conf is not None and conf.get("alert") is not True)

        def target_of(grain: Grain) -> tuple[int, int]:
            resolved = resolve(PeriodRule(grain, self.period, self.period_offset), _run.dates(context))
            return int(resolved.start.timestamp()), int(resolved.end.timestamp())

        def digests(report: Report) -> list[NewDelivery]:
            if not (report.news or report.problems):
                return []
            digest = build(report, links, task.dag_id, task.run_id).to_json()
            return [NewDelivery(name, *report.target, digest) for name in named]

        report = judge(store, dataset, self.rules, task, target_of, None if silent else digests)
        if silent and report.news:
            log_silence(len(report.news), backfill=_run.is_backfill(context))
        deliver(store, dataset, task, named, context)
        context["digest"] = build(report, links, task.dag_id, task.run_id)  # type: ignore[typeddict-unknown-key]
        context["anomalies"] = report.anomalies  # type: ignore[typeddict-unknown-key]
        return report

    def _announce(self, context: Context, dataset: str, error: Exception) -> None:
        """Tell the callbacks that nothing could be judged: without the outbox, since the store may be the trouble."""
        call_all(self.callbacks, context, _run.trouble(context, dataset, "not judged", [f"could not be judged: {error}"]))

    def _log(self, report: Report) -> None:
        from airflow_lupus.pipeline.digest import Links, build

        log.info(
            "%s: judged %s points, %s anomalies in this run's periods, %s with too little history",
            *(report.dataset, f"{report.judged:,}", f"{len(report.anomalies):,}", f"{report.insufficient:,}"),
        )
        everything = replace(report, news=report.anomalies)
        for line in build(everything, Links("", "", ""), "", "").anomalies[:LOGGED]:
            log.warning("[%s] %s %s%s", line.severity, line.period, f"{line.group}: " if line.group else "", line.sentence)

    def _fail(self, report: Report) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        if self.least is None:
            return
        bad = [anomaly for anomaly in report.newest if anomaly.severity >= self.least]
        if bad:
            msg = f"{report.dataset}: {len(bad)} anomalies in the newest period are {self.fail_on} or worse, and fail_on={self.fail_on!r}"
            raise AirflowFailException(msg)


class AnomalyDetectOperator(BaseOperator):
    """Judge the metrics of a dataset: this run's periods, and whatever changed or became stale since the last time.

    Every judged point gets a verdict, from what was known before it; verdicts and the digest are committed before anybody is told.

    :param dataset: the name under which the metrics were collected.
    :param detectors: detectors by pattern over `column.metric`: `"*"`, `"dep_time.*"`, `"*.null_ratio"`, `"dep_time.null_ratio"`; the most
        specific replaces the others, and a list means any of them. By default `{"*": Window()}`.
    :param on_anomaly_callback: notifiers, or functions of the context, that are told once a run: `context["digest"]`.
    :param fail_on: the severity (`warning`, `major`, `critical`) from which an anomaly in the newest period fails the task, after commit
        and delivery, so that downstream tasks do not run.
    :param on_error: as for `MetricCollectOperator`.
    :param period: as for `MetricCollectOperator`; by default what this run collected.
    :param period_offset: likewise.
    """

    template_fields: Sequence[str] = ("dataset", "period")
    operator_extra_links: Collection[BaseOperatorLink] = (ChartsLink(),)
    ui_color = "#f7e6e1"

    def __init__(
        self,
        *,
        dataset: str,
        detectors: Mapping[str, Detector | str | Sequence[Detector | str]] | None = None,
        on_anomaly_callback: Callback | Sequence[Callback] = (),
        fail_on: str | None = None,
        on_error: str = "warn",
        period: str | tuple[str, str] | None = None,
        period_offset: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.period = period
        chosen = DEFAULT_DETECTORS if detectors is None else detectors
        self.detection = Detection(chosen, on_anomaly_callback, fail_on, on_error, period, period_offset)

    def execute(self, context: Context) -> dict[str, Any]:
        """Judge, commit, deliver."""
        self.detection.period = self.period  # rendered by now
        return self.detection.run(context, self.dataset)


def asked_range(context: Context) -> Mapping[str, Any] | None:
    """The range that the run's conf asks for, if it does."""
    conf = getattr(context.get("dag_run"), "conf", None) or {}
    asked = conf.get(CONF_KEY)
    return asked if isinstance(asked, dict) else None


def log_silence(count: int, *, backfill: bool) -> None:
    """Say in the log that nobody is told, and how to change that."""
    why = "backfills are silent" if backfill else 'range runs are silent unless their conf says "alert": true'
    log.info("Telling nobody of %s anomalies: %s", count, why)
