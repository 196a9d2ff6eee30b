"""Every function with every bad input: a value, NULL or an error, and the connection goes on.

The functions and their parameters come from DuckDB's catalogue; CALLS below holds one valid call of
each, and a function that is missing there fails the test. In every call one argument at a time is
replaced by each bad value. Our scalar functions get the bad value in three ways: as a constant, as a
column, and as a column between valid values and NULLs. The DuckDBs of a run take turns: each gets every bad value of an
argument in one of the three ways, and every third cell of a macro. FOOTFALL_EVERYTHING=1 puts all cells to each.

The functions are shared out to worker processes, so that a crash is the failure of one function alone.
"""

import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import duckdb

from client import connect, is_ours

# A cell of tiny data takes milliseconds: more of the processor, however busy the machine, is work without end.
CELL_LIMIT_S = 8
# What waits for something that never comes takes nothing of the processor.
FUNCTION_LIMIT_S = 900
# An error that is longer was not made for reading.
LONGEST_ERROR = 2000
# What our errors must not show: a contained panic, a defect of DuckDB, the machine that built us.
FORBIDDEN = re.compile("panicked|internal error|/root", re.IGNORECASE)

SETUP = """
    SET threads = 1;
    CREATE TYPE mood AS ENUM ('pv', 'sad');
    CREATE TABLE shop AS
    SELECT
        i % 6 + 1 AS user_id, i % 4 AS item_id, i % 2 AS category_id,
        ['pv', 'cart', 'pv', 'buy', 'fav'][i % 5 + 1] AS action,
        TIMESTAMP '2017-11-25 08:00:00' + to_hours(CAST(7 * i AS INTEGER)) AS ts,
        i + 0.5 AS price, NULL AS nothing, NULL::BIGINT AS no_number, NULL::VARCHAR AS no_text,
        NULL::TIMESTAMP AS no_time, NULL::VARCHAR[] AS no_list
    FROM range(30) numbers(i);
    CREATE TABLE shop_empty AS FROM shop LIMIT 0;
    CREATE TABLE shop_one AS FROM shop LIMIT 1;
    CREATE TABLE shop_short AS SELECT price FROM shop;
    CREATE TABLE shop_null AS
    FROM shop UNION ALL BY NAME SELECT NULL AS price FROM range(3);
    DELETE FROM shop_null WHERE price IS NOT NULL;
    CREATE TABLE shop_utf8 AS SELECT * REPLACE ('買う🛒' || action AS action) FROM shop;
    CREATE TABLE shop_infinite AS SELECT * REPLACE (
        (['infinity', '-infinity', '290309-12-22 (BC) 00:00:00', '294247-01-10 04:00:54'])[item_id + 1]::TIMESTAMP AS ts,
        (['nan', 'inf', '-inf', '1e308'])[item_id + 1]::DOUBLE AS price) FROM shop;
    CREATE TABLE histories AS
    SELECT user_id, list(action ORDER BY ts) AS actions, list(ts ORDER BY ts) AS times, NULL::VARCHAR[] AS no_list
    FROM shop GROUP BY user_id;
    CREATE TABLE histories_empty AS FROM histories LIMIT 0;
    CREATE TABLE histories_one AS FROM histories LIMIT 1;
    CREATE TABLE histories_short AS SELECT user_id FROM histories;
    CREATE TABLE histories_null AS SELECT * REPLACE (NULL AS user_id, NULL AS actions, NULL AS times) FROM histories;
    CREATE TABLE histories_utf8 AS SELECT * REPLACE (['買う🛒', '', 'e\u0301', chr(8238)] AS actions) FROM histories;
    CREATE TABLE histories_infinite AS
    SELECT * REPLACE ([TIMESTAMP 'infinity' FOR t IN times] AS times) FROM histories;
    COPY (SELECT 1, 10, 100, 'pv', 1511614800) TO '{folder}/events.csv' (HEADER false);
    SET VARIABLE dataset = (SELECT dataset FROM footfall.internal.training_set(histories, actions, validation := 0.5));
    SET VARIABLE state = (SELECT train_start(getvariable('dataset'), {{hidden: 2, embedding: 2, epochs: 1}}).state);
    SET VARIABLE model = (SELECT model FROM footfall.train(histories, actions, epochs := 1, hidden := 2, embedding := 2));
    CREATE TABLE runs AS SELECT 1 AS epoch, 0.5 AS validation_loss, getvariable('model') AS model;
    CREATE TABLE runs_empty AS FROM runs LIMIT 0;
    CREATE TABLE runs_one AS FROM runs LIMIT 1;
    CREATE TABLE runs_short AS SELECT epoch FROM runs;
    CREATE TABLE runs_null AS SELECT NULL AS epoch, NULL AS validation_loss, NULL AS model;
    CREATE TABLE runs_utf8 AS FROM runs;
    CREATE TABLE runs_infinite AS SELECT * REPLACE ('infinity'::DOUBLE AS validation_loss) FROM runs;
    SET VARIABLE clustering = (SELECT kmeans([[1, 2], [3, 4], [9, 9]]::DOUBLE[][], 2));
    SET VARIABLE mixture = (SELECT gmm([[1, 2], [3, 4], [9, 9], [8, 8]]::DOUBLE[][], 2));
    SET VARIABLE clv = (SELECT model FROM footfall.fit_clv(shop, user_id, ts, amount := price));
    SET VARIABLE propensity = (
        SELECT model FROM footfall.train_propensity(shop, user_id, action, ts, target := 'pv', horizon := INTERVAL 1 DAY, item := item_id, amount := price));
    SET VARIABLE item_model = (SELECT model FROM footfall.train_items(histories, actions, split := 'leave_last_out'));
    SET VARIABLE plan = (SELECT propensity_model_info(getvariable('propensity'), 'x').plan);
    SET VARIABLE rows = (SELECT propensity_rows({{'at': [5], 'action': [0::UTINYINT], 'item': [1::UBIGINT], 'category': [1::UBIGINT], 'amount': [9.5::DOUBLE]}}, [], 'Ada', getvariable('plan'), [6], [7], 'x'));
"""
# What reports gave of the shop, for the macros that draw it.
RESULTS = """
    CREATE TABLE receipt AS FROM footfall.cleaning_report(shop, user_id, item_id, category_id, action, ts);
    CREATE TABLE hours AS FROM footfall.activity(shop, user_id, action, ts, by := 'hour_of_week');
    CREATE TABLE days AS FROM footfall.activity(shop, user_id, action, ts, by := 'date');
    CREATE TABLE promotion AS FROM footfall.promotion_effect(shop, user_id, action, ts, DATE '2017-11-27', DATE '2017-11-29');
    CREATE TABLE groups AS FROM footfall.conversion(shop, user_id, category_id, action, top := NULL);
    CREATE TABLE steps AS FROM footfall.funnel(shop, user_id, action, ts, steps := ['pv', 'buy']);
    CREATE TABLE customers AS FROM footfall.rfm(shop, user_id, ts, amount := price);
    CREATE TABLE summary AS FROM footfall.rfm_summary(customers);
    CREATE TABLE choices AS FROM footfall.choose_k(shop, [item_id, price], k_from := 2, k_to := 3);
    CREATE TABLE cohorts AS FROM footfall.cohorts(shop, user_id, ts, period := 'day');
    CREATE TABLE repeats AS FROM footfall.repeat_purchase(shop, user_id, ts);
    CREATE TABLE periods AS FROM footfall.lifecycle(shop, user_id, ts, period := 'day');
    CREATE TABLE value AS FROM footfall.clv_report(shop, user_id, ts, holdout := INTERVAL 2 DAY);
    CREATE TABLE trained AS FROM footfall.train(histories, actions, epochs := 1, hidden := 2, embedding := 2, validation := 0.5);
    CREATE TABLE quality AS FROM footfall.evaluate(histories, actions, getvariable('model'), part := 'all');
    CREATE TABLE classes AS FROM footfall.class_report(histories, actions, getvariable('model'), predictor := NULL, part := 'all');
    CREATE TABLE bins AS FROM footfall.reliability(histories, actions, getvariable('model'), part := 'all', action := 'buy');
    CREATE TABLE pairs AS FROM footfall.confusion(histories, actions, getvariable('model'), part := 'all');
    CREATE TABLE curves AS FROM footfall.roc(histories, actions, getvariable('model'), predictor := NULL, part := 'all');
    CREATE TABLE judged AS FROM footfall.propensity_report(shop, user_id, action, ts, getvariable('propensity'), part := 'all', item := item_id, amount := price);
    CREATE TABLE recommenders AS FROM footfall.evaluate_items(histories, actions, k := 2, times := times);
    CREATE TABLE charts AS FROM footfall.chart(shop, action, price);
"""

