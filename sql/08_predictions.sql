-- Predictions, and how good they are.
--
-- A report is taken apart by field names in quotes, because a bare name that equals a parameter of the
-- macro would be replaced by the caller's expression.

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
- model: BLOB, of `footfall.train`
- actions: VARCHAR[], the history in time order
- unknown: 'skip', or 'error' for an error where the model does not know an action; without the schema it is the third argument, `predict_next(model, actions, 'error')`

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: ['pv', 'pv', 'cart', 'buy'][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u))
SELECT predict_next((FROM footfall.best_model(run)), ['pv', 'pv', 'wish', 'cart']) AS next;$$;

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
        CASE WHEN footfall.internal.check_option(
            ff_blob IS NOT NULL, 'predictions', 'model', NULL, 'a model of footfall.train'
        ) THEN ff_blob END AS ff_model,
        system.main.model_info(ff_blob, 'predictions', 'model')['vocabulary'] AS ff_vocabulary,
        ff_unknown,
        coalesce(ff_threads, current_setting('threads')::BIGINT) AS ff_threads
    FROM (
        SELECT footfall.internal.model_blob('predictions', 'model', ff_given) AS ff_blob, ff_unknown, ff_threads
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
            THEN error('footfall.predictions: argument ''tbl'' has a column ''next'', which is what the prediction is to be called; '
                || 'give it without: SELECT * EXCLUDE (next), or RENAME (next AS …)')
            ELSE system.main.encode_actions(ff_vocabulary, ff_actions, ff_unknown, 'predictions')
        END AS ff_tokens,
        list_count(ff_actions) AS ff_n_actions
    FROM ff_rows, ff_asked
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
    SELECT 0::BIGINT, ff_part, system.main.predict_piece(ff_model, ff_histories, 0, ff_threads, 'predictions', CAST('' AS BLOB))
    FROM ff_asked, ff_parts
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
- tbl: a table, view, CTE or file
- actions: VARCHAR[], the history in time order
- model: BLOB, of `footfall.train`
- unknown: 'skip', or 'error' for an error where the model does not know an action
- threads: BIGINT, 1 to 1024; NULL takes those of DuckDB; no result depends on it

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: ['pv', 'pv', 'cart', 'buy'][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u))
SELECT u, len(actions) AS n_actions, next.action FROM footfall.predictions(histories, actions, (FROM footfall.best_model(run))) ORDER BY u LIMIT 3;$$;

CREATE MACRO footfall.main.next_state(model, state, action, unknown := 'skip') AS
system.main.next_state(model, state, action, unknown);

COMMENT ON MACRO footfall.main.next_state IS $$Reads one more action and predicts the one after it, in constant time.

A live system keeps one small BLOB per user instead of the history: `state` goes into the next call, and `action`,
`probability` and `probabilities` are what `predict_next` would give for the whole history. An action that the model does
not know leaves the state as it is, and `n_unknown` is 1. A state belongs to the model that made it.

Parameters:
- model: BLOB, of `footfall.train`
- state: BLOB, of the call before; empty (''::BLOB) before the first action
- action: VARCHAR, what happened
- unknown: 'skip', or 'error' for an error where the model does not know the action; without the schema it is the fourth argument

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
- model: BLOB, of `footfall.train`
- actions: VARCHAR[], the history in time order
- unknown: 'skip', or 'error' for an error where the model does not know an action; without the schema it is the third argument
- n_train: BIGINT, so many known actions at the beginning are only read; without the schema it is the fourth argument

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
`fingerprint` of these, and `own_history`, the `decay` and the `pseudo_counts` of that baseline. A model of format 1 and one trained on sequences that were packed by hand do not know by what they
were split ('unknown').

Parameters:
- model: BLOB, of `footfall.train`

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT i.architecture, i.hidden, i.vocabulary, i.n_parameters, i.split.by FROM (SELECT model_info(model) AS i FROM run);$$;

CREATE MACRO footfall.main.evaluate_piece(model, dataset, first, threads, called_as := NULL, state := NULL) AS
system.main.evaluate_piece(
    model, dataset, first, threads, coalesce(called_as, 'evaluate_piece'), coalesce(CAST(state AS BLOB), CAST('' AS BLOB))
);

COMMENT ON MACRO footfall.main.evaluate_piece IS $$Scores a model on some of the held-back targets of a dataset, for a fraction of a second: the step under `footfall.evaluate`.

