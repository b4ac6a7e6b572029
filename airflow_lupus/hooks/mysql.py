"""The SQLAlchemy address of a MySQL or MariaDB connection, through PyMySQL: Airflow's own provider needs a C library."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import MissingExtra, StoreConfigError, did_you_mean

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from sqlalchemy import URL

CONN_TYPES = ("mysql", "mariadb")
CHARSET = "utf8mb4"
TLS = ("ca", "capath", "cert", "key", "cipher", "check_hostname")
TAKEN = {"unix_socket", "connect_timeout", "read_timeout", "write_timeout", *(f"ssl_{name}" for name in TLS)}
"""Extras that are handed on, as SQLAlchemy's PyMySQL dialect understands them."""
WITHOUT_EFFECT = {"client", "cursor", "local_infile"}
"""Extras of Airflow's MySQL hook that change neither where nor how safely it connects."""


def mysql_url(connection: Connection, what: str) -> URL:
    """The address that the connection's fields and extras make.

    :raises MissingExtra: PyMySQL is not installed.
    :raises StoreConfigError: no database is named, the password cannot be sent, or an extra asks for what would silently not happen.
    """
    from sqlalchemy import URL

    if find_spec("pymysql") is None:
        raise MissingExtra("PyMySQL", "mysql")
    where = f"{what}: connection {connection.conn_id!r}"
    if not connection.schema:
        msg = f"{where} names no database: give it in the connection's schema"
        raise StoreConfigError(msg)
    if not (connection.password or "").isascii():
        msg = f"{where} has a password with characters beyond ASCII, which PyMySQL would send in another encoding than the server's"
        raise StoreConfigError(msg)
    return URL.create(
        "mysql+pymysql",
        username=connection.login or None,
        password=connection.password or None,
        host=connection.host or "localhost",
        port=connection.port,
        database=connection.schema,
        query={"charset": CHARSET, **_query(connection.extra_dejson, where)},
    )


def _query(extras: dict[str, Any], where: str) -> dict[str, str]:
    given = dict(extras)
    tls = given.pop("ssl", None) or {}
    if not isinstance(tls, dict):
        msg = f'{where} has the extra ssl={tls!r}: give an object, such as {{"ssl": {{"ca": "/path/to/ca.pem"}}}}'
        raise StoreConfigError(msg)
    given |= {f"ssl_{name}": value for name, value in tls.items()}
    charset = given.pop("charset", CHARSET)
    if str(charset).lower() != CHARSET:
        msg = f"{where} has the extra charset={charset!r}, in which names of groups would be lost: the store needs {CHARSET}"
        raise StoreConfigError(msg)
    for name in given.keys() - TAKEN - WITHOUT_EFFECT:
        msg = f"{where} has the extra {name!r}, which the store does not know ({did_you_mean(name, TAKEN)})"
        raise StoreConfigError(msg)
    return {name: _text(value) for name, value in given.items() if name in TAKEN}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
