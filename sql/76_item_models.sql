-- Models of items: what to show to whom.

CREATE MACRO footfall.internal.train_items_piece(job, histories, options, names, called_as := 'train_items_piece') AS
system.main.train_items_piece(job, histories, options, names, called_as);

COMMENT ON MACRO footfall.internal.train_items_piece IS $$Makes a model of items for about half a second: the step under `footfall.train_items`.

A STRUCT as that of `item_rules_piece`; `result` is a STRUCT of `model`, a BLOB, `reports`, as those of `evaluate_items_piece`, `carried_by`, `made_of`, `epochs`
and `n_items`.

Parameters:
- job, histories, names, called_as: as for `evaluate_items_piece`.
- options: as for `evaluate_items_piece`; `top`, the most rules of an item; and `network`, a STRUCT of the options of a network as in
  `footfall.train_items`, or NULL for none.

Example:
SELECT p.finished FROM (SELECT footfall.internal.train_items_piece(
    0, footfall.internal.pack_items([{'events': [0, 4294967297], 'n_train': 1, 'n_fit': 0}], 2),
    {'k': 10, 'targets': 'all', 'exclude_seen': false, 'window_size': 10, 'threads': 1, 'memory_limit': '4GB', 'moment': NULL, 'top': 100, 'network': NULL},
    {'numbers': [7, 9], 'texts': []}) AS p);$$;

CREATE MACRO footfall.main.train_items(
    tbl, items, architecture := 'none', user_id := NULL, times := NULL, validation_from := NULL, split := NULL, k := 10, targets := 'all',
    exclude_seen := false, window_size := 10, top := 100, dim := 64, layers := 2, heads := 1, max_length := 50, epochs := 50, patience := 5,
    learning_rate := 0.001, dropout := 0.2, seed := 42, min_count := 1
) AS TABLE
WITH RECURSIVE
ff_asked AS MATERIALIZED (
    SELECT
        CASE WHEN footfall.internal.check_option(
            footfall.internal.option_name(architecture) IN ('none', 'sasrec'), 'train_items', 'architecture', architecture,
            '''none'', the mixture without a network, ''sasrec'''
        ) THEN CAST(architecture AS VARCHAR) END AS ff_architecture,
        CASE WHEN footfall.internal.option_name(architecture) = 'sasrec' THEN {
            'dim': footfall.internal.whole_option('train_items', 'dim', dim, 16, 512),
            'layers': footfall.internal.whole_option('train_items', 'layers', layers, 1, 64),
            'heads': footfall.internal.whole_option('train_items', 'heads', heads, 1, 32),
            'max_length': footfall.internal.whole_option('train_items', 'max_length', max_length, 1, 1000),
            'epochs': footfall.internal.whole_option('train_items', 'epochs', epochs, 1, 1000000),
            'patience': footfall.internal.whole_option('train_items', 'patience', patience, 1, 1000000),
            'learning_rate': footfall.internal.number('train_items', 'learning_rate', learning_rate),
            'dropout': footfall.internal.number('train_items', 'dropout', dropout),
            'seed': footfall.internal.whole_option('train_items', 'seed', seed, 0, 9223372036854775807),
            'min_count': footfall.internal.whole_option('train_items', 'min_count', min_count, 1, 1000000)
        } END AS ff_network,
        footfall.internal.whole_option('train_items', 'top', top, 1, 10000) AS ff_top
),
ff_packed AS MATERIALIZED (
    SELECT ff_all.* FROM footfall.internal.packed_items(
        tbl, items, user_id, k, targets, times, validation_from, split, exclude_seen, window_size, true, 'train_items'
    ) AS ff_all
),
ff_settings AS MATERIALIZED (
    SELECT struct_insert(options, top := ff_top, network := ff_network) AS ff_options, histories AS ff_histories, names AS ff_names
    FROM ff_packed
    CROSS JOIN ff_asked
),
-- As in `segment`.
ff_run(ff_step, ff_pieces) AS (
    SELECT 0, [system.main.train_items_piece(0, ff_histories, ff_options, ff_names, 'train_items')] FROM ff_settings
    UNION ALL
    SELECT ff_step + 1, [system.main.train_items_piece(ff_pieces[1]['job'], ff_histories, ff_options, ff_names, 'train_items')]
    FROM ff_run, ff_settings
    WHERE NOT ff_pieces[1]['finished']
),
ff_found AS MATERIALIZED (
    SELECT any_value(ff_pieces[1]['result']) AS ff_result FROM ff_run WHERE ff_pieces[1]['finished']
),
ff_reported AS NOT MATERIALIZED (
    SELECT
        ff_architecture,
        CASE WHEN ff_result IS NULL THEN error(nothing) ELSE ff_result END AS ff_trained,
        moment AS ff_moment
    FROM ff_found
    CROSS JOIN ff_packed
    CROSS JOIN ff_asked
),
ff_flat AS NOT MATERIALIZED (
    SELECT
        *,
        ff_trained['reports'][1] AS ff_own,
        [{
            'predictor': r['predictor'],
            'hit_rate': r['hit_rate']['mean'], 'hit_rate_standard_error': r['hit_rate']['standard_error'],
            'ndcg': r['ndcg']['mean'], 'ndcg_standard_error': r['ndcg']['standard_error'],
            'mrr': r['mrr']['mean'], 'mrr_standard_error': r['mrr']['standard_error'],
            'coverage': r['coverage']
        } FOR r IN ff_trained['reports'][2:]] AS ff_methods
    FROM ff_reported
)
SELECT
    ff_architecture AS architecture,
    ff_own['hit_rate']['mean'] AS hit_rate,
    ff_own['hit_rate']['standard_error'] AS hit_rate_standard_error,
    ff_own['ndcg']['mean'] AS ndcg,
    ff_own['ndcg']['standard_error'] AS ndcg_standard_error,
    ff_own['mrr']['mean'] AS mrr,
    ff_own['mrr']['standard_error'] AS mrr_standard_error,
    ff_own['coverage'] AS coverage,
    ff_trained['carried_by'] AS carried_by,
    ff_trained['made_of'] AS made_of,
    ff_methods AS methods,
    ff_own['n'] AS n,
    ff_own['n_users'] AS n_users,
    ff_own['repeat_share'] AS repeat_share,
    ff_own['unseen_share'] AS unseen_share,
    ff_trained['n_items'] AS n_items,
    ff_moment AS validation_from,
    ff_trained['model'] AS model,
    ff_trained['epochs'] AS by_epoch
