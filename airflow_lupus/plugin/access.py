"""Who may see what: the only module that touches `airflow.api_fastapi`, which Airflow does not promise to keep stable."""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import GetUserDep, get_user
from fastapi import Depends

__all__ = ["ReadableDags", "get_user"]


def readable_dags(user: GetUserDep) -> set[str]:
    """The DAGs that the user may read; Airflow does not authenticate plugin routes itself, so every route depends on this."""
    manager: Any = get_auth_manager()
    dag_ids: set[str] = manager.get_authorized_dag_ids(user=user, method="GET")
    return dag_ids


ReadableDags = Annotated[set[str], Depends(readable_dags)]
