-- Sequences: what each user did, in order.

CREATE MACRO footfall.main.order_events(numbers, names, start, ties := []) AS
system.main.order_events(numbers, names, start, ties);

COMMENT ON MACRO footfall.main.order_events IS 'Puts the events of a user in order and takes them apart into actions and times.

Used by `sequences`, where a list of numbers takes 8 bytes per event. Gives a STRUCT: `actions VARCHAR[]` and
`times TIMESTAMP[]`, in order of time, then of `ties` (NULL last), then of the action''s place in `names`.

Parameters:
- numbers: BIGINT[], per event its microseconds after `start`, times 256, plus the place of its action in `names`, from 1.
- names: VARCHAR[], at most 255 actions.
- start: BIGINT, microseconds since 1970-01-01.
- ties: what orders events of the same time, one per event: a list of whole numbers, DATEs or TIMESTAMPs; empty where there is no such order.

Example:
SELECT o.actions, o.times
FROM (SELECT footfall.order_events([512000000 + 2, 256000000 + 2, 512000000 + 1], [''buy'', ''pv''], 0) AS o);';

CREATE MACRO footfall.main.sequences(tbl, user_id, action, ts, tie_break := NULL) AS TABLE
WITH input_events AS NOT MATERIALIZED (
    SELECT
        user_id AS event_user,
        CAST(action AS VARCHAR) AS event_action,
        footfall.main.local_time('sequences', 'ts', ts) AS event_time,
        tie_break AS event_rank,
        typeof(tie_break) <> typeof(NULL) AS has_rank,
        typeof(tie_break) IN (
            typeof(NULL), 'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT',
            'DATE', 'TIMESTAMP'
        ) AS has_plain_rank
    FROM query_table(tbl)
),
usable AS NOT MATERIALIZED (
    SELECT *
    FROM input_events
    WHERE event_user IS NOT NULL AND event_action IS NOT NULL
        AND event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity'
),
-- Time and action fit into one BIGINT, the action as its place in the alphabet of actions, as long as
-- there are fewer than 256 actions within some 1,100 years. DuckDB keeps that in a third of the memory
-- of two lists, and order_events sorts it several times as fast as list_sort sorts structs.
alphabet AS MATERIALIZED (
    SELECT
        list(DISTINCT event_action ORDER BY event_action) AS names,
        min(epoch_us(event_time)) AS start_us,
        bool_and(has_plain_rank) AND len(names) < 256
            AND CAST(max(epoch_us(event_time)) AS HUGEINT) - start_us < 36028797018963968 AS can_pack
    FROM usable
),
numbered AS NOT MATERIALIZED (
    SELECT
        event_user,
        ((epoch_us(event_time) - start_us) << 8) | list_position(names, event_action) AS number,
        event_rank,
        has_rank
    FROM usable
    CROSS JOIN alphabet
    WHERE can_pack
),
-- DuckDB knows has_rank when it plans, and drops the branch that has nothing to do.
packed AS NOT MATERIALIZED (
    SELECT event_user, list(number) AS numbers FROM numbered WHERE NOT has_rank GROUP BY event_user
),
packed_with_rank AS NOT MATERIALIZED (
    SELECT event_user, list(number) AS numbers, list(event_rank) AS ranks FROM numbered WHERE has_rank GROUP BY event_user
),
ordered AS NOT MATERIALIZED (
    SELECT event_user, system.main.order_events(numbers, names, start_us, []) AS history
    FROM packed
    CROSS JOIN alphabet
    UNION ALL
    SELECT event_user, system.main.order_events(numbers, names, start_us, ranks)
    FROM packed_with_rank
    CROSS JOIN alphabet
),
unpacked AS NOT MATERIALIZED (
    SELECT
        event_user,
        list_sort(list({'at': event_time, 'tie': event_rank, 'act': event_action})) AS entries
    FROM usable
    CROSS JOIN alphabet
    WHERE NOT can_pack
    GROUP BY event_user
)
SELECT event_user AS user_id, history.actions AS actions, history.times AS times
FROM ordered
UNION ALL
SELECT event_user, [entry.act FOR entry IN entries], [entry.at FOR entry IN entries]
FROM unpacked;

COMMENT ON MACRO TABLE footfall.main.sequences IS 'The history of each user: actions and times as two lists in time order.

One row per user, in no particular order: `user_id`, `actions VARCHAR[]`, `times TIMESTAMP[]`, both of the
same length. Events are sorted by time, then by `tie_break`, then by action, so the same events give the
same lists whatever the order of the rows and the number of threads. Rows with a NULL user or action, or
with a NULL or infinite time, are left out. While the lists are made an event takes 8 bytes of memory, 16 with
a tie-break of whole numbers, DATEs or TIMESTAMPs, and several times as much with any other tie-break, with more
than 255 actions or with times 1,100 years apart.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type; give a STRUCT or ROW to have a sequence per user and item.
- action: VARCHAR or what casts to it; other types appear as text.
- ts: the time in the shop''s local time; TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE.
- tie_break: what orders events of the same time, such as a line number; NULL orders them by action, and an event whose tie-break is NULL comes last.

Example:
WITH events(user_id, action, ts) AS (VALUES
    (1, ''cart'', TIMESTAMP ''2017-11-25 21:10:00''),
    (1, ''pv'', TIMESTAMP ''2017-11-25 21:00:00''),
    (1, ''buy'', TIMESTAMP ''2017-11-25 21:10:00''))
FROM footfall.sequences(events, user_id, action, ts);';
