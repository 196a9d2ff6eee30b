-- Segments: customers grouped by what they do, how many groups there are, and what each of them is.

CREATE MACRO footfall.main.kmeans(points, k, options := {'seed': 42}, weights := []) AS
system.main.kmeans(points, k, options, weights);

COMMENT ON MACRO footfall.main.kmeans IS $$Clusters points into k clusters by k-means and gives the model, a plain value.

The model is a STRUCT: `k`, `centroids` (DOUBLE[][], in the units of the points), `scale` (what each
coordinate is divided by before distances are taken), `sizes` (points per cluster), `inertia` (sum of the
squared scaled distances of the points from their centroids), `iterations` of the start that was taken,
`seed`, and `log`. Clusters are numbered 1 to k by size, largest first, equal sizes by their centroids.
Keep it in a table, and give it to `kmeans_assign` and `kmeans_distance`.

Equal points are merged into weighted ones, which changes no result, and the points are put into an order
of their own: the same points, options and version give the same bytes in any order of the rows and on any
number of threads. Every start is iterated until no point changes its cluster; up to 4096 different points
the search then goes on with moves of single points and of whole centroids. Above 262144 different points the
iterations end when the squared ways of all centroids to the means of their points add up to less than a
ten-thousandth of the variance. A cluster that loses all its points is seeded again with the point that is furthest from its centroid.
Points that are NULL or hold a NULL are left out; no points at all give NULL. NaN, infinity, points of
unequal lengths, and a k above the number of different points are errors. FLOAT, INTEGER and DECIMAL
points and ARRAYs are taken as DOUBLEs.

**Rounding noise is no feature.** 0.1 + 0.2 is not 0.3, and standardised that difference would be as wide as a real
one. A coordinate counts as constant when its largest and smallest value differ by no more than 1.4e-14 of the larger
one's size (64 times the DOUBLE's epsilon, whatever the number of points): it has the scale 1, parts no points and makes
no two of them different. Whole numbers up to 2^53 are exact, so a spread of 1 at 1e15 is real; so is any spread around
0, which has no size to compare with, down to 1e-140. Where a FLOAT holds every value of a coordinate exactly, they are
taken to be FLOATs, and 4.8e-7 of the size is noise. With `log` the logarithms are looked at as well. Where noise
is wider than a thousandth, as at 1e14, the scale is a thousand times its width, so that it adds nothing to a distance.

**This is one call, and an interrupted query ends when it returns.** On two processors that is within two seconds for
points of three coordinates without any structure when they are 1 million and k is up to 100, 100000 and up to 150,
10000 and up to 1000, or 4000 and up to 20, where the search goes on longest; `n_init` and `max_iterations` shorten it.
`segment` finds the same clusters in a table and ends at once when it is interrupted.

Parameters:
- points: DOUBLE[][], for example list([recency_days, frequency]).
- k: the number of clusters, 1 to 10000.
- options: a STRUCT with any of `seed` (42), `n_init`, the number of starts of which the best is taken (10; above 262144
  different points twice as many, at least four, are tried on a weighted sample of 32768 points, drawn with the seed, and
  the three best go on with all points), `max_iterations` per start (300), `standardise`, whether coordinates are divided
  by their standard deviation (true), `log`, whether sign(x) * log(1 + |x|) is taken first, for skewed money, also where
  refunds leave it below zero (false), `start`, 'kmeans++' or 'kmeans||' ('kmeans++'), `threads` (all).
- weights: a list with the number of times that each point counts; an empty list for once each. Where many points are
  equal, GROUP BY merges them sooner than list() collects them: on two processors ten starts on 1 million customers'
  (recency, frequency) take a third of the time, with the same result to the byte. A weight of 0 or NULL leaves the point out.

Example:
SELECT m.k, m.centroids, m.sizes, m.inertia
FROM (SELECT kmeans([[1, 1], [1, 2], [1, 3], [9, 8], [9, 9]], 2, {standardise: false}) AS m);
WITH customers(days, orders) AS (VALUES (1, 1), (1, 1), (1, 2), (9, 8), (9, 8)),
different AS (SELECT days, orders, count(*) AS n FROM customers GROUP BY ALL)
SELECT m.centroids, m.sizes
FROM (SELECT footfall.kmeans(list([days, orders]), 2, weights := list(n)) AS m FROM different);$$;

CREATE MACRO footfall.main.kmeans_assign(model, point) AS system.main.kmeans_assign(model, point);

COMMENT ON MACRO footfall.main.kmeans_assign IS $$Gives the cluster of a point: the number of the nearest centroid, 1 to k.

Between two equally near centroids the one with the smaller coordinates is taken. Counting the clusters of
the points that a model was learned from gives its `sizes`. A NULL model, point or coordinate gives NULL.

Parameters:
- model: a model made by kmeans.
- point: DOUBLE[] with as many coordinates as the model has, in the same units.

