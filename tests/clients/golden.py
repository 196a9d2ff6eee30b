"""What the golden models predict, for the test that compares and the recipe that records."""

import json

from client import one

ARCHITECTURES = ("rnn", "gru", "lstm")
# The models of format 2 carry how their histories were split; the name says by what.
SPLITS = ("user", "history", "time")
EVENTS = """
    CREATE OR REPLACE TABLE events AS FROM footfall.read_taobao('{folder}/events.csv');
    CREATE OR REPLACE TABLE histories AS FROM footfall.sequences(events, user_id, action, ts) ORDER BY user_id;
    CREATE OR REPLACE TABLE customers AS
    SELECT user_id, count(*) AS n_events, count(*) FILTER (action = 'buy') AS n_buys
    FROM events GROUP BY user_id ORDER BY user_id;
    CREATE OR REPLACE TABLE models (name VARCHAR, model BLOB);
"""
# The types of the values of `kmeans` and `gmm`.
CLUSTERING = (
    "STRUCT(k BIGINT, centroids DOUBLE[][], scale DOUBLE[], sizes BIGINT[], inertia DOUBLE, iterations BIGINT,"
    " seed BIGINT, log BOOLEAN)"
)
MIXTURE = (
    "STRUCT(k BIGINT, weights DOUBLE[], means DOUBLE[][], covariances DOUBLE[][][], log_likelihood DOUBLE,"
    " bic DOUBLE, iterations BIGINT, n_points BIGINT, seed BIGINT, log BOOLEAN)"
)
# What was recorded is of before own_history was a baseline: it is left out, and lift is over the best of the others.
SCORED = """
        SELECT to_json(scored)
        FROM (
            SELECT * REPLACE (1 - log_loss / min(log_loss) FILTER (predictor <> 'model') OVER () AS lift)
            FROM footfall.evaluate(histories, actions, (SELECT model FROM models WHERE name = $1), {})
            WHERE predictor <> 'own_history'
        ) AS scored
        ORDER BY predictor"""
# Every way to ask a model, one row per user where there is one.
OF_A_MODEL = {
    "predict_next": "SELECT predict_next(model, actions[:20]).probabilities::JSON FROM models, histories WHERE name = $1 ORDER BY user_id",
    "next_state": """
        SELECT next_state(model, next_state(model, ''::BLOB, actions[1]).state, actions[2]).probability::JSON
        FROM models, histories WHERE name = $1 ORDER BY user_id""",
    "history_loss": "SELECT history_loss(model, actions)::JSON FROM models, histories WHERE name = $1 ORDER BY user_id",
    "evaluate": SCORED.format("part := 'all'"),
    "model_info": "SELECT model_info(model)::JSON FROM models WHERE name = $1",
}
# What a model of format 2 finds again of its split, whatever column it needs for it.
OF_A_SPLIT = {
    "evaluate": SCORED.format("user_id := user_id, times := times"),
    "model_info": "SELECT model_info(model)::JSON FROM models WHERE name = $1",
}
OF_ITEMS = {
    "recommend": "SELECT footfall.recommend(model, {0}[:20], k := 5, exclude := 'seen')::JSON FROM models, histories WHERE name = $1 ORDER BY user_id",
    "score_items": "SELECT score_items(model, {0}[:20], {0}[18:24])::JSON FROM models, histories WHERE name = $1 ORDER BY user_id",
    "similar_items": "SELECT similar_items(model, {0}[1], 5)::JSON FROM models, histories WHERE name = $1 ORDER BY user_id",
    "item_model_info": "SELECT item_model_info(model)::JSON FROM models WHERE name = $1",
}
# The items of the histories, by the model that knows them.
ITEMS = {"items_of_numbers": "items", "items_of_texts": "(items::VARCHAR[])"}
ITEMS_AND_NETWORK = {"items_and_network": "items"}
OF_SEGMENTS = {
    "kmeans_assign": "SELECT kmeans_assign($1, [n_events, n_buys])::JSON FROM customers ORDER BY user_id",
    "kmeans_distance": "SELECT kmeans_distance($1, [n_events, n_buys])::JSON FROM customers ORDER BY user_id",
    "gmm_assign": "SELECT gmm_assign($2, [n_events, n_buys])::JSON FROM customers ORDER BY user_id",
}


def read_events(connection, folder):
    connection.execute(EVENTS.format(folder=folder))


def of_items(connection, folder, models=ITEMS):
    """What the models of items say about users, by model and by function."""
    read_events(connection, folder)
    connection.execute("CREATE OR REPLACE TABLE histories AS FROM footfall.sequences(events, user_id, action, ts, item := category_id, tie_break := item_id)")
    questions = {name: {function: sql.format(items) for function, sql in OF_ITEMS.items()} for name, items in models.items()}
    return {name: of_a_model(connection, folder, name, asked) for name, asked in questions.items()}


def rows(connection, sql):
    return [json.loads(value) for (value,) in connection.execute(sql).fetchall()]


def of_a_model(connection, folder, name, questions):
    """The answers of the model in the file of that name."""
    connection.execute(f"INSERT INTO models SELECT '{name}', content FROM read_blob('{folder}/{name}.safetensors')")
    return {function: rows(connection, sql.replace("$1", f"'{name}'")) for function, sql in questions.items()}


def splits(connection, folder):
    """What the models of format 2 say about what was held back from them, by model and by function."""
    read_events(connection, folder)
    return {name: of_a_model(connection, folder, name, OF_A_SPLIT) for name in SPLITS}


def predictions(connection, folder):
    """What the models of `folder` say about its users, by model and by function."""
    read_events(connection, folder)
    found = {}
    for name in ARCHITECTURES:
        found[name] = of_a_model(connection, folder, name, OF_A_MODEL)
    segments = json.loads((folder / "segments.json").read_text())
    connection.execute(f"SET VARIABLE clustering = '{json.dumps(segments['clustering'])}'::JSON::{CLUSTERING}")
    connection.execute(f"SET VARIABLE mixture = '{json.dumps(segments['mixture'])}'::JSON::{MIXTURE}")
    found["segments"] = {
        function: rows(connection, sql.replace("$1", "getvariable('clustering')").replace("$2", "getvariable('mixture')"))
        for function, sql in OF_SEGMENTS.items()
    }
    return found
