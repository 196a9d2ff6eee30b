-- Predictions: what comes next, for a history, a table of them, and one event at a time; and what a model is.

CREATE MACRO footfall.main.predict_next(model, actions, unknown := 'skip') AS
system.main.predict_next(model, actions, unknown);

COMMENT ON MACRO footfall.main.predict_next IS $$Predicts the next action of a history.

A STRUCT: `action`, the likeliest; its `probability`; `probabilities`, a MAP from each action to its own; and `n_unknown`, the
actions of the history that the model does not know and that were left out. NULL elements of the history are left out, too;
an empty history gets the training frequencies; a history of any length is read whole. The model is decoded once, however
many rows there are. `EXECUTE` takes no subquery as an argument: there, keep the model in a variable
(`SET VARIABLE model = (FROM footfall.best_model(run))`) and give `getvariable('model')`.

**A call takes up to 2,048 rows, and an interrupted query ends when it returns.** On one processor that is at once for ordinary
histories; 12 seconds for 2,048 histories of 100 actions and an LSTM of 2 × 512 units; and 9 seconds for as many of 10,000 actions
and an LSTM of 64. `footfall.predictions` gives the same for all rows of a table and lets go within a second: take it for large
networks and for long histories.

Parameters:
- model: BLOB, of `footfall.train`.
- actions: VARCHAR[], the history in time order.
- unknown: 'skip', or 'error' for an error where the model does not know an action; without the schema it is the third
  argument, `predict_next(model, actions, 'error')`.

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: ['pv', 'pv', 'cart', 'buy'][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u))
SELECT predict_next((FROM footfall.best_model(run)), ['pv', 'pv', 'wish', 'cart']) AS next;$$;

CREATE MACRO footfall.internal.pack_histories(histories, called_as := 'pack_histories') AS
system.main.pack_histories(histories, called_as);

COMMENT ON MACRO footfall.internal.pack_histories IS $$Encoded histories as one value, in the order of their places.

Parameters:
- histories: STRUCT(place BIGINT, tokens BLOB)[], with the tokens of `encode_actions`, each place from 0 on once.
- called_as: the macro that an error names.

Example:
SELECT octet_length(pack_histories([{place: 0, tokens: encode_actions(['buy', 'pv'], ['pv'])}], 'predictions')) > 0 AS packed;$$;

CREATE MACRO footfall.internal.predict_piece(
    model, histories, first, threads, called_as := 'predict_piece', state := CAST('' AS BLOB)
) AS
system.main.predict_piece(model, histories, first, threads, called_as, state);

COMMENT ON MACRO footfall.internal.predict_piece IS $$Predicts what follows some of many histories, for a moment: the step under `footfall.predictions`.

A STRUCT: `next`, the first history that is left (NULL when none is); `distributions`, a BLOB for `read_prediction`; and `state`, where
the piece ends in the middle of history `next`.

Parameters:
- model: BLOB, of `footfall.train`.
- histories: BLOB, of `pack_histories`.
- first: BIGINT, the history to begin with: 0, or `next` of the piece before.
- threads: BIGINT, 1 to 1024.
- called_as: the macro that an error names.
- state: BLOB, `state` of the piece before; empty at the beginning of a history.

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT p.next, octet_length(p.distributions) AS n_bytes
FROM (SELECT predict_piece(model, pack_histories([{place: 0, tokens: ''::BLOB}], 'predictions'), 0, 1, 'predictions', ''::BLOB) AS p FROM run);$$;

CREATE MACRO footfall.internal.read_prediction(model, pieces, place, n_unknown) AS
system.main.read_prediction(model, pieces, place, n_unknown);

COMMENT ON MACRO footfall.internal.read_prediction IS $$The prediction for one of the histories that were scored piece by piece.

A STRUCT as that of `predict_next`.

Parameters:
- model: BLOB, of `footfall.train`.
- pieces: BLOB[], the `distributions` of all calls of `predict_piece`, in order.
- place: BIGINT, of the history, from 0 on.
- n_unknown: BIGINT, what the field of that name shall hold.

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0)),
     packed AS (SELECT pack_histories([{place: 0, tokens: ''::BLOB}], 'predictions') AS histories)
SELECT read_prediction(model, [predict_piece(model, histories, 0, 1, 'predictions', ''::BLOB).distributions], 0, 0).action AS next
FROM run, packed;$$;

