-- Reports: when the shop is busy, what a promotion did, what converts.
--
-- Infinite times are dropped by comparing, not by isfinite(), because DuckDB can prove a comparison
-- from a column's smallest and largest value and then leaves it out. Days are numbered from 1 January 1970.

CREATE MACRO footfall.internal.whole_day(function_name, argument_name, given) AS
CASE
    WHEN given IS NULL THEN NULL
    WHEN typeof(given) = 'TIMESTAMP WITH TIME ZONE'
    THEN error('footfall.' || function_name || ': argument ''' || argument_name
        || ''' is a TIMESTAMP WITH TIME ZONE; allowed: a DATE of the shop''s calendar')
    -- By way of text, because DuckDB does not plan a cast of what can be no time, such as a number.
    WHEN isfinite(TRY_CAST(CAST(given AS VARCHAR) AS TIMESTAMP))
        AND TRY_CAST(CAST(given AS VARCHAR) AS TIMESTAMP) = date_trunc('day', TRY_CAST(CAST(given AS VARCHAR) AS TIMESTAMP))
    THEN CAST(TRY_CAST(CAST(given AS VARCHAR) AS TIMESTAMP) AS DATE)
    ELSE error('footfall.' || function_name || ': argument ''' || argument_name || ''' is ' || footfall.internal.shown(given)
        || '; allowed: a DATE, or a TIMESTAMP at midnight, because rates are per day')
END;

COMMENT ON MACRO footfall.internal.whole_day IS $$A day that an option names, as DATE, or an error that names the macro it was given to.

NULL stays NULL. A time within a day is refused, because rates are per day, and so is a TIMESTAMP WITH TIME ZONE,
whose day depends on whose calendar is meant.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: DATE, or TIMESTAMP at midnight.

Example:
SELECT footfall.internal.whole_day('activity', 'period_from', TIMESTAMP '2017-11-25 00:00:00') AS day;$$;

CREATE MACRO footfall.internal.counted_days(function_name, seen, which, first_day, end_day) AS
CASE
    WHEN footfall.internal.option_name(which) = 'open' THEN seen
    WHEN coalesce(end_day, seen[-1] + 1) - coalesce(first_day, seen[1]) > 100000
    THEN error('footfall.' || function_name || ': argument ''ts'' spans ' || (coalesce(end_day, seen[-1] + 1) - coalesce(first_day, seen[1]))
        || ' days; allowed: 100000, so clean the times first, or give period_from and period_until')
    -- Between days that were given every day was meant.
    WHEN (first_day IS NULL OR end_day IS NULL) AND list_max(list_transform(range(2, len(seen) + 1), lambda i: seen[i] - seen[i - 1])) > 367
    THEN error('footfall.' || function_name || ': argument ''ts'' has nothing on the days between '
        || array_to_string(list_transform(
            list_filter(range(2, len(seen) + 1), lambda i: seen[i] - seen[i - 1] > 367)[:1],
            lambda i: (DATE '1970-01-01' + CAST(seen[i - 1] AS INTEGER)) || ' and ' || (DATE '1970-01-01' + CAST(seen[i] AS INTEGER))
        ), '')
        || ', and each would count; allowed: 366 days without events, so clean the times first, or give period_from and period_until, '
        || 'or take days := ''open''')
    ELSE range(coalesce(first_day, seen[1]), coalesce(end_day, seen[-1] + 1))
END;

COMMENT ON MACRO footfall.internal.counted_days IS $$The days that rates are divided by, numbered from 1 January 1970, as BIGINT[].

'calendar' gives every day of the period, with or without events: from the first day to the last, or between the days
that were given. 'open' gives the days with events. One wrong time, such as a row of the year 2037, would add thousands
of days without events, so more than 366 days in a row without any are an error while an end of the period
is taken from the data. So is a period of more than 100000 days.

Parameters:
- function_name: the macro's name, for the message.
- seen: BIGINT[], the days with events in order; NULL where there are none.
- which: 'calendar' or 'open'.
- first_day: BIGINT, the first day of the period; NULL takes the first day with events.
- end_day: BIGINT, the first day after the period; NULL takes the day after the last one with events.

Example:
SELECT footfall.internal.counted_days('activity', [17495, 17498], 'calendar', NULL, NULL) AS days;$$;

CREATE MACRO footfall.internal.calendar_slot(moment, part, week_start) AS
CASE footfall.internal.option_name(part)
    WHEN 'hour' THEN hour(moment)
    WHEN 'weekday' THEN isodow(moment)
    WHEN 'hour_of_week' THEN 24 * isodow(moment) - 24 + hour(moment)
    WHEN 'date' THEN CAST(moment AS DATE) - DATE '1970-01-01'
    WHEN 'week' THEN CAST(moment AS DATE) - DATE '1970-01-01'
        - (isodow(moment) + 7 - list_position(['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'], footfall.internal.option_name(week_start))) % 7
    WHEN 'month' THEN CAST(moment AS DATE) - DATE '1970-01-01' - day(moment) + 1
    WHEN 'quarter' THEN make_date(year(moment), 3 * quarter(moment) - 2, 1) - DATE '1970-01-01'
END;

COMMENT ON MACRO footfall.internal.calendar_slot IS $$The part of the calendar that a moment falls in, as a number that grows with time.

Parameters:
- moment: TIMESTAMP, what the shop's clock shows.
- part: 'hour' gives 0 to 23; 'weekday' 1 (Monday) to 7; 'hour_of_week' 0 (Monday 00:00) to 167; 'date' the day counted from
  1 January 1970; 'week', 'month' and 'quarter' the number of their first day.
- week_start: the weekday that 'week' begins with, such as 'monday'.

Example:
SELECT footfall.internal.calendar_slot(TIMESTAMP '2017-12-03 21:30:00', 'hour_of_week', 'monday') AS slot;$$;

