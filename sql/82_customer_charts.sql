-- The charts of customers: RFM, segments, cohorts, repeat purchases, life cycle, value.

CREATE MACRO footfall.internal.headline_rfm(n_customers, champion_share, quiet_share) AS
CASE
    WHEN coalesce(n_customers, 0) = 0 THEN 'There are no customers'
    WHEN quiet_share = 0 THEN footfall.internal.said_share(champion_share) || ' of the customers are Champions, and no frequent buyer has gone quiet'
    ELSE footfall.internal.said_share(quiet_share) || ' of the customers bought often and have gone quiet; ' || footfall.internal.said_share(champion_share)
        || ' are Champions, who bought often and lately'
END;
COMMENT ON MACRO footfall.internal.headline_rfm IS $$The headline of `rfm_chart`.

Parameters:
- n_customers: BIGINT.
- champion_share: DOUBLE, the share of Champions among the customers.
- quiet_share: DOUBLE, the share of those who are At Risk or Can't Lose.

Example:
SELECT footfall.internal.headline_rfm(100, 0.12, 0.08) AS headline;$$;

CREATE MACRO footfall.main.rfm_chart(tbl, bins := 5, sql := 'FROM footfall.rfm(purchases, user_id, ts);') AS TABLE
WITH
ff_customers AS MATERIALIZED (
    SELECT
        CAST(ff_result.r AS INTEGER) AS ff_r,
        CAST(ff_result.f AS INTEGER) AS ff_f,
        footfall.internal.action_name(ff_result.segment) AS ff_segment
    FROM query_table(tbl) AS ff_result
),
ff_asked AS (
    SELECT CASE WHEN footfall.internal.check_option(
        footfall.internal.whole_number((bins), 2, 10), 'rfm_chart', 'bins', (bins), 'the bins of rfm, 2 to 10 in a chart'
    ) THEN TRY_CAST(CAST((bins) AS VARCHAR) AS INTEGER) END AS ff_bins
),
ff_sums AS (
    SELECT
        count(*) AS ff_n,
        count(*) FILTER (ff_segment = 'Champions') / nullif(count(*), 0) AS ff_champions,
        count(*) FILTER (ff_segment IN ('At Risk', 'Can''t Lose')) / nullif(count(*), 0) AS ff_quiet
    FROM ff_customers
),
ff_counted AS (SELECT ff_r, ff_f, count(*) AS ff_n_here FROM ff_customers GROUP BY ff_r, ff_f),
ff_drawn AS (
    SELECT list(footfall.internal.mark(
        series := ff_row.f, label := ff_row.r, y := coalesce(ff_n_here, 0), note := footfall.main.rfm_segment(ff_row.r, ff_row.f, ff_bins)
    ) ORDER BY ff_row.r DESC, ff_row.f ASC) AS ff_marks
    FROM (
        SELECT ff_bins, {'r': CAST(ff_score // ff_bins + 1 AS INTEGER), 'f': CAST(ff_score % ff_bins + 1 AS INTEGER)} AS ff_row
        FROM (SELECT ff_bins, unnest(range(ff_bins * ff_bins)) AS ff_score FROM ff_asked)
    )
    LEFT JOIN ff_counted ON ff_r = ff_row.r AND ff_f = ff_row.f
)
SELECT footfall.internal.picture(
    40, 'Who the customers are', 'rfm', 'grid',
    footfall.internal.headline_rfm(ff_n, ff_champions, ff_quiet),
    'Customers by the scores of recency and frequency; the highest is best. Equal customers have equal scores, so the cells are not equally full. Bought often and gone quiet: At Risk and Can''t Lose. Scores rank customers against each other, so there is a lowest one even where all are content.',
    CASE WHEN ff_n > 0 THEN ff_marks END,
    x_label := 'frequency score →, up: recency score', y_label := 'customers', sql := sql
) AS chart
FROM ff_sums, ff_drawn;
COMMENT ON MACRO TABLE footfall.main.rfm_chart IS $$Draws the grid of recency and frequency with its ten segments.

One row with one column `chart`.

Parameters:
- tbl: what `footfall.rfm` gave.
- bins: INTEGER, the number of scores that it was given, 2 to 10.
- sql: VARCHAR, the query that the page shows.

Example:
WITH orders(customer, day, price) AS (VALUES
    (1, DATE '2017-12-01', 20.0), (1, DATE '2017-12-03', 40.0), (2, DATE '2017-11-28', 15.0), (3, DATE '2017-11-25', 5.0)),
    customers AS (FROM footfall.rfm(orders, customer, day, amount := price))
SELECT chart.headline FROM footfall.rfm_chart(customers);$$;

CREATE MACRO footfall.internal.headline_shares(segment, part, share, is_money) AS
CASE WHEN segment IS NULL THEN 'There are no customers' ELSE concat(
    segment, CASE WHEN is_money THEN ' bring the largest part of the money: ' ELSE ' make the largest part of the orders: ' END,
    footfall.internal.said_share(part), ', and are ', footfall.internal.said_share(share), ' of the customers'
) END;
COMMENT ON MACRO footfall.internal.headline_shares IS $$The headline of `rfm_summary_chart`.

Parameters:
- segment: VARCHAR, the segment with the largest part of the money, or of the orders.
- part: DOUBLE, that part.
- share: DOUBLE, its share of the customers.
- is_money: BOOLEAN, which of the two it is.

Example:
SELECT footfall.internal.headline_shares('Champions', 0.45, 0.12, true) AS headline;$$;

CREATE MACRO footfall.main.rfm_summary_chart(tbl, sql := 'FROM footfall.rfm_summary(customers);') AS TABLE
WITH
ff_rows AS (
    SELECT
        footfall.internal.action_name(ff_result.segment) AS ff_segment,
        ff_result.customers AS ff_n,
        ff_result.share AS ff_share,
        ff_result.customers * ff_result.mean_frequency AS ff_orders,
        ff_result.monetary_share AS ff_money
    FROM query_table(tbl) AS ff_result
),
ff_segments AS MATERIALIZED (
    SELECT *, coalesce(ff_money, ff_orders / nullif(sum(ff_orders) OVER (), 0)) AS ff_part FROM ff_rows
)
SELECT footfall.internal.picture(
    41, 'Who the customers are', 'rfm_summary', 'bars',
    footfall.internal.headline_shares(
        arg_max(ff_segment, (ff_part, ff_segment)), max(ff_part), arg_max(ff_share, (ff_part, ff_segment)), count(ff_money) > 0
    ),
    concat(
        'Filled: the share of the customers. Outlined: their share of the ', CASE WHEN count(ff_money) > 0 THEN 'money' ELSE 'orders' END,
        '. A segment whose outline is longer than its bar is worth more than its number.'
    ),
    list(footfall.internal.mark(label := ff_segment, y := ff_share, high := ff_part, note := footfall.internal.said_count(ff_n) || ' customers')
        ORDER BY ff_part DESC NULLS LAST, ff_segment ASC NULLS LAST) FILTER (ff_segment IS NOT NULL),
    y_label := 'share of all', format := 'percent', sql := sql
) AS chart
FROM ff_segments;
COMMENT ON MACRO TABLE footfall.main.rfm_summary_chart IS $$Draws the RFM segments: their share of the customers beside their share of the money, or of the orders where there is no money.

One row with one column `chart`.

Parameters:
- tbl: what `footfall.rfm_summary` gave.
- sql: VARCHAR, the query that the page shows.

Example:
WITH orders(customer, day, price) AS (VALUES
    (1, DATE '2017-12-01', 20.0), (1, DATE '2017-12-03', 40.0), (2, DATE '2017-11-28', 15.0), (3, DATE '2017-11-25', 5.0)),
    segments AS (FROM footfall.rfm_summary(orders, customer, day, amount := price))
SELECT chart.headline FROM footfall.rfm_summary_chart(segments);$$;

CREATE MACRO footfall.internal.headline_segments(n_segments, label, share, times, largest_label, largest_share) AS
CASE
    WHEN coalesce(n_segments, 0) = 0 THEN 'There are no customers'
    WHEN n_segments = 1 THEN 'All customers are in one segment'
    WHEN label = largest_label THEN concat('The largest segment, ', footfall.internal.said_share(share), ' of the customers, buys most: it is ', label)
    ELSE concat(
        footfall.internal.said_share(share), ' of the customers are ', label, coalesce(' (' || footfall.internal.said_factor(times) || ' the mean purchases)', ''),
        '; most, ', footfall.internal.said_share(largest_share), ', are ', largest_label
    )
END;
COMMENT ON MACRO footfall.internal.headline_segments IS $$The headline of `segments_chart`.

Parameters:
- n_segments: BIGINT.
- label: VARCHAR, what the segment is that buys most often.
- share: DOUBLE, its share of the customers.
- times: DOUBLE, its mean frequency over that of all.
- largest_label, largest_share: the same of the largest segment.

Example:
SELECT footfall.internal.headline_segments(3, 'recent, frequent', 0.09, 4.2, 'lapsed, rare', 0.71) AS headline;$$;

CREATE MACRO footfall.main.segments_chart(
    tbl, segment, recency, frequency, sql := 'FROM footfall.segment_profile(segments, cluster, recency_days, frequency);'
) AS TABLE
WITH
footfall__profile AS MATERIALIZED (FROM footfall.main.segment_profile(tbl, segment, recency, frequency)),
ff_customers AS NOT MATERIALIZED (
    SELECT
        footfall.internal.action_name((segment)) AS ff_segment,
        footfall.internal.number('segments_chart', 'recency', recency) AS ff_recency,
        footfall.internal.number('segments_chart', 'frequency', frequency) AS ff_frequency
    FROM query_table(tbl)
),
ff_named AS MATERIALIZED (
    SELECT
        footfall.internal.action_name(ff_profile.segment) AS ff_segment,
        ff_profile.share AS ff_share,
        ff_profile.customers AS ff_n,
        ff_profile.frequency_index AS ff_times,
        footfall.internal.action_name(ff_profile.label) AS ff_label,
        footfall.internal.action_name(concat(
            ff_profile.segment, ': ', ff_profile.label, ', ', footfall.internal.said_count(ff_profile.customers),
            ' (', footfall.internal.said_share(ff_profile.share), ')'
        )) AS ff_name
    FROM footfall__profile AS ff_profile
    WHERE ff_profile.segment IS NOT NULL
),
ff_range AS MATERIALIZED (
    SELECT max(ff_recency) AS ff_longest, count(*) AS ff_n FROM ff_customers WHERE isfinite(ff_recency) AND isfinite(ff_frequency) AND ff_frequency > 0
),
-- Customers that are nearly alike are one mark: 30 spans of recency, steps of a fifth of a doubling of frequency.
ff_binned AS (
    SELECT ff_name, ff_bin, ff_step, count(*) AS ff_n_here, avg(ff_recency) AS ff_x, exp(avg(ln(ff_frequency))) AS ff_y
    FROM (
        SELECT
            ff_segment, ff_recency, ff_frequency, floor(30 * ff_recency / nullif(ff_longest, 0)) AS ff_bin, floor(5 * log2(ff_frequency)) AS ff_step
        FROM ff_customers, ff_range
        WHERE isfinite(ff_recency) AND isfinite(ff_frequency) AND ff_frequency > 0
    ) AS ff_placed
    JOIN ff_named ON ff_named.ff_segment = ff_placed.ff_segment
    GROUP BY ff_name, ff_bin, ff_step
),
ff_drawn AS (
    SELECT list(footfall.internal.mark(
        series := ff_name, x := round(ff_x, 6), y := round(ff_y, 6), size := ff_n_here, note := footfall.internal.said_count(ff_n_here) || ' customers'
    ) ORDER BY ff_name ASC, ff_bin ASC NULLS LAST, ff_step ASC NULLS LAST) AS ff_marks
    FROM (FROM ff_binned ORDER BY ff_n_here DESC, ff_name ASC, ff_bin ASC NULLS LAST, ff_step ASC NULLS LAST LIMIT 500)
)
SELECT footfall.internal.picture(
    42, 'Who the customers are', 'segments', 'bubbles',
    (SELECT footfall.internal.headline_segments(
        count(*), arg_max(ff_label, (ff_times, ff_segment)), arg_max(ff_share, (ff_times, ff_segment)), max(ff_times), arg_max(ff_label, (ff_n, ff_segment)),
        arg_max(ff_share, (ff_n, ff_segment))
    ) FROM ff_named),
    'Customers that are nearly alike are one mark; its area is their number. What a segment is called comes from its means beside those of all, and from nothing else.',
    ff_marks, x_label := 'days since the last purchase', y_label := 'purchases (each line is a multiple)', sql := sql
) AS chart
FROM ff_drawn;
COMMENT ON MACRO TABLE footfall.main.segments_chart IS $$Draws the segments of customers by recency and frequency, and names them by their profile.

One row with one column `chart`. The names are those of `footfall.segment_profile`. Customers without a finite recency or a frequency above zero are not drawn; of more than 500
different places the fullest are.

Parameters:
- tbl: the customers with their segments: a table, view, CTE or file.
- segment: a column or expression, such as the segment of `footfall.segment`.
- recency: numeric, the days since the last purchase.
- frequency: numeric, the number of purchases.
- sql: VARCHAR, the query that the page shows.

Example:
WITH customers(segment, recency, frequency) AS (VALUES (1, 3, 9), (1, 2, 8), (2, 40, 1), (2, 50, 1), (2, 45, 2))
SELECT chart.headline FROM footfall.segments_chart(customers, segment, recency, frequency);$$;

CREATE MACRO footfall.internal.headline_choose_k(k, silhouette, other_k, other_silhouette) AS
CASE
    WHEN k IS NULL THEN 'No number of segments fits'
    WHEN silhouette < 0.25 THEN concat(k, ' segments fit best, but hardly: the customers are one cloud')
    WHEN silhouette - other_silhouette < 0.03 THEN concat(k, ' segments fit best, and ', other_k, ' nearly as well: take the number that you can work with')
    ELSE concat(k, ' segments fit best')
END;
COMMENT ON MACRO footfall.internal.headline_choose_k IS $$The headline of `choose_k_chart`.

Below a silhouette of 0.25 there is no structure worth the name (Kaufman and Rousseeuw, Finding Groups in Data, 1990, page 88).

Parameters:
- k: INTEGER, the number that was chosen.
- silhouette: DOUBLE, of it.
- other_k, other_silhouette: the best of the others.

Example:
SELECT footfall.internal.headline_choose_k(3, 0.61, 2, 0.6) AS headline;$$;

CREATE MACRO footfall.main.choose_k_chart(tbl, sql := 'FROM footfall.choose_k(customers, [recency_days, frequency]);') AS TABLE
WITH
ff_rows AS MATERIALIZED (
    SELECT ff_result.k AS ff_k, ff_result.silhouette AS ff_silhouette, ff_result.davies_bouldin AS ff_davies, coalesce(ff_result.chosen, false) AS ff_chosen
    FROM query_table(tbl) AS ff_result
),
ff_drawn AS (
    SELECT list(footfall.internal.mark(series := ff_panel.ff_name, label := 'k = ' || ff_k, y := ff_panel.ff_value, strong := ff_chosen)
        ORDER BY ff_panel.ff_place ASC, ff_k ASC NULLS LAST) AS ff_marks
    FROM (
        SELECT ff_k, ff_chosen, unnest([
            {'ff_place': 1, 'ff_name': 'Silhouette: higher is better', 'ff_value': ff_silhouette},
            {'ff_place': 2, 'ff_name': 'Davies–Bouldin: lower is better', 'ff_value': ff_davies}
        ]) AS ff_panel
        FROM ff_rows
    )
)
SELECT footfall.internal.picture(
    43, 'Who the customers are', 'choose_k', 'columns',
    (SELECT footfall.internal.headline_choose_k(
        any_value(ff_k) FILTER (ff_chosen), any_value(ff_silhouette) FILTER (ff_chosen),
        arg_max(ff_k, (ff_silhouette, -ff_k)) FILTER (NOT ff_chosen), max(ff_silhouette) FILTER (NOT ff_chosen)
    ) FROM ff_rows),
    'The silhouette says how much closer customers are to their own segment than to the next. Below 0.5 segments overlap: read them as regions of one cloud, not as kinds of people.',
    ff_marks, y_label := 'criterion', sql := sql
) AS chart
FROM ff_drawn;
COMMENT ON MACRO TABLE footfall.main.choose_k_chart IS $$Draws how many segments fit, by two criteria.

One row with one column `chart`.

Parameters:
- tbl: what `footfall.choose_k` gave.
- sql: VARCHAR, the query that the page shows.

Example:
WITH customers(id, recency, frequency) AS (VALUES (1, 3, 9), (2, 2, 8), (3, 40, 1), (4, 50, 1), (5, 45, 2)),
    choices AS (FROM footfall.choose_k(customers, [recency, frequency], k_from := 2, k_to := 3))
SELECT chart.kind FROM footfall.choose_k_chart(choices);$$;

CREATE MACRO footfall.internal.headline_cohorts(n_members, next_share, later_share, later, unit) AS
CASE
    WHEN coalesce(n_members, 0) = 0 THEN 'Nobody comes'
    WHEN next_share IS NULL THEN 'The data are too short to see anybody come back'
    WHEN later_share IS NULL THEN footfall.internal.said_share(next_share) || ' come back the ' || unit || ' after their first'
    ELSE concat(
        footfall.internal.said_share(next_share), ' come back the ', unit, ' after their first, and ', footfall.internal.said_share(later_share), ' ', later, ' ', unit, 's after it'
    )
END;
COMMENT ON MACRO footfall.internal.headline_cohorts IS $$The headline of `cohorts_chart`.

Parameters:
- n_members: BIGINT, members of all cohorts.
- next_share: DOUBLE, the share that comes in period 1 of those who could.
- later_share: DOUBLE, the same of a later period.
- later: INTEGER, which one.
- unit: VARCHAR, what a period is.

Example:
SELECT footfall.internal.headline_cohorts(100, 0.28, 0.11, 4, 'week') AS headline;$$;

CREATE MACRO footfall.main.cohorts_chart(tbl, unit := 'period', sql := 'FROM footfall.cohorts(events, user_id, ts);') AS TABLE
WITH
-- Once, because a subquery as an argument is planned wherever it stands.
ff_asked AS MATERIALIZED (SELECT CAST((unit) AS VARCHAR) AS ff_unit, CAST((sql) AS VARCHAR) AS ff_sql),
ff_rows AS MATERIALIZED (
    SELECT
        CAST(ff_result.cohort AS DATE) AS ff_cohort,
        CAST(ff_result.period AS INTEGER) AS ff_period,
        ff_result.users AS ff_users,
        ff_result.share AS ff_share,
        ff_result.members AS ff_members
    FROM query_table(tbl) AS ff_result
),
ff_ends AS (
    SELECT max(ff_period) FILTER (ff_period <= 6) AS ff_later, min(ff_cohort) AS ff_first, count(DISTINCT ff_cohort) AS ff_n_cohorts, max(ff_period) AS ff_last,
        min(year(ff_cohort)) = max(year(ff_cohort)) AS ff_one_year
    FROM ff_rows
),
-- Of the cohorts that have had the time.
ff_means AS (
    SELECT
        sum(ff_members) FILTER (ff_period = 0) AS ff_n,
        sum(ff_users) FILTER (ff_period = 1) / nullif(sum(ff_members) FILTER (ff_period = 1), 0) AS ff_next,
        sum(ff_users) FILTER (ff_period = ff_later AND ff_later > 1) / nullif(sum(ff_members) FILTER (ff_period = ff_later AND ff_later > 1), 0) AS ff_late
    FROM ff_rows, ff_ends
),
ff_shown AS (
    SELECT *
    FROM (SELECT *, dense_rank() OVER (ORDER BY ff_cohort DESC NULLS LAST) AS ff_age FROM ff_rows)
    WHERE ff_age <= 14 AND ff_period BETWEEN 1 AND 12
),
ff_drawn AS (
    SELECT list(footfall.internal.mark(
        series := '+' || ff_period, label := CASE WHEN ff_one_year THEN strftime(ff_cohort, '%-d %b') ELSE strftime(ff_cohort, '%-d %b %y') END || ' (' || footfall.internal.said_count(ff_members) || ')', y := ff_share
    ) ORDER BY ff_period ASC, ff_cohort ASC NULLS LAST) AS ff_marks
    FROM ff_shown, ff_ends
)
SELECT footfall.internal.picture(
    44, 'Who the customers are', 'cohorts', 'grid',
    footfall.internal.headline_cohorts(ff_n, ff_next, ff_late, ff_later, ff_unit),
    concat_ws(' ',
        'Each row is the users (their number in brackets) by the ' || ff_unit || ' in which they first came; column +n is the share that comes n ' || ff_unit || 's later.',
        'Read with care: the data begin with ' || strftime(ff_first, '%-d %b %Y') || ', so the first row has old customers, too, and the first and last period may be cut off.',
        CASE WHEN ff_n_cohorts > 14 OR ff_last > 12 THEN 'At most the latest 14 rows and 12 columns are drawn; the headline counts all.' END
    ),
    ff_marks, x_label := ff_unit || 's later', y_label := 'share of the cohort', format := 'percent', sql := ff_sql
) AS chart
FROM ff_asked, ff_ends, ff_means, ff_drawn;
COMMENT ON MACRO TABLE footfall.main.cohorts_chart IS $$Draws retention: a triangle of cohorts and the periods after their first.

One row with one column `chart`. Of more than 14 cohorts the latest are drawn.

Parameters:
- tbl: what `footfall.cohorts` gave.
- unit: VARCHAR, what a period is, such as 'week', for the words.
- sql: VARCHAR, the query that the page shows.

Example:
WITH events(user_id, day) AS (VALUES (1, DATE '2017-11-20'), (1, DATE '2017-11-28'), (2, DATE '2017-11-22'), (3, DATE '2017-11-29')),
    cohorts AS (FROM footfall.cohorts(events, user_id, day, period := 'week'))
SELECT chart.headline FROM footfall.cohorts_chart(cohorts);$$;

CREATE MACRO footfall.internal.headline_repeat(n_buyers, repeat_share, median_days) AS
CASE
    WHEN coalesce(n_buyers, 0) = 0 THEN 'Nobody bought'
    WHEN repeat_share = 0 THEN 'Nobody bought on a second day'
    ELSE concat(
        footfall.internal.said_share(repeat_share), ' of the buyers bought on another day again',
        printf('; half of these purchases come within %.1f days of the one before', CAST(median_days AS DOUBLE))
    )
END;
COMMENT ON MACRO footfall.internal.headline_repeat IS $$The headline of `repeat_chart`.

Parameters:
- n_buyers: BIGINT.
- repeat_share: DOUBLE, of those who bought again.
- median_days: DOUBLE, the median of the days between two purchases.

Example:
SELECT footfall.internal.headline_repeat(100, 0.43, 3) AS headline;$$;

CREATE MACRO footfall.main.repeat_chart(tbl, sql := 'FROM footfall.repeat_purchase(purchases, user_id, ts);') AS TABLE
WITH
ff_row AS MATERIALIZED (
    SELECT
        ff_result.buyers AS ff_n,
        ff_result.repeat_share AS ff_share,
        ff_result.days_between_median AS ff_median,
        unnest([
            {'ff_place': 1, 'ff_name': '10 %', 'ff_days': ff_result.days_between_p10},
            {'ff_place': 2, 'ff_name': '25 %', 'ff_days': ff_result.days_between_p25},
            {'ff_place': 3, 'ff_name': 'half', 'ff_days': ff_result.days_between_median},
            {'ff_place': 4, 'ff_name': '75 %', 'ff_days': ff_result.days_between_p75},
            {'ff_place': 5, 'ff_name': '90 %', 'ff_days': ff_result.days_between_p90}
        ]) AS ff_quantile
    FROM query_table(tbl) AS ff_result
)
SELECT footfall.internal.picture(
    45, 'Who the customers are', 'repeat', 'bars',
    footfall.internal.headline_repeat(any_value(ff_n), any_value(ff_share), any_value(ff_median)),
    'So many of the repeat purchases came within so many days of the one before. Read with care: only who has bought again is counted, and who came late had less time to; both make the days look shorter than they are.',
    list(footfall.internal.mark(
        label := ff_quantile.ff_name || ' within', y := ff_quantile.ff_days, note := printf('%.1f days', CAST(ff_quantile.ff_days AS DOUBLE)), strong := ff_quantile.ff_place = 3
    ) ORDER BY ff_quantile.ff_place ASC) FILTER (ff_quantile.ff_days IS NOT NULL),
    y_label := 'days since the purchase before', sql := sql
) AS chart
FROM ff_row;
COMMENT ON MACRO TABLE footfall.main.repeat_chart IS $$Draws how long it takes to the next purchase.

One row with one column `chart`.

Parameters:
- tbl: what `footfall.repeat_purchase` gave.
- sql: VARCHAR, the query that the page shows.

Example:
WITH purchases(user_id, day) AS (VALUES (1, DATE '2017-11-20'), (1, DATE '2017-11-28'), (2, DATE '2017-11-22')),
    repeats AS (FROM footfall.repeat_purchase(purchases, user_id, day))
SELECT chart.headline FROM footfall.repeat_chart(repeats);$$;

CREATE MACRO footfall.internal.headline_lifecycle(share, low, high, before_low, before_high, unit) AS
CASE
    WHEN share IS NULL THEN 'The data are too short to see anybody return'
    ELSE concat(
        'Lately ', footfall.internal.said_share(share), ' of the users of one ', unit, ' came again in the next (', footfall.internal.said_share(low), ' to ',
        footfall.internal.said_share(high), ')',
        CASE
            WHEN low > before_high THEN ', clearly more than in the ' || unit || ' before'
            WHEN high < before_low THEN ', clearly fewer than in the ' || unit || ' before'
            WHEN before_low IS NOT NULL THEN ', about as many as in the ' || unit || ' before'
        END
    )
END;
COMMENT ON MACRO footfall.internal.headline_lifecycle IS $$The headline of `lifecycle_chart`.

Parameters:
- share, low, high: DOUBLE, who returned in the last whole period, and its interval.
- before_low, before_high: DOUBLE, the interval of the period before.
- unit: VARCHAR, what a period is.

Example:
SELECT footfall.internal.headline_lifecycle(0.62, 0.58, 0.66, 0.5, 0.56, 'week') AS headline;$$;

CREATE MACRO footfall.main.lifecycle_chart(tbl, unit := 'period', sql := 'FROM footfall.lifecycle(events, user_id, ts);') AS TABLE
WITH
-- Once, because a subquery as an argument is planned wherever it stands.
ff_asked AS MATERIALIZED (SELECT CAST((unit) AS VARCHAR) AS ff_unit, CAST((sql) AS VARCHAR) AS ff_sql),
ff_rows AS (
    SELECT
        CAST(ff_result.period_start AS DATE) AS ff_start,
        ff_result.new AS ff_new,
        ff_result.returned AS ff_returned,
        ff_result.resurrected AS ff_resurrected,
        ff_result.dormant AS ff_dormant,
        ff_result.return_share AS ff_share,
        ff_result.return_share_low AS ff_low,
        ff_result.return_share_high AS ff_high,
        ff_result.is_whole AS ff_is_whole
    FROM query_table(tbl) AS ff_result
),
ff_periods AS MATERIALIZED (
    SELECT *, row_number() OVER (ORDER BY ff_start DESC NULLS LAST) AS ff_age, count(*) OVER () AS ff_n_all FROM ff_rows
),
ff_whole AS (
    SELECT list({'share': ff_share, 'low': ff_low, 'high': ff_high} ORDER BY ff_start DESC NULLS LAST) AS ff_latest FROM ff_periods WHERE ff_is_whole AND ff_share IS NOT NULL
),
ff_drawn AS (
    SELECT
        list(footfall.internal.mark(
            series := ff_panel.ff_name, label := strftime(ff_start, '%-d %b %y') || CASE WHEN ff_is_whole THEN '' ELSE '*' END, y := ff_panel.ff_value
        ) ORDER BY ff_panel.ff_place ASC, ff_start ASC NULLS LAST) AS ff_marks,
        coalesce(bool_or(NOT ff_is_whole), false) AS ff_has_parts,
        any_value(ff_n_all) AS ff_n
    FROM (
        SELECT *, unnest([
            {'ff_place': 1, 'ff_name': 'New', 'ff_value': ff_new},
            {'ff_place': 2, 'ff_name': 'Returned: here in the ' || ff_unit || ' before, too', 'ff_value': ff_returned},
            {'ff_place': 3, 'ff_name': 'Resurrected: back after a longer break', 'ff_value': ff_resurrected},
            {'ff_place': 4, 'ff_name': 'Dormant: here only in the ' || ff_unit || ' before', 'ff_value': ff_dormant}
        ]) AS ff_panel
        FROM ff_periods, ff_asked
        WHERE ff_age <= 60
    )
)
SELECT footfall.internal.picture(
    46, 'Who the customers are', 'lifecycle', 'columns',
    footfall.internal.headline_lifecycle(
        ff_latest[1]['share'], ff_latest[1]['low'], ff_latest[1]['high'], ff_latest[2]['low'], ff_latest[2]['high'], ff_unit
    ),
    concat_ws(' ',
        'Users by ' || ff_unit || '. Who was here before the data begin counts as new, so the first columns have too many of those.',
        CASE WHEN ff_has_parts THEN 'A ' || ff_unit || ' with a star is not whole in the data: fewer come, and dormant is too high.' END,
        CASE WHEN ff_unit = 'day' THEN 'Read with care: one day differs from the next by its weekday, too.' END,
        CASE WHEN ff_n > 60 THEN printf('Only the latest 60 of %d periods are drawn.', ff_n) END
    ),
    ff_marks, y_label := 'users', sql := ff_sql
) AS chart
FROM ff_asked, ff_drawn, ff_whole;
COMMENT ON MACRO TABLE footfall.main.lifecycle_chart IS $$Draws who is new, returned, resurrected and dormant, period by period.

One row with one column `chart`. Of more than 60 periods the latest are drawn.

Parameters:
- tbl: what `footfall.lifecycle` gave.
- unit: VARCHAR, what a period is, such as 'week', for the words.
- sql: VARCHAR, the query that the page shows.

Example:
WITH events(user_id, day) AS (VALUES (1, DATE '2017-11-20'), (1, DATE '2017-11-27'), (1, DATE '2017-12-11'), (2, DATE '2017-11-22'), (3, DATE '2017-12-05')),
    weeks AS (FROM footfall.lifecycle(events, user_id, day))
SELECT chart.headline FROM footfall.lifecycle_chart(weeks);$$;

CREATE MACRO footfall.internal.headline_value(bias, gain, gain_error) AS
CASE
    WHEN bias IS NULL THEN 'Nobody bought in the held-back time, so there is nothing to check by'
    ELSE concat(
        CASE
            WHEN abs(bias) < 0.1 THEN 'Purchases came as expected, within ' || footfall.internal.said_share(abs(bias))
            WHEN bias > 0 THEN 'Fewer purchases came than expected: the model is ' || footfall.internal.said_share(bias) || ' too high'
            ELSE 'More purchases came than expected: the model is ' || footfall.internal.said_share(-bias) || ' too low'
        END,
        CASE
            WHEN gain > 2 * gain_error THEN ', and the model beats going on at each customer''s own rate'
            WHEN gain < -2 * gain_error THEN ', and going on at each customer''s own rate is better: do not use it'
            ELSE ', and the model does not beat going on at each customer''s own rate'
        END
    )
END;
COMMENT ON MACRO footfall.internal.headline_value IS $$The headline of `value_chart`.

Parameters:
- bias: DOUBLE, the purchases expected over those that happened, less 1.
- gain: DOUBLE, by how much the mean error is below that of the naive rate.
- gain_error: DOUBLE, its standard error.

Example:
SELECT footfall.internal.headline_value(0.12, 0.05, 0.01) AS headline;$$;

CREATE MACRO footfall.main.value_chart(tbl, sql := 'FROM footfall.clv_report(purchases, user_id, ts);') AS TABLE
WITH
ff_rows AS MATERIALIZED (
    SELECT
        footfall.internal.action_name(ff_result.part) AS ff_part,
        footfall.internal.action_name(ff_result."group") AS ff_group,
        ff_result.customers AS ff_n,
        ff_result.happened AS ff_happened,
        ff_result.expected AS ff_expected,
        ff_result.expected_bias AS ff_bias,
        ff_result.gain AS ff_gain,
        ff_result.gain_standard_error AS ff_gain_error,
        ff_result.fitted_until AS ff_until,
        ff_result.as_of AS ff_end
    FROM query_table(tbl) AS ff_result
)
SELECT footfall.internal.picture(
    60, 'What customers are worth', 'value', 'bars',
    footfall.internal.headline_value(
        any_value(ff_bias) FILTER (ff_part = 'all'), any_value(ff_gain) FILTER (ff_part = 'all'), any_value(ff_gain_error) FILTER (ff_part = 'all')
    ),
    concat(
        'The model saw the data up to ', any_value(ff_until), ' and was asked for the days from then to ', any_value(ff_end),
        '. Filled: what happened. Outlined: what it expected. Tenth 1 are the customers of whom it expected most; equal ones are together. ',
        'Read with care: a shop that grows or sells with the season will differ from its past.'
    ),
    list(footfall.internal.mark(
        label := 'Tenth ' || ff_group, y := ff_happened, high := ff_expected, note := footfall.internal.said_count(ff_n) || ' customers'
    ) ORDER BY TRY_CAST(ff_group AS INTEGER) ASC NULLS LAST) FILTER (ff_part = 'decile'),
    y_label := 'days with a purchase, per customer', sql := sql
) AS chart
FROM ff_rows;
COMMENT ON MACRO TABLE footfall.main.value_chart IS $$Draws what customers did in the held-back time beside what was expected of them.

One row with one column `chart`.

Parameters:
- tbl: what `footfall.clv_report` gave.
- sql: VARCHAR, the query that the page shows.

Example:
WITH orders AS (SELECT i % 40 AS customer, DATE '2010-01-01' + CAST((i * i * 7 + i) % 300 AS INTEGER) AS day FROM range(120) numbers(i)),
    report AS (FROM footfall.clv_report(orders, customer, day, holdout := INTERVAL 60 DAYS))
SELECT chart.kind FROM footfall.value_chart(report);$$;
