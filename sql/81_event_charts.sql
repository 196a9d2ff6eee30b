-- The charts of events: what was cleaned, when people come, what converts.
--
-- A headline is a rule on numbers, a macro of its own without a relation, so that it can be tested by itself.

CREATE MACRO footfall.internal.mark(
    series := NULL, label := NULL, x := NULL, y := NULL, low := NULL, high := NULL, size := NULL, note := NULL, strong := false
) AS {
    'series': CAST((series) AS VARCHAR), 'label': CAST((label) AS VARCHAR), 'x': CAST((x) AS DOUBLE), 'y': CAST((y) AS DOUBLE),
    'low': CAST((low) AS DOUBLE), 'high': CAST((high) AS DOUBLE), 'size': CAST((size) AS DOUBLE), 'note': CAST((note) AS VARCHAR),
    'strong': coalesce(CAST((strong) AS BOOLEAN), false)
};
COMMENT ON MACRO footfall.internal.mark IS $$One mark of a chart, as `footfall.chart` makes it.

Parameters:
- series, label, note: VARCHAR.
- x, y, low, high, size: DOUBLE.
- strong: BOOLEAN.

Example:
SELECT footfall.internal.mark(label := 'buy', y := 3);$$;

CREATE MACRO footfall.internal.picture(
    place, section, name, kind, headline, caption, marks, x_label := '', y_label := '', format := 'number', reference := NULL,
    reference_label := '', sql := ''
) AS {
    'place': CAST((place) AS INTEGER), 'section': CAST((section) AS VARCHAR), 'name': CAST((name) AS VARCHAR), 'kind': CAST((kind) AS VARCHAR),
    'headline': coalesce(CAST((headline) AS VARCHAR), ''), 'caption': coalesce(CAST((caption) AS VARCHAR), ''), 'x_label': CAST((x_label) AS VARCHAR),
    'y_label': CAST((y_label) AS VARCHAR), 'format': CAST((format) AS VARCHAR), 'reference': CAST((reference) AS DOUBLE),
    'reference_label': coalesce(CAST((reference_label) AS VARCHAR), ''), 'marks': coalesce((marks), []), 'sql': coalesce(CAST((sql) AS VARCHAR), '')
};
COMMENT ON MACRO footfall.internal.picture IS $$One chart, a STRUCT as `footfall.chart` makes it.

Parameters:
- place: INTEGER, its place on a page.
- section, name, kind, headline, caption, x_label, y_label, format, reference, reference_label: as in `footfall.chart`.
- marks: a list of `mark`.
- sql: VARCHAR, the query that made it.

Example:
SELECT footfall.internal.picture(1, 'More', 'own', 'bars', 'Three', '', [footfall.internal.mark(label := 'buy', y := 3)])['kind'] AS kind;$$;

CREATE MACRO footfall.internal.said_count(n) AS format('{:,}', CAST(round(n) AS BIGINT));
COMMENT ON MACRO footfall.internal.said_count IS $$A number of things in words: thousands apart.

Parameters:
- n: a number.

Example:
SELECT footfall.internal.said_count(1234567) AS said;$$;

CREATE MACRO footfall.internal.said_share(share) AS
CASE
    WHEN share > 0 AND share < 0.0005 THEN 'under 0.1 %'
    WHEN share < 1 AND share >= 0.995 THEN 'over 99 %'
    WHEN share <> 0 AND abs(share) < 0.0995 THEN printf('%.1f %%', 100 * CAST(share AS DOUBLE))
    ELSE printf('%.0f %%', 100 * CAST(share AS DOUBLE))
END;
COMMENT ON MACRO footfall.internal.said_share IS $$A share of 1 in words; what is not all is never 100 %, and what is not nothing never 0 %.

Parameters:
- share: DOUBLE.

Example:
SELECT footfall.internal.said_share(0.057) AS said, footfall.internal.said_share(0.9999) AS nearly_all;$$;

CREATE MACRO footfall.internal.said_rate(rate) AS CASE WHEN rate < 100 THEN printf('%.1f', CAST(rate AS DOUBLE)) ELSE footfall.internal.said_count(rate) END;
COMMENT ON MACRO footfall.internal.said_rate IS $$A number per day in words.

Parameters:
- rate: DOUBLE.

Example:
SELECT footfall.internal.said_rate(3.14159) AS small, footfall.internal.said_rate(12043.5) AS large;$$;

CREATE MACRO footfall.internal.said_factor(factor) AS printf('×%.2f', CAST(factor AS DOUBLE));
COMMENT ON MACRO footfall.internal.said_factor IS $$A ratio in words.

Parameters:
- factor: DOUBLE.

Example:
SELECT footfall.internal.said_factor(1.254) AS said;$$;

CREATE MACRO footfall.internal.said_time(span) AS
CASE
    WHEN epoch(span) >= 172800 THEN printf('%.1f days', epoch(span) / 86400)
    WHEN epoch(span) >= 5400 THEN printf('%.1f hours', epoch(span) / 3600)
    WHEN epoch(span) >= 90 THEN printf('%.0f minutes', epoch(span) / 60)
    WHEN span IS NOT NULL THEN printf('%.0f seconds', epoch(span))