# A network of one action, one unit and weights of 0: the length of the header, the header, and the numbers.
SHAPES = {
    "embedding.weight": [1, 1], "rnn.weight_ih_l0": [1, 1], "rnn.weight_hh_l0": [1, 1], "rnn.bias_ih_l0": [1], "rnn.bias_hh_l0": [1],
    "head.weight": [1, 1], "head.bias": [1],
}  # fmt: skip
HEADER = json.dumps(
    {name: {"dtype": "F32", "shape": shape, "data_offsets": [4 * at, 4 * at + 4]} for at, (name, shape) in enumerate(SHAPES.items())}
).encode()
WEIGHTS = "'" + "".join(f"\\x{byte:02X}" for byte in len(HEADER).to_bytes(8, "little") + HEADER + bytes(4 * len(SHAPES))) + "'::BLOB"
MODEL = "getvariable('model')"
DATASET = "getvariable('dataset')"
LOSSES = f"history_losses({MODEL}, {DATASET}, 0, 1, 'compare_models', ''::BLOB).losses"
HISTORIES = "pack_histories([{place: 0, tokens: '\\x00\\x01'::BLOB}], 'predictions')"
OUTLIERS = "{'neighbours': 1, 'standardise': true, 'log': false, 'threads': 1, 'called_as': 'outliers'}"
POINTS = "pack_points([[1, 2], [3, 4], [9, 9]]::DOUBLE[][])"
BOUNDS = {"valid_from": "DATE '2017-11-25'", "valid_until": "DATE '2017-12-04'", "actions": "['pv', 'cart']"}
CLEANING = {**BOUNDS, "duplicates": "'drop'", "absent": "'error'", "time_zone": "NULL"}
SPLIT = {"part": "'all'", "user_id": "user_id", "times": "times", "validation_from": "TIMESTAMP '2017-11-27'"}
QUALITY = {**SPLIT, "threads": "1"}
RFM = {
    "amount": "price", "as_of": "DATE '2017-12-01'", "bins": "5", "order_id": "item_id", "recency_cuts": "[1, 2, 3, 4]",
    "frequency_cuts": "[2, 3, 4, 6]", "monetary_cuts": "[10, 20, 30, 40]", "time_zone": "NULL",
}  # fmt: skip
CLV = {"amount": "price", "as_of": "DATE '2017-12-01'", "order_id": "item_id"}
CLV_FIT = {**CLV, "time_unit": "'day'", "family": "'auto'", "time_zone": "NULL"}
PROPENSITY = {"item": "item_id", "category": "NULL", "amount": "price", "features": "NULL"}
AS_OF = "TIMESTAMP '2017-12-03 20:00:00'"
HISTORY = "{'at': [5, 6], 'action': [0::UTINYINT, 255], 'item': [1::UBIGINT, NULL], 'category': [1::UBIGINT], 'amount': [9.5::DOUBLE, 1]}"
PLAN = (
    "{'actions': ['buy'], 'target': 0, 'windows': [1, 7], 'has_items': false, 'has_categories': false, 'has_amounts': false, 'own': [],"
    " 'horizon': {'months': 0, 'days': 3, 'microseconds': 0}, 'cutoffs': [0], 'learned_until': 9, 'test_cutoff': 9, 'known_until': 19,"
    " 'holdout': 0.2, 'seed': 42, 'lookback': 9}"
)
OPTIONS = {"options": "{'seed': 1, 'n_init': 2}", "weights": "[]"}
ITEM_HISTORIES = "pack_items([{events: [0, 4294967297, 8589934592], n_train: 2, n_fit: 1}], 2, 'item_rules')"
RULES = "{'window_size': 10, 'top': 100, 'min_support': 1, 'threads': 1}"
LISTS = {"k": "3", "targets": "'all'", "times": "times", "validation_from": "TIMESTAMP '2017-11-27'", "split": "'time'", "exclude_seen": "false", "window_size": "3"}
ASKED = "{'k': 10, 'targets': 'all', 'exclude_seen': false, 'window_size': 10, 'threads': 1, 'memory_limit': '4GB', 'moment': NULL}"
LEARN_ITEMS = {"dim": "16", "layers": "1", "heads": "1", "max_length": "4", "epochs": "1", "patience": "1", "learning_rate": "0.01", "dropout": "0.1", "seed": "1", "min_count": "1"}
ASK_ITEMS = {"split": "'time'", "k": "3", "targets": "'all'", "exclude_seen": "false", "window_size": "3", "top": "5"}
NAMES = "{'numbers': [7, 9], 'texts': []}"
ITEM_MODEL = "getvariable('item_model')"
CHART = "{'kind': 'bars', 'marks': [{'label': 'a', 'y': 1}]}"
STUDY = {
    "purchase": "'buy'", "view": "'pv'", "steps": "['pv', 'buy']", "promotion_from": "DATE '2017-11-27'", "promotion_until": "DATE '2017-11-29'",
    "amount": "price", "order_id": "item_id", "time_zone": "NULL", "absent": "'error'",
}  # fmt: skip
# One valid call of each function: the arguments by position, then those by name.
CALLS = {
    "activity": (
        ["shop", "user_id", "action", "ts"],
        {
            "by": "'week'", "purchase": "'buy'", "days": "'open'", "period_from": "DATE '2017-11-25'",
            "period_until": "DATE '2017-12-04'", "week_start": "'sunday'", "time_zone": "NULL", "absent": "'zero'",
        },
    ),
    "best_model": (["runs"], {}),
    "beta_cdf": (["0.2", "23.0", "123.0"], {}),
    "beta_quantile": (["0.025", "23.0", "123.0"], {}),
    "bgnbd": (
        ["[{'x': 1, 't_x': 2, 'age': 5}, {'x': 0, 't_x': 0, 'age': 4}]"],
        {"options": "{'family': 'auto'}", "weights": "[]"},
    ),
    "bought_together": (["shop", "user_id", "item_id"], {"min_baskets": "1", "max_items": "9"}),
    "choose_k": (
        ["shop", "[item_id, price]"],
        {"k_from": "2", "k_to": "3", "seed": "1", "standardise": "true", "log": "false", "progress": "false"},
    ),
    "class_report": (["histories", "actions", MODEL], {"predictor": "'model'", **QUALITY}),
    "clean_events": (["shop", "user_id", "item_id", "category_id", "action", "ts"], CLEANING),
    "cleaning_report": (["shop", "user_id", "item_id", "category_id", "action", "ts"], CLEANING),
    "clv": (
        ["shop", "user_id", "ts", "getvariable('clv')"],
        {"horizon": "INTERVAL 30 DAY", **CLV, "coverage": "0.8", "time_zone": "NULL"},
    ),
    "clv_report": (["shop", "user_id", "ts"], {"holdout": "INTERVAL 2 DAY", **CLV_FIT}),
    "cohorts": (
        ["shop", "user_id", "ts"],
        {
            "period": "'day'", "week_start": "'sunday'", "action": "action", "starts": "'pv'", "returns": "'buy'", "amount": "NULL",
            "order_id": "NULL", "time_zone": "NULL", "absent": "'error'",
        },
    ),
    "coreset": (["shop", "[item_id, price]"], {"size": "3", "seed": "7"}),
    "compare_groups": (
        ["shop", "user_id", "left(CAST(user_id AS VARCHAR), 1)", "price > 9"],
        {"kind": "'rate'", "control": "NULL", "missing": "'leave_out'", "confidence": "0.9", "looks": "2"},
    ),
    "clv_model": (["bgnbd([{x: 2, t_x: 3, age: 9}, {x: 0, t_x: 0, age: 8}])", "NULL", "7", "17500"], {}),
    "clv_model_info": (["getvariable('clv')"], {"called_as": "'clv'"}),
    "clv_piece": (["0", "pack_points([[2, 3, 9, 1], [0, 0, 8, 4]])", "pack_points([[2, 9.5]])", "{family: 'auto'}"], {}),
    "clv_forecast_piece": (["0", "pack_points([[1, 7, 30, 0]])", "getvariable('clv')", "30", "0.9", "{threads: 1}"], {}),
    "read_forecast": (
        ["clv_forecast_piece(0, pack_points([[1, 7, 30, 0]]), getvariable('clv'), 30, 0.9, {threads: 1}).result", "0"],
        {},
    ),
    "monitor": (
        ["shop", "shop", "user_id", "ts", "abs(price) / 99", "action", "ts"],
        {"target": "'pv'", "horizon": "INTERVAL 1 DAY", "baseline": "0.5", "period": "'week'", "as_of": AS_OF, "time_zone": "NULL"},
    ),
    "drift": (["shop", "shop", "{'price': price, 'action': action}"], {"bins": "5"}),
    "top": (["map {'pv': 0.5}"], {"n": "2"}),
    "to_onnx": ([MODEL], {}),
    "model_card": ([MODEL], {"quality": "[{'predictor': 'model', 'log_loss': 0.5}]"}),
    "from_safetensors": ([WEIGHTS, "['pv']"], {}),
    "compare_losses": ([DATASET, f"[{LOSSES}]", DATASET, f"[{LOSSES}]"], {"called_as": "'compare_models'"}),
    "compare_models": (["histories", "actions", MODEL, MODEL], SPLIT),
    "compare_recommenders": (["histories", "actions", "'rules'", "'popular'"], {**LISTS, "model": "NULL"}),
    "confusion": (["histories", "actions", MODEL], {"predictor": "'model'", **QUALITY}),
    "roc": (["histories", "actions", MODEL], {"predictor": "'model'", **QUALITY}),
    "conversion": (
        ["shop", "user_id", "category_id", "action"],
        {"view": "'pv'", "purchase": "'buy'", "top": "3", "cart": "'cart'", "favourite": "'fav'", "absent": "'zero'"},
    ),
    "encode_actions": (["['buy', 'pv']", "['pv', 'buy']"], {"unknown": "'skip'", "called_as": "'train'"}),
    "evaluate": (["histories", "actions", MODEL], QUALITY),
    "evaluate_items": (["histories", "actions"], {**LISTS, "model": "NULL"}),
    "evaluate_items_piece": (["0", ITEM_HISTORIES, ASKED, NAMES, "''::BLOB"], {"called_as": "'evaluate_items'"}),
    "evaluate_model": (
        [MODEL, DATASET, f"[evaluate_piece({MODEL}, {DATASET}, 0, 1).piece]", "1"],
        {"called_as": "'evaluate'"},
    ),
    "evaluate_piece": ([MODEL, DATASET, "0", "1"], {"called_as": "'evaluate'", "state": "''::BLOB"}),
    "event_line": (["'1,10,100,pv,1511614800'"], {}),
    "event_reason": (["1", "2", "3", "'pv'", "TIMESTAMP '2017-11-26'"], BOUNDS),
    "fit_clv": (["shop", "user_id", "ts"], CLV_FIT),
    "footfall_devices": ([], {}),
    "footfall_version": ([], {}),
    "funnel": (
        ["shop", "user_id", "action", "ts"],
        {
            "steps": "['pv', 'buy']", "within": "INTERVAL 2 DAY", "strict_increase": "false", "strict": "false",
            "per": "item_id", "by": "category_id", "absent": "'zero'",
        },
    ),
    "funnel_progress": (
        ["[TIMESTAMP '2017-11-25', TIMESTAMP '2017-11-26']", "[1, 2]", "['pv', 'buy']", "INTERVAL 2 DAY", "false", "false"],
        {},
    ),
    "gamma_gamma": (["[{'x': 1, 'value': 5.0}, {'x': 3, 'value': 4.0}, {'x': 2, 'value': 9.0}]"], {"weights": "[]"}),
    "generate_events": ([], {"users": "2", "days": "2", "seed": "1", "start": "DATE '2017-11-25'", "first_user": "3"}),
    "gmm": (["[[1, 2], [3, 4], [9, 9], [8, 8]]", "2"], OPTIONS),
    "gmm_assign": (["getvariable('mixture')", "[1, 2]"], {}),
    "growth": (
        ["shop", "category_id", "ts"],
        {
            "period": "'day'", "user_id": "user_id", "current": "DATE '2017-11-28'", "top": "3", "week_start": "'sunday'",
            "time_zone": "NULL",
        },
    ),
    "help": ([], {"name": "'rfm'"}),
    "history_losses": ([MODEL, DATASET, "0", "1"], {"called_as": "'compare_models'", "state": "''::BLOB"}),
    "held_out": (["'user'", "0.1", "42"], {}),
    "history_loss": ([MODEL, "['pv', 'buy']"], {"unknown": "'skip'", "n_train": "1"}),
    "item_model_info": ([ITEM_MODEL], {}),
    "item_rules": (
        ["shop", "user_id", "item_id", "ts"],
        {"window_size": "5", "top": "3", "min_support": "1", "tie_break": "item_id"},
    ),
    "item_rules_piece": (["0", ITEM_HISTORIES, RULES, "'item_rules'"], {}),
    "key_kind": (["'Ada'"], {}),
    "kmeans": (["[[1, 2], [3, 4], [9, 9]]", "2"], OPTIONS),
    "kmeans_assign": (["getvariable('clustering')", "[1, 2]"], {}),
    "kmeans_choose_piece": (["0", POINTS, "1", "2", "{'seed': 1, 'called_as': 'choose_k'}"], {}),
    "kmeans_piece": (["0", POINTS, "2", "{'seed': 1, 'called_as': 'segment'}"], {}),
    "kmeans_choose": (["[[1, 2], [3, 4], [9, 9]]", "1", "3"], OPTIONS),
    "kmeans_distance": (["getvariable('clustering')", "[1, 2]"], {}),
    "lifecycle": (["shop", "user_id", "ts"], {"period": "'day'", "week_start": "'sunday'", "time_zone": "NULL"}),
    "malformed_lines": (["'{folder}/events.csv'"], {}),
    "model_info": ([MODEL], {}),
    "next_state": ([MODEL, "''::BLOB", "'pv'"], {"unknown": "'skip'"}),
    "normal_cdf": (["1.96"], {}),
    "normal_quantile": (["0.975"], {}),
    "order_events": (
        ["[512000002, NULL]", "['buy', 'pv']", "0"],
        {"ties": "[2, 1]", "others": "[{'time': TIMESTAMP '2017-11-25', 'action': 'fav'}]", "user_id": "7", "items": "[4, 5]", "categories": "['a', NULL]"},
    ),
    "orders": (["shop", "user_id", "item_id", "ts"], {"amount": "price"}),
    "pack_histories": (["[{place: 0, tokens: '\\x00\\x01'::BLOB}]"], {"called_as": "'predictions'"}),
    "pack_items": (["[{events: [0, 4294967297], n_train: 1, n_fit: 0}]", "2", "'item_rules'"], {}),
    "pack_points": (["[[1, 2], [3, 4], [9, 9]]::DOUBLE[][]"], {"called_as": "'segment'", "progress": "false"}),
    "pack_sequences": (
        ["[{tokens: '\\x00\\x01'::BLOB, n_train: 2}]", "['buy', 'pv']"],
        {"share": "0.5", "seed": "42", "called_as": "'train'"},
    ),
    "outliers_piece": (["0", POINTS, OUTLIERS], {}),
    "read_item_rules": ([f"item_rules_piece(0, {ITEM_HISTORIES}, {RULES}, 'item_rules').result[1]"], {}),
    "read_outlier": ([f"outliers_piece(0, {POINTS}, {OUTLIERS}).result", "1"], {}),
    "outliers": (
        ["shop", "user_id", "[item_id, price]"],
        {"neighbours": "2", "standardise": "true", "log": "false"},
    ),
    "paths": (
        ["shop", "user_id", "action", "ts"],
        {
            "from_": "'pv'", "to_": "NULL", "top": "3", "collapse": "false", "gap": "INTERVAL 8 HOUR", "tie_break": "item_id",
            "absent": "'error'",
        },
    ),
    "predict_next": ([MODEL, "['pv', 'buy']"], {"unknown": "'skip'"}),
    "predict_piece": ([MODEL, HISTORIES, "0", "1"], {"called_as": "'predictions'", "state": "''::BLOB"}),
    "predictions": (["histories", "actions", MODEL], {"unknown": "'skip'", "threads": "1"}),
    "promotion_effect": (
        ["shop", "user_id", "action", "ts", "DATE '2017-11-27'", "DATE '2017-11-29'"],
        {
            "purchase": "'buy'", "days": "'calendar'", "period_from": "DATE '2017-11-25'",
            "period_until": "DATE '2017-12-04'", "time_zone": "NULL", "absent": "'error'",
        },
    ),
    "propensity": (["shop", "user_id", "action", "ts", "getvariable('propensity')"], {"as_of": AS_OF, **PROPENSITY, "reasons": "3", "time_zone": "NULL"}),
    "propensity_inputs": (["shop", "user_id", "action", "ts", "getvariable('propensity')"], {"as_of": AS_OF, **PROPENSITY, "time_zone": "NULL"}),
    "propensity_features": (["getvariable('plan')"], {}),
    "propensity_model_info": (["getvariable('propensity')"], {"called_as": "'propensity'"}),
    "propensity_own": (["{'age': 31, 'country': 'NL'}"], {"called_as": "'propensity'"}),
    "propensity_pack": (["[getvariable('rows')]"], {"called_as": "'train_propensity'"}),
    "propensity_piece": (["0", "getvariable('rows')", "getvariable('plan')", "1"], {"called_as": "'train_propensity'"}),
    "propensity_plan": ([PLAN], {"called_as": "'train_propensity'"}),
    "propensity_read": (["getvariable('plan')", "getvariable('rows')"], {}),
    "propensity_reasons": (["getvariable('propensity')", "getvariable('rows')", "3"], {}),
    "propensity_report": (
        ["shop", "user_id", "action", "ts", "getvariable('propensity')"],
        {"cutoff": "TIMESTAMP '2017-12-02 20:00:00'", "part": "'all'", "as_of": AS_OF, **PROPENSITY, "time_zone": "NULL"},
    ),
    "propensity_rows": ([HISTORY, "[]", "'Ada'", "getvariable('plan')", "[6]", "[7]"], {"called_as": "'propensity'"}),
    "propensity_score": (["getvariable('propensity')", "getvariable('rows')"], {"called_as": "'propensity'"}),
    "read_prediction": ([MODEL, f"[predict_piece({MODEL}, {HISTORIES}, 0, 1, 'predictions', ''::BLOB).distributions]", "0", "0"], {}),
    "read_taobao": (["'{folder}/events.csv'"], {"utc_offset": "INTERVAL 8 HOUR", "skip_malformed": "false"}),
    "reliability": (["histories", "actions", MODEL], {"predictor": "'model'", **QUALITY, "action": "'buy'"}),
    "recommend": ([ITEM_MODEL, "['pv', 'buy']"], {"k": "3", "exclude": "['pv']", "candidates": "['cart', 'fav']"}),
    "repeat_purchase": (["shop", "user_id", "ts"], {"amount": "price", "order_id": "item_id", "time_zone": "NULL"}),
    "rfm": (["shop", "user_id", "ts"], RFM),
    "rfm_scores": (["shop", "user_id", "ts"], RFM),
    "rfm_segment": (["3", "4"], {"bins": "5"}),
    "rfm_summary": (["shop", "user_id", "ts"], RFM),
    "rfm_thresholds": (["shop", "user_id", "ts"], RFM),
    "score_items": ([ITEM_MODEL, "['pv', 'buy']", "['cart', 'fav']"], {}),
    "segment": (
        ["shop", "user_id", "[item_id, price]"],
        {"k": "2", "seed": "1", "standardise": "true", "log": "false", "progress": "false"},
    ),
    "segment_label": (["0.5", "1.2"], {"monetary_index": "2.0"}),
    "segment_profile": (["shop", "user_id", "item_id", "category_id"], {"monetary": "price"}),
    "sequences": (["shop", "user_id", "action", "ts"], {"tie_break": "item_id", "time_zone": "NULL", "item": "item_id", "category": "category_id"}),
    "sessions": (
        ["shop", "user_id", "ts"],
        {"gap": "INTERVAL 8 HOUR", "keep": "action", "action": "action", "purchase": "'buy'", "absent": "'error'"},
    ),
    "similar_items": ([ITEM_MODEL, "'pv'"], {"k": "3"}),
    "time_features": (["TIMESTAMP '2017-11-25 21:00:00'"], {}),
    "train": (
        ["histories", "actions"],
        {
            "architecture": "'gru'", "epochs": "1", "embedding": "2", "hidden": "2", "layers": "1", "dropout": "0.0",
            "learning_rate": "0.01", "batch_size": "2", "gradient_clip": "5.0", "class_weights": "'balanced'",
            "patience": "1", "validation": "0.3", "user_id": "user_id", "times": "times", "validation_from": "NULL",
            "max_length": "8", "seed": "1", "device": "'cpu'", "threads": "1", "init": "NULL", "progress": "false",
        },
    ),
    "train_epoch": (["getvariable('state')", DATASET, "1"], {"progress": "false", "called_as": "'train'"}),
    "train_items": (["histories", "actions"], {"architecture": "'sasrec'", "user_id": "user_id", "times": "times", "validation_from": "NULL", **ASK_ITEMS, "split": "'leave_last_out'", **LEARN_ITEMS}),
    "train_items_piece": (["0", ITEM_HISTORIES, ASKED.replace("}", ", 'top': 5, 'network': NULL}"), NAMES], {"called_as": "'train_items'"}),
    "train_piece": (["0", "getvariable('state')", DATASET, "1"], {"progress": "false", "called_as": "'train'"}),
    "train_start": ([DATASET, "{hidden: 2, embedding: 2, epochs: 1}"], {"init": MODEL}),
    "train_propensity": (
        ["shop", "user_id", "action", "ts"],
        {
            "target": "'pv'", "horizon": "INTERVAL 1 DAY", **PROPENSITY, "cutoffs": "[TIMESTAMP '2017-11-28', TIMESTAMP '2017-11-30']",
            "test_cutoff": "TIMESTAMP '2017-12-02'", "lookback": "INTERVAL 3 DAY", "as_of": AS_OF, "windows": "[1, 7]", "holdout": "0.2", "seed": "1",
            "time_zone": "NULL",
        },
    ),
    "transitions": (
        ["shop", "user_id", "action", "ts"],
        {"top": "3", "gap": "INTERVAL 2 DAY", "tie_break": "item_id"},
    ),
    "activity_chart": (["hours"], {"sql": "'FROM footfall.x(events);'"}),
    "auc_chart": (["classes"], {"purchase": "'buy'", "sql": "'FROM footfall.x(events);'"}),
    "chart": (["shop", "action", "price"], {"kind": "'dots'", "series": "category_id", "low": "price", "high": "price", "size": "price", "note": "action", "strong": "true", "headline": "'Found'", "caption": "'Read with care'", "x_label": "'action'", "y_label": "'price'", "format": "'number'", "reference": "3", "reference_label": "'mean'", "section": "'More'", "place": "1", "name": "'own'"}),
    "chart_svg": ([CHART], {"width": "344"}),
    "chart_text": ([CHART], {"width": "26"}),
    "choose_k_chart": (["choices"], {"sql": "'FROM footfall.x(events);'"}),
    "cohorts_chart": (["cohorts"], {"unit": "'day'", "sql": "'FROM footfall.x(events);'"}),
    "confusion_chart": (["pairs"], {"sql": "'FROM footfall.x(events);'"}),
    "conversion_chart": (["groups"], {"top": "3", "sql": "'FROM footfall.x(events);'"}),
    "days_chart": (["days"], {"promotion_from": "DATE '2017-11-27'", "promotion_until": "DATE '2017-11-29'", "sql": "'FROM footfall.x(events);'"}),
    "draw_page": ([f"[{CHART}]"], {"title": "'Page'"}),
    "funnel_chart": (["steps"], {"sql": "'FROM footfall.x(events);'"}),
    "lifecycle_chart": (["periods"], {"unit": "'day'", "sql": "'FROM footfall.x(events);'"}),
    "model_study": (["histories", "actions", MODEL], {"purchase": "'buy'", "part": "'all'", "user_id": "user_id", "times": "times", "threads": "1"}),
    "page": (["charts"], {"title": "'Page'"}),
    "predictors_chart": (["quality"], {"sql": "'FROM footfall.x(events);'"}),
    "propensity_calibration_chart": (["judged"], {"sql": "'FROM footfall.x(events);'"}),
    "propensity_chart": (["judged"], {"sql": "'FROM footfall.x(events);'"}),
    "promotion_chart": (["promotion"], {"purchase": "'buy'", "sql": "'FROM footfall.x(events);'"}),
    "receipt_chart": (["receipt"], {"sql": "'FROM footfall.x(events);'"}),
    "recommendations_chart": (["recommenders"], {"sql": "'FROM footfall.x(events);'"}),
    "reliability_chart": (["bins"], {"sql": "'FROM footfall.x(events);'"}),
    "repeat_chart": (["repeats"], {"sql": "'FROM footfall.x(events);'"}),
    "report": (["shop", "user_id", "category_id", "action", "ts"], {"title": "'Page'", **STUDY}),
    "rfm_chart": (["customers"], {"bins": "5", "sql": "'FROM footfall.x(events);'"}),
    "rfm_summary_chart": (["summary"], {"sql": "'FROM footfall.x(events);'"}),
    "roc_chart": (["curves"], {"sql": "'FROM footfall.x(events);'"}),
    "segments_chart": (["shop", "user_id", "item_id", "category_id"], {"sql": "'FROM footfall.x(events);'"}),
    "sparkline": (["[1, 2, 3]"], {}),
    "study": (["shop", "user_id", "category_id", "action", "ts"], STUDY),
    "training_chart": (["trained"], {"series": "epoch", "sql": "'FROM footfall.x(events);'"}),
    "value_chart": (["value"], {"sql": "'FROM footfall.x(events);'"}),
    "wilson_interval": (["23", "145"], {}),
    "zone_time": (["TIMESTAMPTZ '2017-11-25 21:00:00+00'", "'Europe/Berlin'", "'activity'"], {}),
}  # fmt: skip
# These hand most arguments on to a function that gets all bad values, and are slow to plan; they get one
# in so many, each argument different ones. Fewer than the function has arguments, so that each value comes to one of them.
SAMPLED = {
    "activity": 6, "choose_k": 2, "class_report": 5, "clean_events": 6, "cleaning_report": 6, "clv": 9, "clv_report": 9, "cohorts": 6, "compare_groups": 6, "compare_models": 6,
    "confusion": 5, "conversion": 3, "evaluate": 7, "fit_clv": 8, "funnel": 6, "growth": 8, "orders": 2, "outliers": 4, "paths": 8, "promotion_effect": 8,
    "reliability": 5, "roc": 5, "repeat_purchase": 2, "rfm": 10, "rfm_scores": 10, "rfm_summary": 10, "rfm_thresholds": 10, "segment": 2, "sequences": 2, "sessions": 5, "train": 6,
    "transitions": 6, "bought_together": 4, "lifecycle": 4, "clv_forecast_piece": 3, "clv_piece": 3, "propensity": 11, "propensity_report": 12,
    "train_propensity": 17, "monitor": 12, "propensity_inputs": 10,
    "compare_recommenders": 8, "evaluate_items": 4, "item_rules": 4, "train_items": 12,
    "study": 60, "report": 60, "model_study": 7, "chart": 5,
}  # fmt: skip
# What the charts take: the results of reports, of which there are an empty one and one of a single row beside.
REPORTS = (
    "receipt", "hours", "days", "promotion", "groups", "steps", "customers", "summary", "choices", "cohorts", "repeats", "periods", "value", "trained",
    "quality", "classes", "bins", "pairs", "curves", "judged", "recommenders", "charts",
)  # fmt: skip
RELATIONS = ("shop", "histories", "runs", *REPORTS)
# A second a call; they hand everything on to reports that get all values.
WHOLE = ("study", "report")

