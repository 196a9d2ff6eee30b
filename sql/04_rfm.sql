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

COMMENT ON MACRO footfall.main.rfm_segment IS 'The segment of a recency and a frequency score.

The grid of ten segments, a row per recency score and a column per frequency score from 1 to 5:

| r | f = 1 | 2 | 3 | 4 | 5 |
| --- | --- | --- | --- | --- | --- |
| 5 | New | Potential Loyalists | Potential Loyalists | Champions | Champions |
| 4 | Promising | Potential Loyalists | Potential Loyalists | Loyal | Loyal |
| 3 | About to Sleep | About to Sleep | Need Attention | Loyal | Loyal |
| 2 | Hibernating | Hibernating | At Risk | At Risk | Can''t Lose |
| 1 | Hibernating | Hibernating | At Risk | At Risk | Can''t Lose |

With another number of bins the scores are stretched evenly onto 1 to 5, so the best stays the best.

Parameters:
- r, f: scores from 1 to `bins`; 5 is best. A score outside gives NULL.
- bins: the number of scores.

Example:
SELECT footfall.rfm_segment(5, 5) AS best, footfall.rfm_segment(1, 1) AS worst;';

CREATE MACRO footfall.main.rfm(tbl, customer_id, ts, amount := NULL, as_of := NULL, bins := 5) AS TABLE
WITH input_orders AS NOT MATERIALIZED (
    SELECT
        customer_id AS buyer,
        footfall.main.local_time('rfm', 'ts', ts) AS order_time,
        CAST(amount AS DOUBLE) AS order_amount,
        -- Without an amount this is the time itself, and DuckDB sees that when it plans.
        CASE WHEN typeof(amount) = typeof(NULL) OR amount > 0
            THEN footfall.main.local_time('rfm', 'ts', ts)
        END AS purchase_time
    FROM query_table(tbl)
),
-- A group of its own for the rows without a customer, since the last day is that of all rows.
customers AS MATERIALIZED (
    SELECT
        buyer,
        max(purchase_time) AS last_time,
        count(purchase_time) AS n_purchases,
        -- Compensated, so that the order of the rows cannot part equal customers.
        fsum(order_amount) AS total,
        max(order_time) AS last_seen
    FROM input_orders
    WHERE order_time > TIMESTAMP '-infinity' AND order_time < TIMESTAMP 'infinity'
        AND (as_of IS NULL OR order_time < CAST(as_of AS DATE) + INTERVAL 1 DAY)
    GROUP BY buyer
),
measured AS MATERIALIZED (
    SELECT
        buyer,
        coalesce(CAST(as_of AS DATE), (SELECT CAST(max(last_seen) AS DATE) FROM customers))
            - CAST(last_time AS DATE) AS days_since,
        n_purchases,
        total AS spent,
        -- Sums that differ only by rounding are equal: ten digits hold every cent below a hundred million.
        CASE WHEN total = 0 THEN 0
            ELSE round(total * pow(10, least(10 - ceil(log10(abs(total))), 300)))
                / pow(10, least(10 - ceil(log10(abs(total))), 300))
        END AS rounded_spent
    FROM customers
    WHERE buyer IS NOT NULL AND CASE WHEN isfinite(total) IS NOT false
        THEN n_purchases > 0
        ELSE CAST(error('footfall.rfm: argument ''amount'' adds up to ' || total || ' for customer '
            || left(CAST(buyer AS VARCHAR), 200) || '; allowed: finite numbers and NULL') AS BOOLEAN)
    END
),
-- A value's score depends on how many customers have worse ones and how many have the same, so each
-- different value is scored once.
recency_scores AS (
    SELECT
        days_since,
        1 + CAST(bins * (2 * sum(count(*)) OVER (ORDER BY days_since DESC) - count(*))
            // (2 * sum(count(*)) OVER ()) AS INTEGER) AS score
    FROM measured
    GROUP BY days_since
),
frequency_scores AS (
    SELECT
        n_purchases,
        1 + CAST(bins * (2 * sum(count(*)) OVER (ORDER BY n_purchases) - count(*))
            // (2 * sum(count(*)) OVER ()) AS INTEGER) AS score
    FROM measured
    GROUP BY n_purchases
),
monetary_scores AS (
    SELECT
        rounded_spent,
        1 + CAST(bins * (2 * sum(count(*)) OVER (ORDER BY rounded_spent) - count(*))
            // (2 * sum(count(*)) OVER ()) AS INTEGER) AS score
    FROM measured
    WHERE rounded_spent IS NOT NULL
    GROUP BY rounded_spent
),
scored AS (
    SELECT
        measured.*,
        recency_scores.score AS r_score,
        frequency_scores.score AS f_score,
        monetary_scores.score AS m_score
    FROM measured
    JOIN recency_scores ON recency_scores.days_since = measured.days_since
    JOIN frequency_scores ON frequency_scores.n_purchases = measured.n_purchases
    LEFT JOIN monetary_scores ON monetary_scores.rounded_spent = measured.rounded_spent
),
-- A name and digits for each pair of scores: a join by number is quicker than text made for every customer.
cells AS (
    SELECT
        10 * r_score + f_score AS cell,
        r_score || f_score AS digits,
        footfall.main.rfm_segment(r_score, f_score, CAST(bins AS INTEGER)) AS cell_segment
    FROM unnest(range(1, least(CAST(bins AS INTEGER), 9) + 1)) AS recencies(r_score),
        unnest(range(1, least(CAST(bins AS INTEGER), 9) + 1)) AS frequencies(f_score)
)
SELECT
    buyer AS customer_id,
    days_since AS recency_days,
    n_purchases AS frequency,
    spent AS monetary,
    r_score AS r,
    f_score AS f,
    m_score AS m,
    digits || coalesce(CAST(m_score AS VARCHAR), '') AS rfm,
    cell_segment AS segment
FROM scored
JOIN cells ON cells.cell = 10 * r_score + f_score
WHERE (SELECT
    footfall.main.check_option(
        bins BETWEEN 2 AND 9 AND bins = CAST(bins AS INTEGER), 'rfm', 'bins', bins, 'a whole number from 2 to 9'
    ) AND footfall.main.check_option(
        typeof(as_of) <> 'TIMESTAMP WITH TIME ZONE', 'rfm', 'as_of', as_of, 'a DATE or TIMESTAMP in the shop''s local time'
    )
);

COMMENT ON MACRO TABLE footfall.main.rfm IS 'Recency, frequency and money of every customer, scored and named.

One row per customer, in no particular order: `customer_id`, `recency_days` (whole days from the day
of the last purchase to `as_of`), `frequency` (number of purchase rows), `monetary` (sum of the
amounts), the scores `r`, `f`, `m` from 1 to `bins` with `bins` best, `rfm` (the scores as text) and
`segment` (from `r` and `f`, see `rfm_segment`). Without an amount `monetary` and `m` are NULL and `rfm` is two digits.

Scores: a customer''s place is the share of customers with a worse value plus half the share with the
same value, itself included; the score is 1 + floor(bins * place). So equal values have equal scores, a
better value never has a lower score, and multiplying all amounts by a positive constant changes nothing.
Money that agrees in ten digits is equal, since sums of decimal fractions are off in the sixteenth.
Recency is reversed: fewer days are better.

Purchases and refunds: with an amount, a purchase is a row whose amount is above 0, and only purchases
count for recency and frequency. A negative amount is a refund and is taken off `monetary`, which can
fall below 0; an amount of 0 or NULL changes nothing. Customers without a purchase, and rows with a NULL
customer or a NULL or infinite time, are left out. An infinite amount or NaN is an error.
To score the purchases among events, give a view or CTE that holds only those.

Parameters:
- tbl: the purchases: a table, view, CTE or file.
- customer_id: a column or expression of any type.
- ts: the time in the shop''s local time; TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE.
- amount: the money of the row, a number; NULL scores recency and frequency alone.
- as_of: DATE, the day from which recency is counted; later rows are left out. NULL is the last day in the data, whoever bought then.
- bins: the number of scores, 2 to 9.

Example:
WITH orders(customer, day, price) AS (VALUES
    (1, DATE ''2010-12-01'', 20.0), (1, DATE ''2010-12-08'', 35.5), (1, DATE ''2010-12-09'', -5.5),
    (2, DATE ''2010-12-05'', 12.0), (3, DATE ''2010-11-02'', 80.0))
FROM footfall.rfm(orders, customer, day, amount := price) ORDER BY customer_id;';

CREATE MACRO footfall.main.rfm_summary(tbl, customer_id, ts, amount := NULL, as_of := NULL, bins := 5) AS TABLE
WITH scored AS NOT MATERIALIZED (
    SELECT segment AS segment_name, recency_days, frequency, monetary
    FROM footfall.main.rfm(tbl, customer_id, ts, amount := amount, as_of := as_of, bins := bins)
)
SELECT
    segment_name AS segment,
    count(*) AS customers,
    count(*) / sum(count(*)) OVER () AS share,
    avg(recency_days) AS mean_recency_days,
    avg(frequency) AS mean_frequency,
    avg(monetary) AS mean_monetary
FROM scored
GROUP BY segment_name
ORDER BY list_position(
    ['Champions', 'Loyal', 'Potential Loyalists', 'New', 'Promising',
     'Need Attention', 'About to Sleep', 'At Risk', 'Can''t Lose', 'Hibernating'],
    segment_name
);

COMMENT ON MACRO TABLE footfall.main.rfm_summary IS 'The RFM segments: how many customers, and what they are like.

One row per segment that has customers, from Champions to Hibernating: `segment`, `customers`, `share`
of all customers, `mean_recency_days`, `mean_frequency`, `mean_monetary` (NULL without an amount). The rules are those of `rfm`.

Parameters:
- tbl, customer_id, ts, amount, as_of, bins: as in `rfm`.

Example:
WITH orders(customer, day) AS (VALUES
    (1, DATE ''2017-12-01''), (1, DATE ''2017-12-03''), (2, DATE ''2017-11-28''), (3, DATE ''2017-11-25''))
FROM footfall.rfm_summary(orders, customer, day);';
