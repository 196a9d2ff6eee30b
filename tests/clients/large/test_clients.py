"""sql/recipes/with_*.py in SQLAlchemy, Ibis and marimo give what DuckDB's own client gives."""

import runpy
import unittest
from pathlib import Path

import footfall
import marimo

RECIPES = Path(__file__).resolve().parents[3] / "sql" / "recipes"
EVENTS = "CREATE TABLE events AS FROM footfall.generate_events(users := 200, seed := 42)"
USERS = "SELECT count(DISTINCT user_id) FROM events WHERE action = '{}'"


class Clients(unittest.TestCase):
    def setUp(self):
        self.connection = footfall.connect()
        self.addCleanup(self.connection.close)
        self.connection.execute(EVENTS)

    def rows(self, sql):
        return self.connection.execute(sql).fetchall()

    def recipe(self, name):
        return runpy.run_path(str(RECIPES / f"with_{name}.py"))

    def test_sqlalchemy(self):
        funnel, (action, probability) = self.recipe("sqlalchemy")["main"]()
        self.assertEqual([step for step, _ in funnel], [1, 2, 3])
        self.assertEqual(funnel[0][1], self.rows(USERS.format("pv"))[0][0])
        self.assertIn((action,), self.rows("SELECT DISTINCT action FROM events"))
        self.assertTrue(0 < probability < 1)

    def test_ibis(self):
        often, likely = self.recipe("ibis")["main"]()
        # Whoever bought more than once, counted by hand.
        expected = self.rows("SELECT count(*) FROM (SELECT user_id FROM events WHERE action = 'buy' GROUP BY user_id HAVING count(DISTINCT ts) > 1)")
        self.assertEqual([(sum(often["customers"].to_pylist()),)], expected)
        self.assertEqual(likely["user_id"].to_pylist(), [user for (user,) in self.rows("SELECT DISTINCT user_id FROM events ORDER BY user_id ASC LIMIT 3")])
        self.assertTrue(all(0.25 < probability < 1 for probability in likely["probability"].to_pylist()))

    def test_marimo(self):
        app = self.recipe("marimo")["app"]
        self.assertIsInstance(app, marimo.App)
        _, found = app.run()
        bought = "SELECT count(DISTINCT user_id) FROM events JOIN events AS earlier USING (user_id) WHERE earlier.action = 'pv' AND events.action = 'buy' AND earlier.ts <= events.ts"
        self.assertEqual(found["steps"], [("pv", self.rows(USERS.format("pv"))[0][0]), ("buy", self.rows(bought)[0][0])])
        self.assertTrue(found["svg"].startswith("<svg ") and found["svg"].endswith("</svg>"))


if __name__ == "__main__":
    unittest.main()
