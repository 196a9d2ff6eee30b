#!/usr/bin/env python3
"""Customer value in SQL against lifetimes on the same customers, in the same run.

    python3 benches/value.py --duckdb DIR --extension PATH [--customers 1000000] [--repeat 3]

Needs numpy, pandas, scipy and lifetimes 0.11.3. The orders are those of CDNOW's 23,570 customers, which ship with lifetimes, and of
--customers customers drawn from BG/NBD with CDNOW's parameters (numpy, a fixed seed). SQL starts from a DuckDB table of orders and is timed whole; lifetimes starts
from a data frame of orders (`summary_data_from_transaction_data`, then the fitters). Each side runs --repeat times in turn, and the best
wall time counts; a ratio above 1 means that SQL is faster. Parameters and errors of both sides stand beside it.
"""

import argparse
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
    return parser.parse_args()


def cdnow(pd):
    from importlib.resources import files

    path = files("lifetimes") / "datasets" / "CDNOW_master.txt"
    orders = pd.read_csv(path, sep=r"\s+", skiprows=1, names=["id", "day", "quantity", "value"], dtype={"id": str, "day": str})
    return orders.assign(day=pd.to_datetime(orders.day, format="%Y%m%d"))[["id", "day", "value"]], "1997-09-30", "1998-06-30"


def drawn(np, pd, n):
    """Orders of n customers from BG/NBD with r 0.243, alpha 4.414 weeks, a 0.793, b 2.426, who began within a quarter."""
    random = np.random.default_rng(0)
    rate = random.gamma(0.243, 7 / 4.414 / 49, n)
    dropout = random.beta(0.793, 2.426, n)
    begun = random.integers(0, 91, n)
    ids, days = [np.arange(n)], [begun]
    alive, now = np.arange(n), begun.astype(float)
    while len(alive):
        now = now + random.exponential(1 / np.maximum(rate[alive], 1e-12))
        within = now < 546
        alive, now = alive[within], now[within]
        ids.append(alive)
        days.append(now.astype(int))
        stays = random.random(len(alive)) > dropout[alive]
        alive, now = alive[stays], now[stays]
    ids, days = np.concatenate(ids), np.concatenate(days)
    value = np.round(random.gamma(6.25, 1, len(ids)) / random.gamma(3.74, 1 / 15.45, n)[ids], 2) + 0.01
    orders = pd.DataFrame({"id": ids, "day": pd.Timestamp("1997-01-01") + pd.to_timedelta(days, "D"), "value": value})
    return orders, "1997-09-30", "1998-06-30"


def summary(lifetimes, orders, end):
    return lifetimes.utils.summary_data_from_transaction_data(orders, "id", "day", "value", observation_period_end=end, freq="D", freq_multiplier=7)


def main():
    given = arguments()
    sys.path.insert(0, given.duckdb)
    import duckdb
    import lifetimes
    import numpy as np
    import pandas as pd

    warnings.filterwarnings("ignore")
    connection = duckdb.connect(config={"allow_unsigned_extensions": True})
    connection.execute(f"LOAD '{given.extension}'")
    connection.execute(f"SET threads = {given.threads}")
    print(f"DuckDB {duckdb.__version__}, lifetimes {lifetimes.__version__}, {given.threads} threads")
    print(f"{'data':<10} {'what':<10} {'SQL s':>9} {'lifetimes s':>12} {'ratio':>7}")
    for name, (orders, end, until) in {"cdnow": cdnow(pd), "drawn": drawn(np, pd, given.customers)}.items():
        orders = orders[orders.value > 0]
        connection.register("given_orders", orders)
        connection.execute("CREATE OR REPLACE TABLE orders AS SELECT id, CAST(day AS DATE) AS day, value FROM given_orders")

        def fit_sql():
            connection.execute(f"CREATE OR REPLACE TABLE learned AS FROM footfall.fit_clv(orders, id, day, amount := value, as_of := DATE '{end}')")
            return connection.execute("SELECT r, alpha, a, b, p, q, v FROM learned").fetchone()

        def fit_peer():
            known = summary(lifetimes, orders, end)
            purchases = lifetimes.BetaGeoFitter().fit(known.frequency, known.recency, known["T"])
            again = known[(known.frequency > 0) & (known.monetary_value > 0)]
            values = lifetimes.GammaGammaFitter().fit(again.frequency, again.monetary_value)
            return [*purchases.params_, *values.params_], purchases, values, known

        def predict_sql(coverage="NULL"):
            return connection.execute(
                "SELECT sum(expected_purchases), sum(expected_value) FROM footfall.clv(orders, id, day, (SELECT model FROM learned),"
                f" horizon := INTERVAL 273 DAYS, amount := value, as_of := DATE '{end}', coverage := {coverage})"
            ).fetchone()

        def predict_peer():
            known = summary(lifetimes, orders, end)
            expected = peer[1].predict(39, known.frequency, known.recency, known["T"])
            value = peer[2].conditional_expected_average_profit(known.frequency, known.monetary_value)
            return expected.sum(), (expected * value).sum()

        (ours, (fit_s, _)), (peer, (fit_peer_s, _)) = best_of(given.repeat, fit_sql, fit_peer)
        (totals, (predict_s, _)), (peer_totals, (predict_peer_s, _)) = best_of(given.repeat, predict_sql, predict_peer)
        ((_, (intervals_s, _)),) = best_of(1, lambda: predict_sql("0.9"))
        print(f"{name:<10} {'fit':<10} {fit_s:>9.3f} {fit_peer_s:>12.3f} {fit_peer_s / fit_s:>7.1f}")
        print(f"{name:<10} {'predict':<10} {predict_s:>9.3f} {predict_peer_s:>12.3f} {predict_peer_s / predict_s:>7.1f}")
        print(f"{name:<10} {'intervals':<10} {intervals_s:>9.3f}")
        print(f"  r, alpha, a, b, p, q, v: {np.round(np.array(ours, float), 4)} and {np.round(np.array(peer[0], float), 4)}")
        print(f"  purchases and value expected: {np.round(totals, 1)} and {np.round(np.array(peer_totals, float), 1)}")
        columns = "expected_error, naive_rate_error, mean_error, expected_bias, expected_value_bias"
        report = connection.execute(
            f"SELECT {columns} FROM footfall.clv_report(orders, id, day, holdout := INTERVAL 273 DAYS, amount := value, as_of := DATE '{until}') WHERE part = 'all'"
        ).fetchone()
        print(f"  {columns}: {np.round(report, 3)}")


if __name__ == "__main__":
    main()