CREATE MACRO footfall.main.predictions(tbl, actions, model, unknown := 'skip', threads := NULL) AS TABLE
WITH RECURSIVE
ff_rows AS NOT MATERIALIZED (
    SELECT
        *,
        footfall.internal.action_list('predictions', 'actions', actions) AS ff_actions,
        row_number() OVER () - 1 AS ff_place
    FROM query_table(tbl)
),
ff_asked AS MATERIALIZED (
    SELECT
        ff_model,
        system.main.model_info(ff_model, 'predictions', 'model')['vocabulary'] AS ff_vocabulary,
        ff_unknown,
        coalesce(ff_threads, CAST(current_setting('threads') AS BIGINT)) AS ff_threads
    FROM (
        SELECT footfall.internal.given_model('predictions', 'model', ff_given) AS ff_model, ff_unknown, ff_threads
        FROM (SELECT (model) AS ff_given, CAST((unknown) AS VARCHAR) AS ff_unknown, CAST((threads) AS BIGINT) AS ff_threads)
    )
),
-- Read once: what is predicted goes back to the rows that it came from.
ff_encoded AS MATERIALIZED (
    SELECT
        ff_rows.* EXCLUDE (ff_actions),
        CASE
            -- There is another column of that name, in capitals or not.
            WHEN typeof(row(*COLUMNS(lambda ff_name: lower(ff_name) IN ('next', 'ff_place')))) <> typeof(row(ff_place))
            THEN error(concat(
                'footfall.predictions: argument ''tbl'' has a column ''next'', which is what the prediction is to be called; ',
                'give it without: SELECT * EXCLUDE (next), or RENAME (next AS …)'
            ))
            ELSE system.main.encode_actions(ff_vocabulary, ff_actions, ff_unknown, 'predictions')
        END AS ff_tokens,
        list_count(ff_actions) AS ff_n_actions
    FROM ff_rows
    CROSS JOIN ff_asked
),
-- By parts, since what is joined to a step of the recursion is copied there.
ff_parts AS MATERIALIZED (
    SELECT
        ff_place // 131072 AS ff_part,
        system.main.pack_histories(list({'place': ff_place % 131072, 'tokens': ff_tokens}), 'predictions') AS ff_histories
    FROM ff_encoded
    GROUP BY ff_part
),
-- A row per fraction of a second of work: between two of them DuckDB looks for an interruption.
ff_pieces(ff_step, ff_part, ff_piece) AS (
    SELECT CAST(0 AS BIGINT), ff_part, system.main.predict_piece(ff_model, ff_histories, 0, ff_threads, 'predictions', CAST('' AS BLOB))
    FROM ff_asked
    CROSS JOIN ff_parts
    WHERE ff_part = 0
    UNION ALL
    SELECT
        ff_step + 1,
        ff_parts.ff_part,
        system.main.predict_piece(
            ff_model, ff_histories, coalesce(ff_piece['next'], 0), ff_threads, 'predictions',
            CASE WHEN ff_piece['next'] IS NULL THEN CAST('' AS BLOB) ELSE ff_piece['state'] END
        )
    FROM ff_pieces
    JOIN ff_parts ON ff_parts.ff_part = ff_pieces.ff_part + CASE WHEN ff_piece['next'] IS NULL THEN 1 ELSE 0 END
    CROSS JOIN ff_asked
),
ff_all AS MATERIALIZED (
    SELECT list(ff_piece['distributions'] ORDER BY ff_step ASC NULLS LAST) AS ff_distributions FROM ff_pieces
)
SELECT
    ff_encoded.* EXCLUDE (ff_place, ff_tokens, ff_n_actions),
    system.main.read_prediction(ff_model, ff_distributions, ff_place, ff_n_actions - octet_length(ff_tokens)) AS next
FROM ff_encoded, ff_asked, ff_all;

COMMENT ON MACRO TABLE footfall.main.predictions IS $$Predicts the next action of every history of a table, and lets go within a second of an interruption.

The columns of the table as they are, and behind them `next`, what `predict_next` gives for the row, to the bit: a STRUCT
of `action`, `probability`, `probabilities` and `n_unknown`; NULL where the history is. The rows come in no order. The table is read
once, and its rows are kept until their predictions are there. A table that has a column `next` itself is an error.

Parameters:
- tbl: a table, view, CTE or file.
- actions: VARCHAR[], the history in time order.
- model: BLOB, of `footfall.train`.
- unknown: 'skip', or 'error' for an error where the model does not know an action.
- threads: BIGINT, 1 to 1024; NULL takes those of DuckDB; no result depends on it.

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: ['pv', 'pv', 'cart', 'buy'][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u))
SELECT u, len(actions) AS n_actions, next.action FROM footfall.predictions(histories, actions, (FROM footfall.best_model(run))) ORDER BY u LIMIT 3;$$;

CREATE MACRO footfall.main.top(probabilities, n := NULL) AS
CASE
    WHEN typeof(probabilities) LIKE 'MAP(VARCHAR, %' OR typeof(probabilities) = typeof(NULL) THEN [
        {'action': decode(entry['name']), 'probability': 0 - entry['less']}
        FOR entry IN list_sort(
            [{'less': 0 - pair['value'], 'name': encode(pair['key'])} FOR pair IN map_entries(TRY_CAST(probabilities AS MAP(VARCHAR, DOUBLE)))], 'ASC', 'NULLS LAST'
        )[:CASE WHEN n IS NULL THEN 1000000 ELSE footfall.internal.whole_option('top', 'n', n, 1, 1000000) END]
    ]
    ELSE error(concat(
        'footfall.top: argument ''probabilities'' is of type ', left(typeof(probabilities), 200), '; allowed: probabilities of a prediction, MAP(VARCHAR, FLOAT)'
    ))
