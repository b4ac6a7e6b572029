"""A pruning that is killed has pruned less, whole; and the next one goes on to the same end."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa

from airflow_lupus.model import Grain, from_epoch
from airflow_lupus.pipeline.rolling_up import RollUp
from airflow_lupus.stores.pruning import Pruning, datasets
from airflow_lupus.stores.retention import Limits
from airflow_lupus.stores.sql import SqlStore
from faults import work
from faults.children import HELD, Child, done
from faults.content import content, differences
from faults.kinds import KINDS, discard, prepared
from support import stores

LIMIT = work.days([15])[0].epoch


def collected(url: str) -> None:
    done(work.collect, url, *work.OLD, "before")
    done(work.detect, url, "before")
    done(work.collect, url, *work.NEW)


def prune(url: str) -> int:
    """Roll up and prune to the 15th day, the first of a month, in small batches; the number of rows that went."""
    from airflow_lupus.stores import pruning

    pruning.BATCH = 400
    store = SqlStore.at(url)
    (dataset,) = datasets(store)
    for grain in (Grain("week", dataset.grain.timezone), Grain("month", dataset.grain.timezone)):
        RollUp(store, dataset, grain, grain.containing(from_epoch(LIMIT)).epoch).run(lambda _: None)
    gone = Pruning(store, dataset.id, Limits.of({}, int(time.time()), before=LIMIT)).run(lambda _: None)
    return sum(gone.values())


def meant(url: str) -> dict[str, list[tuple]]:
    store = SqlStore.at(url)
    found = stores.meaning(store)
    store.engine.dispose()
    return found


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
    meaning = meant(url)
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
        now = content(url)
        for name in ("latest", "points"):  # PostgreSQL gives no id twice, so those of series that were rolled back are missing
            assert now.pop(name).total() == after[name].total()
        assert now.items() <= after.items(), differences(now, after)
        assert meant(url) == meaning
        discard(url)
