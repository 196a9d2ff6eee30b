-- Reports: when the shop is busy, what a promotion did, what converts.
--
-- Infinite times are dropped by comparing, not by isfinite(), because DuckDB can prove a comparison
-- from a column's smallest and largest value and then leaves it out.

CREATE MACRO footfall.main.activity(tbl, user_id, action, ts, by := 'hour', purchase := 'buy') AS TABLE
WITH input_events AS NOT MATERIALIZED (
    SELECT
        user_id AS event_user,
        action AS event_action,
        footfall.main.local_time('activity', 'ts', ts) AS event_time
    FROM query_table(tbl)
),
placed AS NOT MATERIALIZED (
    SELECT
        CASE "by"
            WHEN 'hour' THEN hour(event_time)
            WHEN 'weekday' THEN isodow(event_time)
            ELSE CAST(event_time AS DATE) - DATE '1970-01-01'
        END AS slot,
        event_user,
        event_action = purchase AS is_purchase
    FROM input_events
    WHERE event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity'
),
-- Counting per user first makes the distinct count a plain one, and is as fast.
slot_users AS NOT MATERIALIZED (
    SELECT slot, event_user, count(*) AS n_events, count(*) FILTER (is_purchase) AS n_purchases
    FROM placed
    GROUP BY slot, event_user
),
slots AS NOT MATERIALIZED (
    SELECT slot, sum(n_events) AS n_events, count(event_user) AS n_users, sum(n_purchases) AS n_purchases
    FROM slot_users
    GROUP BY slot
),
dates AS MATERIALIZED (
    SELECT CAST(event_time AS DATE) AS date_seen
    FROM input_events
    WHERE "by" <> 'date' AND event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity'
    GROUP BY date_seen
),
slot_dates AS (
    SELECT
        *,
        CASE "by"
            WHEN 'hour' THEN (SELECT count(*) FROM dates)
            WHEN 'weekday' THEN (SELECT count(*) FROM dates WHERE isodow(date_seen) = slot)
            ELSE 1
        END AS n_dates
    FROM slots
),
rates AS (SELECT *, n_events / n_dates AS event_rate FROM slot_dates)
SELECT
    CAST(CASE "by"
        WHEN 'date' THEN CAST(strftime(DATE '1970-01-01' + CAST(slot AS INTEGER), '%Y%m%d') AS INTEGER)
        ELSE slot
    END AS INTEGER) AS bucket,
    CASE "by"
        WHEN 'hour' THEN printf('%02d:00', slot)
        WHEN 'weekday' THEN
            (['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'])[slot]
        ELSE CAST(DATE '1970-01-01' + CAST(slot AS INTEGER) AS VARCHAR)
    END AS label,
    n_dates AS n_days,
    CAST(n_events AS BIGINT) AS events,
    n_users AS users,
    CAST(n_purchases AS BIGINT) AS purchases,
    event_rate AS events_per_day,
    n_purchases / n_dates AS purchases_per_day,
    event_rate / avg(event_rate) OVER () AS activity_index,
    bar(event_rate, 0, max(event_rate) OVER (), 30) AS chart
FROM rates
WHERE (SELECT footfall.main.check_option(
    "by" IN ('hour', 'weekday', 'date'), 'activity', 'by', "by", '''hour'', ''weekday'', ''date'''
))
ORDER BY slot;

COMMENT ON MACRO TABLE footfall.main.activity IS 'When the shop is busy: events, users and purchases by hour, weekday or date.

One row per hour, weekday or date that occurs in the data, in order:
`bucket` (0 to 23, 1 to 7 with Monday = 1, or the date as the number yyyymmdd), `label` the same in
words, `n_days` the number of days in the data that the bucket is spread over (for hours all dates,
for weekdays the dates of that weekday, for a date 1), `events`, `users` (different ones) and
`purchases` in all, `events_per_day` and `purchases_per_day` divided by `n_days`, so that nine days
with two Saturdays do not make Saturday busy, `activity_index`, which is `events_per_day` over its mean
in the report, so 1 is average, and `chart`, a bar whose full length is the busiest bucket.
Days without any event are not in the data and do not count. Rows with a NULL or infinite time are
left out; a NULL user counts as an event and not as a user.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type.
- action: VARCHAR or ENUM.
- ts: the time in the shop''s local time; TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE.
- by: ''hour'', ''weekday'' or ''date''.
- purchase: the action that is a purchase.

Example:
WITH events(user_id, action, ts) AS (VALUES
    (1, ''pv'', TIMESTAMP ''2017-11-25 21:00:00''),
    (1, ''buy'', TIMESTAMP ''2017-11-25 21:05:00''),
    (2, ''pv'', TIMESTAMP ''2017-11-26 09:30:00''))
SELECT bucket, label, n_days, events, users, purchases, events_per_day, activity_index
FROM footfall.activity(events, user_id, action, ts);';

