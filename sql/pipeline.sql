-- The whole study, from raw clicks to predictions, as one would write it oneself.
--
--   SET VARIABLE events = 'UserBehavior.csv';   -- the Taobao format; .gz and patterns such as 'part-*.csv' too
--   .read sql/pipeline.sql
--
-- The period and the promotion come from the data. To choose them, set before the .read any of
--
--   SET VARIABLE valid_from = DATE '2017-11-25';        -- the first day that counts
--   SET VARIABLE valid_until = DATE '2017-12-04';       -- the first day that does not count any more
--   SET VARIABLE promotion_from = DATE '2017-12-02';    -- the same for the promotion
--   SET VARIABLE promotion_until = DATE '2017-12-04';
--
-- In this format an action is pv (page view: an item was looked at), cart, fav or buy. The tables that it leaves behind
-- (receipt, events, customers, segments, histories, runs, model, predictions, buyers, customer_values) are there to be queried. Each stage
-- ends with what was found, in words.

-- 1. Read and clean. The receipt accounts for every row of the file.
CREATE OR REPLACE TEMP VIEW raw_events AS
FROM footfall.read_taobao(getvariable('events'), utc_offset := INTERVAL 8 HOURS);

-- The days that hold at least a hundredth of the busiest one: a handful of rows from 1902 or 2037 is no period.
CREATE OR REPLACE TABLE period AS
WITH days AS (SELECT CAST(ts AS DATE) AS day, count(*) AS n FROM raw_events WHERE ts IS NOT NULL GROUP BY day),
full_days AS (
    SELECT min(day) AS first_day, max(day) AS last_day, last_day - CAST((isodow(last_day) + 1) % 7 AS INTEGER) AS last_saturday
    FROM days
    WHERE n >= (SELECT max(n) FROM days) / 100
)
SELECT
    coalesce(CAST(getvariable('valid_from') AS DATE), first_day) AS valid_from,
    coalesce(CAST(getvariable('valid_until') AS DATE), last_day + 1) AS valid_until,
    -- Unless it is given: the last weekend that has begun.
    coalesce(CAST(getvariable('promotion_from') AS DATE), last_saturday) AS promotion_from,
    coalesce(CAST(getvariable('promotion_until') AS DATE), last_saturday + 2) AS promotion_until
FROM full_days;

CREATE OR REPLACE TABLE receipt AS
FROM footfall.cleaning_report(
    raw_events, user_id, item_id, category_id, action, ts,
    valid_from := (SELECT valid_from FROM period), valid_until := (SELECT valid_until FROM period)
);

FROM receipt;

CREATE OR REPLACE TABLE events AS
FROM footfall.clean_events(
    raw_events, user_id, item_id, category_id, action, ts,
    valid_from := (SELECT valid_from FROM period), valid_until := (SELECT valid_until FROM period)
);

SELECT
    count(*) AS events,
    count(DISTINCT user_id) AS users,
    count(DISTINCT item_id) AS items,
    count(DISTINCT category_id) AS categories,
    min(ts) AS first_event,
    max(ts) AS last_event
FROM events;

SELECT format(
    '{} of {} rows are events from {} to {}; what was dropped is in the receipt.',
    (SELECT n_rows FROM receipt WHERE reason = 'kept'), (SELECT sum(n_rows) FROM receipt), valid_from, valid_until - 1
) AS found
FROM period;

-- 2. When do people come, and when do they buy? Rates are per day: nine days hold two Saturdays.
SELECT t.weekday_name, t.hour, count(*) AS events
FROM (SELECT time_features(ts) AS t FROM events)
GROUP BY ALL
ORDER BY events DESC
LIMIT 5;

CREATE OR REPLACE TABLE hours AS
FROM footfall.activity(events, user_id, action, ts, by := 'hour', purchase := 'buy');

SELECT label AS hour, events, purchases, round(events_per_day, 1) AS events_per_day, round(activity_index, 2) AS activity_index, chart
FROM hours;

CREATE OR REPLACE TABLE weekdays AS
FROM footfall.activity(events, user_id, action, ts, by := 'weekday', purchase := 'buy');

SELECT label AS weekday, n_days, events, purchases, round(events_per_day, 1) AS events_per_day, round(activity_index, 2) AS activity_index, chart
FROM weekdays;

SELECT format(
    'The busiest hour is {}, with {:.1f} times the mean; most is bought at {}. Per day {} has most events, {:.0f} % more than {}.',
    (SELECT arg_max(label, events_per_day) FROM hours), (SELECT max(activity_index) FROM hours),
    (SELECT arg_max(label, purchases_per_day) FROM hours),
    (SELECT arg_max(label, events_per_day) FROM weekdays),
    (SELECT 100 * (max(events_per_day) / min(events_per_day) - 1) FROM weekdays WHERE events > 0),
    (SELECT arg_min(label, events_per_day) FROM weekdays WHERE events > 0)
) AS found;