FROM ff_flat;

COMMENT ON MACRO TABLE footfall.main.train_items IS $$Trains a model of what to show next, for `footfall.recommend`: the user's own items, rules, popularity and, where it is asked for, a network, with weights that validation chose.

One row: `architecture`; how good the model is at saying what came next from `validation_from` on, which it has not counted: `hit_rate`, `ndcg` and `mrr`, each with
its standard error over users, and `coverage`, as in `footfall.evaluate_items`; `carried_by`, the part with a weight that is best by itself, by `ndcg` ('repeat', 'rules', 'popular', 'popular_recent' or 'network'), and
`made_of`, all weights; `methods`, the bar that stands beside it: the same measures of `network`, where there is one, by itself, and of `mixture`, `popular`, `popular_recent`, `repeat`, `markov_1`, `rules` and `knn`
(`SELECT unnest(methods, recursive := true) FROM run` has a row for each); `n`, how often was asked, `n_users`, `repeat_share` and `unseen_share`; `n_items`, the items that the model knows;
`validation_from`; `model`, a BLOB; and `by_epoch`, how the network learned, NULL without one.

**With `architecture := 'sasrec'`** a Transformer reads the last `max_length` items and learns which comes next (Kang and McAuley, 2018, with norms before the blocks and the cross-entropy of the whole
catalogue). It learns from the first part of the training, and the last fiftieth of it, or with `split := 'leave_last_out'` the last item of each user there, chooses the epoch that is kept and the network's
share of the mixture, from 0 to 0.97. `by_epoch` has a STRUCT for each epoch: `epoch`; `train_loss`, the mean cross-entropy while it learned, in nats; `hit_rate` and `ndcg` of the network by itself on what chooses,
`is_best`, and beside them those of `mixture`, `popular`, `repeat` and `rules` (`SELECT unnest(by_epoch, recursive := true) FROM run`). Training takes seconds to minutes, an epoch as long as events times items
times `dim`; each number of an item is held eight times over. It pays where the order of items matters and there is much of it; where customers mostly return to what they had, counting is as good: compare `ndcg` with that of
`mixture` in `methods`.

