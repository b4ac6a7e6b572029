"""`airflow lupus backfill`: past periods, measured and judged outside of Airflow's runs; started again, it goes on where it stopped."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

from airflow_lupus.cli import dags
from airflow_lupus.cli.backfill_dry_run import tell_collecting, tell_judging
from airflow_lupus.cli.backfill_plan import Part, Range, covered
from airflow_lupus.cli.common import command, count, open_store, say, schema_of
from airflow_lupus.cli.interrupt import EXIT_CODE, Interrupt, Interrupted
from airflow_lupus.cli.progress import progress_of
from airflow_lupus.exceptions import LupusError, SpecError, StoreConfigError
from airflow_lupus.model import PeriodStatus
from airflow_lupus.pipeline import collect, judge
from airflow_lupus.stores.base import SlotKey
from airflow_lupus.stores.database import HEAD

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from airflow_lupus.cli.dags import Judging
    from airflow_lupus.model import Grain, Period, TaskRef
    from airflow_lupus.pipeline.collecting import Collected
    from airflow_lupus.stores.base import Store

FIRST_SLICE, LONGEST_SLICE = 8, 256
"""Periods measured at once, which is what a kill loses at most: more while it goes fast, fewer while it goes slowly."""
FAST, SLOW = 3.0, 20.0
"""Seconds for a slice."""


@command
def backfill(args: Namespace) -> None:
    """Measure what is not measured yet, then judge; or, dry, say what that would come to."""
    dag = dags.load(args.dag_id)
    chosen = dags.choose(dag, args.task)
    asked = Range.parse(dag.dag_id, args.start, args.end)
    tasks = [] if args.only == "judge" else [dags.prepare(task, dag) for task in chosen.collecting]
    judging = [] if args.only == "collect" else chosen.judging
    if not tasks and not judging:
        msg = f"--only {args.only}: of the tasks of DAG {dag.dag_id!r} that are meant none {args.only}s metrics"
        raise SpecError(msg)
    store = open_store()
    schema = schema_of(store)
    if args.dry_run:
        _dry_run([Part.of(work, asked, _as_it_is(store, schema, args)) for work in tasks], judging, _as_it_is(store, schema, args))
        return
    parts = [Part.of(work, asked, None if args.restart or schema is None else store) for work in tasks]
    try:
        with Interrupt() as interrupt:
            for part in parts:
                _collect(store, part, interrupt)
            for task in judging:
                _judge(store, task, asked, anyway=args.only == "judge" or any(part.to_come for part in parts))
                interrupt.heed()
    except Interrupted as stopped:
        say(f"Stopped. {_how_to_go_on(store, parts, args)}")
        raise SystemExit(EXIT_CODE) from stopped
    except LupusError as error:
        raise SystemExit(f"{error}\n{_how_to_go_on(store, parts, args)}") from error


def _as_it_is(store: Store, schema: str | None, args: Namespace) -> Store | None:
    """The store for a dry run, which must not migrate it; None: there is none, or nothing in it counts."""
    if schema not in {None, HEAD}:
        msg = f"The metrics store has schema {schema}, this package {HEAD}: `airflow lupus store upgrade` first"
        raise StoreConfigError(msg)
    return None if schema is None or args.restart else store


def _dry_run(parts: Sequence[Part], judging: Sequence[Judging], store: Store | None) -> None:
    for part in parts:
        tell_collecting(part, store)
    for task in judging:
        tell_judging(task)
    say("Dry run: nothing was written")


def _collect(store: Store, part: Part, interrupt: Interrupt) -> None:
    """Measure what is to come, slice by slice, oldest first."""
    work, done = part.work, part.done
    say(part.title)
    if not part.to_come:
        say("  measured already; --restart measures again")
        return
    if done:
        say(f"  going on: {done:,} are stored already")
    collected: list[Collected] = []
    with progress_of(work.name, len(part.periods), done) as progress:
        for periods in _slices(part.to_come):

            def told(now: Collected, before: int = done) -> None:
                progress(before + len(now.periods))
                interrupt.heed()

            collected.append(collect(store, work.job, periods, part.ref, origin="backfill", progress=told))
            done += len(periods)
    missing, failed = (sum(len(slice_.of(status)) for slice_ in collected) for status in (PeriodStatus.MISSING, PeriodStatus.FAILED))
    say(
        f"  {count(len(part.to_come), work.grain.unit)} measured"
        + (f", {missing:,} of them without data" if missing else "")
        + (f", {failed:,} of them failed" if failed else "")
        + f": {count(sum(slice_.rows for slice_ in collected), 'row')}, {max(slice_.series for slice_ in collected):,} series, "
        + f"{count(sum(slice_.saved.changed for slice_ in collected), 'point')} written"
    )


def _slices(periods: Sequence[Period]) -> Iterator[Sequence[Period]]:
    """Neighbouring periods, as many as the speed so far allows. Neighbouring, because the store keeps what is covered as a span."""
    size, at = FIRST_SLICE, 0
    while at < len(periods):
        upto = at + 1
        while upto < min(len(periods), at + size) and periods[upto].start == periods[upto - 1].end:
            upto += 1
        started = time.monotonic()
        yield periods[at:upto]
        took = time.monotonic() - started
        size = min(size * 2, LONGEST_SLICE) if took < FAST else max(size // 2, 1) if took > SLOW else size
        at = upto


def _judge(store: Store, judging: Judging, asked: Range, *, anyway: bool) -> None:
    """Judge the range by a task's own rules and slots, and tell nobody."""
    ref = asked.judging(judging.name)
    say(f"{judging.name}: judging {judging.dataset}")
    if not anyway and not _is_stale(store, judging, ref):
        say("  judged already; --only judge judges again")
        return

    def target_of(grain: Grain) -> tuple[int, int]:
        periods = asked.periods(grain)
        return periods[0].epoch, int(periods[-1].end.timestamp())

    report = judge(store, judging.dataset, judging.rules, ref, target_of)
    say(
        f"  {count(report.judged, 'verdict')}, {report.written:,} of them new or changed"
        + (f", {report.insufficient:,} with too little history" if report.insufficient else "")
        + f"; {count(len(report.anomalies), 'anomalous point')}; nobody is told"
    )


def _is_stale(store: Store, judging: Judging, ref: TaskRef) -> bool:
    """Whether points came, changed or went since these rules last judged."""
    slots = [SlotKey(name, detector.name, detector.parameters()) for name, _, detector in judging.rules.slots()]
    return any(store.judging(judging.dataset, ref, slots).changed.values())


def _how_to_go_on(store: Store, parts: Sequence[Part], args: Namespace) -> str:
    """What is stored by now, as the store itself knows, and the command that does the rest."""
    told = ""
    for part in parts:
        stored = len(covered(store, part.work, part.ref, part.periods))
        told += f"Of {part.work.dataset} {stored:,} of {count(len(part.periods), part.work.grain.unit)} are stored. "
    words = ["airflow", "lupus", "backfill", args.dag_id, "--from", args.start, "--to", args.end]
    words += ["--task", args.task] if args.task else []
    words += ["--only", args.only] if args.only else []
    return f"{told}To go on: {shlex.join(words)}"
