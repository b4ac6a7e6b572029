"""A server that restarts, a connection that breaks, a database that is away: an error that says so, and nothing half-written."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from airflow_lupus.stores.sql import SqlStore
from faults import work
from faults.children import HELD, WRITTEN, Child, Failure, done
from faults.content import LOG, content, differences
from faults.errors import explained, with_password
from faults.kinds import SERVERS, fresh, prepared, text
from faults.operations import OPERATIONS
from faults.proxy import Proxy

GONE = r"is out of reach|connection (was )?(lost|cut|closed|refused)|server closed the connection"


@pytest.fixture(scope="module", params=SERVERS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def server(kind):
    """A server that nobody else uses, so that it may be stopped."""
    with SERVERS[kind][0]() as server:
        yield server


@pytest.fixture(scope="module", params=OPERATIONS, ids=str)
def scene(request, kind, server, tmp_path_factory):
    """An operation, copies of what it starts from, and what the store holds before and after it."""
    operation = request.param
    copy = prepared(kind, tmp_path_factory.mktemp("store"), operation.before, server)
    url = copy()
    before = content(url)
    undisturbed = Child(operation.work, url, *operation.args)
    assert undisturbed.result() > 1000
    return operation, copy, before, content(url), undisturbed.phases.count(WRITTEN)


def completes(operation, url, before, after):
    """All or nothing is there, and the retry brings it to where an undisturbed run does."""
    state = content(url)
    assert state in (before, after), differences(state, before)
    done(operation.work, url, *operation.args)
    complete = content(url, log=False)
    assert complete == {name: rows for name, rows in after.items() if name in complete}, differences(complete, after)


@pytest.mark.parametrize("fault", ["restarted", "crashed", "terminated"])
def test_the_server_ends_the_connection_in_the_middle_of_a_write(scene, server, fault):
    operation, copy, _, after, writes = scene
    url = with_password(copy())
    child = Child(operation.work, url, *operation.args, hold=writes // 2)
    assert child.follow(HELD)
    if fault == "terminated":
        terminate(server, url)
    else:
        server.restart("fast" if fault == "restarted" else "immediate")
    child.go()
    assert child.result() > 1000, "the store tries again by itself"
    assert content(url) == after, differences(content(url), after)
    completes(operation, url, after, after)


def test_the_server_goes_in_the_middle_of_a_write_and_stays_away(scene, server):
    operation, copy, before, after, writes = scene
    url = with_password(copy())
    child = Child(operation.work, url, *operation.args, hold=writes // 2)
    assert child.follow(HELD)
    server.stop("immediate")
    try:
        child.go()
        explained(child.result(), url, GONE)
    finally:
        server.start()
    assert content(url) == before
    completes(operation, url, before, after)


def terminate(server, url):
    """What an administrator, or a pooler's limit, does to a connection."""
    database = sa.make_url(url).database
    if database and url.startswith("postgresql"):
        server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
        return
    engine = sa.create_engine(server.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        query = sa.text("SELECT id FROM information_schema.processlist WHERE db = :database")
        for number in connection.execute(query, {"database": database}).scalars().all():
            connection.exec_driver_sql(f"KILL {number}")


@pytest.mark.parametrize("for_good", [False, True], ids=["for a moment", "for good"])
def test_the_network_breaks_in_the_middle_of_a_write(scene, for_good):
    operation, copy, before, after, writes = scene
    url = with_password(copy())
    with Proxy(sa.make_url(url)) as proxy:
        child = Child(operation.work, text(proxy.url), *operation.args, hold=writes // 2)
        assert child.follow(HELD)
        proxy.cut(for_good=for_good)
        child.go()
        outcome = child.result()
        if for_good:
            explained(outcome, text(proxy.url), GONE)
    assert content(url) == (before if for_good else after)
    completes(operation, url, before, after)


def test_the_answer_to_the_commit_is_lost(scene):
    """The one moment at which nobody can know: the store tries again, as the task may, and finds all of it there."""
    operation, copy, _, after, writes = scene
    url = with_password(copy())
    with Proxy(sa.make_url(url)) as proxy:
        child = Child(operation.work, text(proxy.url), *operation.args, hold=writes)
        assert child.follow(HELD)
        proxy.cut_after(b"COMMIT")
        child.go()
        assert not isinstance(child.result(), Failure), child.outcome
        assert proxy.was_cut.is_set()
    complete = {name: rows for name, rows in after.items() if name != LOG}
    assert content(url, log=False) == complete
    done(operation.work, url, *operation.args)
    assert content(url, log=False) == complete


def test_a_database_that_is_away_at_the_start_is_named_and_its_return_is_enough(kind, server, tmp_path):
    url = with_password(fresh(kind, tmp_path, server))
    store = SqlStore.at(url)
    done(work.collect, url, *work.OLD)
    assert store.has_periods("orders", work.DAY)
    server.stop()
    try:
        for name, args in ((work.collect, work.NEW), (work.detect, ()), (work.use, ())):
            explained(Child(name, url, *args).result(), url, "is out of reach")
    finally:
        server.start()
    assert store.has_periods("orders", work.DAY), "a process that had connections open goes on"
    assert done(work.collect, url, *work.NEW) > 1000
    store.engine.dispose()


def test_a_database_that_does_not_exist_is_named(kind, server, tmp_path):
    url = text(sa.make_url(with_password(fresh(kind, tmp_path, server))).set(database="lupus_nowhere"))
    explained(Child(work.collect, url, *work.OLD).result(), url, "lupus_nowhere.*(does not exist|unknown database)")
