"""Validation log loss of footfall.train beside the baselines and beside PyTorch with the same settings, on the same split,
over three seeds.

    python benches/quality.py [FILE in the Taobao format]       (default: a synthetic shop of 500 users)

Both sides: LSTM, embedding 32, hidden 64, batches of 16 histories, Adam, gradient norm clipped at 5, 12 epochs, the best
epoch by validation loss. PyTorch pads its batches; every target counts once on both sides. `difference` is the log loss of
footfall's network minus that of the best baseline, below 0 where the network is better, with its standard error over users.
Without PyTorch its columns are nan.
"""

import math
import os
import sys

import duckdb

try:
    import torch
except ImportError:
    torch = None

EXTENSION = os.environ.get("FOOTFALL_EXTENSION", "build/footfall.duckdb_extension")
SETTINGS = {"epochs": 12, "batch_size": 16, "learning_rate": 0.005, "embedding": 32, "hidden": 64}
SHARE = 0.2


def load(path):
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{EXTENSION}'")
    connection.execute("SET threads = 2")
    source = f"footfall.read_taobao('{path}')" if path else "footfall.generate_events(users := 500)"
    connection.execute(f"CREATE VIEW raw AS FROM {source}")
    connection.execute(
        "CREATE TABLE events AS FROM footfall.clean_events(raw, user_id, item_id, category_id, action, ts, "
        "valid_from := DATE '2017-11-25', valid_until := DATE '2017-12-04')"
    )
    connection.execute("CREATE TABLE histories AS FROM footfall.sequences(events, user_id, action, ts)")
    return connection


def ours(connection, architecture, seed):
    options = ", ".join(f"{name} := {value}" for name, value in SETTINGS.items())
    # The split stays that of seed 42: the training users are given as a table, the held-back ones are scored.
    connection.execute(
        "CREATE OR REPLACE TABLE run AS FROM footfall.train(training, actions, "
        f"architecture := '{architecture}', validation := 0, seed := {seed}, {options})"
    )
    scores = []
    for (model,) in connection.execute("SELECT model FROM run ORDER BY epoch ASC").fetchall():
        scores.append(connection.execute(
            "SELECT log_loss, difference, standard_error FROM footfall.evaluate(held_back, actions, ?::BLOB, part := 'all') "
            "WHERE predictor = 'model'", [model]
        ).fetchone())
    return min(scores)


def show_baselines(connection):
    """They are the same for every network; the last one trained carries them."""
    print("baseline      log loss  over the best  standard error")
    for row in connection.execute(
        "SELECT predictor, log_loss, difference, standard_error FROM footfall.evaluate(held_back, actions, "
        "(SELECT arg_max(model, epoch) FROM run), part := 'all') WHERE predictor <> 'model' ORDER BY log_loss DESC"
    ).fetchall():
        print("{:12}  {:8.4f}  {:13.4f}  {:>14}".format(*row[:3], "" if row[3] is None else f"{row[3]:.4f}"))


class Network(torch.nn.Module if torch else object):
    def __init__(self, architecture, vocabulary):
        super().__init__()
        cell = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[architecture]
        self.embedding = torch.nn.Embedding(vocabulary, SETTINGS["embedding"])
        self.rnn = cell(SETTINGS["embedding"], SETTINGS["hidden"], batch_first=True)
        self.head = torch.nn.Linear(SETTINGS["hidden"], vocabulary)

    def loss(self, batch, reduction):
        """Cross entropy of the targets of (n, length) tokens padded with -1."""
        outputs, _ = self.rnn(self.embedding(batch[:, :-1].clamp(min=0)))
        logits = self.head(outputs)
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), batch[:, 1:].flatten(), ignore_index=-1, reduction=reduction
        )


def padded(histories):
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(h) for h in histories], batch_first=True, padding_value=-1)


def theirs(training, held_back, vocabulary, architecture, seed):
    torch.manual_seed(seed)
    network = Network(architecture, vocabulary)
    optimizer = torch.optim.Adam(network.parameters(), lr=SETTINGS["learning_rate"])
    n_targets = sum(len(history) - 1 for history in held_back)
    validation, losses = padded(held_back), []
    for _ in range(SETTINGS["epochs"]):
        order = torch.randperm(len(training)).tolist()
        for start in range(0, len(order), SETTINGS["batch_size"]):
            batch = padded([training[index] for index in order[start : start + SETTINGS["batch_size"]]])
            optimizer.zero_grad()
            network.loss(batch, "mean").backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
        with torch.no_grad():
            losses.append(network.loss(validation, "sum").item() / n_targets)
    return min(losses)


def main():
    if torch:
        torch.set_num_threads(2)
    connection = load(sys.argv[1] if len(sys.argv) > 1 else None)
    split = f"held_out(user_id::VARCHAR, {SHARE}, 42)"
    connection.execute(f"CREATE TABLE training AS FROM histories WHERE len(actions) > 1 AND NOT {split}")
    connection.execute(f"CREATE TABLE held_back AS FROM histories WHERE len(actions) > 1 AND {split}")
    names = sorted({action for (actions,) in connection.execute("SELECT actions FROM histories").fetchall() for action in actions})
    code = {name: token for token, name in enumerate(names)}
    tokens = {
        table: [[code[action] for action in row] for (row,) in connection.execute(f"SELECT actions FROM {table}").fetchall()]
        for table in ("training", "held_back")
    }
    print(f"footfall {connection.execute('SELECT footfall_version()').fetchone()[0]}, PyTorch {torch.__version__ if torch else '-'}, 2 threads each")
    print(f"{len(tokens['training'])} users to train, {len(tokens['held_back'])} held back")
    print("architecture  seed  footfall  difference  standard error  PyTorch  ratio")
    for architecture in ("rnn", "gru", "lstm"):
        pairs = []
        for seed in (1, 2, 3):
            a, difference, error = ours(connection, architecture, seed)
            b = theirs(tokens["training"], tokens["held_back"], len(names), architecture, seed) if torch else math.nan
            pairs.append((a, difference, b))
            print(f"{architecture:12}  {seed:4}  {a:8.4f}  {difference:10.4f}  {error:14.4f}  {b:7.4f}  {a / b:5.3f}", flush=True)
        a, difference, b = (sum(column) / 3 for column in zip(*pairs))
        print(f"{architecture:12}  mean  {a:8.4f}  {difference:10.4f}  {'':14}  {b:7.4f}  {a / b:5.3f}", flush=True)
    show_baselines(connection)


if __name__ == "__main__":
    main()
