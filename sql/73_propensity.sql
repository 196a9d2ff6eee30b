-- Propensity: who does something within a horizon, from what was known at a moment.

CREATE MACRO footfall.internal.propensity_plan(options, called_as := 'propensity_plan') AS system.main.propensity_plan(options, called_as);

COMMENT ON MACRO footfall.internal.propensity_plan IS $$What a model of propensity is to be learned from, checked, as one value.

Parameters:
- options: STRUCT of `actions` (VARCHAR[]), `target` (the place of one, from 0), `windows` (DOUBLE[], days), `has_items`, `has_categories`, `has_amounts`,
  `own` (list of {name, levels}), `horizon` ({months, days, microseconds}), `cutoffs` (BIGINT[]), `learned_until`, `test_cutoff`, `known_until`, `holdout`, `seed`, `lookback` (microseconds).
- called_as: the macro that an error names.

Example:
SELECT octet_length(propensity_plan({'actions': ['buy'], 'target': 0, 'windows': [1, 7], 'has_items': false, 'has_categories': false, 'has_amounts': false,
    'own': [], 'horizon': {'months': 0, 'days': 3, 'microseconds': 0}, 'cutoffs': [0], 'learned_until': 9, 'test_cutoff': 9, 'known_until': 19,
    'holdout': 0.2, 'seed': 42, 'lookback': 9}, 'train_propensity')) > 0 AS is_a_plan;$$;

CREATE MACRO footfall.internal.propensity_features(plan) AS system.main.propensity_features(plan);

COMMENT ON MACRO footfall.internal.propensity_features IS $$The names of the features of a plan, in their order.

Parameters:
- plan: BLOB, of `propensity_plan`, or the field `plan` of `propensity_model_info`.

Example:
SELECT propensity_features(propensity_plan({'actions': ['buy'], 'target': 0, 'windows': [1, 7], 'has_items': false, 'has_categories': false, 'has_amounts': false,
    'own': [], 'horizon': {'months': 0, 'days': 3, 'microseconds': 0}, 'cutoffs': [0], 'learned_until': 9, 'test_cutoff': 9, 'known_until': 19,
    'holdout': 0.2, 'seed': 42, 'lookback': 9}, 'train_propensity'))[:3] AS first_three;$$;

CREATE MACRO footfall.internal.propensity_own(features, called_as := 'propensity_own') AS system.main.propensity_own(features, called_as);

COMMENT ON MACRO footfall.internal.propensity_own IS $$Names and values of a user's own columns as text: a STRUCT of `names` and `texts`.

Parameters:
- features: a STRUCT or a list of numbers, booleans and text; a list has the names 'feature 1' and so on.
- called_as: the macro that an error names.

Example:
SELECT propensity_own({'age': 31, 'country': 'NL'}, 'train_propensity').texts AS texts;$$;

CREATE MACRO footfall.internal.propensity_rows(history, own, key, plan, cutoffs, ends, called_as := 'propensity_rows') AS
system.main.propensity_rows(history, own, key, plan, cutoffs, ends, called_as);

COMMENT ON MACRO footfall.internal.propensity_rows IS $$The features of a user at each cut-off that has an event before it, and whether the target happened until its end, as records.

Parameters:
- history: the events: a STRUCT of lists: `at`, microseconds since 1970, `action`, the place of the action in the plan from 0 (UTINYINT, 255 for others), `item` and `category`, what is
  equal for equal ones (UBIGINT), and `amount` (DOUBLE), of which each may be empty.
- own: a list of {at, own}: the texts of `propensity_own` at a moment; an empty list where there are none.
- key: VARCHAR, who it is, of `split_key`.
- plan: BLOB, of `propensity_plan`.
- cutoffs: BIGINT[], moments in order; what is before one is known.
- ends: BIGINT[], where the horizon of each ends; an empty list where that is not known.
- called_as: the macro that an error names.

Example:
WITH plans(plan) AS (SELECT propensity_plan({'actions': ['buy'], 'target': 0, 'windows': [1, 7], 'has_items': false, 'has_categories': false, 'has_amounts': false,
    'own': [], 'horizon': {'months': 0, 'days': 3, 'microseconds': 0}, 'cutoffs': [0], 'learned_until': 9, 'test_cutoff': 9, 'known_until': 19,
    'holdout': 0.2, 'seed': 42, 'lookback': 9}, 'train_propensity'))
SELECT len(propensity_read(plan, propensity_rows({'at': [5], 'action': [0::UTINYINT], 'item': [1::UBIGINT], 'category': [1::UBIGINT], 'amount': [9.5::DOUBLE]}, [], 'Ada', plan, [6], [], 'train_propensity'))) AS n FROM plans;$$;

CREATE MACRO footfall.internal.propensity_read(plan, "rows") AS system.main.propensity_read(plan, "rows");

COMMENT ON MACRO footfall.internal.propensity_read IS $$Records as a list of what they hold: `cutoff`, its place from 0, `label`, `part` ('train', 'validation', 'test') and `features`.

Parameters:
- plan: BLOB, of `propensity_plan`.
- rows: BLOB, of `propensity_rows`.

Example:
WITH plans(plan) AS (SELECT propensity_plan({'actions': ['buy'], 'target': 0, 'windows': [1, 7], 'has_items': false, 'has_categories': false, 'has_amounts': false,
    'own': [], 'horizon': {'months': 0, 'days': 3, 'microseconds': 0}, 'cutoffs': [0], 'learned_until': 9, 'test_cutoff': 9, 'known_until': 19,
    'holdout': 0.2, 'seed': 42, 'lookback': 9}, 'train_propensity'))
SELECT propensity_read(plan, ''::BLOB) AS nobody FROM plans;$$;

CREATE MACRO footfall.internal.propensity_pack("rows", called_as := 'propensity_pack') AS system.main.propensity_pack("rows", called_as);

COMMENT ON MACRO footfall.internal.propensity_pack IS $$The records of all users as one value; the order makes no difference for what is learned.

Parameters:
- rows: BLOB[], each of `propensity_rows`; NULLs are left out.
- called_as: the macro that an error names.

Example:
SELECT octet_length(propensity_pack([''::BLOB, NULL], 'train_propensity')) AS n_bytes;$$;

CREATE MACRO footfall.internal.propensity_piece(job, "rows", plan, threads, called_as := 'propensity_piece') AS
system.main.propensity_piece(job, "rows", plan, threads, called_as);

COMMENT ON MACRO footfall.internal.propensity_piece IS $$Learns from packed records for about half a second: the step under `footfall.train_propensity`.

A STRUCT: `job`, the number to go on with; `finished`; and `result`, NULL until then: a STRUCT of `model` (NULL where all labels are the same), `rows`,
`positives`, `validation_rows`, `validation_loss` and `penalty`. A job that nobody asks for is gone after two seconds; one that the process does not
know begins anew, with the same result.

Parameters:
- job: BIGINT, 0 to begin, or `job` of the call before.
- rows: BLOB, of `propensity_pack`.
- plan: BLOB, of `propensity_plan`.
- threads: BIGINT, 1 to 1024; changes the time and not the result.
- called_as: the macro that an error names.

Example:
WITH plans(plan) AS (SELECT propensity_plan({'actions': ['buy'], 'target': 0, 'windows': [1, 7], 'has_items': false, 'has_categories': false, 'has_amounts': false,
    'own': [], 'horizon': {'months': 0, 'days': 3, 'microseconds': 0}, 'cutoffs': [0], 'learned_until': 9, 'test_cutoff': 9, 'known_until': 19,
    'holdout': 0.2, 'seed': 42, 'lookback': 9}, 'train_propensity'))
SELECT propensity_piece(0, ''::BLOB, plan, 1, 'train_propensity').result."rows" AS n_rows FROM plans;$$;

CREATE MACRO footfall.internal.propensity_score(model, "rows", called_as := 'propensity_score') AS
system.main.propensity_score(model, "rows", called_as);

COMMENT ON MACRO footfall.internal.propensity_score IS $$The probabilities of a user at the first cut-off in some records: the scalar under `footfall.propensity`.

A STRUCT: `model`, and the baselines `count`, `recency`, `own_history` and `base_rate`; `label`, NULL where it is not known. NULL without a record.

Parameters:
- model: BLOB, of `train_propensity`.
- rows: BLOB, of `propensity_rows` with the plan of the model.
- called_as: the macro that an error names.

