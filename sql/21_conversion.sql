-- Conversion: what turns views into purchases.

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

CREATE MACRO footfall.internal.conversion_events(
    function_name, tbl, user_id, by, action, view, purchase, cart, favourite
) AS TABLE
WITH ff_events AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key(function_name, 'user_id', user_id) AS event_user,
        footfall.internal.usable_group(function_name, 'by', "by") AS event_group,
        footfall.internal.action_name(action) AS event_action
    FROM query_table(tbl)
)
SELECT
    event_user,
    event_group,
    event_action = footfall.internal.action_name(view) AS is_view,
    event_action = coalesce(footfall.internal.action_name(cart), 'cart') AS is_cart,
    event_action = coalesce(footfall.internal.action_name(favourite), 'fav') AS is_favourite,
    event_action = footfall.internal.action_name(purchase) AS is_purchase
FROM ff_events;

COMMENT ON MACRO TABLE footfall.internal.conversion_events IS $$The events of `conversion`: whose, in which group, and what they are.

One row per event: `event_user`, `event_group`, `is_view`, `is_cart`, `is_favourite` and `is_purchase`.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, user_id, by, action, view, purchase, cart, favourite: as in `conversion`.

Example:
WITH events(user_id, category_id, action) AS (VALUES (1, 100, 'pv'), (1, 100, 'buy'))
FROM footfall.internal.conversion_events('conversion', events, user_id, category_id, action, 'pv', 'buy', NULL, NULL);$$;

CREATE MACRO footfall.internal.conversion_counts(
    function_name, tbl, user_id, by, action, view, purchase, cart, favourite
) AS TABLE
-- One pass for events and users.
WITH ff_group_users AS NOT MATERIALIZED (
    SELECT
        event_group,
        event_user,
        count(*) FILTER (is_view) AS n_views,
        count(*) FILTER (is_cart) AS n_carts,
        count(*) FILTER (is_favourite) AS n_favourites,
        count(*) FILTER (is_purchase) AS n_purchases
    FROM footfall.internal.conversion_events(function_name, tbl, user_id, "by", action, view, purchase, cart, favourite)
    GROUP BY event_group, event_user
)
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
GROUP BY event_group;

COMMENT ON MACRO TABLE footfall.internal.conversion_counts IS $$What `conversion` counts in all groups, of some of the users; the counts of several such parts add up.

One row per group, the one of rows without a group included: `event_group`, `n_views`, `n_carts`, `n_favourites`,
`n_purchases`, `n_viewers`, `n_buyers`, and `n_both`, who viewed and bought.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, user_id, by, action, view, purchase, cart, favourite: as in `conversion`.

Example:
WITH events(user_id, category_id, action) AS (VALUES (1, 100, 'pv'), (1, 100, 'buy'), (2, 100, 'pv'))
SELECT event_group, n_views, n_viewers, n_both
FROM footfall.internal.conversion_counts('conversion', events, user_id, category_id, action, 'pv', 'buy', NULL, NULL);$$;

CREATE MACRO footfall.internal.check_conversion(function_name, view, purchase, top, absent) AS
footfall.internal.check_option(
    top IS NULL OR footfall.internal.whole_number(top, 1, 9223372036854775807),
    function_name, 'top', top, 'a whole number from 1, or NULL for all groups'
)
AND footfall.internal.check_option(view IS NOT NULL, function_name, 'view', footfall.internal.action_name(view), 'the name of an action')
AND footfall.internal.check_option(purchase IS NOT NULL, function_name, 'purchase', footfall.internal.action_name(purchase), 'the name of an action')
AND footfall.internal.check_absent(function_name, absent);

COMMENT ON MACRO footfall.internal.check_conversion IS $$True, or the error for a wrong option of `conversion`.

Parameters:
- function_name: the macro that was called, for messages.
- view, purchase, top, absent: as in `conversion`.

Example:
SELECT footfall.internal.check_conversion('conversion', 'pv', 'buy', 20, 'error') AS is_right;$$;

CREATE MACRO footfall.internal.letter_places(numbers, most) AS
list_transform(numbers, lambda one: CASE WHEN one < most THEN CAST(floor(26 * one / most) AS BIGINT) WHEN one >= most AND most > 0 THEN 25 END);

COMMENT ON MACRO footfall.internal.letter_places IS $$Where numbers stand in a text chart of 26 letters, from 0.

Parameters:
- numbers: DOUBLE[], from 0; NULL has no place.
- most: DOUBLE, the end of the scale.

Example:
SELECT footfall.internal.letter_places([0.1, 0.25, 0.5, NULL], 0.5) AS places;$$;

CREATE MACRO footfall.internal.interval_bar(low, middle, high, most) AS
[
    repeat(' ', letters[1]) || repeat('─', letters[2] - letters[1]) || '●' || repeat('─', letters[3] - letters[2])
    FOR letters IN [footfall.internal.letter_places([low, middle, high], most)]
][1];

COMMENT ON MACRO footfall.internal.interval_bar IS $$An interval from 0 on as text, at most 26 letters: a line with a point in it.

Parameters:
- low, middle, high: DOUBLE, from 0; NULL gives NULL.
- most: DOUBLE, the end of the scale.

Example:
SELECT footfall.internal.interval_bar(0.1, 0.25, 0.5, 1.0) AS chart;$$;

