"""Iceberg tables without Spark: through a real catalog in SQLite."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.types import DoubleType

from airflow_lupus import Iceberg
from airflow_lupus.exceptions import MissingExtra, SourceError, SpecError
from airflow_lupus.hooks.iceberg import catalog_properties
from airflow_lupus.hooks.source import open_source
from support.sources import SPEC, counts, days, reasons, rows


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """A catalog with the table mart.orders of two days, and the connection `lake` to it."""
    properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"file://{tmp_path}"}
    found = load_catalog("lake", **properties)
    found.create_namespace("mart")
    found.create_table("mart.orders", rows(5).schema).append(rows(5))
    found.load_table("mart.orders").append(rows(6))
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "iceberg", "extra": properties}))
    return found


ORDERS = Iceberg("mart.orders", conn_id="lake")


def test_the_newest_snapshot_is_read_or_the_one_asked_for(catalog: Catalog) -> None:
    assert counts(ORDERS, days(4, 6)) == [("empty", 0), ("ok", 24), ("ok", 24)]
    first = catalog.load_table("mart.orders").snapshots()[0].snapshot_id
    for snapshot in (first, str(first)):
        assert counts(Iceberg("mart.orders", conn_id="lake", snapshot_id=snapshot), days(5, 6)) == [("ok", 24), ("empty", 0)]
    with pytest.raises(SourceError, match="Snapshot not found: 7"):
        counts(Iceberg("mart.orders", conn_id="lake", snapshot_id=7), days(5))
    assert Iceberg("mart.orders", "lake", snapshot_id=first).definition() == ORDERS.definition()


def test_only_the_files_of_the_periods_are_read(catalog: Catalog) -> None:
    table = catalog.load_table("mart.orders")
    for task in table.scan(row_filter="at >= '2013-02-06T05:00:00+00:00'").plan_files():
        Path(task.file.file_path.removeprefix("file://")).unlink()
    assert counts(ORDERS, days(5)) == [("ok", 24)]
    with pytest.raises(SourceError, match=r"Iceberg\('mart.orders'\) cannot be read: .*No such file"):
        counts(ORDERS, days(6))


def test_a_partition_may_be_the_time_column(catalog: Catalog) -> None:
    table = catalog.create_table("mart.daily", rows(5).schema)
    with table.update_spec() as update:
        update.add_identity("day")
    table.append(rows(5, 8))
    assert len(list(table.scan().plan_files())) == 4
    for spec in (SPEC, replace(SPEC, time_column="day")):
        assert counts(Iceberg("mart.daily", conn_id="lake"), days(4, 8), spec) == [("empty", 0), *[("ok", 24)] * 4]


def test_a_column_that_was_renamed_and_one_that_was_added(catalog: Catalog) -> None:
    table = catalog.load_table("mart.orders")
    with table.update_schema() as update:
        update.rename_column("x", "y")
    with table.update_schema() as update:
        update.add_column("x", DoubleType())
    table.append(rows(7).append_column("y", rows(7)["x"]).select(["at", "y", "day", "x"]))
    opened = open_source(ORDERS, days(5, 7), SPEC)
    assert opened.relation is not None
    (read,) = [list(opened.relation.read(["at", "x"], days(5, 7)))]  # type: ignore[union-attr]
    values = [value for batch in read for value in batch["x"].to_pylist()]
    assert sorted(values, key=repr) == sorted([None] * 48 + [1.0] * 24, key=repr)


def test_what_is_not_there_is_missing_and_what_has_no_rows_is_empty(catalog: Catalog) -> None:
    for name in ("mart.nothing", "nowhere.orders"):
        assert reasons(Iceberg(name, conn_id="lake"), days(5, 6)) == {f"catalog 'lake' has no table {name!r}"}
    catalog.create_table("mart.new", rows(5).schema)
    assert counts(Iceberg("mart.new", conn_id="lake"), days(5)) == [("empty", 0)]


def test_a_connection_becomes_a_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    def of(connection: dict[str, Any], **given: Any) -> tuple[str, dict[str, str]]:
        monkeypatch.setenv("AIRFLOW_CONN_C", json.dumps(connection))
        return catalog_properties(Iceberg("a.b", conn_id="c", **given), "Iceberg('a.b')")

    rest = {"conn_type": "iceberg", "host": "https://catalog.example.com", "login": "me", "password": "s3cret"}
    assert of(rest) == ("c", {"uri": "https://catalog.example.com", "credential": "me:s3cret"})
    assert of({**rest, "login": None, "port": 8181})[1] == {"uri": "https://catalog.example.com:8181", "token": "s3cret"}
    extra = {"catalog_name": "lake", "type": "rest", "s3.path-style-access": True, "uri": "http://other"}
    name, properties = of({"conn_type": "iceberg", "host": "http://h", "extra": extra}, catalog={"type": "glue", "warehouse": "w"})
    assert (name, properties) == ("lake", {"type": "rest", "warehouse": "w", "uri": "http://other", "s3.path-style-access": "true"})


@pytest.mark.parametrize(
    ("extra", "error", "message"),
    [
        ({"type": "sql", "uri": "sqlite:////nowhere/catalog.db"}, SourceError, "cannot be loaded from catalog 'c': .*unable to open"),
        ({"type": "rest", "uri": "http://u:s3cret@127.0.0.1:9"}, SourceError, "cannot be loaded from catalog 'c'"),
        ({"type": "sequel", "uri": "x"}, SpecError, "'sequel' is not a valid CatalogType"),
        ({"type": "hive", "uri": "thrift://127.0.0.1:9"}, SpecError, r"pip install 'pyiceberg\[hive\]'"),
        ({}, SpecError, "URI missing"),
    ],
)
def test_a_catalog_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, extra: Any, error: Any, message: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_C", json.dumps({"conn_type": "iceberg", "extra": extra}))
    with pytest.raises(error, match=message) as raised:
        open_source(Iceberg("mart.orders", conn_id="c"), days(5), SPEC)
    assert "s3cret" not in str(raised.value)
    assert "Iceberg('mart.orders')" in str(raised.value)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Iceberg("orders", conn_id="c"), "named with its namespace"),
        (lambda: Iceberg("mart.orders"), r"needs its catalog: an Airflow connection conn_id=…"),
        (lambda: Iceberg("mart.orders", catalog={"token": "t"}), "'token' is a secret"),
        (lambda: Iceberg("mart.orders", catalog={"uri": "postgresql://me:pw@db/catalog"}), "'uri' is a secret"),
        (lambda: Iceberg("mart.orders", conn_id="c", snapshot_id="newest"), "snapshot_id='newest' is not a number"),
        (lambda: open_source(Iceberg("mart.{{ ds }}", "c"), days(5, 6), SPEC), "Jinja renders once per task"),
    ],
)
def test_wrong_words_fail_at_once(build: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        build()


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyiceberg.exceptions", None)
    with pytest.raises(MissingExtra, match=r"airflow-lupus\[iceberg\]"):
        open_source(ORDERS, days(5), SPEC)
