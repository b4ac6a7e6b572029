"""How the store compares with the database's own means: `make bench-store`. Ratios count; seconds depend on the machine.

Writing 100,000 points (1,000 series × 100 days):

- plain: the same rows by the driver's COPY or executemany into an empty copy of the table, in one transaction
- new, again: `store.save` of points that are not there yet, and of the same ones unchanged

Reading, with 20,000 series in a dataset, at 1 million and at 10 million points, each judged: what the page reads, beside the best
SQL that we could write by hand for the same answer, on a bare driver cursor.

    make bench-store ARGS="--kinds sqlite --points 1000000"
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_lupus.model import LEAF, Grain, Measurement, PeriodRecord, PeriodStatus, Point, SeriesInfo, SeriesKey, TaskRef
from airflow_lupus.stores import reading, searching
from airflow_lupus.stores.base import DatasetInfo, Scope
from airflow_lupus.stores.reading import Filter
from airflow_lupus.stores.sql import SqlStore
from support.stores import url_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_lupus.model import Period

ROUNDS = 5
DAY = Grain("day", "UTC")
FIRST = DAY.containing(DAY.parse("2020-01-01"))
METRICS = ("avg", "p50", "p95", "null_ratio")
COLUMNS = ("price", "amount", "delay", "distance", "age")
TASK = TaskRef("bench", "collect", "run")
SERIES = 20_000
ANOMALOUS = 200
"""One verdict in so many is an anomaly."""


def days(count: int, first: int = 0) -> list[Period]:
    start = DAY.shift(FIRST, first)
    return list(DAY.periods(start.start, DAY.shift(start, count).start))


def measurement(dataset: str, series: int, periods: Sequence[Period], shift: float = 0.0) -> Measurement:
    """So many series of a dataset: every metric of every column, in as many groups as it takes."""
    records = tuple(PeriodRecord(period, PeriodStatus.OK, 1000) for period in periods)
    points = {}
    for i in range(series):
        group, rest = divmod(i, len(METRICS) * len(COLUMNS))
        key = SeriesKey(
            dataset,
            COLUMNS[rest // len(METRICS)],
            METRICS[rest % len(METRICS)],
            (("city", f"city-{group:04}"), ("device", ("phone", "tablet", "desk")[group % 3])),
            LEAF,
            DAY,
        )
        info = SeriesInfo(key, "mean", "minutes")
        points[info] = [Point.of(period.epoch, (i * 31 + j * 17) % 1009 / 7 + shift, 1000) for j, period in enumerate(periods)]
    return Measurement(records, points, 1000 * len(periods))


SCOPE = Scope({(column, metric) for column in COLUMNS for metric in METRICS}, {("city", "device")}, ("city", "device"))


def save(store: SqlStore, dataset: str, measured: Measurement) -> float:
    start = time.perf_counter()
    store.save(DatasetInfo(dataset, DAY), {"files": "x.parquet"}, SCOPE, measured, TASK)
    return time.perf_counter() - start


def plain(store: SqlStore, measured: Measurement) -> float:
    """The database's own means: the rows, known in advance, into an empty table like ours."""
    rows = [
        (i, point.start, point.value, point.n, 1, 86_400, 0, None) for i, points in enumerate(measured.points.values()) for point in points
    ]
    with store.engine.begin() as connection:
        copy = sa.MetaData()
        table = store.tables.points.to_metadata(copy, name="plain_points")
        table.create(connection)
    names = [column.name for column in table.columns]
    raw = store.engine.raw_connection()
    try:
        cursor: Any = raw.cursor()
        start = time.perf_counter()
        if store.engine.dialect.name == "postgresql":
            text = "".join(["\t".join(["\\N" if value is None else str(value) for value in row]) + "\n" for row in rows])
            cursor.copy_expert(f"COPY plain_points ({', '.join(names)}) FROM STDIN", io.StringIO(text))
        else:
            mark = "?" if store.engine.dialect.name == "sqlite" else "%s"
            if mark == "?":
                cursor.execute("BEGIN")
            cursor.executemany(f"INSERT INTO plain_points ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))})", rows)
        if store.engine.dialect.name == "sqlite":
            cursor.execute("COMMIT")
        else:
            raw.commit()
        seconds = time.perf_counter() - start
    finally:
        raw.close()
    with store.engine.begin() as connection:
        table.drop(connection)
    return seconds


