"""Propensity against scikit-learn on the same features of a planted shop and of real shops.

    python tests/peers/test_scikit_learn.py        (FOOTFALL_EXTENSION names the binary, FOOTFALL_DATA the folder of the real sets)

Needs duckdb, numpy and scikit-learn. Run by `make test-peers`; `make test` uses values that were recorded.
"""

import os
import unittest
import warnings
from pathlib import Path

import duckdb
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

warnings.filterwarnings("ignore")
EXTENSION = os.environ.get("FOOTFALL_EXTENSION", "build/footfall.duckdb_extension")
DATA = Path(os.environ.get("FOOTFALL_DATA", Path(__file__).resolve().parents[2] / "../shared/data"))
PLANTED = """
    CREATE TABLE events AS
    WITH grid AS (SELECT u, d, random() AS r_pv, random() AS r_cart, random() AS r_buy FROM range(5000) users(u), range(12) days(d)),
    ruled AS (
        SELECT *, coalesce(lag(r_cart < 0.15) OVER (PARTITION BY u ORDER BY d), false) AS carted, TIMESTAMP '2024-01-01' + to_days(CAST(d AS INTEGER)) AS day
        FROM grid)
    SELECT u AS user_id, 'pv' AS action, day + to_minutes(CAST(r_pv * 1400 AS INTEGER)) AS ts, NULL::DOUBLE AS amount FROM ruled WHERE r_pv < 0.6
    UNION ALL
    SELECT u, 'cart', day + to_minutes(CAST(r_cart * 9000 AS INTEGER)), NULL FROM ruled WHERE r_cart < 0.15
    UNION ALL
    SELECT u, 'buy', day + to_minutes(CAST(r_buy * 1400 AS INTEGER)), 9.5 FROM ruled WHERE r_buy < CASE WHEN carted THEN 0.4 ELSE 0.02 END
"""
RETAIL = """
    CREATE TABLE events AS
    SELECT customer_id AS user_id, CASE WHEN sum(quantity * unit_price) > 0 THEN 'buy' ELSE 'return' END AS action, min(invoice_ts) AS ts,
        sum(quantity * unit_price) AS amount
    FROM '{}' WHERE customer_id IS NOT NULL GROUP BY customer_id, invoice_no
"""
TAOBAO = """
    CREATE TABLE events AS
    SELECT user_id, behavior_type AS action, make_timestamp(ts * 1000000) + INTERVAL 8 HOUR AS ts, NULL::DOUBLE AS amount
    FROM '{}' WHERE ts >= 1511539200
"""


def features(connection, cutoffs, ends):
    """Features, labels, parts and users of all rows at some cut-offs, by the plan of the model in `run`."""
    found = connection.execute(
        f"""
        WITH seen AS (FROM footfall.internal.propensity_events('x', events, user_id, action, ts, NULL, NULL, amount, NULL, NULL, NULL)),
        info AS (SELECT footfall.internal.propensity_model_info(model) AS info FROM run),
        histories AS (FROM footfall.internal.propensity_histories('x', seen, (SELECT info.actions FROM info)))
        SELECT user_key, unnest(footfall.internal.propensity_read(
            info.plan, footfall.internal.propensity_rows(history, own_history, user_key, info.plan, {cutoffs}, [{', '.join(ends)}], 'x'))) AS row
        FROM histories, info
        """
    ).fetchnumpy()
    users, found = found["user_key"], found["row"]
    x = np.array([row["features"] for row in found], float)
    return x, np.array([row["label"] for row in found]), np.array([row["part"] for row in found]), users


def trained(create, horizon, windows):
    """A connection with `events` and the model in `run`, what the model is, and how to write the end of the horizon of a cut-off."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{EXTENSION}'")
    connection.execute("SET threads = 1; SELECT setseed(0.5)")
    connection.execute(create)
    connection.execute(
        f"CREATE TABLE run AS FROM footfall.train_propensity(events, user_id, action, ts, horizon := {horizon}, amount := amount, windows := {windows})"
    )
    info = connection.execute("SELECT footfall.internal.propensity_model_info(model) FROM run").fetchone()[0]
    ahead = f"to_months({info['months']}) + to_days({info['days']}) + to_microseconds({info['microseconds']})"
    return connection, info, lambda moment: f"epoch_us(make_timestamp({moment}) + {ahead})"


class ScikitLearn(unittest.TestCase):
    def compare(self, create, horizon, windows):
        connection, info, end = trained(create, horizon, windows)
        penalty = connection.execute("SELECT penalty FROM run").fetchone()[0]
        x, y, part, _ = features(connection, info["cutoffs"], [end(one) for one in info["cutoffs"]])
        learned = part != "test"
        mean, scale = x[learned].mean(0), x[learned].std(0)
        scale[x[learned].min(0) == x[learned].max(0)] = np.inf
        peer = LogisticRegression(C=1 / penalty, tol=1e-12, max_iter=10000, solver="newton-cholesky")
        peer.fit((x[learned] - mean) / scale, y[learned])
        np.testing.assert_allclose(info["weights"], peer.coef_[0], atol=1e-6)
        self.assertAlmostEqual(info["intercept"], peer.intercept_[0], delta=1e-6)
        x, y, part, _ = features(connection, [info["test_cutoff"]], [end(info["test_cutoff"])])
        x, y = x[part == "test"], y[part == "test"]
        told = peer.predict_proba((x - mean) / scale)[:, 1]
        report = "FROM footfall.propensity_report(events, user_id, action, ts, (SELECT model FROM run), amount := amount)"
        row = connection.execute(f"SELECT users, log_loss, auc, auc_error, gain, gain_error, verdict {report} WHERE \"group\" = 'model'").fetchone()
        self.assertEqual(row[0], len(y))
        self.assertAlmostEqual(row[1], log_loss(y, told), delta=1e-6)
        self.assertAlmostEqual(row[2], roc_auc_score(y, told), delta=1e-6)
        return row

    def test_a_planted_rule(self):
        row = self.compare(PLANTED, "INTERVAL 1 DAY", "[1, 7, 30]")
        self.assertRegex(row[-1], "^better than")

    def test_online_retail(self):
        path = DATA / "online_retail_2009_2010.parquet"
        if not path.exists():
            self.skipTest(f"{path} is not here")
        print("Online Retail, next month:", self.compare(RETAIL.format(path), "INTERVAL 1 MONTH", "[7, 30, 90]"))

    def test_taobao(self):
        path = DATA / "taobao_userbehavior_users.parquet"
        if not path.exists():
            self.skipTest(f"{path} is not here")
        print("Taobao, next three days:", self.compare(TAOBAO.format(path), "INTERVAL 3 DAYS", "[1, 7, 30]"))


if __name__ == "__main__":
    unittest.main()
