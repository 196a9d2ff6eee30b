-- Parts put together: the reports of all users from the rows that footfall.partial counted of some.
--
-- The arguments are those of the report, so that the text of a call is the report's own. Those that name columns are not
-- looked at: the parts were made with them.

CREATE MACRO footfall.internal.part_rows(parts) AS TABLE
SELECT
    CAST(NULL AS STRUCT(
        report VARCHAR, format INTEGER, arguments MAP(VARCHAR, VARCHAR), first_day DATE, last_day DATE,
        users STRUCT(hash BIGINT, name VARCHAR)[], actions VARCHAR[]
    )) AS part,
    CAST(NULL AS VARCHAR) AS reason_seen,
    CAST(NULL AS VARCHAR) AS action_seen,
    CAST(NULL AS BOOLEAN) AS is_nobody,
    CAST(NULL AS BOOLEAN) AS is_timeless,
    CAST(NULL AS TIMESTAMP) AS first_time,
    CAST(NULL AS TIMESTAMP) AS last_time,
    CAST(NULL AS TIMESTAMP) AS last_seen,
    CAST(NULL AS DATE) AS date_seen,
    CAST(NULL AS DOUBLE) AS unit,
    CAST(NULL AS DOUBLE) AS gross,
    CAST(NULL AS DOUBLE) AS measured_value,
    CAST(NULL AS DOUBLE[]) AS rest,
    CAST(NULL AS BIGINT) AS n_all,
    CAST(NULL AS BIGINT) AS n_hours,
    CAST(NULL AS BIGINT) AS n_minutes,
    CAST(NULL AS BIGINT) AS n_seconds,
    CAST(NULL AS BIGINT) AS n_fractions,
    CAST(NULL AS BIGINT) AS n_surplus,
    CAST(NULL AS BIGINT) AS n_tied,
    CAST(NULL AS BIGINT) AS slot,
    CAST(NULL AS BIGINT) AS n_events,
    CAST(NULL AS BIGINT) AS n_users,
    CAST(NULL AS BIGINT) AS n_purchases,
    CAST(NULL AS BIGINT) AS day_number,
    CAST(NULL AS BIGINT) AS n_views,
    CAST(NULL AS BIGINT) AS n_carts,
    CAST(NULL AS BIGINT) AS n_favourites,
    CAST(NULL AS BIGINT) AS n_viewers,
    CAST(NULL AS BIGINT) AS n_buyers,
    CAST(NULL AS BIGINT) AS n_both,
    CAST(NULL AS BIGINT) AS step_number,
    CAST(NULL AS BIGINT) AS gap_us,
    CAST(NULL AS BIGINT) AS n_action_users,
    CAST(NULL AS BIGINT) AS first_slot,
    CAST(NULL AS BIGINT) AS distance,
    CAST(NULL AS BIGINT) AS last_slot,
    CAST(NULL AS BIGINT) AS n_starts,
    CAST(NULL AS BIGINT) AS n_returns,
    CAST(NULL AS BIGINT) AS days_between,
    CAST(NULL AS BIGINT) AS n_days,
    CAST(NULL AS BIGINT) AS n_again,
    CAST(NULL AS BIGINT) AS whole_high,
    CAST(NULL AS BIGINT) AS whole_low,
    CAST(NULL AS BIGINT) AS measure,
    CAST(NULL AS BIGINT) AS n_members,
    NULL AS event_action,
    NULL AS event_user,
    NULL AS event_group,
    NULL AS buyer,
    NULL AS member_of
WHERE false
UNION ALL BY NAME
SELECT * FROM query_table(parts);

COMMENT ON MACRO TABLE footfall.internal.part_rows IS $$The rows of parts, of whatever report, with all columns that any report asks for.

So a table of something else is told by what is in it, and a column that a file has made narrower has its type again.

Parameters:
- parts: rows of `footfall.partial`.

Example:
WITH nothing AS (SELECT 1 AS other)
SELECT part, slot FROM footfall.internal.part_rows(nothing);$$;

