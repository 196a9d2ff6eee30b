-- Funnels: how far users get along a chain of actions.
--
-- Infinite times are dropped by comparing, as in 03_reports.sql.

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

CREATE MACRO footfall.main.funnel_next(reached_before, candidates, step_action, strict_increase) AS TABLE
SELECT
    follower.event_user,
    min(follower.event_time) AS reached_at,
    any_value(before.step_number) + 1 AS step_number
FROM query_table(reached_before) AS before
JOIN query_table(candidates) AS follower
    ON follower.event_user = before.event_user
    AND follower.event_time >= before.reached_at + to_microseconds(CAST(strict_increase AS INTEGER))
WHERE follower.event_action = step_action
GROUP BY follower.event_user;

COMMENT ON MACRO TABLE footfall.main.funnel_next IS 'One step of a funnel without a window: when each user first reaches it.

Used by `funnel`. Without a window the earliest chain is the longest, so one time per user is enough.

Parameters:
- reached_before: when each user first reached the step before, a relation `event_user, reached_at, step_number`.
- candidates: the events, a relation `event_user, event_action, event_time`.
- step_action: the action of this step.
- strict_increase: whether the step must be later than the one before, or may be at the same time.

Example:
WITH reached(event_user, reached_at, step_number) AS (VALUES (1, TIMESTAMP ''2017-11-25 21:00:00'', 1)),
    later(event_user, event_action, event_time) AS (VALUES (1, ''cart'', TIMESTAMP ''2017-11-25 21:30:00''))
FROM footfall.funnel_next(reached, later, ''cart'', false);';

CREATE MACRO footfall.main.funnel(
    tbl, user_id, action, ts, steps := ['pv', 'cart', 'buy'], within := NULL, strict_increase := false
) AS TABLE
WITH input_events AS NOT MATERIALIZED (
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
    SELECT event_user, event_action, event_time
    FROM usable
    WHERE event_action IN (steps[2], steps[3], steps[4], steps[5], steps[6], steps[7], steps[8])
),
-- Without a window: when each user first reaches each step. A step that is not asked for has no action, and no row.
first_1 AS NOT MATERIALIZED (SELECT event_user, reached_at, 1 AS step_number FROM first_times WHERE within IS NULL),
first_2 AS MATERIALIZED (FROM footfall.main.funnel_next(first_1, later_events, steps[2], strict_increase)),
first_3 AS MATERIALIZED (FROM footfall.main.funnel_next(first_2, later_events, steps[3], strict_increase)),
first_4 AS MATERIALIZED (FROM footfall.main.funnel_next(first_3, later_events, steps[4], strict_increase)),
first_5 AS MATERIALIZED (FROM footfall.main.funnel_next(first_4, later_events, steps[5], strict_increase)),
first_6 AS MATERIALIZED (FROM footfall.main.funnel_next(first_5, later_events, steps[6], strict_increase)),
first_7 AS MATERIALIZED (FROM footfall.main.funnel_next(first_6, later_events, steps[7], strict_increase)),
first_8 AS MATERIALIZED (FROM footfall.main.funnel_next(first_7, later_events, steps[8], strict_increase)),
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
    SELECT event_user, reached_at, 1 AS step_number FROM first_times
    UNION ALL FROM first_2 UNION ALL FROM first_3 UNION ALL FROM first_4 UNION ALL FROM first_5
    UNION ALL FROM first_6 UNION ALL FROM first_7 UNION ALL FROM first_8
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
