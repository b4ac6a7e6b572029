"""What all processors do: measure a frame, and answer in the frame's own library."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.engines import engine_named
from airflow_lupus.engines.base import SparkRelation
from airflow_lupus.exceptions import SpecError
from airflow_lupus.model import Grain, Period
from airflow_lupus.pipeline.frames import frame_batches
from airflow_lupus.pipeline.measuring import needed
from airflow_lupus.pipeline.tidy import tidy
from airflow_lupus.specs import MeasureSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from airflow_lupus.engines.base import Relation
    from airflow_lupus.specs import MetricSet


class Processor:
    """Measures metric sets of a frame.

    :param frame: a frame of pandas, Polars (also lazy), Arrow (also a dataset), DuckDB or Spark.
    :param metric_sets: what to measure.
    :param group_columns: a value for each combination of their values …
    :param totals: … and one over all rows.
    :param where: an SQL condition on rows: DuckDB's SQL, of a Spark frame Spark's.
    :param options: further parameters of the measurement: `per_entity`, `top`, `max_groups`, `max_entities`, as of `MetricCollectOperator`.
    """

    def __init__(
        self,
        frame: Any,
        metric_sets: Sequence[MetricSet],
        *,
        group_columns: Sequence[str] = (),
        totals: bool = True,
        where: str | None = None,
        **options: Any,
    ) -> None:
        if isinstance(group_columns, str):
            msg = f"group_columns must be a list of columns, not the text {group_columns!r}"
            raise SpecError(msg)
        self.frame = frame
        self.spec = MeasureSpec(
            "frame", Grain("day", "UTC"), tuple(metric_sets), group_columns=tuple(group_columns), totals=totals, where=where, **options
        )

    def get_metrics(self) -> Any:
        """A tidy frame in the library of the one given: `column`, `metric`, `level` (`leaf` of a group, `total` over all rows), a column
        for each dimension, `value`, and `n`, the rows behind it.
        """
        return _like(self.frame, self.measure())

    def measure(self) -> pa.Table:
        """The same as an Arrow table."""
        now = datetime.now(UTC)
        period = Period(datetime.fromtimestamp(0, UTC), now)
        relation: Relation
        if type(self.frame).__module__.startswith("pyspark."):
            relation, engine = SparkRelation(frame=self.frame), engine_named("spark")
        else:
            relation, engine = frame_batches("the frame", self.frame, self.spec), engine_named("duckdb")
        pairs = self.spec.pairs(engine.types(relation))
        return tidy(self.spec, pairs, engine.scan(relation, self.spec, needed(self.spec, pairs), [period]))


class SetProcessor(Processor):
    """Measures one metric set, whose parameters it takes as its own."""

    metric_set: ClassVar[Callable[..., MetricSet]]

    def __init__(
        self, frame: Any, *, group_columns: Sequence[str] = (), totals: bool = True, where: str | None = None, **described: Any
    ) -> None:
        super().__init__(frame, [type(self).metric_set(**described)], group_columns=group_columns, totals=totals, where=where)


def _like(frame: Any, table: pa.Table) -> Any:
    """A table as a frame of another's library."""
    library = type(frame).__module__.partition(".")[0]
    if library == "pandas":
        return table.to_pandas()
    if library == "polars":
        import polars as pl

        return pl.DataFrame(table)
    if library == "pyspark":
        return frame.sparkSession.createDataFrame(table)
    return table
