"""Delta tables, through the package `deltalake`."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import MissingExtra, SourceError, SpecError
from airflow_lupus.hooks.connections import connection, masked
from airflow_lupus.pipeline.measuring import Opened
from airflow_lupus.pipeline.rows import batches, condition, first_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from airflow_lupus.model import Period
    from airflow_lupus.sources import Delta
    from airflow_lupus.specs import MeasureSpec

log = logging.getLogger(__name__)

AWS_EXTRAS = {
    "region_name": "AWS_REGION",
    "aws_session_token": "AWS_SESSION_TOKEN",
    "endpoint_url": "AWS_ENDPOINT_URL",
}


def open_delta(source: Delta, periods: Sequence[Period], spec: MeasureSpec) -> Opened:
    """Read the table's log; of its files only those that may hold rows of the periods are read, a batch at a time."""
    try:
        from deltalake import DeltaTable, QueryBuilder
        from deltalake.exceptions import DeltaError, TableNotFoundError
    except ImportError as error:
        raise MissingExtra("deltalake", "delta") from error
    import pyarrow as pa

    from airflow_lupus.engines.duckdb_tables import quote

    what = repr(source)
    options = {**source.storage_options, **(storage_options(source.conn_id, what) if source.conn_id else {})}
    version = source.pinned()
    try:
        table = DeltaTable(source.path, version=version if isinstance(version, int) else None, storage_options=options)
        if version is not None and not isinstance(version, int):
            table.load_as_version(version)
        schema = pa.schema(table.schema().to_arrow())
    except TableNotFoundError:
        return Opened(None, dict.fromkeys(periods, f"there is no Delta table at {source.path}"))
    except (DeltaError, OSError) as error:
        raise _unreadable(what, version, masked(first_line(error), options)) from error
    log.info("%s is at version %s", what, table.version())

    def stream(names: Sequence[str], asked: Sequence[Period]) -> pa.RecordBatchReader:
        sql = f"SELECT {', '.join(map(quote, names))} FROM lupus_rows WHERE {condition(schema, asked, spec)}"
        try:
            return pa.RecordBatchReader.from_stream(QueryBuilder().register("lupus_rows", table).execute(sql))
        except Exception as error:  # deltalake words DataFusion's errors in classes of no common base
            raise _unreadable(what, version, masked(first_line(error), options)) from error

    return Opened(batches(what, schema, stream, spec, lambda text: masked(text, options)))


def _unreadable(what: str, version: Any, reason: str) -> SourceError:
    if "nsupported" in reason or "eature" in reason:
        return SourceError(f"{what} uses what the installed deltalake cannot read: {reason}. Upgrade deltalake, or read it with Spark")
    at = "" if version is None else f" at version {version}"
    return SourceError(f"{what} cannot be read{at}: {reason}")


def storage_options(conn_id: str, what: str) -> dict[str, str]:
    """An Airflow connection as `deltalake`'s options: the extra's `storage_options`, above what the known types' fields mean."""
    found = connection(conn_id, what)
    extra = found.extra_dejson
    options: dict[str, Any] = {}
    if found.conn_type == "aws":
        options = {"AWS_ACCESS_KEY_ID": found.login, "AWS_SECRET_ACCESS_KEY": found.password}
        options |= {name: extra.get(key) for key, name in AWS_EXTRAS.items()}
        if str(extra.get("endpoint_url", "")).startswith("http://"):
            options["AWS_ALLOW_HTTP"] = "true"
    elif found.conn_type == "google_cloud_platform":
        options = {"google_service_account": extra.get("key_path"), "google_service_account_key": extra.get("keyfile_dict")}
    elif found.conn_type in {"wasb", "adls", "azure_data_lake"}:
        options = {"azure_storage_account_name": found.login, "azure_storage_account_key": found.password}
    options |= _mapping(extra, what, conn_id)
    texts = {name: json.dumps(value) if isinstance(value, dict) else "" if value is None else str(value) for name, value in options.items()}
    return {name: text for name, text in texts.items() if text}


def _mapping(extra: Mapping[str, Any], what: str, conn_id: str) -> dict[str, Any]:
    given = extra.get("storage_options", {})
    if not isinstance(given, dict):
        msg = f"{what}: storage_options in the extra of connection {conn_id!r} must be an object of names and values"
        raise SpecError(msg)
    return given
