#!/usr/bin/env python3
"""The relational macros against hand-written DuckDB SQL, pandas and Polars on the same events.

    python3 benches/relational.py --duckdb DIR --extension PATH [--rows 1000000] [--threads 2] [--repeat 3]

The events come from footfall.generate_events, or with --data from a Parquet file with the columns
`user_id, item_id, category_id, action, ts`. every contender starts from data in memory (a DuckDB
table, a frame), writes its result to memory, and is timed as the best of --repeat runs in wall time and in
CPU time of the process; CPU time is the one to read on a busy machine. pandas and Polars are left out,
and said to be, where they are not installed. A ratio above 1 means that the macro is faster.
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
    "activity": (
        "FROM footfall.activity(events, user_id, action, ts)",
        """SELECT hour(ts) AS bucket, count(*), count(DISTINCT user_id), count(*) FILTER (action = 'buy'),
             (SELECT count(DISTINCT CAST(ts AS DATE)) FROM events) FROM events GROUP BY bucket""",
    ),
    "conversion": (
        "FROM footfall.conversion(events, user_id, category_id, action)",
        """SELECT category_id, count(*) FILTER (action = 'pv'), count(*) FILTER (action = 'cart'), count(*) FILTER (action = 'fav'),
             count(*) FILTER (action = 'buy') AS buys, count(DISTINCT user_id) FILTER (action = 'pv'),
             count(DISTINCT user_id) FILTER (action = 'buy') FROM events GROUP BY category_id ORDER BY buys DESC LIMIT 20""",
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
             UNION ALL SELECT user_id, 3, min(t) FROM s3 GROUP BY user_id)
           SELECT a.step, count(*), median(a.t - b.t) FROM r AS a LEFT JOIN r AS b ON a.user_id = b.user_id AND b.step = a.step - 1 GROUP BY a.step""",
    ),
    "rfm": (
        "WITH buys AS NOT MATERIALIZED (FROM events WHERE action = 'buy') FROM footfall.rfm(buys, user_id, ts)",
        """WITH c AS (SELECT user_id, (SELECT CAST(max(ts) AS DATE) FROM events WHERE action = 'buy') - CAST(max(ts) AS DATE) AS days, count(*) AS n FROM events WHERE action = 'buy' GROUP BY user_id)
           SELECT *, 1 + 5 * (rank() OVER (ORDER BY days DESC) - 1 + count(*) OVER (ORDER BY days DESC)) // (2 * count(*) OVER ()) AS r,
             1 + 5 * (rank() OVER (ORDER BY n) - 1 + count(*) OVER (ORDER BY n)) // (2 * count(*) OVER ()) AS f, r || f AS rf FROM c""",
    ),
    "sequences": (
        "FROM footfall.sequences(events, user_id, action, ts)",
        """SELECT user_id, [x.action FOR x IN l] AS actions, [x.ts FOR x IN l] AS times
           FROM (SELECT user_id, list_sort(list({'ts': ts, 'action': action})) AS l FROM events GROUP BY user_id)""",
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
        for action in ("cart", "buy"):
            later = frame[frame["action"] == action].join(first.rename("before"), on="user_id", how="inner")
            first = later[later["ts"] >= later["before"]].groupby("user_id")["ts"].min()
        return first

    def rfm():
        buys = frame[frame["action"] == "buy"]
        c = buys.groupby("user_id")["ts"].agg(["max", "size"])
        days = (buys["ts"].max().normalize() - c["max"].dt.normalize()).dt.days
        return 1 + (5 * (1 - days.rank(pct=True))).astype(int), 1 + (5 * c["size"].rank(pct=True)).astype(int)

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
        for action in ("cart", "buy"):
            later = lazy.filter(c("action") == action).join(first, on="user_id").filter(c("ts") >= c("before"))
            first = later.group_by("user_id").agg(c("ts").min().alias("before"))
        return run(first)

    def rfm():
        buys = lazy.filter(c("action") == "buy").group_by("user_id").agg(c("ts").max(), pl.len().alias("n"))
        days = (c("ts").dt.date().max() - c("ts").dt.date()).dt.total_days()
        return run(buys.with_columns(r=days.rank(descending=True) / pl.len(), f=c("n").rank() / pl.len()))

    def sequences():
        return run(lazy.sort("user_id", "ts", "action").group_by("user_id", maintain_order=True).agg("action", "ts"))

    return {"clean_events": clean, "activity": activity, "conversion": conversion, "funnel": funnel, "rfm": rfm, "sequences": sequences}


def measure(work, repeat):
    """The least wall and CPU seconds of `repeat` runs."""
    walls, cpus = [], []
    for _ in range(repeat):
        usage, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        work()
        walls.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpus.append(after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime)
    return min(walls), min(cpus)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duckdb", required=True, metavar="DIR", help="folder with an unpacked duckdb wheel")
    parser.add_argument("--extension", required=True, metavar="PATH")
    parser.add_argument("--data", metavar="PARQUET")
    parser.add_argument("--rows", type=int, default=1_000_000, help="about how many events to generate")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(QUERIES), default=list(QUERIES))
    arguments = parser.parse_args()

    os.environ["POLARS_MAX_THREADS"] = str(arguments.threads)
    sys.path.insert(0, arguments.duckdb)
    import duckdb

    connection = duckdb.connect(config={"allow_unsigned_extensions": "true", "threads": arguments.threads})
    connection.execute(f"LOAD '{arguments.extension}'")
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.data
        if path is None:
            path = f"{folder}/events.parquet"
            users = max(1, arguments.rows // 100)
            connection.execute(f"COPY (FROM footfall.generate_events(users := {users})) TO '{path}'")
        connection.execute(f"CREATE TABLE events AS SELECT user_id, item_id, category_id, action, ts FROM '{path}'")
        (n_rows,) = connection.execute("SELECT count(*) FROM events").fetchone()
        print(f"{n_rows:,} events, DuckDB {duckdb.__version__} with {arguments.threads} threads, best of {arguments.repeat}")
        peers = {}
        try:
            import pandas

            peers["pandas"] = pandas_work(pandas, pandas.read_parquet(path))
            print(f"pandas {pandas.__version__}, 1 thread")
        except ImportError as missing:
            print(f"pandas left out: {missing}")
        try:
            import polars

            peers["polars"] = polars_work(polars, polars.read_parquet(path))
            print(f"Polars {polars.__version__}, streaming, {polars.thread_pool_size()} threads")
        except ImportError as missing:
            print(f"Polars left out: {missing}")

        print(f"\n{'wall s (CPU s)':<16}" + "".join(f"{name:>22}" for name in ("macro", "SQL by hand", *peers)))
        for name in arguments.only:
            works = {"macro": QUERIES[name][0], "hand": QUERIES[name][1]}
            works = {k: (lambda sql=sql: connection.execute(f"CREATE OR REPLACE TEMP TABLE result AS {sql}")) for k, sql in works.items()}
            works |= {peer: functions[name] for peer, functions in peers.items() if name in functions}
            times = {k: measure(work, arguments.repeat) for k, work in works.items()}
            cells = []
            for k in ("macro", "hand", *peers):
                if k not in times:
                    cells.append("")
                    continue
                wall, cpu = times[k]
                ratio = "" if k == "macro" else f" {wall / times['macro'][0]:.2f}x"
                cells.append(f"{wall:.2f} ({cpu:.2f}){ratio}")
            print(f"{name:<16}" + "".join(f"{cell:>22}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
