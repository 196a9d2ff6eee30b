#!/usr/bin/env python3
"""The relational macros against hand-written DuckDB SQL, pandas, Polars and Spark on the same events.

    python3 benches/relational.py --duckdb DIR --extension PATH [--data PARQUET | --rows 1000000] [--threads 2]
        [--repeat 3] [--only NAME …] [--against hand pandas polars pyspark] [--memory-limit 6GB]

The events come from footfall.generate_events, or with --data from a Parquet file with the columns
`user_id, item_id, category_id, action, ts` (`make bench-data`). Every contender starts from its data (a table in a
DuckDB database file, a frame in memory, for Spark a cached one), writes its result to memory, and is timed as the best of --repeat runs in
wall time and in CPU time of the process; CPU time is the one to read on a busy machine. The contenders take turns,
every second time in the opposite order. Peers that are not installed are left out, and said to be; Spark needs Java
17, and has no CPU time here because it works in a process of its own. A ratio above 1 means that the macro is faster.

With --memory-limit DuckDB spills to the folder beside the database, and each cell has the peak of resident memory
while it ran. Give `--against` without names to time the macros alone.
"""

import argparse
import os
import resource
import sys
import tempfile
import time

FROM, UNTIL = "2017-11-25", "2017-12-04"

# name: (macro, best hand-written SQL found for the same numbers)
QUERIES = {
    "clean_events": (
        f"FROM footfall.clean_events(events, user_id, item_id, category_id, action, ts, valid_from := DATE '{FROM}', valid_until := DATE '{UNTIL}')",
        f"""SELECT DISTINCT user_id, item_id, category_id, action, ts FROM events
            WHERE user_id IS NOT NULL AND item_id IS NOT NULL AND category_id IS NOT NULL
              AND action IN ('pv', 'cart', 'fav', 'buy') AND ts >= DATE '{FROM}' AND ts < DATE '{UNTIL}'""",
    ),
    "cleaning_report": (
        f"FROM footfall.cleaning_report(events, user_id, item_id, category_id, action, ts, valid_from := DATE '{FROM}', valid_until := DATE '{UNTIL}')",
        f"""SELECT reason, sum(n), count(*) FROM (
              SELECT CASE WHEN user_id IS NULL OR item_id IS NULL OR category_id IS NULL OR action IS NULL OR ts IS NULL THEN 1
                WHEN action NOT IN ('pv', 'cart', 'fav', 'buy') THEN 2 WHEN ts < DATE '{FROM}' THEN 3
                WHEN ts >= DATE '{UNTIL}' THEN 4 ELSE 0 END AS reason, n
              FROM (SELECT user_id, item_id, category_id, action, ts, count(*) AS n FROM events GROUP BY ALL)) GROUP BY reason""",
    ),
    # Times that are decades off are in the events, so the days are those of the period.
    "activity": (
        f"FROM footfall.activity(events, user_id, action, ts, period_from := DATE '{FROM}', period_until := DATE '{UNTIL}')",
        f"""WITH counts AS (SELECT hour(ts) AS bucket, count(*) AS n, count(DISTINCT user_id) AS users, count(*) FILTER (action = 'buy') AS buys
             FROM events WHERE ts >= DATE '{FROM}' AND ts < DATE '{UNTIL}' GROUP BY bucket)
           SELECT hours.bucket, coalesce(n, 0) / 9 AS rate, coalesce(users, 0), coalesce(buys, 0) / 9 AS buy_rate, rate / avg(rate) OVER (),
             bar(rate, 0, max(rate) OVER (), 26), bar(buy_rate, 0, max(buy_rate) OVER (), 26)
           FROM range(24) AS hours(bucket) LEFT JOIN counts ON counts.bucket = hours.bucket ORDER BY hours.bucket""",
    ),
    # The days are those from the first event to the last, which one scan of the events has to find as well.
    "activity, days": (
        f"WITH kept AS NOT MATERIALIZED (FROM events WHERE ts >= DATE '{FROM}' AND ts < DATE '{UNTIL}') FROM footfall.activity(kept, user_id, action, ts)",
        f"""WITH counts AS MATERIALIZED (SELECT hour(ts) AS bucket, count(*) AS n, count(DISTINCT user_id) AS users,
               count(*) FILTER (action = 'buy') AS buys, min(ts) AS first_ts, max(ts) AS last_ts
             FROM events WHERE ts >= DATE '{FROM}' AND ts < DATE '{UNTIL}' GROUP BY bucket)
           SELECT hours.bucket, coalesce(n, 0) / days AS rate, coalesce(users, 0), coalesce(buys, 0) / days AS buy_rate, rate / avg(rate) OVER (),
             bar(rate, 0, max(rate) OVER (), 26), bar(buy_rate, 0, max(buy_rate) OVER (), 26)
           FROM range(24) AS hours(bucket) LEFT JOIN counts ON counts.bucket = hours.bucket,
             (SELECT CAST(max(last_ts) AS DATE) - CAST(min(first_ts) AS DATE) + 1 AS days FROM counts) ORDER BY hours.bucket""",
    ),
    "promotion_effect": (
        f"""FROM footfall.promotion_effect(events, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-04',
             period_from := DATE '{FROM}', period_until := DATE '{UNTIL}')""",
        f"""WITH g AS MATERIALIZED (SELECT action, CAST(ts AS DATE) AS d, user_id, count(*) AS n
             FROM events WHERE ts >= DATE '{FROM}' AND ts < DATE '{UNTIL}' GROUP BY ALL),
           w AS MATERIALIZED (SELECT CAST(d AS DATE) AS d, d >= DATE '2017-12-02' AS i, CASE WHEN i THEN 1 ELSE 0 END AS wi,
             CASE WHEN d < DATE '2017-11-27' THEN 1 ELSE 0 END AS wo FROM range(DATE '{FROM}', DATE '{UNTIL}', INTERVAL 1 DAY) AS days(d)),
           ua AS MATERIALIZED (SELECT action, user_id, sum(n * wi) AS x, sum(n * wo) AS y, sum(wi) AS dx, sum(wo) AS dy,
             sum(n) FILTER (NOT i) AS ao FROM g JOIN w USING (d) GROUP BY action, user_id),
           t AS MATERIALIZED (SELECT action, sum(x) AS x, sum(y) AS y, sum(dx) AS dx, sum(dy) AS dy, sum(ao) AS ao FROM ua GROUP BY action),
           us AS MATERIALIZED (SELECT user_id, sum(wi) AS a, sum(wo) AS v, bool_or(i) AS inside,
             count(DISTINCT (DATE '2017-12-01' - d) // 2) FILTER (d BETWEEN DATE '2017-11-26' AND DATE '2017-12-01') AS k
             FROM (SELECT DISTINCT user_id, d FROM g) JOIN w USING (d) GROUP BY user_id),
           s AS MATERIALIZED (SELECT sum(a) AS a, sum(v) AS v, count(*) AS n, avg(CAST(inside AS INTEGER)) AS si, avg(k) / 3 AS so FROM us),
           q AS MATERIALIZED (SELECT user_id, us.a / s.a - us.v / s.v AS q FROM us, s),
           e AS (SELECT action, sum((ua.x / t.x - ua.y / t.y) ** 2) AS pp, sum((ua.x / t.x - ua.y / t.y) * q) AS pq
             FROM ua JOIN t USING (action) JOIN q USING (user_id) GROUP BY action),
           b AS (SELECT count(*) AS nb, count(*) FILTER (f >= DATE '2017-12-02') AS nf
             FROM (SELECT min(d) AS f, max(d) AS l FROM g WHERE action = 'buy' GROUP BY user_id) WHERE l >= DATE '2017-12-02')
           SELECT action, x, y, x / y AS lift, a / v AS users_lift, (x / a) / (y / v) AS per_user, sqrt(pp * n / (n - 1)) AS se,
             sqrt((pp - 2 * pq + (SELECT sum(q ** 2) FROM q)) * n / (n - 1)) AS se_per_user, (x / 2) / (ao / 7) AS all_days, dx, dy, nb, nf, si, so
           FROM t JOIN e USING (action), s, b ORDER BY x + ao DESC""",
    ),
    "conversion": (
        "FROM footfall.conversion(events, user_id, category_id, action)",
        """SELECT category_id, count(*) FILTER (action = 'pv'), count(*) FILTER (action = 'cart'), count(*) FILTER (action = 'fav'),
             count(*) FILTER (action = 'buy') AS buys, count(DISTINCT user_id) FILTER (action = 'pv') AS viewers,
             count(DISTINCT user_id) FILTER (action = 'buy') AS buyers,
             viewers + buyers - count(DISTINCT user_id) FILTER (action IN ('pv', 'buy')) AS both
           FROM events GROUP BY category_id ORDER BY buys DESC LIMIT 20""",
    ),
    "conversion, all": (
        "FROM footfall.conversion(events, user_id, category_id, action, top := NULL)",
        """SELECT category_id, sum(v), sum(c), sum(f), sum(b) AS buys, count(user_id) FILTER (v > 0), count(user_id) FILTER (b > 0),
             count(user_id) FILTER (v > 0 AND b > 0)
           FROM (SELECT category_id, user_id, count(*) FILTER (action = 'pv') AS v, count(*) FILTER (action = 'cart') AS c,
             count(*) FILTER (action = 'fav') AS f, count(*) FILTER (action = 'buy') AS b FROM events GROUP BY ALL)
           GROUP BY category_id ORDER BY buys DESC""",
    ),
    "funnel": (
        "FROM footfall.funnel(events, user_id, action, ts)",
        """WITH s1 AS (SELECT user_id, min(ts) AS t FROM events WHERE action = 'pv' GROUP BY user_id),
           s2 AS (SELECT user_id, min(ts) AS t, min(ts) - any_value(s1.t) AS d FROM events JOIN s1 USING (user_id) WHERE action = 'cart' AND ts >= s1.t GROUP BY user_id),
           s3 AS (SELECT user_id, min(ts) - any_value(s2.t) AS d FROM events JOIN s2 USING (user_id) WHERE action = 'buy' AND ts >= s2.t GROUP BY user_id)
           SELECT (SELECT count(*) FROM s1), (SELECT count(*) FROM s2), (SELECT count(*) FROM s3), (SELECT median(d) FROM s2),
             (SELECT median(d) FROM s3), (SELECT count(DISTINCT user_id) FROM events WHERE action = 'cart'),
             (SELECT count(DISTINCT user_id) FROM events WHERE action = 'buy')""",
    ),
    "funnel, 1 day": (
        "FROM footfall.funnel(events, user_id, action, ts, within := INTERVAL 1 DAY)",
        """WITH s1 AS (SELECT user_id, ts AS t, ts AS f FROM events WHERE action = 'pv'),
           s2 AS (SELECT e.user_id, e.ts AS t, s1.f FROM (FROM events WHERE action = 'cart') e ASOF JOIN s1 ON e.user_id = s1.user_id AND e.ts >= s1.t WHERE e.ts <= s1.f + INTERVAL 1 DAY),
           s3 AS (SELECT e.user_id, e.ts AS t, s2.f FROM (FROM events WHERE action = 'buy') e ASOF JOIN s2 ON e.user_id = s2.user_id AND e.ts >= s2.t WHERE e.ts <= s2.f + INTERVAL 1 DAY),
           r AS (SELECT user_id, 1 AS step, min(t) AS t FROM s1 GROUP BY user_id UNION ALL SELECT user_id, 2, min(t) FROM s2 GROUP BY user_id
             UNION ALL SELECT user_id, 3, min(t) FROM s3 GROUP BY user_id),
           far AS (SELECT user_id, max(step) AS n, max_by(t, step) AS done FROM r GROUP BY user_id),
           c1 AS (SELECT user_id, min(ts) AS t1, any_value(n) AS n, any_value(done) AS done FROM events JOIN far USING (user_id)
             WHERE n > 1 AND action = 'pv' AND ts + INTERVAL 1 DAY >= done GROUP BY user_id),
           c2 AS (SELECT user_id, min(ts) AS t2, any_value(t1) AS t1, any_value(n) AS n, any_value(done) AS done FROM events JOIN c1 USING (user_id)
             WHERE action = 'cart' AND ts >= t1 GROUP BY user_id)
           SELECT (SELECT count(*) FROM far), count(*), count(*) FILTER (n = 3), median(t2 - t1), median(done - t2) FILTER (n = 3),
             (SELECT count(DISTINCT user_id) FROM events WHERE action = 'cart'), (SELECT count(DISTINCT user_id) FROM events WHERE action = 'buy')
           FROM c2""",
    ),
    "rfm": (
        "WITH buys AS NOT MATERIALIZED (FROM events WHERE action = 'buy') FROM footfall.rfm(buys, user_id, ts)",
        """WITH c AS (SELECT user_id, (SELECT CAST(max(ts) AS DATE) FROM events WHERE action = 'buy') - CAST(max(ts) AS DATE) AS days, count(*) AS n
             FROM (SELECT DISTINCT user_id, ts FROM events WHERE action = 'buy') GROUP BY user_id)
           SELECT *, 1 + 5 * (rank() OVER (ORDER BY days DESC) - 1 + count(*) OVER (ORDER BY days DESC)) // (2 * count(*) OVER ()) AS r,
             CASE WHEN n = 1 THEN 1 ELSE 2 + 4 * (rank() OVER (PARTITION BY n > 1 ORDER BY n) - 1 + count(*) OVER (PARTITION BY n > 1 ORDER BY n))
               // (2 * count(*) OVER (PARTITION BY n > 1)) END AS f, r || f AS rf FROM c""",
    ),
    "rfm, all rows": (
        "FROM footfall.rfm(events, user_id, ts)",
        """WITH c AS (SELECT user_id, (SELECT CAST(max(ts) AS DATE) FROM events) - CAST(max(ts) AS DATE) AS days, count(*) AS n
             FROM (SELECT DISTINCT user_id, ts FROM events) GROUP BY user_id)
           SELECT *, 1 + 5 * (rank() OVER (ORDER BY days DESC) - 1 + count(*) OVER (ORDER BY days DESC)) // (2 * count(*) OVER ()) AS r,
             CASE WHEN n = 1 THEN 1 ELSE 2 + 4 * (rank() OVER (PARTITION BY n > 1 ORDER BY n) - 1 + count(*) OVER (PARTITION BY n > 1 ORDER BY n))
               // (2 * count(*) OVER (PARTITION BY n > 1)) END AS f, r || f AS rf FROM c""",
    ),
    "rfm, money": (
        "FROM footfall.rfm(events, user_id, ts, amount := item_id, order_id := category_id)",
        """WITH o AS (SELECT user_id, min(ts) AS ts, sum(CAST(item_id AS DOUBLE)) AS amount FROM events GROUP BY user_id, category_id),
             c AS (SELECT user_id, (SELECT CAST(max(ts) AS DATE) FROM events) - CAST(max(ts) AS DATE) AS days, count(*) AS n, sum(amount) AS money
               FROM o WHERE round(amount, 2) > 0 GROUP BY user_id)
           SELECT *, 1 + 5 * (rank() OVER (ORDER BY days DESC) - 1 + count(*) OVER (ORDER BY days DESC)) // (2 * count(*) OVER ()) AS r,
             CASE WHEN n = 1 THEN 1 ELSE 2 + 4 * (rank() OVER (PARTITION BY n > 1 ORDER BY n) - 1 + count(*) OVER (PARTITION BY n > 1 ORDER BY n))
               // (2 * count(*) OVER (PARTITION BY n > 1)) END AS f,
             1 + 5 * (rank() OVER (ORDER BY money) - 1 + count(*) OVER (ORDER BY money)) // (2 * count(*) OVER ()) AS m, r || f || m AS rfm FROM c""",
    ),
    "time_features": (
        "SELECT f.* FROM (SELECT time_features(ts) AS f FROM events)",
        """SELECT CAST(ts AS DATE) AS date, hour(ts), isodow(ts), dayname(ts), day(ts), week(ts), month(ts), isodow(ts) >= 6,
             sin(hour(ts) * pi() / 12), cos(hour(ts) * pi() / 12), sin((isodow(ts) - 1) * pi() / 3.5), cos((isodow(ts) - 1) * pi() / 3.5)
           FROM events""",
    ),
    # By hand what is tied is shuffled as well, though another way whenever the rows or DuckDB change, and not counted.
    "sequences": (
        "FROM footfall.sequences(events, user_id, action, ts)",
        """SELECT user_id, [x.action FOR x IN l] AS actions, [x.ts FOR x IN l] AS times
           FROM (SELECT user_id, list_sort(list({'ts': ts, 'shuffle': hash(user_id, ts, n), 'action': action})) AS l
             FROM (SELECT *, row_number() OVER () AS n FROM events) GROUP BY user_id)""",
    ),
    "sequences, ties": (
        "FROM footfall.sequences(events, user_id, action, ts, tie_break := item_id)",
        """SELECT user_id, [x.action FOR x IN l] AS actions, [x.ts FOR x IN l] AS times
           FROM (SELECT user_id, list_sort(list({'ts': ts, 'tie': item_id, 'shuffle': hash(user_id, ts, n), 'action': action})) AS l
             FROM (SELECT *, row_number() OVER () AS n FROM events) GROUP BY user_id)""",
    ),
}


