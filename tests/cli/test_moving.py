"""`airflow lupus store import`, `export` and `copy`."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
from pathlib import Path

import duckdb
import pytest

from airflow_lupus.hooks import store as store_hook
from airflow_lupus.stores.sql import SqlStore
from support import stores
from support.measurements import DEFINITION, FLIGHTS, SCOPE, measured, task

FILE = """dataset,column,metric,dimensions,period,value,n
orders,*,row_count,{},2024-03-01,48213,48213
orders,customer_id,null_ratio,"{""country"":""DE""}",2024-03-01,0.0123,9120
orders,customer_id,null_ratio,"{""country"":""DE""}",2024-03-02,,
orders,customer_id,null_ratio,"{""country"":""DE""}",2024-03-03,nan,9
"""
VALUES = {7: {"JFK": 0.1 + 0.2, "EWR": float("nan"), 'ü, "✈"\r\n': float("inf"), None: None}, 8: {"JFK": 1e-300}}


@pytest.fixture
def history(home) -> Path:
    path = home.folder / "history.csv"
    path.write_text(FILE)
    return path


def fill(store: SqlStore) -> SqlStore:
    store.save(FLIGHTS, DEFINITION, SCOPE, measured(VALUES), task())
    return store


def points(store: SqlStore) -> list:
    return stores.meaning(store)["points"]


def test_a_file_is_imported_once(home, history):
    words = ("store", "import", "--dag-id", "shop", str(history))
    dry = home.run(*words, "--dry-run")
    line = "orders: 4 points of 2 series, [2024-03-01 00:00, 2024-03-04 00:00) UTC\n"
    assert dry.out == f"{line}Dry run: nothing was written\n"
    assert not home.database.exists()
    first = home.run(*words)
    assert first.code == 0, first.err
    assert first.out == f"{line}  4 of 4 (100%)\norders: 4 points added, 0 changed, 0 there already\n"
    assert home.run(*words).out.endswith("orders: 0 points added, 0 changed, 4 there already\n")
    assert len(points(home.store)) == 4


@pytest.mark.parametrize("suffix", [".csv.gz", ".tsv", ".parquet"])
def test_every_format_is_the_same_history(home, history, suffix):
    home.run("store", "import", "--dag-id", "shop", str(history))
    expected = points(home.store)
    path = home.folder / f"other{suffix}"
    if suffix == ".csv.gz":
        path.write_bytes(gzip.compress(FILE.encode()))
    else:
        how = "FORMAT parquet" if suffix == ".parquet" else "FORMAT csv, DELIMITER '\t', HEADER"
        dates = f"SELECT * REPLACE (period::DATE AS period, value::DOUBLE AS value) FROM read_csv('{history}', all_varchar = true)"
        duckdb.sql(f"COPY ({dates}) TO '{path}' ({how})")
    ran = home.run("store", "import", "--dag-id", "shop", str(path))
    assert "0 points added, 0 changed, 4 there already" in ran.out, ran.err
    assert points(home.store) == expected


def test_a_query_is_imported(home, monkeypatch):
    with sqlite3.connect(home.folder / "old.db") as old:
        old.execute("CREATE TABLE metrics (day TEXT, country TEXT, ratio REAL)")
        old.executemany("INSERT INTO metrics VALUES (?, ?, ?)", [("2024-03-01", "DE", 0.1), ("2024-03-01", None, 0.2)])
    monkeypatch.setenv("AIRFLOW_CONN_OLD", f"sqlite:///{home.folder}/old.db")
    sql = "SELECT 'id' AS \"column\", 'null_ratio' AS metric, day AS period, ratio AS value, country FROM metrics WHERE day < '2024:'"
    words = ("store", "import", "--dag-id", "shop", "--conn-id", "old", "--dataset", "orders", "--dimension", "country", "--sql")
    ran = home.run(*words, sql)
    assert "orders: 2 points added" in ran.out, ran.err
    assert "--sql on old: there are no rows" in home.run(*words, sql.replace("<", ">")).err
    wrong = home.run(*words, sql.replace("ratio AS value", "'much' AS value"))
    assert wrong.code == 1
    assert "--sql on old, row 1, column 'value': 'much' is no number" in wrong.err
    assert "--sql on old failed: no such table: metrik" in home.run(*words, "SELECT * FROM metrik").err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--dag-id", "shop"), "Name either a FILE, or --conn-id and --sql"),
        (("--dag-id", "shop", "--conn-id", "old"), "Name either a FILE, or --conn-id and --sql"),
        (("--dag-id", "shop", "gone.csv"), "There is no file gone.csv"),
        (("--dag-id", "shop", "gone.xlsx"), "gone.xlsx: which format is it? These are read: .csv, .tsv, .parquet"),
        (("--dag-id", "shop", "{broken}"), "row 2, column 'value': 'many' is no number"),
        (("--dag-id", "shop", "{ragged}"), "cannot be read"),
        (("--dag-id", "shop", "--conn-id", "gone", "--sql", "x"), "there is no Airflow connection 'gone'"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence_and_writes_nothing(home, history, words, sentence):
    broken, ragged = home.folder / "broken.csv", home.folder / "ragged.csv"
    broken.write_text(FILE.replace("0.0123", "many"))
    ragged.write_text(FILE + "orders,x\n")
    ran = home.run("store", "import", *(word.format(broken=broken, ragged=ragged) for word in words))
    assert ran.code == 1
    assert sentence in ran.err
    assert "Traceback" not in ran.err
    assert not home.database.exists()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_export_import_export_makes_the_same_file(home, suffix):
    fill(home.store)
    home.run("store", "import", "--dag-id", "nyc", "--dataset", "flights")
    first, second = (home.folder / f"{name}{suffix}" for name in ("first", "second"))
    ran = home.run("store", "export", str(first))
    assert ran.out == f"5 points written to {first}\n", ran.err
    expected = points(home.store)
    store_hook._local.cache_clear()
    os.rename(home.database, home.folder / "before.db")
    for rest in home.folder.glob("lupus.db-*"):
        rest.unlink()
    assert "flights: 5 points added" in home.run("store", "import", "--dag-id", "nyc", str(first)).out
    home.run("store", "export", str(second))
    assert second.read_bytes() == first.read_bytes()
    assert points(home.store) == expected
    assert not list(home.folder.glob("*.part"))


def test_an_export_may_be_narrow_or_impossible(home):
    target = home.folder / "out.csv"
    assert "There is no metrics store in" in home.run("store", "export", str(target)).err
    assert not home.database.exists()
    fill(home.store)
    ran = home.run("store", "export", str(target), "--from", "2013-02-09", "--dataset", "flights")
    assert ran.out.startswith("1 point written"), ran.err
    assert home.run("store", "export", str(target), "--as-of", "2013-02-09T00:00Z").out.startswith("0 points written")
    for words, sentence in (
        (("out.xml",), "out.xml: which format is it to be? Name it .csv or .parquet"),
        ((str(target), "--as-of", "yesterday"), "--as-of yesterday: not an ISO date or time"),
        ((str(target), "--from", "soon"), "Not an ISO date or time: 'soon'"),
        ((str(target), "--dataset", "flight"), "There is no dataset 'flight': did you mean 'flights'?"),
        ((str(home.folder / "no" / "out.csv"),), "cannot be written: No such file or directory"),
    ):
        ran = home.run("store", "export", *words)
        assert (ran.code, sentence in ran.err) == (1, True), ran.err
    assert target.read_text().count("\n") == 1, "what failed has left the file as it was"


def test_the_store_is_copied_to_a_connection(home, monkeypatch):
    url = stores.new_postgres_database()
    connection = {"conn_type": "postgres", "login": url.username, "schema": url.database, "host": url.query["host"]}
    monkeypatch.setenv("AIRFLOW_CONN_LUPUS_STORE", json.dumps(connection))
    assert "There is no metrics store in" in home.run("store", "copy", "--to", "lupus_store").err
    fill(home.store)
    ran = home.run("store", "copy", "--to", "lupus_store", "--prefix", "team_")
    assert ran.code == 0, ran.err
    assert f"{'points':18}5\n" in ran.out
    assert ran.out.endswith("To use the copy, set in section [lupus]:\n  store_conn_id = lupus_store\n  table_prefix = team_\n")
    copied = SqlStore.at(url, prefix="team_")
    assert points(copied) == points(home.store)
    again = home.run("store", "copy", "--to", "lupus_store", "--prefix", "team_")
    assert again.code == 1
    assert "already: name an empty database" in again.err
    assert "--prefix = '1x' cannot begin a table's name" in home.run("store", "copy", "--to", "lupus_store", "--prefix", "1x").err
    assert "--to: there is no Airflow connection 'gone'" in home.run("store", "copy", "--to", "gone").err