END;
COMMENT ON MACRO footfall.internal.said_time IS $$A span of time in words.

Parameters:
- span: INTERVAL.

Example:
SELECT footfall.internal.said_time(INTERVAL 3 HOURS) AS said;$$;

CREATE MACRO footfall.internal.headline_receipt(n_kept, n_rows) AS
CASE
    WHEN coalesce(n_rows, 0) = 0 THEN 'There are no rows'
    WHEN n_kept = n_rows THEN 'All ' || footfall.internal.said_count(n_rows) || ' rows are good'
    WHEN n_kept = 0 THEN 'None of the ' || footfall.internal.said_count(n_rows) || ' rows is good'
    ELSE footfall.internal.said_count(n_kept) || ' of ' || footfall.internal.said_count(n_rows) || ' rows are good: '
        || footfall.internal.said_share((n_rows - n_kept) / n_rows) || ' are left out'
END;
COMMENT ON MACRO footfall.internal.headline_receipt IS $$The headline of `receipt_chart`.

Parameters:
- n_kept: BIGINT, rows that were kept.
- n_rows: BIGINT, all rows.

Example:
SELECT footfall.internal.headline_receipt(990, 1000) AS headline;$$;

CREATE MACRO footfall.main.receipt_chart(tbl, sql := 'FROM footfall.cleaning_report(raw_events, user_id, item_id, category_id, action, ts);') AS TABLE
WITH
ff_reasons AS (
    SELECT
        CAST(ff_result.reason AS VARCHAR) AS ff_reason,
        CAST(ff_result.n_rows AS BIGINT) AS ff_n,
        CAST(ff_result.note AS VARCHAR) AS ff_note
    FROM query_table(tbl) AS ff_result
)
SELECT footfall.internal.picture(
    10, 'The data', 'receipt', 'parts',
    footfall.internal.headline_receipt(coalesce(sum(ff_n) FILTER (ff_reason = 'kept'), 0), sum(ff_n)),
    concat_ws(' ',
        'Each row of the source is counted once, under the first reason that holds.',
        CASE WHEN 1 - sum(ff_n) FILTER (ff_reason = 'kept') / nullif(sum(ff_n), 0) > 0.05
            THEN 'Read with care: more than one row in twenty is left out; look at why before trusting what follows.'
        END,
        string_agg(replace(ff_reason, '_', ' ') || ': ' || ff_note || '.', ' ' ORDER BY ff_reason <> 'kept' ASC, ff_n DESC NULLS LAST, ff_reason ASC NULLS LAST)
            FILTER (ff_n > 0 AND ff_note <> '')
    ),
    list(footfall.internal.mark(label := replace(ff_reason, '_', ' '), y := ff_n, strong := ff_reason <> 'kept')
        ORDER BY ff_reason <> 'kept' ASC, ff_n DESC NULLS LAST, ff_reason ASC NULLS LAST) FILTER (ff_n > 0),
    y_label := 'rows', sql := sql
) AS chart
FROM ff_reasons;
COMMENT ON MACRO TABLE footfall.main.receipt_chart IS $$Draws the receipt of the cleaning: rows kept, and rows left out by reason.

One row with one column `chart`, for `footfall.page`, `chart_svg` and `chart_text`.

Parameters:
- tbl: what `footfall.cleaning_report` gave.
- sql: VARCHAR, the query that the page shows.

Example:
WITH events(user_id, item_id, category_id, action, ts) AS (VALUES
    (1, 10, 100, 'pv', TIMESTAMP '2017-11-25 21:00:07'), (2, 10, 100, 'click', TIMESTAMP '2017-11-25 22:00:00'), (2, 10, 100, 'pv', TIMESTAMP '2017-11-26')),
    receipt AS (FROM footfall.cleaning_report(events, user_id, item_id, category_id, action, ts))
SELECT chart.headline FROM footfall.receipt_chart(receipt);$$;

CREATE MACRO footfall.internal.headline_hours(busiest, busiest_index, quietest) AS
CASE
    WHEN busiest_index IS NULL THEN 'Nothing happened'
    WHEN busiest_index < 1.1 THEN 'All hours with events are about equally busy'
    ELSE printf('The shop is busiest at %02d:00, with %.1f times the mean hour, and quietest at %02d:00', busiest, CAST(busiest_index AS DOUBLE), quietest)
END;
COMMENT ON MACRO footfall.internal.headline_hours IS $$The headline of `activity_chart`.

Parameters:
- busiest, quietest: INTEGER, hours of the day.
- busiest_index: DOUBLE, the rate of the busiest hour over the mean of the hours from the first to the last with events.

Example:
SELECT footfall.internal.headline_hours(21, 1.84, 4) AS headline;$$;

