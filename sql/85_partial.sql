-- Parts: what a report counts of some of the users, in small rows that add up.
--
-- footfall.partial.R(tbl, …) of each part and footfall.merged.R(parts, …) of all their rows give footfall.R(tbl, …) of the
-- whole, with the arguments of R in both. Counting and reporting are the two halves of R itself. Every part says of itself
-- whose rows it holds and how it was made, so that what does not belong together is refused.

CREATE MACRO footfall.internal.part_label(
    report, tbl, user_argument, user_id, action, ts, arguments, time_zone := NULL, users_only := false,
    column_arguments := [], column_names := ''
) AS TABLE
WITH ff_rows AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key('partial.' || report, user_argument, user_id) AS row_user,
        footfall.internal.action_name(action) AS row_action,
        footfall.internal.local_time('partial.' || report, 'ts', ts, time_zone := time_zone, default_zone := 'UTC') AS row_time,
        column_names AS row_columns
    FROM query_table(tbl)
),
ff_groups AS NOT MATERIALIZED (
    SELECT
        row_user,
        row_action,
        grouping(row_user) = 0 AND row_user IS NOT NULL AS is_user,
        grouping(row_action) = 0 AND row_action IS NOT NULL AS is_action,
        min(row_time) FILTER (row_time > TIMESTAMP '-infinity' AND row_time < TIMESTAMP 'infinity') AS first_time,
        max(row_time) FILTER (row_time > TIMESTAMP '-infinity' AND row_time < TIMESTAMP 'infinity') AS last_time,
        any_value(row_columns) AS row_columns
    FROM ff_rows
    WHERE row_user IS NOT NULL OR NOT users_only
    GROUP BY GROUPING SETS ((row_user), (row_action))
),
ff_label AS (
    SELECT
        CAST(min(first_time) AS DATE) AS first_day,
        CAST(max(last_time) AS DATE) AS last_day,
        string_split(any_value(row_columns), chr(31)) AS row_columns,
        min({
            -- MD5 is the same in every DuckDB, which hash() is not.
            'hash': CAST(md5_number_lower(CAST(row_user AS VARCHAR)) >> 1 AS BIGINT),
            'name': footfall.internal.one_line(left(CAST(row_user AS VARCHAR), 100))
        }, 64) FILTER (is_user) AS users,
        list(row_action ORDER BY row_action ASC NULLS LAST) FILTER (is_action) AS actions
    FROM ff_groups
)
SELECT {
    'report': CAST(report AS VARCHAR),
    'format': 1,
    'arguments': map_from_entries(list_concat(
        map_entries(arguments),
        -- A part without rows does not know its columns.
        [{'key': CAST(column_arguments[i] AS VARCHAR), 'value': row_columns[i]} FOR i IN range(1, len(row_columns) + 1) IF column_arguments[i] IS NOT NULL]
    )),
    'first_day': first_day,
    'last_day': last_day,
    'users': coalesce(users, []),
    'actions': coalesce(actions, [])
} AS part
FROM ff_label;

COMMENT ON MACRO TABLE footfall.internal.part_label IS $$What a part of a report says of itself: one row, a STRUCT `part`.

`report` and `format` say what it is, `arguments` how it was made, `first_day` and `last_day` what days it is of, `actions` which
actions occur, and `users` who is in it: the 64 users whose hashes are the smallest. Two parts that share all of their users have these
in common, and parts that share a tenth of them almost surely some.

Parameters:
- report: the name of the report.
- tbl: the events or orders.
- user_argument: what the report names its users, for messages.
- user_id, action, ts: as in the report; NULL where it has none.
- arguments: MAP(VARCHAR, VARCHAR), the options.
- time_zone: as in the report.
- users_only: BOOLEAN, whether the report has no use for rows of nobody.
- column_arguments: VARCHAR[], arguments that name columns and must be the same in all parts.
- column_names: VARCHAR, the columns they name, `alias(argument)` of each with chr(31) between.

Example:
WITH events(user_id, action, ts) AS (VALUES (1, 'pv', DATE '2017-11-25'), (2, 'buy', DATE '2017-11-26'))
SELECT part.actions, part.last_day, len(part.users) AS n_users
FROM footfall.internal.part_label('activity', events, 'user_id', user_id, action, ts, MAP {'by': 'hour'});$$;

