"""Drift in the store: against references recomputed from the raw rows, in whatever order and chunks the periods were collected."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from airflow_lupus.engines import engine_named
from airflow_lupus.engines.base import FileSet, SourceFile
from airflow_lupus.exceptions import SourceError, SpecError, StoreError
from airflow_lupus.metric_sets.drift import Baseline, Drift
from airflow_lupus.model import FIXED, Grain, PointStatus, TaskRef
from airflow_lupus.pipeline.collecting import Collected, Job, collect, save
from airflow_lupus.pipeline.drifting import prepare
from airflow_lupus.pipeline.frames import frame_batches
from airflow_lupus.pipeline.history import collect_history
from airflow_lupus.pipeline.measuring import Opened, measure
from airflow_lupus.pipeline.rolling_up import RollUp
from airflow_lupus.sources import Files
from airflow_lupus.specs import ColumnMetrics, MeasureSpec, TableMetrics
from airflow_lupus.stores import partials, renaming, retiring
from airflow_lupus.stores.pruning import Pruning, datasets
from airflow_lupus.stores.renaming import Rename
from airflow_lupus.stores.retention import Limits
from airflow_lupus.stores.retiring import Selection
from airflow_lupus.stores.sql import SqlStore
from support import stores
from support.stores import dump

if TYPE_CHECKING:
    from collections.abc import Sequence


DAY = Grain("day", "UTC")
DAYS = [DAY.containing(datetime(2024, 3, 1, tzinfo=UTC) + timedelta(days=i)) for i in range(12)]
ASKED = {
    "age": ["psi", "hellinger", "wasserstein", "kolmogorov_smirnov", "chi_square"],
    "device": ["psi", "unseen_ratio", "jensen_shannon"],
}
TASK = TaskRef("shop", "collect", "run")
ENGINE = engine_named("duckdb")
SHOPS = ["north", "süd"]
Row = dict[str, Any]


def rows_of_day(number: int) -> list[Row]:
    """Rows that drift from day to day; with NULLs and NaNs, and a shop that is not always there."""
    random = np.random.default_rng(number)
    rows = []
    for i in range(60):
        age = float(np.round(random.normal(30 + number, 8), 1))
        rows.append(
            {
                "at": DAYS[number].start + timedelta(minutes=i),
                "shop": SHOPS[i % 2] if number % 4 else SHOPS[0],
                "age": None if i % 13 == 0 else math.nan if i % 17 == 0 else age,
                "device": None if i % 11 == 0 else str(random.choice(["phone", "télé", "tablet", f"new{number}"])),
            }
        )
    return rows


def write(path: Path, rows: Sequence[Row]) -> FileSet:
    schema = pa.schema([("at", pa.timestamp("us", "UTC")), ("shop", pa.string()), ("age", pa.float64()), ("device", pa.string())])
    parquet.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)
    return FileSet([SourceFile(str(path))], "parquet")


@dataclass
class World:
    """Rows on disk, and what was collected of them."""

    folder: Path
    rows: dict[int, list[Row]]

    def job(self, reference: Any, *, asked: Any = ASKED, labels: Any = None, extra: Sequence[Any] = (), **options: Any) -> Job:
        relation = write(self.folder / "rows.parquet", [row for day in self.rows.values() for row in day])
        sets = (TableMetrics(["row_count"]), Drift(asked, reference, bins=5), *extra)
        spec = MeasureSpec("orders", DAY, sets, time_column="at", **{"group_columns": ("shop",), "labels": labels or {}, **options})
        opened = lambda source, period, spec: Opened(FileSet([SourceFile(source.path)], "parquet"))  # noqa: E731
        return Job(spec, {"files": "orders"}, lambda _: Opened(relation), ENGINE, open_reference=opened)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, {number: rows_of_day(number) for number in range(8)})


def points(store: SqlStore) -> dict[tuple[str, str, str | None], dict[int, float | None]]:
    """(column, metric, shop, None being the total) → number of the day → value."""
    t = store.tables
    query = sa.select(t.series.c.column_name, t.series.c.metric, t.series.c.dimensions, t.points.c.start, t.points.c.value).join(
        t.series, t.series.c.id == t.points.c.series_id
    )
    at = {period.epoch: number for number, period in enumerate(DAYS)}
    found: dict[tuple[str, str, str | None], dict[int, float | None]] = {}
    with store.engine.connect() as connection:
        for column, metric, dims, start, value in connection.execute(query):
            found.setdefault((column, metric, json.loads(dims).get("shop")), {})[at[start]] = value
    return found


def alike(one: SqlStore, other: SqlStore) -> None:
    """That they hold the same points, as far as sums of several threads are the same."""
    mine, theirs = points(one), points(other)
    assert mine.keys() == theirs.keys()
    for series, values in mine.items():
        assert theirs[series].keys() == values.keys(), series
        for number, value in values.items():
            assert theirs[series][number] == (value if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)), (series, number)


def kept_edges(store: SqlStore) -> np.ndarray:
    t = store.tables.partials
    with store.engine.connect() as connection:
        query = sa.select(t.c.state).where(t.c.start == FIXED, t.c.level == partials.EDGES, t.c.column_name == "age")
        return np.array(json.loads(connection.execute(query).scalar_one())["edges"])


# ---- the oracle: from raw rows ----


def bins(rows: Sequence[Row], edges: np.ndarray) -> np.ndarray:
    values = np.array([row["age"] for row in rows if row["age"] is not None and not math.isnan(row["age"])])
    return np.array([(values < edges[0]).sum(), *np.histogram(values, edges)[0], (values > edges[-1]).sum()])


def psi(now: np.ndarray, then: np.ndarray) -> float:
    there = now + then > 0
    p, q = (np.maximum(counts[there] / counts.sum(), 1e-4) for counts in (now, then))
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())


def expected(rows: Sequence[Row], reference: Sequence[Row], edges: np.ndarray) -> dict[tuple[str, str], float | None]:
    now, then = bins(rows, edges), bins(reference, edges)
    of_age: dict[tuple[str, str], float | None] = {("age", name): None for name in ("psi", "hellinger", "kolmogorov_smirnov")}
    if now.sum() and then.sum():
        p, q = now / now.sum(), then / then.sum()
        of_age = {
            ("age", "psi"): psi(now, then),
            ("age", "hellinger"): float(np.sqrt(max(0.0, 1 - np.sqrt(p * q).sum()))),
            ("age", "kolmogorov_smirnov"): float(np.abs(np.cumsum(p) - np.cumsum(q)).max()),
        }
    devices, known = ([row["device"] for row in some if row["device"] is not None] for some in (rows, reference))
    of_device: dict[tuple[str, str], float | None] = {("device", "psi"): None, ("device", "unseen_ratio"): None}
    if devices and known:
        names = sorted(set(known))
        unseen = sum(device not in names for device in devices)
        counted = np.array([*(devices.count(name) for name in names), unseen]), np.array([*(known.count(name) for name in names), 0])
        of_device = {("device", "psi"): psi(*counted), ("device", "unseen_ratio"): unseen / len(devices)}
    return of_age | of_device


def check(store: SqlStore, world: World, references: dict[int, Sequence[Row]]) -> None:
    """Every point of every series is what the raw rows say."""
    found, edges = points(store), kept_edges(store)
    compared = 0
    for number, rows in world.rows.items():
        if not rows:
            assert found["age", "psi", None][number] is None, "an empty period is undefined"
            assert all(number not in found["age", "psi", shop] for shop in SHOPS)
            continue
        for shop in (None, *{row["shop"] for row in rows}):
            own, reference = ([row for row in some if shop in (None, row["shop"])] for some in (rows, references[number]))
            for (column, metric), value in expected(own, reference, edges).items():
                point = found[column, metric, shop][number]
                assert point == (value if value is None else pytest.approx(value, rel=1e-9, abs=1e-7)), (column, metric, shop, number)
                compared += value is not None
    assert compared > 20


def references(baseline: Baseline, world: World, labels: dict[int, str] | None = None) -> dict[int, Sequence[Row]]:
    """Each day's reference, told from the words of the documentation."""
    with_rows = [number for number, rows in sorted(world.rows.items()) if rows]
    found: dict[int, Sequence[Row]] = {}
    for number in world.rows:
        earlier = [each for each in with_rows if each < number]
        chosen: list[int] = []
        if baseline.first is not None:
            chosen = with_rows[: baseline.first] if len(earlier) >= baseline.first else []
        elif baseline.last is not None:
            chosen = earlier[-baseline.last :] if len(earlier) >= baseline.last else []
        elif labels is not None:
            others = [each for each in earlier if labels[each] != labels[number]]
            chosen = [each for each in earlier if others and labels[each] == labels[others[-1]]]
        found[number] = [row for each in chosen for row in world.rows[each]]
    return found


