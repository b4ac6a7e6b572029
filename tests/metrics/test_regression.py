"""Regression metrics are scikit-learn's, by group and in total."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from airflow_lupus import Regression
from airflow_lupus.engines import ENGINES
from airflow_lupus.exceptions import SpecError
from airflow_lupus.metrics import known_metric
from support import drawing
from support.pairs import GROUP, check, said

SCHEMA = pa.schema({GROUP: pa.string(), "pred": pa.float64(), "gt": pa.float64()})
NUMBERS = st.one_of(
    st.none(), st.just(math.nan), st.just(0.0), st.integers(-5, 5).map(float), st.floats(-1e6, 1e6).map(lambda x: round(x, 6))
)
NAMES = ["mae", "rmse", "mape", "r2", "bias", "quantile_loss(0.9)", "quantile_loss(0.5)"]


@pytest.mark.parametrize("engine", ENGINES)
def test_they_are_scikit_learns(engine):
    @drawing.examples(engine, 40)
    @given(rows=drawing.rows(engine, {GROUP: drawing.groups(engine), "pred": NUMBERS, "gt": NUMBERS}))
    def compare(rows):
        for own, found in said(engine, rows, SCHEMA, Regression("pred", "gt", NAMES)):
            both = [(row["pred"], row["gt"]) for row in own if row["pred"] is not None and row["gt"] is not None]
            both = [pair for pair in both if not any(map(math.isnan, pair))]
            values = {name: found["pred", name] for name in NAMES}
            if not both:
                assert set(values.values()) == {None}
                continue
            predicted, true = zip(*both, strict=True)
            check(
                values,
                {
                    "mae": sklearn.mean_absolute_error(true, predicted),
                    "rmse": sklearn.root_mean_squared_error(true, predicted),
                    "bias": math.fsum(p - t for p, t in both) / len(both),
                    "quantile_loss(0.9)": sklearn.mean_pinball_loss(true, predicted, alpha=0.9),
                    "quantile_loss(0.5)": sklearn.mean_pinball_loss(true, predicted, alpha=0.5),
                },
            )
            scale = max(map(abs, true))
            if len(set(true)) == 1:
                assert values["r2"] is None
            elif max(true) - min(true) > 1e-4 * scale:  # nearer ones leave no digits to any method
                check(values, {"r2": sklearn.r2_score(true, predicted)})
            nonzero = [(p, t) for p, t in both if t]
            percentage = sklearn.mean_absolute_percentage_error(*zip(*[(t, p) for p, t in nonzero], strict=True)) if nonzero else None
            check(values, {"mape": percentage})

    compare()


@pytest.mark.parametrize("engine", ENGINES)
def test_errors_beyond_doubles_are_infinite_or_0_whatever_the_database_says_of_them(engine):
    pairs = {
        "huge": (1e200, -1e200),
        "beyond": (1.7e308, -1e-300),
        "tiny": (1e-200, 3e-200),
        "inverse": (10.0, 1e-308),
        "plain": (1.5, 1.0),
    }
    rows = [{GROUP: group, "pred": p, "gt": t} for group, (p, t) in pairs.items()]
    names = ["mae", "rmse", "mape", "bias"]
    found = {own[0][GROUP]: values for own, values in said(engine, rows, SCHEMA, Regression("pred", "gt", names)) if len(own) == 1}
    expected = {
        "huge": (2e200, math.inf, 2.0, 2e200),
        "beyond": (1.7e308, math.inf, math.inf, 1.7e308),
        "tiny": (2e-200, 0.0, 2 / 3, -2e-200),
        "inverse": (10.0, 10.0, math.inf, 10.0),
        "plain": (0.5, 0.5, 0.5, 0.5),
    }
    for group, numbers in expected.items():
        check(found[group], {("pred", name): value for name, value in zip(names, numbers, strict=True)})


def test_a_constant_truth_has_no_r2_in_the_total_of_groups_either():
    rows = [{GROUP: str(i % 7), "pred": float(i), "gt": 0.1} for i in range(100)]
    assert [found["pred", "r2"] for _, found in said("duckdb", rows, SCHEMA, Regression("pred", "gt"))] == [None] * 8


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Regression("pred", "gt", ["rsme"]), ["Regression", "'rsme'", "'rmse'"]),
        (lambda: Regression("pred", "gt", ["accuracy"]), ["'accuracy'", "Classification"]),
        (lambda: Regression("pred", "gt", ["mae@5"]), ["'mae@5'"]),
        (lambda: Regression("pred", "gt", ["quantile_loss(1.5)"]), ["'quantile_loss(1.5)'"]),
        (lambda: Regression("pred", "gt", "mae"), ["list", "'mae'"]),
        (lambda: Regression("pred", "gt", []), ["no metric"]),
        (lambda: Regression("pred", 5), ["ground_truth", "5"]),
    ],
)
def test_wrong_words_fail_at_once(build, words):
    with pytest.raises(SpecError) as error:
        build()
    assert all(word in str(error.value) for word in words), error.value


def test_columns_of_other_types_are_refused():
    ((_, metric),) = Regression("pred", "gt", ["mae"]).pairs()
    with pytest.raises(SpecError, match="'mae' cannot be taken of ground truth 'gt', which is of type text; these fit: number"):
        metric.fit({"pred": "number", "gt": "text"})


def test_they_are_known_by_name_and_merge():
    assert {name: known_metric(name).bad_direction for name in NAMES[:5]} == {
        "mae": "up",
        "rmse": "up",
        "mape": "up",
        "r2": "down",
        "bias": "both",
    }
    assert all(metric.merges for _, metric in Regression("pred", "gt", NAMES).pairs())
