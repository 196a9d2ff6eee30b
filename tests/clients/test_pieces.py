"""Clusterings that go on piece by piece: interrupted at any moment, and given up between two pieces."""

import random
import threading
import time
import unittest

import duckdb

from client import connect, is_ours, one

POINTS = """
    CREATE TABLE {name} AS
    SELECT i AS id, [hash(i) % 100000 / 7.0, hash(i + 7) % 100000 / 3.0, hash(i * 3) % 99991 / 100, hash(i * 5) % 99989 / 7] AS place
    FROM range({n}) t(i)
"""
LONG = [
    "SELECT sum(segment) FROM footfall.segment(many, id, place, k := 10000)",
    "FROM footfall.choose_k(many, place, k_from := 2000, k_to := 10000)",
    "FROM footfall.choose_k(few, place, k_to := 10000)",
    "SELECT sum(segment) FROM footfall.segment(few, id, place, k := 1500)",
    "SELECT sum(distance) FROM footfall.outliers(many, id, place, neighbours := 1000)",
]
SHORT = "SELECT md5(string_agg(c::VARCHAR, ';')) FROM (FROM footfall.choose_k(few, place, k_to := 8)) c"
# The promise is 2 s; the machines that run tests are busy.
PATIENCE_S = 20


class Pieces(unittest.TestCase):
    def setUp(self):
        self.connection = connect()
        self.addCleanup(self.connection.close)
        self.connection.execute(POINTS.format(name="many", n=200_000))
        self.connection.execute(POINTS.format(name="few", n=3000))

    def test_interrupts_at_random_moments(self):
        before = one(self.connection, SHORT)
        moments, waits = random.Random(13), []
        tries = [query for query in LONG for turn in range(2)]
        # Each query on every DuckDB; the second tries are dealt out.
        for turn, query in enumerate(tries):
            if turn % 2 == 0 or is_ours(turn):
                interrupted_at = []

                def interrupt():
                    interrupted_at.append(time.perf_counter())
                    self.connection.interrupt()

                timer = threading.Timer(moments.uniform(0.1, 2.5), interrupt)
                timer.start()
                with self.assertRaises(duckdb.InterruptException):
                    self.connection.execute(query).fetchall()
                waits.append(time.perf_counter() - interrupted_at[0])
                timer.join()
        print(f"longest wait after an interrupt: {max(waits):.2f} s")
        self.assertLess(max(waits), PATIENCE_S)
        self.assertEqual(one(self.connection, SHORT), before)

    def test_work_stops_with_its_query(self):
        timer = threading.Timer(1, self.connection.interrupt)
        timer.start()
        with self.assertRaises(duckdb.InterruptException):
            self.connection.execute(LONG[0]).fetchall()
        timer.join()
        # On a busy machine the piece that was under way takes a while to see it.
        for _ in range(PATIENCE_S):
            before = time.process_time()
            time.sleep(1)
            if (worked := time.process_time() - before) < 0.3:
                break
        self.assertLess(worked, 0.3)

    def test_a_job_that_was_given_up_begins_anew(self):
        self.connection.execute("CREATE TABLE packed AS SELECT system.main.pack_points(list(place)) AS points FROM few")
        piece = "SELECT p.job, p.finished, md5(p.result::VARCHAR) FROM (SELECT system.main.kmeans_piece(?, points, 15, {'seed': 1, 'threads': 1}) AS p FROM packed)"
        job, finished, _ = self.connection.execute(piece, [0]).fetchone()
        self.assertFalse(finished)
        time.sleep(3)
        again, finished, result = self.connection.execute(piece, [job]).fetchone()
        self.assertNotEqual(again, job)
        while not finished:
            _, finished, result = self.connection.execute(piece, [again]).fetchone()
        undisturbed = one(self.connection, "SELECT md5(kmeans(list(place), 15, {'seed': 1})::VARCHAR) FROM few")
        self.assertEqual(result, undisturbed)


if __name__ == "__main__":
    unittest.main()