CREATE MACRO footfall.main.promotion_effect(tbl, user_id, action, ts, starts, ends) AS TABLE
WITH input_events AS NOT MATERIALIZED (
    SELECT
        user_id AS event_user,
        action AS event_action,
        footfall.main.local_time('promotion_effect', 'ts', ts) AS event_time
    FROM query_table(tbl)
),
date_users AS NOT MATERIALIZED (
    SELECT event_action, CAST(event_time AS DATE) AS date_seen, event_user, count(*) AS n_events
    FROM input_events
    WHERE event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity' AND event_action IS NOT NULL
    GROUP BY event_action, date_seen, event_user
),
action_dates AS MATERIALIZED (
    SELECT
        event_action,
        date_seen,
        isodow(date_seen) AS day_of_week,
        date_seen >= CAST(starts AS TIMESTAMP) AND date_seen < CAST(ends AS TIMESTAMP) AS is_inside,
        sum(n_events) AS n_events,
        count(event_user) AS n_users
    FROM date_users
    GROUP BY event_action, date_seen
),
-- Only weekdays seen on both sides can be compared.
weekdays AS MATERIALIZED (
    SELECT
        day_of_week,
        count(DISTINCT date_seen) FILTER (is_inside) AS n_inside,
        count(DISTINCT date_seen) FILTER (NOT is_inside) AS n_outside
    FROM action_dates
    GROUP BY day_of_week
    HAVING n_inside > 0 AND n_outside > 0
),
compared AS (
    SELECT
        event_action,
        coalesce(sum(n_events) FILTER (is_inside), 0) AS events_in,
        coalesce(sum(n_events) FILTER (NOT is_inside), 0) AS events_out,
        coalesce(sum(n_users) FILTER (is_inside), 0) AS users_in,
        -- A weekday weighs outside what it weighs inside.
        coalesce(sum(n_events * n_inside / n_outside) FILTER (NOT is_inside), 0) AS expected_events,
        coalesce(sum(n_users * n_inside / n_outside) FILTER (NOT is_inside), 0) AS expected_users
    FROM action_dates
    JOIN weekdays USING (day_of_week)
    GROUP BY event_action
),
actions_seen AS (SELECT event_action, sum(n_events) AS n_events FROM action_dates GROUP BY event_action),
date_counts AS (
    SELECT coalesce(sum(n_inside), 0) AS dates_in, coalesce(sum(n_outside), 0) AS dates_out FROM weekdays
)
SELECT
    actions_seen.event_action AS action,
    CAST(dates_in AS BIGINT) AS days_inside,
    CAST(dates_out AS BIGINT) AS days_outside,
    CAST(coalesce(events_in, 0) AS BIGINT) AS events_inside,
    CAST(coalesce(events_out, 0) AS BIGINT) AS events_outside,
    events_in / dates_in AS per_day_inside,
    expected_events / dates_in AS per_day_outside,
    events_in / nullif(expected_events, 0) AS lift,
    users_in / dates_in AS users_per_day_inside,
    expected_users / dates_in AS users_per_day_outside
FROM actions_seen
LEFT JOIN compared USING (event_action)
CROSS JOIN date_counts
WHERE (SELECT
    footfall.main.check_option(
        CAST(starts AS TIMESTAMP) = date_trunc('day', CAST(starts AS TIMESTAMP)),
        'promotion_effect', 'starts', starts, 'a DATE, or a TIMESTAMP at midnight, because rates are per day'
    ) AND footfall.main.check_option(
        CAST(ends AS TIMESTAMP) = date_trunc('day', CAST(ends AS TIMESTAMP)),
        'promotion_effect', 'ends', ends, 'a DATE, or a TIMESTAMP at midnight, because rates are per day'
    ) AND footfall.main.check_option(
        CAST(starts AS TIMESTAMP) < CAST(ends AS TIMESTAMP),
        'promotion_effect', 'ends', ends, 'later than starts (' || CAST(starts AS VARCHAR) || ')'
    )
)
ORDER BY actions_seen.n_events DESC, actions_seen.event_action;

COMMENT ON MACRO TABLE footfall.main.promotion_effect IS 'What a promotion did: per action, the daily rate inside against the same weekdays outside.

The promotion is the days in [starts, ends): `ends` is the first day after it. A weekday is compared
only when the data hold it inside and outside; the outside rate weighs each weekday as often as it
occurs inside. One row per action, the most frequent first: `action`, `days_inside` and `days_outside`
the numbers of compared days, `events_inside` and `events_outside` on them, `per_day_inside`,
`per_day_outside`, `lift` (the ratio of the two; 1 is no effect), and `users_per_day_inside` and
`users_per_day_outside`, which count different users per day. Without a weekday to compare the rates are
NULL. Days without any event are not in the data. Rows with a NULL action, or with a NULL or infinite
time, are left out.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type.
- action: VARCHAR or ENUM.
- ts: the time in the shop''s local time; TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE.
- starts: DATE, the first day of the promotion.
- ends: DATE, the first day after the promotion.