BASELINES = [Baseline(first=3), Baseline(last=1), Baseline(last=3)]
baselines = pytest.mark.parametrize("baseline", BASELINES, ids=lambda each: str(each.definition()))


@baselines
def test_every_point_is_what_the_raw_rows_say(world: World, baseline: Baseline) -> None:
    store = SqlStore.in_memory()
    world.rows[4] = []
    collect(store, world.job(baseline), DAYS[:8], TASK)
    check(store, world, references(baseline, world))


@baselines
def test_a_run_a_day_comes_to_the_same_as_a_range_run_and_a_rerun_changes_nothing(world: World, baseline: Baseline) -> None:
    ranged, daily = SqlStore.in_memory(), SqlStore.in_memory()
    collect(ranged, world.job(baseline), DAYS[:8], TASK)
    for number in range(8):
        collect(daily, world.job(baseline), [DAYS[number]], TASK)
    alike(ranged, daily)
    before = dump(ranged)
    done = collect(ranged, world.job(baseline), DAYS[:8], TASK)
    assert done.saved.changed == 0
    for number in (2, 7, 0):
        assert collect(ranged, world.job(baseline), [DAYS[number]], TASK).saved.changed == 0
    assert dump(ranged) == before


@settings(deadline=None, max_examples=12)
@given(st.permutations(range(6)), st.sampled_from(BASELINES))
def test_the_order_of_collecting_makes_no_difference(order: list[int], baseline: Baseline) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), {number: rows_of_day(number) for number in range(6)})
        shuffled, sorted_ = SqlStore.in_memory(), SqlStore.in_memory()
        collect(shuffled, world.job(baseline), [DAYS[order[0]]], TASK)
        edges = kept_edges(shuffled)
        for number in order[1:]:
            collect(shuffled, world.job(baseline), [DAYS[number]], TASK)
        assert kept_edges(shuffled).tolist() == edges.tolist(), "bins are decided once"
        check(shuffled, world, references(baseline, world))
        collect(sorted_, world.job(baseline), [DAYS[order[0]]], TASK)
        collect(sorted_, world.job(baseline), DAYS[:6], TASK)
        alike(shuffled, sorted_)


