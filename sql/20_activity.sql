-- Activity: when the shop is busy.
--
-- Infinite times are dropped by comparing, not by isfinite(), because DuckDB can prove a comparison
-- from a column's smallest and largest value and then leaves it out.

CREATE MACRO footfall.internal.activity_counts(
    function_name, tbl, user_id, action, ts, by, purchase, days, period_from, period_until, week_start, time_zone
) AS TABLE
WITH ff_events AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key(function_name, 'user_id', user_id) AS event_user,
        footfall.internal.action_name(action) AS event_action,
        footfall.internal.local_time(function_name, 'ts', ts, time_zone := time_zone) AS event_time,
        -- A column, because a subquery as an option is planned wherever the option stands.
        footfall.internal.option_name("by") AS kind
    FROM query_table(tbl)
),
ff_placed AS NOT MATERIALIZED (
    SELECT
        footfall.internal.calendar_slot(event_time, kind, week_start) AS slot,
        CAST(event_time AS DATE) AS date_seen,
        event_user,
        event_action = footfall.internal.action_name(purchase) AS is_purchase
    FROM ff_events
    WHERE event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity'
        AND (period_from IS NULL OR event_time >= footfall.internal.whole_day(function_name, 'period_from', period_from))
        AND (period_until IS NULL OR event_time < footfall.internal.whole_day(function_name, 'period_until', period_until))
),
-- Counting per user first makes the distinct count a plain one, and is as fast. Where a slot is a date, or the
-- calendar is given, the dates need no count of their own; elsewhere one scan of the events gives them too.
ff_slot_users AS NOT MATERIALIZED (
    SELECT slot, NULL AS date_seen, event_user, count(*) AS n_events, count(*) FILTER (is_purchase) AS n_purchases
    FROM ff_placed
    WHERE footfall.internal.option_name("by") = 'date'
        OR (footfall.internal.option_name("days") = 'calendar' AND period_from IS NOT NULL AND period_until IS NOT NULL)
    GROUP BY slot, event_user
    UNION ALL
    SELECT slot, date_seen, event_user, count(*), count(*) FILTER (is_purchase)
    FROM ff_placed
    WHERE footfall.internal.option_name("by") <> 'date' AND (footfall.internal.option_name("days") = 'open' OR period_from IS NULL OR period_until IS NULL)
    GROUP BY GROUPING SETS ((slot, event_user), (date_seen))
)
SELECT
    slot,
    date_seen,
    CAST(sum(n_events) AS BIGINT) AS n_events,
    count(event_user) AS n_users,
    CAST(sum(n_purchases) AS BIGINT) AS n_purchases
FROM ff_slot_users
GROUP BY slot, date_seen;

COMMENT ON MACRO TABLE footfall.internal.activity_counts IS $$What `activity` counts of some of the users; the counts of several such parts add up.

Rows of two kinds: a `slot` of the calendar (see `calendar_slot`) with its `n_events`, `n_users` and `n_purchases`, and, where
they are needed, the dates that were seen, in `date_seen`.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, user_id, action, ts, by, purchase, days, period_from, period_until, week_start, time_zone: as in `activity`.

Example:
WITH events(user_id, ts) AS (VALUES (1, TIMESTAMP '2017-11-25 21:00:00'), (1, TIMESTAMP '2017-11-25 21:05:00'))
FROM footfall.internal.activity_counts('activity', events, user_id, 'pv', ts, 'hour', 'buy', 'calendar', NULL, NULL, 'monday', NULL);$$;

CREATE MACRO footfall.internal.check_activity(function_name, by, purchase, days, week_start, absent) AS
[
    footfall.internal.check_option(wrong IS NULL, function_name, wrong['argument'], wrong['given'], wrong['allowed'])
    FOR wrong IN [list_filter([
        {
            'argument': 'by', 'given': footfall.internal.option_name("by"),
            'is_right': footfall.internal.option_name("by") IN ('hour', 'weekday', 'hour_of_week', 'date', 'week', 'month', 'quarter'),
            'allowed': '''hour'', ''weekday'', ''hour_of_week'', ''date'', ''week'', ''month'', ''quarter'''
        },
        {
            'argument': 'days', 'given': footfall.internal.option_name("days"),
            'is_right': footfall.internal.option_name("days") IN ('calendar', 'open'), 'allowed': '''calendar'', ''open'''
        },
        {
            'argument': 'week_start', 'given': footfall.internal.option_name(week_start),
            'is_right': footfall.internal.weekday_number(week_start) IS NOT NULL,
            'allowed': '''monday'' to ''sunday'''
        },
        {'argument': 'purchase', 'given': footfall.internal.action_name(purchase), 'is_right': purchase IS NOT NULL, 'allowed': 'the name of an action'}
    ], lambda option: NOT coalesce(option['is_right'], false))[1]]
][1] AND footfall.internal.check_absent(function_name, absent);

