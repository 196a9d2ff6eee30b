-- Value: how many purchases are to be expected of a customer, and what they will be worth.

CREATE MACRO footfall.main.bgnbd(customers, options := {'family': 'auto'}, weights := []) AS
system.main.bgnbd(customers, options, weights);

COMMENT ON MACRO footfall.main.bgnbd IS $$Fits how often customers buy and when they stop: BG/NBD, by maximum likelihood.

While a customer is one, purchases come at random at a rate of his own; after each repeat purchase he stops for good with a
probability of his own. Rates are gamma distributed (shape `r`, rate `alpha`), probabilities beta distributed (`a`, `b`): Fader,
Hardie and Lee, "Counting Your Customers the Easy Way", Marketing Science 24 (2), 2005. In the modified model one may stop
after the first purchase, too (MBG/NBD: Batislam, Denizel and Filiztekin, 2007).

A STRUCT: `family` ('bgnbd' or 'mbgnbd'), `r`, `alpha` (in the unit of the times), `a`, `b`, their standard errors `r_error`, `alpha_error`,
`a_error`, `b_error`; the same population in numbers that have limits: `rate` (r / alpha, mean purchases per unit of time), `rate_dispersion` (1 / r),
`dropout` (a / (a + b), mean probability to stop), `dropout_dispersion` (1 / (a + b + 1), from 0 to 1); `log_likelihood`, `n` (customers), `n_repeat`
(who bought again), `converged`, `at_boundary` and `boundary`, which says in words where the maximum lies on a limit.

**At a boundary** the likelihood rises all the way to a limit of the model: nobody stops, or all customers have the same rate.
The parameters that run to infinity there are NULL, and so are errors that mean nothing; `rate` to `dropout_dispersion` hold the limit itself, and
`footfall.clv` predicts by it. Where nobody bought again the rate is 0. Standard errors are those of large samples, from the curvature at the maximum; of
what is not at a limit they take the limit as given.

Equal customers are merged, which changes no result, and all are put into an order of their own: the same customers give the same
bytes in any order. Customers that are NULL or hold a NULL are left out; none at all give NULL. It is one call, and an
interrupted query ends when it returns: on one processor a hundred thousand different customers take half a second, a million of them six. `fit_clv` finds
the same of a table and lets go at once.

Parameters:
- customers: a list of {'x': repeat purchases, 't_x': time of the last one, 'age': end of observation}, times counted from the first purchase in any unit; `t_x` is 0 where x is; x is at most 36525, one a day for a century.
- options: a STRUCT with `family`: 'bgnbd', 'mbgnbd' or 'auto': BG/NBD, and where that ends at a boundary MBG/NBD if it is more likely.
- weights: a list with the number of times that each customer counts; an empty list for once each.

Example:
SELECT round(fit.rate, 3) AS rate, fit.n, fit.n_repeat, fit.converged, fit.boundary
FROM (SELECT bgnbd([{'x': 2, 't_x': 30.4, 'age': 38.9}, {'x': 1, 't_x': 1.7, 'age': 38.9}, {'x': 0, 't_x': 0, 'age': 38.9}, {'x': 5, 't_x': 20.0, 'age': 25.0}]) AS fit);$$;

CREATE MACRO footfall.main.gamma_gamma(customers, weights := []) AS system.main.gamma_gamma(customers, weights);

COMMENT ON MACRO footfall.main.gamma_gamma IS $$Fits what a purchase is worth: the Gamma-Gamma model, by maximum likelihood.

The values of a customer's purchases are gamma distributed with shape `p` and a rate of his own, which is gamma distributed over the
customers (shape `q`, rate `v`): Fader and Hardie, "The Gamma-Gamma Model of Monetary Value", 2013. How often somebody buys
must tell little of what he spends; `fit_clv` gives the correlation.

A STRUCT: `p`, `q`, `v` (in the unit of the values), their standard errors `p_error`, `q_error`, `v_error`, `mean_value` (p v / (q - 1), the expected value of
a purchase of a new customer; NULL where it is infinite, for a q of 1 or less), `log_likelihood` (of the mean values), `n` (customers it was fitted to),
`converged`, `at_boundary` and `boundary`, in words. Who bought no second time, or whose mean value is not above 0, tells nothing and is left out; where nobody is
left the result is NULL. The order of the customers and whether they are merged changes nothing.

Parameters:
- customers: a list of {'x': repeat purchases, 'value': their mean value}.
- weights: a list with the number of times that each customer counts; an empty list for once each.

Example:
SELECT round(fit.mean_value, 2) AS mean_value, fit.n
FROM (SELECT gamma_gamma([{'x': 2, 'value': 20.0}, {'x': 4, 'value': 35.0}, {'x': 1, 'value': 8.5}, {'x': 7, 'value': 22.0}, {'x': 3, 'value': 51.0}]) AS fit);$$;

CREATE MACRO footfall.internal.days_per_unit(function_name, time_unit) AS
CASE WHEN footfall.internal.check_option(
    list_contains(['day', 'week'], footfall.internal.option_name(time_unit)), function_name, 'time_unit', time_unit, '''day'', ''week'''
) THEN CASE footfall.internal.option_name(time_unit) WHEN 'day' THEN 1 ELSE 7 END END;

COMMENT ON MACRO footfall.internal.days_per_unit IS $$The days of a unit of time, or the error for another one.

Parameters:
- function_name: the macro's name, for the message.
- time_unit: 'day' or 'week'.

Example:
SELECT footfall.internal.days_per_unit('fit_clv', 'week') AS days;$$;

