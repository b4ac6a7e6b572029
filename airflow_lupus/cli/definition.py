"""The commands, as Airflow's parser wants them. Loaded at every `airflow` call: what they do is imported when they run."""

from __future__ import annotations

from typing import Any

from airflow.cli.cli_config import ARG_DAG_ID, ARG_VERBOSE, ActionCommand, Arg, CLICommand, GroupCommand, lazy_load_command


def argument(*flags: str, **options: Any) -> Arg:
    """An argument as argparse wants it."""
    return Arg(flags, **options)  # type: ignore[no-untyped-call]


def command(name: str, function: str, text: str, *arguments: Arg) -> ActionCommand:
    """A command.

    :param function: module and function under `airflow_lupus.cli`.
    """
    return ActionCommand(name=name, help=text, func=lazy_load_command(f"airflow_lupus.cli.{function}"), args=(*arguments, ARG_VERBOSE))


DRY_RUN = argument("-n", "--dry-run", help="Say what there is to do, and do nothing", action="store_true")


def get_cli_commands() -> list[CLICommand]:
    """The `lupus` group."""
    store = GroupCommand(name="store", help="Look after the metrics store", subcommands=(*_schema(), *_moving(), _prune(), *_names()))
    return [GroupCommand(name="lupus", help="Metric monitoring and anomaly detection", subcommands=(*_dags(), store))]


def _dags() -> list[ActionCommand]:
    task = argument("-t", "--task", help="One of its tasks; by default all that collect or judge metrics")
    return [
        command(
            "check",
            "check.check",
            "Show what a DAG's tasks would measure and judge, tried on one period; nothing is written",
            ARG_DAG_ID,
            task,
            argument("-p", "--period", help="Try the tasks on the period that contains this date; by default on the newest with data"),
        ),
        command(
            "backfill",
            "backfill.backfill",
            "Measure and judge past periods with a DAG's tasks, telling nobody; started again, it goes on where it stopped",
            ARG_DAG_ID,
            argument("--from", help="The first date or time, in the dataset's zone", dest="start", required=True, metavar="DATE"),
            argument("--to", help="The date or time after the last: it is not included", dest="end", required=True, metavar="DATE"),
            task,
            argument("--only", help="Collect without judging, or judge what is collected", choices=("collect", "judge")),
            DRY_RUN,
            argument("--restart", help="Measure again what an earlier start of this backfill has stored", action="store_true"),
        ),
    ]


def _schema() -> list[ActionCommand]:
    return [
        command("status", "store.status", "Show where the store is, its schema and what it holds"),
        command("upgrade", "store.upgrade", "Create the store's tables, or bring them to this version"),
    ]


def _moving() -> list[ActionCommand]:
    file = "A .csv, .tsv (also with .gz) or .parquet file; or give --conn-id and --sql"
    return [
        command(
            "import",
            "moving.import_",
            "Bring in history that other tools have measured; again, it changes nothing",
            argument("file", help=file, nargs="?", metavar="FILE"),
            argument("--conn-id", help="The Airflow connection of the database that --sql asks", metavar="CONN_ID"),
            argument("--sql", help="A query whose rows are imported", metavar="QUERY"),
            argument("--dag-id", help="The DAG that the datasets belong to, or will", required=True, metavar="DAG_ID"),
            argument("--dataset", help="The dataset of rows that do not name theirs"),
            argument("--grain", help="The length of rows' periods", choices=("hour", "day", "week", "month"), default="day"),
            argument("--timezone", help="The zone in which rows' periods begin", default="UTC"),
            argument("--dimension", help="Columns that are dimensions, with commas between them", metavar="NAME,…"),
            DRY_RUN,
        ),
        command(
            "export",
            "moving.export",
            "Write points as a file, which import reads",
            argument("target", help="The file to write: .csv or .parquet", metavar="TARGET"),
            argument("--dataset", help="A dataset; may be given again; by default all", action="append"),
            argument("--from", help="The first date or time, in each dataset's zone", dest="start", metavar="DATE"),
            argument("--to", help="The date or time after the last: it is not included", dest="end", metavar="DATE"),
            argument("--as-of", help="What was known at this instant, which is in UTC unless it says otherwise", metavar="INSTANT"),
        ),
        command(
            "copy",
            "moving.copy",
            "Copy all of the store into another database, and verify the copy",
            argument("--to", help="The Airflow connection of the database that gets the copy", required=True, metavar="CONN_ID"),
            argument("--schema", help="Schema of the copy's tables; by default the connection's own"),
            argument("--prefix", help="What the names of the copy's tables begin with; by default [lupus] table_prefix"),
        ),
    ]


def _prune() -> ActionCommand:
    kept = {"points": "points", "verdicts": "verdicts", "revisions": "what was known before"}
    return command(
        "prune",
        "prune.prune",
        "Delete what is older than its dataset keeps; may be stopped and repeated, and runs beside everything else",
        argument("--dataset", help="Only this dataset; by default all", metavar="NAME"),
        *[
            argument(f"--{what}", help=f"Keep {text} for so many days, whatever the dataset's retention says", type=int, metavar="DAYS")
            for what, text in kept.items()
        ],
        argument("--before", help="Instead of --points: delete what starts before this date, in the dataset's zone", metavar="DATE"),
        argument("--roll-up", help="Make points of this grain of those that go, where partials were kept", choices=("week", "month")),
        DRY_RUN,
    )


def _names() -> list[ActionCommand]:
    dataset = argument("--dataset", help="The dataset", required=True)
    column = argument("--column", help="One of its columns")
    metric = argument("--metric", help="A metric")
    group_help = "A group, as in origin=LGA; can be given for several dimensions"
    group = argument("--dimension", help=group_help, action="append", metavar="NAME=VALUE")
    return [
        command(
            "rename",
            "names.rename",
            "Give a dataset, a column or a dimension another name, its history kept",
            dataset,
            column,
            argument("--dimension", help="One of its dimensions"),
            argument("--to", help="The new name", required=True),
            DRY_RUN,
        ),
        command(
            "retire",
            "names.retire",
            "Neither show nor judge a dataset, or some of its series, any more; history stays",
            dataset,
            column,
            metric,
            group,
            argument("--undo", help="Bring back what was retired", action="store_true"),
        ),
        command(
            "forget",
            "names.forget",
            "Delete a dataset, or some of its series, with all history",
            dataset,
            column,
            metric,
            group,
            argument("--yes", help="Really delete it; without this, it is only counted", action="store_true"),
        ),
        command(
            "restatements",
            "names.restatements",
            "List the points that later measurements replaced or did not find any more",
            argument("--dataset", help="The dataset; by default all"),
            argument("--from", help="Only points of periods from this date or time on, in UTC", dest="start", metavar="DATE"),
            argument("--to", help="Only points of periods before this date or time", dest="end", metavar="DATE"),
            argument("--since", help="Only what was replaced at this date or time or later", metavar="DATE"),
        ),
    ]