Example:
WITH events AS (SELECT i % 50 AS u, CASE WHEN i % 3 = 0 THEN 'buy' ELSE 'pv' END AS a, TIMESTAMP '2017-11-25' + to_hours(CAST(i * i % 211 AS INTEGER)) AS t FROM range(400) n(i))
SELECT propensity_score(model, ''::BLOB, 'propensity') AS nobody FROM footfall.train_propensity(events, u, a, t, horizon := INTERVAL 1 DAY);$$;

CREATE MACRO footfall.internal.propensity_reasons(model, "rows", most) AS system.main.propensity_reasons(model, "rows", most);

COMMENT ON MACRO footfall.internal.propensity_reasons IS $$What moves the score of a user at the first cut-off in some records, in words.

Parameters:
- model: BLOB, of `train_propensity`.
- rows: BLOB, of `propensity_rows` with the plan of the model.
- most: BIGINT, how many reasons.

Example:
WITH events AS (SELECT i % 50 AS u, CASE WHEN i % 3 = 0 THEN 'buy' ELSE 'pv' END AS a, TIMESTAMP '2017-11-25' + to_hours(CAST(i * i % 211 AS INTEGER)) AS t FROM range(400) n(i))
SELECT propensity_reasons(model, ''::BLOB, 3) AS none_for_nobody FROM footfall.train_propensity(events, u, a, t, horizon := INTERVAL 1 DAY);$$;

CREATE MACRO footfall.internal.propensity_model_info(model, called_as := 'propensity_model_info') AS
system.main.propensity_model_info(model, called_as);

COMMENT ON MACRO footfall.internal.propensity_model_info IS $$What a model of propensity holds.

A STRUCT: `plan`, `target`, `actions`, the horizon as `months`, `days` and `microseconds`, the moments `cutoffs`, `learned_until`, `test_cutoff` and `known_until` in
microseconds since 1970, `lookback` in microseconds, `has_items`, `has_categories`, `has_amounts`, `n_own`, `holdout`, `seed`, `base_rate`; `features` with their `weights` when they are standardised,
`raw_weights` when they are not, and `intercept` and `raw_intercept` for the one and the other.

Parameters:
- model: BLOB, of `train_propensity`.
- called_as: the macro that an error names.

Example:
WITH events AS (SELECT i % 50 AS u, CASE WHEN i % 3 = 0 THEN 'buy' ELSE 'pv' END AS a, TIMESTAMP '2017-11-25' + to_hours(CAST(i * i % 211 AS INTEGER)) AS t FROM range(400) n(i))
SELECT propensity_model_info(model, 'propensity').target AS target FROM footfall.train_propensity(events, u, a, t, horizon := INTERVAL 1 DAY);$$;

CREATE MACRO footfall.internal.propensity_events(
    function_name, tbl, user_id, action, ts, item, category, amount, features, time_zone, before
) AS TABLE
WITH ff_events AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key(function_name, 'user_id', user_id) AS event_user,
        footfall.internal.action_name(footfall.internal.column_value(function_name, 'action', action, typeof(ff_row))) AS event_action,
        footfall.internal.local_time(function_name, 'ts', ts, time_zone := time_zone, default_zone := 'UTC') AS event_time,
        typeof(ts) = 'DATE' AS is_day,
        footfall.internal.usable_group(function_name, 'item', item) AS event_item,
        footfall.internal.usable_group(function_name, 'category', category) AS event_category,
        footfall.internal.number(function_name, 'amount', amount) AS money,
        typeof(item) <> typeof(NULL) AS has_items,
        typeof(category) <> typeof(NULL) AS has_categories,
        typeof(amount) <> typeof(NULL) AS has_amounts,
        CASE WHEN typeof(features) <> typeof(NULL) THEN system.main.propensity_own(features, function_name) END AS own
    FROM query_table(tbl) AS ff_row
)
SELECT
    event_user,
    event_action,
    event_time,
    is_day,
    CASE WHEN event_item IS NOT NULL THEN hash(event_item) END AS item_mark,
    CASE WHEN event_category IS NOT NULL THEN hash(event_category) END AS category_mark,
    CASE WHEN isfinite(money) IS NOT false
        THEN money
        ELSE error(concat('footfall.', function_name, ': argument ''amount'' holds ', money, '; allowed: finite numbers and NULL'))
    END AS money,
    has_items,
    has_categories,
    has_amounts,
    own
FROM ff_events
WHERE event_user IS NOT NULL AND event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity'
    AND (before IS NULL OR event_time < before);

COMMENT ON MACRO TABLE footfall.internal.propensity_events IS $$The events as the macros of propensity read them, those of nobody and without a time left out.

One row per event: `event_user`, `event_action`, `event_time`, `is_day` (whether times are days), `item_mark`, `category_mark` (equal for equal ones), `money`,
`has_items`, `has_categories` and `has_amounts` (whether they were given), and `own`.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, user_id, action, ts, item, category, amount, features, time_zone: as in `train_propensity`.
- before: TIMESTAMP, the events from which on are left out; NULL keeps all.

Example:
WITH events(u, a, t) AS (VALUES (1, 'pv', TIMESTAMP '2017-11-25 10:00:00'), (1, 'buy', TIMESTAMP '2017-11-25 11:00:00'))
SELECT event_user, event_action, event_time FROM footfall.internal.propensity_events('propensity', events, u, a, t, NULL, NULL, NULL, NULL, NULL, NULL);$$;

CREATE MACRO footfall.internal.propensity_counts(events) AS TABLE
SELECT
    event_action,
    count(*) AS n_events,
    min(event_time) AS first_time,
    max(event_time) AS last_time,
    bool_or(is_day) AS are_days,
    bool_or(has_items) AS with_items,
    bool_or(has_categories) AS with_categories,
    bool_or(has_amounts) AS with_amounts,
    any_value(own['names']) AS own_names
FROM query_table(events)
GROUP BY event_action;

COMMENT ON MACRO TABLE footfall.internal.propensity_counts IS $$What is to be known of events before they are looked at one by one.

One row per action: `event_action`, `n_events`, `first_time`, `last_time`, `are_days`, `with_items`, `with_categories`, `with_amounts` and `own_names`.

Parameters:
- events: the rows of `propensity_events`.

Example:
WITH events(u, a, t) AS (VALUES (1, 'pv', TIMESTAMP '2017-11-25 10:00:00'), (1, 'buy', TIMESTAMP '2017-11-25 11:00:00')),
    seen AS (FROM footfall.internal.propensity_events('propensity', events, u, a, t, NULL, NULL, NULL, NULL, NULL, NULL))
SELECT event_action, n_events FROM footfall.internal.propensity_counts(seen) ORDER BY event_action;$$;

CREATE MACRO footfall.internal.propensity_horizon(function_name, given) AS
CASE WHEN footfall.internal.check_option(
    footfall.internal.duration(function_name, 'horizon', given) BETWEEN INTERVAL 1 HOUR AND INTERVAL 10 YEAR,
    function_name, 'horizon', given, 'an INTERVAL from 1 hour to 10 years'
) THEN footfall.internal.duration(function_name, 'horizon', given) END;

COMMENT ON MACRO footfall.internal.propensity_horizon IS $$How far ahead is looked, or the error for what is no such length.

Parameters:
- function_name: the macro's name, for the message.
- given: an INTERVAL.

Example:
SELECT footfall.internal.propensity_horizon('train_propensity', INTERVAL 3 DAYS) AS horizon;$$;

