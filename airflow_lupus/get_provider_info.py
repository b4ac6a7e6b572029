"""What Airflow's provider manager is told of this package. It is imported in every Airflow process: nothing else is imported here."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    return {"package-name": "airflow-lupus", "name": "Lupus", "description": "x"}