# A report in parts takes the arguments of the report, and one that is merged a table of parts.
PARTS = (
    "activity", "cleaning_report", "cohorts", "compare_groups", "conversion", "funnel", "lifecycle", "promotion_effect", "repeat_purchase", "rfm", "rfm_scores",
    "rfm_summary", "rfm_thresholds", "segment_profile",
)  # fmt: skip
for report in PARTS:
    positional, named = CALLS[report]
    CALLS[f"partial.{report}"] = (positional, named)
    CALLS[f"merged.{report}"] = ([f"parts_of_{report}", *positional[1:]], named)
    SAMPLED |= dict.fromkeys([f"partial.{report}", f"merged.{report}"], len(positional) + len(named) - 1)

BAD_VALUES = """
    NULL
    NULL::BOOLEAN
    NULL::BIGINT
    NULL::DOUBLE
    NULL::VARCHAR
    NULL::BLOB
    NULL::TIMESTAMP
    NULL::VARCHAR[]
    NULL::DOUBLE[][]
    true
    -1
    0
    2
    255
    1.5
    9223372036854775807
    -9223372036854775808
    170141183460469231731687303715884105727
    1e308
    5e-324
    -0.0::DOUBLE
    'nan'::DOUBLE
    'inf'::DOUBLE
    '-inf'::DOUBLE
    'nan'::FLOAT
    99999999999999999.99::DECIMAL(38, 2)
    ''
    'no such thing'
    '買う🛒'
    E'two\\nlines'
    repeat('x', 1000000)
    'pv'::mood
    uuid()
    INTERVAL 1 MONTH
    INTERVAL (-9223372036854775807) MICROSECOND
    TIME '12:00:00'
    DATE '2017-11-25'
    'infinity'::DATE
    '5881580-07-10'::DATE
    TIMESTAMP 'infinity'
    TIMESTAMP '-infinity'
    TIMESTAMP '290309-12-22 (BC) 00:00:00'
    TIMESTAMP_S '294247-01-10 04:00:54'
    TIMESTAMP_MS '2017-11-25 21:00:00'
    TIMESTAMP_NS '2017-11-25 21:00:00'
    TIMESTAMPTZ '2017-11-25 21:00:00+00'
    []
    [NULL]
    ['pv', NULL]
    ['買う🛒', '']
    [repeat('x', 1000000)]
    ['action ' || i FOR i IN range(1000)]
    [1.0, NULL]
    ['nan'::DOUBLE, 1]
    ['inf'::DOUBLE, 1e308]
    [TIMESTAMP 'infinity', NULL]
    [[]]
    [[], []]
    [[1, 2], [3]]
    [[1, 2], NULL]
    [[1, NULL], [3, 4]]
    [['nan'::DOUBLE, 1], [1, 2]]
    [['inf'::DOUBLE, 1], [1, 2]]
    [[1e308, -1e308], [-1e308, 1e308], [0, 5e-324]]
    [[1, 1], [1, 1], [1, 1]]
    [[i::DOUBLE] FOR i IN range(200)]
    [range(200)]
    {'unknown': 1}
    {'seed': NULL}
    {'seed': 'x'}
    {'hidden': 9223372036854775807}
    {'hidden': -1, 'epochs': 1e308}
    {'threads': -1}
    {'n_init': 9223372036854775807}
    {'max_iterations': 0}
    {'learning_rate': 'nan'::DOUBLE}
    MAP {'pv': 'nan'::DOUBLE}
    MAP {'買う': -1}
    [{'tokens': NULL, 'n_train': NULL}]
    [{'tokens': '\\xFF'::BLOB, 'n_train': -1}]
    [{'tokens': '\\x00\\x01'::BLOB, 'n_train': 9223372036854775807}, NULL]
    ''::BLOB
    '\\x00\\xFF\\xC3\\x28random'::BLOB
    '\\xFF\\xFF\\xFF\\xFF\\xFF\\xFF\\xFF\\x7F{}'::BLOB
    getvariable('model')
    getvariable('model')[:100]
    getvariable('model')[:-2]
    getvariable('model') || '\\x00'::BLOB
    getvariable('dataset')
    getvariable('dataset')[:20]
    getvariable('dataset')[:-2]
    getvariable('state')
    getvariable('state')[:-2]
    getvariable('state')[:16]
"""
# Where a function takes a value with a structure of its own, that structure is broken from within.
CLUSTERINGS = """
    {'k': 2, 'centroids': [[1, 2], [3]], 'scale': [1, 1], 'sizes': [1, 1], 'inertia': 0, 'iterations': 1, 'seed': 1, 'log': false}
    {'k': 9223372036854775807, 'centroids': [], 'scale': [], 'sizes': [], 'inertia': 0, 'iterations': 1, 'seed': 1, 'log': false}
    {'k': -1, 'centroids': [[]], 'scale': [], 'sizes': [0], 'inertia': 0, 'iterations': 1, 'seed': 1, 'log': true}
    {'k': 1, 'centroids': [['nan'::DOUBLE, 'inf'::DOUBLE]], 'scale': [0, -1], 'sizes': [-1], 'inertia': 0, 'iterations': 1, 'seed': 1, 'log': NULL}
    {'k': NULL, 'centroids': NULL, 'scale': NULL, 'sizes': NULL, 'inertia': NULL, 'iterations': NULL, 'seed': NULL, 'log': NULL}
    {'k': 1, 'centroids': [NULL], 'scale': [NULL, 1], 'sizes': [NULL], 'inertia': 0, 'iterations': 1, 'seed': 1, 'log': false}
"""
MIXTURES = "\n".join(
    "{{'k': {}, 'weights': {}, 'means': {}, 'covariances': {}, 'log_likelihood': 0, 'bic': 0, 'iterations': 1, 'n_points': 3,"
    " 'seed': 1, 'log': {}}}".format(*fields)
    for fields in [
        ("2", "[0.5]", "[[1, 2]]", "[[[1, 0], [0, 1]]]", "false"),
        ("1", "[1]", "[[1, 2]]", "[[[1, 0], [0]]]", "false"),
        ("1", "[1]", "[[1, 2]]", "[[[0, 0], [0, 0]]]", "false"),
        ("1", "[1]", "[[1, 2]]", "[[[-1, 5], [5, -1]]]", "false"),
        ("1", "['nan'::DOUBLE]", "[['inf'::DOUBLE, 2]]", "[[['nan'::DOUBLE, 0], [0, 1]]]", "true"),
        ("-1", "[]", "[]", "[]", "NULL"),
        ("NULL", "NULL", "NULL", "NULL", "NULL"),
        ("1", "[NULL]", "[NULL]", "[[NULL]]", "false"),
    ]
)
CUSTOMERS = """
    [{'x': -1, 't_x': 2, 'age': 5}]
    [{'x': 1.5, 't_x': 2, 'age': 5}]
    [{'x': 1, 't_x': 9, 'age': 5}]
    [{'x': 0, 't_x': 1, 'age': 5}]
    [{'x': 'nan'::DOUBLE, 't_x': 'inf'::DOUBLE, 'age': '-inf'::DOUBLE}]
    [{'x': NULL, 't_x': NULL, 'age': NULL}]
    [{'x': 1000000, 't_x': 1, 'age': 2}]
    [{'x': 36525, 't_x': 1e-300, 'age': 1e9}, NULL]
    [{'x': 1, 't_x': 5e-324, 'age': 5e-324}]
    [{'x': 1e308, 't_x': 0, 'age': 1e308}]
"""
VALUES = """
    [{'x': -1, 'value': 5}]
    [{'x': 1, 'value': 'nan'::DOUBLE}, {'x': 1, 'value': 'inf'::DOUBLE}]
    [{'x': 1, 'value': -5}, {'x': 1, 'value': 0}]
    [{'x': 1, 'value': 1e308}]
    [{'x': 36525, 'value': 1e250}, {'x': 1, 'value': 5e-324}]
    [{'x': NULL, 'value': NULL}, NULL]
"""
PROPENSITIES = """
    getvariable('propensity')[:-2]
    encode(replace(decode(getvariable('propensity')), '"format":1', '"format":9'))
    encode(replace(decode(getvariable('propensity')), '"target":', '"target":99'))
    encode(replace(decode(getvariable('propensity')), '"means":[', '"means":[1,'))
    encode(replace(decode(getvariable('propensity')), '"scales":[', '"scales":[-'))
    encode(replace(decode(getvariable('propensity')), '"places":[', '"places":[999'))
    encode(replace(decode(getvariable('propensity')), '"windows":[', '"windows":[1e9,'))
    encode(replace(decode(getvariable('propensity')), '"lookback":', '"lookback":-'))
    getvariable('clv')
"""
RECORDS = """
    getvariable('rows')[:-2]
    getvariable('rows') || getvariable('rows')
    getvariable('rows') || '\\x00'::BLOB
    repeat('\\xFF', octet_length(getvariable('rows')))::BLOB
    ''::BLOB
"""
CLV_MODELS = """
    getvariable('clv')[:-2]
    getvariable('clv') || ' '::BLOB
    encode(replace(decode(getvariable('clv')), '"rate":', '"rate":-'))
    encode(replace(decode(getvariable('clv')), '"rate":', '"rate":1e999'))
    encode(replace(decode(getvariable('clv')), '"dropout":', '"dropout":9'))
    encode(replace(decode(getvariable('clv')), '"p":', '"p":-'))
    encode(replace(decode(getvariable('clv')), '"format":1', '"format":9'))
    encode(replace(decode(getvariable('clv')), '"as_of_day":', '"as_of_day":99999999999'))
    '{"kind":"footfall clv","format":1}'::BLOB
"""
OWN_VALUES = {
    ("bgnbd", "customers"): CUSTOMERS,
    ("gamma_gamma", "customers"): VALUES,
    ("clv", "model"): CLV_MODELS,
    ("kmeans_assign", "model"): CLUSTERINGS,
    ("kmeans_distance", "model"): CLUSTERINGS,
    ("gmm_assign", "mixture"): MIXTURES,
    ("propensity_model_info", "model"): PROPENSITIES,
    ("propensity_score", "rows"): RECORDS,
    ("propensity_piece", "rows"): RECORDS,
}
# In place of a relation, and in place of a column.
BAD_RELATIONS = "{0}_empty {0}_one {0}_null {0}_short {0}_utf8 {0}_infinite nowhere 'nowhere.parquet' '' NULL 42 [1]".split()
BAD_COLUMNS = "no_such_column nothing no_number no_text no_time no_list".split()


