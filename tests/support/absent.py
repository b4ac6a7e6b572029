"""What a machine lacks: tests that need it are skipped loudly, which CI does not allow."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def absent(what: str, install: str) -> NoReturn:
    """Skip the test, or fail it under CI, where everything has to be installed."""
    if os.environ.get("CI"):
        pytest.fail(f"CI has to install {what}: {install}", pytrace=False)
    pytest.skip(f"NOT TESTED: {what} is not installed ({install})")
