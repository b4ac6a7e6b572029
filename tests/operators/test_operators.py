"""The operators, executed on real files and a real store."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from airflow.sdk import BaseNotifier
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from airflow_lupus import AnomalyDetectOperator, Files, MetricCollectOperator, MonitorOperator, Query, SlackNotifier, Table, TableMetrics
from airflow_lupus.detectors import Threshold, Window
from airflow_lupus.exceptions import SpecError
from airflow_lupus.hooks import store as store_hook
from support import flights
from support.context import context
from support.stores import dump, new_postgres_database

from .conftest import morning

RANGE = {"lupus": {"start": "2013-01-01", "end": "2013-02-08"}}


def collector(folder, **changes):
    what = {
        "task_id": "collect",
        "source": Files(f"{folder}/{{period:%Y-%m-%d}}.parquet"),
        "dataset": "flights",
        "time_column": "time_hour",
        "group_columns": ["origin"],
        "column_metrics": {"dep_time": ["null_ratio"], "dep_delay": ["avg"]},
        "metrics": [TableMetrics(["row_count"])],
        "history": None,
    } | changes
    return MetricCollectOperator(**what)


def detector(**changes):
    what = {
        "task_id": "detect",
        "dataset": "flights",
        "detectors": {"*": Window(center="mean", spread="sigma", threshold=6), "dep_time.null_ratio": Threshold(upper=0.3)},
    } | changes
    return AnomalyDetectOperator(**what)


def run(operator, day="2013-02-09", **changes):
    name = changes.pop("run", day)
    return operator.execute(context(operator, run=name, logical_date=morning(day), **changes))


def rows(store, table):
    with store.engine.connect() as connection:
        return list(connection.execute(sa.select(store.tables.metadata.tables[f"lupus_{table}"])))


def tells():
    """A callback that remembers."""
    told = []

    def callback(given):
        told.append(given["digest"])

    callback.told = told
    return callback


def test_daily_run_measures_yesterday_and_finds_the_storm(store, folder, slack):
    collect, detect = (
        collector(folder, units={"dep_delay": "minutes"}, owner="@data-core"),
        detector(on_anomaly_callback=[SlackNotifier(channel="#flights")]),
    )
    collect.execute(context(collect, run="history", conf=RANGE))
    silent = detect.execute(context(detect, run="history", conf=RANGE))
    assert (silent["judged"], slack.messages) == (silent["judged"], [])
    summary = run(collect)
    assert (summary["start"], summary["periods"], summary["missing"]) == ("2013-02-08T05:00:00+00:00", 1, 0)
    found = run(detect)
    assert (found["worst"], found["news"] >= 4) == ("critical", True)
    (message,) = slack.messages
    text = "\n".join(block["text"]["text"] for block in message["blocks"] if "text" in block)
    assert message["channel"] == "#flights"
    assert "worst critical, 2013-02-08" in message["text"]
    for origin in ("EWR", "JFK", "LGA"):
        assert f"*origin={origin}* · critical" in text
    assert "of dep\u005f\u200btime is NULL, above the limit of 30 %" in text
    footer = message["blocks"][-1]["elements"][0]["text"]
    assert "http://airflow.test:8080/plugin/lupus?dataset=flights" in footer
    assert "http://airflow.test:8080/dags/nyc/runs/2013-02-09" in footer
    assert "Owner @data-core" in footer


def test_cleared_retried_and_rerun_detects_send_once(store, folder, slack):
    collect, detect = collector(folder), detector(on_anomaly_callback=[SlackNotifier()])
    collect.execute(context(collect, run="history", conf=RANGE))
    for _ in range(2):
        run(collect)
        run(detect)
        run(detect, try_number=2)
    run(detect, run="by hand")
    assert len(slack.messages) == 1


def test_a_failing_slack_loses_nothing_and_the_next_detect_delivers(store, folder, slack):
    collect, detect = collector(folder), detector(on_anomaly_callback=[SlackNotifier()])
    run(collect)
    slack.error = "channel_not_found"
    assert run(detect)["anomalies"] == 4
    (delivery,) = rows(store, "deliveries")
    assert (delivery.state, delivery.attempts) == ("failed", 1)
    assert "Slack refused the message to #general through connection 'slack_default': channel_not_found" in delivery.error
    slack.error = None
    run(detect, try_number=2)
    run(detect, try_number=3)
    assert len(slack.messages) == 1
    assert [row.state for row in rows(store, "deliveries")] == ["sent"]


def test_killed_between_commit_and_delivery_the_next_detect_delivers(store, folder, slack, monkeypatch):
    from airflow_lupus.operators import detect as module

    class Killed(BaseException):
        """Nothing catches it, as nothing catches SIGKILL."""

    def dies(*_):
        raise Killed

    collect, detect = collector(folder), detector(on_anomaly_callback=[SlackNotifier()])
    run(collect)
    with monkeypatch.context() as patched:
        patched.setattr(module, "deliver", dies)
        with pytest.raises(Killed):
            run(detect)
    assert (len(rows(store, "verdicts")) > 0, slack.messages) == (True, [])
    assert run(detect, try_number=2)["news"] == 0
    assert len(slack.messages) == 1


def test_killed_while_sending_it_is_not_sent_again(store, folder, slack):
    """Nobody can know whether Slack got it: at most once, rather than twice."""

    class Killed(BaseException):
        """As above."""

    class Dying(SlackNotifier):
        def notify(self, context):
            super().notify(context)
            raise Killed

    collect, detect = collector(folder), detector(on_anomaly_callback=[Dying()])
    run(collect)
    with pytest.raises(Killed):
        run(detect)
    run(detect, try_number=2)
    assert len(slack.messages) == 1
    assert [row.state for row in rows(store, "deliveries")] == ["sending"]


def test_without_a_connection_the_message_is_in_the_log(store, folder, caplog, monkeypatch, capsys):
    collect, detect = collector(folder), detector(on_anomaly_callback=[SlackNotifier(slack_conn_id="nowhere", channel="#flights")])
    run(collect)
    run(detect)
    said = caplog.text + capsys.readouterr().out
    assert "There is no Airflow connection 'nowhere', so this message to Slack's #flights was not sent" in said
    assert "of dep_time is NULL" in said
    assert [row.state for row in rows(store, "deliveries")] == ["logged"]


def test_one_failing_callback_does_not_keep_others_from_being_told(store, folder):
    def broken(_):
        raise RuntimeError("no")

    good = tells()
    collect, detect = collector(folder), detector(on_anomaly_callback=[broken, good])
    run(collect)
    run(detect)
    assert len(good.told) == 1
    assert sorted(row.state for row in rows(store, "deliveries")) == ["failed", "sent"]


class Worded(BaseNotifier):
    """Any notifier works: its templates see the digest."""

    template_fields = ("text",)
    said: list[str] = []  # noqa: RUF012

    def __init__(self, text):
        super().__init__()
        self.text = text

    def notify(self, context):
        self.said.append(self.text)


def test_any_notifier_gets_the_digest_in_its_templates(store, folder):
    notifier = Worded("{{ digest.dataset }}: {{ digest.total }} by {{ anomalies[0].severity }}")
    collect, detect = collector(folder), detector(on_anomaly_callback=[notifier])
    for day in ("2013-02-09", "2013-02-10"):
        run(collect, day)
        run(detect, day)
    assert Worded.said == ["flights: 4 by critical"] * 2
    assert notifier.text.startswith("{{"), "the DAG's own notifier is not rendered in place"


def test_fail_on_fails_the_task_after_commit_and_delivery(store, folder):
    told = tells()
    collect, detect = collector(folder), detector(on_anomaly_callback=[told], fail_on="major")
    run(collect)
    with pytest.raises(AirflowFailException, match="4 anomalies in the newest period are major or worse"):
        run(detect)
    assert len(told.told) == 1
    assert len(rows(store, "verdicts")) > 0


def test_fail_on_looks_at_the_newest_period_only(store, folder):
    collect, detect = collector(folder), detector(fail_on="major")
    conf = {"lupus": {"start": "2013-02-01", "end": "2013-02-15"}}
    collect.execute(context(collect, conf=conf))
    assert detect.execute(context(detect, conf=conf))["anomalies"] >= 8


def test_range_run_alerts_only_when_asked(store, folder):
    told = tells()
    collect, detect = collector(folder), detector(on_anomaly_callback=told)
    conf = {"lupus": {"start": "2013-02-01", "end": "2013-02-15", "alert": True}}
    collect.execute(context(collect, conf=conf))
    detect.execute(context(detect, conf=conf))
    (digest,) = told.told
    assert digest.span == "2013-02-01 – 2013-02-14"
    assert digest.total >= 8


def test_backfill_runs_are_silent(store, folder):
    told = tells()
    collect, detect = collector(folder), detector(on_anomaly_callback=told)
    run(collect, run_type="backfill")
    assert run(detect, run_type="backfill")["anomalies"] == 4
    assert told.told == []


def test_missing_file_fails_skips_or_is_ignored_and_is_recorded(store, folder):
    (folder / "2013-02-08.parquet").unlink()
    with pytest.raises(
        AirflowException, match=r"no data for 1 of 1 periods, first for 2013-02-08 00:00: no file at .*2013-02-08.parquet"
    ) as failure:
        run(collector(folder))
    assert not isinstance(failure.value, AirflowFailException), "a retry may find late data"
    with pytest.raises(AirflowSkipException):
        run(collector(folder, on_missing="skip"))
    assert run(collector(folder, on_missing="ignore"))["missing"] == 1
    assert [row.status for row in rows(store, "periods")] == ["missing"]
    assert rows(store, "points") == []


def test_detect_tells_of_a_missing_day(store, folder):
    told = tells()
    (folder / "2013-02-08.parquet").unlink()
    collect = collector(folder, on_missing="ignore")
    run(collect, "2013-02-08")
    run(collect)
    run(detector(on_anomaly_callback=told))
    assert told.told[-1].title == "flights: data missing, 2013-02-08"
    assert "2013-02-08 is missing: no file at" in told.told[-1].text


def test_warn_lets_the_task_succeed_when_the_store_is_gone(store, folder, tmp_path, monkeypatch):
    told = tells()
    collect, detect = collector(folder), detector(on_anomaly_callback=told)
    run(collect)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "nowhere"))
    store_hook._local.cache_clear()
    assert run(collect)["status"] == "failed"
    assert run(detect)["status"] == "failed"
    assert "could not be judged: The metrics store" in told.told[-1].text
    with pytest.raises(AirflowException, match="out of reach"):
        run(detect, max_tries=1)  # a retry may still help
    with pytest.raises(AirflowException, match="out of reach"):
        run(collector(folder, on_error="fail"))


def test_a_failed_collect_is_recorded_and_told(store, folder):
    told = tells()
    run(collector(folder), "2013-02-08")
    assert run(collector(folder, max_groups=2))["status"] == "failed"
    statuses = {row.start: (row.status, row.reason) for row in rows(store, "periods")}
    status, reason = statuses[max(statuses)]
    assert status == "failed"
    assert "group_columns=['origin'] has 3 groups in one day, more than max_groups=2" in reason
    run(detector(on_anomaly_callback=told))
    assert "2013-02-08 is failed" in told.told[-1].text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"column_metrics": {"dep_tme": ["null_ratio"]}},
            r"column_metrics: dataset 'flights' has no column 'dep_tme': did you mean 'dep_time'",
        ),
        ({"group_columns": ["orign"]}, r"group_columns: dataset 'flights' has no column 'orign': did you mean 'origin'"),
        ({"time_column": "time_hours"}, r"time_column: dataset 'flights' has no column 'time_hours': did you mean 'time_hour'"),
        ({"column_metrics": {"carrier": ["avg"]}}, r"'avg' cannot be taken of column 'carrier', which is of type text"),
        ({"where": "dep_tme IS NULL"}, r"where='dep_tme IS NULL' is not a condition on the rows"),
        ({"source": Table("flights", conn_id="warehose")}, r"no Airflow connection 'warehose'.*did you mean 'warehouse'"),
    ],
)
def test_wrong_names_fail_without_retry_before_any_read(store, folder, changes, message, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "sqlite:////nowhere")
    with pytest.raises(AirflowFailException, match=message):
        run(collector(folder, **changes), max_tries=3)
    assert rows(store, "points") == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"column_metrics": {"dep_time": ["null_ration"]}}, "did you mean 'null_ratio'"),
        ({"on_schema_change": "folow"}, "did you mean 'follow'"),
        ({"engine": "duckdbb"}, "Unknown engine 'duckdbb': did you mean 'duckdb'"),
        ({"grain": "dya"}, "Unknown grain 'dya': did you mean 'day'"),
        ({"timezone": "America/New_Yrok"}, "did you mean 'America/New_York'"),
        ({"on_missing": "fial"}, "did you mean 'fail'"),
        ({"retention": {"point": 30}}, "did you mean 'points'"),
        ({"retention": {"points": 0}}, "whole days above 0"),
        ({"on_error": "wran"}, "did you mean 'warn'"),
        ({"history": "all"}, 'history must be "auto", a number of periods or None'),
        ({"history": 90, "source": Files("/lake/flights.parquet"), "time_column": None}, "history=90 needs a time_column"),
        ({"history": 90, "source": Files("/lake/{{ ds }}.parquet")}, "Jinja renders once per task"),
        ({"group_columns": "origin"}, "must be a list of columns"),
        ({"group_columns": ["value"]}, "'value' is a name of our own tables"),
        ({"source": "flights.parquet"}, "source must be Files"),
    ],
)
def test_what_can_be_checked_fails_at_parse(folder, changes, message):
    with pytest.raises(SpecError, match=message):
        collector(folder, **changes)


@pytest.mark.parametrize(
    ("detectors", "message"),
    [
        ({"*": "windw"}, "unknown detector 'windw': did you mean 'window'"),
        ({"*": []}, "empty list"),
        ({"dep_time.*": "window", "*.null_ratio": "window"}, "equally specific"),
        ({}, "names none"),
    ],
)
def test_wrong_detectors_fail_at_parse(detectors, message):
    with pytest.raises(SpecError, match=message):
        detector(detectors=detectors)


def test_a_pattern_that_matches_nothing_is_an_error_with_the_closest(store, folder):
    run(collector(folder))
    with pytest.raises(AirflowFailException, match=r"'dep_time.null_rato'.*did you mean 'dep_time.null_ratio'"):
        run(detector(detectors={"dep_time.null_rato": Threshold(upper=0.3)}))


def test_a_jinja_path_cannot_serve_a_range(store, folder):
    collect = collector(folder, source=Files(f"{folder}/{{{{ ds }}}}.parquet"))
    with pytest.raises(AirflowFailException, match=r"Jinja renders once per task.*Write \{period:%Y-%m-%d\} instead"):
        collect.execute(context(collect, conf=RANGE))


@pytest.mark.parametrize(("database", "kind"), [("sqlite", "table"), ("postgres", "table"), ("postgres", "query")])
def test_tables_and_queries_give_the_numbers_that_files_give(store, folder, tmp_path, monkeypatch, database, kind):
    url = sa.make_url(f"sqlite:///{tmp_path}/warehouse.db") if database == "sqlite" else new_postgres_database()
    engine = sa.create_engine(url)
    year = flights.frame()
    part = year[(year["month"] == 2) & year["day"].between(6, 11)].drop(columns=["local_day"])
    if database == "sqlite":
        part = part.assign(time_hour=part["time_hour"].dt.tz_localize(None))
    part.to_sql("flights", engine, index=False)
    uri = url.render_as_string(hide_password=False)
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", _connection(database, url, uri))
    if kind == "table":
        source = Table("flights", conn_id="warehouse")
    else:
        source = Query("SELECT time_hour, origin, dep_time, dep_delay FROM flights;", conn_id="warehouse")
    conf = {"lupus": {"start": "2013-02-07", "end": "2013-02-10"}}
    for dataset, where, at in (("files", "carrier <> 'UA'", None), ("sql", "carrier <> 'UA'", source)):
        if kind == "query":
            where = "dep_delay IS NULL OR dep_delay < 100"
        collect = collector(folder, dataset=dataset, where=where, **({"source": at} if at else {}))
        collect.execute(context(collect, conf=conf))
    with store.engine.connect() as connection:
        query = sa.text(
            "SELECT column_name, metric, dimensions, period_start, value FROM lupus_metrics WHERE dataset = :d ORDER BY 1, 2, 3, 4"
        )
        files, sql = ([tuple(row) for row in connection.execute(query, {"d": d})] for d in ("files", "sql"))
    assert len(files) == 3 * 4 * 3
    assert [row[:4] for row in sql] == [row[:4] for row in files]
    assert [row[4] for row in sql] == pytest.approx([row[4] for row in files], rel=1e-12)


def _connection(database, url, uri):
    import json

    if database == "sqlite":
        return json.dumps({"conn_type": "sqlite", "host": url.database})
    return json.dumps({"conn_type": "postgres", "host": url.query["host"], "login": url.username, "schema": url.database})


def test_a_query_whose_time_column_is_text_says_so(store, folder, tmp_path, monkeypatch):
    sa.create_engine(f"sqlite:///{tmp_path}/warehouse.db").connect().close()
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", _connection("sqlite", sa.make_url(f"sqlite:///{tmp_path}/warehouse.db"), ""))
    query = Query("SELECT '2013-02-08' AS time_hour, 'JFK' AS origin, 1 AS dep_time, 2.5 AS dep_delay", conn_id="warehouse")
    with pytest.raises(AirflowFailException, match="time_column 'time_hour' is of type VARCHAR, not a time"):
        run(collector(folder, source=query))


def test_a_table_that_is_not_there_is_missing_data_naming_the_closest(store, folder, tmp_path, monkeypatch):
    import json

    engine = sa.create_engine(f"sqlite:///{tmp_path}/warehouse.db")
    flights.frame().head(10).drop(columns=["time_hour", "local_day"]).to_sql("flights", engine)
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": f"{tmp_path}/warehouse.db"}))
    with pytest.raises(AirflowException, match="connection 'warehouse' has no table 'flihgts': did you mean 'flights'"):
        run(collector(folder, source=Table("flihgts", conn_id="warehouse")))


def test_store_by_connection_must_resolve(monkeypatch, folder, store):
    monkeypatch.setenv("AIRFLOW__LUPUS__STORE_CONN_ID", "lupus_store")
    with pytest.raises(AirflowFailException, match=r"\[lupus\] store_conn_id: there is no Airflow connection 'lupus_store'"):
        run(collector(folder))


def test_postgres_as_the_store(monkeypatch, folder, store):
    url = new_postgres_database()
    monkeypatch.setenv("AIRFLOW__LUPUS__STORE_CONN_ID", "lupus_store")
    monkeypatch.setenv("AIRFLOW_CONN_LUPUS_STORE", _connection("postgres", url, ""))
    assert run(collector(folder))["changed"] > 0
    assert len(rows(store_hook.get_store(), "points")) > 0
    assert store_hook.get_store().engine.dialect.name == "postgresql"


@pytest.mark.parametrize(
    ("executor", "refused"),
    [
        ("LocalExecutor", False),
        ("CeleryExecutor", True),
        ("LocalExecutor,airflow.providers.x.KubernetesExecutor", True),
        ("team1=LocalExecutor", False),
    ],
)
def test_sqlite_is_refused_where_tasks_run_elsewhere(monkeypatch, store, executor, refused):
    from airflow_lupus.exceptions import StoreConfigError

    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    if refused:
        with pytest.raises(StoreConfigError, match=r"airflow connections add lupus_store.*store_conn_id"):
            store_hook.get_store()
    else:
        assert store_hook.get_store().engine.dialect.name == "sqlite"


def test_monitor_measures_by_column_type_and_judges(store, folder):
    told = tells()
    monitor = MonitorOperator(
        task_id="watch",
        source=Files(f"{folder}/{{period:%Y-%m-%d}}.parquet"),
        time_column="time_hour",
        group_columns=["origin"],
        detectors={"*": Window(center="mean", spread="sigma", threshold=6)},
        on_anomaly_callback=told,
    )
    assert monitor.dataset == "flights"
    monitor.execute(context(monitor, run="history", conf=RANGE))
    found = run(monitor)
    names = {(row.column_name, row.metric) for row in rows(store, "series")}
    assert {("*", "row_count"), ("dep_delay", "p95"), ("carrier", "unique"), ("tailnum", "null_ratio")} <= names
    assert ("origin", "unique") not in names
    assert found["worst"] == "critical"
    assert any(line.subject == "dep_time.null_ratio" for line in told.told[0].anomalies)


@pytest.mark.parametrize(
    ("changes", "tries", "told_of"), [({}, 0, 1), ({}, 2, 0), ({"on_missing": "skip"}, 2, 1), ({"on_missing": "ignore"}, 2, 1)]
)
def test_monitor_tells_of_missing_data_once_no_retry_can_find_it(store, folder, changes, tries, told_of):
    told = tells()
    monitor = MonitorOperator(
        task_id="watch",
        source=Files(f"{folder}/{{period:%Y-%m-%d}}.parquet"),
        dataset="flights",
        metrics=[TableMetrics(["row_count"])],
        on_anomaly_callback=told,
        **changes,
    )
    (folder / "2013-02-08.parquet").unlink()
    run(monitor, "2013-02-08")
    try:
        run(monitor, max_tries=tries)
    except AirflowException:
        assert changes.get("on_missing") != "ignore"
    assert [digest.title for digest in told.told] == ["flights: data missing, 2013-02-08"] * told_of


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_broken_file_without_a_period_in_its_name_makes_the_period_missing(store, folder, tmp_path, ending):
    broken = tmp_path / f"all.{ending}"
    rows_of_it = b"2013-02-08 12:00:00,JFK,1,2\n" * 50 + b"2013-02-08 12:0"  # stopped in the middle of a row
    broken.write_bytes(b"PAR1" if ending == "parquet" else b"time_hour,origin,dep_time,dep_delay\n" + rows_of_it)
    with pytest.raises(AirflowException, match="no data for 1 of 1 periods") as failure:
        run(collector(folder, source=Files(str(broken))))
    assert not isinstance(failure.value, AirflowFailException)
    assert [row.status for row in rows(store, "periods")] == ["missing"]


def test_a_metric_that_cannot_be_computed_is_kept_with_its_reason_and_the_others_are_measured(store, tmp_path, capsys, caplog):
    lines = "time_hour,origin,dep_time,dep_delay\n" + "2013-02-08 17:00:00,JFK,1,2\n" * 5 + "2013-02-08 18:00:00,EWR,3,late\n"
    (tmp_path / "all.csv").write_text(lines)
    source = Files(str(tmp_path / "all.csv"), options={"types": {"dep_delay": "INTEGER"}})
    run(collector(tmp_path, source=source))
    assert "dep_delay.avg could not be computed for some groups: column 'dep_delay' holds 'late'" in capsys.readouterr().out + caplog.text
    assert [(row.status, row.rows) for row in rows(store, "periods")] == [("ok", 6)]
    with store.engine.connect() as connection:
        query = "SELECT metric, dimensions, value, status FROM lupus_metrics ORDER BY 1, 2"
        found = [tuple(row) for row in connection.exec_driver_sql(query)]
    jfk, ewr = '{"origin":"JFK"}', '{"origin":"EWR"}'
    assert [row[:3] for row in found if row[0] != "avg"] == [
        *(("null_ratio", where, 0.0) for where in (ewr, jfk, "{}")),
        *(("row_count", where, count) for where, count in ((ewr, 1.0), (jfk, 5.0), ("{}", 6.0))),
    ]
    assert [row[1:] for row in found if row[0] == "avg"] == [(ewr, None, "failed"), (jfk, 2.0, "ok"), ("{}", None, "failed")]
    assert {row.reason for row in rows(store, "points") if row.value is None} == {"column 'dep_delay' holds 'late', which is no INTEGER"}
    assert run(detector())["judged"] > 0
    (tmp_path / "all.csv").write_text(lines.replace("late", "8"))
    assert run(collector(tmp_path, source=source), run="corrected")["changed"] == 2
    assert {row.status for row in rows(store, "points")} == {0}


def test_a_range_says_how_far_it_is_and_keeps_what_it_has_when_it_fails(store, folder, caplog):
    import pyarrow as pa
    from pyarrow import parquet

    collect = collector(folder)
    summary = collect.execute(context(collect, run="range", conf=RANGE))
    assert (summary["periods"], summary["series"]) == (38, 12)
    assert "1 of 38 periods (3 %), 12 points, " in caplog.text
    assert "38 of 38 periods (100 %), 456 points, 0 s to go" in caplog.text
    spoilt = folder / "2013-01-20.parquet"
    table = parquet.read_table(spoilt)
    many = pa.array([f"o{i}" for i in range(table.num_rows)])
    parquet.write_table(table.set_column(table.column_names.index("origin"), "origin", many), spoilt)
    again = collector(folder, dataset="again", max_groups=100)
    assert again.execute(context(again, run="range", conf=RANGE))["status"] == "failed"
    with store.engine.connect() as connection:
        query = "SELECT status, count(*) FROM lupus_periods GROUP BY dataset_id, status ORDER BY dataset_id, count(*)"
        assert [tuple(row) for row in connection.exec_driver_sql(query)] == [("ok", 38), ("ok", 1), ("failed", 37)]


def test_late_rows_are_picked_up_by_recollect_and_nobody_is_told_twice(store, folder):
    """The storm's day comes in halves: judged with the first, told once; what the second changes is recorded and judged silently."""
    from pyarrow import parquet

    told = tells()
    collect, detect = collector(folder, recollect=2), detector(on_anomaly_callback=told)
    collect.execute(context(collect, run="history", conf=RANGE))
    detect.execute(context(detect, run="history", conf=RANGE))
    storm = folder / "2013-02-08.parquet"
    whole = parquet.read_table(storm)
    parquet.write_table(whole.slice(0, 700), storm)
    assert run(collect)["periods"] == 3
    run(detect)
    assert [digest.total > 0 for digest in told.told] == [True]
    parquet.write_table(whole, storm)
    before = {(row.series_id, row.start): row.value for row in rows(store, "points")}
    summary = run(collect, "2013-02-10")
    assert (summary["periods"], summary["changed"] > 0) == (3, True)
    changed = rows(store, "point_revisions")
    assert {before[row.series_id, row.start] == row.value for row in changed} == {True}
    assert {row.start for row in changed} == {int(morning("2013-02-08").replace(hour=0).timestamp())}
    fresh = [row.value for row in rows(store, "points") if (row.series_id, row.start) in {(r.series_id, r.start) for r in changed}]
    assert whole.num_rows in fresh
    run(detect, "2013-02-10")
    assert all("2013-02-08" not in {line.period for line in digest.anomalies} for digest in told.told[1:])