CREATE MACRO footfall.internal.propensity_extent(function_name, counts, as_of) AS TABLE
WITH ff_counts AS NOT MATERIALIZED (
    SELECT first_time, last_time, are_days, with_items, with_categories, with_amounts, own_names FROM query_table(counts)
),
ff_ends AS (
    SELECT
        min(first_time) AS first_time,
        max(last_time) AS last_time,
        bool_or(are_days) AS are_days,
        bool_or(with_items) AS with_items,
        bool_or(with_categories) AS with_categories,
        bool_or(with_amounts) AS with_amounts,
        any_value(own_names) AS own_names,
        footfall.internal.moment_option(function_name, 'as_of', as_of) AS asked
    FROM ff_counts
)
SELECT
    first_time,
    last_time,
    with_items,
    with_categories,
    with_amounts,
    own_names,
    CASE
        WHEN last_time IS NULL THEN NULL
        WHEN last_time > TIMESTAMP '100000-01-01' OR first_time < TIMESTAMP '100000-01-01 (BC)' THEN CAST(error(concat(
            'footfall.', function_name, ': argument ''ts'' goes from ', first_time, ' to ', last_time, '; allowed: times within 100000 years of the year 1'
        )) AS TIMESTAMP)
        WHEN asked IS NULL THEN CASE WHEN are_days
            THEN last_time + INTERVAL 1 DAY
            ELSE date_trunc('minute', last_time) + INTERVAL 1 MINUTE
        END
        WHEN asked < CAST(last_time AS DATE) + INTERVAL 1 DAY OR asked = CAST(last_time AS DATE) + INTERVAL 1 DAY THEN asked
        ELSE CAST(error(concat(
            'footfall.', function_name, ': argument ''as_of'' is ', asked, ', and the last event is of ', last_time,
            ': what came after it is not known, which is not the same as nothing; allowed: until ', CAST(last_time AS DATE) + INTERVAL 1 DAY
        )) AS TIMESTAMP)
    END AS known_until
FROM ff_ends;

COMMENT ON MACRO TABLE footfall.internal.propensity_extent IS $$From when until when the events are known: one row of `first_time`, `last_time` and `known_until`, and what `propensity_counts` tells of the columns.

Parameters:
- function_name: the macro that was called, for messages.
- counts: the rows of `propensity_counts`.
- as_of: DATE or TIMESTAMP; NULL is the full minute after the last event, or the day after where times are days.

Example:
WITH events(u, a, t) AS (VALUES (1, 'pv', TIMESTAMP '2017-11-25 10:00:20')),
    seen AS (FROM footfall.internal.propensity_events('propensity', events, u, a, t, NULL, NULL, NULL, NULL, NULL, NULL)),
    counts AS (FROM footfall.internal.propensity_counts(seen))
SELECT known_until FROM footfall.internal.propensity_extent('propensity', counts, NULL);$$;

