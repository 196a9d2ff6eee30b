#!/usr/bin/env python3
"""What a morning costs that reads one day, beside the same reports of all days: sql/recipes/refresh.sql, statement by statement.

    python3 benches/refresh.py --duckdb DIR --extension PATH [--users 10000] [--days 100]

The shop of footfall.generate_events lies in one CSV file a day. What the recipe keeps is kept of each of them, and then the recipe
runs for the last day again, as if events had come late; of that time its statements are told, in CPU seconds of the process, and their rows are compared with
those of the reports of all files. The other side reads and cleans all files and makes the same reports.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

RECIPE = Path(__file__).resolve().parent.parent / "sql" / "recipes" / "refresh.sql"
FIRST = "2017-11-25"
CLEAN = "user_id, item_id, category_id, action, ts"
PROMOTION = "user_id, action, ts, DATE '2017-12-02', DATE '2017-12-04'"
WHOLE = {
    "reading": "CREATE OR REPLACE TABLE events AS FROM read_csv('{folder}/*.csv')",
    "cleaning": f"CREATE OR REPLACE TABLE clean AS FROM footfall.clean_events(events, {CLEAN}); CREATE OR REPLACE VIEW buys AS FROM clean WHERE action = 'buy'",
    "receipt": f"FROM footfall.cleaning_report(events, {CLEAN})",
    "date": "SELECT label, events, users, purchases FROM footfall.activity(clean, user_id, action, ts, by := 'date')",
    "promotion": f"FROM footfall.promotion_effect(clean, {PROMOTION})",
    "customer": "SELECT segment, customers, mean_recency_days, mean_frequency FROM footfall.rfm_summary(buys, user_id, ts)",
}
MERGED = {
    "receipt": f"FROM footfall.merged.cleaning_report(receipt_parts, {CLEAN})",
    "date": WHOLE["date"].replace("activity(clean", "merged.activity(date_parts"),
    "promotion": f"FROM footfall.merged.promotion_effect(promotion_parts, {PROMOTION})",
    "customer": WHOLE["customer"].replace("rfm_summary(buys", "merged.rfm_summary(customer_parts"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duckdb", required=True)
    parser.add_argument("--extension", required=True)
    parser.add_argument("--users", type=int, default=10000)
    parser.add_argument("--days", type=int, default=100)
    given = parser.parse_args()
    sys.path.insert(0, given.duckdb)
    with tempfile.TemporaryDirectory() as folder:
        compare(given, folder)


def compare(given, folder):
    import duckdb

    days = shop(connect(given, ":memory:"), given, folder)
    con = connect(given, f"{folder}/study.duckdb")
    recipe = duckdb.extract_statements(RECIPE.read_text())
    keeping = [statement.query for statement in recipe if statement.type != duckdb.StatementType.SELECT]
    statements = [statement.query for statement in recipe]
    for day in days:
        con.execute(f"SET VARIABLE file = '{folder}/{day}.csv'; SET VARIABLE day = DATE '{day}'; {';'.join(keeping)}")
    morning = [timed(con, statement) for statement in statements]
    whole = {name: timed(con, sql.format(folder=folder)) for name, sql in WHOLE.items()}
    merged = {name: timed(con, sql) for name, sql in MERGED.items()}
    for name, (_, rows) in merged.items():
        assert sorted(map(repr, rows)) == sorted(map(repr, whole[name][1])), name
    print(f"DuckDB {duckdb.__version__}, {given.days} days, {con.execute('SELECT count(*) FROM events').fetchone()[0]} events; CPU seconds")
    spent = {name: sum(cpu for statement, (cpu, _) in zip(statements, morning) if "INSERT" in statement and f"{name}_parts" in statement) for name in MERGED}
    print(f"{'':10} {'all days':>9} {'a day':>7} {'merging':>8} {'ratio':>6} {'rows kept':>10}")
    for name, (cpu, _) in merged.items():
        kept = con.execute(f"SELECT count(*) FROM {name}_parts").fetchone()[0]
        print(f"{name:10} {whole[name][0]:9.2f} {spent[name]:7.2f} {cpu:8.2f} {whole[name][0] / (spent[name] + cpu):6.1f} {kept:10}")
    full, refreshed = sum(cpu for cpu, _ in whole.values()), sum(cpu for cpu, _ in morning)
    print(f"the recipe {refreshed:.2f} s, all files {full:.2f} s, of which reading {whole['reading'][0]:.2f} and cleaning {whole['cleaning'][0]:.2f}: {full / refreshed:.1f} times")
    without = full - whole["promotion"][0]
    print(f"without the promotion, which the recipe keeps and does not show, all files {without:.2f} s: {without / refreshed:.1f} times")


def connect(given, database):
    import duckdb

    con = duckdb.connect(database, config={"allow_unsigned_extensions": "true", "threads": 2})
    con.execute(f"LOAD '{given.extension}'; SET enable_progress_bar = false")
    return con


def shop(con, given, folder):
    """Writes a CSV file for each day, and gives the days as text."""
    # Without the few rows of wrong years, of which each would be a day.
    period = f"ts >= DATE '{FIRST}' AND ts < DATE '{FIRST}' + {given.days}"
    con.execute(f"CREATE TABLE shop AS FROM footfall.generate_events(users := {given.users}, days := {given.days}) WHERE {period} ORDER BY ts")
    days = [day for [day] in con.execute("SELECT DISTINCT CAST(CAST(ts AS DATE) AS VARCHAR) FROM shop ORDER BY 1").fetchall()]
    for day in days:
        con.execute(f"COPY (FROM shop WHERE ts >= DATE '{day}' AND ts < DATE '{day}' + 1) TO '{folder}/{day}.csv'")
    return days


def timed(con, sql):
    """CPU seconds of a statement, and its rows."""
    start = time.process_time()
    rows = con.execute(sql).fetchall()
    return time.process_time() - start, rows


if __name__ == "__main__":
    main()
