"""A function that panics, wherever DuckDB calls it, is an error of one line and the connection goes on."""

import os
import unittest

import duckdb

from client import connect, one

PANICS = os.environ.get("FOOTFALL_PANICS")
MESSAGES = {
    "plain": "it went wrong",
    "quotes": "it's \"quoted\" $$ ; DROP TABLE kept; -- {} %s",
    "lines": "first\nsecond\r\nthird\u2028fourth\vfifth",
    "NUL and escapes": "before\0after \x1b[2J\x07 \x7f",
    "a megabyte": "x" * 1_000_000,
    "a megabyte of wide letters": "買う🛒" * 100_000,
    "empty": "",
}
# How a body goes wrong: it panics with a message, with bytes that are no text, with a value that panics
# when dropped; it returns an error, one that panics when shown, one that panics when dropped.
WAYS = ("panic", "bytes", "payload", "error", "display", "drop")
PLACES = ("plan", "start", "fill")
DESTRUCTORS = ("drop of the plan", "drop of the progress")


@unittest.skipUnless(PANICS, "FOOTFALL_PANICS does not name the extension that panics")
class Panics(unittest.TestCase):
    def setUp(self):
        self.connection = connect(load=False)
        self.addCleanup(self.connection.close)
        self.connection.execute(f"LOAD '{PANICS}'")
        self.connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        # A caught panic writes to standard error; a megabyte of it helps nobody.
        self.silence_standard_error()

    def silence_standard_error(self):
        saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        self.addCleanup(lambda: (os.dup2(saved, 2), os.close(saved), os.close(nowhere)))

    def assert_error(self, function, sql, parameters):
        with self.assertRaises(duckdb.Error) as caught:
            self.connection.execute(sql, parameters).fetchall()
        text = str(caught.exception).split("\n\nLINE ")[0].strip()
        self.assertNotIsInstance(caught.exception, (duckdb.FatalException, duckdb.InternalException), text)
        self.assertRegex(text, rf"^(Invalid Input|Binder) Error: {function}:( |$)")
        self.assertNotRegex(text, r"[\x00-\x1f\x7f\u2028]")
        self.assertLess(len(text), 1100)
        self.assertEqual(one(self.connection, "SELECT 42"), 42)
        return text

    def test_a_scalar_function(self):
        for way in WAYS:
            for name, message in MESSAGES.items():
                with self.subTest(way=way, message=name):
                    text = self.assert_error("panic_scalar", "SELECT panic_scalar($1, $2)", [way, message])
                    if name == "plain" and way != "bytes" and way != "payload":
                        self.assertIn(message, text)
        self.assertEqual(one(self.connection, "SELECT panic_scalar('not at all', '')"), True)

    def test_every_callback_of_a_table_function(self):
        for place in PLACES:
            for way in WAYS:
                for name, message in MESSAGES.items():
                    with self.subTest(place=place, way=way, message=name):
                        self.assert_error(
                            "panic_table",
                            "FROM panic_table(at := $1, how := $2, message := $3)",
                            [place, way, message.replace("\0", "\1")],
                        )

    def test_destructors(self):
        # DuckDB has no way to hear of it: the query ends as if nothing had happened.
        for place in DESTRUCTORS:
            for name, message in MESSAGES.items():
                with self.subTest(place=place, message=name):
                    sql = "FROM panic_table(at := $1, message := $2)"
                    self.assertEqual(self.connection.execute(sql, [place, message.replace("\0", "\1")]).fetchall(), [])
                    self.assertEqual(one(self.connection, "SELECT 42"), 42)

    def test_many_panics_on_many_threads(self):
        self.connection.execute("SET threads = 8")
        for _ in range(3):
            sql = "SELECT count(panic_scalar(IF(i % 1000 = 999, 'panic', ''), 'one of many')) FROM range(200000) numbers(i)"
            self.assertIn("one of many", self.assert_error("panic_scalar", sql, []))

    def test_in_a_transaction_nothing_is_lost_that_was_committed(self):
        self.connection.execute("BEGIN")
        self.connection.execute("INSERT INTO kept VALUES (43)")
        with self.assertRaises(duckdb.Error):
            self.connection.execute("INSERT INTO kept SELECT 44 WHERE panic_scalar('panic', '')")
        self.connection.execute("ROLLBACK")
        self.assertEqual(one(self.connection, "SELECT list(answer) FROM kept"), [42])

    def test_loading(self):
        os.environ["FOOTFALL_PANIC_AT_LOAD"] = "1"
        self.addCleanup(os.environ.pop, "FOOTFALL_PANIC_AT_LOAD")
        with connect(load=False) as connection:
            with self.assertRaisesRegex(duckdb.Error, "panics: internal error: at LOAD"):
                connection.execute(f"LOAD '{PANICS}'")
            self.assertEqual(one(connection, "SELECT 42"), 42)


if __name__ == "__main__":
    unittest.main()
