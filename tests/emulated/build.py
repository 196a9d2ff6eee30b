#!/usr/bin/env python3
"""Compile the emulated driver where cargo does not: for tests in Python, and for sanitizers.

    python3 tests/emulated/build.py [plain | address | thread]

prints the path of the library, which is compiled when it is older than its sources.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SOURCES = [HERE / "driver.cpp", HERE / "cuda.h", ROOT / "src/network/gpu/kernels.cu"]
# As build.rs compiles it.
FLAGS = ["-std=c++17", "-fPIC", "-shared", "-U_FORTIFY_SOURCE", "-Wno-unknown-pragmas"]
WAYS = {
    "plain": ["-O2"],
    "address": ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    "thread": ["-O1", "-g", "-fsanitize=thread"],
}


def compiler():
    return os.environ.get("CXX", "c++")


def driver(way="plain"):
    """The library, fit to be loaded as libcuda.so.1."""
    library = ROOT / "build/emulated" / way / "libcuda.so.1"
    if library.exists() and all(library.stat().st_mtime > source.stat().st_mtime for source in SOURCES):
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    # Several processes may want it at once.
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made = Path(folder) / library.name
        subprocess.run([compiler(), *FLAGS, *WAYS[way], SOURCES[0], "-o", made], check=True)
        made.replace(library)
    return library


def executables(*targets):
    """The files of tests and benches that cargo builds, by their names: `--test`, `network`, ..."""
    command = ["cargo", "test", "--release", "--locked", "--no-run", "--message-format=json", *targets]
    told = subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout
    made = (json.loads(line) for line in told.splitlines())
    return {artifact["target"]["name"]: artifact["executable"] for artifact in made if artifact.get("executable")}


if __name__ == "__main__":
    print(driver(*sys.argv[1:2]))
