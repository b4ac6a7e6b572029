"""Frames of any library as streams of Arrow batches; which library it is, is told without importing one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import SpecError
from airflow_lupus.pipeline.rows import batches, condition, time_bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from airflow_lupus.engines.base import Batches
    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

SLICE = 100_000
"""Rows of a pandas frame that are made Arrow at once."""


def frame_batches(
    what: str,
    frame: Any,
    spec: MeasureSpec,
    again: Callable[[Sequence[Period]], Any] | None = None,
    first: Sequence[Period] = (),
) -> Batches:
    """A frame as engines take it.

    :param what: the frame, in error messages.
    :param again: makes another frame of some periods, where this one can be read only once; None from it: there are no rows.
    :param first: the periods that this one is of.
    :raises SpecError: it is no frame.
    """
    import pyarrow as pa

    once = type(frame).__name__ == "RecordBatchReader"
    if once:
        frame = pa.RecordBatchReader.from_stream(frame)
    schema = _schema(what, frame)
    unread = [frame]

    def stream(names: Sequence[str], periods: Sequence[Period]) -> pa.RecordBatchReader:
        if not once:
            return _stream(frame, schema, names, periods, spec)
        if unread and (again is None or set(periods) == set(first)):
            return _stream(unread.pop(), schema, names, periods, spec)
        if again is None:
            msg = f"{what} is a stream, which can be read only once, but is needed again; give a function that returns it"
            raise SpecError(msg)
        fresh = again(periods)
        return _stream(schema.empty_table() if fresh is None else fresh, schema, names, periods, spec)

    return batches(what, schema, stream, spec)


def _library(frame: Any) -> str:
    """The package that a frame is from, and its class: "pandas.DataFrame"."""
    kind = type(frame)
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


def _schema(what: str, frame: Any) -> pa.Schema:
    import pyarrow as pa

    library = _library(frame)
    if library == "pandas.DataFrame":
        return pa.schema([_pandas_field(str(name), frame.iloc[:, i]) for i, name in enumerate(frame.columns)])
    if library == "polars.LazyFrame":
        return _polars_schema(frame)
    if library == "polars.DataFrame":
        return _polars_schema(frame.lazy())
    if library.endswith(".DuckDBPyRelation"):
        return pa.RecordBatchReader.from_stream(frame.limit(0)).schema
    if isinstance(getattr(frame, "schema", None), pa.Schema):  # a table, batch, reader or dataset of Arrow
        return frame.schema
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(frame).schema
    msg = f"{what} is a {type(frame).__module__}.{type(frame).__name__}, not a frame of pandas, Polars, Arrow or DuckDB"
    raise SpecError(msg)


def _pandas_field(name: str, column: Any) -> pa.Field:
    import pyarrow as pa

    try:
        return pa.field(name, pa.Schema.from_pandas(column.to_frame("c"), preserve_index=False).field("c").type)
    except (pa.ArrowException, TypeError):  # objects of several types: an error only where they are to be read
        return pa.field(name, pa.binary())


def _polars_schema(frame: Any) -> pa.Schema:
    import polars as pl
    import pyarrow as pa

    return pa.RecordBatchReader.from_stream(pl.DataFrame(schema=frame.collect_schema())).schema


def _stream(frame: Any, schema: pa.Schema, names: Sequence[str], periods: Sequence[Period], spec: MeasureSpec) -> pa.RecordBatchReader:
    """Some columns of a frame; only a lazy one is filtered here, where that spares reading."""
    import pyarrow as pa

    from airflow_lupus.engines.duckdb_tables import quote

    part = pa.schema([schema.field(name) for name in names])
    library = _library(frame)
    if library == "pandas.DataFrame":
        return pa.RecordBatchReader.from_batches(part, _pandas_batches(frame, part))
    if library == "polars.LazyFrame":
        return pa.RecordBatchReader.from_batches(part, _polars_batches(frame, part, time_bounds(schema, periods, spec), spec.time_column))
    if library.endswith(".DuckDBPyRelation"):
        frame = frame.filter(condition(schema, periods, spec)).project(", ".join(map(quote, names)))
    elif library == "polars.DataFrame":
        frame = frame.select(names)
    elif hasattr(frame, "scanner"):
        return frame.scanner(columns=list(names), filter=_arrow_filter(schema, periods, spec)).to_reader()
    elif isinstance(frame, pa.Table | pa.RecordBatch):
        frame = frame.select(names)
    return pa.RecordBatchReader.from_stream(frame)


def _pandas_batches(frame: Any, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    positions = {str(name): i for i, name in enumerate(frame.columns)}
    chosen = frame.iloc[:, [positions[name] for name in schema.names]]
    for start in range(0, len(chosen), SLICE):
        part = chosen.iloc[start : start + SLICE]
        part.columns = schema.names
        yield pa.RecordBatch.from_pandas(part, schema=schema, preserve_index=False)


def _polars_batches(frame: Any, schema: pa.Schema, between: tuple[Any, Any] | None, time_column: str | None) -> Iterator[pa.RecordBatch]:
    import polars as pl
    import pyarrow as pa

    if between is not None:
        zone = schema.field(str(time_column)).type.tz if isinstance(schema.field(str(time_column)).type, pa.TimestampType) else None
        start, end = (pl.lit(at).dt.convert_time_zone(zone) if zone else pl.lit(at) for at in between)
        frame = frame.filter(pl.col(str(time_column)) >= start, pl.col(str(time_column)) < end)
    chosen = frame.select(schema.names)
    for part in chosen.collect_batches() if hasattr(chosen, "collect_batches") else [chosen.collect()]:
        yield from pa.RecordBatchReader.from_stream(part)


def _arrow_filter(schema: pa.Schema, periods: Sequence[Period], spec: MeasureSpec) -> Any:
    import pyarrow as pa
    from pyarrow import dataset

    between = time_bounds(schema, periods, spec)
    if between is None:
        return None
    column = dataset.field(str(spec.time_column))
    start, end = (pa.scalar(at, schema.field(str(spec.time_column)).type) for at in between)
    return (column >= start) & (column < end)