END;

COMMENT ON MACRO footfall.main.top IS $$The likeliest actions of a prediction as a list, for clients that have no MAP.

A list of STRUCTs of `action` (VARCHAR) and `probability` (DOUBLE), the likeliest first, of equally likely ones the first by name. Unnested, or an element by its number, it is plain columns:
`next[1].action`. NULL gives NULL.

Networks compute in 32 bits: their probabilities are FLOAT, and DOUBLE here, with the same digits. What else footfall gives of probabilities, losses and distances is DOUBLE.

Parameters:
- probabilities: a MAP from VARCHAR to a number, the field `probabilities` of `predict_next`, `footfall.predictions` or `next_state`.
- n: how many, from 1 on; NULL for all.

Example:
SELECT footfall.top(MAP {'buy': 0.25, 'pv': 0.5, 'cart': 0.25}, 2) AS next, footfall.top(MAP {'buy': 0.25, 'pv': 0.75})[1].action AS first;$$;

CREATE MACRO footfall.main.next_state(model, state, action, unknown := 'skip') AS
system.main.next_state(model, state, action, unknown);

COMMENT ON MACRO footfall.main.next_state IS $$Reads one more action and predicts the one after it, in constant time.

A live system keeps one small BLOB per user instead of the history: `state` goes into the next call, and `action`,
`probability` and `probabilities` are what `predict_next` would give for the whole history. An action that the model does
not know leaves the state as it is, and `n_unknown` is 1. A state belongs to the model that made it.

Parameters:
- model: BLOB, of `footfall.train`.
- state: BLOB, of the call before; empty (''::BLOB) before the first action.
- action: VARCHAR, what happened.
- unknown: 'skip', or 'error' for an error where the model does not know the action; without the schema it is the fourth argument.

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: ['pv', 'pv', 'cart', 'buy'][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u))
SELECT next_state(model, next_state(model, ''::BLOB, 'pv').state, 'cart').action AS next FROM footfall.best_model(run);$$;

CREATE MACRO footfall.main.history_loss(model, actions, unknown := 'skip', n_train := 0) AS
system.main.history_loss(model, actions, unknown, n_train);

COMMENT ON MACRO footfall.main.history_loss IS $$Tells how much a history surprises a model.

A STRUCT: `loss`, the sum over the actions 2 to n of minus the logarithm of the probability that the model gave them, in
nats; `n`, their number; and `n_unknown`, the actions that the model does not know, which are left out.
`footfall.compare_models` compares two models by it.

`loss / n` says how predictable a history is, not how usual: a program that only views is the most predictable of all. Unusual
customers stand out by the distance from the nearest segment instead, over the numbers of what they did, as in
`kmeans_distance(kmeans(points, 3, {'log': true}), [n_pv, n_cart, n_fav, n_buy])`: of 560 recorded users and three invented
programs it ranks these first, second and third; `loss / n`, by a network of the defaults, ranks them in the middle and last.

Parameters:
- model: BLOB, of `footfall.train`.
- actions: VARCHAR[], the history in time order.
- unknown: 'skip', or 'error' for an error where the model does not know an action; without the schema it is the third argument.
- n_train: BIGINT, so many known actions at the beginning are only read; without the schema it is the fourth argument.

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: ['pv', 'pv', 'cart', 'buy'][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u))
SELECT h.n, h.loss < 5 AS is_usual FROM (SELECT history_loss(model, ['pv', 'pv', 'cart', 'buy', 'pv']) AS h FROM footfall.best_model(run));$$;

CREATE MACRO footfall.main.model_info(model) AS system.main.model_info(model);

COMMENT ON MACRO footfall.main.model_info IS $$Tells what a model is and how it was trained.

A STRUCT: `architecture`, the sizes, `vocabulary`, `n_parameters`, `epochs` (over continued runs), `seed`, `device`,
`validation` (the share of users held back), the numbers of targets, the losses of the last epoch, `settings` (JSON),
`format_version`, `split`, how the histories were split: `by` ('user', 'history', 'time', 'none'), `share`, `seed`,
`validation_from` (as text, with +00 where the times had a time zone), `n_held_out` (histories with held-back targets) and a
`fingerprint` of these, `own_history`, the `decay` and the `pseudo_counts` of that baseline, and `history`, a list of its latest 500 epochs (over
continued runs) with `train_loss`, `validation_loss` and the losses of three baselines as in the rows of `footfall.train`; it is empty for a model of a version that kept none. A model of format 1 and
one trained on sequences that were packed by hand do not know by what they
were split ('unknown').

Parameters:
- model: BLOB, of `footfall.train`.

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT i.architecture, i.hidden, i.vocabulary, i.n_parameters, i.split.by FROM (SELECT model_info(model) AS i FROM run);$$;
