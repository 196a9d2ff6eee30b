-- Promotions: what one did, against the same weekdays outside it.
--
-- Infinite times are dropped by comparing, as in 20_activity.sql.

CREATE MACRO footfall.internal.promotion_counts(
    function_name, tbl, user_id, action, ts, starts, purchase, period_from, period_until, time_zone
) AS TABLE
WITH ff_events AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key(function_name, 'user_id', user_id) AS event_user,
        footfall.internal.bytewise(action) AS event_action,
        footfall.internal.local_time(function_name, 'ts', ts, time_zone := time_zone) AS event_time
    FROM query_table(tbl)
)
-- Purchases before the period tell who buys for the first time.
SELECT event_action, CAST(event_time AS DATE) - DATE '1970-01-01' AS day_number, event_user, count(*) AS n_events
FROM ff_events
WHERE event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity' AND event_action IS NOT NULL
    -- DuckDB would take an OR apart and compare every time several times over.
    AND CASE
        WHEN period_from IS NULL OR event_time >= footfall.internal.whole_day(function_name, 'period_from', period_from) THEN true
        ELSE footfall.internal.action_name(event_action) = footfall.internal.action_name(purchase)
            AND event_time < footfall.internal.whole_day(function_name, 'starts', starts)
    END
    AND (period_until IS NULL OR event_time < footfall.internal.whole_day(function_name, 'period_until', period_until))
GROUP BY event_action, day_number, event_user;

COMMENT ON MACRO TABLE footfall.internal.promotion_counts IS $$What each user did on each day, as `promotion_effect` counts it.

One row per action, day and user: `event_action`, `day_number` (from 1 January 1970), `event_user` (NULL is nobody) and `n_events`.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, user_id, action, ts, starts, purchase, period_from, period_until, time_zone: as in `promotion_effect`.

Example:
WITH events(user_id, action, ts) AS (VALUES (1, 'buy', DATE '2017-11-25'), (1, 'buy', DATE '2017-11-25'))
FROM footfall.internal.promotion_counts('promotion_effect', events, user_id, action, ts, DATE '2017-12-02', 'buy', NULL, NULL, NULL);$$;

CREATE MACRO footfall.internal.check_promotion(function_name, purchase, days, absent) AS
footfall.internal.check_option(
    coalesce(footfall.internal.option_name("days") IN ('calendar', 'open'), false),
    function_name, 'days', footfall.internal.option_name("days"), '''calendar'', ''open'''
)
AND footfall.internal.check_option(purchase IS NOT NULL, function_name, 'purchase', footfall.internal.action_name(purchase), 'the name of an action')
AND footfall.internal.check_absent(function_name, absent);

COMMENT ON MACRO footfall.internal.check_promotion IS $$True, or the error for a wrong option of `promotion_effect` that is no day.

Parameters:
- function_name: the macro that was called, for messages.
- purchase, days, absent: as in `promotion_effect`.

Example:
SELECT footfall.internal.check_promotion('promotion_effect', 'buy', 'open', 'error') AS is_right;$$;

