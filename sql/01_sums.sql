-- Sums: the same digits in whatever order the rows come, and as on paper.

CREATE MACRO footfall.internal.unscaled(whole, unit) AS
-- A cast alone may miss the nearest DOUBLE by one; what it missed is added.
(CAST(whole AS DOUBLE) + CAST(whole - CAST(CAST(whole AS DOUBLE) AS HUGEINT) AS DOUBLE)) / unit;

COMMENT ON MACRO footfall.internal.unscaled IS $$The DOUBLE nearest to a whole number divided by a power of two.

Parameters:
- whole: HUGEINT.
- unit: DOUBLE, a power of two.

Example:
SELECT footfall.internal.unscaled(CAST(3 AS HUGEINT), CAST(2 AS DOUBLE)) AS three_halves;$$;

CREATE MACRO footfall.internal.whole_multiples(given) AS
CASE WHEN abs(given) <= 68719476736 THEN CAST(given * CAST(1152921504606846976 AS DOUBLE) AS HUGEINT) END;

COMMENT ON MACRO footfall.internal.whole_multiples IS $$A number to 2^36 in multiples of 2^-60, as HUGEINT; NULL for one above.

Parameters:
- given: DOUBLE.

Example:
SELECT footfall.internal.whole_multiples(CAST(0.25 AS DOUBLE)) AS multiples;$$;

CREATE MACRO footfall.internal.whole_sum(given) AS
sum(footfall.internal.whole_multiples(given));

COMMENT ON MACRO footfall.internal.whole_sum IS $$What `exact_sum` adds up without rounding: the numbers of a group to 2^36, in multiples of 2^-60.

Parameters:
- given: DOUBLE.

Example:
SELECT footfall.internal.whole_sum(x) AS multiples FROM (VALUES (CAST(0.25 AS DOUBLE)), (0.5)) AS money(x);$$;

CREATE MACRO footfall.internal.is_rest(given) AS
abs(given) NOT BETWEEN 0.0078125 AND 68719476736 AND given <> 0;

COMMENT ON MACRO footfall.internal.is_rest IS $$Whether a number need be no multiple of 2^-60 below 2^36.

Parameters:
- given: DOUBLE.

Example:
SELECT footfall.internal.is_rest(CAST(1e-30 AS DOUBLE)) AS is_rest;$$;

CREATE MACRO footfall.internal.rest_list(given) AS
list(given) FILTER (footfall.internal.is_rest(given));

COMMENT ON MACRO footfall.internal.rest_list IS $$The numbers of a group that `whole_sum` does not have as they are.

Those that need be no multiples of 2^-60, or are above 2^36; NULL where there are none, as in most groups.

Parameters:
- given: DOUBLE.

Example:
SELECT footfall.internal.rest_list(x) AS rest FROM (VALUES (CAST(0.25 AS DOUBLE)), (1e-30), (1e12)) AS money(x);$$;

CREATE MACRO footfall.internal.exact_total(whole, rest, unit) AS
CASE
    WHEN rest IS NULL
    THEN footfall.internal.unscaled(whole, unit)
    ELSE coalesce(footfall.internal.unscaled(whole, unit), 0) + list_sum(list_sort([
        -- What a small number has of whole units is counted already.
        x - CASE WHEN abs(x) < 1 THEN CAST(CAST(x * unit AS HUGEINT) AS DOUBLE) / unit ELSE 0 END
        FOR x IN rest
    ], 'ASC', 'NULLS LAST'))
END;

COMMENT ON MACRO footfall.internal.exact_total IS $$The sum of money whose parts `whole_sum` and `rest_list` gave.

The parts of several groups can be put together first, by `sum` and by `list` with `flatten`: nothing is rounded before the end.

Parameters:
- whole: HUGEINT, of `whole_sum`, or a number of other units.
- rest: DOUBLE[], of `rest_list`.
- unit: DOUBLE, how many units make a one; 2^60 those of `whole_sum`.