def pandas_work(pd, frame):
    keys = ["user_id", "item_id", "category_id", "action", "ts"]
    known, low, high = ["pv", "cart", "fav", "buy"], pd.Timestamp(FROM), pd.Timestamp(UNTIL)

    def clean():
        good = frame.dropna(subset=keys)
        good = good[good["action"].isin(known) & (good["ts"] >= low) & (good["ts"] < high)]
        return good.drop_duplicates(subset=keys)

    def activity():
        hours = frame["ts"].dt.hour
        bought = (frame["action"] == "buy").groupby(hours).sum()
        return frame.groupby(hours)["user_id"].agg(["size", "nunique"]).assign(bought=bought), frame["ts"].dt.normalize().nunique()

    def conversion():
        counts = frame.pivot_table(index="category_id", columns="action", values="user_id", aggfunc="size", fill_value=0)
        best = counts.sort_values("buy", ascending=False).head(20)
        shown = frame[frame["category_id"].isin(best.index)]
        return best, shown.groupby(["category_id", "action"])["user_id"].nunique()

    def funnel():
        first = frame[frame["action"] == "pv"].groupby("user_id")["ts"].min()
        steps = [(len(first), None, None)]
        for action in ("cart", "buy"):
            followers = frame[frame["action"] == action]
            later = followers.join(first.rename("before"), on="user_id", how="inner")
            reached = later[later["ts"] >= later["before"]].groupby("user_id").agg(ts=("ts", "min"), before=("before", "first"))
            steps.append((len(reached), (reached["ts"] - reached["before"]).median(), followers["user_id"].nunique()))
            first = reached["ts"]
        return steps

    def rfm():
        buys = frame[frame["action"] == "buy"].drop_duplicates(["user_id", "ts"])
        c = buys.groupby("user_id")["ts"].agg(["max", "size"])
        days = (buys["ts"].max().normalize() - c["max"].dt.normalize()).dt.days
        half = 0.5 / len(c)
        r = (5 * (days.rank(pct=True, ascending=False) - half)).astype(int) + 1
        again = c["size"][c["size"] > 1]
        f = ((4 * (again.rank(pct=True) - 0.5 / len(again))).astype(int) + 2).reindex(c.index, fill_value=1)
        return c.assign(days=days, r=r, f=f, rf=r.astype(str) + f.astype(str))

    def sequences():
        ordered = frame.sort_values(["user_id", "ts", "action"], kind="stable")
        groups = ordered.groupby("user_id", sort=False)
        return groups["action"].agg(list), groups["ts"].agg(list)

    return {"clean_events": clean, "activity": activity, "conversion": conversion, "funnel": funnel, "rfm": rfm, "sequences": sequences}


