#!/usr/bin/env python3
"""The study inside Spark: CPU seconds of footfall in Spark's tasks, of native Spark SQL for the same six stages, and of MLlib's k-means.

    PYTHONPATH=build/spark/wheel:build/duckdb/2.0.0 build/spark/requirements_java/bin/python benches/spark.py [--users 10150] [--partitions 4]

`make test-spark` installs what it needs. 10,150 users give a little more than a million events, 100,000 ten million. CPU seconds are
those of the driver, the JVM and all Python workers together; both sides read the same Parquet in one run, and the numbers that
both give are compared.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import footfall.spark

CLEAN = "user_id, item_id, category_id, action, ts, valid_from := DATE '2017-11-25', valid_until := DATE '2017-12-04'"
BUYS = "WITH buys AS (FROM events WHERE action = 'buy')"
OURS = {
    "activity": "FROM footfall.activity(events, user_id, action, ts)",
    "conversion": "FROM footfall.conversion(events, user_id, category_id, action, top := NULL)",
    "funnel": "FROM footfall.funnel(events, user_id, action, ts)",
    "cohorts": "FROM footfall.cohorts(events, user_id, ts, period := 'day')",
    "repeat_purchase": f"{BUYS} FROM footfall.repeat_purchase(buys, user_id, ts)",
}
NATIVE = {
    "activity": """
        SELECT hour(ts) AS h, count(*) AS events, count(DISTINCT user_id) AS users, count_if(action = 'buy') AS buys FROM clean GROUP BY 1""",
    "conversion": """
        SELECT category_id, sum(v) AS views, sum(b) AS buys, count_if(v > 0) AS viewers, count_if(b > 0) AS buyers, count_if(v > 0 AND b > 0) AS both
        FROM (SELECT category_id, user_id, count_if(action = 'pv') AS v, count_if(action = 'buy') AS b FROM clean GROUP BY 1, 2) GROUP BY 1""",
    # The walk of a user is a fold over his sorted events: no join of the events with themselves.
    "funnel": """
        WITH walked AS (
            SELECT aggregate(
                sort_array(collect_list(struct(ts, CASE action WHEN 'pv' THEN 0 WHEN 'cart' THEN 1 ELSE 2 END AS step))),
                CAST(array() AS ARRAY<TIMESTAMP_NTZ>), (done, e) -> IF(size(done) = e.step, concat(done, array(e.ts)), done)) AS done
            FROM clean WHERE action IN ('pv', 'cart', 'buy') GROUP BY user_id)
        SELECT count_if(size(done) >= 1) AS viewed, count_if(size(done) >= 2) AS put, count_if(size(done) >= 3) AS bought,
            percentile(unix_micros(CAST(get(done, 1) AS TIMESTAMP)) - unix_micros(CAST(get(done, 0) AS TIMESTAMP)), 0.5) AS median_to_cart,
            percentile(unix_micros(CAST(get(done, 2) AS TIMESTAMP)) - unix_micros(CAST(get(done, 1) AS TIMESTAMP)), 0.5) AS median_to_buy
        FROM walked""",
    "cohorts": """
        WITH days AS (SELECT user_id, to_date(ts) AS day FROM clean GROUP BY 1, 2),
        firsts AS (SELECT user_id, day, min(day) OVER (PARTITION BY user_id) AS first FROM days)
        SELECT first, datediff(day, first) AS d, count(*) AS users FROM firsts GROUP BY 1, 2""",
    "repeat_purchase": """
        WITH days AS (SELECT user_id, to_date(ts) AS day FROM clean WHERE action = 'buy' GROUP BY 1, 2),
        gaps AS (SELECT user_id, datediff(day, lag(day) OVER (PARTITION BY user_id ORDER BY day)) AS gap FROM days)
        SELECT count(DISTINCT user_id) AS buyers, count(DISTINCT CASE WHEN gap IS NOT NULL THEN user_id END) AS again, percentile(gap, 0.5) AS median
        FROM gaps""",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=10150)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--points", type=int, default=200_000, help="for k-means")
    given = parser.parse_args()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    settings = {"ui.enabled": "false", "log.level": "OFF", "ui.showConsoleProgress": "false", "driver.memory": "2g", "sql.session.timeZone": "UTC"}
    settings["sql.shuffle.partitions"] = given.partitions
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(f"spark.{name}", value)
    spark = builder.getOrCreate()
    cluster = footfall.spark.Cluster(spark)
    with tempfile.TemporaryDirectory() as folder:
        study(spark, cluster, given, f"{folder}/events.parquet")
        clusters(spark, cluster, given, f"{folder}/points.parquet")
    spark.stop()


def study(spark, cluster, given, path):
    cluster.duckdb.execute(f"COPY (FROM footfall.generate_events(users := {given.users})) TO '{path}'")
    [[n_events]] = cluster.duckdb.execute(f"SELECT count(*) FROM '{path}'").fetchall()
    print(f"Spark {spark.version}, local[2], {given.partitions} partitions, {n_events} events")
    events = spark.read.parquet(path)
    # What every process does once, for both sides: classes, workers, LOAD.
    warm = cluster.keep(events.limit(1000), "user_id", given.partitions)
    warm.report(OURS["activity"])
    events.limit(1000).createOrReplaceTempView("clean")
    for sql in NATIVE.values():
        spark.sql(sql).collect()
    ours = Table("footfall in Spark")
    kept = ours.timed("receipt, clean and keep", lambda: cluster.keep(
        events, "user_id", given.partitions, f"FROM footfall.clean_events(events, {CLEAN})", receipt=f"FROM footfall.cleaning_report(events, {CLEAN})"))
    got = ours.timed("five reports in one pass", lambda: {name: table.fetchall() for name, table in kept.reports(**OURS).items()})
    kept.drop()
    theirs = Table("native Spark SQL")
    theirs.timed("receipt, clean and keep", lambda: clean(spark, events))
    their = {name: theirs.timed(name, lambda sql=sql: spark.sql(sql).collect()) for name, sql in NATIVE.items()}
    compare(cluster, got, their)
    print(f"ratio of CPU seconds, native to ours: {theirs.cpu / ours.cpu:.2f}\n")


def clean(spark, events):
    """Rows that cleaning keeps, in the partitions of their users, and how many were dropped for what."""
    from pyspark import StorageLevel

    bad = "user_id IS NULL OR action NOT IN ('pv', 'buy', 'cart', 'fav') OR ts < TIMESTAMP_NTZ '2017-11-25' OR ts >= TIMESTAMP_NTZ '2017-12-04'"
    events.repartition("user_id").where(f"NOT ({bad})").dropDuplicates().persist(StorageLevel.DISK_ONLY).createOrReplaceTempView("clean")
    counts = "count_if(user_id IS NULL) AS nobody, count_if(ts < TIMESTAMP_NTZ '2017-11-25') AS before, count(*) AS n_rows"
    return events.selectExpr(*counts.split(", ")).collect(), spark.table("clean").count()


def compare(cluster, ours, theirs):
    hours = {row[0]: tuple(row[1:]) for row in theirs["activity"]}
    same = [row[3:5] for row in ours["activity"]] == [hours[row[0]][:2] for row in ours["activity"]]
    steps = [row[2] for row in ours["funnel"]] == list(theirs["funnel"][0][:3])
    print(f"the same hours: {same}, the same steps: {steps}, the same buyers: {ours['repeat_purchase'][0][:2] == tuple(theirs['repeat_purchase'][0][:2])}")


def clusters(spark, cluster, given, path):
    from pyspark.ml.clustering import KMeans
    from pyspark.ml.feature import StandardScaler, VectorAssembler

    uniform = "(hash({0} || i) / 18446744073709551616.0 + 1e-12)"
    u1, u2, u3, u4 = (uniform.format(f"'v{i}'") for i in range(1, 5))
    cluster.duckdb.execute(f"""COPY (
        SELECT i AS id, round(-30 * ln({u1})) AS r, 1 + round(-4 * ln({u2})) AS f, round(exp(3 + 1.1 * sqrt(-2 * ln({u3})) * cos(2 * pi() * {u4})), 2) AS m
        FROM range({given.points}) numbers(i)) TO '{path}'""")
    raw = VectorAssembler(inputCols=["r", "f", "m"], outputCol="raw").transform(spark.read.parquet(path))
    points = StandardScaler(inputCol="raw", outputCol="features").fit(raw).transform(raw).select("features").cache()
    points.count()
    table = Table(f"k-means of {given.points} points, k = 8")
    theirs = table.timed("MLlib, one start", lambda: KMeans(k=8, seed=42, maxIter=300, tol=1e-4).fit(points).summary.trainingCost)
    cpu = table.cpu
    sql = f"SELECT footfall.main.kmeans(list([r, f, m]), 8, {{'threads': 2}}).inertia FROM '{path}'"
    [[ours]] = table.timed("footfall, ten starts", lambda: cluster.duckdb.execute(sql).fetchall())
    n = given.points
    # MLlib scales by the deviation of a sample.
    print(f"inertia, MLlib to ours: {theirs / (ours * (n - 1) / n):.4f}; ratio of CPU seconds {cpu / (table.cpu - cpu):.1f}")


class Table:
    """Prints a line for each piece of work, and adds up the CPU seconds of all processes under this one."""

    def __init__(self, title):
        self.cpu = 0
        print(title)

    def timed(self, name, work):
        start, cpu = time.perf_counter(), cpu_seconds()
        result = work()
        cpu = cpu_seconds() - cpu
        self.cpu += cpu
        print(f"    {name:28} {cpu:8.2f} s CPU {time.perf_counter() - start:8.2f} s", flush=True)
        return result


def cpu_seconds():
    """User and system time of this process and of all that were seen below it; Spark ends idle workers, whose time counts too."""
    parents, times = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            values = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        process = int(stat.parent.name)
        parents[process], times[process] = int(values[1]), (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")
    ours = {os.getpid()}
    while not (more := {process for process, parent in parents.items() if parent in ours}) <= ours:
        ours |= more
    _seen.update((process, times[process]) for process in ours)
    return sum(_seen.values())


_seen = {}


if __name__ == "__main__":
    main()
