"""Ranked lists on every engine: against trec_eval, and against the definitions where trec_eval has none."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pytrec_eval import RelevanceEvaluator

from airflow_lupus import Ranking
from airflow_lupus.engines import ENGINES, engine_named
from airflow_lupus.exceptions import SpecError
from airflow_lupus.metrics import CATALOGUE, known_metric, metric_named
from airflow_lupus.model import Grain
from airflow_lupus.specs import MeasureSpec
from support import drawing
from support.scanning import said, scan, source

DAY = Grain("day", "UTC")
PERIOD = DAY.containing(datetime(2025, 1, 1, tzinfo=UTC))
KS = (1, 3, 5)
TREC = {
    "ndcg": ("ndcg", "ndcg_cut"),
    "precision": ("set_P", "P"),
    "recall": ("set_recall", "recall"),
    "map": ("map", "map_cut"),
    "mrr": ("recip_rank", None),
    "hit_rate": (None, "success"),
}
"""Metric → what trec_eval calls it, of whole lists and with a cut."""
NAMES = [name for metric in ("ndcg", "precision", "recall", "map", "mrr", "hit_rate") for name in (metric, *(f"{metric}@{k}" for k in KS))]
OF_ITEMS = [f"{metric}{cut}" for metric in ("unique", "entropy", "coverage") for cut in ("", "@2")]
Row = dict[str, Any]

engines = pytest.mark.parametrize("engine", ENGINES)


def scanned(engine: str, table: pa.Table, spec: MeasureSpec) -> tuple[Any, Any]:
    with source(engine, table, spec, [PERIOD]) as relation:
        return scan(engine_named(engine), relation, spec, [PERIOD])


def measured(
    engine: str, rows: list[Row], metrics: list[str], *, relevance: bool = False, items: pa.DataType | None = None, grades: Any = None
) -> dict[Any, dict[str, float | None]]:
    """Group, or `total`, → metric → its value."""
    items = items or pa.string()
    grades = grades or pa.float64()
    schema = pa.schema({"region": pa.string(), "pred": pa.list_(items), "gt": pa.list_(items), "grade": pa.list_(grades)})
    table = pa.table({name: [row.get(name) for row in rows] for name in schema.names}, schema=schema)
    ranking = Ranking("pred", "gt", relevance="grade" if relevance else None, catalog=10, metrics=metrics)
    spec = MeasureSpec("d", DAY, (ranking,), group_columns=("region",))
    found, pairs = scanned(engine, table, spec)
    values = ({metric: value for (_, metric), value in each.items()} for each in said(found, pairs))
    return dict(zip(("total" if g.dimensions is None else g.dimensions["region"] for g in found.groups), values, strict=True))


def by_group(rows: list[Row]) -> dict[Any, list[Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row["region"]].append(row)
        groups["total"].append(row)
    return groups


def trec(rows: list[Row]) -> dict[str, float | None]:
    """What trec_eval makes of each query, averaged."""
    qrel = {f"q{i}": dict(zip(row["gt"], row["grade"], strict=True)) for i, row in enumerate(rows) if max(row["grade"], default=0) > 0}
    run = {f"q{i}": {item: -float(place) for place, item in enumerate(row["pred"])} for i, row in enumerate(rows) if row["pred"]}
    cuts = ",".join(map(str, KS))
    asked = {name for name, _ in TREC.values() if name} | {f"{name}.{cuts}" for _, name in TREC.values() if name}
    answer = RelevanceEvaluator(qrel, asked).evaluate({q: ranked for q, ranked in run.items() if q in qrel}) if qrel else {}
    found: dict[str, float | None] = {}
    for metric, (whole, cut) in TREC.items():
        for name, theirs in ((metric, whole), *((f"{metric}@{k}", f"{cut}_{k}") for k in KS if cut)):
            if theirs:
                found[name] = math.fsum(each[theirs] for each in answer.values()) / len(qrel) if qrel else None
    return found


ITEMS = st.sampled_from([f"i{i}" for i in range(8)])
JUDGED = st.lists(st.tuples(ITEMS, st.integers(0, 4)), unique_by=lambda pair: pair[0], max_size=6)


def judged_rows(engine: str) -> st.SearchStrategy[list[Row]]:
    columns = {"region": drawing.groups(engine), "pred": st.lists(ITEMS, unique=True, max_size=8), "judged": JUDGED}

    def parallel(row: Row) -> Row:
        return {**row, "gt": [item for item, _ in row["judged"]], "grade": [grade for _, grade in row["judged"]]}

    return drawing.rows(engine, columns, 8).map(lambda rows: [*map(parallel, rows)])


@engines
def test_graded_lists_are_measured_as_trec_eval_does(engine: str) -> None:
    @drawing.examples(engine, 40)
    @given(rows=judged_rows(engine))
    def compare(rows: list[Row]) -> None:
        found = measured(engine, rows, NAMES, relevance=True)
        for group, own in by_group(rows).items():
            for name, expected in trec(own).items():
                assert found[group][name] == pytest.approx(expected, abs=1e-9), (group, name)

    compare()


@engines
def test_lists_without_grades_are_measured_as_trec_eval_does(engine: str) -> None:
    @drawing.examples(engine, 40)
    @given(rows=judged_rows(engine))
    def compare(rows: list[Row]) -> None:
        found = measured(engine, rows, NAMES)
        for group, own in by_group(rows).items():
            for name, expected in trec([{**row, "grade": [1] * len(row["gt"])} for row in own]).items():
                assert found[group][name] == pytest.approx(expected, abs=1e-9), (group, name)

    compare()


FEW = st.one_of(st.none(), st.integers(0, 4), st.just(float("nan")))
LISTS = st.one_of(st.none(), st.lists(FEW, max_size=7))
GRADES = st.one_of(st.none(), st.lists(st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0, 2.0, -1.0, float("nan")])), max_size=8))


def oracle(rows: list[Row], name: str, *, relevance: bool) -> float | None:
    """The sentences of docs/ranking.md, list by list; nothing of it is the package's."""
    metric, _, cut = name.partition("@")
    k = int(cut) if cut else None
    scores = []
    for row in rows:
        gains: dict[float, float] = {}
        for i, item in enumerate(row["gt"] or []):
            grade = 1.0 if not relevance else (row["grade"] or [])[i] if i < len(row["grade"] or []) else None
            if item is not None and not math.isnan(item) and item not in gains:
                gains[item] = grade if grade is not None and grade > 0 else 0.0
        gains = {item: grade for item, grade in gains.items() if grade > 0}
        if not gains:
            continue
        seen: set[Any] = set()
        hits = []
        ranked = (row["pred"] or [])[:k]
        for item in ranked:
            hits.append(item in gains and item not in seen)
            seen.add(item)
        dcg = sum(gains[item] / math.log2(i + 2) for i, (item, hit) in enumerate(zip(ranked, hits, strict=True)) if hit)
        best = sum(gain / math.log2(i + 2) for i, gain in enumerate(sorted(gains.values(), reverse=True)[:k]))
        precisions = [sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit]
        scores.append(
            {
                "ndcg": dcg / best,
                "precision": sum(hits) / (k or len(ranked) or 1),
                "recall": sum(hits) / len(gains),
                "map": sum(precisions) / len(gains),
                "mrr": 1 / (hits.index(True) + 1) if any(hits) else 0.0,
                "hit_rate": float(any(hits)),
            }[metric]
        )
    return sum(scores) / len(scores) if scores else None


