-- Items: what to show next, by counting, and how good that is.

CREATE MACRO footfall.internal.pack_items(histories, n_items, called_as := 'pack_items') AS
system.main.pack_items(histories, n_items, called_as);

COMMENT ON MACRO footfall.internal.pack_items IS $$What users did with which items, as one value.

The order of the histories, and that of the events of one, makes no difference.

Parameters:
- histories: STRUCT(events BIGINT[], n_train BIGINT, n_fit BIGINT)[], one per user. An event is its place times 2^32, plus 2^31 where it is
  one of the latest of the training, plus 2^30 where it is later than the one before, plus the number of its item. The first `n_train`
  events train, and the first `n_fit` of them where the others say which settings are best.
- n_items: BIGINT; items have numbers below it, from 0.
- called_as: the macro that an error names.

Example:
SELECT octet_length(footfall.internal.pack_items([{'events': [0, 4294967297], 'n_train': 1, 'n_fit': 0}], 2)) > 0 AS is_packed;$$;

CREATE MACRO footfall.internal.item_rules_piece(job, histories, options, called_as := 'item_rules_piece') AS
system.main.item_rules_piece(job, histories, options, called_as);

COMMENT ON MACRO footfall.internal.item_rules_piece IS $$Looks for about half a second which items follow which: the step under `footfall.item_rules`.

A STRUCT: `job`, the number to go on with; `finished`; and `result`, BLOBs for `read_item_rules`, when it has finished.

Parameters:
- job: BIGINT, 0, or that of the piece before.
- histories: BLOB, of `pack_items`.
- options: STRUCT of `window_size`, `top`, `min_support` and `threads`.
- called_as: the macro that an error names.

Example:
SELECT p.finished FROM (SELECT footfall.internal.item_rules_piece(
    0, footfall.internal.pack_items([{'events': [0, 4294967297], 'n_train': 2, 'n_fit': 2}], 2),
    {'window_size': 10, 'top': 100, 'min_support': 1, 'threads': 1}) AS p);$$;

CREATE MACRO footfall.internal.read_item_rules(rules) AS system.main.read_item_rules(rules);

COMMENT ON MACRO footfall.internal.read_item_rules IS $$Rules that `item_rules_piece` found.

A list of STRUCTs: `item` and `next`, the numbers of two items, `weight`, `support` and `lift`, as in `footfall.item_rules`.

Parameters:
- rules: BLOB, one of those in `result` of `item_rules_piece`.

Example:
SELECT footfall.internal.read_item_rules(p.result[1]) AS rules FROM (SELECT footfall.internal.item_rules_piece(
    0, footfall.internal.pack_items([{'events': [0, 4294967297], 'n_train': 2, 'n_fit': 2}], 2),
    {'window_size': 10, 'top': 100, 'min_support': 1, 'threads': 1}) AS p);$$;

CREATE MACRO footfall.internal.evaluate_items_piece(job, histories, options, names, model, called_as := 'evaluate_items_piece') AS
system.main.evaluate_items_piece(job, histories, options, names, model, called_as);

COMMENT ON MACRO footfall.internal.evaluate_items_piece IS $$Scores methods that count for about half a second: the step under `footfall.evaluate_items`.

A STRUCT as that of `item_rules_piece`; `result` is a list with a STRUCT per method.

Parameters:
- job, histories, called_as: as for `item_rules_piece`.
- options: STRUCT of `k`, `targets`, `exclude_seen`, `window_size`, `threads`; `against`, the method that the others are compared with, or NULL;
  `memory_limit`, as text; and `moment`, from which on items are asked for, in microseconds since 1970, or NULL.
- names: STRUCT(numbers BIGINT[], texts VARCHAR[]), one of them empty: what the items are called, by their numbers. Only needed with a model.
- model: BLOB, of `footfall.train_items`, or an empty one.

Example:
SELECT p.finished FROM (SELECT footfall.internal.evaluate_items_piece(
    0, footfall.internal.pack_items([{'events': [0, 4294967297], 'n_train': 1, 'n_fit': 0}], 2),
    {'k': 10, 'targets': 'all', 'exclude_seen': false, 'window_size': 10, 'threads': 1, 'against': NULL, 'memory_limit': '4GB', 'moment': NULL},
    {'numbers': [], 'texts': []}, CAST('' AS BLOB)) AS p);$$;

