-- Visits: what a user does without a long break, and the ways through it.

CREATE MACRO footfall.internal.gap_length(function_name, gap) AS
CASE WHEN epoch(footfall.internal.duration(function_name, 'gap', gap)) >= 0
    THEN CAST(round(1000000 * epoch(footfall.internal.duration(function_name, 'gap', gap))) AS HUGEINT)
    ELSE error(concat(
        'footfall.', function_name, ': argument ''gap'' is ', coalesce(footfall.internal.shown(gap), 'NULL'), '; allowed: an INTERVAL that is not negative'
    ))
END;

COMMENT ON MACRO footfall.internal.gap_length IS $$The longest break within a visit in microseconds, or an error that names the macro it was given to.

Parameters:
- function_name: the macro's name, for the message.
- gap: INTERVAL, not negative; a month is 30 days.

Example:
SELECT footfall.internal.gap_length('sessions', INTERVAL 30 MINUTES) AS microseconds;$$;

CREATE MACRO footfall.internal.begins_visit(event_time, time_before, gap_us) AS
-- As HUGEINT, because the first and the last TIMESTAMP are further apart than a BIGINT or an INTERVAL can say.
time_before IS NULL OR CAST(epoch_us(event_time) AS HUGEINT) - epoch_us(time_before) > gap_us;

COMMENT ON MACRO footfall.internal.begins_visit IS $$Whether an event is the first of a visit: there is none before it, or the break was longer than `gap_us`.

Parameters:
- event_time: TIMESTAMP.
- time_before: TIMESTAMP of the same user's event before it, NULL where it is the first.
- gap_us: HUGEINT, the longest break within a visit.

Example:
SELECT footfall.internal.begins_visit(TIMESTAMP '2017-11-25 21:30:00', TIMESTAMP '2017-11-25 21:00:00', 1800000000::HUGEINT) AS is_first;$$;

