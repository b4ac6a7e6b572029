"""A copy of a store is the store: whatever databases it is copied between."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import sqlalchemy as sa

from airflow_lupus.detectors import Threshold
from airflow_lupus.detectors.patterns import Rules
from airflow_lupus.exceptions import StoreConfigError, StoreError
from airflow_lupus.model import TOTAL, Partial, Point, PointStatus
from airflow_lupus.pipeline import judge
from airflow_lupus.stores import bulk, copying, database
from airflow_lupus.stores.base import NewDelivery
from airflow_lupus.stores.copying import copy
from airflow_lupus.stores.sql import SqlStore
from support import stores
from support.measurements import DEFINITION, FLIGHTS, SCOPE, day, info, measured, task

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("sqlite", "postgres", "mariadb")
STRANGE = "ü ✈ 'x' \\N \t\n\r \"q\" NULL"
VALUES = {
    7: {"JFK": 0.1 + 0.2, "EWR": float("nan"), STRANGE: float("inf"), None: -1e-300},
    8: {"JFK": -0.0, "EWR": float("-inf"), STRANGE: None, "": 1.7976931348623157e308, None: 1 / 3},
}


def rows(store: SqlStore) -> dict[str, list[tuple]]:
    """All of it, ids and clocks too."""
    with store.engine.connect() as connection:
        tables = store.tables.metadata.sorted_tables
        return {table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr) for table in tables}


def save(store: SqlStore, values, run: str = "run", **changes):
    return store.save(*({"d": FLIGHTS, "e": DEFINITION, "s": SCOPE, "m": measured(values), "t": task(run)} | changes).values())


def detect(store: SqlStore, run: str):
    def target(_grain):
        return day(7).epoch, int(day(8).end.timestamp())

    def digests(report):
        return [NewDelivery("slack", *report.target, f"{len(report.news)} ✈")] if report.news else []

    return judge(store, "flights", Rules({"*": Threshold(upper=0.25)}), task(run, name="detect"), target, digests)


def fill(store: SqlStore) -> None:
    """Something in every table."""
    save(store, {7: {"JFK": 0.1, "gone": 0.2}})
    kept = Partial(day(8).epoch, "dep_time", ("null_ratio",), (), TOTAL, f'{{"rows":3,"why":"{STRANGE[:1]}"}}')
    save(store, VALUES, run="run2", m=replace(measured(VALUES), partials=(kept,)))
    failed = {info("LGA"): [Point(day(8).epoch, None, 3, PointStatus.FAILED, f"why {STRANGE}")]}
    store.save(
        FLIGHTS,
        DEFINITION,
        SCOPE,
        replace(measured(VALUES), points={**measured(VALUES).points, **failed}, partials=(kept,)),
        task("run3"),
    )
    assert detect(store, "run3").news
    (due,) = store.due("flights", task("run3", name="detect"), ["slack"])
    store.claim(due.id)
    store.settle(due.id, "failed", STRANGE)
    save(store, {9: {"JFK": 0.5}}, run="run4", e={"files": "new.parquet"})  # an annotation, and changes that nobody has looked at
    assert all(rows(store).values()), "a table without rows proves nothing"


@pytest.fixture
def filled(request: pytest.FixtureRequest, tmp_path) -> Iterator[SqlStore]:
    (tmp_path / "source").mkdir()
    for store in stores.open_store(request.param, tmp_path / "source"):
        fill(store)
        yield store


@pytest.fixture
def target(request: pytest.FixtureRequest, tmp_path) -> Iterator[SqlStore]:
    store = SqlStore.at(stores.url_of(request.param, tmp_path))
    yield store
    store.engine.dispose()


@pytest.mark.parametrize("target", KINDS, indirect=True)
@pytest.mark.parametrize("filled", KINDS, indirect=True)
def test_a_copy_holds_what_the_original_holds_and_goes_on_as_it(filled, target, monkeypatch):
    monkeypatch.setattr(copying, "BATCH", 3)
    before, told = rows(filled), {}
    assert copy(filled, target, lambda name, count: told.update({name: count})) == sum(map(len, before.values()))
    assert rows(target) == before
    assert {filled.tables.prefix + name: count for name, count in told.items()} == {name: len(found) for name, found in before.items()}
    assert rows(filled) == before, "the original is as it was"
    with target.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM lupus_metrics")).scalar() == len(before["lupus_points"])
    outcomes = []
    for store in (filled, target):
        first = detect(store, "again")
        again = save(store, {9: {"JFK": 0.5}}, run="again", e={"files": "new.parquet"})
        second = detect(store, "again2")
        new = save(store, {10: {"JFK": 0.7, "new": 0.6}}, run="next", e={"files": "new.parquet"})
        outcomes.append((first.news, first.written, again, second.written, second.news, new, stores.dump(store)))
    assert outcomes[0] == outcomes[1]
    first_news, _, again, second_written, second_news, new, _ = outcomes[1]
    assert (first_news, again.changed, second_written, second_news) == ([], 0, 0, [])
    assert new.added == 2


@pytest.mark.parametrize("target", ["sqlite"], indirect=True)
@pytest.mark.parametrize("filled", ["postgres"], indirect=True)
def test_ids_go_on_after_the_copied_ones_in_every_table(filled, target):
    copy(filled, target)
    back = SqlStore.at(stores.new_postgres_database())
    copy(target, back)
    t = back.tables
    with back.engine.begin() as connection:
        for table in t.metadata.sorted_tables:
            column = table.autoincrement_column
            if column is None:
                continue
            newest = connection.execute(sa.select(sa.func.max(column))).scalar_one()
            sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
            assert connection.execute(sa.select(sa.func.nextval(sequence))).scalar_one() == newest + 1, table.name


@pytest.mark.parametrize("target", KINDS, indirect=True)
@pytest.mark.parametrize("filled", ["sqlite"], indirect=True)
def test_a_store_with_rows_is_no_target(filled, target):
    copy(filled, target)
    before = rows(target)
    with pytest.raises(StoreConfigError, match="holds a metrics store with rows in lupus_changes already: name an empty database"):
        copy(filled, target)
    assert rows(target) == before
    other = SqlStore(target.engine, prefix="other_")
    copy(filled, other)
    assert list(rows(other).values()) == list(before.values()), "under another prefix there is room beside it"


@pytest.mark.parametrize("filled", ["sqlite"], indirect=True)
def test_a_store_is_no_target_of_its_own_copy(filled):
    with pytest.raises(StoreConfigError, match="with rows in"):
        copy(filled, SqlStore.at(filled.engine.url))


@pytest.mark.parametrize("target", KINDS, indirect=True)
@pytest.mark.parametrize("filled", ["sqlite"], indirect=True)
def test_a_copy_that_fails_leaves_nothing(filled, target, monkeypatch):
    real = bulk.insert

    def fails(tx, table, columns):
        if table.name.endswith("verdicts"):
            raise RuntimeError("killed here")
        real(tx, table, columns)

    monkeypatch.setattr(bulk, "insert", fails)
    with pytest.raises(RuntimeError):
        copy(filled, target)
    if target.database.version() is None:
        assert sa.inspect(target.engine).get_table_names() == []
    else:
        assert target.engine.dialect.name == "mysql", "every other database creates tables in the transaction"
        assert not any(rows(target).values())
    monkeypatch.undo()
    copy(filled, target)
    assert rows(target) == rows(filled)


@pytest.mark.parametrize("target", KINDS, indirect=True)
@pytest.mark.parametrize("filled", ["sqlite"], indirect=True)
def test_what_does_not_arrive_as_it_was_is_noticed_before_the_commit(filled, target, monkeypatch):
    real = bulk.insert

    def rounds(tx, table, columns):
        if table.name.endswith("points"):
            columns = {**columns, "value": [value and float(np.float32(min(value, 1e30))) for value in columns["value"]]}
        real(tx, table, columns)

    monkeypatch.setattr(bulk, "insert", rounds)
    with pytest.raises(StoreError, match=r"Table lupus_points of .* holds other values than were sent: nothing was copied"):
        copy(filled, target)
    monkeypatch.setattr(bulk, "insert", lambda tx, table, columns: real(tx, table, {name: list(v)[1:] for name, v in columns.items()}))
    with pytest.raises(StoreError, match=r"Table lupus_changes of .* holds \d rows of \d: nothing was copied"):
        copy(filled, target)
    assert target.database.version() is None or not any(rows(target).values())


@pytest.mark.parametrize("filled", ["sqlite"], indirect=True)
def test_a_target_of_another_schema_is_refused(filled, tmp_path):
    older = SqlStore.at(f"sqlite:///{tmp_path / 'older.db'}")
    older.upgrade()
    save(older, {7: {"JFK": 0.1}})
    for version, sentence in (("0001", "holds a metrics store of schema 0001 already"), ("9999", "newer than this airflow-lupus knows")):
        with older.engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE {older.tables.version_table} SET version_num = '{version}'")
        with pytest.raises(StoreConfigError, match=sentence):
            copy(filled, SqlStore.at(older.engine.url))


def test_an_interrupted_creation_is_no_store_in_the_way(tmp_path):
    """MariaDB keeps the tables that it had made when it was killed."""
    from alembic import command
    from alembic.config import Config

    target = SqlStore.at(stores.url_of("mariadb", tmp_path))
    with target.engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
        config.attributes |= {"connection": connection, "tables": target.tables}
        command.upgrade(config, "0001")
    source = SqlStore.in_memory()
    fill(source)
    copy(source, target)
    assert rows(target) == rows(source)


def test_the_sum_tells_rows_apart_and_not_their_order():
    tables = SqlStore.in_memory().tables
    some = [(1, 2, -1.0, 3, 4, 5, 0, "a"), (1, 3, -2.0, None, 4, 5, 0, None), (2, 2, 0.1 + 0.2, None, 4, 5, 0, "1")]
    contents = {copying._content(tables.points, list(rows)) for rows in (some, some[::-1])}
    assert len(contents) == 1
    for i, value in ((2, -2.0), (2, 0.3), (7, None), (7, "1")):
        other = [(*row[:i], value, *row[i + 1 :]) for row in some]
        assert copying._content(tables.points, other) not in contents
    halves = [copying._content(tables.points, [row]) for row in some]
    assert halves[0] + halves[1] + halves[2] in contents
    assert all(one != other for one, other in pairwise(halves))
