"""A pruning that is killed has pruned less, whole; and the next one goes on to the same end."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa

from airflow_lupus.stores.pruning import Pruning, datasets
from airflow_lupus.stores.retention import Limits
from airflow_lupus.stores.sql import SqlStore
from faults import work
from faults.children import HELD, Child, done
from faults.content import content, differences
from faults.kinds import KINDS, discard, prepared

LIMIT = work.days([15])[0].epoch


def collected(url: str) -> None:
    done(work.collect, url, *work.OLD, "before")
    done(work.detect, url, "before")
    done(work.collect, url, *work.NEW)


def prune(url: str) -> int:
    """Prune to the 15th day in small batches; the number of rows that went."""
    from airflow_lupus.stores import pruning

    pruning.BATCH = 400
    store = SqlStore.at(url)
    (dataset,) = datasets(store)
    gone = Pruning(store, dataset.id, Limits.of({}, int(time.time()), before=LIMIT)).run(lambda _: None)
    return sum(gone.values())


def orphans(url: str) -> int:
    """Verdicts of points that are not there."""
    store = SqlStore.at(url)
    points, verdicts = store.tables.points, store.tables.verdicts
    joined = sa.outerjoin(verdicts, points, (points.c.series_id == verdicts.c.series_id) & (points.c.start == verdicts.c.start))
    with store.engine.connect() as connection:
        found = connection.execute(sa.select(sa.func.count()).select_from(joined).where(points.c.start.is_(None))).scalar_one()
    store.engine.dispose()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_killed_in_the_middle(kind, tmp_path):
    copy = prepared(kind, tmp_path, collected)
    url = copy()
    before = content(url)
    undisturbed = Child(prune, url)
    total = undisturbed.result()
    assert total > 4000
    after = content(url)
    assert after != before
    writes = undisturbed.phases.count("written")
    assert writes > 10
    for hold in (1, writes // 3, 2 * writes // 3, writes):
        url = copy()
        child = Child(prune, url, hold=hold)
        assert child.follow(HELD)
        child.kill()
        left = content(url)
        assert left != after
        assert orphans(url) == 0
        assert 0 < done(prune, url) <= total
        assert content(url) == after, differences(content(url), after)
        discard(url)
