"""The partitions that docs/scale.md makes: the store works with them as without."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from support import history, stores
from support.flights import REPO
from support.stores import meaning


def documented(database: str) -> list[str]:
    """The statements of the block for a database."""
    (block,) = re.findall(rf"```sql partitions-{database}\n(.*?)```", (REPO / "docs" / "scale.md").read_text(), re.DOTALL)
    return [statement for statement in block.split(";\n") if statement.strip()]


@pytest.mark.parametrize(("kind", "database"), [("postgres", "postgresql"), ("mariadb", "mariadb")])
def test_a_partitioned_store_holds_the_same(kind, database, tmp_path):
    (plain,) = [next(stores.open_store("memory", tmp_path))]
    for store in stores.open_store(kind, tmp_path):
        with store.engine.begin() as connection:
            for statement in documented(database):
                connection.execute(sa.text(statement))
        for each in (store, plain):
            history.collect(each, range(8), "run")
            history.detect(each, "run")
            history.collect(each, range(4), "again", plus=3.0)
            history.detect(each, "again")
        assert meaning(store) == meaning(plain)
        assert len(meaning(store)["points"]) == 3 * 8
        with store.engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM lupus_metrics").scalar() == 3 * 8
