"""Iceberg tables, through the package `pyiceberg`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import MissingExtra, SourceError, SpecError
from airflow_lupus.hooks.connections import connection, masked
from airflow_lupus.pipeline.measuring import Opened
from airflow_lupus.pipeline.rows import batches, first_line, time_bounds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from pyiceberg.table import DataScan, Table

    from airflow_lupus.model import Period
    from airflow_lupus.sources import Iceberg
    from airflow_lupus.specs import MeasureSpec

log = logging.getLogger(__name__)


def open_iceberg(source: Iceberg, periods: Sequence[Period], spec: MeasureSpec) -> Opened:
    """Load the table's metadata; of its files only those that may hold rows of the periods are read, a batch at a time."""
    try:
        from pyiceberg.exceptions import NoSuchIcebergTableError, NoSuchNamespaceError, NoSuchTableError
    except ImportError as error:
        raise MissingExtra("pyiceberg", "iceberg") from error

    what = repr(source)
    name, properties = catalog_properties(source, what)
    snapshot = source.pinned()
    try:
        table = _catalog(name, properties, what).load_table(source.table)
        schema = table.scan(snapshot_id=snapshot).projection().as_arrow()
    except (NoSuchTableError, NoSuchNamespaceError, NoSuchIcebergTableError):
        return Opened(None, dict.fromkeys(periods, f"catalog {name!r} has no table {source.table!r}"))
    except (SpecError, MissingExtra):
        raise
    except Exception as error:  # of the catalog's own client: HTTP, SQL, Thrift or a cloud's
        msg = f"{what} cannot be loaded from catalog {name!r}: {masked(first_line(error), properties)}"
        raise SourceError(msg) from error
    current = table.current_snapshot()
    log.info("%s is at snapshot %s", what, snapshot or (current.snapshot_id if current else None))

    def stream(names: Sequence[str], asked: Sequence[Period]) -> pa.RecordBatchReader:
        return _reader(table, table.scan(_filter(schema, asked, spec), tuple(names), snapshot_id=snapshot))

    return Opened(batches(what, schema, stream, spec, lambda text: masked(text, properties)))


def _reader(table: Table, scan: DataScan) -> pa.RecordBatchReader:
    """A scan's rows, a data file at a time: `pyiceberg`'s own reader reads all files at once, however slowly their rows are taken."""
    import pyarrow as pa
    from pyiceberg.io.pyarrow import ArrowScan

    projected = scan.projection()
    schema = projected.as_arrow()
    files = ArrowScan(table.metadata, table.io, projected, scan.row_filter)
    found = (batch for file in scan.plan_files() for batch in files.to_record_batches([file]))
    return pa.RecordBatchReader.from_batches(schema, found).cast(schema)


def _filter(schema: pa.Schema, periods: Sequence[Period], spec: MeasureSpec) -> Any:
    """The rows of these periods, in `pyiceberg`'s terms."""
    from pyiceberg import expressions

    terms: Any = expressions  # its constructors' types are not those of what they take
    between = time_bounds(schema, periods, spec)
    if between is None:
        return terms.AlwaysTrue()
    start, end = (bound.isoformat() for bound in between)
    return terms.And(terms.GreaterThanOrEqual(spec.time_column, start), terms.LessThan(spec.time_column, end))


def _catalog(name: str, properties: Mapping[str, str], what: str) -> Any:
    from pyiceberg.catalog import load_catalog
    from pyiceberg.exceptions import NotInstalledError

    try:
        return load_catalog(name, **properties)
    except NotInstalledError as error:
        msg = f"{what}: {error}"
        raise SpecError(msg) from error
    except ValueError as error:
        msg = f"{what}: the properties of catalog {name!r} cannot be meant: {masked(str(error), properties)}"
        raise SpecError(msg) from error


def catalog_properties(source: Iceberg, what: str) -> tuple[str, dict[str, str]]:
    """The catalog's name and properties: the source's own, above them the Airflow connection's fields, above these its extra."""
    if not source.conn_id:
        return "lupus", _texts(source.catalog)
    found = connection(source.conn_id, what)
    extra = dict(found.extra_dejson)
    name = str(extra.pop("catalog_name", source.conn_id))
    fields: dict[str, Any] = {}
    if found.host:
        fields["uri"] = f"{found.host}:{found.port}" if found.port else found.host
    if found.password:
        fields |= {"credential": f"{found.login}:{found.password}"} if found.login else {"token": found.password}
    return name, _texts({**source.catalog, **fields, **extra})


def _texts(properties: Mapping[str, Any]) -> dict[str, str]:
    """Properties as `pyiceberg` has them."""
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in properties.items()}
