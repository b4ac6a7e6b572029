"""What an engine is given and what it answers: a relation of rows, and per group the primitives that metrics ask for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metrics.base import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa
    import sqlalchemy as sa

    from airflow_lupus.engines.dialects.base import ColumnType
    from airflow_lupus.metrics.base import Need
    from airflow_lupus.metrics.operands import Operand
    from airflow_lupus.model import DimensionValue, Period
    from airflow_lupus.specs import MeasureSpec


@dataclass(frozen=True)
class SourceFile:
    """One readable file, and the period that its path names, if it does."""

    path: str
    period: Period | None = None
    size: int = 0
    """Bytes."""


@dataclass
class FileSet:
    """Files of one format, checked to be readable when they were opened."""

    files: list[SourceFile]
    format: str
    options: Mapping[str, Any] = field(default_factory=dict)
    filesystem: Any = None
    """An fsspec filesystem for paths with a protocol; None: local paths."""

    def keep(self, wanted: Callable[[SourceFile], bool]) -> FileSet | None:
        """Some of these files; None: there are none such."""
        files = [file for file in self.files if wanted(file)]
        return replace(self, files=files) if files else None

    @property
    def size(self) -> int:
        """Bytes; a file that serves many periods counts once."""
        return sum({file.path: file.size for file in self.files}.values())


@dataclass
class Batches:
    """Rows that come in Arrow batches from somewhere else, already filtered to the periods, the columns and the `where` asked for."""

    types: Mapping[str, str]
    """Every column of the source with its type, as metrics tell them apart."""
    read: Callable[[Sequence[str], Sequence[Period]], Iterator[pa.Table]]
    """The rows of these periods, with these columns."""
    query: Callable[[Sequence[str], Sequence[Period]], str] | None = None
    """The query that fetches them, to look at, where there is one."""


@dataclass
class SqlRelation:
    """A table or a query in a database that can aggregate it itself."""

    dialect: str
    """Of the database, as SQLAlchemy calls it."""
    engine: sa.Engine
    sql: str
    """What to select from, as the database quotes it."""
    columns: Mapping[str, ColumnType]
    rows: Batches
    """The same, fetched: for engines that are elsewhere."""
    what: str = "the source"
    """What it is called in messages."""


@dataclass
class SparkRelation:
    """What only Spark can read: a table of its catalog, or a Spark frame."""

    table: str = ""
    frame: Any = None
    """A frame of classic Spark or of Spark Connect; None: the table."""


Relation = FileSet | Batches | SqlRelation | SparkRelation


def fetched(relation: Relation) -> FileSet | Batches:
    """The relation as engines have it that read rows themselves."""
    if isinstance(relation, SparkRelation):
        msg = f'{relation.table or "a Spark frame"!r} is read by Spark alone: say engine="spark"'
        raise SpecError(msg)
    return relation.rows if isinstance(relation, SqlRelation) else relation


@dataclass(frozen=True)
class Group:
    """A group of rows in one period; `dimensions` is None for the total over all groups."""

    period: Period
    dimensions: Mapping[str, DimensionValue] | None
    rows: int
    failed: Mapping[str, str] = field(default_factory=dict)
    """Column → why nothing can be said of it in this group: a value that is not of the column's type."""


@dataclass
class Scan:
    """What one scan came to."""

    groups: list[Group]
    state: State
    """The primitives of each group, in the order of the groups."""
    rows_read: int
    failures: Mapping[Operand, Mapping[int, str]] = field(default_factory=dict)
    """What users define and failed, index of the group → the reason."""
    failed_files: Mapping[str, str] = field(default_factory=dict)
    """Files that turned out to be unreadable half-way, with the reason; the groups hold nothing of them."""
    bytes_read: int | None = None
    """Where the engine knows better than the files' sizes tell."""

    @classmethod
    def nothing(cls, failed_files: Mapping[str, str] | None = None) -> Scan:
        """That there were no rows."""
        return cls([], State(0), 0, failed_files=failed_files or {})


class Engine(Protocol):
    """Aggregates a relation. Engines know the primitives and nothing of metrics."""

    name: str

    def types(self, relation: Relation) -> dict[str, str]:
        """The relation's columns and their types, without reading rows."""
        ...

    def scan(
        self,
        relation: Relation,
        spec: MeasureSpec,
        needs: Sequence[Need],
        periods: Sequence[Period],
    ) -> Scan:
        """The primitives of every group and, if the spec wants totals, of all rows, for each period that has rows.

        :raises TooMuchAtOnce: the engine's memory does not suffice for so many periods.
        """
        ...

    def explain(self, relation: Relation, spec: MeasureSpec, needs: Sequence[Need], periods: Sequence[Period]) -> str:
        """The queries that a scan would run, or of batches the one that fetches them, to look at; no rows are read."""
        ...
