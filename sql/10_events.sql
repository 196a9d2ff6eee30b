-- Events: read them, judge every row, keep the good ones.
--
-- Names inside a macro never equal one of its parameters: DuckDB puts the caller's expression
-- wherever a parameter's name stands, so a column of that name could not be spoken of.

CREATE MACRO footfall.internal.event_line(line) AS system.main.event_line(line);

COMMENT ON MACRO footfall.internal.event_line IS $$Takes one line of an event file apart, as a whole.

A STRUCT: `user_id, item_id, category_id, action, unix_seconds` of an event, an empty field NULL; `problem`, why the line is no
event, 'header' for the names of columns; and `text`, the line, where there is a problem. A blank line gives NULL. Fields may
be in quotes, and be parted by commas, semicolons or tabs. Numbers are whole and in plain digits, times seconds.

Parameters:
- line: VARCHAR in which each character stands for a byte of the file (Latin-1).

Example:
SELECT e.user_id, e.action, e.problem FROM (SELECT unnest([event_line('1,10,100,pv,1511614800'), event_line('1,10,100,pv')]) AS e);$$;

CREATE MACRO footfall.internal.event_lines(path) AS TABLE
SELECT system.main.event_line(line) AS parsed, filename AS file_name
FROM read_csv(
    path,
    auto_detect = false,
    header = false,
    -- No byte of a text file is this one, so a line is one column, and Latin-1 takes any bytes.
    delim = chr(1),
    quote = '',
    escape = '',
    encoding = 'latin-1',
    strict_mode = false,
    columns = {'line': 'VARCHAR'},
    filename = true
);

COMMENT ON MACRO TABLE footfall.internal.event_lines IS $$The lines of event files, taken apart, good and bad ones alike.

What `read_taobao` and `malformed_lines` read. One row per line: `parsed`, a STRUCT of `user_id, item_id, category_id,
action, unix_seconds`, of `problem` (why the line is no event, 'header' for the names of the columns, NULL for an event) and
`text` (the line, where there is a problem); NULL for a blank line; and `file_name`. A line is judged as a whole, whatever
columns a query reads.

Parameters:
- path: a file, a list of files or a pattern.

Example:
COPY (SELECT 1, 10, 100, 'pv', 1511614800) TO '/tmp/footfall_example.csv' (HEADER false);
SELECT parsed.user_id, parsed.action, parsed.problem FROM footfall.internal.event_lines('/tmp/footfall_example.csv');$$;

CREATE MACRO footfall.main.read_taobao(path, utc_offset := INTERVAL '8 hours', skip_malformed := false) AS TABLE
SELECT
    parsed.user_id AS user_id,
    parsed.item_id AS item_id,
    parsed.category_id AS category_id,
    parsed.action AS action,
    make_timestamp(parsed.unix_seconds * 1000000) + footfall.internal.duration('read_taobao', 'utc_offset', utc_offset) AS ts
FROM footfall.internal.event_lines(path)
WHERE parsed IS NOT NULL
    AND CASE
        WHEN parsed.problem IS NULL THEN true
        WHEN parsed.problem = 'header' OR skip_malformed THEN false
        ELSE CAST(error('footfall.read_taobao: a line is no event: ' || parsed.problem || ', in ' || footfall.internal.shown(parsed.text)
            || '; footfall.malformed_lines(path) lists such lines with their numbers, skip_malformed := true leaves them out') AS BOOLEAN)
    END;

COMMENT ON MACRO TABLE footfall.main.read_taobao IS $$Read events in the format of the Taobao User Behavior set.

The file has five columns: user, item, category, action, Unix seconds (UTC). The result is
`user_id BIGINT, item_id BIGINT, category_id BIGINT, action VARCHAR, ts TIMESTAMP`, with `ts` in the shop's local time.
In the original set the actions are `pv` (page view: an item was looked at), `cart`, `fav` and `buy`. Seconds before 1970
and far in the future are read as they are; an empty field is NULL; blank lines are nothing.

