-- Which of two models is better, and whether it is by more than chance.

CREATE MACRO footfall.internal.history_losses(
    model, dataset, first, threads, called_as := 'history_losses', state := CAST('' AS BLOB)
) AS
system.main.history_losses(model, dataset, first, threads, called_as, state);

COMMENT ON MACRO footfall.internal.history_losses IS $$The losses of a model on some of the held-back targets of a dataset, for a fraction of a second.

A STRUCT: `next`, the first history that is left (NULL when none is); `losses`, a BLOB for `compare_losses`; and `state`, where
the piece ends in the middle of history `next`.

Parameters:
- model, dataset, first, threads, called_as, state: as for `evaluate_piece`.

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0)),
     packed AS (FROM footfall.internal.training_set(histories, actions, validation := 1))
SELECT l.next, octet_length(l.losses) > 0 AS is_scored FROM (SELECT history_losses(model, dataset, 0, 1, 'losses', ''::BLOB) AS l FROM run, packed);$$;

CREATE MACRO footfall.internal.compare_losses(dataset_a, losses_a, dataset_b, losses_b, called_as := 'compare_losses') AS
system.main.compare_losses(dataset_a, losses_a, dataset_b, losses_b, called_as);

COMMENT ON MACRO footfall.internal.compare_losses IS $$Compares two models on the same targets: the scalar under `footfall.compare_models`.

A STRUCT of `log_loss_a`, `log_loss_b`, `difference`, `standard_error`, `n_users` and `n`, as in `footfall.compare_models`; NULL where
nothing was held back.

Parameters:
- dataset_a, dataset_b: BLOB, of `training_set`; the same where both models know the same actions.
- losses_a, losses_b: BLOB[], the `losses` of all calls of `history_losses` for each model, in order.
- called_as: the macro that an error names.

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0)),
     packed AS (FROM footfall.internal.training_set(histories, actions, validation := 1)),
     scored AS (SELECT dataset, [history_losses(model, dataset, 0, 1, 'losses', ''::BLOB).losses] AS losses FROM run, packed)
SELECT compare_losses(dataset, losses, dataset, losses, 'compare_models').difference AS difference FROM scored;$$;

CREATE MACRO footfall.internal.losses(model, dataset, called_as) AS TABLE
WITH RECURSIVE
ff_given AS MATERIALIZED (
    SELECT (model) AS ff_model, (dataset) AS ff_dataset, CAST(current_setting('threads') AS BIGINT) AS ff_threads
),
ff_pieces(ff_step, ff_scored) AS (
    SELECT CAST(0 AS BIGINT), system.main.history_losses(ff_model, ff_dataset, 0, ff_threads, called_as, CAST('' AS BLOB))
    FROM ff_given
    UNION ALL
    SELECT
        ff_step + 1,
        system.main.history_losses(ff_model, ff_dataset, ff_scored['next'], ff_threads, called_as, ff_scored['state'])
    FROM ff_pieces
    CROSS JOIN ff_given
    WHERE ff_scored['next'] IS NOT NULL
)
SELECT list(ff_scored['losses'] ORDER BY ff_step ASC NULLS LAST) AS losses
FROM ff_pieces;

COMMENT ON MACRO TABLE footfall.internal.losses IS $$The losses of a model on the held-back targets of a dataset, history by history.

One row: `losses`, a list of BLOBs for the scalar `compare_losses`.

Parameters:
- model: BLOB, of `footfall.train`.
- dataset: BLOB, of `footfall.internal.training_set` with the vocabulary of the model.
- called_as: the macro that an error names.

Example:
WITH histories(actions) AS (VALUES (['pv', 'pv', 'buy', 'pv']), (['pv', 'pv', 'pv'])),
     run AS (FROM footfall.train(histories, actions, epochs := 1, hidden := 4, validation := 0)),
     packed AS (FROM footfall.internal.training_set(histories, actions, validation := 1))
SELECT len(losses) AS n_pieces FROM footfall.internal.losses((SELECT model FROM run), (SELECT dataset FROM packed), 'losses');$$;

