"""The line that shows where a long call stands: on a terminal, while it works, and nothing of it afterwards.

The DuckDBs of a run take turns with the cases: what draws is ours, and knows nothing of DuckDB's version.
"""

import os
import pty
import select
import subprocess
import sys
import time
import unittest

from client import is_ours

PROGRAM = """
import sys, threading
from client import connect
connection = connect()
connection.execute({setup!r})
threading.Timer({seconds}, connection.interrupt).start()
try:
    connection.execute({sql!r}).fetchall()
except Exception as error:
    print("ended by", type(error).__name__, flush=True)
else:
    print("ended by itself", flush=True)
"""
POINTS = "CREATE TABLE customers AS SELECT i, [sqrt(hash(i) % 1000003), hash(i + 7) % 999983] AS place FROM range(60000) numbers(i)"
HISTORIES = "CREATE TABLE histories AS SELECT list_transform(range(200), lambda j: ['pv', 'buy'][1 + (i * j) % 2]) AS actions FROM range(500) numbers(i)"
SEGMENT = "SELECT count(*) FROM footfall.segment(customers, i, place, k := 3000, progress := {})"
CHOOSE_K = "SELECT count(*) FROM footfall.choose_k(customers, place, k_from := 500, k_to := 10000, progress := {})"
TRAIN = "SELECT count(*) FROM footfall.train(histories, actions, hidden := 256, epochs := 100, progress := {})"
ERASE = "\x1b[J"


def printed(setup, sql, seconds=6, terminal=True, **environment):
    """What a program writes while it runs a query that is interrupted."""
    program = PROGRAM.format(setup=setup, sql=sql, seconds=seconds)
    ours, theirs = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, cwd=os.path.dirname(os.path.abspath(__file__)),
        env={**os.environ, "TERM": "xterm", **environment},
    )
    os.close(theirs)
    chunks, until = [], time.monotonic() + 120
    while time.monotonic() < until:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                chunk = os.read(ours, 65536)
            except OSError:
                break
            if not chunk:
                break
            chunks.append(chunk)
    process.kill()
    process.wait()
    os.close(ours)
    return b"".join(chunks).decode()


class Progress(unittest.TestCase):
    def test_a_long_call_shows_a_line_and_takes_it_away(self):
        cases = (
            (POINTS, SEGMENT, r"footfall\.segment [█░]{24} \d+% (reading the points|start \d+/\d+)"),
            (POINTS, CHOOSE_K, r"footfall\.choose_k [█░]{24} \d+% (reading the points|k \d+ of 500 to 10000)"),
            (HISTORIES, TRAIN, r"footfall\.train [█░]{24} \d+% epoch \d+/100, loss \d"),
        )
        for setup, sql, line in (case for turn, case in enumerate(cases) if is_ours(turn)):
            with self.subTest(sql):
                text = printed(setup, sql.format("true"))
                self.assertRegex(text, line)
                lines = text.split("footfall.")
                # Each drawing begins with an erasure, and the last is followed by one.
                self.assertIn(ERASE, lines[-1])
                self.assertIn("ended by", lines[-1][lines[-1].rindex(ERASE) :])

    def test_nothing_is_shown_where_nothing_is_wanted(self):
        cases = (
            ("progress := false", POINTS, SEGMENT.format("false"), {}),
            ("progress := NULL", POINTS, CHOOSE_K.format("NULL"), {}),
            ("no terminal", POINTS, SEGMENT.format("true"), {"terminal": False}),
            ("a terminal that cannot move", POINTS, CHOOSE_K.format("true"), {"TERM": "dumb"}),
        )
        for name, setup, sql, options in (case for turn, case in enumerate(cases) if is_ours(turn)):
            with self.subTest(name):
                text = printed(setup, sql, seconds=4, **options)
                self.assertNotIn("footfall.", text)
                self.assertRegex(text, r"ended by \w+\s*\Z")


if __name__ == "__main__":
    unittest.main()
