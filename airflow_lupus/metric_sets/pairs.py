"""What the sets of metrics of predictions have in common."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metric_sets.base import MetricSet, named
from airflow_lupus.metrics.pairs import PairMetric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_lupus.metrics import Metric
    from airflow_lupus.metrics.pairs import Pair


class PairSet(MetricSet):
    """Metrics of a prediction and what turned out to be true."""

    family: ClassVar[str]
    metrics: Sequence[str]

    def pair(self) -> Pair:
        """The columns."""
        raise NotImplementedError

    def check(self, **columns: str | None) -> None:
        """Raise for what cannot be meant.

        :param columns: by parameter; None: it is not given.
        """
        what = type(self).__name__
        for parameter, column in columns.items():
            optional = getattr(type(self), parameter, self) is None
            if not (column is None and optional) and (not isinstance(column, str) or not column):
                msg = f"{what}: {parameter} must be the name of a column, not {column!r}"
                raise SpecError(msg)
        if isinstance(self.metrics, str):
            msg = f"{what} needs a list of metrics, not the text {self.metrics!r}"
            raise SpecError(msg)
        if not self.metrics:
            msg = f"{what} names no metric"
            raise SpecError(msg)
        absent = {parameter for parameter, column in columns.items() if column is None}
        for name in self.metrics:
            for parameter in sorted(absent & self._named(name).of_parameters):
                msg = f"{what}: {name!r} needs {parameter}=…"
                raise SpecError(msg)

    def _named(self, name: str) -> PairMetric:
        metric = named(name, type(self).__name__, self.family)
        assert isinstance(metric, PairMetric)  # noqa: S101  as all of such a family
        return metric

    def pairs(self) -> list[tuple[str, Metric]]:
        pair = self.pair()
        return [(pair.prediction, self._named(name).of_pair(pair)) for name in dict.fromkeys(self.metrics)]

    def definition(self) -> dict[str, Any]:
        return {self.family: {name: value for name, value in asdict(self.pair()).items() if value not in {None, ()}}}
