"""`airflow lupus backfill --dry-run`: what there is to do, reckoned from one period that is really measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_lupus.cli.common import count, line, say
from airflow_lupus.model import MEASURED
from airflow_lupus.pipeline import measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.cli.backfill_plan import Part
    from airflow_lupus.cli.dags import Collecting, Judging
    from airflow_lupus.model import Measurement, Period
    from airflow_lupus.stores.base import Store


def tell_collecting(part: Part, store: Store | None) -> None:
    """Periods, rows, points and series of one collect task.

    :param store: None: there is none yet.
    """
    work, to_come = part.work, part.to_come
    say(part.title)
    line("stored", f"{part.done:,} by this backfill{_by_others(part, store)}")
    line("to come", count(len(to_come), work.grain.unit))
    if not to_come:
        return
    opened = work.job.open(to_come)
    lacking = {**opened.absent, **opened.failed}
    if lacking:
        line("missing", f"{len(lacking):,}, first {work.grain.local(min(lacking).start):%Y-%m-%d %H:%M}: {lacking[min(lacking)]}")
    present = [period for period in to_come if period not in lacking]
    tried = _measured_one(work, present)
    if tried is None:
        line("estimate", "none: no period that was tried has rows")
        return
    period, measured = tried
    points = sum(len(values) for values in measured.points.values())
    line("series", f"{len(measured.points):,}")
    line("estimate", f"{count((measured.rows_read or 0) * len(present), 'row')}, {count(points * len(present), 'point')}")
    line("", f"as many in every {work.grain.unit} as on {work.grain.local(period.start):%Y-%m-%d %H:%M}")


def tell_judging(judging: Judging) -> None:
    """What one judging task has to do."""
    say(f"{judging.name}: then judges {judging.dataset} by {count(len(judging.rules.slots()), 'detector')}")


def _by_others(part: Part, store: Store | None) -> str:
    """How many of the periods to come the store has from other runs."""
    if store is None:
        return ""
    records = store.period_records(part.work.dataset, part.work.grain, part.periods[0].epoch, int(part.periods[-1].end.timestamp()))
    others = {record.period for record in records if record.status in MEASURED} & set(part.to_come)
    return f", {len(others):,} by other runs, to be measured again" if others else ""


def _measured_one(work: Collecting, periods: Sequence[Period]) -> tuple[Period, Measurement] | None:
    """The last of the periods, if it has rows, else one in the middle, else the first."""
    for at in dict.fromkeys((len(periods) - 1, len(periods) // 2, 0) if periods else ()):
        measured = measure(work.job.spec, work.job.open([periods[at]]), work.job.engine, [periods[at]]).measurement
        if measured.rows_read:
            return periods[at], measured
    return None
