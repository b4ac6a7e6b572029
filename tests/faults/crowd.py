"""Many tasks of one dataset at once: what each writes, and what the store must hold in the end, worked out without a store."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_lupus.detectors.patterns import Rules
from airflow_lupus.detectors.window import Window
from airflow_lupus.exceptions import StoreError
from airflow_lupus.model import LEAF, Measurement, PeriodRecord, PeriodStatus, Point, SeriesInfo, SeriesKey, TaskRef, dimensions
from airflow_lupus.pipeline import judge
from airflow_lupus.stores.base import DatasetInfo, Scope
from airflow_lupus.stores.sql import SqlStore
from faults.work import DAY, FIRST

if TYPE_CHECKING:
    from collections.abc import Iterable
    from threading import Barrier

WRITERS = 16
PERIODS = [DAY.containing(FIRST + timedelta(days=number)) for number in range(30)]
CORRECTED = range(10)
"""Days that are corrected when all had written them: some values change, and the last shop is gone."""
RULES = Rules({"*": [Window(periods=14)]})
SPAN = (PERIODS[0].epoch, int(PERIODS[-1].end.timestamp()))


def value(shop: int, day: int, *, corrected: bool) -> float | None:
    """What is true of a shop's day; None: nothing is known of it."""
    if corrected and day in CORRECTED and shop == 0:
        return None
    spike = 80.0 if (shop + day) % 37 == 0 else 0.0
    return 100.0 + shop + day % 7 + spike + (0.25 if corrected and day in CORRECTED and shop % 5 == 1 else 0.0)


def info(shop: int) -> SeriesInfo:
    return SeriesInfo(SeriesKey("crowd", "amount", "avg", dimensions({"shop": shop}), LEAF, DAY), "mean")


def save(store: SqlStore, shops: int, days: Iterable[int], run: str, *, corrected: bool = False) -> None:
    days = list(days)
    points = {
        info(shop): [
            Point.of(PERIODS[day].epoch, found, 10) for day in days if (found := value(shop, day, corrected=corrected)) is not None
        ]
        for shop in range(shops)
    }
    records = tuple(PeriodRecord(PERIODS[day], PeriodStatus.OK, 10 * shops) for day in sorted(days))
    scope = Scope({("amount", "avg")}, {("shop",)}, ("shop",))
    measurement = Measurement(records, {key: found for key, found in points.items() if found}, 10 * shops * len(days))
    store.save(DatasetInfo("crowd", DAY), {"table": "crowd"}, scope, measurement, TaskRef("crowd", "collect", run))


def detect(store: SqlStore, run: str) -> bool:
    """Judge; False if others wrote so much meanwhile that it was left to the next run, as it says."""
    try:
        judge(store, "crowd", RULES, TaskRef("crowd", "detect", run), lambda _: SPAN)
    except StoreError as error:
        if "the next run judges what is left" not in str(error):
            raise
        return False
    return True


def member(url: str, number: int, shops: int, start: Barrier, written: Barrier) -> dict[str, int]:
    """One of the writers: four range runs, eight that write day by day, four that write day by day and judge in between.

    When all have written all, eight correct the first days one by one, four write the other days again as a range, and four correct
    the first days as a range and judge.
    """
    store, chance = SqlStore.at(url), random.Random(number)
    did = {"saves": 0, "detects": 0, "left to the next": 0}

    def saved(days: Iterable[int], *, corrected: bool = False) -> None:
        save(store, shops, days, f"run {number}", corrected=corrected)
        did["saves"] += 1

    def detected() -> None:
        did["detects" if detect(store, f"run {number}") else "left to the next"] += 1

    start.wait()
    try:
        if number < 4:
            saved(range(30))
        else:
            for i, day in enumerate(chance.sample(range(30), 30)):
                saved([day])
                if number >= 12 and i % 10 == number % 10:
                    detected()
    except Exception:
        written.abort()  # nobody needs to wait for us
        raise
    written.wait()
    if number < 8:
        for day in chance.sample(CORRECTED, len(CORRECTED)):
            saved([day], corrected=True)
    elif number < 12:
        saved(range(len(CORRECTED), 30))
    else:
        detected()
        saved(CORRECTED, corrected=True)
        detected()
    return did
