"""sql/recipes/dbt: every model is built and every test of it holds, on a synthetic shop and on a file."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import duckdb

EXTENSION = os.environ["FOOTFALL_EXTENSION"]
PROJECT = Path(__file__).resolve().parents[3] / "sql" / "recipes" / "dbt"
# In models/schema.yml.
N_TESTS = 12
FILE = """
    COPY (SELECT user_id, item_id, category_id, action, epoch(ts - INTERVAL 8 HOURS)::BIGINT FROM footfall.generate_events(users := 120, seed := 7) ORDER BY ALL)
    TO '{}' (HEADER false)
"""


class Dbt(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.project = Path(folder.name) / "dbt"
        shutil.copytree(PROJECT, self.project)

    def build(self, **variables):
        command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", "build", "--profiles-dir", ".", "--vars", json.dumps(variables)]
        environment = {**os.environ, "FOOTFALL_EXTENSION": os.path.abspath(EXTENSION), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
        ended = subprocess.run(command, cwd=self.project, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(ended.returncode, 0, ended.stdout)
        results = json.loads((self.project / "target" / "run_results.json").read_text())["results"]
        return [(result["unique_id"].split(".")[0], result["status"]) for result in results]

    def rows(self, sql):
        with duckdb.connect(str(self.project / "shop.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def test_on_a_synthetic_shop(self):
        results = self.build()
        models = len(list(PROJECT.glob("models/*.sql")))
        self.assertEqual(results.count(("model", "success")), models)
        self.assertEqual([status for kind, status in results if kind == "test"], ["pass"] * N_TESTS)
        # The numbers of one model are those of the others.
        self.assertEqual(
            self.rows("SELECT (SELECT sum(frequency) FROM customers), (SELECT count(*) FROM next_actions)"),
            self.rows("SELECT (SELECT count(*) FROM clean WHERE action = 'buy'), (SELECT count(DISTINCT user_id) FROM clean)"),
        )

    def test_on_a_file(self):
        path = self.project / "events.csv"
        with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as connection:
            connection.execute(f"LOAD '{EXTENSION}'")
            connection.execute(FILE.format(path))
        self.build(events=str(path))
        self.assertEqual(self.rows("SELECT count(*) FROM events"), [(len(path.read_text().splitlines()),)])


if __name__ == "__main__":
    unittest.main()
