#!/usr/bin/env python3
"""k-means in SQL against scikit-learn on the same customers, in the same run.

    python3 benches/kmeans.py --duckdb DIR --extension PATH [--customers 1000000] [--threads 2] [--repeat 3] [--only NAME]

The customers are made with numpy from a fixed seed: recency in days, number of purchases, money in cents
(hardly two alike), and 8 continuous coordinates in 10 groups or in none. SQL starts from a DuckDB table and is timed
whole, `kmeans(list([...]), k)`; scikit-learn starts from an array that is standardised already. Each side
runs --repeat times in turn and the best counts, in wall time and in CPU time of the process; CPU time is
the one to read on a busy machine (scikit-learn's threads spin while they wait, which counts for it). For
noise, times and inertia are sums over five seeds. A ratio above 1 means that SQL is faster. The inertia of both sides, of standardised coordinates, stands beside
the ratio: at or below 0 in the column `inertia` means that SQL's is no higher, relative to scikit-learn's.
"""

import argparse
import os
import sys
import warnings

from turns import best_of


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--duckdb", required=True, help="folder with an unpacked duckdb wheel")
    parser.add_argument("--extension", required=True)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default="", help="run the cases whose name contains this")
    return parser.parse_args()


def customers(np, n):
    random = np.random.default_rng(0)
    recency = random.integers(0, 9, n) * (random.random(n) < 0.8)
    frequency = np.minimum(random.geometric(0.33, n) + (random.random(n) < 0.05) * random.poisson(8, n), 200)
    money = np.round(np.exp(random.normal(4, 1, n)) * frequency, 2)
    noise = random.normal(size=(n, 8))
    centres = random.normal(size=(10, 8)) * 2
    return {
        "rf": np.column_stack([recency, frequency]).astype(float),
        "rfm": np.column_stack([recency, frequency, money]),
        "groups8": noise + centres[random.integers(0, 10, n)],
        "noise8": noise,
    }