Its baseline `own_history`, which has a distribution of its own before each target as the model has, is scored with it. The
result is a STRUCT: `next`, the first history that is left (NULL when none is); `piece`, a BLOB for `evaluate_model`; and
`state`, where the piece ends in the middle of history `next`, which is long (empty at the beginning of one).

Parameters:
- model: BLOB, of `footfall.train`
- dataset: BLOB, of `footfall.training_set` with the vocabulary of the model
- first: BIGINT, the history to begin with: 0, or `next` of the piece before
- threads: BIGINT, 1 to 1024
- called_as: the macro of footfall that an error names; NULL names evaluate_piece
- state: BLOB, `state` of the piece before; NULL begins with the beginning of a history; without the schema it is the sixth argument

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT p.next, octet_length(p.piece) > 0 AS is_scored
FROM (SELECT evaluate_piece(model, dataset, 0, 1) AS p FROM run, footfall.training_set(histories, actions, validation := 1));$$;

CREATE MACRO footfall.main.evaluate_model(model, dataset, pieces, threads, called_as := NULL) AS
CASE WHEN called_as IS NULL
    THEN system.main.evaluate_model(model, dataset, pieces, threads)
    ELSE system.main.evaluate_model(model, dataset, pieces, threads, called_as)
END;

COMMENT ON MACRO footfall.main.evaluate_model IS $$Reports on a model that was scored piece by piece, and on the baselines that travel in it: the scalar under `footfall.evaluate`.

A list with one STRUCT per predictor: the numbers of `footfall.evaluate`, and the lists `actions`, `confusion` and
`reliability`. The held-back targets of the dataset count.

Parameters:
- model: BLOB, of `footfall.train`
- dataset: BLOB, of `footfall.training_set` with the vocabulary of the model
- pieces: BLOB[], of `evaluate_piece`, all in order
- threads: BIGINT, 1 to 1024
- called_as: the macro of footfall that an error names; NULL names evaluate_model

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT len(evaluate_model(model, dataset, [evaluate_piece(model, dataset, 0, 1).piece], 1)) AS n_predictors
FROM run, footfall.training_set(histories, actions, validation := 1);$$;