def lines(text):
    return [line.strip() for line in text.strip().splitlines()]


def catalogue(connection):
    """The functions that users call and those written in Rust, each with its schema, its type and the names of its parameters.

    The macros that only other macros call get their bad values through these. Of several forms the one with most parameters.
    """
    # Chosen here, since DuckDB 1.4 cannot compare a text with a constant under every setting.
    rows = connection.execute("SELECT database_name, function_name, schema_name, function_type, parameters FROM duckdb_functions()").fetchall()
    everywhere = {name for database, name, *_ in rows if database == "system"}
    ours = [row[1:] for row in rows if row[0] == "footfall" and (row[2] in ("main", "partial", "merged") or row[1] in everywhere)]
    return {
        (f"{schema}.{name}" if schema in ("partial", "merged") else name): (schema, kind, parameters)
        for name, schema, kind, parameters in sorted(ours, key=lambda row: len(row[3]))
    }


def scalars(connection):
    """The names of our functions that are written in Rust and return one value."""
    return {
        name
        for (name,) in connection.execute(
            "SELECT function_name FROM duckdb_functions() WHERE database_name = 'system' AND function_type = 'scalar'"
            " AND function_name IN (SELECT function_name FROM duckdb_functions() WHERE database_name = 'footfall')"
        ).fetchall()
    }


