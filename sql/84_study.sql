-- Studies: the charts of a shop and of a model, and the page of them in one call.

CREATE MACRO footfall.internal.study_period(n_days) AS CASE WHEN n_days <= 31 THEN 'day' WHEN n_days <= 280 THEN 'week' ELSE 'month' END;
COMMENT ON MACRO footfall.internal.study_period IS $$The period in which a study counts cohorts and life cycles: as many as can be told apart.

Parameters:
- n_days: BIGINT, the span of the data.

Example:
SELECT footfall.internal.study_period(9) AS short, footfall.internal.study_period(390) AS long;$$;

CREATE MACRO footfall.internal.study_columns(n_days) AS CASE WHEN n_days <= 62 THEN 'date' WHEN n_days <= 434 THEN 'week' ELSE 'month' END;
COMMENT ON MACRO footfall.internal.study_columns IS $$What a study draws a column for: days, weeks or months, by the span.

Parameters:
- n_days: BIGINT, the span of the data.

Example:
SELECT footfall.internal.study_columns(9) AS short, footfall.internal.study_columns(390) AS long;$$;

CREATE MACRO footfall.internal.study_steps(steps, view, purchase) AS
coalesce(
    footfall.internal.name_list('study', 'steps', steps),
    list_filter([CAST((view) AS VARCHAR), 'cart', CAST((purchase) AS VARCHAR)], lambda step: step IS NOT NULL)
);
COMMENT ON MACRO footfall.internal.study_steps IS $$The steps of the funnel of a study.

Parameters:
- steps, view, purchase: as in `footfall.study`.

Example:
SELECT footfall.internal.study_steps(NULL, 'pv', 'buy') AS steps;$$;

CREATE MACRO footfall.internal.called(function_name, arguments, options) AS
concat('FROM footfall.', function_name, '(events, ', array_to_string(arguments, ', '), CASE WHEN options <> '' THEN ', ' || options ELSE '' END, ');');
COMMENT ON MACRO footfall.internal.called IS $$A call of a report as text, for the page.

Parameters:
- function_name: VARCHAR.
- arguments: VARCHAR[], the expressions after the table.
- options: VARCHAR, the rest, or an empty text.

Example:
SELECT footfall.internal.called('funnel', ['user_id', 'action', 'ts'], '') AS sql;$$;

CREATE MACRO footfall.internal.study_day(moment) AS TRY_CAST(TRY_CAST(CAST((moment) AS VARCHAR) AS TIMESTAMP) AS DATE);
COMMENT ON MACRO footfall.internal.study_day IS $$A day of a promotion as DATE; NULL for what is none, which `check_study` refuses.

Parameters:
- moment: DATE, TIMESTAMP, or text that is one.

Example:
SELECT footfall.internal.study_day('2017-12-02') AS day, footfall.internal.study_day('Saturday') AS none;$$;

CREATE MACRO footfall.internal.check_study(view, purchase, steps, promotion_from, promotion_until, found, absent) AS
footfall.internal.check_conversion('study', view, purchase, NULL, absent)
AND footfall.internal.check_option(
    (promotion_from IS NULL) = (promotion_until IS NULL), 'study', CASE WHEN promotion_from IS NULL THEN 'promotion_from' ELSE 'promotion_until' END, NULL,
    'a DATE beside the other end of the promotion'
) AND footfall.internal.check_option(
    coalesce(footfall.internal.study_day(promotion_from) < footfall.internal.study_day(promotion_until), true), 'study', 'promotion_until',
    promotion_until, 'later than promotion_from (' || CAST(promotion_from AS VARCHAR) || ')'
)
AND (footfall.internal.option_name(absent) = 'zero' OR (
    footfall.internal.check_occurs('study', 'view', [footfall.internal.action_name(view)], found)
    AND footfall.internal.check_occurs('study', 'purchase', [footfall.internal.action_name(purchase)], found)
    AND footfall.internal.check_occurs('study', 'steps', footfall.internal.study_steps(steps, view, purchase), found)
));
COMMENT ON MACRO footfall.internal.check_study IS $$True, or the error for an action that is not in the events of a study, or for a promotion that has no days.

