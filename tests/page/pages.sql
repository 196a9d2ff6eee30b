-- The pages that the browser looks at: nine days of clicks with two models, thirteen months of orders with money, and hostile names.
--   duckdb -unsigned -bail -cmd "LOAD 'build/footfall.duckdb_extension'" < tests/page/pages.sql

CREATE TEMP TABLE raw_events AS FROM footfall.generate_events(users := 1000, days := 9, seed := 42);
CREATE TEMP TABLE receipt AS
FROM footfall.cleaning_report(raw_events, user_id, item_id, category_id, action, ts, valid_from := DATE '2017-11-25', valid_until := DATE '2017-12-04');
CREATE TEMP TABLE events AS
FROM footfall.clean_events(raw_events, user_id, item_id, category_id, action, ts, valid_from := DATE '2017-11-25', valid_until := DATE '2017-12-04');
CREATE TEMP VIEW purchases AS FROM events WHERE action = 'buy';
CREATE TEMP TABLE customers AS FROM footfall.rfm(purchases, user_id, ts);
CREATE TEMP TABLE choices AS FROM footfall.choose_k(customers, [recency_days, frequency], k_to := 8);
CREATE TEMP TABLE segments AS
SELECT customers.*, assigned.segment AS cluster
FROM footfall.segment(customers, customer_id, [recency_days, frequency], k := (SELECT k FROM choices WHERE chosen)) AS assigned
JOIN customers ON customers.customer_id = assigned.id;
CREATE TEMP TABLE histories AS FROM footfall.sequences(events, user_id, action, ts);
CREATE TEMP TABLE runs AS
SELECT 'rnn' AS architecture, * FROM footfall.train(histories, actions, architecture := 'rnn', epochs := 6, validation := 0.2, user_id := user_id)
UNION ALL SELECT 'lstm', * FROM footfall.train(histories, actions, architecture := 'lstm', epochs := 6, validation := 0.2, user_id := user_id);
CREATE TEMP TABLE value AS FROM footfall.clv_report(purchases, user_id, ts, holdout := INTERVAL 3 DAYS);
CREATE TEMP TABLE propensity AS
FROM footfall.train_propensity(events, user_id, action, ts, target := 'buy', horizon := INTERVAL 1 DAY, item := item_id, category := category_id);
CREATE TEMP TABLE judged AS
FROM footfall.propensity_report(events, user_id, action, ts, (SELECT model FROM propensity), item := item_id, category := category_id);
CREATE TEMP TABLE category_histories AS FROM footfall.sequences(events, user_id, action, ts, item := category_id);
CREATE TEMP TABLE recommenders AS FROM footfall.evaluate_items(category_histories, items, times := times);
CREATE TEMP TABLE charts AS
FROM footfall.receipt_chart(receipt)
UNION ALL FROM footfall.study(events, user_id, category_id, action, ts, promotion_from := DATE '2017-12-02', promotion_until := DATE '2017-12-04')
UNION ALL FROM footfall.segments_chart(segments, cluster, recency_days, frequency)
UNION ALL FROM footfall.choose_k_chart(choices)
UNION ALL FROM footfall.training_chart(runs, series := architecture)
UNION ALL FROM footfall.model_study(histories, actions, (FROM footfall.best_model(runs)), user_id := user_id) WHERE chart.name <> 'training'
UNION ALL FROM footfall.propensity_chart(judged)
UNION ALL FROM footfall.propensity_calibration_chart(judged)
UNION ALL FROM footfall.recommendations_chart(recommenders)
UNION ALL FROM footfall.value_chart(value);
COPY (FROM footfall.page(charts, title := 'What a synthetic shop did in nine days')) TO 'build/page/days.html' (FORMAT blob);

-- Open from 8 to 19; more orders before Christmas; a few large customers.
CREATE TEMP TABLE orders AS
SELECT
    CAST(floor(400 * pow((i * 7919 % 10007) / 10007, 2)) AS INTEGER) AS customer,
    ['lamps', 'cups', 'cards', 'bags', 'clocks'][1 + i * 31 % 5] AS category,
    CASE WHEN i % 9 = 0 THEN 'buy' WHEN i % 4 = 0 THEN 'cart' ELSE 'pv' END AS action,
    TIMESTAMP '2016-12-01' + to_days(CAST(floor(395 * sqrt((i * 104729 % 30011) / 30011)) AS INTEGER)) + to_minutes(CAST(480 + i * 193 % 700 AS INTEGER)) AS ts,
    5 + i * 13 % 400 AS price
FROM range(30000) numbers(i);
COPY (FROM footfall.report(orders, customer, category, action, ts, title := 'Thirteen months of orders', amount := price)) TO 'build/page/months.html' (FORMAT blob);

CREATE TEMP TABLE hostile AS
SELECT
    i % 40 AS user_id,
    ['<script>window.pwned=1</script>', '" onmouseover="window.pwned=2', '</title></svg></style><img src=x onerror=window.pwned=3>', ']]><![CDATA[', 'javascript:alert(1)',
     chr(8238) || 'gnp.exe', 'a' || chr(1) || chr(27) || 'b', repeat('W', 300), '&lt;b&gt;', '買う🛒'][1 + i * 7 % 10] AS category_id,
    ['pv', '<img src=x onerror=window.pwned=4>', 'buy'][1 + i % 3] AS action,
    TIMESTAMP '2017-11-25' + to_hours(CAST(i AS INTEGER)) AS ts
FROM range(400) numbers(i);
COPY (
    FROM footfall.report(
        hostile, user_id, category_id, action, ts, title := '</title><script>window.pwned=5</script>', steps := ['pv', '<img src=x onerror=window.pwned=4>', 'buy']
    )
) TO 'build/page/hostile.html' (FORMAT blob);
