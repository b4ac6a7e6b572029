"""Which engine a source gets, and that the log says so."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

from airflow_lupus.engines import ENGINES, check_engine, engine_named
from airflow_lupus.engines.base import Batches, FileSet, SourceFile
from airflow_lupus.exceptions import SpecError
from airflow_lupus.model import Grain
from airflow_lupus.specs import ColumnMetrics, MeasureSpec
from support import scanning, tables

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_lupus.engines.base import Relation

DAY = Grain("day")
PERIOD = DAY.containing(DAY.parse("2013-02-08"))
SPEC = MeasureSpec("flights", DAY, (ColumnMetrics({"x": ["sum"]}),))
TABLE = pa.table({"x": [1, 2]})


def chosen(relation: Relation, caplog: pytest.LogCaptureFixture) -> str:
    """What the log says of a scan whose numbers are right."""
    caplog.set_level(logging.INFO)
    engine = engine_named("auto", options={"duckdb": {"threads": 1}, "sql": {"max_fetch_rows": 10}})
    found = scanning.said(*scanning.scan(engine, relation, SPEC, [PERIOD]))
    assert found == [{("x", "sum"): 3}]
    assert engine.explain(relation, SPEC, [], [PERIOD])
    (message,) = [record.getMessage() for record in caplog.records if record.name.startswith("airflow_lupus.engines")]
    return message


def test_a_table_in_postgresql_is_aggregated_there(caplog: pytest.LogCaptureFixture) -> None:
    message = chosen(tables.postgres_relation(TABLE, SPEC, [PERIOD]), caplog)
    assert message.startswith("engine='sql': Table(")
    assert "where it is, in postgresql" in message


def test_a_table_elsewhere_is_fetched(caplog: pytest.LogCaptureFixture) -> None:
    relation = replace(tables.postgres_relation(TABLE, SPEC, [PERIOD]), dialect="mysql")
    assert "rows of Table(" in chosen(relation, caplog)


def test_files_and_rows_are_duckdbs(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    parquet.write_table(TABLE, tmp_path / "x.parquet")
    assert "1 files of 10 bytes" in chosen(FileSet([SourceFile(str(tmp_path / "x.parquet"), size=10)], "parquet"), caplog)
    caplog.clear()
    assert chosen(Batches({"x": "number"}, lambda names, _: iter([TABLE.select(names)])), caplog).startswith("engine='duckdb'")


def test_an_engine_that_is_none_is_named() -> None:
    for name in (*ENGINES, "auto"):
        assert check_engine(name) == name
    with pytest.raises(SpecError, match=r"'suto'.*did you mean 'auto'"):
        check_engine("suto")