-- 3. Did the promotion do anything? Against the same weekdays outside it, and split: did more users come, did each do more?
CREATE OR REPLACE TABLE promotion AS
FROM footfall.promotion_effect(
    events, user_id, action, ts, (SELECT promotion_from FROM period), (SELECT promotion_until FROM period), purchase := 'buy'
);

SELECT
    action, round(lift, 3) AS lift, round(lift_low, 2) AS lift_low, round(lift_high, 2) AS lift_high,
    round(users_lift, 3) AS users_lift, round(actions_per_user_lift, 3) AS actions_per_user_lift,
    round(actions_per_user_lift_standard_error, 3) AS standard_error
FROM promotion;

-- A long sentence, cut at words so that it fits a terminal.
SELECT unnest(regexp_extract_all(format(
    'From {} to {} there were {:.2f} times the purchases: {:.2f} times the users, each with {:.2f} times as many. {}',
    promotion_from, promotion_until - 1, lift, users_lift, actions_per_user_lift, coalesce('Careful: ' || warning || '.', '')
), '.{1,120}(?: |$)')) AS found
FROM promotion, period
WHERE action = 'buy';

-- 4. What converts, and where are buyers lost?
CREATE OR REPLACE TABLE categories AS
FROM footfall.conversion(events, user_id, category_id, action, view := 'pv', purchase := 'buy', top := 10);

SELECT
    group_value AS category_id, views, carts, purchases, viewers, viewers_who_bought,
    round(conversion_rate, 3) AS conversion_rate, round(conversion_rate_low, 3) AS low, round(conversion_rate_high, 3) AS high
FROM categories;

CREATE OR REPLACE TABLE funnel AS
FROM footfall.funnel(events, user_id, action, ts, steps := ['pv', 'cart', 'buy']);

SELECT step, action, users, round(rate_from_start, 3) AS rate_from_start, round(rate_from_previous, 3) AS rate_from_previous, median_time_from_previous, users_in_any_order
FROM funnel;

-- The same with one item from view to purchase, which is what most people mean by a funnel.
CREATE OR REPLACE TABLE item_funnel AS
FROM footfall.funnel(events, user_id, action, ts, steps := ['pv', 'cart', 'buy'], per := item_id);

SELECT step, action, users, round(rate_from_start, 3) AS rate_from_start, round(rate_from_previous, 3) AS rate_from_previous, median_time_from_previous
FROM item_funnel;

SELECT format(
    '{:.0f} % of the users who view also put something into the cart and then buy something; {:.1f} % do so with one and the same item.',
    100 * (SELECT rate_from_start FROM funnel WHERE step = 3), 100 * (SELECT rate_from_start FROM item_funnel WHERE step = 3)
) AS found;

-- 5. Who are the customers? Recency and frequency scores; these events carry no money, so there is no M. Purchases of one
-- second are one order.
CREATE OR REPLACE VIEW purchases AS FROM events WHERE action = 'buy';

CREATE OR REPLACE TABLE customers AS
FROM footfall.rfm(purchases, user_id, ts);

CREATE OR REPLACE TABLE rfm_segments AS
FROM footfall.rfm_summary(customers);

SELECT segment, customers, round(share, 3) AS share, round(mean_recency_days, 2) AS mean_recency_days, round(mean_frequency, 2) AS mean_frequency
FROM rfm_segments;

SELECT format(
    'Of {} customers {:.0f} % ordered once; {} are Champions, who ordered {:.1f} times on average.',
    (SELECT count(*) FROM customers), (SELECT 100 * avg(CAST(frequency = 1 AS INTEGER)) FROM customers),
    coalesce(max(customers) FILTER (segment = 'Champions'), 0), coalesce(max(mean_frequency) FILTER (segment = 'Champions'), 0)
) AS found
FROM rfm_segments;

-- 6. Which groups do they fall into? k with its evidence, then segments named by their numbers.
CREATE OR REPLACE TABLE choices AS
FROM footfall.choose_k(customers, [recency_days, frequency], k_from := 2, k_to := 8);

SELECT k, round(inertia, 1) AS inertia, round(silhouette, 3) AS silhouette, round(davies_bouldin, 3) AS davies_bouldin, chosen
FROM choices;

CREATE OR REPLACE TABLE segments AS
SELECT customers.*, assigned.segment AS cluster
FROM footfall.segment(
    customers, customer_id, [recency_days, frequency], k := (SELECT k FROM choices WHERE chosen)
) AS assigned
JOIN customers ON customers.customer_id = assigned.id;

CREATE OR REPLACE TABLE profiles AS
FROM footfall.segment_profile(segments, cluster, recency_days, frequency);