CREATE MACRO footfall.main.compare_models(
    tbl, actions, model_a, model_b, part := 'held_out', user_id := NULL, times := NULL, validation_from := NULL
) AS TABLE
WITH ff_rows AS NOT MATERIALIZED (
    FROM footfall.internal.history_rows(tbl, actions, user_id, times, 'compare_models')
),
ff_models AS MATERIALIZED (
    SELECT
        ff_a,
        ff_b,
        system.main.model_info(ff_a, 'compare_models', 'model_a') AS ff_info_a,
        system.main.model_info(ff_b, 'compare_models', 'model_b') AS ff_info_b,
        CASE WHEN typeof(validation_from) <> typeof(NULL)
            THEN footfall.internal.instant('compare_models', 'validation_from', validation_from)
        END AS ff_moment,
        typeof(validation_from) = 'TIMESTAMP WITH TIME ZONE' AS ff_moment_has_zone
    FROM (
        SELECT
            footfall.internal.given_model('compare_models', 'model_a', ff_given_a) AS ff_a,
            footfall.internal.given_model('compare_models', 'model_b', ff_given_b) AS ff_b
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
    FROM ff_rows
    CROSS JOIN ff_rules
    WHERE ff_actions IS NOT NULL AND (NOT ff_has_user OR ff_user IS NOT NULL)
    AND ('time' NOT IN (ff_rule_a['by'], ff_rule_b['by']) OR NOT ff_has_times OR ff_times IS NOT NULL)
),
-- Only a split by history has to number equal histories, as pack_sequences does.
ff_keyed AS NOT MATERIALIZED (
    SELECT *, NULL AS ff_key
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
            coalesce(ff_train_a, CASE WHEN system.main.held_out(ff_key, ff_rule_a['share'], ff_rule_a['seed']) THEN 0 ELSE len(ff_known) END),
            coalesce(ff_train_b, CASE WHEN system.main.held_out(ff_key, ff_rule_b['share'], ff_rule_b['seed']) THEN 0 ELSE len(ff_known) END)
        ) AS BIGINT) AS ff_n_read
    FROM ff_keyed
),
-- Where the models know other actions these have other numbers, but in the order of the names in both, and so are the histories.
ff_packed AS MATERIALIZED (
    SELECT
        system.main.pack_sequences(coalesce(ff_encoded_a, []), ff_names_a, 0, 0, 'compare_models') AS ff_dataset_a,
        CASE WHEN ff_names_a <> ff_names_b
            THEN system.main.pack_sequences(coalesce(ff_encoded_b, []), ff_names_b, 0, 0, 'compare_models')
        END AS ff_dataset_b,
        ff_n_unknown
    FROM (
        SELECT
            any_value(ff_names_a) AS ff_names_a,
            any_value(ff_names_b) AS ff_names_b,
            list({'tokens': system.main.encode_actions(ff_names_a, ff_known, 'skip', 'compare_models'), 'n_train': ff_n_read})
                FILTER (ff_known IS NOT NULL) AS ff_encoded_a,
            list({'tokens': system.main.encode_actions(ff_names_b, ff_known, 'skip', 'compare_models'), 'n_train': ff_n_read})
                FILTER (ff_known IS NOT NULL AND ff_names_a <> ff_names_b) AS ff_encoded_b,
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
            coalesce(ff_dataset_b, ff_dataset_a),
            (SELECT losses FROM footfall.internal.losses(
                (SELECT ff_b FROM ff_models), (SELECT coalesce(ff_dataset_b, ff_dataset_a) FROM ff_packed), 'compare_models'
            )),
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
        THEN error(concat(
            'footfall.compare_models: nothing can be scored, because the models do not know ', ff_n_unknown,
            ' of the actions; both know ',
            footfall.internal.one_line(left(
                (SELECT array_to_string(list_sort(ff_vocabulary, 'ASC', 'NULLS LAST'), ', ') FROM ff_rules), 200
            )),
            '; train them on such histories, or rename the actions'
        ))
        WHEN footfall.internal.option_name(part) = 'all'
        THEN 'all'
        WHEN ff_result IS NOT NULL
        THEN 'held_out'
        ELSE error(concat(
            'footfall.compare_models: no action of this table was held back from both models, so there is nothing to compare them on; ',
            'give a table with held-back users or later times, or part := ''all'' to score every history, those they learned from included'
        ))
    END AS part,
    ff_n_unknown AS n_unknown
FROM ff_compared;

COMMENT ON MACRO TABLE footfall.main.compare_models IS $$Compares two models on what neither has learned from, with the standard error of the difference.

One row: `log_loss_a` and `log_loss_b`, mean negative log likelihoods in nats per target; `difference`, the first minus the
second, above 0 when the second model is better; `standard_error` of the difference; `n_users`, the histories; `n`, their
targets; `part`; `n_unknown`, the actions of the table that one of the models does not know, which are left out for
both. Both models are judged on the same targets, and it is users that were drawn at random and not targets, so the error is
that of a ratio over users (Cochran, 1977, Sampling Techniques, section 6.4). A difference of two standard errors is worth
believing.

Parameters:
- tbl: a table, view, CTE or file with one row per user.
- actions: VARCHAR[], the history in time order.
- model_a, model_b: BLOB, of `footfall.train`.
- part: 'held_out', the targets that both trainings held back, or 'all' targets of the table; 'validation' is the same as 'held_out'.
- user_id, times, validation_from: as in `footfall.evaluate`.

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: ['pv', 'pv', 'cart', 'buy'][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u))
SELECT difference > 0 AS second_is_better, difference > 2 * standard_error AS beyond_chance, n
FROM footfall.compare_models(histories, actions, (SELECT arg_min(model, epoch) FROM run), (SELECT arg_max(model, epoch) FROM run), user_id := u);$$;
