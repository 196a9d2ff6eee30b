-- How good a model is, beside the baselines that it must beat, on what it has not learned from.
--
-- A report is taken apart by field names in quotes, because a bare name that equals a parameter of the
-- macro would be replaced by the caller's expression.

CREATE MACRO footfall.internal.evaluate_piece(
    model, dataset, first, threads, called_as := 'evaluate_piece', state := CAST('' AS BLOB)
) AS
system.main.evaluate_piece(model, dataset, first, threads, called_as, state);

COMMENT ON MACRO footfall.internal.evaluate_piece IS $$Scores a model for a fraction of a second: the step under `footfall.evaluate`.

Some of the held-back targets of a dataset are scored, by the model and by its baseline `own_history`, which has a
distribution of its own before each target as well. The result is a STRUCT: `next`, the first history that is left (NULL when
none is); `piece`, a BLOB for `evaluate_model`; and `state`, where the piece ends in the middle of history `next`, which is
long (empty at the beginning of one).

Parameters:
- model: BLOB, of `footfall.train`.
- dataset: BLOB, of `footfall.internal.training_set` with the vocabulary of the model.
- first: BIGINT, the history to begin with: 0, or `next` of the piece before.
- threads: BIGINT, 1 to 1024.
- called_as: the macro that an error names.
- state: BLOB, `state` of the piece before; empty at the beginning of a history.

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT p.next, octet_length(p.piece) > 0 AS is_scored
FROM (SELECT evaluate_piece(model, dataset, 0, 1) AS p FROM run, footfall.internal.training_set(histories, actions, validation := 1));$$;

CREATE MACRO footfall.internal.evaluate_model(model, dataset, pieces, threads, called_as := 'evaluate_model') AS
system.main.evaluate_model(model, dataset, pieces, threads, called_as);

COMMENT ON MACRO footfall.internal.evaluate_model IS $$Reports on a model that was scored piece by piece, and on its baselines.

A list with one STRUCT per predictor: the numbers of `footfall.evaluate`, and the lists `actions`, `confusion` and
`reliability`. The held-back targets of the dataset count.

Parameters:
- model: BLOB, of `footfall.train`.
- dataset: BLOB, of `footfall.internal.training_set` with the vocabulary of the model.
- pieces: BLOB[], of `evaluate_piece`, all in order.
- threads: BIGINT, 1 to 1024.
- called_as: the macro that an error names.

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT len(evaluate_model(model, dataset, [evaluate_piece(model, dataset, 0, 1).piece], 1)) AS n_predictors
FROM run, footfall.internal.training_set(histories, actions, validation := 1);$$;