SELECT segment, customers, round(share, 3) AS share, round(mean_recency, 2) AS mean_recency, round(mean_frequency, 2) AS mean_frequency, label
FROM profiles;

SELECT format(
    'The customers fall into {} groups: {}.', count(*),
    string_agg(format('{:.0f} % {}', 100 * share, label), ', ' ORDER BY segment ASC)
) AS found
FROM profiles;

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
    round(lstm.own_history_loss, 4) AS own_history,
    round(lstm.markov_loss, 4) AS markov_1,
    round(lstm.majority_loss, 4) AS majority,
    round(rnn.validation_auc, 3) AS rnn_auc,
    round(lstm.validation_auc, 3) AS lstm_auc
FROM (FROM runs WHERE architecture = 'rnn') AS rnn
JOIN (FROM runs WHERE architecture = 'lstm') AS lstm USING (epoch)
ORDER BY epoch;

CREATE OR REPLACE TABLE model AS
FROM footfall.best_model(runs);

SELECT format(
    '{} of {} events share user and time with a different action, so their order is drawn by lot. The best epoch is number {} of the {}.',
    (SELECT sum(ties) FROM histories), (SELECT sum(len(actions)) FROM histories), epoch, architecture
) AS found
FROM runs
ORDER BY validation_loss ASC, epoch ASC
LIMIT 1;

-- 8. How good is the best one, on the users that it has not learned from, beside what needs no network?
CREATE OR REPLACE TABLE quality AS
FROM footfall.evaluate(histories, actions, (SELECT model FROM model), user_id := user_id);

SELECT
    predictor,
    round(log_loss, 4) AS log_loss,
    round(difference, 4) AS difference,
    round(standard_error, 4) AS standard_error,
    round(auc, 3) AS auc,
    round(accuracy, 4) AS accuracy,
    round(calibration_error, 4) AS calibration_error,
    n
FROM quality;

SELECT predictor, action, round(auc, 3) AS auc, round(auc_standard_error, 3) AS standard_error, support
FROM footfall.class_report(histories, actions, (SELECT model FROM model), predictor := NULL, user_id := user_id)
WHERE predictor IN ('model', 'own_history')
ORDER BY action, predictor DESC;

SELECT unnest(regexp_extract_all(format(
    'On held-back users, by whom its epoch was chosen, the log loss of the model is {:.4f}, that of the best that needs no network ({}) {:.4f}: {:.4f} {}, with a standard error of {:.4f}. {}',
    model.log_loss, best.predictor, best.log_loss, abs(model.difference), if(model.difference < 0, 'better', 'worse'), model.standard_error,
    if(model.difference < -2 * model.standard_error, 'The network is worth its keep.', 'Counting does as well: the network is not worth its keep.')
), '.{1,120}(?: |$)')) AS found
FROM (FROM quality WHERE predictor = 'model') AS model,
    (FROM quality WHERE predictor <> 'model' ORDER BY log_loss ASC LIMIT 1) AS best;

-- 9. A prediction of the next event for every user. It has no clock: it says what the next event is, whenever that comes,
-- and not who will buy by when.
CREATE OR REPLACE TABLE predictions AS
SELECT user_id, len(actions) AS n_events, actions[-3:] AS last_actions, predict_next(model, actions) AS next
FROM histories, model;

SELECT user_id, n_events, last_actions, next.action, round(next.probability, 4) AS probability
FROM predictions
ORDER BY user_id ASC
LIMIT 5;

SELECT format(
    'For {:.1f} % of the users a view is the likeliest next event; the probability of a purchase is {:.1f} % on average.',
    100 * avg(CAST(next.action = 'pv' AS INTEGER)), 100 * avg(next.probabilities['buy'])
) AS found
FROM predictions;

-- 10. Who will buy in the days to come? A model with a clock: learned from moments of the past, and judged at a later moment
-- on other users, beside counting.
CREATE OR REPLACE TABLE propensity_run AS
FROM footfall.train_propensity(
    events, user_id, action, ts, target := 'buy', horizon := INTERVAL 1 DAY, item := item_id, category := category_id
);

CREATE OR REPLACE TABLE propensity_quality AS
FROM footfall.propensity_report(
    events, user_id, action, ts, (SELECT model FROM propensity_run), item := item_id, category := category_id
);

SELECT
    "group" AS predictor,
    users,
    round(log_loss, 4) AS log_loss,
    round(auc, 3) AS auc,
    round(lift, 2) AS lift,
    round(gain, 4) AS gain,
    round(gain_error, 4) AS gain_error
FROM propensity_quality
WHERE part = 'predictor'
ORDER BY log_loss ASC, predictor ASC;

CREATE OR REPLACE TABLE buyers AS
FROM footfall.propensity(
    events, user_id, action, ts, (SELECT model FROM propensity_run), item := item_id, category := category_id
);

