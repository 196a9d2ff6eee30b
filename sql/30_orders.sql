-- Orders: what a customer bought at once, made from the lines of a shop's files.

CREATE MACRO footfall.internal.finite_total(function_name, customer, gross, total) AS
CASE WHEN customer IS NULL OR isfinite(gross) IS NOT false
    THEN total
    ELSE error(concat(
        'footfall.', function_name, ': argument ''amount'' adds up to ', CASE WHEN isnan(gross) THEN 'NaN' ELSE 'more than a DOUBLE holds' END,
        ' for customer ', footfall.internal.one_line(left(CAST(customer AS VARCHAR), 200)),
        ', signs left aside; allowed: numbers whose sizes add up to less than 1.8e308, and NULL'
    ))
END;

COMMENT ON MACRO footfall.internal.finite_total IS $$A customer's sum of amounts, or an error where their sizes add up to infinity or NaN.

Sizes are asked and not the sum: whether 1.7e308, 1.7e308 and -1.7e308 add up would depend on their order.

Parameters:
- function_name: the macro's name, for the message.
- customer: who it is, for the message; the sum of nobody, NULL, is not looked at.
- gross: DOUBLE, the sum of the absolute values.
- total: DOUBLE.

Example:
SELECT footfall.internal.finite_total('rfm', 1, 17.5, 12.5) AS total;$$;

CREATE MACRO footfall.internal.whole_units(type_name) AS
CASE
    WHEN type_name IN ('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'UTINYINT', 'USMALLINT', 'UINTEGER')
    THEN CAST(1 AS DOUBLE)
    WHEN type_name LIKE 'DECIMAL(%)' AND TRY_CAST(split_part(type_name[9:-2], ',', 1) AS INTEGER) <= 18
    THEN pow(10, TRY_CAST(split_part(type_name[9:-2], ',', 2) AS INTEGER))
END;

COMMENT ON MACRO footfall.internal.whole_units IS $$How many units of a type of number make a one.

NULL where not all numbers of the type are whole units that fit BIGINT.

Parameters:
- type_name: VARCHAR, of `typeof`.

Example:
SELECT footfall.internal.whole_units('DECIMAL(10,2)') AS cents, footfall.internal.whole_units('DOUBLE') AS none;$$;

CREATE MACRO footfall.internal.near_total(function_name, customer, line_amount, rows_suffice) AS
CASE
    WHEN rows_suffice
    THEN footfall.internal.finite_total(function_name, customer, sum(abs(line_amount)), fsum(line_amount))
    WHEN footfall.internal.rest_list(line_amount) IS NULL
    THEN CAST(footfall.internal.whole_sum(line_amount) AS DOUBLE) / CAST(1152921504606846976 AS DOUBLE)
    ELSE footfall.internal.exact_sum(line_amount)
END;

COMMENT ON MACRO footfall.internal.near_total IS $$The sum of an order to within its last digits, which tell whether it is above 0.

Parameters:
- function_name, customer: for the error of `finite_total`.
- line_amount: DOUBLE, the amounts of a group.
- rows_suffice: as in `order_rows`; true makes a total that is not finite an error.

Example:
SELECT footfall.internal.near_total('rfm', 1, x, false) AS total FROM (VALUES (CAST(0.1 AS DOUBLE)), (0.2)) AS money(x);$$;

CREATE MACRO footfall.internal.order_rows(
    function_name, tbl, customer_argument, customer_id, order_id, ts, amount,
    action := NULL, action_for := NULL, until_day := NULL, time_zone := NULL, rows_suffice := false
) AS TABLE
WITH ff_lines AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key(function_name, customer_argument, customer_id) AS buyer,
        footfall.internal.usable_key(function_name, 'order_id', order_id) AS order_key,
        ts AS moment,
        footfall.internal.instant(function_name, 'ts', ts) AS instant_time,
        footfall.internal.local_time(function_name, 'ts', ts, time_zone := time_zone, default_zone := 'UTC') AS local_time,
        footfall.internal.number(function_name, 'amount', amount) AS line_amount,
        CASE WHEN footfall.internal.whole_units(typeof(amount)) = 1
            THEN TRY_CAST(amount AS BIGINT)
            ELSE TRY_CAST(TRY_CAST(amount AS DOUBLE) * footfall.internal.whole_units(typeof(amount)) AS BIGINT)
        END AS line_units,
        footfall.internal.whole_units(typeof(amount)) AS unit,
        action AS line_action,
        -- Known when DuckDB plans, so that of the branches below it runs one.
        typeof(order_id) <> typeof(NULL) AS has_orders,
        typeof(amount) <> typeof(NULL) AS has_amounts,
        footfall.internal.whole_units(typeof(amount)) IS NOT NULL AS has_units,
        -- Said of the arguments themselves, which DuckDB knows when it plans: nothing is left of this for the rows.
        CASE
            WHEN typeof(action) <> typeof(NULL) AND (typeof(order_id) <> typeof(NULL) OR typeof(amount) <> typeof(NULL))
            THEN error(concat(
                'footfall.', function_name, ': argument ''action'' is given beside ',
                CASE WHEN typeof(order_id) <> typeof(NULL) THEN 'order_id' ELSE 'amount' END,
                '; allowed: one of them, since an order of several rows has no action'
            ))
            WHEN action_for IS NOT NULL AND typeof(action) = typeof(NULL)
            THEN error(concat(
                'footfall.', function_name, ': argument ''action'' is NULL, but ', footfall.internal.shown(CAST(action_for AS VARCHAR)),
                ' names one; allowed: the column of the actions, as in action := event_type'
            ))
            ELSE true
        END AS has_right_action
    FROM query_table(tbl)
),
ff_usable_lines AS NOT MATERIALIZED (
    FROM ff_lines
    WHERE has_right_action AND instant_time > TIMESTAMP '-infinity' AND instant_time < TIMESTAMP 'infinity'
        AND (until_day IS NULL OR local_time < CAST(until_day AS DATE) + INTERVAL 1 DAY)
)
SELECT
    buyer,
    NULL AS order_key,
    moment,
    moment AS last_moment,
    line_action,
    CAST(NULL AS HUGEINT) AS whole,
    CAST(NULL AS DOUBLE) AS unit,
    CAST(NULL AS DOUBLE[]) AS rest,
    CAST(NULL AS DOUBLE) AS gross,
    CAST(NULL AS BIGINT) AS n_lines,
    true AS is_purchase
