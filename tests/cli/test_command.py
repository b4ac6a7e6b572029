"""The commands as a shell starts them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from .conftest import COLLECT, DETECT

AIRFLOW = str(Path(sys.executable).parent / "airflow")


def test_check_by_the_airflow_command(home):
    home.write_dag("nyc", COLLECT, DETECT)
    done = subprocess.run([AIRFLOW, "lupus", "check", "nyc", "--period", "2013-02-08"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("collect (MetricCollectOperator)\n"), "nothing but what the command says"
    assert "930 rows" in done.stdout
    assert not home.database.exists()


def test_a_terminal_gets_a_progress_bar(home):
    home.write_dag("nyc", COLLECT)
    ours, theirs = pty.openpty()
    words = [AIRFLOW, "lupus", "backfill", "nyc", "--from", "2013-01-01", "--to", "2013-01-15"]
    process = subprocess.Popen(words, stdout=theirs, stderr=subprocess.PIPE, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"})
    os.close(theirs)
    shown = b""
    while True:
        try:
            read = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not read:
            break
        shown += read
    assert process.wait(60) == 0
    assert "━" in shown.decode()
    assert "14/14" in shown.decode()
    assert "14 days measured" in shown.decode()
