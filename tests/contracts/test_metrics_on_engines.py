"""Every metric of columns and tables on every engine and every kind of source: rows in, and the numbers of `Metric.of` out.

A new metric or engine is tested by being in `CATALOGUE` or `ENGINES`; here stands only what an engine cannot read.
"""

from __future__ import annotations

import copy
import csv
import math
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from airflow_lupus.engines import ENGINES, engine_named
from airflow_lupus.engines.base import Batches, FileSet, SourceFile
from airflow_lupus.exceptions import SpecError
from airflow_lupus.metrics import CATALOGUE, for_type
from airflow_lupus.metrics.base import is_list
from airflow_lupus.metrics.keys import DuplicateRatio
from airflow_lupus.metrics.moments import Kurtosis, Skewness, Std, Var
from airflow_lupus.metrics.times import Freshness
from airflow_lupus.model import ANY_COLUMN, Grain
from airflow_lupus.specs import MeasureSpec, TableMetrics
from support import scanning
from support.tables import postgres_relation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_lupus.engines.base import Relation, Scan
    from airflow_lupus.metrics import Metric
    from airflow_lupus.model import Period

DAY = Grain("day", "America/New_York")
FIRST = DAY.containing(datetime(2013, 3, 9, 12, tzinfo=UTC))
DAYS = [FIRST, DAY.next(FIRST), DAY.shift(FIRST, 2)]  # the second has 23 hours

SCHEMA = pa.schema(
    {
        "at": pa.timestamp("us", tz="UTC"),
        "origin": pa.string(),
        "gate": pa.int64(),
        "real": pa.float64(),
        "single": pa.float32(),
        "whole": pa.int64(),
        "flag": pa.bool_(),
        "text": pa.string(),
        "nothing": pa.float64(),
        "no_text": pa.string(),
        "when": pa.timestamp("us", tz="UTC"),
        "scores": pa.list_(pa.float64()),
        "ranks": pa.list_(pa.int64()),
        "tags": pa.list_(pa.string()),
    }
)
MEASURED = ["real", "single", "whole", "flag", "text", "nothing", "no_text", "when", "scores", "ranks", "tags"]
CSV_TYPES = {
    "at": "TIMESTAMPTZ",
    "origin": "VARCHAR",
    "gate": "BIGINT",
    "real": "DOUBLE",
    "single": "FLOAT",
    "whole": "BIGINT",
    "flag": "BOOLEAN",
    "text": "VARCHAR",
    "nothing": "DOUBLE",
    "no_text": "VARCHAR",
    "when": "TIMESTAMPTZ",
    "scores": "DOUBLE[]",
    "ranks": "BIGINT[]",
    "tags": "VARCHAR[]",
}
CSV_NULL = "\\N"
KINDS = ("parquet", "csv", "batches")
KINDS_OF = {"sql": ("postgres",)}
"""Engine → the kinds of source that it reads, where they are not `KINDS`."""
QUICK = [engine for engine in ENGINES if engine != "spark"]
"""Spark takes a second for what the others do in a hundredth: it measures everything at once, here and in `tests/engines/test_spark.py`."""
CASES = [(engine, kind) for engine in QUICK for kind in KINDS_OF.get(engine, KINDS)]
Row = dict[str, Any]


def instances(metric_class: type[Metric]) -> list[Metric]:
    """A class's metrics; those that users get through another name (`count` of text) by construction."""
    return [metric_class.parse(name) or metric_class() for name in metric_class.examples or (metric_class.name,)]


METRICS = [
    metric
    for metric_class in CATALOGUE
    if metric_class.family in {"column", "table"}
    for metric in instances(metric_class)
    if not isinstance(metric, DuplicateRatio)
]
METRICS.append(DuplicateRatio(("text", "whole")))
FIRST_ELEMENTS = (None, 1, 3)


def pairs_for(types: Mapping[str, str], metrics: Sequence[Metric] = METRICS) -> list[tuple[str, Metric]]:
    """Each metric with each column that can have it, of lists also of their first elements."""
    pairs = []
    for metric in metrics:
        if metric.table:
            pairs.append((ANY_COLUMN, metric))
            continue
        for column in MEASURED:
            for first in FIRST_ELEMENTS if is_list(types[column]) and not metric.lists else (None,):
                own = copy.copy(metric)
                own.first = first
                own.name = metric.name if first is None else f"{metric.name}@{first}"
                try:
                    pairs.append((column, for_type(own, column, types[column], False)))
                except SpecError:
                    continue
    return pairs


