"""The same rows give the same digits: every macro that takes a relation, whatever the threads and the order of the rows.

DOUBLE is not associative: a sum taken in another order may end in another digit. So a result is compared as it is printed,
all digits of it, after the rows were put in other orders, in a file of small row groups, and with other numbers of threads.
"""

import itertools
import math
import random
import tempfile
import unittest

from client import connect, one

# Prices are sevenths, which no binary fraction is, of sizes from cents to millions, with refunds among them.
SETUP = """
    CREATE TABLE events AS
    SELECT *, item_id / 7.0 * 10 ** (item_id % 6 - 2) * CASE WHEN item_id % 29 = 0 THEN -1 ELSE 1 END AS price,
        CAST(item_id / 7.0 AS DECIMAL(38, 2)) AS exact_price, chr(CAST(65 + category_id % 5 AS INTEGER)) AS device
    FROM footfall.generate_events(users := 250)
    WHERE ts BETWEEN DATE '2017-11-25' AND DATE '2017-12-04';
    CREATE TABLE histories AS FROM footfall.sequences(events, user_id, action, ts);
    CREATE TABLE customers AS FROM footfall.rfm(events, user_id, ts, amount := price);
    CREATE TABLE runs AS FROM footfall.train(histories, actions, epochs := 2, hidden := 6, embedding := 4, user_id := user_id);
    CREATE TABLE numbers AS SELECT id AS customer_id, segment AS number FROM footfall.segment(customers, customer_id, [frequency, monetary], k := 3);
    CREATE TABLE members AS FROM customers JOIN numbers USING (customer_id);
"""
RELATIONS = ("events", "histories", "customers", "members")
FIRST, LAST = (f"(SELECT {which}(model, epoch) FROM runs)" for which in ("arg_min", "arg_max"))
HELD = "user_id := user_id"
BUYERS = "events, user_id, action, ts"
CALLS = {
    "activity": "FROM footfall.activity(events, user_id, action, ts, by := 'weekday')",
    "best_model": "SELECT md5(model::VARCHAR) FROM footfall.best_model(runs)",
    "bought_together": "FROM footfall.bought_together(events, user_id, category_id, min_baskets := 2)",
    "choose_k": "FROM footfall.choose_k(customers, [frequency, monetary, recency_days], k_to := 4)",
    "class_report": f"FROM footfall.class_report(histories, actions, {LAST}, {HELD})",
    "clean_events": (
        "FROM footfall.clean_events(events, user_id, item_id, category_id, action, ts,"
        " valid_from := DATE '2017-11-25', valid_until := DATE '2017-12-04') ORDER BY ALL"
    ),
    "cleaning_report": (
        "FROM footfall.cleaning_report(events, user_id, item_id, category_id, action, ts,"
        " valid_from := DATE '2017-11-25', valid_until := DATE '2017-12-04')"
    ),
    "clv": (
        "FROM footfall.clv(events, user_id, ts, (SELECT model FROM footfall.fit_clv(events, user_id, ts, amount := price)), amount := price)"
        " ORDER BY customer_id"
    ),
    "clv_report": "FROM footfall.clv_report(events, user_id, ts, holdout := INTERVAL 3 DAYS, amount := price)",
    "cohorts": "FROM footfall.cohorts(events, user_id, ts, period := 'day', amount := price)",
    "compare_groups": "FROM footfall.compare_groups(events, user_id, user_id % 3, price, kind := 'mean')",
    "compare_models": f"FROM footfall.compare_models(histories, actions, {FIRST}, {LAST}, {HELD})",
    "compare_recommenders": "FROM footfall.compare_recommenders(histories, actions, 'mixture', 'repeat', times := times)",
    "confusion": f"FROM footfall.confusion(histories, actions, {LAST}, {HELD})",
    "roc": f"FROM footfall.roc(histories, actions, {LAST}, {HELD})",
    "conversion": "FROM footfall.conversion(events, user_id, device, action)",
    "drift": "FROM footfall.drift(customers, members, {'money': monetary, 'orders': frequency})",
    "monitor": "FROM footfall.monitor(events, events, user_id, ts, user_id % 7 / 10, action, ts, horizon := INTERVAL 1 DAY)",
    "evaluate": f"FROM footfall.evaluate(histories, actions, {LAST}, {HELD})",
    "evaluate_items": "FROM footfall.evaluate_items(histories, actions, times := times)",
    "fit_clv": "SELECT * EXCLUDE (model), md5(model::VARCHAR) FROM footfall.fit_clv(events, user_id, ts, amount := price)",
    "funnel": "FROM footfall.funnel(events, user_id, action, ts, within := INTERVAL 1 DAY, per := category_id, by := device)",
    "growth": "FROM footfall.growth(events, category_id, ts, period := 'day', user_id := user_id, top := NULL)",
    "train_items": "SELECT * EXCLUDE (model), md5(model) FROM footfall.train_items(histories, actions, times := times)",
    "item_rules": "FROM footfall.item_rules(events, user_id, category_id, ts) ORDER BY ALL",
    "lifecycle": "FROM footfall.lifecycle(events, user_id, ts, period := 'day')",
    "model_study": f"SELECT chart::VARCHAR FROM footfall.model_study(histories, actions, {LAST}, {HELD})",
    "orders": "FROM footfall.orders(events, user_id, item_id, ts, amount := price) ORDER BY ALL",
    "orders of a customer at a time": "FROM footfall.orders(events, user_id % 9, NULL, CAST(ts AS DATE), amount := price) ORDER BY ALL",
    "paths": "FROM footfall.paths(events, user_id, action, date_trunc('minute', ts), top := NULL)",
    "predictions": f"SELECT user_id, next FROM footfall.predictions(histories, actions, {LAST}) ORDER BY user_id",
    "promotion_effect": "FROM footfall.promotion_effect(events, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-04')",
    "promotion_effect of a week": "FROM footfall.promotion_effect(events, user_id, action, ts, DATE '2017-11-30', DATE '2017-12-01')",
    "propensity": f"FROM footfall.propensity({BUYERS}, (SELECT model FROM footfall.train_propensity({BUYERS}, horizon := INTERVAL 1 DAY))) ORDER BY user_id",
    "propensity_inputs": (
        f"FROM footfall.propensity_inputs({BUYERS}, (SELECT model FROM footfall.train_propensity({BUYERS}, horizon := INTERVAL 1 DAY))) ORDER BY user_id"
    ),
    "propensity_report": f"FROM footfall.propensity_report({BUYERS}, (SELECT model FROM footfall.train_propensity({BUYERS}, horizon := INTERVAL 1 DAY)))",
    "reliability": f"FROM footfall.reliability(histories, actions, {LAST}, {HELD})",
    "repeat_purchase": "FROM footfall.repeat_purchase(events, user_id, ts, amount := price)",
    "rfm": "FROM footfall.rfm(events, user_id, ts, amount := price) ORDER BY customer_id",
    "rfm of orders": "FROM footfall.rfm(events, user_id, ts, amount := price, order_id := category_id) ORDER BY customer_id",
    "rfm of few customers": "FROM footfall.rfm(events, user_id % 3, ts, amount := price) ORDER BY customer_id",
    "rfm of exact amounts": "FROM footfall.rfm(events, user_id % 3, ts, amount := exact_price) ORDER BY customer_id",
    "coreset": "FROM footfall.coreset(customers, [frequency, monetary, recency_days], size := 20)",
    "rfm_scores": "FROM footfall.rfm_scores(events, user_id, ts, amount := price)",
    "rfm_summary": "FROM footfall.rfm_summary(events, user_id, ts, amount := price)",
    "rfm_summary of customers": "FROM footfall.rfm_summary(customers)",
    "rfm_thresholds": "FROM footfall.rfm_thresholds(events, user_id, ts, amount := price)",
    "outliers": "FROM footfall.outliers(customers, customer_id, [frequency, monetary]) ORDER BY ALL",
    "segment": "FROM footfall.segment(customers, customer_id, [frequency, monetary], k := 3) ORDER BY ALL",
    "segment_profile": "FROM footfall.segment_profile(members, number, recency_days / 7, frequency / 7, monetary := monetary)",
    "sequences": "FROM footfall.sequences(events, user_id, action, ts, tie_break := item_id / 7) ORDER BY user_id",
    "sessions": "FROM footfall.sessions(events, user_id, ts, keep := price, action := action) ORDER BY ALL",
    "study": "SELECT chart::VARCHAR FROM footfall.study(events, user_id, category_id, action, ts)",
    "train": (
        "SELECT * EXCLUDE (seconds, model), md5(model::VARCHAR) FROM footfall.train(histories, actions, epochs := 2,"
        f" hidden := 6, embedding := 4, class_weights := 'balanced', {HELD})"
    ),
    "train_propensity": (
        "SELECT * EXCLUDE (model), md5(model::VARCHAR)"
        f" FROM footfall.train_propensity({BUYERS}, horizon := INTERVAL 1 DAY, item := item_id, amount := price)"
    ),
    "transitions": "FROM footfall.transitions(events, user_id, category_id, date_trunc('minute', ts))",
}
# They read files, or make rows.
OF_NO_RELATION = {"generate_events", "help", "malformed_lines", "read_taobao"}
# They draw the rows of a result as they are given, and `report` is the page of `study`.
DRAWN = {"chart", "page", "report"}


