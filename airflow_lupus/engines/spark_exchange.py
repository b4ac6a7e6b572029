"""What a task and the application that it submits to Spark tell each other: JSON and Arrow files in a shared folder, and no code."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_lupus.engines.base import FileSet, SourceFile, SparkRelation
from airflow_lupus.engines.dialects.base import ColumnType
from airflow_lupus.metrics import operands
from airflow_lupus.metrics.base import Primitive
from airflow_lupus.model import Grain, Period
from airflow_lupus.specs import MeasureSpec

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pyarrow as pa

    from airflow_lupus.engines.base import Relation
    from airflow_lupus.metrics.base import Need
    from airflow_lupus.metrics.operands import Operand

NEEDED = ("dataset", "time_column", "time_column_timezone", "totals", "where", "max_groups", "max_entities", "top")
"""What of a spec a scan looks at, beside the grain and the group columns."""


class Exchange:
    """A folder by its path or, with a protocol, its URL."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.local = "://" not in folder

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def write(self, name: str, content: bytes) -> None:
        """All of it or nothing."""
        if not self.local:
            filesystem, path = self._remote(name)
            filesystem.pipe_file(path, content)
            return
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        part = Path(self.path(f".{name}"))
        part.write_bytes(content)
        os.replace(part, self.path(name))

    def read(self, name: str) -> bytes | None:
        """None: it is not there."""
        try:
            if self.local:
                return Path(self.path(name)).read_bytes()
            filesystem, path = self._remote(name)
            content: bytes = filesystem.cat_file(path)
        except FileNotFoundError:
            return None
        return content

    def write_table(self, name: str, table: pa.Table) -> None:
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        self.write(name, sink.getvalue().to_pybytes())

    def read_table(self, name: str) -> pa.Table:
        import pyarrow as pa

        return pa.ipc.open_file(self.read(name)).read_all()

    def remove(self) -> None:
        if self.local:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        filesystem, path = self._remote("")
        filesystem.rm(path.rstrip("/"), recursive=True)

    def _remote(self, name: str) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        filesystem, path = url_to_fs(self.path(name))
        return filesystem, path


def job_text(relation: Relation, spec: MeasureSpec, needs: Sequence[Need], periods: Sequence[Period], most: int) -> bytes:
    """A scan to make."""
    index = {period: i for i, period in enumerate(periods)}
    files = relation.files if isinstance(relation, FileSet) else []
    job = {
        "table": relation.table if isinstance(relation, SparkRelation) else None,
        "files": [[file.path, None if file.period is None else index.get(file.period), file.size] for file in files],
        "spec": {name: getattr(spec, name) for name in NEEDED},
        "group_columns": spec.group_columns,
        "grain": asdict(spec.grain),
        "needs": [[type(operand).__name__, asdict(operand), primitive.name, primitive.argument] for operand, primitive in needs],
        "periods": [[period.start.isoformat(), period.end.isoformat()] for period in periods],
        "max_fetch_rows": most,
    }
    return json.dumps(job, default=dict).encode()


def job_of(job: dict[str, Any]) -> tuple[FileSet | SparkRelation, MeasureSpec, list[Need], list[Period], int]:
    """The same, from JSON."""
    periods = [Period(*map(datetime.fromisoformat, each)) for each in job["periods"]]
    files = [SourceFile(path, None if i is None else periods[i], size) for path, i, size in job["files"]]
    relation = SparkRelation(job["table"]) if job["table"] is not None else FileSet(files, "parquet")
    spec = MeasureSpec(grain=Grain(**job["grain"]), group_columns=tuple(job["group_columns"]), **job["spec"])
    needs = [(_operand(name, found), Primitive(primitive, argument)) for name, found, primitive, argument in job["needs"]]
    return relation, spec, needs, periods, job["max_fetch_rows"]


def types_text(table: str) -> bytes:
    """To say which columns a table has."""
    return json.dumps({"table": table}).encode()


def operands_text(found: Collection[Operand]) -> list[list[Any]]:
    """Operands as JSON has them."""
    return [[type(operand).__name__, asdict(operand)] for operand in found]


def _operand(name: str, found: dict[str, Any]) -> Operand:
    kind: Any = getattr(operands, name)
    operand: Operand = kind(**{each.name: _tuple(found[each.name]) for each in fields(kind)})
    return operand


def operands_of(found: Sequence[Sequence[Any]]) -> set[Operand]:
    """Operands as they were."""
    return {_operand(name, each) for name, each in found}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def column_type_of(found: dict[str, Any]) -> ColumnType:
    """A column's type, read again."""
    return ColumnType(**{**found, "element": None if found["element"] is None else column_type_of(found["element"])})
