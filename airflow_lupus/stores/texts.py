"""Which texts every database can keep as they are."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from airflow_lupus.exceptions import SpecError
from airflow_lupus.stores.schema import NAME_LENGTH

if TYPE_CHECKING:
    from airflow_lupus.model import Measurement, TaskRef
    from airflow_lupus.stores.base import DatasetInfo

LIMITS = {"unit": 50, "runbook": None, "group": None}
"""Characters that a text may have, where it is not as many as a name."""


def check_names(dataset: DatasetInfo, measurement: Measurement, task: TaskRef) -> None:
    """Refuse names that not every database can keep, before anything is written."""
    names: dict[str, set[str | None]] = defaultdict(set, dataset={dataset.name}, owner={dataset.owner}, runbook={dataset.runbook})
    names |= {"DAG id": {task.dag_id}, "task id": {task.task_id}, "run id": {task.run_id}}
    for info in measurement.points:
        names["column"].add(info.key.column)
        names["metric"].add(info.key.metric)
        names["unit"].add(info.unit)
        names["dimension"].update(name for name, _ in info.key.dimensions)
        names["group"].update(value for _, value in info.key.dimensions if isinstance(value, str))
    for what, values in names.items():
        for value in values - {None}:
            check_text(what, str(value))


def check_text(what: str, text: str) -> None:
    """Refuse a text that not every database can keep as it is."""
    limit = LIMITS.get(what, NAME_LENGTH)
    if limit and len(text) > limit:
        msg = f"A {what} may have {limit} characters: {text[:60]!r}… has {len(text)}"
        raise SpecError(msg)
    if clean(text, nul=what != "group") != text:
        msg = f"A {what} cannot have a NUL or half of a character in it: {text[:60]!r}"
        raise SpecError(msg)


def clean(text: str, *, nul: bool = True) -> str:
    """Text that every database can keep: without unpaired surrogates and, except in JSON, which escapes it, NUL."""
    whole = text.encode(errors="replace").decode()
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}") if nul else whole
