#!/usr/bin/env python3
"""Propensity in SQL against hand-written SQL and scikit-learn on the same users, in the same run.

    python3 benches/propensity.py --duckdb DIR --extension PATH [--events 10000000] [--users 1000000] [--repeat 2]

Needs numpy and scikit-learn. The events are drawn by DuckDB's hash: four actions as often as Taobao's, nine days. What is timed, each side in turn, the best of --repeat:

- features: the 40 features of each user at one cut-off, as `propensity` makes them, against one SELECT with the same columns written by hand (counts in windows, decayed counts,
  last times, distinct items and categories, sessions, days, hours); both end in a count of the rows, nothing is written;
- fit: eight penalties, the choice among them by validation and the fit of all rows, as `train_propensity` does, on the features of the users of one cut-off, against scikit-learn's
  LogisticRegression (each penalty from where the last one ended) for the same, and at the chosen penalty alone; with the labels that came, which nothing tells, and with labels drawn by a rule.
  scikit-learn is given DOUBLEs, standardised before; ours the packed records. Wall and CPU seconds, as the machine may be busy;
- scoring: `propensity_score` of rows in a table, in users a second.

A ratio above 1 means that ours is faster.
"""

import argparse
import sys

from turns import best_of

CUT = "TIMESTAMP '2017-12-02'"
BACK = "TIMESTAMP '2017-11-25'"
EVENTS = """
    CREATE TABLE events AS
    SELECT CAST(hash(i) % {users} AS INTEGER) AS user_id, CASE WHEN i % 45 = 0 THEN 'buy' WHEN i % 18 = 0 THEN 'cart' WHEN i % 42 = 0 THEN 'fav' ELSE 'pv' END AS action,
        CAST(hash(i + 7) % 100000 AS INTEGER) AS item_id, CAST(hash(i + 9) % 1000 AS INTEGER) AS category_id,
        TIMESTAMP '2017-11-25' + to_seconds(CAST(hash(i + 3) % 777600 AS BIGINT)) AS ts
    FROM range({events}) numbers(i)
"""
OURS = f"""
    WITH seen AS (FROM footfall.internal.propensity_events('x', events, user_id, action, ts, item_id, category_id, NULL, NULL, NULL, {CUT})),
    info AS MATERIALIZED (SELECT footfall.internal.propensity_model_info(model) AS info FROM run),
    histories AS (FROM footfall.internal.propensity_histories('x', seen, (SELECT info.actions FROM info)))
    SELECT count(*), sum(octet_length(footfall.internal.propensity_rows(history, own_history, user_key, info.plan, [epoch_us({CUT})], [], 'x'))) FROM histories, info
"""


def by_hand():
    """The same columns as one would write them."""
    columns = []
    for action in ["buy", "cart", "fav", "pv"]:
        of = f"FILTER (action = '{action}'"
        columns += [f"ln(1 + count(*) {of} AND ts >= {CUT} - INTERVAL {days} DAYS)) AS {action}_{days}" for days in (1, 7, 30)]
        columns += [
            f"ln(1 + count(*) {of})) AS {action}_all",
            f"count(*) {of} AND ts >= {CUT} - INTERVAL 1 DAY) > 0 AS {action}_any",
            f"ln(1 + coalesce(sum(pow(2, -age / 7)) {of}), 0)) AS {action}_decayed",
            f"coalesce(1 / (1 + min(age) {of})), 0) AS {action}_fresh",
        ]
    columns += [
        "ln(1 + max(age)) AS known", "1 / (1 + min(age)) AS seen", "ln(1 + count(DISTINCT day)) AS active_days", "count(DISTINCT day) / (1 + max(age)) AS active_share",
        "ln(1 + count(*) FILTER (gap IS NULL OR gap > 1800000000)) AS sessions",
        "coalesce(avg(day_gap) FILTER (day_gap > 0) / (avg(day_gap) FILTER (day_gap > 0) + stddev_pop(day_gap) FILTER (day_gap > 0)), 0) AS regularity",
        "avg(CAST(hour < 6 AS INTEGER)) AS night", "avg(CAST(hour BETWEEN 6 AND 11 AS INTEGER)) AS morning", "avg(CAST(hour BETWEEN 12 AND 17 AS INTEGER)) AS afternoon",
        "avg(CAST(isodow(day) >= 6 AS INTEGER)) AS weekend", "ln(1 + count(DISTINCT item_id)) AS items", "ln(1 + count(DISTINCT category_id)) AS categories",
    ]  # fmt: skip
    names = [column.rsplit(" AS ", 1)[1] for column in columns]
    return f"""
        WITH placed AS (
            SELECT *, (epoch_us({CUT}) - epoch_us(ts)) / 864e8 AS age, CAST(ts AS DATE) AS day, hour(ts) AS hour,
                epoch_us(ts) - lag(epoch_us(ts)) OVER in_order AS gap, CAST(ts AS DATE) - CAST(lag(ts) OVER in_order AS DATE) AS day_gap
            FROM events WHERE ts < {CUT} WINDOW in_order AS (PARTITION BY user_id ORDER BY ts)),
        made AS (SELECT user_id, {', '.join(columns)} FROM placed GROUP BY user_id)
        SELECT count(*), {', '.join(f'sum({name})' for name in names)} FROM made
    """


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--duckdb", required=True, help="folder with an unpacked duckdb wheel")
    parser.add_argument("--extension", required=True)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=2)
    return parser.parse_args()


