-- Checks: what every macro asks of its arguments, and the one line that it answers with.
--
-- DuckDB knows the type of an argument and the name of an expression when it plans, so a check of
-- them costs nothing while a query runs.

CREATE MACRO footfall.internal.one_line(text_value) AS
replace(replace(text_value, chr(10), '\n'), chr(13), '\r');

COMMENT ON MACRO footfall.internal.one_line IS $$Text with its line breaks written out, since an error is one line.

Parameters:
- text_value: VARCHAR.

Example:
SELECT footfall.internal.one_line('two' || chr(10) || 'lines') AS one;$$;

CREATE MACRO footfall.internal.shown(given) AS
CASE typeof(given) WHEN 'VARCHAR' THEN '''' ELSE '' END
    -- An error is one line that can be read, whatever was given. A pattern would say it shorter, but DuckDB compiles
    -- patterns whenever it plans, right options or wrong ones.
    || [
        left(line, 200) || CASE WHEN length(line) > 200 THEN '...' ELSE '' END
        FOR line IN [footfall.internal.one_line(CAST(given AS VARCHAR))]
    ][1]
    || CASE typeof(given) WHEN 'VARCHAR' THEN '''' ELSE '' END;

COMMENT ON MACRO footfall.internal.shown IS $$A value as an error message shows it: text in quotes, on one line, cut after 200 characters.

Parameters:
- given: a value of any type; NULL gives NULL.

Example:
SELECT footfall.internal.shown('buy') AS text_, footfall.internal.shown(5) AS number_;$$;

