"""What to measure where the user names nothing: chosen once by type and by how many different values there are, and kept."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airflow_lupus.metric_sets.columns import ColumnMetrics, TableMetrics
from airflow_lupus.metrics.base import BOOLEAN, LIST, NUMBER, TEXT, TIME, is_list
from airflow_lupus.model import canonical_json
from airflow_lupus.pipeline.measuring import needed
from airflow_lupus.pipeline.points import values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.engines.base import Engine, Relation
    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

FEW = 50
"""So many different values of a text are told apart by themselves."""
MANY = 100
"""Where so many rows, and more, all have different values, a text tells them apart: it is an identifier …"""
NUMBERED = re.compile(r"((^|_)(id|key|uuid|guid|number|no)|Id|ID|Key)$")
"""… and so is a number that is called like one: measured numbers may all be different too."""
DEFAULTS = {
    "number": ("null_ratio", "avg", "p50", "p95"),
    "text of few values": ("null_ratio", "unique", "frequency"),
    "text": ("null_ratio", "unique", "length_avg"),
    "identifier": ("null_ratio", "unique"),
    "boolean": ("null_ratio", "avg"),
    "time": ("null_ratio", "freshness"),
    "list": ("list_null_ratio", "length_avg"),
    "other": ("null_ratio",),
}
"""What is measured of each kind of column."""


@dataclass(frozen=True)
class Choice:
    """What was chosen for a dataset.

    :param columns: the source's columns when it was chosen, and their types.
    :param metrics: column → what is measured of it.
    :param told: how the columns have changed since, as it was told last.
    """

    columns: Mapping[str, str]
    metrics: Mapping[str, Sequence[str]]
    told: str | None = None

    @classmethod
    def from_text(cls, text: str) -> Choice:
        return cls(**json.loads(text))

    @property
    def text(self) -> str:
        metrics = {name: list(own) for name, own in self.metrics.items()}
        return canonical_json({"columns": dict(self.columns), "metrics": metrics, "told": self.told})

    def spec(self, spec: MeasureSpec, types: Mapping[str, str]) -> MeasureSpec:
        """A spec of what was chosen, as far as the columns are still there and of the types that they were."""
        metrics = {name: list(own) for name, own in self.metrics.items() if types.get(name) == self.columns.get(name)}
        return replace(spec, metric_sets=(TableMetrics(["row_count"]), *([ColumnMetrics(metrics)] if metrics else [])))


@dataclass(frozen=True)
class Change:
    """How a source's columns differ from those that the choice was made for."""

    added: Mapping[str, str] = field(default_factory=dict)
    gone: Sequence[str] = ()
    retyped: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Column → the type that it had, and has."""

    @classmethod
    def between(cls, before: Mapping[str, str], now: Mapping[str, str]) -> Change:
        return cls(
            {name: type_ for name, type_ in now.items() if name not in before},
            [name for name in before if name not in now],
            {name: (before[name], type_) for name, type_ in now.items() if before.get(name, type_) != type_},
        )

    def __bool__(self) -> bool:
        return bool(self.added or self.gone or self.retyped)

    def __str__(self) -> str:
        """In words, where it is not followed.

        >>> print(Change.between({"a": "text", "b": "number"}, {"b": "text", "c": "time"}))
        new column 'c' (time), not measured; column 'a' is gone; column 'b' was number and is text now: not measured any more
        """
        return self._said(", not measured", ": not measured any more")

    @property
    def followed(self) -> str:
        """In words, where it is."""
        return f"chosen anew what to measure: {self._said('', '')}"

    def _said(self, of_added: str, of_retyped: str) -> str:
        said = [f"new column {name!r} ({type_}){of_added}" for name, type_ in self.added.items()]
        said += [f"column {name!r} is gone" for name in self.gone]
        said += [f"column {name!r} was {old} and is {new} now{of_retyped}" for name, (old, new) in self.retyped.items()]
        return "; ".join(said)


def choose(spec: MeasureSpec, engine: Engine, relation: Relation, types: Mapping[str, str], periods: Sequence[Period]) -> Choice | None:
    """What to measure of a source, from its columns' types and from the different values that they have in some periods.

    None: there were no rows to tell it from.
    """
    skipped = {spec.time_column, *spec.group_columns}
    columns = {name: type_ for name, type_ in types.items() if name not in skipped}
    looked_at = {name: ["unique", "count"] for name, type_ in columns.items() if type_ in {NUMBER, TEXT}}
    sets = (TableMetrics(["row_count"]), *([ColumnMetrics(looked_at)] if looked_at else []))
    look = replace(spec, metric_sets=sets, group_columns=(), totals=True, per_entity=dict.fromkeys(looked_at, False), units={}, top={})
    pairs = look.pairs(types)
    scan = engine.scan(relation, look, needed(look, pairs), periods)
    rows = sum(group.rows for group in scan.groups)
    if not rows:
        return None
    found: dict[tuple[str, str], float] = {}
    for column, metric in pairs:
        found[column, metric.name] = float(values(metric, scan).value.max())
    most = max(group.rows for group in scan.groups)
    kinds = {
        name: _kind(name, type_, found.get((name, "unique"), 0.0), found.get((name, "count"), 0.0), most) for name, type_ in columns.items()
    }
    return Choice(types, {name: DEFAULTS[kind] for name, kind in kinds.items()})


def by_type(spec: MeasureSpec, types: Mapping[str, str]) -> MeasureSpec:
    """A spec with what is measured of columns of these types, where nothing is known of their values."""
    skipped = {spec.time_column, *spec.group_columns}
    metrics = {name: DEFAULTS[_kind(name, type_, float("inf"), 0.0, 0)] for name, type_ in types.items() if name not in skipped}
    return Choice(types, metrics).spec(spec, types)


def _kind(name: str, type_: str, unique: float, present: float, rows: int) -> str:
    """Which of the kinds in `DEFAULTS` a column is."""
    if is_list(type_):
        return LIST
    if (type_ == TEXT or (type_ == NUMBER and NUMBERED.search(name))) and rows >= MANY and unique == present == rows:
        return "identifier"
    if type_ == TEXT and unique <= FEW:
        return "text of few values"
    return type_ if type_ in {NUMBER, TEXT, BOOLEAN, TIME} else "other"
