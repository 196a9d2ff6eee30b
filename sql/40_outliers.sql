-- Outliers: customers that belong to no segment.

CREATE MACRO footfall.internal.outliers_piece(job, points, options) AS system.main.outliers_piece(job, points, options);

COMMENT ON MACRO footfall.internal.outliers_piece IS $$Looks for the neighbours of packed points for about half a second: the step under `footfall.outliers`.

A STRUCT as that of `kmeans_piece`; `result` is a BLOB for `read_outlier`.

Parameters:
- job, points: as for `kmeans_piece`.
- options: STRUCT of `neighbours`, `standardise`, `log` and `threads`; the option `called_as` is the macro that an error names.

Example:
SELECT p.finished
FROM (SELECT outliers_piece(0, pack_points([[1], [2], [9]]), {'neighbours': 1, 'standardise': true, 'log': false, 'threads': 1}) AS p);$$;

CREATE MACRO footfall.internal.read_outlier(outliers, place) AS system.main.read_outlier(outliers, place);

COMMENT ON MACRO footfall.internal.read_outlier IS $$What `outliers_piece` found of one point.

A STRUCT of `distance`, `feature`, `share` and `nearest`, as in `footfall.outliers`; NULL for a point that has no other.

Parameters:
- outliers: BLOB, `result` of `outliers_piece`.
- place: BIGINT, of the point in the list that was packed, from 0.

Example:
SELECT read_outlier(p.result, 2).feature AS feature
FROM (SELECT outliers_piece(0, pack_points([[1], [2], [9]]), {'neighbours': 1, 'standardise': true, 'log': false, 'threads': 1}) AS p);$$;

CREATE MACRO footfall.main.outliers(tbl, id, features, neighbours := 10, standardise := true, log := false) AS TABLE
WITH RECURSIVE
ff_customers AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key('outliers', 'id', id) AS customer,
        footfall.internal.number_list('outliers', 'features', features) AS place
    FROM query_table(tbl)
),
-- Read once: who is looked for is whom the others are compared with.
ff_known AS MATERIALIZED (
    SELECT customer, place, customer IS NOT NULL AND list_count(place) = len(place) AS is_usable FROM ff_customers
),
ff_settings AS MATERIALIZED (
    SELECT {
        'neighbours': footfall.internal.whole_option('outliers', 'neighbours', neighbours, 1, 1000),
        'standardise': standardise,
        'log': log,
        'threads': current_setting('threads'),
        'called_as': 'outliers'
    } AS options
),
-- The place in the list of points by which a row finds what was found of it: to unnest the list again takes DuckDB
-- time that grows with the square of its length.
ff_usable AS MATERIALIZED (
    SELECT customer, place, row_number() OVER () - 1 AS ff_place FROM ff_known WHERE is_usable
),
ff_packed AS MATERIALIZED (
    SELECT system.main.pack_points(list(place ORDER BY ff_place ASC NULLS LAST), 'outliers') AS points FROM ff_usable
),
-- As in `segment`.
ff_run(ff_step, ff_pieces) AS (
    SELECT 0, [system.main.outliers_piece(0, points, options)] FROM ff_packed, ff_settings
    UNION ALL
    SELECT ff_step + 1, [system.main.outliers_piece(ff_pieces[1]['job'], points, options)]
    FROM ff_run, ff_packed, ff_settings
    WHERE NOT ff_pieces[1]['finished']
),
ff_found AS MATERIALIZED (
    SELECT any_value(ff_pieces[1]['result']) AS found FROM ff_run WHERE ff_pieces[1]['finished']
),
ff_compared AS (
    SELECT customer, place, system.main.read_outlier(found, ff_place) AS ff_outlier
    FROM ff_usable
    CROSS JOIN ff_found
    UNION ALL
    SELECT customer, place, NULL FROM ff_known WHERE is_usable IS NOT TRUE
)
SELECT
    footfall.internal.unmarked(customer) AS id,
    CASE WHEN ff_outlier['distance'] IS NOT NULL
        THEN rank() OVER (ORDER BY ff_outlier['distance'] DESC NULLS LAST)
    END AS rank,
    ff_outlier['distance'] AS distance,
    ff_outlier['feature'] AS feature,
    ff_outlier['share'] AS share,
    place AS own,
    ff_outlier['nearest'] AS nearest
FROM ff_compared;

COMMENT ON MACRO TABLE footfall.main.outliers IS $$Ranks customers by how far they are from the customers most like them: who belongs to no segment comes first.

Programs that look at every page, resellers, accounts of the shop's own staff: no segment describes them, and they shift
the means of the one they are put into. One row per row of the input, in no order: `id`; `rank`, 1 for the furthest;
`distance` from the `neighbours`-th nearest other customer, in standard deviations: there are not that many others within
it; `feature`, the number of the feature in the list in which the neighbours differ most from the customer, and `share`,
its part of the sum of their squared distances, so 1 says that nothing else is unusual; the customer's `own` features,
and `nearest`, their means over the neighbours.

There is no line between usual and not: read the list from the top until the customers look like customers. A group of
more than `neighbours` that are much alike is not found, because each of them has neighbours: that is a segment, if a
small one, and a larger `neighbours` finds it.

The standard deviations are taken after the lowest and the highest hundredth of each feature are drawn in to the rest: a
customer with a billion views is far from all others, and does not make them look equal. A feature on which more than 98
in 100 agree has the standard deviation of all of them; one on which all agree but for rounding makes no difference. With
`log` distances are about ratios: ten times as much is as far for small customers as for large ones. Without `log` a
feature in another unit, multiplied by a number, gives the same distances.

Customers with a NULL feature and rows without a customer (`id` NULL, NaN or blank) have NULLs and are nobody's
neighbours. Where there are no more than `neighbours` others, all of them are neighbours; a single customer has none and
NULLs. `feature` and `share` are NULL where all neighbours are equal to the customer. The same customers give the same
numbers in any order of the rows and on any number of threads; of neighbours that are equally far the ones that count for
`nearest` and `share` are always the same.

It ends within a second of an interruption. The neighbours are exact, and finding them takes longer with more features
than with more customers.

The distance is that of Ramaswamy, Rastogi and Shim, "Efficient algorithms for mining outliers from large data sets"
(2000), which OPTICS calls the core distance: for DBSCAN with a smaller radius the customer is no core of a cluster.

Parameters:
- tbl: the customers: a table, view, CTE or file.
- id: a column or expression of any type; a floating-point number with a fraction is an error.
- features: a list of numbers, for example [views, carts, purchases].
- neighbours: how many others have to be near, 1 to 1000.
- standardise: whether features are divided by their standard deviation, so that none counts more for its unit.
- log: whether sign(x) * log(1 + |x|) is taken first, for skewed counts and money.

Example:
WITH customers(name, views, purchases) AS (
    VALUES ('Ada', 10, 1), ('Bob', 12, 1), ('Cleo', 11, 2), ('Dan', 9, 2), ('Eve', 13, 1), ('bot', 900, 0)
)
SELECT id, rank, round(distance, 3) AS distance, feature, round(share, 3) AS share, own, nearest
FROM footfall.outliers(customers, name, [views, purchases], neighbours := 2) ORDER BY rank, id;$$;
