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
TABLES = ("events", "customers", "segments", "histories", "runs", "predictions")


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

    def test_the_pipeline_runs_from_a_file_to_predictions(self):
        events = self.folder / "events.csv"
        with connect() as connection:
            connection.execute(
                "COPY (SELECT user_id, item_id, category_id, action, epoch(ts - INTERVAL 8 HOURS)::BIGINT"
                f" FROM footfall.generate_events(users := 60)) TO '{events}' (HEADER false)"
            )
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

    def test_an_error_is_one_line_and_ends_the_script(self):
        done = self.run_shell(LOAD, "FROM footfall.generate_events(users := 0)", "SELECT 'not reached'")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("generate_events: argument 'users' is 0; allowed: 1 to 10000000", done.stderr)
        self.assertNotIn("not reached", done.stdout)


if __name__ == "__main__":
    unittest.main()
