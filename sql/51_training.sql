-- Training: the data go into one value, and a recursive query turns the wheel.
--
-- What a model has learned from and what was held back is decided here alone: training and every report on a
-- model pack their histories with training_set, and compare_models asks the same n_train.

CREATE MACRO footfall.internal.action_list(function_name, argument_name, given) AS
CASE
    WHEN regexp_matches(typeof(given), '\[[0-9]*\]$') OR typeof(given) = typeof(NULL)
    THEN TRY_CAST(given AS VARCHAR[])
    -- Never so: the last branch gives all of them its collation, as action_name does a name, and no row is touched.
    WHEN typeof(given) = ''
    THEN [footfall.internal.action_name('')]
    ELSE error(concat(
        'footfall.', function_name, ': argument ''', argument_name, ''' is a ', left(typeof(given), 200),
        CASE typeof(given) WHEN 'VARCHAR' THEN ', one action per row' ELSE '' END,
        '; allowed: VARCHAR[], one history per user: FROM footfall.sequences(events, user_id, action, ts)'
    ))
END;

COMMENT ON MACRO footfall.internal.action_list IS $$A history as VARCHAR[], or an error that names the macro it was given to.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: a LIST or ARRAY of what casts to text.

Example:
SELECT footfall.internal.action_list('train', 'actions', ['pv', 'buy']) AS actions;$$;

CREATE MACRO footfall.internal.moment_list(function_name, argument_name, given) AS
CASE
    WHEN typeof(given) = typeof(NULL)
    THEN TRY_CAST(given AS TIMESTAMP[])
    WHEN regexp_matches(typeof(given), '^(TIMESTAMP|TIMESTAMP_S|TIMESTAMP_MS|TIMESTAMP_NS|DATE)\[[0-9]*\]$')
    THEN TRY_CAST(given AS TIMESTAMP[])
    WHEN regexp_matches(typeof(given), '^TIMESTAMP WITH TIME ZONE\[[0-9]*\]$')
    THEN [
        CASE WHEN isfinite(moment) THEN make_timestamp(epoch_us(moment)) WHEN moment > TIMESTAMPTZ 'epoch' THEN 'infinity' ELSE '-infinity' END
        FOR moment IN TRY_CAST(given AS TIMESTAMPTZ[])
    ]
    -- The type of [] is nobody's wish.
    WHEN TRY_CAST(given AS VARCHAR[]) = []
    THEN []
    ELSE error(concat(
        'footfall.', function_name, ': argument ''', argument_name, ''' is a ', left(typeof(given), 200),
        '; allowed: TIMESTAMP[], DATE[] or TIMESTAMP WITH TIME ZONE[], the times of the actions, as footfall.sequences gives them'
    ))
END;

COMMENT ON MACRO footfall.internal.moment_list IS $$The times of a history as something that can be put in order, TIMESTAMP[], or an error that names the macro.

A TIMESTAMP WITH TIME ZONE becomes its time in UTC; other times stay as they are.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: TIMESTAMP[], DATE[] or TIMESTAMP WITH TIME ZONE[].

Example:
SELECT footfall.internal.moment_list('train', 'times', [DATE '2017-11-25']) AS times;$$;

CREATE MACRO footfall.internal.model_blob(function_name, argument_name, given) AS
CASE
    WHEN typeof(given) IN ('BLOB', typeof(NULL))
    THEN TRY_CAST(given AS BLOB)
    ELSE error(concat(
        'footfall.', function_name, ': argument ''', argument_name, ''' is a ', left(typeof(given), 200),
        '; allowed: a BLOB, a model of footfall.train, such as (FROM footfall.best_model(run))'
    ))
END;

COMMENT ON MACRO footfall.internal.model_blob IS $$A model as BLOB, or an error that names the macro it was given to.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: a BLOB; NULL gives NULL.

Example:
SELECT footfall.internal.model_blob('evaluate', 'model', ''::BLOB) AS model;$$;

CREATE MACRO footfall.internal.given_model(function_name, argument_name, given) AS
CASE WHEN footfall.internal.check_option(
    footfall.internal.model_blob(function_name, argument_name, given) IS NOT NULL,
    function_name, argument_name, NULL, 'a model of footfall.train'
) THEN footfall.internal.model_blob(function_name, argument_name, given) END;

COMMENT ON MACRO footfall.internal.given_model IS $$A model as BLOB that must be there: NULL is an error as well.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: a BLOB.

Example:
SELECT footfall.internal.given_model('evaluate', 'model', ''::BLOB) AS model;$$;

CREATE MACRO footfall.internal.split_key(function_name, given) AS
CASE
    WHEN typeof(given) IN ('FLOAT', 'DOUBLE') OR starts_with(typeof(given), 'DECIMAL')
    THEN regexp_replace(CAST(footfall.internal.usable_key(function_name, 'user_id', given) AS VARCHAR), '\.0*$', '')
    ELSE CAST(footfall.internal.usable_key(function_name, 'user_id', given) AS VARCHAR)
END;

COMMENT ON MACRO footfall.internal.split_key IS $$What `held_out` hashes of a user: the id as text, NULL for nobody.

7, 7.0 and '7' are one user, so that a file which turned ids into floating-point numbers splits as the table did
that a model was trained on.

Parameters:
- function_name: the macro's name, for the message.
- given: a column or expression of any type.

Example:
SELECT footfall.internal.split_key('train', 7.0) AS key_;$$;

CREATE MACRO footfall.internal.split_rule(function_name, known_split, share, seed, moment, moment_has_zone) AS
CASE
    WHEN known_split IS NULL
    THEN {
        'by': CASE WHEN moment IS NOT NULL THEN 'time' WHEN share = 0 THEN 'none' ELSE 'hash' END,
        'share': CASE WHEN footfall.internal.check_option(
            share BETWEEN 0 AND 1, function_name, 'validation', share, '0 to 1'
        ) THEN share END,
        'seed': CASE WHEN footfall.internal.check_option(
            seed >= 0, function_name, 'seed', seed, 'a whole number from 0 on'
        ) THEN seed END,
        'moment': CAST(moment AS TIMESTAMP),
        'has_zone': moment_has_zone,
        'is_of_model': false
    }
    WHEN known_split['by'] = 'time' AND moment < CAST(replace(known_split['validation_from'], '+00', '') AS TIMESTAMP)
    THEN error(concat(
        'footfall.', function_name, ': argument ''validation_from'' is ', CAST(moment AS VARCHAR),
        ', and the model learned from what was before ', known_split['validation_from'],
        '; allowed: that moment or a later one, or leave it out'
    ))
    ELSE {
        'by': CASE
            WHEN footfall.internal.check_option(
                known_split['by'] IN ('user', 'history', 'time', 'none', 'unknown', 'all'), function_name, 'split', known_split['by'],
                'the split of model_info'
            )
            THEN CASE WHEN known_split['by'] = 'unknown' AND moment IS NOT NULL THEN 'time' ELSE known_split['by'] END
        END,
        'share': known_split['share'],
        'seed': known_split['seed'],
        'moment': greatest(CAST(replace(known_split['validation_from'], '+00', '') AS TIMESTAMP), CAST(moment AS TIMESTAMP)),
        'has_zone': coalesce(ends_with(known_split['validation_from'], '+00'), moment_has_zone),
        'is_of_model': true
    }
END;

COMMENT ON MACRO footfall.internal.split_rule IS $$How histories are to be split: as asked, or as a model says that it was.

A STRUCT for `n_train`: `by`, `share`, `seed`, `moment`, `has_zone` and `is_of_model`.

Parameters:
- function_name: the macro's name, for the message.
- known_split: the field `split` of `model_info`, or NULL to split as the other arguments say.
- share: DOUBLE, 0 to 1.
- seed: BIGINT.
- moment: TIMESTAMP of a split by time, or NULL; of a model's split no earlier than its own.
- moment_has_zone: BOOLEAN, whether the moment is an instant.

Example:
SELECT footfall.internal.split_rule('train', NULL, 0.1, 42, NULL, false).by AS by_;$$;

CREATE MACRO footfall.internal.n_train(
    function_name, rule, vocabulary, history, has_user, user_key, has_times, times_have_zone, moments
) AS
CASE
    WHEN rule['by'] = 'all'
    THEN 0
    WHEN rule['by'] = 'none'
    THEN len(history)
    WHEN rule['by'] = 'time'
    THEN CASE
        WHEN NOT has_times AND rule['is_of_model']
        THEN error(concat(
            'footfall.', function_name, ': the model was split by time, at ', CAST(rule['moment'] AS VARCHAR),
            '; give times := …, or part := ''all'' to score every history, those it learned from included'
        ))
        WHEN NOT has_times
        THEN error(concat(
            'footfall.', function_name, ': argument ''times'' is NULL; allowed with validation_from: the times of the actions, ',
            'as footfall.sequences gives them'
        ))
        WHEN times_have_zone <> rule['has_zone']
        THEN error(concat(
            'footfall.', function_name, ': one of ''times'' and ''validation_from'' has a time zone and the other has none; ',
            'allowed: both or neither; where times without one are UTC, give validation_from AT TIME ZONE ''UTC'''
        ))
        WHEN len(moments) <> len(history)
        THEN error(concat(
            'footfall.', function_name, ': argument ''times'' holds ', len(moments), ' times where ''actions'' holds ',
            len(history), ' actions; allowed: one time per action'
        ))
        -- Not list_zip: on DuckDB 1.4.5 one over a constant empty list crashes.
        ELSE octet_length(system.main.encode_actions(
            vocabulary, history[:len(list_filter(moments, lambda at_: at_ < rule['moment']))], 'skip', function_name
        ))
    END
    WHEN rule['by'] = 'user' AND NOT has_user
    THEN error(concat(
        'footfall.', function_name, ': the model was split by user; give user_id := …, or part := ''all'' ',
        'to score every history, those it learned from included'
    ))
    WHEN rule['by'] = 'unknown' AND NOT has_user
    THEN error(concat(
        'footfall.', function_name, ': the model does not say how its histories were split; give user_id := …, or times := … and ',
        'validation_from := …, as in its training (user_id := array_to_string(actions, chr(31)) where it had neither), or ',
        'part := ''all'' to score every history, those it learned from included'
    ))
    WHEN rule['by'] = 'history' OR NOT has_user
    THEN NULL
    WHEN system.main.held_out(user_key, rule['share'], rule['seed'])
    THEN 0
    ELSE len(history)
