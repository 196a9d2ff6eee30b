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
        top IS NULL OR footfall.internal.whole_number(top, 1, 9223372036854775807),
        'conversion', 'top', top, 'a whole number from 1, or NULL for all groups'
    ) AND footfall.internal.check_option(wrong IS NULL, 'conversion', wrong['argument'], wrong['given'], wrong['allowed'])
    AND footfall.internal.check_absent('conversion', absent)
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
        {'argument': 'purchase', 'given': footfall.internal.action_name(purchase), 'is_right': purchase IS NOT NULL, 'allowed': 'the name of an action'}
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
