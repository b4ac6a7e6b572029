"""`airflow lupus check`: what the tasks of a DAG would do, tried on one period; the store is not even looked at."""

from __future__ import annotations

import time
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_lupus import wording
from airflow_lupus.cli import dags
from airflow_lupus.cli.common import command, count, line, say
from airflow_lupus.exceptions import DataMissing, LupusError, SpecError
from airflow_lupus.model import PeriodStatus
from airflow_lupus.pipeline.choosing import by_type, choose
from airflow_lupus.pipeline.measuring import measure, needed
from airflow_lupus.specs import TableMetrics

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from airflow.sdk import DAG

    from airflow_lupus.cli.dags import Collecting, Judging
    from airflow_lupus.metrics import Metric
    from airflow_lupus.model import Grain, Period
    from airflow_lupus.operators.collect import MetricCollectOperator
    from airflow_lupus.pipeline.measuring import Opened

LOOKED_AT = 10_000
"""Periods, from the newest back, among which one with data is looked for."""
WIDER = 8
"""How many times more of them each time."""
NAMED = 4
"""Metrics that a pattern's line names."""


@command
def check(args: Namespace) -> None:
    """Say of each task what it measures and judges, how, and what it costs."""
    dag = dags.load(args.dag_id)
    chosen = dags.choose(dag, args.task)
    errors: list[str] = []
    measured: dict[str, set[str]] = {}
    for task in chosen.collecting:
        try:
            dataset, names = _check_collecting(task, dag, args.period)
        except LupusError as error:
            errors.append(f"{task.task_id}: {error}")
        else:
            measured.setdefault(dataset, set()).update(names)
    for judging in chosen.judging:
        try:
            _check_judging(judging, measured.get(judging.dataset))
        except LupusError as error:
            errors.append(f"{judging.name}: {error}")
    if errors:
        raise SystemExit("\n".join(errors))


def _check_collecting(task: MetricCollectOperator, dag: DAG, asked: str | None) -> tuple[str, set[str]]:
    """Dataset and names of what a task measures."""
    work, period = _with_period(task, dag, asked)
    spec, engine = work.job.spec, work.job.engine
    say(f"{work.name} ({type(task).__name__})")
    line("dataset", work.dataset)
    line("source", _source(work))
    line("grain", str(work.grain))
    opened = work.job.open([period])
    relation = opened.relation
    if relation is None:
        raise DataMissing(_why_nothing(opened, work.grain, period))
    types = engine.types(relation)
    if not spec.metric_sets:
        choice = choose(spec, engine, relation, types, [period])
        spec = choice.spec(spec, types) if choice is not None else by_type(spec, types)
    pairs = spec.pairs(types)
    for i, (column, names) in enumerate(_by_column(pairs).items()):
        line("" if i else "measures", f"{column}: {', '.join(names)}")
    line("groups", _groups(spec.group_columns, totals=spec.totals))
    if spec.where:
        line("where", spec.where)
    line("plan")
    for text in engine.explain(relation, spec, needed(spec, pairs), [period]).splitlines():
        say(f"    {text}")
    started = time.perf_counter()
    found = measure(spec, opened, engine, [period]).measurement
    seconds = time.perf_counter() - started
    (record,) = found.periods
    line("period", f"{_local(work.grain, period)} is {record.status}" + (f": {record.reason}" if record.reason else ""))
    if record.status in {PeriodStatus.MISSING, PeriodStatus.FAILED}:
        raise DataMissing(f"{_local(work.grain, period)} cannot be measured: {record.reason}")
    size = "" if found.bytes_read is None else f" of {_bytes(found.bytes_read)}"
    line("series", f"{len(found.points):,}")
    line("cost", f"{count(found.rows_read or 0, 'row')}{size} in {seconds:.2f} s")
    say()
    return work.dataset, {f"{column}.{metric.name}" for column, metric in pairs}


def _with_period(task: MetricCollectOperator, dag: DAG, asked: str | None) -> tuple[Collecting, Period]:
    """The task as the run that measures the period would have it: the one asked for, or the newest with data."""
    now = datetime.now(UTC)
    grain = dags.prepare(task, dag, now).grain
    newest = grain.shift(grain.last_ended(now), task.period_offset) if asked is None else grain.containing(grain.parse(asked))
    work = dags.prepare(task, dag, grain.shift(newest, -task.period_offset).end)
    return work, newest if asked is not None else _newest_with_data(work, newest)


