"""How the primitives of groups of rows come to those of all their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from airflow_lupus.metrics.base import COUNTS, ENDS, M2, M3, M4, MAX, MIN, NEGATIVE, PRESENT, ROWS, SUM, VALID, ZERO, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.metrics.base import Array, Need
    from airflow_lupus.metrics.operands import Operand

ADDED = frozenset({ROWS, PRESENT, VALID, ZERO, NEGATIVE, SUM})
MOMENTS = (M2, M3, M4)
MERGING = ADDED | {MIN, MAX, *MOMENTS, COUNTS, ENDS}
"""What is not here has to be computed from the rows."""
BESIDE = {M2: (SUM, VALID), M3: (M2, SUM, VALID), M4: (M3, M2, SUM, VALID)}
"""Primitives without which another does not merge."""


def with_beside(needs: Sequence[Need]) -> list[Need]:
    """The needs, and what these need to merge."""
    return list(dict.fromkeys(each for operand, p in needs for each in ((operand, p), *((operand, other) for other in BESIDE.get(p, ())))))


def merged(state: State, into: Array, size: int) -> State:
    """The state of larger groups, of all primitives that merge.

    :param into: the index of the larger group that each group belongs to.
    :param size: how many larger groups there are.
    """
    arrays: dict[Need, Array] = {}
    for (operand, primitive), values in state.arrays.items():
        if primitive in ADDED:
            arrays[operand, primitive] = np.bincount(into, values, size)
        elif primitive in {MIN, ENDS}:
            arrays[operand, primitive] = _extreme(np.fmin, values, into, size)
        elif primitive == MAX:
            arrays[operand, primitive] = _extreme(np.fmax, values, into, size)
        elif primitive in MOMENTS:
            arrays[operand, primitive] = _moment(state, operand, MOMENTS.index(primitive) + 2, into, size)
    return State(size, arrays, {operand: counts.merged(into) for operand, counts in state.counted.items()})


def _extreme(choose: np.ufunc, values: Array, into: Array, size: int) -> Array:
    found = np.full(size, np.nan)
    choose.at(found, into, values)
    return found


def _moment(state: State, operand: Operand, power: int, into: Array, size: int) -> Array:
    """Σ(x − mean)ᵖ about the mean of all, from the groups' own: Pébay, "Formulas for Robust, One-Pass Parallel Computation of Covariances
    and Arbitrary-Order Statistical Moments" (2008).
    """
    count, total = state.arrays[operand, VALID], state.arrays[operand, SUM]
    with np.errstate(all="ignore"):
        mean = np.where(count > 0, total / count, 0.0)
        whole = np.bincount(into, total, size) / np.bincount(into, count, size)
        off = np.where(count > 0, mean - whole[into], 0.0)
        parts = count * off**power
        if power == 2:
            parts = parts + _moments(state, operand, 2, count)
        elif power == 3:
            parts = parts + _moments(state, operand, 3, count) + 3 * off * _moments(state, operand, 2, count)
        else:
            m2, m3, m4 = (_moments(state, operand, each, count) for each in (2, 3, 4))
            parts = parts + m4 + 4 * off * m3 + 6 * off**2 * m2
    return np.bincount(into, parts, size)


def _moments(state: State, operand: Operand, power: int, count: Array) -> Array:
    return np.where(count > 0, state.arrays[operand, MOMENTS[power - 2]], 0.0)
