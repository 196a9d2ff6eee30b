-- Sequences: what each user did, in order.

CREATE MACRO footfall.main.sequences(tbl, user_id, action, ts, tie_break := NULL) AS TABLE
WITH input_events AS NOT MATERIALIZED (
    SELECT
        user_id AS event_user,
        CAST(action AS VARCHAR) AS event_action,
        footfall.main.local_time('sequences', 'ts', ts) AS event_time,
        tie_break AS event_rank,
        typeof(tie_break) <> typeof(NULL) AS has_rank
    FROM query_table(tbl)
),
usable AS NOT MATERIALIZED (
    SELECT *
    FROM input_events
    WHERE event_user IS NOT NULL AND event_action IS NOT NULL
        AND event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity'
),
-- Sorting lists of numbers is several times as fast as sorting lists of structs. Without a tie-break
-- time and action fit into one BIGINT, the action as its place in the alphabet of actions, as long as
-- there are fewer than 256 actions within some 1,100 years.
alphabet AS MATERIALIZED (
    SELECT
        list(DISTINCT event_action ORDER BY event_action) AS names,
        min(epoch_us(event_time)) AS start_us,
        NOT bool_or(has_rank) AND len(names) < 256
            AND CAST(max(epoch_us(event_time)) AS HUGEINT) - start_us < 36028797018963968 AS can_pack
    FROM usable
),
packed AS NOT MATERIALIZED (
    SELECT
        event_user,
        list_sort(list(((epoch_us(event_time) - start_us) << 8) | list_position(names, event_action))) AS numbers
    FROM usable
    CROSS JOIN alphabet
    WHERE can_pack
    GROUP BY event_user
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
SELECT
    event_user AS user_id,
    [names[number & 255] FOR number IN numbers] AS actions,
    [make_timestamp(start_us + (number >> 8)) FOR number IN numbers] AS times
FROM packed
CROSS JOIN alphabet
UNION ALL
SELECT event_user, [entry.act FOR entry IN entries], [entry.at FOR entry IN entries]
FROM unpacked;

COMMENT ON MACRO TABLE footfall.main.sequences IS 'The history of each user: actions and times as two lists in time order.

One row per user, in no particular order: `user_id`, `actions VARCHAR[]`, `times TIMESTAMP[]`, both of the
same length. Events are sorted by time, then by `tie_break`, then by action, so the same events give the
same lists whatever the order of the rows and the number of threads. Rows with a NULL user or action, or
with a NULL or infinite time, are left out. While the lists are sorted an event takes 8 bytes of memory, and
several times as much with a tie-break, with more than 255 actions or with times 1,100 years apart.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type; give a STRUCT or ROW to have a sequence per user and item.
- action: VARCHAR or what casts to it; other types appear as text.
- ts: the time in the shop''s local time; TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE.
- tie_break: what orders events of the same time, such as a line number; NULL orders them by action.

Example:
WITH events(user_id, action, ts) AS (VALUES
    (1, ''cart'', TIMESTAMP ''2017-11-25 21:10:00''),
    (1, ''pv'', TIMESTAMP ''2017-11-25 21:00:00''),
    (1, ''buy'', TIMESTAMP ''2017-11-25 21:10:00''))
FROM footfall.sequences(events, user_id, action, ts);';
