"""Packing and training as the number of users grows: seconds, targets per second, and memory above the tables.

    python benches/training_scale.py [--users 10000 1000000] [--threads 2]

Histories have 1 to 1,300 actions, 100 in the mean, with the mix of a real shop: a million users have 100 M actions. Each
line is a process of its own that opens the same database file; memory is the peak of its resident set above what it had
after reading the table once. Training starts from the packed set: an LSTM of configuration A, batches of 256 histories, one
epoch with its validation. Wall time and CPU time of both are given: on a busy machine the latter is the one to read.
"""

import argparse
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import threading
import time

import duckdb

EXTENSION = os.environ.get("FOOTFALL_EXTENSION", "build/footfall.duckdb_extension")
CREATE = """CREATE TABLE histories AS
SELECT u AS user_id, list_transform(range((1 - 99 * ln(1 - (hash(u) % 1000003) / 1000003))::BIGINT), lambda i: CASE
    WHEN hash(u * 100003 + i) % 1000 < 895 THEN 'pv' WHEN hash(u * 100003 + i) % 1000 < 950 THEN 'cart'
    WHEN hash(u * 100003 + i) % 1000 < 980 THEN 'fav' ELSE 'buy' END) AS actions FROM range({users}) t(u)"""
STAGES = {
    "pack": "CREATE TABLE packed AS FROM footfall.internal.training_set(histories, actions, user_id := user_id)",
    "train": """WITH RECURSIVE run(step, result) AS (
            SELECT 0, train_start(dataset, {batch_size: 256, epochs: 1}) FROM packed
            UNION ALL SELECT step + 1, train_epoch(result.state, dataset, current_setting('threads')::BIGINT, false)
            FROM run, packed WHERE NOT result.finished)
        SELECT result.model FROM run WHERE result.complete""",
}


def connect(path, threads):
    connection = duckdb.connect(path, config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{EXTENSION}'")
    connection.execute(f"SET threads = {threads}")
    return connection


def resident():
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(path, threads, stage):
    """Prints wall seconds, CPU seconds, and the peak of memory above the start."""
    connection = connect(path, threads)
    connection.execute("SELECT sum(len(actions)), max(actions[1]) FROM histories").fetchone()
    before, peak, done = resident(), resident(), threading.Event()

    def watch():
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used, started = usage.ru_utime + usage.ru_stime, time.perf_counter()
    connection.execute(STAGES[stage]).fetchall()
    seconds, usage = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    done.set()
    watcher.join()
    print(seconds, usage.ru_utime + usage.ru_stime - used, peak - before)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--users", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--stage", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        return measure(given.stage[0], given.threads, given.stage[1])
    print(f"DuckDB {duckdb.__version__}, {given.threads} threads, load {os.getloadavg()[0]:.1f}")
    print(f"{'actions':>12} {'':6}{'seconds':>9}{'CPU s':>9}{'memory':>10}{'targets/s':>12}{'per CPU s':>12}")
    for users in given.users:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "scale.duckdb")
            with connect(path, given.threads) as connection:
                connection.execute(CREATE.format(users=users))
                (n_actions,) = connection.execute("SELECT sum(len(actions)) FROM histories").fetchone()
            for stage in STAGES:
                command = [sys.executable, __file__, "--threads", str(given.threads), "--stage", path, stage]
                answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
                seconds, cpu, memory = map(float, answer)
                rates = f"{n_actions / seconds:12,.0f}{n_actions / cpu:12,.0f}" if stage == "train" else ""
                print(f"{n_actions:12,} {stage:6}{seconds:9.2f}{cpu:9.2f}{memory / 1e6:7,.0f} MB{rates}", flush=True)


if __name__ == "__main__":
    main()
