"""The DuckDB shell runs the whole pipeline on a file in the Taobao format."""

import csv
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from client import LOAD, connect

SHELL = os.environ.get("FOOTFALL_SHELL")
PIPELINE = Path(__file__).resolve().parents[2] / "sql" / "pipeline.sql"
# The tables that pipeline.sql says it leaves behind.
TABLES = ("receipt", "events", "customers", "segments", "histories", "runs", "model", "predictions")


@unittest.skipUnless(SHELL, "FOOTFALL_SHELL does not name a DuckDB shell")
class Shell(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_shell(self, *commands):
        arguments = [argument for command in commands for argument in ("-c", command)]
        return subprocess.run(
            [SHELL, "-unsigned", "-bail", "-csv", str(self.folder / "shop.duckdb"), *arguments],
            capture_output=True,
            text=True,
            timeout=900,
        )

    def events(self, options):
        """A file in the Taobao format, of a generated shop."""
        path = self.folder / "events.csv"
        with connect() as connection:
            connection.execute(
                "COPY (SELECT user_id, item_id, category_id, action, epoch(ts - INTERVAL 8 HOURS)::BIGINT"
                f" FROM footfall.generate_events({options})) TO '{path}' (HEADER false)"
            )
        return path

    def test_the_pipeline_runs_from_a_file_to_predictions(self):
        events = self.events("users := 60")
        done = self.run_shell(LOAD, f"SET VARIABLE events = '{events}'", f".read {PIPELINE}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        # The receipt, which comes first, accounts for every row of the file.
        n_rows = len(events.read_text().splitlines())
        receipt = [line for line in csv.reader(done.stdout.splitlines()[1:7])]
        self.assertEqual(sum(int(row[1]) for row in receipt), n_rows, receipt)
        # The tables are left in the user's database, readable without the extension.
        counts = " UNION ALL ".join(f"SELECT '{table}' AS name, count(*) AS n FROM {table}" for table in TABLES)
        tables = self.run_shell(f"SELECT name FROM ({counts}) WHERE n > 0 ORDER BY name")
        self.assertEqual(tables.stdout.split(), ["name", *sorted(TABLES)], tables.stderr)

    def test_the_pipeline_takes_its_dates_from_the_data(self):
        # Another year, fourteen days from a Friday on, and the stray times of the generator, which reach to other centuries.
        events = self.events("users := 80, days := 14, start := DATE '2024-03-01'")
        done = self.run_shell(LOAD, f"SET VARIABLE events = '{events}'", f".read {PIPELINE}")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        # The last weekend that has begun by Thursday, 14 March, is that of the 9th.
        period = self.run_shell("SELECT * FROM period")
        self.assertEqual(
            period.stdout.splitlines()[-1], "2024-03-01,2024-03-15,2024-03-09,2024-03-11", period.stderr
        )
        dropped = self.run_shell("SELECT sum(n_rows) FILTER (reason = 'kept') / sum(n_rows) > 0.99 FROM receipt")
        self.assertEqual(dropped.stdout.split()[-1], "true")
        # Every stage ends with a sentence.
        self.assertEqual(sum(line == "found" for line in done.stdout.splitlines()), 13)

    def test_an_error_is_one_line_and_ends_the_script(self):
        done = self.run_shell(LOAD, "FROM footfall.generate_events(users := 0)", "SELECT 'not reached'")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("generate_events: argument 'users' is 0; allowed: 1 to 10000000", done.stderr)
        self.assertNotIn("not reached", done.stdout)


if __name__ == "__main__":
    unittest.main()
