"""Partials follow the names of what they are of, and go with what is forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from airflow_lupus.model import LEAF, TOTAL, Partial, dimensions
from airflow_lupus.stores import renaming, retiring
from airflow_lupus.stores.renaming import Rename
from airflow_lupus.stores.retiring import Selection
from support.measurements import DEFINITION, FLIGHTS, SCOPE, day, measured, task

if TYPE_CHECKING:
    from airflow_lupus.stores.sql import SqlStore

DAYS = {number: {"JFK": 0.1, "EWR": 0.2, None: 0.15} for number in range(3)}


def save(store: SqlStore, days=DAYS, dataset: str = "flights") -> None:
    """Days with a partial for every point."""
    measurement = measured(days)
    points = {replace(info, key=replace(info.key, dataset=dataset)): found for info, found in measurement.points.items()}
    partials = tuple(
        Partial(
            day(number).epoch,
            "dep_time",
            ("null_ratio",),
            dimensions({} if origin is None else {"origin": origin}),
            TOTAL if origin is None else LEAF,
            f'{{"rows":{number}}}',
        )
        for number, values in days.items()
        for origin in values
    )
    store.save(replace(FLIGHTS, name=dataset), DEFINITION, SCOPE, replace(measurement, points=points, partials=partials), task())


def held(store: SqlStore) -> list[tuple]:
    t = store.tables
    with store.engine.connect() as connection:
        query = sa.select(*[t.partials.c[name] for name in ("column_name", "dimensions", "start", "state")])
        return sorted(map(tuple, connection.execute(query)))


@pytest.mark.parametrize(("what", "old", "new"), [("column", "dep_time", "departure"), ("dimension", "origin", "airport")])
def test_they_follow_a_renamed_column_or_dimension(store, what, old, new):
    save(store)
    before = held(store)
    store.writing(lambda tx: renaming.rename(tx, Rename(what, "flights", old, new)))
    assert held(store) == sorted(
        (new if what == "column" else column, dims.replace('"origin"', f'"{new}"') if what == "dimension" else dims, start, state)
        for column, dims, start, state in before
    )
    store.writing(lambda tx: renaming.rename(tx, Rename(what, "flights", new, old)))
    assert held(store) == before
    save(store)
    assert held(store) == before, "measured anew they replace, under the same identity"


def test_those_of_two_datasets_are_joined_and_the_newer_count(store):
    save(store)
    save(store, {number: values for number, values in DAYS.items() if number == 2} | {3: DAYS[0]}, dataset="departures")
    store.writing(lambda tx: renaming.rename(tx, Rename("dataset", "flights", "flights", "departures")))
    assert len(held(store)) == 4 * 3


@pytest.mark.parametrize(
    ("selection", "left"),
    [
        (Selection("flights"), 0),
        (Selection("flights", column="dep_time"), 0),
        (Selection("flights", dimensions={"origin": "JFK"}), 6),
    ],
)
def test_what_is_forgotten_leaves_none(store, selection, left):
    save(store)
    counts = retiring.forget(store, selection)
    assert len(held(store)) == left
    assert counts["partials"] == 9 - left
    assert not any("JFK" in dims for _, dims, _, _ in held(store)) or left == 9
