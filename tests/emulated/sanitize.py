#!/usr/bin/env python3
"""The kernels' source under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer, behind the emulated driver.

    python3 tests/emulated/sanitize.py [address | thread | barriers ...]

Both start every kernel. `address` (with undefined behaviour): a launch may touch the numbers that its pass has and nothing else of the
card's memory, so that a step beyond the end of one kind into the next is seen too. `thread`: two accesses of a block's threads, one of
them a write, need a barrier between them. `barriers` leaves each barrier of kernels.cu out in turn, and fails where ThreadSanitizer
does not mind, which is how one sees that it sees anything. What no sanitizer sees, two blocks of a launch that meet in memory,
changes the bytes when the last comes first: tests/clients/test_gpu.py trains in that order. Needs Linux, a C++
compiler that has the sanitizers, and cargo; minutes.
"""

import os
import re
import subprocess
import sys
import tempfile

from build import ROOT, SOURCES, compiler, driver, executables

sys.path.append(str(ROOT / "tests/gpu"))
from run import steps

KERNELS = SOURCES[-1]
TESTS = ["a_card_agrees_with_plain_candle_at_every_size", "what_a_card_computed_before_changes_no_byte"]
WAYS = {
    "address": ("libasan.so", {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}),
    # The tests around the driver are not compiled for it.
    "thread": ("libtsan.so", {"TSAN_OPTIONS": "halt_on_error=1 ignore_noninstrumented_modules=1"}),
}


def complaint(binaries, way, **environment):
    """Why the tests, or the steps of a training, fail behind a driver compiled for sanitizers; None when they do not."""
    library, options = WAYS[way]
    runtime = subprocess.run([compiler(), f"-print-file-name={library}"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    # ThreadSanitizer has fixed places for its shadow, which a random layout may take.
    prefix = ["setarch", "-R", "env", f"LD_PRELOAD={runtime}"]
    environment = {**os.environ, **options, "FOOTFALL_CUDA_DRIVER": str(driver(way)), **environment}
    with tempfile.TemporaryDirectory() as folder:
        # No test of the engines takes the optimiser's step.
        task = steps(("rnn", "gru", "lstm"), folder, hidden=40, n_sequences=40, longest=10)
        runs = [([binaries["network"], "--exact", "--test-threads=1", test], "") for test in TESTS]
        for command, told in [*runs, ([binaries["engine"]], task)]:
            asked = subprocess.run([*prefix, *command], env=environment, input=told, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if asked.returncode or "0 passed" in asked.stdout:
                summary = re.search(r"SUMMARY: (.*)|(.*runtime error.*)", asked.stdout)
                return summary[0] if summary else asked.stdout[-3000:]
    return None


def main():
    binaries, failed = executables("--test", "network", "--bench", "engine"), []
    for name in sys.argv[1:] or ["address", "thread", "barriers"]:
        if name != "barriers":
            why = complaint(binaries, name)
            print(f"{name}: {why or 'nothing to mind'}", flush=True)
            failed += [name] if why else []
            continue
        lines = [number for number, line in enumerate(KERNELS.read_text().splitlines(), 1) if "__syncthreads()" in line]
        for line in lines:
            why = complaint(binaries, "thread", EMULATED_CUDA_WITHOUT_BARRIER=str(line))
            print(f"without the barrier of line {line}: {why or 'nothing is minded'}", flush=True)
            failed += [] if why else [f"barrier of line {line}"]
    sys.exit(f"failed: {', '.join(failed)}" if failed else None)


if __name__ == "__main__":
    main()
