-- Funnels: how far users get along a chain of actions.
--
-- One row per user goes to funnel_progress, which sorts and walks that user's events: grouping costs less
-- than the joins of a step to the next one, and one walk knows a chain with all its times.
--
-- Infinite times are dropped by comparing, as in 20_activity.sql.

CREATE MACRO footfall.internal.funnel_progress(times, marks, steps, within, strict, strict_increase) AS
system.main.funnel_progress(times, CAST(marks AS UBIGINT[]), steps, within, strict, strict_increase);

COMMENT ON MACRO footfall.internal.funnel_progress IS $$How far one user gets along the steps of a funnel, and when.

Used by `funnel`, which says what a chain is. Gives a STRUCT: `times TIMESTAMP[]`, those of the chain that gets
furthest, and `occurs BOOLEAN[]`, for each step whether its action occurs at all. The lists of events need no order.

Parameters:
- times: TIMESTAMP[], when each event was.
- marks: UBIGINT[], for each event a number of what its chain must stay in, times 16, plus the step, from 1, that
  names its action first; 0 for an action that is no step.
- steps: VARCHAR[], the actions in order, 1 to 8 of them.
- within: INTERVAL from the first step in which the chain must be finished; a million years is no limit.
- strict: BOOLEAN, whether no other event may lie between two steps.
- strict_increase: BOOLEAN, whether each step must be later than the one before.

Example:
SELECT footfall.internal.funnel_progress(
    [TIMESTAMP '2017-11-25 21:10:00', TIMESTAMP '2017-11-25 21:00:00'], [2, 1], ['pv', 'cart', 'buy'],
    INTERVAL 1 HOUR, false, false);$$;

CREATE MACRO footfall.internal.funnel_steps(function_name, given) AS
CASE WHEN len(footfall.internal.name_list(function_name, 'steps', given)) BETWEEN 1 AND 8
        AND list_position(footfall.internal.name_list(function_name, 'steps', given), NULL) IS NULL
    THEN footfall.internal.name_list(function_name, 'steps', given)
    ELSE error('footfall.' || function_name || ': argument ''steps'' is ' || coalesce(footfall.internal.shown(given), 'NULL')
        || '; allowed: a list of 1 to 8 actions')
END;

COMMENT ON MACRO footfall.internal.funnel_steps IS $$The actions of a funnel as VARCHAR[], or the error for what is none.

Parameters:
- function_name: the macro that was called, for messages.
- given: a list of 1 to 8 actions.

Example:
SELECT footfall.internal.funnel_steps('funnel', ['pv', 'cart', 'buy']) AS steps;$$;

CREATE MACRO footfall.internal.funnel_place(event_action, names) AS
CAST(CASE event_action
    WHEN footfall.internal.action_name(names[1]) THEN 1
    WHEN footfall.internal.action_name(names[2]) THEN 2
    WHEN footfall.internal.action_name(names[3]) THEN 3
    WHEN footfall.internal.action_name(names[4]) THEN 4
    WHEN footfall.internal.action_name(names[5]) THEN 5
    WHEN footfall.internal.action_name(names[6]) THEN 6
    WHEN footfall.internal.action_name(names[7]) THEN 7
    WHEN footfall.internal.action_name(names[8]) THEN 8
    ELSE 0
END AS UBIGINT);

COMMENT ON MACRO footfall.internal.funnel_place IS $$The step of a funnel that names an action first, from 1; 0 for an action that is no step.

Used by `funnel`. As comparisons with constants it costs less than a search in a list.

Parameters:
- event_action: VARCHAR.
- names: VARCHAR[], the actions of the steps, at most 8.

Example:
SELECT footfall.internal.funnel_place('buy', ['pv', 'cart', 'buy']) AS place;$$;