CREATE MACRO footfall.main.activity_chart(
    tbl, sql := 'FROM footfall.activity(events, user_id, action, ts, by := ''hour_of_week'');'
) AS TABLE
WITH
ff_slots AS MATERIALIZED (
    SELECT
        CAST(ff_result.bucket AS INTEGER) AS ff_bucket,
        CAST(ff_result.events AS BIGINT) AS ff_n,
        CAST(ff_result.n_days AS BIGINT) AS ff_days,
        CAST(ff_result.events_per_day AS DOUBLE) AS ff_rate
    FROM query_table(tbl) AS ff_result
    WHERE footfall.internal.check_option(
        CAST(ff_result.label AS VARCHAR) LIKE '%day %:00', 'activity_chart', 'tbl', CAST(ff_result.label AS VARCHAR),
        'what footfall.activity gave with by := ''hour_of_week'', whose labels are like ''Monday 21:00'''
    )
),
ff_hours AS MATERIALIZED (
    SELECT ff_bucket % 24 AS ff_hour, sum(ff_n) AS ff_n, sum(ff_n) / nullif(sum(ff_days), 0) AS ff_rate
    FROM ff_slots
    GROUP BY ff_hour
),
-- An hour in which the shop is closed does not count at the ends of the day.
ff_open AS MATERIALIZED (
    SELECT coalesce(min(ff_hour) FILTER (ff_n > 0), 0) AS ff_from, coalesce(max(ff_hour) FILTER (ff_n > 0), 23) AS ff_to FROM ff_hours
),
ff_said AS (
    SELECT
        arg_max(ff_hour, (ff_rate, -ff_hour)) FILTER (ff_n > 0) AS ff_busiest,
        arg_min(ff_hour, (ff_rate, ff_hour)) AS ff_quietest,
        max(ff_rate) / nullif(list_avg(list(ff_rate ORDER BY ff_hour ASC NULLS LAST)), 0) AS ff_index
    FROM ff_hours, ff_open
    WHERE ff_hour BETWEEN ff_from AND ff_to
),
ff_weekdays AS (
    SELECT count(*) FILTER (ff_days = 1) AS ff_once, min(ff_days) AS ff_least
    FROM ff_slots
    WHERE ff_bucket % 24 = 0
),
ff_drawn AS (
    SELECT list(footfall.internal.mark(
        series := printf('%02d', ff_bucket % 24),
        label := ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'][ff_bucket // 24 + 1],
        y := ff_rate, strong := ff_rate > 0 AND ff_bucket = ff_peak
    ) ORDER BY ff_bucket ASC NULLS LAST) AS ff_marks
    FROM ff_slots
    CROSS JOIN ff_open
    CROSS JOIN (SELECT arg_max(ff_bucket, (ff_rate, -ff_bucket)) AS ff_peak FROM ff_slots)
    WHERE ff_bucket % 24 BETWEEN ff_from AND ff_to
)
SELECT footfall.internal.picture(
    20, 'When people come', 'activity', 'heat_map',
    footfall.internal.headline_hours(ff_busiest, ff_index, ff_quietest),
    concat_ws(' ',
        'Events per day by hour and weekday; a darker cell is a busier hour, and the frame is around the busiest. Above: the mean of the weekdays. At the right: the day.',
        CASE WHEN ff_once > 0 THEN printf(
            'Read with care: %d of 7 weekdays occur only once in the data, so that one odd day looks like a habit.', ff_once
        ) END
    ),
    CASE WHEN ff_index IS NOT NULL THEN ff_marks END,
    x_label := 'hour of the day', y_label := 'events per day', sql := sql
) AS chart
FROM ff_said, ff_weekdays, ff_drawn;
COMMENT ON MACRO TABLE footfall.main.activity_chart IS $$Draws when the shop is busy: a heat map of hours and weekdays.

One row with one column `chart`. The busiest and quietest hour of the headline are those of all days together. Hours before the first and after the last
one that has events are left out.

Parameters:
- tbl: what `footfall.activity` gave with `by := 'hour_of_week'`.
- sql: VARCHAR, the query that the page shows.

Example:
WITH events(user_id, action, ts) AS (VALUES
    (1, 'pv', TIMESTAMP '2017-11-25 21:00:00'), (1, 'buy', TIMESTAMP '2017-11-25 21:05:00'), (2, 'pv', TIMESTAMP '2017-11-27 09:30:00')),
    hours AS (FROM footfall.activity(events, user_id, action, ts, by := 'hour_of_week'))
SELECT chart.headline FROM footfall.activity_chart(hours);$$;