Example:
WITH learned AS (SELECT kmeans([[1, 1], [1, 2], [1, 3], [9, 8], [9, 9]], 2) AS model)
SELECT kmeans_assign(model, [2, 2]) AS near_the_three, kmeans_assign(model, [8, 8]) AS near_the_two FROM learned;$$;

CREATE MACRO footfall.main.kmeans_distance(model, point) AS system.main.kmeans_distance(model, point);

COMMENT ON MACRO footfall.main.kmeans_distance IS $$Gives the distance of a point from the nearest centroid.

It is taken between coordinates divided by the model's `scale` (of their logarithms with `log`); the squares
of the distances of the points that a model was learned from add up to its `inertia`. A point far away from
every centroid belongs to no segment well. A NULL model, point or coordinate gives NULL.

Parameters:
- model: a model made by kmeans.
- point: DOUBLE[] with as many coordinates as the model has, in the same units.

Example:
WITH learned AS (SELECT kmeans([[1, 1], [1, 3], [9, 9]], 2, {standardise: false}) AS model)
SELECT kmeans_distance(model, [1, 1]) AS inside, kmeans_distance(model, [9, 19]) AS outside FROM learned;$$;

CREATE MACRO footfall.main.kmeans_choose(points, k_from, k_to, options := {'seed': 42}, weights := []) AS
system.main.kmeans_choose(points, k_from, k_to, options, weights);

COMMENT ON MACRO footfall.main.kmeans_choose IS $$Clusters points once for each k in a range, measures each clustering and chooses one.

Gives a list with one STRUCT per k: `k`, `inertia`, `silhouette`, `davies_bouldin`, `chosen` and `model`.
See `choose_k` for the measures and the rule; it is this function over a table. Values of k above the number
of different points are left out.
All values of k are one call, and an interrupted query ends when it returns: each k takes at least as long as it does in
`kmeans`. `choose_k` ends at once when it is interrupted.

Parameters:
- points: as for kmeans.
- k_from, k_to: the smallest and the largest k, both included.
- options, weights: as for kmeans.

Example:
SELECT c.k, round(c.inertia, 3) AS inertia, round(c.silhouette, 3) AS silhouette, c.chosen
FROM (SELECT unnest(kmeans_choose([[1, 1], [1, 2], [5, 5], [5, 6], [9, 1], [9, 2]], 2, 4)) AS c);$$;

CREATE MACRO footfall.main.gmm(points, k, options := {'seed': 42}, weights := []) AS
system.main.gmm(points, k, options, weights);

COMMENT ON MACRO footfall.main.gmm IS $$Fits a mixture of k Gaussians to points: soft segments of any direction and spread.

The mixture is a STRUCT: `k`, `weights` (the share of each component, largest first), `means` (DOUBLE[][], in
the units of the points), `covariances` (DOUBLE[][][]; of the logarithms with `log`), `log_likelihood` (mean over
the points), `bic` (Bayesian information criterion: lower is better, and of several k the one with the lowest is
a good choice), `iterations`, `n_points` it was fitted to, `seed` and `log`.
It starts from the clusters that kmeans finds with the same options and from those of its single starts, `n_init`
in all, and goes on with the most likely. Up to 32768 different points all of them
are used, above that a sample of 32768, drawn with the seed. Where kmeans cuts space into cells, a mixture tells
groups apart that overlap or differ in spread; `gmm_assign` gives the probabilities.
NULL and wrong points as for kmeans.
**This is one call, and an interrupted query ends when it returns.** With 32768 points of three coordinates without any
structure, on two processors, that is within two seconds up to k = 12, and the time grows with k and with the square of
the number of coordinates; `n_init` and `max_iterations` shorten it. What can be interrupted at any time is `segment`.

Parameters:
- points: DOUBLE[][], for example list([recency_days, frequency]); up to 100 coordinates.
- k: the number of components, 1 to 1000.
- options: as for kmeans; `max_iterations` also limits those of the fit.
- weights: as for kmeans.

Example:
SELECT m.k, [round(w, 3) for w in m.weights] AS weights, [round(p[1], 3) for p in m.means] AS means
FROM (SELECT gmm([[1], [2], [3], [2], [10], [30]], 2) AS m);$$;

CREATE MACRO footfall.main.gmm_assign(mixture, point) AS system.main.gmm_assign(mixture, point);

COMMENT ON MACRO footfall.main.gmm_assign IS $$Gives the most probable component of a point, its probability, and the probabilities of all.

A STRUCT: `segment` (1 to k), `probability`, `probabilities` (DOUBLE[], adding up to 1). A NULL mixture, point
or coordinate gives NULL.

Parameters:
- mixture: a mixture made by gmm.
- point: DOUBLE[] with as many coordinates as the mixture has, in the same units.

Example:
WITH learned AS (SELECT gmm([[1], [2], [3], [2], [10], [30]], 2) AS mixture)
SELECT x, a.segment, round(a.probability, 3) AS probability
FROM (SELECT x, gmm_assign(mixture, [x]) AS a FROM learned, (VALUES (2), (5), (20)) v(x));$$;

