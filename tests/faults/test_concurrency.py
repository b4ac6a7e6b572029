"""Sixteen processes at one dataset: daily runs, range runs, corrections and detects lose nothing, double nothing, leave nothing stale."""

from __future__ import annotations

import os
from collections import Counter
from multiprocessing import get_context

import pytest

from airflow_lupus.stores.sql import SqlStore
from faults import crowd
from faults.children import Failure, together
from faults.content import content
from faults.kinds import KINDS, fresh
from support.stores import meaning

FULL = int(os.environ.get("LUPUS_FAULTS", "40")) >= 200
SIZES = {"sqlite": 500, "postgres": 500, "mariadb": 200 if FULL else 50}
"""Series, each of 30 periods."""


@pytest.mark.parametrize("kind", KINDS)
def test_sixteen_processes(kind, tmp_path, record_property):
    url, shops = fresh(kind, tmp_path), SIZES[kind]
    context = get_context("forkserver")
    start, written = context.Barrier(crowd.WRITERS, timeout=300), context.Barrier(crowd.WRITERS, timeout=900)
    children = together((crowd.member, url, number, shops, start, written) for number in range(crowd.WRITERS))
    failures = [child.outcome for child in children if isinstance(child.outcome, Failure)]
    assert sorted(failures, key=lambda failure: "BrokenBarrierError" in failure.kinds)[:1] == [], "the one that the others waited for"
    did = sum((Counter(child.outcome) for child in children), Counter())
    did["retries inside the store"] = sum(child.phases.count("rolled back") for child in children)
    record_property("did", dict(did))
    print(f"{kind}: {dict(did)} in {max(child.times[-1] for child in children) - min(child.times[0] for child in children):.1f} s")

    store = SqlStore.at(url)
    assert crowd.detect(store, "last")
    expected = {
        (crowd.info(shop).key.identity, crowd.PERIODS[day].epoch): crowd.value(shop, day, corrected=True)
        for shop in range(shops)
        for day in range(30)
        if crowd.value(shop, day, corrected=True) is not None
    }
    found = meaning(store)
    assert len(found["points"]) == len(expected)
    assert {row[:2]: row[3] for row in found["points"]} == expected

    fresh_store = SqlStore.in_memory()
    crowd.save(fresh_store, shops, range(30), "only")
    crowd.save(fresh_store, shops, crowd.CORRECTED, "only", corrected=True)
    crowd.detect(fresh_store, "only")
    assert len(found["verdicts"]) == len(expected)
    assert found["verdicts"] == meaning(fresh_store)["verdicts"], "no verdict is stale"

    held = content(url)
    corrected = sum(
        crowd.value(shop, day, corrected=False) != crowd.value(shop, day, corrected=True) for shop in range(shops) for day in range(30)
    )
    assert held["point_revisions"].total() == corrected, "each correction once, whoever was first"
    assert (held["measurements"].total(), held["periods"].total(), held["latest"].total()) == (did["saves"], 30, shops)
    assert did["saves"] == 4 + 12 * 30 + 8 * len(crowd.CORRECTED) + 8
    store.engine.dispose()
