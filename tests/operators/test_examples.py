"""Every example DAG, run on real data: in a range, then on the mornings that matter, and compared with pandas."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from airflow.sdk.exceptions import AirflowException
from sklearn import metrics as sk

from airflow_lupus import AnomalyDetectOperator, MetricCollectOperator
from airflow_lupus.model import Grain, PeriodStatus
from support import examples, flights
from support.prepared import DATA, prepared

from .conftest import morning

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import DAG

    from airflow_lupus.stores.sql import SqlStore

DAY = Grain("day", "America/New_York")
ORIGINS = ("EWR", "JFK", "LGA")


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `data/` of a new checkout, with all that the demo prepares."""
    folder = examples.without_settings(monkeypatch, tmp_path_factory.mktemp("checkout"))
    for name in DATA:
        (folder / name).symlink_to(prepared(name))
    return folder


def example(name: str) -> DAG:
    (path,) = (path for path in examples.FILES if path.stem == name)
    return examples.load(path)


def over(start: str, end: str) -> dict:
    return {"conf": {"lupus": {"start": start, "end": end}}}


def days(store: SqlStore, dataset: str) -> dict[str, PeriodStatus]:
    return {f"{DAY.local(each.period.start):%Y-%m-%d}": each.status for each in store.period_records(dataset, DAY, 0, 2**40)}


def stored(store: SqlStore, dataset: str, day: str) -> dict[tuple[str | bool, ...], float | None]:
    """Of one day: (column.metric, *group, in the order of the dimensions' names) → value."""
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            f"SELECT column_name, metric, dimensions, value FROM lupus_metrics WHERE dataset = '{dataset}' AND period_start LIKE '{day}%'"
        ).all()
    return {(f"{column}.{metric}", *json.loads(dimensions).values()): value for column, metric, dimensions, value in rows}


def names(anomalies) -> set[str]:
    return {f"{each.info.key.column}.{each.info.key.metric}" for each in anomalies}


def on(anomalies) -> set[str]:
    return {f"{DAY.local(datetime.fromtimestamp(each.start, UTC)):%Y-%m-%d}" for each in anomalies}


@pytest.mark.parametrize("path", examples.FILES, ids=lambda path: path.stem)
def test_every_example_runs_in_a_range_and_then_daily(path, store, data, slack):
    dag = examples.load(path)
    collects = [task for task in dag.tasks if isinstance(task, MetricCollectOperator)]
    judged = {task.dataset for task in dag.tasks if isinstance(task, AnomalyDetectOperator)}
    assert {task.dataset for task in collects} == judged
    examples.run(dag, "range", **over("2013-03-01", "2013-03-22"))
    assert not slack.messages, "ranges are silent"
    expected = {f"{day:%Y-%m-%d}": PeriodStatus.OK for day in pd.date_range("2013-03-01", "2013-03-21")}
    for task in collects:
        assert days(store, task.dataset) == expected
    daily = examples.run(dag, "daily", logical_date=morning("2013-03-23"))
    for task in collects:
        measured = f"{pd.Timestamp('2013-03-22') + timedelta(days=task.period_offset):%Y-%m-%d}"
        assert daily[task.task_id]["returned"]["start"].startswith(measured)
        assert days(store, task.dataset) == expected | {measured: PeriodStatus.OK}
    for task in dag.tasks:
        if isinstance(task, AnomalyDetectOperator):
            assert daily[task.task_id]["returned"]["judged"] > 0


# ---- recommendations ----


def test_the_recommendations_are_those_of_the_two_models():
    truth = flights.frame()
    for day, by_hour in (("2013-06-02", False), ("2013-06-03", True)):
        log = pd.read_parquet(prepared("recommendations") / f"{day}.parquet")
        assert set(log["model_version"]) == {"2" if by_hour else "1"}
        (row,) = log[(log["origin"] == "LGA") & (log["hour"] == 7)].to_dict("records")
        before = (truth["local_day"] < day) & (truth["local_day"] >= f"{pd.Timestamp(day) - timedelta(days=28):%Y-%m-%d}")
        left = truth[before & (truth["origin"] == "LGA") & truth["dep_time"].notna()]
        counts = (left[left["hour"] == 7] if by_hour else left)["dest"].value_counts()
        best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:10]
        assert list(row["recommended"]) == [dest for dest, _ in best]
        assert list(row["scores"]) == pytest.approx([n / counts.sum() for _, n in best], rel=1e-12)
        today = truth[(truth["local_day"] == day) & (truth["origin"] == "LGA") & (truth["hour"] == 7) & truth["dep_time"].notna()]
        assert set(row["flown"]) == set(today["dest"])


