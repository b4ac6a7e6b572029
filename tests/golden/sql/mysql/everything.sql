SELECT
  `p`,
  `g0`,
  `g1`,
  COUNT(1) AS `a0`,
  COUNT(CASE WHEN `v0` = 0 THEN 1 END) AS `a1`,
  COUNT(CASE WHEN `v0` < 0 THEN 1 END) AS `a2`,
  SUM(`v0`) AS `a3`,
  CASE
    WHEN MAX(ABS(`v0`)) > CAST(1e+150 AS DOUBLE)
    THEN NULL
    ELSE VAR_POP(`v0`) * COUNT(`v0`)
  END AS `a4`,
  MIN(`v0`) AS `a5`,
  MAX(`v0`) AS `a6`,
  COUNT(CASE WHEN `v1` = 0 THEN 1 END) AS `a7`,
  COUNT(CASE WHEN `v1` < 0 THEN 1 END) AS `a8`,
  SUM(`v1`) AS `a9`,
  CASE
    WHEN MAX(ABS(`v1`)) > CAST(1e+150 AS DOUBLE)
    THEN NULL
    ELSE VAR_POP(`v1`) * COUNT(`v1`)
  END AS `a10`,
  MIN(`v1`) AS `a11`,
  MAX(`v1`) AS `a12`,
  SUM(`v2`) AS `a13`,
  CASE
    WHEN MAX(ABS(`v2`)) > CAST(1e+150 AS DOUBLE)
    THEN NULL
    ELSE VAR_POP(`v2`) * COUNT(`v2`)
  END AS `a14`,
  SUM(`v3`) AS `a15`,
  COUNT(`v3`) AS `a16`,
  MIN(`v3`) AS `a17`,
  MAX(`v3`) AS `a18`,
  CASE
    WHEN MAX(ABS(`v3`)) > CAST(1e+150 AS DOUBLE)
    THEN NULL
    ELSE VAR_POP(`v3`) * COUNT(`v3`)
  END AS `a19`