Example:
WITH events(user_id, action, ts) AS (VALUES
    (1, ''buy'', DATE ''2017-11-25''), (2, ''buy'', DATE ''2017-11-27''),
    (1, ''buy'', DATE ''2017-12-02''), (2, ''buy'', DATE ''2017-12-02''), (3, ''buy'', DATE ''2017-12-02''))
SELECT action, days_inside, days_outside, per_day_inside, per_day_outside, lift
FROM footfall.promotion_effect(events, user_id, action, ts, DATE ''2017-12-02'', DATE ''2017-12-03'');';

CREATE MACRO footfall.main.conversion(
    tbl, user_id, by, action, view := 'pv', purchase := 'buy', top := 20, cart := 'cart', favourite := 'fav'
) AS TABLE
WITH input_events AS NOT MATERIALIZED (
    SELECT user_id AS event_user, "by" AS event_group, action AS event_action FROM query_table(tbl)
),
best_groups AS MATERIALIZED (
    SELECT
        event_group,
        count(*) FILTER (event_action = view) AS n_views,
        count(*) FILTER (event_action = cart) AS n_carts,
        count(*) FILTER (event_action = favourite) AS n_favourites,
        count(*) FILTER (event_action = purchase) AS n_purchases
    FROM input_events
    WHERE event_group IS NOT NULL AND top IS NOT NULL
    GROUP BY event_group
    ORDER BY n_purchases DESC, n_views DESC, event_group
    LIMIT CASE WHEN top >= 1 THEN CAST(top AS BIGINT) END
),
-- Different users are the costly part, and are counted in the groups that are shown.
group_users AS NOT MATERIALIZED (
    SELECT
        event_group,
        event_user,
        bool_or(event_action = view) AS has_viewed,
        bool_or(event_action = purchase) AS has_bought
    FROM input_events
    WHERE (event_action = view OR event_action = purchase)
        AND event_user IS NOT NULL
        AND event_group IN (SELECT event_group FROM best_groups)
    GROUP BY event_group, event_user
),
user_counts AS (
    SELECT event_group, count_if(has_viewed) AS n_viewers, count_if(has_bought) AS n_buyers
    FROM group_users
    GROUP BY event_group
),
-- Where all groups are shown, events and users are counted in one pass.
all_group_users AS NOT MATERIALIZED (
    SELECT
        event_group,
        event_user,
        count(*) FILTER (event_action = view) AS n_views,
        count(*) FILTER (event_action = cart) AS n_carts,
        count(*) FILTER (event_action = favourite) AS n_favourites,
        count(*) FILTER (event_action = purchase) AS n_purchases
    FROM input_events
    WHERE event_group IS NOT NULL AND top IS NULL
    GROUP BY event_group, event_user
),
counted AS (
    SELECT
        best_groups.*,
        coalesce(n_viewers, 0) AS n_viewers,
        coalesce(n_buyers, 0) AS n_buyers
    FROM best_groups
    LEFT JOIN user_counts ON user_counts.event_group = best_groups.event_group
    UNION ALL
    SELECT
        event_group,
        CAST(sum(n_views) AS BIGINT),
        CAST(sum(n_carts) AS BIGINT),
        CAST(sum(n_favourites) AS BIGINT),
        CAST(sum(n_purchases) AS BIGINT),
        count(event_user) FILTER (n_views > 0),
        count(event_user) FILTER (n_purchases > 0)
    FROM all_group_users
    GROUP BY event_group
)
SELECT
    event_group AS group_value,
    n_views AS views,
    n_carts AS carts,
    n_favourites AS favourites,
    n_purchases AS purchases,
    n_viewers AS viewers,
    n_buyers AS buyers,
    n_purchases / nullif(n_views, 0) AS purchases_per_view,
    n_buyers / nullif(n_viewers, 0) AS buyers_per_viewer
FROM counted
WHERE (SELECT footfall.main.check_option(
    coalesce(top >= 1 AND top = CAST(top AS BIGINT), true), 'conversion', 'top', top, 'a whole number from 1, or NULL for all groups'
))
ORDER BY n_purchases DESC, n_views DESC, group_value;

COMMENT ON MACRO TABLE footfall.main.conversion IS 'What turns views into purchases, per category or any other group.

One row per group, the one with most purchases first (then most views, then by `group_value`):
`group_value`, the events `views`, `carts`, `favourites` and `purchases`, the different users `viewers`
and `buyers`, `purchases_per_view` and `buyers_per_viewer`. The two rates answer different questions:
the first counts events, the second people. `buyers` need not have viewed in the group, so
`buyers_per_viewer` can exceed 1; without views or viewers a rate is NULL. Rows whose group is NULL are
left out; a NULL user counts as an event and not as a user.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type.
- by: what to group by, a column or expression such as `category_id`.
- action: VARCHAR or ENUM.
- view, purchase, cart, favourite: the actions that are counted.
- top: how many groups; NULL gives all.

Example:
WITH events(user_id, category_id, action) AS (VALUES
    (1, 100, ''pv''), (1, 100, ''pv''), (1, 100, ''buy''), (2, 100, ''pv''), (2, 200, ''pv''))
FROM footfall.conversion(events, user_id, category_id, action);';
