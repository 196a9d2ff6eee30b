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
    AND footfall.internal.check_top('growth', top, 'groups')
    AND CASE WHEN coalesce(slot_before >= first_day, true) OR given IS NOT NULL THEN true ELSE CAST(error(concat(
        'footfall.growth: argument ''ts'' goes from ', DATE '1970-01-01' + CAST(first_day AS INTEGER), ' to ', DATE '1970-01-01' + CAST(last_day AS INTEGER),
        ', which does not hold two whole periods of a ', CAST(period AS VARCHAR), '; allowed: a shorter period, or current := a day of the later one'
    )) AS BOOLEAN) END
    FROM ff_periods
)
ORDER BY is_news DESC NULLS LAST, abs(n_after / n_days_after - n_before / n_days_before) DESC NULLS LAST, ff_judged.event_group ASC NULLS LAST
LIMIT footfall.internal.top_rows(top);

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

CREATE MACRO footfall.internal.log_choose(n, k) AS
lgamma(CAST(n + 1 AS DOUBLE)) - lgamma(CAST(k + 1 AS DOUBLE)) - lgamma(CAST(n - k + 1 AS DOUBLE));

COMMENT ON MACRO footfall.internal.log_choose IS $$The logarithm of how many ways there are to choose k of n.

Parameters:
- n, k: BIGINT, 0 <= k <= n.

Example:
SELECT exp(footfall.internal.log_choose(5, 2)) AS ten;$$;

CREATE MACRO footfall.internal.fisher_exact(x_a, n_a, x_b, n_b) AS
least(1, list_sum([
    chance
    FOR chance IN [
        exp(footfall.internal.log_choose(x_a + x_b, k) + footfall.internal.log_choose(n_a + n_b - x_a - x_b, n_a - k) - footfall.internal.log_choose(n_a + n_b, n_a))
        FOR k IN range(greatest(0, x_a - n_b + x_b), least(x_a + x_b, n_a) + 1)
    ]
    IF chance <= 1.0000001
        * exp(footfall.internal.log_choose(x_a + x_b, x_a) + footfall.internal.log_choose(n_a + n_b - x_a - x_b, n_a - x_a) - footfall.internal.log_choose(n_a + n_b, n_a))
]));

COMMENT ON MACRO footfall.internal.fisher_exact IS $$The two-sided p value of Fisher's exact test: the chance of all tables that are no likelier than this one.

Parameters:
- x_a, n_a: BIGINT, how many of how many did it in one group.
- x_b, n_b: BIGINT, and in the other.

Example:
SELECT footfall.internal.fisher_exact(1, 20, 6, 20) AS p;$$;

CREATE MACRO footfall.internal.check_groups(function_name, kind, missing, confidence, looks) AS
footfall.internal.check_option(
    footfall.internal.option_name(kind) IN ('rate', 'mean'), function_name, 'kind', CAST(kind AS VARCHAR), '''rate'', ''mean'''
) AND footfall.internal.check_option(
    footfall.internal.option_name(missing) IN ('error', 'zero', 'leave_out'),
    function_name, 'missing', CAST(missing AS VARCHAR), '''error'', ''zero'', ''leave_out'''
) AND footfall.internal.check_option(
    TRY_CAST(CAST(confidence AS VARCHAR) AS DOUBLE) >= 0.5 AND TRY_CAST(CAST(confidence AS VARCHAR) AS DOUBLE) < 1,
    function_name, 'confidence', CAST(confidence AS VARCHAR), 'a number from 0.5 and below 1, such as 0.95'
) AND footfall.internal.check_option(
    footfall.internal.whole_number(looks, 1, 10000), function_name, 'looks', CAST(looks AS VARCHAR), 'a whole number from 1 to 10000'
);

COMMENT ON MACRO footfall.internal.check_groups IS $$True, or the error for a wrong option of `compare_groups`.

Parameters:
- function_name: the macro that was called, for messages.
- kind, missing, confidence, looks: as in `compare_groups`.

Example:
SELECT footfall.internal.check_groups('compare_groups', 'rate', 'error', 0.95, 1) AS is_right;$$;