COMMENT ON MACRO footfall.internal.check_activity IS $$True, or the error for a wrong option of `activity`.

Parameters:
- function_name: the macro that was called, for messages.
- by, purchase, days, week_start, absent: as in `activity`.

Example:
SELECT footfall.internal.check_activity('activity', 'hour', 'buy', 'open', 'monday', 'error') AS is_right;$$;

CREATE MACRO footfall.internal.activity_report(
    function_name, counts, actions_seen, by, purchase, days, period_from, period_until, week_start, absent
) AS TABLE
WITH ff_actions_seen AS NOT MATERIALIZED (FROM query_table(actions_seen)),
ff_slots AS MATERIALIZED (
    SELECT slot, date_seen, sum(n_events) AS n_events, CAST(sum(n_users) AS BIGINT) AS n_users, sum(n_purchases) AS n_purchases
    FROM query_table(counts)
    GROUP BY slot, date_seen
),
ff_period AS MATERIALIZED (
    SELECT
        footfall.internal.option_name("by") AS kind,
        list(day_number ORDER BY day_number ASC NULLS LAST) AS seen,
        footfall.internal.whole_day(function_name, 'period_from', period_from) - DATE '1970-01-01' AS first_day,
        footfall.internal.whole_day(function_name, 'period_until', period_until) - DATE '1970-01-01' AS end_day
    FROM (SELECT CASE footfall.internal.option_name("by") WHEN 'date' THEN slot ELSE date_seen - DATE '1970-01-01' END AS day_number FROM ff_slots)
    WHERE day_number IS NOT NULL
),
ff_calendar AS MATERIALIZED (
    SELECT unnest(footfall.internal.counted_days(function_name, seen, "days", first_day, end_day)) AS day_number FROM ff_period
),
ff_slot_days AS MATERIALIZED (
    SELECT
        footfall.internal.calendar_slot(CAST(DATE '1970-01-01' + CAST(day_number AS INTEGER) AS TIMESTAMP), "by", week_start) AS day_slot,
        count(*) AS n_days
    FROM ff_calendar
    GROUP BY day_slot
),
-- Every hour and weekday is a row, whether the shop knows it or not.
ff_all_slots AS (
    SELECT day_slot AS slot FROM ff_slot_days WHERE footfall.internal.option_name("by") NOT IN ('hour', 'weekday', 'hour_of_week')
    UNION ALL
    SELECT unnest(CASE footfall.internal.option_name("by") WHEN 'hour' THEN range(24) WHEN 'weekday' THEN range(1, 8) WHEN 'hour_of_week' THEN range(168) END)
    WHERE (SELECT count(*) FROM ff_slot_days) > 0
),
ff_rates AS MATERIALIZED (
    SELECT
        ff_all_slots.slot,
        footfall.internal.option_name("by") AS kind,
        DATE '1970-01-01' + CAST(ff_all_slots.slot AS INTEGER) AS first_date,
        coalesce(ff_slot_days.n_days, 0) AS n_days,
        CAST(coalesce(ff_slots.n_events, 0) AS BIGINT) AS n_events,
        coalesce(ff_slots.n_users, 0) AS n_users,
        CAST(coalesce(ff_slots.n_purchases, 0) AS BIGINT) AS n_purchases,
        coalesce(ff_slots.n_events, 0) / ff_slot_days.n_days AS event_rate,
        coalesce(ff_slots.n_purchases, 0) / ff_slot_days.n_days AS purchase_rate
    FROM ff_all_slots
    LEFT JOIN ff_slot_days
        ON ff_slot_days.day_slot = ff_all_slots.slot
            - CASE WHEN footfall.internal.option_name("by") IN ('hour', 'hour_of_week') THEN ff_all_slots.slot % 24 ELSE 0 END
    LEFT JOIN ff_slots ON ff_slots.slot = ff_all_slots.slot
)
SELECT
    TRY_CAST(CASE
        WHEN kind IN ('hour', 'weekday', 'hour_of_week') THEN CAST(slot AS VARCHAR)
        WHEN kind = 'month' THEN strftime(first_date, '%Y%m')
        WHEN kind = 'quarter' THEN strftime(first_date, '%Y') || quarter(first_date)
        ELSE strftime(first_date, '%Y%m%d')
    END AS INTEGER) AS bucket,
    CASE kind
        WHEN 'hour' THEN printf('%02d:00', slot)
        WHEN 'weekday' THEN weekday_names[slot]
        WHEN 'hour_of_week' THEN weekday_names[slot // 24 + 1] || printf(' %02d:00', slot % 24)
        WHEN 'month' THEN strftime(first_date, '%Y-%m')
        WHEN 'quarter' THEN strftime(first_date, '%Y-Q') || quarter(first_date)
        ELSE CAST(first_date AS VARCHAR)
    END AS label,
    n_days,
    n_events AS events,
    n_users AS users,
    n_purchases AS purchases,
    event_rate AS events_per_day,
    purchase_rate AS purchases_per_day,
    event_rate / nullif(mean_rate, 0) AS activity_index,
    -- Wider bars are cut in the shell of DuckDB 1.4.
    bar(event_rate, 0, max(event_rate) OVER (), 26) AS chart,
    bar(purchase_rate, 0, max(purchase_rate) OVER (), 26) AS purchase_chart,
    footfall.internal.option_name("days") AS days_counted,
    CASE WHEN kind = 'hour_of_week' THEN string_agg(
        substr('·░▒▓█', CAST(1 + coalesce(ceil(4 * event_rate / nullif(most, 0)), 0) AS BIGINT), 1), '' ORDER BY slot ASC NULLS LAST
    ) OVER (PARTITION BY slot // 24) END AS day_chart
FROM ff_rates
CROSS JOIN (SELECT max(event_rate) AS most FROM ff_rates)
-- In one order, so that the last digit does not depend on the threads.
CROSS JOIN (SELECT list_avg(list(event_rate ORDER BY slot ASC NULLS LAST)) AS mean_rate FROM ff_rates)
CROSS JOIN (SELECT ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'] AS weekday_names)
WHERE (SELECT
    footfall.internal.check_activity(function_name, kind, purchase, "days", week_start, absent)
    AND footfall.internal.check_option(
        coalesce(first_day < end_day, true), function_name, 'period_until', period_until,
        'later than period_from (' || CAST(period_from AS VARCHAR) || ')'
    ) AND footfall.internal.check_option(
        -- One end alone asks the data for the other.
        seen IS NOT NULL OR (first_day IS NULL) = (end_day IS NULL),
        function_name, CASE WHEN first_day IS NULL THEN 'period_until' ELSE 'period_from' END,
        DATE '1970-01-01' + CAST(coalesce(first_day, end_day) AS INTEGER),
        'a day with events on its side of it; period_from and period_until together give rows of zeros'
    ) AND (footfall.internal.option_name(absent) = 'zero' OR footfall.internal.check_occurs(
        function_name, 'purchase', [footfall.internal.action_name(purchase)], coalesce(found, [])
    ))
    FROM ff_period
    CROSS JOIN ff_actions_seen
)
ORDER BY
    CASE kind
        WHEN 'weekday' THEN (slot + 7 - footfall.internal.weekday_number(week_start)) % 7
        WHEN 'hour_of_week' THEN (slot + 192 - 24 * footfall.internal.weekday_number(week_start)) % 168
        ELSE slot
    END ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.internal.activity_report IS $$The report of `activity` from the counts of `activity_counts`, of one part or of several below one another.

The columns are those of `activity`.

Parameters:
- function_name: the macro that was called, for messages.
- counts: the rows of `activity_counts`.
- actions_seen: one row `found`, the actions in the data; they are needed where there is no purchase.
- by, purchase, days, period_from, period_until, week_start, absent: as in `activity`.

Example:
WITH counts(slot, date_seen, n_events, n_users, n_purchases) AS (VALUES (17495, NULL::DATE, 2, 1, 0), (17495, NULL, 3, 2, 1)), seen(found) AS (VALUES (['pv', 'buy']))
SELECT label, events, users FROM footfall.internal.activity_report('activity', counts, seen, 'date', 'buy', 'calendar', NULL, NULL, 'monday', 'error');$$;

CREATE MACRO footfall.main.activity(
    tbl, user_id, action, ts, by := 'hour', purchase := 'buy', days := 'calendar', period_from := NULL, period_until := NULL,
    week_start := 'monday', time_zone := NULL, absent := 'error'
) AS TABLE
WITH ff_counts AS MATERIALIZED (
    FROM footfall.internal.activity_counts(
        'activity', tbl, user_id, action, ts, "by", purchase, "days", period_from, period_until, week_start, time_zone
    )
),
-- Read only where there is no purchase to report.
ff_wanted AS (SELECT 1 FROM ff_counts HAVING coalesce(sum(n_purchases), 0) = 0 AND footfall.internal.option_name(absent) = 'error'),
ff_found AS MATERIALIZED (FROM footfall.internal.actions_seen(tbl, action, ff_wanted))
FROM footfall.internal.activity_report(
    'activity', ff_counts, ff_found, "by", purchase, "days", period_from, period_until, week_start, absent
);

COMMENT ON MACRO TABLE footfall.main.activity IS $$When the shop is busy: events, users and purchases by hour, weekday, date, week, month or quarter.

One row per bucket, in order, with zeros where nothing happened: a day without events is a day. The period goes from
the first day to the last day with events, or between `period_from` and `period_until`; rows outside it are left out.
`bucket` is a number and `label` the same in words: the hour 0 to 23; the weekday 1 to 7, Monday = 1; the hour of the week
0 to 167, 0 = Monday 00:00; the date, or the first date of the week, as yyyymmdd; the month as yyyymm; the quarter as yyyyq.
`n_days` is the number of days of the period that the bucket is spread over: for hours all days, for a weekday and its
hours the days of that weekday, for a week, month or quarter those of its days that lie in the period.
`events`, `users` (different ones) and `purchases` are sums; `events_per_day` and `purchases_per_day` are divided by
`n_days`, so that nine days with two Saturdays do not make Saturday busy; a weekday that the period does not hold has no rate,
NULL. `activity_index` is `events_per_day` over its mean in the report, so 1 is average. `chart` and `purchase_chart` are bars of the
two rates, whose full length is the busiest bucket. `days_counted` repeats `days`. With `by := 'hour_of_week'` the `day_chart` is the day of the
bucket in 24 shades, one an hour, so that the rows WHERE bucket % 24 = 0 are a picture of the week; else it is NULL.

With `days := 'open'` only days with events count, and `n_days` is their number: the rate of a day on which the shop was
open. More than 366 days in a row without events are an error while an end of the period comes from the data, because one
wrong time would make them. Where the clock is changed, a day of 23 or 25 hours is a day. Rows with a NULL or infinite time are
left out. A row whose user is nobody (NULL, NaN, an empty text) counts as an event and not as a user.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type.
- action: VARCHAR or ENUM, or what casts to text, such as a number.
- ts: the time in the shop's local time; TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE; or an instant, with `time_zone`.
- by: 'hour', 'weekday', 'hour_of_week', 'date', 'week', 'month' or 'quarter'.
- purchase: the action that is a purchase.
- days: 'calendar' divides by the days of the period, 'open' by its days with events.
- period_from: DATE, the first day of the period; NULL takes the first day of the data.
- period_until: DATE, the first day after the period; NULL takes the day after the last day of the data.
- week_start: 'monday' to 'sunday', the day that weeks begin with; it moves the order of weekdays, not their numbers.
- time_zone: whose clock is read where `ts` is a TIMESTAMP WITH TIME ZONE, such as 'Europe/Berlin'.
- absent: 'error' when `purchase` occurs nowhere in the table, or 'zero' to count none.

Example:
WITH events(user_id, action, ts) AS (VALUES
    (1, 'pv', TIMESTAMP '2017-11-25 21:00:00'),
    (1, 'buy', TIMESTAMP '2017-11-25 21:05:00'),
    (2, 'pv', TIMESTAMP '2017-11-27 09:30:00'))
SELECT bucket, label, n_days, events, users, purchases, events_per_day, activity_index
FROM footfall.activity(events, user_id, action, ts, by := 'date');$$;