CREATE MACRO footfall.main.sessions(
    tbl, user_id, ts, gap := INTERVAL '30 minutes', keep := NULL, action := NULL, purchase := 'buy', absent := 'error'
) AS TABLE
WITH ff_events AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key('sessions', 'user_id', user_id) AS event_user,
        ts AS moment,
        footfall.internal.instant('sessions', 'ts', ts) AS event_time,
        footfall.internal.bytewise(footfall.internal.column_value('sessions', 'keep', keep, typeof(ff_row))) AS kept,
        footfall.internal.action_name(footfall.internal.column_value('sessions', 'action', action, typeof(ff_row))) AS event_action,
        typeof(action) <> typeof(NULL) AS has_actions
    FROM query_table(tbl) AS ff_row
),
ff_usable AS NOT MATERIALIZED (
    SELECT *, event_action = CAST(purchase AS VARCHAR) AS is_purchase
    FROM ff_events
    WHERE event_user IS NOT NULL AND event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity'
),
-- One sort does: the first event of a visit knows what came before it, and so where the visit before it ended.
ff_placed AS NOT MATERIALIZED (
    SELECT
        event_user,
        moment,
        kept,
        has_actions,
        CAST(coalesce(is_purchase, false) AS BIGINT) AS n_purchases,
        lag(moment) OVER in_order AS moment_before,
        lag(kept) OVER in_order AS kept_before,
        row_number() OVER in_order - 1 AS n_before,
        -- With FILTER, DuckDB counts from the first row again for every row.
        count(CASE WHEN is_purchase THEN 1 END) OVER (in_order ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n_purchases_so_far,
        lead(moment) OVER in_order IS NULL AS is_last
    FROM ff_usable
    WINDOW in_order AS (PARTITION BY event_user ORDER BY moment ASC NULLS LAST, kept ASC NULLS LAST)
),
-- What is left is a row or two for each visit.
ff_edges AS NOT MATERIALIZED (
    SELECT *
    FROM (
        SELECT
            *,
            footfall.internal.begins_visit(
                footfall.internal.instant('sessions', 'ts', moment), footfall.internal.instant('sessions', 'ts', moment_before),
                footfall.internal.gap_length('sessions', gap)
            ) AS begins
        FROM ff_placed
    )
    WHERE begins OR is_last
),
-- The edge after the first event of a visit is the first of the next one, the user's last event, or none where that is the same.
ff_visits AS NOT MATERIALIZED (
    SELECT
        *,
        lead(begins) OVER in_order AS is_followed,
        lead(moment) OVER in_order AS next_moment,
        lead(moment_before) OVER in_order AS next_moment_before,
        lead(kept) OVER in_order AS next_kept,
        lead(kept_before) OVER in_order AS next_kept_before,
        lead(n_before) OVER in_order AS next_n_before,
        lead(n_purchases_so_far) OVER in_order AS next_purchases,
        lead(n_purchases) OVER in_order AS next_n_purchases,
        row_number() OVER in_order AS session
    FROM ff_edges
    WINDOW in_order AS (PARTITION BY event_user ORDER BY n_before ASC NULLS LAST)
),
-- Looked for only where a purchase is asked for and there is none.
ff_bought AS MATERIALIZED (SELECT 1 AS one FROM ff_usable WHERE has_actions AND is_purchase AND footfall.internal.option_name(absent) <> 'zero' LIMIT 1),
ff_found AS (
    SELECT list(DISTINCT event_action) FILTER (event_action IS NOT NULL) AS names
    FROM ff_usable
    WHERE has_actions AND footfall.internal.option_name(absent) <> 'zero' AND NOT EXISTS (FROM ff_bought)
)
SELECT
    footfall.internal.unmarked(event_user) AS user_id,
    session,
    moment AS session_start,
    CASE is_followed WHEN true THEN next_moment_before WHEN false THEN next_moment ELSE moment END AS session_end,
    CASE is_followed WHEN true THEN next_n_before - n_before WHEN false THEN next_n_before + 1 - n_before ELSE 1 END AS events,
    CASE WHEN has_actions
        THEN n_purchases + CASE is_followed WHEN true THEN next_purchases - next_n_purchases WHEN false THEN next_purchases ELSE n_purchases_so_far END - n_purchases_so_far
    END AS purchases,
    footfall.internal.unmarked(kept) AS first,
    footfall.internal.unmarked(CASE is_followed WHEN true THEN next_kept_before WHEN false THEN next_kept ELSE kept END) AS last
FROM ff_visits
WHERE begins AND (SELECT
    footfall.internal.gap_length('sessions', gap) >= 0
    AND footfall.internal.check_option(purchase IS NOT NULL, 'sessions', 'purchase', CAST(purchase AS VARCHAR), 'the name of an action')
    AND footfall.internal.check_absent('sessions', absent)
    AND footfall.internal.check_occurs('sessions', 'purchase', [CAST(purchase AS VARCHAR)], coalesce(names, []))
    FROM ff_found
);

COMMENT ON MACRO TABLE footfall.main.sessions IS $$The visits of each user: events without a break longer than `gap` between one and the next.

One row per visit, in no particular order: `user_id`, `session` (1 is the user's first), `session_start` and `session_end` (the times of its
first and last event, of the type of `ts`), `events`, `purchases` where an `action` is given, and `first` and `last`, the value of `keep`
at the first and last event. A visit of one event ends when it starts: nothing says how long somebody looked at the last page.

A visit goes on while the break is **at most** `gap`: an event exactly 30 minutes after the one before belongs to its visit, and one a
microsecond later begins the next. That is how the sessionize function of the DuckDB extension behavioral has it; Spark and
Flink begin a new one at exactly the gap. A visit goes on over midnight, over a change of device, and for as long as the events
do. `gap := INTERVAL 0 DAY` for a `ts` that is a DATE makes each day a visit.

Events at one time have no order: where several share the first or last time of a visit, `first` is the smallest and `last` the largest value of `keep`
(NULL is the largest). Instants are compared, so a change of the clock makes no break; only a TIMESTAMP WITH TIME ZONE holds
instants. Rows of nobody (see `usable_key`), or with a NULL or infinite time, are left out. Each user's times are sorted in memory.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type.
- ts: TIMESTAMP, TIMESTAMP_S, _MS, _NS, DATE, or TIMESTAMP WITH TIME ZONE.
- gap: INTERVAL, the longest break within a visit; not negative, and a month is 30 days.
- keep: what to keep of the first and last event, a column or expression of any type, or several: `keep := {device: device, page: page}`.
- action: the column of the actions, for `purchases`; NULL counts none.
- purchase: the action that is a purchase.
- absent: 'error' when `purchase` occurs nowhere in the table, or 'zero' to count none.

Example:
WITH events(user_id, action, ts) AS (VALUES
    (1, 'pv', TIMESTAMP '2017-11-25 23:50:00'), (1, 'buy', TIMESTAMP '2017-11-26 00:20:00'),
    (1, 'pv', TIMESTAMP '2017-11-26 00:50:01'), (2, 'pv', TIMESTAMP '2017-11-25 21:00:00'))
FROM footfall.sessions(events, user_id, ts, keep := action, action := action) ORDER BY user_id, session;$$;

CREATE MACRO footfall.internal.period_start(day, period, week_start) AS
CASE footfall.internal.option_name(period)
    WHEN 'day' THEN day - DATE '1970-01-01'
    WHEN 'year' THEN make_date(year(day), 1, 1) - DATE '1970-01-01'
    ELSE footfall.internal.calendar_slot(day, period, week_start)
END;

COMMENT ON MACRO footfall.internal.period_start IS $$The first day of the period that a day is in, counted from 1 January 1970.

Parameters:
- day: DATE.
- period: 'day', 'week', 'month', 'quarter' or 'year'.
- week_start: the weekday that 'week' begins with, such as 'monday'.

Example:
SELECT DATE '1970-01-01' + CAST(footfall.internal.period_start(DATE '2017-12-03', 'week', 'monday') AS INTEGER) AS monday;$$;

CREATE MACRO footfall.internal.period_end(first_day, period) AS
CASE footfall.internal.option_name(period)
    WHEN 'day' THEN first_day
    WHEN 'week' THEN first_day + 6
    WHEN 'month' THEN last_day(DATE '1970-01-01' + CAST(first_day AS INTEGER)) - DATE '1970-01-01'
    WHEN 'quarter' THEN last_day(DATE '1970-01-01' + CAST(first_day + 63 AS INTEGER)) - DATE '1970-01-01'
    WHEN 'year' THEN make_date(year(DATE '1970-01-01' + CAST(first_day AS INTEGER)), 12, 31) - DATE '1970-01-01'
END;

COMMENT ON MACRO footfall.internal.period_end IS $$The last day of the period that begins with `first_day`, both counted from 1 January 1970.

Parameters:
- first_day: BIGINT, as `period_start` gives it.
- period: 'day', 'week', 'month', 'quarter' or 'year'.

Example:
SELECT DATE '1970-01-01' + CAST(footfall.internal.period_end(17501, 'month') AS INTEGER) AS last_of_december;$$;

CREATE MACRO footfall.internal.check_period(function_name, period, week_start) AS
footfall.internal.check_option(
    footfall.internal.option_name(period) IN ('day', 'week', 'month', 'quarter', 'year'),
    function_name, 'period', CAST(period AS VARCHAR), '''day'', ''week'', ''month'', ''quarter'', ''year'''
) AND footfall.internal.check_option(
    footfall.internal.weekday_number(week_start) IS NOT NULL,
    function_name, 'week_start', CAST(week_start AS VARCHAR), 'a day of the week such as ''monday'' or ''sunday'''
);

COMMENT ON MACRO footfall.internal.check_period IS $$True, or the error for a period or a first day of the week that there is not.

Parameters:
- function_name: the macro's name, for the message.
- period, week_start: the options.

Example:
SELECT footfall.internal.check_period('lifecycle', 'week', 'monday') AS is_right;$$;

CREATE MACRO footfall.internal.lifecycle_counts(function_name, tbl, user_id, ts, period, week_start, time_zone) AS TABLE
WITH ff_events AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key(function_name, 'user_id', user_id) AS event_user,
        footfall.internal.local_time(function_name, 'ts', ts, time_zone := time_zone, default_zone := 'UTC') AS event_time
    FROM query_table(tbl)
),
-- The options are columns, because a subquery as an option is planned wherever the option stands.
ff_units AS MATERIALIZED (
    SELECT footfall.internal.option_name(period) AS unit, footfall.internal.option_name(week_start) AS unit_start
),
ff_dated AS NOT MATERIALIZED (
    SELECT event_user, CAST(event_time AS DATE) AS event_day, unit, unit_start
    FROM ff_events
    CROSS JOIN ff_units
    WHERE event_user IS NOT NULL AND event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity'
),
ff_active AS NOT MATERIALIZED (
    SELECT event_user, footfall.internal.period_start(event_day, unit, unit_start) AS slot, min(event_day) AS first_day, max(event_day) AS last_day
    FROM ff_dated
    GROUP BY event_user, slot
)
SELECT
    slot,
    count(*) AS n_users,
    count(*) FILTER (slot_before IS NULL) AS n_starts,
    count(*) FILTER (slot_before = footfall.internal.period_start(DATE '1970-01-01' + CAST(slot - 1 AS INTEGER), unit, unit_start)) AS n_returns,
    min(first_day) - DATE '1970-01-01' AS first_slot,
    max(last_day) - DATE '1970-01-01' AS last_slot
