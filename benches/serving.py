"""What an event costs a service that must know at once what comes next: sql/recipes/live.sql beside Python services with ONNX Runtime.

    python benches/serving.py --extension FILE [--duckdb DIR] [--events 300] [--history 1000]

The same network, the same users and events, in turns of one event each in one process. One number per event: from its arrival to the
probability of the next one, in milliseconds, for users of a short history and of a long one.

- footfall: the transaction of sql/recipes/live.sql in a database file: event and state are kept together, or neither is.
- onnx, events kept: the event goes into a table of the same kind of file; the history of each user is a list in the process, and ONNX Runtime reads it whole.
- onnx, nothing kept: the same without the table: what is not told is lost with the process.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRAIN = """
    CREATE TABLE histories AS
    SELECT user_id, list(action ORDER BY ts, action) AS actions FROM footfall.generate_events(users := 200, seed := 42) GROUP BY user_id;
    CREATE TABLE run AS FROM footfall.train(histories, actions, epochs := 1, hidden := 64, user_id := user_id)
"""
SHORT = 10


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--extension", type=Path, required=True)
    parser.add_argument("--duckdb", help="folder with an installed duckdb wheel")
    parser.add_argument("--events", type=int, default=300, help="for each length of history")
    parser.add_argument("--history", type=int, default=1000, help="the actions that a user of the long histories has already")
    arguments = parser.parse_args()
    sys.path[:0] = [arguments.duckdb] if arguments.duckdb else []
    import duckdb
    import onnxruntime

    print(f"DuckDB {duckdb.__version__}, ONNX Runtime {onnxruntime.__version__}, one thread each, {arguments.events} events")
    with tempfile.TemporaryDirectory() as folder:
        ours = Footfall(duckdb, folder, arguments.extension)
        kept, plain = (Onnx(duckdb, onnxruntime, path, ours) for path in (Path(folder) / "events.duckdb", None))
        services = {"footfall": ours, "onnx, events kept": kept, "onnx, nothing kept": plain}
        for user, length in enumerate((SHORT, arguments.history)):
            actions = [ours.vocabulary[place * place * 7 % len(ours.vocabulary)] for place in range(length + arguments.events)]
            for service in services.values():
                service.begin(user, actions[:length])
            times = {name: [] for name in services}
            for action in actions[length:]:
                told = {name: timed(times[name], service.happen, user, action) for name, service in services.items()}
                assert max(told.values()) - min(told.values()) < 1e-5, told
            for name, seconds in times.items():
                p50, p99 = (statistics.quantiles(seconds, n=100)[place - 1] * 1e3 for place in (50, 99))
                print(f"history of {length} and more  {name:20} p50 {p50:7.2f} ms  p99 {p99:7.2f} ms")


def timed(seconds, call, *arguments):
    start = time.perf_counter()
    told = call(*arguments)
    seconds.append(time.perf_counter() - start)
    return told


class Footfall:
    """The recipe, in a database file."""

    def __init__(self, duckdb, folder, extension):
        self.connection = duckdb.connect(str(Path(folder) / "live.duckdb"), config={"allow_unsigned_extensions": "true", "threads": 1})
        self.connection.execute(f"LOAD '{extension}'")
        self.connection.execute(TRAIN)
        self.connection.execute("SET VARIABLE model = (FROM footfall.best_model(run))")
        for statement in duckdb.extract_statements((ROOT / "sql" / "recipes" / "live.sql").read_text()):
            self.connection.execute(statement)
        self.file, self.vocabulary = self.connection.execute("SELECT to_onnx(getvariable('model')), model_info(getvariable('model')).vocabulary").fetchone()

    def begin(self, user, actions):
        self.connection.execute(
            "INSERT INTO live_events SELECT ?, unnest(?), TIMESTAMP '2020-01-01' + to_seconds(unnest(range(?)))", [user, actions, len(actions)]
        )
        self.connection.execute("DELETE FROM states")
        self.connection.execute("INSERT INTO states FROM all_states()")
        self.n = len(actions)

    def happen(self, user, action):
        self.n += 1
        self.connection.execute("BEGIN")
        self.connection.execute(
            f"EXECUTE remember(user_id := {user}, action := '{action}', ts := TIMESTAMP '2020-01-01' + to_seconds({self.n}))"
        )
        _, probability = self.connection.execute(f"EXECUTE advance(user_id := {user}, action := '{action}')").fetchone()
        self.connection.execute("COMMIT")
        return probability


class Onnx:
    """Histories in the process, and the whole of one through the network for each event."""

    def __init__(self, duckdb, onnxruntime, path, ours):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(ours.file, options, providers=["CPUExecutionProvider"])
        vocabulary = json.loads(self.session.get_modelmeta().custom_metadata_map["vocabulary"])
        self.places = {action: place for place, action in enumerate(vocabulary)}
        self.histories = {}
        self.connection = path and duckdb.connect(str(path), config={"threads": 1})
        if path:
            self.connection.execute("CREATE TABLE live_events (user_id BIGINT, action VARCHAR, n BIGINT)")

    def begin(self, user, actions):
        self.histories[user] = [self.places[action] for action in actions]

    def happen(self, user, action):
        import numpy

        history = self.histories[user]
        history.append(self.places[action])
        if self.connection:
            self.connection.execute("INSERT INTO live_events VALUES (?, ?, ?)", [user, action, len(history)])
        inputs = {"tokens": numpy.array([history], numpy.int64), "lengths": numpy.array([len(history)], numpy.int32)}
        return float(self.session.run(["probabilities"], inputs)[0].max())


if __name__ == "__main__":
    main()
