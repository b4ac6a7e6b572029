"""How long a dataset keeps what: as its collect task says it, and as the instants that this comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_lupus.exceptions import SpecError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = 86_400
KEPT = ("points", "verdicts", "bands", "revisions")
"""What `retention` may limit."""
BY_DEFAULT = 90
"""Days for settled deliveries, and for the lines of measurements that nothing refers to any more."""


def check_retention(retention: Mapping[str, int]) -> None:
    """Raise for something that is not kept, or not for whole days.

    >>> check_retention({"points": 730, "verdicts": 365})
    """
    for what, days in retention.items():
        if what not in KEPT:
            msg = f"retention of {what!r}: {did_you_mean(what, KEPT)}"
            raise SpecError(msg)
        if isinstance(days, bool) or not isinstance(days, int) or days < 1:
            msg = f"retention of {what!r} is a number of whole days above 0, not {days!r}"
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

    @classmethod
    def of(cls, retention: Mapping[str, int], now: int, *, before: int | None = None) -> Limits:
        """The limits at an instant.

        :param before: the limit of points, whatever the retention says of them.
        """
        limit = {what: now - days * DAY for what, days in retention.items()}
        points = limit.get("points") if before is None else before
        verdicts = max((at for at in (points, limit.get("verdicts")) if at is not None), default=None)
        return cls(points, verdicts, limit.get("bands"), limit.get("revisions"), now - BY_DEFAULT * DAY)
