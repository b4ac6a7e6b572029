"""Which detectors judge which metric: patterns over `column.metric`, of which the most specific wins."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

from airflow_lupus.exceptions import SpecError, did_you_mean
from airflow_lupus.metrics import CATALOGUE
from airflow_lupus.model import ANY_COLUMN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_lupus.detectors.base import Detector

WILD = frozenset("*?[")
TABLE_METRICS = frozenset(metric.name for metric in CATALOGUE if metric.family == "table" and metric.name)


@dataclass(frozen=True)
class Rule:
    """One pattern with its detectors."""

    pattern: str
    detectors: tuple[Detector, ...]

    @property
    def exact_parts(self) -> tuple[bool, bool]:
        column, _, metric = self.pattern.partition(".")
        if column == ANY_COLUMN and metric in TABLE_METRICS:  # "*.row_count" is not of every column but of the table
            return True, True
        return not WILD & set(column), bool(metric) and not WILD & set(metric)

    @property
    def rank(self) -> int:
        """How specific it is: the number of its parts that name one thing."""
        return sum(self.exact_parts)

    def matches(self, name: str) -> bool:
        """Whether it judges the metric of this name."""
        return self.pattern == name or fnmatchcase(name, self.pattern)

    def within(self, other: Rule) -> bool:
        """Whether the other matches all that this one does, and so is wider."""
        return fnmatchcase(self.pattern, other.pattern)


class Rules:
    """The detectors of a detect task, by pattern.

    `"*"` is every metric, `"dep_time.*"` those of a column, `"*.null_ratio"` one metric of every column, `"dep_time.null_ratio"` one
    metric of one column; table metrics have the column `*`. The most specific pattern replaces the others: the one with more parts that
    name one thing, or the one within the other. Two of which neither is more specific and that could both match are an error.
    """

    def __init__(self, detectors: Mapping[str, Detector | str | Sequence[Detector | str]]) -> None:
        from airflow_lupus.detectors import as_detector

        if not detectors:
            msg = "detectors names none: for example {'*': Window()}"
            raise SpecError(msg)
        self.rules: list[Rule] = []
        for pattern, given in detectors.items():
            items = [given] if isinstance(given, str) or not isinstance(given, list | tuple) else list(given)
            if not items:
                msg = f"detectors[{pattern!r}] is an empty list; leave the pattern out to fall back on a wider one"
                raise SpecError(msg)
            if pattern != "*" and "." not in pattern:
                msg = f"detectors[{pattern!r}]: a pattern is 'column.metric', such as {pattern + '.*'!r} or {'*.' + pattern!r}"
                raise SpecError(msg)
            self.rules.append(Rule(pattern, tuple(as_detector(item, f"detectors[{pattern!r}]") for item in items)))
        self._refuse_ties()

    def _refuse_ties(self) -> None:
        written = {rule.pattern for rule in self.rules}
        for first, second in combinations(self.rules, 2):
            if first.rank != second.rank or first.within(second) or second.within(first) or not overlap(first.pattern, second.pattern):
                continue
            both = f"{_exact(first, second, 0)}.{_exact(first, second, 1)}"
            if both in {first.pattern, second.pattern}:  # "dep_*.avg" and "*_time.avg": no one name would settle it
                msg = f"detectors: {first.pattern!r} and {second.pattern!r} are equally specific and can both match; narrow one of them"
                raise SpecError(msg)
            if both not in written:
                msg = (
                    f"detectors: {first.pattern!r} and {second.pattern!r} are equally specific and can both match {both!r}; "
                    f"say which with {both!r}: …"
                )
                raise SpecError(msg)

    def rule_for(self, name: str) -> Rule | None:
        """The rule that judges the metric of this name, if any does."""
        matching = [rule for rule in self.rules if rule.matches(name)]
        if not matching:
            return None
        best = max(rule.rank for rule in matching)
        first, *others = (rule for rule in matching if rule.rank == best)
        for other in others:  # ties were refused, so that one always lies within the other
            first = other if other.within(first) else first
        return first

    def refuse_unmatched(self, names: Iterable[str], dataset: str) -> None:
        """Raise for a pattern that names a column or metric which the dataset does not have."""
        known = set(names)
        for rule in self.rules:
            settles_a_tie = sum(rule.within(other) for other in self.rules if other.rank == 1) > 1
            if rule.rank and not settles_a_tie and not any(rule.matches(name) for name in known):
                msg = f"detectors[{rule.pattern!r}] matches no metric of dataset {dataset!r}: {did_you_mean(rule.pattern, known)}"
                raise SpecError(msg)

    def slots(self) -> list[tuple[str, Rule, Detector]]:
        """Every detector with a name that stays the same while its parameters change: `dep_time.null_ratio:threshold`."""
        named = []
        for rule in self.rules:
            seen: dict[str, int] = {}
            for detector in rule.detectors:
                seen[detector.name] = seen.get(detector.name, 0) + 1
                suffix = f"-{seen[detector.name]}" if seen[detector.name] > 1 else ""
                named.append((f"{rule.pattern}:{detector.name}{suffix}", rule, detector))
        return named


@lru_cache(maxsize=10_000)
def overlap(first: str, second: str) -> bool:
    """Whether some name matches both patterns; a set `[…]` is taken for any character.

    >>> overlap("dep_*.avg", "*_time.avg"), overlap("a.*", "b.*")
    (True, False)
    """
    if not first or not second:
        return not (first or second).strip("*")
    if first[0] == "[" and "]" in first:
        return overlap("?" + first[first.index("]") + 1 :], second)
    if second[0] == "[" and "]" in second:
        return overlap(second, first)
    if first[0] == "*":
        return overlap(first[1:], second) or overlap(first, second[1:])
    if second[0] == "*":
        return overlap(second, first)
    return (first[0] == second[0] or "?" in {first[0], second[0]}) and overlap(first[1:], second[1:])


def _exact(first: Rule, second: Rule, part: int) -> str:
    """The column (0) or metric (1) that one of two rules names, or how one of them writes it."""
    parts = [(rule.exact_parts[part], rule.pattern.partition(".")[::2][part]) for rule in (first, second)]
    return max(parts)[1] or "*"
