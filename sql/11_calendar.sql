-- The calendar: days, weeks and months of the shop, and the days that a rate is divided by.
--
-- Days are numbered from 1 January 1970.

CREATE MACRO footfall.internal.whole_day(function_name, argument_name, given) AS
CASE
    WHEN given IS NULL THEN NULL
    WHEN typeof(given) = 'TIMESTAMP WITH TIME ZONE'
    THEN error('footfall.' || function_name || ': argument ''' || argument_name
        || ''' is a TIMESTAMP WITH TIME ZONE; allowed: a DATE of the shop''s calendar')
    -- By way of text, because DuckDB does not plan a cast of what can be no time, such as a number.
    WHEN isfinite(TRY_CAST(CAST(given AS VARCHAR) AS TIMESTAMP))
        AND TRY_CAST(CAST(given AS VARCHAR) AS TIMESTAMP) = date_trunc('day', TRY_CAST(CAST(given AS VARCHAR) AS TIMESTAMP))
    THEN CAST(TRY_CAST(CAST(given AS VARCHAR) AS TIMESTAMP) AS DATE)
    ELSE error('footfall.' || function_name || ': argument ''' || argument_name || ''' is ' || footfall.internal.shown(given)
        || '; allowed: a DATE, or a TIMESTAMP at midnight, because rates are per day')
END;

COMMENT ON MACRO footfall.internal.whole_day IS $$A day that an option names, as DATE, or an error that names the macro it was given to.

NULL stays NULL. A time within a day is refused, because rates are per day, and so is a TIMESTAMP WITH TIME ZONE,
whose day depends on whose calendar is meant.

Parameters:
- function_name: the macro's name, for the message.
- argument_name: the argument's name, for the message.
- given: DATE, or TIMESTAMP at midnight.

Example:
SELECT footfall.internal.whole_day('activity', 'period_from', TIMESTAMP '2017-11-25 00:00:00') AS day;$$;

CREATE MACRO footfall.internal.counted_days(function_name, seen, which, first_day, end_day) AS
CASE
    WHEN footfall.internal.option_name(which) = 'open' THEN seen
    WHEN coalesce(end_day, seen[-1] + 1) - coalesce(first_day, seen[1]) > 100000
    THEN error('footfall.' || function_name || ': argument ''ts'' spans ' || (coalesce(end_day, seen[-1] + 1) - coalesce(first_day, seen[1]))
        || ' days; allowed: 100000, so clean the times first, or give period_from and period_until')
    -- Between days that were given every day was meant.
    WHEN (first_day IS NULL OR end_day IS NULL) AND list_max(list_transform(range(2, len(seen) + 1), lambda i: seen[i] - seen[i - 1])) > 367
    THEN error('footfall.' || function_name || ': argument ''ts'' has nothing on the days between '
        || array_to_string(list_transform(
            list_filter(range(2, len(seen) + 1), lambda i: seen[i] - seen[i - 1] > 367)[:1],
            lambda i: (DATE '1970-01-01' + CAST(seen[i - 1] AS INTEGER)) || ' and ' || (DATE '1970-01-01' + CAST(seen[i] AS INTEGER))
        ), '')
        || ', and each would count; allowed: 366 days without events, so clean the times first, or give period_from and period_until, '
        || 'or take days := ''open''')
    ELSE range(coalesce(first_day, seen[1]), coalesce(end_day, seen[-1] + 1))
END;

COMMENT ON MACRO footfall.internal.counted_days IS $$The days that rates are divided by, numbered from 1 January 1970, as BIGINT[].

'calendar' gives every day of the period, with or without events: from the first day to the last, or between the days
that were given. 'open' gives the days with events. One wrong time, such as a row of the year 2037, would add thousands
of days without events, so more than 366 days in a row without any are an error while an end of the period
is taken from the data. So is a period of more than 100000 days.

Parameters:
- function_name: the macro's name, for the message.
- seen: BIGINT[], the days with events in order; NULL where there are none.
- which: 'calendar' or 'open'.
- first_day: BIGINT, the first day of the period; NULL takes the first day with events.
- end_day: BIGINT, the first day after the period; NULL takes the day after the last one with events.

Example:
SELECT footfall.internal.counted_days('activity', [17495, 17498], 'calendar', NULL, NULL) AS days;$$;

CREATE MACRO footfall.internal.weekday_number(name) AS
list_position(['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'], footfall.internal.option_name(name));

COMMENT ON MACRO footfall.internal.weekday_number IS $$The number of a weekday, 1 for 'monday' to 7 for 'sunday'; NULL for any other name.

Parameters:
- name: VARCHAR.

Example:
SELECT footfall.internal.weekday_number('sunday') AS number_;$$;

CREATE MACRO footfall.internal.calendar_slot(moment, part, week_start) AS
CASE footfall.internal.option_name(part)
    WHEN 'hour' THEN hour(moment)
    WHEN 'weekday' THEN isodow(moment)
    WHEN 'hour_of_week' THEN 24 * isodow(moment) - 24 + hour(moment)
    WHEN 'date' THEN CAST(moment AS DATE) - DATE '1970-01-01'
    WHEN 'week' THEN CAST(moment AS DATE) - DATE '1970-01-01'
        - (isodow(moment) + 7 - footfall.internal.weekday_number(week_start)) % 7
    WHEN 'month' THEN CAST(moment AS DATE) - DATE '1970-01-01' - day(moment) + 1
    WHEN 'quarter' THEN make_date(year(moment), 3 * quarter(moment) - 2, 1) - DATE '1970-01-01'
END;

COMMENT ON MACRO footfall.internal.calendar_slot IS $$The part of the calendar that a moment falls in, as a number that grows with time.

Parameters:
- moment: TIMESTAMP, what the shop's clock shows.
- part: 'hour' gives 0 to 23; 'weekday' 1 (Monday) to 7; 'hour_of_week' 0 (Monday 00:00) to 167; 'date' the day counted from
  1 January 1970; 'week', 'month' and 'quarter' the number of their first day.
- week_start: the weekday that 'week' begins with, such as 'monday'.

Example:
SELECT footfall.internal.calendar_slot(TIMESTAMP '2017-12-03 21:30:00', 'hour_of_week', 'monday') AS slot;$$;