CREATE MACRO footfall.internal.cleaning_arguments(function_name, valid_from, valid_until, actions, duplicates, time_zone) AS
MAP {
    'valid_from': CAST(footfall.internal.moment_option(function_name, 'valid_from', valid_from) AS VARCHAR),
    'valid_until': CAST(footfall.internal.moment_option(function_name, 'valid_until', valid_until) AS VARCHAR),
    'actions': CAST(footfall.internal.name_list(function_name, 'actions', actions) AS VARCHAR),
    'duplicates': CAST(duplicates AS VARCHAR),
    'time_zone': CAST(time_zone AS VARCHAR)
};

COMMENT ON MACRO footfall.internal.cleaning_arguments IS $$The options of `cleaning_report` that must be the same in all parts, as MAP(VARCHAR, VARCHAR).

Parameters:
- function_name: the macro that was called, for messages.
- valid_from, valid_until, actions, duplicates, time_zone: as in `cleaning_report`.

Example:
SELECT footfall.internal.cleaning_arguments('cleaning_report', NULL, DATE '2017-12-04', ['pv', 'buy'], 'drop', NULL) AS arguments;$$;

CREATE MACRO footfall.internal.activity_arguments(function_name, by, purchase, days, period_from, period_until, week_start, time_zone) AS
MAP {
    'by': CAST("by" AS VARCHAR),
    'purchase': CAST(purchase AS VARCHAR),
    'days': CAST("days" AS VARCHAR),
    'period_from': CAST(footfall.internal.whole_day(function_name, 'period_from', period_from) AS VARCHAR),
    'period_until': CAST(footfall.internal.whole_day(function_name, 'period_until', period_until) AS VARCHAR),
    'week_start': CAST(week_start AS VARCHAR),
    'time_zone': CAST(time_zone AS VARCHAR)
};

COMMENT ON MACRO footfall.internal.activity_arguments IS $$The options of `activity` that must be the same in all parts, as MAP(VARCHAR, VARCHAR).

Parameters:
- function_name: the macro that was called, for messages.
- by, purchase, days, period_from, period_until, week_start, time_zone: as in `activity`.

Example:
SELECT footfall.internal.activity_arguments('activity', 'hour', 'buy', 'calendar', NULL, NULL, 'monday', NULL) AS arguments;$$;

CREATE MACRO footfall.internal.promotion_arguments(function_name, starts, purchase, period_from, period_until, time_zone) AS
MAP {
    'starts': CAST(footfall.internal.whole_day(function_name, 'starts', starts) AS VARCHAR),
    'purchase': CAST(purchase AS VARCHAR),
    'period_from': CAST(footfall.internal.whole_day(function_name, 'period_from', period_from) AS VARCHAR),
    'period_until': CAST(footfall.internal.whole_day(function_name, 'period_until', period_until) AS VARCHAR),
    'time_zone': CAST(time_zone AS VARCHAR)
};

COMMENT ON MACRO footfall.internal.promotion_arguments IS $$The options of `promotion_effect` that must be the same in all parts, as MAP(VARCHAR, VARCHAR).

Parameters:
- function_name: the macro that was called, for messages.
- starts, purchase, period_from, period_until, time_zone: as in `promotion_effect`.

Example:
SELECT footfall.internal.promotion_arguments('promotion_effect', DATE '2017-12-02', 'buy', NULL, NULL, NULL) AS arguments;$$;

CREATE MACRO footfall.internal.conversion_arguments(view, purchase, cart, favourite) AS
MAP {
    'view': CAST(view AS VARCHAR),
    'purchase': CAST(purchase AS VARCHAR),
    'cart': CAST(coalesce(cart, 'cart') AS VARCHAR),
    'favourite': CAST(coalesce(favourite, 'fav') AS VARCHAR)
};

COMMENT ON MACRO footfall.internal.conversion_arguments IS $$The options of `conversion` that must be the same in all parts, as MAP(VARCHAR, VARCHAR).

Parameters:
- view, purchase, cart, favourite: as in `conversion`.

Example:
SELECT footfall.internal.conversion_arguments('pv', 'buy', NULL, NULL) AS arguments;$$;

CREATE MACRO footfall.internal.funnel_arguments(function_name, steps, within, strict_increase, strict) AS
MAP {
    'steps': CAST(footfall.internal.funnel_steps(function_name, steps) AS VARCHAR),
    'within': CAST(footfall.internal.duration(function_name, 'within', within) AS VARCHAR),
    'strict_increase': CAST(strict_increase AS VARCHAR),
    'strict': CAST(strict AS VARCHAR)
};

COMMENT ON MACRO footfall.internal.funnel_arguments IS $$The options of `funnel` that must be the same in all parts, as MAP(VARCHAR, VARCHAR).