Copies that other programs saved are read too: a header, quotes, semicolons or tabs in place of commas, Windows line
ends, a byte order mark. A line whose numbers are written otherwise (milliseconds, exponents, fractions) or that has
another number of fields is an error that shows it. A line stands or falls as a whole: with `skip_malformed` a file has
the same number of events in every query, and `malformed_lines` lists what was left out.

Parameters:
- path: a file, a list of files or a pattern such as 'data/*.csv.gz'; compressed files are read as they are.
- utc_offset: the shop's distance from UTC, an INTERVAL; 8 hours is Beijing. The machine's zone plays no part.
- skip_malformed: true leaves out the lines that do not fit.

Example:
COPY (SELECT 1, 10, 100, 'pv', 1511614800) TO '/tmp/footfall_example.csv' (HEADER false);
FROM footfall.read_taobao('/tmp/footfall_example.csv');$$;

CREATE MACRO footfall.main.malformed_lines(path) AS TABLE
WITH ff_lines AS NOT MATERIALIZED (
    SELECT row_number() OVER () AS place, file_name, parsed.problem AS problem, parsed.text AS line_text
    FROM footfall.internal.event_lines(path)
),
ff_files AS (SELECT file_name, min(place) AS first_place FROM ff_lines GROUP BY file_name)
SELECT
    ff_lines.place - ff_files.first_place + 1 AS line,
    ff_lines.problem AS reason,
    ff_lines.line_text AS text,
    ff_lines.file_name AS file
FROM ff_lines
JOIN ff_files ON ff_files.file_name = ff_lines.file_name
WHERE ff_lines.problem <> 'header'
ORDER BY ff_lines.place ASC;

COMMENT ON MACRO TABLE footfall.main.malformed_lines IS $$The lines of event files that are no events, with the reason.

One row per line that `read_taobao` refuses, in order: `line` (its number, from 1), `reason`, `text`, and `file`. A header
and blank lines are not listed.

Parameters:
- path: a file, a list of files or a pattern, as for `read_taobao`.

Example:
COPY (SELECT '1,10,100,pv,1511614800' UNION ALL SELECT '1,10,100,pv') TO '/tmp/footfall_example.csv' (HEADER false, QUOTE '', DELIMITER '|');
SELECT line, reason, text FROM footfall.malformed_lines('/tmp/footfall_example.csv');$$;

CREATE MACRO footfall.internal.actions_seen(tbl, action, wanted) AS TABLE
WITH ff_events AS NOT MATERIALIZED (SELECT footfall.internal.action_name(action) AS event_action FROM query_table(tbl))
SELECT list(DISTINCT event_action) FILTER (event_action IS NOT NULL) AS found
FROM ff_events
CROSS JOIN (FROM query_table(wanted)) AS is_wanted;

COMMENT ON MACRO TABLE footfall.internal.actions_seen IS $$The actions that occur in a relation, as one list `found`; NULL where there are none.

Reports name them in the error for an action that does not occur.

Parameters:
- tbl: the events.
- action: of any type.
- wanted: a relation of one row, or of none where nobody asks: then the events are not read.

Example:
WITH events(action) AS (VALUES ('pv'), ('buy'), ('pv')), wanted AS (SELECT 1)
SELECT list_sort(found) AS actions FROM footfall.internal.actions_seen(events, action, wanted);$$;

