-- Drift: whether the world still is the one that a model was trained in.

CREATE MACRO footfall.internal.column_values(function_name, "columns") AS
CASE
    WHEN typeof("columns") LIKE 'STRUCT(%'
    THEN TRY_CAST("columns" AS MAP(VARCHAR, VARCHAR))
    ELSE error(concat(
        'footfall.', function_name, ': argument ''columns'' is of type ', left(typeof("columns"), 200), '; allowed: a STRUCT of columns, such as {''price'': price}'
    ))
END;

COMMENT ON MACRO footfall.internal.column_values IS $$Names and values of several columns as a MAP of texts, or the error for what is none.

Parameters:
- function_name: the macro's name, for the message.
- columns: a STRUCT.

Example:
SELECT footfall.internal.column_values('drift', {'price': 2.5, 'action': 'buy'}) AS named;$$;

CREATE MACRO footfall.main.drift(reference, today, "columns", bins := 10) AS TABLE
WITH ff_reference AS NOT MATERIALIZED (
    SELECT true AS is_reference, footfall.internal.column_values('drift', "columns") AS named FROM query_table(reference)
),
ff_today AS NOT MATERIALIZED (
    SELECT false AS is_reference, footfall.internal.column_values('drift', "columns") AS named FROM query_table(today)
),
ff_settings AS MATERIALIZED (
    SELECT footfall.internal.whole_option('drift', 'bins', bins, 2, 100) AS most_bins
),
ff_values AS NOT MATERIALIZED (
    SELECT is_reference, unnest(list_zip(range(len(map_keys(named))), map_keys(named), map_values(named))) AS entry
    FROM (FROM ff_reference UNION ALL FROM ff_today)
),
ff_counted AS MATERIALIZED (
    SELECT
        entry[1] AS column_place,
        any_value(entry[2]) AS column_name,
        footfall.internal.action_name(entry[3]) AS column_value,
        TRY_CAST(any_value(entry[3]) AS DOUBLE) AS number_value,
        count_if(is_reference) AS n_before,
        count_if(NOT is_reference) AS n_after
    FROM ff_values
    GROUP BY entry[1], footfall.internal.action_name(entry[3])
),
ff_kinds AS MATERIALIZED (
    SELECT
        column_place,
        CAST(sum(n_before) AS BIGINT) AS n_reference,
        CAST(sum(n_after) AS BIGINT) AS n_today,
        bool_and(number_value IS NOT NULL OR column_value IS NULL)
            AND count(DISTINCT number_value) FILTER (n_before > 0) > any_value(most_bins) AS is_number
    FROM ff_counted
    CROSS JOIN ff_settings
    GROUP BY column_place
),
-- A number goes where as many of the reference lie below it, so that equal ones stay together and each bin holds about as many.
ff_ranked AS NOT MATERIALIZED (
    SELECT
        ff_counted.*,
        n_reference,
        n_today,
        is_number,
        most_bins,
        coalesce(sum(n_before) OVER (
            PARTITION BY ff_counted.column_place, column_value IS NULL ORDER BY number_value ASC NULLS LAST RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP
        ), 0) AS n_below,
        sum(n_before) OVER (PARTITION BY ff_counted.column_place, column_value IS NULL) AS n_known,
        row_number() OVER (
            PARTITION BY ff_counted.column_place, column_value IS NULL
            ORDER BY greatest(n_before / n_reference, n_after / n_today) DESC NULLS LAST, column_value ASC NULLS LAST
        ) AS place
    FROM ff_counted
    JOIN ff_kinds ON ff_kinds.column_place = ff_counted.column_place
    CROSS JOIN ff_settings
),
ff_binned AS NOT MATERIALIZED (
    SELECT
        *,
        CASE
            WHEN column_value IS NULL THEN -1
            WHEN is_number THEN least(most_bins - 1, most_bins * n_below // n_known)
            ELSE least(place, 50)
        END AS bin
    FROM ff_ranked
),
ff_bins AS MATERIALIZED (
    SELECT
        column_place,
        bin,
        any_value(column_name) AS column_name,
        any_value(is_number) AS is_number,
        any_value(n_reference) AS n_reference,
        any_value(n_today) AS n_today,
        CAST(sum(n_before) AS BIGINT) AS n_before,
        CAST(sum(n_after) AS BIGINT) AS n_after,
        CASE
            WHEN bin < 0 THEN 'NULL'
            WHEN any_value(is_number) THEN concat(min(number_value), ' to ', max(number_value))
            WHEN count(*) > 1 THEN 'all others'
            ELSE any_value(column_value)
        END AS bin_name,
        count(*) OVER (PARTITION BY column_place) AS n_bins,
        -- Half a row in each bin, as Jeffreys has it: no share is 0.
        (sum(n_before) + 0.5) / (any_value(n_reference) + 0.5 * n_bins) AS share_before,
        (sum(n_after) + 0.5) / (any_value(n_today) + 0.5 * n_bins) AS share_after,
        (share_after - share_before) * ln(share_after / share_before) AS part
    FROM ff_binned
    GROUP BY column_place, bin
),
ff_columns AS NOT MATERIALIZED (
    SELECT
        column_place,
        any_value(column_name) AS column_name,
        any_value(is_number) AS is_number,
        any_value(n_reference) AS n_reference,
        any_value(n_today) AS n_today,
        any_value(n_bins) AS n_bins,
        list_sum(list(part ORDER BY bin ASC NULLS LAST)) AS psi,
        list_sum(list((n_before / n_reference - n_after / n_today) ** 2 / (n_before + n_after) ORDER BY bin ASC NULLS LAST))
            * any_value(n_reference) * any_value(n_today) AS statistic,
        arg_max({'name': bin_name, 'before': n_before / n_reference, 'after': n_after / n_today}, {'part': part, 'name': bin_name}) AS most
    FROM ff_bins
    GROUP BY column_place
)
SELECT
    column_name AS "column",
    CASE WHEN is_number THEN 'number' ELSE 'category' END AS kind,
    n_reference,
    n_today,
    n_bins,
    CASE WHEN n_reference > 0 AND n_today > 0 THEN psi END AS psi,
    CASE WHEN n_reference > 0 AND n_today > 0 THEN (n_bins - 1) * (1 / n_reference + 1 / n_today) END AS psi_by_chance,
    CASE WHEN n_reference > 0 AND n_today > 0 AND n_bins > 1 THEN footfall.internal.chi_squared_tail(statistic, n_bins - 1) END AS p_value,
    most['name'] AS most_changed,
    CASE WHEN n_reference > 0 THEN most['before'] END AS reference_share,
    CASE WHEN n_today > 0 THEN most['after'] END AS today_share
FROM ff_columns
ORDER BY column_place ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.main.drift IS $$Compares the columns of two tables: whether the customers of today still are those that a model was trained on.

Give both tables one row for each customer (or whatever acts on its own): rows of one customer are alike, and would make chance look like change.

A row for each column: `column`, `kind`, `n_reference` and `n_today` (rows), `n_bins`; `psi`, the population stability index Σ (q − p) ln (q / p) over the bins with shares p
of the reference and q of today, half a row added to each bin (0 is no change; credit scoring's rule of thumb calls 0.1 some and 0.25 much: Siddiqi, "Credit Risk Scorecards", 2006);
`psi_by_chance`, what it is expected to be where nothing has changed, (`n_bins` − 1) (1 / `n_reference` + 1 / `n_today`): compare with it where tables are small; `p_value` of the
chi-squared test that nothing has changed, which in large tables is small for changes that matter to nobody; `most_changed`, the bin that adds most to the index, and its
shares `reference_share` and `today_share`.

A column whose values in both tables are numbers, with more than `bins` different ones in the reference, is a `number`: its bins hold about as many rows of the reference each, equal values
together. Any other is a `category`: each value is a bin, from the 50th on by share they are one, `all others`. NULL is a bin of its own. An empty table gives NULL for what compares.

Parameters:
- reference: table of the customers as they were, with the columns.
- today: table of the customers as they are, with the same.
- columns: a STRUCT of expressions over the columns of both, such as {'recency': recency, 'region': region}; the score of a model is one, too.
- bins: into how many bins numbers are cut, from 2 to 100.

Example:
WITH before AS (SELECT i AS recency, ['web', 'app'][i % 2 + 1] AS channel FROM range(1000) numbers(i)),
    after AS (SELECT i * 1.5 AS recency, ['web', 'app', 'app'][i % 3 + 1] AS channel FROM range(1000) numbers(i))
SELECT "column", kind, round(psi, 3) AS psi, round(psi_by_chance, 3) AS psi_by_chance, most_changed, today_share
FROM footfall.drift(before, after, {'recency': recency, 'channel': channel});$$;
