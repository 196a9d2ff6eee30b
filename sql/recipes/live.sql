-- A live system: events come one at a time, and what each user is likely to do next is known at once, however long she has been here.
--
--   SET VARIABLE model = (FROM footfall.best_model(run));
--   .read sql/recipes/live.sql
--
-- For each event then, with a driver's parameters in place of the values:
--
--   BEGIN;
--   EXECUTE remember(user_id := 7, action := 'cart', ts := TIMESTAMP '2017-12-03 20:15:00');
--   EXECUTE advance(user_id := 7, action := 'cart');
--   COMMIT;
--
-- `advance` answers with what comes next and its probability. Event and state are in one transaction, so that after a crash both are there or neither is. The time an event takes does not grow with
-- the history. States belong to the model that made them: a new model begins with
--
--   DELETE FROM states;
--   INSERT INTO states FROM all_states();
CREATE TABLE IF NOT EXISTS live_events (user_id BIGINT, action VARCHAR, ts TIMESTAMP);
CREATE TABLE IF NOT EXISTS states (user_id BIGINT PRIMARY KEY, n_events BIGINT, state BLOB, next_action VARCHAR, probability DOUBLE);

PREPARE remember AS INSERT INTO live_events VALUES ($user_id, $action, $ts);

PREPARE advance AS
INSERT OR REPLACE INTO states
SELECT CAST($user_id AS BIGINT), n_before + 1, moved.state, moved.action, moved.probability
FROM (
    SELECT count(*) AS n_known, coalesce(max(n_events), 0) AS n_before,
        next_state(getvariable('model'), coalesce(max(state), ''::BLOB), CAST($action AS VARCHAR)) AS moved
    FROM states
    WHERE user_id = CAST($user_id AS BIGINT)
)
RETURNING next_action, probability;

-- All states from the events, one step of every user after the other.
CREATE OR REPLACE MACRO all_states() AS TABLE
WITH RECURSIVE histories AS MATERIALIZED (FROM footfall.sequences(live_events, user_id, action, ts)),
steps AS (
    SELECT user_id, CAST(1 AS BIGINT) AS n_events, next_state(getvariable('model'), ''::BLOB, actions[1]) AS moved FROM histories
    UNION ALL
    SELECT steps.user_id, steps.n_events + 1, next_state(getvariable('model'), moved.state, actions[steps.n_events + 1])
    FROM steps
    JOIN histories ON histories.user_id = steps.user_id
    WHERE steps.n_events < len(actions)
)
SELECT
    user_id, max(n_events) AS n_events, arg_max(moved.state, n_events) AS state, arg_max(moved.action, n_events) AS next_action,
    arg_max(moved.probability, n_events) AS probability
FROM steps
GROUP BY user_id;

SELECT count(*) AS users, sum(n_events) AS events FROM states;
