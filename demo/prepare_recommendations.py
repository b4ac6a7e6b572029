"""Make a recommendation log of the real flights, one Parquet file a local day: `python demo/prepare_recommendations.py FOLDER`.

In each hour somebody at each airport is recommended ten destinations: those that most flights left for in the 28 days before. What is
relevant are the destinations that flights did leave for in that hour. On 3 June 2013 version 2 of the model replaces version 1: it counts
the flights of that hour of the day only, and recommends fewer than ten where there were fewer.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from prepare_flights import read_flights, write_days

FIRST_DAY = "2013-01-29"
"""The first with 28 days before it."""
DAYS = 337
SWITCH = "2013-06-03"
LOG = """
WITH flown AS (
    SELECT make_date(year, month, day) AS day, origin, hour, dest, count(dep_time) AS n FROM flights GROUP BY ALL HAVING n > 0
),
counted AS (  -- version 1 looks at no hour
    SELECT day, origin, CAST(NULL AS BIGINT) AS hour, dest, sum(n) AS n FROM flown GROUP BY ALL
    UNION ALL SELECT day, origin, hour, dest, n FROM flown
),
popular AS (
    SELECT days.day, origin, hour, dest, sum(n) AS n
    FROM (SELECT DISTINCT day FROM flown WHERE day >= DATE '{first}') AS days
    JOIN counted ON counted.day >= days.day - 28 AND counted.day < days.day AND (hour IS NULL) = (days.day < DATE '{switch}')
    GROUP BY ALL
),
models AS (
    SELECT day, origin, hour, list(dest ORDER BY n DESC, dest)[:10] AS recommended, list(n / total ORDER BY n DESC, dest)[:10] AS scores
    FROM (SELECT *, sum(n) OVER (PARTITION BY day, origin, hour) AS total FROM popular)
    GROUP BY ALL
),
hours AS (
    SELECT make_date(year, month, day) AS day, time_hour, origin, hour,
        coalesce(list(DISTINCT dest ORDER BY dest) FILTER (dep_time IS NOT NULL), []) AS flown
    FROM flights WHERE make_date(year, month, day) >= DATE '{first}' GROUP BY ALL
)
SELECT 100 * month(hours.day) + day(hours.day) AS number, time_hour, hours.origin, hours.hour,
    CASE WHEN hours.day < DATE '{switch}' THEN '1' ELSE '2' END AS model_version,
    coalesce(recommended, []) AS recommended, recommended[1] AS top_choice, coalesce(scores, []) AS scores, flown
FROM hours
LEFT JOIN models ON models.day = hours.day AND models.origin = hours.origin
    AND models.hour IS NOT DISTINCT FROM CASE WHEN hours.day >= DATE '{switch}' THEN hours.hour END
ORDER BY hours.day, time_hour, hours.origin
"""


def prepare(folder: Path) -> int:
    """Write the files unless they are there; how many days there are."""
    if len(list(folder.glob("2013-*.parquet"))) == DAYS:
        return DAYS
    with duckdb.connect() as connection:
        connection.register("flights", read_flights())
        log = connection.sql(LOG.format(first=FIRST_DAY, switch=SWITCH)).to_arrow_table()
    return write_days(log.drop_columns("number"), log["number"], folder)


if __name__ == "__main__":
    print(f"{prepare(Path(sys.argv[1]))} days of recommendations in {sys.argv[1]}")
