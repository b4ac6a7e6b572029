SELECT
  `p`,
  count(1) AS `a0`,
  sum(`v0`) AS `a1`,
  count(`v0`) AS `a2`
FROM (
  SELECT
    `lupus_period` AS `p`,
    `delay` AS `r0`,
    CASE WHEN IS_NAN(`delay`) THEN NULL ELSE CAST(`delay` AS FLOAT64) END AS `v0`
  FROM (SELECT * FROM (SELECT t.*, CASE WHEN t.`clock` < DATETIME '2013-11-03 00:00:00' THEN 0 WHEN t.`clock` < DATETIME '2013-11-04 00:00:00' THEN 1 ELSE 2 END AS `lupus_period` FROM `mart`.`flights` t WHERE t.`clock` >= DATETIME '2013-11-02 00:00:00' AND t.`clock` < DATETIME '2013-11-05 00:00:00') t WHERE (delay > -60 -- in minutes
)) AS `s`
) AS `r`
GROUP BY
  `p`;