def quality(log: pd.DataFrame) -> dict[str, float]:
    """By hand, of rows of which something is relevant."""
    discount = 1 / np.log2(np.arange(2, 12))
    found = []
    for recommended, flown in zip(log["recommended"], log["flown"], strict=True):
        if len(flown):
            hits = np.array([item in flown for item in recommended] + [False] * (10 - len(recommended)))
            first = np.argmax(hits) + 1 if hits.any() else np.inf
            ideal = discount[: min(5, len(flown))].sum()
            found.append([(hits * discount)[:5].sum() / ideal, hits.sum() / len(flown), 1 / first, float(hits[0])])
    return dict(zip(("ndcg@5", "recall@10", "mrr", "hit_rate@1"), np.mean(found, axis=0), strict=True))


def test_the_new_model_is_told_of_on_its_first_day_and_its_better_quality_is_not(store, data, slack):
    dag = example("route_recommendations")
    examples.run(dag, "range", **over("2013-05-06", "2013-06-02"))
    quiet = examples.run(dag, "before", logical_date=morning("2013-06-03"))
    assert not quiet["detect"]["anomalies"]
    assert not slack.messages
    found = examples.run(dag, "switch", logical_date=morning("2013-06-04"))["detect"]["anomalies"]
    changed = {"unique@5", "entropy@10", "coverage@5", "length_avg"}
    assert names(found) == {f"recommended.{metric}" for metric in changed} | {"scores.avg@1"}
    assert on(found) == {"2013-06-03"}
    (message,) = slack.messages
    assert "2013-06-03" in message["text"]

    before, after = (stored(store, "route_recommendations", day) for day in ("2013-06-02", "2013-06-03"))
    for day, values in (("2013-06-02", before), ("2013-06-03", after)):
        log = pd.read_parquet(prepared("recommendations") / f"{day}.parquet")
        for group, part in [((), log), *(((origin,), log[log["origin"] == origin]) for origin in ORIGINS)]:
            items = {k: part["recommended"].map(lambda each, k=k: list(each[:k])).explode().value_counts() for k in (3, 5, 10)}
            shares = items[10] / items[10].sum()
            expected = {
                **quality(part),
                "unique@5": len(items[5]),
                "coverage@5": len(items[5]) / 105,
                "entropy@10": -(shares * np.log(shares)).sum(),
                "length_avg": part["recommended"].map(len).mean(),
            }
            for metric, value in expected.items():
                assert values[(f"recommended.{metric}", *group)] == pytest.approx(value, rel=1e-9), (day, metric, group)
            assert values[("scores.avg@1", *group)] == pytest.approx(part["scores"].map(lambda each: each[0]).mean(), rel=1e-9)
            version = "1" if values is before else "2"
            assert values[("model_version.frequency", version, *group)] == 1
            for destination, count in items[3].items():
                assert values[("recommended.count@3", *group, destination)] == count
    assert after["recommended.ndcg@5",] > before["recommended.ndcg@5",] + 0.1
    drift = {origin: after["top_choice.jensen_shannon", origin] for origin in ORIGINS}
    assert before["top_choice.jensen_shannon",] is None, "no version came before the first"
    assert all(0.5 < shift < 1 for shift in drift.values()), drift
    assert after["top_choice.unseen_ratio",] > 0.5, "what version 1 never recommended first"


# ---- delays ----


def as_of(folder: Path, day: str) -> None:
    """Put what was there on a morning in place of the whole year: predictions up to the day before, labels up to a week before that."""
    source, morning_of = prepared("delays"), pd.Timestamp(day)
    (folder / "delays").unlink()
    for kind, newest in (("predictions", morning_of - timedelta(days=1)), ("labelled", morning_of - timedelta(days=8))):
        (folder / "delays" / kind).mkdir(parents=True)
        for file in (source / kind).glob("*.parquet"):
            if pd.Timestamp(file.stem) <= newest:
                shutil.copy(file, folder / "delays" / kind)


