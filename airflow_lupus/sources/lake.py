"""Tables of a data lake: Delta and Iceberg, read without Spark, and tables that only Spark can read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.exceptions import SpecError
from airflow_lupus.sources.base import Source, check_no_secret, check_not_dated

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Delta(Source):
    """A Delta table by its path, read with the package `deltalake`: no Spark, no Java.

    :param path: a folder on the worker, or an address such as `s3://lake/orders`.
    :param conn_id: Airflow connection of the object storage; what becomes of its fields is told in the page on sources.
    :param version: a version number, or an instant (ISO text or datetime): the table as it was then; by default as it is now. Templated.
    :param storage_options: options of `deltalake`'s storage that are no secrets, such as `{"AWS_REGION": "eu-west-1"}`.

    >>> Delta("s3://lake/mart/orders", conn_id="aws_default").default_dataset
    'orders'
    """

    path: str
    conn_id: str | None = None
    version: int | str | datetime | None = None
    storage_options: Mapping[str, str] = field(default_factory=dict)
    template_fields: ClassVar[tuple[str, ...]] = ("path", "version")

    def __post_init__(self) -> None:
        self.written_path = self.path
        check_no_secret(repr(self), self.storage_options)
        self.pinned()

    def __repr__(self) -> str:
        return f"Delta({self.path!r})"

    def pinned(self) -> int | str | datetime | None:
        """The version as a number or an instant, once Jinja has made it."""
        version = self.version
        if not isinstance(version, str) or "{{" in version:
            return version
        if version.isdecimal():
            return int(version)
        try:
            return datetime.fromisoformat(version)
        except ValueError as error:
            msg = f"{self!r}: version={version!r} is neither a version number nor an instant such as '2025-02-08T06:00:00Z'"
            raise SpecError(msg) from error

    @property
    def default_dataset(self) -> str:
        return PurePosixPath(self.written_path).name or "delta"

    def definition(self) -> dict[str, Any]:
        return {"delta": self.written_path}

    def check_ranged(self) -> None:
        check_not_dated(repr(self), self.written_path, "Write the table's own path; the time_column tells its periods apart.")


@dataclass
class Iceberg(Source):
    """An Iceberg table of a catalog, read with the package `pyiceberg`: no Spark, no Java.

    :param table: `namespace.table`.
    :param conn_id: Airflow connection of the catalog; what becomes of its fields is told in the page on sources.
    :param catalog: the catalog's properties that are no secrets, such as `{"type": "glue"}`; the connection's stand above them.
    :param snapshot_id: the snapshot to read; by default the newest. Templated.

    >>> Iceberg("mart.orders", catalog={"type": "glue"}).default_dataset
    'mart.orders'
    """

    table: str
    conn_id: str | None = None
    catalog: Mapping[str, str] = field(default_factory=dict)
    snapshot_id: int | str | None = None
    template_fields: ClassVar[tuple[str, ...]] = ("table", "snapshot_id")

    def __post_init__(self) -> None:
        self.written_table = self.table
        if "{{" not in self.table and not all(self.table.rpartition(".")):
            msg = f"{self!r}: an Iceberg table is named with its namespace, as in 'mart.orders'"
            raise SpecError(msg)
        if not self.conn_id and not self.catalog:
            msg = f"{self!r} needs its catalog: an Airflow connection conn_id=…, or catalog={{'type': …}}"
            raise SpecError(msg)
        check_no_secret(repr(self), self.catalog)
        self.pinned()

    def __repr__(self) -> str:
        return f"Iceberg({self.table!r})"

    def pinned(self) -> int | None:
        """The snapshot, once Jinja has made it."""
        if self.snapshot_id is None or "{{" in str(self.snapshot_id):
            return None
        try:
            return int(self.snapshot_id)
        except ValueError as error:
            msg = f"{self!r}: snapshot_id={self.snapshot_id!r} is not a number"
            raise SpecError(msg) from error

    @property
    def default_dataset(self) -> str:
        return self.written_table

    def definition(self) -> dict[str, Any]:
        return {"iceberg": self.written_table, "conn_id": self.conn_id, "catalog": dict(self.catalog)}

    def check_ranged(self) -> None:
        check_not_dated(repr(self), self.written_table, "Write the table's own name; the time_column tells its periods apart.")


@dataclass
class SparkTable(Source):
    """A table or view of a Spark session's catalog; only `engine="spark"` reads it.

    :param name: `table`, `schema.table` or `catalog.schema.table`.
    :param conn_id: Airflow connection of the Spark that knows it; by default the engine's.

    >>> SparkTable("lake.mart.orders").default_dataset
    'lake.mart.orders'
    """

    name: str
    conn_id: str | None = None
    template_fields: ClassVar[tuple[str, ...]] = ("name",)

    @property
    def default_dataset(self) -> str:
        return self.name

    def definition(self) -> dict[str, Any]:
        return {"spark_table": self.name, "conn_id": self.conn_id}
