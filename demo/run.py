"""`make demo`: a year of real flights through a real Airflow, which is left running with the page to open.

History up to the storm's eve comes in by one range run and stays silent; 8 and 9 February 2013 then run as daily runs, the way they would
have come in, and tell Slack; the rest of the year follows by another range run, and so do months of the other examples. Connect Slack
first, if you like, with
`export AIRFLOW_CONN_SLACK_DEFAULT='{"conn_type": "slack", "password": "xoxb-…"}'`.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from airflow.sdk import DAG

REPO = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("LUPUS_DEMO_HOME", REPO / ".demo"))
PORT = int(os.environ.get("LUPUS_DEMO_PORT", "8080"))
NEW_YORK = ZoneInfo("America/New_York")
USERS = {"admin": "admin"}
HEALTHY_WITHIN = 180
# The storm stands out when its weeks are on the screen.
PAGE = "plugin/lupus?dataset=flights&column=dep_time&metric=null_ratio&from=2013-01-01&to=2013-04-01"


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def free_port(wanted: int) -> int:
    """The wanted port, or any other that is free."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SystemExit("no free port on this machine")


def environment(port: int) -> dict[str, str]:
    """Airflow's settings for a demo of its own: nothing of the user's other Airflow is touched."""
    HOME.mkdir(parents=True, exist_ok=True)
    passwords, secret = HOME / "passwords.json", HOME / "jwt-secret"
    passwords.write_text(json.dumps(USERS))
    if not secret.exists():
        secret.write_text(secrets.token_hex(48))
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(HOME / "airflow"),
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secret.read_text(),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPO / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:admin" for name in USERS),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port(8793)),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port(8794)),
        "LUPUS_DEMO_DATA": str(HOME / "flights"),
        "LUPUS_DEMO_DELAYS": str(HOME / "delays"),
        "LUPUS_DEMO_RECOMMENDATIONS": str(HOME / "recommendations"),
        "NO_PROXY": "localhost,127.0.0.1",
    }


def run_dag() -> None:
    """The year through `dags/nyc_flights.py`, and months through the other examples, in this process."""
    from airflow.utils.db import initdb

    initdb()
    sys.path.insert(0, str(REPO / "dags"))
    import delay_predictions
    import nyc_flights
    import route_recommendations

    def ranged(start: str, end: str, dag: DAG = nyc_flights.dag) -> None:
        say(f"Range run of {dag.dag_id} [{start}, {end}): silent history")
        _finish(dag.test(logical_date=None, run_conf={"lupus": {"start": start, "end": end}}), start)

    def daily(day: int) -> None:
        say(f"Daily run at 03:00 on {day} February 2013: it measures the day before")
        _finish(nyc_flights.dag.test(logical_date=datetime(2013, 2, day, 3, tzinfo=NEW_YORK)), f"2013-02-{day:02d}")

    ranged("2013-01-01", "2013-02-08")
    daily(9)
    daily(10)
    ranged("2013-02-10", "2014-01-01")
    ranged("2013-05-01", "2013-06-03", route_recommendations.dag)  # version 1 of the model
    ranged("2013-06-03", "2013-07-01", route_recommendations.dag)
    ranged("2013-02-07", "2013-04-01", delay_predictions.dag)


def _finish(run: object, what: str) -> None:
    state = str(getattr(run, "state", run))
    if not state.endswith("success"):
        raise SystemExit(f"The run for {what} ended as {state}; its log is above")


def wait_healthy(base: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until all four components say so: the address alone answers 200 with a dead scheduler."""
    deadline = time.monotonic() + HEALTHY_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"Airflow stopped with {process.returncode}; see {HOME / 'airflow.log'}")
        try:
            with urllib.request.urlopen(f"{base}/api/v2/monitor/health", timeout=5) as answer:  # noqa: S310  our own address
                health = json.load(answer)
            if all(
                (health.get(part) or {}).get("status") == "healthy" for part in ("metadatabase", "scheduler", "triggerer", "dag_processor")
            ):
                return
        except (OSError, ValueError, urllib.error.URLError):
            pass
        time.sleep(1)
    raise SystemExit(f"Airflow was not healthy within {HEALTHY_WITHIN} s; see {HOME / 'airflow.log'}")


def main() -> None:
    """Prepare, run, serve."""
    # However it is stopped, Airflow stops with it; a shell's background job would ignore the first of the two.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    port = free_port(PORT)
    env = environment(port)
    if "--run-dag" in sys.argv:
        run_dag()
        return
    say("Preparing 336,776 flights as one Parquet file a day, and what the other examples make of them")
    for name in ("flights", "recommendations", "delays"):
        subprocess.run([sys.executable, str(REPO / "demo" / f"prepare_{name}.py"), str(HOME / name)], check=True)
    subprocess.run([sys.executable, __file__, "--run-dag"], check=True, env=env)
    base = f"http://localhost:{port}"
    say("Starting Airflow")
    with (HOME / "airflow.log").open("wb") as log:
        process = subprocess.Popen(["airflow", "standalone"], env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        wait_healthy(base, process)
        told = (
            "The message about the storm went to Slack."
            if "AIRFLOW_CONN_SLACK_DEFAULT" in os.environ
            else ("There is no Slack connection, so the log above shows the messages that would have been sent.")
        )
        say(f"Open {base}/{PAGE}\n   log in as admin / admin. {told}\n   Ctrl-C stops Airflow.")
        if "--once" not in sys.argv:
            process.wait()
    except KeyboardInterrupt:
        say("Stopping")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


if __name__ == "__main__":
    main()
