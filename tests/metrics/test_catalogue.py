"""What metrics are called and what errors say; their numbers are the contract suite's business."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metrics import for_type, metric_named
from airflow_lupus.metrics.base import NUMBER, TEXT
from airflow_lupus.metrics.entities import Frequency
from airflow_lupus.metrics.operands import Elements

FINITE = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20)


@given(FINITE, st.sampled_from([0, 1, 25, 50, 95, 99.9, 100]))
def test_quantiles_are_numpys(values: list[float], percent: float) -> None:
    assert metric_named(f"p{percent}").of(values) == pytest.approx(np.percentile(values, percent), rel=1e-9, abs=1e-9)


@given(FINITE)
def test_moments_are_numpys(values: list[float]) -> None:
    assert metric_named("avg").of(values) == pytest.approx(np.mean(values), rel=1e-9, abs=1e-9)
    assert metric_named("sum").of(values) == pytest.approx(np.sum(values), rel=1e-9, abs=1e-7)
    if len(values) > 1:
        assert metric_named("std").of(values) == pytest.approx(np.std(values, ddof=1), rel=1e-9, abs=1e-7)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("count", 3.0),  # a NaN is a value …
        ("null_count", 1.0),
        ("null_ratio", 0.25),
        ("unique", 2.0),  # … but not one to tell apart, or to reckon with
        ("sum", 4.0),
        ("avg", 2.0),
        ("std", math.sqrt(2)),
        ("min", 1.0),
        ("max", 3.0),
        ("p50", 2.0),
    ],
)
def test_null_and_nan_have_one_meaning(name: str, expected: float) -> None:
    assert metric_named(name).of([1.0, None, math.nan, 3.0]) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["sum", "avg", "std", "min", "max", "p50"])
def test_statistics_of_nothing_are_undefined_and_not_zero(name: str) -> None:
    assert metric_named(name).of([None, None, math.nan]) is None


def test_sums_of_infinities_are_what_ieee_says() -> None:
    assert metric_named("sum").of([1.0, math.inf]) == math.inf
    assert math.isnan(metric_named("sum").of([math.inf, -math.inf]))
    assert metric_named("avg").of([1e308, 1e308]) == math.inf


def test_quantiles_between_infinities_are_infinite() -> None:
    quartile = metric_named("p25")
    assert quartile.of([math.inf, math.inf]) == math.inf
    assert quartile.of([-math.inf, 1.0]) == -math.inf
    assert quartile.of([1.0, math.inf]) == math.inf
    assert math.isnan(quartile.of([-math.inf, math.inf]))


@pytest.mark.parametrize(
    ("written", "name"),
    [("p50", "p50"), ("p05", "p5"), ("p99.90", "p99.9"), ("p100", "p100"), ("p99.9999999", "p99.9999999"), ("p0.00001", "p0.00001")],
)
def test_a_quantile_has_one_name_that_says_all_its_digits(written: str, name: str) -> None:
    assert metric_named(written).name == name
    assert metric_named(name).percent == float(name[1:])


@pytest.mark.parametrize("name", ["p101", "p-1", "p", "p50.", "P50", "p1e1", "", "avg "])
def test_what_is_no_metric_is_an_error(name: str) -> None:
    with pytest.raises(SpecError):
        metric_named(name)


@pytest.mark.parametrize(
    ("wrong", "family", "words"),
    [
        ("null_ration", "column", ["'null_ration'", "'null_ratio'"]),
        ("qqq", "column", ["'qqq'", "avg"]),
        ("row_count", "column", ["'row_count' is a metric of the table", "TableMetrics"]),
        ("avg", "table", ["'avg' is a metric of a column", "column_metrics"]),
        ("row_cuont", "table", ["'row_count'"]),
        ("p95", "table", ["'p95' is a metric of a column"]),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_one(wrong: str, family: str, words: list[str]) -> None:
    with pytest.raises(SpecError) as error:
        metric_named(wrong, family)
    assert all(word in str(error.value) for word in words), error.value


def test_count_of_text_is_per_entity_unless_said_otherwise() -> None:
    count = metric_named("count")
    assert for_type(count, "carrier", TEXT, None).per_entity
    assert for_type(count, "done", "boolean", None).per_entity
    assert not for_type(count, "carrier", TEXT, False).per_entity
    assert not for_type(count, "delay", NUMBER, None).per_entity
    assert for_type(count, "month", NUMBER, True).per_entity


def test_a_metric_of_the_wrong_type_of_column_names_both() -> None:
    with pytest.raises(SpecError, match=r"'avg' cannot be taken of column 'carrier', which is of type text; these fit: count, .*unique"):
        for_type(metric_named("avg"), "carrier", TEXT, None)
    with pytest.raises(SpecError, match="type list"):
        for_type(metric_named("avg"), "tags", "list", None)
    with pytest.raises(SpecError, match="type time"):
        for_type(metric_named("count"), "at", "time", True)


def test_entities_are_counted_without_null_and_nan() -> None:
    count = for_type(metric_named("count"), "gate", NUMBER, True)
    assert count.each([1.0, 1.0, None, math.nan, 2.0]) == {1.0: 2, 2.0: 1}


def test_at_k_is_of_the_first_elements_of_lists() -> None:
    assert for_type(metric_named("avg@5"), "ratings", "list[number]", None).operand == Elements("ratings", 5)
    assert for_type(metric_named("count@3"), "tags", "list[text]", None).per_entity
    with pytest.raises(SpecError, match="'avg@5' is of the first 5 elements of lists; column 'delay' is of type number"):
        for_type(metric_named("avg@5"), "delay", NUMBER, None)
    with pytest.raises(SpecError, match="'length_avg@5'"):
        for_type(metric_named("length_avg@5"), "tags", "list[text]", None)
    with pytest.raises(SpecError, match="Unknown metric 'avg@0'"):
        metric_named("avg@0")


MEASURED = st.lists(
    st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: round(x, 3)) | st.integers(-9, 9).map(float), min_size=3, max_size=40
)


@given(MEASURED)
@settings(max_examples=200, deadline=None)
def test_definitions_are_those_of_scipy_numpy_and_pandas(values: list[float]) -> None:
    """The definitions that engines are tested against are not ours alone."""
    array, series = np.array(values), pd.Series(values)
    spread = float(np.ptp(array))
    same = {
        "sum": series.sum(),
        "avg": series.mean(),
        "min": series.min(),
        "max": series.max(),
        "range": spread,
        "median": series.median(),
        "iqr": stats.iqr(array),
        "unique": series.nunique(),
        "entropy": stats.entropy(series.value_counts().to_numpy()),
        "zero_count": (array == 0).sum(),
        "zero_ratio": (array == 0).mean(),
        "negative_count": (array < 0).sum(),
        "negative_ratio": (array < 0).mean(),
        "count": series.count(),
        "null_count": series.isna().sum(),
    }
    largest = float(np.abs(array).max())
    if spread > 1e-3 * largest:  # else the deviations have too few digits for anybody
        same |= {"var": series.var(), "std": series.std(), "skewness": stats.skew(array), "kurtosis": stats.kurtosis(array)}
    for name, expected in same.items():
        assert metric_named(name).of(values) == pytest.approx(expected, rel=1e-9, abs=1e-9 * max(largest, 1)), name


@given(st.lists(st.sampled_from(["a", "b", "", "ü", None]), min_size=1))
def test_frequencies_are_those_of_pandas(values: list[str | None]) -> None:
    series = pd.Series(values, dtype=object)
    assert Frequency().each(values) == pytest.approx(series.value_counts(normalize=True).to_dict())
    assert metric_named("null_ratio").of(values) == pytest.approx(series.isna().mean())
    lengths = series.dropna().map(len)
    expected = lengths.mean() if len(lengths) else None
    assert metric_named("length_avg").of(values) == (expected if expected is None else pytest.approx(expected))
