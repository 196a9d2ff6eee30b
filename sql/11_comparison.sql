-- Comparison: what rises and falls, and whether a change worked.

CREATE MACRO footfall.main.growth(
    tbl, by, ts, period := 'week', user_id := NULL, "current" := NULL, top := 20, week_start := 'monday', time_zone := NULL
) AS TABLE
WITH ff_events AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_group('growth', 'by', "by") AS event_group,
        footfall.internal.usable_key('growth', 'user_id', user_id) AS event_user,
        typeof(user_id) <> typeof(NULL) AS has_users,
        footfall.internal.local_time('growth', 'ts', ts, time_zone := time_zone, default_zone := 'UTC') AS event_time
    FROM query_table(tbl)
),
ff_dated AS NOT MATERIALIZED (
    SELECT *, CAST(event_time AS DATE) AS event_day
    FROM ff_events
    WHERE event_group IS NOT NULL AND event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity' AND (event_user IS NOT NULL OR NOT has_users)
),
ff_counted AS MATERIALIZED (
    SELECT
        event_group,
        event_user,
        any_value(has_users) AS has_users,
        footfall.internal.period_start(event_day, period, week_start) AS slot,
        count(*) AS n_events,
        min(event_day) AS first_day,
        max(event_day) AS last_day
    FROM ff_dated
    GROUP BY event_group, event_user, slot
),
ff_extent AS MATERIALIZED (
    SELECT
        min(first_day) - DATE '1970-01-01' AS first_day,
        max(last_day) - DATE '1970-01-01' AS last_day,
        footfall.internal.moment_option('growth', 'current', "current") AS given,
        footfall.internal.period_start(CAST(max(last_day) AS DATE), period, week_start) AS last_slot
    FROM ff_counted
),
-- The later period is the one that was named, or the last that the data hold to its last day.
ff_later AS NOT MATERIALIZED (
    SELECT
        *,
        CASE
            WHEN given IS NOT NULL THEN footfall.internal.period_start(CAST(given AS DATE), period, week_start)
            WHEN footfall.internal.period_end(last_slot, period) <= last_day THEN last_slot
            ELSE footfall.internal.period_start(DATE '1970-01-01' + CAST(last_slot - 1 AS INTEGER), period, week_start)
        END AS slot_after
    FROM ff_extent
),
ff_periods AS MATERIALIZED (
    SELECT
        *,
        footfall.internal.period_end(slot_after, period) - slot_after + 1 AS n_days_after,
        slot_after - slot_before AS n_days_before,
        n_days_after / (n_days_after + n_days_before) AS share_of_days
    FROM (
        SELECT *, footfall.internal.period_start(DATE '1970-01-01' + CAST(slot_after - 1 AS INTEGER), period, week_start) AS slot_before FROM ff_later
    )
),
ff_users AS NOT MATERIALIZED (
    SELECT
        event_group,
        event_user,
        any_value(has_users) AS has_users,
        coalesce(sum(n_events) FILTER (slot = slot_before), 0) AS x_before,
        coalesce(sum(n_events) FILTER (slot = slot_after), 0) AS x_after
    FROM ff_counted
    CROSS JOIN ff_periods
    WHERE slot = slot_before OR slot = slot_after
    GROUP BY event_group, event_user
),
-- Without users each event is somebody's of its own.
ff_groups AS MATERIALIZED (
    SELECT
        event_group,
        CAST(sum(x_before) AS BIGINT) AS n_before,
        CAST(sum(x_after) AS BIGINT) AS n_after,
        CASE WHEN any_value(has_users) THEN count(*) ELSE CAST(sum(x_before + x_after) AS BIGINT) END AS n_users,
        CAST(CASE WHEN any_value(has_users) THEN sum(x_before * x_before) ELSE sum(x_before) END AS DOUBLE) AS squares_before,
        CAST(CASE WHEN any_value(has_users) THEN sum(x_after * x_after) ELSE sum(x_after) END AS DOUBLE) AS squares_after,
        CAST(CASE WHEN any_value(has_users) THEN sum(x_before * x_after) ELSE 0 END AS DOUBLE) AS products
    FROM ff_users
    GROUP BY event_group
),
ff_totals AS MATERIALIZED (SELECT sum(n_before) AS all_before, sum(n_after) AS all_after FROM ff_groups),
-- The share of the later period is a ratio of sums over users: its variance says how many trials it is worth.
ff_shares AS NOT MATERIALIZED (
    SELECT
        *,
        n_before + n_after AS n_both,
        n_after / n_both AS share,
        ((1 - share) ** 2 * squares_after + share ** 2 * squares_before - 2 * share * (1 - share) * products) / n_both ** 2 * n_users / nullif(n_users - 1, 0) AS variance,
        least(n_both, CASE
            WHEN variance > 0 THEN share * (1 - share) / variance
            -- Nothing is known of how users differ where all are in one period; each one may be all or nothing.
            WHEN share = 0 OR share = 1 THEN n_both ** 2 / (squares_before + squares_after + 2 * products)
            WHEN variance = 0 THEN n_both
        END) AS n_trials
    FROM ff_groups
),
ff_quantiles AS MATERIALIZED (
    SELECT n_users, footfall.internal.t_quantile(0.95, n_users - 1) AS t_value FROM (SELECT DISTINCT n_users FROM ff_groups WHERE n_users > 1)
),
ff_tested AS MATERIALIZED (
    SELECT
        ff_shares.*,
        ff_periods.*,
        footfall.internal.share_interval(share, n_trials, t_value) AS share_range,
        CASE WHEN ff_shares.n_users > 1
            THEN footfall.internal.t_two_sided((share - share_of_days) / sqrt(share_of_days * (1 - share_of_days) / n_trials), ff_shares.n_users - 1)
        END AS p_value
    FROM ff_shares
    CROSS JOIN ff_periods
    LEFT JOIN ff_quantiles ON ff_quantiles.n_users = ff_shares.n_users
),
-- Holm's step down: the smallest of m p values counts m times, the next one m - 1 times.
ff_adjusted AS NOT MATERIALIZED (
    SELECT *, max(least(1, p_value * (n_tested - place + 1))) OVER (ORDER BY p_value ASC NULLS LAST RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS p_holm
    FROM (SELECT *, row_number() OVER (ORDER BY p_value ASC NULLS LAST, event_group ASC NULLS LAST) AS place, count(p_value) OVER () AS n_tested FROM ff_tested)
),
ff_judged AS NOT MATERIALIZED (
    SELECT
        *,
        n_after / nullif(n_before, 0) * n_days_before / n_days_after AS ratio_of_days,
        CASE WHEN p_value IS NULL THEN NULL ELSE p_holm END AS p_told,
        coalesce(p_value IS NOT NULL AND p_holm < 0.05, false) AS is_news
    FROM ff_adjusted
)
SELECT
    footfall.internal.unmarked(event_group) AS group_value,
    n_before AS before,
    n_after AS after,
    ratio_of_days AS ratio,
    share_range['low'] / nullif(1 - share_range['low'], 0) * n_days_before / n_days_after AS ratio_low,
    share_range['high'] / nullif(1 - share_range['high'], 0) * n_days_before / n_days_after AS ratio_high,
    p_value AS p,
    p_told AS p_adjusted,
    CASE WHEN NOT is_news THEN 'unclear' WHEN share > share_of_days THEN 'rises' ELSE 'falls' END AS news,
    CASE WHEN has_users THEN n_users END AS users,
    all_after / nullif(all_before, 0) * n_days_before / n_days_after AS ratio_of_all,
    DATE '1970-01-01' + CAST(slot_before AS INTEGER) AS period_before,
    DATE '1970-01-01' + CAST(slot_after AS INTEGER) AS period_after
FROM ff_judged
CROSS JOIN ff_totals
CROSS JOIN (SELECT bool_or(has_users) AS has_users FROM ff_counted) AS ff_kind
WHERE (SELECT
    footfall.internal.check_period('growth', period, week_start)
    AND footfall.internal.check_option(top IS NULL OR footfall.internal.whole_number(top, 1, 1000000000000), 'growth', 'top', top, 'a whole number from 1, or NULL for all groups')
    AND CASE WHEN coalesce(slot_before >= first_day, true) OR given IS NOT NULL THEN true ELSE CAST(error(concat(
        'footfall.growth: argument ''ts'' goes from ', DATE '1970-01-01' + CAST(first_day AS INTEGER), ' to ', DATE '1970-01-01' + CAST(last_day AS INTEGER),
        ', which does not hold two whole periods of a ', CAST(period AS VARCHAR), '; allowed: a shorter period, or current := a day of the later one'
    )) AS BOOLEAN) END
    FROM ff_periods
)
ORDER BY is_news DESC NULLS LAST, abs(n_after / n_days_after - n_before / n_days_before) DESC NULLS LAST, ff_judged.event_group ASC NULLS LAST
LIMIT CASE WHEN footfall.internal.whole_number(top, 1, 1000000000000) THEN CAST(CAST(top AS VARCHAR) AS BIGINT) END;

COMMENT ON MACRO TABLE footfall.main.growth IS $$What rises and falls from one period to the next, and what is only noise.

One row per group, those with news first, then by the size of the change: `group_value`, the events `before` and `after`, their `ratio` per day (a month has 28 to
31), its 95 % interval `ratio_low` and `ratio_high`, `p`, `p_adjusted`, `news` ('rises', 'falls' or 'unclear'), `users` with events in either period,
`ratio_of_all`, the same ratio for all groups together, and the first days of the two periods, `period_before` and `period_after`. The later period is the last
that the data hold to its last day; a week that has only begun is left out. Data that do not hold two whole periods are an error.

**Give the `user_id`.** One customer who orders forty times is one customer. With users the error is theirs: other users, on the same days. Without, each
event counts as independent of all others. With users who differ as those of shops do (lognormal, sigma 1.5) and nothing changed but
chance, groups of 5, 30 and 200 users gave 48, 61 and 66 % of p values below 0.05 when events were counted, and 9, 12 and 7 % by this
rule (20,000 simulated groups each), 0.1 to 4 % where each user kept their own rate.

**News** is a `p_adjusted` below 0.05: p by Holm's method (1979), for all groups that were looked at and not only those shown, so that of a hundred groups in
which nothing happened not five are reported. A group of one user has an interval of NULL and is never news.

How: the share of the later period among a group's events is a ratio of sums over users, whose variance is the linearised one (Cochran, Sampling Techniques,
1977, section 6.4). It says how many independent trials the events are worth, and for so many the interval is Wilson's, with Student's t for as many
users less one; it holds for no event at all in a period, where `ratio` or its upper end is NULL. What was special about the days, such as a
holiday or the weather, is not in the error, and from Saturday to Sunday much rises that is no news.