@engines
@pytest.mark.parametrize("relevance", [False, True], ids=["without-grades", "graded"])
def test_nulls_repeated_items_and_empty_lists_have_one_meaning(engine: str, relevance: bool) -> None:
    columns = {"region": drawing.groups(engine), "pred": LISTS, "gt": LISTS, "grade": GRADES}

    @drawing.examples(engine, 40)
    @given(rows=drawing.rows(engine, columns, 8))
    @example(rows=[{"region": "EU", "pred": [1, 1, 2], "gt": [1, 2, 2, None], "grade": None}])
    @example(rows=[{"region": "EU", "pred": None, "gt": [1], "grade": [1.0]}, {"region": "US", "pred": [1], "gt": None, "grade": None}])
    def compare(rows: list[Row]) -> None:
        found = measured(engine, rows, [*NAMES, *OF_ITEMS], relevance=relevance, items=pa.float64())
        cut = measured(engine, rows, [name for name in NAMES if "@" in name], relevance=relevance, items=pa.float64())
        for group, own in by_group(rows).items():
            lists = [(row["pred"], row["gt"], *([row["grade"] or []] if relevance else [])) for row in own]
            for name in NAMES:
                expected = oracle(own, name, relevance=relevance)
                assert found[group][name] == pytest.approx(expected, abs=1e-9), (group, name)
                assert cut[group].get(name, expected) == pytest.approx(expected, abs=1e-9), (group, name)
                assert metric_named(name, "ranking").of(lists) == pytest.approx(expected, abs=1e-9), (group, name)
            for name in OF_ITEMS:
                items = [item for row in own for item in (row["pred"] or [])[: 2 if "@" in name else None]]
                metric = metric_named(name.partition("@")[0], "ranking")
                expected = metric.of(items) / (10 if "coverage" in name else 1) if metric.of(items) is not None else None
                assert found[group][name] == pytest.approx(expected, abs=1e-9), (group, name)

    compare()


