"""What is too large to be judged at once is judged in blocks, and comes to the same."""

from __future__ import annotations

import math

import pytest

from airflow_lupus.detectors import Threshold, Window
from airflow_lupus.detectors.patterns import Rules
from airflow_lupus.pipeline import judge, judging
from airflow_lupus.stores.base import NewDelivery
from airflow_lupus.stores.sql import SqlStore
from support.measurements import DEFINITION, FLIGHTS, SCOPE, day, measured, task
from support.stores import meaning

RULES = Rules({"*": [Window(periods=10, min_history=5), Threshold(upper=0.5)]})
AIRPORTS = [None, *(f"A{number}" for number in range(30))]
LAST = (day(19).epoch, int(day(19).end.timestamp()))


def history(days: int = 20) -> dict[int, dict[str | None, float]]:
    """Quiet days, but for A7 on day 12 and A9 on the last."""
    odd = {(12, "A7"): 0.9, (19, "A9"): 0.8}
    return {n: {a: odd.get((n, a), 0.1 + 0.01 * math.sin(n * 7 + i)) for i, a in enumerate(AIRPORTS)} for n in range(days)}


def filled() -> SqlStore:
    store = SqlStore.in_memory()
    store.save(FLIGHTS, DEFINITION, SCOPE, measured(history()), task("past"))
    return store


def detect(store: SqlStore, told: list | None = None, run: str = "today"):
    def deliveries(report):
        told.append([anomaly.info.key.dimensions for anomaly in report.news])
        return [NewDelivery("slack", *report.target, "{}")] if report.news else []

    return judge(store, "flights", RULES, task(run, name="detect"), lambda _: LAST, None if told is None else deliveries)


@pytest.mark.parametrize("cells", [1, 60, 200])
@pytest.mark.parametrize("silent", [False, True])
def test_blocks_come_to_the_same_verdicts_report_and_digest(cells, silent, monkeypatch):
    whole, parts = filled(), filled()
    told, told_in_parts = (None, None) if silent else ([], [])
    expected = detect(whole, told)
    monkeypatch.setattr(judging, "CELLS", cells)
    found = detect(parts, told_in_parts)
    assert meaning(parts) == meaning(whole)
    assert len(meaning(parts)["verdicts"]) == 20 * 31 * 2
    assert [anomaly.key for anomaly in found.anomalies] == [anomaly.key for anomaly in expected.anomalies]
    assert (found.judged, found.written, found.news) == (expected.judged, expected.written, expected.news)
    assert told_in_parts == told
    assert silent or told[-1] == [(("origin", "A9"),)]


def test_a_judgement_that_ends_between_blocks_is_completed_and_still_told(monkeypatch):
    """Killed after some blocks: the next detect judges all again, and the run's own anomaly is news to it."""
    monkeypatch.setattr(judging, "CELLS", 60)
    store = filled()
    save_verdicts, calls = store.save_verdicts, []

    def dies(*args, **kwargs):
        calls.append(kwargs.get("partial", False))
        if len(calls) == 8:
            raise KeyboardInterrupt
        return save_verdicts(*args, **kwargs)

    monkeypatch.setattr(store, "save_verdicts", dies)
    with pytest.raises(KeyboardInterrupt):
        detect(store, [])
    assert all(calls), "all of these were parts"
    assert 0 < len(meaning(store)["verdicts"]) < 20 * 31 * 2
    monkeypatch.undo()
    told: list = []
    detect(store, told)
    whole = filled()
    detect(whole, [])
    assert meaning(store) == meaning(whole)
    assert told[-1] == [(("origin", "A9"),)]


def test_points_that_change_between_blocks_are_judged_as_they_are_then(monkeypatch):
    monkeypatch.setattr(judging, "CELLS", 200)
    store = filled()
    save_verdicts, calls = store.save_verdicts, []

    def meanwhile(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            store.save(FLIGHTS, DEFINITION, SCOPE, measured({3: {**history()[3], "A1": 0.2}}), task("late"))
        return save_verdicts(*args, **kwargs)

    monkeypatch.setattr(store, "save_verdicts", meanwhile)
    detect(store, [])
    monkeypatch.undo()
    detect(store, [], "tomorrow")
    whole = SqlStore.in_memory()
    whole.save(FLIGHTS, DEFINITION, SCOPE, measured({**history(), 3: {**history()[3], "A1": 0.2}}), task("past"))
    detect(whole, [])
    assert meaning(store) == meaning(whole)
