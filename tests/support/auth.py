"""An auth manager that tells DAGs apart, which Airflow's simple one does not: user `limited` may read DAG `nyc` only."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager


class PerDagAuthManager(SimpleAuthManager):
    """Everybody may read every DAG, but `limited` only `nyc`."""

    def filter_authorized_dag_ids(self, *, dag_ids: set[str], user: Any, **_: Any) -> set[str]:
        return dag_ids & {"nyc"} if user.username == "limited" else dag_ids