CREATE MACRO footfall.internal.propensity_moments(function_name, argument_name, given) AS
CASE
    WHEN typeof(given) = typeof(NULL) THEN CAST(NULL AS TIMESTAMP[])
    WHEN typeof(given) LIKE '%[%]' AND typeof(given) NOT LIKE '%ZONE%' AND len(TRY_CAST(given AS VARCHAR[])) BETWEEN 1 AND 100
        AND NOT list_contains([coalesce(isfinite(TRY_CAST(one AS TIMESTAMP)), false) FOR one IN TRY_CAST(given AS VARCHAR[])], false)
    THEN list_sort(list_distinct([TRY_CAST(one AS TIMESTAMP) FOR one IN TRY_CAST(given AS VARCHAR[])]), 'ASC', 'NULLS LAST')
    ELSE error(concat(
        'footfall.', function_name, ': argument ''', argument_name, ''' is ', coalesce(footfall.internal.shown(given), 'NULL'),
        '; allowed: a list of 1 to 100 moments such as [TIMESTAMP ''2017-11-28'', TIMESTAMP ''2017-11-29'']'
    ))
END;

COMMENT ON MACRO footfall.internal.propensity_moments IS $$A list of moments in order, or the error for what is none; NULL stays NULL.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: a list of DATEs or TIMESTAMPs.

Example:
SELECT footfall.internal.propensity_moments('train_propensity', 'cutoffs', [DATE '2017-11-28', DATE '2017-11-27']) AS moments;$$;

CREATE MACRO footfall.internal.propensity_lookback(function_name, given) AS
CASE WHEN given IS NULL OR footfall.internal.check_option(
    footfall.internal.duration(function_name, 'lookback', given) BETWEEN INTERVAL 1 HOUR AND INTERVAL 100 YEAR,
    function_name, 'lookback', given, 'an INTERVAL from 1 hour to 100 years, or NULL for as long as the first cut-off has events before it'
) THEN footfall.internal.duration(function_name, 'lookback', given) END;

COMMENT ON MACRO footfall.internal.propensity_lookback IS $$How long before a moment events count, or the error for what is no such length; NULL stays NULL.

Parameters:
- function_name: the macro's name, for the message.
- given: an INTERVAL.

Example:
SELECT footfall.internal.propensity_lookback('train_propensity', INTERVAL 90 DAYS) AS lookback;$$;

CREATE MACRO footfall.internal.propensity_cutoffs(function_name, extent, cutoffs, test_cutoff, horizon, lookback) AS TABLE
WITH ff_extent AS MATERIALIZED (
    SELECT
        *,
        footfall.internal.propensity_horizon(function_name, horizon) AS ahead,
        footfall.internal.propensity_moments(function_name, 'cutoffs', cutoffs) AS given,
        footfall.internal.moment_option(function_name, 'test_cutoff', test_cutoff) AS given_test,
        footfall.internal.propensity_lookback(function_name, lookback) AS back
    FROM query_table(extent)
    WHERE first_time IS NOT NULL
),
ff_test AS MATERIALIZED (
    SELECT
        *,
        CASE
            WHEN given_test IS NULL THEN known_until - ahead
            WHEN given_test + ahead <= known_until THEN given_test
            ELSE CAST(error(concat(
                'footfall.', function_name, ': argument ''test_cutoff'' is ', given_test, ', whose horizon of ', ahead, ' reaches to ', given_test + ahead,
                ', beyond what is known: the events end at ', last_time, ' and are known until ', known_until, '; allowed: until ', known_until - ahead
            )) AS TIMESTAMP)
        END AS test_moment
    FROM ff_extent
),
ff_room AS NOT MATERIALIZED (
    SELECT
        *,
        test_moment - ahead AS newest,
        -- Four cut-offs, the first of which has at least two thirds of what the last has before it.
        (CAST(epoch_us(newest) AS HUGEINT) - epoch_us(first_time)) // 9 AS room_us,
        epoch_us(test_moment) - epoch_us(newest) AS ahead_us
    FROM ff_test
),
ff_chosen AS (
    SELECT
        *,
        CASE
            WHEN given IS NOT NULL THEN given
            WHEN room_us >= ahead_us THEN [newest - ahead * step FOR step IN [3, 2, 1, 0]]
            WHEN room_us >= 3600000000 THEN [newest - to_hours(step * CAST(room_us // 3600000000 AS INTEGER)) FOR step IN [3, 2, 1, 0]]
            ELSE [newest]
        END AS moments
    FROM ff_room
)
SELECT
    * EXCLUDE (given, given_test, back, newest, room_us, ahead_us),
    [one + ahead FOR one IN moments] AS ends,
    -- As long at each cut-off as the first one has events before it.
    CASE WHEN back IS NULL
        THEN epoch_us(moments[1]) - epoch_us(first_time)
        ELSE epoch_us(moments[1]) - epoch_us(moments[1] - back)
    END AS lookback_us,
    moments[-1] + ahead AS learned_until
FROM ff_chosen
WHERE CASE
    WHEN moments[1] > first_time AND moments[-1] + ahead <= test_moment THEN true
    WHEN given IS NULL THEN CAST(error(concat(
        'footfall.', function_name, ': argument ''horizon'' is ', ahead, ', and the events go from ', first_time, ' to ', last_time,
        '; allowed: a shorter one: some events, then a horizon to learn from, then one to test on until ', known_until
    )) AS BOOLEAN)
    WHEN moments[1] <= first_time THEN CAST(error(concat(
        'footfall.', function_name, ': argument ''cutoffs'' holds ', moments[1], ', before which there is no event; allowed: after ', first_time
    )) AS BOOLEAN)
    ELSE CAST(error(concat(
        'footfall.', function_name, ': argument ''cutoffs'' holds ', moments[-1], ', whose horizon of ', ahead, ' reaches to ', moments[-1] + ahead,
        ', beyond the cut-off of the test, ', test_moment, '; allowed: until ', newest
    )) AS BOOLEAN)
END;

COMMENT ON MACRO TABLE footfall.internal.propensity_cutoffs IS $$The cut-offs that are learned from and the later one of the test.

One row, none without events: that of `propensity_extent`, and `ahead` (the horizon), `test_moment`, `moments` (TIMESTAMP[] in order), `ends` (where
their horizons end), `lookback_us` (how long before each events count) and `learned_until` (where the last of these ends).

Parameters:
- function_name: the macro that was called, for messages.
- extent: the row of `propensity_extent`.
- cutoffs, test_cutoff, horizon, lookback: as in `train_propensity`.

Example:
WITH extent(first_time, last_time, known_until) AS (VALUES (TIMESTAMP '2017-11-25', TIMESTAMP '2017-12-03 23:59:00', TIMESTAMP '2017-12-04'))
SELECT moments, test_moment FROM footfall.internal.propensity_cutoffs('train_propensity', extent, NULL, NULL, INTERVAL 3 DAYS, NULL);$$;

CREATE MACRO footfall.internal.propensity_windows(function_name, given) AS
[
    CASE WHEN footfall.internal.check_option(
        len(days) BETWEEN 1 AND 8 AND days[1] >= 0.01 AND days[-1] <= 36525 AND len(list_filter(days, lambda day: day IS NULL OR isnan(day))) = 0,
        function_name, 'windows', given, 'a list of 1 to 8 numbers of days from 0.01 to 36525, such as [1, 7, 30]'
    ) THEN days END
    FOR days IN [list_sort(list_distinct(footfall.internal.number_list(function_name, 'windows', given)), 'ASC', 'NULLS LAST')]
][1];

COMMENT ON MACRO footfall.internal.propensity_windows IS $$The windows of counts in order, or the error for what are none.

Parameters:
- function_name: the macro's name, for the message.
- given: a list of numbers of days.

Example:
SELECT footfall.internal.propensity_windows('train_propensity', [7, 1]) AS days;$$;

CREATE MACRO footfall.internal.propensity_histories(function_name, events, actions_known) AS TABLE
WITH ff_actions AS MATERIALIZED (
    SELECT unnest(actions_known) AS known_action, CAST(unnest(range(len(actions_known))) AS BIGINT) AS action_place
),
ff_placed AS NOT MATERIALIZED (
    SELECT
        event_user,
        own,
        epoch_us(event_time) AS at_us,
        CAST(coalesce(action_place, 255) AS UTINYINT) AS action_place,
        item_mark,
        category_mark,
        money,
        has_items,
        has_categories,
        has_amounts
    FROM (FROM query_table(events)) AS ff_events
    LEFT JOIN ff_actions ON known_action = event_action
)
-- Lists of the same rows are in the same order: an aggregate is fed row by row, and parts are put together as whole groups. One list of STRUCTs takes three times as long.
SELECT
    event_user,
    footfall.internal.split_key(function_name, event_user) AS user_key,
    {
        'at': list(at_us),
        'action': list(action_place),
        'item': coalesce(list(item_mark) FILTER (has_items), CAST([] AS UBIGINT[])),
        'category': coalesce(list(category_mark) FILTER (has_categories), CAST([] AS UBIGINT[])),
        'amount': coalesce(list(money) FILTER (has_amounts), CAST([] AS DOUBLE[]))
    } AS history,
    coalesce(
        list({'at': at_us, 'own': own['texts']}) FILTER (own IS NOT NULL),
        CAST([] AS STRUCT("at" BIGINT, own VARCHAR[])[])
    ) AS own_history
FROM ff_placed
GROUP BY event_user;

COMMENT ON MACRO TABLE footfall.internal.propensity_histories IS $$The events of each user as `propensity_rows` takes them: `event_user`, `user_key`, `history` and `own_history`.

Parameters:
- function_name: the macro that was called, for messages.
- events: the rows of `propensity_events`.
- actions_known: VARCHAR[], the actions of the plan.

Example:
WITH seen AS (SELECT 1 AS event_user, 'pv' AS event_action, TIMESTAMP '2017-11-25' AS event_time, 1::UBIGINT AS item_mark, 1::UBIGINT AS category_mark,
    9.5::DOUBLE AS money, true AS has_items, true AS has_categories, true AS has_amounts, CAST(NULL AS STRUCT(names VARCHAR[], texts VARCHAR[])) AS own)
SELECT user_key, len(history['at']) AS n FROM footfall.internal.propensity_histories('propensity', seen, ['buy', 'pv']);$$;

CREATE MACRO footfall.main.train_propensity(
    tbl, user_id, action, ts, target := 'buy', horizon := INTERVAL '7 days', item := NULL, category := NULL, amount := NULL, features := NULL,
    cutoffs := NULL, test_cutoff := NULL, lookback := NULL, as_of := NULL, windows := [1, 7, 30], holdout := 0.2, seed := 42, time_zone := NULL
) AS TABLE
WITH RECURSIVE
ff_seen AS MATERIALIZED (
    FROM footfall.internal.propensity_events(
        'train_propensity', tbl, user_id, action, ts, item, category, amount, features, time_zone,
        footfall.internal.moment_option('train_propensity', 'as_of', as_of)
    )
),
ff_counts AS MATERIALIZED (
    FROM footfall.internal.propensity_counts(ff_seen)
),
ff_extent AS MATERIALIZED (
    FROM footfall.internal.propensity_extent('train_propensity', ff_counts, as_of)
),
ff_cutoffs AS MATERIALIZED (
    FROM footfall.internal.propensity_cutoffs('train_propensity', ff_extent, cutoffs, test_cutoff, horizon, lookback)
),
-- The target, and of the others the most frequent.
ff_actions AS MATERIALIZED (
    SELECT list(footfall.internal.unmarked(event_action) ORDER BY event_action ASC NULLS LAST) AS names
    FROM (
        FROM ff_counts
        WHERE event_action IS NOT NULL
        ORDER BY event_action = footfall.internal.action_name(target) DESC NULLS LAST, n_events DESC NULLS LAST, event_action ASC NULLS LAST
        LIMIT 12
    )
),
ff_own_values AS NOT MATERIALIZED (
    SELECT unnest(own['texts']) AS one_text, unnest(range(1, len(own['texts']) + 1)) AS own_place
    FROM ff_seen
    WHERE own IS NOT NULL AND event_time < (SELECT learned_until FROM ff_cutoffs)
),
ff_levels AS MATERIALIZED (
    SELECT
        own_place,
        footfall.internal.action_name(one_text) AS one_level,
        one_text IN ('true', 'false') OR TRY_CAST(one_text AS DOUBLE) IS NOT NULL AS is_number,
        row_number() OVER (PARTITION BY own_place ORDER BY count(*) DESC NULLS LAST, footfall.internal.action_name(one_text) ASC NULLS LAST) AS level_place
    FROM ff_own_values
    WHERE trim(one_text) <> ''
    GROUP BY own_place, footfall.internal.action_name(one_text), one_text
),
ff_columns AS MATERIALIZED (
    SELECT list({
        'name': own_names[own_place],
        'levels': CASE WHEN NOT coalesce(all_numbers, true) THEN list_sort(frequent, 'ASC', 'NULLS LAST') END
    } ORDER BY own_place ASC NULLS LAST) AS own_columns
    FROM (SELECT own_names, unnest(range(1, len(own_names) + 1)) AS own_place FROM ff_extent) AS ff_names
    LEFT JOIN (
        SELECT
            own_place AS level_of,
            bool_and(is_number) AS all_numbers,
            list(footfall.internal.unmarked(one_level) ORDER BY level_place ASC NULLS LAST) FILTER (level_place <= 20) AS frequent
        FROM ff_levels
        GROUP BY own_place
    ) AS ff_kinds ON level_of = own_place
),
ff_planned AS MATERIALIZED (
    SELECT
        ff_cutoffs.*,
        names,
        [epoch_us(one) FOR one IN moments] AS moments_us,
        [epoch_us(one) FOR one IN ends] AS ends_us,
        system.main.propensity_plan(
            {
                'actions': names,
                'target': list_position(names, CAST(target AS VARCHAR)) - 1,
                'windows': footfall.internal.propensity_windows('train_propensity', windows),
                'has_items': with_items,
                'has_categories': with_categories,
                'has_amounts': with_amounts,
                'own': coalesce(own_columns, []),
                'horizon': {'months': datepart('year', ahead) * 12 + datepart('month', ahead), 'days': datepart('day', ahead), 'microseconds': epoch_us(ahead - to_months(CAST(datepart('year', ahead) * 12 + datepart('month', ahead) AS INTEGER)) - to_days(CAST(datepart('day', ahead) AS INTEGER)))},
                'cutoffs': moments_us,
                'learned_until': epoch_us(learned_until),
                'test_cutoff': epoch_us(test_moment),
                'known_until': epoch_us(known_until),
                'holdout': CASE WHEN footfall.internal.check_option(
                    TRY_CAST(CAST(holdout AS VARCHAR) AS DOUBLE) BETWEEN 0.05 AND 0.4, 'train_propensity', 'holdout', holdout, 'a share from 0.05 to 0.4'
                ) THEN TRY_CAST(CAST(holdout AS VARCHAR) AS DOUBLE) END,
                'seed': footfall.internal.whole_option('train_propensity', 'seed', seed, 0, 9000000000000000),
                'lookback': lookback_us
            },
            'train_propensity'
        ) AS plan_bytes
    FROM ff_cutoffs
    CROSS JOIN ff_actions
    CROSS JOIN ff_columns
    WHERE CASE WHEN names IS NULL OR list_contains(names, CAST(target AS VARCHAR))
        THEN true
        ELSE CAST(error(footfall.internal.not_found('train_propensity', 'argument ''target''', target, names)) AS BOOLEAN)
    END
),
-- What comes after the last horizon that is learned from is not looked at.
ff_known AS NOT MATERIALIZED (
    FROM ff_seen WHERE event_time < (SELECT learned_until FROM ff_cutoffs)
),
ff_histories AS NOT MATERIALIZED (
    FROM footfall.internal.propensity_histories('train_propensity', ff_known, (SELECT names FROM ff_planned))
),
ff_packed AS MATERIALIZED (
    SELECT system.main.propensity_pack(list(system.main.propensity_rows(
        history, own_history, user_key, plan_bytes, moments_us, ends_us, 'train_propensity'
    )), 'train_propensity') AS packed, count(*) AS n_users
    FROM ff_histories
    CROSS JOIN ff_planned
),
-- A row per half a second of work: between two of them DuckDB looks for an interruption. Each is wrapped in a list
-- for the reason that `train` gives.
ff_run(ff_step, ff_pieces) AS (
    SELECT 0, [system.main.propensity_piece(0, packed, plan_bytes, current_setting('threads'), 'train_propensity')]
    FROM ff_packed
    CROSS JOIN ff_planned
    UNION ALL
    SELECT ff_step + 1, [system.main.propensity_piece(ff_pieces[1]['job'], packed, plan_bytes, current_setting('threads'), 'train_propensity')]
    FROM ff_run
    CROSS JOIN ff_packed
    CROSS JOIN ff_planned
    WHERE NOT ff_pieces[1]['finished']
),
ff_learned AS MATERIALIZED (
    SELECT any_value(ff_pieces[1]['result']) AS learned FROM ff_run WHERE ff_pieces[1]['finished']
)
SELECT
    CASE WHEN learned['model'] IS NOT NULL
        THEN learned['model']
        ELSE CAST(error(concat(
            'footfall.train_propensity: argument ''target'' is ', footfall.internal.shown(target), ', which ',
            CASE WHEN learned['positives'] = 0 THEN 'nobody' ELSE 'everybody' END, ' did within ', ahead, ' of the cut-offs from ', moments[1], ' to ', moments[-1],
            ' (', learned['rows'], ' users at cut-offs); allowed: one that some do and some do not, or another horizon'
        )) AS BLOB)
    END AS model,
    CAST(target AS VARCHAR) AS target,
    ahead AS horizon,
    moments AS cutoffs,
    test_moment AS test_cutoff,
    to_microseconds(lookback_us) AS lookback,
    known_until,
    n_users AS users,
    learned['rows'] AS "rows",
    learned['positives'] AS positives,
    learned['positives'] / learned['rows'] AS base_rate,
    learned['validation_rows'] AS validation_rows,
    learned['validation_loss'] AS validation_loss,
    learned['penalty'] AS penalty,
    system.main.propensity_features(plan_bytes) AS features
