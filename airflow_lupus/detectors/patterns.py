"""Which detectors judge which metric: patterns over `column.metric`, of which the most specific wins."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from airflow_lupus.exceptions import SpecError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_lupus.detectors.base import Detector

WILD = frozenset("*?[")


@dataclass(frozen=True)
class Rule:
    """One pattern with its detectors."""

    pattern: str
    detectors: tuple[Detector, ...]

    @property
    def exact_parts(self) -> tuple[bool, bool]:
        column, _, metric = self.pattern.partition(".")
        return not WILD & set(column), bool(metric) and not WILD & set(metric)

    @property
    def rank(self) -> int:
        """How specific it is: the number of its parts that name one thing."""
        return sum(self.exact_parts)

    def matches(self, name: str) -> bool:
        return self.pattern == name or fnmatchcase(name, self.pattern)


class Rules:
    """The detectors of a detect task, by pattern.

    `"*"` is every metric, `"dep_time.*"` those of a column, `"*.null_ratio"` one metric of every column, `"dep_time.null_ratio"` one
    metric of one column; table metrics have the column `*`. The most specific pattern replaces the others. Two that are equally
    specific and could both match are an error.
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
        one_part = [rule for rule in self.rules if rule.rank == 1]
        for column_rule in (rule for rule in one_part if rule.exact_parts[0]):
            for metric_rule in (rule for rule in one_part if rule.exact_parts[1]):
                column = column_rule.pattern.partition(".")[0]
                metric = metric_rule.pattern.partition(".")[2]
                both = f"{column}.{metric}"
                if column_rule.matches(both) and metric_rule.matches(both) and not any(rule.pattern == both for rule in self.rules):
                    self._tie(column_rule, metric_rule, both)

    def _tie(self, first: Rule, second: Rule, name: str) -> None:
        msg = f"detectors: {first.pattern!r} and {second.pattern!r} are equally specific for {name!r}; say which with {name!r}: …"
        raise SpecError(msg)

    def rule_for(self, name: str) -> Rule | None:
        """The rule that judges the metric of this name, if any does."""
        matching = [rule for rule in self.rules if rule.matches(name)]
        if not matching:
            return None
        best = max(rule.rank for rule in matching)
        winners = [rule for rule in matching if rule.rank == best]
        if len(winners) > 1:
            self._tie(winners[0], winners[1], name)
        return winners[0]

    def refuse_unmatched(self, names: Iterable[str], dataset: str) -> None:
        """Raise for a pattern that names a column or metric which the dataset does not have."""
        known = set(names)
        for rule in self.rules:
            if rule.rank and not any(rule.matches(name) for name in known):
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
