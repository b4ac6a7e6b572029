SELECT
  "p",
  "g0",
  "g1",
  COUNT(1) AS "a0",
  MIN("v0") AS "a1",
  MAX("v0") AS "a2",
  MIN("v1") AS "a3",
  MAX("v1") AS "a4",
  COUNT(CASE WHEN "v2" = 0 THEN 1 END) AS "a5",
  COUNT(CASE WHEN "v2" < 0 THEN 1 END) AS "a6",
  SUM("v2") AS "a7",
  CASE
    WHEN MAX(ABS("v2")) > CAST(1e+150 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE VARIANCE_POP("v2") * COUNT("v2")
  END AS "a8",
  MIN("v2") AS "a9",
  MAX("v2") AS "a10",
  COUNT(CASE WHEN "v3" = 0 THEN 1 END) AS "a11",
  COUNT(CASE WHEN "v3" < 0 THEN 1 END) AS "a12",
  SUM("v3") AS "a13",
  CASE
    WHEN MAX(ABS("v3")) > CAST(1e+150 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE VARIANCE_POP("v3") * COUNT("v3")
  END AS "a14",
  MIN("v3") AS "a15",
  MAX("v3") AS "a16",
  SUM("v4") AS "a17",
  CASE
    WHEN MAX(ABS("v4")) > CAST(1e+150 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE VARIANCE_POP("v4") * COUNT("v4")
  END AS "a18",
  SUM("v5") AS "a19",
  COUNT("v5") AS "a20",
  MIN("v5") AS "a21",
  MAX("v5") AS "a22",
  CASE
    WHEN MAX(ABS("v5")) > CAST(1e+150 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE VARIANCE_POP("v5") * COUNT("v5")
  END AS "a23"
FROM (
  SELECT
    "lupus_period" AS "p",
    CAST("Origin" AS VARCHAR) AS "g0",
    "GATE" AS "g1",
    "CLOCK" AS "r0",
    CAST(DATE_PART(EPOCH_MICROSECOND, CONVERT_TIMEZONE('UTC', 'UTC', CAST("CLOCK" AS TIMESTAMPNTZ))) AS DOUBLE) / 1e6 AS "v0",
    "DAY" AS "r1",
    CAST(DATE_PART(
      EPOCH_MICROSECOND,
      CONVERT_TIMEZONE('America/New_York', 'UTC', CAST("DAY" AS TIMESTAMPNTZ))
    ) AS DOUBLE) / 1e6 AS "v1",
    "DELAY" AS "r2",
    CASE
      WHEN (
        "DELAY" = CAST('NaN' AS DOUBLE)
      )
      THEN NULL
      ELSE CAST("DELAY" AS DOUBLE)
    END AS "v2",
    "odd ""name"" `x" AS "r3",
    CAST("odd ""name"" `x" AS DOUBLE) AS "v3",
    "LATE" AS "r4",
    CAST(CAST("LATE" AS INT) AS DOUBLE) AS "v4",
    CAST(LENGTH("NOTE") AS DOUBLE) AS "r5",
    CAST(LENGTH("NOTE") AS DOUBLE) AS "v5"
  FROM (SELECT * FROM (SELECT t.*, CASE WHEN t."AT" < CAST('2013-11-03 04:00:00 +00:00' AS TIMESTAMP_TZ) THEN 0 WHEN t."AT" < CAST('2013-11-04 05:00:00 +00:00' AS TIMESTAMP_TZ) THEN 1 ELSE 2 END AS "lupus_period" FROM "mart"."flights" t WHERE t."AT" >= CAST('2013-11-02 04:00:00 +00:00' AS TIMESTAMP_TZ) AND t."AT" < CAST('2013-11-05 05:00:00 +00:00' AS TIMESTAMP_TZ)) t WHERE (delay > -60 -- in minutes
)) AS "s"
) AS "r"
GROUP BY
  "p",
  "g0",
  "g1";
WITH "counted" AS (
  SELECT
    "p",
    "g0",
    "g1",
    "v0",
    "v1",
    COUNT(1) AS "a0"
  FROM (
    SELECT
      "lupus_period" AS "p",
      CAST("Origin" AS VARCHAR) AS "g0",
      "GATE" AS "g1",
      "GATE" AS "v0",
      CAST("NOTE" AS VARCHAR) AS "v1"
    FROM (SELECT * FROM (SELECT t.*, CASE WHEN t."AT" < CAST('2013-11-03 04:00:00 +00:00' AS TIMESTAMP_TZ) THEN 0 WHEN t."AT" < CAST('2013-11-04 05:00:00 +00:00' AS TIMESTAMP_TZ) THEN 1 ELSE 2 END AS "lupus_period" FROM "mart"."flights" t WHERE t."AT" >= CAST('2013-11-02 04:00:00 +00:00' AS TIMESTAMP_TZ) AND t."AT" < CAST('2013-11-05 05:00:00 +00:00' AS TIMESTAMP_TZ)) t WHERE (delay > -60 -- in minutes
)) AS "s"
  ) AS "r"
  GROUP BY
    "p",
    "g0",
    "g1",
    "v0",
    "v1"
)
SELECT
  "p",
  0 AS "t",
  "g0",
  "g1",
  COUNT(CASE WHEN "a0" > 0 THEN 1 END) AS "a0"
FROM "counted" AS "c"
GROUP BY
  "p",
  "g0",
  "g1"
UNION ALL
SELECT
  "p",
  1 AS "t",
  NULL AS "g0",
  NULL AS "g1",
  COUNT(CASE WHEN "a0" > 0 THEN 1 END) AS "a0"
FROM (
  SELECT
    "p",
    "v0",
    "v1",
    SUM("a0") AS "a0"
  FROM "counted" AS "c"
  GROUP BY
    "p",
    "v0",
    "v1"
) AS "w"
GROUP BY
  "p";
WITH "counted" AS (
  SELECT
    "p",
    "g0",
    "g1",
    "v0",
    COUNT(1) AS "a0"
  FROM (
    SELECT
      "lupus_period" AS "p",
      CAST("Origin" AS VARCHAR) AS "g0",
      "GATE" AS "g1",
      "CLOCK" AS "v0"
    FROM (SELECT * FROM (SELECT t.*, CASE WHEN t."AT" < CAST('2013-11-03 04:00:00 +00:00' AS TIMESTAMP_TZ) THEN 0 WHEN t."AT" < CAST('2013-11-04 05:00:00 +00:00' AS TIMESTAMP_TZ) THEN 1 ELSE 2 END AS "lupus_period" FROM "mart"."flights" t WHERE t."AT" >= CAST('2013-11-02 04:00:00 +00:00' AS TIMESTAMP_TZ) AND t."AT" < CAST('2013-11-05 05:00:00 +00:00' AS TIMESTAMP_TZ)) t WHERE (delay > -60 -- in minutes
)) AS "s"
  ) AS "r"
  GROUP BY
    "p",
    "g0",
    "g1",
    "v0"
)
SELECT
  "p",
  0 AS "t",
  "g0",
  "g1",
  COALESCE(SUM(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN CAST("a0" AS DOUBLE) END), 0) AS "a0",
  COUNT(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN 1 END) AS "a1",
  COALESCE(
    SUM(
      CASE
        WHEN "a0" > 0 AND NOT "v0" IS NULL
        THEN CAST("a0" AS DOUBLE) * LN(CAST("a0" AS DOUBLE))
      END
    ),
    0
  ) AS "a2",
  COALESCE(SUM(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN CAST("a0" AS DOUBLE) END), 0) AS "a3"
FROM "counted" AS "c"
GROUP BY
  "p",
  "g0",
  "g1"
UNION ALL
SELECT
  "p",
  1 AS "t",
  NULL AS "g0",
  NULL AS "g1",
  COALESCE(SUM(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN CAST("a0" AS DOUBLE) END), 0) AS "a0",
  COUNT(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN 1 END) AS "a1",
  COALESCE(
    SUM(
      CASE
        WHEN "a0" > 0 AND NOT "v0" IS NULL
        THEN CAST("a0" AS DOUBLE) * LN(CAST("a0" AS DOUBLE))
      END
    ),
    0
  ) AS "a2",
  COALESCE(SUM(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN CAST("a0" AS DOUBLE) END), 0) AS "a3"
FROM (
  SELECT
    "p",
    "v0",
    SUM("a0") AS "a0"
  FROM "counted" AS "c"
  GROUP BY
    "p",
    "v0"
) AS "w"
GROUP BY
  "p";
WITH "counted" AS (
  SELECT
    "p",
    "g0",
    "g1",
    "v0",
    COUNT(1) AS "a0"
  FROM (
    SELECT
      "lupus_period" AS "p",
      CAST("Origin" AS VARCHAR) AS "g0",
      "GATE" AS "g1",
      "DAY" AS "v0"
    FROM (SELECT * FROM (SELECT t.*, CASE WHEN t."AT" < CAST('2013-11-03 04:00:00 +00:00' AS TIMESTAMP_TZ) THEN 0 WHEN t."AT" < CAST('2013-11-04 05:00:00 +00:00' AS TIMESTAMP_TZ) THEN 1 ELSE 2 END AS "lupus_period" FROM "mart"."flights" t WHERE t."AT" >= CAST('2013-11-02 04:00:00 +00:00' AS TIMESTAMP_TZ) AND t."AT" < CAST('2013-11-05 05:00:00 +00:00' AS TIMESTAMP_TZ)) t WHERE (delay > -60 -- in minutes
)) AS "s"
  ) AS "r"
  GROUP BY
    "p",
    "g0",
    "g1",
    "v0"
)
SELECT
  "p",
  0 AS "t",
  "g0",
  "g1",
  COALESCE(SUM(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN CAST("a0" AS DOUBLE) END), 0) AS "a0",
  COUNT(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN 1 END) AS "a1",
  COALESCE(
    SUM(
      CASE
        WHEN "a0" > 0 AND NOT "v0" IS NULL
        THEN CAST("a0" AS DOUBLE) * LN(CAST("a0" AS DOUBLE))
      END
    ),
    0
  ) AS "a2",
  COALESCE(SUM(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN CAST("a0" AS DOUBLE) END), 0) AS "a3"
FROM "counted" AS "c"
GROUP BY
  "p",
  "g0",
  "g1"
UNION ALL
SELECT
  "p",
  1 AS "t",
  NULL AS "g0",
  NULL AS "g1",
  COALESCE(SUM(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN CAST("a0" AS DOUBLE) END), 0) AS "a0",
  COUNT(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN 1 END) AS "a1",
  COALESCE(
    SUM(
      CASE
        WHEN "a0" > 0 AND NOT "v0" IS NULL
        THEN CAST("a0" AS DOUBLE) * LN(CAST("a0" AS DOUBLE))
      END
    ),
    0
  ) AS "a2",
  COALESCE(SUM(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN CAST("a0" AS DOUBLE) END), 0) AS "a3"
FROM (
  SELECT
    "p",
    "v0",
    SUM("a0") AS "a0"
  FROM "counted" AS "c"
  GROUP BY
    "p",
    "v0"
) AS "w"
GROUP BY
  "p";
SELECT
  "p",
  "g0",
  "g1",
  "v0",
  COUNT(1) AS "a0"
FROM (
  SELECT
    "lupus_period" AS "p",
    CAST("Origin" AS VARCHAR) AS "g0",
    "GATE" AS "g1",
    CASE WHEN "DELAY" = 0 THEN 0 ELSE "DELAY" END AS "v0"
  FROM (SELECT * FROM (SELECT t.*, CASE WHEN t."AT" < CAST('2013-11-03 04:00:00 +00:00' AS TIMESTAMP_TZ) THEN 0 WHEN t."AT" < CAST('2013-11-04 05:00:00 +00:00' AS TIMESTAMP_TZ) THEN 1 ELSE 2 END AS "lupus_period" FROM "mart"."flights" t WHERE t."AT" >= CAST('2013-11-02 04:00:00 +00:00' AS TIMESTAMP_TZ) AND t."AT" < CAST('2013-11-05 05:00:00 +00:00' AS TIMESTAMP_TZ)) t WHERE (delay > -60 -- in minutes
)) AS "s"
) AS "r"
GROUP BY
  "p",
  "g0",
  "g1",
  "v0";
SELECT
  "p",
  "g0",
  "g1",
  "v0",
  COUNT(1) AS "a0"
FROM (
  SELECT
    "lupus_period" AS "p",
    CAST("Origin" AS VARCHAR) AS "g0",
    "GATE" AS "g1",
    "odd ""name"" `x" AS "v0"
  FROM (SELECT * FROM (SELECT t.*, CASE WHEN t."AT" < CAST('2013-11-03 04:00:00 +00:00' AS TIMESTAMP_TZ) THEN 0 WHEN t."AT" < CAST('2013-11-04 05:00:00 +00:00' AS TIMESTAMP_TZ) THEN 1 ELSE 2 END AS "lupus_period" FROM "mart"."flights" t WHERE t."AT" >= CAST('2013-11-02 04:00:00 +00:00' AS TIMESTAMP_TZ) AND t."AT" < CAST('2013-11-05 05:00:00 +00:00' AS TIMESTAMP_TZ)) t WHERE (delay > -60 -- in minutes
)) AS "s"
) AS "r"
GROUP BY
  "p",
  "g0",
  "g1",
  "v0";
SELECT
  "p",
  "g0",
  "g1",
  "v0",
  COUNT(1) AS "a0"
FROM (
  SELECT
    "lupus_period" AS "p",
    CAST("Origin" AS VARCHAR) AS "g0",
    "GATE" AS "g1",
    "LATE" AS "v0"
  FROM (SELECT * FROM (SELECT t.*, CASE WHEN t."AT" < CAST('2013-11-03 04:00:00 +00:00' AS TIMESTAMP_TZ) THEN 0 WHEN t."AT" < CAST('2013-11-04 05:00:00 +00:00' AS TIMESTAMP_TZ) THEN 1 ELSE 2 END AS "lupus_period" FROM "mart"."flights" t WHERE t."AT" >= CAST('2013-11-02 04:00:00 +00:00' AS TIMESTAMP_TZ) AND t."AT" < CAST('2013-11-05 05:00:00 +00:00' AS TIMESTAMP_TZ)) t WHERE (delay > -60 -- in minutes
)) AS "s"
) AS "r"
GROUP BY
  "p",
  "g0",
  "g1",
  "v0";
SELECT
  "p",
  "g0",
  "g1",
  "v0",
  COUNT(1) AS "a0"
FROM (
  SELECT
    "lupus_period" AS "p",
    CAST("Origin" AS VARCHAR) AS "g0",
    "GATE" AS "g1",
    CAST("NOTE" AS VARCHAR) AS "v0"
  FROM (SELECT * FROM (SELECT t.*, CASE WHEN t."AT" < CAST('2013-11-03 04:00:00 +00:00' AS TIMESTAMP_TZ) THEN 0 WHEN t."AT" < CAST('2013-11-04 05:00:00 +00:00' AS TIMESTAMP_TZ) THEN 1 ELSE 2 END AS "lupus_period" FROM "mart"."flights" t WHERE t."AT" >= CAST('2013-11-02 04:00:00 +00:00' AS TIMESTAMP_TZ) AND t."AT" < CAST('2013-11-05 05:00:00 +00:00' AS TIMESTAMP_TZ)) t WHERE (delay > -60 -- in minutes
)) AS "s"
) AS "r"
GROUP BY
  "p",
  "g0",
  "g1",
  "v0";
WITH "counted" AS (
  SELECT
    "p",
    "g0",
    "g1",
    "v0",
    COUNT(1) AS "a0"
  FROM (
    SELECT
      "lupus_period" AS "p",
      CAST("Origin" AS VARCHAR) AS "g0",
      "GATE" AS "g1",
      CAST("EXTRA" AS VARCHAR) AS "v0"
    FROM (SELECT * FROM (SELECT t.*, CASE WHEN t."AT" < CAST('2013-11-03 04:00:00 +00:00' AS TIMESTAMP_TZ) THEN 0 WHEN t."AT" < CAST('2013-11-04 05:00:00 +00:00' AS TIMESTAMP_TZ) THEN 1 ELSE 2 END AS "lupus_period" FROM "mart"."flights" t WHERE t."AT" >= CAST('2013-11-02 04:00:00 +00:00' AS TIMESTAMP_TZ) AND t."AT" < CAST('2013-11-05 05:00:00 +00:00' AS TIMESTAMP_TZ)) t WHERE (delay > -60 -- in minutes
)) AS "s"
  ) AS "r"
  GROUP BY
    "p",
    "g0",
    "g1",
    "v0"
)
SELECT
  "p",
  0 AS "t",
  "g0",
  "g1",
  COALESCE(SUM(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN CAST("a0" AS DOUBLE) END), 0) AS "a0",
  COUNT(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN 1 END) AS "a1",
  COALESCE(
    SUM(
      CASE
        WHEN "a0" > 0 AND NOT "v0" IS NULL
        THEN CAST("a0" AS DOUBLE) * LN(CAST("a0" AS DOUBLE))
      END
    ),
    0
  ) AS "a2",
  COALESCE(SUM(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN CAST("a0" AS DOUBLE) END), 0) AS "a3"
FROM "counted" AS "c"
GROUP BY
  "p",
  "g0",
  "g1"
UNION ALL
SELECT
  "p",
  1 AS "t",
  NULL AS "g0",
  NULL AS "g1",
  COALESCE(SUM(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN CAST("a0" AS DOUBLE) END), 0) AS "a0",
  COUNT(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN 1 END) AS "a1",
  COALESCE(
    SUM(
      CASE
        WHEN "a0" > 0 AND NOT "v0" IS NULL
        THEN CAST("a0" AS DOUBLE) * LN(CAST("a0" AS DOUBLE))
      END
    ),
    0
  ) AS "a2",
  COALESCE(SUM(CASE WHEN "a0" > 0 AND NOT "v0" IS NULL THEN CAST("a0" AS DOUBLE) END), 0) AS "a3"
FROM (
  SELECT
    "p",
    "v0",
    SUM("a0") AS "a0"
  FROM "counted" AS "c"
  GROUP BY
    "p",
    "v0"
) AS "w"
GROUP BY
  "p";
SELECT
  "p",
  GROUPING("g0") AS "t",
  "g0",
  "g1",
  [
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY
      "v"),
    PERCENTILE_CONT(0.0) WITHIN GROUP (ORDER BY
      "v"),
    PERCENTILE_CONT(0.01) WITHIN GROUP (ORDER BY
      "v"),
    PERCENTILE_CONT(0.25) WITHIN GROUP (ORDER BY
      "v"),
    PERCENTILE_CONT(0.75) WITHIN GROUP (ORDER BY
      "v"),
    PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY
      "v"),
    PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY
      "v"),
    PERCENTILE_CONT(0.9990000000000001) WITHIN GROUP (ORDER BY
      "v"),
    PERCENTILE_CONT(1.0) WITHIN GROUP (ORDER BY
      "v")
  ] AS "a0"
FROM (
  SELECT
    "lupus_period" AS "p",
    CAST("Origin" AS VARCHAR) AS "g0",
    "GATE" AS "g1",
    CASE
      WHEN (
        "DELAY" = CAST('NaN' AS DOUBLE)
      )
      THEN NULL
      ELSE CAST("DELAY" AS DOUBLE)
    END AS "v"
  FROM (SELECT * FROM (SELECT t.*, CASE WHEN t."AT" < CAST('2013-11-03 04:00:00 +00:00' AS TIMESTAMP_TZ) THEN 0 WHEN t."AT" < CAST('2013-11-04 05:00:00 +00:00' AS TIMESTAMP_TZ) THEN 1 ELSE 2 END AS "lupus_period" FROM "mart"."flights" t WHERE t."AT" >= CAST('2013-11-02 04:00:00 +00:00' AS TIMESTAMP_TZ) AND t."AT" < CAST('2013-11-05 05:00:00 +00:00' AS TIMESTAMP_TZ)) t WHERE (delay > -60 -- in minutes
)) AS "s"
) AS "q"
GROUP BY
  GROUPING SETS (
    ("p", "g0", "g1"),
    (
      "p"
    )
  );
SELECT
  "p",
  GROUPING("g0") AS "t",
  "g0",
  "g1",
  [
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY
      "v"),
    PERCENTILE_CONT(0.0) WITHIN GROUP (ORDER BY
      "v"),
    PERCENTILE_CONT(0.01) WITHIN GROUP (ORDER BY
      "v"),
    PERCENTILE_CONT(0.25) WITHIN GROUP (ORDER BY
      "v"),
    PERCENTILE_CONT(0.75) WITHIN GROUP (ORDER BY
      "v"),
    PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY
      "v"),
    PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY
      "v"),
    PERCENTILE_CONT(0.9990000000000001) WITHIN GROUP (ORDER BY
      "v"),
    PERCENTILE_CONT(1.0) WITHIN GROUP (ORDER BY
      "v")
  ] AS "a0"
