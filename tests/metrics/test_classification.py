"""Classification metrics are scikit-learn's, by group, in total and by label."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from airflow_lupus import Classification
from airflow_lupus.engines import ENGINES
from airflow_lupus.exceptions import SpecError
from airflow_lupus.metrics import known_metric
from airflow_lupus.specs import MeasureSpec
from support import drawing
from support.pairs import DAY, GROUP, check, said

LABELS = {
    "text": (["a", "näh 'x' {1}", "日本"], pa.string()),
    "number": ([0, 1, 7], pa.int64()),
    "boolean": ([False, True], pa.bool_()),
}
AVERAGES = [f"{which}_{average}" for which in ("precision", "recall", "f1") for average in ("macro", "micro", "weighted")]
OF_LABELS = ["accuracy", "precision", "recall", "f1", *AVERAGES, "label_count", "prediction_count", "confusion"]
OF_SCORES = ["log_loss", "brier", "ece", "ece(4)", "roc_auc", "pr_auc", "top_probability", "top_two_spread"]
PROBABILITY = st.one_of(st.sampled_from([0.0, 0.2, 0.5, 1.0]), st.floats(0, 1))


def rows_of(engine, kind, **columns):
    labels = st.sampled_from([*LABELS[kind][0], None])
    return drawing.rows(engine, {GROUP: drawing.groups(engine), "pred": labels, "gt": labels, **columns})


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", LABELS)
def test_metrics_of_labels_are_scikit_learns(engine, kind):
    type_ = LABELS[kind][1]
    schema = pa.schema({GROUP: pa.string(), "pred": type_, "gt": type_})

    @drawing.examples(engine, 15)
    @given(rows=rows_of(engine, kind))
    def compare(rows):
        for own, values in said(engine, rows, schema, Classification("pred", "gt", metrics=OF_LABELS)):
            found = {name: values["pred", name] for name in OF_LABELS}
            assert found["label_count"] == Counter(row["gt"] for row in own if row["gt"] is not None)
            assert found["prediction_count"] == Counter(row["pred"] for row in own if row["pred"] is not None)
            both = [(row["gt"], row["pred"]) for row in own if row["gt"] is not None and row["pred"] is not None]
            assert found["confusion"] == Counter(both)
            if not both:
                assert found["accuracy"] is None
                assert found["f1_macro"] is None
                assert found["f1"] == {}
                continue
            labels = sorted({label for pair in both for label in pair})
            true, predicted = ([labels.index(pair[side]) for pair in both] for side in (0, 1))
            each = sklearn.precision_recall_fscore_support(true, predicted, average=None, labels=range(len(labels)), zero_division=np.nan)
            expected = {"accuracy": sklearn.accuracy_score(true, predicted)}
            for which, numbers in zip(("precision", "recall", "f1"), each, strict=False):
                expected[which] = {label: None if math.isnan(x) else x for label, x in zip(labels, numbers, strict=True)}
            for average in ("macro", "micro", "weighted"):
                numbers = sklearn.precision_recall_fscore_support(true, predicted, average=average, zero_division=0)
                expected |= {f"{which}_{average}": x for which, x in zip(("precision", "recall", "f1"), numbers, strict=False)}
            check(found, expected)

    compare()


def calibration(confidence, right, bins=15):
    """By its formula, with numpy."""
    confidence, right = np.array(confidence), np.array(right, dtype=float)
    edges = np.arange(1, bins + 1) / bins
    place = np.searchsorted(edges, confidence)
    parts = [abs(confidence[place == m].mean() - right[place == m].mean()) * (place == m).mean() for m in set(place)]
    return float(sum(parts))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("wild", [False, True], ids=["probabilities", "any-numbers"])
def test_metrics_of_one_score_are_scikit_learns(engine, kind, wild):
    labels, type_ = LABELS[kind]
    schema = pa.schema({GROUP: pa.string(), "pred": type_, "gt": type_, "score": pa.float64()})
    beyond = [st.sampled_from([math.inf, -math.inf, 5.0, -3.0, -0.0])] if wild else []

    @drawing.examples(engine, 15)
    @given(rows=rows_of(engine, kind, score=st.one_of(PROBABILITY, st.none(), st.just(math.nan), *beyond)))
    def compare(rows):
        classification = Classification("pred", "gt", score="score", positive=labels[1], metrics=OF_SCORES)
        for own, values in said(engine, rows, schema, classification):
            found = {name: values["pred", name] for name in OF_SCORES}
            ranked = [(row["gt"] == labels[1], row["score"]) for row in own if row["gt"] is not None and row["score"] is not None]
            ranked = [(y, s) for y, s in ranked if not math.isnan(s)]
            order = {s: i for i, s in enumerate(sorted({s for _, s in ranked}))}  # infinities are no scores to scikit-learn
            true, places = [y for y, _ in ranked], [order[s] for _, s in ranked]
            check(
                found,
                {
                    "roc_auc": sklearn.roc_auc_score(true, places) if len(set(true)) == 2 else None,
                    "pr_auc": sklearn.average_precision_score(true, places) if any(true) else None,
                },
            )
            sure = [max(row["score"], 1 - row["score"]) for row in own if row["score"] is not None and 0 <= row["score"] <= 1]
            top = sum(sure) / len(sure) if sure else None
            check(found, {"top_probability": top, "top_two_spread": 2 * top - 1 if sure else None})
            kept = [(y, s) for y, s in ranked if 0 <= s <= 1]
            if not kept:
                assert [found[name] for name in ("log_loss", "brier", "ece")] == [None] * 3
                continue
            true, score = zip(*kept, strict=True)
            check(
                found,
                {
                    "log_loss": sklearn.log_loss(true, score, labels=[False, True]),
                    "brier": sklearn.brier_score_loss(true, score, labels=[False, True], pos_label=True),
                    "ece": calibration(score, true),
                    "ece(4)": calibration(score, true, 4),
                },
            )

    compare()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", LABELS)
def test_metrics_of_lists_of_scores_are_scikit_learns(engine, kind):
    labels, type_ = LABELS[kind]
    schema = pa.schema({GROUP: pa.string(), "pred": type_, "gt": type_, "score": pa.list_(pa.float64())})
    weights = st.lists(st.integers(0, 5), min_size=len(labels), max_size=len(labels)).filter(any)
    whole = weights.map(lambda each: [weight / sum(each) for weight in each])
    broken = st.sampled_from([None, [], [0.5], [None] * len(labels), [math.nan] + [0.1] * (len(labels) - 1), [2.0] * len(labels)])

    @drawing.examples(engine, 15)
    @given(rows=rows_of(engine, kind, score=st.one_of(whole, whole, broken)))
    def compare(rows):
        classification = Classification("pred", "gt", score="score", positive=labels[1], labels=labels, metrics=OF_SCORES)
        for own, values in said(engine, rows, schema, classification):
            found = {name: values["pred", name] for name in OF_SCORES}
            scored = [row for row in own if row["score"] and len(row["score"]) == len(labels)]
            scored = [row for row in scored if all(p is not None and 0 <= p <= 1 for p in row["score"])]
            tops = [sorted(row["score"])[-2:] for row in scored]
            check(
                found,
                {
                    "top_probability": sum(top for _, top in tops) / len(tops) if tops else None,
                    "top_two_spread": sum(top - second for second, top in tops) / len(tops) if tops else None,
                },
            )
            kept = [row for row in scored if row["gt"] is not None]
            if not kept:
                assert [found[name] for name in ("log_loss", "brier", "ece", "roc_auc", "pr_auc")] == [None] * 5
                continue
            true, scores = [labels.index(row["gt"]) for row in kept], np.array([row["score"] for row in kept])
            positive = [place == 1 for place in true]
            check(
                found,
                {
                    "log_loss": sklearn.log_loss(true, scores, labels=range(len(labels))),
                    "brier": sklearn.brier_score_loss(true, scores, labels=range(len(labels))),
                    "ece": calibration(scores.max(axis=1), scores.argmax(axis=1) == true),
                    "roc_auc": sklearn.roc_auc_score(positive, scores[:, 1]) if len(set(positive)) == 2 else None,
                    "pr_auc": sklearn.average_precision_score(positive, scores[:, 1]) if any(positive) else None,
                },
            )

    compare()


@pytest.mark.parametrize("engine", ENGINES)
def test_probabilities_may_be_next_to_0_and_1(engine):
    schema = pa.schema({GROUP: pa.string(), "pred": pa.string(), "gt": pa.string(), "score": pa.list_(pa.float64())})
    rows = [{GROUP: "x", "pred": "b", "gt": truth, "score": [1e-200, 1.0]} for truth in "ab"]
    classification = Classification("pred", "gt", score="score", labels=["a", "b"], metrics=OF_SCORES)
    for _, found in said(engine, rows, schema, classification):
        loss = (-math.log(2**-52) - math.log1p(-(2**-52))) / 2
        check(
            found,
            {
                ("pred", name): value
                for name, value in {"log_loss": loss, "brier": 0.5, "ece": 0.5, "roc_auc": 0.5, "top_two_spread": 1.0}.items()
            },
        )


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Classification("pred", "gt", metrics=["acuracy"]), ["Classification", "'acuracy'", "'accuracy'"]),
        (lambda: Classification("pred", "gt", metrics=["mae"]), ["'mae'", "Regression"]),
        (lambda: Classification("pred", "gt", metrics=["precision@5"]), ["'precision@5'"]),
        (lambda: Classification("pred", "gt", metrics=["roc_auc"]), ["'roc_auc'", "score="]),
        (lambda: Classification("pred", "gt", labels=["a"]), ["labels", "'a'"]),
        (lambda: Classification("pred", "gt", labels="ab"), ["labels", "'ab'"]),
        (lambda: Classification("pred", None), ["ground_truth"]),
        (lambda: MeasureSpec("d", DAY, (Classification("p", "gt"),), group_columns=("label",)), ["'label'", "p.precision"]),
        (lambda: MeasureSpec("d", DAY, (Classification("p", "t"), Classification("p", "u"))), ["p.accuracy", "t", "u"]),
    ],
)
def test_wrong_words_fail_at_once(build, words):
    with pytest.raises(SpecError) as error:
        build()
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize(
    ("types", "metric", "parts", "words"),
    [
        ({"pred": "time"}, "accuracy", {}, ["'accuracy'", "prediction 'pred'", "time", "text"]),
        ({"pred": "number"}, "accuracy", {}, ["'pred' is of type number", "'gt' of type text"]),
        ({"score": "text"}, "brier", {"positive": "a"}, ["score 'score'", "text", "list[number], number"]),
        ({}, "brier", {}, ["'brier'", "positive=", "text"]),
        ({}, "brier", {"positive": 1}, ["positive 1", "'gt'", "text"]),
        ({"score": "list[number]"}, "brier", {}, ["labels=[…]", "'score'"]),
        ({"score": "list[number]"}, "roc_auc", {"labels": ["a", "b", "c"]}, ["'roc_auc'", "positive="]),
        ({"score": "list[number]"}, "roc_auc", {"labels": ["a", 3]}, ["label 3", "text"]),
    ],
)
def test_columns_that_do_not_fit_are_named(types, metric, parts, words):
    ((_, unfitted),) = Classification("pred", "gt", score="score", metrics=[metric], **parts).pairs()
    with pytest.raises(SpecError) as error:
        unfitted.fit({"pred": "text", "gt": "text", "score": "number"} | types)
    assert all(word in str(error.value) for word in words), error.value


def test_they_are_known_by_name():
    assert {known_metric(name).bad_direction for name in ("accuracy", "precision", "f1_macro", "roc_auc", "pr_auc")} == {"down"}
    assert {known_metric(name).bad_direction for name in ("log_loss", "brier", "ece", "ece(10)")} == {"up"}


def test_scores_merge_but_for_ranks():
    metrics = [
        metric.fit({"p": "text", "t": "boolean", "s": "number"}) for _, metric in Classification("p", "t", "s", metrics=OF_SCORES).pairs()
    ]
    assert {metric.name for metric in metrics if not metric.merges} == {"roc_auc", "pr_auc"}