END;

COMMENT ON MACRO footfall.internal.n_train IS $$How many actions of a history train a model: all, none, or those before a moment.

NULL says that the history itself decides, together with the number of equal ones: `pack_sequences` does that. A call
that cannot be the split of the model is an error.

Parameters:
- function_name: the macro's name, for the message.
- rule: of `split_rule`.
- vocabulary: VARCHAR[], the actions that are known.
- history: VARCHAR[], the actions.
- has_user: BOOLEAN, whether there is a `user_id`.
- user_key: VARCHAR, of `split_key`.
- has_times: BOOLEAN, whether there are `times`.
- times_have_zone: BOOLEAN, whether they are instants.
- moments: TIMESTAMP[], of `moment_list`.

Example:
WITH rules(rule) AS (SELECT footfall.internal.split_rule('train', NULL, 0, 42, NULL, false))
SELECT footfall.internal.n_train('train', rule, ['buy', 'pv'], ['pv', 'buy'], false, NULL, false, false, NULL) AS n_train FROM rules;$$;

CREATE MACRO footfall.internal.encode_actions(vocabulary, actions, unknown := 'error', called_as := 'encode_actions') AS
system.main.encode_actions(vocabulary, actions, unknown, called_as);

COMMENT ON MACRO footfall.internal.encode_actions IS $$Writes a history as one byte per action.