FROM (
  SELECT
    "lupus_period" AS "p",
    CAST("Origin" AS VARCHAR) AS "g0",
    "GATE" AS "g1",
    CAST("odd ""name"" `x" AS DOUBLE) AS "v"
  FROM (SELECT * FROM (SELECT t.*, CASE WHEN t."AT" < CAST('2013-11-03 04:00:00 +00:00' AS TIMESTAMP_TZ) THEN 0 WHEN t."AT" < CAST('2013-11-04 05:00:00 +00:00' AS TIMESTAMP_TZ) THEN 1 ELSE 2 END AS "lupus_period" FROM "mart"."flights" t WHERE t."AT" >= CAST('2013-11-02 04:00:00 +00:00' AS TIMESTAMP_TZ) AND t."AT" < CAST('2013-11-05 05:00:00 +00:00' AS TIMESTAMP_TZ)) t WHERE (delay > -60 -- in minutes
)) AS "s"
) AS "q"
GROUP BY
  GROUPING SETS (
    ("p", "g0", "g1"),
    (
      "p"
    )
  );
SELECT
  "p",
  GROUPING("g0") AS "t",
  "g0",
  "g1",
  [PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY
    "v")] AS "a0"
FROM (
  SELECT
    "lupus_period" AS "p",
    CAST("Origin" AS VARCHAR) AS "g0",
    "GATE" AS "g1",
    CAST(LENGTH("NOTE") AS DOUBLE) AS "v"
  FROM (SELECT * FROM (SELECT t.*, CASE WHEN t."AT" < CAST('2013-11-03 04:00:00 +00:00' AS TIMESTAMP_TZ) THEN 0 WHEN t."AT" < CAST('2013-11-04 05:00:00 +00:00' AS TIMESTAMP_TZ) THEN 1 ELSE 2 END AS "lupus_period" FROM "mart"."flights" t WHERE t."AT" >= CAST('2013-11-02 04:00:00 +00:00' AS TIMESTAMP_TZ) AND t."AT" < CAST('2013-11-05 05:00:00 +00:00' AS TIMESTAMP_TZ)) t WHERE (delay > -60 -- in minutes
)) AS "s"
) AS "q"
GROUP BY
  GROUPING SETS (
    ("p", "g0", "g1"),
    (
      "p"
    )
  );
