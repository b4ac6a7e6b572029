"""The engine of tables in databases: each is aggregated where it is, and only groups and values are fetched."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.engines.base import SqlRelation
from airflow_lupus.engines.dialects import DATABASES, database_dialect
from airflow_lupus.engines.passes import explained, run_passes
from airflow_lupus.engines.plan import planned
from airflow_lupus.engines.queries import Queries, Source
from airflow_lupus.exceptions import LimitExceeded, SourceError, SpecError
from airflow_lupus.metrics.operands import Aggregate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from airflow_lupus.engines.base import Relation, Scan
    from airflow_lupus.engines.dialects.database import DatabaseDialect
    from airflow_lupus.engines.plan import Plan
    from airflow_lupus.metrics.base import Need
    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

BATCH = 50_000
"""Rows of an answer that are made Arrow at once."""


class OutOfRange(SourceError):
    """A value on the way to a primitive is none among doubles."""


class Failed(SourceError):
    """Some row has a value that a query cannot do with."""


class SqlEngine:
    """The database that has the table.

    All passes of a scan are one read-only transaction and see the same rows.

    :param max_fetch_rows: a query that answers more groups and values than this stops with a message.
    """

    name = "sql"

    def __init__(self, max_fetch_rows: int = 10_000_000) -> None:
        self.max_fetch_rows = max_fetch_rows

    def types(self, relation: Relation) -> dict[str, str]:
        return {name: type_.kind for name, type_ in _own(relation).columns.items()}

    def scan(self, relation: Relation, spec: MeasureSpec, needs: Sequence[Need], periods: Sequence[Period]) -> Scan:
        own = _own(relation)
        dialect, queries = _queries(own, spec, needs, periods, careful=False)
        plan = planned(needs)
        with self._connection(own) as connection:
            answers = _Answers(connection, dialect, own, spec, self.max_fetch_rows)
            answers.check(queries, plan)
            try:
                with answers.undone_if_it_fails():
                    return run_passes(queries, plan, needs, answers.fetch, spec, periods, (Failed,))
            except OutOfRange:
                answers.dialect, queries = _queries(own, spec, needs, periods, careful=True)
                return run_passes(queries, plan, needs, answers.fetch, spec, periods, (Failed, OutOfRange))

    def explain(self, relation: Relation, spec: MeasureSpec, needs: Sequence[Need], periods: Sequence[Period]) -> str:
        own = _own(relation)
        dialect, queries = _queries(own, spec, needs, periods, careful=False)
        return ";\n".join(dialect.finished(sql) for sql in explained(queries, planned(needs)))

    @contextmanager
    def _connection(self, relation: SqlRelation) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the database and changes nothing."""
        dialect = database_dialect(relation.dialect)
        try:
            with relation.engine.connect().execution_options(no_parameters=True, **dialect.options) as connection:
                for statement in dialect.session:
                    connection.exec_driver_sql(statement)
                yield connection
        except sa.exc.DBAPIError as error:
            msg = f"{relation.what}: the database cannot be reached: {first_line(error)}"
            raise SourceError(msg) from error


def check(dialect: DatabaseDialect, relation: SqlRelation, spec: MeasureSpec, needs: Sequence[Need]) -> None:
    """Raise for what the database cannot compute, before it is asked for anything; the message names the metric."""
    levels = bool(spec.group_columns) and spec.totals

    def unable(each: Need) -> str | None:
        operand = each[0]
        return dialect.unable(each, relation.columns[operand.columns[0]] if operand.columns else None, levels=levels)

    if not any(map(unable, needs)):
        return
    for column, metric in spec.pairs({name: type_.kind for name, type_ in relation.columns.items()}):
        for each in metric.needed:
            why = unable(each)
            if why is not None:
                msg = f'{column}.{metric.name}: {why}; engine="duckdb" fetches the rows and computes it'
                raise SpecError(msg)


def _own(relation: Relation) -> SqlRelation:
    """The relation, if its database can aggregate it."""
    if not isinstance(relation, SqlRelation):
        msg = (
            f'engine="sql" aggregates what a database has where it is, which goes for tables and queries of {", ".join(DATABASES)}; '
            'this source is none of these: engine="duckdb"'
        )
        raise SpecError(msg)
    return relation