@engines
def test_a_null_keeps_its_place(engine: str) -> None:
    (found, _) = measured(engine, [{"region": "EU", "pred": [None, "a"], "gt": ["a", None]}], ["mrr", "recall", "recall@1"]).values()
    assert found == {"mrr": 0.5, "recall": 1.0, "recall@1": 0.0}


@engines
def test_rows_without_relevant_items_are_left_out_and_without_prediction_count_0(engine: str) -> None:
    rows = [
        {"region": "EU", "pred": ["a"], "gt": ["a"]},
        {"region": "EU", "pred": None, "gt": ["a"]},
        {"region": "EU", "pred": [], "gt": ["a"]},
        {"region": "EU", "pred": ["a"], "gt": []},
        {"region": "US", "pred": ["a"], "gt": None},
    ]
    found = measured(engine, rows, ["ndcg@2", "hit_rate", "precision", "unique@1", "coverage"])
    assert found["EU"] == {"ndcg@2": 1 / 3, "hit_rate": 1 / 3, "precision": 1 / 3, "unique@1": 1.0, "coverage": 0.1}
    assert found["US"] == {"ndcg@2": None, "hit_rate": None, "precision": None, "unique@1": 1.0, "coverage": 0.1}
    assert found["total"] == found["EU"]


@engines
def test_long_lists_are_measured_whole(engine: str) -> None:
    prediction = [f"i{i}" for i in range(300)]
    rows = [{"region": "EU", "pred": prediction, "gt": [*prediction[100:200], *prediction[100:150], "x", None]}]
    found = measured(engine, rows, ["recall", "recall@150", "mrr", "precision"])["EU"]
    assert found == pytest.approx({"recall": 100 / 101, "recall@150": 50 / 101, "mrr": 1 / 101, "precision": 1 / 3})


@engines
@pytest.mark.parametrize("items", [pa.int32(), pa.int64(), pa.string(), pa.date32(), pa.bool_(), pa.binary()])
def test_items_may_be_of_any_type(engine: str, items: pa.DataType) -> None:
    if engine == "sql" and items == pa.binary():
        pytest.skip("the tables of the tests have no bytes")
    one, two = {
        pa.int32(): (1, 2),
        pa.int64(): (1, 2**60),
        pa.string(): ("a", "é"),
        pa.date32(): (date(2025, 1, 1), date(2025, 1, 2)),
        pa.bool_(): (True, False),
        pa.binary(): (b"a", b"b"),
    }[items]
    rows = [{"region": "EU", "pred": [one, two], "gt": [two], "grade": [3]}]
    for relevance in (False, True):
        found = measured(engine, rows, ["mrr", "ndcg", "unique"], relevance=relevance, items=items, grades=pa.int32())["total"]
        assert found == pytest.approx({"mrr": 0.5, "ndcg": 1 / math.log2(3), "unique": 2})


