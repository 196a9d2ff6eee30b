-- Features: what the clock says about an event, and events to try the functions on.

CREATE MACRO footfall.main.time_features(ts) AS system.main.time_features(ts);
COMMENT ON MACRO footfall.main.time_features IS 'Gives the calendar features of a timestamp, in one STRUCT.

Fields: `date`; `hour`, 0 to 23; `weekday`, ISO, Monday = 1 to Sunday = 7; `weekday_name`; `day` of the month; `week`, ISO, 1 to 53, week 1 being the one with the year''s first Thursday; `month`, 1 to 12; `is_weekend`; and the places of hour and weekday on a circle, for models that should know that 23 is next to 0: `hour_sin` and `hour_cos` (midnight is 0, 1), `weekday_sin` and `weekday_cos` (Monday is 0, 1). NULL gives NULL. An infinite timestamp gives an infinite date and NULL in the other fields, as DuckDB''s own date parts do.

Parameters:
- ts: TIMESTAMP in the shop''s local time, TIMESTAMP_S, TIMESTAMP_MS, TIMESTAMP_NS or DATE; no time zone is read anywhere, so a TIMESTAMP WITH TIME ZONE is an error: say whose clock is meant, for example `ts AT TIME ZONE ''Asia/Shanghai''`

Example:
SELECT f.date, f.hour, f.weekday, f.weekday_name, f.week, f.is_weekend
FROM (SELECT time_features(TIMESTAMP ''2017-12-02 21:30:00'') AS f);';

CREATE MACRO footfall.main.generate_events(users := 1000, days := 9, seed := 42, start := DATE '2017-11-25', first_user := 1) AS TABLE
SELECT user_id, item_id, category_id, action, ts
FROM system.main.generate_events(
    users := users, days := days, seed := seed, start_day := CAST(start AS DATE) - DATE '1970-01-01', first_user := first_user
);
COMMENT ON MACRO TABLE footfall.main.generate_events IS 'Streams the events of a synthetic shop, in the shape of the Taobao set.

Columns are those of `footfall.read_taobao`: `user_id`, `item_id`, `category_id`, `action` (pv, cart, fav or buy), `ts` (shop-local). About 99 rows per user over nine days: actions near 89/5.5/3/2 %, an evening peak, a heavy tail of activity, popular items and categories, a promotion on the second weekend, and dirt (0.05 % exact duplicates, 0.05 % times that are weeks or decades off). Carts, purchases and favourites follow what the user did several steps before, so a recurrent network can learn what a Markov chain cannot see. The same users, days, seed and start give the same rows, in no particular order, for any number of threads; a user''s rows do not depend on the number of users, so several machines make the parts of one shop, each from its own `first_user` on. Memory stays flat.

Parameters:
- users: BIGINT, 1 to 10000000
- days: BIGINT, 1 to 3660
- seed: BIGINT, any
- start: DATE, the first day
- first_user: BIGINT, 1 to 10000000000000, the user to begin with

Example:
SELECT action, count(*) AS n_rows FROM footfall.generate_events(users := 500) GROUP BY action ORDER BY n_rows DESC;';
