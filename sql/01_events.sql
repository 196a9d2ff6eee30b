-- Events: read them, judge every row, keep the good ones.
--
-- Names inside a macro never equal one of its parameters: DuckDB puts the caller's expression
-- wherever a parameter's name stands, so a column of that name could not be spoken of.

CREATE MACRO footfall.main.check_cleaning(function_name, valid_from, valid_until, actions) AS
footfall.main.check_option(
    typeof(valid_from) <> 'TIMESTAMP WITH TIME ZONE',
    function_name, 'valid_from', valid_from, 'a TIMESTAMP or DATE in the shop''s local time'
) AND footfall.main.check_option(
    typeof(valid_until) <> 'TIMESTAMP WITH TIME ZONE',
    function_name, 'valid_until', valid_until, 'a TIMESTAMP or DATE in the shop''s local time'
) AND footfall.main.check_option(
    coalesce(CAST(valid_from AS TIMESTAMP) <= CAST(valid_until AS TIMESTAMP), true),
    function_name, 'valid_from', valid_from, 'not after valid_until (' || coalesce(CAST(valid_until AS VARCHAR), 'NULL') || ')'
) AND footfall.main.check_option(
    len(actions) > 0, function_name, 'actions', actions, 'a list of at least one action'
);

COMMENT ON MACRO footfall.main.check_cleaning IS 'True, or the error for wrong options of clean_events and cleaning_report.

Parameters:
- function_name: the macro''s name.
- valid_from, valid_until, actions: its options.

Example:
SELECT footfall.check_cleaning(''clean_events'', DATE ''2017-11-25'', NULL, [''pv'']) AS is_right;';

CREATE MACRO footfall.main.read_taobao(path, utc_offset := INTERVAL '8 hours', skip_malformed := false) AS TABLE
SELECT
    user_id,
    item_id,
    category_id,
    action,
    make_timestamp(
        CASE WHEN unix_seconds BETWEEN -9223372022400 AND 9223372036854 THEN unix_seconds * 1000000
            ELSE CAST(error('footfall.read_taobao: the time ' || unix_seconds
                || ' is not Unix seconds; allowed: -9223372022400 to 9223372036854') AS BIGINT)
        END
    ) + utc_offset AS ts
FROM read_csv(
    path,
    auto_detect = false,
    header = false,
    delim = ',',
    quote = '',
    escape = '',
    columns = {
        'user_id': 'BIGINT',
        'item_id': 'BIGINT',
        'category_id': 'BIGINT',
        'action': 'VARCHAR',
        'unix_seconds': 'BIGINT'
    },
    ignore_errors = skip_malformed
);

COMMENT ON MACRO TABLE footfall.main.read_taobao IS 'Read events in the format of the Taobao User Behavior set.

The file has no header and five columns: user, item, category, action, Unix seconds (UTC). The result
is `user_id BIGINT, item_id BIGINT, category_id BIGINT, action VARCHAR, ts TIMESTAMP`, with `ts` in the
shop''s local time. Seconds before 1970 and far in the future are read as they are; an empty field is
NULL. A line that does not fit is an error that names the line.

