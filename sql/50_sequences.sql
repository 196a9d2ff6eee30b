-- Sequences: what each user did, in order.

CREATE MACRO footfall.internal.order_events(
    numbers, names, start, ties := [], others := CAST([] AS STRUCT("time" TIMESTAMP, "action" VARCHAR)[]), user_id := '', items := [],
    categories := []
) AS
system.main.order_events(numbers, names, start, ties, others, CAST(user_id AS VARCHAR), items, categories);

COMMENT ON MACRO footfall.internal.order_events IS $$Puts the events of a user in order and takes them apart into actions and times.

Used by `sequences`, where a list of numbers takes 8 bytes per event. Gives a STRUCT: `actions VARCHAR[]` and
`times TIMESTAMP[]`, in order of time, then of `ties` (NULL last), and `ties BIGINT`. Events that are equal in
both have no order. They get one that depends on the user, the time and the group's place among those of
that time, and says nothing about the actions; `ties` counts those that share their place with another action, item or
category. `places BIGINT[]` says where in `numbers` each event stands, from 1; it is empty where there are neither items nor categories.

Parameters:
- numbers: BIGINT[], per event its microseconds after `start`, times 256, plus the position of its action in `names`, from 1;
  NULL where the event is in `others`.
- names: VARCHAR[], at most 255 actions.
- start: BIGINT, microseconds since 1970-01-01.
- ties: what orders events of the same time, one per event: a list of whole or floating-point numbers, DATEs, TIMESTAMPs
  or texts; empty where there is no such order.
- others: STRUCT("time" TIMESTAMP, "action" VARCHAR)[], the events that are NULL in `numbers`, in the same order.
- user_id: whose events they are; what casts to VARCHAR.
- items, categories: what the events are about, lists as `ties`: they are put in order with the events and change nothing about
  the order of the actions.

Example:
SELECT o.actions, o.times, o.ties
FROM (SELECT footfall.internal.order_events([512000000 + 2, 256000000 + 2, 512000000 + 1], ['buy', 'pv'], 0, user_id := 7) AS o);$$;

CREATE MACRO footfall.internal.is_sortable(list_type) AS
list_type IN (
    'TINYINT[]', 'SMALLINT[]', 'INTEGER[]', 'BIGINT[]', 'UTINYINT[]', 'USMALLINT[]', 'UINTEGER[]', 'UBIGINT[]', 'FLOAT[]', 'DOUBLE[]',
    'DATE[]', 'TIMESTAMP[]', 'TIMESTAMP_S[]', 'TIMESTAMP_MS[]', 'TIMESTAMP_NS[]', 'TIMESTAMP WITH TIME ZONE[]', 'VARCHAR[]', 'NULL[]', '"NULL"[]'
);

COMMENT ON MACRO footfall.internal.is_sortable IS $$Whether `order_events` can order by lists of a type; those of others become text.

Parameters:
- list_type: VARCHAR, of `typeof`.

Example:
SELECT footfall.internal.is_sortable(typeof([1])) AS whole_numbers, footfall.internal.is_sortable(typeof([true])) AS others;$$;

CREATE MACRO footfall.internal.ordered_history(numbers, names, ties, others, user_id, items, categories) AS
CASE WHEN footfall.internal.is_sortable(typeof(items)) AND footfall.internal.is_sortable(typeof(categories))
    THEN footfall.internal.order_events(numbers, names, 0, ties, coalesce(others, []), user_id, coalesce(items, []), coalesce(categories, []))
    ELSE footfall.internal.order_events(
        numbers, names, 0, ties, coalesce(others, []), user_id,
        coalesce(TRY_CAST(items AS VARCHAR[]), []), coalesce(TRY_CAST(categories AS VARCHAR[]), [])
    )
END;

COMMENT ON MACRO footfall.internal.ordered_history IS $$The events of a user in order, as `order_events`, for items and categories of any type.

Parameters:
- numbers, names, ties, user_id: as for `order_events`.
- others, items, categories: the same, or NULL for none.

Example:
SELECT h.places FROM (SELECT footfall.internal.ordered_history([512 + 1, 256 + 1], ['buy'], [], NULL, 7, [true, false], NULL) AS h);$$;

