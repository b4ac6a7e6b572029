"""A small history that the first schema's package and today's make alike: what `first_schema/` holds, and the day after."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_lupus.detectors.patterns import Rules
from airflow_lupus.detectors.threshold import Threshold
from airflow_lupus.detectors.window import Window
from airflow_lupus.model import (
    LEAF,
    TOTAL,
    Grain,
    Measurement,
    PeriodRecord,
    PeriodStatus,
    Point,
    SeriesInfo,
    SeriesKey,
    TaskRef,
    dimensions,
)
from airflow_lupus.pipeline import judge
from airflow_lupus.pipeline.digest import Links, build
from airflow_lupus.stores.base import DatasetInfo, NewDelivery, Scope, SlotKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_lupus.detectors.base import Detector
    from airflow_lupus.pipeline.judging import Report
    from airflow_lupus.stores.base import Saved
    from airflow_lupus.stores.sql import SqlStore

DAY = Grain("day", "America/New_York")
FIRST = datetime(2024, 3, 1, 12, tzinfo=UTC)
"""The clocks go forward on the tenth day."""
DEFINITION = {"table": "orders", "where": None}
RULES = Rules({"*": [Window(periods=7, min_history=3), Threshold(upper=200.0)]})
OTHER_RULES = Rules({"*": Threshold(lower=50.0)})
SHOPS = ("Köln", "O'Hare", None)
"""None: the total."""


def day(number: int):
    return DAY.containing(FIRST + timedelta(days=number))


def info(shop: str | None, dataset: str = "orders", column: str = "amount") -> SeriesInfo:
    dims = dimensions({} if shop is None else {"shop": shop})
    return SeriesInfo(SeriesKey(dataset, column, "avg", dims, TOTAL if shop is None else LEAF, DAY), "mean", "€")


def value(shop: str | None, number: int) -> float:
    return 100.0 + 3 * SHOPS.index(shop) + number % 3 + (150.0 if (number, shop) in {(8, "Köln"), (12, None), (6, "O'Hare")} else 0.0)


def collect(
    store: SqlStore,
    numbers: Iterable[int],
    run: str,
    *,
    shops: Iterable[str | None] = SHOPS,
    plus: float = 0.0,
    dataset: str = "orders",
    column: str = "amount",
    dag: str = "shop",
    shared: bool = False,
    missing: Iterable[int] = (),
) -> Saved:
    days, gaps = sorted(numbers), sorted(missing)
    points = {
        info(shop, dataset, column): [
            Point.of(day(n).epoch, None if (n, shop) == (2, "Köln") else value(shop, n) + plus, 10 + n) for n in days
        ]
        for shop in shops
    }
    records = [PeriodRecord(day(n), PeriodStatus.OK, 30) for n in days]
    records += [PeriodRecord(day(n), PeriodStatus.MISSING, reason="no such file: orders/%s.parquet") for n in gaps]
    who = DatasetInfo(dataset, DAY, shared=shared, owner="@shop", runbook="https://wiki.test/orders")
    scope = Scope({(column, "avg")}, {(), ("shop",)}, ("shop",))
    measurement = Measurement(tuple(sorted(records, key=lambda record: record.period)), points, 30 * len(days), 1 << 33)
    return store.save(who, {**DEFINITION, "column": column}, scope, measurement, TaskRef(dag, "collect", run))


def detect(store: SqlStore, run: str, *, rules: Rules = RULES, task: str = "detect", dataset: str = "orders") -> Report:
    def digests(report: Report) -> list[NewDelivery]:
        text = build(report, Links("http://airflow.test", "", ""), "shop", run).to_json()
        return [NewDelivery(name, *report.target, text) for name in ("slack", "pager")] if report.news else []

    return judge(store, dataset, rules, TaskRef("shop", task, run), lambda _: (day(0).epoch, day(1).epoch), digests)


def first(store: SqlStore) -> None:
    """Days with gaps, corrections, a retraction, a shared dataset, judged and not yet judged changes, a sent digest and one that waits."""
    collect(store, range(10), "1st", missing=[10])
    detect(store, "1st")
    detect(store, "1st", rules=OTHER_RULES, task="guard")
    (slack,) = store.due("orders", TaskRef("shop", "detect", "1st"), ["slack"])
    assert store.claim(slack.id)
    store.settle(slack.id, "sent")
    collect(store, [3, 4], "2nd", plus=1.5)
    collect(store, [5], "2nd", shops=["Köln", None])
    detect(store, "2nd")
    collect(store, range(10), "guest", column="weight", dag="guest", shared=True)
    collect(store, [11, 12], "3rd")
    collect(store, [7], "3rd", shops=["Köln", None], plus=0.25)
    collect(store, range(4), "new", dataset="never judged")


def then(store: SqlStore) -> None:
    """The day after."""
    collect(store, [10, 13], "4th")
    collect(store, [0], "4th", plus=2.0)
    detect(store, "4th")
    detect(store, "4th", rules=OTHER_RULES, task="guard")
    detect(store, "new", dataset="never judged")


def slot(name: str, detector: Detector) -> SlotKey:
    """How a detect task asks for what a detector has yet to judge."""
    return SlotKey(name, detector.name, detector.parameters())
