"""The engine that suits a source."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_lupus.engines import engine_named
from airflow_lupus.engines.base import FileSet, SparkRelation, SqlRelation
from airflow_lupus.engines.dialects import PROVEN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.engines.base import Engine, Relation, Scan
    from airflow_lupus.metrics.base import Need
    from airflow_lupus.model import Period
    from airflow_lupus.specs import MeasureSpec

log = logging.getLogger(__name__)


def choice(relation: Relation) -> tuple[str, str]:
    """The engine for a relation, and why it is that one.

    Files of any size are DuckDB's: it reads what the periods need of them and spills to disk what does not fit into memory.
    """
    if isinstance(relation, SqlRelation):
        if relation.dialect in PROVEN:
            return "sql", f"{relation.what} is aggregated where it is, in {relation.dialect}"
        return "duckdb", f'the rows of {relation.what} are fetched; engine="sql" would aggregate them in {relation.dialect}'
    if isinstance(relation, SparkRelation):
        return "spark", "only Spark reads it"
    if isinstance(relation, FileSet):
        return "duckdb", f"{len(relation.files):,} files of {relation.size:,} bytes are read in this task"
    return "duckdb", "the source's rows come to this task"


class AutoEngine:
    """Each source's own engine, see `choice`; the log says which, and why.

    :param options: engine → its options.
    """

    name = "auto"

    def __init__(self, options: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.options = options or {}
        self._engines: dict[str, Engine] = {}

    def chosen(self, relation: Relation) -> Engine:
        """The engine for a relation."""
        name, why = choice(relation)
        if name not in self._engines:
            log.info("engine=%r: %s", name, why)
            self._engines[name] = engine_named(name, **self.options.get(name, {}))
        return self._engines[name]

    def types(self, relation: Relation) -> dict[str, str]:
        return self.chosen(relation).types(relation)

    def scan(self, relation: Relation, spec: MeasureSpec, needs: Sequence[Need], periods: Sequence[Period]) -> Scan:
        return self.chosen(relation).scan(relation, spec, needs, periods)

    def explain(self, relation: Relation, spec: MeasureSpec, needs: Sequence[Need], periods: Sequence[Period]) -> str:
        return self.chosen(relation).explain(relation, spec, needs, periods)
