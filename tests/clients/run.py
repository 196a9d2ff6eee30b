#!/usr/bin/env python3
"""Run the client tests: what a program around DuckDB sees of the extension.

    python3 tests/clients/run.py --duckdb DIR [--duckdb DIR ...] --extension FILE [TEST ...]

DIR is a folder that holds an unpacked `duckdb` wheel. Every test_*.py of this folder runs once per
DIR, in a process of its own, so that a crash of one version is a failure and not the end. The tests
find the binary in the environment as FOOTFALL_EXTENSION, the folder as FOOTFALL_DUCKDB and all
folders as FOOTFALL_DUCKDBS.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--duckdb", action="append", required=True, type=Path)
    parser.add_argument("--extension", required=True, type=Path)
    parser.add_argument("tests", nargs="*", type=Path, default=sorted(HERE.glob("test_*.py")))
    arguments = parser.parse_args()
    failed = []
    for duckdb in arguments.duckdb:
        for test in arguments.tests:
            print(f"== {test.name} on DuckDB {duckdb.name}", flush=True)
            environment = {
                **os.environ,
                "PYTHONPATH": str(duckdb.resolve()),
                "FOOTFALL_DUCKDB": str(duckdb.resolve()),
                "FOOTFALL_DUCKDBS": os.pathsep.join(str(folder.resolve()) for folder in arguments.duckdb),
                "FOOTFALL_EXTENSION": str(arguments.extension.resolve()),
            }
            code = subprocess.run([sys.executable, str(test)], env=environment).returncode
            if code:
                failed.append(f"{test.name} on {duckdb.name} (exit {code})")
    print("failed: " + ", ".join(failed) if failed else "client tests passed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