CREATE MACRO footfall.internal.item_events(lists) AS TABLE
SELECT ff_user, footfall.internal.bytewise(ff_item) AS ff_item, ff_time, ff_before, ff_place
FROM (
    SELECT
        ff_user,
        unnest(ff_items) AS ff_item,
        unnest(ff_times) AS ff_time,
        unnest([CAST(NULL AS TIMESTAMP)] || ff_times) AS ff_before,
        generate_subscripts(ff_items, 1) AS ff_place
    FROM (SELECT row_number() OVER () AS ff_user, ff_items, ff_times FROM query_table(lists))
)
WHERE ff_item IS NOT NULL;

COMMENT ON MACRO TABLE footfall.internal.item_events IS $$The events of histories of items, one row each.

`ff_user`, a number of its own for each history; `ff_item`; `ff_time` and `ff_before`, its time and that of the event before it; and `ff_place` in its
list. Items that are NULL have no row.

Parameters:
- lists: a relation with the columns `ff_items` and `ff_times`, a TIMESTAMP[] of the same length, or NULL.

Example:
WITH lists(ff_items, ff_times) AS (VALUES (['a', 'b'], CAST(NULL AS TIMESTAMP[]))) SELECT ff_item, ff_place FROM footfall.internal.item_events(lists);$$;

CREATE MACRO footfall.internal.item_numbers(events) AS TABLE
SELECT ff_item, row_number() OVER (ORDER BY ff_item ASC NULLS LAST) - 1 AS ff_number
FROM (SELECT DISTINCT ff_item FROM query_table(events));

COMMENT ON MACRO TABLE footfall.internal.item_numbers IS $$A number from 0 for each item, in the order of the items.

Parameters:
- events: the result of `item_events`.

Example:
WITH events(ff_item) AS (VALUES ('b'), ('a'), ('b')) SELECT ff_item, ff_number FROM footfall.internal.item_numbers(events) ORDER BY ff_item;$$;

CREATE MACRO footfall.main.item_rules(
    tbl, user_id, item, ts, window_size := 10, top := 100, min_support := 1, tie_break := NULL
) AS TABLE
WITH RECURSIVE
footfall__histories AS NOT MATERIALIZED (
    SELECT ff_all.items AS ff_items, CAST(NULL AS TIMESTAMP[]) AS ff_times
    FROM footfall.internal.histories('item_rules', tbl, user_id, 0, ts, tie_break := tie_break, item := item) AS ff_all
),
ff_events AS MATERIALIZED (
    SELECT ff_user, ff_item, ff_place FROM footfall.internal.item_events(footfall__histories)
),
ff_numbers AS MATERIALIZED (
    FROM footfall.internal.item_numbers(ff_events)
),
ff_lists AS NOT MATERIALIZED (
    SELECT list(ff_place * 4294967296 + ff_number) AS events, count(*) AS n
    FROM ff_events
    JOIN ff_numbers ON ff_numbers.ff_item = ff_events.ff_item
    GROUP BY ff_user
),
ff_packed AS MATERIALIZED (
    SELECT system.main.pack_items(
        coalesce(list({'events': events, 'n_train': n, 'n_fit': n}), []), (SELECT count(*) FROM ff_numbers), 'item_rules'
    ) AS histories
    FROM ff_lists
),
ff_settings AS MATERIALIZED (
    SELECT {
        'window_size': footfall.internal.whole_option('item_rules', 'window_size', window_size, 1, 1000),
        'top': footfall.internal.whole_option('item_rules', 'top', top, 1, 10000),
        'min_support': footfall.internal.whole_option('item_rules', 'min_support', min_support, 1, 1000000000),
        'threads': CAST(current_setting('threads') AS BIGINT)
    } AS options
),
-- As in `segment`.
ff_run(ff_step, ff_pieces) AS (
    SELECT 0, [system.main.item_rules_piece(0, histories, options, 'item_rules')] FROM ff_packed, ff_settings
    UNION ALL
    SELECT ff_step + 1, [system.main.item_rules_piece(ff_pieces[1]['job'], histories, options, 'item_rules')]
    FROM ff_run, ff_packed, ff_settings
    WHERE NOT ff_pieces[1]['finished']
),
ff_found AS MATERIALIZED (
    SELECT any_value(ff_pieces[1]['result']) AS found FROM ff_run WHERE ff_pieces[1]['finished']
),
-- Materialised, so that no join keeps the bytes beside each rule.
ff_rules AS MATERIALIZED (
    SELECT unnest(system.main.read_item_rules(ff_part)) AS ff_rule FROM (SELECT unnest(found) AS ff_part FROM ff_found)
)
SELECT
    footfall.internal.unmarked(ff_one.ff_item) AS item,
    footfall.internal.unmarked(ff_other.ff_item) AS next_item,
    ff_rule['weight'] AS weight,
    ff_rule['support'] AS support,
    ff_rule['lift'] AS lift
