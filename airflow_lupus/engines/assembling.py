"""From the answers of a scan's queries to the state of every group, totals merged of their groups where that can be done."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_lupus.engines.base import Group, Scan
from airflow_lupus.exceptions import LimitExceeded
from airflow_lupus.metrics.base import COUNTS, ENDS, M3, ROWS, SUM, VALID, State
from airflow_lupus.metrics.counting import Counts, Distinct, Hit, Numbers, most_frequent
from airflow_lupus.metrics.merging import merged
from airflow_lupus.metrics.operands import Elements, Hits, Rows
from airflow_lupus.metrics.own import DEFINED, OWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from airflow_lupus.engines.plan import Counted
    from airflow_lupus.metrics import Primitive
    from airflow_lupus.metrics.base import Array, Need
    from airflow_lupus.metrics.operands import Aggregate, Function, Operand
    from airflow_lupus.model import DimensionValue, Period
    from airflow_lupus.specs import MeasureSpec


class Assembly:
    """Gathers the state of the groups that the first query, of scalars, has found.

    :param scalars: its answer, by `p` and `g0` …
    :param needs: what `a0` … in it are.
    """

    def __init__(self, spec: MeasureSpec, periods: Sequence[Period], scalars: pa.Table, needs: Sequence[Need]) -> None:
        self.spec = spec
        self.periods = periods
        self.names = [f"g{i}" for i in range(len(spec.group_columns))]
        self.size = scalars.num_rows
        self.period = _integers(scalars["p"])
        self._values = [_distinct(scalars[name]) for name in self.names]
        code = self._codes(scalars)
        self._order = np.argsort(code)
        self._sorted = code[self._order]
        self._period_order, self.of_period = np.unique(self.period, return_inverse=True)
        self._dimensions = self._as_dimensions(scalars)
        self.state = State(self.size)
        self.totals = State(len(self._period_order))
        """What totals cannot be merged of."""
        self.failures: dict[Operand, dict[int, str]] = {}
        self._check_groups()
        for i, each in enumerate(needs):
            self.state.arrays[each] = _floats(scalars[f"a{i}"], _missing(each[1]))

    def add_elements(self, table: pa.Table, needs: Sequence[Need]) -> None:
        """Take in the answer of a query of elements."""
        where = self._where(table)
        for i, (operand, primitive) in enumerate(needs):
            values = np.full(self.size, _missing(primitive))
            values[where] = _floats(table[f"a{i}"], _missing(primitive))
            self.state.arrays[operand, primitive] = values

    def add_counts(self, table: pa.Table, operand: Operand, counted: Counted, *, numeric: bool) -> None:
        """Take in values and how often each is there, and what follows from them."""
        where = self._where(table)
        values = tuple(_whole(table[name]) for name in table.column_names if name.startswith("v"))
        for j, first in enumerate(counted.firsts):
            own = Elements(operand.name, first) if isinstance(operand, Elements) else operand
            n = _integers(table[f"a{j}"])
            counts = Counts(where, values, n)
            counts = counts if first is None else counts.where(n > 0)
            primitives = [primitive for each, primitive in counted.needs if each == own and primitive != COUNTS]
            if (own, COUNTS) in counted.needs:
                self._check_entities(operand, counts)
                self.state.counted[own] = counts
            self._derive(own, counts, primitives, numeric=numeric)

    def _check_entities(self, operand: Operand, counts: Counts) -> None:
        """Raise where a group has too many values, unless only the most frequent are told apart."""
        most = int(np.bincount(counts.group).max()) if len(counts.n) else 0
        if most > self.spec.max_entities and not isinstance(operand, Hits) and not set(operand.columns) & set(self.spec.top):
            names = ", ".join(map(repr, operand.columns))
            msg = (
                f"column {names} has {most:,} different values in one {self.spec.grain.unit}, more than max_entities="
                f"{self.spec.max_entities:,}: a metric per entity is not for it; give top={{{names}: 20}}, or raise max_entities"
            )
            raise LimitExceeded(msg)

    def _derive(self, operand: Operand, counts: Counts, primitives: Sequence[Primitive], *, numeric: bool) -> None:
        kind = Hit if isinstance(operand, Hits) else Numbers if numeric else Distinct
        if not primitives:
            return
        of_groups = kind(counts, self.size)
        of_totals = kind(counts.merged(self.of_period), len(self._period_order))
        for primitive in primitives:
            self.state.arrays[operand, primitive] = of_groups.primitive(primitive)
            self.totals.arrays[operand, primitive] = of_totals.primitive(primitive)

    def add_levels(self, table: pa.Table, needs: Sequence[Need], values: Sequence[Array] | None = None) -> None:
        """Take in an answer by group and in total.

        :param values: of each need, where they do not stand in `a0` … as they are.
        """
        total = _integers(table["t"]) == 1
        groups, rest = table.filter(_mask(~total)), table.filter(_mask(total))
        where = self._where(groups) if self.names else np.zeros(0, dtype=int)
        at = np.searchsorted(self._period_order, _integers(rest["p"]))
        for i, each in enumerate(needs):
            missing = _missing(each[1])
            found = _floats(table[f"a{i}"], missing) if values is None else values[i]
            own, all_rows = np.full(self.size, missing), np.full(len(self._period_order), missing)
            own[where], all_rows[at] = found[~total], found[total]
            self.state.arrays[each] = own if self.names else all_rows[self.of_period]
            self.totals.arrays[each] = all_rows

    def add_quantiles(self, table: pa.Table, operand: Operand, primitives: Sequence[Primitive]) -> None:
        """Take in lists of quantiles by group and in total."""
        lists = table["a0"].to_pylist()
        found = np.array([[np.nan if q is None else q for q in each or [None] * len(primitives)] for each in lists], dtype=float)
        found = found.reshape(len(lists), len(primitives))
        self.add_levels(table, [(operand, primitive) for primitive in primitives], list(found.T))

    def add_powers(self, table: pa.Table, needs: Sequence[Need]) -> None:
        """Take in Σ(x − shift)ᵏ, and make the moments about the mean of them."""
        where = self._where(table)
        column = 0
        for operand, primitive in needs:
            power = 3 if primitive == M3 else 4
            sums = []
            for k in range(power):
                values = np.zeros(self.size)
                values[where] = _floats(table[f"a{column + k}"], 0.0)
                sums.append(values)
            column += power
            n = self.state.arrays[operand, VALID]
            with np.errstate(all="ignore"):
                off = np.where(n > 0, sums[0] / n, 0.0)
                moment = sums[2] - 3 * off * sums[1] + 2 * n * off**3
                if power == 4:
                    moment = sums[3] - 4 * off * sums[2] + 6 * off**2 * sums[1] - 3 * n * off**4
            self.state.arrays[operand, primitive] = np.where(n > 0, moment, 0.0)

    @property
    def _first_total(self) -> int:
        """The index of the first total among all groups."""
        return self.size if self.names else 0

    def add_own(self, table: pa.Table, aggregate: Aggregate) -> None:
        """Take in what a user's aggregate says, by group and in total."""
        found = _floats(table["a0"], 0.0)
        there = 1.0 - np.asarray(_whole(table["a0"]).is_null())
        self.add_levels(table, [(aggregate, OWN), (aggregate, DEFINED)], [found, there])

    def fail_own(self, operand: Operand, reason: str) -> None:
        """Record that a user's metric cannot be told of any group."""
        for primitive in (OWN, DEFINED):
            self.state.arrays[operand, primitive] = np.zeros(self.size)
            self.totals.arrays[operand, primitive] = np.zeros(len(self._period_order))
        self.failures[operand] = dict.fromkeys(range(self._first_total + len(self._period_order)), reason)

    def add_function(self, table: pa.Table, function: Function) -> None:
        """Call a user's function with the rows of each group and of each period."""
        where = self._where(table)
        table = table.select([f"c{i}" for i in range(len(function.columns))]).rename_columns(list(function.columns))
        for into, index, size, first in (
            (self.state, where, self.size, 0),
            (self.totals, self.of_period[where], len(self._period_order), self._first_total),
        ):
            value, there = np.zeros(size), np.zeros(size)
            wanted = bool(self.names) if into is self.state else self.spec.totals or not self.names
            order = np.argsort(index, kind="stable")
            bounds = np.searchsorted(index[order], np.arange(size + 1))
            for i in range(size if wanted else 0):
                try:
                    answer = function.call(table.take(_mask(order[bounds[i] : bounds[i + 1]])).to_pandas())
                    if answer is not None:
                        value[i], there[i] = float(answer), 1.0
                except Exception as error:  # the user's own code
                    self.failures.setdefault(function, {})[first + i] = f"{type(error).__name__}: {error}"[:500]
            into.arrays[function, OWN], into.arrays[function, DEFINED] = value, there

    def shifts(self, needs: Sequence[Need]) -> dict[Operand, float]:
        """A number near each operand's values, so that their powers lose no digits: their mean."""
        shifts = {}
        for operand, _ in needs:
            total, n = float(np.sum(self.state.arrays[operand, SUM])), float(np.sum(self.state.arrays[operand, VALID]))
            shifts[operand] = total / n if n and np.isfinite(total / n) else 0.0
        return shifts

    def scan(self, needs: Sequence[Need], unfit: Mapping[str, Sequence[str | None]]) -> Scan:
        """Groups and totals with all that was asked for.

        :param needs: what was asked for.
        :param unfit: column → of each group, why nothing can be said of it, or None.
        """
        failed: list[dict[str, str]] = [{} for _ in range(self.size)]
        for column, reasons in unfit.items():
            for i, reason in enumerate(reasons):
                if reason is not None:
                    failed[i][column] = reason
        rows = self.state.arrays[Rows(), ROWS]
        leaves = [
            Group(self.periods[p], dims, int(n), why) for p, dims, n, why in zip(self.period, self._dimensions, rows, failed, strict=True)
        ]
        for operand, counts in self.state.counted.items():
            most = min((self.spec.top[name] for name in operand.columns if name in self.spec.top), default=None)
            if most is not None and not isinstance(operand, Hits):
                self.state.counted[operand] = most_frequent(counts, most, self.of_period)
        whole = merged(self.state, self.of_period, len(self._period_order))
        whole.arrays |= self.totals.arrays
        of_all = []
        for i, p in enumerate(self._period_order):
            why: dict[str, str] = {}
            for leaf in np.flatnonzero(self.of_period == i) if unfit else ():
                why = {**failed[leaf], **why}
            of_all.append(Group(self.periods[p], None, int(whole.arrays[Rows(), ROWS][i]), why))
        read = int(rows.sum())
        if not self.names:
            return Scan(of_all, self._asked(whole, self._period_order, needs), read, self.failures)
        own = self._asked(self.state, self.period, needs)
        if not self.spec.totals:
            return Scan(leaves, own, read, self.failures)
        return Scan([*leaves, *of_all], _both(own, self._asked(whole, self._period_order, needs)), read, self.failures)

    def _asked(self, state: State, period: Array, needs: Sequence[Need]) -> State:
        """What was asked for, and what is known without having been."""
        ends = np.array([each.end.timestamp() for each in self.periods])
        asked = State(state.size)
        for operand, primitive in [(Rows(), ROWS), *needs]:
            if primitive == COUNTS:
                asked.counted[operand] = state.counted[operand]
            elif primitive == ENDS:
                asked.arrays[operand, primitive] = ends[period]
            elif primitive == ROWS and not isinstance(operand, Elements):
                asked.arrays[operand, primitive] = state.arrays[Rows(), ROWS]
            else:
                asked.arrays[operand, primitive] = state.arrays[operand, primitive]
        return asked

    def _where(self, table: pa.Table) -> Array:
        """The index of the group of each row."""
        return self._order[np.searchsorted(self._sorted, self._codes(table))]

    def _codes(self, table: pa.Table) -> Array:
        import pyarrow.compute as pc

        code = _integers(table["p"])
        for name, values in zip(self.names, self._values, strict=True):
            code = code * len(values) + _integers(pc.index_in(_whole(table[name]), value_set=values))
        return code

    def _as_dimensions(self, scalars: pa.Table) -> list[dict[str, DimensionValue]]:
        columns = [list(map(dimension, scalars[name].to_pylist())) for name in self.names]
        if not columns:
            return [{} for _ in range(self.size)]
        return [dict(zip(self.spec.group_columns, row, strict=True)) for row in zip(*columns, strict=True)]

    def _check_groups(self) -> None:
        spec = self.spec
        most = int(np.bincount(self.of_period).max()) if self.size else 0
        if self.names and most > spec.max_groups:
            msg = (
                f"group_columns={list(spec.group_columns)} has {most:,} groups in one {spec.grain.unit}, more than "
                f"max_groups={spec.max_groups:,}; group by fewer or coarser columns, or raise max_groups"
            )
            raise LimitExceeded(msg)


