-- Instacart: "The Instacart Online Grocery Shopping Dataset 2017", orders.csv.
--
--   SET VARIABLE file = 'orders.csv';
--   .read sql/recipes/instacart.sql
--
-- order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order. There are no dates: only the
-- number of the order, the weekday, the hour and the days since the order before, empty for the first and capped at 30.
-- Order is known, so histories are right; calendars are not, so activity, cohorts by month and recency have no answer here.
CREATE OR REPLACE VIEW orders AS
SELECT
    user_id, order_id, order_number,
    -- What was done is that an order came after so long.
    CASE
        WHEN days_since_prior_order IS NULL THEN 'first'
        WHEN days_since_prior_order < 7 THEN 'within a week'
        WHEN days_since_prior_order < 30 THEN 'within a month'
        ELSE 'later'
    END AS action,
    -- Any time that grows with the number puts the orders in order.
    make_timestamp(order_number * 1000000) AS in_order
FROM read_csv(getvariable('file'));

CREATE OR REPLACE TABLE histories AS
FROM footfall.sequences(orders, user_id, action, in_order);

-- A calendar of one's own, in which every user begins on the same day, gives the days between orders.
CREATE OR REPLACE VIEW dated AS
SELECT
    user_id, order_id,
    DATE '2017-01-01' + CAST(sum(coalesce(days_since_prior_order, 0)) OVER (PARTITION BY user_id ORDER BY order_number ASC) AS INTEGER)
        AS day
FROM read_csv(getvariable('file'));

FROM footfall.repeat_purchase(dated, user_id, day, order_id := order_id);