def polars_work(pl, frame):
    c, lazy = pl.col, frame.lazy()
    low, high = pl.lit(FROM).str.to_datetime(), pl.lit(UNTIL).str.to_datetime()
    run = lambda query: query.collect(engine="streaming")

    def clean():
        good = c("action").is_in(["pv", "cart", "fav", "buy"]) & (c("ts") >= low) & (c("ts") < high)
        return run(lazy.drop_nulls().filter(good).unique())

    def activity():
        hours = lazy.group_by(c("ts").dt.hour()).agg(pl.len(), c("user_id").n_unique(), (c("action") == "buy").sum().alias("bought"))
        return run(hours), run(lazy.select(c("ts").dt.date().n_unique()))

    def conversion():
        counts = lazy.group_by("category_id").agg(*[(c("action") == a).sum().alias(a) for a in ("pv", "cart", "fav", "buy")])
        best = counts.sort("buy", descending=True).head(20)
        shown = lazy.join(best.select("category_id"), on="category_id", how="semi")
        return run(best), run(shown.group_by("category_id", "action").agg(c("user_id").n_unique()))

    def funnel():
        first = lazy.filter(c("action") == "pv").group_by("user_id").agg(c("ts").min().alias("before"))
        steps = [first.select(pl.len().alias("users"))]
        for action in ("cart", "buy"):
            followers = lazy.filter(c("action") == action)
            later = followers.join(first, on="user_id").filter(c("ts") >= c("before"))
            reached = later.group_by("user_id").agg(c("ts").min(), c("before").first())
            steps.append(reached.select(pl.len().alias("users"), (c("ts") - c("before")).median().alias("time")))
            steps.append(followers.select(c("user_id").n_unique()))
            first = reached.select("user_id", before="ts")
        return pl.collect_all(steps, engine="streaming")

    def rfm():
        buys = lazy.filter(c("action") == "buy").select("user_id", "ts").unique().group_by("user_id").agg(c("ts").max(), pl.len().alias("n"))
        days = (c("ts").dt.date().max() - c("ts").dt.date()).dt.total_days()
        again = pl.when(c("n") > 1).then(c("n"))
        f = ((4 * (again.rank() - 0.5) / again.count()).cast(pl.Int32) + 2).fill_null(1)
        scored = buys.with_columns(days=days, r=(5 * (days.rank(descending=True) - 0.5) / pl.len()).cast(pl.Int32) + 1, f=f)
        return run(scored.with_columns(rf=pl.concat_str("r", "f")))

    def sequences():
        return run(lazy.sort("user_id", "ts", "action").group_by("user_id", maintain_order=True).agg("action", "ts"))

    return {"clean_events": clean, "activity": activity, "conversion": conversion, "funnel": funnel, "rfm": rfm, "sequences": sequences}