Parameters:
- function_name: the macro that was called, for messages.
- steps, within, strict_increase, strict: as in `funnel`.

Example:
SELECT footfall.internal.funnel_arguments('funnel', ['pv', 'buy'], INTERVAL 1 HOUR, false, false) AS arguments;$$;

CREATE MACRO footfall.internal.cohort_arguments(period, week_start, starts, returns, time_zone) AS
MAP {
    'period': CAST(period AS VARCHAR),
    'week_start': CAST(week_start AS VARCHAR),
    'starts': CAST(starts AS VARCHAR),
    'returns': CAST(returns AS VARCHAR),
    'time_zone': CAST(time_zone AS VARCHAR)
};

COMMENT ON MACRO footfall.internal.cohort_arguments IS $$The options of `cohorts` that must be the same in all parts, as MAP(VARCHAR, VARCHAR).

Parameters:
- period, week_start, starts, returns, time_zone: as in `cohorts`.

Example:
SELECT footfall.internal.cohort_arguments('week', 'monday', NULL, NULL, NULL) AS arguments;$$;

CREATE MACRO footfall.partial.cleaning_report(
    tbl, user_id, item_id, category_id, action, ts,
    valid_from := NULL, valid_until := NULL, actions := NULL, duplicates := 'drop', absent := 'error', time_zone := NULL
) AS TABLE
FROM footfall.internal.part_label(
    'cleaning_report', tbl, 'user_id', user_id, NULL, ts,
    footfall.internal.cleaning_arguments('partial.cleaning_report', valid_from, valid_until, actions, duplicates, time_zone), time_zone := time_zone
)
WHERE (SELECT footfall.internal.check_cleaning('partial.cleaning_report', valid_from, valid_until, actions, duplicates := duplicates, absent := absent))
UNION ALL BY NAME
FROM footfall.internal.cleaning_counts(
    'partial.cleaning_report', tbl, user_id, action, ts, valid_from, valid_until, actions, duplicates, time_zone
);

COMMENT ON MACRO TABLE footfall.partial.cleaning_report IS $$What `cleaning_report` counts in one part of the events.

One row says whose rows the part holds and how it was made, the others are counts. `footfall.merged.cleaning_report` of the rows of all parts is `footfall.cleaning_report` of them all. A part holds all
rows of its users, or all rows of its days: copies of a row are in one part either way. One row per reason and action.

Parameters:
- tbl, user_id, item_id, category_id, action, ts, valid_from, valid_until, actions, duplicates, absent, time_zone: as in `cleaning_report`.

Example:
WITH events(user_id, action, ts) AS (VALUES (1, 'pv', TIMESTAMP '2017-11-25 21:00:07'), (2, 'click', TIMESTAMP '2017-11-25 21:00:07'))
SELECT reason_seen, n_all FROM footfall.partial.cleaning_report(events, user_id, NULL, NULL, action, ts) WHERE n_all > 0;$$;

CREATE MACRO footfall.partial.activity(
    tbl, user_id, action, ts, by := 'hour', purchase := 'buy', days := 'calendar', period_from := NULL, period_until := NULL,
    week_start := 'monday', time_zone := NULL, absent := 'error'
) AS TABLE
FROM footfall.internal.part_label(
    'activity', tbl, 'user_id', user_id, action, ts,
    footfall.internal.activity_arguments('partial.activity', "by", purchase, "days", period_from, period_until, week_start, time_zone), time_zone := time_zone
)
WHERE (SELECT footfall.internal.check_activity('partial.activity', "by", purchase, "days", week_start, absent))
UNION ALL BY NAME
FROM footfall.internal.activity_counts(
    'partial.activity', tbl, user_id, action, ts, "by", purchase, "days", period_from, period_until, week_start, time_zone
);

COMMENT ON MACRO TABLE footfall.partial.activity IS $$What `activity` counts in one part of the events.

One row says whose rows the part holds and how it was made, the others are counts. `footfall.merged.activity` of the rows of all parts is `footfall.activity` of them all. A part holds all
rows of its users. With `by := 'date'` it may hold all rows of its days instead. One row per bucket, and one per date.

Parameters:
- tbl, user_id, action, ts, by, purchase, days, period_from, period_until, week_start, time_zone, absent: as in `activity`.

