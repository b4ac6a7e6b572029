"""Files through Airflow's object storage: what is there, what of it can be read, and to which period it belongs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_lupus.engines.base import FileSet, SourceFile
from airflow_lupus.exceptions import SourceError, SpecError
from airflow_lupus.hooks.connections import connection
from airflow_lupus.hooks.json_files import json_problem
from airflow_lupus.pipeline.measuring import Opened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.model import Period
    from airflow_lupus.sources import Files
    from airflow_lupus.specs import MeasureSpec

GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class _Checked:
    """A file that is there: why it cannot be read (None: it can), its size and, of Parquet, its columns."""

    problem: str | None
    size: int
    columns: frozenset[str] | None = None


def open_files(source: Files, periods: Sequence[Period], spec: MeasureSpec) -> Opened:
    """Find and check the files of these periods; a path such as `{period:%Y-%m}` serves all days of its month.

    A Parquet file is checked by its footer, which is written last: a half-written file has none; a JSON file by reading it. A Parquet
    file that lacks a needed column which other files have fails its own period only.
    """
    from airflow.sdk import ObjectStoragePath

    if source.conn_id:
        connection(source.conn_id, f"Files({source.path!r})")
    served = _served(source, periods, spec)
    first = next(iter(served))
    try:
        root = ObjectStoragePath(re.split(GLOB, first)[0] or ".", conn_id=source.conn_id)
        filesystem = root.fs
    except ValueError as error:
        msg = f"Files({source.path!r}): Airflow knows no storage for {first.split('://')[0]}://; install the provider that brings it"
        raise SpecError(msg) from error
    local = root.protocol in {"", "file", "local"}
    files: list[SourceFile] = []
    absent: dict[Any, str] = {}
    failed: dict[Any, str] = {}
    schemas: dict[str, frozenset[str] | None] = {}
    for path, named in served.items():
        found = _find(filesystem, path, local=local)
        if not found:
            absent |= dict.fromkeys(named, f"no file at {path}")
            continue
        checked = {name: _check(filesystem, name, source, local=local) for name in found}
        broken = [f"{name} {check.problem}" for name, check in checked.items() if check.problem]
        if broken:
            absent |= dict.fromkeys(named, "; ".join(broken[:3]))
            continue
        files += [SourceFile(name, period, checked[name].size) for name in found for period in named]
        schemas |= {name: check.columns for name, check in checked.items()}
    files, failed = _without_columns(files, schemas, spec.needed_columns)
    if None in absent:  # the path names no period: what is missing is missing for all
        absent = dict.fromkeys(periods, absent[None])
    return Opened(
        relation=FileSet(files, str(source.format), source.options, None if local else filesystem) if files else None,
        absent=absent,
        failed=failed,
    )


def _served(source: Files, periods: Sequence[Period], spec: MeasureSpec) -> dict[str, list[Period | None]]:
    """Each path with the periods that it names; None: it names none."""
    if not source.per_period:
        return {source.path: [None]}
    served: dict[str, list[Period | None]] = {}
    for period in periods:
        served.setdefault(source.expand(period, spec.grain), []).append(period)
    shared = next((path for path, named in served.items() if len(named) > 1), None)
    if shared is not None and spec.time_column is None:
        msg = f"{shared} serves more than one {spec.grain.unit}: only a time_column can tell which row belongs to which"
        raise SpecError(msg)
    return served


def _find(filesystem: Any, path: str, *, local: bool) -> list[str]:
    """The files that a path or glob names, as DuckDB is to be given them."""
    try:
        names = sorted(filesystem.glob(path)) if GLOB.search(path) else [path] if filesystem.exists(path) else []
    except FileNotFoundError:
        return []
    except (PermissionError, OSError) as error:
        msg = f"{path} cannot be listed: {error}"
        raise SourceError(msg) from error
    if not local:
        # One way of writing a name, whatever was written: DuckDB tells of each row which file it is from in its own.
        return [filesystem.unstrip_protocol(filesystem._strip_protocol(name)) for name in names]
    return [str(name).removeprefix("file://") for name in names]


def _check(filesystem: Any, path: str, source: Files, *, local: bool) -> _Checked:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        size = int(filesystem.size(path) or 0)
        if size == 0:
            return _Checked("is an empty file", 0)
        if source.format == "json":
            return _Checked(json_problem(path, source.options, None if local else filesystem), size)
        if source.format != "parquet":
            return _Checked(None, size)
        if local:
            metadata = parquet.read_metadata(path)
        else:
            with filesystem.open(path, "rb") as file:
                metadata = parquet.ParquetFile(file).metadata
        return _Checked(None, size, frozenset(metadata.schema.to_arrow_schema().names))
    except (pa.ArrowInvalid, pa.ArrowException, EOFError) as error:
        return _Checked(f"is not a whole Parquet file ({str(error).splitlines()[0]})", 0)
    except OSError as error:
        return _Checked(f"cannot be read ({error})", 0)


def _without_columns(
    files: list[SourceFile], schemas: Mapping[str, frozenset[str] | None], needed: Sequence[str]
) -> tuple[list[SourceFile], dict[Any, str]]:
    """The files that have what other files have of the needed columns; and the periods of those that have not."""
    somewhere = set(needed) & set().union(*(columns or set() for columns in schemas.values()))
    failed = {}
    for file in files:
        columns = schemas[file.path]
        lacking = sorted(somewhere - columns) if columns is not None else []
        if lacking:
            failed[file.period] = f"{file.path} has no column {', '.join(map(repr, lacking))}, which other files have"
    if None in failed:
        raise SourceError(failed[None])
    return [file for file in files if file.period not in failed], failed