FROM (SELECT *, lag(slot) OVER (PARTITION BY event_user ORDER BY slot ASC NULLS LAST) AS slot_before FROM ff_active)
CROSS JOIN ff_units
GROUP BY slot;

COMMENT ON MACRO TABLE footfall.internal.lifecycle_counts IS $$What `lifecycle` counts of some of the users; the counts of several parts add up.

One row per period: `slot` (its first day, counted from 1 January 1970), `n_users` in it, of whom `n_starts` for the first time and `n_returns` after one in the period
before, and the days of its first and last row, `first_slot` and `last_slot`.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, user_id, ts, period, week_start, time_zone: as in `lifecycle`.

Example:
WITH events(user_id, day) AS (VALUES (1, DATE '2017-11-20'), (1, DATE '2017-11-27'), (2, DATE '2017-11-28'))
FROM footfall.internal.lifecycle_counts('lifecycle', events, user_id, day, 'week', 'monday', NULL) ORDER BY slot;$$;

CREATE MACRO footfall.internal.lifecycle_report(function_name, counts, period, week_start) AS TABLE
WITH ff_counted AS MATERIALIZED (
    SELECT
        slot,
        CAST(sum(n_users) AS BIGINT) AS n_active,
        CAST(sum(n_starts) AS BIGINT) AS n_new,
        CAST(sum(n_returns) AS BIGINT) AS n_returning,
        min(first_slot) AS first_day,
        max(last_slot) AS last_day
    FROM query_table(counts)
    GROUP BY slot
),
ff_extent AS MATERIALIZED (
    SELECT
        min(first_day) AS first_day,
        max(last_day) AS last_day,
        footfall.internal.option_name(period) AS unit,
        footfall.internal.option_name(week_start) AS unit_start
    FROM ff_counted
),
ff_periods AS MATERIALIZED (
    SELECT DISTINCT footfall.internal.period_start(DATE '1970-01-01' + CAST(day_number AS INTEGER), unit, unit_start) AS slot
    FROM (SELECT unit, unit_start, unnest(CASE
        WHEN last_day - first_day >= 100000
        THEN error(concat(
            'footfall.', function_name, ': argument ''ts'' spans ', last_day - first_day + 1, ' days, from ', DATE '1970-01-01' + CAST(first_day AS INTEGER), ' to ',
            DATE '1970-01-01' + CAST(last_day AS INTEGER), '; allowed: 100000, so clean the times first'
        ))
        ELSE range(first_day, last_day + 1)
    END) AS day_number FROM ff_extent)
),
ff_filled AS NOT MATERIALIZED (
    SELECT
        ff_periods.slot,
        coalesce(n_active, 0) AS n_active,
        coalesce(n_new, 0) AS n_new,
        coalesce(n_returning, 0) AS n_returning,
        coalesce(lag(n_active) OVER in_order, 0) AS n_before,
        sum(n_new) OVER in_order AS n_known
    FROM ff_periods
    LEFT JOIN ff_counted ON ff_counted.slot = ff_periods.slot
    WINDOW in_order AS (ORDER BY ff_periods.slot ASC NULLS LAST)
)
SELECT
    DATE '1970-01-01' + CAST(slot AS INTEGER) AS period_start,
    n_active AS active,
    n_new AS new,
    n_returning AS returned,
    n_active - n_new - n_returning AS resurrected,
    n_before - n_returning AS dormant,
    CAST(n_known - n_active AS BIGINT) AS inactive,
    n_returning / nullif(n_before, 0) AS return_share,
    footfall.main.wilson_interval(n_returning, nullif(n_before, 0))['low'] AS return_share_low,
    footfall.main.wilson_interval(n_returning, nullif(n_before, 0))['high'] AS return_share_high,
    slot >= first_day AND footfall.internal.period_end(slot, unit) <= last_day AS is_whole
FROM ff_filled
CROSS JOIN ff_extent
WHERE (SELECT footfall.internal.check_period(function_name, unit, unit_start) FROM ff_extent)
ORDER BY slot ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.internal.lifecycle_report IS $$The report of `lifecycle` from the counts of `lifecycle_counts`, of one part or of several below one another.

The columns are those of `lifecycle`.

Parameters:
- function_name: the macro that was called, for messages.
- counts: the rows of `lifecycle_counts`.
- period, week_start: as in `lifecycle`.

Example:
WITH events(user_id, day) AS (VALUES (1, DATE '2017-11-20'), (1, DATE '2017-11-27'), (2, DATE '2017-11-28')),
counts AS (FROM footfall.internal.lifecycle_counts('lifecycle', events, user_id, day, 'week', 'monday', NULL))
SELECT period_start, active, new, returned FROM footfall.internal.lifecycle_report('lifecycle', counts, 'week', 'monday');$$;

CREATE MACRO footfall.main.lifecycle(tbl, user_id, ts, period := 'week', week_start := 'monday', time_zone := NULL) AS TABLE
WITH ff_counts AS MATERIALIZED (
    FROM footfall.internal.lifecycle_counts('lifecycle', tbl, user_id, ts, period, week_start, time_zone)
)
FROM footfall.internal.lifecycle_report('lifecycle', ff_counts, period, week_start);