def cells(metric: Metric, column: str, rows: Sequence[Row]) -> list[Any]:
    """What of some rows a metric is of."""
    if isinstance(metric, DuplicateRatio):
        return [tuple(row[name] for name in metric.operand.columns) for row in rows]
    values = [row.get(column) for row in rows]
    if not is_list(TYPES.get(column, "")) or metric.lists:
        return values
    return [element for each in values if each is not None for element in each[: metric.first]]


@dataclass
class Written:
    """Rows as a source."""

    rows: list[Row]
    kind: str
    folder: Path

    def relation(self) -> Relation:
        table = pa.table({name: [row[name] for row in self.rows] for name in SCHEMA.names}, schema=SCHEMA)
        if self.kind == "batches":
            half = len(self.rows) // 2
            return Batches(dict(TYPES), lambda names, _: iter([table.select(names)[:half], table.select(names)[half:]]))
        if self.kind == "postgres":
            return postgres_relation(table, MeasureSpec("flights", DAY), DAYS)
        path = self.folder / f"rows.{self.kind}"
        if self.kind == "parquet":
            parquet.write_table(table, path, row_group_size=7)
            return FileSet([SourceFile(str(path))], "parquet")
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerow(SCHEMA.names)
            writer.writerows([[_csv(row[name]) for name in SCHEMA.names] for row in self.rows])
        return FileSet([SourceFile(str(path))], "csv", {"types": CSV_TYPES, "nullstr": CSV_NULL, "header": True, "delim": ","})


TYPES = {
    "at": "time",
    "origin": "text",
    "gate": "number",
    "real": "number",
    "single": "number",
    "whole": "number",
    "flag": "boolean",
    "text": "text",
    "nothing": "number",
    "no_text": "text",
    "when": "time",
    "scores": "list[number]",
    "ranks": "list[number]",
    "tags": "list[text]",
}


