"""The commands, as Airflow's parser wants them. Loaded at every `airflow` call: what they do is imported when they run."""

from __future__ import annotations

from typing import Any

from airflow.cli.cli_config import ARG_DAG_ID, ARG_VERBOSE, ActionCommand, Arg, CLICommand, GroupCommand, lazy_load_command


def argument(*flags: str, **options: Any) -> Arg:
    """An argument as argparse wants it."""
    return Arg(flags, **options)  # type: ignore[no-untyped-call]


ARG_TASK = argument("-t", "--task", help="One of its tasks; by default all that collect or judge metrics")
ARG_PERIOD = argument("-p", "--period", help="Try the tasks on the period that contains this date; by default on the newest with data")
ARG_FROM = argument("--from", help="The first date or time, in the dataset's zone", dest="start", required=True, metavar="DATE")
ARG_TO = argument("--to", help="The date or time after the last: it is not included", dest="end", required=True, metavar="DATE")
ARG_ONLY = argument("--only", help="Collect without judging, or judge what is collected", choices=("collect", "judge"))
ARG_DRY_RUN = argument("-n", "--dry-run", help="Say what there is to do, and do nothing", action="store_true")
ARG_RESTART = argument("--restart", help="Measure again what an earlier start of this backfill has stored", action="store_true")
ARG_DATASET = argument("--dataset", help="The dataset", required=True)
ARG_ANY_DATASET = argument("--dataset", help="The dataset; by default all")
ARG_COLUMN = argument("--column", help="One of its columns")
ARG_METRIC = argument("--metric", help="A metric")
ARG_DIMENSION = argument("--dimension", help="One of its dimensions")
ARG_NEW_NAME = argument("--to", help="The new name", required=True)
ARG_GROUP = argument(
    "--dimension", help="A group, as in origin=LGA; can be given for several dimensions", action="append", metavar="NAME=VALUE"
)
ARG_UNDO = argument("--undo", help="Bring back what was retired", action="store_true")
ARG_YES = argument("--yes", help="Really delete it; without this, it is only counted", action="store_true")
ARG_SINCE_PERIOD = argument("--from", help="Only points of periods from this date or time on, in UTC", dest="start", metavar="DATE")
ARG_UNTIL_PERIOD = argument("--to", help="Only points of periods before this date or time", dest="end", metavar="DATE")
ARG_SINCE = argument("--since", help="Only what was replaced at this date or time or later", metavar="DATE")


def get_cli_commands() -> list[CLICommand]:
    """The `lupus` group."""
    check = ActionCommand(
        name="check",
        help="Show what a DAG's tasks would measure and judge, tried on one period; nothing is written",
        func=lazy_load_command("airflow_lupus.cli.check.check"),
        args=(ARG_DAG_ID, ARG_TASK, ARG_PERIOD, ARG_VERBOSE),
    )
    backfill = ActionCommand(
        name="backfill",
        help="Measure and judge past periods with a DAG's tasks, telling nobody; started again, it goes on where it stopped",
        func=lazy_load_command("airflow_lupus.cli.backfill.backfill"),
        args=(ARG_DAG_ID, ARG_FROM, ARG_TO, ARG_TASK, ARG_ONLY, ARG_DRY_RUN, ARG_RESTART, ARG_VERBOSE),
    )
    store = GroupCommand(
        name="store",
        help="Look after the metrics store",
        subcommands=(
            ActionCommand(
                name="status",
                help="Show where the store is, its schema and what it holds",
                func=lazy_load_command("airflow_lupus.cli.store.status"),
                args=(ARG_VERBOSE,),
            ),
            ActionCommand(
                name="upgrade",
                help="Create the store's tables, or bring them to this version",
                func=lazy_load_command("airflow_lupus.cli.store.upgrade"),
                args=(ARG_VERBOSE,),
            ),
            ActionCommand(
                name="rename",
                help="Give a dataset, a column or a dimension another name, its history kept",
                func=lazy_load_command("airflow_lupus.cli.names.rename"),
                args=(ARG_DATASET, ARG_COLUMN, ARG_DIMENSION, ARG_NEW_NAME, ARG_DRY_RUN, ARG_VERBOSE),
            ),
            ActionCommand(
                name="retire",
                help="Neither show nor judge a dataset, or some of its series, any more; history stays",
                func=lazy_load_command("airflow_lupus.cli.names.retire"),
                args=(ARG_DATASET, ARG_COLUMN, ARG_METRIC, ARG_GROUP, ARG_UNDO, ARG_VERBOSE),
            ),
            ActionCommand(
                name="forget",
                help="Delete a dataset, or some of its series, with all history",
                func=lazy_load_command("airflow_lupus.cli.names.forget"),
                args=(ARG_DATASET, ARG_COLUMN, ARG_METRIC, ARG_GROUP, ARG_YES, ARG_VERBOSE),
            ),
            ActionCommand(
                name="restatements",
                help="List the points that later measurements replaced or did not find any more",
                func=lazy_load_command("airflow_lupus.cli.names.restatements"),
                args=(ARG_ANY_DATASET, ARG_SINCE_PERIOD, ARG_UNTIL_PERIOD, ARG_SINCE, ARG_VERBOSE),
            ),
        ),
    )
    return [GroupCommand(name="lupus", help="Metric monitoring and anomaly detection", subcommands=(check, backfill, store))]
