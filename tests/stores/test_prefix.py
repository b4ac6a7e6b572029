"""Stores that share a database, by prefix or by schema, do not see each other."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from airflow_lupus.stores import searching
from airflow_lupus.stores.reading import Filter
from airflow_lupus.stores.sql import SqlStore
from support import history, servers
from support.stores import meaning, url_of

NAMES = {
    "sqlite": [{"prefix": "Lupus_B"}, {}],
    "postgres": [
        {"prefix": "a_"},
        {"prefix": "Lupus_"},
        {"prefix": "X20_characters_abcde"},
        {"schema": "one"},
        {"schema": "Two Words"},
        {},
    ],
    "mariadb": [
        {"prefix": "a_"},
        {"prefix": "Lupus_B"},
        {"prefix": "X20_characters_abcde"},
        {"schema": "one"},
        {"schema": "Two Words"},
        {},
    ],
}


@pytest.fixture(params=NAMES)
def stores(request, tmp_path):
    url = url_of(request.param, tmp_path)
    found, schemas = [], []
    for place in NAMES[request.param]:
        if "schema" in place:
            engine = sa.create_engine(url, poolclass=sa.NullPool)
            name = place["schema"]
            if request.param == "mariadb":  # a schema is a database there, and the server is shared
                name = f"{url.database} {name}"
            with engine.begin() as connection:
                connection.execute(sa.schema.CreateSchema(name))
            place = {"schema": name}
            schemas.append(name)
        found.append(SqlStore.at(url, **place))
    yield found
    for store in found:
        store.engine.dispose()
    if request.param == "mariadb":
        servers.maria().execute(*(f"DROP DATABASE `{name}`" for name in schemas))


def test_stores_in_one_database_do_not_see_each_other(stores):
    for number, store in enumerate(stores):
        assert store.upgrade() is True
        assert meaning(store) == {"points": [], "verdicts": []}
        assert history.collect(store, range(4 + number), "run", plus=1000.0 * number).added == 3 * (4 + number)
        assert history.detect(store, "run").written == 2 * 3 * (4 + number)
    for number, store in enumerate(stores):
        assert SqlStore(store.engine, schema=store.tables.metadata.schema, prefix=store.tables.prefix).upgrade() is False
        values = sorted(row[3] for row in meaning(store)["points"] if row[3] is not None)
        assert len(values) == 3 * (4 + number) - 1
        assert 1000 * number < values[0] <= values[-1] < 1000 * (number + 1)
        with store.reading() as tx:
            assert searching.page(tx, Filter(frozenset({"shop"})), "name", 10, 0).total == 3
        with store.engine.connect() as connection:
            view = sa.table(store.tables.view, sa.column("value"), schema=store.tables.metadata.schema)
            assert connection.execute(sa.select(sa.func.count()).select_from(view)).scalar_one() == 3 * (4 + number)


def test_what_changes_in_one_store_changes_nothing_in_another(stores):
    for store in stores:
        history.first(store)
    first, *others = stores
    before = [meaning(store) for store in others]
    history.then(first)
    assert history.collect(first, [11], "correction", plus=7.0).changed == 3
    assert [meaning(store) for store in others] == before
