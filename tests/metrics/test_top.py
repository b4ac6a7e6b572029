"""`top=`: the most frequent values by themselves, the others together."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_lupus.exceptions import LimitExceeded, SpecError
from airflow_lupus.processors import DistributionProcessor

VALUES = st.lists(st.tuples(st.sampled_from(["EU", "US", None]), st.sampled_from(["a", "b", "c", "d", "other", "ü", None])), min_size=1)


@given(rows=VALUES, most=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_the_most_frequent_of_all_rows_are_told_apart_in_every_group(rows: list, most: int) -> None:
    frame = pa.table({"region": pa.array([r for r, _ in rows], pa.string()), "device": pa.array([d for _, d in rows], pa.string())})
    answered = DistributionProcessor(
        frame, column_metrics={"device": ["count", "frequency", "unique"]}, group_columns=["region"], top={"device": most}
    ).get_metrics()
    whole = Counter(device for _, device in rows if device is not None)
    kept = {device for device, _ in sorted(whole.items(), key=lambda each: (-each[1], each[0]))[:most]}
    for region in {region for region, _ in rows} | {"total"}:
        own = Counter(d if d in kept else "other" for r, d in rows if d is not None and region in {r, "total"})
        found = {
            row["device"]: row["value"]
            for row in answered.to_pylist()
            if row["metric"] == "count"
            and (row["level"] == "total" if region == "total" else (row["level"], row["region"]) == ("leaf", region))
        }
        assert found == own
    unique = [row["value"] for row in answered.to_pylist() if (row["metric"], row["level"]) == ("unique", "total")]
    assert unique == [len(whole)], "which values are told apart says nothing of how many there are"


def test_many_values_stop_with_a_message_that_names_top() -> None:
    frame = pa.table({"user": [f"u{i}" for i in range(101)]})
    with pytest.raises(LimitExceeded, match=r"column 'user' has 101 different values .* max_entities=100.*top=\{'user': 20\}"):
        DistributionProcessor(frame, column_metrics={"user": ["count"]}, max_entities=100).get_metrics()
    few = DistributionProcessor(frame, column_metrics={"user": ["count"]}, max_entities=100, top={"user": 2}).get_metrics().to_pylist()
    assert {row["user"]: row["value"] for row in few} == {"u0": 1, "u1": 1, "other": 99}


def test_a_column_that_is_not_measured_has_no_top() -> None:
    with pytest.raises(SpecError, match="top: column 'devcie' is not measured: did you mean 'device'"):
        DistributionProcessor(pa.table({"device": ["a"]}), column_metrics={"device": ["count"]}, top={"devcie": 3})
