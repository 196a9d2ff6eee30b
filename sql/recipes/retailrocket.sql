-- RetailRocket: events.csv of the "Retailrocket recommender system dataset".
--
--   SET VARIABLE file = 'events.csv';
--   .read sql/recipes/retailrocket.sql
--
-- timestamp,visitorid,event,itemid,transactionid. Times are milliseconds (UTC), the actions are called view, addtocart
-- and transaction, there are no favourites, and a purchase of three items is three rows with one transactionid.
CREATE OR REPLACE VIEW raw_events AS
SELECT visitorid AS user_id, itemid AS item_id, event AS action, epoch_ms("timestamp") AS ts, transactionid AS order_id
FROM read_csv(getvariable('file'));

FROM footfall.cleaning_report(raw_events, user_id, item_id, NULL, action, ts, actions := ['view', 'addtocart', 'transaction']);

CREATE OR REPLACE TABLE events AS
FROM footfall.clean_events(raw_events, user_id, item_id, NULL, action, ts, actions := ['view', 'addtocart', 'transaction']);

-- The same item from view to purchase; without `per` a view of one item and the purchase of another would be a success.
SELECT step, action, users, rate_from_previous, median_time_from_previous
FROM footfall.funnel(events, user_id, action, ts, steps := ['view', 'addtocart', 'transaction'], per := item_id);

-- Who buys is one order per transaction, not per line.
CREATE OR REPLACE VIEW purchases AS FROM events WHERE action = 'transaction';

CREATE OR REPLACE TABLE customers AS
FROM footfall.rfm(purchases, user_id, ts, order_id := order_id);

CREATE OR REPLACE TABLE histories AS FROM footfall.sequences(events, user_id, action, ts);
