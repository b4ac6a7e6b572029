"""What a detector is: it judges points of many series at once, each from what came before it and never from itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from airflow_lupus.exceptions import MissingExtra, SpecError
from airflow_lupus.model import Reason, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

BOUNDED_BELOW = frozenset({"ratio", "count"})
"""Kinds whose values cannot be negative."""
LADDER = {Severity.WARNING: 1.0, Severity.MAJOR: 5 / 3.5, Severity.CRITICAL: 8 / 3.5}
"""How far beyond a detector's threshold each severity begins: with a threshold of 3.5 σ that is 3.5, 5 and 8 σ."""


@dataclass(frozen=True)
class Frame:
    """Series of one grain on their common calendar: row = series, column = period, NaN = no value.

    `judge` marks what is to be judged; a detector sees every column before a judged one as its past.
    """

    values: np.ndarray
    """float64 of shape (series, periods)."""
    n: np.ndarray
    """Rows behind each value, NaN where unknown."""
    judge: np.ndarray
    """bool of the same shape."""
    kinds: np.ndarray
    """Each series' metric kind, see `airflow_lupus.metrics`."""
    bad: np.ndarray
    """Per series 1 where only a rise is bad, −1 where only a fall is, 0 where both are."""

    def columns(self) -> np.ndarray:
        """The columns in which anything is to be judged."""
        return np.flatnonzero(self.judge.any(axis=0))


@dataclass
class Verdicts:
    """A detector's answer over the whole frame; only what `Frame.judge` marks has a meaning."""

    expected: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    score: np.ndarray
    severity: np.ndarray
    reason: np.ndarray
    history: np.ndarray
    """How many points it saw."""
    last: np.ndarray
    """The column of the newest of them, -1 for none."""

    @classmethod
    def blank(cls, shape: tuple[int, int]) -> Verdicts:
        """Nothing found, nothing known."""
        expected, lower, upper, score = (np.full(shape, np.nan) for _ in range(4))
        severity, reason, history = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        return cls(expected, lower, upper, score, severity, reason, history, last=np.full(shape, -1, dtype=np.int64))


class Detector:
    """Judges points. A subclass is a dataclass of its parameters with one method, `judge`.

    Verdicts follow three rules that the contract suite holds every detector to: a verdict depends on nothing at or after its own
    period; an anomaly is a value outside `[lower, upper]`; too little history is a verdict (`insufficient_history`), not an alarm.
    """

    name: ClassVar[str]

    @property
    def lookback(self) -> int | None:
        """How many periods before a point decide its verdict; None: all of them."""
        return None

    def parameters(self) -> Mapping[str, Any]:
        """What decides its verdicts, as JSON values: kept with each of them."""
        raise NotImplementedError

    def judge(self, frame: Frame) -> Verdicts:
        """Judge what the frame marks."""
        raise NotImplementedError

    def replay(self, frame: pd.DataFrame, *, kind: str = "mean") -> pd.DataFrame:
        """Judge every row of one series as of its own time, to try a detector out.

        :param frame: columns `ts` (ascending, one row per period) and `value`; `n`, the rows behind each value, if known.
        :param kind: the metric's kind (ratio, count, sum, mean, quantile, extreme, spread).
        :returns: one row per row: ts, value, expected, lower, upper, score, is_anomaly, severity, reason, history.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError as error:
            raise MissingExtra("pandas", "pandas") from error

        ts = pd.Series(frame["ts"]).reset_index(drop=True)
        if not ts.is_monotonic_increasing or ts.duplicated().any():
            msg = "replay() needs ts in ascending order with each period once"
            raise SpecError(msg)
        values = frame["value"].to_numpy(dtype=float, na_value=np.nan)[None, :]
        values = np.where(np.isfinite(values), values, np.nan)
        n = frame["n"].to_numpy(dtype=float, na_value=np.nan)[None, :] if "n" in frame else np.full(values.shape, np.nan)
        every = np.ones(values.shape, dtype=bool)
        verdicts = self.judge(Frame(values, n, every, np.array([kind]), np.array([False])))
        severity = verdicts.severity[0]
        return pd.DataFrame(
            {
                "ts": ts,
                "value": values[0],
                "expected": verdicts.expected[0],
                "lower": verdicts.lower[0],
                "upper": verdicts.upper[0],
                "score": verdicts.score[0],
                "is_anomaly": severity > 0,
                "severity": pd.Series([Severity(s).label if s else None for s in severity], dtype=object),
                "reason": [Reason(r).label for r in verdicts.reason[0]],
                "history": verdicts.history[0],
            }
        )


def graded(excess: np.ndarray) -> np.ndarray:
    """Severities for how many times its threshold a deviation is: below 1 none."""
    severity = np.zeros(excess.shape, dtype=np.int64)
    for level, begins in LADDER.items():
        severity[excess > begins] = int(level)
    return severity


def noise_floor(kinds: np.ndarray, level: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The least standard deviation that a metric of a kind can honestly have around a level, so that a quiet past does not make
    every crumb an alarm.

    A ratio of n rows varies as a binomial share does, a count as a Poisson variable, anything else by half a percent of itself:

    - ratio: √(0.002²·(4·min(p, 1−p) + 0.02) + 0.7·p̃·(1−p̃)/n), with p̃ = (p·n + ½)/(n + 1); without n: as for 1,000 rows
    - count: max(0.85·√(μ + ⅜), 0.01·μ)
    - others: 0.005·|level|

    :param kinds: one per series.
    :param level: the expected value, shape (series,).
    :param n: rows behind the judged value, shape (series,).
    """
    share = np.clip(level, 0, 1)
    rows = np.where(np.isfinite(n) & (n > 0), n, 1000.0)
    shrunk = (share * rows + 0.5) / (rows + 1)
    ratio = np.sqrt(0.002**2 * (4 * np.minimum(share, 1 - share) + 0.02) + 0.7 * shrunk * (1 - shrunk) / rows)
    positive = np.maximum(level, 0)
    count = np.maximum(0.85 * np.sqrt(positive + 0.375), 0.01 * positive)
    floor: np.ndarray = np.where(kinds == "ratio", ratio, np.where(kinds == "count", count, 0.005 * np.abs(level)))
    return floor