def test_the_least_that_one_writes_for_a_warehouse_table(store, monkeypatch):
    """The design's first example: a schema-qualified table, everything else by default."""
    url = new_postgres_database()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA mart")
        connection.exec_driver_sql(
            "CREATE TABLE mart.orders (id bigint, created_at timestamptz, country text, amount numeric(10, 2), paid boolean, note jsonb)"
        )
        connection.exec_driver_sql(
            "INSERT INTO mart.orders SELECT i, timestamptz '2013-02-08 12:00Z' + i * interval '1 minute', "
            "(ARRAY['JP', 'NZ'])[1 + mod(i, 2)], i / 10.0, mod(i, 4) = 0, NULL FROM generate_series(1, 100) i"
        )
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", _connection("postgres", url, ""))
    watch = MonitorOperator(
        task_id="watch_orders", source=Table("mart.orders", conn_id="warehouse"), time_column="created_at", group_columns=["country"]
    )
    assert run(watch)["series"] == 3 * (1 + 2 + 4 + 2 + 1), "id is an identifier"
    with store.engine.connect() as connection:
        query = "SELECT column_name, metric, value FROM lupus_metrics WHERE dataset = 'mart.orders' AND dimensions = '{}'"
        found = {f"{row[0]}.{row[1]}": row[2] for row in connection.exec_driver_sql(query)}
    assert (found["*.row_count"], found["note.null_ratio"], found["paid.avg"]) == (100, 1, 0.25)
    assert found["amount.p50"] == pytest.approx(5.05)


def test_a_day_again_changes_nothing(store, folder):
    collect, detect = collector(folder), detector()
    for number in range(2):
        run(collect, run=f"run-{number}")
        run(detect, run=f"run-{number}")
        if number == 0:
            before = dump(store)
    assert dump(store) == before


def test_outlet_events_say_the_period(store, folder):
    from types import SimpleNamespace

    from airflow.sdk import Asset

    asset = Asset("flights")
    collect = collector(folder, outlets=[asset])
    events = {asset: SimpleNamespace(extra={})}
    collect.execute({**context(collect, logical_date=morning("2013-02-09")), "outlet_events": events})
    assert events[asset].extra == {"lupus": {"start": "2013-02-08T05:00:00+00:00", "end": "2013-02-09T05:00:00+00:00"}}