CREATE MACRO footfall.internal.pack_points(points, called_as := 'pack_points', progress := false) AS
system.main.pack_points(points, called_as, progress);

COMMENT ON MACRO footfall.internal.pack_points IS $$Points as one value, without those that are NULL or hold a NULL; NULL where none is left.

Parameters:
- points: DOUBLE[][].
- called_as: the macro that an error names.
- progress: BOOLEAN, whether to show that it goes on.

Example:
SELECT octet_length(pack_points([[1, 2], [3, NULL]])) AS n_bytes;$$;

CREATE MACRO footfall.internal.kmeans_piece(job, points, k, options) AS system.main.kmeans_piece(job, points, k, options);

COMMENT ON MACRO footfall.internal.kmeans_piece IS $$Clusters packed points for about half a second: the step under `footfall.segment`.

A STRUCT: `job`, the number to go on with; `finished`; and `result`, the model of `kmeans`, NULL until then. A job that nobody
asks for is gone after two seconds; one that the process does not know begins anew, with the same result.

Parameters:
- job: BIGINT, 0 to begin, or `job` of the call before.
- points: BLOB, of `pack_points`.
- k, options: as for `kmeans`; the option `called_as` is the macro that an error names.

Example:
SELECT p.finished, p.result.sizes AS sizes FROM (SELECT kmeans_piece(0, pack_points([[1], [2], [9]]), 2, {'seed': 42}) AS p);$$;

CREATE MACRO footfall.internal.kmeans_choose_piece(job, points, k_from, k_to, options) AS
system.main.kmeans_choose_piece(job, points, k_from, k_to, options);

COMMENT ON MACRO footfall.internal.kmeans_choose_piece IS $$Clusters packed points once per k for about half a second: the step under `footfall.choose_k`.

A STRUCT as that of `kmeans_piece`; `result` is the list of `kmeans_choose` without the models, each with `n_smallest`, `n_points`
and `log`.

Parameters:
- job, points: as for `kmeans_piece`.
- k_from, k_to, options: as for `kmeans_choose`; the option `called_as` is the macro that an error names.

Example:
SELECT len(kmeans_choose_piece(0, pack_points([[1], [2], [9]]), 1, 2, {'seed': 42}).result) AS n_clusterings;$$;

CREATE MACRO footfall.internal.check_seed(function_name, seed) AS
CASE WHEN footfall.internal.check_option(
    seed IS NULL OR TRY_CAST(seed AS DOUBLE) = TRY_CAST(seed AS BIGINT), function_name, 'seed', seed, 'a whole number'
) THEN TRY_CAST(seed AS BIGINT) END;

COMMENT ON MACRO footfall.internal.check_seed IS $$The seed of random numbers as a BIGINT, or the error that a macro gives for a wrong one.

Parameters:
- function_name: the macro's name, for the message.
- seed: a whole number; NULL stays NULL, which is the default.

Example:
SELECT footfall.internal.check_seed('segment', 42) AS seed;$$;

CREATE MACRO footfall.main.segment(tbl, id, features, k := 4, seed := 42, standardise := true, log := false, progress := true) AS TABLE
WITH RECURSIVE
ff_customers AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key('segment', 'id', id) AS customer,
        footfall.internal.number_list('segment', 'features', features) AS point
    FROM query_table(tbl)
),
-- Read once: what the clusters are made of is what is put into them.
ff_known AS MATERIALIZED (
    SELECT customer, CASE WHEN customer IS NOT NULL THEN point END AS point FROM ff_customers
),
ff_settings AS MATERIALIZED (
    SELECT
        footfall.internal.whole_option('segment', 'k', k, 1, 10000) AS n_clusters,
        {
            'seed': footfall.internal.check_seed('segment', seed),
            'standardise': standardise,
            'log': log,
            'threads': current_setting('threads'),
            'progress': CAST((progress) AS BOOLEAN),
            'called_as': 'segment'
        } AS options
),
ff_packed AS MATERIALIZED (
    SELECT system.main.pack_points(list(point), 'segment', coalesce(CAST((progress) AS BOOLEAN), false)) AS points FROM ff_known
),
-- A row per half a second of work: between two of them DuckDB looks for an interruption. Each is wrapped in a list
-- for the reason that `train` gives.
ff_run(ff_step, ff_pieces) AS (
    SELECT 0, [system.main.kmeans_piece(0, points, n_clusters, options)] FROM ff_packed, ff_settings
    UNION ALL
    SELECT ff_step + 1, [system.main.kmeans_piece(ff_pieces[1]['job'], points, n_clusters, options)]
    FROM ff_run
    CROSS JOIN ff_packed
    CROSS JOIN ff_settings
    WHERE NOT ff_pieces[1]['finished']
),
-- One row, also where there are no customers and no model.
ff_learned AS MATERIALIZED (
    SELECT any_value(ff_pieces[1]['result']) AS clustering FROM ff_run WHERE ff_pieces[1]['finished']
)
SELECT
    footfall.internal.unmarked(customer) AS id,
    system.main.kmeans_assign(clustering, point) AS segment,
    system.main.kmeans_distance(clustering, point) AS distance