CREATE MACRO footfall.internal.promotion_report(
    function_name, user_dates, actions_seen, starts, ends, purchase, days, period_from, period_until, absent
) AS TABLE
WITH ff_user_dates AS NOT MATERIALIZED (FROM query_table(user_dates)),
ff_actions_seen AS NOT MATERIALIZED (FROM query_table(actions_seen)),
ff_given AS MATERIALIZED (
    SELECT
        footfall.internal.whole_day(function_name, 'starts', starts) - DATE '1970-01-01' AS start_day,
        footfall.internal.whole_day(function_name, 'ends', ends) - DATE '1970-01-01' AS end_day,
        footfall.internal.whole_day(function_name, 'period_from', period_from) - DATE '1970-01-01' AS from_day,
        footfall.internal.whole_day(function_name, 'period_until', period_until) - DATE '1970-01-01' AS until_day
),
ff_dates AS MATERIALIZED (
    SELECT list(day_number ORDER BY day_number ASC NULLS LAST) AS seen
    FROM (SELECT DISTINCT day_number FROM ff_user_dates)
    WHERE coalesce(day_number >= (SELECT from_day FROM ff_given), true)
),
-- The promotion as far as the period holds it.
ff_promotion AS MATERIALIZED (
    SELECT
        *,
        coalesce(from_day, seen[1]) AS first_day,
        coalesce(until_day, seen[-1] + 1) AS last_day,
        greatest(start_day, first_day) AS inside_from,
        least(end_day, last_day) AS inside_until,
        greatest(inside_until - inside_from, 1) AS n_days_long
    FROM ff_given
    CROSS JOIN ff_dates
),
ff_calendar AS MATERIALIZED (
    SELECT
        day_number,
        isodow(DATE '1970-01-01' + CAST(day_number AS INTEGER)) AS day_of_week,
        day_number >= inside_from AND day_number < inside_until AS is_inside,
        -- The spans of the promotion's length to both sides of it, by their distance; NULL where the period cuts one off.
        CASE
            WHEN is_inside THEN 0
            WHEN day_number < inside_from AND inside_from - n_days_long * ((inside_from - 1 - day_number) // n_days_long + 1) >= first_day
            THEN -1 - (inside_from - 1 - day_number) // n_days_long
            WHEN day_number >= inside_until AND inside_until + n_days_long * ((day_number - inside_until) // n_days_long + 1) <= last_day
            THEN 1 + (day_number - inside_until) // n_days_long
        END AS span_number
    FROM (
        SELECT *, unnest(footfall.internal.counted_days(function_name, seen, "days", from_day, until_day)) AS day_number
        FROM ff_promotion
    )
),
ff_weekdays AS MATERIALIZED (
    SELECT day_of_week, count(*) FILTER (is_inside) AS n_inside, count(*) FILTER (NOT is_inside) AS n_outside
    FROM ff_calendar
    GROUP BY day_of_week
),
-- Only weekdays on both sides can be compared, and a weekday weighs outside what it weighs inside.
ff_weighted AS MATERIALIZED (
    SELECT
        ff_calendar.*,
        n_inside > 0 AND n_outside > 0 AS is_compared,
        CASE WHEN is_compared AND is_inside THEN CAST(1 AS DOUBLE) ELSE 0 END AS weight_inside,
        CASE WHEN is_compared AND NOT is_inside THEN n_inside / n_outside ELSE 0 END AS weight_outside
    FROM ff_calendar
    JOIN ff_weekdays ON ff_weekdays.day_of_week = ff_calendar.day_of_week
),
ff_day_counts AS MATERIALIZED (
    SELECT
        count(*) FILTER (is_inside) AS n_all_inside,
        count(*) FILTER (NOT is_inside) AS n_all_outside,
        count(*) FILTER (is_inside AND is_compared) AS n_inside,
        count(*) FILTER (NOT is_inside AND is_compared) AS n_outside,
        count(*) FILTER (NOT is_inside AND is_compared AND list_contains(seen, day_number)) AS n_open,
        count(DISTINCT span_number) FILTER (NOT is_inside) AS n_spans
    FROM ff_weighted
    CROSS JOIN ff_dates
),
-- Sums of whole numbers first, so that the order of rows is in no digit.
ff_action_weekdays AS (
    SELECT
        event_action,
        day_of_week,
        any_value(is_compared) AS is_compared,
        any_value(weight_outside) FILTER (NOT is_inside) AS weight_outside,
        coalesce(sum(n_events) FILTER (is_inside), 0) AS n_inside,
        coalesce(sum(n_events) FILTER (NOT is_inside), 0) AS n_outside,
        coalesce(sum(n_users) FILTER (is_inside), 0) AS users_inside,
        coalesce(sum(n_users) FILTER (NOT is_inside), 0) AS users_outside
    FROM (
        SELECT event_action, day_number, sum(n_events) AS n_events, count(event_user) AS n_users
        FROM ff_user_dates
        GROUP BY event_action, day_number
    ) AS action_dates
    JOIN ff_weighted ON ff_weighted.day_number = action_dates.day_number
    GROUP BY event_action, day_of_week
),
ff_actions AS MATERIALIZED (
    SELECT
        event_action,
        sum(n_inside) AS all_inside,
        sum(n_outside) AS all_outside,
        coalesce(sum(n_inside) FILTER (is_compared), 0) AS events_inside,
        coalesce(sum(n_outside) FILTER (is_compared), 0) AS events_outside,
        coalesce(sum(n_outside * weight_outside ORDER BY day_of_week ASC NULLS LAST), 0) AS events_expected,
        coalesce(sum(users_inside) FILTER (is_compared), 0) AS users_inside,
        coalesce(sum(users_outside * weight_outside ORDER BY day_of_week ASC NULLS LAST), 0) AS users_expected
    FROM ff_action_weekdays
    GROUP BY event_action
),
-- A user is active on a date that has any action of theirs.
ff_active_dates AS MATERIALIZED (SELECT DISTINCT event_user, day_number FROM ff_user_dates WHERE event_user IS NOT NULL),
ff_active_weekdays AS (
    SELECT
        day_of_week,
        any_value(weight_outside) FILTER (NOT is_inside) AS weight_outside,
        coalesce(sum(n_users) FILTER (is_inside AND is_compared), 0) AS n_inside,
        coalesce(sum(n_users) FILTER (NOT is_inside), 0) AS n_outside
    FROM (SELECT day_number, count(*) AS n_users FROM ff_active_dates GROUP BY day_number) AS date_users
    JOIN ff_weighted ON ff_weighted.day_number = date_users.day_number
    GROUP BY day_of_week
),
ff_users AS MATERIALIZED (
    SELECT
        event_user,
        sum(dates_inside) AS dates_inside,
        footfall.internal.fixed_sum(dates_outside, pow(2, 60)) AS dates_outside,
        count(*) FILTER (span_number = 0) AS n_promotions,
        count(*) FILTER (span_number <> 0) AS n_spans
    FROM (
        SELECT event_user, span_number, sum(weight_inside) AS dates_inside, footfall.internal.fixed_sum(weight_outside, pow(2, 60)) AS dates_outside
        FROM ff_active_dates
        JOIN ff_weighted ON ff_weighted.day_number = ff_active_dates.day_number
        GROUP BY event_user, span_number
    )
    GROUP BY event_user
),
ff_all_users AS MATERIALIZED (
    SELECT
        *,
        n_promotions / nullif(n_users, 0) AS share_inside,
        n_active_spans / nullif(n_users * (SELECT n_spans FROM ff_day_counts), 0) AS share_outside
    FROM (SELECT count(*) AS n_users, sum(n_promotions) AS n_promotions, sum(n_spans) AS n_active_spans FROM ff_users)
    CROSS JOIN (
        SELECT
            coalesce(sum(n_inside), 0) AS active_inside,
            coalesce(sum(n_outside * weight_outside ORDER BY day_of_week ASC NULLS LAST), 0) AS active_expected
        FROM ff_active_weekdays
    )
),
ff_user_actions AS MATERIALIZED (
    SELECT
        event_action,
        event_user,
        sum(n_events * weight_inside) AS n_inside,
        footfall.internal.fixed_sum(n_events * weight_outside, pow(2, 60)) AS n_expected,
        CAST(sum(n_events) AS BIGINT) AS n_compared
    FROM ff_user_dates
    JOIN ff_weighted ON ff_weighted.day_number = ff_user_dates.day_number
    WHERE event_user IS NOT NULL AND is_compared
    GROUP BY event_action, event_user
),
-- What one user adds to the logarithm of a ratio: the delta method, for users that were drawn from many.
ff_user_parts AS MATERIALIZED (
    SELECT
        event_user,
        dates_inside + dates_outside > 0 AS is_compared,
        dates_inside / nullif(active_inside, 0) - dates_outside / nullif(active_expected, 0) AS users_part
    FROM ff_users
    CROSS JOIN ff_all_users
),
ff_users_error AS MATERIALIZED (
    SELECT
        footfall.internal.fixed_sum(users_part ** 2, pow(2, 96)) AS users_squared,
        count(*) AS n_users,
        sqrt(users_squared * (n_users / nullif(n_users - 1, 0))) AS of_users,
        footfall.internal.t_quantile(0.95, nullif(greatest(count(*) FILTER (is_compared), 1) - 1, 0)) AS users_t
    FROM ff_user_parts
),
ff_action_parts AS (
    SELECT
        ff_user_actions.event_action,
        event_user,
        n_inside / nullif(sum_inside, 0) - n_expected / nullif(sum_expected, 0) AS actions_part
    FROM ff_user_actions
    JOIN (
        SELECT event_action, sum(n_inside) AS sum_inside, footfall.internal.fixed_sum(n_expected, pow(2, 60)) AS sum_expected
        FROM ff_user_actions
        GROUP BY event_action
    ) AS sums ON sums.event_action = ff_user_actions.event_action
),
ff_errors AS (
    SELECT
        event_action,
        sqrt(footfall.internal.fixed_sum(actions_part ** 2, pow(2, 96)) * any_value(n_users / nullif(n_users - 1, 0))) AS of_lift,
        sqrt(
            greatest(footfall.internal.fixed_sum(
                actions_part ** 2 - 2 * actions_part * users_part, pow(2, 96)
            ) + any_value(users_squared), 0)
            * any_value(n_users / nullif(n_users - 1, 0))
        ) AS of_actions_per_user
    FROM ff_action_parts
    JOIN ff_user_parts ON ff_user_parts.event_user = ff_action_parts.event_user
    CROSS JOIN ff_users_error
    GROUP BY event_action
),
-- Who has the action on a compared day, and how many trials their events are worth where each user is there with all or nothing.
ff_drawn AS NOT MATERIALIZED (
    SELECT event_action, count(*) AS n_with_any, sum(n_compared) ** 2 / sum(CAST(n_compared AS HUGEINT) * n_compared) AS n_single
    FROM ff_user_actions
    GROUP BY event_action
),
-- The error of the share that lies inside says how many trials it is worth; where all lie on one side, it says nothing.
ff_shares AS NOT MATERIALIZED (
    SELECT
        ff_actions.event_action,
        of_lift,
        of_actions_per_user,
        events_inside / nullif(events_inside + events_outside, 0) AS share,
        coalesce(events_expected / nullif(events_outside, 0), n_inside / nullif(n_outside, 0)) AS odds_without,
        (events_inside / nullif(active_inside, 0)) / nullif(events_expected / nullif(active_expected, 0), 0) AS per_user,
        CASE
            WHEN share IN (0, 1) THEN n_single
            WHEN of_lift IS NOT NULL THEN least(events_inside + events_outside, 1 / nullif(share * (1 - share) * of_lift ** 2, 0))
        END AS n_trials,
        nullif(n_with_any - 1, 0) AS df,
        footfall.internal.t_quantile(0.95, df) AS t_value
    FROM ff_actions
    LEFT JOIN ff_errors ON ff_errors.event_action = ff_actions.event_action
    LEFT JOIN ff_drawn ON ff_drawn.event_action = ff_actions.event_action
    CROSS JOIN ff_day_counts
    CROSS JOIN ff_all_users
),
ff_tested AS NOT MATERIALIZED (
    SELECT
        *,
        footfall.internal.share_interval(share, n_trials, t_value) AS share_range,
        footfall.internal.t_two_sided((share * (1 + odds_without) - odds_without) / nullif(sqrt(odds_without / n_trials), 0), df) AS p_of_lift,
        CASE WHEN per_user > 0 AND of_actions_per_user > 0 THEN footfall.internal.t_two_sided(ln(per_user) / of_actions_per_user, df) END AS p_per_user
    FROM ff_shares
),
-- Holm's step down over the actions.
ff_ranked AS NOT MATERIALIZED (
    SELECT
        *,
        count(p_of_lift) OVER () - row_number() OVER (ORDER BY p_of_lift ASC NULLS LAST, event_action ASC NULLS LAST) + 1 AS n_of_lift,
        count(p_per_user) OVER () - row_number() OVER (ORDER BY p_per_user ASC NULLS LAST, event_action ASC NULLS LAST) + 1 AS n_per_user
    FROM ff_tested
),
ff_adjusted AS MATERIALIZED (
    SELECT
        *,
        CASE WHEN p_of_lift IS NOT NULL THEN max(least(1, p_of_lift * n_of_lift)) OVER (
            ORDER BY p_of_lift ASC NULLS LAST RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) END AS p_of_lift_holm,
        CASE WHEN p_per_user IS NOT NULL THEN max(least(1, p_per_user * n_per_user)) OVER (
            ORDER BY p_per_user ASC NULLS LAST RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) END AS p_per_user_holm
    FROM ff_ranked
),
ff_buyers AS (
    SELECT count(*) AS n_buyers, count(*) FILTER (first_purchase >= start_day) AS n_first_time
    FROM (
        SELECT
            event_user,
            any_value(start_day) AS start_day,
            min(day_number) AS first_purchase,
            bool_or(day_number >= inside_from AND day_number < inside_until) AS has_bought_inside
        FROM ff_user_dates
        CROSS JOIN ff_promotion
        WHERE footfall.internal.action_name(event_action) = footfall.internal.action_name(purchase) AND event_user IS NOT NULL
        GROUP BY event_user
    )
    WHERE has_bought_inside
),
-- One relation of one row, because DuckDB tries all orders of those that are joined.
ff_totals AS MATERIALIZED (
    SELECT ff_day_counts.*, ff_all_users.*, users_t, of_users, n_buyers, n_first_time
    FROM ff_day_counts
    CROSS JOIN ff_all_users
    CROSS JOIN ff_users_error
    CROSS JOIN ff_buyers
)
SELECT
    footfall.internal.unmarked(ff_actions.event_action) AS action,
    ff_totals.n_inside AS days_inside,
    ff_totals.n_outside AS days_outside,
    CAST(events_inside AS BIGINT) AS events_inside,
    CAST(events_outside AS BIGINT) AS events_outside,
    events_inside / nullif(ff_totals.n_inside, 0) AS per_day_inside,
    events_expected / nullif(ff_totals.n_inside, 0) AS per_day_outside,
    events_inside / nullif(events_expected, 0) AS lift,
    users_inside / nullif(ff_totals.n_inside, 0) AS users_per_day_inside,
    users_expected / nullif(ff_totals.n_inside, 0) AS users_per_day_outside,
    active_inside / nullif(active_expected, 0) AS users_lift,
    (events_inside / nullif(active_inside, 0)) / nullif(events_expected / nullif(active_expected, 0), 0) AS actions_per_user_lift,
    lift * of_lift AS lift_standard_error,
    share_range['low'] / nullif(1 - share_range['low'], 0) / odds_without AS lift_low,
    share_range['high'] / nullif(1 - share_range['high'], 0) / odds_without AS lift_high,
    p_of_lift AS lift_p,
    p_of_lift_holm AS lift_p_adjusted,
    users_lift * of_users AS users_lift_standard_error,
    users_lift * exp(-users_t * of_users) AS users_lift_low,
    users_lift * exp(users_t * of_users) AS users_lift_high,
    actions_per_user_lift * of_actions_per_user AS actions_per_user_lift_standard_error,
    actions_per_user_lift * exp(-t_value * of_actions_per_user) AS actions_per_user_lift_low,
    actions_per_user_lift * exp(t_value * of_actions_per_user) AS actions_per_user_lift_high,
    p_per_user AS actions_per_user_lift_p,
    p_per_user_holm AS actions_per_user_lift_p_adjusted,
    (all_inside / nullif(n_all_inside, 0)) / nullif(all_outside / nullif(n_all_outside, 0), 0) AS lift_all_days,
    active_inside / nullif(ff_totals.n_inside, 0) AS active_users_per_day_inside,
    active_expected / nullif(ff_totals.n_inside, 0) AS active_users_per_day_outside,
    events_inside / nullif(active_inside, 0) AS per_active_user_inside,
    events_expected / nullif(active_expected, 0) AS per_active_user_outside,
    n_buyers AS buyers_inside,
    n_first_time AS first_time_buyers_inside,
    share_inside AS share_active_inside,
    share_outside AS share_active_outside,
    footfall.internal.option_name("days") AS days_counted,
    nullif(concat_ws('; ',
        CASE WHEN ff_totals.n_inside = 0
            THEN 'no weekday of the promotion is outside it as well, so there is nothing to compare with'
        END,
        (
            SELECT printf('only %d of the %d days of the promotion lie in the period', inside_until - inside_from, end_day - start_day)
            FROM ff_promotion
            WHERE inside_until - inside_from < end_day - start_day
        ),
        CASE WHEN 2 * n_open < ff_totals.n_outside
            THEN printf('%d of the %d days outside have no event: clean the times, or give period_from and period_until',
                ff_totals.n_outside - n_open, ff_totals.n_outside)
        END,
        CASE WHEN share_inside >= 0.95 AND coalesce(2 * (1 - share_inside) < 1 - share_outside, true)
            THEN printf('%.0f %% of all users in the table are active in the promotion', 100 * share_inside)
                || coalesce(printf(' and %.0f %% in other spans of its length', 100 * share_outside), '')
                || ': where users are in the table because they came then, lift and users_lift show how it was made, and '
                || 'actions_per_user_lift what the promotion did'
        END
    ), '') AS warning
FROM ff_actions
JOIN ff_adjusted ON ff_adjusted.event_action = ff_actions.event_action
CROSS JOIN ff_totals
WHERE (SELECT
    footfall.internal.check_option(wrong_day IS NULL, function_name, wrong_day['argument'], wrong_day['given'], wrong_day['allowed'])
    AND footfall.internal.check_promotion(function_name, purchase, "days", absent)
    AND (footfall.internal.option_name(absent) = 'zero' OR footfall.internal.check_occurs(
        function_name, 'purchase', [footfall.internal.action_name(purchase)], coalesce(found, [])
    ))
    FROM (SELECT list_filter([
        {'argument': 'starts', 'given': DATE '1970-01-01' + CAST(start_day AS INTEGER), 'is_right': start_day IS NOT NULL, 'allowed': 'a DATE'},
        {
            'argument': 'ends', 'given': DATE '1970-01-01' + CAST(end_day AS INTEGER), 'is_right': start_day < end_day,
            'allowed': coalesce('later than starts (' || (DATE '1970-01-01' + CAST(start_day AS INTEGER)) || ')', 'a DATE')
        },
        {
            'argument': 'period_until', 'given': DATE '1970-01-01' + CAST(until_day AS INTEGER), 'is_right': coalesce(from_day < until_day, true),
            'allowed': 'later than period_from (' || (DATE '1970-01-01' + CAST(from_day AS INTEGER)) || ')'
        },
        {
            'argument': 'starts', 'given': DATE '1970-01-01' + CAST(start_day AS INTEGER), 'is_right': coalesce(start_day <= seen[-1], true),
            'allowed': 'a day of the data, which go from ' || (DATE '1970-01-01' + CAST(seen[1] AS INTEGER))
                || ' to ' || (DATE '1970-01-01' + CAST(seen[-1] AS INTEGER))
        },
        {
            'argument': 'ends', 'given': DATE '1970-01-01' + CAST(end_day AS INTEGER), 'is_right': coalesce(end_day > seen[1], true),
            'allowed': 'after the first day of the data, which go from ' || (DATE '1970-01-01' + CAST(seen[1] AS INTEGER))
                || ' to ' || (DATE '1970-01-01' + CAST(seen[-1] AS INTEGER))
        }
    ], lambda option: NOT coalesce(option['is_right'], false))[1] AS wrong_day FROM ff_promotion)
    CROSS JOIN ff_actions_seen
)
ORDER BY ff_actions.all_inside + ff_actions.all_outside DESC NULLS LAST, ff_actions.event_action ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.internal.promotion_report IS $$The report of `promotion_effect` from the rows of `promotion_counts`.

The columns are those of `promotion_effect`.

Parameters:
- function_name: the macro that was called, for messages.
- user_dates: the rows of `promotion_counts`, of which no two are the same but for their number.
- actions_seen: one row `found`, the actions in the data; they are needed where there is no purchase.
- starts, ends, purchase, days, period_from, period_until, absent: as in `promotion_effect`.

Example:
WITH user_dates AS (SELECT 'buy' AS event_action, unnest([17495, 17502]) AS day_number, 1 AS event_user, unnest([1, 3]) AS n_events), seen(found) AS (VALUES (['buy']))
SELECT action, lift FROM footfall.internal.promotion_report(
    'promotion_effect', user_dates, seen, DATE '2017-12-02', DATE '2017-12-03', 'buy', 'calendar', NULL, NULL, 'error');$$;

CREATE MACRO footfall.main.promotion_effect(
    tbl, user_id, action, ts, starts, ends, purchase := 'buy', days := 'calendar', period_from := NULL, period_until := NULL,
    time_zone := NULL, absent := 'error'
) AS TABLE
WITH ff_counts AS MATERIALIZED (
    FROM footfall.internal.promotion_counts(
        'promotion_effect', tbl, user_id, action, ts, starts, purchase, period_from, period_until, time_zone
    )
),
-- Read only where there is no purchase to report.
ff_wanted AS (
    SELECT 1
    FROM ff_counts
    HAVING count_if(footfall.internal.action_name(event_action) = footfall.internal.action_name(purchase)) = 0
        AND footfall.internal.option_name(absent) = 'error'
),
ff_found AS MATERIALIZED (FROM footfall.internal.actions_seen(tbl, action, ff_wanted))
FROM footfall.internal.promotion_report(
    'promotion_effect', ff_counts, ff_found, starts, ends, purchase, "days", period_from, period_until, absent
);

COMMENT ON MACRO TABLE footfall.main.promotion_effect IS $$What a promotion did: per action, the daily rate inside against the same weekdays outside.

The promotion is the days in [starts, ends), as far as the period holds them: `ends` is the first day after it. The period
goes from the first day of the data to the last, or between `period_from` and `period_until`, and a day of it without events is a
day. A weekday is compared only when the period holds it inside and outside; the outside rate weighs each weekday
as often as it occurs inside. One row per action, the most frequent first: `action`, `days_inside` and `days_outside`
the numbers of compared days, `events_inside` and `events_outside` on them, `per_day_inside`,
`per_day_outside`, `lift` (the ratio of the two; 1 is no effect), and `users_per_day_inside` and
`users_per_day_outside`, which count different users of the action per day. Without a weekday to compare these are NULL.

Two questions hide in a lift, and it is split into them: `lift` = `users_lift` * `actions_per_user_lift`. `users_lift` compares
the users active per day with whatever action (`active_users_per_day_inside`, `active_users_per_day_outside`): did more come?
`actions_per_user_lift` compares the actions per active user and day (`per_active_user_inside`, `per_active_user_outside`): did
those who came do more?

**The unit is the user**, as in `compare_groups`, but the same users are on both sides, so that what they do inside and outside goes together
into the error. `lift_standard_error`, `users_lift_standard_error` and `actions_per_user_lift_standard_error` are the linearised ones of a ratio (Cochran,
Sampling Techniques, 1977, section 6.4). `lift_low` to `lift_high`, `users_lift_low` to `users_lift_high` and `actions_per_user_lift_low` to
`actions_per_user_lift_high` are 95 % intervals with Student's t, for as many users as have the action, less one. The first is Wilson's interval of the share
that lies inside, for as many trials as the error makes it worth, as in `growth`: it holds for no event at all on one side. The others are made on the
logarithm. `lift_p` and `actions_per_user_lift_p` are two-sided, against 1, and `lift_p_adjusted` and `actions_per_user_lift_p_adjusted` are Holm's (1979), over the
actions of this call. With a promotion that does nothing (lognormal users, sigma 1 to 1.5; 2,000 simulated shops each) 95 % intervals of the
normal distribution missed in 6 to 18 of 100 with 5 or 20 users, `lift_low` and `lift_high` in 0.3 to 7. All say how far other
users would have moved the number on the same days; what else was special about those days is not in them.

`lift_all_days` compares with all days outside, whatever their weekday. `buyers_inside` are the different users who purchase in the
promotion, and `first_time_buyers_inside` those of them without a purchase before `starts` in the whole table, so their number
depends on how far back it goes. Both are the same in every row, as are the next three. `share_active_inside` is the share of all users of the period
that are active in the promotion, `share_active_outside` the mean share in the other spans of its length, counted from it to both sides.
`days_counted` repeats `days`. `warning` says in words what makes the numbers doubtful, and is NULL otherwise: nothing to
compare with; days of the promotion before or after the period; more than half of the days outside without events; or at
least 95 % of all users active inside, and less than half as many absent as elsewhere. A table of the users who came on certain
days shows a lift on those days that no promotion made.

Rows with a NULL action, or with a NULL or infinite time, are left out. A row whose user is nobody (NULL, NaN, an empty text)
counts as an event and not as a user.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type.
- action: VARCHAR or ENUM, or what casts to text, such as a number.
- ts: the time in the shop's local time; TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE; or an instant, with `time_zone`.
- starts: DATE, the first day of the promotion; a promotion outside the data is an error.
- ends: DATE, the first day after the promotion.
- purchase: the action that is a purchase.
- days: 'calendar' counts all days of the period, 'open' those with events.
- period_from: DATE, the first day of the period; NULL takes the first day of the data.
- period_until: DATE, the first day after the period; NULL takes the day after the last day of the data.
- time_zone: whose calendar is read where `ts` is a TIMESTAMP WITH TIME ZONE, such as 'Europe/Berlin'.
- absent: 'error' when `purchase` occurs nowhere in the table, or 'zero' to count none.

Example:
WITH events(user_id, action, ts) AS (VALUES
    (1, 'buy', DATE '2017-11-25'), (2, 'buy', DATE '2017-11-27'),
    (1, 'buy', DATE '2017-12-02'), (2, 'buy', DATE '2017-12-02'), (3, 'buy', DATE '2017-12-02'))
SELECT action, days_inside, days_outside, per_day_inside, per_day_outside, lift, users_lift, actions_per_user_lift
FROM footfall.promotion_effect(events, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-03');$$;
