"""`MetricCollectOperator`: measures a source and puts its metrics into the store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_lupus import config
from airflow_lupus.engines import check_engine
from airflow_lupus.exceptions import DataMissing, SpecError, did_you_mean
from airflow_lupus.model import Grain, PeriodStatus
from airflow_lupus.operators import _run
from airflow_lupus.operators.links import ChartsLink
from airflow_lupus.periods import CONF_KEY, PeriodRule
from airflow_lupus.sources import require_source
from airflow_lupus.specs import ColumnMetrics, MeasureSpec
from airflow_lupus.stores.retention import check_retention

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow.sdk import BaseOperatorLink
    from airflow.sdk.definitions.context import Context

    from airflow_lupus.engines import Spark
    from airflow_lupus.model import Period, TaskRef
    from airflow_lupus.periods import Resolved
    from airflow_lupus.pipeline.collecting import Collected, Job
    from airflow_lupus.sources import Source
    from airflow_lupus.specs import MetricSet
    from airflow_lupus.stores.base import Store

AUTO_HISTORY = 90
"""Periods that `history="auto"` means."""
ON_SCHEMA_CHANGE = ("report", "follow")
ON_MISSING = ("fail", "skip", "ignore")


class MetricCollectOperator(BaseOperator):
    """Measure metrics of a source for the run's period, and replace in the store what was there of them.

    Everything in the spec that can be checked without data is checked when the DAG is parsed. A period's metrics are committed in one
    transaction, many periods in chunks that fit into memory: a killed task leaves no half of a period, and its retry completes it. Run
    again, it changes nothing unless the data did.

    :param source: `Files`, `Table`, `Query`, `Delta`, `Iceberg`, `Frame` or `SparkTable`.
    :param dataset: the name to keep the metrics under; by default the source's own.
    :param time_column: the column that says to which period a row belongs; without one a row belongs to its file's `{period}`.
    :param grain: `hour`, `day`, `week` or `month`.
    :param timezone: where the grain's days begin; by default the DAG's timezone.
    :param time_column_timezone: the zone in which timestamps without one are to be read. Dates are days of `timezone`.
    :param column_metrics: metrics by column, such as `{"dep_delay": ["avg", "p95"]}`.
    :param metrics: further metric sets, such as `[TableMetrics(["row_count"])]`.
    :param group_columns: a series for each combination of their values …
    :param totals: … and one over all rows.
    :param where: an SQL condition on rows, in the dialect of the place that reads them: DuckDB's for files, lakes and
        frames, the database's own for tables.
    :param per_entity: by column, whether `count` is counted per value of it; by default it is for text and booleans.
    :param units: the unit of a column's values (`{"dep_delay": "minutes"}`), shown with its metrics.
    :param top: by column, how many of its values a metric per entity tells apart (`{"device": 20}`): the most frequent of the period; the
        others together are `other`.
    :param max_groups: more groups in one period than this stop the task with a message …
    :param max_entities: … and so do more values of a column in a group, for metrics per entity.
    :param engine: what aggregates: `duckdb`, in this task; `sql`, the database that has the table; `spark`, or a `Spark` that says which;
        `auto`: the database where it is PostgreSQL, Spark where the source is a Spark table, otherwise DuckDB. The log says which, and why.
    :param period: an ISO date or time whose period is measured, a pair of them as a half-open range, or `current`; templated.
    :param period_offset: measure so many periods later (or, negative, earlier) than the rule says: −7 for labels that come a week late.
    :param recollect: measure so many earlier periods again, since late rows arrive.
    :param history: how many periods before its own the dataset's first run also collects, silently: so many; `auto`: 90 where there is a
        `time_column`; None: none. Not in range runs and backfills. It ends at the source's first row, or when `[lupus] history_rows` rows
        were read. What fails in it never harms the run itself, and later runs do not try again.
    :param on_missing: what the task does when the source has nothing for its period: `fail` (a retry may find late data), `skip` or
        `ignore`.
    :param on_error: what a failure of collector or store does once the task's retries are used up: `warn` lets the task succeed, so that
        monitoring never breaks production; `fail` does not. A wrong spec always fails.
    :param on_schema_change: without `column_metrics` and `metrics`, what to measure is chosen when the dataset is first measured, by type
        and number of different values, and kept. When the source's columns change later, `report` says so in the log and as an
        annotation, and goes on with those columns that are as they were; `follow` chooses anew, and says so.
    :param owner: who is responsible for the dataset, named in alerts.
    :param runbook: an address with what to do.
    :param shared: another DAG owns the dataset, and this one writes to it deliberately.
    :param retention: days after which `airflow lupus store prune` deletes something of the dataset, by what it is: `points`, `verdicts`,
        `revisions`, `partials`, and `bands`: ordinary verdicts then keep their band alone. What is not named is kept for ever. And
        `"roll_up": "week"` or `"month"`: what it makes of `points` before they go, where partials were kept.
    :param keep_partials: keep, beside the points, what of each group merges into longer periods: counts, sums, extremes, and up to 1,000
        counts per entity.
    :param labels: what the run's periods are measured under, such as `{"model_version": "{{ var.value.model_version }}"}`, templated: what
        `Baseline(label=…)` goes by.
    """

    template_fields: Sequence[str] = ("dataset", "source", "period", "labels")
    operator_extra_links: Collection[BaseOperatorLink] = (ChartsLink(),)
    ui_color = "#e4f0e8"

    def __init__(
        self,
        *,
        source: Source,
        dataset: str | None = None,
        time_column: str | None = None,
        grain: str = "day",
        timezone: str | None = None,
        time_column_timezone: str = "UTC",
        column_metrics: Mapping[str, Sequence[str]] | None = None,
        metrics: Sequence[MetricSet] = (),
        group_columns: Sequence[str] = (),
        totals: bool = True,
        where: str | None = None,
        per_entity: Mapping[str, bool] | None = None,
        units: Mapping[str, str] | None = None,
        top: Mapping[str, int] | None = None,
        max_groups: int = 10_000,
        max_entities: int = 10_000,
        engine: str | Spark = "auto",
        period: str | tuple[str, str] | None = None,
        period_offset: int = 0,
        recollect: int = 0,
        history: str | int | None = "auto",
        on_missing: str = "fail",
        on_error: str = "warn",
        on_schema_change: str = "report",
        owner: str | None = None,
        runbook: str | None = None,
        shared: bool = False,
        retention: Mapping[str, int | str] | None = None,
        keep_partials: bool = False,
        labels: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_source(self.task_id, source)
        one_of("on_missing", on_missing, ON_MISSING)
        one_of("on_error", on_error, _run.ON_ERROR)
        one_of("on_schema_change", on_schema_change, ON_SCHEMA_CHANGE)
        check_engine(engine)
        check_retention(retention or {}, grain)
        if isinstance(group_columns, str):
            msg = f"{self.task_id}: group_columns must be a list of columns, not the text {group_columns!r}"
            raise SpecError(msg)
        self.source = source
        _run.follow(self, source)
        self.dataset = dataset or source.default_dataset
        self.timezone = timezone
        self.engine = engine
        self.period = period
        self.period_offset = period_offset
        self.recollect = recollect
        self.history = history
        self.on_missing = on_missing
        self.on_error = on_error
        self.on_schema_change = on_schema_change
        self.dataset_info = {"owner": owner, "runbook": runbook, "shared": shared, "retention": dict(retention or {})}
        own = (ColumnMetrics(column_metrics),) if column_metrics else ()
        self.spec = MeasureSpec(
            dataset=self.dataset,
            grain=Grain(grain, timezone or "UTC"),  # the DAG's zone is known when the task runs
            metric_sets=(*metrics, *own),
            time_column=time_column,
            time_column_timezone=time_column_timezone,
            group_columns=tuple(group_columns),
            totals=totals,
            where=where,
            per_entity=per_entity or {},
            units=units or {},
            top=top or {},
            max_groups=max_groups,
            max_entities=max_entities,
            keep_partials=keep_partials,
            labels=labels or {},
        )
        self.labels = dict(labels or {})
        PeriodRule(self.spec.grain, None, period_offset, recollect)
        self._check_history()

    def _check_history(self) -> None:
        """Raise for a history that cannot be meant."""
        if self.history is None or self.history == "auto":
            return
        if isinstance(self.history, bool) or not isinstance(self.history, int) or self.history < 0:
            msg = f'{self.task_id}: history must be "auto", a number of periods or None, not {self.history!r}'
            raise SpecError(msg)
        if self.history:
            self.source.check_ranged()
            if self.spec.time_column is None and not self.source.per_period:
                msg = (
                    f"{self.task_id}: history={self.history} needs a time_column, or {{period}} in the path, to tell which row belongs to "
                    "which period"
                )
                raise SpecError(msg)

    def job(self, grain: Grain) -> Job:
        """What this task measures, whatever the periods: a run's, the history's before a first run, a backfill's.

        :param grain: `spec.grain`, in the zone that the task or its DAG gives it.
        """
        from airflow_lupus.hooks.source import open_source
        from airflow_lupus.pipeline.collecting import Job

        spec = replace(self.spec, grain=grain, dataset=self.dataset, labels=self.labels)
        return Job(
            spec,
            self.source.definition(),
            lambda periods: open_source(self.source, periods, spec),
            _run.make_engine(self.engine, self.source),
            self.dataset_info,
            self.on_schema_change == "follow",
            open_reference=lambda reference, period, whole: open_source(reference, [period], whole),
        )

    def execute(self, context: Context) -> dict[str, Any]:
        """Measure, commit, and tell XCom what came of it."""
        summary, done = self._measure(context)
        if done is not None:
            self._finish(context, done)
        return summary

    def _measure(self, context: Context) -> tuple[dict[str, Any], Collected | None]:
        """Measure and commit; None where it failed and `on_error` lets the task succeed."""
        grain = _run.dag_grain(context, self.spec.grain.unit, self.timezone)
        with _run.airflow_errors():
            resolved = _run.resolve_periods(context, PeriodRule(grain, self.period, self.period_offset, self.recollect), "Measuring")
            saved: set[Period] = set()
            done = _run.guarded(
                context,
                self.on_error,
                lambda: self._collect(context, grain, resolved, saved),
                lambda error: self._record_failure(context, grain, [each for each in resolved.periods if each not in saved], error),
            )
        if done is None:
            return {"dataset": self.dataset, "status": "failed"}, None
        self._log(done)
        self._publish(context, resolved)
        summary = {
            "dataset": self.dataset,
            "start": resolved.start.isoformat(),
            "end": resolved.end.isoformat(),
            "periods": len(done.periods),
            "missing": len(done.missing),
            "series": done.series,
            "changed": done.saved.changed,
        }
        return summary, done

    def _collect(self, context: Context, grain: Grain, resolved: Resolved, saved: set[Period]) -> Collected:
        from airflow_lupus.hooks.store import get_store
        from airflow_lupus.pipeline import collect

        if resolved.ranged:
            self.source.check_ranged()
        log_progress = _run.progress_logger()

        def progress(done: Collected) -> None:
            saved.update(record.period for record in done.periods)
            log_progress(done)

        store, job, task = get_store(), self.job(grain), _run.task_ref(context)
        earlier = self._earlier(context, store, job, resolved)
        done = collect(store, job, resolved.periods, task, progress=progress)
        if earlier:
            self._collect_history(store, job, earlier, task, done)
        return done

    def _earlier(self, context: Context, store: Store, job: Job, resolved: Resolved) -> list[Period]:
        """The periods before the run's own that it is to collect too."""
        from airflow_lupus.pipeline.history import before_first_run

        count = self.history
        if count == "auto":
            count = AUTO_HISTORY if self.spec.time_column and _can_range(self.source) else 0
        if not count or resolved.ranged or _run.is_backfill(context):
            return []
        return before_first_run(store, job, resolved.periods, _run.task_ref(context), int(count))

    def _collect_history(self, store: Store, job: Job, earlier: Sequence[Period], task: TaskRef, run: Collected) -> None:
        """The run's own periods are committed: whatever goes wrong here is a warning."""
        from airflow_lupus.pipeline.history import collect_history

        unit = job.spec.grain.unit
        self.log.info("The dataset's first run: also collecting up to %s %ss before it, telling nobody", len(earlier), unit)
        progress = _run.progress_logger("History: ")
        try:
            done = collect_history(store, job, earlier, task, run=run, most_rows=int(config.get("history_rows")), progress=progress)
        except Exception:
            self.log.warning(
                "History could not be collected, or not all of it. The run's own periods are stored; clear this task to try again, "
                "or run `airflow lupus backfill`",
                exc_info=True,
            )
            return
        self.log.info(
            "History: %s %ss%s, %s rows, %s points",
            *(len(done.periods), unit, f" from {min(r.period for r in done.periods).start.isoformat()}" if done.periods else ""),
            *(f"{done.rows:,}", f"{done.points:,}"),
        )

    def _record_failure(self, context: Context, grain: Grain, periods: Sequence[Period], error: Exception) -> None:
        from airflow_lupus.hooks.store import get_store
        from airflow_lupus.pipeline.collecting import record_failed

        record_failed(get_store(), self.job(grain), periods, _run.task_ref(context), str(error)[:1000])

    def _log(self, done: Collected) -> None:
        saved = done.saved
        self.log.info(
            "%s: %s rows%s, %s series; %s points added, %s changed, %s retracted, %s as before",
            *(self.dataset, f"{done.rows:,}", "" if done.bytes is None else f" of {done.bytes:,} bytes"),
            *(f"{done.series:,}", f"{saved.added:,}"),
            *(f"{saved.updated:,}", f"{saved.retracted:,}", f"{saved.unchanged:,}"),
        )
        if saved.redefined:
            self.log.warning("The definition of %s series changed; their baseline restarts", saved.redefined)
        for metric, reason in done.failed.items():
            self.log.warning("%s could not be computed for some groups: %s", metric, reason)
        if done.schema_change is not None:
            self.log.warning(
                "The source's columns changed since it was chosen what to measure: %s. To choose anew, run once with "
                'on_schema_change="follow", or name column_metrics',
                done.schema_change,
            )
        for record in done.periods:
            if record.status is not PeriodStatus.OK:
                self.log.warning("%s is %s: %s", record.period.start.isoformat(), record.status, record.reason)

    def _publish(self, context: Context, resolved: Resolved) -> None:
        """Say the measured periods in the events of the task's outlets, so that asset-triggered DAGs know theirs."""
        for outlet in self.outlets or []:
            extra = context["outlet_events"][outlet].extra
            extra[CONF_KEY] = {"start": resolved.start.isoformat(), "end": resolved.end.isoformat()}

    def _finish(self, context: Context, done: Collected) -> None:
        """What missing data means to the task, now that the rest is committed."""
        from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

        failed = done.of(PeriodStatus.FAILED)
        if failed and self.on_error == "fail":
            msg = f"{self.dataset}: {len(failed)} periods could not be measured: {failed[0].reason}"
            raise AirflowFailException(msg)
        if not done.missing or self.on_missing == "ignore":
            return
        first, grain = done.missing[0], _run.dag_grain(context, self.spec.grain.unit, self.timezone)
        msg = (
            f"{self.dataset}: no data for {len(done.missing)} of {len(done.periods)} periods, "
            f"first for {grain.local(first.period.start):%Y-%m-%d %H:%M}: {first.reason}"
        )
        if self.on_missing == "skip":
            raise AirflowSkipException(msg)
        with _run.airflow_errors():
            raise DataMissing(msg)


def _can_range(source: Source) -> bool:
    try:
        source.check_ranged()
    except SpecError:
        return False
    return True


def one_of(what: str, value: str, valid: Sequence[str]) -> None:
    """Raise for a word that a parameter does not know."""
    if value not in valid:
        msg = f"{what}={value!r}: {did_you_mean(value, valid)}"
        raise SpecError(msg)