def cells(name, schema, function_type, parameters, is_rust):
    """The label and the SQL of every cell of a function, the valid call first."""
    positional, named = CALLS[name]
    valid = dict(zip(parameters, positional)) | named
    is_table = function_type == "table_macro"

    def call(arguments):
        written = [arguments[parameter] for parameter in parameters[: len(positional)]]
        written += [f'"{parameter}" := {arguments[parameter]}' for parameter in parameters[len(positional) :]]
        call = f"footfall.{schema}.{name.removeprefix(f'{schema}.')}({', '.join(written)})"
        # As text, because Python has no infinite dates, and every value is looked at.
        # The limit ends a training of 9223372036854775807 epochs.
        return f"SELECT CAST(t AS VARCHAR) FROM (FROM {call} LIMIT 3) AS t" if is_table else f"SELECT CAST({call} AS VARCHAR)"

    yield "valid", call(valid)
    for index, parameter in enumerate(parameters):
        base = valid[parameter]
        bad_values = lines(BAD_VALUES) + lines(OWN_VALUES.get((name, parameter), ""))
        if base in RELATIONS:
            bad_values = [relation.format(base) for relation in BAD_RELATIONS]
        else:
            bad_values = bad_values[index % SAMPLED.get(name, 1) :: SAMPLED.get(name, 1)]
            # A merged report does not read its columns, and a study gives them on to reports that get all of these.
            bad_values += BAD_COLUMNS if is_table and name not in WHOLE and not name.startswith("merged.") else []
        for bad in bad_values:
            yield f"{parameter} = {bad}", call(valid | {parameter: bad})
            if is_rust:
                arguments = valid | {parameter: "v"}
                columns = f"system.main.{name}({', '.join(arguments[p] for p in parameters)})"
                yield (
                    f"{parameter} = column of {bad}",
                    f"SELECT CAST({columns} AS VARCHAR) FROM (SELECT {bad} AS v FROM range(3))",
                )
                yield (
                    f"{parameter} = column with {bad}",
                    f"SELECT CAST({columns} AS VARCHAR) FROM (SELECT {base} AS v UNION ALL SELECT {bad}"
                    f" UNION ALL SELECT NULL UNION ALL SELECT {base})",
                )


