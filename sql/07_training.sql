-- Training: the data go into one value, and a recursive query turns the wheel.

CREATE MACRO footfall.main.encode_actions(vocabulary, actions) AS system.main.encode_actions(vocabulary, actions);
COMMENT ON MACRO footfall.main.encode_actions IS 'Writes a history as one byte per action.

The byte is the position of the action in the sorted vocabulary. NULL elements are left out; an action outside the vocabulary is an error.

Parameters:
- vocabulary: VARCHAR[], the action names, at most 254
- actions: VARCHAR[], a history

Example:
SELECT encode_actions([''buy'', ''pv''], [''pv'', ''pv'', ''buy'']) AS encoded;';

CREATE MACRO footfall.main.held_out(key, share, seed) AS system.main.held_out(key, share, seed);
COMMENT ON MACRO footfall.main.held_out IS 'Says whether a user is held back for validation.

A hash of the key, keyed with the seed, as a fraction of its range, is compared with the share. It is the same in every query, on every machine and DuckDB, and a larger share contains the smaller one.

Parameters:
- key: VARCHAR, what identifies the user
- share: DOUBLE, 0 to 1
- seed: BIGINT

Example:
SELECT count(*) FILTER (held_out(user_id::VARCHAR, 0.1, 42)) AS n_held_out FROM range(1000) users(user_id);';

CREATE MACRO footfall.main.pack_sequences(sequences, vocabulary) AS system.main.pack_sequences(sequences, vocabulary);
COMMENT ON MACRO footfall.main.pack_sequences IS 'Packs encoded histories into one value, the training set.

Actions before position `n_train` of a history train a model, those from it on are held back: 0 for a held-back user, the length for a training user, between them for a split by time. Histories of fewer than two actions have nothing to predict and are left out. The order of the list does not matter.

Parameters:
- sequences: STRUCT(tokens BLOB, n_train BIGINT)[], with the tokens of `encode_actions`
- vocabulary: VARCHAR[], the action names

Example:
SELECT octet_length(pack_sequences([{tokens: encode_actions([''buy'', ''pv''], [''pv'', ''buy'']), n_train: 2}], [''buy'', ''pv''])) > 0 AS packed;';

CREATE MACRO footfall.main.train_start(dataset, settings, init := NULL) AS
    CASE WHEN init IS NULL THEN system.main.train_start(dataset, settings)
         ELSE system.main.train_start(dataset, settings, init::BLOB) END;
COMMENT ON MACRO footfall.main.train_start IS 'Begins a training run: the scalar under `footfall.train`, for one model per group.

The result is a STRUCT whose `state` goes into `train_epoch`.

Parameters:
- dataset: BLOB, the value of `pack_sequences`
- settings: STRUCT with any of the settings of `footfall.train`; {} is not a STRUCT in DuckDB, so name at least one. With `memory_limit`, such as current_setting(''memory_limit''), a run that needs more is refused
- init: BLOB, a model to go on from, or NULL for new weights

Example:
WITH packed AS (SELECT pack_sequences([{tokens: encode_actions([''buy'', ''pv''], [''pv'', ''buy'', ''pv'']), n_train: 3}], [''buy'', ''pv'']) AS dataset)
SELECT train_start(dataset, {architecture: ''rnn'', hidden: 4}).complete AS complete FROM packed;';

CREATE MACRO footfall.main.train_epoch(state, dataset, threads, progress := false) AS
    system.main.train_epoch(state, dataset, threads, progress);
COMMENT ON MACRO footfall.main.train_epoch IS 'Trains to the end of the epoch, or for about a second: the scalar under `footfall.train`.

The result is a STRUCT: `state` to go on from (NULL after the last epoch), `complete` (an epoch ended with this call, and the fields after it are filled), `finished`, and the columns of `footfall.train`. When a call stops leaves no trace in the result.

Parameters:
- state: BLOB, of `train_start` or the call before
- dataset: BLOB, the same as in `train_start`
- threads: BIGINT, 1 to 1024; changes the time and not the result
- progress: BOOLEAN, whether to show a bar as `footfall.train` does

Example:
WITH packed AS (SELECT pack_sequences([{tokens: encode_actions([''buy'', ''pv''], [''pv'', ''buy'', ''pv'']), n_train: 3}], [''buy'', ''pv'']) AS dataset)
SELECT train_epoch(train_start(dataset, {hidden: 4}).state, dataset, 1).epoch AS epoch FROM packed;';

