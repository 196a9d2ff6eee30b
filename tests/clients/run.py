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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent


def run(test, duckdb, arguments):
    environment = {
        **os.environ,
        "PYTHONPATH": str(duckdb.resolve()),
        "FOOTFALL_DUCKDB": str(duckdb.resolve()),
        "FOOTFALL_DUCKDBS": os.pathsep.join(str(folder.resolve()) for folder in arguments.duckdb),
        "FOOTFALL_EXTENSION": str(arguments.extension.resolve()),
    }
    command = [sys.executable, str(test)]
    return subprocess.run(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--duckdb", action="append", required=True, type=Path)
    parser.add_argument("--extension", required=True, type=Path)
    parser.add_argument("tests", nargs="*", type=Path, default=sorted(HERE.glob("test_*.py")))
    arguments = parser.parse_args()
    runs = [(test, duckdb) for duckdb in arguments.duckdb for test in arguments.tests]
    failed = []
    # As many at a time as there are processors; most of them keep one busy.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (test, duckdb), ended in zip(runs, pool.map(lambda pair: run(*pair, arguments), runs)):
            print(f"== {test.name} on DuckDB {duckdb.name}\n{ended.stdout}", end="", flush=True)
            if ended.returncode:
                failed.append(f"{test.name} on {duckdb.name} (exit {ended.returncode})")
    print("failed: " + ", ".join(failed) if failed else "client tests passed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
