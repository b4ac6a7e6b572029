"""What every metric set is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import SpecError
from airflow_lupus.metrics import metric_named

if TYPE_CHECKING:
    from airflow_lupus.metrics import Metric


class MetricSet:
    """Metrics that belong together: of columns, of the table, of predictions and what turned out to be true."""

    def pairs(self) -> list[tuple[str, Metric]]:
        """Each metric with the column that its series are known by; of a prediction and a ground truth, the prediction."""
        raise NotImplementedError

    def definition(self) -> dict[str, Any]:
        """What of it decides the meaning of its series beyond column and metric: a change restarts the baseline."""
        return {}


def named(name: str, where: str, family: str = "column") -> Metric:
    """The metric of this name, or an error that says where the name stands."""
    try:
        return metric_named(name, family)
    except SpecError as error:
        msg = f"{where}: {error}"
        raise SpecError(msg) from None
