"""sql/recipes/live.sql: one event at a time, also when the process dies between two of them."""

import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import duckdb

from client import connect, one

RECIPE = Path(__file__).resolve().parents[2] / "sql" / "recipes" / "live.sql"
N_USERS = 5
TRAIN = """
    CREATE TABLE histories AS
    SELECT user_id, list(action ORDER BY ts, action) AS actions FROM footfall.generate_events(users := 60) GROUP BY user_id;
    CREATE TABLE models AS
    SELECT model FROM footfall.train(histories, actions, epochs := 1, hidden := 8, user_id := user_id);
"""
# What the states should be: the model on the whole history of each user.
EXPECTED = """
    SELECT user_id, len(actions) AS n_events, predict_next(model, actions).action AS next_action, predict_next(model, actions).probability AS probability
    FROM models, (SELECT user_id, list(action ORDER BY ts) AS actions FROM live_events GROUP BY user_id)
"""


def opened(path):
    connection = connect(path)
    connection.execute("SET VARIABLE model = (SELECT model FROM models)")
    for statement in duckdb.extract_statements(RECIPE.read_text()):
        connection.execute(statement)
    return connection


def happen(connection, number):
    """The event of this number, event and state in one transaction."""
    user, action = number * 7919 % N_USERS, ["pv", "pv", "cart", "buy"][number * number % 4]
    connection.execute("BEGIN")
    connection.execute(f"EXECUTE remember(user_id := {user}, action := '{action}', ts := TIMESTAMP '2020-01-01' + INTERVAL {number} SECONDS)")
    told = connection.execute(f"EXECUTE advance(user_id := {user}, action := '{action}')").fetchall()
    connection.execute("COMMIT")
    return user, told


class Live(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "live.duckdb"
        with connect(self.path) as connection:
            connection.execute(TRAIN)

    def check(self, connection):
        states = connection.execute("SELECT user_id, n_events, next_action, probability FROM states ORDER BY user_id").fetchall()
        self.assertEqual(states, connection.execute(f"FROM ({EXPECTED}) ORDER BY user_id").fetchall())
        return sum(n_events for _, n_events, *_ in states)

    def test_states_follow_the_events(self):
        with opened(self.path) as connection:
            for number in range(60):
                user, told = happen(connection, number)
                self.assertEqual(told, connection.execute(f"SELECT next_action, probability FROM states WHERE user_id = {user}").fetchall())
            self.assertEqual(self.check(connection), 60)
            connection.execute("BEGIN")
            connection.execute("EXECUTE remember(user_id := 1, action := 'buy', ts := TIMESTAMP '2021-01-01')")
            connection.execute("EXECUTE advance(user_id := 1, action := 'buy')")
            connection.execute("ROLLBACK")
            self.assertEqual(self.check(connection), 60)
            connection.execute("DELETE FROM states")
            connection.execute("INSERT INTO states FROM all_states()")
            self.assertEqual(self.check(connection), 60)

    def test_a_process_that_dies_leaves_events_and_states_that_agree(self):
        n_before = 0
        for seconds in (0.1, 0.3):
            process = subprocess.Popen([sys.executable, __file__, "--endless", str(self.path), str(n_before)], stdout=subprocess.PIPE)
            # Its first event is done.
            process.stdout.readline()
            time.sleep(seconds)
            process.kill()
            process.wait()
            process.stdout.close()
            with opened(self.path) as connection:
                n = self.check(connection)
                self.assertEqual(n, one(connection, "SELECT count(*) FROM live_events"))
                self.assertGreater(n, n_before)
            n_before = n


def endless(path, number):
    connection = opened(path)
    while True:
        happen(connection, number)
        number += 1
        print(number, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--endless"]:
        endless(sys.argv[2], int(sys.argv[3]))
    unittest.main()
