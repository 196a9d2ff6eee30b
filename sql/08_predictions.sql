-- Predictions, and how good they are.
--
-- A report is taken apart by field names in quotes, because a bare name that equals a parameter of the
-- macro would be replaced by the caller's expression.

CREATE MACRO footfall.main.predict_next(model, actions) AS system.main.predict_next(model, actions);
COMMENT ON MACRO footfall.main.predict_next IS 'Predicts the next action of a history.

A STRUCT: `action`, the likeliest; its `probability`; and `probabilities`, a MAP from each action to its own. NULL elements of the history are left out; an empty history gets the training frequencies; a history of any length is read whole; an action that the model does not know is an error. The model is decoded once, however many rows there are. `EXECUTE` takes no subquery as an argument: there, keep the model in a variable (`SET VARIABLE model = (SELECT …)`) and give `getvariable(''model'')`.

Parameters:
- model: BLOB, of `footfall.train`
- actions: VARCHAR[], the history in time order

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: [''pv'', ''pv'', ''cart'', ''buy''][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u))
SELECT predict_next(model, [''pv'', ''pv'', ''cart'']).action AS next FROM run ORDER BY epoch DESC LIMIT 1;';

CREATE MACRO footfall.main.next_state(model, state, action) AS system.main.next_state(model, state, action);
COMMENT ON MACRO footfall.main.next_state IS 'Reads one more action and predicts the one after it, in constant time.

A live system keeps one small BLOB per user instead of the history: `state` goes into the next call, and `action`, `probability` and `probabilities` are what `predict_next` would give for the whole history. A state belongs to the model that made it.