def _csv(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join("NULL" if each is None else f'"{each}"' if isinstance(each, str) else str(each) for each in value) + "]"
    return CSV_NULL if value is None else value.isoformat() if isinstance(value, datetime) else str(value)


def scan(engine: str, relation: Relation, groups: Sequence[str], periods: Sequence[Period], pairs: Sequence[tuple[str, Metric]]) -> Scan:
    spec = MeasureSpec("flights", DAY, (TableMetrics(["row_count"]),), time_column="at", group_columns=tuple(groups))
    needs = list(dict.fromkeys(need for _, metric in pairs for need in metric.needed))
    if isinstance(relation, Batches):
        spec = MeasureSpec(**{**spec.__dict__, "metric_sets": (Only(tuple(pairs)),)})
    return engine_named(engine).scan(relation, spec, needs, periods)


@dataclass(frozen=True)
class Only(TableMetrics):
    """These metrics."""

    metrics: Any

    def __post_init__(self) -> None:
        pass

    def pairs(self) -> list[tuple[str, Metric]]:
        return list(self.metrics)


Answers = dict[tuple[Any, ...], Any]


def answers(found: Scan, pairs: Sequence[tuple[str, Metric]]) -> Answers:
    """What a scan says: (period, group, column, metric) → value, or entity → value."""
    answered: Answers = {}
    for column, metric in pairs:
        for group, values in zip(found.groups, scanning.said(found, [(column, metric)]), strict=True):
            answered[group.period, _frozen(group.dimensions), column, metric.name, metric.per_entity] = values[column, metric.name]
    return answered


def truth(rows: Sequence[Row], groups: Sequence[str], periods: Sequence[Period], pairs: Sequence[tuple[str, Metric]]) -> Answers:
    """The same by the definitions in plain Python."""
    grouped: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        for period in periods:
            if row["at"] is not None and row["at"] in period:
                grouped[period, None].append(row)
                if groups:
                    grouped[period, _frozen({name: row[name] for name in groups})].append(row)
    answered: Answers = {}
    for (period, group), members in grouped.items():
        for column, metric in pairs:
            values = cells(metric, column, members)
            if isinstance(metric, Freshness):
                late = [at for at in values if at is not None]
                value = (period.end - max(late)).total_seconds() if late else None
            else:
                value = by_entity(metric.each(values)) if metric.per_entity else metric.of(values)
            answered[period, group, column, metric.name, metric.per_entity] = value
    return answered


def by_entity(counts: Mapping[Any, int]) -> dict[Any, int]:
    """Entities as dimensions, which are JSON and have no infinities."""
    return {str(v) if isinstance(v, float) and math.isinf(v) else v: count for v, count in counts.items()}


def assert_same(answered: Answers, expected: Answers, pairs: Sequence[tuple[str, Metric]], rows: Sequence[Row]) -> None:
    assert answered.keys() == expected.keys()
    metrics = {(column, metric.name, metric.per_entity): metric for column, metric in pairs}
    for key, value in expected.items():
        metric = metrics[key[2:]]
        of = [cells(metric, key[2], rows)] if isinstance(metric, DuplicateRatio) else [cells(metric, key[2], [row]) for row in rows]
        assert close(answered[key], value, metric, [each for some in of for each in some]), f"{key}: {answered[key]!r} is not {value!r}"


def close(value: Any, expected: Any, metric: Metric, values: Sequence[Any]) -> bool:
    """Equal to 1e-9, or to what of the digits is there at all: no sum of doubles is exact to more than a share of Σ|x|."""
    if isinstance(expected, dict):
        return value.keys() == expected.keys() and all(math.isclose(value[name], each, rel_tol=1e-9) for name, each in expected.items())
    if value is None or expected is None:
        return value == expected or degenerate(metric, values)
    if math.isnan(expected):
        return math.isnan(value)
    numbers = [float(v) for v in values if isinstance(v, float | int) and math.isfinite(v)]
    magnitude = math.fsum(map(abs, numbers))
    if isinstance(metric, Var | Skewness | Kurtosis):
        if degenerate(metric, values):
            return True
        off = 1e-15 * max(map(abs, numbers), default=0.0)
        if isinstance(metric, Skewness | Kurtosis):
            return math.isclose(value, expected, rel_tol=1e-6, abs_tol=1e-6)
        return math.isclose(value, expected, rel_tol=1e-9, abs_tol=off if isinstance(metric, Std) else off * max(map(abs, numbers)))
    microsecond = 2e-6 if isinstance(metric, Freshness) else 0.0  # times since 1970 as doubles have no more digits
    return math.isclose(value, expected, rel_tol=1e-9, abs_tol=max(1e-13 * magnitude, microsecond))


def degenerate(metric: Metric, values: Sequence[Any]) -> bool:
    """Whether the spread of the values is lost beside their size, so that nothing can be said of its shape."""
    numbers = [float(v) for v in values if isinstance(v, float | int) and v == v]  # noqa: PLR0124
    if not isinstance(metric, Skewness | Kurtosis | Var) or len(numbers) < 2:
        return False
    largest = max(map(abs, numbers))
    return not math.isfinite(largest) or max(numbers) - min(numbers) < 1e-3 * largest or _some_group_is_tight(numbers)


def _some_group_is_tight(numbers: Sequence[float]) -> bool:
    """Groups are parts of all rows: their spread may be small beside the mean of all, from which powers are taken."""
    ordered = sorted(set(numbers))
    largest = max(map(abs, ordered))
    return any(abs(after - before) < 1e-3 * largest for before, after in pairwise(ordered))


def _frozen(group: Mapping[str, Any] | None) -> tuple[Any, ...] | None:
    return None if group is None else tuple(sorted(group.items()))


@contextmanager
def source(rows: Sequence[Row], kind: str) -> Iterator[Relation]:
    with tempfile.TemporaryDirectory() as folder:
        yield Written(list(rows), kind, Path(folder)).relation()


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)
MOMENTS = [at for day in DAYS for at in (day.start, day.start + timedelta(hours=11, microseconds=1), day.end - timedelta(microseconds=1))]
STRANGE = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-300, 0.1, 1e100, -1e100]
ROWS_OF = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.sampled_from([*MOMENTS, DAYS[0].start - timedelta(microseconds=1), DAYS[-1].end]) | st.none(),
            "origin": st.sampled_from(["JFK", "EWR", "", "NULL", "ünï 'q\"uote", None]),
            "gate": st.sampled_from([0, 1, -(2**63), None]),
            "real": st.none() | st.sampled_from(STRANGE) | st.floats(-1e100, 1e100),
            "single": st.none() | st.floats(width=32, min_value=-1e9, max_value=1e9) | st.just(math.nan),
            "whole": st.none() | st.integers(-5, 5) | st.integers(-(2**63), 2**63 - 1),
            "flag": st.none() | st.booleans(),
            "text": st.none() | st.sampled_from(["", " ", "a", "A", "null", "ß", "é", "e\u0301", "🛫"]) | TEXT,
            "nothing": st.none(),
            "no_text": st.none(),
            "when": st.none() | st.sampled_from(MOMENTS),
            "scores": st.none() | st.lists(st.none() | st.sampled_from([*STRANGE, 1.5, 2.25]), max_size=5),
            "ranks": st.none() | st.lists(st.none() | st.integers(-3, 3) | st.just(2**62), max_size=5),
            "tags": st.none() | st.lists(st.none() | st.sampled_from(["", "a", "ü", "🛫"]), max_size=5),
        }
    ),
    min_size=1,
    max_size=25,
)