CREATE MACRO footfall.internal.horizon_days(function_name, argument_name, given, from_day, back := false) AS
CASE WHEN footfall.internal.check_option(
    footfall.internal.duration(function_name, argument_name, given) BETWEEN INTERVAL 1 DAY AND INTERVAL 100 YEAR,
    function_name, argument_name, given, 'an INTERVAL from 1 day to 100 years'
) THEN [
    -- Months are as long as they are on the calendar, up to where it has room for another century.
    CASE WHEN back
        THEN start_day - CAST(start_day - footfall.internal.duration(function_name, argument_name, given) AS DATE)
        ELSE CAST(start_day + footfall.internal.duration(function_name, argument_name, given) AS DATE) - start_day
    END
    FOR start_day IN [least(greatest(coalesce(from_day, DATE '2000-01-01'), DATE '1000-01-01'), DATE '100000-01-01')]
][1] END;

COMMENT ON MACRO footfall.internal.horizon_days IS $$The whole days of an interval from a day on, or the error for one that is none.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: an INTERVAL from 1 day to 100 years.
- from_day: DATE.
- back: whether the days before it are meant, and not those after it.

Example:
SELECT footfall.internal.horizon_days('clv', 'horizon', INTERVAL 3 MONTHS, DATE '2010-12-09') AS days;$$;

CREATE MACRO footfall.internal.end_day(function_name, given) AS
CASE WHEN footfall.internal.check_option(
    coalesce(isfinite(footfall.internal.moment_option(function_name, 'as_of', given)), true), function_name, 'as_of', given,
    'a DATE or TIMESTAMP in the shop''s local time, not infinite'
) THEN CAST(footfall.internal.moment_option(function_name, 'as_of', given) AS DATE) END;

COMMENT ON MACRO footfall.internal.end_day IS $$The last day that is looked at, or the error for one that is infinite.

Parameters:
- function_name: the macro's name, for the message.
- given: DATE or TIMESTAMP; NULL stays NULL.

Example:
SELECT footfall.internal.end_day('clv', DATE '2010-12-09') AS day;$$;

CREATE MACRO footfall.internal.clv_days(function_name, tbl, customer_id, ts, amount, order_id, time_zone, until_day := NULL) AS TABLE
WITH ff_orders AS NOT MATERIALIZED (
    SELECT
        buyer,
        CAST(footfall.internal.local_time(function_name, 'ts', moment, time_zone := time_zone, default_zone := 'UTC') AS DATE) AS order_day,
        CAST(footfall.internal.local_time(function_name, 'ts', last_moment, time_zone := time_zone, default_zone := 'UTC') AS DATE) AS last_row_day,
        is_purchase,
        whole,
        unit,
        rest,
        gross
    FROM footfall.internal.order_rows(
        function_name, tbl, 'customer_id', customer_id, order_id, ts, amount, until_day := until_day, time_zone := time_zone
    )
)
SELECT
    buyer,
    order_day,
    coalesce(bool_or(is_purchase), false) AS has_purchase,
    footfall.internal.exact_total(sum(whole), flatten(list(rest) FILTER (rest IS NOT NULL)), max(unit)) AS day_total,
    sum(gross) AS day_gross,
    max(last_row_day) AS last_row_day
FROM ff_orders
GROUP BY buyer, order_day;

COMMENT ON MACRO TABLE footfall.internal.clv_days IS $$The days of each customer on which there was an order, by the rules of `orders`.

One row per customer and day, those of nobody included: `buyer`, `order_day`, `has_purchase`, `day_total`, `day_gross` and `last_row_day`.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, customer_id, ts, amount, order_id, time_zone: as in `rfm`.
- until_day: rows after this day are left out; NULL keeps all.

Example:
WITH lines(customer, day, price) AS (VALUES (1, DATE '2010-12-01', 20.0), (1, DATE '2010-12-01', 5.0))
FROM footfall.internal.clv_days('clv', lines, customer, day, price, NULL, NULL);$$;

CREATE MACRO footfall.internal.clv_customers(function_name, days, end_day) AS TABLE
WITH ff_days AS NOT MATERIALIZED (
    SELECT buyer, order_day, has_purchase, day_total, day_gross FROM query_table(days) WHERE order_day <= end_day
),
ff_buyers AS MATERIALIZED (
    SELECT
        buyer,
        min(order_day) FILTER (has_purchase) AS first_day,
        max(order_day) FILTER (has_purchase) AS last_day,
        count(*) FILTER (has_purchase) AS n_days,
        sum(day_gross) AS gross
    FROM ff_days
    WHERE buyer IS NOT NULL
    GROUP BY buyer
    -- An amount that is no number is no purchase either, so the total is looked at first.
    HAVING CASE WHEN isfinite(footfall.internal.finite_total(function_name, buyer, sum(day_gross), fsum(day_total))) IS NOT false THEN n_days > 0 END
),
ff_repeats AS (
    SELECT ff_days.buyer, footfall.internal.exact_sum(day_total) AS repeat_total, sum(day_gross) AS repeat_gross
    FROM ff_days
    JOIN ff_buyers ON ff_buyers.buyer = ff_days.buyer
    WHERE order_day > first_day
    GROUP BY ff_days.buyer
)
SELECT
    ff_buyers.buyer,
    first_day,
    last_day,
    n_days - 1 AS n_repeat,
    last_day - first_day AS last_days,
    end_day - first_day AS age_days,
    CASE WHEN n_days > 1 THEN
        footfall.internal.rounded(repeat_total, least(repeat_gross, 1e15), 15) / (n_days - 1)
    END AS repeat_value
FROM ff_buyers
LEFT JOIN ff_repeats ON ff_repeats.buyer = ff_buyers.buyer;

