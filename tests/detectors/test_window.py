"""Window's numbers, reckoned by hand."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_lupus.detectors import Window
from airflow_lupus.detectors.base import Frame, noise_floor
from airflow_lupus.exceptions import SpecError
from airflow_lupus.model import Severity

PAST = [10.0, 12.0, 8.0, 11.0, 9.0, 10.0, 14.0]
"""Median 10; distances 0 2 2 1 1 0 4, of which the median is 1; mean 74/7."""


def newest(values: list[float | None], *, kind: str = "mean", n: list[float] | None = None, bad: int = 0, **parameters: Any) -> pd.Series:
    """The verdict on the last value; the default window is of seven."""
    series = np.array([math.nan if value is None else value for value in values])[None, :]
    rows = np.full(series.shape, np.nan) if n is None else np.array(n)[None, :]
    detector = Window(**{"periods": 7, "min_history": 3, **parameters})
    verdicts = detector.judge(Frame(series, rows, np.ones(series.shape, dtype=bool), np.array([kind]), np.array([bad])))
    names = ("expected", "lower", "upper", "score", "severity", "history")
    return pd.Series({name: getattr(verdicts, name)[0, -1] for name in names})


def test_median_and_mad() -> None:
    said = newest([*PAST, 20.0])
    assert said["expected"] == 10
    assert said["score"] == pytest.approx(10 / 1.4826)
    assert (said["lower"], said["upper"]) == (pytest.approx(10 - 3.5 * 1.4826), pytest.approx(10 + 3.5 * 1.4826))
    assert said["severity"] == Severity.MAJOR  # 6.7 σ
    assert said["history"] == 7


def test_mean_and_sigma_leave_outliers_aside() -> None:
    """14 is 4 from the median: 2.7 robust σ, so it stays; 30 does not."""
    said = newest([*PAST, 20.0], center="mean", spread="sigma")
    assert said["expected"] == pytest.approx(statistics.mean(PAST))
    assert said["score"] == pytest.approx((20 - statistics.mean(PAST)) / statistics.stdev(PAST))
    without = PAST[:-1]
    said = newest([*without, 30.0, 20.0], center="mean", spread="sigma")
    assert said["expected"] == pytest.approx(statistics.mean(without))
    assert said["score"] == pytest.approx((20 - statistics.mean(without)) / statistics.stdev(without))


def test_percent_of_the_center() -> None:
    said = newest([*PAST, 13.1], spread="percent")
    assert (said["lower"], said["expected"], said["upper"]) == (7.0, 10.0, 13.0)
    assert said["severity"] == Severity.WARNING
    assert math.isnan(said["score"]), "percent knows no σ"
    assert newest([*PAST, 13.0], spread="percent")["severity"] == Severity.NONE
    assert newest([*PAST, 11.1], spread="percent", threshold=10.0)["severity"] == Severity.WARNING


def test_the_mean_distance_speaks_where_most_of_the_window_is_one_value() -> None:
    """Distances 0 0 0 0 0 0 7: their median is 0, their mean 1."""
    said = newest([10.0] * 6 + [17.0, 14.0])
    assert said["score"] == pytest.approx(4 / 1.2533)


@pytest.mark.parametrize(("sigmas", "severity"), [(3.49, 0), (3.51, 1), (4.99, 1), (5.01, 2), (7.99, 2), (8.01, 3), (-3.51, 1), (-8.01, 3)])
def test_the_ladder_of_severities(sigmas: float, severity: int) -> None:
    assert newest([*PAST, 10 + sigmas * 1.4826])["severity"] == severity


def test_the_ladder_goes_with_the_threshold() -> None:
    assert [newest([*PAST, 10 + s * 1.4826], threshold=7.0)["severity"] for s in (6.9, 7.1, 10.1, 16.1)] == [0, 1, 2, 3]


def test_the_window_ends_before_the_value_and_begins_periods_before_it() -> None:
    assert newest([1000.0, *PAST, 10.0])["expected"] == 10, "the eighth before is forgotten"
    assert newest([*[5.0] * 7, 100.0])["expected"] == 5


def test_gaps_count_as_periods_but_not_as_history() -> None:
    said = newest([1.0, 1.0, 1.0, None, None, 2.0, 2.0, 2.0, None, 2.0])
    assert (said["history"], said["expected"]) == (4, 2.0)
    assert newest([1.0, 1.0, None, None, None, None, None, None, 5.0])["history"] == 1


def test_anomalies_behind_a_value_do_not_poison_its_baseline() -> None:
    """A storm of three days among 28: the band afterwards is nearly what it was, and a second storm is seen."""
    generator = np.random.default_rng(1)
    calm = list(100 + generator.normal(0, 2, 28))
    before = newest([*calm, 100.0], periods=28, min_history=7)
    for options in ({}, {"center": "mean", "spread": "sigma"}):
        storm = [*calm[3:], 500.0, 480.0, 510.0]
        after = newest([*storm, 100.0], periods=28, min_history=7, **options)
        assert after["expected"] == pytest.approx(before["expected"], abs=1)
        assert after["upper"] < 115
        assert newest([*storm, 140.0], periods=28, min_history=7, **options)["severity"] == Severity.CRITICAL


def test_a_new_level_is_accepted_once_it_fills_half_of_the_window() -> None:
    wobble = [0.0, 1.0, -1.0, 0.5, -0.5] * 4
    values = [100 + w for w in wobble[:14]] + [200 + w for w in wobble]
    found = Window(periods=14).replay(pd.DataFrame({"ts": range(len(values)), "value": values}))["is_anomaly"].tolist()
    assert all(found[14:19])
    assert not any(found[24:])


@pytest.mark.parametrize(
    ("direction", "bad", "high", "low"),
    [("both", 1, 1, 1), ("up", 0, 1, 0), ("down", 0, 0, 1), ("auto", 0, 1, 1), ("auto", 1, 1, 0), ("auto", -1, 0, 1)],
)
def test_only_the_bad_direction_alarms(direction: str, bad: int, high: int, low: int) -> None:
    up = newest([*PAST, 16.0], direction=direction, bad=bad)
    down = newest([*PAST, 4.0], direction=direction, bad=bad)
    assert (up["severity"], down["severity"]) == (high, low)


def test_the_open_side_is_as_wide_as_values_can_be() -> None:
    ratios = [0.01, 0.02, 0.01, 0.03, 0.02, 0.01, 0.02]
    assert newest([*ratios, 0.5], kind="ratio", bad=1)["lower"] == 0
    assert newest([*ratios, 0.5], kind="ratio", direction="down")["upper"] == 1
    assert newest([*PAST, 5.0], kind="count", direction="up")["lower"] == 0
    assert newest([*PAST, 5.0], direction="up")["lower"] == -math.inf
    assert newest([*ratios, 0.0], kind="ratio", direction="both", threshold=100.0)[["lower", "upper"]].tolist() == [0, 1]


def test_a_quiet_past_does_not_make_every_crumb_an_alarm() -> None:
    assert newest([100.0] * 7 + [101.0])["severity"] == 0, "1 % of a mean: 2 σ of half a percent"
    assert newest([100.0] * 7 + [102.0])["severity"] == 1
    assert newest([100.0] * 7 + [129.0], kind="count")["severity"] == 0, "√100 is 10"
    assert newest([100.0] * 7 + [150.0], kind="count")["severity"] > 0
    few, many = ([*[0.0] * 7, 0.1], [10.0] * 8), ([*[0.0] * 7, 0.1], [10_000.0] * 8)
    assert newest(few[0], kind="ratio", n=few[1])["severity"] == 0, "1 NULL in 10 rows"
    assert newest(many[0], kind="ratio", n=many[1])["severity"] == 3, "1,000 NULLs in 10,000 rows"


def test_the_noise_floor_by_hand() -> None:
    kinds = np.array(["ratio", "count", "mean", "ratio"])
    floor = noise_floor(kinds, np.array([0.5, 100.0, 100.0, 0.5]), np.array([100.0, np.nan, np.nan, np.nan]))
    assert floor[0] == pytest.approx(math.sqrt(0.002**2 * 2.02 + 0.7 * 0.25 / 100))
    assert floor[1] == pytest.approx(0.85 * math.sqrt(100.375))
    assert floor[2] == 0.5
    assert floor[3] == pytest.approx(math.sqrt(0.002**2 * 2.02 + 0.7 * 0.25 / 1000))


def test_too_little_history_is_a_verdict_of_its_own() -> None:
    verdicts = Window(periods=7, min_history=4).replay(pd.DataFrame({"ts": range(6), "value": [1.0, 1, 1, 1e9, 1, 1]}))
    assert verdicts["reason"].tolist()[:4] == ["insufficient_history"] * 4
    assert not verdicts["is_anomaly"].any()
    assert verdicts["expected"].isna().tolist() == [True] * 4 + [False] * 2
    assert verdicts["history"].tolist() == [0, 1, 2, 3, 4, 5]


def test_many_series_are_judged_in_parts_that_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(100, 5, (50, 40))
    frame = Frame(
        values, np.full(values.shape, np.nan), np.ones(values.shape, dtype=bool), np.array(["mean"] * 50), np.zeros(50, dtype=bool)
    )
    whole = Window().judge(frame)
    monkeypatch.setattr("airflow_lupus.detectors.window._CHUNK", 3000)
    parts = Window().judge(frame)
    assert np.array_equal(whole.upper, parts.upper, equal_nan=True)
    assert np.array_equal(whole.severity, parts.severity)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"center": "avg"}, ["center", "'avg'", "mean"]),
        ({"spread": "sigm"}, ["spread", "'sigm'", "'sigma'"]),
        ({"direction": "upp"}, ["direction", "'upp'", "'up'"]),
        ({"periods": 5}, ["min_history", "periods=5"]),
        ({"min_history": 1}, ["min_history", "1"]),
        ({"threshold": 0}, ["threshold", "0"]),
        ({"threshold": -3.5}, ["threshold", "-3.5"]),
        ({"threshold": math.nan}, ["threshold", "nan"]),
        ({"threshold": math.inf}, ["threshold", "inf"]),
    ],
)
def test_parameters_that_mean_nothing_are_errors(parameters: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SpecError) as error:
        Window(**parameters)
    assert all(word in str(error.value) for word in words), error.value
