"""The servers of the tests themselves: what was committed outlives a restart and a crash, and nothing is left behind."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

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
