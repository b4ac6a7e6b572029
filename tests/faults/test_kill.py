"""A task that is killed, at any moment, leaves nothing or all of its transaction; its retry completes it."""

from __future__ import annotations

import os
import random
import time

import pytest

from faults.children import BEGUN, HELD, WRITTEN, Child, Failure
from faults.content import content, differences
from faults.kinds import KINDS, discard, prepared
from faults.operations import OPERATIONS

KILLS = int(os.environ.get("LUPUS_FAULTS", "40"))
"""On SQLite and PostgreSQL in all, spread evenly over operations; MariaDB gets some besides."""
EACH = {kind: -(-KILLS // 10) if kind == "mariadb" else -(-KILLS // (2 * len(OPERATIONS))) for kind in KINDS}
EARLY = 0.2
"""The part of the kills that fall before the first write, while the task reads, scans or judges."""


def moments(seed: str, number: int) -> list[tuple[str, float]]:
    """When to kill: a phase of the child, and how long after it, as a part of the time that this takes undisturbed."""
    chance = random.Random(seed)
    held = [(HELD, 0.0), (HELD, 1.0)]  # before the first and before the last write: what no clock hits
    shares = [(i + chance.random()) / (number - 2) for i in range(number - 2)]
    return held + [(BEGUN, share / EARLY) if share < EARLY else (WRITTEN, (share - EARLY) / (1 - EARLY)) for share in shares]


def lengths(child: Child) -> dict[str, float]:
    """How long the work took before its first write, and from there to its end."""
    first = child.times[child.phases.index(WRITTEN)]
    return {BEGUN: first - child.times[0], WRITTEN: child.times[-1] - first}


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_random_moments(kind, operation, tmp_path, record_property):
    copy = prepared(kind, tmp_path, operation.before)
    url = copy()
    before = content(url)
    undisturbed = Child(operation.work, url, *operation.args)
    assert undisturbed.result() > 1000, "the work is worth killing"
    after, completed = content(url), content(url, log=False)
    lasts = lengths(undisturbed)
    writes = undisturbed.phases.count(WRITTEN)
    hit = {"before a write": 0, "while writing": 0, "after the commit": 0}
    for phase, share in moments(f"{kind} {operation}", EACH[kind]):
        url = copy()
        child = Child(operation.work, url, *operation.args, hold=(writes if share else 1) if phase == HELD else None)
        assert child.follow(phase)
        time.sleep(lasts.get(phase, 0.0) * share)
        child.kill()
        state = content(url)
        assert state in (before, after), f"half of it, killed after {child.phases}: {differences(state, before)}"
        moment = "after the commit" if state == after else "while writing" if WRITTEN in child.phases else "before a write"
        hit[moment] += 1
        retry = Child(operation.work, url, *operation.args)
        assert not isinstance(retry.result(), Failure), retry.outcome
        if state == before:
            lasts = lengths(retry)  # other tests make the machine faster and slower
        assert content(url, log=False) == completed, differences(content(url, log=False), completed)
        discard(url)
    record_property("kills", hit)
    print(f"{kind}, {operation}: killed {hit}")
    assert hit["while writing"] >= EACH[kind] / 2, hit
