"""The library without Airflow: the slide's forty lines as a spec, on a frame of any library."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pytest
from pyarrow import parquet

from airflow_lupus import ClassificationProcessor, DistributionProcessor, RankingProcessor, RegressionProcessor, TableMetrics
from airflow_lupus.exceptions import SpecError

VISITS = pa.table(
    {
        "region": ["EU", "EU", "US", None],
        "age": [30.0, None, 50.0, 20.0],
        "device": ["phone", "web", "phone", None],
        "ratings": [[5.0, 1.0, 3.0], [3.0, None], [], None],
        "interests": [["a", "b", "a"], ["b"], ["c"], []],
    }
)
METRICS = {
    "age": ["avg", "p25", "p50", "p75"],
    "device": ["count", "unique"],
    "ratings": ["avg", "avg@1", "min", "max"],
    "interests": ["count", "unique", "unique@2"],
}


def frames(tmp_path: Any) -> dict[str, Any]:
    path = tmp_path / "visits.parquet"
    parquet.write_table(VISITS, path)
    return {
        "arrow": VISITS,
        "dataset": pads.dataset(path),
        "pandas": VISITS.to_pandas(),
        "polars": pl.DataFrame(VISITS),
        "lazy": pl.LazyFrame(VISITS),
        "duckdb": duckdb.sql(f"SELECT * FROM '{path}'"),
    }


def values(answered: Any) -> dict[tuple[Any, ...], float | None]:
    if isinstance(answered, pd.DataFrame):
        answered = pa.Table.from_pandas(answered, preserve_index=False)
    if isinstance(answered, pl.DataFrame):
        answered = answered.to_arrow()
    keys = [name for name in answered.column_names if name not in {"value", "n"}]
    return {tuple(str(row[key]) for key in keys): row["value"] for row in answered.to_pylist()}


@pytest.mark.parametrize("library", ["arrow", "dataset", "pandas", "polars", "lazy", "duckdb"])
def test_the_slide_on_every_library(library: str, tmp_path: Any) -> None:
    frame = frames(tmp_path)[library]
    answered = DistributionProcessor(frame, group_columns=["region"], column_metrics=METRICS).get_metrics()
    expected = type({"pandas": pd.DataFrame(), "polars": pl.DataFrame(), "lazy": pl.DataFrame()}.get(library, VISITS))
    assert isinstance(answered, expected), "the frame's own library answers"
    assert list(answered.columns if library == "pandas" else getattr(answered, "column_names", getattr(answered, "columns", None))) == [
        *("column", "metric", "level", "region", "device", "interests", "value", "n"),
    ]
    found = values(answered)
    assert found["age", "avg", "leaf", "EU", "None", "None"] == 30
    assert found["age", "p50", "total", "None", "None", "None"] == 30
    assert found["age", "avg", "leaf", "None", "None", "None"] == 20, "the group that is NULL is not the total"
    assert found["device", "count", "total", "None", "phone", "None"] == 2
    assert found["ratings", "avg", "leaf", "EU", "None", "None"] == 3
    assert found["ratings", "avg@1", "total", "None", "None", "None"] == 4
    assert found["ratings", "avg", "leaf", "US", "None", "None"] is None
    assert found["interests", "count", "leaf", "EU", "None", "a"] == 2
    assert found["interests", "unique@2", "total", "None", "None", "None"] == 3
    assert found == values(DistributionProcessor(VISITS, group_columns=["region"], column_metrics=METRICS).get_metrics())


def test_predictions() -> None:
    answers = pd.DataFrame({"pred": [1, 0, 1], "gt": [1, 1, 1], "who": ["a", "b", "b"]})
    described = {"prediction": "pred", "ground_truth": "gt"}
    found = ClassificationProcessor(answers, metrics=["accuracy"], group_columns=["who"], **described).get_metrics()
    assert dict(zip(found["who"].fillna("all"), found["value"], strict=True)) == pytest.approx({"a": 1, "b": 0.5, "all": 2 / 3})
    found = RegressionProcessor(answers, metrics=["mae"], **described).get_metrics()
    assert found["value"].tolist() == pytest.approx([1 / 3])
    lists = pl.DataFrame({"pred": [["x", "y"]], "gt": [["y"]]})
    assert RankingProcessor(lists, prediction="pred", ground_truth="gt", metrics=["mrr"]).get_metrics()["value"].to_list() == [0.5]


def test_no_rows_are_an_empty_frame() -> None:
    found = DistributionProcessor(VISITS.slice(0, 0), column_metrics={"age": ["avg"]}, metrics=[TableMetrics(["row_count"])]).get_metrics()
    assert found.num_rows == 0


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: DistributionProcessor(VISITS, column_metrics={"age": ["agv"]}), "'agv': did you mean 'avg'"),
        (lambda: DistributionProcessor(VISITS, column_metrics={"aeg": ["avg"]}).get_metrics(), "no column 'aeg': did you mean 'age'"),
        (lambda: DistributionProcessor(VISITS, column_metrics={"age": ["avg"]}, group_columns="region"), "must be a list of columns"),
        (lambda: DistributionProcessor([1], column_metrics={"age": ["avg"]}).get_metrics(), "not a frame"),
        (lambda: ClassificationProcessor(VISITS, prediction="age", ground_truth="gt"), None),
    ],
)
def test_what_is_wrong_is_named(build: Any, words: str | None) -> None:
    if words is None:
        build = build()
        words = "no column 'gt'"
        with pytest.raises(SpecError, match=words):
            build.get_metrics()
        return
    with pytest.raises(SpecError, match=words):
        build()


def test_airflow_is_not_imported() -> None:
    code = "import sys; from airflow_lupus.processors import *; print('airflow' in sys.modules, 'pyspark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == ["False", "False"]
