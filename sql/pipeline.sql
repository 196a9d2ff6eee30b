-- The whole study, from raw clicks to predictions, as one would write it oneself.
--
--   SET VARIABLE events = 'UserBehavior.csv';   -- the Taobao format; .gz and patterns such as 'part-*.csv' too
--   .read sql/pipeline.sql
--
-- The tables it leaves behind (events, customers, segments, histories, runs, predictions) are there to be queried.

-- 1. Read and clean. The receipt accounts for every row of the file.
CREATE OR REPLACE VIEW raw_events AS
FROM footfall.read_taobao(getvariable('events'), utc_offset := INTERVAL 8 HOURS);

FROM footfall.cleaning_report(
    raw_events, user_id, item_id, category_id, action, ts,
    valid_from := DATE '2017-11-25', valid_until := DATE '2017-12-04'
);

CREATE OR REPLACE TABLE events AS
FROM footfall.clean_events(
    raw_events, user_id, item_id, category_id, action, ts,
    valid_from := DATE '2017-11-25', valid_until := DATE '2017-12-04'
);

SELECT
    count(*) AS events,
    count(DISTINCT user_id) AS users,
    count(DISTINCT item_id) AS items,
    count(DISTINCT category_id) AS categories,
    min(ts) AS first_event,
    max(ts) AS last_event
FROM events;

-- 2. When do people come, and when do they buy? Rates are per day: nine days hold two Saturdays.
SELECT t.weekday_name, t.hour, count(*) AS events
FROM (SELECT time_features(ts) AS t FROM events)
GROUP BY ALL
ORDER BY events DESC
LIMIT 5;

SELECT label AS hour, events, purchases, round(events_per_day, 1) AS events_per_day, round(activity_index, 2) AS activity_index, chart
FROM footfall.activity(events, user_id, action, ts, by := 'hour');

SELECT label AS weekday, n_days, events, purchases, round(events_per_day, 1) AS events_per_day, round(activity_index, 2) AS activity_index, chart
FROM footfall.activity(events, user_id, action, ts, by := 'weekday');

-- 3. Did the promotion of 2 and 3 December do anything? Per action, against the same weekdays outside it.
SELECT action, per_day_inside, per_day_outside, round(lift, 3) AS lift, users_per_day_inside, users_per_day_outside
FROM footfall.promotion_effect(events, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-04');

-- 4. What converts, and where are buyers lost?
SELECT
    group_value AS category_id, views, carts, purchases, viewers, buyers,
    round(purchases_per_view, 4) AS purchases_per_view, round(buyers_per_viewer, 4) AS buyers_per_viewer
FROM footfall.conversion(events, user_id, category_id, action, top := 10);

SELECT step, action, users, round(rate_from_start, 3) AS rate_from_start, round(rate_from_previous, 3) AS rate_from_previous, median_time_from_previous, users_in_any_order
FROM footfall.funnel(events, user_id, action, ts, steps := ['pv', 'cart', 'buy']);

-- 5. Who are the customers? Recency and frequency scores; these events carry no money, so there is no M.
CREATE OR REPLACE VIEW purchases AS FROM events WHERE action = 'buy';

CREATE OR REPLACE TABLE customers AS
FROM footfall.rfm(purchases, user_id, ts);

SELECT segment, customers, round(share, 3) AS share, round(mean_recency_days, 2) AS mean_recency_days, round(mean_frequency, 2) AS mean_frequency
FROM footfall.rfm_summary(purchases, user_id, ts);

-- 6. Which groups do they fall into? k with its evidence, then segments named by their numbers.
SELECT k, round(inertia, 1) AS inertia, round(silhouette, 3) AS silhouette, round(davies_bouldin, 3) AS davies_bouldin, chosen
FROM footfall.choose_k(customers, [recency_days, frequency], k_from := 2, k_to := 8);

CREATE OR REPLACE TABLE segments AS
SELECT customers.*, assigned.segment AS cluster
FROM footfall.segment(customers, customer_id, [recency_days, frequency], k := 3) AS assigned
JOIN customers ON customers.customer_id = assigned.id;

SELECT segment, customers, round(share, 3) AS share, round(mean_recency, 2) AS mean_recency, round(mean_frequency, 2) AS mean_frequency, label
FROM footfall.segment_profile(segments, cluster, recency_days, frequency);

-- 7. What comes next? One history per user; two networks, the same users held back from both.
CREATE OR REPLACE TABLE histories AS
FROM footfall.sequences(events, user_id, action, ts);

CREATE OR REPLACE TABLE runs AS
SELECT 'rnn' AS architecture, * FROM footfall.train(histories, actions, architecture := 'rnn', epochs := 12, validation := 0.2, user_id := user_id)
UNION ALL
SELECT 'lstm' AS architecture, * FROM footfall.train(histories, actions, architecture := 'lstm', epochs := 12, validation := 0.2, user_id := user_id);

SELECT
    epoch,
    round(rnn.validation_loss, 4) AS rnn,
    round(lstm.validation_loss, 4) AS lstm,
    round(lstm.markov_loss, 4) AS markov_1,
    round(lstm.majority_loss, 4) AS majority,
    round(rnn.validation_auc, 3) AS rnn_auc,
    round(lstm.validation_auc, 3) AS lstm_auc
FROM (FROM runs WHERE architecture = 'rnn') AS rnn
JOIN (FROM runs WHERE architecture = 'lstm') AS lstm USING (epoch)
ORDER BY epoch;

CREATE OR REPLACE TABLE model AS
SELECT arg_min(model, validation_loss) AS model FROM runs WHERE architecture = 'lstm';

-- 8. How good is the best one, on users it has not seen, beside what needs no network?
SELECT
    predictor,
    round(log_loss, 4) AS log_loss,
    round(auc, 3) AS auc,
    round(accuracy, 4) AS accuracy,
    round(macro_f1, 3) AS macro_f1,
    round(calibration_error, 4) AS calibration_error,
    n
FROM footfall.evaluate(histories, actions, (SELECT model FROM model), part := 'validation', user_id := user_id);

SELECT predictor, action, round(auc, 3) AS auc, support
FROM footfall.class_report(histories, actions, (SELECT model FROM model), predictor := NULL, part := 'validation', user_id := user_id)
WHERE predictor IN ('model', 'markov_1')
ORDER BY action, predictor DESC;

-- 9. A prediction for every user; here those most likely to buy next.
CREATE OR REPLACE TABLE predictions AS
SELECT user_id, len(actions) AS n_events, actions[-3:] AS last_actions, predict_next(model, actions) AS next
FROM histories, model;

SELECT user_id, n_events, last_actions, next.action, round(next.probabilities['buy'], 4) AS p_buy
FROM predictions
ORDER BY next.probabilities['buy'] DESC, user_id
LIMIT 10;
