"""The commands, as Airflow's parser wants them. Loaded at every `airflow` call: what they do is imported when they run."""

from __future__ import annotations

from airflow.cli.cli_config import ActionCommand, CLICommand, GroupCommand, lazy_load_command


def get_cli_commands() -> list[CLICommand]:
    """The `lupus` group."""
    store = GroupCommand(
        name="store",
        help="Look after the metrics store",
        subcommands=(
            ActionCommand(
                name="status",
                help="Show where the store is, its schema and what it holds",
                func=lazy_load_command("airflow_lupus.cli.store.status"),
                args=(),
            ),
            ActionCommand(
                name="upgrade",
                help="Create the store's tables, or bring them to this version",
                func=lazy_load_command("airflow_lupus.cli.store.upgrade"),
                args=(),
            ),
        ),
    )
    return [GroupCommand(name="lupus", help="Metric monitoring and anomaly detection", subcommands=(store,))]