COMMENT ON MACRO TABLE footfall.main.lifecycle IS $$Who comes, who stays, who comes back and who goes, period by period.

One row per period of the calendar, from the first to the last with a row, those without any included: `period_start` (its first day), the
users `active` in it, and what they are: `new` (never here before), `returned` (here in the period before, too) and `resurrected` (here before, but not
in the period before). `dormant` are those of the period before who did not come, and `inactive` everybody known who did not
come, however long ago they were here. So the numbers add up:
`active` = `new` + `returned` + `resurrected`, the period before's `active` = `returned` + `dormant`, and all users so far = `active` + `inactive`.
These are the classes of Amplitude's and PostHog's lifecycle charts (current or returning is `returned` here, because RETURNING is a word of SQL).

`return_share` is `returned` of the period before's `active`, with its 95 % interval as Wilson has it, for users who
decide for themselves. `is_whole` is false where the data begin after the period's first day or end before its last: fewer come in a
part of a week, and `dormant` is then too high. Who was here before the data begin counts as new, so the first rows have too
many of those. Times that span more than 100000 days are an error.

Rows of nobody (see `usable_key`), or with a NULL or infinite time, are left out. Each row of the table is activity: give a view of the purchases for
the lifecycle of buyers.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type.
- ts: the time in the shop's local time, TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE; or a TIMESTAMP WITH TIME ZONE.
- period: 'day', 'week', 'month', 'quarter' or 'year'.
- week_start: the day on which weeks begin, 'monday' to 'sunday'.
- time_zone: whose calendar is meant where `ts` is a TIMESTAMP WITH TIME ZONE, such as 'Europe/Berlin'; NULL is UTC.

Example:
WITH events(user_id, day) AS (VALUES
    (1, DATE '2017-11-20'), (1, DATE '2017-11-27'), (1, DATE '2017-12-11'), (2, DATE '2017-11-22'), (2, DATE '2017-12-12'), (3, DATE '2017-12-05'))
SELECT period_start, active, new, returned, resurrected, dormant, inactive FROM footfall.lifecycle(events, user_id, day);$$;

CREATE MACRO footfall.main.bought_together(tbl, basket, item, min_baskets := 20, max_items := 200) AS TABLE
WITH ff_lines AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key('bought_together', 'basket', basket) AS one_basket,
        footfall.internal.usable_key('bought_together', 'item', item) AS one_item
    FROM query_table(tbl)
),
ff_distinct AS MATERIALIZED (
    SELECT DISTINCT one_basket, one_item FROM ff_lines WHERE one_basket IS NOT NULL AND one_item IS NOT NULL
),
ff_baskets AS MATERIALIZED (
    SELECT one_basket, count(*) <= TRY_CAST(CAST(max_items AS VARCHAR) AS DOUBLE) AS is_counted FROM ff_distinct GROUP BY one_basket
),
ff_totals AS MATERIALIZED (
    SELECT count(*) FILTER (is_counted) AS n_counted, count(*) FILTER (NOT is_counted) AS n_left_out FROM ff_baskets
),
ff_counted AS NOT MATERIALIZED (
    SELECT ff_distinct.one_basket AS one_basket, one_item
    FROM ff_distinct
    JOIN ff_baskets ON ff_baskets.one_basket = ff_distinct.one_basket
    WHERE is_counted
),
-- What is in few baskets is in no pair of many. The numbers are small keys for the pairs.
ff_items AS MATERIALIZED (
    SELECT one_item, n_baskets, row_number() OVER (ORDER BY n_baskets DESC NULLS LAST, one_item ASC NULLS LAST) AS item_number
    FROM (SELECT one_item, count(*) AS n_baskets FROM ff_counted GROUP BY one_item)
    WHERE n_baskets >= TRY_CAST(CAST(min_baskets AS VARCHAR) AS DOUBLE)
),
ff_numbered AS MATERIALIZED (
    SELECT one_basket, item_number FROM ff_counted JOIN ff_items ON ff_items.one_item = ff_counted.one_item
),
ff_pairs AS MATERIALIZED (
    SELECT ff_left.item_number AS number_a, ff_right.item_number AS number_b, count(*) AS n_both
    FROM ff_numbered AS ff_left
    JOIN ff_numbered AS ff_right ON ff_right.one_basket = ff_left.one_basket AND ff_right.item_number > ff_left.item_number
    GROUP BY number_a, number_b
    HAVING count(*) >= TRY_CAST(CAST(min_baskets AS VARCHAR) AS DOUBLE)
),
ff_lifts AS NOT MATERIALIZED (
    SELECT
        ff_a.one_item AS item_a,
        ff_b.one_item AS item_b,
        n_both,
        ff_a.n_baskets AS n_a,
        ff_b.n_baskets AS n_b,
        n_counted,
        n_left_out,
        n_both * CAST(n_counted AS DOUBLE) / (ff_a.n_baskets * CAST(ff_b.n_baskets AS DOUBLE)) AS pair_lift,
        -- The delta method for the logarithm, with baskets as the unit.
        sqrt(greatest(1 / n_both - 1 / ff_a.n_baskets - 1 / ff_b.n_baskets + (2 * pair_lift - 1) / n_counted, 0)) AS log_error
    FROM ff_pairs
    JOIN ff_items AS ff_a ON ff_a.item_number = number_a
    JOIN ff_items AS ff_b ON ff_b.item_number = number_b
    CROSS JOIN ff_totals
)
SELECT
    footfall.internal.unmarked(item_a) AS item_a,
    footfall.internal.unmarked(item_b) AS item_b,
    n_both AS baskets,
    n_both / n_counted AS support,
    n_both / n_a AS confidence_a_to_b,
    n_both / n_b AS confidence_b_to_a,
    pair_lift AS lift,
    pair_lift * exp(-1.959963984540054 * log_error) AS lift_low,
    pair_lift * exp(1.959963984540054 * log_error) AS lift_high,
    n_a AS baskets_a,
    n_b AS baskets_b,
    n_counted AS baskets_counted,
    n_left_out AS baskets_left_out