@baselines
def test_history_after_a_first_run_makes_its_drift_known(world: World, baseline: Baseline) -> None:
    store = SqlStore.in_memory()
    run = collect(store, world.job(baseline), [DAYS[7]], TASK)
    assert points(store)["age", "psi", None] == {7: None}
    collect_history(store, world.job(baseline), DAYS[6::-1], TASK, run=run, most_rows=10**6)
    check(store, world, references(baseline, world))


@baselines
def test_a_period_measured_anew_moves_the_later_ones_that_are_compared_with_it(world: World, baseline: Baseline) -> None:
    store = SqlStore.in_memory()
    collect(store, world.job(baseline), DAYS[:8], TASK)
    world.rows[1] = [{**row, "age": 99.0, "device": "other"} for row in world.rows[1] if row["shop"] == "north"]
    done = collect(store, world.job(baseline), [DAYS[1]], TASK)
    assert done.saved.changed
    check(store, world, references(baseline, world))
    world.rows[1] = []
    collect(store, world.job(baseline), [DAYS[1]], TASK)
    check(store, world, references(baseline, world))
    assert collect(store, world.job(baseline), DAYS[:8], TASK).saved.changed == 0


def test_a_fixed_source_is_read_once_and_whole(world: World) -> None:
    store = SqlStore.in_memory()
    reference = [row for number in (8, 9) for row in rows_of_day(number) if row["shop"] == "north"]
    path = world.folder / "training.parquet"
    write(path, reference)
    job = world.job(Files(str(path)))
    collect(store, job, DAYS[:4], TASK)
    check(store, replace(world, rows={number: world.rows[number] for number in range(4)}), dict.fromkeys(range(4), reference))
    assert points(store)["age", "psi", "süd"] == dict.fromkeys([1, 2, 3]), "a group that the reference does not have is undefined"
    path.unlink()
    collect(store, job, DAYS[4:8], TASK)
    assert points(store)["age", "psi", None][7] is not None