FROM ff_planned
CROSS JOIN ff_learned
CROSS JOIN ff_packed;

COMMENT ON MACRO TABLE footfall.main.train_propensity IS $$Learns who does something within a horizon, from what was known at a moment: a model for `propensity`.

One row: `model` (a BLOB), `target`, `horizon`, `cutoffs` (the moments that were learned from), `test_cutoff` (the later one of `propensity_report`), `lookback`,
`known_until`, `users` (with an event until the last horizon that was learned from ended), `rows` (users at cut-offs that were learned from), `positives` (those who did it within the horizon), `base_rate`, `validation_rows` and
`validation_loss` (mean log loss of the users who chose the penalty, at the best one), `penalty`, and the names of the `features`. No row without events.

**Honest by construction.** At each cut-off the features are what happened before it, and the label is whether the user does the target from then until the end of the
horizon. The test has a later cut-off, whose horizon begins when all others have ended, and other users: `holdout` of them, by a hash of the id, are never
learned from, and as many choose the penalty. A cut-off whose horizon reaches beyond the data is refused: **a user whose horizon is not over has no
label**, which is not the same as one who did nothing. Users without an event in the lookback before a cut-off have no row there; `propensity` names them, and
`propensity_report` counts them.

**Cut-offs**: without any given, the test is the last moment whose horizon is over, and four cut-offs before it are learned from, a horizon apart where the data are long enough
and closer together where they are not, with at least two thirds of what the data hold before them. Events count for the same time before each of them (`lookback`),
because what grows with the age of the data would pass for a change of the users. With a first event years before all others (a wrong date) say `lookback`.

**Features**, 7 for each action (the target and the 11 most frequent others) with three windows, and 10 more: of each action log(1 + count) in each of the `windows` and in all,
whether there is one in the shortest, log(1 + count that halves with the middle window), and 1 / (1 + days since the last); log(1 + days since the first event), 1 / (1 +
days since the last one), log(1 + days with an event), their share, log(1 + sessions) (half an hour apart), regularity (mean over mean and standard deviation of the days between active days),
the shares of events from 0 to 6, 6 to 12 and 12 to 18 o'clock and on weekends; log(1 + different items) and categories where given; with an `amount` sign(x) * log(1 + |x|) of the money in
all and in the longest window; columns of your own (below). The list, its standardising and its weights travel in the model; `footfall.internal.propensity_model_info` shows them.

**Learner**: logistic regression on standardised features, the ridge penalty chosen by the log loss of the validation users among eight from 1 to 1e-7 per row, then fitted to their rows
and the others'. The optimum is found by Newton's steps to all digits that matter: scikit-learn's `LogisticRegression(C = 1 / penalty)` on the same features gives the same weights. The same events, options and version give the same bytes in
any order of the rows and on any number of threads. It ends within a second of an interruption while it learns.

Rows whose user is nobody (NULL, NaN, blank), with a NULL or infinite time, and from `as_of` on are left out. An infinite amount or NaN is an error.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type.
- action: what was done, a column or expression; a text in quotes for a table in which every row is one action.
- ts: the time in the shop's local time, TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE; or a TIMESTAMP WITH TIME ZONE.
- target: the action that is to be predicted.
- horizon: INTERVAL from 1 hour to 10 years, how far ahead is looked.
- item, category: what it was done to, columns or expressions of any type; NULL for none.
- amount: the money of the row, a number; NULL for none.
- features: columns of your own, a STRUCT such as {'age': age, 'country': country} or a list of one type: of each user the last value before a cut-off that is not missing counts. Numbers and
  booleans are taken as they are, other text as a category with its 20 most frequent values; missing values have a feature of their own. Give only what was known when the event
  happened: a column that was filled in later tells the future.
- cutoffs: a list of moments to learn from; NULL chooses them.
- test_cutoff: a moment; NULL is the last one whose horizon is over.
- lookback: INTERVAL, how long before a moment events count; NULL is as long as the first cut-off has events before it.
- as_of: DATE or TIMESTAMP, the moment until which the events are complete; NULL is the full minute after the last event, or the day after it where `ts` is a DATE.
- windows: a list of 1 to 8 numbers of days.
- holdout: the share of the users that is kept for the test, 0.05 to 0.4; as many choose the penalty.
- seed: a whole number, for the hash that parts the users.
- time_zone: whose clock is meant where `ts` is a TIMESTAMP WITH TIME ZONE, such as 'Europe/Berlin'; NULL is UTC.

Example:
WITH events AS (SELECT i % 50 AS u, CASE WHEN i % 3 = 0 THEN 'buy' ELSE 'pv' END AS a, TIMESTAMP '2017-11-25' + to_hours(CAST(i * i % 211 AS INTEGER)) AS t FROM range(400) n(i))
SELECT target, cutoffs, test_cutoff, "rows", positives FROM footfall.train_propensity(events, u, a, t, target := 'buy', horizon := INTERVAL 1 DAY);$$;

