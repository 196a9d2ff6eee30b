-- Retention: who comes back, and after how long.

CREATE MACRO footfall.main.cohorts(tbl, user_id, ts, period := 'week') AS TABLE
WITH input_events AS NOT MATERIALIZED (
    SELECT user_id AS event_user, footfall.main.local_time('cohorts', 'ts', ts) AS event_time FROM query_table(tbl)
),
-- Periods are numbered, so that their distance is a subtraction. 5 January 1970 was a Monday.
user_slots AS MATERIALIZED (
    SELECT DISTINCT
        event_user,
        CASE period
            WHEN 'day' THEN CAST(event_time AS DATE) - DATE '1970-01-01'
            WHEN 'week' THEN CAST(date_trunc('week', event_time) AS DATE) - DATE '1970-01-05'
            ELSE 12 * year(event_time) + month(event_time) - 1
        END // CASE period WHEN 'week' THEN 7 ELSE 1 END AS slot
    FROM input_events
    WHERE event_user IS NOT NULL
        AND event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity'
),
first_slots AS MATERIALIZED (SELECT event_user, min(slot) AS first_slot FROM user_slots GROUP BY event_user),
returns AS MATERIALIZED (
    SELECT first_slot, slot - first_slot AS distance, count(*) AS n_users
    FROM user_slots
    JOIN first_slots ON first_slots.event_user = user_slots.event_user
    GROUP BY first_slot, distance
),
sizes AS (
    SELECT
        first_slot,
        n_users AS n_members,
        unnest(range(CASE WHEN last_slot - first_slot < 100000 THEN last_slot - first_slot + 1
            ELSE CAST(error('footfall.cohorts: argument ''ts'' spans ' || last_slot - first_slot + 1
                || ' periods; allowed: 100000, so clean the times first, or take a longer period') AS BIGINT)
        END)) AS distance
    FROM returns
    CROSS JOIN (SELECT max(slot) AS last_slot FROM user_slots)
    WHERE distance = 0
)
SELECT
    CASE period
        WHEN 'day' THEN DATE '1970-01-01' + CAST(sizes.first_slot AS INTEGER)
        WHEN 'week' THEN DATE '1970-01-05' + CAST(7 * sizes.first_slot AS INTEGER)
        ELSE make_date(CAST(floor(sizes.first_slot / 12) AS BIGINT), CAST(sizes.first_slot - 12 * floor(sizes.first_slot / 12) AS BIGINT) + 1, 1)
    END AS cohort,
    CAST(sizes.distance AS INTEGER) AS period,
    coalesce(n_users, 0) AS users,
    coalesce(n_users, 0) / n_members AS share
FROM sizes
LEFT JOIN returns ON returns.first_slot = sizes.first_slot AND returns.distance = sizes.distance
WHERE (SELECT footfall.main.check_option(
    period IN ('day', 'week', 'month'), 'cohorts', 'period', period, '''day'', ''week'', ''month'''
))
ORDER BY sizes.first_slot, sizes.distance;

COMMENT ON MACRO TABLE footfall.main.cohorts IS 'Retention: of the users who first came in a period, how many come in each later one.

One row per cohort and period, up to the last period in the data: `cohort` (the first day of the period in
which its users have their first row; weeks start on Monday), `period` (0 is the cohort''s own, 1 the next, and
so on), `users` of the cohort with a row in that period, and `share` of the cohort; period 0 has all of it.
Rows with a NULL user, or with a NULL or infinite time, are left out. The first and last period may be
cut off by the data, which lowers their numbers. Times more than 100000 periods apart are an error.

Parameters:
- tbl: the events or purchases: a table, view, CTE or file.
- user_id: a column or expression of any type.
- ts: the time in the shop''s local time; TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE.
- period: ''day'', ''week'' or ''month''.

Example:
WITH events(user_id, day) AS (VALUES
    (1, DATE ''2017-11-20''), (1, DATE ''2017-11-28''), (2, DATE ''2017-11-22''), (3, DATE ''2017-11-29''))
FROM footfall.cohorts(events, user_id, day);';

CREATE MACRO footfall.main.repeat_purchase(tbl, user_id, ts) AS TABLE
WITH input_purchases AS NOT MATERIALIZED (
    SELECT user_id AS buyer, footfall.main.local_time('repeat_purchase', 'ts', ts) AS purchase_time FROM query_table(tbl)
),
purchase_days AS NOT MATERIALIZED (
    SELECT DISTINCT buyer, CAST(purchase_time AS DATE) AS day
    FROM input_purchases
    WHERE buyer IS NOT NULL
        AND purchase_time > TIMESTAMP '-infinity' AND purchase_time < TIMESTAMP 'infinity'
),
gaps AS MATERIALIZED (
    SELECT buyer, day - lag(day) OVER (PARTITION BY buyer ORDER BY day) AS days_between FROM purchase_days
)
SELECT
    count(DISTINCT buyer) AS buyers,
    count(DISTINCT buyer) FILTER (days_between IS NOT NULL) AS repeat_buyers,
    repeat_buyers / nullif(buyers, 0) AS repeat_share,
    count(*) / nullif(buyers, 0) AS days_per_buyer,
    quantile_cont(days_between, 0.1) AS days_between_p10,
    quantile_cont(days_between, 0.25) AS days_between_p25,
    quantile_cont(days_between, 0.5) AS days_between_median,
    quantile_cont(days_between, 0.75) AS days_between_p75,
    quantile_cont(days_between, 0.9) AS days_between_p90
FROM gaps;

COMMENT ON MACRO TABLE footfall.main.repeat_purchase IS 'How many buyers buy again, and after how many days.

Buying again is buying on another day: the rows of one basket, and a second order on the same day, are one
purchase day. One row: `buyers`, `repeat_buyers` with at least two purchase days, `repeat_share`,
`days_per_buyer` (mean number of purchase days), and the quantiles `days_between_p10`, `_p25`, `_median`, `_p75`,
`_p90` of the days from one purchase day of a buyer to the next, interpolated; NULL when nobody bought again.
Those who will still come back after the data end are not among the repeat buyers, so the share is a lower bound.
Rows with a NULL buyer, or with a NULL or infinite time, are left out.

Parameters:
- tbl: the purchases: a table, view, CTE or file.
- user_id: a column or expression of any type.
- ts: the time in the shop''s local time; TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE.

Example:
WITH purchases(user_id, day) AS (VALUES
    (1, DATE ''2017-11-25''), (1, DATE ''2017-11-27''), (1, DATE ''2017-12-03''), (2, DATE ''2017-11-25''))
SELECT buyers, repeat_buyers, repeat_share, days_between_median FROM footfall.repeat_purchase(purchases, user_id, day);';
