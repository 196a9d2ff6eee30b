"""predict_next in SQL beside PyTorch and ONNX Runtime with the same weights, in one run, taking turns.

    python benches/predict.py [--histories 1000000] [--threads 2] [--rounds 3]

Embedding 32, hidden 64, one layer; histories of 1 to 50 actions with the mix of a real shop. SQL is timed whole, from
a table of VARCHAR[] to the likeliest action of every row. The peers are given what they would have to make first: tokens
as integers, sorted by length, in padded batches of 2,048. One history of 50: the median of 300 statements as text, and
prepared (PREPARE, EXECUTE), against one call of the peers. Every figure is the best of the rounds.
"""

import argparse
import os
import pathlib
import statistics
import sys
import time

import duckdb
import numpy as np
import onnxruntime
import safetensors.torch
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent / "peers"))
import engine_torch  # noqa: E402

EXTENSION = os.environ.get("FOOTFALL_EXTENSION", "build/footfall.duckdb_extension")
ACTIONS = ["buy", "cart", "fav", "pv"]
HISTORY = """list_transform(range({length}), lambda i: CASE
    WHEN hash({user} * 1000003 + i) % 1000 < 895 THEN 'pv' WHEN hash({user} * 1000003 + i) % 1000 < 950 THEN 'cart'
    WHEN hash({user} * 1000003 + i) % 1000 < 980 THEN 'fav' ELSE 'buy' END)"""


def connect(n_histories, threads):
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{EXTENSION}'")
    connection.execute(f"SET threads = {threads}")
    history = HISTORY.format(length="1 + (hash(u) % 50)::BIGINT", user="u")
    connection.execute(f"CREATE TABLE histories AS SELECT u, {history} AS actions FROM range({n_histories}) t(u)")
    connection.execute("CREATE TABLE sample AS FROM histories WHERE u < 2000")
    return connection


def tokens_of(connection):
    """The histories as the peers take them: a tensor each."""
    lengths = connection.execute("SELECT len(actions) AS n FROM histories ORDER BY u").fetchnumpy()["n"]
    flat = connection.execute(
        f"SELECT unnest(list_transform(actions, lambda a: list_position({ACTIONS}, a) - 1))::BIGINT AS token "
        "FROM histories ORDER BY u"
    ).fetchnumpy()["token"]
    return [torch.from_numpy(part) for part in np.split(np.asarray(flat), np.cumsum(lengths)[:-1])]


def timed(run):
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def take_turns(rounds, runs):
    seconds = [[timed(run) for run in runs] for _ in range(rounds)]
    return [min(column) for column in zip(*seconds)]


def median_of(run, n=300):
    return statistics.median(timed(run) for _ in range(n))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--histories", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    connection = connect(given.histories, given.threads)
    batches = list(engine_torch.by_length(tokens_of(connection), 2048))
    one = HISTORY.format(length="50", user="-1")
    (one,) = connection.execute(f"SELECT {one}").fetchone()
    one_tokens = torch.tensor([[ACTIONS.index(action) for action in one]])
    one_last = torch.tensor([len(one) - 1])
    version = connection.execute("SELECT footfall_version()").fetchone()[0]
    print(f"footfall {version} in DuckDB {duckdb.__version__}, PyTorch {torch.__version__}, "
          f"ONNX Runtime {onnxruntime.__version__}; {given.threads} threads; load {os.getloadavg()[0]:.1f}")
    print(f"{given.histories:,} histories{'SQL':>12}{'PyTorch':>10}{'ONNX':>10}   histories/s  ratio")
    medians = []
    for cell in ("lstm", "gru", "rnn"):
        connection.execute(
            "CREATE OR REPLACE TABLE models AS SELECT model FROM footfall.train(sample, actions, epochs := 1, "
            f"architecture := '{cell}', validation := 0, progress := false)"
        )
        (model,) = connection.execute("FROM models").fetchone()
        weights = safetensors.torch.load(model)
        network = engine_torch.Network(cell, 32, 64, 1, 0.0, len(ACTIONS))
        network.load_state_dict({name: weights[name] for name in network.state_dict()})
        network.eval()
        session = engine_torch.predictor("onnx", network, given.threads)

        def over(run):
            with torch.inference_mode():
                for tokens, last in batches:
                    run(tokens, last)

        with torch.inference_mode():
            expected = network(one_tokens, one_last)[0].numpy()
        found = connection.execute("SELECT map_values(predict_next(model, ?).probabilities) FROM models", [one]).fetchone()[0]
        assert np.abs(expected - found).max() < 1e-5, (expected, found)

        sql = "SELECT count(predict_next(model, actions).action) FROM histories, models"
        ours, theirs, onnx = take_turns(given.rounds, [
            lambda: connection.execute(sql).fetchall(), lambda: over(network), lambda: over(session)])
        rate = [given.histories / seconds for seconds in (ours, theirs, onnx)]
        print(f"{cell:>19}{rate[0]:12,.0f}{rate[1]:10,.0f}{rate[2]:10,.0f}{rate[0] / max(rate[1:]):21.1f}", flush=True)

        connection.execute("PREPARE one AS SELECT predict_next(model, $1::VARCHAR[]) FROM models")
        with torch.inference_mode():
            medians.append((cell, [1e6 * median_of(run) for run in (
                lambda: connection.execute(f"SELECT predict_next(model, {one}) FROM models").fetchall(),
                lambda: connection.execute(f"EXECUTE one({one})").fetchall(),
                lambda: network(one_tokens, one_last),
                lambda: session(one_tokens, one_last),
            )]))
        connection.execute("DEALLOCATE one")
    print(f"\none history of 50{'text':>12}{'prepared':>10}{'PyTorch':>10}{'ONNX':>10}   µs, median")
    for cell, values in medians:
        print(f"{cell:>17}" + "".join(f"{value:{width}.0f}" for value, width in zip(values, (12, 10, 10, 10))))
    print(f"\nload at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
