"""`airflow lupus store import`, `export` and `copy`: moving data into the store, out of it, and all of it elsewhere."""

from __future__ import annotations

import csv
import os
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_lupus.cli.common import command, count, open_store, say, schema_of
from airflow_lupus.cli.interrupt import EXIT_CODE, Interrupt, Interrupted
from airflow_lupus.cli.progress import progress_of
from airflow_lupus.exceptions import SpecError, StoreConfigError
from airflow_lupus.stores.database import HEAD
from airflow_lupus.stores.exporting import COLUMNS, exported

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator

    from airflow_lupus.pipeline.importing import Rows
    from airflow_lupus.stores.sql import SqlStore

ROW_GROUP = 100_000
"""Rows of a Parquet file's group."""


@command
def import_(args: Namespace) -> None:
    """Check rows, then save them; or, dry, only check them."""
    from airflow_lupus.pipeline import importing

    rows = _rows(args)
    named = [name.strip() for name in (args.dimension or "").split(",") if name.strip()]
    form = importing.Form(args.dataset, args.grain, args.timezone, named)
    with importing.staged(rows, form) as stage:
        if not stage.datasets:
            msg = f"{rows.name}: there are no rows"
            raise SpecError(msg)
        for dataset in stage.datasets:
            say(dataset.describe())
        store = open_store()
        if args.dry_run:
            _as_it_is(store, stage, args.dag_id, rows.name)
            say("Dry run: nothing was written")
            return
        datasets = importing.check(store, stage, args.dag_id, rows.name)
        total = sum(dataset.points for dataset in stage.datasets)
        try:
            with Interrupt() as interrupt, progress_of("import", total) as progress:

                def told(done: int) -> None:
                    progress(done)
                    interrupt.heed()

                outcome = importing.save(store, stage, datasets, args.dag_id, told)
        except Interrupted as stopped:
            say("Stopped. The same command goes on: what is stored stays as it is")
            raise SystemExit(EXIT_CODE) from stopped
        for name, saved in outcome.items():
            say(f"{name}: {saved.added:,} points added, {saved.updated:,} changed, {saved.unchanged:,} there already")


def _rows(args: Namespace) -> Rows:
    from airflow_lupus.hooks.rows import rows_of_file, rows_of_query

    if bool(args.file) == bool(args.conn_id) or bool(args.conn_id) != bool(args.sql):
        msg = "Name either a FILE, or --conn-id and --sql"
        raise SpecError(msg)
    return rows_of_file(args.file) if args.file else rows_of_query(args.conn_id, args.sql)


def _as_it_is(store: SqlStore, stage: Any, dag_id: str, name: str) -> None:
    """Check against a store that must not be created or migrated."""
    from airflow_lupus.pipeline import importing

    schema = schema_of(store)
    if schema not in {None, HEAD}:
        msg = f"The metrics store has schema {schema}, this package {HEAD}: `airflow lupus store upgrade` first"
        raise StoreConfigError(msg)
    if schema is not None:
        importing.check(store, stage, dag_id, name)


@command
def export(args: Namespace) -> None:
    """Write points as a file that `import` reads; it is there when it is whole."""
    writer = {".csv": _csv, ".parquet": _parquet}.get(Path(args.target).suffix.lower())
    if writer is None:
        msg = f"{args.target}: which format is it to be? Name it .csv or .parquet"
        raise SpecError(msg)
    as_of = None if args.as_of is None else _instant(args.as_of)
    store = _existing_store()
    part = f"{args.target}.part"
    written = 0
    try:
        with store.reading() as tx, writer(part) as write:
            for rows in exported(tx, args.dataset or (), args.start, args.end, as_of):
                write(rows)
                written += len(rows)
        os.replace(part, args.target)
    except OSError as error:
        msg = f"{args.target} cannot be written: {error.strerror}"
        raise SpecError(msg) from error
    finally:
        Path(part).unlink(missing_ok=True)
    say(f"{count(written, 'point')} written to {args.target}")


@contextmanager
def _csv(path: str) -> Iterator[Callable[[list[Any]], object]]:
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        yield writer.writerows


@contextmanager
def _parquet(path: str) -> Iterator[Callable[[list[Any]], object]]:
    """Groups of rows are cut by their number alone, so that the same points make the same file."""
    import pyarrow as pa
    from pyarrow import parquet

    types = {"value": pa.float64(), "n": pa.int64()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])
    waiting: list[Any] = []
    with parquet.ParquetWriter(path, schema) as writer:

        def flush(size: int) -> None:
            columns = zip(schema, zip(*waiting[:size], strict=True), strict=True)
            writer.write_table(pa.table([pa.array(values, field.type) for field, values in columns], schema=schema))
            del waiting[:size]

        def write(rows: list[Any]) -> None:
            waiting.extend(rows)
            while len(waiting) >= ROW_GROUP:
                flush(ROW_GROUP)

        yield write
        if waiting:
            flush(len(waiting))


def _instant(text: str) -> int:
    """An instant in epoch seconds; without a zone, in UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        msg = f"--as-of {text}: not an ISO date or time"
        raise SpecError(msg) from error
    return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp())


@command
def copy(args: Namespace) -> None:
    """Copy the configured store into another database, and say how to use it from now on."""
    from airflow_lupus.hooks.store import store_at
    from airflow_lupus.stores import copying

    source = _existing_store()
    target = store_at(args.to, args.schema, args.prefix)
    say(f"{'from':18}{source.database.where}")
    say(f"{'to':18}{target.database.where}")
    copied = copying.copy(source, target, lambda name, rows: say(f"{name:18}{rows:,}"))
    say(f"{count(copied, 'row')} copied and verified. To use the copy, set in section [lupus]:")
    say(f"  store_conn_id = {args.to}")
    if args.schema:
        say(f"  store_schema = {args.schema}")
    if args.prefix:
        say(f"  table_prefix = {args.prefix}")


def _existing_store() -> SqlStore:
    store = open_store()
    if schema_of(store) is None:
        msg = f"There is no metrics store in {store.database.where} yet"
        raise StoreConfigError(msg)
    return store
