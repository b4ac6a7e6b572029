"""`airflow lupus store rename`, `retire`, `forget` and `restatements`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_lupus.cli.common import command, count, line, open_store, say
from airflow_lupus.exceptions import SpecError
from airflow_lupus.model import Grain, PointStatus, from_epoch
from airflow_lupus.stores import renaming, restating, retiring

if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from sqlalchemy import Row

SHOWN = 1000
"""Restatements on a screen."""


@command
def rename(args: Namespace) -> None:
    """Give a dataset, a column or a dimension another name, its history kept."""
    change = _change(args)
    store = open_store()
    if args.dry_run:
        with store.reading() as tx:
            done = renaming.preview(tx, change)
    else:
        done = store.writing(lambda tx: renaming.rename(tx, change))
    say(f"{change.what} {change.old} → {change.new}: {count(done.series, 'series')}")
    if done.joined:
        line("joined", f"{done.joined:,} that were measured under the new name already")
        line("replaced", f"{count(done.replaced, 'point')} that both had: the new name's count, the others are kept as revisions")
    if args.dry_run:
        say("Dry run: nothing was written")


@command
def retire(args: Namespace) -> None:
    """Hide series, or show them again."""
    selection = _selection(args)
    work = retiring.bring_back if args.undo else retiring.retire
    number = open_store().writing(lambda tx: work(tx, selection))
    say(f"{count(number, 'series')} of {selection.dataset} {'in use again' if args.undo else 'retired'}")


@command
def forget(args: Namespace) -> None:
    """Delete series with their history, or count what there is to delete."""
    selection = _selection(args)
    store = open_store()
    if args.yes:
        rows = retiring.forget(store, selection)
    else:
        with store.reading() as tx:
            rows = retiring.count(tx, selection)
    say(f"{selection.dataset}: {count(sum(rows.values()), 'row')} {'deleted' if args.yes else 'to delete'}")
    for name, number in rows.items():
        if number:
            say(f"  {name:16}{number:,}")
    if not args.yes:
        say("Nothing was deleted: --yes deletes it, and nothing brings it back")


@command
def restatements(args: Namespace) -> None:
    """List the points that later measurements replaced or did not find any more."""
    store = open_store()
    start, end, since = (int(Grain().parse(text).timestamp()) if text else None for text in (args.start, args.end, args.since))
    wanted = restating.Restated(dataset=args.dataset, start=start, end=end, since=since, retired=True)
    with store.reading() as tx:
        total, rows = restating.restatements(tx, wanted, SHOWN)
    say(count(total, "restatement"))
    for row in rows:
        say(f"  {_restated(row)}")
    if total > len(rows):
        say(f"  … {total - len(rows):,} older ones: narrow it down by --dataset, --from, --to or --since")


def _restated(row: Row[Any]) -> str:
    period = Grain("hour", row.timezone).local(from_epoch(row.start))
    where = "" if row.dimensions == "{}" else f" {row.dimensions}"
    after = "retracted" if row.retracted else _value(row.after, row.after_status)
    replaced = f"{from_epoch(row.replaced_at):%Y-%m-%d %H:%M}Z"
    return (
        f"{row.dataset} {row.column_name}.{row.metric}{where} {period:%Y-%m-%d %H:%M}: {_value(row.before, row.before_status)} → {after}, "
        f"{replaced} by {row.by_dag_id}.{row.by_task_id} {row.by_run_id}, before by {row.was_dag_id}.{row.was_task_id} {row.was_run_id}"
    )


def _value(value: float | None, status: int) -> str:
    return PointStatus(status).label if value is None else f"{value:.6g}"


def _change(args: Namespace) -> renaming.Rename:
    found = [(what, old) for what, old in (("column", args.column), ("dimension", args.dimension)) if old]
    if len(found) == 2:
        msg = "Either --column or --dimension: one name at a time"
        raise SpecError(msg)
    what, old = found[0] if found else ("dataset", args.dataset)
    return renaming.Rename(what, args.dataset, old, args.to)


def _selection(args: Namespace) -> retiring.Selection:
    dimensions = {}
    for text in args.dimension or ():
        name, equals, value = text.partition("=")
        if not equals:
            msg = f"--dimension {text!r} needs a value, as in origin=LGA"
            raise SpecError(msg)
        dimensions[name] = value
    return retiring.Selection(args.dataset, args.column, args.metric, dimensions)
