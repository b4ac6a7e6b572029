"""Which earlier periods a period is compared with, told from nothing but which periods there are."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow_lupus.metric_sets.drift import Baseline


def reference_of(baseline: Baseline, start: int, starts: Sequence[int], labels: Mapping[int, str | None]) -> Sequence[int]:
    """The periods that a period is compared with; none where there are not enough.

    :param starts: of all periods that have rows, in order.
    :param labels: what each was measured under.

    >>> from airflow_lupus.metric_sets.drift import Baseline
    >>> starts, versions = [1, 2, 3, 4], {1: "a", 2: "a", 3: "b", 4: "b"}
    >>> [reference_of(Baseline(first=2), start, starts, {}) for start in starts]
    [(), (), [1, 2], [1, 2]]
    >>> [reference_of(Baseline(last=2), start, starts, {}) for start in starts]
    [(), (), [1, 2], [2, 3]]
    >>> [reference_of(Baseline(label={"version": "previous"}), start, starts, versions) for start in starts]
    [(), (), [1, 2], [1, 2]]
    """
    if baseline.first is not None:
        first = starts[: baseline.first]
        return first if len(first) == baseline.first and start > first[-1] else ()
    earlier = starts[: bisect_left(starts, start)]
    if baseline.last is not None:
        return earlier[-baseline.last :] if len(earlier) >= baseline.last else ()
    own = labels.get(start)
    previous = next((labels[each] for each in reversed(earlier) if labels.get(each) not in {own, None}), None)
    return [each for each in earlier if labels.get(each) == previous] if own is not None and previous is not None else ()


def following(baseline: Baseline, fresh: Collection[int], starts: Sequence[int]) -> list[int]:
    """The periods whose points follow from those that were measured just now: these themselves, and later ones.

    :param starts: of all periods that have rows, in order.

    >>> from airflow_lupus.metric_sets.drift import Baseline
    >>> following(Baseline(last=2), [2], [1, 2, 3, 4, 5])
    [2, 3, 4]
    >>> following(Baseline(first=2), [4], [1, 2, 3, 4, 5]), following(Baseline(first=2), [2], [1, 2, 3, 4, 5])
    ([4], [1, 2, 3, 4, 5])
    """
    own = set(fresh) & set(starts)
    if baseline.last is not None:
        for start in fresh:
            after = bisect_right(starts, start)
            own.update(starts[after : after + baseline.last])
    elif baseline.label is not None:
        own.update(starts[bisect_left(starts, min(fresh)) :])
    elif baseline.first is not None and (len(starts) < baseline.first or min(fresh) <= starts[baseline.first - 1]):
        own = set(starts)
    return sorted(own)
