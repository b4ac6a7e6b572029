"""A store that the first schema's package wrote, brought to this version: `first_schema/` has its statements and rows as they were."""

from __future__ import annotations

import json
import os
import random
import signal
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from faults.children import Child, done
from faults.content import content, differences

from airflow_lupus.model import TaskRef
from airflow_lupus.stores import database
from airflow_lupus.stores.sql import SqlStore
from support import history
from support.stores import ON_DISK, meaning, url_of

FULL = int(os.environ.get("LUPUS_FAULTS", "40")) >= 200
FIRST = Path(__file__).parent / "first_schema"
CHANGES = ("CREATE", "ALTER", "DROP", "RENAME")
SLOTS = (("orders", "detect", history.RULES), ("orders", "guard", history.OTHER_RULES), ("never judged", "detect", history.RULES))


def first_store(kind: str, folder: Path) -> str:
    """The address of a database with the first schema's store."""
    url = url_of(kind, folder)
    engine = database.connect(url)
    with engine.begin() as connection:
        script = FIRST / f"{connection.dialect.name}.sql"
        if script.exists():
            for statement in script.read_text().split(";\n")[:-1]:
                connection.exec_driver_sql(statement.replace("%", "%%"))
        else:  # that package did not know this database
            config = Config()
            config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
            config.attributes |= {"connection": connection, "tables": SqlStore(engine).tables}
            command.upgrade(config, "0001")
    with engine.begin() as connection:
        found = sa.MetaData()
        found.reflect(connection)
        rows: dict[str, list[dict[str, object]]] = {}
        for line in (FIRST / "rows.jsonl").read_text().splitlines():
            name, row = json.loads(line)
            rows.setdefault(f"lupus_{name}", []).append(row)
        for name, table_rows in rows.items():
            connection.execute(sa.insert(found.tables[name]), table_rows)
            if connection.dialect.name == "postgresql" and "id" in found.tables[name].columns:
                connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name}")
    engine.dispose()
    return url.render_as_string(hide_password=False)


def upgrade(url: str, last: int = 0) -> int:
    """Upgrade, and die after that many changes of the schema; their number."""
    engine = database.connect(url)
    count = 0

    @sa.event.listens_for(engine, "after_cursor_execute")
    def executed(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal count
        if statement.lstrip().upper().startswith(CHANGES):
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)

    SqlStore(engine).upgrade()
    return count


def waiting(store: SqlStore) -> dict[tuple[str, str, str], dict[str, int]]:
    """What each detector has yet to judge: the earliest start by series."""
    found = {}
    for dataset, task, rules in SLOTS:
        keys = [history.slot(name, detector) for name, _, detector in rules.slots()]
        state = store.judging(dataset, TaskRef("shop", task, "look"), keys)
        identities = {series.id: series.info.key.identity for series in state.series}
        for name, changed in state.changed.items():
            found[dataset, task, name] = {identities[series]: start for series, start in changed.items()}
    return found


@pytest.fixture(params=ON_DISK)
def stores(request, tmp_path):
    """The first schema's store, upgraded, and one with the same history made by today's code."""
    old, today = SqlStore.at(first_store(request.param, tmp_path)), SqlStore.at(f"sqlite:///{tmp_path / 'today.db'}")
    assert old.upgrade() is True
    history.first(today)
    yield old, today
    old.engine.dispose()
    today.engine.dispose()


def held(store: SqlStore) -> dict[str, object]:
    """All of it but for the book-keeping of changes, which `waiting` tells by what it means."""
    found = content(store.engine.url.render_as_string(hide_password=False))
    return {name: rows for name, rows in found.items() if name not in {"changes", "datasets"}}


def test_everything_means_the_same(stores):
    old, today = stores
    assert meaning(old) == meaning(today)
    assert held(old) == held(today), differences(held(old), held(today))
    assert waiting(old) == waiting(today)
    assert {len(found) for found in waiting(old).values()} == {3, 6}, "some of it is yet to be judged"


def test_the_next_day_goes_on_from_there(stores):
    old, today = stores
    assert history.collect(old, [11, 12], "3rd").changed == 0, "what was measured is known"
    assert history.collect(today, [11, 12], "3rd").changed == 0
    for store in stores:
        history.then(store)
    assert meaning(old) == meaning(today)
    assert held(old) == held(today), differences(held(old), held(today))
    assert [history.detect(old, "4th", rules=rules, task=task, dataset=name).written for name, task, rules in SLOTS] == [0, 0, 0]
    assert set(map(len, waiting(old).values())) == {0}


@pytest.mark.parametrize("kind", ON_DISK)
def test_a_killed_migration_is_completed_by_the_next_start(kind, tmp_path):
    whole = first_store(kind, tmp_path)
    steps = done(upgrade, whole)
    expected = content(whole)
    # Where all of it is one transaction, a few moments tell as much as every one; MariaDB's are all tried by `make faults`.
    every = range(1, steps + 1)
    few = random.Random(kind).sample(every, 4)
    for step in every if kind == "mariadb" and FULL else few:
        folder = tmp_path / str(step)
        folder.mkdir()
        url = first_store(kind, folder)
        killed = Child(partial(upgrade, last=step), url)
        killed.follow()
        killed.process.join(60)
        assert killed.process.exitcode == -signal.SIGKILL
        done(upgrade, url)
        assert content(url) == expected, (step, differences(content(url), expected))
