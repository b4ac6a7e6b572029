"""The plugin inside Airflow's real API server: its login, its tokens, and an auth manager that tells DAGs apart."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PROGRAM = """
import json, sys
from airflow.utils.db import initdb
initdb()
from airflow import settings
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
with settings.Session() as session:
    session.merge(DagBundleModel(name="dags-folder"))
    session.flush()
    for name in ("nyc", "hidden"):
        session.add(DagModel(dag_id=name, bundle_name="dags-folder", is_stale=False))
    session.commit()
from airflow_lupus.detectors import Threshold
from airflow_lupus.hooks.store import get_store
from airflow_lupus.model import Measurement
from airflow_lupus.stores.base import DatasetInfo
from support.measurements import DAY, DEFINITION, SCOPE, info, measured, task
for name, dag in (("flights", "nyc"), ("secrets", "hidden")):
    values = measured({7: {"JFK": 0.5, None: 0.5}})
    points = {info(dict(i.key.dimensions).get("origin"), dataset=name): p for i, p in values.points.items()}
    get_store().save(DatasetInfo(name, DAY), DEFINITION, SCOPE, Measurement(values.periods, points), task(dag=dag))
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi.testclient import TestClient
app = create_app()
client = TestClient(app)
seen = {"nobody": client.get("/lupus/api/v1/series").status_code}
for name in ("limited", "admin"):
    user = SimpleAuthManagerUser(username=name, role="ADMIN")
    token = get_auth_manager().generate_jwt(user)
    for how in ("bearer", "cookie"):
        headers = {"Authorization": f"Bearer {token}"} if how == "bearer" else {"Cookie": f"_token={token}"}
        page = client.get("/lupus/api/v1/series", headers=headers).json()
        data = client.get("/lupus/api/v1/datasets", headers=headers).json()
        charts = [client.get(f"/lupus/api/v1/charts?id={i}", headers=headers).status_code for i in (1, 3)]
        names = [sorted({s["dataset"] for s in page["series"]}), [d["name"] for d in data["datasets"]]]
        seen[f"{name} {how}"] = [page["total"], *names, charts]
print("SEEN " + json.dumps(seen))
"""


def test_airflows_login_and_per_dag_permissions_hold(tmp_path):
    env = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__AUTH_MANAGER": "support.auth.PerDagAuthManager",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,limited:admin",
        "AIRFLOW__API_AUTH__JWT_SECRET": "x" * 64,
        "PYTHONPATH": str(TESTS),
    }
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, timeout=180, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("SEEN ")), None)
    assert line, done.stdout[-2000:] + done.stderr[-4000:]
    import json

    seen = json.loads(line.removeprefix("SEEN "))
    assert seen["nobody"] == 401
    for how in ("bearer", "cookie"):
        assert seen[f"limited {how}"] == [2, ["flights"], ["flights"], [200, 404]]
        assert seen[f"admin {how}"] == [4, ["flights", "secrets"], ["flights", "secrets"], [200, 200]]