FROM ff_known
CROSS JOIN ff_learned;

COMMENT ON MACRO TABLE footfall.main.segment IS $$Groups customers into k segments of similar customers by k-means.

One row per row of the input, in no order: `id`, `segment` (1 to k, the largest first) and `distance` from
the segment's centre, in standard deviations. Customers with a NULL feature have a NULL segment and take no
part in finding the others, and so has a row without a customer: `id` NULL, NaN or blank. A feature on which all
customers agree but for rounding parts nobody. See `kmeans` for how segments are found; the same customers give the same
segments in any order of the rows and on any number of threads. It ends within a second of an interruption, whatever
is asked for. `choose_k` helps to choose k, and
`segment_profile` says what the segments are. To join the result with the customers, name this function
first: FROM footfall.segment(customers, ...) JOIN customers USING (id).

Parameters:
- tbl: the customers: a table, view, CTE or file.
- id: a column or expression of any type; a floating-point number with a fraction is an error.
- features: a list of numbers, for example [recency_days, frequency].
- k: the number of segments.
- seed: the seed of the random starts.
- standardise: whether features are divided by their standard deviation, so that none counts more for its unit.
- log: whether sign(x) * log(1 + |x|) is taken first, for skewed money. It keeps the order and the sign: 0 stays 0, and who
  was refunded more than was paid stays below zero, as far as who paid as much is above.
- progress: true shows a bar on standard error when that is a terminal and the clustering takes longer than two seconds

Example:
WITH customers(name, days, orders) AS (VALUES ('Ada', 1, 2), ('Bob', 2, 1), ('Cleo', 1, 1), ('Dan', 30, 9), ('Eve', 31, 8))
SELECT id, segment, round(distance, 3) AS distance
FROM footfall.segment(customers, name, [days, orders], k := 2) ORDER BY id;$$;

CREATE MACRO footfall.main.choose_k(
    tbl, features, k_from := 2, k_to := 10, seed := 42, standardise := true, log := false, progress := true
) AS TABLE
WITH RECURSIVE
ff_customers AS NOT MATERIALIZED (
    SELECT footfall.internal.number_list('choose_k', 'features', features) AS point FROM query_table(tbl)
),
ff_settings AS MATERIALIZED (
    SELECT
        footfall.internal.whole_option('choose_k', 'k_from', k_from, 1, 10000) AS first_k,
        CASE WHEN footfall.internal.check_option(
            footfall.internal.whole_number(k_to, TRY_CAST(k_from AS BIGINT), 10000), 'choose_k', 'k_to', k_to, 'a whole number from k_from to 10000'
        ) THEN TRY_CAST(k_to AS BIGINT) END AS last_k,
        {
            'seed': footfall.internal.check_seed('choose_k', seed),
            'standardise': standardise,
            'log': log,
            'threads': current_setting('threads'),
            'progress': CAST((progress) AS BOOLEAN),
            'called_as': 'choose_k'
        } AS options
),
ff_packed AS MATERIALIZED (
    SELECT system.main.pack_points(list(point), 'choose_k', coalesce(CAST((progress) AS BOOLEAN), false)) AS points FROM ff_customers
),
-- As in `segment`.
ff_run(ff_step, ff_pieces) AS (
    SELECT 0, [system.main.kmeans_choose_piece(0, points, first_k, last_k, options)] FROM ff_packed, ff_settings
    UNION ALL
    SELECT ff_step + 1, [system.main.kmeans_choose_piece(ff_pieces[1]['job'], points, first_k, last_k, options)]
    FROM ff_run
    CROSS JOIN ff_packed
    CROSS JOIN ff_settings
    WHERE NOT ff_pieces[1]['finished']
),
ff_choices AS (SELECT unnest(ff_pieces[1]['result']) AS choice FROM ff_run WHERE ff_pieces[1]['finished'])
SELECT
    choice['k'] AS k,
    choice['inertia'] AS inertia,
    choice['silhouette'] AS silhouette,
    choice['davies_bouldin'] AS davies_bouldin,
    choice['chosen'] AS chosen,
    choice['n_smallest'] / choice['n_points'] AS smallest_share,
    CASE
        WHEN choice['n_smallest'] / choice['n_points'] < 0.01
        THEN format(
                'the smallest segment is {:,} of {:,} ({:.2g} %): outliers, not a segment; ',
                choice['n_smallest'], choice['n_points'], 100 * choice['n_smallest'] / choice['n_points']
            ) || CASE WHEN choice['log'] THEN 'look at them by themselves' ELSE 'try log := true' END
        WHEN choice['inertia'] = 0
        THEN 'each different customer is a segment'
    END AS note,
    bar(greatest(choice['silhouette'], 0), 0, 1, 26) AS chart
FROM ff_choices
ORDER BY choice['k'] ASC;

COMMENT ON MACRO TABLE footfall.main.choose_k IS $$Compares numbers of segments and chooses one.

