#!/usr/bin/env python3
"""Counting over items: CPU seconds of the macros, and of the same numbers from hand-written SQL.

    python3 benches/items.py --duckdb DIR --extension PATH [--users 10150] [--threads 2] [--repeat 3]

The events come from footfall.generate_events: 10,150 users give a little more than a million. By hand the rules are a self-join-free
window query over lead() 1 to 10, with the 100 heaviest of each item; it has neither the users nor the lift of a rule.

Then recommending from a model of the items, and beside it numpy: a score for every item of the catalogue by the weights of the same model (its rules of
one item as a sparse row, the user's own items, popularity of all events), and the ten best by a partial sort.
"""

import argparse
import resource
import sys
import time

from turns import best_of

HAND = """CREATE OR REPLACE TABLE hand AS
WITH seq AS (SELECT user_id, list(item_id ORDER BY ts) AS items FROM events GROUP BY user_id),
  d AS (SELECT items, unnest(range(1, 11)) AS d FROM seq),
  p AS (SELECT unnest(items[:-(d + 1)]) AS a, unnest(items[d + 1:]) AS b, d FROM d WHERE len(items) > d),
  w AS (SELECT a, b, sum(1.0::DOUBLE / d) AS w FROM p GROUP BY a, b)
SELECT a, b, w FROM w QUALIFY row_number() OVER (PARTITION BY a ORDER BY w DESC, b) <= 100"""


RECOMMEND = "SELECT count(*), sum(len(shown)) FROM (SELECT recommend(model, items, 10, 'none') AS shown FROM lists, run)"


class Numpy:
    """The mixture of a model with a score for every item."""

    def __init__(self, con):
        import numpy as np

        self.np = np
        info = con.execute("SELECT item_model_info(model) FROM run").fetchone()[0]
        self.shares = info["repeat"], info["rules"], info["popular"]
        self.power = float(info["made_of"].split("age^-")[1].split(")")[0])
        train = con.execute("SELECT items[:len(list_filter(times, lambda t: t < validation_from))] FROM lists, run").fetchall()
        train = [np.array(items) for (items,) in train if items]
        self.ids = np.unique(np.concatenate(train))
        self.counts = np.bincount(np.searchsorted(self.ids, np.concatenate(train))).astype(float)
        self.popular = self.counts / self.counts.sum()
        self.train = [np.searchsorted(self.ids, items) for items in train]
        self.rows = {}
        for items in self.train:
            for place, item in enumerate(items.tolist()):
                row = self.rows.setdefault(item, {})
                for distance, follower in enumerate(items[place + 1 : place + 11].tolist(), 1):
                    row[follower] = row.get(follower, 0) + 1 / distance
        for item, row in self.rows.items():
            self.rows[item] = np.fromiter(row, np.int64), np.fromiter(row.values(), float)

    def recommend(self, items, k=10):
        np = self.np
        repeat, rules, popular = self.shares
        places = np.searchsorted(self.ids, items)
        places[places == len(self.ids)] = 0
        is_known = self.ids[places] == items
        nexts, weights = self.rows[places[is_known][-1]] if is_known.any() else (np.zeros(0, np.int64), np.zeros(0))
        total = weights.sum() + 1
        scores = (rules / total + popular) * self.popular
        scores[nexts] += rules / total * weights
        ages = np.arange(len(items), 0, -1.0) ** -self.power
        np.add.at(scores, places[is_known], repeat * ages[is_known] / ages.sum())
        best = np.argpartition(-scores, k)[:k]
        return self.ids[best[np.argsort(-scores[best])]]


def compare_recommending(con, repeat):
    con.execute("CREATE TABLE lists AS FROM footfall.sequences(events, user_id, action, ts, item := item_id)")
    con.execute("CREATE TABLE run AS FROM footfall.train_items(lists, items, times := times)")
    n_users, n_items, n_bytes, made_of = con.execute(
        "SELECT (SELECT count(*) FROM lists), n_items, octet_length(model), made_of FROM run"
    ).fetchone()
    print(f"recommend: {n_users} users, a model of {n_items} items with {n_bytes / 1e6:.1f} MB, {made_of}")
    begun = time.perf_counter()
    con.execute("SELECT recommend(model, [1], 10) FROM run").fetchall()
    print(f"{'the first answer of a model':36} {time.perf_counter() - begun:7.3f} s")
    ((_, (wall, cpu)),) = best_of(repeat, lambda: con.execute(RECOMMEND).fetchall())
    print(f"{'recommend':36} {n_users / wall:10.0f} users/s, {n_users / cpu:.0f} a CPU second")
    peer = Numpy(con)
    histories = [peer.np.array(items) for (items,) in con.execute("SELECT items FROM lists LIMIT 2000").fetchall()]
    ((_, (wall, cpu)),) = best_of(1, lambda: [peer.recommend(items) for items in histories])
    print(f"{'numpy, one score per item':36} {len(histories) / wall:10.0f} users/s, {len(histories) / cpu:.0f} a CPU second")


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
    compare_recommending(con, given.repeat)
    print(f"peak of resident memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