SELECT
  "p",
  "g0",
  "g1",
  CASE
    WHEN MAX(ABS("v0")) > CAST(1e+100 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(CASE WHEN ABS("v0") <= CAST(1e+100 AS DOUBLE) THEN (
      "v0" - "m0"
    ) END)
  END AS "a0",
  CASE
    WHEN MAX(ABS("v0")) > CAST(1e+100 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(
      CASE
        WHEN ABS("v0") <= CAST(1e+100 AS DOUBLE)
        THEN (
          "v0" - "m0"
        ) * (
          "v0" - "m0"
        )
      END
    )
  END AS "a1",
  CASE
    WHEN MAX(ABS("v0")) > CAST(1e+100 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(
      CASE
        WHEN ABS("v0") <= CAST(1e+100 AS DOUBLE)
        THEN (
          "v0" - "m0"
        ) * (
          "v0" - "m0"
        ) * (
          "v0" - "m0"
        )
      END
    )
  END AS "a2",
  CASE
    WHEN MAX(ABS("v1")) > CAST(1e+75 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(CASE WHEN ABS("v1") <= CAST(1e+75 AS DOUBLE) THEN (
      "v1" - "m1"
    ) END)
  END AS "a3",
  CASE
    WHEN MAX(ABS("v1")) > CAST(1e+75 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(
      CASE
        WHEN ABS("v1") <= CAST(1e+75 AS DOUBLE)
        THEN (
          "v1" - "m1"
        ) * (
          "v1" - "m1"
        )
      END
    )
  END AS "a4",
  CASE
    WHEN MAX(ABS("v1")) > CAST(1e+75 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(
      CASE
        WHEN ABS("v1") <= CAST(1e+75 AS DOUBLE)
        THEN (
          "v1" - "m1"
        ) * (
          "v1" - "m1"
        ) * (
          "v1" - "m1"
        )
      END
    )
  END AS "a5",
  CASE
    WHEN MAX(ABS("v1")) > CAST(1e+75 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(
      CASE
        WHEN ABS("v1") <= CAST(1e+75 AS DOUBLE)
        THEN (
          "v1" - "m1"
        ) * (
          "v1" - "m1"
        ) * (
          "v1" - "m1"
        ) * (
          "v1" - "m1"
        )
      END
    )
  END AS "a6",
  CASE
    WHEN MAX(ABS("v2")) > CAST(1e+100 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(CASE WHEN ABS("v2") <= CAST(1e+100 AS DOUBLE) THEN (
      "v2" - "m2"
    ) END)
  END AS "a7",
  CASE
    WHEN MAX(ABS("v2")) > CAST(1e+100 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(
      CASE
        WHEN ABS("v2") <= CAST(1e+100 AS DOUBLE)
        THEN (
          "v2" - "m2"
        ) * (
          "v2" - "m2"
        )
      END
    )
  END AS "a8",
  CASE
    WHEN MAX(ABS("v2")) > CAST(1e+100 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(
      CASE
        WHEN ABS("v2") <= CAST(1e+100 AS DOUBLE)
        THEN (
          "v2" - "m2"
        ) * (
          "v2" - "m2"
        ) * (
          "v2" - "m2"
        )
      END
    )
  END AS "a9",
  CASE
    WHEN MAX(ABS("v3")) > CAST(1e+75 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(CASE WHEN ABS("v3") <= CAST(1e+75 AS DOUBLE) THEN (
      "v3" - "m3"
    ) END)
  END AS "a10",
  CASE
    WHEN MAX(ABS("v3")) > CAST(1e+75 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(
      CASE
        WHEN ABS("v3") <= CAST(1e+75 AS DOUBLE)
        THEN (
          "v3" - "m3"
        ) * (
          "v3" - "m3"
        )
      END
    )
  END AS "a11",
  CASE
    WHEN MAX(ABS("v3")) > CAST(1e+75 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(
      CASE
        WHEN ABS("v3") <= CAST(1e+75 AS DOUBLE)
        THEN (
          "v3" - "m3"
        ) * (
          "v3" - "m3"
        ) * (
          "v3" - "m3"
        )
      END
    )
  END AS "a12",
  CASE
    WHEN MAX(ABS("v3")) > CAST(1e+75 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(
      CASE
        WHEN ABS("v3") <= CAST(1e+75 AS DOUBLE)
        THEN (
          "v3" - "m3"
        ) * (
          "v3" - "m3"
        ) * (
          "v3" - "m3"
        ) * (
          "v3" - "m3"
        )
      END
    )
  END AS "a13",
  CASE
    WHEN MAX(ABS("v4")) > CAST(1e+100 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(CASE WHEN ABS("v4") <= CAST(1e+100 AS DOUBLE) THEN (
      "v4" - "m4"
    ) END)
  END AS "a14",
  CASE
    WHEN MAX(ABS("v4")) > CAST(1e+100 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(
      CASE
        WHEN ABS("v4") <= CAST(1e+100 AS DOUBLE)
        THEN (
          "v4" - "m4"
        ) * (
          "v4" - "m4"
        )
      END
    )
  END AS "a15",
  CASE
    WHEN MAX(ABS("v4")) > CAST(1e+100 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(
      CASE
        WHEN ABS("v4") <= CAST(1e+100 AS DOUBLE)
        THEN (
          "v4" - "m4"
        ) * (
          "v4" - "m4"
        ) * (
          "v4" - "m4"
        )
      END
    )
  END AS "a16",
  CASE
    WHEN MAX(ABS("v5")) > CAST(1e+75 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(CASE WHEN ABS("v5") <= CAST(1e+75 AS DOUBLE) THEN (
      "v5" - "m5"
    ) END)
  END AS "a17",
  CASE
    WHEN MAX(ABS("v5")) > CAST(1e+75 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(
      CASE
        WHEN ABS("v5") <= CAST(1e+75 AS DOUBLE)
        THEN (
          "v5" - "m5"
        ) * (
          "v5" - "m5"
        )
      END
    )
  END AS "a18",
  CASE
    WHEN MAX(ABS("v5")) > CAST(1e+75 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(
      CASE
        WHEN ABS("v5") <= CAST(1e+75 AS DOUBLE)
        THEN (
          "v5" - "m5"
        ) * (
          "v5" - "m5"
        ) * (
          "v5" - "m5"
        )
      END
    )
  END AS "a19",
  CASE
    WHEN MAX(ABS("v5")) > CAST(1e+75 AS DOUBLE)
    THEN CAST('NaN' AS DOUBLE)
    ELSE SUM(
      CASE
        WHEN ABS("v5") <= CAST(1e+75 AS DOUBLE)
        THEN (
          "v5" - "m5"
        ) * (
          "v5" - "m5"
        ) * (
          "v5" - "m5"
        ) * (
          "v5" - "m5"
        )
      END
    )
  END AS "a20"
FROM (
  SELECT
    "w".*,
    AVG(CASE WHEN ABS("v0") <= CAST(1e+100 AS DOUBLE) THEN "v0" END) OVER (PARTITION BY "p", "g0", "g1") AS "m0",
    AVG(CASE WHEN ABS("v1") <= CAST(1e+75 AS DOUBLE) THEN "v1" END) OVER (PARTITION BY "p", "g0", "g1") AS "m1",
    AVG(CASE WHEN ABS("v2") <= CAST(1e+100 AS DOUBLE) THEN "v2" END) OVER (PARTITION BY "p", "g0", "g1") AS "m2",
    AVG(CASE WHEN ABS("v3") <= CAST(1e+75 AS DOUBLE) THEN "v3" END) OVER (PARTITION BY "p", "g0", "g1") AS "m3",
    AVG(CASE WHEN ABS("v4") <= CAST(1e+100 AS DOUBLE) THEN "v4" END) OVER (PARTITION BY "p", "g0", "g1") AS "m4",
    AVG(CASE WHEN ABS("v5") <= CAST(1e+75 AS DOUBLE) THEN "v5" END) OVER (PARTITION BY "p", "g0", "g1") AS "m5"
  FROM (
    SELECT
      "lupus_period" AS "p",
      CAST("Origin" AS VARCHAR) AS "g0",
      "GATE" AS "g1",
      CASE
        WHEN (
          "DELAY" = CAST('NaN' AS DOUBLE)
        )
        THEN NULL
        ELSE CAST("DELAY" AS DOUBLE)
      END AS "v0",
      CASE
        WHEN (
          "DELAY" = CAST('NaN' AS DOUBLE)
        )
        THEN NULL
        ELSE CAST("DELAY" AS DOUBLE)
      END AS "v1",
      CAST("odd ""name"" `x" AS DOUBLE) AS "v2",
      CAST("odd ""name"" `x" AS DOUBLE) AS "v3",
      CAST(CAST("LATE" AS INT) AS DOUBLE) AS "v4",
      CAST(CAST("LATE" AS INT) AS DOUBLE) AS "v5"
    FROM (SELECT * FROM (SELECT t.*, CASE WHEN t."AT" < CAST('2013-11-03 04:00:00 +00:00' AS TIMESTAMP_TZ) THEN 0 WHEN t."AT" < CAST('2013-11-04 05:00:00 +00:00' AS TIMESTAMP_TZ) THEN 1 ELSE 2 END AS "lupus_period" FROM "mart"."flights" t WHERE t."AT" >= CAST('2013-11-02 04:00:00 +00:00' AS TIMESTAMP_TZ) AND t."AT" < CAST('2013-11-05 05:00:00 +00:00' AS TIMESTAMP_TZ)) t WHERE (delay > -60 -- in minutes
)) AS "s"
  ) AS "w"
) AS "r"
GROUP BY
  "p",
  "g0",
  "g1";