CREATE MACRO footfall.internal.scored_split(function_name, argument_name, part, info) AS
CASE
    WHEN CAST(part AS VARCHAR) = 'all'
    THEN {
        'by': 'all', 'share': CAST(1 AS DOUBLE), 'seed': CAST(0 AS BIGINT), 'validation_from': CAST(NULL AS VARCHAR),
        'n_held_out': CAST(NULL AS BIGINT), 'fingerprint': CAST(NULL AS VARCHAR)
    }
    WHEN NOT footfall.internal.check_option(
        CAST(part AS VARCHAR) IN ('held_out', 'validation'), function_name, 'part', part, '''held_out'', ''all'''
    )
    THEN NULL
    WHEN info['split']['by'] = 'none'
    THEN error('footfall.' || function_name || ': ''' || argument_name || ''' was trained with validation := 0, so nothing was held back that it '
        || 'could be judged on; train with validation := 0.1, or give part := ''all'' to score every history, those it learned from included')
    ELSE info['split']
END;

COMMENT ON MACRO footfall.internal.scored_split IS $$The split under which a report on a model packs histories, or the error of a model that has no held-back part.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument that the model was given as.
- part: 'held_out' (or 'validation'), or 'all'.
- info: the value of `model_info`.

Example:
SELECT footfall.internal.scored_split('evaluate', 'model', 'all', model_info(NULL)).by AS by_;$$;

CREATE MACRO footfall.main.evaluation(
    tbl,
    actions,
    model,
    part := 'held_out',
    user_id := NULL,
    times := NULL,
    validation_from := NULL,
    threads := NULL,
    called_as := 'evaluation'
) AS TABLE
WITH RECURSIVE
-- Where packed_histories reads the relation these two CTEs are in sight, so they have names that no table has.
footfall__model AS MATERIALIZED (
    SELECT
        CASE WHEN footfall.internal.check_option(
            ff_blob IS NOT NULL, called_as, 'model', NULL, 'a model of footfall.train'
        ) THEN ff_blob END AS ff_blob,
        system.main.model_info(ff_blob, called_as, 'model') AS ff_info,
        coalesce((threads)::BIGINT, current_setting('threads')::BIGINT) AS ff_threads
    FROM (
        SELECT footfall.internal.model_blob(called_as, 'model', ff_given) AS ff_blob
        FROM (SELECT (model) AS ff_given)
    )
),
footfall__part AS MATERIALIZED (
    SELECT footfall.internal.scored_split(called_as, 'model', part, ff_info) AS ff_scored_split
    FROM footfall__model
),
ff_packed AS MATERIALIZED (
    SELECT ff_set.dataset AS ff_dataset, ff_set.n_unknown AS ff_n_unknown
    FROM footfall.internal.packed_histories(
        tbl,
        actions,
        vocabulary := (SELECT ff_info['vocabulary'] FROM footfall__model),
        user_id := user_id,
        times := times,
        validation_from := validation_from,
        split := (SELECT ff_scored_split FROM footfall__part),
        unknown := 'skip',
        called_as := called_as
    ) AS ff_set
),
ff_pieces(ff_step, ff_scored) AS (
    SELECT 0::BIGINT, system.main.evaluate_piece(ff_blob, ff_dataset, 0, ff_threads, called_as) FROM footfall__model, ff_packed
    UNION ALL
    SELECT
        ff_step + 1,
        system.main.evaluate_piece(ff_blob, ff_dataset, ff_scored['next'], ff_threads, called_as, ff_scored['state'])
    FROM ff_pieces, footfall__model, ff_packed
    WHERE ff_scored['next'] IS NOT NULL
),
ff_reports AS (
    SELECT system.main.evaluate_model(ff_blob, ff_dataset, ff_all, ff_threads, called_as) AS ff_report, ff_n_unknown, ff_info['vocabulary'] AS ff_known
    FROM
        footfall__model,
        ff_packed,
        (SELECT list(ff_scored['piece'] ORDER BY ff_step ASC NULLS LAST) AS ff_all FROM ff_pieces)
)
SELECT
    unnest(CASE
        WHEN len(ff_report) = 0 AND ff_n_unknown > 0
        THEN error('footfall.' || called_as || ': nothing can be scored, because the model does not know ' || ff_n_unknown
            || ' of the actions; it knows ' || footfall.internal.one_line(left(array_to_string(ff_known, ', '), 200)) || '; train it on such histories, or rename the actions')
        WHEN len(ff_report) = 0 AND CAST(part AS VARCHAR) <> 'all'
        THEN error('footfall.' || called_as || ': no action of this table was held back from the model, so there is nothing to judge it on; '
            || 'give a table with held-back users or later times, or part := ''all'' to score every history, those it learned from included')
        ELSE ff_report
    END) AS report,
    CASE WHEN CAST(part AS VARCHAR) = 'all' THEN 'all' ELSE 'held_out' END AS part,
    ff_n_unknown AS n_unknown
FROM ff_reports;

COMMENT ON MACRO TABLE footfall.main.evaluation IS $$Everything that is known about the quality of a model, one STRUCT `report` per predictor.

Its fields are the numbers of `footfall.evaluate` and the lists `actions` (as `footfall.class_report`), `confusion` (as
`footfall.confusion`) and `reliability` (as `footfall.reliability`, with the bins of each action behind those of the
likeliest one). Beside it `part` and `n_unknown`, as in `footfall.evaluate`.

Parameters:
- tbl, actions, model, part, user_id, times, validation_from, threads: as in `footfall.evaluate`
- called_as: the macro that an error names

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT report.predictor, len(report.actions) AS n_actions FROM footfall.evaluation(histories, actions, (SELECT model FROM run), part := 'all');$$;

CREATE MACRO footfall.main.evaluate(
    tbl,
    actions,
    model,
    part := 'held_out',
    user_id := NULL,
    times := NULL,
    validation_from := NULL,
    threads := NULL
) AS TABLE
WITH ff_scored AS MATERIALIZED (
    SELECT
        ff_evaluation.report AS ff_report,
        ff_evaluation.part AS ff_part,
        ff_evaluation.n_unknown AS ff_n_unknown
    FROM footfall.main.evaluation(
        tbl,
        actions,
        model,
        part := part,
        user_id := user_id,
        times := times,
        validation_from := validation_from,
        threads := threads,
        called_as := 'evaluate'
    ) AS ff_evaluation
)
SELECT
    ff_report['predictor'] AS predictor,
    ff_report['log_loss'] AS log_loss,
    ff_report['auc'] AS auc,
    ff_report['accuracy'] AS accuracy,
    ff_report['top2_accuracy'] AS top2_accuracy,
    ff_report['balanced_accuracy'] AS balanced_accuracy,
    ff_report['macro_f1'] AS macro_f1,
    ff_report['calibration_error'] AS calibration_error,
    1 - ff_report['log_loss'] / (
        SELECT min(ff_report['log_loss']) FROM ff_scored WHERE ff_report['predictor'] <> 'model'
    ) AS lift,
    ff_report['difference'] AS difference,
    ff_report['standard_error'] AS standard_error,
    ff_report['n'] AS n,
    ff_part AS part,
    CASE WHEN ff_part = 'held_out' THEN ff_report['as_in_training'] END AS as_in_training,
    ff_n_unknown AS n_unknown
FROM ff_scored;

COMMENT ON MACRO TABLE footfall.main.evaluate IS $$Scores a model beside the baselines that it must beat, one row per predictor, on what it has not learned from.

Predictors: `model`; `majority`, always the training frequencies; `repeat_last`, the last action again with the frequency
at which actions repeat; `markov_1` and `markov_3`, what followed the last one or three actions; `own_history`, what this
user has done so far, the latest counting most, backed off to `markov_3`. All are counted on the training split of the model
and travel in it. How fast `own_history` forgets and how many events `markov_3` is worth to it were chosen in the training,
on training users alone, half of them scored by what the other half did; a model that does not carry the choice (of a version
before this baseline) takes 0.98 an event and 20 events, which is what recorded users led to.

Columns: `log_loss`, mean negative log likelihood in nats, smaller is better; `auc`, mean over the actions of the area under
the ROC curve, one against the rest; `accuracy`; `top2_accuracy`; `balanced_accuracy`, mean recall; `macro_f1`;
`calibration_error`, expected, over ten bins; `lift`, the share by which the log loss is below that of the best baseline;
`difference`, the log loss minus that of the best baseline, below 0 for a better predictor, and its `standard_error` over
users, since users are drawn and not targets (that of a ratio, as in `footfall.compare_models`; NULL for the best baseline
itself and for a single history): a difference of two standard errors is worth believing; `n`, the targets, which are the
actions 2 to n of each history; `part`, which of them were scored, 'held_out' or 'all'; `as_in_training`, whether these are
the very targets that were held back in the training: false where the table has changed since, or `user_id` is another (NULL
for a model that does not know); `n_unknown`, the actions of the table that the model does not know and that were left out.

A network that does not beat the best baseline is not worth its keep. Look at `log_loss` and `auc` first: where nine actions
in ten are views, a good model answers view nearly always, and accuracy and F1 cannot see what it knows. Where there are more
than 4 million probabilities (targets times actions), `auc` of the model and of `own_history` is that of a sample of
histories with as many; everything else is exact. An evaluation can be interrupted between two seconds of work.

A model carries how its histories were split, so the held-back part is found again with the column that it was split by:
`user_id`, or `times`, or neither. Of a model that does not know (format 1), `user_id`, or `times` and `validation_from`,
must be those of its training.

Parameters:
- tbl: a table, view, CTE or file with one row per user
- actions: VARCHAR[], the history in time order
- model: BLOB, of `footfall.train`
- part: 'held_out', the targets that the model did not learn from, or 'all' targets of the table; 'validation' is the same as 'held_out'
- user_id: as given to `footfall.train`, for a model that was split by user
- times: as given to `footfall.train`, for a model that was split by time
- validation_from: a later moment than that of the split; NULL takes that of the split
- threads: NULL takes the setting of DuckDB

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: ['pv', 'pv', 'cart', 'buy'][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u))
SELECT predictor, round(log_loss, 2) AS log_loss, n, part
FROM footfall.evaluate(histories, actions, (FROM footfall.best_model(run)), user_id := u) WHERE predictor <> 'model';$$;

CREATE MACRO footfall.internal.report_rows(
    tbl, actions, model, field, predictor, part, user_id, times, validation_from, threads, called_as
) AS TABLE
WITH ff_scored AS (
    SELECT
        ff_evaluation.report['predictor'] AS ff_predictor,
        ff_evaluation.part AS ff_part,
        unnest(ff_evaluation.report[field], max_depth := 2)
    FROM footfall.main.evaluation(
        tbl,
        actions,
        model,
        part := part,
        user_id := user_id,
        times := times,
        validation_from := validation_from,
        threads := threads,
        called_as := called_as
    ) AS ff_evaluation
)
SELECT ff_predictor AS predictor, * EXCLUDE (ff_predictor, ff_part), ff_part AS part
FROM ff_scored
WHERE ff_predictor = coalesce(predictor, ff_predictor)
AND (SELECT footfall.internal.check_option(
    predictor IS NULL OR predictor IN ('model', 'majority', 'repeat_last', 'markov_1', 'markov_3', 'own_history'),
    called_as, 'predictor', predictor,
    '''model'', ''majority'', ''repeat_last'', ''markov_1'', ''markov_3'', ''own_history'', NULL for all'
));

