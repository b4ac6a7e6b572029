"""Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
import time

import duckdb
import pytest

from airflow_lupus.cli.interrupt import Interrupt, Interrupted


def test_the_second_control_c_stops_a_query_that_is_running():
    def press_twice() -> None:
        for _ in range(2):
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    interrupt = Interrupt()
    threading.Thread(target=press_twice, daemon=True).start()
    started = time.monotonic()
    with pytest.raises(Interrupted), interrupt, duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SELECT count(*) FROM range(10000000) a, range(20000) b WHERE a.range * b.range % 7 = 3").fetchall()
    assert time.monotonic() - started < 30, "the query alone would take hours"
    assert signal.getsignal(signal.SIGINT) is before


def test_without_control_c_errors_stay_what_they_are():
    interrupt = Interrupt()
    with pytest.raises(ValueError, match="own"), interrupt:
        interrupt.heed()
        raise ValueError("own")
