#!/usr/bin/env python3
"""What a study of many events costs on many machines: a model fitted to measured partitions, checked on more, and where it ends.

    python3 benches/scale.py --duckdb DIR --extension PATH [--events 1000000 10000000] [--partition-users 10150]

A partition is a process with one thread, as a task of Spark is: it reads its Parquet, cleans, counts eleven reports and encodes the
histories, and writes what goes to the driver. Measured are the CPU seconds and the peak of memory of a partition and of
half of one, which give what an event costs and what a process costs by itself; the bytes that go over the wire; and the merging of
few and of more parts. From these the cost of each of the sizes is predicted, beside what it measures, and that of 1 G and 10 G events.
The shop of footfall.generate_events has nine days and a hundred events a user; what is kept per user depends on users, not on events.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLEAN = "user_id, item_id, category_id, action, ts, valid_from := DATE '2017-11-25', valid_until := DATE '2017-12-04'"
REPORTS = {
    "cleaning_report": ("events", CLEAN),
    "activity": ("clean", "user_id, action, ts"),
    "promotion_effect": ("clean", "user_id, action, ts, DATE '2017-12-02', DATE '2017-12-04'"),
    "conversion": ("clean", "user_id, category_id, action"),
    "funnel": ("clean", "user_id, action, ts"),
    "cohorts": ("clean", "user_id, ts, period := 'day'"),
    "repeat_purchase": ("buys", "user_id, ts"),
    "rfm_summary": ("buys", "user_id, ts"),
    "rfm_scores": ("buys", "user_id, ts"),
    "lifecycle": ("clean", "user_id, ts"),
    "compare_groups": ("clean", "user_id, user_id % 2, action = 'buy'"),
}
ENCODE = """
    SELECT encode_actions(['buy', 'cart', 'fav', 'pv'], actions) AS tokens, len(actions) AS n_train
    FROM footfall.sequences(clean, user_id, action, ts)"""
HOUR, NODE_CORES, NODE_GB = 3600, 16, 64


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duckdb", required=True)
    parser.add_argument("--extension", required=True)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--partition-users", type=int, default=10150)
    parser.add_argument("--part", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--users", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    sys.path.insert(0, given.duckdb)
    if given.part is not None:
        print(json.dumps(partition(given)))
        return
    with tempfile.TemporaryDirectory() as folder:
        given.folder = Path(folder)
        model(given)


def model(given):
    whole, half = measured(given, 0, given.partition_users), measured(given, 1, given.partition_users // 2)
    per_event = (whole["cpu_s"] - half["cpu_s"]) / (whole["n_events"] - half["n_events"])
    alone = max(whole["cpu_s"] - per_event * whole["n_events"], 0)
    wire, users = whole["wire_bytes"], given.partition_users
    print(f"a partition of {whole['n_events']} events: {whole['cpu_s']:.2f} s CPU, of which {alone:.2f} s are the process's own; peak {whole['peak_mb']} MB")
    print(f"over the wire: {whole['input_bytes'] / whole['n_events']:.2f} bytes an event in the shuffle; to the driver, bytes a user:")
    print("    " + ", ".join(f"{name} {size / users:.2f}" for name, size in wire.items()))
    sizes = [max(round(n_events / whole["n_events"]), 1) for n_events in sorted(given.events)]
    cpus = {0: whole["cpu_s"], **{part: measured(given, part, users)["cpu_s"] for part in range(2, max(sizes) + 1)}}
    rows = [(n, sum(list(cpus.values())[:n]), merged(given, list(cpus)[:n])) for n in sizes]
    # Of one part and of two, which no row of the table is.
    few = merged(given, [0])
    per_part = max(merged(given, list(cpus)[:2]) - few, 0) if len(cpus) > 1 else 0
    print(f"merging on the driver: {few:.2f} s CPU, and {per_part:.3f} s a partition\n")
    print(f"{'events':>14} {'partitions':>11} {'CPU s':>9} {'measured':>9} {'merge s':>8} {'measured':>9} {'shuffle GB':>11} {'driver GB':>10} {'nodes':>6}")
    to_driver = sum(wire.values())
    for n_parts, cpu, merge in [*rows, *((round(size / whole["n_events"]), None, None) for size in (10**9, 10**10))]:
        predicted, driver = n_parts * whole["cpu_s"], few + per_part * (n_parts - 1)
        nodes = max(1, -(-int(predicted) // (HOUR * NODE_CORES)))
        seen = f"{cpu:9.1f}" if cpu else " " * 9, f"{merge:9.2f}" if merge else " " * 9
        shuffle = n_parts * whole["input_bytes"] / 1e9
        print(f"{n_parts * whole['n_events']:14} {n_parts:11} {predicted:9.0f} {seen[0]} {driver:8.1f} {seen[1]} {shuffle:11.2f} {n_parts * to_driver / 1e9:10.3f} {nodes:6}")
    ends = NODE_GB / 4 * 1e9 / (to_driver / users)
    largest = max(wire, key=wire.get)
    print(f"\nnodes: of {NODE_CORES} cores, for an hour; a core needs {whole['peak_mb'] / 1024:.2f} GB beside the JVM.")
    print(f"It ends on the driver, with what is kept per user: a quarter of {NODE_GB} GB is full at {ends / 1e6:.0f} M users, most of it {largest}.")


def measured(given, part, users):
    """What a process says of the partition that it made, counted and wrote."""
    command = [sys.executable, __file__, "--duckdb", given.duckdb, "--extension", given.extension]
    command += ["--partition-users", str(given.partition_users), "--part", str(part), "--users", str(users), "--folder", str(given.folder)]
    return json.loads(subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout)


def partition(given):
    con, folder = connect(given), given.folder
    first = given.part * given.partition_users + 1
    con.execute(f"COPY (FROM footfall.generate_events(users := {given.users}, first_user := {first})) TO '{folder}/events-{given.part}.parquet'")
    con.close()
    Path("/proc/self/clear_refs").write_text("5")
    start, con = time.process_time(), connect(given)
    con.execute(f"CREATE TABLE events AS FROM '{folder}/events-{given.part}.parquet'")
    con.execute(f"CREATE TABLE clean AS FROM footfall.clean_events(events, {CLEAN}); CREATE VIEW buys AS FROM clean WHERE action = 'buy'")
    wire = {}
    for name, sql in {**{name: f"FROM footfall.partial.{name}({table}, {rest})" for name, (table, rest) in REPORTS.items()}, "histories": ENCODE}.items():
        path = f"{folder}/{name}-{given.part}.parquet"
        con.execute(f"COPY ({sql}) TO '{path}' (COMPRESSION zstd)")
        wire[name] = os.path.getsize(path)
    cpu = time.process_time() - start
    [[n_events]] = con.execute("SELECT count(*) FROM events").fetchall()
    peak = next(int(line.split()[1]) // 1024 for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    size = os.path.getsize(f"{folder}/events-{given.part}.parquet")
    return {"cpu_s": cpu, "n_events": n_events, "peak_mb": peak, "input_bytes": size, "wire_bytes": wire}


def merged(given, parts):
    """CPU seconds of merging the reports of some parts."""
    con = connect(given)
    start = resource.getrusage(resource.RUSAGE_SELF)
    for name, (_, rest) in REPORTS.items():
        files = [f"{given.folder}/{name}-{part}.parquet" for part in parts]
        con.execute(f"CREATE OR REPLACE VIEW parts AS FROM read_parquet({files})")
        con.execute(f"FROM footfall.merged.{name}(parts, {rest})").fetchall()
    end = resource.getrusage(resource.RUSAGE_SELF)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime


def connect(given):
    import duckdb

    con = duckdb.connect(config={"allow_unsigned_extensions": "true", "threads": 1})
    con.execute(f"LOAD '{given.extension}'; SET preserve_insertion_order = false; SET enable_progress_bar = false")
    return con


if __name__ == "__main__":
    main()
