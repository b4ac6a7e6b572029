"""The API: behind a login, and only of DAGs that the user may read."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from fastapi.testclient import TestClient

from airflow_lupus.detectors import Threshold
from airflow_lupus.detectors.patterns import Rules
from airflow_lupus.model import Measurement, Point
from airflow_lupus.pipeline import judge
from airflow_lupus.plugin import access, api
from airflow_lupus.plugin.app import create_app
from airflow_lupus.stores.base import DatasetInfo
from airflow_lupus.stores.retiring import Selection, retire
from support.flights import REPO
from support.measurements import DAY, DEFINITION, SCOPE, day, info, measured, task
from support.stores import ON_DISK, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_lupus.stores.sql import SqlStore

STORM = {number: {"JFK": 0.01, "EWR": 0.02, None: 0.015} for number in range(7)} | {7: {"JFK": 0.52, "EWR": 0.51, None: 0.51}}
ROUTES = ("datasets", "series", "charts?id=1", "restatements")


@pytest.fixture(params=ON_DISK)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    """Two datasets: `flights` of DAG `nyc`, `secrets` of DAG `hidden`."""
    for fresh in open_store(request.param, tmp_path):
        for name, dag in (("flights", "nyc"), ("secrets", "hidden")):
            values = measured(STORM)
            points = {info(dict(i.key.dimensions).get("origin"), dataset=name): p for i, p in values.points.items()}
            who = task(dag=dag)
            fresh.save(DatasetInfo(name, DAY, owner="@core"), DEFINITION, SCOPE, Measurement(values.periods, points), who)
            judge(fresh, name, Rules({"*": Threshold(upper=0.3)}), task(dag=dag, name="detect"), lambda _: (0, 1))
        yield fresh


@pytest.fixture
def client(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A client of somebody who may read DAG `nyc`."""
    monkeypatch.setattr(api, "get_store", lambda: store)
    app = create_app()
    app.dependency_overrides[access.get_user] = lambda: None
    app.dependency_overrides[access.readable_dags] = lambda: {"nyc"}
    return TestClient(app)


