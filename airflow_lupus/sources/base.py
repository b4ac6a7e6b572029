"""What every source says of itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.exceptions import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = re.compile(r"secret|token|credential|passw|(account|access|private|sas).?key|connection.?string|service.?account", re.IGNORECASE)
"""What options with a secret in them have in their names."""
PASSWORD = re.compile(r"://[^/@:]*:([^/@]+)@")
"""A password in an address."""


class Source:
    """Anything that a dataset's rows can be read from."""

    template_fields: ClassVar[tuple[str, ...]] = ()

    @property
    def default_dataset(self) -> str:
        """The dataset's name where the user gives none."""
        raise NotImplementedError

    @property
    def per_period(self) -> bool:
        """Whether each period has a place of its own (a file), so that a range can be read without a time column."""
        return False

    def definition(self) -> dict[str, Any]:
        """What of the source makes a series' definition: a change of it restarts the baseline."""
        raise NotImplementedError

    def check_ranged(self) -> None:
        """Raise when this source cannot serve many periods in one run."""


def check_not_dated(where: str, written: str, instead: str) -> None:
    """Raise for what Jinja makes for one task, where many periods are to be read."""
    if "{{" in written:
        msg = f"{where}: Jinja renders once per task, so this names one period and a range run would read it for all. {instead}"
        raise SpecError(msg)


def check_no_secret(where: str, options: Mapping[str, Any]) -> None:
    """Raise for options that hold a secret: these belong into an Airflow connection."""
    for name, value in options.items():
        if SECRET.search(name) or PASSWORD.search(str(value)):
            msg = f"{where}: {name!r} is a secret, and secrets live in Airflow connections only: put it into the extra of the conn_id"
            raise SpecError(msg)