CREATE MACRO footfall.internal.check_cleaning(function_name, valid_from, valid_until, actions, duplicates := 'drop', absent := 'error') AS
(footfall.internal.moment_option(function_name, 'valid_from', valid_from) IS NOT NULL OR valid_from IS NULL)
AND (footfall.internal.moment_option(function_name, 'valid_until', valid_until) IS NOT NULL OR valid_until IS NULL)
AND footfall.internal.check_option(
    coalesce(
        footfall.internal.moment_option(function_name, 'valid_from', valid_from)
            <= footfall.internal.moment_option(function_name, 'valid_until', valid_until),
        true
    ),
    function_name, 'valid_from', valid_from, 'not after valid_until (' || coalesce(CAST(valid_until AS VARCHAR), 'NULL') || ')'
) AND footfall.internal.check_option(
    coalesce(len(footfall.internal.name_list(function_name, 'actions', actions)) > 0, true),
    function_name, 'actions', actions, 'a list of at least one action, or NULL for pv, cart, fav and buy'
) AND footfall.internal.check_option(
    footfall.internal.option_name(duplicates) IN ('drop', 'keep'), function_name, 'duplicates', duplicates, '''drop'', ''keep'''
) AND footfall.internal.check_absent(function_name, absent);

COMMENT ON MACRO footfall.internal.check_cleaning IS $$True, or the error for wrong options of clean_events and cleaning_report.

Parameters:
- function_name: the macro's name.
- valid_from, valid_until, actions, duplicates, absent: its options.

Example:
SELECT footfall.internal.check_cleaning('clean_events', DATE '2017-11-25', NULL, ['pv']) AS is_right;$$;

CREATE MACRO footfall.main.event_reason(
    user_id, item_id, category_id, action, ts, valid_from := NULL, valid_until := NULL, actions := NULL
) AS
CASE
    WHEN coalesce(system.main.key_kind(user_id), 0) = 0 OR action IS NULL OR ts IS NULL THEN 'null_key'
    WHEN NOT list_contains(coalesce(TRY_CAST(actions AS VARCHAR[]), ['pv', 'cart', 'fav', 'buy']), footfall.internal.action_name(action))
    THEN 'unknown_action'
    -- Without a bound only the infinity lies outside.
    WHEN ts < coalesce(CAST(valid_from AS TIMESTAMP), TIMESTAMP '290309-12-22 (BC) 00:00:00') THEN 'before_range'
    WHEN ts >= coalesce(CAST(valid_until AS TIMESTAMP), TIMESTAMP 'infinity') THEN 'after_range'
    ELSE 'kept'
END;

COMMENT ON MACRO footfall.main.event_reason IS $$What cleaning does with one event, but for duplicates.

The one definition behind `clean_events` and `cleaning_report`; call it to look at the rows that cleaning drops.
The first rule that holds gives the answer: `null_key` when nobody did it (`usable_key` says who is nobody), or the action
or time is NULL; `unknown_action` when the action is not one of `actions`; `before_range` and `after_range` when the time
is outside [valid_from, valid_until) or infinite; otherwise `kept`. An event without an item or category (a search, a
checkout, the start of a session) is an event.

Parameters:
- user_id: of any type.
- item_id, category_id: of any type; they decide nothing.
- action: VARCHAR or ENUM.
- ts: TIMESTAMP in the shop's local time.
- valid_from, valid_until: TIMESTAMP or DATE; the first moment that is valid and the first that is not any more; NULL is no bound.
- actions: the list of known actions; NULL is pv, cart, fav and buy.

Example:
SELECT footfall.event_reason(1, 10, 100, 'click', TIMESTAMP '2017-11-25 21:00:00') AS reason;$$;

