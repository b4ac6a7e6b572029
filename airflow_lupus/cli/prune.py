"""`airflow lupus store prune`: deletes what is older than its dataset keeps, and rolls up points before they go."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from airflow_lupus.cli.common import command, open_store, say, schema_of
from airflow_lupus.cli.interrupt import EXIT_CODE, Interrupt, Interrupted
from airflow_lupus.cli.progress import progress_of
from airflow_lupus.exceptions import SpecError, StoreConfigError
from airflow_lupus.model import Grain
from airflow_lupus.pipeline.rolling_up import RollUp
from airflow_lupus.stores.database import HEAD
from airflow_lupus.stores.pruning import Kept, Pruning, datasets
from airflow_lupus.stores.retention import ROLL_UP, ROLLED, Limits, check_retention

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_lupus.stores.sql import SqlStore

OPTIONS = ("points", "verdicts", "revisions")
MEANING = {
    "bands": "ordinary verdicts lose all but their band",
    "revisions": "what was known before",
    "partials": "what merges into longer periods",
    "periods": "of the calendar",
    "measurements": "that nothing refers to",
    "deliveries": "settled",
}


@command
def prune(args: Namespace) -> None:
    """Prune datasets one after the other; or, dry, say what would go."""
    asked = {what: getattr(args, what) for what in OPTIONS if getattr(args, what) is not None}
    check_retention(asked)
    if args.before and args.points is not None:
        msg = "--before and --points both say which points go: give one of them"
        raise SpecError(msg)
    store = open_store()
    schema = schema_of(store)
    if schema != HEAD:
        msg = f"The metrics store has schema {schema or 'none'}, this package {HEAD}: `airflow lupus store upgrade` first"
        raise StoreConfigError(msg)
    now = int(time.time())
    try:
        with Interrupt() as interrupt:
            for dataset in datasets(store, args.dataset):
                before = int(dataset.grain.parse(args.before).timestamp()) if args.before else None
                grain = _coarser(dataset, args.roll_up)
                limits = Limits.of({**dataset.retention, **asked}, now, before=before, roll_up=grain)
                _prune(store, dataset, limits, grain, None if args.dry_run else interrupt)
                interrupt.heed()
    except Interrupted as stopped:
        say("Stopped. The same command goes on")
        raise SystemExit(EXIT_CODE) from stopped
    if args.dry_run:
        say("Dry run: nothing was deleted")


def _coarser(dataset: Kept, asked: str | None) -> Grain | None:
    """What a dataset's points are rolled up to, if at all."""
    unit = asked or dataset.retention.get(ROLL_UP)
    return Grain(str(unit), dataset.grain.timezone) if unit and dataset.grain.unit in ROLLED else None


def _prune(store: SqlStore, dataset: Kept, limits: Limits, coarser: Grain | None, interrupt: Interrupt | None) -> None:
    """Prune one dataset; without an interrupt only say what there is."""
    pruning = Pruning(store, dataset.id, limits)
    say(dataset.name)
    if coarser is not None and limits.points is None:
        say("  nothing is rolled up, since its points are kept for ever")
    elif coarser is not None and limits.points is not None:
        _roll_up(RollUp(store, dataset, coarser, limits.points), interrupt)
    found = pruning.count()
    for what, number in found.items():
        say(f"  {what:13}{number:>11,}  {MEANING.get(what, '')}".rstrip())
    if not found:
        say("  nothing to prune")
    elif interrupt is not None:
        with progress_of(dataset.name, sum(found.values())) as progress:

            def told(gone: int) -> None:
                progress(gone)
                interrupt.heed()

            gone = pruning.run(told)
        say(f"  {sum(gone.values()):,} pruned")


def _roll_up(work: RollUp, interrupt: Interrupt | None) -> None:
    """Roll up, or only say what there is, and what cannot be."""
    done = work.run(None if interrupt is None else lambda _: interrupt.heed())
    unit = work.grain.unit
    if done.periods:
        say(f"  {'rolled up':13}{done.points:>11,}  points of {len(done.periods):,} {unit}s")
    if done.unmergeable:
        names = ", ".join(f"{name} ({series:,})" for name, series in done.unmergeable.items())
        say(f"  not rolled up, since they have to be computed from rows (series): {names}")
    if done.without:
        names = ", ".join(f"{name} ({periods:,})" for name, periods in sorted(done.without.items()))
        say(f"  not rolled up, or not every group, since partials were not kept ({unit}s): {names}")
