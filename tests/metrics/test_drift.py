"""Drift against SciPy on the same histograms, and histograms against NumPy on the same values."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import spatial, stats

from airflow_lupus.engines import engine_named
from airflow_lupus.engines.base import Batches, Scan
from airflow_lupus.metrics import known_metric
from airflow_lupus.metrics.comparing import FLOOR, Compared, compare, compared
from airflow_lupus.metrics.drift import (
    DRIFT,
    ChiSquare,
    Hellinger,
    JensenShannon,
    KlDivergence,
    KolmogorovSmirnov,
    Psi,
    UnseenRatio,
    Wasserstein,
)
from airflow_lupus.metrics.histograms import CATEGORIES, Binned, Categories, edges, from_text, histograms, needs
from airflow_lupus.model import Grain, Period
from airflow_lupus.specs import ColumnMetrics, MeasureSpec, TableMetrics
from support import tables

COUNTS = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=30).filter(
    lambda pairs: sum(p for p, _ in pairs) > 0 and sum(q for _, q in pairs) > 0
)
VALUE = st.one_of(st.floats(-1e6, 1e6), st.integers(-5, 5).map(float), st.sampled_from([-0.0, 0.1, 1 / 3]))
VALUES = st.lists(st.one_of(VALUE, st.none(), st.just(math.nan)), max_size=60)
PERIOD = Period(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC))
ENGINE = engine_named("duckdb")
slow = settings(deadline=None, max_examples=30)
"""Of tests whose every example is a scan."""


def both(pairs: list[tuple[int, int]]) -> Compared:
    current, reference = zip(*pairs, strict=True)
    return Compared.of_counts([current], [reference])


def floored(counts: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The documented rule, one bin after the other."""
    shares = [max(c / counts.sum(), FLOOR) for c, o in zip(counts, other, strict=True) if c or o]
    return np.array(shares) / sum(shares)


@given(COUNTS)
def test_distances_are_scipys_on_the_same_histogram(pairs: list[tuple[int, int]]) -> None:
    one = both(pairs)
    current, reference = np.array(pairs, dtype=float).T
    p, q = floored(current, reference), floored(reference, current)
    near = {"rel": 1e-9, "abs": 1e-9}
    assert KlDivergence().compare(one)[0] == pytest.approx(stats.entropy(p, q), **near)
    assert Psi().compare(one)[0] == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), **near)
    assert JensenShannon().compare(one)[0] ** 2 == pytest.approx(spatial.distance.jensenshannon(current, reference, base=2) ** 2, **near)
    shares = current / current.sum(), reference / reference.sum()
    assert Hellinger().compare(one)[0] ** 2 == pytest.approx(max(0.0, 1 - np.sqrt(shares[0] * shares[1]).sum()), **near)
    there = current + reference > 0
    expected = stats.chi2_contingency([current[there], reference[there]], correction=False).statistic
    assert ChiSquare().compare(one)[0] == pytest.approx(expected, **near)
    of_bins = [np.repeat(np.arange(len(pairs)), counts.astype(int)) for counts in (current, reference)]
    assert KolmogorovSmirnov().compare(one)[0] == pytest.approx(stats.ks_2samp(*of_bins).statistic, **near)


@given(COUNTS)
def test_nothing_has_drifted_from_itself_and_distances_are_in_their_range(pairs: list[tuple[int, int]]) -> None:
    alike = both([(reference, reference) for _, reference in pairs])
    one = both(pairs)
    for metric in (Psi(), JensenShannon(), KlDivergence(), Hellinger(), KolmogorovSmirnov(), ChiSquare()):
        assert metric.compare(alike)[0] == pytest.approx(0, abs=1e-7)
        assert 0 <= metric.compare(one)[0] < math.inf
    for metric in (JensenShannon(), Hellinger(), KolmogorovSmirnov()):
        assert metric.compare(one)[0] <= 1 + 1e-12