CREATE MACRO footfall.main.training_set(
    tbl,
    actions,
    vocabulary := NULL,
    user_id := NULL,
    times := NULL,
    validation := 0.1,
    validation_from := NULL,
    seed := 42
) AS TABLE
WITH
ff_rows AS NOT MATERIALIZED (
    SELECT
        (actions)::VARCHAR[] AS ff_actions,
        (user_id)::VARCHAR AS ff_user,
        (times)::TIMESTAMP[] AS ff_times
    FROM query_table(tbl)
),
ff_vocabulary AS MATERIALIZED (
    SELECT coalesce(
        (vocabulary)::VARCHAR[],
        (
            SELECT list(DISTINCT ff_name)
            FROM (SELECT unnest(ff_actions) AS ff_name FROM ff_rows WHERE (vocabulary) IS NULL)
            WHERE ff_name IS NOT NULL
        ),
        []
    ) AS ff_names
)
SELECT pack_sequences(
    coalesce(list({
        'tokens': encode_actions(ff_names, ff_actions),
        'n_train': CASE
            WHEN (validation_from) IS NOT NULL
            -- Not list_zip: on DuckDB 1.4.5 one over a constant empty list crashes.
            THEN len(list_filter(
                ff_actions,
                lambda ff_action, ff_place: ff_action IS NOT NULL AND ff_times[ff_place] < (validation_from)::TIMESTAMP
            ))
            WHEN held_out(
                coalesce(ff_user, array_to_string(ff_actions, chr(31))), (validation)::DOUBLE, (seed)::BIGINT
            )
            THEN 0
            ELSE len(ff_actions)
        END
    }) FILTER (ff_actions IS NOT NULL), []),
    any_value(ff_names)
) AS dataset
FROM ff_vocabulary LEFT JOIN ff_rows ON true;
COMMENT ON MACRO TABLE footfall.main.training_set IS 'Packs a table of histories into one value for training or evaluation: the part of `footfall.train` that reads the table.

One row with the BLOB `dataset`. Users are held back for validation by a hash of `user_id`, so that no user is on both sides; without a `user_id` the history itself is hashed. With `validation_from` the split is by time instead: every history trains up to that moment, and what follows is held back.

Parameters:
- tbl: a table, view, CTE or file with one row per user
- actions: VARCHAR[], the history in time order
- vocabulary: VARCHAR[], the actions to know; NULL takes those in the table, which is then read twice
- user_id: what identifies the user, of any type
- times: TIMESTAMP[], the times of the actions, for `validation_from`
- validation: share of the users held back, 0 to 1
- validation_from: TIMESTAMP; events from it on are held back
- seed: of the hash

Example:
WITH histories(user_id, actions) AS (VALUES (1, [''pv'', ''pv'', ''buy'']), (2, [''pv'', ''cart'']))
SELECT octet_length(dataset) > 0 AS packed FROM footfall.training_set(histories, actions, user_id := user_id);';