def main():
    given = arguments()
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(given.threads)
    sys.path.insert(0, given.duckdb)
    import duckdb
    import numpy as np
    import pandas as pd
    import sklearn
    from sklearn.cluster import KMeans
    from sklearn.metrics import davies_bouldin_score, silhouette_score

    warnings.filterwarnings("ignore")
    sys.path.pop(0)
    connection = duckdb.connect(config={"allow_unsigned_extensions": True})
    connection.execute(f"LOAD '{given.extension}'")
    connection.execute(f"SET threads = {given.threads}")
    version = connection.execute("SELECT footfall_version()").fetchone()[0]
    print(f"footfall {version} in DuckDB {duckdb.__version__}, scikit-learn {sklearn.__version__}, numpy {np.__version__}")
    print(f"{given.customers:,} customers, {given.threads} threads on both sides, best of {given.repeat}")
    print(f"{'':34}{'SQL s':>9}{'CPU s':>9}{'peer s':>9}{'CPU s':>9}{'ratio':>8}{'CPU':>8}  inertia")
    sets = customers(np, given.customers)
    columns = {}
    for name, points in sets.items():
        columns[name] = [f"x{i}" for i in range(points.shape[1])]
        frame = pd.DataFrame(points, columns=columns[name])
        connection.execute(f"CREATE TABLE {name} AS SELECT row_number() OVER () AS id, * FROM frame")

    def report(title, sql, peer, relative=""):
        (_, (wall, cpu)), (_, (peer_wall, peer_cpu)) = sql, peer
        print(
            f"{title:34}{wall:9.3f}{cpu:9.3f}{peer_wall:9.3f}{peer_cpu:9.3f}"
            f"{peer_wall / wall:8.1f}{peer_cpu / cpu:8.1f}  {relative}",
            flush=True,
        )

    def query(sql):
        return lambda: connection.execute(sql).fetchall()

    scaled = {name: (points - points.mean(0)) / points.std(0) for name, points in sets.items()}
    for name, ks, starts in [
        ("rf", (5, 10), (10, 1)),
        ("rfm", (5, 10), (10, 1)),
        ("groups8", (10,), (10, 1)),
        ("noise8", (10,), (1,)),
    ]:
        features = "[" + ", ".join(columns[name]) + "]"
        for k in ks:
            for n_init in starts:
                title = f"{name}, k = {k}, n_init = {n_init}"
                if given.only not in title:
                    continue
                # Without any structure the number of iterations is luck: several seeds for both sides.
                seeds = range(1, 6) if name == "noise8" else (1,)

                def sql():
                    options = f"n_init: {n_init}, threads: {given.threads}"
                    starts = [f"SELECT kmeans(list({features}), {k}, {{{options}, seed: {seed}}}).inertia FROM {name}" for seed in seeds]
                    return sum(query(start)()[0][0] for start in starts)

                def peer():
                    return sum(KMeans(k, n_init=n_init, random_state=seed).fit(scaled[name]).inertia_ for seed in seeds)

                sql, peer = best_of(given.repeat, sql, peer)
                report(title, sql, peer, f"{sql[0] / peer[0] - 1:+.1e}")

    # scikit-learn gets merged points; SQL gets them too, or merges the million in its query.
    merging = "SELECT x0, x1, count(*) AS n FROM rf GROUP BY ALL"
    merged, counts = np.unique(scaled["rf"], axis=0, return_counts=True)
    connection.execute(f"CREATE TABLE merged AS {merging}")
    for k in (5, 10):
        for what, source in (("merged rf", "merged"), ("rf merged in SQL", f"({merging})")):
            title = f"{what}, k = {k}, n_init = 10"
            if given.only not in title:
                continue
            sql = query(f"SELECT kmeans(list([x0, x1]), {k}, {{threads: {given.threads}}}, list(n)).inertia FROM {source}")
            peer = lambda: KMeans(k, n_init=10, random_state=1).fit(merged, sample_weight=counts).inertia_
            sql, peer = best_of(given.repeat, sql, peer)
            report(title, sql, peer, f"{sql[0][0][0] / peer[0] - 1:+.1e}")

    for name in ("rf", "rfm"):
        title = f"choose_k 2 to 10, {name}"
        if given.only not in title:
            continue

        def peer():
            chosen = []
            for k in range(2, 11):
                model = KMeans(k, n_init=10, random_state=1).fit(scaled[name])
                silhouette = silhouette_score(scaled[name], model.labels_, sample_size=4096, random_state=1)
                chosen.append((silhouette, davies_bouldin_score(scaled[name], model.labels_), model.inertia_))
            return chosen

        features = "[" + ", ".join(columns[name]) + "]"
        sql, peer = best_of(1, query(f"FROM footfall.choose_k({name}, {features})"), peer)
        worst = max(ours[1] / theirs[2] - 1 for ours, theirs in zip(sql[0], peer[0]))
        report(title, sql, peer, f"{worst:+.1e} at most")

    title = "kmeans_assign, 10 M rows"
    if given.only in title:
        connection.execute("CREATE TABLE model AS SELECT kmeans(list([x0, x1, x2]), 5) AS m FROM rfm")
        connection.execute(f"CREATE TABLE many AS SELECT r.* FROM rfm AS r, range({10_000_000 // given.customers}) LIMIT 10_000_000")
        n = connection.execute("SELECT count(*) FROM many").fetchone()[0]
        bare = query("SELECT sum(x0 + x1 + x2) FROM many")
        lists = query("SELECT sum(len([x0, x1, x2])) FROM many")
        sql = query("SELECT sum(kmeans_assign(m, [x0, x1, x2])) FROM many, model")
        timed = best_of(given.repeat, sql, lists, bare)
        for what, (_, (wall, cpu)) in zip((title, "  making the lists alone", "  reading the columns alone"), timed):
            print(f"{what:34}{wall:9.3f}{cpu:9.3f}{n / wall / 1e6:9.1f} M rows/s")


main()
