"""The queries of a plan's passes, in a dialect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_lupus.engines.dialects.lists import ListArgument
from airflow_lupus.metrics.base import BOOLEAN, LARGEST, M3, NUMBER, ROWS, TEXT, is_list
from airflow_lupus.metrics.operands import Aggregate, Column, Combination, Elements, Expression, Gain, Hits, Length, Ranked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.engines.dialects.base import ColumnType, Dialect
    from airflow_lupus.engines.plan import Counted
    from airflow_lupus.metrics import Primitive
    from airflow_lupus.metrics.base import Need
    from airflow_lupus.metrics.operands import Operand


@dataclass(frozen=True)
class Source:
    """Rows to aggregate.

    :param sql: what to select from: a table or a subquery.
    :param period: the column with the index of each row's period, as SQL.
    :param types: its columns.
    :param groups: the columns to group by.
    :param unfit: column → the column with its text where that is not of its type.
    """

    sql: str
    period: str
    types: Mapping[str, ColumnType]
    groups: Sequence[str]
    unfit: Mapping[str, str]


class Queries:
    """Queries over a source.

    Each answers `p`, the index of the period, `g0`, `g1` … as the group columns are, and `a0`, `a1` … for what was asked, in order. Those
    that also answer the totals have `t`, which is 1 for them.

    :param needs: all that will be asked.
    :param totals: whether totals are wanted where they do not follow from the groups.
    """

    def __init__(self, dialect: Dialect, source: Source, needs: Sequence[Need], *, totals: bool) -> None:
        self.dialect = dialect
        self.source = source
        self.needs = needs
        self.groups = [f"g{i}" for i in range(len(source.groups))]
        self.keys = ["p", *self.groups]
        self.totals = totals

    def source_columns(self) -> str:
        """What of the source is needed at all."""
        if any(isinstance(operand, Aggregate) for operand, _ in self.needs):  # which may mean any
            return "*"
        asked = [*self.source.groups, *(name for operand, _ in self.needs for name in operand.columns), *self.source.unfit.values()]
        return ", ".join([self.source.period, *map(self.dialect.quote, dict.fromkeys(asked))])

    def is_number(self, operand: Operand) -> bool:
        """Whether what is counted of it are numbers."""
        return not isinstance(operand, Combination | Hits) and (not operand.columns or self._type(operand).kind in {NUMBER, BOOLEAN})

    def scalars(self, needs: Sequence[Need]) -> str:
        """Primitives of rows, by group; after them the least text of each column that should have none."""
        selected, aggregates = self._operands(needs)
        for i, name in enumerate(self.source.unfit.values()):
            selected.append(f"{self.dialect.quote(name)} AS u{i}")
            aggregates.append(f"min(u{i})")
        return self._grouped(aggregates, f"{self._rows(selected)}")

    def elements(self, column: str, needs: Sequence[Need]) -> str:
        """Primitives of a list column's elements, by group."""
        selected, aggregates = self._operands(needs)
        return self._grouped(aggregates, f"SELECT {', '.join([*self.keys, *selected])} FROM ({self._exploded(column)}) x")

    def powers(self, column: str | None, needs: Sequence[Need], shifts: Mapping[Operand, float]) -> str:
        """Of each need Σ(x − shift)ᵏ for k from 1 to its power.

        :param column: the list column whose elements they are of, or None.
        """
        selected, aggregates = [], []
        for i, (operand, primitive) in enumerate(needs):
            _, value, _ = self._operand(operand)
            selected.append(f"{value} AS v{i}")
            power = 3 if primitive == M3 else 4
            limit = self.dialect.number(LARGEST[power])
            shift = f"m{i}" if self.dialect.shifts_by_group else self.dialect.number(shifts[operand])
            shifted = f"(v{i} - {shift})"
            for k in range(1, power + 1):
                term = self.dialect.total(f"CASE WHEN abs(v{i}) <= {limit} THEN {self.dialect.power(shifted, k)} END")
                aggregates.append(f"CASE WHEN max(abs(v{i})) > {limit} THEN {self.dialect.nan} ELSE {term} END")
        rows = self._rows(selected) if column is None else f"SELECT {', '.join([*self.keys, *selected])} FROM ({self._exploded(column)}) x"
        if self.dialect.shifts_by_group:
            limits = [self.dialect.number(LARGEST[3 if primitive == M3 else 4]) for _, primitive in needs]
            means = [f"avg(CASE WHEN abs(v{i}) <= {limit} THEN v{i} END)" for i, limit in enumerate(limits)]
            over = f"OVER (PARTITION BY {', '.join(self.keys)})"
            rows = f"SELECT w.*, {', '.join(f'{mean} {over} AS m{i}' for i, mean in enumerate(means))} FROM ({rows}) w"
        return self._grouped(aggregates, rows)

    def counts(self, operand: Operand, counted: Counted) -> str:
        """Values as `v0` (`v1` …) and as `a0` … how many have each, by group."""
        if isinstance(operand, Hits):
            return self._hits(operand)
        values = [f"v{i}" for i in range(len(operand.columns) if isinstance(operand, Combination) else 1)]
        if isinstance(operand, Elements):
            element = self.dialect.group("e", self._type(operand))
            rows = f"SELECT {', '.join(self.keys)}, {element} AS v0, i FROM ({self._exploded(operand.name)}) x"
        else:
            rows = self._rows([f"{sql} AS {name}" for sql, name in zip(self._values(operand), values, strict=True)])
        aggregates = [f"count({self._one(first)})" for first in counted.firsts]
        return self._grouped(aggregates, rows, values)

    def _hits(self, operand: Hits) -> str:
        """Place as `v0`, hits up to it as `v1`, relevant items as `v2`, and if asked for the length as `v3`.

        Each set of places is counted before it is taken apart: most rows share theirs with others.
        """
        dialect = self.dialect
        truth, prediction = (self.source.types[name] for name in (operand.ground_truth, operand.prediction))
        quoted = map(dialect.quote, operand.columns)
        rows = self._rows([f"{column} AS {name}" for column, name in zip(quoted, ("l", "r", "w"), strict=False)])
        grades = None if operand.relevance is None else ("w", dialect.element(self.source.types[operand.relevance]))
        items = dialect.relevant("r", dialect.element(truth), grades)
        relevant = f"SELECT {', '.join(self.keys)}, l, {items} AS r FROM ({rows}) s"
        places = dialect.places("l", "r", operand.depth)
        selected = [f"{places} AS h", f"{dialect.length('r', truth)} AS v2"]
        if operand.lengths:
            selected.append(f"coalesce({dialect.length('l', prediction)}, 0) AS v3")
        further = ["v2", *(["v3"] if operand.lengths else [])]
        keys = [*self.keys, *further]
        found = f"SELECT {', '.join([*self.keys, *selected])} FROM ({relevant}) s WHERE {dialect.length('r', truth)} > 0"
        sets = f"SELECT {', '.join(keys)}, h, count(*) AS n FROM ({found}) s GROUP BY {', '.join([*keys, 'h'])}"
        hits = dialect.exploded(f"({sets}) s", [*keys, "n"], "h")
        placed = f"SELECT {', '.join(self.keys)}, e AS v0, i - 1 AS v1, {', '.join(further)}, n FROM ({hits}) s"
        return self._grouped(["CAST(sum(n) AS BIGINT)"], placed, ["v0", "v1", *further])

    def reduced(self, operand: Operand, counted: Counted, needs: Sequence[Need]) -> str:
        """What of an operand follows from how often each value is there, by group and in total, without fetching that."""
        values = [f"v{i}" for i in range(len(operand.columns) if isinstance(operand, Combination) else 1)]
        names = [f"a{i}" for i in range(len(counted.firsts))]
        aggregates = []
        for wanted, primitive in needs:
            n = names[counted.firsts.index(getattr(wanted, "first", None))]
            is_value, is_there = f"{n} > 0", f"{n} > 0"
            if not isinstance(operand, Combination):
                is_value += f" AND {self.dialect.is_value('v0', self._type(operand))}"
                is_there += " AND v0 IS NOT NULL"
            reduction = _REDUCTIONS[primitive.name]
            aggregates.append(reduction.format(n=f"CAST({n} AS {self.dialect.double})", is_value=is_value, is_there=is_there))
        named = ", ".join(self._named(aggregates))
        keys = ", ".join(self.keys)
        levels = []
        if self.groups:
            levels.append(f"SELECT {', '.join(['p', '0 AS t', *self.groups, named])}\nFROM counted c\nGROUP BY {keys}")
        if self.totals or not self.groups:
            by = ", ".join(["p", *values])
            added = ", ".join(f"sum({name}) AS {name}" for name in names)
            whole = f"(SELECT {by}, {added} FROM counted c GROUP BY {by}) w"
            nothing = [f"NULL AS {group}" for group in self.groups]
            levels.append(f"SELECT {', '.join(['p', '1 AS t', *nothing, named])}\nFROM {whole}\nGROUP BY p")
        return f"WITH counted AS (\n{self.counts(operand, counted)}\n)\n" + "\nUNION ALL\n".join(levels)

    def quantiles(self, operand: Operand, primitives: Sequence[Primitive]) -> str:
        """A list of quantiles as `a0`, by group and in total."""
        _, value, _ = self._operand(operand)
        if isinstance(operand, Elements):
            rows = f"SELECT {', '.join(self.keys)}, {value} AS v FROM ({self._exploded(operand.name)}) x"
        else:
            rows = self._rows([f"{value} AS v"])
        if self.dialect.quantiles_from_counts:
            keys = ", ".join([*self.keys, "v"])
            rows = f"SELECT {keys}, count(*) AS n FROM ({rows}) r WHERE v IS NOT NULL GROUP BY {keys}"
        of = [primitive.argument or 0.0 for primitive in primitives]
        return self._levelled([], [f"{self.dialect.quantiles('v', 'n', of)} AS a0"], f"({rows}) q")

    def ranked(self, operand: Ranked, needs: Sequence[Need]) -> str:
        """Primitives of scores, by group and in total: of each score `w` positive and `l` other rows, and how many have as much or more."""
        (_, score, _), (_, positive, _) = self._operand(operand.score), self._operand(operand.positive)
        keys = ", ".join(self.keys)
        zero = self.dialect.number(0.0)
        rows = f"SELECT {keys}, CASE WHEN v = 0 THEN {zero} ELSE v END AS v, y FROM ({self._rows([f'{score} AS v', f'{positive} AS y'])}) r"
        level = self._levelled(["v"], ["sum(y) AS w", "sum(1 - y) AS l"], f"({rows} WHERE v IS NOT NULL AND y IS NOT NULL) k")
        keys = ", ".join(["p", "t", *self.groups])
        over = f"OVER (PARTITION BY {keys} ORDER BY v DESC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        reached = f"SELECT {keys}, w, l, sum(w) {over} AS cw, sum(l) {over} AS cl FROM ({level}) s"
        aggregates = self._named([_RANKED[primitive.name] for _, primitive in needs])
        return f"SELECT {', '.join([keys, *aggregates])}\nFROM ({reached}) c\nGROUP BY {keys}"

    def own(self, aggregate: Aggregate) -> str:
        """What a user's aggregate says as `a0`, by group and in total: over the columns as they are called."""
        groups = [self.dialect.group(self.dialect.quote(name), self.source.types[name]) for name in self.source.groups]
        keys = [self.source.period, *groups]
        by, total = ", ".join(keys), "0" if groups else "1"
        if groups and self.totals:
            by, total = f"GROUPING SETS (({by}), ({self.source.period}))", f"GROUPING({groups[0]})"
        named = [f"{sql} AS {name}" for sql, name in zip(keys, self.keys, strict=True)]
        value = f"CAST(({aggregate.sql}) AS {self.dialect.double}) AS a0"
        return f"SELECT {', '.join([*named, f'{total} AS t', value])}\nFROM {self.source.sql} s\nGROUP BY {by}"

    def trial(self, aggregate: Aggregate) -> str:
        """A query that fails where a user's aggregate cannot be meant, whatever the data."""
        none = f"(SELECT * FROM {self.source.sql} s LIMIT 0) s"
        return f"SELECT CAST(({aggregate.sql}) AS {self.dialect.double}) AS a0 FROM {none} GROUP BY {self.source.period}"

    def rows(self, columns: Sequence[str]) -> str:
        """Rows as `c0`, `c1` …"""
        return self._rows([f"{self.dialect.quote(name)} AS c{i}" for i, name in enumerate(columns)])

    def distinct_of_some(self, operands: Sequence[Operand], rows: int) -> str:
        """How many different values each operand has among some rows."""
        columns = ", ".join(dict.fromkeys(self.dialect.quote(operand.columns[0]) for operand in operands))
        some = f"(SELECT {columns} FROM {self.source.sql} s LIMIT {rows})"
        counts = []
        for operand in operands:
            column = self.dialect.quote(operand.columns[0])
            if isinstance(operand, Elements):
                counts.append(f"(SELECT count(DISTINCT e) FROM ({self.dialect.exploded(f'{some} x', [], column)}) y)")
            else:
                counts.append(f"(SELECT count(DISTINCT {column}) FROM {some} x)")
        return f"SELECT {', '.join(counts)}"

    def _type(self, operand: Operand) -> ColumnType:
        type_ = self.source.types[operand.columns[0]]
        return self.dialect.element(type_) if isinstance(operand, Elements) else type_

    def _values(self, operand: Operand) -> list[str]:
        """The values to tell apart, as they are."""
        if isinstance(operand, Column | Combination):
            return [self.dialect.group(self.dialect.quote(name), self.source.types[name]) for name in operand.columns]
        _, value, _ = self._operand(operand)
        return [value]

    def _operand(self, operand: Operand) -> tuple[str, str, str]:
        """An operand as it is, as statistics have it, and 1 where it counts."""
        dialect = self.dialect
        if isinstance(operand, Elements):
            value = dialect.value("e", self._type(operand))
            if operand.first is None:
                return "e", value, "1"
            within = f"CASE WHEN i <= {operand.first} THEN {{}} END"
            return within.format("e"), within.format(value), self._one(operand.first)
        columns = [dialect.quote(name) for name in operand.columns]
        if isinstance(operand, Gain):
            items, grades = (dialect.element(self.source.types[name]) for name in (operand.ground_truth, operand.relevance))
            prediction, truth, relevance = (f"s.{name}" for name in columns)  # nothing within lambdas is called so
            gain = dialect.gain(prediction, (truth, items), (relevance, grades), operand.first)
            return gain, gain, "1"
        if isinstance(operand, Length):
            length = f"CAST({dialect.length(columns[0], self._type(operand))} AS {dialect.double})"
            return length, length, "1"
        if isinstance(operand, Expression):
            arguments = (*map(self._argument, operand.columns), *map(dialect.literal, operand.literals))
            expression = dialect.computed(operand.template.format(*arguments))
            return expression, expression, "1"
        if isinstance(operand, Column):
            return columns[0], dialect.value(columns[0], self._type(operand)), "1"
        return (columns[0], columns[0], "1") if columns else ("1", "1", "1")

    def _argument(self, column: str) -> str | ListArgument:
        """A column as it stands in an expression."""
        name, type_ = self.dialect.quote(column), self.source.types[column]
        if is_list(type_.kind):
            return ListArgument(self.dialect, name, type_)
        return self.dialect.group(name, type_) if type_.kind == TEXT else self.dialect.argument(self.dialect.value(name, type_))

    @staticmethod
    def _one(first: int | None) -> str:
        """1 for what is among the first elements."""
        return "1" if first is None else f"CASE WHEN i <= {first} THEN 1 END"

    def _operands(self, needs: Sequence[Need]) -> tuple[list[str], list[str]]:
        """Columns to select, `r0` and `v0` of the first operand, and the aggregate of each need over them."""
        operands = list(dict.fromkeys(operand for operand, primitive in needs if primitive != ROWS or isinstance(operand, Elements)))
        selected, place = [], {}
        for i, operand in enumerate(operands):
            raw, value, one = self._operand(operand)
            selected += [f"{raw} AS r{i}", f"{value} AS v{i}"] + ([f"{one} AS o{i}"] if one != "1" else [])
            place[operand] = (f"r{i}", f"v{i}", f"o{i}" if one != "1" else "1")
        aggregates = [self.dialect.aggregate(primitive, *place.get(operand, ("1", "1", "1"))) for operand, primitive in needs]
        return selected, aggregates

    def _rows(self, selected: Sequence[str]) -> str:
        """The source's rows with period and group columns under our names."""
        return f"SELECT {', '.join([*self._key_columns(), *selected])} FROM {self.source.sql} s"

    def _exploded(self, column: str) -> str:
        rows = self._rows([f"{self.dialect.quote(column)} AS l"])
        return self.dialect.exploded(f"({rows}) r", self.keys, "l")

    def _key_columns(self) -> list[str]:
        groups = [self.dialect.group(self.dialect.quote(name), self.source.types[name]) for name in self.source.groups]
        return [f"{sql} AS {name}" for sql, name in zip([self.source.period, *groups], self.keys, strict=True)]

    def _grouped(self, aggregates: Sequence[str], rows: str, by: Sequence[str] = ()) -> str:
        keys = [*self.keys, *by]
        return f"SELECT {', '.join([*keys, *self._named(aggregates)])}\nFROM ({rows}) r\nGROUP BY {', '.join(keys)}"

    def _levelled(self, by: Sequence[str], aggregates: Sequence[str], rows: str) -> str:
        """Aggregates by group, and in total if that is wanted, with `t` saying which."""
        if self.groups and self.totals:
            sets = f"GROUPING SETS (({', '.join([*self.keys, *by])}), ({', '.join(['p', *by])}))"
            total = f"GROUPING({self.groups[0]})"
        else:
            sets = ", ".join([*self.keys, *by])
            total = "0" if self.groups else "1"
        return f"SELECT {', '.join(['p', f'{total} AS t', *self.groups, *by, *aggregates])}\nFROM {rows}\nGROUP BY {sets}"

    @staticmethod
    def _named(aggregates: Sequence[str]) -> list[str]:
        return [f"{aggregate} AS a{i}" for i, aggregate in enumerate(aggregates)]


_RANKED = {"wins": "sum(l * (cw - w / 2))", "precisions": "sum(w * cw / (cw + cl))"}
_REDUCTIONS = {
    "distinct": "count(CASE WHEN {is_value} THEN 1 END)",
    "nlogn": "coalesce(sum(CASE WHEN {is_value} THEN {n} * ln({n}) END), 0)",
    "valid": "coalesce(sum(CASE WHEN {is_value} THEN {n} END), 0)",
    "present": "coalesce(sum(CASE WHEN {is_there} THEN {n} END), 0)",
    "rows": "coalesce(sum({n}), 0)",
}