The byte is the position of the action in the sorted vocabulary. NULL elements are left out.

Parameters:
- vocabulary: VARCHAR[], the action names, at most 254.
- actions: VARCHAR[], a history.
- unknown: 'error', or 'skip' to leave out an action outside the vocabulary.
- called_as: the macro that an error names.

Example:
SELECT encode_actions(['buy', 'pv'], ['pv', 'pv', 'buy']) AS encoded;$$;

CREATE MACRO footfall.main.held_out(key, share, seed) AS system.main.held_out(key, share, seed);

COMMENT ON MACRO footfall.main.held_out IS $$Says whether a user is held back for validation.

A hash of the key, keyed with the seed, as a fraction of its range, is compared with the share. It is the same in every
query, on every machine and DuckDB, and a larger share contains the smaller one. Without a `user_id`, `footfall.train`
takes the history for the key, `array_to_string(actions, chr(31))`, and behind it for all but the first of equal histories
`chr(30)` and its number among them, 2, 3 and so on.

Parameters:
- key: VARCHAR, what identifies the user.
- share: DOUBLE, 0 to 1.
- seed: BIGINT.

Example:
SELECT count(*) FILTER (held_out(user_id::VARCHAR, 0.1, 42)) AS n_held_out FROM range(1000) users(user_id);$$;

CREATE MACRO footfall.internal.pack_sequences(sequences, vocabulary, share := 0, seed := 42, called_as := NULL) AS
CASE WHEN called_as IS NULL
    THEN system.main.pack_sequences(sequences, vocabulary)
    ELSE system.main.pack_sequences(sequences, vocabulary, share, seed, called_as)