COMMENT ON MACRO TABLE footfall.internal.clv_customers IS $$The sufficient statistics of each customer who has bought until a day.

One row per customer: `buyer`, `first_day`, `last_day`, `n_repeat` (days with a purchase after the first such day), `last_days` (from the first to
the last of them), `age_days` (from the first to the end) and `repeat_value` (the money after the first day per such day, refunds taken off).

Parameters:
- function_name: the macro that was called, for messages.
- days: the rows of `clv_days`.
- end_day: DATE, the end of the observation.

Example:
WITH days(buyer, order_day, has_purchase, day_total, day_gross) AS (VALUES
    (1, DATE '2010-12-01', true, 20.0::DOUBLE, 20.0::DOUBLE), (1, DATE '2010-12-05', true, 5.0, 5.0))
FROM footfall.internal.clv_customers('clv', days, DATE '2010-12-09');$$;

CREATE MACRO footfall.internal.clv_model(purchases, money, days_per_unit, as_of_day) AS
system.main.clv_model(purchases, money, days_per_unit, as_of_day);

COMMENT ON MACRO footfall.internal.clv_model IS $$What `bgnbd` and `gamma_gamma` gave, as one value: the model of `footfall.fit_clv`.

Parameters:
- purchases: STRUCT, of `bgnbd`.
- money: STRUCT, of `gamma_gamma`; NULL where there are no amounts.
- days_per_unit: DOUBLE, the unit of time of the rates.
- as_of_day: BIGINT, the end of the observation in days since 1970-01-01.

Example:
SELECT octet_length(clv_model(bgnbd([{x: 2, t_x: 3, age: 9}, {x: 0, t_x: 0, age: 8}]), NULL, 7, 17500)) > 0 AS is_a_model;$$;

CREATE MACRO footfall.internal.clv_model_info(model, called_as := 'clv_model_info') AS system.main.clv_model_info(model, called_as);

COMMENT ON MACRO footfall.internal.clv_model_info IS $$What the macros need of a model of customer value.

A STRUCT of `as_of_day`, `days_per_unit` and `has_values`.

Parameters:
- model: BLOB, of `clv_model`.
- called_as: the macro that an error names.

Example:
SELECT clv_model_info(clv_model(bgnbd([{x: 2, t_x: 3, age: 9}, {x: 0, t_x: 0, age: 8}]), NULL, 7, 17500), 'clv').days_per_unit AS days;$$;

CREATE MACRO footfall.internal.clv_piece(job, customers, "values", options) AS system.main.clv_piece(job, customers, "values", options);

COMMENT ON MACRO footfall.internal.clv_piece IS $$Fits `bgnbd` and `gamma_gamma` for about half a second: the step under `footfall.fit_clv`.

A STRUCT as that of `kmeans_piece`; `result` is a STRUCT of `purchases`, as `bgnbd` gives it, and `money`, as `gamma_gamma` does.

Parameters:
- job: as for `kmeans_piece`.
- customers: BLOB, of `pack_points`: [x, t_x, age, weight] of each.
- values: BLOB, of `pack_points`: [x, value] of those that have one; an empty one for none.
- options: STRUCT with `family`, as for `bgnbd`; the option `called_as` is the macro that an error names.

Example:
SELECT p.finished, p.result.purchases.n AS customers
FROM (SELECT clv_piece(0, pack_points([[2, 3, 9, 1], [0, 0, 8, 4]]), ''::BLOB, {'family': 'bgnbd'}) AS p);$$;

CREATE MACRO footfall.internal.clv_forecast_piece(job, points, model, horizon, coverage, options) AS
system.main.clv_forecast_piece(job, points, model, horizon, coverage, options);

COMMENT ON MACRO footfall.internal.clv_forecast_piece IS $$Looks ahead for customers for about half a second: the step under `footfall.clv`.

A STRUCT as that of `kmeans_piece`; `result` is a BLOB for `read_forecast`.

Parameters:
- job: as for `kmeans_piece`.
- points: BLOB, of `pack_points`: of each customer the repeat purchases, days from the first purchase to the last, days from the first purchase to the end, and of how many purchases the value is known.
- model: BLOB, of `clv_model`.
- horizon: DOUBLE, days ahead.
- coverage: DOUBLE, of the intervals; 0 asks for none.
- options: STRUCT with `threads`; the option `called_as` is the macro that an error names.

Example:
SELECT p.finished, read_forecast(p.result, 0).expected_purchases > 0 AS is_expected
FROM (SELECT clv_forecast_piece(0, pack_points([[1, 7, 30, 0]]), clv_model(bgnbd([{x: 2, t_x: 3, age: 9}, {x: 0, t_x: 0, age: 8}]), NULL, 7, 17500), 30, 0, {'threads': 1}) AS p);$$;

CREATE MACRO footfall.internal.read_forecast(forecasts, place) AS system.main.read_forecast(forecasts, place);

COMMENT ON MACRO footfall.internal.read_forecast IS $$What `clv_forecast_piece` found of one customer.

A STRUCT of the columns `probability_alive` to `value_high` of `footfall.clv`, and `prior_value`; the values are multiples of it and of the
sum of the known values.

Parameters:
- forecasts: BLOB, `result` of `clv_forecast_piece`.
- place: BIGINT, of the customer in the list that was packed, from 0.

Example:
SELECT read_forecast(p.result, 0).probability_alive AS alive
FROM (SELECT clv_forecast_piece(0, pack_points([[0, 0, 30, 0]]), clv_model(bgnbd([{x: 2, t_x: 3, age: 9}, {x: 0, t_x: 0, age: 8}]), NULL, 7, 17500), 30, 0, {'threads': 1}) AS p);$$;