Rows whose group is missing (NULL, NaN, an empty text), with a NULL or infinite time, or with a `user_id` that is nobody's, are left out.

Parameters:
- tbl: the events: a table, view, CTE or file.
- by: what to compare, a column or expression such as `category_id`.
- ts: the time in the shop's local time, TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE; or a TIMESTAMP WITH TIME ZONE.
- period: 'day', 'week', 'month', 'quarter' or 'year'.
- user_id: whose event it is, a column or expression of any type; NULL counts each event as somebody's of its own.
- current: DATE, a day of the later period, which is then taken as whole; NULL is the last whole one.
- top: how many groups; NULL gives all.
- week_start: the day on which weeks begin, 'monday' to 'sunday'.
- time_zone: whose calendar is meant where `ts` is a TIMESTAMP WITH TIME ZONE, such as 'Europe/Berlin'; NULL is UTC.

Example:
WITH events(category, user_id, day) AS (
    SELECT ['shoes', 'lamps'][i % 2 + 1], i % 40, DATE '2017-11-20' + CAST(CASE WHEN i % 2 = 0 AND i % 3 > 0 THEN 7 + i % 7 ELSE i % 14 END AS INTEGER)
    FROM range(400) AS numbers(i))
SELECT group_value, before, after, ratio, ratio_low, ratio_high, p_adjusted, news FROM footfall.growth(events, category, day, user_id := user_id);$$;