CREATE MACRO footfall.internal.group_users(function_name, tbl, user_id, variant, metric, kind, missing) AS TABLE
WITH ff_rows AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key(function_name, 'user_id', user_id) AS event_user,
        footfall.internal.usable_group(function_name, 'variant', variant) AS user_variant,
        CASE WHEN typeof(metric) = 'BOOLEAN' THEN TRY_CAST(metric AS DOUBLE) ELSE footfall.internal.number(function_name, 'metric', metric) END AS given_value
    FROM query_table(tbl)
),
ff_checked AS NOT MATERIALIZED (
    SELECT
        event_user,
        user_variant,
        CASE
            WHEN isfinite(given_value) = false
            THEN error(concat('footfall.', function_name, ': argument ''metric'' holds ', given_value, '; allowed: finite numbers and NULL'))
            WHEN footfall.internal.option_name(kind) = 'rate' AND given_value NOT IN (0, 1)
            THEN error(concat(
                'footfall.', function_name, ': argument ''metric'' holds ', given_value,
                '; allowed: true, false, 0, 1 or NULL for kind := ''rate'', such as amount > 0; kind := ''mean'' takes any number'
            ))
            ELSE given_value
        END AS one_value
    FROM ff_rows
    WHERE event_user IS NOT NULL AND user_variant IS NOT NULL
),
ff_users AS NOT MATERIALIZED (
    SELECT
        event_user,
        min(user_variant) AS first_variant,
        max(user_variant) AS last_variant,
        CASE
            WHEN count(one_value) = 0 THEN CASE WHEN footfall.internal.option_name(missing) = 'zero' THEN CAST(0 AS DOUBLE) END
            WHEN footfall.internal.option_name(kind) = 'rate' THEN max(one_value)
            ELSE footfall.internal.exact_sum(one_value)
        END AS user_value
    FROM ff_checked
    GROUP BY event_user
)
SELECT
    CASE WHEN first_variant = last_variant THEN first_variant END AS event_group,
    CASE WHEN first_variant = last_variant THEN user_value END AS measured_value,
    1 AS n_users
FROM ff_users;

COMMENT ON MACRO TABLE footfall.internal.group_users IS $$The users of `compare_groups`: one row each, which may be counted and then stand for several.

`event_group` is the variant, NULL for a user in several; `measured_value` is what the rows of the user say of the metric, NULL for nothing; `n_users` is 1.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, user_id, variant, metric, kind, missing: as in `compare_groups`.

Example:
WITH test(user_id, variant, revenue) AS (VALUES (1, 'a', 10), (1, 'a', 5), (2, 'b', NULL))
FROM footfall.internal.group_users('compare_groups', test, user_id, variant, revenue, 'mean', 'zero') ORDER BY event_group;$$;

