-- The protocol of the reference study beside an honest one, on the same events.
--
--   duckdb -unsigned -cmd "LOAD 'build/footfall.duckdb_extension'" -cmd "SET VARIABLE events = 'FILE'" < benches/reference_study.sql
--
-- The study: sequences of one user and one item with at least five events, split at random by sequence, so that a user
-- is on both sides; an LSTM of three layers with class weights and an RNN, two epochs each, judged by accuracy. It also reads
-- a promotional effect off the last weekend; in the excerpt of the Taobao set that is shared, nearly every user is active
-- on one of its two days, because whoever drew it took the users who came at its end: the rise is in the number of users,
-- not in what each of them does.

CREATE OR REPLACE TEMP VIEW raw_events AS FROM footfall.read_taobao(getvariable('events'));

CREATE OR REPLACE TEMP TABLE events AS
FROM footfall.clean_events(
    raw_events, user_id, item_id, category_id, action, ts,
    valid_from := DATE '2017-11-25', valid_until := DATE '2017-12-04'
);

CREATE OR REPLACE TEMP TABLE pairs AS
SELECT user_id AS pair, actions
FROM footfall.sequences(events, {'user_id': user_id, 'item_id': item_id}, action, ts)
WHERE len(actions) >= 5;

CREATE OR REPLACE TEMP TABLE study_lstm AS
FROM footfall.train(
    pairs, actions, architecture := 'lstm', layers := 3, hidden := 128, embedding := 128, dropout := 0.1, epochs := 2,
    batch_size := 16, learning_rate := 0.001, gradient_clip := 5, user_id := pair,
    class_weights := {'pv': 1.0, 'cart': 1.5, 'buy': 2.0, 'fav': 1.2}
);

CREATE OR REPLACE TEMP TABLE study_rnn AS
FROM footfall.train(
    pairs, actions, architecture := 'rnn', layers := 1, hidden := 128, embedding := 128, epochs := 2, batch_size := 16,
    learning_rate := 0.001, user_id := pair
);

-- As the study judged: accuracy on its random split. Always answering the most frequent action is the row to look at.
SELECT 'LSTM 3 x 128' AS predictor, round(accuracy, 4) AS accuracy, round(log_loss, 4) AS log_loss, round(auc, 3) AS auc, n
FROM footfall.evaluate(pairs, actions, (SELECT arg_max(model, epoch) FROM study_lstm), user_id := pair)
WHERE predictor = 'model'
UNION ALL
SELECT 'RNN 128', round(accuracy, 4), round(log_loss, 4), round(auc, 3), n
FROM footfall.evaluate(pairs, actions, (SELECT arg_max(model, epoch) FROM study_rnn), user_id := pair)
WHERE predictor = 'model'
UNION ALL
SELECT 'always the most frequent', round(accuracy, 4), round(log_loss, 4), round(auc, 3), n
FROM footfall.evaluate(pairs, actions, (SELECT arg_max(model, epoch) FROM study_rnn), user_id := pair)
WHERE predictor = 'majority';

-- The honest protocol: whole histories, split by user, stopped by validation loss, judged beside the baselines.
CREATE OR REPLACE TEMP TABLE histories AS FROM footfall.sequences(events, user_id, action, ts);

CREATE OR REPLACE TEMP TABLE honest AS
FROM footfall.train(histories, actions, epochs := 30, patience := 5, validation := 0.2, user_id := user_id);

SELECT predictor, round(accuracy, 4) AS accuracy, round(log_loss, 4) AS log_loss, round(auc, 3) AS auc, round(macro_f1, 3) AS macro_f1, n
FROM footfall.evaluate(histories, actions, (FROM footfall.best_model(honest)), user_id := user_id);

-- The promotion: how many times the purchases, and how much of it is more users, how much more purchases of each.
SELECT
    round(lift, 3) AS lift, round(users_lift, 3) AS users_lift, round(actions_per_user_lift, 3) AS purchases_per_user_lift,
    round(actions_per_user_lift_standard_error, 3) AS standard_error,
    round(share_active_inside, 2) AS users_active_inside, round(share_active_outside, 2) AS users_active_outside
FROM footfall.promotion_effect(events, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-04')
WHERE action = 'buy';