COMMENT ON MACRO TABLE footfall.internal.report_rows IS $$The rows of one list of `footfall.evaluation`: what `class_report`, `confusion` and `reliability` have in common.

Parameters:
- tbl, actions, model, part, user_id, times, validation_from, threads: as in `footfall.evaluate`
- field: the list: 'actions', 'confusion' or 'reliability'
- predictor: 'model', a baseline of `footfall.evaluate`, or NULL for all
- called_as: the macro that an error names

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT action, support
FROM footfall.internal.report_rows(histories, actions, (SELECT model FROM run), 'actions', 'majority', 'all', NULL, NULL, NULL, NULL, 'class_report');$$;

CREATE MACRO footfall.main.class_report(
    tbl,
    actions,
    model,
    predictor := 'model',
    part := 'held_out',
    user_id := NULL,
    times := NULL,
    validation_from := NULL,
    threads := NULL
) AS TABLE
FROM footfall.internal.report_rows(
    tbl, actions, model, 'actions', predictor, part, user_id, times, validation_from, threads, 'class_report'
);

COMMENT ON MACRO TABLE footfall.main.class_report IS $$Scores a model action by action, on what it has not learned from.

Columns: `predictor`, `action`, `precision`, `recall`, `f1`, `auc` (one against the rest, ties counting half; of a sample
where `footfall.evaluate` takes one), `auc_standard_error`, `support` (targets of this action), `part`. A share whose
denominator is zero is NULL.