@engines
def test_columns_may_be_called_as_they_like(engine: str) -> None:
    """Names that the queries use themselves, too."""
    table = pa.table({"item": [["a", "b"]], "nth": [["b"]], "place": [[2.0]], "s": [1]})
    spec = MeasureSpec("d", DAY, (Ranking("item", "nth", relevance="place", metrics=["mrr", "ndcg@2"]),), group_columns=("s",))
    found, pairs = scanned(engine, table, spec)
    assert said(found, pairs)[0] == pytest.approx({("item", "mrr"): 0.5, ("item", "ndcg@2"): 1 / math.log2(3)})


@engines
def test_numbers_of_different_widths_are_the_same_items(engine: str) -> None:
    table = pa.table({"pred": pa.array([[1, 2]], pa.list_(pa.int32())), "gt": pa.array([[2.0, 1e18]], pa.list_(pa.float64()))})
    spec = MeasureSpec("d", DAY, (Ranking("pred", "gt", metrics=["recall", "mrr"]),))
    found, pairs = scanned(engine, table, spec)
    assert said(found, pairs)[0] == {("pred", "recall"): 0.5, ("pred", "mrr"): 0.5}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"metrics": "ndcg@10"}, "needs a list of metrics, not the text 'ndcg@10'"),
        ({"metrics": []}, "names no metric"),
        ({"metrics": ["ndgc@10"]}, "Ranking: Unknown metric 'ndgc@10'.*'ndcg'"),
        ({"metrics": ["avg"]}, "'avg' is a metric of a column"),
        ({"metrics": ["coverage@10"]}, "'coverage@10' needs catalog="),
        ({"catalog": 0}, "catalog is how many items there are"),
    ],
)
def test_what_is_wrong_is_said_at_once(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        Ranking("pred", "gt", **arguments)


@pytest.mark.parametrize(
    ("types", "words"),
    [
        ({"pred": "text"}, "'mrr' needs lists of items; column 'pred' is of type text"),
        ({"gt": "number"}, "'mrr' needs lists of items; column 'gt' is of type number"),
        ({"gt": "list[number]"}, r"of column 'pred', which is of type list\[text\], with those of 'gt', which is of type list\[number\]"),
        ({"grade": "list[text]"}, r"needs grades as list\[number\]; column 'grade' is of type list\[text\]"),
    ],
)
def test_columns_that_do_not_fit_are_named(types: dict[str, str], words: str) -> None:
    spec = MeasureSpec("d", DAY, (Ranking("pred", "gt", relevance="grade", metrics=["mrr"]),))
    with pytest.raises(SpecError, match=words):
        spec.pairs({"pred": "list[text]", "gt": "list[text]", "grade": "list[number]", **types})


def test_a_missing_column_is_named() -> None:
    spec = MeasureSpec("d", DAY, (Ranking("pred", "gt"),))
    with pytest.raises(SpecError, match="no column 'gt'"):
        spec.pairs({"pred": "list[text]", "gtt": "list[text]"})


def test_metrics_are_known_by_name_alone() -> None:
    for metric_class in CATALOGUE:
        if metric_class.family == "ranking":
            found = known_metric(f"{metric_class.name}@10")
            assert found is not None
            assert (found.kind, found.unit, found.bad_direction) == (metric_class.kind, metric_class.unit, metric_class.bad_direction)
    assert known_metric("ndcg@10").bad_direction == "down"
    with pytest.raises(SpecError, match="is a metric of ranked lists"):
        metric_named("ndcg@10")
