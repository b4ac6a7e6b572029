"""What Airflow loads: the page in its navigation and beside each DAG, and the API behind it.

Airflow imports this module in every one of its processes, workers too: what is heavy waits until the API server asks for the app.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_lupus import __version__

_STATIC = "lupus/static"  # without a leading slash: relative to Airflow's base, which may be below the server's root


def _page(destination: str, url_route: str, **where: Any) -> dict[str, Any]:
    return {
        "name": "Metrics",
        # Airflow evaluates one address once: each place needs an address of its own, and each version a new one.
        "bundle_url": f"{_STATIC}/lupus.js?slot={destination}&v={__version__}",
        "icon": f"{_STATIC}/icon.svg?v={__version__}",
        "icon_dark_mode": f"{_STATIC}/icon-dark.svg?v={__version__}",
        "destination": destination,
        "url_route": url_route,
        **where,
    }


class LupusPlugin(AirflowPlugin):
    """The page "Metrics", in the navigation and as a tab of each DAG, with its API under `/lupus`."""

    name = "lupus"
    react_apps = [_page("nav", "lupus", nav_top_level=True), _page("dag", "lupus-dag")]  # noqa: RUF012 - Airflow's own declaration

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        from airflow_lupus.plugin.app import create_app

        return [{"app": create_app(), "url_prefix": "/lupus", "name": "lupus"}]