The standard error is over users, whose targets are alike (Obuchowski, 1997, Nonparametric Analysis of Clustered ROC Curve
Data, Biometrics 53; of the sample where there is one). It is NULL unless two users have targets of the action and two have
others, and with few users of the action it is uncertain itself. Two predictors are judged on the same users, so
their areas differ by less than the two errors suggest.

Parameters:
- predictor: 'model', a baseline of `footfall.evaluate`, or NULL for all
- tbl, actions, model, part, user_id, times, validation_from, threads: as in `footfall.evaluate`

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT action, auc, support FROM footfall.class_report(histories, actions, (SELECT model FROM run), predictor := 'majority', part := 'all');$$;

CREATE MACRO footfall.main.confusion(
    tbl,
    actions,
    model,
    predictor := 'model',
    part := 'held_out',
    user_id := NULL,
    times := NULL,
    validation_from := NULL,
    threads := NULL
) AS TABLE
FROM footfall.internal.report_rows(
    tbl, actions, model, 'confusion', predictor, part, user_id, times, validation_from, threads, 'confusion'
);

COMMENT ON MACRO TABLE footfall.main.confusion IS $$Counts what was predicted against what happened, on what a model has not learned from.

Columns: `predictor`, `actual`, `predicted` (the likeliest action), `n`, `part`; one row for every pair of actions.

Parameters:
- predictor: 'model', a baseline of `footfall.evaluate`, or NULL for all
- tbl, actions, model, part, user_id, times, validation_from, threads: as in `footfall.evaluate`

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT actual, predicted, n FROM footfall.confusion(histories, actions, (SELECT model FROM run), predictor := 'majority', part := 'all');$$;