def complaint(error, called, functions):
    """What is wrong with an error of the function that was `called`, or None."""
    message = str(error).split("\n\nLINE ")[0].strip()
    if isinstance(error, (duckdb.FatalException, duckdb.InternalException)) or FORBIDDEN.search(message):
        return "forbidden"
    if isinstance(error, duckdb.InterruptException):
        return f"took more than {CELL_LIMIT_S} s of the processor"
    # DuckDB's own errors, such as a cast that fails, know nothing of the function.
    own = "(Failed to cast value: |Could not cast value .* to named parameter |Type .* with value .* can't be cast )"
    if re.match(f"Invalid Input Error: {own}", message, re.DOTALL):
        return None
    ours = re.match(r"(?:Invalid Input|Binder) Error: (?:footfall\.)?((?:partial\.|merged\.)?\w+): ", message)
    if ours and ours[1] in functions or isinstance(error, duckdb.InvalidInputException):
        if not ours or ours[1] not in functions:
            return "names no function"
        if "\n" in message:
            return "more than one line"
        argument = re.match(r"argument '(\w+)'", message[ours.end() :])
        # It may speak in the name of a macro that works through the function; the settings of train_start are arguments of train.
        known = functions[ours[1]][2] + functions[called][2] + (functions["train"][2] if called == "train_start" else [])
        if argument and argument[1] not in known:
            return f"names an argument that {ours[1]} does not have"
        if len(message) > LONGEST_ERROR:
            return f"{len(message)} characters long"
    return None


