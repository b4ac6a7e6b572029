"""The application that `spark-submit` runs in a driver somewhere: a scan, whose answers it leaves in the folder that it is given."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_lupus.engines.base import SparkRelation
from airflow_lupus.engines.spark import SparkEngine, settings
from airflow_lupus.engines.spark_exchange import Exchange, job_of, operands_text
from airflow_lupus.engines.spark_tables import opened
from airflow_lupus.exceptions import LupusError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import pyarrow as pa
    from pyspark.sql import SparkSession

    from airflow_lupus.engines.base import Scan
    from airflow_lupus.engines.queries import Queries
    from airflow_lupus.metrics.base import Need
    from airflow_lupus.metrics.operands import Operand
    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

JOB, DONE = "job.json", "done.json"


class Recording(SparkEngine):
    """Keeps what queries answered."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.recorded: dict[str, Any] = {}
        self.tables: list[pa.Table] = []

    def passes(
        self,
        queries: Queries,
        few: Collection[Operand],
        needs: Sequence[Need],
        fetch: Callable[[str], pa.Table],
        spec: MeasureSpec,
        periods: Sequence[Period],
    ) -> Scan:
        self.tables = []  # of the last attempt: without the broken files
        self.recorded = {"few": operands_text(few), "types": {name: asdict(type_) for name, type_ in queries.source.types.items()}}

        def kept(sql: str) -> pa.Table:
            self.tables.append(fetch(sql))
            return self.tables[-1]

        return super().passes(queries, few, needs, kept, spec, periods)


def main(folder: str) -> None:
    """Do the job in the folder. What goes wrong is an answer too; the last file to be written says that all are there."""
    from pyspark.sql import SparkSession

    exchange = Exchange(folder)
    spark = SparkSession.builder.getOrCreate()
    try:
        answer = _answer(exchange, spark)
    except LupusError as error:
        answer = {"error": type(error).__name__, "message": str(error)}
    exchange.write(DONE, json.dumps(answer).encode())
    spark.stop()


def _answer(exchange: Exchange, spark: SparkSession) -> dict[str, Any]:
    job = json.loads(exchange.read(JOB) or b"{}")
    if "spec" not in job:
        with settings(spark):
            return {"kinds": {name: type_.kind for name, type_ in opened(spark, SparkRelation(job["table"])).columns.items()}}
    relation, spec, needs, periods, most = job_of(job)
    engine = Recording(spark, max_fetch_rows=most)
    found = engine.scan(relation, spec, needs, periods)
    for i, table in enumerate(engine.tables):
        exchange.write_table(f"answer-{i}.arrow", table)
    return {**engine.recorded, "tables": len(engine.tables), "failed_files": dict(found.failed_files), "bytes_read": found.bytes_read}
