"""All that a store holds, by meaning: without ids, which a database counts up for killed transactions too, and without clock times."""

from __future__ import annotations

from collections import Counter
from typing import Any

import sqlalchemy as sa

CLOCKS = {"collected_at", "replaced_at", "created_at", "changed_at", "judged_at"}
NAMES = {
    "datasets": ("name",),
    "definitions": ("dag_id", "task_id", "hash"),
    "measurements": ("dag_id", "task_id", "run_id", "first_start", "last_end"),
    "series": ("identity",),
    "parameter_sets": ("hash",),
    "slots": ("dag_id", "task_id", "name"),
}
"""What makes a row of a table itself, for those that others refer to."""
REFERENCES = {
    "dataset_id": "datasets",
    "definition_id": "definitions",
    "measurement_id": "measurements",
    "replaced_by": "measurements",
    "series_id": "series",
    "parameter_set_id": "parameter_sets",
    "slot_id": "slots",
}
"""Column → the table it refers to: the large tables have no foreign keys that would tell."""
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
    for column in (column for table in metadata.tables.values() for column in table.columns):
        if isinstance(column.type, (sa.Numeric, sa.Float)):
            column.type = sa.Double()  # MariaDB's doubles come as rounded decimals otherwise
    found: Content = {}
    names: dict[str, dict[int, tuple[Any, ...]]] = {}
    with engine.connect() as connection:
        tables = {_short(table): table for table in metadata.tables.values()}
        rows = {name: connection.execute(sa.select(table)).mappings().all() for name, table in tables.items()}
    for name, key in NAMES.items():
        names[name] = {row["id"]: tuple(row[part] for part in key) for row in rows[name]}
    for name, table in tables.items():
        shown = [
            (column.name, names.get(REFERENCES.get(column.name, ""))) for column in table.columns if column.name not in CLOCKS | {"id"}
        ]
        if log or name != LOG:
            found[name] = Counter(tuple(of[row[key]] if of else row[key] for key, of in shown) for row in rows[name])
    return found


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
