from __future__ import annotations

from airflow_lupus.detectors.patterns import Rules
from airflow_lupus.detectors.threshold import Threshold
from airflow_lupus.stores.sql import SqlStore
from support import history


def test_equally_bad_anomalies_come_in_one_order_whatever_the_database_s():
    orders = []
    for shops in (history.SHOPS, history.SHOPS[::-1]):
        store = SqlStore.in_memory()
        for shop in shops:
            history.collect(store, range(6), "run", shops=[*shops[: shops.index(shop) + 1]])
        report = history.detect(store, "run", rules=Rules({"*": Threshold(upper=50.0)}))
        orders.append([(str(anomaly.info.key), anomaly.start) for anomaly in report.anomalies])
    assert orders[0] == orders[1]
    assert len(orders[0]) == 17
