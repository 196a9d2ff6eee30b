-- Retention: who comes back, and after how long.

CREATE MACRO footfall.internal.cohort_rows(
    function_name, tbl, user_id, ts, action, starts, returns, amount, order_id, time_zone
) AS TABLE
SELECT
    buyer,
    footfall.internal.instant(function_name, 'ts', moment) AS instant_time,
    footfall.internal.local_time(function_name, 'ts', moment, time_zone := time_zone, default_zone := 'UTC') AS local_time,
    footfall.internal.action_name(line_action) AS action_name
FROM footfall.internal.order_rows(
    function_name, tbl, 'user_id', user_id, order_id, ts, amount, action := action,
    action_for := CASE WHEN typeof(returns) <> typeof(NULL) THEN 'returns' WHEN typeof(starts) <> typeof(NULL) THEN 'starts' END,
    time_zone := time_zone, rows_suffice := true
)
WHERE buyer IS NOT NULL AND is_purchase;

COMMENT ON MACRO TABLE footfall.internal.cohort_rows IS $$The rows or orders that `cohorts` counts.

One row each: `buyer`, `instant_time`, `local_time` and `action_name`.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, user_id, ts, action, starts, returns, amount, order_id, time_zone: as in `cohorts`.

Example:
WITH events(user_id, day) AS (VALUES (1, DATE '2017-11-25'), (NULL, DATE '2017-11-26'))
SELECT buyer, local_time FROM footfall.internal.cohort_rows('cohorts', events, user_id, day, NULL, NULL, NULL, NULL, NULL, NULL);$$;

CREATE MACRO footfall.internal.cohort_counts(
    function_name, tbl, user_id, ts, period, week_start, action, starts, returns, amount, order_id, time_zone
) AS TABLE
WITH ff_rows AS NOT MATERIALIZED (
    FROM footfall.internal.cohort_rows(function_name, tbl, user_id, ts, action, starts, returns, amount, order_id, time_zone)
),
ff_dated AS NOT MATERIALIZED (
    SELECT
        *,
        -- Days since the day of 1970 on which a week began; 5 January was a Monday.
        CAST(local_time AS DATE) - DATE '1970-01-04' - footfall.internal.weekday_number(week_start) AS week_day,
        -- A column, because a subquery as an option is planned wherever the option stands.
        footfall.internal.option_name(period) AS unit
    FROM ff_rows
),
-- Periods are numbered, so that their distance is a subtraction.
ff_numbered AS NOT MATERIALIZED (
    SELECT
        buyer,
        instant_time,
        CASE unit
            WHEN 'day' THEN CAST(local_time AS DATE) - DATE '1970-01-01'
            WHEN 'week' THEN (week_day - (week_day % 7 + 7) % 7) // 7
            WHEN 'month' THEN 12 * year(local_time) + month(local_time) - 1
            WHEN 'quarter' THEN 4 * year(local_time) + quarter(local_time) - 1
            ELSE year(local_time)
        END AS slot,
        typeof(starts) = typeof(NULL) OR action_name = footfall.internal.action_name(starts) AS begins,
        typeof(returns) = typeof(NULL) OR action_name = footfall.internal.action_name(returns) AS comes_back
    FROM ff_dated
),
ff_user_slots AS MATERIALIZED (
    SELECT buyer, slot, CAST(NULL AS TIMESTAMP) AS begun, CAST(NULL AS TIMESTAMP) AS last_return, true AS is_start
    FROM (SELECT DISTINCT buyer, slot FROM ff_numbered WHERE typeof(starts) = typeof(NULL) AND typeof(returns) = typeof(NULL))
    UNION ALL
    SELECT buyer, slot, min(instant_time) FILTER (begins) AS begun, max(instant_time) FILTER (comes_back), begun IS NOT NULL
    FROM ff_numbered
    WHERE typeof(starts) <> typeof(NULL) OR typeof(returns) <> typeof(NULL)
    GROUP BY buyer, slot
),
ff_starters AS MATERIALIZED (
    SELECT buyer, min(slot) AS first_slot, min(begun) AS first_begun FROM ff_user_slots WHERE is_start GROUP BY buyer
),
ff_came_back AS MATERIALIZED (
    SELECT first_slot, slot - first_slot AS distance, count(*) AS n_users
    FROM ff_user_slots
    JOIN ff_starters ON ff_starters.buyer = ff_user_slots.buyer
    WHERE (typeof(starts) = typeof(NULL) AND typeof(returns) = typeof(NULL)) OR (last_return >= first_begun AND slot >= first_slot)
    GROUP BY first_slot, distance
),
ff_totals AS (SELECT max(slot) AS last_slot, count(*) FILTER (is_start) AS n_starts, count(last_return) AS n_returns FROM ff_user_slots)
SELECT first_slot, NULL AS distance, n_members AS n_users, NULL AS last_slot, NULL AS n_starts, NULL AS n_returns
FROM (SELECT first_slot, count(*) AS n_members FROM ff_starters GROUP BY first_slot)
UNION ALL
SELECT first_slot, distance, n_users, NULL, NULL, NULL FROM ff_came_back
UNION ALL
SELECT NULL, NULL, NULL, last_slot, n_starts, n_returns FROM ff_totals;

