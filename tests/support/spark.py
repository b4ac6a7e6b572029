"""Spark for the tests: a session of this process, a cluster whose executors a test may kill, and a Spark Connect server."""

from __future__ import annotations

import atexit
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, build_opener

import psutil

from support.absent import absent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from pyspark.sql import SparkSession

JAVA = 17
"""The least that Spark 4 takes."""
WITHIN = 60
"""Seconds that a server has for coming up."""
LOOPBACK = "127.0.0.1"
LEAN = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
"""Several virtual machines start and stop on few cores; none lives long enough for the best code."""
WATCH = """
read _
kill -KILL "-$1"
while kill -0 "-$1"; do sleep 0.1; done
rm -rf "$0"
"""
"""Waits for the end of the pipe that the tests' process holds, then ends the group of processes and removes their files."""


def require_java() -> None:
    """Skip the test where there is no Java that Spark runs on; under CI fail."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(f"{home}/bin/java" if home else "java")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr if java else ""
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA:
        absent(f"Java {JAVA}", f"Debian: apt-get install --no-install-recommends openjdk-{JAVA}-jre-headless")


def config(folder: Path) -> dict[str, str]:
    """What every driver of the tests is started with: small, silent, on loopback, and with its files in the folder."""
    return {
        "spark.default.parallelism": "2",
        "spark.driver.bindAddress": LOOPBACK,
        "spark.driver.extraJavaOptions": LEAN,
        "spark.driver.host": LOOPBACK,
        "spark.driver.memory": "1g",
        "spark.executor.extraJavaOptions": LEAN,
        "spark.executor.memory": "512m",
        "spark.local.dir": str(folder / "local"),
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",  # no job begins before the last executor is there
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }


@contextmanager
def session(folder: Path, master: str = "local[2]") -> Iterator[SparkSession]:
    """A session in this process, which can have but one at a time: other ones need a `Driver`."""
    require_java()
    from pyspark.sql import SparkSession

    found = SparkSession.builder.master(master).config(map={**config(folder), "spark.log.level": "ERROR"}).getOrCreate()
    try:
        yield found
    finally:
        found.stop()


class Driver:
    """A function run by a process of its own, with a session on a cluster (`spark://…`) or of a Connect server (`sc://…`).

    >>> with Cluster() as cluster:  # doctest: +SKIP
    ...     assert Driver(cluster.url, lambda spark: spark.range(10).count()).result() == 10

    :param work: gets the session, then the other arguments; what it refers to in the test's module is sent along.
    """

    def __init__(self, url: str, work: Callable[..., Any], *args: Any) -> None:
        from pyspark import cloudpickle

        require_java()
        self._folder = tempfile.TemporaryDirectory(prefix="lupus-spark-")
        module = sys.modules[work.__module__]
        cloudpickle.register_pickle_by_value(module)
        try:
            sent = cloudpickle.dumps((url, work, args))
        finally:
            cloudpickle.unregister_pickle_by_value(module)
        code = f"from support.spark import _drive; _drive({self._folder.name!r})"
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self._process = subprocess.Popen([sys.executable, "-c", code], env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self._process.stdin is not None
        self._process.stdin.write(sent)
        self._process.stdin.flush()

    def result(self, within: float = 120) -> Any:
        """What the function answered; what it printed on its way is in the message where it failed."""
        try:
            _, said = self._process.communicate(timeout=within)
            assert self._process.returncode == 0, f"the driver failed:\n{said.decode(errors='replace')[-5000:]}"
            return pickle.loads((Path(self._folder.name) / "answer").read_bytes())
        finally:
            self._process.kill()
            self._process.wait()
            self._folder.cleanup()


def _drive(name: str) -> None:
    from pyspark.sql import SparkSession

    url, work, args = pickle.load(sys.stdin.buffer)
    folder = Path(name)
    if url.startswith("sc://"):
        answer = work(SparkSession.builder.remote(url).getOrCreate(), *args)
    else:
        with session(folder, url) as spark:
            answer = work(spark, *args)
    (folder / "answer").write_bytes(pickle.dumps(answer))


class _Servers:
    """Virtual machines in one group of processes with one folder: gone with their files when this process ends, however it does."""

    def __init__(self) -> None:
        require_java()
        self.folder = Path(tempfile.mkdtemp(prefix="lupus-spark-"))
        self._processes: list[subprocess.Popen[bytes]] = []
        self._watcher: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    def _start(self, name: str, *command: str, ready: str, **env: str) -> tuple[subprocess.Popen[bytes], re.Match[str]]:
        """Start one of Spark's own programs, and wait until its log says so."""
        import pyspark

        home = Path(pyspark.__file__).parent
        log = self.folder / f"{name}.log"
        env |= {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": LOOPBACK, "SPARK_CONF_DIR": str(self.folder)}
        group = self._processes[0].pid if self._processes else 0
        with log.open("wb") as output:
            process = subprocess.Popen(
                [home / "bin" / "spark-class", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **env},
                cwd=self.folder,
                process_group=group,
            )
        self._processes.append(process)
        if self._watcher is None:
            command = ("sh", "-c", WATCH, str(self.folder), str(process.pid))
            self._watcher = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True, cwd="/")
        deadline = time.monotonic() + WITHIN
        while time.monotonic() < deadline and process.poll() is None:
            if found := re.search(ready, log.read_text(errors="replace"), re.DOTALL):
                return process, found
            time.sleep(0.05)
        raise AssertionError(f"Spark's {name} did not come up:\n{log.read_text(errors='replace')[-5000:]}")

    def close(self) -> None:
        atexit.unregister(self.close)
        if self._processes:
            with suppress(ProcessLookupError):
                os.killpg(self._processes[0].pid, signal.SIGKILL)
        for process in self._processes:
            process.wait()
        if self._watcher is not None:
            self._watcher.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Cluster(_Servers):
    """A standalone cluster: a master, and workers with one core and room for one executor each.

    `url` is what a session's master has to be.
    """

    def __init__(self, workers: int = 2) -> None:
        super().__init__()
        options = {"SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": f"{LEAN} -Dspark.master.rest.enabled=false"}
        # Port 0: the system chooses a free one, and the log says which.
        free = ("--host", LOOPBACK, "--port", "0", "--webui-port", "0")
        try:
            _, found = self._start(
                "master",
                "org.apache.spark.deploy.master.Master",
                *free,
                ready=r"Starting Spark master at (spark://\S+).*MasterWebUI to \S+ and started at (http://\S+)",
                **options,
            )
            self.url, self._page = found.groups()
            self._workers = [
                self._start(
                    f"worker-{number}",
                    "org.apache.spark.deploy.worker.Worker",
                    *free,
                    *("--cores", "1", "--memory", "1g", "--work-dir", str(self.folder / f"worker-{number}"), self.url),
                    ready="Starting Spark worker",
                    **options,
                )[0]
                for number in range(workers)
            ]
            self._await_workers(workers)
        except BaseException:
            self.close()
            raise

    def state(self) -> dict[str, Any]:
        """What the master's page says of its workers and applications."""
        with build_opener(ProxyHandler({})).open(f"{self._page}/json/", timeout=WITHIN) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def executors(self) -> list[psutil.Process]:
        """The virtual machines in which the tasks of the applications that now run are computed."""
        applications = {application["id"] for application in self.state()["activeapps"]}
        found = []
        for child in (child for worker in self._workers for child in psutil.Process(worker.pid).children()):
            with suppress(psutil.NoSuchProcess):
                command = child.cmdline()
                if "org.apache.spark.executor.CoarseGrainedExecutorBackend" in command and applications & set(command):
                    found.append(child)
        return found

    def kill_executor(self) -> None:
        """SIGKILL one executor, as the kernel does when memory is short; its worker starts another one."""
        executors = self.executors()
        assert executors, "no application has an executor that could be killed"
        executors[0].kill()

    def _await_workers(self, workers: int) -> None:
        deadline = time.monotonic() + WITHIN
        while self.state()["aliveworkers"] < workers:
            assert time.monotonic() < deadline, f"the workers did not register within {WITHIN} s: {self.state()['workers']}"
            time.sleep(0.05)


class ConnectServer(_Servers):
    """A Spark Connect server with the address `url`, which computes by itself or on a cluster's master."""

    def __init__(self, master: str = "local[2]") -> None:
        super().__init__()
        settings = config(self.folder) | {"spark.connect.grpc.binding.address": LOOPBACK, "spark.connect.grpc.binding.port": "0"}
        conf = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
        server = ("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--master", master, *conf, "spark-internal")
        try:
            _, found = self._start(
                "connect", "org.apache.spark.deploy.SparkSubmit", *server, ready=r"Spark Connect server started at: \S*:(\d+)"
            )
        except BaseException:
            self.close()
            raise
        self.url = f"sc://{LOOPBACK}:{found[1]}"
