"""End to end: the demo's Airflow, its scheduler, its page in a browser, and Slack."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from .conftest import Airflow

pytestmark = pytest.mark.e2e
NEW_YORK = ZoneInfo("America/New_York")


def test_slack_was_told_of_the_storm_twice_and_of_nothing_else(airflow: Airflow):
    titles = [message["text"] for message in airflow.slack.messages]
    assert len(titles) == 2
    assert re.fullmatch(r"flights: \d+ anomalies, worst critical, 2013-02-08", titles[0])
    assert re.fullmatch(r"flights: \d+ anomalies, worst critical, 2013-02-09", titles[1])
    for message, shares in zip(airflow.slack.messages, ({"EWR": 52, "JFK": 52, "LGA": 48}, {"EWR": 58, "JFK": 52, "LGA": 66}), strict=True):
        text = "\n".join(block["text"]["text"] for block in message["blocks"] if "text" in block)
        for origin, share in shares.items():
            assert re.search(rf"\*origin={origin}\* · critical · {share} % of dep_\u200btime is NULL, .*chart>", text), text


@pytest.fixture(scope="module")
def page(airflow: Airflow, browser: Browser) -> Iterator[Page]:
    """The demo's page, after logging in as a person does."""
    opened = browser.new_page(viewport={"width": 1440, "height": 1000})
    opened.goto(airflow.page)
    opened.get_by_label("Username").fill("admin")
    opened.get_by_label("Password").fill("admin")
    opened.get_by_role("button", name="Sign in").click()
    opened.wait_for_url(re.compile("/plugin/lupus|/$|/home"))
    opened.goto(airflow.page)
    yield opened
    opened.close()


def screenshot(page: Page, name: str) -> None:
    """Kept where SCREENSHOTS points: the README's picture is one of them."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_the_storm_stands_out_on_the_page(page: Page):
    for origin, share in {"EWR": 58, "JFK": 52, "LGA": 66}.items():
        card = page.get_by_role("article", name=f"flights · dep_time.null_ratio · origin={origin}")
        card.wait_for(timeout=30_000)
        assert card.get_by_text(re.compile(rf"({share}|52) % of dep_time is NULL, expected 0–[\d.]+ %")).count() >= 1
        assert card.get_by_role("img", name="critical").count() >= 1
    page.wait_for_timeout(1000)
    screenshot(page, "explorer")


def test_a_chart_opens_with_the_storm_in_its_table(page: Page, airflow: Airflow):
    page.goto(airflow.page)
    page.get_by_role("article", name="flights · dep_time.null_ratio · origin=JFK").get_by_role("link").first.click()
    page.wait_for_url(re.compile(r"series=\d+"))
    page.locator("table tr[data-severity='critical']").first.wait_for(state="attached", timeout=30_000)
    text = " ".join(page.locator("table tr[data-severity='critical']").all_inner_texts())
    assert "52 %" in text or "52.3" in text or "52%" in text
    page.wait_for_timeout(1000)
    screenshot(page, "detail")


def test_the_page_in_the_dag_tab(page: Page, airflow: Airflow):
    page.goto(f"{airflow.base}/dags/nyc_flights/plugin/lupus-dag")
    page.get_by_role("article").first.wait_for(timeout=30_000)
    names = [article.get_attribute("aria-label") for article in page.get_by_role("article").all()]
    assert names
    assert all(name.startswith("flights · ") for name in names)


@pytest.mark.parametrize("path", ["datasets", "series", "charts?id=1"])
def test_no_route_answers_without_login(airflow: Airflow, path):
    assert airflow.status(f"lupus/api/v1/{path}", {}) == 401
    assert airflow.status(f"lupus/api/v1/{path}", {"Authorization": "Bearer nonsense"}) == 403
    assert airflow.status(f"lupus/api/v1/{path}", {"Authorization": f"Bearer {airflow.token()}"}) == 200
    assert airflow.status(f"lupus/api/v1/{path}", {"Cookie": f"_token={airflow.token()}"}) == 200


@pytest.mark.parametrize("path", ["docs", "openapi.json", "redoc"])
def test_no_pages_of_the_api_itself_are_open(airflow: Airflow, path):
    assert airflow.status(f"lupus/{path}", {}) == 404


def measured_days(airflow: Airflow, dataset: str) -> set[datetime]:
    with airflow.store.engine.connect() as connection:
        t = airflow.store.tables
        query = sa.select(t.periods.c.start).join(t.datasets).where(t.datasets.c.name == dataset)
        return {datetime.fromtimestamp(start, UTC) for start in connection.execute(query).scalars()}


@pytest.mark.parametrize("kind", ["cron", "trigger", "interval", "partition", "asset"])
def test_every_kind_of_scheduled_run_measures_its_period(airflow: Airflow, kind):
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and not measured_days(airflow, f"kind_{kind}"):
        time.sleep(2)
    assert measured_days(airflow, f"kind_{kind}") == {datetime(2013, 2, 8, tzinfo=NEW_YORK)}


def test_a_manual_run_without_a_date_measures_yesterday(airflow: Airflow):
    before = datetime.now(NEW_YORK)
    run = airflow.call("api/v2/dags/kind_manual/dagRuns", {"logical_date": None})
    assert airflow.wait_for_run("kind_manual", run["dag_run_id"]) == "success"
    yesterday = {(at - timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0) for at in (before, datetime.now(NEW_YORK))}
    assert measured_days(airflow, "kind_manual") <= yesterday


def points_and_verdicts(airflow: Airflow) -> dict[str, list[tuple]]:
    from support.stores import meaning

    return meaning(airflow.store)


def test_a_range_run_and_airflows_backfill_change_nothing_that_is_there(airflow: Airflow):
    """Airflow's own backfill of days that ranges and daily runs have collected: the same points and verdicts, and silence."""
    before = points_and_verdicts(airflow)
    told = len(airflow.slack.messages)
    body = {
        "dag_id": "nyc_flights",
        "from_date": "2013-02-08T00:00:00-05:00",
        "to_date": "2013-02-11T00:00:00-05:00",
        "reprocess_behavior": "completed",
        "max_active_runs": 1,
        "run_backwards": True,
    }
    backfill = airflow.call("api/v2/backfills", body)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and airflow.call(f"api/v2/backfills/{backfill['id']}")["completed_at"] is None:
        time.sleep(2)
    runs = airflow.call("api/v2/dags/nyc_flights/dagRuns?run_type=backfill")["dag_runs"]
    assert len(runs) >= 2
    assert {run["state"] for run in runs} == {"success"}
    ranged = airflow.call(
        "api/v2/dags/nyc_flights/dagRuns", {"logical_date": None, "conf": {"lupus": {"start": "2013-02-01", "end": "2013-03-01"}}}
    )
    assert airflow.wait_for_run("nyc_flights", ranged["dag_run_id"]) == "success"
    after = points_and_verdicts(airflow)
    assert [row for row in after["points"] if row[0] in {r[0] for r in before["points"]}] == before["points"]
    assert after["verdicts"] == before["verdicts"]
    assert len(airflow.slack.messages) == told, "backfills and range runs are silent"
