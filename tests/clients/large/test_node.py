"""node.mjs with @duckdb/node-api, which brings a DuckDB of its own."""

import os
import subprocess
import unittest
from pathlib import Path

MODULES = os.environ.get("FOOTFALL_NODE_MODULES")
PROGRAM = Path(__file__).with_name("node.mjs")


class Node(unittest.TestCase):
    def test_program(self):
        # Node looks for a module's packages beside it.
        program = Path(MODULES).parent / PROGRAM.name
        program.write_bytes(PROGRAM.read_bytes())
        ended = subprocess.run(["node", program], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        print(ended.stdout)
        self.assertEqual(ended.returncode, 0)


if __name__ == "__main__":
    unittest.main()