CREATE MACRO footfall.internal.check_propensity_columns(function_name, info, with_items, with_categories, with_amounts, n_own) AS
CASE
    WHEN with_items IS NULL THEN true
    WHEN info['has_items'] = with_items AND info['has_categories'] = with_categories AND info['has_amounts'] = with_amounts
        AND info['n_own'] = coalesce(n_own, 0)
    THEN true
    ELSE CAST(error(concat(
        'footfall.', function_name, ': the model was learned with ',
        CASE WHEN info['has_items'] THEN 'item, ' ELSE 'no item, ' END,
        CASE WHEN info['has_categories'] THEN 'category, ' ELSE 'no category, ' END,
        CASE WHEN info['has_amounts'] THEN 'amount' ELSE 'no amount' END,
        ' and ', info['n_own'], ' columns in features; allowed: the same here'
    )) AS BOOLEAN)
END;

COMMENT ON MACRO footfall.internal.check_propensity_columns IS $$True, or the error where events have other columns than those that a model was learned from.

Parameters:
- function_name: the macro's name, for the message.
- info: STRUCT, of `propensity_model_info`.
- with_items, with_categories, with_amounts: BOOLEAN, whether they are given here; NULL where there are no events.
- n_own: BIGINT, how many columns of the user's own are given here.

Example:
SELECT footfall.internal.check_propensity_columns('propensity', {'has_items': true, 'has_categories': false, 'has_amounts': false, 'n_own': 0}, true, false, false, NULL) AS is_right;$$;

CREATE MACRO footfall.internal.propensity_scored(
    function_name, tbl, user_id, action, ts, model, item, category, amount, features, time_zone, as_of, at_moment, with_label
) AS TABLE
WITH ff_model AS MATERIALIZED (
    SELECT trained, system.main.propensity_model_info(trained, function_name) AS info
    FROM (SELECT footfall.internal.trained_model(function_name, model, 'train_propensity', 'there are no events') AS trained) AS ff_given_model
),
ff_seen AS MATERIALIZED (
    FROM footfall.internal.propensity_events(
        function_name, tbl, user_id, action, ts, item, category, amount, features, time_zone, footfall.internal.moment_option(function_name, 'as_of', as_of)
    )
),
ff_counts AS MATERIALIZED (
    FROM footfall.internal.propensity_counts(ff_seen)
),
ff_extent AS MATERIALIZED (
    FROM footfall.internal.propensity_extent(function_name, ff_counts, as_of)
),
-- Where the label is asked for, the moment is a cut-off; else everything that is known comes before it.
ff_moment AS MATERIALIZED (
    SELECT
        trained,
        info,
        last_time,
        to_microseconds(info['lookback']) AS back,
        known_until,
        to_months(CAST(info['months'] AS INTEGER)) + to_days(CAST(info['days'] AS INTEGER)) + to_microseconds(info['microseconds']) AS ahead,
        CASE WHEN with_label
            THEN coalesce(footfall.internal.moment_option(function_name, 'cutoff', at_moment), make_timestamp(info['test_cutoff']))
            ELSE known_until
        END AS cut
    FROM ff_model
    CROSS JOIN ff_extent
    WHERE footfall.internal.check_propensity_columns(function_name, info, with_items, with_categories, with_amounts, len(own_names))
),
ff_checked AS MATERIALIZED (
    SELECT *
    FROM ff_moment
    WHERE CASE
        WHEN NOT with_label OR last_time IS NULL THEN true
        WHEN epoch_us(cut) < info['learned_until'] THEN CAST(error(concat(
            'footfall.', function_name, ': argument ''cutoff'' is ', cut, ', and the model learned from what happened until ', make_timestamp(info['learned_until']),
            '; allowed: from then on'
        )) AS BOOLEAN)
        WHEN cut + ahead > known_until THEN CAST(error(concat(
            'footfall.', function_name, ': argument ''cutoff'' is ', cut, ', whose horizon of ', ahead, ' reaches to ', cut + ahead,
            ', beyond what is known: the events end at ', last_time, ' and are known until ', known_until, '; allowed: until ', known_until - ahead
        )) AS BOOLEAN)
        ELSE true
    END
),
ff_histories AS NOT MATERIALIZED (
    FROM footfall.internal.propensity_histories(function_name, ff_seen, (SELECT info['actions'] FROM ff_checked))
),
ff_doers AS MATERIALIZED (
    SELECT DISTINCT event_user AS doer
    FROM ff_seen
    CROSS JOIN ff_checked
    WHERE with_label AND event_time >= cut AND event_time < cut + ahead AND event_action = footfall.internal.action_name(info['target'])
),
ff_known AS NOT MATERIALIZED (
    SELECT
        event_user,
        user_key,
        cut,
        back,
        ahead,
        trained,
        info,
        CASE WHEN with_label THEN doer IS NOT NULL END AS has_happened,
        system.main.propensity_rows(
            history, own_history, user_key, info['plan'], [epoch_us(cut)], CASE WHEN with_label THEN [epoch_us(cut + ahead)] ELSE CAST([] AS BIGINT[]) END, function_name
        ) AS records
    FROM ff_histories
    LEFT JOIN ff_doers ON doer = event_user
    CROSS JOIN ff_checked
)
SELECT
    event_user,
    user_key,
    cut,
    back,
    cut + ahead AS cut_end,
    has_happened,
    records,
    info['holdout'] AS test_share,
    info['seed'] AS split_seed,
    system.main.propensity_score(trained, records, function_name) AS scores
FROM ff_known;

COMMENT ON MACRO TABLE footfall.internal.propensity_scored IS $$The users of a table with their probabilities at a moment, for `propensity` and `propensity_report`.

One row per user: `event_user`, `user_key`, `cut` (the moment), `back` (how long before it events count), `cut_end` (where the horizon ends), `has_happened` (the target, within it), `records`, `test_share` and
`split_seed` of the model, and `scores`, of `propensity_score`, NULL for those without an event before the moment.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, user_id, action, ts, model, item, category, amount, features, time_zone, as_of: as in `propensity`.
- at_moment: the moment, as the argument `cutoff` of `propensity_report`.
- with_label: whether the horizon has to be over, and what happened is told.

Example:
WITH events AS (SELECT i % 50 AS u, CASE WHEN i % 3 = 0 THEN 'buy' ELSE 'pv' END AS a, TIMESTAMP '2017-11-25' + to_hours(CAST(i * i % 211 AS INTEGER)) AS t FROM range(400) n(i)),
    learned AS (FROM footfall.train_propensity(events, u, a, t, horizon := INTERVAL 1 DAY))
SELECT event_user, scores.model AS probability
FROM footfall.internal.propensity_scored('propensity', events, u, a, t, (SELECT model FROM learned), NULL, NULL, NULL, NULL, NULL, NULL, NULL, false) ORDER BY event_user LIMIT 3;$$;

