"""`MonitorOperator`: collect and detect in one task, with a default for everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_lupus.operators import _run
from airflow_lupus.operators.collect import MetricCollectOperator
from airflow_lupus.operators.detect import DEFAULT_DETECTORS, Detection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk.definitions.context import Context

    from airflow_lupus.detectors import Detector
    from airflow_lupus.notifications.delivery import Callback


class MonitorOperator(MetricCollectOperator):
    """The least that a user writes: one task after the one that makes a table.

    Takes all parameters of `MetricCollectOperator`, and:

    :param detectors: as for `AnomalyDetectOperator`.
    :param on_anomaly_callback: likewise.
    :param fail_on: likewise.
    """

    def __init__(
        self,
        *,
        detectors: Mapping[str, Detector | str | Sequence[Detector | str]] | None = None,
        on_anomaly_callback: Callback | Sequence[Callback] = (),
        fail_on: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        chosen = DEFAULT_DETECTORS if detectors is None else detectors
        self.detection = Detection(chosen, on_anomaly_callback, fail_on, self.on_error)

    def execute(self, context: Context) -> dict[str, Any]:
        """Collect, then judge; missing data is told of once there is no retry left that might still find it."""
        from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

        collected, done = self._measure(context)
        try:
            if done is not None:
                self._finish(context, done)
        except AirflowException as error:
            if isinstance(error, AirflowSkipException | AirflowFailException) or not _run.has_retries_left(context):
                self.detection.run(context, self.dataset)
            raise
        return {**collected, **self.detection.run(context, self.dataset)}