Parameters:
- path: a file, a list of files or a pattern such as ''data/*.csv.gz''; compressed files are read as they are.
- utc_offset: the shop''s distance from UTC, an INTERVAL; 8 hours is Beijing. The machine''s zone plays no part.
- skip_malformed: true leaves out the lines that do not fit.

Example:
COPY (SELECT 1, 10, 100, ''pv'', 1511614800) TO ''/tmp/footfall_example.csv'' (HEADER false);
FROM footfall.read_taobao(''/tmp/footfall_example.csv'');';

CREATE MACRO footfall.main.event_reason(
    user_id, item_id, category_id, action, ts,
    valid_from := NULL, valid_until := NULL, actions := ['pv', 'cart', 'fav', 'buy']
) AS
CASE
    WHEN user_id IS NULL OR item_id IS NULL OR category_id IS NULL OR action IS NULL OR ts IS NULL THEN 'null_key'
    WHEN NOT list_contains(actions, action) THEN 'unknown_action'
    -- Without a bound only the infinity lies outside.
    WHEN ts < coalesce(CAST(valid_from AS TIMESTAMP), TIMESTAMP '290309-12-22 (BC) 00:00:00') THEN 'before_range'
    WHEN ts >= coalesce(CAST(valid_until AS TIMESTAMP), TIMESTAMP 'infinity') THEN 'after_range'
    ELSE 'kept'
END;

COMMENT ON MACRO footfall.main.event_reason IS 'What cleaning does with one event, but for duplicates.

The one definition behind `clean_events` and `cleaning_report`; call it to look at the rows that
cleaning drops. The first rule that holds gives the answer:
`null_key` when the user, item, category, action or time is NULL; `unknown_action` when the action is
not one of `actions`; `before_range` and `after_range` when the time is outside
[valid_from, valid_until) or infinite; otherwise `kept`.

Parameters:
- user_id, item_id, category_id: of any type.
- action: VARCHAR or ENUM.
- ts: TIMESTAMP in the shop''s local time.
- valid_from, valid_until: TIMESTAMP or DATE; the first moment that is valid and the first that is not any more; NULL is no bound.
- actions: the list of known actions.

Example:
SELECT footfall.event_reason(1, 10, 100, ''click'', TIMESTAMP ''2017-11-25 21:00:00'') AS reason;';

CREATE MACRO footfall.main.clean_events(
    tbl, user_id, item_id, category_id, action, ts,
    valid_from := NULL, valid_until := NULL, actions := ['pv', 'cart', 'fav', 'buy']
) AS TABLE
WITH input_events AS NOT MATERIALIZED (
    SELECT
        user_id AS event_user,
        item_id AS event_item,
        category_id AS event_category,
        action AS event_action,
        footfall.main.local_time('clean_events', 'ts', ts) AS event_time
    FROM query_table(tbl)
)
SELECT DISTINCT
    event_user AS user_id,
    event_item AS item_id,
    event_category AS category_id,
    event_action AS action,
    event_time AS ts
FROM input_events
WHERE footfall.main.event_reason(
    event_user, event_item, event_category, event_action, event_time, valid_from, valid_until, actions
) = 'kept'
AND (SELECT footfall.main.check_cleaning('clean_events', valid_from, valid_until, actions));

COMMENT ON MACRO TABLE footfall.main.clean_events IS 'The events worth keeping, each once.

Drops rows with a NULL key, with an unknown action, outside [valid_from, valid_until), and further
copies of a row that agrees in all five columns. `cleaning_report` with the same arguments counts what
was dropped and why; `event_reason` has the rules. The result is
`user_id, item_id, category_id, action, ts`, in no particular order; other columns of the table are
not carried along, and rows that differ only in them are duplicates.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id, item_id, category_id: columns or expressions; where the data have no category, give a constant.
- action: VARCHAR or ENUM.
- ts: the time in the shop''s local time; TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE.
- valid_from, valid_until: TIMESTAMP or DATE; the first moment that is valid and the first that is not any more; NULL is no bound.
- actions: the list of known actions.

Example:
WITH events(user_id, item_id, category_id, action, ts) AS (VALUES
    (1, 10, 100, ''pv'', TIMESTAMP ''2017-11-25 21:00:00''),
    (1, 10, 100, ''pv'', TIMESTAMP ''2017-11-25 21:00:00''),
    (2, 10, 100, ''pv'', TIMESTAMP ''2037-04-09 00:00:00''))
FROM footfall.clean_events(events, user_id, item_id, category_id, action, ts, valid_until := DATE ''2017-12-04'');';

CREATE MACRO footfall.main.cleaning_report(
    tbl, user_id, item_id, category_id, action, ts,
    valid_from := NULL, valid_until := NULL, actions := ['pv', 'cart', 'fav', 'buy']
) AS TABLE
WITH input_events AS NOT MATERIALIZED (
    SELECT
        user_id AS event_user,
        item_id AS event_item,
        category_id AS event_category,
        action AS event_action,
        footfall.main.local_time('cleaning_report', 'ts', ts) AS event_time
    FROM query_table(tbl)
),
-- The reason depends on the five columns alone, so equal rows are counted first and judged once.
distinct_events AS NOT MATERIALIZED (
    SELECT event_user, event_item, event_category, event_action, event_time, count(*) AS n_copies
    FROM input_events
    GROUP BY ALL
),
judged AS NOT MATERIALIZED (
    SELECT
        footfall.main.event_reason(
            event_user, event_item, event_category, event_action, event_time, valid_from, valid_until, actions
        ) AS judgement,
        n_copies
    FROM distinct_events
),
counted AS MATERIALIZED (
    SELECT judgement, count(*) AS n_distinct, sum(n_copies) AS n_all FROM judged GROUP BY judgement
),
reasons(place, judgement) AS (VALUES
    (1, 'kept'), (2, 'null_key'), (3, 'unknown_action'), (4, 'before_range'), (5, 'after_range'), (6, 'duplicate')
)
SELECT
    reasons.judgement AS reason,
    CAST(coalesce(CASE reasons.judgement
        WHEN 'kept' THEN n_distinct
        WHEN 'duplicate' THEN n_all - n_distinct
        ELSE n_all
    END, 0) AS BIGINT) AS n_rows
FROM reasons
LEFT JOIN counted
    ON counted.judgement = CASE reasons.judgement WHEN 'duplicate' THEN 'kept' ELSE reasons.judgement END
WHERE (SELECT footfall.main.check_cleaning('cleaning_report', valid_from, valid_until, actions))
ORDER BY place;

COMMENT ON MACRO TABLE footfall.main.cleaning_report IS 'The receipt of clean_events: how many rows were kept, and why the others were dropped.

Six rows `reason, n_rows`, always in this order: `kept`, `null_key`, `unknown_action`, `before_range`,
`after_range`, `duplicate`. Every row of the table is counted exactly once, under the first rule of
`event_reason` that holds, so the numbers add up to the number of rows. `duplicate` counts the second
and further copies of a row that is otherwise kept.

Parameters:
- tbl, user_id, item_id, category_id, action, ts, valid_from, valid_until, actions: as in `clean_events`.

Example:
WITH events(user_id, item_id, category_id, action, ts) AS (VALUES
    (1, 10, 100, ''pv'', TIMESTAMP ''2017-11-25 21:00:00''),
    (1, 10, 100, ''pv'', TIMESTAMP ''2017-11-25 21:00:00''),
    (2, 10, 100, ''pv'', TIMESTAMP ''2037-04-09 00:00:00''))
FROM footfall.cleaning_report(events, user_id, item_id, category_id, action, ts, valid_until := DATE ''2017-12-04'');';
