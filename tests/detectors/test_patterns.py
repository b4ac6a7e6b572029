"""Which detectors judge which metric."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_lupus.detectors import Threshold, Window
from airflow_lupus.detectors.patterns import Rules
from airflow_lupus.exceptions import SpecError

W, T = Window(), Threshold(upper=1.0)


@pytest.mark.parametrize(
    ("patterns", "name", "winner"),
    [
        (["*"], "dep_time.avg", "*"),
        (["*"], "*.row_count", "*"),
        (["*", "dep_time.*"], "dep_time.avg", "dep_time.*"),
        (["*", "dep_time.*"], "arr_time.avg", "*"),
        (["*", "*.avg"], "dep_time.avg", "*.avg"),
        (["dep_time.*", "*.avg", "dep_time.avg"], "dep_time.avg", "dep_time.avg"),
        (["*", "*.row_count"], "*.row_count", "*.row_count"),
        (["*", "dep_*.*"], "dep_time.avg", "dep_*.*"),
        (["*.avg", "dep_*.avg"], "dep_time.avg", "dep_*.avg"),
        (["dep_*.*", "dep_time.*"], "dep_time.avg", "dep_time.*"),
        (["*.p9?"], "age.p95", "*.p9?"),
        (["*.p99.9", "*"], "age.p99.9", "*.p99.9"),
        (["age.p99.9", "*"], "age.p99.9", "age.p99.9"),
        (["address.city.unique", "*"], "address.city.unique", "address.city.unique"),
        (["address.city.*", "*"], "address.city.unique", "address.city.*"),
        (["*.unique", "*"], "address.city.unique", "*.unique"),
        (["a[1].avg", "*"], "a[1].avg", "a[1].avg"),
        (["dep_time.avg"], "arr_time.avg", None),
        (["Dep_time.*"], "dep_time.avg", None),
    ],
)
def test_the_most_specific_pattern_judges(patterns: list[str], name: str, winner: str | None) -> None:
    for order in (patterns, patterns[::-1]):
        rule = Rules(dict.fromkeys(order, W)).rule_for(name)
        assert (rule.pattern if rule else None) == winner


@pytest.mark.parametrize(
    ("patterns", "both"),
    [
        (("dep_time.*", "*.avg"), "dep_time.avg"),
        (("dep_*.avg", "*_time.avg"), "narrow one of them"),
        (("dep_time.*", "*_time.p95"), "dep_time.p95"),
    ],
)
def test_a_tie_is_an_error_at_parse_that_says_how_to_resolve_it(patterns: tuple[str, str], both: str) -> None:
    with pytest.raises(SpecError) as error:
        Rules(dict.fromkeys(patterns, W))
    assert "equally specific" in str(error.value)
    assert all(word in str(error.value) for word in (*patterns, both)), error.value


def test_what_the_error_of_a_tie_advises_works() -> None:
    rules = Rules({"dep_time.*": W, "*.avg": T, "dep_time.avg": W})
    assert rules.rule_for("dep_time.avg").pattern == "dep_time.avg"
    rules.refuse_unmatched(["dep_time.null_ratio", "dep_delay.avg"], "flights")  # even where no metric is both


def test_patterns_that_no_name_could_match_both_are_no_tie() -> None:
    Rules({"dep_time.*": W, "arr_time.*": T, "*": W})
    Rules({"*.avg": W, "*.p95": T})


def test_a_table_metric_is_of_no_column_and_ties_with_none() -> None:
    rules = Rules({"*": W, "*.row_count": T, "dep_time.*": W})
    assert rules.rule_for("*.row_count").pattern == "*.row_count"
    assert rules.rule_for("dep_time.avg").pattern == "dep_time.*"


@pytest.mark.parametrize(
    ("detectors", "words"),
    [
        ({}, ["detectors names none"]),
        ({"*": []}, ["detectors['*']", "empty list"]),
        ({"null_ratio": W}, ["'null_ratio'", "'*.null_ratio'", "'null_ratio.*'"]),
        ({"*": "windw"}, ["detectors['*']", "'windw'", "'window'"]),
        ({"*": Window}, ["detectors['*']", "not a detector"]),
        ({"*": [W, 3]}, ["3 is not a detector"]),
    ],
)
def test_wrong_detectors_fail_at_parse(detectors: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SpecError) as error:
        Rules(detectors)
    assert all(word in str(error.value) for word in words), error.value


def test_a_pattern_that_matches_nothing_names_the_closest() -> None:
    names = ["dep_time.null_ratio", "dep_delay.avg", "*.row_count"]
    with pytest.raises(SpecError, match=r"detectors\['dep_time.null_ration'\] .* 'flights': did you mean 'dep_time.null_ratio'"):
        Rules({"*": W, "dep_time.null_ration": T}).refuse_unmatched(names, "flights")
    with pytest.raises(SpecError, match="matches no metric"):
        Rules({"*": W, "*.p95": T}).refuse_unmatched(names, "flights")
    Rules({"*": W, "*.row_count": T, "dep_time.*": T}).refuse_unmatched(names, "flights")


def test_a_detectors_slot_keeps_its_name_while_its_parameters_change() -> None:
    first = Rules({"*": [Window(), Window(periods=7)], "dep_time.null_ratio": ["window", T]})
    second = Rules({"*": [Window(periods=14), Window()], "dep_time.null_ratio": [Window(threshold=5.0), Threshold(lower=0.0)]})
    names = [name for name, _, _ in first.slots()]
    assert names == ["*:window", "*:window-2", "dep_time.null_ratio:window", "dep_time.null_ratio:threshold"]
    assert [name for name, _, _ in second.slots()] == names