FROM ff_usable_lines
WHERE NOT has_orders AND NOT has_amounts AND rows_suffice
UNION ALL
SELECT buyer, NULL, moment, moment, NULL, NULL, NULL, NULL, NULL, count(*), true
FROM ff_usable_lines
WHERE NOT has_orders AND NOT has_amounts AND NOT rows_suffice
GROUP BY buyer, moment
UNION ALL
-- Numbers of a type of whole units are summed as such, which costs less. A total within its own rounding is 0. DuckDB drops
-- the branches, and the sums of a branch, that are not asked for.
SELECT
    buyer, NULL, moment, moment, NULL, sum(line_units), max(unit), NULL, sum(abs(line_amount)), count(*),
    sum(line_units) > 5e-15 * max(unit) * sum(abs(line_amount))
FROM ff_usable_lines
WHERE NOT has_orders AND has_amounts AND has_units
GROUP BY buyer, moment
UNION ALL
SELECT
    buyer, NULL, moment, moment, NULL, footfall.internal.whole_sum(line_amount), CAST(1152921504606846976 AS DOUBLE),
    footfall.internal.rest_list(line_amount), sum(abs(line_amount)), count(*),
    footfall.internal.near_total(function_name, buyer, line_amount, rows_suffice) > 5e-15 * sum(abs(line_amount))
FROM ff_usable_lines
WHERE NOT has_orders AND has_amounts AND NOT has_units
GROUP BY buyer, moment
UNION ALL
SELECT buyer, order_key, min(moment), max(moment), NULL, NULL, NULL, NULL, NULL, count(*), true
FROM ff_usable_lines
WHERE has_orders AND NOT has_amounts
GROUP BY buyer, order_key, CASE WHEN order_key IS NULL THEN moment END
UNION ALL
SELECT
    buyer, order_key, min(moment), max(moment), NULL, sum(line_units), max(unit), NULL, sum(abs(line_amount)), count(*),
    sum(line_units) > 5e-15 * max(unit) * sum(abs(line_amount))
FROM ff_usable_lines
WHERE has_orders AND has_amounts AND has_units
GROUP BY buyer, order_key, CASE WHEN order_key IS NULL THEN moment END
UNION ALL
SELECT
    buyer, order_key, min(moment), max(moment), NULL, footfall.internal.whole_sum(line_amount), CAST(1152921504606846976 AS DOUBLE),
    footfall.internal.rest_list(line_amount), sum(abs(line_amount)), count(*),
    footfall.internal.near_total(function_name, buyer, line_amount, rows_suffice) > 5e-15 * sum(abs(line_amount))
FROM ff_usable_lines
WHERE has_orders AND has_amounts AND NOT has_units
GROUP BY buyer, order_key, CASE WHEN order_key IS NULL THEN moment END;

