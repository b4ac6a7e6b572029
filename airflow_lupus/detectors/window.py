"""Deviation from recent periods."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from airflow_lupus.detectors.base import BOUNDED_BELOW, Detector, Frame, Verdicts, graded, noise_floor
from airflow_lupus.exceptions import SpecError, did_you_mean
from airflow_lupus.model import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

CENTERS = ("median", "mean")
SPREADS = ("mad", "sigma", "percent")
BAD = {"up": 1, "down": -1, "both": 0}
DIRECTIONS = ("auto", "both", "up", "down")
MAD_TO_SIGMA = 1.4826
"""1 / Φ⁻¹(¾): makes the median absolute deviation of normal values their standard deviation."""
MEAN_TO_SIGMA = 1.2533
"""√(π/2): the same for the mean absolute deviation."""
OUTLIER = 3.5
"""Points of the window farther from its median than this many robust σ do not enter mean and σ."""
LARGEST = 1e150
"""Baselines see larger values as this, so that their squares and sums stay finite."""
_CHUNK = 4_000_000
"""Window values in memory at once."""


@dataclass(frozen=True)
class Window(Detector):
    """A value is an anomaly when it is farther than a threshold from the mean or median of the last `periods` periods.

    The window is [t − periods, t), so the judged value is never in its own baseline. Anomalies behind it do not poison it: points more
    than 3.5 robust σ from the window's median (Hampel's identifier) enter neither mean nor σ. A new level is accepted once it fills
    half of the window. σ is never less than the metric's kind allows (`noise_floor`).

    :param periods: the window's length in periods of the series' grain; gaps count.
    :param center: `median` or `mean` (of what is not an outlier).
    :param spread: `mad` (1.4826 × the median absolute deviation, or 1.2533 × the mean one where that is 0), `sigma` (standard deviation of
        what is not an outlier) or `percent` (of the center).
    :param threshold: in σ, or in percent: by default 3.5 σ or 30 %. Major begins at 1.43 × it, critical at 2.29 ×.
    :param direction: `up`, `down`, `both`, or `auto`: up for metrics of which only a rise is bad, such as null_ratio.
    :param min_history: fewer points in the window than this are `insufficient_history`.

    Source: F. R. Hampel, "The Influence Curve and its Role in Robust Estimation", J. Am. Stat. Assoc. 69 (1974); B. Iglewicz and
    D. Hoaglin, "How to Detect and Handle Outliers" (1993) for the mean where the median is 0.

    >>> import pandas as pd
    >>> series = pd.DataFrame({"ts": pd.date_range("2013-02-01", periods=10), "value": [10.0, 11, 9, 10, 12, 8, 10, 11, 40, 10]})
    >>> verdicts = Window(periods=7).replay(series)
    >>> verdicts["is_anomaly"].tolist().index(True), verdicts["reason"][0]
    (8, 'insufficient_history')
    """

    periods: int = 28
    center: str = "median"
    spread: str = "mad"
    threshold: float | None = None
    direction: str = "auto"
    min_history: int = 7
    name: ClassVar[str] = "window"

    def __post_init__(self) -> None:
        choices = {"center": (self.center, CENTERS), "spread": (self.spread, SPREADS), "direction": (self.direction, DIRECTIONS)}
        for what, (value, valid) in choices.items():
            if value not in valid:
                msg = f"Window: unknown {what} {value!r}: {did_you_mean(value, valid)}"
                raise SpecError(msg)
        if not 2 <= self.min_history <= self.periods:
            msg = f"Window: min_history must be from 2 to periods={self.periods}, not {self.min_history}"
            raise SpecError(msg)
        if not 0 < self.limit < math.inf:
            msg = f"Window: threshold must be above 0 and finite, not {self.threshold}"
            raise SpecError(msg)

    @property
    def limit(self) -> float:
        """The threshold in force, in σ or percent."""
        if self.threshold is not None:
            return self.threshold
        return 30.0 if self.spread == "percent" else 3.5

    @property
    def lookback(self) -> int:
        return self.periods

    def parameters(self) -> Mapping[str, Any]:
        return {
            "periods": self.periods,
            "center": self.center,
            "spread": self.spread,
            "threshold": self.limit,
            "direction": self.direction,
            "min_history": self.min_history,
        }

    def judge(self, frame: Frame) -> Verdicts:
        series, periods = frame.values.shape
        verdicts = Verdicts.blank((series, periods))
        padded = np.pad(np.clip(frame.values, -LARGEST, LARGEST), ((0, 0), (self.periods, 0)), constant_values=np.nan)
        columns = frame.columns()
        step = max(1, _CHUNK // (max(1, series) * self.periods))
        for i in range(0, len(columns), step):
            self._judge(frame, verdicts, padded, columns[i : i + step])
        return verdicts

    def _judge(self, frame: Frame, verdicts: Verdicts, padded: np.ndarray, columns: np.ndarray) -> None:
        # past[s, c, k] is the value k − periods before column c, so column c itself is not in it
        past = padded[:, columns[:, None] + np.arange(self.periods)]
        values = frame.values[:, columns]
        history = np.isfinite(past).sum(axis=2)
        enough = history >= self.min_history
        center, sigma = self._baseline(np.where(enough[..., None], past, 0.0))
        kinds = np.broadcast_to(frame.kinds[:, None], values.shape)
        if self.spread == "percent":
            reach = np.abs(center) * self.limit / 100
            score = np.full(values.shape, np.nan)
        else:
            sigma = np.maximum(sigma, noise_floor(kinds, center, frame.n[:, columns]))
            reach = sigma * self.limit
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                score = (values - center) / sigma
        lower, upper = self._limits(frame, kinds, center, reach)
        outside = enough & ((values < lower) | (values > upper))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            excess = np.where(outside, np.abs(values - center) / reach, 0.0)
        excess[outside] = np.maximum(excess[outside], np.nextafter(1, 2))  # outside the band is an anomaly, whatever rounding says
        verdicts.expected[:, columns] = np.where(enough, center, np.nan)
        verdicts.lower[:, columns] = np.where(enough, lower, np.nan)
        verdicts.upper[:, columns] = np.where(enough, upper, np.nan)
        verdicts.score[:, columns] = np.where(enough, score, np.nan)
        verdicts.severity[:, columns] = graded(excess)
        reason = np.where(outside, int(Reason.POINT), np.where(enough, int(Reason.NORMAL), int(Reason.INSUFFICIENT_HISTORY)))
        verdicts.reason[:, columns] = np.where(np.isnan(values), int(Reason.UNDEFINED), reason)
        verdicts.history[:, columns] = history
        newest = self.periods - 1 - np.argmax(np.isfinite(past)[..., ::-1], axis=2)
        verdicts.last[:, columns] = np.where(history > 0, columns[None, :] - self.periods + newest, -1)

    def _baseline(self, past: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Center and σ of each window, outliers aside."""
        median = np.nanmedian(past, axis=2)
        distance = np.abs(past - median[..., None])
        mad = MAD_TO_SIGMA * np.nanmedian(distance, axis=2)
        # More than half of the window is one value, as with medians of whole minutes: the mean distance still tells something.
        mad = np.where(mad == 0, MEAN_TO_SIGMA * np.nanmean(distance, axis=2), mad)
        if (self.center, self.spread) in {("median", "mad"), ("median", "percent")}:
            return median, mad
        ordinary = np.where(distance <= OUTLIER * mad[..., None], past, np.nan)
        center = np.nanmean(ordinary, axis=2) if self.center == "mean" else median
        if self.spread != "sigma":
            return center, mad
        kept = np.isfinite(ordinary).sum(axis=2)
        mean = np.nanmean(ordinary, axis=2)
        variance = np.nansum((ordinary - mean[..., None]) ** 2, axis=2) / np.maximum(kept - 1, 1)
        return center, np.sqrt(variance)

    def _limits(self, frame: Frame, kinds: np.ndarray, center: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The band; a side that is not judged is as wide as values can be: open, 0 for what cannot be negative, 1 for ratios."""
        bounded = np.isin(kinds, list(BOUNDED_BELOW))
        least = np.where(bounded, 0.0, -np.inf)
        most = np.where(kinds == "ratio", 1.0, np.inf)
        bad = np.broadcast_to(frame.bad[:, None], kinds.shape) if self.direction == "auto" else BAD[self.direction]
        only_up, only_down = bad == 1, bad == -1
        lower = np.where(only_up, least, np.maximum(center - reach, least))
        upper = np.where(only_down, most, np.minimum(center + reach, most))
        return lower, upper