CREATE MACRO footfall.internal.funnel_chains(
    function_name, tbl, user_id, action, ts, steps, within, strict_increase, strict, per, by
) AS TABLE
WITH ff_events AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key(function_name, 'user_id', user_id) AS event_user,
        footfall.internal.action_name(action) AS event_action,
        footfall.internal.instant(function_name, 'ts', ts) AS event_time,
        footfall.internal.usable_key(function_name, 'per', per) AS event_part,
        footfall.internal.usable_group(function_name, 'by', "by") AS event_group,
        -- DuckDB knows types and options when it plans, and drops what they rule out.
        typeof(per) <> typeof(NULL) AS has_part,
        typeof("by") <> typeof(NULL) AS has_group,
        coalesce(TRY_CAST(strict AS BOOLEAN), false) AS is_strict,
        -- Of step 1 only the first event matters where chains stay open for ever and no later step has its action.
        typeof(per) = typeof(NULL) AND within IS NULL AND NOT coalesce(TRY_CAST(strict AS BOOLEAN), false)
            AND NOT list_contains(TRY_CAST(steps AS VARCHAR[])[2:], TRY_CAST(steps AS VARCHAR[])[1]) AS needs_first_only
    FROM query_table(tbl)
),
ff_placed AS NOT MATERIALIZED (
    SELECT *, footfall.internal.funnel_place(event_action, TRY_CAST(steps AS VARCHAR[])) AS event_place
    FROM ff_events
),
ff_usable AS NOT MATERIALIZED (
    SELECT
        *,
        event_place > 1 OR (event_place = 1 AND NOT needs_first_only) OR is_strict AS is_listed,
        event_place = 1 AND needs_first_only AS is_first
    FROM ff_placed
    WHERE event_user IS NOT NULL AND event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity'
        AND (event_part IS NOT NULL OR NOT has_part)
        AND (event_group IS NOT NULL OR NOT has_group)
),
ff_histories AS NOT MATERIALIZED (
    SELECT
        event_group,
        event_user,
        list(event_time) FILTER (is_listed) AS listed_times,
        -- 60 bits of a hash in front of the place: two of a user's thousand sessions fall together once in 10^12 users.
        list(CASE WHEN has_part
            THEN (system.main.hash(event_part) >> 4 << 4) | event_place
            ELSE event_place
        END) FILTER (is_listed) AS listed_marks,
        min(event_time) FILTER (is_first) AS first_time
    FROM ff_usable
    GROUP BY event_group, event_user
)
SELECT
    event_group,
    system.main.funnel_progress(
        CASE WHEN first_time IS NULL THEN listed_times ELSE list_append(listed_times, first_time) END,
        CASE WHEN first_time IS NULL THEN listed_marks ELSE list_append(listed_marks, CAST(1 AS UBIGINT)) END,
        footfall.internal.funnel_steps(function_name, steps),
        coalesce(footfall.internal.duration(function_name, 'within', within), INTERVAL '1000000 years'),
        coalesce(TRY_CAST(strict AS BOOLEAN), false),
        coalesce(TRY_CAST(strict_increase AS BOOLEAN), false)
    ) AS one_user
FROM ff_histories;

COMMENT ON MACRO TABLE footfall.internal.funnel_chains IS $$How far each user gets along the steps of `funnel`.

One row per group and user: `event_group`, and `one_user`, what `funnel_progress` gives.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, user_id, action, ts, steps, within, strict_increase, strict, per, by: as in `funnel`.

Example:
WITH events(user_id, action, ts) AS (VALUES (1, 'pv', TIMESTAMP '2017-11-25 21:00:00'), (1, 'buy', TIMESTAMP '2017-11-25 21:30:00'))
SELECT one_user.times AS times, one_user.occurs AS occurs
FROM footfall.internal.funnel_chains('funnel', events, user_id, action, ts, ['pv', 'buy'], NULL, false, false, NULL, NULL);$$;

CREATE MACRO footfall.internal.funnel_counts(
    function_name, tbl, user_id, action, ts, steps, within, strict_increase, strict, per, by
) AS TABLE
SELECT
    event_group,
    step_number,
    epoch_us(one_user.times[step_number]) - epoch_us(one_user.times[step_number - 1]) AS gap_us,
    count(*) FILTER (len(one_user.times) >= step_number) AS n_users,
    count(*) FILTER (one_user.occurs[step_number]) AS n_action_users
FROM footfall.internal.funnel_chains(
    function_name, tbl, user_id, action, ts, steps, within, strict_increase, strict, per, "by"
)
CROSS JOIN unnest(range(1, len(TRY_CAST(steps AS VARCHAR[])) + 1)) AS numbered(step_number)
GROUP BY event_group, step_number, gap_us;