CREATE MACRO footfall.internal.clv_fitted(function_name, customers, end_day, time_unit, family) AS TABLE
WITH RECURSIVE
ff_customers AS NOT MATERIALIZED (
    SELECT n_repeat, last_days, age_days, repeat_value FROM query_table(customers)
),
ff_unit AS MATERIALIZED (
    SELECT
        CAST(footfall.internal.days_per_unit(function_name, time_unit) AS DOUBLE) AS unit_days,
        CASE WHEN footfall.internal.check_option(
            list_contains(['auto', 'bgnbd', 'mbgnbd'], CAST(family AS VARCHAR)), function_name, 'family', family, '''auto'', ''bgnbd'', ''mbgnbd'''
        ) THEN {'family': CAST(family AS VARCHAR), 'called_as': function_name} END AS options
),
ff_distinct AS (
    SELECT n_repeat, last_days, age_days, count(*) AS n_customers FROM ff_customers GROUP BY n_repeat, last_days, age_days
),
ff_packed AS MATERIALIZED (
    SELECT
        system.main.pack_points(list([n_repeat, last_days / unit_days, age_days / unit_days, n_customers]), function_name) AS purchases,
        (
            SELECT coalesce(system.main.pack_points(list([n_repeat, repeat_value]) FILTER (repeat_value > 0), function_name), CAST('' AS BLOB))
            FROM ff_customers
        ) AS money
    FROM ff_distinct
    CROSS JOIN ff_unit
),
-- As in `segment`.
ff_run(ff_step, ff_pieces) AS (
    SELECT 0, [system.main.clv_piece(0, purchases, money, options)] FROM ff_packed, ff_unit
    UNION ALL
    SELECT ff_step + 1, [system.main.clv_piece(ff_pieces[1]['job'], purchases, money, options)]
    FROM ff_run, ff_packed, ff_unit
    WHERE NOT ff_pieces[1]['finished']
),
ff_found AS MATERIALIZED (
    SELECT any_value(ff_pieces[1]['result']) AS found FROM ff_run WHERE ff_pieces[1]['finished']
),
ff_values AS (
    SELECT
        -- In an order of their own: a correlation of the same numbers in another order ends in other digits.
        corr(n_repeat, repeat_value ORDER BY n_repeat ASC NULLS LAST, repeat_value ASC NULLS LAST) FILTER (repeat_value > 0) AS dependence,
        count(*) FILTER (repeat_value <= 0) AS n_without_value
    FROM ff_customers
)
SELECT
    found['purchases'] AS purchases,
    found['money'] AS money,
    ff_values.*,
    ff_unit.*,
    system.main.clv_model(found['purchases'], found['money'], unit_days, CAST(end_day - DATE '1970-01-01' AS BIGINT)) AS model_bytes
FROM ff_found
CROSS JOIN ff_values
CROSS JOIN ff_unit;

COMMENT ON MACRO TABLE footfall.internal.clv_fitted IS $$The models of purchases and of their value, of the customers of `clv_customers`.

One row: `purchases` (as `bgnbd`), `money` (as `gamma_gamma`), `dependence` (the correlation of frequency and value), `n_without_value`, `unit_days`, `options` and `model_bytes`.

Parameters:
- function_name: the macro that was called, for messages.
- customers: the rows of `clv_customers`.
- end_day: DATE, the end of the observation.
- time_unit, family: as in `fit_clv`.

Example:
WITH known(n_repeat, last_days, age_days, repeat_value) AS (VALUES (2, 213, 272, 22.35::DOUBLE), (1, 12, 272, 11.77), (0, 0, 272, NULL), (5, 140, 175, 31.0))
SELECT purchases.n, money.n FROM footfall.internal.clv_fitted('fit_clv', known, DATE '1997-09-30', 'week', 'auto');$$;

CREATE MACRO footfall.main.fit_clv(
    tbl, customer_id, ts, amount := NULL, as_of := NULL, order_id := NULL, time_unit := 'week', family := 'auto', time_zone := NULL
) AS TABLE
WITH ff_order_days AS MATERIALIZED (
    FROM footfall.internal.clv_days(
        'fit_clv', tbl, customer_id, ts, amount, order_id, time_zone, until_day := footfall.internal.moment_option('fit_clv', 'as_of', as_of)
    )
),
ff_end AS MATERIALIZED (
    SELECT coalesce(footfall.internal.end_day('fit_clv', as_of), max(last_row_day)) AS last_day_seen FROM ff_order_days
),
ff_known AS MATERIALIZED (
    FROM footfall.internal.clv_customers('fit_clv', ff_order_days, (SELECT last_day_seen FROM ff_end))
),
ff_fitted AS MATERIALIZED (
    FROM footfall.internal.clv_fitted('fit_clv', ff_known, (SELECT last_day_seen FROM ff_end), time_unit, family)
)
SELECT
    purchases.family AS family,
    purchases.r AS r,
    purchases.r_error AS r_error,
    purchases.alpha AS alpha,
    purchases.alpha_error AS alpha_error,
    purchases.a AS a,
    purchases.a_error AS a_error,
    purchases.b AS b,
    purchases.b_error AS b_error,
    purchases.rate AS mean_rate,
    purchases.dropout AS mean_dropout,
    purchases.log_likelihood AS log_likelihood,
    purchases.n AS customers,
    purchases.n_repeat AS repeat_customers,
    purchases.converged AND coalesce(money.converged, true) AS converged,
    purchases.at_boundary OR coalesce(money.at_boundary, false) AS at_boundary,
    nullif(concat_ws('; ', purchases.boundary, money.boundary), '') AS boundary,
    money.p AS p,
    money.p_error AS p_error,
    money.q AS q,
    money.q_error AS q_error,
    money.v AS v,
    money.v_error AS v_error,
    money.mean_value AS mean_value,
    money.log_likelihood AS value_log_likelihood,
    money.n AS value_customers,
    n_without_value AS refunded_customers,
    dependence AS value_correlation,
    footfall.internal.option_name(time_unit) AS time_unit,
    (SELECT last_day_seen FROM ff_end) AS as_of,
    model_bytes AS model