COMMENT ON MACRO TABLE footfall.internal.cohort_counts IS $$What `cohorts` counts of some of the users; the counts of several such parts add up.

Rows of three kinds: `n_users` of the cohort of `first_slot`, where `distance` is NULL; those of it who come `distance` periods
later; and one row with the last period, `last_slot`, and how many users and periods have the starting and the returning action.
Periods are numbered.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, user_id, ts, period, week_start, action, starts, returns, amount, order_id, time_zone: as in `cohorts`.

Example:
WITH events(user_id, day) AS (VALUES (1, DATE '2017-11-25'), (1, DATE '2017-11-26'))
FROM footfall.internal.cohort_counts('cohorts', events, user_id, day, 'day', 'monday', NULL, NULL, NULL, NULL, NULL, NULL);$$;

CREATE MACRO footfall.internal.check_cohorts(function_name, period, week_start, absent) AS
footfall.internal.check_option(
    footfall.internal.option_name(period) IN ('day', 'week', 'month', 'quarter', 'year'),
    function_name, 'period', period, '''day'', ''week'', ''month'', ''quarter'', ''year'''
) AND footfall.internal.check_option(
    footfall.internal.weekday_number(week_start) IS NOT NULL,
    function_name, 'week_start', footfall.internal.option_name(week_start), 'a day of the week such as ''monday'' or ''sunday'''
) AND footfall.internal.check_absent(function_name, absent);

COMMENT ON MACRO footfall.internal.check_cohorts IS $$True, or the error for a wrong option of `cohorts`.

Parameters:
- function_name: the macro that was called, for messages.
- period, week_start, absent: as in `cohorts`.

Example:
SELECT footfall.internal.check_cohorts('cohorts', 'week', 'monday', 'error') AS is_right;$$;

CREATE MACRO footfall.internal.cohort_report(function_name, counts, actions_seen, period, week_start, starts, returns, absent) AS TABLE
WITH ff_added AS MATERIALIZED (
    SELECT first_slot, distance, CAST(sum(n_users) AS BIGINT) AS n_users, max(last_slot) AS last_slot FROM query_table(counts) GROUP BY first_slot, distance
),
ff_members AS NOT MATERIALIZED (
    SELECT first_slot, n_users AS n_members FROM ff_added WHERE first_slot IS NOT NULL AND distance IS NULL
),
ff_came_back AS NOT MATERIALIZED (SELECT first_slot, distance, n_users FROM ff_added WHERE distance IS NOT NULL),
ff_extent AS (SELECT max(last_slot) AS last_slot FROM ff_added),
ff_sizes AS (
    SELECT
        first_slot,
        n_members,
        footfall.internal.option_name(period) AS unit,
        unnest(range(CASE
            WHEN last_slot - first_slot >= 100000
            THEN CAST(error('footfall.' || function_name || ': argument ''ts'' spans ' || last_slot - first_slot + 1
                || ' periods; allowed: 100000, so clean the times first, or take a longer period') AS BIGINT)
            WHEN n_rows > 10000000
            THEN CAST(error('footfall.' || function_name || ': argument ''period'' is ' || footfall.internal.shown(footfall.internal.option_name(period)) || ', which gives '
                || n_rows || ' rows, one for each cohort and period; allowed: 10000000, so take a longer period or fewer days') AS BIGINT)
            ELSE last_slot - first_slot + 1
        END)) AS distance
    FROM ff_members
    CROSS JOIN ff_extent
    CROSS JOIN (SELECT sum(last_slot - first_slot + 1) AS n_rows FROM ff_members CROSS JOIN ff_extent)
)
SELECT
    CASE unit
        WHEN 'day' THEN DATE '1970-01-01' + CAST(ff_sizes.first_slot AS INTEGER)
        WHEN 'week' THEN DATE '1970-01-04' + CAST(7 * ff_sizes.first_slot AS INTEGER) + footfall.internal.weekday_number(week_start)
        WHEN 'month' THEN make_date(
            CAST(floor(ff_sizes.first_slot / 12) AS BIGINT), CAST(ff_sizes.first_slot - 12 * floor(ff_sizes.first_slot / 12) AS BIGINT) + 1, 1
        )
        WHEN 'quarter' THEN make_date(
            CAST(floor(ff_sizes.first_slot / 4) AS BIGINT), 3 * CAST(ff_sizes.first_slot - 4 * floor(ff_sizes.first_slot / 4) AS BIGINT) + 1, 1
        )
        ELSE make_date(ff_sizes.first_slot, 1, 1)
    END AS cohort,
    CAST(ff_sizes.distance AS INTEGER) AS period,
    coalesce(n_users, 0) AS users,
    coalesce(n_users, 0) / n_members AS share,
    n_members AS members,
    bar(share, 0, 1, 26) AS chart