CREATE MACRO footfall.main.reliability(
    tbl,
    actions,
    model,
    predictor := 'model',
    part := 'held_out',
    user_id := NULL,
    times := NULL,
    validation_from := NULL,
    threads := NULL,
    action := NULL
) AS TABLE
WITH ff_bins AS MATERIALIZED (
    FROM footfall.internal.report_rows(
        tbl, actions, model, 'reliability', predictor, part, user_id, times, validation_from, threads, 'reliability'
    )
)
SELECT ff_bins.* EXCLUDE (action), ff_bins.action AS action
FROM ff_bins
WHERE footfall.internal.action_name(ff_bins.action) IS NOT DISTINCT FROM CAST((action) AS VARCHAR)
AND (
    SELECT footfall.internal.check_option(
        CAST((action) AS VARCHAR) IS NULL OR count(*) = 0 OR bool_or(footfall.internal.action_name(ff_known.action) = CAST((action) AS VARCHAR)),
        'reliability', 'action', (action), string_agg(DISTINCT ff_known.action, ', ' ORDER BY ff_known.action ASC NULLS LAST)
    )
    FROM ff_bins AS ff_known
);

COMMENT ON MACRO TABLE footfall.main.reliability IS $$Compares probabilities with what happened, in ten bins, on what a model has not learned from.

Columns: `predictor`, `bin_from`, `bin_to`, `confidence` (mean probability), `accuracy` (share that came true), `n`, `part`,
`action`. Without an action the probability is that of the likeliest one, whichever it is. With one it is the probability of this
action before every target, and `accuracy` the share of targets that were this action: whether 3 % for buy means that 3 in
100 buy. A bin without targets has NULLs.

Parameters:
- predictor: 'model', a baseline of `footfall.evaluate`, or NULL for all
- action: an action that the model knows, or NULL for the likeliest
- tbl, actions, model, part, user_id, times, validation_from, threads: as in `footfall.evaluate`

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT bin_from, bin_to, round(confidence, 3) AS confidence, accuracy, n
FROM footfall.reliability(histories, actions, (SELECT model FROM run), predictor := 'majority', part := 'all', action := 'buy') WHERE n > 0;$$;

CREATE MACRO footfall.internal.losses(model, dataset, called_as) AS TABLE
WITH RECURSIVE
ff_given AS MATERIALIZED (
    SELECT (model) AS ff_model, (dataset) AS ff_dataset, current_setting('threads')::BIGINT AS ff_threads
),
ff_pieces(ff_step, ff_scored) AS (
    SELECT 0::BIGINT, system.main.history_losses(ff_model, ff_dataset, 0, ff_threads, called_as, CAST('' AS BLOB))
    FROM ff_given
    UNION ALL
    SELECT
        ff_step + 1,
        system.main.history_losses(ff_model, ff_dataset, ff_scored['next'], ff_threads, called_as, ff_scored['state'])
    FROM ff_pieces, ff_given
    WHERE ff_scored['next'] IS NOT NULL
)
SELECT list(ff_scored['losses'] ORDER BY ff_step ASC NULLS LAST) AS losses
FROM ff_pieces;

COMMENT ON MACRO TABLE footfall.internal.losses IS $$The losses of a model on the held-back targets of a dataset, history by history, a fraction of a second at a time.

One row: `losses`, a list of BLOBs for the scalar `compare_losses`.

Parameters:
- model: BLOB, of `footfall.train`
- dataset: BLOB, of `footfall.training_set` with the vocabulary of the model
- called_as: the macro that an error names

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0)),
     packed AS (FROM footfall.training_set(histories, actions, validation := 1))
SELECT len(losses) AS n_pieces FROM footfall.internal.losses((SELECT model FROM run), (SELECT dataset FROM packed), 'losses');$$;

