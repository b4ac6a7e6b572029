"""What a database refuses for a time or for good: a full disk, a lock that is held, rights that are missing, a schema that moved on."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from airflow_lupus.stores import database
from airflow_lupus.stores.sql import SqlStore
from faults import children, work
from faults.children import HELD, Child, done
from faults.content import content, version_table
from faults.errors import PASSWORD, explained, with_password
from faults.kinds import KINDS, SERVERS, fresh, text
from support.absent import absent

NOBODY = 65534


def let_in(folder: Path) -> None:
    """Let other users reach a folder that the tests have made."""
    for part in (folder, *folder.parents):
        if part.is_relative_to(tempfile.gettempdir()) and part != Path(tempfile.gettempdir()):
            part.chmod(part.stat().st_mode | 0o055)


@contextmanager
def small_disk(folder: Path, megabytes: int):
    """A file system of that size."""
    if os.geteuid() != 0:
        absent("a full disk", "run the tests as root, who may mount a tmpfs")
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def on_sqlite(folder: Path):
    with small_disk(folder / "disk", 16) as disk:
        yield f"sqlite:///{disk / 'lupus.db'}", disk, lambda: None


@contextmanager
def on_postgres(folder: Path):
    """Only the database's own files are on the small disk: without room for its log the whole server stops."""
    with small_disk(folder / "disk", 24) as disk, SERVERS["postgres"][0]() as server:
        data = disk / "data"
        data.mkdir()
        let_in(folder)
        shutil.chown(data, server._server.system_user or os.geteuid())  # a server does not run as root
        server.execute(f"CREATE TABLESPACE small LOCATION '{data}'", "CREATE DATABASE full_up TABLESPACE small")
        yield with_password(text(server.url.set(database="full_up"))), disk, lambda: None


@contextmanager
def on_mariadb(folder: Path):
    """Only the database's own files are on the small disk. This server stops itself when a table cannot grow."""
    with SERVERS["mariadb"][0]() as server:
        url = server.new_database()
        place = server.folder / "data" / str(url.database)
        options = (place / "db.opt").read_bytes()
        with small_disk(place, 32) as disk:
            (disk / "db.opt").write_bytes(options)
            yield with_password(text(url)), disk, lambda: server.restart("immediate")
            server.stop()


DISKS = {"sqlite": on_sqlite, "postgres": on_postgres, "mariadb": on_mariadb}


@pytest.mark.parametrize("kind", DISKS)
def test_a_full_disk_is_said_and_room_is_enough(kind, tmp_path):
    with DISKS[kind](tmp_path) as (url, disk, up_again):
        done(work.collect, url, *work.OLD, "before")
        done(work.detect, url, "before")
        before = content(url)
        ballast = disk / "ballast"
        with ballast.open("wb") as file:
            room = os.statvfs(disk)
            left = 128 * 1024
            file.write(b"\0" * (room.f_bavail * room.f_frsize - left))
        failed = Child(work.collect, url, *work.NEW).result()
        ballast.unlink()
        up_again()
        assert content(url) == before
        assert done(work.collect, url, *work.NEW) > 1000
        explained(failed, url, "out of reach" if kind == "mariadb" else r"disk .*full.*free some space")


@contextmanager
def locked(url: str):
    """Another task that writes the same dataset, and does not come to an end."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    if engine.dialect.name == "sqlite":
        connection = sqlite3.connect(str(engine.url.database), isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.close()
        return
    with engine.begin() as transaction:
        (table,) = [name for name in sa.inspect(transaction).get_table_names() if name.endswith("_datasets")]
        transaction.exec_driver_sql(f"SELECT * FROM {table} FOR UPDATE")
        yield


PATIENCE = {
    "sqlite": {"timeout": "1"},
    "postgres": {"options": "-c lock_timeout=1000"},
    "mariadb": {"init_command": "SET innodb_lock_wait_timeout = 1"},
}
"""How an administrator says in the connection, in the driver's own words, that a writer waits for a second."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_that_is_held_for_longer_than_the_url_says(kind, tmp_path):
    url = with_password(fresh(kind, tmp_path))
    done(work.collect, url, *work.OLD, "before")
    before = content(url)
    impatient = text(sa.make_url(url).update_query_dict(PATIENCE[kind]))
    with locked(url):
        started = time.monotonic()
        child = Child(work.collect, impatient, *work.NEW)
        try:
            outcome = child.result(within=10)
        except AssertionError:
            child.kill()
            outcome = f"nothing within {time.monotonic() - started:.0f} s"
    explained(outcome, impatient, r"busy|locked|lock timeout|another (task|process|writer)")
    assert content(url) == before
    assert done(work.collect, url, *work.NEW) > 1000