def _newest_with_data(work: Collecting, newest: Period) -> Period:
    """The newest period with rows at or before one, looked for in steps that get longer."""
    spec = work.job.spec
    counting = replace(spec, metric_sets=(TableMetrics(["row_count"]),), group_columns=(), totals=True, per_entity={}, units={})
    tells_periods = spec.time_column is not None or work.source.per_period
    try:
        work.source.check_ranged()
    except SpecError:  # Jinja dates the path: there is but one
        tells_periods = False
    if not tells_periods:
        return newest
    looked_at, step, end = 0, 1, newest
    while looked_at < LOOKED_AT:
        periods = [end]
        while len(periods) < step:
            periods.append(work.grain.previous(periods[-1]))
        periods.reverse()
        found = measure(counting, work.job.open(periods), work.job.engine, periods).measurement
        with_rows = [record.period for record in found.periods if record.status is PeriodStatus.OK]
        if with_rows:
            return with_rows[-1]
        looked_at, end = looked_at + step, work.grain.previous(periods[0])
        step = min(step * WIDER, LOOKED_AT - looked_at)
    reason = next((record.reason for record in reversed(found.periods) if record.reason), "")
    msg = (
        f"No data in {looked_at:,} {work.grain.unit}s up to {_local(work.grain, newest)}, to try the task on ({reason}); "
        "name a period with --period"
    )
    raise DataMissing(msg)


def _check_judging(judging: Judging, names: set[str] | None) -> None:
    """Say which detectors judge what; a pattern that nothing matches is an error, if it is known what there is."""
    say(f"{judging.name} ({judging.kind})")
    line("dataset", judging.dataset + ("" if names is not None else ", which no task shown here collects"))
    rules = judging.rules
    if names is not None:
        rules.refuse_unmatched(names, judging.dataset)
    width = max(len(rule.pattern) for rule in rules.rules)
    for i, rule in enumerate(rules.rules):
        detectors = ", ".join(_detector(detector) for detector in rule.detectors)
        line("" if i else "detectors", f"{rule.pattern:{width}}  {detectors}")
        if names is not None:
            own = sorted(wording.subject(*name.split(".", 1)) for name in names if rules.rule_for(name) is rule)
            line("", f"{'':{width}}  judges {_some(own)}")
    if names is not None:
        nobody = sorted(wording.subject(*name.split(".", 1)) for name in names if rules.rule_for(name) is None)
        if nobody:
            line("unjudged", _some(nobody))
    say()


def _source(work: Collecting) -> str:
    """The source as its author wrote it, rendered."""
    shown = [f"{field.name}={getattr(work.source, field.name)!r}" for field in fields(work.source) if getattr(work.source, field.name)]  # type: ignore[arg-type]
    return f"{type(work.source).__name__}({', '.join(shown)})"


def _by_column(pairs: Sequence[tuple[str, Metric]]) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for column, metric in pairs:
        columns.setdefault(column, []).append(f"{metric.name} of each value" if metric.per_entity else metric.name)
    return columns


def _groups(columns: Sequence[str], *, totals: bool) -> str:
    if not columns:
        return "none: all rows together"
    return ", ".join(columns) + (", and all rows together" if totals else "")


def _detector(detector: Any) -> str:
    """A detector as its author wrote it: what differs from its defaults.

    >>> from airflow_lupus.detectors import Window
    >>> _detector(Window(periods=14))
    'Window(periods=14)'
    """
    given = []
    for field in fields(detector) if is_dataclass(detector) else ():
        value = getattr(detector, field.name)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if value != default:
            given.append(f"{field.name}={value!r}")
    return f"{type(detector).__name__}({', '.join(given)})"


def _some(names: Sequence[str]) -> str:
    if not names:
        return "nothing: narrower patterns do"
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _why_nothing(opened: Opened, grain: Grain, period: Period) -> str:
    reason = opened.absent.get(period) or opened.failed.get(period) or "the source has nothing to read"
    return f"{_local(grain, period)} cannot be measured: {reason}"


def _local(grain: Grain, period: Period) -> str:
    """A period in its zone: `2013-12-31`, of an hour `2013-12-31 17:00`."""
    return f"{grain.local(period.start):{'%Y-%m-%d %H:%M' if grain.unit == 'hour' else '%Y-%m-%d'}}"


def _bytes(size: int) -> str:
    """A size that people can read.

    >>> _bytes(999), _bytes(48_213), _bytes(7_300_000_000)
    ('999 bytes', '48.2 kB', '7.3 GB')
    """
    if size < 1000:
        return f"{size} bytes"
    for unit in ("kB", "MB", "GB"):
        size_in_unit = size / 1000 ** (("kB", "MB", "GB").index(unit) + 1)
        if size_in_unit < 1000:
            break
    return f"{size_in_unit:,.1f} {unit}"
