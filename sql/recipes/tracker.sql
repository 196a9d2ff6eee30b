-- A web tracker: an export of Snowplow, Matomo or a log of one's own.
--
--   SET VARIABLE file = 'tracker.csv';
--   SET VARIABLE time_zone = 'America/New_York';
--   .read sql/recipes/tracker.sql
--
-- collector_tstamp,domain_userid,domain_sessionid,event_name,page_urlpath,product_sku,device. Times carry a zone. Visitors
-- who refuse cookies have an empty domain_userid: they are nobody, and the receipt counts them. Names of events come in
-- several spellings, and a page tells more than the name of the event does.
CREATE OR REPLACE VIEW raw_events AS
SELECT
    domain_userid AS user_id, domain_sessionid AS session_id, nullif(product_sku, '') AS item_id, device,
    CASE
        WHEN lower(trim(event_name)) = 'page_view' AND page_urlpath LIKE '/product/%' THEN 'view'
        WHEN lower(trim(event_name)) = 'page_view' AND page_urlpath = '/checkout' THEN 'checkout'
        WHEN lower(trim(event_name)) IN ('add_to_cart', 'addtocart') THEN 'cart'
        WHEN lower(trim(event_name)) IN ('transaction', 'purchase', 'order') THEN 'buy'
        ELSE 'other'
    END AS action,
    CAST(collector_tstamp AS TIMESTAMP WITH TIME ZONE) AS ts
FROM read_csv(getvariable('file'), all_varchar = true);

FROM footfall.cleaning_report(raw_events, user_id, item_id, NULL, action, ts, actions := ['view', 'cart', 'checkout', 'buy', 'other']);

CREATE OR REPLACE TABLE events AS
FROM footfall.clean_events(raw_events, user_id, item_id, NULL, action, ts, actions := ['view', 'cart', 'checkout', 'buy', 'other']);

-- One funnel per device, each within a visit.
SELECT group_value AS device, step, action, users, rate_from_start
FROM footfall.funnel(events, user_id, action, ts, steps := ['view', 'cart', 'checkout', 'buy'], per := session_id, by := device);

SELECT label, events, purchases
FROM footfall.activity(events, user_id, action, ts, by := 'hour', time_zone := getvariable('time_zone'));

CREATE OR REPLACE TABLE histories AS FROM footfall.sequences(events, user_id, action, ts);
