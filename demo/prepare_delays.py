"""Predict which real flights arrive late, and label the predictions a week later: `python demo/prepare_delays.py FOLDER`.

The score of a flight is the share of flights of its carrier, airport and hour that arrived more than 15 minutes late in the 30 newest days
whose labels were known that morning, drawn towards the airport's share by as much as ten flights weigh; a flight of a kind that these days
had not has none. From 0.3 on it is predicted to be late. `predictions/` has what was known on the day, one Parquet file a local day,
`labelled/` the same with the label `late`, which is there a week later, and which a cancelled flight never gets.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from prepare_flights import read_flights, write_days

FIRST_DAY = "2013-02-07"
"""The first with 30 labelled days."""
DAYS = 328
PREDICTIONS = """
WITH scheduled AS (
    SELECT *, make_date(year, month, day) AS date, arr_delay > 15 AS late FROM flights
),
daily AS (
    SELECT date, carrier, origin, hour, count(late) AS n, count(*) FILTER (late) AS late FROM scheduled GROUP BY ALL HAVING n > 0
),
kinds AS (
    SELECT days.date, carrier, origin, hour, sum(n) AS n, sum(late) AS late
    FROM (SELECT DISTINCT date FROM daily WHERE date >= DATE '{first}') AS days
    JOIN daily ON daily.date >= days.date - 37 AND daily.date < days.date - 7
    GROUP BY ALL
),
model AS (
    SELECT date, carrier, origin, hour, (late + 10 * airport) / (n + 10) AS score
    FROM (SELECT *, sum(late) OVER (PARTITION BY date, origin) / sum(n) OVER (PARTITION BY date, origin) AS airport FROM kinds)
)
SELECT 100 * month + day AS number, time_hour, carrier, flight, origin, dest, score, score >= 0.3 AS late_predicted, late
FROM scheduled LEFT JOIN model USING (date, carrier, origin, hour)
WHERE date >= DATE '{first}'
ORDER BY date, time_hour, origin, carrier, flight
"""


def prepare(folder: Path) -> int:
    """Write the files unless they are there; how many days there are."""
    if len(list(folder.glob("labelled/2013-*.parquet"))) == DAYS:
        return DAYS
    with duckdb.connect() as connection:
        connection.register("flights", read_flights())
        rows = connection.sql(PREDICTIONS.format(first=FIRST_DAY)).to_arrow_table()
    write_days(rows.drop_columns(["number", "late"]), rows["number"], folder / "predictions")
    return write_days(rows.drop_columns("number"), rows["number"], folder / "labelled")


if __name__ == "__main__":
    print(f"{prepare(Path(sys.argv[1]))} days of predictions in {sys.argv[1]}")