FROM ff_lifts
WHERE (SELECT
    footfall.internal.check_option(
        footfall.internal.whole_number(min_baskets, 1, 1000000000), 'bought_together', 'min_baskets', min_baskets, 'a whole number from 1'
    ) AND footfall.internal.check_option(
        footfall.internal.whole_number(max_items, 2, 10000), 'bought_together', 'max_items', max_items, 'a whole number from 2 to 10000'
    ) AND footfall.internal.check_option(
        n_counted > 0 OR n_left_out = 0, 'bought_together', 'max_items', max_items, concat('more, since each of the ', n_left_out, ' baskets has more items')
    )
    FROM ff_totals
)
ORDER BY lift_low DESC NULLS LAST, n_both DESC NULLS LAST, ff_lifts.item_a ASC NULLS LAST, ff_lifts.item_b ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.main.bought_together IS $$Which items are bought together, and how much more often than by chance.

One row per pair of items that at least `min_baskets` baskets hold, the surest connection first: `item_a` (the more frequent one) and
`item_b`; `baskets` with both; `support`, their share of all baskets; `confidence_a_to_b`, the share of the baskets with a that
hold b, and `confidence_b_to_a`; `lift`, how many times as often they meet as they would if one had nothing to do with the other;
`lift_low` and `lift_high`, its 95 % interval; `baskets_a` and `baskets_b` with each; `baskets_counted` and `baskets_left_out`.
The measures are those of Agrawal and others (1993) and of Brin and others (1997); an item counts once in a basket, however many pieces.

**Read `lift_low`.** A lift of 40 from two baskets is chance; sorted by lift, a list begins with such pairs. The interval is the delta method's on
the logarithm, for baskets that are drawn one by one, so where a few customers fill most baskets it is too narrow: give the customer as
`basket` for what *customers* buy. And among many pairs some look connected: of 1,000 pairs without a connection some 25 have a
`lift_low` above 1.

**Huge baskets** are left out: a basket of k items has k * (k - 1) / 2 pairs, and one of 10,000 items, a wholesaler's or a crawler's, 50 million,
which say nothing of what goes together. Baskets of more than `max_items` different items are counted in `baskets_left_out` and
nowhere else; where all are such, it is an error. Rows without a basket or an item (see `usable_key`) are left out.

The work grows with the pairs within baskets; DuckDB puts them to disk where memory is short. Items in fewer than `min_baskets` baskets are dropped
before pairs are made, so a catalogue of a million items is no matter.

Parameters:
- tbl: the lines: a table, view, CTE or file.
- basket: what a basket is, a column or expression of any type: an order's number, `(customer_id, day)`, a visit.
- item: a column or expression of any type, or a category.
- min_baskets: how many baskets must hold a pair.
- max_items: the most different items of a basket that is counted, 2 to 10000.

Example:
WITH lines(invoice, product) AS (VALUES
    (1, 'bread'), (1, 'butter'), (2, 'bread'), (2, 'butter'), (2, 'jam'), (3, 'jam'), (4, 'bread'), (4, 'butter'), (5, 'tea'), (6, 'tea'))
FROM footfall.bought_together(lines, invoice, product, min_baskets := 2);$$;

CREATE MACRO footfall.internal.visit_events(function_name, tbl, user_id, action, ts, gap, tie_break := NULL) AS TABLE
WITH ff_histories AS NOT MATERIALIZED (
    FROM footfall.internal.histories(function_name, tbl, user_id, action, ts, tie_break := tie_break)
),
-- The lists moved by one: each event stands beside the one before it, and nothing is sorted again.
ff_rows AS NOT MATERIALIZED (
    SELECT
        event_user,
        unnest(range(len(times))) AS place,
        unnest(actions) AS event_action,
        unnest(list_prepend(NULL, actions[:-2])) AS action_before,
        unnest(times) AS event_time,
        unnest(list_prepend(NULL, times[:-2])) AS time_before,
        unnest(list_append(times[2:], NULL)) AS time_after
    FROM ff_histories
)
SELECT
    event_user,
    place,
    footfall.internal.action_name(event_action) AS event_action,
    footfall.internal.action_name(action_before) AS action_before,
    event_time,
    footfall.internal.begins_visit(event_time, time_before, footfall.internal.gap_length(function_name, gap)) AS begins,
    time_after IS NULL OR footfall.internal.begins_visit(time_after, event_time, footfall.internal.gap_length(function_name, gap)) AS ends,
    event_time = time_before AND event_action <> action_before AS is_tied
FROM ff_rows;

COMMENT ON MACRO TABLE footfall.internal.visit_events IS $$The events of each user in order, each with the one before it and whether a visit begins or ends with it.

