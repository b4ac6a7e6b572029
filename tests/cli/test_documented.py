"""`docs/cli.md` shows what the commands really print."""

from __future__ import annotations

import re

import pytest

from airflow_lupus.cli import backfill
from support import flights

PAGE = (flights.REPO / "docs" / "cli.md").read_text()
BLOCKS = re.findall(r"^```console\n\$ airflow lupus ([^\n]+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def comparable(text: str, home_folder: str) -> str:
    """Without what differs from machine to machine: folders, seconds, sizes, and lines of progress on the way."""
    text = text.replace(str(flights.folder()), "/data/flights").replace(home_folder, "/opt/airflow")
    text = re.sub(r"[\d.]+ kB in [\d.]+ s", "… kB in … s", text)
    return re.sub(r"^  \d+ of \d+ \(\d\d?%\)\n", "", text, flags=re.MULTILINE).strip()


def test_commands_print_what_is_documented(home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(backfill, "FAST", float("inf"))
    home.add_example()
    assert len(BLOCKS) == 11
    for words, documented in BLOCKS:
        ran = home.run(*words.replace("/opt/airflow", str(home.folder)).split())
        assert ran.code == 0, ran.err
        assert comparable(ran.out, str(home.folder)) == comparable(documented, str(home.folder)), words