Example:
WITH events(user_id, action, ts) AS (VALUES (1, 'pv', TIMESTAMP '2017-11-25 21:00:00'), (1, 'buy', TIMESTAMP '2017-11-25 21:05:00'))
SELECT slot, n_events, n_users FROM footfall.partial.activity(events, user_id, action, ts) WHERE slot IS NOT NULL;$$;

CREATE MACRO footfall.partial.promotion_effect(
    tbl, user_id, action, ts, starts, ends, purchase := 'buy', days := 'calendar', period_from := NULL, period_until := NULL,
    time_zone := NULL, absent := 'error'
) AS TABLE
FROM footfall.internal.part_label(
    'promotion_effect', tbl, 'user_id', user_id, action, ts,
    footfall.internal.promotion_arguments('partial.promotion_effect', starts, purchase, period_from, period_until, time_zone), time_zone := time_zone
)
WHERE (SELECT footfall.internal.check_promotion('partial.promotion_effect', purchase, "days", absent))
UNION ALL BY NAME
SELECT * REPLACE (footfall.internal.unmarked(event_action) AS event_action, footfall.internal.unmarked(event_user) AS event_user)
FROM footfall.internal.promotion_counts(
    'partial.promotion_effect', tbl, user_id, action, ts, starts, purchase, period_from, period_until, time_zone
);

COMMENT ON MACRO TABLE footfall.partial.promotion_effect IS $$What `promotion_effect` counts in one part of the events.

One row says whose rows the part holds and how it was made, the others are counts. `footfall.merged.promotion_effect` of the rows of all parts is `footfall.promotion_effect` of them all. A part holds all
rows of its users, or all rows of its days. The errors of a lift are those over users, so there is one row per user, action and
day, with the user in it: more than any other report keeps.

Parameters:
- tbl, user_id, action, ts, starts, ends, purchase, days, period_from, period_until, time_zone, absent: as in `promotion_effect`.