def digits(connection, sql):
    """The rows of a result as text, with all digits."""
    return [repr(row) for row in connection.execute(sql).fetchall()]


class Determinism(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.connection = connect()
        cls.addClassCleanup(cls.connection.close)
        cls.connection.execute(SETUP)
        for name in RELATIONS:
            cls.connection.execute(f"ALTER TABLE {name} RENAME TO original_{name}")
        cls.put("original_{0}")
        cls.expected = {name: digits(cls.connection, sql) for name, sql in CALLS.items()}

    @classmethod
    def put(cls, rows):
        """Makes the relations views of other tables or files."""
        for name in RELATIONS:
            cls.connection.execute(f"CREATE OR REPLACE VIEW {name} AS FROM {rows.format(name, cls.folder)}")

    def assert_same(self):
        for name, sql in CALLS.items():
            with self.subTest(name):
                pairs = itertools.zip_longest(self.expected[name], digits(self.connection, sql))
                different = [pair for pair in pairs if pair[0] != pair[1]]
                self.assertFalse(different, f"{len(different)} of {len(self.expected[name])} rows")

    def test_every_macro_that_takes_a_relation_is_here(self):
        macros = self.connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions()"
            " WHERE database_name = 'footfall' AND schema_name = 'main' AND function_type = 'table_macro' AND len(parameters) > 0"
        ).fetchall()
        compared = {name for (name,) in macros if not name.endswith("_chart")} - OF_NO_RELATION - DRAWN
        self.assertEqual(compared, {name.split(" of ")[0] for name in CALLS})

    def test_the_sum_of_money_is_the_double_nearest_to_the_true_one(self):
        generator = random.Random(13)
        sizes = {
            "cents": lambda: generator.randrange(1, 10**6) / 100,
            "money from 1/128 to 2^36": lambda: generator.choice((1, -1)) * 2 ** generator.uniform(-7, 36),
            "cents with a value of another size": lambda: generator.choice((0.1, 0.2, 1e-3, 1e15, -1e15)),
        }
        for name, draw in sizes.items():
            with self.subTest(name):
                money = [draw() for _ in range(1000)]
                total = one(self.connection, f"SELECT footfall.internal.exact_sum(x) FROM (SELECT unnest({money}::DOUBLE[]) AS x)")
                if name.startswith("cents with"):
                    # What is outside is added number by number in order.
                    self.assertAlmostEqual(total, math.fsum(money), delta=1e-3)
                else:
                    self.assertEqual(total, math.fsum(money))

    def test_orders_of_rows_and_numbers_of_threads(self):
        for name in RELATIONS:
            self.connection.execute(f"COPY (FROM original_{name} ORDER BY hash(rowid + 5)) TO '{self.folder}/{name}.parquet' (ROW_GROUP_SIZE 2048)")
            for order in ("hash(rowid)", "rowid DESC"):
                table = f"{'shuffled' if 'hash' in order else 'reversed'}_{name}"
                self.connection.execute(f"CREATE TABLE {table} AS FROM original_{name} ORDER BY {order}")
        for threads, rows in (
            (1, "original_{0}"),
            (8, "original_{0}"),
            (4, "shuffled_{0}"),
            (1, "reversed_{0}"),
            (8, "'{1}/{0}.parquet'"),
        ):
            with self.subTest(threads=threads, rows=rows):
                self.connection.execute(f"SET threads = {threads}")
                self.put(rows)
                self.assert_same()
        self.connection.execute("SET preserve_insertion_order = false")
        with self.subTest("no order of insertion"):
            self.assert_same()

if __name__ == "__main__":
    unittest.main()
