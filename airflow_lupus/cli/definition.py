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
ARG_ONE_DATASET = argument("--dataset", help="Only this dataset; by default all", metavar="NAME")
ARG_BEFORE = argument("--before", help="Instead of --points: delete what starts before this date, in the dataset's zone", metavar="DATE")
ARG_ROLL_UP = argument("--roll-up", help="Make points of this grain of those that go, where partials were kept", choices=("week", "month"))
KEEP_FOR = {
    what: argument(f"--{what}", help=f"Keep {text} for so many days, whatever the dataset's retention says", type=int, metavar="DAYS")
    for what, text in (("points", "points"), ("verdicts", "verdicts"), ("revisions", "what was known before"))
}

ARG_FILE = argument("file", help="A .csv, .tsv (also with .gz) or .parquet file; or give --conn-id and --sql", nargs="?", metavar="FILE")
ARG_CONN_ID = argument("--conn-id", help="The Airflow connection of the database that --sql asks", metavar="CONN_ID")
ARG_SQL = argument("--sql", help="A query whose rows are imported", metavar="QUERY")
ARG_OWNER = argument("--dag-id", help="The DAG that the datasets belong to, or will", required=True, metavar="DAG_ID")
ARG_DATASET = argument("--dataset", help="The dataset of rows that do not name theirs")
ARG_GRAIN = argument("--grain", help="The length of rows' periods", choices=("hour", "day", "week", "month"), default="day")
ARG_TIMEZONE = argument("--timezone", help="The zone in which rows' periods begin", default="UTC")
ARG_DIMENSION = argument("--dimension", help="Columns that are dimensions, with commas between them", metavar="NAME,…")
ARG_TARGET = argument("target", help="The file to write: .csv or .parquet", metavar="TARGET")
ARG_DATASETS = argument("--dataset", help="A dataset; may be given again; by default all", action="append")
ARG_SINCE = argument("--from", help="The first date or time, in each dataset's zone", dest="start", metavar="DATE")
ARG_UNTIL = argument("--to", help="The date or time after the last: it is not included", dest="end", metavar="DATE")
ARG_AS_OF = argument("--as-of", help="What was known at this instant, which is in UTC unless it says otherwise", metavar="INSTANT")
ARG_COPY_TO = argument("--to", help="The Airflow connection of the database that gets the copy", required=True, metavar="CONN_ID")
ARG_SCHEMA = argument("--schema", help="Schema of the copy's tables; by default the connection's own")
ARG_PREFIX = argument("--prefix", help="What the names of the copy's tables begin with; by default [lupus] table_prefix")


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
                name="import",
                help="Bring in history that other tools have measured; again, it changes nothing",
                func=lazy_load_command("airflow_lupus.cli.moving.import_"),
                args=(
                    ARG_FILE,
                    ARG_CONN_ID,
                    ARG_SQL,
                    ARG_OWNER,
                    ARG_DATASET,
                    ARG_GRAIN,
                    ARG_TIMEZONE,
                    ARG_DIMENSION,
                    ARG_DRY_RUN,
                    ARG_VERBOSE,
                ),
            ),
            ActionCommand(
                name="export",
                help="Write points as a file, which import reads",
                func=lazy_load_command("airflow_lupus.cli.moving.export"),
                args=(ARG_TARGET, ARG_DATASETS, ARG_SINCE, ARG_UNTIL, ARG_AS_OF, ARG_VERBOSE),
            ),
            ActionCommand(
                name="copy",
                help="Copy all of the store into another database, and verify the copy",
                func=lazy_load_command("airflow_lupus.cli.moving.copy"),
                args=(ARG_COPY_TO, ARG_SCHEMA, ARG_PREFIX, ARG_VERBOSE),
            ),
            ActionCommand(
                name="prune",
                help="Delete what is older than its dataset keeps; may be stopped and repeated, and runs beside everything else",
                func=lazy_load_command("airflow_lupus.cli.prune.prune"),
                args=(ARG_ONE_DATASET, *KEEP_FOR.values(), ARG_BEFORE, ARG_ROLL_UP, ARG_DRY_RUN, ARG_VERBOSE),
            ),
        ),
    )
    return [GroupCommand(name="lupus", help="Metric monitoring and anomaly detection", subcommands=(check, backfill, store))]
