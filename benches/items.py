#!/usr/bin/env python3
"""Counting over items: CPU seconds of the macros, and of the same numbers from hand-written SQL.

    python3 benches/items.py --duckdb DIR --extension PATH [--users 10150] [--threads 2] [--repeat 3]

The events come from footfall.generate_events: 10,150 users give a little more than a million. By hand the rules are a self-join-free
window query over lead() 1 to 10, with the 100 heaviest of each item; it has neither the users nor the lift of a rule.
"""

import argparse
import resource
import sys

from turns import best_of

HAND = """CREATE OR REPLACE TABLE hand AS
WITH seq AS (SELECT user_id, list(item_id ORDER BY ts) AS items FROM events GROUP BY user_id),
  d AS (SELECT items, unnest(range(1, 11)) AS d FROM seq),
  p AS (SELECT unnest(items[:-(d + 1)]) AS a, unnest(items[d + 1:]) AS b, d FROM d WHERE len(items) > d),
  w AS (SELECT a, b, sum(1.0::DOUBLE / d) AS w FROM p GROUP BY a, b)
SELECT a, b, w FROM w QUALIFY row_number() OVER (PARTITION BY a ORDER BY w DESC, b) <= 100"""


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--duckdb", required=True)
    arguments.add_argument("--extension", required=True)
    arguments.add_argument("--users", type=int, default=10150)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--repeat", type=int, default=3)
    given = arguments.parse_args()
    sys.path.insert(0, given.duckdb)
    import duckdb

    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    con.execute(f"LOAD '{given.extension}'; SET threads = {given.threads}; SET enable_progress_bar = false")
    con.execute(f"CREATE TABLE events AS FROM footfall.generate_events(users := {given.users})")
    con.execute("CREATE TABLE histories AS FROM footfall.sequences(events, user_id, action, ts, item := category_id)")
    work = {
        "sequences with items": "CREATE OR REPLACE TABLE r AS FROM footfall.sequences(events, user_id, action, ts, item := item_id)",
        "item_rules of items": "CREATE OR REPLACE TABLE r AS FROM footfall.item_rules(events, user_id, item_id, ts)",
        "item_rules of items, by hand": HAND,
        "item_rules of categories": "CREATE OR REPLACE TABLE r AS FROM footfall.item_rules(events, user_id, category_id, ts)",
        "item_rules of categories, by hand": HAND.replace("item_id", "category_id"),
        "evaluate_items of categories": "CREATE OR REPLACE TABLE r AS FROM footfall.evaluate_items(histories, items, times := times)",
    }
    print(f"DuckDB {duckdb.__version__}, {given.threads} threads, {con.execute('SELECT count(*) FROM events').fetchone()[0]} events")
    timed = best_of(given.repeat, *(lambda sql=sql: con.execute(sql) for sql in work.values()))
    for name, (_, (wall, cpu)) in zip(work, timed):
        print(f"{name:36} {cpu:7.2f} s CPU {wall:7.2f} s")
    print(f"peak of resident memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