FROM ff_fitted
WHERE purchases IS NOT NULL;

COMMENT ON MACRO TABLE footfall.main.fit_clv IS $$Learns from orders how often customers buy, when they stop and what they spend.

One row: the parameters of the purchases (BG/NBD, see `bgnbd`) `family`, `r`, `alpha`, `a`, `b` with standard errors (`r_error` ...),
`mean_rate` (purchase days per `time_unit` of a customer who has not stopped), `mean_dropout` (the probability to stop after a purchase), `log_likelihood`, `customers`, `repeat_customers`;
`converged`, `at_boundary` and `boundary` (in words, where the maximum is at a limit of the model; predictions are then those of the limit);
the parameters of the value (Gamma-Gamma, see `gamma_gamma`) `p`, `q`, `v` with errors, `mean_value`, `value_log_likelihood`, `value_customers`, `refunded_customers` (who
bought again and had no less sent back; they tell nothing of the value), `value_correlation` (of frequency and value: the model takes it for 0, and from about 0.3 on it shows in the predictions);
`time_unit`, `as_of` and `model`. No row where nobody bought. Keep it in a table, and give `model` to `clv`. **Look at `clv_report` first**: it says
how good such predictions were on the last months of your own data. It ends within a second of an interruption, as do `clv` and `clv_report`.

**Days, orders and refunds.** What is counted are days with a purchase: two orders on one day are one decision to buy. Orders and purchases are those of `rfm`
and `orders`: lines are merged by `order_id`, and an order that does not add up to more than 0 is none. The first day makes a
customer; the value is the mean money of a repeat day, and a refund on a later day is taken off it. Rows without a customer or a time are left out, and an infinite amount or NaN is an error.

Parameters:
- tbl: the purchases or order lines: a table, view, CTE or file.
- customer_id: a column or expression of any type.
- ts: the time in the shop's local time, TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE; or a TIMESTAMP WITH TIME ZONE.
- amount: the money of the row, a number; NULL learns the purchases alone.
- as_of: DATE, the end of the observation; later rows are left out. NULL is the last day in the data, whoever bought then.
- order_id: the number of the order, a column or expression of any type.
- time_unit: the unit of `alpha` and `mean_rate`: 'day' or 'week'. It changes nothing else.
- family: 'bgnbd', 'mbgnbd' or 'auto', as in `bgnbd`.
- time_zone: whose calendar days are counted where `ts` is a TIMESTAMP WITH TIME ZONE; NULL is UTC.

Example:
WITH orders AS (
    SELECT i % 40 AS customer, DATE '2010-01-01' + CAST((i * i * 7 + i) % 300 AS INTEGER) AS day, 10 + i % 17 AS price FROM range(120) numbers(i))
SELECT customers, repeat_customers, round(mean_rate, 3) AS mean_rate, round(mean_value, 2) AS mean_value, converged, as_of
FROM footfall.fit_clv(orders, customer, day, amount := price);$$;

CREATE MACRO footfall.internal.clv_forecasts(function_name, customers, trained, days_ahead, share) AS TABLE
WITH RECURSIVE
ff_customers AS MATERIALIZED (
    SELECT *, CASE WHEN repeat_value IS NOT NULL THEN n_repeat ELSE 0 END AS n_known FROM query_table(customers)
),
ff_settings AS MATERIALIZED (
    SELECT
        trained AS model_bytes,
        CAST(days_ahead AS DOUBLE) AS horizon_days,
        CAST(coalesce(share, 0) AS DOUBLE) AS share_within,
        {'threads': current_setting('threads'), 'called_as': function_name} AS options
),
-- Of customers with the same history one is asked about: what they spent is a factor behind all that takes time.
ff_distinct AS MATERIALIZED (
    SELECT *, row_number() OVER () - 1 AS ff_place FROM (SELECT DISTINCT n_repeat, last_days, age_days, n_known FROM ff_customers)
),
ff_packed AS MATERIALIZED (
    SELECT system.main.pack_points(list([n_repeat, last_days, age_days, n_known] ORDER BY ff_place ASC NULLS LAST), function_name) AS histories
    FROM ff_distinct
),
-- As in `segment`.
ff_run(ff_step, ff_pieces) AS (
    SELECT 0, [system.main.clv_forecast_piece(0, histories, model_bytes, horizon_days, share_within, options)] FROM ff_packed, ff_settings
    UNION ALL
    SELECT ff_step + 1, [system.main.clv_forecast_piece(ff_pieces[1]['job'], histories, model_bytes, horizon_days, share_within, options)]
    FROM ff_run, ff_packed, ff_settings
    WHERE NOT ff_pieces[1]['finished']
),
ff_found AS MATERIALIZED (
    SELECT any_value(ff_pieces[1]['result']) AS forecasts FROM ff_run WHERE ff_pieces[1]['finished']
),
ff_read AS MATERIALIZED (
    SELECT n_repeat, last_days, age_days, n_known, system.main.read_forecast(forecasts, ff_place) AS forecast FROM ff_distinct CROSS JOIN ff_found
)
SELECT
    ff_customers.*,
    forecast,
    -- Somebody who had more sent back than he bought has spent nothing, and not less.
    forecast.prior_value + ff_customers.n_known * greatest(coalesce(repeat_value, 0), 0) AS value_scale