def compare_fits(connection, given, labels, table):
    """Prints what a fit takes on the users that are not kept for a test."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    def ours():
        connection.execute(
            """CREATE OR REPLACE TABLE fitted AS
            WITH RECURSIVE run(i, s) AS (
                SELECT 0, footfall.internal.propensity_piece(0, p, info.plan, ?) FROM packed, info
                UNION ALL SELECT i + 1, footfall.internal.propensity_piece(s.job, p, info.plan, ?) FROM run, packed, info WHERE NOT s.finished)
            SELECT s.result.penalty, footfall.internal.propensity_model_info(s.result.model).weights FROM run WHERE s.finished""",
            [given.threads] * 2,
        )

    connection.execute("CREATE OR REPLACE TABLE packed AS SELECT ?::BLOB AS p", [table.tobytes()])
    known = table[table["part"] != 2]
    x = known["x"].astype(float)
    scale = x.std(0)
    x = (x - x.mean(0)) / np.where(scale > 0, scale, 1)
    y, trains = known["label"], known["part"] == 0
    [(_, ours_took)] = best_of(given.repeat, ours)
    penalty, weights = connection.execute("FROM fitted").fetchone()

    def choice(solver):
        search = LogisticRegression(solver=solver, max_iter=1000, warm_start=True)
        x_train, y_train, x_judge, y_judge = x[trains], y[trains], x[~trains], y[~trains]
        losses = {}
        for power in range(8):
            search.C = 10**power / len(x_train)
            losses[power] = log_loss(y_judge, search.fit(x_train, y_train).predict_proba(x_judge)[:, 1])
        best = min(losses, key=losses.get)
        search.C = 10**best / len(x)
        search.fit(x, y)
        return len(x) / 10**best

    took = "{:.2f} s ({:.2f} CPU s)".format
    print(f"fit of {len(x)} users x {x.shape[1]}, labels {labels}: ours {took(*ours_took)}, penalty {penalty:.6g}")
    for solver in ["lbfgs", "newton-cholesky"]:
        alone = LogisticRegression(solver=solver, C=1 / penalty, max_iter=1000)
        (chosen, choice_took), (_, alone_took) = best_of(1, lambda: choice(solver), lambda: alone.fit(x, y))
        off = np.abs(np.array(weights) - alone.coef_[0]).max()
        print(f"    scikit-learn, {solver}: the same {took(*choice_took)}, penalty {chosen:.6g}; the chosen alone {took(*alone_took)}, weights differ by {off:.1e}")


def main():
    given = arguments()
    sys.path.insert(0, given.duckdb)
    import duckdb
    import numpy as np
    import sklearn

    connection = duckdb.connect(config={"allow_unsigned_extensions": True})
    connection.execute(f"LOAD '{given.extension}'")
    connection.execute(f"SET threads = {given.threads}")
    print(f"DuckDB {duckdb.__version__}, scikit-learn {sklearn.__version__}, {given.threads} threads, {given.events} events, {given.users} users")
    connection.execute(EVENTS.format(users=given.users, events=given.events))
    train = "footfall.train_propensity(events, user_id, action, ts, horizon := INTERVAL 2 DAYS, item := item_id, category := category_id, cutoffs := [TIMESTAMP '2017-11-30'])"
    [(_, (whole_s, _))] = best_of(1, lambda: connection.execute(f"CREATE TABLE run AS FROM {train}"))
    print(f"train_propensity, whole: {whole_s:.2f} s")
    (ours, (ours_s, _)), (_, (hand_s, _)) = best_of(given.repeat, lambda: connection.execute(OURS).fetchone(), lambda: connection.execute(by_hand()).fetchone())
    print(f"features: ours {ours_s:.2f} s, by hand {hand_s:.2f} s, ratio {hand_s / ours_s:.2f}; {ours[0]} users")

    connection.execute("CREATE TABLE info AS SELECT footfall.internal.propensity_model_info(model) AS info, model, penalty FROM run")
    connection.execute(f"""
        CREATE TABLE rows AS
        WITH seen AS (FROM footfall.internal.propensity_events('x', events, user_id, action, ts, item_id, category_id, NULL, NULL, NULL, NULL)),
        histories AS (FROM footfall.internal.propensity_histories('x', seen, (SELECT info.actions FROM info)))
        SELECT footfall.internal.propensity_rows(history, own_history, user_key, info.plan, info.cutoffs, [epoch_us({CUT})], 'x') AS records FROM histories, info""")
    blob = connection.execute("SELECT footfall.internal.propensity_pack(list(records)) FROM rows").fetchone()[0]
    n_features = connection.execute("SELECT len(info.features) FROM info").fetchone()[0]
    table = np.frombuffer(blob, np.dtype([("hash", "<u8"), ("cut", "<u2"), ("label", "u1"), ("part", "u1"), ("x", "<f4", n_features)])).copy()
    x = table["x"].astype(float)
    scale = x.std(0)
    x = (x - x.mean(0)) / np.where(scale > 0, scale, 1)
    rule = x @ (np.arange(n_features) * 7 % 11 - 5) * 0.06 - 2
    for labels, drawn in [("that came", table["label"]), ("by a rule", np.random.default_rng(1).random(len(x)) < 1 / (1 + np.exp(-rule)))]:
        table["label"] = drawn
        compare_fits(connection, given, labels, table)
    score = "SELECT sum(footfall.internal.propensity_score(model, records).model) FROM rows, info"
    [(_, (seconds, _))] = best_of(given.repeat, lambda: connection.execute(score).fetchone())
    n = connection.execute("SELECT count(*) FROM rows").fetchone()[0]
    print(f"scoring: {n / seconds / 1e6:.2f} million users a second")


if __name__ == "__main__":
    main()