Example:
WITH events(user_id, action, ts) AS (VALUES (1, 'buy', DATE '2017-11-25'), (1, 'buy', DATE '2017-12-02'))
SELECT event_action, day_number, n_events
FROM footfall.partial.promotion_effect(events, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-03') WHERE n_events > 0;$$;

CREATE MACRO footfall.partial.conversion(
    tbl, user_id, by, action, view := 'pv', purchase := 'buy', top := 20, cart := NULL, favourite := NULL, absent := 'error'
) AS TABLE
FROM footfall.internal.part_label(
    'conversion', tbl, 'user_id', user_id, action, CAST(NULL AS TIMESTAMP),
    footfall.internal.conversion_arguments(view, purchase, cart, favourite), column_arguments := ['by'], column_names := concat_ws(chr(31), alias("by"))
)
WHERE (SELECT footfall.internal.check_conversion('partial.conversion', view, purchase, top, absent))
UNION ALL BY NAME
SELECT * REPLACE (footfall.internal.unmarked(event_group) AS event_group)
FROM footfall.internal.conversion_counts('partial.conversion', tbl, user_id, "by", action, view, purchase, cart, favourite);

COMMENT ON MACRO TABLE footfall.partial.conversion IS $$What `conversion` counts in one part of the events.

One row says whose rows the part holds and how it was made, the others are counts. `footfall.merged.conversion` of the rows of all parts is `footfall.conversion` of them all. A part holds all
rows of its users. One row per group: which of them are the best is known only when all parts are together.

Parameters:
- tbl, user_id, by, action, view, purchase, top, cart, favourite, absent: as in `conversion`.

Example:
WITH events(user_id, category_id, action) AS (VALUES (1, 100, 'pv'), (1, 100, 'buy'), (2, 100, 'pv'))
SELECT event_group, n_views, n_both FROM footfall.partial.conversion(events, user_id, category_id, action) WHERE n_views > 0;$$;

CREATE MACRO footfall.partial.funnel(
    tbl, user_id, action, ts, steps := ['pv', 'cart', 'buy'], within := NULL, strict_increase := false,
    strict := false, per := NULL, by := NULL, absent := 'error'
) AS TABLE
FROM footfall.internal.part_label(
    'funnel', tbl, 'user_id', user_id, action, ts,
    footfall.internal.funnel_arguments('partial.funnel', steps, within, strict_increase, strict),
    column_arguments := ['per', 'by'], column_names := concat_ws(chr(31), alias(per), alias("by"))
)
WHERE (SELECT footfall.internal.check_funnel('partial.funnel', steps, within, strict_increase, strict, absent))
UNION ALL BY NAME
SELECT * REPLACE (footfall.internal.unmarked(event_group) AS event_group)
FROM footfall.internal.funnel_counts('partial.funnel', tbl, user_id, action, ts, steps, within, strict_increase, strict, per, "by");

COMMENT ON MACRO TABLE footfall.partial.funnel IS $$What `funnel` counts in one part of the events.

One row says whose rows the part holds and how it was made, the others are counts. `footfall.merged.funnel` of the rows of all parts is `footfall.funnel` of them all. A part holds all
rows of its users. One row per group, step and time between two steps, to the microsecond, so that the median of all is exact.

Parameters:
- tbl, user_id, action, ts, steps, within, strict_increase, strict, per, by, absent: as in `funnel`.

Example:
WITH events(user_id, action, ts) AS (VALUES (1, 'pv', TIMESTAMP '2017-11-25 21:00:00'), (1, 'buy', TIMESTAMP '2017-11-25 21:30:00'))
SELECT step_number, gap_us, n_users FROM footfall.partial.funnel(events, user_id, action, ts, steps := ['pv', 'buy'])
WHERE n_users > 0 ORDER BY step_number;$$;

CREATE MACRO footfall.partial.cohorts(
    tbl, user_id, ts, period := 'week', week_start := 'monday', action := NULL, starts := NULL, returns := NULL,
    amount := NULL, order_id := NULL, time_zone := NULL, absent := 'error'
) AS TABLE
FROM footfall.internal.part_label(
    'cohorts', tbl, 'user_id', user_id, action, ts,
    footfall.internal.cohort_arguments(period, week_start, starts, returns, time_zone), time_zone := time_zone, users_only := true,
    column_arguments := ['amount', 'order_id'], column_names := concat_ws(chr(31), alias(amount), alias(order_id))
)
WHERE (SELECT footfall.internal.check_cohorts('partial.cohorts', period, week_start, absent))
UNION ALL BY NAME
FROM footfall.internal.cohort_counts(
    'partial.cohorts', tbl, user_id, ts, period, week_start, action, starts, returns, amount, order_id, time_zone
);

COMMENT ON MACRO TABLE footfall.partial.cohorts IS $$What `cohorts` counts in one part of the events.

One row says whose rows the part holds and how it was made, the others are counts. `footfall.merged.cohorts` of the rows of all parts is `footfall.cohorts` of them all. A part holds all
rows of its users. One row per cohort and period.

Parameters:
- tbl, user_id, ts, period, week_start, action, starts, returns, amount, order_id, time_zone, absent: as in `cohorts`.

Example:
WITH events(user_id, day) AS (VALUES (1, DATE '2017-11-25'), (1, DATE '2017-11-26'))
SELECT first_slot, distance, n_users FROM footfall.partial.cohorts(events, user_id, day, period := 'day') WHERE n_users > 0;$$;

CREATE MACRO footfall.partial.repeat_purchase(
    tbl, user_id, ts, amount := NULL, order_id := NULL, time_zone := NULL
) AS TABLE
FROM footfall.internal.part_label(
    'repeat_purchase', tbl, 'user_id', user_id, NULL, ts,
    MAP {'time_zone': CAST(time_zone AS VARCHAR)}, time_zone := time_zone,
    column_arguments := ['amount', 'order_id'], column_names := concat_ws(chr(31), alias(amount), alias(order_id))
)
UNION ALL BY NAME
FROM footfall.internal.repeat_counts('partial.repeat_purchase', tbl, user_id, ts, amount, order_id, time_zone);

COMMENT ON MACRO TABLE footfall.partial.repeat_purchase IS $$What `repeat_purchase` counts in one part of the purchases.

One row says whose rows the part holds and how it was made, the others are counts. `footfall.merged.repeat_purchase` of the rows of all parts is `footfall.repeat_purchase` of them all. A part holds all
rows of its buyers. One row per number of days between two purchase days.

Parameters:
- tbl, user_id, ts, amount, order_id, time_zone: as in `repeat_purchase`.

Example:
WITH purchases(user_id, day) AS (VALUES (1, DATE '2017-11-25'), (1, DATE '2017-11-27'))
SELECT days_between, n_days FROM footfall.partial.repeat_purchase(purchases, user_id, day) WHERE n_days > 0 ORDER BY days_between;$$;

CREATE MACRO footfall.internal.rfm_arguments(function_name, as_of, time_zone) AS
MAP {
    'as_of': CAST(footfall.internal.moment_option(function_name, 'as_of', as_of) AS VARCHAR),
    'time_zone': CAST(time_zone AS VARCHAR)
};

COMMENT ON MACRO footfall.internal.rfm_arguments IS $$The options of `rfm` that must be the same in all parts, as MAP(VARCHAR, VARCHAR).

Parameters:
- function_name: the macro that was called, for messages.
- as_of, time_zone: as in `rfm`.

Example:
SELECT footfall.internal.rfm_arguments('rfm', DATE '2017-12-04', NULL) AS arguments;$$;

CREATE MACRO footfall.partial.rfm(
    tbl, customer_id, ts, amount := NULL, as_of := NULL, bins := 5, order_id := NULL,
    recency_cuts := NULL, frequency_cuts := NULL, monetary_cuts := NULL, time_zone := NULL
) AS TABLE
FROM footfall.internal.part_label(
    'rfm', tbl, 'customer_id', customer_id, NULL, ts, footfall.internal.rfm_arguments('partial.rfm', as_of, time_zone), time_zone := time_zone,
    column_arguments := ['amount', 'order_id'],
    -- Sums of another type are in other units.
    column_names := concat_ws(chr(31), alias(amount) || ' ' || typeof(amount), alias(order_id))
)
WHERE (SELECT footfall.internal.check_rfm('partial.rfm', as_of, bins, recency_cuts, frequency_cuts, monetary_cuts))
UNION ALL BY NAME
SELECT
    footfall.internal.unmarked(buyer) AS buyer,
    last_time,
    n_purchases,
    -- As a file knows whole numbers.
    CAST(whole // 4611686018427387904 AS BIGINT) AS whole_high,
    CAST(whole % 4611686018427387904 AS BIGINT) AS whole_low,
    rest,
    unit,
    gross,
    last_seen
FROM footfall.internal.rfm_states('partial.rfm', tbl, customer_id, ts, amount, as_of, order_id, time_zone);

COMMENT ON MACRO TABLE footfall.partial.rfm IS $$What `rfm` keeps of the customers in one part of the orders.

One row says whose rows the part holds and how it was made, the others are customers. Of the rows of all parts `footfall.merged.rfm`, `footfall.merged.rfm_summary`
and `footfall.merged.rfm_thresholds` are the reports of them all. A part holds all rows of its customers or, without an `order_id`, all rows of
its days: what is kept of a customer adds up over days. `bins` and the cuts may be others when the parts are merged. One row per customer.

Parameters:
- tbl, customer_id, ts, amount, as_of, bins, order_id, recency_cuts, frequency_cuts, monetary_cuts, time_zone: as in `rfm`.

Example:
WITH orders(customer, day) AS (VALUES (1, DATE '2017-12-01'), (1, DATE '2017-12-03'), (2, DATE '2017-11-28'))
SELECT buyer, last_time, n_purchases FROM footfall.partial.rfm(orders, customer, day) WHERE n_purchases > 0 ORDER BY buyer;$$;

CREATE MACRO footfall.partial.rfm_summary(
    tbl, customer_id, ts, amount := NULL, as_of := NULL, bins := 5, order_id := NULL,
    recency_cuts := NULL, frequency_cuts := NULL, monetary_cuts := NULL, time_zone := NULL
) AS TABLE
FROM footfall.partial.rfm(
    tbl, customer_id, ts, amount := amount, as_of := as_of, bins := bins, order_id := order_id, recency_cuts := recency_cuts,
    frequency_cuts := frequency_cuts, monetary_cuts := monetary_cuts, time_zone := time_zone
);

COMMENT ON MACRO TABLE footfall.partial.rfm_summary IS $$What `rfm_summary` keeps of the customers in one part of the orders: that of `footfall.partial.rfm`.

Parameters:
- tbl, customer_id, ts, amount, as_of, bins, order_id, recency_cuts, frequency_cuts, monetary_cuts, time_zone: as in `rfm`.

Example:
WITH orders(customer, day) AS (VALUES (1, DATE '2017-12-01'), (1, DATE '2017-12-03'))
SELECT buyer, last_time, n_purchases FROM footfall.partial.rfm_summary(orders, customer, day) WHERE n_purchases > 0;$$;

CREATE MACRO footfall.partial.rfm_thresholds(
    tbl, customer_id, ts, amount := NULL, as_of := NULL, bins := 5, order_id := NULL,
    recency_cuts := NULL, frequency_cuts := NULL, monetary_cuts := NULL, time_zone := NULL
) AS TABLE
FROM footfall.partial.rfm(
    tbl, customer_id, ts, amount := amount, as_of := as_of, bins := bins, order_id := order_id, recency_cuts := recency_cuts,
    frequency_cuts := frequency_cuts, monetary_cuts := monetary_cuts, time_zone := time_zone
);

COMMENT ON MACRO TABLE footfall.partial.rfm_thresholds IS $$What `rfm_thresholds` keeps of the customers in one part of the orders: that of `footfall.partial.rfm`.

Parameters:
- tbl, customer_id, ts, amount, as_of, bins, order_id, recency_cuts, frequency_cuts, monetary_cuts, time_zone: as in `rfm`.

Example:
WITH orders(customer, day) AS (VALUES (1, DATE '2017-12-01'), (1, DATE '2017-12-03'))
SELECT buyer, last_time, n_purchases FROM footfall.partial.rfm_thresholds(orders, customer, day) WHERE n_purchases > 0;$$;

CREATE MACRO footfall.partial.segment_profile(
    tbl, segment, recency, frequency, monetary := NULL
) AS TABLE
FROM footfall.internal.part_label(
    'segment_profile', tbl, 'segment', NULL, NULL, CAST(NULL AS TIMESTAMP), CAST(MAP {} AS MAP(VARCHAR, VARCHAR)),
    column_arguments := ['monetary'], column_names := concat_ws(chr(31), alias(monetary))
)
UNION ALL BY NAME
SELECT * REPLACE (footfall.internal.unmarked(member_of) AS member_of)
FROM footfall.internal.segment_counts('partial.segment_profile', tbl, segment, recency, frequency, monetary);

COMMENT ON MACRO TABLE footfall.partial.segment_profile IS $$What `segment_profile` counts in one part of the customers.

One row says whose rows the part holds and how it was made, the others are counts. `footfall.merged.segment_profile` of the rows of all parts is `footfall.segment_profile` of them all. Customers have
no name in it, so nobody can tell when one is in two parts. One row per segment and number that occurs in it.

Parameters:
- tbl, segment, recency, frequency, monetary: as in `segment_profile`.

Example:
WITH customers(segment, days, orders) AS (VALUES (1, 1, 2), (1, 2, 2))
SELECT member_of, measure, measured_value, n_members FROM footfall.partial.segment_profile(customers, segment, days, orders)
WHERE n_members > 0 ORDER BY ALL;$$;

CREATE MACRO footfall.partial.rfm_scores(
    tbl, customer_id, ts, amount := NULL, as_of := NULL, bins := 5, order_id := NULL,
    recency_cuts := NULL, frequency_cuts := NULL, monetary_cuts := NULL, time_zone := NULL
) AS TABLE
WITH ff_states AS NOT MATERIALIZED (
    FROM footfall.internal.rfm_states('partial.rfm_scores', tbl, customer_id, ts, amount, as_of, order_id, time_zone)
)
FROM footfall.internal.part_label(
    'rfm_scores', tbl, 'customer_id', customer_id, NULL, ts, footfall.internal.rfm_arguments('partial.rfm_scores', as_of, time_zone), time_zone := time_zone,
    column_arguments := ['amount', 'order_id'], column_names := concat_ws(chr(31), alias(amount), alias(order_id))
)
WHERE (SELECT footfall.internal.check_rfm('partial.rfm_scores', as_of, bins, recency_cuts, frequency_cuts, monetary_cuts))
UNION ALL BY NAME
SELECT last_day AS date_seen, n_purchases, compared_money AS measured_value, count(*) AS n_members
FROM footfall.internal.rfm_measured('partial.rfm_scores', ff_states, as_of)
GROUP BY ALL;

COMMENT ON MACRO TABLE footfall.partial.rfm_scores IS $$What `rfm_scores` counts in one part of the orders.

One row says whose rows the part holds and how it was made, the others are counts. `footfall.merged.rfm_scores` of the rows of all parts is `footfall.rfm_scores` of them all. A part holds all
rows of its customers. Nobody is named in them: one row per day of the last purchase, number of purchases and sum of money, with how many customers have these, so
that without an amount a part is small however many customers it has. `bins` and the cuts may be others when the parts are merged.

Parameters:
- tbl, customer_id, ts, amount, as_of, bins, order_id, recency_cuts, frequency_cuts, monetary_cuts, time_zone: as in `rfm_scores`.

Example:
WITH orders(customer, day) AS (VALUES (1, DATE '2017-12-01'), (1, DATE '2017-12-03'), (2, DATE '2017-11-28'), (3, DATE '2017-11-28'))
SELECT date_seen, n_purchases, n_members FROM footfall.partial.rfm_scores(orders, customer, day) WHERE n_members > 0 ORDER BY date_seen;$$;

CREATE MACRO footfall.internal.lifecycle_arguments(period, week_start, time_zone) AS
MAP {
    'period': CAST(period AS VARCHAR),
    'week_start': CAST(week_start AS VARCHAR),
    'time_zone': CAST(time_zone AS VARCHAR)
};

COMMENT ON MACRO footfall.internal.lifecycle_arguments IS $$The options of `lifecycle` that must be the same in all parts, as MAP(VARCHAR, VARCHAR).

Parameters:
- period, week_start, time_zone: as in `lifecycle`.

Example:
SELECT footfall.internal.lifecycle_arguments('week', 'monday', NULL) AS arguments;$$;

CREATE MACRO footfall.partial.lifecycle(tbl, user_id, ts, period := 'week', week_start := 'monday', time_zone := NULL) AS TABLE
FROM footfall.internal.part_label(
    'lifecycle', tbl, 'user_id', user_id, NULL, ts, footfall.internal.lifecycle_arguments(period, week_start, time_zone),
    time_zone := time_zone, users_only := true
)
WHERE (SELECT footfall.internal.check_period('partial.lifecycle', period, week_start))
UNION ALL BY NAME
FROM footfall.internal.lifecycle_counts('partial.lifecycle', tbl, user_id, ts, period, week_start, time_zone);

COMMENT ON MACRO TABLE footfall.partial.lifecycle IS $$What `lifecycle` counts in one part of the events.

One row says whose rows the part holds and how it was made, the others are counts. `footfall.merged.lifecycle` of the rows of all parts is `footfall.lifecycle` of them all. A part holds all
rows of its users. One row per period.

Parameters:
- tbl, user_id, ts, period, week_start, time_zone: as in `lifecycle`.

Example:
WITH events(user_id, day) AS (VALUES (1, DATE '2017-11-20'), (1, DATE '2017-11-27'), (2, DATE '2017-11-28'))
SELECT slot, n_users, n_starts, n_returns FROM footfall.partial.lifecycle(events, user_id, day) WHERE n_users > 0 ORDER BY slot;$$;

CREATE MACRO footfall.internal.group_arguments(kind, missing) AS
MAP {'kind': CAST(kind AS VARCHAR), 'missing': CAST(missing AS VARCHAR)};

COMMENT ON MACRO footfall.internal.group_arguments IS $$The options of `compare_groups` that must be the same in all parts, as MAP(VARCHAR, VARCHAR).

Parameters:
- kind, missing: as in `compare_groups`.

Example:
SELECT footfall.internal.group_arguments('rate', 'zero') AS arguments;$$;

CREATE MACRO footfall.partial.compare_groups(
    tbl, user_id, variant, metric, kind := 'rate', control := NULL, missing := 'error', confidence := 0.95, looks := 1
) AS TABLE
FROM footfall.internal.part_label(
    'compare_groups', tbl, 'user_id', user_id, NULL, CAST(NULL AS TIMESTAMP), footfall.internal.group_arguments(kind, missing), users_only := true,
    column_arguments := ['variant', 'metric'], column_names := concat_ws(chr(31), alias(variant), alias(metric))
)
WHERE (SELECT footfall.internal.check_groups('partial.compare_groups', kind, missing, confidence, looks))
UNION ALL BY NAME
SELECT footfall.internal.unmarked(event_group) AS event_group, measured_value, count(*) AS n_users
FROM footfall.internal.group_users('partial.compare_groups', tbl, user_id, variant, metric, kind, missing)
GROUP BY ALL;

COMMENT ON MACRO TABLE footfall.partial.compare_groups IS $$What `compare_groups` counts in one part of the users.

One row says whose rows the part holds and how it was made, the others are counts. `footfall.merged.compare_groups` of the rows of all parts is `footfall.compare_groups` of them all. A part holds all
rows of its users. Whether the users without a metric are an error is known when the parts are merged. One row per variant and value of the
metric: two a variant for a rate, and for a mean as many as users differ in.

Parameters:
- tbl, user_id, variant, metric, kind, control, missing, confidence, looks: as in `compare_groups`.

Example:
WITH test(user_id, variant, bought) AS (VALUES (1, 'control', true), (2, 'new', true), (3, 'new', false), (4, 'new', false))
SELECT event_group, measured_value, n_users FROM footfall.partial.compare_groups(test, user_id, variant, bought)
WHERE n_users > 0 ORDER BY ALL;$$;
