"""A database with views over our functions: opened without LOAD, and dumped."""

import tempfile
import unittest
from pathlib import Path

import duckdb

from client import LOAD, connect, one

VIEWS = {
    "customers": "FROM customers ORDER BY ALL",
    "next_actions": "SELECT next.action, next.probability FROM next_actions",
    "quality": "FROM quality ORDER BY ALL",
}
# What each view calls, as the error names it.
CALLS = {"customers": "rfm", "next_actions": "predict_next", "quality": "evaluate"}


class Reopening(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.database = self.folder / "shop.duckdb"
        with connect(self.database) as connection:
            connection.execute("""
                CREATE TABLE events AS FROM footfall.generate_events(users := 20);
                CREATE TABLE histories AS FROM footfall.sequences(events, user_id, action, ts);
                CREATE TABLE run AS FROM footfall.train(histories, actions, epochs := 1, hidden := 4, user_id := user_id);
                CREATE VIEW customers AS FROM footfall.rfm(events, user_id, ts);
                CREATE VIEW next_actions AS SELECT predict_next(model, ['pv', 'cart']) AS next FROM run;
                CREATE VIEW quality AS FROM footfall.evaluate(histories, actions, (SELECT model FROM run), part := 'all');
            """)
            self.results = self.view_results(connection)
            self.n_events = one(connection, "SELECT count(*) FROM events")

    def view_results(self, connection):
        return {name: connection.execute(sql).fetchall() for name, sql in VIEWS.items()}

    def test_without_load_the_error_names_the_function_and_the_tables_are_there(self):
        with connect(self.database, load=False) as connection:
            for name, sql in VIEWS.items():
                with self.assertRaisesRegex(duckdb.CatalogException, f"Function with name {CALLS[name]} does not exist"):
                    connection.execute(sql)
            self.assertEqual(one(connection, "SELECT count(*) FROM events"), self.n_events)
            connection.execute(LOAD)
            self.assertEqual(self.view_results(connection), self.results)

    def test_a_dump_goes_into_another_database(self):
        for form in ("csv", "parquet"):
            with self.subTest(form):
                dump = self.folder / form
                with connect(self.database) as connection:
                    connection.execute(f"EXPORT DATABASE '{dump}' (FORMAT {form})")
                self.assertNotIn("CREATE MACRO", (dump / "schema.sql").read_text())
                with connect() as connection:
                    connection.execute(f"IMPORT DATABASE '{dump}'")
                    self.assertEqual(self.view_results(connection), self.results)
                # Views are checked when they are made, so their functions have to be there.
                with connect(load=False) as connection:
                    with self.assertRaisesRegex(duckdb.CatalogException, "Function with name rfm does not exist"):
                        connection.execute(f"IMPORT DATABASE '{dump}'")
                    self.assertEqual(one(connection, "SELECT 42"), 42)


if __name__ == "__main__":
    unittest.main()