Parameters:
- model: BLOB, of `footfall.train`
- state: BLOB, of the call before; empty (''''''''::BLOB) before the first action
- action: VARCHAR, what happened

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: [''pv'', ''pv'', ''cart'', ''buy''][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u))
SELECT next_state(model, next_state(model, ''''::BLOB, ''pv'').state, ''cart'').action AS next FROM run ORDER BY epoch DESC LIMIT 1;';

CREATE MACRO footfall.main.history_loss(model, actions) AS system.main.history_loss(model, actions);
COMMENT ON MACRO footfall.main.history_loss IS 'Tells how much a history surprises a model.

A STRUCT: `loss`, the sum over the actions 2 to n of minus the logarithm of the probability that the model gave them, in nats, and `n`, their number. Unusual customers stand out by `loss / n`; `footfall.compare_models` compares two models by it.

Parameters:
- model: BLOB, of `footfall.train`
- actions: VARCHAR[], the history in time order

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: [''pv'', ''pv'', ''cart'', ''buy''][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u))
SELECT h.n, h.loss < 5 AS is_usual FROM (SELECT history_loss(arg_max(model, epoch), [''pv'', ''pv'', ''cart'', ''buy'', ''pv'']) AS h FROM run);';

CREATE MACRO footfall.main.model_info(model) AS system.main.model_info(model);
COMMENT ON MACRO footfall.main.model_info IS 'Tells what a model is and how it was trained.

A STRUCT: `architecture`, the sizes, `vocabulary`, `n_parameters`, `epochs` (over continued runs), `seed`, `device`, `validation` (the share of users held back), the numbers of targets, the losses of the last epoch, `settings` (JSON) and `format_version`.

Parameters:
- model: BLOB, of `footfall.train`

Example:
WITH histories(actions) AS (VALUES ([''pv'', ''pv'', ''buy'', ''pv'']), ([''pv'', ''pv'', ''pv''])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT i.architecture, i.hidden, i.vocabulary, i.n_parameters FROM (SELECT model_info(model) AS i FROM run);';

CREATE MACRO footfall.main.evaluate_piece(model, dataset, first, threads) AS
system.main.evaluate_piece(model, dataset, first, threads);
COMMENT ON MACRO footfall.main.evaluate_piece IS 'Scores a model on some of the held-back targets of a dataset, for a fraction of a second: the step under `footfall.evaluate`.

The result is a STRUCT: `next`, the first history that is left (NULL when none is), and `piece`, a BLOB for `evaluate_model`.

Parameters:
- model: BLOB, of `footfall.train`
- dataset: BLOB, of `footfall.training_set` with the vocabulary of the model
- first: BIGINT, the history to begin with: 0, or `next` of the piece before
- threads: BIGINT, 1 to 1024

Example:
WITH histories(actions) AS (VALUES ([''pv'', ''pv'', ''buy'', ''pv'']), ([''pv'', ''pv'', ''pv''])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT p.next, octet_length(p.piece) > 0 AS is_scored
FROM (SELECT evaluate_piece(model, dataset, 0, 1) AS p FROM run, footfall.training_set(histories, actions, validation := 1));';

CREATE MACRO footfall.main.evaluate_model(model, dataset, pieces, threads) AS
system.main.evaluate_model(model, dataset, pieces, threads);
COMMENT ON MACRO footfall.main.evaluate_model IS 'Reports on a model that was scored piece by piece, and on the baselines that travel in it: the scalar under `footfall.evaluate`.

A list with one STRUCT per predictor: the numbers of `footfall.evaluate`, and the lists `actions`, `confusion` and `reliability`. The held-back targets of the dataset count.

Parameters:
- model: BLOB, of `footfall.train`
- dataset: BLOB, of `footfall.training_set` with the vocabulary of the model
- pieces: BLOB[], of `evaluate_piece`, all in order
- threads: BIGINT, 1 to 1024

Example:
WITH histories(actions) AS (VALUES ([''pv'', ''pv'', ''buy'', ''pv'']), ([''pv'', ''pv'', ''pv''])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT len(evaluate_model(model, dataset, [evaluate_piece(model, dataset, 0, 1).piece], 1)) AS n_predictors
FROM run, footfall.training_set(histories, actions, validation := 1);';

CREATE MACRO footfall.main.evaluation(
    tbl,
    actions,
    model,
    part := 'all',
    user_id := NULL,
    times := NULL,
    validation_from := NULL,
    threads := NULL,
    called_as := 'evaluation'
) AS TABLE
WITH RECURSIVE
ff_model AS MATERIALIZED (
    SELECT
        (model)::BLOB AS ff_blob,
        model_info((model)::BLOB) AS ff_info,
        coalesce((threads)::BIGINT, current_setting('threads')::BIGINT) AS ff_threads
),
ff_packed AS MATERIALIZED (
    SELECT ff_set.dataset AS ff_dataset
    FROM footfall.main.training_set(
        tbl,
        actions,
        vocabulary := (SELECT ff_info['vocabulary'] FROM ff_model),
        user_id := user_id,
        times := times,
        validation := CASE part
            WHEN 'all' THEN 1
            WHEN 'validation' THEN (SELECT coalesce(ff_info['validation'], 0) FROM ff_model)
        END,
        validation_from := CASE part WHEN 'validation' THEN (validation_from)::TIMESTAMP END,
        seed := (SELECT coalesce(ff_info['seed'], 0) FROM ff_model)
    ) AS ff_set
    WHERE (SELECT footfall.main.check_option(
        part IN ('all', 'validation'), called_as, 'part', part, '''all'', ''validation'''
    ) AND footfall.main.check_option(
        ff_blob IS NOT NULL, called_as, 'model', NULL, 'a model of footfall.train'
    ) FROM ff_model)
),
ff_pieces(ff_first, ff_scored) AS (
    SELECT 0::BIGINT, evaluate_piece(ff_blob, ff_dataset, 0, ff_threads) FROM ff_model, ff_packed
    UNION ALL
    SELECT ff_scored['next'], evaluate_piece(ff_blob, ff_dataset, ff_scored['next'], ff_threads)
    FROM ff_pieces, ff_model, ff_packed
    WHERE ff_scored['next'] IS NOT NULL
)
SELECT unnest(evaluate_model(ff_blob, ff_dataset, ff_all, ff_threads)) AS report
FROM ff_model, ff_packed, (SELECT list(ff_scored['piece'] ORDER BY ff_first) AS ff_all FROM ff_pieces);
COMMENT ON MACRO TABLE footfall.main.evaluation IS 'Everything that is known about the quality of a model, one STRUCT `report` per predictor.

Its fields are the numbers of `footfall.evaluate` and the lists `actions` (as `footfall.class_report`), `confusion` (as `footfall.confusion`) and `reliability` (as `footfall.reliability`).

Parameters:
- tbl, actions, model, part, user_id, times, validation_from, threads: as in `footfall.evaluate`
- called_as: the macro that an error names

Example:
WITH histories(actions) AS (VALUES ([''pv'', ''pv'', ''buy'', ''pv'']), ([''pv'', ''pv'', ''pv''])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT report.predictor, len(report.actions) AS n_actions FROM footfall.evaluation(histories, actions, (SELECT model FROM run));';

CREATE MACRO footfall.main.evaluate(
    tbl,
    actions,
    model,
    part := 'all',
    user_id := NULL,
    times := NULL,
    validation_from := NULL,
    threads := NULL
) AS TABLE
WITH ff_scored AS MATERIALIZED (
    SELECT ff_evaluation.report AS ff_report
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
    ff_report['n'] AS n
FROM ff_scored;
COMMENT ON MACRO TABLE footfall.main.evaluate IS 'Scores a model beside the baselines that it must beat, one row per predictor.

Predictors: `model`; `majority`, always the training frequencies; `repeat_last`, the last action again with the frequency at which actions repeat; `markov_1` and `markov_3`, what followed the last one or three actions. The baselines were counted on the training split of the model and travel in it. Columns: `log_loss`, mean negative log likelihood in nats, smaller is better; `auc`, mean over the actions of the area under the ROC curve, one against the rest; `accuracy`; `top2_accuracy`; `balanced_accuracy`, mean recall; `macro_f1`; `calibration_error`, expected, over ten bins; `lift`, the share by which the log loss is below that of the best baseline; `n`, the targets, which are the actions 2 to n of each history. Look at `log_loss` and `auc` first: where nine actions in ten are views, a good model answers view nearly always, and accuracy and F1 cannot see what it knows. Where there are more than 4 million probabilities (targets times actions), `auc` of the model is that of a sample of histories with as many; everything else is exact. An evaluation can be interrupted between two seconds of work.

Parameters:
- tbl: a table, view, CTE or file with one row per user
- actions: VARCHAR[], the history in time order
- model: BLOB, of `footfall.train`
- part: ''all'' targets of the table, or ''validation'': those held back when the model was trained, found again by the same hash of `user_id`
- user_id, times, validation_from: as given to `footfall.train`, for part ''validation''
- threads: NULL takes the setting of DuckDB

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: [''pv'', ''pv'', ''cart'', ''buy''][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u))
SELECT predictor, round(log_loss, 2) AS log_loss, n
FROM footfall.evaluate(histories, actions, (SELECT arg_min(model, validation_loss) FROM run)) WHERE predictor <> ''model'';';

CREATE MACRO footfall.main.class_report(
    tbl,
    actions,
    model,
    predictor := 'model',
    part := 'all',
    user_id := NULL,
    times := NULL,
    validation_from := NULL,
    threads := NULL
) AS TABLE
WITH ff_scored AS (
    SELECT ff_evaluation.report['predictor'] AS ff_predictor, unnest(ff_evaluation.report['actions'], max_depth := 2)
    FROM footfall.main.evaluation(
        tbl,
        actions,
        model,
        part := part,
        user_id := user_id,
        times := times,
        validation_from := validation_from,
        threads := threads,
        called_as := 'class_report'
    ) AS ff_evaluation
)
SELECT ff_predictor AS predictor, * EXCLUDE (ff_predictor)
FROM ff_scored
WHERE ff_predictor = coalesce(predictor, ff_predictor)
AND (SELECT footfall.main.check_option(
    predictor IS NULL OR predictor IN ('model', 'majority', 'repeat_last', 'markov_1', 'markov_3'),
    'class_report', 'predictor', predictor, '''model'', ''majority'', ''repeat_last'', ''markov_1'', ''markov_3'', NULL for all'
));
COMMENT ON MACRO TABLE footfall.main.class_report IS 'Scores a model action by action.

