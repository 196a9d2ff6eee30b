-- REES46: a month of "eCommerce behavior data from multi category store", such as 2019-Oct.csv.gz.
--
--   SET VARIABLE file = '2019-Oct.csv.gz';
--   .read sql/recipes/rees46.sql
--
-- event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session. Times are text that ends
-- in UTC, the actions are view, cart, remove_from_cart and purchase, category_code is often empty. Purchases carry no
-- order number: lines of one customer at one second are one order.
CREATE OR REPLACE VIEW raw_events AS
SELECT
    user_id, product_id AS item_id, category_id, event_type AS action,
    strptime(event_time, '%Y-%m-%d %H:%M:%S UTC') AS ts, category_code, brand, price, user_session
FROM read_csv(getvariable('file'), types = {'event_time': 'VARCHAR', 'user_session': 'VARCHAR'});

-- Not every month has every action: without `absent` a month without a removed item would be an error.
FROM footfall.cleaning_report(
    raw_events, user_id, item_id, category_id, action, ts,
    actions := ['view', 'cart', 'remove_from_cart', 'purchase'], absent := 'zero'
);

CREATE OR REPLACE TABLE events AS
FROM footfall.clean_events(
    raw_events, user_id, item_id, category_id, action, ts,
    actions := ['view', 'cart', 'remove_from_cart', 'purchase'], absent := 'zero'
);

-- This shop has no favourites, so its column is NULL and not 0. Text in category_code is empty where it is not known.
SELECT group_value AS category, views, carts, purchases, viewers, buyers, buyers_per_viewer
FROM footfall.conversion(events, user_id, nullif(category_code, ''), action, view := 'view', purchase := 'purchase');

-- Within one visit.
SELECT step, action, users, rate_from_previous, median_time_from_previous
FROM footfall.funnel(events, user_id, action, ts, steps := ['view', 'cart', 'purchase'], per := user_session);

CREATE OR REPLACE VIEW purchases AS FROM events WHERE action = 'purchase';

CREATE OR REPLACE TABLE customers AS
FROM footfall.rfm(purchases, user_id, ts, amount := price);
