"""A collect task that is killed, at any moment, leaves nothing; its retry completes it."""

from __future__ import annotations

import os
import random
import signal
import time
from multiprocessing import get_context

import pytest

from airflow_lupus.stores import saving
from airflow_lupus.stores.sql import SqlStore
from support.measurements import DEFINITION, FLIGHTS, SCOPE, measured, task
from support.stores import ON_DISK, dump, meaning, url_of

BEFORE = {number: {"JFK": 0.01, "EWR": 0.02, None: 0.01} for number in range(20)}
AFTER = {number: {f"A{i}": 0.01 * i for i in range(200)} for number in range(10, 28)}


def save(url: str, values, die_in: str | None = None) -> None:
    store = SqlStore.at(url)
    if die_in:
        setattr(saving, die_in, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    store.save(FLIGHTS, DEFINITION, SCOPE, measured(values), task())


def child(url: str, *args) -> int | None:
    process = get_context("spawn").Process(target=save, args=(url, AFTER, *args))
    process.start()
    process.join(60)
    return process.exitcode


@pytest.fixture(params=ON_DISK)
def url(request, tmp_path) -> str:
    return url_of(request.param, tmp_path).render_as_string(hide_password=False)


@pytest.mark.parametrize("step", ["_write", "_save_periods", "record_changes"])
def test_killed_between_collecting_and_committing(url, step):
    save(url, BEFORE)
    before = dump(SqlStore.at(url))
    assert child(url, step) == -signal.SIGKILL
    assert dump(SqlStore.at(url)) == before
    assert child(url) == 0
    fresh = SqlStore.in_memory()
    fresh.save(FLIGHTS, DEFINITION, SCOPE, measured(BEFORE), task())
    fresh.save(FLIGHTS, DEFINITION, SCOPE, measured(AFTER), task())
    assert meaning(SqlStore.at(url)) == meaning(fresh)


def test_killed_at_random_moments(url):
    save(url, BEFORE)
    states = [dump(SqlStore.at(url))]
    for seed in range(4):
        process = get_context("spawn").Process(target=save, args=(url, AFTER))
        process.start()
        time.sleep(random.Random(seed).uniform(0.3, 1.5))
        process.kill()
        process.join()
        states.append(dump(SqlStore.at(url)))
    save(url, AFTER)
    done = dump(SqlStore.at(url))
    assert all(state in (states[0], done) for state in states), "all of a measurement or none"


def _many(url: str, number: int) -> None:
    store = SqlStore.at(url)
    for round_ in range(3):
        store.save(
            FLIGHTS,
            DEFINITION,
            SCOPE,
            measured({number * 3 + round_: {"JFK": 0.1, None: 0.1}, 100: {"JFK": 0.1, None: 0.1}}),
            task(f"run-{number}"),
        )


def test_eight_writers_at_once_lose_and_double_nothing(url):
    processes = [get_context("spawn").Process(target=_many, args=(url, number)) for number in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 8
    assert len(meaning(SqlStore.at(url))["points"]) == (8 * 3 + 1) * 2
