#!/usr/bin/env python3
"""The kernels' source under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer, behind the emulated driver.

    python3 tests/emulated/sanitize.py [address | thread | barriers ...]

`address` (with undefined behaviour) runs the tests of the engines: a launch may touch the numbers that its pass has, and nothing else of
the card's memory, so that a step beyond the end of one kind into the next is seen too. `thread` runs those whose kernels are all
kernels: two accesses of a block's threads, one a write, need a barrier between them. `barriers` leaves each barrier of
kernels.cu out in turn, and fails where ThreadSanitizer does not mind, which is how one sees that it sees anything.
What no sanitizer sees, two blocks of a launch that meet in memory, changes the bytes when the last comes first:
tests/clients/test_gpu.py trains in that order. Needs Linux, a C++ compiler that has the sanitizers, and cargo; minutes.
"""

import os
import re
import subprocess
import sys

from build import SOURCES, compiler, driver, executables

KERNELS = SOURCES[-1]
# All kernels, those of the optimiser in the second; every size of a layer is in the first two.
EVERY_KERNEL = [("network", "what_a_card_computed_before_changes_no_byte"), ("training", "a_stop_leaves_no_trace_on_a_card")]
EVERY_SIZE = [("network", "losses_gradients_and_probabilities_are_pytorchs"), ("network", "our_engines_agree_with_plain_candle")]
WAYS = {
    "address": ("libasan.so", {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}),
    # The tests around the driver are not compiled for it.
    "thread": ("libtsan.so", {"TSAN_OPTIONS": "halt_on_error=1 ignore_noninstrumented_modules=1"}),
}


def complaint(binaries, way, tests, **environment):
    """Why the tests fail behind a driver compiled for sanitizers; None when they pass."""
    library, options = WAYS[way]
    runtime = subprocess.run([compiler(), f"-print-file-name={library}"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    # ThreadSanitizer has fixed places for its shadow, which a random layout may take.
    command = ["setarch", "-R", "env", f"LD_PRELOAD={runtime}"]
    environment = {**os.environ, **options, "FOOTFALL_CUDA_DRIVER": str(driver(way)), **environment}
    for binary, test in tests:
        asked = subprocess.run([*command, binaries[binary], "--exact", "--test-threads=1", test], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if asked.returncode or "1 passed" not in asked.stdout:
            summary = re.search(r"SUMMARY: (.*)|(.*runtime error.*)", asked.stdout)
            return summary[0] if summary else asked.stdout[-3000:]
    return None


def main():
    binaries, failed = executables("--test", "network", "--test", "training"), []
    for name in sys.argv[1:] or ["address", "thread", "barriers"]:
        if name != "barriers":
            why = complaint(binaries, name, EVERY_KERNEL + EVERY_SIZE)
            print(f"{name}: {why or 'nothing to mind'}", flush=True)
            failed += [name] if why else []
            continue
        lines = [number for number, line in enumerate(KERNELS.read_text().splitlines(), 1) if "__syncthreads()" in line]
        for line in lines:
            why = complaint(binaries, "thread", EVERY_KERNEL, EMULATED_CUDA_WITHOUT_BARRIER=str(line))
            print(f"without the barrier of line {line}: {why or 'nothing is minded'}", flush=True)
            failed += [] if why else [f"barrier of line {line}"]
    sys.exit(f"failed: {', '.join(failed)}" if failed else None)


if __name__ == "__main__":
    main()