FROM (
  SELECT
    `lupus_period` AS `p`,
    CAST(`Origin` AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_0900_bin AS `g0`,
    `gate` AS `g1`,
    `delay` AS `r0`,
    CASE WHEN FALSE THEN NULL ELSE CAST(`delay` AS DOUBLE) END AS `v0`,
    `odd "name" ``x` AS `r1`,
    CAST(`odd "name" ``x` AS DOUBLE) AS `v1`,
    `late` AS `r2`,
    CAST(`late` AS DOUBLE) AS `v2`,
    CAST(CHAR_LENGTH(`note`) AS DOUBLE) AS `r3`,
    CAST(CHAR_LENGTH(`note`) AS DOUBLE) AS `v3`
  FROM (SELECT * FROM (SELECT t.*, CASE WHEN t.`at` < TIMESTAMP '2013-11-03 04:00:00+00:00' THEN 0 WHEN t.`at` < TIMESTAMP '2013-11-04 05:00:00+00:00' THEN 1 ELSE 2 END AS `lupus_period` FROM `mart`.`flights` t WHERE t.`at` >= TIMESTAMP '2013-11-02 04:00:00+00:00' AND t.`at` < TIMESTAMP '2013-11-05 05:00:00+00:00') t WHERE (delay > -60 -- in minutes
)) AS `s`
) AS `r`
GROUP BY
  `p`,
  `g0`,
  `g1`;
WITH `counted` AS (
  SELECT
    `p`,
    `g0`,
    `g1`,
    `v0`,
    `v1`,
    COUNT(1) AS `a0`
  FROM (
    SELECT
      `lupus_period` AS `p`,
      CAST(`Origin` AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_0900_bin AS `g0`,
      `gate` AS `g1`,
      `gate` AS `v0`,
      CAST(`note` AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_0900_bin AS `v1`
    FROM (SELECT * FROM (SELECT t.*, CASE WHEN t.`at` < TIMESTAMP '2013-11-03 04:00:00+00:00' THEN 0 WHEN t.`at` < TIMESTAMP '2013-11-04 05:00:00+00:00' THEN 1 ELSE 2 END AS `lupus_period` FROM `mart`.`flights` t WHERE t.`at` >= TIMESTAMP '2013-11-02 04:00:00+00:00' AND t.`at` < TIMESTAMP '2013-11-05 05:00:00+00:00') t WHERE (delay > -60 -- in minutes
)) AS `s`
  ) AS `r`
  GROUP BY
    `p`,
    `g0`,
    `g1`,
    `v0`,
    `v1`
)
SELECT
  `p`,
  0 AS `t`,
  `g0`,
  `g1`,
  COUNT(CASE WHEN `a0` > 0 THEN 1 END) AS `a0`
FROM `counted` AS `c`
GROUP BY
  `p`,
  `g0`,
  `g1`
UNION ALL
SELECT
  `p`,
  1 AS `t`,
  NULL AS `g0`,
  NULL AS `g1`,
  COUNT(CASE WHEN `a0` > 0 THEN 1 END) AS `a0`
FROM (
  SELECT
    `p`,
    `v0`,
    `v1`,
    SUM(`a0`) AS `a0`
  FROM `counted` AS `c`
  GROUP BY
    `p`,
    `v0`,
    `v1`
) AS `w`
GROUP BY
  `p`;
SELECT
  `p`,
  `g0`,
  `g1`,
  `v0`,
  COUNT(1) AS `a0`
FROM (
  SELECT
    `lupus_period` AS `p`,
    CAST(`Origin` AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_0900_bin AS `g0`,
    `gate` AS `g1`,
    CASE WHEN `delay` = 0 THEN 0 ELSE `delay` END AS `v0`
  FROM (SELECT * FROM (SELECT t.*, CASE WHEN t.`at` < TIMESTAMP '2013-11-03 04:00:00+00:00' THEN 0 WHEN t.`at` < TIMESTAMP '2013-11-04 05:00:00+00:00' THEN 1 ELSE 2 END AS `lupus_period` FROM `mart`.`flights` t WHERE t.`at` >= TIMESTAMP '2013-11-02 04:00:00+00:00' AND t.`at` < TIMESTAMP '2013-11-05 05:00:00+00:00') t WHERE (delay > -60 -- in minutes
)) AS `s`
) AS `r`
GROUP BY
  `p`,
  `g0`,
  `g1`,
  `v0`;
SELECT
  `p`,
  `g0`,
  `g1`,
  `v0`,
  COUNT(1) AS `a0`
FROM (
  SELECT
    `lupus_period` AS `p`,
    CAST(`Origin` AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_0900_bin AS `g0`,
    `gate` AS `g1`,
    `odd "name" ``x` AS `v0`
  FROM (SELECT * FROM (SELECT t.*, CASE WHEN t.`at` < TIMESTAMP '2013-11-03 04:00:00+00:00' THEN 0 WHEN t.`at` < TIMESTAMP '2013-11-04 05:00:00+00:00' THEN 1 ELSE 2 END AS `lupus_period` FROM `mart`.`flights` t WHERE t.`at` >= TIMESTAMP '2013-11-02 04:00:00+00:00' AND t.`at` < TIMESTAMP '2013-11-05 05:00:00+00:00') t WHERE (delay > -60 -- in minutes
)) AS `s`
) AS `r`
GROUP BY
  `p`,
  `g0`,
  `g1`,
  `v0`;
SELECT
  `p`,
  `g0`,
  `g1`,
  `v0`,
  COUNT(1) AS `a0`
FROM (
  SELECT
    `lupus_period` AS `p`,
    CAST(`Origin` AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_0900_bin AS `g0`,
    `gate` AS `g1`,
    `late` AS `v0`
  FROM (SELECT * FROM (SELECT t.*, CASE WHEN t.`at` < TIMESTAMP '2013-11-03 04:00:00+00:00' THEN 0 WHEN t.`at` < TIMESTAMP '2013-11-04 05:00:00+00:00' THEN 1 ELSE 2 END AS `lupus_period` FROM `mart`.`flights` t WHERE t.`at` >= TIMESTAMP '2013-11-02 04:00:00+00:00' AND t.`at` < TIMESTAMP '2013-11-05 05:00:00+00:00') t WHERE (delay > -60 -- in minutes
)) AS `s`
) AS `r`
GROUP BY
  `p`,
  `g0`,
  `g1`,
  `v0`;
SELECT
  `p`,
  `g0`,
  `g1`,
  `v0`,
  COUNT(1) AS `a0`
FROM (
  SELECT
    `lupus_period` AS `p`,
    CAST(`Origin` AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_0900_bin AS `g0`,
    `gate` AS `g1`,
    CAST(`note` AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_0900_bin AS `v0`
  FROM (SELECT * FROM (SELECT t.*, CASE WHEN t.`at` < TIMESTAMP '2013-11-03 04:00:00+00:00' THEN 0 WHEN t.`at` < TIMESTAMP '2013-11-04 05:00:00+00:00' THEN 1 ELSE 2 END AS `lupus_period` FROM `mart`.`flights` t WHERE t.`at` >= TIMESTAMP '2013-11-02 04:00:00+00:00' AND t.`at` < TIMESTAMP '2013-11-05 05:00:00+00:00') t WHERE (delay > -60 -- in minutes
)) AS `s`
) AS `r`
GROUP BY
  `p`,
  `g0`,
  `g1`,
  `v0`;
WITH `counted` AS (
  SELECT
    `p`,
    `g0`,
    `g1`,
    `v0`,
    COUNT(1) AS `a0`
  FROM (
    SELECT
      `lupus_period` AS `p`,
      CAST(`Origin` AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_0900_bin AS `g0`,
      `gate` AS `g1`,
      CAST(`extra` AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_0900_bin AS `v0`
    FROM (SELECT * FROM (SELECT t.*, CASE WHEN t.`at` < TIMESTAMP '2013-11-03 04:00:00+00:00' THEN 0 WHEN t.`at` < TIMESTAMP '2013-11-04 05:00:00+00:00' THEN 1 ELSE 2 END AS `lupus_period` FROM `mart`.`flights` t WHERE t.`at` >= TIMESTAMP '2013-11-02 04:00:00+00:00' AND t.`at` < TIMESTAMP '2013-11-05 05:00:00+00:00') t WHERE (delay > -60 -- in minutes
)) AS `s`
  ) AS `r`
  GROUP BY
    `p`,
    `g0`,
    `g1`,
    `v0`
)
SELECT
  `p`,
  0 AS `t`,
  `g0`,
  `g1`,
  COALESCE(SUM(CASE WHEN `a0` > 0 AND NOT `v0` IS NULL THEN CAST(`a0` AS DOUBLE) END), 0) AS `a0`,
  COUNT(CASE WHEN `a0` > 0 AND NOT `v0` IS NULL THEN 1 END) AS `a1`,
  COALESCE(
    SUM(
      CASE
        WHEN `a0` > 0 AND NOT `v0` IS NULL
        THEN CAST(`a0` AS DOUBLE) * LN(CAST(`a0` AS DOUBLE))
      END
    ),
    0
  ) AS `a2`,
  COALESCE(SUM(CASE WHEN `a0` > 0 AND NOT `v0` IS NULL THEN CAST(`a0` AS DOUBLE) END), 0) AS `a3`
FROM `counted` AS `c`
GROUP BY
  `p`,
  `g0`,
  `g1`
UNION ALL
SELECT
  `p`,
  1 AS `t`,
  NULL AS `g0`,
  NULL AS `g1`,
  COALESCE(SUM(CASE WHEN `a0` > 0 AND NOT `v0` IS NULL THEN CAST(`a0` AS DOUBLE) END), 0) AS `a0`,
  COUNT(CASE WHEN `a0` > 0 AND NOT `v0` IS NULL THEN 1 END) AS `a1`,
  COALESCE(
    SUM(
      CASE
        WHEN `a0` > 0 AND NOT `v0` IS NULL
        THEN CAST(`a0` AS DOUBLE) * LN(CAST(`a0` AS DOUBLE))
      END
    ),
    0
  ) AS `a2`,
  COALESCE(SUM(CASE WHEN `a0` > 0 AND NOT `v0` IS NULL THEN CAST(`a0` AS DOUBLE) END), 0) AS `a3`
FROM (
  SELECT
    `p`,
    `v0`,
    SUM(`a0`) AS `a0`
  FROM `counted` AS `c`
  GROUP BY
    `p`,
    `v0`
) AS `w`
GROUP BY
  `p`;
SELECT
  `p`,
  `g0`,
  `g1`,
  CASE
    WHEN MAX(ABS(`v0`)) > CAST(1e+100 AS DOUBLE)
    THEN NULL
    ELSE SUM(CASE WHEN ABS(`v0`) <= CAST(1e+100 AS DOUBLE) THEN (
      `v0` - `m0`
    ) END)
  END AS `a0`,
  CASE
    WHEN MAX(ABS(`v0`)) > CAST(1e+100 AS DOUBLE)
    THEN NULL
    ELSE SUM(
      CASE
        WHEN ABS(`v0`) <= CAST(1e+100 AS DOUBLE)
        THEN (
          `v0` - `m0`
        ) * (
          `v0` - `m0`
        )
      END
    )
  END AS `a1`,
  CASE
    WHEN MAX(ABS(`v0`)) > CAST(1e+100 AS DOUBLE)
    THEN NULL
    ELSE SUM(
      CASE
        WHEN ABS(`v0`) <= CAST(1e+100 AS DOUBLE)
        THEN (
          `v0` - `m0`
        ) * (
          `v0` - `m0`
        ) * (
          `v0` - `m0`
        )
      END
    )
  END AS `a2`,
  CASE
    WHEN MAX(ABS(`v1`)) > CAST(1e+75 AS DOUBLE)
    THEN NULL
    ELSE SUM(CASE WHEN ABS(`v1`) <= CAST(1e+75 AS DOUBLE) THEN (
      `v1` - `m1`
    ) END)
  END AS `a3`,
  CASE
    WHEN MAX(ABS(`v1`)) > CAST(1e+75 AS DOUBLE)
    THEN NULL
    ELSE SUM(
      CASE
        WHEN ABS(`v1`) <= CAST(1e+75 AS DOUBLE)
        THEN (
          `v1` - `m1`
        ) * (
          `v1` - `m1`
        )
      END
    )
  END AS `a4`,
  CASE
    WHEN MAX(ABS(`v1`)) > CAST(1e+75 AS DOUBLE)
    THEN NULL
    ELSE SUM(
      CASE
        WHEN ABS(`v1`) <= CAST(1e+75 AS DOUBLE)
        THEN (
          `v1` - `m1`
        ) * (
          `v1` - `m1`
        ) * (
          `v1` - `m1`
        )
      END
    )
  END AS `a5`,
  CASE
    WHEN MAX(ABS(`v1`)) > CAST(1e+75 AS DOUBLE)
    THEN NULL
    ELSE SUM(
      CASE
        WHEN ABS(`v1`) <= CAST(1e+75 AS DOUBLE)
        THEN (
          `v1` - `m1`
        ) * (
          `v1` - `m1`
        ) * (
          `v1` - `m1`
        ) * (
          `v1` - `m1`
        )
      END
    )
  END AS `a6`,
  CASE
    WHEN MAX(ABS(`v2`)) > CAST(1e+100 AS DOUBLE)
    THEN NULL
    ELSE SUM(CASE WHEN ABS(`v2`) <= CAST(1e+100 AS DOUBLE) THEN (
      `v2` - `m2`
    ) END)
  END AS `a7`,
  CASE
    WHEN MAX(ABS(`v2`)) > CAST(1e+100 AS DOUBLE)
    THEN NULL
    ELSE SUM(
      CASE
        WHEN ABS(`v2`) <= CAST(1e+100 AS DOUBLE)
        THEN (
          `v2` - `m2`
        ) * (
          `v2` - `m2`
        )
      END
    )
  END AS `a8`,
  CASE
    WHEN MAX(ABS(`v2`)) > CAST(1e+100 AS DOUBLE)
    THEN NULL
    ELSE SUM(
      CASE
        WHEN ABS(`v2`) <= CAST(1e+100 AS DOUBLE)
        THEN (
          `v2` - `m2`
        ) * (
          `v2` - `m2`
        ) * (
          `v2` - `m2`
        )
      END
    )
  END AS `a9`,
  CASE
    WHEN MAX(ABS(`v3`)) > CAST(1e+75 AS DOUBLE)
    THEN NULL
    ELSE SUM(CASE WHEN ABS(`v3`) <= CAST(1e+75 AS DOUBLE) THEN (
      `v3` - `m3`
    ) END)
  END AS `a10`,
  CASE
    WHEN MAX(ABS(`v3`)) > CAST(1e+75 AS DOUBLE)
    THEN NULL
    ELSE SUM(
      CASE
        WHEN ABS(`v3`) <= CAST(1e+75 AS DOUBLE)
        THEN (
          `v3` - `m3`
        ) * (
          `v3` - `m3`
        )
      END
    )
  END AS `a11`,
  CASE
    WHEN MAX(ABS(`v3`)) > CAST(1e+75 AS DOUBLE)
    THEN NULL
    ELSE SUM(
      CASE
        WHEN ABS(`v3`) <= CAST(1e+75 AS DOUBLE)
        THEN (
          `v3` - `m3`
        ) * (
          `v3` - `m3`
        ) * (
          `v3` - `m3`
        )
      END
    )
  END AS `a12`,
  CASE
    WHEN MAX(ABS(`v3`)) > CAST(1e+75 AS DOUBLE)
    THEN NULL
    ELSE SUM(
      CASE
        WHEN ABS(`v3`) <= CAST(1e+75 AS DOUBLE)
        THEN (
          `v3` - `m3`
        ) * (
          `v3` - `m3`
        ) * (
          `v3` - `m3`
        ) * (
          `v3` - `m3`
        )
      END
    )
  END AS `a13`,
  CASE
    WHEN MAX(ABS(`v4`)) > CAST(1e+100 AS DOUBLE)
    THEN NULL
    ELSE SUM(CASE WHEN ABS(`v4`) <= CAST(1e+100 AS DOUBLE) THEN (
      `v4` - `m4`
    ) END)
  END AS `a14`,
  CASE
    WHEN MAX(ABS(`v4`)) > CAST(1e+100 AS DOUBLE)
    THEN NULL
    ELSE SUM(
      CASE
        WHEN ABS(`v4`) <= CAST(1e+100 AS DOUBLE)
        THEN (
          `v4` - `m4`
        ) * (
          `v4` - `m4`
        )
      END
    )
  END AS `a15`,
  CASE
    WHEN MAX(ABS(`v4`)) > CAST(1e+100 AS DOUBLE)
    THEN NULL
    ELSE SUM(
      CASE
        WHEN ABS(`v4`) <= CAST(1e+100 AS DOUBLE)
        THEN (
          `v4` - `m4`
        ) * (
          `v4` - `m4`
        ) * (
          `v4` - `m4`
        )
      END
    )
  END AS `a16`,
  CASE
    WHEN MAX(ABS(`v5`)) > CAST(1e+75 AS DOUBLE)
    THEN NULL
    ELSE SUM(CASE WHEN ABS(`v5`) <= CAST(1e+75 AS DOUBLE) THEN (
      `v5` - `m5`
    ) END)
  END AS `a17`,
  CASE
    WHEN MAX(ABS(`v5`)) > CAST(1e+75 AS DOUBLE)
    THEN NULL
    ELSE SUM(
      CASE
        WHEN ABS(`v5`) <= CAST(1e+75 AS DOUBLE)
        THEN (
          `v5` - `m5`
        ) * (
          `v5` - `m5`
        )
      END
    )
  END AS `a18`,
  CASE
    WHEN MAX(ABS(`v5`)) > CAST(1e+75 AS DOUBLE)
    THEN NULL
    ELSE SUM(
      CASE
        WHEN ABS(`v5`) <= CAST(1e+75 AS DOUBLE)
        THEN (
          `v5` - `m5`
        ) * (
          `v5` - `m5`
        ) * (
          `v5` - `m5`
        )
      END
    )
  END AS `a19`,
  CASE
    WHEN MAX(ABS(`v5`)) > CAST(1e+75 AS DOUBLE)
    THEN NULL
    ELSE SUM(
      CASE
        WHEN ABS(`v5`) <= CAST(1e+75 AS DOUBLE)
        THEN (
          `v5` - `m5`
        ) * (
          `v5` - `m5`
        ) * (
          `v5` - `m5`
        ) * (
          `v5` - `m5`
        )
      END
    )
  END AS `a20`
FROM (
  SELECT
    `w`.*,
    AVG(CASE WHEN ABS(`v0`) <= CAST(1e+100 AS DOUBLE) THEN `v0` END) OVER (PARTITION BY `p`, `g0`, `g1`) AS `m0`,
    AVG(CASE WHEN ABS(`v1`) <= CAST(1e+75 AS DOUBLE) THEN `v1` END) OVER (PARTITION BY `p`, `g0`, `g1`) AS `m1`,
    AVG(CASE WHEN ABS(`v2`) <= CAST(1e+100 AS DOUBLE) THEN `v2` END) OVER (PARTITION BY `p`, `g0`, `g1`) AS `m2`,
    AVG(CASE WHEN ABS(`v3`) <= CAST(1e+75 AS DOUBLE) THEN `v3` END) OVER (PARTITION BY `p`, `g0`, `g1`) AS `m3`,
    AVG(CASE WHEN ABS(`v4`) <= CAST(1e+100 AS DOUBLE) THEN `v4` END) OVER (PARTITION BY `p`, `g0`, `g1`) AS `m4`,
    AVG(CASE WHEN ABS(`v5`) <= CAST(1e+75 AS DOUBLE) THEN `v5` END) OVER (PARTITION BY `p`, `g0`, `g1`) AS `m5`
  FROM (
    SELECT
      `lupus_period` AS `p`,
      CAST(`Origin` AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_0900_bin AS `g0`,
      `gate` AS `g1`,
      CASE WHEN FALSE THEN NULL ELSE CAST(`delay` AS DOUBLE) END AS `v0`,
      CASE WHEN FALSE THEN NULL ELSE CAST(`delay` AS DOUBLE) END AS `v1`,
      CAST(`odd "name" ``x` AS DOUBLE) AS `v2`,
      CAST(`odd "name" ``x` AS DOUBLE) AS `v3`,
      CAST(`late` AS DOUBLE) AS `v4`,
      CAST(`late` AS DOUBLE) AS `v5`
    FROM (SELECT * FROM (SELECT t.*, CASE WHEN t.`at` < TIMESTAMP '2013-11-03 04:00:00+00:00' THEN 0 WHEN t.`at` < TIMESTAMP '2013-11-04 05:00:00+00:00' THEN 1 ELSE 2 END AS `lupus_period` FROM `mart`.`flights` t WHERE t.`at` >= TIMESTAMP '2013-11-02 04:00:00+00:00' AND t.`at` < TIMESTAMP '2013-11-05 05:00:00+00:00') t WHERE (delay > -60 -- in minutes
)) AS `s`
  ) AS `w`
) AS `r`
GROUP BY
  `p`,
  `g0`,
  `g1`;