CREATE MACRO footfall.main.activity(
    tbl, user_id, action, ts, by := 'hour', purchase := 'buy', days := 'calendar', period_from := NULL, period_until := NULL,
    week_start := 'monday', time_zone := NULL, absent := 'error'
) AS TABLE
WITH ff_events AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key('activity', 'user_id', user_id) AS event_user,
        footfall.internal.action_name(action) AS event_action,
        footfall.internal.local_time('activity', 'ts', ts, time_zone := time_zone) AS event_time
    FROM query_table(tbl)
),
ff_placed AS NOT MATERIALIZED (
    SELECT
        footfall.internal.calendar_slot(event_time, "by", week_start) AS slot,
        CAST(event_time AS DATE) AS date_seen,
        event_user,
        event_action = footfall.internal.action_name(purchase) AS is_purchase
    FROM ff_events
    WHERE event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity'
        AND (period_from IS NULL OR event_time >= footfall.internal.whole_day('activity', 'period_from', period_from))
        AND (period_until IS NULL OR event_time < footfall.internal.whole_day('activity', 'period_until', period_until))
),
-- Counting per user first makes the distinct count a plain one, and is as fast. Where a slot is a date, or the
-- calendar is given, the dates need no count of their own; elsewhere one scan of the events gives them too.
ff_slot_users AS NOT MATERIALIZED (
    SELECT slot, NULL AS date_seen, event_user, count(*) AS n_events, count(*) FILTER (is_purchase) AS n_purchases
    FROM ff_placed
    WHERE footfall.internal.option_name("by") = 'date' OR (footfall.internal.option_name("days") = 'calendar' AND period_from IS NOT NULL AND period_until IS NOT NULL)
    GROUP BY slot, event_user
    UNION ALL
    SELECT slot, date_seen, event_user, count(*), count(*) FILTER (is_purchase)
    FROM ff_placed
    WHERE footfall.internal.option_name("by") <> 'date' AND (footfall.internal.option_name("days") = 'open' OR period_from IS NULL OR period_until IS NULL)
    GROUP BY GROUPING SETS ((slot, event_user), (date_seen))
),
ff_slots AS MATERIALIZED (
    SELECT slot, date_seen, sum(n_events) AS n_events, count(event_user) AS n_users, sum(n_purchases) AS n_purchases
    FROM ff_slot_users
    GROUP BY slot, date_seen
),
ff_period AS MATERIALIZED (
    SELECT
        list(day_number ORDER BY day_number ASC NULLS LAST) AS seen,
        footfall.internal.whole_day('activity', 'period_from', period_from) - DATE '1970-01-01' AS first_day,
        footfall.internal.whole_day('activity', 'period_until', period_until) - DATE '1970-01-01' AS end_day
    FROM (SELECT CASE footfall.internal.option_name("by") WHEN 'date' THEN slot ELSE date_seen - DATE '1970-01-01' END AS day_number FROM ff_slots)
    WHERE day_number IS NOT NULL
),
ff_calendar AS MATERIALIZED (
    SELECT unnest(footfall.internal.counted_days('activity', seen, "days", first_day, end_day)) AS day_number FROM ff_period
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
        DATE '1970-01-01' + CAST(ff_all_slots.slot AS INTEGER) AS first_date,
        coalesce(ff_slot_days.n_days, 0) AS n_days,
        CAST(coalesce(ff_slots.n_events, 0) AS BIGINT) AS n_events,
        coalesce(ff_slots.n_users, 0) AS n_users,
        CAST(coalesce(ff_slots.n_purchases, 0) AS BIGINT) AS n_purchases,
        coalesce(ff_slots.n_events, 0) / ff_slot_days.n_days AS event_rate,
        coalesce(ff_slots.n_purchases, 0) / ff_slot_days.n_days AS purchase_rate
    FROM ff_all_slots
    LEFT JOIN ff_slot_days
        ON ff_slot_days.day_slot = ff_all_slots.slot - CASE WHEN footfall.internal.option_name("by") IN ('hour', 'hour_of_week') THEN ff_all_slots.slot % 24 ELSE 0 END
    LEFT JOIN ff_slots ON ff_slots.slot = ff_all_slots.slot
),
-- Read only where there is no purchase to report.
ff_actions_seen AS MATERIALIZED (
    SELECT list(DISTINCT event_action) FILTER (event_action IS NOT NULL) AS found
    FROM ff_events
    CROSS JOIN (SELECT 1 FROM ff_slots HAVING coalesce(sum(n_purchases), 0) = 0 AND footfall.internal.option_name(absent) = 'error')
)
SELECT
    TRY_CAST(CASE
        WHEN footfall.internal.option_name("by") IN ('hour', 'weekday', 'hour_of_week') THEN CAST(slot AS VARCHAR)
        WHEN footfall.internal.option_name("by") = 'month' THEN strftime(first_date, '%Y%m')
        WHEN footfall.internal.option_name("by") = 'quarter' THEN strftime(first_date, '%Y') || quarter(first_date)
        ELSE strftime(first_date, '%Y%m%d')
    END AS INTEGER) AS bucket,
    CASE footfall.internal.option_name("by")
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
    footfall.internal.option_name("days") AS days_counted