CREATE MACRO footfall.main.clean_events(
    tbl, user_id, item_id, category_id, action, ts,
    valid_from := NULL, valid_until := NULL, actions := NULL, duplicates := 'drop', absent := 'error', time_zone := NULL
) AS TABLE
WITH
ff_rows AS NOT MATERIALIZED (FROM query_table(tbl)),
-- A named action that occurs nowhere is looked for only where actions are named; otherwise the first known one is enough.
ff_found AS (
    SELECT list(DISTINCT footfall.internal.action_name(action)) AS ff_names FROM ff_rows
    WHERE actions IS NOT NULL AND action IS NOT NULL AND footfall.internal.option_name(absent) <> 'zero'
),
ff_known AS (
    SELECT 1 AS ff_one FROM ff_rows
    WHERE actions IS NULL AND footfall.internal.option_name(absent) <> 'zero'
        AND list_contains(['pv', 'cart', 'fav', 'buy'], footfall.internal.action_name(action))
    LIMIT 1
),
ff_unknown AS (
    SELECT list(DISTINCT ff_name) AS ff_names
    FROM (
        SELECT footfall.internal.action_name(action) AS ff_name FROM ff_rows
        WHERE actions IS NULL AND footfall.internal.option_name(absent) <> 'zero' AND action IS NOT NULL AND NOT EXISTS (FROM ff_known)
    )
),
ff_kept AS NOT MATERIALIZED (
    SELECT *
    FROM ff_rows
    WHERE footfall.main.event_reason(
        footfall.internal.usable_key('clean_events', 'user_id', user_id),
        item_id,
        category_id,
        action,
        footfall.internal.local_time(
            'clean_events', 'ts', ts, time_zone := time_zone,
            default_zone := CASE WHEN valid_from IS NULL AND valid_until IS NULL THEN 'UTC' END
        ),
        valid_from := footfall.internal.moment_option('clean_events', 'valid_from', valid_from),
        valid_until := footfall.internal.moment_option('clean_events', 'valid_until', valid_until),
        actions := actions
    ) = 'kept'
    AND (SELECT footfall.internal.check_cleaning('clean_events', valid_from, valid_until, actions, duplicates := duplicates, absent := absent))
    AND (SELECT footfall.internal.check_occurs('clean_events', 'actions', footfall.internal.name_list('clean_events', 'actions', actions), ff_names) FROM ff_found)
    AND (SELECT footfall.internal.check_occurs('clean_events', 'actions', ['pv', 'cart', 'fav', 'buy'], ff_names) FROM ff_unknown)
),
-- One more column, because COLUMNS must find one.
ff_events AS NOT MATERIALIZED (
    SELECT footfall.internal.unmarked(COLUMNS(*)), 0 AS ff_nothing
    FROM (SELECT DISTINCT footfall.internal.bytewise(COLUMNS(*)) FROM ff_kept WHERE footfall.internal.option_name(duplicates) <> 'keep')
    UNION ALL
    SELECT *, 0 FROM ff_kept WHERE footfall.internal.option_name(duplicates) = 'keep'
)
SELECT * EXCLUDE (ff_nothing)
FROM (
    SELECT
        user_id AS user_id,
        footfall.internal.column_value('clean_events', 'item_id', item_id, typeof(ff_events)) AS item_id,
        footfall.internal.column_value('clean_events', 'category_id', category_id, typeof(ff_events)) AS category_id,
        action AS action,
        ts AS ts,
        COLUMNS(lambda ff_column: lower(ff_column) NOT IN ('user_id', 'item_id', 'category_id', 'action', 'ts'))
    FROM ff_events
);

COMMENT ON MACRO TABLE footfall.main.clean_events IS $$The events worth keeping, each once.

Drops rows of nobody, rows without an action or time, with an unknown action or outside [valid_from, valid_until), and
further copies of a row that agrees in **all** columns of the table. `cleaning_report` with the same arguments counts what
was dropped and why; `event_reason` has the rules. The result is `user_id, item_id, category_id, action, ts`, then every
other column of the table (price, session, device) under its own name, in no particular order.

Where times are coarse, equal rows may be real: three looks at an item within one hour are three equal rows in a file
whose times are hours. `duplicates := 'keep'` keeps them; `cleaning_report` says how fine the times are.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type; NULL, NaN, '' and blank text are nobody.
- item_id, category_id: columns or expressions, NULL where an event or the whole shop has none.
- action: VARCHAR or ENUM.
- ts: the time in the shop's local time; TIMESTAMP, TIMESTAMP_S, _MS, _NS, DATE, or TIMESTAMP WITH TIME ZONE. It is kept as it is.
- valid_from, valid_until: TIMESTAMP or DATE; the first moment that is valid and the first that is not any more; NULL is no bound.
- actions: the list of known actions; NULL is pv (page view), cart, fav and buy. A listed action that occurs nowhere is an error.
- duplicates: 'drop' or 'keep'.
- absent: 'error', or 'zero' where a listed action may really not occur, as in a report over one hour.
- time_zone: for the bounds, where ts is a TIMESTAMP WITH TIME ZONE, such as 'Europe/Berlin'.