def spark_work(_, frame):
    from pyspark.sql import Window, functions as f

    c = f.col
    run = lambda query: query.write.format("noop").mode("overwrite").save()
    when = lambda action, value: f.when(c("action") == action, value)

    def clean():
        good = c("action").isin("pv", "cart", "fav", "buy") & (c("ts") >= FROM) & (c("ts") < UNTIL)
        run(frame.dropna().filter(good).dropDuplicates())

    def activity():
        run(frame.groupBy(f.hour("ts")).agg(f.count("*"), f.countDistinct("user_id"), f.count(when("buy", 1))))
        run(frame.select(f.countDistinct(f.to_date("ts"))))

    def conversion():
        counts = [f.count(when(a, 1)).alias(a) for a in ("pv", "cart", "fav", "buy")]
        best = frame.groupBy("category_id").agg(*counts).orderBy(f.desc("buy")).limit(20)
        users = [f.countDistinct(when(a, c("user_id"))) for a in ("pv", "buy")]
        run(frame.join(f.broadcast(best), "category_id").groupBy(*best.columns).agg(*users))

    def funnel():
        first = frame.filter(c("action") == "pv").groupBy("user_id").agg(f.min("ts").alias("before")).cache()
        kept = [first]
        run(first.select(f.count("*")))
        for action in ("cart", "buy"):
            followers = frame.filter(c("action") == action)
            later = followers.join(first, "user_id").filter(c("ts") >= c("before"))
            reached = later.groupBy("user_id").agg(f.min("ts").alias("ts"), f.first("before").alias("before")).cache()
            kept.append(reached)
            run(reached.select(f.count("*"), f.median(f.timestamp_diff("MICROSECOND", "before", "ts"))))
            run(followers.select(f.countDistinct("user_id")))
            first = reached.select("user_id", c("ts").alias("before"))
        for cached in kept:
            cached.unpersist()

    def rfm():
        buyers = frame.filter(c("action") == "buy").select("user_id", "ts").distinct().groupBy("user_id").agg(f.max("ts").alias("last"), f.count("*").alias("n"))
        newest = frame.filter(c("action") == "buy").agg(f.max(f.to_date("ts")).alias("newest"))
        days = buyers.crossJoin(f.broadcast(newest)).withColumn("days", f.datediff("newest", "last"))
        score = lambda scores, window: (scores * (f.cume_dist().over(window) + f.percent_rank().over(window)) / 2).cast("int")
        scored = days.withColumn("r", 1 + score(5, Window.orderBy(f.desc("days"))))
        again = Window.partitionBy(c("n") > 1).orderBy("n")
        scored = scored.withColumn("f", f.when(c("n") == 1, 1).otherwise(2 + score(4, again)))
        run(scored.withColumn("rf", f.concat("r", "f")))

    def sequences():
        events = frame.groupBy("user_id").agg(f.sort_array(f.collect_list(f.struct("ts", "action"))).alias("events"))
        run(events.select("user_id", c("events.action"), c("events.ts")))

    return {"clean_events": clean, "activity": activity, "conversion": conversion, "funnel": funnel, "rfm": rfm, "sequences": sequences}