def impatiently(url: str) -> int:
    database.BUSY_SECONDS = 1
    return work.collect(url, *work.NEW)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_waits_for_a_lock_for_ever(kind, tmp_path):
    """Without a word in the URL every kind gives up after `BUSY_SECONDS`: a task that hangs tells nobody."""
    url = with_password(fresh(kind, tmp_path))
    done(work.collect, url, *work.OLD, "before")
    with locked(url):
        child = Child(impatiently, url)
        try:
            outcome = child.result(within=10)
        except AssertionError as error:
            child.kill()
            outcome = str(error)
    explained(outcome, url, r"busy|locked|lock timeout|another (task|process|writer)")


@contextmanager
def read_only(url: str):
    """The same store for one who may read and not write: an address, and the user to be."""
    address = sa.make_url(url)
    if address.get_backend_name() == "sqlite":
        path = Path(str(address.database))
        let_in(path.parent)
        path.parent.chmod(0o555)
        path.chmod(0o444)
        yield url, NOBODY
        path.parent.chmod(0o755)
        path.chmod(0o644)
        return
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    role = f"reader_{address.database}"
    with engine.connect() as connection:
        if address.get_backend_name() == "mysql":
            connection.exec_driver_sql(f"CREATE USER `{role}`@localhost IDENTIFIED BY '{PASSWORD}'")
            connection.exec_driver_sql(f"GRANT SELECT ON `{address.database}`.* TO `{role}`@localhost")
            yield text(address.set(username=role, password=PASSWORD)), None
            return
        connection.exec_driver_sql(f'CREATE ROLE "{role}" LOGIN')
        connection.exec_driver_sql(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{role}"')
    yield text(address.set(username=role, password=PASSWORD)), None


@pytest.fixture(params=KINDS)
def used(request, tmp_path):
    """A store with some history."""
    url = with_password(fresh(request.param, tmp_path))
    done(work.collect, url, *work.OLD, "before")
    done(work.detect, url, "before")
    if request.param == "sqlite":
        with sqlite3.connect(str(sa.make_url(url).database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return url


@pytest.mark.parametrize(("name", "args"), [("collect", work.NEW), ("detect", ())])
def test_who_may_only_read_is_told_so(used, name, args):
    before = content(used)
    with read_only(used) as (url, uid):
        outcome = Child(getattr(work, name), url, *args, uid=uid).result()
    assert content(used) == before
    explained(outcome, url, r"(read-?only|denied).*docs/connections.md lists the rights", retry=False)


def test_who_may_only_read_can_read(used):
    with read_only(used) as (url, uid):
        outcome = Child(work.use, url, uid=uid).result()
    assert outcome == {"known": True}


@pytest.mark.parametrize("kind", SERVERS)
def test_an_empty_database_that_one_may_only_read_is_explained(kind, tmp_path):
    url = with_password(fresh(kind, tmp_path))
    with read_only(url) as (reader, uid):
        explained(Child(work.use, reader, uid=uid).result(), reader, r"denied.*docs/connections.md lists the rights", retry=False)


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "lupus.db").write_text("These are my notes on flights. " * 1000)
    url = f"sqlite:///{tmp_path / 'lupus.db'}"
    explained(Child(work.use, url).result(), url, "not a database", retry=False)
    assert "my notes" in (tmp_path / "lupus.db").read_text()


def test_a_damaged_file_is_named(tmp_path):
    url = fresh("sqlite", tmp_path)
    done(work.collect, url, *work.OLD)
    path = Path(str(sa.make_url(url).database))
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 4)
        file.write(b"\xa5" * (size // 2))
    explained(Child(work.collect, url, *work.NEW).result(), url, "malformed|damaged|corrupt", retry=False)


def lives_on(url: str, name: str, args: tuple[object, ...]) -> object:
    """A process that keeps its store: it has used it, waits, and uses it again."""
    store = SqlStore.at(url)
    work.collect(store, *work.OLD, "before")
    children.pause()
    return getattr(work, name)(store, *args)


@pytest.mark.parametrize(("name", "args"), [("collect", work.NEW), ("detect", ())])
@pytest.mark.parametrize("kind", KINDS)
def test_a_process_of_yesterday_writes_nothing_into_a_schema_of_today(kind, name, args, tmp_path):
    url = with_password(fresh(kind, tmp_path))
    child = Child(lives_on, url, name, args)
    assert child.follow(HELD)
    move_on(url)
    before = content(url)
    child.go()
    outcome = child.result()
    assert content(url) == before
    explained(outcome, url, "newer than this airflow-lupus knows.*upgrade the package", retry=False)


def move_on(url: str) -> None:
    """The schema of a later version arrives."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {version_table(url)} SET version_num = '9999'")