Example:
WITH events(user_id, item_id, category_id, action, ts) AS (VALUES
    (1, 10, 100, 'pv', TIMESTAMP '2017-11-25 21:00:00'),
    (1, 10, 100, 'pv', TIMESTAMP '2017-11-25 21:00:00'),
    (2, 10, 100, 'pv', TIMESTAMP '2037-04-09 00:00:00'))
FROM footfall.clean_events(events, user_id, item_id, category_id, action, ts, valid_until := DATE '2017-12-04');$$;

CREATE MACRO footfall.internal.cleaning_counts(
    function_name, tbl, user_id, action, ts, valid_from, valid_until, actions, duplicates, time_zone
) AS TABLE
WITH
-- Read once: a view may be slow, and a sample gives other rows each time.
ff_rows AS MATERIALIZED (SELECT footfall.internal.bytewise(COLUMNS(*)) FROM query_table(tbl)),
ff_events AS NOT MATERIALIZED (
    SELECT
        *,
        footfall.internal.usable_key(function_name, 'user_id', user_id) AS ff_user,
        footfall.internal.action_name(action) AS ff_action,
        footfall.internal.local_time(
            function_name, 'ts', ts, time_zone := time_zone,
            default_zone := CASE WHEN valid_from IS NULL AND valid_until IS NULL THEN 'UTC' END
        ) AS ff_time
    FROM ff_rows
),
ff_judged AS NOT MATERIALIZED (
    SELECT
        *,
        footfall.main.event_reason(
            ff_user, NULL, NULL, ff_action, ff_time,
            valid_from := footfall.internal.moment_option(function_name, 'valid_from', valid_from),
            valid_until := footfall.internal.moment_option(function_name, 'valid_until', valid_until),
            actions := actions
        ) AS ff_reason
    FROM ff_events
),
ff_places AS NOT MATERIALIZED (
    SELECT
        ff_reason,
        -- The names of unknown actions are told, those of the others only looked at.
        ff_action,
        ff_user IS NULL AS ff_is_nobody,
        ff_time IS NULL AS ff_is_timeless,
        count(*) AS ff_n_all,
        min(ff_time) AS ff_first,
        max(ff_time) AS ff_last,
        -- How often a finer unit than the day, hour, minute and second is needed.
        count_if(epoch_us(ff_time) % 86400000000 <> 0) AS ff_n_hours,
        count_if(epoch_us(ff_time) % 3600000000 <> 0) AS ff_n_minutes,
        count_if(epoch_us(ff_time) % 60000000 <> 0) AS ff_n_seconds,
        count_if(epoch_us(ff_time) % 1000000 <> 0) AS ff_n_fractions
    FROM ff_judged
    GROUP BY ALL
),
-- Events of one user at one time have no order that the data know. Copies of a row are among them, so only there
-- are whole rows compared, which are long and many.
ff_shared_times AS NOT MATERIALIZED (
    SELECT ff_user AS ff_shared_user, ff_time AS ff_shared_time FROM ff_judged WHERE ff_reason = 'kept' GROUP BY ff_user, ff_time HAVING count(*) > 1
),
ff_distinct AS NOT MATERIALIZED (
    SELECT ff_judged.* EXCLUDE (ff_action, ff_reason), count(*) AS ff_n_copies
    FROM ff_judged
    JOIN ff_shared_times ON ff_shared_user = ff_user AND ff_shared_time = ff_time
    WHERE ff_reason = 'kept'
    GROUP BY ALL
),
ff_tied AS NOT MATERIALIZED (
    SELECT
        coalesce(sum(ff_n_copies - ff_n_distinct), 0) AS ff_n_surplus,
        coalesce(sum(CASE WHEN footfall.internal.option_name(duplicates) = 'keep' THEN ff_n_copies WHEN ff_n_distinct > 1 THEN ff_n_distinct END), 0) AS ff_n_tied
    FROM (SELECT count(*) AS ff_n_distinct, sum(ff_n_copies) AS ff_n_copies FROM ff_distinct GROUP BY ff_user, ff_time)
)
SELECT
    ff_reason AS reason_seen,
    CAST(ff_action AS VARCHAR) AS action_seen,
    ff_is_nobody AS is_nobody,
    ff_is_timeless AS is_timeless,
    ff_n_all AS n_all,
    ff_first AS first_time,
    ff_last AS last_time,
    ff_n_hours AS n_hours,
    ff_n_minutes AS n_minutes,
    ff_n_seconds AS n_seconds,
    ff_n_fractions AS n_fractions,
    CAST(NULL AS BIGINT) AS n_surplus,
    CAST(NULL AS BIGINT) AS n_tied