FROM ff_rules
JOIN ff_numbers AS ff_one ON ff_one.ff_number = ff_rule['item']
JOIN ff_numbers AS ff_other ON ff_other.ff_number = ff_rule['next'];

COMMENT ON MACRO TABLE footfall.main.item_rules IS $$Which items follow which: what to show beside an item, or after it.

One row per item and item that follows it, in no particular order: `item`; `next_item`; `weight`, the sum over every occurrence of `item` of one over
the distance at which `next_item` follows, so 1 for the next event, 1/2 for the one behind it, up to `window_size` events further; `support`, the users of whom it
is true; and `lift`, the share of `next_item` in the weight behind `item` over its share in the weight behind all items: 1 is what
chance gives. Sequential rules (Kamehkhosh, Jannach and Ludewig, 2017), and with `window_size := 1` a Markov chain.

**Read `weight` for what happens most and `support` for whether to believe it.** Popular items follow everything, and have a high weight and a lift about 1; a
lift of 100 with a `support` of 1 is one customer, and so may a high weight be, of a program that opens the same pages again and again:
`min_support := 5` leaves out what fewer than five users did. An item follows itself where somebody returns to it, or where several actions
with one item are events of their own: `WHERE item <> next_item` leaves that out, or give the events of one action only.

Lines of one order have the same time and no order: what is first in a pair is chance there. Give `tie_break` where rows have an order,
or ask `footfall.bought_together` what is bought at once.

Rows without a user or an item, or with a time that is NULL or infinite, are left out. The numbers do not depend on the order of the rows or on the number of
threads; of equally heavy rules the more popular next item comes within `top` first. It ends within a second of an interruption.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: whose events they are, a column or expression of any type; a visit's id where only what is seen in one visit counts.
- item: a column or expression of any type: an item, or a category.
- ts: the time, as for `footfall.sequences`.
- window_size: how many events further an item still follows, 1 to 1000.
- top: the most rules of an item, the heaviest, 1 to 10000.
- min_support: the fewest users of a rule.
- tie_break: what orders events of the same time, as for `footfall.sequences`.

Example:
WITH views(visitor, page, seen) AS (VALUES
    (1, 'tent', TIMESTAMP '2026-05-01 10:00:00'), (1, 'stove', TIMESTAMP '2026-05-01 10:01:00'), (1, 'mat', TIMESTAMP '2026-05-01 10:02:00'),
    (2, 'tent', TIMESTAMP '2026-05-02 12:00:00'), (2, 'mat', TIMESTAMP '2026-05-02 12:05:00'))
FROM footfall.item_rules(views, visitor, page, seen) ORDER BY item, weight DESC;$$;

