"""Spark through `spark-submit`: an application measures in a driver elsewhere, and a shared folder brings its answers back."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import airflow_lupus
from airflow_lupus import exceptions
from airflow_lupus.engines.base import Batches, FileSet, Scan, SourceFile, own_or_fetched
from airflow_lupus.engines.dialects.spark import SparkDialect
from airflow_lupus.engines.passes import run_passes
from airflow_lupus.engines.plan import planned
from airflow_lupus.engines.queries import Queries, Source
from airflow_lupus.engines.spark_exchange import Exchange, column_type_of, job_text, operands_of, types_text
from airflow_lupus.engines.spark_job import DONE, JOB
from airflow_lupus.engines.spark_spool import readable
from airflow_lupus.engines.spark_tables import address
from airflow_lupus.exceptions import LupusError, MissingExtra, SourceError, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_lupus.engines import Spark
    from airflow_lupus.engines.base import Relation
    from airflow_lupus.metrics.base import Need
    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

APPLICATION = "import sys\n\nfrom airflow_lupus.engines.spark_job import main\n\nmain(sys.argv[1])\n"
PACKAGE, MAIN, ROWS = "airflow_lupus.zip", "lupus_main.py", "rows.parquet"


class SubmittedSpark:
    """An engine whose driver is not this process: see `Spark.submit`.

    The package is sent along; numpy and pyarrow have to be where the driver runs.
    """

    name = "spark"

    def __init__(self, spark: Spark) -> None:
        if not spark.shared_path:
            msg = f"Spark(conn_id={spark.conn_id!r}): a submitted application leaves its answers in a shared_path=…, which is not given"
            raise SpecError(msg)
        self.spark = spark
        self._types: dict[str, dict[str, str]] = {}

    def types(self, relation: Relation) -> dict[str, str]:
        relation = own_or_fetched(relation)
        if isinstance(relation, Batches):
            return dict(relation.types)
        if isinstance(relation, FileSet):
            from airflow_lupus.engines.duckdb import DuckDBEngine

            return DuckDBEngine().types(relation)
        if relation.table not in self._types:
            with self._exchange() as exchange:
                self._types[relation.table] = self._done(exchange, types_text(relation.table))["kinds"]
        return self._types[relation.table]

    def scan(self, relation: Relation, spec: MeasureSpec, needs: Sequence[Need], periods: Sequence[Period]) -> Scan:
        relation = own_or_fetched(relation)
        with self._exchange() as exchange:
            sent = relation
            if isinstance(relation, Batches):
                spooled = _spooled(exchange, relation, spec, periods)
                if spooled is None:
                    return Scan.nothing()
                sent, spec = spooled, replace(spec, where=None)  # the source has seen to it
            elif isinstance(relation, FileSet) and relation.format != "parquet":
                msg = f"dataset {spec.dataset!r}: a submitted application reads Parquet files, not {relation.format}: Spark(submit=False)"
                raise SpecError(msg)
            done = self._done(exchange, job_text(sent, spec, needs, periods, int(self.spark.max_fetch_rows or 0)))
            if not done["tables"]:
                return Scan.nothing(done["failed_files"])
            tables = (exchange.read_table(f"answer-{i}.arrow") for i in range(done["tables"]))
            types = {name: column_type_of(type_) for name, type_ in done["types"].items()}
            dialect = SparkDialect(spec.time_column_timezone, spec.grain.timezone)
            queries = Queries(dialect, Source("", "p", types, spec.group_columns, {}), needs, totals=spec.totals)
            plan = planned(needs, operands_of(done["few"]))
            found = run_passes(queries, plan, needs, lambda _: next(tables), spec, periods)
        found.failed_files, found.bytes_read = done["failed_files"], done["bytes_read"]
        return found

    def explain(self, relation: Relation, spec: MeasureSpec, needs: Sequence[Need], periods: Sequence[Period]) -> str:  # noqa: ARG002
        return "(the application that is submitted makes its queries where it runs)"

    @contextmanager
    def _exchange(self) -> Iterator[Exchange]:
        exchange = Exchange(f"{str(self.spark.shared_path).rstrip('/')}/lupus-{uuid4().hex}")
        try:
            yield exchange
        finally:
            exchange.remove()

    def _done(self, exchange: Exchange, job: bytes) -> dict[str, Any]:
        """Submit the application, wait for its end, and read what it says."""
        exchange.write(JOB, job)
        exchange.write(MAIN, APPLICATION.encode())
        exchange.write(PACKAGE, _package())
        hook = self._hook(exchange)
        failure: Exception | None = None
        try:
            hook.submit(address(exchange.path(MAIN)))
        except Exception as error:  # of Airflow's own kinds; whether there is an answer all the same is looked at below
            failure = error
        text = exchange.read(DONE)
        if text is None:
            msg = f"spark-submit through connection {self.spark.conn_id!r} has left no answer in {exchange.folder}: {failure}"
            raise SourceError(msg) from failure
        done: dict[str, Any] = json.loads(text)
        if "error" in done:
            raise _error(done)
        return done

    def _hook(self, exchange: Exchange) -> Any:
        try:
            from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook
        except ModuleNotFoundError as error:
            raise MissingExtra(str(error.name), "spark") from error
        return SparkSubmitHook(
            conf=dict(self.spark.conf),
            conn_id=str(self.spark.conn_id),
            name="lupus",
            py_files=address(exchange.path(PACKAGE)),
            application_args=[exchange.folder],
        )


def _spooled(exchange: Exchange, relation: Batches, spec: MeasureSpec, periods: Sequence[Period]) -> FileSet | None:
    """Batches as a file that the application reads; None: there are none."""
    import pyarrow as pa
    from pyarrow import parquet

    tables = [readable(table) for table in relation.read(spec.needed_columns, periods)]
    if not tables:
        return None
    sink = io.BytesIO()
    parquet.write_table(pa.concat_tables(tables, promote_options="permissive"), sink)
    exchange.write(ROWS, sink.getvalue())
    return FileSet([SourceFile(exchange.path(ROWS))], "parquet")


def _package() -> bytes:
    """This package's own modules as a zip file that Python imports from."""
    root = Path(airflow_lupus.__file__).parent
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob("*.py")):
            archive.write(path, path.relative_to(root.parent))
    return content.getvalue()


def _error(done: dict[str, Any]) -> LupusError:
    kind = getattr(exceptions, done["error"])
    return SourceError(done["message"]) if kind is MissingExtra else kind(done["message"])
