"""The tests' own Spark: it counts in one process, on a cluster that loses an executor, and through Spark Connect."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import spark as support
from support.spark import Cluster, ConnectServer, Driver

ROWS, PARTITIONS = 20_000, 8


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as found:
        yield found


def summed(spark, marks: str, seconds: float) -> int:
    """A sum whose every task takes its time, and leaves a file named after it, its attempt and the worker that it runs on."""

    def slowly(numbers):
        from pyspark import TaskContext

        task = TaskContext.get()
        worker = Path.cwd().parts[-3]  # …/worker-0/app-…/0
        Path(marks, f"{task.partitionId()} {task.attemptNumber()} {worker}").touch()
        time.sleep(seconds)
        yield sum(numbers)

    return spark.sparkContext.parallelize(range(ROWS), PARTITIONS).mapPartitions(slowly).sum()


def workers(marks: Path) -> set[str]:
    return {mark.name.split()[2] for mark in marks.iterdir()}


def test_the_local_session_counts_strictly_and_in_utc(spark):
    assert spark.range(1000).selectExpr("sum(id)").first()[0] == 499_500
    assert spark.sparkContext.master == "local[2]"
    assert spark.conf.get("spark.sql.ansi.enabled") == "true"
    assert spark.sql("SELECT string(timestamp_seconds(0))").first()[0] == "1970-01-01 00:00:00"


def test_tasks_run_on_both_workers(cluster, tmp_path):
    assert Driver(cluster.url, summed, str(tmp_path), 0.2).result() == sum(range(ROWS))
    assert workers(tmp_path) == {"worker-0", "worker-1"}


def test_a_killed_executor_does_not_harm_the_answer(cluster, tmp_path):
    driver = Driver(cluster.url, summed, str(tmp_path), 1)
    deadline = time.monotonic() + 60
    while len(workers(tmp_path)) < 2:
        assert time.monotonic() < deadline, "the workers have nothing to do"
        time.sleep(0.05)
    cluster.kill_executor()
    assert driver.result() == sum(range(ROWS))
    assert any(mark.name.split()[1] != "0" for mark in tmp_path.iterdir()), "a task that it was at was tried again"


def test_connect_answers_beside_the_local_session(spark):
    with ConnectServer() as server:
        from pyspark.sql.connect.session import SparkSession

        remote = SparkSession.builder.remote(server.url).create()
        assert remote.sql("SELECT sum(id) FROM range(1000)").collect()[0][0] == 499_500
        assert remote.conf.get("spark.sql.session.timeZone") == "UTC"
        remote.stop()
        assert Driver(server.url, lambda session: (session.range(10).count(), hasattr(session, "_jvm"))).result() == (10, False)
    assert not server.folder.exists()
    assert spark.range(10).count() == 10


def test_a_killed_process_leaves_neither_cluster_nor_files():
    code = "import os; from support.spark import *; print(Cluster(1).folder, flush=True); os.kill(os.getpid(), 9)"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    folder = Path(done.stdout.strip())
    assert folder.name.startswith("lupus-spark-")
    deadline = time.monotonic() + 30
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not folder.exists()
    assert not [found for found in Path("/proc").glob("[0-9]*/cmdline") if str(folder).encode() in _read(found)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("found", [None, "/bin/true"])
def test_where_java_is_absent_tests_are_skipped_loudly_and_ci_fails(monkeypatch, found):
    monkeypatch.setattr(support.shutil, "which", lambda _: found)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"NOT TESTED: Java 17 is not installed .*apt-get install .*openjdk-17-jre-headless"):
        support.require_java()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="CI has to install Java 17"):
        support.require_java()