FROM ff_places
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, CAST(ff_n_surplus AS BIGINT), CAST(ff_n_tied AS BIGINT)
FROM ff_tied;

COMMENT ON MACRO TABLE footfall.internal.cleaning_counts IS $$What `cleaning_report` counts of some of the users; the counts of several such parts add up.

Rows of two kinds: how many rows `n_all` have the reason `reason_seen` and the action `action_seen`, when the first and last of them was and how
many need an hour, a minute, a second or less than one; and one row with `n_surplus` copies and `n_tied` events that share user and time.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, user_id, action, ts, valid_from, valid_until, actions, duplicates, time_zone: as in `clean_events`.

Example:
WITH events(user_id, action, ts) AS (VALUES (1, 'pv', TIMESTAMP '2017-11-25 21:00:07'), (1, 'pv', TIMESTAMP '2017-11-25 21:00:07'))
SELECT reason_seen, n_all, n_surplus FROM footfall.internal.cleaning_counts('cleaning_report', events, user_id, action, ts, NULL, NULL, NULL, 'drop', NULL);$$;

CREATE MACRO footfall.internal.cleaning_receipt(
    function_name, counts, valid_from, valid_until, actions, duplicates, absent
) AS TABLE
WITH ff_places AS MATERIALIZED (
    SELECT
        reason_seen AS ff_reason,
        footfall.internal.action_name(action_seen) AS ff_action,
        is_nobody AS ff_is_nobody,
        is_timeless AS ff_is_timeless,
        CAST(sum(n_all) AS BIGINT) AS ff_n_all,
        min(first_time) AS ff_first,
        max(last_time) AS ff_last,
        sum(n_hours) AS ff_n_hours,
        sum(n_minutes) AS ff_n_minutes,
        sum(n_seconds) AS ff_n_seconds,
        sum(n_fractions) AS ff_n_fractions,
        sum(n_surplus) AS ff_n_surplus,
        sum(n_tied) AS ff_n_tied
    FROM query_table(counts)
    GROUP BY ALL
),
ff_counted AS MATERIALIZED (
    SELECT
        ff_reason,
        sum(ff_n_all) AS ff_n_all,
        min(ff_first) AS ff_first,
        max(ff_last) AS ff_last,
        CASE
            WHEN sum(ff_n_fractions) > 0 THEN 'fraction of a second'
            WHEN sum(ff_n_seconds) > 0 THEN 'second'
            WHEN sum(ff_n_minutes) > 0 THEN 'minute'
            WHEN sum(ff_n_hours) > 0 THEN 'hour'
            ELSE 'day'
        END AS ff_resolution,
        coalesce(sum(ff_n_all) FILTER (ff_is_nobody), 0) AS ff_n_nobody,
        coalesce(sum(ff_n_all) FILTER (ff_action IS NULL), 0) AS ff_n_actionless,
        coalesce(sum(ff_n_all) FILTER (ff_is_timeless), 0) AS ff_n_timeless,
        list(DISTINCT ff_action) FILTER (ff_action IS NOT NULL) AS ff_names,
        list({'n': ff_n_all, 'name': ff_action}) FILTER (ff_reason = 'unknown_action') AS ff_unknown
    FROM ff_places
    WHERE ff_n_surplus IS NULL
    GROUP BY ff_reason
),
ff_tied AS (
    SELECT coalesce(sum(ff_n_surplus), 0) AS ff_n_surplus, coalesce(sum(ff_n_tied), 0) AS ff_n_tied FROM ff_places
),
ff_all AS (
    SELECT list_distinct(flatten(list(ff_names))) AS ff_found, max(ff_resolution) FILTER (ff_reason = 'kept') AS ff_kept_resolution
    FROM ff_counted
),
ff_reasons(ff_place, ff_shown_reason) AS (VALUES
    (1, 'kept'), (2, 'null_key'), (3, 'unknown_action'), (4, 'before_range'), (5, 'after_range'), (6, 'duplicate')
)
SELECT
    ff_shown_reason AS reason,
    CAST(coalesce(CASE ff_shown_reason
        WHEN 'kept' THEN ff_n_all - CASE footfall.internal.option_name(duplicates) WHEN 'keep' THEN 0 ELSE ff_n_surplus END
        WHEN 'duplicate' THEN CASE footfall.internal.option_name(duplicates) WHEN 'keep' THEN 0 ELSE ff_n_surplus END
        ELSE ff_n_all
    END, 0) AS BIGINT) AS n_rows,
    CASE ff_shown_reason
        WHEN 'kept' THEN 'times to the ' || ff_resolution || '; '
            || round(100 * (ff_n_tied / (ff_n_all - CASE footfall.internal.option_name(duplicates) WHEN 'keep' THEN 0 ELSE ff_n_surplus END)), 2)
            || ' % of the events share user and time with another'
        WHEN 'null_key' THEN 'without a user ' || ff_n_nobody || ', an action ' || ff_n_actionless || ', a time ' || ff_n_timeless
        WHEN 'unknown_action' THEN array_to_string(
            [footfall.internal.shown(one.name) || ' ' || one.n FOR one IN list_sort(ff_unknown, 'DESC', 'NULLS LAST')[:5]], ', '
        ) || CASE WHEN len(ff_unknown) > 5 THEN ' and ' || len(ff_unknown) - 5 || ' more' ELSE '' END
            || CASE WHEN list_has_any(
                [lower(trim(one.name, chr(9) || chr(10) || chr(13) || ' ')) FOR one IN ff_unknown],
                coalesce(footfall.internal.name_list(function_name, 'actions', actions), ['pv', 'cart', 'fav', 'buy'])
            ) THEN '; some differ from a known action by case or spaces only: clean the text first' ELSE '' END
        WHEN 'before_range' THEN 'the earliest ' || ff_first
        WHEN 'after_range' THEN 'the latest ' || ff_last
        WHEN 'duplicate' THEN CASE
            WHEN footfall.internal.option_name(duplicates) = 'keep' AND ff_n_all > 0 THEN 'kept: ' || ff_n_surplus
            WHEN ff_n_surplus > 0 AND ff_kept_resolution IN ('day', 'hour', 'minute')
            THEN 'times are to the ' || ff_kept_resolution || ', so equal rows may be real events; duplicates := ''keep'' keeps them'
        END
    END AS note
