-- RFM: how recently, how often and for how much each customer buys.

CREATE MACRO footfall.main.rfm_segment(r, f, bins := 5) AS
CASE WHEN r BETWEEN 1 AND bins AND f BETWEEN 1 AND bins THEN
    (['Hibernating', 'Hibernating', 'At Risk', 'At Risk', 'Can''t Lose',
      'Hibernating', 'Hibernating', 'At Risk', 'At Risk', 'Can''t Lose',
      'About to Sleep', 'About to Sleep', 'Need Attention', 'Loyal', 'Loyal',
      'Promising', 'Potential Loyalists', 'Potential Loyalists', 'Loyal', 'Loyal',
      'New', 'Potential Loyalists', 'Potential Loyalists', 'Champions', 'Champions'])[
        -- 0 to bins - 1 is stretched onto 0 to 4 and rounded, a half upwards.
        5 * ((8 * (r - 1) + bins - 1) // (2 * (bins - 1))) + (8 * (f - 1) + bins - 1) // (2 * (bins - 1)) + 1
    ]
END;

COMMENT ON MACRO footfall.main.rfm_segment IS $$The segment of a recency and a frequency score.

The grid of ten segments, a row per recency score and a column per frequency score from 1 to 5:

| r | f = 1 | 2 | 3 | 4 | 5 |
| --- | --- | --- | --- | --- | --- |
| 5 | New | Potential Loyalists | Potential Loyalists | Champions | Champions |
| 4 | Promising | Potential Loyalists | Potential Loyalists | Loyal | Loyal |
| 3 | About to Sleep | About to Sleep | Need Attention | Loyal | Loyal |
| 2 | Hibernating | Hibernating | At Risk | At Risk | Can't Lose |
| 1 | Hibernating | Hibernating | At Risk | At Risk | Can't Lose |

With another number of bins the scores are stretched evenly onto 1 to 5, so the best stays the best.

Parameters:
- r, f: scores from 1 to `bins`; 5 is best. A score outside gives NULL.
- bins: the number of scores.

Example:
SELECT footfall.rfm_segment(5, 5) AS best, footfall.rfm_segment(1, 1) AS worst;$$;

CREATE MACRO footfall.internal.check_cuts(function_name, argument_name, given, bins) AS
CASE WHEN given IS NULL
    THEN true
    ELSE footfall.internal.check_option(
        [
            len(cuts) = bins - 1 AND len(list_filter(cuts, lambda cut: cut IS NULL OR isnan(cut))) = 0
                AND list_sort(cuts, 'ASC', 'NULLS LAST') = cuts
            FOR cuts IN [footfall.internal.number_list(function_name, argument_name, given)]
        ][1],
        function_name, argument_name, given, 'as many numbers as bins less one, here ' || (bins - 1) || ', none below the one before'
    )
END;

COMMENT ON MACRO footfall.internal.check_cuts IS $$True, or the error for a list of cut points that is none.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: a list of numbers; NULL is no list, which is right.
- bins: the number of scores.

Example:
SELECT footfall.internal.check_cuts('rfm', 'frequency_cuts', [2, 3, 4, 6], 5) AS is_right;$$;

CREATE MACRO footfall.internal.check_rfm(function_name, as_of, bins, recency_cuts, frequency_cuts, monetary_cuts) AS
footfall.internal.check_option(
    TRY_CAST(bins AS DOUBLE) BETWEEN 2 AND 9 AND TRY_CAST(bins AS DOUBLE) = TRY_CAST(bins AS INTEGER),
    function_name, 'bins', bins, 'a whole number from 2 to 9'
) AND (footfall.internal.moment_option(function_name, 'as_of', as_of) IS NOT NULL OR as_of IS NULL)
AND footfall.internal.check_cuts(function_name, 'recency_cuts', recency_cuts, TRY_CAST(bins AS INTEGER))
AND footfall.internal.check_cuts(function_name, 'frequency_cuts', frequency_cuts, TRY_CAST(bins AS INTEGER))
AND footfall.internal.check_cuts(function_name, 'monetary_cuts', monetary_cuts, TRY_CAST(bins AS INTEGER));

COMMENT ON MACRO footfall.internal.check_rfm IS $$True, or the error for a wrong option of `rfm`.

Parameters:
- function_name: the macro that was called, for messages.
- as_of, bins, recency_cuts, frequency_cuts, monetary_cuts: as in `rfm`.

Example:
SELECT footfall.internal.check_rfm('rfm', NULL, 5, NULL, [2, 3, 4, 6], NULL) AS is_right;$$;

CREATE MACRO footfall.internal.rfm_states(function_name, tbl, customer_id, ts, amount, as_of, order_id, time_zone) AS TABLE
WITH ff_orders AS NOT MATERIALIZED (
    SELECT
        buyer,
        CASE WHEN is_purchase
            THEN footfall.internal.local_time(function_name, 'ts', moment, time_zone := time_zone, default_zone := 'UTC')
        END AS purchase_time,
        footfall.internal.local_time(function_name, 'ts', last_moment, time_zone := time_zone, default_zone := 'UTC') AS last_row_time,
        whole,
        unit,
        rest,
        gross
    FROM footfall.internal.order_rows(
        function_name, tbl, 'customer_id', customer_id, order_id, ts, amount,
        until_day := footfall.internal.moment_option(function_name, 'as_of', as_of), time_zone := time_zone
    )
)
-- A group of its own for the rows without a customer, since the last day is that of all rows.
SELECT
    buyer,
    max(purchase_time) AS last_time,
    count(purchase_time) AS n_purchases,
    sum(whole) AS whole,
    flatten(list(rest) FILTER (rest IS NOT NULL)) AS rest,
    max(unit) AS unit,
    sum(gross) AS gross,
    max(last_row_time) AS last_seen
FROM ff_orders
GROUP BY buyer;

COMMENT ON MACRO TABLE footfall.internal.rfm_states IS $$What `rfm` keeps of each customer; the states of one customer in several parts add up.

One row per customer, and one for the rows of nobody: `buyer`, `last_time` (of a purchase), `n_purchases`, `whole`, `rest` and `unit`
(the sum of the amounts in the parts of `exact_total`), `gross` (that of their absolute values) and `last_seen` (of any row).

Parameters:
- function_name: the macro that was called, for messages.
- tbl, customer_id, ts, amount, as_of, order_id, time_zone: as in `rfm`.

Example:
WITH orders(customer, day, price) AS (VALUES (1, DATE '2017-12-01', 20.0), (1, DATE '2017-12-03', 5.5))
SELECT buyer, last_time, n_purchases, whole, unit
FROM footfall.internal.rfm_states('rfm', orders, customer, day, price, NULL, NULL, NULL);$$;

CREATE MACRO footfall.internal.rfm_measured(function_name, states, as_of) AS TABLE
WITH ff_customers AS MATERIALIZED (
    SELECT buyer, last_time, n_purchases, footfall.internal.exact_total(whole, rest, unit) AS total, gross, last_seen
    FROM query_table(states)
),
ff_today AS (
    SELECT coalesce(
        CAST(footfall.internal.moment_option(function_name, 'as_of', as_of) AS DATE),
        (SELECT CAST(max(last_seen) AS DATE) FROM ff_customers)
    ) AS as_of_day
)
SELECT
    buyer,
    as_of_day,
    CAST(last_time AS DATE) AS last_day,
    as_of_day - last_day AS days_since,
    n_purchases,
    footfall.internal.rounded(total, least(gross, 1e15), 15) AS spent,
    -- Sums that differ only by rounding are equal: ten digits hold every cent below a hundred million.
    footfall.internal.rounded(total, abs(total), 10) AS compared_money
FROM ff_customers
CROSS JOIN ff_today
-- An amount that is no number is no purchase either, so the total is looked at first.
WHERE buyer IS NOT NULL AND CASE WHEN isfinite(footfall.internal.finite_total(function_name, buyer, gross, total)) IS NOT false THEN n_purchases > 0 END;

COMMENT ON MACRO TABLE footfall.internal.rfm_measured IS $$The customers of `rfm` who have a purchase, with what they are scored by.

One row per customer: `buyer`, `as_of_day`, `last_day` (of a purchase), `days_since` (then), `n_purchases`, `spent` and `compared_money`, of which equal sums are equal.

Parameters:
- function_name: the macro that was called, for messages.
- states: the rows of `rfm_states`, one per customer.
- as_of: as in `rfm`.

Example:
WITH orders(customer, day, price) AS (VALUES (1, DATE '2017-12-01', 20.0), (1, DATE '2017-12-03', 5.5), (2, DATE '2017-12-04', 3.0)),
states AS (FROM footfall.internal.rfm_states('rfm', orders, customer, day, price, NULL, NULL, NULL))
FROM footfall.internal.rfm_measured('rfm', states, NULL) ORDER BY buyer;$$;

CREATE MACRO footfall.internal.rfm_cuts(function_name, customers, bins, recency_cuts, frequency_cuts, monetary_cuts) AS TABLE
WITH ff_customers AS NOT MATERIALIZED (SELECT days_since, n_purchases, compared_money, n_customers FROM query_table(customers)),
-- The three measures one below the other, each so that more is better.
ff_weights AS (
    SELECT 1 AS measure, CAST(-days_since AS DOUBLE) AS measured_value, sum(n_customers) AS n_customers FROM ff_customers GROUP BY days_since
    UNION ALL
    -- Who ordered once has the lowest score, whatever the others did.
    SELECT 2, n_purchases, sum(n_customers) FROM ff_customers WHERE n_purchases > 1 GROUP BY n_purchases
    UNION ALL
    SELECT 3, compared_money, sum(n_customers) FROM ff_customers WHERE compared_money IS NOT NULL GROUP BY compared_money
),
ff_places AS MATERIALIZED (
    SELECT
        measure,
        measured_value,
        TRY_CAST(bins AS INTEGER) - CAST(measure = 2 AS INTEGER) AS n_scores,
        row_number() OVER worst_first AS place,
        count(*) OVER (PARTITION BY measure) AS n_values,
        -- The share of customers with worse values and half of those with the same one, in scores from 0.
        n_scores * (2 * sum(n_customers) OVER worst_first - n_customers)
            // (2 * sum(n_customers) OVER (PARTITION BY measure)) AS equal_score
    FROM ff_weights
    WINDOW worst_first AS (PARTITION BY measure ORDER BY measured_value ASC)
),
ff_last_places AS (
    SELECT measure, n_scores, n_values, equal_score, max(place) AS last_place FROM ff_places GROUP BY ALL
),
-- How many values are below each cut.
ff_equal_cuts AS (
    SELECT measure, n_scores, n_values, cut_number, coalesce(max(last_place) FILTER (equal_score < cut_number), 0) AS n_below
    FROM ff_last_places, unnest(range(1, TRY_CAST(bins AS INTEGER))) AS cut_numbers(cut_number)
    WHERE cut_number < n_scores
    GROUP BY ALL
),
-- With enough values each cut has one more below it than the cut before. Of the values besides those, cuts that
-- would lie on one another get as many as lies between what is asked of them.
ff_cuts AS (
    SELECT
        measure,
        cut_number,
        CASE WHEN n_values < n_scores
            THEN n_below
            ELSE cut_number
                + (max(greatest(least(n_below - cut_number, n_values - n_scores), 0)) OVER until_here
                    + min(greatest(least(n_below - cut_number, n_values - n_scores), 0)) OVER from_here) // 2
        END AS n_below_cut
    FROM ff_equal_cuts
    WINDOW until_here AS (PARTITION BY measure ORDER BY cut_number ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
        from_here AS (PARTITION BY measure ORDER BY cut_number ASC ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
),
-- A cut is the least value above it.
ff_cut_values AS (
    SELECT ff_cuts.measure, cut_number, coalesce(measured_value, CAST('infinity' AS DOUBLE)) AS cut_value
    FROM ff_cuts
    LEFT JOIN ff_places ON ff_places.measure = ff_cuts.measure AND place = n_below_cut + 1
)
SELECT
    coalesce(
        list_transform(list_reverse(footfall.internal.number_list(function_name, 'recency_cuts', recency_cuts)), lambda days: -days),
        list(cut_value ORDER BY cut_number ASC) FILTER (measure = 1)
    ) AS recency_list,
    coalesce(
        footfall.internal.number_list(function_name, 'frequency_cuts', frequency_cuts),
        [CAST(2.0 AS DOUBLE)] || coalesce(
            list(cut_value ORDER BY cut_number ASC) FILTER (measure = 2),
            -- Nobody ordered twice.
            list_transform(range(2, TRY_CAST(bins AS INTEGER)), lambda score: CAST('infinity' AS DOUBLE))
        )
    ) AS frequency_list,
    coalesce(
        list_transform(
            footfall.internal.number_list(function_name, 'monetary_cuts', monetary_cuts),
            lambda money: footfall.internal.rounded(money, abs(money), 10)
        ),
        list(cut_value ORDER BY cut_number ASC) FILTER (measure = 3)
    ) AS monetary_list
FROM ff_cut_values;

COMMENT ON MACRO TABLE footfall.internal.rfm_cuts IS $$Where the scores of `rfm` begin: one row of three lists, the least value of the scores 2 to `bins`.

`recency_list` (the number of days below zero), `frequency_list` and `monetary_list`; NULL where there is nobody to part and no cuts are given.

Parameters:
- function_name: the macro that was called, for messages.
- customers: `days_since`, `n_purchases` and `compared_money` of customers, as `rfm_measured` has them, and `n_customers`, how many have these.
- bins, recency_cuts, frequency_cuts, monetary_cuts: as in `rfm`.

Example:
WITH customers(days_since, n_purchases, compared_money, n_customers) AS (VALUES (0, 3, 20.0::DOUBLE, 1), (5, 1, 8.5, 2), (9, 1, 3.0, 1))
FROM footfall.internal.rfm_cuts('rfm', customers, 3, NULL, NULL, NULL);$$;

CREATE MACRO footfall.internal.rfm_scored(
    function_name, states, as_of, bins, recency_cuts, frequency_cuts, monetary_cuts
) AS TABLE
WITH ff_measured AS MATERIALIZED (
    SELECT * EXCLUDE (last_day), 1 AS n_customers FROM footfall.internal.rfm_measured(function_name, states, as_of)
),
ff_cut_lists AS MATERIALIZED (
    FROM footfall.internal.rfm_cuts(function_name, ff_measured, bins, recency_cuts, frequency_cuts, monetary_cuts)
),
ff_scored AS (
    SELECT
        ff_measured.*,
        ff_cut_lists.*,
        1 + len(list_filter(recency_list, lambda cut: cut <= -days_since)) AS r_score,
        1 + len(list_filter(frequency_list, lambda cut: cut <= n_purchases)) AS f_score,
        CASE WHEN compared_money IS NOT NULL THEN 1 + len(list_filter(monetary_list, lambda cut: cut <= compared_money)) END AS m_score
    FROM ff_measured
    CROSS JOIN ff_cut_lists
),
-- A name and digits for each pair of scores: a join by number is quicker than text made for every customer.
ff_cells AS (
    SELECT
        10 * r_score + f_score AS cell,
        r_score || f_score AS digits,
        footfall.main.rfm_segment(r_score, f_score, TRY_CAST(bins AS INTEGER)) AS cell_segment
    FROM unnest(range(1, least(TRY_CAST(bins AS INTEGER), 9) + 1)) AS recencies(r_score),
        unnest(range(1, least(TRY_CAST(bins AS INTEGER), 9) + 1)) AS frequencies(f_score)
)
SELECT
    footfall.internal.unmarked(buyer) AS customer_id,
    days_since AS recency_days,
    n_purchases AS frequency,
    spent AS monetary,
    CAST(r_score AS INTEGER) AS r,
    CAST(f_score AS INTEGER) AS f,
    CAST(m_score AS INTEGER) AS m,
    digits || coalesce(CAST(m_score AS VARCHAR), '') AS rfm,
    cell_segment AS segment,
    as_of_day AS as_of,
    recency_list,
    frequency_list,
    monetary_list
FROM ff_scored
JOIN ff_cells ON ff_cells.cell = 10 * r_score + f_score
WHERE (SELECT
    footfall.internal.check_rfm(function_name, as_of, bins, recency_cuts, frequency_cuts, monetary_cuts)
);

COMMENT ON MACRO TABLE footfall.internal.rfm_scored IS $$The customers of `rfm` with the cut points beside them, for `rfm`, `rfm_summary` and `rfm_thresholds`.

The columns of `rfm`, and `recency_list`, `frequency_list` and `monetary_list`: the least value of the scores 2 to `bins`,
where recency is the number of days below zero.

Parameters:
- function_name: the macro that was called, for messages.
- states: the rows of `rfm_states`, one per customer.
- as_of, bins, recency_cuts, frequency_cuts, monetary_cuts: as in `rfm`.

Example:
WITH orders(customer, day) AS (VALUES (1, DATE '2017-12-01'), (1, DATE '2017-12-03'), (2, DATE '2017-11-28')),
states AS (FROM footfall.internal.rfm_states('rfm', orders, customer, day, NULL, NULL, NULL, NULL))
SELECT customer_id, frequency, f, frequency_list FROM footfall.internal.rfm_scored('rfm', states, NULL, 5, NULL, NULL, NULL);$$;

CREATE MACRO footfall.main.rfm(
    tbl, customer_id, ts, amount := NULL, as_of := NULL, bins := 5, order_id := NULL,
    recency_cuts := NULL, frequency_cuts := NULL, monetary_cuts := NULL, time_zone := NULL
) AS TABLE
WITH ff_states AS NOT MATERIALIZED (
    FROM footfall.internal.rfm_states('rfm', tbl, customer_id, ts, amount, as_of, order_id, time_zone)
)
SELECT * EXCLUDE (recency_list, frequency_list, monetary_list)
FROM footfall.internal.rfm_scored('rfm', ff_states, as_of, bins, recency_cuts, frequency_cuts, monetary_cuts);

COMMENT ON MACRO TABLE footfall.main.rfm IS $$Recency, frequency and money of every customer, scored and named.

One row per customer, in no particular order: `customer_id`, `recency_days` (whole days from the day
of the last purchase to `as_of`), `frequency` (number of purchases), `monetary` (sum of the
amounts), the scores `r`, `f`, `m` from 1 to `bins` with `bins` best, `rfm` (the scores as text), `segment` (from `r` and
`f`, see `rfm_segment`) and `as_of`, the day from which recency was counted: where it is not the day you expect, a row has a
wrong date. Without an amount `monetary` and `m` are NULL and `rfm` is two digits.

Orders: a purchase is an order, not a line of one. Give `order_id`; without one, rows of a customer with the same time, or the
same day where `ts` is a DATE, are one order. An order is a purchase when its amounts add up to more than 0 (see `orders`), and only
purchases count for recency and frequency. A refund is no purchase and is taken off `monetary`, which can
fall below 0. Customers without a purchase are left out, and so are rows without a customer (NULL, NaN, empty or blank text) or with a
NULL or infinite time. An infinite amount or NaN is an error (see `orders`). To score the purchases among events, give a view or CTE that holds only those.

Scores: who ordered once has `f` = 1, and the others share the scores from 2 up. Every score is to have the same
number of customers; each cut lies at the boundary between two different values that comes nearest to that, so equal values have equal
scores and a better value never has a lower one. Where there are as many different values as scores, no score is empty: cuts that
fall on the same boundary are moved apart. Where there are fewer, each value has the score of its middle customer, so a single
one has the middle score. Multiplying all amounts by a positive constant changes nothing. Money that agrees in ten
digits is equal, since sums of decimal fractions are off in the sixteenth. Recency is reversed: fewer days are better.
`rfm_thresholds` shows the cuts, and the arguments `recency_cuts`, `frequency_cuts` and `monetary_cuts` set them, so that
tomorrow's customers are scored as today's.

Parameters:
- tbl: the purchases or order lines: a table, view, CTE or file.
- customer_id: a column or expression of any type.
- ts: the time in the shop's local time, TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE; or a TIMESTAMP WITH TIME ZONE.
- amount: the money of the row, a number; NULL scores recency and frequency alone.
- as_of: DATE, the day from which recency is counted; later rows are left out. NULL is the last day in the data, whoever bought then.
- bins: the number of scores, 2 to 9.
- order_id: the number of the order, a column or expression of any type.
- recency_cuts: the most days of the scores from best to second worst, for example [7, 30, 90, 365]: up to 7 days are a 5, up to 30 a 4, more than 365 a 1.
- frequency_cuts: the fewest purchases of the scores 2, 3 and so on, for example [2, 3, 4, 6]: one is a 1, two a 2, four or five a 4, six and more a 5.
- monetary_cuts: the least money of the scores 2, 3 and so on. Two equal numbers leave the score between them empty.
- time_zone: whose calendar days are counted where `ts` is a TIMESTAMP WITH TIME ZONE, such as 'Europe/Berlin'; NULL is UTC.

Example:
WITH lines(customer, invoice, day, price) AS (VALUES
    (1, 'A1', DATE '2010-12-01', 20.0), (1, 'A1', DATE '2010-12-01', 15.5), (1, 'A2', DATE '2010-12-08', 30.0), (1, 'C1', DATE '2010-12-09', -15.5),
    (2, 'A3', DATE '2010-12-05', 12.0), (3, 'A4', DATE '2010-11-02', 80.0))
FROM footfall.rfm(lines, customer, day, amount := price, order_id := invoice) ORDER BY customer_id;$$;

CREATE MACRO footfall.internal.rfm_bounds(scored) AS TABLE
WITH ff_scored AS NOT MATERIALIZED (FROM query_table(scored)),
ff_cut_lists AS (
    SELECT
        -- Of 0 days, and not of the -0 that doubles have beside it.
        list_transform(any_value(recency_list), lambda days: 0 - days) AS recency_list,
        any_value(frequency_list) AS frequency_list,
        any_value(monetary_list) AS monetary_list
    FROM ff_scored
),
ff_measures AS (
    SELECT 'recency' AS measure_name, r AS measure_score, recency_days AS measured_value FROM ff_scored
    UNION ALL SELECT 'frequency', f, frequency FROM ff_scored
    UNION ALL SELECT 'monetary', m, monetary FROM ff_scored WHERE m IS NOT NULL
),
ff_bounds AS (
    SELECT measure_name, measure_score, min(measured_value) AS lowest, max(measured_value) AS highest, count(*) AS n_customers
    FROM ff_measures
    GROUP BY measure_name, measure_score
),
ff_grid AS (
    SELECT measure_name, cut_list, unnest(range(1, len(cut_list) + 2)) AS measure_score
    FROM (
        SELECT 1 AS place, 'recency' AS measure_name, recency_list AS cut_list FROM ff_cut_lists
        UNION ALL SELECT 2, 'frequency', frequency_list FROM ff_cut_lists
        UNION ALL SELECT 3, 'monetary', monetary_list FROM ff_cut_lists
    )
)
SELECT
    ff_grid.measure_name AS measure,
    CAST(ff_grid.measure_score AS INTEGER) AS score,
    lowest,
    highest,
    CASE WHEN ff_grid.measure_score > 1 THEN cut_list[ff_grid.measure_score - 1] END AS cut,
    coalesce(n_customers, 0) AS customers
FROM ff_grid
LEFT JOIN ff_bounds ON ff_bounds.measure_name = ff_grid.measure_name AND ff_bounds.measure_score = ff_grid.measure_score
ORDER BY list_position(['recency', 'frequency', 'monetary'], ff_grid.measure_name) ASC, ff_grid.measure_score ASC;

COMMENT ON MACRO TABLE footfall.internal.rfm_bounds IS $$Where the scores of customers begin and end; `rfm_thresholds` of what `rfm_scored` gave.

The columns are those of `rfm_thresholds`.

Parameters:
- scored: the rows of `rfm_scored`.

Example:
WITH scored AS (SELECT 3 AS recency_days, 1 AS frequency, NULL::DOUBLE AS monetary, 2 AS r, 1 AS f, NULL::INTEGER AS m,
    [-9.0] AS recency_list, [2.0] AS frequency_list, NULL::DOUBLE[] AS monetary_list)
FROM footfall.internal.rfm_bounds(scored);$$;

CREATE MACRO footfall.main.rfm_thresholds(
    tbl, customer_id, ts, amount := NULL, as_of := NULL, bins := 5, order_id := NULL,
    recency_cuts := NULL, frequency_cuts := NULL, monetary_cuts := NULL, time_zone := NULL
) AS TABLE
WITH ff_states AS NOT MATERIALIZED (
    FROM footfall.internal.rfm_states('rfm_thresholds', tbl, customer_id, ts, amount, as_of, order_id, time_zone)
),
ff_customers AS MATERIALIZED (
    FROM footfall.internal.rfm_scored('rfm_thresholds', ff_states, as_of, bins, recency_cuts, frequency_cuts, monetary_cuts)
)
FROM footfall.internal.rfm_bounds(ff_customers);

COMMENT ON MACRO TABLE footfall.main.rfm_thresholds IS $$Where the scores of `rfm` begin and end, and how many customers have each.

One row per measure ('recency', 'frequency', 'monetary') and score: `measure`, `score`, `lowest` and `highest` (the values of its
customers; NULL where it has none), `cut` and `customers`. `cut` is the value at which the score begins, as `rfm` takes it: for
recency the most days, for the others the least value; NULL for score 1. Where there are fewer different values than scores
some cuts are equal, and a score above all values begins at infinity. Without an amount there are no rows of 'monetary', without customers none at all.

Today's cuts for tomorrow's customers:
`SET VARIABLE money = (SELECT list(cut ORDER BY cut) FROM footfall.rfm_thresholds(…) WHERE measure = 'monetary' AND score > 1)`,
then `rfm(…, monetary_cuts := getvariable('money'))`.

Parameters:
- tbl, customer_id, ts, amount, as_of, bins, order_id, recency_cuts, frequency_cuts, monetary_cuts, time_zone: as in `rfm`.

Example:
WITH orders(customer, day) AS (VALUES
    (1, DATE '2017-12-01'), (1, DATE '2017-12-03'), (2, DATE '2017-11-28'), (3, DATE '2017-11-25'))
FROM footfall.rfm_thresholds(orders, customer, day, bins := 2);$$;

CREATE MACRO footfall.internal.rfm_score_row(function_name, customers, bins, recency_cuts, frequency_cuts, monetary_cuts) AS TABLE
SELECT
    as_of_day AS as_of,
    TRY_CAST(bins AS INTEGER) AS bins,
    -- Of 0 days, and not of the -0 that doubles have beside it.
    list_reverse(list_transform(recency_list, lambda days: 0 - days)) AS recency_cuts,
    frequency_list AS frequency_cuts,
    monetary_list AS monetary_cuts
FROM footfall.internal.rfm_cuts(function_name, customers, bins, recency_cuts, frequency_cuts, monetary_cuts)
CROSS JOIN (SELECT max(as_of_day) AS as_of_day FROM query_table(customers))
WHERE as_of_day IS NOT NULL;

COMMENT ON MACRO TABLE footfall.internal.rfm_score_row IS $$The row of `rfm_scores` from customers; none where there is nobody.

Parameters:
- function_name: the macro that was called, for messages.
- customers: as in `rfm_cuts`, with `as_of_day`.
- bins, recency_cuts, frequency_cuts, monetary_cuts: as in `rfm`.

Example:
WITH customers(as_of_day, days_since, n_purchases, compared_money, n_customers) AS (VALUES
    (DATE '2017-12-04', 0, 3, 20.0::DOUBLE, 1), (DATE '2017-12-04', 5, 1, 8.5, 2), (DATE '2017-12-04', 9, 1, 3.0, 1))
FROM footfall.internal.rfm_score_row('rfm_scores', customers, 3, NULL, NULL, NULL);$$;

CREATE MACRO footfall.main.rfm_scores(
    tbl, customer_id, ts, amount := NULL, as_of := NULL, bins := 5, order_id := NULL,
    recency_cuts := NULL, frequency_cuts := NULL, monetary_cuts := NULL, time_zone := NULL
) AS TABLE
WITH ff_states AS NOT MATERIALIZED (
    FROM footfall.internal.rfm_states('rfm_scores', tbl, customer_id, ts, amount, as_of, order_id, time_zone)
),
ff_measured AS MATERIALIZED (
    SELECT as_of_day, days_since, n_purchases, compared_money, 1 AS n_customers FROM footfall.internal.rfm_measured('rfm_scores', ff_states, as_of)
)
FROM footfall.internal.rfm_score_row('rfm_scores', ff_measured, bins, recency_cuts, frequency_cuts, monetary_cuts)
WHERE (SELECT footfall.internal.check_rfm('rfm_scores', as_of, bins, recency_cuts, frequency_cuts, monetary_cuts));

COMMENT ON MACRO TABLE footfall.main.rfm_scores IS $$Where the scores of `rfm` begin, as a value: keep it, and score tomorrow's customers as today's.

One row, or none where nobody bought: `as_of`, `bins`, and `recency_cuts`, `frequency_cuts` and `monetary_cuts` as `rfm` takes them; without an amount
`monetary_cuts` is NULL. The row is a value for a variable or a table:

`SET VARIABLE scores = (SELECT scores FROM footfall.rfm_scores(orders, …) AS scores)`, then `rfm(…, bins := getvariable('scores').bins,
recency_cuts := getvariable('scores').recency_cuts, …)`. As many days, purchases and as much money then make the same scores on every day: when
all come less often, their scores fall, where `rfm` alone would find as many Champions as ever.

Where customers are too many for one machine, the cuts of all parts score the customers of each where they are: give `rfm` the `as_of`, too, since the last day
of a part may be another.

Parameters:
- tbl, customer_id, ts, amount, as_of, bins, order_id, recency_cuts, frequency_cuts, monetary_cuts, time_zone: as in `rfm`.

Example:
WITH orders(customer, day, price) AS (VALUES
    (1, DATE '2017-12-01', 20.0), (1, DATE '2017-12-03', 40.0), (2, DATE '2017-11-28', 15.0), (3, DATE '2017-11-25', 5.0))
FROM footfall.rfm_scores(orders, customer, day, amount := price, bins := 3);$$;

CREATE MACRO footfall.internal.rfm_segments(tbl) AS TABLE
WITH ff_rows AS NOT MATERIALIZED (
    -- The columns that a relation may lack, and the one that it must have: without it that one has no type.
    SELECT
        NULL AS segment,
        CAST(NULL AS INTEGER) AS recency_days,
        CAST(NULL AS INTEGER) AS frequency,
        CAST(NULL AS DOUBLE) AS monetary,
        CAST(NULL AS DATE) AS as_of
    WHERE false
    UNION ALL BY NAME
    SELECT * FROM query_table(tbl)
),
ff_scored AS NOT MATERIALIZED (
    SELECT
        CASE WHEN typeof(segment) = 'VARCHAR'
            THEN CAST(segment AS VARCHAR)
            ELSE error('footfall.rfm_summary: argument ''tbl'' has no column segment; allowed: the result of footfall.rfm, '
                || 'or orders with their columns: footfall.rfm_summary(orders, customer_id, ts)')
        END AS segment_name,
        recency_days,
        frequency,
        monetary,
        as_of
    FROM ff_rows
),
ff_segments AS (
    SELECT
        segment_name,
        count(*) AS n_customers,
        avg(recency_days) AS mean_recency_days,
        avg(frequency) AS mean_frequency,
        count(monetary) AS n_amounts,
        footfall.internal.rounded(footfall.internal.exact_sum(monetary), least(sum(abs(monetary)), 1e15), 15) AS money,
        max(as_of) AS as_of
    FROM ff_scored
    GROUP BY segment_name
),
ff_everyone AS (
    SELECT footfall.internal.rounded(footfall.internal.exact_sum(money), least(sum(abs(money)), 1e15), 15) AS all_money FROM ff_segments
)
SELECT
    segment_name AS segment,
    n_customers AS customers,
    n_customers / sum(n_customers) OVER () AS share,
    mean_recency_days,
    mean_frequency,
    money / n_amounts AS mean_monetary,
    money AS monetary,
    money / nullif(all_money, 0) AS monetary_share,
    as_of,
    bar(n_customers, 0, max(n_customers) OVER (), 26) AS chart
FROM ff_segments
CROSS JOIN ff_everyone
ORDER BY list_position(
    ['Champions', 'Loyal', 'Potential Loyalists', 'New', 'Promising',
     'Need Attention', 'About to Sleep', 'At Risk', 'Can''t Lose', 'Hibernating'],
    segment_name
) ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.internal.rfm_segments IS $$The segments of customers that `rfm` has scored; `rfm_summary` with one argument.

The columns are those of `rfm_summary`.

Parameters:
- tbl: a table, view, CTE or file with the columns of `rfm`, of which `segment` must be there.

Example:
WITH customers(customer_id, recency_days, frequency, monetary, segment) AS (VALUES
    (1, 3, 1, 20.0, 'New'), (2, 5, 1, 40.0, 'New'), (3, 2, 9, 540.0, 'Champions'))
FROM footfall.internal.rfm_segments(customers);$$;

CREATE MACRO footfall.main.rfm_summary(tbl) AS TABLE (
    FROM footfall.internal.rfm_segments(tbl)
), (
    tbl, customer_id, ts, amount := NULL, as_of := NULL, bins := 5, order_id := NULL,
    recency_cuts := NULL, frequency_cuts := NULL, monetary_cuts := NULL, time_zone := NULL
) AS TABLE (
    WITH ff_states AS NOT MATERIALIZED (
        FROM footfall.internal.rfm_states('rfm_summary', tbl, customer_id, ts, amount, as_of, order_id, time_zone)
    ),
    ff_customers AS NOT MATERIALIZED (
        FROM footfall.internal.rfm_scored('rfm_summary', ff_states, as_of, bins, recency_cuts, frequency_cuts, monetary_cuts)
    )
    FROM footfall.internal.rfm_segments(ff_customers)
);

COMMENT ON MACRO TABLE footfall.main.rfm_summary IS $$The RFM segments: how many customers, what they are like, and how much of the money is theirs.

One row per segment that has customers, from Champions to Hibernating: `segment`, `customers`, `share`
of all customers, `mean_recency_days`, `mean_frequency`, `mean_monetary`, `monetary` (the sum), `monetary_share` (of the sum of
all, which refunds can take below 0 or above 1), `as_of`, and `chart`, a bar of `customers`; without an amount the columns of money are NULL. The rules are those of `rfm`.

Two calls: `rfm_summary(customers)` of what `rfm` gave, and `rfm_summary(orders, customer_id, ts, …)` of the rows that `rfm` takes.

Parameters:
- tbl: the result of `rfm`, when it is the only argument; else as in `rfm`.
- customer_id, ts, amount, as_of, bins, order_id, recency_cuts, frequency_cuts, monetary_cuts, time_zone: as in `rfm`.

Example:
WITH orders(customer, day, price) AS (VALUES
    (1, DATE '2017-12-01', 20.0), (1, DATE '2017-12-03', 40.0), (2, DATE '2017-11-28', 15.0), (3, DATE '2017-11-25', 5.0)),
    customers AS (FROM footfall.rfm(orders, customer, day, amount := price))
FROM footfall.rfm_summary(customers);$$;