CREATE MACRO footfall.main.propensity(
    tbl, user_id, action, ts, model, as_of := NULL, item := NULL, category := NULL, amount := NULL, features := NULL, reasons := 3, time_zone := NULL
) AS TABLE
WITH ff_scored AS MATERIALIZED (
    SELECT event_user, scores['model'] AS chance, records, cut, cut_end, back
    FROM footfall.internal.propensity_scored(
        'propensity', tbl, user_id, action, ts, model, item, category, amount, features, time_zone, as_of, NULL, false
    )
),
ff_model AS MATERIALIZED (
    SELECT footfall.internal.trained_model('propensity', model, 'train_propensity', 'there are no events') AS trained
),
ff_chances AS NOT MATERIALIZED (
    SELECT chance AS one_chance, count(*) AS n FROM ff_scored WHERE chance IS NOT NULL GROUP BY chance
),
-- Equal probabilities are in one decile: that of their middle user.
ff_deciles AS MATERIALIZED (
    SELECT one_chance, 10 - CAST(least((10 * (2 * sum(n) OVER (ORDER BY one_chance ASC NULLS LAST) - n)) // (2 * sum(n) OVER ()), 9) AS INTEGER) AS tenth
    FROM ff_chances
)
SELECT
    footfall.internal.unmarked(event_user) AS user_id,
    chance AS probability,
    tenth AS decile,
    CASE WHEN chance IS NULL
        THEN [concat('no event from ', cut - back, ' to ', cut)]
        ELSE system.main.propensity_reasons(trained, records, CAST(CAST(reasons AS VARCHAR) AS BIGINT))
    END AS reasons,
    cut AS as_of,
    cut_end AS until
FROM ff_scored
LEFT JOIN ff_deciles ON one_chance = chance
CROSS JOIN ff_model
WHERE (SELECT footfall.internal.check_option(
    footfall.internal.whole_number(reasons, 0, 100), 'propensity', 'reasons', reasons, 'a whole number from 0 to 100'
));

COMMENT ON MACRO TABLE footfall.main.propensity IS $$How probable it is for each user to do the target of a model within its horizon, and why.

One row per user, in no order: `user_id`; `probability`, that the target is done from `as_of` until `until`; `decile`, 1 for the tenth with the highest probabilities (equal ones are in the same, so some
may be missing); `reasons`, the few things that move the probability most, in words; `as_of` and `until`. **It is a probability**: of a hundred users with 0.2 about twenty do it, so that the sum over a
group is how many to expect of it. Whether it holds on your data says `propensity_report`; look there before you spend money.

A user without an event in the model's lookback before `as_of` is named with NULLs and that reason: the model knows nothing of him.

**Reasons** are exact: the model adds up its features, and features that tell of one thing (the counts of one action, the visits, the hours, each column of your own) are put together. '(odds x 2)' says
that by this the odds, p / (1 - p), are twice those of a user who is average in it. It says what the model saw, and not what would happen if you changed it. What moves the odds by less than five in a hundred is no reason.

Parameters:
- tbl, user_id, action, ts, item, category, amount, features, time_zone: as in `train_propensity`, with the same columns. The users need not be those that the model was learned from.
- model: a model of `train_propensity`, such as (SELECT model FROM run).
- as_of: DATE or TIMESTAMP, what is before it is known; later rows are left out. NULL is the full minute after the last event, or the day after it where `ts` is a DATE. After the last event's day it is an error: what came then
  is not known, which is not the same as nothing.
- reasons: how many reasons, 0 to 100.

Example:
WITH events AS (SELECT i % 50 AS u, CASE WHEN i % 3 = 0 THEN 'buy' ELSE 'pv' END AS a, TIMESTAMP '2017-11-25' + to_hours(CAST(i * i % 211 AS INTEGER)) AS t FROM range(400) n(i)),
    run AS (FROM footfall.train_propensity(events, u, a, t, target := 'buy', horizon := INTERVAL 1 DAY))
SELECT user_id, round(probability, 3) AS probability, decile, reasons, until FROM footfall.propensity(events, u, a, t, (SELECT model FROM run)) ORDER BY user_id LIMIT 3;$$;

CREATE MACRO footfall.main.propensity_inputs(
    tbl, user_id, action, ts, model, as_of := NULL, item := NULL, category := NULL, amount := NULL, features := NULL, time_zone := NULL
) AS TABLE
WITH ff_scored AS NOT MATERIALIZED (
    SELECT event_user, records, cut, cut_end
    FROM footfall.internal.propensity_scored(
        'propensity_inputs', tbl, user_id, action, ts, model, item, category, amount, features, time_zone, as_of, NULL, false
    )
),
ff_plan AS MATERIALIZED (
    SELECT system.main.propensity_model_info(
        footfall.internal.trained_model('propensity_inputs', model, 'train_propensity', 'there are no events'), 'propensity_inputs'
    )['plan'] AS plan_bytes
)
SELECT
    footfall.internal.unmarked(event_user) AS user_id,
    system.main.propensity_read(plan_bytes, records)[1]['features'] AS inputs,
    cut AS as_of,
    cut_end AS until
FROM ff_scored
CROSS JOIN ff_plan;

COMMENT ON MACRO TABLE footfall.main.propensity_inputs IS $$The numbers that a model of propensity reads of each user: what a program is fed that runs the model elsewhere.

One row per user, in no order: `user_id`; `inputs` (FLOAT[]), one number per feature in the order of `features` of `footfall.train_propensity`, in their own units: the input `features` of the file that `to_onnx`
writes; `as_of` and `until` as in `footfall.propensity`. NULL for a user without an event in the model's lookback before `as_of`.

Parameters:
- tbl, user_id, action, ts, model, as_of, item, category, amount, features, time_zone: as in `footfall.propensity`.

Example:
WITH events AS (SELECT i % 50 AS u, CASE WHEN i % 3 = 0 THEN 'buy' ELSE 'pv' END AS a, TIMESTAMP '2017-11-25' + to_hours(CAST(i * i % 211 AS INTEGER)) AS t FROM range(400) n(i)),
    run AS (FROM footfall.train_propensity(events, u, a, t, target := 'buy', horizon := INTERVAL 1 DAY))
SELECT user_id, len(inputs) AS n, inputs[:3] AS first_three FROM footfall.propensity_inputs(events, u, a, t, (SELECT model FROM run)) ORDER BY user_id LIMIT 3;$$;

CREATE MACRO footfall.main.propensity_report(
    tbl, user_id, action, ts, model, cutoff := NULL, part := 'held_out', as_of := NULL, item := NULL, category := NULL, amount := NULL, features := NULL, time_zone := NULL
) AS TABLE
WITH ff_scored AS NOT MATERIALIZED (
    FROM footfall.internal.propensity_scored(
        'propensity_report', tbl, user_id, action, ts, model, item, category, amount, features, time_zone, as_of, cutoff, true
    )
),
ff_part AS MATERIALIZED (
    SELECT cut, cut_end, has_happened, scores
    FROM ff_scored
    WHERE footfall.internal.option_name(part) = 'all' OR system.main.held_out(user_key, test_share, split_seed)
),
ff_users AS MATERIALIZED (
    SELECT row_number() OVER () AS user_number, CAST(has_happened AS INTEGER) AS happened, scores FROM ff_part WHERE scores IS NOT NULL
),
ff_outside AS MATERIALIZED (
    SELECT
        count(*) FILTER (scores IS NULL) AS n_outside,
        count(*) FILTER (scores IS NULL AND has_happened) AS n_outside_happened,
        any_value(cut) AS cut,
        any_value(cut_end) AS cut_end
    FROM ff_part
),
ff_told AS MATERIALIZED (
    SELECT
        user_number,
        happened,
        unnest([0, 1, 2, 3, 4]) AS place,
        unnest([scores['model'], scores['count'], scores['recency'], scores['own_history'], scores['base_rate']]) AS told
    FROM ff_users
),
-- What was told of several users is counted once: their places among the others are the same.
ff_values AS MATERIALIZED (
    SELECT place, told, count(*) AS n, sum(happened) AS n_happened FROM ff_told GROUP BY place, told
),
ff_places AS NOT MATERIALIZED (
    SELECT
        *,
        sum(n) OVER of_all AS n_all,
        sum(n_happened) OVER of_all AS n_all_happened,
        sum(n) OVER least_first AS n_until,
        sum(n_happened) OVER least_first AS n_happened_until
    FROM ff_values
    WINDOW of_all AS (PARTITION BY place), least_first AS (PARTITION BY place ORDER BY told ASC NULLS LAST)
),
-- Half of equal ones count as below: the part of those who did it that are above somebody who did not, and the other way round.
ff_ranks AS MATERIALIZED (
    SELECT
        *,
        n - n_happened AS n_not,
        n_all - n_all_happened AS n_all_not,
        (n_until - n_happened_until - n_not / 2) / nullif(n_all_not, 0) AS share_not_below,
        1 - (n_happened_until - n_happened / 2) / nullif(n_all_happened, 0) AS share_happened_above,
        10 - CAST(least((10 * (2 * n_until - n)) // (2 * n_all), 9) AS INTEGER) AS tenth,
        -ln(greatest(told, 1e-15)) AS loss_happened,
        -ln(greatest(1 - told, 1e-15)) AS loss_not
    FROM ff_places
),
ff_sums AS MATERIALIZED (
    SELECT
        place,
        any_value(n_all) AS n_users,
        any_value(n_all_happened) AS n_done,
        footfall.internal.fixed_sum(n * told, pow(2, 60)) / n_users AS expected_share,
        footfall.internal.fixed_sum(n_happened * loss_happened + n_not * loss_not, pow(2, 60)) / n_users AS mean_loss,
        footfall.internal.fixed_sum(n_happened * loss_happened * loss_happened + n_not * loss_not * loss_not, pow(2, 60)) / n_users AS mean_square,
        footfall.internal.fixed_sum(n_happened * share_not_below, pow(2, 60)) / nullif(n_done, 0) AS area,
        footfall.internal.fixed_sum(n_happened * share_not_below * share_not_below, pow(2, 60)) / nullif(n_done, 0) AS square_done,
        footfall.internal.fixed_sum(n_not * share_happened_above * share_happened_above, pow(2, 60)) / nullif(n_users - n_done, 0) AS square_not
    FROM ff_ranks
    GROUP BY place
),
ff_deciles AS MATERIALIZED (
    SELECT
        place,
        tenth,
        sum(n) AS n_users,
        sum(n_happened) AS n_done,
        any_value(n_all) AS n_all,
        any_value(n_all_happened) AS n_all_happened,
        footfall.internal.fixed_sum(n * told, pow(2, 60)) AS expected_total
    FROM ff_ranks
    GROUP BY place, tenth
),
ff_calibration AS NOT MATERIALIZED (
    SELECT
        place AS of_place,
        footfall.internal.fixed_sum(abs(expected_total - n_done), pow(2, 60)) / any_value(n_all) AS calibration_off,
        arg_min(n_done / n_users, tenth) / nullif(any_value(n_all_happened) / any_value(n_all), 0) AS top_lift
    FROM ff_deciles
    GROUP BY place
),
-- Of the ways to tell without a model the one with the least loss, the first of equal ones.
ff_best AS MATERIALIZED (
    SELECT place AS best_place FROM ff_sums WHERE place > 0 ORDER BY mean_loss ASC NULLS LAST, place ASC NULLS LAST LIMIT 1
),
ff_losses AS NOT MATERIALIZED (
    SELECT user_number, place AS loss_place, CASE WHEN happened = 1 THEN -ln(greatest(told, 1e-15)) ELSE -ln(greatest(1 - told, 1e-15)) END AS loss
    FROM ff_told
),
ff_gains AS NOT MATERIALIZED (
    SELECT
        mine.loss_place AS gain_place,
        count(*) AS n_compared,
        footfall.internal.fixed_sum(best.loss - mine.loss, pow(2, 60)) / n_compared AS gain,
        footfall.internal.fixed_sum((best.loss - mine.loss) * (best.loss - mine.loss), pow(2, 60)) / n_compared AS gain_square
    FROM ff_losses AS mine
    JOIN ff_losses AS best ON best.user_number = mine.user_number AND best.loss_place = (SELECT best_place FROM ff_best)
    GROUP BY mine.loss_place
),
ff_judged AS NOT MATERIALIZED (
    SELECT
        *,
        CASE WHEN n_users > 1 THEN sqrt(greatest(mean_square - mean_loss * mean_loss, 0) / (n_users - 1)) END AS loss_error,
        CASE WHEN n_users > 1 AND place <> best_place THEN sqrt(greatest(gain_square - gain * gain, 0) / (n_users - 1)) END AS gain_error,
        -- DeLong, DeLong and Clarke-Pearson (1988).
        CASE WHEN n_done > 1 AND n_users - n_done > 1
            THEN sqrt(greatest(square_done - area * area, 0) / (n_done - 1) + greatest(square_not - area * area, 0) / (n_users - n_done - 1))
        END AS area_error
    FROM ff_sums
    CROSS JOIN ff_best
    JOIN ff_calibration ON of_place = place
    JOIN ff_gains ON gain_place = place
),
ff_rows AS NOT MATERIALIZED (
    SELECT
        1 AS kind,
        place AS position,
        'predictor' AS part_name,
        ['model', 'count', 'recency', 'own_history', 'base_rate'][place + 1] AS group_name,
        n_users,
        n_done,
        expected_share,
        top_lift AS lift,
        mean_loss,
        loss_error,
        area,
        area_error,
        calibration_off,
        CASE WHEN place <> best_place THEN gain END AS gain,
        gain_error,
        CASE
            WHEN place = best_place THEN 'the best without a model'
            WHEN place > 0 THEN NULL
            WHEN gain > 2 * gain_error THEN 'better than ' || best_name
            WHEN gain < -2 * gain_error THEN 'worse than ' || best_name
            ELSE 'no better than ' || best_name
        END AS verdict
    FROM (SELECT *, ['model', 'count', 'recency', 'own_history', 'base_rate'][best_place + 1] AS best_name FROM ff_judged)
    UNION ALL
    SELECT
        2, tenth, 'decile', CAST(tenth AS VARCHAR), n_users, n_done, expected_total / n_users, n_done / n_users / nullif(n_all_happened / n_all, 0),
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM ff_deciles
    WHERE place = 0
)
SELECT
    part_name AS part,
    group_name AS "group",
    n_users AS users,
    expected_share AS expected,
    n_done / n_users AS happened,
    footfall.internal.share_interval(n_done / n_users, n_users, 1.959963984540054)['low'] AS happened_low,
    footfall.internal.share_interval(n_done / n_users, n_users, 1.959963984540054)['high'] AS happened_high,
    lift,
    mean_loss AS log_loss,
    loss_error AS log_loss_error,
    area AS auc,
    area_error AS auc_error,
    calibration_off AS calibration_error,
    gain,
    gain_error,
    verdict,
    n_outside AS left_out,
    n_outside_happened AS left_out_happened,
    cut AS cutoff,
    cut_end AS until
FROM ff_rows
CROSS JOIN ff_outside
WHERE (SELECT footfall.internal.check_option(
    footfall.internal.option_name(part) IN ('held_out', 'all'), 'propensity_report', 'part', part, '''held_out'', ''all'''
))
ORDER BY kind ASC, position ASC;

COMMENT ON MACRO TABLE footfall.main.propensity_report IS $$How good a model of `train_propensity` is at a later moment and for other users, beside counting.

Rows: `part` 'predictor' with the `group`s 'model', 'count' (how often the user did the target), 'recency' (how long ago anything was done), 'own_history' (how often the target was done lately,
and for how long the user is known) and 'base_rate' (the same for all), each turned into a probability on the rows that the model learned from; then `part` 'decile' with the groups '1', the tenth with the
highest probabilities of the model, to '10' (equal ones are in the same, so some may be missing).

`users`; `expected` (mean probability) and `happened` (the share who did it) with its 95 % interval (Wilson's) `happened_low` and `happened_high`; `lift`, what happened over what happened to all (of a
predictor in the tenth that it puts first); of predictors `log_loss` (mean; lower is better) and `auc` (the share of pairs of one who did it and one who did not that are in the right order; 0.5 is chance) with their
standard errors `log_loss_error` and `auc_error` (DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988); `calibration_error`, the mean distance of `expected` from `happened` over the deciles, weighted by
users, which by chance alone is about 0.8 * sqrt(p (1 - p) * 10 / users); `gain`, the log loss of the best predictor without a model less one's own, with its `gain_error`; `verdict`; `left_out`, users without an event
in the lookback before the cut-off, `left_out_happened`, those of them who did it all the same and whom nobody could have told; `cutoff` and `until`, where its horizon ends.

**The verdict** on the model is 'better than' the best of the others where its gain is more than two of its errors, 'worse than' it where it is as far below 0, and else 'no better than' it: then count, and leave the model. Errors are those of
other users at the same moment: each user is one row. What is special about the days of one horizon, such as a sale, is in none of them; a report at another `cutoff` shows it.

Parameters:
- tbl, user_id, action, ts, item, category, amount, features, as_of, time_zone: as in `propensity`.
- model: a model of `train_propensity`, such as (SELECT model FROM run).
- cutoff: a moment from the end of the last horizon that was learned from on, whose own horizon is over; NULL is the test cut-off of the model.
- part: 'held_out' for the users that the model kept for the test, or 'all', those that it learned from included.

Example:
WITH events AS (SELECT i % 50 AS u, CASE WHEN i % 3 = 0 THEN 'buy' ELSE 'pv' END AS a, TIMESTAMP '2017-11-25' + to_hours(CAST(i * i % 211 AS INTEGER)) AS t FROM range(400) n(i)),
    run AS (FROM footfall.train_propensity(events, u, a, t, target := 'buy', horizon := INTERVAL 1 DAY))
SELECT part, "group", users, round(expected, 3) AS expected, round(happened, 3) AS happened, round(log_loss, 3) AS log_loss, round(auc, 3) AS auc, verdict
FROM footfall.propensity_report(events, u, a, t, (SELECT model FROM run)) LIMIT 6;$$;