# Some at a time, in any combination: all in one query take a third of a second.
SOME_PAIRS = st.lists(st.sampled_from(pairs_for(TYPES)), min_size=1, max_size=10, unique_by=lambda pair: (pair[0], pair[1]))


@pytest.mark.parametrize(("engine", "kind"), CASES)
@given(rows=ROWS_OF, groups=st.sampled_from([(), ("origin",), ("gate",), ("origin", "gate")]), pairs=SOME_PAIRS)
@settings(max_examples=20, deadline=None)
def test_engines_give_the_numbers_of_the_definition(
    engine: str, kind: str, rows: list[Row], groups: tuple[str, ...], pairs: list[tuple[str, Metric]]
) -> None:
    with source(rows, kind) as relation:
        said = answers(scan(engine, relation, groups, DAYS, pairs), pairs)
    assert_same(said, truth(rows, groups, DAYS, pairs), pairs, rows)


FIXED: list[Row] = [
    {
        "at": MOMENTS[i % len(MOMENTS)],
        "origin": ["JFK", "EWR", None][i % 3],
        "gate": [1, 2, None, None][i % 4],
        "real": [1.5, None, math.nan, -2.25, 1e6, math.inf if i == 10 else 0.1][i % 6],
        "single": [0.5, -0.25, None][i % 3],
        "whole": [i, -i, None, 2**62][i % 4],
        "flag": [True, False, None][i % 3],
        "text": ["", "a", "b", None, "ü"][i % 5],
        "nothing": None,
        "no_text": None,
        "when": [MOMENTS[i % 4], None][i % 2],
        "scores": [[0.5, None, math.nan, 2.5], [], None, [1.5, -1.5], [math.inf, 3.0] if i == 28 else [4.0]][i % 5],
        "ranks": [[1, 2, 3, 4], None, [i, None], []][i % 4],
        "tags": [["a", "b", "a", None], [], None, ["ü"]][i % 4],
    }
    for i in range(60)
]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: f"{type(metric).__name__}-{metric.name}")
@pytest.mark.parametrize(("engine", "kind"), CASES)
def test_each_metric_alone(engine: str, metric: Metric, kind: str) -> None:
    with source(FIXED, kind) as relation:
        pairs = pairs_for(engine_named(engine).types(relation), [metric])
        said = answers(scan(engine, relation, ["origin", "gate"], DAYS, pairs), pairs)
    assert pairs, f"no column of this suite has a type that {metric!r} accepts: add one"
    assert_same(said, truth(FIXED, ["origin", "gate"], DAYS, pairs), pairs, FIXED)
    assert any(value is not None for value in said.values())