CREATE MACRO footfall.internal.packed_items(
    tbl, items, user_id, k, targets, times, validation_from, split, exclude_seen, window_size, with_names, called_as
) AS TABLE
WITH
footfall__lists AS NOT MATERIALIZED (
    SELECT
        items AS ff_items,
        footfall.internal.bytewise(user_id) AS ff_owner,
        typeof(user_id) <> typeof(NULL) AS ff_has_owner,
        typeof(times) <> typeof(NULL) AS ff_has_times,
        footfall.internal.moment_list(called_as, 'times', times) AS ff_times
    FROM query_table(tbl)
),
ff_rule AS MATERIALIZED (
    SELECT
        CASE
            WHEN footfall.internal.check_option(
                split IS NULL OR footfall.internal.option_name(split) IN ('time', 'leave_last_out'), called_as, 'split', split, '''time'', ''leave_last_out'''
            )
            THEN coalesce(CAST(split AS VARCHAR), 'time')
        END AS ff_split,
        CASE WHEN typeof(validation_from) <> typeof(NULL) THEN footfall.internal.instant(called_as, 'validation_from', validation_from) END AS ff_given,
        CASE WHEN footfall.internal.check_option(
            footfall.internal.option_name(targets) IN ('all', 'last', 'basket'), called_as, 'targets', targets, '''all'', ''last'', ''basket'''
        ) THEN CAST(targets AS VARCHAR) END AS ff_targets,
        footfall.internal.whole_option(called_as, 'k', k, 1, 10000) AS ff_k,
        footfall.internal.whole_option(called_as, 'window_size', window_size, 1, 1000) AS ff_window,
        CASE WHEN footfall.internal.check_option(
            typeof(exclude_seen) = 'BOOLEAN' AND exclude_seen IS NOT NULL, called_as, 'exclude_seen', exclude_seen, 'true, false'
        ) THEN CAST(CAST(exclude_seen AS VARCHAR) AS BOOLEAN) END AS ff_exclude
),
ff_twice AS NOT MATERIALIZED (
    SELECT min(CAST(ff_owner AS VARCHAR)) AS ff_name
    FROM (SELECT ff_owner FROM footfall__lists WHERE ff_has_owner AND ff_owner IS NOT NULL GROUP BY ff_owner HAVING count(*) > 1)
),
ff_histories AS NOT MATERIALIZED (
    SELECT
        ff_items,
        CASE
            WHEN NOT ff_has_times AND (ff_split = 'time' OR ff_targets = 'basket')
            THEN error(concat(
                'footfall.', called_as, ': argument ''times'' is NULL; allowed: the times of the items, as footfall.sequences gives them',
                CASE WHEN ff_targets <> 'basket' THEN ', or split := ''leave_last_out'', which knows the future of other users' END
            ))
            WHEN ff_has_times AND len(ff_times) <> len(ff_items)
            THEN error(concat(
                'footfall.', called_as, ': argument ''times'' holds ', len(ff_times), ' times where ''items'' holds ', len(ff_items),
                ' items; allowed: one time per item'
            ))
            ELSE ff_times
        END AS ff_times
    FROM footfall__lists
    CROSS JOIN ff_rule
    WHERE ff_items IS NOT NULL AND (NOT ff_has_times OR ff_times IS NOT NULL)
),
-- What is NULL is taken out first, so that the event before an item is one.
ff_known AS NOT MATERIALIZED (
    SELECT
        CASE WHEN ff_is_whole THEN ff_items ELSE list_select(ff_items, ff_kept) END AS ff_items,
        CASE WHEN ff_is_whole THEN ff_times ELSE list_select(ff_times, ff_kept) END AS ff_times
    FROM (
        SELECT
            *,
            list_count(ff_items) = len(ff_items) AND coalesce(list_count(ff_times) = len(ff_times), true) AS ff_is_whole,
            CASE WHEN NOT ff_is_whole
                THEN [place FOR place IN range(1, len(ff_items) + 1) IF ff_items[place] IS NOT NULL AND (ff_times IS NULL OR ff_times[place] IS NOT NULL)]
            END AS ff_kept
        FROM ff_histories
    )
),
ff_events AS MATERIALIZED (
    SELECT ff_user, ff_item, ff_time, ff_before, ff_place FROM footfall.internal.item_events(ff_known)
),
ff_moments AS MATERIALIZED (
    SELECT
        ff_moment,
        -- The last twentieth of the training is recent; its last fiftieth says which weights are best.
        (SELECT quantile_disc(ff_time, 0.95) FROM ff_events WHERE ff_time < ff_moment OR ff_moment IS NULL) AS ff_recent,
        (SELECT quantile_disc(ff_time, 0.98) FROM ff_events WHERE ff_time < ff_moment) AS ff_fit
    FROM (
        SELECT CASE
            WHEN ff_split <> 'time' AND ff_given IS NOT NULL
            THEN error(concat(
                'footfall.', called_as, ': argument ''validation_from'' is ', ff_given, '; allowed with split := ''leave_last_out'': NULL'
            ))
            WHEN ff_split = 'time' THEN coalesce(ff_given, (SELECT quantile_disc(ff_time, 0.9) FROM ff_events))
        END AS ff_moment
        FROM ff_rule
    )
),
ff_numbers AS MATERIALIZED (
    FROM footfall.internal.item_numbers(ff_events)
),
ff_users AS NOT MATERIALIZED (
    SELECT
        list(
            ff_place * 4294967296
            + CASE WHEN ff_time >= ff_recent AND (ff_time < ff_moment OR ff_moment IS NULL) THEN 2147483648 ELSE 0 END
            + CASE WHEN ff_time = ff_before THEN 0 ELSE 1073741824 END
            + ff_number
        ) AS events,
        count(*) AS n,
        CAST(count_if(ff_time < ff_moment) AS BIGINT) AS n_before,
        CAST(count_if(ff_time < ff_fit) AS BIGINT) AS n_fit,
        CAST(count_if(ff_time = ff_last) AS BIGINT) AS n_last,
        bool_or(ff_time < ff_before) AS ff_is_mixed
    FROM (SELECT *, CASE WHEN (SELECT ff_targets FROM ff_rule) = 'basket' THEN max(ff_time) OVER (PARTITION BY ff_user) END AS ff_last FROM ff_events) AS ff_all
    JOIN ff_numbers ON ff_numbers.ff_item = ff_all.ff_item
    CROSS JOIN ff_moments
    GROUP BY ff_user
),
ff_split_users AS NOT MATERIALIZED (
    SELECT
        CASE WHEN ff_is_mixed
            THEN error(concat(
                'footfall.', called_as, ': argument ''times'' holds a time that is before the one in front of it; allowed: histories in time order, as ',
                'footfall.sequences gives them'
            ))
            ELSE events
        END AS events,
        CASE WHEN ff_split = 'time' THEN n_before WHEN n < 3 THEN n WHEN ff_targets = 'basket' THEN n - n_last ELSE n - 1 END AS ff_n_train,
        CASE WHEN ff_split = 'time' THEN n_fit ELSE ff_n_train - 1 END AS ff_n_fit
    FROM ff_users
    CROSS JOIN ff_rule
),
ff_packed AS MATERIALIZED (
    SELECT
        CASE WHEN (SELECT ff_name FROM ff_twice) IS NOT NULL
            THEN error(concat(
                'footfall.', called_as, ': argument ''user_id'' is ', (SELECT left(ff_name, 200) FROM ff_twice), ' in more than one row; allowed: one row per user'
            ))
            ELSE true
        END AS ff_is_single,
        system.main.pack_items(
            coalesce(list({'events': events, 'n_train': ff_n_train, 'n_fit': greatest(ff_n_fit, 0)}), []), (SELECT count(*) FROM ff_numbers), called_as
        ) AS ff_histories,
        coalesce(CAST(sum(ff_n_train) AS BIGINT), 0) AS ff_n_trained
    FROM ff_split_users
),
ff_names AS NOT MATERIALIZED (
    SELECT
        list(TRY_CAST(CAST(ff_item AS VARCHAR) AS BIGINT) ORDER BY ff_number ASC NULLS LAST) FILTER (WHERE ff_is_whole) AS ff_whole,
        list(CAST(ff_item AS VARCHAR) ORDER BY ff_number ASC NULLS LAST) FILTER (WHERE NOT ff_is_whole) AS ff_text
    FROM (
        SELECT ff_item, ff_number, typeof(ff_item) IN ('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'UTINYINT', 'USMALLINT', 'UINTEGER') AS ff_is_whole
        FROM ff_numbers
        WHERE with_names
    )
)
SELECT
    ff_histories AS histories,
    {'numbers': coalesce(ff_whole, []), 'texts': coalesce(ff_text, [])} AS names,
    {
        'k': ff_k, 'targets': ff_targets, 'exclude_seen': ff_exclude, 'window_size': ff_window,
        'threads': CAST(current_setting('threads') AS BIGINT), 'memory_limit': current_setting('memory_limit'), 'moment': epoch_us(ff_moment)
    } AS options,
    ff_moment AS moment,
    concat(
        'footfall.', called_as, ': ',
        CASE WHEN ff_n_trained = 0 THEN 'there is no item to count' ELSE 'there is no item to be asked for' END,
        CASE WHEN ff_moment IS NULL THEN '; allowed: histories of three items or more'
            ELSE concat(' ', CASE WHEN ff_n_trained = 0 THEN 'before ' ELSE 'behind another one from ' END, ff_moment,
                CASE WHEN ff_n_trained = 0 THEN '' ELSE ' on' END, '; allowed: a validation_from that has items on both sides') END
    ) AS nothing,
    ff_n_trained = 0 AS is_untrained
FROM (SELECT * FROM ff_packed WHERE ff_is_single)
CROSS JOIN ff_names
CROSS JOIN ff_rule
CROSS JOIN ff_moments;

COMMENT ON MACRO TABLE footfall.internal.packed_items IS $$Histories of items with a moment that divides them, for what counts and what is asked of it.

One row: `histories`, of `pack_items`; `names`, as `evaluate_items_piece` takes them; `options`, as it takes them, but for `against`; `moment`, from which on items
are asked for; `nothing`, the error where there is nothing to count or to ask for; and `is_untrained`, whether there is nothing to count.

Parameters:
- tbl, items, user_id, k, targets, times, validation_from, split, exclude_seen, window_size: as in `footfall.train_items`.
- with_names: whether the names are needed.
- called_as: the macro that an error names.

Example:
WITH lists(items) AS (SELECT [i, i + 1, i + 2, i] FROM range(20) AS users(i))
SELECT names.numbers[:3] AS first_names
FROM footfall.internal.packed_items(lists, items, NULL, 10, 'all', NULL, NULL, 'leave_last_out', false, 10, true, 'evaluate_items');$$;

CREATE MACRO footfall.internal.item_evaluation(
    tbl, items, k, targets, times, validation_from, split, exclude_seen, window_size, given_model, against, called_as
) AS TABLE
WITH RECURSIVE
ff_given AS MATERIALIZED (
    SELECT
        CASE WHEN typeof(given_model) = typeof(NULL)
            THEN CAST('' AS BLOB)
            ELSE footfall.internal.trained_model(called_as, given_model, 'train_items', 'there is nothing to count')
        END AS ff_bytes,
        CAST(against AS VARCHAR) AS ff_against
),
ff_packed AS MATERIALIZED (
    SELECT ff_all.* FROM footfall.internal.packed_items(
        tbl, items, NULL, k, targets, times, validation_from, split, exclude_seen, window_size, typeof(given_model) <> typeof(NULL), called_as
    ) AS ff_all
),
ff_settings AS MATERIALIZED (
    SELECT struct_insert(options, against := ff_against) AS ff_options, histories AS ff_histories, names AS ff_names, ff_bytes
    FROM ff_packed
    CROSS JOIN ff_given
),
-- As in `segment`.
ff_run(ff_step, ff_pieces) AS (
    SELECT 0, [system.main.evaluate_items_piece(0, ff_histories, ff_options, ff_names, ff_bytes, called_as)] FROM ff_settings
    UNION ALL
    SELECT ff_step + 1, [system.main.evaluate_items_piece(ff_pieces[1]['job'], ff_histories, ff_options, ff_names, ff_bytes, called_as)]
    FROM ff_run, ff_settings
    WHERE NOT ff_pieces[1]['finished']
),
ff_found AS MATERIALIZED (
    SELECT any_value(ff_pieces[1]['result']) AS ff_reports FROM ff_run WHERE ff_pieces[1]['finished']
)
SELECT
    unnest(CASE WHEN len(ff_reports) = 0 OR is_untrained THEN error(nothing) ELSE ff_reports END) AS report,
    moment
FROM ff_found
CROSS JOIN ff_packed;

COMMENT ON MACRO TABLE footfall.internal.item_evaluation IS $$How good methods that count are at saying which item comes next, one STRUCT `report` for each.

Beside it `moment`, from which on items were asked for.

Parameters:
- tbl, items, k, targets, times, validation_from, split, exclude_seen, window_size: as in `footfall.evaluate_items`.
- given_model: a model that is judged beside the methods, or NULL.
- against: the method that the others are compared with, or NULL.
- called_as: the macro that an error names.

Example:
WITH histories(items) AS (SELECT [i, i + 1, i + 2, i] FROM range(20) AS users(i))
SELECT report.predictor FROM footfall.internal.item_evaluation(histories, items, 10, 'all', NULL, NULL, 'leave_last_out', false, 10, NULL, NULL, 'evaluate_items');$$;

CREATE MACRO footfall.main.evaluate_items(
    tbl, items, k := 10, targets := 'all', times := NULL, validation_from := NULL, split := NULL, exclude_seen := false, window_size := 10,
    model := NULL
) AS TABLE
SELECT
    ff_all.report['predictor'] AS predictor,
    ff_all.report['hit_rate']['mean'] AS hit_rate,
    ff_all.report['hit_rate']['standard_error'] AS hit_rate_standard_error,
    ff_all.report['ndcg']['mean'] AS ndcg,
    ff_all.report['ndcg']['standard_error'] AS ndcg_standard_error,
    ff_all.report['mrr']['mean'] AS mrr,
    ff_all.report['mrr']['standard_error'] AS mrr_standard_error,
    ff_all.report['coverage'] AS coverage,
    ff_all.report['n'] AS n,
    ff_all.report['n_users'] AS n_users,
    ff_all.report['repeat_share'] AS repeat_share,
    ff_all.report['unseen_share'] AS unseen_share,
    ff_all.report['made_of'] AS made_of,
    ff_all.moment AS validation_from
FROM footfall.internal.item_evaluation(
    tbl, items, k, targets, times, validation_from, split, exclude_seen, window_size, model, NULL, 'evaluate_items'
) AS ff_all;

COMMENT ON MACRO TABLE footfall.main.evaluate_items IS $$How good counting is at saying which item comes next, on what it has not counted: the table that a recommender must beat.

One row per method: with `model :=` first `model`, then `mixture` of the user's own items, rules and popularity; `popular`, most events; `popular_recent`, most events in the last twentieth of
the training (only where there are times); `repeat`, the user's own items, the latest first, then what is popular; `markov_1`, what came next after the last
item, and `rules`, what came within `window_size` events (as in `footfall.item_rules`), both with popularity behind; and `knn`, what the sessions have
that are most like the user's last 20 events (V-SKNN of Ludewig and Jannach, 2018, histories cut into sessions of 50). `made_of` says which part carries the mixture:
weights and decay are those with the best gain on the last fiftieth of the training, on which nothing else was counted then.

Columns: `hit_rate`, the share of lists of `k` that hold what came next; `ndcg`, which counts a hit for less the lower it stands (1 / log2(place + 1)); `mrr`, the mean of one over
its place; each with its standard error over users, since users are drawn and not events (`footfall.compare_recommenders` tells whether two differ); `coverage`, the share of the catalogue
that was on anybody's list; `n`, how often was asked, and `n_users`; `repeat_share`, the share of targets that the user had
before, which only a method that repeats can hit; `unseen_share`, the share of those that are not in the training, which nothing but `repeat` can
hit; and `validation_from`.

**No flattery.** Every item of the catalogue competes, not a sample of a hundred; items with equal scores stand at their mean place, so that no
order among equals is lucky; an item that was not in the training is a miss and no gap. Nothing from `validation_from` on is counted, but it is history
as soon as it has happened, so each question has the whole of it behind. `split := 'leave_last_out'`, as most papers have it, asks for the last item of each user and counts what all others did
later than that: compare it with papers, not with what a shop will see. With `exclude_seen` a list has nothing that the user had, and what comes again is a miss.

Targets are the second and later items of a history, as nothing is known before the first; of a history its last 1,000 events count. Lines of one order
foretell each other, so with `targets := 'all'` half an order says the rest; `targets := 'basket'` asks for all items of one time
at once, from what was before it: a hit is any of them, and `ndcg` has all. The numbers do not depend on the order of the rows or on the number of
threads. It ends within a second of an interruption; what needs more memory than DuckDB's `memory_limit`, or than the machine has free, is refused with the figure.

Parameters:
- tbl: a table, view, CTE or file with one row per user, such as that of `footfall.sequences(…, item := item_id)`.
- items: a list of what casts to one another: numbers or texts; NULLs in it are skipped.
- k: the length of the list, 1 to 10000.
- targets: 'all' items from `validation_from` on, the 'last' of each user, or each 'basket', which is what has one time.
- times: the times of the items, a list of the same length in ascending order.
- validation_from: DATE or TIMESTAMP: what is before it is counted, what is not is asked for. NULL takes the moment that has a tenth of the events behind it.
- split: 'time', or 'leave_last_out', which needs no times.
- exclude_seen: true where the shop does not show again what somebody had.
- window_size: how far rules look, 1 to 1000.
- model: a model of `footfall.train_items`, judged beside the others as the row `model`: as it is, with the catalogue that it has, while
  the others count the rows of `tbl` again. One that has counted events from `validation_from` on is refused; with `split := 'leave_last_out'` that cannot be seen.

Example:
WITH histories(items, times) AS (
    SELECT [(u * (j + 1)) % 7 FOR j IN range(8)], [DATE '2026-01-01' + CAST(u % 9 + 3 * j AS INTEGER) FOR j IN range(8)] FROM range(60) AS users(u))
SELECT predictor, round(hit_rate, 2) AS hit_rate, round(hit_rate_standard_error, 2) AS error, n FROM footfall.evaluate_items(histories, items, k := 2, times := times);$$;

CREATE MACRO footfall.main.compare_recommenders(
    tbl, items, recommender_a, recommender_b, k := 10, targets := 'all', times := NULL, validation_from := NULL, split := NULL, exclude_seen := false,
    window_size := 10, model := NULL
) AS TABLE
WITH ff_reports AS MATERIALIZED (
    SELECT ff_all.report AS ff_report
    FROM footfall.internal.item_evaluation(
        tbl, items, k, targets, times, validation_from, split, exclude_seen, window_size, model,
        CASE WHEN footfall.internal.check_option(
            footfall.internal.option_name(recommender_b) IN ('mixture', 'popular', 'popular_recent', 'repeat', 'markov_1', 'rules', 'knn')
            OR (footfall.internal.option_name(recommender_b) = 'model' AND typeof(model) <> typeof(NULL)),
            'compare_recommenders', 'recommender_b', recommender_b, '''mixture'', ''popular'', ''popular_recent'', ''repeat'', ''markov_1'', ''rules'', ''knn'', or ''model'' with model :='
        ) THEN CAST(recommender_b AS VARCHAR) END,
        'compare_recommenders'
    ) AS ff_all
),
ff_pairs AS (
    SELECT ff_a.ff_report AS ff_one, ff_b.ff_report AS ff_other, unnest(['hit_rate', 'ndcg', 'mrr']) AS ff_measure
    FROM ff_reports AS ff_a
    CROSS JOIN ff_reports AS ff_b
    WHERE footfall.internal.option_name(ff_a.ff_report['predictor']) = CAST(recommender_a AS VARCHAR)
    AND footfall.internal.option_name(ff_b.ff_report['predictor']) = CAST(recommender_b AS VARCHAR)
),
ff_measured AS (
    SELECT
        *,
        CASE ff_measure WHEN 'hit_rate' THEN ff_one['hit_rate'] WHEN 'ndcg' THEN ff_one['ndcg'] ELSE ff_one['mrr'] END AS ff_of_one,
        CASE ff_measure WHEN 'hit_rate' THEN ff_other['hit_rate'] WHEN 'ndcg' THEN ff_other['ndcg'] ELSE ff_other['mrr'] END AS ff_of_other
    FROM ff_pairs
)
SELECT
    ff_measure AS measure,
    ff_of_one['mean'] AS value_a,
    ff_of_other['mean'] AS value_b,
    ff_of_one['difference'] AS difference,
    ff_of_one['difference_standard_error'] AS standard_error,
    ff_one['n_users'] AS n_users,
    ff_one['n'] AS n
FROM ff_measured
WHERE (SELECT footfall.internal.check_option(
    footfall.internal.option_name(recommender_a) IN ('mixture', 'popular', 'popular_recent', 'repeat', 'markov_1', 'rules', 'knn')
            OR (footfall.internal.option_name(recommender_a) = 'model' AND typeof(model) <> typeof(NULL)),
    'compare_recommenders', 'recommender_a', recommender_a, '''mixture'', ''popular'', ''popular_recent'', ''repeat'', ''markov_1'', ''rules'', ''knn'', or ''model'' with model :='
))
ORDER BY list_position(['hit_rate', 'ndcg', 'mrr'], ff_measure) ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.main.compare_recommenders IS $$Compares two ways to say which item comes next, with the standard error of the difference.

One row per measure, `hit_rate`, `ndcg` and `mrr`: `value_a` and `value_b`; `difference`, the first minus the second, above 0 where the first is better;
its `standard_error` over users, who are the same for both, so it is smaller than the two errors suggest (that of a ratio: Cochran, 1977, Sampling
Techniques, section 6.4); `n_users`; and `n`. A difference of two standard errors is worth believing.

Parameters:
- recommender_a, recommender_b: 'mixture', 'popular', 'popular_recent', 'repeat', 'markov_1', 'rules', 'knn', or 'model', as in `footfall.evaluate_items`.
- model: a model of `footfall.train_items`, which is 'model'.
- tbl, items, k, targets, times, validation_from, split, exclude_seen, window_size: as in `footfall.evaluate_items`.

Example:
WITH histories(items, times) AS (
    SELECT [(u * (j + 1)) % 7 FOR j IN range(8)], [DATE '2026-01-01' + CAST(u % 9 + 3 * j AS INTEGER) FOR j IN range(8)] FROM range(60) AS users(u))
SELECT measure, round(difference, 2) AS difference, round(standard_error, 2) AS error
FROM footfall.compare_recommenders(histories, items, 'rules', 'popular', k := 2, times := times);$$;
