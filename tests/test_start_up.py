"""What Airflow's start pays for this package being installed."""

from __future__ import annotations

import os
import subprocess
import sys

HEAVY = ("pandas", "duckdb", "pyarrow", "pyspark", "prophet", "numpy", "slack_sdk", "alembic", "fastapi", "sqlalchemy")
PROGRAM = """
import json, sys, time
import airflow.plugins_manager, airflow.sdk  # what every Airflow process has anyway
before, start = set(sys.modules), time.perf_counter()
import airflow_lupus
import airflow_lupus.get_provider_info
airflow_lupus.get_provider_info.get_provider_info()
from airflow_lupus.plugin.plugin import LupusPlugin
plugin = LupusPlugin()
list(plugin.react_apps)
seconds = time.perf_counter() - start
print("SEEN " + json.dumps([seconds, sorted({name.split(".")[0] for name in set(sys.modules) - before})]))
"""


def test_package_and_plugin_add_less_than_a_third_of_a_second_and_nothing_heavy():
    import json

    done = subprocess.run([sys.executable, "-c", PROGRAM], env=dict(os.environ), capture_output=True, text=True, timeout=120, check=True)
    seconds, loaded = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("SEEN ")).removeprefix("SEEN "))
    assert not set(loaded) & set(HEAVY), loaded
    assert seconds < 0.3