CREATE MACRO footfall.internal.headline_peaks(events_at, users_at, purchases_at, spread, unit) AS
CASE
    WHEN events_at IS NULL THEN 'Nothing happened'
    WHEN spread < 1.1 THEN concat('Events hardly differ from one ', unit, ' to the next', coalesce('; purchases peak ' || purchases_at, ''))
    WHEN purchases_at IS NULL AND users_at = events_at THEN 'Events and users peak ' || events_at || '; nothing is bought'
    WHEN purchases_at IS NULL THEN 'Events peak ' || events_at || ', users ' || users_at || '; nothing is bought'
    WHEN users_at = events_at AND purchases_at = events_at THEN 'Events, users and purchases peak ' || events_at
    WHEN users_at = events_at THEN 'Events and users peak ' || events_at || ', purchases ' || purchases_at
    WHEN purchases_at = events_at THEN 'Events and purchases peak ' || events_at || ', users ' || users_at
    WHEN purchases_at = users_at THEN 'Events peak ' || events_at || ', users and purchases ' || users_at
    ELSE 'Events peak ' || events_at || ', users ' || users_at || ', purchases ' || purchases_at
END;
COMMENT ON MACRO footfall.internal.headline_peaks IS $$The headline of `days_chart`.

Parameters:
- events_at, users_at, purchases_at: VARCHAR, when there are most, such as 'on 2 Dec'; NULL where there are none.
- spread: DOUBLE, the most events over the mean.
- unit: VARCHAR, 'day', 'week' or 'month'.

Example:
SELECT footfall.internal.headline_peaks('on 2 Dec', 'on 2 Dec', 'on 1 Dec', 1.4, 'day') AS headline;$$;

CREATE MACRO footfall.main.days_chart(
    tbl, promotion_from := NULL, promotion_until := NULL, sql := 'FROM footfall.activity(events, user_id, action, ts, by := ''date'');'
) AS TABLE
WITH
ff_rows AS (
    SELECT
        strptime(CAST(ff_result.bucket AS VARCHAR) || CASE WHEN ff_result.bucket < 1000000 THEN '01' ELSE '' END, '%Y%m%d') AS ff_start,
        ff_result.bucket < 1000000 AS ff_is_month,
        CAST(ff_result.n_days AS BIGINT) AS ff_days,
        CAST(ff_result.events AS BIGINT) AS ff_events,
        CAST(ff_result.users AS BIGINT) AS ff_users,
        CAST(ff_result.purchases AS BIGINT) AS ff_purchases
    FROM query_table(tbl) AS ff_result
    WHERE footfall.internal.check_option(
        regexp_full_match(CAST(ff_result.label AS VARCHAR), '\d+-\d\d(-\d\d)?'), 'days_chart', 'tbl', CAST(ff_result.label AS VARCHAR),
        'what footfall.activity gave with by := ''date'', ''week'' or ''month'''
    )
),
-- As many columns as can be told apart, the latest.
ff_latest AS MATERIALIZED (
    SELECT *
    FROM (SELECT *, row_number() OVER (ORDER BY ff_start DESC) AS ff_age, count(*) OVER () AS ff_n_all FROM ff_rows)
    WHERE ff_age <= 120
),
ff_unit AS MATERIALIZED (
    SELECT
        bool_or(ff_is_month) AS ff_has_months,
        max(ff_days) > 1 AND NOT bool_or(ff_is_month) AS ff_has_weeks,
        min(year(ff_start)) = max(year(ff_start)) AS ff_one_year,
        max(ff_n_all) AS ff_n_all,
        count(*) AS ff_n,
        max(ff_events) / nullif(avg(ff_events), 0) AS ff_spread,
        arg_max(ff_days, ff_start) < CASE WHEN bool_or(ff_is_month) THEN day(last_day(max(ff_start))) ELSE max(ff_days) END AS ff_is_cut,
        arg_max(ff_start, (ff_events, -epoch(ff_start))) FILTER (ff_events > 0) AS ff_events_at,
        arg_max(ff_start, (ff_users, -epoch(ff_start))) FILTER (ff_users > 0) AS ff_users_at,
        arg_max(ff_start, (ff_purchases, -epoch(ff_start))) FILTER (ff_purchases > 0) AS ff_purchases_at
    FROM ff_latest
),
ff_asked AS (
    SELECT
        footfall.internal.moment_option('days_chart', 'promotion_from', promotion_from) AS ff_from,
        footfall.internal.moment_option('days_chart', 'promotion_until', promotion_until) AS ff_until
),
ff_named AS (
    SELECT
        *,
        CASE
            WHEN ff_has_months THEN strftime(ff_start, '%b %Y')
            WHEN ff_one_year THEN strftime(ff_start, '%-d %b')
            ELSE strftime(ff_start, '%-d %b %y')
        END AS ff_label,
        coalesce(
            ff_start < ff_until AND ff_from < CASE WHEN ff_has_months THEN ff_start + INTERVAL 1 MONTH WHEN ff_has_weeks THEN ff_start + INTERVAL 7 DAYS
                ELSE ff_start + INTERVAL 1 DAY END,
            false
        ) AS ff_promoted
    FROM ff_latest, ff_unit, ff_asked
),
ff_drawn AS (
    SELECT list(footfall.internal.mark(series := ff_panel.ff_name, label := ff_label, y := ff_panel.ff_value, strong := ff_promoted)
        ORDER BY ff_panel.ff_place ASC, ff_start ASC) AS ff_marks,
        bool_or(ff_promoted) AS ff_has_promotion
    FROM (
        SELECT *, unnest([
            {'ff_place': 1, 'ff_name': 'Events', 'ff_value': ff_events},
            {'ff_place': 2, 'ff_name': 'Users', 'ff_value': ff_users},
            {'ff_place': 3, 'ff_name': 'Purchases', 'ff_value': ff_purchases}
        ]) AS ff_panel
        FROM ff_named
    )
),
ff_told AS (
    SELECT *, [
        CASE
            WHEN ff_has_months THEN strftime(ff_at, 'in %B %Y')
            WHEN ff_has_weeks THEN strftime(ff_at, 'in the week of %-d %b %Y')
            ELSE strftime(ff_at, 'on %A, %-d %b')
        END FOR ff_at IN [ff_events_at, ff_users_at, ff_purchases_at]
    ] AS ff_when
    FROM ff_unit
)
SELECT footfall.internal.picture(
    21, 'When people come', 'days', 'columns',
    footfall.internal.headline_peaks(
        ff_when[1], ff_when[2], ff_when[3], ff_spread, CASE WHEN ff_has_months THEN 'month' WHEN ff_has_weeks THEN 'week' ELSE 'day' END
    ),
    concat_ws(' ',
        CASE WHEN ff_has_months THEN 'By month;' WHEN ff_has_weeks THEN 'By week, from its first day;' ELSE 'By day;' END,
        'all columns begin at zero.',
        CASE WHEN ff_has_promotion THEN 'The promotion is in the other colour.' END,
        CASE WHEN ff_is_cut THEN 'The last column is lower because its time is not over in the data.' END,
        CASE WHEN ff_n_all > ff_n THEN printf('Only the latest %d of %d are drawn.', ff_n, ff_n_all) END
    ),
    ff_marks, y_label := 'number', sql := sql
) AS chart
FROM ff_told, ff_drawn;
COMMENT ON MACRO TABLE footfall.main.days_chart IS $$Draws events, users and purchases per day, week or month.

