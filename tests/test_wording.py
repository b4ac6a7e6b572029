"""Numbers and verdicts in words: a reader gets what he needs to judge, and never a wrong figure."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_lupus.model import Reason, Severity
from airflow_lupus.wording import expectation, group, number, quantity, sentence


@given(st.floats(-1e15, 1e15).filter(lambda v: v == 0 or abs(v) > 1e-3))
def test_a_number_keeps_three_digits_or_more(value: float) -> None:
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=5.1e-3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-7, "1e-07"),
        (999.95, "1,000"),
        (-0.01234, "-0.0123"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "NaN"),
        (100, "100"),
        (1e6, "1,000,000"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "ratio", "0 %"),
        (1.0, "ratio", "100 %"),
        (0.0612, "ratio", "6.1 %"),
        (0.00004, "ratio", "0.004 %"),
        (0.0996, "ratio", "10 %"),
        (-0.05, "ratio", "-5 %"),
        (5.0, None, "5"),
        (5.0, "rows", "5"),
        (5.5, "minutes", "5.5 minutes"),
        (None, "minutes", "no value"),
    ],
)
def test_quantities(value: float | None, unit: str | None, text: str) -> None:
    assert quantity(value, unit) == text


@pytest.mark.parametrize(
    ("bounds", "unit", "text"),
    [
        ((10.0, 20.0, 15.0), "minutes", "expected 10–20 minutes"),
        ((-3.0, 1.5, None), "minutes", "expected -3 to 1.5 minutes"),
        ((0.0, 0.061, None), "ratio", "expected 0–6.1 %"),
        ((None, None, 4.0), None, "expected 4"),
        ((None, None, None), None, "nothing expected yet"),
        ((900.0, None, None), "rows", "expected at least 900"),
        ((None, 1200.0, None), "rows", "expected at most 1,200"),
        ((float("-inf"), 5.0, None), "minutes", "expected at most 5 minutes"),
        ((5.0, float("inf"), None), "minutes", "expected at least 5 minutes"),
        ((float("-inf"), float("inf"), 4.0), "minutes", "expected 4 minutes"),
    ],
)
def test_expectations(bounds: tuple[float | None, ...], unit: str | None, text: str) -> None:
    assert expectation(*bounds, unit) == text


def test_groups_tell_null_from_the_total() -> None:
    assert group({}) == ""
    assert group({"origin": None}) == "origin=NULL"
    assert group((("carrier", "UA"), ("origin", "JFK"))) == "carrier=UA, origin=JFK"


def test_sentences_by_reason() -> None:
    about = ("dep_delay", "p95", "minutes")
    assert sentence(*about, 90.0, reason=Reason.POINT, severity=Severity.MAJOR, lower=40.0, upper=60.0, score=-6.4) == (
        "dep_delay.p95 is 90 minutes, expected 40–60 minutes (6σ below)"
    )
    assert sentence(*about, 50.0, reason=Reason.NORMAL, severity=0, lower=40.0, upper=60.0, score=0.1) == (
        "dep_delay.p95 is 50 minutes, expected 40–60 minutes"
    )
    assert sentence(*about, 50.0, reason=Reason.INSUFFICIENT_HISTORY, severity=0, history=3) == (
        "dep_delay.p95 is 50 minutes; too little history to judge it (3 points)"
    )
    assert sentence(*about, None, reason=Reason.UNDEFINED, severity=0) == "dep_delay.p95 has no value"
    assert sentence("dep_time", "null_ratio", "ratio", None, reason=Reason.UNDEFINED, severity=0) == "null_ratio of dep_time has no value"


@pytest.mark.parametrize(
    ("value", "lower", "upper", "text"),
    [
        (0.57, None, 0.3, "57 % of dep_time is NULL, above the limit of 30 %"),
        (0.57, 0.1, 0.3, "57 % of dep_time is NULL, above the limit of 30 %"),
        (0.05, 0.1, 0.3, "5 % of dep_time is NULL, below the limit of 10 %"),
        (0.05, 0.1, 0.1, "5 % of dep_time is NULL, below the limit of 10 %"),
        (0.05, 0.1, None, "5 % of dep_time is NULL, below the limit of 10 %"),
    ],
)
def test_a_limit_is_named_with_its_side(value: float, lower: float | None, upper: float | None, text: str) -> None:
    assert sentence("dep_time", "null_ratio", "ratio", value, reason=Reason.THRESHOLD, severity=3, lower=lower, upper=upper) == text
