"""Metrics that users define: SQL, ratios, functions."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from airflow_lupus import PythonMetric, Ratio, SqlMetric, TableMetrics
from airflow_lupus.exceptions import SpecError
from airflow_lupus.processors import Processor

CLICKS = pa.table(
    {
        "p": ["EU", "EU", "US", None],
        "clicks": [1, 3, 0, None],
        "shown": [10, 10, 0, 5],
        "note": ["1", "2", "x", "4"],
    }
)


def measured(*sets: Any, groups: tuple[str, ...] = ("p",)) -> dict[tuple[str, Any], float | None]:
    rows = Processor(CLICKS, sets, group_columns=groups).get_metrics().to_pylist()
    return {(row["metric"], row["p"] if row["level"] == "leaf" else "total"): row["value"] for row in rows}


def test_an_sql_aggregate_by_group_and_in_total() -> None:
    found = measured(SqlMetric("rate", "sum(clicks) / sum(shown)"), SqlMetric("most", "max(CASE WHEN p = 'EU' THEN clicks END)"))
    assert found["rate", "EU"] == 0.2
    assert found["rate", "total"] == pytest.approx(4 / 25)
    assert found["rate", None] is None
    assert (found["most", "EU"], found["most", "US"], found["most", "total"]) == (3, None, 3)


def test_a_failing_aggregate_leaves_the_others() -> None:
    found = measured(SqlMetric("worse", "sum(CAST(note AS INTEGER))"), SqlMetric("fine", "sum(shown)"), TableMetrics(["row_count"]))
    assert {name for name, _ in found} == {"fine", "row_count"}
    assert found["fine", "total"] == 25


@pytest.mark.parametrize("sql", ["sum(click)", "clicks", "sum(", "sum(clicks) FROM x --", "sum(clicks)) , (1"])
def test_what_is_no_aggregate_is_said_before_anything_is_measured(sql: str) -> None:
    with pytest.raises(SpecError, match="is no aggregate over the rows"):
        measured(SqlMetric("wrong", sql))


def test_a_ratio_of_two_metrics() -> None:
    found = measured(Ratio("rate", "clicks.sum", "shown.sum"), Ratio("per_row", "shown.p50", "*.row_count"))
    assert (found["rate", "EU"], found["rate", "US"], found["rate", None], found["rate", "total"]) == (0.2, None, None, 0.16)
    assert found["per_row", "EU"] == 5
    assert found["per_row", "total"] == 7.5 / 4


def test_a_function_over_the_rows_of_each_group() -> None:
    def share(frame: Any) -> float | None:
        if (frame["shown"] == 0).any() and len(frame) == 1:
            raise ZeroDivisionError
        return None if frame["clicks"].isna().all() else float(frame["clicks"].sum() / frame["shown"].sum())

    found = measured(PythonMetric("share", share, ["clicks", "shown"]))
    assert found == {("share", "EU"): 0.2, ("share", None): None, ("share", "total"): pytest.approx(0.16)}, "US failed"
    alone = Processor(CLICKS, [PythonMetric("rows", len, ["clicks"])]).get_metrics().to_pylist()
    assert [row["value"] for row in alone] == [4]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: SqlMetric("avg", "sum(x)"), "'avg' is a metric of ours"),
        (lambda: SqlMetric("a b", "sum(x)"), "'a b' cannot be a metric's name"),
        (lambda: SqlMetric("a", "sum(x); DROP TABLE x"), "not one SQL aggregate"),
        (lambda: SqlMetric("a", "sum(x)", kind="meen"), "kind 'meen' is none of ratio"),
        (lambda: Ratio("a", "clicks", "x.sum"), "'clicks' is not a column and a metric"),
        (lambda: Ratio("a", "clicks.smu", "x.sum"), "Unknown metric 'smu': did you mean 'sum'"),
        (lambda: Ratio("a", "clicks.frequency", "x.sum"), "is a metric per entity"),
        (lambda: PythonMetric("a", len, "clicks"), "columns must be a list"),
    ],
)
def test_a_wrong_definition_is_an_error_at_once(build: Any, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        build()


def test_columns_are_checked() -> None:
    with pytest.raises(SpecError, match="no column 'click'"):
        measured(Ratio("a", "click.sum", "shown.sum"))
    with pytest.raises(SpecError, match="no column 'click': did you mean 'clicks'"):
        measured(PythonMetric("a", len, ["click"]))
