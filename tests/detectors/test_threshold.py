from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from airflow_lupus.detectors import Threshold, as_detector
from airflow_lupus.exceptions import SpecError


def replay(values: list[float | None], **parameters: Any) -> pd.DataFrame:
    return Threshold(**parameters).replay(pd.DataFrame({"ts": range(len(values)), "value": values}))


def test_a_value_at_its_limit_is_allowed() -> None:
    verdicts = replay([0.3, 0.30001, 0.1, 0.09999, None], lower=0.1, upper=0.3)
    assert verdicts["is_anomaly"].tolist() == [False, True, False, True, False]
    assert verdicts["reason"].tolist() == ["normal", "threshold", "normal", "threshold", "undefined"]
    assert verdicts["severity"].tolist() == [None, "critical", None, "critical", None]


def test_it_needs_no_history_and_each_side_may_be_open() -> None:
    assert replay([5.0], upper=3.0)["is_anomaly"].tolist() == [True]
    assert replay([-1e300, 5.0], upper=3.0)["is_anomaly"].tolist() == [False, True]
    assert replay([1e300, 5.0], lower=6.0, severity="warning")["severity"].tolist() == [None, "warning"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, ["upper or a lower"]),
        ({"upper": math.nan}, ["finite"]),
        ({"lower": -math.inf}, ["finite"]),
        ({"upper": 1.0, "lower": 2.0}, ["lower=2.0", "upper=1.0"]),
        ({"upper": 1.0, "severity": "majr"}, ["'majr'", "'major'"]),
    ],
)
def test_limits_that_mean_nothing_are_errors(parameters: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SpecError) as error:
        Threshold(**parameters)
    assert all(word in str(error.value) for word in words), error.value


def test_a_misspelt_parameter_is_no_parameter() -> None:
    with pytest.raises(TypeError, match="uper"):
        Threshold(uper=1.0)


def test_names_stand_for_detectors_that_need_no_parameters() -> None:
    assert as_detector("Window").name == "window"
    with pytest.raises(SpecError, match="'windw': did you mean 'window'"):
        as_detector("windw")
    with pytest.raises(SpecError, match="not a detector"):
        as_detector(3.5)
    with pytest.raises(SpecError, match="upper or a lower"):
        as_detector("threshold")