CREATE MACRO footfall.internal.check_parts(report, parts, arguments, not_by_day) AS TABLE
WITH ff_labels AS MATERIALIZED (SELECT part FROM query_table(parts) WHERE part IS NOT NULL),
ff_given AS NOT MATERIALIZED (
    SELECT one.key AS argument_name, coalesce(footfall.internal.shown(one.value), 'NULL') AS argument_value, true AS is_here
    FROM (SELECT unnest(map_entries(arguments)) AS one)
    UNION ALL
    SELECT one.key, coalesce(footfall.internal.shown(one.value), 'NULL'), false
    FROM (SELECT unnest(map_entries(part.arguments)) AS one FROM ff_labels)
),
ff_arguments AS (
    SELECT
        argument_name,
        bool_or(is_here) AS is_option,
        coalesce(min(argument_value) FILTER (is_here), min(argument_value)) AS first_value,
        min(argument_value) FILTER (NOT is_here) AS least_value,
        max(argument_value) FILTER (NOT is_here) AS greatest_value
    FROM ff_given
    GROUP BY argument_name
    HAVING first_value <> greatest_value OR first_value <> least_value
),
ff_users AS NOT MATERIALIZED (SELECT unnest(part.users) AS one_user, part.first_day AS first_day, part.last_day AS last_day FROM ff_labels),
ff_repeated AS NOT MATERIALIZED (
    SELECT
        one_user.name AS user_name,
        -- A part without times has nothing that a day could have twice.
        coalesce(first_day > max(last_day) OVER (before_this ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), not_by_day IS NULL) AS is_other_day,
        row_number() OVER before_this AS nth_part
    FROM ff_users
    WINDOW before_this AS (PARTITION BY one_user.hash ORDER BY first_day ASC NULLS FIRST, last_day ASC NULLS FIRST)
),
ff_shared AS (
    SELECT min(user_name) FILTER (NOT is_other_day) AS in_both, min(user_name) FILTER (is_other_day) AS on_days
    FROM ff_repeated
    WHERE nth_part > 1
),
ff_summary AS (
    SELECT
        count(*) AS n_parts,
        min(part.report) FILTER (part.report <> report) AS other_report,
        min(part.format) FILTER (part.format <> 1) AS other_format,
        list_distinct(flatten(list(part.actions))) AS found
    FROM ff_labels
)
SELECT
    CASE
        WHEN n_parts = 0
        THEN error(concat('footfall.merged.', report, ': argument ''parts'' holds no part; allowed: all rows that footfall.partial.', report, ' gave'))
        WHEN other_report IS NOT NULL
        THEN error(concat(
            'footfall.merged.', report, ': argument ''parts'' holds rows of footfall.partial.', other_report, '; allowed: those of footfall.partial.', report
        ))
        WHEN other_format IS NOT NULL
        THEN error(concat(
            'footfall.merged.', report, ': argument ''parts'' holds a part of format ', other_format, '; allowed: 1, so make the parts with one version of footfall'
        ))
        WHEN argument_name IS NOT NULL
        THEN error(concat(
            'footfall.merged.', report, ': argument ''', argument_name, ''' is ', first_value, CASE WHEN is_option THEN '' ELSE ' in one part' END, ', and ',
            CASE WHEN first_value = least_value THEN greatest_value ELSE least_value END,
            CASE WHEN is_option THEN ' in a part' ELSE ' in another' END, '; allowed: the same in all parts and here'
        ))
        WHEN in_both IS NOT NULL
        THEN error(concat(
            'footfall.merged.', report, ': argument ''parts'' has the user ', in_both, ' in two parts, who would count twice; allowed: all rows of a user in one part',
            CASE WHEN not_by_day IS NULL THEN ', or all rows of a day' END
        ))
        WHEN on_days IS NOT NULL AND not_by_day IS NOT NULL
        THEN error(concat(
            'footfall.merged.', report, ': argument ''parts'' has the user ', on_days, ' in the parts of two days, but ', not_by_day,
            '; allowed: all rows of a user in one part'
        ))
        ELSE true
    END AS is_right,
    found
FROM ff_summary
CROSS JOIN ff_shared
LEFT JOIN (SELECT * FROM ff_arguments ORDER BY argument_name ASC NULLS LAST LIMIT 1) AS ff_wrong ON true;

COMMENT ON MACRO TABLE footfall.internal.check_parts IS $$Whether parts belong together, as one row: `is_right`, true or an error, and `found`, the actions in all of them.

Parts of another report, format or arguments are refused, and so is a user in two parts, as far as the labels of the parts
show it (see `part_label`). A user on different days in two parts is right where a report adds up over days.

Parameters:
- report: the name of the report.
- parts: the rows of `part_rows`.
- arguments: MAP(VARCHAR, VARCHAR), those options that must be the same in all parts and in the call.
- not_by_day: why the report does not add up over days, in words; NULL where it does.

Example:
WITH events(user_id, action, ts) AS (VALUES (1, 'pv', DATE '2017-11-25')),
rows AS (FROM footfall.internal.part_label('activity', events, 'user_id', user_id, action, ts, MAP {'by': 'hour'}))
SELECT is_right, found FROM footfall.internal.check_parts('activity', rows, MAP {'by': 'hour'}, 'an hour has many days');$$;

CREATE MACRO footfall.merged.cleaning_report(
    parts, user_id, item_id, category_id, action, ts,
    valid_from := NULL, valid_until := NULL, actions := NULL, duplicates := 'drop', absent := 'error', time_zone := NULL
) AS TABLE
WITH ff_parts AS MATERIALIZED (
    SELECT part, reason_seen, action_seen, is_nobody, is_timeless, n_all, first_time, last_time, n_hours, n_minutes, n_seconds, n_fractions,
        n_surplus, n_tied FROM footfall.internal.part_rows(parts)
),
ff_seen AS MATERIALIZED (
    FROM footfall.internal.check_parts(
        'cleaning_report', ff_parts, footfall.internal.cleaning_arguments('merged.cleaning_report', valid_from, valid_until, actions, duplicates, time_zone),
        NULL
    )
),
ff_counts AS MATERIALIZED (
    SELECT * EXCLUDE (part) FROM ff_parts WHERE part IS NULL
)
SELECT *
FROM footfall.internal.cleaning_receipt('merged.cleaning_report', ff_counts, valid_from, valid_until, actions, duplicates, absent)
WHERE (SELECT is_right FROM ff_seen);

COMMENT ON MACRO TABLE footfall.merged.cleaning_report IS $$The report `cleaning_report` of all parts that `footfall.partial.cleaning_report` was called for.

The columns and the rules are those of `footfall.cleaning_report`, and so are the arguments, but that `parts` stands in place of the relation.
Arguments that name columns are not looked at. Parts that do not belong together are an error: of other options, of another
format, or with a user in two of them.

Parameters:
- parts: the rows of all parts, below one another; other columns in it are left aside.
- user_id, item_id, category_id, action, ts, valid_from, valid_until, actions, duplicates, absent, time_zone: as in `cleaning_report`.

Example:
WITH one AS (SELECT 1 AS user_id, 'pv' AS action, TIMESTAMP '2017-11-25 21:00:00' AS ts), two AS (SELECT 2 AS user_id, 'buy' AS action, TIMESTAMP '2017-11-25 22:00:00' AS ts),
parts AS (FROM footfall.partial.cleaning_report(one, user_id, NULL, NULL, action, ts) UNION ALL FROM footfall.partial.cleaning_report(two, user_id, NULL, NULL, action, ts))
SELECT reason, n_rows FROM footfall.merged.cleaning_report(parts, user_id, NULL, NULL, action, ts);$$;

CREATE MACRO footfall.merged.activity(
    parts, user_id, action, ts, by := 'hour', purchase := 'buy', days := 'calendar', period_from := NULL, period_until := NULL,
    week_start := 'monday', time_zone := NULL, absent := 'error'
) AS TABLE
WITH ff_parts AS MATERIALIZED (
    SELECT part, slot, date_seen, n_events, n_users, n_purchases FROM footfall.internal.part_rows(parts)
),
ff_seen AS MATERIALIZED (
    FROM footfall.internal.check_parts(
        'activity', ff_parts, footfall.internal.activity_arguments('merged.activity', "by", purchase, "days", period_from, period_until, week_start, time_zone),
        CASE WHEN footfall.internal.option_name("by") <> 'date' THEN 'a user counts once in a bucket of several days' END
    )
),
ff_counts AS MATERIALIZED (
    SELECT * EXCLUDE (part) FROM ff_parts WHERE part IS NULL
)
SELECT *
FROM footfall.internal.activity_report(
    'merged.activity', ff_counts, ff_seen, "by", purchase, "days", period_from, period_until, week_start, absent
)
WHERE (SELECT is_right FROM ff_seen);

COMMENT ON MACRO TABLE footfall.merged.activity IS $$The report `activity` of all parts that `footfall.partial.activity` was called for.

The columns and the rules are those of `footfall.activity`, and so are the arguments, but that `parts` stands in place of the relation.
Arguments that name columns are not looked at. Parts that do not belong together are an error: of other options, of another
format, or with a user in two of them.

Parameters:
- parts: the rows of all parts, below one another; other columns in it are left aside.
- user_id, action, ts, by, purchase, days, period_from, period_until, week_start, time_zone, absent: as in `activity`.

Example:
WITH one AS (SELECT 1 AS user_id, 'pv' AS action, TIMESTAMP '2017-11-25 21:00:00' AS ts), two AS (SELECT 2 AS user_id, 'buy' AS action, TIMESTAMP '2017-11-25 22:00:00' AS ts),
parts AS (FROM footfall.partial.activity(one, user_id, action, ts) UNION ALL FROM footfall.partial.activity(two, user_id, action, ts))
SELECT label, users FROM footfall.merged.activity(parts, user_id, action, ts) WHERE users > 0;$$;

CREATE MACRO footfall.merged.promotion_effect(
    parts, user_id, action, ts, starts, ends, purchase := 'buy', days := 'calendar', period_from := NULL, period_until := NULL,
    time_zone := NULL, absent := 'error'
) AS TABLE
WITH ff_parts AS MATERIALIZED (
    SELECT part, event_action, day_number, event_user, n_events FROM footfall.internal.part_rows(parts)
),
ff_seen AS MATERIALIZED (
    FROM footfall.internal.check_parts(
        'promotion_effect', ff_parts, footfall.internal.promotion_arguments('merged.promotion_effect', starts, purchase, period_from, period_until, time_zone),
        NULL
    )
),
ff_counts AS MATERIALIZED (
    SELECT
        footfall.internal.bytewise(event_action) AS event_action,
        day_number,
        footfall.internal.bytewise(event_user) AS event_user,
        CAST(sum(n_events) AS BIGINT) AS n_events
    FROM ff_parts
    WHERE part IS NULL
    GROUP BY ALL
)
SELECT *
FROM footfall.internal.promotion_report(
    'merged.promotion_effect', ff_counts, ff_seen, starts, ends, purchase, "days", period_from, period_until, absent
)
WHERE (SELECT is_right FROM ff_seen);

COMMENT ON MACRO TABLE footfall.merged.promotion_effect IS $$The report `promotion_effect` of all parts that `footfall.partial.promotion_effect` was called for.

The columns and the rules are those of `footfall.promotion_effect`, and so are the arguments, but that `parts` stands in place of the relation.
Arguments that name columns are not looked at. Parts that do not belong together are an error: of other options, of another
format, or with a user in two of them.

Parameters:
- parts: the rows of all parts, below one another; other columns in it are left aside.
- user_id, action, ts, starts, ends, purchase, days, period_from, period_until, time_zone, absent: as in `promotion_effect`.

Example:
WITH one AS (SELECT 1 AS user_id, 'buy' AS action, unnest([DATE '2017-11-25', DATE '2017-12-02']) AS ts),
two AS (SELECT 2 AS user_id, 'buy' AS action, DATE '2017-12-02' AS ts),
parts AS (
    FROM footfall.partial.promotion_effect(one, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-03')
    UNION ALL FROM footfall.partial.promotion_effect(two, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-03'))
SELECT action, lift FROM footfall.merged.promotion_effect(parts, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-03');$$;

CREATE MACRO footfall.merged.conversion(
    parts, user_id, by, action, view := 'pv', purchase := 'buy', top := 20, cart := NULL, favourite := NULL, absent := 'error'
) AS TABLE
WITH ff_parts AS MATERIALIZED (
    SELECT part, event_group, n_views, n_carts, n_favourites, n_purchases, n_viewers, n_buyers, n_both FROM footfall.internal.part_rows(parts)
),
ff_seen AS MATERIALIZED (
    FROM footfall.internal.check_parts(
        'conversion', ff_parts, footfall.internal.conversion_arguments(view, purchase, cart, favourite),
        'a user counts once in a group'
    )
),
ff_counts AS MATERIALIZED (
    SELECT
        footfall.internal.bytewise(event_group) AS event_group,
        CAST(sum(n_views) AS BIGINT) AS n_views,
        CAST(sum(n_carts) AS BIGINT) AS n_carts,
        CAST(sum(n_favourites) AS BIGINT) AS n_favourites,
        CAST(sum(n_purchases) AS BIGINT) AS n_purchases,
        CAST(sum(n_viewers) AS BIGINT) AS n_viewers,
        CAST(sum(n_buyers) AS BIGINT) AS n_buyers,
        CAST(sum(n_both) AS BIGINT) AS n_both
    FROM ff_parts
    WHERE part IS NULL
    GROUP BY ALL
),
ff_shown AS MATERIALIZED (
    FROM ff_counts
    WHERE event_group IS NOT NULL
    ORDER BY n_purchases DESC NULLS LAST, n_views DESC NULLS LAST, event_group ASC NULLS LAST
    LIMIT CASE WHEN TRY_CAST(top AS BIGINT) >= 1 THEN TRY_CAST(top AS BIGINT) END
)
SELECT *
FROM footfall.internal.conversion_report(
    'merged.conversion', ff_counts, ff_shown, ff_seen, view, purchase, top, cart, favourite, absent
)
WHERE (SELECT is_right FROM ff_seen);

COMMENT ON MACRO TABLE footfall.merged.conversion IS $$The report `conversion` of all parts that `footfall.partial.conversion` was called for.

The columns and the rules are those of `footfall.conversion`, and so are the arguments, but that `parts` stands in place of the relation.
Arguments that name columns are not looked at. Parts that do not belong together are an error: of other options, of another
format, or with a user in two of them.

Parameters:
- parts: the rows of all parts, below one another; other columns in it are left aside.
- user_id, by, action, view, purchase, top, cart, favourite, absent: as in `conversion`.

Example:
WITH one AS (SELECT 1 AS user_id, 'pv' AS action, TIMESTAMP '2017-11-25 21:00:00' AS ts), two AS (SELECT 2 AS user_id, 'buy' AS action, TIMESTAMP '2017-11-25 22:00:00' AS ts),
parts AS (FROM footfall.partial.conversion(one, user_id, action, action) UNION ALL FROM footfall.partial.conversion(two, user_id, action, action))
SELECT group_value, views, purchases FROM footfall.merged.conversion(parts, user_id, action, action);$$;

CREATE MACRO footfall.merged.funnel(
    parts, user_id, action, ts, steps := ['pv', 'cart', 'buy'], within := NULL, strict_increase := false,
    strict := false, per := NULL, by := NULL, absent := 'error'
) AS TABLE
WITH ff_parts AS MATERIALIZED (
    SELECT part, event_group, step_number, gap_us, n_users, n_action_users FROM footfall.internal.part_rows(parts)
),
ff_seen AS MATERIALIZED (
    FROM footfall.internal.check_parts(
        'funnel', ff_parts, footfall.internal.funnel_arguments('merged.funnel', steps, within, strict_increase, strict),
        'a chain goes through all days of a user'
    )
),
ff_counts AS MATERIALIZED (
    SELECT * EXCLUDE (part) FROM ff_parts WHERE part IS NULL
),
ff_steps AS NOT MATERIALIZED (
    FROM footfall.internal.funnel_steps_of(ff_counts)
)
SELECT *
FROM footfall.internal.funnel_report('merged.funnel', ff_steps, ff_seen, steps, within, strict_increase, strict, absent)
WHERE (SELECT is_right FROM ff_seen);

COMMENT ON MACRO TABLE footfall.merged.funnel IS $$The report `funnel` of all parts that `footfall.partial.funnel` was called for.

The columns and the rules are those of `footfall.funnel`, and so are the arguments, but that `parts` stands in place of the relation.
Arguments that name columns are not looked at. Parts that do not belong together are an error: of other options, of another
format, or with a user in two of them.

Parameters:
- parts: the rows of all parts, below one another; other columns in it are left aside.
- user_id, action, ts, steps, within, strict_increase, strict, per, by, absent: as in `funnel`.

Example:
WITH one AS (SELECT 1 AS user_id, 'pv' AS action, TIMESTAMP '2017-11-25 21:00:00' AS ts), two AS (SELECT 2 AS user_id, 'buy' AS action, TIMESTAMP '2017-11-25 22:00:00' AS ts),
parts AS (FROM footfall.partial.funnel(one, user_id, action, ts, steps := ['pv', 'buy']) UNION ALL FROM footfall.partial.funnel(two, user_id, action, ts, steps := ['pv', 'buy']))
SELECT step, users, users_in_any_order FROM footfall.merged.funnel(parts, user_id, action, ts, steps := ['pv', 'buy']);$$;

CREATE MACRO footfall.merged.cohorts(
    parts, user_id, ts, period := 'week', week_start := 'monday', action := NULL, starts := NULL, returns := NULL,
    amount := NULL, order_id := NULL, time_zone := NULL, absent := 'error'
) AS TABLE
WITH ff_parts AS MATERIALIZED (
    SELECT part, first_slot, distance, n_users, last_slot, n_starts, n_returns FROM footfall.internal.part_rows(parts)
),
ff_seen AS MATERIALIZED (
    FROM footfall.internal.check_parts(
        'cohorts', ff_parts, footfall.internal.cohort_arguments(period, week_start, starts, returns, time_zone),
        'a cohort is that of the first day of a user'
    )
),
ff_counts AS MATERIALIZED (
    SELECT * EXCLUDE (part) FROM ff_parts WHERE part IS NULL
)
SELECT *
FROM footfall.internal.cohort_report('merged.cohorts', ff_counts, ff_seen, period, week_start, starts, returns, absent)
WHERE (SELECT is_right FROM ff_seen);

COMMENT ON MACRO TABLE footfall.merged.cohorts IS $$The report `cohorts` of all parts that `footfall.partial.cohorts` was called for.

The columns and the rules are those of `footfall.cohorts`, and so are the arguments, but that `parts` stands in place of the relation.
Arguments that name columns are not looked at. Parts that do not belong together are an error: of other options, of another
format, or with a user in two of them.

Parameters:
- parts: the rows of all parts, below one another; other columns in it are left aside.
- user_id, ts, period, week_start, action, starts, returns, amount, order_id, time_zone, absent: as in `cohorts`.

Example:
WITH one AS (SELECT 1 AS user_id, 'pv' AS action, TIMESTAMP '2017-11-25 21:00:00' AS ts), two AS (SELECT 2 AS user_id, 'buy' AS action, TIMESTAMP '2017-11-25 22:00:00' AS ts),
parts AS (FROM footfall.partial.cohorts(one, user_id, ts) UNION ALL FROM footfall.partial.cohorts(two, user_id, ts))
FROM footfall.merged.cohorts(parts, user_id, ts);$$;

CREATE MACRO footfall.merged.repeat_purchase(
    parts, user_id, ts, amount := NULL, order_id := NULL, time_zone := NULL
) AS TABLE
WITH ff_parts AS MATERIALIZED (
    SELECT part, days_between, n_days, n_buyers, n_again FROM footfall.internal.part_rows(parts)
),
ff_seen AS MATERIALIZED (
    FROM footfall.internal.check_parts(
        'repeat_purchase', ff_parts, MAP {'time_zone': CAST(time_zone AS VARCHAR)},
        'the days of a buyer are counted from the one before'
    )
),
ff_counts AS MATERIALIZED (
    SELECT * EXCLUDE (part) FROM ff_parts WHERE part IS NULL
)
SELECT *
FROM footfall.internal.repeat_report(ff_counts)
WHERE (SELECT is_right FROM ff_seen);

COMMENT ON MACRO TABLE footfall.merged.repeat_purchase IS $$The report `repeat_purchase` of all parts that `footfall.partial.repeat_purchase` was called for.

The columns and the rules are those of `footfall.repeat_purchase`, and so are the arguments, but that `parts` stands in place of the relation.
Arguments that name columns are not looked at. Parts that do not belong together are an error: of other options, of another
format, or with a user in two of them.

Parameters:
- parts: the rows of all parts, below one another; other columns in it are left aside.
- user_id, ts, amount, order_id, time_zone: as in `repeat_purchase`.

Example:
WITH one AS (SELECT 1 AS user_id, 'pv' AS action, TIMESTAMP '2017-11-25 21:00:00' AS ts), two AS (SELECT 2 AS user_id, 'buy' AS action, TIMESTAMP '2017-11-25 22:00:00' AS ts),
parts AS (FROM footfall.partial.repeat_purchase(one, user_id, ts) UNION ALL FROM footfall.partial.repeat_purchase(two, user_id, ts))
SELECT buyers, repeat_buyers FROM footfall.merged.repeat_purchase(parts, user_id, ts);$$;

CREATE MACRO footfall.internal.rfm_merged(function_name, parts, as_of, bins, recency_cuts, frequency_cuts, monetary_cuts, time_zone) AS TABLE
WITH ff_labels AS MATERIALIZED (SELECT part FROM footfall.internal.part_rows(parts) WHERE part IS NOT NULL),
ff_seen AS MATERIALIZED (
    FROM footfall.internal.check_parts(
        'rfm', ff_labels, footfall.internal.rfm_arguments(function_name, as_of, time_zone),
        (
            SELECT CASE WHEN bool_or(map_extract(part.arguments, 'order_id')[1] <> 'NULL') THEN 'the lines of an order may lie on two days' END
            FROM ff_labels
        )
    )
),
ff_counts AS MATERIALIZED (
    SELECT
        footfall.internal.bytewise(buyer) AS buyer,
        max(last_time) AS last_time,
        CAST(sum(n_purchases) AS BIGINT) AS n_purchases,
        CAST(4611686018427387904 AS HUGEINT) * sum(whole_high) + sum(whole_low) AS whole,
        flatten(list(rest) FILTER (rest IS NOT NULL)) AS rest,
        max(unit) AS unit,
        sum(gross) AS gross,
        max(last_seen) AS last_seen
    FROM footfall.internal.part_rows(parts)
    WHERE part IS NULL
    GROUP BY buyer
)
SELECT *
FROM footfall.internal.rfm_scored(function_name, ff_counts, as_of, bins, recency_cuts, frequency_cuts, monetary_cuts)
WHERE (SELECT is_right FROM ff_seen);

COMMENT ON MACRO TABLE footfall.internal.rfm_merged IS $$The customers of all parts of `rfm`, scored, for the three reports of `rfm` in parts.

The columns are those of `rfm_scored`.

Parameters:
- function_name: the macro that was called, for messages.
- parts: the rows of `footfall.partial.rfm`.
- as_of, bins, recency_cuts, frequency_cuts, monetary_cuts, time_zone: as in `rfm`.

Example:
WITH orders AS (SELECT 1 AS customer, DATE '2017-12-01' AS day), parts AS (FROM footfall.partial.rfm(orders, customer, day))
SELECT customer_id, frequency FROM footfall.internal.rfm_merged('merged.rfm', parts, NULL, 5, NULL, NULL, NULL, NULL);$$;

CREATE MACRO footfall.merged.rfm(
    parts, customer_id, ts, amount := NULL, as_of := NULL, bins := 5, order_id := NULL,
    recency_cuts := NULL, frequency_cuts := NULL, monetary_cuts := NULL, time_zone := NULL
) AS TABLE
WITH ff_customers AS MATERIALIZED (
    FROM footfall.internal.rfm_merged('merged.rfm', parts, as_of, bins, recency_cuts, frequency_cuts, monetary_cuts, time_zone)
)
SELECT * EXCLUDE (recency_list, frequency_list, monetary_list) FROM ff_customers;

COMMENT ON MACRO TABLE footfall.merged.rfm IS $$The customers of all parts that `footfall.partial.rfm` was called for, scored and named.

The columns and the rules are those of `footfall.rfm`, and so are the arguments, but that `parts` stands in place of the relation.
Arguments that name columns are not looked at. Parts that do not belong together are an error: of another `as_of` or `time_zone`, of another
format, or with a customer in two of them. Parts of days are right where no `order_id` was given.

Parameters:
- parts: the rows of all parts, below one another; other columns in it are left aside.
- customer_id, ts, amount, as_of, bins, order_id, recency_cuts, frequency_cuts, monetary_cuts, time_zone: as in `rfm`.

Example:
WITH one AS (SELECT 1 AS customer, unnest([DATE '2017-12-01', DATE '2017-12-03']) AS day), two AS (SELECT 2 AS customer, DATE '2017-11-28' AS day),
parts AS (FROM footfall.partial.rfm(one, customer, day) UNION ALL FROM footfall.partial.rfm(two, customer, day))
FROM footfall.merged.rfm(parts, customer, day);$$;

CREATE MACRO footfall.merged.rfm_summary(
    parts, customer_id, ts, amount := NULL, as_of := NULL, bins := 5, order_id := NULL,
    recency_cuts := NULL, frequency_cuts := NULL, monetary_cuts := NULL, time_zone := NULL
) AS TABLE
WITH ff_customers AS MATERIALIZED (
    FROM footfall.internal.rfm_merged('merged.rfm_summary', parts, as_of, bins, recency_cuts, frequency_cuts, monetary_cuts, time_zone)
)
FROM footfall.internal.rfm_segments(ff_customers);

COMMENT ON MACRO TABLE footfall.merged.rfm_summary IS $$The RFM segments of all parts that `footfall.partial.rfm_summary` was called for.

The columns and the rules are those of `footfall.rfm_summary`, and so are the arguments, but that `parts` stands in place of the relation.
Arguments that name columns are not looked at. Parts that do not belong together are an error: of another `as_of` or `time_zone`, of another
format, or with a customer in two of them. Parts of days are right where no `order_id` was given.

Parameters:
- parts: the rows of all parts, below one another; other columns in it are left aside.
- customer_id, ts, amount, as_of, bins, order_id, recency_cuts, frequency_cuts, monetary_cuts, time_zone: as in `rfm_summary`.

Example:
WITH one AS (SELECT 1 AS customer, unnest([DATE '2017-12-01', DATE '2017-12-03']) AS day), two AS (SELECT 2 AS customer, DATE '2017-11-28' AS day),
parts AS (FROM footfall.partial.rfm_summary(one, customer, day) UNION ALL FROM footfall.partial.rfm_summary(two, customer, day))
FROM footfall.merged.rfm_summary(parts, customer, day);$$;

CREATE MACRO footfall.merged.rfm_thresholds(
    parts, customer_id, ts, amount := NULL, as_of := NULL, bins := 5, order_id := NULL,
    recency_cuts := NULL, frequency_cuts := NULL, monetary_cuts := NULL, time_zone := NULL
) AS TABLE
WITH ff_customers AS MATERIALIZED (
    FROM footfall.internal.rfm_merged('merged.rfm_thresholds', parts, as_of, bins, recency_cuts, frequency_cuts, monetary_cuts, time_zone)
)
FROM footfall.internal.rfm_bounds(ff_customers);

COMMENT ON MACRO TABLE footfall.merged.rfm_thresholds IS $$Where the scores begin and end, of all parts that `footfall.partial.rfm_thresholds` was called for.

The columns and the rules are those of `footfall.rfm_thresholds`, and so are the arguments, but that `parts` stands in place of the relation.
Arguments that name columns are not looked at. Parts that do not belong together are an error: of another `as_of` or `time_zone`, of another
format, or with a customer in two of them. Parts of days are right where no `order_id` was given.

Parameters:
- parts: the rows of all parts, below one another; other columns in it are left aside.
- customer_id, ts, amount, as_of, bins, order_id, recency_cuts, frequency_cuts, monetary_cuts, time_zone: as in `rfm_thresholds`.

Example:
WITH one AS (SELECT 1 AS customer, unnest([DATE '2017-12-01', DATE '2017-12-03']) AS day), two AS (SELECT 2 AS customer, DATE '2017-11-28' AS day),
parts AS (FROM footfall.partial.rfm_thresholds(one, customer, day) UNION ALL FROM footfall.partial.rfm_thresholds(two, customer, day))
FROM footfall.merged.rfm_thresholds(parts, customer, day);$$;

CREATE MACRO footfall.merged.segment_profile(
    parts, segment, recency, frequency, monetary := NULL
) AS TABLE
WITH ff_parts AS MATERIALIZED (
    SELECT part, member_of, measure, measured_value, n_members FROM footfall.internal.part_rows(parts)
),
ff_seen AS MATERIALIZED (
    FROM footfall.internal.check_parts(
        'segment_profile', ff_parts, CAST(MAP {} AS MAP(VARCHAR, VARCHAR)),
        NULL
    )
),
ff_counts AS MATERIALIZED (
    SELECT * EXCLUDE (part) FROM ff_parts WHERE part IS NULL
),
ff_figures AS MATERIALIZED (
    FROM footfall.internal.segment_figures(ff_counts)
)
SELECT *
FROM footfall.internal.segment_report(ff_figures)
WHERE (SELECT is_right FROM ff_seen);

COMMENT ON MACRO TABLE footfall.merged.segment_profile IS $$The report `segment_profile` of all parts that `footfall.partial.segment_profile` was called for.

The columns and the rules are those of `footfall.segment_profile`, and so are the arguments, but that `parts` stands in place of the relation.
Arguments that name columns are not looked at. Parts that do not belong together are an error: of other columns or of another
format.

Parameters:
- parts: the rows of all parts, below one another; other columns in it are left aside.
- segment, recency, frequency, monetary: as in `segment_profile`.

Example:
WITH one AS (SELECT 1 AS segment, 3 AS days, 2 AS orders), two AS (SELECT 1 AS segment, 5 AS days, 1 AS orders),
parts AS (FROM footfall.partial.segment_profile(one, segment, days, orders) UNION ALL FROM footfall.partial.segment_profile(two, segment, days, orders))
SELECT segment, customers, mean_recency, median_recency FROM footfall.merged.segment_profile(parts, segment, days, orders);$$;

CREATE MACRO footfall.merged.rfm_scores(
    parts, customer_id, ts, amount := NULL, as_of := NULL, bins := 5, order_id := NULL,
    recency_cuts := NULL, frequency_cuts := NULL, monetary_cuts := NULL, time_zone := NULL
) AS TABLE
WITH ff_parts AS MATERIALIZED (
    SELECT part, date_seen, n_purchases, measured_value, n_members FROM footfall.internal.part_rows(parts)
),
ff_seen AS MATERIALIZED (
    FROM footfall.internal.check_parts(
        'rfm_scores', ff_parts, footfall.internal.rfm_arguments('merged.rfm_scores', as_of, time_zone), 'purchases are counted per customer'
    )
),
ff_today AS MATERIALIZED (
    SELECT coalesce(CAST(footfall.internal.moment_option('merged.rfm_scores', 'as_of', as_of) AS DATE), max(part.last_day)) AS as_of_day FROM ff_parts
),
ff_counts AS MATERIALIZED (
    SELECT as_of_day, as_of_day - date_seen AS days_since, n_purchases, measured_value AS compared_money, n_members AS n_customers
    FROM ff_parts
    CROSS JOIN ff_today
    WHERE part IS NULL
)
FROM footfall.internal.rfm_score_row('merged.rfm_scores', ff_counts, bins, recency_cuts, frequency_cuts, monetary_cuts)
WHERE (SELECT is_right FROM ff_seen)
    AND (SELECT footfall.internal.check_rfm('merged.rfm_scores', as_of, bins, recency_cuts, frequency_cuts, monetary_cuts));

COMMENT ON MACRO TABLE footfall.merged.rfm_scores IS $$The cuts of all parts that `footfall.partial.rfm_scores` was called for.

The columns and the rules are those of `footfall.rfm_scores`, and so are the arguments, but that `parts` stands in place of the relation.
Arguments that name columns are not looked at. Parts that do not belong together are an error: of another `as_of` or `time_zone`, of another
format, or with a customer in two of them.

Parameters:
- parts: the rows of all parts, below one another; other columns in it are left aside.
- customer_id, ts, amount, as_of, bins, order_id, recency_cuts, frequency_cuts, monetary_cuts, time_zone: as in `rfm_scores`.

Example:
WITH one AS (SELECT 1 AS customer, unnest([DATE '2017-12-01', DATE '2017-12-03']) AS day), two AS (SELECT 2 AS customer, DATE '2017-11-28' AS day),
parts AS (FROM footfall.partial.rfm_scores(one, customer, day) UNION ALL FROM footfall.partial.rfm_scores(two, customer, day))
FROM footfall.merged.rfm_scores(parts, customer, day, bins := 2);$$;

CREATE MACRO footfall.merged.lifecycle(parts, user_id, ts, period := 'week', week_start := 'monday', time_zone := NULL) AS TABLE
WITH ff_parts AS MATERIALIZED (
    SELECT part, slot, n_users, n_starts, n_returns, first_slot, last_slot FROM footfall.internal.part_rows(parts)
),
ff_seen AS MATERIALIZED (
    FROM footfall.internal.check_parts(
        'lifecycle', ff_parts, footfall.internal.lifecycle_arguments(period, week_start, time_zone), 'who is new is known over all days'
    )
),
ff_counts AS MATERIALIZED (
    SELECT * EXCLUDE (part) FROM ff_parts WHERE part IS NULL
)
SELECT *
FROM footfall.internal.lifecycle_report('merged.lifecycle', ff_counts, period, week_start)
WHERE (SELECT is_right FROM ff_seen);

COMMENT ON MACRO TABLE footfall.merged.lifecycle IS $$The report `lifecycle` of all parts that `footfall.partial.lifecycle` was called for.

The columns and the rules are those of `footfall.lifecycle`, and so are the arguments, but that `parts` stands in place of the relation.
Arguments that name columns are not looked at. Parts that do not belong together are an error: of other options, of another
format, or with a user in two of them.

Parameters:
- parts: the rows of all parts, below one another; other columns in it are left aside.
- user_id, ts, period, week_start, time_zone: as in `lifecycle`.

Example:
WITH one AS (SELECT 1 AS user_id, unnest([DATE '2017-11-20', DATE '2017-11-27']) AS day), two AS (SELECT 2 AS user_id, DATE '2017-11-28' AS day),
parts AS (FROM footfall.partial.lifecycle(one, user_id, day) UNION ALL FROM footfall.partial.lifecycle(two, user_id, day))
SELECT period_start, active, new, returned FROM footfall.merged.lifecycle(parts, user_id, day);$$;

CREATE MACRO footfall.merged.compare_groups(
    parts, user_id, variant, metric, kind := 'rate', control := NULL, missing := 'error', confidence := 0.95, looks := 1
) AS TABLE
WITH ff_parts AS MATERIALIZED (
    SELECT part, event_group, measured_value, n_users FROM footfall.internal.part_rows(parts)
),
ff_seen AS MATERIALIZED (
    FROM footfall.internal.check_parts(
        'compare_groups', ff_parts, footfall.internal.group_arguments(kind, missing), 'a user counts once in a variant'
    )
),
ff_counts AS MATERIALIZED (
    SELECT footfall.internal.bytewise(event_group) AS event_group, measured_value, n_users FROM ff_parts WHERE part IS NULL
)
SELECT *
FROM footfall.internal.groups_report('merged.compare_groups', ff_counts, kind, control, missing, confidence, looks)
WHERE (SELECT is_right FROM ff_seen);

COMMENT ON MACRO TABLE footfall.merged.compare_groups IS $$The report `compare_groups` of all parts that `footfall.partial.compare_groups` was called for.

The columns and the rules are those of `footfall.compare_groups`, and so are the arguments, but that `parts` stands in place of the relation.
Arguments that name columns are not looked at. Parts that do not belong together are an error: of another `kind` or `missing`, of another
format, or with a user in two of them.

Parameters:
- parts: the rows of all parts, below one another; other columns in it are left aside.
- user_id, variant, metric, kind, control, missing, confidence, looks: as in `compare_groups`.

Example:
WITH one AS (SELECT 'control' AS variant, i AS user_id, i % 3 = 0 AS bought FROM range(100) AS numbers(i)),
two AS (SELECT 'new' AS variant, i AS user_id, i % 2 = 0 AS bought FROM range(100, 200) AS numbers(i)),
parts AS (FROM footfall.partial.compare_groups(one, user_id, variant, bought) UNION ALL FROM footfall.partial.compare_groups(two, user_id, variant, bought))
SELECT variant, users, value, difference, p FROM footfall.merged.compare_groups(parts, user_id, variant, bought);$$;
