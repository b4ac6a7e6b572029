"""The demo as a user starts it, with a Slack to tell and, beside its own DAG, one for every kind of run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_lupus.stores.sql import SqlStore
from support.absent import absent
from support.flights import REPO
from support.slack import SlackDouble, slack_double

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

STARTS_WITHIN = 420
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Airflow:
    """A running Airflow and the ways into it."""

    base: str
    page: str
    home: Path
    slack: SlackDouble
    output: str
    _token: str = field(default="", repr=False)

    def call(self, path: str, body: dict[str, Any] | None = None, *, token: str | None = None, method: str | None = None) -> Any:
        """A call of a REST API with the admin's token."""
        request = urllib.request.Request(
            f"{self.base}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token() if token is None else token}"},
            method=method,
        )
        for left in reversed(range(10)):
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code not in {500, 503} or not left:
                    raise
                time.sleep(1)  # Airflow's own SQLite is busy while it makes many runs
        raise AssertionError

    def status(self, path: str, headers: dict[str, str]) -> int:
        """Only the status of a GET."""
        try:
            with urllib.request.urlopen(urllib.request.Request(f"{self.base}/{path}", headers=headers), timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def token(self) -> str:
        if not self._token:
            request = urllib.request.Request(
                f"{self.base}/auth/token",
                data=json.dumps({"username": "admin", "password": "admin"}).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                self._token = json.load(answer)["access_token"]
        return self._token

    def wait_for_run(self, dag_id: str, run_id: str, within: float = 180) -> str:
        """The state in which a run ends."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            state = self.call(f"api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"]
            if state in {"success", "failed"}:
                return state
            time.sleep(1)
        raise AssertionError(f"{dag_id} {run_id} did not end within {within} s")

    @property
    def store(self) -> SqlStore:
        return SqlStore.at(f"sqlite:///{self.home / 'airflow' / 'lupus.db'}")


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """`make demo`'s second half, with its own home and port."""
    home = tmp_path_factory.mktemp("demo")
    bundles = [
        {"name": "dags-folder", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {}},
        {
            "name": "kinds",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(Path(__file__).parent / "dags")},
        },
    ]
    with slack_double() as slack:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
        env = {
            **clean,
            "LUPUS_DEMO_HOME": str(home),
            "LUPUS_DEMO_PORT": "0",
            "AIRFLOW_CONN_SLACK_DEFAULT": slack.connection(),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        }
        log = home / "demo.log"
        with log.open("wb") as output:
            process = subprocess.Popen([sys.executable, str(REPO / "demo" / "run.py")], env=env, stdout=output, stderr=subprocess.STDOUT)
        try:
            page = _address(process, log)
            yield Airflow(page.split("/plugin/")[0], page, home, slack, log.read_text())
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            if line.startswith("== Open http"):
                return line.removeprefix("== Open ").strip()
        if process.poll() is not None:
            break
        time.sleep(1)
    raise AssertionError(f"the demo did not come up:\n{log.read_text()[-5000:]}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium of the system; skipped loudly where there is none, which CI does not allow."""
    found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if found is None:
        absent("Chromium", "Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield chromium
        chromium.close()