def test_a_score_is_made_of_labels_that_were_known_that_morning():
    truth = flights.frame()
    known = truth[(truth["local_day"] >= "2013-01-30") & (truth["local_day"] < "2013-03-01") & truth["arr_delay"].notna()]
    known = known.assign(late=known["arr_delay"] > 15)
    airport = known[known["origin"] == "JFK"]
    kind = airport[(airport["carrier"] == "B6") & (airport["hour"] == 18)]
    predicted = pd.read_parquet(prepared("delays") / "predictions" / "2013-03-08.parquet")
    assert "late" not in predicted
    at_six = predicted["time_hour"] == pd.Timestamp("2013-03-08 18:00", tz="America/New_York")
    found = predicted[at_six & (predicted["origin"] == "JFK") & (predicted["carrier"] == "B6")]
    score = (kind["late"].sum() + 10 * airport["late"].mean()) / (len(kind) + 10)
    assert len(found) > 1
    assert found["score"].tolist() == pytest.approx([score] * len(found), rel=1e-12)
    assert set(found["late_predicted"]) == {score >= 0.3}


def test_labels_that_come_a_week_late_judge_the_day_of_the_flights(store, data, slack):
    """On 8 March it snowed; on the morning of the 16th its labels are there, and the predictions of the 15th."""
    as_of(data, "2013-03-16")
    dag = example("delay_predictions")
    examples.run(dag, "range", **over("2013-02-07", "2013-03-08"))
    ran = examples.run(dag, "daily", logical_date=morning("2013-03-16"))
    assert max(days(store, "delay_predictions")) == "2013-03-15"
    assert max(days(store, "delay_quality")) == "2013-03-08"
    found = ran["detect_quality"]["anomalies"]
    assert on(found) == {"2013-03-08"}
    assert {"late_predicted.accuracy", "late_predicted.log_loss", "late_predicted.ece"} <= names(found)
    assert not ran["detect_predictions"]["anomalies"], "the predictions themselves looked as ever"
    (message,) = slack.messages
    assert message["text"].startswith("delay_quality")
    assert message["text"].endswith("2013-03-08")

    # A morning whose labels are late again.
    shutil.copy(prepared("delays") / "predictions" / "2013-03-16.parquet", data / "delays" / "predictions")
    with pytest.raises(AirflowException, match=r"delay_quality: no data .* 2013-03-09 00:00: no file at"):
        examples.run(example("delay_predictions"), "early", logical_date=morning("2013-03-17"))
    assert days(store, "delay_quality")["2013-03-09"] is PeriodStatus.MISSING


def test_the_quality_of_predictions_is_scikit_learns(store, data):
    examples.run(example("delay_predictions"), "range", **over("2013-03-08", "2013-03-09"))
    quality, made = stored(store, "delay_quality", "2013-03-08"), stored(store, "delay_predictions", "2013-03-08")
    log = pd.read_parquet(prepared("delays") / "labelled" / "2013-03-08.parquet")
    for group, part in [((), log), *(((origin,), log[log["origin"] == origin]) for origin in ORIGINS)]:
        known = part.dropna(subset=["late", "score"]).astype({"late": bool, "late_predicted": bool})
        of = {
            "accuracy": sk.accuracy_score(known["late"], known["late_predicted"]),
            "roc_auc": sk.roc_auc_score(known["late"], known["score"]),
            "log_loss": sk.log_loss(known["late"], known["score"]),
        }
        for metric, value in of.items():
            assert quality[(f"late_predicted.{metric}", *group)] == pytest.approx(value, rel=1e-9), (metric, group)
        bins = np.ceil(known["score"] * 15)
        gaps = (known["score"] - known["late"]).groupby(bins).sum().abs().sum() / len(known)
        assert quality[("late_predicted.ece", *group)] == pytest.approx(gaps, rel=1e-9)
        for metric, function in {"recall": sk.recall_score, "f1": sk.f1_score}.items():
            by_label = function(known["late"], known["late_predicted"], average=None, labels=[False, True])
            for label, value in zip((False, True), by_label, strict=True):
                assert quality[(f"late_predicted.{metric}", label, *group)] == pytest.approx(value, rel=1e-9)
        assert quality[("late.null_ratio", *group)] == pytest.approx(part["late"].isna().mean(), rel=1e-12)
        assert made[("score.p95", *group)] == pytest.approx(part["score"].quantile(0.95), rel=1e-12)
        assert made[("late_predicted.avg", *group)] == pytest.approx(part["late_predicted"].dropna().astype(float).mean(), rel=1e-12)
        assert made[("score.null_ratio", *group)] == part["score"].isna().mean()