def _queries(
    relation: SqlRelation, spec: MeasureSpec, needs: Sequence[Need], periods: Sequence[Period], *, careful: bool
) -> tuple[DatabaseDialect, Queries]:
    dialect = database_dialect(relation.dialect)(spec.time_column_timezone, spec.grain.timezone, careful=careful)
    check(dialect, relation, spec, needs)
    rows, period = dialect.source(relation, spec, periods)
    source = Source(rows, period, relation.columns, spec.group_columns, {})
    return dialect, Queries(dialect, source, needs, totals=spec.totals)


class _Answers:
    """What queries answer, within limits."""

    def __init__(self, connection: sa.Connection, dialect: DatabaseDialect, relation: SqlRelation, spec: MeasureSpec, most: int) -> None:
        self.connection = connection
        self.dialect = dialect
        self.relation = relation
        self.spec = spec
        self.most = most

    def undone_if_it_fails(self) -> AbstractContextManager[Any]:
        """A part of the transaction that takes no other with it, where the database can do that."""
        return self.connection.begin_nested() if self.dialect.savepoints else nullcontext()

    def check(self, queries: Queries, plan: Plan) -> None:
        """Try what users wrote on no row, so that what is wrong with it is not taken for something wrong with the data."""
        dataset = self.spec.dataset
        if self.spec.where:
            condition = f"where={self.spec.where!r} is not a condition on the rows of dataset {dataset!r}"
            self._try(f"SELECT 1 FROM {queries.source.sql} s LIMIT 0", condition)
        for own in plan.own:
            if isinstance(own, Aggregate):
                self._try(queries.trial(own), f"{own.sql!r} is no aggregate over the rows of dataset {dataset!r}")

    def _try(self, sql: str, wrong: str) -> None:
        try:
            with self.undone_if_it_fails():
                self.connection.exec_driver_sql(self.dialect.finished(sql)).close()
        except (sa.exc.ProgrammingError, sa.exc.DataError, sa.exc.NotSupportedError) as error:
            msg = f"{wrong}: {first_line(error)}"
            raise SpecError(msg) from error

    def fetch(self, sql: str) -> pa.Table:
        """The answer of a query."""
        with self.undone_if_it_fails():
            return self._fetch(sql)

    def _fetch(self, sql: str) -> pa.Table:
        import pyarrow as pa

        try:
            result = self.connection.exec_driver_sql(f"SELECT * FROM (\n{self.dialect.finished(sql)}\n) f LIMIT {self.most + 1}")
            cursor: Any = result.cursor
            names, codes = list(result.keys()), [column[1] for column in cursor.description]
            parts, rows = [], 0
            for part in result.partitions(BATCH):
                rows += len(part)
                if rows > self.most:
                    result.close()
                    msg = (
                        f"dataset {self.spec.dataset!r}: a query has more than max_fetch_rows={self.most:,} groups and values; group by "
                        "coarser columns, or leave out metrics per entity"
                    )
                    raise LimitExceeded(msg)
                parts.append(self._table(names, codes, list(zip(*part, strict=True))))
        except sa.exc.DBAPIError as error:
            kind = Failed if isinstance(error, sa.exc.DataError) else SourceError
            kind = OutOfRange if self.dialect.out_of_range(error.orig) else kind
            msg = f"{self.relation.what}: dataset {self.spec.dataset!r} could not be measured: {first_line(error)}"
            raise kind(msg) from error
        return pa.concat_tables(parts, promote_options="permissive") if parts else self._table(names, codes, [()] * len(names))

    def _table(self, names: Sequence[str], codes: Sequence[Any], columns: Sequence[Sequence[Any]]) -> pa.Table:
        import pyarrow as pa

        arrays = []
        for code, values in zip(codes, columns, strict=True):
            type_ = self.dialect.arrow_type(code, values)
            arrays.append(pa.array([_plain(self.dialect.plain(code, value), text=type_ == pa.string()) for value in values], type=type_))
        return pa.table(arrays, names=list(names))


def _plain(value: Any, *, text: bool) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return str(value) if text and value is not None else value


def first_line(error: sa.exc.DBAPIError) -> str:
    """What the database says, without the statement."""
    return str(error.orig).strip().splitlines()[0]
