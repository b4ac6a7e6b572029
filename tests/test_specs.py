"""What to measure: wrong words fail where they stand, before any data is read."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_lupus.exceptions import SpecError
from airflow_lupus.model import Grain
from airflow_lupus.specs import RESERVED, ColumnMetrics, MeasureSpec, TableMetrics

DAY = Grain("day", "America/New_York")
TYPES = {
    "time_hour": "time",
    "origin": "text",
    "carrier": "text",
    "dep_delay": "number",
    "done": "boolean",
    "tags": "list",
    "blob": "other",
}


def spec(**parts: Any) -> MeasureSpec:
    return MeasureSpec("flights", DAY, **parts)


def metrics(**columns: Any) -> tuple[ColumnMetrics]:
    return (ColumnMetrics(columns),)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: ColumnMetrics({"dep_time": ["null_ration"]}), ["column_metrics['dep_time']", "'null_ration'", "'null_ratio'"]),
        (lambda: ColumnMetrics({"dep_time": "avg"}), ["column_metrics['dep_time']", "list", "'avg'"]),
        (lambda: ColumnMetrics({"dep_time": []}), ["column_metrics['dep_time']", "names no metric"]),
        (lambda: ColumnMetrics({"dep_time": ["avg", "p101"]}), ["'p101'"]),
        (lambda: ColumnMetrics({"dep_time": ["row_count"]}), ["'row_count'", "TableMetrics"]),
        (lambda: ColumnMetrics({"*": ["avg"]}), ["'*'", "TableMetrics"]),
        (lambda: TableMetrics(["row_cont"]), ["TableMetrics", "'row_cont'", "'row_count'"]),
        (lambda: TableMetrics(["avg"]), ["TableMetrics", "'avg'", "column_metrics"]),
        (lambda: TableMetrics("row_count"), ["list", "'row_count'"]),
        (lambda: TableMetrics([]), ["names no metric"]),
        (lambda: spec(group_columns=("origin", "origin")), ["group_columns", "'origin'", "twice"]),
        (lambda: spec(totals=False), ["totals=False", "group_columns"]),
        (lambda: spec(max_groups=0), ["max_groups", "0"]),
        (lambda: spec(time_column_timezone="America/New York"), ["'America/New York'", "'America/New_York'"]),
        (lambda: spec(metric_sets=metrics(carrier=["count"]), per_entity={"carier": True}), ["per_entity", "'carier'", "'carrier'"]),
        (lambda: spec(metric_sets=metrics(dep_delay=["avg"]), units={"delay": "min"}), ["units", "'delay'", "'dep_delay'"]),
        *[(lambda name=name: spec(group_columns=(name,)), ["group_columns", repr(name), "rename"]) for name in sorted(RESERVED)],
    ],
)
def test_a_wrong_spec_fails_at_once_and_names_the_right_word(build: Any, words: list[str]) -> None:
    with pytest.raises(SpecError) as error:
        build()
    assert all(word in str(error.value) for word in words), error.value
    assert not error.value.retry, "trying again cannot help"


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"time_column": "time_hours"}, ["time_column", "'time_hours'", "'time_hour'", "'flights'"]),
        ({"group_columns": ("orgin",)}, ["group_columns", "'orgin'", "'origin'"]),
        ({"metric_sets": metrics(dep_dely=["avg"])}, ["column_metrics", "'dep_dely'", "'dep_delay'"]),
        ({"metric_sets": metrics(Origin=["unique"])}, ["'Origin'", "'origin'"]),
        ({"metric_sets": metrics(carrier=["p95"])}, ["'p95'", "'carrier'", "text", "these fit: count,"]),
        ({"metric_sets": metrics(done=["max"])}, ["'max'", "'done'", "boolean"]),
        ({"metric_sets": metrics(tags=["avg"])}, ["'avg'", "'tags'", "list", "unique"]),
        ({"metric_sets": metrics(origin=["count"]), "group_columns": ("origin",)}, ["column_metrics['origin']", "row_count"]),
    ],
)
def test_what_a_source_lacks_is_told_before_it_is_read(parts: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SpecError) as error:
        spec(**parts).pairs(TYPES)
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_count_per_entity_cannot_be_called_like_our_columns(name: str) -> None:
    with pytest.raises(SpecError, match=repr(name)):
        spec(metric_sets=metrics(**{name: ["count"]})).pairs({name: "text"})
    assert spec(metric_sets=metrics(**{name: ["count", "avg"]})).pairs({name: "number"}), "measured in any other way it is no dimension"


def test_count_says_what_it_counts_by_type_and_by_choice() -> None:
    both = metrics(carrier=["count"], dep_delay=["count"])
    assert [metric.per_entity for _, metric in spec(metric_sets=both).pairs(TYPES)] == [True, False]
    chosen = spec(metric_sets=both, per_entity={"carrier": False, "dep_delay": True})
    assert [metric.per_entity for _, metric in chosen.pairs(TYPES)] == [False, True]


def test_what_is_named_twice_is_measured_once() -> None:
    sets = (
        ColumnMetrics({"dep_delay": ["avg", "p50", "avg"]}),
        ColumnMetrics({"dep_delay": ["p50.0", "max"]}),
        TableMetrics(["row_count"] * 2),
    )
    pairs = spec(metric_sets=sets).pairs(TYPES)
    assert [f"{column}.{metric.name}" for column, metric in pairs] == ["dep_delay.avg", "dep_delay.p50", "dep_delay.max", "*.row_count"]


def test_only_needed_columns_are_read() -> None:
    sets = (*metrics(dep_delay=["avg"], origin=["null_ratio"]), TableMetrics(["row_count"]))
    assert spec(metric_sets=sets, time_column="time_hour", group_columns=("origin",)).needed_columns == ["time_hour", "origin", "dep_delay"]


def test_the_definition_holds_what_changes_the_meaning_of_numbers_and_nothing_else() -> None:
    first = spec(where="dep_delay > 0", metric_sets=metrics(dep_delay=["avg"]))
    assert first.definition() != spec(metric_sets=metrics(dep_delay=["avg"])).definition()
    assert first.definition() == spec(where="dep_delay > 0", metric_sets=metrics(dep_delay=["p50"]), max_groups=5).definition()
