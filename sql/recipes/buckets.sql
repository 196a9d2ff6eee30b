-- Buckets of users on plain files: the study of a shop whose events do not fit the memory, one bucket after the other.
--
--   duckdb -c "COPY (SELECT *, md5_number_lower(CAST(user_id AS VARCHAR)) % 16 AS bucket FROM 'events/*.parquet')
--              TO 'buckets' (FORMAT parquet, PARTITION_BY (bucket))"
--   for bucket in $(seq 0 15); do
--     duckdb study.duckdb -c "SET VARIABLE files = 'buckets/bucket=$bucket/*.parquet'; SET VARIABLE bucket = $bucket" \
--       -c ".read sql/recipes/buckets.sql"
--   done
--
-- user_id, item_id, category_id, action, ts. All rows of a user are in one bucket, so every report merges, to the last digit. A
-- bucket that was read again takes its own place, so a morning's events cost the buckets that they fall in. A loop over machines is the same
-- loop. The reports at the end are those of the buckets that were read so far.
CREATE OR REPLACE VIEW bucket_events AS SELECT user_id, item_id, category_id, action, ts FROM read_parquet(getvariable('files'));
CREATE OR REPLACE VIEW bucket_purchases AS FROM bucket_events WHERE action = 'buy';

CREATE TABLE IF NOT EXISTS hour_buckets AS
SELECT CAST(NULL AS BIGINT) AS bucket, * FROM footfall.partial.activity(bucket_events, user_id, action, ts) LIMIT 0;
CREATE TABLE IF NOT EXISTS category_buckets AS
SELECT CAST(NULL AS BIGINT) AS bucket, * FROM footfall.partial.conversion(bucket_events, user_id, category_id, action) LIMIT 0;
CREATE TABLE IF NOT EXISTS funnel_buckets AS
SELECT CAST(NULL AS BIGINT) AS bucket, * FROM footfall.partial.funnel(bucket_events, user_id, action, ts, within := INTERVAL 1 DAY) LIMIT 0;
CREATE TABLE IF NOT EXISTS cohort_buckets AS
SELECT CAST(NULL AS BIGINT) AS bucket, * FROM footfall.partial.cohorts(bucket_events, user_id, ts, period := 'day') LIMIT 0;
CREATE TABLE IF NOT EXISTS repeat_buckets AS
SELECT CAST(NULL AS BIGINT) AS bucket, * FROM footfall.partial.repeat_purchase(bucket_purchases, user_id, ts) LIMIT 0;

DELETE FROM hour_buckets WHERE bucket = getvariable('bucket');
DELETE FROM category_buckets WHERE bucket = getvariable('bucket');
DELETE FROM funnel_buckets WHERE bucket = getvariable('bucket');
DELETE FROM cohort_buckets WHERE bucket = getvariable('bucket');
DELETE FROM repeat_buckets WHERE bucket = getvariable('bucket');

INSERT INTO hour_buckets SELECT getvariable('bucket'), * FROM footfall.partial.activity(bucket_events, user_id, action, ts);
INSERT INTO category_buckets SELECT getvariable('bucket'), * FROM footfall.partial.conversion(bucket_events, user_id, category_id, action);
INSERT INTO funnel_buckets
SELECT getvariable('bucket'), * FROM footfall.partial.funnel(bucket_events, user_id, action, ts, within := INTERVAL 1 DAY);
INSERT INTO cohort_buckets SELECT getvariable('bucket'), * FROM footfall.partial.cohorts(bucket_events, user_id, ts, period := 'day');
INSERT INTO repeat_buckets SELECT getvariable('bucket'), * FROM footfall.partial.repeat_purchase(bucket_purchases, user_id, ts);

SELECT label, events, users, events_per_day FROM footfall.merged.activity(hour_buckets, user_id, action, ts);

SELECT group_value AS category_id, views, purchases, conversion_rate
FROM footfall.merged.conversion(category_buckets, user_id, category_id, action);

FROM footfall.merged.funnel(funnel_buckets, user_id, action, ts, within := INTERVAL 1 DAY);

SELECT cohort, period, users, share FROM footfall.merged.cohorts(cohort_buckets, user_id, ts, period := 'day');

FROM footfall.merged.repeat_purchase(repeat_buckets, user_id, ts);
