"""All that a store holds, by meaning: without ids, which a database counts up for killed transactions too, and without clock times."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import sqlalchemy as sa

CLOCKS = {"collected_at", "replaced_at", "created_at", "changed_at"}
NAMES = {
    "datasets": ("name",),
    "definitions": ("dag_id", "task_id", "hash"),
    "measurements": ("dag_id", "task_id", "run_id", "first_start", "last_end"),
    "series": ("identity",),
    "parameter_sets": ("hash",),
    "slots": ("dag_id", "task_id", "name"),
}
"""What makes a row of a table itself, for those that others refer to."""
LOG = "measurements"
"""One line for each run that committed, a retry's too."""


Content = dict[str, Counter[tuple[Any, ...]]]


def content(url: str, *, log: bool = True) -> Content:
    """Every row of every table as the database has it, found by reflection; references are replaced by what they refer to.

    :param log: with the lines of the runs, of which a retry adds one.
    """
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    metadata = sa.MetaData()
    metadata.reflect(engine)
    found: Content = {}
    names: dict[str, dict[int, tuple[Any, ...]]] = {}
    with engine.connect() as connection:
        for table in metadata.sorted_tables:  # those that are referred to come first
            name = _short(table)
            rows = connection.execute(sa.select(table)).all()
            keys = [column.name for column in table.columns]
            refers = {key.parent.name: _short(key.column.table) for key in table.foreign_keys}
            if name in NAMES:
                at = [keys.index(part) for part in ("id", *NAMES[name])]
                names[name] = {row[at[0]]: tuple(row[i] for i in at[1:]) for row in rows}
            shown = [(i, names.get(refers.get(key, ""))) for i, key in enumerate(keys) if key not in CLOCKS | {"id"}]
            if log or name != LOG:
                found[name] = Counter(tuple(_meant(row[i], of) for i, of in shown) for row in rows)
    return found


def _meant(value: Any, names: dict[int, tuple[Any, ...]] | None) -> Any:
    """A reference as what it refers to, and a digest with its anomalies in one order: equally bad ones come in any."""
    if names is not None and value is not None:
        return names[value]
    if isinstance(value, str) and value.startswith('{"dataset"') and '"anomalies"' in value:
        digest = json.loads(value)
        return json.dumps({**digest, "anomalies": sorted(digest["anomalies"], key=json.dumps)})
    return value


def version_table(url: str) -> str:
    """The name of the table that holds the schema's version."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    (name,) = [name for name in sa.inspect(engine).get_table_names() if name.endswith("schema_version")]
    return name


def differences(one: Content, other: Content) -> dict[str, tuple[int, int]]:
    """Tables that differ, with the number of rows that only the one and only the other has; short enough for a failed test to show."""
    return {name: ((one[name] - other[name]).total(), (other[name] - one[name]).total()) for name in one if one[name] != other.get(name)}


def _short(table: sa.Table) -> str:
    """`lupus_points` → `points`, whatever the prefix."""
    known = (*NAMES, "point_revisions", "schema_version")
    return next((name for name in sorted(known, key=len, reverse=True) if table.name.endswith(name)), table.name.rsplit("_", 1)[-1])