-- The checks of options. They stand in a scalar subquery of each macro, so that a wrong option is an
-- error for an empty relation too. Messages are put together by one concat, since each function in a macro
-- takes DuckDB some time whenever it plans, whether it will run or not.
CREATE MACRO footfall.internal.check_option(is_allowed, function_name, argument_name, given, allowed) AS
CASE WHEN is_allowed
    THEN true
    ELSE CAST(error(concat(
        'footfall.', function_name, ': argument ''', argument_name, ''' is ', coalesce(footfall.internal.shown(given), 'NULL'), '; allowed: ', allowed
    )) AS BOOLEAN)
END;

COMMENT ON MACRO footfall.internal.check_option IS $$True, or the error that a macro gives for a wrong option.

Parameters:
- is_allowed: whether the value is right; NULL counts as wrong.
- function_name: the macro's name.
- argument_name: the argument's name.
- given: the value received.
- allowed: what is allowed, in words.

Example:
SELECT footfall.internal.check_option(5 BETWEEN 2 AND 9, 'rfm', 'bins', 5, '2 to 9') AS is_right;$$;

CREATE MACRO footfall.internal.not_found(function_name, argument_name, given, found) AS
concat(
    'footfall.', function_name, ': ', argument_name, ' is ', coalesce(footfall.internal.shown(given), 'NULL'), ', which does not occur; actions here: ',
    array_to_string([replace(left(CAST(one AS VARCHAR), 60), chr(10), '\n') FOR one IN list_sort(found, 'ASC', 'NULLS LAST')[:20]], ', '),
    CASE WHEN len(found) > 20 THEN ', ...' END
);

COMMENT ON MACRO footfall.internal.not_found IS $$The error for an action that was named and is nowhere in the data.

Parameters:
- function_name: the macro's name.
- argument_name: the argument that names it, as the message says it.
- given: the action.
- found: VARCHAR[], the actions in the data.

Example:
SELECT footfall.internal.not_found('paths', 'to_', 'purchase', ['pv', 'buy']) AS message;$$;

CREATE MACRO footfall.internal.check_occurs(function_name, argument_name, wanted, found) AS
CASE WHEN coalesce(len(found), 0) = 0 OR coalesce(list_has_all(found, wanted), true)
    THEN true
    ELSE CAST(error(concat(
        footfall.internal.not_found(function_name, argument_name, list_filter(wanted, lambda one: NOT list_contains(found, one))[1], found),
        '; absent := ''zero'' counts it as none'
    )) AS BOOLEAN)
END;

COMMENT ON MACRO footfall.internal.check_occurs IS $$True, or the error for an action that was named and is nowhere in the data.

A report of an action that does not occur is a report of zeros, which looks like a finding. Where no action
at all was found there is nothing to compare with, and the answer is true.

Parameters:
- function_name: the macro's name.
- argument_name: the argument that names actions.
- wanted: VARCHAR[], the actions it names.
- found: VARCHAR[], the actions in the data.

Example:
SELECT footfall.internal.check_occurs('activity', 'purchase', ['buy'], ['buy', 'pv']) AS is_right;$$;

CREATE MACRO footfall.internal.key_kind(key) AS system.main.key_kind(key);

COMMENT ON MACRO footfall.internal.key_kind IS $$Whether a value can say who a row belongs to.

1 is a key; 0 is none: NaN, an empty or blank text, a STRUCT or ROW of which a part is none; 2 is a floating-point number with
a fraction, or so large that whole numbers fall together. NULL gives NULL. `usable_key` makes use of it.

Parameters:
- key: of any type.

Example:
SELECT key_kind('Ada') AS name, key_kind('') AS empty, key_kind(CAST(1.5 AS DOUBLE)) AS fraction;$$;

CREATE MACRO footfall.internal.zone_time(instant, time_zone, called_as) AS system.main.zone_time(instant, time_zone, called_as);

COMMENT ON MACRO footfall.internal.zone_time IS $$What the clock of a zone shows at an instant, as TIMESTAMP.

As DuckDB's `instant AT TIME ZONE time_zone`, without the extension (ICU) that this needs: the zones travel in the binary.

Parameters:
- instant: TIMESTAMP WITH TIME ZONE, or TIMESTAMP in UTC.
- time_zone: a name of the IANA time zone database.
- called_as: the macro that an error names.

Example:
SELECT zone_time(TIMESTAMPTZ '2026-10-25 00:50:00+00', 'Europe/Berlin', 'activity') AS berlin;$$;

CREATE MACRO footfall.internal.bytewise_typed(text_value VARCHAR, given, kind VARCHAR[], nothing BIGINT) AS text_value COLLATE "binary",
    -- Nothing but an ENUM becomes an ENUM, and text is only taken for one where nothing fits better.
    (enum_value ENUM('x'), given, kind ENUM('x')[], nothing TINYINT) AS given,
    (any_value_given, given, kind, nothing TINYINT) AS given;

COMMENT ON MACRO footfall.internal.bytewise_typed IS $$What `bytewise` gives, chosen by the type of its argument.

Parameters:
- text_value, given: the value, twice: only as VARCHAR can it have a collation.
- kind: the value in a list; it tells JSON from VARCHAR.
- nothing: 1 as TINYINT; it makes an ENUM, which DuckDB would take for text, prefer its own case.

Example:
SELECT footfall.internal.bytewise_typed('Ada', 'Ada', ['Ada'], CAST(1 AS TINYINT)) = 'ada' AS is_equal;$$;

CREATE MACRO footfall.internal.bytewise(given) AS
footfall.internal.bytewise_typed(given, given, [given], CAST(1 AS TINYINT));

COMMENT ON MACRO footfall.internal.bytewise IS $$The value, where it is text to be compared byte by byte, whatever its collation and the session's.

'Ada' and 'ada' are two customers in every session. Values of other types are themselves.

Parameters:
- given: a value of any type.

Example:
SELECT footfall.internal.bytewise('Ada') = 'ada' AS is_equal;$$;

CREATE MACRO footfall.internal.unmarked_typed(text_value VARCHAR, given, kind VARCHAR[], nothing BIGINT) AS decode(encode(text_value)),
    (enum_value ENUM('x'), given, kind ENUM('x')[], nothing TINYINT) AS given,
    (any_value_given, given, kind, nothing TINYINT) AS given;

COMMENT ON MACRO footfall.internal.unmarked_typed IS $$What `unmarked` gives, chosen by the type of its argument.

Parameters:
- text_value, given, kind, nothing: as in `bytewise_typed`.

Example:
SELECT footfall.internal.unmarked_typed('Ada', 'Ada', ['Ada'], CAST(1 AS TINYINT)) AS name;$$;

CREATE MACRO footfall.internal.unmarked(given) AS
footfall.internal.unmarked_typed(given, given, [given], CAST(1 AS TINYINT));

COMMENT ON MACRO footfall.internal.unmarked IS $$A value of `bytewise` for a result.

DuckDB refuses to join text that is marked as bytewise with a column of another collation.

Parameters:
- given: a value of any type.

Example:
SELECT footfall.internal.unmarked(footfall.internal.bytewise('Ada')) AS name;$$;

CREATE MACRO footfall.internal.action_name(given) AS CAST(given AS VARCHAR) COLLATE "binary";

COMMENT ON MACRO footfall.internal.action_name IS $$The name of an action as text that is compared byte by byte: 'pv' and 'PV' are two actions in every session.

Parameters:
- given: an action, of any type.

Example:
SELECT footfall.internal.action_name('pv') = 'PV' AS is_equal;$$;

CREATE MACRO footfall.internal.option_name(given) AS footfall.internal.action_name(given);

COMMENT ON MACRO footfall.internal.option_name IS $$The value of an option that is a name, as text that is compared byte by byte.

'zero' is allowed, and 'ZERO' in no collation.

Parameters:
- given: what an argument such as `absent` was given, of any type.

Example:
SELECT footfall.internal.option_name('ZERO' COLLATE NOCASE) IN ('error', 'zero') AS is_allowed;$$;

CREATE MACRO footfall.internal.whole_number(given, from_number, to_number) AS
coalesce(
    TRY_CAST(CAST(given AS VARCHAR) AS DOUBLE) BETWEEN from_number AND to_number
    AND TRY_CAST(CAST(given AS VARCHAR) AS DOUBLE) = TRY_CAST(CAST(given AS VARCHAR) AS BIGINT),
    false
);

COMMENT ON MACRO footfall.internal.whole_number IS $$Whether an option is a whole number within two bounds; anything that is no number is not.

Parameters:
- given: a value of any type.
- from_number, to_number: BIGINT, the bounds, both allowed.

Example:
SELECT footfall.internal.whole_number(20, 1, 100) AS is_right, footfall.internal.whole_number('many', 1, 100) AS is_wrong;$$;

CREATE MACRO footfall.internal.whole_option(function_name, argument_name, given, from_number, to_number) AS
CASE WHEN footfall.internal.check_option(
    footfall.internal.whole_number(given, from_number, to_number), function_name, argument_name, given,
    concat('a whole number from ', from_number, ' to ', to_number)
) THEN CAST(CAST(given AS VARCHAR) AS BIGINT) END;

COMMENT ON MACRO footfall.internal.whole_option IS $$An option that is a whole number as BIGINT, or the error for another one.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the option's name, for the message.
- given: a value of any type.
- from_number, to_number: BIGINT, the bounds, both allowed.

Example:
SELECT footfall.internal.whole_option('segment', 'k', 5, 1, 10000) AS k;$$;

CREATE MACRO footfall.internal.check_top(function_name, top, things) AS
footfall.internal.check_option(
    top IS NULL OR footfall.internal.whole_number(top, 1, 1000000000000), function_name, 'top', top, 'a whole number from 1, or NULL for all ' || things
);

COMMENT ON MACRO footfall.internal.check_top IS $$True, or the error for what is no number of rows to be shown.

Parameters:
- function_name: the macro's name, for the message.
- top: a whole number, or NULL for all.
- things: what the rows are, for the message.

Example:
SELECT footfall.internal.check_top('paths', 20, 'paths') AS is_right;$$;

CREATE MACRO footfall.internal.top_rows(top) AS
CASE WHEN footfall.internal.whole_number(top, 1, 1000000000000) THEN CAST(CAST(top AS VARCHAR) AS BIGINT) END;

COMMENT ON MACRO footfall.internal.top_rows IS $$The rows that `top` asks for, BIGINT; NULL, which LIMIT takes for all, where it asks for none in particular.

Parameters:
- top: what `check_top` has looked at.

Example:
SELECT footfall.internal.top_rows(20) AS n_rows;$$;

CREATE MACRO footfall.internal.trained_model(function_name, given, maker, unless) AS
CASE WHEN typeof(given) = 'BLOB' AND given IS NOT NULL
    THEN TRY_CAST(given AS BLOB)
    ELSE error(concat(
        'footfall.', function_name, ': argument ''model'' is ', CASE WHEN given IS NULL THEN 'NULL' ELSE 'of type ' || left(typeof(given), 200) END,
        '; allowed: one of footfall.', maker, ', such as (SELECT model FROM the_table_of_', maker, '); there is none where ', unless
    ))
END;

COMMENT ON MACRO footfall.internal.trained_model IS $$A model as BLOB, or the error for what is none.

Parameters:
- function_name: the macro's name, for the message.
- given: a BLOB.
- maker: the macro that makes such models.
- unless: when it makes none, for the message.

Example:
SELECT footfall.internal.trained_model('clv', 'some bytes'::BLOB, 'fit_clv', 'nobody bought') AS model;$$;

CREATE MACRO footfall.internal.check_absent(function_name, absent) AS
footfall.internal.check_option(
    footfall.internal.option_name(absent) IN ('error', 'zero'), function_name, 'absent', absent, '''error'', ''zero'''
);

COMMENT ON MACRO footfall.internal.check_absent IS $$True, or the error for an option `absent` that is neither 'error' nor 'zero'.

Parameters:
- function_name: the macro's name.
- absent: the value received.

Example:
SELECT footfall.internal.check_absent('activity', 'zero') AS is_right;$$;

CREATE MACRO footfall.internal.refuse_text(function_name, argument_name, text_name, reason) AS
error(concat(
    'footfall.', function_name, ': argument ''', argument_name, ''' is the text ',
    footfall.internal.one_line(left(text_name, 100)), ', ', reason,
    '; allowed: a column or an expression, without quotes'
));

COMMENT ON MACRO footfall.internal.refuse_text IS $$The error for a text in quotes where a column is meant.

DuckDB names an expression when it plans, and the name of a text in quotes, `alias(given)`, begins with the quote.

Parameters:
- function_name: the macro's name.
- argument_name: the argument's name.
- text_name: the name of the expression, `alias(given)`.
- reason: what is wrong with it, in words.

Example:
SELECT CASE WHEN starts_with(alias(c), '''') THEN footfall.internal.refuse_text('rfm', 'customer_id', alias(c), 'the same for every row') ELSE c END AS customer
FROM (VALUES ('Ada')) customers(c);$$;

CREATE MACRO footfall.internal.usable_key(function_name, argument_name, given) AS
-- The plain types come first: DuckDB then knows when it plans that the key is the column itself, and keeps what it knows of that.
CASE
    WHEN typeof(given) IN (
        'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT', 'UHUGEINT',
        'UUID', 'DATE', 'TIMESTAMP', 'BOOLEAN'
    ) OR starts_with(typeof(given), 'DECIMAL')
    THEN footfall.internal.bytewise(given)
    -- The name of a text in quotes begins with the quote.
    WHEN starts_with(alias(given), '''')
    THEN footfall.internal.refuse_text(function_name, argument_name, alias(given), 'the same for every row')
    WHEN starts_with(typeof(given), 'ENUM')
    THEN CASE WHEN trim(CAST(given AS VARCHAR)) <> '' THEN footfall.internal.bytewise(given) END
    ELSE CASE system.main.key_kind(given)
        WHEN 1 THEN footfall.internal.bytewise(given)
        WHEN 2 THEN error(concat(
            'footfall.', function_name, ': argument ''', argument_name, ''' holds ', left(CAST(given AS VARCHAR), 200), ', a ', left(typeof(given), 200),
            ' that rounding may have made of several; allowed: whole numbers below 2^53 (2^24 as FLOAT), ',
            'or text: read the column as VARCHAR, for example read_csv(path, types = {''',
            -- The column's own name, where it is one.
            CASE WHEN regexp_full_match(alias(given), '\w{1,100}') THEN alias(given) ELSE argument_name END, ''': ''VARCHAR''})'
        ))
    END
END;

COMMENT ON MACRO footfall.internal.usable_key IS $$A value that says who a row belongs to, NULL where it says nothing, or an error.

The macros pass their users and customers through this one. NULL, NaN, an empty or blank text, and a
STRUCT or ROW of which a part is none of these are nobody. A floating-point number with a fraction, or
so large that neighbours fall together, is an error: such ids were text or whole numbers once, and
different customers may have become one. So is a text in quotes, which was meant as a column's name.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: a column or expression of any type.

Example:
SELECT footfall.internal.usable_key('rfm', 'customer_id', c) AS customer FROM (VALUES ('Ada'), (''), (NULL)) customers(c);$$;

CREATE MACRO footfall.internal.column_value(function_name, argument_name, given, row_type) AS
-- The name of a text in quotes begins with the quote.
CASE WHEN starts_with(alias(given), '''') AND (
        contains(lower(row_type), lower('(' || CAST(given AS VARCHAR) || ' '))
        OR contains(lower(row_type), lower(', ' || CAST(given AS VARCHAR) || ' '))
        OR contains(lower(row_type), lower('"' || replace(CAST(given AS VARCHAR), '"', '""') || '" '))
    )
    THEN footfall.internal.refuse_text(function_name, argument_name, alias(given), 'a column''s name in quotes')
    ELSE given
END;

COMMENT ON MACRO footfall.internal.column_value IS $$A value that may be the same for all rows, or the error for the name of a column in quotes.

An action or item may be a text in quotes, for a table of purchases in which every row is one. The name of a
column of that table is none: every row would have the action called `action`.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: a column or expression.
- row_type: VARCHAR, the type of the table's rows, `typeof(t)` where `t` is the table.

Example:
SELECT footfall.internal.column_value('sequences', 'action', 'buy', typeof(t)) AS action FROM (VALUES (1, DATE '2017-11-25')) AS t(user_id, day);$$;

CREATE MACRO footfall.internal.usable_group(function_name, argument_name, given) AS
CASE
    WHEN starts_with(alias(given), '''')
    THEN footfall.internal.refuse_text(function_name, argument_name, alias(given), 'the same for every row')
    WHEN typeof(given) = 'VARCHAR' THEN CASE WHEN trim(CAST(given AS VARCHAR)) <> '' THEN footfall.internal.bytewise(given) END
    WHEN typeof(given) IN ('FLOAT', 'DOUBLE') THEN CASE WHEN CAST(given AS VARCHAR) <> 'nan' THEN footfall.internal.bytewise(given) END
    ELSE footfall.internal.bytewise(given)
END;

COMMENT ON MACRO footfall.internal.usable_group IS $$A value that rows are grouped by, NULL where it is missing, or an error.

NULL, NaN and an empty or blank text are no group. A group is no key: 0.5 is a discount that rows may share. A text in
quotes, which was meant as a column's name, is an error.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: a column or expression of any type.

Example:
SELECT footfall.internal.usable_group('conversion', 'by', c) AS category FROM (VALUES ('shoes'), (''), (NULL)) categories(c);$$;

CREATE MACRO footfall.internal.local_time(function_name, argument_name, moment, time_zone := NULL, default_zone := NULL) AS
CASE
    WHEN typeof(moment) IN ('TIMESTAMP', 'TIMESTAMP_S', 'TIMESTAMP_MS', 'TIMESTAMP_NS', 'DATE')
    THEN CASE WHEN time_zone IS NULL
        -- DuckDB 1.5 fails on a DATE column that is cast and compared with infinity; within a CASE it does not look.
        THEN CASE WHEN typeof(moment) <> 'DATE' OR moment IS NOT NULL THEN TRY_CAST(moment AS TIMESTAMP) END
        ELSE error(concat(
            'footfall.', function_name, ': argument ''time_zone'' is ', footfall.internal.shown(time_zone),
            ', but ''', argument_name, ''' is a ', typeof(moment),
            ', which is read as the shop''s own clock; leave time_zone out, or, where the times are UTC, give ', argument_name, ' AT TIME ZONE ''UTC'''
        ))
    END
    WHEN typeof(moment) = 'TIMESTAMP WITH TIME ZONE'
    THEN CASE WHEN coalesce(time_zone, default_zone) IS NOT NULL
        THEN system.main.zone_time(
            TRY_CAST(moment AS TIMESTAMP WITH TIME ZONE), CAST(coalesce(time_zone, default_zone) AS VARCHAR), function_name
        )
        ELSE error(concat(
            'footfall.', function_name, ': argument ''', argument_name,
            ''' is a TIMESTAMP WITH TIME ZONE, an instant, and this reads the clock; say whose: time_zone := ''Europe/Berlin'''
        ))
    END
    ELSE error(concat(
        'footfall.', function_name, ': argument ''', argument_name, ''' is a ', left(typeof(moment), 200),
        '; allowed: TIMESTAMP, TIMESTAMP_S, _MS, _NS, DATE, TIMESTAMP WITH TIME ZONE; ',
        CASE typeof(moment)
            WHEN 'VARCHAR' THEN concat('text becomes a time by strptime(', argument_name, ', ''%Y-%m-%d %H:%M:%S'')')
            ELSE concat(
                'seconds since 1970 become a time by make_timestamp(', argument_name, ' * 1000000), milliseconds by epoch_ms(', argument_name,
                '), and a running number, such as an order''s, by the former'
            )
        END
    ))
END;

COMMENT ON MACRO footfall.internal.local_time IS $$What the shop's clock showed at a moment, as TIMESTAMP, or an error that names the macro it was given to.

The macros that read the clock or the calendar pass their `ts` through this one. A TIMESTAMP or DATE is the
shop's local time already. A TIMESTAMP WITH TIME ZONE is an instant, and its hour depends on whose clock is
meant: `time_zone` says so. The machine's and the session's zone play no part. Text and numbers are refused:
convert them first. Fractions below a microsecond are cut off; a date beyond the range of TIMESTAMP is NULL.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- moment: TIMESTAMP, TIMESTAMP_S, TIMESTAMP_MS, TIMESTAMP_NS, DATE or TIMESTAMP WITH TIME ZONE.
- time_zone: a name of the IANA time zone database such as 'Europe/Berlin', for a TIMESTAMP WITH TIME ZONE.
- default_zone: the zone that is taken where `time_zone` is NULL; NULL makes an instant without a zone an error.

Example:
SELECT footfall.internal.local_time('activity', 'ts', DATE '2017-11-25') AS local,
    footfall.internal.local_time('activity', 'ts', TIMESTAMPTZ '2017-11-25 13:00:00+00', time_zone := 'Asia/Shanghai') AS shanghai;$$;

CREATE MACRO footfall.internal.instant(function_name, argument_name, moment) AS
footfall.internal.local_time(function_name, argument_name, moment, default_zone := 'UTC');

COMMENT ON MACRO footfall.internal.instant IS $$A moment as something that can be put in order, a TIMESTAMP, or an error that names the macro it was given to.

The macros that order events pass their `ts` through this one: a TIMESTAMP WITH TIME ZONE becomes its time in
UTC, so that the hour which clocks show twice in autumn is in order; other times stay as they are.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- moment: TIMESTAMP, TIMESTAMP_S, TIMESTAMP_MS, TIMESTAMP_NS, DATE or TIMESTAMP WITH TIME ZONE.

Example:
SELECT footfall.internal.instant('funnel', 'ts', TIMESTAMPTZ '2026-10-25 02:50:00+02')
    < footfall.internal.instant('funnel', 'ts', TIMESTAMPTZ '2026-10-25 02:10:00+01') AS in_order;$$;

CREATE MACRO footfall.internal.moment_option(function_name, argument_name, given) AS
CASE
    WHEN given IS NULL THEN NULL
    -- By way of text, because DuckDB does not plan a cast of what can be no time, such as a number.
    WHEN typeof(given) <> 'TIMESTAMP WITH TIME ZONE' AND TRY_CAST(CAST(given AS VARCHAR) AS TIMESTAMP) IS NOT NULL
    THEN TRY_CAST(CAST(given AS VARCHAR) AS TIMESTAMP)
    ELSE error('footfall.' || function_name || ': argument ''' || argument_name || ''' is ' || footfall.internal.shown(given)
        || '; allowed: a DATE or TIMESTAMP in the shop''s local time')
END;

COMMENT ON MACRO footfall.internal.moment_option IS $$A moment that an option names, as TIMESTAMP, or an error that names the macro it was given to.

NULL stays NULL. A TIMESTAMP WITH TIME ZONE is refused, because the options are in the shop's local time.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: DATE, TIMESTAMP, or text that is one.

Example:
SELECT footfall.internal.moment_option('rfm', 'as_of', DATE '2017-12-04') AS moment;$$;

CREATE MACRO footfall.internal.duration(function_name, argument_name, given) AS
CASE WHEN typeof(given) IN ('INTERVAL', typeof(NULL))
    THEN TRY_CAST(given AS INTERVAL)
    ELSE error('footfall.' || function_name || ': argument ''' || argument_name || ''' is the ' || left(typeof(given), 200)
        || ' ' || footfall.internal.shown(given) || '; allowed: an INTERVAL such as INTERVAL 1 HOUR')
END;

COMMENT ON MACRO footfall.internal.duration IS $$A length of time as INTERVAL, or an error that names the macro it was given to.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: an INTERVAL.

Example:
SELECT footfall.internal.duration('funnel', 'within', INTERVAL 1 HOUR) AS within;$$;

CREATE MACRO footfall.internal.number(function_name, argument_name, given) AS
CASE
    WHEN typeof(given) IN (
        'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT', 'UHUGEINT',
        'FLOAT', 'DOUBLE', typeof(NULL)
    ) OR typeof(given) LIKE 'DECIMAL(%)'
    THEN TRY_CAST(given AS DOUBLE)
    ELSE error(concat(
        'footfall.', function_name, ': argument ''', argument_name, ''' is a ', left(typeof(given), 200), '; allowed: a number',
        CASE typeof(given)
            WHEN 'VARCHAR' THEN concat('; text such as ''1,234.50'' becomes one by CAST(replace(', argument_name, ', '','', '''') AS DOUBLE)')
        END
    ))
END;

COMMENT ON MACRO footfall.internal.number IS $$A number as DOUBLE, or an error that names the macro it was given to.

Text is refused, because only its owner knows whether '1,234' is a thousand or a fraction.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: a whole number, FLOAT, DOUBLE or DECIMAL.

Example:
SELECT footfall.internal.number('rfm', 'amount', 12.5) AS amount;$$;

CREATE MACRO footfall.internal.number_list(function_name, argument_name, given) AS
CASE
    WHEN (
        split_part(typeof(given), '[', 1) IN (
            'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT', 'UHUGEINT',
            'FLOAT', 'DOUBLE', 'NULL', '"NULL"'
        ) OR split_part(typeof(given), '[', 1) LIKE 'DECIMAL(%)'
    ) AND typeof(given) LIKE '%[%]' AND typeof(given) NOT LIKE '%[%[%' OR typeof(given) = typeof(NULL)
    THEN TRY_CAST(given AS DOUBLE[])
    ELSE error(concat(
        'footfall.', function_name, ': argument ''', argument_name, ''' is a ', left(typeof(given), 200),
        '; allowed: a list of numbers such as ', CASE argument_name WHEN 'features' THEN '[recency_days, frequency]' ELSE '[7, 30, 90]' END,
        ', in square brackets and without quotes'
    ))
END;

COMMENT ON MACRO footfall.internal.number_list IS $$A list of numbers as DOUBLE[], or an error that names the macro it was given to.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: a LIST or ARRAY of whole numbers, FLOATs, DOUBLEs or DECIMALs.

Example:
SELECT footfall.internal.number_list('segment', 'features', [1, 2.5]) AS features;$$;

CREATE MACRO footfall.internal.name_list(function_name, argument_name, given) AS
CASE WHEN typeof(given) LIKE '%[%]' OR typeof(given) = typeof(NULL)
    THEN TRY_CAST(given AS VARCHAR[])
    ELSE error(concat(
        'footfall.', function_name, ': argument ''', argument_name, ''' is a ', left(typeof(given), 200),
        '; allowed: a list of names such as [''view'', ''cart''], in square brackets'
    ))
END;

COMMENT ON MACRO footfall.internal.name_list IS $$A list of names as VARCHAR[], or an error that names the macro it was given to.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: a LIST or ARRAY of what casts to text.

Example:
SELECT footfall.internal.name_list('funnel', 'steps', ['view', 'buy']) AS steps;$$;
