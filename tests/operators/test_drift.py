"""Drift as DAGs ask for it: a reference from a source, and labels that Airflow renders."""

from __future__ import annotations

import pytest

from airflow_lupus import Baseline, Drift, Files
from airflow_lupus.detectors import Threshold
from airflow_lupus.exceptions import SpecError

from .test_operators import collector, detector, rows, run

ASKED = {"dep_delay": ["psi", "wasserstein"], "carrier": ["unseen_ratio"]}


def drift_points(store):
    """(metric, number of dimensions) → values in order of time."""
    series = {row.id: row for row in rows(store, "series")}
    found = {}
    for point in sorted(rows(store, "points"), key=lambda row: row.start):
        of = series[point.series_id]
        if of.metric in {"psi", "wasserstein", "unseen_ratio"} and of.level == "total":
            found.setdefault(of.metric, []).append(point.value)
    return found


def collecting(folder, reference, **changes):
    return collector(folder, column_metrics=None, metrics=[Drift(ASKED, reference)], units={"dep_delay": "minutes"}, **changes)


def test_a_file_is_a_reference_and_its_own_day_has_not_drifted(store, folder):
    task = collecting(folder, Files(f"{folder}/2013-02-05.parquet"))
    for day in ("2013-02-06", "2013-02-09", "2013-02-10"):
        run(task, day)
    found = drift_points(store)
    assert found["psi"][0] == found["wasserstein"][0] == found["unseen_ratio"][0] == 0
    assert all(value > 0 for value in found["psi"][1:])
    (unit,) = {row.unit for row in rows(store, "series") if row.metric == "wasserstein"}
    assert unit == "minutes"
    run(detector(detectors={"*": Threshold(upper=0.01)}), "2013-02-10")
    assert any(verdict.severity for verdict in rows(store, "verdicts"))


def test_history_gives_a_first_run_its_baseline(store, folder):
    run(collecting(folder, Baseline(last=7), history=14))
    assert [value is None for value in drift_points(store)["psi"]] == [True] * 7 + [False] * 8


def test_labels_are_rendered_and_tell_versions_apart(store, folder):
    def task(version):
        made = collecting(folder, Baseline(label={"model": "previous"}), labels={"model": "{{ version }}"})
        made.render_template_fields({"version": version})
        return made

    for day, version in (("2013-02-06", "1"), ("2013-02-07", "1"), ("2013-02-08", "2")):
        run(task(version), day)
    assert [value is None for value in drift_points(store)["psi"]] == [True, True, False]


def test_a_label_that_the_task_does_not_have_is_an_error_at_parse(folder):
    with pytest.raises(SpecError, match="no such label"):
        collecting(folder, Baseline(label={"model": "previous"}))
