"""JSON files: what they mean, and which of them are not whole."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pytest
from airflow.sdk.io import attach

from airflow_lupus import ColumnMetrics, Files, TableMetrics
from airflow_lupus.engines.duckdb import DuckDBEngine
from airflow_lupus.hooks.source import open_source
from airflow_lupus.pipeline import measure
from support.sources import SPEC, counts, days, rows, total

LINES = [json.dumps({"at": row["at"].isoformat(), "x": row["x"]}) for row in rows(5).to_pylist()]
WHOLE = "\n".join(LINES) + "\n"
ARRAY = "[" + ",\n".join(LINES) + "]\n"


def by_day(folder: Path) -> Files:
    return Files(f"{folder}/{{period:%Y-%m-%d}}.json")


def write(folder: Path, day: int, text: str | bytes) -> None:
    (folder / f"2013-02-0{day}.json").write_bytes(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize("text", [WHOLE, WHOLE.rstrip(), ARRAY, ARRAY.strip(), json.dumps(json.loads(ARRAY), indent=2), "\n\n" + ARRAY])
def test_objects_in_lines_or_in_an_array(tmp_path: Path, text: str) -> None:
    write(tmp_path, 5, text)
    assert counts(by_day(tmp_path), days(5)) == [("ok", 24)]


@pytest.mark.parametrize("ending", ["jsonl.gz", "ndjson", "json.gz"])
def test_other_endings_and_compression(tmp_path: Path, ending: str) -> None:
    text = WHOLE.encode()
    (tmp_path / f"orders.{ending}").write_bytes(gzip.compress(text) if ending.endswith("gz") else text)
    assert counts(Files(f"{tmp_path}/orders.{ending}"), days(4, 5)) == [("empty", 0), ("ok", 24)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (WHOLE[:-9], "is not whole JSON"),
        (ARRAY[: len(ARRAY) // 2], "is not whole JSON"),
        (ARRAY.rstrip()[:-1], "is not whole JSON"),
        (ARRAY[: ARRAY.index("\n") + 1], "is not whole JSON (its array is not closed)"),
        ("<html>503</html>", "is not whole JSON"),
        ("[]", "has no records"),
        ("\n\n", "has no records"),
        ("", "is an empty file"),
    ],
)
def test_a_damaged_file_is_missing_and_harms_no_other_day(tmp_path: Path, text: str, reason: str) -> None:
    for day in (4, 5, 6):
        write(tmp_path, day, WHOLE)
    write(tmp_path, 6, text)
    opened = open_source(by_day(tmp_path), days(5, 7), SPEC)
    assert list(opened.absent) == days(6, 7)
    assert f"{tmp_path}/2013-02-06.json {reason}" in opened.absent[days(6)[0]]
    assert counts(by_day(tmp_path), days(5, 7)) == [("ok", 24), ("missing", None), ("missing", None)]


def test_a_compressed_file_that_was_cut_off_is_missing(tmp_path: Path) -> None:
    (tmp_path / "orders.jsonl.gz").write_bytes(gzip.compress(WHOLE.encode())[:60])
    assert counts(Files(f"{tmp_path}/orders.jsonl.gz"), days(5)) == [("missing", None)]


def test_what_first_comes_late_in_a_file_counts(tmp_path: Path) -> None:
    """Types are told from the whole file, not from its first 20,480 records."""
    many = [json.dumps({"at": "2013-02-05T12:00:00Z", "x": 1})] * 25_000
    write(tmp_path, 5, "\n".join([*many, '{"at": "2013-02-05T12:00:00Z", "x": 0.5, "y": [1]}']))
    assert total(by_day(tmp_path), days(5)) == 25_000.5
    assert counts(by_day(tmp_path), days(5), replace(SPEC, group_columns=("y",))) == [("ok", 25_001)]


def test_told_columns_are_null_where_no_record_has_them(tmp_path: Path) -> None:
    """Writers leave out what is NULL: then only the one who wrote the DAG knows that there is such a column, and its type."""
    write(tmp_path, 5, '{"at": "2013-02-05 07:00:00"}\n{"at": "2013-02-05 07:00:00.25"}\n')
    columns = {"at": "TIMESTAMP", "x": "DOUBLE", "tags": "VARCHAR[]"}
    source = replace(by_day(tmp_path), options={"columns": columns})
    spec = replace(SPEC, metric_sets=(ColumnMetrics({"x": ["null_ratio"], "tags": ["list_null_ratio"]}), TableMetrics(["row_count"])))
    measured = measure(spec, open_source(source, days(5), spec), DuckDBEngine(), days(5))
    assert {info.key.metric: series[0].value for info, series in measured.measurement.points.items()} == {
        "null_ratio": 1.0,
        "list_null_ratio": 1.0,
        "row_count": 2.0,
    }


def test_files_in_object_storage(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    attach("memory", fs=memory)
    given: dict[int, Any] = {5: ARRAY, 6: ARRAY[: ARRAY.index("\n") + 1], 7: WHOLE.replace("2013-02-05", "2013-02-07")}
    for day, text in given.items():
        memory.pipe(f"/lake/2013-02-0{day}.json", text.encode())
    try:
        assert counts(Files("memory://lake/{period:%Y-%m-%d}.json"), days(5, 6)) == [("ok", 24), ("missing", None)]
        assert counts(Files("memory://lake/*-0[57].json"), days(7)) == [("ok", 19)]
    finally:
        memory.rm("/lake", recursive=True)