CREATE MACRO footfall.internal.histories(
    function_name, tbl, user_id, action, ts, tie_break := NULL, time_zone := NULL, item := NULL, category := NULL
) AS TABLE
WITH ff_events AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key(function_name, 'user_id', user_id) AS event_user,
        footfall.internal.action_name(footfall.internal.column_value(function_name, 'action', action, typeof(ff_row))) AS event_action,
        CASE WHEN typeof(ts) = 'TIMESTAMP WITH TIME ZONE'
            THEN footfall.internal.instant(function_name, 'ts', ts)
            ELSE footfall.internal.local_time(function_name, 'ts', ts, time_zone := time_zone)
        END AS event_time,
        -- Not the value but its name, so that a window function stands here once.
        CASE WHEN starts_with(alias(tie_break), '''')
            THEN footfall.internal.refuse_text(function_name, 'tie_break', alias(tie_break), 'the same for every row')
            ELSE tie_break
        END AS event_tie,
        CASE
            WHEN typeof(tie_break) = typeof(NULL) THEN 'none'
            WHEN typeof(tie_break) IN (
                'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT', 'FLOAT', 'DOUBLE',
                'DATE', 'TIMESTAMP', 'TIMESTAMP_S', 'TIMESTAMP_MS', 'TIMESTAMP_NS', 'TIMESTAMP WITH TIME ZONE', 'VARCHAR'
            ) THEN 'plain'
            ELSE 'other'
        END AS tie_kind,
        footfall.internal.unmarked(footfall.internal.usable_key(function_name, 'item', item)) AS event_item,
        typeof(item) <> typeof(NULL) AS has_items,
        footfall.internal.unmarked(footfall.internal.usable_group(function_name, 'category', category)) AS event_category,
        typeof(category) <> typeof(NULL) AS has_categories
    FROM query_table(tbl) AS ff_row
),
ff_usable AS NOT MATERIALIZED (
    SELECT *
    FROM ff_events
    WHERE event_user IS NOT NULL AND event_action IS NOT NULL
        AND event_time > TIMESTAMP '-infinity' AND event_time < TIMESTAMP 'infinity'
),
-- Time and action fit into one BIGINT where the action has a position in a list of at most 255 and the time
-- lies in these two millennia. DuckDB keeps that in a third of the memory of two lists. The list comes
-- from the first rows and is only a guess: what it lacks goes the longer way and comes out equal. So the
-- relation need not be read twice, and may give other rows each time, as a sample does.
ff_first_actions AS NOT MATERIALIZED (
    SELECT event_action FROM ff_usable LIMIT 100000
),
ff_dictionary AS MATERIALIZED (
    SELECT CASE WHEN count(DISTINCT event_action) BETWEEN 1 AND 255 THEN list(DISTINCT event_action) ELSE CAST([] AS VARCHAR[]) END AS names
    FROM ff_first_actions
),
ff_numbered AS NOT MATERIALIZED (
    SELECT
        event_user,
        CASE WHEN event_time >= TIMESTAMP '1000-01-01' AND event_time < TIMESTAMP '3000-01-01'
            THEN epoch_us(event_time) * 256 + list_position(names, event_action)
        END AS number,
        {'time': event_time, 'action': event_action} AS event,
        event_time,
        event_tie,
        tie_kind,
        event_item,
        has_items,
        event_category,
        has_categories
    FROM ff_usable
    CROSS JOIN ff_dictionary
),
-- DuckDB knows tie_kind when it plans, and drops the branches that have nothing to do.
ff_untied AS NOT MATERIALIZED (
    SELECT
        event_user,
        list(number) AS numbers,
        list(event) FILTER (number IS NULL) AS others,
        list(event_item) FILTER (has_items) AS items,
        list(event_category) FILTER (has_categories) AS categories
    FROM ff_numbered
    WHERE tie_kind = 'none'
    GROUP BY event_user
),
ff_tied AS NOT MATERIALIZED (
    SELECT
        event_user,
        list(number) AS numbers,
        list(event) FILTER (number IS NULL) AS others,
        list(event_tie) AS ties,
        list(event_item) FILTER (has_items) AS items,
        list(event_category) FILTER (has_categories) AS categories
    FROM ff_numbered
    WHERE tie_kind = 'plain'
    GROUP BY event_user
),
ff_ranked AS NOT MATERIALIZED (
    SELECT
        event_user, number, event, event_item, has_items, event_category, has_categories,
        dense_rank() OVER (PARTITION BY event_user, event_time ORDER BY event_tie ASC NULLS LAST) AS event_rank
    FROM ff_numbered
    WHERE tie_kind = 'other'
),
ff_tied_by_rank AS NOT MATERIALIZED (
    SELECT
        event_user,
        list(number) AS numbers,
        list(event) FILTER (number IS NULL) AS others,
        list(event_rank) AS ties,
        list(event_item) FILTER (has_items) AS items,
        list(event_category) FILTER (has_categories) AS categories
    FROM ff_ranked
    GROUP BY event_user
),
ff_ordered AS NOT MATERIALIZED (
    SELECT event_user, items, categories, footfall.internal.ordered_history(numbers, names, [], others, event_user, items, categories) AS history
    FROM ff_untied
    CROSS JOIN ff_dictionary
    UNION ALL
    SELECT event_user, items, categories, footfall.internal.ordered_history(numbers, names, ties, others, event_user, items, categories)
    FROM ff_tied
    CROSS JOIN ff_dictionary
    UNION ALL
    SELECT event_user, items, categories, footfall.internal.ordered_history(numbers, names, ties, others, event_user, items, categories)
    FROM ff_tied_by_rank
    CROSS JOIN ff_dictionary
)
SELECT
    event_user,
    history['actions'] AS actions,
    CASE WHEN time_zone IS NULL
        THEN history['times']
        ELSE [system.main.zone_time(moment, CAST(time_zone AS VARCHAR), function_name) FOR moment IN history['times']]
    END AS times,
    history['ties'] AS ties,
    list_select(items, history['places']) AS items,
    list_select(categories, history['places']) AS categories
FROM ff_ordered;

COMMENT ON MACRO TABLE footfall.internal.histories IS $$The history of each user, as `sequences` gives it and says what it is, for a macro that an error names.

One row per user: `event_user`, marked to be compared byte by byte, `actions`, `times`, `ties`, `items` and `categories`.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, user_id, action, ts, tie_break, time_zone, item, category: as in `sequences`.

Example:
WITH events(user_id, action, ts) AS (VALUES (1, 'pv', TIMESTAMP '2017-11-25 21:00:00'))
SELECT event_user, actions FROM footfall.internal.histories('paths', events, user_id, action, ts);$$;

CREATE MACRO footfall.main.sequences(
    tbl, user_id, action, ts, tie_break := NULL, time_zone := NULL, item := NULL, category := NULL
) AS TABLE
WITH ff_histories AS NOT MATERIALIZED (
    FROM footfall.internal.histories(
        'sequences', tbl, user_id, action, ts, tie_break := tie_break, time_zone := time_zone, item := item, category := category
    )
)
SELECT footfall.internal.unmarked(event_user) AS user_id, actions, times, ties, items, categories
FROM ff_histories;

COMMENT ON MACRO TABLE footfall.main.sequences IS $$The history of each user: actions, times, items and categories as lists in time order.

One row per user, in no particular order: `user_id`, `actions VARCHAR[]`, `times TIMESTAMP[]`, both of the
same length, `ties BIGINT`, and `items` and `categories`, lists of the same length again with the values of `item` and `category` in their own
type, or NULL where these are not given. Events are sorted by time, then by `tie_break`. Events that are equal in both
have no order, and none is invented: they are shuffled, by a hash of the user's text, the time and the group's
place among those of that time, so that a model finds nothing in it. The same events give the same lists whatever
the order of the rows, the number of threads and the version of DuckDB.

`ties` is the number of events whose place the data do not say: those that share time and tie-break with
another action, or, where they are given, with another item or category. Items and categories change nothing about the actions. Where `sum(ties)` is a large part of `sum(len(actions))`, as with times to the hour or the day,
what follows what is mostly chance: give a `tie_break`, or ask questions that need no order.

Rows are left out where the user is NULL, NaN or an empty text, the action is NULL, or the time is NULL or infinite. An item or
category that is NULL, NaN or an empty text is NULL in its list: the event is about none.
While the lists are made an event takes 8 bytes of memory, 16 with a tie-break of numbers, DATEs or TIMESTAMPs, 8 more for an item or category that is a number,
and several times as much with more than 255 actions or outside of the years 1000 to 2999. A tie-break of an
unusual type (HUGEINT, DECIMAL, UUID, ENUM, STRUCT) is ranked first, which sorts all events.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type; give a STRUCT or ROW to have a sequence per user and item.
- action: VARCHAR or what casts to it; other types appear as text. An empty text is an action like any other.
- ts: the time: TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE in the shop's local time, or TIMESTAMP WITH TIME ZONE, which is
  ordered as the instant it is and shown in UTC. Where there is but a running number, such as Instacart's
  `order_number`, it becomes a time by `make_timestamp(order_number * 1000000)`: the order is right, and the times mean nothing.
- tie_break: what orders events of the same time, of any type: a line number, or `row_number() OVER ()` where the
  rows of a table or file lie in their order; an event whose tie-break is NULL comes last.
- time_zone: for a TIMESTAMP WITH TIME ZONE: a name such as 'Europe/Berlin', to show `times` by the clock there. The order
  stays that of the instants, so in the hour that occurs twice in autumn a later event may show an earlier time.
- item: what the event is about, a column or expression of any type, such as `item_id`; a floating-point number with a fraction is an error.
- category: the same for a coarser one, such as `category_id`.

Example:
WITH events(user_id, action, ts, item_id) AS (VALUES
    (1, 'cart', TIMESTAMP '2017-11-25 21:10:00', 7),
    (1, 'pv', TIMESTAMP '2017-11-25 21:00:00', 7),
    (1, 'buy', TIMESTAMP '2017-11-25 21:10:00', 9))
FROM footfall.sequences(events, user_id, action, ts, item := item_id);$$;
