"""Delta tables without Spark: what is read of them, which version, and what is said of those that cannot be read."""

from __future__ import annotations

import base64
import json
import shutil
import struct
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from airflow_lupus import Delta
from airflow_lupus.exceptions import MissingExtra, SourceError, SpecError
from airflow_lupus.hooks.delta import storage_options
from airflow_lupus.hooks.source import open_source
from support.sources import SPEC, counts, days, reasons, rows, total

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A table of four days, a file each; written in two versions."""
    for first, last in ((5, 6), (7, 8)):
        write_deltalake(tmp_path / "orders", rows(first, last), partition_by=["day"], mode="append")
    return tmp_path / "orders"


def test_only_the_files_of_the_periods_are_read(path: Path) -> None:
    for day in (5, 6, 8):
        shutil.rmtree(path / f"day=2013-02-0{day}")
    assert counts(Delta(str(path)), days(7)) == [("ok", 24)]
    with pytest.raises(SourceError, match=r"Delta\('.*orders'\) cannot be read: .*day=2013-02-08.*"):
        counts(Delta(str(path)), days(8))


def test_what_is_not_there_is_missing_with_its_reason(tmp_path: Path) -> None:
    for folder in ("nowhere", "empty"):
        expected = f"there is no Delta table at {tmp_path / folder}"
        (tmp_path / "empty").mkdir(exist_ok=True)
        assert reasons(Delta(str(tmp_path / folder)), days(5, 6)) == {expected}
    assert counts(Delta(str(tmp_path / "nowhere")), days(5, 6)) == [("missing", None)] * 2


def test_the_table_is_read_as_it_was(path: Path) -> None:
    assert counts(Delta(str(path)), days(6, 7)) == [("ok", 24), ("ok", 24)]
    for first in (0, "0"):
        assert counts(Delta(str(path), version=first), days(6, 7)) == [("ok", 24), ("empty", 0)]
    written = [datetime.fromtimestamp(commit["timestamp"] / 1000, UTC) for commit in DeltaTable(path).history()]
    between = min(written) + (max(written) - min(written)) / 2
    for instant in (between, between.isoformat()):
        assert counts(Delta(str(path), version=instant), days(6, 7)) == [("ok", 24), ("empty", 0)]
    later = datetime.now(UTC) + timedelta(hours=1)
    assert counts(Delta(str(path), version=later), days(7)) == [("ok", 24)]
    with pytest.raises(SourceError, match="at version 9"):
        open_source(Delta(str(path), version=9), days(7), SPEC)


def test_a_version_does_not_make_another_history(path: Path) -> None:
    assert Delta(str(path), version=1).definition() == Delta(str(path)).definition()


def z85(data: bytes) -> str:
    """Bytes as the log has them: as base85, but of another alphabet."""
    ours = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
    theirs = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    return base64.b85encode(data, pad=True).decode().translate(str.maketrans(ours, theirs))


def deletion_vector(deleted: list[int]) -> dict[str, Any]:
    """A vector in the log itself, as the Delta protocol describes it: a 64-bit Roaring bitmap with one array container."""
    container = struct.pack("<IIHHI", 12346, 1, 0, len(deleted) - 1, 16) + struct.pack(f"<{len(deleted)}H", *deleted)
    bitmap = struct.pack("<iQI", 1681511377, 1, 0) + container
    return {"storageType": "i", "pathOrInlineDv": z85(bitmap), "sizeInBytes": len(bitmap), "cardinality": len(deleted)}


def rewrite(table: Path, features: list[str], **added: Any) -> Path:
    """A table whose readers need these features, and whose files carry something more."""
    log = table / "_delta_log" / "00000000000000000000.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "protocol" in line:
            line["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}
        if "add" in line:
            line["add"] |= added
    log.write_text("\n".join(map(json.dumps, lines)))
    return table


def test_rows_that_a_deletion_vector_deletes_do_not_count(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "dv", rows(5).set_column(1, "x", pa.array([float(2**i) for i in range(24)])))
    rewrite(tmp_path / "dv", ["deletionVectors"], deletionVector=deletion_vector([0, 3, 4, 23]))
    source = Delta(str(tmp_path / "dv"))
    assert counts(source, days(5)) == [("ok", 20)]
    assert total(source, days(5)) == sum(2**i for i in range(24) if i not in {0, 3, 4, 23})


def test_mapped_columns_are_known_by_their_names(tmp_path: Path) -> None:
    """After a column was renamed, its files still have the old name."""
    write_deltalake(tmp_path / "mapped", rows(5, x=2.0).rename_columns(["at", "physical", "day"]))
    log = rewrite(tmp_path / "mapped", ["columnMapping"]) / "_delta_log" / "00000000000000000000.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "metaData" in line:
            schema = json.loads(line["metaData"]["schemaString"])
            for i, field in enumerate(schema["fields"]):
                field["metadata"] = {"delta.columnMapping.id": i + 1, "delta.columnMapping.physicalName": field["name"]}
                field["name"] = "x" if field["name"] == "physical" else field["name"]
            line["metaData"]["schemaString"] = json.dumps(schema)
            line["metaData"]["configuration"] = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "3"}
    log.write_text("\n".join(map(json.dumps, lines)))
    assert total(Delta(str(tmp_path / "mapped")), days(5)) == 48.0


def test_a_feature_that_nobody_knows_is_named_and_what_to_do(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "new", rows(5))
    with pytest.raises(
        SourceError, match=r"what the installed deltalake cannot read: .*timeMachine.*Upgrade deltalake, or read it with Spark"
    ):
        counts(Delta(str(rewrite(tmp_path / "new", ["timeMachine"]))), days(5))


def test_a_log_that_is_cut_off_is_an_error(path: Path) -> None:
    (path / "_delta_log" / "00000000000000000001.json").write_text('{"add":')
    with pytest.raises(SourceError, match=r"Delta\('.*orders'\) cannot be read"):
        open_source(Delta(str(path)), days(5), SPEC)


@pytest.mark.parametrize(
    ("connection", "options"),
    [
        (
            {
                "conn_type": "aws",
                "login": "AKIA",
                "password": "s3cret",
                "extra": {"region_name": "eu-west-1", "endpoint_url": "http://minio:9000", "aws_session_token": "tok"},
            },
            {
                "AWS_ACCESS_KEY_ID": "AKIA",
                "AWS_SECRET_ACCESS_KEY": "s3cret",
                "AWS_REGION": "eu-west-1",
                "AWS_ENDPOINT_URL": "http://minio:9000",
                "AWS_SESSION_TOKEN": "tok",
                "AWS_ALLOW_HTTP": "true",
            },
        ),
        ({"conn_type": "aws"}, {}),
        (
            {"conn_type": "google_cloud_platform", "extra": {"keyfile_dict": '{"private_key": "k"}'}},
            {"google_service_account_key": '{"private_key": "k"}'},
        ),
        (
            {"conn_type": "google_cloud_platform", "extra": {"keyfile_dict": {"private_key": "k"}}},
            {"google_service_account_key": '{"private_key": "k"}'},
        ),
        (
            {"conn_type": "wasb", "login": "lake", "password": "key", "extra": {"storage_options": {"timeout": 30}}},
            {"azure_storage_account_name": "lake", "azure_storage_account_key": "key", "timeout": "30"},
        ),
        ({"conn_type": "generic", "password": "unused", "extra": {"storage_options": {"x": "y"}}}, {"x": "y"}),
    ],
)
def test_a_connection_becomes_storage_options(monkeypatch: pytest.MonkeyPatch, connection: Any, options: dict[str, str]) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(connection))
    assert storage_options("lake", "Delta('s3://lake')") == options


def test_errors_of_a_storage_do_not_tell_its_secrets(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    connection = {"conn_type": "aws", "login": "AKIA", "password": "s3cret", "extra": {"endpoint_url": "http://127.0.0.1:9"}}
    connection["extra"] |= {"region_name": "x", "storage_options": {"max_retries": "0"}}  # type: ignore[operator]
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(connection))
    source = Delta("s3://lake/orders", conn_id="lake")
    with pytest.raises(SourceError, match=r"Delta\('s3://lake/orders'\) cannot be read") as error:
        open_source(source, days(5), SPEC)
    assert "s3cret" not in f"{error.value} {caplog.text} {source!r} {source.definition()}"


def test_wrong_words_fail_at_once(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    with pytest.raises(SpecError, match=r"Delta\('t'\): 'AWS_SECRET_ACCESS_KEY' is a secret.*Airflow connections only"):
        Delta("t", storage_options={"AWS_SECRET_ACCESS_KEY": "s3cret"})
    with pytest.raises(SpecError, match="version='yesterday' is neither a version number nor an instant"):
        Delta("t", version="yesterday")
    with pytest.raises(SpecError, match=r"Delta\('t'\): there is no Airflow connection 'nope'"):
        open_source(Delta("t", conn_id="nope"), days(5), SPEC)
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "aws", "extra": {"storage_options": "x"}}))
    with pytest.raises(SpecError, match="storage_options in the extra of connection 'lake' must be an object"):
        open_source(Delta("t", conn_id="lake"), days(5), SPEC)
    with pytest.raises(SpecError, match=r"Jinja renders once per task.*the table's own path"):
        open_source(Delta("/lake/{{ ds }}"), days(5, 6), SPEC)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(MissingExtra, match=r"airflow-lupus\[delta\]"):
        open_source(Delta(str(path)), days(5), SPEC)
