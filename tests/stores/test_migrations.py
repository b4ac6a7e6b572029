from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from airflow_lupus.exceptions import StoreConfigError, StoreError
from airflow_lupus.stores import database
from airflow_lupus.stores.sql import SqlStore
from support import stores
from support.stores import url_of

VERSIONS = Path(database.__file__).parent / "migrations"


def test_head_is_the_newest_migration():
    assert ScriptDirectory(str(VERSIONS)).get_current_head() == database.HEAD


@pytest.mark.parametrize("kind", stores.ON_DISK)
def test_migrated_schema_is_the_declared_one(kind, tmp_path):
    store = SqlStore.at(url_of(kind, tmp_path))
    assert store.upgrade() is True
    assert SqlStore(store.engine).upgrade() is False
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": store.tables.version_table, "compare_type": True})
        assert compare_metadata(context, store.tables.metadata) == []
        assert store.tables.view in sa.inspect(connection).get_view_names()


def _upgrade(url: str) -> bool:
    return SqlStore.at(url).upgrade()


@pytest.mark.parametrize("kind", stores.ON_DISK)
def test_eight_processes_at_once_migrate_once(kind, tmp_path):
    url = url_of(kind, tmp_path).render_as_string(hide_password=False)
    with ProcessPoolExecutor(8, mp_context=get_context("spawn")) as pool:
        assert sorted(pool.map(_upgrade, [url] * 8)) == [False] * 7 + [True]


def test_an_older_package_refuses_a_newer_schema(tmp_path):
    store = SqlStore.at(url_of("sqlite", tmp_path))
    store.upgrade()
    with store.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {store.tables.version_table} SET version_num = '9999'")
    with pytest.raises(StoreConfigError, match=r"schema 9999, newer than this airflow-lupus knows \(0003\)"):
        SqlStore(store.engine).upgrade()


def test_a_store_out_of_reach_is_named_without_its_password():
    store = SqlStore.at("postgresql+psycopg2://lupus:secret@127.0.0.1:1/metrics")
    with pytest.raises(StoreError, match=r"lupus:\*\*\*@127\.0\.0\.1:1/metrics is out of reach") as caught:
        store.upgrade()
    assert "secret" not in str(caught.value)


def test_no_folder_for_the_file_is_a_clear_error(tmp_path):
    with pytest.raises(StoreError, match="unable to open database file"):
        SqlStore.at(f"sqlite:///{tmp_path}/nowhere/lupus.db").upgrade()
