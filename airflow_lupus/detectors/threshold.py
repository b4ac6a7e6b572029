"""Fixed limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from airflow_lupus.detectors.base import Detector, Frame, Verdicts
from airflow_lupus.exceptions import SpecError
from airflow_lupus.model import Reason, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Threshold(Detector):
    """A value above `upper` or below `lower` is an anomaly of the given severity; needs no history.

    :param upper: in the metric's own scale: a ratio's 0.3 is 30 %.
    :param lower: likewise.
    :param severity: `warning`, `major` or `critical`.

    >>> import pandas as pd
    >>> series = pd.DataFrame({"ts": pd.date_range("2013-02-07", periods=3), "value": [0.02, 0.51, 0.57]})
    >>> Threshold(upper=0.3, severity="critical").replay(series, kind="ratio")["severity"].tolist()
    [None, 'critical', 'critical']
    """

    upper: float | None = None
    lower: float | None = None
    severity: str = "critical"
    name: ClassVar[str] = "threshold"

    def __post_init__(self) -> None:
        Severity.parse(self.severity)
        limits = [limit for limit in (self.lower, self.upper) if limit is not None]
        if not limits or not all(math.isfinite(limit) for limit in limits):
            msg = "Threshold needs an upper or a lower limit, as a finite number"
            raise SpecError(msg)
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            msg = f"Threshold: lower={self.lower} is above upper={self.upper}"
            raise SpecError(msg)

    @property
    def lookback(self) -> int:
        return 0

    def parameters(self) -> Mapping[str, Any]:
        return {"upper": self.upper, "lower": self.lower, "severity": self.severity}

    def judge(self, frame: Frame) -> Verdicts:
        verdicts = Verdicts.blank(frame.values.shape)
        outside = np.zeros(frame.values.shape, dtype=bool)
        if self.upper is not None:
            verdicts.upper[:] = self.upper
            outside |= frame.values > self.upper
        if self.lower is not None:
            verdicts.lower[:] = self.lower
            outside |= frame.values < self.lower
        verdicts.severity[outside] = int(Severity.parse(self.severity))
        verdicts.reason[outside] = int(Reason.THRESHOLD)
        verdicts.reason[np.isnan(frame.values)] = int(Reason.UNDEFINED)
        return verdicts
