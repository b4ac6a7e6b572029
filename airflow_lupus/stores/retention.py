"""How long a dataset keeps what: as its collect task says it, and as the instants that this comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_lupus.exceptions import SpecError, did_you_mean
from airflow_lupus.model import from_epoch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_lupus.model import Grain

DAY = 86_400
KEPT = ("points", "verdicts", "bands", "revisions", "partials")
"""What `retention` may limit."""
ROLL_UP = "roll_up"
COARSER = ("week", "month")
"""What points may be rolled up to …"""
ROLLED = ("hour", "day")
"""… of datasets with these grains: weeks are no parts of months."""
BY_DEFAULT = 90
"""Days for settled deliveries, and for the lines of measurements that nothing refers to any more."""


def check_retention(retention: Mapping[str, int | str], unit: str | None = None) -> None:
    """Raise for something that is not kept, or not for whole days, and for a roll-up that cannot be.

    :param unit: the dataset's grain.

    >>> check_retention({"points": 730, "verdicts": 365, "roll_up": "month"}, "day")
    """
    if ROLL_UP in retention:
        _check_roll_up(retention, unit)
    for what, days in retention.items():
        if what == ROLL_UP:
            continue
        if what not in KEPT:
            msg = f"retention of {what!r}: {did_you_mean(what, (*KEPT, ROLL_UP))}"
            raise SpecError(msg)
        if isinstance(days, bool) or not isinstance(days, int) or days < 1:
            msg = f"retention of {what!r} is a number of whole days above 0, not {days!r}"
            raise SpecError(msg)


def _check_roll_up(retention: Mapping[str, int | str], unit: str | None) -> None:
    coarser, points, partials = (retention.get(what) for what in (ROLL_UP, "points", "partials"))
    if coarser not in COARSER:
        msg = f"retention rolls up to a {' or a '.join(COARSER)}, not to {coarser!r}"
        raise SpecError(msg)
    if points is None:
        msg = f'retention rolls up to a {coarser} what is older than "points" says: give it a number of days'
        raise SpecError(msg)
    if unit is not None and unit not in ROLLED:
        msg = f"retention cannot roll up {unit}s to a {coarser}: only {' and '.join(f'{each}s' for each in ROLLED)}"
        raise SpecError(msg)
    if isinstance(points, int) and isinstance(partials, int) and partials < points:
        msg = f"retention keeps partials for {partials} days, but points are rolled up after {points}: keep them at least as long"
        raise SpecError(msg)


@dataclass(frozen=True)
class Limits:
    """Up to when (epoch seconds, exclusive) things of a dataset go; None: they are kept for ever."""

    points: int | None
    verdicts: int | None
    """Never before `points`: a verdict without its point means nothing."""
    bands: int | None
    """Ordinary verdicts before this keep their band alone."""
    revisions: int | None
    """Of what was replaced before this; what was known of pruned points goes with them."""
    log: int
    """Settled deliveries, and measurements that nothing refers to."""
    partials: int | None = None
    """Never before `points`, without which they are of no use; nor, where these are rolled up, after them."""

    @classmethod
    def of(cls, retention: Mapping[str, int | str], now: int, *, before: int | None = None, roll_up: Grain | None = None) -> Limits:
        """The limits at an instant.

        :param before: the limit of points, whatever the retention says of them.
        :param roll_up: what points are rolled up to: those of a period that is not over by then stay until it is.
        """
        limit = {what: now - days * DAY for what, days in retention.items() if isinstance(days, int)}
        points = limit.get("points") if before is None else before
        if roll_up is not None and points is not None:
            points = roll_up.containing(from_epoch(points)).epoch
        verdicts = max((at for at in (points, limit.get("verdicts")) if at is not None), default=None)
        partials = max((at for at in (points, limit.get("partials")) if at is not None), default=None)
        if roll_up is not None and points is not None:
            partials = points
        return cls(points, verdicts, limit.get("bands"), limit.get("revisions"), now - BY_DEFAULT * DAY, partials)
