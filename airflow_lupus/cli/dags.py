"""A DAG as its file says it, and of its tasks those that collect and judge, ready to be run outside of a run."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_lupus.exceptions import LupusError, SpecError, did_you_mean
from airflow_lupus.operators import _run
from airflow_lupus.operators.collect import MetricCollectOperator
from airflow_lupus.operators.detect import AnomalyDetectOperator
from airflow_lupus.operators.monitor import MonitorOperator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from airflow.sdk import DAG

    from airflow_lupus.detectors.patterns import Rules
    from airflow_lupus.model import Grain
    from airflow_lupus.pipeline.collecting import Job
    from airflow_lupus.sources import Source

LISTED = 3
"""Import errors that are told when a DAG is not found."""


@dataclass(frozen=True)
class Collecting:
    """A task that collects, as it would run: its templates are rendered."""

    task: MetricCollectOperator
    source: Source
    job: Job

    @property
    def name(self) -> str:
        return self.task.task_id

    @property
    def grain(self) -> Grain:
        return self.job.spec.grain

    @property
    def dataset(self) -> str:
        return self.job.spec.dataset


@dataclass(frozen=True)
class Judging:
    """A task that judges a dataset."""

    name: str
    kind: str
    """Its operator's name."""
    dataset: str
    rules: Rules


@dataclass(frozen=True)
class Chosen:
    """What of a DAG a command is about."""

    collecting: Sequence[MetricCollectOperator]
    judging: Sequence[Judging]


def load(dag_id: str) -> DAG:
    """The DAG from its file: what the metadata database keeps of it lacks the operators.

    The file is looked for where the DAG processor found it, else in every bundle.
    """
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    bundles = {bundle.name: bundle for bundle in DagBundlesManager().get_all_dag_bundles()}  # type: ignore[no-untyped-call]
    known: set[str] = set()
    errors: dict[str, str] = {}
    bundle_name, file = _found_before(dag_id)
    if bundle_name in bundles and file:
        bundles[bundle_name].initialize()
        path = bundles[bundle_name].path / file
        found, _ = _parsed(bundles[bundle_name], path) if path.exists() else ({}, {})
        if dag_id in found:
            return found[dag_id]
    for bundle in bundles.values():
        bundle.initialize()
        found, broken = _parsed(bundle, bundle.path)
        if dag_id in found:
            return found[dag_id]
        known |= found.keys()
        errors |= broken
    msg = f"There is no DAG {dag_id!r}: {did_you_mean(dag_id, known)}"
    for file_, error in list(errors.items())[:LISTED]:
        msg += f"\n{file_} cannot be imported: {error.strip().splitlines()[-1]}"
    raise SpecError(msg)


def _found_before(dag_id: str) -> tuple[str | None, str | None]:
    """Bundle and file of a DAG, if Airflow's database is there and knows it."""
    import sqlalchemy as sa
    from airflow.models.dag import DagModel

    try:
        model = DagModel.get_current(dag_id)
    except sa.exc.SQLAlchemyError:
        return None, None
    return (model.bundle_name, model.relative_fileloc) if model is not None else (None, None)


def _parsed(bundle: Any, path: Path) -> tuple[dict[str, DAG], dict[str, str]]:
    """The DAGs in a file or folder, and the files that cannot be imported, with the reason."""
    from airflow.dag_processing.dagbag import BundleDagBag

    bag = BundleDagBag(dag_folder=path, bundle_path=bundle.path, bundle_name=bundle.name)
    return bag.dags, bag.import_errors


