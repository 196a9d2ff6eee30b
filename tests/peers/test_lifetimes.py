"""Customer value against lifetimes 0.11.3 on the data that ship with it.

    python tests/peers/test_lifetimes.py        (FOOTFALL_EXTENSION names the binary)

Needs duckdb, pandas, scipy and lifetimes. Run by `make test-peers`; `make test` uses values that were recorded.
"""

import os
import unittest
import warnings
from importlib.resources import files

import duckdb
import lifetimes
import lifetimes.datasets
import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")
EXTENSION = os.environ.get("FOOTFALL_EXTENSION", "build/footfall.duckdb_extension")
DAY = "1997-09-30"


class Lifetimes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
        cls.connection.execute(f"LOAD '{EXTENSION}'")
        path = files("lifetimes") / "datasets" / "CDNOW_master.txt"
        cls.orders = pd.read_csv(path, sep=r"\s+", skiprows=1, names=["id", "day", "quantity", "value"], dtype={"id": str, "day": str})
        cls.orders["day"] = pd.to_datetime(cls.orders.day, format="%Y%m%d")
        orders = cls.orders
        cls.connection.register("all_orders", orders)
        cls.connection.execute("CREATE TABLE orders AS SELECT id, CAST(day AS DATE) AS day, value FROM all_orders WHERE value > 0")
        cls.connection.execute(f"CREATE TABLE learned AS FROM footfall.fit_clv(orders, id, day, amount := value, as_of := DATE '{DAY}')")
        cls.known = lifetimes.utils.summary_data_from_transaction_data(
            orders[orders.value > 0], "id", "day", "value", observation_period_end=DAY, freq="D", freq_multiplier=7
        )
        cls.purchases = lifetimes.BetaGeoFitter().fit(cls.known.frequency, cls.known.recency, cls.known["T"])
        again = cls.known[cls.known.frequency > 0]
        cls.values = lifetimes.GammaGammaFitter().fit(again.frequency, again.monetary_value)

    def row(self, sql):
        return np.array(self.connection.execute(sql).fetchone(), float)

    def test_the_published_parameters(self):
        self.connection.register("known", lifetimes.datasets.load_cdnow_summary_data_with_monetary_value())
        found = self.row("SELECT f.r, f.alpha, f.a, f.b, f.log_likelihood FROM (SELECT bgnbd(list({'x': frequency, 't_x': recency, 'age': T})) AS f FROM known)")
        np.testing.assert_allclose(found, [0.243, 4.414, 0.793, 2.426, -9582.4], rtol=2e-3)
        found = self.row("SELECT f.p, f.q, f.v FROM (SELECT gamma_gamma(list({'x': frequency, 'value': monetary_value})) AS f FROM known)")
        np.testing.assert_allclose(found, [6.25, 3.74, 15.45], rtol=2e-3)

    def test_parameters_and_errors_from_orders(self):
        np.testing.assert_allclose(self.row("SELECT r, alpha, a, b FROM learned"), self.purchases.params_, rtol=1e-3)
        np.testing.assert_allclose(
            self.row("SELECT r_error, alpha_error, a_error, b_error FROM learned"), self.purchases.standard_errors_, rtol=2e-2
        )
        np.testing.assert_allclose(self.row("SELECT p, q, v FROM learned"), self.values.params_, rtol=5e-3)

    def test_predictions(self):
        found = self.connection.execute(
            f"""SELECT customer_id, frequency, recency, age, probability_alive, expected_purchases, expected_value
            FROM footfall.clv(orders, id, day, (SELECT model FROM learned), horizon := INTERVAL 273 DAYS, amount := value, as_of := DATE '{DAY}')"""
        ).df().set_index("customer_id").loc[self.known.index]  # fmt: skip
        np.testing.assert_array_equal(found.frequency, self.known.frequency)
        np.testing.assert_allclose(found.recency, self.known.recency * 7, atol=1e-9)
        np.testing.assert_allclose(found.age, self.known["T"] * 7, atol=1e-9)
        fitted = self.known.frequency, self.known.recency, self.known["T"]
        np.testing.assert_allclose(found.probability_alive, self.purchases.conditional_probability_alive(*fitted), rtol=2e-3)
        expected = self.purchases.predict(39, *fitted)
        np.testing.assert_allclose(found.expected_purchases, expected, rtol=2e-3)
        value = self.values.conditional_expected_average_profit(self.known.frequency, self.known.monetary_value)
        np.testing.assert_allclose(found.expected_value, expected * value, rtol=5e-3)

    def test_the_holdout_of_39_weeks(self):
        """As `calibration_and_holdout_data` and means of absolute errors give it for all 23,570 customers."""
        self.connection.execute("CREATE TEMP TABLE every AS SELECT id, CAST(day AS DATE) AS day FROM all_orders")
        found = self.row(
            "SELECT expected_error, naive_rate_error, mean_error FROM footfall.clv_report(every, id, day, holdout := INTERVAL 273 DAYS,"
            " as_of := DATE '1998-06-30') WHERE part = 'all'"
        )
        np.testing.assert_allclose(found, [0.819, 1.038, 1.170], atol=6e-4)


if __name__ == "__main__":
    unittest.main()