END;

COMMENT ON MACRO footfall.internal.pack_sequences IS $$Packs encoded histories into one value, the training set.

Actions before position `n_train` of a history train a model, those from it on are held back: 0 for a held-back user, the
length for a training user, between them for a split by time. Histories of fewer than two actions have nothing to predict
and are left out, and so are those without an `n_train`, unless `called_as` is given: then they are split by `held_out` of
what they hold. The order of the list does not matter.

Parameters:
- sequences: STRUCT(tokens BLOB, n_train BIGINT)[], with the tokens of `encode_actions`.
- vocabulary: VARCHAR[], the action names.
- share, seed: DOUBLE and BIGINT, as in `held_out`.
- called_as: the macro of footfall that an error names; NULL names pack_sequences.

Example:
SELECT octet_length(pack_sequences([{tokens: encode_actions(['buy', 'pv'], ['pv', 'buy']), n_train: 2}], ['buy', 'pv'])) > 0 AS packed;$$;

CREATE MACRO footfall.internal.train_start(dataset, settings, init := NULL) AS
CASE WHEN init IS NULL
    THEN system.main.train_start(dataset, settings)
    ELSE system.main.train_start(dataset, settings, CAST(init AS BLOB))
END;

COMMENT ON MACRO footfall.internal.train_start IS $$Begins a training run: the scalar under `footfall.train`, for one model per group.

The result is a STRUCT whose `state` goes into `train_epoch`.

Parameters:
- dataset: BLOB, the value of `pack_sequences`.
- settings: STRUCT with any of the settings of `footfall.train`; {} is not a STRUCT in DuckDB, so name at least one. With
  `memory_limit`, such as current_setting('memory_limit'), a run that needs more is refused; `split` ('user', 'history',
  'time', 'none') and `validation_from` (text) tell the model how the dataset was split; `called_as` is the macro of
  footfall that an error names.
- init: BLOB, a model to go on from, or NULL for new weights.

Example:
WITH packed AS (SELECT pack_sequences([{tokens: encode_actions(['buy', 'pv'], ['pv', 'buy', 'pv']), n_train: 3}], ['buy', 'pv']) AS dataset)
SELECT train_start(dataset, {architecture: 'rnn', hidden: 4}).complete AS complete FROM packed;$$;

CREATE MACRO footfall.internal.train_epoch(state, dataset, threads, progress := false, called_as := 'train_epoch') AS
system.main.train_epoch(state, dataset, threads, progress, called_as);

COMMENT ON MACRO footfall.internal.train_epoch IS $$Trains to the end of the epoch, or for about a second: the scalar under `footfall.train`.

The result is a STRUCT: `state` to go on from (NULL after the last epoch), `complete` (an epoch ended with this call, and
the fields after it are filled), `finished`, and the columns of `footfall.train`. When a call stops leaves no trace in the
result.

Parameters:
- state: BLOB, of `train_start` or the call before.
- dataset: BLOB, the same as in `train_start`.
- threads: BIGINT, 1 to 1024; changes the time and not the result.
- progress: BOOLEAN, whether to show a bar as `footfall.train` does.
- called_as: the macro that an error names.

Example:
WITH packed AS (SELECT pack_sequences([{tokens: encode_actions(['buy', 'pv'], ['pv', 'buy', 'pv']), n_train: 3}], ['buy', 'pv']) AS dataset)
SELECT train_epoch(train_start(dataset, {hidden: 4}).state, dataset, 1).epoch AS epoch FROM packed;$$;

CREATE MACRO footfall.internal.train_piece(ticket, state, dataset, threads, progress := false, called_as := 'train_piece') AS
system.main.train_piece(ticket, state, dataset, threads, progress, called_as);

COMMENT ON MACRO footfall.internal.train_piece IS $$Trains on to the end of the epoch, or for about a second, with the run kept in the process: the step under `footfall.train`.

A STRUCT: `ticket`, the number to go on with; `state`, that of the next epoch where this one is complete, NULL before and after the
last; and `report`, the result of `train_epoch` without its state. A run that nobody asks for is gone after three seconds; a ticket that the process does
not know begins the epoch anew, with the same result.

Parameters:
- ticket: BIGINT, 0 to begin, or `ticket` of the call before.
- state: BLOB, that from which the epoch began.
- dataset, threads, progress, called_as: as for `train_epoch`.