**A method of one line may be as good.** `mixture` is counting alone, before its rules were cut to `top` an item; a model that is no better than `repeat` or `popular` says that this shop needs no other. `footfall.compare_recommenders(…, 'model', 'repeat', model := …)` tells whether a difference is chance.

The model counts events before `validation_from` only, so that its measures are those of this very value. To have it count everything up to a day, give
that day; train anew as often as what is popular changes. It takes 8 bytes a rule and some 40 an item, and with a network 4 times `dim` more. Whole numbers up to BIGINT stay numbers, and all
other items are kept as text. The value does not depend on the order of the rows or on the number of threads; that of a network may in its last digits depend on the instructions of the processor. It ends within two seconds of an interruption; what needs more memory
than DuckDB's `memory_limit`, or than the machine has free, is refused with the figure.

Parameters:
- tbl, items, times, validation_from, split, k, targets, exclude_seen, window_size: as in `footfall.evaluate_items`. Weights are chosen for lists of `k`, and without
  what the user had where `exclude_seen`.
- architecture: 'none', the mixture without a network, or 'sasrec'. All options from `dim` on are of the network.
- user_id: whose row it is, a column or expression; an error where somebody has two rows, whose items would not follow each other. NULL asks for nothing.
- top: the most rules of an item that the model keeps, the heaviest, 1 to 10000.
- dim: numbers of the vector of an item, a multiple of 16 for each head, up to 512.
- layers: blocks of attention and of two products, 1 to 64.
- heads: parts of the vectors that attend on their own, 1 to 32.
- max_length: how many items of a history it reads, the last ones, 1 to 1000.
- epochs: the most passes over the training.
- patience: passes without a better one after which it ends.
- learning_rate: of Adam, above 0, up to 1.
- dropout: the share of numbers that are left out at random while it learns, 0 to 0.9; more where there are few events.
- seed: of all that is random.
- min_count: items that occur less often in what it learns from are unknown to the network, and known to all else.

Example:
WITH histories(items, times) AS (
    SELECT [(u * (j + 1)) % 7 FOR j IN range(8)], [DATE '2026-01-01' + CAST(u % 9 + 3 * j AS INTEGER) FOR j IN range(8)] FROM range(60) AS users(u)),
  run AS (FROM footfall.train_items(histories, items, times := times, k := 2))
SELECT round(hit_rate, 2) AS hit_rate, carried_by, footfall.recommend(model, [3, 4], k := 2) AS shown FROM run;$$;

CREATE MACRO footfall.main.recommend(model, items, k := 10, exclude := 'none', candidates := NULL) AS
system.main.recommend(model, items, k, {'given': exclude}, {'given': candidates});

COMMENT ON MACRO footfall.main.recommend IS $$What to show to somebody with that history: up to `k` items, the best first.

A LIST(STRUCT(item, score)): `item` is a BIGINT where `items` are whole numbers, and a VARCHAR where they are texts, so that it joins what it came from; `score` is the mixture of shares, which
compares items behind one history and nothing else. Of equal scores the more popular item is first. `unnest` makes rows of it.

Any history is allowed, also of users who were not in the training: it is what the model is asked, not who. An item of it that the model does not know says nothing of others, and may
come back as one of the user's own; NULLs are left out. `score_items(model, [], items)` has a NULL for each unknown item. Behind an empty history it is what was popular of late. Of
a history the last 1,000 items count. The model is decoded once, however many rows there are; keep it in a variable for EXECUTE, as with `footfall.predict_next`.

`exclude` and `candidates` are decided when it is called: what is in stock, what has a margin, a category. A list that everything is excluded from is empty.
An interrupted query ends when 2,048 rows are through.

Parameters:
- model: BLOB, of `footfall.train_items`.
- items: BIGINT[] or VARCHAR[], the history, oldest first. For a model whose items are texts VARCHAR[].
- k: the most items, 1 to 10000; fewer come where there are fewer.
- exclude: 'none'; 'seen', which shows nothing of the history, however long; or a list of items that are not shown, such as those that are sold out. NULL hides nothing.
- candidates: a list of items of which alone some are shown, whether popular or not; those that neither the model nor the history has are left out. NULL: all that it knows. Without
  the schema they are the fourth and the fifth argument, `recommend(model, items, 10, 'seen', [7, 9])`.

