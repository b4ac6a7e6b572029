"""Links from a task instance to the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class ChartsLink(BaseOperatorLink):
    """The page with the charts of the task's dataset."""

    name = "Lupus charts"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The address; asked in the task's process, after it ran."""
        from airflow.sdk import conf

        from airflow_lupus.pipeline.digest import page_url

        base = conf.get("api", "base_url", fallback="").rstrip("/")
        return page_url(base, dag_id=ti_key.dag_id, dataset=str(getattr(operator, "dataset", "")))