def test_a_reference_that_cannot_be_measured_says_why(world: World) -> None:
    path = world.folder / "training.parquet"
    parquet.write_table(pa.table({"shop": ["north"], "age": ["old"]}), path)
    with pytest.raises(SpecError, match=r"reference Files\(.*no column 'device'"):
        collect(SqlStore.in_memory(), world.job(Files(str(path))), DAYS[:1], TASK)
    parquet.write_table(pa.table({"shop": ["north"], "age": ["old"], "device": ["phone"]}), path)
    with pytest.raises(SpecError, match="has other values in its reference"):
        collect(SqlStore.in_memory(), world.job(Files(str(path)), asked={"age": ["psi"]}), DAYS[:1], TASK)
    job = replace(world.job(Files("gone.parquet")), open_reference=lambda *_: Opened(None, {DAYS[0]: "no file at gone.parquet"}))
    with pytest.raises(SourceError, match="has nothing to read: no file at gone"):
        collect(SqlStore.in_memory(), job, DAYS[:1], TASK)


def test_a_label_compares_with_the_periods_of_the_version_before(world: World) -> None:
    store = SqlStore.in_memory()
    baseline = Baseline(label={"model": "previous"})
    labels = {0: "a", 1: "a", 2: "b", 3: "b", 4: "c", 5: "a", 6: "a", 7: "c"}
    for number in (0, 1, 3, 2, 6, 5, 7, 4):
        collect(store, world.job(baseline, labels={"model": labels[number]}), [DAYS[number]], TASK)
    check(store, world, references(baseline, world, labels))
    assert points(store)["age", "psi", None][1] is None
    assert collect(store, world.job(baseline, labels={"model": "c"}), [DAYS[7]], TASK).saved.changed == 0


def test_a_column_without_values_is_undefined_until_it_has_some(world: World) -> None:
    store = SqlStore.in_memory()
    for number in (0, 1):
        world.rows[number] = [{**row, "age": None, "device": None} for row in world.rows[number]]
    for number in range(5):
        collect(store, world.job(Baseline(last=1)), [DAYS[number]], TASK)
    found = points(store)
    assert [value is None for value in found["age", "psi", None].values()] == [True, True, True, False, False]
    assert [value is None for value in found["device", "psi", None].values()] == [True, True, True, False, False]