FROM ff_sizes
LEFT JOIN ff_came_back ON ff_came_back.first_slot = ff_sizes.first_slot AND ff_came_back.distance = ff_sizes.distance
WHERE (SELECT
    footfall.internal.check_cohorts(function_name, period, week_start, absent)
    AND (footfall.internal.option_name(absent) = 'zero' OR (
        footfall.internal.check_occurs(function_name, 'starts', [footfall.internal.action_name(starts)], coalesce(found, []))
        AND footfall.internal.check_occurs(function_name, 'returns', [footfall.internal.action_name(returns)], coalesce(found, []))
    ))
    FROM query_table(actions_seen)
)
ORDER BY ff_sizes.first_slot ASC NULLS LAST, ff_sizes.distance ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.internal.cohort_report IS $$The report of `cohorts` from the counts of `cohort_counts`, of one part or of several below one another.

The columns are those of `cohorts`.

Parameters:
- function_name: the macro that was called, for messages.
- counts: the rows of `cohort_counts`.
- actions_seen: one row `found`, the actions in the data; they are needed where a named one was done by nobody.
- period, week_start, starts, returns, absent: as in `cohorts`.

Example:
WITH counts(first_slot, distance, n_users, last_slot) AS (VALUES (17495, NULL, 2, NULL), (17495, 0, 2, NULL), (17495, 1, 1, NULL), (NULL, NULL, NULL, 17496)),
seen(found) AS (VALUES (['pv']))
FROM footfall.internal.cohort_report('cohorts', counts, seen, 'day', 'monday', NULL, NULL, 'error');$$;

CREATE MACRO footfall.main.cohorts(
    tbl, user_id, ts, period := 'week', week_start := 'monday', action := NULL, starts := NULL, returns := NULL,
    amount := NULL, order_id := NULL, time_zone := NULL, absent := 'error'
) AS TABLE
WITH ff_counts AS MATERIALIZED (
    FROM footfall.internal.cohort_counts(
        'cohorts', tbl, user_id, ts, period, week_start, action, starts, returns, amount, order_id, time_zone
    )
),
-- The actions that there are, where a named one is not among them: else nothing is read for it.
ff_missing AS (
    SELECT true
    FROM ff_counts
    WHERE footfall.internal.option_name(absent) <> 'zero'
        AND ((typeof(starts) <> typeof(NULL) AND n_starts = 0) OR (typeof(returns) <> typeof(NULL) AND n_returns = 0))
),
ff_found AS (
    SELECT list(DISTINCT action_name) FILTER (action_name IS NOT NULL) AS found
    FROM footfall.internal.cohort_rows('cohorts', tbl, user_id, ts, action, starts, returns, amount, order_id, time_zone)
    CROSS JOIN ff_missing
)
FROM footfall.internal.cohort_report('cohorts', ff_counts, ff_found, period, week_start, starts, returns, absent);

COMMENT ON MACRO TABLE footfall.main.cohorts IS $$Retention: of the users who first came in a period, how many come in each later one.

