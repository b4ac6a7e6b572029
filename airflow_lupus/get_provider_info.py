"""What Airflow's provider manager is told of this package. It is imported in every Airflow process, so nothing heavy is."""

from __future__ import annotations

from typing import Any

from airflow_lupus.config import OPTIONS, SECTION

NAME = "Lupus"


def get_provider_info() -> dict[str, Any]:
    """The provider's metadata, of the form that `airflow/provider_info.schema.json` asks for."""
    return {
        "package-name": "airflow-lupus",
        "name": NAME,
        "description": "Metric monitoring and anomaly detection for data and ML products, inside Airflow.",
        "integrations": [
            {"integration-name": NAME, "external-doc-url": "https://github.com/airflow-lupus/airflow-lupus", "tags": ["software"]}
        ],
        "operators": [
            {
                "integration-name": NAME,
                "python-modules": [f"airflow_lupus.operators.{name}" for name in ("collect", "detect", "monitor")],
            }
        ],
        "sensors": [{"integration-name": NAME, "python-modules": ["airflow_lupus.sensors.data_missing"]}],
        "notifications": ["airflow_lupus.notifications.slack.SlackNotifier"],
        "extra-links": ["airflow_lupus.operators.links.ChartsLink"],
        "cli": ["airflow_lupus.cli.definition.get_cli_commands"],
        "config": {
            SECTION: {
                "description": "Where metrics are kept, and what a task may take. A connection to the store is any SQL connection, such as "
                "`postgres`; one to Slack is of type `slack` with a bot token as its password. See docs/connections.md.",
                "options": {
                    name: {
                        "description": option.description,
                        "version_added": "0.1.0",
                        "type": option.type,
                        "example": option.example,
                        "default": option.default,
                    }
                    for name, option in OPTIONS.items()
                },
            }
        },
    }
