"""What can go wrong, and what a task should do about it: `retry` says whether trying again can help."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class LupusError(Exception):
    """Base of every error that this package raises on purpose."""

    retry = True


class SpecError(LupusError):
    """What the user wrote cannot be meant: a wrong name, a contradiction. Trying again cannot help."""

    retry = False


class DataMissing(LupusError):
    """The data of a period is not there (no file, nothing readable). A retry may find late data."""


class SourceError(LupusError):
    """A source could not be read for a reason of its own: connection refused, permission denied."""


class StoreError(LupusError):
    """The metrics store is out of reach, locked or of another version."""


class StoreConfigError(StoreError):
    """The store's configuration cannot work; trying again cannot help."""

    retry = False


class OwnershipError(LupusError):
    """Two tasks claim the same dataset or series."""

    retry = False


class LimitExceeded(LupusError):
    """A safety limit (`max_groups`, memory) was reached."""

    retry = False


class TooMuchAtOnce(LimitExceeded):
    """These periods need more memory together than there is; fewer of them at once may fit."""


class DeliveryError(LupusError):
    """A message could not be delivered; the next detect tries again."""


class NotConfigured(DeliveryError):
    """There is no connection to deliver to: the message is in the log instead, and not tried again."""

    retry = False


class MissingExtra(LupusError):
    """An optional package is not installed."""

    retry = False

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: pip install 'airflow-lupus[{extra}]'")


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """The part of an error message that names what is valid, closest first.

    >>> did_you_mean("null_ration", ["avg", "null_ratio", "sum"])
    "did you mean 'null_ratio'?"
    >>> did_you_mean("qqq", ["avg", "sum"])
    'valid: avg, sum'
    """
    names = sorted(set(valid))
    close = get_close_matches(word, names, n=3, cutoff=0.6) or get_close_matches(word.lower(), names, n=3, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(repr(name) for name in close) + "?"
    shown = ", ".join(names[:20]) + (f" … ({len(names)} in all)" if len(names) > 20 else "")
    return f"valid: {shown}" if names else "there are none"