CREATE MACRO footfall.internal.conversion_report(
    function_name, counts, groups_shown, actions_seen, view, purchase, top, cart, favourite, absent
) AS TABLE
WITH ff_occurring AS MATERIALIZED (
    SELECT
        coalesce(sum(n_views), 0) > 0 AS has_views,
        coalesce(sum(n_carts), 0) > 0 AS has_carts,
        coalesce(sum(n_favourites), 0) > 0 AS has_favourites,
        coalesce(sum(n_purchases), 0) > 0 AS has_purchases
    FROM query_table(counts)
),
ff_actions_seen AS NOT MATERIALIZED (FROM query_table(actions_seen))
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
    footfall.main.wilson_interval(n_both, nullif(n_viewers, 0))['high'] AS conversion_rate_high,
    footfall.internal.interval_bar(conversion_rate_low, conversion_rate, conversion_rate_high, max(conversion_rate_high) OVER ()) AS chart
FROM query_table(groups_shown)
CROSS JOIN ff_occurring
WHERE (SELECT
    footfall.internal.check_conversion(function_name, view, purchase, top, absent)
    AND (footfall.internal.option_name(absent) = 'zero' OR footfall.internal.check_occurs(
        function_name, missing['argument'], CASE WHEN missing IS NOT NULL THEN [missing['action']] ELSE [] END, seen
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
)
ORDER BY n_purchases DESC NULLS LAST, n_views DESC NULLS LAST, event_group ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.internal.conversion_report IS $$The report of `conversion` from its counts.

The columns are those of `conversion`.

Parameters:
- function_name: the macro that was called, for messages.
- counts: the events of all groups, `n_views`, `n_carts`, `n_favourites` and `n_purchases` as in `conversion_counts`.
- groups_shown: the rows of `conversion_counts` that are shown.
- actions_seen: one row `found`, the actions in the data; they are needed where an action that was asked for has no event.
- view, purchase, top, cart, favourite, absent: as in `conversion`.

Example:
WITH counts(event_group, n_views, n_carts, n_favourites, n_purchases, n_viewers, n_buyers, n_both) AS (VALUES (100, 2, 0, 0, 1, 2, 1, 1)),
seen(found) AS (VALUES (['pv', 'buy']))
SELECT group_value, conversion_rate FROM footfall.internal.conversion_report('conversion', counts, counts, seen, 'pv', 'buy', 20, NULL, NULL, 'error');$$;

CREATE MACRO footfall.main.conversion(
    tbl, user_id, by, action, view := 'pv', purchase := 'buy', top := 20, cart := NULL, favourite := NULL, absent := 'error'
) AS TABLE
-- Of the two ways one runs, which DuckDB knows when it plans.
WITH ff_all_groups AS MATERIALIZED (
    FROM footfall.internal.conversion_counts('conversion', tbl, user_id, "by", action, view, purchase, cart, favourite)
    WHERE top IS NULL
),
-- The best groups: users are counted in those that are shown, which costs less than counting them in all. What both passes need
-- is kept, so that a relation that gives other rows each time, such as a sample, is read once.
ff_kept AS MATERIALIZED (
    FROM footfall.internal.conversion_events('conversion', tbl, user_id, "by", action, view, purchase, cart, favourite)
    WHERE top IS NOT NULL
),
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
ff_shown AS MATERIALIZED (
    FROM ff_all_groups
    WHERE event_group IS NOT NULL
    UNION ALL
    SELECT ff_best.*, coalesce(n_viewers, 0), coalesce(n_buyers, 0), coalesce(n_both, 0)
    FROM ff_best
    LEFT JOIN ff_best_users ON ff_best_users.event_group = ff_best.event_group
),
ff_counts AS MATERIALIZED (
    FROM ff_group_events UNION ALL SELECT event_group, n_views, n_carts, n_favourites, n_purchases FROM ff_all_groups
),
-- Read only where an action that was asked for does not occur, to name those that do.
ff_wanted AS (
    SELECT 1 FROM ff_counts
    HAVING footfall.internal.option_name(absent) = 'error' AND NOT coalesce(
        sum(n_views) > 0 AND sum(n_purchases) > 0 AND (cart IS NULL OR sum(n_carts) > 0) AND (favourite IS NULL OR sum(n_favourites) > 0),
        false
    )
),
ff_found AS MATERIALIZED (FROM footfall.internal.actions_seen(tbl, action, ff_wanted))
FROM footfall.internal.conversion_report(
    'conversion', ff_counts, ff_shown, ff_found, view, purchase, top, cart, favourite, absent
);

COMMENT ON MACRO TABLE footfall.main.conversion IS $$What turns views into purchases, per category or any other group.

One row per group, the one with most purchases first (then most views, then by `group_value`):
`group_value`, the events `views`, `carts`, `favourites` and `purchases`, the different users `viewers`
and `buyers`, and rates that answer different questions. `purchases_per_view` counts events. `buyers_per_viewer` counts people,
but `buyers` need not have viewed in the group, so it can exceed 1. `conversion_rate` is the share of the viewers who bought
in the group as well, in whatever order (`viewers_who_bought` of `viewers`), and `conversion_rate_low` and `conversion_rate_high` are its
95 % interval as Wilson has it: two groups whose intervals are far apart differ, and a group of three viewers says little.
Without views or viewers a rate is NULL. `chart` draws the rate within its interval, on one scale from 0 for all rows. Rows whose group is missing (NULL, NaN, an empty text) are left out. A row whose user
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
