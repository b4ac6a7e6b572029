"""Whatever text a user's data and DAGs hold comes back exactly as it was, or is refused before anything is written; errors' texts are kept
with what no database can hold replaced."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_lupus.exceptions import LupusError
from airflow_lupus.model import LEAF, TOTAL, Measurement, PeriodRecord, PeriodStatus, Point, SeriesInfo, SeriesKey, TaskRef, dimensions
from airflow_lupus.stores.base import DatasetInfo, Scope
from airflow_lupus.stores.sql import SqlStore
from faults.kinds import KINDS, fresh
from support.measurements import DAY, day

NASTY = (
    "",
    " ",
    'it\'s "quoted" \\ `so` %s %(x)s :x {y} ; DROP TABLE lupus_points --',
    "zero\x00byte",
    "half a pair \ud83d",
    "🛫✈️ 한국 עברית e\u0301 \u202e \uffff",
    "tab\tline\nreturn\r\x1b[31m\x7f",
    "x" * 250,
    "x" * 251,
    "é" * 250,
    "🛫" * 250,
    "長" * 70_000,
    "trailing ",
    "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}",
)
ORDINARY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
ANYTHING = st.text(st.characters(exclude_categories=()), max_size=300)
NUMBERS = count()


class Case:
    """One field that holds a user's text: how a store gets it, and where it comes back."""

    dataset = "garbage"
    column = "amount"
    owner: str | None = None
    runbook: str | None = None
    reason: str | None = None
    point_reason: str | None = None
    unit: str | None = None
    dims: dict[str, Any] | None = None
    run = "run"
    dag = "dag"

    def __init__(self, field: str, text: str) -> None:
        self.dataset = f"garbage {next(NUMBERS)}"
        if field == "value":
            self.dims = {"shop": text}
        elif field == "name":
            self.dims = {text: "JFK"}
        elif field == "dataset":
            self.dataset += text
        else:
            setattr(self, field, text)

    def save(self, store: SqlStore) -> None:
        dims = dimensions(self.dims or {})
        info = SeriesInfo(SeriesKey(self.dataset, self.column, "avg", dims, LEAF if dims else TOTAL, DAY), "mean", self.unit)
        point = Point(day(0).epoch, 1.0, 1, reason=self.point_reason)
        record = PeriodRecord(day(0), PeriodStatus.OK, 1, reason=self.reason)
        scope = Scope({(self.column, "avg")}, {tuple(self.dims or ())}, tuple(self.dims or ()))
        who = DatasetInfo(self.dataset, DAY, owner=self.owner, runbook=self.runbook)
        store.save(who, {"table": "garbage"}, scope, Measurement((record,), {info: [point]}), self.task)

    @property
    def task(self) -> TaskRef:
        return TaskRef(self.dag, "collect", self.run)

    def read(self, store: SqlStore, field: str) -> object:
        state = store.judging(self.dataset, self.task, [])
        (stored,) = state.series
        (record,) = store.period_records(self.dataset, DAY, day(0).epoch, day(1).epoch)
        key = stored.info.key
        dims = dict(key.dimensions)
        found = {
            "value": dims.get("shop"),
            "name": next(iter(dims), None),
            "dataset": state.dataset,
            "column": key.column,
            "unit": stored.info.unit,
            "owner": state.owner,
            "runbook": state.runbook,
            "reason": record.reason,
            "run": self.run if state.target else None,  # what this run's task measured is found by the run's name
            "dag": self.dag if state.target else None,
        }
        return found[field] if field != "point_reason" else only(store, "points", "reason", stored.id)

    def text(self, field: str) -> object:
        found = {"value": (self.dims or {}).get("shop"), "name": next(iter(self.dims or {}), None)}.get(field) or getattr(self, field, "")
        if field.endswith("reason"):  # the text of an error: better with a character replaced than not at all
            return found.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
        return found


def only(store: SqlStore, table: str, column: str, series_id: int) -> object:
    with store.engine.connect() as connection:
        (name,) = [name for name in sa.inspect(connection).get_table_names() if name.endswith(f"_{table}")]
        return connection.execute(sa.text(f"SELECT {column} FROM {name} WHERE series_id = :id"), {"id": series_id}).scalar_one()


def sizes(store: SqlStore) -> dict[str, int]:
    with store.engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        return {name: connection.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar_one() for name in names}


FIELDS = ("value", "name", "column", "dataset", "owner", "runbook", "reason", "point_reason", "unit", "run", "dag")


@pytest.fixture(scope="module", params=KINDS)
def store(request, tmp_path_factory):
    store = SqlStore.at(fresh(request.param, tmp_path_factory.mktemp("garbage")))
    store.upgrade()
    yield store
    store.engine.dispose()


def examples(test):
    for text in NASTY:
        test = example(text=text)(test)
    return test


@pytest.mark.parametrize("field", FIELDS)
@settings(max_examples=20, deadline=None, derandomize=True)
@given(text=ORDINARY)
def test_text_of_any_script_comes_back(store, field, text):
    case = Case(field, text)
    case.save(store)
    assert case.read(store, field) == case.text(field)


@pytest.mark.parametrize("field", FIELDS)
@settings(max_examples=20, deadline=None, derandomize=True)
@examples
@given(text=ANYTHING)
def test_anything_comes_back_or_is_refused(store, field, text):
    case = Case(field, text)
    before = sizes(store)
    try:
        case.save(store)
    except LupusError:
        assert sizes(store) == before
        return
    assert case.read(store, field) == case.text(field)


def test_names_that_look_alike_stay_apart(store):
    names = ["orders", "Orders", "orders ", "órders", "o\u0301rders", "ORDERS", "orders\t"]
    for number, name in enumerate(names):
        case = Case("dataset", "")
        case.dataset, case.owner, case.dims = name, f"owner {number}", {"shop": name}
        case.save(store)
        assert case.read(store, "value") == name
    owners = [store.judging(name, TaskRef("dag", "collect", "run"), []).owner for name in names]
    assert owners == [f"owner {number}" for number in range(len(names))]