COMMENT ON MACRO TABLE footfall.internal.funnel_counts IS $$What `funnel` counts of some of the users; the counts of several such parts add up.

One row per group, step and time from the step before: `event_group`, `step_number`, `gap_us` (microseconds; NULL for
the first step and for those who do not reach the step), `n_users` who reach it and `n_action_users` who have its action at all.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, user_id, action, ts, steps, within, strict_increase, strict, per, by: as in `funnel`.

Example:
WITH events(user_id, action, ts) AS (VALUES (1, 'pv', TIMESTAMP '2017-11-25 21:00:00'), (1, 'buy', TIMESTAMP '2017-11-25 21:30:00'))
SELECT step_number, gap_us, n_users
FROM footfall.internal.funnel_counts('funnel', events, user_id, action, ts, ['pv', 'buy'], NULL, false, false, NULL, NULL)
ORDER BY step_number;$$;

CREATE MACRO footfall.internal.check_funnel(function_name, steps, within, strict_increase, strict, absent) AS
len(footfall.internal.funnel_steps(function_name, steps)) > 0 AND footfall.internal.check_option(
    coalesce(footfall.internal.duration(function_name, 'within', within) >= INTERVAL '0 seconds', true),
    function_name, 'within', within, 'an INTERVAL that is not negative, or NULL for no limit'
) AND footfall.internal.check_option(
    TRY_CAST(strict AS BOOLEAN) IS NOT NULL, function_name, 'strict', strict, 'true, false'
) AND footfall.internal.check_option(
    TRY_CAST(strict_increase AS BOOLEAN) IS NOT NULL, function_name, 'strict_increase', strict_increase, 'true, false'
) AND footfall.internal.check_absent(function_name, absent);

COMMENT ON MACRO footfall.internal.check_funnel IS $$True, or the error for a wrong option of `funnel`.

Parameters:
- function_name: the macro that was called, for messages.
- steps, within, strict_increase, strict, absent: as in `funnel`.

Example:
SELECT footfall.internal.check_funnel('funnel', ['pv', 'buy'], NULL, false, false, 'error') AS is_right;$$;

CREATE MACRO footfall.internal.funnel_steps_of(counts) AS TABLE
WITH ff_gaps AS MATERIALIZED (
    SELECT footfall.internal.bytewise(event_group) AS event_group, step_number, gap_us, sum(n_users) AS n_users, sum(n_action_users) AS n_action_users
    FROM query_table(counts)
    GROUP BY ALL
),
ff_running AS NOT MATERIALIZED (
    SELECT
        event_group,
        step_number,
        gap_us,
        sum(n_users) OVER (PARTITION BY event_group, step_number ORDER BY gap_us ASC NULLS LAST) AS n_until,
        sum(n_users) OVER (PARTITION BY event_group, step_number) AS n_all
    FROM ff_gaps
    WHERE gap_us IS NOT NULL
),
-- The two in the middle, which are one where the number is odd.
ff_medians AS (
    SELECT
        event_group,
        step_number,
        (min(gap_us) FILTER (2 * n_until >= n_all) + min(gap_us) FILTER (2 * n_until > n_all)) / 2 AS median_us
    FROM ff_running
    GROUP BY event_group, step_number
)
SELECT
    ff_steps.event_group,
    ff_steps.step_number,
    CAST(ff_steps.n_users AS BIGINT) AS n_users,
    median_us,
    CAST(ff_steps.n_action_users AS BIGINT) AS n_action_users
FROM (
    SELECT event_group, step_number, sum(n_users) AS n_users, sum(n_action_users) AS n_action_users
    FROM ff_gaps
    GROUP BY event_group, step_number
) AS ff_steps
LEFT JOIN ff_medians
    ON ff_medians.event_group IS NOT DISTINCT FROM ff_steps.event_group AND ff_medians.step_number = ff_steps.step_number;

COMMENT ON MACRO TABLE footfall.internal.funnel_steps_of IS $$The steps of a funnel from the counts of `funnel_counts`, of one part or of several below one another.

One row per group and step, as `funnel_report` takes them.

Parameters:
- counts: the rows of `funnel_counts`.

Example:
WITH counts(event_group, step_number, gap_us, n_users, n_action_users) AS (VALUES (NULL, 1, NULL, 2, 2), (NULL, 2, 60000000, 1, 1))
FROM footfall.internal.funnel_steps_of(counts);$$;