Example:
WITH histories(items, times) AS (
    SELECT [(u * (j + 1)) % 7 FOR j IN range(8)], [DATE '2026-01-01' + CAST(u % 9 + 3 * j AS INTEGER) FOR j IN range(8)] FROM range(60) AS users(u)),
  run AS (FROM footfall.train_items(histories, items, times := times))
SELECT footfall.recommend(model, [3, 4], k := 2, exclude := 'seen', candidates := [1, 2, 3, 99]) AS shown, footfall.recommend(model, [], k := 2) AS to_a_stranger FROM run;$$;

CREATE MACRO footfall.main.score_items(model, items, candidates) AS system.main.score_items(model, items, candidates);

COMMENT ON MACRO footfall.main.score_items IS $$How much a model has for each of some items, behind a history.

A LIST(STRUCT(item, score)) with the candidates in their order, NULLs left out; `score` is that of `footfall.recommend`, and NULL for an item that neither the model nor the history has.

Parameters:
- model, items: as in `footfall.recommend`.
- candidates: a list of the same type as `items`.

Example:
WITH histories(items, times) AS (
    SELECT [(u * (j + 1)) % 7 FOR j IN range(8)], [DATE '2026-01-01' + CAST(u % 9 + 3 * j AS INTEGER) FOR j IN range(8)] FROM range(60) AS users(u)),
  run AS (FROM footfall.train_items(histories, items, times := times))
SELECT [one.item FOR one IN footfall.score_items(model, [3, 4], [1, 2, 99]) IF one.score IS NULL] AS unknown FROM run;$$;

CREATE MACRO footfall.main.similar_items(model, item, k := 10) AS system.main.similar_items(model, item, k);

COMMENT ON MACRO footfall.main.similar_items IS $$What follows an item: what to show beside it to somebody of whom nothing else is known.

A LIST(STRUCT(item, score)), the strongest first, without the item itself, by counting and whatever a network says: `score` is the share of what follows the item in the training, by the weights of
`footfall.item_rules`; empty where the model does not know the item, or nothing follows it. Popular items follow everything; `footfall.item_rules` has the `lift` that tells them.

Parameters:
- model: BLOB, of `footfall.train_items`.
- item: BIGINT or VARCHAR, an item. For a model whose items are texts VARCHAR.
- k: the most items, 1 to 10000; the model has up to `top` of each.

Example:
WITH histories(items, times) AS (
    SELECT [(u * (j + 1)) % 7 FOR j IN range(8)], [DATE '2026-01-01' + CAST(u % 9 + 3 * j AS INTEGER) FOR j IN range(8)] FROM range(60) AS users(u)),
  run AS (FROM footfall.train_items(histories, items, times := times))
SELECT footfall.similar_items(model, 3, k := 2) AS similar FROM run;$$;

CREATE MACRO footfall.main.item_model_info(model) AS system.main.item_model_info(model);

COMMENT ON MACRO footfall.main.item_model_info IS $$What a model of items is made of.

A STRUCT: `architecture`, 'none' or 'sasrec'; `n_items`; `item_type`, 'BIGINT' or 'VARCHAR'; `n_rules`; `n_users` and `n_events` that were counted; `window_size` and `top` of the rules; `repeat`, `rules` and
`popular`, the weights of the parts, which are 1 together with `network`; `is_recent`, whether popular is what was so of late; `carried_by`, the part with a weight that was best by itself when the model was judged (of a model of earlier versions, that with the most weight); `made_of`, the
same in words; and `validation_from`, before which all was counted, NULL where the last item of each user was left out; `network`,
the weight of what a network says; and `n_network_items`, which the network knows, `dim`, `layers`, `heads` and `max_length`, NULL without one.

Parameters:
- model: BLOB, of `footfall.train_items`.

Example:
WITH histories(items, times) AS (
    SELECT [(u * (j + 1)) % 7 FOR j IN range(8)], [DATE '2026-01-01' + CAST(u % 9 + 3 * j AS INTEGER) FOR j IN range(8)] FROM range(60) AS users(u)),
  run AS (FROM footfall.train_items(histories, items, times := times))
SELECT footfall.item_model_info(model).n_items AS n_items FROM run;$$;