def _both(first: State, second: State) -> State:
    """Two states after one another."""
    import pyarrow as pa

    arrays = {each: np.concatenate([values, second.arrays[each]]) for each, values in first.arrays.items()}
    counted = {}
    for operand, counts in first.counted.items():
        other = second.counted[operand]
        values = tuple(pa.concat_arrays(pair) for pair in zip(counts.values, other.values, strict=True))
        counted[operand] = Counts(np.concatenate([counts.group, other.group + first.size]), values, np.concatenate([counts.n, other.n]))
    return State(first.size + second.size, arrays, counted)


def dimension(value: Any) -> DimensionValue:
    """A value as a dimension: text, numbers and booleans as they are, anything else as its text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and value == value and abs(value) != float("inf"):  # noqa: PLR0124  NaN is not itself
        return value
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _whole(column: Any) -> Any:
    """A column as one array."""
    return column.combine_chunks() if hasattr(column, "combine_chunks") else column


def _distinct(column: Any) -> Any:
    import pyarrow.compute as pc

    return pc.unique(_whole(column))


def _integers(column: Any) -> Array:
    return np.asarray(_whole(column)).astype(np.int64)


def _floats(column: Any, missing: float) -> Array:
    import pyarrow as pa

    return np.asarray(_whole(column).cast(pa.float64()).fill_null(missing))


def _missing(primitive: Primitive) -> float:
    """A primitive of no values."""
    return float("nan") if primitive.name in {"min", "max", "quantile"} else 0.0


def _mask(kept: Array) -> Any:
    import pyarrow as pa

    return pa.array(kept)
