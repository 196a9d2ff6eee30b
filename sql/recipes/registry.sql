-- A registry of models in plain tables: versions, which one is in use and why, and whether the customers still are the same.
--
--   CREATE OR REPLACE TABLE histories AS FROM footfall.sequences(events, user_id, action, ts);
--   .read sql/recipes/registry.sql
--
-- Run it again whenever there are new histories: it trains a new version, and takes it into use if that is better on the users
-- that neither has learned from, by more than two standard errors. To go back to version 3 by hand:
--
--   INSERT INTO promotions SELECT max(step) + 1, 3, 'rolled back' FROM promotions;
--
-- What is told is kept with its moment, so that each run begins by saying whether it came true.
CREATE TABLE IF NOT EXISTS models (version INTEGER PRIMARY KEY, trained_at TIMESTAMP WITH TIME ZONE, log_loss DOUBLE, model BLOB);
CREATE TABLE IF NOT EXISTS promotions (step INTEGER PRIMARY KEY, version INTEGER, reason VARCHAR);
-- The model in use: SELECT predict_next(model, actions) FROM histories, current_model.
CREATE OR REPLACE VIEW current_model AS
SELECT models.* FROM models JOIN promotions ON promotions.version = models.version ORDER BY step DESC LIMIT 1;

-- What was told of each user's next action, and what came: below 0 by two standard errors, `difference` is what the model is worth.
CREATE TABLE IF NOT EXISTS told AS SELECT 0 AS version, user_id, TIMESTAMP '2000-01-01' AS told_at, CAST(0.5 AS DOUBLE) AS probability FROM histories LIMIT 0;
SELECT period, n_predictions, n_unknown, share, mean_probability, log_loss, baseline_log_loss, difference, standard_error, auc
FROM footfall.monitor(told, events, user_id, told_at, probability, action, ts, target := 'buy', horizon := NULL);

-- What a customer is, in a few columns, as it was when the model in use was taken.
CREATE TABLE IF NOT EXISTS customers_then (n_actions BIGINT, last_action VARCHAR, n_kinds BIGINT);
CREATE OR REPLACE TABLE customers_now AS
SELECT len(actions) AS n_actions, actions[-1] AS last_action, list_unique(actions) AS n_kinds FROM histories;

-- An index well above what chance gives is a reason to train anew; the column says where to look.
SELECT "column", psi, psi_by_chance, most_changed, reference_share, today_share
FROM footfall.drift(customers_then, customers_now, {'n_actions': n_actions, 'last_action': last_action, 'n_kinds': n_kinds});

-- Users are held back by a hash, so two trainings with one seed hold back the same ones.
CREATE OR REPLACE TEMP TABLE run AS FROM footfall.train(histories, actions, user_id := user_id, epochs := 10);
INSERT INTO models
SELECT (SELECT coalesce(max(version), 0) + 1 FROM models), current_timestamp, (SELECT min(validation_loss) FROM run), model
FROM footfall.best_model(run);

CREATE OR REPLACE TEMP TABLE candidate AS FROM models ORDER BY version DESC LIMIT 1;
CREATE OR REPLACE TEMP TABLE trial AS
FROM footfall.compare_models(
    histories, actions, (SELECT coalesce((SELECT model FROM current_model), model) FROM candidate), (SELECT model FROM candidate), user_id := user_id
);

INSERT INTO promotions
SELECT
    (SELECT coalesce(max(step), 0) + 1 FROM promotions),
    version,
    CASE
        WHEN (SELECT count(*) FROM current_model) = 0 THEN 'the first'
        ELSE format('log loss {:.4f} instead of {:.4f}, better by {:.4f} with a standard error of {:.4f}', log_loss_b, log_loss_a, difference, standard_error)
    END
FROM candidate
CROSS JOIN trial
WHERE (SELECT count(*) FROM current_model) = 0 OR difference > 2 * standard_error;

-- The customers of a new model are those that the next ones are compared with.
CREATE OR REPLACE TABLE customers_then AS
FROM (SELECT CASE WHEN (SELECT version FROM current_model) = (SELECT version FROM candidate) THEN 'now' ELSE 'then' END AS kept)
JOIN (SELECT 'now' AS kept, * FROM customers_now UNION ALL BY NAME SELECT 'then' AS kept, * FROM customers_then) USING (kept)
SELECT n_actions, last_action, n_kinds;

INSERT INTO told
SELECT version, user_id, (SELECT max(ts) FROM events), coalesce(predict_next(model, actions).probabilities['buy'], 0)
FROM histories
CROSS JOIN current_model;

SELECT promotions.step, promotions.version, reason, version = (SELECT version FROM candidate) AS is_new FROM promotions ORDER BY step;