One row per cohort and period, up to the last period in the data: `cohort` (the first day of the period in
which its users have their first row), `period` (0 is the cohort's own, 1 the next, and so on), `users` of the cohort
who come in that period, `share` of the cohort, `members`, how many the cohort has, and `chart`, a bar of `share`. Periods are those of the calendar.
The first and last one may be cut off by the data, which lowers their numbers. Times more than 100000 periods apart are
an error, and so is a result of more than 10 million rows.

What counts: every row, so period 0 has all users. With `starts`, a user's cohort is that of the first such
action; with `returns`, only that action at or after the start is coming back, and period 0 has those who did it in
their first period. With an `amount` or `order_id` the rows are order lines, and purchases count by the rules of `orders`: a refund is no coming back.
Rows without a user (NULL, NaN, empty or blank text), or with a NULL or infinite time, are left out.

Parameters:
- tbl: the events or purchases: a table, view, CTE or file.
- user_id: a column or expression of any type.
- ts: the time in the shop's local time, TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE; or a TIMESTAMP WITH TIME ZONE.
- period: 'day', 'week', 'month', 'quarter' or 'year'.
- week_start: the day on which weeks begin, 'monday' to 'sunday'.
- action: the column of the actions, for `starts` and `returns`.
- starts: the action that makes a user one of a cohort; NULL is any row.
- returns: the action that counts as coming back; NULL is any row from the start on.
- amount: the money of a row, a number; NULL takes every row for a purchase.
- order_id: the number of the order, a column or expression of any type.
- time_zone: whose calendar is meant where `ts` is a TIMESTAMP WITH TIME ZONE, such as 'Europe/Berlin'; NULL is UTC.
- absent: 'error' or 'zero', what a named action is that occurs nowhere in the data.

Example:
WITH events(user_id, action, day) AS (VALUES
    (1, 'install', DATE '2017-11-20'), (1, 'buy', DATE '2017-11-28'), (2, 'install', DATE '2017-11-22'), (3, 'install', DATE '2017-11-29'))
FROM footfall.cohorts(events, user_id, day, action := action, starts := 'install', returns := 'buy');$$;

CREATE MACRO footfall.internal.repeat_counts(function_name, tbl, user_id, ts, amount, order_id, time_zone) AS TABLE
WITH ff_purchases AS NOT MATERIALIZED (
    SELECT
        buyer,
        footfall.internal.local_time(function_name, 'ts', moment, time_zone := time_zone, default_zone := 'UTC') AS purchase_time
    FROM footfall.internal.order_rows(
        function_name, tbl, 'user_id', user_id, order_id, ts, amount, time_zone := time_zone, rows_suffice := true
    )
    WHERE buyer IS NOT NULL AND is_purchase
),
ff_purchase_days AS NOT MATERIALIZED (
    SELECT DISTINCT buyer, CAST(purchase_time AS DATE) AS day FROM ff_purchases
),
-- Each buyer has one first day and at most one second, so buyers are counted without another look at who they are.
ff_gaps AS NOT MATERIALIZED (
    SELECT day - lag(day) OVER one_buyer AS days_between, row_number() OVER one_buyer AS nth_day
    FROM ff_purchase_days
    WINDOW one_buyer AS (PARTITION BY buyer ORDER BY day ASC NULLS LAST)
)
SELECT
    days_between,
    count(*) AS n_days,
    count(*) FILTER (nth_day = 1) AS n_buyers,
    count(*) FILTER (nth_day = 2) AS n_again
FROM ff_gaps
GROUP BY days_between;

COMMENT ON MACRO TABLE footfall.internal.repeat_counts IS $$What `repeat_purchase` counts of some of the buyers; the counts of several such parts add up.

One row per number of days from one purchase day of a buyer to the next: `days_between` (NULL for first days), `n_days`,
`n_buyers` whose first day it is, and `n_again` whose second.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, user_id, ts, amount, order_id, time_zone: as in `repeat_purchase`.

Example:
WITH purchases(user_id, day) AS (VALUES (1, DATE '2017-11-25'), (1, DATE '2017-11-27'), (2, DATE '2017-11-25'))
FROM footfall.internal.repeat_counts('repeat_purchase', purchases, user_id, day, NULL, NULL, NULL) ORDER BY days_between;$$;

CREATE MACRO footfall.internal.repeat_report(counts) AS TABLE
WITH ff_added AS MATERIALIZED (
    SELECT days_between, sum(n_days) AS n_days, sum(n_buyers) AS n_buyers, sum(n_again) AS n_again
    FROM query_table(counts)
    GROUP BY days_between
),
ff_running AS NOT MATERIALIZED (
    SELECT
        days_between,
        sum(n_days) OVER (ORDER BY days_between ASC NULLS LAST) AS n_until,
        sum(n_days) OVER () - 1 AS last_place
    FROM ff_added
    WHERE days_between IS NOT NULL
),
ff_quantiles AS MATERIALIZED (
    SELECT
        asked,
        min(days_between) FILTER (n_until > floor(last_place * asked)) AS below,
        min(days_between) FILTER (n_until > ceil(last_place * asked)) AS above,
        any_value(last_place * asked - floor(last_place * asked)) AS way
    FROM ff_running
    CROSS JOIN (SELECT unnest(CAST([0.1, 0.25, 0.5, 0.75, 0.9] AS DOUBLE[])) AS asked)
    GROUP BY asked
),
ff_listed AS (SELECT list(below * (1 - way) + above * way ORDER BY asked ASC NULLS LAST) AS quantiles FROM ff_quantiles),
ff_counted AS (
    SELECT
        CAST(coalesce(sum(n_buyers), 0) AS BIGINT) AS n_buyers,
        CAST(coalesce(sum(n_again), 0) AS BIGINT) AS n_again,
        coalesce(sum(n_days), 0) AS n_days
    FROM ff_added
)
SELECT
    n_buyers AS buyers,
    n_again AS repeat_buyers,
    n_again / nullif(n_buyers, 0) AS repeat_share,
    n_days / nullif(n_buyers, 0) AS days_per_buyer,
    quantiles[1] AS days_between_p10,
    quantiles[2] AS days_between_p25,
    quantiles[3] AS days_between_median,
    quantiles[4] AS days_between_p75,
    quantiles[5] AS days_between_p90
FROM ff_counted
CROSS JOIN ff_listed;

COMMENT ON MACRO TABLE footfall.internal.repeat_report IS $$The report of `repeat_purchase` from the counts of `repeat_counts`, of one part or of several below one another.

The columns are those of `repeat_purchase`.

Parameters:
- counts: the rows of `repeat_counts`.

Example:
WITH counts(days_between, n_days, n_buyers, n_again) AS (VALUES (NULL, 3, 3, 0), (2, 1, 0, 1), (6, 1, 0, 1))
SELECT buyers, repeat_buyers, days_between_median FROM footfall.internal.repeat_report(counts);$$;

CREATE MACRO footfall.main.repeat_purchase(tbl, user_id, ts, amount := NULL, order_id := NULL, time_zone := NULL) AS TABLE
WITH ff_counts AS NOT MATERIALIZED (
    FROM footfall.internal.repeat_counts('repeat_purchase', tbl, user_id, ts, amount, order_id, time_zone)
)
FROM footfall.internal.repeat_report(ff_counts);

COMMENT ON MACRO TABLE footfall.main.repeat_purchase IS $$How many buyers buy again, and after how many days.

Buying again is buying on another day: the rows of one basket, and a second order on the same day, are one
purchase day. One row: `buyers`, `repeat_buyers` with at least two purchase days, `repeat_share`,
`days_per_buyer` (mean number of purchase days), and the quantiles `days_between_p10`, `_p25`, `_median`, `_p75`,
`_p90` of the days from one purchase day of a buyer to the next, interpolated; NULL when nobody bought again.
Those who will still come back after the data end are not among the repeat buyers, so the share is a lower bound.

Give the `amount` where the file holds refunds: purchases count by the rules of `orders`, and a day on which a buyer only sent something
back is no purchase day. Without an amount every row is a purchase. With an `order_id` the day of an order is that of its first line.
Rows without a buyer (NULL, NaN, empty or blank text), or with a NULL or infinite time, are left out.

Parameters:
- tbl: the purchases or order lines: a table, view, CTE or file.
- user_id: a column or expression of any type.
- ts: the time in the shop's local time, TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE; or a TIMESTAMP WITH TIME ZONE.
- amount: the money of the row, a number; NULL takes every row for a purchase.
- order_id: the number of the order, a column or expression of any type.
- time_zone: whose calendar days are counted where `ts` is a TIMESTAMP WITH TIME ZONE, such as 'Europe/Berlin'; NULL is UTC.

Example:
WITH purchases(user_id, day, price) AS (VALUES
    (1, DATE '2017-11-25', 20.0), (1, DATE '2017-11-27', 12.5), (1, DATE '2017-12-03', 5.0), (2, DATE '2017-11-25', 9.9), (2, DATE '2017-11-28', -9.9))
SELECT buyers, repeat_buyers, repeat_share, days_between_median
FROM footfall.repeat_purchase(purchases, user_id, day, amount := price);$$;
