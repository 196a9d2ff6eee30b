"""Works that are timed in turn in one process, so that a busy moment meets all of them."""

import resource
import time


def clock():
    """Wall time and CPU time of this process, in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime


def best_of(repeat, *works):
    """Per work its result and the smallest wall and CPU time; the works take turns."""
    results, best = [None] * len(works), [[float("inf")] * 2 for _ in works]
    for _ in range(repeat):
        for index, work in enumerate(works):
            before = clock()
            results[index] = work()
            for unit, (start, end) in enumerate(zip(before, clock())):
                best[index][unit] = min(best[index][unit], end - start)
    return list(zip(results, best))
