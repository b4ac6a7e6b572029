"""Every test process has an Airflow home of its own, set before Airflow is imported; nothing of the user's is read or written."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

OTHERS = ("AIRFLOW__", "AIRFLOW_CONN_", "AIRFLOW_VAR_", "SPARK_", "PYSPARK_")
HOME = Path(tempfile.mkdtemp(prefix="lupus-tests-"))
for name in [name for name in os.environ if name.startswith(OTHERS)]:
    del os.environ[name]
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(HOME / "dags"),
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__API__BASE_URL": "http://airflow.test:8080",
    "LUPUS_DEMO_DATA": str(HOME / "flights"),
    "PYSPARK_PYTHON": sys.executable,
}
(HOME / "dags").mkdir()


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The one session of this process. Without Java, the tests that want it are skipped."""
    from support.spark import session

    with session(tmp_path_factory.mktemp("spark")) as found:
        yield found
