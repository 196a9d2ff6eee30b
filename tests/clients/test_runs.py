"""Training runs that the process keeps behind a ticket: the same bytes whatever becomes of the run, and memory that is given back.

The DuckDBs of a run take turns with the long ones, of which DuckDB sees two arguments and a struct.
"""

import gc
import threading
import time
import unittest

import duckdb

from client import connect, is_ours, one

SETUP = """
    CREATE OR REPLACE TABLE histories AS
    SELECT u, list_transform(range(12 + u % 4), lambda i: ['pv', 'pv', 'cart', 'buy'][1 + (i * i + u) % 4]) AS actions FROM range({n}) users(u);
    CREATE OR REPLACE TABLE packed AS FROM footfall.internal.training_set(histories, actions, user_id := u);
"""
# Histories of a training, until an epoch takes several calls on this machine; the state stays small.
N_HISTORIES = (1000, 4000, 16000, 64000, 256000)
SMALL, LARGE = "{hidden: 8, epochs: 3}", "{hidden: 96, epochs: 2}"
# A kept run is dropped after 3 s.
FORGOTTEN_S = 5
PIECE = "SELECT system.main.train_piece(?, ?, dataset, 2, false, 'train') FROM packed"
# The other way, with the whole state in every row.
BY_HAND = """
    WITH RECURSIVE run AS (
        SELECT train_start(dataset, {settings}) AS step FROM packed
        UNION ALL
        SELECT train_epoch(step.state, dataset, 2) FROM run, packed WHERE NOT step.finished
    )
    SELECT list(md5(step.model) ORDER BY step.epoch) FROM run WHERE step.complete
"""


def resident_mb():
    gc.collect()
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * 4096 / 2**20


class Runs(unittest.TestCase):
    def setUp(self):
        self.connection = connect()
        self.addCleanup(self.connection.close)
        self.connection.execute(SETUP.format(n=120))

    def begin(self, settings):
        return one(self.connection, f"SELECT train_start(dataset, {settings}).state FROM packed")

    def digests(self, state, next_ticket):
        """The models of a run as md5, when each call is given what `next_ticket` makes of the last ticket; and the calls."""
        digests, ticket, n_calls = [], 0, 0
        while True:
            piece = self.connection.execute(PIECE, [ticket, state]).fetchone()[0]
            n_calls += 1
            report = piece["report"]
            if report["complete"]:
                digests.append(self.connection.execute("SELECT md5(?)", [report["model"]]).fetchone()[0])
            if report["finished"]:
                return digests, n_calls
            state = piece["state"] or state
            ticket = next_ticket(piece["ticket"], n_calls)

    def large(self):
        """Settings of a training whose first epoch takes more than one call; `packed` has the histories for it."""
        for n in N_HISTORIES:
            self.connection.execute(SETUP.format(n=n))
            piece = self.connection.execute(PIECE, [0, self.begin(LARGE)]).fetchone()[0]
            if not piece["report"]["complete"]:
                return LARGE
        self.skipTest(f"an epoch of {n} histories takes less than a second")

    def test_a_run_by_ticket_is_that_of_states(self):
        for settings in (SMALL, self.large()) if is_ours(0) else (SMALL,):
            expected = one(self.connection, BY_HAND.format(settings=settings))
            self.assertEqual(self.digests(self.begin(settings), lambda ticket, _: ticket)[0], expected)

    def test_a_forgotten_run_begins_its_epoch_anew(self):
        if not is_ours(1):
            self.skipTest("another DuckDB of this run does it")
        state = self.begin(self.large())
        expected, n_calls = self.digests(state, lambda ticket, _: ticket)
        print(f"{n_calls} calls")
        # Once within the first epoch: a ticket of nobody, and one that was kept for too long.
        self.assertEqual(self.digests(state, lambda ticket, n: 12345 if n == 1 else ticket)[0], expected)

        def late(ticket, n):
            if n == 1:
                time.sleep(FORGOTTEN_S)
            return ticket

        self.assertEqual(self.digests(state, late)[0], expected)

    def test_a_ticket_with_another_state_or_dataset_counts_for_nothing(self):
        state, other = self.begin(SMALL), self.begin("{hidden: 8, epochs: 3, seed: 7}")
        expected, _ = self.digests(other, lambda ticket, _: ticket)
        ticket = self.connection.execute(PIECE, [0, state]).fetchone()[0]["ticket"]
        piece = self.connection.execute(PIECE, [ticket, other]).fetchone()[0]
        self.assertEqual(self.connection.execute("SELECT md5(?)", [piece["report"]["model"]]).fetchone()[0], expected[0])

    def test_several_runs_in_one_query_have_their_tickets(self):
        states = [self.begin(f"{{hidden: 8, epochs: 3, seed: {seed}}}") for seed in range(3)]
        alone = [self.digests(state, lambda ticket, _: ticket)[0] for state in states]
        tickets, found = [0] * 3, [[] for _ in states]
        while any(state is not None for state in states):
            self.connection.execute("CREATE OR REPLACE TABLE under_way (place INTEGER, ticket BIGINT, state BLOB)")
            self.connection.executemany(
                "INSERT INTO under_way VALUES (?, ?, ?)", [row for row in zip(range(3), tickets, states) if row[2] is not None]
            )
            rows = self.connection.execute(
                "SELECT place, system.main.train_piece(ticket, state, dataset, 1, false, 'train') FROM under_way, packed ORDER BY place"
            ).fetchall()
            self.assertEqual(len({piece["ticket"] for _, piece in rows}), 1 if rows[0][1]["report"]["finished"] else len(rows))
            for place, piece in rows:
                tickets[place], states[place] = piece["ticket"], piece["state"]
                found[place].append(self.connection.execute("SELECT md5(?)", [piece["report"]["model"]]).fetchone()[0])
        self.assertEqual(found, alone)

    def test_two_connections_train_at_once(self):
        sql = "SELECT list(md5(model) ORDER BY epoch) FROM footfall.train(histories, actions, hidden := {}, epochs := 3, user_id := u)"
        alone = [one(self.connection, sql.format(hidden)) for hidden in (12, 20)]
        found = [None, None]

        def train(place, hidden):
            with self.connection.cursor() as connection:
                found[place] = [one(connection, sql.format(hidden)) for _ in range(5)]

        threads = [threading.Thread(target=train, args=(place, hidden)) for place, hidden in enumerate((12, 20))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, [[digests] * 5 for digests in alone])

    def test_what_is_stopped_gives_its_memory_back(self):
        training = "SELECT epoch FROM footfall.train(histories, actions, hidden := 160, epochs := 10000, user_id := u, progress := false)"

        def stop(n):
            for i in range(n):
                if i % 20:
                    self.connection.execute(training + " LIMIT 1").fetchall()
                    continue
                timer = threading.Timer(0.2, self.connection.interrupt)
                timer.start()
                with self.assertRaises(duckdb.InterruptException):
                    self.connection.execute(training).fetchall()
                timer.join()
            time.sleep(FORGOTTEN_S)
            return resident_mb()

        before = stop(21)
        after = stop(100)
        print(f"{before:.0f} MiB after 21 runs that were stopped, {after:.0f} MiB after 100 more")
        # A run of 0.7 million parameters is 8 MiB and more.
        self.assertLess(after - before, 100)


if __name__ == "__main__":
    unittest.main()