Example:
WITH packed AS (SELECT pack_sequences([{tokens: encode_actions(['buy', 'pv'], ['pv', 'buy', 'pv']), n_train: 3}], ['buy', 'pv']) AS dataset)
SELECT train_piece(0, train_start(dataset, {hidden: 4, epochs: 1}).state, dataset, 1, false, 'train').report.epoch AS epoch FROM packed;$$;

CREATE MACRO footfall.internal.history_rows(tbl, actions, user_id, times, called_as) AS TABLE
SELECT
    footfall.internal.action_list(called_as, 'actions', actions) AS ff_actions,
    typeof(user_id) <> typeof(NULL) AS ff_has_user,
    footfall.internal.split_key(called_as, user_id) AS ff_user,
    typeof(times) <> typeof(NULL) AS ff_has_times,
    starts_with(typeof(times), 'TIMESTAMP WITH TIME ZONE') AS ff_times_have_zone,
    footfall.internal.moment_list(called_as, 'times', times) AS ff_times
FROM query_table(tbl);

COMMENT ON MACRO TABLE footfall.internal.history_rows IS $$The rows of a table of histories as the split of a model asks for them.

One row per row: `ff_actions`, `ff_has_user`, `ff_user` (of `split_key`), `ff_has_times`, `ff_times_have_zone` and `ff_times`.

Parameters:
- tbl, actions, user_id, times: as in `training_set`.
- called_as: the macro that an error names.

Example:
WITH histories(user_id, actions) AS (VALUES (1, ['pv', 'pv', 'buy']), (2, ['pv', 'cart']))
SELECT ff_user, ff_actions FROM footfall.internal.history_rows(histories, actions, user_id, NULL, 'train') ORDER BY ff_user;$$;

CREATE MACRO footfall.internal.training_set(
    tbl, actions, vocabulary := NULL, user_id := NULL, times := NULL, validation := 0.1, validation_from := NULL,
    seed := 42, split := NULL, unknown := 'error', called_as := 'training_set', progress := true
) AS TABLE
WITH ff_rows AS NOT MATERIALIZED (
    FROM footfall.internal.history_rows(tbl, actions, user_id, times, called_as)
),
ff_asked AS MATERIALIZED (
    SELECT
        CAST(split AS STRUCT(
            "by" VARCHAR, share DOUBLE, seed BIGINT, validation_from VARCHAR, n_held_out BIGINT, fingerprint VARCHAR
        )) AS ff_split,
        footfall.internal.number(called_as, 'validation', validation) AS ff_share,
        CAST(seed AS BIGINT) AS ff_seed,
        CASE WHEN typeof(validation_from) <> typeof(NULL)
            THEN footfall.internal.instant(called_as, 'validation_from', validation_from)
        END AS ff_moment,
        typeof(validation_from) = 'TIMESTAMP WITH TIME ZONE' AS ff_moment_has_zone,
        footfall.internal.name_list(called_as, 'vocabulary', vocabulary) AS ff_names
),
ff_known AS MATERIALIZED (
    SELECT
        footfall.internal.split_rule(called_as, ff_split, ff_share, ff_seed, ff_moment, ff_moment_has_zone) AS ff_rule,
        coalesce(
            ff_names,
            (
                SELECT list(DISTINCT footfall.internal.action_name(ff_name))
                FROM (SELECT unnest(ff_actions) AS ff_name FROM ff_rows, ff_asked WHERE ff_asked.ff_names IS NULL)
                WHERE ff_name IS NOT NULL
            ),
            []
        ) AS ff_vocabulary,
        ff_names IS NULL AS ff_is_learned
    FROM ff_asked
),
ff_encoded AS NOT MATERIALIZED (
    SELECT
        ff_rule,
        ff_vocabulary,
        ff_is_learned,
        ff_has_user,
        -- A history of nobody is left out, as it is wherever users are counted.
        CASE WHEN NOT ff_has_user OR ff_user IS NOT NULL
            THEN system.main.encode_actions(ff_vocabulary, ff_actions, CASE WHEN ff_is_learned THEN 'skip' ELSE unknown END, called_as)
        END AS ff_tokens,
        list_count(ff_actions) AS ff_n_actions,
        footfall.internal.n_train(
            called_as, ff_rule, ff_vocabulary, ff_actions, ff_has_user, ff_user, ff_has_times, ff_times_have_zone, ff_times
        ) AS ff_n_train,
        ff_rule['by'] = 'time' AND ff_times IS NULL AS ff_lacks_times
    FROM ff_known LEFT JOIN ff_rows ON true
)
SELECT
    CASE
        -- Of the same rows none can hold what the vocabulary lacks.
        WHEN any_value(ff_is_learned) AND sum(ff_n_actions - octet_length(ff_tokens)) > 0
        THEN error(concat(
            'footfall.', called_as, ': argument ''tbl'' gave other rows when it was read a second time, as a sample does; ',
            'keep them first: CREATE TABLE … AS FROM …'
        ))
        ELSE system.main.pack_sequences(
            coalesce(
                list({'tokens': ff_tokens, 'n_train': CAST(ff_n_train AS BIGINT)}) FILTER (ff_tokens IS NOT NULL AND NOT ff_lacks_times),
                []
            ),
            any_value(ff_vocabulary),
            any_value(ff_rule['share']),
            any_value(ff_rule['seed']),
            called_as,
            coalesce(CAST((progress) AS BOOLEAN), false)
        )
    END AS dataset,
    CAST(coalesce(
        sum(ff_n_actions - octet_length(ff_tokens)) FILTER (ff_tokens IS NOT NULL AND NOT ff_lacks_times), 0
    ) AS BIGINT) AS n_unknown,
    CASE WHEN any_value(ff_rule['by']) IN ('hash', 'unknown')
        THEN CASE WHEN bool_or(ff_has_user) THEN 'user' ELSE 'history' END
        ELSE any_value(ff_rule['by'])
    END AS split_by,
    any_value(CAST(ff_rule['moment'] AS VARCHAR) || CASE WHEN ff_rule['has_zone'] THEN '+00' ELSE '' END) AS split_from
