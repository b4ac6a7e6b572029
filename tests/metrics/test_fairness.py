"""Fairness metrics are fairlearn's, whose definitions are written out here with numpy."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_lupus import Fairness
from airflow_lupus.engines import ENGINES
from airflow_lupus.exceptions import SpecError
from airflow_lupus.metric_sets.fairness import OPPORTUNITY, PARITY
from airflow_lupus.metrics import known_metric
from airflow_lupus.specs import MeasureSpec
from support import drawing
from support.pairs import DAY, GROUP, check, said

KINDS = {"text": (["yes", "nö {0}"], pa.string()), "number": ([1, 0], pa.int64()), "boolean": ([True, False], pa.bool_())}


def rates(rows, positive):
    """The share of positive predictions of each value of `who` that has rows."""
    found = {}
    for row in rows:
        found.setdefault(row["who"], []).append(row["pred"] == positive)
    return np.array([np.mean(each) for each in found.values()])


def difference(found):
    return found.max() - found.min() if len(found) > 1 else None


def ratio(found):
    return found.min() / found.max() if len(found) > 1 and found.max() else None


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_they_are_as_fairlearn_defines_them(engine, kind):
    labels, type_ = KINDS[kind]
    schema = pa.schema({GROUP: pa.string(), "who": pa.string(), "pred": type_, "gt": type_})
    label = st.sampled_from([*labels, None])
    who = st.sampled_from(["f", "m", "ü", None])
    columns = {GROUP: drawing.groups(engine), "who": who, "pred": label, "gt": label}

    @drawing.examples(engine, 40)
    @given(rows=drawing.rows(engine, columns))
    def compare(rows):
        fairness = Fairness("pred", "gt", group="who", positive=labels[0])
        for own, found in said(engine, rows, schema, fairness):
            kept = [row for row in own if row["pred"] is not None and row["who"] is not None]
            selected = rates(kept, labels[0])
            true = rates([row for row in kept if row["gt"] == labels[0]], labels[0])
            expected = dict(zip(PARITY, (difference(selected), ratio(selected)), strict=True))
            expected |= zip(OPPORTUNITY, (difference(true), ratio(true)), strict=True)
            check(found, {("pred", f"{name}(who)"): value for name, value in expected.items()})

    compare()


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Fairness("pred", "gt"), ["group="]),
        (lambda: Fairness("pred", group="who", metrics=["equal_opportunity_ratio"]), ["'equal_opportunity_ratio'", "ground_truth="]),
        (lambda: Fairness("pred", group="who", metrics=["demographic_parity"]), ["'demographic_parity_ratio'"]),
        (
            lambda: MeasureSpec("d", DAY, (Fairness("p", "t", group="g"), Fairness("p", "u", group="g"))),
            ["p.equal_opportunity_difference(g)"],
        ),
    ],
)
def test_wrong_words_fail_at_once(build, words):
    with pytest.raises(SpecError) as error:
        build()
    assert all(word in str(error.value) for word in words), error.value


def test_columns_that_do_not_fit_are_named():
    ((_, metric), *_) = Fairness("pred", group="who").pairs()
    with pytest.raises(SpecError, match=r"needs positive=….*'pred'"):
        metric.fit({"pred": "text", "who": "text"})
    with pytest.raises(SpecError, match="group 'who', which is of type time"):
        metric.fit({"pred": "boolean", "who": "time"})


def test_two_columns_are_two_series_and_known_by_name():
    spec = MeasureSpec("d", DAY, (Fairness("p", group="gender"), Fairness("p", group="age")))
    assert "age" in spec.needed_columns
    assert known_metric("demographic_parity_difference(age)").bad_direction == "up"
    assert known_metric("equal_opportunity_ratio(a (b))").bad_direction == "down"