def writing(kind: str, folder: Path) -> None:
    store = SqlStore.at(url_of(kind, folder))
    store.upgrade()
    seconds: dict[str, list[float]] = {"plain": [], "new": [], "again": [], "changed": []}
    for number in range(ROUNDS + 1):
        first, again = (measurement(f"writing-{number}", 1_000, days(100)) for _ in range(2))
        changed = measurement(f"writing-{number}", 1_000, days(100), shift=1.0)
        found = {
            "plain": plain(store, first),
            "new": save(store, f"writing-{number}", first),
            "again": save(store, f"writing-{number}", again),
            "changed": save(store, f"writing-{number}", changed),
        }
        if number:  # the first warms up
            for name, value in found.items():
                seconds[name].append(value)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"\n{kind}: 100,000 points{'seconds':>12}{'÷ plain':>10}{'bar':>8}")
    for name, value in median.items():
        bar = {"new": "≤ 3", "again": f"≤ {median['new'] / median['plain']:.1f}"}.get(name, "")
        print(f"  {name:22}{value:9.3f}{value / median['plain']:10.2f}{bar:>8}")
    store.engine.dispose()


def fill(store: SqlStore, first: int, last: int) -> None:
    """Days from first to last of every series, with a verdict each, made by the database itself; in the order in which days come."""
    dialect = store.engine.dialect.name
    t = store.tables
    for begin in range(first, last, 50):
        end = min(begin + 50, last)
        with store.engine.begin() as connection:
            measured = connection.execute(sa.select(sa.func.max(t.measurements.c.id))).scalar()
            connection.exec_driver_sql("DROP TABLE IF EXISTS bench_days")
            connection.exec_driver_sql("CREATE TABLE bench_days (start BIGINT PRIMARY KEY)")
            connection.execute(sa.text("INSERT INTO bench_days VALUES (:s)"), [{"s": period.epoch} for period in days(end - begin, begin)])
            value = "((s.id * 31 + d.start / 86400 * 17) % 1009) / 7.0"
            by_time = "s.id, d.start" if dialect == "sqlite" else "d.start, s.id"
            connection.execute(
                sa.text(
                    "INSERT INTO lupus_points (series_id, start, value, n, measurement_id, seconds, status) "
                    f"SELECT s.id, d.start, {value}, 1000, {measured}, 86400, 0 "
                    f"FROM lupus_series s CROSS JOIN bench_days d ORDER BY {by_time}"
                )
            )
            odd = f"CASE WHEN (s.id * 7919 + d.start / 86400 * 104729) % {ANOMALOUS} = 0 THEN 1 + s.id % 3 ELSE 0 END"
            connection.execute(
                sa.text(
                    "INSERT INTO lupus_verdicts (series_id, start, slot_id, parameter_set_id, value, expected, lower, upper, score, "
                    "history_end, history, severity, reason) "
                    f"SELECT s.id, d.start, 1, 1, {value}, 72.0, 10.0, 134.0, ({value} - 72.0) / 20.5, d.start - 86400, 28, {odd}, 0 "
                    f"FROM lupus_series s CROSS JOIN bench_days d ORDER BY {by_time}"
                )
            )
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM lupus_latest")
        connection.exec_driver_sql(
            "INSERT INTO lupus_latest (series_id, start, value, seconds, status, severity) "
            "SELECT p.series_id, p.start, p.value, 86400, 0, v.severity FROM lupus_points p "
            "JOIN lupus_verdicts v ON v.series_id = p.series_id AND v.start = p.start "
            "WHERE p.start = (SELECT max(start) FROM bench_days)"
        )
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql({"postgresql": "VACUUM ANALYZE", "sqlite": "ANALYZE"}.get(dialect, "ANALYZE TABLE lupus_points"))