FROM ff_encoded;

COMMENT ON MACRO TABLE footfall.internal.training_set IS $$Packs a table of histories into one value and tells how they were split.

What training and every report read a table with. One row: the BLOB `dataset`; `n_unknown`, the actions that were left out
because the vocabulary does not hold them; and `split_by` ('user', 'history', 'time', 'none') and `split_from`, for the settings
of `train_start`.

Users are held back for validation by a hash of `user_id`, so that no user is on both sides, and a history of nobody (a
`user_id` that is NULL, NaN or '') is left out. Without a `user_id` each history is held back or not by a hash of what it
holds and of its number among equal ones. With `validation_from` the split is by time instead: every history trains up to
that moment, and what follows is held back; one without times is left out.

Parameters:
- tbl: a table, view, CTE or file with one row per user.
- actions: VARCHAR[], the history in time order.
- vocabulary: VARCHAR[], the actions to know; NULL takes those in the table, which is then read twice.
- user_id: what identifies the user, of any type; 7, 7.0 and '7' are one user.
- times: TIMESTAMP[], DATE[] or TIMESTAMP WITH TIME ZONE[], the times of the actions, for `validation_from`.
- validation: share of the users held back, 0 to 1.
- validation_from: TIMESTAMP, or TIMESTAMP WITH TIME ZONE where the times have one; events from it on are held back.
- seed: of the hash.
- split: the field `split` of `model_info`, to hold back what the training of that model held back.
- unknown: 'error', or 'skip' to leave out an action outside the vocabulary.
- called_as: the macro that an error names.
- progress: as in `footfall.train`.

Example:
WITH histories(user_id, actions) AS (VALUES (1, ['pv', 'pv', 'buy']), (2, ['pv', 'cart']))
SELECT n_unknown, split_by
FROM footfall.internal.training_set(histories, actions, vocabulary := ['pv', 'buy'], unknown := 'skip');$$;