CREATE MACRO footfall.main.compare_models(
    tbl,
    actions,
    model_a,
    model_b,
    part := 'held_out',
    user_id := NULL,
    times := NULL,
    validation_from := NULL
) AS TABLE
WITH
ff_rows AS NOT MATERIALIZED (
    SELECT
        footfall.internal.action_list('compare_models', 'actions', actions) AS ff_actions,
        typeof(user_id) <> typeof(NULL) AS ff_has_user,
        footfall.internal.split_key('compare_models', user_id) AS ff_user,
        typeof(times) <> typeof(NULL) AS ff_has_times,
        starts_with(typeof(times), 'TIMESTAMP WITH TIME ZONE') AS ff_times_have_zone,
        footfall.internal.moment_list('compare_models', 'times', times) AS ff_times
    FROM query_table(tbl)
),
ff_models AS MATERIALIZED (
    SELECT
        CASE WHEN footfall.internal.check_option(
            ff_blob_a IS NOT NULL, 'compare_models', 'model_a', NULL, 'a model of footfall.train'
        ) THEN ff_blob_a END AS ff_a,
        CASE WHEN footfall.internal.check_option(
            ff_blob_b IS NOT NULL, 'compare_models', 'model_b', NULL, 'a model of footfall.train'
        ) THEN ff_blob_b END AS ff_b,
        system.main.model_info(ff_blob_a, 'compare_models', 'model_a') AS ff_info_a,
        system.main.model_info(ff_blob_b, 'compare_models', 'model_b') AS ff_info_b,
        CASE WHEN typeof(validation_from) <> typeof(NULL)
            THEN footfall.internal.instant('compare_models', 'validation_from', validation_from)
        END AS ff_moment,
        typeof(validation_from) = 'TIMESTAMP WITH TIME ZONE' AS ff_moment_has_zone
    FROM (
        SELECT
            footfall.internal.model_blob('compare_models', 'model_a', ff_given_a) AS ff_blob_a,
            footfall.internal.model_blob('compare_models', 'model_b', ff_given_b) AS ff_blob_b
        FROM (SELECT (model_a) AS ff_given_a, (model_b) AS ff_given_b)
    )
),
ff_rules AS MATERIALIZED (
    SELECT
        ff_a,
        ff_b,
        footfall.internal.split_rule(
            'compare_models', footfall.internal.scored_split('compare_models', 'model_a', part, ff_info_a),
            1, 0, ff_moment, ff_moment_has_zone
        ) AS ff_rule_a,
        footfall.internal.split_rule(
            'compare_models', footfall.internal.scored_split('compare_models', 'model_b', part, ff_info_b),
            1, 0, ff_moment, ff_moment_has_zone
        ) AS ff_rule_b,
        -- What one of the models does not know is left out for both: they are judged on the same targets.
        list_intersect(ff_info_a['vocabulary'], ff_info_b['vocabulary']) AS ff_vocabulary
    FROM ff_models
),
ff_histories AS MATERIALIZED (
    SELECT
        *,
        list_filter(ff_actions, lambda ff_action: list_contains(ff_vocabulary, ff_action)) AS ff_known,
        footfall.internal.n_train(
            'compare_models', ff_rule_a, ff_vocabulary, ff_actions, ff_has_user, ff_user, ff_has_times, ff_times_have_zone, ff_times
        ) AS ff_train_a,
        footfall.internal.n_train(
            'compare_models', ff_rule_b, ff_vocabulary, ff_actions, ff_has_user, ff_user, ff_has_times, ff_times_have_zone, ff_times
        ) AS ff_train_b
    FROM ff_rows, ff_rules
    WHERE ff_actions IS NOT NULL AND (NOT ff_has_user OR ff_user IS NOT NULL)
    AND ('time' NOT IN (ff_rule_a['by'], ff_rule_b['by']) OR NOT ff_has_times OR ff_times IS NOT NULL)
),
-- Only a split by history has to number equal histories, as pack_sequences does.
ff_keyed AS NOT MATERIALIZED (
    SELECT *, NULL AS ff_copy
    FROM ff_histories
    WHERE ff_train_a IS NOT NULL AND ff_train_b IS NOT NULL
    UNION ALL
    SELECT
        * EXCLUDE (ff_number),
        array_to_string(ff_known, chr(31)) || CASE ff_number WHEN 1 THEN '' ELSE chr(30) || ff_number END
    FROM (
        SELECT
            *,
            row_number() OVER (
                PARTITION BY ff_known ORDER BY ff_train_a ASC NULLS LAST, ff_train_b ASC NULLS LAST
            ) AS ff_number
        FROM ff_histories
        WHERE ff_train_a IS NULL OR ff_train_b IS NULL
    )
),
ff_read AS NOT MATERIALIZED (
    SELECT
        ff_known,
        list_count(ff_actions) - len(ff_known) AS ff_unknown,
        -- What neither of them learned from.
        CAST(greatest(
            coalesce(ff_train_a, CASE WHEN system.main.held_out(ff_copy, ff_rule_a['share'], ff_rule_a['seed']) THEN 0 ELSE len(ff_known) END),
            coalesce(ff_train_b, CASE WHEN system.main.held_out(ff_copy, ff_rule_b['share'], ff_rule_b['seed']) THEN 0 ELSE len(ff_known) END)
        ) AS BIGINT) AS ff_n_read
    FROM ff_keyed
),
-- The actions have other numbers in each model, but these are in the order of the names in both, and so are the histories.
ff_packed AS MATERIALIZED (
    SELECT
        system.main.pack_sequences(coalesce(ff_encoded_a, []), ff_names_a, 0, 0, 'compare_models') AS ff_dataset_a,
        system.main.pack_sequences(coalesce(ff_encoded_b, []), ff_names_b, 0, 0, 'compare_models') AS ff_dataset_b,
        ff_n_unknown
    FROM (
        SELECT
            any_value(ff_names_a) AS ff_names_a,
            any_value(ff_names_b) AS ff_names_b,
            list({'tokens': system.main.encode_actions(ff_names_a, ff_known, 'skip', 'compare_models'), 'n_train': ff_n_read})
                FILTER (ff_known IS NOT NULL) AS ff_encoded_a,
            list({'tokens': system.main.encode_actions(ff_names_b, ff_known, 'skip', 'compare_models'), 'n_train': ff_n_read})
                FILTER (ff_known IS NOT NULL) AS ff_encoded_b,
            CAST(sum(ff_unknown) AS BIGINT) AS ff_n_unknown
        FROM (SELECT ff_info_a['vocabulary'] AS ff_names_a, ff_info_b['vocabulary'] AS ff_names_b FROM ff_models)
        LEFT JOIN ff_read ON true
    )
),
ff_compared AS MATERIALIZED (
    SELECT
        ff_n_unknown,
        system.main.compare_losses(
            ff_dataset_a,
            (SELECT losses FROM footfall.internal.losses((SELECT ff_a FROM ff_models), (SELECT ff_dataset_a FROM ff_packed), 'compare_models')),
            (SELECT losses FROM footfall.internal.losses((SELECT ff_b FROM ff_models), (SELECT ff_dataset_b FROM ff_packed), 'compare_models')),
            'compare_models'
        ) AS ff_result
    FROM ff_packed
)
SELECT
    ff_result['log_loss_a'] AS log_loss_a,
    ff_result['log_loss_b'] AS log_loss_b,
    ff_result['difference'] AS difference,
    ff_result['standard_error'] AS standard_error,
    coalesce(ff_result['n_users'], 0) AS n_users,
    ff_result['n'] AS n,
    CASE
        WHEN ff_result IS NULL AND ff_n_unknown > 0
        THEN error('footfall.compare_models: nothing can be scored, because the models do not know ' || ff_n_unknown
            || ' of the actions; both know ' || (SELECT footfall.internal.one_line(left(array_to_string(list_sort(ff_vocabulary, 'ASC', 'NULLS LAST'), ', '), 200)) FROM ff_rules)
            || '; train them on such histories, or rename the actions')
        WHEN CAST(part AS VARCHAR) = 'all'
        THEN 'all'
        WHEN ff_result IS NOT NULL
        THEN 'held_out'
        ELSE error('footfall.compare_models: no action of this table was held back from both models, so there is nothing to compare them on; '
            || 'give a table with held-back users or later times, or part := ''all'' to score every history, those they learned from included')
    END AS part,
    ff_n_unknown AS n_unknown