CREATE MACRO footfall.internal.scored_split(function_name, argument_name, part, info) AS
CASE
    WHEN footfall.internal.option_name(part) = 'all'
    THEN {
        'by': 'all', 'share': CAST(1 AS DOUBLE), 'seed': CAST(0 AS BIGINT), 'validation_from': CAST(NULL AS VARCHAR),
        'n_held_out': CAST(NULL AS BIGINT), 'fingerprint': CAST(NULL AS VARCHAR)
    }
    WHEN NOT footfall.internal.check_option(
        footfall.internal.option_name(part) IN ('held_out', 'validation'), function_name, 'part', part, '''held_out'', ''all'''
    )
    THEN NULL
    WHEN info['split']['by'] = 'none'
    THEN error(concat(
        'footfall.', function_name, ': ''', argument_name, ''' was trained with validation := 0, so nothing was held back that it ',
        'could be judged on; train with validation := 0.1, or give part := ''all'' to score every history, those it learned from included'
    ))
    ELSE info['split']
END;

COMMENT ON MACRO footfall.internal.scored_split IS $$The split under which a model is judged, or the error of one that held nothing back.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument that the model was given as.
- part: 'held_out' (or 'validation'), or 'all'.
- info: the value of `model_info`.

Example:
SELECT footfall.internal.scored_split('evaluate', 'model', 'all', model_info(NULL)).by AS by_;$$;

CREATE MACRO footfall.internal.evaluation(
    tbl, actions, model, part := 'held_out', user_id := NULL, times := NULL, validation_from := NULL, threads := NULL,
    called_as := 'evaluation'
) AS TABLE
WITH RECURSIVE
-- Where training_set reads the relation these two CTEs are in sight, so they have names that no table has.
footfall__model AS MATERIALIZED (
    SELECT
        ff_blob,
        system.main.model_info(ff_blob, called_as, 'model') AS ff_info,
        coalesce(CAST((threads) AS BIGINT), CAST(current_setting('threads') AS BIGINT)) AS ff_threads
    FROM (
        SELECT footfall.internal.given_model(called_as, 'model', ff_given) AS ff_blob
        FROM (SELECT (model) AS ff_given)
    )
),
footfall__part AS MATERIALIZED (
    SELECT footfall.internal.scored_split(called_as, 'model', part, ff_info) AS ff_scored_split
    FROM footfall__model
),
ff_packed AS MATERIALIZED (
    SELECT ff_set.dataset AS ff_dataset, ff_set.n_unknown AS ff_n_unknown
    FROM footfall.internal.training_set(
        tbl, actions, vocabulary := (SELECT ff_info['vocabulary'] FROM footfall__model), user_id := user_id,
        times := times, validation_from := validation_from, split := (SELECT ff_scored_split FROM footfall__part),
        unknown := 'skip', called_as := called_as
    ) AS ff_set
),
ff_pieces(ff_step, ff_scored) AS (
    SELECT CAST(0 AS BIGINT), system.main.evaluate_piece(ff_blob, ff_dataset, 0, ff_threads, called_as) FROM footfall__model, ff_packed
    UNION ALL
    SELECT
        ff_step + 1,
        system.main.evaluate_piece(ff_blob, ff_dataset, ff_scored['next'], ff_threads, called_as, ff_scored['state'])
    FROM ff_pieces
    CROSS JOIN footfall__model
    CROSS JOIN ff_packed
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
        THEN error(concat(
            'footfall.', called_as, ': nothing can be scored, because the model does not know ', ff_n_unknown,
            ' of the actions; it knows ', footfall.internal.one_line(left(array_to_string(ff_known, ', '), 200)),
            '; train it on such histories, or rename the actions'
        ))
        WHEN len(ff_report) = 0 AND footfall.internal.option_name(part) <> 'all'
        THEN error(concat(
            'footfall.', called_as, ': no action of this table was held back from the model, so there is nothing to judge it on; ',
            'give a table with held-back users or later times, or part := ''all'' to score every history, those it learned from included'
        ))
        ELSE ff_report
    END) AS report,
    CASE WHEN footfall.internal.option_name(part) = 'all' THEN 'all' ELSE 'held_out' END AS part,
    ff_n_unknown AS n_unknown
FROM ff_reports;

COMMENT ON MACRO TABLE footfall.internal.evaluation IS $$Everything that is known about the quality of a model, one STRUCT `report` per predictor.

Its fields are the numbers of `footfall.evaluate` and the lists `actions` (as `footfall.class_report`), `confusion` (as
`footfall.confusion`) and `reliability` (as `footfall.reliability`, with the bins of each action behind those of the
likeliest one). Beside it `part` and `n_unknown`, as in `footfall.evaluate`.

Parameters:
- tbl, actions, model, part, user_id, times, validation_from, threads: as in `footfall.evaluate`.
- called_as: the macro that an error names.

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT report.predictor, len(report.actions) AS n_actions FROM footfall.internal.evaluation(histories, actions, (SELECT model FROM run), part := 'all');$$;

CREATE MACRO footfall.main.evaluate(
    tbl, actions, model, part := 'held_out', user_id := NULL, times := NULL, validation_from := NULL, threads := NULL
) AS TABLE
WITH ff_scored AS MATERIALIZED (
    SELECT
        ff_evaluation.report AS ff_report,
        ff_evaluation.part AS ff_part,
        ff_evaluation.n_unknown AS ff_n_unknown
    FROM footfall.internal.evaluation(
        tbl, actions, model, part := part, user_id := user_id, times := times, validation_from := validation_from,
        threads := threads, called_as := 'evaluate'
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
    ff_n_unknown AS n_unknown,
    ff_report['mean_user_loss'] AS mean_user_loss
FROM ff_scored;

COMMENT ON MACRO TABLE footfall.main.evaluate IS $$Scores a model beside the baselines that it must beat, on what it has not learned from.

One row per predictor: `model`; `majority`, always the training frequencies; `repeat_last`, the last action again with the frequency
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
for a model that does not know); `n_unknown`, the actions of the table that the model does not know and that were left out;
`mean_user_loss`, the mean over the users of the mean loss of each. `log_loss` counts every target once and `mean_user_loss`
every user: where they differ much, or put another predictor first, a few long histories, such as those of a program, decide
the one, and what most users do the other.

A network that does not beat the best baseline is not worth its keep. Look at `log_loss` and `auc` first: where nine actions
in ten are views, a good model answers view nearly always, and accuracy and F1 cannot see what it knows. Where there are more
than 4 million probabilities (targets times actions), `auc` of the model and of `own_history` is that of a sample of
histories with as many, of at least one history or a part of it; everything else is exact. An evaluation can be interrupted between two seconds of work.

A model carries how its histories were split, so the held-back part is found again with the column that it was split by:
`user_id`, or `times`, or neither. Of a model that does not know (format 1), `user_id`, or `times` and `validation_from`,
must be those of its training.

Parameters:
- tbl: a table, view, CTE or file with one row per user.
- actions: VARCHAR[], the history in time order.
- model: BLOB, of `footfall.train`.
- part: 'held_out', the targets that the model did not learn from, or 'all' targets of the table; 'validation' is the same as 'held_out'.
- user_id: as given to `footfall.train`, for a model that was split by user.
- times: as given to `footfall.train`, for a model that was split by time.
- validation_from: a later moment than that of the split; NULL takes that of the split.
- threads: NULL takes the setting of DuckDB.

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
    FROM footfall.internal.evaluation(
        tbl, actions, model, part := part, user_id := user_id, times := times, validation_from := validation_from,
        threads := threads, called_as := called_as
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

COMMENT ON MACRO TABLE footfall.internal.report_rows IS $$The rows of one list of `evaluation`: `class_report`, `confusion`, `reliability` and `roc`.

Parameters:
- tbl, actions, model, part, user_id, times, validation_from, threads: as in `footfall.evaluate`.
- field: the list: 'actions', 'confusion' or 'reliability'.
- predictor: 'model', a baseline of `footfall.evaluate`, or NULL for all.
- called_as: the macro that an error names.

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT action, support
FROM footfall.internal.report_rows(histories, actions, (SELECT model FROM run), 'actions', 'majority', 'all', NULL, NULL, NULL, NULL, 'class_report');$$;

CREATE MACRO footfall.main.class_report(
    tbl, actions, model, predictor := 'model', part := 'held_out', user_id := NULL, times := NULL,
    validation_from := NULL, threads := NULL
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
- predictor: 'model', a baseline of `footfall.evaluate`, or NULL for all.
- tbl, actions, model, part, user_id, times, validation_from, threads: as in `footfall.evaluate`.

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT action, auc, support FROM footfall.class_report(histories, actions, (SELECT model FROM run), predictor := 'majority', part := 'all');$$;

CREATE MACRO footfall.main.confusion(
    tbl, actions, model, predictor := 'model', part := 'held_out', user_id := NULL, times := NULL,
    validation_from := NULL, threads := NULL
) AS TABLE
FROM footfall.internal.report_rows(
    tbl, actions, model, 'confusion', predictor, part, user_id, times, validation_from, threads, 'confusion'
);

COMMENT ON MACRO TABLE footfall.main.confusion IS $$Counts what was predicted against what happened, on what a model has not learned from.

Columns: `predictor`, `actual`, `predicted` (the likeliest action), `n`, `part`; one row for every pair of actions.

Parameters:
- predictor: 'model', a baseline of `footfall.evaluate`, or NULL for all.
- tbl, actions, model, part, user_id, times, validation_from, threads: as in `footfall.evaluate`.

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT actual, predicted, n FROM footfall.confusion(histories, actions, (SELECT model FROM run), predictor := 'majority', part := 'all');$$;

CREATE MACRO footfall.internal.said_and_came(said, came, most) AS
[
    CASE
        WHEN letters[1] = letters[2] THEN repeat(' ', letters[1]) || '●'
        WHEN letters[1] < letters[2] THEN repeat(' ', letters[1]) || '│' || repeat('─', letters[2] - letters[1] - 1) || '●'
        ELSE repeat(' ', letters[2]) || '●' || repeat('─', letters[1] - letters[2] - 1) || '│'
    END
    FOR letters IN [footfall.internal.letter_places([said, came], most)]
][1];

COMMENT ON MACRO footfall.internal.said_and_came IS $$What was said (│) and what came (●) as text, at most 26 letters.

Parameters:
- said, came: DOUBLE, from 0; NULL gives NULL.
- most: DOUBLE, the end of the scale.

Example:
SELECT footfall.internal.said_and_came(0.1, 0.25, 0.5) AS chart;$$;

CREATE MACRO footfall.main.reliability(
    tbl, actions, model, predictor := 'model', part := 'held_out', user_id := NULL, times := NULL,
    validation_from := NULL, threads := NULL, action := NULL
) AS TABLE
WITH ff_bins AS MATERIALIZED (
    FROM footfall.internal.report_rows(
        tbl, actions, model, 'reliability', predictor, part, user_id, times, validation_from, threads, 'reliability'
    )
)
SELECT ff_bins.* EXCLUDE (action), ff_bins.action AS action, footfall.internal.said_and_came(
    ff_bins.confidence, ff_bins.accuracy, max(greatest(ff_bins.confidence, ff_bins.accuracy)) OVER (PARTITION BY ff_bins.predictor)
) AS chart
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
100 buy. A bin without targets has NULLs. `chart` has what was said (│) and what came (●) on one scale from 0.

Parameters:
- predictor: 'model', a baseline of `footfall.evaluate`, or NULL for all.
- action: an action that the model knows, or NULL for the likeliest.
- tbl, actions, model, part, user_id, times, validation_from, threads: as in `footfall.evaluate`.

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT bin_from, bin_to, round(confidence, 3) AS confidence, accuracy, n
FROM footfall.reliability(histories, actions, (SELECT model FROM run), predictor := 'majority', part := 'all', action := 'buy') WHERE n > 0;$$;

CREATE MACRO footfall.main.roc(
    tbl, actions, model, predictor := 'model', part := 'held_out', user_id := NULL, times := NULL,
    validation_from := NULL, threads := NULL
) AS TABLE
FROM footfall.internal.report_rows(
    tbl, actions, model, 'roc', predictor, part, user_id, times, validation_from, threads, 'roc'
);

COMMENT ON MACRO TABLE footfall.main.roc IS $$The ROC curve of each action, one against the rest, on what a model has not learned from.

Columns: `predictor`, `action`, `threshold`, `false_positive_rate`, `true_positive_rate`, `part`. A row is a point: of all targets before which the
action had a probability of at least `threshold`, the share among the targets that were another action, and the share among those that were this
one. The curve goes from the lowest probability, (1, 1), to a threshold that nothing reaches, NULL, (0, 0); between them are the points that differ by at
least a fortieth in one of the rates from the one before, at most 82. An action has no curve unless it and another occur. The area under the
curve of all points is `auc` of `footfall.class_report`.

Parameters:
- predictor: 'model', a baseline of `footfall.evaluate`, or NULL for all.
- tbl, actions, model, part, user_id, times, validation_from, threads: as in `footfall.evaluate`.

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0))
SELECT action, false_positive_rate, true_positive_rate FROM footfall.roc(histories, actions, (SELECT model FROM run), predictor := 'majority', part := 'all');$$;