The reports of a study run side by side, and each could complain first, so none of them is asked.

Parameters:
- view, purchase, steps, absent: as in `footfall.study`.
- promotion_from, promotion_until: TIMESTAMP, the promotion; NULL is none.
- found: VARCHAR[], the actions in the data.

Example:
SELECT footfall.internal.check_study('pv', 'buy', NULL, NULL, NULL, ['buy', 'cart', 'pv'], 'error') AS is_right;$$;

CREATE MACRO footfall.main.study(
    tbl, user_id, category_id, action, ts, purchase := 'buy', view := 'pv', steps := NULL, promotion_from := NULL, promotion_until := NULL,
    amount := NULL, order_id := NULL, time_zone := NULL, absent := 'error'
) AS TABLE
WITH
footfall__extent AS MATERIALIZED (
    SELECT footfall.internal.study_period(ff_n_days) AS ff_period, footfall.internal.study_columns(ff_n_days) AS ff_columns, ff_found
    FROM (
        SELECT coalesce(max(ff_last) - min(ff_first) + 1, 1) AS ff_n_days, list(ff_action) FILTER (ff_action IS NOT NULL) AS ff_found
        FROM (
            SELECT ff_action, min(ff_day) AS ff_first, max(ff_day) AS ff_last
            FROM (
                SELECT ff_action, CASE WHEN isfinite(ff_time) THEN CAST(ff_time AS DATE) END AS ff_day
                FROM (
                    SELECT
                        footfall.internal.action_name(action) AS ff_action,
                        footfall.internal.local_time('study', 'ts', ts, time_zone := time_zone) AS ff_time
                    FROM query_table(tbl)
                )
            )
            GROUP BY ff_action
        )
    )
),
footfall__options AS MATERIALIZED (
    SELECT
        footfall.internal.study_steps(steps, view, purchase) AS ff_steps,
        footfall.internal.moment_option('study', 'promotion_from', promotion_from) AS ff_from,
        footfall.internal.moment_option('study', 'promotion_until', promotion_until) AS ff_until
),
-- With all columns, because a NULL that stands for no amount or order is known as such only where the caller wrote it.
footfall__purchases AS NOT MATERIALIZED (
    SELECT * FROM query_table(tbl) WHERE footfall.internal.action_name(action) = footfall.internal.action_name(purchase)
),
footfall__hours AS MATERIALIZED (
    FROM footfall.main.activity(tbl, user_id, action, ts, by := 'hour_of_week', purchase := purchase, time_zone := time_zone, absent := 'zero')
),
footfall__days AS MATERIALIZED (
    FROM footfall.main.activity(
        tbl, user_id, action, ts, by := (SELECT ff_columns FROM footfall__extent), purchase := purchase, time_zone := time_zone, absent := 'zero'
    )
),
-- Without a promotion there is no row, and nothing to plan for.
footfall__promoted AS NOT MATERIALIZED (
    SELECT * FROM query_table(tbl) WHERE promotion_from IS NOT NULL AND promotion_until IS NOT NULL
),
footfall__promotion AS MATERIALIZED (
    FROM footfall.main.promotion_effect(
        footfall__promoted, user_id, action, ts,
        coalesce(footfall.internal.study_day(promotion_from), DATE '2000-01-01'),
        greatest(
            coalesce(footfall.internal.study_day(promotion_until), DATE '2000-01-02'),
            coalesce(footfall.internal.study_day(promotion_from), DATE '2000-01-01') + 1
        ),
        purchase := purchase, time_zone := time_zone, absent := 'zero'
    )
),
footfall__groups AS MATERIALIZED (
    FROM footfall.main.conversion(tbl, user_id, category_id, action, view := view, purchase := purchase, top := NULL, absent := 'zero')
),
footfall__funnel AS MATERIALIZED (
    FROM footfall.main.funnel(tbl, user_id, action, ts, steps := footfall.internal.study_steps(steps, view, purchase), absent := 'zero')
),
footfall__customers AS MATERIALIZED (
    FROM footfall.main.rfm(footfall__purchases, user_id, ts, amount := amount, order_id := order_id, time_zone := time_zone)
),
footfall__segments AS MATERIALIZED (FROM footfall.main.rfm_summary(footfall__customers)),
footfall__cohorts AS MATERIALIZED (
    FROM footfall.main.cohorts(
        tbl, user_id, ts, period := (SELECT ff_period FROM footfall__extent), time_zone := time_zone
    )
),
footfall__repeats AS MATERIALIZED (
    FROM footfall.main.repeat_purchase(footfall__purchases, user_id, ts, amount := amount, order_id := order_id, time_zone := time_zone)
),
footfall__periods AS MATERIALIZED (
    FROM footfall.main.lifecycle(
        tbl, user_id, ts, period := (SELECT ff_period FROM footfall__extent), time_zone := time_zone
    )
),
footfall__charts AS (
    FROM footfall.main.activity_chart(
        footfall__hours, sql := footfall.internal.called('activity', ['user_id', 'action', 'ts'], 'by := ''hour_of_week''')
    )
    UNION ALL
    FROM footfall.main.days_chart(
        footfall__days, promotion_from := footfall.internal.study_day(promotion_from),
        promotion_until := footfall.internal.study_day(promotion_until),
        sql := (
            SELECT footfall.internal.called('activity', ['user_id', 'action', 'ts'], 'by := ''' || ff_columns || '''')
            FROM footfall__extent
        )
    )
    UNION ALL
    SELECT ff_drawn.chart
    FROM footfall.main.promotion_chart(
        footfall__promotion, purchase := purchase,
        sql := (
            SELECT footfall.internal.called(
                'promotion_effect', ['user_id', 'action', 'ts'], concat('DATE ''', CAST(ff_from AS DATE), ''', DATE ''', CAST(ff_until AS DATE), '''')
            ) FROM footfall__options
        )
    ) AS ff_drawn
    WHERE (SELECT ff_from IS NOT NULL AND ff_until IS NOT NULL FROM footfall__options)
    UNION ALL
    FROM footfall.main.conversion_chart(
        footfall__groups, sql := footfall.internal.called('conversion', ['user_id', 'category_id', 'action'], 'top := NULL')
    )
    UNION ALL
    FROM footfall.main.funnel_chart(
        footfall__funnel, sql := (
            SELECT footfall.internal.called(
                'funnel', ['user_id', 'action', 'ts'],
                'steps := [' || array_to_string(['''' || replace(one, '''', '''''') || '''' FOR one IN ff_steps], ', ') || ']'
            ) FROM footfall__options
        )
    )
    UNION ALL
    FROM footfall.main.rfm_chart(footfall__customers)
    UNION ALL
    FROM footfall.main.rfm_summary_chart(footfall__segments)
    UNION ALL
    FROM footfall.main.cohorts_chart(
        footfall__cohorts, unit := (SELECT ff_period FROM footfall__extent), sql := (
            SELECT footfall.internal.called('cohorts', ['user_id', 'ts'], 'period := ''' || ff_period || '''')
            FROM footfall__extent
        )
    )
    UNION ALL
    FROM footfall.main.repeat_chart(footfall__repeats)
    UNION ALL
    FROM footfall.main.lifecycle_chart(
        footfall__periods, unit := (SELECT ff_period FROM footfall__extent), sql := (
            SELECT footfall.internal.called('lifecycle', ['user_id', 'ts'], 'period := ''' || ff_period || '''')
            FROM footfall__extent
        )
    )
)
SELECT chart
FROM footfall__charts
WHERE (
    SELECT footfall.internal.check_study(view, purchase, steps, ff_from, ff_until, ff_found, absent) FROM footfall__extent CROSS JOIN footfall__options
)
ORDER BY chart.place ASC;
COMMENT ON MACRO TABLE footfall.main.study IS $$The charts of a shop: when people come, what converts, who the customers are.

One row per chart, with one column `chart`: `activity_chart`, `days_chart`, `promotion_chart` (with a promotion), `conversion_chart`, `funnel_chart`, `rfm_chart`,
`rfm_summary_chart`, `cohorts_chart`, `repeat_chart` and `lifecycle_chart` of the reports of the same names. Put further ones beside them with UNION ALL: `receipt_chart`,
`segments_chart`, `choose_k_chart`, `value_chart`, `footfall.model_study`, and your own with `footfall.chart`. Columns are days up to two months, weeks up to
fourteen, then months; the queries that the page shows have the names of the parameters; cohorts and life cycles are counted by day up to a month, by week up to forty weeks, then by month.

Parameters:
- tbl: the events: a table, view, CTE or file.
- user_id: a column or expression of any type.
- category_id: what conversion is compared by, a column or expression of any type.
- action: VARCHAR or ENUM, or what casts to text.
- ts: the time in the shop's local time; TIMESTAMP, TIMESTAMP_S, _MS, _NS or DATE; or an instant, with `time_zone`.
- purchase: the action that is a purchase.
- view: the action that is a view.
- steps: VARCHAR[], those of the funnel; NULL is view, 'cart' and purchase.
- promotion_from: DATE, the first day of a promotion; NULL is none.
- promotion_until: DATE, the first day after it.
- amount: the money of a purchase, a number.
- order_id: the number of an order, a column or expression of any type.
- time_zone: whose clock is read where `ts` is a TIMESTAMP WITH TIME ZONE, such as 'Europe/Berlin'.
- absent: 'error' when `view`, `purchase` or one of `steps` occurs nowhere in the table, or 'zero' to count none.

Example:
CREATE OR REPLACE TABLE events AS FROM footfall.generate_events(users := 100, days := 9) WHERE ts >= DATE '2017-11-25' AND ts < DATE '2017-12-04';
SELECT chart.name, chart.headline FROM footfall.study(events, user_id, category_id, action, ts);$$;

CREATE MACRO footfall.main.model_study(tbl, actions, model, purchase := 'buy', part := 'held_out', user_id := NULL, times := NULL, threads := NULL) AS TABLE
WITH
footfall__scored AS MATERIALIZED (
    FROM footfall.internal.evaluation(
        tbl, actions, model, part := part, user_id := user_id, times := times, validation_from := NULL, threads := threads, called_as := 'model_study'
    )
),
footfall__quality AS MATERIALIZED (
    SELECT ff_one.report['predictor'] AS predictor, ff_one.report['log_loss'] AS log_loss, ff_one.report['difference'] AS difference,
        ff_one.report['standard_error'] AS standard_error, ff_one.report['auc'] AS auc, ff_one.report['accuracy'] AS accuracy, ff_one.report['n'] AS n
    FROM footfall__scored AS ff_one
),
footfall__classes AS MATERIALIZED (
    SELECT ff_one.report['predictor'] AS predictor, unnest(ff_one.report['actions'], max_depth := 2) FROM footfall__scored AS ff_one
),
footfall__bins AS MATERIALIZED (
    SELECT ff_bin.*
    FROM (SELECT unnest(ff_one.report['reliability'], max_depth := 2) FROM footfall__scored AS ff_one WHERE ff_one.report['predictor'] = 'model') AS ff_bin
    WHERE ff_bin.action IS NOT NULL
),
footfall__pairs AS MATERIALIZED (
    SELECT unnest(ff_one.report['confusion'], max_depth := 2) FROM footfall__scored AS ff_one WHERE ff_one.report['predictor'] = 'model'
),
footfall__points AS MATERIALIZED (
    SELECT ff_one.report['predictor'] AS predictor, unnest(ff_one.report['roc'], max_depth := 2) FROM footfall__scored AS ff_one
),
footfall__epochs AS MATERIALIZED (
    SELECT unnest(
        system.main.model_info(footfall.internal.given_model('model_study', 'model', ff_given), 'model_study', 'model')['history'], max_depth := 2
    )
    FROM (SELECT (model) AS ff_given)
),
footfall__charts AS (
    SELECT ff_drawn.chart FROM footfall.main.training_chart(
        footfall__epochs, sql := 'SELECT unnest(footfall.model_info(model).history, max_depth := 2) FROM model;'
    ) AS ff_drawn WHERE len(ff_drawn.chart.marks) > 0
    UNION ALL
    FROM footfall.main.predictors_chart(footfall__quality)
    UNION ALL
    FROM footfall.main.auc_chart(footfall__classes, purchase := purchase)
    UNION ALL
    FROM footfall.main.roc_chart(footfall__points)
    UNION ALL
    FROM footfall.main.reliability_chart(footfall__bins)
    UNION ALL
    FROM footfall.main.confusion_chart(footfall__pairs)
)
SELECT chart FROM footfall__charts ORDER BY chart.place ASC;
COMMENT ON MACRO TABLE footfall.main.model_study IS $$The charts of a model: how it was trained, how good it is beside what needs no network, action by action, and whether its probabilities hold.

One row per chart, with one column `chart`: `training_chart` of the epochs that the model remembers (a model of earlier versions remembers none, and
has no such chart), `predictors_chart`, `auc_chart`, `roc_chart`, `reliability_chart` and `confusion_chart`, from one evaluation.

Parameters:
- tbl, actions, model, part, user_id, times, threads: as in `footfall.evaluate`.
- purchase: VARCHAR, the action that headlines are about.

Example:
WITH histories(u, actions) AS (SELECT u, list_transform(range(12 + u % 4), lambda i: ['pv', 'pv', 'cart', 'buy'][1 + (i + u) % 4]) FROM range(80) users(u)),
     run AS (FROM footfall.train(histories, actions, epochs := 3, hidden := 8, learning_rate := 0.05, user_id := u))
SELECT chart.name, chart.kind FROM footfall.model_study(histories, actions, (FROM footfall.best_model(run)), user_id := u);$$;

CREATE MACRO footfall.main.report(
    tbl, user_id, category_id, action, ts, title := 'Shop study', purchase := 'buy', view := 'pv', steps := NULL, promotion_from := NULL,
    promotion_until := NULL, amount := NULL, order_id := NULL, time_zone := NULL, absent := 'error'
) AS TABLE
WITH footfall__charts AS MATERIALIZED (
    FROM footfall.main.study(
        tbl, user_id, category_id, action, ts, purchase := purchase, view := view, steps := steps, promotion_from := promotion_from,
        promotion_until := promotion_until, amount := amount, order_id := order_id, time_zone := time_zone, absent := absent
    )
)
FROM footfall.main.page(footfall__charts, title := title);
COMMENT ON MACRO TABLE footfall.main.report IS $$The page of `footfall.study` in one call: one row with one BLOB, the bytes of an HTML file.

`COPY (FROM footfall.report(events, user_id, category_id, action, ts, title := 'Spring sale')) TO 'study.html' (FORMAT blob)` writes it; any other format would change its
bytes. The file loads and sends nothing. A page with more charts, such as those of a model, is `footfall.page` of several studies put together.

Parameters:
- title: VARCHAR.
- tbl, user_id, category_id, action, ts, purchase, view, steps, promotion_from, promotion_until, amount, order_id, time_zone, absent: as in `footfall.study`.

Example:
CREATE OR REPLACE TABLE events AS FROM footfall.generate_events(users := 100, days := 9) WHERE ts >= DATE '2017-11-25' AND ts < DATE '2017-12-04';
SELECT octet_length(page) > 50000 AS has_bytes FROM footfall.report(events, user_id, category_id, action, ts, title := 'Spring sale');$$;
