"""`DataMissingSensor`: waits until the run's period has its data, and tells people when it does not come."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator

from airflow_lupus.engines import check_engine
from airflow_lupus.exceptions import SpecError
from airflow_lupus.model import Grain
from airflow_lupus.notifications.delivery import call_all, listed
from airflow_lupus.operators import _run
from airflow_lupus.periods import PeriodRule
from airflow_lupus.sources import require_source
from airflow_lupus.specs import MeasureSpec, TableMetrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk.definitions.context import Context

    from airflow_lupus.model import DimensionValue, Period
    from airflow_lupus.notifications.delivery import Callback
    from airflow_lupus.periods import Resolved
    from airflow_lupus.sources import Source


class DataMissingSensor(BaseSensorOperator):
    """Succeeds when every period of the run has its data: the source is there and readable, with enough rows and all expected groups.

    A half-written Parquet file is not there yet. Works in `mode="poke"` and `mode="reschedule"`.

    :param source: `Files`, `Table`, `Query`, `Delta`, `Iceberg`, `Frame` or `SparkTable`.
    :param dataset: what the data is called in messages; by default the source's own name.
    :param min_rows: at least so many rows per period.
    :param expected_groups: by column, the values that must be there: `{"origin": ["EWR", "JFK", "LGA"]}`.
    :param on_missing_callback: notifiers, or functions of the context, that are told when the time-out comes: `context["digest"]`.
    :param time_column: as for `MetricCollectOperator`, as are `grain`, `timezone`, `time_column_timezone`, `where`, `engine`, `period` and
        `period_offset`.
    """

    template_fields: Sequence[str] = ("dataset", "source", "period")
    ui_color = "#e6e6fa"

    def __init__(
        self,
        *,
        source: Source,
        dataset: str | None = None,
        min_rows: int = 1,
        expected_groups: Mapping[str, Sequence[DimensionValue]] | None = None,
        on_missing_callback: Callback | Sequence[Callback] = (),
        time_column: str | None = None,
        grain: str = "day",
        timezone: str | None = None,
        time_column_timezone: str = "UTC",
        where: str | None = None,
        engine: str = "auto",
        period: str | tuple[str, str] | None = None,
        period_offset: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_source(self.task_id, source)
        if min_rows < 0:
            msg = f"min_rows cannot be {min_rows}"
            raise SpecError(msg)
        check_engine(engine)
        self.source = source
        _run.follow(self, source)
        self.dataset = dataset or source.default_dataset
        self.min_rows = min_rows
        self.expected_groups = {column: list(values) for column, values in (expected_groups or {}).items()}
        self.callbacks = listed(on_missing_callback)
        self.timezone = timezone
        self.engine = engine
        self.period = period
        self.period_offset = period_offset
        self.spec = MeasureSpec(
            dataset=self.dataset,
            grain=Grain(grain, timezone or "UTC"),
            metric_sets=(TableMetrics(["row_count"]),),
            time_column=time_column,
            time_column_timezone=time_column_timezone,
            group_columns=tuple(self.expected_groups),
            where=where,
        )

    def execute(self, context: Context) -> Any:
        """Poke until the data is there; on time-out tell the callbacks what is not."""
        from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException

        self._lacking: list[str] = []
        try:
            return super().execute(context)
        except (AirflowSensorTimeout, AirflowSkipException):
            self._tell(context)
            raise

    def poke(self, context: Context) -> bool:
        """Whether the run's periods are complete."""
        grain = _run.dag_grain(context, self.spec.grain.unit, self.timezone)
        with _run.airflow_errors():
            resolved = _run.resolve_periods(context, PeriodRule(grain, self.period, self.period_offset), "Waiting for")
            self._lacking = self._look(replace(self.spec, grain=grain, dataset=self.dataset), resolved)
        for what in self._lacking[:10]:
            self.log.info("Not there yet: %s", what)
        return not self._lacking

    def _look(self, spec: MeasureSpec, resolved: Resolved) -> list[str]:
        """What is not there yet, in words."""
        from airflow_lupus.exceptions import DataMissing
        from airflow_lupus.hooks.source import open_source

        opened = open_source(self.source, resolved.periods, spec)
        lacking = [self._say(spec, period, reason) for period, reason in {**opened.absent, **opened.failed}.items()]
        readable = [period for period in resolved.periods if period not in opened.absent and period not in opened.failed]
        if opened.relation is None or not readable:
            return lacking
        engine = _run.make_engine(self.engine)
        try:
            spec.pairs(engine.types(opened.relation))
            scan = engine.scan(opened.relation, spec, [], readable)
        except DataMissing as error:
            return [*lacking, str(error)]
        lacking += [f"{path} cannot be read to its end: {reason}" for path, reason in scan.failed_files.items()]
        rows = dict.fromkeys(readable, 0)
        seen: dict[Period, dict[str, set[DimensionValue]]] = {
            period: {column: set() for column in self.expected_groups} for period in readable
        }
        for group in scan.groups:
            if group.dimensions is None:
                rows[group.period] = group.rows
            else:
                for column, value in group.dimensions.items():
                    seen[group.period][column].add(value)
        for period in readable:
            if rows[period] < self.min_rows:
                lacking.append(self._say(spec, period, f"{rows[period]:,} rows of at least {self.min_rows:,}"))
            for column, values in self.expected_groups.items():
                absent = [value for value in values if value not in seen[period][column]]
                if absent:
                    names = ", ".join(map(str, absent))
                    lacking.append(self._say(spec, period, f"no rows with {column} {names}"))
        return lacking

    def _say(self, spec: MeasureSpec, period: Period, reason: str) -> str:
        return f"{spec.grain.local(period.start):%Y-%m-%d %H:%M}: {reason}"

    def _tell(self, context: Context) -> None:
        span = f"waited {float(self.timeout) / 60:.0f} minutes"
        problems = [f"missing {what}" for what in self._lacking[:20]]
        call_all(self.callbacks, context, _run.trouble(context, self.dataset, span, problems))