FROM ff_customers
JOIN ff_read ON ff_read.n_repeat = ff_customers.n_repeat AND ff_read.last_days = ff_customers.last_days
    AND ff_read.age_days = ff_customers.age_days AND ff_read.n_known = ff_customers.n_known;

COMMENT ON MACRO TABLE footfall.internal.clv_forecasts IS $$The customers of `clv_customers` with what is to be expected of each.

The columns of `customers`, and `forecast`, a STRUCT: `probability_alive`, `expected_purchases`, `purchases_low`, `purchases_high`, `expected_value`, `value_low` and `value_high`,
the last three as multiples of `value_scale`.

Parameters:
- function_name: the macro that was called, for messages.
- customers: the rows of `clv_customers`.
- trained: a model of `fit_clv`.
- days_ahead: days after the end of the observation.
- share: the share of customers within the intervals; NULL makes none.

Example:
WITH orders AS (SELECT i % 40 AS customer, DATE '2010-01-01' + CAST((i * i * 7 + i) % 300 AS INTEGER) AS day FROM range(120) numbers(i)),
    known(n_repeat, last_days, age_days, repeat_value) AS (VALUES (2, 213, 272, NULL::DOUBLE))
SELECT round(forecast.probability_alive, 3) AS alive
FROM footfall.internal.clv_forecasts('clv', known, (SELECT model FROM footfall.fit_clv(orders, customer, day)), 90, NULL);$$;

CREATE MACRO footfall.internal.check_coverage(function_name, coverage) AS
footfall.internal.check_option(
    coverage IS NULL OR TRY_CAST(CAST(coverage AS VARCHAR) AS DOUBLE) BETWEEN 0.01 AND 0.999, function_name, 'coverage', coverage,
    'a share from 0.01 to 0.999, or NULL for no intervals'
);

COMMENT ON MACRO footfall.internal.check_coverage IS $$True, or the error for a share that no interval can hold.

Parameters:
- function_name: the macro's name, for the message.
- coverage: a number, or NULL.

Example:
SELECT footfall.internal.check_coverage('clv', 0.9) AS is_right;$$;

CREATE MACRO footfall.main.clv(
    tbl, customer_id, ts, model, horizon := INTERVAL '90 days', amount := NULL, as_of := NULL, order_id := NULL, coverage := 0.9, time_zone := NULL
) AS TABLE
WITH ff_order_days AS MATERIALIZED (
    FROM footfall.internal.clv_days(
        'clv', tbl, customer_id, ts, amount, order_id, time_zone, until_day := footfall.internal.moment_option('clv', 'as_of', as_of)
    )
),
ff_given AS MATERIALIZED (
    SELECT footfall.internal.trained_model('clv', model, 'fit_clv', 'nobody bought') AS trained
),
ff_end AS MATERIALIZED (
    SELECT coalesce(
        footfall.internal.end_day('clv', as_of),
        -- The model has seen the shop until its own end, whoever is asked about here.
        greatest((SELECT max(last_row_day) FROM ff_order_days), DATE '1970-01-01' + CAST(system.main.clv_model_info(trained, 'clv').as_of_day AS INTEGER))
    ) AS last_day_seen
    FROM ff_given
),
ff_known AS MATERIALIZED (
    FROM footfall.internal.clv_customers('clv', ff_order_days, (SELECT last_day_seen FROM ff_end))
),
ff_expected AS NOT MATERIALIZED (
    FROM footfall.internal.clv_forecasts(
        'clv',
        ff_known,
        (SELECT trained FROM ff_given),
        (SELECT footfall.internal.horizon_days('clv', 'horizon', horizon, last_day_seen) FROM ff_end),
        TRY_CAST(CAST(coverage AS VARCHAR) AS DOUBLE)
    )
)
SELECT
    footfall.internal.unmarked(buyer) AS customer_id,
    n_repeat AS frequency,
    CAST(last_days AS INTEGER) AS recency,
    CAST(age_days AS INTEGER) AS age,
    forecast.probability_alive AS probability_alive,
    forecast.expected_purchases AS expected_purchases,
    CAST(forecast.purchases_low AS BIGINT) AS purchases_low,
    CAST(forecast.purchases_high AS BIGINT) AS purchases_high,
    forecast.expected_value * value_scale AS expected_value,
    forecast.value_low * value_scale AS value_low,
    forecast.value_high * value_scale AS value_high,
    repeat_value,
    (SELECT last_day_seen FROM ff_end) AS as_of
FROM ff_expected
WHERE (SELECT
    footfall.internal.check_coverage('clv', coverage)
    AND footfall.internal.horizon_days('clv', 'horizon', horizon, last_day_seen) > 0
    AND (footfall.internal.moment_option('clv', 'as_of', as_of) IS NOT NULL OR as_of IS NULL)
    AND system.main.clv_model_info((SELECT trained FROM ff_given), 'clv') IS NOT NULL
    FROM ff_end
);

COMMENT ON MACRO TABLE footfall.main.clv IS $$What each customer will bring: purchases and money within a horizon, and whether he still is a customer.

One row per customer, in no particular order: `customer_id`, `frequency` (days with a purchase after the first such day), `recency` (days from the first
purchase to the last), `age` (days from the first purchase to `as_of`), `probability_alive` (that he has not stopped), `expected_purchases` (days with a
purchase in the horizon) and `expected_value` (their money), `purchases_low`, `purchases_high`, `value_low`, `value_high`, `repeat_value` (the mean money of a repeat day so far, refunds taken off;
NULL without one) and `as_of`. Multiply nothing: `expected_value` is the money after the chance that nobody comes.