Example:
SELECT footfall.internal.exact_total(1234, NULL, CAST(100 AS DOUBLE)) AS euros;$$;

CREATE MACRO footfall.internal.exact_sum(given) AS
footfall.internal.exact_total(
    footfall.internal.whole_sum(given), footfall.internal.rest_list(given), CAST(1152921504606846976 AS DOUBLE)
);

COMMENT ON MACRO footfall.internal.exact_sum IS $$The sum of money in a group: the same digits in whatever order the rows come.

Numbers from 1/128 to 2^36 are multiples of 2^-60, so as many 2^-60 they are whole, and whole numbers are summed without
rounding. The DOUBLE nearest to that sum is the result. The rare numbers outside, or what they have beyond whole multiples, are
sorted first, and then added. NULL where there is no number.

Parameters:
- given: DOUBLE.

Example:
SELECT footfall.internal.exact_sum(x) AS total FROM (VALUES (CAST(0.1 AS DOUBLE)), (0.2), (0.3)) AS money(x);$$;

CREATE MACRO footfall.internal.exact_weighted_sum(given, n_times) AS
footfall.internal.exact_total(
    sum(n_times * footfall.internal.whole_multiples(given)),
    -- Within a CASE, so that nothing is repeated where the filter leaves it out.
    flatten(list(
        CASE WHEN footfall.internal.is_rest(given) THEN list_transform(range(CAST(n_times AS BIGINT)), lambda nth: given) END
    ) FILTER (footfall.internal.is_rest(given))),
    CAST(1152921504606846976 AS DOUBLE)
);

COMMENT ON MACRO footfall.internal.exact_weighted_sum IS $$The `exact_sum` of numbers that stand for several equal ones each.

Parameters:
- given: DOUBLE.
- n_times: how many there are of it, a whole number.

Example:
SELECT footfall.internal.exact_weighted_sum(x, n) AS total FROM (VALUES (CAST(0.1 AS DOUBLE), 3), (0.2, 2)) AS money(x, n);$$;

CREATE MACRO footfall.internal.fixed_sum(given, unit, n_times := 1) AS
footfall.internal.unscaled(sum(n_times * CAST(given * unit AS HUGEINT)), unit);

COMMENT ON MACRO footfall.internal.fixed_sum IS $$The sum of a group in multiples of 1 / unit: the same digits in whatever order the rows come.

Each number is rounded to the nearest multiple, and those are summed without rounding. NULL where there is no number.

Parameters:
- given: DOUBLE; the sum of its absolute values times `unit` is below 2^127.
- unit: DOUBLE, a power of two.
- n_times: how many there are of a number, a whole number.

Example:
SELECT footfall.internal.fixed_sum(x, pow(2, 60)) AS total FROM (VALUES (1 / 3), (2 / 3)) AS shares(x);$$;

CREATE MACRO footfall.internal.rounded(given, size, digits) AS
-- Outside these bounds the powers of ten are no numbers. The size of round prices is often a power of ten but for its
-- last digit, in which the order of the rows shows: a little more has one place, whatever that digit is.
CASE WHEN size BETWEEN 1e-280 AND 1e280
    THEN round(given * pow(10, digits - ceil(log10(1.000000001 * size)))) / pow(10, digits - ceil(log10(1.000000001 * size))) + 0
    ELSE given
END;

COMMENT ON MACRO footfall.internal.rounded IS $$A number rounded to so many digits, counted from the first digit of `size`.

Sums of decimal fractions are off in the sixteenth digit: 0.1 + 0.2 - 0.3 is 5.6e-17. Rounded to the fifteenth
digit of what was added, such a sum is the one on paper.

Parameters:
- given: DOUBLE.
- size: DOUBLE above 0, the size of what `given` was made from; outside 1e-280 to 1e280 nothing is rounded.
- digits: the number of digits.

Example:
SELECT CAST(0.1 AS DOUBLE) + CAST(0.2 AS DOUBLE) - CAST(0.3 AS DOUBLE) AS added, footfall.internal.rounded(added, 0.6, 15) AS money;$$;