SELECT user_id, round(probability, 3) AS probability, reasons[1] AS first_reason
FROM buyers
ORDER BY probability DESC NULLS LAST, user_id ASC
LIMIT 5;

SELECT format(
    'Of {} users {:.0f} are expected to buy within a day. On {} users that were kept apart the model is {}.',
    (SELECT count(*) FROM buyers), (SELECT sum(probability) FROM buyers), users, verdict
) AS found
FROM propensity_quality
WHERE part = 'predictor' AND "group" = 'model';

-- 11. What is to be expected of each customer? From the days with a purchase alone, since these events carry no money; nine days
-- are little, and the last third of them is held out to see what it is worth.
CREATE OR REPLACE TABLE customer_values AS
FROM footfall.clv(
    purchases, user_id, ts, (SELECT model FROM footfall.fit_clv(purchases, user_id, ts)), horizon := INTERVAL 7 DAYS
);

SELECT
    frequency,
    count(*) AS customers,
    round(avg(probability_alive), 3) AS probability_alive,
    round(avg(expected_purchases), 2) AS expected_purchases
FROM customer_values
GROUP BY frequency
ORDER BY frequency ASC;

CREATE OR REPLACE TABLE value_report AS
FROM footfall.clv_report(purchases, user_id, ts, holdout := INTERVAL 3 DAYS);

SELECT unnest(regexp_extract_all(format(
    'Three days that were held out: {:.2f} days with a purchase were expected of each of {} customers, and {:.2f} happened; the error of the model is {:.2f}, that of going on as before {:.2f}.',
    expected, customers, happened, expected_error, naive_rate_error
), '.{1,120}(?: |$)')) AS found
FROM value_report
WHERE part = 'all';

-- 12. What to show her next? The category that a user turns to, by counting, judged on the last tenth of the events: a list of ten.
CREATE OR REPLACE TABLE category_histories AS
FROM footfall.sequences(events, user_id, action, ts, item := category_id);

CREATE OR REPLACE TABLE recommenders AS
FROM footfall.evaluate_items(category_histories, items, times := times);

SELECT
    predictor,
    round(hit_rate, 3) AS hit_rate,
    round(hit_rate_standard_error, 3) AS standard_error,
    round(ndcg, 3) AS ndcg,
    round(coverage, 3) AS coverage,
    n
FROM recommenders
ORDER BY hit_rate DESC, predictor ASC;

SELECT format(
    'A list of ten holds the next category in {:.0f} % of the cases by {}, in {:.0f} % if it is the popular ones; {:.0f} % had been there before.',
    100 * best.hit_rate, best.predictor, 100 * popular.hit_rate, 100 * best.repeat_share
) AS found
FROM (FROM recommenders ORDER BY hit_rate DESC, predictor ASC LIMIT 1) AS best
JOIN (FROM recommenders WHERE predictor = 'popular') AS popular ON true;

-- What to show to a user: a model of everything that was counted, for five of them; with exclude := 'seen' only what is new to her.
CREATE OR REPLACE TABLE item_model AS
FROM footfall.train_items(category_histories, items, user_id := user_id, times := times);

SELECT user_id, [one.item FOR one IN footfall.recommend(model, items, 5)] AS categories
FROM category_histories, item_model
ORDER BY user_id ASC
LIMIT 5;

-- 13. The study as pictures, on one page: a file that opens anywhere.
CREATE OR REPLACE TABLE charts AS
FROM footfall.receipt_chart(receipt)
UNION ALL
FROM footfall.study(
    events, user_id, category_id, action, ts,
    promotion_from := (SELECT promotion_from FROM period), promotion_until := (SELECT promotion_until FROM period)
)
UNION ALL
FROM footfall.segments_chart(segments, cluster, recency_days, frequency)
UNION ALL
FROM footfall.choose_k_chart(choices)
UNION ALL
FROM footfall.training_chart(runs, series := architecture)
UNION ALL
FROM footfall.model_study(histories, actions, (SELECT model FROM model), user_id := user_id)
-- The curves of both networks are there already.
WHERE chart.name <> 'training'
UNION ALL
FROM footfall.propensity_chart(propensity_quality)
UNION ALL
FROM footfall.propensity_calibration_chart(propensity_quality)
UNION ALL
FROM footfall.value_chart(value_report)
UNION ALL
FROM footfall.recommendations_chart(recommenders);

-- COPY (FROM page) TO 'study.html' (FORMAT blob) writes it.
CREATE OR REPLACE TABLE page AS
FROM footfall.page(charts, title := 'What the shop did');

SELECT format('{} pictures on a page of {:.0f} kB.', (SELECT count(*) FROM charts), octet_length(page) / 1000) AS found
FROM page;