@given(COUNTS, st.integers(1, 5))
def test_bins_that_neither_has_change_nothing(pairs: list[tuple[int, int]], more: int) -> None:
    for metric in (Psi(), JensenShannon(), KlDivergence(), Hellinger(), KolmogorovSmirnov(), ChiSquare()):
        assert metric.compare(both(pairs + [(0, 0)] * more))[0] == pytest.approx(metric.compare(both(pairs))[0], rel=1e-12, abs=1e-12)


# ---- histograms ----


def scanned(column: pa.Array, wanted: list) -> Scan:
    """What DuckDB says of a column."""
    table = pa.table({"x": column})
    types = {"x": "number" if pa.types.is_floating(column.type) else "text"}
    relation = Batches(types, lambda names, periods: iter([table]))
    spec = MeasureSpec("values", Grain("day", "UTC"), (TableMetrics(["row_count"]),))
    return ENGINE.scan(relation, spec, wanted, [PERIOD])


def histogram(values: list[float | None], of: tuple[float, ...]) -> Binned:
    found = histograms(scanned(pa.array(values, pa.float64()), needs("x", of)).state, "x", of)
    (only,) = found or [Binned(np.zeros(len(of) + 1, dtype=int), np.zeros(len(of) + 1))]
    assert isinstance(only, Binned)
    return only


def valid(values: list[float | None]) -> np.ndarray:
    return np.array([value for value in values if value is not None and not math.isnan(value)])


def quantile_edges(values: list[float], bins: int) -> tuple[float, ...]:
    found = edges([float(np.quantile(values, i / bins)) for i in range(bins + 1)])
    assert found is not None
    return found


@slow
@given(VALUES, st.lists(VALUE, min_size=1, max_size=40), st.integers(2, 12))
def test_bins_are_numpys_with_what_is_below_and_above(values: list[float | None], reference: list[float], bins: int) -> None:
    of = quantile_edges(reference, bins)
    numbers = valid(values)
    found = histogram(values, of)
    inside, _ = np.histogram(numbers, bins=np.array(of))
    assert found.counts.tolist() == [int((numbers < of[0]).sum()), *inside.tolist(), int((numbers > of[-1]).sum())]
    assert found.n == len(numbers)
    assert from_text(found.to_text()).to_text() == found.to_text()


@slow
@given(st.lists(VALUE, min_size=1, max_size=40), st.lists(VALUE, min_size=1, max_size=40), st.integers(2, 12))
def test_wasserstein_is_scipys_but_for_what_crosses_inside_a_bin(values: list[float], reference: list[float], bins: int) -> None:
    of = quantile_edges(reference, bins)
    now, then = histogram(list(values), of), histogram(list(reference), of)
    (found,) = Wasserstein().compare(compared([now], [then]))
    exact = stats.wasserstein_distance(values, reference)
    scale = 1e-9 * max(1.0, *map(abs, [*values, *reference]))
    widths = np.diff(of)
    shares = np.maximum(now.counts / now.n, then.counts / then.n)[1:-1]
    assert exact - float((widths * shares).sum()) - scale <= found <= exact + scale


@slow
@given(st.lists(VALUE, min_size=1, max_size=40), st.floats(-1e3, 1e3))
def test_wasserstein_of_a_shift_is_the_shift(reference: list[float], shift: float) -> None:
    of = quantile_edges(reference, 10)
    moved = histogram([value + shift for value in reference], of)
    assert Wasserstein().compare(compared([moved], [histogram(list(reference), of)]))[0] == pytest.approx(abs(shift), rel=1e-6, abs=1e-6)


def test_kolmogorov_smirnov_is_scipys_but_for_the_largest_bin() -> None:
    random = np.random.default_rng(7)
    values, reference = random.normal(0.3, 1.2, 800), random.normal(size=1000)
    of = quantile_edges(list(reference), 20)
    now, then = histogram(list(values), of), histogram(list(reference), of)
    (found,) = KolmogorovSmirnov().compare(compared([now], [then]))
    exact = stats.ks_2samp(values, reference).statistic
    assert exact - max((now.counts / now.n).max(), (then.counts / then.n).max()) <= found <= exact