-- No ORDER BY at the end: the rows come in the order of the iterations, and a LIMIT stops the training.
CREATE MACRO footfall.main.train(
    tbl,
    actions,
    architecture := NULL,
    epochs := 5,
    embedding := NULL,
    hidden := NULL,
    layers := NULL,
    dropout := NULL,
    learning_rate := 0.005,
    batch_size := 16,
    gradient_clip := 5.0,
    class_weights := NULL,
    patience := NULL,
    validation := 0.1,
    user_id := NULL,
    times := NULL,
    validation_from := NULL,
    max_length := 512,
    seed := 42,
    device := 'cpu',
    threads := NULL,
    init := NULL,
    progress := true
) AS TABLE
WITH RECURSIVE
ff_init AS MATERIALIZED (SELECT (init)::BLOB AS ff_model),
ff_packed AS MATERIALIZED (
    SELECT ff_set.dataset AS ff_dataset
    FROM footfall.main.training_set(
        tbl,
        actions,
        vocabulary := (SELECT model_info(ff_model).vocabulary FROM ff_init),
        user_id := user_id,
        times := times,
        validation := validation,
        validation_from := validation_from,
        seed := seed
    ) AS ff_set
),
-- A row is wrapped in a list because DuckDB's filters and joins collect short chunks until there are 2,048 rows,
-- unless they hold a list: without it every state would stay in memory to the end.
ff_run(ff_step, ff_results) AS (
    SELECT 0, [CASE
        WHEN ff_model IS NULL THEN train_start(ff_dataset, ff_settings)
        ELSE train_start(ff_dataset, ff_settings, ff_model)
    END]
    FROM ff_packed, ff_init, (SELECT {
        'architecture': architecture, 'epochs': epochs, 'embedding': embedding, 'hidden': hidden, 'layers': layers,
        'dropout': dropout, 'learning_rate': learning_rate, 'batch_size': batch_size, 'gradient_clip': gradient_clip,
        'class_weights': class_weights, 'patience': patience, 'validation': validation, 'max_length': max_length,
        'seed': seed, 'device': device, 'memory_limit': current_setting('memory_limit')
    } AS ff_settings)
    UNION ALL
    SELECT
        ff_step + 1,
        [train_epoch(
            ff_results[1].state, ff_dataset, coalesce((threads)::BIGINT, current_setting('threads')::BIGINT), (progress)::BOOLEAN
        )]
    FROM ff_run, ff_packed
    WHERE NOT ff_results[1].finished
)
SELECT
    ff_results[1]['epoch'] AS epoch,
    ff_results[1]['train_loss'] AS train_loss,
    ff_results[1]['validation_loss'] AS validation_loss,
    ff_results[1]['majority_loss'] AS majority_loss,
    ff_results[1]['markov_loss'] AS markov_loss,
    ff_results[1]['validation_accuracy'] AS validation_accuracy,
    ff_results[1]['majority_accuracy'] AS majority_accuracy,
    ff_results[1]['validation_auc'] AS validation_auc,
    ff_results[1]['seconds'] AS seconds,
    ff_results[1]['device'] AS device,
    ff_results[1]['model'] AS model
FROM ff_run
WHERE ff_results[1]['complete'];
COMMENT ON MACRO TABLE footfall.main.train IS 'Trains a network that predicts the next action of a history, one row per epoch.

Targets are the actions 2 to n of a history, each predicted from all before it. Columns: `epoch`; `train_loss`, the mean negative log likelihood in nats while learning; on the held-back users `validation_loss`, beside it `majority_loss` (always the training frequencies) and `markov_loss` (what followed the last action), `validation_accuracy` beside `majority_accuracy` (on shop data nearly everything is a view, so accuracy alone says nothing), and `validation_auc`, the mean over the actions of the area under the ROC curve, one against the rest; `seconds`; `device`; `model`, a BLOB that predicts with nothing else. Take the best epoch with `arg_min(model, validation_loss)`. A training can be interrupted between two seconds of work; `LIMIT` stops it early. It estimates its memory before it begins, and one that needs more than DuckDB''s `memory_limit`, or than the machine has free, is refused with the figure. The same data, settings and seed give the same bytes for any number of threads and any order of rows.

Parameters:
- tbl: a table, view, CTE or file with one row per user, such as `footfall.sequences` gives
- actions: VARCHAR[], the history in time order
- architecture: ''rnn'', ''gru'' or ''lstm'' (the default, or that of `init`)
- epochs: most passes over the data
- embedding, hidden, layers: sizes (default 32, 64, 1, or those of `init`)
- dropout: between layers, 0 up to 1 (default 0)
- learning_rate: step size of Adam
- batch_size: histories per step
- gradient_clip: largest norm of a gradient
- class_weights: NULL, ''balanced'', or a weight per action such as {''buy'': 2.0}
- patience: stop after so many epochs without a better validation loss; NULL never does
- validation: share of the users held back, 0 to 1
- user_id: what identifies the user for the split; without it the history does
- times, validation_from: TIMESTAMP[] and TIMESTAMP, for a split by time instead
- max_length: steps over which gradients flow back; the state is carried on beyond
- seed: of start weights, order, dropout and split
- device: ''cpu'' or ''cuda''
- threads: NULL takes the setting of DuckDB
- init: a model to go on from
- progress: true shows a bar on standard error when that is a terminal and the run takes longer than two seconds

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: [''pv'', ''pv'', ''cart'', ''buy''][1 + (i + u) % 4]) FROM range(80) users(u))
SELECT epoch, validation_loss < majority_loss AS beats_majority
FROM footfall.train(histories, actions, architecture := ''gru'', epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u);';