-- No ORDER BY at the end: the rows come in the order of the iterations, and a LIMIT stops the training.
CREATE MACRO footfall.main.train(
    tbl, actions, architecture := NULL, epochs := 5, embedding := NULL, hidden := NULL, layers := NULL,
    dropout := NULL, learning_rate := 0.005, batch_size := 16, gradient_clip := 5.0, class_weights := NULL,
    patience := NULL, validation := 0.1, user_id := NULL, times := NULL, validation_from := NULL, max_length := 512,
    seed := 42, device := 'cpu', threads := NULL, init := NULL, progress := true
) AS TABLE
WITH RECURSIVE
-- Where training_set reads the relation this CTE is in sight, so it has a name that no table has.
footfall__init AS MATERIALIZED (
    SELECT footfall.internal.model_blob('train', 'init', ff_given) AS ff_model FROM (SELECT (init) AS ff_given)
),
ff_packed AS MATERIALIZED (
    SELECT ff_set.dataset AS ff_dataset, ff_set.n_unknown AS ff_n_unknown, ff_set.split_by AS ff_by, ff_set.split_from AS ff_from
    FROM footfall.internal.training_set(
        tbl, actions,
        vocabulary := (SELECT system.main.model_info(ff_model, 'train', 'init')['vocabulary'] FROM footfall__init),
        user_id := user_id, times := times, validation := validation, validation_from := validation_from,
        seed := seed, unknown := 'skip', called_as := 'train', progress := progress
    ) AS ff_set
),
-- The process keeps the run and gives a ticket for it; the state from which the epoch began goes along for when it does not.
-- A row holds a list because DuckDB's filters and joins collect short chunks until there are 2,048 rows,
-- unless they hold a list: without it every state would stay in memory to the end.
ff_run(ff_ticket, ff_state, ff_reports, ff_skipped) AS (
    SELECT ff_piece['ticket'], coalesce(ff_piece['state'], ff_began), [ff_piece['report']], ff_n_unknown
    FROM (
        SELECT
            ff_began,
            ff_n_unknown,
            system.main.train_piece(
                0, ff_began, ff_dataset, coalesce(CAST((threads) AS BIGINT), CAST(current_setting('threads') AS BIGINT)),
                CAST((progress) AS BOOLEAN), 'train'
            ) AS ff_piece
        FROM (
            SELECT ff_dataset, ff_n_unknown, CASE
                WHEN ff_model IS NULL THEN system.main.train_start(ff_dataset, ff_settings)
                ELSE system.main.train_start(ff_dataset, ff_settings, ff_model)
            END['state'] AS ff_began
            FROM (SELECT ff_dataset, ff_n_unknown, ff_model, {
                'architecture': architecture, 'epochs': epochs, 'embedding': embedding, 'hidden': hidden, 'layers': layers,
                'dropout': dropout, 'learning_rate': learning_rate, 'batch_size': batch_size, 'gradient_clip': gradient_clip,
                'class_weights': class_weights, 'patience': patience, 'validation': validation, 'max_length': max_length,
                'seed': seed, 'device': device, 'memory_limit': current_setting('memory_limit'), 'split': ff_by,
                'validation_from': ff_from, 'called_as': 'train'
            } AS ff_settings FROM ff_packed CROSS JOIN footfall__init)
        )
    )
    UNION ALL
    SELECT ff_piece['ticket'], coalesce(ff_piece['state'], ff_began), [ff_piece['report']], ff_skipped
    FROM (
        SELECT
            ff_state AS ff_began,
            ff_skipped,
            system.main.train_piece(
                ff_ticket, ff_state, ff_dataset, coalesce(CAST((threads) AS BIGINT), CAST(current_setting('threads') AS BIGINT)),
                CAST((progress) AS BOOLEAN), 'train'
            ) AS ff_piece
        FROM ff_run, ff_packed
        WHERE NOT ff_reports[1]['finished']
    )
)
SELECT
    ff_reports[1]['epoch'] AS epoch,
    ff_reports[1]['train_loss'] AS train_loss,
    ff_reports[1]['validation_loss'] AS validation_loss,
    ff_reports[1]['majority_loss'] AS majority_loss,
    ff_reports[1]['markov_loss'] AS markov_loss,
    ff_reports[1]['own_history_loss'] AS own_history_loss,
    ff_reports[1]['validation_accuracy'] AS validation_accuracy,
    ff_reports[1]['majority_accuracy'] AS majority_accuracy,
    ff_reports[1]['validation_auc'] AS validation_auc,
    ff_reports[1]['seconds'] AS seconds,
    ff_reports[1]['device'] AS device,
    ff_reports[1]['model'] AS model,
    ff_skipped AS n_unknown
FROM ff_run
WHERE ff_reports[1]['complete'];

COMMENT ON MACRO TABLE footfall.main.train IS $$Trains a network that predicts the next action of a history, one row per epoch.

Targets are the actions 2 to n of a history, each predicted from all before it. Columns: `epoch`; `train_loss`, the mean
negative log likelihood in nats while learning; on the held-back users `validation_loss`, beside it `majority_loss`
(always the training frequencies), `markov_loss` (what followed the last action) and `own_history_loss` (what this user has
done so far, backed off to what followed the last three actions: mostly the best that needs no network, and what a network
must beat; `footfall.evaluate` has them all, with errors), `validation_accuracy` beside `majority_accuracy` (on shop data
nearly everything is a view, so accuracy alone says nothing), and `validation_auc`, the mean over the actions of the area
under the ROC curve, one against the rest; `seconds`; `device`; `model`, a BLOB that predicts with nothing else;
`n_unknown`, the actions of the table that `init` does not know, which are left out. Take the
best epoch with `(FROM footfall.best_model(run))`.