def interrupt_what_works_on(connection, ended):
    """Interrupts a query that has taken the limit of the processor, until it has `ended`."""
    start = time.process_time()
    while not ended.wait(1):
        if time.process_time() - start > CELL_LIMIT_S:
            connection.interrupt()


def run_cells(connection, functions, is_rust, name, folder):
    """Runs the cells of a function and prints what came out; the last label names a cell that crashed."""
    counts = dict.fromkeys(["values", "NULLs", "errors"], 0)
    valid, *bad = cells(name, *functions[name], is_rust)
    # The number of the value is added, so that the three ways of a value come to three DuckDBs, and the same way to each in turn.
    for label, sql in [valid, *(cell for turn, cell in enumerate(bad) if is_ours(turn + turn // 3))]:
        print(f"CELL {label}", flush=True)
        ended = threading.Event()
        watch = threading.Thread(target=interrupt_what_works_on, args=(connection, ended))
        watch.start()
        try:
            rows = connection.execute(sql.replace("{folder}", folder)).fetchall()
            counts["NULLs" if rows and all(row[0] is None for row in rows) else "values"] += 1
        except Exception as error:
            counts["errors"] += 1
            problem = "not valid" if label == "valid" else complaint(error, name, functions)
            if problem:
                print(f"FAIL {label}: {problem}: {type(error).__name__} {str(error)[:300]!r}")
        finally:
            ended.set()
            watch.join()
        if connection.execute("SELECT 42").fetchall() != [(42,)]:
            print(f"FAIL {label}: the connection does not answer")
    print("DONE " + " ".join(str(count) for count in counts.values()), flush=True)


def work():
    """A worker process: a function's name on every line of standard input."""
    with tempfile.TemporaryDirectory() as folder, connect() as connection:
        connection.execute(SETUP.format(folder=folder) + RESULTS)
        for report in PARTS:
            positional, named = CALLS[report]
            arguments = ", ".join([*positional, *(f'"{name}" := {value}' for name, value in named.items())])
            connection.execute(f"CREATE TABLE parts_of_{report} AS FROM footfall.partial.{report}({arguments})")
        for report in REPORTS:
            connection.execute(f"CREATE TABLE {report}_empty AS FROM {report} LIMIT 0; CREATE TABLE {report}_one AS FROM {report} LIMIT 1")
        # DuckDB 1.5 reads every CSV file below the working directory where a path is empty.
        os.mkdir(os.path.join(folder, "empty"))
        os.chdir(os.path.join(folder, "empty"))
        functions, in_rust = catalogue(connection), scalars(connection)
        for line in sys.stdin:
            run_cells(connection, functions, line.strip() in in_rust, line.strip(), folder)


class Worker:
    """A worker process, started anew after a crash."""

    def __init__(self):
        self.process = None

    def run(self, name):
        """The counts of a function, or None, and its failures."""
        if self.process is None:
            self.stderr = tempfile.TemporaryFile("w+", errors="replace")
            self.process = subprocess.Popen(
                [sys.executable, __file__, "--worker"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr, text=True, errors="replace",
            )  # fmt: skip
        hang = threading.Timer(FUNCTION_LIMIT_S, self.process.kill)
        hang.start()
        done, last, failures = None, None, []
        try:
            self.process.stdin.write(name + "\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                if line.startswith("FAIL "):
                    failures.append(line.rstrip())
                elif line.startswith("DONE "):
                    done = line.split()[1:]
                    break
                last = line.rstrip()
        except BrokenPipeError:
            pass
        finally:
            hang.cancel()
        self.stderr.seek(0)
        stderr = self.stderr.read()
        # A panic that is caught is one nevertheless.
        failures += [line for line in stderr.splitlines() if "panicked" in line]
        if done is None:
            failures.append(f"exit code {self.process.wait()} at {last}: {stderr[-500:]}")
            self.close()
        else:
            self.stderr.seek(0)
            self.stderr.truncate()
        return done, failures

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()
            self.stderr.close()
            self.process = None


class Matrix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with connect() as connection:
            cls.functions = catalogue(connection)

    def test_every_function_has_a_valid_call(self):
        self.assertEqual(
            {name: parameters for name, (_, _, parameters) in self.functions.items()},
            {
                name: self.functions.get(name, (None, None, []))[2][: len(positional)] + list(named)
                for name, (positional, named) in CALLS.items()
            },
        )

    def test_every_bad_value_comes_to_an_argument_of_every_function(self):
        for name, one_in in SAMPLED.items():
            positional, named = CALLS[name]
            if name in WHOLE:
                continue
            with self.subTest(function=name):
                self.assertLess(one_in, len(positional) + len(named))

    def test_matrix(self):
        totals = [0, 0, 0]
        for name, (output, failures) in self.results().items():
            with self.subTest(function=name):
                totals = [total + int(count) for total, count in zip(totals, output or [0, 0, 0])]
                if failures:
                    self.fail("\n".join(failures))
        values, nulls, errors = totals
        print(f"\nmatrix: {len(self.functions)} functions, {sum(totals)} cells: {values} values, {nulls} NULLs, {errors} errors")

    def results(self):
        """What became of each function; one worker for each processor takes function after function."""
        waiting = queue.SimpleQueue()
        for name in self.functions:
            waiting.put(name)
        results = {}

        def share():
            worker = Worker()
            try:
                while True:
                    name = waiting.get_nowait()
                    results[name] = worker.run(name)
            except queue.Empty:
                worker.close()

        threads = [threading.Thread(target=share) for _ in range(os.cpu_count())]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results


if __name__ == "__main__":
    if sys.argv[1:] == ["--worker"]:
        work()
    else:
        unittest.main()
