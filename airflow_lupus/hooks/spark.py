"""Spark through Airflow's connections, as its Spark provider has them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_lupus import config
from airflow_lupus.engines import engine_named
from airflow_lupus.exceptions import MissingExtra, SpecError
from airflow_lupus.hooks.connections import connection
from airflow_lupus.sources import SparkTable

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_lupus.engines import Spark
    from airflow_lupus.engines.base import Engine
    from airflow_lupus.sources import Source

CONNECT = "spark_connect"
SETTINGS = {"queue": "spark.yarn.queue", "namespace": "spark.kubernetes.namespace"}
"""Extras of a connection → what they are among Spark's settings."""


def spark_engine(spark: Spark, source: Source) -> Engine:
    """The engine that a task has asked for; Spark itself is started when there is something to measure.

    :param source: whose connection it is, where it is a table that names one and the task does not.
    """
    if isinstance(source, SparkTable) and source.conn_id and spark.conn_id is None:
        spark = replace(spark, conn_id=source.conn_id)
    if spark.max_fetch_rows is None:
        spark = replace(spark, max_fetch_rows=int(config.get("max_fetch_rows")))
    conf = {"spark.driver.memory": config.get("spark_driver_memory"), **{name: str(value) for name, value in spark.conf.items()}}
    options: dict[str, Any] = {"conf": conf, "shared_path": spark.shared_path, "max_fetch_rows": spark.max_fetch_rows}
    if spark.conn_id is None:
        if spark.submit:
            msg = "Spark(submit=True) needs a conn_id: spark-submit has to know the cluster"
            raise SpecError(msg)
        return engine_named("spark", master=config.get("spark_master"), **options)
    found = connection(spark.conn_id, f"Spark(conn_id={spark.conn_id!r})")
    if found.conn_type == CONNECT:
        options["conf"] = dict(spark.conf)  # the server has a driver
        return engine_named("spark", remote=_address(spark.conn_id), **options)
    extra = found.extra_dejson
    submit = extra.get("deploy-mode") == "cluster" if spark.submit is None else spark.submit
    if submit:
        from airflow_lupus.hooks.spark_submit import SubmittedSpark

        return SubmittedSpark(replace(spark, conf=conf))
    options["conf"] = {**{name: extra[key] for key, name in SETTINGS.items() if extra.get(key)}, **conf}
    return engine_named("spark", master=_master(found), **options)


def _address(conn_id: str) -> str:
    """Of Spark Connect."""
    try:
        from airflow.providers.apache.spark.hooks.spark_connect import SparkConnectHook
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "spark") from error
    return str(SparkConnectHook(conn_id).get_connection_url())


def _master(found: Connection) -> str:
    """A connection's master: its host, or what Airflow has made of an address such as `spark://host:7077`."""
    whole = found.conn_type == "spark" and found.host and ("://" in found.host or not found.port)
    master = str(found.host) if whole else f"{found.conn_type}://{found.host or ''}"
    return f"{master}:{found.port}" if found.port else master