def spark_frame(threads, path):
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{threads}]").config("spark.driver.memory", "12g")
    # The 200 parts of a shuffle are meant for clusters.
    builder = builder.config("spark.sql.shuffle.partitions", 2 * threads)
    builder = builder.config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
    session = builder.config("spark.sql.session.timeZone", "UTC").config("spark.log.level", "ERROR").getOrCreate()
    frame = session.read.parquet(os.path.abspath(path)).select("user_id", "item_id", "category_id", "action", "ts").cache()
    frame.count()
    return frame


PEERS = {"pandas": pandas_work, "polars": polars_work, "pyspark": spark_work}


def resident(key):
    """A line of /proc/self/status in MB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key)) / 1000


def measure(works, repeat, too_much):
    """Per work the least wall and CPU seconds and the greatest peak of resident memory in MB; the works take turns.

    A work that raises `too_much` has infinite times."""
    best = {name: (float("inf"), float("inf"), 0) for name in works}
    for turn in range(repeat):
        for name, work in list(works.items())[:: -1 if turn % 2 else 1]:
            with open("/proc/self/clear_refs", "w") as forget:
                forget.write("5")
            usage, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
            try:
                work()
            except too_much as error:
                print(f"{name}: {str(error).splitlines()[0]}")
                continue
            wall = time.perf_counter() - start
            after = resource.getrusage(resource.RUSAGE_SELF)
            cpu = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
            wall, cpu = min(best[name][0], wall), min(best[name][1], cpu)
            best[name] = wall, cpu, max(best[name][2], resident("VmHWM"))
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duckdb", required=True, metavar="DIR", help="folder with an unpacked duckdb wheel")
    parser.add_argument("--extension", required=True, metavar="PATH")
    parser.add_argument("--data", metavar="PARQUET")
    parser.add_argument("--rows", type=int, default=1_000_000, help="about how many events to generate")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(QUERIES), default=list(QUERIES), metavar="NAME", help=", ".join(QUERIES))
    parser.add_argument("--against", nargs="*", choices=["hand", *PEERS], default=["hand", *PEERS])
    parser.add_argument("--memory-limit", metavar="SIZE", help="of DuckDB, such as 6GB")
    parser.add_argument("--folder", default="build", help="where files are written while this runs")
    arguments = parser.parse_args()

    os.environ["POLARS_MAX_THREADS"] = str(arguments.threads)
    sys.path.insert(0, arguments.duckdb)
    import duckdb

    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        config = {"allow_unsigned_extensions": "true", "threads": arguments.threads, "temp_directory": f"{folder}/spilled"}
        if arguments.memory_limit:
            config["memory_limit"] = arguments.memory_limit
        connection = duckdb.connect(f"{folder}/events.duckdb", config=config)
        connection.execute(f"LOAD '{arguments.extension}'")
        path = arguments.data
        if path is None:
            path = f"{folder}/events.parquet"
            users = max(1, arguments.rows // 100)
            connection.execute(f"COPY (FROM footfall.generate_events(users := {users})) TO '{path}'")
        connection.execute(f"CREATE TABLE events AS SELECT user_id, item_id, category_id, action, ts FROM '{path}'")
        connection.execute("CHECKPOINT")
        (n_rows,) = connection.execute("SELECT count(*) FROM events").fetchone()
        limit = f", memory_limit {arguments.memory_limit}" if arguments.memory_limit else ""
        print(f"{n_rows:,} events, DuckDB {duckdb.__version__} with {arguments.threads} threads{limit}, best of {arguments.repeat}")
        peers = {}
        for peer, work in PEERS.items():
            if peer not in arguments.against:
                continue
            try:
                module = __import__(peer)
                if peer == "pyspark":
                    frame = spark_frame(arguments.threads, path)
                elif peer == "pandas":
                    frame = connection.execute("FROM events").df()
                else:
                    frame = module.read_parquet(path)
            except (ImportError, RuntimeError) as missing:
                print(f"{peer} left out: {missing}")
                continue
            peers[peer] = work(module, frame)
            n_threads = {"pandas": 1, "pyspark": arguments.threads}.get(peer) or module.thread_pool_size()
            print(f"{peer} {module.__version__}, threads: {n_threads}")

        contenders = ["macro"] + [name for name in ("hand",) if name in arguments.against] + list(peers)
        print(f"\n{'wall s (CPU s)':<16}" + "".join(f"{name:>26}" for name in contenders), flush=True)
        for name in arguments.only:
            queries = dict(zip(("macro", "hand"), QUERIES[name]))
            works = {k: (lambda sql=sql: connection.execute(f"CREATE OR REPLACE TEMP TABLE result AS {sql}")) for k, sql in queries.items() if k in contenders}
            works |= {peer: functions[name] for peer, functions in peers.items() if name in functions}
            best = measure(works, arguments.repeat, duckdb.OutOfMemoryException)
            cells = []
            for k in contenders:
                if k not in best:
                    cells.append("")
                    continue
                wall, cpu, peak = best[k]
                ratio = "" if k == "macro" else f" {wall / best['macro'][0]:.2f}x"
                memory = f" {peak:,.0f} MB" if arguments.memory_limit else ""
                cpu = "" if k == "pyspark" else f" ({cpu:.2f})"
                cells.append(f"{wall:.2f}{cpu}{ratio}{memory}")
            print(f"{name:<16}" + "".join(f"{cell:>26}" for cell in cells), flush=True)
            connection.execute("DROP TABLE IF EXISTS result")


if __name__ == "__main__":
    main()