One row per k, in order: `inertia`, the sum of squared distances from the segments' centres, which falls as k
grows; `silhouette`, -1 to 1, high when customers are nearer to their own segment than to the next one (NULL
for k = 1); `davies_bouldin`, low when segments are tight and far apart (NULL for k = 1); `chosen`, true in
one row: **the highest silhouette, the smallest k among those within 1e-9 of each other**; `smallest_share`, the share of
all customers that are in the smallest segment; `note`, NULL where there is nothing to say; and `chart`, a bar of the silhouette from 0 to 1. Any other k can be
given to `segment`: the silhouette favours few segments that are far apart, and when finer ones are wanted, the
next best silhouette and a low Davies-Bouldin index say where to look.

**Read the note before the choice.** On money the highest silhouette often parts a handful of very large customers
from all others: right as a measure, and of no use as a segment. Where the smallest segment holds less than 1 % of
the customers, the note says so and what to try: `log := true` first.

Inertia and Davies-Bouldin are exact. The silhouette compares every customer with every other: it is exact up
to 4096 different customers, counted as often as they occur, and above that taken over a sample of 4096, drawn
with the seed at equal distances along a curve through all customers. The values of k end at the number of
different customers.

It ends within a second of an interruption, however many customers and values of k there are.

Parameters:
- tbl: the customers: a table, view, CTE or file.
- features: a list of numbers, for example [recency_days, frequency].
- k_from, k_to: the smallest and the largest k, both included.
- seed: the seed of the random starts and of the sample.
- standardise, log, progress: as for segment.

Example:
WITH customers(days, orders) AS (VALUES (1, 1), (2, 1), (1, 2), (30, 1), (31, 2), (30, 2), (2, 20), (1, 21), (1, 20))
SELECT k, round(inertia, 3) AS inertia, round(silhouette, 3) AS silhouette, round(davies_bouldin, 3) AS davies_bouldin, chosen,
    round(smallest_share, 3) AS smallest_share, note
FROM footfall.choose_k(customers, [days, orders], k_to := 5);$$;

CREATE MACRO footfall.main.coreset(tbl, features, size := 10000, seed := 42) AS TABLE
WITH ff_customers AS NOT MATERIALIZED (
    SELECT footfall.internal.number_list('coreset', 'features', features) AS given_point FROM query_table(tbl)
),
ff_places AS MATERIALIZED (
    SELECT given_point AS place, count(*) AS n_copies
    FROM ff_customers
    WHERE len(list_filter(given_point, lambda x: x IS NULL)) = 0
    GROUP BY given_point
),
ff_numbers AS NOT MATERIALIZED (SELECT n_copies, unnest(place) AS x, unnest(range(len(place))) AS axis FROM ff_places),
ff_means AS MATERIALIZED (
    SELECT axis, footfall.internal.exact_weighted_sum(x, n_copies) / sum(n_copies) AS mean, CAST(sum(n_copies) AS DOUBLE) AS n_all
    FROM ff_numbers
    GROUP BY axis
),
ff_spread AS MATERIALIZED (
    SELECT
        list(mean ORDER BY axis ASC NULLS LAST) AS means,
        list(variance ORDER BY axis ASC NULLS LAST) AS variances,
        count(*) FILTER (variance > 0) AS n_axes,
        max(n_all) AS n_all
    FROM (
        SELECT ff_means.axis, any_value(mean) AS mean, any_value(n_all) AS n_all, footfall.internal.exact_weighted_sum((x - mean) ** 2, n_copies) / any_value(n_all) AS variance
        FROM ff_numbers
        JOIN ff_means ON ff_means.axis = ff_numbers.axis
        GROUP BY ff_means.axis
    )
),
ff_drawn AS NOT MATERIALIZED (
    SELECT
        place,
        n_copies,
        -- Half of the draws alike for all, half by the square of the distance from the mean.
        least(1, CASE WHEN count(*) OVER () <= TRY_CAST(size AS BIGINT)
            THEN 1
            ELSE TRY_CAST(size AS BIGINT) * n_copies / n_all * (0.5 + 0.5 / greatest(n_axes, 1) * list_sum(list_transform(
                range(1, len(place) + 1), lambda i: CASE WHEN variances[i] > 0 THEN (place[i] - means[i]) ** 2 / variances[i] ELSE 0 END
            )))
        END) AS chance,
        concat(footfall.internal.check_seed('coreset', seed), ' ', CAST(place AS VARCHAR)) AS name,
        CASE WHEN len(place) = len(means)
            THEN true
            ELSE error(concat('footfall.coreset: argument ''features'' has lists of ', len(place), ' and of ', len(means), ' numbers; allowed: lists of one length'))
        END AS is_right
    FROM ff_places
    CROSS JOIN ff_spread
    WHERE footfall.internal.whole_option('coreset', 'size', size, 1, 100000000) > 0
)
SELECT
    place AS point,
    -- Rounded up as often as keeps the sum right.
    CAST(floor(n_copies / chance + md5_number_upper(name) / pow(2, 64)) AS BIGINT) AS weight
