"""LOAD: fast, repeatable, from anywhere, and without a trace in the user's database."""

import os
import statistics
import tempfile
import time
import unittest
import unittest.mock
from pathlib import Path

import duckdb

from client import EXTENSION, LOAD, connect, one

WORKS = "SELECT time_features(TIMESTAMP '2017-12-02 21:30:00').hour + count(*) FROM footfall.generate_events(users := 1)"


class Load(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.database = self.folder / "shop.duckdb"
        with connect(self.database, load=False) as connection:
            connection.execute("CREATE TABLE orders AS SELECT 1 AS customer_id")

    def assert_works(self, connection):
        self.assertGreater(one(connection, WORKS), 21)

    def test_nothing_is_written_to_the_users_database(self):
        before = self.database.read_bytes()
        with connect(self.database) as connection:
            self.assert_works(connection)
            own = "database_name = 'shop' AND NOT internal"
            self.assertEqual(one(connection, f"SELECT count(*) FROM duckdb_functions() WHERE {own}"), 0)
            self.assertEqual(one(connection, f"SELECT count(*) FROM duckdb_tables() WHERE {own}"), 1)
            self.assertEqual(one(connection, f"SELECT count(*) FROM duckdb_schemas() WHERE {own} AND schema_name <> 'main'"), 0)
            self.assertEqual(one(connection, "SELECT current_database()"), "shop")
        self.assertEqual(self.database.read_bytes(), before)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["shop.duckdb"])

    def test_a_database_opened_for_reading_only(self):
        with connect(self.database, read_only=True) as connection:
            self.assert_works(connection)

    def test_inside_a_transaction_that_is_committed(self):
        with connect(self.database, load=False) as connection:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO orders VALUES (2)")
            connection.execute(LOAD)
            self.assert_works(connection)
            connection.execute("COMMIT")
            self.assert_works(connection)
            self.assertEqual(one(connection, "SELECT count(*) FROM orders"), 2)

    def test_inside_a_transaction_that_is_rolled_back(self):
        with connect(self.database, load=False) as connection:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO orders VALUES (2)")
            connection.execute(LOAD)
            connection.execute("ROLLBACK")
            self.assertEqual(one(connection, "SELECT count(*) FROM orders"), 1)
            self.assert_works(connection)

    def test_twice(self):
        with connect(self.database) as connection:
            connection.execute(LOAD)
            self.assert_works(connection)

    def test_from_a_second_connection(self):
        with connect(self.database) as connection:
            cursor = connection.cursor()
            self.assert_works(cursor)
            cursor.execute(LOAD)
            self.assert_works(cursor)
            self.assert_works(connection)

    def test_the_connection_that_loaded_may_go(self):
        with connect(self.database, load=False) as connection:
            loader = connection.cursor()
            loader.execute(LOAD)
            loader.close()
            self.assert_works(connection)

    def test_in_two_databases_of_one_process(self):
        with connect(self.database) as shop, connect() as memory:
            self.assert_works(shop)
            self.assert_works(memory)

    def test_after_a_failed_query(self):
        with connect(self.database, load=False) as connection:
            with self.assertRaises(duckdb.Error):
                connection.execute("SELECT time_features(TIMESTAMP '2017-12-02')")
            connection.execute(LOAD)
            self.assert_works(connection)

    def test_a_database_of_the_same_name_is_a_clear_error(self):
        namesake = self.folder / "footfall.duckdb"
        with connect(namesake, load=False) as connection:
            connection.execute("CREATE TABLE orders AS SELECT 1 AS customer_id")
            with self.assertRaisesRegex(duckdb.Error, "a database named 'footfall' is already attached.*LOAD again"):
                connection.execute(LOAD)
            self.assertEqual(one(connection, "SELECT count(*) FROM orders"), 1)
        # As the message says: under another name.
        with connect(load=False) as connection:
            connection.execute(f"ATTACH '{namesake}' AS shop")
            connection.execute(LOAD)
            self.assert_works(connection)
            self.assertEqual(one(connection, "SELECT count(*) FROM shop.orders"), 1)

    def test_after_the_namesake_is_detached_it_loads(self):
        with connect(load=False) as connection:
            connection.execute("ATTACH ':memory:' AS footfall")
            with self.assertRaises(duckdb.Error):
                connection.execute(LOAD)
            connection.execute("DETACH footfall")
            connection.execute(LOAD)
            self.assert_works(connection)

    def test_a_schema_of_the_same_name_is_a_clear_error_with_a_way_out(self):
        with connect(self.database, load=False) as connection:
            connection.execute("CREATE SCHEMA footfall; CREATE TABLE footfall.counts AS SELECT 7 AS n")
            with self.assertRaisesRegex(
                duckdb.Error, "footfall: the database shop has a schema named footfall.*FOOTFALL_NAME.*ff.rfm"
            ):
                connection.execute(LOAD)
            self.assertEqual(one(connection, "SELECT n FROM footfall.counts"), 7)
        # As the message says: with another name for the functions.
        with unittest.mock.patch.dict(os.environ, FOOTFALL_NAME="ff"), connect(self.database) as connection:
            connection.execute("CREATE TABLE visits AS SELECT 1 AS u, 'buy' AS a, DATE '2026-01-01' AS day")
            self.assertEqual(one(connection, "SELECT frequency FROM ff.rfm(visits, u, day)"), 1)
            self.assertEqual(one(connection, "SELECT count(*) FROM ff.cleaning_report(visits, u, NULL, NULL, a, day)"), 6)
            self.assertEqual(one(connection, "SELECT n FROM footfall.counts"), 7)

    def test_under_another_name_errors_and_help_have_it_too(self):
        with unittest.mock.patch.dict(os.environ, FOOTFALL_NAME="ff"), connect() as connection:
            connection.execute("CREATE TABLE visits AS SELECT 1 AS u, 'buy' AS a, DATE '2026-01-01' AS day")
            connection.execute("CREATE TABLE histories AS SELECT ['pv', 'buy'] AS actions")
            for sql, message in {
                # A check in SQL, and what Rust raises for a macro.
                "FROM ff.rfm(visits, u, day, bins := 1)": "ff.rfm: argument 'bins' is 1",
                "FROM ff.segment(visits, u, [u], k := 2)": "ff.segment: argument 'k' is 2",
                "FROM ff.train(histories, actions, hidden := 0)": "ff.train: ",
                "FROM ff.train(histories, 'pv')": "ff.train: .*FROM ff.sequences",
            }.items():
                with self.assertRaisesRegex(duckdb.Error, f"^Invalid Input Error: {message}"):
                    connection.execute(sql).fetchall()
            for name in ("rfm", "ff.rfm"):
                text = "\n".join(line for (line,) in connection.execute(f"FROM ff.help('{name}')").fetchall())
                self.assertIn("FROM ff.rfm(", text)
                self.assertNotIn("footfall.", text)
        with connect() as connection, self.assertRaisesRegex(duckdb.Error, "^Invalid Input Error: footfall.segment: "):
            connection.execute("WITH t(u) AS (VALUES (1)) FROM footfall.segment(t, u, [u], k := 2)").fetchall()

    def test_a_schema_of_the_same_name_in_another_database_is_no_matter(self):
        with connect(load=False) as connection:
            connection.execute("ATTACH ':memory:' AS shop; CREATE SCHEMA shop.footfall")
            connection.execute(LOAD)
            self.assert_works(connection)

    def test_a_name_that_would_need_quotes_is_refused(self):
        for name in ("FF", "my shop", "1st", "", "main", 'f"f'):
            with unittest.mock.patch.dict(os.environ, FOOTFALL_NAME=name), connect(load=False) as connection:
                with self.assertRaisesRegex(duckdb.Error, "the environment variable FOOTFALL_NAME is '.*allowed"):
                    connection.execute(LOAD)

    def test_the_binary_is_small(self):
        megabytes = os.path.getsize(EXTENSION) / 1e6
        print(f"binary: {megabytes:.1f} MB")
        self.assertLess(megabytes, 25)

    def test_the_time_it_takes_is_printed(self):
        seconds = []
        for _ in range(5):
            with connect(load=False) as connection:
                start = time.perf_counter()
                connection.execute(LOAD)
                seconds.append(time.perf_counter() - start)
        print(f"LOAD: {1000 * statistics.median(seconds):.0f} ms (median of {len(seconds)})")


if __name__ == "__main__":
    print(f"DuckDB {duckdb.__version__}")
    unittest.main()