def test_a_frequent_value_is_a_bin_of_its_own() -> None:
    reference = [0.0] * 95 + [1.0, 2.0, 3.0, 4.0, 5.0]
    of = quantile_edges(reference, 20)
    now, then = histogram([0.0] * 50 + [3.0] * 50, of), histogram(list(reference), of)
    assert Psi().compare(compared([now], [then]))[0] > 1


@pytest.mark.parametrize("constant", [0.0, -3.5, 1e6])
def test_of_a_constant_reference_what_is_below_and_above_drifts(constant: float) -> None:
    of = quantile_edges([constant] * 5, 20)
    assert of == (constant, constant)
    then = histogram([constant] * 5, of)
    assert then.counts.tolist() == [0, 5, 0]
    assert Hellinger().compare(compared([histogram([constant, constant], of)], [then]))[0] == 0
    moved = compared([histogram([constant - 1, constant + 3], of)], [then])
    assert Hellinger().compare(moved)[0] == 1
    assert Wasserstein().compare(moved)[0] == 2


def test_infinities_are_below_and_above_and_infinitely_far() -> None:
    of = quantile_edges([1.0, 2.0, 3.0, math.inf, -math.inf][:3], 2)
    found = histogram([math.inf, -math.inf, 2.0], of)
    assert found.counts.tolist() == [1, 0, 1, 1]
    then = histogram([1.0, 2.0, 3.0], of)
    assert Wasserstein().compare(compared([found], [then]))[0] == math.inf
    assert Wasserstein().compare(compared([found], [found]))[0] == 0
    assert from_text(found.to_text()).to_text() == found.to_text()
    assert edges([-math.inf, 1.0, math.inf]) == (1.0, 1.0)
    assert edges([math.nan]) is None


def test_edges_are_read_as_the_doubles_that_they_are() -> None:
    odd = [0.1, 1 / 3, 1e-300, 1.7976931348623157e308, -2.2250738585072014e-308, 123456789.123456789]
    of = tuple(sorted(odd))
    assert histogram(sorted(odd), of).counts.tolist() == [0, 1, 1, 1, 1, 2, 0]


@slow
@given(st.lists(st.sampled_from(["phone", "tablet", "télé 📺", "", "Ω'\"", None]), min_size=1, max_size=40))
def test_categories_are_counted_in_any_script(values: list[str | None]) -> None:
    found = histograms(scanned(pa.array(values, pa.string()), needs("x", None)).state, "x", None)
    (only,) = found
    assert isinstance(only, Categories)
    assert only.counts == Counter(value for value in values if value is not None)
    assert from_text(only.to_text()) == only


@given(
    st.dictionaries(st.text(max_size=2), st.integers(1, 9), min_size=1, max_size=6),
    st.dictionaries(st.text(max_size=2), st.integers(1, 9), min_size=1, max_size=6),
)
def test_what_the_reference_lacks_is_one_bin(current: dict[str, int], reference: dict[str, int]) -> None:
    names = sorted(reference)
    unseen = sum(n for value, n in current.items() if value not in reference)
    pairs = [*((current.get(name, 0), reference[name]) for name in names), (unseen, 0)]
    metrics = [Psi(), Hellinger(), ChiSquare(), UnseenRatio()]
    now, then = Categories(Counter(current)), Categories(Counter(reference))
    found = compare(metrics, [now, now], [Categories(Counter({"elsewhere": 1})), then])  # beside another group's
    for metric, values in zip(metrics[:3], found, strict=False):
        assert values[1] == pytest.approx(metric.compare(both(pairs))[0], rel=1e-9, abs=1e-9)
    assert found[3][1] == unseen / sum(current.values())


