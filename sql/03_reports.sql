-- Reports: when the shop is busy, what a promotion did, what converts, where shoppers drop out.
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
    SELECT slot, event_user, count(*) AS n_events, count_if(is_purchase) AS n_purchases
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
        count_if(event_action = view) AS n_views,
        count_if(event_action = cart) AS n_carts,
        count_if(event_action = favourite) AS n_favourites,
        count_if(event_action = purchase) AS n_purchases
    FROM input_events
    WHERE event_group IS NOT NULL
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
)
SELECT
    best_groups.event_group AS group_value,
    n_views AS views,
    n_carts AS carts,
    n_favourites AS favourites,
    n_purchases AS purchases,
    coalesce(n_viewers, 0) AS viewers,
    coalesce(n_buyers, 0) AS buyers,
    n_purchases / nullif(n_views, 0) AS purchases_per_view,
    n_buyers / nullif(n_viewers, 0) AS buyers_per_viewer
FROM best_groups
LEFT JOIN user_counts ON user_counts.event_group = best_groups.event_group
WHERE (SELECT footfall.main.check_option(
    coalesce(top >= 1, true), 'conversion', 'top', top, 'a number from 1, or NULL for all groups'
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

CREATE MACRO footfall.main.funnel_step(chains, candidates, step_action, within, strict_increase) AS TABLE
SELECT follower.event_user, follower.event_time AS reached_at, chain.started_at, chain.step_number + 1 AS step_number
FROM (
    SELECT event_user, event_time FROM query_table(candidates) WHERE event_action = step_action
) AS follower
ASOF JOIN (
    SELECT
        event_user,
        reached_at + to_microseconds(CAST(strict_increase AS INTEGER)) AS open_from,
        started_at,
        step_number
    FROM query_table(chains)
) AS chain
    ON follower.event_user = chain.event_user AND follower.event_time >= chain.open_from
WHERE follower.event_time <= chain.started_at + CAST(within AS INTERVAL);

COMMENT ON MACRO TABLE footfall.main.funnel_step IS 'One step of a funnel with a window: the chains that go on with the given action.

Used by `funnel`. An event goes on with the latest chain of its user that is open by then. Later chains
also started later, so if that one is out of its window, all are: one look back per event is enough,
and the cost stays that of sorting.

Parameters:
- chains: the chains so far, a relation `event_user, reached_at, started_at, step_number`.
- candidates: the events, a relation `event_user, event_action, event_time`.
- step_action: the action of this step.
- within: INTERVAL, how long after its start a chain may still go on.
- strict_increase: whether the step must be later than the one before, or may be at the same time.

Example:
WITH chains(event_user, reached_at, started_at, step_number) AS (VALUES
        (1, TIMESTAMP ''2017-11-25 21:00:00'', TIMESTAMP ''2017-11-25 21:00:00'', 1)),
    later(event_user, event_action, event_time) AS (VALUES (1, ''cart'', TIMESTAMP ''2017-11-25 21:30:00''))
FROM footfall.funnel_step(chains, later, ''cart'', INTERVAL 1 HOUR, false);';

CREATE MACRO footfall.main.funnel(
    tbl, user_id, action, ts, steps := ['pv', 'cart', 'buy'], within := NULL, strict_increase := false
) AS TABLE
WITH RECURSIVE input_events AS NOT MATERIALIZED (
    SELECT
        user_id AS event_user,
        action AS event_action,
        footfall.main.local_time('funnel', 'ts', ts) AS event_time
    FROM query_table(tbl)
),
usable AS NOT MATERIALIZED (
    SELECT event_user, event_action, event_time
    FROM input_events
    WHERE event_user IS NOT NULL AND event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity'
),
first_times AS MATERIALIZED (
    SELECT event_user, min(event_time) AS reached_at FROM usable WHERE event_action = steps[1] GROUP BY event_user
),
later_events AS MATERIALIZED (
    SELECT event_user, event_action, event_time FROM usable WHERE list_contains(steps[2:], event_action)
),
-- Without a window the earliest chain is the longest, and one time per user is enough.
unlimited AS (
    SELECT event_user, reached_at, 1 AS step_number FROM first_times WHERE within IS NULL
    UNION ALL
    SELECT unlimited.event_user, min(later_events.event_time), any_value(step_number) + 1
    FROM unlimited
    JOIN later_events
        ON later_events.event_user = unlimited.event_user
        AND later_events.event_action = steps[step_number + 1]
        AND later_events.event_time >= reached_at + to_microseconds(CAST(strict_increase AS INTEGER))
    GROUP BY unlimited.event_user
),
-- With a window every first event may start the chain that gets furthest.
chains_1 AS NOT MATERIALIZED (
    SELECT event_user, event_time AS reached_at, event_time AS started_at, 1 AS step_number
    FROM usable
    WHERE event_action = steps[1] AND within IS NOT NULL AND len(steps) > 1
),
chains_2 AS MATERIALIZED (FROM footfall.main.funnel_step(chains_1, later_events, steps[2], within, strict_increase)),
chains_3 AS MATERIALIZED (FROM footfall.main.funnel_step(chains_2, later_events, steps[3], within, strict_increase)),
chains_4 AS MATERIALIZED (FROM footfall.main.funnel_step(chains_3, later_events, steps[4], within, strict_increase)),
chains_5 AS MATERIALIZED (FROM footfall.main.funnel_step(chains_4, later_events, steps[5], within, strict_increase)),
chains_6 AS MATERIALIZED (FROM footfall.main.funnel_step(chains_5, later_events, steps[6], within, strict_increase)),
chains_7 AS MATERIALIZED (FROM footfall.main.funnel_step(chains_6, later_events, steps[7], within, strict_increase)),
chains_8 AS MATERIALIZED (FROM footfall.main.funnel_step(chains_7, later_events, steps[8], within, strict_increase)),
all_chains AS NOT MATERIALIZED (
    FROM chains_2 UNION ALL FROM chains_3 UNION ALL FROM chains_4 UNION ALL FROM chains_5
    UNION ALL FROM chains_6 UNION ALL FROM chains_7 UNION ALL FROM chains_8
),
reached AS MATERIALIZED (
    SELECT event_user, reached_at, step_number FROM unlimited
    UNION ALL
    SELECT event_user, reached_at, 1 FROM first_times WHERE within IS NOT NULL
    UNION ALL
    SELECT event_user, min(reached_at), step_number FROM all_chains GROUP BY event_user, step_number
),
counted AS (
    SELECT
        here.step_number,
        count(*) AS n_users,
        median(epoch_us(here.reached_at) - epoch_us(before.reached_at)) AS median_us
    FROM reached AS here
    LEFT JOIN reached AS before
        ON before.event_user = here.event_user AND before.step_number = here.step_number - 1
    GROUP BY here.step_number
),
action_users AS (
    SELECT event_action, count(DISTINCT event_user) AS n_users FROM later_events GROUP BY event_action
),
all_steps AS (
    SELECT
        number AS step_number,
        steps[number] AS step_action,
        coalesce(counted.n_users, 0) AS n_users,
        median_us,
        CASE number
            WHEN 1 THEN (SELECT count(*) FROM first_times)
            ELSE coalesce(action_users.n_users, 0)
        END AS n_action_users
    FROM unnest(range(1, len(steps) + 1)) AS numbers(number)
    LEFT JOIN counted ON counted.step_number = number
    LEFT JOIN action_users ON action_users.event_action = steps[number]
)
SELECT
    step_number AS step,
    step_action AS action,
    n_users AS users,
    n_users / nullif(first_value(n_users) OVER (ORDER BY step_number), 0) AS rate_from_start,
    n_users / nullif(lag(n_users) OVER (ORDER BY step_number), 0) AS rate_from_previous,
    to_microseconds(CAST(median_us AS BIGINT)) AS median_time_from_previous,
    n_action_users AS users_in_any_order
FROM all_steps
WHERE (SELECT
    footfall.main.check_option(
        len(steps) BETWEEN 1 AND 8 AND NOT list_contains([step IS NULL FOR step IN steps], true),
        'funnel', 'steps', steps, 'a list of 1 to 8 actions'
    ) AND footfall.main.check_option(
        coalesce(CAST(within AS INTERVAL) >= INTERVAL '0 seconds', true),
        'funnel', 'within', within, 'an INTERVAL that is not negative, or NULL for no limit'
    ) AND footfall.main.check_option(
        strict_increase IS NOT NULL, 'funnel', 'strict_increase', strict_increase, 'true, false'
    )
)
ORDER BY step_number;

COMMENT ON MACRO TABLE footfall.main.funnel IS 'How many users get how far along a chain of actions, in order.

One row per step: `step` (from 1), `action`, `users` who reached it, `rate_from_start`,
`rate_from_previous`, `median_time_from_previous` (over the users who reached the step, from the first
time they had reached the step before to the first time they had reached this one; INTERVAL) and
`users_in_any_order`, everyone with that action at all, so that those who skip a step show. A rate is
NULL when nobody reached the step it is measured from.

The rules are those of ClickHouse''s windowFunnel in its default mode: a user reaches step n when there are
events of the steps 1 to n with t1 <= t2 <= ... <= tn and tn <= t1 + within.
Other events in between do not matter. Steps out of order do not count: a purchase before the first
cart is no step 3. The edge of the window belongs to it. Events at the same time count in the order of
the steps, whatever the order of the rows. Every event of step 1 may start a chain, and the longest
chain counts, so a repeated view opens the window anew. When `steps` names an action twice, one event may serve both
steps; with `strict_increase := true` (ClickHouse''s mode of that name) each step must be later than the one
before, so a repeated action must be repeated, and events at the same time do not follow one another.
Rows with a NULL user, or with a NULL or infinite time, are left out.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type.
- action: VARCHAR or ENUM.
- ts: the time in the shop''s local time; TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE.
- steps: the actions in order, 1 to 8 of them.
- within: INTERVAL from the first step in which the chain must be finished; NULL is no limit.
- strict_increase: true when each step must be later than the one before.

Example:
WITH events(user_id, action, ts) AS (VALUES
    (1, ''pv'', TIMESTAMP ''2017-11-25 21:00:00''),
    (1, ''cart'', TIMESTAMP ''2017-11-25 21:10:00''),
    (1, ''buy'', TIMESTAMP ''2017-11-25 21:30:00''),
    (2, ''pv'', TIMESTAMP ''2017-11-25 21:00:00''),
    (2, ''buy'', TIMESTAMP ''2017-11-25 21:05:00''))
SELECT step, action, users, rate_from_previous, median_time_from_previous, users_in_any_order
FROM footfall.funnel(events, user_id, action, ts, within := INTERVAL 1 HOUR);';
