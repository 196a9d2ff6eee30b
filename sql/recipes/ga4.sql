-- Google Analytics 4: the export to BigQuery, flattened into a CSV file, one row per event.
--
--   SET VARIABLE file = 'events_20210120.csv';
--   SET VARIABLE time_zone = 'Europe/Berlin';
--   .read sql/recipes/ga4.sql
--
-- event_date,event_timestamp,event_name,user_pseudo_id,ga_session_id,item_id,value. Times are microseconds (UTC).
-- user_pseudo_id looks like 1234567890.1612345678: read as a number it loses digits, and users become one; it is text.
-- Events such as session_start and begin_checkout have no item.
CREATE OR REPLACE VIEW raw_events AS
SELECT
    user_pseudo_id AS user_id, item_id, event_name AS action, ga_session_id, value,
    -- An instant; the calendar below is the shop's.
    CAST(make_timestamp(event_timestamp) AS TIMESTAMP) AT TIME ZONE 'UTC' AS ts
FROM read_csv(getvariable('file'), types = {'user_pseudo_id': 'VARCHAR', 'ga_session_id': 'VARCHAR', 'item_id': 'VARCHAR'});

CREATE OR REPLACE TABLE events AS
FROM footfall.clean_events(
    raw_events, user_id, item_id, NULL, action, ts,
    actions := ['session_start', 'view_item', 'add_to_cart', 'begin_checkout', 'purchase']
);

SELECT label, events, purchases, events_per_day
FROM footfall.activity(
    events, user_id, action, ts, by := 'weekday', purchase := 'purchase', time_zone := getvariable('time_zone')
);

-- One visit is one user and session: session ids alone repeat between users.
SELECT step, action, users, rate_from_previous
FROM footfall.funnel(
    events, user_id, action, ts, steps := ['view_item', 'add_to_cart', 'begin_checkout', 'purchase'], per := ga_session_id
);

CREATE OR REPLACE TABLE histories AS FROM footfall.sequences(events, user_id, action, ts);