What is held back: a share of the users, by a hash of `user_id` (a history of nobody, whose `user_id` is NULL, NaN or '',
is left out); without a `user_id` a share of the histories, equal ones each on its own; with `validation_from` everything
from that moment on; with `validation := 0` nothing. The model carries how it was split, and the reports on it take what
it has not learned from. A model that goes on from `init` must not be judged on users of whom `init` has learned: its split
is that of `init`, or a smaller share of it.

A training can be interrupted between two seconds of work; `LIMIT` stops it early. It estimates its memory before it
begins, and one that needs more than DuckDB's `memory_limit`, or than the machine has free, is refused with the figure. The
same data, settings and seed give the same bytes for any number of threads and any order of rows.

Parameters:
- tbl: a table, view, CTE or file with one row per user, such as `footfall.sequences` gives.
- actions: VARCHAR[], the history in time order.
- architecture: 'rnn', 'gru' or 'lstm' (the default, or that of `init`).
- epochs: most passes over the data.
- embedding, hidden, layers: sizes (default 32, 64, 1, or those of `init`).
- dropout: between layers, 0 up to 1 (default 0).
- learning_rate: step size of Adam.
- batch_size: histories per step.
- gradient_clip: largest norm of a gradient.
- class_weights: NULL, 'balanced', or a weight per action such as {'buy': 2.0}.
- patience: stop after so many epochs without a better validation loss; NULL never does.
- validation: share of the users held back, 0 to 1.
- user_id: what identifies the user for the split, of any type; without it the history does.
- times, validation_from: TIMESTAMP[] and TIMESTAMP, both with a time zone or both without, for a split by time instead.
- max_length: steps over which gradients flow back; the state is carried on beyond.
- seed: of start weights, order, dropout and split.
- device: 'cpu'; 'cuda', an NVIDIA GPU of compute capability 8.0 or newer with a driver of CUDA 12.1 or newer, for layers of up to
  128 units (checked by emulation, not yet timed on a card); or 'candle', the CPU through a second engine, which computes the same many
  times more slowly: to check the first by.
- threads: NULL takes the setting of DuckDB.
- init: a model to go on from.
- progress: true shows a bar on standard error when that is a terminal and the run takes longer than two seconds.

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: ['pv', 'pv', 'cart', 'buy'][1 + (i + u) % 4]) FROM range(80) users(u))
SELECT epoch, validation_loss < majority_loss AS beats_majority
FROM footfall.train(histories, actions, architecture := 'gru', epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u);$$;

CREATE MACRO footfall.main.best_model(runs) AS TABLE
SELECT CASE
    WHEN count(ff_run.model) > 0 AND typeof(NULL) IN (typeof(any_value(ff_run.validation_loss)), typeof(any_value(ff_run.epoch)))
    THEN error('footfall.best_model: argument ''runs'' lacks the column validation_loss or epoch; allowed: the rows of footfall.train')
    WHEN count(ff_run.model) > 0
    THEN arg_min(ff_run.model, {
        'loss': coalesce(CAST(ff_run.validation_loss AS DOUBLE), CAST('infinity' AS DOUBLE)),
        'order': CASE WHEN ff_run.validation_loss IS NULL THEN -ff_run.epoch ELSE ff_run.epoch END,
        -- Two runs that were validated on nothing can end with the same epoch.
        'tie': md5(ff_run.model)
    })
    ELSE error('footfall.best_model: argument ''runs'' holds no model; allowed: the rows of footfall.train')
END AS model
FROM (
    -- A table of something else lacks these columns, and then holds no model.
    SELECT CAST(NULL AS BLOB) AS model, NULL AS validation_loss, NULL AS epoch WHERE false
    UNION ALL BY NAME
    SELECT * FROM query_table(runs)
) AS ff_run;

COMMENT ON MACRO TABLE footfall.main.best_model IS $$The model to use of one or more runs: one row `model`, fit for a scalar subquery.

It is that of the lowest `validation_loss`, of equals the earliest epoch. Where nothing was held back (`validation := 0`) it is
that of the last epoch. Losses compare only where the same was held back: give several runs at once if they were split alike.

Parameters:
- runs: a table, view or CTE with the columns `epoch`, `validation_loss` and `model` of `footfall.train`; more columns do not matter.

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: ['pv', 'pv', 'cart', 'buy'][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u))
SELECT predict_next((FROM footfall.best_model(run)), ['pv', 'pv', 'cart']).action AS next;$$;