One row with one column `chart`: three panels, each from zero. Of more than 120 days the latest are drawn: count weeks or months of a longer time.

Parameters:
- tbl: what `footfall.activity` gave with `by := 'date'`, 'week' or 'month'.
- promotion_from: DATE, the first day of a promotion to be marked.
- promotion_until: DATE, the first day after it.
- sql: VARCHAR, the query that the page shows.

Example:
WITH events(user_id, action, ts) AS (VALUES
    (1, 'pv', TIMESTAMP '2017-11-25 21:00:00'), (1, 'buy', TIMESTAMP '2017-11-25 21:05:00'), (2, 'pv', TIMESTAMP '2017-11-27 09:30:00')),
    days AS (FROM footfall.activity(events, user_id, action, ts, by := 'date'))
SELECT chart.headline FROM footfall.days_chart(days);$$;

CREATE MACRO footfall.internal.headline_promotion(name, lift, low, high, users_lift, each_lift, is_doubtful) AS
CASE
    WHEN lift IS NULL THEN 'There is nothing to compare the promotion with'
    WHEN is_doubtful THEN concat(
        'In the promotion ', name, ' was ', footfall.internal.said_factor(lift), ' as frequent, but who is in the data may have made that: each active user did it ',
        footfall.internal.said_factor(each_lift), ' as often'
    )
    WHEN coalesce(low <= 1 AND high >= 1, true) THEN concat(
        'The promotion changed ', name, ' by no more than chance can: ', footfall.internal.said_factor(lift),
        ' (' || footfall.internal.said_factor(low) || ' to ' || footfall.internal.said_factor(high) || ')'
    )
    ELSE concat(
        'In the promotion ', name, ' was ', CASE WHEN lift > 1 THEN 'more' ELSE 'less' END, ' frequent, ', footfall.internal.said_factor(lift), ' (',
        footfall.internal.said_factor(low), ' to ', footfall.internal.said_factor(high), '): ',
        footfall.internal.said_factor(users_lift), ' the users, ', footfall.internal.said_factor(each_lift), ' for each'
    )
END;
COMMENT ON MACRO footfall.internal.headline_promotion IS $$The headline of `promotion_chart`.

Parameters:
- name: VARCHAR, the action.
- lift: DOUBLE, its rate in the promotion over that on the same weekdays outside.
- low, high: DOUBLE, the interval of the lift.
- users_lift, each_lift: DOUBLE, its two factors.
- is_doubtful: BOOLEAN, whether `promotion_effect` warns.

Example:
SELECT footfall.internal.headline_promotion('buy', 1.3, 1.1, 1.5, 1.25, 1.04, false) AS headline;$$;

