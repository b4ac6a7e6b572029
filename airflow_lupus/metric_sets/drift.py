"""Drift of columns against a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metric_sets.base import MetricSet, named
from airflow_lupus.metrics.operands import Column
from airflow_lupus.sources import Source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_lupus.metrics import Metric

MOST_BINS = 100
PREVIOUS = "previous"


@dataclass(frozen=True)
class Baseline:
    """A reference that is made of the dataset's own earlier periods, as they were measured: nothing is read a second time.

    :param first: the first so many periods that have rows.
    :param last: the last so many periods with rows before the one that is judged.
    :param label: `{"model_version": "previous"}`: all earlier periods that were measured under the value that this label had before the
        present one; `MetricCollectOperator(labels={"model_version": …})` says what it is.

    >>> Baseline(last=28).definition()
    {'last': 28}
    """

    first: int | None = None
    last: int | None = None
    label: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in vars(self).items() if value is not None}
        if len(given) != 1:
            msg = f"Baseline takes one of first=, last= and label=, not {', '.join(given) or 'none'}"
            raise SpecError(msg)
        for name in ("first", "last"):
            value = given.get(name, 1)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                msg = f"Baseline({name}={value!r}): it is a number of periods, at least 1"
                raise SpecError(msg)
        if self.label is not None and (len(self.label) != 1 or set(self.label.values()) != {PREVIOUS}):
            msg = f'Baseline(label={self.label!r}): it is one label and the word "previous", such as {{"model_version": "previous"}}'
            raise SpecError(msg)

    @property
    def label_name(self) -> str | None:
        """The label that it goes by."""
        return next(iter(self.label)) if self.label is not None else None

    def definition(self) -> dict[str, Any]:
        """What makes it another one."""
        return {name: dict(value) if name == "label" else value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Drift(MetricSet):
    """How far columns are from a reference: `Drift({"age": ["psi", "wasserstein"], "device": ["unseen_ratio"]}, Baseline(last=28))`.

    :param metrics: by column, `psi`, `jensen_shannon`, `kl_divergence`, `hellinger`, `chi_square`; of numbers also `wasserstein` and
        `kolmogorov_smirnov`, of texts and booleans `unseen_ratio`.
    :param reference: a fixed source, such as `Files("s3://lake/training.parquet")`, which is read once and whole; or a `Baseline`.
    :param bins: how many bins numbers are put into, of about as many of the reference's values each. The edges are decided once: from the
        source, or of a `Baseline` from the first period that is collected.
    """

    metrics: Mapping[str, Sequence[str]]
    reference: Source | Baseline
    bins: int = 20

    def __post_init__(self) -> None:
        given: object = self.reference
        if not isinstance(given, Source | Baseline):
            msg = f"Drift: reference must be a source, such as Files(…), or Baseline(first=…, last=… or label=…), not {self.reference!r}"
            raise SpecError(msg)
        if isinstance(self.reference, Source) and self.reference.per_period:
            msg = f"Drift: a reference is read whole, and the path of {self.reference!r} names a period"
            raise SpecError(msg)
        if isinstance(self.bins, bool) or not isinstance(self.bins, int) or not 2 <= self.bins <= MOST_BINS:
            msg = f"Drift: bins must be a number from 2 to {MOST_BINS}, not {self.bins!r}"
            raise SpecError(msg)
        if not self.metrics:
            msg = "Drift names no column"
            raise SpecError(msg)
        for column, names in self.metrics.items():
            if isinstance(names, str) or not names:
                msg = f"Drift: metrics[{column!r}] must be a list of metrics, not {names!r}"
                raise SpecError(msg)
            for name in names:
                named(name, f"Drift: metrics[{column!r}]", "drift")

    def pairs(self) -> list[tuple[str, Metric]]:
        return [
            (column, named(name, "Drift", "drift").bound(Column(column)))
            for column, names in self.metrics.items()
            for name in dict.fromkeys(names)
        ]

    def definition(self) -> dict[str, Any]:
        """What of it decides what the values mean."""
        return {"reference": self.reference.definition(), "bins": self.bins}