CREATE MACRO footfall.internal.funnel_report(
    function_name, steps_counted, actions_seen, steps, within, strict_increase, strict, absent
) AS TABLE
WITH ff_counted AS MATERIALIZED (
    SELECT event_group, step_number, n_users, median_us, n_action_users FROM query_table(steps_counted)
    UNION ALL
    -- An empty table has its rows, too.
    SELECT NULL, step_number, 0, NULL, 0
    FROM unnest(range(1, len(TRY_CAST(steps AS VARCHAR[])) + 1)) AS numbered(step_number)
    WHERE NOT EXISTS (FROM query_table(steps_counted))
)
SELECT
    step_number AS step,
    TRY_CAST(steps AS VARCHAR[])[step_number] AS action,
    n_users AS users,
    n_users / nullif(first_value(n_users) OVER from_start, 0) AS rate_from_start,
    n_users / nullif(lag(n_users) OVER from_start, 0) AS rate_from_previous,
    to_microseconds(CAST(median_us AS BIGINT)) AS median_time_from_previous,
    n_action_users AS users_in_any_order,
    footfall.internal.unmarked(event_group) AS group_value,
    bar(rate_from_start, 0, 1, 26) AS chart
FROM ff_counted
WHERE (SELECT
    footfall.internal.check_funnel(function_name, steps, within, strict_increase, strict, absent)
    AND (footfall.internal.option_name(absent) = 'zero' OR footfall.internal.check_occurs(
        function_name, 'steps', [footfall.internal.action_name(name) FOR name IN TRY_CAST(steps AS VARCHAR[])], coalesce(found, [])
    ))
    FROM query_table(actions_seen)
)
WINDOW from_start AS (PARTITION BY event_group ORDER BY step_number ASC NULLS LAST)
ORDER BY event_group ASC NULLS LAST, step_number ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.internal.funnel_report IS $$The report of `funnel` from its steps.

The columns are those of `funnel`.

Parameters:
- function_name: the macro that was called, for messages.
- steps_counted: one row per group and step: `event_group`, `step_number`, `n_users`, `median_us`, `n_action_users`.
- actions_seen: one row `found`, the actions in the data; they are needed where a step was done by nobody.
- steps, within, strict_increase, strict, absent: as in `funnel`.

Example:
WITH counted(event_group, step_number, n_users, median_us, n_action_users) AS (VALUES (NULL, 1, 2, NULL, 2), (NULL, 2, 1, 60000000, 1)),
seen(found) AS (VALUES (['pv', 'buy']))
SELECT step, users, median_time_from_previous
FROM footfall.internal.funnel_report('funnel', counted, seen, ['pv', 'buy'], NULL, false, false, 'error');$$;

CREATE MACRO footfall.main.funnel(
    tbl, user_id, action, ts, steps := ['pv', 'cart', 'buy'], within := NULL, strict_increase := false,
    strict := false, per := NULL, by := NULL, absent := 'error'
) AS TABLE
WITH ff_progress AS MATERIALIZED (
    FROM footfall.internal.funnel_chains('funnel', tbl, user_id, action, ts, steps, within, strict_increase, strict, per, "by")
),
-- The median of the gaps themselves, which costs less than that of their counts.
ff_counts AS MATERIALIZED (
    SELECT
        event_group,
        step_number,
        count(*) FILTER (len(one_user.times) >= step_number) AS n_users,
        median(epoch_us(one_user.times[step_number]) - epoch_us(one_user.times[step_number - 1])) AS median_us,
        count(*) FILTER (one_user.occurs[step_number]) AS n_action_users
    FROM ff_progress
    CROSS JOIN unnest(range(1, len(TRY_CAST(steps AS VARCHAR[])) + 1)) AS numbered(step_number)
    GROUP BY event_group, step_number
),
-- The actions of the table are looked for only where a step was done by nobody: else there is nothing to join to.
ff_wanted AS (
    SELECT 1
    WHERE footfall.internal.option_name(absent) IS NOT DISTINCT FROM 'error'
        AND EXISTS (
            FROM unnest(range(1, len(TRY_CAST(steps AS VARCHAR[])) + 1)) AS numbered(step_number)
            WHERE step_number NOT IN (SELECT step_number FROM ff_counts WHERE n_action_users > 0)
        )
),
ff_found AS MATERIALIZED (FROM footfall.internal.actions_seen(tbl, action, ff_wanted))
FROM footfall.internal.funnel_report('funnel', ff_counts, ff_found, steps, within, strict_increase, strict, absent);