def test_a_boolean_is_two_categories_and_a_constant_does_not_drift(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    times = [DAYS[number].start for number in range(3) for _ in range(10)]
    table = {"at": pa.array(times, pa.timestamp("us", "UTC")), "member": [i < 15 for i in range(30)], "price": [5.0] * 20 + [7.0] * 10}
    parquet.write_table(pa.table(table), path)
    asked = {"member": ["hellinger", "unseen_ratio"], "price": ["hellinger", "wasserstein"]}
    spec = MeasureSpec("orders", DAY, (Drift(asked, Baseline(last=1)),), time_column="at")
    store = SqlStore.in_memory()
    collect(store, Job(spec, {}, lambda _: Opened(FileSet([SourceFile(str(path))], "parquet")), ENGINE), DAYS[:3], TASK)
    found = points(store)
    assert found["member", "unseen_ratio", None] == {0: None, 1: 0.5, 2: 0.0}
    assert found["price", "hellinger", None] == {0: None, 1: 0.0, 2: 1.0}
    assert found["price", "wasserstein", None] == {0: None, 1: 0.0, 2: 2.0}


def test_what_cannot_be_read_as_a_number_fails_and_is_no_reference(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    lines = [f"2024-03-0{day},{value}" for day, values in enumerate(([1, 2, 3], ["x", 2, 3], [1, 2, 3]), 1) for value in values]
    path.write_text("\n".join(["at,age", *lines]))
    relation = FileSet([SourceFile(str(path))], "csv", {"types": {"age": "DOUBLE", "at": "DATE"}})
    spec = MeasureSpec("orders", DAY, (Drift({"age": ["psi"]}, Baseline(last=1)),), time_column="at")
    store = SqlStore.in_memory()
    collect(store, Job(spec, {}, lambda _: Opened(relation), ENGINE), DAYS[:3], TASK)
    t = store.tables
    with store.engine.connect() as connection:
        rows = connection.execute(sa.select(t.points.c.status, t.points.c.value).order_by(t.points.c.start)).all()
    assert rows == [(PointStatus.UNDEFINED, None), (PointStatus.FAILED, None), (PointStatus.OK, 0.0)]


@pytest.mark.parametrize("reference", [Baseline(last=2), Files("training.parquet")], ids=["baseline", "source"])
def test_rows_that_come_in_batches_are_compared_alike(world: World, reference: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world.folder)
    write(Path("training.parquet"), rows_of_day(9))
    files, frames = SqlStore.in_memory(), SqlStore.in_memory()
    job = world.job(reference, where="shop IS NOT NULL")
    collect(files, job, DAYS[:8], TASK)
    table, other = (parquet.read_table(name) for name in ("rows.parquet", "training.parquet"))
    batched = replace(
        job,
        open=lambda periods: Opened(frame_batches("orders", table, job.spec)),
        open_reference=lambda source, period, spec: Opened(frame_batches("training", other, spec)),
    )
    collect(frames, batched, DAYS[:8], TASK)
    alike(files, frames)


# ---- the store ----


@pytest.mark.parametrize("kind", stores.KINDS)
def test_every_store_keeps_histograms(kind: str, world: World) -> None:
    for store in stores.open_store(kind, world.folder):
        world.rows[3] = []
        for number in (0, 4, 2, 3, 1, 5):
            collect(store, world.job(Baseline(last=2)), [DAYS[number]], TASK)
        check(store, replace(world, rows={number: world.rows[number] for number in range(6)}), references(Baseline(last=2), world))
        assert collect(store, world.job(Baseline(last=2)), DAYS[:6], TASK).saved.changed == 0
        path = world.folder / "training.parquet"
        write(path, rows_of_day(9))
        for _ in range(2):
            collect(store, world.job(Files(str(path))), DAYS[:6], TASK)
        assert points(store)["device", "psi", None][5] is not None


def histograms_held(store: SqlStore) -> dict[str, int]:
    t = store.tables.partials
    with store.engine.connect() as connection:
        rows = connection.execute(sa.select(t.c.column_name, t.c.start))
        found: dict[str, int] = {}
        for column, start in rows:
            what = f"{column} fixed" if start == FIXED else column
            found[what] = found.get(what, 0) + 1
    return found


@pytest.mark.parametrize(("baseline", "left"), [(Baseline(first=2), 6), (Baseline(last=2), 3)])
def test_pruning_leaves_what_is_compared_with_for_ever(world: World, baseline: Baseline, left: int) -> None:
    store = SqlStore.in_memory()
    job = world.job(baseline, asked={"device": ["psi"]}, group_columns=())
    collect(store, job, DAYS[:6], TASK)
    limits = Limits.of({"partials": 3}, now=DAYS[6].epoch)
    Pruning(store, 1, limits).run(lambda _: None)
    assert histograms_held(store) == {"device fixed": 1, "device": left}
    collect(store, job, DAYS[6:8], TASK)
    check_left = points(store)["device", "psi", None]
    assert all(check_left[number] is not None for number in range(2, 8))


def test_histograms_follow_a_renamed_column_and_go_with_what_is_forgotten(world: World) -> None:
    store = SqlStore.in_memory()
    collect(store, world.job(Baseline(last=1)), DAYS[:3], TASK)
    before = histograms_held(store)
    store.writing(lambda tx: renaming.rename(tx, Rename("column", "orders", "device", "gadget")))
    assert histograms_held(store) == {name.replace("device", "gadget"): rows for name, rows in before.items()}
    retiring.forget(store, Selection("orders", column="gadget"))
    assert set(histograms_held(store)) == {"age", "age fixed"}


def test_rolling_up_takes_no_notice_of_histograms(world: World) -> None:
    store = SqlStore.in_memory()
    world.rows = {number: rows_of_day(number) for number in range(12)}
    collect(store, world.job(Baseline(last=1), extra=[ColumnMetrics({"age": ["avg"]})], keep_partials=True), DAYS, TASK)
    (dataset,) = datasets(store)
    done = RollUp(store, dataset, Grain("week", "UTC"), DAYS[11].epoch).run(lambda _: None)
    assert done.unmergeable["age.psi"] == 3
    assert "age.avg" not in done.unmergeable


def test_many_small_chunks_come_to_the_same(world: World) -> None:
    store = SqlStore.in_memory()
    done: Collected = collect(store, world.job(Baseline(last=2)), DAYS[:8], TASK, budget=10)
    check(store, world, references(Baseline(last=2), world))
    assert done.points >= sum(map(len, points(store).values()))


def test_another_run_that_decides_the_bins_first_wins(world: World) -> None:
    store, job = SqlStore.in_memory(), world.job(Baseline(last=1))
    mine = prepare(store, job, DAYS[0])
    measured = measure(job.spec, job.open(DAYS[:1]), ENGINE, DAYS[:1], drifting=mine)
    collect(store, job, [DAYS[3]], TASK)
    edges = kept_edges(store)
    with pytest.raises(StoreError, match="another run has just decided the bins"):
        save(store, job, measured, TASK, Collected(1), "run", mine)
    collect(store, job, [DAYS[0]], TASK)
    assert kept_edges(store).tolist() == edges.tolist()


# ---- what users write ----


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (Baseline, "one of first=, last= and label=, not none"),
        (lambda: Baseline(first=1, last=2), "not first, last"),
        (lambda: Baseline(last=0), "at least 1"),
        (lambda: Baseline(label={"model": "next"}), '"previous"'),
        (lambda: Drift({"age": ["psy"]}, Baseline(last=1)), "did you mean 'psi'"),
        (lambda: Drift({"age": ["avg"]}, Baseline(last=1)), "is a metric of a column"),
        (lambda: ColumnMetrics({"age": ["psi"]}), "Drift"),
        (lambda: Drift({"age": "psi"}, Baseline(last=1)), "list of metrics"),
        (lambda: Drift({"age": ["psi"]}, "training"), "must be a source"),  # type: ignore[arg-type]
        (lambda: Drift({"age": ["psi"]}, Files("a/{period:%Y}.parquet")), "names a period"),
        (lambda: Drift({"age": ["psi"]}, Baseline(last=1), bins=1), "from 2 to 100"),
        (lambda: Drift({}, Baseline(last=1)), "no column"),
    ],
)
def test_what_cannot_be_meant_is_refused(made: Any, words: str) -> None:
    with pytest.raises(SpecError) as error:
        made()
    assert words in str(error.value)


def test_a_series_has_one_reference_and_a_label_a_name(world: World) -> None:
    twice = Drift({"age": ["psi"]}, Baseline(first=1))
    with pytest.raises(SpecError, match="named by 2 Drift"):
        world.job(Baseline(last=1), extra=[twice])
    with pytest.raises(SpecError, match="no such label: did you mean 'model'"):
        world.job(Baseline(label={"modle": "previous"}), labels={"model": "7"})
    with pytest.raises(SpecError, match="'wasserstein' of column 'device' needs a number"):
        collect(SqlStore.in_memory(), world.job(Baseline(last=1), asked={"device": ["wasserstein"]}), DAYS[:1], TASK)