FROM ff_drawn
WHERE is_right AND md5_number_lower(name) / pow(2, 64) < chance
ORDER BY place ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.main.coreset IS $$A few weighted customers that stand for all: what k-means makes of them is nearly what it makes of all.

One row per customer that was drawn, in the order of their points: `point` and `weight`, how many customers it stands for. Some `size` rows; where there are no more different
points than that, all of them, and nothing is lost. It is for customers that do not fit one machine: a coreset of each part, the rows below one another, and
`kmeans(list(point), k, weights := list(weight))` of them. Which part a customer is in makes no difference to what is expected.

This is the lightweight coreset of Bachem, Lucic and Krause (2018, algorithm 1), with each point drawn by itself: a point's chance is half the same for all and half by its squared distance
from the mean, in standard deviations of the part; its weight is one divided by the chance, so that sums over the rows are right on average. The same customers and seed give the same rows in any
order of the rows. Customers with a NULL feature are left out.

Parameters:
- tbl: the customers: a table, view, CTE or file.
- features: a list of numbers, for example [recency_days, frequency]; where k-means shall take logarithms, take them here.
- size: how many rows there shall be, 1 to 100000000.
- seed: the seed of the draws.

Example:
WITH customers AS (SELECT i % 40 AS days, 1 + i * i % 900 / 7 AS orders FROM range(5000) AS numbers(i))
SELECT count(*) BETWEEN 400 AND 600 AS about_500, sum(weight) BETWEEN 4500 AND 5500 AS for_about_5000
FROM footfall.coreset(customers, [days, orders], size := 500);$$;

-- Words for customers beside the typical one. Between 0.9 and 1.1 there is nothing to say.
CREATE MACRO footfall.main.segment_label(recency_index, frequency_index, monetary_index := NULL) AS
coalesce(nullif(concat_ws(' ',
    CASE
        WHEN recency_index < 0.9 THEN 'recent'
        WHEN recency_index > 1.5 THEN 'lapsed'
        WHEN recency_index > 1.1 THEN 'slipping'
    END,
    CASE
        WHEN frequency_index < 0.9 THEN 'occasional'
        WHEN frequency_index > 1.5 THEN 'heavy'
        WHEN frequency_index > 1.1 THEN 'frequent'
    END
), ''), 'average') || ' buyers' || CASE
    WHEN monetary_index < 0.67 THEN ', low spend'
    WHEN monetary_index > 1.5 THEN ', high spend'
    ELSE ''
END;

COMMENT ON MACRO footfall.main.segment_label IS $$Says in words what customers are like beside the typical customer.

Recency (days since the last purchase): below 0.9 'recent', above 1.1 'slipping', above 1.5 'lapsed'.
Frequency: below 0.9 'occasional', above 1.1 'frequent', above 1.5 'heavy'. Where neither has a word:
'average'. Then 'buyers', and by spend: below 0.67 ', low spend', above 1.5 ', high spend'. NULL has no word.

Parameters:
- recency_index, frequency_index, monetary_index: the number of these customers divided by that of all. `segment_profile`
  gives the median of a segment divided by the median of all customers.

Example:
SELECT footfall.segment_label(0.46, 0.88) AS first, footfall.segment_label(0.4, 3.35, 4.1) AS second, footfall.segment_label(2.18, 0.62) AS third;$$;

CREATE MACRO footfall.internal.times_typical(own, typical) AS
CASE
    WHEN own = typical THEN 1.0
    WHEN typical > 0 THEN own / typical
    WHEN typical = 0 THEN sign(own) * CAST('infinity' AS DOUBLE)
END;

COMMENT ON MACRO footfall.internal.times_typical IS $$How many times the typical number another one is.

Beside 0 everything above it is infinitely much, everything below it is minus infinity, and 0 is 1: the same.
A typical number below 0 has no multiples that could be read, so the answer is NULL unless both are the same.

Parameters:
- own: a number.
- typical: the number that it is compared with, for example the median of all.

Example:
SELECT footfall.internal.times_typical(3, 2) AS more, footfall.internal.times_typical(4, 0) AS beside_none, footfall.internal.times_typical(0, 0) AS same;$$;

CREATE MACRO footfall.internal.segment_members(function_name, tbl, segment, recency, frequency, monetary) AS TABLE
WITH ff_members AS NOT MATERIALIZED (
    SELECT
        footfall.internal.usable_key(function_name, 'segment', segment) AS member_of,
        footfall.internal.number(function_name, 'recency', recency) AS member_recency,
        footfall.internal.number(function_name, 'frequency', frequency) AS member_frequency,
        footfall.internal.number(function_name, 'monetary', monetary) AS member_monetary
    FROM query_table(tbl)
)
-- NaN and infinity say nothing of a customer.
SELECT
    member_of,
    CASE WHEN isfinite(member_recency) THEN member_recency END AS member_recency,
    CASE WHEN isfinite(member_frequency) THEN member_frequency END AS member_frequency,
    CASE WHEN isfinite(member_monetary) THEN member_monetary END AS member_monetary
