"""What a database needs beyond the SQL of the queries, to aggregate its own tables."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.engines.bounds import CLOCK, DATE, INSTANT, bounds, one_period
from airflow_lupus.engines.dialects.base import Dialect
from airflow_lupus.metrics.base import TIME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa

    from airflow_lupus.engines.base import SqlRelation
    from airflow_lupus.engines.dialects.base import ColumnType
    from airflow_lupus.metrics.base import Need
    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

FORMS = {
    "timestamptz": INSTANT,
    "timestamp": CLOCK,
    "date": DATE,
}
"""A time column's type → what it holds."""


class DatabaseDialect(Dialect):
    """One database's SQL, and how it is talked to.

    :param careful: to write SQL that bears with values too large or too small for a double, where the ordinary one stops with an error.
    """

    shifts_by_group = True
    name: ClassVar[str]
    """As messages call it."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Of SQLAlchemy's connection: what makes the passes of a scan see the same rows, and change none."""
    savepoints: ClassVar[bool] = True
    """Whether a query that fails can be undone without its transaction."""
    session: ClassVar[tuple[str, ...]] = ()
    """Statements with which a scan begins."""

    def __init__(self, timezone: str, date_timezone: str, *, careful: bool = False) -> None:
        super().__init__(timezone, date_timezone)
        self.careful = careful

    def source(self, relation: SqlRelation, spec: MeasureSpec, periods: Sequence[Period]) -> tuple[str, str]:
        """The rows to measure, and their column with the index of each one's period. Rows of no period are left out."""
        taken = {column.lower() for column in relation.columns}
        name = "lupus_period"
        while name in taken:
            name += "_"
        index, condition = "0", ""
        if spec.time_column is None:
            one_period(spec, periods)
        else:
            column = relation.columns[spec.time_column]
            form = FORMS.get(column.native) if column.kind == TIME else None
            index, condition = self._period(f"t.{self.quote(spec.time_column)}", column, *bounds(spec, form, column.native, periods))
            condition = f" WHERE {condition}"
        rows = f"SELECT t.*, {index} AS {self.quote(name)} FROM {relation.sql} t{condition}"
        if spec.where:  # in a query of its own, so that it cannot undo the other condition; on a line of its own for its comments
            rows = f"SELECT * FROM ({rows}) t WHERE ({spec.where}\n)"
        return f"({rows})", self.quote(name)

    def _period(self, column: str, type_: ColumnType, starts: Sequence[datetime], ends: Sequence[datetime]) -> tuple[str, str]:
        """The index of a row's period, and the condition that it has one: bounds are compared in the column's type, for its index."""
        # Of two hours that are one on the clocks, when these go back, the first is empty: it must not take the other's rows.
        periods = [(i, start, end) for i, (start, end) in enumerate(zip(starts, ends, strict=True)) if start < end]
        within = f"{column} >= {self.moment(starts[0], type_)} AND {column} < {self.moment(ends[-1], type_)}"
        if len(starts) == 1:
            return "0", within
        index = self._index(column, type_, [start for _, start, _ in periods], [i for i, _, _ in periods])
        gaps = [(end, start) for (_, _, end), (_, start, _) in pairwise(periods) if end < start]
        between = (f"NOT ({column} >= {self.moment(end, type_)} AND {column} < {self.moment(start, type_)})" for end, start in gaps)
        return index, " AND ".join([within, *between])

    def _index(self, column: str, type_: ColumnType, starts: Sequence[datetime], indices: Sequence[int]) -> str:
        """Which of periods, by their starts, a time belongs to that is in one of them."""
        cases = [f"WHEN {column} < {self.moment(after, type_)} THEN {i}" for i, after in zip(indices, starts[1:], strict=False)]
        return f"CASE {' '.join(cases)} ELSE {indices[-1]} END" if cases else str(indices[-1])

    def moment(self, at: datetime, type_: ColumnType) -> str:
        """A time as a literal of the column's type."""
        if type_.native == "date":
            return f"DATE '{at.date()}'"
        zone = "+00:00" if type_.native == "timestamptz" else ""
        return f"{'TIMESTAMPTZ' if zone else 'TIMESTAMP'} '{at.isoformat(' ')}{zone}'"

    def finished(self, sql: str) -> str:
        """A query as the database is sent it."""
        return sql

    def unable(self, need: Need, column: ColumnType | None, *, levels: bool) -> str | None:  # noqa: ARG002  of what there is nothing
        """Why the database cannot compute a primitive; None where it can.

        :param column: what it is taken of, where it is of one.
        :param levels: whether it is wanted by group and in total.
        """
        return None

    def plain(self, code: Any, value: Any) -> Any:  # noqa: ARG002  for drivers that hand lists on as text
        """A value as the driver has it, for Arrow."""
        return value

    def arrow_type(self, code: Any, values: Sequence[Any]) -> pa.DataType | None:  # noqa: ARG002  drivers that tell types
        """The type of a column that a query answers; None: what its values say.

        :param code: as the driver describes the column.
        """
        return None

    def out_of_range(self, error: BaseException | None) -> bool:  # noqa: ARG002  for databases that stop there
        """Whether an error says that a value is none among doubles."""
        return False