def get(client: TestClient, path: str, **query):
    answer = client.get(f"/api/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("route", ROUTES)
def test_nobody_sees_anything_without_login(route):
    assert TestClient(create_app()).get(f"/api/v1/{route}").status_code == 401


def test_every_route_asks_who_it_is_and_what_he_may_read():
    for route in api.router.routes:
        calls = {dependency.call for dependency in route.dependant.dependencies}
        assert access.get_user in calls
        assert access.readable_dags in calls
        assert route.methods == {"GET"}


def test_other_dags_are_neither_shown_nor_counted(client):
    assert [dataset["name"] for dataset in get(client, "datasets")["datasets"]] == ["flights"]
    page = get(client, "series")
    assert (page["total"], {series["dataset"] for series in page["series"]}) == (3, {"flights"})
    counts = {facet["name"]: {value["value"]: value["count"] for value in facet["values"]} for facet in page["facets"]}
    assert counts["dataset"] == {"flights": 3}
    assert counts["dim.origin"] == {"EWR": 1, "JFK": 1}
    assert get(client, "series", dag_id="hidden")["total"] == 0
    assert get(client, "series", q="secrets")["total"] == 0


def test_a_chart_of_another_dag_is_as_unknown_as_one_that_is_not_there(client, store):
    with store.engine.connect() as connection:
        query = "SELECT s.id FROM lupus_series s JOIN lupus_datasets d ON d.id = s.dataset_id WHERE d.name = 'secrets'"
        hidden = connection.exec_driver_sql(query).scalars().all()
    answers = [client.get("/api/v1/charts", params={"id": number}) for number in (*hidden, 999_999)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1


def test_series_come_worst_first_with_their_worst_anomaly_in_words(client):
    page = get(client, "series")
    assert page["anomalous"] == {"warning": 0, "major": 0, "critical": 3}
    jfk = next(series for series in page["series"] if series["dimensions"] == {"origin": "JFK"})
    assert jfk["worst"]["sentence"] == "52 % of dep_time is NULL, above the limit of 30 %"
    assert jfk["worst"]["start"] == day(7).start.isoformat().replace("+00:00", "Z")
    assert (jfk["anomalies"], jfk["unit"], jfk["kind"]) == (1, "ratio", "ratio")
    quiet = get(client, "series", to=day(6).start.isoformat())
    assert quiet["anomalous"] == {"warning": 0, "major": 0, "critical": 0}
    assert {series["worst"] for series in quiet["series"]} == {None}
    assert get(client, "series", anomalous="true", to=day(6).start.isoformat())["total"] == 0


def test_filters_narrow_down_and_facets_keep_the_other_choices(client):
    page = get(client, "series", dim='origin:"JFK"')
    assert page["total"] == 1
    facets = {facet["name"]: {value["value"]: value["count"] for value in facet["values"]} for facet in page["facets"]}
    assert facets["dim.origin"] == {"EWR": 1, "JFK": 1}, "a facet's own choice does not hide its other values"
    assert facets["dataset"] == {"flights": 1}
    assert get(client, "series", q="null_ratio jfk")["total"] == 1
    assert get(client, "series", level="total")["total"] == 1
    assert get(client, "series", limit=1, offset=2)["series"] != get(client, "series", limit=1)["series"]


def test_a_chart_has_points_bands_runs_and_gaps(client, store):
    late = {9: {"JFK": 0.03, None: 0.03}}
    store.save(DatasetInfo("flights", DAY), DEFINITION, SCOPE, measured(late), task("later"))
    series = {json.dumps(s["dimensions"]): s["id"] for s in get(client, "series")["series"]}
    chart, total = get(client, "charts", id=[series['{"origin": "EWR"}'], series["{}"]])["charts"]
    assert chart["value"][:8] == [0.02] * 7 + [0.51]
    assert chart["severity"][7] == "critical"
    assert chart["upper"][7] == 0.3
    assert [(value, status) for value, status in zip(total["value"], total["status"], strict=True)][8:] == [(None, "missing"), (0.03, "ok")]
    assert chart["status"][8:] == ["absent"], "the dataset has that day, but not this airport"
    run = chart["runs"][chart["run"][7]]
    assert (run["run_url"], run["log_url"]) == ("dags/nyc/runs/run", "dags/nyc/runs/run/tasks/collect?try_number=1")


def test_calendar_tells_of_absent_groups(client, store):
    store.save(DatasetInfo("flights", DAY), DEFINITION, SCOPE, measured({9: {"JFK": 0.03, None: 0.03}}), task("later"))
    (dataset,) = get(client, "datasets")["datasets"]
    assert (dataset["series"], dataset["anomalous_series"]) == (3, 3)
    assert dataset["calendar"][-1]["absent_groups"] == [{"origin": "EWR"}]


def test_what_is_retired_is_shown_only_when_asked_for(client, store):
    store.writing(lambda tx: retire(tx, Selection("flights", dimensions={"origin": "EWR"})))
    page = get(client, "series")
    assert page["total"] == 2
    assert "EWR" not in json.dumps(page)
    assert get(client, "datasets")["datasets"][0]["series"] == 2
    assert get(client, "series", retired="true")["total"] == 3
    assert get(client, "datasets", retired="true")["datasets"][0]["series"] == 3
    store.writing(lambda tx: retire(tx, Selection("flights")))
    assert get(client, "datasets")["datasets"] == []
    assert len(get(client, "datasets", retired="true")["datasets"]) == 1


def corrected(store):
    """Day 7 measured anew: JFK had another value, EWR is not there any more, and the others' dataset changes alike."""
    with patch("airflow_lupus.stores.saving.time.time", return_value=int(time.time()) + 1000):
        store.save(DatasetInfo("flights", DAY), DEFINITION, SCOPE, measured({7: {"JFK": 0.04, None: 0.51}}), task("later"))
        points = {info("JFK", dataset="secrets"): [Point.of(day(7).epoch, 0.9, 1)]}
        store.save(
            DatasetInfo("secrets", DAY), DEFINITION, SCOPE, Measurement(measured({7: {}}).periods, points), task("later", dag="hidden")
        )


def test_a_chart_as_of_an_instant_shows_what_was_known_then(client, store):
    corrected(store)
    ids = [series["id"] for series in get(client, "series", order="name", dim='origin:"JFK"')["series"]]
    (now,) = get(client, "charts", id=ids)["charts"]
    then = datetime.fromtimestamp(int(time.time()) + 500, UTC).isoformat()
    (before,) = get(client, "charts", id=ids, as_of=then)["charts"]
    (nothing,) = get(client, "charts", id=ids, as_of="2013-01-01")["charts"]
    assert (now["value"][7], before["value"][7], nothing["value"]) == (0.04, 0.52, [])
    assert before["runs"][before["run"][7]]["run_id"] == "run"
    assert (before["severity"][7], before["sentence"][7]) == (None, None), "no verdict of another value"


def test_restatements_are_listed_with_their_runs(client, store):
    corrected(store)
    page = get(client, "restatements")
    assert page["total"] == 2, "of readable DAGs only"
    found = {row["dimensions"]["origin"]: row for row in page["restatements"]}
    assert (found["JFK"]["before"], found["JFK"]["after"], found["JFK"]["after_status"]) == (0.52, 0.04, "ok")
    assert (found["EWR"]["before"], found["EWR"]["after"], found["EWR"]["after_status"]) == (0.51, None, "retracted")
    assert found["JFK"]["replaced_by"]["run_url"] == "dags/nyc/runs/later"
    assert found["JFK"]["measured_by"]["log_url"] == "dags/nyc/runs/run/tasks/collect?try_number=1"
    assert found["JFK"]["start"] == day(7).start.isoformat().replace("+00:00", "Z")
    first, second = (get(client, "restatements", limit=1, offset=offset) for offset in (0, 1))
    assert {first["total"], second["total"]} == {2}
    assert first["restatements"] + second["restatements"] == page["restatements"]
    assert get(client, "restatements", dataset="secrets")["total"] == 0
    assert get(client, "restatements", since="2100-01-01")["total"] == 0
    assert get(client, "restatements", to=day(7).start.isoformat())["total"] == 0


@pytest.mark.parametrize("query", ["dim=origin", "dim=origin:JFK", "limit=0", "order=sideways", "from=yesterday"])
def test_bad_queries_are_refused_with_a_sentence(client, query):
    answer = client.get(f"/api/v1/series?{query}")
    assert answer.status_code == 422
    assert "detail" in answer.json()


def test_hostile_text_is_data(client):
    for text in ("'; DROP TABLE lupus_series; --", "%", '"', "\\"):
        assert get(client, "series", q=text)["total"] == 0
        assert get(client, "series", dim=f"origin:{json.dumps(text)}", dataset=text)["total"] == 0


def test_a_store_out_of_reach_answers_503_without_its_password(monkeypatch):
    from airflow_lupus.stores.sql import SqlStore

    monkeypatch.setattr(api, "get_store", lambda: SqlStore.at("postgresql+psycopg2://lupus:secret@127.0.0.1:1/metrics"))
    app = create_app()
    app.dependency_overrides |= {access.get_user: lambda: None, access.readable_dags: lambda: {"nyc"}}
    answer = TestClient(app).get("/api/v1/series")
    assert answer.status_code == 503
    assert "out of reach" in answer.json()["detail"]
    assert "secret" not in answer.text


def test_the_pages_types_are_generated_from_this_api():
    """`npm run types` makes the TypeScript from openapi.json; this keeps openapi.json what the app says."""
    from fastapi import FastAPI

    app = FastAPI(title="airflow-lupus")
    app.include_router(api.router)
    said = app.openapi()
    written = json.loads((REPO / "plugins" / "lupus_ui" / "openapi.json").read_text())
    assert written["paths"].keys() == said["paths"].keys()
    assert written["components"]["schemas"] == said["components"]["schemas"]