FROM ff_members;

COMMENT ON MACRO TABLE footfall.internal.segment_members IS $$The customers of `segment_profile`: their segment and their numbers, of which those that are not finite are NULL.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, segment, recency, frequency, monetary: as in `segment_profile`.

Example:
WITH customers(segment, days, orders) AS (VALUES (1, 1, 2), (2, 30, 1))
FROM footfall.internal.segment_members('segment_profile', customers, segment, days, orders, NULL);$$;

CREATE MACRO footfall.internal.segment_counts(function_name, tbl, segment, recency, frequency, monetary) AS TABLE
WITH ff_numbers AS NOT MATERIALIZED (
    SELECT
        member_of,
        unnest(range(4)) AS measure,
        unnest([NULL, member_recency, member_frequency, member_monetary]) AS measured_value
    FROM footfall.internal.segment_members(function_name, tbl, segment, recency, frequency, monetary)
)
SELECT member_of, measure, measured_value, count(*) AS n_members
FROM ff_numbers
WHERE measure = 0 OR measured_value IS NOT NULL
GROUP BY ALL;

COMMENT ON MACRO TABLE footfall.internal.segment_counts IS $$How many customers of a segment have each number, for `segment_profile`; the counts of several parts add up.

One row per segment and number: `member_of`, `measure` (1 recency, 2 frequency, 3 money; 0 counts all), `measured_value` and `n_members`.

Parameters:
- function_name: the macro that was called, for messages.
- tbl, segment, recency, frequency, monetary: as in `segment_profile`.

Example:
WITH customers(segment, days, orders) AS (VALUES (1, 1, 2), (1, 1, 1))
FROM footfall.internal.segment_counts('segment_profile', customers, segment, days, orders, NULL) ORDER BY measure, measured_value;$$;

CREATE MACRO footfall.internal.segment_figures(counts) AS TABLE
WITH ff_added AS MATERIALIZED (
    SELECT footfall.internal.bytewise(member_of) AS member_of, false AS is_all, measure, measured_value, sum(n_members) AS n_members
    FROM query_table(counts)
    GROUP BY ALL
),
ff_running AS NOT MATERIALIZED (
    SELECT
        *,
        sum(n_members) OVER (PARTITION BY is_all, member_of, measure ORDER BY measured_value ASC NULLS LAST) AS n_until,
        sum(n_members) OVER (PARTITION BY is_all, member_of, measure) AS n_all
    FROM (
        FROM ff_added
        UNION ALL
        SELECT NULL, true, measure, measured_value, sum(n_members) FROM ff_added GROUP BY measure, measured_value
    )
),
ff_measures AS (
    SELECT
        member_of,
        is_all,
        measure,
        CAST(sum(n_members) AS BIGINT) AS n_known,
        footfall.internal.exact_weighted_sum(measured_value, n_members) / n_known AS mean_value,
        -- The two in the middle, which are one where the number is odd.
        (min(measured_value) FILTER (2 * n_until >= n_all) + min(measured_value) FILTER (2 * n_until > n_all)) / 2 AS median_value
    FROM ff_running
    GROUP BY member_of, is_all, measure
)
SELECT
    member_of,
    is_all,
    any_value(n_known) FILTER (measure = 0) AS n_members,
    any_value(mean_value) FILTER (measure = 1) AS r_mean,
    any_value(mean_value) FILTER (measure = 2) AS f_mean,
    any_value(mean_value) FILTER (measure = 3) AS m_mean,
    any_value(median_value) FILTER (measure = 1) AS r_median,
    any_value(median_value) FILTER (measure = 2) AS f_median,
    any_value(median_value) FILTER (measure = 3) AS m_median
FROM ff_measures
GROUP BY member_of, is_all;

COMMENT ON MACRO TABLE footfall.internal.segment_figures IS $$The figures of segments and of all customers from the counts of `segment_counts`, of one part or of several below one another.

The rows are those that `segment_report` takes.

Parameters:
- counts: the rows of `segment_counts`.

Example:
WITH counts(member_of, measure, measured_value, n_members) AS (VALUES (1, 0, NULL, 3), (1, 1, 2.0::DOUBLE, 2), (1, 1, 8.0, 1))
SELECT member_of, is_all, n_members, r_mean, r_median FROM footfall.internal.segment_figures(counts);$$;