CREATE MACRO footfall.internal.groups_report(function_name, counts, kind, control, missing, confidence, looks) AS TABLE
WITH ff_users AS MATERIALIZED (SELECT event_group, measured_value, n_users FROM query_table(counts)),
ff_sums AS MATERIALIZED (
    SELECT
        event_group AS user_variant,
        CAST(coalesce(sum(n_users) FILTER (measured_value IS NOT NULL), 0) AS BIGINT) AS n,
        CAST(coalesce(sum(n_users) FILTER (measured_value IS NULL), 0) AS BIGINT) AS n_missing,
        footfall.internal.exact_weighted_sum(measured_value, n_users) AS total,
        total / n AS mean,
        greatest(max(measured_value) - mean, mean - min(measured_value)) AS reach
    FROM ff_users
    WHERE event_group IS NOT NULL
    GROUP BY event_group
),
-- Deviations as shares of the largest one: sums of their powers fit whole numbers, and no order of rows is in them.
ff_moments AS MATERIALIZED (
    SELECT
        user_variant AS moment_variant,
        footfall.internal.fixed_sum(least(((measured_value - mean) / nullif(reach, 0)) ** 2, 1), pow(2, 80), n_users) AS squares,
        footfall.internal.fixed_sum(((measured_value - mean) / nullif(reach, 0)) ** 3, pow(2, 80), n_users) AS cubes
    FROM ff_users
    JOIN ff_sums ON user_variant = event_group
    WHERE measured_value IS NOT NULL
    GROUP BY user_variant
),
ff_left_out AS MATERIALIZED (
    SELECT
        (SELECT CAST(coalesce(sum(n_users), 0) AS BIGINT) FROM ff_users WHERE event_group IS NULL AND n_users > 0) AS n_several,
        (SELECT CAST(coalesce(sum(n_missing), 0) AS BIGINT) FROM ff_sums) AS n_without
),
ff_options AS MATERIALIZED (
    SELECT
        CAST(confidence AS VARCHAR) AS confidence_given,
        CAST(looks AS VARCHAR) AS looks_given,
        TRY_CAST(confidence_given AS DOUBLE) AS level,
        TRY_CAST(looks_given AS BIGINT) AS n_looks
),
ff_variants AS MATERIALIZED (
    SELECT
        user_variant,
        footfall.internal.option_name(kind) = 'rate' AS is_rate,
        n,
        n_looks,
        level,
        total,
        mean,
        CASE WHEN n > 1 THEN coalesce(squares, 0) * reach * reach / (n - 1) END AS variance,
        abs(cubes) / n / (squares / n) ** 1.5 AS skewness,
        CASE WHEN level > 0 AND level < 1 THEN system.main.normal_quantile(CAST((1 + level) / 2 AS DOUBLE)) END AS z,
        CASE WHEN footfall.internal.option_name(kind) = 'rate' THEN footfall.internal.share_interval(mean, n, z)['low']
            ELSE mean - footfall.internal.t_quantile(level, nullif(n - 1, 0)) * sqrt(variance / n) END AS value_low,
        CASE WHEN footfall.internal.option_name(kind) = 'rate' THEN footfall.internal.share_interval(mean, n, z)['high']
            ELSE mean + footfall.internal.t_quantile(level, nullif(n - 1, 0)) * sqrt(variance / n) END AS value_high,
        row_number() OVER (
            ORDER BY CASE WHEN footfall.internal.action_name(user_variant) = CAST(control AS VARCHAR) THEN 0 ELSE 1 END ASC NULLS LAST, user_variant ASC NULLS LAST
        ) AS place
    FROM ff_sums
    LEFT JOIN ff_moments ON moment_variant = user_variant
    CROSS JOIN ff_options
    WHERE n > 0 AND level > 0 AND level < 1
),
ff_paired AS NOT MATERIALIZED (
    SELECT
        ff_one.*,
        ff_control.user_variant AS control_variant,
        ff_control.n AS control_n,
        ff_control.total AS control_total,
        ff_control.mean AS control_mean,
        ff_control.variance AS control_variance,
        ff_control.value_low AS control_low,
        ff_control.value_high AS control_high,
        ff_control.skewness AS control_skewness,
        ff_one.variance / ff_one.n + ff_control.variance / ff_control.n AS square_error
    FROM ff_variants AS ff_one
    LEFT JOIN ff_variants AS ff_control ON ff_control.place = 1 AND ff_one.place > 1
),
ff_degrees AS NOT MATERIALIZED (
    SELECT
        *,
        square_error ** 2 / nullif((variance / n) ** 2 / (n - 1) + (control_variance / control_n) ** 2 / (control_n - 1), 0) AS df,
        (total + control_total) / (n + control_n) AS pooled,
        least(n, control_n) * least(pooled, 1 - pooled) < 5 AS is_rare
    FROM ff_paired
),
ff_tested AS NOT MATERIALIZED (
    SELECT
        *,
        CASE WHEN NOT is_rate THEN footfall.internal.t_quantile(level, df) END AS t_level,
        -- Walter's: half an event more in each group, so that none is no infinity.
        (total + 0.5) / (n + 0.5) / ((control_total + 0.5) / (control_n + 0.5)) AS ratio_adjusted,
        CASE WHEN is_rate
            THEN sqrt(1 / (total + 0.5) - 1 / (n + 0.5) + 1 / (control_total + 0.5) - 1 / (control_n + 0.5))
            WHEN mean > 0 AND control_mean > 0 THEN sqrt(variance / n / mean ** 2 + control_variance / control_n / control_mean ** 2)
        END AS log_error,
        CASE
            WHEN is_rate AND is_rare THEN footfall.internal.fisher_exact(CAST(total AS BIGINT), n, CAST(control_total AS BIGINT), control_n)
            WHEN is_rate THEN 2 * system.main.normal_cdf(-abs(mean - control_mean) / sqrt(pooled * (1 - pooled) * (1 / n + 1 / control_n)))
            WHEN square_error > 0 THEN footfall.internal.t_two_sided((mean - control_mean) / sqrt(square_error), df)
        END AS p_value
    FROM ff_degrees
),
ff_adjusted AS NOT MATERIALIZED (
    SELECT
        *,
        -- Holm's step down over the variants, and Bonferroni's over the looks.
        CASE WHEN p_value IS NOT NULL THEN least(1, n_looks * max(least(1, p_value * (n_tested - rank_of_p + 1))) OVER (
            ORDER BY p_value ASC NULLS LAST RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) END AS p_holm
    FROM (SELECT *, row_number() OVER (ORDER BY p_value ASC NULLS LAST, place ASC NULLS LAST) AS rank_of_p, count(p_value) OVER () AS n_tested FROM ff_tested)
)
SELECT
    footfall.internal.unmarked(user_variant) AS variant,
    n AS users,
    total,
    mean AS value,
    value_low,
    value_high,
    mean - control_mean AS difference,
    CASE WHEN is_rate THEN mean - control_mean - sqrt((mean - value_low) ** 2 + (control_high - control_mean) ** 2)
        ELSE mean - control_mean - t_level * sqrt(square_error) END AS difference_low,
    CASE WHEN is_rate THEN mean - control_mean + sqrt((value_high - mean) ** 2 + (control_mean - control_low) ** 2)
        ELSE mean - control_mean + t_level * sqrt(square_error) END AS difference_high,
    mean / nullif(control_mean, 0) AS ratio,
    CASE WHEN is_rate THEN ratio_adjusted * exp(-z * log_error) ELSE mean / nullif(control_mean, 0) * exp(-t_level * log_error) END AS ratio_low,
    CASE WHEN is_rate THEN ratio_adjusted * exp(z * log_error) ELSE mean / nullif(control_mean, 0) * exp(t_level * log_error) END AS ratio_high,
    p_value AS p,
    p_holm AS p_adjusted,
    footfall.internal.unmarked(control_variant) AS compared_with,
    CASE WHEN control_variant IS NULL THEN NULL WHEN NOT is_rate THEN 'Welch' WHEN is_rare THEN 'Fisher exact' ELSE 'score' END AS method,
    n_several + n_without AS users_left_out,
    CASE WHEN NOT is_rate AND n < 355 * skewness ** 2
        THEN printf('skewness %.1f: an interval of a mean so skewed needs some %.0f users (355 * skewness ^ 2)', skewness, 355 * skewness ** 2)
    END AS note
FROM ff_adjusted
CROSS JOIN ff_left_out
WHERE (SELECT
    footfall.internal.check_groups(function_name, kind, missing, confidence_given, looks_given)
    AND CASE WHEN n_several > 0 AND names IS NULL
        THEN CAST(error(concat(
            'footfall.', function_name, ': argument ''variant'' differs among the rows of each of the ', n_several, ' users; allowed: one variant per user, ',
            'as it was given to them'
        )) AS BOOLEAN)
        ELSE true
    END
    AND CASE WHEN n_without > 0 AND footfall.internal.option_name(missing) = 'error'
        THEN CAST(error(concat(
            'footfall.', function_name, ': argument ''metric'' is NULL in every row of ', n_without, ' users; allowed: missing := ''zero'' where that means 0 or no, ',
            'missing := ''leave_out'' where nothing is known of them'
        )) AS BOOLEAN)
        ELSE true
    END
    AND CASE WHEN control IS NOT NULL AND len(names) > 0 AND NOT list_contains(names, CAST(control AS VARCHAR))
        THEN CAST(error(concat(
            'footfall.', function_name, ': argument ''control'' is ', footfall.internal.shown(CAST(control AS VARCHAR)), '; allowed: a variant, here ',
            array_to_string([footfall.internal.one_line(left(name, 60)) FOR name IN names[:20]], ', '), CASE WHEN len(names) > 20 THEN ', ...' END
        )) AS BOOLEAN)
        ELSE true
    END
    FROM (SELECT list(footfall.internal.action_name(user_variant) ORDER BY user_variant ASC NULLS LAST) AS names FROM ff_sums)
    CROSS JOIN ff_left_out
    CROSS JOIN ff_options
)
ORDER BY place ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.internal.groups_report IS $$The report of `compare_groups` from its users, of one part or of several below one another.

The columns are those of `compare_groups`.

Parameters:
- function_name: the macro that was called, for messages.
- counts: the rows of `group_users`; equal ones may be one, with `n_users` added.
- kind, control, missing, confidence, looks: as in `compare_groups`.

Example:
WITH counts(event_group, measured_value, n_users) AS (VALUES ('a', 1.0::DOUBLE, 23), ('a', 0.0, 122), ('b', 1.0, 40), ('b', 0.0, 110))
SELECT variant, users, value, p FROM footfall.internal.groups_report('compare_groups', counts, 'rate', NULL, 'error', 0.95, 1);$$;

CREATE MACRO footfall.main.compare_groups(
    tbl, user_id, variant, metric, kind := 'rate', control := NULL, missing := 'error', confidence := 0.95, looks := 1
) AS TABLE
WITH ff_counts AS NOT MATERIALIZED (
    FROM footfall.internal.group_users('compare_groups', tbl, user_id, variant, metric, kind, missing)
)
FROM footfall.internal.groups_report('compare_groups', ff_counts, kind, control, missing, confidence, looks);

COMMENT ON MACRO TABLE footfall.main.compare_groups IS $$Did it work: the variants of a test against the control, by users, with intervals and p values.

One row per variant, the control first: `variant`, `users`, `total` (users who did it, or the sum), `value` (their share, or the mean) with its interval `value_low` and
`value_high`; against the control, NULL in its own row, `difference` and `ratio` with their intervals `difference_low`, `difference_high`, `ratio_low` and
`ratio_high`, `p`, two-sided, and `p_adjusted`; `compared_with`, `method`, `users_left_out` and `note`. Intervals are for 95 % unless `confidence` says else, each
by itself.

**The unit is the user**, who was given a variant; rows of one user are put together. `kind := 'rate'`: whether `metric` was ever true or 1. `kind := 'mean'`: the sum of
`metric`, such as revenue per user. Counting rows would call chance a success, since the rows of a user are alike. A user in two variants is evidence for neither, and
is left out and counted in `users_left_out`; where all are, it is an error. Users without any `metric` are an error: say `missing := 'zero'` where no order means no revenue, `'leave_out'` where
nothing is known.

**Rates.** `value` has Wilson's interval, the difference that of Newcombe (1998, method 10), the ratio Walter's, with half an event more in each group;
they hold for few events and for none. `p` is of the score test, which is the chi-square test without correction; where an expected count is below 5 it is Fisher's exact one.
**Means.** Welch's t, and for the ratio the delta method on the logarithm, where both means are above 0. Where money is skewed, and a few users
bring most of it, the t interval promises too much: `note` says so where there are fewer users than 355 * skewness ^ 2, the rule of
Kohavi and others (2014). Then compare a rate as well, such as who bought at all.

**Several variants.** With five variants against one control, one in five tests finds something where nothing is. `p_adjusted` is Holm's (1979), over the variants of this
call: below 0.05, at most one such table in twenty is wrong anywhere. Several metrics are several calls, and are not in it: name the one that decides before the test.

**Looking early.** A p value is for one look, at a day that was fixed beforehand. Who looks twenty times, after equally many
users each, and stops when p is below 0.05 finds an effect where none is in a quarter of all tests (24.8 %; Armitage, McPherson and Rowe, 1969). Give `looks`, how many looks are planned in all: `p_adjusted` is multiplied by it
(Bonferroni), so that stopping at the first one below 0.05 is allowed.

Rows of nobody (see `usable_key`) or without a variant are left out. A difference in `users` that the split does not explain means that
the split is broken, and nothing here repairs that.

Parameters:
- tbl: one row or more per user: a table, view, CTE or file.
- user_id: a column or expression of any type.
- variant: the column of the variants.
- metric: BOOLEAN, or 0 and 1, for a rate; a number for a mean.
- kind: 'rate' or 'mean'.
- control: the variant that the others are compared with; NULL is the first in order.
- missing: what users are whose `metric` is always NULL: 'error', 'zero' or 'leave_out'.
- confidence: the level of the intervals, 0.5 to below 1.
- looks: how many looks at the data are planned in all.

Example:
WITH test(user_id, variant, revenue) AS (
    SELECT i, ['control', 'new'][i % 2 + 1], CASE WHEN i % 10 < 3 + i % 2 THEN 20 + i % 7 END FROM range(400) AS numbers(i))
SELECT variant, users, value, difference, difference_low, difference_high, p FROM footfall.compare_groups(test, user_id, variant, revenue IS NOT NULL);$$;