def test_of_too_many_categories_the_rarest_are_together_and_nobody_knows_what_is_unseen() -> None:
    many = Categories(Counter({f"c{i:05}": i + 1 for i in range(CATEGORIES + 5)}))
    kept = from_text(many.to_text())
    assert isinstance(kept, Categories)
    assert kept.n == many.n
    assert len(kept.counts) == CATEGORIES
    assert kept.other == 1 + 2 + 3 + 4 + 5
    psi, unseen = compare([Psi(), UnseenRatio()], [many], [kept])
    assert psi[0] == pytest.approx(0)
    assert math.isnan(unseen[0])


def test_without_values_or_without_a_reference_drift_is_undefined() -> None:
    some, nothing = Binned(np.array([0, 1, 0]), np.zeros(3)), Binned(np.zeros(3, dtype=int), np.zeros(3))
    for reference in (None, nothing):
        assert np.isnan(compare([Psi(), Wasserstein()], [some], [reference])).all()
    assert np.isnan(compare([Psi()], [nothing], [some])).all()
    assert compare([Psi()], [], [])[0].tolist() == []


@slow
@given(st.lists(st.lists(VALUE, max_size=20), min_size=1, max_size=4))
def test_histograms_add_up(parts: list[list[float]]) -> None:
    of = (-2.0, 0.0, 0.1, 2.0)
    whole = histogram([value for part in parts for value in part], of)
    summed = histogram(list(parts[0]), of)
    for part in parts[1:]:
        summed = summed + histogram(list(part), of)
    assert summed.counts.tolist() == whole.counts.tolist()
    assert summed.areas == pytest.approx(whole.areas, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("metric", DRIFT, ids=lambda metric: metric.name)
def test_a_drift_is_known_by_its_name(metric: type) -> None:
    found = known_metric(metric.name)
    assert type(found) is metric
    assert found.bad_direction == "up"
    assert found.family == "drift"


ODD = (-99999999.1234, -50.0, -1e-300, 0.0, 1e-300, 0.1, float(np.float32(0.2)), 0.2, 7 / 3, 99999999.1234)
"""Edges that are hard to write: tiny, huge, negative, and those that are values themselves."""
SPEC = MeasureSpec("values", Grain("day", "UTC"), (ColumnMetrics({"x": ["avg"]}),))


def hard(*, infinite: bool = True) -> list[float | None]:
    values = np.random.default_rng(3).normal(0, 50, 300).round(4).tolist()
    values += [0.0, -0.0, 0.1, 0.2, 0.3, 99999999.1234, -99999999.1234, None]
    return values + ([math.nan, math.inf, -math.inf, 1e-30, -1e-30] if infinite else [])


def same(here: Scan, there: Scan) -> None:
    (mine,), (theirs,) = (histograms(scan.state, "x", ODD) for scan in (here, there))
    assert isinstance(mine, Binned)
    assert isinstance(theirs, Binned)
    assert theirs.counts.tolist() == mine.counts.tolist()
    assert theirs.areas == pytest.approx(mine.areas, rel=1e-9)


@pytest.mark.parametrize("type_", ["double precision", "real", "numeric(12, 4)"])
def test_a_database_and_duckdb_put_the_same_into_each_bin(type_: str) -> None:
    values = hard(infinite=not type_.startswith("numeric"))
    table = pa.table({"x": pa.array(values, pa.float64()).cast(pa.float32() if type_ == "real" else pa.float64())})
    here = ENGINE.scan(Batches({"x": "number"}, lambda names, periods: iter([table])), SPEC, needs("x", ODD), [PERIOD])
    relation = tables.postgres_relation(table, SPEC, [PERIOD], {"x": type_})
    same(here, engine_named("sql").scan(relation, SPEC, needs("x", ODD), [PERIOD]))


def test_spark_and_duckdb_put_the_same_into_each_bin(spark: Any) -> None:
    table = pa.table({"x": pa.array(hard(), pa.float64())})
    relation = Batches({"x": "number"}, lambda names, periods: iter([table]))
    here, there = (engine.scan(relation, SPEC, needs("x", ODD), [PERIOD]) for engine in (ENGINE, engine_named("spark", session=spark)))
    same(here, there)