CREATE MACRO footfall.internal.segment_report(figures) AS TABLE
WITH ff_all AS MATERIALIZED (FROM query_table(figures)),
ff_beside AS (
    SELECT
        one.*,
        one.n_members / everyone.n_members AS share_of_all,
        one.r_mean / nullif(everyone.r_mean, 0) AS r_index,
        one.f_mean / nullif(everyone.f_mean, 0) AS f_index,
        one.m_mean / nullif(everyone.m_mean, 0) AS m_index,
        footfall.internal.times_typical(one.r_median, everyone.r_median) AS r_times,
        footfall.internal.times_typical(one.f_median, everyone.f_median) AS f_times,
        footfall.internal.times_typical(one.m_median, everyone.m_median) AS m_times
    FROM ff_all AS one
    CROSS JOIN (FROM ff_all WHERE is_all) AS everyone
    WHERE NOT one.is_all
)
SELECT
    footfall.internal.unmarked(member_of) AS segment,
    n_members AS customers,
    share_of_all AS share,
    r_mean AS mean_recency,
    f_mean AS mean_frequency,
    m_mean AS mean_monetary,
    r_index AS recency_index,
    f_index AS frequency_index,
    m_index AS monetary_index,
    CASE WHEN member_of IS NULL
        THEN 'in no segment'
        ELSE footfall.main.segment_label(r_times, f_times, m_times)
    END AS label,
    r_median AS median_recency,
    f_median AS median_frequency,
    m_median AS median_monetary,
    r_times AS recency_to_median,
    f_times AS frequency_to_median,
    m_times AS monetary_to_median
FROM ff_beside
ORDER BY member_of ASC NULLS LAST;

COMMENT ON MACRO TABLE footfall.internal.segment_report IS $$The report of `segment_profile` from the figures of its segments and of all customers.

The columns are those of `segment_profile`.

Parameters:
- figures: one row per segment, and one with `is_all`: `member_of`, `n_members`, `r_mean`, `f_mean`, `m_mean`, `r_median`, `f_median` and `m_median`.

Example:
WITH figures(member_of, is_all, n_members, r_mean, f_mean, m_mean, r_median, f_median, m_median) AS (VALUES
    (1, false, 2, 1.5, 2.0, NULL, 1.5, 2.0, NULL), (2, false, 1, 9.0, 1.0, NULL, 9.0, 1.0, NULL), (NULL, true, 3, 4.0, 1.7, NULL, 2.0, 2.0, NULL))
SELECT segment, share, label FROM footfall.internal.segment_report(figures);$$;

CREATE MACRO footfall.main.segment_profile(tbl, segment, recency, frequency, monetary := NULL) AS TABLE
WITH ff_sound AS NOT MATERIALIZED (
    FROM footfall.internal.segment_members('segment_profile', tbl, segment, recency, frequency, monetary)
),
ff_figures AS MATERIALIZED (
    SELECT
        member_of,
        grouping(member_of) = 1 AS is_all,
        count(*) AS n_members,
        footfall.internal.exact_sum(member_recency) / count(member_recency) AS r_mean,
        footfall.internal.exact_sum(member_frequency) / count(member_frequency) AS f_mean,
        footfall.internal.exact_sum(member_monetary) / count(member_monetary) AS m_mean,
        median(member_recency) AS r_median,
        median(member_frequency) AS f_median,
        median(member_monetary) AS m_median
    FROM ff_sound
    GROUP BY GROUPING SETS ((member_of), ())
)
FROM footfall.internal.segment_report(ff_figures);

COMMENT ON MACRO TABLE footfall.main.segment_profile IS $$Says what each segment is: its size, its means and medians beside those of all, and a label in words.

One row per segment, in order: `segment`, `customers`, `share` of all, `mean_recency`, `mean_frequency`,
`mean_monetary`, the same divided by the mean of all customers (`recency_index`, `frequency_index`,
`monetary_index`: 1 is the mean, NULL when the mean of all is 0), `label`, the medians (`median_recency`,
`median_frequency`, `median_monetary`), and the same divided by the median of all customers (`recency_to_median`,
`frequency_to_median`, `monetary_to_median`).

**The label compares the typical customer of the segment with the typical customer of the shop**: it comes from the
three columns that end in `to_median` and from nothing else, so it holds whatever number a segment has. Means would
not do: a few very large customers lift the mean of all above nearly everyone, and every segment but theirs
would be one of low spend.
Recency below 0.9 is 'recent', above 1.1 'slipping', above 1.5 'lapsed'. Frequency below 0.9 is
'occasional', above 1.1 'frequent', above 1.5 'heavy'. With neither, 'average'. Spend below 0.67 adds
'low spend', above 1.5 'high spend'. Where the median of all is 0, as when more than half of them bought today, a
segment above it is infinitely far above, and one at 0 is at 1; where it is below 0, there is no number and no word.
Two segments can have the same label; their figures tell them apart.
Customers with a NULL segment are one row, 'in no segment'. NULL, NaN and infinite values are left out of
means and medians.

Parameters:
- tbl: the customers with their segments: a table, view, CTE or file.
- segment: the segment of each customer, from `segment`, `rfm` or anywhere else.
- recency: days since the last purchase, a number.
- frequency: number of purchases.
- monetary: what was spent; without it the columns of money are NULL.

Example:
WITH customers(segment, days, orders) AS (VALUES (1, 1, 2), (1, 2, 1), (1, 1, 1), (2, 30, 1), (3, 2, 25))
SELECT segment, customers, share, mean_recency, median_recency, recency_to_median, round(frequency_to_median, 2) AS frequency_to_median, label
FROM footfall.segment_profile(customers, segment, days, orders);$$;