FROM ff_compared;

COMMENT ON MACRO TABLE footfall.main.compare_models IS $$Compares two models user by user, with the standard error of the difference, on what neither has learned from.

One row: `log_loss_a` and `log_loss_b`, mean negative log likelihoods in nats per target; `difference`, the first minus the
second, above 0 when the second model is better; `standard_error` of the difference; `n_users`, the histories; `n`, their
targets; `part`; `n_unknown`, the actions of the table that one of the models does not know, which are left out for
both. Both models are judged on the same targets, and it is users that were drawn at random and not targets, so the error is
that of a ratio over users (Cochran, 1977, Sampling Techniques, section 6.4). A difference of two standard errors is worth
believing.

Parameters:
- tbl: a table, view, CTE or file with one row per user
- actions: VARCHAR[], the history in time order
- model_a, model_b: BLOB, of `footfall.train`
- part: 'held_out', the targets that both trainings held back, or 'all' targets of the table; 'validation' is the same as 'held_out'
- user_id, times, validation_from: as in `footfall.evaluate`

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: ['pv', 'pv', 'cart', 'buy'][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u))
SELECT difference > 0 AS second_is_better, difference > 2 * standard_error AS beyond_chance, n
FROM footfall.compare_models(histories, actions, (SELECT arg_min(model, epoch) FROM run), (SELECT arg_max(model, epoch) FROM run), user_id := u);$$;
