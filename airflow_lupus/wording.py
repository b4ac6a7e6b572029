"""Numbers and verdicts in words that a person would say: one wording for Slack, logs and the page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from airflow_lupus.model import ANY_COLUMN, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_lupus.model import DimensionValue


def number(value: float) -> str:
    """A number with the digits it deserves.

    >>> [number(v) for v in (0.01234, 12.345, 1234.5, 48_213_000.0, 0.0, 842.0)]
    ['0.0123', '12.3', '1,234', '48,213,000', '0', '842']
    """
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "NaN")
    if value == 0:
        return "0"
    if abs(value) < 1e-5:
        return f"{value:.3g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(digits, 6)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: float | None, unit: str | None) -> str:
    """A value in its metric's unit.

    >>> quantity(0.574, "ratio"), quantity(842.0, "rows"), quantity(None, "ratio"), quantity(38.25, "minutes")
    ('57 %', '842', 'no value', '38.2 minutes')
    """
    if value is None:
        return "no value"
    if unit == "ratio":
        percent = value * 100
        return f"{percent:.0f} %" if abs(percent) >= 10 or percent == 0 else f"{number(float(f'{percent:.2g}'))} %"
    return number(value) + (f" {unit}" if unit not in {None, "rows", "values"} else "")


def expectation(lower: float | None, upper: float | None, expected: float | None, unit: str | None) -> str:
    """What was expected, as a range where there is one.

    >>> expectation(0.0, 0.061, 0.02, "ratio"), expectation(None, 0.3, None, "ratio")
    ('expected 0–6.1 %', 'expected at most 30 %')
    >>> expectation(-3.0, 1.5, None, "minutes")
    'expected -3 to 1.5 minutes'
    """
    lower, upper = (None if limit is None or math.isinf(limit) else limit for limit in (lower, upper))  # an open side
    if lower is not None and upper is not None:
        low, high = quantity(lower, unit), quantity(upper, unit)
        suffix = low[len(low.split(" ", maxsplit=1)[0]) :]
        if suffix and high.endswith(suffix):
            low = low.removesuffix(suffix)
        return f"expected {low} to {high}" if "-" in low + high else f"expected {low}–{high}"
    if upper is not None:
        return f"expected at most {quantity(upper, unit)}"
    if lower is not None:
        return f"expected at least {quantity(lower, unit)}"
    return f"expected {quantity(expected, unit)}" if expected is not None else "nothing expected yet"


def subject(column: str, metric: str) -> str:
    """What a metric is about.

    >>> subject("*", "row_count"), subject("dep_time", "null_ratio")
    ('row_count', 'dep_time.null_ratio')
    """
    return metric if column == ANY_COLUMN else f"{column}.{metric}"


def group(dimensions: Mapping[str, DimensionValue] | tuple[tuple[str, DimensionValue], ...]) -> str:
    """A group's name; the total has none.

    >>> group({"origin": "JFK", "carrier": None})
    'origin=JFK, carrier=NULL'
    """
    pairs = dimensions if isinstance(dimensions, tuple) else tuple(dimensions.items())
    return ", ".join(f"{name}={'NULL' if value is None else value}" for name, value in pairs)


def sentence(
    column: str,
    metric: str,
    unit: str | None,
    value: float | None,
    *,
    reason: Reason,
    severity: int,
    expected: float | None = None,
    lower: float | None = None,
    upper: float | None = None,
    score: float | None = None,
    history: int | None = None,
) -> str:
    """A verdict as a sentence.

    >>> sentence("dep_time", "null_ratio", "ratio", 0.574, reason=Reason.POINT, severity=3, lower=0.0, upper=0.061, score=41.2)
    '57 % of dep_time is NULL, expected 0–6.1 % (41σ above)'
    """
    if metric == "null_ratio":
        what = f"{quantity(value, unit)} of {column} is NULL" if value is not None else f"null_ratio of {column} has no value"
    else:
        what = f"{subject(column, metric)} is {quantity(value, unit)}" if value is not None else f"{subject(column, metric)} has no value"
    if reason is Reason.INSUFFICIENT_HISTORY:
        return f"{what}; too little history to judge it ({history or 0} points)"
    if reason is Reason.UNDEFINED:
        return what
    if reason is Reason.THRESHOLD and severity:
        above = upper is not None and value is not None and value > upper
        return f"{what}, {'above' if above else 'below'} the limit of {quantity(upper if above else lower, unit)}"
    text = f"{what}, {expectation(lower, upper, expected, unit)}"
    if severity and score is not None and math.isfinite(score):
        text += f" ({abs(score):.0f}σ {'above' if score > 0 else 'below'})"
    return text
