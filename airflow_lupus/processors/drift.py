"""How far the columns of a frame are from those of another."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_lupus.engines import engine_named
from airflow_lupus.metric_sets.drift import Drift
from airflow_lupus.model import Period
from airflow_lupus.pipeline.drifting import Drifting, Judged, parts_of
from airflow_lupus.pipeline.frames import frame_batches
from airflow_lupus.pipeline.measuring import Opened
from airflow_lupus.pipeline.tidy import tidy_points
from airflow_lupus.processors.base import Processor
from airflow_lupus.sources import Frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from airflow_lupus.model import Point, SeriesInfo


class DriftProcessor(Processor):
    """Distances of columns from those of a reference, group by group and over all rows.

    >>> import pyarrow as pa
    >>> before = pa.table({"age": [1.0, 2.0, 3.0, 4.0], "device": ["phone", "phone", "tablet", "desktop"]})
    >>> now = pa.table({"age": [2.0, 3.0, 4.0, 5.0], "device": ["phone", "tablet", "watch", "watch"]})
    >>> drift = DriftProcessor(now, reference=before, column_metrics={"age": ["wasserstein"], "device": ["unseen_ratio"]})
    >>> for row in drift.get_metrics().to_pylist():
    ...     print(row["column"], row["metric"], row["value"])
    age wasserstein 1.0
    device unseen_ratio 0.5

    :param frame: a frame of pandas, Polars, Arrow, DuckDB or Spark.
    :param reference: another one.
    :param column_metrics: by column, the metrics of `Drift`.
    :param bins: see `Drift`.
    :param options: see `Processor`.
    """

    def __init__(self, frame: Any, *, reference: Any, column_metrics: Mapping[str, Sequence[str]], bins: int = 20, **options: Any) -> None:
        super().__init__(frame, [Drift(column_metrics, Frame(reference, name="reference"), bins)], **options)

    def measure(self) -> pa.Table:
        period = Period(datetime.fromtimestamp(0, UTC), datetime.now(UTC))
        engine = engine_named("duckdb")
        drifting = Drifting(self.spec, parts_of(self.spec))
        drifting.measure_references(engine, lambda source, _, spec: Opened(frame_batches("the reference", source.frame, spec)), period)
        relation = frame_batches("the frame", self.frame, self.spec)
        drifting.ready(engine, relation, self.spec.pairs(engine.types(relation)), [period])
        scan = engine.scan(relation, self.spec, drifting.needs(), [period])
        points: dict[SeriesInfo, list[Point]] = {}
        for part, found in drifting.profiles(scan, [period]).items():
            known = part.reference or {}
            drifting.add_points(points, part, [Judged(each, known.get(each.where)) for each in found])
        return tidy_points(points, self.spec.group_columns)
