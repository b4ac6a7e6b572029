"""`airflow lupus store rename`, `retire`, `forget` and `restatements`."""

from __future__ import annotations

import re

import pytest

from support.measurements import DAY, DEFINITION, FLIGHTS, SCOPE, day, measured, task


@pytest.fixture
def filled(home):
    store = home.store
    store.upgrade()
    store.save(FLIGHTS, DEFINITION, SCOPE, measured({0: {"JFK": 0.1, "LGA": 0.2, None: 0.15}, 1: {"JFK": 0.1, None: 0.1}}), task())
    store.save(FLIGHTS, DEFINITION, SCOPE, measured({0: {"JFK": 0.3, None: 0.15}}), task("again"))
    return home


def names(home):
    with home.store.engine.connect() as connection:
        query = "SELECT DISTINCT dataset || '.' || column_name || dimensions FROM lupus_metrics"
        return sorted(connection.exec_driver_sql(query).scalars())


def test_rename(filled):
    tried = filled.run("store", "rename", "--dataset", "flights", "--column", "dep_time", "--to", "departed", "--dry-run")
    assert tried.out == "column dep_time → departed: 3 series\nDry run: nothing was written\n"
    assert names(filled) == ['flights.dep_time{"origin":"JFK"}', "flights.dep_time{}"]
    assert filled.run("store", "rename", "--dataset", "flights", "--column", "dep_time", "--to", "departed").code == 0
    assert filled.run("store", "rename", "--dataset", "flights", "--dimension", "origin", "--to", "airport").code == 0
    assert filled.run("store", "rename", "--dataset", "flights", "--to", "departures").out == "dataset flights → departures: 3 series\n"
    assert names(filled) == ['departures.departed{"airport":"JFK"}', "departures.departed{}"]


def test_rename_tells_what_it_joins(filled):
    store = filled.store
    filled.run("store", "rename", "--dataset", "flights", "--to", "departures")
    store.save(FLIGHTS, DEFINITION, SCOPE, measured({1: {"JFK": 0.1, None: 0.1}, 2: {"JFK": 0.1}}), task())
    ran = filled.run("store", "rename", "--dataset", "departures", "--to", "flights")
    assert ran.out == (
        "dataset departures → flights: 3 series\n"
        "  joined    2 that were measured under the new name already\n"
        "  replaced  2 points that both had: the new name's count, the others are kept as revisions\n"
    )
    records = store.period_records("flights", DAY, day(0).epoch, day(3).epoch)
    assert [record.status.value for record in records] == ["ok"] * 3


def test_retire_and_undo(filled):
    words = ("store", "retire", "--dataset", "flights", "--dimension", "origin=LGA")
    assert filled.run(*words).out == "1 series of flights retired\n"
    assert filled.run(*words, "--undo").out == "1 series of flights in use again\n"


def test_forget_counts_unless_it_is_told_to_delete(filled):
    words = ("store", "forget", "--dataset", "flights", "--dimension", "origin=JFK")
    counted = filled.run(*words)
    assert counted.out.startswith("flights: 5 rows to delete\n  points          2\n  point_revisions 1\n")
    assert "Nothing was deleted: --yes" in counted.out
    assert len(names(filled)) == 2
    assert filled.run(*words, "--yes").out.startswith("flights: 5 rows deleted\n")
    assert names(filled) == ["flights.dep_time{}"]


def test_restatements(filled):
    ran = filled.run("store", "restatements", "--dataset", "flights", "--from", "2013-02-01", "--to", "2013-02-03")
    text = re.sub(r"20[2-9]\d-\d\d-\d\d \d\d:\d\dZ", "…", ran.out)
    by = "… by nyc.collect again, before by nyc.collect run"
    assert text.splitlines()[0] == "2 restatements"
    assert sorted(text.splitlines()[1:]) == [
        f'  flights dep_time.null_ratio {{"origin":"JFK"}} 2013-02-01 00:00: 0.1 → 0.3, {by}',
        f'  flights dep_time.null_ratio {{"origin":"LGA"}} 2013-02-01 00:00: 0.2 → retracted, {by}',
    ]
    assert filled.run("store", "restatements", "--since", "2100-01-01").out == "0 restatements\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("rename", "--dataset", "fligts", "--to", "x"), "no dataset 'fligts': did you mean 'flights'?"),
        (("rename", "--dataset", "flights", "--column", "a", "--dimension", "b", "--to", "x"), "one name at a time"),
        (("retire", "--dataset", "flights", "--dimension", "origin"), "needs a value, as in origin=LGA"),
        (("forget", "--dataset", "flights", "--column", "dep_tim"), "no column 'dep_tim': did you mean 'dep_time'?"),
        (("restatements", "--since", "yesterday"), "Not an ISO date or time: 'yesterday'"),
    ],
)
def test_errors_are_one_sentence(filled, words, message):
    ran = filled.run("store", *words)
    assert ran.code == 1
    assert message in ran.err
