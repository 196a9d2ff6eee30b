#!/usr/bin/env python3
"""Run the boundary and the decoders under Valgrind's memcheck, inside the real DuckDB.

    python3 tests/valgrind/run.py --duckdb DIR --extension FILE --panics FILE --fuzz FILE

DIR is a folder that holds an unpacked `duckdb` wheel, FILE an extension or, with --fuzz, the test
program of tests/fuzz.rs. A step fails when a byte is read or written that is not ours, when a value
that was never written decides anything, when memory is lost for good, or when its own checks fail.
known.supp holds the exceptions, with the reason of each.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
MEMCHECK = [
    "valgrind", "--quiet", "--trace-children=yes", f"--suppressions={HERE / 'known.supp'}", "--error-exitcode=99",
    "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite", "--num-callers=60",
]  # fmt: skip
# The SQL tests of what is written in Rust; those of the pure macros would watch DuckDB at work.
SQL_TESTS = (
    "features/*.test",
    "generator/generate_events_errors.test",
    "predictions/*.test",
    "segments/*.test",
    "sequences/order_events.test",
    "training/*.test",
)
CELLS_STEP = 5
FUZZ_CASES = 2000


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--duckdb", required=True, type=Path)
    parser.add_argument("--extension", required=True, type=Path)
    parser.add_argument("--panics", required=True, type=Path)
    parser.add_argument("--fuzz", required=True, type=Path)
    parser.add_argument("steps", nargs="*", help="names of steps; all of them without one")
    arguments = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("valgrind is not installed: it is the package `valgrind` of Debian, Ubuntu and Fedora")
    with tempfile.TemporaryDirectory() as folder:
        allocator = Path(folder) / "allocator.so"
        source = HERE / "allocator.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-fno-builtin", "-o", allocator, source], check=True)
        failed = [
            name
            for name, command in steps(arguments).items()
            if name in (arguments.steps or [name]) and not passes(name, command, arguments, allocator)
        ]
    print("valgrind: failed: " + ", ".join(failed) if failed else "valgrind: passed")
    return bool(failed)


def steps(arguments):
    """The programs to watch, by name."""
    files = sorted(str(path) for pattern in SQL_TESTS for path in (TESTS / "sql").glob(pattern))
    loaded = ["--duckdb", arguments.duckdb, "--extension", arguments.extension]
    return {
        "pages": [sys.executable, TESTS / "pages.py", *loaded, "--check"],
        "sql": [sys.executable, TESTS / "run_sql.py", *loaded, "--timeout", "600", *files],
        "panics": [sys.executable, HERE / "panics.py"],
        "cells": [sys.executable, HERE / "cells.py", str(CELLS_STEP)],
        "fuzz": [arguments.fuzz],
    }


def passes(name, command, arguments, allocator):
    environment = {
        **os.environ,
        "LD_PRELOAD": str(allocator),
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(arguments.duckdb.resolve()),
        "FOOTFALL_EXTENSION": str(arguments.extension.resolve()),
        "FOOTFALL_PANICS": str(arguments.panics.resolve()),
        "FOOTFALL_FUZZ_CASES": str(FUZZ_CASES),
    }
    print(f"== {name} under valgrind, DuckDB {arguments.duckdb.name}", flush=True)
    start = time.monotonic()
    # The gates leave a panic's value alone that may panic itself when it is dropped: that is lost on purpose.
    leaks = "--leak-check=no" if name == "panics" else "--leak-check=full"
    code = subprocess.run([*MEMCHECK, leaks, *command], env=environment).returncode
    print(f"== {name}: {'passed' if code == 0 else f'exit {code}'} in {time.monotonic() - start:.0f} s", flush=True)
    return code == 0


if __name__ == "__main__":
    sys.exit(main())