FROM ff_reasons
CROSS JOIN ff_all
CROSS JOIN ff_tied
LEFT JOIN ff_counted ON ff_reason = CASE ff_shown_reason WHEN 'duplicate' THEN 'kept' ELSE ff_shown_reason END
WHERE (SELECT footfall.internal.check_cleaning(function_name, valid_from, valid_until, actions, duplicates := duplicates, absent := absent))
AND CASE
    WHEN footfall.internal.option_name(absent) = 'zero' THEN true
    WHEN actions IS NOT NULL
    THEN footfall.internal.check_occurs(function_name, 'actions', footfall.internal.name_list(function_name, 'actions', actions), ff_found)
    -- Of the default actions one is enough: not every shop has favourites.
    ELSE len(list_intersect(ff_found, ['pv', 'cart', 'fav', 'buy'])) > 0
        OR footfall.internal.check_occurs(function_name, 'actions', ['pv', 'cart', 'fav', 'buy'], ff_found)
END
ORDER BY ff_place ASC;

COMMENT ON MACRO TABLE footfall.internal.cleaning_receipt IS $$The receipt of `cleaning_report` from the counts of `cleaning_counts`, of one part or of several below one another.

The columns are those of `cleaning_report`.

Parameters:
- function_name: the macro that was called, for messages.
- counts: the rows of `cleaning_counts`.
- valid_from, valid_until, actions, duplicates, absent: as in `clean_events`.

