"""What every detector must do: judge as of a point's own time, cry only outside its band, and survive any series.

A new detector is tested by being in `DETECTORS`; one that cannot be built without parameters, or has choices, names them in `CHOICES`.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_lupus.detectors import DETECTORS, as_detector
from airflow_lupus.detectors.base import Frame
from airflow_lupus.exceptions import SpecError
from airflow_lupus.model import Reason, Severity

if TYPE_CHECKING:
    from airflow_lupus.detectors import Detector
    from airflow_lupus.detectors.base import Verdicts

CHOICES: dict[str, list[dict[str, Any]]] = {
    "threshold": [{"upper": 3.0}, {"lower": -1.0, "severity": "warning"}, {"lower": -1.0, "upper": 3.0, "severity": "major"}],
    "window": [
        {},
        {"periods": 5, "min_history": 2},
        {"periods": 5, "min_history": 3, "center": "mean", "spread": "sigma", "direction": "both"},
        {"periods": 6, "min_history": 3, "spread": "percent", "direction": "up"},
        {"periods": 6, "min_history": 3, "center": "mean", "threshold": 2.0, "direction": "down"},
    ],
}
KINDS = ("ratio", "count", "sum", "mean", "quantile", "extreme", "spread")
NUMBERS = ("expected", "lower", "upper", "score", "severity", "reason", "history", "last")


def build() -> list[Detector]:
    return [detector(**choice) for detector in DETECTORS for choice in CHOICES.get(detector.name, [{}])]


every = pytest.mark.parametrize("detector", build(), ids=lambda d: f"{d.name}-{'-'.join(str(v) for v in d.parameters().values())}")

VALUES = st.floats(0, 1) | st.floats(-10, 10) | st.sampled_from([math.nan, 0.0, 1.0, 5.0, 1e6, -1e6])
HISTORIES = st.lists(VALUES, min_size=1, max_size=20)
FRAMES = st.integers(1, 3).flatmap(
    lambda series: st.integers(1, 15).flatmap(
        lambda periods: st.tuples(
            st.lists(st.lists(VALUES, min_size=periods, max_size=periods), min_size=series, max_size=series),
            st.lists(st.sampled_from(KINDS), min_size=series, max_size=series),
            st.lists(st.sampled_from([-1, 0, 1]), min_size=series, max_size=series),
        )
    )
)


def frame(values: Any, kinds: Any = None, bad: Any = None, judge: Any = None, n: Any = None) -> Frame:
    """A frame of plain lists; counts and ratios made what they can be."""
    matrix = np.array(values, dtype=float, ndmin=2)
    series = matrix.shape[0]
    for i, kind in enumerate(kinds or []):
        if kind in {"count", "ratio"}:
            matrix[i] = np.clip(np.abs(matrix[i]), 0, 1 if kind == "ratio" else None)
    return Frame(
        matrix,
        np.full(matrix.shape, 1000.0) if n is None else np.array(n, dtype=float, ndmin=2),
        np.ones(matrix.shape, dtype=bool) if judge is None else judge,
        np.array(["mean"] * series if kinds is None else kinds),
        np.array([0] * series if bad is None else bad),
    )


def column(verdicts: Verdicts, series: int, period: int) -> list[float]:
    return [float(getattr(verdicts, name)[series, period]) for name in NUMBERS]


def assert_equal(first: list[float], second: list[float], where: str) -> None:
    assert np.array_equal(first, second, equal_nan=True), f"{where}: {dict(zip(NUMBERS, zip(first, second, strict=True), strict=True))}"


@every
@given(values=HISTORIES, kind=st.sampled_from(KINDS))
@settings(max_examples=20, deadline=None)
def test_a_replay_gives_the_verdicts_of_daily_runs(detector: Detector, values: list[float], kind: str) -> None:
    whole = detector.judge(frame(values, [kind]))
    for i in range(len(values)):
        only_newest = np.arange(i + 1)[None, :] == i
        daily = detector.judge(frame(values[: i + 1], [kind], judge=only_newest))
        assert_equal(column(whole, 0, i), column(daily, 0, i), f"period {i} as of its own time")


@every
@given(values=HISTORIES, data=st.data())
@settings(max_examples=20, deadline=None)
def test_a_changed_point_changes_only_its_own_verdict_and_those_that_look_back_on_it(
    detector: Detector, values: list[float], data: st.DataObject
) -> None:
    where = data.draw(st.integers(0, len(values) - 1))
    changed = [*values[:where], data.draw(VALUES), *values[where + 1 :]]
    before, after = (detector.judge(frame(history)) for history in (values, changed))
    reach = len(values) if detector.lookback is None else detector.lookback
    for i in range(len(values)):
        if i < where or i > where + reach:
            assert_equal(column(before, 0, i), column(after, 0, i), f"period {i}, {where} having changed")


@every
@given(history=HISTORIES, first=VALUES, second=VALUES)
@settings(max_examples=20, deadline=None)
def test_a_value_is_no_part_of_its_own_baseline(detector: Detector, history: list[float], first: float, second: float) -> None:
    one, other = (detector.judge(frame([*history, value])) for value in (first, second))
    for name in ("expected", "lower", "upper", "history", "last"):
        assert np.array_equal(getattr(one, name)[0, -1], getattr(other, name)[0, -1], equal_nan=True), name


@every
@given(given_frame=FRAMES)
@settings(max_examples=40, deadline=None)
def test_an_anomaly_is_a_value_outside_its_band(detector: Detector, given_frame: tuple[Any, Any, Any]) -> None:
    made = frame(*given_frame)
    verdicts = detector.judge(made)
    with np.errstate(invalid="ignore"):
        outside = (made.values < verdicts.lower) | (made.values > verdicts.upper)
    assert np.array_equal(verdicts.severity > 0, outside)
    assert not (verdicts.lower > verdicts.upper).any()
    assert set(np.unique(verdicts.severity)) <= {int(s) for s in Severity}
    for is_anomaly, reason in zip(outside.flat, verdicts.reason.flat, strict=True):
        assert Reason(int(reason)).label in ({"point", "threshold"} if is_anomaly else {"normal", "insufficient_history", "undefined"})


@every
@given(given_frame=FRAMES)
@settings(max_examples=20, deadline=None)
def test_many_series_at_once_are_judged_as_each_alone(detector: Detector, given_frame: tuple[Any, Any, Any]) -> None:
    values, kinds, bad = given_frame
    together = detector.judge(frame(values, kinds, bad))
    for i in range(len(values)):
        alone = detector.judge(frame([values[i]], [kinds[i]], [bad[i]]))
        for period in range(len(values[i])):
            assert_equal(column(together, i, period), column(alone, 0, period), f"series {i}, period {period}")


@every
@given(given_frame=FRAMES, data=st.data())
@settings(max_examples=20, deadline=None)
def test_what_is_judged_beside_a_point_makes_no_difference(
    detector: Detector, given_frame: tuple[Any, Any, Any], data: st.DataObject
) -> None:
    every_point = frame(*given_frame)
    cells = st.lists(st.booleans(), min_size=every_point.values.size, max_size=every_point.values.size)
    some = np.array(data.draw(cells)).reshape(every_point.values.shape)
    all_of_them, few = detector.judge(every_point), detector.judge(frame(*given_frame, judge=some))
    for series, period in np.argwhere(some):
        assert_equal(column(all_of_them, series, period), column(few, series, period), f"series {series}, period {period}")


@every
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "values",
    [
        [1.0] * 40,
        [0.0] * 40,
        [math.nan] * 40,
        [5.0],
        [math.nan],
        [1e300, -1e300] * 20,
        [1.7e308] * 39 + [-1.7e308],
        [5e-324] * 39 + [1.0],
        [1.0] * 20 + [math.nan] * 19 + [1.0],
        [math.nan] * 39 + [1.0],
        list(range(40)),
    ],
    ids=["constant", "zero", "nan", "one", "one_nan", "huge", "overflow", "tiny", "gap", "first", "trend"],
)
@pytest.mark.filterwarnings("error")
def test_no_series_makes_a_detector_crash_warn_or_answer_nonsense(detector: Detector, values: list[float], kind: str) -> None:
    made = frame(values, [kind])
    verdicts = detector.judge(made)
    undefined = np.isnan(made.values)
    assert np.array_equal(verdicts.reason == int(Reason.UNDEFINED), undefined)
    assert (verdicts.severity[undefined] == 0).all()
    history = verdicts.reason == int(Reason.INSUFFICIENT_HISTORY)
    assert np.isnan(verdicts.score[history]).all()
    assert (verdicts.severity[history] == 0).all()
    judged = ~undefined & ~history
    bounds = np.stack([verdicts.lower, verdicts.upper])[:, judged]
    assert not np.isnan(bounds).all(axis=0).any(), "a judged point has a limit"


@every
@pytest.mark.parametrize("n", [math.nan, 0.0, 1.0, 1e12])
@pytest.mark.filterwarnings("error")
def test_any_number_of_rows_behind_a_value_will_do(detector: Detector, n: float) -> None:
    verdicts = detector.judge(frame([0.5, 0.4] * 10, ["ratio"], n=[[n] * 20]))
    assert not (verdicts.lower > verdicts.upper).any()


@every
def test_a_constant_series_is_no_anomaly_and_its_jump_is(detector: Detector) -> None:
    verdicts = detector.judge(frame([1.0] * 30 + [1e6, -1e6]))
    assert (verdicts.severity[0, :30] == 0).all()
    assert (verdicts.severity[0, 30:] > 0).any()


@every
@pytest.mark.filterwarnings("error")
def test_history_is_what_was_seen(detector: Detector) -> None:
    values = [1.0, math.nan, 2.0, 3.0, math.nan, 2.0, 1.0, 2.0, 3.0, 4.0, 2.0, 1.0]
    verdicts = detector.judge(frame(values))
    for i in range(len(values)):
        seen = [j for j in range(i) if not math.isnan(values[j]) and (detector.lookback is None or j >= i - detector.lookback)]
        assert verdicts.history[0, i] == len(seen)
        assert verdicts.last[0, i] == (seen[-1] if seen else -1)


@every
def test_parameters_are_json_and_say_everything(detector: Detector) -> None:
    said = detector.parameters()
    assert json.loads(json.dumps(said, allow_nan=False)) == dict(said)
    assert set(said) == {field.name for field in fields(detector)}, "all of them: verdicts are kept with what decided them"
    again = type(detector)(**said)
    assert again.parameters() == said


@every
def test_a_replay_answers_a_row_per_row(detector: Detector) -> None:
    series = pd.DataFrame({"ts": pd.date_range("2013-01-01", periods=40), "value": [1.0, 2.0, None, math.inf] * 10})
    replayed = detector.replay(series)
    assert replayed.columns.tolist() == [
        "ts",
        "value",
        "expected",
        "lower",
        "upper",
        "score",
        "is_anomaly",
        "severity",
        "reason",
        "history",
    ]
    assert replayed["ts"].tolist() == series["ts"].tolist()
    assert replayed["reason"].tolist()[2::4] == ["undefined"] * 10
    assert replayed["is_anomaly"].dtype == bool
    with pytest.raises(SpecError, match="ascending"):
        detector.replay(series[::-1])
    with pytest.raises(SpecError, match="once"):
        detector.replay(pd.concat([series, series.tail(1)]))


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.name)
def test_every_detector_is_documented_and_found_by_name(detector: type[Detector]) -> None:
    assert detector.__doc__
    assert ":param" in detector.__doc__
    assert ">>>" in detector.__doc__
    try:
        assert isinstance(as_detector(detector.name), detector)
    except SpecError:
        assert {} not in CHOICES[detector.name], "a detector that needs parameters says which"
