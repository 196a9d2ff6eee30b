-- A refresh: each morning one day is read, and the study is brought up to date.
--
--   SET VARIABLE file = 'events-2017-12-03.csv';
--   SET VARIABLE day = DATE '2017-12-03';
--   .read sql/recipes/refresh.sql
--
-- user_id,item_id,category_id,action,ts, one file per day, into a database that is kept (duckdb study.duckdb). When events of a day
-- come late, run it again with the whole day: its rows take the place of those before. What is kept is small: a few rows per day,
-- one per customer and day of purchase, and one per user, action and day for the promotion. Reports that know a user across days
-- (funnel, cohorts, conversion, activity by hour) cannot be made from days; see buckets.sql.
CREATE OR REPLACE TABLE new_events AS
SELECT user_id, item_id, category_id, action, ts
FROM read_csv(getvariable('file'))
WHERE ts IS NULL OR (ts >= getvariable('day') AND ts < getvariable('day') + 1);

CREATE OR REPLACE TABLE new_clean AS FROM footfall.clean_events(new_events, user_id, item_id, category_id, action, ts, absent := 'zero');
CREATE OR REPLACE VIEW new_purchases AS FROM new_clean WHERE action = 'buy';

CREATE TABLE IF NOT EXISTS receipt_parts AS
SELECT CAST(NULL AS DATE) AS day, * FROM footfall.partial.cleaning_report(new_events, user_id, item_id, category_id, action, ts) LIMIT 0;
CREATE TABLE IF NOT EXISTS date_parts AS
SELECT CAST(NULL AS DATE) AS day, * FROM footfall.partial.activity(new_clean, user_id, action, ts, by := 'date') LIMIT 0;
CREATE TABLE IF NOT EXISTS promotion_parts AS
SELECT CAST(NULL AS DATE) AS day, *
FROM footfall.partial.promotion_effect(new_clean, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-04') LIMIT 0;
CREATE TABLE IF NOT EXISTS customer_parts AS
SELECT CAST(NULL AS DATE) AS day, * FROM footfall.partial.rfm(new_purchases, user_id, ts) LIMIT 0;

DELETE FROM receipt_parts WHERE day = getvariable('day');
DELETE FROM date_parts WHERE day = getvariable('day');
DELETE FROM promotion_parts WHERE day = getvariable('day');
DELETE FROM customer_parts WHERE day = getvariable('day');

INSERT INTO receipt_parts
SELECT getvariable('day'), * FROM footfall.partial.cleaning_report(new_events, user_id, item_id, category_id, action, ts);
INSERT INTO date_parts
SELECT getvariable('day'), * FROM footfall.partial.activity(new_clean, user_id, action, ts, by := 'date');
INSERT INTO promotion_parts
SELECT getvariable('day'), *
FROM footfall.partial.promotion_effect(new_clean, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-04');
INSERT INTO customer_parts
SELECT getvariable('day'), * FROM footfall.partial.rfm(new_purchases, user_id, ts);

-- The study of all days so far. A promotion that has not come yet has no effect to report; add, when it has,
-- FROM footfall.merged.promotion_effect(promotion_parts, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-04');
FROM footfall.merged.cleaning_report(receipt_parts, user_id, item_id, category_id, action, ts);

SELECT label, events, users, purchases FROM footfall.merged.activity(date_parts, user_id, action, ts, by := 'date', absent := 'zero');

SELECT segment, customers, mean_recency_days, mean_frequency FROM footfall.merged.rfm_summary(customer_parts, user_id, ts);
