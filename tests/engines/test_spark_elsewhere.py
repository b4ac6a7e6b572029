"""Spark that is not in this process: a cluster that loses an executor, Spark Connect, and applications that `spark-submit` starts."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from airflow_lupus import MetricCollectOperator, Spark, TableMetrics
from airflow_lupus.engines.base import Batches, FileSet, SourceFile, SparkRelation
from airflow_lupus.engines.duckdb import DuckDBEngine
from airflow_lupus.engines.spark import SparkEngine
from airflow_lupus.exceptions import DataMissing, LimitExceeded, SourceError, SpecError
from airflow_lupus.hooks.spark import spark_engine
from airflow_lupus.model import Grain
from airflow_lupus.operators import _run
from airflow_lupus.sources import Files, SparkTable
from airflow_lupus.specs import ColumnMetrics, MeasureSpec
from support import scanning
from support.spark import Cluster, ConnectServer, Driver, config

DAY = Grain("day", "America/New_York")
PERIODS = list(DAY.periods(datetime(2013, 3, 9, 5, tzinfo=UTC), datetime(2013, 3, 12, 4, tzinfo=UTC)))
METRICS = {"x": ["avg", "std", "p50", "p95", "unique", "skewness"], "tags": ["count", "unique@1"], "text": ["null_ratio", "count"]}
SPEC = MeasureSpec("d", DAY, (TableMetrics(["row_count"]), ColumnMetrics(METRICS)), time_column="at", group_columns=("g",))


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as found:
        yield found


def table(rows: int = 4_000) -> pa.Table:
    start = PERIODS[0].start
    return pa.table(
        {
            "at": pa.array([start + timedelta(seconds=i * 71 * 3600 / rows) for i in range(rows)], pa.timestamp("us", "UTC")),
            "g": [["a", "b", None][i % 3] for i in range(rows)],
            "x": [None if i % 11 == 0 else float((i * 7919) % 1009) / 7 for i in range(rows)],
            "tags": [[f"t{i % 7}", None, "u"][: i % 4] for i in range(rows)],
            "text": [None if i % 5 == 0 else "ü" * (i % 3) for i in range(rows)],
        }
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> FileSet:
    folder = tmp_path_factory.mktemp("data")
    rows = table()
    parts = [rows[i * 1_000 : (i + 1) * 1_000] for i in range(4)]
    for i, part in enumerate(parts):
        parquet.write_table(part, folder / f"{i}.parquet")
    return FileSet([SourceFile(str(folder / f"{i}.parquet")) for i in range(4)], "parquet")


def numbers(engine: Any, relation: Any, spec: MeasureSpec = SPEC) -> dict[Any, Any]:
    found, pairs = scanning.scan(engine, relation, spec, PERIODS)
    return {(g.period, str(g.dimensions)): said for g, said in zip(found.groups, scanning.said(found, pairs), strict=True)}


def assert_same(said: dict[Any, Any], relation: Any) -> None:
    expected = numbers(DuckDBEngine(), relation)
    assert len(expected) == 12
    assert said.keys() == expected.keys()
    for group, values in expected.items():
        for which, value in values.items():
            assert said[group][which] == pytest.approx(value, rel=1e-9), (group, which)


def measured(spark: Any, relation: Any) -> dict[Any, Any]:
    """By a driver of its own."""
    return numbers(SparkEngine(spark), relation)


def measured_slowly(spark: Any, files: FileSet, mark: str) -> tuple[dict[Any, Any], int]:
    """Every row takes its time, so that an executor can be killed while it reads; also how many executors were lost."""
    frame = spark.read.parquet(*(file.path for file in files.files)).repartition(8)
    frame = frame.where("coalesce(reflect('java.lang.Thread', 'sleep', 1L), '') IS NOT NULL")
    Path(mark).touch()
    said = numbers(SparkEngine(spark), SparkRelation(frame=frame))
    executors = spark.sparkContext._jsc.sc().statusStore().executorList(False)
    return said, sum(not executors.apply(i).isActive() for i in range(executors.size()))


def test_an_executor_killed_in_the_middle_does_not_change_a_number(cluster: Cluster, files: FileSet, tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    driver = Driver(cluster.url, measured_slowly, files, str(mark))
    deadline = time.monotonic() + 60
    while not mark.exists():
        assert time.monotonic() < deadline, "nothing has begun"
        time.sleep(0.05)
    time.sleep(5)
    cluster.kill_executor()
    said, lost = driver.result()
    assert lost == 1
    assert_same(said, files)


def batches(spark: Any) -> dict[Any, Any]:
    return measured(spark, Batches(TYPES, lambda names, _: iter([table().select(names)])))


TYPES = {"at": "time", "g": "text", "x": "number", "tags": "list[text]", "text": "text"}


@pytest.fixture(scope="module")
def connect():
    with ConnectServer() as found:
        yield found


def test_spark_connect_gives_the_same_numbers(connect: ConnectServer, files: FileSet) -> None:
    assert_same(Driver(connect.url, measured, files).result(), files)
    assert_same(Driver(connect.url, batches).result(), files)


def wrongly(spark: Any, files: FileSet) -> list[str]:
    said = []
    for relation, options in (
        (files, {"where": "x >"}),
        (files, {"max_groups": 2}),
        (SparkRelation("mart.orders"), {}),
        (FileSet([SourceFile("/nowhere/f.parquet")], "parquet"), {}),
    ):
        try:
            numbers(SparkEngine(spark), relation, MeasureSpec(**{**SPEC.__dict__, **options}))
        except (SpecError, LimitExceeded, DataMissing) as error:
            said.append(type(error).__name__)
    return said


def test_errors_are_told_apart_through_spark_connect(connect: ConnectServer, files: FileSet) -> None:
    assert Driver(connect.url, wrongly, files).result() == ["SpecError", "LimitExceeded", "DataMissing", "DataMissing"]


def connection(monkeypatch: pytest.MonkeyPatch, **given: Any) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SPARK_DEFAULT", json.dumps({"conn_type": "spark"} | given))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")


def test_a_submitted_application_leaves_its_answers_in_the_shared_path(
    cluster: Cluster, files: FileSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection(monkeypatch, host=cluster.url)
    asked = Spark("spark_default", submit=True, conf=config(tmp_path), shared_path=str(tmp_path / "shared"))
    engine = spark_engine(asked, Files("f.parquet"))
    assert_same(numbers(engine, files), files)
    assert list((tmp_path / "shared").iterdir()) == []


def test_a_submitted_application_takes_batches_and_knows_tables(
    cluster: Cluster, files: FileSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection(monkeypatch, host=cluster.url)
    asked = Spark("spark_default", submit=True, conf=config(tmp_path), shared_path=str(tmp_path / "shared"))
    engine = spark_engine(asked, Files("f.parquet"))
    assert_same(numbers(engine, Batches(TYPES, lambda names, _: iter([table().select(names)]))), files)
    with pytest.raises(DataMissing, match=r"SparkTable\('mart.orders'\) cannot be read"):
        engine.types(SparkRelation("mart.orders"))
    with pytest.raises(SpecError, match="reads Parquet files, not csv"):
        engine.scan(FileSet([], "csv"), SPEC, [], PERIODS)


def test_an_application_that_cannot_be_submitted_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection(monkeypatch, host="spark://127.0.0.1:1", extra={"spark-binary": "spark-submit"})
    conf = {"spark.submit.deployMode": "nowhere"}
    engine = spark_engine(Spark("spark_default", submit=True, conf=conf, shared_path=str(tmp_path)), Files("f.parquet"))
    with pytest.raises(SourceError, match="has left no answer in"):
        engine.types(SparkRelation("t"))
    assert list(tmp_path.iterdir()) == []


def test_the_connection_says_which_spark_and_how(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Files("f.parquet")
    connection(monkeypatch, host="yarn", extra={"deploy-mode": "client", "queue": "night"})
    engine: Any = spark_engine(Spark("spark_default", conf={"spark.cores.max": 4}), source)
    assert (engine.master, engine.conf) == ("yarn", {"spark.yarn.queue": "night", "spark.driver.memory": "2g", "spark.cores.max": "4"})
    connection(monkeypatch, host="yarn", extra={"deploy-mode": "cluster"})
    with pytest.raises(SpecError, match="shared_path"):
        spark_engine(Spark("spark_default"), source)
    assert type(spark_engine(Spark("spark_default", shared_path="/shared"), source)).__name__ == "SubmittedSpark"
    monkeypatch.setenv("AIRFLOW_CONN_SPARK_DEFAULT", "spark://10.0.0.1:7077")
    engine = spark_engine(Spark(), SparkTable("mart.orders", conn_id="spark_default"))
    assert engine.master == "spark://10.0.0.1:7077"
    monkeypatch.setenv(
        "AIRFLOW_CONN_SPARK_DEFAULT", json.dumps({"conn_type": "spark_connect", "host": "10.0.0.1", "port": 15002, "login": "me"})
    )
    engine = spark_engine(Spark("spark_default"), source)
    assert (engine.remote, engine.conf) == ("sc://10.0.0.1:15002/;user_id=me", {})


def test_without_a_connection_spark_has_the_cores_and_memory_that_the_configuration_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    engine: Any = _run.make_engine("spark", Files("f.parquet"))
    assert (engine.master, engine.conf) == ("local[2]", {"spark.driver.memory": "2g"})
    monkeypatch.setenv("AIRFLOW__LUPUS__SPARK_MASTER", "local[1]")
    engine = _run.make_engine(Spark(conf={"spark.driver.memory": "1g"}), Files("f.parquet"))
    assert (engine.master, engine.conf) == ("local[1]", {"spark.driver.memory": "1g"})
    with pytest.raises(SpecError, match="there is no Airflow connection 'nowhere'"):
        _run.make_engine(Spark("nowhere"), Files("f.parquet"))
    with pytest.raises(SpecError, match="needs a conn_id"):
        _run.make_engine(Spark(submit=True), Files("f.parquet"))


def test_an_operator_takes_an_engine_with_its_options() -> None:
    what: dict[str, Any] = {"task_id": "collect", "source": SparkTable("mart.orders"), "metrics": [TableMetrics(["row_count"])]}
    assert MetricCollectOperator(engine=Spark("spark_default"), **what).engine == Spark("spark_default")
    with pytest.raises(SpecError, match="'sparc': did you mean 'spark'"):
        MetricCollectOperator(engine="sparc", **what)