One row per event: `event_user`, `place` (from 0), `event_action`, `action_before` (NULL for a user's first), `event_time`, `begins`, `ends` and `is_tied`,
whether it has the time of the one before and another action, so that chance or `tie_break` put it behind that.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, user_id, action, ts, tie_break: as in `sequences`.
- gap: as in `sessions`.

Example:
WITH events(user_id, action, ts) AS (VALUES (1, 'pv', TIMESTAMP '2017-11-25 21:00:00'), (1, 'buy', TIMESTAMP '2017-11-25 21:05:00'))
SELECT event_action, action_before, begins, ends FROM footfall.internal.visit_events('paths', events, user_id, action, ts, INTERVAL 30 MINUTES);$$;

CREATE MACRO footfall.internal.clustered_trials(share, n_all, squares, products, all_squares, n_users) AS
least(n_all, CASE
    WHEN share <= 0 OR share >= 1 THEN CAST(n_all AS DOUBLE) ** 2 / all_squares
    WHEN squares - 2 * share * products + share * share * all_squares <= 1e-12 * all_squares THEN n_all
    ELSE share * (1 - share) * CAST(n_all AS DOUBLE) ** 2 * (n_users - 1)
        / ((squares - 2 * share * products + share * share * all_squares) * n_users)
END);

COMMENT ON MACRO footfall.internal.clustered_trials IS $$How many independent trials a share is worth where users make several, by the linearised variance of a ratio.

For x of n in each user: `share` is sum(x) / sum(n). A share of 0 or 1 has no variance to be seen, and is worth sum(n)^2 / sum(n^2) trials.

Parameters:
- share: DOUBLE, 0 to 1.
- n_all: sum(n).
- squares, products, all_squares: DOUBLE, sum(x * x), sum(x * n) and sum(n * n).
- n_users: how many users have an n.

Example:
SELECT footfall.internal.clustered_trials(0.5, 8, 8.0, 12.0, 24.0, 3) AS trials;$$;

CREATE MACRO footfall.main.paths(
    tbl, user_id, action, ts, from_ := NULL, to_ := 'buy', top := 20, "collapse" := true, gap := INTERVAL '30 minutes', tie_break := NULL,
    absent := 'error'
) AS TABLE
WITH ff_events AS NOT MATERIALIZED (
    SELECT *, begins OR event_action <> action_before OR NOT coalesce(TRY_CAST("collapse" AS BOOLEAN), true) AS is_step
    FROM footfall.internal.visit_events('paths', tbl, user_id, action, ts, gap, tie_break := tie_break)
),
ff_numbered AS NOT MATERIALIZED (
    -- As in `sessions`, not with FILTER.
    SELECT *, count(CASE WHEN begins THEN 1 END) OVER (PARTITION BY event_user ORDER BY place ASC NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS visit
    FROM ff_events
    WHERE is_step OR ends
),
ff_visits AS MATERIALIZED (
    SELECT
        event_user,
        -- By `place`, which no two have alike: list(… ORDER BY …) sets up a sort of its own for each visit, which takes ten times as long.
        list_sort(
            list({'place': place, 'action': event_action, 'time': event_time, 'tied': is_tied AND NOT begins}) FILTER (is_step), 'ASC', 'NULLS LAST'
        ) AS steps,
        max(event_time) AS visit_end
    FROM ff_numbered
    GROUP BY event_user, visit
),
ff_begun AS NOT MATERIALIZED (
    SELECT
        event_user,
        visit_end,
        CASE
            WHEN from_ IS NULL THEN steps
            ELSE steps[list_position([step['action'] FOR step IN steps], CAST(from_ AS VARCHAR)):]
        END AS steps
    FROM ff_visits
    WHERE from_ IS NULL OR list_contains([step['action'] FOR step IN steps], CAST(from_ AS VARCHAR))
),
ff_ended AS NOT MATERIALIZED (
    SELECT
        event_user,
        visit_end,
        steps,
        CASE
            WHEN to_ IS NULL THEN len(steps)
            WHEN from_ IS NULL THEN list_position([step['action'] FOR step IN steps], CAST(to_ AS VARCHAR))
            -- What the way begins with is not yet its end.
            ELSE 1 + list_position([step['action'] FOR step IN steps[2:]], CAST(to_ AS VARCHAR))
        END AS n_steps
    FROM ff_begun
),
ff_ways AS MATERIALIZED (
    SELECT
        event_user,
        -- Bytes, since a list has the collation of the session. A longer way is nobody else's, and as a key it would only take memory.
        CASE WHEN n_steps <= 50 THEN [encode(footfall.internal.unmarked(step['action'])) FOR step IN steps[:n_steps]] END AS way,
        CAST(epoch_us(CASE WHEN to_ IS NULL THEN visit_end ELSE steps[n_steps]['time'] END) AS HUGEINT) - epoch_us(steps[1]['time']) AS duration_us,
        list_bool_or([step['tied'] FOR step IN steps[2:n_steps]]) IS true AS is_tied
    FROM ff_ended
    WHERE n_steps > CASE WHEN to_ IS NULL OR from_ IS NULL THEN 0 ELSE 1 END
),
ff_user_ways AS MATERIALIZED (SELECT event_user, way, count(*) AS x FROM ff_ways GROUP BY event_user, way),
ff_users AS MATERIALIZED (SELECT event_user, CAST(sum(x) AS BIGINT) AS n FROM ff_user_ways GROUP BY event_user),
ff_totals AS MATERIALIZED (
    SELECT coalesce(CAST(sum(n) AS BIGINT), 0) AS n_ways, count(*) AS n_users, CAST(sum(CAST(n AS HUGEINT) * n) AS DOUBLE) AS all_squares FROM ff_users
),
ff_times AS MATERIALIZED (
    SELECT way, median(duration_us) AS median_us, count(*) FILTER (is_tied) AS n_tied FROM ff_ways GROUP BY way
),
-- Sums of whole numbers, so no order of rows is in them.
ff_counted AS NOT MATERIALIZED (
    SELECT
        way,
        CAST(sum(x) AS BIGINT) AS n_visits,
        count(*) AS n_way_users,
        CAST(sum(CAST(x AS HUGEINT) * x) AS DOUBLE) AS squares,
        CAST(sum(CAST(x AS HUGEINT) * n) AS DOUBLE) AS products
    FROM ff_user_ways
    JOIN ff_users ON ff_users.event_user = ff_user_ways.event_user
    GROUP BY way
),
ff_shown AS NOT MATERIALIZED (
    SELECT
        *,
        n_visits / n_ways AS way_share,
        footfall.internal.share_interval(
            n_visits / n_ways, footfall.internal.clustered_trials(n_visits / n_ways, n_ways, squares, products, all_squares, n_users), 1.959963984540054
        ) AS share_range
    FROM ff_counted
    CROSS JOIN ff_totals
),
-- The actions that there are, where no way was found.
ff_found AS (
    SELECT list(DISTINCT one_step['action']) AS names
    FROM (SELECT unnest(steps) AS one_step FROM ff_visits CROSS JOIN ff_totals WHERE n_ways = 0 AND footfall.internal.option_name(absent) <> 'zero')
)
SELECT
    [decode(step) FOR step IN ff_shown.way] AS path,
    n_visits AS visits,
    n_way_users AS users,
    way_share AS share,
    share_range['low'] AS share_low,
    share_range['high'] AS share_high,
    to_microseconds(CAST(median_us AS BIGINT)) AS median_time,
    n_tied AS tied_visits,
    n_ways AS all_paths,
    (SELECT count(*) FROM ff_visits) AS all_visits
FROM ff_shown
JOIN ff_times ON ff_times.way IS NOT DISTINCT FROM ff_shown.way
WHERE (SELECT
    footfall.internal.gap_length('paths', gap) >= 0
    AND footfall.internal.check_top('paths', top, 'paths')
    AND footfall.internal.check_option(TRY_CAST("collapse" AS BOOLEAN) IS NOT NULL, 'paths', 'collapse', "collapse", 'true, false')
    AND footfall.internal.check_absent('paths', absent)
    AND (from_ IS NULL OR footfall.internal.check_occurs('paths', 'from_', [CAST(from_ AS VARCHAR)], coalesce(names, [])))
    AND (to_ IS NULL OR footfall.internal.check_occurs('paths', 'to_', [CAST(to_ AS VARCHAR)], coalesce(names, [])))
    FROM ff_found
)
ORDER BY n_visits DESC NULLS LAST, n_way_users DESC NULLS LAST, ff_shown.way ASC NULLS LAST
LIMIT footfall.internal.top_rows(top);

COMMENT ON MACRO TABLE footfall.main.paths IS $$The commonest ways within a visit: what users do from one action to another.

One row per way, the commonest first: `path` (a list of actions), `visits` that went it and their different `users`, its `share` of all ways with the 95 %
interval `share_low` and `share_high`, `median_time` from its first event to its last, `tied_visits`, `all_paths`, what the share is of, and
`all_visits` of the table. Visits are those of `sessions`.

**The way** of a visit goes from its first `from_`, or its beginning, to the first `to_` after that, or its end; a visit has one way or none. So
`to_ := 'buy'` shows what led to the first purchase of a visit, `from_ := 'cart', to_ := NULL` what follows when something is in
the cart, and visits without a way are in `all_visits` alone. With `collapse := true` an action that is repeated at once is one step:
view, view, cart is view, cart. Ways of more than 50 steps are one row, whose `path` is NULL. Shares of the rows shown add up to 1 only with `top := NULL`.

Events at one time have no order unless `tie_break` gives one: it is drawn by a hash, as in `sequences`, and the visits
whose way depends on it are counted in `tied_visits`. The interval takes users as the unit, since visits of one user are alike: the
linearised variance of a ratio says how many independent visits the visits are worth, and Wilson's interval is made for so many.

An action of `from_` or `to_` that does not occur is an error that lists those that do. Rows of nobody (see `usable_key`), without an action, or
with a NULL or infinite time, are left out.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type.
- action: VARCHAR or ENUM, or what casts to text; give an expression for coarser steps, such as a page's kind.
- ts: TIMESTAMP, TIMESTAMP_S, _MS, _NS, DATE, or TIMESTAMP WITH TIME ZONE, whose instants are put in order.
- from_: the action that ways begin with; NULL is the beginning of the visit.
- to_: the action that ways end with; NULL is the end of the visit.
- top: how many ways; NULL gives all.
- collapse: true when an action that is repeated at once is one step.
- gap: INTERVAL, the longest break within a visit.
- tie_break: what orders events of the same time, of any type, such as a line number.
- absent: 'error' when `from_` or `to_` occurs nowhere in the table, or 'zero' for no rows.

Example:
WITH events(user_id, action, ts) AS (VALUES
    (1, 'pv', TIMESTAMP '2017-11-25 21:00:00'), (1, 'pv', TIMESTAMP '2017-11-25 21:02:00'), (1, 'cart', TIMESTAMP '2017-11-25 21:04:00'),
    (1, 'buy', TIMESTAMP '2017-11-25 21:10:00'), (2, 'pv', TIMESTAMP '2017-11-25 21:00:00'), (2, 'cart', TIMESTAMP '2017-11-25 21:01:00'),
    (2, 'buy', TIMESTAMP '2017-11-25 21:02:00'), (3, 'buy', TIMESTAMP '2017-11-25 21:00:00'), (3, 'pv', TIMESTAMP '2017-11-25 22:00:00'))
FROM footfall.paths(events, user_id, action, ts);$$;

CREATE MACRO footfall.main.transitions(tbl, user_id, action, ts, top := 100, gap := INTERVAL '30 minutes', tie_break := NULL) AS TABLE
WITH ff_user_pairs AS MATERIALIZED (
    SELECT event_user, action_before AS from_action, event_action AS to_action, count(*) AS x, count(*) FILTER (is_tied) AS n_tied
    FROM footfall.internal.visit_events('transitions', tbl, user_id, action, ts, gap, tie_break := tie_break)
    WHERE NOT begins
    GROUP BY event_user, from_action, to_action
),
ff_user_from AS MATERIALIZED (SELECT event_user, from_action, CAST(sum(x) AS HUGEINT) AS x_from FROM ff_user_pairs GROUP BY event_user, from_action),
ff_user_to AS MATERIALIZED (SELECT event_user, to_action, CAST(sum(x) AS HUGEINT) AS x_to FROM ff_user_pairs GROUP BY event_user, to_action),
ff_users AS MATERIALIZED (SELECT event_user, CAST(sum(x_from) AS HUGEINT) AS x_all FROM ff_user_from GROUP BY event_user),
-- All sums are of whole numbers, so no order of rows is in them.
ff_all AS MATERIALIZED (SELECT sum(x_all) AS n_all, sum(x_all * x_all) AS all_squares, count(*) AS n_users FROM ff_users),
ff_from AS MATERIALIZED (
    SELECT from_action, sum(x_from) AS n_from, count(*) AS n_from_users, sum(x_from * x_from) AS from_squares, sum(x_from * x_all) AS from_all
    FROM ff_user_from
    JOIN ff_users ON ff_users.event_user = ff_user_from.event_user
    GROUP BY from_action
),
ff_to AS MATERIALIZED (
    SELECT to_action, sum(x_to) AS n_to, sum(x_to * x_to) AS to_squares, sum(x_to * x_all) AS to_all
    FROM ff_user_to
    JOIN ff_users ON ff_users.event_user = ff_user_to.event_user
    GROUP BY to_action
),
ff_top AS MATERIALIZED (
    SELECT from_action, to_action, CAST(sum(x) AS BIGINT) AS n_pair, count(*) AS n_pair_users, CAST(sum(n_tied) AS BIGINT) AS n_tied
    FROM ff_user_pairs
    GROUP BY from_action, to_action
    ORDER BY n_pair DESC NULLS LAST, from_action ASC NULLS LAST, to_action ASC NULLS LAST
    LIMIT footfall.internal.top_rows(top)
),
ff_pair_sums AS MATERIALIZED (
    SELECT
        ff_top.from_action AS from_action,
        ff_top.to_action AS to_action,
        sum(CAST(x AS HUGEINT) * x) AS pair_squares,
        sum(x * x_all) AS pair_all,
        sum(x * x_from) AS pair_from,
        sum(x * x_to) AS pair_to
    FROM ff_top
    JOIN ff_user_pairs ON ff_user_pairs.from_action = ff_top.from_action AND ff_user_pairs.to_action = ff_top.to_action
    JOIN ff_users ON ff_users.event_user = ff_user_pairs.event_user
    JOIN ff_user_from ON ff_user_from.event_user = ff_user_pairs.event_user AND ff_user_from.from_action = ff_top.from_action
    JOIN ff_user_to ON ff_user_to.event_user = ff_user_pairs.event_user AND ff_user_to.to_action = ff_top.to_action
    GROUP BY ff_top.from_action, ff_top.to_action
),
ff_cross_sums AS MATERIALIZED (
    SELECT ff_top.from_action AS from_action, ff_top.to_action AS to_action, sum(x_from * x_to) AS from_to
    FROM ff_top
    JOIN ff_user_from ON ff_user_from.from_action = ff_top.from_action
    JOIN ff_user_to ON ff_user_to.event_user = ff_user_from.event_user AND ff_user_to.to_action = ff_top.to_action
    GROUP BY ff_top.from_action, ff_top.to_action
),
ff_numbers AS NOT MATERIALIZED (
    SELECT
        ff_top.*,
        n_from,
        n_from_users,
        n_users,
        CAST(n_all AS DOUBLE) AS n,
        CAST(n_pair AS DOUBLE) AS a,
        CAST(n_from AS DOUBLE) AS f,
        CAST(n_to AS DOUBLE) AS t,
        pair_squares, pair_from, from_squares,
        a * n / (f * t) AS pair_lift,
        -- What a user adds to log(a * n / f / t) is x / a + all / n - from / f - to / t; this is the sum of its squares.
        pair_squares / (a * a) + all_squares / (n * n) + from_squares / (f * f) + to_squares / (t * t)
            + 2 * (pair_all / (a * n) - pair_from / (a * f) - pair_to / (a * t) - from_all / (f * n) - to_all / (t * n) + from_to / (f * t)) AS all_parts
    FROM ff_top
    JOIN ff_from ON ff_from.from_action = ff_top.from_action
    JOIN ff_to ON ff_to.to_action = ff_top.to_action
    JOIN ff_pair_sums ON ff_pair_sums.from_action = ff_top.from_action AND ff_pair_sums.to_action = ff_top.to_action
    JOIN ff_cross_sums ON ff_cross_sums.from_action = ff_top.from_action AND ff_cross_sums.to_action = ff_top.to_action
    CROSS JOIN ff_all
),
ff_errors AS NOT MATERIALIZED (
    SELECT
        *,
        sqrt(greatest(all_parts, 0) * n_users / nullif(n_users - 1, 0)) AS log_error,
        footfall.internal.share_interval(
            a / f,
            footfall.internal.clustered_trials(a / f, f, CAST(pair_squares AS DOUBLE), CAST(pair_from AS DOUBLE), CAST(from_squares AS DOUBLE), n_from_users),
            1.959963984540054
        ) AS share_range
    FROM ff_numbers
)
SELECT
    footfall.internal.unmarked(from_action) AS action,
    footfall.internal.unmarked(to_action) AS next_action,
    n_pair AS transitions,
    n_pair_users AS users,
    a / f AS share,
    share_range['low'] AS share_low,
    share_range['high'] AS share_high,
    pair_lift AS lift,
    pair_lift * exp(-1.959963984540054 * log_error) AS lift_low,
    pair_lift * exp(1.959963984540054 * log_error) AS lift_high,
    n_tied AS tied
FROM ff_errors
WHERE (SELECT
    footfall.internal.gap_length('transitions', gap) >= 0
    AND footfall.internal.check_top('transitions', top, 'pairs')
)
ORDER BY n_pair DESC NULLS LAST, ff_errors.from_action ASC NULLS LAST, ff_errors.to_action ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.main.transitions IS $$What follows what within a visit, and how much more often than by chance.

One row per pair of actions that follow each other directly, the commonest first: `action` and `next_action`, `transitions`, how often, and the
different `users`; `share`, of all that follows on `action` within a visit, with its 95 % interval `share_low` and `share_high`; `lift`, how many times
as often as it would if what comes next had nothing to do with what was before, with its interval `lift_low` and `lift_high`; and `tied`. A lift of 1
is no connection. Visits are those of `sessions`; from the last event of a visit nothing follows.

The unit of both intervals is the user, since one user's visits are alike: the delta method on the logarithm of the lift, and for the
share the linearised variance of a ratio, made into Wilson's interval. Without a second user the lift has none. Actions in which
everybody differs, such as addresses of pages, make many pairs: of 1,000 pairs without a connection some 50 lie outside their interval.

Events at one time have no order unless `tie_break` gives one: it is drawn by a hash, as in `sequences`, and `tied` counts the transitions that
depend on it. Where it is large, as with times to the day, the table says little. Rows of nobody (see `usable_key`), without an action,
or with a NULL or infinite time, are left out.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type.
- action: VARCHAR or ENUM, or what casts to text.
- ts: TIMESTAMP, TIMESTAMP_S, _MS, _NS, DATE, or TIMESTAMP WITH TIME ZONE, whose instants are put in order.
- top: how many pairs; NULL gives all.
- gap: INTERVAL, the longest break within a visit.
- tie_break: what orders events of the same time, of any type, such as a line number.

Example:
WITH events(user_id, action, ts) AS (VALUES
    (1, 'pv', TIMESTAMP '2017-11-25 21:00:00'), (1, 'cart', TIMESTAMP '2017-11-25 21:04:00'), (1, 'buy', TIMESTAMP '2017-11-25 21:10:00'),
    (2, 'pv', TIMESTAMP '2017-11-25 21:00:00'), (2, 'pv', TIMESTAMP '2017-11-25 21:01:00'), (2, 'cart', TIMESTAMP '2017-11-25 21:02:00'))
FROM footfall.transitions(events, user_id, action, ts);$$;
