"""What monitoring costs as it is usually written for Spark: one job for each column and variant, once by region and once over all rows.

Lists are exploded, cut to k by an RDD's map (or, a little better, by `slice`), and ranking is computed by Python UDFs. Every job's rows
are fetched with `toLocalIterator`. The same table, metrics and definitions as in our side of the comparison; see `workload.py`.

- `naive_w1`, distribution, 18 jobs: age, device, ratings and interests
- `naive_w2`, classification, 10 jobs: accuracy, labels, precision, recall and F1, confusion
- `naive_w3`, ranking, 22 jobs: nDCG, recall and precision at 5 and 10, MAP@10, MRR, entropy, unique items and coverage

    python benchmarks/naive_spark.py --rows 200000
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812  as everybody calls it

import workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import Column, DataFrame, Row

Variant = Literal["rdd", "slice"]
Answers = dict[tuple[str, str], list[Any]]
"""What the jobs found, by their names and by `region` or `overall`."""
LEVELS = {"region": ["region"], "overall": []}


def naive_w1(spark: SparkSession, path: str, variant: Variant = "rdd", age: str = "age") -> Answers:
    """Distribution; `age="age_continuous"` takes quantiles of a column in which no value is there twice."""
    df = spark.read.parquet(path)
    found: Answers = {}
    for level, keys in LEVELS.items():
        valid_age = df.where(F.col(age).isNotNull() & ~F.isnan(age))
        found["age", level] = _rows(valid_age.groupBy(*keys).agg(*_spread(age), F.percentile(age, [0.25, 0.5, 0.75, 0.95]).alias("p")))
        found["device count", level] = _rows(df.groupBy(*keys, "device").count())
        found["device unique", level] = _rows(df.groupBy(*keys).agg(F.countDistinct("device").alias("unique")))
        for name, cut in (("ratings", df), ("ratings@5", _cut(df, "ratings", 5, variant))):
            ratings = cut.select(*keys, F.explode("ratings").alias("rating")).where(F.col("rating").isNotNull() & ~F.isnan("rating"))
            found[name, level] = _rows(ratings.groupBy(*keys).agg(*_spread("rating")))
        for name, cut in (("interests count", df), ("interests count@5", _cut(df, "interests", 5, variant))):
            interests = cut.select(*keys, F.explode("interests").alias("interest"))
            found[name, level] = _rows(interests.groupBy(*keys, "interest").count())
        for name, cut in (("interests unique", df), ("interests unique@3", _cut(df, "interests", 3, variant))):
            interests = cut.select(*keys, F.explode("interests").alias("interest"))
            found[name, level] = _rows(interests.groupBy(*keys).agg(F.countDistinct("interest").alias("unique")))
    return found


def naive_w2(spark: SparkSession, path: str) -> Answers:
    """Classification, over the rows in which both the prediction and the truth are known."""
    df = spark.read.parquet(path).where(F.col("pred").isNotNull() & F.col("gt").isNotNull())
    found: Answers = {}
    for level, keys in LEVELS.items():
        right = F.col("pred") == F.col("gt")
        found["accuracy", level] = _rows(df.groupBy(*keys).agg(F.avg(right.cast("double")).alias("accuracy")))
        predicted = _rows(df.groupBy(*keys, F.col("pred").alias("label")).count())
        true = _rows(df.groupBy(*keys, F.col("gt").alias("label")).count())
        hits = _rows(df.where(right).groupBy(*keys, F.col("gt").alias("label")).count())
        found["pred count", level], found["gt count", level] = predicted, true
        found["label", level] = _labels(*({tuple(row[:-1]): row[-1] for row in rows} for rows in (predicted, true, hits)))
        found["confusion", level] = _rows(df.groupBy(*keys, "gt", "pred").count())
    return found


def naive_w3(spark: SparkSession, path: str, variant: Variant = "rdd") -> Answers:
    """Ranking; rows without anything relevant have no nDCG, recall, MAP and MRR. Entropy is in bits, coverage of all items."""
    df = spark.read.parquet(path)
    found: Answers = {}
    of_users: dict[str, dict[str, Column]] = {
        "ndcg": {f"ndcg@{k}": _udf(ndcg, k) for k in (5, 10)},
        "recall": {f"recall@{k}": _udf(recall, k) for k in (5, 10)},
        "precision": {f"precision@{k}": _udf(precision, k) for k in (5, 10)},
        "map": {"map@10": _udf(average_precision, 10)},
        "mrr": {"mrr": _udf(reciprocal_rank, 10)},
    }
    for level, keys in LEVELS.items():
        for name, columns in of_users.items():
            found[name, level] = _rows(df.groupBy(*keys).agg(*(F.avg(column).alias(metric) for metric, column in columns.items())))
        for k in (5, 10):
            items = _cut(df, "pred_items", k, variant).select(*keys, F.explode("pred_items").alias("item"))
            n, total = F.col("count"), F.sum("count")
            entropy = F.log2(total) - F.sum(n * F.log2(n)) / total
            unique = F.countDistinct("item")
            found[f"entropy@{k}", level] = _rows(items.groupBy(*keys, "item").count().groupBy(*keys).agg(entropy.alias("entropy")))
            found[f"unique@{k}", level] = _rows(items.groupBy(*keys).agg(unique.alias("unique")))
            found[f"coverage@{k}", level] = _rows(items.groupBy(*keys).agg((unique / workload.ITEMS).alias("coverage")))
    return found


def ndcg(pred: list[int], gt: list[int], k: int) -> float | None:
    if not gt:
        return None
    gain = sum(1 / math.log2(place + 2) for place, item in enumerate(pred[:k]) if item in gt)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(len(gt), k)))


def recall(pred: list[int], gt: list[int], k: int) -> float | None:
    return len(set(pred[:k]) & set(gt)) / len(gt) if gt else None


def precision(pred: list[int], gt: list[int], k: int) -> float:
    return len(set(pred[:k]) & set(gt)) / k


def average_precision(pred: list[int], gt: list[int], k: int) -> float | None:
    if not gt:
        return None
    hits, total = 0, 0.0
    for place, item in enumerate(pred[:k], 1):
        if item in gt:
            hits += 1
            total += hits / place
    return total / min(len(gt), k)


def reciprocal_rank(pred: list[int], gt: list[int], k: int) -> float | None:
    if not gt:
        return None
    return next((1 / place for place, item in enumerate(pred[:k], 1) if item in gt), 0.0)


def _udf(metric: Callable[[list[int], list[int], int], float | None], k: int) -> Column:
    # Pickled rows: with Arrow, the default of Spark 4.2, functions of lists were seen to hang beside pandas 3.
    return F.udf(lambda pred, gt: metric(pred, gt, k), "double", useArrow=False)("pred_items", "gt_items")


def _spread(column: str) -> list[Column]:
    return [F.avg(column).alias("avg"), F.min(column).alias("min"), F.max(column).alias("max")]


def _cut(df: DataFrame, column: str, k: int, variant: Variant) -> DataFrame:
    """The region and the first k elements of a list column."""
    pair = df.select("region", column)
    if variant == "slice":
        return pair.withColumn(column, F.slice(column, 1, k))
    return pair.rdd.map(lambda row: (row[0], row[1][:k] if row[1] is not None else None)).toDF(pair.schema)


def _labels(predicted: dict[Any, int], true: dict[Any, int], hits: dict[Any, int]) -> list[Any]:
    """Precision, recall and F1 of every label, with the group that they are of."""
    found = []
    for label in sorted(predicted.keys() | true.keys()):
        both, claimed, there = hits.get(label, 0), predicted.get(label, 0), true.get(label, 0)
        found.append((*label, both / claimed if claimed else None, both / there if there else None, 2 * both / (claimed + there)))
    return found


def _rows(df: DataFrame) -> list[Row]:
    return list(df.toLocalIterator())


def session(cores: int = 2) -> SparkSession:
    """A session as one would have it for a table of this size on one machine."""
    settings = {
        "spark.driver.memory": "4g",
        "spark.log.level": "ERROR",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(2 * cores),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    return SparkSession.builder.master(f"local[{cores}]").config(map=settings).getOrCreate()


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds of the usual way.")
    parser.add_argument("--rows", type=int, default=200_000)
    args = parser.parse_args()
    contestants: dict[str, Callable[[SparkSession, str], Answers]] = {
        "w1 rdd": naive_w1,
        "w1 slice": lambda spark, path: naive_w1(spark, path, "slice"),
        "w2": naive_w2,
        "w3": naive_w3,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "workload.parquet")
        workload.write(path, args.rows)
        start = time.perf_counter()
        spark = session()
        spark.read.parquet(path).count()
        print(f"{'session':10}{time.perf_counter() - start:8.2f} s")
        for name, contestant in contestants.items():
            start = time.perf_counter()
            found = contestant(spark, path)
            print(f"{name:10}{time.perf_counter() - start:8.2f} s  {sum(map(len, found.values())):10,} rows of answers")
        spark.stop()


if __name__ == "__main__":
    main()
