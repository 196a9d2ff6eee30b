"""Eight connections at once, each at another stage, have the results of one alone.

SOAK_SECONDS is how long they go on (5).
"""

import collections
import os
import random
import threading
import time
import unittest

from client import connect

SECONDS = float(os.environ.get("SOAK_SECONDS", "5"))
N_CONNECTIONS = 8
SETUP = """
    SET threads = 4;
    CREATE TABLE events AS FROM footfall.generate_events(users := 400);
    CREATE TABLE histories AS FROM footfall.sequences(events, user_id, action, ts);
    CREATE TABLE customers AS
    SELECT user_id, count(*) AS n_events, count(*) FILTER (action = 'buy') AS n_buys FROM events GROUP BY user_id;
    CREATE TABLE run AS FROM footfall.train(histories, actions, epochs := 1, hidden := 6, embedding := 4, user_id := user_id);
"""
STAGES = {
    "generate": "SELECT bit_xor(hash(event)), count(*) FROM footfall.generate_events(users := 200) AS event",
    "clean": """
        SELECT bit_xor(hash(event)), count(*)
        FROM footfall.clean_events(events, user_id, item_id, category_id, action, ts) AS event""",
    "features": "SELECT bit_xor(hash(time_features(ts)::VARCHAR)) FROM events",
    "activity": "FROM footfall.activity(events, user_id, action, ts, days := 'open')",
    "funnel": "FROM footfall.funnel(events, user_id, action, ts, within := INTERVAL 1 HOUR)",
    "conversion": "FROM footfall.conversion(events, user_id, category_id, action) ORDER BY ALL",
    "cohorts": "FROM footfall.cohorts(events, user_id, ts) ORDER BY ALL",
    "rfm": "FROM footfall.rfm(events, user_id, ts, amount := item_id) ORDER BY ALL",
    "sequences": "SELECT bit_xor(hash(history)), count(*) FROM footfall.sequences(events, user_id, action, ts) AS history",
    "segment": "FROM footfall.segment(customers, user_id, [n_events, n_buys], k := 3) ORDER BY ALL",
    "choose_k": "FROM footfall.choose_k(customers, [n_events, n_buys], k_to := 3) ORDER BY k",
    "gmm": "SELECT gmm(list([n_events, n_buys]::DOUBLE[] ORDER BY user_id), 2)::VARCHAR FROM customers",
    "training_set": "SELECT md5(dataset) FROM footfall.internal.training_set(histories, actions, user_id := user_id)",
    "train": """
        SELECT epoch, validation_loss, md5(model)
        FROM footfall.train(histories, actions, epochs := 2, hidden := 6, embedding := 4, user_id := user_id) ORDER BY epoch""",
    "evaluate": "FROM footfall.evaluate(histories, actions, (SELECT model FROM run), part := 'all')",
    "predict": "SELECT user_id, predict_next((SELECT model FROM run), actions)::VARCHAR FROM histories ORDER BY user_id",
    "compare": "FROM footfall.compare_models(histories, actions, (SELECT model FROM run), (SELECT model FROM run), part := 'all')",
    # Writes beside the readers, each connection to a table of its own.
    "write": """
        CREATE OR REPLACE TEMP TABLE own AS FROM footfall.rfm(events, user_id, ts);
        SELECT segment, count(*) FROM own GROUP BY segment ORDER BY ALL""",
}


class Soak(unittest.TestCase):
    def test_many_connections_have_the_results_of_one(self):
        database = connect()
        self.addCleanup(database.close)
        database.execute(SETUP)
        alone = {name: database.execute(sql).fetchall() for name, sql in STAGES.items()}
        counts, failures = collections.Counter(), []
        until = time.monotonic() + SECONDS

        def work(place, connection):
            generator = random.Random(place)
            try:
                while time.monotonic() < until and not failures:
                    # Every stage in an order that no other connection has.
                    for name in generator.sample(list(STAGES), len(STAGES)):
                        if connection.execute(STAGES[name]).fetchall() != alone[name]:
                            failures.append(f"{name}: another result on connection {place}")
                        counts[name] += 1
                        if time.monotonic() > until:
                            break
            except Exception as error:
                failures.append(f"connection {place}: {error}")
            finally:
                connection.close()

        threads = [threading.Thread(target=work, args=(place, database.cursor())) for place in range(N_CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"soak: {N_CONNECTIONS} connections, {SECONDS:.0f} s, {counts.total()} queries of {len(counts)} stages")
        self.assertEqual(failures, [])
        self.assertEqual(counts.keys(), STAGES.keys())
        self.assertEqual({name: database.execute(sql).fetchall() for name, sql in STAGES.items()}, alone)


if __name__ == "__main__":
    unittest.main()