def choose(dag: DAG, task_id: str | None) -> Chosen:
    """The DAG's tasks that collect, and those that judge; or one of them, with the tasks that judge what it collects.

    :raises SpecError: there is no such task, or it collects and judges nothing.
    """
    mapped = [task.task_id for task in dag.tasks if getattr(task, "is_mapped", False) and _is_ours(getattr(task, "operator_class", None))]
    tasks = [task for task in dag.tasks if _is_ours(type(task))]
    if task_id in mapped:
        msg = f"Task {task_id!r} is mapped: what it measures is known only when it runs"
        raise SpecError(msg)
    if not tasks:
        msg = (
            f"DAG {dag.dag_id!r} has no task that collects or judges metrics: a MonitorOperator, MetricCollectOperator or "
            f"AnomalyDetectOperator{' that is not mapped' if mapped else ''}"
        )
        raise SpecError(msg)
    if task_id is not None and task_id not in {task.task_id for task in tasks}:
        what = "is not one that collects or judges metrics" if task_id in dag.task_ids else "is not there"
        msg = f"Task {task_id!r} of DAG {dag.dag_id!r} {what}: {did_you_mean(task_id, (task.task_id for task in tasks))}"
        raise SpecError(msg)
    collecting = [task for task in tasks if isinstance(task, MetricCollectOperator) and task_id in {None, task.task_id}]
    judging = [_judging(task, dag) for task in tasks if isinstance(task, AnomalyDetectOperator | MonitorOperator)]
    if task_id is not None:
        datasets = {_rendered(task, dag, "dataset", None) for task in collecting}
        judging = [judge for judge in judging if judge.name == task_id or judge.dataset in datasets]
    return Chosen(collecting, judging)


def _is_ours(operator: Any) -> bool:
    return isinstance(operator, type) and issubclass(operator, MetricCollectOperator | AnomalyDetectOperator)


def _judging(task: AnomalyDetectOperator | MonitorOperator, dag: DAG) -> Judging:
    return Judging(task.task_id, type(task).__name__, _rendered(task, dag, "dataset", None), task.detection.rules)


def prepare(task: MetricCollectOperator, dag: DAG, at: datetime | None = None) -> Collecting:
    """A task with its templates rendered, and its job.

    :param at: the logical date of the run that it is to be like; without one, templates that date a period are refused.
    """
    if at is None:
        task.source.check_ranged()
    ready = copy.copy(task)
    ready.dataset = _rendered(task, dag, "dataset", at)
    ready.source = _rendered(task, dag, "source", at)
    return Collecting(ready, ready.source, ready.job(_run.dag_grain({"dag": dag}, ready.spec.grain.unit, ready.timezone)))


def _rendered(task: Any, dag: DAG, field: str, at: datetime | None) -> Any:
    """A field's value after Jinja; the task itself, and a source that it shares with others, stay as they are."""
    import jinja2

    value = copy.copy(getattr(task, field))
    environment = task.get_template_env(dag).overlay(undefined=jinja2.StrictUndefined)
    try:
        return task.render_template(value, _context(task, dag, at), environment)
    except LupusError:
        raise
    except Exception as error:
        hint = "; here there are dag, task, params, var, conn and macros" if isinstance(error, jinja2.UndefinedError) else ""
        msg = f"{task.task_id}: {field}={getattr(task, field)!r} cannot be rendered outside of a run: {error}{hint}"
        raise SpecError(msg) from error


def _context(task: Any, dag: DAG, at: datetime | None) -> dict[str, Any]:
    """What templates may use: that of a run which has no dates, or of one at `at`."""
    from airflow.sdk.execution_time.context import ConnectionAccessor, MacrosAccessor, VariableAccessor

    params = {name: value for source in (dag.params, task.params) for name, value in source.dump().items()}
    context = {
        "dag": dag,
        "task": task,
        "params": params,
        "macros": MacrosAccessor(),
        "conn": ConnectionAccessor(),
        "var": {"json": VariableAccessor(deserialize_json=True), "value": VariableAccessor(deserialize_json=False)},
    }
    if at is None:
        return context
    stamp = at.isoformat()
    texts = {"ds": f"{at:%Y-%m-%d}", "ds_nodash": f"{at:%Y%m%d}", "ts": stamp, "ts_nodash": f"{at:%Y%m%dT%H%M%S}"}
    return {**context, **texts, "logical_date": at, "data_interval_start": at, "data_interval_end": at}
