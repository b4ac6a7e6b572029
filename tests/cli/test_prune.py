"""`airflow lupus store prune`."""

from __future__ import annotations

import sqlalchemy as sa

from .conftest import COLLECT, DETECT

RANGE = ("--from", "2013-02-01", "--to", "2013-02-21")
KEEPING = COLLECT.replace('owner="@data-core"', 'owner="@data-core", retention={"points": 30}')


ROLLING = COLLECT.replace('owner="@data-core"', 'keep_partials=True, retention={"points": 30, "roll_up": "month"}')


def number_of(home, name: str) -> int:
    with home.store.engine.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(getattr(home.store.tables, name))).scalar_one()


def test_what_the_task_says_is_what_goes(home):
    home.write_dag("nyc", KEEPING, DETECT)
    assert home.run("backfill", "nyc", *RANGE).code == 0
    before, verdicts = number_of(home, "points"), number_of(home, "verdicts")
    dry = home.run("store", "prune", "--dry-run")
    assert (dry.code, number_of(home, "points")) == (0, before)
    assert dry.out.endswith("Dry run: nothing was deleted\n")
    done = home.run("store", "prune")
    assert done.code == 0, done.err
    series = number_of(home, "latest")
    assert (number_of(home, "points"), number_of(home, "periods")) == (series, 1), "the newest points stay"
    assert f"{before - series:,}" in done.out
    assert number_of(home, "verdicts") < verdicts
    assert home.run("store", "prune").out == "flights\n  nothing to prune\n"


def test_options_take_the_place_of_what_the_dataset_says(home):
    home.write_dag("nyc", KEEPING)
    assert home.run("backfill", "nyc", *RANGE).code == 0
    before = number_of(home, "points")
    assert home.run("store", "prune", "--points", "20000").out == "flights\n  nothing to prune\n"
    assert home.run("store", "prune", "--before", "2013-02-11").code == 0
    assert number_of(home, "periods") == 10
    assert 0 < number_of(home, "points") < before


def test_what_goes_is_rolled_up_before(home):
    home.write_dag("nyc", ROLLING)
    assert home.run("backfill", "nyc", *RANGE).code == 0
    said = "  not rolled up, since they have to be computed from rows (series): dep_delay.p95 (4)\n"
    dry = home.run("store", "prune", "--dry-run").out
    assert "points of 1 months" in dry
    assert said in dry
    fine = number_of(home, "points")
    assert home.run("store", "prune", "--points", "20000", "--roll-up", "week").out == "flights\n  nothing to prune\n"
    done = home.run("store", "prune")
    assert done.code == 0, done.err
    assert said in done.out
    assert number_of(home, "points") < fine
    periods = home.store.tables.periods
    with home.store.engine.connect() as connection:
        rows = "SELECT value FROM lupus_metrics WHERE metric = 'row_count' AND dimensions = '{}' AND run_id = 'lupus_roll_up'"
        (month,) = connection.execute(sa.text(rows)).scalars()
        days = connection.execute(sa.select(periods.c.rows, periods.c.reason)).all()
    assert month in {row.rows for row in days}
    assert "20 of its 28 days were measured" in {row.reason for row in days}
    assert home.run("store", "prune").out == "flights\n  nothing to prune\n"


def test_what_cannot_be_meant_is_refused_in_a_sentence(home):
    assert home.run("store", "prune").err == "The metrics store has schema none, this package 0003: `airflow lupus store upgrade` first"
    home.run("store", "upgrade")
    assert home.run("store", "prune").code == 0
    assert "There is no dataset 'flights'" in home.run("store", "prune", "--dataset", "flights").err
    assert "give one of them" in home.run("store", "prune", "--points", "3", "--before", "2013-02-11").err
    assert "whole days above 0" in home.run("store", "prune", "--points", "0").err
    home.write_dag("nyc", COLLECT)
    home.run("backfill", "nyc", *RANGE)
    assert "Not an ISO date" in home.run("store", "prune", "--before", "yesterday").err