CREATE MACRO footfall.main.promotion_chart(
    tbl, purchase := 'buy', sql := 'FROM footfall.promotion_effect(events, user_id, action, ts, starts, ends);'
) AS TABLE
WITH
ff_actions AS MATERIALIZED (
    SELECT
        footfall.internal.action_name(ff_result.action) AS ff_action,
        ff_result.lift AS ff_lift,
        ff_result.lift_low AS ff_low,
        ff_result.lift_high AS ff_high,
        ff_result.users_lift AS ff_users_lift,
        ff_result.actions_per_user_lift AS ff_each_lift,
        ff_result.actions_per_user_lift_standard_error AS ff_each_error,
        ff_result.per_day_inside AS ff_inside,
        ff_result.per_day_outside AS ff_outside,
        ff_result.days_inside AS ff_days_inside,
        ff_result.days_outside AS ff_days_outside,
        CAST(ff_result.warning AS VARCHAR) AS ff_warning
    FROM query_table(tbl) AS ff_result
),
ff_asked AS (SELECT footfall.internal.action_name(purchase) AS ff_purchase),
ff_bought AS MATERIALIZED (
    SELECT ff_actions.* FROM ff_actions, ff_asked WHERE footfall.internal.action_name(ff_action) = ff_purchase
),
ff_parts AS (
    SELECT 1 AS ff_part, -coalesce(ff_inside, 0) AS ff_place, ff_action AS ff_label, ff_lift AS ff_y, ff_low, ff_high,
        concat(footfall.internal.said_rate(ff_outside), ' → ', footfall.internal.said_rate(ff_inside)) AS ff_note, footfall.internal.action_name(ff_action) = ff_purchase AS ff_strong
    FROM ff_actions, ff_asked
    UNION ALL
    SELECT 2, 1, 'active users', ff_users_lift, NULL, NULL, 'did more come?', false FROM ff_bought
    UNION ALL
    SELECT 2, 2, ff_action || ' per user', ff_each_lift, greatest(ff_each_lift - 1.959963984540054 * ff_each_error, 0),
        ff_each_lift + 1.959963984540054 * ff_each_error, 'each did more?', true
    FROM ff_bought
),
ff_drawn AS (
    SELECT list(footfall.internal.mark(label := ff_label, y := ff_y, low := ff_low, high := ff_high, note := ff_note, strong := ff_strong)
        ORDER BY ff_part ASC, ff_place ASC, ff_label ASC NULLS LAST) FILTER (ff_y IS NOT NULL) AS ff_marks
    FROM (FROM ff_parts ORDER BY ff_part ASC, ff_place ASC, ff_label ASC NULLS LAST LIMIT 20)
),
ff_days AS (SELECT any_value(ff_days_inside) AS ff_n_inside, any_value(ff_days_outside) AS ff_n_outside, any_value(ff_warning) AS ff_care FROM ff_actions)
SELECT footfall.internal.picture(
    22, 'When people come', 'promotion', 'dots',
    (SELECT footfall.internal.headline_promotion(
        coalesce(any_value(ff_action), any_value(ff_purchase)), any_value(ff_lift), any_value(ff_low), any_value(ff_high), any_value(ff_users_lift),
        any_value(ff_each_lift), coalesce(bool_or(ff_warning IS NOT NULL), false)
    ) FROM ff_asked LEFT JOIN ff_bought ON true),
    concat_ws(' ',
        printf(
            'The daily rate in the promotion over that on the same weekdays outside it: %d days against %d; at the right, how often a day outside → inside. The intervals are over users; what else was special about these days is not in them.',
            ff_n_inside, ff_n_outside
        ),
        'Read with care: ' || ff_care || '.'
    ),
    ff_marks, y_label := 'rate in the promotion ÷ rate on the same weekdays outside', format := 'ratio', reference := 1, reference_label := 'no change', sql := sql
) AS chart
FROM ff_days, ff_drawn;
COMMENT ON MACRO TABLE footfall.main.promotion_chart IS $$Draws what a promotion did to each action, with intervals, and splits the purchases into users and purchases of each.

One row with one column `chart`.

Parameters:
- tbl: what `footfall.promotion_effect` gave.
- purchase: VARCHAR, the action that the headline is about.
- sql: VARCHAR, the query that the page shows.