**The intervals are those of a prediction**: what this customer really brings lies within with the `coverage` that was asked for, if customers are as the
model says; for most customers they begin at 0. They are no intervals of the expectation, which the parameters of some thousand customers make known to a few
percent, and that uncertainty is not in them. The purchases of many customers vary less than each: add up `expected_value`, never the ends.

In BG/NBD nobody stops before the second purchase, so who bought once has a `probability_alive` of 1 and few expected purchases: read the latter.
Days, orders and refunds count as in `fit_clv`. A customer whose repeat purchases were all sent back has spent 0. Without `amount`, or with one and without
repeat purchases, `expected_value` is that of the mean customer; without money in the model it is NULL, and where the mean is infinite.

Parameters:
- tbl, customer_id, ts, amount, order_id, time_zone: as in `fit_clv`. The customers need not be those that the model was learned from.
- model: a model of `fit_clv`, such as (SELECT model FROM clv_model).
- horizon: INTERVAL from 1 day to 100 years, from the day after `as_of` on.
- as_of: DATE, the end of the observation; later rows are left out. NULL is the last day in the data or that of the model, whichever is later.
- coverage: the share of customers whose purchases (and money) the intervals are to hold; NULL makes none, which is quicker.

Example:
WITH orders AS (
    SELECT i % 40 AS customer, DATE '2010-01-01' + CAST((i * i * 7 + i) % 300 AS INTEGER) AS day, 10 + i % 17 AS price FROM range(120) numbers(i)),
    learned AS (FROM footfall.fit_clv(orders, customer, day, amount := price))
SELECT customer_id, frequency, recency, age, round(probability_alive, 3) AS probability_alive, round(expected_purchases, 3) AS expected_purchases, round(expected_value, 2) AS expected_value
FROM footfall.clv(orders, customer, day, (SELECT model FROM learned), horizon := INTERVAL 90 DAYS, amount := price) ORDER BY customer_id LIMIT 5;$$;

CREATE MACRO footfall.main.clv_report(
    tbl, customer_id, ts, holdout := INTERVAL '90 days', amount := NULL, as_of := NULL, order_id := NULL, time_unit := 'week', family := 'auto', time_zone := NULL
) AS TABLE
WITH ff_order_days AS MATERIALIZED (
    FROM footfall.internal.clv_days(
        'clv_report', tbl, customer_id, ts, amount, order_id, time_zone, until_day := footfall.internal.moment_option('clv_report', 'as_of', as_of)
    )
),
ff_last AS MATERIALIZED (
    SELECT coalesce(footfall.internal.end_day('clv_report', as_of), max(last_row_day)) AS last_day_seen FROM ff_order_days
),
ff_held AS MATERIALIZED (
    SELECT
        last_day_seen,
        CAST(footfall.internal.horizon_days('clv_report', 'holdout', holdout, last_day_seen, back := true) AS INTEGER) AS held_days
    FROM ff_last
),
ff_end AS MATERIALIZED (
    SELECT last_day_seen, held_days, last_day_seen - held_days AS cut_day FROM ff_held
),
ff_known AS MATERIALIZED (
    FROM footfall.internal.clv_customers('clv_report', ff_order_days, (SELECT cut_day FROM ff_end))
),
ff_fitted AS MATERIALIZED (
    FROM footfall.internal.clv_fitted('clv_report', ff_known, (SELECT cut_day FROM ff_end), time_unit, family)
),
ff_expected AS NOT MATERIALIZED (
    FROM footfall.internal.clv_forecasts('clv_report', ff_known, (SELECT model_bytes FROM ff_fitted), (SELECT held_days FROM ff_end), NULL)
),
ff_happened AS (
    SELECT
        buyer,
        count(*) FILTER (has_purchase) AS n_happened,
        footfall.internal.rounded(footfall.internal.exact_sum(day_total), least(sum(day_gross), 1e15), 15) AS value_happened
    FROM ff_order_days
    CROSS JOIN ff_end
    WHERE order_day > cut_day
    GROUP BY buyer
),
ff_beside AS (
    SELECT
        ff_expected.buyer,
        n_repeat,
        coalesce(n_happened, 0) AS n_happened,
        forecast.expected_purchases AS model_purchases,
        -- Whoever became a customer on the last day has shown no rate.
        coalesce(n_repeat / nullif(age_days, 0) * held_days, 0) AS rate_purchases,
        CASE WHEN forecast.prior_value IS NOT NULL THEN coalesce(value_happened, 0) END AS value_happened,
        forecast.expected_value * value_scale AS model_value
    FROM ff_expected
    LEFT JOIN ff_happened ON ff_happened.buyer = ff_expected.buyer
    CROSS JOIN ff_end
),
ff_mean AS MATERIALIZED (
    SELECT sum(n_happened) / count(*) AS mean_purchases FROM ff_beside
),
ff_placed AS (
    SELECT
        *,
        abs(n_happened - model_purchases) AS model_off,
        abs(n_happened - rate_purchases) AS rate_off,
        abs(n_happened - mean_purchases) AS mean_off,
        -- Equal expectations are in one decile: that of their middle customer.
        CAST(least(
            (10 * (2 * count(*) OVER least_first - count(*) OVER same)) // (2 * count(*) OVER ()), 9
        ) AS INTEGER) AS tenth
    FROM ff_beside
    CROSS JOIN ff_mean
    WINDOW least_first AS (ORDER BY model_purchases ASC), same AS (PARTITION BY model_purchases)
),
ff_groups AS (
    SELECT 1 AS place, 0 AS position, 'all' AS part_name, 'all customers' AS group_name, * FROM ff_placed
    UNION ALL
    SELECT
        2, least(n_repeat, 7), 'repeat purchases', CASE WHEN n_repeat < 7 THEN CAST(n_repeat AS VARCHAR) ELSE '7 or more' END, *
    FROM ff_placed
    UNION ALL
    SELECT 3, 9 - tenth, 'decile', CAST(10 - tenth AS VARCHAR), * FROM ff_placed
),
-- Sums of whole multiples of 2^-60, which end in the same digits in any order.
ff_sums AS (
    SELECT
        place,
        position,
        part_name,
        group_name,
        count(*) AS n_customers,
        sum(n_happened) AS happened_total,
        footfall.internal.fixed_sum(model_purchases, pow(2, 60)) AS model_total,
        footfall.internal.fixed_sum(rate_purchases, pow(2, 60)) AS rate_total,
        footfall.internal.fixed_sum(model_off, pow(2, 60)) AS model_off_total,
        footfall.internal.fixed_sum(rate_off, pow(2, 60)) AS rate_off_total,
        footfall.internal.fixed_sum(mean_off, pow(2, 60)) AS mean_off_total,
        footfall.internal.fixed_sum(rate_off - model_off, pow(2, 60)) AS gain_total,
        footfall.internal.fixed_sum((rate_off - model_off) * (rate_off - model_off), pow(2, 60)) AS gain_squares,
        footfall.internal.exact_sum(value_happened) AS value_total,
        footfall.internal.exact_sum(model_value) AS model_value_total,
        any_value(mean_purchases) AS mean_purchases
    FROM ff_groups
    GROUP BY place, position, part_name, group_name
)
SELECT
    part_name AS part,
    group_name AS "group",
    n_customers AS customers,
    happened_total / n_customers AS happened,
    model_total / n_customers AS expected,
    rate_total / n_customers AS naive_rate,
    mean_purchases AS mean,
    model_total / nullif(happened_total, 0) - 1 AS expected_bias,
    rate_total / nullif(happened_total, 0) - 1 AS naive_rate_bias,
    model_off_total / n_customers AS expected_error,
    rate_off_total / n_customers AS naive_rate_error,
    mean_off_total / n_customers AS mean_error,
    gain_total / n_customers AS gain,
    CASE WHEN n_customers > 1
        THEN sqrt(greatest(gain_squares - gain_total * gain_total / n_customers, 0) / (n_customers - 1) / n_customers)
    END AS gain_standard_error,
    value_total / n_customers AS happened_value,
    model_value_total / n_customers AS expected_value,
    model_value_total / nullif(value_total, 0) - 1 AS expected_value_bias,
    (SELECT cut_day FROM ff_end) AS fitted_until,
    (SELECT last_day_seen FROM ff_end) AS as_of
