"""From the primitives that metrics need to the few passes over the data that give them: the same for every engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_lupus.metrics.base import COUNTS, ENDS, M3, M4, ROWS
from airflow_lupus.metrics.merging import with_beside
from airflow_lupus.metrics.operands import Aggregate, Column, Elements, Function, Ranked, Rows

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from airflow_lupus.metrics import Primitive
    from airflow_lupus.metrics.base import Need
    from airflow_lupus.metrics.operands import Operand

COUNTING = frozenset({"distinct", "nlogn", "counts"})
"""Primitives that only how often each value is there can tell."""
FOLLOWING = COUNTING | {"present", "valid"}
"""Primitives that follow from it whatever the values are."""


@dataclass
class Counted:
    """Values of an operand and how often each is there.

    :param firsts: of lists, how many elements of each to count: once for each number, None being all.
    """

    firsts: list[int | None] = field(default_factory=list)
    fetched: bool = False
    """Whether values and counts are needed themselves."""
    needs: list[Need] = field(default_factory=list)
    """What is made of them."""

    def add(self, need: Need) -> None:
        self.fetched = self.fetched or need[1] == COUNTS
        first = getattr(need[0], "first", None)
        if first not in self.firsts:
            self.firsts.append(first)
        self.needs.append(need)


@dataclass
class Plan:
    """The passes of a scan."""

    scalars: list[Need] = field(default_factory=list)
    """Of rows, in one query by group."""
    elements: dict[str, list[Need]] = field(default_factory=dict)
    """List column → of its elements, in one query by group."""
    counted: dict[Operand, Counted] = field(default_factory=dict)
    """Operand, of lists all elements → in one query by group and value; each in one of its own."""
    quantiles: dict[Operand, list[Primitive]] = field(default_factory=dict)
    """Operand → in one query by group and in total."""
    ranked: dict[Ranked, list[Need]] = field(default_factory=dict)
    """Scores → in one query by group and in total."""
    own: list[Aggregate | Function] = field(default_factory=list)
    """What users define, each in a query of its own, so that one that fails leaves the others."""
    powers: list[Need] = field(default_factory=list)
    """Third and fourth moments, in one more query over rows or over a list column's elements: they need the mean first."""


def base(operand: Operand) -> Operand:
    """What an operand's values are counted of: of the first elements of lists, all of them."""
    return Elements(operand.name) if isinstance(operand, Elements) else operand


def wants_counts(needs: Sequence[Need]) -> list[Operand]:
    """What comes cheaper from how often each value is there, if different values are few: quantiles, and anything of elements."""
    return list(
        dict.fromkeys(
            base(operand)
            for operand, primitive in needs
            if isinstance(operand, Elements) or (primitive.name == "quantile" and isinstance(operand, Column))
        )
    )


def planned(needs: Sequence[Need], few: Collection[Operand] = ()) -> Plan:
    """The passes for these primitives.

    :param few: of `wants_counts` those with few different values.
    """
    plan = Plan()
    counted = {base(operand) for operand, primitive in needs if primitive.name in COUNTING}
    for operand, primitive in with_beside([(Rows(), ROWS), *needs]):
        whole = base(operand)
        if primitive == ENDS:  # known without looking
            continue
        if primitive == ROWS and not isinstance(operand, Elements):
            plan.scalars.append((Rows(), ROWS))
        elif whole in few or (whole in counted and (primitive.name in FOLLOWING or primitive == ROWS)):
            plan.counted.setdefault(whole, Counted(fetched=whole in few)).add((operand, primitive))
        elif isinstance(operand, Aggregate | Function):
            plan.own += [] if operand in plan.own else [operand]
        elif isinstance(operand, Ranked):
            plan.ranked.setdefault(operand, []).append((operand, primitive))
        elif primitive.name == "quantile":
            plan.quantiles.setdefault(operand, []).append(primitive)
        elif primitive in {M3, M4}:
            plan.powers.append((operand, primitive))
        elif isinstance(operand, Elements):
            plan.elements.setdefault(operand.name, []).append((operand, primitive))
        else:
            plan.scalars.append((operand, primitive))
    plan.scalars = list(dict.fromkeys(plan.scalars))
    return plan
