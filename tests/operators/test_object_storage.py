"""Files that are not on the local disk: through Airflow's object storage and fsspec, as for S3 or GCS."""

from __future__ import annotations

import fsspec
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.sdk.io import attach

from airflow_lupus import Files
from support.context import context
from support.stores import meaning

from .test_operators import collector, rows, run


@pytest.fixture
def bucket(folder):
    """The flights of February in fsspec's in-memory storage, a folder for each day."""
    memory = fsspec.filesystem("memory")
    attach("memory", fs=memory)  # what a provider does for its own storage
    for file in folder.glob("2013-02-0*.parquet"):
        memory.pipe(f"/lake/flights/{file.stem}/part-0.parquet", file.read_bytes())
    yield memory
    memory.rm("/lake", recursive=True)


def test_globs_in_object_storage_give_what_local_files_give(store, folder, bucket):
    conf = {"lupus": {"start": "2013-02-01", "end": "2013-02-10"}}
    local = collector(folder)
    local.execute(context(local, conf=conf))
    before = meaning(store)
    remote = collector(folder, source=Files("memory://lake/flights/{period:%Y-%m-%d}/*.parquet"))
    assert remote.execute(context(remote, conf=conf))["missing"] == 0
    after = meaning(store)
    assert [row[3] for row in after["points"]] == pytest.approx([row[3] for row in before["points"]], rel=1e-12)


def test_what_is_missing_or_half_written_there_is_missing(store, folder, bucket):
    remote = collector(folder, source=Files("memory://lake/flights/{period:%Y-%m-%d}/*.parquet"))
    bucket.rm("/lake/flights/2013-02-08/part-0.parquet")
    with pytest.raises(AirflowException, match=r"no file at memory://lake/flights/2013-02-08/\*\.parquet"):
        run(remote)
    bucket.pipe("/lake/flights/2013-02-08/part-0.parquet", (folder / "2013-02-08.parquet").read_bytes()[:4000])
    with pytest.raises(AirflowException, match="is not a whole Parquet file"):
        run(remote)
    assert [row.status for row in rows(store, "periods")] == ["missing"]


def test_one_glob_for_all_days_and_csv_give_what_a_file_a_day_gives(store, folder, tmp_path):
    """Without `{period}` the time column alone tells the days apart."""
    from pyarrow import csv, parquet

    for file in sorted(folder.glob("2013-02-0*.parquet")):
        csv.write_csv(parquet.read_table(file), tmp_path / f"{file.stem}.csv")
    conf = {"lupus": {"start": "2013-02-01", "end": "2013-02-10"}}
    found = []
    for source in (f"{folder}/{{period:%Y-%m-%d}}.parquet", f"{folder}/2013-02-0*.parquet", f"{tmp_path}/*.csv"):
        collect = collector(folder, source=Files(source))
        collect.execute(context(collect, conf=conf))
        found.append(meaning(store)["points"])
    assert len(found[0]) == 9 * 4 * 3
    for other in found[1:]:
        assert [row[:3] for row in other] == [row[:3] for row in found[0]]
        assert [row[3] for row in other] == pytest.approx([row[3] for row in found[0]], rel=1e-9)


def test_a_storage_that_no_provider_brings_is_named(store, folder):
    with pytest.raises(AirflowFailException, match="Airflow knows no storage for nowhere://; install the provider"):
        run(collector(folder, source=Files("nowhere://lake/{period:%Y-%m-%d}.parquet")))


def test_a_file_a_month_serves_all_its_days(store, folder, tmp_path):
    from pyarrow import concat_tables, parquet

    months = tmp_path / "months"
    months.mkdir()
    february = [parquet.read_table(file) for file in sorted(folder.glob("2013-02-*.parquet"))]
    parquet.write_table(concat_tables(february), months / "2013-02.parquet")
    conf = {"lupus": {"start": "2013-02-01", "end": "2013-03-01"}}
    daily, monthly = collector(folder), collector(folder, source=Files(f"{months}/{{period:%Y-%m}}.parquet"))
    daily.execute(context(daily, conf=conf))
    expected = meaning(store)["points"]
    assert monthly.execute(context(monthly, conf=conf))["missing"] == 0
    assert [row[3] for row in meaning(store)["points"]] == pytest.approx([row[3] for row in expected], rel=1e-9)
    run(monthly)
    assert [row[3] for row in meaning(store)["points"]] == pytest.approx([row[3] for row in expected], rel=1e-9)
    with pytest.raises(AirflowFailException, match=r"2013-02\.parquet serves more than one day: only a time_column can tell"):
        undated = collector(folder, source=monthly.source, time_column=None)
        undated.execute(context(undated, conf=conf))
