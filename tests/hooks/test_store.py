"""From Airflow's configuration and a connection to the store."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from airflow_lupus.exceptions import MissingExtra, StoreConfigError
from airflow_lupus.hooks import store as store_hook
from airflow_lupus.stores.sql import SqlStore
from support.measurements import DEFINITION, FLIGHTS, SCOPE, measured, task
from support.stores import url_of

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    store_hook._local.cache_clear()
    store_hook._by_connection.cache_clear()


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch):
    """Name the store's connection, and set further options."""

    def to(connection: dict[str, Any] | str | None, **options: str) -> SqlStore:
        if connection is not None:
            monkeypatch.setenv("AIRFLOW_CONN_LUPUS_STORE", connection if isinstance(connection, str) else json.dumps(connection))
            options["store_conn_id"] = "lupus_store"
        for name, value in options.items():
            monkeypatch.setenv(f"AIRFLOW__LUPUS__{name.upper()}", value)
        return store_hook.get_store()

    return to


def mysql(**changes: Any) -> dict[str, Any]:
    return {"conn_type": "mysql", "host": "db", "login": "lupus", "password": "p@ss/w", "port": 3307, "schema": "metrics"} | changes


@pytest.mark.parametrize("conn_type", ["mysql", "mariadb"])
@pytest.mark.parametrize("as_uri", [False, True])
def test_mariadb_as_the_store(configure, conn_type, as_uri, tmp_path):
    url = url_of("mariadb", tmp_path)
    socket = url.query["unix_socket"]
    fields = {"conn_type": conn_type, "login": "root", "schema": url.database, "extra": {"unix_socket": socket}}
    store = configure(f"{conn_type}://root@localhost/{url.database}?unix_socket={socket}" if as_uri else fields)
    assert store.save(FLIGHTS, DEFINITION, SCOPE, measured({0: {"✈ Zürich": 0.5}}), task()).added == 1
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT dimensions, value FROM lupus_metrics").all() == [('{"origin":"✈ Zürich"}', 0.5)]
        assert connection.exec_driver_sql("SELECT @@character_set_client").scalar() == "utf8mb4"


@pytest.mark.parametrize(
    ("extra", "query"),
    [
        ({}, {}),
        ({"charset": "UTF8MB4"}, {}),
        ({"ssl": {"ca": "/ca.pem", "cert": "/c.pem", "key": "/k.pem"}}, {"ssl_ca": "/ca.pem", "ssl_cert": "/c.pem", "ssl_key": "/k.pem"}),
        ({"ssl_ca": "/ca.pem", "ssl_check_hostname": False}, {"ssl_ca": "/ca.pem", "ssl_check_hostname": "false"}),
        ({"connect_timeout": 5, "cursor": "dictcursor", "local_infile": True, "client": "mysqlclient"}, {"connect_timeout": "5"}),
    ],
)
def test_a_mysql_connection_is_an_address(configure, extra, query):
    url = configure(mysql(extra=extra)).engine.url
    assert url == sa.URL.create("mysql+pymysql", "lupus", "p@ss/w", "db", 3307, "metrics", {"charset": "utf8mb4", **query})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"extra": {"charset": "latin1"}}, "connection 'lupus_store' has the extra charset='latin1'.*needs utf8mb4"),
        ({"extra": {"ssl_mode": "REQUIRED"}}, r"has the extra 'ssl_mode', which the store does not know \(did you mean"),
        ({"extra": {"ssl": {"verify": True}}}, "has the extra 'ssl_verify', which the store does not know"),
        ({"extra": {"ssl": "yes"}}, "has the extra ssl='yes': give an object"),
        ({"password": "p@ss✈"}, "has a password with characters beyond ASCII"),
        ({"schema": None}, "names no database: give it in the connection's schema"),
    ],
)
def test_what_would_silently_not_happen_is_refused(configure, changes, says):
    with pytest.raises(StoreConfigError, match=says) as refused:
        configure(mysql(**changes))
    assert not refused.value.retry
    assert "p@ss" not in str(refused.value)


def test_without_pymysql_the_extra_to_install_is_named(configure, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(MissingExtra, match=r"PyMySQL is not installed: pip install 'airflow-lupus\[mysql\]'"):
        configure(mysql())


@pytest.mark.parametrize("prefix", ["", "9lives_", "lupus-", "a b", "a" * 21, "lupus_; DROP", "größe_"])
def test_a_prefix_that_cannot_begin_a_table_is_refused(configure, prefix):
    with pytest.raises(StoreConfigError, match=r"\[lupus\] table_prefix = .* up to 20 letters, digits and underscores"):
        configure(None, table_prefix=prefix)


def test_a_schema_needs_a_database_that_has_schemas(configure, tmp_path):
    with pytest.raises(StoreConfigError, match=r"store_schema = 'monitoring' needs a \[lupus\] store_conn_id"):
        configure(None, store_schema="monitoring")
    with pytest.raises(StoreConfigError, match="SQLite has no schemas, and connection 'lupus_store' leads to it"):
        configure({"conn_type": "sqlite", "host": f"{tmp_path}/store.db"}, store_schema="monitoring")


def test_one_store_for_each_schema_and_prefix(configure):
    first = configure(mysql())
    assert configure(mysql()) is first
    assert configure(mysql(), table_prefix="team_a_") is not first
    assert configure(mysql(), table_prefix="lupus_", store_schema="monitoring") is not first


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_schema_and_prefix_are_where_the_tables_are(configure, kind, tmp_path):
    url, schema = url_of(kind, tmp_path), f"s_{tmp_path.name[-20:]}"
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    connection = {"conn_type": "mysql", "login": "root", "schema": url.database, "extra": {"unix_socket": url.query.get("unix_socket")}}
    if kind == "postgres":
        connection = {"conn_type": "postgres", "login": url.username, "schema": url.database, "host": url.query["host"]}
    for prefix in ("team_a_", "team_b_"):
        store = configure(connection, store_schema=schema, table_prefix=prefix)
        assert store.save(FLIGHTS, DEFINITION, SCOPE, measured({0: {"JFK": 0.5}}), task()).added == 1
    names = sa.inspect(admin).get_table_names(schema)
    assert {"team_a_points", "team_b_points"} <= set(names)
    assert {name[:7] for name in names} == {"team_a_", "team_b_"}
    assert sa.inspect(admin).get_view_names(schema) == ["team_a_metrics", "team_b_metrics"]
    assert sa.inspect(admin).get_table_names() == []


def test_the_file_beside_airflow_takes_the_prefix(configure):
    store = configure(None, table_prefix="team_a_")
    store.upgrade()
    assert {name[:7] for name in sa.inspect(store.engine).get_table_names()} == {"team_a_"}
