#!/usr/bin/env python3
"""The recipe of the golden models: trains one small model of each kind and records what it predicts.

    PYTHONPATH=build/duckdb/1.5.6 FOOTFALL_EXTENSION=build/footfall.duckdb_extension python3 tests/golden/make.py FOLDER

The models in this folder are those of the version that had their format first, and are never made again: a
later version must go on reading them. A new format or a new kind of model adds files beside them, with
a recipe of its own: the name of the recipe, after the folder, makes these alone.

- events.csv: what 25 users of the generator did, in the Taobao format
- rnn.safetensors, gru.safetensors, lstm.safetensors: two layers each, eight epochs, as BLOBs
- segments.json: a clustering and a mixture of the users, as JSON
- predictions.json: what these give for the users
- user.safetensors, history.safetensors, time.safetensors: format 2, split by each of these (recipe `splits`)
- splits.json: how good they are on what was held back from them
- items_of_numbers.safetensors, items_of_texts.safetensors: models of items, format 1 (recipe `items`)
- items.json: what these give for the users
- items_and_network.safetensors: a model of items, format 2, with a network (recipe `network`), and items_and_network.json, what it gives
"""

import json
import sys
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients"))
import golden
from client import connect

TRAIN = """
    SELECT arg_max(model, epoch)
    FROM footfall.train(histories, actions, architecture := '{}', epochs := 8, embedding := 5, hidden := 6, layers := 2,
        dropout := 0.1, learning_rate := 0.02, batch_size := 4, user_id := user_id, validation := 0.2, seed := 7)
"""
SPLIT = """
    SELECT model FROM footfall.train(histories, actions, architecture := 'gru', epochs := 2, embedding := 3, hidden := 4, {},
        learning_rate := 0.02, batch_size := 4, seed := 7) WHERE epoch = 2
"""
SPLITS = {
    "user": "user_id := user_id, validation := 0.2",
    "history": "validation := 0.2",
    "time": "times := times, validation_from := TIMESTAMP '2017-12-01'",
}
SEGMENTS = """
    SELECT {'clustering': kmeans(points, 3, {'log': true, 'threads': 1}), 'mixture': gmm(points, 2, {'threads': 1})}::JSON
    FROM (SELECT list([n_events, n_buys]::DOUBLE[] ORDER BY user_id) AS points FROM customers)
"""


def make_splits(folder):
    with connect() as connection:
        golden.read_events(connection, folder)
        for name, split in SPLITS.items():
            (model,) = connection.execute(SPLIT.format(split)).fetchone()
            (folder / f"{name}.safetensors").write_bytes(model)
        (folder / "splits.json").write_text(json.dumps(golden.splits(connection, folder), indent=1) + "\n")


def make_items(folder, models=golden.ITEMS, options="top := 20", recorded="items.json"):
    with connect() as connection:
        golden.read_events(connection, folder)
        connection.execute("CREATE TABLE lists AS FROM footfall.sequences(events, user_id, action, ts, item := category_id, tie_break := item_id)")
        for name, items in models.items():
            train = f"SELECT model FROM footfall.train_items(lists, {items}, times := times, {options})"
            (model,) = connection.execute(train).fetchone()
            (folder / f"{name}.safetensors").write_bytes(model)
        (folder / recorded).write_text(json.dumps(golden.of_items(connection, folder, models), indent=1) + "\n")


def make_network(folder):
    options = "top := 20, architecture := 'sasrec', dim := 32, heads := 2, max_length := 10, epochs := 5, learning_rate := 0.01, seed := 7"
    make_items(folder, golden.ITEMS_AND_NETWORK, options, "items_and_network.json")


def main():
    folder = Path(sys.argv[1])
    with connect() as connection:
        connection.execute(
            "COPY (SELECT user_id, item_id, category_id, action, epoch(ts - INTERVAL 8 HOURS)::BIGINT"
            " FROM footfall.generate_events(users := 25, days := 9, seed := 5) ORDER BY ALL)"
            f" TO '{folder}/events.csv' (HEADER false)"
        )
        golden.read_events(connection, folder)
        for architecture in golden.ARCHITECTURES:
            (model,) = connection.execute(TRAIN.format(architecture)).fetchone()
            (folder / f"{architecture}.safetensors").write_bytes(model)
        (segments,) = connection.execute(SEGMENTS).fetchone()
        (folder / "segments.json").write_text(json.dumps(json.loads(segments), indent=1) + "\n")
        predictions = golden.predictions(connection, folder)
        (folder / "predictions.json").write_text(json.dumps(predictions, indent=1) + "\n")


if __name__ == "__main__":
    print(f"DuckDB {duckdb.__version__}")
    recipes = {"splits": make_splits, "items": make_items, "network": make_network}
    if sys.argv[2:]:
        recipes[sys.argv[2]](Path(sys.argv[1]))
    else:
        main()
