"""What is submitted to DuckDB's community extensions: a description with an example that runs, and a line for each function."""

import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from client import connect, one

ROOT = Path(__file__).resolve().parents[2]


class Community(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        command = [sys.executable, ROOT / "extension/packaging/community.py", "--github", "shop/footfall", "--maintainer", "ada"]
        subprocess.run([*command, "--output", folder.name], check=True, stdout=subprocess.DEVNULL)
        self.folder = Path(folder.name) / "extensions" / "footfall"
        self.description = (self.folder / "description.yml").read_text()
        self.connection = connect()
        self.addCleanup(self.connection.close)

    def test_it_names_what_their_build_asks_for(self):
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True, capture_output=True, check=True).stdout.strip()
        self.assertIn(f"\n  maintainers:\n    - ada\nrepo:\n  github: shop/footfall\n  ref: {commit}\ndocs:\n", self.description)
        version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
        self.assertIn(f"\n  version: {version}\n", self.description)

    def test_its_example_runs_and_shows_something(self):
        example = re.search(r"  hello_world: \|\n((?:    .*\n)+)", self.description)[1]
        shown = 0
        for statement in self.connection.extract_statements(example):
            rows = self.connection.execute(statement).fetchall()
            shown += not statement.query.lstrip().startswith("CREATE") and len(rows)
        self.assertGreater(shown, 10)

    def test_every_function_has_a_line_whose_example_is_sql(self):
        path = self.folder / "docs" / "function_descriptions.csv"
        self.connection.execute(f"CREATE TABLE lines AS FROM read_csv('{path}', all_varchar := true)")
        described = "SELECT list(function ORDER BY function) FROM lines WHERE len(description) > 10 AND len(example) > 10"
        functions = "SELECT list(DISTINCT function_name ORDER BY function_name) FROM duckdb_functions() WHERE database_name = 'footfall' AND schema_name = 'main'"
        self.assertEqual(one(self.connection, described), one(self.connection, functions))
        # On one line a comment would swallow the rest.
        self.assertEqual(one(self.connection, "SELECT list(function) FROM lines WHERE example LIKE '%--%'"), None)
        for (example,) in self.connection.execute("SELECT example FROM lines").fetchall():
            self.assertTrue(self.connection.extract_statements(example))


if __name__ == "__main__":
    unittest.main()