FROM ff_sums
WHERE (SELECT
    footfall.internal.horizon_days('clv_report', 'holdout', holdout, DATE '2000-01-01') > 0
    AND footfall.internal.days_per_unit('clv_report', time_unit) > 0
    AND (footfall.internal.moment_option('clv_report', 'as_of', as_of) IS NOT NULL OR as_of IS NULL)
    AND footfall.internal.check_option(
        (SELECT count(*) FROM ff_order_days WHERE buyer IS NOT NULL AND has_purchase) = 0 OR (SELECT count(*) FROM ff_known) > 0,
        'clv_report', 'holdout', holdout, 'less than the data span: nobody had bought before it'
    )
)
ORDER BY place ASC, position ASC;

COMMENT ON MACRO TABLE footfall.main.clv_report IS $$How good the predictions of `clv` were on the last months of these data, beside counting.

The model is fitted to what was known before the `holdout`, and what it expected of each customer then is compared with what happened. Rows: `part` 'all'
(one), 'repeat purchases' (by days with a purchase after the first until then: 0 to 6, '7 or more') and 'decile' (by what was expected: 1 is the highest; equal expectations are in
the same one, so some may be missing); `group`, `customers`; per customer the purchase days in the holdout: `happened`, `expected` by the model, `naive_rate` (his repeat days
per day so far, which knows no dropout) and `mean` (the mean of what happened, the same for all: known only afterwards);
`expected_bias` and `naive_rate_bias` (total over what happened, less 1); the mean absolute errors `expected_error`, `naive_rate_error` and `mean_error`; `gain` (the
second less the first: above 0 the model is better than the naive rate) with its `gain_standard_error` over the customers: a gain of less than two of them is none.
With an `amount` also `happened_value` (refunds taken off), `expected_value` and `expected_value_bias` per customer; `fitted_until`, the last day that the model saw, and `as_of`, the last day of all.

Customers who came during the holdout are not part of it. `expected_bias` is what to look at before a budget: where a shop grows, sells with the season or
loses customers, the future differs from the past and the bias says by how much. Days, orders and refunds count as in `fit_clv`.

Parameters:
- tbl, customer_id, ts, amount, as_of, order_id, time_unit, family, time_zone: as in `fit_clv`.
- holdout: INTERVAL from 1 day on, the last part of the data, which the model does not see.

Example:
WITH orders AS (
    SELECT i % 40 AS customer, DATE '2010-01-01' + CAST((i * i * 7 + i) % 300 AS INTEGER) AS day, 10 + i % 17 AS price FROM range(120) numbers(i))
SELECT part, "group", customers, happened, round(expected, 3) AS expected, round(naive_rate, 3) AS naive_rate, round(gain, 3) AS gain
FROM footfall.clv_report(orders, customer, day, holdout := INTERVAL 60 DAYS, amount := price) LIMIT 5;$$;