Columns: `predictor`, `action`, `precision`, `recall`, `f1`, `auc` (one against the rest, ties counting half; of a sample where `footfall.evaluate` takes one), `support` (targets of this action). A share whose denominator is zero is NULL.

Parameters:
- predictor: ''model'', a baseline of `footfall.evaluate`, or NULL for all
- tbl, actions, model, part, user_id, times, validation_from, threads: as in `footfall.evaluate`

Example:
WITH histories(actions) AS (VALUES ([''pv'', ''pv'', ''buy'', ''pv'']), ([''pv'', ''pv'', ''pv''])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT action, auc, support FROM footfall.class_report(histories, actions, (SELECT model FROM run), predictor := ''majority'');';

CREATE MACRO footfall.main.confusion(
    tbl,
    actions,
    model,
    predictor := 'model',
    part := 'all',
    user_id := NULL,
    times := NULL,
    validation_from := NULL,
    threads := NULL
) AS TABLE
WITH ff_scored AS (
    SELECT ff_evaluation.report['predictor'] AS ff_predictor, unnest(ff_evaluation.report['confusion'], max_depth := 2)
    FROM footfall.main.evaluation(
        tbl,
        actions,
        model,
        part := part,
        user_id := user_id,
        times := times,
        validation_from := validation_from,
        threads := threads,
        called_as := 'confusion'
    ) AS ff_evaluation
)
SELECT ff_predictor AS predictor, * EXCLUDE (ff_predictor)
FROM ff_scored
WHERE ff_predictor = coalesce(predictor, ff_predictor)
AND (SELECT footfall.main.check_option(
    predictor IS NULL OR predictor IN ('model', 'majority', 'repeat_last', 'markov_1', 'markov_3'),
    'confusion', 'predictor', predictor, '''model'', ''majority'', ''repeat_last'', ''markov_1'', ''markov_3'', NULL for all'
));
COMMENT ON MACRO TABLE footfall.main.confusion IS 'Counts what was predicted against what happened.

Columns: `predictor`, `actual`, `predicted` (the likeliest action), `n`; one row for every pair of actions.

Parameters:
- predictor: ''model'', a baseline of `footfall.evaluate`, or NULL for all
- tbl, actions, model, part, user_id, times, validation_from, threads: as in `footfall.evaluate`

Example:
WITH histories(actions) AS (VALUES ([''pv'', ''pv'', ''buy'', ''pv'']), ([''pv'', ''pv'', ''pv''])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT actual, predicted, n FROM footfall.confusion(histories, actions, (SELECT model FROM run), predictor := ''majority'');';

CREATE MACRO footfall.main.reliability(
    tbl,
    actions,
    model,
    predictor := 'model',
    part := 'all',
    user_id := NULL,
    times := NULL,
    validation_from := NULL,
    threads := NULL
) AS TABLE
WITH ff_scored AS (
    SELECT ff_evaluation.report['predictor'] AS ff_predictor, unnest(ff_evaluation.report['reliability'], max_depth := 2)
    FROM footfall.main.evaluation(
        tbl,
        actions,
        model,
        part := part,
        user_id := user_id,
        times := times,
        validation_from := validation_from,
        threads := threads,
        called_as := 'reliability'
    ) AS ff_evaluation
)
SELECT ff_predictor AS predictor, * EXCLUDE (ff_predictor)
FROM ff_scored
WHERE ff_predictor = coalesce(predictor, ff_predictor)
AND (SELECT footfall.main.check_option(
    predictor IS NULL OR predictor IN ('model', 'majority', 'repeat_last', 'markov_1', 'markov_3'),
    'reliability', 'predictor', predictor, '''model'', ''majority'', ''repeat_last'', ''markov_1'', ''markov_3'', NULL for all'
));
COMMENT ON MACRO TABLE footfall.main.reliability IS 'Shows whether predicted probabilities can be taken at their word.

Of the predictions made with a confidence between `bin_from` and `bin_to` (the probability of the likeliest action): their number `n`, their mean `confidence` and the share `accuracy` that came true. In a calibrated model the two agree.

Parameters:
- predictor: ''model'', a baseline of `footfall.evaluate`, or NULL for all
- tbl, actions, model, part, user_id, times, validation_from, threads: as in `footfall.evaluate`

Example:
WITH histories(actions) AS (VALUES ([''pv'', ''pv'', ''buy'', ''pv'']), ([''pv'', ''pv'', ''pv''])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT bin_from, round(confidence, 2) AS confidence, accuracy, n
FROM footfall.reliability(histories, actions, (SELECT model FROM run), predictor := ''majority'') WHERE n > 0;';

CREATE MACRO footfall.main.compare_models(
    tbl,
    actions,
    model_a,
    model_b,
    part := 'all',
    user_id := NULL
) AS TABLE
WITH
ff_rows AS (
    SELECT (actions)::VARCHAR[] AS ff_actions, (user_id)::VARCHAR AS ff_user FROM query_table(tbl)
),
ff_models AS MATERIALIZED (
    SELECT (model_a)::BLOB AS ff_a, (model_b)::BLOB AS ff_b, model_info((model_a)::BLOB) AS ff_info
),
ff_losses AS (
    SELECT history_loss(ff_a, ff_actions) AS ff_loss_a, history_loss(ff_b, ff_actions) AS ff_loss_b
    FROM ff_rows, ff_models
    WHERE ff_actions IS NOT NULL
    AND CASE part
        WHEN 'all' THEN true
        WHEN 'validation' THEN held_out(
            coalesce(ff_user, array_to_string(ff_actions, chr(31))), ff_info['validation'], ff_info['seed']
        )
    END
),
ff_users AS MATERIALIZED (
    SELECT ff_loss_a['loss'] AS ff_sum_a, ff_loss_b['loss'] AS ff_sum_b, ff_loss_a['n'] AS ff_n
    FROM ff_losses
    WHERE ff_loss_a['n'] > 0
),
ff_totals AS (
    SELECT
        count(*) AS ff_n_users,
        sum(ff_n)::BIGINT AS ff_targets,
        sum(ff_sum_a) / sum(ff_n) AS ff_mean_a,
        sum(ff_sum_b) / sum(ff_n) AS ff_mean_b
    FROM ff_users
)
SELECT
    any_value(ff_mean_a) AS log_loss_a,
    any_value(ff_mean_b) AS log_loss_b,
    any_value(ff_mean_a - ff_mean_b) AS difference,
    sqrt(
        sum((ff_sum_a - ff_sum_b - (ff_mean_a - ff_mean_b) * ff_n) ** 2) * any_value(ff_n_users)
        / nullif(any_value(ff_n_users) - 1, 0)
    ) / any_value(ff_targets) AS standard_error,
    any_value(ff_n_users) AS n_users,
    any_value(ff_targets) AS n
FROM ff_users, ff_totals
WHERE (SELECT footfall.main.check_option(
    part IN ('all', 'validation'), 'compare_models', 'part', part, '''all'', ''validation'''
) AND footfall.main.check_option(
    ff_a IS NOT NULL, 'compare_models', 'model_a', NULL, 'a model of footfall.train'
) AND footfall.main.check_option(
    ff_b IS NOT NULL, 'compare_models', 'model_b', NULL, 'a model of footfall.train'
) FROM ff_models);
COMMENT ON MACRO TABLE footfall.main.compare_models IS 'Compares two models user by user, with the standard error of the difference.

One row: `log_loss_a` and `log_loss_b`, mean negative log likelihoods in nats per target; `difference`, the first minus the second, above 0 when the second model is better; `standard_error` of the difference. Both models are judged on the same users, and it is users that were drawn at random and not targets, so the error is that of a ratio over users (Cochran, 1977, Sampling Techniques, section 6.4). A difference of two standard errors is worth believing.

Parameters:
- tbl: a table, view, CTE or file with one row per user
- actions: VARCHAR[], the history in time order
- model_a, model_b: BLOB, of `footfall.train`
- part: ''all'' users, or ''validation'': those held back when model_a was trained
- user_id: as given to `footfall.train`, for part ''validation''

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: [''pv'', ''pv'', ''cart'', ''buy''][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u))
SELECT difference > 0 AS second_is_better, difference > 2 * standard_error AS beyond_chance, n
FROM footfall.compare_models(histories, actions, (SELECT arg_min(model, epoch) FROM run), (SELECT arg_max(model, epoch) FROM run));';