Example:
WITH events(user_id, action, ts) AS (VALUES (1, 'pv', TIMESTAMP '2017-11-25 21:00:07'), (1, 'pv', TIMESTAMP '2017-11-25 21:00:07')),
counts AS (FROM footfall.internal.cleaning_counts('cleaning_report', events, user_id, action, ts, NULL, NULL, NULL, 'drop', NULL))
SELECT reason, n_rows FROM footfall.internal.cleaning_receipt('cleaning_report', counts, NULL, NULL, NULL, 'drop', 'error');$$;

CREATE MACRO footfall.main.cleaning_report(
    tbl, user_id, item_id, category_id, action, ts,
    valid_from := NULL, valid_until := NULL, actions := NULL, duplicates := 'drop', absent := 'error', time_zone := NULL
) AS TABLE
WITH ff_counts AS NOT MATERIALIZED (
    FROM footfall.internal.cleaning_counts(
        'cleaning_report', tbl, user_id, action, ts, valid_from, valid_until, actions, duplicates, time_zone
    )
)
FROM footfall.internal.cleaning_receipt('cleaning_report', ff_counts, valid_from, valid_until, actions, duplicates, absent);

COMMENT ON MACRO TABLE footfall.main.cleaning_report IS $$The receipt of clean_events: how many rows were kept, and why the others were dropped.

Six rows `reason, n_rows, note`, always in this order: `kept`, `null_key`, `unknown_action`, `before_range`, `after_range`,
`duplicate`. Every row of the table is counted exactly once, under the first rule of `event_reason` that holds, so the
numbers add up to the number of rows. `duplicate` counts the second and further copies of a row that is otherwise kept.

`note` says in words what the number hides: how fine the times are (to the day, hour, minute, second) and how many of the
kept events share user and time with another, so that nothing in the data says which came first; whose key is missing;
which actions are unknown; the earliest and latest time out of range; and, where times are coarser than a second, that
equal rows may be real.

Parameters:
- tbl, user_id, item_id, category_id, action, ts, valid_from, valid_until, actions, duplicates, absent, time_zone: as in `clean_events`.

Example:
WITH events(user_id, item_id, category_id, action, ts) AS (VALUES
    (1, 10, 100, 'pv', TIMESTAMP '2017-11-25 21:00:07'),
    (1, 10, 100, 'pv', TIMESTAMP '2017-11-25 21:00:07'),
    (1, 11, 100, 'buy', TIMESTAMP '2017-11-25 21:00:07'),
    (2, 10, 100, 'click', TIMESTAMP '2017-11-25 22:00:00'),
    (2, 10, 100, 'pv', TIMESTAMP '2037-04-09 00:00:00'))
FROM footfall.cleaning_report(events, user_id, item_id, category_id, action, ts, valid_until := DATE '2017-12-04');$$;