@pytest.mark.parametrize("engine", ENGINES)
def test_all_metrics_at_once(engine: str, request: pytest.FixtureRequest) -> None:
    if engine == "spark":
        request.getfixturevalue("spark")
    pairs = pairs_for(TYPES)
    with source(FIXED, KINDS_OF.get(engine, KINDS)[0]) as relation:
        said = answers(scan(engine, relation, ["origin", "gate"], DAYS, pairs), pairs)
    assert_same(said, truth(FIXED, ["origin", "gate"], DAYS, pairs), pairs, FIXED)


@pytest.mark.parametrize("engine", QUICK)
@given(rows=ROWS_OF, pairs=SOME_PAIRS, data=st.data())
@settings(max_examples=10, deadline=None)
def test_the_order_of_rows_is_of_no_importance(engine: str, rows: list[Row], pairs: list[tuple[str, Metric]], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(rows))
    kind = KINDS_OF.get(engine, KINDS)[0]
    with source(rows, kind) as first, source(shuffled, kind) as second:
        said = [answers(scan(engine, relation, ["origin"], DAYS, pairs), pairs) for relation in (first, second)]
    assert_same(*said, pairs, rows)


@pytest.mark.parametrize("engine", QUICK)
@given(rows=ROWS_OF, pairs=SOME_PAIRS)
@settings(max_examples=10, deadline=None)
def test_a_range_in_one_scan_equals_a_scan_per_period(engine: str, rows: list[Row], pairs: list[tuple[str, Metric]]) -> None:
    with source(rows, KINDS_OF.get(engine, KINDS)[0]) as relation:
        at_once = answers(scan(engine, relation, ["origin"], DAYS, pairs), pairs)
        one_by_one: Answers = {}
        for day in DAYS:
            one_by_one |= answers(scan(engine, relation, ["origin"], [day], pairs), pairs)
    assert_same(at_once, one_by_one, pairs, rows)


@pytest.mark.parametrize("engine", [engine for engine, kind in CASES if kind == "csv"])
def test_a_value_of_another_type_fails_its_column_in_its_groups_and_nothing_else(engine: str, tmp_path: Path) -> None:
    """A word in a column of numbers, in a file that is whole: every metric of the column, in every group that has the row."""
    relation = Written(FIXED, "csv", tmp_path).relation()
    path = tmp_path / "rows.csv"
    spoilt = {**FIXED[0], "whole": "abc", "flag": "perhaps"}
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow([_csv(spoilt[name]) for name in SCHEMA.names])
    pairs = pairs_for(TYPES)
    found = scan(engine, relation, ["origin", "gate"], DAYS, pairs)
    expected = truth([*FIXED, spoilt | {"whole": None, "flag": None}], ["origin", "gate"], DAYS, pairs)
    hit = {(DAYS[0], None), (DAYS[0], _frozen({"origin": "JFK", "gate": 1}))}
    assert {(group.period, _frozen(group.dimensions)) for group in found.groups if group.failed} == hit
    for group in found.groups:
        if group.failed:
            assert set(group.failed) == {"whole", "flag"}
            assert "'abc'" in group.failed["whole"]
    hurt = {"whole", "flag", ANY_COLUMN}  # the last for its duplicate keys
    unhurt = {key: value for key, value in answers(found, pairs).items() if key[:2] not in hit or key[2] not in hurt}
    assert_same(unhurt, {key: expected[key] for key in unhurt}, pairs, FIXED)
    assert len(unhurt) > len(expected) / 2


@pytest.mark.parametrize("metric_class", CATALOGUE, ids=lambda metric_class: metric_class.__name__)
def test_every_metric_tells_what_detectors_and_the_page_need(metric_class: type[Metric]) -> None:
    for metric in instances(metric_class):
        assert metric.kind in {"ratio", "count", "sum", "mean", "quantile", "extreme", "spread", "distance"}
        assert metric.bad_direction in {"both", "up", "down"}
        assert metric.needs or metric.family == "drift"  # which is told from histograms
        assert metric.accepts or metric.lists
        assert metric.unit is None or (metric.unit and len(metric.unit) < 30)
        assert metric_class.__doc__
        assert ">>>" in metric_class.__doc__, "a docstring shows the metric at work"
        parsed = metric_class.parse(metric.name)
        assert parsed is None or parsed.name == metric.name, "a metric's name is what users write, so it parses back"