@dataclass(frozen=True)
class Read:
    """One thing that the page reads, by our code and by hand."""

    name: str
    ours: Callable[[SqlStore], Any]
    by_hand: str
    parameters: tuple[Any, ...]


def reads(newest: int) -> list[Read]:
    """:param newest: number of the newest day."""
    year = days(1, max(0, newest - 364))[0].epoch
    month = days(1, max(0, newest - 29))[0].epoch
    last = days(1, newest)[0].epoch
    one = [SERIES // 2]
    narrow = Filter({"bench"}, column=["delay"], dimensions={"device": ["phone"]}, text="city-01", start=month)
    digest = Filter({"bench"}, dataset=["big"], start=last, end=last + 86_400, anomalous=True)
    bad = (
        "SELECT series_id, count(*) AS anomalies, max(start) AS newest, max(severity) AS severity, max(abs(score)) AS score "
        "FROM lupus_verdicts WHERE severity > 0 AND severity IN (1, 2, 3) AND start >= ? {end} GROUP BY series_id"
    )

    def with_tx(work: Callable[..., Any]) -> Callable[[SqlStore], Any]:
        def run(store: SqlStore) -> Any:
            with store.reading() as tx:
                return work(tx)

        return run

    def series_year(tx: Any) -> Any:
        wanted = Filter({"bench"}, start=year)
        return reading.chart_points(tx, one, wanted), reading.chart_verdicts(tx, one, wanted)

    def run_digest(tx: Any) -> Any:
        found = searching.page(tx, digest, "worst", 500, 0)
        return found, reading.worst_verdicts(tx, [row.id for row in found.series], digest)

    return [
        Read(
            "one series' year",
            with_tx(series_year),
            "SELECT p.start, p.value, p.status, p.n, v.expected, v.lower, v.upper, v.score, v.severity, m.run_id FROM lupus_points p "
            "JOIN lupus_measurements m ON m.id = p.measurement_id "
            "LEFT JOIN lupus_verdicts v ON v.series_id = p.series_id AND v.start = p.start "
            "WHERE p.series_id = ? AND p.start >= ? ORDER BY p.start",
            (one[0], year),
        ),
        Read(
            "newest of every series",
            with_tx(lambda tx: reading.latest_points(tx, range(1, SERIES + 1))),
            "SELECT series_id, start, value, status, severity FROM lupus_latest",
            (),
        ),
        Read(
            "a filtered page",
            with_tx(lambda tx: searching.page(tx, narrow, "worst", 50, 0)),
            f"SELECT s.*, b.*, count(*) OVER () FROM lupus_series s JOIN lupus_definitions f ON f.id = s.definition_id "
            f"LEFT JOIN ({bad.format(end='')}) b ON b.series_id = s.id WHERE f.dag_id = 'bench' AND s.column_name = 'delay' "
            "AND s.dimensions LIKE '%%\"device\":\"phone\"%%' AND s.dimensions LIKE '%%city-01%%' "
            "ORDER BY coalesce(b.severity, 0) DESC, coalesce(b.score, 0) DESC, s.column_name, s.metric, s.dimensions LIMIT 50",
            (month,),
        ),
        Read(
            "a run's digest",
            with_tx(run_digest),
            "SELECT s.*, v.* FROM lupus_verdicts v JOIN lupus_series s ON s.id = v.series_id "
            "JOIN lupus_definitions f ON f.id = s.definition_id JOIN lupus_datasets d ON d.id = s.dataset_id "
            "WHERE v.severity > 0 AND v.severity IN (1, 2, 3) AND v.start >= ? AND v.start < ? AND d.name = 'big' AND f.dag_id = 'bench' "
            "ORDER BY v.severity DESC, abs(v.score) DESC",
            (last, last + 86_400),
        ),
    ]


def by_hand(store: SqlStore, read: Read) -> list[Any]:
    raw = store.engine.raw_connection()
    try:
        cursor: Any = raw.cursor()
        sql = read.by_hand.replace("%%", "%") if store.engine.dialect.name == "sqlite" else read.by_hand.replace("?", "%s")
        if store.engine.dialect.name != "sqlite" and not read.parameters:
            sql = sql.replace("%%", "%")
        cursor.execute(sql, read.parameters)
        return list(cursor.fetchall())
    finally:
        raw.rollback()
        raw.close()


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def reading_at(store: SqlStore, count: int) -> dict[str, float]:
    medians = {}
    print(f"  at {count * SERIES:,} points{'ours ms':>16}{'by hand ms':>13}{'bar: 2 × + 20':>16}")
    for read in reads(count - 1):
        ours, theirs = [], []
        for number in range(ROUNDS + 1):
            mine, hand = timed(lambda read=read: read.ours(store)), timed(lambda read=read: by_hand(store, read))
            if number:
                ours.append(mine)
                theirs.append(hand)
        mine, hand = statistics.median(ours), statistics.median(theirs)
        medians[read.name] = mine
        print(f"  {read.name:26}{mine:10.1f}{hand:13.1f}{2 * hand + 20:13.1f} {'ok' if mine <= 2 * hand + 20 else 'MISSED'}")
    return medians


def sizes(store: SqlStore, points: int) -> None:
    t = store.tables
    with store.engine.connect() as connection:
        for table in (t.points, t.verdicts):
            if store.engine.dialect.name == "postgresql":
                size = connection.execute(sa.select(sa.func.pg_total_relation_size(table.name))).scalar()
            elif store.engine.dialect.name == "sqlite":
                try:
                    size = connection.exec_driver_sql(f"SELECT sum(pgsize) FROM dbstat WHERE name = '{table.name}'").scalar()
                except sa.exc.OperationalError:
                    print("  this SQLite cannot tell the sizes of tables")
                    return
            else:
                size = connection.exec_driver_sql(
                    f"SELECT data_length + index_length FROM information_schema.tables WHERE table_name = '{table.name}'"
                ).scalar()
            print(f"  {table.name:26}{size / points:10.0f} bytes a row, keys and indexes included")


def reading_all(kind: str, folder: Path, points: int) -> None:
    store = SqlStore.at(url_of(kind, folder))
    store.upgrade()
    save(store, "big", measurement("big", SERIES, days(1)))
    with store.engine.begin() as connection:
        connection.execute(sa.delete(store.tables.points))
        connection.execute(
            sa.insert(store.tables.slots).values(dataset_id=1, dag_id="bench", task_id="detect", name="*:window", judged_revision=1)
        )
        connection.execute(sa.insert(store.tables.parameter_sets).values(hash="0", detector="window", parameters="{}"))
    print(f"\n{kind}: {SERIES:,} series")
    small, large = points // 10 // SERIES, points // SERIES
    fill(store, 0, small)
    before = reading_at(store, small)
    fill(store, small, large)
    after = reading_at(store, large)
    growth = ", ".join(f"{name} {after[name] / before[name]:.1f} ×" for name in before)
    print(f"  10 × the history: {growth}")
    sizes(store, points)
    daily = [save(store, "big", measurement("big", SERIES, days(1, large + number))) for number in range(3)]
    print(f"  a day of {SERIES:,} new points, beside all that: {statistics.median(daily):.2f} s")
    store.engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kinds", default="sqlite,postgres")
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--only", choices=["write", "read"])
    args = parser.parse_args()
    for kind in args.kinds.split(","):
        if args.only != "read":
            with tempfile.TemporaryDirectory() as folder:
                writing(kind, Path(folder))
        if args.only != "write":
            with tempfile.TemporaryDirectory() as folder:
                reading_all(kind, Path(folder), args.points)


if __name__ == "__main__":
    main()