COMMENT ON MACRO TABLE footfall.main.funnel IS $$How many users get how far along a chain of actions, in order.

One row per step: `step` (from 1), `action`, `users` who reached it, `rate_from_start`,
`rate_from_previous`, `median_time_from_previous` (over the users who reached the step; INTERVAL),
`users_in_any_order`, everyone with that action at all, so that those who skip a step show, and
`group_value`, NULL without `by`, and `chart`, a bar of `rate_from_start`. A rate is NULL when nobody reached the step it is measured from.

**A chain** is events of one user with t1 <= t2 <= ... <= tn and tn <= t1 + within, as in ClickHouse's
windowFunnel. Other events in between do not matter. Steps out of order do not count: a purchase before
the first cart is no step 3. The edge of the window belongs to it. Events at the same time count in the order
of the steps, whatever the order of the rows. A user counts once, with one chain: the one that gets furthest,
of several the one that is complete first, of those the one that began first (then the one whose second step came
first, and so on). All times are those of that chain, so none exceeds `within`. When `steps` names an action
twice, one event may serve both steps; with `strict_increase := true` each step must be later than the one before.

**Without `per` a chain goes through all items and sessions**: a view of shoes, a cart with a lamp and the
purchase of a book are a chain. That is what "users who bought after they had put something into the cart" means,
and it says nothing of a product page. Of 560 users of Taobao in nine days 49 % reach the purchase that way, and
8 % with one and the same item, `per := item_id`. With `per` the chain stays in one value of it, and a user still counts
once. To count sessions instead of users, give `(user_id, session)` as `user_id`.

**With `by`** there is one funnel per group, in order of `group_value`. The group is that of the event: a chain stays
in one group, and a user is counted in every group with events of theirs.

**With `strict := true`** no other event of the user (of the same session or item, with `per`) lies at a time between
those of two steps, ClickHouse's strict_order: A, B, D, C reaches B. Repeats of steps that the chain has made are no other
event, but where the first has led on to the second, a repeat of it begins anew. ClickHouse gives a user up at
the first interruption; here a later first step may begin a chain that gets further.

An action of `steps` that does not occur in a table with events is an error that lists those that do. Two actions
become one step in the expression for `action`: `CASE WHEN action IN ('cart', 'fav') THEN 'interest' ELSE action END`.
Rows of nobody (see `usable_key`), with a NULL or infinite time, or whose `per` or `by` is missing (NULL, NaN, an empty
text) are left out.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type.
- action: VARCHAR or ENUM, or what casts to text.
- ts: TIMESTAMP, TIMESTAMP_S, _MS, _NS, DATE, or TIMESTAMP WITH TIME ZONE, whose instants are put in order.
- steps: the actions in order, 1 to 8 of them.
- within: INTERVAL from the first step in which the chain must be finished; NULL is no limit.
- strict_increase: true when each step must be later than the one before.
- strict: true when no other event may lie between two steps.
- per: what a chain must stay in, such as `item_id` or a session; NULL is no such rule.
- by: what there is a funnel for each of, such as a country or device; NULL is one funnel for all.
- absent: 'error', or 'zero' for reports over slices in which an action may really not occur.

Example:
WITH events(user_id, action, ts, device) AS (VALUES
    (1, 'pv', TIMESTAMP '2017-11-25 21:00:00', 'phone'),
    (1, 'cart', TIMESTAMP '2017-11-25 21:10:00', 'phone'),
    (1, 'buy', TIMESTAMP '2017-11-25 21:30:00', 'laptop'),
    (2, 'pv', TIMESTAMP '2017-11-25 21:00:00', 'laptop'),
    (2, 'buy', TIMESTAMP '2017-11-25 21:05:00', 'laptop'))
SELECT step, action, users, rate_from_previous, median_time_from_previous, users_in_any_order
FROM footfall.funnel(events, user_id, action, ts, within := INTERVAL 1 HOUR);$$;
