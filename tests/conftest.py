"""Every test process has an Airflow home of its own, set before Airflow is imported; nothing of the user's is read or written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

HOME = Path(tempfile.mkdtemp(prefix="lupus-tests-"))
for name in [name for name in os.environ if name.startswith(("AIRFLOW__", "AIRFLOW_CONN_", "AIRFLOW_VAR_"))]:
    del os.environ[name]
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(HOME / "dags"),
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__API__BASE_URL": "http://airflow.test:8080",
    "LUPUS_DEMO_DATA": str(HOME / "flights"),
}
(HOME / "dags").mkdir()
