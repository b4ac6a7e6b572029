"""Where the data is: what a path says, and what is wrong with one that says something else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_lupus.exceptions import SpecError
from airflow_lupus.model import Grain
from airflow_lupus.sources import Delta, Files, Frame, Iceberg, Query, Source, SparkTable, Table, require_source

DAY = Grain("day", "America/New_York")
KINDS = [f"{kind.__name__}(…)" for kind in Source.__subclasses__()]
FEB_8 = DAY.containing(datetime(2013, 2, 8, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Files("flights"), ["'flights'", 'format="parquet"']),
        (lambda: Files("flights.xlsx"), ["'flights.xlsx'", 'format="csv"', 'format="json"']),
        (lambda: Files("f.jsonl", options={"samplesize": 1}), ["json option 'samplesize'", "'sample_size'"]),
        (lambda: Files("flights", format="parket"), ["'parket'", "'parquet'"]),
        (lambda: Files("f.parquet", format=""), ["''", "parquet"]),
        (lambda: Files("f.csv", options={"delimiter": ";"}), ["'delimiter'", "'delim'"]),
        (lambda: Files("f.csv", options={"sep": ";"}), ["'sep'", "delim"]),
        (lambda: Files("f.parquet", options={"header": True}), ["parquet option 'header'", "there are none"]),
        (lambda: Files("{perod:%Y}.parquet"), ["{perod}", "'period'"]),
        (lambda: Files("{}.parquet"), ["{}", "period"]),
        (lambda: Files("{period:%Y.parquet"), ["'{period:%Y.parquet'"]),
        (lambda: Files("f}.parquet"), ["'f}.parquet'", "written twice"]),
        (lambda: Files("{period.__class__}.parquet"), ["{period.__class__}"]),
        (lambda: Query("SELECT 1", "db").default_dataset, ["Query", "dataset"]),
        (lambda: require_source("watch", "s3://lake/f.parquet"), ["watch", "'s3://lake/f.parquet'", *KINDS]),
        (lambda: require_source("watch", ["long"] * 100), ["watch", "Frame(…)", "not a builtins.list"]),
    ],
)
def test_a_wrong_source_fails_at_once_and_names_the_right_word(build: Any, words: list[str]) -> None:
    with pytest.raises(SpecError) as error:
        build()
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("a.parquet", "parquet"),
        ("a.PQ", "parquet"),
        ("s3://b/{period:%Y-%m-%d}/*.parquet", "parquet"),
        ("a.csv", "csv"),
        ("a.csv.gz", "csv"),
        ("a.tsv.zst", "csv"),
        ("/data/{{ ds }}.txt", "csv"),
        ("a.json", "json"),
        ("a.JSONL.gz", "json"),
        ("a.ndjson.zst", "json"),
    ],
)
def test_the_ending_tells_the_format(path: str, told: str) -> None:
    assert Files(path).format == told


@pytest.mark.parametrize(
    ("path", "expanded"),
    [
        ("s3://lake/{period:%Y-%m-%d}/*.parquet", "s3://lake/2013-02-08/*.parquet"),
        ("{period:%Y}/{period:%m}/{period:%d-%H%z}.parquet", "2013/02/08-00-0500.parquet"),
        ("{period:%Y}/{{x}}.parquet", "2013/{x}.parquet"),
        ("day={period:%j}.parquet", "day=039.parquet"),
        ("fixed.parquet", "fixed.parquet"),
    ],
)
def test_a_path_is_expanded_for_the_periods_start_in_the_datasets_zone(path: str, expanded: str) -> None:
    assert Files(path, format="parquet").expand(FEB_8, DAY) == expanded


def test_only_a_path_with_a_period_has_a_place_for_each() -> None:
    assert Files("{period:%Y}.parquet").per_period
    assert not Files("all.parquet").per_period
    assert not Table("flights", "db").per_period


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (Files("s3://lake/flights/{period:%Y-%m-%d}/*.parquet"), "flights"),
        (Files("/data/flights.parquet"), "flights"),
        (Files("/data/flights/*.parquet"), "flights"),
        (Files("/data/flights/{{ ds }}.parquet"), "flights"),
        (Files("*.parquet"), "files"),
        (Table("mart.orders", "db"), "mart.orders"),
        (Query("SELECT 1", "db", name="one"), "one"),
        (Delta("s3://lake/mart/orders/"), "orders"),
        (Iceberg("mart.orders", "lake"), "mart.orders"),
        (Frame(require_source), "require_source"),
        (Frame(require_source, name="orders"), "orders"),
        (SparkTable("lake.mart.orders"), "lake.mart.orders"),
    ],
)
def test_a_dataset_is_called_as_its_source(source: Any, name: str) -> None:
    assert source.default_dataset == name


def test_what_jinja_dates_cannot_serve_a_range() -> None:
    with pytest.raises(SpecError, match=r"\{period:%Y-%m-%d\}"):
        Files("/data/{{ ds }}.parquet").check_ranged()
    with pytest.raises(SpecError, match="time_column"):
        Query("SELECT * FROM t WHERE d = '{{ ds }}'", "db").check_ranged()
    for fine in (Files("/data/{period:%Y}.parquet"), Files("/data/all.parquet"), Query("SELECT * FROM t", "db"), Table("t", "db")):
        fine.check_ranged()


def test_a_rendered_path_is_still_known_as_it_was_written() -> None:
    files = Files("/data/{{ ds }}.parquet")
    files.path = "/data/2013-02-08.parquet"  # as Airflow renders template fields
    assert files.definition() == {"files": "/data/{{ ds }}.parquet", "format": "parquet", "options": {}}
    assert files.expand(FEB_8, DAY) == "/data/2013-02-08.parquet"
    with pytest.raises(SpecError):
        files.check_ranged()


def test_another_place_is_another_definition() -> None:
    definitions = [
        Files("a.parquet").definition(),
        Files("b.parquet").definition(),
        Files("a.csv").definition(),
        Files("a.csv", options={"delim": ";"}).definition(),
        Table("t", "db").definition(),
        Table("t", "other").definition(),
        Query("SELECT 1", "db").definition(),
        Delta("a").definition(),
        Delta("b").definition(),
        Iceberg("a.b", "lake").definition(),
        Iceberg("a.c", "lake").definition(),
        Iceberg("a.b", "other").definition(),
        Iceberg("a.b", "lake", catalog={"warehouse": "w"}).definition(),
        Frame(require_source).definition(),
        Frame(repr, name="a").definition(),
        SparkTable("a").definition(),
        SparkTable("b").definition(),
        SparkTable("a", "spark").definition(),
    ]
    assert all(first != second for i, first in enumerate(definitions) for second in definitions[:i])