COMMENT ON MACRO TABLE footfall.internal.order_rows IS $$The orders in a relation, as `orders`, `rfm`, `repeat_purchase` and `cohorts` count them.

One row per order by the rules of `orders`, those of nobody included: `buyer`, `order_key`, `moment` and `last_moment`
(the first and last `ts`, of the type that it has), `line_action`, `whole`, `unit` and `rest` (the sum of the amounts in the parts
of `exact_total`), `gross` (that of their absolute values), `n_lines` and `is_purchase`. Rows with a NULL or infinite time are left out.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, order_id, ts, amount: as in `orders`.
- customer_argument: what the called macro names its customer, for messages.
- customer_id: a column or expression of any type.
- action: a column, kept in `line_action`; an error beside order_id or amount.
- action_for: the argument that names an action and so needs the column; NULL where none does.
- until_day: DATE; rows after this day are left out. NULL keeps all.
- time_zone: whose calendar `until_day` is meant in, for a TIMESTAMP WITH TIME ZONE; NULL is UTC.
- rows_suffice: true for macros that ask only when there was an order, and not how many or for how much: without an
  order_id and an amount the rows stay as they are, and a total that is infinite or NaN is an error here.

Example:
WITH lines(customer, order_id, day, price) AS (VALUES (1, 'A', DATE '2010-12-01', 20.0), (1, 'A', DATE '2010-12-01', 5.0))
SELECT buyer, order_key, gross, n_lines, is_purchase
FROM footfall.internal.order_rows('rfm', lines, 'customer_id', customer, order_id, day, price);$$;

CREATE MACRO footfall.main.orders(tbl, customer_id, order_id, ts, amount := NULL) AS TABLE
WITH ff_orders AS NOT MATERIALIZED (
    FROM footfall.internal.order_rows('orders', tbl, 'customer_id', customer_id, order_id, ts, amount)
)
SELECT
    footfall.internal.unmarked(buyer) AS customer_id,
    footfall.internal.unmarked(order_key) AS order_id,
    moment AS ts,
    footfall.internal.rounded(
        footfall.internal.finite_total('orders', buyer, gross, footfall.internal.exact_total(whole, rest, unit)), least(gross, 1e15), 15
    ) AS amount,
    n_lines AS lines,
    coalesce(is_purchase, false) AS is_purchase
FROM ff_orders
WHERE buyer IS NOT NULL;

COMMENT ON MACRO TABLE footfall.main.orders IS $$The orders in a file of order lines: one row for what a customer bought at once.

One row per order, in no particular order: `customer_id`, `order_id`, `ts` (the earliest of its lines), `amount` (their
sum), `lines` (how many) and `is_purchase`. Rows of a customer with the same `order_id` are one order. Rows without one (NULL,
NaN, empty or blank text, or `order_id` NULL for all) are one order where the customer has the same time, which is the
same day where `ts` is a DATE. The same number at two customers is two orders.

Refunds: an order is a purchase when its amounts add up to more than 0. So an order with a discount line is one
purchase, what was sent back is taken off the order whose number it carries, and an order that adds up to 0 or less
(a cancelled invoice, a gift, an exchange for something cheaper) or whose amounts are all NULL is none. Without an `amount` every order is a
purchase. `rfm`, `rfm_summary`, `rfm_thresholds`, `repeat_purchase` and `cohorts` count orders and purchases by these
rules, from the lines or from this table. Sums are rounded to the fifteenth digit of what was added, so that amounts which cancel are 0.

Rows without a customer, or with a NULL or infinite time, are left out. An infinite amount or NaN is an error, and so are amounts whose sizes
add up to more than a DOUBLE holds, 1.8e308.

Parameters:
- tbl: the order lines: a table, view, CTE or file.
- customer_id: a column or expression of any type.
- order_id: a column or expression of any type, such as the number of the invoice; NULL where there is none.
- ts: the time; TIMESTAMP, TIMESTAMP_S, _MS, _NS, DATE or TIMESTAMP WITH TIME ZONE.
- amount: the money of the row, a number; NULL where there is none.

Example:
WITH lines(customer, invoice, day, price) AS (VALUES
    (1, 'A1', DATE '2010-12-01', 20.0), (1, 'A1', DATE '2010-12-01', 35.5), (1, 'A1', DATE '2010-12-09', -5.5),
    (2, 'A2', DATE '2010-12-05', 12.0), (2, 'C2', DATE '2010-12-06', -12.0))
FROM footfall.orders(lines, customer, invoice, day, price) ORDER BY ts;$$;