FROM ff_rates
-- In one order, so that the last digit does not depend on the threads.
CROSS JOIN (SELECT list_avg(list(event_rate ORDER BY slot ASC NULLS LAST)) AS mean_rate FROM ff_rates)
CROSS JOIN (SELECT ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'] AS weekday_names)
WHERE (SELECT
    footfall.internal.check_option(wrong IS NULL, 'activity', wrong['argument'], wrong['given'], wrong['allowed'])
    AND footfall.internal.check_option(
        coalesce(first_day < end_day, true), 'activity', 'period_until', period_until,
        'later than period_from (' || CAST(period_from AS VARCHAR) || ')'
    ) AND footfall.internal.check_option(
        -- One end alone asks the data for the other.
        seen IS NOT NULL OR (first_day IS NULL) = (end_day IS NULL),
        'activity', CASE WHEN first_day IS NULL THEN 'period_until' ELSE 'period_from' END,
        DATE '1970-01-01' + CAST(coalesce(first_day, end_day) AS INTEGER),
        'a day with events on its side of it; period_from and period_until together give rows of zeros'
    ) AND footfall.internal.check_occurs('activity', 'purchase', [footfall.internal.action_name(purchase)], coalesce(found, []))
    FROM ff_period
    CROSS JOIN ff_actions_seen
    CROSS JOIN (SELECT list_filter([
        {
            'argument': 'by', 'given': footfall.internal.option_name("by"), 'is_right': footfall.internal.option_name("by") IN ('hour', 'weekday', 'hour_of_week', 'date', 'week', 'month', 'quarter'),
            'allowed': '''hour'', ''weekday'', ''hour_of_week'', ''date'', ''week'', ''month'', ''quarter'''
        },
        {'argument': 'days', 'given': footfall.internal.option_name("days"), 'is_right': footfall.internal.option_name("days") IN ('calendar', 'open'), 'allowed': '''calendar'', ''open'''},
        {
            'argument': 'week_start', 'given': footfall.internal.option_name(week_start),
            'is_right': footfall.internal.option_name(week_start) IN ('monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'),
            'allowed': '''monday'' to ''sunday'''
        },
        {'argument': 'purchase', 'given': footfall.internal.action_name(purchase), 'is_right': purchase IS NOT NULL, 'allowed': 'the name of an action'},
        {'argument': 'absent', 'given': footfall.internal.option_name(absent), 'is_right': footfall.internal.option_name(absent) IN ('error', 'zero'), 'allowed': '''error'', ''zero'''}
    ], lambda option: NOT coalesce(option['is_right'], false))[1] AS wrong)
)
ORDER BY
    CASE footfall.internal.option_name("by")
        WHEN 'weekday' THEN (slot + 7 - list_position([lower(name) FOR name IN weekday_names], footfall.internal.option_name(week_start))) % 7
        WHEN 'hour_of_week' THEN (slot + 192 - 24 * list_position([lower(name) FOR name IN weekday_names], footfall.internal.option_name(week_start))) % 168
        ELSE slot
    END ASC NULLS LAST;

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
two rates, whose full length is the busiest bucket. `days_counted` repeats `days`.

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

CREATE MACRO footfall.main.promotion_effect(
    tbl, user_id, action, ts, starts, ends, purchase := 'buy', days := 'calendar', period_from := NULL, period_until := NULL,
    time_zone := NULL, absent := 'error'
) AS TABLE
WITH ff_events AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key('promotion_effect', 'user_id', user_id) AS event_user,
        footfall.internal.bytewise(action) AS event_action,
        footfall.internal.local_time('promotion_effect', 'ts', ts, time_zone := time_zone) AS event_time
    FROM query_table(tbl)
),
ff_given AS MATERIALIZED (
    SELECT
        footfall.internal.whole_day('promotion_effect', 'starts', starts) - DATE '1970-01-01' AS start_day,
        footfall.internal.whole_day('promotion_effect', 'ends', ends) - DATE '1970-01-01' AS end_day,
        footfall.internal.whole_day('promotion_effect', 'period_from', period_from) - DATE '1970-01-01' AS from_day,
        footfall.internal.whole_day('promotion_effect', 'period_until', period_until) - DATE '1970-01-01' AS until_day
),
-- Purchases before the period tell who buys for the first time.
ff_user_dates AS MATERIALIZED (
    SELECT event_action, CAST(event_time AS DATE) - DATE '1970-01-01' AS day_number, event_user, count(*) AS n_events
    FROM ff_events
    WHERE event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity' AND event_action IS NOT NULL
        -- DuckDB would take an OR apart and compare every time several times over.
        AND CASE
            WHEN period_from IS NULL OR event_time >= footfall.internal.whole_day('promotion_effect', 'period_from', period_from) THEN true
            ELSE footfall.internal.action_name(event_action) = footfall.internal.action_name(purchase) AND event_time < footfall.internal.whole_day('promotion_effect', 'starts', starts)
        END
        AND (period_until IS NULL OR event_time < footfall.internal.whole_day('promotion_effect', 'period_until', period_until))
    GROUP BY event_action, day_number, event_user
),
ff_dates AS MATERIALIZED (
    SELECT list(day_number ORDER BY day_number ASC NULLS LAST) AS seen
    FROM (SELECT DISTINCT day_number FROM ff_user_dates)
    WHERE coalesce(day_number >= (SELECT from_day FROM ff_given), true)
),
-- The promotion as far as the period holds it.
ff_promotion AS MATERIALIZED (
    SELECT
        *,
        coalesce(from_day, seen[1]) AS first_day,
        coalesce(until_day, seen[-1] + 1) AS last_day,
        greatest(start_day, first_day) AS inside_from,
        least(end_day, last_day) AS inside_until,
        greatest(inside_until - inside_from, 1) AS n_days_long
    FROM ff_given
    CROSS JOIN ff_dates
),
ff_calendar AS MATERIALIZED (
    SELECT
        day_number,
        isodow(DATE '1970-01-01' + CAST(day_number AS INTEGER)) AS day_of_week,
        day_number >= inside_from AND day_number < inside_until AS is_inside,
        -- The spans of the promotion's length to both sides of it, by their distance; NULL where the period cuts one off.
        CASE
            WHEN is_inside THEN 0
            WHEN day_number < inside_from AND inside_from - n_days_long * ((inside_from - 1 - day_number) // n_days_long + 1) >= first_day
            THEN -1 - (inside_from - 1 - day_number) // n_days_long
            WHEN day_number >= inside_until AND inside_until + n_days_long * ((day_number - inside_until) // n_days_long + 1) <= last_day
            THEN 1 + (day_number - inside_until) // n_days_long
        END AS span_number
    FROM (
        SELECT *, unnest(footfall.internal.counted_days('promotion_effect', seen, "days", from_day, until_day)) AS day_number
        FROM ff_promotion
    )
),
ff_weekdays AS MATERIALIZED (
    SELECT day_of_week, count(*) FILTER (is_inside) AS n_inside, count(*) FILTER (NOT is_inside) AS n_outside
    FROM ff_calendar
    GROUP BY day_of_week
),
-- Only weekdays on both sides can be compared, and a weekday weighs outside what it weighs inside.
ff_weighted AS MATERIALIZED (
    SELECT
        ff_calendar.*,
        n_inside > 0 AND n_outside > 0 AS is_compared,
        CASE WHEN is_compared AND is_inside THEN CAST(1 AS DOUBLE) ELSE 0 END AS weight_inside,
        CASE WHEN is_compared AND NOT is_inside THEN n_inside / n_outside ELSE 0 END AS weight_outside
    FROM ff_calendar
    JOIN ff_weekdays ON ff_weekdays.day_of_week = ff_calendar.day_of_week
),
ff_day_counts AS MATERIALIZED (
    SELECT
        count(*) FILTER (is_inside) AS n_all_inside,
        count(*) FILTER (NOT is_inside) AS n_all_outside,
        count(*) FILTER (is_inside AND is_compared) AS n_inside,
        count(*) FILTER (NOT is_inside AND is_compared) AS n_outside,
        count(*) FILTER (NOT is_inside AND is_compared AND list_contains(seen, day_number)) AS n_open,
        count(DISTINCT span_number) FILTER (NOT is_inside) AS n_spans
    FROM ff_weighted
    CROSS JOIN ff_dates
),
-- Sums of whole numbers first, so that the order of rows is in no digit.
ff_action_weekdays AS (
    SELECT
        event_action,
        day_of_week,
        any_value(is_compared) AS is_compared,
        any_value(weight_outside) FILTER (NOT is_inside) AS weight_outside,
        coalesce(sum(n_events) FILTER (is_inside), 0) AS n_inside,
        coalesce(sum(n_events) FILTER (NOT is_inside), 0) AS n_outside,
        coalesce(sum(n_users) FILTER (is_inside), 0) AS users_inside,
        coalesce(sum(n_users) FILTER (NOT is_inside), 0) AS users_outside
    FROM (
        SELECT event_action, day_number, sum(n_events) AS n_events, count(event_user) AS n_users
        FROM ff_user_dates
        GROUP BY event_action, day_number
    ) AS action_dates
    JOIN ff_weighted ON ff_weighted.day_number = action_dates.day_number
    GROUP BY event_action, day_of_week
),
ff_actions AS MATERIALIZED (
    SELECT
        event_action,
        sum(n_inside) AS all_inside,
        sum(n_outside) AS all_outside,
        coalesce(sum(n_inside) FILTER (is_compared), 0) AS events_inside,
        coalesce(sum(n_outside) FILTER (is_compared), 0) AS events_outside,
        coalesce(sum(n_outside * weight_outside ORDER BY day_of_week ASC NULLS LAST), 0) AS events_expected,
        coalesce(sum(users_inside) FILTER (is_compared), 0) AS users_inside,
        coalesce(sum(users_outside * weight_outside ORDER BY day_of_week ASC NULLS LAST), 0) AS users_expected
    FROM ff_action_weekdays
    GROUP BY event_action
),
-- A user is active on a date that has any action of theirs.
ff_active_dates AS MATERIALIZED (SELECT DISTINCT event_user, day_number FROM ff_user_dates WHERE event_user IS NOT NULL),
ff_active_weekdays AS (
    SELECT
        day_of_week,
        any_value(weight_outside) FILTER (NOT is_inside) AS weight_outside,
        coalesce(sum(n_users) FILTER (is_inside AND is_compared), 0) AS n_inside,
        coalesce(sum(n_users) FILTER (NOT is_inside), 0) AS n_outside
    FROM (SELECT day_number, count(*) AS n_users FROM ff_active_dates GROUP BY day_number) AS date_users
    JOIN ff_weighted ON ff_weighted.day_number = date_users.day_number
    GROUP BY day_of_week
),
ff_users AS MATERIALIZED (
    SELECT
        event_user,
        sum(dates_inside) AS dates_inside,
        footfall.internal.fixed_sum(dates_outside, pow(2, 60)) AS dates_outside,
        count(*) FILTER (span_number = 0) AS n_promotions,
        count(*) FILTER (span_number <> 0) AS n_spans
    FROM (
        SELECT event_user, span_number, sum(weight_inside) AS dates_inside, footfall.internal.fixed_sum(weight_outside, pow(2, 60)) AS dates_outside
        FROM ff_active_dates
        JOIN ff_weighted ON ff_weighted.day_number = ff_active_dates.day_number
        GROUP BY event_user, span_number
    )
    GROUP BY event_user
),
ff_all_users AS MATERIALIZED (
    SELECT
        *,
        n_promotions / nullif(n_users, 0) AS share_inside,
        n_active_spans / nullif(n_users * (SELECT n_spans FROM ff_day_counts), 0) AS share_outside
    FROM (SELECT count(*) AS n_users, sum(n_promotions) AS n_promotions, sum(n_spans) AS n_active_spans FROM ff_users)
    CROSS JOIN (
        SELECT
            coalesce(sum(n_inside), 0) AS active_inside,
            coalesce(sum(n_outside * weight_outside ORDER BY day_of_week ASC NULLS LAST), 0) AS active_expected
        FROM ff_active_weekdays
    )
),
ff_user_actions AS MATERIALIZED (
    SELECT
        event_action,
        event_user,
        sum(n_events * weight_inside) AS n_inside,
        footfall.internal.fixed_sum(n_events * weight_outside, pow(2, 60)) AS n_expected
    FROM ff_user_dates
    JOIN ff_weighted ON ff_weighted.day_number = ff_user_dates.day_number
    WHERE event_user IS NOT NULL AND is_compared
    GROUP BY event_action, event_user
),
-- What one user adds to the logarithm of a ratio: the delta method, for users that were drawn from many.
ff_user_parts AS MATERIALIZED (
    SELECT event_user, dates_inside / nullif(active_inside, 0) - dates_outside / nullif(active_expected, 0) AS users_part
    FROM ff_users
    CROSS JOIN ff_all_users
),
ff_action_parts AS (
    SELECT
        ff_user_actions.event_action,
        event_user,
        n_inside / nullif(sum_inside, 0) - n_expected / nullif(sum_expected, 0) AS actions_part
    FROM ff_user_actions
    JOIN (
        SELECT event_action, sum(n_inside) AS sum_inside, footfall.internal.fixed_sum(n_expected, pow(2, 60)) AS sum_expected FROM ff_user_actions GROUP BY event_action
    ) AS sums ON sums.event_action = ff_user_actions.event_action
),
ff_errors AS (
    SELECT
        event_action,
        sqrt(footfall.internal.fixed_sum(actions_part ** 2, pow(2, 96)) * any_value(n_users / nullif(n_users - 1, 0))) AS of_lift,
        sqrt(
            greatest(footfall.internal.fixed_sum(
                actions_part ** 2 - 2 * actions_part * users_part, pow(2, 96)
            ) + any_value(users_squared), 0)
            * any_value(n_users / nullif(n_users - 1, 0))
        ) AS of_actions_per_user
    FROM ff_action_parts
    JOIN ff_user_parts ON ff_user_parts.event_user = ff_action_parts.event_user
    CROSS JOIN (SELECT footfall.internal.fixed_sum(users_part ** 2, pow(2, 96)) AS users_squared, count(*) AS n_users FROM ff_user_parts)
    GROUP BY event_action
),
ff_buyers AS (
    SELECT count(*) AS n_buyers, count(*) FILTER (first_purchase >= start_day) AS n_first_time
    FROM (
        SELECT
            event_user,
            any_value(start_day) AS start_day,
            min(day_number) AS first_purchase,
            bool_or(day_number >= inside_from AND day_number < inside_until) AS has_bought_inside
        FROM ff_user_dates
        CROSS JOIN ff_promotion
        WHERE footfall.internal.action_name(event_action) = footfall.internal.action_name(purchase) AND event_user IS NOT NULL
        GROUP BY event_user
    )
    WHERE has_bought_inside
),
-- Read only where there is no purchase to report.
ff_actions_seen AS MATERIALIZED (
    SELECT list(DISTINCT CAST(event_action AS VARCHAR)) FILTER (event_action IS NOT NULL) AS found
    FROM ff_events
    CROSS JOIN (SELECT 1 FROM ff_user_dates HAVING count_if(footfall.internal.action_name(event_action) = footfall.internal.action_name(purchase)) = 0 AND footfall.internal.option_name(absent) = 'error')
)
SELECT
    footfall.internal.unmarked(ff_actions.event_action) AS action,
    ff_day_counts.n_inside AS days_inside,
    ff_day_counts.n_outside AS days_outside,
    CAST(events_inside AS BIGINT) AS events_inside,
    CAST(events_outside AS BIGINT) AS events_outside,
    events_inside / nullif(ff_day_counts.n_inside, 0) AS per_day_inside,
    events_expected / nullif(ff_day_counts.n_inside, 0) AS per_day_outside,
    events_inside / nullif(events_expected, 0) AS lift,
    users_inside / nullif(ff_day_counts.n_inside, 0) AS users_per_day_inside,
    users_expected / nullif(ff_day_counts.n_inside, 0) AS users_per_day_outside,
    active_inside / nullif(active_expected, 0) AS users_lift,
    (events_inside / nullif(active_inside, 0)) / nullif(events_expected / nullif(active_expected, 0), 0) AS actions_per_user_lift,
    lift * of_lift AS lift_standard_error,
    lift * exp(-1.959963984540054 * of_lift) AS lift_low,
    lift * exp(1.959963984540054 * of_lift) AS lift_high,
    actions_per_user_lift * of_actions_per_user AS actions_per_user_lift_standard_error,
    (all_inside / nullif(n_all_inside, 0)) / nullif(all_outside / nullif(n_all_outside, 0), 0) AS lift_all_days,
    active_inside / nullif(ff_day_counts.n_inside, 0) AS active_users_per_day_inside,
    active_expected / nullif(ff_day_counts.n_inside, 0) AS active_users_per_day_outside,
    events_inside / nullif(active_inside, 0) AS per_active_user_inside,
    events_expected / nullif(active_expected, 0) AS per_active_user_outside,
    n_buyers AS buyers_inside,
    n_first_time AS first_time_buyers_inside,
    share_inside AS share_active_inside,
    share_outside AS share_active_outside,
    footfall.internal.option_name("days") AS days_counted,
    nullif(concat_ws('; ',
        CASE WHEN ff_day_counts.n_inside = 0
            THEN 'no weekday of the promotion is outside it as well, so there is nothing to compare with'
        END,
        (
            SELECT printf('only %d of the %d days of the promotion lie in the period', inside_until - inside_from, end_day - start_day)
            FROM ff_promotion
            WHERE inside_until - inside_from < end_day - start_day
        ),
        CASE WHEN 2 * n_open < ff_day_counts.n_outside
            THEN printf('%d of the %d days outside have no event: clean the times, or give period_from and period_until',
                ff_day_counts.n_outside - n_open, ff_day_counts.n_outside)
        END,
        CASE WHEN share_inside >= 0.95 AND coalesce(2 * (1 - share_inside) < 1 - share_outside, true)
            THEN printf('%.0f %% of all users in the table are active in the promotion', 100 * share_inside)
                || coalesce(printf(' and %.0f %% in other spans of its length', 100 * share_outside), '')
                || ': where users are in the table because they came then, lift and users_lift show how it was made, and '
                || 'actions_per_user_lift what the promotion did'
        END
    ), '') AS warning
FROM ff_actions
LEFT JOIN ff_errors ON ff_errors.event_action = ff_actions.event_action
CROSS JOIN ff_day_counts
CROSS JOIN ff_all_users
CROSS JOIN ff_buyers
WHERE (SELECT
    footfall.internal.check_option(wrong_day IS NULL, 'promotion_effect', wrong_day['argument'], wrong_day['given'], wrong_day['allowed'])
    AND footfall.internal.check_option(wrong IS NULL, 'promotion_effect', wrong['argument'], wrong['given'], wrong['allowed'])
    AND footfall.internal.check_occurs('promotion_effect', 'purchase', [footfall.internal.action_name(purchase)], coalesce(found, []))
    FROM (SELECT list_filter([
        {'argument': 'starts', 'given': DATE '1970-01-01' + CAST(start_day AS INTEGER), 'is_right': start_day IS NOT NULL, 'allowed': 'a DATE'},
        {
            'argument': 'ends', 'given': DATE '1970-01-01' + CAST(end_day AS INTEGER), 'is_right': start_day < end_day,
            'allowed': coalesce('later than starts (' || (DATE '1970-01-01' + CAST(start_day AS INTEGER)) || ')', 'a DATE')
        },
        {
            'argument': 'period_until', 'given': DATE '1970-01-01' + CAST(until_day AS INTEGER), 'is_right': coalesce(from_day < until_day, true),
            'allowed': 'later than period_from (' || (DATE '1970-01-01' + CAST(from_day AS INTEGER)) || ')'
        },
        {
            'argument': 'starts', 'given': DATE '1970-01-01' + CAST(start_day AS INTEGER), 'is_right': coalesce(start_day <= seen[-1], true),
            'allowed': 'a day of the data, which go from ' || (DATE '1970-01-01' + CAST(seen[1] AS INTEGER)) || ' to ' || (DATE '1970-01-01' + CAST(seen[-1] AS INTEGER))
        },
        {
            'argument': 'ends', 'given': DATE '1970-01-01' + CAST(end_day AS INTEGER), 'is_right': coalesce(end_day > seen[1], true),
            'allowed': 'after the first day of the data, which go from ' || (DATE '1970-01-01' + CAST(seen[1] AS INTEGER)) || ' to ' || (DATE '1970-01-01' + CAST(seen[-1] AS INTEGER))
        }
    ], lambda option: NOT coalesce(option['is_right'], false))[1] AS wrong_day FROM ff_promotion)
    CROSS JOIN ff_actions_seen
    CROSS JOIN (SELECT list_filter([
        {'argument': 'days', 'given': footfall.internal.option_name("days"), 'is_right': footfall.internal.option_name("days") IN ('calendar', 'open'), 'allowed': '''calendar'', ''open'''},
        {'argument': 'purchase', 'given': footfall.internal.action_name(purchase), 'is_right': purchase IS NOT NULL, 'allowed': 'the name of an action'},
        {'argument': 'absent', 'given': footfall.internal.option_name(absent), 'is_right': footfall.internal.option_name(absent) IN ('error', 'zero'), 'allowed': '''error'', ''zero'''}
    ], lambda option: NOT coalesce(option['is_right'], false))[1] AS wrong)
)
ORDER BY ff_actions.all_inside + ff_actions.all_outside DESC NULLS LAST, ff_actions.event_action ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.main.promotion_effect IS $$What a promotion did: per action, the daily rate inside against the same weekdays outside, and what it is made of.

The promotion is the days in [starts, ends), as far as the period holds them: `ends` is the first day after it. The period
goes from the first day of the data to the last, or between `period_from` and `period_until`, and a day of it without events is a
day. A weekday is compared only when the period holds it inside and outside; the outside rate weighs each weekday
as often as it occurs inside. One row per action, the most frequent first: `action`, `days_inside` and `days_outside`
the numbers of compared days, `events_inside` and `events_outside` on them, `per_day_inside`,
`per_day_outside`, `lift` (the ratio of the two; 1 is no effect), and `users_per_day_inside` and
`users_per_day_outside`, which count different users of the action per day. Without a weekday to compare these are NULL.

Two questions hide in a lift, and it is split into them: `lift` = `users_lift` * `actions_per_user_lift`. `users_lift` compares
the users active per day with whatever action (`active_users_per_day_inside`, `active_users_per_day_outside`): did more come?
`actions_per_user_lift` compares the actions per active user and day (`per_active_user_inside`, `per_active_user_outside`): did
those who came do more? `lift_standard_error` and `actions_per_user_lift_standard_error` are standard errors over users, the unit that
was drawn, by the delta method, which for a ratio is the linearised estimator of Cochran, Sampling Techniques, 1977, section 6.4;
`lift_low` and `lift_high` are a 95 % interval, made on the logarithm. They say how far other users would
have moved the number on the same days; what else was special about those days is not in them.

`lift_all_days` compares with all days outside, whatever their weekday. `buyers_inside` are the different users who purchase in the
promotion, and `first_time_buyers_inside` those of them without a purchase before `starts` in the whole table, so their number
depends on how far back it goes. Both are the same in every row, as are the next three. `share_active_inside` is the share of all users of the period
that are active in the promotion, `share_active_outside` the mean share in the other spans of its length, counted from it to both sides.
`days_counted` repeats `days`. `warning` says in words what makes the numbers doubtful, and is NULL otherwise: nothing to
compare with; days of the promotion before or after the period; more than half of the days outside without events; or at
least 95 % of all users active inside, and less than half as many absent as elsewhere. A table of the users who came on certain days shows a lift on those days that no
promotion made.

Rows with a NULL action, or with a NULL or infinite time, are left out. A row whose user is nobody (NULL, NaN, an empty text)
counts as an event and not as a user.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type.
- action: VARCHAR or ENUM, or what casts to text, such as a number.
- ts: the time in the shop's local time; TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE; or an instant, with `time_zone`.
- starts: DATE, the first day of the promotion; a promotion outside the data is an error.
- ends: DATE, the first day after the promotion.
- purchase: the action that is a purchase.
- days: 'calendar' counts all days of the period, 'open' those with events.
- period_from: DATE, the first day of the period; NULL takes the first day of the data.
- period_until: DATE, the first day after the period; NULL takes the day after the last day of the data.
- time_zone: whose calendar is read where `ts` is a TIMESTAMP WITH TIME ZONE, such as 'Europe/Berlin'.
- absent: 'error' when `purchase` occurs nowhere in the table, or 'zero' to count none.

Example:
WITH events(user_id, action, ts) AS (VALUES
    (1, 'buy', DATE '2017-11-25'), (2, 'buy', DATE '2017-11-27'),
    (1, 'buy', DATE '2017-12-02'), (2, 'buy', DATE '2017-12-02'), (3, 'buy', DATE '2017-12-02'))
SELECT action, days_inside, days_outside, per_day_inside, per_day_outside, lift, users_lift, actions_per_user_lift
FROM footfall.promotion_effect(events, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-03');$$;

CREATE MACRO footfall.main.wilson_interval(n_successes, n_trials) AS
{
    'low': (n_successes + 1.959963984540054 ** 2 / 2
        - 1.959963984540054 * sqrt(n_successes * (n_trials - n_successes) / n_trials + 1.959963984540054 ** 2 / 4))
        / (n_trials + 1.959963984540054 ** 2),
    -- That of the failures, turned round, so that all of all is 1 to the last digit.
    'high': 1 - (n_trials - n_successes + 1.959963984540054 ** 2 / 2
        - 1.959963984540054 * sqrt(n_successes * (n_trials - n_successes) / n_trials + 1.959963984540054 ** 2 / 4))
        / (n_trials + 1.959963984540054 ** 2)
};

COMMENT ON MACRO footfall.main.wilson_interval IS $$The 95 % interval of a share, as Wilson has it: STRUCT with `low` and `high`.

The shares under which the counts would be no surprise. It stays within 0 and 1, and says something where nobody or
everybody did it, which the share plus and minus two standard errors does not (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927).
Without trials both are NULL.

Parameters:
- n_successes: how many did it; at most `n_trials`.
- n_trials: how many there were.

Example:
SELECT w.low, w.high FROM (SELECT footfall.wilson_interval(23, 145) AS w);$$;

CREATE MACRO footfall.main.conversion(
    tbl, user_id, by, action, view := 'pv', purchase := 'buy', top := 20, cart := NULL, favourite := NULL, absent := 'error'
) AS TABLE
WITH ff_events AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key('conversion', 'user_id', user_id) AS event_user,
        footfall.internal.usable_group('conversion', 'by', "by") AS event_group,
        footfall.internal.action_name(action) AS event_action
    FROM query_table(tbl)
),
ff_marked AS NOT MATERIALIZED (
    SELECT
        event_user,
        event_group,
        event_action = footfall.internal.action_name(view) AS is_view,
        event_action = coalesce(footfall.internal.action_name(cart), 'cart') AS is_cart,
        event_action = coalesce(footfall.internal.action_name(favourite), 'fav') AS is_favourite,
        event_action = footfall.internal.action_name(purchase) AS is_purchase
    FROM ff_events
),
-- All groups: one pass for events and users.
ff_group_users AS NOT MATERIALIZED (
    SELECT
        event_group,
        event_user,
        count(*) FILTER (is_view) AS n_views,
        count(*) FILTER (is_cart) AS n_carts,
        count(*) FILTER (is_favourite) AS n_favourites,
        count(*) FILTER (is_purchase) AS n_purchases
    FROM ff_marked
    WHERE top IS NULL
    GROUP BY event_group, event_user
),
ff_all_groups AS MATERIALIZED (
    SELECT
        event_group,
        CAST(sum(n_views) AS BIGINT) AS n_views,
        CAST(sum(n_carts) AS BIGINT) AS n_carts,
        CAST(sum(n_favourites) AS BIGINT) AS n_favourites,
        CAST(sum(n_purchases) AS BIGINT) AS n_purchases,
        count(event_user) FILTER (n_views > 0) AS n_viewers,
        count(event_user) FILTER (n_purchases > 0) AS n_buyers,
        count(event_user) FILTER (n_views > 0 AND n_purchases > 0) AS n_both
    FROM ff_group_users
    GROUP BY event_group
),
-- The best groups: users are counted in those that are shown, which costs less than counting them in all. What both passes need
-- is kept, so that a relation that gives other rows each time, such as a sample, is read once.
ff_kept AS MATERIALIZED (FROM ff_marked WHERE top IS NOT NULL),
ff_group_events AS MATERIALIZED (
    SELECT
        event_group,
        count(*) FILTER (is_view) AS n_views,
        count(*) FILTER (is_cart) AS n_carts,
        count(*) FILTER (is_favourite) AS n_favourites,
        count(*) FILTER (is_purchase) AS n_purchases
    FROM ff_kept
    GROUP BY event_group
),
ff_best AS MATERIALIZED (
    FROM ff_group_events
    WHERE event_group IS NOT NULL
    ORDER BY n_purchases DESC NULLS LAST, n_views DESC NULLS LAST, event_group ASC NULLS LAST
    LIMIT CASE WHEN TRY_CAST(top AS BIGINT) >= 1 THEN TRY_CAST(top AS BIGINT) END
),
ff_best_users AS (
    SELECT
        event_group,
        count(*) FILTER (has_viewed) AS n_viewers,
        count(*) FILTER (has_bought) AS n_buyers,
        count(*) FILTER (has_viewed AND has_bought) AS n_both
    FROM (
        SELECT event_group, event_user, bool_or(is_view) AS has_viewed, bool_or(is_purchase) AS has_bought
        FROM ff_kept
        WHERE (is_view OR is_purchase) AND event_user IS NOT NULL AND event_group IN (SELECT event_group FROM ff_best)
        GROUP BY event_group, event_user
    )
    GROUP BY event_group
),
ff_counted AS MATERIALIZED (
    FROM ff_all_groups
    WHERE event_group IS NOT NULL
    UNION ALL
    SELECT ff_best.*, coalesce(n_viewers, 0), coalesce(n_buyers, 0), coalesce(n_both, 0)
    FROM ff_best
    LEFT JOIN ff_best_users ON ff_best_users.event_group = ff_best.event_group
),
ff_occurring AS MATERIALIZED (
    SELECT
        coalesce(sum(n_views), 0) > 0 AS has_views,
        coalesce(sum(n_carts), 0) > 0 AS has_carts,
        coalesce(sum(n_favourites), 0) > 0 AS has_favourites,
        coalesce(sum(n_purchases), 0) > 0 AS has_purchases
    FROM (FROM ff_group_events UNION ALL SELECT event_group, n_views, n_carts, n_favourites, n_purchases FROM ff_all_groups)
),
-- Read only where an action that was asked for does not occur, to name those that do.
ff_actions_seen AS MATERIALIZED (
    SELECT list(DISTINCT event_action) FILTER (event_action IS NOT NULL) AS found
    FROM ff_events
    CROSS JOIN (
        SELECT 1 FROM ff_occurring
        WHERE footfall.internal.option_name(absent) = 'error'
            AND NOT (has_views AND has_purchases AND (cart IS NULL OR has_carts) AND (favourite IS NULL OR has_favourites))
    )
)
SELECT
    footfall.internal.unmarked(event_group) AS group_value,
    n_views AS views,
    CASE WHEN cart IS NOT NULL OR has_carts THEN n_carts END AS carts,
    CASE WHEN favourite IS NOT NULL OR has_favourites THEN n_favourites END AS favourites,
    n_purchases AS purchases,
    n_viewers AS viewers,
    n_buyers AS buyers,
    n_purchases / nullif(n_views, 0) AS purchases_per_view,
    n_buyers / nullif(n_viewers, 0) AS buyers_per_viewer,
    n_both AS viewers_who_bought,
    n_both / nullif(n_viewers, 0) AS conversion_rate,
    footfall.main.wilson_interval(n_both, nullif(n_viewers, 0))['low'] AS conversion_rate_low,
    footfall.main.wilson_interval(n_both, nullif(n_viewers, 0))['high'] AS conversion_rate_high
FROM ff_counted
CROSS JOIN ff_occurring
WHERE (SELECT
    footfall.internal.check_option(
        coalesce(TRY_CAST(top AS DOUBLE) >= 1 AND TRY_CAST(top AS DOUBLE) = TRY_CAST(top AS BIGINT), top IS NULL), 'conversion', 'top', top, 'a whole number from 1, or NULL for all groups'
    ) AND footfall.internal.check_option(wrong IS NULL, 'conversion', wrong['argument'], wrong['given'], wrong['allowed'])
    AND (footfall.internal.option_name(absent) = 'zero' OR footfall.internal.check_occurs(
        'conversion', missing['argument'], CASE WHEN missing IS NOT NULL THEN [missing['action']] ELSE [] END, seen
    ))
    FROM (
        SELECT
            coalesce(found, []) AS seen,
            -- The defaults of cart and favourite need not occur.
            list_filter([
                {'argument': 'view', 'action': footfall.internal.action_name(view)},
                {'argument': 'purchase', 'action': footfall.internal.action_name(purchase)},
                {'argument': 'cart', 'action': footfall.internal.action_name(cart)},
                {'argument': 'favourite', 'action': footfall.internal.action_name(favourite)}
            ], lambda named: NOT list_contains(seen, named['action']))[1] AS missing
        FROM ff_actions_seen
    )
    CROSS JOIN (SELECT list_filter([
        {'argument': 'view', 'given': footfall.internal.action_name(view), 'is_right': view IS NOT NULL, 'allowed': 'the name of an action'},
        {'argument': 'purchase', 'given': footfall.internal.action_name(purchase), 'is_right': purchase IS NOT NULL, 'allowed': 'the name of an action'},
        {'argument': 'absent', 'given': footfall.internal.option_name(absent), 'is_right': footfall.internal.option_name(absent) IN ('error', 'zero'), 'allowed': '''error'', ''zero'''}
    ], lambda option: NOT coalesce(option['is_right'], false))[1] AS wrong)
)
ORDER BY n_purchases DESC NULLS LAST, n_views DESC NULLS LAST, event_group ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.main.conversion IS $$What turns views into purchases, per category or any other group.

One row per group, the one with most purchases first (then most views, then by `group_value`):
`group_value`, the events `views`, `carts`, `favourites` and `purchases`, the different users `viewers`
and `buyers`, and rates that answer different questions. `purchases_per_view` counts events. `buyers_per_viewer` counts people,
but `buyers` need not have viewed in the group, so it can exceed 1. `conversion_rate` is the share of the viewers who bought
in the group as well, in whatever order (`viewers_who_bought` of `viewers`), and `conversion_rate_low` and `conversion_rate_high` are its
95 % interval as Wilson has it: two groups whose intervals are far apart differ, and a group of three viewers says little.
Without views or viewers a rate is NULL. Rows whose group is missing (NULL, NaN, an empty text) are left out. A row whose user
is nobody (NULL, NaN, an empty text) counts as an event and not as a user.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type.
- by: what to group by, a column or expression such as `category_id`.
- action: VARCHAR or ENUM, or what casts to text, such as a number.
- view, purchase: the actions that are a view and a purchase.
- top: how many groups; NULL gives all.
- cart, favourite: the actions that are counted as such; NULL means 'cart' and 'fav', and a column of NULLs where the shop has none.
- absent: 'error' when an action that is named occurs nowhere in the table, or 'zero' to count none.

Example:
WITH events(user_id, category_id, action) AS (VALUES
    (1, 100, 'pv'), (1, 100, 'pv'), (1, 100, 'buy'), (2, 100, 'pv'), (2, 200, 'pv'))
FROM footfall.conversion(events, user_id, category_id, action);$$;
