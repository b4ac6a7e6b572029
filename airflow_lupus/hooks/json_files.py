"""Whether a JSON file is whole: the engine looks at all files at once, and one that is not would take the others with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_lupus.pipeline.rows import first_line

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPRESSED = (".gz", ".zst")
TAIL = 4096


def json_problem(path: str, options: Mapping[str, Any], filesystem: Any) -> str | None:
    """Why a file cannot be read, or has no records; None: it can. So much of it is read as its columns' types are told from.

    :param filesystem: an fsspec filesystem; None: a local path.
    """
    import duckdb

    from airflow_lupus.engines.duckdb_tables import GLOB, literal

    connection = duckdb.connect(config={"threads": 1, "memory_limit": "1GB"})
    try:
        if filesystem is not None:
            connection.register_filesystem(filesystem)
        given = "".join(f", {name}={literal(value)}" for name, value in options.items())
        escaped = GLOB.sub(r"[\g<0>]", path)
        source = f"read_json({literal(escaped)}{given})"
        columns = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
        if columns == ["json"] and not connection.execute(f"SELECT 1 FROM {source} LIMIT 1").fetchall():
            return "has no records"
    except duckdb.Error as error:
        return f"is not whole JSON ({first_line(error)})"
    finally:
        connection.close()
    return None if path.endswith(COMPRESSED) else _unclosed(path, filesystem)


def _unclosed(path: str, filesystem: Any) -> str | None:
    """DuckDB takes an array that was cut off behind a comma for whole."""
    with open(path, "rb") if filesystem is None else filesystem.open(path, "rb") as file:
        if not file.read(TAIL).lstrip().startswith(b"["):
            return None
        file.seek(max(0, file.seek(0, 2) - TAIL))
        return None if file.read().rstrip().endswith(b"]") else "is not whole JSON (its array is not closed)"