Example:
WITH events(user_id, action, ts) AS (VALUES
    (1, 'buy', DATE '2017-11-25'), (2, 'buy', DATE '2017-11-27'),
    (1, 'buy', DATE '2017-12-02'), (2, 'buy', DATE '2017-12-02'), (3, 'buy', DATE '2017-12-02')),
    promotion AS (FROM footfall.promotion_effect(events, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-03'))
SELECT chart.headline FROM footfall.promotion_chart(promotion);$$;

CREATE MACRO footfall.internal.headline_conversion(n_groups, n_above, n_below, average) AS
CASE
    WHEN coalesce(n_groups, 0) = 0 OR average IS NULL THEN 'Nobody viewed anything'
    WHEN n_groups = 1 THEN footfall.internal.said_share(average) || ' of the viewers buy'
    WHEN n_above + n_below = 0 THEN 'None of the ' || n_groups || ' groups with most purchases is clearly off the average of ' || footfall.internal.said_share(average)
    ELSE concat(
        'Of the ', n_groups, ' groups with most purchases, ', CASE WHEN n_above = 0 THEN 'none turns' WHEN n_above = 1 THEN 'one turns' ELSE n_above || ' turn' END,
        ' clearly more viewers into buyers than the average of ', footfall.internal.said_share(average),
        CASE WHEN n_below > 0 THEN ', and ' || n_below || ' clearly fewer' ELSE '' END
    )
END;
COMMENT ON MACRO footfall.internal.headline_conversion IS $$The headline of `conversion_chart`.

Parameters:
- n_groups: BIGINT, groups that are drawn.
- n_above, n_below: BIGINT, those whose whole interval is above or below the average.
- average: DOUBLE, of all groups.

Example:
SELECT footfall.internal.headline_conversion(10, 3, 2, 0.057) AS headline;$$;

CREATE MACRO footfall.main.conversion_chart(
    tbl, top := 12, sql := 'FROM footfall.conversion(events, user_id, category_id, action, top := NULL);'
) AS TABLE
WITH
ff_groups AS MATERIALIZED (
    SELECT
        coalesce(footfall.internal.action_name(ff_result.group_value), 'NULL') AS ff_group,
        ff_result.purchases AS ff_purchases,
        ff_result.viewers AS ff_viewers,
        ff_result.viewers_who_bought AS ff_bought,
        ff_result.conversion_rate AS ff_rate,
        ff_result.conversion_rate_low AS ff_low,
        ff_result.conversion_rate_high AS ff_high
    FROM query_table(tbl) AS ff_result
),
ff_average AS MATERIALIZED (
    SELECT sum(ff_bought) / nullif(sum(ff_viewers), 0) AS ff_mean, count(*) AS ff_n_all FROM ff_groups
),
ff_top AS (
    SELECT *
    FROM ff_groups
    WHERE ff_rate IS NOT NULL
    ORDER BY ff_purchases DESC NULLS LAST, ff_group ASC
    LIMIT (SELECT CASE WHEN footfall.internal.check_option(
        footfall.internal.whole_number((top), 1, 100), 'conversion_chart', 'top', (top), '1 to 100 groups'
    ) THEN TRY_CAST(CAST((top) AS VARCHAR) AS BIGINT) END)
)
SELECT footfall.internal.picture(
    30, 'What converts', 'conversion', 'dots',
    footfall.internal.headline_conversion(
        count(ff_rate), count(*) FILTER (ff_low > ff_mean), count(*) FILTER (ff_high < ff_mean), any_value(ff_mean)
    ),
    concat_ws(' ',
        'Of those who viewed something of a group, the share that bought something of it, with its 95 % interval (Wilson): wide where viewers are few.',
        CASE WHEN count(ff_rate) >= 10 THEN 'One such interval in twenty misses by chance alone, so look twice at a group that is barely off the average.' END,
        CASE WHEN any_value(ff_n_all) > count(ff_rate) THEN printf('The groups with most purchases, of %d; the average is over all of them.', any_value(ff_n_all)) END
    ),
    list(footfall.internal.mark(
        label := ff_group, y := ff_rate, low := ff_low, high := ff_high,
        note := footfall.internal.said_count(ff_bought) || ' of ' || footfall.internal.said_count(ff_viewers),
        strong := coalesce(ff_low > ff_mean, false)
    ) ORDER BY ff_rate DESC NULLS LAST, ff_group ASC NULLS LAST) FILTER (ff_rate IS NOT NULL),
    y_label := 'share of the viewers who bought', format := 'percent', reference := any_value(ff_mean),
    reference_label := 'average: ' || footfall.internal.said_share(any_value(ff_mean)), sql := sql
) AS chart
FROM ff_average
LEFT JOIN ff_top ON true;
COMMENT ON MACRO TABLE footfall.main.conversion_chart IS $$Draws which groups turn viewers into buyers, with intervals beside the average.

One row with one column `chart`. The average is that of all groups of the table: `footfall.conversion` gives all of them with `top := NULL`.

Parameters:
- tbl: what `footfall.conversion` gave.
- top: BIGINT, 1 to 100, how many groups are drawn, those with most purchases.
- sql: VARCHAR, the query that the page shows.

Example:
WITH events(user_id, category, action) AS (VALUES (1, 'shoes', 'pv'), (1, 'shoes', 'buy'), (2, 'shoes', 'pv'), (2, 'hats', 'pv')),
    categories AS (FROM footfall.conversion(events, user_id, category, action, top := NULL))
SELECT chart.headline FROM footfall.conversion_chart(categories);$$;

CREATE MACRO footfall.internal.headline_funnel(first_action, first_users, from_action, to_action, n_lost, share_kept, whole_share) AS
CASE
    WHEN coalesce(first_users, 0) = 0 THEN 'Nobody takes the first step'
    WHEN to_action IS NULL THEN footfall.internal.said_count(first_users) || ' users do ' || first_action
    WHEN n_lost = 0 THEN 'Everybody goes the whole way'
    ELSE concat(
        'Most are lost from ', from_action, ' to ', to_action, ': ', footfall.internal.said_count(n_lost), ' users, ',
        footfall.internal.said_share(1 - share_kept), '; ', footfall.internal.said_share(whole_share), ' go the whole way'
    )
END;
COMMENT ON MACRO footfall.internal.headline_funnel IS $$The headline of `funnel_chart`.

Parameters:
- first_action: VARCHAR, the action of the first step.
- first_users: BIGINT, who take it.
- from_action, to_action: VARCHAR, the steps between which the largest share is lost.
- n_lost: BIGINT, the users lost there.
- share_kept: DOUBLE, the share that is not.
- whole_share: DOUBLE, the share of the first step that reaches the last.

Example:
SELECT footfall.internal.headline_funnel('pv', 100, 'cart', 'buy', 30, 0.4, 0.2) AS headline;$$;

CREATE MACRO footfall.main.funnel_chart(tbl, sql := 'FROM footfall.funnel(events, user_id, action, ts);') AS TABLE
WITH
ff_rows AS (
    SELECT
        ff_result.step AS ff_step,
        footfall.internal.action_name(ff_result.action) AS ff_action,
        ff_result.users AS ff_users,
        ff_result.rate_from_start AS ff_rate,
        ff_result.rate_from_previous AS ff_kept,
        ff_result.median_time_from_previous AS ff_time,
        ff_result.users_in_any_order AS ff_any
    FROM query_table(tbl) AS ff_result
),
ff_steps AS MATERIALIZED (
    SELECT *, lag(ff_action) OVER in_order AS ff_from, lag(ff_users) OVER in_order AS ff_before, lead(ff_users) OVER in_order AS ff_next_users,
        lead(ff_kept) OVER in_order AS ff_next_kept, lead(ff_time) OVER in_order AS ff_next_time
    FROM ff_rows
    WINDOW in_order AS (ORDER BY ff_step ASC NULLS LAST)
),
ff_worst AS MATERIALIZED (
    SELECT ff_from, ff_action AS ff_to, ff_before - ff_users AS ff_lost, ff_kept
    FROM ff_steps
    WHERE ff_kept IS NOT NULL
    ORDER BY ff_kept ASC NULLS LAST, ff_step ASC NULLS LAST
    LIMIT 1
),
ff_ends AS (
    SELECT
        count(*) AS ff_n, arg_min(ff_action, ff_step) AS ff_first, arg_min(ff_users, ff_step) AS ff_first_users, arg_max(ff_rate, ff_step) AS ff_whole,
        arg_max(ff_any, ff_step) - arg_max(ff_users, ff_step) AS ff_skipped, arg_max(ff_action, ff_step) AS ff_last,
        list(footfall.internal.mark(
            label := ff_action, y := ff_users, high := ff_any,
            note := CASE WHEN ff_next_users IS NOT NULL THEN concat(
                CASE WHEN ff_users = ff_next_users THEN 'nobody lost'
                    ELSE '−' || footfall.internal.said_count(ff_users - ff_next_users) || ' (' || footfall.internal.said_share(1 - ff_next_kept) || ' lost)' END,
                ' · median ' || footfall.internal.said_time(ff_next_time)
            ) END
        ) ORDER BY ff_step ASC NULLS LAST) AS ff_marks
    FROM ff_steps
    WHERE footfall.internal.check_option(
        ff_step = 1 OR ff_from IS NOT NULL AND (SELECT count(*) = count(DISTINCT ff_step) FROM ff_rows),
        'funnel_chart', 'tbl', 'a funnel of several groups', 'a funnel without `by`, or the rows of one group'
    )
)
SELECT footfall.internal.picture(
    31, 'What converts', 'funnel', 'funnel',
    footfall.internal.headline_funnel(ff_first, ff_first_users, ff_from, ff_to, ff_lost, ff_kept, ff_whole),
    concat_ws(' ',
        'Users who did the steps in this order.',
        CASE WHEN ff_skipped > 0 THEN footfall.internal.said_count(ff_skipped) || ' more have a ' || ff_last
            || ' without the steps before it in this order: they left one out, or did it before the data begin.' END,
        'Who would have gone on after the end of the data counts as lost, so the rates are lower bounds.'
    ),
    CASE WHEN ff_n > 0 THEN ff_marks END, y_label := 'users', sql := sql
) AS chart
FROM ff_ends
LEFT JOIN ff_worst ON true;
COMMENT ON MACRO TABLE footfall.main.funnel_chart IS $$Draws a funnel: who gets how far, what is lost between two steps, and how long they take.

One row with one column `chart`. The hollow bars are the users with the action in any order.

Parameters:
- tbl: what `footfall.funnel` gave, of one group.
- sql: VARCHAR, the query that the page shows.

Example:
WITH events(user_id, action, ts) AS (VALUES (1, 'pv', DATE '2017-11-25'), (1, 'cart', DATE '2017-11-26'), (2, 'pv', DATE '2017-11-25')),
    funnel AS (FROM footfall.funnel(events, user_id, action, ts, steps := ['pv', 'cart']))
SELECT chart.headline FROM footfall.funnel_chart(funnel);$$;
